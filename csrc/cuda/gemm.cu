// Our own matrix product, for what cuBLASLt does not multiply (integers, bool), for machines without it, and as what
// the emulated cuBLASLt is compared with.
//
// A block of 256 threads makes a 64 x 64 tile of C, 16 steps of the sum at a time from shared memory; a thread makes
// 4 x 4 elements, 16 apart, so that neighbours read and write neighbours. Floor: 2 m n k operations outside of the
// tensor cores; this reaches perhaps half of that.
#include <algorithm>

#include "cuda/convert.h"
#include "cuda/elementwise_functions.h"
#include "cuda/gemm.h"
#include "cuda/index_math.h"

namespace tahr::cuda {
namespace {

constexpr int kTile = 64, kDepth = 16, kSide = 16, kEach = kTile / kSide;
constexpr int64_t kMostBatches = 65535;  // of a grid's second dimension

template <class T>
struct Sum {  // the type that a product of T is summed in, and the result's
  using Acc = T;
  using Out = T;
};
template <>
struct Sum<float16> {
  using Acc = float;
  using Out = float16;
};
template <>
struct Sum<bfloat16> {
  using Acc = float;
  using Out = bfloat16;
};
template <>
struct Sum<bool> {
  using Acc = bool;
  using Out = bool;
};
#define TAHR_WRAPPING(T, A, O) \
  template <>                  \
  struct Sum<T> {              \
    using Acc = A;             \
    using Out = O;             \
  };
TAHR_WRAPPING(int8_t, uint32_t, int32_t)
TAHR_WRAPPING(int16_t, uint32_t, int16_t)
TAHR_WRAPPING(int32_t, uint32_t, int32_t)
TAHR_WRAPPING(int64_t, uint64_t, int64_t)
TAHR_WRAPPING(uint8_t, uint32_t, uint8_t)
TAHR_WRAPPING(uint16_t, uint32_t, uint16_t)
#undef TAHR_WRAPPING

template <class Acc>
__device__ __forceinline__ Acc multiply_add(Acc sum, Acc x, Acc y) {
  if constexpr (std::is_same_v<Acc, bool>) return sum || (x && y);
  else return sum + x * y;
}

template <class T>
__device__ __forceinline__ T finish_one(T x, Gemm::End end) {
  if (end == Gemm::End::Relu) return x < T(0) ? T(0) : x;  // NaN stays
  if (end == Gemm::End::GeluTanh) return formulas::gelu_tanh(x);
  return x;
}

template <class T>
__global__ void __launch_bounds__(kBlock) tiled_kernel(Gemm g, int64_t tiles_n) {
  using Acc = typename Sum<T>::Acc;
  using Out = typename Sum<T>::Out;
  __shared__ Acc a_part[kDepth][kTile + 1], b_part[kDepth][kTile + 1];
  const int t = static_cast<int>(threadIdx.x), row = t / kSide, col = t % kSide;
  const int64_t i0 = blockIdx.x / tiles_n * kTile, j0 = blockIdx.x % tiles_n * kTile;
  for (int64_t batch = blockIdx.y; batch < g.batch; batch += gridDim.y) {
    const T* a = static_cast<const T*>(g.a) + batch * g.stride_a;
    const T* b = static_cast<const T*>(g.b) + batch * g.stride_b;
    Acc sum[kEach][kEach] = {};
    for (int64_t k0 = 0; k0 < g.k; k0 += kDepth) {
      for (int e = t; e < kTile * kDepth; e += kBlock) {
        // Neighbouring threads read along the rows of the matrix as it lies.
        const int ad = g.ta ? e / kTile : e % kDepth, ai = g.ta ? e % kTile : e / kDepth;
        const int64_t i = i0 + ai, ak = k0 + ad;
        Acc x{};
        if (i < g.m && ak < g.k) x = convert<Acc>(a[g.ta ? ak * g.lda + i : i * g.lda + ak]);
        a_part[ad][ai] = x;
        const int bd = g.tb ? e % kDepth : e / kTile, bj = g.tb ? e / kDepth : e % kTile;
        const int64_t j = j0 + bj, bk = k0 + bd;
        Acc y{};
        if (j < g.n && bk < g.k) y = convert<Acc>(b[g.tb ? j * g.ldb + bk : bk * g.ldb + j]);
        b_part[bd][bj] = y;
      }
      __syncthreads();
      for (int d = 0; d < kDepth; ++d) {
        Acc x[kEach], y[kEach];
        TAHR_UNROLL
        for (int r = 0; r < kEach; ++r) x[r] = a_part[d][row + r * kSide];
        TAHR_UNROLL
        for (int s = 0; s < kEach; ++s) y[s] = b_part[d][col + s * kSide];
        TAHR_UNROLL
        for (int r = 0; r < kEach; ++r) {
          TAHR_UNROLL
          for (int s = 0; s < kEach; ++s) sum[r][s] = multiply_add(sum[r][s], x[r], y[s]);
        }
      }
      __syncthreads();
    }
    Out* c = static_cast<Out*>(g.c) + batch * g.stride_c;
    TAHR_UNROLL
    for (int r = 0; r < kEach; ++r) {
      TAHR_UNROLL
      for (int s = 0; s < kEach; ++s) {
        const int64_t i = i0 + row + r * kSide, j = j0 + col + s * kSide;
        if (i >= g.m || j >= g.n) continue;
        Out& to = c[i * g.ldc + j];
        if constexpr (std::is_floating_point_v<Acc>) {
          const auto* factors = static_cast<const Acc*>(g.factors);
          const Acc alpha = factors ? factors[0] : static_cast<Acc>(g.alpha);
          const Acc beta = factors ? factors[1] : static_cast<Acc>(g.beta);
          Acc y = alpha * sum[r][s];
          if (beta != Acc(0)) y += beta * convert<Acc>(to);
          if (g.bias) y += convert<Acc>(static_cast<const Out*>(g.bias)[j]);
          to = convert<Out>(finish_one(y, g.end));
        } else {
          to = static_cast<Out>(sum[r][s]);
        }
      }
    }
  }
}

// One pass over C: reads and writes it once.
template <class T, class I>
__global__ void finish_kernel(const __grid_constant__ Gemm g, Divider<I> columns, Divider<I> rows) {
  using Acc = typename Sum<T>::Acc;
  if constexpr (std::is_floating_point_v<Acc>) {
    const int64_t size = g.batch * g.m * g.n;
    for (int64_t at = grid_index(); at < size; at += grid_size()) {
      I j;
      const I row = columns.divide(static_cast<I>(at), &j), batch = rows.divide(row);
      T& to = static_cast<T*>(g.c)[batch * g.stride_c + (row - batch * g.m) * g.ldc + j];
      Acc y = convert<Acc>(to);
      if (g.bias) y += convert<Acc>(static_cast<const T*>(g.bias)[j]);
      to = convert<T>(finish_one(y, g.end));
    }
  }
}

// Tiles of 32 x 32 through shared memory: reads along the rows as they lie, writes along the result's. Floor: reads and
// writes the matrix once.
constexpr int kPatch = 32, kPatchRows = kBlock / kPatch;
__global__ void __launch_bounds__(kBlock)
    repack_kernel(const int8_t* from, bool transposed, int64_t stride, int64_t ld, int64_t rows, int64_t cols,
                  int64_t width, int64_t patches, int8_t* to) {
  __shared__ int8_t part[kPatch][kPatch + 4];
  const int x = static_cast<int>(threadIdx.x) % kPatch, y = static_cast<int>(threadIdx.x) / kPatch;
  const int64_t i = blockIdx.y, r0 = blockIdx.x / patches * kPatch, c0 = blockIdx.x % patches * kPatch;
  from += i * stride;
  to += i * rows * width;
  for (int s = y; s < kPatch; s += kPatchRows) {
    const int r = transposed ? x : s, c = transposed ? s : x;
    const int64_t at_r = r0 + r, at_c = c0 + c;
    const bool inside = at_r < rows && at_c < cols;
    part[r][c] = inside ? from[transposed ? at_c * ld + at_r : at_r * ld + at_c] : int8_t{0};
  }
  __syncthreads();
  for (int s = y; s < kPatch; s += kPatchRows) {
    if (r0 + s < rows && c0 + x < width) to[(r0 + s) * width + c0 + x] = part[s][x];
  }
}

}  // namespace

void repack_int8(const void* from, bool transposed, int64_t batch, int64_t stride, int64_t ld, int64_t rows,
                 int64_t cols, int64_t width, void* to) {
  const int64_t across = (width + kPatch - 1) / kPatch, patches = (rows + kPatch - 1) / kPatch * across;
  const dim3 grid(static_cast<unsigned>(patches), static_cast<unsigned>(batch));
  launch(repack_kernel, grid, dim3(kBlock), 0, static_cast<const int8_t*>(from), transposed, stride, ld, rows, cols,
         width, across, static_cast<int8_t*>(to));
}

void gemm_tiled(const Gemm& g) {
  const int64_t tiles_n = (g.n + kTile - 1) / kTile, tiles = (g.m + kTile - 1) / kTile * tiles_n;
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(std::min(g.batch, kMostBatches)));
  visit_dtype(g.type, [&]<class T>() { launch(tiled_kernel<T>, grid, dim3(kBlock), 0, g, tiles_n); });
}

void gemm_finish(const Gemm& g) {
  const int64_t size = g.batch * g.m * g.n;
  visit_float(g.type, [&]<class T>() {
    with_index(size, [&]<class I>() {
      launch(finish_kernel<T, I>, grid_for(size, 4), dim3(kBlock), 0, g, Divider<I>(g.n), Divider<I>(g.m));
    });
  });
}

}  // namespace tahr::cuda
