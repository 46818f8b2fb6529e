// Images: the two resamplings that the functions of tahr/ops/image.py are made of.
//
//   resize_core(x)            each axis by weights that depend on sizes and method only: y = Wh x Ww^T
//   resize_core_grad(dy)      its transpose
//   sample(x, coords)         x at places between its elements; with `slope`, the derivative by some coordinates
//   sample_grad(dy, coords)   its transpose in x
//
// Derivatives of any order by coordinates are again `sample`, since linear interpolation has a constant slope along
// each axis.
#include "ops/functions.h"
#include "ops/image_attrs.h"

namespace tahr {
namespace {

void check_float(const InferArgs& a) {
  for (const Spec& s : a.in) {
    if ((s.dtype != DType::Float32 && s.dtype != DType::Float64) || s.dtype != a.in[0].dtype) {
      throw_type("[", a.op, "] expected tensors of one dtype, float32 or float64, received ", name_of(s.dtype), ".");
    }
  }
}

Specs infer_resize(const InferArgs& a) {
  check_float(a);
  const auto& at = a.as<ResizeCoreAttrs>();
  const Shape& x = a.in[0].shape;
  if (x.rank() != 4 || at.size.size() != 2 || at.size[0] < -1 || at.size[1] < -1) {
    throw_value("[", a.op, "] expected images of rank 4 and a size of two integers, received shape ", x.str(), ".");
  }
  if (at.method != "nearest" && at.method != "bilinear" && at.method != "bicubic" && at.method != "lanczos3" &&
      at.method != "lanczos5") {
    throw_value("[", a.op, "] expected method 'nearest', 'bilinear', 'bicubic', 'lanczos3' or 'lanczos5', received '",
                at.method, "'.");
  }
  if (at.channels_first) return {{Shape{x[0], x[1], at.size[0], at.size[1]}, a.in[0].dtype}};
  return {{Shape{x[0], at.size[0], at.size[1], x[3]}, a.in[0].dtype}};
}

void resize_vjp(const VjpArgs& v, std::span<Tensor> dx, const char* op) {
  ResizeCoreAttrs at = v.as<ResizeCoreAttrs>();
  const Shape& x = v.in_specs[0].shape;
  at.size = at.channels_first ? Ints{x[2], x[3]} : Ints{x[1], x[2]};
  dx[0] = call1(get_op(op), {v.dy[0]}, at);
}

void check_sample(const InferArgs& a, int axes) {
  const auto& at = a.as<ResampleAttrs>();
  if (at.order != 0 && at.order != 1) { throw_value("[", a.op, "] expected order 0 or 1, received ", at.order, "."); }
  const std::string& m = at.fill_mode;
  if (m != "constant" && m != "nearest" && m != "wrap" && m != "mirror" && m != "reflect") {
    throw_value("[", a.op, "] expected fill_mode 'constant', 'nearest', 'wrap', 'mirror' or 'reflect', received '", m,
                "'.");
  }
  const Shape& c = a.in[1].shape;
  if (axes < 1 || axes > 6 || c.rank() < 2 || c.back() != axes) {
    throw_value("[", a.op, "] expected (batch, sizes..., channels) with one to six sizes and coordinates (batch or 1, ",
                "..., number of sizes), received ", a.in[0].shape.str(), " and ", c.str(), ".");
  }
  const int64_t n = a.in[0].shape[0];
  if (c[0] != 1 && c[0] != kUnknown && n != kUnknown && c[0] != n) {
    throw_value("[", a.op, "] expected coordinates for a batch of ", n, " or 1, received ", c[0], ".");
  }
}

Specs infer_sample(const InferArgs& a) {
  check_float(a);
  const Shape &x = a.in[0].shape, &c = a.in[1].shape;
  check_sample(a, x.rank() - 2);
  Shape y{x[0]};
  for (int i = 1; i < c.rank() - 1; ++i) y.push_back(c[i]);
  y.push_back(x.back());
  return {{y, a.in[0].dtype}};
}

Specs infer_sample_grad(const InferArgs& a) {
  check_float(a);
  const auto& at = a.as<ResampleAttrs>();
  const Shape& dy = a.in[0].shape;
  check_sample(a, static_cast<int>(at.size.size()));
  if (dy.rank() != a.in[1].shape.rank()) {
    throw_value("[", a.op, "] expected dy of the rank of the coordinates, received ", dy.str(), ".");
  }
  Shape x{dy[0]};
  for (int64_t d : at.size) x.push_back(d);
  x.push_back(dy.back());
  return {{x, a.in[0].dtype}};
}

// The cotangent of the coordinates: for each coordinate the sum over channels of dy * d sample(x) / d coordinate.
Tensor coords_cotangent(const Tensor& x, const Tensor& coords, const Tensor& dy, ResampleAttrs at, int axes) {
  if (at.order == 0) return {};
  at.size.clear();
  const int64_t slope = at.slope;
  std::vector<Tensor> parts;
  for (int j = 0; j < axes; ++j) {
    if (slope >> j & 1) {  // a slope does not change along its own axis
      parts.push_back(ops::zeros_like(ops::slice_axis(coords, coords.rank() - 1, 0, 1)));
      continue;
    }
    at.slope = slope | int64_t{1} << j;
    const Tensor d = ops::multiply(dy, call1(get_op("sample"), {x, coords}, at));
    const Tensor part = ops::sum(d, Axes{Ints{-1}}, true);
    parts.push_back(coords.dim(0) == 1 ? ops::sum(part, Axes{Ints{0}}, true) : part);
  }
  return ops::concatenate(parts, -1);
}

}  // namespace

void define_image_ops() {
  define_op({.name = "resize_core",
             .inputs = "x",
             .doc = "Images (n, h, w, channels), or (n, channels, h, w), resampled to another height and width.",
             .traits = kHidden,
             .attrs = attr_type<ResizeCoreAttrs>(),
             .infer = infer_resize,
             .vjp = [](const VjpArgs& v, std::span<Tensor> dx) { resize_vjp(v, dx, "resize_core_grad"); }});
  define_op({.name = "resize_core_grad",
             .inputs = "dy",
             .doc = "The cotangent of resize_core's x, whose height and width are `size`, from that of its output.",
             .traits = kHidden,
             .attrs = attr_type<ResizeCoreAttrs>(),
             .infer = infer_resize,
             .vjp = [](const VjpArgs& v, std::span<Tensor> dx) { resize_vjp(v, dx, "resize_core"); }});
  define_op({.name = "sample",
             .inputs = "x, coords",
             .doc = "x (n, sizes..., channels) at coords (n or 1, ..., number of sizes): (n, ..., channels).",
             .traits = kHidden,
             .attrs = attr_type<ResampleAttrs>(),
             .infer = infer_sample,
             .vjp =
                 [](const VjpArgs& v, std::span<Tensor> dx) {
                   ResampleAttrs at = v.as<ResampleAttrs>();
                   const Shape& x = v.in_specs[0].shape;
                   if (v.need(1)) dx[1] = coords_cotangent(v.in[0], v.in[1], v.dy[0], at, x.rank() - 2);
                   if (!v.need(0)) return;
                   at.size.assign(x.begin() + 1, x.end() - 1);
                   dx[0] = call1(get_op("sample_grad"), {v.dy[0], v.in[1]}, at);
                 },
             .saves = save_in(0) | save_in(1)});
  define_op({.name = "sample_grad",
             .inputs = "dy, coords",
             .doc = "The cotangent of sample's x, whose sizes are `size`, from that of its output.",
             .traits = kHidden,
             .attrs = attr_type<ResampleAttrs>(),
             .infer = infer_sample_grad,
             .vjp =
                 [](const VjpArgs& v, std::span<Tensor> dx) {
                   ResampleAttrs at = v.as<ResampleAttrs>();
                   const int axes = static_cast<int>(at.size.size());
                   at.size.clear();
                   at.fill_value = 0;
                   if (v.need(0)) dx[0] = call1(get_op("sample"), {v.dy[0], v.in[1]}, at);
                   if (v.need(1)) dx[1] = coords_cotangent(v.dy[0], v.in[1], v.in[0], at, axes);
                 },
             .saves = save_in(0) | save_in(1)});
}

}  // namespace tahr
