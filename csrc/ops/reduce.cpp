// Reductions: sum, mean, prod, max, min, any, all, argmax, argmin, var, std, logsumexp, count_nonzero.
#include "ops/reduce.h"

#include <algorithm>

namespace tahr {

Shape reduced_shape(const Shape& shape, const Axes& axes, bool keepdims, const char* op) {
  bool reduced[kMaxRank] = {};
  if (axes.all) {
    std::fill_n(reduced, kMaxRank, true);
  } else {
    for (int64_t a : axes.list) {
      bool& seen = reduced[normalize_axis(a, shape.rank(), op)];
      if (seen) normalize_axes(axes, shape.rank(), op);  // names the repeated axis
      seen = true;
    }
  }
  Shape out;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!reduced[i]) out.push_back(shape[i]);
    else if (keepdims) out.push_back(1);
  }
  return out;
}

DType sum_dtype(DType d) {
  switch (d) {
    case DType::Bool:
    case DType::Int8:
    case DType::Int16: return DType::Int32;
    case DType::UInt8:
    case DType::UInt16: return DType::UInt32;
    default: return d;
  }
}

namespace ops {

Tensor reduce(const char* op, const Tensor& x, const Axes& axes, bool keepdims) {
  ReduceAttrs attrs;
  attrs.axis = axes;
  attrs.keepdims = keepdims;
  return call1(get_op(op), {x}, attrs);
}

Tensor sum(const Tensor& x, const Axes& axes, bool keepdims) {
  static const OpDef& op = get_op("sum");
  ReduceAttrs attrs;
  attrs.axis = axes;
  attrs.keepdims = keepdims;
  return call1(op, {x}, attrs);
}

Tensor unbroadcast(const Tensor& dy, const Shape& to) {
  if (!dy.defined() || dy.shape() == to) return dy;
  const int lead = dy.rank() - to.rank();
  Ints axes;
  for (int i = 0; i < dy.rank(); ++i) {
    if (i < lead || (to[i - lead] == 1 && dy.shape()[i] != 1)) axes.push_back(i);
  }
  if (axes.empty()) return dy;  // they differ in dimensions that are not known yet
  const Tensor s = sum(dy, Axes(axes), false);
  return s.shape() == to ? s : reshape(s, to);
}

Tensor with_kept_axes(const Tensor& y, const Shape& full, const Axes& axes) {
  const Shape kept = reduced_shape(full, axes, true, "reduce");
  return y.shape() == kept ? y : reshape(y, kept);
}

Tensor spread(const Tensor& y, const Shape& full, const Axes& axes) {
  return broadcast_to(with_kept_axes(y, full, axes), full);
}

}  // namespace ops

