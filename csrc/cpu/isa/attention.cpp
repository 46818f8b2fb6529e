// The elementwise part of attention. Contracts in cpu/attention_table.h.
#include "cpu/attention_table.h"
#include "cpu/isa/each_vector.h"
#include "cpu/isa/vmath.h"

namespace tahr::TAHR_ISA {
namespace {

template <class T>
TAHR_INLINE T peak_of(const T* x, int64_t n, T least) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  V peak[4];
  for (V& p : peak) p = splat<V>(least);
  int64_t from = 0;
  for (; from + 4 * W <= n; from += 4 * W)
    for (int v = 0; v < 4; ++v) peak[v] = MaxOp::comb(peak[v], load<V>(x + from + v * W));
  each_vector<T>(n - from, [&](int64_t i, auto get, auto)
                               TAHR_LAMBDA { peak[0] = MaxOp::comb(peak[0], V(get(x + from + i, least))); });
  return fold_lanes<MaxOp, T, kVecBytes>(MaxOp::comb(MaxOp::comb(peak[0], peak[1]), MaxOp::comb(peak[2], peak[3])));
}

// exp(x) for x <= 0, and 0 where it would be subnormal: masked scores are that far away, and subnormals are slow.
TAHR_INLINE f32v weight(f32v x) { return select(x < -87.f, f32v{}, vexp(vmax(x, -87.f))); }
TAHR_INLINE f64v weight(f64v x) { return select(x < -708., f64v{}, vexp(vmax(x, -708.))); }

template <class T>
TAHR_INLINE T exp_of(T x) {
  return weight(splat<Vec<T>>(x))[0];
}

template <class T>
void absorb(T* s, int64_t rows, int64_t n, int64_t ld, T* peak, T* total, T* factor) {
  using V = Vec<T>;
  constexpr T kLowest = -static_cast<T>(__builtin_inf());
  for (int64_t r = 0; r < rows; ++r, s += ld) {
    const T p = peak_of(s, n, peak[r]);
    V sum{};  // a tile is short
    each_vector<T>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      const V e = weight(V(get(s + i, kLowest) - p));
      put(s + i, e);
      sum += e;
    });
    factor[r] = peak[r] == kLowest ? T(0) : exp_of<T>(peak[r] - p);
    total[r] = total[r] * factor[r] + sum_lanes<T>(sum);
    peak[r] = p;
  }
}

template <class T>
void probabilities(T* s, int64_t rows, int64_t n, int64_t ld, const T* peak, const T* total) {
  using V = Vec<T>;
  for (int64_t r = 0; r < rows; ++r, s += ld) {
    const T p = peak[r], f = T(1) / total[r];
    each_vector<T>(
        n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA { put(s + i, V(weight(V(get(s + i, T(0)) - p)) * f)); });
  }
}

template <class T>
void scores_grad(T* s, const T* d, int64_t rows, int64_t n, int64_t ld, const T* dot, const T* weight) {
  using V = Vec<T>;
  for (int64_t r = 0; r < rows; ++r, s += ld, d += ld) {
    const T c = dot[r], w = weight[r];
    each_vector<T>(n, [&](int64_t i, auto get, auto put)
                          TAHR_LAMBDA { put(s + i, V(get(s + i, T(0)) * (get(d + i, T(0)) - c) * w)); });
  }
}

template <class T>
void scale_rows(const T* from, int64_t ld_from, T* to, int64_t ld_to, int64_t rows, int64_t n, const T* factor) {
  for (int64_t r = 0; r < rows; ++r, from += ld_from, to += ld_to) {
    const T f = factor[r];
    each_vector<T>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA { put(to + i, Vec<T>(get(from + i, T(0)) * f)); });
  }
}

template <class T>
void dots(const T* a, const T* b, int64_t rows, int64_t n, int64_t ld, T* out) {
  for (int64_t r = 0; r < rows; ++r, a += ld, b += ld)
    out[r] = static_cast<T>(
        row_sum<T>(n, [&](int64_t i, auto get) TAHR_LAMBDA { return Vec<T>(get(a + i, T(0)) * get(b + i, T(0))); }));
}

template <class T>
constexpr AttentionKernels<T> kernels() {
  return {absorb<T>, probabilities<T>, scores_grad<T>, scale_rows<T>, dots<T>};
}

}  // namespace

const AttentionTable& attention_table() {
  static constexpr AttentionTable t{kernels<float>(), kernels<double>()};
  return t;
}

}  // namespace tahr::TAHR_ISA
