// Random numbers with the CPU's bits (core/philox.h says which words an element reads): uniform, normal, truncated
// normal, randint, bernoulli, dropout. The formulas are those of cpu/random.cpp and cpu/isa/random.cpp, each operation
// rounded by itself. Only float64 normals use functions of the device's library, whose last bits may differ.
//
// Floor: the bytes written (dropout: read and written); a block of Philox costs about 60 integer operations for four
// words. A warp writes lines of 16 neighbouring elements.
#include <bit>
#include <cmath>
#include <limits>

#include "cuda/copy.h"
#include "cuda/random_device.h"
#include "ops/random_attrs.h"

namespace tahr::cuda {
namespace {

constexpr double kPi = 3.14159265358979323846;

using F = Exact<float>;

// ln(x) for normal x > 0: x = m 2^e with m in [sqrt(1/2), sqrt 2), ln m = 2 atanh(s), s = (m - 1) / (m + 1).
__device__ F log_positive(F x) {
  const auto bits = std::bit_cast<int32_t>(x.v);
  const int32_t e = (bits - 0x3f3504f3) >> 23;
  const F m = std::bit_cast<float>(bits - (e << 23));
  const F s = (m - 1.0f) / (m + 1.0f);
  const F z = s * s;
  const F series = z * (F(1.0f / 3) + z * (F(1.0f / 5) + z * (F(1.0f / 7) + z * F(1.0f / 9))));
  return F(static_cast<float>(e)) * 0.693147182464599609375f + (s + s) * (F(1.0f) + series);
}

// cos and sin of 2 pi w / 2^32. The quadrant and the remainder are exact, in integers.
__device__ void cos_sin_turn(uint32_t w, F* cosine, F* sine) {
  const int32_t quadrant = static_cast<int32_t>(w + (1u << 29)) >> 30;
  const F t = F(static_cast<float>(static_cast<int32_t>(w - (static_cast<uint32_t>(quadrant) << 30)))) * 0x1p-30f;
  const F z = t * t;
  const F s = t * (F(1.57079633f) + z * (F(-6.45964096e-01f) +
                                         z * (F(7.96925827e-02f) + z * (F(-4.68126637e-03f) + z * 1.58206523e-04f))));
  const F c =
      F(1.0f) + z * (F(-1.23370054f) + z * (F(2.53669204e-01f) + z * (F(-2.08600704e-02f) + z * 9.03629883e-04f)));
  const bool swapped = quadrant & 1;
  const auto c_abs = std::bit_cast<uint32_t>(swapped ? s.v : c.v);
  const auto s_abs = std::bit_cast<uint32_t>(swapped ? c.v : s.v);
  *cosine = std::bit_cast<float>(c_abs ^ ((static_cast<uint32_t>(quadrant + 1) & 2u) << 30));
  *sine = std::bit_cast<float>(s_abs ^ ((static_cast<uint32_t>(quadrant) & 2u) << 30));
}

// z = sqrt(-2 ln u) (cos, sin)(2 pi v), u = (w0 + 1/2) 2^-32 in (0, 1] rounded to float.
__device__ void box_muller(uint32_t w0, uint32_t w1, F* z0, F* z1) {
  const F high = F(static_cast<float>(w0 >> 16)) * 65536.0f;
  const F low = F(static_cast<float>(w0 & 0xffff)) + 0.5f;
  const F u = (high + low) * 0x1p-32f;
  const F radius = __fsqrt_rn((log_positive(u) * -2.0f).v);
  F c, s;
  cos_sin_turn(w1, &c, &s);
  *z0 = radius * c;
  *z1 = radius * s;
}

// A float32 normal within two standard deviations: erfinv by the polynomial of isa/random.cpp.
__device__ F truncated(uint32_t word) {
  const F u = F(static_cast<float>(static_cast<int32_t>(word))) * static_cast<float>(0x1p-31f * 0.95449973610364158f);
  const F w = -log_positive((F(1.0f) - u) * (F(1.0f) + u)).v;
  F p = -3.5281550481158774e-07f;
  p = p * w - 1.605691977601964e-06f;
  p = p * w + 5.48597308807075e-05f;
  p = p * w - 0.0001378452143399045f;
  p = p * w - 0.0023289162199944258f;
  p = p * w + 0.011547445319592953f;
  p = p * w + 0.23201388120651245f;
  p = p * w + 0.8862268924713135f;
  const float z = (p * u * 1.4142135623730951f).v;
  return z > 2.0f ? 2.0f : z < -2.0f ? -2.0f : z;
}

// ---- uniform ------------------------------------------------------------------------------------------------

struct UniformFloat {
  float low, scale, upper;
  __device__ float operator()(uint32_t w, int64_t) const {
    const float v = (F(static_cast<float>(w >> 8)) * 0x1p-24f * scale + low).v;
    return v > upper ? upper : v;
  }
};

struct UniformDouble {
  double low, scale, upper;
  __device__ double operator()(uint64_t w, int64_t) const {
    const double v = (Exact<double>(low) + Exact<double>(scale) * unit(w)).v;
    return upper < v ? upper : v;
  }
};

// Halves draw only as many bits as their mantissa holds, so that rounding does not favour the upper end.
template <class T>
struct UniformHalf {
  float low, scale, limit, unit_step;
  int shift;
  T below;
  __device__ T operator()(uint32_t w, int64_t) const {
    const T v = convert<T>((F(low) + F(scale) * (F(static_cast<float>(w >> shift)) * unit_step)).v);
    return widen(v) >= limit ? below : v;
  }
};

// The next half below.
template <class T>
T previous(T h) {
  if ((h.bits & 0x7fff) == 0) return {0x8001};
  return {static_cast<uint16_t>(h.bits & 0x8000 ? h.bits + 1 : h.bits - 1)};
}

template <class T>
UniformHalf<T> uniform_half(float low, float high, float scale, int bits) {
  const T excluded = store_as<T>(high);
  return {low,
          scale,
          low < high ? to_float(excluded) : std::numeric_limits<float>::infinity(),
          std::ldexp(1.0f, -bits),
          32 - bits,
          previous(excluded)};
}

void uniform(const KernelArgs& k) {
  const auto& a = k.as<UniformAttrs>();
  const Tensor &seed = k.in[0], &y = k.out[0];
  const int64_t n = y.size();
  if (n == 0) return;
  if (y.dtype() == DType::Float64) {
    const double upper = a.minval < a.maxval ? std::nextafter(a.maxval, a.minval) : a.maxval;
    return draw64(seed, y.mutable_data<double>(), n, UniformDouble{a.minval, a.maxval - a.minval, upper});
  }
  const float low = static_cast<float>(a.minval), high = static_cast<float>(a.maxval);
  const float scale = static_cast<float>(a.maxval - a.minval);
  switch (y.dtype()) {
    case DType::Float32:
      return draw32(seed, y.mutable_data<float>(), n,
                    UniformFloat{low, scale, low < high ? std::nextafter(high, low) : high});
    case DType::Float16: return draw32(seed, y.mutable_data<float16>(), n, uniform_half<float16>(low, high, scale, 11));
    default: draw32(seed, y.mutable_data<bfloat16>(), n, uniform_half<bfloat16>(low, high, scale, 8));
  }
}

// ---- normal -------------------------------------------------------------------------------------------------

template <class T>
__global__ void normal_kernel(const void* seed, DType type, T* out, int64_t n, float mean, float stddev) {
  each_block(key_at(seed, type), n, kGroup32, [&](const PhiloxBlock& b, int64_t i) {
    TAHR_UNROLL
    for (int pair = 0; pair < 2; ++pair) {
      F z[2];
      box_muller(b.word[2 * pair], b.word[2 * pair + 1], &z[0], &z[1]);
      TAHR_UNROLL
      for (int h = 0; h < 2; ++h) {
        const int64_t at = i + 32 * pair + 16 * h;
        if (at < n) out[at] = convert<T>((z[h] * stddev + mean).v);
      }
    }
  });
}

// Block b holds two normals in float64: cos and sin halves of one Box-Muller pair.
__global__ void normal_double_kernel(const void* seed, DType type, double* out, int64_t n, double mean, double stddev) {
  each_block(key_at(seed, type), n, kGroup64, [&](const PhiloxBlock& b, int64_t i) {
    const double radius = sqrt(-2 * log(open_unit(b.word64(0)))) * stddev, turn = unit(b.word64(1));
    if (i < n) out[i] = mean + radius * cos(2 * kPi * turn);
    if (i + 16 < n) out[i + 16] = mean + radius * sin(2 * kPi * turn);
  });
}

void normal(const KernelArgs& k) {
  const auto& a = k.as<NormalAttrs>();
  const Tensor &seed = k.in[0], &y = k.out[0];
  const int64_t n = y.size();
  if (n == 0) return;
  if (y.dtype() == DType::Float64) {
    return launch(normal_double_kernel, grid_for(n, 2), dim3(kBlock), 0, seed.raw(), seed.dtype(),
                  y.mutable_data<double>(), n, a.mean, a.stddev);
  }
  visit_dtype(y.dtype(), [&]<class T>() {
    if constexpr (kHalf<T> || std::is_same_v<T, float>) {
      launch(normal_kernel<T>, grid_for(n, 4), dim3(kBlock), 0, seed.raw(), seed.dtype(), y.mutable_data<T>(), n,
             static_cast<float>(a.mean), static_cast<float>(a.stddev));
    }
  });
}

template <class T>
struct TruncatedNormal {
  float mean, stddev;
  __device__ T operator()(uint32_t w, int64_t) const { return convert<T>((truncated(w) * stddev + mean).v); }
};

// sqrt(2) erfinv(t) for |t| <= erf(sqrt 2): the polynomial, then one Newton step on erf.
struct TruncatedNormalDouble {
  double mean, stddev, edge;
  __device__ double operator()(uint64_t word, int64_t) const {
    constexpr double kCoefficients[] = {-3.5281550481158774e-07, -1.605691977601964e-06, 5.48597308807075e-05,
                                        -0.0001378452143399045,  -0.0023289162199944258, 0.011547445319592953,
                                        0.23201388120651245,     0.8862268924713135};
    const double t = (2 * open_unit(word) - 1) * edge, w = -log((1 - t) * (1 + t));
    double p = 0;
    for (const double c : kCoefficients) p = p * w + c;
    const double root = sqrt(2.0), z = p * t * root, slope = sqrt(2 / kPi) * exp(-0.5 * z * z);
    const double v = z - (erf(z / root) - t) / slope;
    return mean + stddev * (v < -2.0 ? -2.0 : v > 2.0 ? 2.0 : v);
  }
};

void truncated_normal(const KernelArgs& k) {
  const auto& a = k.as<NormalAttrs>();
  const Tensor &seed = k.in[0], &y = k.out[0];
  if (y.size() == 0) return;
  if (y.dtype() == DType::Float64) {
    return draw64(seed, y.mutable_data<double>(), y.size(),
                  TruncatedNormalDouble{a.mean, a.stddev, std::erf(std::sqrt(2.0))});
  }
  visit_dtype(y.dtype(), [&]<class T>() {
    if constexpr (kHalf<T> || std::is_same_v<T, float>) {
      draw32(seed, y.mutable_data<T>(), y.size(),
             TruncatedNormal<T>{static_cast<float>(a.mean), static_cast<float>(a.stddev)});
    }
  });
}

// ---- integers and choices -----------------------------------------------------------------------------------

template <class T>
struct Integer {
  uint64_t low, range;
  __device__ T operator()(uint64_t w, int64_t) const { return static_cast<T>(low + __umul64hi(w, range)); }
};

void randint(const KernelArgs& k) {
  const auto& a = k.as<RandintAttrs>();
  const Tensor& y = k.out[0];
  if (y.size() == 0) return;
  const auto low = static_cast<uint64_t>(a.minval);
  visit_dtype(y.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      draw64(k.in[0], y.mutable_data<T>(), y.size(), Integer<T>{low, static_cast<uint64_t>(a.maxval) - low});
    }
  });
}

