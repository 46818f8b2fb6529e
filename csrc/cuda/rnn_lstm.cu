// LSTM over a sequence (Hochreiter and Schmidhuber, 1997), gates in the order i f g o:
//   z = x W + b + h U;  i, f, o = recurrent_activation(z_i, z_f, z_o), g = activation(z_g)
//   c' = f c + i g;  h' = o activation(c')
#include "cuda/rnn.h"

namespace tahr::cuda::rnn {
namespace {

// `gates` holds x W + b before, and the activated gates after. `recurrent` [rows][4 units] may be missing.
template <class T>
struct LstmStep {
  int64_t rows, units;
  Functions f;
  Mask mask;
  const T* recurrent;
  Rows<T> gates;
  Rows<const T> before_h, before_c;
  Rows<T> y, cells;
  T *last_h, *last_c;  // also written, if they are there
};

template <class T>
__global__ void lstm_kernel(LstmStep<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    const int64_t n = p.units;
    T cell = value_or_zero(p.before_c, i, j), state;
    if (left_out(p.mask, i)) {
      state = value_or_zero(p.before_h, i, j);
    } else {
      T* g = p.gates.row(i) + j;
      T z[4];
      TAHR_UNROLL
      for (int q = 0; q < 4; ++q) z[q] = g[q * n];
      if (p.recurrent) {
        TAHR_UNROLL
        for (int q = 0; q < 4; ++q) z[q] += p.recurrent[(i * 4 + q) * n + j];
      }
      TAHR_UNROLL
      for (int q = 0; q < 4; ++q) g[q * n] = z[q] = activate(q == 2 ? p.f.state : p.f.gate, z[q]);
      cell = z[1] * cell + z[0] * z[2];
      state = z[3] * activate(p.f.state, cell);
    }
    p.cells.row(i)[j] = cell;
    p.y.row(i)[j] = state;
    if (p.last_h) p.last_h[i * n + j] = state, p.last_c[i * n + j] = cell;
  });
}

// dh and dc arrive without dy, and leave with what does not pass through z.
template <class T>
struct LstmStepGrad {
  int64_t rows, units;
  Functions f;
  Mask mask;
  Rows<const T> gates, cells, before_c, dy;
  T *dh, *dc;
  Rows<T> dz;
};

template <class T>
__global__ void lstm_grad_kernel(LstmStepGrad<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    const int64_t n = p.units;
    T &dh = p.dh[i * n + j], &dc = p.dc[i * n + j];
    T* dz = p.dz.row(i) + j;
    const T d = dh + value_or_zero(p.dy, i, j);
    if (left_out(p.mask, i)) {
      dh = d;
      TAHR_UNROLL
      for (int q = 0; q < 4; ++q) dz[q * n] = T(0);
      return;
    }
    const T* g = p.gates.row(i) + j;
    const T input = g[0], forget = g[n], fresh = g[2 * n], output = g[3 * n];
    const T a = activate(p.f.state, p.cells.row(i)[j]);
    const T dcell = dc + d * output * slope(p.f.state, a);
    dz[0] = dcell * fresh * slope(p.f.gate, input);
    dz[n] = dcell * value_or_zero(p.before_c, i, j) * slope(p.f.gate, forget);
    dz[2 * n] = dcell * input * slope(p.f.state, fresh);
    dz[3 * n] = d * a * slope(p.f.gate, output);
    dc = dcell * forget;
    dh = T(0);
  });
}

}  // namespace

