// Calibration: what the machine reaches, by running two kernels of this library.
#include <algorithm>
#include <chrono>
#include <limits>

#include "graph/report.h"
#include "ops/linalg_attrs.h"

namespace tahr::graph {
namespace {

// The shortest of several runs, per call.
template <class F>
double best_seconds(int calls, F&& f) {
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 7; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) f();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / calls);
  }
  return best;
}

Machine measure() {
  Machine m{};
  constexpr int64_t kSide = 768;
  const Tensor a = Tensor::full({kSide, kSide}, DType::Float32, 0.5), c = Tensor::empty({kSide, kSide}, DType::Float32);
  const Tensor factors[2] = {a, a};
  const MatmulAttrs flags;
  const KernelFn product = get_op("matmul").kernel[static_cast<int>(DeviceType::CPU)];
  const double flops = 2.0 * kSide * kSide * kSide;
  m.flops_per_second = flops / best_seconds(1, [&] { product({factors, {&c, 1}, &flags, nullptr}); });

  const KernelFn copy = get_op("negative").kernel[static_cast<int>(DeviceType::CPU)];
  for (int64_t bytes = 16 << 10; bytes <= 64 << 20; bytes *= 16) {
    const Tensor from = Tensor::zeros({bytes / 8}, DType::Float32), to = Tensor::empty({bytes / 8}, DType::Float32);
    const int calls = static_cast<int>(std::max<int64_t>(1, (4 << 20) / bytes));
    const double seconds = best_seconds(calls, [&] { copy({{&from, 1}, {&to, 1}, nullptr, nullptr}); });
    m.bandwidths.push_back({static_cast<double>(bytes), static_cast<double>(bytes) / seconds});
  }
  // A larger loop is never faster than a smaller one but for the cost of its start.
  for (size_t i = m.bandwidths.size() - 1; i-- > 0;)
    m.bandwidths[i].bytes_per_second = std::max(m.bandwidths[i].bytes_per_second, m.bandwidths[i + 1].bytes_per_second);
  return m;
}

}  // namespace

const Machine& this_machine() {
  static const Machine m = measure();
  return m;
}

}  // namespace tahr::graph
