// The kernels of the pooling ops: windows per axis, then rows of outputs by cpu/isa/pool.cpp. Results of the shape of x
// are added up by one thread for each image (or some of its channels), so that no sum depends on the threads.
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "core/parallel.h"
#include "cpu/pool_table.h"
#include "cpu/scratch.h"
#include "ops/functions.h"
#include "ops/pool_attrs.h"

namespace tahr {
namespace {

constexpr int kAxes = 3;
constexpr int64_t kManyImages = 8;      // enough to share out whole images
constexpr int64_t kBlockChannels = 64;  // else channels are shared out as well

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
const PoolKernels<T>& kernels_of(const PoolTable& table) {
  if constexpr (std::is_same_v<T, float>) return table.f32;
  else return table.f64;
}

struct Windows {
  int64_t size, count;
  std::vector<int64_t> begin, end;
};

Windows windows_of(int64_t size, int64_t count, int axis, const PoolCoreAttrs* at) {
  Windows w{size, count, {}, {}};
  const auto a = static_cast<size_t>(axis);
  for (int64_t i = 0; i < count; ++i) {
    int64_t begin = i, end = i + 1;
    if (at && at->adaptive) {
      begin = i * size / count;
      end = ceil_div((i + 1) * size, count);
    } else if (at) {
      begin = i * at->strides[a] - at->low[a];
      end = begin + at->window[a];
    }
    w.begin.push_back(std::max<int64_t>(begin, 0));
    w.end.push_back(std::min(end, size));
  }
  return w;
}

struct Problem {
  int64_t n, channels;
  Windows axis[kAxes];
  int64_t x_image() const { return axis[0].size * axis[1].size * axis[2].size * channels; }
  int64_t y_image() const { return axis[0].count * axis[1].count * axis[2].count * channels; }
};

Problem problem_of(const Shape& x, const Shape& y, const PoolCoreAttrs& at) {
  Problem p{x[0], x.back(), {}};
  const int axes = x.rank() - 2;
  for (int i = 0; i < kAxes; ++i) {
    const int from = i - (kAxes - axes);
    p.axis[i] = from < 0 ? windows_of(1, 1, 0, nullptr) : windows_of(x[from + 1], y[from + 1], from, &at);
  }
  return p;
}

template <class T>
using RowFn = void (*)(const PoolRow<T>&);

// The rows of x in window (q0, q1) of the first two axes, as offsets from the image.
void find_rows(const Problem& p, int64_t q0, int64_t q1, std::vector<int64_t>* rows) {
  rows->clear();
  const auto z = static_cast<size_t>(q0), h = static_cast<size_t>(q1);
  for (int64_t i = p.axis[0].begin[z]; i < p.axis[0].end[z]; ++i) {
    for (int64_t j = p.axis[1].begin[h]; j < p.axis[1].end[h]; ++j) {
      rows->push_back((i * p.axis[1].size + j) * p.axis[2].size * p.channels);
    }
  }
}

// Rows [begin, end) of image's outputs, counted over the first two axes; tensors as in PoolRow, of whole images.
template <class T>
void run_rows(const Problem& p, RowFn<T> fn, PoolRow<T> t, int64_t image, int64_t begin, int64_t end, int64_t c0,
              int64_t c1, std::vector<int64_t>* rows) {
  const int64_t x0 = image * p.x_image() + c0, y0 = image * p.y_image() + c0, line = p.axis[2].count * p.channels;
  if (t.x) t.x += x0;
  if (t.v) t.v += x0;
  if (t.dx) t.dx += x0;
  if (t.y) t.y += y0 + begin * line;
  if (t.dy) t.dy += y0 + begin * line;
  t.begin = p.axis[2].begin.data();
  t.end = p.axis[2].end.data();
  t.count = p.axis[2].count;
  t.channels = c1 - c0;
  t.pitch = p.channels;
  for (int64_t q = begin; q < end; ++q) {
    find_rows(p, q / p.axis[1].count, q % p.axis[1].count, rows);
    t.rows = rows->data();
    t.row_count = static_cast<int64_t>(rows->size());
    fn(t);
    if (t.y) t.y += line;
    if (t.dy) t.dy += line;
  }
}

// y from x: any rows at any time.
template <class T>
void gather(const Problem& p, RowFn<T> fn, const PoolRow<T>& t) {
  const int64_t lines = p.axis[0].count * p.axis[1].count, units = p.n * lines;
  const double cost = static_cast<double>(p.x_image()) * p.n * 0.2;
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(10000.0 * units / std::max(cost, 1.0)));
  parallel_for(units, grain, cost, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> rows;
    while (begin < end) {
      const int64_t image = begin / lines, first = begin % lines, last = std::min(lines, first + end - begin);
      run_rows(p, fn, t, image, first, last, 0, p.channels, &rows);
      begin += last - first;
    }
  });
}

