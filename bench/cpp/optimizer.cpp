// Optimizer updates: one op over many parameters, in bytes of state and gradients moved per second, beside a plain
// copy.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/variable.h"
#include "ops/functions.h"
#include "ops/optimizer_attrs.h"

namespace {

using namespace tahr;

// `count` parameters of `size` floats with their slots, gradients and scalars, in the order that the ops take.
struct Model {
  Model(int64_t count, int64_t size, int slots, bool iterations) {
    for (int64_t i = 0; i < count * (slots + 1); ++i) {
      variables.emplace_back(new VariableImpl(Tensor::full({size}, DType::Float32, 0.5), "v", true));
      inputs.push_back(variables.back()->handle());
    }
    for (int64_t i = 0; i < count; ++i) inputs.push_back(Tensor::full({size}, DType::Float32, 0.01));
    inputs.push_back(Tensor::scalar(1e-3, DType::Float32));
    if (iterations) inputs.push_back(Tensor::scalar_int(10, DType::Int64));
  }
  std::vector<Ref<VariableImpl>> variables;
  Tensors inputs;
};

template <class A>
void update(benchmark::State& state, const char* op, int slots, bool iterations, A attrs) {
  init_op_table();
  const int64_t count = state.range(0), size = state.range(1);
  set_num_threads(static_cast<int>(state.range(2)));
  Model model(count, size, slots, iterations);
  attrs.count = count;
  for (auto _ : state) call(get_op(op), model.inputs, &attrs);
  // every state is read and written, the gradient read
  state.SetBytesProcessed(state.iterations() * count * size * 4 * (2 * (slots + 1) + 1));
}

void sgd(benchmark::State& state) { update(state, "sgd_update", 0, false, SgdAttrs{}); }
void momentum(benchmark::State& state) {
  SgdAttrs attrs;
  attrs.momentum = 0.9;
  update(state, "sgd_update", 1, false, attrs);
}
void rmsprop(benchmark::State& state) { update(state, "rmsprop_update", 1, false, RmspropAttrs{}); }
void adam(benchmark::State& state) { update(state, "adam_update", 2, true, AdamAttrs{}); }
void adagrad(benchmark::State& state) { update(state, "adagrad_update", 1, false, AdagradAttrs{}); }
void lion(benchmark::State& state) { update(state, "lion_update", 1, false, LionAttrs{}); }
void lamb(benchmark::State& state) { update(state, "lamb_update", 2, true, MomentAttrs{}); }

void copy(benchmark::State& state) {
  const size_t bytes = static_cast<size_t>(state.range(0) * state.range(1)) * 4;
  std::vector<char> from(bytes, 1), to(bytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(2 * bytes));
}

// {parameters, elements of each, threads}
void sizes(benchmark::internal::Benchmark* b) {
  for (int64_t threads : {1, 2}) {
    b->Args({100, 10'000, threads});
    b->Args({6, 40'000, threads});
    b->Args({1, 10'000'000, threads});
  }
  b->UseRealTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK(adam)->Apply(sizes);
BENCHMARK(sgd)->Apply(sizes);
BENCHMARK(momentum)->Apply(sizes);
BENCHMARK(rmsprop)->Apply(sizes);
BENCHMARK(adagrad)->Apply(sizes);
BENCHMARK(lion)->Apply(sizes);
BENCHMARK(lamb)->Apply(sizes);
BENCHMARK(copy)->Args({100, 10'000})->Args({1, 10'000'000})->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
