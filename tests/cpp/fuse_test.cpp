// Fusion of elementwise nodes: fused graphs against the same graphs applied op by op, bit for bit; what is fused and
// what must not be.
#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "graph/executor.h"
#include "graph/passes.h"
#include "graph/trace.h"
#include "ops/functions.h"

namespace {

using namespace tahr;
using graph::Executable;
using graph::Graph;

Tensor draw(std::mt19937& rng, const Shape& shape) {
  std::normal_distribution<float> normal;
  Tensor t = Tensor::empty(shape, DType::Float32);
  for (int64_t i = 0; i < t.size(); ++i) t.mutable_data<float>()[i] = normal(rng);
  return t;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.nbytes()) == 0;
}

Graph trace(const Tensors& like, const std::function<Tensors(const Tensors&)>& f) {
  graph::Tracer tracer;
  Tensors in;
  for (const Tensor& t : like) in.push_back(tracer.input(t.spec()));
  const graph::TraceScope scope(tracer);
  return tracer.finish(f(in));
}

int count(const Graph& g, const char* op) {
  int n = 0;
  for (const graph::Node& node : g.nodes) n += node.op->name == op;
  return n;
}

Ref<VariableImpl> variable(const Tensor& value) { return Ref<VariableImpl>(new VariableImpl(value, "v", false)); }
Tensor read(const Ref<VariableImpl>& v) { return call1(get_op("read_variable"), {v->handle()}); }
void store(const Ref<VariableImpl>& v, const Tensor& t) {
  const Tensor in[2] = {v->handle(), t};
  apply(get_op("store"), in, nullptr);
}

using Variables = std::vector<Ref<VariableImpl>>;

// Runs the graph op by op and fused, from the same variables; twice, so that what the first run leaves is used.
void compare(const Graph& g, const Graph& fused, const Tensors& in, const Variables& variables, const char* what) {
  Tensors before;
  for (const auto& v : variables) before.push_back(v->snapshot());
  const Tensors plain[2] = {graph::replay(g, in), graph::replay(g, in)};
  Tensors after;
  for (size_t i = 0; i < variables.size(); ++i) {
    after.push_back(variables[i]->snapshot());
    variables[i]->set_value(before[i]);
  }
  Executable e(fused);
  for (const Tensors& expected : plain) {
    const Tensors got = e.run(in);
    for (size_t i = 0; i < got.size(); ++i)
      CHECK(same_bits(got[i], expected[i]), "%s: output %zu\n%s%s", what, i, g.str().c_str(), fused.str().c_str());
  }
  for (size_t i = 0; i < variables.size(); ++i)
    CHECK(same_bits(variables[i]->value(), after[i]), "%s: variable %zu\n%s", what, i, fused.str().c_str());
}

Graph fused_of(Graph g) {
  graph::fuse_elementwise(g);
  return g;
}

// A graph, how many programs it should become and how many nodes should stay beside them.
void expect(const char* what, const Tensors& in, const std::function<Tensors(const Tensors&)>& f, int programs,
            int others, const Variables& variables = {}) {
  const Graph g = trace(in, f), fused = fused_of(g);
  const int found = count(fused, "fused");
  CHECK(found == programs && static_cast<int>(fused.nodes.size()) == programs + others, "%s: %d programs\n%s", what,
        found, fused.str().c_str());
  compare(g, fused, in, variables, what);
}

