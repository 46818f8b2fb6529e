// Convolutions as matrix products whose left matrix is gathered on the way into shared memory:
//
//   out[m, n] = sum over k of A[m, k] B[k, n]
//
//   forward   m: places of y, n: filters,  k: (tap, channel of x);  A gathered from x
//   backward  m: places of dx of one phase, n: channels of x, k: (tap, filter);  A gathered from dy
//   dw        m: (tap, channel of x), n: filters,  k: places of y;  A gathered from x. The sum over k is cut into
//   parts,
//             which are added in order.
//
// A block makes a tile of kRows x kCols outputs, kSteps of k at a time: while it multiplies one step from shared memory
// the next is fetched into registers. Floor: 2 m n k FLOPs of plain (not tensor) arithmetic.
#include <algorithm>

#include "cuda/conv.h"
#include "cuda/convert.h"
#include "cuda/pack.h"

namespace tahr::cuda {
namespace {

constexpr int kRows = 64, kCols = 64, kSteps = 16, kThreads = 128;
constexpr int kPad = 4;                // keeps rows of shared memory aligned, and apart in its banks
constexpr int kMine = 8, kMyCols = 4;  // a thread's outputs
static_assert(kRows / kMine * (kCols / kMyCols) == kThreads);

template <class C>
struct Tiles {
  C a[kSteps][kRows + kPad], b[kSteps][kCols + kPad];
};

// sums += a^T b
template <class C>
__device__ __forceinline__ void multiply(const Tiles<C>& t, C (&sums)[kMine][kMyCols]) {
  const int row = threadIdx.x / (kCols / kMyCols) * kMine, col = threadIdx.x % (kCols / kMyCols) * kMyCols;
  TAHR_UNROLL for (int k = 0; k < kSteps; ++k) {
    const Pack<C, 4> a0 = load_pack<4>(&t.a[k][row]), a1 = load_pack<4>(&t.a[k][row + 4]);
    const Pack<C, 4> b = load_pack<4>(&t.b[k][col]);
    TAHR_UNROLL for (int i = 0; i < kMine; ++i) {
      const C a = i < 4 ? a0.v[i & 3] : a1.v[i & 3];
      TAHR_UNROLL for (int j = 0; j < kMyCols; ++j) sums[i][j] += a * b.v[j];
    }
  }
}

// Coordinates are of type I: 32 bits where all of a problem's fit.
template <class I>
struct Axis {
  I count, stride, source, taps, offset, offset_step, tap, tap_step, first, step, size, window;
};
template <class I>
struct Way {
  Axis<I> axis[kConvAxes];
  int64_t rows, groups, row_tiles, col_tiles, image;  // image: elements of one image of the source
  I sources, outputs, steps;
};

template <class I>
Way<I> make_way(const ConvWay& w) {
  Way<I> to{};
  to.rows = w.count();
  to.groups = w.groups;
  to.row_tiles = (to.rows + kRows - 1) / kRows;
  to.col_tiles = (w.outputs + kCols - 1) / kCols;
  to.sources = static_cast<I>(w.sources);
  to.outputs = static_cast<I>(w.outputs);
  to.steps = to.sources;
  to.image = w.groups * w.sources;
  for (int a = 0; a < kConvAxes; ++a) {
    const AxisWay& f = w.axis[a];
    const auto i = [](int64_t v) { return static_cast<I>(v); };
    to.axis[a] = {i(f.count), i(f.stride),   i(f.source), i(f.taps), i(f.offset),  i(f.offset_step),
                  i(f.tap),   i(f.tap_step), i(f.first),  i(f.step), i(w.size[a]), i(w.window[a])};
    to.steps *= i(f.taps);
    to.image *= f.source;
  }
  return to;
}

// The (tap, channel) of a step.
template <class I>
struct Step {
  I k, channel, tap[kConvAxes] = {0, 0, 0};
  __device__ Step(const Way<I>& w, I first) : k(first), channel(first) { wrap(w); }
  __device__ __forceinline__ void advance(const Way<I>& w, I by) {
    k += by;
    channel += by;
    wrap(w);
  }
  __device__ __forceinline__ void wrap(const Way<I>& w) {
    if (k >= w.steps) return;
    while (channel >= w.sources) {
      channel -= w.sources;
      if (++tap[2] < w.axis[2].taps) continue;
      tap[2] = 0;
      if (++tap[1] < w.axis[1].taps) continue;
      tap[1] = 0;
      ++tap[0];
    }
  }
};

// kPack: 4 where four neighbouring channels of source, and filters of the kernel, are in one aligned access; else 1.
template <class T, class I, int kPack, bool kBackward>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(Way<I> w, const T* source, const T* kernel, T* out, const T* bias, bool relu) {
  using C = Compute<T>;
  alignas(32) __shared__ Tiles<C> tiles;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t col_tile = blockIdx.x % w.col_tiles, row_tile = blockIdx.x / w.col_tiles % w.row_tiles;
  const int64_t group = blockIdx.x / w.col_tiles / w.row_tiles;
  const int64_t total = w.groups * w.sources, outputs = w.groups * w.outputs;
  const int64_t filters = kBackward ? total : outputs;  // of a row of the kernel
  const int64_t first_row = row_tile * kRows;
  const I first_col = static_cast<I>(col_tile * kCols);

  // Four steps of two rows each, for A (and B of the backward way, whose steps are contiguous, too).
  const int quad = thread % 4 * 4, line = thread / 4;
  const T* from[2];
  I at[2][kConvAxes];
  for (int j = 0; j < 2; ++j) {
    int64_t m = first_row + line + j * (kThreads / 4);
    if (m >= w.rows) m = w.rows - 1;  // computed, not stored
    for (int a = kConvAxes - 1; a >= 0; --a) {
      at[j][a] = static_cast<I>(m % w.axis[a].count) * w.axis[a].stride + w.axis[a].offset;
      m /= w.axis[a].count;
    }
    from[j] = source + m * w.image + group * w.sources;
  }
  Step<I> step(w, quad);
  // One step of four columns, twice, for B of the forward way.
  const int col = thread % 16 * 4, depth = thread / 16;
  I next = 0;

  C a[2][4], b[2][4];
  const auto fetch = [&] {
    Step<I> s = step;
    TAHR_UNROLL for (int e = 0; e < 4; e += kPack) {
      const bool inside = s.k < w.steps;
      TAHR_UNROLL for (int j = 0; j < 2; ++j) {
        const I p0 = at[j][0] + s.tap[0] * w.axis[0].offset_step, p1 = at[j][1] + s.tap[1] * w.axis[1].offset_step,
                p2 = at[j][2] + s.tap[2] * w.axis[2].offset_step;
        const bool read = inside && p0 >= 0 && p0 < w.axis[0].source && p1 >= 0 && p1 < w.axis[1].source && p2 >= 0 &&
                          p2 < w.axis[2].source;
        Pack<T, kPack> v;
        if (read)
          v = load_pack<kPack>(from[j] +
                               ((static_cast<int64_t>(p0) * w.axis[1].source + p1) * w.axis[2].source + p2) * total +
                               s.channel);
        TAHR_UNROLL for (int i = 0; i < kPack; ++i) a[j][e + i] = read ? convert<C>(v.v[i]) : C(0);
      }
      if constexpr (kBackward) {
        const int64_t tap = (static_cast<int64_t>(w.axis[0].tap + s.tap[0] * w.axis[0].tap_step) * w.axis[1].window +
                             w.axis[1].tap + s.tap[1] * w.axis[1].tap_step) *
                                w.axis[2].window +
                            w.axis[2].tap + s.tap[2] * w.axis[2].tap_step;
        TAHR_UNROLL for (int j = 0; j < 2; ++j) {
          const I n = first_col + line + j * (kThreads / 4);
          const bool read = inside && n < w.outputs;
          Pack<T, kPack> v;
          if (read) v = load_pack<kPack>(kernel + (tap * w.outputs + n) * filters + group * w.sources + s.channel);
          TAHR_UNROLL for (int i = 0; i < kPack; ++i) b[j][e + i] = read ? convert<C>(v.v[i]) : C(0);
        }
      }
      if constexpr (kPack == 1) s.advance(w, 1);
    }
    if constexpr (!kBackward) {
      TAHR_UNROLL for (int j = 0; j < 2; ++j) {
        const I k = next + depth + j * (kThreads / 16);
        const T* row = kernel + k * filters + group * w.outputs;
        TAHR_UNROLL for (int e = 0; e < 4; e += kPack) {
          const I n = first_col + col + e;
          const bool read = k < w.steps && n < w.outputs;
          Pack<T, kPack> v;
          if (read) v = load_pack<kPack>(row + n);
          TAHR_UNROLL for (int i = 0; i < kPack; ++i) b[j][e + i] = read ? convert<C>(v.v[i]) : C(0);
        }
      }
    }
    step.advance(w, kSteps);
    next += kSteps;
  };
  const auto put = [&] {
    TAHR_UNROLL for (int j = 0; j < 2; ++j) {
      TAHR_UNROLL for (int e = 0; e < 4; ++e) {
        tiles.a[quad + e][line + j * (kThreads / 4)] = a[j][e];
        if constexpr (kBackward) tiles.b[quad + e][line + j * (kThreads / 4)] = b[j][e];
        else tiles.b[depth + j * (kThreads / 16)][col + e] = b[j][e];
      }
    }
  };

  C sums[kMine][kMyCols] = {};
  if (w.steps > 0) fetch();
  for (I k = 0; k < w.steps; k += kSteps) {
    __syncthreads();
    put();
    __syncthreads();
    if (k + kSteps < w.steps) fetch();
    multiply(tiles, sums);
  }

  const I my_col = first_col + thread % (kCols / kMyCols) * kMyCols;
  TAHR_UNROLL for (int i = 0; i < kMine; ++i) {
    int64_t m = first_row + thread / (kCols / kMyCols) * kMine + i;
    if (m >= w.rows) return;
    int64_t place = 0, scale = 1;
    for (int x = kConvAxes - 1; x >= 0; --x) {
      place += (m % w.axis[x].count * w.axis[x].step + w.axis[x].first) * scale;
      scale *= w.axis[x].size;
      m /= w.axis[x].count;
    }
    T* to = out + (m * scale + place) * outputs + group * w.outputs;
    TAHR_UNROLL for (int j = 0; j < kMyCols; ++j) {
      const I n = my_col + j;
      if (n >= w.outputs) break;
      T y = convert<T>(sums[i][j]);
      if (bias) y = convert<T>(convert<C>(y) + convert<C>(bias[group * w.outputs + n]));
      if (relu && convert<C>(y) < C(0)) y = convert<T>(C(0));
      to[n] = y;
    }
  }
}

template <class I>
struct Outer {
  I y[kConvAxes], x[kConvAxes], stride[kConvAxes], dilation[kConvAxes], low[kConvAxes], window[kConvAxes];
  I cin, cout, rows;  // rows of the kernel: (tap, channel)
  int64_t groups, terms, length, row_tiles, col_tiles;
};

// The place of y that a step of the sum is.
template <class I>
struct Place {
  int64_t k, image = 0;
  I at[kConvAxes];
  __device__ Place(const Outer<I>& o, int64_t first) : k(first) {
    for (int a = kConvAxes - 1; a >= 0; --a) {
      at[a] = static_cast<I>(first % o.y[a]);
      first /= o.y[a];
    }
    image = first;
  }
  __device__ __forceinline__ void advance(const Outer<I>& o, I by) {
    k += by;
    at[2] += by;
    while (at[2] >= o.y[2]) {
      at[2] -= o.y[2];
      if (++at[1] < o.y[1]) continue;
      at[1] = 0;
      if (++at[0] < o.y[0]) continue;
      at[0] = 0;
      ++image;
    }
  }
};

// Part blockIdx.y of dw, to [part][rows][filters of all groups].
template <class T, class To, class I, int kPack>
__global__ void __launch_bounds__(kThreads) outer_kernel(Outer<I> o, const T* x, const T* dy, To* out) {
  using C = Compute<T>;
  alignas(32) __shared__ Tiles<C> tiles;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t col_tile = blockIdx.x % o.col_tiles, row_tile = blockIdx.x / o.col_tiles % o.row_tiles;
  const int64_t group = blockIdx.x / o.col_tiles / o.row_tiles;
  const int64_t channels = o.groups * o.cin, filters = o.groups * o.cout;
  const I first_row = static_cast<I>(row_tile * kRows), first_col = static_cast<I>(col_tile * kCols);
  const int64_t begin = blockIdx.y * o.length, end = begin + o.length < o.terms ? begin + o.length : o.terms;

  // Two steps of four rows (and columns) each.
  const int four = thread % 16 * 4, depth = thread / 16;
  I offset[4 / kPack][kConvAxes], channel[4 / kPack];
  for (int e = 0; e < 4 / kPack; ++e) {
    const I row = first_row + four + e * kPack;
    channel[e] = row < o.rows ? row % o.cin : -1;
    I tap = row / o.cin;
    for (int a = kConvAxes - 1; a >= 0; --a) {
      offset[e][a] = tap % o.window[a] * o.dilation[a] - o.low[a];
      tap /= o.window[a];
    }
  }
  Place<I> place(o, begin + depth);

  C a[2][4], b[2][4];
  const auto fetch = [&] {
    Place<I> p = place;
    TAHR_UNROLL for (int j = 0; j < 2; ++j) {
      const bool inside = p.k < end;
      const T* image = x + p.image * o.x[0] * o.x[1] * o.x[2] * channels + group * o.cin;
      TAHR_UNROLL for (int e = 0; e < 4 / kPack; ++e) {
        const I p0 = p.at[0] * o.stride[0] + offset[e][0], p1 = p.at[1] * o.stride[1] + offset[e][1],
                p2 = p.at[2] * o.stride[2] + offset[e][2];
        const bool read =
            inside && channel[e] >= 0 && p0 >= 0 && p0 < o.x[0] && p1 >= 0 && p1 < o.x[1] && p2 >= 0 && p2 < o.x[2];
        Pack<T, kPack> v;
        if (read)
          v = load_pack<kPack>(image + ((static_cast<int64_t>(p0) * o.x[1] + p1) * o.x[2] + p2) * channels +
                               channel[e]);
        TAHR_UNROLL for (int i = 0; i < kPack; ++i) a[j][e * kPack + i] = read ? convert<C>(v.v[i]) : C(0);
      }
      TAHR_UNROLL for (int e = 0; e < 4; e += kPack) {
        const I n = first_col + four + e;
        const bool read = inside && n < o.cout;
        Pack<T, kPack> v;
        if (read) v = load_pack<kPack>(dy + p.k * filters + group * o.cout + n);
        TAHR_UNROLL for (int i = 0; i < kPack; ++i) b[j][e + i] = read ? convert<C>(v.v[i]) : C(0);
      }
      if (j == 0) p.advance(o, kThreads / 16);
    }
    place.advance(o, kSteps);
  };

  C sums[kMine][kMyCols] = {};
  if (begin < end) fetch();
  for (int64_t k = begin; k < end; k += kSteps) {
    __syncthreads();
    TAHR_UNROLL for (int j = 0; j < 2; ++j) {
      TAHR_UNROLL for (int e = 0; e < 4; ++e) {
        tiles.a[depth + j * (kThreads / 16)][four + e] = a[j][e];
        tiles.b[depth + j * (kThreads / 16)][four + e] = b[j][e];
      }
    }
    __syncthreads();
    if (k + kSteps < end) fetch();
    multiply(tiles, sums);
  }

  out += blockIdx.y * (o.rows * filters);
  const I my_col = first_col + thread % (kCols / kMyCols) * kMyCols;
  TAHR_UNROLL for (int i = 0; i < kMine; ++i) {
    const I m = first_row + thread / (kCols / kMyCols) * kMine + i;
    if (m >= o.rows) return;
    TAHR_UNROLL for (int j = 0; j < kMyCols; ++j) {
      if (my_col + j < o.cout) out[m * filters + group * o.cout + my_col + j] = convert<To>(sums[i][j]);
    }
  }
}

dim3 grid_of(int64_t tiles, int64_t parts = 1) {
  if (tiles > 0x7fffffff) throw_value("[conv] expected a problem of fewer than 2^31 tiles, received ", tiles, ".");
  return dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(parts));
}

bool all_aligned(std::initializer_list<const void*> pointers) {
  return std::all_of(pointers.begin(), pointers.end(), [](const void* p) { return aligned(p, 32); });
}

template <class T, bool kBackward>
void run_gather(const ConvWay& w, bool packs, const void* source, const void* kernel, void* out,
                const ConvEpilogue& end) {
  const auto run = [&]<class I, int kPack>() {
    const Way<I> way = make_way<I>(w);
    launch(gather_kernel<T, I, kPack, kBackward>, grid_of(way.row_tiles * way.col_tiles * way.groups), dim3(kThreads),
           0, way, static_cast<const T*>(source), static_cast<const T*>(kernel), static_cast<T*>(out),
           static_cast<const T*>(end.bias), end.relu);
  };
  if (packs) run.template operator()<int32_t, 4>();
  else run.template operator()<int64_t, 1>();
}

template <class T, class To, class I, int kPack>
void run_outer(const ConvShape& s, int64_t parts, int64_t length, const void* x, const void* dy, To* to) {
  Outer<I> o{};
  for (int a = 0; a < kConvAxes; ++a) {
    o.y[a] = static_cast<I>(s.y[a]);
    o.x[a] = static_cast<I>(s.x[a]);
    o.stride[a] = static_cast<I>(s.stride[a]);
    o.dilation[a] = static_cast<I>(s.dilation[a]);
    o.low[a] = static_cast<I>(s.low[a]);
    o.window[a] = static_cast<I>(s.window[a]);
  }
  o.cin = static_cast<I>(s.cin);
  o.cout = static_cast<I>(s.cout);
  o.rows = static_cast<I>(s.taps() * s.cin);
  o.groups = s.groups;
  o.terms = s.n * s.places();
  o.length = length;
  o.row_tiles = (o.rows + kRows - 1) / kRows;
  o.col_tiles = (o.cout + kCols - 1) / kCols;
  launch(outer_kernel<T, To, I, kPack>, grid_of(o.row_tiles * o.col_tiles * o.groups, parts), dim3(kThreads), 0, o,
         static_cast<const T*>(x), static_cast<const T*>(dy), to);
}

}  // namespace

