// Attributes of the pooling ops.
#pragma once

#include "ops/op.h"

namespace tahr {

struct PoolAttrs {
  Ints pool_size;
  std::optional<Ints> strides;
  std::string padding = "valid";
  std::optional<std::string> data_format;
  TAHR_ATTRS(PoolAttrs, TAHR_REQUIRED(pool_size), TAHR_FIELD(strides), TAHR_FIELD(padding), TAHR_FIELD(data_format))
};
struct AdaptivePoolAttrs {
  Ints output_size;
  std::optional<std::string> data_format;
  TAHR_ATTRS(AdaptivePoolAttrs, TAHR_REQUIRED(output_size), TAHR_FIELD(data_format))
};

// One value per spatial axis. Windows of `window` places, `strides` apart, the first beginning `low` before the axis;
// or if `adaptive`, `window` windows of nearly equal size that cover the axis. `size`: the sizes of x, for the ops that
// compute something of its shape without having it.
struct PoolCoreAttrs {
  Ints window, strides, low, high, size;
  bool adaptive = false;
  TAHR_ATTRS(PoolCoreAttrs, TAHR_REQUIRED(window), TAHR_REQUIRED(strides), TAHR_REQUIRED(low), TAHR_REQUIRED(high),
             TAHR_FIELD(size), TAHR_FIELD(adaptive))
};

}  // namespace tahr
