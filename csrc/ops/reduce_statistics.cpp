// Statistics made of other ops: those that leave NaN out, quantiles, averages, moments, normalisation, sparsemax.
#include <limits>

#include "ops/reduce.h"

namespace tahr {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

const ReduceAttrs& reduce_attrs(const void* attrs) { return *static_cast<const ReduceAttrs*>(attrs); }

Tensor inexact(const Tensor& x) { return ops::cast(x, to_inexact(x.dtype())); }
Tensor constant(double value, const Tensor& like) { return Tensor::scalar(value, like.dtype()); }
Tensor is_nan(const Tensor& x) { return ops::unary("isnan", x); }

Tensor extreme(const char* op, const Tensor& x, const Axes& axes, bool keepdims) {
  ExtremeAttrs attrs;
  attrs.axis = axes;
  attrs.keepdims = keepdims;
  return call1(get_op(op), {x}, attrs);
}

// x with `value` in place of NaN.
Tensor nan_to(const Tensor& x, double value) {
  return is_float(x.dtype()) ? ops::where(is_nan(x), constant(value, x), x) : x;
}

// How many elements are not NaN, in the dtype of x.
Tensor count_numbers(const Tensor& x, const Axes& axes, bool keepdims) {
  return ops::sum(ops::cast(ops::unary("logical_not", is_nan(x)), x.dtype()), axes, keepdims);
}

// ---- nan... ----

Tensors nansum(std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = reduce_attrs(attrs);
  return {ops::sum(nan_to(in[0], 0), a.axis, a.keepdims)};
}

Tensors nanprod(std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = reduce_attrs(attrs);
  return {ops::reduce("reduce_prod", nan_to(in[0], 1), a.axis, a.keepdims)};
}

Tensors nanmean(std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = reduce_attrs(attrs);
  const Tensor x = inexact(in[0]);
  return {ops::divide(ops::sum(nan_to(x, 0), a.axis, a.keepdims), count_numbers(x, a.axis, a.keepdims))};
}

template <bool kMax>
Tensors nan_extreme(std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = reduce_attrs(attrs);
  const Tensor& x = in[0];
  const Tensor y = extreme(kMax ? "max" : "min", nan_to(x, kMax ? -kInf : kInf), a.axis, a.keepdims);
  if (!is_float(x.dtype())) return {y};
  return {ops::where(ops::reduce("all", is_nan(x), a.axis, a.keepdims), constant(kNan, x), y)};
}

Tensors nanvar(std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = reduce_attrs(attrs);
  const Tensor x = inexact(in[0]);
  const Tensor mean = ops::divide(ops::sum(nan_to(x, 0), a.axis, true), count_numbers(x, a.axis, true));
  // The difference is taken of the filled tensor: NaN must not meet the gradient either.
  const Tensor d = ops::where(is_nan(x), constant(0, x), ops::subtract(nan_to(x, 0), mean));
  return {ops::divide(ops::sum(ops::multiply(d, d), a.axis, a.keepdims), count_numbers(x, a.axis, a.keepdims))};
}

Tensors nanstd(std::span<const Tensor> in, const void* attrs) { return {ops::unary("sqrt", nanvar(in, attrs)[0])}; }

template <bool kMax>
Tensors nan_arg(std::span<const Tensor> in, const void* attrs) {
  const ArgAttrs& a = *static_cast<const ArgAttrs*>(attrs);
  const Tensor& x = in[0];
  const Tensor at = call1(get_op(kMax ? "argmax" : "argmin"), {nan_to(x, kMax ? -kInf : kInf)}, a);
  if (!is_float(x.dtype())) return {at};
  const Axes axes = a.axis ? Axes(Ints{*a.axis}) : Axes();
  return {ops::where(ops::reduce("all", is_nan(x), axes, a.keepdims), Tensor::scalar_int(-1, DType::Int32), at)};
}

// ---- ptp, average, moments, normalize ----

Tensors ptp(std::span<const Tensor> in, const void* attrs) {
  const ReduceAttrs& a = reduce_attrs(attrs);
  return {ops::subtract(extreme("max", in[0], a.axis, a.keepdims), extreme("min", in[0], a.axis, a.keepdims))};
}

Tensors average(std::span<const Tensor> in, const void* attrs) {
  const CountAttrs& a = *static_cast<const CountAttrs*>(attrs);
  const bool weighted = in.size() > 1 && in[1].defined();
  if (!weighted) return {ops::reduce("mean", in[0], a.axis, false)};
  const DType dtype = to_inexact(promote(in[0].dtype(), in[0].weak(), in[1].dtype(), in[1].weak()));
  const Tensor x = ops::cast(in[0], dtype);
  Tensor weights = ops::cast(in[1], dtype);
  if (!(weights.shape() == x.shape())) {
    if (a.axis.all || a.axis.list.size() != 1 || weights.rank() != 1) {
      throw_value(
          "[average] expected weights of the shape of `x`, or one weight per element of a single axis; received "
          "weights of shape ",
          weights.shape().str(), " for `x` of shape ", x.shape().str(), ".");
    }
    const int axis = normalize_axis(a.axis.list[0], x.rank(), "average");
    if (weights.dim(0) != x.dim(axis)) {
      throw_value("[average] expected ", x.dim(axis), " weights for axis ", axis, " of shape ", x.shape().str(),
                  ", received ", weights.dim(0), ".");
    }
    Shape s;
    for (int i = 0; i < x.rank(); ++i) s.push_back(i == axis ? weights.dim(0) : 1);
    weights = ops::broadcast_to(ops::reshape(weights, s), x.shape());
  }
  return {ops::divide(ops::sum(ops::multiply(x, weights), a.axis, false), ops::sum(weights, a.axis, false))};
}

struct MomentsAttrs {
  Axes axes;
  bool keepdims = false, synchronized = false;
  TAHR_ATTRS(MomentsAttrs, TAHR_REQUIRED(axes), TAHR_FIELD(keepdims), TAHR_FIELD(synchronized))
};

Tensors moments(std::span<const Tensor> in, const void* attrs) {
  const MomentsAttrs& a = *static_cast<const MomentsAttrs*>(attrs);
  if (a.synchronized) {
    throw Error(ErrorKind::NotImplemented,
                "[moments] expected synchronized=False, received True. Statistics are taken over this process's data; "
                "average them across processes yourself.");
  }
  const DType dtype = to_inexact(in[0].dtype());
  const Tensor x = ops::cast(in[0], is_half(dtype) ? DType::Float32 : dtype);
  auto narrow = [&](const Tensor& y) {
    if (!is_half(dtype)) return y;
    const Tensor limit = constant(65504, y);  // float16's largest: an overflow becomes that, not infinity
    return ops::cast(ops::binary("maximum", ops::binary("minimum", y, limit), ops::negative(limit)), dtype);
  };
  return {narrow(ops::reduce("mean", x, a.axes, a.keepdims)), narrow(ops::reduce("var", x, a.axes, a.keepdims))};
}

struct NormalizeAttrs {
  Axes axis{Ints{-1}};
  int64_t order = 2;
  std::optional<double> epsilon;
  TAHR_ATTRS(NormalizeAttrs, TAHR_FIELD(axis), TAHR_FIELD(order), TAHR_FIELD(epsilon))
};

Tensors normalize(std::span<const Tensor> in, const void* attrs) {
  const NormalizeAttrs& a = *static_cast<const NormalizeAttrs*>(attrs);
  if (a.order < 1) throw_value("[normalize] expected an order of at least 1, received ", a.order, ".");
  Tensor x = inexact(in[0]);
  if (x.rank() == 0) x = ops::reshape(x, {1});
  const double epsilon = a.epsilon.value_or(1e-7);
  if (a.order == 2) {
    // The bound is on the sum of squares, where it also keeps the gradient finite.
    const Tensor squares = ops::reduce("sum_squares", x, a.axis, true);
    return {ops::multiply(x, ops::unary("rsqrt", ops::binary("maximum", squares, constant(epsilon * epsilon, x))))};
  }
  Tensor norm = ops::unary("abs", x);
  if (a.order > 1) norm = ops::binary("power", norm, constant(static_cast<double>(a.order), x));
  norm = ops::sum(norm, a.axis, true);
  if (a.order > 1) norm = ops::binary("power", norm, constant(1.0 / static_cast<double>(a.order), x));
  return {ops::divide(x, ops::binary("maximum", norm, constant(epsilon, x)))};
}

// ---- sparsemax ----

struct SparsemaxAttrs {
  int64_t axis = -1;
  TAHR_ATTRS(SparsemaxAttrs, TAHR_FIELD(axis))
};

Tensors sparsemax(std::span<const Tensor> in, const void* attrs) {
  const Tensor& x = in[0];
  const int axis = normalize_axis(static_cast<const SparsemaxAttrs*>(attrs)->axis, x.rank(), "sparsemax");
  const Axes along(Ints{axis});
  auto running = [axis](const Tensor& t) {
    ScanAttrs scan;
    scan.axis = axis;
    return call1(get_op("cumsum_along"), {t}, scan);
  };
  const Tensor sorted = ops::negative(ops::sort(ops::negative(x), axis));
  const Tensor excess = ops::add(running(sorted), -1.0);
  const Tensor rank = running(ops::ones_like(sorted));
  const Tensor support = ops::cast(ops::binary("greater", ops::multiply(sorted, rank), excess), x.dtype());
  const Tensor size = ops::sum(support, along, true);
  const Tensor total = ops::sum(ops::multiply(sorted, support), along, true);
  const Tensor threshold = ops::divide(ops::add(total, -1.0), size);
  return {ops::unary("relu", ops::subtract(x, threshold))};
}

// ---- quantiles ----

struct QuantileAttrs {
  Axes axis;
  std::string method = "linear";
  bool keepdims = false;
  TAHR_ATTRS(QuantileAttrs, TAHR_FIELD(axis), TAHR_FIELD(method), TAHR_FIELD(keepdims))
};

// Where the kept axes stand, the shape they leave, and x with the reduced axes last and flattened: (kept..., n).
Tensor reduced_last(const Tensor& x, const Axes& axes, const char* op) {
  std::vector<bool> reduced(x.rank(), false);
  for (int a : normalize_axes(axes, x.rank(), op)) reduced[a] = true;
  Ints perm;
  Shape flat;
  int64_t n = 1;
  for (int i = 0; i < x.rank(); ++i) {
    if (reduced[i]) continue;
    perm.push_back(i);
    flat.push_back(x.shape()[i]);
  }
  for (int i = 0; i < x.rank(); ++i) {
    if (!reduced[i]) continue;
    perm.push_back(i);
    n = n == kUnknown || x.shape()[i] == kUnknown ? kUnknown : n * x.shape()[i];
  }
  flat.push_back(n);
  return ops::reshape(ops::transpose(x, perm), flat);
}

// The q-quantiles over axes, of shape q.shape + (kept...). With `skip_nan` of the numbers alone; else a NaN makes NaN.
Tensor quantile_of(const char* op, const Tensor& in, const Tensor& q_in, const QuantileAttrs& a, double q_scale,
                   bool skip_nan) {
  if (q_in.rank() > 1) {
    throw_value("[", op, "] expected `q` to be a scalar or a vector, received shape ", q_in.shape().str(), ".");
  }
  const Tensor q_exact = q_in.is_symbolic() ? q_in : on_host(ops::cast(q_in, DType::Float64));
  for (int64_t i = 0; !q_in.is_symbolic() && i < q_in.size(); ++i) {
    const double v = q_exact.data<double>()[i];
    if (!(v >= 0 && v * q_scale <= 1)) {
      throw_value("[", op, "] expected `q` in [0, ", 1 / q_scale, "], received ", v, ".");
    }
  }
  const DType dtype = to_inexact(in.dtype()), work = is_half(dtype) ? DType::Float32 : dtype;
  const Tensor x = ops::sort(ops::cast(reduced_last(in, a.axis, op), work), -1);  // NaN last
  const int64_t n = x.shape().back();
  if (n == 0)
    throw_value("[", op, "] expected at least one element along the reduced axes, received shape ", in.shape().str(),
                ".");
  const int64_t count = q_in.size();
  const int last = x.rank() - 1;

  Shape kept = x.shape();
  kept.erase(last);
  Shape spread = kept;
  spread.push_back(count);
  const Tensor q = ops::multiply(ops::reshape(ops::cast(q_in, work), {count}), q_scale);
  // Position of each quantile in its sorted row.
  const Tensor lowest = Tensor::scalar(0, work);
  Tensor top = Tensor::scalar(static_cast<double>(n - 1), work);
  if (skip_nan) top = ops::binary("maximum", ops::add(count_numbers(x, Axes(Ints{-1}), true), -1.0), lowest);
  const Tensor at = ops::broadcast_to(ops::multiply(q, top), spread);
  const Tensor low = ops::unary("floor", at), high = ops::unary("ceil", at);
  auto pick = [&](const Tensor& where) { return ops::take_along_axis(x, ops::cast(where, DType::Int32), last); };
  Tensor y;
  if (a.method == "linear") {
    const Tensor from = pick(low), to = pick(high);
    y = ops::add(from, ops::multiply(ops::subtract(to, from), ops::subtract(at, low)));
  } else if (a.method == "lower") {
    y = pick(low);
  } else if (a.method == "higher") {
    y = pick(high);
  } else if (a.method == "midpoint") {
    y = ops::multiply(ops::add(pick(low), pick(high)), 0.5);
  } else if (a.method == "nearest") {
    y = pick(ops::unary("round", at));
  } else {
    throw_value("[", op,
                "] expected `method` to be one of 'linear', 'lower', 'higher', 'midpoint' and 'nearest', received '",
                a.method, "'.");
  }
  if (!skip_nan) {
    const Tensor greatest = ops::slice_axis(x, last, n - 1, n);
    y = ops::where(is_nan(greatest), Tensor::scalar(kNan, work), y);
  }
  y = ops::cast(y, dtype);

  Shape out = a.keepdims ? reduced_shape(in.shape(), a.axis, true, op) : kept;
  if (q_in.rank() == 0) return ops::reshape(y, out);
  out.insert(0, count);
  return ops::reshape(ops::moveaxis(y, -1, 0), out);
}

Tensors median_of(const char* op, std::span<const Tensor> in, const void* attrs, bool skip_nan) {
  QuantileAttrs a;
  a.axis = reduce_attrs(attrs).axis;
  a.keepdims = reduce_attrs(attrs).keepdims;
  return {quantile_of(op, in[0], Tensor::scalar(0.5, DType::Float64), a, 1, skip_nan)};
}

std::string statistic_doc(const char* summary, const char* more, const char* example) {
  return concat(summary,
                "\n\nArguments: `x`, a tensor of any shape; `axis`, an axis, a tuple of axes, or None for all of them; "
                "`keepdims`, whether to keep the reduced axes with size 1.\n\n",
                more, "\n\nExample:\n\n>>> import tahr\n", example);
}

void define_statistic(const char* name, const char* summary, const char* more, const char* example, DecomposeFn fn) {
  define_op({.name = name,
             .inputs = "x",
             .doc = statistic_doc(summary, more, example),
             .attrs = attr_type<ReduceAttrs>(),
             .decompose = fn});
}

void define_quantile(const char* name, const char* summary, const char* example, DecomposeFn fn) {
  define_op(
      {.name = name,
       .inputs = "x, q",
       .doc = concat(summary,
                     "\n\nArguments: `x`, a tensor; `q`, a scalar or a vector; `axis`, an axis, a tuple of axes, or "
                     "None for all of them; `method`, what to do between two elements: 'linear', 'lower', 'higher', "
                     "'midpoint' or 'nearest'; `keepdims`, whether to keep the reduced axes with size 1.\n\nReturns "
                     "a tensor of shape q.shape + the kept axes. Raises ValueError for an unknown method.\n\n"
                     "Example:\n\n>>> import tahr\n",
                     example),
       .attrs = attr_type<QuantileAttrs>(),
       .decompose = fn});
}

template <bool kSkipNan>
Tensors quantile(std::span<const Tensor> in, const void* attrs) {
  const QuantileAttrs& a = *static_cast<const QuantileAttrs*>(attrs);
  return {quantile_of(kSkipNan ? "nanquantile" : "quantile", in[0], in[1], a, 1, kSkipNan)};
}
template <bool kSkipNan>
Tensors percentile(std::span<const Tensor> in, const void* attrs) {
  const QuantileAttrs& a = *static_cast<const QuantileAttrs*>(attrs);
  return {quantile_of(kSkipNan ? "nanpercentile" : "percentile", in[0], in[1], a, 0.01, kSkipNan)};
}

void define_nan_ops() {
  constexpr const char* kEmpty = "NaN where every element is NaN.";
  define_statistic("nansum", "Sum over axes, NaN counting as 0.", "",
                   ">>> tahr.ops.nansum([1., float('nan')]).numpy().item()\n1.0", nansum);
  define_statistic("nanprod", "Product over axes, NaN counting as 1.", "",
                   ">>> tahr.ops.nanprod([2., float('nan')]).numpy().item()\n2.0", nanprod);
  define_statistic("nanmean", "Mean over axes of the elements that are not NaN.", kEmpty,
                   ">>> tahr.ops.nanmean([2., 4., float('nan')]).numpy().item()\n3.0", nanmean);
  define_statistic("nanmax", "Maximum over axes of the elements that are not NaN.", kEmpty,
                   ">>> tahr.ops.nanmax([2., float('nan')]).numpy().item()\n2.0", nan_extreme<true>);
  define_statistic("nanmin", "Minimum over axes of the elements that are not NaN.", kEmpty,
                   ">>> tahr.ops.nanmin([2., float('nan')]).numpy().item()\n2.0", nan_extreme<false>);
  define_statistic("nanvar", "Variance over axes of the elements that are not NaN.", kEmpty,
                   ">>> tahr.ops.nanvar([1., 3., float('nan')]).numpy().item()\n1.0", nanvar);
  define_statistic("nanstd", "Standard deviation over axes of the elements that are not NaN.", kEmpty,
                   ">>> tahr.ops.nanstd([1., 3., float('nan')]).numpy().item()\n1.0", nanstd);
  for (const bool largest : {true, false}) {
    define_op(
        {.name = largest ? "nanargmax" : "nanargmin",
         .inputs = "x",
         .doc = concat("Position of the ", largest ? "largest" : "smallest",
                       " element that is not NaN, along an axis.\n\nArguments: `x`, a tensor; `axis`, the axis, or "
                       "None for the position in the flattened tensor; `keepdims`, whether to keep the axis with "
                       "size 1.\n\nReturns int32 positions; -1 where every element is NaN.\n\nExample:\n\n"
                       ">>> import tahr\n>>> tahr.ops.",
                       largest ? "nanargmax" : "nanargmin", "([float('nan'), 7.]).numpy().item()\n1"),
         .attrs = attr_type<ArgAttrs>(),
         .decompose = largest ? nan_arg<true> : nan_arg<false>});
  }
}

}  // namespace

