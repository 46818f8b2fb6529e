// Sorting and searching. As on the CPU, all orders are taken on unsigned keys (cpu/array_sort.cpp): a monotone map of
// an element's bits, in which NaN is the largest; equal keys stay in order, since their places break ties.
//
// Lines of up to kTile elements are sorted in a block's shared memory, several short ones at once (Batcher: Sorting
// networks and their applications, 1968). Floor: the bytes of input and output, once each. Longer lines are sorted by
// radix, 8 bits a pass, from the least significant on: each pass reads keys and places twice and writes them once. Of
// longer lines the k largest come from those of each tile, as long as k is small, else from a sort.
#include "cuda/copy.h"
#include "cuda/fault.h"
#include "cuda/group.h"
#include "ops/array_attrs.h"

namespace tahr::cuda {
namespace {

constexpr int64_t kTile = 2048;           // elements that a block sorts
constexpr int64_t kLeastSorted = 512;     // at once, if lines are short
constexpr int64_t kFew = 512;             // of top_k: up to which tiles are worth while
constexpr int32_t kNowhere = 0x7fffffff;  // the place of what fills up a tile
constexpr int kRounds = 16, kWarps = kBlock / 32;
constexpr int64_t kRadixTile = kBlock * kRounds;
constexpr int kDigits = 256;

template <class T>
struct KeyOf {
  using Key = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  using Bits = std::conditional_t<sizeof(T) == 1, uint8_t, std::conditional_t<sizeof(T) == 2, uint16_t, Key>>;
  static constexpr bool kFloat = !std::is_integral_v<T>, kSigned = std::is_integral_v<T> && std::is_signed_v<T>;

  // `exact` tells -0 from 0, which sorting values needs and comparing must not do.
  __device__ static Key key(T v, bool exact) {
    [[maybe_unused]] constexpr Bits kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(T) - 1));
    Bits k;
    memcpy(&k, &v, sizeof k);
    if constexpr (kFloat) {
      const auto f = convert<Compute<T>>(v);
      if (f != f) return static_cast<Bits>(~Bits{0});
      if (!exact && k == kSign) k = 0;
      return static_cast<Bits>(k & kSign ? ~k : k | kSign);
    } else if constexpr (kSigned) {
      return static_cast<Bits>(k ^ kSign);
    } else {
      return k;
    }
  }
  __device__ static T value(Key key) {
    [[maybe_unused]] constexpr Bits kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(T) - 1));
    auto k = static_cast<Bits>(key);
    if constexpr (kFloat) k = static_cast<Bits>(k & kSign ? k ^ kSign : ~k);
    if constexpr (kSigned) k = static_cast<Bits>(k ^ kSign);
    T v;
    memcpy(&v, &k, sizeof v);
    return v;
  }
};

struct Lines {
  int64_t count, n, inner;
  __device__ int64_t place(int64_t line, int64_t i) const {
    return line / inner * n * inner + line % inner + i * inner;
  }
};

template <class K>
__device__ __forceinline__ bool comes_after(K a, int32_t i, K b, int32_t j) {
  return a != b ? a > b : i > j;
}

// Sorts runs of `run` (a power of two) of the block's `size` keys with their places.
template <class K>
__device__ void sort_shared(K* keys, int32_t* places, int size, int run) {
  for (int part = 2; part <= run; part *= 2) {
    for (int apart = part / 2; apart > 0; apart /= 2) {
      __syncthreads();
      for (int t = static_cast<int>(threadIdx.x); t < size / 2; t += kBlock) {
        const int i = 2 * t - (t & (apart - 1)), j = i + apart;
        const bool ascending = ((i & (run - 1)) & part) == 0;
        if (comes_after(keys[i], places[i], keys[j], places[j]) == ascending) {
          const K k = keys[i];
          keys[i] = keys[j];
          keys[j] = k;
          const int32_t p = places[i];
          places[i] = places[j];
          places[j] = p;
        }
      }
    }
  }
  __syncthreads();
}

