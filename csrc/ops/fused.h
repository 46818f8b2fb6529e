// A fused program: a chain of elementwise ops that one kernel runs tile by tile, without a pass over memory for each.
// The op `fused` holds it as text, which is also how a graph prints it:
//
//   t0 = greater(x1, x2); t1 = cast(t0, dtype='float32'); t2 = multiply(x0, t1); return t2, t0
//
// x0, x1, ... are the inputs, t0, t1, ... the results. An instruction is any op that `can_fuse`, on inputs of the
// dtypes that it takes (nothing is promoted); its results have the same bits as those of the op alone.
//
// Shapes: all broadcast together. What the program returns has either the shape of the whole (the broadcast of all
// results) or a single element.
#pragma once

#include <memory>
#include <string>

#include "ops/op.h"

namespace tahr {

inline constexpr int kFusedMaxInputs = 32;

struct FusedAttrs {
  std::string program;
  TAHR_ATTRS(FusedAttrs, TAHR_REQUIRED(program))
};

// Values are numbered: first the inputs, then the results in order.
struct FusedInstruction {
  const OpDef* op;
  std::shared_ptr<const void> attrs;  // null for an op without
  std::vector<int> operands;          // values
};
struct FusedProgram {
  int inputs = 0;
  std::vector<FusedInstruction> code;
  std::vector<int> outputs;  // values: results, each at most once
};

bool can_fuse(const OpDef& op);  // elementwise, with attributes that can be written down
std::string fused_text(const FusedProgram& program);
FusedProgram parse_fused(std::string_view text, int inputs);  // throws what is wrong
// Of all values, inputs first. Throws if an instruction does not take what it is given.
Specs fused_specs(const FusedProgram& program, std::span<const Spec> in);
// The shape of the whole: the broadcast of all results.
Shape fused_shape(const FusedProgram& program, std::span<const Spec> values);

}  // namespace tahr
