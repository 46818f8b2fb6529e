// Running a graph: a memory plan, made once, and a flat list of kernel calls.
#pragma once

#include <functional>

#include "graph/graph.h"

namespace tahr::graph {

struct PlanStats {
  size_t arena_bytes = 0;     // one block for all results whose size is known
  size_t unshared_bytes = 0;  // what they would take without sharing memory
  int kernels = 0, views = 0, in_place = 0, copies = 0, dynamic = 0;
};

struct StepTime {
  int32_t node;
  uint64_t runs;
  double seconds, fastest;  // of all runs, and of the shortest
};

// Not thread-safe: one run at a time (GraphFunction keeps several if threads meet).
class Executable {
 public:
  // The graph as it is to run: no pass is applied here. All of its values lie on the device, what others give it and
  // the variables that it reads or writes being moved there.
  explicit Executable(Graph g, Device device = kCpu);
  ~Executable();
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

  Tensors run(std::span<const Tensor> inputs);

  // Many runs on fixed inputs, whose contents the caller changes between them: bind, step, step, ..., release.
  // In between, the variables are held: others read copies of them and write into them in place.
  // `fixed`: outputs lie in the same memory whenever the graph is bound so, and nobody keeps that.
  void bind(std::span<const Tensor> inputs, bool fixed = false);
  // Outputs are computed into buffers that the next step overwrites. `before` is run ahead of the steps: it gives work
  // to the device, the same each time while `before_places` stay the same.
  void step(const std::function<void()>& before = {}, std::span<const void* const> before_places = {});
  const Tensor& output(size_t i) const;  // valid until the next step; never kept
  void release() noexcept;
  // Between bind and release: where an input is read from, and where an output with memory of its own is computed to.
  // For loops, which read in one round what they computed in the round before.
  void point_input(size_t i, const Ref<Storage>& storage, std::byte* data);
  // Whether the rows of an input may lie anywhere, and where they begin: the list is read by each step until another is
  // given. All that reads such an input are products that go through it row by row (OpDef::listed).
  bool listable(size_t i) const;
  void list_input(size_t i, const float* const* rows);
  bool movable(size_t i) const;
  void point_output(size_t i, const Ref<Storage>& storage, std::byte* data);

  const Graph& graph() const;
  Device device() const;
  const PlanStats& stats() const;
  // Where a value lies: "arena+4096", "input", "variable kernel", "in place of %3", ...
  std::string placement(ValueId v) const;
  const char* step_name(int32_t node) const;  // "kernel", "copy", "dynamic"; "" for what takes no time
  std::string replay() const;                 // on a device: whether the steps run as one recording, or what hinders
  uint64_t serial() const;                    // unique in the process
  std::vector<StepTime> times() const;        // of this run, if a profile is on (graph/report.h)

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tahr::graph