enum class Wanted : uint8_t { Values, Places, Largest };

// Short lines to the end. `run`: the power of two that a line is filled up to; `size`: a multiple of it.
template <class T>
__global__ void sort_lines_kernel(const T* x, Lines l, Wanted wanted, int64_t k, T* values, int32_t* indices, int run,
                                  int size) {
  using K = typename KeyOf<T>::Key;
  TAHR_DYNAMIC_SHARED(K, keys);
  auto* places = reinterpret_cast<int32_t*>(keys + size);
  const int64_t lines = size / run;
  for (int64_t first = blockIdx.x * lines; first < l.count; first += gridDim.x * lines) {
    for (int s = static_cast<int>(threadIdx.x); s < size; s += kBlock) {
      const int64_t line = first + s / run;
      const int i = s & (run - 1);
      const bool there = line < l.count && i < l.n;
      const K key = there ? KeyOf<T>::key(x[l.place(line, i)], wanted == Wanted::Values) : K(0);
      keys[s] = !there ? static_cast<K>(~K(0)) : wanted == Wanted::Largest ? static_cast<K>(~key) : key;
      places[s] = there ? i : kNowhere;
    }
    sort_shared(keys, places, size, run);
    for (int s = static_cast<int>(threadIdx.x); s < size; s += kBlock) {
      const int64_t line = first + s / run;
      const int i = s & (run - 1);
      if (line >= l.count) continue;
      if (wanted == Wanted::Largest) {
        if (i >= k) continue;
        values[line * k + i] = x[l.place(line, places[s])];
        indices[line * k + i] = places[s];
      } else if (i < l.n) {
        if (wanted == Wanted::Values) values[l.place(line, i)] = KeyOf<T>::value(keys[s]);
        else indices[l.place(line, i)] = places[s];
      }
    }
    __syncthreads();
  }
}

// ---- long lines: keys and places in memory, dense ----

template <class T>
__global__ void keys_kernel(const T* x, Lines l, bool exact, bool largest, typename KeyOf<T>::Key* keys,
                            int32_t* places) {
  using K = typename KeyOf<T>::Key;
  for (int64_t i = grid_index(); i < l.count * l.n; i += grid_size()) {
    const int64_t line = i / l.n, at = i - line * l.n;
    const K key = KeyOf<T>::key(x[l.place(line, at)], exact);
    keys[i] = largest ? static_cast<K>(~key) : key;
    places[i] = static_cast<int32_t>(at);
  }
}

// counts[line, digit, tile] = how many keys of a tile have a digit
template <class K>
__global__ void count_digits_kernel(const K* keys, int64_t lines, int64_t n, int64_t tiles, int shift,
                                    uint32_t* counts) {
  __shared__ uint32_t of_digit[kDigits];
  for (int64_t line = blockIdx.y; line < lines; line += gridDim.y) {
    for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      of_digit[threadIdx.x] = 0;
      __syncthreads();
      for (int r = 0; r < kRounds; ++r) {
        const int64_t i = tile * kRadixTile + r * kBlock + threadIdx.x;
        if (i < n) atomicAdd(of_digit + (keys[line * n + i] >> shift & (kDigits - 1)), 1u);
      }
      __syncthreads();
      counts[(line * kDigits + threadIdx.x) * tiles + tile] = of_digit[threadIdx.x];
      __syncthreads();
    }
  }
}

// counts[line, digit, tile] becomes how many of the digit are in tiles before; totals[line, digit] in all.
__global__ void tiles_before_kernel(uint32_t* counts, int64_t rows, int64_t tiles, uint32_t* totals) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    uint32_t done = 0;
    for (int64_t base = 0; base < tiles; base += kBlock) {
      const int64_t i = base + threadIdx.x;
      const auto before = sum_before(i < tiles ? counts[row * tiles + i] : 0u);
      if (i < tiles) counts[row * tiles + i] = done + before.sum;
      done += before.total;
    }
    if (threadIdx.x == 0) totals[row] = done;
  }
}

