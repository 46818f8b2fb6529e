// Cross-entropies: fused, stable ops on logits with fused gradients, and Keras's functions made of them.
//
// The fused ops work along the last axis; the Keras functions bring `axis` there. Second derivatives go through plain
// ops: the gradient op of each loss has a vjp of its own.
#include "ops/loss.h"

#include <cmath>

#include "ops/reduce.h"

namespace tahr {
namespace {

// Keras clips probabilities this far from 0 and 1 before taking logarithms.
constexpr double kEpsilon = 1e-7;

Tensor call_op(const char* op, std::initializer_list<Tensor> in) { return call1(get_op(op), in); }

Tensor softmax_last(const Tensor& x) {
  const SoftmaxAttrs attrs;
  return call1(get_op("softmax"), {x}, attrs);
}
Tensor log_softmax_last(const Tensor& x) {
  const SoftmaxAttrs attrs;
  return call1(get_op("log_softmax"), {x}, attrs);
}
Tensor softmax_grad_last(const Tensor& y, const Tensor& dy) {
  const SoftmaxAttrs attrs;
  return call1(get_op("softmax_grad"), {y, dy}, attrs);
}

const Axes& last_axis() {
  static const Axes axes(Ints{-1});
  return axes;
}

// (...) -> (..., 1)
Tensor expand_last(const Tensor& x) {
  Shape s = x.shape();
  s.push_back(1);
  return ops::reshape(x, s);
}

// (...) against (..., 1): a per-row factor.
Tensor scale_rows(const Tensor& x, const Tensor& per_row) { return ops::multiply(x, expand_last(per_row)); }

Tensor row_dot(const Tensor& a, const Tensor& b) { return ops::sum(ops::multiply(a, b), last_axis(), false); }

bool may_be_equal(int64_t a, int64_t b) { return a == b || a == kUnknown || b == kUnknown; }

bool may_be_equal(const Shape& a, const Shape& b) {
  if (a.rank() != b.rank()) return false;
  for (int i = 0; i < a.rank(); ++i) {
    if (!may_be_equal(a[i], b[i])) return false;
  }
  return true;
}

Shape without_last(const Shape& s) {
  Shape out = s;
  if (out.rank() > 0) out.erase(out.rank() - 1);
  return out;
}

void check_rank(const Spec& logits, const char* op) {
  if (logits.shape.rank() == 0) {
    throw_value("[", op, "] expected scores with a class axis, received a scalar. Give one row of scores per label.");
  }
}

void check_same_shape(const Shape& a, const Shape& b, const char* op, const char* what) {
  if (!may_be_equal(a, b)) {
    throw_value("[", op, "] expected ", what, " of the same shape, received ", a.str(), " and ", b.str(), ".");
  }
}

// Labels: one integer per row of scores.
void check_labels(const Spec& scores, const Spec& labels, const char* op) {
  check_rank(scores, op);
  if (!is_int(labels.dtype)) {
    throw_type("[", op, "] expected integer labels, received ", name_of(labels.dtype),
               ". Cast them, or use the dense loss.");
  }
  if (!may_be_equal(without_last(scores.shape), labels.shape)) {
    throw_value("[", op, "] expected one label per row of scores, received labels of shape ", labels.shape.str(),
                " for scores of shape ", scores.shape.str(),
                ". The labels' shape must be the scores' without the class axis.");
  }
}

void check_float(const Spec& x, const char* op) {
  if (!is_float(x.dtype))
    throw_type("[", op, "] expected floating-point scores, received ", name_of(x.dtype), ". Cast them first.");
}

// ---- sparse_softmax_cross_entropy ----

Specs infer_sparse(const InferArgs& a) {
  check_float(a.in[0], a.op);
  check_labels(a.in[0], a.in[1], a.op);
  return {{without_last(a.in[0].shape), a.in[0].dtype}};
}

void sparse_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (a.need(0)) dx[0] = call_op("sparse_softmax_cross_entropy_grad", {a.in[0], a.in[1], a.dy[0]});
}

Specs infer_sparse_grad(const InferArgs& a) {
  check_float(a.in[0], a.op);
  check_labels(a.in[0], a.in[1], a.op);
  return {a.in[0]};
}

// g = (p - onehot) dy, with u the cotangent of g.
void sparse_grad_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Tensor &x = a.in[0], &labels = a.in[1], &dy = a.in[2], &u = a.dy[0];
  if (a.need(0)) dx[0] = scale_rows(softmax_grad_last(softmax_last(x), u), dy);
  if (a.need(2)) dx[2] = row_dot(u, call_op("sparse_softmax_cross_entropy_grad", {x, labels, ops::ones_like(dy)}));
}

