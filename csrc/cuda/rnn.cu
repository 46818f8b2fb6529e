// Recurrent layers: registration, what they share, and simple_rnn.
//   y_s = activation(x_t W + b + y_(s-1) U); a row that the mask leaves out keeps its state
#include "cuda/rnn.h"
#include "cuda/rnn_cudnn.h"

namespace tahr::cuda {
namespace rnn {
namespace {

template <class To, class From>
__global__ void convert_kernel(const From* from, To* to, int64_t n) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) to[i] = convert<To>(from[i]);
}

template <class T>
__global__ void previous_kernel(const T* y, const T* initial, Sizes n, T* previous) {
  each_cell(n.all(), n.units, [&](int64_t r, int64_t j) {
    const int64_t row = r / n.steps, t = r % n.steps, s = n.time(t);
    previous[r * n.units + j] = s > 0     ? y[(row * n.steps + s - 1) * n.units + j]
                                : initial ? initial[row * n.units + j]
                                          : T(0);
  });
}

// Partial sums of `part` rows each, by one warp a column group of 32: 8 rows at a time, added up in order at the end.
template <class T>
__global__ void sum_rows_kernel(const T* x, int64_t rows, int64_t width, int64_t stride, int64_t part, T* out) {
  __shared__ T sums[kRowsPerBlock][kLanes];
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kLanes + threadIdx.x;
  const int64_t begin = static_cast<int64_t>(blockIdx.y) * part, end = begin + part < rows ? begin + part : rows;
  T sum = 0;
  if (j < width)
    for (int64_t i = begin + threadIdx.y; i < end; i += kRowsPerBlock) sum += x[i * stride + j];
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || j >= width) return;
  for (int i = 1; i < kRowsPerBlock; ++i) sum += sums[i][threadIdx.x];
  out[blockIdx.y * width + j] = sum;
}

}  // namespace

template <class T>
Call<T>::Call(const KernelArgs& a) : args_(a) {
  for (const Tensor& t : a.in) {
    if (!t.defined() || !is_float(t.dtype())) {
      in_.push_back(nullptr);
    } else if (t.dtype() == DTypeOf<T>::value) {
      in_.push_back(t.data<T>());
    } else {
      T* wide = room(t.size());
      in_.push_back(wide);
      if (t.size() == 0) continue;
      visit_dtype(t.dtype(), [&]<class H>() {
        if constexpr (kHalf<H>)
          launch(convert_kernel<T, H>, grid_for(t.size(), 4), dim3(kBlock), 0, t.data<H>(), wide, t.size());
      });
    }
  }
  for (const Tensor& t : a.out) {
    out_.push_back(t.dtype() == DTypeOf<T>::value ? t.mutable_data<T>()
                   : is_float(t.dtype())          ? room(t.size())
                                                  : nullptr);
  }
}

template <class T>
void Call<T>::finish() {
  for (size_t i = 0; i < out_.size(); ++i) {
    const Tensor& t = args_.out[i];
    if (t.dtype() == DTypeOf<T>::value || t.size() == 0) continue;
    visit_dtype(t.dtype(), [&]<class H>() {
      if constexpr (kHalf<H>)
        launch(convert_kernel<H, T>, grid_for(t.size(), 4), dim3(kBlock), 0, out_[i], t.mutable_data<H>(), t.size());
    });
  }
}

template <class T>
T* Call<T>::room(int64_t n) {
  if (n == 0) return nullptr;
  scratch_.push_back(std::make_unique<Scratch>(static_cast<size_t>(n) * sizeof(T)));
  return scratch_.back()->template as<T>();
}

template <class T>
void copy_or_clear(T* to, const T* from, int64_t n) {
  const size_t bytes = static_cast<size_t>(n) * sizeof(T);
  if (n == 0) return;
  if (from) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()), "a copy on the GPU failed");
  else check(cudaMemsetAsync(to, 0, bytes, stream()), "memory could not be set");
}

