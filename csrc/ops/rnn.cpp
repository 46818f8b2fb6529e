// Recurrent layers over whole sequences: simple_rnn, lstm, gru, and a gradient op for each.
//
// A forward op returns the state after every step, the last state, and, for its gradient, the activated gates, and the
// device's reserve (bytes; mostly none). Where there is a reserve, the kernel may leave gates and the like unwritten. A
// row that the mask leaves out of a step keeps its state. Second derivatives go through the plain ops of `decompose`:
// the gradient op's decomposition is the derivative of the forward op's.
#include <algorithm>

#include "ops/functions.h"
#include "ops/placement.h"
#include "ops/rnn_attrs.h"

namespace tahr {
namespace {

bool may_be(int64_t a, int64_t b) { return a == b || a == kUnknown || b == kUnknown; }

Tensor optional_input(std::span<const Tensor> in, size_t i) { return i < in.size() ? in[i] : Tensor(); }

void check_activation(const std::string& name, const char* op, const char* what) {
  for (const char* known : kRnnActivations) {
    if (name == known) return;
  }
  throw_value("[", op, "] expected ", what, " to be one of linear, tanh, sigmoid, relu, hard_sigmoid, received '", name,
              "'. Write the steps out with plain ops for another one.");
}

struct Sizes {
  int64_t batch, steps, features, units;
};

void check_shape(const InferArgs& a, size_t i, const char* what, std::initializer_list<int64_t> want) {
  if (!a.has(i)) return;
  const Shape& s = a.in[i].shape;
  bool ok = s.rank() == static_cast<int>(want.size());
  if (ok) {
    int d = 0;
    for (const int64_t w : want) ok = ok && may_be(s[d++], w);
  }
  if (!ok) {
    Shape wanted;
    for (const int64_t w : want) wanted.push_back(w);
    throw_value("[", a.op, "] expected ", what, " of shape ", wanted.str(), ", received shape ", s.str(), ".");
  }
}

// What all three take: x [batch, steps, features], kernel [features, gates units], recurrent_kernel [units, gates
// units]. `states` and `mask` are positions of optional inputs.
Sizes check_inputs(const InferArgs& a, int64_t gates, std::initializer_list<size_t> states, size_t mask) {
  const Shape &x = a.in[0].shape, &kernel = a.in[1].shape, &recurrent = a.in[2].shape;
  if (x.rank() != 3) {
    throw_value("[", a.op, "] expected x of shape (batch, steps, features), received shape ", x.str(), ".");
  }
  if (kernel.rank() != 2 || recurrent.rank() != 2) {
    throw_value("[", a.op, "] expected kernel and recurrent_kernel of rank 2, received shapes ", kernel.str(), " and ",
                recurrent.str(), ".");
  }
  const Sizes n{x[0], x[1], x[2], recurrent[0]};
  check_shape(a, 1, "kernel", {n.features, gates * n.units});
  check_shape(a, 2, "recurrent_kernel", {n.units, gates * n.units});
  for (const size_t i : states) check_shape(a, i, "an initial state", {n.batch, n.units});
  check_shape(a, mask, "mask", {n.batch, n.steps});
  if (a.has(mask) && a.in[mask].dtype != DType::Bool) {
    throw_type("[", a.op, "] expected mask to be of dtype bool, received ", name_of(a.in[mask].dtype), ".");
  }
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (i == mask || !a.has(i)) continue;
    if (!is_float(a.in[i].dtype) || a.in[i].dtype != a.in[0].dtype) {
      throw_type("[", a.op, "] expected inputs of one floating-point dtype, received ", name_of(a.in[0].dtype), " and ",
                 name_of(a.in[i].dtype), ". Cast them first.");
    }
  }
  return n;
}

Spec reserve_spec(const InferArgs& a) { return {Shape{device_reserve(a.op, a.in, a.attrs)}, DType::UInt8}; }
Tensor no_reserve() { return Tensor::zeros(Shape{0}, DType::UInt8); }

// Outputs of a gradient op: of the shape of an input, or empty if that input wants none.
Spec gradient_spec(const InferArgs& a, int64_t needs, int bit, size_t input) {
  if (!(needs >> bit & 1) || !a.has(input)) return {Shape{0}, a.in[0].dtype};
  return {a.in[input].shape, a.in[0].dtype};
}

// What a gradient op was given: y and what else has its shape, and the cotangents from `dy` on, that of y first.
void check_gradient(const InferArgs& a, std::initializer_list<size_t> sequences, size_t dy, size_t last) {
  const int64_t batch = a.in[0].shape[0], steps = a.in[0].shape[1], units = a.in[2].shape[0];
  for (const size_t i : sequences) check_shape(a, i, "a sequence of states", {batch, steps, units});
  check_shape(a, dy, "dy", {batch, steps, units});
  for (size_t i = dy + 1; i <= last; ++i) check_shape(a, i, "the cotangent of a last state", {batch, units});
}

// ---- in plain ops ----

Tensor activate(const std::string& name, const Tensor& x) { return name == "linear" ? x : call1(get_op(name), {x}); }

Tensor at_step(const Tensor& x, int64_t t) { return ops::squeeze(ops::slice_axis(x, 1, t, t + 1), Axes(Ints{1})); }

// Runs step(z_t, m_t) over time; m_t is the [batch, 1] mask of the step, or undefined.
template <class Step>
void each_step(const Tensor& z, const Tensor& mask, bool backwards, Step step) {
  const int64_t steps = z.dim(1);
  for (int64_t s = 0; s < steps; ++s) {
    const int64_t t = backwards ? steps - 1 - s : s;
    step(at_step(z, t), mask.defined() ? ops::slice_axis(mask, 1, t, t + 1) : Tensor());
  }
}

Tensor choose(const Tensor& mask, const Tensor& fresh, const Tensor& old) {
  return mask.defined() ? ops::where(mask, fresh, old) : fresh;
}

// x W + b
Tensor project(const Tensor& x, const Tensor& kernel, const Tensor& bias) {
  const Tensor z = ops::matmul(x, kernel);
  return bias.defined() ? ops::add(z, bias) : z;
}

Tensor state_or_zeros(std::span<const Tensor> in, size_t i, const Tensor& x, int64_t units) {
  const Tensor s = optional_input(in, i);
  return s.defined() ? s : Tensor::zeros(Shape{x.dim(0), units}, x.dtype());
}

// Steps along axis 1, in the order of the input's time.
Tensor stack_steps(Tensors steps, bool reverse, const Tensor& x, int64_t width) {
  if (steps.empty()) return Tensor::zeros(Shape{x.dim(0), 0, width}, x.dtype());
  if (reverse) std::reverse(steps.begin(), steps.end());
  return ops::stack(steps, 1);
}

// The cotangents of a forward op's inputs by its decomposition, as its gradient op returns them.
Tensors gradient_by_plain_ops(const char* op, const Tensors& in, const void* attrs, const Tensors& dy, int64_t needs,
                              std::initializer_list<size_t> inputs) {
  const Tensors found = decomposed_vjp(get_op(op), in, attrs, dy, static_cast<uint64_t>(needs));
  Tensors out;
  int bit = 0;
  for (const size_t i : inputs) {
    const bool wanted = (needs >> bit++ & 1) && in[i].defined();
    if (!wanted) out.push_back(Tensor::zeros(Shape{0}, in[0].dtype()));
    else out.push_back(found[i].defined() ? found[i] : ops::zeros_like(in[i]));
  }
  return out;
}

void vjp_of_gradient(const OpDef& op, const VjpArgs& a, std::span<Tensor> dx) {
  Tensors found = decomposed_vjp(op, a.in, a.attrs, a.dy, a.needs);
  std::move(found.begin(), found.end(), dx.begin());
}

// Calls the gradient op and hands out its results; gates and the like have no gradient op, and go by plain ops.
void vjp_by(const char* forward, const char* gradient, const VjpArgs& a, size_t public_outputs, size_t inputs,
            const void* grad_attrs, const Tensors& grad_inputs, std::span<Tensor> dx) {
  for (size_t i = public_outputs; i < a.dy.size(); ++i) {
    if (!a.dy[i].defined()) continue;
    Tensors found = decomposed_vjp(get_op(forward), a.in, a.attrs, a.dy, a.needs);
    std::move(found.begin(), found.end(), dx.begin());
    return;
  }
  Tensors found = call(get_op(gradient), grad_inputs, grad_attrs);
  for (size_t i = 0; i < inputs; ++i) {
    if (a.need(static_cast<int>(i))) dx[i] = found[i];
  }
}

int64_t needs_of(const VjpArgs& a, int inputs) { return static_cast<int64_t>(a.needs & ((1u << inputs) - 1)); }

// ---- simple_rnn: x, kernel, recurrent_kernel, bias?, initial_state?, mask? -> y, state, reserve ----

Specs infer_simple(const InferArgs& a) {
  check_activation(a.as<SimpleRnnAttrs>().activation, a.op, "activation");
  const Sizes n = check_inputs(a, 1, {4}, 5);
  check_shape(a, 3, "bias", {n.units});
  return {{Shape{n.batch, n.steps, n.units}, a.in[0].dtype}, {Shape{n.batch, n.units}, a.in[0].dtype}, reserve_spec(a)};
}

Tensors decompose_simple(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const SimpleRnnAttrs*>(attrs);
  const int64_t units = in[2].dim(0);
  Tensor h = state_or_zeros(in, 4, in[0], units);
  Tensors ys;
  each_step(project(in[0], in[1], optional_input(in, 3)), optional_input(in, 5), at.go_backwards,
            [&](const Tensor& z, const Tensor& m) {
              h = choose(m, activate(at.activation, ops::add(z, ops::matmul(h, in[2]))), h);
              ys.push_back(h);
            });
  return {stack_steps(std::move(ys), false, in[0], units), h, no_reserve()};
}

// simple_rnn_grad: x, kernel, recurrent_kernel, y, bias?, initial_state?, mask?, dy?, dstate?, reserve?
void simple_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& at = a.as<SimpleRnnAttrs>();
  SimpleRnnGradAttrs grad;
  grad.activation = at.activation;
  grad.go_backwards = at.go_backwards;
  grad.needs = needs_of(a, 5);
  vjp_by("simple_rnn", "simple_rnn_grad", a, 2, 5, &grad,
         {a.in[0], a.in[1], a.in[2], a.out[0], optional_input(a.in, 3), optional_input(a.in, 4),
          optional_input(a.in, 5), a.dy[0], a.dy[1], a.out[2]},
         dx);
}

