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

alignas(64) constexpr float kPower32[32] = {  // 2^(j/32)
    1.f,         1.0218972f,  1.04427373f, 1.06714046f, 1.09050775f, 1.1143868f,  1.13878858f, 1.1637249f,
    1.18920708f, 1.21524739f, 1.24185777f, 1.26905096f, 1.29683959f, 1.32523668f, 1.35425556f, 1.38390994f,
    1.41421354f, 1.44518077f, 1.47682619f, 1.50916445f, 1.54221082f, 1.5759809f,  1.61049032f, 1.64575553f,
    1.68179286f, 1.71861935f, 1.75625217f, 1.79470909f, 1.8340081f,  1.87416768f, 1.91520655f, 1.95714414f};

// sum + exp(x); 2^-126 or a little more instead of what is smaller, since subnormal numbers are slow. NaN and infinity
// of x beyond 88.7.
TAHR_INLINE f32v add_exp(f32v sum, f32v x) {
  constexpr float magic = 393216.f, log2e = FloatTraits<float>::log2e;  // 1.5 * 2^18: rounds to 1/32
  x = vmax(x, -87.f);
  const f32v t = fma(x, log2e, magic), steps = t - magic;
  const f32v r = fma(x, splat<f32v>(log2e), -steps);
  const f32v power = times_power_of_2(look_up(kPower32, bits<i32v>(t)), steps);  // by the floor of `steps`
  return fma(power, poly(r, 1.f, 0.693157315f, 0.240226507f), sum);
}

// Whether the sums of at most some thousand terms are exact enough: what add_exp has put for terms below 2^-126 is
// then less than 2^-25 of them.
TAHR_INLINE bool sums_hold(f32v sum) {
  constexpr float least = 0x1p-88f, most = 0x1p127f;
  return !any(~((sum > least) & (sum < most)));
}

// Σ exp of n elements from x on, k vectors at a time where there are as many, and what follows kRowsAhead is fetched.
TAHR_INLINE f32v sum_exp(const float* x, int64_t n) {
  constexpr int64_t W = kLanes<float>;
  f32v s[4]{};
  int64_t k = 0;
  for (; k + 4 * W <= n; k += 4 * W)
    for (int v = 0; v < 4; ++v) {
      __builtin_prefetch(reinterpret_cast<const char*>(x + k + v * W) + kRowsAhead);
      s[v] = add_exp(s[v], load<f32v>(x + k + v * W));
    }
  const auto one = [&](f32v& to) TAHR_LAMBDA {
    __builtin_prefetch(reinterpret_cast<const char*>(x + k) + kRowsAhead);
    to = add_exp(to, load<f32v>(x + k));
    k += W;
  };
  if (k + W <= n) one(s[0]);
  if (k + W <= n) one(s[1]);
  if (k + W <= n) one(s[2]);
  if (k < n) {
    __builtin_prefetch(reinterpret_cast<const char*>(x + k) + kRowsAhead);
    s[3] = add_exp(s[3], load_first(x + k, n - k, FloatTraits<float>::inf * -1.f));
  }
  return (s[0] + s[1]) + (s[2] + s[3]);
}

// Σ exp of each of up to a vector of rows: transposed where that takes fewer vectors.
TAHR_INLINE f32v sum_exp_rows(const float* x, int64_t rows, int64_t n, bool last) {
  constexpr int64_t W = kLanes<float>;
  if (n <= 24 && !(n > 12 && n <= W)) {
    fetch_rows(x, n);
    f32v s[2]{};
    each_column_of_rows<float, 24>(x, rows, n, last, [&](int64_t k, f32v v) TAHR_LAMBDA { s[k & 1] = add_exp(s[k & 1], v); });
    return s[0] + s[1];
  }
  f32v v[W];
  for (int64_t i = 0; i < rows; ++i) v[i] = sum_exp(x + i * n, n);
  for (int64_t i = rows; i < W; ++i) v[i] = f32v{} + 1.f;
  return fold_each<AddOp, float>(v);
}

// ---- columns ----

// Σ exp of a strip of w columns: out(i, sum, put) for each vector of them. False, and no out, if some sum does not
// hold.
inline constexpr int64_t kExpStrip = 1024;
template <class Out>
TAHR_INLINE bool sum_exp_columns(const float* x, int64_t rows, int64_t stride, int64_t w, Out out) {
  constexpr int64_t kRows = 16, kAhead = 8 * kLanes<float>;
  float sum[kExpStrip];
  i32v bad{};
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
      if (end) bad |= ~((s > 0x1p-88f) & (s < 0x1p127f));
    });
  }
  if (any(bad)) return false;
  each_vector<float>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA { out(i, f32v(get(sum + i, 1.f)), put); });
  return true;
}

}  // namespace
}  // namespace tahr::TAHR_ISA
#endif
