// Elements that one thread takes through an elementwise computation together: loads and stores of up to 16 bytes where
// they lie side by side. For kernels of single ops and for programs that NVRTC compiles.
#pragma once

#include "cuda/divider.h"
#include "cuda/element.h"
#include "cuda/operands.h"
#include "cuda/pack.h"

namespace tahr::cuda {

// Of Spread::Cyclic; for i below 2^31.
struct Cycle {
  Divider<int32_t> inner, period;
};

// N neighbouring elements by accesses of at most 16 bytes.
template <int N, class T>
__device__ __forceinline__ Pack<T, N> load_wide(const T* p) {
  constexpr int kPart = sizeof(T) * N > 16 ? 16 / static_cast<int>(sizeof(T)) : N;
  Pack<T, N> x;
  TAHR_UNROLL
  for (int k = 0; k < N; k += kPart) {
    const Pack<T, kPart> part = load_pack<kPart>(p + k);
    TAHR_UNROLL
    for (int l = 0; l < kPart; ++l) x.v[k + l] = part.v[l];
  }
  return x;
}
template <int N, class T>
__device__ __forceinline__ void store_wide(T* p, const Pack<T, N>& x) {
  constexpr int kPart = sizeof(T) * N > 16 ? 16 / static_cast<int>(sizeof(T)) : N;
  TAHR_UNROLL
  for (int k = 0; k < N; k += kPart) {
    Pack<T, kPart> part;
    TAHR_UNROLL
    for (int l = 0; l < kPart; ++l) part.v[l] = x.v[k + l];
    store_pack<kPart>(p + k, part);
  }
}

// Elements first, ... of n; what lies beyond is undefined. `wide`: the tensor begins at a multiple of the accesses'
// width.
template <int N, class T>
__device__ __forceinline__ Pack<T, N> load_contiguous(const T* from, int64_t first, int64_t n, bool wide) {
  if (wide && first + N <= n) return load_wide<N>(from + first);
  Pack<T, N> x;
  TAHR_UNROLL
  for (int l = 0; l < N; ++l) x.v[l] = first + l < n ? from[first + l] : T{};
  return x;
}
template <int N, class T>
__device__ __forceinline__ void store_contiguous(T* to, const Pack<T, N>& x, int64_t first, int64_t n, bool wide) {
  if (wide && first + N <= n) return store_wide<N>(to + first, x);
  TAHR_UNROLL
  for (int l = 0; l < N; ++l) {
    if (first + l < n) to[first + l] = x.v[l];
  }
}

// Elements of a vector that is repeated. first is a multiple of N. Where packs do not straddle an end of it: one load.
template <int N, class T>
__device__ __forceinline__ Pack<T, N> load_cyclic(const T* from, const Cycle& c, int64_t first, int64_t n, bool wide) {
  Pack<T, N> x;
  if (first >= n) return Pack<T, N>{};
  const auto i = static_cast<int32_t>(first);
  int32_t at;
  if (c.inner.d % N == 0) {
    c.period.divide(c.inner.divide(i), &at);
    const T one = from[at];
    TAHR_UNROLL
    for (int l = 0; l < N; ++l) x.v[l] = one;
  } else if (c.inner.d == 1 && c.period.d % N == 0 && wide) {
    c.period.divide(i, &at);
    return load_wide<N>(from + at);
  } else {
    TAHR_UNROLL
    for (int l = 0; l < N; ++l) {
      c.period.divide(c.inner.divide(first + l < n ? i + l : i), &at);
      x.v[l] = from[at];
    }
  }
  return x;
}

}  // namespace tahr::cuda
