// Which computation (ops/elementwise_codes.h) an elementwise op is on given dtypes: the type that it computes in, what
// it reads and writes, and its parameters. The one list of elementwise ops that all devices' kernels share.
#pragma once

#include <cmath>
#include <limits>
#include <string_view>

#include "core/dtype.h"
#include "core/error.h"
#include "ops/elementwise_attrs.h"
#include "ops/elementwise_codes.h"

namespace tahr {

inline constexpr int kEwMaxInputs = 3;

// What decides how an elementwise op is computed.
struct EwSite {
  DType in;  // of the first input
  DType out;
  const void* attrs;
  bool one_first = false;   // the first input is a single value, and the second as large as the result
  bool one_second = false;  // the other way round
};

struct EwPlan {
  Ew op = Ew::Copy;
  DType type = DType::Float32;  // the entry of the device's table
  DType in[kEwMaxInputs] = {};  // what the loop reads
  DType out = DType::Float32;   // what the loop writes
  double params[3] = {};
};

// What the CPU computes without a detour: the choice of types that all devices share.
using ElementwiseHas = bool (*)(Ew op, DType type);
void set_elementwise_has(ElementwiseHas has);
ElementwiseHas elementwise_has();

// Table::has(Ew, DType) says what a device can compute without a detour. Halves may go through float32.
template <class Table>
struct EwResolver {
  using Resolve = void (*)(const EwSite&, EwPlan*);

  static void choose(EwPlan* plan, Ew op, DType* t) {
    plan->op = op;
    if (is_half(*t) && !Table::has(op, *t)) *t = DType::Float32;
    if (!Table::has(op, *t)) [[unlikely]]
      throw Error(ErrorKind::NotImplemented, concat("an elementwise op has no loop for ", name_of(*t), "."));
    plan->type = *t;
  }

  // The op computes in the type of its output, or, where that is bool, of its first input.
  static void resolve(Ew op, const EwSite& s, EwPlan* plan) {
    DType t = s.out == DType::Bool ? s.in : s.out;
    choose(plan, op, &t);
    for (DType& in : plan->in) in = t;
    plan->out = s.out == DType::Bool ? DType::Bool : t;
  }

  template <Ew op>
  static void plain(const EwSite& s, EwPlan* plan) {
    resolve(op, s, plan);
  }

  template <Ew op>
  static void on_bools(const EwSite&, EwPlan* plan) {
    DType t = DType::Bool;
    choose(plan, op, &t);
    plan->in[0] = plan->in[1] = plan->out = DType::Bool;
  }

  static void select(const EwSite& s, EwPlan* plan) {
    DType t = s.out;
    choose(plan, Ew::Select, &t);
    plan->in[0] = DType::Bool;
    plan->in[1] = plan->in[2] = plan->out = t;
  }

  static void cast(const EwSite& s, EwPlan* plan) {
    plan->op = Ew::Cast;
    plan->type = plan->in[0] = s.in;
    plan->out = s.out;
  }

  static void copy(const EwSite& s, EwPlan* plan) {
    plan->op = Ew::Copy;
    plan->type = plan->in[0] = plan->out = s.in;
  }

  static void ldexp(const EwSite& s, EwPlan* plan) {
    DType t = s.out;
    choose(plan, Ew::Ldexp, &t);
    plan->in[0] = plan->out = t;
    plan->in[1] = DType::Int32;  // the cast saturates, as does the exponent's effect
  }

  template <int value>
  static void constant(const EwSite& s, EwPlan* plan) {
    plan->op = value ? Ew::One : Ew::Zero;
    plan->type = plan->out = s.out;
    plan->in[0] = s.in;
  }

  template <bool to_degrees>
  static void scale(const EwSite& s, EwPlan* plan) {
    constexpr double kPi = 3.14159265358979323846;
    resolve(Ew::Scale, s, plan);
    plan->params[0] = to_degrees ? 180 / kPi : kPi / 180;
  }

