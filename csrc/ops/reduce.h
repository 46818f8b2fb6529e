// Attributes of the reduction, scan and softmax ops: what their definitions and their kernels share.
#pragma once

#include "ops/functions.h"

namespace tahr {

struct ReduceAttrs {
  Axes axis;
  bool keepdims = false;
  TAHR_ATTRS(ReduceAttrs, TAHR_FIELD(axis), TAHR_FIELD(keepdims))
};

struct ExtremeAttrs {  // max, min
  Axes axis;
  bool keepdims = false;
  std::optional<double> initial;
  TAHR_ATTRS(ExtremeAttrs, TAHR_FIELD(axis), TAHR_FIELD(keepdims), TAHR_FIELD(initial))
};

struct ArgAttrs {  // argmax, argmin
  std::optional<int64_t> axis;
  bool keepdims = false;
  TAHR_ATTRS(ArgAttrs, TAHR_FIELD(axis), TAHR_FIELD(keepdims))
};

struct CountAttrs {
  Axes axis;
  TAHR_ATTRS(CountAttrs, TAHR_FIELD(axis))
};

struct ScanAttrs {
  int64_t axis = 0;
  bool reverse = false;
  TAHR_ATTRS(ScanAttrs, TAHR_FIELD(axis), TAHR_FIELD(reverse))
};

struct ShiftAttrs {
  int64_t axis = 0;
  bool reverse = false;
  double fill = 0;
  TAHR_ATTRS(ShiftAttrs, TAHR_FIELD(axis), TAHR_FIELD(reverse), TAHR_FIELD(fill))
};

struct SoftmaxAttrs {
  Axes axis{Ints{-1}};
  TAHR_ATTRS(SoftmaxAttrs, TAHR_FIELD(axis))
};

// The shape left when `axes` are reduced: dropped, or kept with size 1.
Shape reduced_shape(const Shape& shape, const Axes& axes, bool keepdims, const char* op);

// The dtype that sums and products of `d` have: bool and signed integers at least int32, unsigned at least uint32.
DType sum_dtype(DType d);

namespace ops {
// y (reduced over `axes` of a tensor of shape `full`) or its cotangent, spread over that shape again.
Tensor spread(const Tensor& y, const Shape& full, const Axes& axes);
// The same with size-1 axes in place of the reduced ones, ready to broadcast.
Tensor with_kept_axes(const Tensor& y, const Shape& full, const Axes& axes);
Tensor reduce(const char* op, const Tensor& x, const Axes& axes, bool keepdims);  // any op with ReduceAttrs
}  // namespace ops

void define_scan_ops();
void define_softmax_ops();
void define_statistics_ops();

}  // namespace tahr