namespace {

// How many elements go into each output; kUnknown if that is not known yet.
int64_t reduced_count(const Shape& shape, const Axes& axes) {
  int64_t n = 1;
  for (int a : normalize_axes(axes, shape.rank(), "reduce")) {
    if (shape[a] == kUnknown) return kUnknown;
    n *= shape[a];
  }
  return n;
}

template <DType (*kDType)(DType)>
Specs infer_reduce(const InferArgs& a) {
  const ReduceAttrs& attrs = a.as<ReduceAttrs>();
  return {{reduced_shape(a.in[0].shape, attrs.axis, attrs.keepdims, a.op), kDType(a.in[0].dtype)}};
}

DType same_dtype(DType d) { return d; }
DType bool_dtype(DType) { return DType::Bool; }

// The maximum of nothing has no value: an error, unless `initial` gives it one.
void check_not_empty(const Shape& shape, const Shape& out, int64_t count, const char* op) {
  if (count == 0 && out.size() != 0) {
    throw_value("[", op, "] expected at least one element along the reduced axes, received shape ", shape.str(),
                ". The result for an empty axis is not defined.");
  }
}

Specs infer_extreme(const InferArgs& a) {
  const ExtremeAttrs& attrs = a.as<ExtremeAttrs>();
  const Shape& shape = a.in[0].shape;
  const Shape out = reduced_shape(shape, attrs.axis, attrs.keepdims, a.op);
  if (shape.size() == 0 && !attrs.initial) check_not_empty(shape, out, reduced_count(shape, attrs.axis), a.op);
  return {{out, a.in[0].dtype}};
}

Axes arg_axes(const ArgAttrs& attrs) { return attrs.axis ? Axes(Ints{*attrs.axis}) : Axes(); }

Specs infer_arg(const InferArgs& a) {
  const ArgAttrs& attrs = a.as<ArgAttrs>();
  const Shape& shape = a.in[0].shape;
  const Axes axes = arg_axes(attrs);
  const Shape out = reduced_shape(shape, axes, attrs.keepdims, a.op);
  if (shape.size() == 0) check_not_empty(shape, out, reduced_count(shape, axes), a.op);
  return {{out, DType::Int32}};
}

Specs infer_count(const InferArgs& a) {
  return {{reduced_shape(a.in[0].shape, a.as<CountAttrs>().axis, false, a.op), DType::Int32}};
}

// ---- gradients ----

void sum_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Shape& full = a.in_specs[0].shape;
  const Axes& axes = a.as<ReduceAttrs>().axis;
  if (full.fully_known()) dx[0] = ops::spread(a.dy[0], full, axes);
  else dx[0] = ops::multiply(ops::ones_like(a.in[0]), ops::with_kept_axes(a.dy[0], full, axes));
}

void sum_squares_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Shape& full = a.in_specs[0].shape;
  dx[0] = ops::multiply(a.in[0], ops::with_kept_axes(ops::multiply(a.dy[0], 2.0), full, a.as<ReduceAttrs>().axis));
}

void root_sum_squares_vjp(const VjpArgs& a, std::span<Tensor> dx) {  // where the root is zero: NaN, as that of sqrt
  const Tensor scaled = ops::divide(a.dy[0], a.out[0]);
  dx[0] = ops::multiply(a.in[0], ops::with_kept_axes(scaled, a.in_specs[0].shape, a.as<ReduceAttrs>().axis));
}

void sum_magnitudes_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Tensor dy = ops::with_kept_axes(a.dy[0], a.in_specs[0].shape, a.as<ReduceAttrs>().axis);
  dx[0] = ops::multiply(ops::unary("sign", a.in[0]), dy);
}

double known_count(const VjpArgs& a, const Axes& axes, const char* op) {
  const int64_t n = reduced_count(a.in_specs[0].shape, axes);
  if (n == kUnknown) {
    throw_value("[", op, "] expected known sizes along the reduced axes for the gradient, received shape ",
                a.in_specs[0].shape.str(), ".");
  }
  return static_cast<double>(n);
}

void mean_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Axes& axes = a.as<ReduceAttrs>().axis;
  const Shape& full = a.in_specs[0].shape;
  if (!full.fully_known()) {
    const Tensor ones = ops::ones_like(a.in[0]);
    dx[0] = ops::multiply(ones, ops::divide(ops::with_kept_axes(a.dy[0], full, axes), ops::sum(ones, axes, true)));
    return;
  }
  dx[0] = ops::spread(ops::multiply(a.dy[0], 1.0 / known_count(a, axes, "mean")), a.in_specs[0].shape, axes);
}

// Elements that attain the extreme share the cotangent evenly.
void extreme_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Axes& axes = a.as<ExtremeAttrs>().axis;
  const Tensor& x = a.in[0];
  const Tensor y = ops::with_kept_axes(a.out[0], x.shape(), axes);
  const Tensor hit = ops::cast(ops::binary("equal", x, y), a.dy[0].dtype());
  // No element attains it where `initial` won: then the share is of 1, not of 0.
  const Tensor hits = ops::binary("maximum", ops::sum(hit, axes, true), ops::ones_like(y));
  dx[0] = ops::multiply(hit, ops::divide(ops::with_kept_axes(a.dy[0], x.shape(), axes), hits));
}

