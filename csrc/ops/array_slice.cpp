// Slices, padding, and what is made of them: flips, rolls, diagonals, triangles.
#include <algorithm>
#include <numeric>

#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

// ---- strided slices (the base of NumPy indexing)

void check_slices(const Ints& begin, const Ints& end, const Ints& strides, int rank, const char* op) {
  if (begin.size() != end.size() || begin.size() != strides.size() || static_cast<int>(begin.size()) > rank) {
    throw_value("[", op, "] expected begin, end and strides of one length, at most the rank ", rank, ", received ",
                begin.size(), ", ", end.size(), " and ", strides.size(), ".");
  }
  for (int64_t s : strides) {
    if (s == 0) throw_value("[", op, "] expected slice steps other than 0, received 0.");
  }
}

Shape sliced(const Shape& in, const Ints& begin, const Ints& end, const Ints& strides, const char* op) {
  check_slices(begin, end, strides, in.rank(), op);
  Shape out = in;
  for (size_t i = 0; i < begin.size(); ++i) {
    int64_t& d = out[static_cast<int>(i)];
    if (d != kUnknown) {
      d = resolve_slice(begin[i], end[i], strides[i], d).count;
    } else if (strides[i] == 1 && begin[i] != kOpen && end[i] == (begin[i] == -1 ? kOpen : begin[i] + 1)) {
      d = 1;  // one index, which the axis is trusted to have
    }
  }
  return out;
}

Specs infer_strided_slice(const InferArgs& a) {
  const auto& at = a.as<StridedSliceAttrs>();
  return {{sliced(a.in[0].shape, at.begin, at.end, at.strides, a.op), a.in[0].dtype}};
}

void check_part(const Shape& part, const Shape& expected, const char* op) {
  if (part.rank() == expected.rank()) {
    bool fits = true;
    for (int i = 0; fits && i < part.rank(); ++i) {
      fits = part[i] == expected[i] || part[i] == kUnknown || expected[i] == kUnknown;
    }
    if (fits) return;
  }
  throw_value("[", op, "] expected values of the slice's shape ", expected.str(), ", received ", part.str(), ".");
}

void define_strided_slices() {
  define_op({.name = "strided_slice",
             .inputs = "x",
             .doc = "Takes x[begin:end:strides] on the leading axes, by Python's rules for slices.",
             .traits = kHidden,
             .attrs = attr_type<StridedSliceAttrs>(),
             .infer = infer_strided_slice,
             .vjp = [](const VjpArgs& a, std::span<Tensor> dx) {
               const auto& at = a.as<StridedSliceAttrs>();
               if (!a.dy[0].defined()) return;
               dx[0] = ops::strided_slice_grad(a.dy[0], a.in_specs[0].shape, at.begin, at.end, at.strides);
             }});
  define_op({.name = "strided_slice_grad",
             .inputs = "dy",
             .doc = "Zeros of the given shape, with dy in the place that strided_slice takes.",
             .traits = kHidden,
             .attrs = attr_type<StridedSliceGradAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               const auto& at = a.as<StridedSliceGradAttrs>();
               const Shape shape{std::span<const int64_t>(at.shape)};
               check_part(a.in[0].shape, sliced(shape, at.begin, at.end, at.strides, a.op), a.op);
               return {{shape, a.in[0].dtype}};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   const auto& at = a.as<StridedSliceGradAttrs>();
                   if (a.dy[0].defined()) dx[0] = ops::strided_slice(a.dy[0], at.begin, at.end, at.strides);
                 }});
  define_op({.name = "strided_slice_update",
             .inputs = "x, updates",
             .doc = "x with x[begin:end:strides] replaced by updates, which have the shape of that slice.",
             .traits = kHidden,
             .attrs = attr_type<StridedSliceAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               check_part(a.in[1].shape, infer_strided_slice(a)[0].shape, a.op);
               if (a.in[0].dtype != a.in[1].dtype) {
                 throw_type("[", a.op, "] expected updates of dtype ", name_of(a.in[0].dtype), ", received ",
                            name_of(a.in[1].dtype), ".");
               }
               return {a.in[0]};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   const auto& at = a.as<StridedSliceAttrs>();
                   if (!a.dy[0].defined()) return;
                   if (a.need(0)) {
                     const Tensor zeros = Tensor::zeros(a.in_specs[1].shape, a.dy[0].dtype());
                     dx[0] = ops::strided_slice_update(a.dy[0], zeros, at.begin, at.end, at.strides);
                   }
                   if (a.need(1)) dx[1] = ops::strided_slice(a.dy[0], at.begin, at.end, at.strides);
                 }});
}

