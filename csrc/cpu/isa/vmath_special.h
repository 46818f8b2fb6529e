// The error function, powers and activations on vectors; float32 only where a float64 version would need tables.
//
// Header only, under the rules of vmath.h. Bounds in units in the last place: verf 2.5, verfc 8 (by pieces less:
// vmath_tails.h), vpow 1.4, vrsqrt vhypot 1.5, verfinv 6. vgelu and its relatives: 6 units of the larger of |x| 2^-24
// and the result.
#pragma once

#include "cpu/isa/vmath.h"
#include "cpu/isa/vmath_lookup.h"
#include "cpu/isa/vmath_tails.h"

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
#if defined(__AVX512F__) && !defined(__clang__)
// erf(a) = b + a Q(a - k / 8) for |a - k / 8| <= 1/16: b is 0 for k < 8, where the odd form keeps small a exact, and 1
// beyond. kErf[j][k] is coefficient j of Q, kErf[5][k] is b.
alignas(64) constexpr float kErf[6][32] = {
    {1.1283792f,     1.1225296f,    1.1053056f,     1.0776451f,    1.0409998f,     0.9971854f,      0.9482075f,
     0.8960858f,     -0.1572992f,   -0.09921046f,   -0.061679896f, -0.03769449f,   -0.02259657f,    -0.013265395f,
     -0.007616188f,  -0.004271969f, -0.0023388674f, -0.001248955f, -0.0006500963f, -0.00032965819f, -0.00016278081f,
     -7.823837e-5f,  -3.658979e-5f, -1.6645161e-5f, -7.363499e-6f, -3.1669551e-6f, -1.3239321e-6f,  -5.378612e-7f,
     -2.1231382e-7f, -8.141799e-8f, -3.0327268e-8f, -1.097134e-8f},
    {0,
     -0.093154855f,
     -0.18116556f,
     -0.25944588f,
     -0.3244341f,
     -0.37389717f,
     -0.40703508f,
     -0.4243893f,
     0.572402f,
     0.3710949f,
     0.23855951f,
     0.15131141f,
     0.09435074f,
     0.05768437f,
     0.03450901f,
     0.020169325f,
     0.01150281f,
     0.0063951085f,
     0.0034632424f,
     0.001825707f,
     0.0009364044f,
     0.0004670778f,
     0.00022648947f,
     0.00010673428f,
     4.8869842e-5f,
     2.1734973e-5f,
     9.387979e-6f,
     3.937355e-6f,
     1.6032103e-6f,
     6.336827e-7f,
     2.4310685e-7f,
     9.051506e-8f},
    {-0.37612626f,   -0.36564556f,   -0.33535114f,    -0.28849652f,    -0.22991388f,   -0.16526373f,   -0.10021746f,
     -0.039728653f,  -0.9875095f,    -0.64813614f,    -0.42736882f,    -0.2804045f,    -0.18183084f,   -0.11597037f,
     -0.072494455f,  -0.044302814f,  -0.026418392f,   -0.015350279f,   -0.008681532f,  -0.0047751903f, -0.0025528406f,
     -0.0013258054f, -0.0006686342f, -0.00032735136f, -0.00015554183f, -7.1713184e-5f, -3.207725e-5f,  -1.39181575e-5f,
     -5.8573805e-6f, -2.390677e-6f,  -9.462361e-7f,   -3.6316996e-7f},
    {0,
     0.055282846f,
     0.10454648f,
     0.14276074f,
     0.16665593f,
     0.17511904f,
     0.16915698f,
     0.15147746f,
     1.1307243f,
     0.722938f,
     0.47724977f,
     0.31958953f,
     0.21423495f,
     0.14238614f,
     0.093187466f,
     0.059768226f,
     0.03744035f,
     0.022852596f,
     0.013568445f,
     0.007827224f,
     0.0043832953f,
     0.002381471f,
     0.001254734f,
     0.00064088934f,
     0.00031727855f,
     0.00015221367f,
     7.075729e-5f,
     3.1868196e-5f,
     1.3905532e-5f,
     5.878209e-6f,
     2.4072385e-6f,
     9.550012e-7f},
    {0.11270683f,    0.1065096f,     0.0889466f,      0.06287521f,     0.03235924f,     0.0018224858f,   -0.024801577f,
     -0.044721775f,  -1.0615174f,    -0.61767906f,    -0.3866442f,     -0.25453237f,    -0.172493f,      -0.11817516f,
     -0.080711946f,  -0.054404285f,  -0.035941526f,   -0.02316343f,    -0.014518218f,   -0.008831845f,   -0.005207732f,
     -0.0029739942f, -0.0016439789f, -0.00087938044f, -0.00045509424f, -0.00022783947f, -0.00011034306f, -5.1695453e-5f,
     -2.3429602e-5f, -1.0273158e-5f, -4.358079e-6f,   -1.7888186e-6f},
    {0,    0,    0,    0,    0,    0,    0,    0,    1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f,
     1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f},
};
// Q and b for a in [0, 3.93]. Looked up in registers: no division, no exponential.
struct ErfPieces {
  f32v q, b;
};
TAHR_INLINE ErfPieces erf_pieces(f32v a) {
  const f32v biased = a + 1572864.f;  // 1.5 * 2^20: rounds to multiples of 1/8, whose count is in the low bits
  const f32v t = a - (biased - 1572864.f);
  const i32v k = bits<i32v>(biased);
  const auto c = [k](int j) __attribute__((always_inline)) {
    return __builtin_shuffle(load<f32v>(kErf[j]), load<f32v>(kErf[j] + 16), k);
  };
  return {fma(fma(fma(fma(c(4), t, c(3)), t, c(2)), t, c(1)), t, c(0)), c(5)};
}
TAHR_INLINE f32v verf(f32v x) {
  const f32v a = vmin(vabs(x), 3.93f);  // erf rounds to 1 from 3.92 on
  const auto [q, b] = erf_pieces(a);
  return vcopysign(fma(a, q, b), x);
}
#else
TAHR_INLINE f32v verf(f32v x) {
  const f32v a = vmin(vabs(x), 5.f);
  const f32v far = 1.f - erfc_scaled(a) * vexp(-a * a);
  return select(a < 0.7f, erf_small(x), vcopysign(far, x));
}
#endif
#if !TAHR_LOOKUP
TAHR_INLINE f32v verfc(f32v x) {
  const f32v a = vabs(x), c = erfc_positive(a);
  return select(a < 0.4f, 1.f - erf_small(x), select(x < 0.f, 2.f - c, c));
}
#endif

