// What reads by index: take (embedding), gather_nd, segment_spread, gather_axis, one_hot, unravel_index. An index out
// of range gives zeros and an error at the next synchronisation (fault.h).
//
// Floor: the lines read and the result, once each. A thread moves units of up to 16 bytes; the threads of a line read
// its index from the cache.
#include <algorithm>

#include "cuda/convert.h"
#include "cuda/copy.h"
#include "cuda/index_rows.h"

namespace tahr::cuda {
namespace {

constexpr int kAtOnce = 4;

// dst[o, j, :] = src[o, row j, :]; zeros where there is no such row
template <class U, class I>
__global__ void gather_kernel(U* dst, const U* src, const __grid_constant__ Rows rows, Divider<I> units, Divider<I> m,
                              int64_t n, I total) {
  const I step = static_cast<I>(blockDim.x), stride = static_cast<I>(gridDim.x) * step * kAtOnce;
  const auto width = static_cast<int64_t>(units.d);
  for (I base = static_cast<I>(blockIdx.x) * step * kAtOnce + static_cast<I>(threadIdx.x); base < total;
       base += stride) {
    U value[kAtOnce];
    TAHR_UNROLL
    for (int k = 0; k < kAtOnce; ++k) {
      const I at = base + k * step;
      if (at >= total) break;
      I c, j;
      const I o = m.divide(units.divide(at, &c), &j);
      const int64_t row = rows(j);
      value[k] = row < 0 ? U{} : src[(o * n + row) * width + c];
    }
    TAHR_UNROLL
    for (int k = 0; k < kAtOnce; ++k) {
      if (base + k * step < total) dst[base + k * step] = value[k];
    }
  }
}

// y (outer, m, inner) from x (outer, n, inner)
void gather_lines(const Tensor& y, const Tensor& x, const Rows& rows, int64_t m, const AxisView& v) {
  if (y.size() == 0) return;
  const auto item = static_cast<int64_t>(size_of(x.dtype()));
  const size_t unit = unit_of(v.inner * item, x.raw(), y.raw());
  const int64_t units = v.inner * item / static_cast<int64_t>(unit), total = v.outer * m * units;
  with_unit(unit, [&]<class U>() {
    with_index(total, [&]<class I>() {
      launch(gather_kernel<U, I>, grid_for(total, kAtOnce), dim3(kBlock), 0, static_cast<U*>(y.mutable_raw()),
             static_cast<const U*>(x.raw()), rows, Divider<I>(units), Divider<I>(m), v.n, static_cast<I>(total));
    });
  });
}

void take(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const auto& axis = a.as<OptAxisAttrs>().axis;
  const AxisView v = axis ? view_axis(x.shape(), normalize_axis(*axis, x.rank(), "take")) : AxisView{1, x.size(), 1};
  gather_lines(a.out[0], x, rows_of(a.in[1], v.n, "take"), a.in[1].size(), v);
}

void gather_nd(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const int64_t points = points_of(a.in[1]);
  if (y.size() == 0) return;
  gather_lines(y, x, coordinates_of(a.in[1], x.shape(), "gather_nd"), points, {1, 0, y.size() / points});
}

void segment_spread(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  if (y.size() == 0) return;
  const int64_t m = a.in[1].size();
  gather_lines(y, x, segments_of(a.in[1], x.dim(0), "segment_spread"), m, {1, 0, y.size() / m});
}

// y[o, j, i] = x[o, indices[o, j, i], i]
template <class U, class I>
__global__ void gather_axis_kernel(U* y, const U* x, const __grid_constant__ Rows rows, Divider<I> inner, Divider<I> m,
                                   int64_t n, I total) {
  const I step = static_cast<I>(grid_size());
  const auto width = static_cast<int64_t>(inner.d);
  for (I at = static_cast<I>(grid_index()); at < total; at += step) {
    I i, j;
    const I o = m.divide(inner.divide(at, &i), &j);
    const int64_t row = rows(at);
    y[at] = row < 0 ? U{} : x[(o * n + row) * width + i];
  }
}

void gather_axis(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  if (y.size() == 0) return;
  const int axis = static_cast<int>(a.as<GatherAxisAttrs>().axis);
  const AxisView v = view_axis(x.shape(), axis);
  with_unit(size_of(x.dtype()), [&]<class U>() {
    with_index(y.size(), [&]<class I>() {
      launch(gather_axis_kernel<U, I>, grid_for(y.size(), 2), dim3(kBlock), 0, static_cast<U*>(y.mutable_raw()),
             static_cast<const U*>(x.raw()), rows_of(a.in[1], v.n, "take_along_axis"), Divider<I>(v.inner),
             Divider<I>(y.dim(axis)), v.n, static_cast<I>(y.size()));
    });
  });
}

// y[o, c, i] = index[o, i] == c
template <class U, class I>
__global__ void one_hot_kernel(U* y, const void* index, DType type, U one, Divider<I> inner, Divider<I> classes,
                               I total) {
  const I step = static_cast<I>(grid_size()), width = static_cast<I>(inner.d);
  for (I at = static_cast<I>(grid_index()); at < total; at += step) {
    I i, c;
    const I o = classes.divide(inner.divide(at, &i), &c);
    y[at] = load_integer(index, type, o * width + i) == c ? one : U{};
  }
}

void one_hot(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  if (y.size() == 0) return;
  const AxisView v = view_axis(y.shape(), normalize_axis(a.as<OneHotAttrs>().axis, y.rank(), "one_hot"));
  const uint64_t bits = bits_of(1, y.dtype());
  with_unit(size_of(y.dtype()), [&]<class U>() {
    if constexpr (sizeof(U) <= 8) {
      with_index(y.size(), [&]<class I>() {
        launch(one_hot_kernel<U, I>, grid_for(y.size(), 4), dim3(kBlock), 0, static_cast<U*>(y.mutable_raw()), x.raw(),
               x.dtype(), static_cast<U>(bits), Divider<I>(v.inner), Divider<I>(v.n), static_cast<I>(y.size()));
      });
    }
  });
}

template <class T>
__global__ void unravel_kernel(T* to, const __grid_constant__ Rows rows, int64_t stride, int64_t n, int64_t size) {
  for (int64_t i = grid_index(); i < size; i += grid_size()) {
    const int64_t flat = rows(i);
    to[i] = flat < 0 ? T(0) : static_cast<T>(flat / stride % n);
  }
}

void unravel_index(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const Shape shape{std::span<const int64_t>(a.as<ShapeAttrs>().shape)};
  const auto strides = contiguous_strides(shape);
  if (x.size() == 0) return;
  for (int d = 0; d < shape.rank(); ++d) {
    visit_dtype(x.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        launch(unravel_kernel<T>, grid_for(x.size()), dim3(kBlock), 0, a.out[static_cast<size_t>(d)].mutable_data<T>(),
               rows_of(x, shape.size(), "unravel_index"), strides[static_cast<size_t>(d)], shape[d], x.size());
      }
    });
  }
}

}  // namespace

void register_gather() {
  define("take", take);
  define("gather_nd", gather_nd);
  define("segment_spread", segment_spread);
  define("gather_axis", gather_axis);
  define("one_hot", one_hot);
  define("unravel_index", unravel_index);
}

}  // namespace tahr::cuda
