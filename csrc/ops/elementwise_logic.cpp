// Comparisons, logic, bits, tests for special values, casts, selection.
#include "ops/elementwise_defs.h"

namespace tahr::elementwise {
namespace {

// ---- cast ----

Specs infer_cast(const InferArgs& a) { return {{a.in[0].shape, a.as<CastAttrs>().dtype}}; }

void cast_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (is_float(a.in_specs[0].dtype) && is_float(a.out_specs[0].dtype)) {
    dx[0] = ops::cast(a.dy[0], a.in_specs[0].dtype);
  }
}

// ---- selection ----

Specs infer_select(const InferArgs& a) {
  Spec s = infer_broadcast(a);
  s.dtype = a.in[1].dtype;
  return {s};
}

void select_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (a.need(1)) dx[1] = ops::unbroadcast(keep(a.in[0], a.dy[0]), a.in_specs[1].shape);
  if (a.need(2)) dx[2] = ops::unbroadcast(drop(a.in[0], a.dy[0]), a.in_specs[2].shape);
}

Tensors where_decompose(std::span<const Tensor> in, const void*) {
  const bool x1 = in.size() > 1 && in[1].defined(), x2 = in.size() > 2 && in[2].defined();
  if (x1 != x2) throw_value("[where] expected both x1 and x2 or neither, received only ", x1 ? "x1" : "x2", ".");
  if (!x1) return call(get_op("nonzero"), in.first(1), nullptr);
  return {ops::where(in[0], in[1], in[2])};
}

Specs infer_clip(const InferArgs& a) { return infer_bool_to_int32(a); }

void clip_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Tensor &x = a.in[0], &low = a.in[1], &high = a.in[2], &dy = a.dy[0];
  const Tensor below = b("less", x, low), above = b("greater", x, high);
  if (a.need(0)) dx[0] = ops::unbroadcast(drop(b("logical_or", below, above), dy), a.in_specs[0].shape);
  if (a.need(1)) dx[1] = ops::unbroadcast(keep(below, dy), a.in_specs[1].shape);
  if (a.need(2)) dx[2] = ops::unbroadcast(keep(above, dy), a.in_specs[2].shape);
}

Tensors isclose_decompose(std::span<const Tensor> in, const void* attrs) {
  const IsCloseAttrs& at = *static_cast<const IsCloseAttrs*>(attrs);
  const Tensor &x = in[0], &y = in[1];
  // Infinities are close only to themselves; their difference would be NaN or infinite on both sides.
  const Tensor near = b("less_equal", u("absolute", sub(x, y)), add(mul(u("absolute", y), at.rtol), at.atol));
  Tensor close = b("logical_or", b("logical_and", near, u("isfinite", y)), b("equal", x, y));
  if (at.equal_nan) close = b("logical_or", close, b("logical_and", u("isnan", x), u("isnan", y)));
  return {close};
}

Tensors identity_eager(std::span<const Tensor> in, const void*) { return {in[0].with_shape(in[0].shape())}; }

// ---- short definitions ----

void compare(const char* name, const char* summary, const char* call, const char* shows) {
  define_op({.name = name,
             .inputs = "x1, x2",
             .doc = doc(summary, call, shows),
             .traits = kElementwise | kNoGradient,
             .promote = Promote::Common,
             .infer = infer_bool});
}
void logical(const char* name, const char* inputs, const char* summary, const char* call, const char* shows) {
  define_op({.name = name,
             .inputs = inputs,
             .doc = doc(summary, call, shows),
             .traits = kElementwise | kNoGradient,
             .infer = infer_bool});
}
void bitwise(const char* name, const char* inputs, InferFn infer, const char* summary, const char* call,
             const char* shows) {
  define_op({.name = name,
             .inputs = inputs,
             .doc = doc(summary, call, shows),
             .traits = kElementwise | kNoGradient,
             .promote = Promote::Common,
             .infer = infer});
}
void identity(const char* name, const char* input, const char* summary, uint32_t traits, VjpFn vjp) {
  define_op({.name = name,
             .inputs = input,
             .doc = doc(summary, (std::string(name) + "([1.0, 2.0])").c_str(), "array([1., 2.], dtype=float32)"),
             .traits = kElementwise | kView | traits,
             .infer = infer_same,
             .vjp = vjp,
             .eager = identity_eager});
}

Specs infer_shift(const InferArgs& a) {
  if (is_float(a.in[0].dtype)) return infer_integer_or_bool(a);
  return infer_bool_to_int32(a);
}

void pass_through(const VjpArgs& a, std::span<Tensor> dx) { dx[0] = a.dy[0]; }

}  // namespace

