// Log-sum-exp of rows and of columns. Contracts in cpu/logsumexp_table.h.
//
// The sum of a row is that of 2^(x L + c), L being log2(e) and c = -(m L), rounded, for its maximum m: a multiply-add
// and a power of two. What the rounding of c leaves out is the same for all terms, so that it is put back once, to the
// logarithm of the sum.
#include "cpu/isa/each_vector.h"
#include "cpu/isa/vmath.h"
#include "cpu/logsumexp_table.h"

namespace tahr::TAHR_ISA {
namespace {

// Maxima beyond this, infinities and NaN among them, take a careful path: what the rounding of their product with L
// leaves out would not be small.
template <class T>
inline constexpr T kFar = sizeof(T) == 4 ? T(1 << 20) : T(1e300);

// ---- terms ----

#if defined(__AVX512F__) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
TAHR_INLINE f32v reference(f32v m) { return m * -FloatTraits<float>::log2e; }
TAHR_INLINE f32v exponent(f32v x, f32v c) { return fma(x, FloatTraits<float>::log2e, c); }
TAHR_INLINE f32v restore(f32v m, f32v c) { return exponent(m, c) * 0.693147181f; }
TAHR_INLINE f32v between(f32v c, f32v old) { return c - old; }
#else
TAHR_INLINE f32v reference(f32v m) { return -m; }
TAHR_INLINE f32v exponent(f32v x, f32v c) { return (x + c) * FloatTraits<float>::log2e; }
TAHR_INLINE f32v restore(f32v m, f32v c) { return f32v{}; }
TAHR_INLINE f32v between(f32v c, f32v old) { return (c - old) * FloatTraits<float>::log2e; }
#endif
TAHR_INLINE f64v reference(f64v m) { return -m; }
TAHR_INLINE f64v exponent(f64v x, f64v c) { return x + c; }
TAHR_INLINE f64v restore(f64v m, f64v c) { return f64v{}; }
TAHR_INLINE f64v between(f64v c, f64v old) { return c - old; }

// The power that `exponent` is of, for z of at most a little above 0. No term is below 2^-126: a sum with a term near 1
// does not see that, and subnormal numbers are slow.
TAHR_INLINE f32v power_of(f32v z) {
  z = vmax(z, -126.f);
#if defined(__AVX512DQ__) && !defined(__clang__) && __GNUC__ >= 12
  constexpr auto all = static_cast<unsigned short>(-1);
  const f32v r = __builtin_ia32_reduceps512_mask(z, 9, z, all);  // z - floor(z); the scaling takes the floor itself
  const f32v p =
      poly(r, 1.f, 0.693147063f, 0.240229085f, 0.0554861836f, 0.00967377517f, 0.00124822895f, 0.000215659718f);
  return __builtin_ia32_scalefps512_mask(p, z, p, all, 4);
#else
  const Rounded<f32v> n = round_biased(z + FloatTraits<float>::magic);
  return exp2_unit(z - n.value) * pow2_biased(n.biased);
#endif
}
TAHR_INLINE f64v power_of(f64v z) { return vexp(z); }

template <class V>
TAHR_INLINE V term(V x, V c) {
  return power_of(exponent(x, c));
}

// The logarithm of a sum that is no subnormal number.
TAHR_INLINE f32v log_of_sum(f32v x) {
  const LogParts<f32v> p = log_split(x);
  return log_edges(x, log_sum(p.m - 1.f, p.e));
}
TAHR_INLINE f64v log_of_sum(f64v x) { return vlog(x); }

struct PeakOp {  // passes over NaN, except a first one: the sum tells
  template <class T>
  static T identity() {
    return lowest<T>();
  }
  template <class V>
  static V comb(V a, V b) {
    return greater(b, a);
  }
};

template <class V>
TAHR_INLINE bool all_near(V peak) {
  return !any(~(vabs(peak) < kFar<Lane<V>>));
}

// Of elements `at(k)`, k < n, with a maximum beyond kFar in some lane: their log-sum-exp, infinities and NaN included.
template <class V, class At>
TAHR_INLINE V careful(int64_t n, At at) {
  constexpr Lane<V> most = sizeof(Lane<V>) == 4 ? Lane<V>(3.40282347e38) : Lane<V>(1.7976931348623157e308);
  V peak = at(0), s{};
  for (int64_t k = 1; k < n; ++k) peak = PeakOp::comb(peak, at(k));
  peak = vmin(vmax(peak, -most), most);
  for (int64_t k = 0; k < n; ++k) s += vexp(V(at(k) - peak));
  return vlog(s) + peak;
}

// ---- rows of at most kNarrow elements ----

// Each step is done for several blocks of rows before the next one: what waits for the maximum or the sum of a block
// would fill the scheduler, and the next block hardly begin.
template <class T>
void narrow_rows(const T* x, T* y, int64_t rows, int64_t n) {
  using V = Vec<T>;
  constexpr int64_t W = kLanes<T>, G = 16 / sizeof(T), kMost = 16;
  const int64_t height = (n + G - 1) / G * G * W, group = kMedium * W / height < kMost ? kMedium * W / height : kMost;
  T t[kMedium * W];
  V peak[kMost], total[kMost];
  for (int64_t r0 = 0; r0 < rows; r0 += group * W) {
    const int64_t run = rows - r0 < group * W ? rows - r0 : group * W, blocks = (run + W - 1) / W;
    for (int64_t b = 0; b < blocks; ++b) {
      const T* from = x + (r0 + b * W) * n;
      const int64_t left = rows - r0 - b * W;
      if (left > 4 * W) fetch_rows(from, n);
      transpose_rows<T, kNarrow>(from, left < W ? left : W, n, left <= W, t + b * height);
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const T* at = t + b * height;
      V m = load<V>(at);
      for (int64_t k = 1; k < n; ++k) m = PeakOp::comb(m, load<V>(at + k * W));
      peak[b] = m;
    }
    bool near = true;
    for (int64_t b = 0; b < blocks; ++b) {
      const T* at = t + b * height;
      const V m = peak[b], c = reference(m);
      V s{}, u{};
      if (n & 1) s = term(load<V>(at), c);
      for (int64_t k = n & 1; k < n; k += 2) {
        s += term(load<V>(at + k * W), c);
        u += term(load<V>(at + (k + 1) * W), c);
      }
      total[b] = s + u;
      near &= all_near(m);
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const V m = peak[b];
      V result = m + (log_of_sum(total[b]) - restore(m, reference(m)));
      if (__builtin_expect(!near, 0)) {
        const T* at = t + b * height;
        result = careful<V>(n, [at](int64_t k) TAHR_LAMBDA { return load<V>(at + k * W); });
      }
      if ((b + 1) * W <= run) store(y + r0 + b * W, result);
      else store_first(y + r0 + b * W, result, run - b * W);
    }
  }
}

// ---- longer rows ----

template <class T>
TAHR_INLINE void put_partial(T m, double total, double* a, double* b) {
  *a = m;
  *b = m == -static_cast<T>(__builtin_inf()) ? 0 : m == static_cast<T>(__builtin_inf()) ? 1 : total;
}

// Σ of the terms of at least one vector, and with kPeak the maximum of its elements and *peak; what is kAhead bytes
// further on is fetched.
template <bool kPeak, class T>
TAHR_INLINE Vec<T> sum_terms(const T* x, int64_t n, Vec<T> c, Vec<T>* peak, int64_t ahead) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  V s{}, u{}, p{}, q{};
  if constexpr (kPeak) p = q = *peak;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    __builtin_prefetch(x + i + ahead), __builtin_prefetch(x + i + W + ahead);
    const V a = load<V>(x + i), b = load<V>(x + i + W);
    if constexpr (kPeak) p = PeakOp::comb(p, a), q = PeakOp::comb(q, b);
    s += term(a, c);
    u += term(b, c);
  }
  if (i + W <= n) {
    const V a = load<V>(x + i);
    if constexpr (kPeak) p = PeakOp::comb(p, a);
    s += term(a, c);
    i += W;
  }
  if (i < n) {
    const V a = load_tail<PeakOp>(x + n, n - i);
    if constexpr (kPeak) q = PeakOp::comb(q, a);
    u += term(a, c);
  }
  if constexpr (kPeak) *peak = PeakOp::comb(p, q);
  return s + u;
}

