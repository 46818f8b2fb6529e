// Trigonometric and hyperbolic functions and their inverses on vectors of float32 and float64.
//
// Header only, under the rules of vmath.h. Bounds on the error in units in the last place, float32 / float64:
//
//   vsin vcos 1.6 / 1 · vtan 3.5 / 2.5 · vasin 2.5 / 2.5 · vacos 1.5 / 1.5 · vatan vatan2 2 / 2
//   vsinh vcosh 2.7 / 3 · vasinh vacosh vatanh 2.5 / 2.5
//
// Angles of any size are reduced exactly enough: up to 2^20 (2^16 in float32 with fma) by subtracting multiples of pi/2
// given in two parts (Cody and Waite), beyond that by multiplying with as many bits of 2/pi as it takes (Payne and
// Hanek 1983).
#pragma once

#include "cpu/isa/vmath.h"
#include "cpu/isa/vmath_lookup.h"

namespace tahr::TAHR_ISA {

// ---- sine and cosine ----

// x = q pi/2 + hi + lo with |hi + lo| <= pi/4, for finite |x| >= 2^20. Returns q mod 4.
static inline int reduce_large(double x, double* hi, double* lo) {
  // 2/pi = sum of words[i] 2^(-64 i); the zero word in front lets a window begin before the point.
  static constexpr uint64_t words[] = {0,
                                       0xa2f9836e4e441529,
                                       0xfc2757d1f534ddc0,
                                       0xdb6295993c439041,
                                       0xfe5163abdebbc561,
                                       0xb7246e3a424dd2e0,
                                       0x06492eea09d1921c,
                                       0xfe1deb1cb129a73e,
                                       0xe88235f52ebb4484,
                                       0xe99c7026b45f7e41,
                                       0x3991d639835339f4,
                                       0x9c845f8bbdf9283b,
                                       0x1ff897ffde05980f,
                                       0xef2f118b5a0a6d1f,
                                       0x6d367ecf27cb09b7,
                                       0x4f463f669e5fea2d,
                                       0x7527bac7ebe5f17b,
                                       0x3d0739f78a5292ea,
                                       0x6bfb5fb11f8d5d08,
                                       0x56033046fc7b6bab,
                                       0xf0cfbc209af4361d};
  const uint64_t all = bits<uint64_t>(x);
  const uint64_t m = (all & 0x000fffffffffffffu) | 0x0010000000000000u;
  const int e = static_cast<int>((all >> 52) & 0x7ff) - 1075;  // |x| = m 2^e
  // Bits of 2/pi above 2^(2 - e) make multiples of 4: the window is the 192 bits from there on, in units of which
  // m times the window is the quadrant in 2 bits and a fraction in 190.
  const int at = e - 2 + 64;
  uint64_t w[3];
  for (int i = 0; i < 3; ++i) {
    const int word = at / 64 + i, shift = at % 64;
    w[i] = shift ? words[word] << shift | words[word + 1] >> (64 - shift) : words[word];
  }
  using u128 = unsigned __int128;
  const u128 low = static_cast<u128>(m) * w[2];
  const u128 mid = static_cast<u128>(m) * w[1] + static_cast<uint64_t>(low >> 64);
  const uint64_t high = m * w[0] + static_cast<uint64_t>(mid >> 64);
  int q = static_cast<int>(high >> 62);
  u128 f = static_cast<u128>(high) << 64 | static_cast<uint64_t>(mid);
  f = f << 2 | static_cast<uint64_t>(low) >> 62;
  bool negative = all >> 63;
  if (f >> 127) {  // the nearer multiple is the next one
    f = -f;
    ++q;
    negative = !negative;
  }
  if (all >> 63) q = -q;
  const long double r = (static_cast<long double>(static_cast<uint64_t>(f >> 64)) * 0x1p-64L +
                         static_cast<long double>(static_cast<uint64_t>(f)) * 0x1p-128L) *
                        1.57079632679489661923132169163975144L;
  *hi = static_cast<double>(r);
  *lo = static_cast<double>(r - static_cast<long double>(*hi));
  if (negative) *hi = -*hi, *lo = -*lo;
  return q & 3;
}

struct Angle {
  f64v hi, lo;
  i64v quadrant;
};
// kFull: lo matters and |x| may be anything; else the caller deals with |x| >= 2^20.
template <bool kFull>
TAHR_INLINE Angle reduce_angle(f64v x) {
  const Rounded<f64v> n = round_biased(fma(x, 0.63661977236758134, FloatTraits<double>::magic));
  i64v q = bits<i64v>(n.biased);
  f64v r = fma(n.value, -1.57079632673412561417e+00, x);  // the product is exact: 33 bits by 21
  if constexpr (!kFull) return {fma(n.value, -6.07710050650619224932e-11, r), f64v{}, q};
  const f64v w1 = n.value * 6.07710050630396597660e-11;
  const f64v t = r - w1;
  const f64v w2 = fma(n.value, splat<f64v>(2.02226624879595063154e-21), (t - r) + w1);
  f64v hi = t - w2;
  f64v lo = (t - hi) - w2;
  const i64v large = (vabs(x) >= 1048576.) & (vabs(x) < __builtin_inf());
  if (__builtin_expect(any(large), 0)) {
    for (int i = 0; i < kLanes<double>; ++i) {
      if (!large[i]) continue;
      double h, l;
      q[i] = reduce_large(x[i], &h, &l);
      hi[i] = h, lo[i] = l;
    }
  }
  return {hi, lo, q};
}

TAHR_INLINE f32v sin_unit(f32v r) {
  const f32v z = r * r;
  return fma(r * z, poly(z, -0.166666672f, 0.00833333191f, -0.000198400841f, 2.72496209e-06f), r);
}
TAHR_INLINE f32v cos_unit(f32v r) {
  const f32v z = r * r;
  return fma(z * z, poly(z, 0.0416666642f, -0.00138883013f, 2.45476895e-05f), fma(z, -0.5f, 1.f));
}
TAHR_INLINE f64v sin_unit(f64v x, f64v lo) {
  const f64v z = x * x, v = z * x;
  const f64v p = poly2(z, z * z, 0.0083333333333333315, -0.00019841269841265041, 2.7557319219320579e-06,
                       -2.5052106225994401e-08, 1.6058530596645953e-10, -7.5866368828251592e-13);
  return x - ((z * (0.5 * lo - v * p) - lo) + v * 0.16666666666666666);
}
TAHR_INLINE f64v cos_unit(f64v x, f64v lo) {
  const f64v z = x * x, half = 0.5 * z, w = 1. - half;
  const f64v p =
      z * poly2(z, z * z, 0.041666666666666664, -0.0013888888888888887, 2.4801587301584632e-05, -2.755731922139249e-07,
                2.0876755787492604e-09, -1.1470460319209511e-11, 4.7458384125310228e-14);
  return w + (((1. - w) - half) + (z * p - x * lo));
}

struct SinCos32 {
  f32v sin, cos;
  i32v quadrant;
};
struct Angle32 {
  f32v r;
  i32v quadrant;
};
// Through float64, for any x.
TAHR_INLINE Angle32 reduce_angle_wide(f32v x) {
  const Wide w = widen(x);
  const Angle a = reduce_angle<false>(w.lo), b = reduce_angle<false>(w.hi);
  f32v r = narrow(a.hi, b.hi);
  const HalfVec<int32_t> h[2] = {__builtin_convertvector(a.quadrant, HalfVec<int32_t>),
                                 __builtin_convertvector(b.quadrant, HalfVec<int32_t>)};
  i32v q;
  __builtin_memcpy(&q, h, sizeof q);
  const i32v large = (vabs(x) >= 1048576.f) & (vabs(x) < __builtin_inff());
  if (__builtin_expect(any(large), 0)) {
    for (int i = 0; i < kLanes<float>; ++i) {
      if (!large[i]) continue;
      double hi, lo;
      q[i] = reduce_large(static_cast<double>(x[i]), &hi, &lo);
      r[i] = static_cast<float>(hi);
    }
  }
  return {select(vabs(x) == __builtin_inff(), splat<f32v>(FloatTraits<float>::nan), r), q};
}
TAHR_INLINE bool any_beyond(f32v x, float bound) {
#if defined(__AVX512F__) && !defined(__clang__)
  return __builtin_ia32_cmpps512_mask(vabs(x), splat<f32v>(bound), 30, static_cast<unsigned short>(-1), 4) != 0;
#else
  return any(vabs(x) > bound);
#endif
}
TAHR_INLINE SinCos32 sincos_parts(f32v x) {
#if defined(__FMA__)
  // The first difference is exact: a multiple of 2^-23 below 1.
  const Rounded<f32v> n = round_biased(fma(x, 0.636619747f, FloatTraits<float>::magic));
  f32v r = fma(n.value, -1.57079637f, x);
  r = fma(n.value, 4.37113883e-08f, r);
  r = fma(n.value, 1.71512489e-15f, r);
  i32v q = bits<i32v>(n.biased);
  if (__builtin_expect(any_beyond(x, 65536.f), 0)) {
    const i32v far = vabs(x) > 65536.f;
    const Angle32 wide = reduce_angle_wide(x);
    r = select(far, wide.r, r);
    q = select(far, wide.quadrant, q);
  }
  return {sin_unit(r), cos_unit(r), q};
#else
  const Angle32 a = reduce_angle_wide(x);
  return {sin_unit(a.r), cos_unit(a.r), a.quadrant};
#endif
}
struct SinCos64 {
  f64v sin, cos;
  i64v quadrant;
};
TAHR_INLINE SinCos64 sincos_parts(f64v x) {
  Angle a = reduce_angle<true>(x);
  a.hi = select(vabs(x) == __builtin_inf(), splat<f64v>(FloatTraits<double>::nan), a.hi);
  return {sin_unit(a.hi, a.lo), cos_unit(a.hi, a.lo), a.quadrant};
}
// -r where bit 1 of q is set.
template <class V>
TAHR_INLINE V negate_by(Mask<V> q, V r) {
  const Mask<V> sign = bits<Mask<V>>(splat<V>(static_cast<Lane<V>>(-0.0)));
  return bits<V>(bits<Mask<V>>(r) ^ ((q << (8 * static_cast<int>(sizeof(Lane<V>)) - 2)) & sign));
}
template <class V>
TAHR_INLINE V vsin(V x) {
  const auto p = sincos_parts(x);
  return keep_zero(x, negate_by(p.quadrant, V(select((p.quadrant & 1) != 0, p.cos, p.sin))));
}
template <class V>
TAHR_INLINE V vcos(V x) {
  const auto p = sincos_parts(x);
  return negate_by(Mask<V>(p.quadrant + 1), V(select((p.quadrant & 1) != 0, p.sin, p.cos)));
}
template <class V>
TAHR_INLINE V vtan(V x) {
  const auto p = sincos_parts(x);
  const auto odd = (p.quadrant & 1) != 0;
  return keep_zero(x, V(select(odd, -p.cos, p.sin) / select(odd, p.sin, p.cos)));
}

// ---- inverse trigonometric ----

// (atan(s) - s) / s^3 for z = s^2 in [0, 1].
TAHR_INLINE f32v atan_tail(f32v z) {
  return poly(z, -0.333333343f, 0.199999496f, -0.142840028f, 0.110882521f, -0.0893177241f, 0.0703174844f, -0.048957549f,
              0.0263019092f, -0.00914289616f, 0.00148828782f);
}
TAHR_INLINE f64v atan_tail(f64v z) {
  return poly(z, -0.33333333333333331, 0.19999999999999918, -0.14285714285701215, 0.11111111110267219,
              -0.090909090619010646, 0.076923070781628786, -0.066666579259741329, 0.058822643381896959,
              -0.052624917021635666, 0.047580774206132957, -0.043306434978789991, 0.039386562451994622,
              -0.035270587845768836, 0.030329328735729143, -0.024189298202701468, 0.017181622778272634,
              -0.010410052900313618, 0.0051394973174400168, -0.0019605577334296793, 0.00053744681365070347,
              -9.3662221014481197e-05, 7.7628007823083523e-06);
}
template <class T>
inline constexpr T kHalfPi = static_cast<T>(1.57079632679489661923);
template <class T>
inline constexpr T kHalfPiLow = sizeof(T) == 4 ? T(-4.37113883e-8) : T(6.123233995736766e-17);
template <class T>
inline constexpr T kPiValue = static_cast<T>(3.14159265358979323846);
template <class T>
inline constexpr T kPiLow = T(2) * kHalfPiLow<T>;

template <class V>
TAHR_INLINE V atan_unit(V s) {
  const V z = s * s;
  return fma(s * z, atan_tail(z), s);
}
template <class V>
TAHR_INLINE V vatan(V x) {
  using T = Lane<V>;
  const V a = vabs(x);
  const auto big = a > T(1);
  const V r = atan_unit(select(big, T(-1) / a, a));
  return vcopysign(select(big, kHalfPi<T> + (r + kHalfPiLow<T>), r), x);
}
// The angle of the point (x, y).
template <class V>
TAHR_INLINE V vatan2(V y, V x) {
  using T = Lane<V>;
  const V ax = vabs(x), ay = vabs(y);
  const auto swap = ay > ax;
  const V top = select(swap, ax, ay), bottom = select(swap, ay, ax);
  V s = top / bottom;
  s = select(bottom == T(0), V{}, select(top == Traits<V>::inf, splat<V>(T(1)), s));
  V r = atan_unit(s);
  r = select(swap, kHalfPi<T> - (r - kHalfPiLow<T>), r);
  r = select(bits<Mask<V>>(x) < 0, kPiValue<T> - (r - kPiLow<T>), r);
  return select((x != x) | (y != y), x + y, vcopysign(r, y));
}

// (asin(s) - s) / s^3 for z = s^2 in [0, 1/4].
TAHR_INLINE f32v asin_tail(f32v z) {
  return poly(z, 0.166666657f, 0.0750009492f, 0.0445993207f, 0.0311017279f, 0.017143717f, 0.0337007269f);
}
TAHR_INLINE f64v asin_tail(f64v z) {
  return poly2(z, z * z, 0.16666666666666669, 0.074999999999984246, 0.04464285714637338, 0.030381944137085216,
               0.022372173002005596, 0.017352391265909227, 0.013971235301124539, 0.011478952690257387,
               0.010324318288744113, 0.0054508781877205511, 0.017419357964884856, -0.014881409392818063,
               0.02877844261259304);
}
// For |x| > 1/2 by asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)).
template <class V>
struct AsinParts {
  Mask<V> big;
  V value;
};  // value: asin(|x|), or asin of that root where big
template <class V>
TAHR_INLINE AsinParts<V> asin_parts(V a) {
  using T = Lane<V>;
  const auto big = a > T(0.5);
  const V z = select(big, (T(1) - a) * T(0.5), a * a);
  const V s = select(big, sqrt(z), a);
  return {big, fma(s * z, asin_tail(z), s)};
}
template <class V>
TAHR_INLINE V vasin(V x) {
  using T = Lane<V>;
  const auto p = asin_parts(vabs(x));
  return vcopysign(select(p.big, kHalfPi<T> - (T(2) * p.value - kHalfPiLow<T>), p.value), x);
}
template <class V>
TAHR_INLINE V vacos(V x) {
  using T = Lane<V>;
  const auto p = asin_parts(vabs(x));
  const V twice = T(2) * p.value;
  const V outer = select(x < T(0), kPiValue<T> - (twice - kPiLow<T>), twice);
  return select(p.big, outer, kHalfPi<T> - (vcopysign(p.value, x) - kHalfPiLow<T>));
}

// ---- hyperbolic ----

TAHR_INLINE f64v vsinh(f64v x) {
  const f64v a = vabs(x);
  const f64v t = expm1_bounded(vmin(a, 700.));
  const f64v small = 0.5 * (t + t / (t + 1.));
  const f64v root = vexp(0.5 * a);
  return select(x == 0., x, vcopysign(select(a > 700., 0.5 * root * root, small), x));
}
TAHR_INLINE f64v vcosh(f64v x) {
  const f64v a = vabs(x);
  const f64v e = vexp(a), root = vexp(0.5 * a);
  return select(a > 700., 0.5 * root * root, 0.5 * e + 0.5 / e);
}
// sinh of r, cosh of r less 1, and the sum and difference of 2^n / 4 and 2^-n / 4, where x = n ln 2 + r: no exponential
// of -x, no division. n is 0 below 3/4, since the two terms of sinh nearly cancel where n is 1 and r negative.
struct HyperbolicParts {
  f32v odd, even, sum, difference;
};
TAHR_INLINE HyperbolicParts hyperbolic_parts(f32v x) {
  using T = FloatTraits<float>;
  x = vmax(vmin(x, 89.5f), -89.5f);
  const f32v n = select(vabs(x) < 0.75f, f32v{}, round_biased(fma(x, T::log2e, T::magic)).value), minus = -n;
  const f32v r = fma(n, -T::ln2_lo, fma(n, -T::ln2_hi, x)), z = r * r, quarter = splat<f32v>(0.25f);
  const f32v up = scale(quarter, {n + T::magic, n}), down = scale(quarter, {minus + T::magic, minus});
  return {fma(r * z, poly(z, 0.16666667f, 0.008333282f, 0.00019856301f, 2.636824e-06f), r),
          z * poly(z, 0.5f, 0.041666683f, 0.0013887555f, 2.5143132e-05f), up + down, up - down};
}
TAHR_INLINE f32v vsinh(f32v x) {
  const auto p = hyperbolic_parts(x);
  return keep_zero(x, 2.f * (p.difference + fma(p.sum, p.odd, p.difference * p.even)));
}
TAHR_INLINE f32v vcosh(f32v x) {
  const auto p = hyperbolic_parts(x);
  return 2.f * (p.sum + fma(p.difference, p.odd, p.sum * p.even));
}
// Beyond `big` a square no longer changes under the root, and would overflow: log(2 a) instead.
template <class V>
TAHR_INLINE V vasinh(V x) {
  using T = Lane<V>;
  const T big = sizeof(T) == 4 ? T(1e4) : T(1e8);
  const V a = vabs(x), square = a * a;
  const auto far = a > big;
  const V t = a + square / (T(1) + sqrt(square + T(1)));
  const V r = vlog1p(select(far, a - T(1), t)) + select(far, splat<V>(static_cast<T>(0.69314718055994530942)), V{});
  return select(x == T(0), x, vcopysign(r, x));
}
template <class V>
TAHR_INLINE V vacosh(V x) {
  using T = Lane<V>;
  const T big = sizeof(T) == 4 ? T(1e4) : T(1e8);
  const auto far = x > big;
  const V t = x - T(1);
  const V near = t + sqrt(T(2) * t + t * t);
  const V r = vlog1p(select(far, t, near)) + select(far, splat<V>(static_cast<T>(0.69314718055994530942)), V{});
  return select(x >= T(1), r, splat<V>(Traits<V>::nan));
}
template <class V>
TAHR_INLINE V vatanh(V x) {
  using T = Lane<V>;
  const V a = vabs(x);
  return vcopysign(T(0.5) * vlog1p((a + a) / (T(1) - a)), x);
}

}  // namespace tahr::TAHR_ISA
