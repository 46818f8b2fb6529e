// Conversions between element types in device code, with the contract of the CPU's casts: to bool is x != 0; float to
// integer truncates, what lies outside becomes the nearest end, NaN becomes 0; integers wrap; to a half type rounds to
// nearest even, float64 through float32.
#pragma once

#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "cuda/runtime.h"

#if !defined(TAHR_CUDA_EMULATED)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace tahr::cuda {

#if defined(TAHR_CUDA_EMULATED)
inline float widen(float16 h) { return to_float(h); }
inline float widen(bfloat16 h) { return to_float(h); }
template <class H>
H narrow(float f) {
  if constexpr (std::is_same_v<H, float16>) return to_float16(f);
  else return to_bfloat16(f);
}
#else
__device__ __forceinline__ float widen(float16 h) { return __half2float(__ushort_as_half(h.bits)); }
__device__ __forceinline__ float widen(bfloat16 h) { return __uint_as_float(static_cast<unsigned>(h.bits) << 16); }
template <class H>
__device__ __forceinline__ H narrow(float f) {
  if constexpr (std::is_same_v<H, float16>) return {__half_as_ushort(__float2half_rn(f))};
  else return {__bfloat16_as_ushort(__float2bfloat16_rn(f))};
}
#endif

template <class T>
inline constexpr bool kHalf = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;

template <class To, class From>
__device__ __forceinline__ To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (kHalf<From>) {
    return convert<To>(widen(x));
  } else if constexpr (kHalf<To>) {
    return narrow<To>(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr To low = std::numeric_limits<To>::min(), high = std::numeric_limits<To>::max();
    constexpr From end = static_cast<From>(uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * From(2);
    return x >= end ? high : x < static_cast<From>(low) ? low : x == x ? static_cast<To>(x) : To(0);
  } else {
    return static_cast<To>(x);
  }
}

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
