// Convolutions. The three ops with kernels work on channels-last tensors with explicit padding, and are bilinear, so
// that each is a gradient of the others:
//
//   conv_forward(x, kernel)  y[n, o, co] = sum over taps t and ci of x[n, o * stride + t * dilation - low, ci]
//   kernel[t, ci, co] conv_dx(dy, kernel)      the cotangent of x conv_dw(x, dy)           the cotangent of kernel
//
// The public functions resolve padding and data format, and put themselves together from these.
#include <algorithm>

#include "ops/array_attrs.h"
#include "ops/conv_attrs.h"
#include "ops/functions.h"
#include "ops/linalg_attrs.h"

namespace tahr {
namespace {

using Args = std::span<const Tensor>;

Tensor conv_forward(const Tensor& x, const Tensor& kernel, const ConvCoreAttrs& at) {
  static const OpDef& op = get_op("conv_forward");
  ConvCoreAttrs own = at;
  own.size.clear();
  return call1(op, {x, kernel}, own);
}
// `shape` of x, or of the kernel.
Tensor conv_dx(const Tensor& dy, const Tensor& kernel, const ConvCoreAttrs& at, const Shape& shape) {
  static const OpDef& op = get_op("conv_dx");
  ConvCoreAttrs own = at;
  own.size.assign(shape.begin() + 1, shape.end() - 1);
  return call1(op, {dy, kernel}, own);
}
Tensor conv_dw(const Tensor& x, const Tensor& dy, const ConvCoreAttrs& at, const Shape& shape) {
  static const OpDef& op = get_op("conv_dw");
  ConvCoreAttrs own = at;
  own.size.assign(shape.begin(), shape.end() - 2);
  return call1(op, {x, dy}, own);
}

// ---- the ops with kernels ----

void check_core(const InferArgs& a, const ConvCoreAttrs& at) {
  const int rank = a.in[0].shape.rank();
  const auto axes = static_cast<size_t>(rank - 2);
  const auto fits = [&](const Ints& v) { return v.size() == axes; };
  if (rank < 3 || rank > 5 || a.in[1].shape.rank() != rank || !fits(at.strides) || !fits(at.dilation) ||
      !fits(at.low) || !fits(at.high) || at.groups < 1) {
    throw_value("[", a.op,
                "] expected inputs of equal rank 3, 4 or 5 and one value per spatial axis of each attribute, ",
                "received shapes ", a.in[0].shape.str(), " and ", a.in[1].shape.str(), ".");
  }
  if (!sensible(at.strides, 1) || !sensible(at.dilation, 1) || !sensible(at.low, -kLargestStep) ||
      !sensible(at.high, -kLargestStep) || !sensible(at.size, kUnknown))
    throw_value("[", a.op, "] expected positive strides and dilation, and padding, below 2^31, received others.");
  const int64_t made = a.in[1].shape.back();
  if (made != kUnknown && made % at.groups != 0)
    throw_value("[", a.op, "] expected a number of filters that ", at.groups, " groups divide, received ", made, ".");
  if (!is_float(a.in[0].dtype) || a.in[0].dtype != a.in[1].dtype) {
    throw_type("[", a.op, "] expected two tensors of one floating-point dtype, received ", name_of(a.in[0].dtype),
               " and ", name_of(a.in[1].dtype), ".");
  }
}

int64_t times(int64_t a, int64_t b) { return a == kUnknown ? a : a * b; }

Spec forward_spec(const InferArgs& a, const ConvCoreAttrs& at) {
  check_core(a, at);
  const Shape &x = a.in[0].shape, &kernel = a.in[1].shape;
  const int rank = x.rank();
  const int64_t channels = x.back(), expected = times(kernel[rank - 2], at.groups);
  if (channels != kUnknown && expected != kUnknown && channels != expected) {
    throw_value("[", a.op, "] expected inputs with ", expected, " channels for a kernel of shape ", kernel.str(),
                " and ", at.groups, " groups, received shape ", x.str(), ".");
  }
  Shape out{x[0]};
  for (int i = 1; i < rank - 1; ++i) {
    const auto j = static_cast<size_t>(i - 1);
    out.push_back(windows_on_axis(x[i], kernel[i - 1], at.strides[j], at.dilation[j], at.low[j], at.high[j]));
  }
  out.push_back(kernel.back());
  return {out, a.in[0].dtype};
}

Specs infer_forward(const InferArgs& a) { return {forward_spec(a, a.as<ConvCoreAttrs>())}; }

Specs infer_linear(const InferArgs& a) {
  const auto& at = a.as<ConvLinearAttrs>();
  const Spec out = forward_spec(a, at.core());
  if (!at.activation.empty() && !is_linear_activation(at.activation)) {
    throw_value("[", a.op, "] expected the name of an activation without parameters, received activation='",
                at.activation, "'. Apply the op after the convolution instead.");
  }
  if (a.has(2) && (a.in[2].dtype != out.dtype || !(a.in[2].shape == Shape{out.shape.back()}))) {
    throw_value("[", a.op, "] expected a bias of shape (", out.shape.back(), ",) and dtype ", name_of(out.dtype),
                ", received ", a.in[2].shape.str(), " and ", name_of(a.in[2].dtype), ".");
  }
  return {out};
}

Specs infer_dx(const InferArgs& a) {
  const auto& at = a.as<ConvCoreAttrs>();
  check_core(a, at);
  const Shape &dy = a.in[0].shape, &kernel = a.in[1].shape;
  if (dy.back() != kernel.back() && dy.back() != kUnknown) {
    throw_value("[", a.op, "] expected inputs with ", kernel.back(), " channels for a kernel of shape ", kernel.str(),
                ", received shape ", dy.str(), ".");
  }
  Shape out{dy[0]};
  for (size_t i = 0; i < at.size.size(); ++i) {
    const int axis = static_cast<int>(i) + 1;
    const int64_t windows = kernel[axis - 1] == kUnknown ? kUnknown
                                                         : windows_on_axis(at.size[i], kernel[axis - 1], at.strides[i],
                                                                           at.dilation[i], at.low[i], at.high[i]);
    if (axis + 1 >= dy.rank() || (windows != kUnknown && dy[axis] != kUnknown && windows != dy[axis]))
      throw_value("[", a.op, "] expected a size that the kernel's windows make ", dy.str(), " of, received size ",
                  Shape(std::span<const int64_t>(at.size).first(std::min<size_t>(at.size.size(), kMaxRank))).str(),
                  ".");
    out.push_back(at.size[i]);
  }
  out.push_back(times(kernel[kernel.rank() - 2], at.groups));
  return {{out, a.in[0].dtype}};
}

Specs infer_dw(const InferArgs& a) {
  const auto& at = a.as<ConvCoreAttrs>();
  check_core(a, at);
  Shape out;
  for (int64_t d : at.size) out.push_back(d);
  const int64_t channels = a.in[0].shape.back();
  out.push_back(channels == kUnknown ? channels : channels / at.groups);
  out.push_back(a.in[1].shape.back());
  return {{out, a.in[0].dtype}};
}

void vjp_forward(const VjpArgs& v, std::span<Tensor> d) {
  const auto& at = v.as<ConvCoreAttrs>();
  if (v.need(0)) d[0] = conv_dx(v.dy[0], v.in[1], at, v.in_specs[0].shape);
  if (v.need(1)) d[1] = conv_dw(v.in[0], v.dy[0], at, v.in_specs[1].shape);
}

void vjp_dx(const VjpArgs& v, std::span<Tensor> d) {  // inputs dy, kernel; output dx
  const auto& at = v.as<ConvCoreAttrs>();
  if (v.need(0)) d[0] = conv_forward(v.dy[0], v.in[1], at);
  if (v.need(1)) d[1] = conv_dw(v.dy[0], v.in[0], at, v.in_specs[1].shape);
}

void vjp_dw(const VjpArgs& v, std::span<Tensor> d) {  // inputs x, dy; output dw
  const auto& at = v.as<ConvCoreAttrs>();
  if (v.need(0)) d[0] = conv_dx(v.in[1], v.dy[0], at, v.in_specs[0].shape);
  if (v.need(1)) d[1] = conv_forward(v.in[0], v.dy[0], at);
}

Tensors conv_linear(Args in, const void* attrs) {
  const auto& at = *static_cast<const ConvLinearAttrs*>(attrs);
  Tensor y = conv_forward(in[0], in[1], at.core());
  if (in.size() > 2 && in[2].defined()) y = ops::add(y, in[2]);
  return {at.activation.empty() ? y : linear_activate(y, at.activation)};
}

// ---- the public functions ----

// Checks what conv and depthwise_conv have in common and fills all but `groups`; x is channels last.
ConvCoreAttrs core_attrs(const Tensor& x, const Tensor& kernel, const ConvAttrs& at, const char* op) {
  const int axes = spatial_axes(x, op);
  if (kernel.rank() != x.rank()) {
    throw_value("[", op, "] expected a kernel of rank ", x.rank(), " for inputs of that rank, received shape ",
                kernel.shape().str(), ".");
  }
  ConvCoreAttrs core;
  core.strides = per_axis(at.strides, axes, "strides", op);
  core.dilation = per_axis(at.dilation_rate, axes, "dilation_rate", op);
  const Ints window(kernel.shape().begin(), kernel.shape().end() - 2);
  const std::string padding = lower_padding(at.padding, axes == 1, op);
  explicit_padding(x, axes, padding, window, core.strides, core.dilation, &core.low, &core.high);
  for (int i = 0; i < axes; ++i) {
    const auto j = static_cast<size_t>(i);
    const int64_t size = x.dim(i + 1), reach = (window[j] - 1) * core.dilation[j] + 1;
    if (window[j] < 1 || (size != kUnknown && size != 0 && size + core.low[j] + core.high[j] < reach)) {
      throw_value("[", op, "] expected inputs at least as large as the kernel (", reach, " on spatial axis ", i,
                  "), received ", size, ". Use padding='same', or a smaller kernel.");
    }
  }
  return core;
}

// f on channels-last inputs, whatever the data format is.
template <class F>
Tensors in_channels_last(const Tensor& x, bool first, F&& f) {
  return {first ? to_channels_first(f(to_channels_last(x))) : f(x)};
}

Tensors conv(Args in, const void* attrs) {
  const auto& at = *static_cast<const ConvAttrs*>(attrs);
  spatial_axes(in[0], "conv");
  return in_channels_last(in[0], channels_first(at.data_format, "conv"), [&](const Tensor& x) {
    ConvCoreAttrs core = core_attrs(x, in[1], at, "conv");
    const int64_t channels = x.shape().back(), own = in[1].dim(-2), filters = in[1].shape().back();
    if (channels != kUnknown && (own < 1 || channels % own != 0 || filters % (channels / own) != 0)) {
      throw_value("[conv] expected inputs whose channels are a multiple of the kernel's (", own, ", with ", filters,
                  " filters divisible by the number of groups), received ", channels,
                  " channels and a kernel of shape ", in[1].shape().str(), ".");
    }
    if (channels != kUnknown) core.groups = channels / own;
    return conv_forward(x, in[1], core);
  });
}

// Each channel is its own group; `multiplier` outputs of a channel are those of as many copies of it.
Tensor depthwise(const Tensor& x, const Tensor& kernel, const ConvAttrs& at, const char* op) {
  ConvCoreAttrs core = core_attrs(x, kernel, at, op);
  const int64_t channels = kernel.dim(-2), multiplier = kernel.dim(-1);
  if (x.shape().back() != channels && x.shape().back() != kUnknown) {
    throw_value("[", op, "] expected inputs with ", channels, " channels for a kernel of shape ", kernel.shape().str(),
                ", received shape ", x.shape().str(), ".");
  }
  core.groups = channels * multiplier;
  Shape flat(kernel.shape().dims().first(static_cast<size_t>(kernel.rank() - 2)));
  flat.push_back(1);
  flat.push_back(core.groups);
  Tensor source = x;
  if (multiplier != 1) {
    Shape split = x.shape(), wide = x.shape();
    split.push_back(1);
    wide.push_back(multiplier);
    Shape merged = x.shape();
    merged[merged.rank() - 1] = core.groups;
    if (!x.shape().fully_known()) source = call1(get_op("repeat"), {x}, RepeatAttrs{{multiplier}, x.rank() - 1});
    else source = ops::reshape(ops::broadcast_to(ops::reshape(x, split), wide), merged);
  }
  return conv_forward(source, ops::reshape(kernel, flat), core);
}

Tensors depthwise_conv(Args in, const void* attrs) {
  const auto& at = *static_cast<const ConvAttrs*>(attrs);
  spatial_axes(in[0], "depthwise_conv");
  return in_channels_last(in[0], channels_first(at.data_format, "depthwise_conv"),
                          [&](const Tensor& x) { return depthwise(x, in[1], at, "depthwise_conv"); });
}

Tensors separable_conv(Args in, const void* attrs) {
  const auto& at = *static_cast<const ConvAttrs*>(attrs);
  const int axes = spatial_axes(in[0], "separable_conv");
  return in_channels_last(in[0], channels_first(at.data_format, "separable_conv"), [&](const Tensor& x) {
    const Tensor deep = depthwise(x, in[1], at, "separable_conv");
    const Shape& point = in[2].shape();
    if (point.rank() != x.rank() || point[point.rank() - 2] != deep.shape().back()) {
      throw_value("[separable_conv] expected a pointwise kernel of shape (1, ..., ", deep.shape().back(),
                  ", filters), received ", point.str(), ".");
    }
    const Ints ones(static_cast<size_t>(axes), 1), zeros(static_cast<size_t>(axes), 0);
    return conv_forward(deep, in[2], {ones, ones, zeros, zeros, {}, 1});
  });
}

// How many zeros the forward convolution, of which this is the gradient, has before an axis, and the size of that
// axis. The rules are those of Keras's JAX backend.
struct TransposedAxis {
  int64_t low, high, size;
};
TransposedAxis transposed_axis(int64_t n, int64_t kernel, int64_t stride, int64_t dilation, bool same,
                               std::optional<int64_t> output_padding) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  int64_t left, right;
  if (same) {
    const int64_t total = output_padding ? reach + reach % 2 - 2 + *output_padding : stride + reach - 2;
    left = std::min(total / 2 + total % 2, reach - 1);
    right = total - left;
  } else {
    left = reach - 1;
    right = reach - 1 + output_padding.value_or(std::max(reach, stride) - reach);
  }
  return {reach - 1 - left, reach - 1 - right, n == kUnknown ? n : (n - 1) * stride + 2 - reach + left + right};
}

Tensors conv_transpose(Args in, const void* attrs) {
  constexpr const char* op = "conv_transpose";
  const auto& at = *static_cast<const ConvTransposeAttrs*>(attrs);
  const int axes = spatial_axes(in[0], op);
  return in_channels_last(in[0], channels_first(at.data_format, op), [&](const Tensor& x) {
    const Tensor& kernel = in[1];
    if (kernel.rank() != x.rank() || (x.shape().back() != kUnknown && x.shape().back() != kernel.shape().back())) {
      throw_value("[", op, "] expected a kernel of shape (..., filters, channels) for inputs of shape ",
                  x.shape().str(), ", received ", kernel.shape().str(), ".");
    }
    ConvCoreAttrs core;
    core.strides = per_axis(at.strides, axes, "strides", op);
    core.dilation = per_axis(at.dilation_rate, axes, "dilation_rate", op);
    const bool same = lower_padding(at.padding, false, op) == "same";
    Ints extra;
    if (at.output_padding) {
      extra = at.output_padding->size() == 1 ? Ints(static_cast<size_t>(axes), (*at.output_padding)[0])
                                             : *at.output_padding;
      if (static_cast<int>(extra.size()) != axes ||
          std::any_of(extra.begin(), extra.end(), [](auto v) { return v < 0; })) {
        throw_value("[", op, "] expected output_padding as an int of at least 0 or ", axes, " of them, received ",
                    attr_value_str(AttrKind::IntList, &*at.output_padding), ".");
      }
    }
    for (size_t i = 0; i < static_cast<size_t>(axes); ++i) {
      const TransposedAxis t =
          transposed_axis(x.dim(static_cast<int>(i) + 1), kernel.dim(static_cast<int>(i)), core.strides[i],
                          core.dilation[i], same, at.output_padding ? std::optional(extra[i]) : std::nullopt);
      core.low.push_back(t.low);
      core.high.push_back(t.high);
      core.size.push_back(t.size == kUnknown ? t.size : std::max<int64_t>(t.size, 0));
    }
    static const OpDef& dx = get_op("conv_dx");
    return call1(dx, {x, kernel}, core);
  });
}

}  // namespace