// dx: zeros, to which each window adds.
template <class T>
void scatter(const Problem& p, RowFn<T> fn, const PoolRow<T>& t) {
  const int64_t block = p.n >= kManyImages ? p.channels : std::min(kBlockChannels, p.channels);
  const int64_t blocks = ceil_div(p.channels, block), places = p.x_image() / p.channels;
  const double cost = static_cast<double>(p.x_image()) * p.n * 0.5;
  parallel_for(p.n * blocks, 1, cost, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> rows;
    for (int64_t u = begin; u < end; ++u) {
      const int64_t image = u / blocks, c0 = u % blocks * block, c1 = std::min(c0 + block, p.channels);
      T* dx = t.dx + image * p.x_image() + c0;
      if (blocks == 1) std::memset(dx, 0, p.x_image() * sizeof(T));
      else
        for (int64_t i = 0; i < places; ++i) std::memset(dx + i * p.channels, 0, (c1 - c0) * sizeof(T));
      run_rows(p, fn, t, image, 0, p.axis[0].count * p.axis[1].count, c0, c1, &rows);
    }
  });
}

enum class Kind { Max, Mean, Gather, Scatter, Spread };

// A tensor as T: itself, or a half widened.
template <class T>
class Widened {
 public:
  explicit Widened(const Tensor* t) : room_(t && is_half(t->dtype()) ? t->size() * sizeof(T) : 0) {
    if (!t) return;
    data_ = t->data<T>();
    if (!is_half(t->dtype())) return;
    data_ = room_.template as<T>();
    visit_dtype(t->dtype(), [&]<class S>() {
      if constexpr (std::is_same_v<Compute<S>, T> && !std::is_same_v<S, T>) {
        const S* from = t->data<S>();
        parallel_for(t->size(), 16384, t->size() * 1.0, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) room_.template as<T>()[i] = load_as(from[i]);
        });
      }
    });
  }
  const T* data() const { return data_; }

 private:
  Scratch room_;
  const T* data_ = nullptr;
};

template <class T>
void run(Kind kind, const Problem& p, const Tensor* x, const Tensor* v, const Tensor* dy, const Tensor& out) {
  const PoolKernels<T>& k = kernels_of<T>(pool_table());
  const bool half = is_half(out.dtype());
  const Scratch room(half ? out.size() * sizeof(T) : 0);
  T* to = half ? room.as<T>() : out.mutable_data<T>();
  const Widened<T> wx(x), wv(v), wdy(dy);
  PoolRow<T> t{};
  t.x = wx.data();
  t.v = wv.data();
  t.dy = wdy.data();
  (kind == Kind::Scatter || kind == Kind::Spread ? t.dx : t.y) = to;
  switch (kind) {
    case Kind::Max: gather(p, k.max, t); break;
    case Kind::Mean: gather(p, k.mean, t); break;
    case Kind::Gather: gather(p, k.gather, t); break;
    case Kind::Scatter: scatter(p, k.scatter, t); break;
    case Kind::Spread: scatter(p, k.spread, t); break;
  }
  if (!half) return;
  visit_dtype(out.dtype(), [&]<class S>() {
    if constexpr (std::is_same_v<Compute<S>, T> && !std::is_same_v<S, T>) {
      S* narrow = out.mutable_data<S>();
      parallel_for(out.size(), 16384, out.size() * 1.0, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) narrow[i] = store_as<S>(to[i]);
      });
    }
  });
}

template <Kind kKind>
void kernel(const KernelArgs& args) {
  const auto& at = args.as<PoolCoreAttrs>();
  const Tensor& out = args.out[0];
  if (out.size() == 0) return;
  constexpr bool kToX = kKind == Kind::Scatter || kKind == Kind::Spread;
  const Tensor* x = kKind == Kind::Spread ? nullptr : &args.in[0];
  const Tensor* v = kKind == Kind::Gather ? &args.in[1] : nullptr;
  const Tensor* dy = kKind == Kind::Scatter ? &args.in[1] : kKind == Kind::Spread ? &args.in[0] : nullptr;
  const Problem p = problem_of(kToX ? out.shape() : x->shape(), kToX ? dy->shape() : out.shape(), at);
  if (out.dtype() == DType::Float64) run<double>(kKind, p, x, v, dy, out);
  else run<float>(kKind, p, x, v, dy, out);
}

}  // namespace

void register_pool_kernels() {
  define_kernel("pool_max", DeviceType::CPU, kernel<Kind::Max>);
  define_kernel("pool_average", DeviceType::CPU, kernel<Kind::Mean>);
  define_kernel("pool_max_gather", DeviceType::CPU, kernel<Kind::Gather>);
  define_kernel("pool_max_scatter", DeviceType::CPU, kernel<Kind::Scatter>);
  define_kernel("pool_average_grad", DeviceType::CPU, kernel<Kind::Spread>);
}

}  // namespace tahr
