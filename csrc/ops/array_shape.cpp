// Views (reshape and its kin share storage), transpose, broadcasting and repetition.
#include <algorithm>
#include <numeric>

#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

Ints dims_of(const Shape& s) { return {s.begin(), s.end()}; }

// ---- views

Shape reshaped(const Shape& in, const Ints& to, const char* op) {
  Shape out{std::span<const int64_t>(to)};
  int free = -1;
  int64_t known = 1;
  for (int i = 0; i < out.rank(); ++i) {
    if (out[i] < -1) {
      throw_value("[", op, "] expected sizes of at least 0 (or one -1), received newshape ", out.str(), ".");
    }
    if (out[i] >= 0) {
      known *= out[i];
    } else if (free >= 0) {
      throw_value("[", op, "] expected at most one -1 in newshape, received several in ", out.str(), ".");
    } else {
      free = i;
    }
  }
  const int64_t size = in.size();
  if (size == kUnknown) return out;
  if (free >= 0 && known > 0 && size % known == 0) {
    out[free] = size / known;
  } else if (free >= 0 ? known != 0 || size != 0 : size != known) {
    throw_value("[", op, "] expected a newshape with ", size, " elements for input of shape ", in.str(), ", received ",
                out.str(), ".");
  } else if (free >= 0) {
    throw_value("[", op, "] expected a newshape without -1 beside a 0, received ", out.str(),
                ". Write the size that -1 stands for.");
  }
  return out;
}

Shape expanded(const Shape& in, const Axes& axis, const char* op) {
  const int rank = in.rank() + static_cast<int>(axis.list.size());
  const std::vector<int> axes = normalize_axes(axis, rank, op);
  Shape out = in;
  for (int a : axes) out.insert(a, 1);
  return out;
}

Shape squeezed(const Shape& in, const Axes& axis, const char* op) {
  Shape out;
  std::vector<int> axes = normalize_axes(axis, in.rank(), op);
  for (int i = 0; i < in.rank(); ++i) {
    const bool named = std::binary_search(axes.begin(), axes.end(), i);
    if (named && !axis.all && in[i] != 1 && in[i] != kUnknown) {
      throw_value("[", op, "] expected size 1 on the axes to drop, received ", in[i], " on axis ", i, " of shape ",
                  in.str(), ".");
    }
    if (!named || (axis.all && in[i] != 1)) out.push_back(in[i]);
  }
  return out;
}

Shape raveled(const Shape& in) { return {in.size()}; }

void view_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (a.dy[0].defined()) dx[0] = ops::reshape(a.dy[0], a.in_specs[0].shape);
}

void define_views() {
  define_op({.name = "reshape",
             .inputs = "x",
             .doc = R"(Gives the elements of x, in row-major order, a new shape. The result shares x's memory.

newshape: tuple of sizes with the same product as x's shape; one of them may be -1 and is then worked out.

Example:
>>> import tahr
>>> tahr.ops.reshape(tahr.ops.zeros((2, 6)), (3, -1)).shape
(3, 4))",
             .traits = kView,
             .attrs = attr_type<ReshapeAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               return {{reshaped(a.in[0].shape, a.as<ReshapeAttrs>().newshape, a.op), a.in[0].dtype}};
             },
             .vjp = view_vjp,
             .eager = [](std::span<const Tensor> in, const void* attrs) -> Tensors {
               const auto& to = static_cast<const ReshapeAttrs*>(attrs)->newshape;
               return {in[0].with_shape(reshaped(in[0].shape(), to, "reshape"))};
             }});
  define_op({.name = "expand_dims",
             .inputs = "x",
             .doc = R"(Inserts axes of size 1.

axis: int or tuple of ints, positions of the new axes in the result.

Example:
>>> import tahr
>>> tahr.ops.expand_dims(tahr.ops.zeros((2, 3)), -1).shape
(2, 3, 1))",
             .traits = kView,
             .attrs = attr_type<RequiredAxisAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               return {{expanded(a.in[0].shape, a.as<RequiredAxisAttrs>().axis, a.op), a.in[0].dtype}};
             },
             .vjp = view_vjp,
             .eager = [](std::span<const Tensor> in, const void* attrs) -> Tensors {
               const auto& axis = static_cast<const RequiredAxisAttrs*>(attrs)->axis;
               return {in[0].with_shape(expanded(in[0].shape(), axis, "expand_dims"))};
             }});
  define_op({.name = "squeeze",
             .inputs = "x",
             .doc = R"(Drops axes of size 1: all of them, or those named.

axis: None, int or tuple of ints.

Example:
>>> import tahr
>>> tahr.ops.squeeze(tahr.ops.zeros((1, 3, 1))).shape
(3,))",
             .traits = kView,
             .attrs = attr_type<AxisAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               return {{squeezed(a.in[0].shape, a.as<AxisAttrs>().axis, a.op), a.in[0].dtype}};
             },
             .vjp = view_vjp,
             .eager = [](std::span<const Tensor> in, const void* attrs) -> Tensors {
               const auto& axis = static_cast<const AxisAttrs*>(attrs)->axis;
               return {in[0].with_shape(squeezed(in[0].shape(), axis, "squeeze"))};
             }});
  define_op({.name = "ravel",
             .inputs = "x",
             .doc = R"(Flattens x to one axis, in row-major order.

Example:
>>> import tahr
>>> tahr.ops.ravel(tahr.ops.zeros((2, 3))).shape
(6,))",
             .traits = kView,
             .infer = [](const InferArgs& a) -> Specs { return {{raveled(a.in[0].shape), a.in[0].dtype}}; },
             .vjp = view_vjp,
             .eager = [](std::span<const Tensor> in, const void*) -> Tensors {
               return {in[0].with_shape(raveled(in[0].shape()))};
             }});
  define_op(
      {.name = "remat_barrier",
       .inputs = "x",
       .doc = "x itself, as a value that graphs take for another one: what is computed from it is computed again.",
       .traits = kView | kRandom | kHidden,
       .infer = [](const InferArgs& a) -> Specs { return {a.in[0]}; },
       .vjp = view_vjp,
       .eager = [](std::span<const Tensor> in, const void*) -> Tensors { return {in[0].with_shape(in[0].shape())}; }});
}

