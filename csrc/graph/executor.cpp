#include "graph/executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/limits.h"
#include "graph/plan.h"
#include "graph/report.h"
#include "ops/placement.h"

namespace tahr::graph {
namespace {

struct Step {
  StepKind kind;
  int32_t node;
  const OpDef* op;
  KernelFn kernel;
  std::vector<Tensor> in, out;
  std::shared_ptr<const void> attrs;
  std::shared_ptr<void> prepared;
  KernelArgs args() const { return {in, out, attrs.get(), prepared.get()}; }
};

// Points a tensor that the executable owns at other memory.
void aim(const Tensor& t, const Ref<Storage>& storage, std::byte* data) {
  t.impl()->storage = storage;
  t.impl()->data = data;
  t.impl()->device = storage ? storage->device() : kCpu;
}
void drop(const Tensor& t) { aim(t, Ref<Storage>(), nullptr); }

void take_over(const Tensor& t, const Tensor& from) {
  TensorImpl& to = *t.impl();
  to.shape = from.shape();
  to.size = from.size();
  to.storage = from.impl()->storage;
  to.data = from.impl()->data;
  to.device = from.device();
}

// As a caller may keep it: an object of its own over the same storage.
Tensor detached(const Tensor& t) {
  return Tensor::from_storage(t.impl()->storage,
                              static_cast<size_t>(t.impl()->data - static_cast<std::byte*>(t.impl()->storage->data())),
                              t.shape(), t.dtype());
}

}  // namespace

struct Executable::Impl {
  Impl(Graph graph, Device d) : device(d), g(std::move(graph)), plan(make_plan(g)) {
    for (Value& v : g.values) {
      if (v.kind == Value::Kind::Constant) v.constant = to_device(v.constant, device);
    }
    make_tensors();
    make_steps();
  }

  // ---- built once ----

  void make_tensors() {
    arena = Storage::make_on(device, plan.stats.arena_bytes);
    tensors.resize(g.values.size());
    groups.resize(g.values.size());
    for (size_t i = 0; i < g.values.size(); ++i) {
      const Value& x = g.values[i];
      const ValueId root = plan.root[i];
      const Buffer& b = plan.buffers[static_cast<size_t>(root)];
      groups[static_cast<size_t>(root)].push_back(static_cast<ValueId>(i));
      if (x.kind == Value::Kind::Variable) tensors[i] = x.variable->handle();
      else if (x.kind == Value::Kind::Constant) tensors[i] = x.constant;
      else if (b.place == Place::Arena) tensors[i] = Tensor::from_storage(arena, b.offset, x.spec.shape, x.spec.dtype);
      else if (b.place == Place::Constant && x.spec.shape.fully_known())
        tensors[i] = Tensor::from_storage(
            g.value(root).constant.impl()->storage,
            static_cast<size_t>(g.value(root).constant.impl()->data -
                                static_cast<std::byte*>(g.value(root).constant.impl()->storage->data())),
            x.spec.shape, x.spec.dtype);
      else tensors[i] = Tensor::symbolic(x.spec.shape, x.spec.dtype);
    }
    for (size_t i = 0; i < g.values.size(); ++i) {
      if (plan.root[i] != static_cast<ValueId>(i)) continue;
      const Buffer& b = plan.buffers[i];
      if (b.place == Place::Variable) in_variables.push_back(b.root);
      if (b.place == Place::Output) fresh.push_back(b.root);
    }
  }

