// Mathematical functions of float64, one loop each, over vmath_double*.h where the instruction set has fused
// multiply-add. What is here takes the place of the loops of elementwise_math.cpp and of those that go one by one.
#include "cpu/isa/elementwise_loop.h"
#include "cpu/isa/vmath_double.h"
#include "cpu/isa/vmath_double_special.h"
#include "cpu/isa/vmath_double_trig.h"

namespace tahr::TAHR_ISA {
namespace {

#define DOUBLE1(Name, expr)                                  \
  TAHR_EW_FUNCTOR(Name)                                      \
  TAHR_INLINE f64v operator()(f64v x) const { return expr; } \
  }                                                          \
  ;
#define DOUBLE2(Name, expr)                                          \
  TAHR_EW_FUNCTOR(Name)                                              \
  TAHR_INLINE f64v operator()(f64v x, f64v y) const { return expr; } \
  }                                                                  \
  ;

// ---- loops ----

// Two vectors side by side: while one waits for the sum of a chain, the other goes on.
inline constexpr int64_t kPair = 2 * kLanes<double>;

template <bool kPastCache>
TAHR_INLINE void put(double* p, f64v v) {
  if constexpr (kPastCache) store_past_cache(p, v);
  else store(p, v);
}
// n is a multiple of kPair. Not inlined: a functor's code is here once for all loops, and once past the cache.
template <bool kPastCache, class F, class... In>
__attribute__((noinline)) void run_pairs(const F& f, double* r, int64_t n, const In*... in) {
  constexpr int64_t lanes = kLanes<double>;
  const F op = f;
  for (int64_t i = 0; i < n; i += kPair) {
    for (int64_t k = i; k < i + kPair; k += 8) {  // a line of the cache
      if constexpr (kPastCache) (fetch_twice(in + k), ...);
      else fetch_ahead(r + k, in + k...);
    }
    const f64v first = op(load<f64v>(in + i)...), second = op(load<f64v>(in + i + lanes)...);
    put<kPastCache>(r + i, first);
    put<kPastCache>(r + i + lanes, second);
  }
}
template <bool kPastCache, class F, class... In>
TAHR_INLINE void pair_loop(const double* p, double* r, int64_t n, const In*... in) {
  const F f(p);
  const int64_t whole = n / kPair * kPair, rest = n - whole;
  run_pairs<kPastCache>(f, r, whole, in...);
  if (rest == 0) return;
  double result[kPair];
  const auto padded = [=](const double* from) {
    struct Buffer {
      double at[kPair];
    } b = {};
    for (int64_t i = 0; i < rest; ++i) b.at[i] = from[whole + i];
    return b;
  };
  [&](const auto&... b) { run_pairs<false>(f, result, kPair, b.at...); }(padded(in)...);
  for (int64_t i = 0; i < rest; ++i) r[whole + i] = result[i];
}
template <class F, bool kPastCache = false>
void loop1(void* out, const void* const* in, int64_t n, const double* p) {
  pair_loop<kPastCache, F>(p, static_cast<double*>(out), n, static_cast<const double*>(in[0]));
}
template <class F, bool kPastCache = false>
void loop2(void* out, const void* const* in, int64_t n, const double* p) {
  pair_loop<kPastCache, F>(p, static_cast<double*>(out), n, static_cast<const double*>(in[0]),
                           static_cast<const double*>(in[1]));
}

// ---- powers by a number ----

TAHR_INLINE f64v unless_minus_infinity(f64v x, double at_minus_infinity, f64v r) {
  return select(x == -FloatTraits<double>::inf, splat<f64v>(at_minus_infinity), r);
}
#if TAHR_DOUBLES
using doubles::root_of;
using doubles::vrsqrt;
#else
TAHR_INLINE f64v root_of(f64v x) { return sqrt(x); }
TAHR_INLINE f64v vrsqrt(f64v x) { return 1. / sqrt(x); }
#endif
TAHR_INLINE f64v square(f64v x) { return x * x; }
DOUBLE1(Cube, x * x * x)
DOUBLE1(FourthPower, square(square(x)))
DOUBLE1(MinusSecondPower, square(1. / x))
DOUBLE1(HalfPower, unless_minus_infinity(x, FloatTraits<double>::inf, sqrt(x) + 0.))
DOUBLE1(MinusHalfPower, unless_minus_infinity(x, 0., vrsqrt(x + 0.)))
DOUBLE1(ThreeHalvesPower,
        select(vabs(x) == FloatTraits<double>::inf, splat<f64v>(FloatTraits<double>::inf), (x + 0.) * root_of(x + 0.)))
