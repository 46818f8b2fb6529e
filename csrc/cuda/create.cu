// Tensors made from nothing: constants, ranges, identity matrices.
#include <algorithm>

#include "cuda/convert.h"
#include "cuda/copy.h"

namespace tahr::cuda {
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

// y[o, i, n] = start[o, n] + i * (stop[o, n] - start[o, n]) / steps; the ends are broadcast to (outer, inner).
struct Ends {
  int rank = 0;
  int64_t n[kMaxRank], start[kMaxRank], stop[kMaxRank];
};

template <class T>
__global__ void linspace_kernel(T* y, const T* start, const T* stop, const Ends ends, int64_t num, int64_t inner,
                                double steps, bool to_stop, int64_t total) {
  for (int64_t at = grid_index(); at < total; at += grid_size()) {
    const int64_t i = at / inner % num;
    int64_t point = at / inner / num * inner + at % inner, from = 0, to = 0;
    for (int d = ends.rank - 1; d >= 0; --d) {
      const int64_t c = point % ends.n[d];
      point /= ends.n[d];
      from += c * ends.start[d];
      to += c * ends.stop[d];
    }
    const auto a = convert<double>(start[from]), b = convert<double>(stop[to]);
    const bool last = to_stop && i == num - 1 && num > 1;
    y[at] = convert<T>(last ? b : a + static_cast<double>(i) * ((b - a) / steps));
  }
}

void linspace(const KernelArgs& a) {
  const auto& at = a.as<LinspaceAttrs>();
  const Tensor& y = a.out[0];
  if (y.size() == 0) return;
  const int axis = normalize_axis(at.axis, y.rank(), "linspace");
  const AxisView v = view_axis(y.shape(), axis);
  Shape points = y.shape();
  points.erase(axis);
  Ends ends;
  ends.rank = points.rank();
  const auto strides_into = [&](const Tensor& t, int64_t* to) {
    const auto own = contiguous_strides(t.shape());
    for (int d = 0; d < points.rank(); ++d) {
      const int e = d - (points.rank() - t.rank());
      to[d] = e < 0 || t.dim(e) == 1 ? 0 : own[static_cast<size_t>(e)];
    }
  };
  for (int d = 0; d < points.rank(); ++d) ends.n[d] = points[d];
  strides_into(a.in[0], ends.start);
  strides_into(a.in[1], ends.stop);
  const auto steps = static_cast<double>(std::max<int64_t>(1, at.num - (at.endpoint ? 1 : 0)));
  visit_dtype(y.dtype(), [&]<class T>() {
    launch(linspace_kernel<T>, grid_for(y.size()), dim3(kBlock), 0, y.mutable_data<T>(), a.in[0].data<T>(),
           a.in[1].data<T>(), ends, at.num, v.inner, steps, at.endpoint, y.size());
  });
}

// 1 where column == row + k (eye), column <= row + k (tri); 0 elsewhere
template <class U>
__global__ void diagonal_kernel(U* y, U one, int64_t columns, int64_t k, bool below, int64_t total) {
  for (int64_t i = grid_index(); i < total; i += grid_size()) {
    const int64_t past = i % columns - i / columns - k;
    y[i] = past == 0 || (below && past < 0) ? one : U(0);
  }
}

template <bool kBelow>
void diagonal(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  if (y.size() == 0) return;
  const int64_t k = std::clamp(a.as<EyeAttrs>().k, -y.dim(0), y.dim(1));
  const uint64_t one = bits_of(1, y.dtype());
  with_unit(size_of(y.dtype()), [&]<class U>() {
    if constexpr (sizeof(U) <= 8) {
      launch(diagonal_kernel<U>, grid_for(y.size(), 2), dim3(kBlock), 0, static_cast<U*>(y.mutable_raw()),
             static_cast<U>(one), y.dim(1), k, kBelow, y.size());
    }
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
  define("linspace", linspace);
  define("eye", diagonal<false>);
  define("tri", diagonal<true>);
}

}  // namespace tahr::cuda
