// The kernels of the image ops. A resize finds the weights of both axes once, then makes each row of the result by a
// weighted sum of input rows, which stays in cache, and weighted sums along it.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <type_traits>
#include <vector>

#include "core/parallel.h"
#include "cpu/image_table.h"
#include "cpu/scratch.h"
#include "ops/functions.h"
#include "ops/image_attrs.h"

namespace tahr {
namespace {

double sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

// The filters at distance x >= 0, and how far they reach.
double filter(const std::string& method, double x) {
  if (method == "bilinear") return std::max(0.0, 1 - x);
  if (method == "bicubic") {  // Keys, "Cubic convolution interpolation for digital image processing", 1981: a = -1/2
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  }
  const double reach = method == "lanczos3" ? 3 : 5;
  return x < reach ? sinc(x) * sinc(x / reach) : 0;
}
double reach_of(const std::string& method) {
  if (method == "bilinear") return 1;
  if (method == "bicubic") return 2;
  return method == "lanczos3" ? 3 : 5;
}

template <class T>
struct Taps {
  std::vector<int64_t> begin, count;
  std::vector<T> weights;
  int64_t width = 0;
  AxisTaps<T> view() const {
    return {begin.data(), count.data(), weights.data(), width, static_cast<int64_t>(begin.size())};
  }
};

struct Row {
  int64_t begin = 0;
  std::vector<double> weights;
};

// How each of `out` places is made of `in` places. Centres of places are half integers; weights sum to 1.
std::vector<Row> rows_of(int64_t in, int64_t out, const ResizeCoreAttrs& at) {
  std::vector<Row> rows(static_cast<size_t>(out));
  const double ratio = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = at.antialias ? std::max(ratio, 1.0) : 1.0;
  for (int64_t o = 0; o < out; ++o) {
    Row& r = rows[static_cast<size_t>(o)];
    const double centre = (static_cast<double>(o) + 0.5) * ratio - 0.5;
    if (at.method == "nearest") {
      r.begin = std::min(in - 1, static_cast<int64_t>(std::floor((static_cast<double>(o) + 0.5) * ratio)));
      r.weights = {1};
      continue;
    }
    const double reach = reach_of(at.method) * stretch;
    r.begin = std::max<int64_t>(0, static_cast<int64_t>(std::ceil(centre - reach)));
    const int64_t end = std::min(in, static_cast<int64_t>(std::floor(centre + reach)) + 1);
    double sum = 0;
    for (int64_t i = r.begin; i < end; ++i) {
      r.weights.push_back(filter(at.method, std::abs(centre - static_cast<double>(i)) / stretch));
      sum += r.weights.back();
    }
    for (double& w : r.weights) w /= sum;
    while (!r.weights.empty() && r.weights.back() == 0) r.weights.pop_back();
    size_t zeros = 0;
    while (zeros < r.weights.size() && r.weights[zeros] == 0) ++zeros;
    r.weights.erase(r.weights.begin(), r.weights.begin() + static_cast<int64_t>(zeros));
    r.begin += static_cast<int64_t>(zeros);
  }
  return rows;
}

// The transpose: how each of `in` places gathers from the outputs that it took part in, which lie side by side.
std::vector<Row> transposed(const std::vector<Row>& rows, int64_t in) {
  std::vector<Row> t(static_cast<size_t>(in));
  for (size_t o = 0; o < rows.size(); ++o) {
    for (size_t k = 0; k < rows[o].weights.size(); ++k) {
      Row& r = t[static_cast<size_t>(rows[o].begin) + k];
      if (r.weights.empty()) r.begin = static_cast<int64_t>(o);
      r.weights.resize(o - static_cast<size_t>(r.begin) + 1, 0);
      r.weights.back() = rows[o].weights[k];
    }
  }
  return t;
}

template <class T>
Taps<T> taps_of(int64_t from, int64_t to, const ResizeCoreAttrs& at, bool transpose) {
  const std::vector<Row> rows = transpose ? transposed(rows_of(to, from, at), to) : rows_of(from, to, at);
  Taps<T> t;
  for (const Row& r : rows) t.width = std::max(t.width, static_cast<int64_t>(r.weights.size()));
  t.weights.assign(rows.size() * static_cast<size_t>(t.width), 0);
  for (size_t o = 0; o < rows.size(); ++o) {
    t.begin.push_back(rows[o].begin);
    t.count.push_back(static_cast<int64_t>(rows[o].weights.size()));
    std::transform(rows[o].weights.begin(), rows[o].weights.end(),
                   t.weights.begin() + static_cast<int64_t>(o) * t.width, [](double w) { return static_cast<T>(w); });
  }
  return t;
}

template <class T>
void resize(const Tensor& x, const Tensor& y, const ResizeCoreAttrs& at, bool transpose) {
  const ResizeKernels<T>* k;
  if constexpr (std::is_same_v<T, float>) k = &image_table().f32;
  else k = &image_table().f64;
  const int first = at.channels_first ? 2 : 1;
  const int64_t h = x.dim(first), w = x.dim(first + 1), out_h = y.dim(first), out_w = y.dim(first + 1);
  const int64_t images = at.channels_first ? x.dim(0) * x.dim(1) : x.dim(0),
                channels = at.channels_first ? 1 : x.dim(3);
  if (h == 0 || w == 0) {
    std::memset(y.mutable_data<T>(), 0, static_cast<size_t>(y.size()) * sizeof(T));
    return;
  }
  const Taps<T> vertical = taps_of<T>(h, out_h, at, transpose), horizontal = taps_of<T>(w, out_w, at, transpose);
  const AxisTaps<T> along = horizontal.view();
  const int64_t line = w * channels, out_line = out_w * channels;
  const T* from = x.data<T>();
  T* to = y.mutable_data<T>();
  const double per_row = 0.1 * static_cast<double>(line * vertical.width) + static_cast<double>(out_line);
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(20000 / per_row));
  parallel_for(images * out_h, grain, per_row * static_cast<double>(images * out_h), [&](int64_t begin, int64_t end) {
    const Scratch room(static_cast<size_t>(line) * sizeof(T));
    for (int64_t r = begin; r < end; ++r) {
      const auto o = static_cast<size_t>(r % out_h);
      const T* image = from + r / out_h * h * line;
      k->rows(image + vertical.begin[o] * line, line,
              vertical.weights.data() + static_cast<int64_t>(o) * vertical.width, vertical.count[o], room.as<T>(),
              line);
      k->places(room.as<T>(), along, channels, to + r * out_line);
    }
  });
}

template <bool kTranspose>
void resize_kernel(const KernelArgs& args) {
  const Tensor& y = args.out[0];
  if (y.size() == 0) return;
  const auto& at = args.as<ResizeCoreAttrs>();
  if (y.dtype() == DType::Float64) resize<double>(args.in[0], y, at, kTranspose);
  else resize<float>(args.in[0], y, at, kTranspose);
}

// ---- sampling ----

constexpr int kMaxAxes = 6;
constexpr int64_t kOutside = -1;

enum class Fill { Constant, Nearest, Wrap, Mirror, Reflect };

Fill fill_of(const std::string& name) {
  if (name == "constant") return Fill::Constant;
  if (name == "nearest") return Fill::Nearest;
  if (name == "wrap") return Fill::Wrap;
  return name == "mirror" ? Fill::Mirror : Fill::Reflect;
}

int64_t modulo(int64_t a, int64_t b) {
  const int64_t r = a % b;
  return r < 0 ? r + b : r;
}

int64_t place(int64_t i, int64_t n, Fill fill) {
  if (i >= 0 && i < n) return i;
  switch (fill) {
    case Fill::Constant: return kOutside;
    case Fill::Nearest: return i < 0 ? 0 : n - 1;
    case Fill::Wrap: return modulo(i, n);
    case Fill::Mirror: {
      if (n == 1) return 0;
      const int64_t r = modulo(i, 2 * n - 2);
      return r < n ? r : 2 * n - 2 - r;
    }
    case Fill::Reflect: {
      const int64_t r = modulo(i, 2 * n);
      return r < n ? r : 2 * n - 1 - r;
    }
  }
  return kOutside;
}

struct Problem {
  int64_t images, points, channels, image;  // elements of an image
  int axes;
  int64_t size[kMaxAxes], pitch[kMaxAxes];
  bool shared;  // one set of coordinates for all images
  bool linear;
  int64_t slope;
  Fill fill;
};

Problem problem_of(const Shape& x, const Shape& coords, const ResampleAttrs& at) {
  Problem p{x[0], 1, x.back(), x.back(), x.rank() - 2, {}, {}, coords[0] == 1, at.order == 1, at.slope, {}};
  for (int i = 1; i < coords.rank() - 1; ++i) p.points *= coords[i];
  for (int j = p.axes - 1; j >= 0; --j) {
    p.size[j] = x[j + 1];
    p.pitch[j] = p.image;
    p.image *= p.size[j];
  }
  p.fill = fill_of(at.fill_mode);
  return p;
}

// f(offset in the image or kOutside, weight) for the neighbours of a point.
template <class T, class F>
void each_neighbour(const Problem& p, const T* coord, F&& f) {
  constexpr double kFar = 1e9;  // beyond, and for NaN, the place is outside or arbitrary
  int64_t at[kMaxAxes][2];
  T weight[kMaxAxes][2];
  for (int j = 0; j < p.axes; ++j) {
    const double c = std::isnan(coord[j]) ? -kFar : std::clamp(static_cast<double>(coord[j]), -kFar, kFar);
    const double low = p.linear ? std::floor(c) : std::round(c);
    const T part = static_cast<T>(c - low);
    const bool slope = p.slope >> j & 1;
    at[j][0] = place(static_cast<int64_t>(low), p.size[j], p.fill);
    at[j][1] = place(static_cast<int64_t>(low) + 1, p.size[j], p.fill);
    weight[j][0] = slope ? T(-1) : T(1) - part;
    weight[j][1] = slope ? T(1) : part;
    if (!p.linear) weight[j][0] = slope ? T(0) : T(1);
  }
  const int corners = p.linear ? 1 << p.axes : 1;
  for (int corner = 0; corner < corners; ++corner) {
    T w = 1;
    int64_t offset = 0;
    bool outside = false;
    for (int j = 0; j < p.axes; ++j) {
      const int side = corner >> (p.axes - 1 - j) & 1;
      w *= weight[j][side];
      outside |= at[j][side] == kOutside;
      offset += at[j][side] * p.pitch[j];
    }
    f(outside ? kOutside : offset, w);
  }
}

double cost_of(const Problem& p) {
  return static_cast<double>(p.images * p.points) * (5.0 + (p.linear ? 1 << p.axes : 1) * (2.0 + p.channels * 0.5));
}

template <class T>
void sample(const Tensor& x, const Tensor& coords, const Tensor& y, const ResampleAttrs& at) {
  const Problem p = problem_of(x.shape(), coords.shape(), at);
  const T *from = x.data<T>(), *places = coords.data<T>();
  T* to = y.mutable_data<T>();
  const T fill = static_cast<T>(at.fill_value);
  const bool nothing = p.image == 0;
  parallel_for(p.images * p.points, 512, cost_of(p), [&](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; ++q) {
      const T* image = from + q / p.points * p.image;
      T* out = to + q * p.channels;
      std::fill_n(out, p.channels, nothing ? fill : T(0));
      if (nothing) continue;
      each_neighbour<T>(p, places + (p.shared ? q % p.points : q) * p.axes, [&](int64_t offset, T w) {
        if (offset == kOutside) {
          for (int64_t c = 0; c < p.channels; ++c) out[c] += w * fill;
        } else {
          for (int64_t c = 0; c < p.channels; ++c) out[c] += w * image[offset + c];
        }
      });
    }
  });
}

