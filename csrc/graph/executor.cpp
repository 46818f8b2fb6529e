#include "graph/executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/limits.h"
#include "graph/plan.h"
#include "graph/replay.h"
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
  const float* const* rows = nullptr;  // of the input op->listed
  KernelArgs args() const { return {in, out, attrs.get(), prepared.get(), rows}; }
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
    if (!device.is_cpu()) replay = std::make_unique<Replay>(device, obstacle());
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
      Step s{plan.steps[i], static_cast<int32_t>(i), n.op, nullptr, {}, {}, n.attrs, nullptr, nullptr};
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

  // Which ops keep the steps from being recorded.
  std::string obstacle() const {
    std::string without_kernel, on_host;
    const auto add = [](std::string& names, const std::string& name) {
      if (concat(", ", names, ",").find(concat(", ", name, ",")) != std::string::npos) return;
      names += (names.empty() ? "" : ", ") + name;
    };
    for (const Step& s : steps) {
      if (s.kind == StepKind::Kernel && !s.kernel) add(without_kernel, s.op->name);
      else if (s.kind == StepKind::Dynamic || s.kind == StepKind::View) add(on_host, s.op->name);
    }
    return concat(without_kernel.empty() ? "" : "without a kernel for the GPU: " + without_kernel,
                  without_kernel.empty() || on_host.empty() ? "" : "; ",
                  on_host.empty() ? "" : "decided by the host while it runs: " + on_host);
  }

  // ---- for a run ----

  void point_group(ValueId root, const Ref<Storage>& storage, std::byte* data) {
    for (ValueId v : groups[static_cast<size_t>(root)]) aim(tensors[static_cast<size_t>(v)], storage, data);
  }

  void bind(std::span<const Tensor> inputs, bool fixed) {
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
    for (size_t i = 0; i < fresh.size(); ++i) {
      const Spec& s = g.value(fresh[i]).spec;
      const auto make = [&] {
        return Storage::make_on(device, static_cast<size_t>(s.shape.size()) * size_of(s.dtype));
      };
      if (fixed && kept.size() == i) kept.push_back(make());
      const Ref<Storage> storage = fixed ? kept[i] : make();
      point_group(fresh[i], storage, static_cast<std::byte*>(storage->data()));
    }
    if (!replay) return;
    moved = true;
    for (VariableImpl* v : plan.read) {  // what an update of another thread replaces stays until this run ends
      if (!v->held()) shared.push_back(v->snapshot());
    }
  }

  bool is_input(ValueId v, size_t i) const { return v != kAbsent && plan.root[static_cast<size_t>(v)] == g.inputs[i]; }

  // Views among the readers share the rows, if they have as many: that is seen where a product reads them.
  bool listable(size_t i) const {
    const Spec& whole = g.value(g.inputs[i]).spec;
    if (!device.is_cpu() || whole.dtype != DType::Float32 || whole.shape.rank() < 2) return false;
    for (ValueId v : g.outputs) {
      if (is_input(v, i)) return false;
    }
    for (size_t n = 0; n < g.nodes.size(); ++n) {
      const Node& node = g.nodes[n];
      for (size_t x = 0; x < node.in.size(); ++x) {
        if (!is_input(node.in[x], i) || ((node.op->traits & kView) && plan.steps[n] == StepKind::Skip)) continue;
        const Shape& shape = g.value(node.in[x]).spec.shape;
        if (plan.steps[n] != StepKind::Kernel ||
            static_cast<int>(x) != node.op->listed[static_cast<int>(device.type)] || shape.rank() != 2 ||
            shape[0] != whole.shape[0])
          return false;
      }
    }
    return true;
  }

  void list_input(size_t i, const float* const* rows) {
    for (Step& s : steps) {
      const int listed = s.op->listed[static_cast<int>(device.type)];
      if (listed >= 0 && is_input(g.nodes[static_cast<size_t>(s.node)].in[static_cast<size_t>(listed)], i))
        s.rows = rows;
    }
  }

  // Whether a call is worth two copies, of the inputs to where a recording reads them and of its outputs. Makes room
  // for the inputs.
  bool replays(std::span<const Tensor> inputs) {
    constexpr size_t kMost = size_t{64} << 20;  // bytes of both
    constexpr uint64_t kWarm = 2;
    if (!replay || !replay->possible() || ++calls <= kWarm || profiling() || LimitScope::current()) return false;
    if (inputs.size() != g.inputs.size() || steps.size() < 2 * (inputs.size() + g.outputs.size())) return false;
    size_t bytes = 0;
    for (const auto& list : {g.inputs, g.outputs}) {
      for (ValueId v : list) {
        const Spec& s = g.value(v).spec;
        if (!s.shape.fully_known()) return false;
        bytes += static_cast<size_t>(s.shape.size()) * size_of(s.dtype);
      }
    }
    if (bytes > kMost) return false;
    for (size_t i = 0; i < inputs.size(); ++i) {  // what does not fit is refused by `bind`
      if (!inputs[i].defined() || inputs[i].is_symbolic() || inputs[i].spec() != g.value(g.inputs[i]).spec)
        return false;
    }
    for (size_t i = fixed_inputs.size(); i < inputs.size(); ++i) {
      const Spec& s = g.value(g.inputs[i]).spec;
      fixed_inputs.push_back(Tensor::empty_on(device, s.shape, s.dtype));
    }
    return true;
  }

  void release() noexcept {
    if (!bound) return;
    for (size_t i = 0; i < held; ++i) plan.written[i]->release_hold();
    held = 0;
    bound = false;
    shared.clear();
    for (Step& s : steps) s.rows = nullptr;
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

  // All memory that the steps work on and that is not the plan's own.
  void find_places() {
    places.clear();
    for (ValueId v : g.inputs) places.push_back(tensors[static_cast<size_t>(v)].raw());
    for (ValueId v : fresh) places.push_back(tensors[static_cast<size_t>(v)].raw());
    for (ValueId v : in_variables) places.push_back(tensors[static_cast<size_t>(v)].raw());
    for (VariableImpl* v : plan.read) places.push_back(v->value().raw());
    for (VariableImpl* v : plan.written) places.push_back(v->value().raw());
    moved = false;
  }

  void step(const std::function<void()>& before, std::span<const void* const> before_places) {
    const DeviceScope here(device);
    if (replay && !timed && !LimitScope::current()) {
      if (moved || !before_places.empty()) {
        find_places();
        places.insert(places.end(), before_places.begin(), before_places.end());
      }
      replay->run(places, [&] {
        if (before) before();
        for (const Step& s : steps) run_step(s);
      });
      for (VariableImpl* v : plan.written) v->touch();
      return;
    }
    if (before) before();
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
  std::unique_ptr<Replay> replay;    // on a device
  std::vector<const void*> places;   // of the last step
  bool moved = true;                 // they are to be looked up again
  std::vector<Ref<Storage>> kept;    // of `fresh`, where they are fixed
  std::vector<Tensor> fixed_inputs;  // copies that recordings read
  std::vector<Tensor> shared;        // values of variables that are read
  uint64_t calls = 0;
  std::vector<double> seconds, fastest;
  std::vector<uint64_t> runs;
};

Executable::Executable(Graph g, Device device) : impl_(std::make_unique<Impl>(std::move(g), device)) {}
Executable::~Executable() { release(); }

void Executable::bind(std::span<const Tensor> inputs, bool fixed) {
  try {
    impl_->bind(inputs, fixed);
  } catch (...) {
    impl_->bound = true;
    impl_->release();
    throw;
  }
}
void Executable::step(const std::function<void()>& before, std::span<const void* const> before_places) {
  impl_->step(before, before_places);
}
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
  impl_->moved = true;
  impl_->point_group(impl_->g.inputs[i], storage, data);
}