// Puts each key and its place where the digit's order has it. A warp takes kRounds x 32 neighbours, 32 at a time; which
// of the 32 share a digit is found by votes on its bits.
template <class K>
__global__ void scatter_kernel(const K* keys, const int32_t* places, int64_t lines, int64_t n, int64_t tiles, int shift,
                               const uint32_t* counts, const uint32_t* totals, K* to_keys, int32_t* to_places) {
  static_assert(kBlock == kDigits);
  __shared__ uint32_t next[kWarps][kDigits];  // how many a warp has of a digit; then where the next one goes
  const int t = static_cast<int>(threadIdx.x), lane = t % 32, warp = t / 32;
  for (int64_t line = blockIdx.y; line < lines; line += gridDim.y) {
    for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      const int64_t begin = tile * kRadixTile + warp * kRounds * 32 + lane;
      // Calls body(element, digit, the lanes that have it) in order; body runs where there is an element.
      const auto each_round = [&](auto body) {
        for (int r = 0; r < kRounds; ++r) {
          const int64_t i = begin + r * 32;
          const int digit = i < n ? static_cast<int>(keys[line * n + i] >> shift & (kDigits - 1)) : 0;
          unsigned peers = __ballot_sync(0xffffffffu, i < n);
          for (int bit = 1; bit < kDigits; bit *= 2) {
            const unsigned set = __ballot_sync(0xffffffffu, digit & bit);
            peers &= digit & bit ? set : ~set;
          }
          body(i, digit, peers);
        }
      };
      for (int w = 0; w < kWarps; ++w) next[w][t] = 0;
      __syncthreads();
      each_round([&](int64_t i, int digit, unsigned peers) {
        if (i < n && lane == __ffs(static_cast<int>(peers)) - 1) next[warp][digit] += __popc(peers);
        __syncwarp();
      });
      const uint32_t of_digit = totals[line * kDigits + t];
      uint32_t at = sum_before(of_digit).sum + counts[(line * kDigits + t) * tiles + tile];
      for (int w = 0; w < kWarps; ++w) {
        const uint32_t size = next[w][t];
        next[w][t] = at;
        at += size;
      }
      __syncthreads();
      each_round([&](int64_t i, int digit, unsigned peers) {
        if (i < n) {
          const uint32_t to = next[warp][digit] + __popc(peers & ((1u << lane) - 1));
          to_keys[line * n + to] = keys[line * n + i];
          to_places[line * n + to] = places[line * n + i];
        }
        __syncwarp();
        if (i < n && lane == __ffs(static_cast<int>(peers)) - 1) next[warp][digit] += __popc(peers);
        __syncwarp();
      });
      __syncthreads();
    }
  }
}

// Keys and places of lines, and as much memory again to sort into.
template <class K>
struct Items {
  int64_t lines, n;
  Scratch key_memory, place_memory;
  K *keys, *spare_keys;
  int32_t *places, *spare_places;
  Items(int64_t lines_, int64_t n_)
      : lines(lines_),
        n(n_),
        key_memory(2 * static_cast<size_t>(lines * n) * sizeof(K)),
        place_memory(2 * static_cast<size_t>(lines * n) * sizeof(int32_t)),
        keys(key_memory.as<K>()),
        spare_keys(keys + lines * n),
        places(place_memory.as<int32_t>()),
        spare_places(places + lines * n) {}

