// Products of 16 x 16 tiles of halves by a warp, summed in float32, on tensor cores: NVIDIA's portable interface, from
// compute capability 7.0 (float16) and 8.0 (bfloat16) on. All lanes of a warp take part. Tiles lie in memory on
// boundaries of 32 bytes, their rows a multiple of 16 bytes apart.
#pragma once

#include <mma.h>

#include "cuda/convert.h"

namespace tahr::cuda::tensor {

namespace wmma = nvcuda::wmma;

#if defined(TAHR_CUDA_EMULATED)
template <class T>
using Element = T;
#else
template <class T>
using Element = std::conditional_t<std::is_same_v<T, float16>, __half, __nv_bfloat16>;
#endif

inline constexpr int kSide = 16;
template <class T>
using Left = wmma::fragment<wmma::matrix_a, 16, 16, 16, Element<T>, wmma::row_major>;
template <class T>
using Right = wmma::fragment<wmma::matrix_b, 16, 16, 16, Element<T>, wmma::row_major>;
template <class T>
using RightRows = wmma::fragment<wmma::matrix_b, 16, 16, 16, Element<T>, wmma::col_major>;  // transposed in memory
using Sum = wmma::fragment<wmma::accumulator, 16, 16, 16, float>;

template <class F, class T>
__device__ __forceinline__ void load(F& f, const T* at, int pitch) {
  wmma::load_matrix_sync(f, reinterpret_cast<const Element<T>*>(at), static_cast<unsigned>(pitch));
}
__device__ __forceinline__ void store(float* at, const Sum& s, int pitch) {
  wmma::store_matrix_sync(at, s, static_cast<unsigned>(pitch), wmma::mem_row_major);
}
// sum += left right
template <class L, class R>
__device__ __forceinline__ void multiply(Sum& sum, const L& left, const R& right) {
  wmma::mma_sync(sum, left, right, sum);
}

// Which element of a tile a lane's elements of a Sum are. `room`: 16 x 20 floats of the warp's own in shared memory.
struct Places {
  int16_t of[Sum::num_elements];
  __device__ __forceinline__ explicit Places(float* room) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    for (int e = lane; e < 256; e += 32) room[e / 16 * 20 + e % 16] = static_cast<float>(e);
    __syncwarp();
    Sum numbers;
    wmma::load_matrix_sync(numbers, room, 20, wmma::mem_row_major);
    TAHR_UNROLL
    for (int i = 0; i < Sum::num_elements; ++i) of[i] = static_cast<int16_t>(numbers.x[i]);
    __syncwarp();
  }
  __device__ __forceinline__ int row(int i) const { return of[i] / 16; }
  __device__ __forceinline__ int column(int i) const { return of[i] % 16; }
};

// Rows [0, rows) and columns [0, width) of a tile to rows `stride` apart; `room` as for Places.
template <class T>
__device__ __forceinline__ void write(float* room, const Sum& sum, T* to, int64_t stride, int64_t rows, int64_t width) {
  store(room, sum, 20);
  __syncwarp();
  for (int e = static_cast<int>(threadIdx.x) % 32; e < 256; e += 32) {
    const int r = e / 16, c = e % 16;
    if (r < rows && c < width) to[r * stride + c] = convert<T>(room[r * 20 + c]);
  }
  __syncwarp();
}

}  // namespace tahr::cuda::tensor
