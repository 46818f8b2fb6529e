// Log-sum-exp of rows and of columns. Contracts in cpu/logsumexp_table.h.
//
// The sum of a row is that of 2^(x L + c), L being log2(e) and c = -(m L), rounded, for its maximum m: a multiply-add
// and a power of two. What the rounding of c leaves out is the same for all terms, so that it is put back once, to the
// logarithm of the sum.
#include "cpu/isa/exp_sum.h"
#include "cpu/isa/row_groups.h"
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

// z = 2^z for z of at most a little above 0, several at a time: the steps of one would wait for each other. No term is
// below 2^-126: a sum with a term near 1 does not see that, and subnormal numbers are slow.
template <int N>
TAHR_INLINE void powers(f32v (&z)[N]) {
  for (int i = 0; i < N; ++i) z[i] = vmax(z[i], -126.f);
#if defined(__AVX512DQ__) && !defined(__clang__) && __GNUC__ >= 12
  constexpr auto all = static_cast<unsigned short>(-1);
  constexpr float c[] = {0.00124822895f, 0.00967377517f, 0.0554861836f, 0.240229085f, 0.693147063f, 1.f};
  f32v r[N], p[N];
  for (int i = 0; i < N; ++i) r[i] = __builtin_ia32_reduceps512_mask(z[i], 9, z[i], all);  // z - floor(z)
  for (int i = 0; i < N; ++i) p[i] = splat<f32v>(0.000215659718f);
  for (int k = 0; k < 6; ++k)
    for (int i = 0; i < N; ++i) p[i] = fma(p[i], r[i], c[k]);
  for (int i = 0; i < N; ++i) z[i] = __builtin_ia32_scalefps512_mask(p[i], z[i], p[i], all, 4);  // takes the floor too
#else
  for (int i = 0; i < N; ++i) {
    const Rounded<f32v> n = round_biased(z[i] + FloatTraits<float>::magic);
    z[i] = exp2_unit(z[i] - n.value) * pow2_biased(n.biased);
  }
#endif
}
template <int N>
TAHR_INLINE void powers(f64v (&z)[N]) {
  for (int i = 0; i < N; ++i) z[i] = vexp(z[i]);
}
template <class V>
TAHR_INLINE V power(V z) {
  V one[1] = {z};
  powers(one);
  return one[0];
}

// Σ of the terms of at(k), k < n.
template <int N, class V, class At>
TAHR_INLINE V sum_some(int64_t k, V c, At at) {
  V z[N];
  for (int i = 0; i < N; ++i) z[i] = exponent(at(k + i), c);
  powers(z);
  if constexpr (N == 1) return z[0];
  else if constexpr (N == 2) return z[0] + z[1];
  else return (z[0] + z[1]) + (z[2] + z[3]);
}
template <class V, class At>
TAHR_INLINE V sum_terms(int64_t n, V c, At at) {
  V s{};
  int64_t k = 0;
  for (; k + 4 <= n; k += 4) s += sum_some<4>(k, c, at);
  if (n & 2) s += sum_some<2>(k, c, at), k += 2;
  if (n & 1) s += sum_some<1>(k, c, at);
  return s;
}

