// Cross-entropies of logits, and their gradients: a group of threads takes a row (rows.h). Floor: the bytes of logits,
// dense labels and gradients, once each.
//
//
// A label that is no class is reported (fault.h): the error comes with the next read. Losses and gradients of such rows
// are NaN, or 0 where a dtype has no NaN.
#include "cuda/copy.h"
#include "cuda/fault.h"
#include "cuda/rows.h"
#include "ops/loss.h"

namespace tahr::cuda {
namespace {

struct Labels {
  const void* data;
  DType type;
  int64_t classes;
  Fault* fault;
  const char* op;
  Labels(const Tensor& t, int64_t n, const char* op_)
      : data(t.raw()), type(t.dtype()), classes(n), fault(cuda::fault()), op(op_) {}
  // -1: not one of the classes.
  __device__ int64_t at(int64_t i) const {
    int64_t v = -1;
    with_type(type, [&]<class L>() {
      if constexpr (std::is_integral_v<L>) v = static_cast<int64_t>(static_cast<const L*>(data)[i]);
    });
    if (v >= 0 && v < classes) return v;
    report(fault, FaultKind::Label, op, static_cast<int>(i), v, classes);
    return -1;
  }
};

template <class C>
struct PeakTotal {
  C peak;
  double total;  // Σ exp(x - peak)
};
// Reads a row; with kExp, what it keeps is then exp(x - peak).
template <bool kExp, class T, class C>
__device__ __forceinline__ PeakTotal<C> peak_and_total(const Row<T>& row) {
  constexpr int V = kPack<T>;
  C peak = -std::numeric_limits<C>::infinity();
  row.first([&](int64_t, C(&v)[V], int) {
    TAHR_UNROLL
    for (int u = 0; u < V; ++u) peak = Max<C>{}.combine(peak, v[u]);
  });
  peak = combine_group(Max<C>{}, peak, row.group);
  double total = 0;
  row.again([&](int64_t i, C(&v)[V], int at) {
    C sum = 0;
    TAHR_UNROLL
    for (int u = 0; u < V; ++u) {
      const C e = i + u < row.n ? exp(v[u] - peak) : C(0);
      sum += e;
      if (kExp) v[u] = e;
    }
    if (kExp && row.kept) row.put(at, v);
    total += static_cast<double>(sum);
  });
  return {peak, combine_group(Add<double>{}, total, row.group)};
}

// loss = log(total) - (x[label] - peak)
template <class T>
__global__ void sparse_kernel(const T* x, Labels labels, T* loss, RowPlan p) {
  using C = Compute<T>;
  TAHR_DYNAMIC_SHARED(C, shared);
  each_row(p, [&](int64_t r) {
    const Row<T> row(p, x, r, shared, -std::numeric_limits<C>::infinity());
    const auto [peak, total] = peak_and_total<false, T, C>(row);
    if (row.lane != 0 || r >= p.rows) return;
    const int64_t label = labels.at(r);
    const C own = label < 0 ? std::numeric_limits<C>::quiet_NaN() : convert<C>(x[r * p.n + label]);
    loss[r] = convert<T>(static_cast<C>(log(total)) - (own - peak));
  });
}

// dx = (softmax(x) - onehot(label)) dy
template <class T>
__global__ void sparse_grad_kernel(const T* x, Labels labels, const T* dy, T* dx, RowPlan p) {
  using C = Compute<T>;
  TAHR_DYNAMIC_SHARED(C, shared);
  constexpr int V = kPack<T>;
  each_row(p, [&](int64_t r) {
    const Row<T> row(p, x, r, shared, -std::numeric_limits<C>::infinity());
    const auto [peak, total] = peak_and_total<true, T, C>(row);
    if (r >= p.rows) return;
    const int64_t label = labels.at(r);
    const C d = label < 0 ? std::numeric_limits<C>::quiet_NaN() : convert<C>(dy[r]);
    const C scale = static_cast<C>(static_cast<double>(d) / total);
    row.again([&](int64_t i, C(&v)[V], int) {
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) {
        v[u] = (row.kept ? v[u] : exp(v[u] - peak)) * scale;
        if (i + u == label) v[u] -= d;
      }
      store_line(dx + r * p.n, i, p.n, p.packed, v);
    });
  });
}

// loss = Σ t (log(total) - (x - peak))
template <class T>
__global__ void dense_kernel(const T* x, const T* t, T* loss, RowPlan p) {
  using C = Compute<T>;
  TAHR_DYNAMIC_SHARED(C, shared);
  constexpr int V = kPack<T>;
  each_row(p, [&](int64_t r) {
    const Row<T> row(p, x, r, shared, -std::numeric_limits<C>::infinity());
    const auto pt = peak_and_total<false, T, C>(row);
    const C log_total = static_cast<C>(log(pt.total));
    double sum = 0;
    row.again([&](int64_t i, C(&v)[V], int) {
      C target[V], part = 0;
      load_line(t + r * p.n, i, row.n, p.packed, C(0), target);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u)
        if (i + u < row.n) part += target[u] * (log_total - (v[u] - pt.peak));
      sum += static_cast<double>(part);
    });
    sum = combine_group(Add<double>{}, sum, p.group);
    if (row.lane == 0 && r < p.rows) loss[r] = convert<T>(static_cast<C>(sum));
  });
}

