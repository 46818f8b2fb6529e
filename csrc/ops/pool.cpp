// Pools: maxima and means over windows. The ops with kernels work on channels-last tensors with explicit padding; a
// window never counts what lies outside the tensor.
//
//   pool_max(x)              y[o] = max of x over window o
//   pool_max_scatter(x, dy)  its gradient: dy[o] goes to the first place where x has the maximum of window o
//   pool_max_gather(x, v)    v at those places: linear in v, the transpose of pool_max_scatter
//   pool_average(x)          y[o] = mean of x over window o
//   pool_average_grad(dy)    its transpose
#include "ops/conv_attrs.h"
#include "ops/functions.h"
#include "ops/pool_attrs.h"

namespace tahr {
namespace {

using Args = std::span<const Tensor>;

Shape pooled(const Shape& x, const PoolCoreAttrs& at, const char* op) {
  const auto axes = static_cast<size_t>(x.rank() - 2);
  if (x.rank() < 3 || x.rank() > 5 || at.window.size() != axes || at.strides.size() != axes || at.low.size() != axes ||
      at.high.size() != axes) {
    throw_value("[", op, "] expected an input of rank 3, 4 or 5 and one value per spatial axis of each attribute, ",
                "received shape ", x.str(), ".");
  }
  if (!sensible(at.window, 1) || !sensible(at.strides, at.adaptive ? 0 : 1) || !sensible(at.low, 0) ||
      !sensible(at.high, 0))
    throw_value("[", op, "] expected positive windows and strides, and padding, below 2^31, received others.");
  Shape y{x[0]};
  for (size_t i = 0; i < axes; ++i) {
    y.push_back(at.adaptive ? at.window[i]
                            : windows_on_axis(x[static_cast<int>(i) + 1], at.window[i], at.strides[i], 1, at.low[i],
                                              at.high[i]));
  }
  y.push_back(x.back());
  return y;
}

void check_float(const InferArgs& a) {
  for (const Spec& s : a.in) {
    if (!is_float(s.dtype) || s.dtype != a.in[0].dtype) {
      throw_type("[", a.op, "] expected tensors of one floating-point dtype, received ", name_of(s.dtype), ".");
    }
  }
}

Specs infer_pool(const InferArgs& a) {  // of x, perhaps with v of the same shape
  check_float(a);
  if (a.in.size() > 1 && a.in[1].shape.rank() != a.in[0].shape.rank()) {
    throw_value("[", a.op, "] expected x and v of equal shape, received ", a.in[0].shape.str(), " and ",
                a.in[1].shape.str(), ".");
  }
  return {{pooled(a.in[0].shape, a.as<PoolCoreAttrs>(), a.op), a.in[0].dtype}};
}

Specs infer_scatter(const InferArgs& a) {
  check_float(a);
  const Shape y = pooled(a.in[0].shape, a.as<PoolCoreAttrs>(), a.op);
  if (y.fully_known() && a.in[1].shape.fully_known() && !(y == a.in[1].shape)) {
    throw_value("[", a.op, "] expected dy of shape ", y.str(), ", received ", a.in[1].shape.str(), ".");
  }
  return {a.in[0]};
}

Specs infer_average_grad(const InferArgs& a) {
  check_float(a);
  const auto& at = a.as<PoolCoreAttrs>();
  const Shape& dy = a.in[0].shape;
  Shape x{dy[0]};
  for (int64_t d : at.size) x.push_back(d);
  x.push_back(dy.back());
  pooled(x, at, a.op);
  return {{x, a.in[0].dtype}};
}

PoolCoreAttrs without_size(const PoolCoreAttrs& at) {
  PoolCoreAttrs own = at;
  own.size.clear();
  return own;
}

// The public functions: f on a channels-last x and its resolved attributes.
Tensors pool(Args in, const void* attrs, const char* op, const char* core_op) {
  const auto& at = *static_cast<const PoolAttrs*>(attrs);
  const int axes = spatial_axes(in[0], op);
  const bool first = channels_first(at.data_format, op);
  const Tensor x = first ? to_channels_last(in[0]) : in[0];
  PoolCoreAttrs core;
  core.window = per_axis(at.pool_size, axes, "pool_size", op);
  core.strides = at.strides ? per_axis(*at.strides, axes, "strides", op) : core.window;
  const Ints ones(static_cast<size_t>(axes), 1);
  explicit_padding(x, axes, lower_padding(at.padding, false, op), core.window, core.strides, ones, &core.low,
                   &core.high);
  for (int i = 0; i < axes; ++i) {
    const auto j = static_cast<size_t>(i);
    const int64_t size = x.dim(i + 1);
    if (size != kUnknown && size != 0 && size + core.low[j] + core.high[j] < core.window[j]) {
      throw_value("[", op, "] expected inputs at least as large as the window (", core.window[j], " on spatial axis ",
                  i, "), received ", size, ". Use padding='same', or a smaller pool_size.");
    }
  }
  const Tensor y = call1(get_op(core_op), {x}, core);
  return {first ? to_channels_first(y) : y};
}

Tensors adaptive_pool(Args in, const void* attrs, const char* op, const char* core_op) {
  const auto& at = *static_cast<const AdaptivePoolAttrs*>(attrs);
  const int axes = spatial_axes(in[0], op);
  const bool first = channels_first(at.data_format, op);
  const Tensor x = first ? to_channels_last(in[0]) : in[0];
  PoolCoreAttrs core;
  core.adaptive = true;
  core.window = per_axis(at.output_size, axes, "output_size", op);
  core.strides = core.low = core.high = Ints(static_cast<size_t>(axes), 0);
  const Tensor y = call1(get_op(core_op), {x}, core);
  return {first ? to_channels_first(y) : y};
}

}  // namespace

void define_pool_ops() {
  define_op({.name = "pool_max",
             .inputs = "x",
             .doc = "The maxima of x (n, spatial..., channels) over windows.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<PoolCoreAttrs>(),
             .infer = infer_pool,
             .vjp =
                 [](const VjpArgs& v, std::span<Tensor> dx) {
                   dx[0] = call1(get_op("pool_max_scatter"), {v.in[0], v.dy[0]}, v.as<PoolCoreAttrs>());
                 },
             .saves = save_in(0)});
  define_op({.name = "pool_max_scatter",
             .inputs = "x, dy",
             .doc = "The cotangent of pool_max's x from that of its output: to the first maximum of each window.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<PoolCoreAttrs>(),
             .infer = infer_scatter,
             .vjp =
                 [](const VjpArgs& v, std::span<Tensor> dx) {
                   if (v.need(1)) dx[1] = call1(get_op("pool_max_gather"), {v.in[0], v.dy[0]}, v.as<PoolCoreAttrs>());
                 },
             .saves = save_in(0)});
  define_op({.name = "pool_max_gather",
             .inputs = "x, v",
             .doc = "The elements of v, of x's shape, where x has the first maximum of each window.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<PoolCoreAttrs>(),
             .infer = infer_pool,
             .vjp =
                 [](const VjpArgs& v, std::span<Tensor> dx) {
                   if (v.need(1)) dx[1] = call1(get_op("pool_max_scatter"), {v.in[0], v.dy[0]}, v.as<PoolCoreAttrs>());
                 },
             .saves = save_in(0)});
  define_op({.name = "pool_average",
             .inputs = "x",
             .doc = "The means of x (n, spatial..., channels) over windows, of what lies inside x.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<PoolCoreAttrs>(),
             .infer = infer_pool,
             .vjp = [](const VjpArgs& v, std::span<Tensor> dx) {
               PoolCoreAttrs at = v.as<PoolCoreAttrs>();
               const Shape& x = v.in_specs[0].shape;
               at.size.assign(x.begin() + 1, x.end() - 1);
               dx[0] = call1(get_op("pool_average_grad"), {v.dy[0]}, at);
             }});
  define_op({.name = "pool_average_grad",
             .inputs = "dy",
             .doc = "The cotangent of pool_average's x, whose spatial sizes are `size`, from that of its output.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<PoolCoreAttrs>(),
             .infer = infer_average_grad,
             .vjp = [](const VjpArgs& v, std::span<Tensor> dx) {
               dx[0] = call1(get_op("pool_average"), {v.dy[0]}, without_size(v.as<PoolCoreAttrs>()));
             }});
  define_op({.name = "max_pool",
             .inputs = "inputs",
             .doc = R"(The maxima over windows of one to three spatial axes.

inputs: (n, spatial..., channels), or (n, channels, spatial...) with data_format "channels_first". pool_size, strides: an
int, or one per spatial axis; strides None is pool_size. padding: "valid", or "same" (as many windows as strides fit).

Example:
>>> import tahr
>>> tahr.ops.max_pool(tahr.ops.reshape(tahr.ops.arange(6.0), (1, 6, 1)), 2).tolist()
[[[1.0], [3.0], [5.0]]])",
             .promote = Promote::Inexact,
             .attrs = attr_type<PoolAttrs>(),
             .decompose = [](Args in, const void* attrs) { return pool(in, attrs, "max_pool", "pool_max"); }});
  define_op({.name = "average_pool",
             .inputs = "inputs",
             .doc = R"(The means over windows of one to three spatial axes; padding does not count.

inputs, pool_size, strides, padding, data_format: as in `max_pool`.

Example:
>>> import tahr
>>> tahr.ops.average_pool(tahr.ops.reshape(tahr.ops.arange(6.0), (1, 6, 1)), 2).tolist()
[[[0.5], [2.5], [4.5]]])",
             .promote = Promote::Inexact,
             .attrs = attr_type<PoolAttrs>(),
             .decompose = [](Args in, const void* attrs) { return pool(in, attrs, "average_pool", "pool_average"); }});
  define_op(
      {.name = "adaptive_max_pool",
       .inputs = "inputs",
       .doc =
           R"(Maxima over windows that cut each spatial axis into `output_size` nearly equal, perhaps overlapping parts.

output_size: an int, or one per spatial axis. Window i of n places into m runs from floor(i n / m) to ceil((i + 1) n / m).

Example:
>>> import tahr
>>> tahr.ops.adaptive_max_pool(tahr.ops.reshape(tahr.ops.arange(5.0), (1, 5, 1)), 2).tolist()
[[[2.0], [4.0]]])",
       .promote = Promote::Inexact,
       .attrs = attr_type<AdaptivePoolAttrs>(),
       .decompose = [](Args in, const void* attrs) {
         return adaptive_pool(in, attrs, "adaptive_max_pool", "pool_max");
       }});
  define_op({.name = "adaptive_average_pool",
             .inputs = "inputs",
             .doc = R"(Means over the windows of `adaptive_max_pool`.

Example:
>>> import tahr
>>> tahr.ops.adaptive_average_pool(tahr.ops.reshape(tahr.ops.arange(5.0), (1, 5, 1)), 2).tolist()
[[[1.0], [3.0]]])",
             .promote = Promote::Inexact,
             .attrs = attr_type<AdaptivePoolAttrs>(),
             .decompose = [](Args in, const void* attrs) {
               return adaptive_pool(in, attrs, "adaptive_average_pool", "pool_average");
             }});
}

}  // namespace tahr