// ---- slices that start where a tensor says

Shape slice_shape(const InferArgs& a, const Ints& wanted) {
  const Shape& in = a.in[0].shape;
  check_integer(a.in[1], a.op, "start_indices");
  if (a.in[1].shape.rank() != 1 || (a.in[1].shape[0] != in.rank() && a.in[1].shape[0] != kUnknown)) {
    throw_value("[", a.op, "] expected one start index per axis of input of shape ", in.str(),
                ", received start_indices of shape ", a.in[1].shape.str(), ".");
  }
  Shape out{std::span<const int64_t>(wanted)};
  if (out.rank() != in.rank()) {
    throw_value("[", a.op, "] expected a shape of rank ", in.rank(), " for input of shape ", in.str(), ", received ",
                out.str(), ".");
  }
  const bool concrete = a.has(1) && !a.values[1].is_symbolic();
  const Ints start = concrete ? ints_of(a.values[1]) : Ints();
  for (int i = 0; i < out.rank(); ++i) {
    if (out[i] == -1 && concrete && in[i] != kUnknown) out[i] = in[i] - start[i];
    const int64_t begin = concrete ? start[i] : 0;
    if (begin < 0 || (in[i] != kUnknown && begin + std::max<int64_t>(out[i], 0) > in[i])) {
      throw_value("[", a.op, "] expected a part inside the input of shape ", in.str(), ", received on axis ", i,
                  " start ", begin, " and size ", out[i], ".");
    }
  }
  return out;
}

void define_dynamic_slices() {
  define_op(
      {.name = "slice",
       .inputs = "inputs, start_indices",
       .doc = R"(Takes a box out of a tensor.

start_indices: one int per axis, its first corner. shape: tuple, its sizes; -1 reaches to the end.
Raises ValueError if the box leaves the tensor.

Example:
>>> import tahr
>>> tahr.ops.slice(tahr.ops.zeros((4, 5)), [1, 2], (2, 3)).shape
(2, 3))",
       .attrs = attr_type<ShapeAttrs>(),
       .infer = [](const InferArgs& a) -> Specs { return {{slice_shape(a, a.as<ShapeAttrs>().shape), a.in[0].dtype}}; },
       .vjp =
           [](const VjpArgs& a, std::span<Tensor> dx) {
             if (!a.dy[0].defined() || !a.need(0)) return;
             static const OpDef& update = get_op("slice_update");
             dx[0] = call1(update, {Tensor::zeros(a.in_specs[0].shape, a.dy[0].dtype()), a.in[1], a.dy[0]});
           },
       .saves = save_in(1)});
  define_op({.name = "slice_update",
             .inputs = "inputs, start_indices, updates",
             .doc = R"(A copy of a tensor with one box of it replaced.

start_indices: one int per axis, the first corner of the box. updates: tensor of the box's shape.

Example:
>>> import tahr
>>> float(tahr.ops.sum(tahr.ops.slice_update(tahr.ops.zeros((4, 5)), [1, 2], tahr.ops.ones((2, 3)))))
6.0)",
             .infer = [](const InferArgs& a) -> Specs {
               slice_shape(a, {a.in[2].shape.begin(), a.in[2].shape.end()});
               if (a.in[0].dtype != a.in[2].dtype) {
                 throw_type("[", a.op, "] expected updates of dtype ", name_of(a.in[0].dtype), ", received ",
                            name_of(a.in[2].dtype), ". Cast them.");
               }
               return {a.in[0]};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   if (!a.dy[0].defined()) return;
                   static const OpDef &update = get_op("slice_update"), &slice = get_op("slice");
                   const Shape& box = a.in_specs[2].shape;
                   if (a.need(0)) dx[0] = call1(update, {a.dy[0], a.in[1], Tensor::zeros(box, a.dy[0].dtype())});
                   if (a.need(2)) dx[2] = call1(slice, {a.dy[0], a.in[1]}, ShapeAttrs{{box.begin(), box.end()}});
                 },
             .saves = save_in(1)});
}