#if TAHR_DOUBLES
struct PowerBy {
  const f64v y;
  explicit PowerBy(const double* p) : y(splat<f64v>(p[0])) {}
  TAHR_INLINE f64v operator()(f64v x) const { return doubles::vpow(x, y); }
};
#endif
// At most two roundings for what needs no logarithm. (2, 1 and -1 have loops of their own.)
template <bool kPastCache>
void power_by(void* out, const void* const* in, int64_t n, const double* p) {
  const double e = *p;
  if (e == 3) return loop1<Cube, kPastCache>(out, in, n, p);
  if (e == 4) return loop1<FourthPower, kPastCache>(out, in, n, p);
  if (e == -2) return loop1<MinusSecondPower, kPastCache>(out, in, n, p);
  if (e == 0.5) return loop1<HalfPower, kPastCache>(out, in, n, p);
  if (e == -0.5) return loop1<MinusHalfPower, kPastCache>(out, in, n, p);
  if (e == 1.5) return loop1<ThreeHalvesPower, kPastCache>(out, in, n, p);
#if TAHR_DOUBLES
  loop1<PowerBy, kPastCache>(out, in, n, p);
#else
  const double* x = static_cast<const double*>(in[0]);
  double* r = static_cast<double*>(out);
  for (int64_t i = 0; i < n; ++i) r[i] = one_power(x[i], e);
#endif
}

#if TAHR_DOUBLES
DOUBLE1(Log, doubles::vlog(x))
DOUBLE1(Log2, doubles::vlog2(x))
DOUBLE1(Log10, doubles::vlog10(x))
DOUBLE1(Log1p, doubles::vlog1p(x))
DOUBLE1(Sin, doubles::vsin(x))
DOUBLE1(Cos, doubles::vcos(x))
DOUBLE1(Tan, doubles::vtan(x))
DOUBLE1(Arcsin, doubles::vasin(x))
DOUBLE1(Arccos, doubles::vacos(x))
DOUBLE1(Arctan, doubles::vatan(x))
DOUBLE1(Sinh, doubles::vsinh(x))
DOUBLE1(Cosh, doubles::vcosh(x))
DOUBLE1(Tanh, doubles::vtanh(x))
DOUBLE1(TanhShrink, x - doubles::vtanh(x))
DOUBLE1(Arcsinh, doubles::vasinh(x))
DOUBLE1(Arccosh, doubles::vacosh(x))
DOUBLE1(Arctanh, doubles::vatanh(x))
DOUBLE1(Sigmoid, doubles::vsigmoid(x))
DOUBLE1(Softplus, doubles::vsoftplus(x))
DOUBLE1(LogSigmoid, doubles::vlog_sigmoid(x))
DOUBLE1(Silu, doubles::vsilu(x))
DOUBLE1(Mish, doubles::vmish(x))
DOUBLE1(GeluTanh, doubles::vgelu_tanh(x))
DOUBLE1(Gelu, doubles::vgelu(x))
DOUBLE1(Rsqrt, doubles::vrsqrt(x))
DOUBLE1(Cbrt, doubles::vcbrt(x))
DOUBLE1(Sinc, doubles::vsinc(x))
DOUBLE1(Erf, doubles::verf(x))
DOUBLE1(Erfc, doubles::verfc(x))
DOUBLE1(Erfinv, doubles::verfinv(x))
DOUBLE1(Lgamma, doubles::vlgamma(x))
DOUBLE1(Digamma, doubles::vdigamma(x))
DOUBLE1(Trigamma, doubles::vtrigamma(x))
DOUBLE1(I0, doubles::vbessel0(x))
DOUBLE1(I1, doubles::vbessel1(x))
DOUBLE2(Power, doubles::vpow(x, y))
DOUBLE2(Hypot, doubles::vhypot(x, y))
DOUBLE2(Logaddexp, doubles::vlogaddexp(x, y))
DOUBLE2(Logaddexp2, doubles::vlogaddexp2(x, y))
// Gradients: x is dy, y the input of the activation.
DOUBLE2(SiluGrad, x* doubles::silu_slope(y))
DOUBLE2(GeluGrad, x* doubles::gelu_slope(y))
DOUBLE2(GeluTanhGrad, x* doubles::gelu_tanh_slope(y))
#endif

#if defined(__AVX512F__) && !defined(__clang__)
// ---- tests and comparisons: 64 elements give a mask of 64 bits and that 64 bytes ----

