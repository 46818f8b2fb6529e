// Graph files: an inference graph and its weights in one file, little-endian throughout.
//
//   bytes 0-7    "TAHRGRPH"
//   bytes 8-11   u32  version of the format, 1
//   bytes 12-15  u32  zero
//   bytes 16-23  u64  length of the header
//   bytes 24-31  u64  length of the file
//   the header, zeros up to a multiple of 64, then the data: each tensor's elements, row-major, at a multiple of 64.
//
// header   tensors: u32 count, each: spec, u64 offset from the start of the data
//          graph
//          u32 inputs, each a string, its name; u32 outputs likewise
// graph    u32 inputs, each a spec; u32 constants, each u32 index of its tensor;
//          u32 nodes, each a node; u32 outputs, each i32 value
// node     string op; u32 fields, each: string name, u8 kind (AttrKind), its value; u32 inputs, each i32 value, -1 for
//          one that is absent; u32 results
// spec     u8 dtype (DType), u8 rank, an i64 per dimension, -1 if it is unknown
// string   u32 length, bytes
//
// Values are numbered as they appear: inputs, constants, then results, node by node; a node reads earlier ones only.
// Fields left out have the op's default. Specs of results are not written: inference gives them.
#pragma once

#include <memory>

#include "graph/graph.h"

namespace tahr::runtime {

struct File {
  graph::Graph graph;  // no variables
  std::vector<std::string> inputs, outputs;
};

// Whether files may use an op: the public ones that change nothing, and of the internal ones those that inference
// traces contain and whose infer functions check all that their kernels rely on.
bool allowed(const OpDef& op);

// The graph with the present values of its variables as constants, simplified as far as any shape allows.
graph::Graph freeze(const graph::Graph& traced);

std::string to_bytes(const File& file);
// Tensors of the result lie in `bytes`, which must begin at a multiple of 64.
File from_bytes(const Ref<Storage>& bytes);

}  // namespace tahr::runtime
