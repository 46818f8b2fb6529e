// Matrix products with what follows them: the ops that graph passes put in the place of several plain ones. They give
// the bits of the ops they stand for.
#include <algorithm>

#include "core/variable.h"
#include "ops/elementwise_attrs.h"
#include "ops/functions.h"
#include "ops/linalg_attrs.h"

namespace tahr {
namespace {

// Each is an op with its default attributes, but for the two kinds of gelu. csrc/cpu/linalg.cpp has their loops.
constexpr const char* kActivations[] = {"relu",      "relu6",     "leaky_relu", "elu",          "selu",       "sigmoid",
                                        "tanh",      "softplus",  "softsign",   "silu",         "mish",       "gelu",
                                        "gelu_tanh", "hard_tanh", "hard_silu",  "hard_sigmoid", "log_sigmoid"};

void check_floats(const InferArgs& a, size_t x1) {
  const DType t = a.in[x1].dtype;
  if (!is_float(t) || a.in[x1 + 1].dtype != t) {
    throw_type("[", a.op, "] expected x1 and x2 of one floating-point dtype, received ", name_of(t), " and ",
               name_of(a.in[x1 + 1].dtype), ".");
  }
}

void check_factors(const InferArgs& a) {
  check_floats(a, 0);
  if (a.in[0].shape.rank() < 2 || a.in[1].shape.rank() < 2) {
    throw_value("[", a.op, "] expected x1 and x2 of rank 2 or more, received shapes ", a.in[0].shape.str(), " and ",
                a.in[1].shape.str(), ". Use matmul for vectors.");
  }
}

Specs infer_linear(const InferArgs& a) {
  const auto& at = a.as<LinearAttrs>();
  check_factors(a);
  if (!at.activation.empty() && !is_linear_activation(at.activation)) {
    throw_value("[", a.op, "] expected the name of an activation without parameters, received activation='",
                at.activation, "'. Apply the op after the product instead.");
  }
  Spec out = infer_product(a.in[0], a.in[1], at.transpose_a, at.transpose_b, a.op);
  if (a.has(2)) {
    const Spec& bias = a.in[2];
    const int64_t n = out.shape.back();
    if (bias.dtype != out.dtype || bias.shape.rank() != 1 ||
        (bias.shape[0] != n && bias.shape[0] != kUnknown && n != kUnknown)) {
      throw_value("[", a.op, "] expected a bias of shape (", n, ",) and dtype ", name_of(out.dtype), ", received ",
                  bias.shape.str(), " and ", name_of(bias.dtype), ".");
    }
  }
  return {out};
}

Tensors linear(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const LinearAttrs*>(attrs);
  Tensor y = ops::matmul(in[0], in[1], at.transpose_a, at.transpose_b);
  if (in.size() > 2 && in[2].defined()) y = ops::add(y, in[2]);
  return {at.activation.empty() ? y : linear_activate(y, at.activation)};
}

Specs infer_linear_grad(const InferArgs& a) {
  const auto& at = a.as<LinearGradAttrs>();
  check_factors(a);
  const Spec out = infer_product(a.in[0], a.in[1], at.transpose_a, at.transpose_b, a.op);
  const Spec& x = a.in[2];
  bool fits = x.dtype == out.dtype && x.shape.rank() == out.shape.rank();
  for (int i = 0; fits && i < out.shape.rank(); ++i) {
    fits = x.shape[i] == out.shape[i] || x.shape[i] == kUnknown || out.shape[i] == kUnknown;
  }
  if (!fits) {
    throw_value("[", a.op, "] expected x of the product's shape ", out.shape.str(), " and dtype ", name_of(out.dtype),
                ", received ", x.shape.str(), " and ", name_of(x.dtype), ".");
  }
  return {out};
}

Tensors linear_grad(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const LinearGradAttrs*>(attrs);
  RangeGradAttrs range;
  range.low = at.low, range.high = at.high, range.scale = at.scale;
  return {call1(get_op("range_grad"), {ops::matmul(in[0], in[1], at.transpose_a, at.transpose_b), in[2]}, range)};
}

Specs infer_linear_sgd(const InferArgs& a) {
  const auto& at = a.as<MatmulAttrs>();
  const VariableImpl* v = a.values[0].impl()->variable;
  if (!v) throw_type("[", a.op, "] expected a variable as its first input, received a tensor.");
  check_floats(a, 1);
  if (a.in[1].shape.rank() != 2 || a.in[2].shape.rank() != 2) {
    throw_value("[", a.op, "] expected matrices x1 and x2, received shapes ", a.in[1].shape.str(), " and ",
                a.in[2].shape.str(), ".");
  }
  const Spec product = infer_product(a.in[1], a.in[2], at.transpose_a, at.transpose_b, a.op);
  const Spec& own = a.in[0];
  bool fits = own.dtype == product.dtype && own.shape.rank() == 2;
  for (int i = 0; fits && i < 2; ++i) fits = product.shape[i] == own.shape[i] || product.shape[i] == kUnknown;
  if (!fits) {
    throw_value("[", a.op, "] expected a product of variable '", v->name, "'s shape ", own.shape.str(), " and dtype ",
                name_of(own.dtype), ", received ", product.shape.str(), " and ", name_of(product.dtype), ".");
  }
  if (a.in[3].shape.rank() != 0 || !is_float(a.in[3].dtype)) {
    throw_value("[", a.op, "] expected a floating-point scalar as learning_rate, received ", name_of(a.in[3].dtype),
                " of shape ", a.in[3].shape.str(), ".");
  }
  return {};
}

}  // namespace

bool is_linear_activation(std::string_view name) {
  return std::find(std::begin(kActivations), std::end(kActivations), name) != std::end(kActivations);
}

Tensor linear_activate(const Tensor& x, const std::string& name) {
  if (name == "gelu" || name == "gelu_tanh") {
    GeluAttrs at;
    at.approximate = name == "gelu_tanh";
    return call1(get_op("gelu"), {x}, at);
  }
  const OpDef& op = get_op(name);
  if (!op.attrs) return call1(op, {x});
  const auto defaults = op.attrs->make();
  return call1(op, std::span(&x, 1), defaults.get());
}

std::string linear_activation(const OpDef& op, const void* attrs) {
  if (op.name == "gelu") return static_cast<const GeluAttrs*>(attrs)->approximate ? "gelu_tanh" : "gelu";
  if (!is_linear_activation(op.name)) return {};
  if (op.attrs && attrs) {
    const auto defaults = op.attrs->make();
    if (!attrs_equal(*op.attrs, attrs, defaults.get())) return {};
  }
  return op.name;
}

void define_linear_ops() {
  define_op({.name = "linear",
             .inputs = "x1, x2, bias?",
             .doc = "activation(op(x1) op(x2) + bias): matmul, add and an activation as one op, with the same bits. "
                    "x1 (..., m, k), x2 (..., k, n) of a floating-point dtype, op as in matmul; bias (n,). "
                    "activation: empty, or the name of an activation, which gets its default parameters; gelu is the "
                    "exact one, gelu_tanh the approximate one. Returns (..., m, n).",
             .traits = kHidden,
             .promote = Promote::Common,
             .attrs = attr_type<LinearAttrs>(),
             .infer = infer_linear,
             .decompose = linear});
  define_op({.name = "linear_grad",
             .inputs = "x1, x2, x",
             .doc =
                 "range_grad(op(x1) op(x2), x): the gradient that a layer hands to the layer before, times the slope "
                 "of that layer's relu or similar activation, as one op with the same bits. x1 (..., m, k), x2 "
                 "(..., k, n) of a floating-point dtype, op as in matmul; x (..., m, n), where the slope is taken; "
                 "low, high, scale: the slope is scale where low < x < high, else 0. Returns (..., m, n).",
             .traits = kHidden,
             .attrs = attr_type<LinearGradAttrs>(),
             .infer = infer_linear_grad,
             .decompose = linear_grad});
  define_op({.name = "linear_sgd",
             .inputs = "variable, x1, x2, learning_rate",
             .doc = "variable -= learning_rate * (op(x1) op(x2)) in place, without storing the product: a layer's "
                    "weight gradient and its step of sgd_update without momentum, with the same bits. x1 and x2 are "
                    "matrices, op as in matmul; learning_rate a scalar tensor or variable.",
             .traits = kStateful | kNoGradient | kHidden,
             .attrs = attr_type<MatmulAttrs>(),
             .infer = infer_linear_sgd,
             .outputs = 0});
}

}  // namespace tahr
