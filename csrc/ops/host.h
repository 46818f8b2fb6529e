// `host_call`: an op whose value a function of the host language computes, found by name. What linear algebra and
// Fourier transforms rest on, which no model's speed depends on. Whoever embeds the engine supplies the functions
// (HostFunctions): without them a call is an error.
#pragma once

#include "ops/op.h"

namespace tahr {

struct HostCallAttrs {
  std::string function;
  std::string arguments;  // of the function, in JSON
  TAHR_ATTRS(HostCallAttrs, TAHR_REQUIRED(function), TAHR_REQUIRED(arguments))
};

struct HostFunctions {
  Specs (*infer)(const HostCallAttrs& attrs, std::span<const Spec> in) = nullptr;
  void (*run)(const HostCallAttrs& attrs, std::span<const Tensor> in, std::span<const Tensor> out) = nullptr;
  // Written with ops: gradients of gradients follow.
  void (*vjp)(const HostCallAttrs& attrs, const VjpArgs& args, std::span<Tensor> dx) = nullptr;
};
void set_host_functions(const HostFunctions& f);
const HostFunctions& host_functions();  // throws if there are none

}  // namespace tahr
