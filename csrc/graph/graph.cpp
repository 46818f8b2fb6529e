#include "graph/graph.h"

#include <algorithm>

namespace tahr::graph {

ValueId Graph::add_result(const Spec& spec) {
  values.push_back({.kind = Value::Kind::Result, .spec = spec, .constant = {}, .variable = {}});
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_input(const Spec& spec) {
  const ValueId v = add_result(spec);
  value(v).kind = Value::Kind::Input;
  inputs.push_back(v);
  return v;
}

ValueId Graph::add_constant(const Tensor& t) {
  const ValueId v = add_result(t.spec());
  value(v).kind = Value::Kind::Constant;
  value(v).constant = t;
  return v;
}

ValueId Graph::add_variable(VariableImpl* variable) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].variable.get() == variable) return static_cast<ValueId>(i);
  }
  const ValueId v = add_result(variable->value().spec());
  value(v).kind = Value::Kind::Variable;
  value(v).variable = Ref<VariableImpl>(variable);
  return v;
}

Node& Graph::add_node(const OpDef& op, std::shared_ptr<const void> attrs, std::vector<ValueId> in, const Specs& out) {
  Node n{&op, std::move(attrs), std::move(in), {}};
  for (const Spec& s : out) {
    n.out.push_back(add_result(s));
    values.back().node = static_cast<int32_t>(nodes.size());
  }
  nodes.push_back(std::move(n));
  return nodes.back();
}

const Node* Graph::producer(ValueId v) const {
  const Value& x = value(v);
  return x.kind == Value::Kind::Result ? &nodes[static_cast<size_t>(x.node)] : nullptr;
}

void Graph::renumber() {
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (ValueId v : nodes[i].out) value(v).node = static_cast<int32_t>(i);
  }
}

std::vector<std::vector<int32_t>> Graph::uses() const {
  std::vector<std::vector<int32_t>> u(values.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (ValueId v : nodes[i].in) {
      if (v == kAbsent) continue;
      auto& list = u[static_cast<size_t>(v)];
      if (list.empty() || list.back() != static_cast<int32_t>(i)) list.push_back(static_cast<int32_t>(i));
    }
  }
  return u;
}

void Graph::replace(ValueId from, ValueId to) {
  for (Node& n : nodes) std::replace(n.in.begin(), n.in.end(), from, to);
  std::replace(outputs.begin(), outputs.end(), from, to);
}

namespace {

std::string value_str(const Graph& g, ValueId v) {
  if (v == kAbsent) return "-";
  const Value& x = g.value(v);
  if (x.kind == Value::Kind::Variable) return "@" + x.variable->name + "#" + std::to_string(v);
  return "%" + std::to_string(v);
}

std::string list_str(const Graph& g, const std::vector<ValueId>& ids) {
  std::string s;
  for (ValueId v : ids) s += (s.empty() ? "" : ", ") + value_str(g, v);
  return s;
}

std::string indented(const std::string& lines) {
  std::string s;
  for (size_t at = 0, end; at < lines.size(); at = end + 1) {
    end = lines.find('\n', at);
    s += "    " + lines.substr(at, end - at) + "\n";
  }
  return s;
}

std::string spec_str(const Spec& s) { return std::string(name_of(s.dtype)) + s.shape.str(); }

}  // namespace

std::string Graph::str(const std::function<std::string(size_t)>& note) const {
  std::string s = "inputs:";
  for (ValueId v : inputs) s += " " + value_str(*this, v) + ": " + spec_str(value(v).spec);
  s += "\n";
  for (size_t i = 0; i < values.size(); ++i) {
    const Value& x = values[i];
    const auto v = static_cast<ValueId>(i);
    if (x.kind == Value::Kind::Constant) {
      s += "constant " + value_str(*this, v) + ": " + spec_str(x.spec);
      if (x.spec.shape.size() == 1) s += concat(" = ", x.constant.item());
      s += "\n";
    } else if (x.kind == Value::Kind::Variable) {
      s += "variable " + value_str(*this, v) + ": " + spec_str(x.spec) + "\n";
    }
  }
  for (size_t at = 0; at < nodes.size(); ++at) {
    const Node& n = nodes[at];
    if (!n.out.empty()) s += list_str(*this, n.out) + " = ";
    s += n.op->name + "(" + list_str(*this, n.in);
    if (n.attrs) {
      const std::string a = attrs_str(*n.op->attrs, n.attrs.get());
      if (!a.empty()) s += (n.in.empty() ? "" : ", ") + a;
    }
    s += ")";
    for (size_t i = 0; i < n.out.size(); ++i) s += (i ? ", " : " : ") + spec_str(value(n.out[i]).spec);
    const std::string noted = note ? note(at) : std::string();
    if (!noted.empty()) s += "  # " + noted;
    s += "\n";
    for (const Graph* body : bodies(n)) s += indented(body->str());
  }
  return s + "outputs: " + list_str(*this, outputs) + "\n";
}

Effects effects(const Graph& g, const Node& n) {
  Effects e;
  const auto add = [](std::vector<VariableImpl*>& to, VariableImpl* v) {
    if (std::find(to.begin(), to.end(), v) == to.end()) to.push_back(v);
  };
  for (const Graph* body : bodies(n)) {
    for (const Node& inner : body->nodes) {
      const Effects deeper = effects(*body, inner);
      for (VariableImpl* v : deeper.reads) add(e.reads, v);
      for (VariableImpl* v : deeper.writes) add(e.writes, v);
    }
  }
  if (!(n.op->traits & kStateful)) return e;
  static const OpDef& read = get_op("read_variable");
  for (ValueId v : n.in) {
    if (v == kAbsent || g.value(v).kind != Value::Kind::Variable) continue;
    VariableImpl* variable = g.value(v).variable.get();
    add(e.reads, variable);
    // The scalars of an update (rate, iterations) are only read; which inputs those are, its last ones, is not worth
    // knowing here: to count them as written costs a copy of a scalar at most.
    if (n.op != &read) add(e.writes, variable);
  }
  return e;
}

bool has_effect(const Graph& g, const Node& n) { return !effects(g, n).writes.empty(); }

}  // namespace tahr::graph
