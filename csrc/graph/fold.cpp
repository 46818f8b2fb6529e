// Constant folding: nodes all of whose inputs are constants run once, now.
#include <algorithm>

#include "autodiff/tape.h"
#include "graph/passes.h"
#include "graph/trace.h"

namespace tahr::graph {
namespace {

constexpr size_t kLargestResult = 64 << 10;  // bytes; larger ones only if they take no more than the inputs

size_t bytes_of(const Spec& s) {
  return s.shape.fully_known() ? static_cast<size_t>(s.shape.size()) * size_of(s.dtype) : SIZE_MAX / 4;
}

bool can_fold(const Graph& g, const Node& n) {
  if ((n.op->traits & (kStateful | kRandom)) || n.out.empty() || n.in.empty() || !bodies(n).empty()) return false;
  size_t given = 0, made = 0;
  for (ValueId v : n.in) {
    if (v == kAbsent) continue;
    if (g.value(v).kind != Value::Kind::Constant) return false;
    given += bytes_of(g.value(v).spec);
  }
  for (ValueId v : n.out) made += bytes_of(g.value(v).spec);
  return made <= std::max(kLargestResult, given);
}

}  // namespace

bool fold_constants(Graph& g) {
  bool changed = false;
  for (const Node& n : g.nodes) {
    if (!can_fold(g, n)) continue;
    const PauseTracing now;
    const PauseRecording quiet;
    Tensors in;
    for (ValueId v : n.in) in.push_back(v == kAbsent ? Tensor() : g.value(v).constant);
    Tensors out;
    try {
      out = apply(*n.op, in, n.attrs.get());
    } catch (const Error&) {
      continue;  // it is for the run to say so
    }
    for (size_t i = 0; i < n.out.size(); ++i) {
      Value& x = g.value(n.out[i]);
      x.spec = out[i].spec();
      x.kind = Value::Kind::Constant;
      x.constant = out[i];
      x.node = -1;
    }
    changed = true;
  }
  if (changed) {
    const auto gone = [&](const Node& n) {
      return !n.out.empty() && std::all_of(n.out.begin(), n.out.end(),
                                           [&](ValueId v) { return g.value(v).kind == Value::Kind::Constant; });
    };
    g.nodes.erase(std::remove_if(g.nodes.begin(), g.nodes.end(), gone), g.nodes.end());
    remove_dead_code(g);
  }
  return changed;
}

}  // namespace tahr::graph
