// Functions of float64 vectors by tables held in registers: for instruction sets with fused multiply-add (TAHR_DOUBLES
// says whether this file and its companions have any; elsewhere vmath.h and the C library serve).
//
// A copy of 8 doubles takes as long as some 30 instructions on the two ports that 512-bit arithmetic has. A division
// takes 16 cycles there, so logarithms go by a table of reciprocals (vmath_lookup.h tells how) and quotients by an
// estimate and two steps. Header only, under the rules of vmath.h: NaN, infinities, signed zeros and denormals as C's
// functions give them. Bounds on the error in units in the last place, the same on each instruction set:
//
//   vlog vlog2 vlog10 0.8 · vlog1p 0.9 · vpow 2 (1.1 but for exponents beyond 10^4) · vasinh vacosh 2.2 · vatanh 1.6
//   vsinh vcosh 1.4 · vsigmoid vsilu 2.5 · vtanh 2.6 · vmish 3.5 · vsoftplus vlog_sigmoid 2.5 · vrsqrt 1.6
#pragma once

#include "cpu/isa/vmath.h"
#include "cpu/isa/vmath_double_tables.h"

#if TAHR_DOUBLES

namespace tahr::TAHR_ISA::doubles {

using Limits = FloatTraits<double>;

// The root of x, and half of its reciprocal to 2^-28; both for normal x.
struct Root {
  f64v root, half_inverse;
};

// ---- pieces ----

#if defined(__AVX512F__)
inline constexpr unsigned char kAll = 0xff;
// Entry i mod 16 of a table.
TAHR_INLINE f64v look_up(const double (&table)[16], i64v i) {
  return __builtin_shuffle(load<f64v>(table), load<f64v>(table + 8), i);
}
// The exponent of |x|: -inf for 0, inf for inf. The mantissa of |x|, in [0.75, 1.5): the exponent is then 1 less from
// 0.75 on, which the tables make good.
TAHR_INLINE f64v exponent_of(f64v x) { return __builtin_ia32_getexppd512_mask(x, x, kAll, 4); }
TAHR_INLINE f64v mantissa_of(f64v x) { return __builtin_ia32_getmantpd512_mask(x, 7, x, kAll, 4); }
TAHR_INLINE f64v times_power_of_2(f64v x, f64v n) { return __builtin_ia32_scalefpd512_mask(x, n, x, kAll, 4); }
// n / d for normal d whose reciprocal is normal.
TAHR_INLINE f64v quotient(f64v n, f64v d) {
  const f64v y = __builtin_ia32_rcp14pd512_mask(d, d, kAll), e = fma(-d, y, 1.);
  const f64v r = fma(y, fma(e, e, e), y), q = n * r;
  return fma(fma(-q, d, n), r, q);
}
TAHR_INLINE f64v vrsqrt(f64v x) {
  const f64v y = __builtin_ia32_rsqrt14pd512_mask(x, x, kAll);
  const f64v e = fma(-x * y, y, 1.);  // NaN where x is zero or infinite, whose y is the result
  return select(e == e, fma(y * e, fma(e, fma(e, 0.3125, 0.375), 0.5), y), y);
}
TAHR_INLINE Root root_parts(f64v x) {
  const f64v y = __builtin_ia32_rsqrt14pd512_mask(x, x, kAll), h = 0.5 * y;
  const f64v s = x * y, e = fma(-s, y, 1.), r = fma(s * e, fma(e, 0.375, 0.5), s);
  return {fma(fma(-r, r, x), h, r), fma(h * e, splat<f64v>(0.5), h)};
}
// The root of 0 < x < inf; 0 if x is 0.
TAHR_INLINE f64v root_of(f64v x) { return keep_zero(x, root_parts(x).root); }
#else
TAHR_INLINE f64v look_up(const double (&table)[16], i64v i) {
  using L = VecOf<long long, kVecBytes>::type;
  return __builtin_ia32_gatherdiv4df(f64v{}, table, bits<L>(i & 15), bits<f64v>(~i64v{}), 8);
}
TAHR_INLINE f64v times_power_of_2(f64v x, f64v n) { return scale(x, {n + Limits::magic, n}); }
TAHR_INLINE f64v quotient(f64v n, f64v d) { return n / d; }
TAHR_INLINE f64v vrsqrt(f64v x) { return 1. / sqrt(x); }
TAHR_INLINE Root root_parts(f64v x) {
  const f64v s = sqrt(x);
  return {s, 0.5 / s};
}
TAHR_INLINE f64v root_of(f64v x) { return sqrt(x); }
#endif

// A polynomial per quarter of an octave of u, by the distance from where that begins; 16 of them, table[j][i] being
// coefficient j of interval i.
template <int n>
TAHR_INLINE f64v piecewise(const double (&table)[n][16], f64v t, i64v i) {
  const f64v z = t * t;  // two chains side by side, but for the constant term
  f64v first = look_up(table[n - 1], i), second = look_up(table[n - 2], i);
#pragma GCC unroll 16
  for (int j = n - 3; j > 0; --j) {
    f64v& r = (n - 1 - j) % 2 ? second : first;
    r = fma(r, z, look_up(table[j], i));
  }
  return fma(n % 2 ? fma(first, t, second) : fma(second, t, first), t, look_up(table[0], i));
}
struct Quarter {
  i64v index;
  f64v start;
};
TAHR_INLINE Quarter quarter_of(f64v u) {
  return {bits<i64v>(bits<u64v>(u) >> 50), bits<f64v>(bits<u64v>(u) & 0xfffc000000000000u)};
}

// ---- logarithms ----

// |x| = m 2^e with m in [1, 1.5), or 2 m 2^e with m in [0.75, 1); the interval that m is in.
struct Binary {
  f64v m, e;
  i64v index;
};
TAHR_INLINE Binary binary_parts(f64v x) {
#if defined(__AVX512F__)
  const f64v m = mantissa_of(x);
  return {m, exponent_of(x), bits<i64v>(bits<u64v>(m) >> 48)};
#else
  const f64v a = vabs(x);
  const i64v tiny = a < Limits::min_normal;
  const u64v all = bits<u64v>(select(tiny, a * 0x1p54, a));
  const f64v e = bits<f64v>((all >> 52) | 0x4330000000000000u) - (4503599627370496. + 1023.);
  const u64v m = ((all & 0x000fffffffffffffu) | 0x3ff0000000000000u) - ((all & 0x0008000000000000u) << 1);
  return {bits<f64v>(m), e - select(tiny, splat<f64v>(54.), f64v{}), bits<i64v>(m >> 48)};
#endif
}
// (log(1 + f) - f) / f^2 for f in [-0.0376, 0.0626].
TAHR_INLINE f64v log_tail(f64v f) {
  return poly2(f, f * f, -0.5, 0.3333333333333316, -0.2500000000002451, 0.2000000000137375, -0.16666666593063048,
               0.14285711049297742, -0.12500060839165844, 0.11114103705951218, -0.09997112301432078,
               0.08154566372342974);
}
// log(1 + f) + log(2^e / the scale of interval i).
TAHR_INLINE f64v log_sum(f64v f, f64v e, i64v i) {
  const f64v high = fma(e, Limits::ln2_hi, look_up(kLogHigh, i)), low = fma(e, Limits::ln2_lo, look_up(kLogLow, i));
  return high + (f + fma(f * f, log_tail(f), low));
}
// The logarithm of a positive number; anything of what is not.
TAHR_INLINE f64v log_positive(f64v x) {
  const Binary p = binary_parts(x);
  return log_sum(fma(p.m, look_up(kScale64, p.index), -1.), p.e, p.index);
}
TAHR_INLINE f64v vlog(f64v x) { return log_edges(x, log_positive(x)); }

// The logarithm of a sum, of which u is the rounded value and f(scale) = scale times the sum, less 1, exact but for one
// rounding; u is normal.
template <class F>
TAHR_INLINE f64v log_of_sum(f64v u, F f) {
  const Binary p = binary_parts(u);
  return log_sum(f(times_power_of_2(look_up(kDownScale, p.index), -p.e)), p.e, p.index);
}
// u = x + 1 for x > -1, known.
TAHR_INLINE f64v log1p_of(f64v x, f64v u) {
  return log_of_sum(u, [=](f64v scale) __attribute__((always_inline)) { return fma(x, scale, scale - 1.); });
}
TAHR_INLINE f64v vlog1p(f64v x) {
  const f64v u = x + 1.;
  return keep_zero(x, log_edges(u, log1p_of(x, u)));
}

// The logarithm to base 2 as high + low, to about 2^-63 of it: a + f v, v = log2(e) + c f rounded, in `high`, what
// rounding lost and the rest of the series in `low`. Anything of what is not positive.
struct Log2 {
  f64v high, low;
};
TAHR_INLINE Log2 log2_parts(f64v x) {
  constexpr double kLog2e = 1.4426950408889634, kSecond = -0.7213475204444817;
  const Binary p = binary_parts(x);
  const f64v f = fma(p.m, look_up(kScale64, p.index), -1.), a = p.e + look_up(kLog2High, p.index);  // both exact
  const f64v v = fma(f, kSecond, kLog2e), high = fma(f, v, a), lost = fma(f, v, a - high);
  const f64v series =
      poly2(f, f * f, 2.0355273740931033e-17, -1.0177636870465517e-17, 0.4808983469629878, -0.3606737602222385,
            0.28853900817811884, -0.24044917349977873, 0.20609929057608967, -0.18033683703275286, 0.1603002584430194,
            -0.14430933640877183, 0.13111588796283205, -0.10776290642432745);
  const f64v low = fma(f, fma(f, splat<f64v>(kSecond), kLog2e - v) + series, lost) + look_up(kLog2Low, p.index);
  return {high, low};
}
TAHR_INLINE f64v vlog2(f64v x) {
  const Log2 l = log2_parts(x);
  return log_edges(x, l.high + l.low);
}
TAHR_INLINE f64v vlog10(f64v x) {
  const Log2 l = log2_parts(x);
  constexpr double kHigh = 0.30102999566398120, kLow = -2.8037281277851704e-18;
  const f64v r = l.high * kHigh;
  return log_edges(x, r + (fma(l.high, kHigh, -r) + fma(l.high, kLow, l.low * kHigh)));
}

// ---- powers ----

TAHR_INLINE f64v exp2_unit(f64v s) {
  return fma(s,
             poly2(s, s * s, 0.6931471805599453, 0.24022650695910097, 0.0555041086648216, 0.009618129107606888,
                   0.0013333558146416936, 0.0001540353044173605, 1.525273382983612e-05, 1.321544258792169e-06,
                   1.0178062445845774e-07, 7.072585949269223e-09, 4.4549605981865186e-10),
             1.);
}
// |x|^y; anything if x is 0 or infinite or y is infinite.
TAHR_INLINE f64v pow_magnitude(f64v x, f64v y) {
  const Log2 l = log2_parts(x);
  const f64v high = l.high + l.low, low = (l.high - high) + l.low;  // a low part that y makes no larger than 1/2
  const f64v p = y * high, rest = fma(y, low, fma(y, high, -p));
#if defined(__AVX512F__)
  const f64v off = __builtin_ia32_reducepd512_mask(p, 0, p, kAll), n = p - off;
  // Anything where p overflows: the sum is bounded.
  return times_power_of_2(exp2_unit(__builtin_ia32_rangepd512_mask(off + rest, splat<f64v>(1.), 2, p, kAll, 4)), n);
#else
  const f64v within = vmax(vmin(p, 1100.), -1100.);
  const Rounded<f64v> n = round_biased(within + Limits::magic);
  const f64v s = greater(lesser((within - n.value) + rest, splat<f64v>(1.)), splat<f64v>(-1.));
  return scale(exp2_unit(s), n);
#endif
}
// x^y from |x|^y, wherever an argument is zero, infinite, NaN or negative.
TAHR_INLINE f64v pow_exceptions(f64v x, f64v y, f64v r) {
  constexpr double kInf = Limits::inf;
  const f64v a = vabs(x), ay = vabs(y), inf = splat<f64v>(kInf), one = splat<f64v>(1.);
  const i64v grows = (a > 1.) == (y > 0.);
  r = select((a == 0.) | (a == kInf) | (ay == kInf), select(grows, inf, f64v{}), r);
  // Odd exponents keep the sign; from 2^53 on all are even.
  const f64v rounded = select(ay < 4503599627370496., (ay + 4503599627370496.) - 4503599627370496., ay);
  const i64v integral = rounded == ay;
  const f64v half = 0.5 * ay, half_rounded = (half + 4503599627370496.) - 4503599627370496.;
  const i64v odd = integral & (ay < 9007199254740992.) & (half_rounded != half);
  r = select((bits<i64v>(x) < 0) & odd, -r, r);
  r = select((x < 0.) & (a < kInf) & ~integral, splat<f64v>(Limits::nan), r);
  r = select((a == 1.) & (ay == kInf), one, r);
  r = select((x != x) | (y != y), x + y, r);
  return select((y == 0.) | (x == 1.), one, r);
}
TAHR_INLINE f64v vpow(f64v x, f64v y) {
  const f64v r = pow_magnitude(x, y);
#if defined(__AVX512F__)
  constexpr int kNan = 0x81, kZero = 0x06, kInfinite = 0x18, kNegative = 0x50;
  const int odd = __builtin_ia32_fpclasspd512_mask(x, kNan | kZero | kInfinite | kNegative, kAll) |
                  __builtin_ia32_fpclasspd512_mask(y, kNan | kInfinite, kAll);
#else
  const bool odd = any(~((x > 0.) & (x < Limits::inf) & (vabs(y) < Limits::inf)));
#endif
  return __builtin_expect(odd, 0) ? pow_exceptions(x, y, r) : r;
}

// ---- exponentials ----

// exp(r) - 1 for |r| <= ln(2)/2.
TAHR_INLINE f64v expm1_unit(f64v r) { return fma(r * r, exp_tail(r), r); }

TAHR_INLINE f64v vsigmoid(f64v x) {
  const f64v e = exp_below(-vabs(x));
  return quotient(select(x < 0., e, splat<f64v>(1.)), e + 1.);
}
TAHR_INLINE f64v vtanh(f64v x) {
  const auto [n, r] = exp_reduce(2. * vmin(vabs(x), 20.));
  const f64v s = pow2_biased(n.biased), t = fma(s, expm1_unit(r), s - 1.);
  return vcopysign(quotient(t, t + 2.), x);
}
// log(1 + t) for t in [0, 1].
TAHR_INLINE f64v log1p_unit(f64v t) {
  const i64v i = bits<i64v>(bits<u64v>(vmin(t + 1., 0x1.fffffffffffffp0)) >> 48);
  const f64v scale = look_up(kDownScale, i), f = fma(t, scale, scale - 1.);
  return look_up(kLogHigh, i) + (f + fma(f * f, log_tail(f), look_up(kLogLow, i)));
}
TAHR_INLINE f64v vsoftplus(f64v x) { return greater(f64v{}, x) + log1p_unit(exp_below(-vabs(x))); }
TAHR_INLINE f64v vlog_sigmoid(f64v x) { return lesser(f64v{}, x) - log1p_unit(exp_below(-vabs(x))); }
// The larger one plus what the other adds; equal infinities must not be subtracted.
TAHR_INLINE f64v gap_between(f64v x, f64v y) { return select(x == y, f64v{}, -vabs(x - y)); }
TAHR_INLINE f64v larger_of(f64v x, f64v y) { return select((x > y) | (x != x), x, y); }
TAHR_INLINE f64v vlogaddexp(f64v x, f64v y) { return larger_of(x, y) + log1p_unit(exp_below(gap_between(x, y))); }
TAHR_INLINE f64v vlogaddexp2(f64v x, f64v y) {
  return larger_of(x, y) + log1p_unit(vexp2(gap_between(x, y))) * 1.44269504088896340736;
}
TAHR_INLINE f64v vsilu(f64v x) { return x * vsigmoid(x); }
TAHR_INLINE f64v silu_slope(f64v x) {
  const f64v s = vsigmoid(x);
  return s * fma(x, 1. - s, 1.);
}
TAHR_INLINE f64v vmish(f64v x) {
  const f64v e = vexp(vmin(x, 40.)), n = e * (e + 2.);
  return select(x > 40., x, x * quotient(n, n + 2.));
}
TAHR_INLINE f64v gelu_gate(f64v x) { return vsigmoid(x * fma(x * x, 0.071354816272600, 1.5957691216057308)); }
TAHR_INLINE f64v vgelu_tanh(f64v x) { return x * gelu_gate(x); }
TAHR_INLINE f64v gelu_tanh_slope(f64v x) {
  const f64v s = gelu_gate(x);
  return fma(x * (s * (1. - s)), fma(x * x, 0.214064448817800, 1.5957691216057308), s);
}

// sinh of r, cosh of r less 1, and the sum and difference of 2^n / 4 and 2^-n / 4, where x = n ln 2 + r: no exponential
// of -x, no division. n is 0 below 3/4, since the two terms of sinh nearly cancel where n is 1 and r negative.
struct Hyperbolic {
  f64v odd, even, sum, difference;
};
TAHR_INLINE Hyperbolic hyperbolic_parts(f64v x) {
  x = vmax(vmin(x, 710.6), -710.6);  // overflows from 710.48 on
  const f64v rounded = round_biased(fma(x, Limits::log2e, Limits::magic)).value;
  const f64v n = select(vabs(x) < 0.75, f64v{}, rounded), minus = -n;
  const f64v r = fma(n, -Limits::ln2_lo, fma(n, -Limits::ln2_hi, x)), z = r * r, quarter = splat<f64v>(0.25);
  const f64v up = times_power_of_2(quarter, n), down = times_power_of_2(quarter, minus);
  return {fma(r * z,
              poly2(z, z * z, 0.16666666666666666, 0.008333333333333331, 0.00019841269841272888, 2.755731922073569e-06,
                    2.5052110035839387e-08, 1.6058613745476314e-10, 7.702708185441645e-13),
              r),
          z * poly2(z, z * z, 0.5, 0.04166666666666665, 0.0013888888888894074, 2.48015872960584e-05,
                    2.75573220313723e-07, 2.0876025433715686e-09, 1.156521003382576e-11),
          up + down, up - down};
}
TAHR_INLINE f64v vsinh(f64v x) {
  const Hyperbolic p = hyperbolic_parts(x);
  const f64v r = 2. * (p.difference + fma(p.sum, p.odd, p.difference * p.even));
  return select(vabs(x) < 1e-300, x, r);
}
TAHR_INLINE f64v vcosh(f64v x) {
  const Hyperbolic p = hyperbolic_parts(x);
  return 2. * (p.sum + fma(p.difference, p.odd, p.sum * p.even));
}

// The logarithm of |x| + sqrt(x^2 + 1), the root as s and what s lacks.
TAHR_INLINE f64v vasinh(f64v x) {
  const f64v a = vabs(x);
  const auto [s, h] = root_parts(fma(a, a, 1.));
  const f64v root = s, rest = fma(fma(a, a, fma(-s, s, 1.)), h, a);
  f64v r = log_of_sum(
      a + s, [=](f64v scale) __attribute__((always_inline)) { return fma(rest, scale, fma(root, scale, -1.)); });
  const i64v far = a > 1e150;  // a^2 overflows
  if (__builtin_expect(any(far), 0)) r = select(far, vlog(a) + 0.69314718055994530942, r);
  return vcopysign(r, x);
}
TAHR_INLINE f64v vacosh(f64v x) {
  const f64v t = x - 1., near = t + root_of(fma(t, t, 2. * t));
  f64v r = log1p_of(near, near + 1.);
  const i64v far = x > 1e150;
  if (__builtin_expect(any(far), 0)) r = select(far, vlog(x) + 0.69314718055994530942, r);
  return select(x > 1., r, select(x == 1., f64v{}, splat<f64v>(Limits::nan)));
}
TAHR_INLINE f64v vatanh(f64v x) {
  const f64v a = vabs(x);
  return vcopysign(0.5 * vlog1p((a + a) / (1. - a)), x);
}

}  // namespace tahr::TAHR_ISA::doubles
#endif
