// Copies between strided places, as loop nests: what transpose, broadcast_to, tile, repeat, slices and padding come
// down to on every device. Pure arithmetic of shapes: the libraries of kernels compile it too.
#pragma once

#include <array>

#include "ops/array_attrs.h"

namespace tahr {

// Row-major loop nest with a stride, in elements, per dimension for each side. A source stride of 0 repeats.
struct CopyPlan {
  static constexpr int kMax = 2 * kMaxRank;
  int rank = 0;
  std::array<int64_t, kMax> n, dst, src;
  void add(int64_t count, int64_t dst_stride, int64_t src_stride) {
    n[rank] = count;
    dst[rank] = dst_stride;
    src[rank++] = src_stride;
  }
  int64_t size() const {
    int64_t total = 1;
    for (int i = 0; i < rank; ++i) total *= n[i];
    return total;
  }
};

// Drops dimensions of one element and merges neighbours that both sides walk as one.
void simplify(CopyPlan& p);

CopyPlan plan_transpose(const Shape& x, const Shape& y, const std::optional<Ints>& axes);
CopyPlan plan_broadcast(const Shape& x, const Shape& y);
// y[r, i] = x[i] along every axis: each output axis is a pair (copy, place).
CopyPlan plan_tile(const Shape& x, const Shape& y, const Ints& repeats);
// Each of v.n lines `repeats` times.
CopyPlan plan_repeat(const AxisView& v, int64_t repeats);

// A part of a tensor, one slice per leading axis.
struct SlicePlan {
  CopyPlan copy;       // dst: the part, dense; src: the whole
  int64_t offset = 0;  // of the part's first element in the whole
};
SlicePlan plan_slice(const Shape& whole, const Shape& part, const Ints& begin, const Ints& end, const Ints& strides);
// The place of x in a tensor padded by `low` in front.
SlicePlan plan_pad(const Shape& x, const Shape& y, const Ints& low);

// The axis of x along which `repeat` works; a flattened x without one.
AxisView repeat_view(const Shape& x, const RepeatAttrs& a);
// Where the i-th piece of a split begins, given where the one before ended.
int64_t split_start(const SplitAttrs& a, size_t i, int64_t end_before, int64_t n);

}  // namespace tahr
