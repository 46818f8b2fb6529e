// Depthwise convolutions: each channel by itself, the kernel (window..., channels).
//
//   out[m, c] = sum over taps of source[place of (m, tap), c] kernel[tap, c]
//   dw[tap, c] = sum over places m of x[place of (m, tap), c] dy[m, c]
//
// Neighbouring threads have neighbouring channels. Floor: the bytes of both tensors once; what windows share comes from
// the caches.
#include <algorithm>

#include "cuda/conv.h"
#include "cuda/convert.h"
#include "cuda/index_math.h"
#include "cuda/pack.h"

namespace tahr::cuda {
namespace {

template <class I>
struct Axis {
  Divider<I> count;
  I stride, source, taps, offset, offset_step, tap, tap_step, first, step, size, window;
};
template <class I>
struct Way {
  Axis<I> axis[kConvAxes];
  Divider<I> packs;  // of channels
  I channels;
};

// A thread has kPack channels of one place at a time.
template <class T, class I, int kPack>
__global__ void __launch_bounds__(kBlock)
    depthwise_kernel(Way<I> w, int64_t units, const T* source, const T* kernel, T* out, const T* bias, bool relu) {
  using C = Compute<T>;
  const Axis<I>&d = w.axis[0], &h = w.axis[1], &v = w.axis[2];
  for (int64_t u = grid_index(); u < units; u += grid_size()) {
    I c, q0, q1, q2;
    I rest = w.packs.divide(static_cast<I>(u), &c);
    c *= kPack;
    rest = v.count.divide(rest, &q2);
    rest = h.count.divide(rest, &q1);
    const int64_t image = d.count.divide(rest, &q0);
    C sums[kPack] = {};
    for (I i = 0; i < d.taps; ++i) {
      const I p0 = q0 * d.stride + d.offset + i * d.offset_step;
      if (p0 < 0 || p0 >= d.source) continue;
      for (I j = 0; j < h.taps; ++j) {
        const I p1 = q1 * h.stride + h.offset + j * h.offset_step;
        if (p1 < 0 || p1 >= h.source) continue;
        const int64_t row = ((image * d.source + p0) * h.source + p1) * v.source;
        const int64_t taps =
            (static_cast<int64_t>(d.tap + i * d.tap_step) * h.window + h.tap + j * h.tap_step) * v.window + v.tap;
        for (I k = 0; k < v.taps; ++k) {
          const I p2 = q2 * v.stride + v.offset + k * v.offset_step;
          if (p2 < 0 || p2 >= v.source) continue;
          const Pack<T, kPack> a = load_pack<kPack>(source + (row + p2) * w.channels + c);
          const Pack<T, kPack> b = load_pack<kPack>(kernel + (taps + k * v.tap_step) * w.channels + c);
          TAHR_UNROLL for (int e = 0; e < kPack; ++e) sums[e] += convert<C>(a.v[e]) * convert<C>(b.v[e]);
        }
      }
    }
    Pack<T, kPack> y;
    TAHR_UNROLL for (int e = 0; e < kPack; ++e) {
      y.v[e] = convert<T>(sums[e]);
      if (bias) y.v[e] = convert<T>(convert<C>(y.v[e]) + convert<C>(bias[c + e]));
      if (relu && convert<C>(y.v[e]) < C(0)) y.v[e] = convert<T>(C(0));
    }
    const int64_t place =
        ((image * d.size + d.first + d.step * q0) * h.size + h.first + h.step * q1) * v.size + v.first + v.step * q2;
    store_pack(out + place * w.channels + c, y);
  }
}

constexpr int kTaps = 9;  // whose sums a thread has

template <class I>
struct Outer {
  Divider<I> y[kConvAxes];
  I x[kConvAxes], stride[kConvAxes], dilation[kConvAxes], low[kConvAxes], window[kConvAxes];
  int64_t channels, taps, terms, length;
};

// Where a tap reads, from the place of its window's beginning.
template <class I>
struct Tap {
  I at[kConvAxes];
  int64_t place;
};

// Part blockIdx.y of kTaps rows of dw, to [part][taps][channels]. A block is packs of channels x places, powers of two.
template <class T, class To, class I, int kPack>
__global__ void __launch_bounds__(kBlock) outer_kernel(Outer<I> o, const T* x, const T* dy, To* out) {
  using C = Compute<T>;
  __shared__ Tap<I> taps[kTaps];
  alignas(32) __shared__ C shared[kBlock * kPack];
  const int lane = static_cast<int>(threadIdx.x), deep = static_cast<int>(threadIdx.y);
  const int lanes = static_cast<int>(blockDim.x), deeps = static_cast<int>(blockDim.y), me = deep * lanes + lane;
  const int64_t c = (static_cast<int64_t>(blockIdx.x) * lanes + lane) * kPack;
  const int64_t first = static_cast<int64_t>(blockIdx.z) * kTaps;
  const int64_t begin = blockIdx.y * o.length, end = begin + o.length < o.terms ? begin + o.length : o.terms;
  if (me < kTaps) {
    Tap<I>& t = taps[me];
    int64_t tap = first + me, scale = 1;
    t.place = 0;
    for (int a = kConvAxes - 1; a >= 0; --a) {
      t.at[a] = static_cast<I>(tap % o.window[a]) * o.dilation[a] - o.low[a];
      t.place += t.at[a] * scale;
      scale *= o.x[a];
      tap /= o.window[a];
    }
    if (first + me >= o.taps) t.at[0] = -(I(1) << 29);  // outside for all places
  }
  __syncthreads();
  C sums[kTaps][kPack] = {};
  if (c < o.channels) {
    for (int64_t m = begin + deep; m < end; m += deeps) {
      const Pack<T, kPack> d = load_pack<kPack>(dy + m * o.channels + c);
      I at[kConvAxes], rest = static_cast<I>(m);
      TAHR_UNROLL for (int a = kConvAxes - 1; a >= 0; --a) {
        rest = o.y[a].divide(rest, &at[a]);
        at[a] *= o.stride[a];
      }
      const T* from =
          x + (((static_cast<int64_t>(rest) * o.x[0] + at[0]) * o.x[1] + at[1]) * o.x[2] + at[2]) * o.channels + c;
      TAHR_UNROLL for (int t = 0; t < kTaps; ++t) {
        const Tap<I>& tap = taps[t];
        const I p0 = at[0] + tap.at[0], p1 = at[1] + tap.at[1], p2 = at[2] + tap.at[2];
        if (p0 < 0 || p0 >= o.x[0] || p1 < 0 || p1 >= o.x[1] || p2 < 0 || p2 >= o.x[2]) continue;
        const Pack<T, kPack> v = load_pack<kPack>(from + tap.place * o.channels);
        TAHR_UNROLL for (int e = 0; e < kPack; ++e) sums[t][e] += convert<C>(d.v[e]) * convert<C>(v.v[e]);
      }
    }
  }
  // The places of the block, by halves.
  TAHR_UNROLL for (int t = 0; t < kTaps; ++t) {
    if (first + t >= o.taps) return;
    TAHR_UNROLL for (int e = 0; e < kPack; ++e) shared[me * kPack + e] = sums[t][e];
    for (int half = deeps / 2; half > 0; half /= 2) {
      __syncthreads();
      if (deep < half) {
        TAHR_UNROLL for (int e = 0; e < kPack; ++e) shared[me * kPack + e] += shared[(me + half * lanes) * kPack + e];
      }
    }
    if (deep == 0 && c < o.channels) {
      TAHR_UNROLL for (int e = 0; e < kPack; ++e) out[(blockIdx.y * o.taps + first + t) * o.channels + c + e] =
          convert<To>(shared[me * kPack + e]);
    }
    __syncthreads();
  }
}

template <class T, class I, int kPack>
void run(const ConvWay& w, const void* source, const void* kernel, void* out, const ConvEpilogue& end) {
  Way<I> way{};
  way.channels = static_cast<I>(w.groups);
  way.packs = Divider<I>(w.groups / kPack);
  for (int a = 0; a < kConvAxes; ++a) {
    const AxisWay& f = w.axis[a];
    const auto i = [](int64_t v) { return static_cast<I>(v); };
    way.axis[a] = {Divider<I>(f.count), i(f.stride),      i(f.source),  i(f.taps),
                   i(f.offset),         i(f.offset_step), i(f.tap),     i(f.tap_step),
                   i(f.first),          i(f.step),        i(w.size[a]), i(w.window[a])};
  }
  const int64_t units = w.count() * w.groups / kPack;
  launch(depthwise_kernel<T, I, kPack>, grid_for(units), dim3(kBlock), 0, way, units, static_cast<const T*>(source),
         static_cast<const T*>(kernel), static_cast<T*>(out), static_cast<const T*>(end.bias), end.relu);
}

template <class T, class I, int kPack>
void run_outer(DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw) {
  Outer<I> o{};
  for (int a = 0; a < kConvAxes; ++a) {
    o.y[a] = Divider<I>(std::max<int64_t>(s.y[a], 1));
    o.x[a] = static_cast<I>(s.x[a]);
    o.stride[a] = static_cast<I>(s.stride[a]);
    o.dilation[a] = static_cast<I>(s.dilation[a]);
    o.low[a] = static_cast<I>(s.low[a]);
    o.window[a] = static_cast<I>(s.window[a]);
  }
  o.channels = s.groups;
  o.taps = s.taps();
  o.terms = s.n * s.places();
  unsigned lanes = 1;
  while (lanes < 32 && lanes * kPack < o.channels) lanes *= 2;
  const dim3 block(lanes, kBlock / lanes);
  const int64_t wide = (o.channels + lanes * kPack - 1) / (lanes * kPack), rows = (o.taps + kTaps - 1) / kTaps;
  if (rows > 65535) {
    throw_value("[conv_dw] expected a window of at most ", 65535 * kTaps, " places, received ", o.taps,
                ". Compute it on the CPU.");
  }
  const int64_t size = o.taps * o.channels;
  const int64_t parts = conv_parts(o.terms, wide * rows, size, sizeof(Compute<T>), block.y);
  o.length = ((o.terms + parts - 1) / parts + block.y - 1) / block.y * block.y;
  const dim3 grid(static_cast<unsigned>(wide), static_cast<unsigned>(parts), static_cast<unsigned>(rows));
  const auto go = [&]<class To>(To* to) {
    launch(outer_kernel<T, To, I, kPack>, grid, block, 0, o, static_cast<const T*>(x), static_cast<const T*>(dy), to);
  };
  if (parts == 1) return go(static_cast<T*>(dw));
  const Scratch sums(static_cast<size_t>(parts * size) * sizeof(Compute<T>));
  go(sums.as<Compute<T>>());
  add_parts(dtype, sums.as<Compute<T>>(), parts, size, dw);
}

}  // namespace

void conv_depthwise(DType dtype, const ConvWay& w, const void* source, const void* kernel, void* out,
                    const ConvEpilogue& end) {
  if (w.count() == 0) return;
  visit_float(dtype, [&]<class T>() {
    constexpr int kPack = 16 / sizeof(T);
    const bool packs = w.small && w.groups % kPack == 0 && fits_32(w.count() * w.groups / kPack) &&
                       aligned(source, 16) && aligned(kernel, 16) && aligned(out, 16);
    if (packs) run<T, int32_t, kPack>(w, source, kernel, out, end);
    else run<T, int64_t, 1>(w, source, kernel, out, end);
  });
}

void conv_depthwise_dw(DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw) {
  visit_float(dtype, [&]<class T>() {
    constexpr int kPack = sizeof(T) == 8 ? 2 : 4;
    const bool packs =
        s.small() && s.groups % kPack == 0 && fits_32(s.n * s.places()) && aligned(x, 16) && aligned(dy, 16);
    if (packs) run_outer<T, int32_t, kPack>(dtype, s, x, dy, dw);
    else run_outer<T, int64_t, 1>(dtype, s, x, dy, dw);
  });
}

}  // namespace tahr::cuda
