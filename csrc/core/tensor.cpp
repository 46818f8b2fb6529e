#include "core/tensor.h"

#include <atomic>
#include <cstring>
#include <limits>
#include <thread>

#include "core/allocator.h"
#include "core/variable.h"

namespace tahr {

void* Storage::operator new(size_t n) { return allocate_small(n); }
void Storage::operator delete(void* p, size_t n) { deallocate_small(p, n); }
void* TensorImpl::operator new(size_t n) { return allocate_small(n); }
void TensorImpl::operator delete(void* p, size_t n) { deallocate_small(p, n); }

Ref<Storage> Storage::make(size_t bytes) {
  Ref<Storage> s(new Storage);
  s->data_ = allocate(bytes);
  s->bytes_ = bytes;
  return s;
}

Ref<Storage> Storage::make_on(Device device, size_t bytes) {
  if (device.is_cpu()) return make(bytes);
  void* data = device_allocate(device, bytes);
  auto* s = new Storage;
  s->data_ = data;
  s->bytes_ = bytes;
  s->device_ = device;
  return Ref<Storage>(s);
}

Ref<Storage> Storage::borrow(void* data, size_t bytes, void* owner, Release release, bool writable, Device device) {
  static std::byte nothing[64];  // a tensor without address would be symbolic; others' empty arrays may have none
  auto* s = new Storage;
  s->data_ = data ? data : nothing;
  s->bytes_ = bytes;
  s->owner_ = owner;
  s->release_ = release;
  s->writable_ = writable;
  s->device_ = device;
  return Ref<Storage>(s);
}

Storage::~Storage() {
  if (release_) release_(owner_);
  else if (device_.is_cpu()) [[likely]] {
    if (data_) deallocate(data_, bytes_);
  } else {
    device_deallocate(device_, data_, bytes_);
  }
}

TensorImpl::TensorImpl(const Shape& sh, DType d, Ref<Storage> st, size_t byte_offset)
    : shape(sh),
      size(sh.size()),
      data(st ? static_cast<std::byte*>(st->data()) + byte_offset : nullptr),
      storage(std::move(st)),
      dtype(d),
      device(storage ? storage->device() : kCpu) {}

uint64_t next_value_id() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

Tensor Tensor::empty(const Shape& shape, DType dtype) { return empty_on(kCpu, shape, dtype); }

Tensor Tensor::empty_on(Device device, const Shape& shape, DType dtype) {
  const int64_t n = shape.size();
  if (n < 0) throw_runtime("cannot allocate a tensor of unknown shape ", shape.str());
  if (n > std::numeric_limits<int64_t>::max() / static_cast<int64_t>(size_of(dtype))) {
    throw Error(ErrorKind::Memory, concat("out of memory: a tensor of shape ", shape.str(), " and dtype ",
                                          name_of(dtype), " has more bytes than there are addresses."));
  }
  return Tensor(new TensorImpl(shape, dtype, Storage::make_on(device, static_cast<size_t>(n) * size_of(dtype)), 0));
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  Tensor t = empty(shape, dtype);
  std::memset(t.mutable_raw(), 0, t.nbytes());
  return t;
}

Tensor Tensor::full(const Shape& shape, DType dtype, double value) {
  Tensor t = empty(shape, dtype);
  visit_dtype(dtype, [&]<class T>() {
    const T v = store_as<T>(value);
    T* p = t.mutable_data<T>();
    for (int64_t i = 0, n = t.size(); i < n; ++i) p[i] = v;
  });
  return t;
}

Tensor Tensor::scalar_int(int64_t value, DType dtype) {
  Tensor t = empty({}, dtype);
  visit_dtype(dtype, [&]<class T>() { *t.mutable_data<T>() = store_as<T>(value); });
  return t;
}

Tensor Tensor::symbolic(const Shape& shape, DType dtype) {
  return Tensor(new TensorImpl(shape, dtype, Ref<Storage>(), 0));
}

Tensor Tensor::from_storage(Ref<Storage> s, size_t byte_offset, const Shape& shape, DType dtype) {
  return Tensor(new TensorImpl(shape, dtype, std::move(s), byte_offset));
}

Tensor Tensor::with_shape(const Shape& shape) const {
  if (is_symbolic()) return symbolic(shape, dtype());
  if (shape.size() != size()) {
    throw_value("cannot view a tensor of shape ", impl_->shape.str(), " (", size(), " elements) as ", shape.str());
  }
  const auto offset = static_cast<size_t>(impl_->data - static_cast<std::byte*>(impl_->storage->data()));
  return from_storage(impl_->storage, offset, shape, dtype());
}

namespace {
void check_single(const Tensor& t) {
  if (t.is_symbolic())
    throw_type(
        "a symbolic tensor has no value: it only describes shape and dtype. Use tahr.cond / tahr.while_loop, or run "
        "eagerly (run_eagerly=True).");
  if (t.size() != 1) throw_value("expected a tensor with exactly one element, received shape ", t.shape().str());
}
}  // namespace

double Tensor::item() const {
  check_single(*this);
  const Tensor t = on_host(*this);
  return visit_dtype(dtype(), [&]<class T>() { return static_cast<double>(load_as(*t.data<T>())); });
}

int64_t Tensor::item_int() const {
  check_single(*this);
  const Tensor t = on_host(*this);
  return visit_dtype(dtype(), [&]<class T>() { return static_cast<int64_t>(load_as(*t.data<T>())); });
}

uint64_t Tensor::id() const {
  if (impl_->id == 0) impl_->id = next_value_id();
  return impl_->id;
}

class VariableImpl::Lock {
 public:
  explicit Lock(const VariableImpl& v) : busy_(v.busy_) {
    while (busy_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  }
  ~Lock() { busy_.clear(std::memory_order_release); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  std::atomic_flag& busy_;
};

VariableImpl::VariableImpl(Tensor value, std::string n, bool t)
    : name(std::move(n)),
      trainable(t),
      value_(std::move(value)),
      handle_(Tensor::symbolic(value_.shape(), value_.dtype())) {
  handle_.impl()->variable = this;
}

VariableImpl::~VariableImpl() { handle_.impl()->variable = nullptr; }

void VariableImpl::set_value(Tensor v) {
  if (!(v.shape() == value_.shape())) {
    throw_value("[assign] variable '", name, "' has shape ", value_.shape().str(), ", received a value of shape ",
                v.shape().str(), ". Shapes of a variable and of its new value must match.");
  }
  if (v.dtype() != value_.dtype()) {
    throw_type("[assign] variable '", name, "' has dtype ", name_of(value_.dtype()), ", received ", name_of(v.dtype()));
  }
  if (v.device() != value_.device()) v = to_device(v, value_.device());
  const Lock lock(*this);
  if (held()) copy_into(value_, v);
  else std::swap(value_, v);  // the old value goes after the lock does
  touch();
}

Tensor VariableImpl::snapshot() const {
  const Lock lock(*this);
  return held() ? copy_of(value_) : value_;
}

void VariableImpl::hold() {
  const Lock lock(*this);
  if (!held()) own_storage();
  holds_.fetch_add(1, std::memory_order_acq_rel);
  touch();
}

const Tensor& VariableImpl::writable_value() {
  const Lock lock(*this);
  if (!held()) own_storage();
  touch();
  return value_;
}

void VariableImpl::move_to(Device device) {
  if (value_.device() == device) return;
  Tensor moved = to_device(value_, device);
  const Lock lock(*this);
  if (held())
    throw_runtime("[Variable] '", name, "' lies on '", tahr::name_of(value_.device()),
                  "', and a running function holds it there; another one wants it on '", tahr::name_of(device), "'.");
  std::swap(value_, moved);
}

void VariableImpl::exchange_value(Tensor v) {
  const Lock lock(*this);
  std::swap(value_, v);
  touch();
}

// The variable's own tensor is to be the one holder of the storage; anyone else must keep seeing the old value.
void VariableImpl::own_storage() {
  const bool shared = value_.impl()->use_count() > 1 || value_.impl()->storage->use_count() > 1;
  if (shared || !value_.impl()->storage->writable()) value_ = copy_of(value_);
}

}  // namespace tahr