  void sort(size_t key_bytes) {
    const int64_t tiles = ceil_div(n, kRadixTile), rows = lines * kDigits;
    const Scratch memory(static_cast<size_t>(rows * (tiles + 1)) * sizeof(uint32_t));
    auto *counts = memory.as<uint32_t>(), *totals = counts + rows * tiles;
    const dim3 grid(static_cast<unsigned>(std::min(tiles, kMostBlocks)),
                    static_cast<unsigned>(std::min<int64_t>(lines, 65535)));
    for (size_t byte = 0; byte < key_bytes; ++byte) {
      const int shift = 8 * static_cast<int>(byte);
      launch(count_digits_kernel<K>, grid, dim3(kBlock), 0, keys, lines, n, tiles, shift, counts);
      launch(tiles_before_kernel, dim3(static_cast<unsigned>(std::min(rows, kMostBlocks))), dim3(kBlock), 0, counts,
             rows, tiles, totals);
      launch(scatter_kernel<K>, grid, dim3(kBlock), 0, keys, places, lines, n, tiles, shift, counts, totals, spare_keys,
             spare_places);
      std::swap(keys, spare_keys);
      std::swap(places, spare_places);
    }
  }
};

// Of each tile of a line the `k` first in order, filled up.
template <class K>
__global__ void first_of_tiles_kernel(const K* keys, const int32_t* places, int64_t lines, int64_t n, int64_t tiles,
                                      int64_t k, K* to_keys, int32_t* to_places) {
  __shared__ K own_keys[kTile];
  __shared__ int32_t own_places[kTile];
  for (int64_t at = blockIdx.x; at < lines * tiles; at += gridDim.x) {
    const int64_t line = at / tiles, begin = (at - line * tiles) * kTile;
    for (int s = static_cast<int>(threadIdx.x); s < kTile; s += kBlock) {
      const bool there = begin + s < n;
      own_keys[s] = there ? keys[line * n + begin + s] : static_cast<K>(~K(0));
      own_places[s] = there ? places[line * n + begin + s] : kNowhere;
    }
    sort_shared(own_keys, own_places, static_cast<int>(kTile), static_cast<int>(kTile));
    for (int s = static_cast<int>(threadIdx.x); s < k; s += kBlock) {
      to_keys[at * k + s] = own_keys[s];
      to_places[at * k + s] = own_places[s];
    }
    __syncthreads();
  }
}

// Results from sorted keys and places, of which a line has `stride`.
template <class T>
__global__ void results_kernel(const T* x, Lines l, Wanted wanted, int64_t k, const typename KeyOf<T>::Key* keys,
                               const int32_t* places, int64_t stride, T* values, int32_t* indices) {
  const int64_t each = wanted == Wanted::Largest ? k : l.n;
  for (int64_t i = grid_index(); i < l.count * each; i += grid_size()) {
    const int64_t line = i / each, at = i - line * each, from = line * stride + at;
    if (wanted == Wanted::Values) {
      values[l.place(line, at)] = KeyOf<T>::value(keys[from]);
    } else if (wanted == Wanted::Places) {
      indices[l.place(line, at)] = places[from];
    } else {
      values[i] = x[l.place(line, places[from])];
      indices[i] = places[from];
    }
  }
}

template <class T>
void sort_lines(const T* x, const Lines& l, Wanted wanted, int64_t k, T* values, int32_t* indices) {
  using K = typename KeyOf<T>::Key;
  if (l.n <= kTile) {
    const int run = power_of_two_from(l.n, static_cast<int>(kTile));
    const auto size = static_cast<int>(std::max<int64_t>(run, kLeastSorted));
    const int64_t blocks = std::min(ceil_div(l.count, size / run), kMostBlocks);
    launch(sort_lines_kernel<T>, dim3(static_cast<unsigned>(blocks)), dim3(kBlock),
           static_cast<size_t>(size) * (sizeof(K) + sizeof(int32_t)), x, l, wanted, k, values, indices, run, size);
    return;
  }
  Items<K> items(l.count, l.n);
  launch(keys_kernel<T>, grid_for(l.count * l.n), dim3(kBlock), 0, x, l, wanted == Wanted::Values,
         wanted == Wanted::Largest, items.keys, items.places);
  int64_t stride = l.n;
  if (wanted == Wanted::Largest && k <= kFew) {
    for (bool more = true; more;) {
      const int64_t tiles = ceil_div(stride, kTile);
      launch(first_of_tiles_kernel<K>, dim3(static_cast<unsigned>(std::min(l.count * tiles, kMostBlocks))),
             dim3(kBlock), 0, items.keys, items.places, l.count, stride, tiles, k, items.spare_keys,
             items.spare_places);
      std::swap(items.keys, items.spare_keys);
      std::swap(items.places, items.spare_places);
      stride = tiles * k;
      more = tiles > 1;
    }
  } else {
    items.sort(sizeof(T));
  }
  launch(results_kernel<T>, grid_for(l.count * (wanted == Wanted::Largest ? k : l.n)), dim3(kBlock), 0, x, l, wanted, k,
         items.keys, items.places, stride, values, indices);
}