// dx = (softmax(x) Σ t - t) dy
template <class T>
__global__ void dense_grad_kernel(const T* x, const T* t, const T* dy, T* dx, RowPlan p) {
  using C = Compute<T>;
  TAHR_DYNAMIC_SHARED(C, shared);
  constexpr int V = kPack<T>;
  each_row(p, [&](int64_t r) {
    const Row<T> row(p, x, r, shared, -std::numeric_limits<C>::infinity());
    const auto pt = peak_and_total<true, T, C>(row);
    double sum = 0;
    row.again([&](int64_t i, C(&)[V], int) {
      C target[V], part = 0;
      load_line(t + r * p.n, i, row.n, p.packed, C(0), target);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) part += target[u];
      sum += static_cast<double>(part);
    });
    sum = combine_group(Add<double>{}, sum, p.group);
    if (r >= p.rows) return;
    const C scale = static_cast<C>(sum / pt.total), d = convert<C>(dy[r]);
    row.again([&](int64_t i, C(&v)[V], int) {
      C target[V];
      load_line(t + r * p.n, i, row.n, p.packed, C(0), target);
      TAHR_UNROLL
      for (int u = 0; u < V; ++u) v[u] = ((row.kept ? v[u] : exp(v[u] - pt.peak)) * scale - target[u]) * d;
      store_line(dx + r * p.n, i, p.n, p.packed, v);
    });
  });
}

// loss = max(x, 0) - x t + log(1 + exp(-|x|)); with dy, its gradient (sigmoid(x) - t) dy
template <class T>
__global__ void sigmoid_kernel(const T* x, const T* t, const T* dy, T* y, int64_t n, bool packed) {
  using C = Compute<T>;
  constexpr int V = kPack<T>;
  for (int64_t i = grid_index() * V; i < n; i += grid_size() * V) {
    C v[V], target[V], d[V];
    load_line(x, i, n, packed, C(0), v);
    load_line(t, i, n, packed, C(0), target);
    if (dy) load_line(dy, i, n, packed, C(0), d);
    TAHR_UNROLL
    for (int u = 0; u < V; ++u) {
      const C e = exp(-fabs(v[u]));
      if (dy) v[u] = ((v[u] < 0 ? e : C(1)) / (1 + e) - target[u]) * d[u];
      else v[u] = (v[u] < 0 ? C(0) : v[u]) - v[u] * target[u] + log1p(e);
    }
    store_line(y, i, n, packed, v);
  }
}

// y[i] = x[i, label[i]], on elements of a size; `none` stands in for labels that are no class.
template <class T>
__global__ void pick_kernel(const T* x, Labels labels, T* y, int64_t rows, T none) {
  for (int64_t r = grid_index(); r < rows; r += grid_size()) {
    const int64_t label = labels.at(r);
    y[r] = label < 0 ? none : x[r * labels.classes + label];
  }
}

// y[i, label[i]] = x[i], 0 elsewhere
template <class T>
__global__ void spread_kernel(const T* x, Labels labels, T* y, int64_t n, T none) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) {
    const int64_t r = i / labels.classes, label = labels.at(r);
    y[i] = label < 0 ? none : i - r * labels.classes == label ? x[r] : T(0);
  }
}

// ---- the ops ----

template <class T>
RowPlan plan_of(const Tensor& x, const Tensor& dense, const Tensor& dx, int64_t rows) {
  const auto at_16 = [](const Tensor& t) { return !t.defined() || is_aligned(t.raw()); };
  return RowPlan::of<T>(rows, x.shape().back(), at_16(x) && at_16(dense) && at_16(dx));
}

void sparse(const KernelArgs& a) {
  const Tensor &x = a.in[0], &loss = a.out[0];
  if (loss.size() == 0) return;
  const Labels labels(a.in[1], x.shape().back(), "sparse_softmax_cross_entropy");
  visit_float(x.dtype(), [&]<class T>() {
    const RowPlan p = plan_of<T>(x, {}, {}, loss.size());
    launch(sparse_kernel<T>, p.grid, dim3(kBlock), p.shared, x.data<T>(), labels, loss.mutable_data<T>(), p);
  });
}

