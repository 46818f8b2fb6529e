// Many threads at one line of numbers: packs of elements, values from lane to lane, and combining what threads have.
// The order in which values meet depends on the launch alone, so results have the same bits each time.
#pragma once

#include <cstring>

#include "cuda/convert.h"
#include "cuda/pack.h"
#include "cuda/runtime.h"

namespace tahr::cuda {

// 16 bytes of elements: what a thread loads at once where a line is aligned.
template <class T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));
inline bool is_aligned(const void* p) { return aligned(p, 16); }  // a null pointer is, too

// Elements [i, i + pack) of a line of n, as numbers to compute with; `fill` beyond the end. Which elements a thread
// gets does not depend on `packed`, which says that all of them may be loaded at once.
template <class T, class C>
__device__ __forceinline__ void load_line(const T* line, int64_t i, int64_t n, bool packed, C fill, C (&to)[kPack<T>]) {
  if (packed && i + kPack<T> <= n) {
    const auto p = load_pack<kPack<T>>(line + i);
    TAHR_UNROLL
    for (int u = 0; u < kPack<T>; ++u) to[u] = convert<C>(p.v[u]);
  } else {
    TAHR_UNROLL
    for (int u = 0; u < kPack<T>; ++u) to[u] = i + u < n ? convert<C>(line[i + u]) : fill;
  }
}

template <class T, class C>
__device__ __forceinline__ void store_line(T* line, int64_t i, int64_t n, bool packed, const C (&from)[kPack<T>]) {
  if (packed && i + kPack<T> <= n) {
    Pack<T, kPack<T>> p;
    TAHR_UNROLL
    for (int u = 0; u < kPack<T>; ++u) p.v[u] = convert<T>(from[u]);
    store_pack(line + i, p);
  } else {
    TAHR_UNROLL
    for (int u = 0; u < kPack<T>; ++u)
      if (i + u < n) line[i + u] = convert<T>(from[u]);
  }
}

// What the lane has whose number differs in the bits of `lanes`. All lanes of the warp take part.
template <class P>
__device__ __forceinline__ P of_lane(const P& v, int lanes) {
  constexpr int kWords = (sizeof(P) + 3) / 4;
  uint32_t words[kWords] = {};
  memcpy(words, &v, sizeof v);
  TAHR_UNROLL
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_xor_sync(0xffffffffu, words[i], lanes);
  P r;
  memcpy(&r, words, sizeof r);
  return r;
}

// Combines the values of lanes whose numbers agree but for the bits from `from` up to, without, `to`; all get the
// result.
template <class Op, class P>
__device__ __forceinline__ P combine_lanes(const Op& op, P v, int from, int to) {
  for (int lanes = from; lanes < to; lanes *= 2) v = op.combine(v, of_lane(v, lanes));
  return v;
}

// Combines the values of all kBlock threads whose numbers agree modulo `columns`, a power of two up to 32; all get the
// result. All threads of the block take part.
template <class Op, class P>
__device__ __forceinline__ P combine_block(const Op& op, P v, int columns) {
  constexpr int kWarps = kBlock / 32;
  __shared__ P between[kWarps * 32];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  v = combine_lanes(op, v, columns, 32);
  if (lane < columns) between[warp * 32 + lane] = v;
  __syncthreads();
  const int column = lane % columns;
  P r = between[column];
  for (int w = 1; w < kWarps; ++w) r = op.combine(r, between[w * 32 + column]);
  __syncthreads();
  return r;
}

// The same over a group of threads that lie side by side: a warp's, or all of the block.
template <class Op, class P>
__device__ __forceinline__ P combine_group(const Op& op, P v, int group) {
  return group > 32 ? combine_block(op, v, 1) : combine_lanes(op, v, 1, group);
}

// The sum of the values of the block's threads before this one, and of all of them. For 32- and 64-bit types.
template <class A>
struct Before {
  A sum, total;
};
template <class A>
__device__ __forceinline__ Before<A> sum_before(A v) {
  constexpr int kWarps = kBlock / 32;
  __shared__ A of_warps[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  A up_to = v;
  for (int d = 1; d < 32; d *= 2) {
    const A below = __shfl_up_sync(0xffffffffu, up_to, d);
    if (lane >= d) up_to += below;
  }
  if (lane == 31) of_warps[warp] = up_to;
  A before = __shfl_up_sync(0xffffffffu, up_to, 1);
  if (lane == 0) before = A(0);
  __syncthreads();
  A warps_before = A(0), total = A(0);
  for (int w = 0; w < kWarps; ++w) {
    if (w == warp) warps_before = total;
    total += of_warps[w];
  }
  __syncthreads();
  return {warps_before + before, total};
}

template <class C>
struct Add {
  __device__ C combine(C a, C b) const { return a + b; }
};
// NaN wins.
template <class C>
struct Max {
  __device__ C combine(C a, C b) const { return (b > a) | (b != b) ? b : a; }
};

constexpr int64_t kMostBlocks = 1 << 20;  // of a launch; they loop over the rest

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int power_of_two_from(int64_t n, int most) {  // the least that is >= n, at most `most`
  int p = 1;
  while (p < n && p < most) p *= 2;
  return p;
}

}  // namespace tahr::cuda
