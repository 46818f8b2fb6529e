// Special functions of float64 vectors: roots, the error function and its relatives, gamma and Bessel functions.
//
// Under the rules of vmath_double.h. Bounds in units in the last place: vcbrt 0.9 · vhypot 1.2 · vsinc 2.2 · verf 1.1 ·
// verfc 3 · verfinv 2.1 · vgelu 3.5 · gelu_slope 2 units of the larger of 1/2 and the result · vlgamma 3.6 ·
// vdigamma 2.6 · vtrigamma 2.1 · vbessel0 vbessel1 3. Gamma functions below 0 go one by one.
#pragma once

#include "cpu/elementwise_scalar.h"
#include "cpu/isa/vmath_double.h"

#if TAHR_DOUBLES

namespace tahr::TAHR_ISA::doubles {

// ---- roots ----

// sqrt(x^2 + y^2), the larger one scaled near 1.
TAHR_INLINE f64v vhypot(f64v x, f64v y) {
  const f64v a = vabs(x), b = vabs(y), most = greater(a, b);  // b where one is NaN
  const i64v field = bits<i64v>(most) & 0x7ff0000000000000, low = i64v{} + 0x0010000000000000,
             high = i64v{} + 0x7fc0000000000000;
  const i64v e = select(field > high, high, select(field < low, low, field));
  const f64v down = bits<f64v>(0x7fe0000000000000 - e), s = a * down, t = b * down;
  const f64v r = sqrt(fma(s, s, t * t)) * bits<f64v>(e);
  const f64v inf = splat<f64v>(Limits::inf);
  return select((a == inf) | (b == inf), inf, r);
}

// x r^2, r = 1 / cbrt(x) from a third of the exponent and two steps of third order.
TAHR_INLINE f64v vcbrt(f64v x) {
  const f64v a = vabs(x);
  const i64v tiny = a < Limits::min_normal;
  const f64v s = select(tiny, a * 0x1p54, a);
  // The upper half of the bits as a number, to which 2^52 belongs as well, and a third of it in the low bits of a sum.
  constexpr double kLift = 4503599627370496., kThird = 1. / 3;
  const f64v upper = bits<f64v>((bits<u64v>(s) >> 32) | 0x4330000000000000u) - kLift;
  const u64v third = bits<u64v>(fma(upper, -kThird, kLift + 1430194686.));
  f64v r = bits<f64v>(third << 32);
  for (int i = 0; i < 2; ++i) {
    const f64v h = fma(-(s * r), r * r, 1.);
    r = fma(r * h, fma(h, 0.2222222222222222, 0.3333333333333333), r);
  }
  const f64v square = r * r, y = s * square;
  const f64v root = fma(fma(-(y * y), y, s), square * 0.3333333333333333, y);
  return vcopysign(select((a < Limits::inf) & (a > 0.), select(tiny, root * 0x1p-18, root), a), x);
}

// sin(pi x) / (pi x), from the distance of x to an integer.
TAHR_INLINE f64v vsinc(f64v x) {
  f64v t = x;
  const i64v far = ~(vabs(x) < 0x1p50);
  if (__builtin_expect(any(far), 0)) {  // the same within a period; from 2^53 on there are even integers only
    for (int k = 0; k < kLanes<double>; ++k) {
      if (far[k]) t[k] = __builtin_fabs(x[k]) < 0x1p53 ? x[k] - 2. * __builtin_rint(0.5 * x[k]) : x[k] * 0.;
    }
  }
  const Rounded<f64v> n = round_biased(t + Limits::magic);
  const f64v r = t - n.value, z = r * r;
  const f64v s = fma(z,
                     poly2(z, z * z, -1.6449340668482264, 0.8117424252833536, -0.19075182412208389,
                           0.026147847817640922, -0.002346081035170168, 0.00014842878972770888, -6.975851212142348e-06,
                           2.5303274566671434e-07, -7.114052818770147e-09),
                     1.);
  const f64v flipped = bits<f64v>(bits<u64v>(r) ^ (bits<u64v>(n.biased) << 63));
  return select(vabs(x) < 0.25, s, flipped * s / x);
}

// ---- the error function ----

TAHR_INLINE f64v verf(f64v x) {
  constexpr double kWidth = 0.390625;  // of the intervals; erf rounds to 1 from 5.93 on
  const f64v a = vmin(vabs(x), 5.93), biased = fma(a, 1. / kWidth, Limits::magic);
  const f64v t = fma(biased - Limits::magic, -kWidth, a);
  const f64v base = select(biased > Limits::magic + 4.5, splat<f64v>(1.), a);
  return vcopysign(fma(a, piecewise(kErf64, t, bits<i64v>(biased)), base), x);
}

// exp(-y) in two factors, 1 + p and 2^n, for the sum of y and `rest`.
struct Decay {
  f64v p;
  Rounded<f64v> n;
};
TAHR_INLINE Decay decay_of(f64v y, f64v rest) {
  const auto [n, r] = exp_reduce(-y);
  return {expm1_unit(r - rest), n};
}
TAHR_INLINE f64v times(Decay d, f64v x) { return scale(fma(d.p, x, x), d.n); }

TAHR_INLINE f64v verfc(f64v x) {
  const f64v a = vmin(vabs(x), 28.), u = a + 2., square = a * a;
  const Quarter q = quarter_of(u);
  const f64v c = times(decay_of(square, fma(a, a, -square)), piecewise(kErfcScaled, a - (q.start - 2.), q.index));
  return select(x < 0., 2. - c, c);
}

// The normal distribution of -a over exp(-a^2 / 2), and that, for a = |x|.
struct NormalTail {
  f64v a, ratio;
  Decay decay;
};
TAHR_INLINE NormalTail normal_tail(f64v x) {
  const f64v a = vmin(vabs(x), 44.), u = a + 3., h = 0.5 * a, square = h * a;
  const Quarter q = quarter_of(u);
  return {a, piecewise(kNormalScaled, a - (q.start - 3.), q.index), decay_of(square, fma(h, a, -square))};
}
TAHR_INLINE f64v vgelu(f64v x) {
  const NormalTail t = normal_tail(x);
  const f64v less = times(t.decay, t.ratio * t.a);  // than max(x, 0)
  return select(x < 0., -less, x - less);
}
TAHR_INLINE f64v gelu_slope(f64v x) {
  const NormalTail t = normal_tail(x);
  const f64v c = times(t.decay, fma(t.a, -0.39894228040143268, t.ratio));
  return select(x < 0., c, 1. - c);
}

// x times a function of -log(1 - x^2).
TAHR_INLINE f64v verfinv(f64v x) {
  const f64v rest = fma(-x, x, 1.), w = -vlog(rest);
  const Quarter q = quarter_of(w + 2.5);
  const f64v r = x * piecewise(kErfinv, w - (q.start - 2.5), q.index);
  return select(rest == 0., vcopysign(splat<f64v>(Limits::inf), x), r);
}

// ---- gamma functions ----

// r, but of the lanes that are not positive, which go one by one.
template <class F>
TAHR_INLINE f64v where_positive(f64v x, f64v r, F one) {
  const i64v other = ~(x > 0.);
  if (__builtin_expect(any(other), 0)) {
    for (int k = 0; k < kLanes<double>; ++k) {
      if (other[k]) r[k] = one(x[k]);
    }
  }
  return r;
}

// From 15.75 on by Stirling's series, below 0.75 from x + 1.
TAHR_INLINE f64v vlgamma(f64v x) {
  const i64v small = x < 0.75, large = x >= 15.75;
  const f64v y = select(small, x + 1., x), u = y + 0.25;
  const Quarter q = quarter_of(u);
  const f64v product = select(small, x, x - 1.) * (y - 2.);
  f64v r = product * piecewise(kLgamma, y - (q.start - 0.25), q.index);
  if (__builtin_expect(any(small | large), 1)) {
    const f64v l = vlog(x);
    r = select(small, r - l, r);
    if (__builtin_expect(any(large), 0)) {
      const f64v v = 1. / x, z = v * v;
      const f64v series = v * poly(z, 1. / 12, -1. / 360, 1. / 1260, -1. / 1680, 1. / 1188, -691. / 360360, 1. / 156);
      r = select(large, fma(x - 0.5, l - 1., 0.41893853320467274 + series), r);
    }
  }
  return where_positive(x, r, one_lgamma);
}
// From 16 on by the asymptotic series, below 1 from x + 1.
TAHR_INLINE f64v vdigamma(f64v x) {
  constexpr double kRoot = 1.4616321449683622, kRootLow = 9.549995429965697e-17;
  const i64v small = x < 1., large = x >= 16.;
  const f64v y = select(small, x + 1., x), v = 1. / x;
  const Quarter q = quarter_of(y);
  f64v r = ((y - kRoot) - kRootLow) * piecewise(kDigamma, y - q.start, q.index);
  r = select(small, r - v, r);
  if (__builtin_expect(any(large), 0)) {
    const f64v z = v * v;
    const f64v series = z * poly(z, 1. / 12, -1. / 120, 1. / 252, -1. / 240, 1. / 132, -691. / 32760, 1. / 12);
    r = select(large, vlog(x) - fma(v, splat<f64v>(0.5), series), r);
  }
  return where_positive(x, r, one_digamma);
}
TAHR_INLINE f64v vtrigamma(f64v x) {
  const i64v small = x < 1., large = x >= 16.;
  const f64v y = select(small, x + 1., x), v = 1. / x;
  const Quarter q = quarter_of(y);
  f64v r = piecewise(kTrigamma, y - q.start, q.index);
  r = select(small, fma(v, v, r), r);
  if (__builtin_expect(any(large), 0)) {
    const f64v z = v * v;
    const f64v series = z * poly(z, 1. / 6, -1. / 30, 1. / 42, -1. / 30, 5. / 66, -691. / 2730, 7. / 6, -3617. / 510);
    r = select(large, v + fma(z, splat<f64v>(0.5), series * v), r);
  }
  return where_positive(x, r, one_trigamma);
}

// ---- modified Bessel functions ----

// exp(a) times the sum of a table's function or, from 30 on, a series in 1 / a over the root of a.
template <class... C>
TAHR_INLINE f64v bessel(f64v x, const double (&table)[15][16], bool odd, C... series) {
  const f64v a = vmin(vabs(x), 720.), u = a + 2.;
  const Quarter q = quarter_of(u);
  f64v s = piecewise(table, a - (q.start - 2.), q.index);
  if (odd) s = s * a;
  const i64v far = a >= 30.;
  if (__builtin_expect(any(far), 0)) s = select(far, poly(1. / a, series...) / sqrt(a), s);
  const auto [n, r] = exp_reduce(a);
  const f64v p = expm1_unit(r);
  return scale(fma(p, s, s), n);
}
TAHR_INLINE f64v vbessel0(f64v x) {
  return bessel(x, kBessel0, false, 0.39894228040143265, 0.049867785050189226, 0.028050629085006367,
                0.029219406902912377, 0.044741960892540365, 0.09062733444774224, 0.22693344120271725,
                0.7438778502609908, 1.2123489321387009, 23.513216275553226);
}
TAHR_INLINE f64v vbessel1(f64v x) {
  return vcopysign(bessel(x, kBessel1, true, 0.3989422804014327, -0.14960335515054834, -0.04675104847827925,
                          -0.04090716917646291, -0.05752542653288162, -0.11076365859409663, -0.26831966602975993,
                          -0.855179583484864, -1.4178840604143772, -26.01740830296187),
                   x);
}

}  // namespace tahr::TAHR_ISA::doubles
#endif
