// Kernels of ops of one input.
#include "cuda/direct.h"

namespace tahr::cuda {
namespace {

using Plain = EwList<Ew::Negative, Ew::Absolute, Ew::Sign, Ew::Square, Ew::Sqrt, Ew::Rsqrt, Ew::Reciprocal, Ew::Floor,
                     Ew::Ceil, Ew::Rint, Ew::Exp, Ew::Expm1, Ew::Log, Ew::Log1p, Ew::Sin, Ew::Cos, Ew::Tanh, Ew::Erf,
                     Ew::Sigmoid, Ew::LogSigmoid, Ew::Softplus, Ew::Relu, Ew::Relu6, Ew::LeakyRelu, Ew::Elu, Ew::Selu,
                     Ew::Silu, Ew::Gelu, Ew::GeluTanh, Ew::Mish, Ew::Softsign, Ew::HardSigmoid, Ew::HardSilu>;
using Tests = EwList<Ew::IsNan, Ew::IsInf, Ew::IsFinite>;

}  // namespace

Direct find_unary(Ew op, DType in, DType out) {
  if (in == out && in == DType::Bool && op == Ew::LogicalNot) return launch_direct<Ew::LogicalNot, 1, bool, bool>;
  if (out == DType::Bool) return find_in<1, true>(Tests{}, op, in);
  return in == out ? find_in<1, false>(Plain{}, op, in) : nullptr;
}

}  // namespace tahr::cuda
