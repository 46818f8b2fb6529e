// Kernels that write by index: gradients of the gathers, scatter, scatter_update, segment reductions.
// Every place of the result is owned by one chunk, which meets the values in the order of the indices: the same bits at
// any thread count.
#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "core/parallel.h"
#include "cpu/array_copy.h"
#include "cpu/array_index.h"
#include "cpu/gemm_table.h"
#include "ops/array_attrs.h"

namespace tahr {
namespace {

using cpu::checked_indices;

constexpr int64_t kWideRow = 8;  // from here on a row is worth a call

enum class Reduce { Assign, Add, Mul, Max, Min };

template <Reduce R, class A>
void combine(A& to, A v) {
  if constexpr (R == Reduce::Assign) to = v;
  if constexpr (R == Reduce::Add) to = static_cast<A>(to + v);
  if constexpr (R == Reduce::Mul) to = static_cast<A>(to * v);
  if constexpr (R == Reduce::Max) to = v > to || v != v ? v : to;
  if constexpr (R == Reduce::Min) to = v < to || v != v ? v : to;
}

// out[o, rows[j], :] op= values[o, j, :]; a row of -1 is skipped.
template <Reduce R, class A, class T>
void scatter_lines(A* out, const T* values, int64_t outer, int64_t n, int64_t inner, std::span<const int64_t> rows) {
  const auto m = static_cast<int64_t>(rows.size());
  // Each part of the rows scans all indices, which pays only for wide rows.
  const int64_t parts = inner >= 8 ? std::clamp<int64_t>(m * inner / 16384, 1, std::min<int64_t>(16, n)) : 1;
  const int64_t height = (n + parts - 1) / std::max<int64_t>(parts, 1);
  parallel_for(outer * parts, 1, static_cast<double>(outer * m) * (1.0 + 0.5 * static_cast<double>(inner)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t c = begin; c < end; ++c) {
                   const int64_t o = c / parts, low = c % parts * height, high = std::min(n, low + height);
                   for (int64_t j = 0; j < m; ++j) {
                     if (rows[j] < low || rows[j] >= high) continue;
                     A* to = out + (o * n + rows[j]) * inner;
                     const T* v = values + (o * m + j) * inner;
                     for (int64_t i = 0; i < inner; ++i) combine<R>(to[i], static_cast<A>(load_as(v[i])));
                   }
                 }
               });
}

// out[o, r, :] = the sum of values[o, j, :] over all j with rows[j] = r, in the order of j. The rows of the result are
// cut into parts that stay in L2; the indices are sorted by part first, so that each part reads its own only.
template <class T>
void sum_lines(T* out, const T* values, int64_t outer, int64_t n, int64_t inner, std::span<const int64_t> rows) {
  constexpr int64_t kPartBytes = 128 << 10, kAhead = 8;
  const auto m = static_cast<int64_t>(rows.size());
  int shift = 0;
  while ((int64_t{1} << shift) * inner * static_cast<int64_t>(sizeof(T)) < kPartBytes && (int64_t{1} << shift) < n) {
    ++shift;
  }
  const int64_t parts = ((n - 1) >> shift) + 1;
  const Scratch starts_room(static_cast<size_t>(parts + 2) * sizeof(int64_t)), order_room(m * sizeof(int64_t));
  int64_t* order = order_room.as<int64_t>();
  int64_t* starts = starts_room.as<int64_t>() + 1;  // starts[p] moves from a part's first index to its end
  std::fill(starts - 1, starts + parts + 1, 0);
  for (const int64_t r : rows) ++starts[(r >> shift) + 1];
  for (int64_t p = 0; p < parts; ++p) starts[p + 1] += starts[p];
  for (int64_t j = 0; j < m; ++j) order[starts[rows[j] >> shift]++] = j;
  --starts;  // starts[p + 1] is now the end of part p
  const auto add = [] {
    if constexpr (std::is_same_v<T, float>) return gemm_table().f32.add_scaled;
    else return gemm_table().f64.add_scaled;
  }();
  const double cost = static_cast<double>(outer) * inner * sizeof(T) * (static_cast<double>(n) / 30 + m / 8.0);
  parallel_for(outer * parts, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const int64_t o = c / parts, p = c % parts;
      T* to = out + o * n * inner;
      const T* from = values + o * m * inner;
      const int64_t low = p << shift, high = std::min(n, (p + 1) << shift);
      std::memset(to + low * inner, 0, static_cast<size_t>((high - low) * inner) * sizeof(T));
      for (int64_t i = starts[p]; i < starts[p + 1]; ++i) {
        if (i + kAhead < starts[p + 1]) __builtin_prefetch(from + order[i + kAhead] * inner);
        add(to + rows[order[i]] * inner, from + order[i] * inner, inner, T{1});
      }
    }
  });
}

