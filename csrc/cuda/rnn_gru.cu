// GRU over a sequence (Cho et al., 2014), gates in the order z r n:
//   z, r = recurrent_activation(x W + b + h U)
//   n = activation(x W_n + b_n + r (h U_n + b'_n))   the reset gate after the recurrent product: one product per step
//   n = activation(x W_n + b_n + (r h) U_n)          before it: two products per step
//   h' = z h + (1 - z) n
// `inner` keeps h U_n + b'_n, or r h; 0 in a row that the mask leaves out.
#include "cuda/rnn.h"

namespace tahr::cuda::rnn {
namespace {

// `gates` holds x W + b before, and the activated gates after.
template <class T>
struct GruStep {
  int64_t rows, units;
  Functions f;
  Mask mask;
  const T* recurrent;  // [rows][3 units], or of z and r [rows][2 units]; may be missing
  const T* bias;       // of `recurrent`, 3 units; may be missing
  const T* candidate;  // [rows][units]: (r h) U_n; may be missing
  Rows<T> gates, inner;
  Rows<const T> before;
  Rows<T> y;
  T* last;  // also written, if it is there
};

template <class T>
__device__ __forceinline__ void put_state(const GruStep<T>& p, int64_t i, int64_t j, T state) {
  p.y.row(i)[j] = state;
  if (p.last) p.last[i * p.units + j] = state;
}

template <class T>
__global__ void gru_kernel(GruStep<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    const int64_t n = p.units;
    const T old = value_or_zero(p.before, i, j);
    if (left_out(p.mask, i)) {
      p.inner.row(i)[j] = T(0);
      return put_state(p, i, j, old);
    }
    T* g = p.gates.row(i) + j;
    T rec[3];
    TAHR_UNROLL
    for (int q = 0; q < 3; ++q)
      rec[q] = (p.recurrent ? p.recurrent[(i * 3 + q) * n + j] : T(0)) + (p.bias ? p.bias[q * n + j] : T(0));
    const T z = activate(p.f.gate, g[0] + rec[0]), r = activate(p.f.gate, g[n] + rec[1]);
    const T fresh = activate(p.f.state, g[2 * n] + r * rec[2]);
    g[0] = z;
    g[n] = r;
    g[2 * n] = fresh;
    p.inner.row(i)[j] = rec[2];
    put_state(p, i, j, z * old + (T(1) - z) * fresh);
  });
}

template <class T>
__global__ void gru_before_gates_kernel(GruStep<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    const int64_t n = p.units;
    T kept = 0;
    if (!left_out(p.mask, i)) {
      T* g = p.gates.row(i) + j;
      TAHR_UNROLL
      for (int q = 0; q < 2; ++q)
        g[q * n] = activate(p.f.gate, g[q * n] + (p.recurrent ? p.recurrent[(i * 2 + q) * n + j] : T(0)));
      kept = g[n] * value_or_zero(p.before, i, j);
    }
    p.inner.row(i)[j] = kept;
  });
}

template <class T>
__global__ void gru_before_candidate_kernel(GruStep<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    const int64_t n = p.units;
    const T old = value_or_zero(p.before, i, j);
    if (left_out(p.mask, i)) return put_state(p, i, j, old);
    T* g = p.gates.row(i) + j;
    const T z = g[0], fresh = activate(p.f.state, g[2 * n] + (p.candidate ? p.candidate[i * n + j] : T(0)));
    g[2 * n] = fresh;
    put_state(p, i, j, z * old + (T(1) - z) * fresh);
  });
}

// dh arrives without dy, and leaves with what does not pass through the products.
template <class T>
struct GruStepGrad {
  int64_t rows, units;
  Functions f;
  Mask mask;
  Rows<const T> gates, inner, before, dy;
  T* dh;
  Rows<T> dz;          // 3 units: of x W + b
  Rows<T> drecurrent;  // 3 units: of h U + b', the reset after the product
  const T* dreset;     // [rows][units]: of r h, the reset before the product
};

