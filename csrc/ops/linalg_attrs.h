// Attributes of the linear-algebra ops.
#pragma once

#include "ops/op.h"

namespace tahr {

struct MatmulAttrs {
  bool transpose_a = false, transpose_b = false;
  TAHR_ATTRS(MatmulAttrs, TAHR_FIELD(transpose_a), TAHR_FIELD(transpose_b))
};
struct LinearAttrs {
  bool transpose_a = false, transpose_b = false;
  std::string activation;
  TAHR_ATTRS(LinearAttrs, TAHR_FIELD(transpose_a), TAHR_FIELD(transpose_b), TAHR_FIELD(activation))
};
struct LinearGradAttrs {
  bool transpose_a = false, transpose_b = false;
  double low = 0.0, high = 0.0, scale = 1.0;  // of range_grad
  TAHR_ATTRS(LinearGradAttrs, TAHR_FIELD(transpose_a), TAHR_FIELD(transpose_b), TAHR_REQUIRED(low), TAHR_REQUIRED(high),
             TAHR_FIELD(scale))
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

// The spec of op(x1) @ op(x2), with the checks of matmul.
Spec infer_product(const Spec& x1, const Spec& x2, bool transpose_a, bool transpose_b, const char* op);

// The value of LinearAttrs::activation that stands for an application of `op`; empty if there is none.
std::string linear_activation(const OpDef& op, const void* attrs);

bool is_linear_activation(std::string_view name);
Tensor linear_activate(const Tensor& x, const std::string& name);  // the op that the name stands for

void define_linear_ops();  // linalg_linear.cpp
void define_einsum_op();   // linalg_einsum.cpp
void define_norm_op();     // linalg_norm.cpp

}  // namespace tahr
