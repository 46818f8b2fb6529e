// Kernels that read by index: take, take_along_axis, gather_nd, one_hot.
#include <algorithm>
#include <cstring>
#include <span>

#include "core/parallel.h"
#include "cpu/array_copy.h"
#include "cpu/array_index.h"
#include "ops/array_attrs.h"

namespace tahr {
namespace {

using cpu::checked_indices;

template <class F>
void visit_size(size_t item, F&& f) {
  switch (item) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    default: return f.template operator()<uint64_t>();
  }
}

// dst[o, j, :] = src[o, rows[j], :], in elements of `item` bytes; a row of -1 gives zeros.
void gather_rows(void* dst, const void* src, int64_t outer, int64_t n, int64_t inner, std::span<const int64_t> rows,
                 size_t item) {
  const auto m = static_cast<int64_t>(rows.size());
  if (m == 0) return;
  const double cost = static_cast<double>(outer * m) * (2.0 + 0.15 * static_cast<double>(inner * item));
  const size_t line = static_cast<size_t>(inner) * item;
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, static_cast<int64_t>(line)));
  // Calls copy(to, from) for each line of [begin, end), `from` null for zeros.
  const auto each_line = [&](int64_t begin, int64_t end, auto copy) {
    int64_t j = begin % m;
    auto* to = static_cast<std::byte*>(dst) + static_cast<size_t>(begin) * line;
    const auto* part = static_cast<const std::byte*>(src) + static_cast<size_t>(begin / m * n) * line;
    for (int64_t at = begin; at < end; ++at, to += line) {
      const int64_t row = rows[static_cast<size_t>(j)];
      copy(to, row < 0 ? nullptr : part + static_cast<size_t>(row) * line);
      if (++j == m) {
        j = 0;
        part += static_cast<size_t>(n) * line;
      }
    }
  };
  parallel_for(outer * m, grain, cost, [&](int64_t begin, int64_t end) {
    if (inner == 1) {
      visit_size(item, [&]<class T>() {
        each_line(begin, end, [](std::byte* to, const std::byte* from) {
          *reinterpret_cast<T*>(to) = from ? *reinterpret_cast<const T*>(from) : T{0};
        });
      });
    } else {
      each_line(begin, end, [line](std::byte* to, const std::byte* from) {
        if (from) std::memcpy(to, from, line);
        else std::memset(to, 0, line);
      });
    }
  });
}

void take(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const auto& axis = a.as<OptAxisAttrs>().axis;
  const AxisView v = axis ? view_axis(x.shape(), normalize_axis(*axis, x.rank(), "take")) : AxisView{1, x.size(), 1};
  gather_rows(a.out[0].mutable_raw(), x.raw(), v.outer, v.n, v.inner, checked_indices(a.in[1], v.n, "take"),
              size_of(x.dtype()));
}

void gather_nd(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const cpu::Indices rows = cpu::checked_coordinates(a.in[1], x.shape(), "gather_nd");
  const int64_t inner = rows.empty() ? 1 : a.out[0].size() / static_cast<int64_t>(rows.size());
  gather_rows(a.out[0].mutable_raw(), x.raw(), 1, 0, inner, rows, size_of(x.dtype()));
}

void segment_spread(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const Tensor& ids = a.in[1];
  const cpu::Indices rows(ids.size(), [&](int64_t* to) {
    visit_dtype(ids.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        for (int64_t i = 0; i < ids.size(); ++i) {
          const auto r = static_cast<int64_t>(ids.data<T>()[i]);
          if (r >= x.dim(0)) cpu::throw_out_of_range("segment_spread", x.dim(0), r);
          to[i] = std::max<int64_t>(r, -1);
        }
      }
    });
  });
  const int64_t inner = rows.empty() ? 1 : a.out[0].size() / static_cast<int64_t>(rows.size());
  gather_rows(a.out[0].mutable_raw(), x.raw(), 1, 0, inner, rows, size_of(x.dtype()));
}

// y[o, j, i] = x[o, indices[o, j, i], i]
void gather_axis(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const int axis = static_cast<int>(a.as<GatherAxisAttrs>().axis);
  const AxisView v = view_axis(x.shape(), axis);
  const int64_t m = y.dim(axis);
  const cpu::Indices index = checked_indices(a.in[1], v.n, "take_along_axis");
  visit_size(size_of(x.dtype()), [&]<class T>() {
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    parallel_for(v.outer * m, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, v.inner)), y.size() * 2.0,
                 [&](int64_t begin, int64_t end) {
                   int64_t j = begin % m;
                   const T* line = from + begin / m * v.n * v.inner;
                   for (int64_t at = begin; at < end; ++at) {
                     for (int64_t i = 0; i < v.inner; ++i) {
                       to[at * v.inner + i] = line[index[at * v.inner + i] * v.inner + i];
                     }
                     if (++j == m) {
                       j = 0;
                       line += v.n * v.inner;
                     }
                   }
                 });
  });
}

void one_hot(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const auto& at = a.as<OneHotAttrs>();
  const AxisView v = view_axis(y.shape(), normalize_axis(at.axis, y.rank(), "one_hot"));
  cpu::fill_elements(y.mutable_raw(), y.size(), 0, size_of(y.dtype()));
  visit_dtype(x.dtype(), [&]<class I>() {
    if constexpr (std::is_integral_v<I>) {
      const I* index = x.data<I>();
      visit_dtype(y.dtype(), [&]<class T>() {
        const T one = store_as<T>(1);
        T* line = y.mutable_data<T>();
        for (int64_t o = 0; o < v.outer; ++o, index += v.inner, line += v.n * v.inner) {
          for (int64_t i = 0; i < v.inner; ++i) {
            const auto c = static_cast<int64_t>(index[i]);
            if (c >= 0 && c < v.n) line[c * v.inner + i] = one;
          }
        }
      });
    }
  });
}

void unravel_index(const KernelArgs& a) {
  const Shape shape{std::span<const int64_t>(a.as<ShapeAttrs>().shape)};
  const cpu::Indices flat = checked_indices(a.in[0], shape.size(), "unravel_index");
  const auto strides = contiguous_strides(shape);
  for (int d = 0; d < shape.rank(); ++d) {
    visit_dtype(a.in[0].dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        T* to = a.out[d].mutable_data<T>();
        for (int64_t i = 0; i < flat.size(); ++i) to[i] = static_cast<T>(flat[i] / strides[d] % shape[d]);
      }
    });
  }
}

}  // namespace

void register_array_gather_kernels() {
  define_kernel("take", DeviceType::CPU, take);
  define_kernel("gather_nd", DeviceType::CPU, gather_nd);
  define_kernel("segment_spread", DeviceType::CPU, segment_spread);
  define_kernel("gather_axis", DeviceType::CPU, gather_axis);
  define_kernel("one_hot", DeviceType::CPU, one_hot);
  define_kernel("unravel_index", DeviceType::CPU, unravel_index);
}

}  // namespace tahr