// One thread adds up an image.
template <class T>
void scatter(const Tensor& dy, const Tensor& coords, const Tensor& dx, const ResampleAttrs& at) {
  const Problem p = problem_of(dx.shape(), coords.shape(), at);
  const T *from = dy.data<T>(), *places = coords.data<T>();
  T* to = dx.mutable_data<T>();
  parallel_for(p.images, 1, cost_of(p), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* image = to + n * p.image;
      std::fill_n(image, p.image, T(0));
      for (int64_t q = n * p.points; q < (n + 1) * p.points; ++q) {
        const T* g = from + q * p.channels;
        each_neighbour<T>(p, places + (p.shared ? q - n * p.points : q) * p.axes, [&](int64_t offset, T w) {
          if (offset == kOutside) return;
          for (int64_t c = 0; c < p.channels; ++c) image[offset + c] += w * g[c];
        });
      }
    }
  });
}

void sample_kernel(const KernelArgs& args) {
  if (args.out[0].size() == 0) return;
  const auto& at = args.as<ResampleAttrs>();
  if (args.out[0].dtype() == DType::Float64) sample<double>(args.in[0], args.in[1], args.out[0], at);
  else sample<float>(args.in[0], args.in[1], args.out[0], at);
}

void scatter_kernel(const KernelArgs& args) {
  if (args.out[0].size() == 0) return;
  const auto& at = args.as<ResampleAttrs>();
  if (args.out[0].dtype() == DType::Float64) scatter<double>(args.in[0], args.in[1], args.out[0], at);
  else scatter<float>(args.in[0], args.in[1], args.out[0], at);
}

}  // namespace

void register_image_kernels() {
  define_kernel("resize_core", DeviceType::CPU, resize_kernel<false>);
  define_kernel("resize_core_grad", DeviceType::CPU, resize_kernel<true>);
  define_kernel("sample", DeviceType::CPU, sample_kernel);
  define_kernel("sample_grad", DeviceType::CPU, scatter_kernel);
}

}  // namespace tahr
