// The resamplings that image functions are made of (ops/image.cpp), and their transposes.
//
//   resize_core       y = Wh x Ww': weights of both axes are found on the device first, one thread per place
//   resize_core_grad  the same weights, each place gathering from the results that it took part in
//   sample            x at places between its elements, one thread per element of the result
//   sample_grad       each block owns 1024 pixels of dx and looks through all points of its image for those that fall
//                     there, adding them up in the order of the points: no atomics, the same bits each time
//
// Floor of the first three: x read once and y written once. sample_grad reads the coordinates once per block of the
// same image, from the level-2 cache: (pixels / 1024) times the points.
#include "cuda/convert.h"
#include "cuda/runtime.h"
#include "ops/image_attrs.h"

namespace tahr::cuda {
namespace {

// ---- resize ----

enum class Method { Nearest, Bilinear, Bicubic, Lanczos };

struct Filter {
  Method method;
  double reach, ratio, stretch;  // ratio: places of the input for one of the output
};

Filter filter_of(const ResizeCoreAttrs& at, int64_t in, int64_t out) {
  Filter f{Method::Nearest, 0, static_cast<double>(in) / static_cast<double>(out), 1};
  if (at.antialias && f.ratio > 1) f.stretch = f.ratio;
  if (at.method == "bilinear") f.method = Method::Bilinear, f.reach = 1;
  else if (at.method == "bicubic") f.method = Method::Bicubic, f.reach = 2;
  else if (at.method == "lanczos3") f.method = Method::Lanczos, f.reach = 3;
  else if (at.method == "lanczos5") f.method = Method::Lanczos, f.reach = 5;
  return f;
}

__device__ double sinc(double x) { return x == 0 ? 1 : sin(x * M_PI) / (x * M_PI); }

__device__ double weight(const Filter& f, double x) {  // at distance x >= 0
  if (f.method == Method::Bilinear) return x < 1 ? 1 - x : 0;
  if (f.method == Method::Bicubic) {  // Keys, 1981: a = -1/2
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  }
  return x < f.reach ? sinc(x) * sinc(x / f.reach) : 0;
}

// Place p of the result is the sum over k < count[p] of weight(p, k) times place begin[p] + k of the source. In a
// transpose the weights are those of the places of the source, which begin at `from`.
template <class T>
struct Taps {
  int64_t *begin, *count, *from;
  T* weights;
  int64_t width;
  bool transposed;

  __device__ __forceinline__ T weight(int64_t p, int64_t k) const {
    if (!transposed) return weights[p * width + k];
    const int64_t o = begin[p] + k;
    return weights[o * width + p - from[o]];
  }
};

// Centres of places are half integers; weights sum to 1. `trim`: leaves out zeros at both ends; without, where the taps
// begin and where they end never goes back from one place to the next.
template <class T>
__global__ void taps_kernel(Filter f, int64_t in, int64_t out, bool trim, int64_t* begins, int64_t* counts, T* weights,
                            int64_t width) {
  for (int64_t o = grid_index(); o < out; o += grid_size()) {
    T* to = weights + o * width;
    if (f.method == Method::Nearest) {
      const int64_t i = static_cast<int64_t>(floor((static_cast<double>(o) + 0.5) * f.ratio));
      begins[o] = i < in ? i : in - 1;
      counts[o] = 1;
      to[0] = T(1);
      continue;
    }
    const double centre = (static_cast<double>(o) + 0.5) * f.ratio - 0.5, reach = f.reach * f.stretch;
    int64_t begin = static_cast<int64_t>(ceil(centre - reach)), end = static_cast<int64_t>(floor(centre + reach)) + 1;
    begin = begin < 0 ? 0 : begin;
    end = end > in ? in : end;
    double sum = 0;
    int64_t first = end, last = begin;
    for (int64_t i = begin; i < end; ++i) {
      const double w = weight(f, fabs(centre - static_cast<double>(i)) / f.stretch);
      sum += w;
      if (w == 0 && trim) continue;
      first = i < first ? i : first;
      last = i + 1;
    }
    begins[o] = first;
    counts[o] = last > first ? last - first : 0;
    for (int64_t i = first; i < last; ++i)
      to[i - first] = static_cast<T>(weight(f, fabs(centre - static_cast<double>(i)) / f.stretch) / sum);
  }
}

// Which of the `out` results each of `in` places took part in; they lie side by side.
__global__ void transpose_kernel(const int64_t* begins, const int64_t* counts, int64_t in, int64_t out, int64_t* first,
                                 int64_t* number) {
  for (int64_t i = grid_index(); i < in; i += grid_size()) {
    int64_t low = 0, high = out;  // the first result that ends after i
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (begins[middle] + counts[middle] > i) high = middle;
      else low = middle + 1;
    }
    first[i] = low;
    for (high = low; high < out && begins[high] <= i; ++high) {}
    number[i] = high - low;
  }
}

// The taps of an axis from `from` to `to` places, in device memory.
template <class T>
class AxisTaps {
 public:
  AxisTaps(const ResizeCoreAttrs& at, int64_t from, int64_t to, bool transposed)
      : in_(transposed ? to : from),
        out_(transposed ? from : to),
        filter_(filter_of(at, in_, out_)),
        width_(static_cast<int64_t>(2 * filter_.reach * filter_.stretch) + 2),
        places_(static_cast<size_t>(2 * (in_ + out_)) * sizeof(int64_t)),
        weights_(static_cast<size_t>(out_ * width_) * sizeof(T)) {
    auto *begins = places_.as<int64_t>(), *counts = begins + out_;
    launch(taps_kernel<T>, grid_for(out_), dim3(kBlock), 0, filter_, in_, out_, !transposed, begins, counts,
           weights_.as<T>(), width_);
    taps_ = {begins, counts, begins, weights_.as<T>(), width_, transposed};
    if (!transposed) return;
    taps_.begin = counts + out_;
    taps_.count = taps_.begin + in_;
    launch(transpose_kernel, grid_for(in_), dim3(kBlock), 0, begins, counts, in_, out_, taps_.begin, taps_.count);
  }
  const Taps<T>& taps() const { return taps_; }

