// Matrix products on rows that lie anywhere, for kernels that are made of them.
#pragma once

#include "cuda/gemm.h"

namespace tahr::cuda {

// A matrix whose rows are `ld` apart, or its transpose.
template <class T>
struct Matrix {
  const T* data;
  int64_t ld;
  bool transposed = false;
};

// c (m x n, rows ldc apart) = a (m x k) b (k x n), plus what c held (`accumulate`), plus a row of bias.
template <class T>
void product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t ldc, bool accumulate = false,
             const T* bias = nullptr) {
  Gemm g;
  g.type = DTypeOf<T>::value;
  g.ta = a.transposed, g.tb = b.transposed;
  g.m = m, g.n = n, g.k = k;
  g.a = a.data, g.b = b.data, g.c = c;
  g.lda = a.ld, g.ldb = b.ld, g.ldc = ldc;
  g.beta = accumulate ? 1 : 0;
  g.bias = bias;
  gemm(g);
}

}  // namespace tahr::cuda