// The logarithm of a sum that is no subnormal number, to 2^-25 and the roundings of the result.
#if defined(__AVX512DQ__) && !defined(__clang__) && __GNUC__ >= 12
TAHR_INLINE f32v log_of_sum(f32v x) {  // NaN, but no infinity
  // By sixteenths: 1 / m near the middle of each, but 1 for the first, and minus its logarithm.
  static constexpr float inverse[16] = {
      1.f,          0.914285719f, 0.864864886f, 0.820512831f, 0.780487776f, 0.744186044f, 0.711111128f, 0.680851042f,
      0.653061211f, 0.627451003f, 0.603773594f, 0.581818163f, 0.561403513f, 0.542372882f, 0.524590135f, 0.507936537f};
  static constexpr float offset[16] = {
      0.f,          0.0896121562f, 0.145181984f, 0.19782573f,  0.247836202f, 0.295464218f, 0.340926558f, 0.384411722f,
      0.426084429f, 0.466089696f,  0.504556f,    0.541597307f, 0.577315331f, 0.611801565f, 0.645138025f, 0.677398741f};
  constexpr auto all = static_cast<unsigned short>(-1);
  const i32v at = bits<i32v>(x) >> 19;
  const f32v e = __builtin_ia32_getexpps512_mask(x, x, all, 4), m = __builtin_ia32_getmantps512_mask(x, 0, x, all, 4);
  const f32v from = load<f32v>(inverse), by = load<f32v>(offset);
  const f32v r = fma(m, __builtin_ia32_permvarsf512_mask(from, at, from, all), -1.f);
  const f32v base = fma(e, 0.693147181f, f32v(__builtin_ia32_permvarsf512_mask(by, at, by, all)));
  return base + fma(r * r, poly(r, -0.5f, 0.333333333f, -0.25f, 0.2f), r);
}
#else
TAHR_INLINE f32v log_of_sum(f32v x) {
  const LogParts<f32v> p = log_split(x);
  return log_edges(x, log_sum(p.m - 1.f, p.e));
}
#endif
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

// By blocks, a vector of rows each. While a block is read and transposed and its maxima are found, the terms of the one
// before are summed, and the logarithm is taken for the one before that: each step by itself would wait, for the memory
// or for its own results.
template <class T>
void narrow_rows(const T* x, T* y, int64_t rows, int64_t n) {
  using V = Vec<T>;
  constexpr int64_t W = kLanes<T>;
  const int64_t blocks = (rows + W - 1) / W;
  T t[2][kNarrow * W];
  V peak[2]{}, total[2]{}, back[2]{};
  for (int64_t step = 0; step < blocks + 2; ++step) {
    if (step < blocks) {
      const int64_t left = rows - step * W;
      const T* from = x + step * W * n;
      T* at = t[step & 1];
      transpose_rows<T, kNarrow>(from, left < W ? left : W, n, ends_here<T>(left, n), at);
    }
    if (step >= 2) {
      const int64_t r = (step - 2) * W, b = step & 1;
      store_up_to(y + r, V(peak[b] + (log_of_sum(total[b]) - back[b])), rows - r < W ? rows - r : W);
    }
    if (step < blocks) {
      const T* at = t[step & 1];
      V m = load<V>(at);
      for (int64_t k = 1; k < n; ++k) m = PeakOp::comb(m, load<V>(at + k * W));
      peak[step & 1] = m;
    }
    if (step >= 1 && step <= blocks) {
      const int64_t b = (step - 1) & 1;
      const T* at = t[b];
      const V m = peak[b], c = reference(m);
      const auto element = [at](int64_t k) TAHR_LAMBDA { return load<V>(at + k * W); };
      const T* ahead = x + step * W * n + kRowsAhead / sizeof(T);
      total[b] = sum_terms(n, c, [=](int64_t k) TAHR_LAMBDA {
        __builtin_prefetch(ahead + k * W);
        return element(k);
      });
      back[b] = restore(m, c);
      if (__builtin_expect(!all_near(m), 0)) {  // as a sum of one term
        peak[b] = careful<V>(n, element);
        total[b] = V{} + T(1);
        back[b] = V{};
      }
    }
  }
}

// ---- longer rows ----

template <class T>
TAHR_INLINE void put_partial(T m, double total, double* a, double* b) {
  *a = m;
  *b = m == -static_cast<T>(__builtin_inf()) ? 0 : m == static_cast<T>(__builtin_inf()) ? 1 : total;
}

