// Optimizer updates: one op per rule of Keras 3, which updates all parameters of a model and their slots in place.
//
// The inputs are one list of tensors, `count` parameters in groups:
//
//   [parameters..., first slots..., second slots..., ..., gradients..., scalars...]
//
// Parameters and slots are variables. Each slot and gradient has the shape and dtype of its parameter. The
// scalars are 0-d tensors or variables, so that they may change between steps of a traced function: the learning rate,
// then, for the rules that count steps, `iterations`: the number of steps done before this one. Nothing is returned.
// The slots of each rule are listed in csrc/ops/README.md.
//
// weight_decay is Keras's decoupled one: p -= p * weight_decay * learning_rate before the rule, except for the
// parameters whose indices are in no_decay. Clipping, averaging and schedules are the caller's.
#include "core/variable.h"
#include "ops/functions.h"
#include "ops/optimizer_attrs.h"

namespace tahr {
namespace {

enum Scalars { kLearningRate = 1, kIterations = 2, kProduct = 3 };  // how many scalars end the list

void check_group(const InferArgs& a, int64_t count, int slots) {
  for (int64_t i = 0; i < count; ++i) {
    const VariableImpl* p = a.values[static_cast<size_t>(i)].impl()->variable;
    const Spec& spec = a.in[static_cast<size_t>(i)];
    if (!p) throw_type("[", a.op, "] expected parameter ", i, " to be a variable, received a tensor.");
    if (!is_float(spec.dtype)) {
      throw_type("[", a.op, "] expected a floating-point parameter '", p->name, "', received ", name_of(spec.dtype),
                 ".");
    }
    for (int group = 1; group <= slots + 1; ++group) {
      const size_t at = static_cast<size_t>(group * count + i);
      const bool gradient = group == slots + 1;
      if (!gradient && !a.values[at].impl()->variable) {
        throw_type("[", a.op, "] expected slot ", group, " of parameter '", p->name,
                   "' to be a variable, received a tensor.");
      }
      if (gradient && a.values[at].impl()->variable) {
        throw_type("[", a.op, "] expected the gradient of parameter '", p->name,
                   "' to be a tensor, received a variable. Pass its value.");
      }
      if (!(a.in[at] == spec)) {
        throw_value("[", a.op, "] expected the ", gradient ? "gradient" : "slots", " of parameter '", p->name,
                    "' to be ", name_of(spec.dtype), " of shape ", spec.shape.str(), ", received ",
                    name_of(a.in[at].dtype), " of shape ", a.in[at].shape.str(), ".");
      }
    }
  }
}

template <class A>
void check_update(const InferArgs& a, int slots, int scalars) {
  const auto& attrs = a.as<A>();
  const int64_t wanted = attrs.count * (slots + 2) + scalars;
  if (attrs.count < 0 || static_cast<int64_t>(a.in.size()) != wanted) {
    throw_value("[", a.op, "] expected ", wanted, " tensors for count=", attrs.count, " (parameters, ", slots,
                " slots each, gradients, ", scalars, " scalars), received ", a.in.size(), ".");
  }
  for (size_t i = 0; i < a.in.size(); ++i) {
    if (!a.has(i)) throw_value("[", a.op, "] expected tensors only, received None at position ", i, ".");
  }
  check_group(a, attrs.count, slots);
  const size_t first = a.in.size() - static_cast<size_t>(scalars);
  for (size_t i = first; i < a.in.size(); ++i) {
    const bool integer = scalars >= kIterations && i == first + 1;
    if (a.in[i].shape.rank() != 0 || (integer ? !is_int(a.in[i].dtype) : !is_float(a.in[i].dtype))) {
      throw_value("[", a.op, "] expected ", integer ? "iterations to be an integer" : "a floating-point",
                  " scalar, received ", name_of(a.in[i].dtype), " of shape ", a.in[i].shape.str(), ".");
    }
  }
  for (int64_t i : attrs.no_decay) {
    if (i < 0 || i >= attrs.count) {
      throw_index("[", a.op, "] expected indices of parameters in no_decay, below ", attrs.count, ", received ", i,
                  ".");
    }
  }
}

template <class A, int kSlots, int kScalars>
Specs infer_update(const InferArgs& a) {
  check_update<A>(a, kSlots, kScalars);
  return {};
}

Specs infer_sgd(const InferArgs& a) {
  check_update<SgdAttrs>(a, a.as<SgdAttrs>().momentum != 0 ? 1 : 0, kLearningRate);
  return {};
}

Specs infer_rmsprop(const InferArgs& a) {
  const auto& attrs = a.as<RmspropAttrs>();
  check_update<RmspropAttrs>(a, 1 + (attrs.momentum > 0) + attrs.centered, kLearningRate);
  return {};
}

Specs infer_adam(const InferArgs& a) {
  check_update<AdamAttrs>(a, a.as<AdamAttrs>().amsgrad ? 3 : 2, kIterations);
  return {};
}

void define_update(const char* name, const char* doc, const AttrType* attrs, InferFn infer) {
  define_op({.name = name,
             .inputs = "*tensors",
             .doc = doc,
             .traits = kStateful | kNoGradient | kHidden,
             .attrs = attrs,
             .infer = infer,
             .outputs = 0});
}

}  // namespace

void define_optimizer_ops() {
  define_update("sgd_update",
                "Gradient descent with momentum: m = momentum m - lr g, p += m (nesterov: p += momentum m - lr g).\n\n"
                "Source: I. Sutskever et al., \"On the importance of initialization and momentum\", ICML 2013.",
                attr_type<SgdAttrs>(), infer_sgd);
  define_update("rmsprop_update",
                "RMSprop: v = rho v + (1 - rho) g^2, p -= lr g / sqrt(v + epsilon), with momentum and centring.\n\n"
                "Source: T. Tieleman, G. Hinton, lecture 6.5, 2012.",
                attr_type<RmspropAttrs>(), infer_rmsprop);
  define_update(
      "adam_update",
      "Adam: p -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon); AdamW with weight_decay.\n\n"
      "Source: D. Kingma, J. Ba, arXiv:1412.6980; S. Reddi et al. (amsgrad), ICLR 2018; I. Loshchilov, "
      "F. Hutter (AdamW), arXiv:1711.05101.",
      attr_type<AdamAttrs>(), infer_adam);
  define_update(
      "nadam_update",
      "Adam with Nesterov momentum. The last scalar is the product of the momentum schedule up to this step.\n\n"
      "Source: T. Dozat, \"Incorporating Nesterov momentum into Adam\", 2016.",
      attr_type<MomentAttrs>(), infer_update<MomentAttrs, 2, kProduct>);
  define_update("adamax_update",
                "Adam by the infinity norm: u = max(beta_2 u, |g|), p -= lr m / ((1 - beta_1^t)(u + epsilon)).\n\n"
                "Source: D. Kingma, J. Ba, arXiv:1412.6980, section 7.",
                attr_type<MomentAttrs>(), infer_update<MomentAttrs, 2, kIterations>);
  define_update("adadelta_update",
                "Adadelta: steps scaled by the ratio of running root mean squares of steps and gradients.\n\n"
                "Source: M. Zeiler, arXiv:1212.5701.",
                attr_type<AdadeltaAttrs>(), infer_update<AdadeltaAttrs, 2, kLearningRate>);
  define_update("adagrad_update",
                "Adagrad: s += g^2, p -= lr g / sqrt(s + epsilon).\n\n"
                "Source: J. Duchi, E. Hazan, Y. Singer, JMLR 2011.",
                attr_type<AdagradAttrs>(), infer_update<AdagradAttrs, 1, kLearningRate>);
  define_update(
      "ftrl_update",
      "Follow the regularized leader, proximal.\n\nSource: H. McMahan et al., \"Ad click prediction\", KDD 2013.",
      attr_type<FtrlAttrs>(), infer_update<FtrlAttrs, 2, kLearningRate>);
  define_update("lion_update",
                "Lion: p -= lr sign(beta_1 m + (1 - beta_1) g), then m = beta_2 m + (1 - beta_2) g.\n\n"
                "Source: X. Chen et al., arXiv:2302.06675.",
                attr_type<LionAttrs>(), infer_update<LionAttrs, 1, kLearningRate>);
  define_update("lamb_update",
                "Adam's step for each parameter, scaled to the parameter's norm.\n\n"
                "Source: Y. You et al., arXiv:1904.00962.",
                attr_type<MomentAttrs>(), infer_update<MomentAttrs, 2, kIterations>);
}

}  // namespace tahr
