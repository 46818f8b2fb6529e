// A graph: op applications in execution order, over numbered values. It is what tracing records, passes rewrite and the
// executor runs.
//
// The order of the nodes is the order of their effects: nodes that read or write variables keep it among themselves.
// State ops in a graph are `read_variable`, `store` and the optimizer updates; they name their variables by values of
// kind Variable, which stand for the cell, not for what it holds.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/variable.h"
#include "ops/op.h"

namespace tahr::graph {

using ValueId = int32_t;
inline constexpr ValueId kAbsent = -1;  // an optional input that is not given

struct Value {
  enum class Kind : uint8_t { Input, Constant, Variable, Result };
  Kind kind = Kind::Result;
  Spec spec;
  int32_t node = -1;           // Result: the index of the node that gives it; kept by Graph::renumber
  Tensor constant;             // Constant
  Ref<VariableImpl> variable;  // Variable
};

struct Node {
  const OpDef* op = nullptr;
  std::shared_ptr<const void> attrs;  // null for an op without attributes
  std::vector<ValueId> in, out;
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs, outputs;

  ValueId add_input(const Spec& spec);
  ValueId add_constant(const Tensor& t);
  ValueId add_variable(VariableImpl* v);  // the same value if it is there already
  // Appends a node; its results get the given specs.
  Node& add_node(const OpDef& op, std::shared_ptr<const void> attrs, std::vector<ValueId> in, const Specs& out);
  ValueId add_result(const Spec& spec);

  // Throws std::out_of_range for kAbsent.
  const Value& value(ValueId v) const { return values.at(static_cast<size_t>(v)); }
  Value& value(ValueId v) { return values.at(static_cast<size_t>(v)); }
  const Node* producer(ValueId v) const;  // null unless a Result

  // Sets Value::node from the nodes, after nodes were inserted, removed or moved.
  void renumber();
  // For each value, the indices of the nodes that read it (once per node), in order; graph outputs are not counted.
  std::vector<std::vector<int32_t>> uses() const;
  // Replaces a value wherever it is read, graph outputs included.
  void replace(ValueId from, ValueId to);

  // One line per value and node: shapes, dtypes, attributes, and what `note` has to say of a node. The bodies of
  // control flow follow their node, indented.
  std::string str(const std::function<std::string(size_t)>& note = {}) const;
};

// The graphs that a control-flow node runs: empty for any other node.
std::vector<const Graph*> bodies(const Node& n);

// What a node does to variables, its bodies included.
struct Effects {
  std::vector<VariableImpl*> reads, writes;
  bool any() const { return !reads.empty() || !writes.empty(); }
};
Effects effects(const Graph& g, const Node& n);

bool has_effect(const Graph& g, const Node& n);  // writes some variable: never removed

}  // namespace tahr::graph