void sparse_grad(const KernelArgs& a) {
  const Tensor &x = a.in[0], &dy = a.in[2], &dx = a.out[0];
  if (dx.size() == 0) return;
  const Labels labels(a.in[1], x.shape().back(), "sparse_softmax_cross_entropy");
  visit_float(x.dtype(), [&]<class T>() {
    const RowPlan p = plan_of<T>(x, {}, dx, dy.size());
    launch(sparse_grad_kernel<T>, p.grid, dim3(kBlock), p.shared, x.data<T>(), labels, dy.data<T>(),
           dx.mutable_data<T>(), p);
  });
}

void dense(const KernelArgs& a) {
  const Tensor &x = a.in[0], &t = a.in[1], &loss = a.out[0];
  if (x.size() == 0) return fill(loss, 0);
  visit_float(x.dtype(), [&]<class T>() {
    const RowPlan p = plan_of<T>(x, t, {}, loss.size());
    launch(dense_kernel<T>, p.grid, dim3(kBlock), p.shared, x.data<T>(), t.data<T>(), loss.mutable_data<T>(), p);
  });
}

void dense_grad(const KernelArgs& a) {
  const Tensor &x = a.in[0], &t = a.in[1], &dy = a.in[2], &dx = a.out[0];
  if (dx.size() == 0) return;
  visit_float(x.dtype(), [&]<class T>() {
    const RowPlan p = plan_of<T>(x, t, dx, dy.size());
    launch(dense_grad_kernel<T>, p.grid, dim3(kBlock), p.shared, x.data<T>(), t.data<T>(), dy.data<T>(),
           dx.mutable_data<T>(), p);
  });
}

void sigmoid(const KernelArgs& a) {
  const Tensor &x = a.in[0], &t = a.in[1], &y = a.out[0];
  const bool gradient = a.in.size() > 2;
  if (y.size() == 0) return;
  visit_float(x.dtype(), [&]<class T>() {
    const T* dy = gradient ? a.in[2].data<T>() : nullptr;
    const bool packed = is_aligned(x.raw()) && is_aligned(t.raw()) && is_aligned(dy) && is_aligned(y.raw());
    launch(sigmoid_kernel<T>, grid_for(y.size(), kPack<T>), dim3(kBlock), 0, x.data<T>(), t.data<T>(), dy,
           y.mutable_data<T>(), y.size(), packed);
  });
}

// Calls f.operator()<T>(none) with an unsigned type of the dtype's size and the bits of its NaN, or 0.
template <class F>
void with_bits(DType d, F&& f) {
  switch (d) {
    case DType::Float16: return f(uint16_t{0x7e00});
    case DType::BFloat16: return f(uint16_t{0x7fc0});
    case DType::Float32: return f(uint32_t{0x7fc00000});
    case DType::Float64: return f(uint64_t{0x7ff8000000000000});
    default: break;
  }
  switch (size_of(d)) {
    case 1: return f(uint8_t{0});
    case 2: return f(uint16_t{0});
    case 4: return f(uint32_t{0});
    default: return f(uint64_t{0});
  }
}

void pick(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  if (y.size() == 0) return;
  const Labels labels(a.in[1], x.shape().back(), "sparse_categorical_crossentropy");
  with_bits(x.dtype(), [&]<class T>(T none) {
    launch(pick_kernel<T>, grid_for(y.size()), dim3(kBlock), 0, static_cast<const T*>(x.raw()), labels,
           static_cast<T*>(y.mutable_raw()), y.size(), none);
  });
}

void spread(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  if (y.size() == 0) return;
  const Labels labels(a.in[1], a.as<SpreadLabelsAttrs>().classes, "sparse_categorical_crossentropy");
  with_bits(x.dtype(), [&]<class T>(T none) {
    launch(spread_kernel<T>, grid_for(y.size(), 4), dim3(kBlock), 0, static_cast<const T*>(x.raw()), labels,
           static_cast<T*>(y.mutable_raw()), y.size(), none);
  });
}

}  // namespace

void register_loss() {
  define("sparse_softmax_cross_entropy", sparse);
  define("sparse_softmax_cross_entropy_grad", sparse_grad);
  define("softmax_cross_entropy", dense);
  define("softmax_cross_entropy_grad", dense_grad);
  define("sigmoid_cross_entropy", sigmoid);
  define("sigmoid_cross_entropy_grad", sigmoid);
  define("pick_labels", pick);
  define("spread_labels", spread);
}

}  // namespace tahr::cuda
