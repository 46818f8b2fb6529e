// Kernels at the sizes of small training steps, called as a planned executor calls them: no dispatch, no allocation.
// Names are <kernel>/<batch>x<units> and <rule>/<number of weights>/<threads>.
#include <benchmark/benchmark.h>

#include "core/parallel.h"
#include "kernel_cases.h"

namespace {

using namespace tahr;

void time_of(const KernelCase& c, const std::string& name, int threads) {
  benchmark::RegisterBenchmark(name.c_str(), [c, threads](benchmark::State& state) {
    set_num_threads(threads);
    for (auto _ : state) c.run();
    state.SetBytesProcessed(static_cast<int64_t>(c.bytes() * static_cast<double>(state.iterations())));
  })->UseRealTime();
}

void copy(benchmark::State& state) {  // on one thread, at the size of the largest update
  std::vector<float> from(static_cast<size_t>(state.range(0)), 1), to(from.size());
  for (auto _ : state) {
    std::copy(from.begin(), from.end(), to.begin());
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) * 8);
}
BENCHMARK(copy)->Arg(266'610)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  init_op_table();
  const std::pair<int64_t, int64_t> sizes[] = {{32, 30}, {32, 100}, {32, 300}, {256, 30}, {256, 300}};
  for (const auto& [m, n] : sizes) {
    for (const KernelCase& c : step_kernels(m, n)) time_of(c, concat(c.name, "/", m, "x", n), 2);
  }
  const std::vector<int64_t> networks[] = {{8, 30, 1}, {8, 30, 30, 1}, {64, 100, 10}, {784, 300, 100, 10}};
  for (const auto& units : networks) {
    int64_t weights = 0;
    for (size_t i = 1; i < units.size(); ++i) weights += (units[i - 1] + 1) * units[i];
    for (const KernelCase& c : update_kernels(units)) {
      for (int threads : {1, 2}) time_of(c, concat(c.name, "/", weights, "/", threads), threads);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