template <class T>
__global__ void gru_grad_kernel(GruStepGrad<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    const int64_t n = p.units;
    T& dh = p.dh[i * n + j];
    T *dz = p.dz.row(i) + j, *drec = p.drecurrent.row(i) + j;
    const T d = dh + value_or_zero(p.dy, i, j);
    if (left_out(p.mask, i)) {
      dh = d;
      TAHR_UNROLL
      for (int q = 0; q < 3; ++q) dz[q * n] = drec[q * n] = T(0);
      return;
    }
    const T* g = p.gates.row(i) + j;
    const T z = g[0], r = g[n], fresh = g[2 * n];
    const T dn = d * (T(1) - z) * slope(p.f.state, fresh);
    dz[0] = drec[0] = d * (value_or_zero(p.before, i, j) - fresh) * slope(p.f.gate, z);
    dz[n] = drec[n] = dn * p.inner.row(i)[j] * slope(p.f.gate, r);
    dz[2 * n] = dn;
    drec[2 * n] = dn * r;
    dh = d * z;
  });
}

template <class T>
__global__ void gru_before_candidate_grad_kernel(GruStepGrad<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    const int64_t n = p.units;
    T& dh = p.dh[i * n + j];
    T* dz = p.dz.row(i) + j;
    const T d = dh + value_or_zero(p.dy, i, j);
    if (left_out(p.mask, i)) {
      dh = d;
      TAHR_UNROLL
      for (int q = 0; q < 3; ++q) dz[q * n] = T(0);
      return;
    }
    const T* g = p.gates.row(i) + j;
    const T z = g[0], fresh = g[2 * n];
    dz[0] = d * (value_or_zero(p.before, i, j) - fresh) * slope(p.f.gate, z);
    dz[2 * n] = d * (T(1) - z) * slope(p.f.state, fresh);
    dh = d * z;
  });
}

template <class T>
__global__ void gru_before_gates_grad_kernel(GruStepGrad<T> p) {
  each_cell(p.rows, p.units, [&](int64_t i, int64_t j) {
    if (left_out(p.mask, i)) return;
    const T d = p.dreset[i * p.units + j], r = p.gates.row(i)[p.units + j];
    p.dz.row(i)[p.units + j] = d * value_or_zero(p.before, i, j) * slope(p.f.gate, r);
    p.dh[i * p.units + j] += d * r;
  });
}

}  // namespace

template <class T>
void gru(Call<T>& c) {
  const auto& at = c.template as<GruAttrs>();
  const Sizes n = sizes_of(c, at.go_backwards);
  const int64_t wide = 3 * n.units, at_once = at.reset_after ? wide : 2 * n.units;
  if (n.batch * n.units == 0) return;
  const T *u = c.in(2), *bias = c.in(3), *h0 = c.in(4);
  T *y = c.out(0), *gates = c.out(2), *inner = c.out(3);
  if (n.steps == 0) return copy_or_clear(c.out(1), h0, n.batch * n.units);
  product<T>(n.all(), wide, n.features, {c.in(0), n.features}, {c.in(1), wide}, gates, wide, false, bias);
  T *recurrent = c.room(n.batch * at_once), *candidate = at.reset_after ? nullptr : c.room(n.batch * n.units);
  for (int64_t s = 0; s < n.steps; ++s) {
    const Rows<const T> before = before_step(y, h0, n, s);
    if (before.at) product<T>(n.batch, at_once, n.units, {before.at, before.stride}, {u, wide}, recurrent, at_once);
    const Rows<T> inner_now = at_step(inner, n, n.time(s), n.units);
    const GruStep<T> step{.rows = n.batch,
                          .units = n.units,
                          .f = functions_of(at),
                          .mask = mask_at(c, 5, n, n.time(s)),
                          .recurrent = before.at ? recurrent : nullptr,
                          .bias = bias && at.reset_after ? bias + wide : nullptr,
                          .candidate = before.at ? candidate : nullptr,
                          .gates = at_step(gates, n, n.time(s), wide),
                          .inner = inner_now,
                          .before = before,
                          .y = at_step(y, n, s, n.units),
                          .last = s + 1 == n.steps ? c.out(1) : nullptr};
    if (at.reset_after) {
      launch_cells(gru_kernel<T>, n.batch, n.units, step);
      continue;
    }
    launch_cells(gru_before_gates_kernel<T>, n.batch, n.units, step);
    if (before.at)
      product<T>(n.batch, n.units, n.units, {inner_now.at, inner_now.stride}, {u + 2 * n.units, wide}, candidate,
                 n.units);
    launch_cells(gru_before_candidate_kernel<T>, n.batch, n.units, step);
  }
}

