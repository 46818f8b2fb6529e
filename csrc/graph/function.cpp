#include "graph/function.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "autodiff/tape.h"
#include "graph/control.h"
#include "graph/passes.h"
#include "graph/trace.h"
#include "ops/functions.h"

namespace tahr::graph {
namespace {

std::vector<VariableImpl*> trainable_variables(const Graph& g) {
  std::vector<VariableImpl*> found;
  for (const Node& n : g.nodes) {
    for (VariableImpl* v : effects(g, n).reads) {
      if (v->trainable && is_float(v->value().dtype()) && std::find(found.begin(), found.end(), v) == found.end())
        found.push_back(v);
    }
  }
  return found;
}

// The GPU on which a constant or a variable of the graph lies, or of what its nodes run; the CPU if there is none.
// `any` tells whether there are such values at all.
Device device_of(const Graph& g, bool* any) {
  for (const Value& v : g.values) {
    const bool variable = v.kind == Value::Kind::Variable;
    if (!variable && v.kind != Value::Kind::Constant) continue;
    *any = true;
    const Device d = variable ? v.variable->value().device() : v.constant.device();
    if (!d.is_cpu()) return d;
  }
  for (const Node& n : g.nodes) {
    for (const Graph* b : bodies(n)) {
      if (const Device d = device_of(*b, any); !d.is_cpu()) return d;
    }
  }
  return kCpu;
}

// Per value, whether some output whose cotangent is given depends on it.
std::vector<char> reached_by(const Graph& g, std::span<const Tensor> dy) {
  std::vector<char> reached(g.values.size());
  for (size_t i = 0; i < dy.size(); ++i) {
    if (dy[i].defined()) reached[static_cast<size_t>(g.outputs[i])] = 1;
  }
  for (size_t i = g.nodes.size(); i-- > 0;) {
    const Node& n = g.nodes[i];
    if (std::none_of(n.out.begin(), n.out.end(), [&](ValueId v) { return reached[static_cast<size_t>(v)] != 0; }))
      continue;
    for (ValueId v : n.in) {
      if (v != kAbsent) reached[static_cast<size_t>(v)] = 1;
    }
    if (bodies(n).empty()) continue;
    for (const VariableImpl* inside : effects(g, n).reads) {
      for (size_t v = 0; v < g.values.size(); ++v) {
        if (g.values[v].variable.get() == inside) reached[v] = 1;
      }
    }
  }
  return reached;
}

}  // namespace

std::shared_ptr<GraphFunction> GraphFunction::make(Graph traced) {
  return std::shared_ptr<GraphFunction>(new GraphFunction(std::move(traced)));
}

std::shared_ptr<GraphFunction> GraphFunction::of_batch(int64_t size) const {
  const Graph& g = traced_;
  // Sample shapes of one rank meet in each op, so that their batches broadcast as they do.
  const auto fits = [&g](ValueId v, int rank) {
    if (v == kAbsent) return true;
    const Value& value = g.value(v);
    return value.kind == Value::Kind::Constant ? value.spec.shape.rank() <= rank : value.spec.shape.rank() == rank;
  };
  for (const Node& n : g.nodes) {
    if (!(n.op->traits & kElementwise) || n.op->traits & (kRandom | kStateful | kControl)) return nullptr;
    const int rank = g.value(n.out[0]).spec.shape.rank();
    if (!std::all_of(n.in.begin(), n.in.end(), [&](ValueId v) { return fits(v, rank); })) return nullptr;
  }
  for (ValueId v : g.outputs) {
    if (g.value(v).kind == Value::Kind::Constant) return nullptr;
  }
  Tracer tracer;
  const TraceScope scope(tracer);
  const RecordOnly hidden;
  Tensors inputs;
  for (ValueId v : g.inputs) {
    const Spec& spec = g.value(v).spec;
    Shape shape;
    shape.push_back(size);
    for (int64_t d : spec.shape) shape.push_back(d);
    inputs.push_back(tracer.input({shape, spec.dtype}));
  }
  return make(tracer.finish(replay(g, inputs)));
}

bool GraphFunction::pure() const {
  const auto free = [](const Node& n, const auto& self) -> bool {
    if (n.op->traits & (kRandom | kStateful)) return false;
    for (const Graph* body : bodies(n)) {
      for (const Node& inner : body->nodes) {
        if (!self(inner, self)) return false;
      }
    }
    return true;
  };
  return std::all_of(traced_.nodes.begin(), traced_.nodes.end(), [&](const Node& n) { return free(n, free); });
}

std::unique_ptr<Executable> GraphFunction::compile(Device device) const {
  Graph g = traced_;
  const DeviceScope folded_there(device);
  const PauseTracing now;
  const PauseRecording quiet;
  const auto begin = std::chrono::steady_clock::now();
  inline_calls(g);
  optimize(g);
  auto e = std::make_unique<Executable>(std::move(g), device);
  static const bool verbose = [] {
    const char* s = std::getenv("TAHR_VERBOSE");
    return s && std::string_view(s) == "1";
  }();
  if (verbose) {
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    const PlanStats& s = e->stats();
    std::fprintf(stderr,
                 "[function] compiled in %.2f ms: %zu nodes became %zu: %d kernels, %d copies, %d dynamic, %d free; "
                 "%.1f KiB in the arena, %.1f without sharing\n",
                 ms, traced_.nodes.size(), e->graph().nodes.size(), s.kernels, s.copies, s.dynamic, s.views,
                 static_cast<double>(s.arena_bytes) / 1024, static_cast<double>(s.unshared_bytes) / 1024);
  }
  return e;
}

std::unique_ptr<Executable> GraphFunction::idle_or_new(Device device) {
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = idle_.size(); i-- > 0;) {
      if (idle_[i]->device() != device) continue;
      std::unique_ptr<Executable> e = std::move(idle_[i]);
      idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
      return e;
    }
  }
  return compile(device);
}

