// The memory plan of a graph: where each value lies while the graph runs, decided once.
//
// - A view lies where its input lies.
// - Reading a variable is free where nothing writes the variable before the last use of what was read; else a copy.
// - What is stored into a variable is computed right there where the old contents are no longer needed; else copied.
// - An elementwise result overwrites an input of its size that nobody reads later.
// - All other results of known size share one arena: those that live at the same time get disjoint places, found
//   greedily from the largest to the smallest (Pisarchyk and Lee, arXiv:2001.03288).
// - Graph outputs get memory of their own in every run, since callers keep them. Results of unknown size are allocated
//   when they are computed.
#pragma once

#include "graph/executor.h"

namespace tahr::graph {

enum class Place : uint8_t { Input, Constant, Handle, Variable, Arena, Output, Dynamic };

// A group of values that share memory: a root and its views.
struct Buffer {
  Place place = Place::Arena;
  ValueId root = kAbsent;
  int32_t first = 0, last = 0;       // nodes at which it is made and last read
  bool escapes = false;              // a graph output
  VariableImpl* variable = nullptr;  // Place::Variable
  ValueId in_place_of = kAbsent;     // the root whose memory it took over
  size_t bytes = 0, offset = 0;      // Arena
};

enum class StepKind : uint8_t {
  Skip,     // a view, a free read, a store of what lies in the variable already
  Kernel,   // call the kernel on planned memory
  Copy,     // a read or a store that moves bytes
  View,     // a view of what is known only at run time
  Dynamic,  // allocate by inference at run time, or run an eager op
};

struct Plan {
  std::vector<ValueId> root;    // per value
  std::vector<Buffer> buffers;  // per value; meaningful at roots
  std::vector<StepKind> steps;  // per node
  std::vector<VariableImpl*> read, written;
  PlanStats stats;
};

Plan make_plan(const Graph& g);

}  // namespace tahr::graph
