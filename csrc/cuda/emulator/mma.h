// The part of NVIDIA's header of this name that csrc/cuda uses, for the emulator: 16 x 16 x 16 products of a warp.
// Which thread has which element is not promised by the true one either; here it is a different, odd order for each
// kind.
#pragma once

#include <cuda_runtime.h>

#include <type_traits>

#include "core/dtype.h"

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int m, int n, int k, class T, class Layout = void>
struct fragment {
  static_assert(m == 16 && n == 16 && k == 16);
  static constexpr int num_elements = 8;
  T x[num_elements];
};

// Row and column, as row * 16 + column, of a lane's element.
template <class Use>
int place(int element) {
  const int lane = tahr::emulator::lane();
  if constexpr (std::is_same_v<Use, accumulator>) return (lane * 8 + element) * 37 & 255;
  else if constexpr (std::is_same_v<Use, matrix_a>) return element * 32 + lane;
  else return (element * 32 + lane) * 11 & 255;
}

template <class Use, class T, class Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& f, const T* from, unsigned pitch) {
  __syncwarp();
  for (int i = 0; i < f.num_elements; ++i) {
    const unsigned r = static_cast<unsigned>(place<Use>(i)) / 16, c = static_cast<unsigned>(place<Use>(i)) % 16;
    f.x[i] = std::is_same_v<Layout, col_major> ? from[c * pitch + r] : from[r * pitch + c];
  }
  __syncwarp();
}
inline void load_matrix_sync(fragment<accumulator, 16, 16, 16, float>& f, const float* from, unsigned pitch, layout_t) {
  __syncwarp();
  for (int i = 0; i < f.num_elements; ++i) {
    const unsigned at = static_cast<unsigned>(place<accumulator>(i));
    f.x[i] = from[at / 16 * pitch + at % 16];
  }
  __syncwarp();
}
inline void store_matrix_sync(float* to, const fragment<accumulator, 16, 16, 16, float>& f, unsigned pitch, layout_t) {
  __syncwarp();
  for (int i = 0; i < f.num_elements; ++i) {
    const unsigned at = static_cast<unsigned>(place<accumulator>(i));
    to[at / 16 * pitch + at % 16] = f.x[i];
  }
  __syncwarp();
}
inline void fill_fragment(fragment<accumulator, 16, 16, 16, float>& f, float v) {
  for (float& x : f.x) x = v;
}

template <class T, class LayoutA, class LayoutB>
void mma_sync(fragment<accumulator, 16, 16, 16, float>& d, const fragment<matrix_a, 16, 16, 16, T, LayoutA>& a,
              const fragment<matrix_b, 16, 16, 16, T, LayoutB>& b, const fragment<accumulator, 16, 16, 16, float>& c) {
  struct Tiles {
    float a[256], b[256];
  };
  static Tiles of_warps[32];
  Tiles& tiles = of_warps[(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) / 32];
  for (int i = 0; i < a.num_elements; ++i) {
    tiles.a[place<matrix_a>(i)] = tahr::to_float(a.x[i]);
    tiles.b[place<matrix_b>(i)] = tahr::to_float(b.x[i]);
  }
  __syncwarp();
  for (int i = 0; i < d.num_elements; ++i) {
    const int r = place<accumulator>(i) / 16, column = place<accumulator>(i) % 16;
    float sum = c.x[i];
    for (int e = 0; e < 16; ++e) sum += tiles.a[r * 16 + e] * tiles.b[e * 16 + column];
    d.x[i] = sum;
  }
  __syncwarp();
}

}  // namespace nvcuda::wmma
