// Random kernels with a fixed number of words per element: uniform, normal, truncated normal, randint, bernoulli and
// dropout. Samplers that reject, and permutations, are in random_samplers.cpp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/random_draw.h"
#include "ops/functions.h"
#include "ops/random_attrs.h"

namespace tahr {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kNsBits = 0.6, kNsNormal = 1.5, kNsDouble = 30;  // per element, for the thread pool's estimate

// Runs draw(first_group, groups, out) over n floats; the last, partial group goes through a buffer.
template <class F>
void fill_floats(int64_t n, double ns, float* out, F&& draw) {
  for_groups(n, kGroup32, ns, [&](int64_t begin, int64_t count, int64_t groups, uint64_t first) {
    const int64_t whole = count / kGroup32;
    if (whole > 0) draw(first, static_cast<size_t>(whole), out + begin);
    if (whole < groups) {
      float tail[kGroup32];
      draw(first + static_cast<uint64_t>(whole), 1, tail);
      std::memcpy(out + begin + whole * kGroup32, tail, static_cast<size_t>(count - whole * kGroup32) * sizeof(float));
    }
  });
}

// The same numbers, rounded to a half type.
template <class T, class F>
void fill_halves(int64_t n, double ns, T* out, F&& draw) {
  for_groups(n, kGroup32, ns + 1, [&](int64_t begin, int64_t count, int64_t groups, uint64_t first) {
    float buffer[kGroupsPerChunk * kGroup32];
    draw(first, static_cast<size_t>(groups), buffer);
    for (int64_t i = 0; i < count; ++i) out[begin + i] = store_as<T>(buffer[i]);
  });
}

// The next half below, for a value that rounding brought up to the excluded bound.
template <class T>
T previous(T h) {
  if ((h.bits & 0x7fff) == 0) return {0x8001};
  return {static_cast<uint16_t>(h.bits & 0x8000 ? h.bits + 1 : h.bits - 1)};
}

void uniform_kernel(const KernelArgs& k) {
  const auto& a = k.as<UniformAttrs>();
  const Tensor& out = k.out[0];
  const PhiloxKey key = key_of(k.in[0]);
  const int64_t n = out.size();
  if (out.dtype() == DType::Float64) {
    const double scale = a.maxval - a.minval;
    const double upper = a.minval < a.maxval ? std::nextafter(a.maxval, a.minval) : a.maxval;
    draw64(key, n, kNsBits * 3, out.mutable_data<double>(),
           [&](uint64_t w, int64_t) { return std::min(a.minval + scale * unit(w), upper); });
    return;
  }
  const float low = static_cast<float>(a.minval), high = static_cast<float>(a.maxval);
  const float scale = static_cast<float>(a.maxval - a.minval);
  if (out.dtype() == DType::Float32) {
    const float upper = low < high ? std::nextafter(high, low) : high;
    fill_floats(n, kNsBits, out.mutable_data<float>(), [&](uint64_t first, size_t groups, float* to) {
      random_table().uniform(key, first, groups, low, scale, upper, to);
    });
    return;
  }
  // Halves draw only as many bits as their mantissa holds, so that rounding does not favour the upper end.
  auto fill = [&]<class T>(T*, int random_bits) {
    const T excluded = store_as<T>(high);
    const float limit = low < high ? to_float(excluded) : std::numeric_limits<float>::infinity();
    const float unit_step = std::ldexp(1.0f, -random_bits);
    draw32(key, n, kNsBits * 3, out.mutable_data<T>(), [&](uint32_t w, int64_t) {
      const T v = store_as<T>(low + scale * (static_cast<float>(w >> (32 - random_bits)) * unit_step));
      return to_float(v) >= limit ? previous(excluded) : v;
    });
  };
  if (out.dtype() == DType::Float16) {
    fill(static_cast<float16*>(nullptr), 11);
  } else {
    fill(static_cast<bfloat16*>(nullptr), 8);
  }
}

// Block b holds two normals in float64: cos and sin halves of one Box-Muller pair.
void normal_double(PhiloxKey key, int64_t n, double mean, double stddev, double* out) {
  const RandomTable& table = random_table();
  for_groups(n, kGroup64, kNsDouble, [&](int64_t begin, int64_t count, int64_t groups, uint64_t first) {
    uint32_t words[kGroupsPerChunk * kGroup32];
    table.bits(key, first, static_cast<size_t>(groups), words);
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t j = 0; j < kGroupBlocks; ++j) {
        const uint32_t* w = words + g * kGroup32 + j;
        const double u = open_unit(static_cast<uint64_t>(w[16]) << 32 | w[0]);
        const double turn = unit(static_cast<uint64_t>(w[48]) << 32 | w[32]);
        const double radius = std::sqrt(-2 * std::log(u)) * stddev;
        const int64_t i = g * kGroup64 + j;
        if (i < count) out[begin + i] = mean + radius * std::cos(2 * kPi * turn);
        if (i + 16 < count) out[begin + i + 16] = mean + radius * std::sin(2 * kPi * turn);
      }
    }
  });
}

