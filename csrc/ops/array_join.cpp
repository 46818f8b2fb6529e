// Joining and splitting along an axis.
#include <algorithm>

#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

Specs infer_concatenate(const InferArgs& a) {
  if (a.in.empty()) throw_value("[", a.op, "] expected at least one tensor, received none.");
  Spec out = a.in[0];
  const int rank = out.shape.rank();
  if (rank == 0) throw_value("[", a.op, "] expected tensors of rank 1 or more, received scalars. Use stack.");
  const int axis = normalize_axis(a.as<OneAxisAttrs>().axis, rank, a.op);
  for (size_t i = 1; i < a.in.size(); ++i) {
    const Shape& s = a.in[i].shape;
    bool fits = s.rank() == rank;
    for (int d = 0; fits && d < rank; ++d) {
      if (d == axis) {
        out.shape[d] = out.shape[d] == kUnknown || s[d] == kUnknown ? kUnknown : out.shape[d] + s[d];
      } else if (out.shape[d] == kUnknown) {
        out.shape[d] = s[d];
      } else {
        fits = s[d] == out.shape[d] || s[d] == kUnknown;
      }
    }
    if (!fits) {
      throw_value("[", a.op, "] expected shapes that agree except on axis ", axis, ", received ", a.in[0].shape.str(),
                  " and ", s.str(), ".");
    }
  }
  return {out};
}

void concatenate_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.dy[0].defined()) return;
  const int axis = normalize_axis(a.as<OneAxisAttrs>().axis, a.in_specs[0].shape.rank(), "concatenate");
  int64_t at = 0;
  for (size_t i = 0; i < a.in_specs.size(); ++i) {
    const int64_t n = a.in_specs[i].shape[axis];
    if (a.need(static_cast<int>(i))) dx[i] = ops::slice_axis(a.dy[0], axis, at, at + n);
    at += n;
  }
}

// Where to cut an axis of n elements: the parts are [cuts[i], cuts[i + 1]).
Ints cuts_of(const Axes& where, int64_t n, const char* op, bool uneven) {
  Ints cuts = {0};
  if (where.scalar) {
    const int64_t parts = where.list[0];
    if (parts < 1 || (!uneven && n % parts != 0)) {
      throw_value("[", op, "] expected a number of parts that divides ", n, ", the size of the axis, received ", parts,
                  uneven ? "." : ". Use array_split for parts of unequal size.");
    }
    for (int64_t i = 0; i < parts; ++i) cuts.push_back(cuts.back() + n / parts + (i < n % parts));
    return cuts;
  }
  for (int64_t c : where.list) cuts.push_back(std::clamp<int64_t>(c < 0 ? c + n : c, 0, n));
  cuts.push_back(n);
  return cuts;
}

Specs infer_split(const InferArgs& a) {
  const auto& at = a.as<SplitAttrs>();
  const int axis = normalize_axis(at.axis, a.in[0].shape.rank(), a.op);
  const int64_t n = a.in[0].shape[axis];
  Spec part = a.in[0];
  if (n == kUnknown) {
    const Ints& list = at.indices_or_sections.list;
    Specs out(at.indices_or_sections.scalar ? static_cast<size_t>(std::max<int64_t>(list[0], 0)) : list.size() + 1,
              part);
    if (!at.indices_or_sections.scalar && !out.empty()) {
      for (size_t i = 0; i + 1 < out.size(); ++i) {
        const int64_t from = i ? list[i - 1] : 0;
        if (from >= 0 && list[i] >= from) out[i].shape[axis] = list[i] - from;
      }
    }
    return out;
  }
  const Ints cuts = cuts_of(at.indices_or_sections, n, a.op, false);
  Specs out;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    part.shape[axis] = std::max<int64_t>(0, cuts[i + 1] - cuts[i]);
    out.push_back(part);
  }
  return out;
}

void split_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& at = a.as<SplitAttrs>();
  const int axis = normalize_axis(at.axis, a.in_specs[0].shape.rank(), "split");
  const Ints cuts = cuts_of(at.indices_or_sections, a.in_specs[0].shape[axis], "split", false);
  const bool tiled = std::is_sorted(cuts.begin(), cuts.end());  // each element of x lies in exactly one part
  Tensors parts;
  Tensor total;
  bool any = false;
  for (size_t i = 0; i < a.dy.size(); ++i) {
    any = any || a.dy[i].defined();
    if (tiled) {
      parts.push_back(a.dy[i].defined() ? a.dy[i] : Tensor::zeros(a.out_specs[i].shape, a.out_specs[i].dtype));
    } else if (a.dy[i].defined() && a.out_specs[i].shape[axis] > 0) {
      const Tensor d = ops::unslice_axis(a.dy[i], a.in_specs[0].shape, axis, cuts[i], cuts[i + 1]);
      total = total.defined() ? ops::add(total, d) : d;
    }
  }
  if (any) dx[0] = tiled ? ops::concatenate(parts, axis) : total;
}

