// The sizes of a convolution as kernels want them, the same for all devices: missing axes come first and have size 1.
#pragma once

#include "core/shape.h"
#include "ops/conv_attrs.h"

namespace tahr {

// S is a device's ConvShape, kAxes the spatial axes that it has.
template <class S, int kAxes>
S conv_shape_of(const Shape& x, const Shape& kernel, const Shape& y, const ConvCoreAttrs& at) {
  S s{};
  const int axes = x.rank() - 2;
  s.n = x[0];
  s.groups = at.groups;
  s.cin = kernel[axes];
  s.cout = kernel[axes + 1] / at.groups;
  for (int i = 0; i < kAxes; ++i) {
    const int from = i - (kAxes - axes);
    const auto f = static_cast<size_t>(from);
    s.x[i] = from < 0 ? 1 : x[from + 1];
    s.y[i] = from < 0 ? 1 : y[from + 1];
    s.window[i] = from < 0 ? 1 : kernel[from];
    s.stride[i] = from < 0 ? 1 : at.strides[f];
    s.dilation[i] = from < 0 ? 1 : at.dilation[f];
    s.low[i] = from < 0 ? 0 : at.low[f];
  }
  return s;
}

}  // namespace tahr
