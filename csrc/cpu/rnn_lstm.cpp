// LSTM over a sequence: x W for all steps in one product, then the steps; backward the steps first, then one product
// each for the gradients of x, W and U.
#include "cpu/rnn.h"

namespace tahr::rnn {
namespace {

template <class T>
void forward(const KernelArgs& a) {
  const auto& at = a.as<LstmAttrs>();
  const int64_t batch = a.in[0].dim(0), steps = a.in[0].dim(1), features = a.in[0].dim(2), units = a.in[2].dim(0),
                wide = 4 * units;
  if (batch * units == 0) return;
  const T *bias = data_or_null<T>(a.in, 3), *h0 = data_or_null<T>(a.in, 4), *c0 = data_or_null<T>(a.in, 5);
  const auto* mask = reinterpret_cast<const uint8_t*>(data_or_null<bool>(a.in, 6));
  T *y = a.out[0].mutable_data<T>(), *last_h = a.out[1].mutable_data<T>(), *last_c = a.out[2].mutable_data<T>(),
    *cells = a.out[3].mutable_data<T>(), *gates = a.out[4].mutable_data<T>();
  GemmEpilogue end;
  end.bias = bias;
  gemm(dtype_of<T>(), false, false, batch * steps, wide, features, a.in[0].raw(), features, a.in[1].raw(), wide, gates,
       wide, end);
  const StepMatrix<T> matrix(a.in[2].data<T>(), wide, false, units, wide, rows_per_chunk(batch, 6 * units, sizeof(T)));
  const double work = static_cast<double>(batch) * steps * units;
  each_chunk(batch, 6 * units, sizeof(T), work * wide, work * 5, [&](int64_t first, int64_t rows) {
    const Buffer<T> recurrent(rows * wide);
    T *h = last_h + first * units, *c = last_c + first * units;
    load_state(h, h0, first, rows, units);
    load_state(c, c0, first, rows, units);
    if (!h0) std::memset(recurrent.get(), 0, static_cast<size_t>(rows * wide) * sizeof(T));
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t t = at.go_backwards ? steps - 1 - s : s;
      if (s > 0 || h0) matrix.multiply(h, rows, recurrent.get(), false);
      const int64_t in = first * steps + t, out = (first * steps + s) * units;
      kernels<T>().lstm({.rows = rows,
                         .units = units,
                         .activation = activation_of(at.activation),
                         .recurrent_activation = activation_of(at.recurrent_activation),
                         .mask = {mask ? mask + in : nullptr, steps},
                         .recurrent = recurrent.get(),
                         .gates = {gates + in * wide, steps * wide},
                         .cells = {cells + out, steps * units},
                         .y = {y + out, steps * units},
                         .c = c,
                         .h = h});
    }
  });
}

template <class T>
void backward(const KernelArgs& a) {
  const auto& at = a.as<LstmGradAttrs>();
  const int64_t batch = a.in[0].dim(0), steps = a.in[0].dim(1), features = a.in[0].dim(2), units = a.in[2].dim(0),
                wide = 4 * units;
  const T *y = a.in[3].data<T>(), *cells = a.in[4].data<T>(), *gates = a.in[5].data<T>();
  const T *h0 = data_or_null<T>(a.in, 7), *c0 = data_or_null<T>(a.in, 8);
  const auto* mask = reinterpret_cast<const uint8_t*>(data_or_null<bool>(a.in, 9));
  const T *dy = data_or_null<T>(a.in, 10), *dlast_h = data_or_null<T>(a.in, 11), *dlast_c = data_or_null<T>(a.in, 12);
  const auto wants = [&](int i) { return a.out[i].size() > 0; };
  const Buffer<T> dz(batch * steps * wide), previous(wants(2) ? batch * steps * units : 0), dbias(batch * wide);
  std::memset(dbias.get(), 0, static_cast<size_t>(batch * wide) * sizeof(T));
  const StepMatrix<T> matrix(a.in[2].data<T>(), wide, true, wide, units, rows_per_chunk(batch, 10 * units, sizeof(T)));
  const double work = static_cast<double>(batch) * steps * units;
  each_chunk(batch, 10 * units, sizeof(T), work * wide, work * 5, [&](int64_t first, int64_t rows) {
    const Buffer<T> dense(rows * wide), state(2 * rows * units);
    T *dh = state.get(), *dc = dh + rows * units;
    load_state(dh, dlast_h, first, rows, units);
    load_state(dc, dlast_c, first, rows, units);
    for (int64_t s = steps - 1; s >= 0; --s) {
      const int64_t t = at.go_backwards ? steps - 1 - s : s;
      const int64_t in = first * steps + t, out = (first * steps + s) * units;
      RnnSequence<const T> before{c0 ? c0 + first * units : nullptr, units};
      if (s > 0) before = {cells + out - units, steps * units};
      kernels<T>().lstm_grad({.rows = rows,
                              .units = units,
                              .activation = activation_of(at.activation),
                              .recurrent_activation = activation_of(at.recurrent_activation),
                              .mask = {mask ? mask + in : nullptr, steps},
                              .gates = {gates + in * wide, steps * wide},
                              .cells = {cells + out, steps * units},
                              .before = before,
                              .dy = {dy ? dy + out : nullptr, steps * units},
                              .dh = dh,
                              .dc = dc,
                              .dz = {dz.get() + in * wide, steps * wide},
                              .dz_dense = dense.get(),
                              .dbias = dbias.get() + first * wide});
      if (wants(2)) {
        store_previous(previous.get() + in * units, steps * units, s > 0 ? y + out - units : nullptr, steps * units, h0,
                       first, rows, units);
      }
      if (s > 0 || wants(4)) matrix.multiply(dense.get(), rows, dh, true);
    }
    const size_t bytes = static_cast<size_t>(rows * units) * sizeof(T);
    if (wants(4)) std::memcpy(a.out[4].mutable_data<T>() + first * units, dh, bytes);
    if (wants(5)) std::memcpy(a.out[5].mutable_data<T>() + first * units, dc, bytes);
  });
  const DType d = dtype_of<T>();
  const int64_t all = batch * steps;
  if (wants(0)) {
    gemm(d, false, true, all, features, wide, dz.get(), wide, a.in[1].raw(), wide, a.out[0].mutable_raw(), features);
  }
  if (wants(1)) {
    weight_gradient(a.in[0].data<T>(), features, dz.get(), wide, wide, all, a.out[1].mutable_data<T>(), wide);
  }
  if (wants(2)) {
    weight_gradient<T>(previous.get(), units, dz.get(), wide, wide, all, a.out[2].mutable_data<T>(), wide);
  }
  if (wants(3)) sum_rows(dbias.get(), batch, wide, a.out[3].mutable_data<T>());
}

}  // namespace

void lstm_kernel(const KernelArgs& a) { run_widened(a, forward<float>, forward<double>); }
void lstm_grad_kernel(const KernelArgs& a) { run_widened(a, backward<float>, backward<double>); }

}  // namespace tahr::rnn
