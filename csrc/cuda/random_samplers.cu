// Samplers that draw a varying number of words (gamma, beta, binomial: element i reads its own stream of attempts) and
// draws from a finite set (categorical, permutation, shuffle). The algorithms are those of cpu/random_samplers.cpp, in
// double. Permutations have the CPU's bits; the others do up to the last bits of the device's log, exp and cos.
#include <algorithm>

#include "cuda/copy.h"
#include "cuda/random_device.h"
#include "ops/random_attrs.h"

namespace tahr::cuda {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();
constexpr uint32_t kLastAttempt = 0xffff, kMiddle = 0x8000;

// The blocks that belong to one element, in order.
struct Stream {
  PhiloxKey key;
  int64_t element;
  uint32_t attempt = 1;
  __device__ PhiloxBlock next() { return philox(key, static_cast<uint64_t>(element), attempt++); }
  __device__ bool exhausted(uint32_t last) const { return attempt + 1 > last; }
};

// ln of a gamma(alpha, 1) draw.
__device__ double log_gamma_draw(double alpha, Stream stream, uint32_t last) {
  if (!(alpha > 0)) return kNaN;
  if (alpha == kInfinity) return alpha;
  const double raised = alpha < 1 ? alpha + 1 : alpha;
  const double d = raised - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    const PhiloxBlock a = stream.next(), b = stream.next();
    const double z = sqrt(-2 * log(open_unit(a.word64(0)))) * cos(2 * kPi * unit(a.word64(1)));
    const double root = 1 + c * z;
    if (root <= 0) continue;
    const double v = root * root * root, log_v = 3 * log(root);
    const double u = open_unit(b.word64(0));
    if (log(u) < 0.5 * z * z + d - d * v + d * log_v || stream.exhausted(last)) {
      const double draw = log(d) + log_v;
      return alpha < 1 ? draw + log(open_unit(b.word64(1))) / alpha : draw;
    }
  }
}

struct Gamma {
  Parameter alpha;
  __device__ double operator()(PhiloxKey key, int64_t i) const {
    return exp(log_gamma_draw(alpha[i], {key, i}, kLastAttempt));
  }
};

// x / (x + y) from ln x and ln y, which stays exact when both underflow.
struct Beta {
  Parameter alpha, beta;
  __device__ double operator()(PhiloxKey key, int64_t i) const {
    const double x = log_gamma_draw(alpha[i], {key, i}, kMiddle - 1);
    const double y = log_gamma_draw(beta[i], {key, i, kMiddle}, kLastAttempt);
    return 1 / (1 + exp(y - x));
  }
};

// ln k! - (k + 1/2) ln(k + 1) + (k + 1) - ln(2 pi) / 2
__device__ double stirling_tail(double k) {
  if (k < 10) {
    double factorial = 1;
    for (int i = 2; i <= static_cast<int>(k); ++i) factorial *= i;
    return log(factorial) - (k + 0.5) * log(k + 1) + (k + 1) - 0.5 * log(2 * kPi);
  }
  const double r = 1 / (k + 1), r2 = r * r;
  return r * (1.0 / 12 - r2 * (1.0 / 360 - r2 / 1260));
}

// Successes counted by the geometric gaps between them.
__device__ double binomial_by_gaps(double n, double p, Stream& stream) {
  const double log_q = log1p(-p);
  double trials = 0, successes = 0;
  for (;;) {
    const PhiloxBlock b = stream.next();
    for (int half = 0; half < 2; ++half) {
      trials += floor(log(open_unit(b.word64(half))) / log_q) + 1;
      if (trials > n || stream.exhausted(kLastAttempt)) return successes;
      ++successes;
    }
  }
}

// Transformed rejection with squeeze (BTRS), for n p >= 10 and p <= 1/2.
__device__ double binomial_by_rejection(double n, double p, Stream& stream) {
  const double q = 1 - p, spread = sqrt(n * p * q);
  const double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p, c = n * p + 0.5;
  const double v_r = 0.92 - 4.2 / b, r = p / q, alpha = (2.83 + 5.1 / b) * spread, mode = floor((n + 1) * p);
  for (;;) {
    const PhiloxBlock block = stream.next();
    const double u = unit(block.word64(0)) - 0.5, us = 0.5 - fabs(u);
    const double k = floor((2 * a / us + b) * u + c);
    double v = open_unit(block.word64(1));
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > n) {
      if (stream.exhausted(kLastAttempt)) return mode;
      continue;
    }
    v = log(v * alpha / (a / (us * us) + b));
    const double bound = (mode + 0.5) * log((mode + 1) / (r * (n - mode + 1))) +
                         (n + 1) * log((n - mode + 1) / (n - k + 1)) + (k + 0.5) * log(r * (n - k + 1) / (k + 1)) +
                         stirling_tail(mode) + stirling_tail(n - mode) - stirling_tail(k) - stirling_tail(n - k);
    if (v <= bound || stream.exhausted(kLastAttempt)) return k;
  }
}

