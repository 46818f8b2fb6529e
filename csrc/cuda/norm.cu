// Normalisation: rows (layer, RMS), and columns of images x rows x channels (batch, group), with gradients. Sums are
// taken in double, so that they may be taken in one pass and in any order.
//
// Floors, in passes over the tensor: rows forward 1 read and 1 write (rows that fit into shared memory), gradient 2
// reads and 1 write, dscale and doffset 2 reads more. Columns forward 2 reads and 1 write, gradient 4 reads and 1
// write.
#include "cuda/copy.h"
#include "cuda/rows.h"
#include "ops/norm_attrs.h"

namespace tahr::cuda {
namespace {

constexpr int64_t kWantedBlocks = 1024, kRowsOfThread = 16;

template <class T>
const T* data_of(const KernelArgs& a, size_t i) {
  return a.in.size() > i && a.in[i].defined() ? a.in[i].data<T>() : nullptr;
}

// ---- rows ----

// y = (x - mean) / sqrt(variance + epsilon) scale + offset; without `centre` the mean counts as 0.
template <class T>
__global__ void rows_kernel(const T* x, const T* scale, const T* offset, T* y, T* mean, T* variance, RowPlan p,
                            double epsilon, bool centre) {
  TAHR_DYNAMIC_SHARED(T, shared);
  constexpr int V = kPack<T>;
  const auto count = static_cast<double>(p.n);
  each_row(p, [&](int64_t r) {
    const Row<T> row(p, x, r, shared, T(0));
    double sum = 0;
    row.first([&](int64_t, T(&v)[V], int) {
      T part = 0;
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) part += v[u];
      sum += static_cast<double>(part);
    });
    const T m = centre ? static_cast<T>(combine_group(Add<double>{}, sum, p.group) / count) : T(0);
    double squares = 0;
    row.again([&](int64_t i, T(&v)[V], int) {
      T part = 0;
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) {
        const T d = i + u < row.n ? v[u] - m : T(0);
        part += d * d;
      }
      squares += static_cast<double>(part);
    });
    const double var = combine_group(Add<double>{}, squares, p.group) / count;
    const T f = static_cast<T>(1 / sqrt(var + epsilon));
    row.again([&](int64_t i, T(&v)[V], int) {
      T s[V], o[V];
      if (scale) load_line(scale, i, p.n, p.packed, T(0), s);
      if (offset) load_line(offset, i, p.n, p.packed, T(0), o);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) {
        v[u] = (v[u] - m) * f;
        if (scale) v[u] *= s[u];
        if (offset) v[u] += o[u];
      }
      store_line(y + r * p.n, i, p.n, p.packed, v);
    });
    if (row.lane == 0 && r < p.rows) {
      mean[r] = m;
      variance[r] = static_cast<T>(var);
    }
  });
}

// With f = 1 / sqrt(variance + epsilon), h = (x - mean) f, g = dy scale:  dx = f (g - Σ g / n - h Σ g h / n); and the
// f.
template <class T>
__global__ void rows_grad_kernel(const T* dy, const T* x, const T* mean, const T* variance, const T* scale, T* dx,
                                 T* factor, RowPlan p, double epsilon, bool centre) {
  TAHR_DYNAMIC_SHARED(T, shared);
  constexpr int V = kPack<T>;
  const auto count = static_cast<double>(p.n);
  each_row(p, [&](int64_t r) {
    const bool valid = r < p.rows;
    const Row<T> row(p, x, r, shared, T(0));
    const T m = valid ? mean[r] : T(0);
    const T f = valid ? static_cast<T>(1 / sqrt(static_cast<double>(variance[r]) + epsilon)) : T(0);
    const auto gradient = [&](int64_t i, T(&g)[V]) {
      load_line(dy + r * p.n, i, p.n, p.packed, T(0), g);
      if (!scale) return;
      T s[V];
      load_line(scale, i, p.n, p.packed, T(0), s);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) g[u] *= s[u];
    };
    double sum = 0, product = 0;
    row.first([&](int64_t i, T(&v)[V], int) {
      T g[V], s = 0, q = 0;
      gradient(i, g);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) {
        s += g[u];
        q += g[u] * ((v[u] - m) * f);
      }
      sum += static_cast<double>(s);
      product += static_cast<double>(q);
    });
    sum = combine_group(Add<double>{}, sum, p.group);
    product = combine_group(Add<double>{}, product, p.group);
    const T shift = centre ? static_cast<T>(sum / count) * f : T(0);
    const T slope = static_cast<T>(product / count) * f * f;
    row.again([&](int64_t i, T(&v)[V], int) {
      T g[V];
      gradient(i, g);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) v[u] = (g[u] * f - shift) - (v[u] - m) * slope;
      store_line(dx + r * p.n, i, p.n, p.packed, v);
    });
    if (valid && row.lane == 0) factor[r] = f;
  });
}

