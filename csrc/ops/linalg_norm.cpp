// Norms of vectors and matrices, written with elementwise ops and reductions.
#include <cmath>

#include "ops/functions.h"
#include "ops/host.h"
#include "ops/linalg_attrs.h"
#include "ops/reduce.h"

namespace tahr {
namespace {

Tensor extreme(const char* op, const Tensor& x, const Ints& axes, bool keepdims) {
  return call1(get_op(op), {x}, ExtremeAttrs{axes, keepdims, std::nullopt});
}

Tensor power(const Tensor& x, double p) { return ops::binary("power", x, Tensor::scalar(p, x.dtype())); }

Tensor two_norm(const Tensor& x, const Axes& axes, bool keepdims) {
  return ops::reduce("root_sum_squares", x, axes, keepdims);
}

Tensor vector_norm(const Tensor& x, double p, int axis, bool keepdims) {
  const Ints axes{axis};
  if (p == 2) return two_norm(x, axes, keepdims);
  if (p == 0) {
    const Tensor zero = Tensor::scalar(0, x.dtype());
    return ops::sum(ops::cast(ops::binary("not_equal", x, zero), x.dtype()), axes, keepdims);
  }
  if (p == 1) return ops::reduce("sum_magnitudes", x, axes, keepdims);
  const Tensor magnitude = ops::unary("abs", x);
  if (std::isinf(p)) return extreme(p > 0 ? "max" : "min", magnitude, axes, keepdims);
  return power(ops::sum(power(magnitude, p), axes, keepdims), 1 / p);
}

// Of the matrices along two axes: the last axis of the result, in place of these.
Tensor singular_values(const Tensor& x, const std::vector<int>& axes) {
  Ints order;
  for (int i = 0; i < x.rank(); ++i) {
    if (i != axes[0] && i != axes[1]) order.push_back(i);
  }
  order.push_back(axes[0]);
  order.push_back(axes[1]);
  const Tensor wide = x.dtype() == DType::Float64 ? x : ops::cast(x, DType::Float32);
  const HostCallAttrs svd{"svd", "{\"full_matrices\": false}"};
  const Tensor matrices[] = {ops::transpose(wide, order)};
  return ops::cast(call(get_op("host_call"), matrices, &svd)[1], x.dtype());
}

Tensors norm(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const NormAttrs*>(attrs);
  const Tensor& x = in[0];
  const std::string ord = attr_value_str(AttrKind::NumberOrName, &at.ord);
  if (at.axis.all && std::holds_alternative<std::monostate>(at.ord)) return {two_norm(x, Axes(), at.keepdims)};

  std::vector<int> axes;  // in the order given: rows, then columns
  if (at.axis.all) {
    for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
  } else {
    for (int64_t a : at.axis.list) axes.push_back(normalize_axis(a, x.rank(), "norm"));
  }
  if (axes.empty() || axes.size() > 2) {
    throw_value("[norm] expected one axis (vectors) or two (matrices), received ", axes.size(), " axes of shape ",
                x.shape().str(), " with ord=", ord,
                ". Name the axes with axis, or leave out ord to take the norm over all.");
  }
  const double* number = std::get_if<double>(&at.ord);
  const std::string* name = std::get_if<std::string>(&at.ord);
  if (axes.size() == 1) {
    if (name) {
      throw_value("[norm] expected ord as a number for vectors, received ord=", ord,
                  ". The names 'fro' and 'nuc' are norms of matrices: give two axes.");
    }
    return {vector_norm(x, number ? *number : 2, axes[0], at.keepdims)};
  }

  if (axes[0] == axes[1]) throw_value("[norm] expected two distinct axes, received axis ", axes[0], " twice.");
  const Ints both{axes[0], axes[1]};
  if (name ? *name == "fro" : !number) return {two_norm(x, both, at.keepdims)};
  if ((name && *name == "nuc") || (number && std::fabs(*number) == 2)) {
    const Tensor s = singular_values(x, axes);
    const Tensor found = name ? ops::sum(s, Ints{-1}, false) : extreme(*number > 0 ? "max" : "min", s, Ints{-1}, false);
    return {at.keepdims ? ops::expand_dims(found, both) : found};
  }
  if (!number || (std::fabs(*number) != 1 && !std::isinf(*number))) {
    throw_value("[norm] expected ord to be None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf for matrices, received ord=",
                ord, ".");
  }
  // Sums of magnitudes down the columns (1) or along the rows (inf), then their extreme.
  const int along = std::isinf(*number) ? axes[1] : axes[0], across = std::isinf(*number) ? axes[0] : axes[1];
  const Tensor sums = ops::reduce("sum_magnitudes", x, Ints{along}, true);
  const Tensor kept = extreme(*number > 0 ? "max" : "min", sums, Ints{across}, true);
  return {at.keepdims ? kept : ops::squeeze(kept, both)};
}

}  // namespace

void define_norm_op() {
  define_op({.name = "norm",
             .inputs = "x",
             .doc = R"(Norm of vectors or matrices.

axis: one axis holding vectors, two axes (rows, columns) holding matrices, or None for all of x. ord: None (the square root
of the sum of squares), 'fro' (the same, for matrices), or a number: for vectors inf, -inf, 0 (how many are not 0) or p (the
p-th root of the sum of p-th powers of magnitudes); for matrices 1, -1 (the largest, smallest column sum of magnitudes),
inf, -inf (the same of rows). keepdims keeps the axes with size 1. Raises ValueError for an ord that does not fit.

Example:
>>> import tahr
>>> float(tahr.ops.norm([3.0, 4.0]))
5.0)",
             .promote = Promote::Inexact,
             .attrs = attr_type<NormAttrs>(),
             .decompose = norm});
}

}  // namespace tahr
