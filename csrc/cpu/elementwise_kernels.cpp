// The CPU kernels of the elementwise family: each op's loop, types and parameters, handed to the driver.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/elementwise.h"
#include "cpu/elementwise_scalar.h"
#include "ops/elementwise_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

EwLoop g_loop[kEwCount][kDTypeCount];
float g_ns[kEwCount];

void collect(const EwEntries& entries, float ns) {
  for (size_t i = 0; i < entries.count; ++i) {
    const EwEntry& e = entries.begin[i];
    g_loop[static_cast<int>(e.op)][static_cast<int>(e.type)] = e.loop;
    float& cost = g_ns[static_cast<int>(e.op)];
    if (cost == 0) cost = ns;  // float32 comes first
  }
}

[[noreturn]] void no_loop(DType t) {
  throw Error(ErrorKind::NotImplemented, concat("an elementwise op has no CPU loop for ", name_of(t), "."));
}

// Fills in the loop of `op` on type t, through float32 for halves.
inline void choose(EwCall* call, Ew op, DType* t) {
  call->loop = g_loop[static_cast<int>(op)][static_cast<int>(*t)];
  if (!call->loop && is_half(*t)) {
    *t = DType::Float32;
    call->loop = g_loop[static_cast<int>(op)][static_cast<int>(*t)];
  }
  if (!call->loop) no_loop(*t);
  call->ns = g_ns[static_cast<int>(op)];
}

// The op computes in the type of its output, or, where that is bool, of its first input.
inline void resolve(Ew op, const EwSite& s, EwCall* call) {
  DType t = s.out == DType::Bool ? s.in : s.out;
  choose(call, op, &t);
  for (DType& in : call->in) in = t;
  call->out = s.out == DType::Bool ? DType::Bool : t;
}

template <Ew op>
void plain(const EwSite& s, EwCall* call) {
  resolve(op, s, call);
}

template <Ew op>
void on_bools(const EwSite&, EwCall* call) {
  DType t = DType::Bool;
  choose(call, op, &t);
  call->in[0] = call->in[1] = call->out = DType::Bool;
}

void select(const EwSite& s, EwCall* call) {
  DType t = s.out;
  choose(call, Ew::Select, &t);
  call->in[0] = DType::Bool;
  call->in[1] = call->in[2] = call->out = t;
}

void cast(const EwSite& s, EwCall* call) {
  call->in[0] = s.in;
  call->out = s.out;
  call->loop = cast_loop(s.in, s.out);
}

void copy(const EwSite& s, EwCall* call) {
  call->in[0] = call->out = s.in;
  call->loop = cast_loop(s.in, s.in);
}

void ldexp(const EwSite& s, EwCall* call) {
  DType t = s.out;
  choose(call, Ew::Ldexp, &t);
  call->in[0] = call->out = t;
  call->in[1] = DType::Int32;  // the cast saturates, as does the exponent's effect
}

template <int value, size_t size>
void fill_loop(void* out, const void* const*, int64_t n, const double*) {
  std::memset(out, value, static_cast<size_t>(n) * size);
}
template <int value>
void constant(const EwSite& s, EwCall* call) {
  call->in[0] = s.in;
  call->out = s.out;
  switch (size_of(s.out)) {
    case 1: call->loop = fill_loop<value, 1>; break;
    case 2: call->loop = fill_loop<value, 2>; break;
    case 4: call->loop = fill_loop<value, 4>; break;
    default: call->loop = fill_loop<value, 8>;
  }
}

