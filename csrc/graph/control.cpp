// Tracing of control flow, and the ops it becomes. Their gradients are in control_grad.cpp, loops run in
// control_loop.cpp.
#include "graph/control.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "autodiff/tape.h"
#include "graph/control_grad.h"

namespace tahr::graph {

TracedBody finish_body(Tracer& tracer, std::span<const Tensor> outputs) {
  TracedBody b{tracer.finish(outputs), {}};
  std::vector<ValueId> captured;
  for (const Tracer::Capture& c : tracer.captures()) {
    b.captures.push_back(c.outer);
    captured.push_back(c.inner);
  }
  std::vector<ValueId> inputs;
  for (ValueId v : b.graph.inputs) {
    if (std::find(captured.begin(), captured.end(), v) == captured.end()) inputs.push_back(v);
  }
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  b.graph.inputs = std::move(inputs);
  return b;
}

Tensor zero_constant(const Spec& spec) {
  Shape shape = spec.shape;
  for (int i = 0; i < shape.rank(); ++i) shape[i] = std::max<int64_t>(shape[i], 0);
  const size_t bytes = std::max<size_t>(static_cast<size_t>(shape.size()) * size_of(spec.dtype), 1);
  if (bytes < 4096) return Tensor::zeros(shape, spec.dtype);
  void* p = std::calloc(bytes, 1);
  if (!p) throw std::bad_alloc();
  return Tensor::from_storage(Storage::borrow(p, bytes, p, std::free, false), 0, shape, spec.dtype);
}

namespace {

// The bodies of a node, with operands that they share: the explicit ones, then captures, variables, hoisted values.
class Operands {
 public:
  Operands(std::vector<Graph*> bodies, Tensors explicit_ones)
      : bodies_(std::move(bodies)), all_(std::move(explicit_ones)) {}

  // Gives all bodies the inputs for what any of them captures.
  void share(const std::vector<const Tensors*>& captures) {
    const size_t first = all_.size();
    std::unordered_map<uint64_t, size_t> place;
    for (const Tensors* list : captures) {
      for (const Tensor& t : *list) {
        if (place.try_emplace(t.id(), all_.size()).second) all_.push_back(t);
      }
    }
    for (size_t b = 0; b < bodies_.size(); ++b) {
      Graph& g = *bodies_[b];
      std::vector<ValueId> inputs(g.inputs.begin(), g.inputs.begin() + static_cast<std::ptrdiff_t>(first));
      inputs.resize(all_.size(), kAbsent);
      for (size_t i = 0; i < captures[b]->size(); ++i) inputs[place[(*captures[b])[i].id()]] = g.inputs[first + i];
      g.inputs.resize(first);
      for (size_t i = first; i < inputs.size(); ++i) {
        if (inputs[i] == kAbsent) g.add_input(all_[i].spec());
        else g.inputs.push_back(inputs[i]);
      }
    }
  }

  // Variables that no body writes are read before the node.
  void lift_variables() {
    static const OpDef& read = get_op("read_variable");
    std::vector<VariableImpl*> written;
    for (const Graph* g : bodies_) {
      for (const Node& n : g->nodes) {
        for (VariableImpl* v : effects(*g, n).writes) written.push_back(v);
      }
    }
    std::unordered_map<VariableImpl*, size_t> place;
    for (Graph* g : bodies_) {
      std::vector<char> lifted(g->nodes.size());
      for (size_t i = 0; i < g->nodes.size(); ++i) {
        if (g->nodes[i].op != &read) continue;
        VariableImpl* v = g->value(g->nodes[i].in[0]).variable.get();
        if (std::find(written.begin(), written.end(), v) != written.end()) continue;
        const auto [it, fresh] = place.try_emplace(v, all_.size());
        if (fresh) add(call1(read, {v->handle()}));
        g->replace(g->nodes[i].out[0], g->inputs[it->second]);
        lifted[i] = 1;
      }
      erase(*g, lifted);
    }
  }