// ---- padding

Specs infer_pad_constant(const InferArgs& a) {
  const auto& at = a.as<PadConstantAttrs>();
  Spec out = a.in[0];
  const auto rank = static_cast<size_t>(out.shape.rank());
  if (at.low.size() != rank || at.high.size() != rank) {
    throw_value("[", a.op, "] expected one pair of widths per axis of shape ", out.shape.str(), ".");
  }
  for (size_t i = 0; i < rank; ++i) {
    int64_t& d = out.shape[static_cast<int>(i)];
    if (d == kUnknown) continue;
    if (__builtin_add_overflow(d, at.low[i], &d) || __builtin_add_overflow(d, at.high[i], &d)) {
      throw_value("[", a.op, "] expected widths that give fewer than 2**63 elements, received ", at.low[i], " and ",
                  at.high[i], " on axis ", i, ".");
    }
  }
  return {out};
}

// For each place of a padded axis, the place it copies.
Ints pad_sources(int64_t n, int64_t low, int64_t high, const std::string& mode) {
  if (n == 0) throw_value("[pad] expected a non-empty axis for mode '", mode, "', received size 0.");
  Ints source(static_cast<size_t>(low + n + high));
  const int64_t period = mode == "reflect" ? std::max<int64_t>(2 * n - 2, 1) : mode == "symmetric" ? 2 * n : n;
  for (int64_t i = -low; i < n + high; ++i) {
    int64_t at = ((i % period) + period) % period;
    if (mode == "edge") at = std::clamp<int64_t>(i, 0, n - 1);
    if (mode == "reflect" && at >= n) at = period - at;
    if (mode == "symmetric" && at >= n) at = period - 1 - at;
    source[i + low] = at;
  }
  return source;
}

Tensors decompose_pad(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const PadAttrs*>(attrs);
  const int rank = in[0].rank();
  const auto given = static_cast<int>(at.pad_width.size());
  if (given != 1 && given != 2 && given != 2 * rank) {
    throw_value("[pad] expected pad_width to be an int, a pair (before, after), or one pair per axis of shape ",
                in[0].shape().str(), ", received ", attr_value_str(AttrKind::IntList, &at.pad_width), ".");
  }
  Ints low(rank), high(rank);
  for (int i = 0; i < rank; ++i) {
    const int pair = given == 2 * rank ? 2 * i : 0;
    low[i] = at.pad_width[pair];
    high[i] = at.pad_width[given == 1 ? 0 : pair + 1];
    if (low[i] < 0 || high[i] < 0) {
      throw_value("[pad] expected widths of at least 0, received ", attr_value_str(AttrKind::IntList, &at.pad_width),
                  ".");
    }
  }
  if (at.mode == "constant") return {ops::pad_constant(in[0], low, high, at.constant_values.value_or(0))};
  if (at.constant_values) {
    throw_value("[pad] expected constant_values only with mode 'constant', received mode '", at.mode, "'.");
  }
  if (at.mode != "reflect" && at.mode != "symmetric" && at.mode != "edge" && at.mode != "wrap") {
    throw_value("[pad] expected mode 'constant', 'reflect', 'symmetric', 'edge' or 'wrap', received '", at.mode, "'.");
  }
  Tensor x = in[0];
  for (int i = 0; i < rank; ++i) {
    if (low[i] == 0 && high[i] == 0) continue;
    const Tensor source = x.dim(i) == kUnknown ? Tensor::symbolic({kUnknown}, DType::Int64)
                                               : index_tensor_of(pad_sources(x.dim(i), low[i], high[i], at.mode));
    x = ops::take(x, source, i);
  }
  return {x};
}

