// Arithmetic: sums, products, quotients and remainders, powers and roots, extremes, signs, rounding.
#include "ops/elementwise_defs.h"

namespace tahr::elementwise {
namespace {

constexpr const char* kInts = "array([5, 7], dtype=int32)";

// 1 where the first wins, 1/2 at a tie, else 0.
Tensor share(const char* wins, const char* wins_or_ties, const Tensor& x1, const Tensor& x2) {
  const DType t = x1.dtype();
  return mul(add(ops::cast(b(wins, x1, x2), t), ops::cast(b(wins_or_ties, x1, x2), t)), 0.5);
}

void two(const char* name, const char* summary, const char* call, const char* shows, VjpFn vjp, uint32_t saves,
         Promote promote = Promote::Common, InferFn infer = infer_same) {
  define_op({.name = name,
             .inputs = "x1, x2",
             .doc = doc(summary, call, shows),
             .traits = kElementwise | (vjp ? 0u : kNoGradient),
             .promote = promote,
             .infer = infer,
             .vjp = vjp,
             .saves = saves});
}
void one(const char* name, const char* summary, const char* call, const char* shows, VjpFn vjp, uint32_t saves,
         Promote promote = Promote::Inexact, InferFn infer = infer_same) {
  define_op({.name = name,
             .inputs = "x",
             .doc = doc(summary, call, shows),
             .traits = kElementwise | (vjp ? 0u : kNoGradient),
             .promote = promote,
             .infer = infer,
             .vjp = vjp,
             .saves = saves});
}

Specs infer_ldexp(const InferArgs& a) {
  if (!is_int(a.in[1].dtype)) {
    throw_type("[", a.op, "] expected an integer exponent x2, received ", name_of(a.in[1].dtype), ".");
  }
  Spec s = infer_broadcast(a);
  s.dtype = to_inexact(s.dtype);
  return {s};
}

Tensor power_base_grad(const Tensor& x1, const Tensor& x2, const Tensor& dy) {
  // x2 * x1^(x2 - 1), which is 0 for x2 = 0 even where x1 = 0.
  const Tensor exponent = ops::where(b("equal", x2, scalar_like(x2, 0)), scalar_like(x2, 1), add(x2, -1.0));
  return mul(dy, mul(x2, b("power", x1, exponent)));
}
Tensor power_exponent_grad(const Tensor& x1, const Tensor& y, const Tensor& dy) {
  const Tensor base = ops::where(b("equal", x1, scalar_like(x1, 0)), scalar_like(x1, 1), x1);
  return mul(dy, mul(y, u("log", base)));
}

}  // namespace

void define_arithmetic() {
  two("add", "The sum x1 + x2.", "add([1, 2], [4, 5])", kInts, TAHR_VJP2(dy, dy), kSaveNone);
  two("subtract", "The difference x1 - x2.", "subtract([6, 9], [1, 2])", kInts, TAHR_VJP2(dy, neg(dy)), kSaveNone,
      Promote::Common, infer_number);
  two("multiply", "The product x1 * x2.", "multiply([5, 1], [1, 7])", kInts, TAHR_VJP2(mul(dy, x2), mul(dy, x1)),
      save_in(0) | save_in(1));
  two("divide", "The quotient x1 / x2; of integers too it is a float.", "divide([1, 3], [2, 4])",
      "array([0.5 , 0.75], dtype=float32)", TAHR_VJP2(div(dy, x2), neg(div(mul(dy, y), x2))), save_in(1) | save_out(0),
      Promote::Inexact);
  define_alias("true_divide", "divide");
  two("divide_no_nan", "The quotient x1 / x2, and 0 where x2 is 0.", "divide_no_nan([1.0, 3.0], [0.0, 4.0])",
      "array([0.  , 0.75], dtype=float32)",
      TAHR_VJP2(b("divide_no_nan", dy, x2), neg(b("divide_no_nan", mul(dy, y), x2))), save_in(1) | save_out(0),
      Promote::Inexact);
  two("floor_divide", "The quotient rounded down. Integers divided by 0 give 0.", "floor_divide([11, -13], [2, 2])",
      "array([ 5, -7], dtype=int32)", nullptr, kSaveNone, Promote::Common, infer_bool_to_int32);
  two("mod", "The remainder of floor division, with the sign of x2. Integers by 0 give 0.", "mod([11, -1], [6, 8])",
      kInts, TAHR_VJP2(dy, neg(mul(dy, b("floor_divide", x1, x2)))), save_in(0) | save_in(1), Promote::Common,
      infer_bool_to_int32);
  two("fmod", "The remainder of division toward zero, with the sign of x1. Integers by 0 give 0.",
      "fmod([11, 15], [6, -8])", kInts, TAHR_VJP2(dy, neg(mul(dy, u("trunc", div(x1, x2))))), save_in(0) | save_in(1),
      Promote::Common, infer_bool_to_int32);
  two("power", "x1 to the power of x2. Of integers it is an integer, 0 for a fraction.",
      "power([5.0, 4.0], [1.0, 0.5])", "array([5., 2.], dtype=float32)",
      TAHR_VJP2(power_base_grad(x1, x2, dy), power_exponent_grad(x1, y, dy)), save_in(0) | save_in(1) | save_out(0),
      Promote::Common, infer_bool_to_int32);
  two("maximum", "The larger of x1 and x2, NaN if either is. At a tie each gets half the gradient.",
      "maximum([5, 2], [1, 7])", kInts,
      TAHR_VJP2(mul(dy, share("greater", "greater_equal", x1, x2)), mul(dy, share("less", "less_equal", x1, x2))),
      save_in(0) | save_in(1));
  two("minimum", "The smaller of x1 and x2, NaN if either is. At a tie each gets half the gradient.",
      "minimum([5, 9], [6, 7])", kInts,
      TAHR_VJP2(mul(dy, share("less", "less_equal", x1, x2)), mul(dy, share("greater", "greater_equal", x1, x2))),
      save_in(0) | save_in(1));
  two("fmax", "The larger of x1 and x2; a NaN yields to a number.", "fmax([5.0, float('nan')], [1.0, 7.0])",
      "array([5., 7.], dtype=float32)",
      TAHR_VJP2(mul(dy, share("greater", "greater_equal", x1, x2)), mul(dy, share("less", "less_equal", x1, x2))),
      save_in(0) | save_in(1));
  two("fmin", "The smaller of x1 and x2; a NaN yields to a number.", "fmin([5.0, float('nan')], [6.0, 7.0])",
      "array([5., 7.], dtype=float32)",
      TAHR_VJP2(mul(dy, share("less", "less_equal", x1, x2)), mul(dy, share("greater", "greater_equal", x1, x2))),
      save_in(0) | save_in(1));
  two("hypot", "The length of the vector (x1, x2), without overflow.", "hypot([3.0], [4.0])",
      "array([5.], dtype=float32)", TAHR_VJP2(mul(dy, b("divide_no_nan", x1, y)), mul(dy, b("divide_no_nan", x2, y))),
      save_in(0) | save_in(1) | save_out(0), Promote::Inexact);
  two("copysign", "The magnitude of x1 with the sign of x2.", "copysign([5.0, 7.0], [-0.0, 1.0])",
      "array([-5.,  7.], dtype=float32)",
      TAHR_VJP2(mul(dy, mul(u("sign", x1), b("copysign", scalar_like(x1, 1), x2))), mul(dy, mul(x2, 0.0))),
      save_in(0) | save_in(1), Promote::Inexact);
  two("heaviside", "0 for negative x1, 1 for positive, and x2 where x1 is 0.", "heaviside([-1.0, 0.0, 2.0], 0.5)",
      "array([0. , 0.5, 1. ], dtype=float32)", nullptr, kSaveNone, Promote::Inexact);
  two("nextafter", "The float next to x1 on the way to x2.", "nextafter([1.0], [2.0])",
      "array([1.0000001], dtype=float32)", nullptr, kSaveNone, Promote::Inexact);
  two("gcd", "The greatest common divisor of integers.", "gcd([10, 14], [15, 21])", kInts, nullptr, kSaveNone,
      Promote::Common, infer_integer);
  two("lcm", "The least common multiple of integers.", "lcm([4], [6])", "array([12], dtype=int32)", nullptr, kSaveNone,
      Promote::Common, infer_integer);
  two(
      "ldexp", "x1 * 2**x2 for an integer x2.", "ldexp([1.5], [2])", "array([6.], dtype=float32)",
      [](const VjpArgs& a, std::span<Tensor> dx) {
        if (a.need(0)) dx[0] = ops::unbroadcast(b("ldexp", a.dy[0], a.in[1]), a.in_specs[0].shape);
      },
      save_in(1), Promote::None, infer_ldexp);

  one("negative", "-x.", "negative([-5, -7])", kInts, TAHR_VJP1(neg(dy)), kSaveNone, Promote::None, infer_number);
  one("absolute", "The magnitude of x. The gradient at 0 is 0.", "absolute([-5, 7])", kInts,
      TAHR_VJP1(mul(dy, u("sign", x))), save_in(0), Promote::None);
  define_alias("abs", "absolute");
  one("fabs", "The magnitude of x as a float.", "fabs([-5, 7])", "array([5., 7.], dtype=float32)",
      TAHR_VJP1(mul(dy, u("sign", x))), save_in(0));
  one("sign", "-1, 0 or 1 by the sign of x.", "sign([-5, 0, 7])", "array([-1,  0,  1], dtype=int32)", nullptr,
      kSaveNone, Promote::None, infer_number);
  one("square", "x * x.", "square([2.0, 3.0])", "array([4., 9.], dtype=float32)", TAHR_VJP1(mul(mul(dy, x), 2.0)),
      save_in(0), Promote::None, infer_bool_to_int32);
  one("sqrt", "The square root of x, NaN below 0.", "sqrt([4.0, 9.0])", "array([2., 3.], dtype=float32)",
      TAHR_VJP1(div(mul(dy, 0.5), y)), save_out(0));
  one("rsqrt", "1 / sqrt(x).", "rsqrt([4.0, 16.0])", "array([0.5 , 0.25], dtype=float32)",
      TAHR_VJP1(mul(mul(dy, -0.5), mul(y, sq(y)))), save_out(0));
  one("cbrt", "The cube root of x.", "cbrt([8.0, -27.0])", "array([ 2., -3.], dtype=float32)",
      TAHR_VJP1(div(dy, mul(sq(y), 3.0))), save_out(0));
  one("reciprocal", "1 / x.", "reciprocal([2.0, 4.0])", "array([0.5 , 0.25], dtype=float32)",
      TAHR_VJP1(neg(mul(dy, sq(y)))), save_out(0));
  one("deg2rad", "Degrees to radians.", "deg2rad([180.0])", "array([3.1415927], dtype=float32)",
      TAHR_VJP1(u("deg2rad", dy)), kSaveNone);
  one("rad2deg", "Radians to degrees.", "rad2deg([3.14159265])", "array([180.], dtype=float32)",
      TAHR_VJP1(u("rad2deg", dy)), kSaveNone);
  one("floor", "The largest integer not above x, as a float.", "floor([1.7, -1.2])", "array([ 1., -2.], dtype=float32)",
      nullptr, kSaveNone);
  one("ceil", "The smallest integer not below x, as a float.", "ceil([1.2, -1.7])", "array([ 2., -1.], dtype=float32)",
      nullptr, kSaveNone);
  one("trunc", "x rounded toward zero; integers stay as they are.", "trunc([1.7, -1.7])",
      "array([ 1., -1.], dtype=float32)", nullptr, kSaveNone, Promote::None);
  one("rint", "The nearest integer, ties to even.", "rint([0.5, 1.5])", "array([0., 2.], dtype=float32)", nullptr,
      kSaveNone);
  one("angle", "The angle of x in the complex plane: 0, or pi where x is negative.", "angle([1.0, -1.0])",
      "array([0.       , 3.1415927], dtype=float32)", nullptr, kSaveNone);
  one("imag", "The imaginary part of x: 0, as all tensors are real.", "imag([1.0, 2.0])",
      "array([0., 0.], dtype=float32)", nullptr, kSaveNone, Promote::None);
  define_op({.name = "round",
             .inputs = "x",
             .doc = doc("x rounded to `decimals` places, ties to even. Negative places round integers too.",
                        "round([1.25, 2.675], decimals=1)", "array([1.2, 2.7], dtype=float32)"),
             .traits = kElementwise | kNoGradient,
             .attrs = attr_type<RoundAttrs>(),
             .infer = infer_bool_to_int32});
  define_op(
      {.name = "nan_to_num",
       .inputs = "x",
       .doc = doc("NaN and infinities replaced: by `nan`, `posinf`, `neginf`, the latter two by default the "
                  "largest and the lowest finite value.",
                  "nan_to_num([float('nan'), 1.0, float('inf')], posinf=9.0)", "array([0., 1., 9.], dtype=float32)"),
       .traits = kElementwise,
       .attrs = attr_type<NanToNumAttrs>(),
       .infer = infer_same,
       .vjp = TAHR_VJP1(keep(u("isfinite", x), dy)),
       .saves = save_in(0)});
}

}  // namespace tahr::elementwise
