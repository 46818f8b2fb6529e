// Logarithms and powers by tables held in registers: float32 on AVX-512 (TAHR_LOOKUP says whether this file has any).
//
// A copy of 16 floats takes as long as some 30 instructions on the two ports that 512-bit arithmetic has, so what is
// here does without division, root or a second polynomial. With x = 2^e m and r near 1 / m from a table of 16 or 32,
// picked by the leading bits of m, log(x) = e log(2) - log(r) + log(1 + f), f = m r - 1 small: a few terms. Each r has
// few bits, so that what is computed from it is exact or rounds once; -log(r) lies close to a float.
#pragma once

#include "cpu/isa/vmath.h"

#if defined(__AVX512F__) && !defined(__clang__)
#define TAHR_LOOKUP 1

namespace tahr::TAHR_ISA {

inline constexpr unsigned short kAllLanes = 0xffff;

// Entry i mod 16 or i mod 32 of a table.
TAHR_INLINE f32v look_up(const float (&table)[16], i32v i) { return __builtin_shuffle(load<f32v>(table), i); }
TAHR_INLINE f32v look_up(const float (&table)[32], i32v i) {
  return __builtin_shuffle(load<f32v>(table), load<f32v>(table + 16), i);
}
// The exponent of |x| as a float: -inf for 0, inf for inf. The mantissa of |x|, in [1, 2) or [0.75, 1.5).
TAHR_INLINE f32v exponent_of(f32v x) { return __builtin_ia32_getexpps512_mask(x, x, kAllLanes, 4); }
TAHR_INLINE f32v mantissa_of(f32v x) { return __builtin_ia32_getmantps512_mask(x, 4, x, kAllLanes, 4); }
TAHR_INLINE f32v mantissa_of_positive(f32v x) {  // in [0.75, 1.5); NaN below 0
  return __builtin_ia32_getmantps512_mask(x, 11, x, kAllLanes, 4);
}
TAHR_INLINE f32v mantissa_near_1(f32v x) { return __builtin_ia32_getmantps512_mask(x, 7, x, kAllLanes, 4); }
TAHR_INLINE f32v times_power_of_2(f32v x, f32v n) { return __builtin_ia32_scalefps512_mask(x, n, x, kAllLanes, 4); }
// Estimates with a relative error of 2^-14.
TAHR_INLINE f32v near_reciprocal(f32v x) { return __builtin_ia32_rcp14ps512_mask(x, x, kAllLanes); }
TAHR_INLINE f32v near_rsqrt(f32v x) { return __builtin_ia32_rsqrt14ps512_mask(x, x, kAllLanes); }
TAHR_INLINE f32v off_integer(f32v x) { return __builtin_ia32_reduceps512_mask(x, 0, x, kAllLanes); }  // x - rint(x)
// The one of smaller magnitude; the other of a NaN.
TAHR_INLINE f32v smaller_magnitude(f32v x, f32v y) { return __builtin_ia32_rangeps512_mask(x, y, 2, x, kAllLanes, 4); }

// Replaces lanes of `result` by what `tested` is: four bits of the table each for NaN (0), zero (2), -inf (4), inf (5),
// negative (6); 0 keeps the result.
enum FixUp : int32_t { kFixNan = 3, kFixInf = 5, kFixZero = 8 };
constexpr int32_t fix_up_table(int zero, int negative, int inf) {
  return zero << 8 | negative << 16 | inf << 20 | negative << 24;
}
TAHR_INLINE f32v fix_up(f32v result, f32v tested, i32v table) {
  return __builtin_ia32_fixupimmps512_mask(result, tested, table, 0, kAllLanes, 4);
}
template <int32_t table>
TAHR_INLINE f32v fix_up(f32v result, f32v tested) {
  return fix_up(result, tested, i32v{} + table);
}
// Lanes that are beyond a bound, or of one of some classes, as bits.
TAHR_INLINE unsigned lanes_beyond(f32v x, float bound) {
  return __builtin_ia32_cmpps512_mask(x, splat<f32v>(bound), 30, kAllLanes, 4);  // greater, quiet
}
enum Class : int { kNan = 0x81, kZero = 0x06, kInfinite = 0x18, kNegative = 0x50 };
template <int classes>
TAHR_INLINE unsigned lanes_in(f32v x) {
  return __builtin_ia32_fpclassps512_mask(x, classes, kAllLanes);
}

TAHR_INLINE f32v select_lanes(unsigned lanes, f32v a, f32v b) {
  return __builtin_ia32_blendmps_512_mask(b, a, static_cast<unsigned short>(lanes));
}
// x >= 0 with the sign of s.
TAHR_INLINE f32v with_sign(f32v x, f32v s) {
  return bits<f32v>(bits<i32v>(x) | (bits<i32v>(s) & static_cast<int32_t>(0x80000000u)));
}

// ---- logarithms of numbers that are at least 1 ----

alignas(64) constexpr float kLogScale[16] = {
    1.f,          0.913574219f, 0.862533569f, 0.820556641f, 0.779876709f, 0.7447052f,   0.711135864f, 0.678527832f,
    0.653701782f, 0.626327515f, 0.603027344f, 0.582870483f, 0.561172485f, 0.540634155f, 0.526107788f, 0.510162354f};
alignas(64) constexpr float kLogRest[16] = {
    // -log(kLogScale)
    0.f,          0.0903906599f, 0.14788121f,  0.197772339f, 0.248619437f, 0.294766843f, 0.340891778f, 0.387829781f,
    0.425104022f, 0.467881858f,  0.505792737f, 0.539790273f, 0.57772696f,  0.615012467f, 0.642249167f, 0.673026264f};
alignas(64) constexpr float kHalfLogRest[16] = {
    0.f,          0.0451953299f, 0.0739406049f, 0.0988861695f, 0.124309719f, 0.147383422f, 0.170445889f, 0.19391489f,
    0.212552011f, 0.233940929f,  0.252896368f,  0.269895136f,  0.28886348f,  0.307506233f, 0.321124583f, 0.336513132f};

// u >= 1: what scales it to near 1, and `factor`, 1 or 1/2, times the logarithm of what that took away.
struct NearOne {
  f32v scale, log;
};
TAHR_INLINE NearOne near_one(f32v u, float factor, const float (&rest)[16]) {
  const i32v i = bits<i32v>(bits<u32v>(u) >> 19);
  const f32v minus_e = f32v{} - exponent_of(u);
  return {times_power_of_2(look_up(kLogScale, i), minus_e), fma(minus_e, -0.693147182f * factor, look_up(rest, i))};
}
// `factor` times log(1 + f), plus `log`; f as it is left by near_one, in [-0.03, 0.0625].
TAHR_INLINE f32v log_of_rest(f32v f, float factor, f32v log) {
  const f32v tail = poly(f, -0.50000003f * factor, 0.33334402f * factor, -0.25001412f * factor, 0.18790048f * factor);
  return fma(f, fma(f, tail, factor), log);
}

// The logarithm of |x| + sqrt(x^2 + 1), the root as s and what s lacks.
TAHR_INLINE f32v vasinh(f32v x) {
  const f32v a = vabs(x), square = fma(a, a, 1.f);
  const f32v y = near_rsqrt(square), h = 0.5f * y, estimate = square * y;
  const f32v s = fma(fma(-estimate, estimate, square), h, estimate);
  const f32v rest = fma(fma(a, a, fma(-s, s, 1.f)), h, a);
  const NearOne n = near_one(a + s, 1.f, kLogRest);
  f32v r = log_of_rest(fma(rest, n.scale, fma(s, n.scale, -1.f)), 1.f, n.log);
  const unsigned far = lanes_beyond(a, 1e18f);  // a^2 overflows
  if (__builtin_expect(far, 0)) r = select_lanes(far, vlog(a) + 0.693147182f, r);
  return with_sign(r, x);
}
TAHR_INLINE f32v vacosh(f32v x) {
  const f32v square = fma(x, x, -1.f), y = near_rsqrt(square), estimate = square * y;
  const f32v s = fma(fma(-estimate, estimate, square), 0.5f * y, estimate);
  const NearOne n = near_one(x + s, 1.f, kLogRest);
  f32v r = log_of_rest(fma(s, n.scale, fma(x, n.scale, -1.f)), 1.f, n.log);
  const unsigned far = lanes_beyond(x, 1e18f);  // x^2 overflows
  if (__builtin_expect(far, 0)) r = select_lanes(far, vlog(x) + 0.693147182f, r);
  return fix_up<fix_up_table(kFixZero, kFixNan, kFixInf)>(r, x - 1.f);
}
// Half the logarithm of 1 + q, q = 2 |x| / (1 - |x|).
TAHR_INLINE f32v vatanh(f32v x) {
  const f32v a = vabs(x), d = 1.f - a, twice = a + a;
  const f32v y = near_reciprocal(d), estimate = twice * y;
  const f32v q = fma(fma(-estimate, d, twice), y, estimate);
  const NearOne n = near_one(q + 1.f, 0.5f, kHalfLogRest);
  const f32v r = log_of_rest(fma(q, n.scale, n.scale - 1.f), 0.5f, n.log);
  return with_sign(fix_up<fix_up_table(kFixInf, kFixNan, 0)>(r, d), x);
}

// ---- logarithms that need not be exact near 1 ----

alignas(64) constexpr float kMidScale[16] = {
    // the reciprocals of the middles of [1 + i/16, 1 + (i+1)/16)
    0.969697f,    0.914285719f, 0.864864886f, 0.820512831f, 0.780487776f, 0.744186044f, 0.711111128f, 0.68085104f,
    0.653061211f, 0.627451003f, 0.603773594f, 0.581818163f, 0.561403513f, 0.542372882f, 0.524590135f, 0.507936537f};
alignas(64) constexpr float kErfinvRest[16] = {
    // log(kMidScale) - 2.5
    -2.53077173f, -2.58961225f, -2.6451819f,  -2.69782567f, -2.74783611f, -2.79546428f, -2.84092665f, -2.88441181f,
    -2.92608452f, -2.96608969f, -3.00455594f, -3.04159737f, -3.07731533f, -3.1118016f,  -3.14513803f, -3.17739868f};
// -log(x) - 2.5 for 0 < x <= 1, to 2^-24.
TAHR_INLINE f32v erfinv_argument(f32v x) {
  const i32v i = bits<i32v>(bits<u32v>(x) >> 19);
  const f32v f = fma(mantissa_of(x), look_up(kMidScale, i), -1.f);  // at most 0.0304
  const f32v rest = fma(exponent_of(x), -0.693147182f, look_up(kErfinvRest, i));
  return fma(f, poly(f, -0.99999994f, 0.500190258f, -0.333593220f), rest);
}

// ---- powers ----

// In 32 intervals, [1, 1.5) and then [0.75, 1). With so few bits that m r - 1 is exact.
alignas(64) constexpr float kPowScale[32] = {
    1.f,       0.953125f, 0.921875f, 0.90625f, 0.875f,    0.859375f, 0.828125f, 0.8125f,  0.796875f, 0.765625f, 0.75f,
    0.734375f, 0.71875f,  0.703125f, 0.6875f,  0.671875f, 1.3125f,   1.28125f,  1.28125f, 1.25f,     1.21875f,  1.1875f,
    1.1875f,   1.15625f,  1.125f,    1.125f,   1.09375f,  1.0625f,   1.0625f,   1.03125f, 1.03125f,  1.f};
// -log2(kPowScale), 1 more from 0.75 on, where the exponent of x is 1 less: multiples of 2^-15, and the rest.
alignas(64) constexpr float kPowLog[32] = {
    0.f,          0.0692749023f, 0.117370605f, 0.142028809f, 0.192657471f, 0.21862793f,  0.272094727f, 0.299560547f,
    0.327575684f, 0.385284424f,  0.415039062f, 0.445404053f, 0.47644043f,  0.508148193f, 0.540557861f, 0.573730469f,
    0.607696533f, 0.642456055f,  0.642456055f, 0.678070068f, 0.714599609f, 0.752075195f, 0.752075195f, 0.790557861f,
    0.830078125f, 0.830078125f,  0.870727539f, 0.912536621f, 0.912536621f, 0.955596924f, 0.955596924f, 1.f};
alignas(64) constexpr float kPowLogRest[32] = {0.f,
                                               -1.2239907e-5f,
                                               -1.3654831e-5f,
                                               -9.803722e-6f,
                                               -1.2392761e-5f,
                                               1.2356788e-5f,
                                               -1.51811255e-5f,
                                               -2.650161e-7f,
                                               -1.0255652e-6f,
                                               5.7320567e-6f,
                                               -1.5632212e-6f,
                                               7.095588e-6f,
                                               -2.3857444e-6f,
                                               -1.2896891e-6f,
                                               1.0520034e-5f,
                                               4.776548e-6f,
                                               -1.3955982e-5f,
                                               -8.059305e-6f,
                                               -8.059305e-6f,
                                               1.8367533e-6f,
                                               -1.8282373e-6f,
                                               -2.708756e-6f,
                                               -2.708756e-6f,
                                               -1.1226957e-5f,
                                               -3.1264424e-6f,
                                               -3.1264424e-6f,
                                               -1.05560075e-5f,
                                               5.376559e-7f,
                                               5.376559e-7f,
                                               8.956814e-6f,
                                               8.956814e-6f,
                                               0.f};
TAHR_INLINE f32v exp2_of(f32v integer, f32v s) {  // 2^(integer + s), |s| little more than 1/2
  return times_power_of_2(
      fma(s, poly(s, 0.693147182f, 0.240226477f, 0.0555033237f, 0.00961843692f, 0.0013398875f, 0.000153533605f), 1.f),
      integer);
}
// 2^(y (high + low)): for an infinite product 0 or inf, for NaN NaN, which n tells. Elsewhere y high is an integer n
// and a rest, rounded once.
struct ExponentParts {
  f32v n, s;
};
TAHR_INLINE ExponentParts exponent_parts(f32v y, f32v high, f32v low) {
  constexpr float magic = FloatTraits<float>::magic;
  const f32v n = fma(y, high, splat<f32v>(magic)) - magic;
  const f32v s = fma(y, low, fma(y, high, -n));  // anything where n is infinite or large: bounded
  return {n, smaller_magnitude(s, splat<f32v>(1.f))};
}
// x^y as 2^(n + s); n is finite only where x and y are and x is positive. The logarithm of x to base 2 as high + low,
// to 2^-32: a + f v, v = log2(e) + c f rounded, in `high`, what rounding lost and the rest of the series in `low`.
TAHR_INLINE ExponentParts pow_parts(f32v x, f32v y) {
  constexpr float kLog2e = 1.44269502f, kSecond = -0.72134751f;
  const f32v m = mantissa_of_positive(x);
  const i32v i = bits<i32v>(bits<u32v>(m) >> 18);
  const f32v f = fma(m, look_up(kPowScale, i), -1.f), a = exponent_of(x) + look_up(kPowLog, i);  // both exact
  const f32v v = fma(f, kSecond, kLog2e), high = fma(f, v, a), lost = fma(f, v, a - high);
  const f32v series = poly(f, 1.91133049e-8f, 7.618352e-9f, 0.480901122f, -0.360805899f, 0.282372206f);
  const f32v low = fma(f, fma(f, splat<f32v>(kSecond), kLog2e - v) + series, lost) + look_up(kPowLogRest, i);
  return exponent_parts(y, high, low);
}

// b^y from the logarithm of b to base 2, high + low.
TAHR_INLINE f32v pow_of_base(f32v y, f32v high, f32v low) {
  const ExponentParts e = exponent_parts(y, high, low);
  return exp2_of(e.n, e.s);
}

// In 16 intervals, [1, 1.5) and then [0.75, 1), and -log2 of it as in kPowLog.
alignas(64) constexpr float kPowByScale[16] = {1.f,      0.921875f, 0.859375f, 0.828125f, 0.78125f,  0.75f,
                                               0.71875f, 0.6875f,   1.3125f,   1.25f,     1.203125f, 1.15625f,
                                               1.125f,   1.078125f, 1.046875f, 1.f};
alignas(64) constexpr double kPowByLog[16] = {0.,
                                              0.11735695063815874,
                                              0.2186402864753404,
                                              0.2720795454368008,
                                              0.3561438102252753,
                                              0.4150374992788438,
                                              0.4764380439429871,
                                              0.5405683813627028,
                                              0.6076825772212398,
                                              0.6780719051126376,
                                              0.7332134593050986,
                                              0.7905466343710502,
                                              0.8300749985576876,
                                              0.891475543221831,
                                              0.9339108095422276,
                                              1.};
// x^y for one y, 2^-10 <= |y| <= 4, and all x: y times the logarithm to base 2 is a + rest + f k(f), where a, a
// multiple of 2^-13, is exact and the other terms are small.
struct PowBy {
  f32v grid, off_grid;  // y times kPowByLog, in multiples of 2^-13, and what is left
  f32v y_grid, y_off_grid, k0, k1, k2, k3, k4;
  i32v sign, exceptions;

