// The matrix product on the CPU, for the kernels of csrc/cpu that need one (linalg, conv, rnn).
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "cpu/elementwise_table.h"

namespace tahr {

// What becomes of a product on its way to C, in this order. Each step is rounded as an op of its own would be, so the
// result has the bits of the plain ops one after the other.
struct GemmEpilogue {
  double factor = 1;           // multiplies the product
  bool accumulate = false;     // adds C
  const void* bias = nullptr;  // n values of C's dtype, added to every row
  bool relu = false;
  // Any other function of one element, from cpu/elementwise_table.h, with its parameters; the loop computes in float
  // if C is of halves. Applied to each part of C while it is near. With map_with, a matrix laid out like C and of its
  // dtype, it is a function of both elements.
  EwLoop map = nullptr;
  const double* map_params = nullptr;
  double map_ns = 0;  // per element, roughly
  const void* map_with = nullptr;
};

// C = op(A) op(B), row-major with leading dimensions in elements, then what the epilogue says.
//   op(A)  m x k: A is [m, k], or [k, m] if ta        op(B)  k x n: B is [k, n], or [n, k] if tb
//   C      m x n, of the inputs' dtype, except that int8 inputs give int32
// float16 and bfloat16 are summed in float32. Integers wrap around; bool is "or" of "and"s; both take `accumulate` and
// `bias` only.
// C overlaps neither input. The same bits at any number of threads, and each row of C the same whatever the other rows.
void gemm(DType dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void* a, int64_t lda, const void* b,
          int64_t ldb, void* c, int64_t ldc, const GemmEpilogue& epilogue = {});

// The same for float32, where the rows of A, as they are stored, begin at the addresses listed: m of them, or k if ta.
void gemm_listed(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* const* a_list, const float* b,
                 int64_t ldb, float* c, int64_t ldc, const GemmEpilogue& epilogue = {});

// The same with the kernels of a given instruction set, which this CPU must have (tests).
struct GemmTable;
void gemm_with(const GemmTable& table, DType dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void* a,
               int64_t lda, const void* b, int64_t ldb, void* c, int64_t ldc, const GemmEpilogue& epilogue = {});
void gemm_listed_with(const GemmTable& table, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                      const float* const* a_list, const float* b, int64_t ldb, float* c, int64_t ldc,
                      const GemmEpilogue& epilogue = {});

// Estimated nanoseconds of one product on one thread, for parallel_for.
double gemm_cost_ns(DType dtype, int64_t m, int64_t n, int64_t k);

}  // namespace tahr
