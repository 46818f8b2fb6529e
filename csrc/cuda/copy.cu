// Floor of each: the bytes of both sides once. Copies whose sides run along different dimensions go through tiles in
// shared memory, so that both are read and written in whole lines.
#include <algorithm>
#include <cstring>
#include <limits>

#include "cuda/copy.h"

namespace tahr::cuda {
namespace {

constexpr int kAtOnce = 4;  // loads of a thread that are under way together
constexpr int kTile = 32, kTileRows = 8;

template <class I>
struct Nest {
  int rank = 0;
  Divider<I> n[CopyPlan::kMax];
  I dst[CopyPlan::kMax], src[CopyPlan::kMax];

  explicit Nest(const CopyPlan& p) : rank(p.rank) {
    for (int i = 0; i < rank; ++i) {
      n[i] = Divider<I>(p.n[static_cast<size_t>(i)]);
      dst[i] = static_cast<I>(p.dst[static_cast<size_t>(i)]);
      src[i] = static_cast<I>(p.src[static_cast<size_t>(i)]);
    }
  }
  __device__ __forceinline__ void locate(I at, I* d, I* s) const {
    I to = 0, from = 0;
    for (int i = rank - 1; i >= 0; --i) {
      I rest;
      at = n[i].divide(at, &rest);
      to += rest * dst[i];
      from += rest * src[i];
    }
    *d = to;
    *s = from;
  }
};

// Where a part begins that only the device knows.
struct Offset {
  const int64_t* value = nullptr;
  int64_t unit = 1;  // elements of one unit
  bool put = false;
};

template <class U>
__device__ void shift(const Offset& o, U** dst, const U** src) {
  if (!o.value) return;
  if (o.put) *dst += *o.value / o.unit;
  else *src += *o.value / o.unit;
}

template <class U, class I>
__global__ void copy_kernel(U* dst, const U* src, Nest<I> nest, I total, Offset offset) {
  shift(offset, &dst, &src);
  const I step = static_cast<I>(blockDim.x), stride = static_cast<I>(gridDim.x) * step * kAtOnce;
  for (I base = static_cast<I>(blockIdx.x) * step * kAtOnce + static_cast<I>(threadIdx.x); base < total;
       base += stride) {
    U value[kAtOnce];
    I to[kAtOnce];
    TAHR_UNROLL
    for (int k = 0; k < kAtOnce; ++k) {
      const I at = base + k * step;
      if (at >= total) break;
      I from;
      nest.locate(at, &to[k], &from);
      value[k] = src[from];
    }
    TAHR_UNROLL
    for (int k = 0; k < kAtOnce; ++k) {
      if (base + k * step < total) dst[to[k]] = value[k];
    }
  }
}

// dst[a * da + b] = src[b * sb + a] for a < na, b < nb, and for every place of `outer`.
template <class I>
struct Plane {
  I na, nb, da, sb, tiles;
  Divider<I> tiles_a, tiles_plane;
};

template <class U, class I>
__global__ void transpose_kernel(U* dst, const U* src, Nest<I> outer, Plane<I> p, Offset offset) {
  __shared__ U tile[kTile][kTile + 1];
  shift(offset, &dst, &src);
  const I x = static_cast<I>(threadIdx.x), y = static_cast<I>(threadIdx.y);
  for (I t = static_cast<I>(blockIdx.x); t < p.tiles; t += static_cast<I>(gridDim.x)) {
    I in_plane, column, d, s;
    outer.locate(p.tiles_plane.divide(t, &in_plane), &d, &s);
    const I row = p.tiles_a.divide(in_plane, &column);
    const I a0 = column * kTile, b0 = row * kTile;
    for (I j = y; j < kTile; j += kTileRows) {
      if (a0 + x < p.na && b0 + j < p.nb) tile[j][x] = src[s + (b0 + j) * p.sb + a0 + x];
    }
    __syncthreads();
    for (I j = y; j < kTile; j += kTileRows) {
      if (a0 + j < p.na && b0 + x < p.nb) dst[d + (a0 + j) * p.da + b0 + x] = tile[x][j];
    }
    __syncthreads();
  }
}

unsigned blocks_for(int64_t wanted) {
  return static_cast<unsigned>(std::clamp<int64_t>(wanted, 1, int64_t{properties().multiProcessorCount} * 16));
}

// The largest distance that the nest goes on either side.
int64_t reach(const CopyPlan& p) {
  int64_t d = 0, s = 0;
  for (size_t i = 0; i < static_cast<size_t>(p.rank); ++i) {
    d += (p.n[i] - 1) * std::abs(p.dst[i]);
    s += (p.n[i] - 1) * std::abs(p.src[i]);
  }
  return std::max({d, s, p.size()});
}

template <class U>
void run(U* dst, const U* src, const CopyPlan& p, Offset offset) {
  const auto last = static_cast<size_t>(p.rank - 1);
  const int64_t total = p.size(), furthest = reach(p);
  if (p.rank > 1 && p.dst[last] == 1 && p.src[last] != 1 && p.src[last] != 0 && p.n[last] >= kTileRows) {
    for (size_t i = 0; i < last; ++i) {
      if (p.src[i] != 1 || p.n[i] < kTileRows) continue;
      const int64_t across = (p.n[i] + kTile - 1) / kTile, down = (p.n[last] + kTile - 1) / kTile;
      CopyPlan outer;
      for (size_t k = 0; k < last; ++k) {
        if (k != i) outer.add(p.n[k], p.dst[k], p.src[k]);
      }
      const int64_t tiles = across * down * outer.size();
      with_index(furthest, [&]<class I>() {
        const Plane<I> plane{static_cast<I>(p.n[i]),      static_cast<I>(p.n[last]), static_cast<I>(p.dst[i]),
                             static_cast<I>(p.src[last]), static_cast<I>(tiles),     Divider<I>(across),
                             Divider<I>(across * down)};
        launch(transpose_kernel<U, I>, dim3(blocks_for(tiles)), dim3(kTile, kTileRows), 0, dst, src, Nest<I>(outer),
               plane, offset);
      });
      return;
    }
  }
  with_index(furthest, [&]<class I>() {
    launch(copy_kernel<U, I>, grid_for(total, kAtOnce), dim3(kBlock), 0, dst, src, Nest<I>(p), static_cast<I>(total),
           offset);
  });
}

// Makes units of two elements as long as both sides allow it; gives the bytes of one.
size_t widen(CopyPlan& p, size_t item, uintptr_t addresses) {
  while (item < 16 && p.rank > 0 && addresses % (2 * item) == 0) {
    const auto last = static_cast<size_t>(p.rank - 1);
    if (p.dst[last] != 1 || p.src[last] != 1 || p.n[last] % 2 != 0) break;
    bool even = true;
    for (size_t i = 0; i < last; ++i) even &= p.dst[i] % 2 == 0 && p.src[i] % 2 == 0;
    if (!even) break;
    for (size_t i = 0; i < last; ++i) {
      p.dst[i] /= 2;
      p.src[i] /= 2;
    }
    p.n[last] /= 2;
    item *= 2;
  }
  simplify(p);
  return item;
}

void dispatch(void* dst, const void* src, const CopyPlan& p, size_t item, Offset offset) {
  with_unit(item, [&]<class U>() { run(static_cast<U*>(dst), static_cast<const U*>(src), p, offset); });
}

uintptr_t address_bits(const void* a, const void* b) {
  return reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b);
}

template <class U>
__global__ void fill_kernel(U* to, int64_t n, U value) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) to[i] = value;
}

}  // namespace

