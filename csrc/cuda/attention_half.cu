// Attention of float16 and bfloat16 on tensor cores, by the formulas of attention.cu. A block of 4 warps owns 64 rows,
// a warp 16 of them, and passes over the other side 64 rows at a time, in order: no sum depends on the order of blocks.
// Scores, sums and softmax are float32; probabilities and the cotangents of scores are rounded to the inputs' type for
// the products that they enter.
//
//   forward   a warp's scores lie in shared memory as floats, and after the softmax, in the same place, as halves
//   dQ        a block owns queries;  dK and dV: a block owns keys, and takes all queries of all heads that share them
//
// Floor: FLOPs of tensor cores, 2 t s (h + v) per head forward and 2 t s (5 h + 3 v) backward, half of it if causal.
#include "cuda/attention.h"
#include "cuda/pack.h"
#include "cuda/tensor_cores.h"

namespace tahr::cuda::attention {
namespace {

using namespace tensor;

constexpr int kTile = 64, kWarps = kTile / kSide, kThreads = 32 * kWarps;
constexpr int kAtOnce = 8;                // elements of one access
constexpr int kScorePitch = kTile + 4;    // floats; as halves twice that
constexpr int kWeightPitch = kTile + 8;   // halves
constexpr size_t kMostStatic = 40 << 10;  // shared memory that a kernel gets without asking, what is static left aside
template <int kDepth>
inline constexpr int kPitch = kDepth + kAtOnce;  // of a tile of rows, so that neighbouring rows lie in different banks

template <class T>
struct Problem : Sizes {
  const T *query, *key, *value, *dy = nullptr;
  const float *statistics = nullptr, *dots = nullptr;
  Spread<T> bias;
  Spread<float> wide_bias;
  Spread<bool> mask;
  bool packed_h, packed_v;

  Problem(const KernelArgs& a, size_t first, size_t bias_at)
      : Sizes(a, first), bias(a, bias_at), wide_bias(a, bias_at), mask(a, bias_at + 1) {
    query = a.in[first].data<T>(), key = a.in[first + 1].data<T>(), value = a.in[first + 2].data<T>();
  }
  __device__ __forceinline__ const T* row_of_query(const T* x, int64_t batch, int64_t i, int64_t head,
                                                   int64_t width) const {
    return x + ((batch * t + i) * n + head) * width;
  }
  __device__ __forceinline__ const T* row_of_key(const T* x, int64_t batch, int64_t j, int64_t head,
                                                 int64_t width) const {
    return x + ((batch * s + j) * k + head) * width;
  }
  // How many keys the queries below `last` see. With a mask a row may see none, and then spreads over all of them.
  __device__ __forceinline__ int64_t keys_for(int64_t last) const {
    return causal && !mask.data && last < s ? last : s;
  }
  // From the product of query i and key j; -inf for a pair that does not exist.
  __device__ __forceinline__ float score(float product, int64_t batch, int64_t head, int64_t i, int64_t j) const {
    if (i >= t || j >= s) return -std::numeric_limits<float>::infinity();
    if (causal && j > i) return kMaskedScore<float>;
    if (mask.data && !mask(batch, head, i, j)) return kMaskedScore<float>;
    product *= scale;
    if (bias.data) product += convert<float>(bias(batch, head, i, j));
    if (wide_bias.data) product += wide_bias(batch, head, i, j);
    return product;
  }
};

__device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
__device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x) / 32; }
__device__ __forceinline__ unsigned char* first_boundary(unsigned char* p) {
  return p + (32 - reinterpret_cast<uintptr_t>(p) % 32) % 32;
}

