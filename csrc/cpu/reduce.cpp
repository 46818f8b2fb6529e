// Reductions on the CPU: from the partials of reduce_blocks.h, or straight from the input, to results.
#include "ops/reduce.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/logsumexp_table.h"
#include "cpu/reduce_blocks.h"

namespace tahr {
namespace {

// ---- from partials to results ----

Elem elem_of(DType d) {
  switch (d) {
    case DType::Bool:
    case DType::UInt8: return Elem::U8;
    case DType::UInt16: return Elem::U16;
    case DType::UInt32: return Elem::U32;
    case DType::UInt64: return Elem::U64;
    case DType::Int8: return Elem::I8;
    case DType::Int16: return Elem::I16;
    case DType::Int32: return Elem::I32;
    case DType::Int64: return Elem::I64;
    case DType::Float64: return Elem::F64;
    default: return Elem::F32;
  }
}

const ReduceKernel& kernel_for(ReduceKind kind, DType d) {
  return reduce_table().kernel[static_cast<int>(kind)][static_cast<int>(elem_of(d))];
}

double cost_of(const Tensor& x, double ns_per_byte) { return static_cast<double>(x.nbytes()) * ns_per_byte; }

template <class T>
void fill_out(const Tensor& out, T value) {
  std::fill_n(out.mutable_data<T>(), out.size(), value);
}

// The result where nothing is reduced: the identity of the operation.
void fill_identity(const Tensor& out, double value) {
  visit_dtype(out.dtype(), [&]<class T>() { fill_out(out, store_as<T>(value)); });
}

// Where one step makes whole outputs of a float tensor: rows(x, y, rows, n) or cols(x, y, rows, stride, m), of T to R.
// False if that is not so.
template <class T, class R, class Rows, class Cols>
bool reduce_whole(const KernelArgs& a, const Layout& l, double ns_per_element, Rows rows, Cols cols) {
  if (l.reduced_count > 1 || l.length() > (l.columns ? kStepRows : kMomentsChunk)) return false;
  const T* x = a.in[0].data<T>();
  R* y = a.out[0].mutable_data<R>();
  const double cost = static_cast<double>(a.in[0].size()) * ns_per_element;
  if (!l.columns) {
    // Elements in a unit of parallel work: many, since going through rows has a beginning and an end.
    const int64_t elements = std::clamp<int64_t>(a.in[0].size() / 32, 4096, 65536);
    const int64_t block = std::max<int64_t>(1, elements / l.n / 64) * 64;
    parallel_for(l.rows, block, cost,
                 [&](int64_t begin, int64_t end) { rows(x + begin * l.n, y + begin, end - begin, l.n); });
    return true;
  }
  const int64_t tiles = ceil_div(l.n, kTileColumns);
  parallel_for(l.kept_count * tiles, 1, cost, [&](int64_t item, int64_t) {
    const int64_t kept = item / tiles, begin = item % tiles * kTileColumns;
    cols(x + kept * l.rows * l.n + begin, y + kept * l.n + begin, l.rows, l.n, std::min(kTileColumns, l.n - begin));
  });
  return true;
}

// Runs the kernel with partials landing in the output itself where they have its type. finish(a, b, first, n) makes the
// n outputs from `first` on of their partials.
template <class Finish>
void reduce_to(const KernelArgs& a, ReduceKind kind, const Layout& layout, double identity, double ns_per_byte,
               Finish finish) {
  const Tensor &x = a.in[0], &out = a.out[0];
  if (out.size() == 0) return;
  if (x.size() == 0) return fill_identity(out, identity);
  const ReduceKernel& k = kernel_for(kind, x.dtype());
  const Reduction r(k, x, layout, kind, cost_of(x, ns_per_byte));
  if (k.b_size == 0 && k.a_size == size_of(out.dtype()) && !is_half(out.dtype())) {
    r.run(static_cast<std::byte*>(out.mutable_raw()), nullptr);
    return finish(static_cast<std::byte*>(out.mutable_raw()), nullptr, int64_t{0}, out.size());
  }
  r.finished(finish);
}

// Halves: float partials to the output.
void narrow_partials(const Tensor& out, const std::byte* pa, int64_t at, int64_t n) {
  const float* p = reinterpret_cast<const float*>(pa);
  visit_dtype(out.dtype(), [&]<class T>() {
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      T* y = out.mutable_data<T>() + at;
      for (int64_t i = 0; i < n; ++i) y[i] = store_as<T>(p[i]);
    }
  });
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

template <ReduceKind kKind>
void plain_kernel(const KernelArgs& a) {
  const double identity = kKind == ReduceKind::Prod || kKind == ReduceKind::All ? 1 : 0;
  reduce_to(a, kKind, Layout(a.in[0].shape(), a.as<ReduceAttrs>().axis), identity, 0.1,
            [&](std::byte* pa, std::byte*, int64_t at, int64_t n) {
              if (is_half(a.out[0].dtype())) narrow_partials(a.out[0], pa, at, n);
            });
}

void count_kernel(const KernelArgs& a) {
  reduce_to(a, ReduceKind::Count, Layout(a.in[0].shape(), a.as<CountAttrs>().axis), 0, 0.1,
            [](std::byte*, std::byte*, int64_t, int64_t) {});
}

// A sum (of squares), of which finish(p, count) makes the result and finish_all(p, y, n) those of float32.
template <class FinishAll, class Finish>
void finished_sum(const KernelArgs& a, ReduceKind kind, double of_nothing, FinishAll finish_all, Finish finish) {
  const Tensor& out = a.out[0];
  const Layout layout(a.in[0].shape(), a.as<ReduceAttrs>().axis);
  if (out.size() == 0) return;
  if (a.in[0].size() == 0) return fill_identity(out, of_nothing);
  const Reduction r(kernel_for(kind, a.in[0].dtype()), a.in[0], layout, kind, cost_of(a.in[0], 0.1));
  r.finished([&](std::byte* pa, std::byte*, int64_t at, int64_t n) {
    if (out.dtype() == DType::Float32)
      return finish_all(reinterpret_cast<const float*>(pa), out.mutable_data<float>() + at, n);
    visit_dtype(out.dtype(), [&]<class T>() {
      using C = Compute<T>;
      if constexpr (std::is_floating_point_v<C>) {
        const C* p = reinterpret_cast<const C*>(pa);
        T* y = out.mutable_data<T>() + at;
        for (int64_t i = 0; i < n; ++i) y[i] = store_as<T>(finish(p[i]));
      }
    });
  });
}

void mean_kernel(const KernelArgs& a) {
  const int64_t count = a.out[0].size() ? a.in[0].size() / a.out[0].size() : 0;
  finished_sum(
      a, ReduceKind::Sum, kNan,
      [=](const float* p, float* y, int64_t n) { reduce_table().divide(p, y, static_cast<float>(count), n); },
      [=](auto p) { return p / static_cast<decltype(p)>(count); });
}

void root_sum_squares_kernel(const KernelArgs& a) {
  finished_sum(
      a, ReduceKind::Squares, 0, [](const float* p, float* y, int64_t n) { reduce_table().root(p, y, n); },
      [](auto p) { return std::sqrt(p); });
}

template <bool kMax>
void extreme_kernel(const KernelArgs& a) {
  const ExtremeAttrs& attrs = a.as<ExtremeAttrs>();
  const Tensor& out = a.out[0];
  constexpr ReduceKind kind = kMax ? ReduceKind::Max : ReduceKind::Min;
  reduce_to(a, kind, Layout(a.in[0].shape(), attrs.axis), attrs.initial.value_or(0), 0.1,
            [&](std::byte* pa, std::byte*, int64_t at, int64_t n) {
              if (is_half(out.dtype())) narrow_partials(out, pa, at, n);
              if (!attrs.initial) return;
              visit_dtype(out.dtype(), [&]<class T>() {
                const T initial = store_as<T>(*attrs.initial);
                const Compute<T> limit = load_as(initial);
                T* y = out.mutable_data<T>() + at;
                for (int64_t i = 0; i < n; ++i) {
                  const Compute<T> v = load_as(y[i]);
                  if (kMax ? limit > v : limit < v) y[i] = initial;
                }
              });
            });
}

template <bool kMax>
void arg_kernel(const KernelArgs& a) {
  const ArgAttrs& attrs = a.as<ArgAttrs>();
  const std::span<const int64_t> axis = attrs.axis ? std::span(&*attrs.axis, 1) : std::span<const int64_t>();
  constexpr ReduceKind kind = kMax ? ReduceKind::ArgMax : ReduceKind::ArgMin;
  const Layout layout(a.in[0].shape(), !attrs.axis, axis);
  if (a.in[0].dtype() == DType::Float32 && a.in[0].size() > 0) {
    const ReduceKernel& k = kernel_for(kind, DType::Float32);
    const auto rows = [&](const float* x, int32_t* y, int64_t count, int64_t n) {
      float extreme[kTileColumns];  // not asked for
      for (int64_t r = 0; r < count; r += kTileColumns)
        k.rows(x + r * n, std::min(kTileColumns, count - r), n, 0, extreme, y + r);
    };
    const auto cols = [&](const float* x, int32_t* y, int64_t count, int64_t stride, int64_t m) {
      float extreme[kTileColumns];
      k.cols(x, count, stride, m, 0, extreme, y);
    };
    if (reduce_whole<float, int32_t>(a, layout, 0.3, rows, cols)) return;
  }
  reduce_to(a, kind, layout, 0, 0.2, [&](std::byte*, std::byte* pb, int64_t at, int64_t n) {
    if (pb) std::copy_n(reinterpret_cast<const int32_t*>(pb), n, a.out[0].mutable_data<int32_t>() + at);
  });
}

template <bool kRoot>
void variance_kernel(const KernelArgs& a) {
  const Tensor& out = a.out[0];
  const double count = out.size() ? static_cast<double>(a.in[0].size() / out.size()) : 0;
  const Layout layout(a.in[0].shape(), a.as<ReduceAttrs>().axis);
  if (a.in[0].size() > 0) {
    const auto whole = [&]<class T>(const VarianceKernels<T>& k) {
      return reduce_whole<T, T>(
          a, layout, 0.05 * sizeof(T), [&](auto... rest) { k.rows(rest..., kRoot); },
          [&](auto... rest) { k.cols(rest..., kRoot); });
    };
    if (out.dtype() == DType::Float32 && whole(reduce_table().var_f32)) return;
    if (out.dtype() == DType::Float64 && whole(reduce_table().var_f64)) return;
  }
  reduce_to(a, ReduceKind::Moments, layout, kNan, 0.2, [&](std::byte*, std::byte* pb, int64_t at, int64_t n) {
    const double* m2 = reinterpret_cast<const double*>(pb);
    if (out.dtype() == DType::Float32)
      return reduce_table().variance(m2, count, kRoot, out.mutable_data<float>() + at, n);
    visit_dtype(out.dtype(), [&]<class T>() {
      T* y = out.mutable_data<T>() + at;
      for (int64_t i = 0; i < n; ++i) {
        const double v = m2[i] / count;
        y[i] = store_as<T>(kRoot ? std::sqrt(v) : v);
      }
    });
  });
}

void logsumexp_kernel(const KernelArgs& a) {
  const Tensor &x = a.in[0], &out = a.out[0];
  if (out.size() == 0) return;
  if (x.size() == 0) return fill_identity(out, -kInf);
  const LogsumexpTable& t = logsumexp_table();
  const Layout layout(x.shape(), a.as<ReduceAttrs>().axis);
  const auto whole = [&]<class T>(const LogsumexpKernels<T>& k) {
    return reduce_whole<T, T>(a, layout, 0.25 * sizeof(T), k.whole_rows, k.whole_cols);
  };
  if (x.dtype() == DType::Float32 && whole(t.f32)) return;
  if (x.dtype() == DType::Float64 && whole(t.f64)) return;
  const bool wide = x.dtype() == DType::Float64;
  const ReduceKernel k{wide ? t.f64.rows : t.f32.rows, wide ? t.f64.cols : t.f32.cols, t.merge, 8, 8};
  const Reduction r(k, x, layout, ReduceKind::Moments, static_cast<double>(x.size()) * (wide ? 2 : 1));
  r.finished([&](std::byte* pa, std::byte* pb, int64_t at, int64_t n) {
    double *peak = reinterpret_cast<double*>(pa), *total = reinterpret_cast<double*>(pb);
    t.finish(peak, total, total, n);
    visit_dtype(out.dtype(), [&]<class T>() {
      T* y = out.mutable_data<T>() + at;
      for (int64_t i = 0; i < n; ++i) y[i] = store_as<T>(total[i]);
    });
  });
}

}  // namespace

void register_scan_kernels();
void register_softmax_kernels();

void register_reduce_kernels() {
  const auto cpu = [](const char* op, KernelFn fn) { define_kernel(op, DeviceType::CPU, fn); };
  cpu("sum", plain_kernel<ReduceKind::Sum>);
  cpu("sum_squares", plain_kernel<ReduceKind::Squares>);
  cpu("sum_magnitudes", plain_kernel<ReduceKind::Magnitudes>);
  cpu("reduce_prod", plain_kernel<ReduceKind::Prod>);
  cpu("any", plain_kernel<ReduceKind::Any>);
  cpu("all", plain_kernel<ReduceKind::All>);
  cpu("count_nonzero", count_kernel);
  cpu("mean", mean_kernel);
  cpu("root_sum_squares", root_sum_squares_kernel);
  cpu("max", extreme_kernel<true>);
  cpu("min", extreme_kernel<false>);
  cpu("argmax", arg_kernel<true>);
  cpu("argmin", arg_kernel<false>);
  cpu("var", variance_kernel<false>);
  cpu("std", variance_kernel<true>);
  cpu("logsumexp", logsumexp_kernel);
  register_scan_kernels();
  register_softmax_kernels();
}

}  // namespace tahr
