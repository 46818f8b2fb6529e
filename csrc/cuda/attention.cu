// Scaled dot-product attention by tiles (Dao et al., "FlashAttention", 2022; the running maximum and sum of a softmax:
// Milakov and Gimelshein, 2018). Scores are never stored: the backward pass finds them again from each row's maximum
// and sum.
//
//   forward   out = softmax(scale Q K' + bias) V, masked scores being kMaskedScore
//   backward  P = exp(S - peak) / total,  dP = dO V',  dS = P (dP - sum(dO O)) scale
//             dQ = dS K,  dK = dS' Q,  dV = P' dO
//
// Each result is made by blocks that own a tile of its rows and pass over the other side in order, so no sum depends on
// the order of blocks: forward and dQ own queries, dK and dV own keys and take all queries of all heads that share
// them. All four are the same two steps: S = X Y' of two tiles, and sums += weights Z.
//
// Floor: FLOPs of plain (not tensor) arithmetic, 2 t s (h + v) per head forward and 2 t s (5 h + 3 v) backward, half of
// it if causal; memory is read once per tile of the other side, mostly from the level-2 cache.
#include "cuda/attention.h"
#include "cuda/convert.h"
#include "cuda/pack.h"

namespace tahr::cuda {
namespace attention {
namespace {

constexpr int kSide = 16, kThreads = kSide * kSide;  // threads of a block, as a square
constexpr int kDepth = 32;                           // of a head's size, at a time

template <class T>
inline constexpr int kWide = 16 / static_cast<int>(sizeof(T));  // elements of one access; rows and columns of a thread
template <class T>
inline constexpr int kTile = kSide * kWide<T>;

// Shared memory. Rows are padded by one access, so that those of neighbouring threads lie in different banks.
template <class T, int kCols>
struct Room {
  static constexpr int kRows = 16384 / (kCols * static_cast<int>(sizeof(T)));  // of Z, at a time
  alignas(16) T weights[kTile<T>][kTile<T> + kWide<T>];
  union {
    struct {
      T x[kTile<T>][kDepth + kWide<T>], y[kTile<T>][kDepth + kWide<T>];
    } pair;
    T z[kRows][kCols];
  };
};

// Rows of a head, `stride` apart. packed: rows can be read 16 bytes at a time.
template <class T>
struct Rows {
  const T* at;
  int64_t stride;
  bool packed;
  __device__ __forceinline__ Rows from(int64_t row, int64_t column = 0) const {
    return {at + row * stride + column, stride, packed};
  }
};

// query (b, t, n, h), key (b, s, k, h), value (b, s, k, v); n is a multiple of k.
template <class T>
struct Problem {
  int64_t b, t, n, h, s, k, v;
  const T *query, *key, *value;
  const T *dy, *statistics, *dots;  // backward
  Spread<T> bias;
  Spread<bool> mask;
  T scale;
  bool causal, packed_h, packed_v;

