// Tensor: an immutable, dense, row-major array of one dtype, and a cheap handle to it.
// A tensor without storage is symbolic: it has only a shape (some dimensions perhaps unknown) and a dtype.
#pragma once

#include <cstddef>
#include <span>

#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/ref.h"
#include "core/shape.h"

namespace tahr {

// What an op needs to know of an input before any value exists.
struct Spec {
  Shape shape;
  DType dtype = DType::Float32;
  bool operator==(const Spec&) const = default;
};

// A block of bytes. Owned by the allocator, or borrowed from someone else with a release callback.
class Storage : public RefCounted {
 public:
  using Release = void (*)(void* owner);
  static Ref<Storage> make(size_t bytes);  // on the CPU
  static Ref<Storage> make_on(Device device, size_t bytes);
  static Ref<Storage> borrow(void* data, size_t bytes, void* owner, Release release, bool writable,
                             Device device = kCpu);
  ~Storage();
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  bool writable() const { return writable_; }  // false for borrowed read-only memory

  static void* operator new(size_t n);
  static void operator delete(void* p, size_t n);

 private:
  Storage() = default;
  void* data_ = nullptr;
  size_t bytes_ = 0;
  void* owner_ = nullptr;
  Release release_ = nullptr;
  bool writable_ = true;
  Device device_;
};

class VariableImpl;  // core/variable.h

class TensorImpl : public RefCounted {
 public:
  TensorImpl(const Shape& shape, DType dtype, Ref<Storage> storage, size_t byte_offset);
  static void* operator new(size_t n);
  static void operator delete(void* p, size_t n);

  Shape shape;
  int64_t size;     // number of elements; kUnknown if some dimension is
  std::byte* data;  // null for a symbolic tensor
  Ref<Storage> storage;
  mutable uint64_t id = 0;           // the tape's name for this value; given on first use by a tape
  VariableImpl* variable = nullptr;  // set only in a variable's handle: the symbolic tensor that stands for it in ops
  DType dtype;
  bool weak = false;  // made from a Python scalar: yields in promotion
  Device device;      // of the storage
};

class Tensor {
 public:
  Tensor() = default;  // undefined: "no tensor"; in a vjp, a symbolic zero
  explicit Tensor(TensorImpl* impl) : impl_(impl) {}

  // On the CPU, whatever the current device is: for code that goes on to write the elements.
  static Tensor empty(const Shape& shape, DType dtype);  // uninitialised
  static Tensor empty_on(Device device, const Shape& shape, DType dtype);
  static Tensor zeros(const Shape& shape, DType dtype);
  static Tensor full(const Shape& shape, DType dtype, double value);
  static Tensor scalar(double value, DType dtype) { return full({}, dtype, value); }
  static Tensor scalar_int(int64_t value, DType dtype);  // exact for 64-bit integers
  static Tensor symbolic(const Shape& shape, DType dtype);
  static Tensor from_storage(Ref<Storage> s, size_t byte_offset, const Shape& shape, DType dtype);

  bool defined() const { return static_cast<bool>(impl_); }
  bool is_symbolic() const { return impl_->data == nullptr; }
  const Shape& shape() const { return impl_->shape; }
  int rank() const { return impl_->shape.rank(); }
  int64_t dim(int i) const { return impl_->shape[i < 0 ? i + rank() : i]; }
  int64_t size() const { return impl_->size; }
  DType dtype() const { return impl_->dtype; }
  size_t nbytes() const { return static_cast<size_t>(size()) * size_of(dtype()); }
  Spec spec() const { return {impl_->shape, impl_->dtype}; }
  bool weak() const { return impl_->weak; }
  Device device() const { return impl_->device; }  // of a symbolic tensor: the CPU
  // The elements, where they lie: host code asks `on_host(t)` for those of a tensor that may lie on a GPU.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(impl_->data);
  }
  // Only for a kernel writing the output that it was handed.
  template <class T>
  T* mutable_data() const {
    return reinterpret_cast<T*>(impl_->data);
  }
  const void* raw() const { return impl_->data; }
  void* mutable_raw() const { return impl_->data; }

  Tensor with_shape(const Shape& shape) const;  // shares storage; sizes must agree
  double item() const;                          // the only element, as double
  int64_t item_int() const;

  uint64_t id() const;  // assigned on first call, unique in the process
  TensorImpl* impl() const { return impl_.get(); }
  bool same(const Tensor& o) const { return impl_.get() == o.impl_.get(); }

 private:
  Ref<TensorImpl> impl_;
};

uint64_t next_value_id();

}  // namespace tahr
