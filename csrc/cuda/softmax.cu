// Softmax, its logarithm and their gradients.
//
// Along the last axis a group of threads takes a row (rows.h): maximum, sum, result. Floor: the bytes of inputs and
// output, once each; rows longer than shared memory are read three times. Along other axes the tensor is walked as by a
// reduction (walk.h), each input read three times (gradients: twice), mostly from the second-level cache.
#include "cuda/rows.h"
#include "cuda/walk.h"
#include "ops/reduce.h"

namespace tahr::cuda {
namespace {

// y = exp(x - max) / Σ exp(x - max), or its logarithm.
template <class T>
__global__ void softmax_rows_kernel(const T* x, T* y, RowPlan p, bool logarithm) {
  using C = Compute<T>;
  TAHR_DYNAMIC_SHARED(C, shared);
  constexpr int V = kPack<T>;
  constexpr C kLowest = -std::numeric_limits<C>::infinity();
  each_row(p, [&](int64_t r) {
    const Row<T> row(p, x, r, shared, kLowest);
    C peak = kLowest;
    row.first([&](int64_t, C(&v)[V], int) {
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) peak = Max<C>{}.combine(peak, v[u]);
    });
    peak = combine_group(Max<C>{}, peak, p.group);
    double total = 0;
    row.again([&](int64_t i, C(&v)[V], int at) {
      C sum = 0;
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) {
        const C e = i + u < row.n ? exp(v[u] - peak) : C(0);
        sum += e;
        if (!logarithm) v[u] = e;
      }
      if (row.kept && !logarithm) row.put(at, v);
      total += static_cast<double>(sum);
    });
    total = combine_group(Add<double>{}, total, p.group);
    const C scale = static_cast<C>(1 / total), log_total = static_cast<C>(log(total));
    row.again([&](int64_t i, C(&v)[V], int) {
      TAHR_UNROLL
      for (int u = 0; u < V; ++u)
        v[u] = logarithm ? v[u] - peak - log_total : (row.kept ? v[u] : exp(v[u] - peak)) * scale;
      store_line(y + r * p.n, i, p.n, p.packed, v);
    });
  });
}

// dx = y (dy - Σ y dy); for the logarithm dx = dy - exp(y) Σ dy.
template <class T>
__global__ void softmax_grad_rows_kernel(const T* y, const T* dy, T* dx, RowPlan p, bool logarithm) {
  using C = Compute<T>;
  TAHR_DYNAMIC_SHARED(C, shared);
  constexpr int V = kPack<T>;
  each_row(p, [&](int64_t r) {
    const Row<T> row(p, dy, r, shared, C(0));
    double total = 0;
    row.first([&](int64_t i, C(&d)[V], int) {
      C sum = 0, v[V];
      if (!logarithm) load_line(y + r * p.n, i, row.n, p.packed, C(0), v);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) sum += logarithm ? d[u] : v[u] * d[u];
      total += static_cast<double>(sum);
    });
    const C dot = static_cast<C>(combine_group(Add<double>{}, total, p.group));
    row.again([&](int64_t i, C(&d)[V], int) {
      C v[V];
      load_line(y + r * p.n, i, row.n, p.packed, C(0), v);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) v[u] = logarithm ? d[u] - exp(v[u]) * dot : v[u] * (d[u] - dot);
      store_line(dx + r * p.n, i, p.n, p.packed, v);
    });
  });
}

// ---- any axes ----

// Calls body(place of the first element, reduce) for the outputs of this thread, all threads of the block alike;
// reduce(op, value) combines the values of the threads that share an output. Outputs that there are not: place -1.
template <class F>
__device__ __forceinline__ void each_output(const Walk& w, F&& body) {
  const Layout& l = w.l;
  const int t = static_cast<int>(threadIdx.x);
  for (int64_t tile = blockIdx.x; tile < w.tiles; tile += gridDim.x) {
    const int64_t output = w.output(tile, t);
    body(output < w.outputs ? first_place(l, output) : -1, [&](const auto& op, auto v) {
      if (!l.columns) return combine_group(op, v, w.group);
      return w.group <= 32 ? combine_block(op, v, w.group) : v;
    });
  }
}