// 64 rows of `to` = rows [0, count) and columns [0, width) of rows `stride` apart, zeros around them up to a multiple
// of 16 columns.
template <int kDepth, class T>
__device__ __forceinline__ void load_rows(T* to, const T* from, int64_t stride, int64_t count, int64_t width,
                                          bool packed) {
  constexpr int kPacks = kDepth / kAtOnce;
  const int64_t across = (width + kSide - 1) / kSide * kSide;
  for (int e = static_cast<int>(threadIdx.x); e < kTile * kPacks; e += kThreads) {
    const int r = e / kPacks, c = e % kPacks * kAtOnce;
    if (c >= across) continue;
    Pack<T, kAtOnce> p{};
    if (r < count) {
      const T* row = from + r * stride + c;
      if (packed && c + kAtOnce <= width) {
        p = load_pack<kAtOnce>(row);
      } else {
        TAHR_UNROLL
        for (int w = 0; w < kAtOnce; ++w)
          if (c + w < width) p.v[w] = row[w];
      }
    }
    store_pack(to + r * kPitch<kDepth> + c, p);
  }
}

// sum = 16 rows of x times 16 rows of y, both of `width`.
template <class T, int kDepth>
__device__ __forceinline__ void multiply_rows(Sum& sum, const T* x, const T* y, int64_t width) {
  wmma::fill_fragment(sum, 0.0f);
  TAHR_UNROLL
  for (int d = 0; d < kDepth; d += kSide) {
    if (d >= width) break;
    Left<T> a;
    RightRows<T> b;
    load(a, x + d, kPitch<kDepth>);
    load(b, y + d, kPitch<kDepth>);
    multiply(sum, a, b);
  }
}

// sums[column] += a warp's 16 rows of weights times the first `count` rows of z
template <class T, int kDepth>
__device__ __forceinline__ void add_rows(Sum (&sums)[kDepth / kSide], const T* weights, int pitch, const T* z,
                                         int64_t count, int64_t width) {
  for (int e = 0; e < kTile && e < count; e += kSide) {
    Left<T> a;
    load(a, weights + e, pitch);
    TAHR_UNROLL
    for (int f = 0; f < kDepth / kSide; ++f) {
      if (f * kSide >= width) break;
      Right<T> b;
      load(b, z + e * kPitch<kDepth> + f * kSide, kPitch<kDepth>);
      multiply(sums[f], a, b);
    }
  }
}

template <int kDepth>
__device__ __forceinline__ void clear_sums(Sum (&sums)[kDepth / kSide]) {
  TAHR_UNROLL
  for (int f = 0; f < kDepth / kSide; ++f) wmma::fill_fragment(sums[f], 0.0f);
}

template <class T, int kDepth>
__device__ __forceinline__ void write_rows(float* room, const Sum (&sums)[kDepth / kSide], T* to, int64_t stride,
                                           int64_t rows, int64_t width) {
  TAHR_UNROLL
  for (int f = 0; f < kDepth / kSide; ++f) {
    if (f * kSide >= width) break;
    write(room, sums[f], to + f * kSide, stride, rows, width - f * kSide);
  }
}

// Which tile of rows of which head a block makes; late rows first, as they see most if causal.
struct Place {
  int64_t batch, head, first;
  __device__ __forceinline__ Place(int64_t heads, int64_t rows) {
    const int64_t tiles = (rows + kTile - 1) / kTile;
    int64_t i = blockIdx.x;
    head = i % heads;
    i /= heads;
    first = (tiles - 1 - i % tiles) * kTile;
    batch = i / tiles;
  }
};
__device__ __forceinline__ int64_t up_to_tile(int64_t n) { return n < kTile ? n : kTile; }

template <class T, int kDepth>
constexpr size_t forward_room() {
  return 3 * kTile * kPitch<kDepth> * sizeof(T) + kTile * (kScorePitch + 1) * sizeof(float) + 32;
}

