// Graph files: what the writer writes, the reader reads and runs alike; what is no graph file is an error.
#include "tahr/runtime.h"

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "graph/control.h"
#include "graph/trace.h"
#include "ops/array_attrs.h"
#include "ops/functions.h"
#include "ops/reduce.h"
#include "runtime/file.h"
#include "runtime/session.h"

namespace {

using namespace tahr;

Tensor draw(std::mt19937& rng, const Shape& shape) {
  std::normal_distribution<float> normal;
  Tensor t = Tensor::empty(shape, DType::Float32);
  for (int64_t i = 0; i < t.size(); ++i) t.mutable_data<float>()[i] = normal(rng);
  return t;
}

// relu(x @ w + b) and its softmax, over a batch of any size; w in a variable.
runtime::File two_layers(const Tensor& w, const Tensor& b) {
  const Ref<VariableImpl> variable(new VariableImpl(w, "w", true));
  graph::Tracer tracer;
  const graph::TraceScope scope(tracer);
  const Tensor x = tracer.input({{kUnknown, w.dim(0)}, DType::Float32});
  const Tensor read = call1(get_op("read_variable"), {variable->handle()});
  const Tensor h = call1(get_op("relu"), {ops::add(ops::matmul(x, read), b)});
  const Tensor p = call1(get_op("softmax"), {h}, SoftmaxAttrs{});
  const Tensor out[2] = {h, p};
  return {runtime::freeze(tracer.finish(out)), {"x"}, {"h", "p"}};
}

void check_round_trip(const std::string& bytes, const Tensor& w, const Tensor& b, std::mt19937& rng) {
  const auto model = runtime::Model::from_memory(bytes.data(), bytes.size());
  CHECK(model.inputs().size() == 1 && model.inputs()[0].name == "x", "%zu inputs", model.inputs().size());
  CHECK(model.inputs()[0].shape == (std::vector<int64_t>{-1, w.dim(0)}), "shape");
  CHECK(model.outputs().size() == 2 && model.outputs()[1].name == "p", "%zu outputs", model.outputs().size());
  for (const int64_t rows : {1, 7, 1, 0}) {
    const Tensor x = draw(rng, {rows, w.dim(0)});
    const auto y = model.run({{x.raw(), {rows, w.dim(0)}}});
    CHECK(y[0].shape == (std::vector<int64_t>{rows, w.dim(1)}), "rows %d", static_cast<int>(rows));
    for (int64_t i = 0; i < rows; ++i) {
      std::vector<double> h(static_cast<size_t>(w.dim(1)));
      double sum = 0;
      for (int64_t j = 0; j < w.dim(1); ++j) {
        double s = b.data<float>()[j];
        for (int64_t k = 0; k < w.dim(0); ++k)
          s += static_cast<double>(x.data<float>()[i * w.dim(0) + k]) * w.data<float>()[k * w.dim(1) + j];
        h[static_cast<size_t>(j)] = std::max(s, 0.0);
        sum += std::exp(h[static_cast<size_t>(j)]);
      }
      for (int64_t j = 0; j < w.dim(1); ++j) {
        const double want = h[static_cast<size_t>(j)], got = y[0].as<float>()[i * w.dim(1) + j];
        // w.dim(0) + 2 roundings of terms of size 1
        CHECK(std::abs(got - want) <= 6e-8 * static_cast<double>(w.dim(0) + 2) * (1 + std::abs(want)), "%g, %g", got,
              want);
        const double p = y[1].as<float>()[i * w.dim(1) + j];
        CHECK(std::abs(p - std::exp(want) / sum) <= 1e-5, "%g, %g", p, std::exp(want) / sum);
      }
    }
  }
}

bool refused(const std::string& bytes) {
  try {
    runtime::Model::from_memory(bytes.data(), bytes.size());
  } catch (const std::runtime_error&) { return true; }
  return false;
}

void check_damage(const std::string& good, std::mt19937& rng) {
  for (size_t cut = 0; cut < good.size(); cut += 5) CHECK(refused(good.substr(0, cut)), "cut at %zu", cut);
  CHECK(refused(good + "x"), "more behind the end");
  uint64_t header = 0;
  std::memcpy(&header, good.data() + 16, sizeof header);
  const std::vector<float> x(64, 1.0f);
  int errors = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bad = good;
    for (int i = 0; i < 2; ++i) bad[rng() % (32 + header)] = static_cast<char>(rng() % 256);
    try {
      runtime::Model::from_memory(bad.data(), bad.size()).run({{x.data(), {2, 16}}});
    } catch (const std::exception&) { ++errors; }
  }
  CHECK(errors > 1500, "%d errors", errors);
}

// What a file could say and tracing never does: graphs made by hand, which must be refused, not run.

struct Hostile {
  graph::Graph g;
  graph::ValueId x;
  Hostile() : x(g.add_input({{4}, DType::Float32})) {}
  template <class A>
  void node(const char* op, A attrs, std::vector<graph::ValueId> in, const Spec& out) {
    const graph::Node& n = g.add_node(get_op(op), std::make_shared<A>(std::move(attrs)), std::move(in), Specs{out});
    g.outputs = {n.out[0]};
  }
  std::string bytes() const { return runtime::to_bytes({g, {"x"}, {"y"}}); }
};

std::shared_ptr<graph::GraphFunction> body(const Spec& in, const Spec& out, const char* op) {
  graph::Graph g;
  const graph::ValueId x = g.add_input(in);
  g.outputs = {g.add_node(get_op(op), nullptr, {x}, Specs{out}).out[0]};
  return graph::GraphFunction::make(std::move(g));
}

std::shared_ptr<graph::GraphFunction> constant_body(const Spec& in, const Tensor& value) {
  graph::Graph g;
  g.add_input(in);
  g.outputs = {g.add_constant(value)};
  return graph::GraphFunction::make(std::move(g));
}