template <class T>
void gru_grad(Call<T>& c) {
  const auto& at = c.template as<GruGradAttrs>();
  const Sizes n = sizes_of(c, at.go_backwards);
  const int64_t wide = 3 * n.units, state = n.batch * n.units, gate_width = 2 * n.units;
  const T *u = c.in(2), *y = c.in(3), *gates = c.in(4), *inner = c.in(5), *h0 = c.in(7);
  T* dz = c.room(n.all() * wide);
  T* drecurrent = at.reset_after ? c.room(n.all() * wide) : nullptr;
  T *dreset = at.reset_after ? nullptr : c.room(state), *dh = c.wants(4) ? c.out(4) : c.room(state);
  copy_or_clear(dh, c.in(10), state);
  for (int64_t s = n.steps - 1; s >= 0 && state > 0; --s) {
    const int64_t t = n.time(s);
    const Rows<T> dz_now = at_step(dz, n, t, wide), drecurrent_now = at_step(drecurrent, n, t, wide);
    const GruStepGrad<T> step{.rows = n.batch,
                              .units = n.units,
                              .f = functions_of(at),
                              .mask = mask_at(c, 8, n, t),
                              .gates = at_step(gates, n, t, wide),
                              .inner = at_step(inner, n, t, n.units),
                              .before = before_step(y, h0, n, s),
                              .dy = at_step(c.in(9), n, s, n.units),
                              .dh = dh,
                              .dz = dz_now,
                              .drecurrent = drecurrent_now,
                              .dreset = dreset};
    const bool further = s > 0 || c.wants(4);
    if (at.reset_after) {
      launch_cells(gru_grad_kernel<T>, n.batch, n.units, step);
      if (further)
        product<T>(n.batch, n.units, wide, {drecurrent_now.at, drecurrent_now.stride}, {u, wide, true}, dh, n.units,
                   true);
      continue;
    }
    launch_cells(gru_before_candidate_grad_kernel<T>, n.batch, n.units, step);
    product<T>(n.batch, n.units, n.units, {dz_now.at + gate_width, dz_now.stride}, {u + gate_width, wide, true}, dreset,
               n.units);
    launch_cells(gru_before_gates_grad_kernel<T>, n.batch, n.units, step);
    if (further)
      product<T>(n.batch, n.units, gate_width, {dz_now.at, dz_now.stride}, {u, wide, true}, dh, n.units, true);
  }
  if (c.wants(0)) product<T>(n.all(), n.features, wide, {dz, wide}, {c.in(1), wide, true}, c.out(0), n.features);
  if (c.wants(1)) product<T>(n.features, wide, n.all(), {c.in(0), n.features, true}, {dz, wide}, c.out(1), wide);
  if (c.wants(2)) {
    T *previous = c.room(n.all() * n.units), *du = c.out(2);
    previous_states(y, h0, n, previous);
    if (at.reset_after) {
      product<T>(n.units, wide, n.all(), {previous, n.units, true}, {drecurrent, wide}, du, wide);
    } else {
      product<T>(n.units, gate_width, n.all(), {previous, n.units, true}, {dz, wide}, du, wide);
      product<T>(n.units, n.units, n.all(), {inner, n.units, true}, {dz + gate_width, wide}, du + gate_width, wide);
    }
  }
  if (c.wants(3)) {
    sum_rows(dz, n.all(), wide, wide, c.out(3));
    if (at.reset_after) sum_rows(drecurrent, n.all(), wide, wide, c.out(3) + wide);
  }
}

template void gru(Call<float>&);
template void gru(Call<double>&);
template void gru_grad(Call<float>&);
template void gru_grad(Call<double>&);

}  // namespace tahr::cuda::rnn
