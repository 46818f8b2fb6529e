// exp, log and their relatives on vectors of float32 and float64.
//
// Header only: any file of csrc/cpu/isa may include it. No libm, no tables; NaN, infinities, signed zeros and
// denormals come out as C's functions give them. The polynomials interpolate at Chebyshev nodes. Bounds on the
// error in units in the last place, float32 and float64 alike, over 2e6 points across the whole range on each
// x86 instruction set (the rows of tests/python/op_rows/elementwise_math.py hold the ops to them):
//
//   vexp 1 · vexp2 1.5 · vexpm1 2 · vlog 1 · vlog2 2.5 · vlog10 2 · vlog1p 1.5 · vsigmoid 2.5 · vtanh 2.6 · vsoftplus
//   vlog_sigmoid 2
#pragma once

#include "cpu/isa/vec.h"

namespace tahr::TAHR_ISA {

template <class T>
struct FloatTraits;
template <>
struct FloatTraits<float> {
  static constexpr int mantissa = 23;
  static constexpr int32_t bias = 127;
  static constexpr float magic = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer, held in the low bits
  static constexpr float log2e = 1.44269504f, ln2_hi = 0.693359375f, ln2_lo = -2.12194440e-4f;
  static constexpr float inf = __builtin_inff(), nan = __builtin_nanf("");
  static constexpr float min_normal = 1.17549435e-38f;
};
template <>
struct FloatTraits<double> {
  static constexpr int mantissa = 52;
  static constexpr int64_t bias = 1023;
  static constexpr double magic = 6755399441055744.;
  static constexpr double log2e = 1.4426950408889634, ln2_hi = 6.93147180369123816490e-01,
                          ln2_lo = 1.90821492927058770002e-10;
  static constexpr double inf = __builtin_inf(), nan = __builtin_nan("");
  static constexpr double min_normal = 2.2250738585072014e-308;
};
template <class V>
using Traits = FloatTraits<Lane<V>>;

// c0 + c1 x + c2 x^2 + ...
template <class V>
TAHR_INLINE V poly(V, Lane<V> c) {
  return splat<V>(c);
}
template <class V, class... C>
TAHR_INLINE V poly(V x, Lane<V> c0, C... rest) {
  return fma(poly(x, static_cast<Lane<V>>(rest)...), x, splat<V>(c0));
}

// c0 + c2 z + c4 z^2 + ...
template <class V>
TAHR_INLINE V every_other(V, Lane<V> c0) {
  return splat<V>(c0);
}
template <class V>
TAHR_INLINE V every_other(V, Lane<V> c0, Lane<V>) {
  return splat<V>(c0);
}
template <class V, class... C>
TAHR_INLINE V every_other(V z, Lane<V> c0, Lane<V>, C... rest) {
  return fma(every_other(z, static_cast<Lane<V>>(rest)...), z, splat<V>(c0));
}
// poly(x, c0, c1, ...) in two chains side by side, z being x^2: half as long to wait for.
template <class V, class... C>
TAHR_INLINE V poly2(V x, V z, Lane<V> c0, C... rest) {
  return fma(every_other(z, static_cast<Lane<V>>(rest)...), x, every_other(z, c0, static_cast<Lane<V>>(rest)...));
}

// The nearest integer of x, |x| < 2^22 (2^51), and 2 to that integer if it is a normal exponent.
template <class V>
struct Rounded {
  V biased, value;
};
template <class V>
TAHR_INLINE Rounded<V> round_biased(V biased) {
  return {biased, biased - Traits<V>::magic};
}
template <class V>
TAHR_INLINE V pow2_biased(V biased) {
  constexpr auto one = static_cast<Word<V>>(Traits<V>::bias) << Traits<V>::mantissa;
  return bits<V>((bits<Words<V>>(biased) << Traits<V>::mantissa) + one);  // wraps where the exponent is out of range
}

// p * 2^n with one rounding, n integral and within twice the exponent range.
TAHR_INLINE f32v scale(f32v p, Rounded<f32v> n) {
#if defined(__AVX512F__)
  return __builtin_ia32_scalefps512_mask(p, n.value, p, static_cast<unsigned short>(-1), 4);
#else
  const f32v half = fma(n.value, 0.5f, 12582912.f);
  return p * pow2_biased(half) * pow2_biased(n.value - (half - 12582912.f) + 12582912.f);
#endif
}
TAHR_INLINE f64v scale(f64v p, Rounded<f64v> n) {
#if defined(__AVX512F__)
  return __builtin_ia32_scalefpd512_mask(p, n.value, p, static_cast<unsigned char>(-1), 4);
#else
  const f64v half = fma(n.value, 0.5, 6755399441055744.);
  return p * pow2_biased(half) * pow2_biased(n.value - (half - 6755399441055744.) + 6755399441055744.);
#endif
}

#if defined(__AVX512F__) && !defined(__clang__)
// r, replaced where x is of a certain kind: kTable has a digit for each kind (from the right: quiet and signalling NaN,
// zero, one, -inf, inf, negative, positive), 0 for r, 1 for x, 2 for x as a quiet NaN, 3 for NaN, 4 for -inf, 5 for
// inf.
template <int kTable>
TAHR_INLINE f32v replace(f32v x, f32v r) {
  return __builtin_ia32_fixupimmps512_mask(r, x, i32v{} + kTable, 0, static_cast<unsigned short>(-1), 4);
}
template <int kTable>
TAHR_INLINE f64v replace(f64v x, f64v r) {
  using L = VecOf<long long, kVecBytes>::type;
  return __builtin_ia32_fixupimmpd512_mask(r, x, L{} + kTable, 0, static_cast<unsigned char>(-1), 4);
}
template <class V>
TAHR_INLINE V log_edges(V x, V r) {
  return replace<0x03530422>(x, r);
}
template <class V>
TAHR_INLINE V keep_zero(V x, V r) {
  return replace<0x00000100>(x, r);
}
#else
// What a logarithm gives at zero, infinity, NaN and below zero; r elsewhere.
template <class V>
TAHR_INLINE V log_edges(V x, V r) {
  using T = Traits<V>;
  r = select(x == Lane<V>(0), splat<V>(-T::inf), select(x == T::inf, x, r));
  return select(x >= Lane<V>(0), r, splat<V>(T::nan));
}
// x where it is zero, of either sign; r elsewhere.
template <class V>
TAHR_INLINE V keep_zero(V x, V r) {
  return select(x == Lane<V>(0), x, r);
}
#endif

// (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2.
TAHR_INLINE f32v exp_tail(f32v r) {
  return poly(r, 0.5f, 0.166666672f, 0.041666463f, 0.00833331048f, 0.00139337312f, 0.000198910799f);
}
TAHR_INLINE f64v exp_tail(f64v r) {
  return poly2(r, r * r, 0.5, 0.16666666666666671, 0.041666666666666671, 0.0083333333333260838, 0.0013888888888883711,
               0.00019841269875002279, 2.4801587325677461e-05, 2.7557255170000888e-06, 2.7557273478718582e-07,
               2.5105312729622103e-08, 2.0914755325893202e-09);
}

// x = n ln 2 + r, |r| <= ln(2)/2.
template <class V>
struct ExpParts {
  Rounded<V> n;
  V r;
};
template <class V>
TAHR_INLINE ExpParts<V> exp_reduce(V x) {
  using T = Traits<V>;
  const Rounded<V> n = round_biased(fma(x, T::log2e, T::magic));
  return {n, fma(n.value, -T::ln2_lo, fma(n.value, -T::ln2_hi, x))};
}

TAHR_INLINE f32v exp_clamp(f32v x) { return vmax(vmin(x, 89.f), -104.f); }
TAHR_INLINE f64v exp_clamp(f64v x) { return vmax(vmin(x, 710.), -746.); }

template <class V>
TAHR_INLINE V vexp(V x) {
  const auto [n, r] = exp_reduce(exp_clamp(x));
  return scale(fma(r * r, exp_tail(r), r) + Lane<V>(1), n);
}

// exp(x) for x at most 0.
TAHR_INLINE f32v exp_below(f32v x) {
  const auto [n, r] = exp_reduce(vmax(x, -104.f));
  return scale(fma(r * r, exp_tail(r), r) + 1.f, n);
}
TAHR_INLINE f64v exp_below(f64v x) {
  const auto [n, r] = exp_reduce(vmax(x, -746.));
  return scale(fma(r * r, exp_tail(r), r) + 1., n);
}

TAHR_INLINE f32v exp2_unit(f32v r) {
  return poly(r, 1.f, 0.693147182f, 0.240226507f, 0.0555035695f, 0.00961808208f, 0.00133909786f, 0.000154532623f);
}
TAHR_INLINE f64v exp2_unit(f64v r) {
  const f64v p = poly2(r, r * r, 0.69314718055994529, 0.24022650695910072, 0.055504108664821625, 0.0096181291076284803,
                       0.0013333558146406295, 0.00015403530393370645, 1.5252733841782436e-05, 1.3215486808820637e-06,
                       1.01780569717918e-07, 7.0548972467672364e-09, 4.4558384999982015e-10, 2.5729426100386435e-11);
  return fma(r, p, 1.);
}
TAHR_INLINE f32v exp2_clamp(f32v x) { return vmax(vmin(x, 129.f), -151.f); }
TAHR_INLINE f64v exp2_clamp(f64v x) { return vmax(vmin(x, 1025.), -1076.); }
template <class V>
TAHR_INLINE V vexp2(V x) {
  x = exp2_clamp(x);
  const Rounded<V> n = round_biased(x + Traits<V>::magic);
  return scale(exp2_unit(x - n.value), n);
}

// exp(x) - 1 for x at most 88 (709): accurate near zero.
template <class V>
TAHR_INLINE V expm1_bounded(V x) {
  using T = Lane<V>;
  const auto [n, r] = exp_reduce(x);
  const V p = fma(r * r, exp_tail(r), r);
  const V s = pow2_biased(n.biased - T(1));  // half of 2^n: n may be one past the largest exponent
  return select(n.value == T(0), p, T(2) * (fma(s, p, s - T(0.5))));
}
TAHR_INLINE f32v expm1_clamp(f32v x) { return vmax(vmin(x, 89.f), -20.f); }
TAHR_INLINE f64v expm1_clamp(f64v x) { return vmax(vmin(x, 710.), -40.); }
template <class V>
TAHR_INLINE V vexpm1(V x) {
  return keep_zero(x, expm1_bounded(expm1_clamp(x)));
}

// log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1], plus e ln 2.
TAHR_INLINE f32v log_sum(f32v f, f32v e) {
  const f32v p = poly(f, -0.5f, 0.333333313f, -0.24999997f, 0.200007156f, -0.166678026f, 0.142490566f, -0.124256857f,
                      0.116854236f, -0.114797488f, 0.0697162077f);
  const f32v tail = fma(f * f, p, e * FloatTraits<float>::ln2_lo);
  return fma(e, FloatTraits<float>::ln2_hi, f + tail);
}
TAHR_INLINE f64v log_sum(f64v f, f64v e) {  // by s = f / (2 + f), log(1 + f) = 2 atanh(s)
  const f64v s = f / (2. + f), z = s * s;
  const f64v r = z * poly2(z, z * z, 0.66666666666666696, 0.39999999999899444, 0.2857142862600327, 0.22222211130259878,
                           0.18182889455674947, 0.15331710618210773, 0.14616585424888623);
  const f64v half_square = 0.5 * f * f;
  const f64v tail = fma(s, half_square + r, e * FloatTraits<double>::ln2_lo);
  return e * FloatTraits<double>::ln2_hi - ((half_square - tail) - f);
}

// x = m * 2^e with m in [sqrt(1/2), sqrt(2)), for positive normal x; down is 2^-e.
template <class V>
struct LogParts {
  V m, e, down;
};
TAHR_INLINE LogParts<f32v> log_split(f32v x) {  // unsigned: may wrap for infinity and NaN
  constexpr uint32_t one = 0x3f800000u;
  const u32v scale = ((bits<u32v>(x) + (one - 0x3f3504f3u)) & 0xff800000u) - one;  // e in the place of the exponent
  return {bits<f32v>(bits<u32v>(x) - scale), __builtin_convertvector(bits<i32v>(scale) >> 23, f32v),
          0.25f * bits<f32v>(one + 0x01000000u - scale)};
}
TAHR_INLINE LogParts<f64v> log_split(f64v x) {
  constexpr uint64_t one = 0x3ff0000000000000u;
  const u64v ix = bits<u64v>(x) + (one - 0x3fe6a09e667f3bcdu), scale = (ix & 0xfff0000000000000u) - one;
  const f64v e = bits<f64v>((ix >> 52) | 0x4330000000000000u) - (4503599627370496. + 1023.);
  return {bits<f64v>(bits<u64v>(x) - scale), e, 0.25 * bits<f64v>(one + 0x0020000000000000u - scale)};
}
template <class V>
TAHR_INLINE LogParts<V> log_split_any(V x) {  // denormals too
  using T = Lane<V>;
  constexpr T up = sizeof(T) == 4 ? T(8388608.) : T(4503599627370496.);
  const auto tiny = x < Traits<V>::min_normal;
  LogParts<V> p = log_split(select(tiny, x * up, x));
  p.e = p.e - select(tiny, splat<V>(T(Traits<V>::mantissa)), V{});
  return p;
}

template <class V>
TAHR_INLINE V vlog(V x) {
  const LogParts<V> p = log_split_any(x);
  return log_edges(x, log_sum(p.m - Lane<V>(1), p.e));
}
template <class V>
TAHR_INLINE V vlog2(V x) {
  const LogParts<V> p = log_split_any(x);
  constexpr Lane<V> hi = sizeof(Lane<V>) == 4 ? Lane<V>(1.4427490234375) : Lane<V>(1.4426950216293335);
  constexpr Lane<V> lo = static_cast<Lane<V>>(1.4426950408889634074 - static_cast<double>(hi));
  const V l = log_sum(p.m - Lane<V>(1), V{});
  return log_edges(x, fma(l, hi, l * lo) + p.e);
}
template <class V>
TAHR_INLINE V vlog10(V x) {
  const LogParts<V> p = log_split_any(x);
  const bool single = sizeof(Lane<V>) == 4;  // log10(2) in two parts, the first with trailing zeros
  const Lane<V> hi = single ? Lane<V>(0.301025390625) : Lane<V>(0.30102999566406652);
  const Lane<V> lo = single ? Lane<V>(4.6050389811952137e-06) : Lane<V>(-8.5323443170571066e-14);
  const V l = log_sum(p.m - Lane<V>(1), V{});
  return log_edges(x, fma(p.e, hi, fma(l, Lane<V>(0.43429448190325182765), p.e * lo)));
}

template <class V>
TAHR_INLINE V vlog1p(V x) {
  using T = Lane<V>;
  const V u = x + T(1);  // gives the exponent only: scaling x and 1 apart rounds once
  const LogParts<V> p = log_split(u);
  return keep_zero(x, log_edges(u, log_sum(fma(x, p.down, p.down - T(1)), p.e)));
}

// log(1 + t) for t in [0, 1].
TAHR_INLINE f32v log1p_unit(f32v t) {
  return fma(t * t,
             poly(t, -0.4999993f, 0.33330476f, -0.24958248f, 0.1969376f, -0.1535091f, 0.10673291f, -0.057595447f,
                  0.020169048f, -0.0033108105f),
             t);
}
TAHR_INLINE f64v log1p_unit(f64v t) { return vlog1p(t); }

// 1 / (1 + exp(-x)), without overflow or loss at either end.
template <class V>
TAHR_INLINE V vsigmoid(V x) {
  const V e = vexp(-vabs(x));
  return select(x < Lane<V>(0), e, splat<V>(Lane<V>(1))) / (e + Lane<V>(1));
}
TAHR_INLINE f32v tanh_clamp(f32v a) { return vmin(a, 10.f); }
TAHR_INLINE f64v tanh_clamp(f64v a) { return vmin(a, 20.); }
// t / (t + 2) for t = exp(2|x|) - 1, signed.
template <class V>
TAHR_INLINE V vtanh(V x) {
  using T = Lane<V>;
  const auto [n, r] = exp_reduce(T(2) * tanh_clamp(vabs(x)));
  const V s = pow2_biased(n.biased);
  const V t = fma(s, fma(r * r, exp_tail(r), r), s - T(1));
  return vcopysign(t / (t + T(2)), x);
}
// log(1 + exp(x)), and -log(1 + exp(-x)).
template <class V>
TAHR_INLINE V vsoftplus(V x) {
  return greater(V{}, x) + log1p_unit(exp_below(-vabs(x)));
}
template <class V>
TAHR_INLINE V vlog_sigmoid(V x) {
  return lesser(V{}, x) - log1p_unit(exp_below(-vabs(x)));
}

}  // namespace tahr::TAHR_ISA
