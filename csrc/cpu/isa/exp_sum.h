// Sums of exponentials without a look for their maximum first: float32 on AVX-512 (TAHR_EXP_SUM says whether this file
// has any). Numbers up to 88 have exponentials that are floats, and their sums mostly are too. Where a sum is not, or
// is so small that what was cut off below counts, `sums_hold` says so, and the caller starts again from the maxima.
//
// exp(x) = 2^n 2^(j/32) 2^r with n + j/32 the nearest such number to x log2(e): a table of 32 in two registers and a
// polynomial of degree 2 on |r| <= 1/64, in 9 instructions with the sum; r is the difference of a product and a
// multiple of 1/32, rounded once. Relative error of a term: 0.9 * 2^-24 of the polynomial, two roundings (table,
// polynomial), and 0.22 * 2^-24 |x| of log2(e), which is as much relative to the result.
#pragma once

#include "cpu/isa/row_groups.h"
#include "cpu/isa/vmath_lookup.h"

#if TAHR_LOOKUP
#define TAHR_EXP_SUM 1

namespace tahr::TAHR_ISA {
namespace {

alignas(64) constexpr float kPower32[32] = {
    // 2^(j/32)
    1.f,         1.0218972f,  1.04427373f, 1.06714046f, 1.09050775f, 1.1143868f,  1.13878858f, 1.1637249f,
    1.18920708f, 1.21524739f, 1.24185777f, 1.26905096f, 1.29683959f, 1.32523668f, 1.35425556f, 1.38390994f,
    1.41421354f, 1.44518077f, 1.47682619f, 1.50916445f, 1.54221082f, 1.5759809f,  1.61049032f, 1.64575553f,
    1.68179286f, 1.71861935f, 1.75625217f, 1.79470909f, 1.8340081f,  1.87416768f, 1.91520655f, 1.95714414f};

// exp(x); 2^-126 or a little more instead of what is smaller, since subnormal numbers are slow. NaN and infinity of x
// beyond 88.7.
struct ExpParts32 {
  f32v power, rest;  // their product
};
TAHR_INLINE ExpParts32 exp_parts(f32v x) {
  constexpr float magic = 393216.f, log2e = FloatTraits<float>::log2e;  // 1.5 * 2^18: rounds to 1/32
  x = vmax(x, -87.f);
  const f32v t = fma(x, log2e, magic), steps = t - magic;
  const f32v r = fma(x, splat<f32v>(log2e), -steps);
  const f32v power = times_power_of_2(look_up(kPower32, bits<i32v>(t)), steps);  // by the floor of `steps`
  return {power, poly(r, 1.f, 0.693157315f, 0.240226507f)};
}
TAHR_INLINE f32v plain_exp(f32v x) {
  const ExpParts32 e = exp_parts(x);
  return e.power * e.rest;
}
TAHR_INLINE f32v add_exp(f32v sum, f32v x) {
  const ExpParts32 e = exp_parts(x);
  return fma(e.power, e.rest, sum);
}

// Whether the sums of at most some thousand terms are exact enough: from 2^-88, of which what stands for terms below
// 2^-126 is less than 2^-25, to 2^127.
TAHR_INLINE bool sums_hold(f32v sum) {
  constexpr uint32_t least = 0x13800000, most = 0x7f000000;
  return __builtin_ia32_ucmpd512_mask(bits<i32v>(bits<u32v>(sum) - least), bits<i32v>(u32v{} + (most - least)), 5,
                                      kAllLanes) == 0;
}

// ---- rows ----

TAHR_INLINE void fetch_behind(const float* x) { __builtin_prefetch(reinterpret_cast<const char*>(x) + kRowsAhead); }
// Σ exp of kVectors vectors from x on and of `rest` elements after them, by lanes.
template <int kVectors, bool kRest>
TAHR_INLINE f32v sum_exp_short(const float* x, int64_t rest) {
  constexpr int64_t W = kLanes<float>;
  f32v s{};
  for (int v = 0; v < kVectors; ++v) {
    fetch_behind(x + v * W);
    const f32v at = load<f32v>(x + v * W);
    s = v ? add_exp(s, at) : plain_exp(at);
  }
  if constexpr (kRest) {
    const f32v at = load_first(x + kVectors * W, rest, -FloatTraits<float>::inf);
    if constexpr (!kVectors) fetch_behind(x);
    s = kVectors ? add_exp(s, at) : plain_exp(at);
  }
  return s;
}
TAHR_INLINE f32v sum_exp(const float* x, int64_t n) {  // n >= 64
  constexpr int64_t W = kLanes<float>;
  f32v s[4]{};
  int64_t k = 0;
  for (; k + 4 * W <= n; k += 4 * W)
    for (int v = 0; v < 4; ++v) {
      fetch_behind(x + k + v * W);
      s[v] = add_exp(s[v], load<f32v>(x + k + v * W));
    }
  for (int v = 0; v < 3; ++v) {
    if (k + W > n) break;
    fetch_behind(x + k);
    s[v] = add_exp(s[v], load<f32v>(x + k));
    k += W;
  }
  if (k < n) {
    fetch_behind(x + k);
    s[3] = add_exp(s[3], load_first(x + k, n - k, -FloatTraits<float>::inf));
  }
  return (s[0] + s[1]) + (s[2] + s[3]);
}

// The sums of rows of N elements each, which lie one after the other in N vectors from e on.
template <int... J>
TAHR_INLINE f32v add_pairs(f32v a, f32v b, LaneList<J...>) {
  return shuffle<float, (2 * J)...>(a, b) + shuffle<float, (2 * J + 1)...>(a, b);
}
template <int N>
TAHR_INLINE f32v add_rows(const f32v (&e)[N]) {
  if constexpr (N == 1) {
    return e[0];
  } else if constexpr (N % 2 == 0) {
    f32v half[N / 2];
    for (int i = 0; i < N / 2; ++i) half[i] = add_pairs(e[2 * i], e[2 * i + 1], LanesUpTo<kLanes<float>>{});
    return add_rows<N / 2>(half);
  } else {
    f32v s{};
    transpose_odd<float, N, 0>(e, [&](int k, f32v v) TAHR_LAMBDA { s = k ? s + v : v; }, LanesUpTo<kLanes<float>>{});
    return s;
  }
}
template <int N>
TAHR_INLINE f32v sum_exp_dense(const float* x, int64_t rows) {
  constexpr int64_t W = kLanes<float>;
  f32v e[N];
  if (__builtin_expect(rows < W, 0)) {
    for (int i = 0; i < N; ++i) {
      const int64_t left = rows * N - i * W;
      e[i] = left > 0 ? load_first(x + i * W, left < W ? left : W, 0.f) : f32v{};
    }
    for (int i = 0; i < N; ++i) e[i] = plain_exp(e[i]);
  } else {
    for (int i = 0; i < N; ++i) {
      fetch_behind(x + i * W);
      e[i] = plain_exp(load<f32v>(x + i * W));
    }
  }
  return add_rows<N>(e);
}
// Any number of elements up to 24, as transposed.
TAHR_INLINE f32v sum_exp_transposed(const float* x, int64_t rows, int64_t n, bool last) {
  fetch_rows(x, n);
  f32v s[2]{};
  each_column_of_rows<float, 24>(x, rows, n, last,
                                 [&](int64_t k, f32v v) TAHR_LAMBDA { s[k & 1] = add_exp(s[k & 1], v); });
  return s[0] + s[1];
}

// Calls body(sum) where sum(x, rows, last) gives Σ exp of each of up to a vector of rows of n elements, in the way that
// takes the fewest instructions.
template <class Body>
TAHR_INLINE void with_row_sums(int64_t n, Body body) {
  const auto dense = [&]<int N>(LaneList<N>) TAHR_LAMBDA {
    body([](const float* x, int64_t rows, bool) { return sum_exp_dense<N>(x, rows); });
  };
  const auto each = [&](auto row) TAHR_LAMBDA {
    body([=](const float* x, int64_t rows, bool) TAHR_LAMBDA {
      f32v v[kLanes<float>];
      for (int64_t i = 0; i < rows; ++i) v[i] = row(x + i * n);
      for (int64_t i = rows; i < kLanes<float>; ++i) v[i] = f32v{} + 1.f;
      return fold_each<AddOp, float>(v);
    });
  };
  const int64_t rest = n % kLanes<float>;
  switch (n) {
    case 1: return dense(LaneList<1>{});
    case 2: return dense(LaneList<2>{});
    case 3: return dense(LaneList<3>{});
    case 4: return dense(LaneList<4>{});
    case 5: return dense(LaneList<5>{});
    case 6: return dense(LaneList<6>{});
    case 8: return dense(LaneList<8>{});
    case 10: return dense(LaneList<10>{});
    case 12: return dense(LaneList<12>{});
    case 20: return dense(LaneList<20>{});
  }
  if (n < 13 || (n > 16 && n < 25))
    return body([n](const float* x, int64_t rows, bool last)
                    TAHR_LAMBDA { return sum_exp_transposed(x, rows, n, last); });
  const auto whole = [&]<int N>(LaneList<N>) TAHR_LAMBDA {
    if (rest) each([rest](const float* x) TAHR_LAMBDA { return sum_exp_short<N, true>(x, rest); });
    else each([](const float* x) TAHR_LAMBDA { return sum_exp_short<N, false>(x, 0); });
  };
  switch (n / kLanes<float>) {
    case 0: return each([rest](const float* x) TAHR_LAMBDA { return sum_exp_short<0, true>(x, rest); });
    case 1: return whole(LaneList<1>{});
    case 2: return whole(LaneList<2>{});
    case 3: return whole(LaneList<3>{});
  }
  each([n](const float* x) TAHR_LAMBDA { return sum_exp(x, n); });
}

// ---- columns ----

// Σ exp of a strip of w columns: out(i, sum, put) for each vector of them. False, and no out, if some sum does not
// hold.
inline constexpr int64_t kExpStrip = 2048;
template <class Out>
TAHR_INLINE bool sum_exp_columns(const float* x, int64_t rows, int64_t stride, int64_t w, Out out) {
  constexpr int64_t kRows = 16, kAhead = 8 * kLanes<float>;
  float sum[kExpStrip];
  bool good = true;
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t count = rows - r < kRows ? rows - r : kRows;
    const bool end = r + kRows >= rows;
    each_vector<float>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      const float* p = x + i + r * stride;
      // In these rows; where the strip ends in the next ones, or, after the last ones, in the next strip.
      const float* ahead = p + (i + kAhead < w || end ? kAhead : kAhead - w + kRows * stride);
      f32v s = r ? f32v(get(sum + i, 0.f)) : f32v{}, other{};
      int64_t k = 0;
      for (; k + 2 <= count; k += 2) {
        __builtin_prefetch(ahead + k * stride), __builtin_prefetch(ahead + (k + 1) * stride);
        s = add_exp(s, get(p + k * stride, 0.f));
        other = add_exp(other, get(p + (k + 1) * stride, 0.f));
      }
      if (k < count) {
        __builtin_prefetch(ahead + k * stride);
        s = add_exp(s, get(p + k * stride, 0.f));
      }
      s += other;
      put(sum + i, s);
      if (end || r == 0) good &= sums_hold(s);  // also of lanes beyond w, where x is 0
    });
    if (!good) return false;  // mostly after the first rows, before much time is lost
  }
  each_vector<float>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA { out(i, f32v(get(sum + i, 1.f)), put); });
  return true;
}

}  // namespace
}  // namespace tahr::TAHR_ISA
#endif
