// Reading and writing by index tensors. Indices may be of any integer dtype; negative ones count from the end, and
// those out of range are an error when the kernel meets them. Sums into one place are added in the order of the
// indices.
#include <algorithm>
#include <numeric>

#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

Ints dims_of(const Shape& s) { return {s.begin(), s.end()}; }

// ---- take

Specs infer_take(const InferArgs& a) {
  const auto& axis_attr = a.as<OptAxisAttrs>().axis;
  const Shape &x = a.in[0].shape, &indices = a.in[1].shape;
  check_integer(a.in[1], a.op, "indices");
  if (!axis_attr) return {{indices, a.in[0].dtype}};
  const int axis = normalize_axis(*axis_attr, x.rank(), a.op);
  Shape out;
  for (int i = 0; i < axis; ++i) out.push_back(x[i]);
  for (int64_t d : indices.dims()) out.push_back(d);
  for (int i = axis + 1; i < x.rank(); ++i) out.push_back(x[i]);
  return {{out, a.in[0].dtype}};
}

void define_takes() {
  define_op({.name = "take",
             .inputs = "x, indices",
             .doc = R"(Picks elements, or slices along an axis, by index.

indices: integer tensor of any shape; it takes the place of the axis. Negative ones count from the end.
axis: int, or None to index the flattened x. Raises IndexError for an index out of range.

Example:
>>> import tahr
>>> tahr.ops.take(tahr.ops.zeros((5, 2)), tahr.constant([0, 3, -1]), axis=0).shape
(3, 2))",
             .attrs = attr_type<OptAxisAttrs>(),
             .infer = infer_take,
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (!a.dy[0].defined() || !a.need(0)) return;
                   dx[0] = ops::take_grad(a.dy[0], a.in[1], a.in_specs[0].shape, a.as<OptAxisAttrs>().axis);
                 },
             .saves = save_in(1)});
  define_op({.name = "take_grad",
             .inputs = "dy, indices",
             .doc = "Zeros of the given shape to which dy is added at the places that take reads.",
             .traits = kHidden,
             .attrs = attr_type<TakeGradAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               check_integer(a.in[1], a.op, "indices");
               return {{Shape{std::span<const int64_t>(a.as<TakeGradAttrs>().shape)}, a.in[0].dtype}};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (!a.dy[0].defined() || !a.need(0)) return;
                   dx[0] = ops::take(a.dy[0], a.in[1], a.as<TakeGradAttrs>().axis);
                 },
             .saves = save_in(1)});
}

// ---- take_along_axis

Tensors decompose_take_along_axis(std::span<const Tensor> in, const void* attrs) {
  const auto& axis_attr = static_cast<const OptAxisAttrs*>(attrs)->axis;
  Tensor x = in[0], indices = in[1];
  check_integer(indices.spec(), "take_along_axis", "indices");
  if (!axis_attr) {
    x = ops::ravel(x);
    indices = ops::ravel(indices);
  }
  if (x.rank() != indices.rank()) {
    throw_value("[take_along_axis] expected indices of the input's rank ", x.rank(), ", received shape ",
                indices.shape().str(), ".");
  }
  const int axis = axis_attr ? normalize_axis(*axis_attr, x.rank(), "take_along_axis") : 0;
  Shape to_x = x.shape(), to_i = indices.shape();
  bool fits = true;
  for (int i = 0; i < x.rank(); ++i) {
    if (i == axis) continue;
    if (to_x[i] == 1) to_x[i] = to_i[i];
    if (to_i[i] == 1) to_i[i] = to_x[i];
    fits = fits && (to_x[i] == to_i[i] || to_x[i] == kUnknown || to_i[i] == kUnknown);
  }
  if (!fits) {
    throw_value("[take_along_axis] expected shapes that broadcast except on axis ", axis, ", received ",
                x.shape().str(), " and indices ", indices.shape().str(), ".");
  }
  static const OpDef& op = get_op("gather_axis");
  return {call1(op, {ops::broadcast_to(x, to_x), ops::broadcast_to(indices, to_i)}, GatherAxisAttrs{axis})};
}

