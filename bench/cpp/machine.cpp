// What the machine can do, the denominators of every other figure: fused multiply-adds, copies, a pool dispatch.
// Built for the machine it runs on (-march=native).
#include <benchmark/benchmark.h>

#include <cstring>
#include <thread>
#include <vector>

#include "core/parallel.h"

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
typedef float Vec __attribute__((vector_size(kBytes)));
constexpr int kLanes = kBytes / 4, kChains = kBytes == 64 ? 20 : 12;

// kChains independent chains hide the latency of the multiply-add on every current core. The chains are locals whose
// address is never taken, so that they stay in registers.
__attribute__((noinline)) Vec fma_chains(Vec x, Vec y, int64_t rounds) {
  Vec acc[kChains];
#pragma GCC unroll 32
  for (int c = 0; c < kChains; ++c) acc[c] = x;
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 32
    for (int c = 0; c < kChains; ++c) {
      acc[c] = acc[c] * x + y;
      asm volatile("" : "+v"(acc[c]));
    }
  }
  Vec sum = acc[0];
#pragma GCC unroll 32
  for (int c = 1; c < kChains; ++c) sum += acc[c];
  return sum;
}

void fma_peak(benchmark::State& state) {
  Vec x{}, y{};
  for (int i = 0; i < kLanes; ++i) x[i] = 0.5f, y[i] = 1.0f;
  constexpr int64_t kRounds = 100000;
  for (auto _ : state) {
    Vec sum = fma_chains(x, y, kRounds);
    benchmark::DoNotOptimize(sum[0]);
  }
  state.counters["GFLOP/s"] = benchmark::Counter(
      2e-9 * kRounds * kChains * kLanes * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
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
