// Tracing: while a Tracer is the current one of its thread, ops on its symbolic tensors, and ops on variables, are
// appended to its graph instead of run. Ops on plain tensors still run, and what they give enters as constants.
//
// Traces nest: the body of a loop or a branch is traced by a Tracer of its own. A symbolic tensor of the trace around
// that a body uses becomes an input of the body, a capture.
#pragma once

#include <unordered_map>

#include "graph/graph.h"

namespace tahr::graph {

class Tracer : public Tracing {
 public:
  Tracer();
  ~Tracer() override;

  Tensor input(const Spec& spec);                 // a new graph input, as the symbolic tensor that stands for it
  Graph finish(std::span<const Tensor> outputs);  // outputs may be inputs, constants, captures
  struct Capture {
    Tensor outer;   // in the trace around
    ValueId inner;  // an input of this graph
  };
  const std::vector<Capture>& captures() const { return captures_; }
  const Graph& graph() const { return graph_; }

  // Of this trace, or of one around it.
  bool knows(const Tensor& symbolic) const;

  bool wants(const OpDef& op, std::span<const Tensor> in) const override;
  // The results of the node that gave `result`, in this trace or one around it, as new symbolic tensors. Where it has
  // fewer than `specs`, it gets these attributes, with which it gives more.
  Tensors widen(const Tensor& result, std::shared_ptr<const void> attrs, const Specs& specs);
  void append(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out) override;

 private:
  ValueId value_of(const Tensor& t);

  Graph graph_;
  std::unordered_map<uint64_t, ValueId> ids_;  // by Tensor::id
  std::vector<Tensor> alive_;                  // so that constants and captured tensors outlive the trace
  std::vector<Capture> captures_;
  Tracer* outer_ = nullptr;
};

// Makes `t` the current tracer of this thread until the guard goes.
class TraceScope {
 public:
  explicit TraceScope(Tracer& t);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  Tracing* before_;
};

Tracer* current_tracer();  // null: not tracing

// While alive, this thread does not trace: for what must happen now, as setting up a new variable.
class PauseTracing {
 public:
  PauseTracing();
  ~PauseTracing();
  PauseTracing(const PauseTracing&) = delete;
  PauseTracing& operator=(const PauseTracing&) = delete;

 private:
  Tracing* before_;
};

// Applies the graph's nodes to other inputs, through the op table's door: runs them, or adds them to the current trace,
// and lets tapes record them.
Tensors replay(const Graph& g, std::span<const Tensor> inputs);

}  // namespace tahr::graph
