// Attributes of the normalisation ops that their kernels share.
#pragma once

#include "ops/attrs.h"

namespace tahr {

// What shares a mean and a variance:
//   rows > 0                   each row: the last `rows` axes
//   rows = 0, groups = 0       each channel (element of the last axis), over all other axes
//   rows = 0, groups > 0       each group of channels of each example, over the axes between
struct StandardizeAttrs {
  int64_t rows = 0, groups = 0;
  double epsilon = 1e-7;
  bool centre = true;                    // false: the mean counts as 0
  bool dscale = false, doffset = false;  // of the gradient: whether these are wanted
  TAHR_ATTRS(StandardizeAttrs, TAHR_FIELD(rows), TAHR_FIELD(groups), TAHR_FIELD(epsilon), TAHR_FIELD(centre),
             TAHR_FIELD(dscale), TAHR_FIELD(doffset))
};

}  // namespace tahr
