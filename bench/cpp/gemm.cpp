// Matrix products in GFLOP/s: squares, and a dense layer's forward, dW and dX. Beside the peak of bench_machine.
#include "cpu/gemm.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "core/parallel.h"

namespace {

// Arguments: m, n, k, transpose a, transpose b, threads.
void product(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const bool ta = state.range(3) != 0, tb = state.range(4) != 0;
  tahr::set_num_threads(static_cast<int>(state.range(5)));
  std::vector<float> a(static_cast<size_t>(m * k), 0.5f), b(static_cast<size_t>(k * n), 0.25f),
      c(static_cast<size_t>(m * n));
  for (auto _ : state) {
    tahr::gemm(tahr::DType::Float32, ta, tb, m, n, k, a.data(), ta ? m : k, b.data(), tb ? k : n, c.data(), n);
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(m * n * k * state.iterations()), benchmark::Counter::kIsRate);
}

void arguments(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "ta", "tb", "threads"})->UseRealTime();
  for (int64_t threads : {1, 2}) {
    for (int64_t n : {64, 128, 192, 256, 384, 512, 768, 1024, 2048}) b->Args({n, n, n, 0, 0, threads});
    const int64_t layers[][3] = {{32, 784, 300}, {32, 300, 100}, {256, 784, 300}};
    for (const auto& [batch, in, out] : layers) {
      b->Args({batch, out, in, 0, 0, threads});
      b->Args({in, out, batch, 1, 0, threads});
      b->Args({batch, in, out, 0, 1, threads});
    }
  }
}
BENCHMARK(product)->Apply(arguments);

}  // namespace

BENCHMARK_MAIN();
