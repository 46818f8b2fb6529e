// Depthwise convolutions: the bands and phases of conv_rows.cpp and conv_outer.cpp, vectors of channels in place of
// matrix products.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/parallel.h"
#include "cpu/conv.h"
#include "cpu/scratch.h"

namespace tahr {
namespace {

constexpr double kChunkFmas = 300e3;
constexpr int64_t kBandBytes = 128 << 10;
constexpr int64_t kPartialBytes = 8 << 20;
constexpr int64_t kChunks = 32;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
const DepthwiseKernels<T>& kernels_of(const DepthwiseTable& table) {
  if constexpr (std::is_same_v<T, float>) return table.f32;
  else return table.f64;
}

template <class S, class T>
void run_way(const DepthwiseKernels<T>& kernels, const ConvShape& s, const AxisWay* way, const S* source,
             const S* kernel, S* out, const int64_t* out_size, const ConvEpilogue& end) {
  const int64_t channels = s.groups;
  const int64_t taps = static_cast<int64_t>(way[0].taps.size() * way[1].taps.size() * way[2].taps.size());
  const Scratch weights(taps * channels * sizeof(T));
  T* packed = weights.as<T>();
  for (const ConvTap& d : way[0].taps) {
    for (const ConvTap& h : way[1].taps) {
      for (const ConvTap& w : way[2].taps) {
        const S* from = kernel + ((d.index * s.window[1] + h.index) * s.window[2] + w.index) * channels;
        for (int64_t c = 0; c < channels; ++c) *packed++ = load_as(from[c]);
      }
    }
  }
  const BandPlan plan = plan_band(way, 1, channels, std::is_same_v<S, T>, false);
  const double row_fmas = static_cast<double>(way[2].count) * std::max<int64_t>(taps, 1) * channels;
  int64_t rows = std::clamp<int64_t>(static_cast<int64_t>(kChunkFmas / row_fmas), 1, way[1].count);
  while (rows > 1 && plan.elements(rows) * static_cast<int64_t>(sizeof(T)) > kBandBytes) rows = ceil_div(rows, 2);
  const int64_t bands = ceil_div(way[1].count, rows), units = s.n * way[0].count * bands;
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kChunkFmas / (row_fmas * rows)));
  const int64_t source_size = way[0].source * way[1].source * way[2].source * channels;
  parallel_for(units, grain, row_fmas * rows * units * 0.05, [&](int64_t begin, int64_t stop) {
    const Scratch room((plan.elements(rows) + 64) * sizeof(T));
    const Scratch line(std::is_same_v<S, T> ? 0 : way[2].count * channels * sizeof(T));
    std::vector<ConvRun> runs;
    for (int64_t u = begin; u < stop; ++u) {
      const int64_t q0 = u / bands % way[0].count, image = u / bands / way[0].count;
      const int64_t q1 = u % bands * rows, q1_end = std::min(q1 + rows, way[1].count);
      const auto band = make_band<S, T>(plan, source + image * source_size, q0, q1, q1_end, room.as<T>());
      for (int64_t q = q1; q < q1_end; ++q) {
        runs.clear();
        int64_t tap = 0;
        for (size_t d = 0; d < way[0].taps.size(); ++d) {
          const int64_t slice = q0 * way[0].stride + way[0].taps[d].offset;
          for (const ConvTap& h : way[1].taps) {
            const int64_t row = q * way[1].stride + h.offset;
            const bool inside = slice >= 0 && slice < way[0].source && row >= 0 && row < way[1].source;
            const int64_t start = static_cast<int64_t>(d) * band.slice_pitch + (row - band.first_row) * band.row_pitch;
            for (const ConvTap& w : way[2].taps) {
              if (inside) runs.push_back({start + (w.offset - way[2].low()) * band.place_pitch, tap});
              ++tap;
            }
          }
        }
        S* to =
            out +
            (((image * out_size[0] + way[0].first + way[0].step * q0) * out_size[1] + way[1].first + way[1].step * q) *
                 out_size[2] +
             way[2].first) *
                channels;
        DepthwiseRow<T> t{};
        t.a = band.data;
        t.a_row = way[2].stride * band.place_pitch;
        t.runs = runs.data();
        t.run_count = static_cast<int64_t>(runs.size());
        t.b = weights.as<T>();
        t.count = way[2].count;
        t.channels = channels;
        const S* bias = static_cast<const S*>(end.bias);
        if constexpr (std::is_same_v<S, T>) {
          t.c = to;
          t.ldc = way[2].step * channels;
          t.bias = bias;
          t.relu = end.relu;
          kernels.row(t);
          map_line(end, to, t.ldc, t.count, channels);
        } else {
          t.c = line.as<T>();
          t.ldc = channels;
          kernels.row(t);
          finish_line(t.c, end, bias, to, way[2].step * channels, t.count, channels);
        }
      }
    }
  });
}

