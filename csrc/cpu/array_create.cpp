// Kernels of constants, ranges and identity matrices.
#include <algorithm>

#include "cpu/array_copy.h"
#include "ops/array_attrs.h"

namespace tahr {
namespace {

void fill(const Tensor& y, double value) {
  cpu::fill_elements(y.mutable_raw(), y.size(), cpu::bits_of(value, y.dtype()), size_of(y.dtype()));
}

// In double; integers step exactly as integers.
void arange(const KernelArgs& a) {
  const auto& at = a.as<ArangeAttrs>();
  const double start = at.stop ? at.start : 0, step = at.step.value_or(1);
  visit_dtype(a.out[0].dtype(), [&]<class T>() {
    T* y = a.out[0].mutable_data<T>();
    for (int64_t i = 0; i < a.out[0].size(); ++i) y[i] = store_as<T>(start + static_cast<double>(i) * step);
  });
}

// y[o, i, n] = start[o, n] + i * (stop[o, n] - start[o, n]) / steps, where a scalar end is repeated.
void linspace(const KernelArgs& a) {
  const auto& at = a.as<LinspaceAttrs>();
  const Tensor& y = a.out[0];
  const int axis = normalize_axis(at.axis, y.rank(), "linspace");
  const AxisView v = view_axis(y.shape(), axis);
  Shape points = y.shape();
  points.erase(axis);
  const auto strides = contiguous_strides(points);
  const double steps = static_cast<double>(std::max<int64_t>(1, at.num - (at.endpoint ? 1 : 0)));
  visit_dtype(y.dtype(), [&]<class T>() {
    auto end_at = [&](const Tensor& t, int64_t flat) -> double {
      const auto own = contiguous_strides(t.shape());
      int64_t offset = 0;
      for (int d = 0; d < t.rank(); ++d) {
        const int e = d + points.rank() - t.rank();
        if (t.dim(d) != 1) offset += flat / strides[e] % points[e] * own[d];
      }
      return static_cast<double>(load_as(t.data<T>()[offset]));
    };
    T* to = y.mutable_data<T>();
    for (int64_t o = 0; o < v.outer; ++o) {
      for (int64_t n = 0; n < v.inner; ++n) {
        const double start = end_at(a.in[0], o * v.inner + n), stop = end_at(a.in[1], o * v.inner + n);
        for (int64_t i = 0; i < at.num; ++i) {
          const bool last = at.endpoint && i == at.num - 1 && at.num > 1;
          const double value = last ? stop : start + static_cast<double>(i) * ((stop - start) / steps);
          to[(o * v.n + i) * v.inner + n] = store_as<T>(value);
        }
      }
    }
  });
}

void eye(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  fill(y, 0);
  const int64_t columns = y.dim(1), k = std::clamp(a.as<EyeAttrs>().k, -y.dim(0), columns);
  visit_dtype(y.dtype(), [&]<class T>() {
    for (int64_t r = std::max<int64_t>(0, -k); r < y.dim(0) && r + k < columns; ++r) {
      y.mutable_data<T>()[r * columns + r + k] = store_as<T>(1);
    }
  });
}

void tri(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  fill(y, 0);
  const int64_t columns = y.dim(1), k = std::clamp(a.as<EyeAttrs>().k, -y.dim(0), columns);
  visit_dtype(y.dtype(), [&]<class T>() {
    for (int64_t r = 0; r < y.dim(0); ++r) {
      T* row = y.mutable_data<T>() + r * columns;
      std::fill(row, row + std::clamp<int64_t>(r + k + 1, 0, columns), store_as<T>(1));
    }
  });
}

}  // namespace

void register_array_create_kernels() {
  for (const char* op : {"zeros", "zeros_like", "empty", "empty_like"}) {
    define_kernel(op, DeviceType::CPU, [](const KernelArgs& a) { fill(a.out[0], 0); });
  }
  for (const char* op : {"ones", "ones_like"}) {
    define_kernel(op, DeviceType::CPU, [](const KernelArgs& a) { fill(a.out[0], 1); });
  }
  define_kernel("full", DeviceType::CPU, [](const KernelArgs& a) { fill(a.out[0], a.as<FullAttrs>().fill_value); });
  define_kernel("full_like", DeviceType::CPU,
                [](const KernelArgs& a) { fill(a.out[0], a.as<FullLikeAttrs>().fill_value); });
  define_kernel("arange", DeviceType::CPU, arange);
  define_kernel("linspace", DeviceType::CPU, linspace);
  define_kernel("eye", DeviceType::CPU, eye);
  define_kernel("tri", DeviceType::CPU, tri);
}

}  // namespace tahr