// What fewer elements than a vector has do not allow, by a copy.
template <class T>
struct Padded {
  T x[kLanes<T>];
  TAHR_INLINE Padded(const T* from, int64_t n) {
    for (int i = 0; i < kLanes<T>; ++i) x[i] = i < n ? from[i] : lowest<T>();
  }
};

// One row of any length, as a partial. Instead of the maximum of a row, that of its first elements will mostly do, and
// one pass: while no element is further above it than kSlack, terms lose no more accuracy than sums of many do anyway.
template <class T>
TAHR_INLINE void long_row(const T* x, int64_t n, double* a, double* b) {
  using V = Vec<T>;
  constexpr int64_t kPart = 2048;  // stays in the first-level cache between its maximum and its sum
  constexpr T inf = static_cast<T>(__builtin_inf()), kSlack = 4;
  T m = fold<MaxOp>(x, n < 128 ? n : 128);
  const auto near = [](T v) TAHR_LAMBDA { return v > -kFar<T> && v < kFar<T>; };
  if (!near(m)) m = -inf;
  double total = 0;
  for (int64_t k = 0; k < n; k += kPart) {
    const int64_t size = n - k < kPart ? n - k : kPart, length = size < kLanes<T> ? kLanes<T> : size;
    const Padded<T> copy(x + k, size < kLanes<T> ? size : 0);
    const T* part = size < kLanes<T> ? copy.x : x + k;
    const auto add = [&]<int kPeak>(LaneList<kPeak>) TAHR_LAMBDA {
      V peak = splat<V>(m);
      const V c = reference(peak);
      const double s =
          sum_lanes<T>(sum_terms<kPeak != 0>(part, length, c, &peak, kPeak ? kRowsAhead / sizeof(T) : size));
      const double back = restore(splat<V>(m), c)[0];
      const double sum = s * (1 - back);  // e^-back
      if (kPeak && !(fold_lanes<MaxOp, T, kVecBytes>(peak) <= m + kSlack)) return false;
      total += sum;
      return true;
    };
    if (near(m) && add(LaneList<1>{})) {
      if (total == total) continue;
      m = static_cast<T>(total);  // NaN, which wins over infinities to come
      break;
    }
    const T peak = fold<MaxOp>(x + k, size);
    if (peak != peak) {
      m = static_cast<T>(total = peak);
      break;
    }
    if (peak > m) {
      if (total != 0) total *= vexp(splat<f64v>(static_cast<double>(m) - static_cast<double>(peak)))[0];
      m = peak;
    }
    if (near(m)) {
      add(LaneList<0>{});
    } else if (m > -inf && m < inf) {
      V s{};
      each_vector<T>(size, [&](int64_t i, auto get, auto) TAHR_LAMBDA { s += vexp(V(V(get(x + k + i, -inf)) - m)); });
      total += sum_lanes<T>(s);
    }
  }
  put_partial(m, m == m ? total : static_cast<double>(m), a, b);
}