Tensor pick_labels(const Tensor& x, const Tensor& labels) { return call_op("pick_labels", {x, labels}); }

Tensors sparse_decompose(std::span<const Tensor> in, const void*) {
  return {ops::negative(pick_labels(log_softmax_last(in[0]), in[1]))};
}

// ---- softmax_cross_entropy ----

Specs infer_dense(const InferArgs& a) {
  check_rank(a.in[0], a.op);
  check_same_shape(a.in[0].shape, a.in[1].shape, a.op, "logits and labels");
  return {{without_last(a.in[0].shape), a.in[0].dtype}};
}

void dense_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (a.need(0)) dx[0] = call_op("softmax_cross_entropy_grad", {a.in[0], a.in[1], a.dy[0]});
  if (a.need(1)) dx[1] = ops::negative(scale_rows(log_softmax_last(a.in[0]), a.dy[0]));
}

Specs infer_dense_grad(const InferArgs& a) {
  check_same_shape(a.in[0].shape, a.in[1].shape, a.op, "logits and labels");
  return {a.in[0]};
}

// g = (p sum(t) - t) dy, with u the cotangent of g.
void dense_grad_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Tensor &x = a.in[0], &t = a.in[1], &dy = a.in[2], &u = a.dy[0];
  const Tensor p = softmax_last(x);
  if (a.need(0)) { dx[0] = scale_rows(softmax_grad_last(p, u), ops::multiply(dy, ops::sum(t, last_axis(), false))); }
  if (a.need(1)) dx[1] = scale_rows(ops::subtract(expand_last(row_dot(u, p)), u), dy);
  if (a.need(2)) dx[2] = row_dot(u, ops::subtract(ops::multiply(p, ops::sum(t, last_axis(), true)), t));
}

Tensors dense_decompose(std::span<const Tensor> in, const void*) {
  return {ops::negative(row_dot(in[1], log_softmax_last(in[0])))};
}

// ---- sigmoid_cross_entropy ----

Specs infer_sigmoid(const InferArgs& a) {
  check_same_shape(a.in[0].shape, a.in[1].shape, a.op, "logits and targets");
  return {a.in[0]};
}

void sigmoid_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (a.need(0)) dx[0] = call_op("sigmoid_cross_entropy_grad", {a.in[0], a.in[1], a.dy[0]});
  if (a.need(1)) dx[1] = ops::negative(ops::multiply(a.in[0], a.dy[0]));
}

// g = (s - t) dy, with u the cotangent of g.
void sigmoid_grad_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Tensor &x = a.in[0], &t = a.in[1], &dy = a.in[2], &u = a.dy[0];
  const Tensor s = ops::unary("sigmoid", x);
  if (a.need(0)) {
    const Tensor slope = ops::multiply(s, ops::unary("sigmoid", ops::negative(x)));
    dx[0] = ops::multiply(ops::multiply(u, dy), slope);
  }
  if (a.need(1)) dx[1] = ops::negative(ops::multiply(u, dy));
  if (a.need(2)) dx[2] = ops::multiply(u, ops::subtract(s, t));
}

