// Attributes that the loss ops share with their kernels.
#pragma once

#include "ops/functions.h"

namespace tahr {

struct SpreadLabelsAttrs {
  int64_t classes = 0;
  TAHR_ATTRS(SpreadLabelsAttrs, TAHR_REQUIRED(classes))
};

}  // namespace tahr