  // What is the same in every round of a loop is computed before it. `first`: the operands from there on are so.
  void hoist(size_t first) {
    for (Graph* g : bodies_) {
      std::vector<Tensor> outside(g->values.size());
      for (size_t i = first; i < g->inputs.size(); ++i) outside[static_cast<size_t>(g->inputs[i])] = all_[i];
      for (size_t i = 0; i < g->values.size(); ++i) {
        if (g->values[i].kind == Value::Kind::Constant) outside[i] = g->values[i].constant;
      }
      std::vector<char> hoisted(g->nodes.size());
      for (size_t i = 0; i < g->nodes.size(); ++i) {
        const Node& n = g->nodes[i];
        if ((n.op->traits & (kStateful | kRandom)) || has_effect(*g, n)) continue;
        Tensors in;
        bool invariant = true;
        for (ValueId v : n.in) {
          in.push_back(v == kAbsent ? Tensor() : outside[static_cast<size_t>(v)]);
          invariant &= v == kAbsent || in.back().defined();
        }
        if (!invariant) continue;
        const Tensors out = apply(*n.op, in, n.attrs.get());
        for (size_t o = 0; o < out.size(); ++o) outside[static_cast<size_t>(n.out[o])] = out[o];
        hoisted[i] = 1;
      }
      pass_in(*g, outside, hoisted);
      erase(*g, hoisted);
    }
  }

  const Tensors& all() const { return all_; }
  // The op's inputs: `leading`, then the operands.
  Tensors inputs_after(const Tensor& leading) const {
    Tensors in{leading};
    in.insert(in.end(), all_.begin(), all_.end());
    return in;
  }

 private:
  void add(const Tensor& operand) {
    all_.push_back(operand);
    for (Graph* g : bodies_) g->add_input(operand.spec());
  }

  // Makes operands of the results of hoisted nodes that others read.
  void pass_in(Graph& g, const Tensors& outside, const std::vector<char>& hoisted) {
    std::vector<ValueId> needed;
    const auto need = [&](ValueId v) {
      if (v == kAbsent || g.value(v).kind != Value::Kind::Result || !hoisted[static_cast<size_t>(g.value(v).node)])
        return;
      if (std::find(needed.begin(), needed.end(), v) == needed.end()) needed.push_back(v);
    };
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      if (!hoisted[i]) std::for_each(g.nodes[i].in.begin(), g.nodes[i].in.end(), need);
    }
    std::for_each(g.outputs.begin(), g.outputs.end(), need);
    for (ValueId v : needed) {
      const Tensor& t = outside[static_cast<size_t>(v)];
      if (!t.is_symbolic()) {
        g.replace(v, g.add_constant(t));
        continue;
      }
      add(t);
      g.replace(v, g.inputs.back());
    }
  }

  static void erase(Graph& g, const std::vector<char>& gone) {
    size_t to = 0;
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      if (gone[i]) continue;
      if (to != i) g.nodes[to] = std::move(g.nodes[i]);
      ++to;
    }
    g.nodes.resize(to);
    g.renumber();
  }

  std::vector<Graph*> bodies_;
  Tensors all_;
};

Shape merged(const Shape& a, const Shape& b) {
  Shape s = a;
  for (int i = 0; i < s.rank(); ++i) {
    if (a[i] != b[i]) s[i] = kUnknown;
  }
  return s;
}

Spec output_spec(const Graph& g, size_t i) { return g.value(g.outputs[i]).spec; }

// What the ops rely on when they run. Tracing makes no other nodes, but files may hold any.
void require(bool holds, const InferArgs& a, const char* what) {
  if (!holds) throw_value("[", a.op, "] expected ", what, ", received bodies or operands of another kind.");
}

bool may_be(const Spec& given, const Spec& taken) {
  bool fits = given.dtype == taken.dtype && given.shape.rank() == taken.shape.rank();
  for (int i = 0; fits && i < taken.shape.rank(); ++i)
    fits = taken.shape[i] == kUnknown || given.shape[i] == kUnknown || given.shape[i] == taken.shape[i];
  return fits;
}