template <class T, int kDepth>
__global__ void __launch_bounds__(kThreads) forward_kernel(Problem<T> p, T* out, float* statistics) {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  constexpr int P = kPitch<kDepth>;
  TAHR_DYNAMIC_SHARED(unsigned char, shared);
  T* queries = reinterpret_cast<T*>(first_boundary(shared));
  T *keys = queries + kTile * P, *values = keys + kTile * P;
  float* scores = reinterpret_cast<float*>(values + kTile * P) + warp() * kSide * kScorePitch;
  float* factors = reinterpret_cast<float*>(values + kTile * P) + kTile * kScorePitch + warp() * kSide;
  T* weights = reinterpret_cast<T*>(scores);
  const Place at(p.n, p.t);
  const int64_t kv = at.head / (p.n / p.k), rows = up_to_tile(p.t - at.first), own = at.first + warp() * kSide;
  const Places places(scores);
  load_rows<kDepth>(queries, p.row_of_query(p.query, at.batch, at.first, at.head, p.h), p.n * p.h, rows, p.h,
                    p.packed_h);
  Sum sums[kDepth / kSide];
  clear_sums<kDepth>(sums);
  const int row = lane() / 2, part = lane() % 2;  // of the softmax: two lanes to a row
  float peak = kNothing, total = 0;
  const int64_t end = p.keys_for(at.first + rows);
  for (int64_t j = 0; j < end; j += kTile) {
    __syncthreads();
    load_rows<kDepth>(keys, p.row_of_key(p.key, at.batch, j, kv, p.h), p.k * p.h, end - j, p.h, p.packed_h);
    load_rows<kDepth>(values, p.row_of_key(p.value, at.batch, j, kv, p.v), p.k * p.v, end - j, p.v, p.packed_v);
    __syncthreads();
    for (int c = 0; c < kTile; c += kSide) {
      Sum s;
      multiply_rows<T, kDepth>(s, queries + warp() * kSide * P, keys + c * P, p.h);
      TAHR_UNROLL
      for (int i = 0; i < Sum::num_elements; ++i)
        s.x[i] = p.score(s.x[i], at.batch, at.head, own + places.row(i), j + c + places.column(i));
      store(scores + c, s, kScorePitch);
    }
    __syncwarp();
    float x[kTile / 2], most = peak;
    TAHR_UNROLL
    for (int i = 0; i < kTile / 2; ++i) {
      x[i] = scores[row * kScorePitch + 2 * i + part];
      most = x[i] > most ? x[i] : most;
    }
    const float other = __shfl_xor_sync(0xffffffffu, most, 1);
    __syncwarp();  // all have read: the weights take the place of the scores
    most = other > most ? other : most;
    const float shift = most == kNothing ? 0 : most;
    float sum = 0;
    TAHR_UNROLL
    for (int i = 0; i < kTile / 2; ++i) {
      const float e = exp(x[i] - shift);
      weights[row * 2 * kScorePitch + 2 * i + part] = convert<T>(e);
      sum += e;
    }
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    const float factor = exp(peak - shift);
    total = total * factor + sum;
    peak = most;
    if (part == 0) factors[row] = factor;
    __syncwarp();
    TAHR_UNROLL
    for (int i = 0; i < Sum::num_elements; ++i) {
      const float by = factors[places.row(i)];
      TAHR_UNROLL
      for (int f = 0; f < kDepth / kSide; ++f) sums[f].x[i] = by == 0 ? 0 : sums[f].x[i] * by;
    }
    add_rows<T, kDepth>(sums, weights, 2 * kScorePitch, values, end - j, p.v);
    __syncwarp();
  }
  if (part == 0) factors[row] = 1 / total;
  __syncwarp();
  TAHR_UNROLL
  for (int i = 0; i < Sum::num_elements; ++i) {
    const float by = factors[places.row(i)];
    TAHR_UNROLL
    for (int f = 0; f < kDepth / kSide; ++f) sums[f].x[i] *= by;
  }
  if (part == 0 && own + row < p.t) {
    float* to = statistics + ((at.batch * p.n + at.head) * p.t + own + row) * 2;
    to[0] = peak;
    to[1] = total;
  }
  write_rows<T, kDepth>(scores, sums, out + ((at.batch * p.t + own) * p.n + at.head) * p.v, p.n * p.v, p.t - own, p.v);
}

