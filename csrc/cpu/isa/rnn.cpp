// One step of a recurrent layer after its matrix product, forward and backward: gates, state and their gradients in one
// pass over each row. Formulas are in cpu/rnn_table.h; the loops over time and batch in cpu/rnn_*.cpp.
#include "cpu/isa/vmath.h"
#include "cpu/rnn_table.h"

namespace tahr::TAHR_ISA {
namespace {

// Loads and stores of one vector of a row, or of the part that is left at its end.
template <class T>
struct Whole {
  TAHR_INLINE Vec<T> operator()(const T* p) const { return load<Vec<T>>(p); }
  TAHR_INLINE void put(T* p, Vec<T> v) const { store(p, v); }
};
template <class T>
struct Part {
  int64_t n;
  TAHR_INLINE Vec<T> operator()(const T* p) const { return load_part<Vec<T>>(p, n); }
  TAHR_INLINE void put(T* p, Vec<T> v) const { store_part(p, v, n); }
};

// Calls f(at, j) for the vectors of a row of n elements.
template <class T, class F>
TAHR_INLINE void each_vector(int64_t n, F f) {
  int64_t j = 0;
  for (; j + kLanes<T> <= n; j += kLanes<T>) f(Whole<T>{}, j);
  if (j < n) f(Part<T>{n - j}, j);
}

#define TAHR_EACH(...) [&](auto at, int64_t j) __attribute__((always_inline)) __VA_ARGS__

template <class T>
TAHR_INLINE void copy_row(T* to, const T* from, int64_t n) {
  if (to) each_vector<T>(n, TAHR_EACH({ at.put(to + j, at(from + j)); }));
}
template <class T>
TAHR_INLINE void clear_row(T* to, int64_t n) {
  if (to) each_vector<T>(n, TAHR_EACH({ at.put(to + j, Vec<T>{}); }));
}
template <class T>
TAHR_INLINE void add_row(T* to, const T* from, int64_t n) {
  if (from) each_vector<T>(n, TAHR_EACH({ at.put(to + j, at(to + j) + at(from + j)); }));
}

// kPlain: the activation is tanh and the recurrent one sigmoid, known when compiling.
template <bool kPlain>
struct Functions {
  RnnActivation act, gate_act;

