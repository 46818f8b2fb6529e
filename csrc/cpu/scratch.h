// Working memory of kernels.
#pragma once

#include <cstddef>

#include "core/allocator.h"

namespace tahr {

// Uninitialised, 64-byte aligned; on the stack if small, so that a small kernel allocates nothing.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : bytes_(bytes) {
    p_ = bytes <= sizeof small_ ? small_ : static_cast<std::byte*>(allocate(bytes));
  }
  ~Scratch() {
    if (p_ != small_) deallocate(p_, bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::byte* get() const { return p_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(p_);
  }

 private:
  alignas(64) std::byte small_[16384];
  std::byte* p_;
  size_t bytes_;
};

}  // namespace tahr
