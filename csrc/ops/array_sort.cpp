// Sorting, searching and counting. NaN sorts last, as the largest value. Sorts that return positions are stable.
#include <algorithm>

#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

// ---- sort, argsort, top_k

Shape sort_shape(const InferArgs& a) {
  const auto& axis = a.as<LastAxisAttrs>().axis;
  const Shape& s = a.in[0].shape;
  if (!axis) return {s.size()};
  if (s.rank() > 0) normalize_axis(*axis, s.rank(), a.op);
  return s;
}

void sort_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.dy[0].defined()) return;
  const auto& axis = a.as<LastAxisAttrs>().axis;
  const Shape& s = a.in_specs[0].shape;
  if (s.rank() == 0) {
    dx[0] = ops::reshape(a.dy[0], s);
    return;
  }
  const Tensor x = axis ? a.in[0] : ops::ravel(a.in[0]);
  const int64_t along = axis.value_or(0);
  dx[0] = ops::reshape(ops::put_along_axis_grad(a.dy[0], ops::argsort(x, along), x.dim(along), along), s);
}

Specs infer_top_k(const InferArgs& a) {
  const auto& at = a.as<TopKAttrs>();
  Spec out = a.in[0];
  if (out.shape.rank() == 0) throw_value("[", a.op, "] expected a tensor of rank 1 or more, received a scalar.");
  const int64_t n = out.shape.back();
  if (at.k < 0 || (n != kUnknown && at.k > n)) {
    throw_value("[", a.op, "] expected k in [0, ", n, "], the size of the last axis, received ", at.k, ".");
  }
  out.shape[out.shape.rank() - 1] = at.k;
  return {out, {out.shape, DType::Int32}};
}

Tensors decompose_argpartition(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const ArgpartitionAttrs*>(attrs);
  const int axis = normalize_axis(at.axis, in[0].rank(), "argpartition");
  const int64_t n = in[0].dim(axis);
  if (n != kUnknown && (at.kth < -n || at.kth >= n)) {
    throw_value("[argpartition] expected kth in [", -n, ", ", n, "), received ", at.kth, ".");
  }
  return {ops::argsort(in[0], axis)};  // a full sort is a partition at every place
}

void define_sorts() {
  define_op({.name = "sort",
             .inputs = "x",
             .doc = R"(Sorts along an axis, smallest first.

axis: int, the last by default; None sorts the flattened tensor.

Example:
>>> import tahr
>>> tahr.ops.sort(tahr.constant([3, 1, 2])).tolist()
[1, 2, 3])",
             .attrs = attr_type<LastAxisAttrs>(),
             .infer = [](const InferArgs& a) -> Specs { return {{sort_shape(a), a.in[0].dtype}}; },
             .vjp = sort_vjp,
             .saves = save_in(0)});
  define_op({.name = "argsort",
             .inputs = "x",
             .doc = R"(The int32 positions that sort x along an axis; equal elements keep their order.

axis: int, the last by default; None sorts the flattened tensor.

Example:
>>> import tahr
>>> tahr.ops.argsort(tahr.constant([3, 1, 2])).tolist()
[1, 2, 0])",
             .traits = kNoGradient,
             .attrs = attr_type<LastAxisAttrs>(),
             .infer = [](const InferArgs& a) -> Specs { return {{sort_shape(a), DType::Int32}}; }});
  define_op({.name = "argpartition",
             .inputs = "x",
             .doc = R"(Positions such that element kth is where a sort would put it, with the smaller ones before it.

Example:
>>> import tahr
>>> int(tahr.ops.argpartition(tahr.constant([3, 1, 2]), 0)[0])
1)",
             .traits = kNoGradient,
             .attrs = attr_type<ArgpartitionAttrs>(),
             .decompose = decompose_argpartition});
  define_op({.name = "top_k",
             .inputs = "x",
             .doc = R"(The k largest values of each line along the last axis, largest first, and their int32 positions.

Of equal values the first comes first. sorted, is_stable: may be given; the result is sorted and stable either way.
Returns (values, indices), of shape (..., k).

Example:
>>> import tahr
>>> [t.tolist() for t in tahr.ops.top_k(tahr.constant([3, 1, 2]), 2)]
[[3, 2], [0, 2]])",
             .attrs = attr_type<TopKAttrs>(),
             .infer = infer_top_k,
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (!a.dy[0].defined()) return;
                   const int last = a.in_specs[0].shape.rank() - 1;
                   dx[0] = ops::put_along_axis_grad(a.dy[0], a.out[1], a.in_specs[0].shape[last], last);
                 },
             .saves = save_out(1),
             .outputs = 2});
  define_op({.name = "in_top_k",
             .inputs = "targets, predictions",
             .doc = R"(Whether the prediction of the target class is among the k largest of its row.

targets: integers (batch,). predictions: (batch, classes). Ties at the k-th place count as in, NaN never. Returns bool
(batch,).

Example:
>>> import tahr
>>> tahr.ops.in_top_k(tahr.constant([1, 0]), tahr.constant([[0.1, 0.9], [0.2, 0.8]]), k=1).tolist()
[True, False])",
             .traits = kNoGradient,
             .attrs = attr_type<InTopKAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               check_integer(a.in[0], a.op, "targets");
               const Shape &t = a.in[0].shape, &p = a.in[1].shape;
               if (t.rank() != 1 || p.rank() != 2 || (t[0] != p[0] && t[0] != kUnknown && p[0] != kUnknown)) {
                 throw_value("[", a.op, "] expected targets (batch,) and predictions (batch, classes), received ",
                             t.str(), " and ", p.str(), ".");
               }
               return {{t, DType::Bool}};
             }});
}