  void make_steps() {
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      const Node& n = g.nodes[i];
      if (plan.steps[i] == StepKind::Skip) continue;
      Step s{plan.steps[i], static_cast<int32_t>(i), n.op, nullptr, {}, {}, n.attrs, nullptr};
      Specs in_specs, out_specs;
      for (ValueId v : n.in) {
        s.in.push_back(v == kAbsent ? Tensor() : tensors[static_cast<size_t>(v)]);
        in_specs.push_back(v == kAbsent ? Spec{} : g.value(v).spec);
      }
      for (ValueId v : n.out) {
        s.out.push_back(tensors[static_cast<size_t>(v)]);
        out_specs.push_back(g.value(v).spec);
      }
      const auto type = static_cast<int>(device.type);  // without a kernel there, the CPU's runs, without preparation
      s.kernel = n.op->kernel[type];
      const PrepareFn prepare = n.op->prepare[type];
      if (s.kind == StepKind::Kernel && prepare) s.prepared = prepare(in_specs, out_specs, n.attrs.get());
      steps.push_back(std::move(s));
    }
    seconds.resize(steps.size());
    fastest.resize(steps.size());
    runs.resize(steps.size());
  }

  // ---- for a run ----

  void point_group(ValueId root, const Ref<Storage>& storage, std::byte* data) {
    for (ValueId v : groups[static_cast<size_t>(root)]) aim(tensors[static_cast<size_t>(v)], storage, data);
  }

