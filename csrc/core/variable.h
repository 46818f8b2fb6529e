// VariableImpl: a mutable cell holding the current value of a Variable, and the handle that names it in ops.
// State ops (read_variable, assign, optimizer updates) take the handle as an input and reach the cell through
// `handle.impl()->variable`.
#pragma once

#include <atomic>
#include <string>

#include "core/tensor.h"

namespace tahr {

class VariableImpl : public RefCounted {
 public:
  VariableImpl(Tensor value, std::string name, bool trainable);
  ~VariableImpl();

  // For its shape, dtype and, where nothing else runs, contents; a `snapshot` is safe in any case.
  const Tensor& value() const { return value_; }
  void set_value(Tensor v);  // same dtype and shape; bumps the version
  // The value's storage for writing in place: copied first if somebody else holds it. Bumps the version.
  const Tensor& writable_value();
  void move_to(Device device);  // not while it is held
  // Puts another tensor of the same shape and dtype in place of the value, as it is.
  void exchange_value(Tensor v);
  const Tensor& handle() const { return handle_; }

  // While a running graph holds a variable, its storage stays where it is: assignments copy into it, updates write in
  // place, and who wants a value to keep takes a snapshot. Holding first makes the storage the variable's own.
  void hold();
  void release_hold() noexcept { holds_.fetch_sub(1, std::memory_order_acq_rel); }
  bool held() const { return holds_.load(std::memory_order_acquire) > 0; }
  Tensor snapshot() const;                                            // a value that nobody will change
  void touch() { version_.fetch_add(1, std::memory_order_relaxed); }  // the contents were changed in place
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }

  std::string name;
  bool trainable;

 private:
  // Graphs run beside threads that read and assign: who exchanges the value or shares it does so under this lock.
  class Lock;
  void own_storage();

  Tensor value_;
  Tensor handle_;
  mutable std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  std::atomic<uint64_t> version_{0};
  std::atomic<int> holds_{0};
};

}  // namespace tahr