// ---- searching

Tensors decompose_digitize(std::span<const Tensor> in, const void*) {
  if (in[1].rank() != 1) {
    throw_value("[digitize] expected bins of rank 1, received shape ", in[1].shape().str(), ".");
  }
  static const OpDef& op = get_op("searchsorted");
  return {call1(op, {in[1], in[0]}, SearchsortedAttrs{"right"})};
}

void define_searches() {
  define_op({.name = "searchsorted",
             .inputs = "sorted_sequence, values",
             .doc = R"(The places at which values would be inserted so that the sequence stays sorted.

sorted_sequence: (n,), ascending. side: "left" puts a value before equal ones, "right" behind. Returns int32.

Example:
>>> import tahr
>>> tahr.ops.searchsorted(tahr.constant([1, 3, 5]), tahr.constant([3, 4])).tolist()
[1, 2])",
             .traits = kNoGradient,
             .promote = Promote::Common,
             .attrs = attr_type<SearchsortedAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               const std::string& side = a.as<SearchsortedAttrs>().side;
               if (a.in[0].shape.rank() != 1) {
                 throw_value("[", a.op, "] expected a sorted_sequence of rank 1, received shape ", a.in[0].shape.str(),
                             ".");
               }
               if (side != "left" && side != "right") {
                 throw_value("[", a.op, "] expected side 'left' or 'right', received '", side, "'.");
               }
               return {{a.in[1].shape, DType::Int32}};
             }});
  define_op({.name = "digitize",
             .inputs = "x, bins",
             .doc = R"(The number of the bin that each element falls into: i where bins[i - 1] <= x < bins[i].

bins: (n,), ascending. Returns int32 of x's shape, from 0 to n.

Example:
>>> import tahr
>>> tahr.ops.digitize(tahr.constant([0.5, 2.0]), tahr.constant([1.0, 2.0, 3.0])).tolist()
[0, 2])",
             .traits = kNoGradient,
             .promote = Promote::Common,
             .decompose = decompose_digitize});
  define_op({.name = "isin",
             .inputs = "x1, x2",
             .doc = R"(Whether each element of x1 occurs in x2.

assume_unique: may be given; the result does not depend on it. invert: True asks for those that do not occur.

Example:
>>> import tahr
>>> tahr.ops.isin(tahr.constant([1, 2, 3]), tahr.constant([2, 5])).tolist()
[False, True, False])",
             .traits = kNoGradient,
             .promote = Promote::Common,
             .attrs = attr_type<IsinAttrs>(),
             .infer = [](const InferArgs& a) -> Specs { return {{a.in[0].shape, DType::Bool}}; }});
}

// ---- counting

