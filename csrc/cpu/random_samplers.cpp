// Samplers that draw a varying number of words (gamma, beta, binomial: element i reads its own stream of attempts) and
// draws from a finite set (categorical, permutation, shuffle). All arithmetic in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cpu/random_draw.h"
#include "ops/functions.h"
#include "ops/random_attrs.h"

namespace tahr {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr uint32_t kLastAttempt = 0xffff;

// The blocks that belong to one element, in order. Two independent streams per element are enough for beta.
class Stream {
 public:
  Stream(PhiloxKey key, int64_t element, uint32_t first = 1) : key_(key), element_(element), attempt_(first) {}
  PhiloxBlock next() { return philox(key_, static_cast<uint64_t>(element_), attempt_++); }
  bool exhausted(uint32_t last) const { return attempt_ + 1 > last; }

 private:
  PhiloxKey key_;
  int64_t element_;
  uint32_t attempt_;
};

// ln of a gamma(alpha, 1) draw. With d = alpha - 1/3, c = 1 / sqrt(9 d): v = (1 + c z)^3 is accepted when
// ln u < z^2 / 2 + d - d v + d ln v. For alpha < 1, gamma(alpha) = gamma(alpha + 1) u^(1 / alpha).
double log_gamma_draw(double alpha, Stream stream, uint32_t last) {
  if (!(alpha > 0)) return kNaN;
  if (std::isinf(alpha)) return alpha;
  const double raised = alpha < 1 ? alpha + 1 : alpha;
  const double d = raised - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const PhiloxBlock a = stream.next(), b = stream.next();
    const double z = std::sqrt(-2 * std::log(open_unit(a.word64(0)))) * std::cos(2 * kPi * unit(a.word64(1)));
    const double root = 1 + c * z;
    if (root <= 0) continue;
    const double v = root * root * root, log_v = 3 * std::log(root);
    const double u = open_unit(b.word64(0));
    if (std::log(u) < 0.5 * z * z + d - d * v + d * log_v || stream.exhausted(last)) {
      const double draw = std::log(d) + log_v;
      return alpha < 1 ? draw + std::log(open_unit(b.word64(1))) / alpha : draw;
    }
  }
}

template <class F>
void for_elements(const Tensor& out, double ns, F&& draw) {
  visit_dtype(out.dtype(), [&]<class T>() {
    T* to = out.mutable_data<T>();
    parallel_for(out.size(), 512, ns * static_cast<double>(out.size()), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = store_as<T>(draw(i));
    });
  });
}

void gamma_kernel(const KernelArgs& k) {
  const PhiloxKey key = key_of(k.in[0]);
  const Parameter alpha(k.in[1], k.out[0].shape());
  for_elements(k.out[0], 150,
               [&](int64_t i) { return std::exp(log_gamma_draw(alpha[i], Stream(key, i), kLastAttempt)); });
}

// x / (x + y) from ln x and ln y, which stays exact when both underflow.
void beta_kernel(const KernelArgs& k) {
  constexpr uint32_t kMiddle = 0x8000;
  const PhiloxKey key = key_of(k.in[0]);
  const Parameter alpha(k.in[1], k.out[0].shape()), beta(k.in[2], k.out[0].shape());
  for_elements(k.out[0], 300, [&](int64_t i) {
    const double x = log_gamma_draw(alpha[i], Stream(key, i), kMiddle - 1);
    const double y = log_gamma_draw(beta[i], Stream(key, i, kMiddle), kLastAttempt);
    return 1 / (1 + std::exp(y - x));
  });
}

// ln k! - (k + 1/2) ln(k + 1) + (k + 1) - ln(2 pi) / 2
double stirling_tail(double k) {
  constexpr double kFactorials[] = {1, 1, 2, 6, 24, 120, 720, 5040, 40320, 362880};
  if (k < 10) {
    const double log_factorial = std::log(kFactorials[static_cast<int>(k)]);
    return log_factorial - (k + 0.5) * std::log(k + 1) + (k + 1) - 0.5 * std::log(2 * kPi);
  }
  const double r = 1 / (k + 1), r2 = r * r;
  return r * (1.0 / 12 - r2 * (1.0 / 360 - r2 / 1260));
}

// Successes counted by the geometric gaps between them: about n p + 1 draws.
double binomial_by_gaps(double n, double p, Stream& stream) {
  const double log_q = std::log1p(-p);
  double trials = 0, successes = 0;
  for (;;) {
    const PhiloxBlock b = stream.next();
    for (int half = 0; half < 2; ++half) {
      trials += std::floor(std::log(open_unit(b.word64(half))) / log_q) + 1;
      if (trials > n || stream.exhausted(kLastAttempt)) return successes;
      ++successes;
    }
  }
}

// Transformed rejection with squeeze (BTRS), for n p >= 10 and p <= 1/2.
double binomial_by_rejection(double n, double p, Stream& stream) {
  const double q = 1 - p, spread = std::sqrt(n * p * q);
  const double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p, c = n * p + 0.5;
  const double v_r = 0.92 - 4.2 / b, r = p / q, alpha = (2.83 + 5.1 / b) * spread, mode = std::floor((n + 1) * p);
  for (;;) {
    const PhiloxBlock block = stream.next();
    const double u = unit(block.word64(0)) - 0.5, us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + c);
    double v = open_unit(block.word64(1));
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > n) {
      if (stream.exhausted(kLastAttempt)) return mode;
      continue;
    }
    v = std::log(v * alpha / (a / (us * us) + b));
    const double bound = (mode + 0.5) * std::log((mode + 1) / (r * (n - mode + 1))) +
                         (n + 1) * std::log((n - mode + 1) / (n - k + 1)) +
                         (k + 0.5) * std::log(r * (n - k + 1) / (k + 1)) + stirling_tail(mode) +
                         stirling_tail(n - mode) - stirling_tail(k) - stirling_tail(n - k);
    if (v <= bound || stream.exhausted(kLastAttempt)) return k;
  }
}

