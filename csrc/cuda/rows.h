// Dense rows, each taken by a group of threads: a few lanes, a warp or a block, by its length. A row that fits stays in
// shared memory between passes.
#pragma once

#include "cuda/group.h"

namespace tahr::cuda {

inline constexpr int64_t kWarpRow = 1024;  // elements up to which a row is a warp's
// Of shared memory that a block may have for rows: of 48 KiB, `combine_block` takes a part.
inline constexpr size_t kRowMemory = 40 << 10;

struct RowPlan {
  int64_t rows, n;
  int group;      // threads per row
  int packs;      // that a thread takes of a row
  bool packed;    // rows are aligned: whole packs may be loaded and stored at once
  bool kept;      // rows stay in shared memory
  size_t shared;  // bytes
  dim3 grid;

  // Rows of T; `aligned` says whether all tensors with such rows begin at 16 bytes.
  template <class T>
  static RowPlan of(int64_t rows, int64_t n, bool aligned) {
    RowPlan p{};
    p.rows = rows;
    p.n = n;
    p.group = n > kWarpRow ? kBlock : power_of_two_from(ceil_div(n, kPack<T>), 32);
    p.packs = static_cast<int>(ceil_div(n, int64_t{p.group} * kPack<T>));
    p.packed = aligned && n % kPack<T> == 0;
    const size_t bytes = static_cast<size_t>(p.packs) * kPack<T> * kBlock * sizeof(Compute<T>);
    p.kept = bytes <= kRowMemory;
    p.shared = p.kept ? bytes : 0;
    p.grid = dim3(static_cast<unsigned>(std::min(ceil_div(rows, kBlock / p.group), kMostBlocks)));
    return p;
  }
};

// One row as one of its threads sees it. `first` reads it, `again` has it from shared memory if it was kept there; both
// call f(first element of a pack, its numbers). `put` changes what `again` gets. Elements beyond the end are `fill`.
template <class T>
struct Row {
  using C = Compute<T>;
  static constexpr int V = kPack<T>;
  const T* from;
  C* memory;  // element u of a thread's pack k at (k V + u) kBlock + thread
  int64_t n;
  int lane, group;
  bool packed, kept;
  C fill;

  __device__ Row(const RowPlan& p, const T* x, int64_t row, C* shared, C fill_)
      : from(x + row * p.n),
        memory(shared + threadIdx.x),
        n(row < p.rows ? p.n : 0),
        lane(static_cast<int>(threadIdx.x) % p.group),
        group(p.group),
        packed(p.packed),
        kept(p.kept),
        fill(fill_) {}

  template <class F>
  __device__ __forceinline__ void first(F&& f) const {
    int at = 0;
    for (int64_t i = static_cast<int64_t>(lane) * V; i < n; i += static_cast<int64_t>(group) * V, at += V) {
      C v[V];
      load_line(from, i, n, packed, fill, v);
      if (kept) put(at, v);
      f(i, v, at);
    }
  }
  template <class F>
  __device__ __forceinline__ void again(F&& f) const {
    int at = 0;
    for (int64_t i = static_cast<int64_t>(lane) * V; i < n; i += static_cast<int64_t>(group) * V, at += V) {
      C v[V];
      if (kept) {
        TAHR_UNROLL
        for (int u = 0; u < V; ++u) v[u] = memory[(at + u) * kBlock];
      } else {
        load_line(from, i, n, packed, fill, v);
      }
      f(i, v, at);
    }
  }
  __device__ __forceinline__ void put(int at, const C (&v)[V]) const {
    TAHR_UNROLL
    for (int u = 0; u < V; ++u) memory[(at + u) * kBlock] = v[u];
  }
};

// Calls body(row) for the rows of this thread, all threads of the block alike; a row may be beyond the last one.
template <class F>
__device__ __forceinline__ void each_row(const RowPlan& p, F&& body) {
  const int64_t per_block = kBlock / p.group;
  for (int64_t base = blockIdx.x * per_block; base < p.rows; base += gridDim.x * per_block)
    body(base + static_cast<int>(threadIdx.x) / p.group);
}

}  // namespace tahr::cuda
