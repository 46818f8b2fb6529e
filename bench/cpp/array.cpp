// Array ops that move memory, in bytes read and written per second, beside a plain copy of the same size; and sorts, in
// elements per second. The arguments end with the number of threads.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace {

using namespace tahr;

// A tensor of scattered values.
Tensor values(const Shape& shape) {
  Tensor t = Tensor::empty(shape, DType::Float32);
  uint32_t state = 1;
  for (int64_t i = 0; i < t.size(); ++i) {
    state = state * 1664525u + 1013904223u;
    t.mutable_data<float>()[i] = static_cast<float>(state >> 8);
  }
  return t;
}

template <class F>
void moved(benchmark::State& state, int64_t bytes, int threads, F&& f) {
  init_op_table();
  set_num_threads(threads);
  release_cached_memory();        // of earlier measurements
  benchmark::DoNotOptimize(f());  // the memory of the result, once
  for (auto _ : state) benchmark::DoNotOptimize(f());
  state.SetBytesProcessed(state.iterations() * bytes);
}

void copy(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0)) * 4;
  std::vector<char> from(bytes, 1), to(bytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes) * 2);
}
BENCHMARK(copy)->Arg(1 << 16)->Arg(1 << 20)->Arg(1 << 24);

void transpose_matrix(benchmark::State& state) {
  const int64_t n = state.range(0), m = state.range(1);
  const Tensor x = values({n, m});
  moved(state, 8 * n * m, static_cast<int>(state.range(2)), [&] { return ops::transpose(x, {1, 0}); });
}
BENCHMARK(transpose_matrix)
    ->ArgsProduct({{256}, {256}, {1}})
    ->ArgsProduct({{1024}, {1024}, {1, 2}})
    ->ArgsProduct({{4096}, {4096}, {1, 2}})
    ->ArgsProduct({{3001}, {5003}, {1, 2}});

// Images: channels last to channels first and back.
void transpose_images(benchmark::State& state) {
  const int64_t size = state.range(0), channels = state.range(1);
  const bool back = state.range(2);
  const Tensor x = values(back ? Shape{32, channels, size, size} : Shape{32, size, size, channels});
  const Ints perm = back ? Ints{0, 2, 3, 1} : Ints{0, 3, 1, 2};
  moved(state, 8 * x.size(), static_cast<int>(state.range(3)), [&] { return ops::transpose(x, perm); });
}
BENCHMARK(transpose_images)->ArgsProduct({{224}, {3}, {0, 1}, {1}})->ArgsProduct({{56}, {64}, {0, 1}, {1}});

void concatenate_columns(benchmark::State& state) {
  const Tensor x = values({2048, state.range(0)});
  moved(state, 16 * x.size(), static_cast<int>(state.range(1)), [&] { return ops::concatenate({x, x}, 1); });
}
BENCHMARK(concatenate_columns)->ArgsProduct({{16, 2048}, {1, 2}});

void slice_columns(benchmark::State& state) {
  const Tensor x = values({2048, 2048});
  const int64_t n = state.range(0);
  moved(state, 8 * 2048 * n, 1, [&] { return ops::slice_axis(x, 1, 3, 3 + n); });
}
BENCHMARK(slice_columns)->Arg(4)->Arg(1024);

// An embedding: rows of a table of 20,000, and its gradient.
Tensor row_numbers(int64_t n) {
  Ints rows(static_cast<size_t>(n));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i * 7919 % 20000);
  return index_tensor_of(rows);
}
void take_rows(benchmark::State& state) {
  const int64_t n = state.range(0), width = state.range(1);
  const Tensor table = values({20000, width}), rows = row_numbers(n);
  moved(state, 8 * n * width, static_cast<int>(state.range(2)), [&] { return ops::take(table, rows, 0); });
}
BENCHMARK(take_rows)->ArgsProduct({{32, 25600}, {128}, {1, 2}});
void add_rows(benchmark::State& state) {
  const int64_t n = state.range(0), width = state.range(1);
  const Tensor dy = values({n, width}), rows = row_numbers(n);
  moved(state, 12 * n * width + 4 * 20000 * width, static_cast<int>(state.range(2)),
        [&] { return ops::take_grad(dy, rows, {20000, width}, 0); });
}
BENCHMARK(add_rows)->ArgsProduct({{25600}, {128}, {1, 2}});

void sort_lines(benchmark::State& state) {
  init_op_table();
  set_num_threads(1);
  const Tensor x = values({state.range(0), state.range(1)});
  for (auto _ : state) benchmark::DoNotOptimize(state.range(2) ? ops::argsort(x, -1) : ops::sort(x, -1));
  state.SetItemsProcessed(state.iterations() * x.size());
}
BENCHMARK(sort_lines)->ArgsProduct({{1000}, {10, 100}, {0, 1}})->ArgsProduct({{1}, {1000000}, {0, 1}});

// What one call costs when there is next to nothing to move.
void tiny(benchmark::State& state) {
  init_op_table();
  const Tensor x = values({2, 3});
  const auto f = [&]() -> Tensor {
    switch (state.range(0)) {
      case 0: return ops::reshape(x, {3, 2});
      case 1: return ops::transpose(x, {1, 0});
      case 2: return ops::concatenate({x, x}, 0);
      default: return ops::slice_axis(x, 0, 1, 2);
    }
  };
  for (auto _ : state) benchmark::DoNotOptimize(f());
}
BENCHMARK(tiny)->ArgName("reshape/transpose/concatenate/slice")->DenseRange(0, 3);

}  // namespace

BENCHMARK_MAIN();
