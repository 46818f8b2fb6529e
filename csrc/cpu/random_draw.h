// What the random kernels share: the key in a seed tensor, and loops that hand each element its own words.
#pragma once

#include <cstring>
#include <vector>

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/random_table.h"

namespace tahr {

inline PhiloxKey key_of(const Tensor& seed) {
  return visit_dtype(seed.dtype(), [&]<class T>() -> PhiloxKey {
    if constexpr (std::is_integral_v<T>) {
      const T* s = seed.data<T>();
      return {static_cast<uint64_t>(s[0]), static_cast<uint64_t>(s[1])};
    } else {
      return {};  // the shape rule admits integers only
    }
  });
}

inline constexpr int64_t kGroupsPerChunk = 64;

// body(begin, count, groups, first_group): consecutive elements in chunks of whole groups, the last one cut short.
template <class F>
void for_groups(int64_t n, int64_t group, double ns_per_element, F&& body) {
  parallel_for(n, group * kGroupsPerChunk, ns_per_element * static_cast<double>(n), [&](int64_t begin, int64_t end) {
    body(begin, end - begin, (end - begin + group - 1) / group, static_cast<uint64_t>(begin / group));
  });
}

// out[i] = f(word of element i, i), one 32-bit word each
template <class T, class F>
void draw32(PhiloxKey key, int64_t n, double ns, T* out, F&& f) {
  const RandomTable& table = random_table();
  for_groups(n, kGroup32, ns, [&](int64_t begin, int64_t count, int64_t groups, uint64_t first) {
    uint32_t words[kGroupsPerChunk * kGroup32];
    table.bits(key, first, static_cast<size_t>(groups), words);
    for (int64_t i = 0; i < count; ++i) out[begin + i] = f(words[i], begin + i);
  });
}

// The same with 64-bit words.
template <class T, class F>
void draw64(PhiloxKey key, int64_t n, double ns, T* out, F&& f) {
  const RandomTable& table = random_table();
  for_groups(n, kGroup64, ns, [&](int64_t begin, int64_t count, int64_t groups, uint64_t first) {
    uint32_t words[kGroupsPerChunk * kGroup32];
    table.bits(key, first, static_cast<size_t>(groups), words);
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t* w = words + i / kGroup64 * kGroup32 + i % kGroup64 / 16 * 32 + i % 16;
      out[begin + i] = f(static_cast<uint64_t>(w[16]) << 32 | w[0], begin + i);
    }
  });
}

// 53 bits: in [0, 1), and strictly inside (0, 1).
inline double unit(uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }
inline double open_unit(uint64_t word) { return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52; }

// A parameter tensor read as double at positions of a shape that it broadcasts to.
class Parameter {
 public:
  Parameter(const Tensor& t, const Shape& to) : values_(static_cast<size_t>(t.size())), to_(to) {
    visit_dtype(t.dtype(), [&]<class T>() {
      for (size_t i = 0; i < values_.size(); ++i) values_[i] = static_cast<double>(load_as(t.data<T>()[i]));
    });
    direct_ = t.shape() == to;
    const auto own = contiguous_strides(t.shape());
    const int offset = to.rank() - t.rank();
    for (int i = 0; i < t.rank(); ++i) strides_[offset + i] = t.dim(i) == 1 ? 0 : own[i];
  }
  double operator[](int64_t i) const {
    if (direct_) return values_[static_cast<size_t>(i)];
    if (values_.size() == 1) return values_[0];
    int64_t at = 0;
    for (int d = to_.rank() - 1; d >= 0; --d) {
      at += i % to_[d] * strides_[d];
      i /= to_[d];
    }
    return values_[static_cast<size_t>(at)];
  }

 private:
  std::vector<double> values_;
  Shape to_;
  std::array<int64_t, kMaxRank> strides_{};
  bool direct_;
};

void register_random_samplers();  // cpu/random_samplers.cpp

}  // namespace tahr