 private:
  int64_t in_, out_;
  Filter filter_;
  int64_t width_;
  Scratch places_, weights_;
  Taps<T> taps_;
};

// I: an integer that holds every element's number.
template <class T, class I>
__global__ void resize_kernel(const T* x, T* y, I elements, I h, I w, I out_h, I out_w, I channels, Taps<T> down,
                              Taps<T> right) {
  for (int64_t e = grid_index(); e < elements; e += grid_size()) {
    const I i = static_cast<I>(e), place = i / channels, row = place / out_w;
    const int64_t c = i % channels, p = place % out_w, r = row % out_h, image = row / out_h;
    const int64_t pitch = static_cast<int64_t>(w) * channels, rows = down.count[r], columns = right.count[p];
    const T* from = x + (image * h + down.begin[r]) * pitch + right.begin[p] * channels + c;
    T sum = 0;
    for (int64_t k = 0; k < columns; ++k) {
      T line = 0;
      for (int64_t l = 0; l < rows; ++l) line += down.weight(r, l) * from[l * pitch + k * channels];
      sum += right.weight(p, k) * line;
    }
    y[e] = sum;
  }
}

void clear(const Tensor& t) {
  check(cudaMemsetAsync(t.mutable_raw(), 0, t.nbytes(), stream()), "memory could not be set");
}

template <class T>
void resize(const Tensor& x, const Tensor& y, const ResizeCoreAttrs& at, bool transposed) {
  const int first = at.channels_first ? 2 : 1;
  const int64_t h = x.dim(first), w = x.dim(first + 1), out_h = y.dim(first), out_w = y.dim(first + 1),
                channels = at.channels_first ? 1 : x.dim(3);
  if (h == 0 || w == 0) return clear(y);
  const AxisTaps<T> down(at, h, out_h, transposed), right(at, w, out_w, transposed);
  const auto run = [&]<class I>() {
    launch(resize_kernel<T, I>, grid_for(y.size()), dim3(kBlock), 0, x.data<T>(), y.mutable_data<T>(), y.size(), h, w,
           out_h, out_w, channels, down.taps(), right.taps());
  };
  if (y.size() <= std::numeric_limits<int32_t>::max()) run.template operator()<int32_t>();
  else run.template operator()<int64_t>();
}

template <bool kTransposed>
void resize_op(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  if (y.size() == 0) return;
  const auto& at = a.as<ResizeCoreAttrs>();
  if (y.dtype() == DType::Float64) resize<double>(a.in[0], y, at, kTransposed);
  else resize<float>(a.in[0], y, at, kTransposed);
}

// ---- sampling ----

constexpr int64_t kOutside = -1;
enum class Fill { Constant, Nearest, Wrap, Mirror, Reflect };

Fill fill_of(const std::string& name) {
  if (name == "constant") return Fill::Constant;
  if (name == "nearest") return Fill::Nearest;
  if (name == "wrap") return Fill::Wrap;
  return name == "mirror" ? Fill::Mirror : Fill::Reflect;
}

__device__ __forceinline__ int64_t modulo(int64_t a, int64_t b) {
  const int64_t r = a % b;
  return r < 0 ? r + b : r;
}

__device__ __forceinline__ int64_t place(int64_t i, int64_t n, Fill fill) {
  if (i >= 0 && i < n) return i;
  switch (fill) {
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
    default: return kOutside;
  }
}

template <int kAxes>
struct Problem {
  int64_t images, points, channels, pixels;  // points and pixels of an image
  int64_t size[kAxes], pitch[kAxes];         // in pixels
  bool shared;                               // one set of coordinates for all images
  bool linear;
  int64_t slope;
  Fill fill;
  __device__ __forceinline__ int corners() const { return linear ? 1 << kAxes : 1; }
};

template <int kAxes>
Problem<kAxes> problem_of(const Shape& x, const Shape& coords, const ResampleAttrs& at) {
  Problem<kAxes> p{};
  p.images = x[0], p.points = 1, p.channels = x.back(), p.pixels = 1;
  p.shared = coords[0] == 1, p.linear = at.order == 1, p.slope = at.slope, p.fill = fill_of(at.fill_mode);
  for (int i = 1; i < coords.rank() - 1; ++i) p.points *= coords[i];
  for (int j = kAxes - 1; j >= 0; --j) {
    p.size[j] = x[j + 1];
    p.pitch[j] = p.pixels;
    p.pixels *= p.size[j];
  }
  return p;
}

// The elements around a point: along each axis a low and a high one with their weights.
template <class T, int kAxes>
struct Around {
  int64_t low[kAxes], high[kAxes];
  T low_weight[kAxes], high_weight[kAxes];

