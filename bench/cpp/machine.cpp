// What the machine can do, the denominators of every other figure: fused multiply-adds, copies, a pool dispatch.
// Built for the machine it runs on (-march=native).
#include <benchmark/benchmark.h>

#include <cstring>
#include <thread>
#include <vector>

#include "core/parallel.h"
#include "peak.h"

namespace {

void fma_peak(benchmark::State& state) {
  constexpr int64_t kRounds = 100000;
  for (auto _ : state) benchmark::DoNotOptimize(tahr::bench::fma_chains(kRounds));
  state.counters["GFLOP/s"] =
      benchmark::Counter(1e-9 * kRounds * tahr::bench::kFlopsPerRound * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}
BENCHMARK(fma_peak)->Threads(1)->Threads(2)->UseRealTime();

void copy(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  std::vector<char> from(n, 1), to(n, 2);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), n);
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(n * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(copy)->Arg(1 << 20)->Arg(80'000'000)->UseRealTime();

// A job of two chunks that do nothing: what it costs to involve another thread.
void pool_dispatch(benchmark::State& state) {
  tahr::set_num_threads(2);
  auto nothing = [](int64_t) {};
  for (auto _ : state) tahr::parallel_chunks(2, 1e9, nothing);
}
BENCHMARK(pool_dispatch)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
