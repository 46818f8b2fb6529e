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
#include "cuda/pack.h"

namespace tahr::cuda {
namespace {

template <class I>
struct Axis {
  I count, stride, source, taps, offset, offset_step, tap, tap_step, first, step, size, window;
};
template <class I>
struct Way {
  Axis<I> axis[kConvAxes];
  I channels;
};

// A thread has kPack channels of one place at a time.
template <class T, class I, int kPack>
__global__ void __launch_bounds__(kBlock)
    depthwise_kernel(Way<I> w, int64_t units, const T* source, const T* kernel, T* out, const T* bias, bool relu) {
  using C = Compute<T>;
  const Axis<I>&d = w.axis[0], &h = w.axis[1], &v = w.axis[2];
  const I packs = w.channels / kPack;
  for (int64_t u = grid_index(); u < units; u += grid_size()) {
    I rest = static_cast<I>(u);
    const I c = rest % packs * kPack;
    rest /= packs;
    const I q2 = rest % v.count;
    rest /= v.count;
    const I q1 = rest % h.count;
    rest /= h.count;
    const I q0 = rest % d.count;
    const int64_t image = rest / d.count;
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

constexpr int kWide = 32, kDeep = 8, kTaps = 9;  // channels and places of a block, taps of a thread

struct Outer {
  int64_t y[kConvAxes], x[kConvAxes], stride[kConvAxes], dilation[kConvAxes], low[kConvAxes], window[kConvAxes];
  int64_t channels, taps, terms, length;
};

// Part blockIdx.y of kTaps rows of dw, to [part][taps][channels].
template <class T, class To>
__global__ void __launch_bounds__(kWide* kDeep) outer_kernel(Outer o, const T* x, const T* dy, To* out) {
  using C = Compute<T>;
  __shared__ C shared[kDeep][kWide];
  const int lane = static_cast<int>(threadIdx.x), deep = static_cast<int>(threadIdx.y);
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kWide + lane, first = static_cast<int64_t>(blockIdx.z) * kTaps;
  const int64_t begin = blockIdx.y * o.length, end = begin + o.length < o.terms ? begin + o.length : o.terms;
  int64_t offset[kTaps][kConvAxes];
  for (int t = 0; t < kTaps; ++t) {
    int64_t tap = first + t;
    for (int a = kConvAxes - 1; a >= 0; --a) {
      offset[t][a] = tap % o.window[a] * o.dilation[a] - o.low[a];
      tap /= o.window[a];
    }
  }
  C sums[kTaps] = {};
  if (c < o.channels) {
    for (int64_t m = begin + deep; m < end; m += kDeep) {
      const C d = convert<C>(dy[m * o.channels + c]);
      int64_t rest = m, at[kConvAxes];
      for (int a = kConvAxes - 1; a >= 0; --a) {
        at[a] = rest % o.y[a] * o.stride[a];
        rest /= o.y[a];
      }
      TAHR_UNROLL for (int t = 0; t < kTaps; ++t) {
        const int64_t p0 = at[0] + offset[t][0], p1 = at[1] + offset[t][1], p2 = at[2] + offset[t][2];
        if (first + t < o.taps && p0 >= 0 && p0 < o.x[0] && p1 >= 0 && p1 < o.x[1] && p2 >= 0 && p2 < o.x[2])
          sums[t] += d * convert<C>(x[(((rest * o.x[0] + p0) * o.x[1] + p1) * o.x[2] + p2) * o.channels + c]);
      }
    }
  }
  for (int t = 0; t < kTaps; ++t) {
    __syncthreads();
    shared[deep][lane] = sums[t];
    __syncthreads();
    if (deep != 0 || c >= o.channels || first + t >= o.taps) continue;
    C sum = shared[0][lane];
    for (int i = 1; i < kDeep; ++i) sum += shared[i][lane];
    out[(blockIdx.y * o.taps + first + t) * o.channels + c] = convert<To>(sum);
  }
}

template <class T, class I, int kPack>
void run(const ConvWay& w, const void* source, const void* kernel, void* out, const ConvEpilogue& end) {
  Way<I> way{};
  way.channels = static_cast<I>(w.groups);
  for (int a = 0; a < kConvAxes; ++a) {
    const AxisWay& f = w.axis[a];
    const auto i = [](int64_t v) { return static_cast<I>(v); };
    way.axis[a] = {i(f.count), i(f.stride),   i(f.source), i(f.taps), i(f.offset),  i(f.offset_step),
                   i(f.tap),   i(f.tap_step), i(f.first),  i(f.step), i(w.size[a]), i(w.window[a])};
  }
  const int64_t units = w.count() * w.groups / kPack;
  launch(depthwise_kernel<T, I, kPack>, grid_for(units), dim3(kBlock), 0, way, units, static_cast<const T*>(source),
         static_cast<const T*>(kernel), static_cast<T*>(out), static_cast<const T*>(end.bias), end.relu);
}

}  // namespace

void conv_depthwise(DType dtype, const ConvWay& w, const void* source, const void* kernel, void* out,
                    const ConvEpilogue& end) {
  if (w.count() == 0) return;
  visit_float(dtype, [&]<class T>() {
    constexpr int kPack = 16 / sizeof(T);
    const bool packs = w.small && w.groups % kPack == 0 && w.count() * w.groups / kPack < (int64_t{1} << 31) &&
                       aligned(source, 16) && aligned(kernel, 16) && aligned(out, 16);
    if (packs) run<T, int32_t, kPack>(w, source, kernel, out, end);
    else run<T, int64_t, 1>(w, source, kernel, out, end);
  });
}

void conv_depthwise_dw(DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw) {
  Outer o{};
  for (int a = 0; a < kConvAxes; ++a) {
    o.y[a] = s.y[a];
    o.x[a] = s.x[a];
    o.stride[a] = s.stride[a];
    o.dilation[a] = s.dilation[a];
    o.low[a] = s.low[a];
    o.window[a] = s.window[a];
  }
  o.channels = s.groups;
  o.taps = s.taps();
  o.terms = s.n * s.places();
  const int64_t wide = (o.channels + kWide - 1) / kWide, rows = (o.taps + kTaps - 1) / kTaps,
                size = o.taps * o.channels;
  if (rows > 65535)
    throw_value("[conv_dw] expected a window of at most ", 65535 * kTaps, " places, received ", o.taps, ".");
  visit_float(dtype, [&]<class T>() {
    using C = Compute<T>;
    const int64_t parts = conv_parts(o.terms, wide * rows, size, sizeof(C), kDeep);
    o.length = ((o.terms + parts - 1) / parts + kDeep - 1) / kDeep * kDeep;
    const dim3 grid(static_cast<unsigned>(wide), static_cast<unsigned>(parts), static_cast<unsigned>(rows));
    const auto go = [&]<class To>(To* to) {
      launch(outer_kernel<T, To>, grid, dim3(kWide, kDeep), 0, o, static_cast<const T*>(x), static_cast<const T*>(dy),
             to);
    };
    if (parts == 1) return go(static_cast<T*>(dw));
    const Scratch sums(static_cast<size_t>(parts * size) * sizeof(C));
    go(sums.as<C>());
    add_parts(dtype, sums.as<C>(), parts, size, dw);
  });
}

}  // namespace tahr::cuda