void check_operands(const InferArgs& a, const Graph& body, std::span<const Spec> operands) {
  if (body.inputs.size() != operands.size())
    throw_value("[", a.op, "] expected ", body.inputs.size(), " operands, received ", operands.size(), ".");
  for (size_t i = 0; i < operands.size(); ++i)
    require(may_be(operands[i], body.value(body.inputs[i]).spec), a, "operands of the body's dtypes and shapes");
}

bool is_single(const Spec& s) { return s.shape.size() == 1; }

void check_loop(const InferArgs& a, const LoopAttrs& attrs) {
  const auto& list = attrs.bodies->list;
  const Graph& g = list[0]->traced();
  Specs operands(a.in.begin() + 1, a.in.end());
  require(attrs.carries >= 0 && attrs.slices >= 0 && attrs.length >= kUnknown && attrs.maximum >= kUnknown &&
              attrs.carries <= static_cast<int64_t>(std::min(operands.size(), g.outputs.size())) &&
              attrs.slices <= static_cast<int64_t>(operands.size()) - attrs.carries,
          a, "as many carries and slices as there are operands");
  for (int64_t i = attrs.carries; i < attrs.carries + attrs.slices; ++i) {
    Shape& rows = operands[static_cast<size_t>(i)].shape;
    require(rows.rank() > 0, a, "slices with a first axis");
    rows.erase(0);
  }
  check_operands(a, g, operands);
  for (size_t i = 0; i < static_cast<size_t>(attrs.carries); ++i) {
    const Spec &before = g.value(g.inputs[i]).spec, &after = output_spec(g, i);
    require(before.dtype == after.dtype && before.shape == after.shape, a, "carries that keep dtype and shape");
  }
  if (attrs.conditional) {
    require(list.size() == 2 && attrs.slices == 0 && !attrs.reverse, a, "a body and a condition, and no slices");
    const Graph& c = list[1]->traced();
    check_operands(a, c, operands);
    require(c.outputs.size() == 1 && output_spec(c, 0).dtype == DType::Bool && is_single(output_spec(c, 0)), a,
            "a condition that is one bool");
  } else {
    require(list.size() == 1, a, "one body");
    require(a.has(0) || attrs.length != kUnknown || attrs.slices > 0, a, "a number of rounds");
    if (a.has(0)) require(!is_float(a.in[0].dtype), a, "an integer number of rounds");
  }
}

Specs infer_cond(const InferArgs& a) {
  const auto& bodies = a.as<BodiesAttrs>().bodies->list;
  Specs out;
  for (size_t b = 0; b < bodies.size(); ++b) {
    const Graph& g = bodies[b]->traced();
    check_operands(a, g, a.in.subspan(1));
    require(b == 0 || g.outputs.size() == out.size(), a, "branches with equally many results");
    for (size_t i = 0; i < g.outputs.size(); ++i) {
      const Spec s = output_spec(g, i);
      require(b == 0 || (s.dtype == out[i].dtype && s.shape.rank() == out[i].shape.rank()), a,
              "branches whose results have one dtype and rank");
      if (b == 0) out.push_back(s);
      else out[i].shape = merged(out[i].shape, s.shape);
    }
  }
  return out;
}

Specs infer_loop(const InferArgs& a) {
  const auto& attrs = a.as<LoopAttrs>();
  const Graph& g = attrs.bodies->list[0]->traced();
  check_loop(a, attrs);
  const auto carries = static_cast<size_t>(attrs.carries);
  Specs out;
  for (size_t i = 0; i < carries; ++i) out.push_back(output_spec(g, i));
  out.push_back({{}, DType::Int32});
  const int64_t rows = attrs.slices > 0 ? a.in[1 + carries].shape[0] : attrs.length;
  for (size_t i = carries; i < g.outputs.size(); ++i) {
    Spec s = output_spec(g, i);
    s.shape.insert(0, rows);
    out.push_back(s);
  }
  return out;
}

