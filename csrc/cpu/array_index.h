// Reading index tensors in kernels.
#pragma once

#include <vector>

#include "ops/array_attrs.h"

namespace tahr::cpu {

[[noreturn]] inline void throw_out_of_range(const char* op, int64_t n, int64_t received) {
  throw_index("[", op, "] expected indices in [", -n, ", ", n, "), received ", received, ".");
}

// The indices as int64, negative ones wrapped; each checked against the n elements that they index.
inline std::vector<int64_t> checked_indices(const Tensor& t, int64_t n, const char* op) {
  std::vector<int64_t> out(static_cast<size_t>(t.size()));
  visit_dtype(t.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      const T* from = t.data<T>();
      for (size_t i = 0; i < out.size(); ++i) {
        const auto v = static_cast<int64_t>(from[i]);
        const int64_t wrapped = v < 0 ? v + n : v;
        if (wrapped < 0 || wrapped >= n) throw_out_of_range(op, n, v);
        out[i] = wrapped;
      }
    }
  });
  return out;
}

// Coordinates (..., k) into the first k axes of `whole`, as row numbers of whole seen as (rows, rest).
inline std::vector<int64_t> checked_coordinates(const Tensor& t, const Shape& whole, const char* op) {
  const int64_t k = t.dim(-1);
  const int64_t count = k ? t.size() / k : 1;
  const Ints flat = ints_of(t);
  int64_t points = 1;  // with k = 0 every point is the whole tensor
  for (int i = 0; i + 1 < t.rank(); ++i) points *= t.dim(i);
  std::vector<int64_t> rows(static_cast<size_t>(k ? count : points), 0);
  for (size_t p = 0; p < rows.size(); ++p) {
    for (int64_t d = 0; d < k; ++d) {
      const int64_t n = whole[static_cast<int>(d)], v = flat[p * k + d], wrapped = v < 0 ? v + n : v;
      if (wrapped < 0 || wrapped >= n) throw_out_of_range(op, n, v);
      rows[p] = rows[p] * n + wrapped;
    }
  }
  return rows;
}

}  // namespace tahr::cpu
