// Trigonometric functions of float64 vectors and their inverses, under the rules of vmath_double.h.
//
// Bounds in units in the last place: vsin vcos vtan 2.1 · vatan 1.1 · vasin 2.5 · vacos 1.5.
#pragma once

#include "cpu/isa/vmath_double.h"
#include "cpu/isa/vmath_trig.h"

#if TAHR_DOUBLES

namespace tahr::TAHR_ISA::doubles {

// x less n times what is given in three parts, as a sum. The first step is exact: it leaves a multiple of 2^-52
// below 2.
struct Reduced {
  f64v hi, lo;
};
TAHR_INLINE Reduced reduce_by(f64v x, f64v n, double first, double second, double third) {
  const f64v r = fma(n, -first, x), hi = r - n * second;
  return {hi, fma(n, splat<f64v>(-third), fma(n, splat<f64v>(-second), r - hi))};
}
inline constexpr double kFarAngle = 1048576.;

// sin(x + kQuarters pi/2) from the distance of that to a multiple of pi: one polynomial for all.
template <int kQuarters>
TAHR_INLINE f64v sine(f64v x) {
  const f64v turns = fma(x, 0.3183098861837907, 0.5 * kQuarters), biased = turns + Limits::magic;
  Reduced a = reduce_by(x, (biased - Limits::magic) - 0.5 * kQuarters, 3.141592653589793, 1.2246467991473532e-16,
                        -2.9947698097183397e-33);
  u64v odd = bits<u64v>(biased);
  const i64v far = vabs(x) >= kFarAngle;
  if (__builtin_expect(any(far), 0)) {
    for (int i = 0; i < kLanes<double>; ++i) {
      if (!far[i]) continue;
      double hi = Limits::nan, lo = 0;
      int q = kQuarters;
      if (__builtin_fabs(x[i]) < Limits::inf) q += reduce_large(x[i], &hi, &lo);
      if (q & 1) {  // a quarter turn from a multiple
        const double quarter = hi > 0 ? -1.5707963267948966 : 1.5707963267948966, sum = hi + quarter;
        lo += (quarter - sum) + hi + (hi > 0 ? -6.123233995736766e-17 : 6.123233995736766e-17);
        q += hi > 0 ? 1 : -1;
        hi = sum;
      }
      a.hi[i] = hi, a.lo[i] = lo, odd[i] = static_cast<uint64_t>(q >> 1);
    }
  }
  const f64v z = a.hi * a.hi, v = a.hi * z;
  const f64v rest =
      poly2(z, z * z, 0.008333333333333333, -0.00019841269841269806, 2.7557319223971264e-06, -2.505210838239139e-08,
            1.6059043479417199e-10, -7.647139121890018e-13, 2.8104687752115633e-15, -8.006069616641639e-18);
  const f64v p = fma(z, rest, -0.16666666666666666);
  const f64v r = a.hi + fma(v, p, a.lo * fma(z, -0.5, 1.));
  return bits<f64v>(bits<u64v>(r) ^ (odd << 63));
}
TAHR_INLINE f64v vsin(f64v x) { return keep_zero(x, sine<0>(x)); }
TAHR_INLINE f64v vcos(f64v x) { return sine<1>(x); }

TAHR_INLINE f64v vtan(f64v x) {
  const Rounded<f64v> n = round_biased(fma(x, 0.6366197723675814, Limits::magic));
  Reduced a = reduce_by(x, n.value, 1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33);
  i64v q = bits<i64v>(n.biased);
  const i64v far = vabs(x) >= kFarAngle;
  if (__builtin_expect(any(far), 0)) {
    for (int i = 0; i < kLanes<double>; ++i) {
      if (!far[i]) continue;
      double hi = Limits::nan, lo = 0;
      if (__builtin_fabs(x[i]) < Limits::inf) q[i] = reduce_large(x[i], &hi, &lo);
      a.hi[i] = hi, a.lo[i] = lo;
    }
  }
  const f64v z = a.hi * a.hi;
  const f64v rest = poly2(z, z * z, 0.13333333333333, 0.053968253968655476, 0.021869488517073682, 0.008863236003501862,
                          0.0035921209803406995, 0.001455902741013659, 0.0005895755943473237, 0.00024122640285124727,
                          8.998505813193702e-05, 5.558814479553675e-05, -1.1014032445221995e-05, 3.6516567252883386e-05,
                          -1.8315550972898846e-05, 8.483397382032138e-06);
  const f64v t = a.hi + fma(a.hi * z, fma(z, rest, 0.3333333333333333), fma(a.lo, z, a.lo));
  return keep_zero(x, f64v(select((q & 1) != 0, quotient(splat<f64v>(-1.), t), t)));
}

// ---- inverse ----

// atan(n / d) for 0 <= n, 0 < d, where u = n / d + 1/2 need not be exact: A + atan((n s - d c) / (n c + d s)).
TAHR_INLINE f64v atan_of(f64v n, f64v d, f64v u) {
  const i64v i = bits<i64v>(bits<u64v>(vmin(u, 7.5)) >> 50);
  const f64v s = look_up(kAtanSine, i), c = look_up(kAtanCosine, i);
  const f64v t = quotient(fma(n, s, -(d * c)), fma(n, c, d * s)), z = t * t;
  const f64v tail = poly2(z, z * z, -0.3333333333333333, 0.19999999999988496, -0.14285714277929615, 0.1111110913354185,
                          -0.09090669465939058, 0.07677355720845687, -0.062004924845760055);
  return look_up(kAtanHigh, i) + (t + fma(t * z, tail, look_up(kAtanLow, i)));
}
TAHR_INLINE f64v vatan(f64v x) {
  const f64v a = vmin(vabs(x), 1e300);
  return vcopysign(atan_of(a, splat<f64v>(1.), a + 0.5), x);
}

// For |x| > 1/2 by asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)).
struct Arcsine {
  i64v big;
  f64v value;  // asin(|x|), or asin of that root where big
};
TAHR_INLINE Arcsine arcsine_parts(f64v a) {
  const i64v big = a > 0.5;
  const f64v z = select(big, fma(a, -0.5, 0.5), a * a), s = select(big, root_of(z), a);
  return {big, fma(s * z, asin_tail(z), s)};
}
TAHR_INLINE f64v vasin(f64v x) {
  const Arcsine p = arcsine_parts(vabs(x));
  return vcopysign(select(p.big, kHalfPi<double> - (2. * p.value - kHalfPiLow<double>), p.value), x);
}
TAHR_INLINE f64v vacos(f64v x) {
  const Arcsine p = arcsine_parts(vabs(x));
  const f64v twice = 2. * p.value;
  const f64v outer = select(x < 0., kPiValue<double> - (twice - kPiLow<double>), twice);
  return select(p.big, outer, kHalfPi<double> - (vcopysign(p.value, x) - kHalfPiLow<double>));
}

}  // namespace tahr::TAHR_ISA::doubles
#endif