  void bind(std::span<const Tensor> inputs) {
    if (inputs.size() != g.inputs.size())
      throw_runtime("[function] expected ", g.inputs.size(), " inputs, received ", inputs.size(), ".");
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Spec& want = g.value(g.inputs[i]).spec;
      const bool fits = inputs[i].defined() && !inputs[i].is_symbolic() && inputs[i].dtype() == want.dtype &&
                        inputs[i].rank() == want.shape.rank();
      bool same = fits;
      for (int d = 0; same && d < want.shape.rank(); ++d)
        same = want.shape[d] == kUnknown || want.shape[d] == inputs[i].shape()[d];
      if (!same) {
        throw_value("[function] expected ", name_of(want.dtype), " of shape ", want.shape.str(), " as input ", i,
                    ", received ",
                    inputs[i].defined() ? concat(name_of(inputs[i].dtype()), " of shape ", inputs[i].shape().str())
                                        : std::string("nothing"),
                    ".");
      }
    }
    if (devices_present()) {
      for (VariableImpl* v : plan.read) v->move_to(device);
      for (VariableImpl* v : plan.written) v->move_to(device);
    }
    for (VariableImpl* v : plan.written) {
      v->hold();
      ++held;
    }
    bound = true;
    timed = profiling();
    for (size_t i = 0; i < inputs.size(); ++i) {
      const ValueId v = g.inputs[i];
      const Tensor here = to_device(inputs[i], device);
      point_group(v, here.impl()->storage, here.impl()->data);
      const Tensor& t = tensors[static_cast<size_t>(v)];
      t.impl()->shape = inputs[i].shape();
      t.impl()->size = inputs[i].size();
    }
    for (ValueId root : in_variables) {
      VariableImpl* v = plan.buffers[static_cast<size_t>(root)].variable;
      const Tensor value = v->held() ? v->value() : v->snapshot();
      point_group(root, value.impl()->storage, value.impl()->data);
    }
    for (ValueId root : fresh) {
      const Spec& s = g.value(root).spec;
      const Ref<Storage> storage = Storage::make_on(device, static_cast<size_t>(s.shape.size()) * size_of(s.dtype));
      point_group(root, storage, static_cast<std::byte*>(storage->data()));
    }
  }

  void release() noexcept {
    if (!bound) return;
    for (size_t i = 0; i < held; ++i) plan.written[i]->release_hold();
    held = 0;
    bound = false;
    for (size_t i = 0; i < g.values.size(); ++i) {
      const Place p = plan.buffers[static_cast<size_t>(plan.root[i])].place;
      if (p == Place::Input || p == Place::Variable || p == Place::Output || p == Place::Dynamic) drop(tensors[i]);
    }
  }

  void forget_times() {
    std::fill(seconds.begin(), seconds.end(), 0.0);
    std::fill(runs.begin(), runs.end(), uint64_t{0});
  }

  void copy(const Step& s) {
    // A read: out from the variable. A store: the variable from in.
    VariableImpl* v = s.in[0].impl()->variable;
    if (s.out.empty()) {
      if (v->value().raw() != s.in[1].raw()) copy_into(v->value(), s.in[1]);
      v->touch();
    } else {
      const Tensor value = v->held() ? v->value() : v->snapshot();
      copy_into(s.out[0], value);
    }
  }

  void dynamic(const Step& s) {
    Tensors results;
    if (s.op->eager) {
      results = s.op->eager(s.in, s.attrs.get());
      if (s.kind == StepKind::Dynamic) {  // what it gives back must not be memory that the plan will reuse
        for (Tensor& r : results) {
          for (const Tensor& t : s.in) {
            if (t.defined() && t.impl()->storage && r.impl()->storage.get() == t.impl()->storage.get()) r = copy_of(r);
          }
        }
      }
    } else {
      Specs specs(s.in.size());
      for (size_t i = 0; i < s.in.size(); ++i) {
        if (s.in[i].defined()) specs[i] = s.in[i].spec();
      }
      for (const Spec& o : s.op->infer({specs, s.attrs.get(), s.in, s.op->name.c_str()}))
        results.push_back(Tensor::empty_on(device, o.shape, o.dtype));
      run_kernel(s, {s.in, results, s.attrs.get()});
    }
    for (Tensor& r : results) r = to_device(r, device);
    for (size_t i = 0; i < s.out.size(); ++i) take_over(s.out[i], results[i]);
  }

  void run_kernel(const Step& s, const KernelArgs& args) {
    if (!device.is_cpu()) [[unlikely]] {
      if (s.kernel) run_device_kernel(device, s.kernel, args);
      else run_on_host(*s.op, args);
    } else if (s.kernel) {
      s.kernel(args);
    } else {
      throw Error(ErrorKind::NotImplemented, concat("[", s.op->name, "] has no CPU kernel"));
    }
  }

  void run_step(const Step& s) {
    if (s.kind == StepKind::Kernel) run_kernel(s, s.args());
    else if (s.kind == StepKind::Copy) copy(s);
    else dynamic(s);
  }

  void step() {
    const DeviceScope here(device);
    if (const LimitScope* const limits = LimitScope::current(); limits && !timed) [[unlikely]] {
      for (const Step& s : steps) {
        limits->check_time();
        run_step(s);
      }
    } else if (!timed) {
      for (const Step& s : steps) run_step(s);
    } else {
      auto before = std::chrono::steady_clock::now();
      for (size_t i = 0; i < steps.size(); ++i) {
        run_step(steps[i]);
        device_synchronize(device);
        const auto now = std::chrono::steady_clock::now();
        const double taken = std::chrono::duration<double>(now - before).count();
        seconds[i] += taken;
        fastest[i] = runs[i] ? std::min(fastest[i], taken) : taken;
        ++runs[i];
        before = now;
      }
    }
    for (ValueId root : in_variables) {
      const Buffer& b = plan.buffers[static_cast<size_t>(root)];
      if (g.value(root).node >= 0 && plan.steps[static_cast<size_t>(g.value(root).node)] == StepKind::Kernel)
        b.variable->touch();
    }
  }

  const Device device;
  Graph g;
  Plan plan;
  Ref<Storage> arena;
  std::vector<Tensor> tensors;               // per value
  std::vector<std::vector<ValueId>> groups;  // per root: itself and its views
  std::vector<ValueId> in_variables, fresh;  // roots
  std::vector<Step> steps;
  bool bound = false, timed = false;
  const uint64_t serial = next_value_id();
  size_t held = 0;
  std::vector<double> seconds, fastest;
  std::vector<uint64_t> runs;
};

Executable::Executable(Graph g, Device device) : impl_(std::make_unique<Impl>(std::move(g), device)) {}
Executable::~Executable() { release(); }