// d var = 2 (x - mean) / n; the mean's own gradient cancels.
void var_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Axes& axes = a.as<ReduceAttrs>().axis;
  const Tensor& x = a.in[0];
  const Tensor centred = ops::subtract(x, ops::reduce("mean", x, axes, true));
  const Tensor scaled = ops::multiply(ops::with_kept_axes(a.dy[0], x.shape(), axes), 2.0 / known_count(a, axes, "var"));
  dx[0] = ops::multiply(centred, scaled);
}

void std_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Axes& axes = a.as<ReduceAttrs>().axis;
  const Tensor& x = a.in[0];
  const Tensor centred = ops::subtract(x, ops::reduce("mean", x, axes, true));
  const Tensor scaled = ops::multiply(ops::divide(a.dy[0], a.out[0]), 1.0 / known_count(a, axes, "std"));
  dx[0] = ops::multiply(centred, ops::with_kept_axes(scaled, x.shape(), axes));
}

void logsumexp_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Axes& axes = a.as<ReduceAttrs>().axis;
  const Tensor& x = a.in[0];
  const Tensor p = ops::unary("exp", ops::subtract(x, ops::with_kept_axes(a.out[0], x.shape(), axes)));
  dx[0] = ops::multiply(p, ops::with_kept_axes(a.dy[0], x.shape(), axes));
}

// x with the reduced axes moved to the end and flattened into one; `back` undoes it.
struct Flattened {
  Tensor x;      // kept..., n
  Shape moved;   // kept..., reduced...
  Ints inverse;  // permutation from `moved` to the original order; empty: none needed
};
Flattened flatten_axes(const Tensor& x, const Axes& axes) {
  const std::vector<int> reduced = normalize_axes(axes, x.rank(), "prod");
  Ints perm;
  Shape flat;
  for (int i = 0; i < x.rank(); ++i) {
    if (std::find(reduced.begin(), reduced.end(), i) != reduced.end()) continue;
    perm.push_back(i);
    flat.push_back(x.shape()[i]);
  }
  int64_t n = 1;
  for (int i : reduced) {
    perm.push_back(i);
    n = n == kUnknown || x.shape()[i] == kUnknown ? kUnknown : n * x.shape()[i];
  }
  flat.push_back(n);
  Flattened f;
  Ints inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    f.moved.push_back(x.shape()[perm[i]]);
    inverse[perm[i]] = static_cast<int64_t>(i);
  }
  const bool in_order = std::is_sorted(perm.begin(), perm.end());
  if (!in_order) f.inverse = inverse;
  f.x = ops::reshape(in_order ? x : ops::transpose(x, perm), flat);
  return f;
}

// d prod / d x_i is the product of the others: of those before times those after, so zeros do no harm, and the
// gradient of that again is exact (see cumulative products in reduce_scan.cpp).
void prod_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Axes& axes = a.as<ReduceAttrs>().axis;
  const Flattened f = flatten_axes(a.in[0], axes);
  static const OpDef &shift = get_op("shift"), &scan = get_op("cumprod_along");
  const int64_t last = f.x.rank() - 1;
  auto others = [&](bool reverse) {
    ShiftAttrs by_one;
    by_one.axis = last;
    by_one.reverse = reverse;
    by_one.fill = 1;
    ScanAttrs along;
    along.axis = last;
    along.reverse = reverse;
    return call1(scan, {call1(shift, {f.x}, by_one)}, along);
  };
  Tensor rest = ops::reshape(ops::multiply(others(false), others(true)), f.moved);
  if (!f.inverse.empty()) rest = ops::transpose(rest, f.inverse);
  dx[0] = ops::multiply(rest, ops::with_kept_axes(a.dy[0], a.in[0].shape(), axes));
}