void define_along_axis() {
  define_op({.name = "take_along_axis",
             .inputs = "x, indices",
             .doc = R"(Picks elements along an axis, with own indices for every line: y[i, j] = x[i, indices[i, j]].

indices: integer tensor of x's rank; other axes broadcast. axis: int, or None to flatten both.

Example:
>>> import tahr
>>> tahr.ops.take_along_axis(tahr.constant([[1, 2], [3, 4]]), tahr.constant([[1], [0]]), axis=1).tolist()
[[2], [3]])",
             .attrs = attr_type<OptAxisAttrs>(),
             .decompose = decompose_take_along_axis});
  define_op({.name = "gather_axis",
             .inputs = "x, indices",
             .doc = "take_along_axis for shapes that agree except on the axis.",
             .traits = kHidden,
             .attrs = attr_type<GatherAxisAttrs>(),
             .infer = [](const InferArgs& a) -> Specs { return {{a.in[1].shape, a.in[0].dtype}}; },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (!a.dy[0].defined() || !a.need(0)) return;
                   const int64_t axis = a.as<GatherAxisAttrs>().axis;
                   dx[0] =
                       ops::put_along_axis_grad(a.dy[0], a.in[1], a.in_specs[0].shape[static_cast<int>(axis)], axis);
                 },
             .saves = save_in(1)});
  define_op(
      {.name = "gather_axis_grad",
       .inputs = "dy, indices",
       .doc = "Zeros with `size` elements on the axis, to which dy is added at the places that gather_axis reads.",
       .traits = kHidden,
       .attrs = attr_type<GatherAxisGradAttrs>(),
       .infer = [](const InferArgs& a) -> Specs {
         const auto& at = a.as<GatherAxisGradAttrs>();
         Spec out = a.in[0];
         out.shape[static_cast<int>(at.axis)] = at.size;
         return {out};
       },
       .vjp =
           [](const VjpArgs& a, std::span<Tensor> dx) {
             if (!a.dy[0].defined() || !a.need(0)) return;
             static const OpDef& op = get_op("gather_axis");
             dx[0] = call1(op, {a.dy[0], a.in[1]}, GatherAxisAttrs{a.as<GatherAxisGradAttrs>().axis});
           },
       .saves = save_in(1)});
}

// ---- gather and scatter by coordinates

// indices (..., k) address the first k axes of `whole`; the result is the shape of the values: (..., rest of whole).
Shape values_shape(const Spec& indices, const Shape& whole, const char* op) {
  check_integer(indices, op, "indices");
  const int rank = indices.shape.rank();
  const int64_t k = rank ? indices.shape.back() : kUnknown;
  if (rank == 0 || k == kUnknown || k > whole.rank()) {
    throw_value("[", op, "] expected indices whose last axis holds coordinates (at most ", whole.rank(),
                " of them for shape ", whole.str(), "), received indices of shape ", indices.shape.str(), ".");
  }
  Shape out;
  for (int i = 0; i + 1 < rank; ++i) out.push_back(indices.shape[i]);
  for (int i = static_cast<int>(k); i < whole.rank(); ++i) out.push_back(whole[i]);
  return out;
}

void check_values(const Shape& values, const Shape& expected, const char* op) {
  bool fits = values.rank() == expected.rank();
  for (int i = 0; fits && i < values.rank(); ++i) {
    fits = values[i] == expected[i] || values[i] == kUnknown || expected[i] == kUnknown;
  }
  if (!fits) throw_value("[", op, "] expected values of shape ", expected.str(), ", received ", values.str(), ".");
}

// Factors of products, for the gradient of each: the product of the others, zeros among them or not. (The gradient of
// this gradient leaves out pairs with a zero.)
struct Factors {
  explicit Factors(const Tensor& x) {
    const Tensor zero = ops::binary("equal", x, ops::zeros_like(x));
    zeros = ops::cast(zero, x.dtype());
    others = ops::where(zero, ops::ones_like(x), x);
  }
  // `dy`: the cotangent of each factor's product, times its factors that are not 0; `count`: how many are.
  Tensor gradient(const Tensor& dy, const Tensor& count) const {
    const Tensor none_but_itself = ops::binary("equal", count, zeros);
    return ops::where(none_but_itself, ops::divide(dy, others), ops::zeros_like(others));
  }
  Tensor zeros, others;
};

