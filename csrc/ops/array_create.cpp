// Tensors from nothing: constants, ranges, identity matrices. In a trace they are constants.
#include <cmath>

#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

Shape checked_shape(const Ints& dims, const char* op) {
  for (int64_t d : dims) {
    if (d < 0) {
      throw_value("[", op, "] expected sizes of at least 0, received shape ", attr_value_str(AttrKind::IntList, &dims),
                  ".");
    }
  }
  return Shape{std::span<const int64_t>(dims)};
}

Specs infer_filled(const InferArgs& a) {
  const auto& at = a.as<FilledAttrs>();
  return {{checked_shape(at.shape, a.op), at.dtype.value_or(floatx())}};
}

Specs infer_like(const InferArgs& a) { return {{a.in[0].shape, a.as<LikeAttrs>().dtype.value_or(a.in[0].dtype)}}; }

Specs infer_eye(const InferArgs& a) {
  const auto& at = a.as<EyeAttrs>();
  return {{checked_shape({at.N, at.M.value_or(at.N)}, a.op), at.dtype.value_or(floatx())}};
}

Specs infer_arange(const InferArgs& a) {
  const auto& at = a.as<ArangeAttrs>();
  const double start = at.stop ? at.start : 0, stop = at.stop.value_or(at.start), step = at.step.value_or(1);
  const double count = std::ceil((stop - start) / step);
  if (step == 0 || !std::isfinite(count)) {
    throw_value("[", a.op, "] expected finite bounds and a step other than 0, received start ", start, ", stop ", stop,
                " and step ", step, ".");
  }
  return {{{count > 0 ? static_cast<int64_t>(count) : 0}, at.dtype.value_or(floatx())}};
}

Specs infer_linspace(const InferArgs& a) {
  const auto& at = a.as<LinspaceAttrs>();
  if (at.num < 0) throw_value("[", a.op, "] expected num of at least 0, received ", at.num, ".");
  Spec out = infer_broadcast(a);
  out.shape.insert(normalize_axis(at.axis, out.shape.rank() + 1, a.op), at.num);
  return {out};
}

// y[i] = start + i * (stop - start) / steps is linear in both ends: their cotangents are weighted sums of dy.
void linspace_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.dy[0].defined()) return;
  const auto& at = a.as<LinspaceAttrs>();
  const Shape& shape = a.out_specs[0].shape;
  const int axis = normalize_axis(at.axis, shape.rank(), "linspace");
  Ints broad(shape.rank(), 1);
  broad[axis] = at.num;
  Tensor weight = Tensor::empty(Shape{std::span<const int64_t>(broad)}, DType::Float64);
  const double steps = static_cast<double>(std::max<int64_t>(1, at.num - (at.endpoint ? 1 : 0)));
  for (int64_t i = 0; i < at.num; ++i) weight.mutable_data<double>()[i] = static_cast<double>(i) / steps;
  const Tensor w = ops::cast(weight, a.dy[0].dtype());
  const Tensor to_stop = ops::sum(ops::multiply(a.dy[0], w), Axes(Ints{axis}), false);
  if (a.need(0)) {
    const Tensor all = ops::sum(a.dy[0], Axes(Ints{axis}), false);
    dx[0] = ops::unbroadcast(ops::subtract(all, to_stop), a.in_specs[0].shape);
  }
  if (a.need(1)) dx[1] = ops::unbroadcast(to_stop, a.in_specs[1].shape);
}

Tensors decompose_identity(std::span<const Tensor>, const void* attrs) {
  const auto& at = *static_cast<const IdentityAttrs*>(attrs);
  static const OpDef& eye = get_op("eye");
  return {call1(eye, {}, EyeAttrs{at.n, {}, 0, at.dtype})};
}