bool Executable::listable(size_t i) const { return impl_->listable(i); }
void Executable::list_input(size_t i, const float* const* rows) { impl_->list_input(i, rows); }

bool Executable::movable(size_t i) const {
  const auto root_of = [&](ValueId v) { return impl_->plan.root[static_cast<size_t>(v)]; };
  const ValueId root = root_of(impl_->g.outputs[i]);
  if (impl_->plan.buffers[static_cast<size_t>(root)].place != Place::Output) return false;
  return std::count_if(impl_->g.outputs.begin(), impl_->g.outputs.end(),
                       [&](ValueId v) { return root_of(v) == root; }) == 1;
}

void Executable::point_output(size_t i, const Ref<Storage>& storage, std::byte* data) {
  impl_->moved = true;
  impl_->point_group(impl_->plan.root[static_cast<size_t>(impl_->g.outputs[i])], storage, data);
}

const Tensor& Executable::output(size_t i) const { return impl_->tensors[static_cast<size_t>(impl_->g.outputs[i])]; }

Tensors Executable::run(std::span<const Tensor> inputs) {
  struct Release {
    Executable* e;
    ~Release() { e->release(); }
  } guard{this};
  if (impl_->replays(inputs)) {
    for (size_t i = 0; i < inputs.size(); ++i) copy_into(impl_->fixed_inputs[i], inputs[i]);
    bind(impl_->fixed_inputs, true);
    step();
    Tensors out;
    for (ValueId v : impl_->g.outputs) {
      const Tensor& t = impl_->tensors[static_cast<size_t>(v)];
      const bool constant =
          impl_->plan.buffers[static_cast<size_t>(impl_->plan.root[static_cast<size_t>(v)])].place == Place::Constant;
      out.push_back(constant ? t : copy_of(t));
    }
    return out;
  }
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
std::string Executable::replay() const { return impl_->replay ? impl_->replay->str() : ""; }
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
