#include "cpu/activation.h"

#include "cpu/elementwise.h"
#include "ops/activation_table.h"

namespace tahr {

Activation activation_of(const std::string& name, DType dtype) {
  Activation a;
  a.relu = name == "relu";
  const DType type = dtype == DType::Float64 ? DType::Float64 : DType::Float32;
  for (const ActivationEntry& f : kActivations) {
    if (name != f.name) continue;
    a.map = elementwise_loop(f.op, type);
    a.params = f.params;
    a.ns = elementwise_ns(f.op);
  }
  return a;
}

}  // namespace tahr