// ---- searching ----

// The first position in ascending keys [0, n) whose key is not less than `key`; with `beyond`, is greater than it.
template <class F, class K>
__device__ __forceinline__ int64_t find(int64_t n, K key, bool beyond, F&& key_at) {
  int64_t low = 0, size = n;
  while (size > 0) {
    const int64_t half = size / 2;
    const K k = key_at(low + half);
    const bool before = beyond ? k <= key : k < key;
    low = before ? low + half + 1 : low;
    size = before ? size - half - 1 : half;
  }
  return low;
}

template <class T>
__global__ void search_kernel(const T* sequence, int64_t n, const T* x, int64_t count, bool right, int32_t* y) {
  for (int64_t i = grid_index(); i < count; i += grid_size())
    y[i] = static_cast<int32_t>(
        find(n, KeyOf<T>::key(x[i], false), right, [&](int64_t at) { return KeyOf<T>::key(sequence[at], false); }));
}

template <class T>
__global__ void isin_kernel(const typename KeyOf<T>::Key* keys, int64_t n, const T* x, int64_t count, bool invert,
                            bool* y) {
  for (int64_t i = grid_index(); i < count; i += grid_size()) {
    const auto key = KeyOf<T>::key(x[i], false);
    const int64_t at = find(n, key, false, [&](int64_t j) { return keys[j]; });
    const auto f = convert<Compute<T>>(x[i]);
    y[i] = invert != (f == f && at < n && keys[at] == key);  // NaN is in no set
  }
}

// A warp counts how many classes of a row are above the target's. A target that is no class is reported.
template <class T>
__global__ void in_top_k_kernel(const T* x, const void* targets, DType type, int64_t rows, int64_t n, int64_t k,
                                Fault* fault, bool* y) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int64_t base = blockIdx.x * kWarps; base < rows; base += gridDim.x * kWarps) {
    const int64_t r = base + threadIdx.x / 32;
    int64_t target = n, larger = 0;
    if (r < rows) {
      with_type(type, [&]<class I>() {
        if constexpr (std::is_integral_v<I>) target = static_cast<int64_t>(static_cast<const I*>(targets)[r]);
      });
      if (target < -n || target >= n) report(fault, FaultKind::Index, "in_top_k", 0, target, n);
      if (target < 0) target += n;
    }
    const bool valid = target >= 0 && target < n;
    if (valid) {
      const auto own = KeyOf<T>::key(x[r * n + target], false);
      for (int64_t c = lane; c < n; c += 32) larger += KeyOf<T>::key(x[r * n + c], false) > own;
    }
    larger = combine_lanes(Add<int64_t>{}, larger, 1, 32);
    if (r >= rows || lane != 0) continue;
    const auto f = valid ? convert<Compute<T>>(x[r * n + target]) : Compute<T>{};
    y[r] = valid && larger < k && f == f;  // nor is NaN
  }
}

// ---- the ops ----

Lines lines_of(const Tensor& x, const std::optional<int64_t>& axis, const char* op) {
  if (!axis || x.rank() == 0) return {1, x.size(), 1};
  const AxisView v = view_axis(x.shape(), normalize_axis(*axis, x.rank(), op));
  return {v.outer * v.inner, v.n, v.inner};
}

