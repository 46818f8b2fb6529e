// Attributes of the image ops.
#pragma once

#include "ops/op.h"

namespace tahr {

// `size`: height and width of the result. `method`: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
// `antialias` widens the filter where the image shrinks.
struct ResizeCoreAttrs {
  Ints size;
  std::string method = "bilinear";
  bool antialias = false;
  bool channels_first = false;
  TAHR_ATTRS(ResizeCoreAttrs, TAHR_REQUIRED(size), TAHR_FIELD(method), TAHR_FIELD(antialias),
             TAHR_FIELD(channels_first))
};

// `order`: 0 the nearest element, 1 linear between neighbours. `fill_mode` says what lies outside: "constant"
// (`fill_value`), "nearest", "wrap", "mirror" or "reflect". Bit j of `slope`: the derivative by coordinate j in place
// of the value. `size`: the sizes of x between batch and channels, for sample_grad.
struct ResampleAttrs {
  int64_t order = 1;
  std::string fill_mode = "constant";
  double fill_value = 0;
  int64_t slope = 0;
  Ints size;
  TAHR_ATTRS(ResampleAttrs, TAHR_FIELD(order), TAHR_FIELD(fill_mode), TAHR_FIELD(fill_value), TAHR_FIELD(slope),
             TAHR_FIELD(size))
};

}  // namespace tahr
