// The error function, powers and activations on vectors; float32 only where a float64 version would need tables.
//
// Header only, under the rules of vmath.h. Bounds in units in the last place: verf 2.5, verfc 8, vpow 1 (through
// float64). vgelu and its relatives: 6 units of the larger of |x| 2^-24 and the result.
#pragma once

#include "cpu/isa/vmath.h"

namespace tahr::TAHR_ISA {

// erfc(a) exp(a^2) for 0 <= a <= 10.5, a polynomial in 3 / (3 + a).
TAHR_INLINE f32v erfc_scaled(f32v a) {
  const f32v t = 3.f / (a + 3.f);
  return t * poly(t, 0.188032046f, 0.18875818f, 0.170823783f, 0.194970995f, -0.0101758251f, 0.419043392f, -0.46004045f,
                  0.550012529f, -0.298282266f, 0.0568576604f);
}
// erfc(a) for a >= 0, which is 0 from 10.5 on.
TAHR_INLINE f32v erfc_positive(f32v a) {
  a = vmin(a, 10.5f);
  const f32v p = erfc_scaled(a);
  // a^2 in two parts, the first exact: half of the bits of a, squared.
  const f32v head = bits<f32v>(bits<i32v>(a) & static_cast<int32_t>(0xfffff000u));
  const f32v rest = (head - a) * (head + a);  // at most 0.08 below 0
  return vexp(-head * head) * fma(p, rest * poly(rest, 1.f, 0.5f, 0.166666667f, 0.0416666667f), p);
}
TAHR_INLINE f32v erf_small(f32v x) {  // |x| < 0.7
  return x * poly(x * x, 1.12837923f, -0.376126289f, 0.112835333f, -0.0268438999f, 0.00513652759f, -0.000693352777f);
}
TAHR_INLINE f32v verf(f32v x) {
  const f32v a = vmin(vabs(x), 5.f);
  const f32v far = 1.f - erfc_scaled(a) * vexp(-a * a);
  return select(a < 0.7f, erf_small(x), vcopysign(far, x));
}
TAHR_INLINE f32v verfc(f32v x) {
  const f32v a = vabs(x), c = erfc_positive(a);
  return select(a < 0.4f, 1.f - erf_small(x), select(x < 0.f, 2.f - c, c));
}

// x to the power of y, through float64.
TAHR_INLINE f64v pow_positive(f64v a, f64v y) { return vexp(y * vlog(a)); }
TAHR_INLINE f32v vpow(f32v x, f32v y) {
  const f32v a = vabs(x);
  const Wide wa = widen(a), wy = widen(y);
  f32v r = narrow(pow_positive(wa.lo, wy.lo), pow_positive(wa.hi, wy.hi));
  r = select((y == 0.f) | ((a == 1.f) & ((y == y) | (x == 1.f))), splat<f32v>(1.f), r);
  // Odd exponents keep the sign; from 2^24 on all floats are even.
  const f32v ay = vabs(y), magic = splat<f32v>(8388608.f);
  const f32v rounded = select(ay < 8388608.f, (ay + magic) - magic, ay);
  const i32v integral = rounded == ay;
  const i32v odd = integral & (ay < 16777216.f) & ((__builtin_convertvector(vmin(ay, 16777216.f), i32v) & 1) != 0);
  const i32v negative = bits<i32v>(x) < 0;
  r = select(negative & odd, -r, r);
  return select((x < 0.f) & (a < __builtin_inff()) & ~integral, splat<f32v>(FloatTraits<float>::nan), r);
}

// x Phi(x), with Phi(x) = erfc(-x / sqrt(2)) / 2.
TAHR_INLINE f32v normal_cdf(f32v x) { return 0.5f * verfc(x * -0.707106781f); }
TAHR_INLINE f32v vgelu(f32v x) { return x * normal_cdf(x); }
TAHR_INLINE f32v gelu_slope(f32v x) { return fma(x * 0.39894228f, vexp(x * x * -0.5f), normal_cdf(x)); }

// x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), which is the tanh approximation of gelu.
template <class V>
TAHR_INLINE V gelu_gate(V x) {
  using T = Lane<V>;
  return vsigmoid(x * fma(x * x, static_cast<T>(0.071354816272600), static_cast<T>(1.5957691216057308)));
}
template <class V>
TAHR_INLINE V gelu_tanh_slope(V x) {
  using T = Lane<V>;
  const V s = gelu_gate(x);
  const V v = fma(x * x, static_cast<T>(0.214064448817800), static_cast<T>(1.5957691216057308));
  return fma(x * (s * (T(1) - s)), v, s);
}
template <class V>
TAHR_INLINE V silu_slope(V x) {
  const V s = vsigmoid(x);
  return s * fma(x, Lane<V>(1) - s, Lane<V>(1));
}
// x tanh(log(1 + e^x)) = x (e^2 + 2e) / (e^2 + 2e + 2).
template <class V>
TAHR_INLINE V vmish(V x) {
  using T = Lane<V>;
  const V e = vexp(vmin(x, T(40)));
  const V n = e * (e + T(2));
  return select(x > T(40), x, x * (n / (n + T(2))));
}

}  // namespace tahr::TAHR_ISA