  static void round(const EwSite& s, EwPlan* plan) {
    const int64_t places = static_cast<const RoundAttrs*>(s.attrs)->decimals;
    if (places == 0 && is_float(s.out)) return resolve(Ew::Rint, s, plan);
    resolve(Ew::RoundDecimals, s, plan);
    plan->params[0] = std::pow(10., static_cast<double>(places));
    plan->params[1] = std::pow(10., -static_cast<double>(places));
  }

  static double largest(DType t) {
    switch (t) {
      case DType::Float16: return 65504;
      case DType::BFloat16: return 0x1.fep127;
      case DType::Float32: return std::numeric_limits<float>::max();
      default: return std::numeric_limits<double>::max();
    }
  }
  static void nan_to_num(const EwSite& s, EwPlan* plan) {
    if (!is_float(s.out)) return copy(s, plan);
    const auto& at = *static_cast<const NanToNumAttrs*>(s.attrs);
    const double max = largest(s.out);
    resolve(Ew::NanToNum, s, plan);
    plan->params[0] = at.nan;
    plan->params[1] = at.posinf.value_or(max);
    plan->params[2] = at.neginf.value_or(-max);
  }

  template <Ew op>
  static void alpha(const EwSite& s, EwPlan* plan) {
    resolve(op, s, plan);
    plan->params[0] = static_cast<const AlphaAttrs*>(s.attrs)->alpha;
  }
  template <Ew op>
  static void slope(const EwSite& s, EwPlan* plan) {
    resolve(op, s, plan);
    plan->params[0] = static_cast<const LeakyReluAttrs*>(s.attrs)->negative_slope;
  }
  template <Ew op>
  static void shrink(const EwSite& s, EwPlan* plan) {
    resolve(op, s, plan);
    plan->params[0] = static_cast<const ShrinkAttrs*>(s.attrs)->threshold;
  }
  template <Ew exact, Ew approximate>
  static void gelu(const EwSite& s, EwPlan* plan) {
    resolve(static_cast<const GeluAttrs*>(s.attrs)->approximate ? approximate : exact, s, plan);
  }
  static void selu(const EwSite& s, EwPlan* plan) {
    resolve(Ew::Selu, s, plan);
    plan->params[0] = 1.6732632423543772848170429916717;
    plan->params[1] = 1.0507009873554804934193349852946;
  }
  static void threshold(const EwSite& s, EwPlan* plan) {
    const auto& at = *static_cast<const ThresholdAttrs*>(s.attrs);
    resolve(Ew::Threshold, s, plan);
    plan->params[0] = at.threshold;
    plan->params[1] = at.default_value;
  }
  static void squareplus(const EwSite& s, EwPlan* plan) {
    resolve(Ew::Squareplus, s, plan);
    plan->params[0] = static_cast<const SquareplusAttrs*>(s.attrs)->b;
  }
  static void range_grad(const EwSite& s, EwPlan* plan) {
    const auto& at = *static_cast<const RangeGradAttrs*>(s.attrs);
    resolve(Ew::RangeGrad, s, plan);
    plan->params[0] = at.low;
    plan->params[1] = at.high;
    plan->params[2] = at.scale;
  }
  static void elu_grad(const EwSite& s, EwPlan* plan) {
    const auto& at = *static_cast<const EluGradAttrs*>(s.attrs);
    resolve(Ew::EluGrad, s, plan);
    plan->params[0] = at.factor;
    plan->params[1] = at.rate;
    plan->params[2] = at.slope;
  }
};

// X(op name, member of EwResolver). `power` is not among them: devices treat single exponents in ways of their own.
#define TAHR_ELEMENTWISE_OPS(X)                      \
  X(add, plain<Ew::Add>)                             \
  X(subtract, plain<Ew::Subtract>)                   \
  X(multiply, plain<Ew::Multiply>)                   \
  X(divide, plain<Ew::Divide>)                       \
  X(true_divide, plain<Ew::Divide>)                  \
  X(divide_no_nan, plain<Ew::DivideNoNan>)           \
  X(floor_divide, plain<Ew::FloorDivide>)            \
  X(mod, plain<Ew::Mod>)                             \
  X(fmod, plain<Ew::Fmod>)                           \
  X(maximum, plain<Ew::Maximum>)                     \
  X(minimum, plain<Ew::Minimum>)                     \
  X(fmax, plain<Ew::Fmax>)                           \
  X(fmin, plain<Ew::Fmin>)                           \
  X(hypot, plain<Ew::Hypot>)                         \
  X(copysign, plain<Ew::Copysign>)                   \
  X(heaviside, plain<Ew::Heaviside>)                 \
  X(nextafter, plain<Ew::Nextafter>)                 \
  X(gcd, plain<Ew::Gcd>)                             \
  X(lcm, plain<Ew::Lcm>)                             \
  X(ldexp, ldexp)                                    \
  X(negative, plain<Ew::Negative>)                   \
  X(absolute, plain<Ew::Absolute>)                   \
  X(abs, plain<Ew::Absolute>)                        \
  X(fabs, plain<Ew::Absolute>)                       \
  X(sign, plain<Ew::Sign>)                           \
  X(square, plain<Ew::Square>)                       \
  X(sqrt, plain<Ew::Sqrt>)                           \
  X(rsqrt, plain<Ew::Rsqrt>)                         \
  X(cbrt, plain<Ew::Cbrt>)                           \
  X(reciprocal, plain<Ew::Reciprocal>)               \
  X(deg2rad, scale<false>)                           \
  X(rad2deg, scale<true>)                            \
  X(floor, plain<Ew::Floor>)                         \
  X(ceil, plain<Ew::Ceil>)                           \
  X(trunc, plain<Ew::Trunc>)                         \
  X(rint, plain<Ew::Rint>)                           \
  X(round, round)                                    \
  X(angle, plain<Ew::Angle>)                         \
  X(imag, constant<0>)                               \
  X(nan_to_num, nan_to_num)                          \
  X(cast, cast)                                      \
  X(equal, plain<Ew::Equal>)                         \
  X(not_equal, plain<Ew::NotEqual>)                  \
  X(less, plain<Ew::Less>)                           \
  X(less_equal, plain<Ew::LessEqual>)                \
  X(greater, plain<Ew::Greater>)                     \
  X(greater_equal, plain<Ew::GreaterEqual>)          \
  X(logical_and, on_bools<Ew::BitAnd>)               \
  X(logical_or, on_bools<Ew::BitOr>)                 \
  X(logical_xor, on_bools<Ew::BitXor>)               \
  X(logical_not, on_bools<Ew::LogicalNot>)           \
  X(isnan, plain<Ew::IsNan>)                         \
  X(isinf, plain<Ew::IsInf>)                         \
  X(isfinite, plain<Ew::IsFinite>)                   \
  X(isposinf, plain<Ew::IsPosInf>)                   \
  X(isneginf, plain<Ew::IsNegInf>)                   \
  X(isreal, constant<1>)                             \
  X(signbit, plain<Ew::Signbit>)                     \
  X(bitwise_and, plain<Ew::BitAnd>)                  \
  X(bitwise_or, plain<Ew::BitOr>)                    \
  X(bitwise_xor, plain<Ew::BitXor>)                  \
  X(bitwise_not, plain<Ew::BitNot>)                  \
  X(bitwise_invert, plain<Ew::BitNot>)               \
  X(bitwise_left_shift, plain<Ew::LeftShift>)        \
  X(left_shift, plain<Ew::LeftShift>)                \
  X(bitwise_right_shift, plain<Ew::RightShift>)      \
  X(right_shift, plain<Ew::RightShift>)              \
  X(where_select, select)                            \
  X(clip, plain<Ew::Clip>)                           \
  X(exp, plain<Ew::Exp>)                             \
  X(exp2, plain<Ew::Exp2>)                           \
  X(expm1, plain<Ew::Expm1>)                         \
  X(log, plain<Ew::Log>)                             \
  X(log2, plain<Ew::Log2>)                           \
  X(log10, plain<Ew::Log10>)                         \
  X(log1p, plain<Ew::Log1p>)                         \
  X(logaddexp, plain<Ew::Logaddexp>)                 \
  X(logaddexp2, plain<Ew::Logaddexp2>)               \
  X(sin, plain<Ew::Sin>)                             \
  X(cos, plain<Ew::Cos>)                             \
  X(tan, plain<Ew::Tan>)                             \
  X(arcsin, plain<Ew::Arcsin>)                       \
  X(arccos, plain<Ew::Arccos>)                       \
  X(arctan, plain<Ew::Arctan>)                       \
  X(arctan2, plain<Ew::Arctan2>)                     \
  X(sinh, plain<Ew::Sinh>)                           \
  X(cosh, plain<Ew::Cosh>)                           \
  X(tanh, plain<Ew::Tanh>)                           \
  X(arcsinh, plain<Ew::Arcsinh>)                     \
  X(arccosh, plain<Ew::Arccosh>)                     \
  X(arctanh, plain<Ew::Arctanh>)                     \
  X(sinc, plain<Ew::Sinc>)                           \
  X(erf, plain<Ew::Erf>)                             \
  X(erfc, plain<Ew::Erfc>)                           \
  X(erfinv, plain<Ew::Erfinv>)                       \
  X(lgamma, plain<Ew::Lgamma>)                       \
  X(digamma, plain<Ew::Digamma>)                     \
  X(trigamma, plain<Ew::Trigamma>)                   \
  X(i0, plain<Ew::I0>)                               \
  X(i1, plain<Ew::I1>)                               \
  X(relu, plain<Ew::Relu>)                           \
  X(relu6, plain<Ew::Relu6>)                         \
  X(leaky_relu, slope<Ew::LeakyRelu>)                \
  X(elu, alpha<Ew::Elu>)                             \
  X(celu, alpha<Ew::Celu>)                           \
  X(selu, selu)                                      \
  X(gelu, gelu<Ew::Gelu, Ew::GeluTanh>)              \
  X(sigmoid, plain<Ew::Sigmoid>)                     \
  X(log_sigmoid, plain<Ew::LogSigmoid>)              \
  X(softplus, plain<Ew::Softplus>)                   \
  X(silu, plain<Ew::Silu>)                           \
  X(swish, plain<Ew::Silu>)                          \
  X(mish, plain<Ew::Mish>)                           \
  X(softsign, plain<Ew::Softsign>)                   \
  X(hard_sigmoid, plain<Ew::HardSigmoid>)            \
  X(hard_silu, plain<Ew::HardSilu>)                  \
  X(hard_swish, plain<Ew::HardSilu>)                 \
  X(hard_tanh, plain<Ew::HardTanh>)                  \
  X(hard_shrink, shrink<Ew::HardShrink>)             \
  X(soft_shrink, shrink<Ew::SoftShrink>)             \
  X(tanh_shrink, plain<Ew::TanhShrink>)              \
  X(squareplus, squareplus)                          \
  X(threshold, threshold)                            \
  X(sparse_plus, plain<Ew::SparsePlus>)              \
  X(sparse_sigmoid, plain<Ew::SparseSigmoid>)        \
  X(range_grad, range_grad)                          \
  X(leaky_relu_grad, slope<Ew::LeakyReluGrad>)       \
  X(tanh_grad, plain<Ew::TanhGrad>)                  \
  X(sigmoid_grad, plain<Ew::SigmoidGrad>)            \
  X(silu_grad, plain<Ew::SiluGrad>)                  \
  X(gelu_grad, gelu<Ew::GeluGrad, Ew::GeluTanhGrad>) \
  X(elu_grad, elu_grad)

}  // namespace tahr