struct Binomial {
  Parameter counts, probabilities;
  __device__ double operator()(PhiloxKey key, int64_t i) const {
    double n = counts[i];
    const double p = probabilities[i];
    if (!(n >= 0) || !(p >= 0 && p <= 1)) return kNaN;
    n = floor(n);
    const double rarer = p < 1 - p ? p : 1 - p;
    if (rarer == 0 || n == 0) return p > 0.5 ? n : 0;
    Stream stream{key, i};
    const double k = n * rarer < 10 ? binomial_by_gaps(n, rarer, stream) : binomial_by_rejection(n, rarer, stream);
    return p > 0.5 ? n - k : k;
  }
};

template <class T, class F>
__global__ void sample_kernel(const void* seed, DType type, T* out, int64_t n, const F f) {
  const PhiloxKey key = key_at(seed, type);
  for (int64_t i = grid_index(); i < n; i += grid_size()) out[i] = convert<T>(f(key, i));
}

template <class F>
void sample(const KernelArgs& k, const F& f) {
  const Tensor& y = k.out[0];
  if (y.size() == 0) return;
  visit_dtype(y.dtype(), [&]<class T>() {
    launch(sample_kernel<T, F>, grid_for(y.size()), dim3(kBlock), 0, k.in[0].raw(), k.in[0].dtype(),
           y.mutable_data<T>(), y.size(), f);
  });
}

void gamma(const KernelArgs& k) { sample(k, Gamma{Parameter(k.in[1], k.out[0].shape())}); }
void beta(const KernelArgs& k) {
  sample(k, Beta{Parameter(k.in[1], k.out[0].shape()), Parameter(k.in[2], k.out[0].shape())});
}
void binomial(const KernelArgs& k) {
  sample(k, Binomial{Parameter(k.in[1], k.out[0].shape()), Parameter(k.in[2], k.out[0].shape())});
}

// ---- categorical --------------------------------------------------------------------------------------------

// sums[row, c] = sum over c' <= c of exp(logit - max), added in order: a block per row, one thread of which adds up.
template <class T>
__global__ void cumulative_kernel(const T* logits, double* sums, int64_t rows, int64_t classes) {
  __shared__ double part[kBlock];
  __shared__ double carry;
  const int t = static_cast<int>(threadIdx.x);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* x = logits + row * classes;
    double top = -kInfinity;
    for (int64_t c = t; c < classes; c += kBlock) {
      const auto v = convert<double>(x[c]);
      top = top < v ? v : top;
    }
    part[t] = top;
    __syncthreads();
    for (int half = kBlock / 2; half > 0; half /= 2) {
      if (t < half) part[t] = part[t] < part[t + half] ? part[t + half] : part[t];
      __syncthreads();
    }
    top = part[0];
    if (t == 0) carry = 0;
    __syncthreads();
    for (int64_t begin = 0; begin < classes; begin += kBlock) {
      const int n = static_cast<int>(classes - begin < kBlock ? classes - begin : kBlock);
      if (t < n) part[t] = exp(convert<double>(x[begin + t]) - top);
      __syncthreads();
      if (t == 0) {
        double total = carry;
        for (int i = 0; i < n; ++i) {
          total += part[i];
          part[i] = total;
        }
        carry = total;
      }
      __syncthreads();
      if (t < n) sums[row * classes + begin + t] = part[t];
      __syncthreads();
    }
  }
}

template <class T>
struct Category {
  const double* sums;
  int64_t classes, samples;
  __device__ T operator()(uint64_t w, int64_t i) const {
    const double* row = sums + i / samples * classes;
    const double total = row[classes - 1], drawn = unit(w) * total, last = nextafter(total, 0.0);
    const double target = last < drawn ? last : drawn;
    int64_t low = 0, high = classes;  // the first sum above the target
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (target < row[middle]) high = middle;
      else low = middle + 1;
    }
    return convert<T>(low < classes - 1 ? low : classes - 1);
  }
};

void categorical(const KernelArgs& k) {
  const Tensor &logits = k.in[1], &y = k.out[0];
  if (y.size() == 0) return;
  const int64_t classes = logits.shape().back(), rows = logits.size() / classes;
  const Scratch sums(static_cast<size_t>(logits.size()) * sizeof(double));
  visit_dtype(logits.dtype(), [&]<class T>() {
    launch(cumulative_kernel<T>, grid_for(rows, 1, 1), dim3(kBlock), 0, logits.data<T>(), sums.as<double>(), rows,
           classes);
  });
  visit_dtype(y.dtype(), [&]<class T>() {
    draw64(k.in[0], y.mutable_data<T>(), y.size(), Category<T>{sums.as<double>(), classes, y.shape().back()});
  });
}

// ---- permutations -------------------------------------------------------------------------------------------

struct SwapWith {
  __device__ int64_t operator()(uint64_t w, int64_t i) const {
    return static_cast<int64_t>(__umul64hi(w, static_cast<uint64_t>(i + 1)));
  }
};

