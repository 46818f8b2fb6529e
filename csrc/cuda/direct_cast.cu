// Kernels of casts: among floats, and between float32 or a half and bool, bytes and the usual integers. Others are
// rare.
#include "cuda/direct.h"

namespace tahr::cuda {
namespace {

template <class... T>
struct Types {};

template <class From, class... To>
Direct cast_from(Types<To...>, DType to) {
  Direct found = nullptr;
  const auto look = [&]<class R>() {
    if constexpr (!std::is_same_v<From, R>) {
      if (DTypeOf<R>::value == to) found = launch_direct<Ew::Cast, 1, From, R>;
    }
  };
  (look.template operator()<To>(), ...);
  return found;
}

using Floats = Types<float, float16, bfloat16>;
using All = Types<float, float16, bfloat16, double, bool, uint8_t, int32_t, int64_t>;

}  // namespace

Direct find_cast(DType from, DType to) {
  switch (from) {
    case DType::Float32: return cast_from<float>(All{}, to);
    case DType::Float16: return cast_from<float16>(All{}, to);
    case DType::BFloat16: return cast_from<bfloat16>(All{}, to);
    case DType::Float64: return cast_from<double>(Floats{}, to);
    case DType::Bool: return cast_from<bool>(Types<float, float16, bfloat16, int32_t>{}, to);
    case DType::UInt8: return cast_from<uint8_t>(Types<float, float16, bfloat16, int32_t>{}, to);
    case DType::Int32: return cast_from<int32_t>(Types<float, float16, bfloat16, int64_t>{}, to);
    case DType::Int64: return cast_from<int64_t>(Types<float, float16, bfloat16, int32_t>{}, to);
    default: return nullptr;
  }
}

}  // namespace tahr::cuda
