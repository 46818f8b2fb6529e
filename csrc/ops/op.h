// The op table. An op is the unit of everything: eager execution, gradients, tracing, bindings, docs, tests.
//
// To add an op: describe it in the file of its family (csrc/ops/<family>.cpp), give it a kernel in
// csrc/cpu/<family>.cpp, and one row in tests/python/op_rows/. The Python function, its stub, its docs entry,
// its tests and its microbenchmark follow from those.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "ops/attrs.h"

namespace tahr {

using Tensors = std::vector<Tensor>;
using Specs = std::vector<Spec>;

// How the front door prepares input dtypes before infer (through recorded `cast` ops).
enum class Promote : uint8_t {
  None,     // inputs are taken as they are
  Common,   // all inputs to their promoted dtype (Keras 3 rules, Python scalars weak)
  Inexact,  // the same, and integers and bools to floatx
};

enum Trait : uint32_t {
  kElementwise = 1u << 0,  // output element i depends on (broadcast) input elements i only: fusible
  kReduction = 1u << 1,
  kView = 1u << 2,        // output shares the first input's storage
  kRandom = 1u << 3,      // draws numbers: never folded or merged
  kStateful = 1u << 4,    // reads or writes a variable
  kNoGradient = 1u << 5,  // not differentiable: cotangents stop here (comparisons, argmax, ...)
  kHidden = 1u << 6,      // internal: reachable as _C.ops.<name>, not documented as public
  // An output may lie exactly where an input of its shape and element size does, but for single elements among larger
  // outputs. Elementwise ops with one output may always.
  kInPlace = 1u << 7,
  kControl = 1u << 8,  // runs traced graphs: within a trace always a node of it, whatever its inputs are
};

// What `saves` may name: the values (not just specs) that the vjp reads.
constexpr uint32_t save_in(int i) { return 1u << i; }
constexpr uint32_t save_out(int i) { return 1u << (16 + i); }
inline constexpr uint32_t kSaveNone = 0;
inline constexpr uint32_t kSaveAllInputs = 0xffff;

struct InferArgs {
  std::span<const Spec> in;  // default-constructed for an absent optional input
  const void* attrs;
  std::span<const Tensor> values;  // the inputs themselves: undefined if absent, without data if symbolic
  const char* op;                  // for messages
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
  bool has(size_t i) const { return i < values.size() && values[i].defined(); }
};

struct VjpArgs {
  std::span<const Tensor> in;   // undefined where not saved
  std::span<const Tensor> out;  // undefined where not saved
  std::span<const Spec> in_specs;
  std::span<const Spec> out_specs;
  std::span<const Tensor> dy;  // cotangents of the outputs; undefined is a symbolic zero
  const void* attrs;
  uint64_t needs;  // bit i: input i needs its cotangent
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
  bool need(int i) const { return (needs >> (i < 63 ? i : 63)) & 1; }  // bit 63 stands for all beyond
};

struct KernelArgs {
  std::span<const Tensor> in;   // undefined where an optional input is absent
  std::span<const Tensor> out;  // allocated by the caller to the inferred specs
  const void* attrs;
  const void* prepared = nullptr;  // what the op's PrepareFn made for these specs; null when called eagerly
  // Where the rows of input OpDef::listed begin, which lie anywhere: a matrix of float32. Its tensor has the shape
  // only. Null: that input lies in its tensor, like the others.
  const float* const* rows = nullptr;
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
};

using InferFn = Specs (*)(const InferArgs&);
using VjpFn = void (*)(const VjpArgs&, std::span<Tensor> dx);  // fill dx[i] for each needed i; leave undefined for zero
// What a kernel can work out from specs and attributes alone, once for many calls (a planned graph's node).
using PrepareFn = std::shared_ptr<void> (*)(std::span<const Spec> in, std::span<const Spec> out, const void* attrs);
using DecomposeFn = Tensors (*)(std::span<const Tensor> in, const void* attrs);
// For ops whose outputs are not freshly allocated (views, variable reads): runs instead of allocate + kernel.
using EagerFn = Tensors (*)(std::span<const Tensor> in, const void* attrs);

struct OpDef {
  std::string name = {};
  // Inputs as Python names them, comma separated: "x1, x2"; "*xs" a list of tensors (alone or last);
  // "x, bias?" an optional input.
  std::string inputs = {};
  std::string doc = {};  // first line a summary; then arguments with shapes, raises, a runnable example, source
  uint32_t traits = 0;
  Promote promote = Promote::None;
  const AttrType* attrs = nullptr;
  InferFn infer = nullptr;
  VjpFn vjp = nullptr;  // null: not differentiable
  uint32_t saves = kSaveNone;
  // The same computation in plain ops. For a fused op: its second-order rule and test reference. An op with
  // `decompose` and neither kernel nor `eager` is a composite: `call` runs the decomposition itself, which then
  // gives gradients and symbolic shapes too (infer, vjp and saves stay empty).
  DecomposeFn decompose = nullptr;
  EagerFn eager = nullptr;
  int outputs = 1;  // number of outputs; -1 if it depends on attributes (then Python returns a list)
  KernelFn kernel[kDeviceTypeCount] = {nullptr, nullptr};
  PrepareFn prepare[kDeviceTypeCount] = {nullptr, nullptr};  // null: nothing to prepare
  int listed[kDeviceTypeCount] = {-1, -1};                   // the input that the kernel can read by KernelArgs::rows

