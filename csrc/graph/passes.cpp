#include "graph/passes.h"

#include <algorithm>

namespace tahr::graph {

namespace {

// Renumbers the values so that only inputs, and what nodes and outputs name, remain.
void drop_unnamed_values(Graph& g) {
  std::vector<ValueId> to(g.values.size(), kAbsent);
  const auto keep = [&](const std::vector<ValueId>& ids) {
    for (ValueId v : ids) {
      if (v != kAbsent) to[static_cast<size_t>(v)] = 0;
    }
  };
  keep(g.inputs);
  keep(g.outputs);
  for (const Node& n : g.nodes) {
    keep(n.in);
    keep(n.out);
  }
  size_t count = 0;
  for (size_t i = 0; i < g.values.size(); ++i) {
    if (to[i] == kAbsent) continue;
    to[i] = static_cast<ValueId>(count);
    if (count != i) g.values[count] = std::move(g.values[i]);
    ++count;
  }
  g.values.resize(count);
  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& v : ids) {
      if (v != kAbsent) v = to[static_cast<size_t>(v)];
    }
  };
  rename(g.inputs);
  rename(g.outputs);
  for (Node& n : g.nodes) {
    rename(n.in);
    rename(n.out);
  }
  g.renumber();
}

}  // namespace

void remove_dead_code(Graph& g) {
  std::vector<char> read(g.values.size());
  const auto mark = [&](ValueId v) {
    if (v != kAbsent) read[static_cast<size_t>(v)] = 1;
  };
  for (ValueId v : g.outputs) mark(v);
  std::vector<char> live(g.nodes.size());
  for (size_t i = g.nodes.size(); i-- > 0;) {
    const Node& n = g.nodes[i];
    live[i] = has_effect(g, n) ||
              std::any_of(n.out.begin(), n.out.end(), [&](ValueId v) { return read[static_cast<size_t>(v)]; });
    if (live[i]) std::for_each(n.in.begin(), n.in.end(), mark);
  }
  size_t to = 0;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (!live[i]) continue;
    if (to != i) g.nodes[to] = std::move(g.nodes[i]);
    ++to;
  }
  g.nodes.resize(to);
  drop_unnamed_values(g);
}

void run_pass(Graph& g, std::string_view name) {
  if (name == "merge_common") merge_common(g);
  else if (name == "simplify") simplify(g);
  else if (name == "fold_constants") fold_constants(g);
  else if (name == "fold_transposes") fold_transposes(g);
  else if (name == "fuse_matmul") fuse_matmul(g);
  else if (name == "fuse_elementwise") fuse_elementwise(g);
  else if (name == "remove_dead_code") remove_dead_code(g);
  else throw_value("[function] expected the name of a pass in csrc/graph/passes.h, received '", name, "'.");
}

void optimize(Graph& g) {
  constexpr int kRounds = 4;
  remove_dead_code(g);
  for (int round = 0; round < kRounds; ++round) {
    const bool merged = merge_common(g), simpler = simplify(g), folded = fold_constants(g);
    if (!merged && !simpler && !folded) break;
  }
  fold_transposes(g);
  fuse_matmul(g);
  fuse_elementwise(g);
}

}  // namespace tahr::graph