template <class T>
struct Bernoulli {
  Parameter p;
  __device__ T operator()(uint32_t w, int64_t i) const {
    return convert<T>(static_cast<double>(w) * 0x1p-32 < p[i] ? 1.0f : 0.0f);
  }
};

void bernoulli(const KernelArgs& k) {
  const Tensor& y = k.out[0];
  if (y.size() == 0) return;
  visit_dtype(y.dtype(), [&]<class T>() {
    draw32(k.in[0], y.mutable_data<T>(), y.size(), Bernoulli<T>{Parameter(k.in[1], y.shape())});
  });
}

// ---- dropout ------------------------------------------------------------------------------------------------

// Elements whose word is below the threshold are dropped.
template <class T>
struct Dropout {
  const T* x;
  uint32_t threshold;
  Compute<T> scale;
  __device__ T operator()(uint32_t w, int64_t i) const {
    return w >= threshold ? convert<T>(convert<Compute<T>>(x[i]) * scale) : T{};
  }
};

// A mask of fewer elements, stretched over x: each element draws its word again.
template <class T>
__global__ void dropout_stretched_kernel(const void* seed, DType type, const Dropout<T> f, T* y,
                                         const __grid_constant__ Parameter mask, int64_t n) {
  const PhiloxKey key = key_at(seed, type);
  for (int64_t i = grid_index(); i < n; i += grid_size()) {
    int64_t at = 0, rest = i;
    for (int d = mask.rank - 1; d >= 0; --d) {
      at += rest % mask.n[d] * mask.stride[d];
      rest /= mask.n[d];
    }
    y[i] = f(word32(key, at), i);
  }
}

