// How reductions and softmax over any axes go through a tensor: which elements make an output, and which threads take
// them.
#pragma once

#include "cpu/reduce_layout.h"
#include "cuda/group.h"

namespace tahr::cuda {

inline constexpr int64_t kSlot = 8192;          // elements of a row that a slot takes at least
inline constexpr int64_t kSlotsOfColumn = 16;   // elements that each thread of a column's slot takes at least
inline constexpr int64_t kWantedBlocks = 1024;  // up to which outputs are cut into slots

struct Walk {
  Layout l;
  int64_t outputs, length;  // length: elements per output
  int64_t tiles;            // each the outputs that a block takes at once
  int64_t chunk;            // elements per slot
  int group;                // rows: threads per output; columns: outputs per block
  unsigned slots;
  bool packed;

  // Packs of rows are of `pack` elements. With `cut`, outputs may be cut into slots.
  Walk(const Layout& layout, const void* x, int pack, bool cut = true)
      : l(layout), outputs(l.kept_count * l.outputs()), length(l.reduced_count * l.length()) {
    packed = !l.columns && is_aligned(x) && l.n % pack == 0;
    int64_t wanted = 1, step;
    if (l.columns) {
      const bool whole = length <= 32 || l.kept_count * ceil_div(l.n, kBlock) >= 2 * kWantedBlocks;
      group = whole ? kBlock : power_of_two_from(l.n, 32);
      step = kBlock / group;
      tiles = l.kept_count * ceil_div(l.n, group);
      if (!whole) wanted = std::min(ceil_div(length, step * kSlotsOfColumn), 2 * kWantedBlocks / tiles);
    } else {
      group = length > 2048 ? kBlock : power_of_two_from(ceil_div(length, pack), 32);
      step = int64_t{group} * pack;
      tiles = ceil_div(outputs, kBlock / group);
      if (group == kBlock) wanted = std::min(ceil_div(length, kSlot), kWantedBlocks / tiles);
    }
    if (!cut) wanted = 1;
    chunk = ceil_div(ceil_div(length, std::max<int64_t>(1, wanted)), step) * step;
    slots = static_cast<unsigned>(ceil_div(length, chunk));
  }

  // Of thread t of a block: its part of the elements, and the output it takes in a tile (`outputs`: there is none).
  __device__ int lanes() const { return l.columns ? kBlock / group : group; }
  __device__ int lane(int t) const { return l.columns ? t / group : t % group; }
  __device__ int64_t output(int64_t tile, int t) const {
    if (!l.columns) return tile * (kBlock / group) + t / group;
    const int64_t per = (l.n + group - 1) / group, kept = tile / per, j = (tile - kept * per) * group + t % group;
    return j < l.n ? kept * l.n + j : outputs;
  }
};

__device__ __forceinline__ int64_t offset_of(const Axis* axes, int count, int64_t index) {
  int64_t at = 0;
  for (int i = 0; i < count; ++i) {
    at += index % axes[i].size * axes[i].stride;
    index /= axes[i].size;
  }
  return at;
}

// The place of element e of an output, from its first one.
__device__ __forceinline__ int64_t place(const Layout& l, int64_t e) {
  const int64_t step = l.columns ? l.n : 1;
  if (l.reduced_axes == 0) return e * step;
  const int64_t length = l.columns ? l.rows : l.n, outer = e / length;
  return offset_of(l.reduced, l.reduced_axes, outer) + (e - outer * length) * step;
}

// The place of an output's first element.
__device__ __forceinline__ int64_t first_place(const Layout& l, int64_t output) {
  const int64_t per = l.columns ? l.n : l.rows, kept = output / per, inner = output - kept * per;
  return offset_of(l.kept, l.kept_axes, kept) + (l.columns ? inner : inner * l.n);
}

}  // namespace tahr::cuda
