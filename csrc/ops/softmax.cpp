// Softmax and log-softmax over any axes, with fused gradients.
#include "ops/reduce.h"

namespace tahr {
namespace {

Specs infer_softmax(const InferArgs& a) {
  normalize_axes(a.as<SoftmaxAttrs>().axis, a.in[0].shape.rank(), a.op);
  return {a.in[0]};
}

Tensor with_axes(const char* op, std::initializer_list<Tensor> in, const Axes& axes) {
  SoftmaxAttrs attrs;
  attrs.axis = axes;
  return call1(get_op(op), in, attrs);
}

void softmax_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  dx[0] = with_axes("softmax_grad", {a.out[0], a.dy[0]}, a.as<SoftmaxAttrs>().axis);
}

void log_softmax_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  dx[0] = with_axes("log_softmax_grad", {a.out[0], a.dy[0]}, a.as<SoftmaxAttrs>().axis);
}

// y (dy - sum(y dy)) is linear in dy, with a symmetric matrix.
void softmax_grad_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Axes& axes = a.as<SoftmaxAttrs>().axis;
  const Tensor &y = a.in[0], &dy = a.in[1], &u = a.dy[0];
  if (a.need(0)) {
    const Tensor dot = ops::sum(ops::multiply(y, dy), axes, true), udot = ops::sum(ops::multiply(y, u), axes, true);
    dx[0] = ops::subtract(ops::multiply(u, ops::subtract(dy, dot)), ops::multiply(dy, udot));
  }
  if (a.need(1)) dx[1] = with_axes("softmax_grad", {y, u}, axes);
}

// dy - exp(y) sum(dy)
void log_softmax_grad_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Axes& axes = a.as<SoftmaxAttrs>().axis;
  const Tensor &dy = a.in[1], &u = a.dy[0];
  const Tensor up = ops::multiply(u, ops::unary("exp", a.in[0]));
  if (a.need(0)) dx[0] = ops::negative(ops::multiply(up, ops::sum(dy, axes, true)));
  if (a.need(1)) dx[1] = ops::subtract(u, ops::sum(up, axes, true));
}

Tensor centred(const Tensor& x, const Axes& axes) {
  ExtremeAttrs attrs;
  attrs.axis = axes;
  attrs.keepdims = true;
  return ops::subtract(x, call1(get_op("max"), {x}, attrs));
}

Tensors softmax_decompose(std::span<const Tensor> in, const void* attrs) {
  const Axes& axes = static_cast<const SoftmaxAttrs*>(attrs)->axis;
  const Tensor e = ops::unary("exp", centred(in[0], axes));
  return {ops::divide(e, ops::sum(e, axes, true))};
}

Tensors log_softmax_decompose(std::span<const Tensor> in, const void* attrs) {
  const Axes& axes = static_cast<const SoftmaxAttrs*>(attrs)->axis;
  const Tensor d = centred(in[0], axes);
  return {ops::subtract(d, ops::unary("log", ops::sum(ops::unary("exp", d), axes, true)))};
}

Tensors softmax_grad_decompose(std::span<const Tensor> in, const void* attrs) {
  const Axes& axes = static_cast<const SoftmaxAttrs*>(attrs)->axis;
  return {ops::multiply(in[0], ops::subtract(in[1], ops::sum(ops::multiply(in[0], in[1]), axes, true)))};
}

Tensors log_softmax_grad_decompose(std::span<const Tensor> in, const void* attrs) {
  const Axes& axes = static_cast<const SoftmaxAttrs*>(attrs)->axis;
  return {ops::subtract(in[1], ops::multiply(ops::unary("exp", in[0]), ops::sum(in[1], axes, true)))};
}

constexpr const char* kSoftmaxArguments =
    "\n\nArguments: `x`, a tensor; `axis`, the axis or tuple of axes that sum to one, or None for all.\n\nReturns a "
    "tensor of the shape of `x`.\n\nExample:\n\n>>> import tahr\n";

}  // namespace

void define_softmax_ops() {
  define_op({.name = "softmax",
             .inputs = "x",
             .doc = concat("exp(x) / sum(exp(x)): scores turned into probabilities.", kSoftmaxArguments,
                           ">>> tahr.ops.softmax([0., 0.]).numpy().tolist()\n[0.5, 0.5]"),
             .promote = Promote::Inexact,
             .attrs = attr_type<SoftmaxAttrs>(),
             .infer = infer_softmax,
             .vjp = softmax_vjp,
             .saves = save_out(0),
             .decompose = softmax_decompose});
  define_op({.name = "log_softmax",
             .inputs = "x",
             .doc = concat("x - log(sum(exp(x))): the logarithm of softmax, without its underflow.", kSoftmaxArguments,
                           ">>> tahr.ops.log_softmax([0., -1000.]).numpy().tolist()\n[0.0, -1000.0]"),
             .promote = Promote::Inexact,
             .attrs = attr_type<SoftmaxAttrs>(),
             .infer = infer_softmax,
             .vjp = log_softmax_vjp,
             .saves = save_out(0),
             .decompose = log_softmax_decompose});
  define_op({.name = "softmax_grad",
             .inputs = "y, dy",
             .doc = "The gradient of softmax: y (dy - sum(y dy)), y being its result.",
             .traits = kHidden,
             .promote = Promote::Common,
             .attrs = attr_type<SoftmaxAttrs>(),
             .infer = infer_softmax,
             .vjp = softmax_grad_vjp,
             .saves = save_in(0) | save_in(1),
             .decompose = softmax_grad_decompose});
  define_op({.name = "log_softmax_grad",
             .inputs = "y, dy",
             .doc = "The gradient of log_softmax: dy - exp(y) sum(dy), y being its result.",
             .traits = kHidden,
             .promote = Promote::Common,
             .attrs = attr_type<SoftmaxAttrs>(),
             .infer = infer_softmax,
             .vjp = log_softmax_grad_vjp,
             .saves = save_in(0) | save_in(1),
             .decompose = log_softmax_grad_decompose});
}

}  // namespace tahr
