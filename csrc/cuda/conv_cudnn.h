// Convolutions by cuDNN. Its filters lie as (filters, window..., channels), and it pads both ends of an axis alike:
// callers see to both (conv.cu).
#pragma once

#include <memory>

#include "cuda/conv.h"

namespace tahr::cuda {

enum class ConvKind : uint8_t { Forward, Dx, Dw };

// The descriptors and the algorithm of one problem; made once, then kept.
class ConvPlan;

// Null where cuDNN is missing or has no deterministic algorithm for the problem. Axes are padded alike at both
// ends.
std::shared_ptr<const ConvPlan> conv_plan(ConvKind kind, DType dtype, const ConvShape& s);

// Forward: y from x and w; Dx: x from w and y; Dw: w from x and y. False if cuDNN refuses after all.
bool run_conv_plan(const ConvPlan& plan, void* x, void* w, void* y);

}  // namespace tahr::cuda