void shapes_of_programs() {
  std::mt19937 rng(1);
  const Tensor x = draw(rng, {32, 30}), y = draw(rng, {32, 30}), row = draw(rng, {30}), one = draw(rng, {});
  using namespace ops;
  expect(
      "a chain", {x, y}, [](const Tensors& v) { return Tensors{multiply(unary("tanh", add(v[0], v[1])), v[0])}; }, 1,
      0);
  expect("a single op stays", {x, y}, [](const Tensors& v) { return Tensors{add(v[0], v[1])}; }, 0, 1);
  expect(
      "through a sum and back", {x},
      [](const Tensors& v) {
        const Tensor a = unary("exp", v[0]);
        return Tensors{divide(a, sum(a, Axes::of(-1), true))};
      },
      0, 3);
  expect(
      "before and after a sum", {x},
      [](const Tensors& v) {
        const Tensor a = unary("exp", negative(v[0])), b = unary("square", a);
        return Tensors{multiply(unary("sqrt", divide(b, sum(b, Axes::of(-1), true))), a)};
      },
      2, 1);
  expect(
      "an inner result that is returned", {x, y},
      [](const Tensors& v) {
        const Tensor a = add(v[0], v[1]);
        return Tensors{a, unary("relu", a), sum(a, Axes(), false)};
      },
      1, 1);
  expect(
      "rows are computed on the way", {x, row, row},
      [](const Tensors& v) {
        const Tensor scale = unary("rsqrt", add(unary("absolute", v[1]), 1e-3));
        return Tensors{multiply(subtract(v[0], v[2]), scale)};
      },
      1, 0);
  expect(
      "a row that is returned has its own program", {x, row},
      [](const Tensors& v) {
        const Tensor scale = unary("rsqrt", add(unary("absolute", v[1]), 1e-3));
        return Tensors{multiply(subtract(v[0], scale), v[0]), scale};
      },
      2, 0);
  expect(
      "single elements that have nothing in common", {one, one, one},
      [](const Tensors& v) {
        return Tensors{multiply(add(v[0], v[1]), 2.0), unary("square", v[2]), unary("exp", v[0])};
      },
      1, 0);
  expect(
      "an elementwise view is looked through", {x, y},
      [](const Tensors& v) { return Tensors{add(unary("stop_gradient", unary("tanh", v[0])), v[1])}; }, 1, 0);
  expect(
      "what is stretched for it is read as it was", {x, row},
      [](const Tensors& v) {
        const Tensor wide = broadcast_to(v[1], {32, 30});
        return Tensors{multiply(add(v[0], wide), wide)};
      },
      1, 0);
  expect(
      "a stretched value that gives the shape stays", {row, one},
      [](const Tensors& v) { return Tensors{unary("exp", multiply(broadcast_to(v[0], {32, 30}), v[1]))}; }, 1, 1);
  const Ref<VariableImpl> total = variable(draw(rng, {})), weight = variable(draw(rng, {32, 30}));
  expect("metrics", {one, one},
         [&](const Tensors& v) {
           const Tensor sum = add(read(total), multiply(v[0], v[1]));
           store(total, sum);
           return Tensors{divide(sum, v[1])};
         },
         1, 2, {total});
  // Read, write, read again: the second read must see the first write, the first result must not.
  expect("order of reads and writes", {x},
         [&](const Tensors& v) {
           const Tensor old = read(weight), next = add(multiply(old, 0.5), v[0]);
           store(weight, next);
           const Tensor seen = read(weight);
           store(weight, unary("tanh", add(seen, old)));
           return Tensors{multiply(subtract(seen, old), v[0])};
         },
         3, 4, {weight});
}

// Results that lie in a variable whose old value the same program still reads.
void results_in_variables() {
  std::mt19937 rng(4);
  for (const Shape& shape : {Shape{}, Shape{32, 30}, Shape{300, 301}}) {
    const Tensors in = {draw(rng, shape)};
    const Variables v = {variable(draw(rng, shape)), variable(draw(rng, shape))};
    const Graph g = trace(in, [&](const Tensors& x) {
      const Tensor a = read(v[0]), b = read(v[1]);
      const Tensor next = ops::add(ops::multiply(a, b), x[0]), swap = ops::unary("tanh", ops::subtract(next, a));
      store(v[0], next);
      store(v[1], swap);
      return Tensors{ops::multiply(ops::add(swap, a), b)};
    });
    const Graph fused = fused_of(g);
    const Executable e(fused);
    CHECK(e.stats().kernels == 1 && e.stats().copies == 0, "%s%s", shape.str().c_str(), fused.str().c_str());
    compare(g, fused, in, v, "results in variables");
  }
}