template <class S, class T>
void run_rows(const ConvShape& s, bool backward, const S* source, const S* kernel, S* out, const ConvEpilogue& end) {
  const DepthwiseKernels<T>& kernels = kernels_of<T>(depthwise_table());
  if (!backward) {
    const AxisWay way[kAxes] = {forward_way(s, 0), forward_way(s, 1), forward_way(s, 2)};
    return run_way<S, T>(kernels, s, way, source, kernel, out, s.y, end);
  }
  const auto depth = backward_ways(s, 0), height = backward_ways(s, 1), width = backward_ways(s, 2);
  for (const AxisWay& d : depth) {
    for (const AxisWay& h : height) {
      for (const AxisWay& w : width) {
        const AxisWay way[kAxes] = {d, h, w};
        run_way<S, T>(kernels, s, way, source, kernel, out, s.x, end);
      }
    }
  }
}

template <class S, class T>
void run_outer(const ConvShape& s, const S* x, const S* dy, S* dw) {
  const DepthwiseKernels<T>& kernels = kernels_of<T>(depthwise_table());
  const int64_t channels = s.groups, taps = s.taps(), size = taps * channels;
  const AxisWay way[kAxes] = {forward_way(s, 0), forward_way(s, 1), forward_way(s, 2)};
  const BandPlan plan = plan_band(way, 1, channels, std::is_same_v<S, T>, true);
  int64_t rows = std::max<int64_t>(s.y[1], 1);
  while (rows > 1 && plan.elements(rows) * static_cast<int64_t>(sizeof(T)) > kBandBytes) rows = ceil_div(rows, 2);
  const int64_t bytes = size * static_cast<int64_t>(sizeof(T)), images = std::max<int64_t>(s.n, 1);
  const int64_t sums = std::clamp<int64_t>(kPartialBytes / bytes, 1, std::min(images, kChunks));
  const int64_t own = ceil_div(images, sums), groups = ceil_div(images, own);
  const Scratch partial(groups * bytes);
  const double cost = static_cast<double>(s.n) * s.y[0] * s.y[1] * s.y[2] * size * 0.05;
  const int64_t x_image = s.x[0] * s.x[1] * s.x[2] * channels, line = s.y[2] * channels;
  const auto body = [&](int64_t chunk) {
    const Scratch room((plan.elements(rows) + 64) * sizeof(T));
    const Scratch dy_room(std::is_same_v<S, T> ? 0 : rows * line * sizeof(T));
    std::vector<int64_t> offsets(static_cast<size_t>(taps));
    T* to = partial.as<T>() + chunk * size;
    std::memset(to, 0, bytes);
    for (int64_t image = chunk * own; image < std::min(s.n, (chunk + 1) * own); ++image) {
      for (int64_t q0 = 0; q0 < s.y[0]; ++q0) {
        for (int64_t q1 = 0; q1 < s.y[1]; q1 += rows) {
          const int64_t count = std::min(rows, s.y[1] - q1);
          const auto band = make_band<S, T>(plan, x + image * x_image, q0, q1, q1 + count, room.as<T>());
          size_t i = 0;
          for (int64_t d = 0; d < s.window[0]; ++d) {
            for (int64_t h = 0; h < s.window[1]; ++h) {
              for (int64_t w = 0; w < s.window[2]; ++w) {
                offsets[i++] =
                    d * band.slice_pitch + h * s.dilation[1] * band.row_pitch + w * s.dilation[2] * band.place_pitch;
              }
            }
          }
          const S* from = dy + ((image * s.y[0] + q0) * s.y[1] + q1) * line;
          ConvOuter<T> t{};
          if constexpr (std::is_same_v<S, T>) {
            t.b = from;
          } else {
            for (int64_t e = 0; e < count * line; ++e) dy_room.as<T>()[e] = load_as(from[e]);
            t.b = dy_room.as<T>();
          }
          t.a = band.data;
          t.a_step = s.stride[2] * band.place_pitch;
          t.a_pitch = s.stride[1] * band.row_pitch;
          t.offsets = offsets.data();
          t.b_step = channels;
          t.b_pitch = line;
          t.steps = s.y[2];
          t.rows = count;
          t.c = to;
          t.ldc = channels;
          t.m = taps;
          t.n = channels;
          t.accumulate = true;
          kernels.outer(t);
        }
      }
    }
  };
  parallel_chunks(groups, cost + 1000.0, body);
  T* first = partial.as<T>();
  for (int64_t g = 1; g < groups; ++g) {
    for (int64_t e = 0; e < size; ++e) first[e] += first[g * size + e];
  }
  for (int64_t e = 0; e < size; ++e) dw[e] = store_as<S>(first[e]);
}

}  // namespace

void depthwise_rows(DType dtype, const ConvShape& s, bool backward, const void* source, const void* kernel, void* out,
                    const ConvEpilogue& end) {
  visit_dtype(dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      run_rows<S, Compute<S>>(s, backward, static_cast<const S*>(source), static_cast<const S*>(kernel),
                              static_cast<S*>(out), end);
    }
  });
}

void depthwise_outer(DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw) {
  visit_dtype(dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      run_outer<S, Compute<S>>(s, static_cast<const S*>(x), static_cast<const S*>(dy), static_cast<S*>(dw));
    }
  });
}

}  // namespace tahr
