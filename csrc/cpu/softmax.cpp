// Softmax, log-softmax and their gradients on the CPU. The kernels, for rows and for columns, are in isa/softmax.cpp;
// halves, and elements that lie neither in rows nor in columns, are gathered a few rows at a time.
#include "core/parallel.h"
#include "cpu/reduce_layout.h"
#include "cpu/softmax_table.h"
#include "ops/reduce.h"

namespace tahr {
namespace {

constexpr int64_t kTileElements = 16384;
constexpr int64_t kGatherRows = 16;

// One output of the shape of the inputs. Calls fn(in0, in1, out, rows, n) on dense rows of Compute<T>, or
// columns_fn(in0, in1, out, n, stride, columns).
template <class T, class Fn, class ColumnsFn>
void run(const KernelArgs& a, const Axes& axes, Fn fn, ColumnsFn columns_fn) {
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
    if (l.columns && l.reduced_axes == 0) {
      const int64_t tile = std::max<int64_t>(64, kTileElements / length / 64 * 64),
                    tiles = (per_kept + tile - 1) / tile;
      parallel_for(l.kept_count * tiles, 1, cost_ns, [&](int64_t item, int64_t) {
        const int64_t begin = item % tiles * tile;
        const int64_t at = Layout::offset(l.kept, l.kept_axes, item / tiles) + begin;
        columns_fn(x0 + at, x1 ? x1 + at : nullptr, y + at, length, l.n, std::min(tile, per_kept - begin));
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

// One of the table's functions, with one input or two, as a function of two.
template <class T, class F>
auto of_two(F f) {
  return [f](const T* x0, const T* x1, T* y, int64_t n0, int64_t n1, auto... more) {
    if constexpr (std::is_invocable_v<F, const T*, T*, int64_t, int64_t, decltype(more)...>) f(x0, y, n0, n1, more...);
    else f(x0, x1, y, n0, n1, more...);
  };
}

// Op: a function that picks the row and the column function from SoftmaxKernels<T>.
template <auto Op>
void softmax_kernel(const KernelArgs& a) {
  const Axes& axes = a.as<SoftmaxAttrs>().axis;
  auto run_as = [&]<class T, class C>(const SoftmaxKernels<C>& kernels) {
    const auto [rows, columns] = Op(kernels);
    run<T>(a, axes, of_two<C>(rows), of_two<C>(columns));
  };
  const SoftmaxTable& t = softmax_table();
  switch (a.out[0].dtype()) {
    case DType::Float32: return run_as.template operator()<float>(t.f32);
    case DType::Float16: return run_as.template operator()<float16>(t.f32);
    case DType::BFloat16: return run_as.template operator()<bfloat16>(t.f32);
    default: return run_as.template operator()<double>(t.f64);
  }
}

}  // namespace

void register_softmax_kernels() {
  const auto cpu = [](const char* op, KernelFn fn) { define_kernel(op, DeviceType::CPU, fn); };
  cpu("softmax", softmax_kernel<[](const auto& k) { return std::pair(k.softmax, k.softmax_cols); }>);
  cpu("log_softmax", softmax_kernel<[](const auto& k) { return std::pair(k.log_softmax, k.log_softmax_cols); }>);
  cpu("softmax_grad", softmax_kernel<[](const auto& k) { return std::pair(k.softmax_grad, k.softmax_grad_cols); }>);
  cpu("log_softmax_grad",
      softmax_kernel<[](const auto& k) { return std::pair(k.log_softmax_grad, k.log_softmax_grad_cols); }>);
}

}  // namespace tahr