  __device__ __forceinline__ Rows<T> queries(int64_t batch, int64_t head) const {
    return {query + (batch * t * n + head) * h, n * h, packed_h};
  }
  __device__ __forceinline__ Rows<T> cotangents(int64_t batch, int64_t head) const {
    return {dy + (batch * t * n + head) * v, n * v, packed_v};
  }
  __device__ __forceinline__ Rows<T> keys(int64_t batch, int64_t head) const {
    return {key + (batch * s * k + head) * h, k * h, packed_h};
  }
  __device__ __forceinline__ Rows<T> values(int64_t batch, int64_t head) const {
    return {value + (batch * s * k + head) * v, k * v, packed_v};
  }
  // How many keys the queries below `last` see. With a mask a row may see none, and then spreads over all of them.
  __device__ __forceinline__ int64_t keys_for(int64_t last) const {
    return causal && !mask.data && last < s ? last : s;
  }
  // From the product of query i and key j; -inf for a pair that does not exist.
  __device__ __forceinline__ T score(T product, int64_t batch, int64_t head, int64_t i, int64_t j) const {
    if (i >= t || j >= s) return -std::numeric_limits<T>::infinity();
    if (causal && j > i) return kMaskedScore<T>;
    if (mask.data && !mask(batch, head, i, j)) return kMaskedScore<T>;
    product *= scale;
    return bias.data ? product + bias(batch, head, i, j) : product;
  }
};

__device__ __forceinline__ int thread_row() { return static_cast<int>(threadIdx.x) / kSide; }
__device__ __forceinline__ int thread_column() { return static_cast<int>(threadIdx.x) % kSide; }

// to[r][c] = rows [0, count) and columns [0, width) of `from`, and zeros around them.
template <class T, int kHigh, int kAcross, int kPitch>
__device__ __forceinline__ void load_rows(T (&to)[kHigh][kPitch], Rows<T> from, int64_t count, int64_t width) {
  constexpr int W = kWide<T>, kPacks = kAcross / W;
  for (int e = static_cast<int>(threadIdx.x); e < kHigh * kPacks; e += kThreads) {
    const int r = e / kPacks, c = e % kPacks * W;
    Pack<T, W> p{};
    if (r < count) {
      const T* row = from.at + r * from.stride + c;
      if (from.packed && c + W <= width) {
        p = load_pack<W>(row);
      } else {
        TAHR_UNROLL
        for (int w = 0; w < W; ++w) {
          if (c + w < width) p.v[w] = row[w];
        }
      }
    }
    store_pack(&to[r][c], p);
  }
}

// s[i][j] = row (thread_row, i) of x times row (thread_column, j) of y; rows of y are dealt out to threads in turn.
template <class T, class R>
__device__ __forceinline__ void multiply_rows(R& room, Rows<T> x, int64_t x_rows, Rows<T> y, int64_t y_rows,
                                              int64_t width, T (&s)[kWide<T>][kWide<T>]) {
  constexpr int W = kWide<T>;
  TAHR_UNROLL
  for (int i = 0; i < W; ++i) {
    TAHR_UNROLL
    for (int j = 0; j < W; ++j) s[i][j] = T(0);
  }
  for (int64_t d = 0; d < width; d += kDepth) {
    load_rows<T, kTile<T>, kDepth>(room.pair.x, x.from(0, d), x_rows, width - d);
    load_rows<T, kTile<T>, kDepth>(room.pair.y, y.from(0, d), y_rows, width - d);
    __syncthreads();
    const int depth = width - d < kDepth ? static_cast<int>(width - d) : kDepth;
    for (int e = 0; e < depth; e += W) {
      Pack<T, W> a[W], b[W];
      TAHR_UNROLL
      for (int i = 0; i < W; ++i) {
        a[i] = load_pack<W>(&room.pair.x[thread_row() * W + i][e]);
        b[i] = load_pack<W>(&room.pair.y[thread_column() + kSide * i][e]);
      }
      TAHR_UNROLL
      for (int i = 0; i < W; ++i) {
        TAHR_UNROLL
        for (int j = 0; j < W; ++j) {
          TAHR_UNROLL
          for (int w = 0; w < W; ++w) s[i][j] += a[i].v[w] * b[j].v[w];
        }
      }
    }
    __syncthreads();
  }
}

// A thread's part of a tile of results: W rows, and packs of columns dealt out in turn.
template <class T, int kCols>
struct Sums {
  static constexpr int W = kWide<T>, kPacks = kCols / (kSide * W);
  Pack<T, W> v[W][kPacks];