void define_constants() {
  define_op({.name = "zeros",
             .inputs = "",
             .doc = R"(A tensor of zeros. dtype: floatx by default.

Example:
>>> import tahr
>>> tahr.ops.zeros((2, 3)).shape
(2, 3))",
             .traits = kNoGradient,
             .attrs = attr_type<FilledAttrs>(),
             .infer = infer_filled});
  define_op({.name = "ones",
             .inputs = "",
             .doc = R"(A tensor of ones. dtype: floatx by default.

Example:
>>> import tahr
>>> tahr.ops.ones((2,)).tolist()
[1.0, 1.0])",
             .traits = kNoGradient,
             .attrs = attr_type<FilledAttrs>(),
             .infer = infer_filled});
  define_op({.name = "empty",
             .inputs = "",
             .doc = R"(A tensor of unspecified values (here: zeros). dtype: floatx by default.

Example:
>>> import tahr
>>> tahr.ops.empty((2, 3)).shape
(2, 3))",
             .traits = kNoGradient,
             .attrs = attr_type<FilledAttrs>(),
             .infer = infer_filled});
  define_op({.name = "full",
             .inputs = "",
             .doc = R"(A tensor of one number. dtype: floatx by default.

Example:
>>> import tahr
>>> tahr.ops.full((2,), 7, dtype="int32").tolist()
[7, 7])",
             .traits = kNoGradient,
             .attrs = attr_type<FullAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               const auto& at = a.as<FullAttrs>();
               return {{checked_shape(at.shape, a.op), at.dtype.value_or(floatx())}};
             }});
  for (const char* name : {"zeros_like", "ones_like", "empty_like"}) {
    const std::string content = std::string(name, std::string(name).find('_'));
    define_op({.name = name,
               .inputs = "x",
               .doc = concat("A tensor as `", content, "` makes it, with x's shape and, by default, x's dtype.\n\n",
                             "Example:\n>>> import tahr\n>>> tahr.ops.", name, "(tahr.constant([7, 8])).tolist()\n",
                             content == "ones" ? "[1, 1]" : "[0, 0]"),
               .traits = kNoGradient,
               .attrs = attr_type<LikeAttrs>(),
               .infer = infer_like});
  }
  define_op({.name = "full_like",
             .inputs = "x",
             .doc = R"(A tensor of one number, with x's shape and, by default, x's dtype.

Example:
>>> import tahr
>>> tahr.ops.full_like(tahr.constant([7, 8]), 3).tolist()
[3, 3])",
             .traits = kNoGradient,
             .attrs = attr_type<FullLikeAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               return {{a.in[0].shape, a.as<FullLikeAttrs>().dtype.value_or(a.in[0].dtype)}};
             }});
}

void define_ranges() {
  define_op({.name = "arange",
             .inputs = "",
             .doc = R"(Evenly spaced numbers from start (0 by default) up to, but without, stop.

dtype: floatx by default. (The Python function takes it from the arguments.)

Example:
>>> import tahr
>>> tahr.ops.arange(0, 6, 2, dtype="int32").tolist()
[0, 2, 4])",
             .traits = kNoGradient,
             .attrs = attr_type<ArangeAttrs>(),
             .infer = infer_arange});
  define_op({.name = "linspace",
             .inputs = "start, stop",
             .doc = R"(num evenly spaced numbers from start to stop, along a new axis.

start, stop: numbers or tensors that broadcast together. endpoint: whether stop is the last number.

Example:
>>> import tahr
>>> tahr.ops.linspace(0.0, 1.0, num=3).tolist()
[0.0, 0.5, 1.0])",
             .promote = Promote::Inexact,
             .attrs = attr_type<LinspaceAttrs>(),
             .infer = infer_linspace,
             .vjp = linspace_vjp});
}

void define_matrices() {
  define_op({.name = "eye",
             .inputs = "",
             .doc = R"(The N x M matrix (square by default) with ones on diagonal k and zeros elsewhere.

Example:
>>> import tahr
>>> tahr.ops.eye(2, dtype="int32").tolist()
[[1, 0], [0, 1]])",
             .traits = kNoGradient,
             .attrs = attr_type<EyeAttrs>(),
             .infer = infer_eye});
  define_op({.name = "identity",
             .inputs = "",
             .doc = R"(The n x n identity matrix. dtype: floatx by default.

Example:
>>> import tahr
>>> tahr.ops.identity(2).tolist()
[[1.0, 0.0], [0.0, 1.0]])",
             .traits = kNoGradient,
             .attrs = attr_type<IdentityAttrs>(),
             .decompose = decompose_identity});
  define_op({.name = "tri",
             .inputs = "",
             .doc = R"(The N x M matrix (square by default) with ones on and below diagonal k and zeros above.

Example:
>>> import tahr
>>> tahr.ops.tri(2, dtype="int32").tolist()
[[1, 0], [1, 1]])",
             .traits = kNoGradient,
             .attrs = attr_type<EyeAttrs>(),
             .infer = infer_eye});
}

}  // namespace

void define_array_create_ops() {
  define_constants();
  define_ranges();
  define_matrices();
}

namespace ops {

Tensor zeros_like(const Tensor& x) {
  static const OpDef& op = get_op("zeros_like");
  return call1(op, {x}, LikeAttrs{});
}
Tensor ones_like(const Tensor& x) {
  static const OpDef& op = get_op("ones_like");
  return call1(op, {x}, LikeAttrs{});
}

}  // namespace ops
}  // namespace tahr