void Executable::bind(std::span<const Tensor> inputs) {
  try {
    impl_->bind(inputs);
  } catch (...) {
    impl_->bound = true;
    impl_->release();
    throw;
  }
}
void Executable::step() { impl_->step(); }
void Executable::release() noexcept {
  if (impl_->bound && impl_->timed) {
    try {
      add_to_profiles(*this);
    } catch (...) {  // out of memory: the profile goes without
    }
    impl_->forget_times();
  }
  impl_->release();
}
uint64_t Executable::serial() const { return impl_->serial; }

void Executable::point_input(size_t i, const Ref<Storage>& storage, std::byte* data) {
  impl_->point_group(impl_->g.inputs[i], storage, data);
}

bool Executable::movable(size_t i) const {
  const auto root_of = [&](ValueId v) { return impl_->plan.root[static_cast<size_t>(v)]; };
  const ValueId root = root_of(impl_->g.outputs[i]);
  if (impl_->plan.buffers[static_cast<size_t>(root)].place != Place::Output) return false;
  return std::count_if(impl_->g.outputs.begin(), impl_->g.outputs.end(),
                       [&](ValueId v) { return root_of(v) == root; }) == 1;
}

void Executable::point_output(size_t i, const Ref<Storage>& storage, std::byte* data) {
  impl_->point_group(impl_->plan.root[static_cast<size_t>(impl_->g.outputs[i])], storage, data);
}

const Tensor& Executable::output(size_t i) const { return impl_->tensors[static_cast<size_t>(impl_->g.outputs[i])]; }

Tensors Executable::run(std::span<const Tensor> inputs) {
  struct Release {
    Executable* e;
    ~Release() { e->release(); }
  } guard{this};
  bind(inputs);
  step();
  Tensors out;
  out.reserve(impl_->g.outputs.size());
  for (ValueId v : impl_->g.outputs) {
    const Place p = impl_->plan.buffers[static_cast<size_t>(impl_->plan.root[static_cast<size_t>(v)])].place;
    if (p == Place::Constant) out.push_back(impl_->tensors[static_cast<size_t>(v)]);
    else out.push_back(detached(impl_->tensors[static_cast<size_t>(v)]));
  }
  return out;
}

Device Executable::device() const { return impl_->device; }
const Graph& Executable::graph() const { return impl_->g; }
const PlanStats& Executable::stats() const { return impl_->plan.stats; }

std::string Executable::placement(ValueId v) const {
  const ValueId root = impl_->plan.root[static_cast<size_t>(v)];
  const Buffer& b = impl_->plan.buffers[static_cast<size_t>(root)];
  std::string s;
  switch (b.place) {
    case Place::Input: s = "input"; break;
    case Place::Constant: s = "constant"; break;
    case Place::Handle: return "variable";
    case Place::Variable: s = "in variable " + b.variable->name; break;
    case Place::Output: s = "output"; break;
    case Place::Dynamic: s = "allocated when computed"; break;
    case Place::Arena: s = concat("arena+", b.offset); break;
  }
  if (b.in_place_of != kAbsent) s += concat(", in place of %", b.in_place_of);
  if (root != v) s = concat("view of %", root, " (", s, ")");
  return s;
}

const char* Executable::step_name(int32_t node) const {
  switch (impl_->plan.steps[static_cast<size_t>(node)]) {
    case StepKind::Kernel: return "kernel";
    case StepKind::Copy: return "copy";
    case StepKind::View:
    case StepKind::Dynamic: return "dynamic";
    case StepKind::Skip: break;
  }
  return "";
}

std::vector<StepTime> Executable::times() const {
  std::vector<StepTime> t;
  for (size_t i = 0; i < impl_->steps.size(); ++i)
    t.push_back({impl_->steps[i].node, impl_->runs[i], impl_->seconds[i], impl_->fastest[i]});
  return t;
}

}  // namespace tahr::graph
