// The kernels of csrc/cpu/isa/softmax.cpp: rows of a softmax and of what is made from one.
// Every function works on `rows` dense rows of n elements; no output may overlap an input.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace tahr {

template <class T>
struct SoftmaxKernels {
  // y = exp(x - lse(x)), or its logarithm.
  void (*softmax)(const T* x, T* y, int64_t rows, int64_t n);
  void (*log_softmax)(const T* x, T* y, int64_t rows, int64_t n);
  // dx = y (dy - sum(y dy)); for the logarithm dx = dy - exp(y) sum(dy).
  void (*softmax_grad)(const T* y, const T* dy, T* dx, int64_t rows, int64_t n);
  void (*log_softmax_grad)(const T* y, const T* dy, T* dx, int64_t rows, int64_t n);
  // The same down the columns of a block: m columns of n elements, `stride` apart.
  void (*softmax_cols)(const T* x, T* y, int64_t n, int64_t stride, int64_t m);
  void (*log_softmax_cols)(const T* x, T* y, int64_t n, int64_t stride, int64_t m);
  void (*softmax_grad_cols)(const T* y, const T* dy, T* dx, int64_t n, int64_t stride, int64_t m);
  void (*log_softmax_grad_cols)(const T* y, const T* dy, T* dx, int64_t n, int64_t stride, int64_t m);
  // loss[i] = lse(x_i) - x_i[label[i]];  dx_i = (softmax(x_i) - onehot(label[i])) dy[i]
  void (*sparse_loss)(const T* x, const int64_t* label, T* loss, int64_t rows, int64_t n);
  void (*sparse_loss_grad)(const T* x, const int64_t* label, const T* dy, T* dx, int64_t rows, int64_t n);
  // loss[i] = sum(t_i (lse(x_i) - x_i));  dx_i = (softmax(x_i) sum(t_i) - t_i) dy[i]
  void (*dense_loss)(const T* x, const T* t, T* loss, int64_t rows, int64_t n);
  void (*dense_loss_grad)(const T* x, const T* t, const T* dy, T* dx, int64_t rows, int64_t n);
  // loss = max(x, 0) - x t + log(1 + exp(-|x|));  dx = (sigmoid(x) - t) dy: over n elements
  void (*sigmoid_loss)(const T* x, const T* t, T* loss, int64_t n);
  void (*sigmoid_loss_grad)(const T* x, const T* t, const T* dy, T* dx, int64_t n);
};

struct SoftmaxTable {
  SoftmaxKernels<float> f32;
  SoftmaxKernels<double> f64;
};

}  // namespace tahr
TAHR_DECLARE_ISA_TABLE(SoftmaxTable, softmax_table)
