#include <algorithm>

#include "autodiff/tape.h"
#include "graph/control.h"
#include "graph/passes.h"
#include "runtime/file.h"

namespace tahr::runtime {
namespace {

void check_free_of_state(const graph::Graph& g) {
  for (const graph::Node& n : g.nodes) {
    if (n.op->name == "host_call")
      throw_value("[export] '", attrs_str(*n.op->attrs, n.attrs.get()),
                  "' is computed by Python: a graph that runs without it cannot have it.");
    if (!allowed(*n.op))
      throw_value("[export] expected a graph that changes no variable and draws no numbers, received one with '",
                  n.op->name, "'. Export inference: layers called with training=False.");
    for (const graph::Graph* body : bodies(n)) {
      for (const graph::Node& inside : body->nodes) {
        for (graph::ValueId v : inside.in) {
          if (v != graph::kAbsent && body->value(v).kind == graph::Value::Kind::Variable)
            throw_value("[export] expected loops and branches that change no variable, received one that uses '",
                        body->value(v).variable->name, "'.");
        }
      }
      check_free_of_state(*body);
    }
  }
}

}  // namespace

bool allowed(const OpDef& op) {
  static constexpr std::string_view kInternal[] = {
      "where_select",  "lgamma",       "digamma",       "trigamma",       "i1",           "reduce_prod",
      "cumsum_along",  "linear",       "cumprod_along", "conv_forward",   "shift",        "linear_recurrence",
      "strided_slice", "pad_constant", "gather_axis",   "gather_nd",      "histogram",    "strided_slice_update",
      "resize_core",   "sample",       "conv_dx",       "pool_max",       "pool_average", "normalize_by_moments",
      "standardize",   "attention",    "simple_rnn",    "affine_columns", "lstm",         "gru",
      "cond",          "loop",         "custom_call",   "sum_magnitudes", "sum_squares",  "root_sum_squares"};
  if (op.traits & (kStateful | kRandom)) return false;
  if (op.traits & kHidden) return std::find(std::begin(kInternal), std::end(kInternal), op.name) != std::end(kInternal);
  return op.infer != nullptr || op.eager != nullptr || op.decompose != nullptr;
}

graph::Graph freeze(const graph::Graph& traced) {
  const graph::PauseTracing now;
  const PauseRecording quiet;
  static const OpDef& read = get_op("read_variable");
  graph::Graph g = traced;
  graph::inline_calls(g);
  std::vector<graph::Node> kept;
  for (graph::Node& n : g.nodes) {
    if (n.op != &read) {
      kept.push_back(std::move(n));
      continue;
    }
    graph::Value& v = g.value(n.out[0]);
    v.kind = graph::Value::Kind::Constant;
    v.constant = g.value(n.in[0]).variable->snapshot();
    v.node = -1;
  }
  g.nodes = std::move(kept);
  g.renumber();
  graph::remove_dead_code(g);
  check_free_of_state(g);
  graph::merge_common(g);
  graph::fold_constants(g);
  graph::remove_dead_code(g);
  return g;
}

}  // namespace tahr::runtime