void define_logic() {
  define_op({.name = "cast",
             .inputs = "x",
             .doc = "Converts a tensor to another dtype.\n\n"
                    "x: any shape. dtype: the dtype of the result, by name.\n\n"
                    "Floats become integers by truncation toward zero; values beyond the integer range become its "
                    "nearest end and NaN becomes 0. Anything but zero becomes `True`. Integers wrap.\n\n"
                    "Example:\n\n>>> import tahr\n>>> tahr.ops.cast([1.7, -1.7], \"int32\").numpy()\n"
                    "array([ 1, -1], dtype=int32)",
             .traits = kElementwise,
             .attrs = attr_type<CastAttrs>(),
             .infer = infer_cast,
             .vjp = cast_vjp});

  const char* flags = "array([False,  True])";
  compare("equal", "Whether x1 == x2.", "equal([1, 2], [0, 2])", flags);
  compare("not_equal", "Whether x1 != x2.", "not_equal([0, 2], [0, 1])", flags);
  compare("less", "Whether x1 < x2.", "less([1, 2], [1, 3])", flags);
  compare("less_equal", "Whether x1 <= x2.", "less_equal([1, 2], [0, 2])", flags);
  compare("greater", "Whether x1 > x2.", "greater([1, 2], [1, 1])", flags);
  compare("greater_equal", "Whether x1 >= x2.", "greater_equal([1, 2], [2, 2])", flags);
  logical("logical_and", "x1, x2", "x1 and x2, where anything but zero counts as true.",
          "logical_and([True, True], [False, True])", flags);
  logical("logical_or", "x1, x2", "x1 or x2, where anything but zero counts as true.",
          "logical_or([False, True], [False, True])", flags);
  logical("logical_xor", "x1, x2", "Exactly one of x1 and x2, where anything but zero counts as true.",
          "logical_xor([True, False], [True, True])", flags);
  logical("logical_not", "x", "Not x, where anything but zero counts as true.", "logical_not([True, False])", flags);
  logical("isnan", "x", "Whether x is NaN.", "isnan([1.0, float('nan')])", flags);
  logical("isinf", "x", "Whether x is infinite.", "isinf([1.0, float('-inf')])", flags);
  logical("isfinite", "x", "Whether x is neither infinite nor NaN.", "isfinite([float('inf'), 1.0])", flags);
  logical("isposinf", "x", "Whether x is plus infinity.", "isposinf([float('-inf'), float('inf')])", flags);
  logical("isneginf", "x", "Whether x is minus infinity.", "isneginf([float('inf'), float('-inf')])", flags);
  logical("isreal", "x", "Whether x has no imaginary part: always true, as all tensors are real.", "isreal([1.0, 2.0])",
          "array([ True,  True])");
  logical("signbit", "x", "Whether the sign bit of x is set.", "signbit([0.0, -0.0])", flags);

  bitwise("bitwise_and", "x, y", infer_integer_or_bool, "Bits set in both x and y.", "bitwise_and([6], [3])",
          "array([2], dtype=int32)");
  bitwise("bitwise_or", "x, y", infer_integer_or_bool, "Bits set in x or y.", "bitwise_or([6], [3])",
          "array([7], dtype=int32)");
  bitwise("bitwise_xor", "x, y", infer_integer_or_bool, "Bits set in exactly one of x and y.", "bitwise_xor([6], [3])",
          "array([5], dtype=int32)");
  bitwise("bitwise_not", "x", infer_integer_or_bool, "All bits of x flipped.", "bitwise_not([6])",
          "array([-7], dtype=int32)");
  define_alias("bitwise_invert", "bitwise_not");
  bitwise("bitwise_left_shift", "x, y", infer_shift,
          "The bits of x moved y places up; 0 if y is negative or at least the width of x.",
          "bitwise_left_shift([3], [2])", "array([12], dtype=int32)");
  define_alias("left_shift", "bitwise_left_shift");
  bitwise("bitwise_right_shift", "x, y", infer_shift,
          "The bits of x moved y places down, the sign kept; only the sign is left if y is negative or at least the "
          "width of x.",
          "bitwise_right_shift([-8], [1])", "array([-4], dtype=int32)");
  define_alias("right_shift", "bitwise_right_shift");

  define_op({.name = "where_select",
             .inputs = "condition, x1, x2",
             .doc = "x1 where condition (bool) holds, else x2; x1 and x2 of one dtype.",
             .traits = kElementwise | kHidden,
             .infer = infer_select,
             .vjp = select_vjp,
             .saves = save_in(0)});
  define_op({.name = "where",
             .inputs = "condition, x1?, x2?",
             .doc = "x1 where condition holds, else x2.\n\n"
                    "All three broadcast together. Without x1 and x2: the indices where condition holds, one tensor "
                    "per axis, as `nonzero` gives them.\n\n"
                    "Example:\n\n>>> import tahr\n>>> tahr.ops.where([True, False], [1, 2], [3, 4]).numpy()\n"
                    "array([1, 4], dtype=int32)",
             .decompose = where_decompose});
  define_op({.name = "clip",
             .inputs = "x, x_min, x_max",
             .doc = doc("x limited to the range from x_min to x_max. The gradient passes where x lies in the range, "
                        "ends included.",
                        "clip([-1.0, 0.5, 9.0], 0.0, 1.0)", "array([0. , 0.5, 1. ], dtype=float32)"),
             .traits = kElementwise,
             .promote = Promote::Common,
             .infer = infer_clip,
             .vjp = clip_vjp,
             .saves = kSaveAllInputs});
  define_op({.name = "isclose",
             .inputs = "x1, x2",
             .doc = doc("Whether |x1 - x2| <= atol + rtol * |x2|. Infinities are close to themselves, NaN to NaN only "
                        "if `equal_nan`.",
                        "isclose([1.0, 1.0], [1.1, 1.000001])", flags),
             .promote = Promote::Inexact,
             .attrs = attr_type<IsCloseAttrs>(),
             .decompose = isclose_decompose});

  identity("copy", "x", "The same values as a new tensor; tensors being immutable, the storage is shared.", 0,
           pass_through);
  identity("positive", "x", "x itself.", 0, pass_through);
  identity("real", "x", "The real part of x: x itself.", 0, pass_through);
  identity("conj", "x", "The complex conjugate of x: x itself, as all tensors are real.", 0, pass_through);
  define_alias("conjugate", "conj");
  identity("stop_gradient", "variable", "The same values, through which no gradient flows.", kNoGradient, nullptr);
}

}  // namespace tahr::elementwise
