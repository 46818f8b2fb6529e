// The CPU kernels of the elementwise family: each op's loop, types and parameters, handed to the driver.
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
void run(Ew op, const KernelArgs& a, const double* params = nullptr) {
  const Tensor& out = a.out[0];
  DType t = out.dtype() == DType::Bool ? a.in[0].dtype() : out.dtype();
  EwCall call;
  choose(&call, op, &t);
  for (size_t i = 0; i < a.in.size(); ++i) call.in[i] = t;
  call.out = out.dtype() == DType::Bool ? DType::Bool : t;
  call.params = params;
  run_elementwise(a.in, out, call);
}

template <Ew op>
void plain(const KernelArgs& a) {
  run(op, a);
}

template <Ew op>
void on_bools(const KernelArgs& a) {
  EwCall call;
  DType t = DType::Bool;
  choose(&call, op, &t);
  call.in[0] = call.in[1] = call.out = DType::Bool;
  run_elementwise(a.in, a.out[0], call);
}

void select_kernel(const KernelArgs& a) {
  EwCall call;
  DType t = a.out[0].dtype();
  choose(&call, Ew::Select, &t);
  call.in[0] = DType::Bool;
  call.in[1] = call.in[2] = call.out = t;
  run_elementwise(a.in, a.out[0], call);
}

void cast_kernel(const KernelArgs& a) {
  EwCall call;
  call.in[0] = a.in[0].dtype();
  call.out = a.out[0].dtype();
  call.loop = cast_loop(call.in[0], call.out);
  run_elementwise(a.in, a.out[0], call);
}

void ldexp_kernel(const KernelArgs& a) {
  EwCall call;
  DType t = a.out[0].dtype();
  choose(&call, Ew::Ldexp, &t);
  call.in[0] = call.out = t;
  call.in[1] = DType::Int32;  // the cast saturates, as does the exponent's effect
  run_elementwise(a.in, a.out[0], call);
}

template <bool value>
void constant_kernel(const KernelArgs& a) {
  const Tensor& out = a.out[0];
  std::memset(out.mutable_raw(), value ? 1 : 0, out.nbytes());
}

// A square or a copy costs a fraction of a general power, and is exact.
void power_kernel(const KernelArgs& a) {
  const Tensor& exponent = a.in[1];
  if (is_float(a.out[0].dtype()) && exponent.size() == 1 && a.in[0].size() == a.out[0].size()) {
    const double e = exponent.item();
    const KernelArgs base{a.in.first(1), a.out, nullptr};
    if (e == 2) return run(Ew::Square, base);
    if (e == -1) return run(Ew::Reciprocal, base);
  }
  run(Ew::Power, a);
}

template <bool to_degrees>
void scale_kernel(const KernelArgs& a) {
  constexpr double kPi = 3.14159265358979323846;
  const double p[3] = {to_degrees ? 180 / kPi : kPi / 180, 0, 0};
  run(Ew::Scale, a, p);
}

void round_kernel(const KernelArgs& a) {
  const int64_t places = a.as<RoundAttrs>().decimals;
  if (places == 0 && is_float(a.out[0].dtype())) return run(Ew::Rint, a);
  const double p[3] = {std::pow(10., static_cast<double>(places)), std::pow(10., -static_cast<double>(places)), 0};
  run(Ew::RoundDecimals, a, p);
}