std::shared_ptr<Executable> GraphFunction::borrow(Device device) {
  std::unique_ptr<Executable> e = idle_or_new(device);
  return {e.release(), [owner = weak_from_this()](Executable* p) {
            std::unique_ptr<Executable> back(p);
            if (const auto f = owner.lock()) {
              back->release();
              f->give_back(std::move(back));
            }
          }};
}

void GraphFunction::give_back(std::unique_ptr<Executable> e) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    idle_.push_back(std::move(e));
  } catch (const std::bad_alloc&) {  // the next run compiles again
  }
}

const Executable& GraphFunction::compiled() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) return *idle_.back();
  }
  const auto e = borrow(device_for({}));
  return *e;  // goes back to the idle ones, which keep it
}

Device GraphFunction::device_for(std::span<const Tensor> inputs) const {
  if (cpu_only()) return kCpu;
  bool any = !inputs.empty();
  for (const Tensor& t : inputs) {
    if (t.defined() && !t.device().is_cpu()) return t.device();
  }
  const Device d = device_of(traced_, &any);
  return any ? d : current_device();
}

Tensors GraphFunction::run(std::span<const Tensor> inputs) {
  std::unique_ptr<Executable> e = idle_or_new(device_for(inputs));
  struct GiveBack {
    GraphFunction* f;
    std::unique_ptr<Executable>& e;
    ~GiveBack() { f->give_back(std::move(e)); }
  } guard{this, e};
  const PauseTracing now;
  const PauseRecording quiet;
  return e->run(inputs);
}

Tensors GraphFunction::call(std::span<const Tensor> inputs) {
  const bool symbolic = std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.is_symbolic(); });
  if (tracing() || symbolic) return replay(traced_, inputs);
  if (recording()) return call_recorded(inputs);
  return run(inputs);
}

const GraphFunction::Derivative& GraphFunction::derivative() {
  if (derivative_) return *derivative_;
  const auto d = std::make_shared<Derivative>();
  const PauseRecording quiet;
  Tracer tracer;
  Graph whole;
  size_t boundary = 0;
  {
    const TraceScope scope(tracer);
    Tensors in, sources;
    const auto tape = std::make_shared<Tape>(false, true);
    for (size_t i = 0; i < traced_.inputs.size(); ++i) {
      in.push_back(tracer.input(traced_.value(traced_.inputs[i]).spec));
      if (!is_float(in.back().dtype())) continue;
      tape->watch(in.back());
      sources.push_back(in.back());
      d->float_inputs.push_back(i);
    }
    for (VariableImpl* v : trainable_variables(traced_)) {
      d->variables.emplace_back(v);
      sources.push_back(v->handle());
    }
    Tensors out;
    {
      const RecordOnly record(tape);
      out = replay(traced_, in);
    }
    boundary = tracer.graph().nodes.size();
    d->outputs = out.size();
    Tensors targets, dy;
    for (const Tensor& t : out) {
      if (!is_float(t.dtype())) continue;
      targets.push_back(t);
      dy.push_back(tracer.input(t.spec()));
    }
    Tensors grads = tape->gradient(targets, sources, dy, false);
    Tensors ends = out;
    for (Tensor& g : grads) {
      d->connected.push_back(g.defined());
      if (g.defined()) ends.push_back(g);
    }
    whole = tracer.finish(ends);
  }
  cut(std::move(whole), boundary, traced_.inputs.size(), *d);
  derivative_ = d;
  return *derivative_;
}