Tensors decompose_stack(std::span<const Tensor> in, const void* attrs) {
  if (in.empty()) throw_value("[stack] expected at least one tensor, received none.");
  const int axis = normalize_axis(static_cast<const OneAxisAttrs*>(attrs)->axis, in[0].rank() + 1, "stack");
  Tensors xs;
  for (const Tensor& t : in) {
    if (t.rank() != in[0].rank()) {
      throw_value("[stack] expected tensors of one shape, received ", in[0].shape().str(), " and ", t.shape().str(),
                  ".");
    }
    xs.push_back(ops::expand_dims(t, {axis}));
    for (int d = 0; d < t.rank(); ++d) {
      if (t.dim(d) != in[0].dim(d) && t.dim(d) != kUnknown && in[0].dim(d) != kUnknown) {
        throw_value("[stack] expected tensors of one shape, received ", in[0].shape().str(), " and ", t.shape().str(),
                    ".");
      }
    }
  }
  return {ops::concatenate(xs, axis)};
}

Tensors decompose_unstack(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const UnstackAttrs*>(attrs);
  const int axis = normalize_axis(at.axis, in[0].rank(), "unstack");
  const int64_t n = in[0].dim(axis);
  if (n == kUnknown && !at.num) {
    throw_value("[unstack] expected num where the size of axis ", axis, " is unknown, received None.");
  }
  if (at.num && n != kUnknown && *at.num != n) {
    throw_value("[unstack] expected num to be the size ", n, " of axis ", axis, ", received ", *at.num, ".");
  }
  const int64_t parts = at.num.value_or(n);
  if (parts == 0) return {};
  Tensors out = ops::split(in[0], parts, axis);
  for (Tensor& t : out) t = ops::squeeze(t, Axes(Ints{axis}));
  return out;
}

Tensors decompose_array_split(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const SplitAttrs*>(attrs);
  const int axis = normalize_axis(at.axis, in[0].rank(), "array_split");
  if (!at.indices_or_sections.scalar || in[0].dim(axis) == kUnknown) {
    static const OpDef& op = get_op("split");
    return call(op, in, attrs);
  }
  const Ints cuts = cuts_of(at.indices_or_sections, in[0].dim(axis), "array_split", true);
  return ops::split_at(in[0], Ints(cuts.begin() + 1, cuts.end() - 1), axis);
}

// Raises each input to at least `rank` by leading (vstack, hstack) or surrounding (dstack) axes.
Tensor at_least(const Tensor& x, int rank) {
  Tensor t = x;
  while (t.rank() < rank) t = ops::expand_dims(t, {rank == 3 && t.rank() == 2 ? 2 : 0});
  return t;
}

template <int kRank, int kAxis>
Tensors decompose_rank_stack(std::span<const Tensor> in, const void*) {
  Tensors xs;
  for (const Tensor& t : in) xs.push_back(at_least(t, kRank));
  return {ops::concatenate(xs, kAxis)};
}

Tensors decompose_hstack(std::span<const Tensor> in, const void*) {
  Tensors xs;
  for (const Tensor& t : in) xs.push_back(at_least(t, 1));
  return {ops::concatenate(xs, !xs.empty() && xs[0].rank() > 1 ? 1 : 0)};
}

Tensors decompose_column_stack(std::span<const Tensor> in, const void*) {
  Tensors xs;
  for (const Tensor& t : in) {
    Tensor column = at_least(t, 1);
    if (column.rank() == 1) column = ops::expand_dims(column, {1});
    xs.push_back(column);
  }
  return {ops::concatenate(xs, 1)};
}

template <int kMinRank, int kAxis>
Tensors decompose_axis_split(std::span<const Tensor> in, const void* attrs) {
  const char* op = kAxis == 0 ? "vsplit" : kAxis == 1 ? "hsplit" : "dsplit";
  if (in[0].rank() < kMinRank) {
    throw_value("[", op, "] expected a tensor of rank ", kMinRank, " or more, received shape ", in[0].shape().str(),
                ".");
  }
  SplitAttrs at{static_cast<const CutAttrs*>(attrs)->indices_or_sections, std::min(kAxis, in[0].rank() - 1)};
  static const OpDef& def = get_op("split");
  return call(def, in, &at);
}

