// Scans along an axis. Floor: the bytes of input and output, once each.
//
// Where there are many lines, a thread takes one; neighbours in memory go to neighbouring threads if the axis is not
// the last. Sums of few lines are cut into tiles: sums of the tiles, sums of those before, then the tiles again (the
// input is read twice). Products and recurrences of few lines go step by step, as on the CPU, a block fetching for the
// thread that multiplies: cut into tiles they could overflow where the result does not.
#include "cuda/group.h"
#include "ops/array_attrs.h"
#include "ops/reduce.h"

namespace tahr::cuda {
namespace {

constexpr int64_t kManyLines = 2048, kShortLine = 128;
constexpr int kPerThread = 8;
constexpr int64_t kTile = kBlock * kPerThread;
constexpr int kStage = 1024;  // elements of a line in shared memory

// What a scan runs in: float in double, integers without sign, narrow ones in 32 bits.
template <class T>
struct RunIn {
  using type = Compute<T>;
};
template <>
struct RunIn<float> {
  using type = double;
};
template <class T>
  requires(std::is_integral_v<T>)
struct RunIn<T> {
  using type = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
};

struct Lines {
  int64_t count, n, inner;
  bool reverse;
  // Of element i, in the order of the scan.
  __device__ int64_t place(int64_t line, int64_t i) const {
    return line / inner * n * inner + line % inner + (reverse ? n - 1 - i : i) * inner;
  }
};

// What a step reads; the step itself. `first`: nothing came before.
template <class T>
struct SumStep {
  using A = typename RunIn<T>::type;
  using Read = A;
  const T* x;
  __device__ Read read(int64_t at) const { return static_cast<A>(convert<A>(x[at])); }
  __device__ A next(A run, Read v, bool) const { return run + v; }
};
template <class T>
struct ProductStep {
  using A = typename RunIn<T>::type;
  using Read = A;
  const T* x;
  __device__ Read read(int64_t at) const { return static_cast<A>(convert<A>(x[at])); }
  __device__ A next(A run, Read v, bool first) const { return first ? v : run * v; }
};
template <class A>
struct FactorTerm {
  A factor, term;
};
template <class T>
struct RecurrenceStep {
  using A = typename RunIn<T>::type;
  using Read = FactorTerm<A>;
  const T *factor, *term;
  __device__ Read read(int64_t at) const { return {convert<A>(factor[at]), convert<A>(term[at])}; }
  // The first factor meets no predecessor: it must not turn 0 into NaN.
  __device__ A next(A run, Read v, bool first) const { return first ? v.term : v.factor * run + v.term; }
};

template <class T, class Step>
__global__ void lines_kernel(Step step, T* y, Lines l) {
  using A = typename Step::A;
  for (int64_t line = grid_index(); line < l.count; line += grid_size()) {
    A run = A(0);
    for (int64_t i = 0; i < l.n; i += kPerThread) {
      typename Step::Read v[kPerThread];
      TAHR_UNROLL
      for (int u = 0; u < kPerThread; ++u)
        if (i + u < l.n) v[u] = step.read(l.place(line, i + u));
      TAHR_UNROLL
      for (int u = 0; u < kPerThread; ++u) {
        if (i + u >= l.n) break;
        run = step.next(run, v[u], i + u == 0);
        y[l.place(line, i + u)] = convert<T>(run);
      }
    }
  }
}

template <class T, class Step>
__global__ void staged_kernel(Step step, T* y, Lines l) {
  using A = typename Step::A;
  __shared__ typename Step::Read in[kStage];
  __shared__ A out[kStage];
  const int t = static_cast<int>(threadIdx.x);
  for (int64_t line = blockIdx.x; line < l.count; line += gridDim.x) {
    A run = A(0);  // of thread 0
    for (int64_t base = 0; base < l.n; base += kStage) {
      const int size = static_cast<int>(l.n - base < kStage ? l.n - base : kStage);
      for (int i = t; i < size; i += kBlock) in[i] = step.read(l.place(line, base + i));
      __syncthreads();
      if (t == 0)
        for (int i = 0; i < size; ++i) out[i] = run = step.next(run, in[i], base + i == 0);
      __syncthreads();
      for (int i = t; i < size; i += kBlock) y[l.place(line, base + i)] = convert<T>(out[i]);
    }
  }
}

// ---- sums of few lines ----

// sums[line, tile] = the sum of a tile
template <class T>
__global__ void tile_sums_kernel(SumStep<T> step, Lines l, int64_t tiles, typename SumStep<T>::A* sums) {
  using A = typename SumStep<T>::A;
  for (int64_t line = blockIdx.y; line < l.count; line += gridDim.y) {
    for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      A sum = A(0);
      for (int u = 0; u < kPerThread; ++u) {
        const int64_t i = tile * kTile + u * kBlock + threadIdx.x;
        if (i < l.n) sum += step.read(l.place(line, i));
      }
      sum = combine_block(Add<A>{}, sum, 1);
      if (threadIdx.x == 0) sums[line * tiles + tile] = sum;
    }
  }
}

// Each becomes the sum of those before it.
template <class A>
__global__ void sums_before_kernel(A* sums, int64_t lines, int64_t tiles) {
  for (int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
    A done = A(0);
    for (int64_t base = 0; base < tiles; base += kBlock) {
      const int64_t i = base + threadIdx.x;
      const auto before = sum_before(i < tiles ? sums[line * tiles + i] : A(0));
      if (i < tiles) sums[line * tiles + i] = done + before.sum;
      done += before.total;
    }
  }
}

template <class T>
__global__ void tiles_kernel(SumStep<T> step, T* y, Lines l, int64_t tiles, const typename SumStep<T>::A* sums) {
  using A = typename SumStep<T>::A;
  for (int64_t line = blockIdx.y; line < l.count; line += gridDim.y) {
    for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      const int64_t begin = tile * kTile + static_cast<int64_t>(threadIdx.x) * kPerThread;
      A v[kPerThread], sum = A(0);
      TAHR_UNROLL
      for (int u = 0; u < kPerThread; ++u) {
        v[u] = begin + u < l.n ? step.read(l.place(line, begin + u)) : A(0);
        sum += v[u];
      }
      A run = sum_before(sum).sum + (sums ? sums[line * tiles + tile] : A(0));
      TAHR_UNROLL
      for (int u = 0; u < kPerThread; ++u) {
        run += v[u];
        if (begin + u < l.n) y[l.place(line, begin + u)] = convert<T>(run);
      }
    }
  }
}