  template <class V>
  static V any(RnnActivation f, V x) {
    using T = Lane<V>;
    switch (f) {
      case RnnActivation::Tanh: return vtanh(x);
      case RnnActivation::Sigmoid: return vsigmoid(x);
      case RnnActivation::Relu: return select(x < V{}, V{}, x);
      case RnnActivation::HardSigmoid: return vmin(vmax(x + T(3), T(0)), T(6)) / T(6);
      default: return x;
    }
  }
  // The derivative, from the function's value.
  template <class V>
  static TAHR_INLINE V any_slope(RnnActivation f, V y) {
    using T = Lane<V>;
    const V one = splat<V>(T(1));
    switch (f) {
      case RnnActivation::Tanh: return one - y * y;
      case RnnActivation::Sigmoid: return y * (one - y);
      case RnnActivation::Relu: return select(y > V{}, one, V{});
      case RnnActivation::HardSigmoid: return select((y > V{}) & (y < one), splat<V>(T(1) / T(6)), V{});
      default: return one;
    }
  }
  template <class V>
  TAHR_INLINE V of(V x) const {
    if constexpr (kPlain) return vtanh(x);
    else return any(act, x);
  }
  template <class V>
  TAHR_INLINE V gate(V x) const {
    if constexpr (kPlain) return vsigmoid(x);
    else return any(gate_act, x);
  }
  template <class V>
  TAHR_INLINE V slope(V y) const {
    if constexpr (kPlain) return Lane<V>(1) - y * y;
    else return any_slope(act, y);
  }
  template <class V>
  TAHR_INLINE V gate_slope(V y) const {
    if constexpr (kPlain) return y * (Lane<V>(1) - y);
    else return any_slope(gate_act, y);
  }
};

template <class T>
TAHR_INLINE bool left_out(const T& s, int64_t i) {
  return s.mask.at && !s.mask.at[i * s.mask.stride];
}
template <class T>
TAHR_INLINE T* row_of(const RnnSequence<T>& s, int64_t i) {
  return s.at ? s.at + i * s.stride : nullptr;
}

template <bool kPlain, class S>
TAHR_INLINE Functions<kPlain> functions_of(const S& s) {
  return {s.activation, s.recurrent_activation};
}
template <class S>
TAHR_INLINE bool plain(const S& s) {
  return s.activation == RnnActivation::Tanh && s.recurrent_activation == RnnActivation::Sigmoid;
}

// ---- LSTM ----

template <class T, bool kPlain>
void lstm_rows(const LstmStep<T>& s) {
  const auto f = functions_of<kPlain>(s);
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    T *c = s.c + i * n, *h = s.h + i * n, *cells = row_of(s.cells, i), *y = row_of(s.y, i);
    if (left_out(s, i)) {
      copy_row(cells, c, n);
      copy_row(y, h, n);
      continue;
    }
    T* g = row_of(s.gates, i);
    const T* r = s.recurrent + i * 4 * n;
    each_vector<T>(n, TAHR_EACH({
                     const auto input = f.gate(at(g + j) + at(r + j));
                     const auto forget = f.gate(at(g + n + j) + at(r + n + j));
                     const auto fresh = f.of(at(g + 2 * n + j) + at(r + 2 * n + j));
                     const auto output = f.gate(at(g + 3 * n + j) + at(r + 3 * n + j));
                     const auto cell = forget * at(c + j) + input * fresh;
                     const auto state = output * f.of(cell);
                     at.put(g + j, input);
                     at.put(g + n + j, forget);
                     at.put(g + 2 * n + j, fresh);
                     at.put(g + 3 * n + j, output);
                     at.put(c + j, cell);
                     at.put(cells + j, cell);
                     at.put(h + j, state);
                     at.put(y + j, state);
                   }));
  }
}

template <class T, bool kPlain>
void lstm_rows_grad(const LstmStepGrad<T>& s) {
  const auto f = functions_of<kPlain>(s);
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    T *dh = s.dh + i * n, *dc = s.dc + i * n, *dz = row_of(s.dz, i), *dense = s.dz_dense + i * 4 * n;
    const T* dy = row_of(s.dy, i);
    if (left_out(s, i)) {
      add_row(dh, dy, n);
      clear_row(dz, 4 * n);
      clear_row(dense, 4 * n);
      continue;
    }
    const T *g = row_of(s.gates, i), *c = row_of(s.cells, i), *before = row_of(s.before, i);
    T* bias = s.dbias + i * 4 * n;
    each_vector<T>(n, TAHR_EACH({
                     using V = Vec<T>;
                     V d = at(dh + j);
                     if (dy) d += at(dy + j);
                     const V input = at(g + j), forget = at(g + n + j), fresh = at(g + 2 * n + j),
                             output = at(g + 3 * n + j);
                     const V a = f.of(at(c + j));
                     const V dcell = at(dc + j) + d * output * f.slope(a);
                     const V zi = dcell * fresh * f.gate_slope(input);
                     const V zf = before ? dcell * at(before + j) * f.gate_slope(forget) : V{};
                     const V zg = dcell * input * f.slope(fresh);
                     const V zo = d * a * f.gate_slope(output);
                     at.put(dc + j, dcell * forget);
                     at.put(dh + j, V{});
                     const V all[4] = {zi, zf, zg, zo};
                     for (int q = 0; q < 4; ++q) {
                       at.put(dz + q * n + j, all[q]);
                       at.put(dense + q * n + j, all[q]);
                       at.put(bias + q * n + j, at(bias + q * n + j) + all[q]);
                     }
                   }));
  }
}

template <class T>
void lstm(const LstmStep<T>& s) {
  plain(s) ? lstm_rows<T, true>(s) : lstm_rows<T, false>(s);
}
template <class T>
void lstm_grad(const LstmStepGrad<T>& s) {
  plain(s) ? lstm_rows_grad<T, true>(s) : lstm_rows_grad<T, false>(s);
}

// ---- SimpleRNN ----

template <class T, bool kPlain>
void simple_rows(const SimpleRnnStep<T>& s) {
  const Functions<kPlain> f{s.activation, {}};
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    T *h = s.h + i * n, *y = row_of(s.y, i);
    if (left_out(s, i)) {
      copy_row(y, h, n);
      continue;
    }
    const T* r = s.recurrent + i * n;
    each_vector<T>(n, TAHR_EACH({
                     const auto state = f.of(at(y + j) + at(r + j));
                     at.put(h + j, state);
                     at.put(y + j, state);
                   }));
  }
}