// Some powers cost a fraction of the general one, and are exact: the loops below, for 2, 1, 1/2 and -1.
template <class T>
void first_power(void* out, const void* const* in, int64_t n, const double*) {
  std::memmove(out, in[0], static_cast<size_t>(n) * sizeof(T));
}
// The square root, but that of -0 is 0 and of -inf is inf.
template <class T>
void half_power(void* out, const void* const* in, int64_t n, const double* params) {
  constexpr int64_t kRun = 256;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const EwLoop root = g_loop[static_cast<int>(Ew::Sqrt)][static_cast<int>(DTypeOf<T>::value)];
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  for (int64_t i = 0; i < n; i += kRun) {
    const int64_t count = std::min(kRun, n - i);
    T roots[kRun];
    const void* from = x + i;
    root(roots, &from, count, params);
    for (int64_t k = 0; k < count; ++k) y[i + k] = x[i + k] == -kInfinity ? kInfinity : T(0) + roots[k];
  }
}
template <class T>
EwLoop exact_power(T e) {
  const auto loop = [](Ew op) { return g_loop[static_cast<int>(op)][static_cast<int>(DTypeOf<T>::value)]; };
  return e == T(2)     ? loop(Ew::Square)
         : e == T(1)   ? first_power<T>
         : e == T(0.5) ? half_power<T>
         : e == T(-1)  ? loop(Ew::Reciprocal)
                       : nullptr;
}
template <class T>
void power_by_one(void* out, const void* const* in, int64_t n, const double* params) {
  const EwLoop exact = exact_power(*static_cast<const T*>(in[1]));
  (exact ? exact : g_loop[static_cast<int>(Ew::Power)][static_cast<int>(DTypeOf<T>::value)])(out, in, n, params);
}
void power(const EwSite& s, EwCall* call) {
  resolve(Ew::Power, s, call);
  if (!s.one_second) return;
  if (call->out == DType::Float32) call->loop = power_by_one<float>;
  if (call->out == DType::Float64) call->loop = power_by_one<double>;
}

template <bool to_degrees>
void scale(const EwSite& s, EwCall* call) {
  constexpr double kPi = 3.14159265358979323846;
  resolve(Ew::Scale, s, call);
  call->params[0] = to_degrees ? 180 / kPi : kPi / 180;
}

void round(const EwSite& s, EwCall* call) {
  const int64_t places = static_cast<const RoundAttrs*>(s.attrs)->decimals;
  if (places == 0 && is_float(s.out)) return resolve(Ew::Rint, s, call);
  resolve(Ew::RoundDecimals, s, call);
  call->params[0] = std::pow(10., static_cast<double>(places));
  call->params[1] = std::pow(10., -static_cast<double>(places));
}

