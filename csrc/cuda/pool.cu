// Pools (csrc/ops/pool.cpp has the formulas). What has the shape of x is found place by place from the windows that
// reach it, in the order of the windows, so nothing is added up by atomics:
//
//   dx[p] = sum over windows o that contain p of dy[o] if p is the first maximum of window o       (pool_max_scatter)
//   dx[p] = sum over windows o that contain p of dy[o] / places of o                               (pool_average_grad)
//
// A thread has a pack of channels of one place; neighbouring threads have neighbouring channels. Floor: the bytes of
// all tensors once; for windows that overlap, what is read again comes from the caches.
#include <algorithm>

#include "cuda/convert.h"
#include "cuda/index_math.h"
#include "cuda/pack.h"
#include "cuda/runtime.h"
#include "ops/pool_attrs.h"

namespace tahr::cuda {
namespace {

constexpr int kAxes = 3;

template <class I>
struct Axis {
  I size, count, window, stride, low;  // places of x, windows
  bool adaptive;
  Divider<I> by_size, by_count, by_stride;
  __device__ I begin(I i) const {
    if (adaptive) return static_cast<I>(static_cast<int64_t>(i) * size / count);
    const I at = i * stride - low;
    return at < 0 ? 0 : at;
  }
  __device__ I end(I i) const {
    if (adaptive) return static_cast<I>((static_cast<int64_t>(i + 1) * size + count - 1) / count);
    const I at = i * stride - low + window;
    return at < size ? at : size;
  }
  // The windows that contain place p: [first, last).
  __device__ I first(I p) const {
    if (adaptive) return static_cast<I>(static_cast<int64_t>(p) * count / size);
    const I at = p + low - window;
    return at < 0 ? 0 : by_stride.divide(at) + 1;
  }
  __device__ I last(I p) const {
    if (adaptive) return static_cast<I>((static_cast<int64_t>(p + 1) * count + size - 1) / size);
    const I at = by_stride.divide(p + low) + 1;
    return at < count ? at : count;
  }
};

template <class I>
struct Problem {
  int64_t channels;
  Divider<I> packs;  // of channels
  Axis<I> axis[kAxes];
};

enum class Kind { Max, Mean, Gather, First };

template <class I>
struct Window {
  I begin[kAxes], end[kAxes];
  __device__ Window(const Problem<I>& p, const I* o) {
    for (int a = 0; a < kAxes; ++a) {
      begin[a] = p.axis[a].begin(o[a]);
      end[a] = p.axis[a].end(o[a]);
    }
  }
  // f(place of x's image, place of the window)
  template <class F>
  __device__ void each(const Problem<I>& p, F&& f) const {
    I local = 0;
    for (I d = begin[0]; d < end[0]; ++d) {
      for (I h = begin[1]; h < end[1]; ++h) {
        const int64_t row = (static_cast<int64_t>(d) * p.axis[1].size + h) * p.axis[2].size;
        for (I w = begin[2]; w < end[2]; ++w) f(row + w, local++);
      }
    }
  }
  // Which place of the window a place of x is.
  __device__ I local(const I* at) const {
    return ((at[0] - begin[0]) * (end[1] - begin[1]) + at[1] - begin[1]) * (end[2] - begin[2]) + at[2] - begin[2];
  }
  __device__ I places() const { return (end[0] - begin[0]) * (end[1] - begin[1]) * (end[2] - begin[2]); }
};

// Unit u, a pack of channels, as image, places along the axes and first channel.
template <class I>
struct Unit {
  int64_t image, channel;
  I at[kAxes];
  __device__ Unit(int64_t u, int width, const Divider<I>& packs, const Divider<I>& size0, const Divider<I>& size1,
                  const Divider<I>& size2) {
    I c;
    I rest = packs.divide(static_cast<I>(u), &c);
    channel = static_cast<int64_t>(c) * width;
    rest = size2.divide(rest, &at[2]);
    rest = size1.divide(rest, &at[1]);
    image = size0.divide(rest, &at[0]);
  }
};

template <class I>
__device__ __forceinline__ int64_t place_of(int64_t image, const I* at, int64_t size0, int64_t size1, int64_t size2) {
  return ((image * size0 + at[0]) * size1 + at[1]) * size2 + at[2];
}

// y, or for Kind::First which place of each window has its first maximum. NaN is larger than any number.
template <class T, int N, class I, class A, Kind kKind>
__global__ void __launch_bounds__(kBlock)
    window_kernel(Problem<I> p, int64_t units, const T* x, const T* v, T* y, A* first) {
  using C = Compute<T>;
  const Axis<I>&a0 = p.axis[0], &a1 = p.axis[1], &a2 = p.axis[2];
  for (int64_t u = grid_index(); u < units; u += grid_size()) {
    const Unit<I> at(u, N, p.packs, a0.by_count, a1.by_count, a2.by_count);
    const Window<I> window(p, at.at);
    const int64_t from = at.image * a0.size * a1.size * a2.size * p.channels + at.channel;
    C out[N];
    A index[N];
    int64_t where[N];
    for (int k = 0; k < N; ++k) {
      out[k] = kKind == Kind::Mean ? C(0) : -std::numeric_limits<C>::infinity();
      index[k] = 0;
      where[k] = -1;
    }
    window.each(p, [&](int64_t place, I local) {
      const Pack<T, N> in = load_pack<N>(x + from + place * p.channels);
      TAHR_UNROLL for (int k = 0; k < N; ++k) {
        const C a = convert<C>(in.v[k]);
        if constexpr (kKind == Kind::Mean) {
          out[k] += a;
        } else if constexpr (kKind == Kind::Max) {
          out[k] = a > out[k] || a != a ? a : out[k];
        } else if (where[k] < 0 || a > out[k] || (a != a && out[k] == out[k])) {
          out[k] = a;
          index[k] = static_cast<A>(local);
          where[k] = place;
        }
      }
    });
    const int64_t to = place_of(at.image, at.at, a0.count, a1.count, a2.count) * p.channels + at.channel;
    if constexpr (kKind == Kind::First) {
      Pack<A, N> indices;
      for (int k = 0; k < N; ++k) indices.v[k] = index[k];
      store_pack(first + to, indices);
    } else {
      Pack<T, N> result;
      TAHR_UNROLL for (int k = 0; k < N; ++k) {
        if constexpr (kKind == Kind::Mean) result.v[k] = convert<T>(out[k] / static_cast<C>(window.places()));
        else if constexpr (kKind == Kind::Max) result.v[k] = convert<T>(out[k]);
        else result.v[k] = where[k] < 0 ? convert<T>(C(0)) : v[from + where[k] * p.channels + k];
      }
      store_pack(y + to, result);
    }
  }
}

// dx, from dy and, for maxima, `first`.
template <class T, int N, class I, class A, bool kMax>
__global__ void __launch_bounds__(kBlock)
    place_kernel(Problem<I> p, int64_t units, const T* dy, const A* first, T* dx) {
  using C = Compute<T>;
  const Axis<I>&a0 = p.axis[0], &a1 = p.axis[1], &a2 = p.axis[2];
  for (int64_t u = grid_index(); u < units; u += grid_size()) {
    const Unit<I> at(u, N, p.packs, a0.by_size, a1.by_size, a2.by_size);
    I begin[kAxes], end[kAxes], o[kAxes];
    for (int a = 0; a < kAxes; ++a) {
      begin[a] = p.axis[a].first(at.at[a]);
      end[a] = p.axis[a].last(at.at[a]);
    }
    C sum[N] = {};
    for (o[0] = begin[0]; o[0] < end[0]; ++o[0]) {
      for (o[1] = begin[1]; o[1] < end[1]; ++o[1]) {
        for (o[2] = begin[2]; o[2] < end[2]; ++o[2]) {
          const Window<I> window(p, o);
          const int64_t from = place_of(at.image, o, a0.count, a1.count, a2.count) * p.channels + at.channel;
          const Pack<T, N> d = load_pack<N>(dy + from);
          if constexpr (kMax) {
            const Pack<A, N> f = load_pack<N>(first + from);
            const A here = static_cast<A>(window.local(at.at));
            TAHR_UNROLL for (int k = 0; k < N; ++k) sum[k] += f.v[k] == here ? convert<C>(d.v[k]) : C(0);
          } else {
            const C places = static_cast<C>(window.places());
            TAHR_UNROLL for (int k = 0; k < N; ++k) sum[k] += convert<C>(d.v[k]) / places;
          }
        }
      }
    }
    Pack<T, N> result;
    TAHR_UNROLL for (int k = 0; k < N; ++k) result.v[k] = convert<T>(sum[k]);
    store_pack(dx + place_of(at.image, at.at, a0.size, a1.size, a2.size) * p.channels + at.channel, result);
  }
}

// Whether places and windows can be counted in 32 bits.
bool small(const Shape& x, const Shape& y, const PoolCoreAttrs& at) {
  constexpr int64_t kMost = int64_t{1} << 29;
  int64_t places = 1, window = 1;
  for (int i = 1; i < x.rank() - 1; ++i) {
    const auto a = static_cast<size_t>(i - 1);
    if (x[i] >= kMost || y[i] >= kMost || at.window[a] >= kMost || at.strides[a] >= kMost || at.low[a] >= kMost)
      return false;
    places *= x[i];
    window *= std::min(at.window[a], x[i]);
    if (places >= kMost) return false;
  }
  return std::max(x.size(), y.size()) < kMost;
}

template <class I>
Problem<I> problem_of(const Shape& x, const Shape& y, const PoolCoreAttrs& at, int pack) {
  Problem<I> p{x.back(), Divider<I>(x.back() / pack), {}};
  const int axes = x.rank() - 2;
  for (int i = 0; i < kAxes; ++i) {
    const int from = i - (kAxes - axes);
    const auto a = static_cast<size_t>(from);
    Axis<I>& to = p.axis[i];
    if (from < 0) {
      to = {1, 1, 1, 1, 0, false, Divider<I>(1), Divider<I>(1), Divider<I>(1)};
      continue;
    }
    const auto v = [](int64_t value) { return static_cast<I>(value); };
    to = {v(x[from + 1]),
          v(y[from + 1]),
          v(at.window[a]),
          v(at.strides[a]),
          v(at.low[a]),
          at.adaptive,
          Divider<I>(x[from + 1]),
          Divider<I>(y[from + 1]),
          Divider<I>(std::max<int64_t>(at.strides[a], 1))};
  }
  return p;
}

// The most places that a window has.
int64_t largest_window(const Shape& x, const PoolCoreAttrs& at) {
  int64_t places = 1;
  for (int i = 1; i < x.rank() - 1; ++i) {
    const int64_t window = at.window[static_cast<size_t>(i - 1)];
    places *= std::min(x[i], at.adaptive ? x[i] / std::max<int64_t>(window, 1) + 2 : window);
  }
  return places;
}

// f.operator()<pack, index type>()
template <class T, class F>
void choose(const Shape& x, const Shape& y, const PoolCoreAttrs& at, std::initializer_list<const void*> pointers,
            F&& f) {
  constexpr int kPack = 16 / sizeof(T);
  const bool packs = x.back() % kPack == 0 &&
                     std::all_of(pointers.begin(), pointers.end(), [](const void* p) { return aligned(p, 16); });
  if (!small(x, y, at)) f.template operator()<1, int64_t>();
  else if (packs) f.template operator()<kPack, int32_t>();
  else f.template operator()<1, int32_t>();
}

template <Kind kKind>
void forward(const KernelArgs& args) {
  const auto& at = args.as<PoolCoreAttrs>();
  const Tensor &x = args.in[0], &y = args.out[0];
  if (y.size() == 0) return;
  visit_float(y.dtype(), [&]<class T>() {
    const T* v = kKind == Kind::Gather ? args.in[1].data<T>() : nullptr;
    choose<T>(x.shape(), y.shape(), at, {x.raw(), y.raw()}, [&]<int N, class I>() {
      const int64_t units = y.size() / N;
      launch(window_kernel<T, N, I, uint8_t, kKind>, grid_for(units), dim3(kBlock), 0,
             problem_of<I>(x.shape(), y.shape(), at, N), units, x.data<T>(), v, y.mutable_data<T>(), nullptr);
    });
  });
}

// The first maximum of each window, then the places: `first` in one byte where windows are small.
template <class T, int N, class I, class A>
void scatter(const Tensor& x, const Tensor& dy, const Tensor& dx, const PoolCoreAttrs& at) {
  const Problem<I> p = problem_of<I>(x.shape(), dy.shape(), at, N);
  const Scratch first(static_cast<size_t>(dy.size()) * sizeof(A));
  const int64_t windows = dy.size() / N, places = dx.size() / N;
  launch(window_kernel<T, N, I, A, Kind::First>, grid_for(windows), dim3(kBlock), 0, p, windows, x.data<T>(), nullptr,
         nullptr, first.as<A>());
  launch(place_kernel<T, N, I, A, true>, grid_for(places), dim3(kBlock), 0, p, places, dy.data<T>(), first.as<A>(),
         dx.mutable_data<T>());
}

void zero(const Tensor& t) {
  check(cudaMemsetAsync(t.mutable_raw(), 0, t.nbytes(), stream()), "memory could not be set");
}

void max_scatter(const KernelArgs& args) {
  const auto& at = args.as<PoolCoreAttrs>();
  const Tensor &x = args.in[0], &dy = args.in[1], &dx = args.out[0];
  if (dx.size() == 0) return;
  if (dy.size() == 0) return zero(dx);
  const bool byte = largest_window(x.shape(), at) <= 256;
  visit_float(dx.dtype(), [&]<class T>() {
    choose<T>(x.shape(), dy.shape(), at, {x.raw(), dy.raw(), dx.raw()}, [&]<int N, class I>() {
      if (byte) scatter<T, N, I, uint8_t>(x, dy, dx, at);
      else scatter<T, 1, I, I>(x, dy, dx, at);
    });
  });
}

void average_grad(const KernelArgs& args) {
  const auto& at = args.as<PoolCoreAttrs>();
  const Tensor &dy = args.in[0], &dx = args.out[0];
  if (dx.size() == 0) return;
  if (dy.size() == 0) return zero(dx);
  visit_float(dx.dtype(), [&]<class T>() {
    choose<T>(dx.shape(), dy.shape(), at, {dy.raw(), dx.raw()}, [&]<int N, class I>() {
      const int64_t units = dx.size() / N;
      launch(place_kernel<T, N, I, uint8_t, false>, grid_for(units), dim3(kBlock), 0,
             problem_of<I>(dx.shape(), dy.shape(), at, N), units, dy.data<T>(), nullptr, dx.mutable_data<T>());
    });
  });
}

}  // namespace

void register_pool() {
  define("pool_max", forward<Kind::Max>);
  define("pool_average", forward<Kind::Mean>);
  define("pool_max_gather", forward<Kind::Gather>);
  define("pool_max_scatter", max_scatter);
  define("pool_average_grad", average_grad);
}

}  // namespace tahr::cuda