  __device__ __forceinline__ void clear() {
    TAHR_UNROLL
    for (int i = 0; i < W; ++i) scale(i, T(0));
  }
  __device__ __forceinline__ void scale(int i, T factor) {
    TAHR_UNROLL
    for (int q = 0; q < kPacks; ++q) {
      TAHR_UNROLL
      for (int w = 0; w < W; ++w) v[i][q].v[w] = factor == T(0) ? T(0) : v[i][q].v[w] * factor;
    }
  }
  // v += weights z
  __device__ __forceinline__ void add(Room<T, kCols>& room, Rows<T> z, int64_t z_rows, int64_t width) {
    constexpr int kRows = Room<T, kCols>::kRows;
    for (int k = 0; k < kTile<T> && k < z_rows; k += kRows) {
      load_rows<T, kRows, kCols>(room.z, z.from(k), z_rows - k, width);
      __syncthreads();
      for (int e = 0; e < kRows; e += W) {
        Pack<T, W> a[W];
        TAHR_UNROLL
        for (int i = 0; i < W; ++i) a[i] = load_pack<W>(&room.weights[thread_row() * W + i][k + e]);
        TAHR_UNROLL
        for (int w = 0; w < W; ++w) {
          TAHR_UNROLL
          for (int q = 0; q < kPacks; ++q) {
            const Pack<T, W> b = load_pack<W>(&room.z[e + w][(q * kSide + thread_column()) * W]);
            TAHR_UNROLL
            for (int i = 0; i < W; ++i) {
              TAHR_UNROLL
              for (int c = 0; c < W; ++c) v[i][q].v[c] += a[i].v[w] * b.v[c];
            }
          }
        }
      }
      __syncthreads();
    }
  }
  // Rows [0, rows) and columns [0, width), rows `stride` apart.
  __device__ __forceinline__ void store(T* to, int64_t stride, int64_t rows, int64_t width, bool packed) const {
    TAHR_UNROLL
    for (int i = 0; i < W; ++i) {
      const int r = thread_row() * W + i;
      if (r >= rows) continue;
      TAHR_UNROLL
      for (int q = 0; q < kPacks; ++q) {
        const int c = (q * kSide + thread_column()) * W;
        T* at = to + r * stride + c;
        if (packed && c + W <= width) {
          store_pack(at, v[i][q]);
        } else {
          TAHR_UNROLL
          for (int w = 0; w < W; ++w) {
            if (c + w < width) at[w] = v[i][q].v[w];
          }
        }
      }
    }
  }
};

// Which tile of rows, columns and head a block makes; late rows first, as they see most if causal.
struct Place {
  int64_t batch, head, first, column;
  __device__ __forceinline__ Place(int64_t heads, int64_t rows, int tile, int64_t width, int cols) {
    const int64_t tiles = (rows + tile - 1) / tile, chunks = (width + cols - 1) / cols;
    int64_t i = blockIdx.x;
    column = i % chunks * cols;
    i /= chunks;
    head = i % heads;
    i /= heads;
    first = (tiles - 1 - i % tiles) * tile;
    batch = i / tiles;
  }
};

// Over the threads of a row, which are half a warp.
template <class T, class F>
__device__ __forceinline__ T row_fold(T x, F combine) {
  TAHR_UNROLL
  for (int lanes = kSide / 2; lanes > 0; lanes /= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, lanes));
  return x;
}

template <class T, int kCols>
__global__ void __launch_bounds__(kThreads, 2) forward_kernel(Problem<T> p, T* out, T* statistics) {
  constexpr int W = kWide<T>;
  constexpr T kNothing = -std::numeric_limits<T>::infinity();
  __shared__ Room<T, kCols> room;
  const Place at(p.n, p.t, kTile<T>, p.v, kCols);
  const int64_t kv = at.head / (p.n / p.k), rows = p.t - at.first < kTile<T> ? p.t - at.first : kTile<T>;
  const Rows<T> query = p.queries(at.batch, at.head).from(at.first);
  Sums<T, kCols> sums;
  sums.clear();
  T peak[W], total[W];
  for (int i = 0; i < W; ++i) peak[i] = kNothing, total[i] = T(0);
  const int64_t keys = p.keys_for(at.first + rows);
  for (int64_t j = 0; j < keys; j += kTile<T>) {
    T s[W][W];
    multiply_rows(room, query, rows, p.keys(at.batch, kv).from(j), keys - j, p.h, s);
    TAHR_UNROLL
    for (int i = 0; i < W; ++i) {
      const int r = thread_row() * W + i;
      T most = peak[i];
      TAHR_UNROLL
      for (int c = 0; c < W; ++c) {
        s[i][c] = p.score(s[i][c], at.batch, at.head, at.first + r, j + thread_column() + kSide * c);
        most = s[i][c] > most ? s[i][c] : most;
      }
      most = row_fold(most, [](T x, T y) { return x > y ? x : y; });
      const T shift = most == kNothing ? T(0) : most;
      T sum = 0;
      TAHR_UNROLL
      for (int c = 0; c < W; ++c) {
        const T e = exp(s[i][c] - shift);
        room.weights[r][thread_column() + kSide * c] = e;
        sum += e;
      }
      sum = row_fold(sum, [](T x, T y) { return x + y; });
      const T factor = exp(peak[i] - shift);
      total[i] = total[i] * factor + sum;
      peak[i] = most;
      sums.scale(i, factor);
    }
    sums.add(room, p.values(at.batch, kv).from(j, at.column), keys - j, p.v - at.column);
  }
  for (int i = 0; i < W; ++i) {
    const int r = thread_row() * W + i;
    sums.scale(i, T(1) / total[i]);
    if (r >= rows || thread_column() > 0 || at.column > 0) continue;
    T* to = statistics + ((at.batch * p.n + at.head) * p.t + at.first + r) * 2;
    to[0] = peak[i];
    to[1] = total[i];
  }
  sums.store(out + ((at.batch * p.t + at.first) * p.n + at.head) * p.v + at.column, p.n * p.v, rows, p.v - at.column,
             p.packed_v);
}

// dots[r] = sum over the v elements of row r of dy out, by a warp
template <class T>
__global__ void dots_kernel(const T* dy, const T* out, int64_t rows, int64_t v, T* dots) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int64_t r = grid_index() / 32; r < rows; r += grid_size() / 32) {
    T sum = 0;
    for (int64_t c = lane; c < v; c += 32) sum += dy[r * v + c] * out[r * v + c];
    for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
    if (lane == 0) dots[r] = sum;
  }
}