template <class T>
void simple_grad(const SimpleRnnStepGrad<T>& s) {
  const Functions<false> f{s.activation, {}};
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    T *dh = s.dh + i * n, *dz = row_of(s.dz, i), *dense = s.dz_dense + i * n, *bias = s.dbias + i * n;
    const T* dy = row_of(s.dy, i);
    if (left_out(s, i)) {
      add_row(dh, dy, n);
      clear_row(dz, n);
      clear_row(dense, n);
      continue;
    }
    const T* y = row_of(s.y, i);
    each_vector<T>(n, TAHR_EACH({
                     Vec<T> d = at(dh + j);
                     if (dy) d += at(dy + j);
                     d *= f.slope(at(y + j));
                     at.put(dh + j, Vec<T>{});
                     at.put(dz + j, d);
                     at.put(dense + j, d);
                     at.put(bias + j, at(bias + j) + d);
                   }));
  }
}

template <class T>
void simple(const SimpleRnnStep<T>& s) {
  s.activation == RnnActivation::Tanh ? simple_rows<T, true>(s) : simple_rows<T, false>(s);
}

// ---- GRU, the reset after the product ----

template <class T, bool kPlain>
void gru_rows(const GruStep<T>& s) {
  const auto f = functions_of<kPlain>(s);
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    T *h = s.h + i * n, *y = row_of(s.y, i);
    if (left_out(s, i)) {
      copy_row(y, h, n);
      clear_row(row_of(s.inner, i), n);
      continue;
    }
    T *g = row_of(s.gates, i), *inner = row_of(s.inner, i);
    const T* rec = s.recurrent + i * 3 * n;
    each_vector<T>(n, TAHR_EACH({
                     const auto z = f.gate(at(g + j) + at(rec + j));
                     const auto r = f.gate(at(g + n + j) + at(rec + n + j));
                     const auto kept = at(rec + 2 * n + j);
                     const auto fresh = f.of(at(g + 2 * n + j) + r * kept);
                     const auto state = z * at(h + j) + (T(1) - z) * fresh;
                     at.put(g + j, z);
                     at.put(g + n + j, r);
                     at.put(g + 2 * n + j, fresh);
                     at.put(inner + j, kept);
                     at.put(h + j, state);
                     at.put(y + j, state);
                   }));
  }
}

// A row left out of a gradient step: its dh goes on as it is.
template <class T>
TAHR_INLINE void pass_on(const GruStepGrad<T>& s, int64_t i, int64_t dense_width) {
  const int64_t n = s.units;
  add_row(s.dh + i * n, row_of(s.dy, i), n);
  clear_row(row_of(s.dz, i), 3 * n);
  clear_row(row_of(s.dinner, i), n);
  clear_row(s.dz_dense + i * dense_width, dense_width);
}

template <class T, bool kPlain>
void gru_rows_grad(const GruStepGrad<T>& s) {
  const auto f = functions_of<kPlain>(s);
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    if (left_out(s, i)) {
      pass_on(s, i, 3 * n);
      continue;
    }
    const T *dy = row_of(s.dy, i), *g = row_of(s.gates, i), *inner = row_of(s.inner, i), *before = row_of(s.before, i);
    T *dh = s.dh + i * n, *dz = row_of(s.dz, i), *dinner = row_of(s.dinner, i), *dense = s.dz_dense + i * 3 * n,
      *bias = s.dbias + i * 4 * n;
    each_vector<T>(n, TAHR_EACH({
                     using V = Vec<T>;
                     V d = at(dh + j);
                     if (dy) d += at(dy + j);
                     const V z = at(g + j), r = at(g + n + j), fresh = at(g + 2 * n + j);
                     const V old = before ? at(before + j) : V{};
                     const V dn = d * (T(1) - z) * f.slope(fresh);
                     const V dr = dn * at(inner + j) * f.gate_slope(r);
                     const V du = d * (old - fresh) * f.gate_slope(z);
                     const V di = dn * r;
                     at.put(dh + j, d * z);
                     at.put(dz + j, du);
                     at.put(dz + n + j, dr);
                     at.put(dz + 2 * n + j, dn);
                     at.put(dinner + j, di);
                     at.put(dense + j, du);
                     at.put(dense + n + j, dr);
                     at.put(dense + 2 * n + j, di);
                     const V all[4] = {du, dr, dn, di};
                     for (int q = 0; q < 4; ++q) at.put(bias + q * n + j, at(bias + q * n + j) + all[q]);
                   }));
  }
}

template <class T>
void gru(const GruStep<T>& s) {
  plain(s) ? gru_rows<T, true>(s) : gru_rows<T, false>(s);
}
template <class T>
void gru_grad(const GruStepGrad<T>& s) {
  plain(s) ? gru_rows_grad<T, true>(s) : gru_rows_grad<T, false>(s);
}

// ---- GRU, the reset before the product ----

