// Attributes of the linear-algebra ops.
#pragma once

#include "ops/op.h"

namespace tahr {

struct MatmulAttrs {
  bool transpose_a = false, transpose_b = false;
  TAHR_ATTRS(MatmulAttrs, TAHR_FIELD(transpose_a), TAHR_FIELD(transpose_b))
};
struct TensordotAttrs {
  IntPairs axes{2};  // a count, or x1's axes followed by as many of x2's
  TAHR_ATTRS(TensordotAttrs, TAHR_FIELD(axes))
};
struct VecdotAttrs {
  int64_t axis = -1;
  TAHR_ATTRS(VecdotAttrs, TAHR_FIELD(axis))
};
struct CrossAttrs {
  int64_t axisa = -1, axisb = -1, axisc = -1;
  std::optional<int64_t> axis;
  TAHR_ATTRS(CrossAttrs, TAHR_FIELD(axisa), TAHR_FIELD(axisb), TAHR_FIELD(axisc), TAHR_FIELD(axis))
};
struct EinsumAttrs {
  std::string subscripts;
  TAHR_ATTRS(EinsumAttrs, TAHR_REQUIRED(subscripts))
};
struct NormAttrs {
  NumberOrName ord;
  Axes axis;
  bool keepdims = false;
  TAHR_ATTRS(NormAttrs, TAHR_FIELD(ord), TAHR_FIELD(axis), TAHR_FIELD(keepdims))
};

void define_einsum_op();  // linalg_einsum.cpp
void define_norm_op();    // linalg_norm.cpp

}  // namespace tahr