Specs infer_simple_grad(const InferArgs& a) {
  check_gradient(a, {3}, 7, 8);
  const int64_t needs = a.as<SimpleRnnGradAttrs>().needs;
  return {gradient_spec(a, needs, 0, 0), gradient_spec(a, needs, 1, 1), gradient_spec(a, needs, 2, 2),
          gradient_spec(a, needs, 3, 4), gradient_spec(a, needs, 4, 5)};
}

Tensors decompose_simple_grad(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const SimpleRnnGradAttrs*>(attrs);
  SimpleRnnAttrs forward;
  forward.activation = at.activation;
  forward.go_backwards = at.go_backwards;
  return gradient_by_plain_ops(
      "simple_rnn", {in[0], in[1], in[2], optional_input(in, 4), optional_input(in, 5), optional_input(in, 6)},
      &forward, {optional_input(in, 7), optional_input(in, 8), Tensor()}, at.needs, {0, 1, 2, 3, 4});
}

// ---- lstm: x, kernel, recurrent_kernel, bias?, initial_h?, initial_c?, mask? -> y, h, c, cells, gates, reserve ----

Specs infer_lstm(const InferArgs& a) {
  const auto& at = a.as<LstmAttrs>();
  check_activation(at.activation, a.op, "activation");
  check_activation(at.recurrent_activation, a.op, "recurrent_activation");
  const Sizes n = check_inputs(a, 4, {4, 5}, 6);
  const int64_t width = n.units == kUnknown ? kUnknown : 4 * n.units;
  check_shape(a, 3, "bias", {width});
  const DType d = a.in[0].dtype;
  return {{Shape{n.batch, n.steps, n.units}, d}, {Shape{n.batch, n.units}, d},        {Shape{n.batch, n.units}, d},
          {Shape{n.batch, n.steps, n.units}, d}, {Shape{n.batch, n.steps, width}, d}, reserve_spec(a)};
}

