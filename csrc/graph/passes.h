// Rewriting a graph before it runs. Every pass keeps what the graph computes: the same bits, unless its comment says
// how results may differ.
#pragma once

#include "graph/graph.h"

namespace tahr::graph {

void optimize(Graph& g);  // all passes, in order; control-flow bodies are optimised when they are compiled
void run_pass(Graph& g, std::string_view name);  // one of those below

// Each returns whether it changed something, and leaves no dead nodes.
bool merge_common(Graph& g);     // equal op, attributes, inputs: one node; reads of what was just stored
bool simplify(Graph& g);         // x * 1, casts and reshapes that change nothing, transpose of transpose, ...
bool fold_constants(Graph& g);   // nodes all of whose inputs are constants
bool fold_transposes(Graph& g);  // transpose -> matmul becomes matmul with the flag
bool fuse_matmul(Graph& g);      // matmul + bias + activation; gradient product + step of plain gradient descent

void fuse_elementwise(Graph& g);  // chains of elementwise nodes
void remove_dead_code(Graph& g);  // nodes without effect whose results nobody reads; unused values

}  // namespace tahr::graph