template <class T>
void previous_states(const T* y, const T* initial, const Sizes& n, T* previous) {
  if (n.all() * n.units > 0) launch_cells(previous_kernel<T>, n.all(), n.units, y, initial, n, previous);
}

template <class T>
void sum_rows(const T* x, int64_t rows, int64_t width, int64_t stride, T* out) {
  if (width == 0) return;
  constexpr int64_t kPart = 256, kMostParts = 64;
  const int64_t parts = rows <= kPart                             ? 1
                        : (rows + kPart - 1) / kPart < kMostParts ? (rows + kPart - 1) / kPart
                                                                  : kMostParts;
  const dim3 block(kLanes, kRowsPerBlock),
      grid(static_cast<unsigned>((width + kLanes - 1) / kLanes), static_cast<unsigned>(parts));
  const int64_t part = (rows + parts - 1) / parts;
  if (parts == 1) {
    launch(sum_rows_kernel<T>, grid, block, 0, x, rows, width, stride, part, out);
    return;
  }
  const Scratch partial(static_cast<size_t>(parts * width) * sizeof(T));
  launch(sum_rows_kernel<T>, grid, block, 0, x, rows, width, stride, part, partial.as<T>());
  launch(sum_rows_kernel<T>, dim3(grid.x), block, 0, partial.as<T>(), parts, width, width, parts, out);
}

#define TAHR_RNN_SHARED(T)                                             \
  template class Call<T>;                                              \
  template void copy_or_clear(T*, const T*, int64_t);                  \
  template void previous_states(const T*, const T*, const Sizes&, T*); \
  template void sum_rows(const T*, int64_t, int64_t, int64_t, T*);
TAHR_RNN_SHARED(float)
TAHR_RNN_SHARED(double)
#undef TAHR_RNN_SHARED

namespace {

// z: x W + b. `recurrent` [rows][units] may be missing.
template <class T>
struct SimpleStep {
  int64_t rows, units;
  Activation activation;
  Mask mask;
  const T* recurrent;
  Rows<const T> z, before;
  Rows<T> y;
  T* last;  // also written, if there is one
};

template <class T>
__global__ void simple_kernel(SimpleStep<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    T state;
    if (left_out(p.mask, i)) state = value_or_zero(p.before, i, j);
    else state = activate(p.activation, p.z.row(i)[j] + (p.recurrent ? p.recurrent[i * p.units + j] : T(0)));
    p.y.row(i)[j] = state;
    if (p.last) p.last[i * p.units + j] = state;
  });
}

template <class T>
void simple(Call<T>& c) {
  const auto& at = c.template as<SimpleRnnAttrs>();
  const Sizes n = sizes_of(c, at.go_backwards);
  if (n.batch * n.units == 0) return;
  const T* h0 = c.in(4);
  T *y = c.out(0), *last = c.out(1);
  if (n.steps == 0) return copy_or_clear(last, h0, n.batch * n.units);
  // Backwards, y is not in the order of x: the products go elsewhere.
  T *z = at.go_backwards ? c.room(n.all() * n.units) : y, *recurrent = c.room(n.batch * n.units);
  product<T>(n.all(), n.units, n.features, {c.in(0), n.features}, {c.in(1), n.units}, z, n.units, false, c.in(3));
  for (int64_t s = 0; s < n.steps; ++s) {
    const Rows<const T> before = before_step(y, h0, n, s);
    if (before.at)
      product<T>(n.batch, n.units, n.units, {before.at, before.stride}, {c.in(2), n.units}, recurrent, n.units);
    launch_cells(simple_kernel<T>, n.batch, n.units,
                 SimpleStep<T>{.rows = n.batch,
                               .units = n.units,
                               .activation = activation_of(at.activation),
                               .mask = mask_at(c, 5, n, n.time(s)),
                               .recurrent = before.at ? recurrent : nullptr,
                               .z = at_step<const T>(z, n, n.time(s), n.units),
                               .before = before,
                               .y = at_step(y, n, s, n.units),
                               .last = s + 1 == n.steps ? last : nullptr});
  }
}

