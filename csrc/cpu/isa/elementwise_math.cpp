// Mathematical functions and smooth activations on vectors: vmath.h and its companions, one loop each.
#include "cpu/isa/elementwise_loop.h"
#include "cpu/isa/vmath.h"
#include "cpu/isa/vmath_bessel.h"
#include "cpu/isa/vmath_double_tables.h"
#include "cpu/isa/vmath_gamma.h"
#include "cpu/isa/vmath_special.h"
#include "cpu/isa/vmath_trig.h"

namespace tahr::TAHR_ISA {
namespace {

#define MATH1(Name, expr)               \
  TAHR_EW_FUNCTOR(Name)                 \
  template <class V>                    \
  TAHR_INLINE V operator()(V x) const { \
    return expr;                        \
  }                                     \
  }                                     \
  ;
#define MATH1P(Name, expr)              \
  TAHR_EW_FUNCTOR_P(Name)               \
  template <class V>                    \
  TAHR_INLINE V operator()(V x) const { \
    using T = Lane<V>;                  \
    return expr;                        \
  }                                     \
  }                                     \
  ;
#define MATH2(Name, expr)                    \
  TAHR_EW_FUNCTOR(Name)                      \
  template <class V>                         \
  TAHR_INLINE V operator()(V x, V y) const { \
    return expr;                             \
  }                                          \
  }                                          \
  ;
#define MATH2P(Name, expr)                   \
  TAHR_EW_FUNCTOR_P(Name)                    \
  template <class V>                         \
  TAHR_INLINE V operator()(V x, V y) const { \
    using T = Lane<V>;                       \
    return expr;                             \
  }                                          \
  }                                          \
  ;
#define P(i) static_cast<T>(p##i)

// Equal infinities must not be subtracted.
template <class V>
TAHR_INLINE V gap(V x, V y) {
  return select(x == y, V{}, -vabs(x - y));
}
template <class V>
TAHR_INLINE V larger(V x, V y) {
  return select((x > y) | (x != x), x, y);
}

MATH1(Exp, vexp(x))
MATH1(Exp2, vexp2(x))
MATH1(Expm1, vexpm1(x))
MATH1(Log, vlog(x))
MATH1(Log2, vlog2(x))
MATH1(Log10, vlog10(x))
MATH1(Log1p, vlog1p(x))
MATH1(Sin, vsin(x))
MATH1(Cos, vcos(x))
MATH1(Tan, vtan(x))
MATH1(Arcsin, vasin(x))
MATH1(Arccos, vacos(x))
MATH1(Arctan, vatan(x))
MATH2(Arctan2, vatan2(x, y))
MATH1(Sinh, vsinh(x))
MATH1(Cosh, vcosh(x))
MATH1(Tanh, vtanh(x))
MATH1(Arcsinh, vasinh(x))
MATH1(Arccosh, vacosh(x))
MATH1(Arctanh, vatanh(x))
MATH1(Rsqrt, vrsqrt(x))
MATH1(Erf, verf(x))
MATH1(Erfc, verfc(x))
MATH1(Erfinv, verfinv(x))
MATH1(Lgamma, vlgamma(x))
MATH1(Digamma, vdigamma(x))
MATH1(Trigamma, vtrigamma(x))
MATH1(I0, vi0(x))
MATH1(I1, vi1(x))
MATH2(Power, vpow(x, y))
// By an exponent that is a parameter.
struct PowerBy {
  const f32v y;
  explicit PowerBy(const double* p) : y(splat<f32v>(static_cast<float>(p[0]))) {}
  TAHR_INLINE f32v operator()(f32v x) const { return vpow(x, y); }
};
// The square root, but that of -0 is 0 and of -inf is inf.
TAHR_EW_FUNCTOR(HalfPower)
TAHR_INLINE f32v operator()(f32v x) const {
  const f32v inf = splat<f32v>(FloatTraits<float>::inf);
  return select(x == -inf, inf, sqrt(x) + 0.f);
}
};
#if TAHR_LOOKUP
// Of a base whose logarithm is a parameter, split into two floats.
struct PowerOf {
  f32v high, low;
  explicit PowerOf(const double* p) {
    const float rounded = static_cast<float>(p[0]);
    high = splat<f32v>(rounded), low = splat<f32v>(static_cast<float>(p[0] - static_cast<double>(rounded)));
  }
  TAHR_INLINE f32v operator()(f32v y) const { return pow_of_base(y, high, low); }
};
struct PowerByFew {
  const PowBy power;
  explicit PowerByFew(const double* p) : power(static_cast<float>(p[0])) {}
  TAHR_INLINE f32v operator()(f32v x) const { return power(x); }
};
#endif
void power_by(void* out, const void* const* in, int64_t n, const double* p) {
  if (p[0] == 0.5) return vector_loop1<HalfPower, float>(out, in, n, p);
#if TAHR_LOOKUP
  if (PowBy::takes(static_cast<float>(p[0]))) return vector_loop1<PowerByFew, float>(out, in, n, p);
#endif
  vector_loop1<PowerBy, float>(out, in, n, p);
}
MATH2(Hypot, vhypot(x, y))
template <class V>
TAHR_INLINE V logaddexp(V x, V y) {
  return larger(x, y) + log1p_unit(exp_below(gap(x, y)));
}
template <class V>
TAHR_INLINE V logaddexp2(V x, V y) {
  return larger(x, y) + log1p_unit(vexp2(gap(x, y))) * static_cast<Lane<V>>(1.44269504088896340736);
}
template <class V>
TAHR_INLINE V softplus(V x) {
  return vsoftplus(x);
}
template <class V>
TAHR_INLINE V log_sigmoid(V x) {
  return vlog_sigmoid(x);
}
#if TAHR_LOOKUP
TAHR_INLINE f32v logaddexp(f32v x, f32v y) {  // infinities of one sign have no distance
  const f32v d = vabs(x - y);
  return with_far(greater(x, y) + log1p_exp(d), lanes_not_upto(d, 7.8f), [&]() TAHR_LAMBDA {
    const f32v most = larger(x, y);
    return most + log1p_exp_far(-gap(x, y), most);
  });
}
TAHR_INLINE f32v logaddexp2(f32v x, f32v y) {
  const f32v d = vabs(x - y) * 0.693147182f;
  return with_far(greater(x, y) + log1p_exp(d) * 1.44269502f, lanes_not_upto(d, 7.8f),  // 1 more of equal numbers
                  [&]() TAHR_LAMBDA { return logaddexp2<f32v>(x, y); });
}
TAHR_INLINE f32v softplus(f32v x) {
  const f32v a = vabs(x), most = greater(f32v{}, x);
  return with_far(most + log1p_exp(a), lanes_not_upto(a, 7.8f),
                  [&]() TAHR_LAMBDA { return most + log1p_exp_far(a, most); });
}
TAHR_INLINE f32v log_sigmoid(f32v x) {
  const f32v a = vabs(x), least = lesser(f32v{}, x);
  return with_far(least - log1p_exp(a), lanes_not_upto(a, 7.8f),
                  [&]() TAHR_LAMBDA { return least - log1p_exp_far(a, least); });
}
#endif
MATH2(Logaddexp, logaddexp(x, y))
MATH2(Logaddexp2, logaddexp2(x, y))
MATH1(Sigmoid, vsigmoid(x))
MATH1(Softplus, softplus(x))
MATH1(LogSigmoid, log_sigmoid(x))
MATH1(Silu, x* vsigmoid(x))
MATH1(Gelu, vgelu(x))
MATH1(GeluTanh, vgelu_tanh(x))
MATH1P(Elu, select(x > T(0), x, P(0) * vexpm1(x)))
MATH1P(Celu, select(x > T(0), x, P(0) * vexpm1(x / P(0))))
MATH1P(Selu, P(1) * select(x > T(0), x, P(0) * vexpm1(x)))
MATH1(Mish, vmish(x))
MATH1(TanhShrink, x - vtanh(x))
// Gradients: x is dy, y the input of the activation.
MATH2(SiluGrad, x* silu_slope(y))
MATH2(GeluGrad, x* gelu_slope(y))
MATH2(GeluTanhGrad, x* gelu_tanh_slope(y))
MATH2P(EluGrad, x* select(y > T(0), splat<V>(P(2)), P(0) * vexp(P(1) * y)))

