// Attributes of the attention ops, and what a masked score is.
#pragma once

#include <limits>

#include "ops/attrs.h"

namespace tahr {

struct AttentionAttrs {
  double scale = 1;
  bool causal = false;  // query i sees keys 0 to i
  TAHR_ATTRS(AttentionAttrs, TAHR_FIELD(scale), TAHR_FIELD(causal))
};

// The score of a pair that is masked out. Finite, so that a query that sees no key at all spreads evenly over all.
template <class T>
inline constexpr T kMaskedScore = static_cast<T>(-0.7) * std::numeric_limits<T>::max();

}  // namespace tahr