void normal_kernel(const KernelArgs& k) {
  const auto& a = k.as<NormalAttrs>();
  const Tensor& out = k.out[0];
  const PhiloxKey key = key_of(k.in[0]);
  const float mean = static_cast<float>(a.mean), stddev = static_cast<float>(a.stddev);
  const auto draw = [&](uint64_t first, size_t groups, float* to) {
    random_table().normal(key, first, groups, mean, stddev, to);
  };
  switch (out.dtype()) {
    case DType::Float64: normal_double(key, out.size(), a.mean, a.stddev, out.mutable_data<double>()); break;
    case DType::Float32: fill_floats(out.size(), kNsNormal, out.mutable_data<float>(), draw); break;
    case DType::Float16: fill_halves(out.size(), kNsNormal, out.mutable_data<float16>(), draw); break;
    default: fill_halves(out.size(), kNsNormal, out.mutable_data<bfloat16>(), draw);
  }
}

// sqrt(2) erfinv(t) for |t| <= erf(sqrt 2): the polynomial of isa/random.cpp, then one Newton step on erf.
double truncated_quantile(double t) {
  constexpr double kCoefficients[] = {-3.5281550481158774e-07, -1.605691977601964e-06, 5.48597308807075e-05,
                                      -0.0001378452143399045,  -0.0023289162199944258, 0.011547445319592953,
                                      0.23201388120651245,     0.8862268924713135};
  const double w = -std::log((1 - t) * (1 + t));
  double p = 0;
  for (double c : kCoefficients) p = p * w + c;
  const double z = p * t * std::sqrt(2.0);
  const double slope = std::sqrt(2 / kPi) * std::exp(-0.5 * z * z);
  return std::clamp(z - (std::erf(z / std::sqrt(2.0)) - t) / slope, -2.0, 2.0);
}

void truncated_normal_kernel(const KernelArgs& k) {
  const auto& a = k.as<NormalAttrs>();
  const Tensor& out = k.out[0];
  const PhiloxKey key = key_of(k.in[0]);
  const float mean = static_cast<float>(a.mean), stddev = static_cast<float>(a.stddev);
  const auto draw = [&](uint64_t first, size_t groups, float* to) {
    random_table().truncated_normal(key, first, groups, mean, stddev, to);
  };
  switch (out.dtype()) {
    case DType::Float64: {
      const double edge = std::erf(std::sqrt(2.0));
      draw64(key, out.size(), kNsDouble * 2, out.mutable_data<double>(), [&](uint64_t w, int64_t) {
        return a.mean + a.stddev * truncated_quantile((2 * open_unit(w) - 1) * edge);
      });
      break;
    }
    case DType::Float32: fill_floats(out.size(), kNsNormal, out.mutable_data<float>(), draw); break;
    case DType::Float16: fill_halves(out.size(), kNsNormal, out.mutable_data<float16>(), draw); break;
    default: fill_halves(out.size(), kNsNormal, out.mutable_data<bfloat16>(), draw);
  }
}

void randint_kernel(const KernelArgs& k) {
  const auto& a = k.as<RandintAttrs>();
  const Tensor& out = k.out[0];
  const PhiloxKey key = key_of(k.in[0]);
  const uint64_t low = static_cast<uint64_t>(a.minval), range = static_cast<uint64_t>(a.maxval) - low;
  visit_dtype(out.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      draw64(key, out.size(), kNsBits * 3, out.mutable_data<T>(), [&](uint64_t w, int64_t) {
        const uint64_t scaled = static_cast<uint64_t>((static_cast<unsigned __int128>(w) * range) >> 64);
        return static_cast<T>(low + scaled);
      });
    }
  });
}

void bernoulli_kernel(const KernelArgs& k) {
  const Tensor& out = k.out[0];
  const Parameter p(k.in[1], out.shape());
  visit_dtype(out.dtype(), [&]<class T>() {
    draw32(key_of(k.in[0]), out.size(), kNsBits * 4, out.mutable_data<T>(),
           [&](uint32_t w, int64_t i) { return store_as<T>(static_cast<double>(w) * 0x1p-32 < p[i] ? 1.0f : 0.0f); });
  });
}

// Elements whose word is below the threshold are dropped.
struct Mask {
  PhiloxKey key;
  uint32_t threshold;
  double scale;
};