// Rows of a vector and more that stay in the first-level cache between their maximum and their sum, several at a time:
// whole(r, count, peak, c, total) with vectors of rows, or one(r) for each row with a maximum beyond kFar near it.
inline constexpr int64_t kGroup = 4096;
template <class T, class Whole, class One>
TAHR_INLINE void row_groups(const T* x, int64_t rows, int64_t n, Whole whole, One one) {
  using V = Vec<T>;
  constexpr int64_t W = kLanes<T>;
  const int64_t most = kGroup / n < W ? kGroup / n : W;
  for (int64_t r = 0; r < rows; r += most) {
    const int64_t count = rows - r < most ? rows - r : most;
    const T* p = x + r * n;
    V v[W]{};
    T ref[W];
    for (int64_t i = 0; i < count; ++i) v[i] = fold_vectors<PeakOp>(p + i * n, n);
    const V peak = fold_each<PeakOp, T>(v), c = reference(peak);
    if (__builtin_expect(!all_near(peak), 0)) {
      for (int64_t i = 0; i < count; ++i) one(r + i);
      continue;
    }
    store(ref, c);
    for (int64_t i = 0; i < count; ++i)
      v[i] = sum_terms<false>(p + i * n, n, splat<V>(ref[i]), static_cast<V*>(nullptr), most * n);
    for (int64_t i = count; i < W; ++i) v[i] = V{};
    whole(r, count, peak, c, fold_each<AddOp, T>(v));
  }
}