Tensors decompose_lstm(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const LstmAttrs*>(attrs);
  const int64_t units = in[2].dim(0);
  Tensor h = state_or_zeros(in, 4, in[0], units), c = state_or_zeros(in, 5, in[0], units);
  Tensors ys, cells, gates;
  each_step(project(in[0], in[1], optional_input(in, 3)), optional_input(in, 6), at.go_backwards,
            [&](const Tensor& zx, const Tensor& m) {
              const Tensors z = ops::split(ops::add(zx, ops::matmul(h, in[2])), 4, 1);
              const Tensor i = activate(at.recurrent_activation, z[0]), f = activate(at.recurrent_activation, z[1]);
              const Tensor g = activate(at.activation, z[2]), o = activate(at.recurrent_activation, z[3]);
              const Tensor cell = ops::add(ops::multiply(f, c), ops::multiply(i, g));
              h = choose(m, ops::multiply(o, activate(at.activation, cell)), h);
              c = choose(m, cell, c);
              ys.push_back(h);
              cells.push_back(c);
              gates.push_back(choose(m, ops::concatenate({i, f, g, o}, 1), zx));
            });
  return {stack_steps(std::move(ys), false, in[0], units),
          h,
          c,
          stack_steps(std::move(cells), false, in[0], units),
          stack_steps(std::move(gates), at.go_backwards, in[0], 4 * units),
          no_reserve()};
}