struct ProdAttrs {
  Axes axis;
  bool keepdims = false;
  std::optional<DType> dtype;
  TAHR_ATTRS(ProdAttrs, TAHR_FIELD(axis), TAHR_FIELD(keepdims), TAHR_FIELD(dtype))
};

Tensors prod_decompose(std::span<const Tensor> in, const void* attrs) {
  const ProdAttrs& a = *static_cast<const ProdAttrs*>(attrs);
  return {ops::reduce("reduce_prod", a.dtype ? ops::cast(in[0], *a.dtype) : in[0], a.axis, a.keepdims)};
}

Tensors logsumexp_decompose(std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = *static_cast<const ReduceAttrs*>(attrs);
  ExtremeAttrs kept;
  kept.axis = a.axis;
  kept.keepdims = true;
  const Tensor peak = call1(get_op("max"), {in[0]}, kept);
  const Tensor total = ops::sum(ops::unary("exp", ops::subtract(in[0], peak)), a.axis, true);
  const Tensor y = ops::add(ops::unary("log", total), peak);
  return {a.keepdims ? y : ops::reshape(y, reduced_shape(in[0].shape(), a.axis, false, "logsumexp"))};
}

Tensors var_decompose(std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = *static_cast<const ReduceAttrs*>(attrs);
  const Tensor d = ops::subtract(in[0], ops::reduce("mean", in[0], a.axis, true));
  return {ops::reduce("mean", ops::multiply(d, d), a.axis, a.keepdims)};
}
Tensors std_decompose(std::span<const Tensor> in, const void* attrs) {
  return {ops::unary("sqrt", var_decompose(in, attrs)[0])};
}

std::string reduce_doc(const char* summary, const char* more, const char* example) {
  return concat(summary,
                "\n\nArguments: `x`, a tensor of any shape; `axis`, an axis, a tuple of axes, or None for all of them; "
                "`keepdims`, whether to keep the reduced axes with size 1.\n\n",
                more, "\n\nExample:\n\n>>> import tahr\n", example);
}

void define_extreme(const char* name, const char* summary, const char* example) {
  define_op({.name = name,
             .inputs = "x",
             .doc = reduce_doc(summary,
                               "`initial` takes part as one more element, and is the result for an empty axis. NaN "
                               "wins. Elements that tie share the gradient evenly. Raises ValueError for an empty axis "
                               "without `initial`.",
                               example),
             .traits = kReduction,
             .attrs = attr_type<ExtremeAttrs>(),
             .infer = infer_extreme,
             .vjp = extreme_vjp,
             .saves = save_in(0) | save_out(0)});
}

Tensors extreme_alias(const char* op, std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = *static_cast<const ReduceAttrs*>(attrs);
  ExtremeAttrs e;
  e.axis = a.axis;
  e.keepdims = a.keepdims;
  return {call1(get_op(op), {in[0]}, e)};
}

}  // namespace