void scatter_update_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.dy[0].defined()) return;
  const std::string& reduction = a.as<ScatterUpdateAttrs>().reduction;
  const Tensor &dy = a.dy[0], &indices = a.in[1];
  const Spec& updates = a.in_specs[2];
  if (reduction.empty()) {
    if (a.need(0)) dx[0] = ops::scatter_update(dy, indices, Tensor::zeros(updates.shape, updates.dtype));
    if (a.need(2)) {
      // Of several updates of one place only the last counts.
      static const OpDef& last = get_op("scatter_last");
      const Tensor counts = call1(last, {indices}, ShapeAttrs{dims_of(a.in_specs[0].shape)});
      Shape s = counts.shape();
      while (s.rank() < updates.shape.rank()) s.push_back(1);
      dx[2] = ops::multiply(ops::gather_nd(dy, indices), ops::cast(ops::reshape(counts, s), dy.dtype()));
    }
    return;
  }
  if (reduction == "add") {
    if (a.need(0)) dx[0] = dy;
    if (a.need(2)) dx[2] = ops::gather_nd(dy, indices);
    return;
  }
  const Tensor &x = a.in[0], &u = a.in[2], &y = a.out[0];
  if (reduction == "mul") {
    if (a.need(0)) {
      const Tensor factor = ops::scatter_update(ops::ones_like(x), indices, u, "mul");
      dx[0] = ops::multiply(dy, factor);
    }
    if (a.need(2)) {
      const Factors from_x(x), from_u(u);
      const Tensor product = ops::scatter_update(from_x.others, indices, from_u.others, "mul");
      const Tensor zeros = ops::scatter_update(from_x.zeros, indices, from_u.zeros, "add");
      dx[2] = from_u.gradient(ops::gather_nd(ops::multiply(dy, product), indices), ops::gather_nd(zeros, indices));
    }
    return;
  }
  // max, min: all that equal the result share its cotangent evenly.
  const Tensor from_x = ops::cast(ops::binary("equal", x, y), dy.dtype());
  const Tensor from_u = ops::cast(ops::binary("equal", u, ops::gather_nd(y, indices)), dy.dtype());
  const Tensor share = ops::divide(dy, ops::scatter_update(from_x, indices, from_u, "add"));
  if (a.need(0)) dx[0] = ops::multiply(share, from_x);
  if (a.need(2)) dx[2] = ops::multiply(ops::gather_nd(share, indices), from_u);
}

void define_scatters() {
  define_op({.name = "gather_nd",
             .inputs = "x, indices",
             .doc = "Picks x[indices[..., 0], indices[..., 1], ...]; indices (..., k) address the first k axes of x.",
             .traits = kHidden,
             .infer = [](const InferArgs& a) -> Specs {
               return {{values_shape(a.in[1], a.in[0].shape, a.op), a.in[0].dtype}};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (a.dy[0].defined() && a.need(0)) dx[0] = ops::scatter(a.in[1], a.dy[0], a.in_specs[0].shape);
                 },
             .saves = save_in(1)});
  define_op({.name = "scatter",
             .inputs = "indices, values",
             .doc = R"(Zeros with values added at the places that indices name. Values for one place add up.

indices: integer tensor (..., k), coordinates on the first k axes of the result. values: tensor of shape
indices.shape[:-1] + shape[k:]. shape: tuple, the shape of the result.

Example:
>>> import tahr
>>> tahr.ops.scatter(tahr.constant([[0], [2], [2]]), tahr.constant([1, 2, 3]), (4,)).tolist()
[1, 0, 5, 0])",
             .attrs = attr_type<ShapeAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               const Shape shape{std::span<const int64_t>(a.as<ShapeAttrs>().shape)};
               check_values(a.in[1].shape, values_shape(a.in[0], shape, a.op), a.op);
               return {{shape, a.in[1].dtype}};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (a.dy[0].defined() && a.need(1)) dx[1] = ops::gather_nd(a.dy[0], a.in[0]);
                 },
             .saves = save_in(0)});
  define_op({.name = "scatter_update",
             .inputs = "inputs, indices, updates",
             .doc = R"(A copy of a tensor with updates put in at the places that indices name.

indices: integer tensor (..., k), coordinates on the first k axes. updates: tensor of shape
indices.shape[:-1] + inputs.shape[k:]. reduction: None (the last update of a place stays), "add", "mul", "max" or "min".

Example:
>>> import tahr
>>> tahr.ops.scatter_update(tahr.constant([1, 1, 1]), tahr.constant([[1]]), tahr.constant([5])).tolist()
[1, 5, 1])",
             .attrs = attr_type<ScatterUpdateAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               const std::string& r = a.as<ScatterUpdateAttrs>().reduction;
               if (!r.empty() && r != "add" && r != "mul" && r != "max" && r != "min") {
                 throw_value("[", a.op, "] expected reduction None, 'add', 'mul', 'max' or 'min', received '", r, "'.");
               }
               check_values(a.in[2].shape, values_shape(a.in[1], a.in[0].shape, a.op), a.op);
               if (a.in[0].dtype != a.in[2].dtype) {
                 throw_type("[", a.op, "] expected updates of dtype ", name_of(a.in[0].dtype), ", received ",
                            name_of(a.in[2].dtype), ". Cast them.");
               }
               return {a.in[0]};
             },
             .vjp = scatter_update_vjp,
             .saves = kSaveAllInputs | save_out(0)});
  define_op({.name = "scatter_last",
             .inputs = "indices",
             .doc = "True for each coordinate of indices that no later one repeats.",
             .traits = kHidden | kNoGradient,
             .attrs = attr_type<ShapeAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               Shape s = a.in[0].shape;
               s.erase(s.rank() - 1);
               return {{s, DType::Bool}};
             }});
}