Specs infer_bincount(const InferArgs& a) {
  const auto& at = a.as<BincountAttrs>();
  check_integer(a.in[0], a.op, "x");
  if (at.sparse) {
    throw Error(ErrorKind::NotImplemented,
                concat("[", a.op, "] expected sparse=False, received True. Tensors are dense."));
  }
  Spec out = a.in[0];
  if (out.shape.rank() != 1 && out.shape.rank() != 2) {
    throw_value("[", a.op, "] expected x of rank 1 or 2, received shape ", out.shape.str(), ".");
  }
  const bool weighted = a.has(1);
  if (weighted && !(a.in[1].shape == out.shape) && a.in[1].shape.fully_known() && out.shape.fully_known()) {
    throw_value("[", a.op, "] expected weights of x's shape ", out.shape.str(), ", received ", a.in[1].shape.str(),
                ".");
  }
  const bool concrete = a.has(0) && !a.values[0].is_symbolic();
  out.shape[out.shape.rank() - 1] = concrete ? std::max(max_index(a.values[0]) + 1, at.minlength) : kUnknown;
  out.dtype = weighted ? promote(out.dtype, false, a.in[1].dtype, false) : DType::Int32;
  return {out};
}

void define_counts() {
  define_op({.name = "bincount",
             .inputs = "x, weights?",
             .doc = R"(How often each of 0, 1, 2, ... occurs, or the sums of the weights of its occurrences.

x: integers of at least 0, (n,) or (batch, n). weights: of x's shape. minlength: least size of the result's last axis.
The size depends on the values, so it is unknown while tracing. Returns int32, or the promoted dtype of the weights.

Example:
>>> import tahr
>>> tahr.ops.bincount(tahr.constant([1, 1, 3])).tolist()
[0, 2, 0, 1])",
             .attrs = attr_type<BincountAttrs>(),
             .infer = infer_bincount,
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (!a.dy[0].defined() || !a.need(1)) return;
                   dx[1] = ops::cast(ops::take_along_axis(a.dy[0], a.in[0], -1), a.in_specs[1].dtype);
                 },
             .saves = save_in(0)});
  define_op(
      {.name = "histogram",
       .inputs = "x, range?",
       .doc = "Counts of x in equal bins over `range` (two numbers; by default x's extremes), and the bins' edges.",
       .traits = kNoGradient | kHidden,
       .attrs = attr_type<HistogramAttrs>(),
       .infer = [](const InferArgs& a) -> Specs {
         const int64_t bins = a.as<HistogramAttrs>().bins;
         if (bins < 1) throw_value("[", a.op, "] expected bins of at least 1, received ", bins, ".");
         return {{{bins}, a.in[0].dtype}, {{bins + 1}, to_inexact(a.in[0].dtype)}};
       },
       .outputs = 2});
}

// ---- unique

struct Runs {
  Tensor order;   // positions of x in sorted order
  Tensor sorted;  // x in that order
  Tensor starts;  // where in it a new value begins
};

// x: (n,) or (n, m), whose rows are compared from left to right.
Runs runs_of(const Tensor& x) {
  Runs r;
  if (x.rank() == 1) {
    r.order = ops::argsort(x, 0);
  } else {
    // Stable sorts from the last column to the first.
    for (Tensor& column : [&] {
           Tensors columns = ops::split(ops::transpose(x, {1, 0}), x.dim(1), 0);
           std::reverse(columns.begin(), columns.end());
           return columns;
         }()) {
      const Tensor c = ops::ravel(column);
      const Tensor step = ops::argsort(r.order.defined() ? ops::take(c, r.order, 0) : c, 0);
      r.order = r.order.defined() ? ops::take(r.order, step, 0) : step;
    }
  }
  r.sorted = ops::take(x, r.order, 0);
  Tensor differs =
      ops::binary("not_equal", ops::slice_axis(r.sorted, 0, 1, kOpen), ops::slice_axis(r.sorted, 0, kOpen, -1));
  if (x.rank() == 2) differs = ops::cast(ops::sum(ops::cast(differs, DType::Int32), Axes(Ints{1}), false), DType::Bool);
  r.starts = ops::nonzero(ops::concatenate({Tensor::full({1}, DType::Bool, 1), differs}, 0))[0];
  return r;
}

// Cuts or pads axis 0 to the size, if one was asked for.
Tensor to_size(const Tensor& t, const UniqueAttrs& at, double fill) {
  if (!at.size || t.dim(0) == *at.size) return t;
  if (t.dim(0) != kUnknown && t.dim(0) > *at.size) return ops::slice_axis(t, 0, 0, *at.size);
  const bool known = t.dim(0) != kUnknown;
  Ints low(t.rank(), 0), high(t.rank(), 0);
  high[0] = known ? *at.size - t.dim(0) : *at.size;
  const Tensor padded = ops::pad_constant(t, low, high, fill);
  if (known) return padded;
  Shape s = t.shape();
  s[0] = *at.size;
  return ops::reshape(ops::slice_axis(padded, 0, 0, *at.size), s);
}