// ---- transpose

// The permutation that `axes` asks for; reversal when None.
Ints permutation(const std::optional<Ints>& axes, int rank, const char* op) {
  Ints perm(static_cast<size_t>(rank));
  if (!axes) {
    for (int i = 0; i < rank; ++i) perm[i] = rank - 1 - i;
    return perm;
  }
  uint32_t seen = 0;
  if (static_cast<int>(axes->size()) == rank) {
    for (int i = 0; i < rank; ++i) {
      perm[i] = normalize_axis((*axes)[i], rank, op);
      seen |= 1u << perm[i];
    }
  }
  if (static_cast<int>(axes->size()) != rank || seen != (1u << rank) - 1) {
    throw_value("[", op, "] expected axes to name each of the ", rank, " axes of the input once, received ",
                attr_value_str(AttrKind::IntList, &*axes), ".");
  }
  return perm;
}

Tensors decompose_swapaxes(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const SwapaxesAttrs*>(attrs);
  Ints perm(in[0].rank());
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[normalize_axis(at.axis1, in[0].rank(), "swapaxes")],
            perm[normalize_axis(at.axis2, in[0].rank(), "swapaxes")]);
  return {ops::transpose(in[0], perm)};
}

Tensors decompose_moveaxis(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const MoveaxisAttrs*>(attrs);
  const int rank = in[0].rank();
  if (at.source.size() != at.destination.size()) {
    throw_value("[moveaxis] expected as many destinations as sources, received ", at.source.size(), " sources and ",
                at.destination.size(), " destinations.");
  }
  Ints perm(rank, -1);
  uint32_t moved = 0;
  for (size_t i = 0; i < at.source.size(); ++i) {
    const int s = normalize_axis(at.source[i], rank, "moveaxis"),
              d = normalize_axis(at.destination[i], rank, "moveaxis");
    if (perm[d] >= 0 || (moved >> s & 1)) {
      throw_value("[moveaxis] expected distinct axes, received source ", attr_value_str(AttrKind::IntList, &at.source),
                  " and destination ", attr_value_str(AttrKind::IntList, &at.destination), ".");
    }
    perm[d] = s;
    moved |= 1u << s;
  }
  int next = 0;
  for (int64_t& p : perm) {
    if (p >= 0) continue;
    while (moved >> next & 1) ++next;
    p = next++;
  }
  return {ops::transpose(in[0], perm)};
}