// ---- columns ----

struct Columns {
  int64_t images, rows, channels, groups, per_group;
  int width;             // columns that a block takes at once
  int64_t tiles;         // all blocks' columns
  int64_t slots, chunk;  // parts of the rows, and rows in each

  Columns(int64_t images_, int64_t rows_, int64_t channels_, int64_t groups_)
      : images(images_), rows(rows_), channels(channels_), groups(groups_), per_group(channels / groups) {
    width = power_of_two_from(channels, 32);
    const int64_t lanes = kBlock / width;
    tiles = images * ceil_div(channels, width);
    const int64_t wanted = std::max<int64_t>(1, std::min(ceil_div(rows, lanes * kRowsOfThread), kWantedBlocks / tiles));
    chunk = ceil_div(rows, wanted);
    slots = ceil_div(rows, chunk);
  }
  static Columns of(const Shape& x, const StandardizeAttrs& at) {
    const int64_t images = at.groups > 0 ? x[0] : 1, channels = x.back();
    int64_t rows = 1;
    for (int i = at.groups > 0 ? 1 : 0; i + 1 < x.rank(); ++i) rows *= x[i];
    return {images, rows, channels, at.groups > 0 ? at.groups : channels};
  }
  __device__ int64_t group_of(int64_t image, int64_t channel) const { return image * groups + channel / per_group; }
  __device__ int64_t part(int64_t image, int64_t slot, int k, int64_t channel) const {
    return ((image * slots + slot) * 2 + k) * channels + channel;
  }
};

struct Two {
  double a, b;
};
struct AddTwo {
  __device__ Two combine(Two x, Two y) const { return {x.a + y.a, x.b + y.b}; }
};

// parts = the sums of two terms down a slot of each column. `term.start(image, channel)` is what
// `term.add(sums, start, row of all images, place)` needs of the column.
template <class Term>
__global__ void column_sums_kernel(Term term, Columns c, double* parts) {
  constexpr int kAtOnce = 4;
  const int t = static_cast<int>(threadIdx.x), lane = t / c.width, lanes = kBlock / c.width;
  const int64_t per = (c.channels + c.width - 1) / c.width;
  const int64_t begin = blockIdx.y * c.chunk, end = begin + c.chunk < c.rows ? begin + c.chunk : c.rows;
  for (int64_t tile = blockIdx.x; tile < c.tiles; tile += gridDim.x) {
    const int64_t image = tile / per, channel = (tile - image * per) * c.width + t % c.width;
    const bool valid = channel < c.channels;
    Two sums{0, 0};
    if (valid) {
      const double start = term.start(image, channel);
      for (int64_t r = begin + lane; r < end; r += kAtOnce * lanes) {
        TAHR_UNROLL
        for (int u = 0; u < kAtOnce; ++u) {
          const int64_t row = image * c.rows + r + u * lanes;
          if (r + u * lanes < end) term.add(sums, start, row, row * c.channels + channel);
        }
      }
    }
    sums = combine_block(AddTwo{}, sums, c.width);
    if (valid && lane == 0) {
      parts[c.part(image, blockIdx.y, 0, channel)] = sums.a;
      parts[c.part(image, blockIdx.y, 1, channel)] = sums.b;
    }
  }
}

// The slots of each image and channel added up into those of slot 0, by a warp: no other reads them.
__global__ void add_slots_kernel(Columns c, double* parts) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int64_t i = grid_index() / 32; i < c.images * c.channels; i += grid_size() / 32) {
    const int64_t image = i / c.channels, channel = i - image * c.channels;
    Two sums{0, 0};
    for (int64_t s = lane; s < c.slots; s += 32) {
      sums.a += parts[c.part(image, s, 0, channel)];
      sums.b += parts[c.part(image, s, 1, channel)];
    }
    sums = combine_lanes(AddTwo{}, sums, 1, 32);
    if (lane > 0) continue;
    parts[c.part(image, 0, 0, channel)] = sums.a;
    parts[c.part(image, 0, 1, channel)] = sums.b;
  }
}

