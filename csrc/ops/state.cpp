// State: reading and assigning variables. The variable is named by its handle (core/variable.h).
#include "core/variable.h"
#include "ops/functions.h"

namespace tahr {
namespace {

VariableImpl& variable_of(const Tensor& handle, const char* op) {
  VariableImpl* v = handle.impl()->variable;
  if (!v) throw_type("[", op, "] expected a variable as its first input, received a tensor.");
  return *v;
}

Specs infer_handle(const InferArgs& a) { return {a.in[0]}; }

void check_stored(const VariableImpl& v, const Shape& shape, DType dtype) {
  if (!(shape == v.value().shape())) {
    throw_value("[assign] variable '", v.name, "' has shape ", v.value().shape().str(), ", received a value of shape ",
                shape.str(), ". Shapes of a variable and of its new value must match.");
  }
  if (dtype != v.value().dtype()) {
    throw_type("[assign] variable '", v.name, "' has dtype ", name_of(v.value().dtype()), ", received ",
               name_of(dtype));
  }
}

Specs infer_store(const InferArgs& a) {
  if (a.values[0].impl()->variable) check_stored(*a.values[0].impl()->variable, a.in[1].shape, a.in[1].dtype);
  return {};
}

Tensors store_eager(std::span<const Tensor> in, const void*) {
  variable_of(in[0], "store").set_value(in[1]);
  return {};
}

Tensors read_eager(std::span<const Tensor> in, const void*) {
  // A new tensor object per read: the tape tells reads apart from the variable itself.
  const Tensor v = variable_of(in[0], "read_variable").snapshot();
  return {v.with_shape(v.shape())};
}

void read_vjp(const VjpArgs& a, std::span<Tensor> dx) { dx[0] = a.dy[0]; }

// The value that an assignment stores: the right dtype, broadcast from a scalar where the shapes differ so.
Tensor fitting(const VariableImpl& v, const Tensor& value) {
  Tensor t = ops::cast(value, v.value().dtype());
  return t;
}

Tensors assign_eager(std::span<const Tensor> in, const void*) {
  VariableImpl& v = variable_of(in[0], "assign");
  v.set_value(fitting(v, in[1]));
  const Tensor now = v.snapshot();
  return {now.with_shape(now.shape())};
}

Tensor traced_read(const Tensor& handle) { return call1(get_op("read_variable"), {handle}); }
Tensors traced_store(const Tensor& handle, const Tensor& value) {
  const Tensor in[2] = {handle, value};
  apply(get_op("store"), in, nullptr);
  return {value};
}

// In a trace an assignment is a cast and a `store`; adding to a variable is a read, a sum and a `store`.
Tensors assign_traced(std::span<const Tensor> in, const void*) {
  return traced_store(in[0], fitting(variable_of(in[0], "assign"), in[1]));
}

template <bool kSubtract>
Tensors accumulate_traced(std::span<const Tensor> in, const void*) {
  const Tensor delta = fitting(variable_of(in[0], kSubtract ? "assign_sub" : "assign_add"), in[1]);
  const Tensor now = traced_read(in[0]);
  return traced_store(in[0], kSubtract ? ops::subtract(now, delta) : ops::add(now, delta));
}

template <bool kSubtract>
Tensors accumulate_eager(std::span<const Tensor> in, const void*) {
  constexpr const char* kName = kSubtract ? "assign_sub" : "assign_add";
  VariableImpl& v = variable_of(in[0], kName);
  const Tensor delta = fitting(v, in[1]);
  Tensor sum = kSubtract ? ops::subtract(v.snapshot(), delta) : ops::add(v.snapshot(), delta);
  if (!(sum.shape() == v.value().shape())) {
    throw_value("[", kName, "] variable '", v.name, "' has shape ", v.value().shape().str(),
                ", received a value of shape ", delta.shape().str(),
                ". The value must broadcast to the variable's shape.");
  }
  v.set_value(std::move(sum));
  const Tensor now = v.snapshot();
  return {now.with_shape(now.shape())};
}

}  // namespace

void define_state_ops() {
  define_op({.name = "read_variable",
             .inputs = "variable",
             .doc = "The current value of a variable, as a tensor that later assignments do not change.",
             .traits = kStateful | kHidden,
             .infer = infer_handle,
             .vjp = read_vjp,
             .eager = read_eager});
  define_op({.name = "assign",
             .inputs = "variable, value",
             .doc = "Replaces the value of a variable; returns the new value.",
             .traits = kStateful | kNoGradient | kHidden,
             .infer = infer_handle,
             .decompose = assign_traced,
             .eager = assign_eager});
  define_op({.name = "store",
             .inputs = "variable, value",
             .doc = "Replaces the value of a variable by one of its shape and dtype. What `assign` becomes in a graph.",
             .traits = kStateful | kNoGradient | kHidden,
             .infer = infer_store,
             .eager = store_eager,
             .outputs = 0});
  define_op({.name = "assign_add",
             .inputs = "variable, value",
             .doc = "Adds to the value of a variable; returns the new value.",
             .traits = kStateful | kNoGradient | kHidden,
             .infer = infer_handle,
             .decompose = accumulate_traced<false>,
             .eager = accumulate_eager<false>});
  define_op({.name = "assign_sub",
             .inputs = "variable, value",
             .doc = "Subtracts from the value of a variable; returns the new value.",
             .traits = kStateful | kNoGradient | kHidden,
             .infer = infer_handle,
             .decompose = accumulate_traced<true>,
             .eager = accumulate_eager<true>});
}

void register_state_kernels() {}  // every state op is eager: none allocates an output of its own

}  // namespace tahr
