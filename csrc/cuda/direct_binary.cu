// Kernels of ops of two and three inputs.
#include "cuda/direct.h"

namespace tahr::cuda {
namespace {

using Plain = EwList<Ew::Add, Ew::Subtract, Ew::Multiply, Ew::Divide, Ew::DivideNoNan, Ew::Maximum, Ew::Minimum,
                     Ew::Power, Ew::RangeGrad, Ew::LeakyReluGrad, Ew::TanhGrad, Ew::SigmoidGrad, Ew::SiluGrad,
                     Ew::GeluGrad, Ew::GeluTanhGrad, Ew::EluGrad>;
using Tests = EwList<Ew::Equal, Ew::NotEqual, Ew::Less, Ew::LessEqual, Ew::Greater, Ew::GreaterEqual>;

template <class T>
void launch_select(const DirectCall& c) {
  launch(direct_select<T>, direct_grid<3, kLanesOf<T, T>>(c.n), dim3(kBlock), 0, c);
}

}  // namespace

Direct find_binary(Ew op, DType in, DType out) {
  if (in == out && in == DType::Bool) {
    if (op == Ew::BitAnd) return launch_direct<Ew::BitAnd, 2, bool, bool>;
    if (op == Ew::BitOr) return launch_direct<Ew::BitOr, 2, bool, bool>;
    if (op == Ew::BitXor) return launch_direct<Ew::BitXor, 2, bool, bool>;
    return nullptr;
  }
  if (out == DType::Bool) return find_in<2, true>(Tests{}, op, in);
  return in == out ? find_in<2, false>(Plain{}, op, in) : nullptr;
}

Direct find_ternary(Ew op, DType in, DType out) {
  if (in != out) return nullptr;
  if (op != Ew::Select) return find_in<3, false>(EwList<Ew::Clip>{}, op, in);
  switch (size_of(in)) {
    case 1: return launch_select<uint8_t>;
    case 2: return launch_select<uint16_t>;
    case 4: return launch_select<uint32_t>;
    default: return launch_select<uint64_t>;
  }
}

}  // namespace tahr::cuda