template <class T>
void whole_rows(const T* x, T* y, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) return narrow_rows(x, y, rows, n);
  const auto one = [&](int64_t r) TAHR_LAMBDA {
    double a, b;
    long_row(x + r * n, n, &a, &b);
    y[r] = static_cast<T>(vlog(splat<f64v>(b))[0] + a);
  };
  if (n > kGroup / 2) {
    for (int64_t r = 0; r < rows; ++r) one(r);
    return;
  }
  row_groups(
      x, rows, n,
      [&](int64_t r, int64_t count, V peak, V c, V total) TAHR_LAMBDA {
        const V result = peak + (log_of_sum(total) - restore(peak, c));
        if (count == kLanes<T>) store(y + r, result);
        else store_first(y + r, result, count);
      },
      one);
}

template <class T>
void partial_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void* bv) {
  using V = Vec<T>;
  const T* x = static_cast<const T*>(xv);
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  const auto one = [&](int64_t r) TAHR_LAMBDA { long_row(x + r * n, n, a + r, b + r); };
  if (n < kLanes<T> || n > kGroup / 2) {
    for (int64_t r = 0; r < rows; ++r) one(r);
    return;
  }
  row_groups(
      x, rows, n,
      [&](int64_t r, int64_t count, V peak, V c, V total) TAHR_LAMBDA {
        double to[2][kLanes<float>];
        in_doubles<2>(
            to,
            [](f64v* result, f64v m, f64v back, f64v s) TAHR_LAMBDA {
              result[0] = m - back;
              result[1] = s;
            },
            peak, restore(peak, c), total);
        copy_first<kLanes<T>>(a + r, to[0], count);
        copy_first<kLanes<T>>(b + r, to[1], count);
      },
      one);
}

// ---- columns ----

// A strip of w columns, so many rows at a time, with maxima that grow: out(i, peak, c, sum, put) for each vector of
// columns. False if some column has its maximum beyond kFar: then there was no out.
inline constexpr int64_t kStrip = 1024;
template <class T, class Out>
TAHR_INLINE bool strip(const T* x, int64_t rows, int64_t stride, int64_t w, Out out) {
  using V = Vec<T>;
  constexpr int64_t kRows = 16, kAhead = 8 * kLanes<T>;
  T peak[kStrip], sum[kStrip];
  for (int64_t i = 0; i < w; ++i) peak[i] = -kFar<T>, sum[i] = 0;
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t count = rows - r < kRows ? rows - r : kRows;
    const T* block = x + r * stride;
    each_vector<T>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      const T* p = block + i;
      // What comes next is fetched: in these rows, or where the strip ends in the next ones.
      const T* ahead = p + (i + kAhead < w ? kAhead : kAhead - w + kRows * stride);
      const V old = get(peak + i, T(0));
      V m = old, s{}, u{}, other = old;
      int64_t k = 0;
      for (; k + 2 <= count; k += 2) {
        m = PeakOp::comb(m, V(get(p + k * stride, T(0))));
        other = PeakOp::comb(other, V(get(p + (k + 1) * stride, T(0))));
        __builtin_prefetch(ahead + k * stride), __builtin_prefetch(ahead + (k + 1) * stride);
      }
      if (k < count) m = PeakOp::comb(m, V(get(p + k * stride, T(0))));
      m = PeakOp::comb(m, other);
      put(peak + i, m);
      const V c = reference(m);
      if (r) s = get(sum + i, T(0)) * power_of(between(c, reference(old)));
      for (k = 0; k + 2 <= count; k += 2) {
        s += term(V(get(p + k * stride, T(0))), c);
        u += term(V(get(p + (k + 1) * stride, T(0))), c);
      }
      if (k < count) u += term(V(get(p + k * stride, T(0))), c);
      put(sum + i, V(s + u));
    });
  }
  bool near = true;
  for (int64_t i = 0; i < w; ++i) near &= peak[i] > -kFar<T> && peak[i] < kFar<T>;
  if (!near) return false;
  each_vector<T>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
    const V m = get(peak + i, T(0));
    out(i, m, reference(m), V(get(sum + i, T(1))), put);
  });
  return true;
}

