// Reductions and softmax, in bytes read (and written) per second, beside a copy of 10^7 floats. The arguments end with
// the number of threads.
#include "ops/reduce.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "core/parallel.h"

namespace {

using namespace tahr;

constexpr int64_t kCount = 10'000'000;

Tensor values(const Shape& shape) {
  Tensor t = Tensor::empty(shape, DType::Float32);
  uint32_t state = 1;
  for (int64_t i = 0; i < t.size(); ++i) {
    state = state * 1664525u + 1013904223u;
    t.mutable_data<float>()[i] = static_cast<float>(state >> 8) * 0x1p-24f;
  }
  return t;
}

void copy(benchmark::State& state) {
  const size_t bytes = kCount * sizeof(float);
  std::vector<char> from(bytes, 1), to(bytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes) * 2);
}
BENCHMARK(copy);

// Arguments: rows, columns, the axis to reduce (-1: both), threads.
template <const char* kOp>
void reduce(benchmark::State& state) {
  init_op_table();
  const Tensor x = values({state.range(0), state.range(1)});
  const Axes axes = state.range(2) < 0 ? Axes() : Axes(Ints{state.range(2)});
  const OpDef& op = get_op(kOp);
  const auto attrs = op.attrs->make();
  if (op.attrs == attr_type<ReduceAttrs>()) static_cast<ReduceAttrs*>(attrs.get())->axis = axes;
  else if (op.attrs == attr_type<ExtremeAttrs>()) static_cast<ExtremeAttrs*>(attrs.get())->axis = axes;
  else if (state.range(2) >= 0) static_cast<ArgAttrs*>(attrs.get())->axis = state.range(2);
  set_num_threads(static_cast<int>(state.range(3)));
  for (auto _ : state) benchmark::DoNotOptimize(call1(op, std::span<const Tensor>(&x, 1), attrs.get()));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(x.nbytes()));
}

void shapes(benchmark::internal::Benchmark* b) {
  for (int threads : {1, 2}) {
    b->Args({1, kCount, -1, threads});
    for (int axis : {0, 1}) {
      b->Args({kCount / 1000, 1000, axis, threads});
      b->Args({kCount / 10, 10, axis, threads});
    }
  }
  b->Args({1, 4, -1, 1})->UseRealTime();
}

constexpr char kSum[] = "sum", kMax[] = "max", kVar[] = "var", kArgmax[] = "argmax", kLogsumexp[] = "logsumexp";
BENCHMARK(reduce<kSum>)->Name("sum")->Apply(shapes);
BENCHMARK(reduce<kMax>)->Name("max")->Apply(shapes);
BENCHMARK(reduce<kVar>)->Name("var")->Apply(shapes);
BENCHMARK(reduce<kArgmax>)->Name("argmax")->Apply(shapes);
BENCHMARK(reduce<kLogsumexp>)->Name("logsumexp")->Apply(shapes);

// Arguments: rows, columns, threads.
void softmax(benchmark::State& state) {
  init_op_table();
  const Tensor x = values({state.range(0), state.range(1)});
  const OpDef& op = get_op("softmax");
  const SoftmaxAttrs attrs;
  set_num_threads(static_cast<int>(state.range(2)));
  for (auto _ : state) benchmark::DoNotOptimize(call1(op, {x}, attrs));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(2 * x.nbytes()));
}
BENCHMARK(softmax)
    ->ArgsProduct({{kCount / 1000}, {1000}, {1, 2}})
    ->ArgsProduct({{kCount / 10}, {10}, {1, 2}})
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
