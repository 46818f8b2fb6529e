// The matrix product on the CPU, for the kernels of csrc/cpu that need one (linalg, conv, rnn).
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace tahr {

// C = op(A) op(B) (+ bias) (+ C), row-major with leading dimensions in elements.
//   op(A)  m x k: A is [m, k], or [k, m] if ta        op(B)  k x n: B is [k, n], or [n, k] if tb
//   C      m x n, of the inputs' dtype, except that int8 inputs give int32
//   bias   n values of C's dtype added to every row, or null
// float16 and bfloat16 are summed in float32. Integers wrap around; bool is "or" of "and"s.
// C overlaps neither input. The same bits at any number of threads, and each row of C the same whatever the other rows.
void gemm(DType dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void* a, int64_t lda, const void* b,
          int64_t ldb, void* c, int64_t ldc, bool accumulate = false, const void* bias = nullptr);

// The same with the kernels of a given instruction set, which this CPU must have (tests).
struct GemmTable;
void gemm_with(const GemmTable& table, DType dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void* a,
               int64_t lda, const void* b, int64_t ldb, void* c, int64_t ldc, bool accumulate = false,
               const void* bias = nullptr);

// Estimated nanoseconds of one product on one thread, for parallel_for.
double gemm_cost_ns(DType dtype, int64_t m, int64_t n, int64_t k);

}  // namespace tahr