void dropout_float(const Mask& m, int64_t n, const float* x, float* y) {
  const RandomTable& table = random_table();
  const float scale = static_cast<float>(m.scale);
  for_groups(n, kGroup32, kNsBits, [&](int64_t begin, int64_t count, int64_t groups, uint64_t first) {
    const int64_t whole = count / kGroup32, rest = count - whole * kGroup32;
    if (whole > 0) table.dropout(m.key, first, static_cast<size_t>(whole), m.threshold, scale, x + begin, y + begin);
    if (whole < groups) {
      float tail[kGroup32] = {};
      std::memcpy(tail, x + begin + whole * kGroup32, static_cast<size_t>(rest) * sizeof(float));
      table.dropout(m.key, first + static_cast<uint64_t>(whole), 1, m.threshold, scale, tail, tail);
      std::memcpy(y + begin + whole * kGroup32, tail, static_cast<size_t>(rest) * sizeof(float));
    }
  });
}

template <class T>
void dropout_full(const Mask& m, int64_t n, const T* x, T* y) {
  const Compute<T> scale = static_cast<Compute<T>>(m.scale);
  draw32(m.key, n, kNsBits * 3, y,
         [&](uint32_t w, int64_t i) { return w >= m.threshold ? store_as<T>(load_as(x[i]) * scale) : T{}; });
}

// A mask of fewer elements, stretched over x: its words are drawn first.
template <class T>
void dropout_stretched(const Mask& m, const Shape& shape, const Ints& noise, const T* x, T* y) {
  const int rank = shape.rank();
  Shape mask_shape = shape;
  for (int d = 0; d < rank; ++d) {
    if (noise[static_cast<size_t>(d)] != kUnknown) mask_shape[d] = noise[static_cast<size_t>(d)];
  }
  auto strides = contiguous_strides(mask_shape);
  for (int d = 0; d < rank; ++d) {
    if (mask_shape[d] == 1) strides[d] = 0;
  }
  std::vector<uint8_t> keep(static_cast<size_t>(mask_shape.size()));
  draw32(m.key, mask_shape.size(), kNsBits * 2, keep.data(),
         [&](uint32_t w, int64_t) { return static_cast<uint8_t>(w >= m.threshold); });
  const Compute<T> scale = static_cast<Compute<T>>(m.scale);
  const int64_t n = shape.size();
  parallel_for(n, 16384, 2.0 * static_cast<double>(n), [&](int64_t begin, int64_t end) {
    std::array<int64_t, kMaxRank> index{};
    int64_t at = 0;
    for (int64_t d = rank - 1, rest = begin; d >= 0; --d) {
      index[d] = rest % shape[d];
      rest /= shape[d];
      at += index[d] * strides[d];
    }
    for (int64_t i = begin; i < end; ++i) {
      y[i] = keep[static_cast<size_t>(at)] ? store_as<T>(load_as(x[i]) * scale) : T{};
      for (int d = rank - 1; d >= 0; --d) {
        at += strides[d];
        if (++index[d] < shape[d]) break;
        at -= strides[d] * shape[d];
        index[d] = 0;
      }
    }
  });
}

void dropout_kernel(const KernelArgs& k) {
  const auto& a = k.as<DropoutAttrs>();
  const Tensor &x = k.in[1], &y = k.out[0];
  if (x.size() == 0) return;
  if (a.rate == 1) {  // nothing is kept
    std::memset(y.mutable_raw(), 0, y.nbytes());
    return;
  }
  const Mask mask{key_of(k.in[0]), static_cast<uint32_t>(std::min(a.rate * 0x1p32, 0x1p32 - 1)), 1 / (1 - a.rate)};
  visit_dtype(x.dtype(), [&]<class T>() {
    if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      if (a.noise_shape) {
        dropout_stretched(mask, x.shape(), *a.noise_shape, x.data<T>(), y.mutable_data<T>());
      } else if constexpr (std::is_same_v<T, float>) {
        dropout_float(mask, x.size(), x.data<float>(), y.mutable_data<float>());
      } else {
        dropout_full(mask, x.size(), x.data<T>(), y.mutable_data<T>());
      }
    }
  });
}

}  // namespace

void register_random_kernels() {
  define_kernel("random_uniform", DeviceType::CPU, uniform_kernel);
  define_kernel("random_normal", DeviceType::CPU, normal_kernel);
  define_kernel("random_truncated_normal", DeviceType::CPU, truncated_normal_kernel);
  define_kernel("random_randint", DeviceType::CPU, randint_kernel);
  define_kernel("random_bernoulli", DeviceType::CPU, bernoulli_kernel);
  define_kernel("random_dropout", DeviceType::CPU, dropout_kernel);
  register_random_samplers();
}

}  // namespace tahr
