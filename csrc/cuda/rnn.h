// What the recurrent kernels share (rnn.cu, rnn_lstm.cu, rnn_gru.cu). Formulas and contracts are those of
// cpu/rnn_table.h.
//
// A layer is a loop over time on the host that only gives work to the stream: x W + b for all steps in one product,
// then per step the product with U and one kernel for the gates. Backward: per step the gates' kernel and one product,
// after the loop one product each for the gradients of x, W and U. Nothing waits, and launches depend on shapes alone.
//
// Floor of a step: 2 rows units (gates units) FLOPs of the product, and U read once from the level-2 cache; the gates'
// kernel moves about 12 values per unit and row, all of them near. For small layers both are below the time of a
// launch, which a CUDA graph brings to 1 to 2 us each.
#pragma once

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "core/host_device.h"
#include "cuda/convert.h"
#include "cuda/product.h"
#include "ops/rnn_attrs.h"

namespace tahr::cuda::rnn {

enum class Activation : int { Linear, Tanh, Sigmoid, Relu, HardSigmoid };  // in the order of kRnnActivations

inline Activation activation_of(const std::string& name) {
  int i = 0;
  while (i + 1 < static_cast<int>(std::size(kRnnActivations)) && name != kRnnActivations[i]) ++i;
  return static_cast<Activation>(i);
}

template <class T>
__device__ __forceinline__ T activate(Activation f, T x) {
  switch (f) {
    case Activation::Tanh: return tanh(x);
    case Activation::Sigmoid: {
      const T e = exp(-fabs(x));
      return (x >= T(0) ? T(1) : x != x ? x : e) / (T(1) + e);
    }
    case Activation::Relu: return x < T(0) ? T(0) : x;
    case Activation::HardSigmoid: {
      const T y = x + T(3);
      return (y < T(0) ? T(0) : y > T(6) ? T(6) : y) / T(6);
    }
    default: return x;
  }
}
// The derivative, from the function's value.
template <class T>
__device__ __forceinline__ T slope(Activation f, T y) {
  switch (f) {
    case Activation::Tanh: return T(1) - y * y;
    case Activation::Sigmoid: return y * (T(1) - y);
    case Activation::Relu: return y > T(0) ? T(1) : T(0);
    case Activation::HardSigmoid: return y > T(0) && y < T(1) ? T(1) / T(6) : T(0);
    default: return T(1);
  }
}

struct Functions {
  Activation state, gate;
};
template <class Attrs>
Functions functions_of(const Attrs& at) {
  return {activation_of(at.activation), activation_of(at.recurrent_activation)};
}

// One value per row, or one row of values: row i begins at `at + i * stride`. Null: there is none.
template <class T>
struct Rows {
  T* at = nullptr;
  int64_t stride = 0;
  __device__ __forceinline__ T* row(int64_t i) const { return at + i * stride; }
};
using Mask = Rows<const bool>;
__device__ __forceinline__ bool left_out(const Mask& m, int64_t i) { return m.at && !*m.row(i); }
template <class T>
__device__ __forceinline__ T value_or_zero(const Rows<const T>& s, int64_t i, int64_t j) {
  return s.at ? s.row(i)[j] : T(0);
}

// body(row, unit) for every unit of every row: a warp takes 32 neighbouring units of a row.
inline constexpr int kLanes = 32, kRowsPerBlock = 8;
inline dim3 cell_grid(int64_t rows, int64_t units) {
  const int64_t down = (rows + kRowsPerBlock - 1) / kRowsPerBlock;
  return dim3(static_cast<unsigned>((units + kLanes - 1) / kLanes), static_cast<unsigned>(down < 65535 ? down : 65535));
}
template <class F>
__device__ __forceinline__ void each_cell(int64_t rows, int64_t units, F&& body) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kLanes + threadIdx.x;
  if (j >= units) return;
  for (int64_t i = static_cast<int64_t>(blockIdx.y) * kRowsPerBlock + threadIdx.y; i < rows;
       i += static_cast<int64_t>(gridDim.y) * kRowsPerBlock)
    body(i, j);
}
template <class... P, class... A>
void launch_cells(void (*kernel)(P...), int64_t rows, int64_t units, A&&... args) {
  launch(kernel, cell_grid(rows, units), dim3(kLanes, kRowsPerBlock), 0, std::forward<A>(args)...);
}

// The tensors of a call as T, the type of the arithmetic: halves are widened before, and `finish` narrows the results.
template <class T>
class Call {
 public:
  explicit Call(const KernelArgs& a);
  void finish();

  const T* in(size_t i) const { return i < in_.size() ? in_[i] : nullptr; }
  const bool* mask(size_t i) const {
    return i < args_.in.size() && args_.in[i].defined() ? args_.in[i].data<bool>() : nullptr;
  }
  T* out(size_t i) const { return out_[i]; }
  bool wants(size_t i) const { return args_.out[i].size() > 0; }
  const Shape& shape(size_t i) const { return args_.in[i].shape(); }
  template <class A>
  const A& as() const {
    return args_.as<A>();
  }
  T* room(int64_t n);  // memory for as long as this lives; null for nothing

 private:
  const KernelArgs& args_;
  std::vector<const T*> in_;
  std::vector<T*> out_;
  std::vector<std::unique_ptr<Scratch>> scratch_;
};
extern template class Call<float>;
extern template class Call<double>;

// What every layer's loop knows. The input's time at step s is `time(s)`.
struct Sizes {
  int64_t batch, steps, features, units;
  bool backwards;
  TAHR_HD int64_t time(int64_t s) const { return backwards ? steps - 1 - s : s; }
  TAHR_HD int64_t all() const { return batch * steps; }
};
template <class T>
Sizes sizes_of(const Call<T>& c, bool backwards) {
  return {c.shape(0)[0], c.shape(0)[1], c.shape(0)[2], c.shape(2)[0], backwards};
}
template <class T>
Mask mask_at(const Call<T>& c, size_t i, const Sizes& n, int64_t t) {
  const bool* m = c.mask(i);
  return {m ? m + t : nullptr, n.steps};
}
// Step s of a sequence [batch][steps][width]; before the first step, the initial state or nothing.
template <class T>
Rows<T> at_step(T* sequence, const Sizes& n, int64_t s, int64_t width) {
  return {sequence ? sequence + s * width : nullptr, n.steps * width};
}
template <class T>
Rows<const T> before_step(const T* states, const T* initial, const Sizes& n, int64_t s) {
  if (s > 0) return at_step(states, n, s - 1, n.units);
  return {initial, n.units};
}

// to[0, n) = from, or zeros where that is null.
template <class T>
void copy_or_clear(T* to, const T* from, int64_t n);
// previous[batch][time][units] = the state before the step that reads that time.
template <class T>
void previous_states(const T* y, const T* initial, const Sizes& n, T* previous);
// out[j] = the sum over rows of x[row * stride + j], in a fixed order.
template <class T>
void sum_rows(const T* x, int64_t rows, int64_t width, int64_t stride, T* out);

template <class T>
void lstm(Call<T>& c);
template <class T>
void lstm_grad(Call<T>& c);
template <class T>
void gru(Call<T>& c);
template <class T>
void gru_grad(Call<T>& c);

}  // namespace tahr::cuda::rnn