double binomial_draw(double n, double p, Stream stream) {
  if (!(n >= 0) || !(p >= 0 && p <= 1)) return kNaN;
  n = std::floor(n);
  const double rarer = std::min(p, 1 - p);
  if (rarer == 0 || n == 0) return p > 0.5 ? n : 0;
  const double k = n * rarer < 10 ? binomial_by_gaps(n, rarer, stream) : binomial_by_rejection(n, rarer, stream);
  return p > 0.5 ? n - k : k;
}

void binomial_kernel(const KernelArgs& k) {
  const PhiloxKey key = key_of(k.in[0]);
  const Parameter counts(k.in[1], k.out[0].shape()), probabilities(k.in[2], k.out[0].shape());
  for_elements(k.out[0], 200, [&](int64_t i) { return binomial_draw(counts[i], probabilities[i], Stream(key, i)); });
}

// Inverse of the cumulative sums of exp(logit - max), one row of sums per row of logits.
void categorical_kernel(const KernelArgs& k) {
  const Tensor &logits = k.in[1], &out = k.out[0];
  const int64_t classes = logits.shape().back(), rows = logits.size() / classes;
  const int64_t samples = out.shape().back();
  if (out.size() == 0) return;
  std::vector<double> sums(static_cast<size_t>(logits.size()));
  visit_dtype(logits.dtype(), [&]<class T>() {
    const int64_t grain = std::max<int64_t>(1, 4096 / classes);
    parallel_for(rows, grain, 10.0 * static_cast<double>(logits.size()), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* x = logits.data<T>() + row * classes;
        double* to = sums.data() + row * classes;
        double top = -std::numeric_limits<double>::infinity();
        for (int64_t c = 0; c < classes; ++c) top = std::max(top, static_cast<double>(load_as(x[c])));
        double total = 0;
        for (int64_t c = 0; c < classes; ++c) {
          total += std::exp(static_cast<double>(load_as(x[c])) - top);
          to[c] = total;
        }
      }
    });
  });
  visit_dtype(out.dtype(), [&]<class T>() {
    draw64(key_of(k.in[0]), out.size(), 30, out.mutable_data<T>(), [&](uint64_t w, int64_t i) {
      const double* row = sums.data() + i / samples * classes;
      const double target = std::min(unit(w) * row[classes - 1], std::nextafter(row[classes - 1], 0.0));
      const int64_t c = std::upper_bound(row, row + classes, target) - row;
      return store_as<T>(std::min(c, classes - 1));
    });
  });
}

// Fisher-Yates from the end, its draws made ahead in parallel.
std::vector<int64_t> permutation(PhiloxKey key, int64_t n) {
  std::vector<int64_t> draws(static_cast<size_t>(n)), order(static_cast<size_t>(n));
  draw64(key, n, 2, draws.data(), [](uint64_t w, int64_t i) {
    return static_cast<int64_t>((static_cast<unsigned __int128>(w) * static_cast<uint64_t>(i + 1)) >> 64);
  });
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(draws[i])]);
  return order;
}

void permutation_kernel(const KernelArgs& k) {
  const std::vector<int64_t> order = permutation(key_of(k.in[0]), k.out[0].size());
  visit_dtype(k.out[0].dtype(), [&]<class T>() {
    std::transform(order.begin(), order.end(), k.out[0].mutable_data<T>(), [](int64_t i) { return store_as<T>(i); });
  });
}

void shuffle_kernel(const KernelArgs& k) {
  const auto& a = k.as<ShuffleAttrs>();
  const Tensor &x = k.in[1], &y = k.out[0];
  if (x.size() == 0) return;
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis);
  const int64_t n = x.dim(axis);
  int64_t outer = 1;
  for (int d = 0; d < axis; ++d) outer *= x.dim(d);
  const size_t bytes = x.nbytes() / static_cast<size_t>(outer * n);
  const std::vector<int64_t> order = permutation(key_of(k.in[0]), n);
  const char* from = static_cast<const char*>(x.raw());
  char* to = static_cast<char*>(y.mutable_raw());
  const int64_t grain = std::max<int64_t>(1, 65536 / static_cast<int64_t>(bytes));
  const double ns = static_cast<double>(outer * n) * (10 + 0.2 * static_cast<double>(bytes));
  parallel_for(outer * n, grain, ns, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t base = row - row % n;
      const int64_t other = base + order[static_cast<size_t>(row % n)];
      const int64_t source = a.inverse ? row : other, target = a.inverse ? other : row;
      std::memcpy(to + static_cast<size_t>(target) * bytes, from + static_cast<size_t>(source) * bytes, bytes);
    }
  });
}

}  // namespace

void register_random_samplers() {
  define_kernel("random_gamma", DeviceType::CPU, gamma_kernel);
  define_kernel("random_beta", DeviceType::CPU, beta_kernel);
  define_kernel("random_binomial", DeviceType::CPU, binomial_kernel);
  define_kernel("random_categorical", DeviceType::CPU, categorical_kernel);
  define_kernel("random_permutation", DeviceType::CPU, permutation_kernel);
  define_kernel("random_shuffle", DeviceType::CPU, shuffle_kernel);
}

}  // namespace tahr
