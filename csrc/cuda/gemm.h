// The matrix product on a GPU, for the kernels of csrc/cuda that need one (linalg, conv, rnn, attention).
#pragma once

#include "cuda/runtime.h"

namespace tahr::cuda {

// C_i = end(alpha op(A_i) op(B_i) + beta C_i + bias), i < batch, row-major, leading dimensions and strides in elements.
//   op(A)  m x k: A is [m, k], or [k, m] if ta        op(B)  k x n: B is [k, n], or [n, k] if tb
//   C      m x n, of the inputs' dtype, except that int8 inputs give int32
// A stride of 0 gives all products one matrix; C's may not be 0 if batch > 1. C overlaps neither A nor B. With beta = 0
// C is not read; with k = 0 the product is 0. Halves are summed in float. Integers wrap around, bool is "or" of "and"s:
// these take alpha = 1 and beta = 0, no bias and no end. The same bits in every run of one process.
struct Gemm {
  DType type = DType::Float32;
  bool ta = false, tb = false;
  int64_t m = 0, n = 0, k = 0;
  const void *a = nullptr, *b = nullptr;
  void* c = nullptr;
  int64_t lda = 0, ldb = 0, ldc = 0;
  int64_t batch = 1, stride_a = 0, stride_b = 0, stride_c = 0;
  double alpha = 1, beta = 0;
  // Instead of these: alpha and beta as two values on the device, of type double if `type` is float64, else float.
  const void* factors = nullptr;
  const void* bias = nullptr;  // n values of C's dtype, added to each row
  enum class End : uint8_t { None, Relu, GeluTanh } end = End::None;
};

// On cuBLASLt, where it is there and has the product, else on the kernel below.
void gemm(const Gemm& g);

// The rows of `batch` int8 matrices of `rows` rows and `cols` columns, or columns and rows if `transposed`, as they are
// read by integer tensor cores: to[(i rows + r) width + c], zero from `cols` to `width`.
void repack_int8(const void* from, bool transposed, int64_t batch, int64_t stride, int64_t ld, int64_t rows,
                 int64_t cols, int64_t width, void* to);

// By our own kernel, whatever the dtype.
void gemm_tiled(const Gemm& g);

// c = end(c + bias) for the results of a product. Floating-point dtypes.
void gemm_finish(const Gemm& g);

// Whether cuBLASLt took it; if not, nothing has been done.
bool gemm_cublaslt(const Gemm& g);

}  // namespace tahr::cuda
