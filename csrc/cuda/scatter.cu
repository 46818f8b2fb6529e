// What writes by index: the gradients of take (embedding) and take_along_axis, scatter, scatter_update, segment
// reductions.
//
// The rows are sorted (row_sort.h). A thread has a column of a row of the result that occurs among the indices, and
// meets its values in the order of the indices, as the CPU does: no atomics, and the CPU's bits for sums of float32 and
// float64. Rows that do not occur cost nothing beyond the result's fill. Floor: the values and the rows written, once.
// One row of very many values is a long chain of additions for its threads, which fetch ahead of it.
#include <cstring>
#include <limits>

#include "cuda/convert.h"
#include "cuda/copy.h"
#include "cuda/row_sort.h"

namespace tahr::cuda {
namespace {

enum class Reduce { Assign, Add, Mul, Max, Min };

template <Reduce R, class A>
__device__ __forceinline__ void combine(A& to, A v) {
  if constexpr (R == Reduce::Assign) to = v;
  if constexpr (R == Reduce::Add) to = static_cast<A>(to + v);
  if constexpr (R == Reduce::Mul) to = static_cast<A>(to * v);
  if constexpr (R == Reduce::Max) to = v > to || v != v ? v : to;
  if constexpr (R == Reduce::Min) to = v < to || v != v ? v : to;
}

constexpr int kAhead = 8;  // values of a row that are fetched together

// out[o, key[i], :] op= values[o, order[i], :]
template <Reduce R, class T, class I>
__global__ void combine_kernel(T* out, const T* values, const int64_t* key, const int64_t* order, Divider<I> lines,
                               int64_t n, Divider<I> columns, I total) {
  using A = Compute<T>;
  const int64_t m = lines.d, inner = columns.d;
  const I step = static_cast<I>(grid_size());
  for (I at = static_cast<I>(grid_index()); at < total; at += step) {
    I c, i;
    const I o = lines.divide(columns.divide(at, &c), &i);
    const int64_t row = key[i];
    if (row >= n || (i > 0 && key[i - 1] == row)) continue;  // left out, or another thread's
    T* to = out + (o * n + row) * inner + c;
    const T* from = values + o * m * inner + c;
    A sum = convert<A>(*to);
    int64_t j = i;
    for (; j + kAhead <= m && key[j + kAhead - 1] == row; j += kAhead) {
      A v[kAhead];
      TAHR_UNROLL
      for (int u = 0; u < kAhead; ++u) v[u] = convert<A>(from[order[j + u] * inner]);
      TAHR_UNROLL
      for (int u = 0; u < kAhead; ++u) combine<R>(sum, v[u]);
    }
    for (; j < m && key[j] == row; ++j) combine<R>(sum, convert<A>(from[order[j] * inner]));
    *to = convert<T>(sum);
  }
}

template <Reduce R>
void combine_rows(const Tensor& out, const Tensor& values, const SortedRows& s, int64_t outer, int64_t inner) {
  const int64_t total = outer * s.m * inner;
  if (total == 0) return;
  visit_dtype(out.dtype(), [&]<class T>() {
    with_index(total, [&]<class I>() {
      launch(combine_kernel<R, T, I>, grid_for(total), dim3(kBlock), 0, out.mutable_data<T>(), values.data<T>(), s.key,
             s.order, Divider<I>(s.m), s.n, Divider<I>(inner), static_cast<I>(total));
    });
  });
}

void take_grad(const KernelArgs& a) {
  const Tensor &dy = a.in[0], &y = a.out[0];
  const auto& axis = a.as<TakeGradAttrs>().axis;
  const AxisView v = axis ? view_axis(y.shape(), normalize_axis(*axis, y.rank(), "take")) : AxisView{1, y.size(), 1};
  fill_zero(y);
  if (dy.size() == 0) return;
  const SortedRows s(rows_of(a.in[1], v.n, "take"), a.in[1].size(), v.n);
  combine_rows<Reduce::Add>(y, dy, s, v.outer, v.inner);
}

// Elements of y are the rows, each of the indices naming one: y[o, indices[o, j, i], i] += dy[o, j, i].
__global__ void flat_rows_kernel(const __grid_constant__ Rows rows, int64_t* flat, int64_t inner, int64_t m, int64_t n,
                                 int64_t total) {
  for (int64_t at = grid_index(); at < total; at += grid_size()) {
    const int64_t row = rows(at);
    flat[at] = row < 0 ? -1 : (at / inner / m * n + row) * inner + at % inner;
  }
}

void gather_axis_grad(const KernelArgs& a) {
  const Tensor &dy = a.in[0], &y = a.out[0];
  fill_zero(y);
  if (dy.size() == 0) return;
  const int axis = static_cast<int>(a.as<GatherAxisGradAttrs>().axis);
  const AxisView v = view_axis(y.shape(), axis);
  const Scratch flat(static_cast<size_t>(dy.size()) * sizeof(int64_t));
  launch(flat_rows_kernel, grid_for(dy.size()), dim3(kBlock), 0, rows_of(a.in[1], v.n, "take_along_axis"),
         flat.as<int64_t>(), v.inner, dy.dim(axis), v.n, dy.size());
  const Rows elements{flat.as<int64_t>(), DType::Int64, 1, true, {y.size()}, "take_along_axis", fault()};
  const SortedRows s(elements, dy.size(), y.size());
  combine_rows<Reduce::Add>(y, dy, s, 1, 1);
}

template <class F>
void by_coordinates(const Tensor& y, const Tensor& indices, const Tensor& values, const char* op, F&& f) {
  if (values.size() == 0 || y.size() == 0) return;
  const int64_t points = points_of(indices), inner = values.size() / points;
  f(SortedRows(coordinates_of(indices, y.shape(), op), points, y.size() / inner), inner);
}

void scatter(const KernelArgs& a) {
  fill_zero(a.out[0]);
  by_coordinates(a.out[0], a.in[0], a.in[1], "scatter", [&](const SortedRows& s, int64_t inner) {
    combine_rows<Reduce::Add>(a.out[0], a.in[1], s, 1, inner);
  });
}

void scatter_update(const KernelArgs& a) {
  copy_all(a.out[0], a.in[0]);
  by_coordinates(a.out[0], a.in[1], a.in[2], "scatter_update", [&](const SortedRows& s, int64_t inner) {
    const std::string& r = a.as<ScatterUpdateAttrs>().reduction;
    const auto run = r.empty()    ? combine_rows<Reduce::Assign>
                     : r == "add" ? combine_rows<Reduce::Add>
                     : r == "mul" ? combine_rows<Reduce::Mul>
                     : r == "max" ? combine_rows<Reduce::Max>
                                  : combine_rows<Reduce::Min>;
    run(a.out[0], a.in[2], s, 1, inner);
  });
}

// y[i]: whether no later index names the same row
__global__ void last_kernel(bool* y, const int64_t* key, const int64_t* order, int64_t m) {
  for (int64_t i = grid_index(); i < m; i += grid_size()) y[order[i]] = i + 1 == m || key[i + 1] != key[i];
}

void scatter_last(const KernelArgs& a) {
  const Shape whole{std::span<const int64_t>(a.as<ShapeAttrs>().shape)};
  const int64_t points = a.out[0].size(), k = a.in[0].dim(-1);
  if (points == 0) return;
  int64_t n = 1;
  for (int d = 0; d < static_cast<int>(k); ++d) n *= whole[d];
  const SortedRows s(coordinates_of(a.in[0], whole, "scatter_update"), points, n);
  launch(last_kernel, grid_for(points), dim3(kBlock), 0, a.out[0].mutable_data<bool>(), s.key, s.order, points);
}

template <Reduce R>
void segment(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  constexpr double inf = std::numeric_limits<double>::infinity();
  // What an empty segment holds.
  if (R == Reduce::Add) fill_zero(y);
  else if (R == Reduce::Mul) fill(y, 1);
  else if (is_float(y.dtype())) fill(y, R == Reduce::Max ? -inf : inf);
  else {
    visit_dtype(y.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        using L = std::numeric_limits<T>;
        const T value = R == Reduce::Max ? L::lowest() : L::max();
        uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof value);
        fill_bits(y.mutable_raw(), y.size(), bits, sizeof(T));
      }
    });
  }
  const int64_t m = a.in[1].size();
  if (m == 0) return;
  const char* op = R == Reduce::Add   ? "segment_sum"
                   : R == Reduce::Mul ? "segment_prod"
                   : R == Reduce::Max ? "segment_max"
                                      : "segment_min";
  const SortedRows s(segments_of(a.in[1], y.dim(0), op), m, y.dim(0));
  combine_rows<R>(y, x, s, 1, x.size() / m);
}

}  // namespace

void register_scatter() {
  define("take_grad", take_grad);
  define("gather_axis_grad", gather_axis_grad);
  define("scatter", scatter);
  define("scatter_update", scatter_update);
  define("scatter_last", scatter_last);
  define("segment_sum", segment<Reduce::Add>);
  define("segment_prod", segment<Reduce::Mul>);
  define("segment_max", segment<Reduce::Max>);
  define("segment_min", segment<Reduce::Min>);
}

}  // namespace tahr::cuda