// scatter_lines for a tensor: the halves accumulate in float.
template <Reduce R>
void scatter_rows(const Tensor& out, const Tensor& values, int64_t outer, int64_t n, int64_t inner,
                  std::span<const int64_t> rows) {
  visit_dtype(out.dtype(), [&]<class T>() {
    T* y = out.mutable_data<T>();
    if constexpr (std::is_same_v<T, Compute<T>>) {
      scatter_lines<R>(y, values.data<T>(), outer, n, inner, rows);
    } else {
      std::vector<float> wide(static_cast<size_t>(out.size()));
      for (size_t i = 0; i < wide.size(); ++i) wide[i] = load_as(y[i]);
      scatter_lines<R>(wide.data(), values.data<T>(), outer, n, inner, rows);
      for (size_t i = 0; i < wide.size(); ++i) y[i] = store_as<T>(wide[i]);
    }
  });
}

void fill(const Tensor& t, double value) {
  cpu::fill_elements(t.mutable_raw(), t.size(), cpu::bits_of(value, t.dtype()), size_of(t.dtype()));
}

void take_grad(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  const auto& axis = a.as<TakeGradAttrs>().axis;
  const AxisView v = axis ? view_axis(y.shape(), normalize_axis(*axis, y.rank(), "take")) : AxisView{1, y.size(), 1};
  const cpu::Indices rows = checked_indices(a.in[1], v.n, "take");
  if (v.inner >= kWideRow && v.n > 0 && (y.dtype() == DType::Float32 || y.dtype() == DType::Float64)) {
    const auto run = [&]<class T>() {
      sum_lines(y.mutable_data<T>(), a.in[0].data<T>(), v.outer, v.n, v.inner, std::span<const int64_t>(rows));
    };
    return y.dtype() == DType::Float32 ? run.template operator()<float>() : run.template operator()<double>();
  }
  fill(y, 0);
  scatter_rows<Reduce::Add>(y, a.in[0], v.outer, v.n, v.inner, rows);
}

// y[o, indices[o, j, i], i] += dy[o, j, i]
void gather_axis_grad(const KernelArgs& a) {
  const Tensor &dy = a.in[0], &y = a.out[0];
  const int axis = static_cast<int>(a.as<GatherAxisGradAttrs>().axis);
  const AxisView v = view_axis(y.shape(), axis);
  const int64_t m = dy.dim(axis);
  const cpu::Indices index = checked_indices(a.in[1], v.n, "take_along_axis");
  fill(y, 0);
  visit_dtype(y.dtype(), [&]<class T>() {
    using A = Compute<T>;
    const T* from = dy.data<T>();
    T* to = y.mutable_data<T>();
    const int64_t block = v.n * v.inner;
    parallel_for(v.outer, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, m * v.inner)), dy.size() * 2.0,
                 [&](int64_t begin, int64_t end) {
                   std::vector<A> sums(std::is_same_v<T, A> ? 0 : static_cast<size_t>(block));
                   for (int64_t o = begin; o < end; ++o) {
                     A* line;
                     if constexpr (std::is_same_v<T, A>) {
                       line = to + o * block;
                     } else {
                       std::fill(sums.begin(), sums.end(), A{0});
                       line = sums.data();
                     }
                     for (int64_t j = 0; j < m; ++j) {
                       for (int64_t i = 0; i < v.inner; ++i) {
                         const int64_t at = (o * m + j) * v.inner + i;
                         combine<Reduce::Add>(line[index[at] * v.inner + i], static_cast<A>(load_as(from[at])));
                       }
                     }
                     if constexpr (!std::is_same_v<T, A>) {
                       for (int64_t i = 0; i < block; ++i) to[o * block + i] = store_as<T>(sums[i]);
                     }
                   }
                 });
  });
}