template <class Term>
void column_sums(const Term& term, const Columns& c, double* parts) {
  const dim3 grid(static_cast<unsigned>(std::min(c.tiles, kMostBlocks)), static_cast<unsigned>(c.slots));
  launch(column_sums_kernel<Term>, grid, dim3(kBlock), 0, term, c, parts);
  if (c.slots > 1) launch(add_slots_kernel, grid_for(c.images * c.channels * 32), dim3(kBlock), 0, c, parts);
}

// Σ d and Σ d², d being the distance from the group's first element, or, without `centre`, from 0.
template <class T>
struct MomentTerm {
  const T* x;
  Columns c;
  bool centre;
  __device__ double origin(int64_t image, int64_t group) const {
    return centre ? static_cast<double>(x[image * c.rows * c.channels + group * c.per_group]) : 0;
  }
  __device__ double start(int64_t image, int64_t channel) const { return origin(image, channel / c.per_group); }
  __device__ void add(Two& s, double start, int64_t, int64_t at) const {
    const double d = static_cast<double>(x[at]) - start;
    s.a += d;
    s.b += d * d;
  }
};

// Σ dy and Σ dy (x - mean)
template <class T>
struct GradTerm {
  const T *dy, *x, *mean;
  Columns c;
  __device__ double start(int64_t image, int64_t channel) const {
    return static_cast<double>(mean[c.group_of(image, channel)]);
  }
  __device__ void add(Two& s, double start, int64_t, int64_t at) const {
    const auto d = static_cast<double>(dy[at]);
    s.a += d;
    s.b += d * (static_cast<double>(x[at]) - start);
  }
};

// Σ dy and Σ dy (x - mean) f, of rows normalised by themselves
template <class T>
struct RowParameterTerm {
  const T *dy, *x, *mean, *factor;
  __device__ double start(int64_t, int64_t) const { return 0; }
  __device__ void add(Two& s, double, int64_t row, int64_t at) const {
    const T d = dy[at];
    s.a += static_cast<double>(d);
    s.b += static_cast<double>(d * ((x[at] - mean[row]) * factor[row]));
  }
};

// A warp makes the statistics of a group, and of each of its channels what `affine` needs: y = (x - mean) factor +
// offset.
template <class T>
__global__ void statistics_kernel(MomentTerm<T> term, Columns c, const double* parts, const T* scale, const T* offset,
                                  double epsilon, T* mean, T* variance, T* vectors) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t all = c.images * c.groups, size = c.images * c.channels;
  for (int64_t base = blockIdx.x * (kBlock / 32); base < all; base += gridDim.x * (kBlock / 32)) {
    const int64_t at = base + threadIdx.x / 32, image = at / c.groups, group = at - image * c.groups;
    const bool valid = at < all;
    const int64_t first = group * c.per_group, last = valid ? first + c.per_group : first;
    Two sums{0, 0};
    for (int64_t ch = first + lane; ch < last; ch += 32)
      sums = AddTwo{}.combine(sums, {parts[c.part(image, 0, 0, ch)], parts[c.part(image, 0, 1, ch)]});
    sums = combine_lanes(AddTwo{}, sums, 1, 32);
    if (!valid) continue;
    const auto count = static_cast<double>(c.rows * c.per_group);
    const double m = term.centre ? term.origin(image, group) + sums.a / count : 0;
    const double left = term.centre ? sums.b - sums.a * sums.a / count : sums.b, v = left < 0 ? 0 : left / count;
    const double f = 1 / sqrt(v + epsilon);
    if (lane == 0) {
      mean[at] = static_cast<T>(m);
      variance[at] = static_cast<T>(v);
    }
    for (int64_t ch = first + lane; ch < last; ch += 32) {
      const int64_t i = image * c.channels + ch;
      vectors[i] = static_cast<T>(m);
      vectors[size + i] = static_cast<T>(scale ? f * static_cast<double>(scale[ch]) : f);
      vectors[2 * size + i] = offset ? offset[ch] : T(0);
    }
  }
}