std::shared_ptr<GraphFunction> GraphFunction::make_custom(Graph whole, size_t boundary, size_t inputs, size_t outputs,
                                                          std::vector<char> connected) {
  Graph traced;
  traced.values = whole.values;
  traced.inputs.assign(whole.inputs.begin(), whole.inputs.begin() + static_cast<std::ptrdiff_t>(inputs));
  traced.nodes.assign(whole.nodes.begin(), whole.nodes.begin() + static_cast<std::ptrdiff_t>(boundary));
  traced.outputs.assign(whole.outputs.begin(), whole.outputs.begin() + static_cast<std::ptrdiff_t>(outputs));
  const auto d = std::make_shared<Derivative>();
  for (size_t i = 0; i < inputs; ++i) {
    if (is_float(traced.value(traced.inputs[i]).spec.dtype)) d->float_inputs.push_back(i);
  }
  d->connected = std::move(connected);
  d->outputs = outputs;
  cut(std::move(whole), boundary, inputs, *d);
  const auto f = make(std::move(traced));
  f->derivative_ = d;
  return f;
}

// Makes the two functions of a derivative from a graph of both: nodes from `boundary` on are the second one's, inputs
// after the first `inputs` the cotangents that it takes. Residuals: what lies before the boundary and is read after it.
void GraphFunction::cut(Graph whole, size_t boundary, size_t inputs, Derivative& d) {
  Graph forward, backward;
  const size_t count = whole.values.size();
  std::vector<ValueId> in_backward(count, kAbsent);
  std::vector<ValueId> residuals;
  forward.values = whole.values;
  forward.inputs.assign(whole.inputs.begin(), whole.inputs.begin() + static_cast<std::ptrdiff_t>(inputs));
  forward.nodes.assign(whole.nodes.begin(), whole.nodes.begin() + static_cast<std::ptrdiff_t>(boundary));
  forward.outputs.assign(whole.outputs.begin(), whole.outputs.begin() + static_cast<std::ptrdiff_t>(d.outputs));
  std::vector<char> is_dy(count);
  for (size_t i = inputs; i < whole.inputs.size(); ++i) is_dy[static_cast<size_t>(whole.inputs[i])] = 1;
  const auto made_in_backward = [&](ValueId v) {
    const Value& x = whole.value(v);
    return is_dy[static_cast<size_t>(v)] || (x.kind == Value::Kind::Result && static_cast<size_t>(x.node) >= boundary);
  };
  const auto need = [&](ValueId v) {
    if (v == kAbsent || made_in_backward(v) || in_backward[static_cast<size_t>(v)] != kAbsent) return;
    const Value& x = whole.value(v);
    if (x.kind == Value::Kind::Constant) {
      in_backward[static_cast<size_t>(v)] = backward.add_constant(x.constant);
    } else if (x.kind == Value::Kind::Variable) {
      in_backward[static_cast<size_t>(v)] = backward.add_variable(x.variable.get());
    } else {
      in_backward[static_cast<size_t>(v)] = backward.add_input(x.spec);
      residuals.push_back(v);
    }
  };
  // Only what the gradients need of the second part.
  whole.renumber();
  std::vector<char> wanted(whole.nodes.size());
  {
    std::vector<char> read(count);
    for (size_t i = d.outputs; i < whole.outputs.size(); ++i) read[static_cast<size_t>(whole.outputs[i])] = 1;
    for (size_t i = whole.nodes.size(); i-- > boundary;) {
      const Node& n = whole.nodes[i];
      wanted[i] = has_effect(whole, n);
      for (ValueId v : n.out) wanted[i] |= read[static_cast<size_t>(v)];
      if (!wanted[i]) continue;
      for (ValueId v : n.in) {
        if (v != kAbsent) read[static_cast<size_t>(v)] = 1;
      }
    }
  }
  for (size_t i = boundary; i < whole.nodes.size(); ++i) {
    if (wanted[i]) std::for_each(whole.nodes[i].in.begin(), whole.nodes[i].in.end(), need);
  }
  for (size_t i = d.outputs; i < whole.outputs.size(); ++i) need(whole.outputs[i]);
  for (size_t i = inputs; i < whole.inputs.size(); ++i) {
    const ValueId v = whole.inputs[i];
    in_backward[static_cast<size_t>(v)] = backward.add_input(whole.value(v).spec);
  }
  for (size_t i = boundary; i < whole.nodes.size(); ++i) {
    if (!wanted[i]) continue;
    const Node& n = whole.nodes[i];
    std::vector<ValueId> in;
    for (ValueId v : n.in) in.push_back(v == kAbsent ? kAbsent : in_backward[static_cast<size_t>(v)]);
    Specs specs;
    for (ValueId v : n.out) specs.push_back(whole.value(v).spec);
    const Node& copy = backward.add_node(*n.op, n.attrs, std::move(in), specs);
    for (size_t o = 0; o < n.out.size(); ++o) in_backward[static_cast<size_t>(n.out[o])] = copy.out[o];
  }
  for (size_t i = d.outputs; i < whole.outputs.size(); ++i)
    backward.outputs.push_back(in_backward[static_cast<size_t>(whole.outputs[i])]);
  forward.outputs.insert(forward.outputs.end(), residuals.begin(), residuals.end());
  d.forward = make(std::move(forward));
  d.backward = make(std::move(backward));
}