void define_conv_ops() {
  define_op({.name = "conv_forward",
             .inputs = "x, kernel",
             .doc =
                 "The convolution of x (n, spatial..., channels) with kernel (window..., channels / groups, filters), "
                 "padded by low and high. Returns (n, spatial..., filters).",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<ConvCoreAttrs>(),
             .infer = infer_forward,
             .vjp = vjp_forward,
             .saves = save_in(0) | save_in(1)});
  define_op({.name = "conv_linear",
             .inputs = "x, kernel, bias?",
             .doc = "activation(conv_forward(x, kernel) + bias) as one op, with the same bits; bias (filters,). "
                    "activation as in linear.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<ConvLinearAttrs>(),
             .infer = infer_linear,
             .vjp =
                 [](const VjpArgs& v, std::span<Tensor> dx) {
                   static const OpDef& op = get_op("conv_linear");
                   const Tensors found = decomposed_vjp(op, v.in, v.attrs, v.dy, v.needs);
                   std::copy(found.begin(), found.end(), dx.begin());
                 },
             .saves = kSaveAllInputs,
             .decompose = conv_linear});
  define_op({.name = "conv_dx",
             .inputs = "dy, kernel",
             .doc = "The cotangent of conv_forward's x, whose spatial sizes are `size`, from that of its output.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<ConvCoreAttrs>(),
             .infer = infer_dx,
             .vjp = vjp_dx,
             .saves = save_in(0) | save_in(1)});
  define_op({.name = "conv_dw",
             .inputs = "x, dy",
             .doc = "The cotangent of conv_forward's kernel, whose window is `size`, from that of its output.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<ConvCoreAttrs>(),
             .infer = infer_dw,
             .vjp = vjp_dw,
             .saves = save_in(0) | save_in(1)});
  define_op({.name = "conv",
             .inputs = "inputs, kernel",
             .doc = R"(Convolution along one to three axes (a cross-correlation, as is usual for networks).

inputs: (n, spatial..., channels), or (n, channels, spatial...) with data_format "channels_first"; None is the format of
keras.config. kernel: (window..., channels / groups, filters); the number of groups follows from the channels.
strides, dilation_rate: an int, or one per spatial axis. padding: "valid", "same" (as many outputs as strides fit), or for
one axis "causal" (zeros in front only). Returns (n, spatial..., filters), or with channels first likewise.
Raises ValueError if the channels do not divide into groups of the kernel's.

Example:
>>> import tahr
>>> tahr.ops.conv(tahr.ops.ones((1, 4, 4, 1)), tahr.ops.ones((3, 3, 1, 2)))[0, 0, 0].tolist()
[9.0, 9.0])",
             .promote = Promote::Inexact,
             .attrs = attr_type<ConvAttrs>(),
             .decompose = conv});
  define_op({.name = "depthwise_conv",
             .inputs = "inputs, kernel",
             .doc = R"(Convolution of each channel by itself.

inputs, strides, padding, data_format, dilation_rate: as in `conv`. kernel: (window..., channels, multiplier). Returns
(n, spatial..., channels * multiplier); output c * multiplier + m is channel c with kernel [..., c, m].

Example:
>>> import tahr
>>> tahr.ops.depthwise_conv(tahr.ops.ones((1, 4, 4, 2)), tahr.ops.ones((3, 3, 2, 1)))[0, 0, 0].tolist()
[9.0, 9.0])",
             .promote = Promote::Inexact,
             .attrs = attr_type<ConvAttrs>(),
             .decompose = depthwise_conv});
  define_op({.name = "separable_conv",
             .inputs = "inputs, depthwise_kernel, pointwise_kernel",
             .doc = R"(A `depthwise_conv`, then a convolution with windows of one place.

depthwise_kernel: (window..., channels, multiplier). pointwise_kernel: (1, ..., channels * multiplier, filters). strides,
padding and dilation_rate are those of the depthwise part. Returns (n, spatial..., filters).

Example:
>>> import tahr
>>> ones = tahr.ops.ones
>>> tahr.ops.separable_conv(ones((1, 4, 4, 2)), ones((3, 3, 2, 1)), ones((1, 1, 2, 3))).shape
(1, 2, 2, 3))",
             .promote = Promote::Inexact,
             .attrs = attr_type<ConvAttrs>(),
             .decompose = separable_conv});
  define_op({.name = "conv_transpose",
             .inputs = "inputs, kernel",
             .doc = R"(The gradient of a convolution as a layer of its own: spreads each input over a window.

inputs: (n, spatial..., channels). kernel: (window..., filters, channels). With padding "same" the output is `strides`
times as large; with "valid" (size - 1) * strides + window, where a window smaller than a stride counts as one.
output_padding sets the size beyond (size - 1) * strides + (window, or window % 2 if "same").
Returns (n, spatial..., filters).

Example:
>>> import tahr
>>> tahr.ops.conv_transpose(tahr.ops.ones((1, 4, 4, 2)), tahr.ops.ones((3, 3, 5, 2)), 2, "same").shape
(1, 8, 8, 5))",
             .promote = Promote::Inexact,
             .attrs = attr_type<ConvTransposeAttrs>(),
             .decompose = conv_transpose});
}

}  // namespace tahr