// dots[r] = sum over the v elements of row r of dy out, by a warp
template <class T>
__global__ void dots_kernel(const T* dy, const T* out, int64_t rows, int64_t v, float* dots) {
  for (int64_t r = grid_index() / 32; r < rows; r += grid_size() / 32) {
    float sum = 0;
    for (int64_t c = lane(); c < v; c += 32) sum += convert<float>(dy[r * v + c]) * convert<float>(out[r * v + c]);
    for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
    if (lane() == 0) dots[r] = sum;
  }
}

// What the backward pass knows of 64 queries.
struct Known {
  float peak[kTile], inverse[kTile], dot[kTile], scale[kTile];

  template <class T>
  __device__ __forceinline__ void load(const Problem<T>& p, int64_t batch, int64_t head, int64_t first) {
    for (int r = static_cast<int>(threadIdx.x); r < kTile && first + r < p.t; r += kThreads) {
      const int64_t i = first + r;
      const float* from = p.statistics + ((batch * p.n + head) * p.t + i) * 2;
      peak[r] = from[0];
      inverse[r] = 1 / from[1];
      dot[r] = p.dots[(batch * p.t + i) * p.n + head];
      scale[r] = from[0] > kMaskedScore<float> ? p.scale : 0;  // the scores of a row that sees nothing are constants
    }
  }
};

template <class T, int kDepth, bool kKeys>
constexpr size_t backward_room() {
  return (4 * kPitch<kDepth> + (kKeys ? 2 : 1) * kWeightPitch) * kTile * sizeof(T) + sizeof(Known) + 32;
}

template <class T, int kDepth>
__global__ void __launch_bounds__(kThreads) queries_kernel(Problem<T> p, T* result) {
  constexpr int P = kPitch<kDepth>;
  TAHR_DYNAMIC_SHARED(unsigned char, shared);
  T* queries = reinterpret_cast<T*>(first_boundary(shared));
  T *cotangents = queries + kTile * P, *keys = cotangents + kTile * P, *values = keys + kTile * P;
  T* weights = values + kTile * P + warp() * kSide * kWeightPitch;
  Known& known = *reinterpret_cast<Known*>(values + kTile * (P + kWeightPitch));
  const Place at(p.n, p.t);
  const int64_t kv = at.head / (p.n / p.k), rows = up_to_tile(p.t - at.first), own = at.first + warp() * kSide;
  const Places places(reinterpret_cast<float*>(weights));
  load_rows<kDepth>(queries, p.row_of_query(p.query, at.batch, at.first, at.head, p.h), p.n * p.h, rows, p.h,
                    p.packed_h);
  load_rows<kDepth>(cotangents, p.row_of_query(p.dy, at.batch, at.first, at.head, p.v), p.n * p.v, rows, p.v,
                    p.packed_v);
  known.load(p, at.batch, at.head, at.first);
  Sum sums[kDepth / kSide];
  clear_sums<kDepth>(sums);
  const int64_t end = p.keys_for(at.first + rows);
  for (int64_t j = 0; j < end; j += kTile) {
    __syncthreads();
    load_rows<kDepth>(keys, p.row_of_key(p.key, at.batch, j, kv, p.h), p.k * p.h, end - j, p.h, p.packed_h);
    load_rows<kDepth>(values, p.row_of_key(p.value, at.batch, j, kv, p.v), p.k * p.v, end - j, p.v, p.packed_v);
    __syncthreads();
    for (int c = 0; c < kTile; c += kSide) {
      Sum s, d;
      multiply_rows<T, kDepth>(s, queries + warp() * kSide * P, keys + c * P, p.h);
      multiply_rows<T, kDepth>(d, cotangents + warp() * kSide * P, values + c * P, p.v);
      TAHR_UNROLL
      for (int i = 0; i < Sum::num_elements; ++i) {
        const int r = places.row(i), q = warp() * kSide + r, column = c + places.column(i);
        float weight = 0;
        if (at.first + q < p.t && j + column < p.s)
          weight = exp(p.score(s.x[i], at.batch, at.head, at.first + q, j + column) - known.peak[q]) *
                   known.inverse[q] * (d.x[i] - known.dot[q]) * known.scale[q];
        weights[r * kWeightPitch + column] = convert<T>(weight);
      }
    }
    __syncwarp();
    add_rows<T, kDepth>(sums, weights, kWeightPitch, keys, end - j, p.h);
    __syncwarp();
  }
  write_rows<T, kDepth>(reinterpret_cast<float*>(weights), sums,
                        result + ((at.batch * p.t + own) * p.n + at.head) * p.h, p.n * p.h, p.t - own, p.h);
}