// dh arrives without dy and leaves with what does not pass through z.
template <class T>
struct SimpleStepGrad {
  int64_t rows, units;
  Activation activation;
  Mask mask;
  Rows<const T> y, dy;
  T* dh;
  Rows<T> dz;
};

template <class T>
__global__ void simple_grad_kernel(SimpleStepGrad<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    T& dh = p.dh[i * p.units + j];
    const T d = dh + value_or_zero(p.dy, i, j);
    const bool skip = left_out(p.mask, i);
    dh = skip ? d : T(0);
    p.dz.row(i)[j] = skip ? T(0) : d * slope(p.activation, p.y.row(i)[j]);
  });
}

template <class T>
void simple_grad(Call<T>& c) {
  const auto& at = c.template as<SimpleRnnGradAttrs>();
  const Sizes n = sizes_of(c, at.go_backwards);
  const T *y = c.in(3), *h0 = c.in(5);
  T *dz = c.room(n.all() * n.units), *dh = c.wants(4) ? c.out(4) : c.room(n.batch * n.units);
  copy_or_clear(dh, c.in(8), n.batch * n.units);
  for (int64_t s = n.steps - 1; s >= 0 && n.batch * n.units > 0; --s) {
    const Rows<T> dz_now = at_step(dz, n, n.time(s), n.units);
    launch_cells(simple_grad_kernel<T>, n.batch, n.units,
                 SimpleStepGrad<T>{.rows = n.batch,
                                   .units = n.units,
                                   .activation = activation_of(at.activation),
                                   .mask = mask_at(c, 6, n, n.time(s)),
                                   .y = at_step(y, n, s, n.units),
                                   .dy = at_step(c.in(7), n, s, n.units),
                                   .dh = dh,
                                   .dz = dz_now});
    if (s > 0 || c.wants(4))
      product<T>(n.batch, n.units, n.units, {dz_now.at, dz_now.stride}, {c.in(2), n.units, true}, dh, n.units, true);
  }
  if (c.wants(0))
    product<T>(n.all(), n.features, n.units, {dz, n.units}, {c.in(1), n.units, true}, c.out(0), n.features);
  if (c.wants(1))
    product<T>(n.features, n.units, n.all(), {c.in(0), n.features, true}, {dz, n.units}, c.out(1), n.units);
  if (c.wants(2)) {
    T* previous = c.room(n.all() * n.units);
    previous_states(y, h0, n, previous);
    product<T>(n.units, n.units, n.all(), {previous, n.units, true}, {dz, n.units}, c.out(2), n.units);
  }
  if (c.wants(3)) sum_rows(dz, n.all(), n.units, n.units, c.out(3));
}

template <class T>
void run_as(const KernelArgs& a, void (*layer)(Call<T>&)) {
  Call<T> c(a);
  layer(c);
  c.finish();
}
template <Cell kCell, auto kFloat, auto kDouble>
void forward(const KernelArgs& a) {
  if (forward_by_cudnn(kCell, a)) return;
  if (a.in[0].dtype() == DType::Float64) run_as(a, kDouble);
  else run_as(a, kFloat);
}
template <Cell kCell, auto kFloat, auto kDouble>
void backward(const KernelArgs& a) {
  if (backward_by_cudnn(kCell, a)) return;
  if (a.in[0].dtype() == DType::Float64) run_as(a, kDouble);
  else run_as(a, kFloat);
}

}  // namespace
}  // namespace rnn

void register_rnn() {
  using namespace rnn;
  define("simple_rnn", forward<Cell::Simple, simple<float>, simple<double>>);
  define("simple_rnn_grad", backward<Cell::Simple, simple_grad<float>, simple_grad<double>>);
  define("lstm", forward<Cell::Lstm, lstm<float>, lstm<double>>);
  define("lstm_grad", backward<Cell::Lstm, lstm_grad<float>, lstm_grad<double>>);
  define("gru", forward<Cell::Gru, gru<float>, gru<double>>);
  define("gru_grad", backward<Cell::Gru, gru_grad<float>, gru_grad<double>>);
}

}  // namespace tahr::cuda