// lstm_grad: x, kernel, recurrent_kernel, y, cells, gates, bias?, initial_h?, initial_c?, mask?, dy?, dh?, dc?,
// reserve?
void lstm_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& at = a.as<LstmAttrs>();
  LstmGradAttrs grad;
  grad.activation = at.activation;
  grad.recurrent_activation = at.recurrent_activation;
  grad.go_backwards = at.go_backwards;
  grad.needs = needs_of(a, 6);
  vjp_by("lstm", "lstm_grad", a, 3, 6, &grad,
         {a.in[0], a.in[1], a.in[2], a.out[0], a.out[3], a.out[4], optional_input(a.in, 3), optional_input(a.in, 4),
          optional_input(a.in, 5), optional_input(a.in, 6), a.dy[0], a.dy[1], a.dy[2], a.out[5]},
         dx);
}

Specs infer_lstm_grad(const InferArgs& a) {
  check_gradient(a, {3, 4}, 10, 12);
  const int64_t needs = a.as<LstmGradAttrs>().needs;
  return {gradient_spec(a, needs, 0, 0), gradient_spec(a, needs, 1, 1), gradient_spec(a, needs, 2, 2),
          gradient_spec(a, needs, 3, 6), gradient_spec(a, needs, 4, 7), gradient_spec(a, needs, 5, 8)};
}

Tensors decompose_lstm_grad(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const LstmGradAttrs*>(attrs);
  LstmAttrs forward;
  forward.activation = at.activation;
  forward.recurrent_activation = at.recurrent_activation;
  forward.go_backwards = at.go_backwards;
  return gradient_by_plain_ops(
      "lstm",
      {in[0], in[1], in[2], optional_input(in, 6), optional_input(in, 7), optional_input(in, 8), optional_input(in, 9)},
      &forward, {optional_input(in, 10), optional_input(in, 11), optional_input(in, 12), Tensor(), Tensor(), Tensor()},
      at.needs, {0, 1, 2, 3, 4, 5});
}

// ---- gru: x, kernel, recurrent_kernel, bias?, initial_state?, mask? -> y, state, gates, inner, reserve ----

Specs infer_gru(const InferArgs& a) {
  const auto& at = a.as<GruAttrs>();
  check_activation(at.activation, a.op, "activation");
  check_activation(at.recurrent_activation, a.op, "recurrent_activation");
  const Sizes n = check_inputs(a, 3, {4}, 5);
  const int64_t width = n.units == kUnknown ? kUnknown : 3 * n.units;
  if (at.reset_after) check_shape(a, 3, "bias", {2, width});
  else check_shape(a, 3, "bias", {width});
  const DType d = a.in[0].dtype;
  return {{Shape{n.batch, n.steps, n.units}, d},
          {Shape{n.batch, n.units}, d},
          {Shape{n.batch, n.steps, width}, d},
          {Shape{n.batch, n.steps, n.units}, d},
          reserve_spec(a)};
}

