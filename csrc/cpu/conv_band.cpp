#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/conv.h"
#include "ops/conv_shape.h"

namespace tahr {

ConvShape conv_shape(const Shape& x, const Shape& kernel, const Shape& y, const ConvCoreAttrs& at) {
  return conv_shape_of<ConvShape, kAxes>(x, kernel, y, at);
}

AxisWay forward_way(const ConvShape& s, int axis) {
  AxisWay w{0, 1, s.y[axis], s.stride[axis], s.x[axis], {}};
  for (int64_t k = 0; k < s.window[axis]; ++k) w.taps.push_back({k, k * s.dilation[axis] - s.low[axis]});
  return w;
}

std::vector<AxisWay> backward_ways(const ConvShape& s, int axis) {
  std::vector<AxisWay> ways;
  const int64_t stride = s.stride[axis];
  for (int64_t f = 0; f < std::min(stride, s.x[axis]); ++f) {
    AxisWay w{f, stride, (s.x[axis] - f + stride - 1) / stride, 1, s.y[axis], {}};
    for (int64_t k = s.window[axis] - 1; k >= 0; --k) {
      const int64_t at = f + s.low[axis] - k * s.dilation[axis];
      if (at % stride == 0) w.taps.push_back({k, at / stride});
    }
    ways.push_back(std::move(w));
  }
  return ways;
}

BandPlan plan_band(const AxisWay* way, int64_t groups, int64_t channels, bool same_type, bool zero_rows) {
  const int64_t lowest = way[2].low(), highest = (way[2].count - 1) * way[2].stride + way[2].high();
  const bool inside = way[2].taps.empty() || (lowest >= 0 && highest < way[2].source);
  const bool rows_inside = way[1].low() >= 0 && (way[1].count - 1) * way[1].stride + way[1].high() < way[1].source &&
                           way[0].low() >= 0 && (way[0].count - 1) * way[0].stride + way[0].high() < way[0].source;
  return {way, groups * channels, channels,
          same_type && inside && (rows_inside || !zero_rows) && way[0].taps.size() < 2, zero_rows};
}

template <class S, class T>
ConvBand<T> make_band(const BandPlan& p, const S* image, int64_t q0, int64_t q1, int64_t q1_end, T* room) {
  const AxisWay &depth = p.way[0], &height = p.way[1], &width = p.way[2];
  const int64_t line = width.source * p.total;  // elements of a row of the source
  const int64_t left = width.low(), first = q1 * height.stride + height.low();
  if constexpr (std::is_same_v<S, T>) {
    if (p.in_place) {
      const int64_t slice = q0 * depth.stride + depth.low();
      return {image + (slice * height.source + first) * line + left * p.total, 0, line, p.total, first};
    }
  }
  const int64_t rows = p.rows(q1_end - q1), places = p.places(), pitch = places * p.channels;
  const int64_t from = std::clamp<int64_t>(-left, 0, places),
                to = std::clamp<int64_t>(width.source - left, from, places);
  for (size_t d = 0; d < depth.taps.size(); ++d) {
    const int64_t slice = q0 * depth.stride + depth.taps[d].offset;
    for (int64_t r = 0; r < rows; ++r) {
      T* out = room + (static_cast<int64_t>(d) * rows + r) * pitch;
      if (slice < 0 || slice >= depth.source || first + r < 0 || first + r >= height.source) {
        if (p.zero_rows) std::memset(out, 0, pitch * sizeof(T));
        continue;
      }
      const S* in = image + (slice * height.source + first + r) * line + (left + from) * p.total;
      std::memset(out, 0, from * p.channels * sizeof(T));
      T* at = out + from * p.channels;
      if (p.total == p.channels) {
        const int64_t n = (to - from) * p.channels;
        if constexpr (std::is_same_v<S, T>) std::memcpy(at, in, n * sizeof(T));
        else
          for (int64_t i = 0; i < n; ++i) at[i] = load_as(in[i]);
      } else {
        for (int64_t i = from; i < to; ++i, at += p.channels, in += p.total) {
          for (int64_t c = 0; c < p.channels; ++c) at[c] = load_as(in[c]);
        }
      }
      std::memset(out + to * p.channels, 0, (places - to) * p.channels * sizeof(T));
    }
  }
  return {room, rows * pitch, pitch, p.channels, first};
}

template <class S, class T>
void finish_line(T* line, const ConvEpilogue& end, const S* bias, S* to, int64_t ldc, int64_t count, int64_t channels) {
  for (int64_t i = 0; i < count; ++i, line += channels, to += ldc) {
    if (bias || end.relu || end.map) {
      for (int64_t j = 0; j < channels; ++j) {
        T v = load_as(store_as<S>(line[j]));
        if (bias) v = load_as(store_as<S>(v + load_as(bias[j])));
        line[j] = end.relu && v < 0 ? 0 : v;
      }
      const void* in = line;
      if (end.map) end.map(line, &in, channels, end.map_params);
    }
    for (int64_t j = 0; j < channels; ++j) to[j] = store_as<S>(line[j]);
  }
}

template <class T>
void map_line(const ConvEpilogue& end, T* to, int64_t ldc, int64_t count, int64_t channels) {
  if (!end.map) return;
  const bool whole = ldc == channels;
  for (int64_t i = 0; i < (whole ? 1 : count); ++i) {
    const void* in = to + i * ldc;
    end.map(to + i * ldc, &in, whole ? count * channels : channels, end.map_params);
  }
}

template void finish_line(float*, const ConvEpilogue&, const float*, float*, int64_t, int64_t, int64_t);
template void finish_line(double*, const ConvEpilogue&, const double*, double*, int64_t, int64_t, int64_t);
template void finish_line(float*, const ConvEpilogue&, const float16*, float16*, int64_t, int64_t, int64_t);
template void finish_line(float*, const ConvEpilogue&, const bfloat16*, bfloat16*, int64_t, int64_t, int64_t);
template void map_line(const ConvEpilogue&, float*, int64_t, int64_t, int64_t);
template void map_line(const ConvEpilogue&, double*, int64_t, int64_t, int64_t);
template ConvBand<float> make_band(const BandPlan&, const float*, int64_t, int64_t, int64_t, float*);
template ConvBand<double> make_band(const BandPlan&, const double*, int64_t, int64_t, int64_t, double*);
template ConvBand<float> make_band(const BandPlan&, const float16*, int64_t, int64_t, int64_t, float*);
template ConvBand<float> make_band(const BandPlan&, const bfloat16*, int64_t, int64_t, int64_t, float*);

}  // namespace tahr
