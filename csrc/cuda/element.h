// Conversions between element types in device code, with the contract of the CPU's casts: to bool is x != 0; float to
// integer truncates, what lies outside becomes the nearest end, NaN becomes 0; integers wrap; to a half type rounds to
// nearest even, float64 through float32.
#pragma once

#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "cuda/device_code.h"

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
// By the instructions themselves: NVRTC has no <cuda_fp16.h>. Host passes of nvcc see declarations only.
__device__ __forceinline__ float widen(float16 h) {
  float f = 0;
#if defined(__CUDA_ARCH__)
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h.bits));
#endif
  return f;
}
__device__ __forceinline__ float widen(bfloat16 h) { return __uint_as_float(static_cast<unsigned>(h.bits) << 16); }
template <class H>
__device__ __forceinline__ H narrow(float f) {
  H h{0};
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<H, float16>) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(f));
  } else {
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.bits) : "f"(f));
#else
    const unsigned u = __float_as_uint(f);
    h.bits = f != f ? uint16_t{0x7fff} : static_cast<uint16_t>((u + 0x7fff + (u >> 16 & 1)) >> 16);
#endif
  }
#endif
  return h;
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

}  // namespace tahr::cuda
