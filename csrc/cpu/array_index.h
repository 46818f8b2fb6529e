// Reading index tensors in kernels.
#pragma once

#include "cpu/scratch.h"
#include "ops/array_attrs.h"

namespace tahr::cpu {

[[noreturn]] inline void throw_out_of_range(const char* op, int64_t n, int64_t received) {
  throw_index("[", op, "] expected indices in [", -n, ", ", n, "), received ", received, ".");
}

// Row numbers read from a tensor.
class Indices {
 public:
  template <class F>  // fill(int64_t* to) writes n of them
  Indices(int64_t n, F&& fill) : size_(n), room_(static_cast<size_t>(n) * sizeof(int64_t)) {
    fill(room_.as<int64_t>());
  }
  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t operator[](int64_t i) const { return begin()[i]; }
  const int64_t* begin() const { return room_.as<int64_t>(); }
  const int64_t* end() const { return begin() + size_; }

 private:
  int64_t size_;
  Scratch room_;
};

// The indices as int64, negative ones wrapped; each checked against the n elements that they index.
inline Indices checked_indices(const Tensor& t, int64_t n, const char* op) {
  return Indices(t.size(), [&](int64_t* out) {
    visit_dtype(t.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        const T* from = t.data<T>();
        for (int64_t i = 0, size = t.size(); i < size; ++i) {
          const auto v = static_cast<int64_t>(from[i]);
          const int64_t wrapped = v < 0 ? v + n : v;
          if (wrapped < 0 || wrapped >= n) throw_out_of_range(op, n, v);
          out[i] = wrapped;
        }
      }
    });
  });
}

// Coordinates (..., k) into the first k axes of `whole`, as row numbers of whole seen as (rows, rest).
inline Indices checked_coordinates(const Tensor& t, const Shape& whole, const char* op) {
  const int64_t k = t.dim(-1);
  int64_t points = 1;  // with k = 0 every point is the whole tensor
  for (int i = 0; i + 1 < t.rank(); ++i) points *= t.dim(i);
  return Indices(points, [&](int64_t* rows) {
    visit_dtype(t.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        const T* from = t.data<T>();
        for (int64_t p = 0; p < points; ++p) {
          rows[p] = 0;
          for (int64_t d = 0; d < k; ++d) {
            const auto v = static_cast<int64_t>(from[p * k + d]);
            const int64_t n = whole[static_cast<int>(d)], wrapped = v < 0 ? v + n : v;
            if (wrapped < 0 || wrapped >= n) throw_out_of_range(op, n, v);
            rows[p] = rows[p] * n + wrapped;
          }
        }
      }
    });
  });
}

}  // namespace tahr::cpu
