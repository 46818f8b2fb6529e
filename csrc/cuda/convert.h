// Element types in device code: `convert<To>(x)` and `widen` of cuda/element.h, and C++ types for dtypes.
#pragma once

#include "cuda/element.h"
#include "cuda/runtime.h"

namespace tahr::cuda {

// As visit_dtype, for floating-point dtypes; on others nothing.
template <class F>
void visit_float(DType d, F&& f) {
  visit_dtype(d, [&]<class T>() {
    if constexpr (!std::is_integral_v<T>) f.template operator()<T>();
  });
}

// Calls f.template operator()<T>() with the C++ type of a dtype, in device code: a branch that all threads take alike.
template <class F>
__device__ __forceinline__ void with_type(DType d, F&& f) {
  switch (d) {
    case DType::Bool: f.template operator()<bool>(); break;
    case DType::UInt8: f.template operator()<uint8_t>(); break;
    case DType::UInt16: f.template operator()<uint16_t>(); break;
    case DType::UInt32: f.template operator()<uint32_t>(); break;
    case DType::UInt64: f.template operator()<uint64_t>(); break;
    case DType::Int8: f.template operator()<int8_t>(); break;
    case DType::Int16: f.template operator()<int16_t>(); break;
    case DType::Int32: f.template operator()<int32_t>(); break;
    case DType::Int64: f.template operator()<int64_t>(); break;
    case DType::Float16: f.template operator()<float16>(); break;
    case DType::BFloat16: f.template operator()<bfloat16>(); break;
    case DType::Float32: f.template operator()<float>(); break;
    default: f.template operator()<double>();
  }
}

}  // namespace tahr::cuda