// The function run so that gradients can be asked for `levels` deep: level k gives the outputs of level k - 1 and the
// residuals that its backward reads. So what is asked of a residual, by a tape around a gradient, is asked of an output
// of the level above.
Tensors GraphFunction::call_recorded(std::span<const Tensor> inputs) {
  const Derivative& d = derivative();
  Tensors watched;
  for (size_t i : d.float_inputs) watched.push_back(inputs[i]);
  for (const auto& v : d.variables) watched.push_back(v->handle());
  const int levels = recording_depth(watched);
  if (levels == 0) return run(inputs);

  std::vector<std::shared_ptr<GraphFunction>> level{shared_from_this()};
  for (int k = 0; k < levels; ++k) level.push_back(level.back()->derivative().forward);
  const Tensors all = level.back()->run(inputs);
  record_custom_on_tapes(watched, all, [level, all](std::span<const Tensor> dy) {
    size_t used = 0;
    for (size_t i = 0; i < dy.size(); ++i) {
      if (dy[i].defined()) used = i + 1;
    }
    size_t k = 0;
    while (k + 1 < level.size() && level[k]->traced_.outputs.size() < used) ++k;
    if (k + 1 == level.size()) {
      throw Error(
          ErrorKind::NotImplemented,
          "[function] a gradient was asked of a gradient more often than tapes were recording when the function "
          "was called. Nest one GradientTape per order of derivative around the call.");
    }
    const Derivative& rule = *level[k]->derivative_;
    const size_t outputs = level[k]->traced_.outputs.size();
    Tensors in(all.begin() + static_cast<std::ptrdiff_t>(outputs),
               all.begin() + static_cast<std::ptrdiff_t>(level[k + 1]->traced_.outputs.size()));
    for (size_t i = 0; i < outputs; ++i) {
      if (is_float(all[i].dtype()))
        in.push_back(dy[i].defined() ? dy[i] : Tensor::zeros(all[i].shape(), all[i].dtype()));
    }
    const Tensors grads = rule.backward->call(in);
    const std::vector<char> reached = reached_by(level[k]->traced_, dy.first(outputs));
    Tensors dx;
    size_t next = 0;
    for (char connected : rule.connected) dx.push_back(connected ? grads[next++] : Tensor());
    for (size_t s = 0; s < rule.float_inputs.size(); ++s) {
      if (!reached[static_cast<size_t>(level[k]->traced_.inputs[rule.float_inputs[s]])]) dx[s] = Tensor();
    }
    for (size_t s = 0; s < rule.variables.size(); ++s) {
      const auto& values = level[k]->traced_.values;
      const bool used = [&] {
        for (size_t v = 0; v < values.size(); ++v) {
          if (values[v].variable.get() == rule.variables[s].get()) return reached[v] != 0;
        }
        return true;  // read in a body only
      }();
      if (!used) dx[rule.float_inputs.size() + s] = Tensor();
    }
    return dx;
  });
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(d.outputs)};
}

}  // namespace tahr::graph
