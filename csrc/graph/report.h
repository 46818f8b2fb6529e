// What a compiled graph looks like and what its parts cost: for people, and for the profiler.
#pragma once

#include "graph/executor.h"

namespace tahr::graph {

// What a node must do at least: the arithmetic of its matrix products, and the bytes that it reads and writes. 0 where
// shapes are unknown.
struct Cost {
  double flops = 0, bytes = 0;
};
Cost cost_of(const Graph& g, const Node& n);

struct ValueReport {
  std::string kind, dtype, name, placement;  // kind: input, constant, variable, result; name: of a variable
  Shape shape;
};
struct NodeReport {
  std::string op, attrs, step;  // step: kernel, copy, dynamic; empty for what takes no time
  std::vector<ValueId> in, out;
  Cost cost;
  uint64_t runs = 0;
  double seconds = 0, fastest = 0;  // of all runs, and of the shortest
};
struct GraphReport {
  std::vector<ValueReport> values;
  std::vector<NodeReport> nodes;
  std::vector<ValueId> inputs, outputs;
  PlanStats stats;
  std::string device, replay;  // replay: empty on the CPU
};
GraphReport report_of(const Executable& e);

// The compiled graph as text: nodes with shapes, and where each result lies.
std::string text_of(const Executable& e);

// ---- profiles: while at least one is on, graphs that are run are timed node by node ----

int start_profile();
std::vector<GraphReport> stop_profile(int id);  // one per graph that was run
bool profiling();
void add_to_profiles(const Executable& e);  // called by an executable after timed runs

// What this machine reaches with the current number of threads; measured at the first call.
struct Machine {
  double flops_per_second;  // a large float32 product
  struct Bandwidth {
    double bytes, bytes_per_second;  // of a loop that reads and writes this many bytes
  };
  std::vector<Bandwidth> bandwidths;  // ascending
};
const Machine& this_machine();

}  // namespace tahr::graph