void define_padding() {
  define_op({.name = "pad",
             .inputs = "x",
             .doc = R"(Surrounds x with values.

pad_width: int, a pair (before, after) for all axes, or one pair per axis. mode: "constant", "reflect", "symmetric",
"edge" or "wrap". constant_values: the constant of mode "constant", 0 by default.

Example:
>>> import tahr
>>> tahr.ops.pad(tahr.ops.zeros((2, 3)), ((0, 0), (1, 2))).shape
(2, 6))",
             .attrs = attr_type<PadAttrs>(),
             .decompose = decompose_pad});
  define_op({.name = "pad_constant",
             .inputs = "x",
             .doc = "Surrounds x with a constant; low and high hold the widths per axis.",
             .traits = kHidden,
             .attrs = attr_type<PadConstantAttrs>(),
             .infer = infer_pad_constant,
             .vjp = [](const VjpArgs& a, std::span<Tensor> dx) {
               if (!a.dy[0].defined()) return;
               const auto& at = a.as<PadConstantAttrs>();
               Ints end(at.low.size());
               for (size_t i = 0; i < end.size(); ++i) end[i] = at.low[i] + a.in_specs[0].shape[static_cast<int>(i)];
               dx[0] = ops::strided_slice(a.dy[0], at.low, end, Ints(end.size(), 1));
             }});
}

// ---- flips and rolls

Tensors decompose_flip(std::span<const Tensor> in, const void* attrs) {
  return {ops::flip(in[0], static_cast<const AxisAttrs*>(attrs)->axis)};
}

template <int kAxis>
Tensors decompose_flip_axis(std::span<const Tensor> in, const void*) {
  return {ops::flip(in[0], Axes(Ints{kAxis}))};
}

Tensors decompose_roll(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const RollAttrs*>(attrs);
  Tensor x = at.axis ? in[0] : ops::ravel(in[0]);
  const Ints axes = at.axis ? *at.axis : Ints{0};
  if (at.shift.size() != axes.size() && at.shift.size() != 1 && axes.size() != 1) {
    throw_value("[roll] expected one shift per axis, received ", at.shift.size(), " shifts and ", axes.size(),
                " axes.");
  }
  for (size_t i = 0; i < std::max(axes.size(), at.shift.size()); ++i) {
    const int axis = normalize_axis(axes[axes.size() == 1 ? 0 : i], x.rank(), "roll");
    const int64_t n = x.dim(axis), shift = at.shift[at.shift.size() == 1 ? 0 : i];
    if (n == 0) continue;
    // With an unknown size the cut is counted from the end, which is right for shifts shorter than the axis.
    const int64_t cut = n == kUnknown ? -shift : n - ((shift % n) + n) % n;
    if (shift == 0 || cut == n) continue;
    x = ops::concatenate({ops::slice_axis(x, axis, cut, kOpen), ops::slice_axis(x, axis, kOpen, cut)}, axis);
  }
  return {at.axis ? x : ops::reshape(x, in[0].shape())};
}

Tensors decompose_rot90(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const Rot90Attrs*>(attrs);
  if (at.axes.size() != 2) throw_value("[rot90] expected two axes, received ", at.axes.size(), ".");
  const Tensor& x = in[0];
  const int a = normalize_axis(at.axes[0], x.rank(), "rot90"), b = normalize_axis(at.axes[1], x.rank(), "rot90");
  if (a == b) throw_value("[rot90] expected two different axes, received ", at.axes[0], " twice.");
  const int64_t turns = ((at.k % 4) + 4) % 4;
  if (turns == 0) return {x};
  if (turns == 2) return {ops::flip(x, Axes(Ints{a, b}))};
  Ints perm(x.rank());
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[a], perm[b]);
  if (turns == 1) return {ops::transpose(ops::flip(x, Axes(Ints{b})), perm)};
  return {ops::flip(ops::transpose(x, perm), Axes(Ints{b}))};
}

