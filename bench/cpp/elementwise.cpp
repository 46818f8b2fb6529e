// Elementwise loops and ops: what a loop costs per element in L1, and an op with its driver at three sizes.
#include "cpu/elementwise.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "core/parallel.h"
#include "ops/functions.h"

namespace tahr {
namespace {

void loop_in_l1(benchmark::State& state, Ew op) {
  init_op_table();
  const EwLoop loop = elementwise_loop(op, DType::Float32);
  std::vector<float> a(2048), b(2048), out(2048);
  for (size_t i = 0; i < a.size(); ++i) a[i] = 0.5f + static_cast<float>(i) / 1024, b[i] = 1.f;
  const void* in[] = {a.data(), b.data()};
  for (auto _ : state) {
    loop(out.data(), in, 2048, nullptr);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * 2048);
}
BENCHMARK_CAPTURE(loop_in_l1, add, Ew::Add);
BENCHMARK_CAPTURE(loop_in_l1, exp, Ew::Exp);
BENCHMARK_CAPTURE(loop_in_l1, log, Ew::Log);
BENCHMARK_CAPTURE(loop_in_l1, tanh, Ew::Tanh);
BENCHMARK_CAPTURE(loop_in_l1, sigmoid, Ew::Sigmoid);
BENCHMARK_CAPTURE(loop_in_l1, sin, Ew::Sin);
BENCHMARK_CAPTURE(loop_in_l1, erf, Ew::Erf);

// The kernel behind `add`, its output given: the driver's own cost shows at size 4.
void add_kernel(benchmark::State& state) {
  init_op_table();
  const Shape shape{state.range(0)};
  const Tensor in[] = {Tensor::full(shape, DType::Float32, 1), Tensor::full(shape, DType::Float32, 2)};
  const Tensor out[] = {Tensor::empty(shape, DType::Float32)};
  const KernelFn kernel = get_op("add").kernel[0];
  for (auto _ : state) kernel({in, out, nullptr});
  state.SetBytesProcessed(state.iterations() * state.range(0) * 12);
}
BENCHMARK(add_kernel)->Arg(4)->Arg(1024)->Arg(100'000)->Arg(10'000'000)->UseRealTime();

void add_row(benchmark::State& state) {  // a matrix and a row, as a bias is added
  init_op_table();
  const Tensor x = Tensor::full({100'000, state.range(0)}, DType::Float32, 1);
  const Tensor row = Tensor::full({state.range(0)}, DType::Float32, 2);
  for (auto _ : state) benchmark::DoNotOptimize(ops::add(x, row));
  state.SetBytesProcessed(state.iterations() * 100'000 * state.range(0) * 8);
}
BENCHMARK(add_row)->Arg(10)->Arg(100)->UseRealTime();

}  // namespace
}  // namespace tahr

BENCHMARK_MAIN();