__global__ void iota_kernel(int64_t* order, int64_t n) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) order[i] = i;
}

// Fisher-Yates from the end, with the result of doing its swaps (i, with[i]) one after the other, i = n - 1 ... 1.
// One block takes as many swaps as it has threads: each reserves its two places, earlier ones (larger i) first, and is
// made once it holds both; the rest tries again. Few swaps meet, so a round makes nearly all. J. Shun et al.,
// "Sequential random permutation, list contraction and tree contraction are highly parallel", SODA 2015.
__global__ void swap_kernel(int64_t* order, const int64_t* with, unsigned long long* reserved, int64_t n) {
  __shared__ int unfinished;
  const auto threads = static_cast<int64_t>(blockDim.x);
  for (int64_t first = n - 1; first > 0; first -= threads) {
    const int64_t i = first - static_cast<int64_t>(threadIdx.x);
    bool pending = i > 0;
    const int64_t j = pending ? with[i] : 0;
    const auto name = static_cast<unsigned long long>(i);
    for (;;) {
      if (threadIdx.x == 0) unfinished = 0;
      if (pending) {
        atomicMax(&reserved[i], name);
        atomicMax(&reserved[j], name);
      }
      __syncthreads();
      volatile unsigned long long* held = reserved;
      const bool mine = pending && held[i] == name && held[j] == name;
      if (mine) {
        const int64_t before = order[i];
        order[i] = order[j];
        order[j] = before;
      }
      __syncthreads();
      if (pending) {
        held[i] = 0;
        held[j] = 0;
      }
      if (mine) pending = false;
      if (pending) unfinished = 1;
      __syncthreads();
      const bool again = unfinished != 0;
      __syncthreads();
      if (!again) break;
    }
  }
}

void permute(const Tensor& seed, int64_t* order, int64_t n) {
  const Scratch with(static_cast<size_t>(n) * sizeof(int64_t)), reserved(static_cast<size_t>(n) * sizeof(int64_t));
  draw64(seed, with.as<int64_t>(), n, SwapWith{});
  fill_bits(reserved.as<void>(), n, 0, sizeof(int64_t));
  launch(iota_kernel, grid_for(n), dim3(kBlock), 0, order, n);
  const auto threads = static_cast<unsigned>(std::min<int64_t>(1024, (n + 31) / 32 * 32));
  launch(swap_kernel, dim3(1), dim3(threads), 0, order, with.as<int64_t>(), reserved.as<unsigned long long>(), n);
}

template <class T>
__global__ void convert_kernel(const int64_t* from, T* to, int64_t n) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) to[i] = convert<T>(from[i]);
}

void permutation(const KernelArgs& k) {
  const Tensor& y = k.out[0];
  const int64_t n = y.size();
  if (n == 0) return;
  const Scratch order(static_cast<size_t>(n) * sizeof(int64_t));
  permute(k.in[0], order.as<int64_t>(), n);
  visit_dtype(y.dtype(), [&]<class T>() {
    launch(convert_kernel<T>, grid_for(n), dim3(kBlock), 0, order.as<int64_t>(), y.mutable_data<T>(), n);
  });
}

// y[o, i] = x[o, order[i]], or, inverse, y[o, order[i]] = x[o, i]
template <class U>
__global__ void shuffle_kernel(U* y, const U* x, const int64_t* order, int64_t n, int64_t units, bool inverse,
                               int64_t total) {
  for (int64_t at = grid_index(); at < total; at += grid_size()) {
    const int64_t line = at / units, c = at % units, i = line % n;
    const int64_t other = (line - i + order[i]) * units + c;
    if (inverse) y[other] = x[at];
    else y[at] = x[other];
  }
}

void shuffle(const KernelArgs& k) {
  const auto& a = k.as<ShuffleAttrs>();
  const Tensor &x = k.in[1], &y = k.out[0];
  if (x.size() == 0) return;
  const AxisView v = view_axis(x.shape(), static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis));
  const Scratch order(static_cast<size_t>(v.n) * sizeof(int64_t));
  permute(k.in[0], order.as<int64_t>(), v.n);
  const int64_t bytes = v.inner * static_cast<int64_t>(size_of(x.dtype()));
  with_unit(unit_of(bytes, x.raw(), y.raw()), [&]<class U>() {
    const int64_t units = bytes / static_cast<int64_t>(sizeof(U)), total = v.outer * v.n * units;
    launch(shuffle_kernel<U>, grid_for(total, 2), dim3(kBlock), 0, static_cast<U*>(y.mutable_raw()),
           static_cast<const U*>(x.raw()), order.as<int64_t>(), v.n, units, a.inverse, total);
  });
}

}  // namespace

void register_random_samplers() {
  define("random_gamma", gamma);
  define("random_beta", beta);
  define("random_binomial", binomial);
  define("random_categorical", categorical);
  define("random_permutation", permutation);
  define("random_shuffle", shuffle);
}

}  // namespace tahr::cuda