// ---- one-hot and friends

void check_classes(const OneHotAttrs& at, const char* op) {
  if (at.sparse) {
    throw Error(ErrorKind::NotImplemented,
                concat("[", op, "] expected sparse=False, received True. Tensors are dense."));
  }
  if (at.num_classes < 1) throw_value("[", op, "] expected num_classes of at least 1, received ", at.num_classes, ".");
}

Tensors decompose_multi_hot(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const OneHotAttrs*>(attrs);
  check_classes(at, "multi_hot");
  const Tensor hot = ops::one_hot(in[0], at.num_classes, at.axis, DType::Int32);
  const Tensor counts = ops::sum(hot, Axes(Ints{in[0].rank() > 1 ? 1 : 0}), false);
  return {ops::cast(ops::cast(counts, DType::Bool), at.dtype.value_or(floatx()))};
}

void define_one_hot() {
  define_op(
      {.name = "one_hot",
       .inputs = "x",
       .doc = R"(A vector per integer, 1 at its place and 0 elsewhere; all 0 for integers outside [0, num_classes).

axis: where the axis of the classes goes. dtype: floatx by default.

Example:
>>> import tahr
>>> tahr.ops.one_hot(tahr.constant([2, 0]), 3, dtype="int32").tolist()
[[0, 0, 1], [1, 0, 0]])",
       .traits = kNoGradient,
       .attrs = attr_type<OneHotAttrs>(),
       .infer = [](const InferArgs& a) -> Specs {
         const auto& at = a.as<OneHotAttrs>();
         check_integer(a.in[0], a.op, "x");
         check_classes(at, a.op);
         Shape s = a.in[0].shape;
         s.insert(normalize_axis(at.axis, s.rank() + 1, a.op), at.num_classes);
         return {{s, at.dtype.value_or(floatx())}};
       }});
  define_op({.name = "multi_hot",
             .inputs = "inputs",
             .doc = R"(1 for each class that occurs in a sample, 0 for the others.

inputs: integers of shape (batch, length) or (length,). Returns (batch, num_classes) or (num_classes,).

Example:
>>> import tahr
>>> tahr.ops.multi_hot(tahr.constant([[0, 2, 2]]), 4, dtype="int32").tolist()
[[1, 0, 1, 0]])",
             .traits = kNoGradient,
             .attrs = attr_type<OneHotAttrs>(),
             .decompose = decompose_multi_hot});
}

// ---- segments

Specs infer_segment(const InferArgs& a) {
  const auto& at = a.as<SegmentAttrs>();
  check_integer(a.in[1], a.op, "segment_ids");
  Spec out = a.in[0];
  const Shape& ids = a.in[1].shape;
  if (ids.rank() != 1 || out.shape.rank() == 0 ||
      (ids[0] != out.shape[0] && ids[0] != kUnknown && out.shape[0] != kUnknown)) {
    throw_value("[", a.op, "] expected one segment id per row of data of shape ", out.shape.str(), ", received shape ",
                ids.str(), ".");
  }
  const bool concrete = a.has(1) && !a.values[1].is_symbolic();
  out.shape[0] = at.num_segments ? *at.num_segments : concrete ? max_index(a.values[1]) + 1 : kUnknown;
  return {out};
}

// The rows of `per_segment` that belong to each row of the data; zeros for negative ids.
Tensor spread(const Tensor& per_segment, const Tensor& ids) {
  static const OpDef& op = get_op("segment_spread");
  return call1(op, {per_segment, ids});
}