enum class Of { Query, Key, Value };

// The cotangent of one input: a block owns a tile of its rows. `heads`: the result's.
template <class T, int kCols, Of kOf>
__global__ void __launch_bounds__(kThreads, 2) backward_kernel(Problem<T> p, T* result) {
  constexpr int W = kWide<T>;
  constexpr bool kOwnsQueries = kOf == Of::Query;
  __shared__ Room<T, kCols> room;
  const int64_t heads = kOwnsQueries ? p.n : p.k, length = kOwnsQueries ? p.t : p.s,
                width = kOf == Of::Value ? p.v : p.h;
  const Place at(heads, length, kTile<T>, width, kCols);
  const int64_t rows = length - at.first < kTile<T> ? length - at.first : kTile<T>, group = p.n / p.k;
  const int64_t kv = kOwnsQueries ? at.head / group : at.head;
  const Rows<T> keys = p.keys(at.batch, kv), values = p.values(at.batch, kv);
  Sums<T, kCols> sums;
  sums.clear();
  const int64_t first_head = kOwnsQueries ? at.head : kv * group,
                last_head = kOwnsQueries ? at.head : first_head + group - 1;
  for (int64_t head = first_head; head <= last_head; ++head) {
    const Rows<T> queries = p.queries(at.batch, head), cotangents = p.cotangents(at.batch, head);
    // Causal, keys are seen by no earlier queries; but see keys_for.
    const int64_t begin = !kOwnsQueries && p.causal && !p.mask.data ? at.first : 0;
    const int64_t end = kOwnsQueries ? p.keys_for(at.first + rows) : p.t;
    for (int64_t j = begin; j < end; j += kTile<T>) {
      T s[W][W], d[W][W];
      if constexpr (kOwnsQueries) {
        multiply_rows(room, queries.from(at.first), rows, keys.from(j), end - j, p.h, s);
        multiply_rows(room, cotangents.from(at.first), rows, values.from(j), end - j, p.v, d);
      } else {
        multiply_rows(room, keys.from(at.first), rows, queries.from(j), end - j, p.h, s);
        if constexpr (kOf == Of::Key) {
          multiply_rows(room, values.from(at.first), rows, cotangents.from(j), end - j, p.v, d);
        }
      }
      TAHR_UNROLL
      for (int i = 0; i < W; ++i) {
        TAHR_UNROLL
        for (int c = 0; c < W; ++c) {
          const int r = thread_row() * W + i, column = thread_column() + kSide * c;
          const int64_t query = kOwnsQueries ? at.first + r : j + column,
                        key = kOwnsQueries ? j + column : at.first + r;
          T weight = 0;
          if (query < p.t && key < p.s) {
            const T* known = p.statistics + ((at.batch * p.n + head) * p.t + query) * 2;
            const T peak = known[0];
            weight = exp(p.score(s[i][c], at.batch, head, query, key) - peak) / known[1];
            // The scores of a row that sees nothing are constants.
            if constexpr (kOf != Of::Value)
              weight *=
                  peak > kMaskedScore<T> ? (d[i][c] - p.dots[(at.batch * p.t + query) * p.n + head]) * p.scale : T(0);
          }
          room.weights[r][column] = weight;
        }
      }
      if constexpr (kOf == Of::Query) sums.add(room, keys.from(j, at.column), end - j, width - at.column);
      if constexpr (kOf == Of::Key) sums.add(room, queries.from(j, at.column), end - j, width - at.column);
      if constexpr (kOf == Of::Value) sums.add(room, cotangents.from(j, at.column), end - j, width - at.column);
    }
  }
  sums.store(result + ((at.batch * length + at.first) * heads + at.head) * width + at.column, heads * width, rows,
             width - at.column, kOf == Of::Value ? p.packed_v : p.packed_h);
}

