// Attributes of the convolution ops.
#pragma once

#include "ops/op.h"

namespace tahr {

struct ConvAttrs {
  Ints strides{1};
  std::string padding = "valid";
  std::optional<std::string> data_format;
  Ints dilation_rate{1};
  TAHR_ATTRS(ConvAttrs, TAHR_FIELD(strides), TAHR_FIELD(padding), TAHR_FIELD(data_format), TAHR_FIELD(dilation_rate))
};
struct ConvTransposeAttrs {
  Ints strides{1};
  std::string padding = "valid";
  std::optional<Ints> output_padding;
  std::optional<std::string> data_format;
  Ints dilation_rate{1};
  TAHR_ATTRS(ConvTransposeAttrs, TAHR_FIELD(strides), TAHR_FIELD(padding), TAHR_FIELD(output_padding),
             TAHR_FIELD(data_format), TAHR_FIELD(dilation_rate))
};

// One value per spatial axis. `low` and `high` are the zeros put before and after each axis (cut off where negative).
// `size`: the spatial sizes of what the op computes: of x for conv_dx, of the kernel for conv_dw; unused by
// conv_forward.
struct ConvCoreAttrs {
  Ints strides, dilation, low, high, size;
  int64_t groups = 1;
  TAHR_ATTRS(ConvCoreAttrs, TAHR_REQUIRED(strides), TAHR_REQUIRED(dilation), TAHR_REQUIRED(low), TAHR_REQUIRED(high),
             TAHR_FIELD(size), TAHR_FIELD(groups))
};

// conv_forward, plus a bias (where there is one), then an activation as in LinearAttrs.
struct ConvLinearAttrs {
  Ints strides, dilation, low, high;
  int64_t groups = 1;
  std::string activation;
  ConvCoreAttrs core() const { return {strides, dilation, low, high, {}, groups}; }
  TAHR_ATTRS(ConvLinearAttrs, TAHR_REQUIRED(strides), TAHR_REQUIRED(dilation), TAHR_REQUIRED(low), TAHR_REQUIRED(high),
             TAHR_FIELD(groups), TAHR_FIELD(activation))
};

// "channels_last" or "channels_first" where an op's data_format is None.
const std::string& image_data_format();
void set_image_data_format(const std::string& name);

// What convolutions and pools share (ops/conv_arguments.cpp). `op` is for messages.
bool channels_first(const std::optional<std::string>& data_format, const char* op);
std::string lower_padding(const std::string& padding, bool causal_allowed, const char* op);
Ints per_axis(const Ints& values, int axes, const char* what, const char* op);  // one positive value per spatial axis
int spatial_axes(const Tensor& x, const char* op);                              // rank - 2, which is 1, 2 or 3
void explicit_padding(const Tensor& x, int axes, const std::string& padding, const Ints& window, const Ints& strides,
                      const Ints& dilation, Ints* low, Ints* high);  // of a channels-last x
inline constexpr int64_t kLargestStep = int64_t{1} << 31;
bool sensible(const Ints& values, int64_t least);  // all from `least` to below kLargestStep
int64_t windows_on_axis(int64_t size, int64_t window, int64_t stride, int64_t dilation, int64_t low, int64_t high);
Tensor to_channels_last(const Tensor& x);
Tensor to_channels_first(const Tensor& x);

}  // namespace tahr
