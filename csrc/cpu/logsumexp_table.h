// The kernels of csrc/cpu/isa/logsumexp.cpp.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace tahr {

template <class T>
struct LogsumexpKernels {
  // y[i] = the log-sum-exp of the dense row x[i * n, i * n + n), and y[j] = that of column j of the block
  // x[r * stride + j], r < rows, j < m, of few rows.
  void (*whole_rows)(const T* x, T* y, int64_t rows, int64_t n);
  void (*whole_cols)(const T* x, T* y, int64_t rows, int64_t stride, int64_t m);
  // Partials as cpu/reduce_table.h has them: a the maximum or a number near it, b the sum of exp(x - a), both double.
  // A maximum of +inf or -inf stands with b = 1 or b = 0.
  void (*rows)(const void* x, int64_t rows, int64_t n, int64_t base, void* a, void* b);
  void (*cols)(const void* x, int64_t rows, int64_t stride, int64_t m, int64_t base, void* a, void* b);
};

struct LogsumexpTable {
  LogsumexpKernels<float> f32;
  LogsumexpKernels<double> f64;
  // As ReduceKernel::merge.
  void (*merge)(void* a, void* b, double na, const void* a2, const void* b2, double nb, int64_t m);
  // out = log(total) + peak: the log-sum-exp of a partial. `out` may be either of them.
  void (*finish)(const double* peak, const double* total, double* out, int64_t n);
};

}  // namespace tahr
TAHR_DECLARE_ISA_TABLE(LogsumexpTable, logsumexp_table)