template <class T>
bool packs(std::initializer_list<const void*> places, int64_t width) {
  for (const void* p : places)
    if (!aligned(p, 16)) return false;
  return width % kWide<T> == 0;
}

template <class T>
Problem<T> problem_of(const KernelArgs& a, size_t first, size_t bias) {
  const auto& at = a.as<AttentionAttrs>();
  const Tensor &q = a.in[first], &k = a.in[first + 1], &v = a.in[first + 2];
  Problem<T> p{};
  p.b = q.dim(0), p.t = q.dim(1), p.n = q.dim(2), p.h = q.dim(3);
  p.s = k.dim(1), p.k = k.dim(2), p.v = v.dim(3);
  p.query = q.data<T>(), p.key = k.data<T>(), p.value = v.data<T>();
  p.bias = Spread<T>(a, bias);
  p.mask = Spread<bool>(a, bias + 1);
  p.scale = static_cast<T>(at.scale);
  p.causal = at.causal;
  return p;
}

// The grid of blocks that make `rows` rows of `width` of every head.
template <class T>
dim3 blocks_for(int64_t b, int64_t heads, int64_t rows, int64_t width, int cols) {
  return dim3(static_cast<unsigned>(b * heads * ((rows + kTile<T> - 1) / kTile<T>)*((width + cols - 1) / cols)));
}

template <class T>
void forward(const KernelArgs& a) {
  Problem<T> p = problem_of<T>(a, 0, 3);
  if (p.s == 0) return clear(a.out[0]), clear(a.out[1]);
  if (p.b * p.t * p.n == 0) return;
  T *out = a.out[0].mutable_data<T>(), *statistics = a.out[1].mutable_data<T>();
  p.packed_h = packs<T>({p.query, p.key}, p.h);
  p.packed_v = packs<T>({p.value, out}, p.v);
  const int64_t width = p.v > 0 ? p.v : 1;  // without values there are still statistics
  if (p.v <= 64)
    launch(forward_kernel<T, 64>, blocks_for<T>(p.b, p.n, p.t, width, 64), dim3(kThreads), 0, p, out, statistics);
  else launch(forward_kernel<T, 128>, blocks_for<T>(p.b, p.n, p.t, width, 128), dim3(kThreads), 0, p, out, statistics);
}

template <class T, Of kOf>
void launch_backward(const Problem<T>& p, const Tensor& result) {
  if (result.size() == 0) return;
  const int64_t heads = kOf == Of::Query ? p.n : p.k, rows = kOf == Of::Query ? p.t : p.s, width = result.dim(3);
  T* to = result.mutable_data<T>();
  if (width <= 64)
    launch(backward_kernel<T, 64, kOf>, blocks_for<T>(p.b, heads, rows, width, 64), dim3(kThreads), 0, p, to);
  else launch(backward_kernel<T, 128, kOf>, blocks_for<T>(p.b, heads, rows, width, 128), dim3(kThreads), 0, p, to);
}