Tensors sigmoid_decompose(std::span<const Tensor> in, const void*) {
  const Tensor &x = in[0], &t = in[1];
  const Tensor tail = ops::unary("log1p", ops::unary("exp", ops::negative(ops::unary("abs", x))));
  return {ops::add(ops::subtract(ops::unary("relu", x), ops::multiply(x, t)), tail)};
}

// ---- picking one score per row, and its transpose ----

Specs infer_pick(const InferArgs& a) {
  check_labels(a.in[0], a.in[1], a.op);
  return {{without_last(a.in[0].shape), a.in[0].dtype}};
}

void pick_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.need(0)) return;
  SpreadLabelsAttrs attrs;
  attrs.classes = a.in_specs[0].shape.back();
  dx[0] = call1(get_op("spread_labels"), {a.dy[0], a.in[1]}, attrs);
}

Specs infer_spread(const InferArgs& a) {
  check_same_shape(a.in[0].shape, a.in[1].shape, a.op, "values and labels");
  Spec out = a.in[0];
  out.shape.push_back(a.as<SpreadLabelsAttrs>().classes);
  return {out};
}

void spread_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (a.need(0)) dx[0] = pick_labels(a.dy[0], a.in[1]);
}

// ---- Keras's functions ----

struct BinaryAttrs {
  bool from_logits = false;
  TAHR_ATTRS(BinaryAttrs, TAHR_FIELD(from_logits))
};
struct CategoricalAttrs {
  bool from_logits = false;
  int64_t axis = -1;
  TAHR_ATTRS(CategoricalAttrs, TAHR_FIELD(from_logits), TAHR_FIELD(axis))
};

// Both in one floating-point dtype, as arithmetic between them would have it.
std::pair<Tensor, Tensor> common_float(const Tensor& target, const Tensor& output) {
  const DType d = to_inexact(promote(target.dtype(), target.weak(), output.dtype(), output.weak()));
  return {ops::cast(target, d), ops::cast(output, d)};
}

// The bounds as the dtype holds them: in a half, 1 - epsilon is 1.
Tensor clip_probability(const Tensor& p) {
  const Tensor low = Tensor::scalar(kEpsilon, p.dtype()), high = Tensor::scalar(1 - kEpsilon, p.dtype());
  return ops::binary("minimum", ops::binary("maximum", p, low), high);
}

Tensors binary_crossentropy(std::span<const Tensor> in, const void* attrs) {
  check_same_shape(in[0].shape(), in[1].shape(), "binary_crossentropy", "target and output");
  const auto [target, output] = common_float(in[0], in[1]);
  if (static_cast<const BinaryAttrs*>(attrs)->from_logits) return {call_op("sigmoid_cross_entropy", {output, target})};
  const Tensor p = clip_probability(output), one = Tensor::scalar(1, p.dtype());
  const Tensor hit = ops::multiply(target, ops::unary("log", p));
  const Tensor miss = ops::multiply(ops::subtract(one, target), ops::unary("log", ops::subtract(one, p)));
  return {ops::negative(ops::add(hit, miss))};
}

Tensor axis_to_last(const Tensor& x, int axis) {
  if (axis == x.rank() - 1) return x;
  Ints perm;
  for (int i = 0; i < x.rank(); ++i) {
    if (i != axis) perm.push_back(i);
  }
  perm.push_back(axis);
  return ops::transpose(x, perm);
}

Tensor normalized(const Tensor& p) { return ops::divide(p, ops::sum(p, last_axis(), true)); }

Tensors categorical_crossentropy(std::span<const Tensor> in, const void* attrs) {
  constexpr const char* kOp = "categorical_crossentropy";
  const CategoricalAttrs& a = *static_cast<const CategoricalAttrs*>(attrs);
  check_same_shape(in[0].shape(), in[1].shape(), kOp, "target and output");
  check_rank(in[1].spec(), kOp);
  auto [target, output] = common_float(in[0], in[1]);
  const int axis = normalize_axis(a.axis, output.rank(), kOp);
  target = axis_to_last(target, axis);
  output = axis_to_last(output, axis);
  if (a.from_logits) return {call_op("softmax_cross_entropy", {output, target})};
  return {ops::negative(row_dot(target, ops::unary("log", clip_probability(normalized(output)))))};
}

