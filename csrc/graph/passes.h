// Rewriting a graph before it runs. Every pass keeps what the graph computes: the same bits, unless its comment says how
// results may differ.
#pragma once

#include "graph/graph.h"

namespace tahr::graph {

void optimize(Graph& g);  // all passes, in order; control-flow bodies are optimised when they are compiled

void remove_dead_code(Graph& g);       // nodes without effect whose results nobody reads; unused constants
void merge_common(Graph& g);           // equal op, attributes, inputs: one node
void fold_constants(Graph& g);         // nodes all of whose inputs are constants
void simplify(Graph& g);               // x * 1, x + 0, casts and reshapes that change nothing, transpose of transpose
void fold_transposes(Graph& g);        // transpose -> matmul becomes matmul with the flag
void fuse_matmul(Graph& g);            // matmul + bias + activation; gradient product + sgd update
void fuse_elementwise(Graph& g);       // chains of elementwise nodes

}  // namespace tahr::graph
