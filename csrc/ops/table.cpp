// The registry and the only door through which ops run.
#include <algorithm>
#include <deque>
#include <unordered_map>

#include "core/variable.h"
#include "ops/functions.h"
#include "ops/op.h"
#include "ops/placement.h"

namespace tahr {
namespace {

struct Registry {
  std::deque<OpDef> ops;  // addresses stay valid
  std::unordered_map<std::string_view, OpDef*> by_name;
};
Registry& registry() {
  static Registry* r = new Registry;
  return *r;
}

thread_local Recorder* recorder = nullptr;
thread_local Tracing* tracer = nullptr;

// Fills input_names, min_inputs and variadic from the comma-separated description.
void parse_inputs(OpDef& op) {
  size_t at = 0;
  const std::string& s = op.inputs;
  while (at < s.size()) {
    size_t end = s.find(',', at);
    if (end == std::string::npos) end = s.size();
    std::string name = s.substr(at, end - at);
    name.erase(std::remove(name.begin(), name.end(), ' '), name.end());
    at = end + 1;
    if (name.front() == '*') {
      op.variadic = true;
      name.erase(0, 1);
    } else if (name.back() == '?') {
      name.pop_back();
    } else {
      op.min_inputs = static_cast<int>(op.input_names.size()) + 1;
    }
    op.input_names.push_back(std::move(name));
  }
}

}  // namespace

void define_op(OpDef op) {
  Registry& r = registry();
  if (r.by_name.count(op.name)) throw_runtime("op '", op.name, "' is defined twice");
  parse_inputs(op);
  r.ops.push_back(std::move(op));
  r.by_name[r.ops.back().name] = &r.ops.back();
}

void define_kernel(std::string_view name, DeviceType device, KernelFn fn, PrepareFn prepare) {
  const auto it = registry().by_name.find(name);
  if (it == registry().by_name.end()) throw_runtime("kernel for the unknown op '", name, "'");
  if (it->second->kernel[static_cast<int>(device)]) throw_runtime("two kernels for the op '", name, "'");
  it->second->kernel[static_cast<int>(device)] = fn;
  it->second->prepare[static_cast<int>(device)] = prepare;
}

void define_listed_input(std::string_view name, DeviceType device, int input) {
  registry().by_name.at(std::string(name))->listed[static_cast<int>(device)] = input;
}

const OpDef* find_op(std::string_view name) {
  const auto it = registry().by_name.find(name);
  return it == registry().by_name.end() ? nullptr : it->second;
}

const OpDef& get_op(std::string_view name) {
  const OpDef* op = find_op(name);
  if (!op) throw_runtime("unknown op '", name, "'");
  return *op;
}

std::vector<const OpDef*> all_ops() {
  std::vector<const OpDef*> v;
  for (const OpDef& op : registry().ops) v.push_back(&op);
  return v;
}

std::string op_parameter(const OpDef& op, size_t i) {
  return i < op.input_names.size() ? op.input_names[i] : op.attrs->fields[i - op.input_names.size()].name;
}

std::string op_signature(const OpDef& op) {
  std::string s = "(";
  const auto add = [&](const std::string& part) { s += (s.size() > 1 ? ", " : "") + part; };
  for (size_t i = 0; i < op.input_names.size(); ++i) {
    const bool optional = static_cast<int>(i) >= op.min_inputs && !(op.variadic && i + 1 == op.input_names.size());
    add(op.input_names[i] + (optional ? "=None" : ""));
  }
  if (op.attrs) {
    const auto defaults = op.attrs->make();
    for (const AttrField& f : op.attrs->fields) {
      add(f.name + (f.required ? std::string()
                               : "=" + attr_value_str(f.kind, static_cast<const char*>(defaults.get()) + f.offset)));
    }
  }
  return s + ")";
}

void set_recorder(Recorder* r) { recorder = r; }
void set_tracing(Tracing* t) { tracer = t; }
Tracing* tracing() { return tracer; }

namespace {

// Inputs of ops are few; specs of up to this many live on the stack.
constexpr size_t kInline = 4;

}  // namespace

Specs infer_specs(const OpDef& op, std::span<const Tensor> in, const void* attrs) {
  Spec inline_specs[kInline];
  Specs heap;
  std::span<Spec> specs;
  if (in.size() <= kInline) {
    specs = {inline_specs, in.size()};
  } else {
    heap.resize(in.size());
    specs = heap;
  }
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i].defined()) specs[i] = in[i].spec();
  }
  return op.infer({specs, attrs, in, op.name.c_str()});
}

namespace {

bool any_symbolic(std::span<const Tensor> in) {
  for (const Tensor& t : in) {
    if (t.defined() && t.is_symbolic() && !t.impl()->variable) return true;
  }
  return false;
}

bool broadcasts_alone(const OpDef& op, std::span<const Tensor> in) {
  return (op.traits & kElementwise) && op.infer == &infer_same && in.size() <= 2;
}

}  // namespace

Specs infer_same(const InferArgs& a) { return {infer_broadcast(a)}; }

namespace {
DecomposedVjp decomposed_vjp_fn = nullptr;
}
void set_decomposed_vjp(DecomposedVjp fn) { decomposed_vjp_fn = fn; }
Tensors decomposed_vjp(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> dy,
                       uint64_t needs) {
  if (!decomposed_vjp_fn) throw_runtime("[", op.name, "] has no derivative without autodiff");
  return decomposed_vjp_fn(op, in, attrs, dy, needs);
}