#define FLOAT1(Op) {Ew::Op, EwType::F32, vector_loop1<Op, float>, stream_loop1<Op, float>}
#define FLOAT2(Op) {Ew::Op, EwType::F32, vector_loop2<Op, float>, stream_loop2<Op, float>}
#define BOTH1(Op) \
  FLOAT1(Op), { Ew::Op, EwType::F64, vector_loop1<Op, double>, stream_loop1<Op, double> }
#define BOTH2(Op) \
  FLOAT2(Op), { Ew::Op, EwType::F64, vector_loop2<Op, double>, stream_loop2<Op, double> }

// Those of float64 are in elementwise_double.cpp where that has them.
#if TAHR_DOUBLES
#define OWN1(Op) FLOAT1(Op)
#define OWN2(Op) FLOAT2(Op)
#else
#define OWN1(Op) BOTH1(Op)
#define OWN2(Op) BOTH2(Op)
#endif

constexpr EwEntry kEntries[] = {
    BOTH1(Exp),       BOTH1(Exp2),        BOTH1(Expm1),     OWN1(Log),
    OWN1(Log2),       OWN1(Log10),        OWN1(Log1p),      OWN1(Sin),
    OWN1(Cos),        OWN1(Tan),          OWN1(Arcsin),     OWN1(Arccos),
    OWN1(Arctan),     BOTH2(Arctan2),     OWN1(Sinh),       OWN1(Cosh),
    OWN1(Tanh),       OWN1(Arcsinh),      OWN1(Arccosh),    OWN1(Arctanh),
    OWN1(Rsqrt),      FLOAT1(Erf),        FLOAT1(Erfc),     FLOAT1(Erfinv),
    FLOAT2(Power),    FLOAT2(Hypot),      OWN2(Logaddexp),  OWN2(Logaddexp2),
    OWN1(Sigmoid),    OWN1(Softplus),     OWN1(LogSigmoid), OWN1(Silu),
    FLOAT1(Gelu),     OWN1(GeluTanh),     BOTH1(Elu),       BOTH1(Celu),
    BOTH1(Selu),      OWN1(Mish),         OWN1(TanhShrink), OWN2(SiluGrad),
    FLOAT2(GeluGrad), OWN2(GeluTanhGrad), BOTH2(EluGrad),   {Ew::PowerBy, EwType::F32, power_by},
#if TAHR_LOOKUP
    FLOAT1(PowerOf),
#endif
    FLOAT1(Lgamma),   FLOAT1(Digamma),    FLOAT1(Trigamma), FLOAT1(I0),
    FLOAT1(I1),
};

}  // namespace

const EwEntries& elementwise_math_table() {
  static constexpr EwEntries table{kEntries, sizeof kEntries / sizeof kEntries[0]};
  return table;
}

}  // namespace tahr::TAHR_ISA