// A warp makes of the sums of a group what `affine_grad` needs of each channel: dx = dy p + (x - mean) q + r. The
// products in `parts` become those with the normalised x.
template <class T>
__global__ void grad_factors_kernel(const T* mean, const T* variance, const T* scale, Columns c, double* parts,
                                    double epsilon, bool centre, T* vectors) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t all = c.images * c.groups, size = c.images * c.channels;
  for (int64_t base = blockIdx.x * (kBlock / 32); base < all; base += gridDim.x * (kBlock / 32)) {
    const int64_t at = base + threadIdx.x / 32, image = at / c.groups, group = at - image * c.groups;
    const bool valid = at < all;
    const int64_t first = group * c.per_group, last = valid ? first + c.per_group : first;
    const double f = valid ? 1 / sqrt(static_cast<double>(variance[at]) + epsilon) : 0;
    Two sums{0, 0};
    for (int64_t ch = first + lane; ch < last; ch += 32) {
      const double weight = scale ? static_cast<double>(scale[ch]) : 1;
      double& product = parts[c.part(image, 0, 1, ch)];
      product *= f;
      sums = AddTwo{}.combine(sums, {parts[c.part(image, 0, 0, ch)] * weight, product * weight});
    }
    sums = combine_lanes(AddTwo{}, sums, 1, 32);
    const auto count = static_cast<double>(c.rows * c.per_group);
    for (int64_t ch = first + lane; ch < last; ch += 32) {
      const int64_t i = image * c.channels + ch;
      vectors[i] = mean[at];
      vectors[size + i] = static_cast<T>(scale ? f * static_cast<double>(scale[ch]) : f);
      vectors[2 * size + i] = static_cast<T>(-f * f * sums.b / count);
      vectors[3 * size + i] = static_cast<T>(centre ? -f * sums.a / count : 0);
    }
  }
}

// to[channel] = Σ over images of parts k, by a warp
template <class T>
__global__ void over_images_kernel(const double* parts, Columns c, int k, T* to) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int64_t ch = grid_index() / 32; ch < c.channels; ch += grid_size() / 32) {
    double total = 0;
    for (int64_t image = lane; image < c.images; image += 32) total += parts[c.part(image, 0, k, ch)];
    total = combine_lanes(Add<double>{}, total, 1, 32);
    if (lane == 0) to[ch] = static_cast<T>(total);
  }
}

// Where the element i of a tensor finds its image's and channel's values.
__device__ __forceinline__ int64_t vector_place(const Columns& c, int64_t i) {
  if (c.images * c.rows * c.channels <= 0xffffffff) {  // narrow division is many times as fast
    const auto j = static_cast<uint32_t>(i), channels = static_cast<uint32_t>(c.channels);
    const uint32_t channel = j % channels;
    return c.images == 1 ? channel : j / (static_cast<uint32_t>(c.rows) * channels) * channels + channel;
  }
  return i / (c.rows * c.channels) * c.channels + i % c.channels;
}

// Calls body(v, values of vector 0, 1, ... at v's places) for a pack; kN vectors, `size` apart.
template <int kN, class T>
__device__ __forceinline__ void load_vectors(const Columns& c, const T* const (&vectors)[kN], int64_t i, int64_t n,
                                             bool packed, T (&to)[kN][kPack<T>]) {
  if (packed) {
    const int64_t at = vector_place(c, i);
    TAHR_UNROLL
    for (int k = 0; k < kN; ++k) load_line(vectors[k], at, at + kPack<T>, true, T(0), to[k]);
    return;
  }
  TAHR_UNROLL
  for (int u = 0; u < kPack<T>; ++u) {
    const int64_t at = vector_place(c, i + u < n ? i + u : i);
    TAHR_UNROLL
    for (int k = 0; k < kN; ++k) to[k][u] = vectors[k][at];
  }
}

// y = (x - mean) factor + offset, with `relu` y = relu(that + skip)
template <class T>
__global__ void affine_kernel(const T* x, const T* mean, const T* factor, const T* offset, const T* skip, T* y,
                              Columns c, int64_t n, bool packed, bool relu) {
  constexpr int V = kPack<T>;
  const T* const vectors[3] = {mean, factor, offset};
  for (int64_t i = grid_index() * V; i < n; i += grid_size() * V) {
    T v[V], s[V], of[3][V];
    load_line(x, i, n, packed, T(0), v);
    if (skip) load_line(skip, i, n, packed, T(0), s);
    load_vectors(c, vectors, i, n, packed, of);
    TAHR_UNROLL
    for (int u = 0; u < V; ++u) {
      v[u] = (v[u] - of[0][u]) * of[1][u] + of[2][u];
      if (skip) v[u] += s[u];
      if (relu) v[u] = v[u] < T(0) ? T(0) : v[u];  // NaN stays NaN
    }
    store_line(y, i, n, packed, v);
  }
}