Tensors decompose_gru(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const GruAttrs*>(attrs);
  const int64_t units = in[2].dim(0);
  Tensor bias = optional_input(in, 3), recurrent_bias;
  if (bias.defined() && at.reset_after) {
    const Tensors both = ops::split(bias, 2, 0);
    bias = ops::squeeze(both[0], Axes(Ints{0}));
    recurrent_bias = both[1];
  }
  Tensor gate_kernel, candidate_kernel;
  if (!at.reset_after) {
    gate_kernel = ops::slice_axis(in[2], 1, 0, 2 * units);
    candidate_kernel = ops::slice_axis(in[2], 1, 2 * units, 3 * units);
  }
  Tensor h = state_or_zeros(in, 4, in[0], units);
  Tensors ys, gates, inners;
  each_step(
      project(in[0], in[1], bias), optional_input(in, 5), at.go_backwards, [&](const Tensor& zx, const Tensor& m) {
        const Tensors x = ops::split(zx, 3, 1);
        Tensor z, r, inner, fresh;
        if (at.reset_after) {
          Tensor rec = ops::matmul(h, in[2]);
          if (recurrent_bias.defined()) rec = ops::add(rec, recurrent_bias);
          const Tensors parts = ops::split(rec, 3, 1);
          z = activate(at.recurrent_activation, ops::add(x[0], parts[0]));
          r = activate(at.recurrent_activation, ops::add(x[1], parts[1]));
          inner = parts[2];
          fresh = activate(at.activation, ops::add(x[2], ops::multiply(r, inner)));
        } else {
          const Tensors parts = ops::split(ops::matmul(h, gate_kernel), 2, 1);
          z = activate(at.recurrent_activation, ops::add(x[0], parts[0]));
          r = activate(at.recurrent_activation, ops::add(x[1], parts[1]));
          inner = ops::multiply(r, h);
          fresh = activate(at.activation, ops::add(x[2], ops::matmul(inner, candidate_kernel)));
        }
        const Tensor next = ops::add(ops::multiply(z, h), ops::multiply(ops::subtract(ops::ones_like(z), z), fresh));
        h = choose(m, next, h);
        ys.push_back(h);
        gates.push_back(choose(m, ops::concatenate({z, r, fresh}, 1), zx));
        inners.push_back(m.defined() ? ops::where(m, inner, ops::zeros_like(inner)) : inner);
      });
  return {stack_steps(std::move(ys), false, in[0], units), h,
          stack_steps(std::move(gates), at.go_backwards, in[0], 3 * units),
          stack_steps(std::move(inners), at.go_backwards, in[0], units), no_reserve()};
}

// gru_grad: x, kernel, recurrent_kernel, y, gates, inner, bias?, initial_state?, mask?, dy?, dstate?, reserve?
void gru_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& at = a.as<GruAttrs>();
  GruGradAttrs grad;
  grad.activation = at.activation;
  grad.recurrent_activation = at.recurrent_activation;
  grad.reset_after = at.reset_after;
  grad.go_backwards = at.go_backwards;
  grad.needs = needs_of(a, 5);
  vjp_by("gru", "gru_grad", a, 2, 5, &grad,
         {a.in[0], a.in[1], a.in[2], a.out[0], a.out[2], a.out[3], optional_input(a.in, 3), optional_input(a.in, 4),
          optional_input(a.in, 5), a.dy[0], a.dy[1], a.out[4]},
         dx);
}

Specs infer_gru_grad(const InferArgs& a) {
  check_gradient(a, {3, 5}, 9, 10);
  const int64_t needs = a.as<GruGradAttrs>().needs;
  return {gradient_spec(a, needs, 0, 0), gradient_spec(a, needs, 1, 1), gradient_spec(a, needs, 2, 2),
          gradient_spec(a, needs, 3, 6), gradient_spec(a, needs, 4, 7)};
}

Tensors decompose_gru_grad(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const GruGradAttrs*>(attrs);
  GruAttrs forward;
  forward.activation = at.activation;
  forward.recurrent_activation = at.recurrent_activation;
  forward.reset_after = at.reset_after;
  forward.go_backwards = at.go_backwards;
  return gradient_by_plain_ops(
      "gru", {in[0], in[1], in[2], optional_input(in, 6), optional_input(in, 7), optional_input(in, 8)}, &forward,
      {optional_input(in, 9), optional_input(in, 10), Tensor(), Tensor(), Tensor()}, at.needs, {0, 1, 2, 3, 4});
}

constexpr const char* kArguments =
    "\n\nx: (batch, steps, features). The kernels' columns are the gates side by side. mask: bool (batch, steps); a "
    "row "
    "keeps its state where it is False. go_backwards: the steps run from the last to the first.";

}  // namespace