template <class T, int kDepth>
__global__ void __launch_bounds__(kThreads) keys_kernel(Problem<T> p, T* dkey, T* dvalue) {
  constexpr int P = kPitch<kDepth>;
  TAHR_DYNAMIC_SHARED(unsigned char, shared);
  T* keys = reinterpret_cast<T*>(first_boundary(shared));
  T *values = keys + kTile * P, *queries = values + kTile * P, *cotangents = queries + kTile * P;
  T* probabilities = cotangents + kTile * P + warp() * kSide * kWeightPitch;
  T* weights = probabilities + kTile * kWeightPitch;
  Known& known = *reinterpret_cast<Known*>(cotangents + kTile * (P + 2 * kWeightPitch));
  const Place at(p.k, p.s);
  const int64_t rows = up_to_tile(p.s - at.first), own = at.first + warp() * kSide, group = p.n / p.k;
  const Places places(reinterpret_cast<float*>(weights));
  load_rows<kDepth>(keys, p.row_of_key(p.key, at.batch, at.first, at.head, p.h), p.k * p.h, rows, p.h, p.packed_h);
  load_rows<kDepth>(values, p.row_of_key(p.value, at.batch, at.first, at.head, p.v), p.k * p.v, rows, p.v, p.packed_v);
  Sum key_sums[kDepth / kSide], value_sums[kDepth / kSide];
  clear_sums<kDepth>(key_sums);
  clear_sums<kDepth>(value_sums);
  // Causal, keys are seen by no earlier queries; but see keys_for.
  const int64_t begin = p.causal && !p.mask.data ? at.first : 0;
  for (int64_t head = at.head * group; head < (at.head + 1) * group; ++head) {
    for (int64_t i0 = begin; i0 < p.t; i0 += kTile) {
      __syncthreads();
      load_rows<kDepth>(queries, p.row_of_query(p.query, at.batch, i0, head, p.h), p.n * p.h, p.t - i0, p.h,
                        p.packed_h);
      load_rows<kDepth>(cotangents, p.row_of_query(p.dy, at.batch, i0, head, p.v), p.n * p.v, p.t - i0, p.v,
                        p.packed_v);
      known.load(p, at.batch, head, i0);
      __syncthreads();
      for (int c = 0; c < kTile; c += kSide) {
        Sum s, d;
        multiply_rows<T, kDepth>(s, keys + warp() * kSide * P, queries + c * P, p.h);
        multiply_rows<T, kDepth>(d, values + warp() * kSide * P, cotangents + c * P, p.v);
        TAHR_UNROLL
        for (int i = 0; i < Sum::num_elements; ++i) {
          const int r = places.row(i), q = c + places.column(i);
          float probability = 0, weight = 0;
          if (i0 + q < p.t && own + r < p.s) {
            probability = exp(p.score(s.x[i], at.batch, head, i0 + q, own + r) - known.peak[q]) * known.inverse[q];
            weight = probability * (d.x[i] - known.dot[q]) * known.scale[q];
          }
          probabilities[r * kWeightPitch + q] = convert<T>(probability);
          weights[r * kWeightPitch + q] = convert<T>(weight);
        }
      }
      __syncwarp();
      add_rows<T, kDepth>(value_sums, probabilities, kWeightPitch, cotangents, p.t - i0, p.v);
      add_rows<T, kDepth>(key_sums, weights, kWeightPitch, queries, p.t - i0, p.h);
      __syncwarp();
    }
  }
  float* room = reinterpret_cast<float*>(weights);
  const int64_t first = (at.batch * p.s + own) * p.k + at.head;
  write_rows<T, kDepth>(room, key_sums, dkey + first * p.h, p.k * p.h, p.s - own, p.h);
  write_rows<T, kDepth>(room, value_sums, dvalue + first * p.v, p.k * p.v, p.s - own, p.v);
}

