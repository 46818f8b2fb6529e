// Control flow in graphs: `cond`, `loop` and `custom_call`, ops that run traced graphs, their bodies.
//
// A body takes the node's operands as inputs and nothing else from around it, but variables that a body of the node
// writes: those it reads and writes itself, in the order of its nodes. Other variables are read before the node.
//
// Gradients: a node is asked for more results, the residuals that its bodies' backward functions read
// (`Tracer::widen`), and another node of the same kind runs the backward functions. Both are ops like any other, so
// gradients of gradients follow. All this happens while tracing: outside of traces control flow is Python's own.
#pragma once

#include <mutex>

#include "graph/function.h"
#include "graph/trace.h"

namespace tahr::graph {

// Where a body's backward function finds a residual: among the node's operands, or its results.
struct Residual {
  bool operand;
  size_t index;
};

struct Widened {
  GraphBodies bodies;  // they give the residuals too, after what they gave before; null: they give all as they are
  std::vector<std::vector<Residual>> residuals;  // per body
};

struct Bodies {
  std::vector<std::shared_ptr<GraphFunction>> list;
  explicit Bodies(std::vector<std::shared_ptr<GraphFunction>> l) : list(std::move(l)) {}

  // Made on first use, by `make`; always the same from then on.
  template <class F>
  const Widened& widened(F&& make) const {
    const std::lock_guard lock(mutex_);
    if (!widened_) widened_ = std::make_shared<const Widened>(make());
    return *widened_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Widened> widened_;
};

// cond(index, operands): the results of the body numbered `index`: clamped if an integer; if a bool, 0 for true and 1
// for false. custom_call(operands): those of the only body, whose derivative is its own.
struct BodiesAttrs {
  GraphBodies bodies;
  TAHR_ATTRS(BodiesAttrs, TAHR_REQUIRED(bodies))
};

// loop(count?, operands): the operands are the first values of the carries, then the slices, arrays of one row per
// round, then what every round reads. Body: carries, rows, others -> carries, results. The node gives the last carries,
// the number of rounds (int32), and the results stacked; behind the last round they are zero, if the slices are longer.
struct LoopAttrs {
  GraphBodies bodies;  // the body, and what tells from the same inputs whether to run it again, if conditional
  int64_t carries = 0, slices = 0;
  int64_t length = kUnknown;  // rounds, if known when tracing; else `count`, the length of the slices, or the condition
  int64_t maximum = kUnknown;  // of the rounds of a conditional loop; kUnknown: none
  bool reverse = false;        // from the last row to the first
  bool conditional = false;
  TAHR_ATTRS(LoopAttrs, TAHR_REQUIRED(bodies), TAHR_FIELD(carries), TAHR_FIELD(slices), TAHR_FIELD(length),
             TAHR_FIELD(maximum), TAHR_FIELD(reverse), TAHR_FIELD(conditional))
};

// A body being traced: its explicit inputs, then its captures.
struct TracedBody {
  Graph graph;
  Tensors captures;  // what the inputs after the explicit ones stand for, in the trace around
};
TracedBody finish_body(Tracer& tracer, std::span<const Tensor> outputs);

// These add the node to the current trace and return its results. `operands` are those of the explicit inputs.
Tensors trace_cond(const Tensor& index, std::vector<TracedBody> bodies, Tensors operands);

struct LoopParts {
  TracedBody body;
  std::optional<TracedBody> condition;
  Tensor count;  // may be undefined
  Tensors operands;
  size_t carries = 0, slices = 0, fixed = 0;  // of the operands, in this order; fixed: the same in every round
  int64_t length = kUnknown, maximum = kUnknown;
  bool reverse = false;
};
Tensors trace_loop(LoopParts parts);

// `whole`: outputs, then the cotangents of the connected inputs, from node `boundary` on computed from those of the
// outputs; the latter are its last explicit inputs, `cotangents` of them.
Tensors trace_custom_call(TracedBody whole, size_t boundary, size_t outputs, size_t cotangents,
                          std::vector<char> connected, Tensors operands);

// Called some ten times a second while a loop runs; may throw, which ends the loop. For Ctrl-C.
void set_interrupt_check(void (*check)());

Tensors run_loop(std::span<const Tensor> in, const LoopAttrs& attrs);

// A constant of zeros: large ones take no memory until they are read.
Tensor zero_constant(const Spec& spec);

void inline_calls(Graph& g);  // custom_call nodes become the nodes of their bodies

}  // namespace tahr::graph