namespace {

// An application that becomes a node of the current trace.
Tensors apply_traced(const OpDef& op, std::span<const Tensor> in, const void* attrs) {
  if (op.eager && op.decompose) return op.decompose(in, attrs);  // a state op in terms of those that graphs know
  Tensors out;
  for (const Spec& s : infer_specs(op, in, attrs)) out.push_back(Tensor::symbolic(s.shape, s.dtype));
  tracer->append(op, in, attrs, out);
  if (recorder) recorder->record(op, in, attrs, out);
  return out;
}

}  // namespace

Tensors apply(const OpDef& op, std::span<const Tensor> in, const void* attrs) {
  if (tracer && tracer->wants(op, in)) [[unlikely]]
    return apply_traced(op, in, attrs);
  Tensors out;
  const bool symbolic = any_symbolic(in);
  if (!cpu_only() && !symbolic) [[unlikely]] {
    if (const Device device = placement_of(op, in); !device.is_cpu()) {
      out = apply_on_device(op, in, attrs, device);
      if (recorder) recorder->record(op, in, attrs, out);
      return out;
    }
  }
  if (!symbolic && op.eager) {
    out = op.eager(in, attrs);
  } else {
    if (!op.infer) throw_runtime("[", op.name, "] has no shape inference");
    if (!symbolic && broadcasts_alone(op, in) && (in.size() == 1 || in[0].shape() == in[1].shape())) {
      out.push_back(Tensor::empty(in[0].shape(), in[0].dtype()));
    } else {
      const Specs specs = infer_specs(op, in, attrs);
      out.reserve(specs.size());
      for (const Spec& s : specs)
        out.push_back(symbolic ? Tensor::symbolic(s.shape, s.dtype) : Tensor::empty(s.shape, s.dtype));
    }
    if (!symbolic) {
      const KernelFn kernel = op.kernel[static_cast<int>(DeviceType::CPU)];
      if (!kernel) throw Error(ErrorKind::NotImplemented, concat("[", op.name, "] has no CPU kernel"));
      kernel({in, out, attrs, nullptr});
    }
  }
  if (recorder) recorder->record(op, in, attrs, out);
  return out;
}

Tensor apply1(const OpDef& op, std::span<const Tensor> in, const void* attrs) {
  return std::move(apply(op, in, attrs)[0]);
}

Tensors call(const OpDef& op, std::span<const Tensor> in, const void* attrs) {
  if (!attrs && op.attrs) {
    const auto defaults = op.attrs->make();
    return call(op, in, defaults.get());
  }
  const bool composite = op.decompose && !op.eager && !op.kernel[static_cast<int>(DeviceType::CPU)];
  if (op.promote == Promote::None) return composite ? op.decompose(in, attrs) : apply(op, in, attrs);

  bool first = true, weak = true, mixed = false;
  DType dtype = DType::Float32;
  for (const Tensor& t : in) {
    if (!t.defined()) continue;
    if (first) {
      dtype = t.dtype();
      weak = t.weak();
      first = false;
    } else if (t.dtype() != dtype || t.weak() != weak) {
      dtype = promote(dtype, weak, t.dtype(), t.weak());
      weak = weak && t.weak();
      mixed = true;
    }
  }
  if (op.promote == Promote::Inexact && !is_float(dtype)) {
    dtype = floatx();
    mixed = true;
  }
  if (!mixed) return composite ? op.decompose(in, attrs) : apply(op, in, attrs);
  Tensors cast_in(in.begin(), in.end());
  for (Tensor& t : cast_in) {
    if (t.defined() && t.dtype() != dtype) t = ops::cast(t, dtype);
  }
  return composite ? op.decompose(cast_in, attrs) : apply(op, cast_in, attrs);
}

Tensor call1(const OpDef& op, std::span<const Tensor> in, const void* attrs) {
  return std::move(call(op, in, attrs)[0]);
}

std::vector<int> normalize_axes(const Axes& axes, int rank, const char* op) {
  std::vector<int> out;
  if (axes.all) {
    for (int i = 0; i < rank; ++i) out.push_back(i);
    return out;
  }
  for (int64_t a : axes.list) out.push_back(normalize_axis(a, rank, op));
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end()) {
    throw_value("[", op, "] expected distinct axes, received an axis twice in ",
                attr_value_str(AttrKind::AxisSet, &axes), ".");
  }
  return out;
}

Spec infer_broadcast(const InferArgs& a) {
  Spec out = a.in[0];
  for (size_t i = 1; i < a.in.size(); ++i) {
    if (!a.has(i)) continue;
    const Shape before = out.shape;
    if (!broadcast_shapes(before, a.in[i].shape, &out.shape)) {
      throw_value("[", a.op, "] expected shapes that broadcast together, received ", a.in[0].shape.str(), " and ",
                  a.in[i].shape.str(), ". Dimensions must be equal or 1, counted from the last axis.");
    }
  }
  return out;
}

void init_op_table() {
  static const bool done = [] {
    set_device_opener(open_device_library);
    define_elementwise_ops();
    define_reduce_ops();
    define_array_ops();
    define_linalg_ops();
    define_conv_ops();
    define_pool_ops();
    define_image_ops();
    define_norm_ops();
    define_attention_ops();
    define_random_ops();
    define_loss_ops();
    define_state_ops();
    define_optimizer_ops();
    define_rnn_ops();
    define_fused_ops();
    define_control_ops();
    define_host_ops();
    register_elementwise_kernels();
    register_reduce_kernels();
    register_array_kernels();
    register_linalg_kernels();
    register_conv_kernels();
    register_pool_kernels();
    register_image_kernels();
    register_norm_kernels();
    register_attention_kernels();
    register_random_kernels();
    register_loss_kernels();
    register_state_kernels();
    register_optimizer_kernels();
    register_rnn_kernels();
    register_fused_kernels();
    register_host_kernels();
    return true;
  }();
  (void)done;
}

}  // namespace tahr
