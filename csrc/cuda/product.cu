// Matrix products by tiles in shared memory: each block makes 64 x 64 of the result, each thread 4 x 4. The sum over k
// runs in order. Floor: 2 m n k FLOPs; this reaches the arithmetic peak of float32 units only in part.
#include "cuda/product.h"

namespace tahr::cuda {
namespace {

constexpr int kTile = 64, kDepth = 16, kThreads = 256, kPad = 4;

template <class T>
struct ProductArgs {
  int64_t m, n, k;
  Matrix<T> a, b;
  T* c;
  int64_t ldc;
  bool accumulate;
  const T* bias;
};

// to[depth][i] of a tile whose places lie along `first`, the sum along `second`: rows first if not `across`.
template <class T>
__device__ __forceinline__ void load_tile(T (*to)[kTile + kPad], const T* from, int64_t ld, bool depth_runs_along_rows,
                                          int64_t place, int64_t places, int64_t depth, int64_t depths) {
  for (int e = threadIdx.x; e < kTile * kDepth; e += kThreads) {
    const int p = depth_runs_along_rows ? e / kDepth : e % kTile, d = depth_runs_along_rows ? e % kDepth : e / kTile;
    const int64_t row = depth_runs_along_rows ? place + p : depth + d,
                  col = depth_runs_along_rows ? depth + d : place + p;
    to[d][p] = place + p < places && depth + d < depths ? from[row * ld + col] : T(0);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) product_kernel(ProductArgs<T> g) {
  __shared__ T a[kDepth][kTile + kPad], b[kDepth][kTile + kPad];
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kTile, col = static_cast<int64_t>(blockIdx.y) * kTile;
  const int ty = static_cast<int>(threadIdx.x) / 16, tx = static_cast<int>(threadIdx.x) % 16;
  T sum[4][4] = {};
  for (int64_t d = 0; d < g.k; d += kDepth) {
    load_tile(a, g.a.data, g.a.ld, !g.a.transposed, row, g.m, d, g.k);
    load_tile(b, g.b.data, g.b.ld, g.b.transposed, col, g.n, d, g.k);
    __syncthreads();
    TAHR_UNROLL
    for (int p = 0; p < kDepth; ++p) {
      T x[4], y[4];
      TAHR_UNROLL
      for (int i = 0; i < 4; ++i) x[i] = a[p][ty * 4 + i], y[i] = b[p][tx + 16 * i];
      TAHR_UNROLL
      for (int i = 0; i < 4; ++i) TAHR_UNROLL
      for (int j = 0; j < 4; ++j) sum[i][j] += x[i] * y[j];
    }
    __syncthreads();
  }
  TAHR_UNROLL
  for (int i = 0; i < 4; ++i) {
    TAHR_UNROLL
    for (int j = 0; j < 4; ++j) {
      const int64_t r = row + ty * 4 + i, c = col + tx + 16 * j;
      if (r >= g.m || c >= g.n) continue;
      T* to = g.c + r * g.ldc + c;
      T v = sum[i][j];
      if (g.accumulate) v += *to;
      if (g.bias) v += g.bias[c];
      *to = v;
    }
  }
}

}  // namespace

template <class T>
void product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t ldc, bool accumulate,
             const T* bias) {
  if (m == 0 || n == 0) return;
  const dim3 grid(static_cast<unsigned>((m + kTile - 1) / kTile), static_cast<unsigned>((n + kTile - 1) / kTile));
  launch(product_kernel<T>, grid, dim3(kThreads), 0, ProductArgs<T>{m, n, k, a, b, c, ldc, accumulate, bias});
}

template void product(int64_t, int64_t, int64_t, Matrix<float>, Matrix<float>, float*, int64_t, bool, const float*);
template void product(int64_t, int64_t, int64_t, Matrix<double>, Matrix<double>, double*, int64_t, bool, const double*);

}  // namespace tahr::cuda