void define_flips() {
  define_op({.name = "flip",
             .inputs = "x",
             .doc = R"(Reverses the order of elements along axes, all of them by default.

Example:
>>> import tahr
>>> tahr.ops.flip(tahr.constant([1, 2, 3])).tolist()
[3, 2, 1])",
             .attrs = attr_type<AxisAttrs>(),
             .decompose = decompose_flip});
  define_op({.name = "flipud",
             .inputs = "x",
             .doc = R"(Reverses the order of elements along axis 0.

Example:
>>> import tahr
>>> tahr.ops.flipud(tahr.constant([[1, 2], [3, 4]])).tolist()
[[3, 4], [1, 2]])",
             .decompose = decompose_flip_axis<0>});
  define_op({.name = "fliplr",
             .inputs = "x",
             .doc = R"(Reverses the order of elements along axis 1.

Example:
>>> import tahr
>>> tahr.ops.fliplr(tahr.constant([[1, 2], [3, 4]])).tolist()
[[2, 1], [4, 3]])",
             .decompose = decompose_flip_axis<1>});
  define_op({.name = "roll",
             .inputs = "x",
             .doc = R"(Shifts elements along axes; those pushed over the end come back at the start.

shift: int or tuple. axis: int or tuple; None rolls the flattened tensor.

Example:
>>> import tahr
>>> tahr.ops.roll(tahr.constant([1, 2, 3]), 1).tolist()
[3, 1, 2])",
             .attrs = attr_type<RollAttrs>(),
             .decompose = decompose_roll});
  define_op({.name = "rot90",
             .inputs = "array",
             .doc = R"(Turns the plane of two axes by k quarter turns, from the first axis towards the second.

Example:
>>> import tahr
>>> tahr.ops.rot90(tahr.ops.zeros((2, 3))).shape
(3, 2))",
             .attrs = attr_type<Rot90Attrs>(),
             .decompose = decompose_rot90});
}

// ---- diagonals and triangles

// In a matrix of the given shape: how many elements diagonal k has, and where it starts in row-major order.
std::pair<int64_t, int64_t> diagonal_span(int64_t rows, int64_t columns, int64_t offset) {
  const int64_t k = std::clamp(offset, -rows, columns);
  const int64_t count = std::max<int64_t>(0, k >= 0 ? std::min(rows, columns - k) : std::min(rows + k, columns));
  return {count, k >= 0 ? k : -k * columns};
}

Tensor diagonal(const Tensor& x, const DiagonalAttrs& at, const char* op) {
  const int rank = x.rank();
  if (rank < 2) throw_value("[", op, "] expected a tensor of rank 2 or more, received shape ", x.shape().str(), ".");
  const int a = normalize_axis(at.axis1, rank, op), b = normalize_axis(at.axis2, rank, op);
  if (a == b) throw_value("[", op, "] expected two different axes, received ", at.axis1, " and ", at.axis2, ".");
  Ints perm;
  for (int i = 0; i < rank; ++i) {
    if (i != a && i != b) perm.push_back(i);
  }
  perm.push_back(a);
  perm.push_back(b);
  const Tensor planes = ops::transpose(x, perm);
  const int64_t rows = x.dim(a), columns = x.dim(b);
  if (rows == kUnknown || columns == kUnknown) {
    throw_value("[", op, "] expected known sizes of axes ", a, " and ", b, ", received shape ", x.shape().str(), ".");
  }
  Shape flat = planes.shape();
  flat.erase(rank - 1);
  flat[rank - 2] = rows * columns;
  const auto [count, start] = diagonal_span(rows, columns, at.offset);
  Ints begin(rank - 1, kOpen), end(rank - 1, kOpen), strides(rank - 1, 1);
  begin.back() = count ? start : 0;
  end.back() = count ? start + (count - 1) * (columns + 1) + 1 : 0;
  strides.back() = columns + 1;
  return ops::strided_slice(ops::reshape(planes, flat), begin, end, strides);
}