// ---- the ops ----

Lines lines_of(const Shape& shape, const ScanAttrs& at, const char* op) {
  const AxisView v = view_axis(shape, normalize_axis(at.axis, shape.rank(), op));
  return {v.outer * v.inner, v.n, v.inner, at.reverse};
}

bool is_thread_per_line(const Lines& l) { return l.count >= kManyLines || l.n <= kShortLine; }

unsigned blocks(int64_t n, int64_t most) { return static_cast<unsigned>(std::min(n, most)); }

template <class T, class Step>
void step_by_step(const Step& step, T* y, const Lines& l) {
  if (is_thread_per_line(l)) launch(lines_kernel<T, Step>, grid_for(l.count), dim3(kBlock), 0, step, y, l);
  else launch(staged_kernel<T, Step>, dim3(blocks(l.count, kMostBlocks)), dim3(kBlock), 0, step, y, l);
}

void cumsum(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  if (y.size() == 0) return;
  const Lines l = lines_of(y.shape(), a.as<ScanAttrs>(), "cumsum");
  visit_dtype(y.dtype(), [&]<class T>() {
    using A = typename RunIn<T>::type;
    const SumStep<T> step{a.in[0].data<T>()};
    T* to = y.mutable_data<T>();
    if (is_thread_per_line(l)) {
      launch(lines_kernel<T, SumStep<T>>, grid_for(l.count), dim3(kBlock), 0, step, to, l);
      return;
    }
    const int64_t tiles = ceil_div(l.n, kTile);
    const dim3 grid(blocks(tiles, kMostBlocks), blocks(l.count, 65535));
    const Scratch sums(static_cast<size_t>(l.count * tiles) * sizeof(A));
    if (tiles > 1) {
      launch(tile_sums_kernel<T>, grid, dim3(kBlock), 0, step, l, tiles, sums.as<A>());
      launch(sums_before_kernel<A>, dim3(blocks(l.count, kMostBlocks)), dim3(kBlock), 0, sums.as<A>(), l.count, tiles);
    }
    launch(tiles_kernel<T>, grid, dim3(kBlock), 0, step, to, l, tiles, tiles > 1 ? sums.as<A>() : nullptr);
  });
}

void cumprod(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  if (y.size() == 0) return;
  const Lines l = lines_of(y.shape(), a.as<ScanAttrs>(), "cumprod");
  visit_dtype(y.dtype(), [&]<class T>() { step_by_step(ProductStep<T>{a.in[0].data<T>()}, y.mutable_data<T>(), l); });
}

void recurrence(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  if (y.size() == 0) return;
  const Lines l = lines_of(y.shape(), a.as<ScanAttrs>(), "linear_recurrence");
  visit_dtype(y.dtype(), [&]<class T>() {
    step_by_step(RecurrenceStep<T>{a.in[0].data<T>(), a.in[1].data<T>()}, y.mutable_data<T>(), l);
  });
}

// y[i] = x[i - 1] along the axis, in reverse x[i + 1]; `beyond` where there is none. On elements of a size.
template <class T>
__global__ void shift_kernel(const T* x, T* y, int64_t count, int64_t n, int64_t inner, bool reverse, T beyond) {
  for (int64_t i = grid_index(); i < count; i += grid_size()) {
    const int64_t k = i / inner % n, from = reverse ? k + 1 : k - 1;
    y[i] = from < 0 || from >= n ? beyond : x[i + (from - k) * inner];
  }
}

void shift(const KernelArgs& a) {
  const auto& at = a.as<ShiftAttrs>();
  const Tensor& y = a.out[0];
  if (y.size() == 0) return;
  const AxisView v = view_axis(y.shape(), normalize_axis(at.axis, y.rank(), "shift"));
  const auto run = [&](auto beyond) {
    using T = decltype(beyond);
    visit_dtype(y.dtype(), [&]<class E>() {
      if constexpr (sizeof(E) == sizeof(T)) {
        const E value = store_as<E>(at.fill);
        std::memcpy(&beyond, &value, sizeof value);
      }
    });
    launch(shift_kernel<T>, grid_for(y.size(), 4), dim3(kBlock), 0, static_cast<const T*>(a.in[0].raw()),
           static_cast<T*>(y.mutable_raw()), y.size(), v.n, v.inner, at.reverse, beyond);
  };
  switch (size_of(y.dtype())) {
    case 1: return run(uint8_t{});
    case 2: return run(uint16_t{});
    case 4: return run(uint32_t{});
    default: return run(uint64_t{});
  }
}

}  // namespace

void register_scan() {
  define("cumsum_along", cumsum);
  define("cumprod_along", cumprod);
  define("linear_recurrence", recurrence);
  define("shift", shift);
}

}  // namespace tahr::cuda