double largest(DType t) {
  switch (t) {
    case DType::Float16: return 65504;
    case DType::BFloat16: return 0x1.fep127;
    case DType::Float32: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}
void nan_to_num_kernel(const KernelArgs& a) {
  const Tensor& out = a.out[0];
  if (!is_float(out.dtype())) {
    if (out.nbytes()) std::memcpy(out.mutable_raw(), a.in[0].raw(), out.nbytes());
    return;
  }
  const auto& at = a.as<NanToNumAttrs>();
  const double max = largest(out.dtype());
  const double p[3] = {at.nan, at.posinf.value_or(max), at.neginf.value_or(-max)};
  run(Ew::NanToNum, a, p);
}

template <Ew op>
void alpha_kernel(const KernelArgs& a) {
  const double p[3] = {a.as<AlphaAttrs>().alpha, 0, 0};
  run(op, a, p);
}
template <Ew op>
void slope_kernel(const KernelArgs& a) {
  const double p[3] = {a.as<LeakyReluAttrs>().negative_slope, 0, 0};
  run(op, a, p);
}
template <Ew op>
void shrink_kernel(const KernelArgs& a) {
  const double p[3] = {a.as<ShrinkAttrs>().threshold, 0, 0};
  run(op, a, p);
}
template <Ew exact, Ew approximate>
void gelu_kernel(const KernelArgs& a) {
  run(a.as<GeluAttrs>().approximate ? approximate : exact, a);
}
void selu_kernel(const KernelArgs& a) {
  const double p[3] = {1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 0};
  run(Ew::Selu, a, p);
}
void threshold_kernel(const KernelArgs& a) {
  const auto& at = a.as<ThresholdAttrs>();
  const double p[3] = {at.threshold, at.default_value, 0};
  run(Ew::Threshold, a, p);
}
void squareplus_kernel(const KernelArgs& a) {
  const double p[3] = {a.as<SquareplusAttrs>().b, 0, 0};
  run(Ew::Squareplus, a, p);
}
void range_grad_kernel(const KernelArgs& a) {
  const auto& at = a.as<RangeGradAttrs>();
  const double p[3] = {at.low, at.high, at.scale};
  run(Ew::RangeGrad, a, p);
}
void elu_grad_kernel(const KernelArgs& a) {
  const auto& at = a.as<EluGradAttrs>();
  const double p[3] = {at.factor, at.rate, at.slope};
  run(Ew::EluGrad, a, p);
}

struct Registration {
  const char* op;
  KernelFn kernel;
};
constexpr Registration kRegistrations[] = {
    {"add", plain<Ew::Add>},
    {"subtract", plain<Ew::Subtract>},
    {"multiply", plain<Ew::Multiply>},
    {"divide", plain<Ew::Divide>},
    {"true_divide", plain<Ew::Divide>},
    {"divide_no_nan", plain<Ew::DivideNoNan>},
    {"floor_divide", plain<Ew::FloorDivide>},
    {"mod", plain<Ew::Mod>},
    {"fmod", plain<Ew::Fmod>},
    {"power", power_kernel},
    {"maximum", plain<Ew::Maximum>},
    {"minimum", plain<Ew::Minimum>},
    {"fmax", plain<Ew::Fmax>},
    {"fmin", plain<Ew::Fmin>},
    {"hypot", plain<Ew::Hypot>},
    {"copysign", plain<Ew::Copysign>},
    {"heaviside", plain<Ew::Heaviside>},
    {"nextafter", plain<Ew::Nextafter>},
    {"gcd", plain<Ew::Gcd>},
    {"lcm", plain<Ew::Lcm>},
    {"ldexp", ldexp_kernel},
    {"negative", plain<Ew::Negative>},
    {"absolute", plain<Ew::Absolute>},
    {"abs", plain<Ew::Absolute>},
    {"fabs", plain<Ew::Absolute>},
    {"sign", plain<Ew::Sign>},
    {"square", plain<Ew::Square>},
    {"sqrt", plain<Ew::Sqrt>},
    {"rsqrt", plain<Ew::Rsqrt>},
    {"cbrt", plain<Ew::Cbrt>},
    {"reciprocal", plain<Ew::Reciprocal>},
    {"deg2rad", scale_kernel<false>},
    {"rad2deg", scale_kernel<true>},
    {"floor", plain<Ew::Floor>},
    {"ceil", plain<Ew::Ceil>},
    {"trunc", plain<Ew::Trunc>},
    {"rint", plain<Ew::Rint>},
    {"round", round_kernel},
    {"angle", plain<Ew::Angle>},
    {"imag", constant_kernel<false>},
    {"nan_to_num", nan_to_num_kernel},

    {"cast", cast_kernel},
    {"equal", plain<Ew::Equal>},
    {"not_equal", plain<Ew::NotEqual>},
    {"less", plain<Ew::Less>},
    {"less_equal", plain<Ew::LessEqual>},
    {"greater", plain<Ew::Greater>},
    {"greater_equal", plain<Ew::GreaterEqual>},
    {"logical_and", on_bools<Ew::BitAnd>},
    {"logical_or", on_bools<Ew::BitOr>},
    {"logical_xor", on_bools<Ew::BitXor>},
    {"logical_not", on_bools<Ew::LogicalNot>},
    {"isnan", plain<Ew::IsNan>},
    {"isinf", plain<Ew::IsInf>},
    {"isfinite", plain<Ew::IsFinite>},
    {"isposinf", plain<Ew::IsPosInf>},
    {"isneginf", plain<Ew::IsNegInf>},
    {"isreal", constant_kernel<true>},
    {"signbit", plain<Ew::Signbit>},
    {"bitwise_and", plain<Ew::BitAnd>},
    {"bitwise_or", plain<Ew::BitOr>},
    {"bitwise_xor", plain<Ew::BitXor>},
    {"bitwise_not", plain<Ew::BitNot>},
    {"bitwise_invert", plain<Ew::BitNot>},
    {"bitwise_left_shift", plain<Ew::LeftShift>},
    {"left_shift", plain<Ew::LeftShift>},
    {"bitwise_right_shift", plain<Ew::RightShift>},
    {"right_shift", plain<Ew::RightShift>},
    {"where_select", select_kernel},
    {"clip", plain<Ew::Clip>},

    {"exp", plain<Ew::Exp>},
    {"exp2", plain<Ew::Exp2>},
    {"expm1", plain<Ew::Expm1>},
    {"log", plain<Ew::Log>},
    {"log2", plain<Ew::Log2>},
    {"log10", plain<Ew::Log10>},
    {"log1p", plain<Ew::Log1p>},
    {"logaddexp", plain<Ew::Logaddexp>},
    {"logaddexp2", plain<Ew::Logaddexp2>},
    {"sin", plain<Ew::Sin>},
    {"cos", plain<Ew::Cos>},
    {"tan", plain<Ew::Tan>},
    {"arcsin", plain<Ew::Arcsin>},
    {"arccos", plain<Ew::Arccos>},
    {"arctan", plain<Ew::Arctan>},
    {"arctan2", plain<Ew::Arctan2>},
    {"sinh", plain<Ew::Sinh>},
    {"cosh", plain<Ew::Cosh>},
    {"tanh", plain<Ew::Tanh>},
    {"arcsinh", plain<Ew::Arcsinh>},
    {"arccosh", plain<Ew::Arccosh>},
    {"arctanh", plain<Ew::Arctanh>},
    {"sinc", plain<Ew::Sinc>},
    {"erf", plain<Ew::Erf>},
    {"erfc", plain<Ew::Erfc>},
    {"erfinv", plain<Ew::Erfinv>},
    {"lgamma", plain<Ew::Lgamma>},
    {"digamma", plain<Ew::Digamma>},
    {"trigamma", plain<Ew::Trigamma>},
    {"i0", plain<Ew::I0>},
    {"i1", plain<Ew::I1>},

    {"relu", plain<Ew::Relu>},
    {"relu6", plain<Ew::Relu6>},
    {"leaky_relu", slope_kernel<Ew::LeakyRelu>},
    {"elu", alpha_kernel<Ew::Elu>},
    {"celu", alpha_kernel<Ew::Celu>},
    {"selu", selu_kernel},
    {"gelu", gelu_kernel<Ew::Gelu, Ew::GeluTanh>},
    {"sigmoid", plain<Ew::Sigmoid>},
    {"log_sigmoid", plain<Ew::LogSigmoid>},
    {"softplus", plain<Ew::Softplus>},
    {"silu", plain<Ew::Silu>},
    {"swish", plain<Ew::Silu>},
    {"mish", plain<Ew::Mish>},
    {"softsign", plain<Ew::Softsign>},
    {"hard_sigmoid", plain<Ew::HardSigmoid>},
    {"hard_silu", plain<Ew::HardSilu>},
    {"hard_swish", plain<Ew::HardSilu>},
    {"hard_tanh", plain<Ew::HardTanh>},
    {"hard_shrink", shrink_kernel<Ew::HardShrink>},
    {"soft_shrink", shrink_kernel<Ew::SoftShrink>},
    {"tanh_shrink", plain<Ew::TanhShrink>},
    {"squareplus", squareplus_kernel},
    {"threshold", threshold_kernel},
    {"sparse_plus", plain<Ew::SparsePlus>},
    {"sparse_sigmoid", plain<Ew::SparseSigmoid>},
    {"range_grad", range_grad_kernel},
    {"leaky_relu_grad", slope_kernel<Ew::LeakyReluGrad>},
    {"tanh_grad", plain<Ew::TanhGrad>},
    {"sigmoid_grad", plain<Ew::SigmoidGrad>},
    {"silu_grad", plain<Ew::SiluGrad>},
    {"gelu_grad", gelu_kernel<Ew::GeluGrad, Ew::GeluTanhGrad>},
    {"elu_grad", elu_grad_kernel},
};

}  // namespace

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