Tensors decompose_diagonal(std::span<const Tensor> in, const void* attrs) {
  return {diagonal(in[0], *static_cast<const DiagonalAttrs*>(attrs), "diagonal")};
}

Tensors decompose_trace(std::span<const Tensor> in, const void* attrs) {
  Tensor x = in[0];
  if (x.dtype() == DType::Bool || x.dtype() == DType::Int8 || x.dtype() == DType::Int16) x = ops::cast(x, DType::Int32);
  if (x.dtype() == DType::UInt8 || x.dtype() == DType::UInt16) x = ops::cast(x, DType::UInt32);
  return {ops::sum(diagonal(x, *static_cast<const DiagonalAttrs*>(attrs), "trace"), Axes(Ints{-1}), false)};
}

Tensors decompose_diagflat(std::span<const Tensor> in, const void* attrs) {
  const int64_t k = static_cast<const OffsetAttrs*>(attrs)->k;
  const Tensor v = ops::ravel(in[0]);
  if (v.dim(0) == kUnknown) throw_value("[diagflat] expected a known size, received shape ", in[0].shape().str(), ".");
  constexpr int64_t kFar = int64_t{1} << 31;
  if (k < -kFar || k > kFar) throw_value("[diagflat] expected k in [-2**31, 2**31], received ", k, ".");
  const int64_t n = v.dim(0) + std::abs(k);
  const auto [count, start] = diagonal_span(n, n, k);
  const Tensor flat = ops::strided_slice_grad(v, {n * n}, {count ? start : 0},
                                              {count ? start + (count - 1) * (n + 1) + 1 : 0}, {n + 1});
  return {ops::reshape(flat, {n, n})};
}

Tensors decompose_diag(std::span<const Tensor> in, const void* attrs) {
  if (in[0].rank() == 1) return decompose_diagflat(in, attrs);
  if (in[0].rank() != 2) {
    throw_value("[diag] expected a tensor of rank 1 or 2, received shape ", in[0].shape().str(), ". Use diagonal.");
  }
  return {diagonal(in[0], {static_cast<const OffsetAttrs*>(attrs)->k, 0, 1}, "diag")};
}

template <bool kLower>
void define_triangle(const char* name, const char* doc) {
  define_op({.name = name,
             .inputs = "x",
             .doc = doc,
             .attrs = attr_type<OffsetAttrs>(),
             .infer = [](const InferArgs& a) -> Specs {
               if (a.in[0].shape.rank() < 2) {
                 throw_value("[", a.op, "] expected a tensor of rank 2 or more, received shape ", a.in[0].shape.str(),
                             ".");
               }
               return {a.in[0]};
             },
             .vjp =
                 [](const VjpArgs& a, std::span<Tensor> dx) {
                   static const OpDef& op = get_op(kLower ? "tril" : "triu");
                   if (a.dy[0].defined()) dx[0] = call1(op, {a.dy[0]}, a.as<OffsetAttrs>());
                 }});
}