GraphBodies list_of(std::vector<std::shared_ptr<graph::GraphFunction>> list) {
  return std::make_shared<const graph::Bodies>(std::move(list));
}

std::string error_of(const std::string& bytes, const runtime::Limits& limits) {
  const std::vector<float> x(4, 1.0f);
  try {
    runtime::Model::from_memory(bytes.data(), bytes.size(), limits).run({{x.data(), {4}}});
  } catch (const std::exception& e) { return e.what(); }
  return "";
}

void check_error(const Hostile& h, const char* part, const runtime::Limits& limits = {64 << 20, 1}) {
  const std::string error = error_of(h.bytes(), limits);
  CHECK(error.find(part) != std::string::npos, "expected an error with '%s', received '%s'", part, error.c_str());
}

void check_hostile_loops() {
  const Spec four{{4}, DType::Float32}, many{{100000}, DType::Float32};
  const Tensor yes = Tensor::full({}, DType::Bool, 1);
  {  // a carry that grows: the round after would write behind its buffer
    Hostile h;
    graph::LoopAttrs a;
    a.bodies = list_of({constant_body(four, Tensor::zeros({100000}, DType::Float32))});
    a.carries = 1;
    a.length = 3;
    h.node("loop", a, {graph::kAbsent, h.x}, many);
    check_error(h, "carries that keep dtype and shape");
  }
  {  // a condition that is not there
    Hostile h;
    graph::LoopAttrs a;
    a.bodies = list_of({body(four, four, "relu")});
    a.carries = 1;
    a.conditional = true;
    h.node("loop", a, {graph::kAbsent, h.x}, four);
    check_error(h, "a body and a condition");
  }
  for (const int64_t carries : {int64_t{2}, int64_t{-1}, int64_t{1} << 62}) {
    Hostile h;
    graph::LoopAttrs a;
    a.bodies = list_of({body(four, four, "relu")});
    a.carries = carries;
    a.length = 3;
    h.node("loop", a, {graph::kAbsent, h.x}, four);
    check_error(h, "as many carries and slices");
  }
  for (const bool conditional : {false, true}) {  // rounds without end
    Hostile h;
    graph::LoopAttrs a;
    a.bodies = list_of({body(four, four, "relu")});
    if (conditional) a.bodies = list_of({body(four, four, "relu"), constant_body(four, yes)});
    a.carries = 1;
    a.conditional = conditional;
    if (!conditional) a.length = int64_t{1} << 62;
    graph::Node n = h.g.add_node(get_op("loop"), std::make_shared<graph::LoopAttrs>(a), {graph::kAbsent, h.x},
                                 Specs{four, {{}, DType::Int32}});
    h.g.outputs = {n.out[0]};
    check_error(h, "within 0.2 seconds", {64 << 20, 0.2});
  }
  {  // branches that give different things
    Hostile h;
    const graph::ValueId index = h.g.add_constant(yes);
    graph::BodiesAttrs a;
    a.bodies = list_of({body(four, four, "relu"), constant_body(four, Tensor::zeros({4, 4}, DType::Float32))});
    h.node("cond", a, {index, h.x}, four);
    check_error(h, "one dtype and rank");
  }
  {  // a body for other operands
    Hostile h;
    const graph::ValueId index = h.g.add_constant(yes);
    graph::BodiesAttrs a;
    a.bodies = list_of({body(many, many, "relu")});
    h.node("cond", a, {index, h.x}, many);
    check_error(h, "operands of the body's dtypes and shapes");
  }
}

void check_hostile_sizes() {
  const auto broadcast = [](Ints shape) {
    Hostile h;
    ShapeAttrs a;
    a.shape = shape;
    h.node("broadcast_to", a, {h.x}, {Shape(std::span<const int64_t>(shape)), DType::Float32});
    h.g.outputs = {h.g.add_node(get_op("relu"), nullptr, {h.g.outputs[0]},
                                Specs{{Shape(std::span<const int64_t>(shape)), DType::Float32}})
                       .out[0]};
    return h;
  };
  check_error(broadcast({int64_t{1} << 60, 4}), "fit into memory");  // 2^64 bytes: nothing, if counted in 64 bits
  check_error(broadcast({int64_t{1} << 30, 4}), "at most 67108864 bytes");
  check_error(broadcast({int64_t{1} << 30, 4}), "at most", {});  // 1 GiB and a little, unless asked otherwise
  const std::string fits = error_of(broadcast({1 << 20, 4}).bytes(), {64 << 20, 0});
  CHECK(fits.empty(), "%s", fits.c_str());
  const std::string no_more = error_of(broadcast({1 << 20, 4}).bytes(), {8 << 20, 0});
  CHECK(no_more.find("at most 8388608 bytes") != std::string::npos, "%s", no_more.c_str());
}

void check_arguments(const std::string& good) {
  const auto model = runtime::Model::from_memory(good.data(), good.size());
  const float x[16] = {};
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{16}, {1, 15}, {-1, 16}, {1, 1, 16}}) {
    bool thrown = false;
    try {
      model.run({{x, shape}});
    } catch (const std::runtime_error&) { thrown = true; }
    CHECK(thrown, "rank %zu", shape.size());
  }
}

}  // namespace

int main() {
  tahr::init_op_table();
  std::mt19937 rng(0);
  const Tensor w = draw(rng, {16, 5}), b = draw(rng, {5});
  const std::string bytes = runtime::to_bytes(two_layers(w, b));
  check_round_trip(bytes, w, b, rng);
  check_damage(bytes, rng);
  check_hostile_loops();
  check_hostile_sizes();
  check_arguments(bytes);
  return tahr::test::check_report();
}