template <class T>
void backward(const KernelArgs& a) {
  Problem<T> p = problem_of<T>(a, 1, 6);
  if (p.s == 0 || p.t == 0) return clear(a.out[0]), clear(a.out[1]), clear(a.out[2]);
  const int64_t rows = p.b * p.t * p.n;
  if (rows == 0) return clear(a.out[1]), clear(a.out[2]);
  p.dy = a.in[0].data<T>();
  p.statistics = a.in[5].data<T>();
  p.packed_h = packs<T>({p.query, p.key, a.out[0].raw(), a.out[1].raw()}, p.h);
  p.packed_v = packs<T>({p.value, p.dy, a.out[2].raw()}, p.v);
  const Scratch dots(static_cast<size_t>(rows) * sizeof(T));
  p.dots = dots.as<T>();
  launch(dots_kernel<T>, grid_for(rows * 32), dim3(kBlock), 0, p.dy, a.in[4].data<T>(), rows, p.v, dots.as<T>());
  launch_backward<T, Of::Query>(p, a.out[0]);
  launch_backward<T, Of::Key>(p, a.out[1]);
  launch_backward<T, Of::Value>(p, a.out[2]);
}

// Halves that no kernel of theirs takes: all in float32, then rounded.
template <class To, class From>
__global__ void convert_kernel(const From* from, To* to, int64_t n) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) to[i] = convert<To>(from[i]);
}

void by_floats(const KernelArgs& a, void (*kernel)(const KernelArgs&)) {
  std::vector<Tensor> in(a.in.begin(), a.in.end()), out(a.out.begin(), a.out.end());
  const auto widened = [](Tensor& t, bool filled) {
    if (!t.defined() || !is_half(t.dtype())) return;
    const Tensor narrow = t;
    t = Tensor::empty_on(t.device(), t.shape(), DType::Float32);
    if (!filled || t.size() == 0) return;
    visit_float(narrow.dtype(), [&]<class H>() {
      launch(convert_kernel<float, H>, grid_for(t.size(), 4), dim3(kBlock), 0, narrow.data<H>(),
             t.mutable_data<float>(), t.size());
    });
  };
  for (Tensor& t : in) widened(t, true);
  for (Tensor& t : out) widened(t, false);
  kernel({in, out, a.attrs, nullptr});
  for (size_t i = 0; i < out.size(); ++i) {
    if (!is_half(a.out[i].dtype()) || out[i].size() == 0) continue;
    visit_float(a.out[i].dtype(), [&]<class H>() {
      launch(convert_kernel<H, float>, grid_for(out[i].size(), 4), dim3(kBlock), 0, out[i].data<float>(),
             a.out[i].mutable_data<H>(), out[i].size());
    });
  }
}

bool empty(const KernelArgs& a, size_t first) {
  return a.in[first].dim(0) * a.in[first].dim(1) * a.in[first].dim(2) * a.in[first + 1].dim(1) == 0;
}

void run_forward(const KernelArgs& a) {
  const DType type = a.in[0].dtype();
  if (type == DType::Float64) return forward<double>(a);
  if (type == DType::Float32) return forward<float>(a);
  if (empty(a, 0) || !(forward_cudnn(a) || forward_half(a))) by_floats(a, forward<float>);
}

void run_backward(const KernelArgs& a) {
  const DType type = a.in[0].dtype();
  if (type == DType::Float64) return backward<double>(a);
  if (type == DType::Float32) return backward<float>(a);
  if (empty(a, 1) || !(backward_cudnn(a) || backward_half(a))) by_floats(a, backward<float>);
}

}  // namespace

void clear(const Tensor& t) {
  if (t.size() > 0) check(cudaMemsetAsync(t.mutable_raw(), 0, t.nbytes(), stream()), "memory could not be set");
}

}  // namespace attention

void register_attention() {
  define("attention", attention::run_forward);
  define("attention_grad", attention::run_backward);
}

}  // namespace tahr::cuda