  __device__ __forceinline__ Around(const Problem<kAxes>& p, const T* coord) {
    constexpr double kFar = 1e9;  // beyond, and for NaN, the place is outside or arbitrary
    TAHR_UNROLL
    for (int j = 0; j < kAxes; ++j) {
      const double given = static_cast<double>(coord[j]);
      const double c = given != given || given < -kFar ? -kFar : given > kFar ? kFar : given;
      const double below = p.linear ? floor(c) : round(c);
      const T part = static_cast<T>(c - below);
      const bool slope = p.slope >> j & 1;
      low[j] = place(static_cast<int64_t>(below), p.size[j], p.fill);
      high[j] = place(static_cast<int64_t>(below) + 1, p.size[j], p.fill);
      low_weight[j] = p.linear ? slope ? T(-1) : T(1) - part : slope ? T(0) : T(1);
      high_weight[j] = slope ? T(1) : part;
    }
  }
  // The pixel at a corner, or kOutside, and its weight.
  __device__ __forceinline__ int64_t corner(const Problem<kAxes>& p, int which, T* weight) const {
    int64_t pixel = 0;
    bool outside = false;
    T w = 1;
    TAHR_UNROLL
    for (int j = 0; j < kAxes; ++j) {
      const bool side = which >> (kAxes - 1 - j) & 1;
      const int64_t at = side ? high[j] : low[j];
      w *= side ? high_weight[j] : low_weight[j];
      outside |= at == kOutside;
      pixel += at * p.pitch[j];
    }
    *weight = w;
    return outside ? kOutside : pixel;
  }
};

template <class T, int kAxes>
__global__ void sample_kernel(Problem<kAxes> p, const T* x, const T* coords, T* y, T fill) {
  const int64_t elements = p.images * p.points * p.channels;
  for (int64_t e = grid_index(); e < elements; e += grid_size()) {
    const int64_t q = e / p.channels, c = e % p.channels;
    if (p.pixels == 0) {
      y[e] = fill;
      continue;
    }
    const T* image = x + q / p.points * p.pixels * p.channels + c;
    const Around<T, kAxes> around(p, coords + (p.shared ? q % p.points : q) * kAxes);
    T sum = 0;
    for (int corner = 0; corner < p.corners(); ++corner) {
      T w;
      const int64_t pixel = around.corner(p, corner, &w);
      sum += w * (pixel == kOutside ? fill : image[pixel * p.channels]);
    }
    y[e] = sum;
  }
}

constexpr int kWarps = kBlock / 32, kPixels = 1024;  // that a block of sample_grad owns
constexpr int64_t kManyChannels = 32;

// Points are taken kBlock at a time, one corner after the other; those that fall among the block's pixels are listed in
// the order of their threads, and each element of the result has one thread that adds to it.
template <class T, int kAxes>
__global__ void __launch_bounds__(kBlock)
    scatter_kernel(Problem<kAxes> p, const T* dy, const T* coords, T* dx, int64_t blocks_per_image) {
  __shared__ int counts[kWarps], pixels[kBlock];
  __shared__ bool any[2][kWarps];  // whether a warp's points hit at all: in turn, so that one barrier is enough
  __shared__ T weights[kBlock];
  __shared__ int64_t sources[kBlock];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int64_t image = blockIdx.x / blocks_per_image, first = blockIdx.x % blocks_per_image * kPixels;
  const int64_t mine = p.pixels - first < kPixels ? p.pixels - first : kPixels;
  T* to = dx + (image * p.pixels + first) * p.channels;
  for (int64_t i = thread; i < mine * p.channels; i += kBlock) to[i] = T(0);
  for (int64_t begin = 0; begin < p.points; begin += kBlock) {
    const int64_t point = begin + thread, last = point < p.points ? point : p.points - 1;
    const Around<T, kAxes> around(p, coords + (p.shared ? last : image * p.points + last) * kAxes);
    bool hits_any = false;
    for (int corner = 0; corner < p.corners(); ++corner) {
      T w;
      const int64_t pixel = around.corner(p, corner, &w) - first;
      hits_any |= point < p.points && pixel >= 0 && pixel < mine;
    }
    bool* flags = any[begin / kBlock % 2];
    hits_any = __any_sync(0xffffffffu, hits_any);
    if (lane == 0) flags[warp] = hits_any;
    __syncthreads();
    hits_any = false;
    for (int i = 0; i < kWarps; ++i) hits_any |= flags[i];
    if (!hits_any) continue;
    for (int corner = 0; corner < p.corners(); ++corner) {
      T w;
      const int64_t pixel = around.corner(p, corner, &w) - first;
      const bool hit = point < p.points && pixel >= 0 && pixel < mine;
      const unsigned hits = __ballot_sync(0xffffffffu, hit);
      if (lane == 0) counts[warp] = __popc(hits);
      __syncthreads();
      int at = __popc(hits & ((1u << lane) - 1)), total = 0;
      for (int i = 0; i < kWarps; ++i) {
        at += i < warp ? counts[i] : 0;
        total += counts[i];
      }
      if (hit) pixels[at] = static_cast<int>(pixel), weights[at] = w, sources[at] = image * p.points + point;
      __syncthreads();
      for (int i = 0; i < total; ++i) {
        T* sums = to + pixels[i] * p.channels;
        const T* from = dy + sources[i] * p.channels;
        if (p.channels >= kManyChannels) {
          for (int64_t c = thread; c < p.channels; c += kBlock) sums[c] += weights[i] * from[c];
        } else if (pixels[i] % kBlock == thread) {
          for (int64_t c = 0; c < p.channels; ++c) sums[c] += weights[i] * from[c];
        }
      }
    }
  }
}

template <class T, int kAxes>
void sample(const KernelArgs& a) {
  const auto& at = a.as<ResampleAttrs>();
  launch(sample_kernel<T, kAxes>, grid_for(a.out[0].size()), dim3(kBlock), 0,
         problem_of<kAxes>(a.in[0].shape(), a.in[1].shape(), at), a.in[0].data<T>(), a.in[1].data<T>(),
         a.out[0].mutable_data<T>(), static_cast<T>(at.fill_value));
}

template <class T, int kAxes>
void scatter(const KernelArgs& a) {
  const Tensor& dx = a.out[0];
  const auto p = problem_of<kAxes>(dx.shape(), a.in[1].shape(), a.as<ResampleAttrs>());
  const int64_t blocks = (p.pixels + kPixels - 1) / kPixels;
  launch(scatter_kernel<T, kAxes>, dim3(static_cast<unsigned>(p.images * blocks)), dim3(kBlock), 0, p,
         a.in[0].data<T>(), a.in[1].data<T>(), dx.mutable_data<T>(), blocks);
}

// Calls f with the number of axes as a constant.
template <class F>
void with_axes(int axes, F&& f) {
  switch (axes) {
    case 1: return f.template operator()<1>();
    case 2: return f.template operator()<2>();
    case 3: return f.template operator()<3>();
    case 4: return f.template operator()<4>();
    case 5: return f.template operator()<5>();
    default: return f.template operator()<6>();
  }
}

void sample_op(const KernelArgs& a) {
  if (a.out[0].size() == 0) return;
  with_axes(a.in[0].rank() - 2, [&]<int kAxes>() {
    a.out[0].dtype() == DType::Float64 ? sample<double, kAxes>(a) : sample<float, kAxes>(a);
  });
}

void scatter_op(const KernelArgs& a) {
  if (a.out[0].size() == 0) return;
  with_axes(a.out[0].rank() - 2, [&]<int kAxes>() {
    a.out[0].dtype() == DType::Float64 ? scatter<double, kAxes>(a) : scatter<float, kAxes>(a);
  });
}

}  // namespace

void register_image() {
  define("resize_core", resize_op<false>);
  define("resize_core_grad", resize_op<true>);
  define("sample", sample_op);
  define("sample_grad", scatter_op);
}

}  // namespace tahr::cuda