// Σ of the terms of a row of at least one vector; as much is fetched from `ahead` on.
template <class T>
TAHR_INLINE Vec<T> sum_row(const T* x, int64_t n, Vec<T> c, const T* ahead) {
  using V = Vec<T>;
  constexpr int64_t W = kLanes<T>;
  const int64_t whole = n / W;
  V s = sum_terms(whole, c, [=](int64_t k) TAHR_LAMBDA {
    __builtin_prefetch(ahead + k * W);
    return load<V>(x + k * W);
  });
  if (const int64_t rest = n - whole * W)
    s += sum_some<1>(0, c, [&](int64_t) TAHR_LAMBDA { return load_tail<PeakOp>(x + n, rest); });
  return s;
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
    const auto add = [&](bool check) TAHR_LAMBDA {
      const V at = splat<V>(m), c = reference(at);
      V peak = at;
      const int64_t whole = length / kLanes<T>;
      V s = sum_terms(whole, c, [&](int64_t i) TAHR_LAMBDA {
        __builtin_prefetch(reinterpret_cast<const char*>(part + i * kLanes<T>) + kRowsAhead);
        const V v = load<V>(part + i * kLanes<T>);
        peak = PeakOp::comb(peak, v);
        return v;
      });
      if (const int64_t rest = length - whole * kLanes<T>) {
        const V v = load_tail<PeakOp>(part + length, rest);
        peak = PeakOp::comb(peak, v);
        s += power(exponent(v, c));
      }
      if (check && !(fold_lanes<MaxOp, T, kVecBytes>(peak) <= m + kSlack)) return false;
      total += sum_lanes<T>(s) * (1 - static_cast<double>(restore(at, c)[0]));  // e^-restore
      return true;
    };
    if (near(m) && add(true)) {
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
      add(false);
    } else if (m > -inf && m < inf) {
      V s{};
      each_vector<T>(size, [&](int64_t i, auto get, auto) TAHR_LAMBDA { s += vexp(V(V(get(x + k + i, -inf)) - m)); });
      total += sum_lanes<T>(s);
    }
  }
  put_partial(m, m == m ? total : static_cast<double>(m), a, b);
}

// Rows of a vector and more: whole(first row, rows, peak, c, total) with vectors of rows, or one(row) for each row of a
// group with a maximum beyond kFar.
template <class T, class Whole, class One>
TAHR_INLINE void row_groups(const T* x, int64_t rows, int64_t n, Whole whole, One one) {
  using V = Vec<T>;
  constexpr int64_t W = kLanes<T>;
  V peak[kSets], c[kSets], total[kSets][W];
  T ref[kSets * W];
  bool near[kSets];
  two_passes(
      x, rows, n, true, [n](const T* row) TAHR_LAMBDA { return fold_vectors<PeakOp>(row, n); },
      [&](int64_t set, V(&v)[W]) TAHR_LAMBDA {
        peak[set] = fold_each<PeakOp, T>(v);
        c[set] = reference(peak[set]);
        store(ref + set * W, c[set]);
        near[set] = all_near(peak[set]);
        for (int64_t i = 0; i < W; ++i) total[set][i] = V{};
      },
      [&](const T* row, int64_t, int64_t i, const T* ahead)
          TAHR_LAMBDA { total[i / W][i % W] = sum_row(row, n, splat<V>(ref[i]), ahead); },
      [&](int64_t set, int64_t r, int64_t count) TAHR_LAMBDA {
        if (__builtin_expect(near[set], 1)) return whole(r, count, peak[set], c[set], fold_each<AddOp, T>(total[set]));
        for (int64_t i = 0; i < count; ++i) one(r + i);
      });
}

template <class T>
void whole_rows_from_peaks(const T* x, T* y, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) return narrow_rows(x, y, rows, n);
  const auto one = [&](int64_t r) TAHR_LAMBDA {
    double a, b;
    long_row(x + r * n, n, &a, &b);
    y[r] = static_cast<T>(vlog(splat<f64v>(b))[0] + a);
  };
  if (n > kLongRow) {
    for (int64_t r = 0; r < rows; ++r) one(r);
    return;
  }
  row_groups(
      x, rows, n,
      [&](int64_t r, int64_t count, V peak, V c, V total) TAHR_LAMBDA {
        const V result = peak + (log_of_sum(total) - restore(peak, c));
        store_up_to(y + r, result, count);
      },
      one);
}