  static bool takes(float y) { return __builtin_fabsf(y) >= 0x1p-10f && __builtin_fabsf(y) <= 4.f; }

  explicit PowBy(float y) {
    constexpr double kGrid = 1.5 * 0x1p39;  // adding it rounds to multiples of 2^-13
    const f64v lo = load<f64v>(kPowByLog) * static_cast<double>(y),
               hi = load<f64v>(kPowByLog + 8) * static_cast<double>(y);
    const f64v lo_grid = (lo + kGrid) - kGrid, hi_grid = (hi + kGrid) - kGrid;
    grid = narrow(lo_grid, hi_grid);
    off_grid = narrow(lo - lo_grid, hi - hi_grid);
    const float rounded = static_cast<float>((static_cast<double>(y) + kGrid) - kGrid);
    y_grid = splat<f32v>(rounded), y_off_grid = splat<f32v>(y - rounded);
    k0 = splat<f32v>(y * 1.44269502f), k1 = splat<f32v>(y * -0.72134751f), k2 = splat<f32v>(y * 0.48091948f);
    k3 = splat<f32v>(y * -0.360866994f), k4 = splat<f32v>(y * 0.272329152f);
    const bool integral = y == static_cast<float>(static_cast<int>(y));
    const bool odd = integral && (static_cast<int>(y) & 1) != 0;
    sign = i32v{} + (odd ? static_cast<int32_t>(0x80000000u) : 0);
    exceptions = i32v{} + (integral ? 0 : kFixNan << 24);  // negative and finite
  }
  TAHR_INLINE f32v operator()(f32v x) const {
    const f32v m = mantissa_near_1(x), e = exponent_of(x);
    const i32v i = bits<i32v>(bits<u32v>(m) >> 19);
    const f32v f = fma(m, look_up(kPowByScale, i), -1.f);
    const f32v a = fma(e, y_grid, __builtin_shuffle(grid, i)), off = off_integer(a);
    const f32v rest = fma(e, y_off_grid, __builtin_shuffle(off_grid, i) + off);
    const f32v k = fma(fma(fma(fma(k4, f, k3), f, k2), f, k1), f, k0);
    const f32v s = smaller_magnitude(fma(f, k, rest), splat<f32v>(1.f));  // anything if x is 0 or infinite
    const f32v unit = fma(s,
                          poly(s, 0.693147182f, 0.240226626f, 0.0555039421f, 0.00961719733f, 0.00133374671f,
                               0.000156066992f, 1.50719352e-5f),
                          1.f);
    const f32v r = times_power_of_2(unit, a - off);
    return fix_up(bits<f32v>(bits<i32v>(r) | (bits<i32v>(x) & sign)), x, exceptions);
  }
};

// ---- the complement of the error function ----

// erfc, for what is beyond the pieces of vmath_tails.h: erfc(a) exp(a^2) for a up to 10.6 in quarters of an octave of a
// + 1, by its distance from where they begin: coefficient j of interval i is kErfc[j][i], the first interval being the
// twelfth.
alignas(64) constexpr float kErfc[6][16] = {
    {0.427583545f, 0.321585417f, 0.255395681f, 0.21080637f, 0.179001138f, 0.136999458f, 0.110704638f, 0.0927765667f,
     0.079800047f, 0.0623077229f, 0.0510805957f, 0.0432719216f, 1.f, 0.770346522f, 0.615690351f, 0.506937623f},
    {-0.273207486f, -0.163621634f, -0.106796041f, -0.0743471906f, -0.0543707721f, -0.03238317f, -0.0213326942f,
     -0.0150603205f, -0.0111781191f, -0.00684011169f, -0.00460606441f, -0.0033091926f, -1.12837505f, -0.743204117f,
     -0.512688041f, -0.367972314f},
    {0.154265866f, 0.0761208385f, 0.0417928025f, 0.024934303f, 0.0158667862f, 0.00746147195f, 0.00403955998f,
     0.00241406308f, 0.00154950307f, 0.000746345322f, 0.000413583184f, 0.0002523039f, 0.99980849f, 0.584463775f,
     0.359309435f, 0.230940893f},
    {-0.0783049241f, -0.0326676928f, -0.0153740374f, -0.00796947163f, -0.00440177694f, -0.00166378159f,
     -0.000747957383f, -0.000380774698f, -0.000209514052f, -8.05419259e-05f, -3.67786088e-05f, -1.91085364e-05f,
     -0.74895674f, -0.396645814f, -0.22138159f, -0.129538819f},
    {0.0338284373f, 0.0123138344f, 0.00509240106f, 0.00233844365f, 0.00106249587f, 0.000334796379f, 0.000128096624f,
     5.65112205e-05f, 2.51384336e-05f, 8.15588101e-06f, 3.06498055e-06f, 1.3758729e-06f, 0.473830789f, 0.231404305f,
     0.119184472f, 0.0644367635f},
    {-0.00918490812f, -0.00304913148f, -0.00115243671f, -0.000485205237f, -0.000158420313f, -4.41350057e-05f,
     -1.50747192e-05f, -5.99210534e-06f, -1.88140291e-06f, -5.78530774e-07f, -1.77722953e-07f, -7.16166397e-08f,
     -0.200879991f, -0.0926557854f, -0.0450567715f, -0.0230003353f},
};
inline __attribute__((noinline)) f32v erfc_far(f32v x) {
  const f32v a = vmin(vabs(x), 10.5f), u = a + 1.f;  // erfc is 0 from 10.06 on
  const f32v t = u - bits<f32v>(bits<u32v>(u) & 0xffe00000u);
  const i32v i = bits<i32v>(bits<u32v>(u) >> 21);
  f32v scaled = look_up(kErfc[5], i);
  for (int j = 4; j >= 0; --j) scaled = fma(scaled, t, look_up(kErfc[j], i));
  const f32v square = a * a;
  const auto [n, r] = exp_reduce(-square);
  const f32v rest = r - fma(a, a, -square);
  const f32v unit = fma(rest, fma(rest, exp_tail(rest), 1.f), 1.f) * scaled;
  const f32v c = scale(select(a > 10.06f, f32v{}, unit), n);  // what underflows takes its time
  return select(x < 0.f, 2.f - c, c);
}

}  // namespace tahr::TAHR_ISA
#endif