void define_statistics_ops() {
  define_nan_ops();
  define_statistic("ptp", "Range over axes: the maximum less the minimum.", "",
                   ">>> tahr.ops.ptp([1., 5., 3.]).numpy().item()\n4.0", ptp);
  define_statistic("median", "Median over axes; of an even number of elements, the mean of the middle two.",
                   "NaN where any element is NaN.", ">>> tahr.ops.median([1., 9., 2.]).numpy().item()\n2.0",
                   [](std::span<const Tensor> in, const void* attrs) { return median_of("median", in, attrs, false); });
  define_statistic(
      "nanmedian", "Median over axes of the elements that are not NaN.", "NaN where every element is NaN.",
      ">>> tahr.ops.nanmedian([1., float('nan'), 2.]).numpy().item()\n1.5",
      [](std::span<const Tensor> in, const void* attrs) { return median_of("nanmedian", in, attrs, true); });
  define_quantile("quantile", "Quantiles over axes; q is in [0, 1].",
                  ">>> tahr.ops.quantile([0., 10.], 0.25).numpy().item()\n2.5", quantile<false>);
  define_quantile("nanquantile", "Quantiles over axes of the elements that are not NaN; q is in [0, 1].",
                  ">>> tahr.ops.nanquantile([0., 10., float('nan')], 0.25).numpy().item()\n2.5", quantile<true>);
  define_quantile("percentile", "Percentiles over axes; q is in [0, 100].",
                  ">>> tahr.ops.percentile([0., 10.], 25.0).numpy().item()\n2.5", percentile<false>);
  define_quantile("nanpercentile", "Percentiles over axes of the elements that are not NaN; q is in [0, 100].",
                  ">>> tahr.ops.nanpercentile([0., 10., float('nan')], 25.0).numpy().item()\n2.5", percentile<true>);
  define_op(
      {.name = "average",
       .inputs = "x, weights?",
       .doc = "Weighted mean over axes.\n\nArguments: `x`, a tensor; `weights`, of the shape of `x`, or a vector for a "
              "single axis, or None for equal weights; `axis`, an axis, a tuple of axes, or None for all.\n\n"
              "Returns sum(x * weights) / sum(weights). Raises ValueError for weights that do not fit.\n\nExample:\n\n"
              ">>> import tahr\n>>> tahr.ops.average([1., 4.], weights=[2., 1.]).numpy().item()\n2.0",
       .attrs = attr_type<CountAttrs>(),
       .decompose = average});
  define_op(
      {.name = "moments",
       .inputs = "x",
       .doc =
           "Mean and variance over axes.\n\nArguments: `x`, a tensor; `axes`, an axis, a tuple of axes, or None for "
           "all; `keepdims`, whether to keep the reduced axes with size 1; `synchronized`, must be False.\n\nReturns "
           "a pair of tensors. Halves are computed in float32.\n\nExample:\n\n>>> import tahr\n"
           ">>> [m.numpy().item() for m in tahr.ops.moments([1., 3.], axes=0)]\n[2.0, 1.0]",
       .attrs = attr_type<MomentsAttrs>(),
       .decompose = moments,
       .outputs = 2});
  define_op({.name = "normalize",
             .inputs = "x",
             .doc =
                 "x divided by its norm along axes.\n\nArguments: `x`, a tensor; `axis`, an axis or a tuple of axes; "
                 "`order`, the order of the norm, an integer of at least 1; `epsilon`, the least norm to divide by, "
                 "1e-7 for None.\n\nReturns a tensor of the shape of `x`.\n\nExample:\n\n>>> import tahr\n"
                 ">>> tahr.ops.normalize([3., 4.]).numpy()\narray([0.6, 0.8], dtype=float32)",
             .attrs = attr_type<NormalizeAttrs>(),
             .decompose = normalize});
  define_op(
      {.name = "sparsemax",
       .inputs = "x",
       .doc =
           "The probability vector nearest to x: like softmax, with exact zeros.\n\nArguments: `x`, a tensor; `axis`, "
           "the axis that sums to one.\n\nReturns a tensor of the shape of `x`. Source: Martins and Astudillo, From "
           "Softmax to Sparsemax, ICML 2016.\n\nExample:\n\n>>> import tahr\n"
           ">>> tahr.ops.sparsemax([2., 1., -1.]).numpy().tolist()\n[1.0, 0.0, 0.0]",
       .promote = Promote::Inexact,
       .attrs = attr_type<SparsemaxAttrs>(),
       .decompose = sparsemax});
}

}  // namespace tahr