template <class T>
void whole_cols(const T* x, T* y, int64_t rows, int64_t stride, int64_t m) {
  using V = Vec<T>;
  for (int64_t j = 0; j < m; j += kStrip, x += kStrip, y += kStrip) {
    const int64_t w = m - j < kStrip ? m - j : kStrip;
    if (strip(x, rows, stride, w, [y](int64_t i, V peak, V c, V sum, auto put) TAHR_LAMBDA {
          put(y + i, V(peak + (log_of_sum(sum) - restore(peak, c))));
        }))
      continue;
    each_vector<T>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      put(y + i, careful<V>(rows, [&](int64_t k) TAHR_LAMBDA { return V(get(x + i + k * stride, T(0))); }));
    });
  }
}

template <class T>
void partial_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t, void* av, void* bv) {
  using V = Vec<T>;
  const T* x = static_cast<const T*>(xv);
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  for (int64_t j = 0; j < m; j += kStrip, x += kStrip, a += kStrip, b += kStrip) {
    const int64_t w = m - j < kStrip ? m - j : kStrip;
    T peak[kStrip], sum[kStrip];
    if (strip(x, rows, stride, w, [&](int64_t i, V top, V c, V s, auto put) TAHR_LAMBDA {
          put(peak + i, top);
          // The sum, not the maximum, takes what the reference left out: it is small, and e^-back = 1 - back.
          put(sum + i, V(s - s * restore(top, c)));
        })) {
      for (int64_t i = 0; i < w; ++i) a[i] = peak[i], b[i] = sum[i];
      continue;
    }
    each_vector<T>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      put(peak + i, careful<V>(rows, [&](int64_t k) TAHR_LAMBDA { return V(get(x + i + k * stride, T(0))); }));
    });
    for (int64_t i = 0; i < w; ++i) put_partial(peak[i], 1., a + i, b + i);
  }
}

// Two partials: sums of exponentials relative to the larger maximum.
void merge(void* av, void* bv, double, const void* cv, const void* dv, double, int64_t m) {
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  const double *c = static_cast<const double*>(cv), *d = static_cast<const double*>(dv);
  each_vector<double>(m, [&](int64_t j, auto get, auto put) TAHR_LAMBDA {
    const f64v at = get(a + j, 0.), ct = get(c + j, 0.), bt = get(b + j, 0.), dt = get(d + j, 0.);
    const i64v more = ct > at;
    const f64v peak = select(more, ct, at), low = select(more, at, ct);
    const f64v factor = select(low == peak, splat<f64v>(1.), vexp(f64v(low - peak)));  // 1 for infinities too
    put(b + j, fma(select(more, bt, dt), factor, select(more, dt, bt)));
    put(a + j, peak);
  });
}

void finish(const double* peak, const double* total, double* out, int64_t n) {
  each_vector<double>(n, [&](int64_t i, auto get, auto put)
                             TAHR_LAMBDA { put(out + i, f64v(vlog(f64v(get(total + i, 1.))) + get(peak + i, 0.))); });
}

template <class T>
constexpr LogsumexpKernels<T> kernels() {
  return {whole_rows<T>, whole_cols<T>, partial_rows<T>, partial_cols<T>};
}

}  // namespace

const LogsumexpTable& logsumexp_table() {
  static constexpr LogsumexpTable t{kernels<float>(), kernels<double>(), merge, finish};
  return t;
}

}  // namespace tahr::TAHR_ISA
