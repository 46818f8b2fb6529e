// What the convolutions' kernels share: the problem with three spatial axes, the ways from outputs to inputs along an
// axis, and bands of input rows laid out for the tiles.
//
// The way through a problem: outputs are cut into bands of rows. For each band the input rows that it needs are copied
// into scratch with zeros where the padding is (and widened to float if they are halves), or read in place where there
// is nothing to pad. Then a row of outputs is a strided matrix product, whose steps are the taps' channels:
// neighbouring taps of one kernel row are one run of steps, and taps outside the input's other axes are left out. So
// there is no im2col buffer. conv_dx is the same thing from dy to dx, by one phase per stride.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "cpu/conv_table.h"
#include "cpu/elementwise_table.h"
#include "ops/conv_attrs.h"

namespace tahr {

inline constexpr int kAxes = 3;

struct ConvShape {               // leading axes that x lacks have size 1
  int64_t n, groups, cin, cout;  // channels of one group
  int64_t x[kAxes], y[kAxes], window[kAxes], stride[kAxes], dilation[kAxes], low[kAxes];
  bool depthwise() const { return groups > 1 && cin == 1 && cout == 1; }
  int64_t taps() const { return window[0] * window[1] * window[2]; }
};
ConvShape conv_shape(const Shape& x, const Shape& kernel, const Shape& y, const ConvCoreAttrs& at);

struct ConvTap {
  int64_t index, offset;  // in the kernel, and of its source from that of the output
};

// Outputs first + step * q for 0 <= q < count of one axis; tap t of output q reads source q * stride + t.offset.
struct AxisWay {
  int64_t first, step, count, stride, source;  // source: the size of the axis that is read
  std::vector<ConvTap> taps;                   // by offset, evenly spaced
  int64_t low() const { return taps.empty() ? 0 : taps.front().offset; }
  int64_t high() const { return taps.empty() ? -1 : taps.back().offset; }
  // Neighbouring taps read neighbouring places.
  bool contiguous() const { return taps.size() < 2 || taps[1].offset - taps[0].offset == 1; }
};
AxisWay forward_way(const ConvShape& s, int axis);
std::vector<AxisWay> backward_ways(const ConvShape& s, int axis);

// The source rows that a band of output rows needs, as the tiles read them: element (slice, row, place, channel) at
// data[slice * slice_pitch + row * row_pitch + place * channels + channel]. Slices are taps of axis 0, rows are counted
// from first_row, places from the lowest that any output needs.
template <class T>
struct ConvBand {
  const T* data;
  int64_t slice_pitch, row_pitch, place_pitch, first_row;
};

// How bands of one problem look.
struct BandPlan {
  const AxisWay* way;       // [kAxes]
  int64_t total, channels;  // of the source, of the group
  bool in_place;            // nothing to pad, widen or gather
  bool zero_rows;           // rows and slices outside the source are wanted, as zeros
  int64_t places() const { return (way[2].count - 1) * way[2].stride + way[2].high() - way[2].low() + 1; }
  int64_t rows(int64_t outputs) const { return (outputs - 1) * way[1].stride + way[1].high() - way[1].low() + 1; }
  int64_t elements(int64_t outputs) const {
    return in_place ? 0 : static_cast<int64_t>(way[0].taps.size()) * rows(outputs) * places() * channels;
  }
};
// `same_type`: the source holds what the tiles compute in.
BandPlan plan_band(const AxisWay* way, int64_t groups, int64_t channels, bool same_type, bool zero_rows);

// The band for outputs [q1, q1_end) of axis 1 at output q0 of axis 0; `image` is the source at the group's first
// channel.
template <class S, class T>
ConvBand<T> make_band(const BandPlan& p, const S* image, int64_t q0, int64_t q1, int64_t q1_end, T* room);

// What becomes of outputs on their way: + bias, then relu or another function of one element.
struct ConvEpilogue {
  const void* bias = nullptr;
  bool relu = false;
  EwLoop map = nullptr;
  const double* map_params = nullptr;
  double map_ns = 0;
};

// Does to `count` outputs of `channels` each, rounded sums in `line`, what the plain ops would, and stores them.
template <class S, class T>
void finish_line(T* line, const ConvEpilogue& end, const S* bias, S* to, int64_t ldc, int64_t count, int64_t channels);
// Applies the epilogue's function to outputs that have been stored.
template <class T>
void map_line(const ConvEpilogue& end, T* to, int64_t ldc, int64_t count, int64_t channels);

// y from x (backward: dx from dy), and dw. Tensors of one floating-point dtype. The same bits at any thread count.
void conv_rows(const ConvTable& table, DType dtype, const ConvShape& s, bool backward, const void* source,
               const void* kernel, void* out, const ConvEpilogue& end = {});
void conv_outer(const ConvTable& table, DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw);

// The same for a shape that is depthwise(); kernel and dw are (window..., channels).
void depthwise_rows(DType dtype, const ConvShape& s, bool backward, const void* source, const void* kernel, void* out,
                    const ConvEpilogue& end);
void depthwise_outer(DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw);

}  // namespace tahr
