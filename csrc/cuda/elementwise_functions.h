// One element of every elementwise computation (ops/elementwise_codes.h) in device code: the one definition, for the
// interpreter, for kernels of single ops, and for programs that NVRTC compiles.
#pragma once

#include <math.h>

#include "cuda/element.h"
#include "cuda/operands.h"
#include "ops/elementwise_codes.h"
#include "ops/elementwise_functions.h"

namespace tahr::cuda {

// Functions that are called, not inlined: long switches that several kernels share.
#if defined(TAHR_CUDA_EMULATED)
#define TAHR_DEVICE_CALL inline
#else
#define TAHR_DEVICE_CALL __noinline__ __device__ inline
#endif

// What gives a truth value on numbers.
TAHR_HD constexpr bool is_test(Ew op) { return (op >= Ew::Equal && op <= Ew::Signbit) || op == Ew::LogicalNot; }

namespace formulas {

template <class T>
__device__ T log1p_exp(T x) {  // log(1 + exp(x))
  return (x > T(0) ? x : T(0)) + log1p(exp(-fabs(x)));
}
template <class T>
__device__ T sigmoid(T x) {
  const T e = exp(-fabs(x));
  return (x >= T(0) ? T(1) : x != x ? x : e) / (T(1) + e);
}
template <class T>
__device__ T hard_sigmoid(T a) {
  const T y = (a + T(3)) * T(1. / 6);
  return y < T(0) ? T(0) : y > T(1) ? T(1) : y;
}
template <class T>
__device__ T normal_cdf(T x) {
  return T(0.5) * erfc(-x * T(M_SQRT1_2));
}
inline constexpr double kGeluRate = 0.79788456080286535588, kGeluCubic = 0.044715;
template <class T>
__device__ T gelu_tanh(T x) {
  return x * sigmoid(T(2 * kGeluRate) * (x + T(kGeluCubic) * x * x * x));
}
template <class T>
__device__ T gelu_tanh_slope(T x) {
  const T s = sigmoid(T(2 * kGeluRate) * (x + T(kGeluCubic) * x * x * x));
  return s + x * s * (T(1) - s) * T(2 * kGeluRate) * (T(1) + T(3 * kGeluCubic) * x * x);
}
template <class T>
__device__ T gelu_slope(T x) {
  return normal_cdf(x) + x * exp(T(-0.5) * x * x) * T(0.5 * M_2_SQRTPI * M_SQRT1_2);
}
template <class T>
__device__ T silu_slope(T x) {
  const T s = sigmoid(x);
  return s * (T(1) + x * (T(1) - s));
}
// x tanh(log(1 + exp(x)))
template <class T>
__device__ T mish(T x) {
  const T e = exp(-fabs(x));
  // tanh(log(1 + e^x)) = (n + 2) / (n + 2 + 2 / ...) with n = e^x: written with e^-|x| so that nothing overflows.
  const T n = x >= T(0) ? T(1) + T(2) * e : e * e + T(2) * e;
  const T d = x >= T(0) ? T(1) + T(2) * e + T(2) * e * e : e * e + T(2) * e + T(2);
  return x != x ? x : x * (n / d);
}
template <class T>
__device__ T log_add_exp(T x, T y) {
  const T larger = x > y || x != x ? x : y;
  return larger + log1p(exp(x == y ? T(0) : -fabs(x - y)));
}
template <class T>
__device__ T log_add_exp2(T x, T y) {
  const T larger = x > y || x != x ? x : y;
  return larger + log1p(exp2(x == y ? T(0) : -fabs(x - y))) * T(1.44269504088896340736);
}
// The exponents that the CPU takes exactly, too, come without a logarithm.
template <class T>
__device__ T power_of(T a, T b) {
  if (b == T(2)) return a * a;
  if (b == T(1)) return a;
  if (b == T(0.5)) return isinf(a) ? fabs(a) : sqrt(a + T(0));
  if (b == T(-1)) return T(1) / a;
  return pow(a, b);
}

// What is computed in float64 whatever the type: rare, long, and kept apart so that other ops need fewer registers.
TAHR_DEVICE_CALL double special(Ew op, double a) {
  switch (op) {
    case Ew::Cbrt: return scalar::cbrt(a);
    case Ew::Erfinv: return scalar::erfinv(a);
    case Ew::Lgamma: return scalar::lgamma(a);
    case Ew::Digamma: return scalar::digamma(a);
    case Ew::Trigamma: return scalar::trigamma(a);
    case Ew::Sinc: return scalar::sinc(a);
    case Ew::I0: return scalar::i0(a);
    default: return scalar::i1(a);
  }
}

}  // namespace formulas

// a (and b, c) of the type that the op computes in; b and c are a where the op has fewer inputs. Where `op` is a
// constant, its case is what is left.
template <class T, class P>
__device__ __forceinline__ T evaluate(Ew op, T a, T b, T c, const P& p) {
  using U = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
  if constexpr (std::is_floating_point_v<T>) {
    using namespace formulas;
    const T p0 = static_cast<T>(p.p0), p1 = static_cast<T>(p.p1), p2 = static_cast<T>(p.p2);
    switch (op) {
      case Ew::Add: return a + b;
      case Ew::Subtract: return a - b;
      case Ew::Multiply: return a * b;
      case Ew::Divide: return a / b;
      case Ew::DivideNoNan: return b == T(0) ? T(0) : a / b;
      case Ew::Maximum: return a > b || a != a ? a : b;
      case Ew::Minimum: return a < b || a != a ? a : b;
      case Ew::Fmax: return a >= b || b != b ? a : b;
      case Ew::Fmin: return a <= b || b != b ? a : b;
      case Ew::Negative: return -a;
      case Ew::Absolute: return fabs(a);
      case Ew::Sign: return a != a ? a : static_cast<T>((a > T(0)) - (a < T(0)));
      case Ew::Square: return a * a;
      case Ew::Sqrt: return sqrt(a);
      case Ew::Reciprocal: return T(1) / a;
      case Ew::Scale: return a * p0;
      case Ew::Floor: return floor(a);
      case Ew::Ceil: return ceil(a);
      case Ew::Trunc: return trunc(a);
      case Ew::Rint: return rint(a);
      case Ew::Clip: {
        const T t = a < b || b != b ? b : a;
        return t > c || c != c ? c : t;
      }
      case Ew::NanToNum: return a != a ? p0 : a == T(INFINITY) ? p1 : a == T(-INFINITY) ? p2 : a;
      case Ew::RangeGrad: return b > p0 && b < p1 ? a * p2 : T(0);
      case Ew::LeakyReluGrad: return b > T(0) ? a : a * p0;
      case Ew::Relu: return a < T(0) ? T(0) : a;
      case Ew::HardTanh: return a < T(-1) ? T(-1) : a > T(1) ? T(1) : a;
      case Ew::Relu6: return a < T(0) ? T(0) : a > T(6) ? T(6) : a;
      case Ew::LeakyRelu: return a < T(0) ? a * p0 : a;
      case Ew::HardSigmoid: return hard_sigmoid(a);
      case Ew::HardSilu: return a * hard_sigmoid(a);
      case Ew::HardShrink: return a >= -p0 && a <= p0 ? T(0) : a;
      case Ew::SoftShrink: return a > p0 ? a - p0 : a < -p0 ? a + p0 : a != a ? a : T(0);
      case Ew::Threshold: return a > p0 ? a : p1;
      case Ew::Softsign: return a / (fabs(a) + T(1));
      case Ew::Squareplus: return T(0.5) * (a + sqrt(a * a + p0));
      case Ew::SparsePlus: return a <= T(-1) ? T(0) : a >= T(1) ? a : T(0.25) * (a + T(1)) * (a + T(1));
      case Ew::SparseSigmoid: return a <= T(-1) ? T(0) : a >= T(1) ? T(1) : T(0.5) * (a + T(1));
      case Ew::TanhGrad: return a * (T(1) - b * b);
      case Ew::SigmoidGrad: return a * (b * (T(1) - b));
      case Ew::Exp: return exp(a);
      case Ew::Exp2: return exp2(a);
      case Ew::Expm1: return expm1(a);
      case Ew::Log: return log(a);
      case Ew::Log2: return log2(a);
      case Ew::Log10: return log10(a);
      case Ew::Log1p: return log1p(a);
      case Ew::Sin: return sin(a);
      case Ew::Cos: return cos(a);
      case Ew::Tan: return tan(a);
      case Ew::Arcsin: return asin(a);
      case Ew::Arccos: return acos(a);
      case Ew::Arctan: return atan(a);
      case Ew::Arctan2: return atan2(a, b);
      case Ew::Sinh: return sinh(a);
      case Ew::Cosh: return cosh(a);
      case Ew::Tanh: return tanh(a);
      case Ew::Arcsinh: return asinh(a);
      case Ew::Arccosh: return acosh(a);
      case Ew::Arctanh: return atanh(a);
      case Ew::Rsqrt: return T(1) / sqrt(a);
      case Ew::Erf: return erf(a);
      case Ew::Erfc: return erfc(a);
      case Ew::Power: return power_of(a, b);
      case Ew::Hypot: return hypot(a, b);
      case Ew::Logaddexp: return log_add_exp(a, b);
      case Ew::Logaddexp2: return log_add_exp2(a, b);
      case Ew::Sigmoid: return sigmoid(a);
      case Ew::Softplus: return log1p_exp(a);
      case Ew::LogSigmoid: return -log1p_exp(-a);
      case Ew::Silu: return a * sigmoid(a);
      case Ew::Gelu: return a * normal_cdf(a);
      case Ew::GeluTanh: return gelu_tanh(a);
      case Ew::Elu: return a > T(0) ? a : p0 * expm1(a);
      case Ew::Celu: return a > T(0) ? a : p0 * expm1(a / p0);
      case Ew::Selu: return p1 * (a > T(0) ? a : p0 * expm1(a));
      case Ew::Mish: return mish(a);
      case Ew::TanhShrink: return a - tanh(a);
      case Ew::SiluGrad: return a * silu_slope(b);
      case Ew::GeluGrad: return a * gelu_slope(b);
      case Ew::GeluTanhGrad: return a * gelu_tanh_slope(b);
      case Ew::EluGrad: return a * (b > T(0) ? p2 : p0 * exp(p1 * b));
      case Ew::FloorDivide: return scalar::floor_divide(a, b);
      case Ew::Mod: return scalar::mod(a, b);
      case Ew::Fmod: return scalar::fmod(a, b);
      case Ew::Ldexp: return ldexp(a, static_cast<int>(b < T(-5000) ? T(-5000) : b > T(5000) ? T(5000) : b));
      case Ew::Nextafter: return scalar::next(a, b);
      case Ew::Heaviside: return scalar::heaviside(a, b);
      case Ew::Copysign: return scalar::signed_copy(a, b);
      case Ew::RoundDecimals: return scalar::round_decimals(a, p.p0, p.p1);
      case Ew::Angle: return scalar::angle(a);
      case Ew::Copy: return a;
      case Ew::Zero: return T(0);
      case Ew::One: return T(1);
      default: return static_cast<T>(special(op, static_cast<double>(a)));
    }
  } else if constexpr (std::is_same_v<T, bool>) {
    switch (op) {
      case Ew::Add:
      case Ew::Maximum:
      case Ew::Fmax:
      case Ew::BitOr: return a || b;
      case Ew::Multiply:
      case Ew::Minimum:
      case Ew::Fmin:
      case Ew::BitAnd: return a && b;
      case Ew::BitXor: return a != b;
      case Ew::BitNot:
      case Ew::LogicalNot: return !a;
      case Ew::Zero: return false;
      case Ew::One: return true;
      default: return a;
    }
  } else {  // integers wrap: computed without sign
    const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
    switch (op) {
      case Ew::Add: return static_cast<U>(ua + ub);
      case Ew::Subtract: return static_cast<U>(ua - ub);
      case Ew::Multiply: return static_cast<U>(ua * ub);
      case Ew::Square: return static_cast<U>(ua * ua);
      case Ew::Maximum:
      case Ew::Fmax: return a > b ? a : b;
      case Ew::Minimum:
      case Ew::Fmin: return a < b ? a : b;
      case Ew::Negative: return static_cast<U>(uint64_t{0} - ua);
      case Ew::Absolute: return a < U(0) ? static_cast<U>(uint64_t{0} - ua) : a;
      case Ew::Sign: return static_cast<U>((a > U(0)) - (a < U(0)));
      case Ew::Clip: {
        const T t = a < b ? b : a;
        return t > c ? c : t;
      }
      case Ew::Relu: return a < U(0) ? U(0) : a;
      case Ew::BitAnd: return static_cast<U>(a & b);
      case Ew::BitOr: return static_cast<U>(a | b);
      case Ew::BitXor: return static_cast<U>(a ^ b);
      case Ew::BitNot: return static_cast<U>(~a);
      case Ew::FloorDivide: return scalar::floor_divide(a, b);
      case Ew::Mod: return scalar::mod(a, b);
      case Ew::Fmod: return scalar::fmod(a, b);
      case Ew::Power: return scalar::power(a, b);
      case Ew::LeftShift: return scalar::left_shift(a, b);
      case Ew::RightShift: return scalar::right_shift(a, b);
      case Ew::Gcd: return scalar::gcd(a, b);
      case Ew::Lcm: return scalar::lcm(a, b);
      case Ew::RoundDecimals: return scalar::round_decimals(a, p.p0, p.p1);
      case Ew::Zero: return U(0);
      case Ew::One: return U(1);
      default: return a;
    }
  }
}

template <class T>
__device__ __forceinline__ bool evaluate_test(Ew op, T a, T b) {
  switch (op) {
    case Ew::Equal: return a == b;
    case Ew::NotEqual: return a != b;
    case Ew::Less: return a < b;
    case Ew::LessEqual: return a <= b;
    case Ew::Greater: return a > b;
    case Ew::GreaterEqual: return a >= b;
    case Ew::LogicalNot: return a == T(0);
    default: break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    switch (op) {
      case Ew::IsNan: return a != a;
      case Ew::IsInf: return fabs(a) == T(INFINITY);
      case Ew::IsFinite: return fabs(a) < T(INFINITY);
      case Ew::IsPosInf: return a == T(INFINITY);
      case Ew::IsNegInf: return a == T(-INFINITY);
      default: return std::signbit(a);
    }
  } else {
    return op == Ew::IsFinite || (op == Ew::Signbit && a < T(0));
  }
}

// The same, called: for kernels that know the op only as they run.
template <class T>
TAHR_DEVICE_CALL T compute(Ew op, T a, T b, T c, const EwParams& p) {
  return evaluate(op, a, b, c, p);
}
template <class T>
TAHR_DEVICE_CALL bool test(Ew op, T a, T b) {
  return evaluate_test(op, a, b);
}

}  // namespace tahr::cuda