void define_rnn_ops() {
  define_op({.name = "simple_rnn",
             .inputs = "x, kernel, recurrent_kernel, bias?, initial_state?, mask?",
             .doc = concat("h = activation(x W + h U + b) over a sequence; returns the states of all steps, the last, "
                           "and what the device keeps for the gradient.",
                           kArguments),
             .traits = kHidden,
             .attrs = attr_type<SimpleRnnAttrs>(),
             .infer = infer_simple,
             .vjp = simple_vjp,
             .saves = kSaveAllInputs | save_out(0) | save_out(2),
             .decompose = decompose_simple,
             .outputs = 3});
  define_op({.name = "simple_rnn_grad",
             .inputs = "x, kernel, recurrent_kernel, y, bias?, initial_state?, mask?, dy?, dstate?, reserve?",
             .doc = "The gradients of simple_rnn with respect to x, kernel, recurrent_kernel, bias, initial_state.",
             .traits = kHidden,
             .attrs = attr_type<SimpleRnnGradAttrs>(),
             .infer = infer_simple_grad,
             .vjp = [](const VjpArgs& a, std::span<Tensor> dx) { vjp_of_gradient(get_op("simple_rnn_grad"), a, dx); },
             .saves = kSaveAllInputs,
             .decompose = decompose_simple_grad,
             .outputs = 5});
  define_op({.name = "lstm",
             .inputs = "x, kernel, recurrent_kernel, bias?, initial_h?, initial_c?, mask?",
             .doc = concat("A long short-term memory over a sequence, gates in the order input, forget, candidate, "
                           "output; returns h of all steps, the last h and c, then c and the gates of all steps, "
                           "and what the device keeps for the gradient.",
                           kArguments, "\n\nSource: Hochreiter and Schmidhuber, 1997."),
             .traits = kHidden,
             .attrs = attr_type<LstmAttrs>(),
             .infer = infer_lstm,
             .vjp = lstm_vjp,
             .saves = kSaveAllInputs | save_out(0) | save_out(3) | save_out(4) | save_out(5),
             .decompose = decompose_lstm,
             .outputs = 6});
  define_op({.name = "lstm_grad",
             .inputs = "x, kernel, recurrent_kernel, y, cells, gates, bias?, initial_h?, initial_c?, mask?, dy?, dh?, "
                       "dc?, reserve?",
             .doc = "The gradients of lstm with respect to x, kernel, recurrent_kernel, bias, initial_h, initial_c.",
             .traits = kHidden,
             .attrs = attr_type<LstmGradAttrs>(),
             .infer = infer_lstm_grad,
             .vjp = [](const VjpArgs& a, std::span<Tensor> dx) { vjp_of_gradient(get_op("lstm_grad"), a, dx); },
             .saves = kSaveAllInputs,
             .decompose = decompose_lstm_grad,
             .outputs = 6});
  define_op({.name = "gru",
             .inputs = "x, kernel, recurrent_kernel, bias?, initial_state?, mask?",
             .doc = concat("A gated recurrent unit over a sequence, gates in the order update, reset, candidate; "
                           "returns the states of all steps, the last, the gates, the recurrent part of the "
                           "candidate, and what the device keeps for the gradient. reset_after: whether the reset gate "
                           "comes after the recurrent product, with a "
                           "bias of its own: bias is (2, 3 units), else (3 units,).",
                           kArguments, "\n\nSource: Cho et al., 2014."),
             .traits = kHidden,
             .attrs = attr_type<GruAttrs>(),
             .infer = infer_gru,
             .vjp = gru_vjp,
             .saves = kSaveAllInputs | save_out(0) | save_out(2) | save_out(3) | save_out(4),
             .decompose = decompose_gru,
             .outputs = 5});
  define_op({.name = "gru_grad",
             .inputs = "x, kernel, recurrent_kernel, y, gates, inner, bias?, initial_state?, mask?, dy?, dstate?, "
                       "reserve?",
             .doc = "The gradients of gru with respect to x, kernel, recurrent_kernel, bias, initial_state.",
             .traits = kHidden,
             .attrs = attr_type<GruGradAttrs>(),
             .infer = infer_gru_grad,
             .vjp = [](const VjpArgs& a, std::span<Tensor> dx) { vjp_of_gradient(get_op("gru_grad"), a, dx); },
             .saves = kSaveAllInputs,
             .decompose = decompose_gru_grad,
             .outputs = 5});
}

}  // namespace tahr