  // Derived from `inputs` at registration.
  std::vector<std::string> input_names = {};
  int min_inputs = 0;
  bool variadic = false;
};

// Registration: one function per family, called once in a fixed order by init_op_table().
void define_op(OpDef op);
void define_kernel(std::string_view op, DeviceType device, KernelFn fn, PrepareFn prepare = nullptr);  // op must exist
void define_listed_input(std::string_view op, DeviceType device, int input);  // see OpDef::listed
const OpDef& get_op(std::string_view name);                                   // throws if unknown
const OpDef* find_op(std::string_view name);
std::vector<const OpDef*> all_ops();  // in order of definition

// The only door. `inputs` already have the dtypes that the op wants (see `call`).
// infer -> (symbolic: return symbolic outputs | allocate, run the kernel) -> record on watching tapes.
Tensors apply(const OpDef& op, std::span<const Tensor> inputs, const void* attrs);
Tensor apply1(const OpDef& op, std::span<const Tensor> inputs, const void* attrs);

// The front door for C++ and Python: promotes input dtypes by the op's rule, then applies.
Tensors call(const OpDef& op, std::span<const Tensor> inputs, const void* attrs);
Tensor call1(const OpDef& op, std::span<const Tensor> inputs, const void* attrs);

template <class A>
Tensor call1(const OpDef& op, std::initializer_list<Tensor> in, const A& attrs) {
  return call1(op, std::span<const Tensor>(in.begin(), in.size()), static_cast<const void*>(&attrs));
}
inline Tensor call1(const OpDef& op, std::initializer_list<Tensor> in) {
  return call1(op, std::span<const Tensor>(in.begin(), in.size()), nullptr);
}

// Hook through which autodiff sees every application without ops knowing of it.
struct Recorder {
  virtual ~Recorder() = default;
  virtual void record(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out) = 0;
};
void set_recorder(Recorder* r);  // thread-local; null: nothing records

// The cotangents of an op's inputs found by differentiating its `decompose`: what vjps of fused gradients are made of.
// Undefined where an input has none or `needs` (as in VjpArgs) does not ask. Autodiff supplies it.
using DecomposedVjp = Tensors (*)(const OpDef& op, std::span<const Tensor> in, const void* attrs,
                                  std::span<const Tensor> dy, uint64_t needs);
void set_decomposed_vjp(DecomposedVjp fn);
Tensors decomposed_vjp(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> dy,
                       uint64_t needs);

// Hook through which tracing takes applications over. Thread-local; null: nothing is traced.
struct Tracing {
  virtual ~Tracing() = default;
  // Whether this application becomes a node: then its outputs are symbolic and `append` gets them.
  virtual bool wants(const OpDef& op, std::span<const Tensor> in) const = 0;
  virtual void append(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out) = 0;
};
void set_tracing(Tracing* t);
Tracing* tracing();

// The Python face of an op: inputs, then attribute fields.
std::string op_parameter(const OpDef& op, size_t i);
std::string op_signature(const OpDef& op);  // "(x, axis=None, keepdims=False)"

// Helpers for infer functions.
int normalize_axis(int64_t axis, int rank, const char* op);
std::vector<int> normalize_axes(const Axes& axes, int rank, const char* op);  // sorted, unique, all when None
Spec infer_broadcast(const InferArgs& a);  // broadcast of all input shapes, dtype of the first
// The infer function of elementwise ops that keep their input dtype: {infer_broadcast(a)}. Ops that use it
// get a shortcut for inputs of equal shape.
Specs infer_same(const InferArgs& a);

}  // namespace tahr
