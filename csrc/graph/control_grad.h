// The gradients of the ops of control.h.
#pragma once

#include "ops/op.h"

namespace tahr::graph {

void cond_vjp(const VjpArgs& a, std::span<Tensor> dx);
void loop_vjp(const VjpArgs& a, std::span<Tensor> dx);
void custom_call_vjp(const VjpArgs& a, std::span<Tensor> dx);

}  // namespace tahr::graph
