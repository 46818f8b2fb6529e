// Cumulative operations on the CPU: cumsum_along, cumprod_along, linear_recurrence, shift. A scan is sequential along
// its axis; the other axes are cut into tiles that run in parallel.
#include <type_traits>

#include "core/parallel.h"
#include "cpu/reduce_layout.h"
#include "ops/reduce.h"

namespace tahr {
namespace {

constexpr int64_t kTileColumns = 256;

// Calls body(first element, number of columns) for every tile; the elements of a column are `inner` apart.
template <class F>
void each_tile(const Shape& shape, int64_t axis, F body) {
  const int a = static_cast<int>(axis < 0 ? axis + shape.rank() : axis);
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < a; ++i) outer *= shape[i];
  for (int i = a + 1; i < shape.rank(); ++i) inner *= shape[i];
  const int64_t n = shape[a], tiles = (inner + kTileColumns - 1) / kTileColumns;
  if (n == 0) return;
  parallel_for(outer * tiles, 1, static_cast<double>(outer * inner * n), [&](int64_t item, int64_t) {
    const int64_t begin = item % tiles * kTileColumns;
    body(item / tiles * n * inner + begin, std::min(kTileColumns, inner - begin), n, inner);
  });
}

// What a scan runs in. float32 runs in double at no cost: it waits for the latency of the arithmetic either way.
// Integers wrap around.
template <class T>
struct RunIn {
  using type = Compute<T>;
};
template <>
struct RunIn<float> {
  using type = double;
};
template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
struct RunIn<T> {
  using type = std::make_unsigned_t<T>;
};

template <bool kProduct>
void cumulative_kernel(const KernelArgs& a) {
  const ScanAttrs& attrs = a.as<ScanAttrs>();
  visit_dtype(a.out[0].dtype(), [&]<class T>() {
    using A = typename RunIn<T>::type;
    const T* x = a.in[0].data<T>();
    T* y = a.out[0].mutable_data<T>();
    each_tile(a.in[0].shape(), attrs.axis, [&](int64_t at, int64_t columns, int64_t n, int64_t inner) {
      A run[kTileColumns];
      std::fill_n(run, columns, static_cast<A>(kProduct ? 1 : 0));
      for (int64_t i = 0; i < n; ++i) {
        const int64_t row = at + (attrs.reverse ? n - 1 - i : i) * inner;
        for (int64_t c = 0; c < columns; ++c) {
          const A v = static_cast<A>(load_as(x[row + c]));
          run[c] = static_cast<A>(kProduct ? run[c] * v : run[c] + v);
          y[row + c] = store_as<T>(run[c]);
        }
      }
    });
  });
}

void recurrence_kernel(const KernelArgs& a) {
  const ScanAttrs& attrs = a.as<ScanAttrs>();
  visit_dtype(a.out[0].dtype(), [&]<class T>() {
    using A = typename RunIn<T>::type;
    const T *factor = a.in[0].data<T>(), *term = a.in[1].data<T>();
    T* y = a.out[0].mutable_data<T>();
    each_tile(a.in[0].shape(), attrs.axis, [&](int64_t at, int64_t columns, int64_t n, int64_t inner) {
      A run[kTileColumns];
      std::fill_n(run, columns, A(0));
      for (int64_t i = 0; i < n; ++i) {
        const int64_t row = at + (attrs.reverse ? n - 1 - i : i) * inner;
        for (int64_t c = 0; c < columns; ++c) {
          // The first factor meets no predecessor: it must not turn 0 into NaN.
          const A before = i == 0 ? A(0) : static_cast<A>(static_cast<A>(load_as(factor[row + c])) * run[c]);
          run[c] = static_cast<A>(before + static_cast<A>(load_as(term[row + c])));
          y[row + c] = store_as<T>(run[c]);
        }
      }
    });
  });
}

void shift_kernel(const KernelArgs& a) {
  const ShiftAttrs& attrs = a.as<ShiftAttrs>();
  visit_dtype(a.out[0].dtype(), [&]<class T>() {
    const T fill = store_as<T>(attrs.fill);
    const T* x = a.in[0].data<T>();
    T* y = a.out[0].mutable_data<T>();
    each_tile(a.in[0].shape(), attrs.axis, [&](int64_t at, int64_t columns, int64_t n, int64_t inner) {
      for (int64_t i = 0; i < n; ++i) {
        const int64_t from = attrs.reverse ? i + 1 : i - 1;
        T* to = y + at + i * inner;
        if (from < 0 || from >= n) std::fill_n(to, columns, fill);
        else std::copy_n(x + at + from * inner, columns, to);
      }
    });
  });
}

}  // namespace

void register_scan_kernels() {
  define_kernel("cumsum_along", DeviceType::CPU, cumulative_kernel<false>);
  define_kernel("cumprod_along", DeviceType::CPU, cumulative_kernel<true>);
  define_kernel("linear_recurrence", DeviceType::CPU, recurrence_kernel);
  define_kernel("shift", DeviceType::CPU, shift_kernel);
}

}  // namespace tahr
