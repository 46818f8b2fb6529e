#include "runtime/session.h"

#include <algorithm>
#include <cstring>

#include "autodiff/tape.h"
#include "core/limits.h"
#include "graph/trace.h"

namespace tahr::runtime {
namespace {

constexpr size_t kMostReady = 16;

bool accepts(const Shape& known, const Shape& given) {
  if (known.rank() != given.rank()) return false;
  for (int i = 0; i < known.rank(); ++i) {
    if (known[i] != kUnknown && known[i] != given[i]) return false;
  }
  return true;
}

Limits with_defaults(Limits limits) {
  constexpr double kSeconds = 300;
  if (!(limits.seconds > 0)) limits.seconds = kSeconds;
  return limits;
}

}  // namespace

Session::Session(const Ref<Storage>& bytes, const Limits& limits)
    : limits_(with_defaults(limits)), size_(bytes->bytes()) {
  const LimitScope bounds(memory(0), limits_.seconds);
  file_ = from_bytes(bytes);
}

size_t Session::memory(size_t inputs) const {
  constexpr size_t kBase = size_t{1} << 30, kPerByte = 4, kPerInput = 64, kMost = size_t{1} << 52;
  if (limits_.memory) return limits_.memory;
  return kBase + kPerByte * std::min(size_, kMost) + kPerInput * std::min(inputs, kMost);
}

Tensors Session::run(std::span<const Tensor> inputs) {
  const graph::Graph& g = file_.graph;
  if (inputs.size() != g.inputs.size())
    throw_value("[run] expected ", g.inputs.size(), " inputs, received ", inputs.size(), ".");
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Spec& s = g.value(g.inputs[i]).spec;
    if (inputs[i].dtype() != s.dtype || !accepts(s.shape, inputs[i].shape()))
      throw_value("[run] expected the input '", file_.inputs[i], "' of dtype ", name_of(s.dtype), " and shape ",
                  s.shape.str(), ", received ", name_of(inputs[i].dtype()), " of shape ", inputs[i].shape().str(), ".");
  }
  size_t bytes = 0;
  for (const Tensor& t : inputs) bytes += t.nbytes();
  const LimitScope bounds(memory(bytes), limits_.seconds);
  return prepared(inputs)->run(inputs);
}

std::shared_ptr<graph::GraphFunction> Session::prepared(std::span<const Tensor> inputs) {
  const std::lock_guard lock(mutex_);
  for (const auto& [shapes, f] : ready_) {
    if (std::equal(shapes.begin(), shapes.end(), inputs.begin(), inputs.end(),
                   [](const Shape& s, const Tensor& t) { return s == t.shape(); }))
      return f;
  }
  // The same nodes over shapes that are known in full: what the passes and the memory plan need.
  const graph::PauseTracing alone;
  const PauseRecording quiet;
  graph::Tracer tracer;
  Tensors in, out;
  std::vector<Shape> shapes;
  {
    const graph::TraceScope scope(tracer);
    for (const Tensor& t : inputs) {
      in.push_back(tracer.input(t.spec()));
      shapes.push_back(t.shape());
    }
    out = graph::replay(file_.graph, in);
  }
  auto f = graph::GraphFunction::make(tracer.finish(out));
  if (ready_.size() >= kMostReady) ready_.erase(ready_.begin());
  ready_.emplace_back(std::move(shapes), f);
  return f;
}

Ref<Storage> aligned_copy(const void* bytes, size_t count) {
  const Ref<Storage> s = Storage::make(count);
  if (count) std::memcpy(s->data(), bytes, count);
  return s;
}

}  // namespace tahr::runtime
