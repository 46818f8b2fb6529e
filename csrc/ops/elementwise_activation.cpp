// Activations, and their gradients where one pass over memory instead of several matters.
#include <limits>

#include "ops/elementwise_defs.h"

namespace tahr::elementwise {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kSeluScale = 1.0507009873554804934193349852946, kSeluAlpha = 1.6732632423543772848170429916717;
// gelu by tanh: x sigmoid(2 kGeluRate (x + kGeluCubic x^3))
constexpr double kGeluRate = 0.79788456080286535588, kGeluCubic = 0.044715;

void activation(const char* name, const char* summary, const char* call, const char* shows, VjpFn vjp, uint32_t saves,
                const AttrType* attrs = nullptr, Promote promote = Promote::Inexact, InferFn infer = infer_same) {
  define_op({.name = name,
             .inputs = "x",
             .doc = doc(summary, call, shows),
             .traits = kElementwise,
             .promote = promote,
             .attrs = attrs,
             .infer = infer,
             .vjp = vjp,
             .saves = saves});
}

// A hidden op of (dy, x) that is linear in dy.
void gradient(const char* name, const char* second, const char* summary, VjpFn vjp, uint32_t saves,
              const AttrType* attrs = nullptr) {
  define_op({.name = name,
             .inputs = std::string("dy, ") + second,
             .doc = summary,
             .traits = kElementwise | kHidden,
             .promote = Promote::Inexact,
             .attrs = attrs,
             .infer = infer_same,
             .vjp = vjp,
             .saves = saves});
}

Tensor leaky_relu_grad(const Tensor& dy, const Tensor& x, const LeakyReluAttrs& at) {
  return call1(get_op("leaky_relu_grad"), {dy, x}, at);
}
Tensor elu_grad(const Tensor& dy, const Tensor& x, double factor, double rate, double slope) {
  EluGradAttrs at;
  at.factor = factor, at.rate = rate, at.slope = slope;
  return call1(get_op("elu_grad"), {dy, x}, at);
}
Tensor gelu_grad(const Tensor& dy, const Tensor& x, bool approximate) {
  GeluAttrs at;
  at.approximate = approximate;
  return call1(get_op("gelu_grad"), {dy, x}, at);
}

// Second derivatives.
Tensor silu_second(const Tensor& x) {
  const Tensor s = u("sigmoid", x);
  return mul(mul(s, one_minus(s)), add(mul(x, add(mul(s, -2.0), 1.0)), 2.0));
}
Tensor gelu_second(const Tensor& x, bool approximate) {
  const Tensor x2 = sq(x);
  if (!approximate) return mul(mul(u("exp", mul(x2, -0.5)), 0.5 * kGeluRate), add(neg(x2), 2.0));
  // x s(v): 2 s'(v) v' + x (s''(v) v'^2 + s'(v) v'')
  const Tensor v = mul(x, add(mul(x2, 2 * kGeluRate * kGeluCubic), 2 * kGeluRate));
  const Tensor v1 = add(mul(x2, 6 * kGeluRate * kGeluCubic), 2 * kGeluRate);
  const Tensor s = u("sigmoid", v), s1 = mul(s, one_minus(s));
  const Tensor curve = add(mul(add(mul(s, -2.0), 1.0), sq(v1)), mul(x, 12 * kGeluRate * kGeluCubic));
  return mul(s1, add(mul(v1, 2.0), mul(x, curve)));
}
Tensor mish_slope(const Tensor& x) {
  const Tensor t = u("tanh", u("softplus", x));
  return add(t, mul(mul(x, u("sigmoid", x)), one_minus(sq(t))));
}
// dy where |x| > threshold.
Tensor outside(const Tensor& dy, const Tensor& x, double threshold) {
  return drop(b("less_equal", u("absolute", x), scalar_like(x, threshold)), dy);
}

Tensors glu_decompose(std::span<const Tensor> in, const void* attrs) {
  const Tensor& x = in[0];
  const int axis = normalize_axis(static_cast<const GluAttrs*>(attrs)->axis, x.rank(), "glu");
  if (x.dim(axis) != kUnknown && x.dim(axis) % 2 != 0) {
    throw_value("[glu] expected an even size along axis ", axis, ", received shape ", x.shape().str(), ".");
  }
  const Tensors halves = ops::split(x, 2, axis);
  return {mul(halves[0], u("sigmoid", halves[1]))};
}

void define_gradients() {
  gradient(
      "range_grad", "x", "dy * scale where low < x < high, else 0.",
      [](const VjpArgs& a, std::span<Tensor> dx) {
        const auto& at = a.as<RangeGradAttrs>();
        if (a.need(0)) dx[0] = range_grad(a.dy[0], a.in[1], at.low, at.high, at.scale);
      },
      save_in(1), attr_type<RangeGradAttrs>());
  gradient(
      "leaky_relu_grad", "x", "dy where x > 0, else negative_slope * dy.",
      [](const VjpArgs& a, std::span<Tensor> dx) {
        if (a.need(0)) dx[0] = leaky_relu_grad(a.dy[0], a.in[1], a.as<LeakyReluAttrs>());
      },
      save_in(1), attr_type<LeakyReluAttrs>());
  gradient("tanh_grad", "y", "dy * (1 - y^2), for y = tanh(x).",
           TAHR_VJP2(b("tanh_grad", dy, x2), mul(mul(mul(dy, x1), x2), -2.0)), save_in(0) | save_in(1));
  gradient("sigmoid_grad", "y", "dy * y * (1 - y), for y = sigmoid(x).",
           TAHR_VJP2(b("sigmoid_grad", dy, x2), mul(mul(dy, x1), add(mul(x2, -2.0), 1.0))), save_in(0) | save_in(1));
  gradient("silu_grad", "x", "dy times the derivative of silu at x.",
           TAHR_VJP2(b("silu_grad", dy, x2), mul(mul(dy, x1), silu_second(x2))), save_in(0) | save_in(1));
  gradient("gelu_grad", "x", "dy times the derivative of gelu at x.",
           TAHR_VJP2(gelu_grad(dy, x2, a.as<GeluAttrs>().approximate),
                     mul(mul(dy, x1), gelu_second(x2, a.as<GeluAttrs>().approximate))),
           save_in(0) | save_in(1), attr_type<GeluAttrs>());
  gradient(
      "elu_grad", "x", "dy * slope where x > 0, else dy * factor * exp(rate * x).",
      [](const VjpArgs& a, std::span<Tensor> dx) {
        const auto& at = a.as<EluGradAttrs>();
        const Tensor& dy = a.dy[0];
        if (a.need(0)) dx[0] = elu_grad(dy, a.in[1], at.factor, at.rate, at.slope);
        if (a.need(1)) dx[1] = elu_grad(mul(dy, a.in[0]), a.in[1], at.factor * at.rate, at.rate, 0.0);
      },
      save_in(0) | save_in(1), attr_type<EluGradAttrs>());
}

}  // namespace

