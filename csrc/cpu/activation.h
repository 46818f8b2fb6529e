// Activations as the last step of a product or a convolution (LinearAttrs::activation, ConvLinearAttrs::activation).
#pragma once

#include <string>

#include "core/dtype.h"
#include "cpu/elementwise_table.h"

namespace tahr {

struct Activation {
  bool relu = false;     // else the function that `map` computes, if it is not null
  EwLoop map = nullptr;  // in float if the dtype is a half
  const double* params = nullptr;
  double ns = 0;  // per element, roughly
};
Activation activation_of(const std::string& name, DType dtype);  // the empty name: none

}  // namespace tahr