Tensors decompose_unique(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const UniqueAttrs*>(attrs);
  const int axis = at.axis ? normalize_axis(*at.axis, in[0].rank(), "unique") : 0;
  // One row per thing to compare: x's elements, or its slices along the axis.
  const Tensor front = at.axis ? ops::moveaxis(in[0], axis, 0) : ops::ravel(in[0]);
  const int64_t n = front.dim(0);
  const bool rows = front.rank() > 1;
  const Tensor x = rows ? ops::reshape(front, {n, n == 0 ? 0 : front.size() / n}) : front;
  const bool empty = n == 0 || (rows && x.dim(1) == 0);
  const Tensor none = Tensor::empty({0}, DType::Int32);
  Runs r = empty ? Runs{none, x, none} : runs_of(x);
  if (empty && n > 0) {  // rows without elements are all equal
    r.order = index_tensor_of(Ints(1, 0), DType::Int32);
    r.starts = r.order;
  }
  Shape shape = front.shape();
  shape[0] = r.starts.dim(0);
  Tensor values =
      empty ? ops::slice_axis(front, 0, 0, r.starts.dim(0)) : ops::reshape(ops::take(r.sorted, r.starts, 0), shape);
  values = to_size(values, at, at.fill_value.value_or(0));
  Tensors out = {at.axis ? ops::moveaxis(values, 0, axis) : values};
  if (at.return_index) out.push_back(to_size(ops::take(r.order, r.starts, 0), at, 1));
  if (at.return_inverse) {
    // The number of the run that each sorted place lies in, sent back to where the place came from.
    static const OpDef& search = get_op("searchsorted");
    Ints places(static_cast<size_t>(empty ? 0 : n));
    for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int64_t>(i);
    const Tensor run =
        ops::subtract(call1(search, {r.starts, index_tensor_of(places, DType::Int32)}, SearchsortedAttrs{"right"}),
                      Tensor::scalar_int(1, DType::Int32));
    Tensor inverse = Tensor::zeros({n}, DType::Int32);
    if (!empty) inverse = ops::scatter_update(inverse, ops::expand_dims(r.order, {1}), run);
    out.push_back(at.axis ? inverse : ops::reshape(inverse, in[0].shape()));
  }
  if (at.return_counts) {
    const Tensor end = Tensor::full({r.starts.dim(0) == 0 ? 0 : 1}, DType::Int32, static_cast<double>(n));
    const Tensor ends = ops::concatenate({ops::slice_axis(r.starts, 0, 1, kOpen), end}, 0);
    out.push_back(to_size(ops::subtract(ends, r.starts), at, 0));
  }
  return out;
}

void define_unique() {
  define_op(
      {.name = "unique",
       .inputs = "x",
       .doc = R"(The distinct elements in ascending order, or the distinct slices along an axis. Every NaN is distinct.

return_index: add the position of the first occurrence of each. return_inverse: add, for each element, the position of
its value. return_counts: add the number of occurrences. axis: int, or None for the flattened x. size: cut or pad the
result to this many, with fill_value (0 by default). sorted: may be given; the result is sorted either way.
The size depends on the values, so it is unknown while tracing. Returns a list: values, then the int32 extras.

Example:
>>> import tahr
>>> tahr.ops.unique(tahr.constant([3, 1, 3])).tolist()
[1, 3])",
       .traits = kHidden,
       .attrs = attr_type<UniqueAttrs>(),
       .decompose = decompose_unique,
       .outputs = -1});
}

}  // namespace

void define_array_sort_ops() {
  define_sorts();
  define_searches();
  define_counts();
  define_unique();
}

namespace ops {

Tensor sort(const Tensor& x, int64_t axis) {
  static const OpDef& op = get_op("sort");
  return call1(op, {x}, LastAxisAttrs{axis});
}
Tensor argsort(const Tensor& x, int64_t axis) {
  static const OpDef& op = get_op("argsort");
  return call1(op, {x}, LastAxisAttrs{axis});
}

}  // namespace ops
}  // namespace tahr