Tensors decompose_append(std::span<const Tensor> in, const void* attrs) {
  const auto& axis = static_cast<const OptAxisAttrs*>(attrs)->axis;
  if (axis) return {ops::concatenate({in[0], in[1]}, *axis)};
  return {ops::concatenate({ops::ravel(in[0]), ops::ravel(in[1])}, 0)};
}

Tensors decompose_meshgrid(std::span<const Tensor> in, const void* attrs) {
  const std::string& indexing = static_cast<const MeshgridAttrs*>(attrs)->indexing;
  if (indexing != "xy" && indexing != "ij") {
    throw_value("[meshgrid] expected indexing 'xy' or 'ij', received '", indexing, "'.");
  }
  const int rank = static_cast<int>(in.size());
  auto place = [&](int i) { return indexing == "xy" && rank > 1 && i < 2 ? 1 - i : i; };
  Ints dims(rank);
  for (int i = 0; i < rank; ++i) {
    if (in[i].rank() > 1) {
      throw_value("[meshgrid] expected tensors of rank 1, received shape ", in[i].shape().str(), ".");
    }
    dims[place(i)] = in[i].size();
  }
  Tensors out;
  for (int i = 0; i < rank; ++i) {
    Ints one(rank, 1);
    one[place(i)] = in[i].size();
    out.push_back(ops::broadcast_to(ops::reshape(in[i], Shape{std::span<const int64_t>(one)}),
                                    Shape{std::span<const int64_t>(dims)}));
  }
  return out;
}

void define_joins() {
  define_op({.name = "concatenate",
             .inputs = "*xs",
             .doc = R"(Joins tensors along an axis that they have.

xs: list of tensors of equal shape except on `axis`; their dtypes are promoted to a common one.

Example:
>>> import tahr
>>> tahr.ops.concatenate([tahr.ops.zeros((2, 3)), tahr.ops.ones((2, 1))], axis=1).shape
(2, 4))",
             .promote = Promote::Common,
             .attrs = attr_type<OneAxisAttrs>(),
             .infer = infer_concatenate,
             .vjp = concatenate_vjp});
  define_op({.name = "stack",
             .inputs = "*x",
             .doc = R"(Joins tensors of one shape along a new axis.

Example:
>>> import tahr
>>> tahr.ops.stack([tahr.ops.zeros((2, 3)), tahr.ops.ones((2, 3))], axis=-1).shape
(2, 3, 2))",
             .promote = Promote::Common,
             .attrs = attr_type<OneAxisAttrs>(),
             .decompose = decompose_stack});
  define_op({.name = "vstack",
             .inputs = "*xs",
             .doc = R"(Joins tensors along axis 0; those of rank 1 become rows.

Example:
>>> import tahr
>>> tahr.ops.vstack([tahr.ops.zeros((3,)), tahr.ops.ones((3,))]).shape
(2, 3))",
             .promote = Promote::Common,
             .decompose = decompose_rank_stack<2, 0>});
  define_op({.name = "dstack",
             .inputs = "*xs",
             .doc = R"(Joins tensors along axis 2; shapes (n,) and (m, n) become (1, n, 1) and (m, n, 1).

Example:
>>> import tahr
>>> tahr.ops.dstack([tahr.ops.zeros((3,)), tahr.ops.ones((3,))]).shape
(1, 3, 2))",
             .promote = Promote::Common,
             .decompose = decompose_rank_stack<3, 2>});
  define_op({.name = "hstack",
             .inputs = "*xs",
             .doc = R"(Joins tensors along axis 1, or along axis 0 if they have rank 1.

Example:
>>> import tahr
>>> tahr.ops.hstack([tahr.ops.zeros((2, 3)), tahr.ops.ones((2, 1))]).shape
(2, 4))",
             .promote = Promote::Common,
             .decompose = decompose_hstack});
  define_op({.name = "column_stack",
             .inputs = "*xs",
             .doc = R"(Joins tensors as columns of a matrix; those of rank 1 are one column each.

Example:
>>> import tahr
>>> tahr.ops.column_stack([tahr.ops.zeros((3,)), tahr.ops.ones((3, 2))]).shape
(3, 3))",
             .promote = Promote::Common,
             .decompose = decompose_column_stack});
  define_op({.name = "append",
             .inputs = "x1, x2",
             .doc = R"(Joins two tensors along an axis; without one, both are flattened first.

Example:
>>> import tahr
>>> tahr.ops.append(tahr.ops.zeros((2, 3)), tahr.ops.ones((1, 3))).shape
(9,))",
             .promote = Promote::Common,
             .attrs = attr_type<OptAxisAttrs>(),
             .decompose = decompose_append});
  define_op({.name = "meshgrid",
             .inputs = "*x",
             .doc = R"(Coordinate grids from coordinate vectors.

x: tensors of rank 1, of sizes n0, n1, ... indexing: "ij" gives shape (n0, n1, ...), "xy" (n1, n0, ...).
Returns one tensor per input.

Example:
>>> import tahr
>>> [t.shape for t in tahr.ops.meshgrid(tahr.ops.zeros((3,)), tahr.ops.zeros((2,)))]
[(2, 3), (2, 3)])",
             .attrs = attr_type<MeshgridAttrs>(),
             .decompose = decompose_meshgrid,
             .outputs = -1});
}