void define_transposes() {
  define_op({.name = "transpose",
             .inputs = "x",
             .doc = R"(Permutes the axes of x; axis i of the result is axis axes[i] of x.

axes: None (reverse them) or a permutation of x's axes.

Example:
>>> import tahr
>>> tahr.ops.transpose(tahr.ops.zeros((2, 3, 4)), (0, 2, 1)).shape
(2, 4, 3))",
             .attrs = attr_type<TransposeAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               const Shape& s = a.in[0].shape;
               Spec out = a.in[0];
               const Ints perm = permutation(a.as<TransposeAttrs>().axes, s.rank(), a.op);
               for (int i = 0; i < s.rank(); ++i) out.shape[i] = s[static_cast<int>(perm[i])];
               return {out};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (!a.dy[0].defined()) return;
                   const Ints perm = permutation(a.as<TransposeAttrs>().axes, a.in_specs[0].shape.rank(), "transpose");
                   Ints inverse(perm.size());
                   for (size_t i = 0; i < perm.size(); ++i) inverse[perm[i]] = static_cast<int64_t>(i);
                   dx[0] = ops::transpose(a.dy[0], inverse);
                 }});
  define_op({.name = "swapaxes",
             .inputs = "x",
             .doc = R"(Exchanges two axes.

Example:
>>> import tahr
>>> tahr.ops.swapaxes(tahr.ops.zeros((2, 3, 4)), 0, -1).shape
(4, 3, 2))",
             .attrs = attr_type<SwapaxesAttrs>(),
             .decompose = decompose_swapaxes});
  define_op({.name = "moveaxis",
             .inputs = "x",
             .doc = R"(Moves axes to new places; the others keep their order.

source, destination: int or tuples of the same length.

Example:
>>> import tahr
>>> tahr.ops.moveaxis(tahr.ops.zeros((2, 3, 4)), 0, -1).shape
(3, 4, 2))",
             .attrs = attr_type<MoveaxisAttrs>(),
             .decompose = decompose_moveaxis});
}

// ---- broadcasting and repetition

Shape broadcast_target(const Shape& in, const Ints& to, const char* op) {
  Shape out{std::span<const int64_t>(to)};
  const int extra = out.rank() - in.rank();
  bool fits = extra >= 0;
  for (int i = 0; fits && i < in.rank(); ++i) {
    int64_t& d = out[i + extra];
    if (d == -1) d = in[i];
    fits = in[i] == 1 || in[i] == kUnknown || in[i] == d || d == kUnknown;
  }
  for (int i = 0; fits && i < out.rank(); ++i) fits = out[i] >= 0 || (out[i] == kUnknown && i >= extra);
  if (!fits) {
    throw_value("[", op, "] expected a shape that ", in.str(), " broadcasts to, received ",
                attr_value_str(AttrKind::IntList, &to), ". Sizes must be equal or 1 in the input, from the last axis.");
  }
  return out;
}

// x's shape with leading ones, and the repeats with leading ones, at their common rank.
void tile_dims(const Shape& in, const Ints& repeats, Shape* shape, Ints* reps, const char* op) {
  for (int64_t r : repeats) {
    if (r < 0) throw_value("[", op, "] expected repeats of at least 0, received ", r, ".");
  }
  const int rank = std::max<int>(in.rank(), static_cast<int>(repeats.size()));
  *reps = Ints(rank - repeats.size(), 1);
  reps->insert(reps->end(), repeats.begin(), repeats.end());
  Ints dims(rank - in.rank(), 1);
  dims.insert(dims.end(), in.begin(), in.end());
  *shape = Shape{std::span<const int64_t>(dims)};
}

// The cotangent of tiling: one axis at a time, the copies are an axis of their own and are summed.
void tile_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.dy[0].defined()) return;
  Shape shape;
  Ints reps;
  tile_dims(a.in_specs[0].shape, a.as<TileAttrs>().repeats, &shape, &reps, "tile");
  Tensor d = a.dy[0];
  Shape now = d.shape();
  for (int i = 0; i < shape.rank(); ++i) {
    if (reps[i] == 1) continue;
    now[i] = shape[i];
    int64_t outer = 1, inner = 1;
    for (int j = 0; j < i; ++j) outer *= now[j];
    for (int j = i; j < now.rank(); ++j) inner *= now[j];
    d = ops::sum(ops::reshape(d, {outer, reps[i], inner}), Axes(Ints{1}), false);
  }
  dx[0] = ops::reshape(d, a.in_specs[0].shape);
}

Specs infer_repeat(const InferArgs& a) {
  const auto& at = a.as<RepeatAttrs>();
  Shape s = at.axis ? a.in[0].shape : raveled(a.in[0].shape);
  const int axis = at.axis ? normalize_axis(*at.axis, s.rank(), a.op) : 0;
  for (int64_t r : at.repeats) {
    if (r < 0) throw_value("[", a.op, "] expected repeats of at least 0, received ", r, ".");
  }
  const auto count = static_cast<int64_t>(at.repeats.size());
  if (count != 1 && s[axis] != kUnknown && count != s[axis]) {
    throw_value("[", a.op, "] expected one number of repeats, or ", s[axis], " (the size of the axis), received ",
                count, ".");
  }
  if (count != 1) {
    s[axis] = std::accumulate(at.repeats.begin(), at.repeats.end(), int64_t{0});
  } else if (s[axis] != kUnknown) {
    s[axis] *= at.repeats[0];
  }
  return {{s, a.in[0].dtype}};
}

