// Attributes of the elementwise family, shared by its ops and kernels.
#pragma once

#include "ops/attrs.h"

namespace tahr {

struct CastAttrs {
  DType dtype = DType::Float32;
  TAHR_ATTRS(CastAttrs, TAHR_REQUIRED(dtype))
};
struct RoundAttrs {
  int64_t decimals = 0;
  TAHR_ATTRS(RoundAttrs, TAHR_FIELD(decimals))
};
struct NanToNumAttrs {
  double nan = 0.0;
  std::optional<double> posinf, neginf;  // none: the largest and the lowest finite value
  TAHR_ATTRS(NanToNumAttrs, TAHR_FIELD(nan), TAHR_FIELD(posinf), TAHR_FIELD(neginf))
};
struct IsCloseAttrs {
  double rtol = 1e-5, atol = 1e-8;
  bool equal_nan = false;
  TAHR_ATTRS(IsCloseAttrs, TAHR_FIELD(rtol), TAHR_FIELD(atol), TAHR_FIELD(equal_nan))
};
struct LeakyReluAttrs {
  double negative_slope = 0.2;
  TAHR_ATTRS(LeakyReluAttrs, TAHR_FIELD(negative_slope))
};
struct AlphaAttrs {
  double alpha = 1.0;
  TAHR_ATTRS(AlphaAttrs, TAHR_FIELD(alpha))
};
struct GeluAttrs {
  bool approximate = true;
  TAHR_ATTRS(GeluAttrs, TAHR_FIELD(approximate))
};
struct ShrinkAttrs {
  double threshold = 0.5;
  TAHR_ATTRS(ShrinkAttrs, TAHR_FIELD(threshold))
};
struct ThresholdAttrs {
  double threshold = 0.0, default_value = 0.0;
  TAHR_ATTRS(ThresholdAttrs, TAHR_REQUIRED(threshold), TAHR_REQUIRED(default_value))
};
struct SquareplusAttrs {
  double b = 4.0;
  TAHR_ATTRS(SquareplusAttrs, TAHR_FIELD(b))
};
struct GluAttrs {
  int64_t axis = -1;
  TAHR_ATTRS(GluAttrs, TAHR_FIELD(axis))
};
// dy * scale where low < x < high, else 0.
struct RangeGradAttrs {
  double low = 0.0, high = 0.0, scale = 1.0;
  TAHR_ATTRS(RangeGradAttrs, TAHR_REQUIRED(low), TAHR_REQUIRED(high), TAHR_FIELD(scale))
};
// dy * slope where x > 0, else dy * factor * exp(rate * x).
struct EluGradAttrs {
  double factor = 1.0, rate = 1.0, slope = 1.0;
  TAHR_ATTRS(EluGradAttrs, TAHR_FIELD(factor), TAHR_FIELD(rate), TAHR_FIELD(slope))
};

}  // namespace tahr
