// Convolutions (csrc/ops/conv.cpp has the formulas) as the GPU's kernels see them: always three spatial axes, and along
// each a way from outputs to the places of the source that they read. conv_forward and conv_dx are the same thing: the
// one reads x and writes y; the other reads dy and writes dx, by one way per phase of the stride.
#pragma once

#include <functional>
#include <string>

#include "cuda/runtime.h"
#include "ops/conv_attrs.h"

namespace tahr::cuda {

inline constexpr int kConvAxes = 3;

struct ConvShape {               // leading axes that x lacks have size 1
  int64_t n, groups, cin, cout;  // channels of one group
  int64_t x[kConvAxes], y[kConvAxes], window[kConvAxes], stride[kConvAxes], dilation[kConvAxes], low[kConvAxes];
  bool depthwise() const { return groups > 1 && cin == 1 && cout == 1; }
  int64_t taps() const { return window[0] * window[1] * window[2]; }
  int64_t places() const { return y[0] * y[1] * y[2]; }  // of one image
  bool small() const;                                    // coordinates fit into 32 bits with room to spare
};
ConvShape conv_shape(const Shape& x, const Shape& kernel, const Shape& y, const ConvCoreAttrs& at);

// Outputs first + step * q for 0 <= q < count of one axis; tap j < taps of output q is tap + tap_step * j of the kernel
// and reads place q * stride + offset + offset_step * j, zero where that is not in [0, source).
struct AxisWay {
  int64_t first, step, count, stride, source, taps, offset, offset_step, tap, tap_step;
};

struct ConvWay {
  AxisWay axis[kConvAxes];
  int64_t n, groups, sources, outputs;         // channels of one group
  int64_t size[kConvAxes], window[kConvAxes];  // of the whole output, of the kernel
  bool small;                                  // as ConvShape::small
  int64_t count() const { return n * axis[0].count * axis[1].count * axis[2].count; }
};
ConvWay forward_way(const ConvShape& s);
// f(way) for each phase that has outputs.
void each_backward_way(const ConvShape& s, const std::function<void(const ConvWay&)>& f);

// y = relu(y + bias), as the plain ops would: rounded after each.
struct ConvEpilogue {
  const void* bias = nullptr;
  bool relu = false;
};

// Implicit matrix products (conv_gemm.cu) and depthwise convolutions (conv_depthwise.cu). A way's source is x or dy.
void conv_gemm(DType dtype, const ConvWay& way, bool backward, const void* source, const void* kernel, void* out,
               const ConvEpilogue& end);
void conv_gemm_dw(DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw);
void conv_depthwise(DType dtype, const ConvWay& way, const void* source, const void* kernel, void* out,
                    const ConvEpilogue& end);
void conv_depthwise_dw(DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw);

// Around convolutions (conv_layout.cu): to[c, r] = from[r, c]; to[n, p, c] = from[n, p - low, c] or 0 outside (not
// `forth`: p + low); y = activation(y + bias) in place, rounded after each step, where there is either.
void conv_transpose_kernel(DType dtype, const void* from, int64_t rows, int64_t cols, void* to);
void conv_box(DType dtype, int64_t n, int64_t channels, const void* from, const int64_t* from_size, void* to,
              const int64_t* to_size, const int64_t* low, bool forth);
void conv_finish(DType dtype, void* y, int64_t size, int64_t channels, const void* bias, const std::string& activation);

// How many parts the sum over `terms` places is cut into, by shapes alone: enough blocks for any GPU, and not more than
// 64 MiB of partial sums of `size` elements. Each part has `ceil(terms / parts)` places, rounded up to `step`.
int64_t conv_parts(int64_t terms, int64_t blocks, int64_t size, int64_t element, int64_t step);
// to[i] = sum of from[part][i] in the order of the parts, from elements of the type that `dtype` is computed in.
void add_parts(DType dtype, const void* from, int64_t parts, int64_t size, void* to);

}  // namespace tahr::cuda