void repeat_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.dy[0].defined()) return;
  const auto& at = a.as<RepeatAttrs>();
  const Shape& s = a.in_specs[0].shape;
  const Shape flat = at.axis ? s : raveled(s);
  const int axis = at.axis ? normalize_axis(*at.axis, s.rank(), "repeat") : 0;
  if (at.repeats.size() == 1) {
    const AxisView v = view_axis(flat, axis);
    const Tensor parts = ops::reshape(a.dy[0], {v.outer * v.n, at.repeats[0], v.inner});
    dx[0] = ops::reshape(ops::sum(parts, Axes(Ints{1}), false), s);
    return;
  }
  Ints source;
  for (size_t i = 0; i < at.repeats.size(); ++i) source.insert(source.end(), at.repeats[i], static_cast<int64_t>(i));
  dx[0] = ops::reshape(ops::take_grad(a.dy[0], index_tensor_of(source), flat, axis), s);
}

void define_repetitions() {
  define_op({.name = "broadcast_to",
             .inputs = "x",
             .doc = R"(Repeats x along axes of size 1, and along new leading axes, until it has the shape.

shape: tuple of sizes; -1 keeps the size of x.

Example:
>>> import tahr
>>> tahr.ops.broadcast_to(tahr.ops.ones((3, 1)), (2, 3, 4)).shape
(2, 3, 4))",
             .attrs = attr_type<ShapeAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               return {{broadcast_target(a.in[0].shape, a.as<ShapeAttrs>().shape, a.op), a.in[0].dtype}};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (a.dy[0].defined()) dx[0] = ops::unbroadcast(a.dy[0], a.in_specs[0].shape);
                 }});
  define_op({.name = "tile",
             .inputs = "x",
             .doc = R"(Lays copies of x side by side.

repeats: int or tuple, copies per axis, counted from the last axis.

Example:
>>> import tahr
>>> tahr.ops.tile(tahr.ops.ones((2, 3)), (2, 1)).shape
(4, 3))",
             .attrs = attr_type<TileAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               Shape s;
               Ints reps;
               tile_dims(a.in[0].shape, a.as<TileAttrs>().repeats, &s, &reps, a.op);
               for (int i = 0; i < s.rank(); ++i) {
                 if (s[i] != kUnknown) s[i] *= reps[i];
               }
               return {{s, a.in[0].dtype}};
             },
             .vjp = tile_vjp});
  define_op({.name = "repeat",
             .inputs = "x",
             .doc = R"(Repeats each element, or each slice along an axis.

repeats: int, or one int per slice. axis: int, or None to flatten x first.

Example:
>>> import tahr
>>> tahr.ops.repeat(tahr.ops.ones((2, 3)), 2, axis=1).shape
(2, 6))",
             .attrs = attr_type<RepeatAttrs>(),
             .infer = infer_repeat,
             .vjp = repeat_vjp});
}

}  // namespace

void define_array_shape_ops() {
  define_views();
  define_transposes();
  define_repetitions();
}

namespace ops {

Tensor reshape(const Tensor& x, const Shape& shape) {
  static const OpDef& op = get_op("reshape");
  return call1(op, {x}, ReshapeAttrs{dims_of(shape)});
}
Tensor expand_dims(const Tensor& x, const Ints& axes) {
  static const OpDef& op = get_op("expand_dims");
  return call1(op, {x}, RequiredAxisAttrs{Axes(axes)});
}
Tensor squeeze(const Tensor& x, const Axes& axes) {
  static const OpDef& op = get_op("squeeze");
  return call1(op, {x}, AxisAttrs{axes});
}
Tensor ravel(const Tensor& x) {
  static const OpDef& op = get_op("ravel");
  return call1(op, {x});
}
Tensor transpose(const Tensor& x, const Ints& perm) {
  static const OpDef& op = get_op("transpose");
  return call1(op, {x}, TransposeAttrs{perm});
}
Tensor moveaxis(const Tensor& x, int64_t from, int64_t to) {
  static const OpDef& op = get_op("moveaxis");
  return call1(op, {x}, MoveaxisAttrs{{from}, {to}});
}
Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (!shape.fully_known()) {
    throw_value("[broadcast_to] expected a shape whose sizes are known, received ", shape.str(),
                " for a tensor of shape ", x.shape().str(),
                ". Sizes that depend on values are known only when a graph runs.");
  }
  static const OpDef& op = get_op("broadcast_to");
  return call1(op, {x}, ShapeAttrs{dims_of(shape)});
}

}  // namespace ops
}  // namespace tahr