template <class T>
void gru_before_gates(const GruStep<T>& s) {
  const auto f = functions_of<false>(s);
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    T *g = row_of(s.gates, i), *reset = s.reset + i * n;
    if (left_out(s, i)) {
      clear_row(reset, n);
      continue;
    }
    const T *rec = s.recurrent + i * 2 * n, *h = s.h + i * n;
    T* inner = row_of(s.inner, i);
    each_vector<T>(n, TAHR_EACH({
                     const auto z = f.gate(at(g + j) + at(rec + j));
                     const auto r = f.gate(at(g + n + j) + at(rec + n + j));
                     const auto kept = r * at(h + j);
                     at.put(g + j, z);
                     at.put(g + n + j, r);
                     at.put(reset + j, kept);
                     at.put(inner + j, kept);
                   }));
  }
}

template <class T>
void gru_before_candidate(const GruStep<T>& s) {
  const auto f = functions_of<false>(s);
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    T *h = s.h + i * n, *y = row_of(s.y, i);
    if (left_out(s, i)) {
      copy_row(y, h, n);
      clear_row(row_of(s.inner, i), n);
      continue;
    }
    T* g = row_of(s.gates, i);
    const T* candidate = s.candidate + i * n;
    each_vector<T>(n, TAHR_EACH({
                     const auto z = at(g + j);
                     const auto fresh = f.of(at(g + 2 * n + j) + at(candidate + j));
                     const auto state = z * at(h + j) + (T(1) - z) * fresh;
                     at.put(g + 2 * n + j, fresh);
                     at.put(h + j, state);
                     at.put(y + j, state);
                   }));
  }
}

template <class T>
void gru_before_candidate_grad(const GruStepGrad<T>& s) {
  const auto f = functions_of<false>(s);
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    T* dcandidate = s.dcandidate + i * n;
    if (left_out(s, i)) {
      pass_on(s, i, 2 * n);
      clear_row(dcandidate, n);
      continue;
    }
    const T *dy = row_of(s.dy, i), *g = row_of(s.gates, i), *before = row_of(s.before, i);
    T *dh = s.dh + i * n, *dz = row_of(s.dz, i), *dense = s.dz_dense + i * 2 * n, *bias = s.dbias + i * 4 * n;
    each_vector<T>(n, TAHR_EACH({
                     using V = Vec<T>;
                     V d = at(dh + j);
                     if (dy) d += at(dy + j);
                     const V z = at(g + j), fresh = at(g + 2 * n + j);
                     const V old = before ? at(before + j) : V{};
                     const V dn = d * (T(1) - z) * f.slope(fresh);
                     const V du = d * (old - fresh) * f.gate_slope(z);
                     at.put(dh + j, d * z);
                     at.put(dz + j, du);
                     at.put(dz + 2 * n + j, dn);
                     at.put(dense + j, du);
                     at.put(dcandidate + j, dn);
                     at.put(bias + j, at(bias + j) + du);
                     at.put(bias + 2 * n + j, at(bias + 2 * n + j) + dn);
                   }));
  }
}

template <class T>
void gru_before_gates_grad(const GruStepGrad<T>& s) {
  const auto f = functions_of<false>(s);
  const int64_t n = s.units;
  for (int64_t i = 0; i < s.rows; ++i) {
    if (left_out(s, i)) continue;
    const T *g = row_of(s.gates, i), *before = row_of(s.before, i), *dreset = s.dcandidate + i * n;
    T *dh = s.dh + i * n, *dz = row_of(s.dz, i), *dense = s.dz_dense + i * 2 * n, *bias = s.dbias + i * 4 * n;
    each_vector<T>(n, TAHR_EACH({
                     using V = Vec<T>;
                     const V d = at(dreset + j), r = at(g + n + j);
                     const V dr = before ? d * at(before + j) * f.gate_slope(r) : V{};
                     at.put(dh + j, at(dh + j) + d * r);
                     at.put(dz + n + j, dr);
                     at.put(dense + n + j, dr);
                     at.put(bias + n + j, at(bias + n + j) + dr);
                   }));
  }
}

template <class T>
constexpr RnnKernels<T> kernels() {
  return {lstm<T>,
          lstm_grad<T>,
          simple<T>,
          simple_grad<T>,
          gru<T>,
          gru_grad<T>,
          gru_before_gates<T>,
          gru_before_candidate<T>,
          gru_before_candidate_grad<T>,
          gru_before_gates_grad<T>};
}

}  // namespace

const RnnTable& rnn_table() {
  static constexpr RnnTable t{kernels<float>(), kernels<double>()};
  return t;
}

}  // namespace tahr::TAHR_ISA
