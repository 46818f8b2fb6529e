#include "graph/trace.h"

namespace tahr::graph {

Tracer::Tracer() : outer_(current_tracer()) {}
Tracer::~Tracer() = default;

Tracer* current_tracer() { return static_cast<Tracer*>(tracing()); }

TraceScope::TraceScope(Tracer& t) : before_(tracing()) { set_tracing(&t); }
TraceScope::~TraceScope() { set_tracing(before_); }

PauseTracing::PauseTracing() : before_(tracing()) { set_tracing(nullptr); }
PauseTracing::~PauseTracing() { set_tracing(before_); }

bool Tracer::knows(const Tensor& symbolic) const {
  const uint64_t id = symbolic.impl()->id;
  return id != 0 && (ids_.count(id) != 0 || (outer_ && outer_->knows(symbolic)));
}

Tensor Tracer::input(const Spec& spec) {
  const Tensor t = Tensor::symbolic(spec.shape, spec.dtype);
  ids_[t.id()] = graph_.add_input(spec);
  return t;
}

ValueId Tracer::value_of(const Tensor& t) {
  if (!t.defined()) return kAbsent;
  const auto [it, fresh] = ids_.try_emplace(t.id(), kAbsent);
  if (!fresh) return it->second;
  if (VariableImpl* v = t.impl()->variable) return it->second = graph_.add_variable(v);
  if (!t.is_symbolic()) {
    alive_.push_back(t);
    return it->second = graph_.add_constant(t);
  }
  if (!outer_ || !outer_->knows(t)) {
    ids_.erase(it);
    throw_value("[function] met a symbolic tensor of shape ", t.shape().str(),
                " that belongs to another trace. Pass it as an argument, or return it from the function that made it, "
                "in place of storing it outside.");
  }
  const ValueId v = graph_.add_input(t.spec());
  captures_.push_back({t, v});
  return it->second = v;
}

bool Tracer::wants(const OpDef& op, std::span<const Tensor> in) const {
  bool symbolic = (op.traits & kControl) != 0;
  for (const Tensor& t : in) {
    if (!t.defined()) continue;
    if (t.impl()->variable) {
      symbolic = true;
    } else if (t.is_symbolic()) {
      if (!knows(t)) return false;  // describing a layer or model, not tracing
      symbolic = true;
    }
  }
  return symbolic;
}

void Tracer::append(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out) {
  std::vector<ValueId> ids;
  ids.reserve(in.size());
  for (const Tensor& t : in) ids.push_back(value_of(t));
  Specs specs;
  for (const Tensor& t : out) specs.push_back(t.spec());
  const Node& n = graph_.add_node(op, attrs ? op.attrs->clone(attrs) : nullptr, std::move(ids), specs);
  for (size_t i = 0; i < out.size(); ++i) ids_[out[i].id()] = n.out[i];
}

Tensors Tracer::widen(const Tensor& result, std::shared_ptr<const void> attrs, const Specs& specs) {
  for (Tracer* t = this; t; t = t->outer_) {
    const auto it = t->ids_.find(result.id());
    if (it == t->ids_.end() || t->graph_.value(it->second).kind != Value::Kind::Result) continue;
    Graph& g = t->graph_;
    const int32_t at = g.value(it->second).node;
    Node& n = g.nodes[static_cast<size_t>(at)];
    if (n.out.size() < specs.size()) {
      n.attrs = std::move(attrs);
      for (size_t i = n.out.size(); i < specs.size(); ++i) {
        n.out.push_back(g.add_result(specs[i]));
        g.values.back().node = at;
      }
    }
    Tensors out;
    for (size_t i = 0; i < specs.size(); ++i) {
      out.push_back(Tensor::symbolic(specs[i].shape, specs[i].dtype));
      t->ids_[out[i].id()] = n.out[i];
    }
    return out;
  }
  throw_value(
      "[gradient] expected to differentiate inside the trace that computed the target; it belongs to another one. "
      "Ask for the gradient in the function, branch or loop body in which the tape recorded.");
}

Graph Tracer::finish(std::span<const Tensor> outputs) {
  for (const Tensor& t : outputs) {
    VariableImpl* v = t.impl()->variable;
    if (v) throw_type("[function] a variable's handle is no result: return its value.");
    graph_.outputs.push_back(value_of(t));
  }
  return std::move(graph_);
}

Tensors replay(const Graph& g, std::span<const Tensor> inputs) {
  if (inputs.size() != g.inputs.size())
    throw_runtime("[function] expected ", g.inputs.size(), " inputs, received ", inputs.size(), ".");
  Tensors values(g.values.size());
  for (size_t i = 0; i < g.values.size(); ++i) {
    if (g.values[i].kind == Value::Kind::Constant) values[i] = g.values[i].constant;
    if (g.values[i].kind == Value::Kind::Variable) values[i] = g.values[i].variable->handle();
  }
  for (size_t i = 0; i < inputs.size(); ++i) values[static_cast<size_t>(g.inputs[i])] = inputs[i];
  Tensors in;
  for (const Node& n : g.nodes) {
    in.clear();
    for (ValueId v : n.in) in.push_back(v == kAbsent ? Tensor() : values[static_cast<size_t>(v)]);
    Tensors out = apply(*n.op, in, n.attrs.get());
    for (size_t i = 0; i < out.size(); ++i) values[static_cast<size_t>(n.out[i])] = std::move(out[i]);
  }
  Tensors result;
  for (ValueId v : g.outputs) result.push_back(values[static_cast<size_t>(v)]);
  return result;
}

}  // namespace tahr::graph
