// SimpleRNN over a sequence. The states of all steps are all that the gradient needs, so x W + b is formed where they
// will lie.
#include "cpu/rnn.h"

namespace tahr::rnn {
namespace {

template <class T>
void forward(const KernelArgs& a) {
  const auto& at = a.as<SimpleRnnAttrs>();
  const int64_t batch = a.in[0].dim(0), steps = a.in[0].dim(1), features = a.in[0].dim(2), units = a.in[2].dim(0);
  if (batch * units == 0) return;
  const T *bias = data_or_null<T>(a.in, 3), *h0 = data_or_null<T>(a.in, 4);
  const auto* mask = reinterpret_cast<const uint8_t*>(data_or_null<bool>(a.in, 5));
  T *y = a.out[0].mutable_data<T>(), *last = a.out[1].mutable_data<T>();
  const StepMatrix<T> matrix(a.in[2].data<T>(), units, false, units, units,
                             rows_per_chunk(batch, 3 * units, sizeof(T)));
  // Backwards, y is not in the order of x: the products go elsewhere.
  const Buffer<T> reversed(at.go_backwards ? batch * steps * units : 0);
  T* z = at.go_backwards ? reversed.get() : y;
  GemmEpilogue end;
  end.bias = bias;
  gemm(dtype_of<T>(), false, false, batch * steps, units, features, a.in[0].raw(), features, a.in[1].raw(), units, z,
       units, end);
  const double work = static_cast<double>(batch) * steps * units;
  each_chunk(batch, 3 * units, sizeof(T), work * units, work, [&](int64_t first, int64_t rows) {
    const Buffer<T> recurrent(rows * units);
    T* h = last + first * units;
    load_state(h, h0, first, rows, units);
    if (!h0) std::memset(recurrent.get(), 0, static_cast<size_t>(rows * units) * sizeof(T));
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t t = at.go_backwards ? steps - 1 - s : s;
      const int64_t in = first * steps + t, out = (first * steps + s) * units;
      if (s > 0 || h0) matrix.multiply(h, rows, recurrent.get(), false);
      if (at.go_backwards)
        store_previous(y + out, steps * units, z + in * units, steps * units, h0, first, rows, units);
      kernels<T>().simple({.rows = rows,
                           .units = units,
                           .activation = activation_of(at.activation),
                           .mask = {mask ? mask + in : nullptr, steps},
                           .recurrent = recurrent.get(),
                           .y = {y + out, steps * units},
                           .h = h});
    }
  });
}

template <class T>
void backward(const KernelArgs& a) {
  const auto& at = a.as<SimpleRnnGradAttrs>();
  const int64_t batch = a.in[0].dim(0), steps = a.in[0].dim(1), features = a.in[0].dim(2), units = a.in[2].dim(0);
  const T *y = a.in[3].data<T>(), *h0 = data_or_null<T>(a.in, 5);
  const auto* mask = reinterpret_cast<const uint8_t*>(data_or_null<bool>(a.in, 6));
  const T *dy = data_or_null<T>(a.in, 7), *dlast = data_or_null<T>(a.in, 8);
  const auto wants = [&](int i) { return a.out[i].size() > 0; };
  const Buffer<T> dz(batch * steps * units), previous(wants(2) ? batch * steps * units : 0), dbias(batch * units);
  std::memset(dbias.get(), 0, static_cast<size_t>(batch * units) * sizeof(T));
  const StepMatrix<T> matrix(a.in[2].data<T>(), units, true, units, units, rows_per_chunk(batch, 4 * units, sizeof(T)));
  const double work = static_cast<double>(batch) * steps * units;
  each_chunk(batch, 4 * units, sizeof(T), work * units, work, [&](int64_t first, int64_t rows) {
    const Buffer<T> dense(rows * units), state(rows * units);
    T* dh = state.get();
    load_state(dh, dlast, first, rows, units);
    for (int64_t s = steps - 1; s >= 0; --s) {
      const int64_t t = at.go_backwards ? steps - 1 - s : s;
      const int64_t in = first * steps + t, out = (first * steps + s) * units;
      kernels<T>().simple_grad({.rows = rows,
                                .units = units,
                                .activation = activation_of(at.activation),
                                .mask = {mask ? mask + in : nullptr, steps},
                                .y = {y + out, steps * units},
                                .dy = {dy ? dy + out : nullptr, steps * units},
                                .dh = dh,
                                .dz = {dz.get() + in * units, steps * units},
                                .dz_dense = dense.get(),
                                .dbias = dbias.get() + first * units});
      if (wants(2)) {
        store_previous(previous.get() + in * units, steps * units, s > 0 ? y + out - units : nullptr, steps * units, h0,
                       first, rows, units);
      }
      if (s > 0 || wants(4)) matrix.multiply(dense.get(), rows, dh, true);
    }
    if (wants(4)) {
      std::memcpy(a.out[4].mutable_data<T>() + first * units, dh, static_cast<size_t>(rows * units) * sizeof(T));
    }
  });
  const DType d = dtype_of<T>();
  const int64_t all = batch * steps;
  if (wants(0)) {
    gemm(d, false, true, all, features, units, dz.get(), units, a.in[1].raw(), units, a.out[0].mutable_raw(), features);
  }
  if (wants(1)) {
    weight_gradient(a.in[0].data<T>(), features, dz.get(), units, units, all, a.out[1].mutable_data<T>(), units);
  }
  if (wants(2)) {
    weight_gradient<T>(previous.get(), units, dz.get(), units, units, all, a.out[2].mutable_data<T>(), units);
  }
  if (wants(3)) sum_rows(dbias.get(), batch, units, a.out[3].mutable_data<T>());
}

}  // namespace

void simple_kernel(const KernelArgs& a) { run_widened(a, forward<float>, forward<double>); }
void simple_grad_kernel(const KernelArgs& a) { run_widened(a, backward<float>, backward<double>); }

}  // namespace tahr::rnn
