// VariableImpl: a mutable cell holding the current value of a Variable, and the handle that names it in ops.
// State ops (read_variable, assign, optimizer updates) take the handle as an input and reach the cell through
// `handle.impl()->variable`.
#pragma once

#include <string>

#include "core/tensor.h"

namespace tahr {

class VariableImpl : public RefCounted {
 public:
  VariableImpl(Tensor value, std::string name, bool trainable);
  ~VariableImpl();

  const Tensor& value() const { return value_; }  // shares storage: a later assignment does not change it
  void set_value(Tensor v);                       // same dtype and shape; bumps the version
  // The value's storage for writing in place: copied first if somebody else holds it. Bumps the version.
  Tensor writable_value();
  const Tensor& handle() const { return handle_; }
  uint64_t version() const { return version_; }

  std::string name;
  bool trainable;

 private:
  Tensor value_;
  Tensor handle_;
  uint64_t version_ = 0;
};

}  // namespace tahr