// The inverse of erf: x times a polynomial in w = -log(1 - x^2) or, in the tails, in its root (Giles 2012).
TAHR_INLINE f32v verfinv(f32v x) {
#if defined(__FMA__)
  const f32v rest = fma(-x, x, 1.f);
#else
  const f32v rest = (1.f - x) * (1.f + x);
#endif
#if TAHR_LOOKUP
  const f32v t = erfinv_argument(rest);
#else
  const LogParts<f32v> p = log_split(rest);
  const f32v t = -2.5f - log_sum(p.m - 1.f, p.e);
#endif
  f32v r = x * poly(t, 1.5014094f, 0.24664071f, -0.004177694f, -0.0012536938f, 0.00021859708f, -4.400566e-06f,
                    -3.5281519e-06f, 3.44043e-07f, 2.850418e-08f);
  const auto tail = !(rest > 0.0067f);
  if (__builtin_expect(any(tail), 0)) {
    const f32v s = sqrt(t + 2.5f) - 3.1f;
    const f32v far = x * poly(s, 2.933232f, 1.0033528f, 0.0074401377f, -0.005651247f, 0.0042537367f, -0.0028889976f,
                              0.0010559586f, -3.7228558e-05f);
    r = select(tail, far, r);
    const f32v a = vabs(x);
    r = select(a == 1.f, x * FloatTraits<float>::inf, select(a < 1.f, r, splat<f32v>(FloatTraits<float>::nan)));
  }
  return r;
}