void segment_sum_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (a.dy[0].defined() && a.need(0)) dx[0] = spread(a.dy[0], a.in[1]);
}

// For gradients. As many segments as the op had whose gradient it is: what a trace does not know, ids will tell again.
SegmentAttrs segments_of(int64_t count) {
  return {count == kUnknown ? std::nullopt : std::optional<int64_t>(count), false};
}
Tensor segment_sum(const Tensor& x, const Tensor& ids, int64_t segments) {
  static const OpDef& op = get_op("segment_sum");
  return call1(op, {x, ids}, segments_of(segments));
}

void segment_extreme_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.dy[0].defined() || !a.need(0)) return;
  const Tensor &x = a.in[0], &ids = a.in[1], &dy = a.dy[0];
  const Tensor best = ops::cast(ops::binary("equal", x, spread(a.out[0], ids)), dy.dtype());
  const Tensor ties = spread(segment_sum(best, ids, dy.dim(0)), ids);
  // Rows of no segment have no ties; whatever divides them, their cotangent is zero.
  dx[0] = ops::divide(ops::multiply(spread(dy, ids), best), ops::binary("maximum", ties, ops::ones_like(ties)));
}

void segment_prod_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.dy[0].defined() || !a.need(0)) return;
  static const OpDef& op = get_op("segment_prod");
  const Tensor &ids = a.in[1], &dy = a.dy[0];
  const Factors x(a.in[0]);
  const Tensor product = call1(op, {x.others, ids}, segments_of(dy.dim(0)));
  dx[0] = x.gradient(spread(ops::multiply(dy, product), ids), spread(segment_sum(x.zeros, ids, dy.dim(0)), ids));
}

void define_segment(const char* name, const char* what, const char* example, VjpFn vjp, uint32_t saves) {
  define_op({.name = name,
             .inputs = "data, segment_ids",
             .doc = concat(what, R"(

data: tensor (n, ...). segment_ids: integers (n,); rows with a negative id are left out.
num_segments: rows of the result; by default the largest id plus one. sorted: whether the ids ascend (a hint only).
Returns a tensor (num_segments, ...).

Example:
>>> import tahr
>>> tahr.ops.)",
                           name, "(tahr.constant([1., 2., 3.]), tahr.constant([0, 1, 1])).tolist()\n", example),
             .attrs = attr_type<SegmentAttrs>(),
             .infer = infer_segment,
             .vjp = vjp,
             .saves = saves});
}

void define_segments() {
  define_segment("segment_sum", "Sums the rows of each segment.", "[1.0, 5.0]", segment_sum_vjp, save_in(1));
  define_segment("segment_max", "The largest values of each segment; -inf for an empty one.", "[1.0, 3.0]",
                 segment_extreme_vjp, kSaveAllInputs | save_out(0));
  define_segment("segment_min", "The smallest values of each segment; inf for an empty one.", "[1.0, 2.0]",
                 segment_extreme_vjp, kSaveAllInputs | save_out(0));
  define_segment("segment_prod", "Multiplies the rows of each segment.", "[1.0, 6.0]", segment_prod_vjp,
                 kSaveAllInputs);
  define_op({.name = "segment_spread",
             .inputs = "x, segment_ids",
             .doc = "Row segment_ids[i] of x for each i; zeros for negative ids.",
             .traits = kHidden,
             .infer = [](const InferArgs& a) -> Specs {
               Spec out = a.in[0];
               out.shape[0] = a.in[1].shape[0];
               return {out};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (a.dy[0].defined() && a.need(0)) dx[0] = segment_sum(a.dy[0], a.in[1], a.in_specs[0].shape[0]);
                 },
             .saves = save_in(1)});
}

// ---- coordinates of what is true