// Calls body(place) for the elements of this thread's part of an output.
template <class F>
__device__ __forceinline__ void each_element(const Walk& w, int64_t first, F&& body) {
  if (first < 0) return;
  for (int64_t e = w.lane(threadIdx.x); e < w.length; e += w.lanes()) body(first + place(w.l, e));
}

template <class T>
__global__ void softmax_kernel(const T* x, T* y, Walk w, bool logarithm) {
  using C = Compute<T>;
  each_output(w, [&](int64_t first, auto&& reduce) {
    C peak = -std::numeric_limits<C>::infinity();
    each_element(w, first, [&](int64_t i) { peak = Max<C>{}.combine(peak, convert<C>(x[i])); });
    peak = reduce(Max<C>{}, peak);
    double total = 0;
    each_element(w, first, [&](int64_t i) { total += static_cast<double>(exp(convert<C>(x[i]) - peak)); });
    total = reduce(Add<double>{}, total);
    const C scale = static_cast<C>(1 / total), log_total = static_cast<C>(log(total));
    each_element(w, first, [&](int64_t i) {
      const C d = convert<C>(x[i]) - peak;
      y[i] = convert<T>(logarithm ? d - log_total : exp(d) * scale);
    });
  });
}

template <class T>
__global__ void softmax_grad_kernel(const T* y, const T* dy, T* dx, Walk w, bool logarithm) {
  using C = Compute<T>;
  each_output(w, [&](int64_t first, auto&& reduce) {
    double total = 0;
    each_element(w, first, [&](int64_t i) {
      const C d = convert<C>(dy[i]);
      total += static_cast<double>(logarithm ? d : convert<C>(y[i]) * d);
    });
    const C dot = static_cast<C>(reduce(Add<double>{}, total));
    each_element(w, first, [&](int64_t i) {
      const C v = convert<C>(y[i]), d = convert<C>(dy[i]);
      dx[i] = convert<T>(logarithm ? d - exp(v) * dot : v * (d - dot));
    });
  });
}

void softmax(const KernelArgs& a, bool gradient, bool logarithm) {
  const Tensor& out = a.out[0];
  if (out.size() == 0) return;
  const Layout l(out.shape(), a.as<SoftmaxAttrs>().axis);
  const bool dense = !l.columns && l.reduced_axes == 0;
  visit_float(out.dtype(), [&]<class T>() {
    const T *in0 = a.in[0].data<T>(), *in1 = gradient ? a.in[1].data<T>() : nullptr;
    T* y = out.mutable_data<T>();
    if (dense) {
      const auto p =
          RowPlan::of<T>(l.outputs() * l.kept_count, l.n, is_aligned(in0) && is_aligned(in1) && is_aligned(y));
      if (gradient) launch(softmax_grad_rows_kernel<T>, p.grid, dim3(kBlock), p.shared, in0, in1, y, p, logarithm);
      else launch(softmax_rows_kernel<T>, p.grid, dim3(kBlock), p.shared, in0, y, p, logarithm);
      return;
    }
    const Walk w(l, nullptr, 1, false);
    const dim3 grid(static_cast<unsigned>(std::min(w.tiles, kMostBlocks)));
    if (gradient) launch(softmax_grad_kernel<T>, grid, dim3(kBlock), 0, in0, in1, y, w, logarithm);
    else launch(softmax_kernel<T>, grid, dim3(kBlock), 0, in0, y, w, logarithm);
  });
}

}  // namespace

void register_softmax() {
  define("softmax", [](const KernelArgs& a) { softmax(a, false, false); });
  define("log_softmax", [](const KernelArgs& a) { softmax(a, false, true); });
  define("softmax_grad", [](const KernelArgs& a) { softmax(a, true, false); });
  define("log_softmax_grad", [](const KernelArgs& a) { softmax(a, true, true); });
}

}  // namespace tahr::cuda