void check_length(const Lines& l, const char* op) {
  if (l.n >= kNowhere)
    throw_value("[", op, "] expected fewer than 2**31 - 1 elements on the axis, received ", l.n, ".");
}

void sort(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const Lines l = lines_of(x, a.as<LastAxisAttrs>().axis, "sort");
  check_length(l, "sort");
  if (x.size() == 0) return;
  visit_dtype(x.dtype(),
              [&]<class T>() { sort_lines(x.data<T>(), l, Wanted::Values, 0, a.out[0].mutable_data<T>(), nullptr); });
}

void argsort(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const Lines l = lines_of(x, a.as<LastAxisAttrs>().axis, "argsort");
  check_length(l, "argsort");
  if (x.size() == 0) return;
  visit_dtype(x.dtype(), [&]<class T>() {
    sort_lines<T>(x.data<T>(), l, Wanted::Places, 0, nullptr, a.out[0].mutable_data<int32_t>());
  });
}

void top_k(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const int64_t k = a.as<TopKAttrs>().k;
  if (x.size() == 0 || k == 0) return;
  const Lines l{x.size() / x.dim(-1), x.dim(-1), 1};
  check_length(l, "top_k");
  visit_dtype(x.dtype(), [&]<class T>() {
    sort_lines(x.data<T>(), l, Wanted::Largest, k, a.out[0].mutable_data<T>(), a.out[1].mutable_data<int32_t>());
  });
}

void in_top_k(const KernelArgs& a) {
  const Tensor &targets = a.in[0], &x = a.in[1], &y = a.out[0];
  if (y.size() == 0) return;
  const int64_t rows = x.dim(0), blocks = std::min(ceil_div(rows, kWarps), kMostBlocks);
  visit_dtype(x.dtype(), [&]<class T>() {
    launch(in_top_k_kernel<T>, dim3(static_cast<unsigned>(blocks)), dim3(kBlock), 0, x.data<T>(), targets.raw(),
           targets.dtype(), rows, x.dim(1), a.as<InTopKAttrs>().k, fault(), y.mutable_data<bool>());
  });
}

void searchsorted(const KernelArgs& a) {
  const Tensor &sequence = a.in[0], &x = a.in[1], &y = a.out[0];
  if (y.size() == 0) return;
  const bool right = a.as<SearchsortedAttrs>().side == "right";
  visit_dtype(x.dtype(), [&]<class T>() {
    launch(search_kernel<T>, grid_for(y.size()), dim3(kBlock), 0, sequence.data<T>(), sequence.size(), x.data<T>(),
           y.size(), right, y.mutable_data<int32_t>());
  });
}

void isin(const KernelArgs& a) {
  const Tensor &x = a.in[0], &set = a.in[1], &y = a.out[0];
  const bool invert = a.as<IsinAttrs>().invert;
  if (y.size() == 0) return;
  if (set.size() == 0) return fill(y, invert ? 1 : 0);
  const Lines l{1, set.size(), 1};
  check_length(l, "isin");
  visit_dtype(x.dtype(), [&]<class T>() {
    Items<typename KeyOf<T>::Key> items(1, l.n);
    launch(keys_kernel<T>, grid_for(l.n), dim3(kBlock), 0, set.data<T>(), l, false, false, items.keys, items.places);
    items.sort(sizeof(T));
    launch(isin_kernel<T>, grid_for(y.size()), dim3(kBlock), 0, items.keys, l.n, x.data<T>(), y.size(), invert,
           y.mutable_data<bool>());
  });
}

}  // namespace

void register_sort() {
  define("sort", sort);
  define("argsort", argsort);
  define("top_k", top_k);
  define("in_top_k", in_top_k);
  define("searchsorted", searchsorted);
  define("isin", isin);
}

}  // namespace tahr::cuda