Tensors sparse_categorical_crossentropy(std::span<const Tensor> in, const void* attrs) {
  constexpr const char* kOp = "sparse_categorical_crossentropy";
  const CategoricalAttrs& a = *static_cast<const CategoricalAttrs*>(attrs);
  check_rank(in[1].spec(), kOp);
  Tensor labels = is_int(in[0].dtype()) ? in[0] : ops::cast(in[0], DType::Int32);
  if (labels.rank() == in[1].rank() && labels.shape().back() == 1)
    labels = ops::reshape(labels, without_last(labels.shape()));
  const Tensor scores = is_float(in[1].dtype()) ? in[1] : ops::cast(in[1], floatx());
  const int axis = normalize_axis(a.axis, scores.rank(), kOp);
  const Tensor output = axis_to_last(scores, axis);
  check_labels(output.spec(), labels.spec(), kOp);
  if (a.from_logits) return {call_op("sparse_softmax_cross_entropy", {output, labels})};
  // Only the labels' probabilities take part after the sum: pick them first.
  const Tensor p = ops::divide(pick_labels(output, labels), ops::sum(output, last_axis(), false));
  return {ops::negative(ops::unary("log", clip_probability(p)))};
}

void define_fused() {
  define_op(
      {.name = "sparse_softmax_cross_entropy",
       .inputs = "logits, labels",
       .doc = "-log(softmax(logits)[label]) per row, fused and stable.\n\nArguments: `logits` of shape (..., classes); "
              "`labels`, integers in [0, classes) of shape (...).\n\nReturns losses of shape (...). Raises ValueError "
              "for a label out of range.\n\nExample:\n\n>>> import tahr\n"
              ">>> tahr.ops.sparse_softmax_cross_entropy([[0., 0.]], [1]).numpy().round(4)\narray([0.6931], "
              "dtype=float32)",
       .attrs = nullptr,
       .infer = infer_sparse,
       .vjp = sparse_vjp,
       .saves = save_in(0) | save_in(1),
       .decompose = sparse_decompose});
  define_op({.name = "sparse_softmax_cross_entropy_grad",
             .inputs = "logits, labels, dy",
             .doc = "(softmax(logits) - onehot(labels)) dy: the gradient of sparse_softmax_cross_entropy.",
             .traits = kHidden,
             .infer = infer_sparse_grad,
             .vjp = sparse_grad_vjp,
             .saves = save_in(0) | save_in(1) | save_in(2)});
  define_op({.name = "softmax_cross_entropy",
             .inputs = "logits, labels",
             .doc = "-sum(labels * log_softmax(logits)) per row, fused and stable.\n\nArguments: `logits` and `labels` "
                    "(probabilities), both of shape (..., classes).\n\nReturns losses of shape (...).\n\nExample:\n\n"
                    ">>> import tahr\n"
                    ">>> tahr.ops.softmax_cross_entropy([[0., 0.]], [[0., 1.]]).numpy().round(4)\narray([0.6931], "
                    "dtype=float32)",
             .promote = Promote::Inexact,
             .infer = infer_dense,
             .vjp = dense_vjp,
             .saves = save_in(0) | save_in(1),
             .decompose = dense_decompose});
  define_op({.name = "softmax_cross_entropy_grad",
             .inputs = "logits, labels, dy",
             .doc = "(softmax(logits) sum(labels) - labels) dy: the gradient of softmax_cross_entropy.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .infer = infer_dense_grad,
             .vjp = dense_grad_vjp,
             .saves = save_in(0) | save_in(1) | save_in(2)});
  define_op(
      {.name = "sigmoid_cross_entropy",
       .inputs = "logits, targets",
       .doc = "-t log(sigmoid(x)) - (1 - t) log(1 - sigmoid(x)) per element, fused and stable.\n\nArguments: `logits` "
              "and `targets` (probabilities), of one shape.\n\nReturns losses of that shape.\n\nExample:\n\n"
              ">>> import tahr\n>>> tahr.ops.sigmoid_cross_entropy([0.], [1.]).numpy().round(4)\narray([0.6931], "
              "dtype=float32)",
       .promote = Promote::Inexact,
       .infer = infer_sigmoid,
       .vjp = sigmoid_vjp,
       .saves = save_in(0) | save_in(1),
       .decompose = sigmoid_decompose});
  define_op({.name = "sigmoid_cross_entropy_grad",
             .inputs = "logits, targets, dy",
             .doc = "(sigmoid(logits) - targets) dy: the gradient of sigmoid_cross_entropy.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .infer = infer_sigmoid,
             .vjp = sigmoid_grad_vjp,
             .saves = save_in(0) | save_in(1) | save_in(2)});
  define_op({.name = "pick_labels",
             .inputs = "x, labels",
             .doc = "x[..., label] for the label of each row.",
             .traits = kHidden,
             .infer = infer_pick,
             .vjp = pick_vjp,
             .saves = save_in(1)});
  define_op({.name = "spread_labels",
             .inputs = "dy, labels",
             .doc = "Rows of zeros with dy at the label: the gradient of pick_labels.",
             .traits = kHidden,
             .attrs = attr_type<SpreadLabelsAttrs>(),
             .infer = infer_spread,
             .vjp = spread_vjp,
             .saves = save_in(1)});
}

}  // namespace