template <class... P, class... A>
void launch_big(void (*kernel)(P...), int64_t blocks, size_t room, A&&... args) {
  if (room > kMostStatic)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(room)),
          "a kernel could not be given its shared memory");
  launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), room, std::forward<A>(args)...);
}

bool packs(std::initializer_list<const void*> places, int64_t width) {
  for (const void* p : places)
    if (!aligned(p, 16)) return false;
  return width % kAtOnce == 0;
}
int64_t tiles(int64_t rows) { return (rows + kTile - 1) / kTile; }

template <class T, int kDepth>
void forward(const KernelArgs& a) {
  Problem<T> p(a, 0, 3);
  p.packed_h = packs({p.query, p.key}, p.h);
  p.packed_v = packs({p.value}, p.v);
  launch_big(forward_kernel<T, kDepth>, p.b * p.n * tiles(p.t), forward_room<T, kDepth>(), p,
             a.out[0].mutable_data<T>(), a.out[1].mutable_data<float>());
}

template <class T, int kDepth>
void backward(const KernelArgs& a) {
  Problem<T> p(a, 1, 6);
  const int64_t rows = p.b * p.t * p.n;
  p.dy = a.in[0].data<T>();
  p.statistics = a.in[5].data<float>();
  p.packed_h = packs({p.query, p.key}, p.h);
  p.packed_v = packs({p.value, p.dy}, p.v);
  const Scratch dots(static_cast<size_t>(rows) * sizeof(float));
  p.dots = dots.as<float>();
  launch(dots_kernel<T>, grid_for(rows * 32), dim3(kBlock), 0, p.dy, a.in[4].data<T>(), rows, p.v, dots.as<float>());
  launch_big(queries_kernel<T, kDepth>, p.b * p.n * tiles(p.t), backward_room<T, kDepth, false>(), p,
             a.out[0].mutable_data<T>());
  launch_big(keys_kernel<T, kDepth>, p.b * p.k * tiles(p.s), backward_room<T, kDepth, true>(), p,
             a.out[1].mutable_data<T>(), a.out[2].mutable_data<T>());
}

// Calls f<T, depth>() for the problem, if the kernels take it.
template <class F>
bool with_kernel(const KernelArgs& a, size_t first, F&& f) {
  const Sizes n(a, first);
  const DType type = a.in[first].dtype();
  const int64_t width = n.h > n.v ? n.h : n.v;
  const bool wide = width > 64;
  const size_t room = wide ? backward_room<float16, 128, true>() : backward_room<float16, 64, true>();
  const cudaDeviceProp& device = properties();
  if (width > 128 || device.major < (type == DType::Float16 ? 7 : 8) || room > device.sharedMemPerBlockOptin)
    return false;
  const auto run = [&]<class T>() {
    if (wide) f.template operator()<T, 128>();
    else f.template operator()<T, 64>();
  };
  if (type == DType::Float16) run.template operator()<float16>();
  else run.template operator()<bfloat16>();
  return true;
}

}  // namespace

bool forward_half(const KernelArgs& a) {
  return with_kernel(a, 0, [&]<class T, int kDepth>() { forward<T, kDepth>(a); });
}
bool backward_half(const KernelArgs& a) {
  return with_kernel(a, 1, [&]<class T, int kDepth>() { backward<T, kDepth>(a); });
}

}  // namespace tahr::cuda::attention
