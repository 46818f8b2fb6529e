// Tensors made from nothing: constants and ranges.
#include "cuda/convert.h"
#include "cuda/group.h"
#include "cuda/runtime.h"
#include "ops/array_attrs.h"

namespace tahr::cuda {
namespace {

template <class T>
__global__ void fill_kernel(T* to, int64_t n, T value) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) to[i] = value;
}

}  // namespace

void fill(const Tensor& y, double value) {
  const int64_t n = y.size();
  if (n == 0) return;
  if (value == 0 && !std::signbit(value)) {
    check(cudaMemsetAsync(y.mutable_raw(), 0, y.nbytes(), stream()), "memory could not be set");
    return;
  }
  visit_dtype(y.dtype(), [&]<class T>() {
    launch(fill_kernel<T>, grid_for(n, 4), dim3(kBlock), 0, y.mutable_data<T>(), n, store_as<T>(value));
  });
}

namespace {

// In double, as on the CPU.
template <class T>
__global__ void arange_kernel(T* to, int64_t n, double start, double step) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) to[i] = convert<T>(start + static_cast<double>(i) * step);
}

void arange(const KernelArgs& a) {
  const auto& at = a.as<ArangeAttrs>();
  const Tensor& y = a.out[0];
  const double start = at.stop ? at.start : 0, step = at.step.value_or(1);
  if (y.size() == 0) return;
  visit_dtype(y.dtype(), [&]<class T>() {
    launch(arange_kernel<T>, grid_for(y.size()), dim3(kBlock), 0, y.mutable_data<T>(), y.size(), start, step);
  });
}

}  // namespace

void register_create() {
  for (const char* op : {"zeros", "zeros_like", "empty", "empty_like"})
    define(op, [](const KernelArgs& a) { fill(a.out[0], 0); });
  for (const char* op : {"ones", "ones_like"}) define(op, [](const KernelArgs& a) { fill(a.out[0], 1); });
  define("full", [](const KernelArgs& a) { fill(a.out[0], a.as<FullAttrs>().fill_value); });
  define("full_like", [](const KernelArgs& a) { fill(a.out[0], a.as<FullLikeAttrs>().fill_value); });
  define("arange", arange);
}

}  // namespace tahr::cuda
