// Philox in device code, and arithmetic whose bits do not depend on the compiler: what random kernels share.
#pragma once

#include "core/philox.h"
#include "cuda/convert.h"
#include "cuda/index_rows.h"

namespace tahr::cuda {

// A number whose sums and products are rounded one by one, never fused: the CPU's random numbers are made this way.
template <class T>
struct Exact {
  T v;
  Exact() = default;
  __device__ __forceinline__ Exact(T x) : v(x) {}
};
__device__ __forceinline__ Exact<float> operator*(Exact<float> a, Exact<float> b) { return __fmul_rn(a.v, b.v); }
__device__ __forceinline__ Exact<float> operator+(Exact<float> a, Exact<float> b) { return __fadd_rn(a.v, b.v); }
__device__ __forceinline__ Exact<float> operator-(Exact<float> a, Exact<float> b) { return __fadd_rn(a.v, -b.v); }
__device__ __forceinline__ Exact<float> operator/(Exact<float> a, Exact<float> b) { return __fdiv_rn(a.v, b.v); }
__device__ __forceinline__ Exact<double> operator*(Exact<double> a, Exact<double> b) { return __dmul_rn(a.v, b.v); }
__device__ __forceinline__ Exact<double> operator+(Exact<double> a, Exact<double> b) { return __dadd_rn(a.v, b.v); }

__device__ __forceinline__ PhiloxKey key_at(const void* seed, DType type) {
  return {static_cast<uint64_t>(load_integer(seed, type, 0)), static_cast<uint64_t>(load_integer(seed, type, 1))};
}

// 53 bits: in [0, 1), and strictly inside (0, 1).
__device__ __forceinline__ double unit(uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }
__device__ __forceinline__ double open_unit(uint64_t word) { return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52; }

// f(block, i) for each block of the draws of n elements, `group` to 16 blocks: element i is the first that reads the
// block's words, the others follow at distances of 16.
template <class F>
__device__ __forceinline__ void each_block(PhiloxKey key, int64_t n, int64_t group, F&& f) {
  const int64_t blocks = (n + group - 1) / group * kGroupBlocks;
  for (int64_t b = grid_index(); b < blocks; b += grid_size()) {
    f(philox(key, static_cast<uint64_t>(b)), b / kGroupBlocks * group + b % kGroupBlocks);
  }
}

// The word of element i, where it alone is asked for.
__device__ __forceinline__ uint32_t word32(PhiloxKey key, int64_t i) {
  return philox(key, static_cast<uint64_t>(i / kGroup32 * kGroupBlocks + i % kGroupBlocks)).word[i % kGroup32 / 16];
}

// out[i] = f(word of element i, i), one 32-bit word each
template <class T, class F>
__global__ void draw32_kernel(const void* seed, DType seed_type, T* out, int64_t n, const F f) {
  each_block(key_at(seed, seed_type), n, kGroup32, [&](const PhiloxBlock& b, int64_t i) {
    TAHR_UNROLL
    for (int w = 0; w < 4; ++w) {
      if (i + 16 * w < n) out[i + 16 * w] = f(b.word[w], i + 16 * w);
    }
  });
}

// The same with 64-bit words.
template <class T, class F>
__global__ void draw64_kernel(const void* seed, DType seed_type, T* out, int64_t n, const F f) {
  each_block(key_at(seed, seed_type), n, kGroup64, [&](const PhiloxBlock& b, int64_t i) {
    TAHR_UNROLL
    for (int h = 0; h < 2; ++h) {
      if (i + 16 * h < n) out[i + 16 * h] = f(b.word64(h), i + 16 * h);
    }
  });
}

template <class T, class F>
void draw32(const Tensor& seed, T* out, int64_t n, const F& f) {
  launch(draw32_kernel<T, F>, grid_for(n, 4), dim3(kBlock), 0, seed.raw(), seed.dtype(), out, n, f);
}
template <class T, class F>
void draw64(const Tensor& seed, T* out, int64_t n, const F& f) {
  launch(draw64_kernel<T, F>, grid_for(n, 2), dim3(kBlock), 0, seed.raw(), seed.dtype(), out, n, f);
}

// A parameter tensor read as double at places of a shape that it broadcasts to.
struct Parameter {
  const void* data;
  DType type;
  int rank = 0;
  int64_t n[kMaxRank], stride[kMaxRank];

  Parameter(const Tensor& t, const Shape& to) : data(t.raw()), type(t.dtype()) {
    const auto own = contiguous_strides(t.shape());
    const int offset = to.rank() - t.rank();
    if (t.shape() == to) {  // as one dimension
      rank = 1;
      n[0] = t.size() > 0 ? t.size() : 1;
      stride[0] = 1;
      return;
    }
    if (t.size() == 1) return;
    rank = to.rank();
    for (int d = 0; d < rank; ++d) {
      n[d] = to[d];
      stride[d] = d < offset || t.dim(d - offset) == 1 ? 0 : own[static_cast<size_t>(d - offset)];
    }
  }
  __device__ double operator[](int64_t i) const {
    int64_t at = rank == 1 ? i : 0;
    for (int d = rank - 1; d >= 0 && rank > 1; --d) {
      at += i % n[d] * stride[d];
      i /= n[d];
    }
    if (rank == 1) at *= stride[0];
    double v = 0;
    with_type(type, [&]<class T>() { v = convert<double>(static_cast<const T*>(data)[at]); });
    return v;
  }
};

void register_random_samplers();  // random_samplers.cu

}  // namespace tahr::cuda