void define_splits() {
  define_op({.name = "split",
             .inputs = "x",
             .doc = R"(Cuts x along an axis.

indices_or_sections: int, the number of equal parts; or list of ints, the positions of the cuts.
Returns a list of tensors. Raises ValueError if the parts would be unequal.

Example:
>>> import tahr
>>> [t.shape for t in tahr.ops.split(tahr.ops.zeros((5, 2)), [1, 3])]
[(1, 2), (2, 2), (2, 2)])",
             .attrs = attr_type<SplitAttrs>(),
             .infer = infer_split,
             .vjp = split_vjp,
             .outputs = -1});
  define_op({.name = "array_split",
             .inputs = "x",
             .doc = R"(Cuts x along an axis as `split` does, but lets parts differ in size by one.

Example:
>>> import tahr
>>> [t.shape for t in tahr.ops.array_split(tahr.ops.zeros((5, 2)), 2)]
[(3, 2), (2, 2)])",
             .attrs = attr_type<SplitAttrs>(),
             .decompose = decompose_array_split,
             .outputs = -1});
  define_op({.name = "unstack",
             .inputs = "x",
             .doc = R"(Takes x apart along an axis, which the parts lose.

num: the size of that axis, needed only where it is unknown. Returns a list of tensors.

Example:
>>> import tahr
>>> [t.shape for t in tahr.ops.unstack(tahr.ops.zeros((2, 3)))]
[(3,), (3,)])",
             .attrs = attr_type<UnstackAttrs>(),
             .decompose = decompose_unstack,
             .outputs = -1});
  define_op({.name = "vsplit",
             .inputs = "x",
             .doc = R"(Cuts x along axis 0.

Example:
>>> import tahr
>>> [t.shape for t in tahr.ops.vsplit(tahr.ops.zeros((4, 2)), 2)]
[(2, 2), (2, 2)])",
             .attrs = attr_type<CutAttrs>(),
             .decompose = decompose_axis_split<2, 0>,
             .outputs = -1});
  define_op({.name = "hsplit",
             .inputs = "x",
             .doc = R"(Cuts x along axis 1, or along axis 0 if it has rank 1.

Example:
>>> import tahr
>>> [t.shape for t in tahr.ops.hsplit(tahr.ops.zeros((4, 2)), 2)]
[(4, 1), (4, 1)])",
             .attrs = attr_type<CutAttrs>(),
             .decompose = decompose_axis_split<1, 1>,
             .outputs = -1});
  define_op({.name = "dsplit",
             .inputs = "x",
             .doc = R"(Cuts x along axis 2.

Example:
>>> import tahr
>>> [t.shape for t in tahr.ops.dsplit(tahr.ops.zeros((1, 2, 4)), 2)]
[(1, 2, 2), (1, 2, 2)])",
             .attrs = attr_type<CutAttrs>(),
             .decompose = decompose_axis_split<3, 2>,
             .outputs = -1});
}

}  // namespace

void define_array_join_ops() {
  define_joins();
  define_splits();
}

namespace ops {

Tensor concatenate(std::span<const Tensor> xs, int64_t axis) {
  static const OpDef& op = get_op("concatenate");
  const OneAxisAttrs at{axis};
  return call1(op, xs, &at);
}
Tensor stack(std::span<const Tensor> xs, int64_t axis) {
  static const OpDef& op = get_op("stack");
  const OneAxisAttrs at{axis};
  return call1(op, xs, &at);
}
Tensors split(const Tensor& x, int64_t parts, int64_t axis) {
  static const OpDef& op = get_op("split");
  const SplitAttrs at{Axes::of(parts), axis};
  return call(op, std::span(&x, 1), &at);
}
Tensors split_at(const Tensor& x, const Ints& cuts, int64_t axis) {
  static const OpDef& op = get_op("split");
  const SplitAttrs at{Axes(cuts), axis};
  return call(op, std::span(&x, 1), &at);
}

}  // namespace ops
}  // namespace tahr