// x^y from |x|^y: what is to be negative, 1 or NaN.
TAHR_INLINE f32v pow_exceptions(f32v x, f32v y, f32v r) {
  const f32v a = vabs(x);
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

// x to the power of y: through float64, or in pairs of floats.
#if TAHR_LOOKUP
inline __attribute__((noinline)) f32v pow_of_any(f32v x, f32v y) {
  const ExponentParts e = pow_parts(vabs(x), y);
  return pow_exceptions(x, y, exp2_of(e.n, e.s));
}
TAHR_INLINE f32v vpow(f32v x, f32v y) {
  const ExponentParts e = pow_parts(x, y);
  if (__builtin_expect(lanes_in<kNan | kInfinite>(e.n), 0)) return pow_of_any(x, y);
  return exp2_of(e.n, e.s);
}
#else
// n / d to about 2^-42, for d near 1.
TAHR_INLINE f64v divide_nearly(f64v n, f64v d) {
#if defined(__AVX512F__) && !defined(__clang__)
  const f64v r = __builtin_ia32_rcp14pd512_mask(d, d, static_cast<unsigned char>(-1));
  const f64v q = n * r, better = fma(r, fma(-q, d, n), q);
  return fma(r, fma(-better, d, n), better);
#else
  return n / d;
#endif
}
// a^y where the result is to be rounded to float32: the logarithm to about 2^-40, the power to 2^-28.
TAHR_INLINE f64v pow_positive(f64v a, f64v y) {
  const LogParts<f64v> p = log_split(a);
  const f64v f = p.m - 1., s = divide_nearly(f, f + 2.), z = s * s;
  const f64v tail =
      poly(z, 0.9617966939362479, 0.5770779989341943, 0.4122033001997095, 0.3201533245421754, 0.27936180902129343);
  const f64v log2 = log_edges(a, fma(s, fma(z, tail, 2.8853900817779268), p.e));
  const f64v t = vmax(vmin(y * log2, 200.), -200.);  // beyond are infinity and 0
  const Rounded<f64v> n = round_biased(t + FloatTraits<double>::magic);
  return scale(poly(t - n.value, 1., 0.6931472067028326, 0.24022650922288757, 0.05550327226670302, 0.009618056678524637,
                    0.0013400428177615838, 0.0001546144469856913),
               n);
}
TAHR_INLINE f32v vpow(f32v x, f32v y) {
  const f32v a = vabs(x);
  const Wide wa = widen(a), wy = widen(y);
  return pow_exceptions(x, y, narrow(pow_positive(wa.lo, wy.lo), pow_positive(wa.hi, wy.hi)));
}
#endif

// 1 / sqrt(x).
TAHR_INLINE f64v vrsqrt(f64v x) { return 1. / sqrt(x); }
TAHR_INLINE f32v vrsqrt(f32v x) {
#if defined(__AVX512F__) && !defined(__clang__)
  const f32v y = __builtin_ia32_rsqrt14ps512_mask(x, x, static_cast<unsigned short>(-1));
  const f32v e = fma(-x * y, y, 1.f);  // NaN where x is zero or infinite, whose y is the result
  return select(e == e, fma(0.5f * y, e, y), y);
#else
  return 1.f / sqrt(x);
#endif
}

// sqrt(x^2 + y^2), the larger one scaled near 1.
TAHR_INLINE f32v vhypot(f32v x, f32v y) {
  const f32v a = vabs(x), b = vabs(y), most = greater(a, b);  // b where one is NaN
  const i32v field = bits<i32v>(most) & 0x7f800000, low = i32v{} + 0x00800000, high = i32v{} + 0x7e000000;
  const i32v e = select(field > high, high, select(field < low, low, field));
  const f32v down = bits<f32v>(0x7f000000 - e), s = a * down, t = b * down;
  const f32v r = sqrt(fma(s, s, t * t)) * bits<f32v>(e);
  const f32v inf = splat<f32v>(FloatTraits<float>::inf);
  return select((a == inf) | (b == inf), inf, r);
}

// x Phi(x), with Phi(x) = erfc(-x / sqrt(2)) / 2.
#if defined(__AVX512F__) && !defined(__clang__)
// With the pieces of verf: erfc(a) itself where they give that, so that small results keep a few digits.
TAHR_INLINE f32v normal_cdf(f32v x) {
  const f32v z = x * 0.707106781f, a = vmin(vabs(z), 3.93f);
  const auto [q, b] = erf_pieces(a);
  const f32v r = fma(0.5f * vcopysign(a, z), q, fma(vcopysign(b, z), 0.5f, 0.5f));
  return select(z < -3.93f, f32v{}, r);
}
#else
TAHR_INLINE f32v normal_cdf(f32v x) { return 0.5f * verfc(x * -0.707106781f); }
#endif
TAHR_INLINE f32v vgelu(f32v x) { return x * normal_cdf(x); }
#if !TAHR_LOOKUP
TAHR_INLINE f32v gelu_slope(f32v x) { return fma(x * 0.39894228f, vexp(x * x * -0.5f), normal_cdf(x)); }
#endif

// x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), which is the tanh approximation of gelu.
template <class V>
TAHR_INLINE V gelu_gate(V x) {
  using T = Lane<V>;
  return vsigmoid(x * fma(x * x, static_cast<T>(0.071354816272600), static_cast<T>(1.5957691216057308)));
}
TAHR_INLINE f64v vgelu_tanh(f64v x) { return x * gelu_gate(x); }
// As x / (1 + 2^z): the rounding of z counts only where the result is small beside x.
TAHR_INLINE f32v vgelu_tanh(f32v x) {
  const f32v z = exp2_clamp(x * fma(x * x, -0.102943240f, -2.30220819f));
  const Rounded<f32v> n = round_biased(z + FloatTraits<float>::magic);
  return x / (scale(exp2_unit(z - n.value), n) + 1.f);
}
template <class V>
TAHR_INLINE V gelu_tanh_slope(V x) {
  using T = Lane<V>;
  const V a = -vabs(x), s = gelu_gate(a);  // small, so that 1 - s loses nothing: slope(x) = 1 - slope(-x)
  const V v = fma(a * a, static_cast<T>(0.214064448817800), static_cast<T>(1.5957691216057308));
  const V r = fma(a * (s * (T(1) - s)), v, s);
  return select(x < T(0), r, T(1) - r);
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