Specs infer_call(const InferArgs& a) {
  const Graph& g = a.as<BodiesAttrs>().bodies->list[0]->traced();
  check_operands(a, g, a.in);
  for (size_t i = 0; i < a.in.size(); ++i) {
    for (int d = 0; d < a.in[i].shape.rank(); ++d)
      require(a.in[i].shape[d] != kUnknown || g.value(g.inputs[i]).spec.shape[d] == kUnknown, a, "operands as known");
  }
  Specs out;
  for (size_t i = 0; i < g.outputs.size(); ++i) out.push_back(output_spec(g, i));
  return out;
}

Tensors run_cond(std::span<const Tensor> in, const void* attrs) {
  const auto& bodies = static_cast<const BodiesAttrs*>(attrs)->bodies->list;
  int64_t index = in[0].item_int();
  if (in[0].dtype() == DType::Bool) index = index ? 0 : 1;
  index = std::clamp<int64_t>(index, 0, static_cast<int64_t>(bodies.size()) - 1);
  return bodies[static_cast<size_t>(index)]->run(in.subspan(1));
}

Tensors run_call(std::span<const Tensor> in, const void* attrs) {
  return static_cast<const BodiesAttrs*>(attrs)->bodies->list[0]->run(in);
}

Tensors loop_eager(std::span<const Tensor> in, const void* attrs) {
  return run_loop(in, *static_cast<const LoopAttrs*>(attrs));
}

}  // namespace

Tensors trace_cond(const Tensor& index, std::vector<TracedBody> bodies, Tensors operands) {
  std::vector<Graph*> graphs;
  std::vector<const Tensors*> captures;
  for (TracedBody& b : bodies) {
    graphs.push_back(&b.graph);
    captures.push_back(&b.captures);
  }
  Operands shared(graphs, std::move(operands));
  shared.share(captures);
  shared.lift_variables();
  std::vector<std::shared_ptr<GraphFunction>> list;
  for (Graph* g : graphs) list.push_back(GraphFunction::make(std::move(*g)));
  BodiesAttrs attrs;
  attrs.bodies = std::make_shared<const Bodies>(std::move(list));
  return apply(get_op("cond"), shared.inputs_after(index), &attrs);
}

Tensors trace_loop(LoopParts p) {
  std::vector<Graph*> graphs{&p.body.graph};
  std::vector<const Tensors*> captures{&p.body.captures};
  if (p.condition) {
    graphs.push_back(&p.condition->graph);
    captures.push_back(&p.condition->captures);
  }
  Operands shared(graphs, std::move(p.operands));
  shared.share(captures);
  shared.lift_variables();
  shared.hoist(p.carries + p.slices);
  LoopAttrs attrs;
  std::vector<std::shared_ptr<GraphFunction>> list;
  for (Graph* g : graphs) list.push_back(GraphFunction::make(std::move(*g)));
  attrs.bodies = std::make_shared<const Bodies>(std::move(list));
  attrs.carries = static_cast<int64_t>(p.carries);
  attrs.slices = static_cast<int64_t>(p.slices);
  attrs.length = p.length;
  attrs.maximum = p.maximum;
  attrs.reverse = p.reverse;
  attrs.conditional = p.condition.has_value();
  return apply(get_op("loop"), shared.inputs_after(p.count), &attrs);
}

Tensors trace_custom_call(TracedBody whole, size_t boundary, size_t outputs, size_t cotangents,
                          std::vector<char> connected, Tensors operands) {
  Graph& g = whole.graph;
  // The cotangents behind everything else.
  const auto first = g.inputs.begin() + static_cast<std::ptrdiff_t>(operands.size());
  std::rotate(first, first + static_cast<std::ptrdiff_t>(cotangents), g.inputs.end());
  operands.insert(operands.end(), whole.captures.begin(), whole.captures.end());
  const size_t inputs = operands.size();
  for (const Tensor& t : whole.captures) {
    if (is_float(t.dtype())) connected.push_back(0);
  }
  BodiesAttrs attrs;
  attrs.bodies = std::make_shared<const Bodies>(std::vector<std::shared_ptr<GraphFunction>>{
      GraphFunction::make_custom(std::move(g), boundary, inputs, outputs, std::move(connected))});
  return apply(get_op("custom_call"), operands, &attrs);
}