// Random graphs with sums, products, views and variables in between.
void random_graphs() {
  std::mt19937 rng(2);
  const char* unary[] = {"exp", "tanh", "relu", "square", "negative", "sigmoid", "absolute", "stop_gradient", "floor"};
  const char* binary[] = {"add", "subtract", "multiply", "maximum", "less", "equal"};
  for (int trial = 0; trial < 60; ++trial) {
    const int64_t m = trial % 3 ? 13 : 67, n = trial % 5 ? 13 : 40;
    const Tensors in = {draw(rng, {m, n}), draw(rng, {m, n}), draw(rng, {n}), draw(rng, {m, 1}), draw(rng, {})};
    const Variables variables = {variable(draw(rng, {m, n})), variable(draw(rng, {})), variable(draw(rng, {n}))};
    const auto pick = [&](size_t k) { return std::uniform_int_distribution<size_t>(0, k - 1)(rng); };
    const Graph g = trace(in, [&](const Tensors& inputs) {
      Tensors v = inputs;
      for (int step = 0; step < 40; ++step) {
        const Tensor a = ops::cast(v[std::max(pick(v.size()), pick(v.size()))], DType::Float32);
        const Tensor b = ops::cast(v[std::max(pick(v.size()), pick(v.size()))], DType::Float32);
        switch (pick(13)) {
          case 0: v.push_back(ops::sum(a, Axes(), false)); break;
          case 1: v.push_back(a.rank() == 2 ? ops::sum(a, Axes::of(static_cast<int64_t>(pick(2))), true) : a); break;
          case 2: {
            const auto& var = variables[pick(variables.size())];
            v.push_back(read(var));
            break;
          }
          case 3:
            for (const auto& var : variables) {
              if (var->value().shape() == a.shape()) store(var, a);
            }
            break;
          case 4: v.push_back(ops::where(v[pick(v.size())], a, b)); break;
          case 5:
          case 6:
          case 7: v.push_back(ops::unary(unary[pick(std::size(unary))], a)); break;
          case 12: v.push_back(a.size() == n ? ops::broadcast_to(a, {m, n}) : a); break;
          default: v.push_back(ops::binary(binary[pick(std::size(binary))], a, b));
        }
      }
      Tensors out;
      for (int i = 0; i < 4; ++i) out.push_back(v[inputs.size() + pick(v.size() - inputs.size())]);
      return out;
    });
    const Graph fused = fused_of(g);
    CHECK(fused.nodes.size() < g.nodes.size(), "trial %d", trial);
    compare(g, fused, in, variables, ("random graph " + std::to_string(trial)).c_str());
  }
}

void long_chains() {
  std::mt19937 rng(3);
  const Tensor x = draw(rng, {8, 4});
  const Graph g = trace({x}, [](const Tensors& v) {
    Tensor t = v[0];
    for (int i = 0; i < 2000; ++i) {
      t = ops::unary("tanh", ops::add(t, v[0]));
      if (i % 3 == 0) t = ops::multiply(t, ops::sum(t, Axes::of(-1), true));
    }
    return Tensors{t};
  });
  const auto begin = std::chrono::steady_clock::now();
  const Graph fused = fused_of(g);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  CHECK(seconds < 5, "%zu nodes took %.1f s", g.nodes.size(), seconds);
  CHECK(fused.nodes.size() < g.nodes.size() / 2, "%zu nodes left of %zu", fused.nodes.size(), g.nodes.size());
  compare(g, fused, {x}, {}, "a long chain");
}

}  // namespace

int main() {
  init_op_table();
  shapes_of_programs();
  results_in_variables();
  random_graphs();
  long_chains();
  return test::check_report();
}
