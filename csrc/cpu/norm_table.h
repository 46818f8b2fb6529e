// The kernels of csrc/cpu/isa/norm.cpp. `scale` and `offset` may be null: 1 and 0.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace tahr {

template <class T>
struct NormKernels {
  // Dense rows of n elements. With `centre`, mean and variance are those of each row; without, 0 and the mean square.
  //   y = (x - mean) / sqrt(variance + epsilon) * scale + offset
  void (*rows)(const T* x, const T* scale, const T* offset, T* y, T* mean, T* variance, int64_t rows, int64_t n,
               double epsilon, bool centre);
  // dx, and what the rows add to the n elements of dscale and doffset (each may be null).
  void (*rows_grad)(const T* dy, const T* x, const T* mean, const T* variance, const T* scale, T* dx, T* dscale,
                    T* doffset, int64_t rows, int64_t n, double epsilon, bool centre);
  // A dense block of rows of m elements, by columns: mean and sum of (x - mean)².
  void (*moments)(const T* x, int64_t rows, int64_t m, T* mean, T* squares);
  // y = (x - mean) factor + offset
  void (*affine)(const T* x, const T* mean, const T* factor, const T* offset, T* y, int64_t rows, int64_t m);
  // y = relu((x - mean) factor + offset + skip); `skip` may be null: 0
  void (*affine_relu)(const T* x, const T* mean, const T* factor, const T* offset, const T* skip, T* y, int64_t rows,
                      int64_t m);
  // The sums of dy and of dy (x - mean) down the columns.
  void (*sums)(const T* dy, const T* x, const T* mean, int64_t rows, int64_t m, T* sum, T* product);
  // dx = dy p + (x - mean) q + r
  void (*affine_grad)(const T* dy, const T* x, const T* mean, const T* p, const T* q, const T* r, T* dx, int64_t rows,
                      int64_t m);
};

struct NormTable {
  NormKernels<float> f32;
  NormKernels<double> f64;
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(NormTable, norm_table)