void define_reduce_ops() {
  define_op({.name = "sum",
             .inputs = "x",
             .doc = reduce_doc("Sum over axes.",
                               "Narrow integers and bools are summed as int32 or uint32. The sum of nothing is 0. "
                               "Floating-point sums are blocked: the error grows with the logarithm of the length.",
                               ">>> tahr.ops.sum([[1., 2.], [3., 4.]], axis=0).numpy().tolist()\n[4.0, 6.0]"),
             .traits = kReduction,
             .attrs = attr_type<ReduceAttrs>(),
             .infer = infer_reduce<sum_dtype>,
             .vjp = sum_vjp});
  define_op({.name = "mean",
             .inputs = "x",
             .doc = reduce_doc("Arithmetic mean over axes.",
                               "Integers are averaged in the default float type. The mean of nothing is NaN.",
                               ">>> tahr.ops.mean([[1., 2.], [3., 4.]], axis=1).numpy().tolist()\n[1.5, 3.5]"),
             .traits = kReduction,
             .promote = Promote::Inexact,
             .attrs = attr_type<ReduceAttrs>(),
             .infer = infer_reduce<same_dtype>,
             .vjp = mean_vjp});
  for (const bool squares : {true, false}) {
    define_op({.name = squares ? "sum_squares" : "sum_magnitudes",
               .inputs = "x",
               .doc = squares ? "Sum of x * x over axes." : "Sum of |x| over axes.",
               .traits = kReduction | kHidden,
               .promote = Promote::Inexact,
               .attrs = attr_type<ReduceAttrs>(),
               .infer = infer_reduce<same_dtype>,
               .vjp = squares ? sum_squares_vjp : sum_magnitudes_vjp,
               .saves = save_in(0)});
  }
  define_op({.name = "root_sum_squares",
             .inputs = "x",
             .doc = "The square root of the sum of x * x over axes.",
             .traits = kReduction | kHidden,
             .promote = Promote::Inexact,
             .attrs = attr_type<ReduceAttrs>(),
             .infer = infer_reduce<same_dtype>,
             .vjp = root_sum_squares_vjp,
             .saves = save_in(0) | save_out(0)});
  define_op({.name = "reduce_prod",
             .inputs = "x",
             .doc = "Product over axes, in the dtype of sums.",
             .traits = kReduction | kHidden,
             .attrs = attr_type<ReduceAttrs>(),
             .infer = infer_reduce<sum_dtype>,
             .vjp = prod_vjp,
             .saves = save_in(0)});
  define_op({.name = "prod",
             .inputs = "x",
             .doc = reduce_doc("Product over axes.",
                               "`dtype`: the type to multiply in; by default that of `x`, narrow integers and bools "
                               "as int32 or uint32. The product of nothing is 1.",
                               ">>> tahr.ops.prod([[1., 2.], [3., 4.]], axis=1).numpy().tolist()\n[2.0, 12.0]"),
             .attrs = attr_type<ProdAttrs>(),
             .decompose = prod_decompose});
  define_extreme("max", "Maximum over axes.",
                 ">>> tahr.ops.max([[1., 5.], [3., 4.]], axis=1).numpy().tolist()\n[5.0, 4.0]");
  define_extreme("min", "Minimum over axes.",
                 ">>> tahr.ops.min([[1., 5.], [3., 4.]], axis=1).numpy().tolist()\n[1.0, 3.0]");
  define_op(
      {.name = "amax",
       .inputs = "x",
       .doc = reduce_doc("Maximum over axes; the same as `max`.", "",
                         ">>> tahr.ops.amax([[1., 5.], [3., 4.]], axis=0).numpy().tolist()\n[3.0, 5.0]"),
       .attrs = attr_type<ReduceAttrs>(),
       .decompose = [](std::span<const Tensor> in, const void* attrs) { return extreme_alias("max", in, attrs); }});
  define_op(
      {.name = "amin",
       .inputs = "x",
       .doc = reduce_doc("Minimum over axes; the same as `min`.", "",
                         ">>> tahr.ops.amin([[1., 5.], [3., 4.]], axis=0).numpy().tolist()\n[1.0, 4.0]"),
       .attrs = attr_type<ReduceAttrs>(),
       .decompose = [](std::span<const Tensor> in, const void* attrs) { return extreme_alias("min", in, attrs); }});
  define_op(
      {.name = "any",
       .inputs = "x",
       .doc = reduce_doc("Whether any element is nonzero. NaN counts as nonzero.", "Returns bools; False for nothing.",
                         ">>> tahr.ops.any([[0, 0], [0, 2]], axis=1).numpy().tolist()\n[False, True]"),
       .traits = kReduction | kNoGradient,
       .attrs = attr_type<ReduceAttrs>(),
       .infer = infer_reduce<bool_dtype>});
  define_op(
      {.name = "all",
       .inputs = "x",
       .doc = reduce_doc("Whether all elements are nonzero. NaN counts as nonzero.", "Returns bools; True for nothing.",
                         ">>> tahr.ops.all([[1, 0], [1, 2]], axis=1).numpy().tolist()\n[False, True]"),
       .traits = kReduction | kNoGradient,
       .attrs = attr_type<ReduceAttrs>(),
       .infer = infer_reduce<bool_dtype>});
  for (const bool largest : {true, false}) {
    define_op({.name = largest ? "argmax" : "argmin",
               .inputs = "x",
               .doc = concat("Position of the ", largest ? "largest" : "smallest",
                             " element along an axis.\n\nArguments: `x`, a tensor; `axis`, the axis, or None for the "
                             "position in the flattened tensor; `keepdims`, whether to keep the axis with size 1.\n\n"
                             "Returns int32 positions, the first one among equals; the first NaN if there is one. "
                             "Raises ValueError for an empty axis.\n\nExample:\n\n>>> import tahr\n>>> tahr.ops.",
                             largest ? "argmax" : "argmin", "([[1., 5.], [4., 3.]], axis=1).numpy().tolist()\n",
                             largest ? "[1, 0]" : "[0, 1]"),
               .traits = kReduction | kNoGradient,
               .attrs = attr_type<ArgAttrs>(),
               .infer = infer_arg});
  }
  define_op({.name = "var",
             .inputs = "x",
             .doc = reduce_doc("Variance over axes (the mean of squared distances from the mean).",
                               "Computed in one reading of `x`, block by block, without cancellation.",
                               ">>> tahr.ops.var([[1., 3.], [2., 8.]], axis=1).numpy().tolist()\n[1.0, 9.0]"),
             .traits = kReduction,
             .promote = Promote::Inexact,
             .attrs = attr_type<ReduceAttrs>(),
             .infer = infer_reduce<same_dtype>,
             .vjp = var_vjp,
             .saves = save_in(0),
             .decompose = var_decompose});
  define_op({.name = "std",
             .inputs = "x",
             .doc = reduce_doc("Standard deviation over axes (the square root of `var`).", "",
                               ">>> tahr.ops.std([[1., 3.], [2., 8.]], axis=1).numpy().tolist()\n[1.0, 3.0]"),
             .traits = kReduction,
             .promote = Promote::Inexact,
             .attrs = attr_type<ReduceAttrs>(),
             .infer = infer_reduce<same_dtype>,
             .vjp = std_vjp,
             .saves = save_in(0) | save_out(0),
             .decompose = std_decompose});
  define_op({.name = "logsumexp",
             .inputs = "x",
             .doc = reduce_doc("log(sum(exp(x))) over axes, without overflow.", "The result for an empty axis is -inf.",
                               ">>> round(float(tahr.ops.logsumexp([1000., 1000.])), 3)\n1000.693"),
             .traits = kReduction,
             .promote = Promote::Inexact,
             .attrs = attr_type<ReduceAttrs>(),
             .infer = infer_reduce<same_dtype>,
             .vjp = logsumexp_vjp,
             .saves = save_in(0) | save_out(0),
             .decompose = logsumexp_decompose});
  define_op({.name = "count_nonzero",
             .inputs = "x",
             .doc =
                 "How many elements are nonzero, over axes.\n\nArguments: `x`, a tensor; `axis`, an axis, a tuple of "
                 "axes, or None for all.\n\nReturns int32 counts.\n\nExample:\n\n>>> import tahr\n"
                 ">>> tahr.ops.count_nonzero([[0, 1], [2, 3]], axis=1).numpy().tolist()\n[1, 2]",
             .traits = kReduction | kNoGradient,
             .attrs = attr_type<CountAttrs>(),
             .infer = infer_count});
  define_scan_ops();
  define_softmax_ops();
  define_statistics_ops();
}

}  // namespace tahr