// dx = dy p + (x - mean) q + r
template <class T>
__global__ void affine_grad_kernel(const T* dy, const T* x, const T* values, T* dx, Columns c, int64_t n, bool packed) {
  constexpr int V = kPack<T>;
  const int64_t size = c.images * c.channels;
  const T* const vectors[4] = {values, values + size, values + 2 * size, values + 3 * size};
  for (int64_t i = grid_index() * V; i < n; i += grid_size() * V) {
    T v[V], d[V], of[4][V];
    load_line(x, i, n, packed, T(0), v);
    load_line(dy, i, n, packed, T(0), d);
    load_vectors(c, vectors, i, n, packed, of);
    TAHR_UNROLL
    for (int u = 0; u < V; ++u) v[u] = (d[u] * of[1][u] + of[3][u]) + (v[u] - of[0][u]) * of[2][u];
    store_line(dx, i, n, packed, v);
  }
}

// ---- the ops ----

template <class T>
bool all_aligned(std::initializer_list<const T*> pointers) {
  return std::all_of(pointers.begin(), pointers.end(), [](const T* p) { return is_aligned(p); });
}

dim3 warps_for(int64_t n) { return dim3(static_cast<unsigned>(std::min(ceil_div(n, kBlock / 32), kMostBlocks))); }

int64_t row_length(const Shape& x, const StandardizeAttrs& at) {
  int64_t n = 1;
  for (int i = x.rank() - static_cast<int>(at.rows); i < x.rank(); ++i) n *= x[i];
  return n;
}

template <class T>
void rows_forward(const KernelArgs& a, const StandardizeAttrs& at) {
  const Tensor& x = a.in[0];
  const T *scale = data_of<T>(a, 1), *offset = data_of<T>(a, 2);
  T* y = a.out[0].mutable_data<T>();
  const int64_t n = row_length(x.shape(), at);
  const auto p = RowPlan::of<T>(x.size() / n, n, all_aligned<T>({x.data<T>(), scale, offset, y}));
  launch(rows_kernel<T>, p.grid, dim3(kBlock), p.shared, x.data<T>(), scale, offset, y, a.out[1].mutable_data<T>(),
         a.out[2].mutable_data<T>(), p, at.epsilon, at.centre);
}

template <class T>
void rows_backward(const KernelArgs& a, const StandardizeAttrs& at) {
  const T *dy = a.in[0].data<T>(), *x = a.in[1].data<T>(), *mean = a.in[2].data<T>(), *scale = data_of<T>(a, 4);
  T* dx = a.out[0].mutable_data<T>();
  const int64_t n = row_length(a.in[1].shape(), at), rows = a.in[1].size() / n;
  const auto p = RowPlan::of<T>(rows, n, all_aligned<T>({dy, x, scale, dx}));
  const Scratch factor(static_cast<size_t>(rows) * sizeof(T));
  launch(rows_grad_kernel<T>, p.grid, dim3(kBlock), p.shared, dy, x, mean, a.in[3].data<T>(), scale, dx, factor.as<T>(),
         p, at.epsilon, at.centre);
  if (!at.dscale && !at.doffset) return;
  const Columns c(1, rows, n, n);
  const Scratch parts(static_cast<size_t>(c.slots * 2 * n) * sizeof(double));
  column_sums(RowParameterTerm<T>{dy, x, mean, factor.as<T>()}, c, parts.as<double>());
  const auto put = [&](int k, const Tensor& to) {
    launch(over_images_kernel<T>, grid_for(n * 32), dim3(kBlock), 0, parts.as<double>(), c, k, to.mutable_data<T>());
  };
  if (at.dscale) put(1, a.out[1]);
  if (at.doffset) put(0, a.out[2]);
}

template <class T>
void affine(const T* x, const T* mean, const T* factor, const T* offset, const T* skip, T* y, const Columns& c,
            bool relu) {
  const int64_t n = c.images * c.rows * c.channels;
  const bool packed = c.channels % kPack<T> == 0 && all_aligned<T>({x, mean, factor, offset, skip, y});
  launch(affine_kernel<T>, grid_for(n, kPack<T>), dim3(kBlock), 0, x, mean, factor, offset, skip, y, c, n, packed,
         relu);
}