template <class T>
void partial_rows_from_peaks(const T* x, int64_t rows, int64_t n, double* a, double* b) {
  using V = Vec<T>;
  const auto one = [&](int64_t r) TAHR_LAMBDA { long_row(x + r * n, n, a + r, b + r); };
  if (n < kLanes<T> || n > kLongRow) {
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

#if TAHR_EXP_SUM
// put(first row, rows, sums) for each vector of rows of at most kLongRow elements, one late, so that what it computes
// need not wait; `again` for those whose sums do not hold and for some more, which will mostly be alike.
template <class Put, class Again>
TAHR_INLINE void sums_of_rows(const float* x, int64_t rows, int64_t n, Put put, Again again) {
  constexpr int64_t W = kLanes<float>;
  with_row_sums(n, [&](auto sum) TAHR_LAMBDA {
    const auto sum_at = [&](int64_t r)
                            TAHR_LAMBDA { return sum(x + r * n, rows - r < W ? rows - r : W, r + W >= rows); };
    for (int64_t r = 0; r < rows;) {
      f32v s = sum_at(r);
      for (; r < rows && __builtin_expect(sums_hold(s), 1); r += W) {
        const f32v next = r + W < rows ? sum_at(r + W) : s;
        put(r, rows - r < W ? rows - r : W, s);
        s = next;
      }
      if (r >= rows) return;
      const int64_t count = rows - r < 32 * W ? rows - r : 32 * W;
      again(r, count);
      r += count;
    }
  });
}
// The sum of a row of more than kLongRow elements; 0 where it does not hold.
inline double long_sum_exp(const float* x, int64_t n) {
  constexpr int64_t kPart = 2048, kFirst = 128;  // few at first: if they do not hold, not much time is lost
  double total = 0;
  for (int64_t k = 0, size = kFirst; k < n; k += size, size = n - k < kPart ? n - k : kPart) {
    const float s = sum_lanes<float>(sum_exp(x + k, size));
    if (!sums_hold(splat<f32v>(s))) return 0;
    total += s;
  }
  return total;
}
#endif

template <class T>
void whole_rows(const T* x, T* y, int64_t rows, int64_t n) {
#if TAHR_EXP_SUM
  if constexpr (__is_same(T, float)) {
    const auto again = [&](int64_t r, int64_t count) { whole_rows_from_peaks(x + r * n, y + r, count, n); };
    if (n > kLongRow) {
      for (int64_t r = 0; r < rows; ++r) {
        const double s = long_sum_exp(x + r * n, n);
        if (s > 0) y[r] = static_cast<float>(vlog(splat<f64v>(s))[0]);
        else again(r, 1);
      }
      return;
    }
    if (n == 1) return again(0, rows);  // exactly
    const auto put = [y](int64_t r, int64_t count, f32v s) TAHR_LAMBDA { store_up_to(y + r, log_of_sum(s), count); };
    return sums_of_rows(x, rows, n, put, again);
  }
#endif
  whole_rows_from_peaks(x, y, rows, n);
}

template <class T>
void partial_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void* bv) {
  const T* x = static_cast<const T*>(xv);
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
#if TAHR_EXP_SUM
  if constexpr (__is_same(T, float)) {
    const auto again = [&](int64_t r, int64_t count) { partial_rows_from_peaks(x + r * n, count, n, a + r, b + r); };
    if (n > kLongRow) {
      for (int64_t r = 0; r < rows; ++r) {
        a[r] = 0, b[r] = long_sum_exp(x + r * n, n);
        if (!(b[r] > 0)) again(r, 1);
      }
      return;
    }
    const auto put = [a, b](int64_t r, int64_t count, f32v s) TAHR_LAMBDA {
      double to[2][kLanes<float>]{};
      store(to[1], widen(s).lo), store(to[1] + kLanes<double>, widen(s).hi);
      copy_first<kLanes<float>>(a + r, to[0], count);
      copy_first<kLanes<float>>(b + r, to[1], count);
    };
    return sums_of_rows(x, rows, n, put, again);
  }
#endif
  partial_rows_from_peaks(x, rows, n, a, b);
}

// ---- columns ----

// A strip of w columns, so many rows at a time, with maxima that grow: out(i, peak, c, sum, put) for each vector of
// columns. False if some column has its maximum beyond kFar: then there was no out.
inline constexpr int64_t kStrip = 2048;
template <class T, class Out>
TAHR_INLINE bool strip(const T* x, int64_t rows, int64_t stride, int64_t w, Out out) {
  using V = Vec<T>;
  constexpr int64_t kRows = 16, W = kLanes<T>, kAhead = 8 * W;
  T peak[kStrip], sum[kStrip];
  for (int64_t i = 0; i < w; ++i) peak[i] = -kFar<T>, sum[i] = 0;
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t count = rows - r < kRows ? rows - r : kRows;
    const T* block = x + r * stride;
    const int64_t apart = w < W ? 0 : stride;
    // Columns i, whose maxima are m, and the maxima of those at `next` in the same loop: the memory is read evenly.
    const auto add = [&](int64_t i, V m, const T* next, auto get, auto put) TAHR_LAMBDA {
      const V old = get(peak + i, T(0)), top = PeakOp::comb(old, m), c = reference(top);
      const T* ahead =
          block + i + (i + kAhead < w ? kAhead : kAhead - w + count * stride);  // in these rows or the next
      V next_m = load<V>(next);
      V s = sum_terms(count, c, [&](int64_t k) TAHR_LAMBDA {
        __builtin_prefetch(ahead + k * stride);
        next_m = PeakOp::comb(next_m, load<V>(next + k * apart));
        return V(get(block + i + k * stride, T(0)));
      });
      if (r) s = fma(V(get(sum + i, T(0))), power(between(c, reference(old))), s);
      put(peak + i, top);
      put(sum + i, s);
      return next_m;
    };
    const auto maxima = [&](int64_t i, auto get) TAHR_LAMBDA {
      V m = get(block + i, T(0));
      for (int64_t k = 1; k < count; ++k) m = PeakOp::comb(m, V(get(block + i + k * stride, T(0))));
      return m;
    };
    V m{};
    each_vector<T>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      if (i == 0 || i + W > w) m = maxima(i, get);
      const int64_t next = i + 2 * W <= w ? i + W : i + W <= w ? i : 0;  // of whole vectors: or one of these again
      m = add(i, m, w < W ? sum : block + next, get, put);
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
#if TAHR_EXP_SUM
    if constexpr (__is_same(T, float)) {
      const auto out = [y](int64_t i, f32v sum, auto put) TAHR_LAMBDA { put(y + i, log_of_sum(sum)); };
      if (sum_exp_columns(x, rows, stride, w, out)) continue;
    }
#endif
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
#if TAHR_EXP_SUM
    if constexpr (__is_same(T, float)) {
      const auto out = [&](int64_t i, f32v s, auto put) TAHR_LAMBDA { put(sum + i, s); };
      if (sum_exp_columns(x, rows, stride, w, out)) {
        for (int64_t i = 0; i < w; ++i) a[i] = 0, b[i] = sum[i];
        continue;
      }
    }
#endif
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
    if (!any(at != ct)) return put(b + j, f64v(bt + dt));  // infinities too
    const f64v factor = select(low == peak, splat<f64v>(1.), vexp(f64v(low - peak)));
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
