// The kernel calls of a small training step, prepared so that only the kernel itself runs: inputs, attributes and
// outputs are there, as a planned executor has them. bench/cpp/small.cpp times them; tests/cpp/small_kernels_test.cpp
// checks that none of them allocates.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/variable.h"
#include "ops/array_attrs.h"
#include "ops/elementwise_attrs.h"
#include "ops/loss.h"
#include "ops/op.h"
#include "ops/optimizer_attrs.h"
#include "ops/reduce.h"

namespace tahr {

struct KernelCase {
  std::string name;
  const OpDef* op;
  Tensors in, out;
  std::shared_ptr<void> attrs;
  std::vector<Ref<VariableImpl>> variables;  // kept alive for their handles in `in`

  void run() const { op->kernel[static_cast<int>(DeviceType::CPU)]({in, out, attrs.get()}); }
  // Bytes of all operands, a variable's counted twice: read and written.
  double bytes() const {
    double b = 0;
    for (const Tensor& t : in) b += (t.is_symbolic() ? 2. : 1.) * static_cast<double>(t.nbytes());
    for (const Tensor& t : out) b += static_cast<double>(t.nbytes());
    return b;
  }
};

inline KernelCase kernel_case(std::string name, const char* op, Tensors in, std::shared_ptr<void> attrs = nullptr) {
  KernelCase c{std::move(name), &get_op(op), std::move(in), {}, std::move(attrs), {}};
  if (!c.attrs && c.op->attrs) c.attrs = c.op->attrs->make();
  Specs specs;
  for (const Tensor& t : c.in) specs.push_back(t.spec());
  for (const Spec& s : c.op->infer({specs, c.attrs.get(), c.in, op})) c.out.push_back(Tensor::empty(s.shape, s.dtype));
  return c;
}
template <class A>
std::shared_ptr<void> with_attrs(A a) {
  return std::make_shared<A>(std::move(a));
}

inline Tensor numbers(const Shape& shape) {
  Tensor t = Tensor::empty(shape, DType::Float32);
  uint32_t state = 1;
  for (int64_t i = 0; i < t.size(); ++i) {
    state = state * 1664525u + 1013904223u;
    t.mutable_data<float>()[i] = static_cast<float>(state >> 8) * 0x1p-23f - 1;
  }
  return t;
}
inline Tensor labels(const Shape& shape, int64_t classes, DType dtype = DType::Int64) {
  Tensor t = Tensor::empty(shape, dtype);
  visit_dtype(dtype, [&]<class T>() {
    for (int64_t i = 0; i < t.size(); ++i) t.mutable_data<T>()[i] = store_as<T>(i * 7 % classes);
  });
  return t;
}

// An update of parameters of the given shapes: `slots` variables each, then gradients and scalars.
template <class A>
KernelCase update_case(std::string name, const char* op, const std::vector<Shape>& shapes, int slots, bool iterations,
                       A attrs) {
  std::vector<Ref<VariableImpl>> variables;
  Tensors in;
  const auto variable = [&](const Tensor& value) {
    variables.emplace_back(new VariableImpl(value, "v", true));
    in.push_back(variables.back()->handle());
  };
  for (int group = 0; group <= slots; ++group) {
    for (const Shape& s : shapes) variable(group ? Tensor::full(s, DType::Float32, 0.5) : numbers(s));
  }
  for (const Shape& s : shapes) in.push_back(numbers(s));
  variable(Tensor::scalar(1e-3, DType::Float32));
  if (iterations) variable(Tensor::scalar_int(10, DType::Int64));
  attrs.count = static_cast<int64_t>(shapes.size());
  KernelCase c = kernel_case(std::move(name), op, std::move(in), with_attrs(attrs));
  c.variables = std::move(variables);
  return c;
}

// What the layers, losses, metrics and optimizers of a step call, for a batch of m rows, n units and ten classes.
inline std::vector<KernelCase> step_kernels(int64_t m, int64_t n) {
  const Tensor x = numbers({m, n}), y = numbers({m, n}), row = numbers({n}), scalar = numbers({});
  const Tensor logits = numbers({m, 10}), targets = numbers({m, 10}), dy = numbers({m});
  const Tensor label = labels({m}, 10), label32 = labels({m}, 10, DType::Int32), flags = labels({m}, 2, DType::Bool);
  const Tensor table = numbers({1000, n}), rows = labels({m}, 1000);
  const auto over = [](int64_t axis) { return with_attrs(ReduceAttrs{Axes::of(axis), false}); };
  const auto all = with_attrs(ReduceAttrs{});
  std::vector<KernelCase> v;
  const auto add = [&](std::string name, const char* op, Tensors in, std::shared_ptr<void> attrs = nullptr) {
    v.push_back(kernel_case(std::move(name), op, std::move(in), std::move(attrs)));
  };
  for (const char* op : {"add", "multiply", "subtract", "greater", "tanh_grad", "sigmoid_grad"}) add(op, op, {x, y});
  for (const char* op : {"relu", "square", "exp", "tanh", "sigmoid", "sqrt"}) add(op, op, {x});
  add("scalar_add_scalar", "add", {scalar, scalar});
  add("add_row", "add", {x, row});
  add("multiply_scalar", "multiply", {x, scalar});
  add("multiply_column", "multiply", {x, numbers({m, 1})});
  add("relu_grad", "range_grad", {x, y}, with_attrs(RangeGradAttrs{0, 1e300, 1}));
  add("cast_bool", "cast", {flags}, with_attrs(CastAttrs{DType::Float32}));
  add("cast_int64", "cast", {label}, with_attrs(CastAttrs{DType::Int32}));
  add("equal", "equal", {label, label});
  add("equal_column", "equal", {labels({m, 1}, 10), labels({1, 10}, 10)});
  add("where_select", "where_select", {labels({m, n}, 2, DType::Bool), x, y});

  add("sum_axis_0", "sum", {x}, over(0));
  add("sum_axis_1", "sum", {x}, over(1));
  add("sum_all", "sum", {x}, all);
  add("sum_one", "sum", {dy}, all);
  add("mean_all", "mean", {x}, all);
  add("mean_of_batch", "mean", {dy}, all);
  add("mean_axis_1", "mean", {x}, over(1));
  add("max_axis_1", "max", {logits}, with_attrs(ExtremeAttrs{Axes::of(1), false, std::nullopt}));
  add("argmax", "argmax", {logits}, with_attrs(ArgAttrs{-1, false}));
  add("var_axis_0", "var", {x}, over(0));
  add("logsumexp", "logsumexp", {logits}, over(1));
  add("softmax", "softmax", {logits});
  add("softmax_grad", "softmax_grad", {logits, targets});
  add("log_softmax", "log_softmax", {logits});
  add("log_softmax_grad", "log_softmax_grad", {logits, targets});

  add("sparse_xent", "sparse_softmax_cross_entropy", {logits, label});
  add("sparse_xent_grad", "sparse_softmax_cross_entropy_grad", {logits, label, dy});
  add("sparse_xent_int32", "sparse_softmax_cross_entropy", {logits, label32});
  add("dense_xent", "softmax_cross_entropy", {logits, targets});
  add("dense_xent_grad", "softmax_cross_entropy_grad", {logits, targets, dy});
  add("sigmoid_xent", "sigmoid_cross_entropy", {logits, targets});
  add("sigmoid_xent_grad", "sigmoid_cross_entropy_grad", {logits, targets, targets});
  add("pick_labels", "pick_labels", {logits, label});
  add("spread_labels", "spread_labels", {dy, label}, with_attrs(SpreadLabelsAttrs{10}));

  add("one_hot", "one_hot", {label}, with_attrs(OneHotAttrs{10, -1, std::nullopt, false}));
  add("take_rows", "take", {table, rows}, with_attrs(OptAxisAttrs{0}));
  add("gather_axis", "gather_axis", {logits, labels({m, 1}, 10)}, with_attrs(GatherAxisAttrs{1}));
  return v;
}

// Updates of a network of layers: units[0] inputs, then units[1], units[2], ...
inline std::vector<KernelCase> update_kernels(const std::vector<int64_t>& units) {
  std::vector<Shape> shapes;
  for (size_t i = 1; i < units.size(); ++i) {
    shapes.push_back({units[i - 1], units[i]});
    shapes.push_back({units[i]});
  }
  SgdAttrs momentum;
  momentum.momentum = 0.9;
  RmspropAttrs centered;
  centered.momentum = 0.9;
  centered.centered = true;
  AdamAttrs decay;
  decay.weight_decay = 0.004;
  std::vector<KernelCase> v;
  v.push_back(update_case("sgd", "sgd_update", shapes, 0, false, SgdAttrs{}));
  v.push_back(update_case("sgd_momentum", "sgd_update", shapes, 1, false, momentum));
  v.push_back(update_case("rmsprop", "rmsprop_update", shapes, 1, false, RmspropAttrs{}));
  v.push_back(update_case("rmsprop_centered", "rmsprop_update", shapes, 3, false, centered));
  v.push_back(update_case("adam", "adam_update", shapes, 2, true, AdamAttrs{}));
  v.push_back(update_case("adamw", "adam_update", shapes, 2, true, decay));
  v.push_back(update_case("adagrad", "adagrad_update", shapes, 1, false, AdagradAttrs{}));
  v.push_back(update_case("lion", "lion_update", shapes, 1, false, LionAttrs{}));
  v.push_back(update_case("lamb", "lamb_update", shapes, 2, true, MomentAttrs{}));
  return v;
}

}  // namespace tahr
