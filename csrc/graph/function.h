// A traced function as callers see it: compiled on first use, differentiable to any order by the tapes around a call,
// and inlined when it is called inside another trace.
#pragma once

#include <mutex>

#include "graph/executor.h"

namespace tahr::graph {

class GraphFunction : public std::enable_shared_from_this<GraphFunction> {
 public:
  // What differentiating a function needs. `forward` gives the function's outputs and then the residuals: what
  // `backward` reads. `backward` takes the residuals and the cotangents of the floating-point outputs, and gives the
  // cotangents of the sources that are connected: the floating-point inputs, then the trainable variables that were
  // read.
  struct Derivative {
    std::shared_ptr<GraphFunction> forward, backward;
    std::vector<size_t> float_inputs;
    std::vector<Ref<VariableImpl>> variables;
    std::vector<char> connected;  // per source: whether backward gives its cotangent
    size_t outputs = 0;           // of the function, ahead of the residuals
  };

  static std::shared_ptr<GraphFunction> make(Graph traced);
  // With a derivative of its own: `whole` computes the outputs from its first `inputs` inputs, and from node `boundary`
  // on the cotangents of the connected ones among its floating-point inputs from those of the outputs, its other
  // inputs.
  static std::shared_ptr<GraphFunction> make_custom(Graph whole, size_t boundary, size_t inputs, size_t outputs,
                                                    std::vector<char> connected);

  Tensors call(std::span<const Tensor> inputs);
  Tensors run(std::span<const Tensor> inputs);  // no tape, no trace
  // Where it runs: on a GPU if an input, a constant or a variable lies there, or if there is none of these and the
  // current device is one.
  Device device_for(std::span<const Tensor> inputs) const;

  const Derivative& derivative();
  // This function of one sample as a function of `size` of them along a new first axis; null unless each of its ops
  // does the same to every element, draws nothing and touches no variable.
  std::shared_ptr<GraphFunction> of_batch(int64_t size) const;
  bool pure() const;  // draws no numbers and touches no variable
  const Graph& traced() const { return traced_; }
  // An executable for exclusive use, given back when the pointer goes.
  std::shared_ptr<Executable> borrow(Device device = kCpu);
  const Executable& compiled();  // to look at

 private:
  static void cut(Graph whole, size_t boundary, size_t inputs, Derivative& d);
  explicit GraphFunction(Graph traced) : traced_(std::move(traced)) {}
  std::unique_ptr<Executable> compile(Device device) const;
  std::unique_ptr<Executable> idle_or_new(Device device);
  void give_back(std::unique_ptr<Executable> e) noexcept;
  Tensors call_recorded(std::span<const Tensor> inputs);

  Graph traced_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Executable>> idle_;
  std::shared_ptr<Derivative> derivative_;
};

}  // namespace tahr::graph
