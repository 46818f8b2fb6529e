// Inputs of elementwise loops that are not laid out as the result is: the iteration space that all share, and filling
// tiles from a broadcast input.
#pragma once

#include <cstddef>
#include <span>

#include "core/shape.h"

namespace tahr {

inline constexpr int kMaxOperands = 32;

using Strides = std::array<int64_t, kMaxRank>;  // in elements; 0 along what is broadcast

struct Space {
  int rank = 0;
  int64_t dim[kMaxRank];
};

// The space of `out`, neighbouring dimensions that every input walks through in one go merged, those of size 1 dropped;
// at least of rank 1. Fills each input's strides in it. At most kMaxOperands inputs; no dimension is 0.
Space collapse(std::span<const Shape* const> in, const Shape& out, Strides* const* strides);

// What fills a tile may write up to 64 bytes of anything behind it.

// n copies of the element at `from`, of 1, 2, 4 or 8 bytes.
void splat(void* to, const void* from, int64_t n, size_t size);
// The first `period` of n elements, repeated to fill them all; `size` bytes each.
void repeat(std::byte* tile, int64_t period, int64_t n, size_t size);
// Elements [begin, begin + n) of the space, in order, of the input at `data` with elements of `size` bytes.
void fill_strided(const std::byte* data, size_t size, const Strides& stride, const Space& space, int64_t begin,
                  int64_t n, std::byte* to);

}  // namespace tahr
