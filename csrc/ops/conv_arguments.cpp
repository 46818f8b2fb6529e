// The arguments that convolutions and pools share: strides, padding, data format.
#include <algorithm>
#include <cctype>

#include "ops/conv_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

std::string& default_format() {
  static std::string name = "channels_last";
  return name;
}

void check_format(const std::string& name, const char* op) {
  if (name != "channels_last" && name != "channels_first") {
    throw_value("[", op, "] expected data_format 'channels_last' or 'channels_first', received '", name, "'.");
  }
}

}  // namespace

const std::string& image_data_format() { return default_format(); }

void set_image_data_format(const std::string& name) {
  check_format(name, "set_image_data_format");
  default_format() = name;
}

bool channels_first(const std::optional<std::string>& data_format, const char* op) {
  const std::string& name = data_format ? *data_format : default_format();
  check_format(name, op);
  return name == "channels_first";
}

std::string lower_padding(const std::string& padding, bool causal_allowed, const char* op) {
  std::string p = padding;
  std::transform(p.begin(), p.end(), p.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (p != "valid" && p != "same" && !(causal_allowed && p == "causal")) {
    throw_value("[", op, "] expected padding 'valid'", causal_allowed ? ", 'same' or 'causal'" : " or 'same'",
                ", received '", padding, "'.",
                p == "causal" ? " Causal padding is for convolutions along one axis." : "");
  }
  return p;
}

Ints per_axis(const Ints& values, int axes, const char* what, const char* op) {
  Ints all = values.size() == 1 ? Ints(static_cast<size_t>(axes), values[0]) : values;
  if (static_cast<int>(all.size()) != axes || std::any_of(all.begin(), all.end(), [](int64_t v) { return v < 1; })) {
    throw_value("[", op, "] expected ", what, " as a positive int or ", axes, " of them, received ",
                attr_value_str(AttrKind::IntList, &values), ".");
  }
  return all;
}

int spatial_axes(const Tensor& x, const char* op) {
  if (x.rank() < 3 || x.rank() > 5) {
    throw_value("[", op, "] expected inputs of rank 3, 4 or 5 (batch, one to three spatial axes, channels), received ",
                "shape ", x.shape().str(), ".");
  }
  return x.rank() - 2;
}

bool sensible(const Ints& values, int64_t least) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v >= least && v < kLargestStep; });
}

int64_t windows_on_axis(int64_t size, int64_t window, int64_t stride, int64_t dilation, int64_t low, int64_t high) {
  if (size == kUnknown) return kUnknown;
  const int64_t room = size + low + high - ((window - 1) * dilation + 1);
  return room < 0 ? 0 : room / stride + 1;
}

void explicit_padding(const Tensor& x, int axes, const std::string& padding, const Ints& window, const Ints& strides,
                      const Ints& dilation, Ints* low, Ints* high) {
  low->assign(static_cast<size_t>(axes), 0);
  high->assign(static_cast<size_t>(axes), 0);
  for (size_t i = 0; i < low->size(); ++i) {
    const int64_t reach = (window[i] - 1) * dilation[i];
    if (padding == "causal") {
      (*low)[i] = reach;
    } else if (padding == "same") {
      // As many windows as strides fit into the size: of an unknown size any padding will do, nothing is computed.
      const int64_t size = x.dim(static_cast<int>(i) + 1);
      const int64_t count = size == kUnknown ? 0 : (size + strides[i] - 1) / strides[i];
      const int64_t total =
          size == kUnknown ? reach : std::max<int64_t>(0, (count - 1) * strides[i] + reach + 1 - size);
      (*low)[i] = total / 2;
      (*high)[i] = total - total / 2;
    }
  }
}

Tensor to_channels_last(const Tensor& x) {
  Ints perm{0};
  for (int i = 2; i < x.rank(); ++i) perm.push_back(i);
  perm.push_back(1);
  return ops::transpose(x, perm);
}

Tensor to_channels_first(const Tensor& x) {
  Ints perm{0, x.rank() - 1};
  for (int i = 1; i < x.rank() - 1; ++i) perm.push_back(i);
  return ops::transpose(x, perm);
}

}  // namespace tahr