void define_activations() {
  define_gradients();
  activation("relu", "max(x, 0). The gradient at 0 is 0.", "relu([-1.0, 2.0])", "array([0., 2.], dtype=float32)",
             TAHR_VJP1(range_grad(dy, y, 0.0, kInf)), save_out(0), nullptr, Promote::None, infer_bool_to_int32);
  activation("relu6", "x limited to [0, 6].", "relu6([-1.0, 9.0])", "array([0., 6.], dtype=float32)",
             TAHR_VJP1(range_grad(dy, y, 0.0, 6.0)), save_out(0));
  activation("leaky_relu", "x where positive, else negative_slope * x.", "leaky_relu([-1.0, 2.0])",
             "array([-0.2,  2. ], dtype=float32)", TAHR_VJP1_ATTRS(LeakyReluAttrs, leaky_relu_grad(dy, x, at)),
             save_in(0), attr_type<LeakyReluAttrs>());
  activation("elu", "x where positive, else alpha * (exp(x) - 1). Clevert et al. 2015, arXiv:1511.07289.",
             "elu([-1.0, 2.0])", "array([-0.63212055,  2.        ], dtype=float32)",
             TAHR_VJP1_ATTRS(AlphaAttrs, elu_grad(dy, x, at.alpha, 1.0, 1.0)), save_in(0), attr_type<AlphaAttrs>());
  activation("celu", "x where positive, else alpha * (exp(x / alpha) - 1). Barron 2017, arXiv:1704.07483.",
             "celu([-1.0, 2.0])", "array([-0.63212055,  2.        ], dtype=float32)",
             TAHR_VJP1_ATTRS(AlphaAttrs, elu_grad(dy, x, 1.0, 1.0 / at.alpha, 1.0)), save_in(0),
             attr_type<AlphaAttrs>());
  activation("selu",
             "Elu scaled so that activations keep mean 0 and variance 1. Klambauer et al. 2017, arXiv:1706.02515.",
             "selu([-1.0, 2.0])", "array([-1.1113307,  2.101402 ], dtype=float32)",
             TAHR_VJP1(elu_grad(dy, x, kSeluScale * kSeluAlpha, 1.0, kSeluScale)), save_in(0));
  activation("gelu",
             "x Phi(x), Phi the normal distribution function, by default through its tanh approximation. "
             "Hendrycks and Gimpel 2016, arXiv:1606.08415.",
             "gelu([-1.0, 2.0]).numpy().round(4)", "array([-0.1588,  1.9546], dtype=float32)",
             TAHR_VJP1_ATTRS(GeluAttrs, gelu_grad(dy, x, at.approximate)), save_in(0), attr_type<GeluAttrs>());
  activation("sigmoid", "1 / (1 + exp(-x)).", "sigmoid([0.0, 2.0]).numpy().round(4)",
             "array([0.5   , 0.8808], dtype=float32)", TAHR_VJP1(b("sigmoid_grad", dy, y)), save_out(0));
  activation("log_sigmoid", "log(sigmoid(x)), without overflow.", "log_sigmoid([0.0])",
             "array([-0.6931472], dtype=float32)", TAHR_VJP1(mul(dy, u("sigmoid", neg(x)))), save_in(0));
  activation("softplus", "log(1 + exp(x)), without overflow.", "softplus([0.0])", "array([0.6931472], dtype=float32)",
             TAHR_VJP1(mul(dy, u("sigmoid", x))), save_in(0));
  activation("silu", "x * sigmoid(x), also called swish. Ramachandran et al. 2017, arXiv:1710.05941.",
             "silu([-1.0, 2.0]).numpy().round(4)", "array([-0.2689,  1.7616], dtype=float32)",
             TAHR_VJP1(b("silu_grad", dy, x)), save_in(0));
  define_alias("swish", "silu");
  activation("mish", "x * tanh(softplus(x)). Misra 2019, arXiv:1908.08681.", "mish([0.0, 1.0]).numpy().round(4)",
             "array([0.    , 0.8651], dtype=float32)", TAHR_VJP1(mul(dy, mish_slope(x))), save_in(0));
  activation("softsign", "x / (1 + |x|).", "softsign([-1.0, 3.0])", "array([-0.5 ,  0.75], dtype=float32)",
             TAHR_VJP1(div(dy, sq(add(u("absolute", x), 1.0)))), save_in(0));
  activation("hard_sigmoid", "x / 6 + 1/2 limited to [0, 1].", "hard_sigmoid([-9.0, 0.0])",
             "array([0. , 0.5], dtype=float32)", TAHR_VJP1(range_grad(dy, x, -3.0, 3.0, 1.0 / 6)), save_in(0));
  activation("hard_silu", "x * hard_sigmoid(x). Howard et al. 2019, arXiv:1905.02244.", "hard_silu([-9.0, 3.0])",
             "array([-0.,  3.], dtype=float32)",
             TAHR_VJP1(add(mul(dy, u("hard_sigmoid", x)), range_grad(mul(dy, x), x, -3.0, 3.0, 1.0 / 6))), save_in(0));
  define_alias("hard_swish", "hard_silu");
  activation("hard_tanh", "x limited to [-1, 1].", "hard_tanh([-9.0, 0.5])", "array([-1. ,  0.5], dtype=float32)",
             TAHR_VJP1(range_grad(dy, x, -1.0, 1.0)), save_in(0));
  activation("hard_shrink", "x, and 0 where |x| <= threshold.", "hard_shrink([-0.4, 2.0])",
             "array([0., 2.], dtype=float32)", TAHR_VJP1_ATTRS(ShrinkAttrs, outside(dy, x, at.threshold)), save_in(0),
             attr_type<ShrinkAttrs>());
  activation("soft_shrink", "x moved toward 0 by threshold, 0 where |x| <= threshold.", "soft_shrink([-0.4, 2.0])",
             "array([0. , 1.5], dtype=float32)", TAHR_VJP1_ATTRS(ShrinkAttrs, outside(dy, x, at.threshold)), save_in(0),
             attr_type<ShrinkAttrs>());
  activation("tanh_shrink", "x - tanh(x).", "tanh_shrink([0.0, 1.0])", "array([0.        , 0.23840582], dtype=float32)",
             TAHR_VJP1(mul(dy, sq(u("tanh", x)))), save_in(0));
  activation("squareplus", "(x + sqrt(x^2 + b)) / 2. Barron 2021, arXiv:2112.11687.", "squareplus([0.0, 1.5])",
             "array([1., 2.], dtype=float32)",
             TAHR_VJP1_ATTRS(SquareplusAttrs, mul(dy, add(mul(div(x, u("sqrt", add(sq(x), at.b))), 0.5), 0.5))),
             save_in(0), attr_type<SquareplusAttrs>());
  activation("threshold", "x where x > threshold, else default_value.", "threshold([0.5, 2.0], 1.0, -1.0)",
             "array([-1.,  2.], dtype=float32)", TAHR_VJP1_ATTRS(ThresholdAttrs, range_grad(dy, x, at.threshold, kInf)),
             save_in(0), attr_type<ThresholdAttrs>());
  activation("sparse_plus", "0 up to -1, x from 1 on, (x + 1)^2 / 4 between.", "sparse_plus([-2.0, 0.0, 3.0])",
             "array([0.  , 0.25, 3.  ], dtype=float32)", TAHR_VJP1(mul(dy, u("sparse_sigmoid", x))), save_in(0));
  activation("sparse_sigmoid", "0 up to -1, 1 from 1 on, (x + 1) / 2 between.", "sparse_sigmoid([-2.0, 0.0, 3.0])",
             "array([0. , 0.5, 1. ], dtype=float32)", TAHR_VJP1(range_grad(dy, x, -1.0, 1.0, 0.5)), save_in(0));
  define_op(
      {.name = "glu",
       .inputs = "x",
       .doc = doc("The first half of x along an axis, gated by the sigmoid of the second half. Dauphin et al. 2016, "
                  "arXiv:1612.08083.",
                  "glu([3.0, 0.0])", "array([1.5], dtype=float32)"),
       .promote = Promote::Inexact,
       .attrs = attr_type<GluAttrs>(),
       .decompose = glu_decompose});
}

}  // namespace tahr::elementwise