// Bits of the kinds that the processor tells apart: NaN, quiet and signalling, infinities; the sign is another matter.
enum Kinds : int { kNan = 0x81, kPlusInfinity = 0x08, kMinusInfinity = 0x10, kSign = 0 };
template <int kinds, bool negate>
TAHR_INLINE uint8_t lanes_of(f64v x) {
  const int m = kinds == kSign ? __builtin_ia32_cvtq2mask512(bits<VecOf<long long, kVecBytes>::type>(x))
                               : __builtin_ia32_fpclasspd512_mask(x, kinds, static_cast<unsigned char>(-1));
  return static_cast<uint8_t>(negate ? ~m : m);
}
// Bit k of lanes(k) is what element k of 8 gives.
template <class Lanes, class... In>
TAHR_INLINE void to_bools(void* out, int64_t n, Lanes lanes_at, const In*... in) {
  constexpr int64_t lanes = kLanes<double>;
  using Bytes = VecOf<char, kVecBytes>::type;
  uint8_t* r = static_cast<uint8_t*>(out);
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    uint64_t mask = 0;
    for (int64_t k = i; k < i + 64; k += lanes) {
      (fetch_twice(in + k), ...);
      mask |= static_cast<uint64_t>(lanes_at(load<f64v>(in + k)...)) << (k - i);
    }
    store(r + i, __builtin_ia32_cvtmask2b512(mask) & (Bytes{} + 1));
  }
  for (; i < n; i += lanes) {
    const int64_t left = n - i < lanes ? n - i : lanes;
    const uint8_t m = lanes_at(load_part<f64v>(in + i, left)...);
    for (int64_t k = 0; k < left; ++k) r[i + k] = m >> k & 1;
  }
}
template <int kinds, bool negate = false>
void test_loop(void* out, const void* const* in, int64_t n, const double*) {
  const auto one = [](f64v x) __attribute__((always_inline)) { return lanes_of<kinds, negate>(x); };
  to_bools(out, n, one, static_cast<const double*>(in[0]));
}
// What the processor calls its comparisons, quiet ones.
enum Comparisons : int { kEqual = 0, kLess = 17, kLessEqual = 18, kNotEqual = 4, kGreaterEqual = 29, kGreater = 30 };
template <int comparison>
void compare_loop(void* out, const void* const* in, int64_t n, const double*) {
  const auto one = [](f64v x, f64v y) __attribute__((always_inline)) {
    return static_cast<uint8_t>(__builtin_ia32_cmppd512_mask(x, y, comparison, static_cast<unsigned char>(-1), 4));
  };
  to_bools(out, n, one, static_cast<const double*>(in[0]), static_cast<const double*>(in[1]));
}
#endif

#define ONE(Op) {Ew::Op, EwType::F64, loop1<Op>, loop1<Op, true>}
#define TWO(Op) {Ew::Op, EwType::F64, loop2<Op>, loop2<Op, true>}

constexpr EwEntry kEntries[] = {
    {Ew::PowerBy, EwType::F64, power_by<false>, power_by<true>},
#if defined(__AVX512F__) && !defined(__clang__)
    {Ew::IsNan, EwType::F64, test_loop<kNan>},
    {Ew::IsInf, EwType::F64, test_loop<kPlusInfinity | kMinusInfinity>},
    {Ew::IsFinite, EwType::F64, test_loop<kNan | kPlusInfinity | kMinusInfinity, true>},
    {Ew::IsPosInf, EwType::F64, test_loop<kPlusInfinity>},
    {Ew::IsNegInf, EwType::F64, test_loop<kMinusInfinity>},
    {Ew::Signbit, EwType::F64, test_loop<kSign>},
    {Ew::Equal, EwType::F64, compare_loop<kEqual>},
    {Ew::NotEqual, EwType::F64, compare_loop<kNotEqual>},
    {Ew::Less, EwType::F64, compare_loop<kLess>},
    {Ew::LessEqual, EwType::F64, compare_loop<kLessEqual>},
    {Ew::Greater, EwType::F64, compare_loop<kGreater>},
    {Ew::GreaterEqual, EwType::F64, compare_loop<kGreaterEqual>},
#endif
#if TAHR_DOUBLES
    ONE(Sin),
    ONE(Cos),
    ONE(Tan),
    ONE(Arcsin),
    ONE(Arccos),
    ONE(Arctan),
    TWO(Logaddexp),
    TWO(Logaddexp2),
    ONE(Log),
    ONE(Log2),
    ONE(Log10),
    ONE(Log1p),
    ONE(Sinh),
    ONE(Cosh),
    ONE(Tanh),
    ONE(Arcsinh),
    ONE(Arccosh),
    ONE(Arctanh),
    ONE(Sigmoid),
    ONE(Softplus),
    ONE(LogSigmoid),
    ONE(Silu),
    ONE(Mish),
    ONE(Gelu),
    ONE(GeluTanh),
    ONE(Rsqrt),
    ONE(Cbrt),
    ONE(Sinc),
    ONE(Erf),
    ONE(Erfc),
    ONE(Erfinv),
    ONE(Lgamma),
    ONE(Digamma),
    ONE(Trigamma),
    ONE(I0),
    ONE(I1),
    TWO(Power),
    TWO(Hypot),
    TWO(SiluGrad),
    TWO(GeluGrad),
    ONE(TanhShrink),
    TWO(GeluTanhGrad),
#endif
};

}  // namespace

const EwEntries& elementwise_double_table() {
  static constexpr EwEntries table{kEntries, sizeof kEntries / sizeof kEntries[0]};
  return table;
}

}  // namespace tahr::TAHR_ISA
