// GRU over a sequence, the reset gate after the recurrent product (one product per step) or before it (two).
#include "cpu/rnn.h"

namespace tahr::rnn {
namespace {

template <class T>
void forward(const KernelArgs& a) {
  const auto& at = a.as<GruAttrs>();
  const int64_t batch = a.in[0].dim(0), steps = a.in[0].dim(1), features = a.in[0].dim(2), units = a.in[2].dim(0),
                wide = 3 * units;
  if (batch * units == 0) return;
  const T *bias = data_or_null<T>(a.in, 3), *h0 = data_or_null<T>(a.in, 4);
  const T* recurrent_bias = bias && at.reset_after ? bias + wide : nullptr;
  const auto* mask = reinterpret_cast<const uint8_t*>(data_or_null<bool>(a.in, 5));
  T *y = a.out[0].mutable_data<T>(), *last = a.out[1].mutable_data<T>(), *gates = a.out[2].mutable_data<T>(),
    *inner = a.out[3].mutable_data<T>();
  GemmEpilogue end;
  end.bias = bias;
  gemm(dtype_of<T>(), false, false, batch * steps, wide, features, a.in[0].raw(), features, a.in[1].raw(), wide, gates,
       wide, end);
  const int64_t at_once = at.reset_after ? wide : 2 * units, chunk_rows = rows_per_chunk(batch, 5 * units, sizeof(T));
  const StepMatrix<T> matrix(a.in[2].data<T>(), wide, false, units, at_once, chunk_rows);
  const StepMatrix<T> candidate_matrix(a.in[2].data<T>() + 2 * units, wide, false, units, wide - at_once, chunk_rows);
  const double work = static_cast<double>(batch) * steps * units;
  each_chunk(batch, 5 * units, sizeof(T), work * wide, work * 3, [&](int64_t first, int64_t rows) {
    const Buffer<T> room(rows * (wide + units));
    T *recurrent = room.get(), *candidate = recurrent + rows * 2 * units, *reset = recurrent + rows * wide;
    T* h = last + first * units;
    load_state(h, h0, first, rows, units);
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t t = at.go_backwards ? steps - 1 - s : s;
      const int64_t in = first * steps + t, out = (first * steps + s) * units;
      matrix.multiply(h, rows, recurrent, false, recurrent_bias);
      const GruStep<T> step{.rows = rows,
                            .units = units,
                            .activation = activation_of(at.activation),
                            .recurrent_activation = activation_of(at.recurrent_activation),
                            .mask = {mask ? mask + in : nullptr, steps},
                            .recurrent = recurrent,
                            .candidate = candidate,
                            .gates = {gates + in * wide, steps * wide},
                            .inner = {inner + in * units, steps * units},
                            .y = {y + out, steps * units},
                            .h = h,
                            .reset = reset};
      if (at.reset_after) {
        kernels<T>().gru(step);
      } else {
        kernels<T>().gru_before_gates(step);
        candidate_matrix.multiply(reset, rows, candidate, false);
        kernels<T>().gru_before_candidate(step);
      }
    }
  });
}

template <class T>
void backward(const KernelArgs& a) {
  const auto& at = a.as<GruGradAttrs>();
  const int64_t batch = a.in[0].dim(0), steps = a.in[0].dim(1), features = a.in[0].dim(2), units = a.in[2].dim(0),
                wide = 3 * units;
  const T *y = a.in[3].data<T>(), *gates = a.in[4].data<T>(), *inner = a.in[5].data<T>();
  const T* h0 = data_or_null<T>(a.in, 7);
  const auto* mask = reinterpret_cast<const uint8_t*>(data_or_null<bool>(a.in, 8));
  const T *dy = data_or_null<T>(a.in, 9), *dlast = data_or_null<T>(a.in, 10);
  const auto wants = [&](int i) { return a.out[i].size() > 0; };
  const int64_t all = batch * steps, at_once = at.reset_after ? wide : 2 * units,
                chunk_rows = rows_per_chunk(batch, 8 * units, sizeof(T));
  const Buffer<T> dz(all * wide), dinner(at.reset_after && wants(2) ? all * units : 0),
      previous(wants(2) ? all * units : 0), dbias(batch * 4 * units);
  std::memset(dbias.get(), 0, static_cast<size_t>(batch * 4 * units) * sizeof(T));
  const StepMatrix<T> matrix(a.in[2].data<T>(), wide, true, at_once, units, chunk_rows);
  const StepMatrix<T> candidate_matrix(a.in[2].data<T>() + 2 * units, wide, true, wide - at_once,
                                       at.reset_after ? 0 : units, chunk_rows);
  const Buffer<T> unread(at.reset_after && !wants(2) ? batch * units : 0);
  const double work = static_cast<double>(batch) * steps * units;
  each_chunk(batch, 8 * units, sizeof(T), work * wide, work * 3, [&](int64_t first, int64_t rows) {
    const Buffer<T> room(rows * (wide + 2 * units));
    T *dense = room.get(), *dh = dense + rows * wide, *dcandidate = dh + rows * units;
    load_state(dh, dlast, first, rows, units);
    for (int64_t s = steps - 1; s >= 0; --s) {
      const int64_t t = at.go_backwards ? steps - 1 - s : s;
      const int64_t in = first * steps + t, out = (first * steps + s) * units;
      RnnSequence<const T> before{h0 ? h0 + first * units : nullptr, units};
      if (s > 0) before = {y + out - units, steps * units};
      RnnSequence<T> inner_gradient;
      if (at.reset_after && wants(2)) inner_gradient = {dinner.get() + in * units, steps * units};
      else if (at.reset_after) inner_gradient = {unread.get() + first * units, units};
      const GruStepGrad<T> step{.rows = rows,
                                .units = units,
                                .activation = activation_of(at.activation),
                                .recurrent_activation = activation_of(at.recurrent_activation),
                                .mask = {mask ? mask + in : nullptr, steps},
                                .gates = {gates + in * wide, steps * wide},
                                .inner = {inner + in * units, steps * units},
                                .before = before,
                                .dy = {dy ? dy + out : nullptr, steps * units},
                                .dh = dh,
                                .dz = {dz.get() + in * wide, steps * wide},
                                .dinner = inner_gradient,
                                .dz_dense = dense,
                                .dcandidate = dcandidate,
                                .dbias = dbias.get() + first * 4 * units};
      if (at.reset_after) {
        kernels<T>().gru_grad(step);
      } else {
        kernels<T>().gru_before_candidate_grad(step);
        // The gradient of r h takes the place of the candidate's, which dz keeps.
        T* dreset = dense + rows * 2 * units;
        candidate_matrix.multiply(dcandidate, rows, dreset, false);
        GruStepGrad<T> second = step;
        second.dcandidate = dreset;
        kernels<T>().gru_before_gates_grad(second);
      }
      if (wants(2)) {
        store_previous(previous.get() + in * units, steps * units, s > 0 ? y + out - units : nullptr, steps * units, h0,
                       first, rows, units);
      }
      if (s > 0 || wants(4)) matrix.multiply(dense, rows, dh, true);
    }
    if (wants(4)) {
      std::memcpy(a.out[4].mutable_data<T>() + first * units, dh, static_cast<size_t>(rows * units) * sizeof(T));
    }
  });
  const DType d = dtype_of<T>();
  if (wants(0)) {
    gemm(d, false, true, all, features, wide, dz.get(), wide, a.in[1].raw(), wide, a.out[0].mutable_raw(), features);
  }
  if (wants(1)) {
    weight_gradient(a.in[0].data<T>(), features, dz.get(), wide, wide, all, a.out[1].mutable_data<T>(), wide);
  }
  if (wants(2)) {
    T* du = a.out[2].mutable_data<T>();
    weight_gradient<T>(previous.get(), units, dz.get(), wide, 2 * units, all, du, wide);
    if (at.reset_after) {
      weight_gradient<T>(previous.get(), units, dinner.get(), units, units, all, du + 2 * units, wide);
    } else {
      weight_gradient<T>(inner, units, dz.get() + 2 * units, wide, units, all, du + 2 * units, wide);
    }
  }
  if (wants(3)) {
    const Buffer<T> sums(4 * units);
    sum_rows(dbias.get(), batch, 4 * units, sums.get());
    T* out = a.out[3].mutable_data<T>();
    std::copy_n(sums.get(), wide, out);
    if (at.reset_after) {
      std::copy_n(sums.get(), 2 * units, out + wide);
      std::copy_n(sums.get() + wide, units, out + wide + 2 * units);
    }
  }
}

}  // namespace

void gru_kernel(const KernelArgs& a) { run_widened(a, forward<float>, forward<double>); }
void gru_grad_kernel(const KernelArgs& a) { run_widened(a, backward<float>, backward<double>); }

}  // namespace tahr::rnn