std::vector<const Graph*> bodies(const Node& n) {
  if (!(n.op->traits & kControl)) return {};
  std::vector<const Graph*> list;
  for (const AttrField& f : n.op->attrs->fields) {
    if (f.kind != AttrKind::Graphs) continue;
    const auto& b = *reinterpret_cast<const GraphBodies*>(static_cast<const char*>(n.attrs.get()) + f.offset);
    for (const auto& body : b->list) list.push_back(&body->traced());
  }
  return list;
}

void inline_calls(Graph& g) {
  static const OpDef& custom = get_op("custom_call");
  const auto is_call = [](const Node& n) { return n.op == &custom; };
  while (std::any_of(g.nodes.begin(), g.nodes.end(), is_call)) {
    std::vector<Node> nodes;
    std::vector<ValueId> now(g.values.size());
    for (size_t i = 0; i < now.size(); ++i) now[i] = static_cast<ValueId>(i);
    const auto rename = [&](std::vector<ValueId>& ids) {
      for (ValueId& v : ids) {
        if (v != kAbsent) v = now[static_cast<size_t>(v)];
      }
    };
    for (Node& n : g.nodes) {
      rename(n.in);
      if (!is_call(n)) {
        nodes.push_back(std::move(n));
        continue;
      }
      const Graph& body = *bodies(n)[0];
      std::vector<ValueId> here(body.values.size(), kAbsent);
      for (size_t i = 0; i < n.in.size(); ++i) here[static_cast<size_t>(body.inputs[i])] = n.in[i];
      for (size_t i = 0; i < here.size(); ++i) {
        const Value& x = body.values[i];
        if (x.kind == Value::Kind::Constant) here[i] = g.add_constant(x.constant);
        else if (x.kind == Value::Kind::Variable) here[i] = g.add_variable(x.variable.get());
        else if (x.kind == Value::Kind::Result) here[i] = g.add_result(x.spec);
      }
      for (Node copy : body.nodes) {
        for (ValueId& v : copy.in) v = v == kAbsent ? kAbsent : here[static_cast<size_t>(v)];
        for (ValueId& v : copy.out) v = here[static_cast<size_t>(v)];
        nodes.push_back(std::move(copy));
      }
      for (size_t i = 0; i < n.out.size(); ++i)
        now[static_cast<size_t>(n.out[i])] = here[static_cast<size_t>(body.outputs[i])];
    }
    rename(g.outputs);
    g.nodes = std::move(nodes);
    g.renumber();
  }
}

}  // namespace tahr::graph

namespace tahr {

void define_control_ops() {
  using namespace graph;
  define_op({.name = "cond",
             .inputs = "index, *operands",
             .doc = "The results of one of several traced graphs, chosen when it runs. What `tahr.cond` is in a trace.",
             .traits = kControl | kHidden,
             .attrs = attr_type<BodiesAttrs>(),
             .infer = infer_cond,
             .vjp = cond_vjp,
             .saves = kSaveAllInputs | save_out(0),
             .eager = run_cond,
             .outputs = -1});
  define_op({.name = "loop",
             .inputs = "count?, *operands",
             .doc = "Rounds of a traced graph that carry values on. What loops are in a trace.",
             .traits = kControl | kHidden,
             .attrs = attr_type<LoopAttrs>(),
             .infer = infer_loop,
             .vjp = loop_vjp,
             .saves = kSaveAllInputs | save_out(0),
             .eager = loop_eager,
             .outputs = -1});
  define_op({.name = "custom_call",
             .inputs = "*operands",
             .doc = "A traced graph with a derivative of its own. What `tahr.custom_gradient` is in a trace.",
             .traits = kControl | kHidden,
             .attrs = attr_type<BodiesAttrs>(),
             .infer = infer_call,
             .vjp = custom_call_vjp,
             .saves = kSaveAllInputs | save_out(0),
             .eager = run_call,
             .outputs = -1});
}

}  // namespace tahr