void define_nonzero() {
  define_op({.name = "nonzero",
             .inputs = "x",
             .doc = R"(The coordinates of the elements that are not zero, one int32 tensor per axis, in row-major order.

The length depends on the values, so it is unknown while tracing.

Example:
>>> import tahr
>>> [t.tolist() for t in tahr.ops.nonzero(tahr.constant([[0, 2], [3, 0]]))]
[[0, 1], [1, 0]])",
             .traits = kNoGradient,
             .infer = [](const InferArgs& a) -> Specs {
               return Specs(static_cast<size_t>(a.in[0].shape.rank()), Spec{{kUnknown}, DType::Int32});
             },
             .eager = [](std::span<const Tensor> in, const void*) -> Tensors {
               const Tensor x = on_host(in[0]);
               Ints found;
               visit_dtype(x.dtype(), [&]<class T>() {
                 const T* p = x.data<T>();
                 for (int64_t i = 0; i < x.size(); ++i) {
                   if (load_as(p[i]) != 0) found.push_back(i);
                 }
               });
               const auto strides = contiguous_strides(x.shape());
               Tensors out;
               for (int d = 0; d < x.rank(); ++d) {
                 out.push_back(Tensor::empty({static_cast<int64_t>(found.size())}, DType::Int32));
                 auto* to = out.back().mutable_data<int32_t>();
                 for (size_t i = 0; i < found.size(); ++i)
                   to[i] = static_cast<int32_t>(found[i] / strides[d] % x.dim(d));
                 out.back() = to_device(out.back(), in[0].device());
               }
               return out;
             },
             .outputs = -1});
  define_op({.name = "argwhere",
             .inputs = "x",
             .doc = R"(The coordinates of the elements that are not zero, one row each: int32 (count, rank).

Example:
>>> import tahr
>>> tahr.ops.argwhere(tahr.constant([[0, 2], [3, 0]])).tolist()
[[0, 1], [1, 0]])",
             .traits = kNoGradient,
             .decompose = [](std::span<const Tensor> in, const void*) -> Tensors {
               if (in[0].rank() == 0) throw_value("[argwhere] expected a tensor of rank 1 or more, received a scalar.");
               return {ops::stack(ops::nonzero(in[0]), 1)};
             }});
  define_op({.name = "unravel_index",
             .inputs = "indices",
             .doc = R"(Coordinates, one tensor per axis, of flat indices into a tensor of the given shape.

Example:
>>> import tahr
>>> [t.tolist() for t in tahr.ops.unravel_index(tahr.constant([1, 5]), (2, 3))]
[[0, 1], [1, 2]])",
             .traits = kNoGradient,
             .attrs = attr_type<ShapeAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               check_integer(a.in[0], a.op, "indices");
               return Specs(a.as<ShapeAttrs>().shape.size(), a.in[0]);
             },
             .outputs = -1});
}

}  // namespace

void define_array_gather_ops() {
  define_takes();
  define_along_axis();
  define_scatters();
  define_one_hot();
  define_segments();
  define_nonzero();
}

namespace ops {

Tensor take(const Tensor& x, const Tensor& indices, std::optional<int64_t> axis) {
  static const OpDef& op = get_op("take");
  return call1(op, {x, indices}, OptAxisAttrs{axis});
}
Tensor take_grad(const Tensor& dy, const Tensor& indices, const Shape& shape, std::optional<int64_t> axis) {
  static const OpDef& op = get_op("take_grad");
  return call1(op, {dy, indices}, TakeGradAttrs{dims_of(shape), axis});
}
Tensor take_along_axis(const Tensor& x, const Tensor& indices, std::optional<int64_t> axis) {
  static const OpDef& op = get_op("take_along_axis");
  return call1(op, {x, indices}, OptAxisAttrs{axis});
}
Tensor put_along_axis_grad(const Tensor& dy, const Tensor& indices, int64_t size, int64_t axis) {
  static const OpDef& op = get_op("gather_axis_grad");
  return call1(op, {dy, indices}, GatherAxisGradAttrs{size, normalize_axis(axis, dy.rank(), "gather_axis_grad")});
}
Tensor gather_nd(const Tensor& x, const Tensor& indices) {
  static const OpDef& op = get_op("gather_nd");
  return call1(op, {x, indices});
}
Tensor scatter(const Tensor& indices, const Tensor& values, const Shape& shape) {
  static const OpDef& op = get_op("scatter");
  return call1(op, {indices, values}, ShapeAttrs{dims_of(shape)});
}
Tensor scatter_update(const Tensor& x, const Tensor& indices, const Tensor& updates, const std::string& reduction) {
  static const OpDef& op = get_op("scatter_update");
  return call1(op, {x, indices, updates}, ScatterUpdateAttrs{reduction});
}
Tensor one_hot(const Tensor& x, int64_t num_classes, int64_t axis, DType dtype) {
  static const OpDef& op = get_op("one_hot");
  return call1(op, {x}, OneHotAttrs{num_classes, axis, dtype, false});
}
Tensors nonzero(const Tensor& x) {
  static const OpDef& op = get_op("nonzero");
  return call(op, std::span(&x, 1), nullptr);
}

}  // namespace ops
}  // namespace tahr
