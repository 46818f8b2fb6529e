// Convolutions in GFLOP/s: forward, dX and dW of 3x3 windows, batch 64. Beside the peak of bench_machine.
#include "cpu/conv.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "core/parallel.h"

namespace {

enum Way { kForward, kDx, kDw };

// Arguments: channels, filters, size, padding, batch, way, threads.
void convolution(benchmark::State& state) {
  const int64_t cin = state.range(0), cout = state.range(1), size = state.range(2), pad = state.range(3),
                n = state.range(4), way = state.range(5);
  tahr::set_num_threads(static_cast<int>(state.range(6)));
  const int64_t out = size + 2 * pad - 2;
  const tahr::ConvCoreAttrs at{{1, 1}, {1, 1}, {pad, pad}, {pad, pad}, {}, 1};
  const tahr::ConvShape s = tahr::conv_shape({n, size, size, cin}, {3, 3, cin, cout}, {n, out, out, cout}, at);
  std::vector<float> x(static_cast<size_t>(n * size * size * cin), 0.5f), w(static_cast<size_t>(9 * cin * cout), 0.25f),
      y(static_cast<size_t>(n * out * out * cout), 0.125f);
  const tahr::ConvTable& table = tahr::conv_table();
  for (auto _ : state) {
    if (way == kForward) tahr::conv_rows(table, tahr::DType::Float32, s, false, x.data(), w.data(), y.data());
    else if (way == kDx) tahr::conv_rows(table, tahr::DType::Float32, s, true, y.data(), w.data(), x.data());
    else tahr::conv_outer(table, tahr::DType::Float32, s, x.data(), y.data(), w.data());
    benchmark::ClobberMemory();
  }
  const auto flops = 2e-9 * static_cast<double>(n * out * out * cout * cin * 9 * state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(flops, benchmark::Counter::kIsRate);
}

void arguments(benchmark::internal::Benchmark* b) {
  b->ArgNames({"cin", "cout", "size", "pad", "n", "way", "threads"})->UseRealTime();
  const int64_t shapes[][4] = {{64, 64, 32, 1}, {1, 32, 28, 0}, {32, 64, 13, 0}, {3, 64, 32, 1}, {256, 256, 8, 1}};
  for (int64_t threads : {1, 2}) {
    for (const auto& [cin, cout, size, pad] : shapes) {
      for (int64_t way : {kForward, kDx, kDw}) b->Args({cin, cout, size, pad, 64, way, threads});
    }
  }
}
BENCHMARK(convolution)->Apply(arguments);

}  // namespace

BENCHMARK_MAIN();