int64_t rest_of(std::span<const int64_t> rows, const Tensor& values) {
  return rows.empty() ? 1 : values.size() / static_cast<int64_t>(rows.size());
}

void scatter(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  fill(y, 0);
  const cpu::Indices rows = cpu::checked_coordinates(a.in[0], y.shape(), "scatter");
  const int64_t inner = rest_of(rows, a.in[1]);
  if (inner > 0) scatter_rows<Reduce::Add>(y, a.in[1], 1, y.size() / inner, inner, rows);
}

void scatter_update(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  std::memcpy(y.mutable_raw(), a.in[0].raw(), y.nbytes());
  const cpu::Indices rows = cpu::checked_coordinates(a.in[1], y.shape(), "scatter_update");
  const int64_t inner = rest_of(rows, a.in[2]);
  if (inner == 0) return;
  const std::string& r = a.as<ScatterUpdateAttrs>().reduction;
  const auto run = r.empty()    ? scatter_rows<Reduce::Assign>
                   : r == "add" ? scatter_rows<Reduce::Add>
                   : r == "mul" ? scatter_rows<Reduce::Mul>
                   : r == "max" ? scatter_rows<Reduce::Max>
                                : scatter_rows<Reduce::Min>;
  run(y, a.in[2], 1, y.size() / inner, inner, rows);
}

void scatter_last(const KernelArgs& a) {
  const Shape whole{std::span<const int64_t>(a.as<ShapeAttrs>().shape)};
  const cpu::Indices rows = cpu::checked_coordinates(a.in[0], whole, "scatter_update");
  std::vector<bool> seen(static_cast<size_t>(rows.empty() ? 0 : *std::max_element(rows.begin(), rows.end()) + 1));
  bool* y = a.out[0].mutable_data<bool>();
  for (size_t i = rows.size(); i-- > 0;) {
    y[i] = !seen[rows[i]];
    seen[rows[i]] = true;
  }
}

// The neutral element of a reduction: what an empty segment holds.
template <Reduce R>
double neutral() {
  if (R == Reduce::Add) return 0;
  if (R == Reduce::Mul) return 1;
  constexpr double inf = std::numeric_limits<double>::infinity();
  return R == Reduce::Max ? -inf : inf;
}

template <Reduce R>
void segment(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  if (is_float(y.dtype()) || R == Reduce::Add || R == Reduce::Mul) {
    fill(y, neutral<R>());
  } else {
    visit_dtype(y.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        using L = std::numeric_limits<T>;
        std::fill_n(y.mutable_data<T>(), y.size(), R == Reduce::Max ? L::lowest() : L::max());
      }
    });
  }
  Ints rows = ints_of(a.in[1]);
  const int64_t n = y.dim(0);
  for (int64_t& r : rows) {
    if (r >= n) {
      throw_index("[segment_",
                  R == Reduce::Add   ? "sum"
                  : R == Reduce::Mul ? "prod"
                  : R == Reduce::Max ? "max"
                                     : "min",
                  "] expected segment_ids below num_segments=", n, ", received ", r, ".");
    }
    r = std::max<int64_t>(r, -1);
  }
  const int64_t inner = rows.empty() ? 1 : x.size() / static_cast<int64_t>(rows.size());
  if (inner > 0) scatter_rows<R>(y, x, 1, n, inner, rows);
}

}  // namespace

void register_array_scatter_kernels() {
  define_kernel("take_grad", DeviceType::CPU, take_grad);
  define_kernel("gather_axis_grad", DeviceType::CPU, gather_axis_grad);
  define_kernel("scatter", DeviceType::CPU, scatter);
  define_kernel("scatter_update", DeviceType::CPU, scatter_update);
  define_kernel("scatter_last", DeviceType::CPU, scatter_last);
  define_kernel("segment_sum", DeviceType::CPU, segment<Reduce::Add>);
  define_kernel("segment_prod", DeviceType::CPU, segment<Reduce::Mul>);
  define_kernel("segment_max", DeviceType::CPU, segment<Reduce::Max>);
  define_kernel("segment_min", DeviceType::CPU, segment<Reduce::Min>);
}

}  // namespace tahr