double largest(DType t) {
  switch (t) {
    case DType::Float16: return 65504;
    case DType::BFloat16: return 0x1.fep127;
    case DType::Float32: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}
void nan_to_num(const EwSite& s, EwCall* call) {
  if (!is_float(s.out)) return copy(s, call);
  const auto& at = *static_cast<const NanToNumAttrs*>(s.attrs);
  const double max = largest(s.out);
  resolve(Ew::NanToNum, s, call);
  call->params[0] = at.nan;
  call->params[1] = at.posinf.value_or(max);
  call->params[2] = at.neginf.value_or(-max);
}

template <Ew op>
void alpha(const EwSite& s, EwCall* call) {
  resolve(op, s, call);
  call->params[0] = static_cast<const AlphaAttrs*>(s.attrs)->alpha;
}
template <Ew op>
void slope(const EwSite& s, EwCall* call) {
  resolve(op, s, call);
  call->params[0] = static_cast<const LeakyReluAttrs*>(s.attrs)->negative_slope;
}
template <Ew op>
void shrink(const EwSite& s, EwCall* call) {
  resolve(op, s, call);
  call->params[0] = static_cast<const ShrinkAttrs*>(s.attrs)->threshold;
}
template <Ew exact, Ew approximate>
void gelu(const EwSite& s, EwCall* call) {
  resolve(static_cast<const GeluAttrs*>(s.attrs)->approximate ? approximate : exact, s, call);
}
void selu(const EwSite& s, EwCall* call) {
  resolve(Ew::Selu, s, call);
  call->params[0] = 1.6732632423543772848170429916717;
  call->params[1] = 1.0507009873554804934193349852946;
}
void threshold(const EwSite& s, EwCall* call) {
  const auto& at = *static_cast<const ThresholdAttrs*>(s.attrs);
  resolve(Ew::Threshold, s, call);
  call->params[0] = at.threshold;
  call->params[1] = at.default_value;
}
void squareplus(const EwSite& s, EwCall* call) {
  resolve(Ew::Squareplus, s, call);
  call->params[0] = static_cast<const SquareplusAttrs*>(s.attrs)->b;
}
void range_grad(const EwSite& s, EwCall* call) {
  const auto& at = *static_cast<const RangeGradAttrs*>(s.attrs);
  resolve(Ew::RangeGrad, s, call);
  call->params[0] = at.low;
  call->params[1] = at.high;
  call->params[2] = at.scale;
}
void elu_grad(const EwSite& s, EwCall* call) {
  const auto& at = *static_cast<const EluGradAttrs*>(s.attrs);
  resolve(Ew::EluGrad, s, call);
  call->params[0] = at.factor;
  call->params[1] = at.rate;
  call->params[2] = at.slope;
}

using EwResolve = void (*)(const EwSite&, EwCall*);

template <EwResolve f>
void kernel(const KernelArgs& a) {
  EwCall call;
  f({a.in[0].dtype(), a.out[0].dtype(), a.attrs}, &call);
  run_elementwise(a.in, a.out[0], call);
}

// The value of a single exponent is at hand: an exact power need not spread it over a tile.
void power_kernel(const KernelArgs& a) {
  const Tensor& exponent = a.in[1];
  EwCall call;
  resolve(Ew::Power, {a.in[0].dtype(), a.out[0].dtype(), a.attrs}, &call);
  if (is_float(a.out[0].dtype()) && exponent.size() == 1 && a.in[0].size() == a.out[0].size()) {
    const double e = exponent.item();
    if (const EwLoop loop = call.out == DType::Float64 ? exact_power(e) : exact_power(static_cast<float>(e))) {
      call.loop = loop;
      call.ns = g_ns[static_cast<int>(Ew::Square)];
      return run_elementwise(a.in.first(1), a.out[0], call);
    }
  }
  run_elementwise(a.in, a.out[0], call);
}

struct Registration {
  const char* op;
  EwResolve resolve;
  KernelFn kernel;
};
#define TAHR_EW(name, ...) {#name, __VA_ARGS__, kernel<__VA_ARGS__>}
constexpr Registration kRegistrations[] = {
    TAHR_EW(add, plain<Ew::Add>),
    TAHR_EW(subtract, plain<Ew::Subtract>),
    TAHR_EW(multiply, plain<Ew::Multiply>),
    TAHR_EW(divide, plain<Ew::Divide>),
    TAHR_EW(true_divide, plain<Ew::Divide>),
    TAHR_EW(divide_no_nan, plain<Ew::DivideNoNan>),
    TAHR_EW(floor_divide, plain<Ew::FloorDivide>),
    TAHR_EW(mod, plain<Ew::Mod>),
    TAHR_EW(fmod, plain<Ew::Fmod>),
    {"power", power, power_kernel},
    TAHR_EW(maximum, plain<Ew::Maximum>),
    TAHR_EW(minimum, plain<Ew::Minimum>),
    TAHR_EW(fmax, plain<Ew::Fmax>),
    TAHR_EW(fmin, plain<Ew::Fmin>),
    TAHR_EW(hypot, plain<Ew::Hypot>),
    TAHR_EW(copysign, plain<Ew::Copysign>),
    TAHR_EW(heaviside, plain<Ew::Heaviside>),
    TAHR_EW(nextafter, plain<Ew::Nextafter>),
    TAHR_EW(gcd, plain<Ew::Gcd>),
    TAHR_EW(lcm, plain<Ew::Lcm>),
    TAHR_EW(ldexp, ldexp),
    TAHR_EW(negative, plain<Ew::Negative>),
    TAHR_EW(absolute, plain<Ew::Absolute>),
    TAHR_EW(abs, plain<Ew::Absolute>),
    TAHR_EW(fabs, plain<Ew::Absolute>),
    TAHR_EW(sign, plain<Ew::Sign>),
    TAHR_EW(square, plain<Ew::Square>),
    TAHR_EW(sqrt, plain<Ew::Sqrt>),
    TAHR_EW(rsqrt, plain<Ew::Rsqrt>),
    TAHR_EW(cbrt, plain<Ew::Cbrt>),
    TAHR_EW(reciprocal, plain<Ew::Reciprocal>),
    TAHR_EW(deg2rad, scale<false>),
    TAHR_EW(rad2deg, scale<true>),
    TAHR_EW(floor, plain<Ew::Floor>),
    TAHR_EW(ceil, plain<Ew::Ceil>),
    TAHR_EW(trunc, plain<Ew::Trunc>),
    TAHR_EW(rint, plain<Ew::Rint>),
    TAHR_EW(round, round),
    TAHR_EW(angle, plain<Ew::Angle>),
    TAHR_EW(imag, constant<0>),
    TAHR_EW(nan_to_num, nan_to_num),

    TAHR_EW(cast, cast),
    TAHR_EW(equal, plain<Ew::Equal>),
    TAHR_EW(not_equal, plain<Ew::NotEqual>),
    TAHR_EW(less, plain<Ew::Less>),
    TAHR_EW(less_equal, plain<Ew::LessEqual>),
    TAHR_EW(greater, plain<Ew::Greater>),
    TAHR_EW(greater_equal, plain<Ew::GreaterEqual>),
    TAHR_EW(logical_and, on_bools<Ew::BitAnd>),
    TAHR_EW(logical_or, on_bools<Ew::BitOr>),
    TAHR_EW(logical_xor, on_bools<Ew::BitXor>),
    TAHR_EW(logical_not, on_bools<Ew::LogicalNot>),
    TAHR_EW(isnan, plain<Ew::IsNan>),
    TAHR_EW(isinf, plain<Ew::IsInf>),
    TAHR_EW(isfinite, plain<Ew::IsFinite>),
    TAHR_EW(isposinf, plain<Ew::IsPosInf>),
    TAHR_EW(isneginf, plain<Ew::IsNegInf>),
    TAHR_EW(isreal, constant<1>),
    TAHR_EW(signbit, plain<Ew::Signbit>),
    TAHR_EW(bitwise_and, plain<Ew::BitAnd>),
    TAHR_EW(bitwise_or, plain<Ew::BitOr>),
    TAHR_EW(bitwise_xor, plain<Ew::BitXor>),
    TAHR_EW(bitwise_not, plain<Ew::BitNot>),
    TAHR_EW(bitwise_invert, plain<Ew::BitNot>),
    TAHR_EW(bitwise_left_shift, plain<Ew::LeftShift>),
    TAHR_EW(left_shift, plain<Ew::LeftShift>),
    TAHR_EW(bitwise_right_shift, plain<Ew::RightShift>),
    TAHR_EW(right_shift, plain<Ew::RightShift>),
    TAHR_EW(where_select, select),
    TAHR_EW(clip, plain<Ew::Clip>),

    TAHR_EW(exp, plain<Ew::Exp>),
    TAHR_EW(exp2, plain<Ew::Exp2>),
    TAHR_EW(expm1, plain<Ew::Expm1>),
    TAHR_EW(log, plain<Ew::Log>),
    TAHR_EW(log2, plain<Ew::Log2>),
    TAHR_EW(log10, plain<Ew::Log10>),
    TAHR_EW(log1p, plain<Ew::Log1p>),
    TAHR_EW(logaddexp, plain<Ew::Logaddexp>),
    TAHR_EW(logaddexp2, plain<Ew::Logaddexp2>),
    TAHR_EW(sin, plain<Ew::Sin>),
    TAHR_EW(cos, plain<Ew::Cos>),
    TAHR_EW(tan, plain<Ew::Tan>),
    TAHR_EW(arcsin, plain<Ew::Arcsin>),
    TAHR_EW(arccos, plain<Ew::Arccos>),
    TAHR_EW(arctan, plain<Ew::Arctan>),
    TAHR_EW(arctan2, plain<Ew::Arctan2>),
    TAHR_EW(sinh, plain<Ew::Sinh>),
    TAHR_EW(cosh, plain<Ew::Cosh>),
    TAHR_EW(tanh, plain<Ew::Tanh>),
    TAHR_EW(arcsinh, plain<Ew::Arcsinh>),
    TAHR_EW(arccosh, plain<Ew::Arccosh>),
    TAHR_EW(arctanh, plain<Ew::Arctanh>),
    TAHR_EW(sinc, plain<Ew::Sinc>),
    TAHR_EW(erf, plain<Ew::Erf>),
    TAHR_EW(erfc, plain<Ew::Erfc>),
    TAHR_EW(erfinv, plain<Ew::Erfinv>),
    TAHR_EW(lgamma, plain<Ew::Lgamma>),
    TAHR_EW(digamma, plain<Ew::Digamma>),
    TAHR_EW(trigamma, plain<Ew::Trigamma>),
    TAHR_EW(i0, plain<Ew::I0>),
    TAHR_EW(i1, plain<Ew::I1>),

    TAHR_EW(relu, plain<Ew::Relu>),
    TAHR_EW(relu6, plain<Ew::Relu6>),
    TAHR_EW(leaky_relu, slope<Ew::LeakyRelu>),
    TAHR_EW(elu, alpha<Ew::Elu>),
    TAHR_EW(celu, alpha<Ew::Celu>),
    TAHR_EW(selu, selu),
    TAHR_EW(gelu, gelu<Ew::Gelu, Ew::GeluTanh>),
    TAHR_EW(sigmoid, plain<Ew::Sigmoid>),
    TAHR_EW(log_sigmoid, plain<Ew::LogSigmoid>),
    TAHR_EW(softplus, plain<Ew::Softplus>),
    TAHR_EW(silu, plain<Ew::Silu>),
    TAHR_EW(swish, plain<Ew::Silu>),
    TAHR_EW(mish, plain<Ew::Mish>),
    TAHR_EW(softsign, plain<Ew::Softsign>),
    TAHR_EW(hard_sigmoid, plain<Ew::HardSigmoid>),
    TAHR_EW(hard_silu, plain<Ew::HardSilu>),
    TAHR_EW(hard_swish, plain<Ew::HardSilu>),
    TAHR_EW(hard_tanh, plain<Ew::HardTanh>),
    TAHR_EW(hard_shrink, shrink<Ew::HardShrink>),
    TAHR_EW(soft_shrink, shrink<Ew::SoftShrink>),
    TAHR_EW(tanh_shrink, plain<Ew::TanhShrink>),
    TAHR_EW(squareplus, squareplus),
    TAHR_EW(threshold, threshold),
    TAHR_EW(sparse_plus, plain<Ew::SparsePlus>),
    TAHR_EW(sparse_sigmoid, plain<Ew::SparseSigmoid>),
    TAHR_EW(range_grad, range_grad),
    TAHR_EW(leaky_relu_grad, slope<Ew::LeakyReluGrad>),
    TAHR_EW(tanh_grad, plain<Ew::TanhGrad>),
    TAHR_EW(sigmoid_grad, plain<Ew::SigmoidGrad>),
    TAHR_EW(silu_grad, plain<Ew::SiluGrad>),
    TAHR_EW(gelu_grad, gelu<Ew::GeluGrad, Ew::GeluTanhGrad>),
    TAHR_EW(elu_grad, elu_grad),
};
#undef TAHR_EW

}  // namespace

EwCall elementwise_call(std::string_view op, const EwSite& site) {
  for (const Registration& r : kRegistrations) {
    if (op != r.op) continue;
    EwCall call;
    r.resolve(site, &call);
    return call;
  }
  throw_runtime("[", op, "] has no elementwise loop");
}

EwLoop elementwise_loop(Ew op, DType type) { return g_loop[static_cast<int>(op)][static_cast<int>(type)]; }
EwLoop cast_loop(DType from, DType to) {
  return elementwise_cast_table().loop[static_cast<int>(from)][static_cast<int>(to)];
}
double elementwise_ns(Ew op) { return g_ns[static_cast<int>(op)]; }

void register_elementwise_kernels() {
  collect(elementwise_arith_table(), 0.4f);
  collect(elementwise_math_table(), 1.0f);
  collect(elementwise_scalar_entries(), 10.0f);
  for (const Registration& r : kRegistrations) define_kernel(r.op, DeviceType::CPU, r.kernel);
}

}  // namespace tahr
