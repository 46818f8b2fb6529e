// Softmax, log-softmax and their gradients on the CPU. The row kernels are in isa/softmax.cpp; rows that do not lie
// contiguously in memory are gathered a few at a time.
#include "core/parallel.h"
#include "cpu/reduce_layout.h"
#include "cpu/softmax_table.h"
#include "ops/reduce.h"

namespace tahr {
namespace {

constexpr int64_t kTileElements = 16384;
constexpr int64_t kGatherRows = 16;

// One output of the shape of the inputs; Fn is called as fn(in0, in1, out, rows, n) on dense rows of Compute<T>.
template <class T, class Fn>
void run_rows(const KernelArgs& a, const Axes& axes, Fn fn) {
  using C = Compute<T>;
  const Tensor& out = a.out[0];
  if (out.size() == 0) return;
  const Layout l(out.shape(), axes);
  const T* x0 = a.in[0].data<T>();
  const T* x1 = a.in.size() > 1 ? a.in[1].data<T>() : nullptr;
  T* y = out.mutable_data<T>();
  const int64_t length = l.length() * l.reduced_count, per_kept = l.outputs();
  const bool dense = !l.columns && l.reduced_axes == 0;
  const double cost_ns = static_cast<double>(out.size()) * sizeof(C) / 4;

  if constexpr (std::is_same_v<T, C>) {
    if (dense) {
      parallel_for(per_kept, std::max<int64_t>(1, kTileElements / length), cost_ns, [&](int64_t begin, int64_t end) {
        fn(x0 + begin * length, x1 ? x1 + begin * length : nullptr, y + begin * length, end - begin, length);
      });
      return;
    }
  }
  const int64_t tile = dense ? std::max<int64_t>(1, kTileElements / length) : std::min(kGatherRows, per_kept);
  const int64_t tiles = (per_kept + tile - 1) / tile;
  parallel_for(l.kept_count * tiles, 1, cost_ns, [&](int64_t item, int64_t) {
    const int64_t begin = item % tiles * tile, count = std::min(tile, per_kept - begin);
    const int64_t base = Layout::offset(l.kept, l.kept_axes, item / tiles);
    const Scratch scratch(3 * count * length * sizeof(C));
    C* rows0 = reinterpret_cast<C*>(scratch.get());
    C *rows1 = rows0 + count * length, *result = rows1 + count * length;
    // Calls visit(position in memory, position in the dense rows) for every element of the tile.
    auto each = [&](auto visit) {
      for (int64_t o = 0; o < l.reduced_count; ++o) {
        const int64_t from = base + Layout::offset(l.reduced, l.reduced_axes, o), to = o * l.length();
        if (l.columns) {
          for (int64_t r = 0; r < l.rows; ++r)
            for (int64_t c = 0; c < count; ++c) visit(from + r * l.n + begin + c, c * length + to + r);
        } else {
          for (int64_t c = 0; c < count; ++c)
            for (int64_t k = 0; k < l.n; ++k) visit(from + (begin + c) * l.n + k, c * length + to + k);
        }
      }
    };
    each([&](int64_t from, int64_t to) { rows0[to] = load_as(x0[from]); });
    if (x1) each([&](int64_t from, int64_t to) { rows1[to] = load_as(x1[from]); });
    fn(rows0, x1 ? rows1 : nullptr, result, count, length);
    each([&](int64_t to, int64_t from) { y[to] = store_as<T>(result[from]); });
  });
}

template <auto kMember32, auto kMember64>
void softmax_kernel(const KernelArgs& a) {
  const Axes& axes = a.as<SoftmaxAttrs>().axis;
  const SoftmaxTable& t = softmax_table();
  auto on32 = [f = t.f32.*kMember32](const float* x0, const float* x1, float* y, int64_t rows, int64_t n) {
    if constexpr (std::is_invocable_v<decltype(f), const float*, float*, int64_t, int64_t>) f(x0, y, rows, n);
    else f(x0, x1, y, rows, n);
  };
  switch (a.out[0].dtype()) {
    case DType::Float32: return run_rows<float>(a, axes, on32);
    case DType::Float16: return run_rows<float16>(a, axes, on32);
    case DType::BFloat16: return run_rows<bfloat16>(a, axes, on32);
    default:
      return run_rows<double>(a, axes, [f = t.f64.*kMember64](const double* x0, const double* x1, double* y, int64_t rows, int64_t n) {
        if constexpr (std::is_invocable_v<decltype(f), const double*, double*, int64_t, int64_t>) f(x0, y, rows, n);
        else f(x0, x1, y, rows, n);
      });
  }
}

}  // namespace

void register_softmax_kernels() {
  using F = SoftmaxKernels<float>;
  using D = SoftmaxKernels<double>;
  const auto cpu = [](const char* op, KernelFn fn) { define_kernel(op, DeviceType::CPU, fn); };
  cpu("softmax", softmax_kernel<&F::softmax, &D::softmax>);
  cpu("log_softmax", softmax_kernel<&F::log_softmax, &D::log_softmax>);
  cpu("softmax_grad", softmax_kernel<&F::softmax_grad, &D::softmax_grad>);
  cpu("log_softmax_grad", softmax_kernel<&F::log_softmax_grad, &D::log_softmax_grad>);
}

}  // namespace tahr