void dropout(const KernelArgs& k) {
  const auto& a = k.as<DropoutAttrs>();
  const Tensor &seed = k.in[0], &x = k.in[1], &y = k.out[0];
  if (x.size() == 0) return;
  if (a.rate == 1) return fill_zero(y);  // nothing is kept
  const auto threshold = static_cast<uint32_t>(std::min(a.rate * 0x1p32, 0x1p32 - 1));
  visit_dtype(x.dtype(), [&]<class T>() {
    if constexpr (kHalf<T> || std::is_floating_point_v<T>) {
      const Dropout<T> f{x.data<T>(), threshold, static_cast<Compute<T>>(1 / (1 - a.rate))};
      if (!a.noise_shape) return draw32(seed, y.mutable_data<T>(), x.size(), f);
      Shape mask = x.shape();
      for (int d = 0; d < mask.rank(); ++d) {
        const int64_t n = (*a.noise_shape)[static_cast<size_t>(d)];
        if (n != kUnknown) mask[d] = n;
      }
      Parameter walk(x, x.shape());  // for its strides alone
      const auto strides = contiguous_strides(mask);
      walk.rank = mask.rank();
      for (int d = 0; d < walk.rank; ++d) {
        walk.n[d] = x.dim(d);
        walk.stride[d] = mask[d] == 1 ? 0 : strides[static_cast<size_t>(d)];
      }
      launch(dropout_stretched_kernel<T>, grid_for(x.size(), 2), dim3(kBlock), 0, seed.raw(), seed.dtype(), f,
             y.mutable_data<T>(), walk, x.size());
    }
  });
}

}  // namespace

void register_random() {
  define("random_uniform", uniform);
  define("random_normal", normal);
  define("random_truncated_normal", truncated_normal);
  define("random_randint", randint);
  define("random_bernoulli", bernoulli);
  define("random_dropout", dropout);
  register_random_samplers();
}

}  // namespace tahr::cuda
