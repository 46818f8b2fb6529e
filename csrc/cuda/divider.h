// Division by numbers that a launch fixes.
#pragma once

#include <cstdint>

#include "cuda/device_code.h"

namespace tahr::cuda {

// x / d and x % d. In 32 bits by a multiplication, for 0 <= x < 2^31: T. Granlund, P. Montgomery, "Division by
// invariant integers using multiplication", PLDI 1994.
template <class I>
struct Divider;

template <>
struct Divider<int32_t> {
  uint32_t d = 1, multiplier = 1, shift = 0;
  Divider() = default;
  explicit Divider(int64_t divisor) : d(static_cast<uint32_t>(divisor)) {
    while ((uint64_t{1} << shift) < d) ++shift;
    multiplier = static_cast<uint32_t>((uint64_t{1} << 32) * ((uint64_t{1} << shift) - d) / d + 1);
  }
  __device__ __forceinline__ int32_t divide(int32_t x) const {
    const auto u = static_cast<unsigned>(x);
    return static_cast<int32_t>((__umulhi(u, multiplier) + u) >> shift);
  }
  // The quotient; *rest becomes the remainder.
  __device__ __forceinline__ int32_t divide(int32_t x, int32_t* rest) const {
    const int32_t q = divide(x);
    *rest = x - q * static_cast<int32_t>(d);
    return q;
  }
};

template <>
struct Divider<int64_t> {
  int64_t d = 1;
  Divider() = default;
  explicit Divider(int64_t divisor) : d(divisor) {}
  __device__ __forceinline__ int64_t divide(int64_t x) const { return x / d; }
  __device__ __forceinline__ int64_t divide(int64_t x, int64_t* rest) const {
    const int64_t q = x / d;
    *rest = x - q * d;
    return q;
  }
};

}  // namespace tahr::cuda