template <class T>
void columns_forward(const KernelArgs& a, const StandardizeAttrs& at, bool relu) {
  const T *x = a.in[0].data<T>(), *skip = relu ? data_of<T>(a, 3) : nullptr;
  const auto c = Columns::of(a.in[0].shape(), at);
  const int64_t size = c.images * c.channels;
  const Scratch parts(static_cast<size_t>(c.slots * 2 * size) * sizeof(double));
  const Scratch vectors(static_cast<size_t>(3 * size) * sizeof(T));
  const MomentTerm<T> term{x, c, at.centre};
  column_sums(term, c, parts.as<double>());
  T* v = vectors.as<T>();
  launch(statistics_kernel<T>, warps_for(c.images * c.groups), dim3(kBlock), 0, term, c, parts.as<double>(),
         data_of<T>(a, 1), data_of<T>(a, 2), at.epsilon, a.out[1].mutable_data<T>(), a.out[2].mutable_data<T>(), v);
  affine<T>(x, v, v + size, v + 2 * size, skip, a.out[0].mutable_data<T>(), c, relu);
}

template <class T>
void columns_backward(const KernelArgs& a, const StandardizeAttrs& at) {
  const T *dy = a.in[0].data<T>(), *x = a.in[1].data<T>(), *mean = a.in[2].data<T>();
  T* dx = a.out[0].mutable_data<T>();
  const auto c = Columns::of(a.in[1].shape(), at);
  const int64_t size = c.images * c.channels, n = size * c.rows;
  const Scratch parts(static_cast<size_t>(c.slots * 2 * size) * sizeof(double));
  const Scratch vectors(static_cast<size_t>(4 * size) * sizeof(T));
  column_sums(GradTerm<T>{dy, x, mean, c}, c, parts.as<double>());
  launch(grad_factors_kernel<T>, warps_for(c.images * c.groups), dim3(kBlock), 0, mean, a.in[3].data<T>(),
         data_of<T>(a, 4), c, parts.as<double>(), at.epsilon, at.centre, vectors.as<T>());
  const bool packed = c.channels % kPack<T> == 0 && all_aligned<T>({dy, x, dx});
  launch(affine_grad_kernel<T>, grid_for(n, kPack<T>), dim3(kBlock), 0, dy, x, vectors.as<T>(), dx, c, n, packed);
  const auto put = [&](int k, const Tensor& to) {
    launch(over_images_kernel<T>, grid_for(c.channels * 32), dim3(kBlock), 0, parts.as<double>(), c, k,
           to.mutable_data<T>());
  };
  if (at.dscale) put(1, a.out[1]);
  if (at.doffset) put(0, a.out[2]);
}

template <class T>
void forward(const KernelArgs& a, bool relu) {
  const auto& at = a.as<StandardizeAttrs>();
  if (a.in[0].size() == 0) {  // statistics of nothing
    fill(a.out[1], at.centre ? NAN : 0);
    fill(a.out[2], NAN);
  } else if (at.rows > 0) {
    rows_forward<T>(a, at);
  } else {
    columns_forward<T>(a, at, relu);
  }
}

template <class T>
void backward(const KernelArgs& a) {
  const auto& at = a.as<StandardizeAttrs>();
  if (a.in[1].size() == 0) {
    fill(a.out[1], 0);
    fill(a.out[2], 0);
  } else if (at.rows > 0) {
    rows_backward<T>(a, at);
  } else {
    columns_backward<T>(a, at);
  }
}

template <class T>
void affine_columns(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  if (x.size() == 0) return;
  affine<T>(x.data<T>(), a.in[1].data<T>(), a.in[2].data<T>(), a.in[3].data<T>(), nullptr, a.out[0].mutable_data<T>(),
            Columns::of(x.shape(), StandardizeAttrs{}), false);
}

template <class F>
void in_float(const KernelArgs& a, F&& f) {
  if (a.in[0].dtype() == DType::Float64) f.template operator()<double>();
  else f.template operator()<float>();
}

}  // namespace

void register_norm() {
  define("standardize", [](const KernelArgs& a) { in_float(a, [&]<class T>() { forward<T>(a, false); }); });
  define("standardize_relu", [](const KernelArgs& a) { in_float(a, [&]<class T>() { forward<T>(a, true); }); });
  define("standardize_grad", [](const KernelArgs& a) { in_float(a, [&]<class T>() { backward<T>(a); }); });
  define("affine_columns", [](const KernelArgs& a) { in_float(a, [&]<class T>() { affine_columns<T>(a); }); });
}

}  // namespace tahr::cuda