void copy_nd(void* dst, const void* src, CopyPlan p, size_t item) {
  simplify(p);
  if (p.size() == 0) return;
  if (p.rank == 0 || (p.rank == 1 && p.dst[0] == 1 && p.src[0] == 1)) {
    check(cudaMemcpyAsync(dst, src, static_cast<size_t>(p.size()) * item, cudaMemcpyDeviceToDevice, stream()),
          "a copy on the GPU failed");
    return;
  }
  const size_t unit = widen(p, item, address_bits(dst, src));
  dispatch(dst, src, p, unit, {});
}

void copy_nd_at(void* dst, const void* src, CopyPlan p, size_t item, const int64_t* offset, int64_t step, bool put) {
  simplify(p);
  if (p.size() == 0) return;
  const size_t unit = widen(p, item, address_bits(dst, src) | static_cast<uintptr_t>(step) * item);
  dispatch(dst, src, p, unit, {offset, static_cast<int64_t>(unit / item), put});
}

void copy_all(const Tensor& to, const Tensor& from) {
  if (to.raw() == from.raw() || from.size() == 0) return;
  check(cudaMemcpyAsync(to.mutable_raw(), from.raw(), from.nbytes(), cudaMemcpyDeviceToDevice, stream()),
        "a copy on the GPU failed");
}

void fill_bits(void* to, int64_t n, uint64_t bits, size_t item) {
  if (n == 0) return;
  if (bits == 0) {
    check(cudaMemsetAsync(to, 0, static_cast<size_t>(n) * item, stream()), "memory could not be set");
    return;
  }
  // A unit of 16 bytes holds the pattern several times over.
  for (size_t b = item; b < 8; b *= 2) bits = (bits & ((uint64_t{1} << (8 * b)) - 1)) | bits << (8 * b);
  const size_t unit = unit_of(n * static_cast<int64_t>(item), to);
  const int64_t units = n * static_cast<int64_t>(item) / static_cast<int64_t>(unit);
  with_unit(unit, [&]<class U>() {
    U value;
    const uint64_t twice[2] = {bits, bits};
    std::memcpy(&value, twice, sizeof value);
    launch(fill_kernel<U>, grid_for(units, kAtOnce), dim3(kBlock), 0, static_cast<U*>(to), units, value);
  });
}

uint64_t bits_of(double value, DType dtype) {
  uint64_t bits = 0;
  visit_dtype(dtype, [&]<class T>() {
    T v;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      using L = std::numeric_limits<T>;
      v = value >= static_cast<double>(L::max()) ? L::max() : static_cast<T>(value);
    } else {
      v = store_as<T>(value);
    }
    std::memcpy(&bits, &v, sizeof v);
  });
  return bits;
}

void fill(const Tensor& t, double value) {
  fill_bits(t.mutable_raw(), t.size(), bits_of(value, t.dtype()), size_of(t.dtype()));
}

void fill_zero(const Tensor& t) { fill_bits(t.mutable_raw(), t.size(), 0, size_of(t.dtype())); }

}  // namespace tahr::cuda
