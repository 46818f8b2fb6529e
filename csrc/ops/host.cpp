#include "ops/host.h"

#include "ops/functions.h"

namespace tahr {
namespace {

HostFunctions functions;

Specs infer(const InferArgs& a) { return host_functions().infer(a.as<HostCallAttrs>(), a.in); }

void vjp(const VjpArgs& a, std::span<Tensor> dx) { host_functions().vjp(a.as<HostCallAttrs>(), a, dx); }

}  // namespace

void set_host_functions(const HostFunctions& f) { functions = f; }

const HostFunctions& host_functions() {
  if (!functions.run) throw_runtime("[host_call] expected functions of the host language, received none.");
  return functions;
}

void define_host_ops() {
  define_op({.name = "host_call",
             .inputs = "*operands",
             .doc = "The results of a function of the host language, by name; `arguments` is JSON.",
             .traits = kHidden,
             .attrs = attr_type<HostCallAttrs>(),
             .infer = infer,
             .vjp = vjp,
             .saves = 0xffffffff,  // the function decides what it reads
             .outputs = -1});
}

}  // namespace tahr