void define_loss_ops() {
  define_fused();
  define_op({.name = "binary_crossentropy",
             .inputs = "target, output",
             .doc = "-t log(p) - (1 - t) log(1 - p) per element.\n\nArguments: `target` and `output`, of one shape; "
                    "`from_logits`, whether `output` holds logits; else it holds probabilities, which are clipped to "
                    "[1e-7, 1 - 1e-7].\n\nReturns losses of that shape.\n\nExample:\n\n>>> import tahr\n"
                    ">>> tahr.ops.binary_crossentropy([1.], [0.5]).numpy().round(4)\narray([0.6931], dtype=float32)",
             .attrs = attr_type<BinaryAttrs>(),
             .decompose = binary_crossentropy});
  define_op(
      {.name = "categorical_crossentropy",
       .inputs = "target, output",
       .doc = "-sum(target * log(p)) along the class axis.\n\nArguments: `target` (probabilities) and `output`, of one "
              "shape; `from_logits`, whether `output` holds logits; else it holds probabilities, which are divided "
              "by their sum and clipped to [1e-7, 1 - 1e-7]; `axis`, the class axis.\n\nReturns losses of the shape "
              "without that axis.\n\nExample:\n\n>>> import tahr\n"
              ">>> tahr.ops.categorical_crossentropy([[0., 1.]], [[0.5, 0.5]]).numpy().round(4)\narray([0.6931], "
              "dtype=float32)",
       .attrs = attr_type<CategoricalAttrs>(),
       .decompose = categorical_crossentropy});
  define_op({.name = "sparse_categorical_crossentropy",
             .inputs = "target, output",
             .doc =
                 "-log(p[label]) along the class axis.\n\nArguments: `target`, labels in [0, classes) of the shape of "
                 "`output` without the class axis (or with size 1 at the end); `output`; `from_logits`, whether "
                 "`output` holds logits; else it holds probabilities, which are divided by their sum and clipped to "
                 "[1e-7, 1 - 1e-7]; `axis`, the class axis.\n\nReturns losses of the labels' shape. Raises ValueError "
                 "for a label out of range.\n\nExample:\n\n>>> import tahr\n"
                 ">>> tahr.ops.sparse_categorical_crossentropy([1], [[0.5, 0.5]]).numpy().round(4)\narray([0.6931], "
                 "dtype=float32)",
             .attrs = attr_type<CategoricalAttrs>(),
             .decompose = sparse_categorical_crossentropy});
}

}  // namespace tahr