void conv_gemm(DType dtype, const ConvWay& w, bool backward, const void* source, const void* kernel, void* out,
               const ConvEpilogue& end) {
  if (w.count() == 0) return;
  bool packs = w.sources % 4 == 0 && (backward || w.outputs % 4 == 0) && all_aligned({source, kernel}) && w.small;
  visit_float(dtype, [&]<class T>() {
    if (backward) run_gather<T, true>(w, packs, source, kernel, out, end);
    else run_gather<T, false>(w, packs, source, kernel, out, end);
  });
}

void conv_gemm_dw(DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw) {
  const int64_t rows = s.taps() * s.cin, size = rows * s.cout * s.groups, terms = s.n * s.places();
  const int64_t blocks = ((rows + kRows - 1) / kRows) * ((s.cout + kCols - 1) / kCols) * s.groups;
  const bool packs = s.cin % 4 == 0 && s.cout % 4 == 0 && all_aligned({x, dy}) && s.small();
  visit_float(dtype, [&]<class T>() {
    using C = Compute<T>;
    const int64_t parts = conv_parts(terms, blocks, size, sizeof(C), kSteps);
    const int64_t length = ((terms + parts - 1) / parts + kSteps - 1) / kSteps * kSteps;
    const auto run = [&]<class To>(To* to) {
      if (packs) run_outer<T, To, int32_t, 4>(s, parts, length, x, dy, to);
      else run_outer<T, To, int64_t, 1>(s, parts, length, x, dy, to);
    };
    if (parts == 1) return run(static_cast<T*>(dw));
    const Scratch sums(static_cast<size_t>(parts * size) * sizeof(C));
    run(sums.as<C>());
    add_parts(dtype, sums.as<C>(), parts, size, dw);
  });
}

}  // namespace tahr::cuda