template <class T>
void lstm(Call<T>& c) {
  const auto& at = c.template as<LstmAttrs>();
  const Sizes n = sizes_of(c, at.go_backwards);
  const int64_t wide = 4 * n.units;
  if (n.batch * n.units == 0) return;
  const T *h0 = c.in(4), *c0 = c.in(5);
  T *y = c.out(0), *cells = c.out(3), *gates = c.out(4);
  if (n.steps == 0) {
    copy_or_clear(c.out(1), h0, n.batch * n.units);
    copy_or_clear(c.out(2), c0, n.batch * n.units);
    return;
  }
  product<T>(n.all(), wide, n.features, {c.in(0), n.features}, {c.in(1), wide}, gates, wide, false, c.in(3));
  T* recurrent = c.room(n.batch * wide);
  for (int64_t s = 0; s < n.steps; ++s) {
    const Rows<const T> before = before_step(y, h0, n, s);
    const bool last = s + 1 == n.steps;
    if (before.at) product<T>(n.batch, wide, n.units, {before.at, before.stride}, {c.in(2), wide}, recurrent, wide);
    launch_cells(lstm_kernel<T>, n.batch, n.units,
                 LstmStep<T>{.rows = n.batch,
                             .units = n.units,
                             .f = functions_of(at),
                             .mask = mask_at(c, 6, n, n.time(s)),
                             .recurrent = before.at ? recurrent : nullptr,
                             .gates = at_step(gates, n, n.time(s), wide),
                             .before_h = before,
                             .before_c = before_step(cells, c0, n, s),
                             .y = at_step(y, n, s, n.units),
                             .cells = at_step(cells, n, s, n.units),
                             .last_h = last ? c.out(1) : nullptr,
                             .last_c = last ? c.out(2) : nullptr});
  }
}

template <class T>
void lstm_grad(Call<T>& c) {
  const auto& at = c.template as<LstmGradAttrs>();
  const Sizes n = sizes_of(c, at.go_backwards);
  const int64_t wide = 4 * n.units, state = n.batch * n.units;
  const T *y = c.in(3), *cells = c.in(4), *gates = c.in(5), *h0 = c.in(7), *c0 = c.in(8);
  T* dz = c.room(n.all() * wide);
  T *dh = c.wants(4) ? c.out(4) : c.room(state), *dc = c.wants(5) ? c.out(5) : c.room(state);
  copy_or_clear(dh, c.in(11), state);
  copy_or_clear(dc, c.in(12), state);
  for (int64_t s = n.steps - 1; s >= 0 && state > 0; --s) {
    const Rows<T> dz_now = at_step(dz, n, n.time(s), wide);
    launch_cells(lstm_grad_kernel<T>, n.batch, n.units,
                 LstmStepGrad<T>{.rows = n.batch,
                                 .units = n.units,
                                 .f = functions_of(at),
                                 .mask = mask_at(c, 9, n, n.time(s)),
                                 .gates = at_step(gates, n, n.time(s), wide),
                                 .cells = at_step(cells, n, s, n.units),
                                 .before_c = before_step(cells, c0, n, s),
                                 .dy = at_step(c.in(10), n, s, n.units),
                                 .dh = dh,
                                 .dc = dc,
                                 .dz = dz_now});
    if (s > 0 || c.wants(4))
      product<T>(n.batch, n.units, wide, {dz_now.at, dz_now.stride}, {c.in(2), wide, true}, dh, n.units, true);
  }
  if (c.wants(0)) product<T>(n.all(), n.features, wide, {dz, wide}, {c.in(1), wide, true}, c.out(0), n.features);
  if (c.wants(1)) product<T>(n.features, wide, n.all(), {c.in(0), n.features, true}, {dz, wide}, c.out(1), wide);
  if (c.wants(2)) {
    T* previous = c.room(n.all() * n.units);
    previous_states(y, h0, n, previous);
    product<T>(n.units, wide, n.all(), {previous, n.units, true}, {dz, wide}, c.out(2), wide);
  }
  if (c.wants(3)) sum_rows(dz, n.all(), wide, wide, c.out(3));
}

template void lstm(Call<float>&);
template void lstm(Call<double>&);
template void lstm_grad(Call<float>&);
template void lstm_grad(Call<double>&);

}  // namespace tahr::cuda::rnn
