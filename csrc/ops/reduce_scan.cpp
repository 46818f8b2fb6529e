// Cumulative sums and products, and the hidden scans that their gradients are made of.
//
//   cumsum_along       y_i = y_{i-1} + x_i
//   cumprod_along      y_i = y_{i-1} x_i
//   linear_recurrence  y_i = a_i y_{i-1} + b_i, y_{-1} = 0
//   shift              y_i = x_{i-1}, y_0 = fill
//
// along one axis; `reverse` runs from the end. Each is differentiated with the others, so all orders of derivative
// exist, and none divides: zeros in a product are no special case.
#include "ops/reduce.h"

namespace tahr {
namespace {

Tensor scan(const char* op, std::initializer_list<Tensor> in, int64_t axis, bool reverse) {
  ScanAttrs attrs;
  attrs.axis = axis;
  attrs.reverse = reverse;
  return call1(get_op(op), in, attrs);
}

// Each element's predecessor in the direction of the scan.
Tensor shifted(const Tensor& x, int64_t axis, bool reverse, double fill) {
  ShiftAttrs attrs;
  attrs.axis = axis;
  attrs.reverse = reverse;
  attrs.fill = fill;
  return call1(get_op("shift"), {x}, attrs);
}

Specs infer_scan(const InferArgs& a) {
  normalize_axis(a.as<ScanAttrs>().axis, a.in[0].shape.rank(), a.op);
  return {a.in[0]};
}

Specs infer_recurrence(const InferArgs& a) {
  normalize_axis(a.as<ScanAttrs>().axis, a.in[0].shape.rank(), a.op);
  if (!(a.in[0].shape == a.in[1].shape)) {
    throw_value("[", a.op, "] expected factors and terms of one shape, received ", a.in[0].shape.str(), " and ",
                a.in[1].shape.str(), ".");
  }
  return {a.in[0]};
}

Specs infer_shift(const InferArgs& a) {
  normalize_axis(a.as<ShiftAttrs>().axis, a.in[0].shape.rank(), a.op);
  return {a.in[0]};
}

void cumsum_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const ScanAttrs& attrs = a.as<ScanAttrs>();
  dx[0] = scan("cumsum_along", {a.dy[0]}, attrs.axis, !attrs.reverse);
}

void cumprod_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& [axis, reverse] = a.as<ScanAttrs>();
  const Tensor next = shifted(a.in[0], axis, !reverse, 0);
  const Tensor g = scan("linear_recurrence", {next, a.dy[0]}, axis, !reverse);
  dx[0] = ops::multiply(shifted(a.out[0], axis, reverse, 1), g);
}

void recurrence_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& [axis, reverse] = a.as<ScanAttrs>();
  const Tensor next = shifted(a.in[0], axis, !reverse, 0);
  const Tensor g = scan("linear_recurrence", {next, a.dy[0]}, axis, !reverse);
  if (a.need(0)) dx[0] = ops::multiply(shifted(a.out[0], axis, reverse, 0), g);
  if (a.need(1)) dx[1] = g;
}

void shift_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const ShiftAttrs& attrs = a.as<ShiftAttrs>();
  dx[0] = shifted(a.dy[0], attrs.axis, !attrs.reverse, 0);
}

struct CumulativeAttrs {
  std::optional<int64_t> axis;
  std::optional<DType> dtype;
  TAHR_ATTRS(CumulativeAttrs, TAHR_FIELD(axis), TAHR_FIELD(dtype))
};

// Keras: bools accumulate as int32, everything else in its own type; None flattens.
Tensor cumulative(const char* op, const char* along, const Tensor& in, const void* attrs) {
  const CumulativeAttrs& a = *static_cast<const CumulativeAttrs*>(attrs);
  Tensor x = ops::cast(in, a.dtype ? *a.dtype : in.dtype() == DType::Bool ? DType::Int32 : in.dtype());
  if (!a.axis) {
    if (x.rank() != 1) x = ops::reshape(x, {x.size()});
    return scan(along, {x}, 0, false);
  }
  return scan(along, {x}, normalize_axis(*a.axis, x.rank(), op), false);
}

void define_cumulative(const char* name, const char* summary, const char* example, DecomposeFn decompose) {
  define_op(
      {.name = name,
       .inputs = "x",
       .doc = concat(summary,
                     " along an axis.\n\nArguments: `x`, a tensor; `axis`, the axis, or None to flatten `x` first; "
                     "`dtype`, the type to accumulate in, by default that of `x` (int32 for bools).\n\nReturns a "
                     "tensor of the shape of `x` (flattened for axis None).\n\nExample:\n\n>>> import tahr\n",
                     example),
       .attrs = attr_type<CumulativeAttrs>(),
       .decompose = decompose});
}

}  // namespace

void define_scan_ops() {
  define_op({.name = "cumsum_along",
             .inputs = "x",
             .doc = "Running sum along an axis.",
             .traits = kHidden,
             .attrs = attr_type<ScanAttrs>(),
             .infer = infer_scan,
             .vjp = cumsum_vjp});
  define_op({.name = "cumprod_along",
             .inputs = "x",
             .doc = "Running product along an axis.",
             .traits = kHidden,
             .attrs = attr_type<ScanAttrs>(),
             .infer = infer_scan,
             .vjp = cumprod_vjp,
             .saves = save_in(0) | save_out(0)});
  define_op({.name = "linear_recurrence",
             .inputs = "factor, term",
             .doc = "y_i = factor_i y_{i-1} + term_i along an axis, starting from zero.",
             .traits = kHidden,
             .promote = Promote::Common,
             .attrs = attr_type<ScanAttrs>(),
             .infer = infer_recurrence,
             .vjp = recurrence_vjp,
             .saves = save_in(0) | save_out(0)});
  define_op({.name = "shift",
             .inputs = "x",
             .doc = "Moves elements one place along an axis, away from the start (or the end), and fills the gap.",
             .traits = kHidden,
             .attrs = attr_type<ShiftAttrs>(),
             .infer = infer_shift,
             .vjp = shift_vjp});
  define_cumulative("cumsum", "Running sum", ">>> tahr.ops.cumsum([1., 2., 3.]).numpy().tolist()\n[1.0, 3.0, 6.0]",
                    [](std::span<const Tensor> in, const void* attrs) -> Tensors {
                      return {cumulative("cumsum", "cumsum_along", in[0], attrs)};
                    });
  define_cumulative("cumprod", "Running product",
                    ">>> tahr.ops.cumprod([1., 2., 3.]).numpy().tolist()\n[1.0, 2.0, 6.0]",
                    [](std::span<const Tensor> in, const void* attrs) -> Tensors {
                      return {cumulative("cumprod", "cumprod_along", in[0], attrs)};
                    });
}

}  // namespace tahr
