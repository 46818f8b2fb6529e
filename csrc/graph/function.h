// A traced function as callers see it: compiled on first use, differentiable to any order by the tapes around a call,
// and inlined when it is called inside another trace.
#pragma once

#include <mutex>

#include "graph/executor.h"

namespace tahr::graph {

class GraphFunction : public std::enable_shared_from_this<GraphFunction> {
 public:
  static std::shared_ptr<GraphFunction> make(Graph traced);

  Tensors call(std::span<const Tensor> inputs);
  Tensors run(std::span<const Tensor> inputs);  // no tape, no trace

  const Graph& traced() const { return traced_; }
  // An executable for exclusive use, given back when the pointer goes.
  std::shared_ptr<Executable> borrow();
  const Executable& compiled();  // to look at

 private:
  struct Derivative;
  explicit GraphFunction(Graph traced) : traced_(std::move(traced)) {}
  std::unique_ptr<Executable> compile() const;
  const Derivative& derivative();
  Tensors call_recorded(std::span<const Tensor> inputs);

  Graph traced_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Executable>> idle_;
  std::shared_ptr<Derivative> derivative_;
};

}  // namespace tahr::graph
