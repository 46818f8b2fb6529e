// What the loops over time of cpu/rnn_lstm.cpp, rnn_gru.cpp and rnn_simple.cpp share.
//
// One parallel region holds the whole loop over time: each chunk takes some rows of the batch through all steps, so no
// thread waits for another between steps. A row's result does not depend on which rows share its chunk (the product and
// the gate kernels treat each row alone), so the cut may follow the number of threads without touching the bits.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "cpu/gemm.h"
#include "cpu/gemm_table.h"
#include "cpu/rnn_table.h"
#include "cpu/scratch.h"
#include "ops/op.h"
#include "ops/rnn_attrs.h"

namespace tahr::rnn {

template <class T>
const RnnKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) return rnn_table().f32;
  else return rnn_table().f64;
}

inline RnnActivation activation_of(const std::string& name) {
  for (int i = 0; i < 5; ++i) {
    if (name == kRnnActivations[i]) return static_cast<RnnActivation>(i);
  }
  return RnnActivation::Linear;
}

template <class T>
constexpr DType dtype_of() {
  return std::is_same_v<T, float> ? DType::Float32 : DType::Float64;
}

template <class T>
const T* data_or_null(std::span<const Tensor> in, size_t i) {
  return i < in.size() && in[i].defined() ? in[i].data<T>() : nullptr;
}

// A buffer of elements.
template <class T>
struct Buffer {
  explicit Buffer(int64_t n) : scratch(static_cast<size_t>(n) * sizeof(T) + 64) {}
  Scratch scratch;
  T* get() const { return scratch.as<T>(); }
};

// The right operand of every step's product, laid out once for all steps: op(B) is k x n.
template <class T>
class StepMatrix {
 public:
  StepMatrix(const T* b, int64_t ldb, bool transposed, int64_t k, int64_t n, int64_t rows);
  // c[m, n] = a[m, k] op(B) (+ c) (+ bias), on this thread.
  void multiply(const T* a, int64_t m, T* c, bool accumulate, const T* bias = nullptr) const;

 private:
  int64_t k_, n_;
  bool packed_;
  const T* b_;
  int64_t ldb_;
  Buffer<T> buffer_;
};

// How many rows of the batch a chunk takes. `state_width`: values per row that a step works on.
int64_t rows_per_chunk(int64_t batch, int64_t state_width, size_t item);

// body(first row, rows) for all chunks; fmas: multiply-adds of all steps, elements: gate values of all steps.
template <class F>
void each_chunk(int64_t batch, int64_t state_width, size_t item, double fmas, double elements, F body) {
  const int64_t rows = rows_per_chunk(batch, state_width, item);
  const int64_t chunks = (batch + rows - 1) / rows;
  auto run = [&](int64_t c) { body(c * rows, std::min(rows, batch - c * rows)); };
  parallel_chunks(chunks, (fmas / 30 + elements * 0.4) * static_cast<double>(item) / 4, run);
}

// out[j] = sum over rows of rows[i * width + j], in order.
template <class T>
void sum_rows(const T* rows, int64_t count, int64_t width, T* out) {
  parallel_for(width, 256, static_cast<double>(count) * width * 0.3, [&](int64_t begin, int64_t end) {
    std::fill(out + begin, out + end, T{0});
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = begin; j < end; ++j) out[j] += rows[i * width + j];
    }
  });
}

// c[m, n] = a[k, m]^T b[k, n]: the gradient of a kernel, k being all rows at all steps.
template <class T>
void weight_gradient(const T* a, int64_t m, const T* b, int64_t ldb, int64_t n, int64_t k, T* c, int64_t ldc);

// Copies a state's rows, or zeros where there is none.
template <class T>
void load_state(T* to, const T* from, int64_t first, int64_t rows, int64_t units) {
  const size_t bytes = static_cast<size_t>(rows * units) * sizeof(T);
  if (from) std::memcpy(to, from + first * units, bytes);
  else std::memset(to, 0, bytes);
}

// to[row, step, :] = the state before the step: the one after the step before, or the initial one.
template <class T>
void store_previous(T* to, int64_t to_stride, const T* y, int64_t y_stride, const T* initial, int64_t first,
                    int64_t rows, int64_t units) {
  const size_t bytes = static_cast<size_t>(units) * sizeof(T);
  for (int64_t i = 0; i < rows; ++i, to += to_stride) {
    if (y) std::memcpy(to, y + i * y_stride, bytes);
    else if (initial) std::memcpy(to, initial + (first + i) * units, bytes);
    else std::memset(to, 0, bytes);
  }
}

// Runs a kernel of float or double; halves are widened to float around it. Subnormal numbers count as zero: a gradient
// that fades over hundreds of steps passes through them.
void run_widened(const KernelArgs& a, void (*f32)(const KernelArgs&), void (*f64)(const KernelArgs&));

void simple_kernel(const KernelArgs& a);
void simple_grad_kernel(const KernelArgs& a);
void lstm_kernel(const KernelArgs& a);
void lstm_grad_kernel(const KernelArgs& a);
void gru_kernel(const KernelArgs& a);
void gru_grad_kernel(const KernelArgs& a);

}  // namespace tahr::rnn