void define_diagonals() {
  define_op({.name = "diagonal",
             .inputs = "x",
             .doc = R"(The diagonals of the planes of two axes, as a new last axis.

offset: which diagonal; above the main one if positive.

Example:
>>> import tahr
>>> tahr.ops.diagonal(tahr.ops.zeros((2, 3, 4)), axis1=1, axis2=2).shape
(2, 3))",
             .attrs = attr_type<DiagonalAttrs>(),
             .decompose = decompose_diagonal});
  define_op({.name = "trace",
             .inputs = "x",
             .doc = R"(The sums of the diagonals of the planes of two axes. Small integers are summed in 32 bits.

Example:
>>> import tahr
>>> float(tahr.ops.trace(tahr.ops.ones((3, 3))))
3.0)",
             .attrs = attr_type<DiagonalAttrs>(),
             .decompose = decompose_trace});
  define_op({.name = "diag",
             .inputs = "x",
             .doc = R"(Diagonal k of a matrix, or the matrix with a vector on diagonal k.

Example:
>>> import tahr
>>> tahr.ops.diag(tahr.constant([1, 2])).tolist()
[[1, 0], [0, 2]])",
             .attrs = attr_type<OffsetAttrs>(),
             .decompose = decompose_diag});
  define_op({.name = "diagflat",
             .inputs = "x",
             .doc = R"(The matrix with the elements of x, flattened, on diagonal k.

Example:
>>> import tahr
>>> tahr.ops.diagflat(tahr.constant([[1, 2]])).tolist()
[[1, 0], [0, 2]])",
             .attrs = attr_type<OffsetAttrs>(),
             .decompose = decompose_diagflat});
  define_triangle<true>("tril", R"(The lower triangle of the matrices in the last two axes; zeros above diagonal k.

Example:
>>> import tahr
>>> tahr.ops.tril(tahr.constant([[1, 2], [3, 4]])).tolist()
[[1, 0], [3, 4]])");
  define_triangle<false>("triu", R"(The upper triangle of the matrices in the last two axes; zeros below diagonal k.

Example:
>>> import tahr
>>> tahr.ops.triu(tahr.constant([[1, 2], [3, 4]])).tolist()
[[1, 2], [0, 4]])");
}

}  // namespace

void define_array_slice_ops() {
  define_strided_slices();
  define_dynamic_slices();
  define_padding();
  define_flips();
  define_diagonals();
}

namespace ops {

Tensor strided_slice(const Tensor& x, const Ints& begin, const Ints& end, const Ints& strides) {
  static const OpDef& op = get_op("strided_slice");
  return call1(op, {x}, StridedSliceAttrs{begin, end, strides});
}
Tensor strided_slice_grad(const Tensor& dy, const Shape& shape, const Ints& begin, const Ints& end,
                          const Ints& strides) {
  static const OpDef& op = get_op("strided_slice_grad");
  return call1(op, {dy}, StridedSliceGradAttrs{{shape.begin(), shape.end()}, begin, end, strides});
}
Tensor strided_slice_update(const Tensor& x, const Tensor& updates, const Ints& begin, const Ints& end,
                            const Ints& strides) {
  static const OpDef& op = get_op("strided_slice_update");
  return call1(op, {x, updates}, StridedSliceAttrs{begin, end, strides});
}
Tensor slice_axis(const Tensor& x, int axis, int64_t begin, int64_t end) {
  Ints b(axis + 1, kOpen), e(axis + 1, kOpen);
  b[axis] = begin;
  e[axis] = end;
  return strided_slice(x, b, e, Ints(axis + 1, 1));
}
Tensor unslice_axis(const Tensor& dy, const Shape& shape, int axis, int64_t begin, int64_t end) {
  Ints b(axis + 1, kOpen), e(axis + 1, kOpen);
  b[axis] = begin;
  e[axis] = end;
  return strided_slice_grad(dy, shape, b, e, Ints(axis + 1, 1));
}
Tensor flip(const Tensor& x, const Axes& axes) {
  const int rank = x.rank();
  Ints strides(rank, 1);
  for (int a : normalize_axes(axes, rank, "flip")) strides[a] = -1;
  return strided_slice(x, Ints(rank, kOpen), Ints(rank, kOpen), strides);
}
Tensor pad_constant(const Tensor& x, const Ints& low, const Ints& high, double value) {
  static const OpDef& op = get_op("pad_constant");
  return call1(op, {x}, PadConstantAttrs{low, high, value});
}

}  // namespace ops
}  // namespace tahr
