// The activations that fused ops (products, convolutions) know by name, as elementwise computations. For all devices.
#pragma once

#include "ops/elementwise_codes.h"

namespace tahr {

struct ActivationEntry {
  const char* name;
  Ew op;
  double params[3];
};
// The defaults of the ops in csrc/ops/elementwise_attrs.h; selu's alpha and scale.
inline constexpr ActivationEntry kActivations[] = {
    {"relu6", Ew::Relu6, {}},
    {"leaky_relu", Ew::LeakyRelu, {0.2}},
    {"elu", Ew::Elu, {1.0}},
    {"selu", Ew::Selu, {1.6732632423543772848170429916717, 1.0507009873554804934193349852946}},
    {"sigmoid", Ew::Sigmoid, {}},
    {"tanh", Ew::Tanh, {}},
    {"softplus", Ew::Softplus, {}},
    {"softsign", Ew::Softsign, {}},
    {"silu", Ew::Silu, {}},
    {"mish", Ew::Mish, {}},
    {"gelu", Ew::Gelu, {}},
    {"gelu_tanh", Ew::GeluTanh, {}},
    {"hard_tanh", Ew::HardTanh, {}},
    {"hard_silu", Ew::HardSilu, {}},
    {"hard_sigmoid", Ew::HardSigmoid, {}},
    {"log_sigmoid", Ew::LogSigmoid, {}},
};

}  // namespace tahr
