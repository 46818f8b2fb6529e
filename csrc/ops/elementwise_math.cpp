// Exponentials, logarithms, trigonometric and hyperbolic functions, special functions.
#include "ops/elementwise_defs.h"

namespace tahr::elementwise {
namespace {

void math(const char* name, const char* summary, const char* call, const char* shows, VjpFn vjp, uint32_t saves,
          uint32_t traits = 0) {
  define_op({.name = name,
             .inputs = "x",
             .doc = traits & kHidden ? summary : doc(summary, call, shows),
             .traits = kElementwise | traits,
             .promote = Promote::Inexact,
             .infer = infer_same,
             .vjp = vjp,
             .saves = saves});
}
void math2(const char* name, const char* summary, const char* call, const char* shows, VjpFn vjp, uint32_t saves) {
  define_op({.name = name,
             .inputs = "x1, x2",
             .doc = doc(summary, call, shows),
             .traits = kElementwise,
             .promote = Promote::Inexact,
             .infer = infer_same,
             .vjp = vjp,
             .saves = saves});
}

// (cos(pi x) - sinc(x)) / x, 0 at 0.
Tensor sinc_slope(const Tensor& x, const Tensor& y) { return b("divide_no_nan", sub(u("cos", mul(x, kPi)), y), x); }
// d/dx of the modified Bessel function of order 1: I0(x) - I1(x) / x, 1/2 at 0.
Tensor i1_slope(const Tensor& x, const Tensor& y) {
  const Tensor zero = b("equal", x, scalar_like(x, 0));
  const Tensor ratio = ops::where(zero, scalar_like(x, 0.5), b("divide_no_nan", y, x));
  return sub(u("i0", x), ratio);
}

constexpr const char* kZeroOne = "array([0., 1.], dtype=float32)";

}  // namespace

void define_math() {
  math("exp", "e to the power of x.", "exp([0.0, 1.0])", "array([1.       , 2.7182817], dtype=float32)",
       TAHR_VJP1(mul(dy, y)), save_out(0));
  math("exp2", "2 to the power of x.", "exp2([0.0, 3.0])", "array([1., 8.], dtype=float32)",
       TAHR_VJP1(mul(mul(dy, y), kLn2)), save_out(0));
  math("expm1", "exp(x) - 1, accurate near 0.", "expm1([0.0, 1e-6])",
       "array([0.0000000e+00, 1.0000005e-06], dtype=float32)", TAHR_VJP1(mul(dy, add(y, 1.0))), save_out(0));
  math("log", "The natural logarithm of x.", "log([1.0, 2.0])", "array([0.       , 0.6931472], dtype=float32)",
       TAHR_VJP1(div(dy, x)), save_in(0));
  math("log2", "The logarithm of x to base 2.", "log2([1.0, 2.0])", kZeroOne, TAHR_VJP1(div(dy, mul(x, kLn2))),
       save_in(0));
  math("log10", "The logarithm of x to base 10.", "log10([1.0, 10.0])", kZeroOne, TAHR_VJP1(div(dy, mul(x, kLn10))),
       save_in(0));
  math("log1p", "log(1 + x), accurate near 0.", "log1p([0.0, 1e-6])",
       "array([0.000000e+00, 9.999995e-07], dtype=float32)", TAHR_VJP1(div(dy, add(x, 1.0))), save_in(0));
  math2("logaddexp", "log(exp(x1) + exp(x2)), without overflow.", "logaddexp([0.0], [0.0])",
        "array([0.6931472], dtype=float32)", TAHR_VJP2(mul(dy, u("exp", sub(x1, y))), mul(dy, u("exp", sub(x2, y)))),
        save_in(0) | save_in(1) | save_out(0));
  math2("logaddexp2", "log2(2**x1 + 2**x2), without overflow.", "logaddexp2([0.0, 3.0], [0.0, 3.0])",
        "array([1., 4.], dtype=float32)", TAHR_VJP2(mul(dy, u("exp2", sub(x1, y))), mul(dy, u("exp2", sub(x2, y)))),
        save_in(0) | save_in(1) | save_out(0));

  math("sin", "The sine of x in radians.", "sin([0.0, 1.5707964])", kZeroOne, TAHR_VJP1(mul(dy, u("cos", x))),
       save_in(0));
  math("cos", "The cosine of x in radians.", "cos([0.0, 3.1415927])", "array([ 1., -1.], dtype=float32)",
       TAHR_VJP1(neg(mul(dy, u("sin", x)))), save_in(0));
  math("tan", "The tangent of x in radians.", "tan([0.0, 0.7853982]).numpy().round(4)",
       "array([0., 1.], dtype=float32)", TAHR_VJP1(mul(dy, add(sq(y), 1.0))), save_out(0));
  math("arcsin", "The angle in [-pi/2, pi/2] whose sine is x.", "arcsin([0.0, 1.0])",
       "array([0.       , 1.5707964], dtype=float32)", TAHR_VJP1(mul(dy, u("rsqrt", one_minus(sq(x))))), save_in(0));
  math("arccos", "The angle in [0, pi] whose cosine is x.", "arccos([1.0, 0.0])",
       "array([0.       , 1.5707964], dtype=float32)", TAHR_VJP1(neg(mul(dy, u("rsqrt", one_minus(sq(x)))))),
       save_in(0));
  math("arctan", "The angle in (-pi/2, pi/2) whose tangent is x.", "arctan([0.0, 1.0]).numpy().round(4)",
       "array([0.    , 0.7854], dtype=float32)", TAHR_VJP1(div(dy, add(sq(x), 1.0))), save_in(0));
  math2("arctan2", "The angle in [-pi, pi] of the point (x2, x1).", "arctan2([1.0, 1.0], [1.0, -1.0]).numpy().round(4)",
        "array([0.7854, 2.3562], dtype=float32)",
        TAHR_VJP2(mul(dy, div(x2, add(sq(x1), sq(x2)))), neg(mul(dy, div(x1, add(sq(x1), sq(x2)))))),
        save_in(0) | save_in(1));
  math("sinh", "The hyperbolic sine of x.", "sinh([0.0, 1.0])", "array([0.       , 1.1752012], dtype=float32)",
       TAHR_VJP1(mul(dy, u("cosh", x))), save_in(0));
  math("cosh", "The hyperbolic cosine of x.", "cosh([0.0, 1.0]).numpy().round(4)",
       "array([1.    , 1.5431], dtype=float32)", TAHR_VJP1(mul(dy, u("sinh", x))), save_in(0));
  math("tanh", "The hyperbolic tangent of x.", "tanh([0.0, 1.0])", "array([0.       , 0.7615942], dtype=float32)",
       TAHR_VJP1(b("tanh_grad", dy, y)), save_out(0));
  math("arcsinh", "The inverse hyperbolic sine of x.", "arcsinh([0.0, 1.0])",
       "array([0.       , 0.8813736], dtype=float32)", TAHR_VJP1(mul(dy, u("rsqrt", add(sq(x), 1.0)))), save_in(0));
  math("arccosh", "The inverse hyperbolic cosine of x, NaN below 1.", "arccosh([1.0, 3.0])",
       "array([0.       , 1.7627472], dtype=float32)", TAHR_VJP1(mul(dy, u("rsqrt", mul(add(x, -1.0), add(x, 1.0))))),
       save_in(0));
  math("arctanh", "The inverse hyperbolic tangent of x.", "arctanh([0.0, 0.5])",
       "array([0.        , 0.54930615], dtype=float32)", TAHR_VJP1(div(dy, one_minus(sq(x)))), save_in(0));
  math("sinc", "sin(pi x) / (pi x), 1 at 0.", "sinc([0.0, 0.25])", "array([1.       , 0.9003163], dtype=float32)",
       TAHR_VJP1(mul(dy, sinc_slope(x, y))), save_in(0) | save_out(0));

  math("erf", "The error function of x.", "erf([0.0, 1.0])", "array([0.       , 0.8427008], dtype=float32)",
       TAHR_VJP1(mul(mul(dy, kTwoOverSqrtPi), u("exp", neg(sq(x))))), save_in(0));
  math("erfc", "1 - erf(x), accurate for large x.", "erfc([0.0, 1.0]).numpy().round(4)",
       "array([1.    , 0.1573], dtype=float32)", TAHR_VJP1(mul(mul(dy, -kTwoOverSqrtPi), u("exp", neg(sq(x))))),
       save_in(0));
  math("erfinv", "The inverse of erf.", "erfinv([0.0, 0.5])", "array([0.        , 0.47693628], dtype=float32)",
       TAHR_VJP1(mul(mul(dy, 1.0 / kTwoOverSqrtPi), u("exp", sq(y)))), save_out(0));
  math("lgamma", "The logarithm of the magnitude of the gamma function.", "lgamma([1.0, 4.0])",
       "array([0.       , 1.7917595], dtype=float32)", TAHR_VJP1(mul(dy, u("digamma", x))), save_in(0), kHidden);
  math("digamma", "The derivative of lgamma.", "digamma([1.0])", "array([-0.5772157], dtype=float32)",
       TAHR_VJP1(mul(dy, u("trigamma", x))), save_in(0), kHidden);
  math("trigamma", "The derivative of digamma.", "trigamma([1.0])", "array([1.644934], dtype=float32)", nullptr,
       kSaveNone, kHidden);
  math("i0", "The modified Bessel function of the first kind of order 0.", "i0([0.0, 1.0])",
       "array([1.       , 1.2660658], dtype=float32)", TAHR_VJP1(mul(dy, u("i1", x))), save_in(0));
  math("i1", "The modified Bessel function of the first kind of order 1.", "i1([0.0, 1.0])",
       "array([0.        , 0.56515914], dtype=float32)", TAHR_VJP1(mul(dy, i1_slope(x, y))), save_in(0) | save_out(0),
       kHidden);
}

}  // namespace tahr::elementwise
