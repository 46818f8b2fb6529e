// A training or evaluation epoch without Python: gather the rows of a batch, run the traced step, next.
#pragma once

#include "graph/function.h"

namespace tahr::graph {

class BatchLoop {
 public:
  // `arrays` hold one sample per row, all the same number of rows. `step` takes a batch of each, in order.
  explicit BatchLoop(Tensors arrays);

  // Starts an epoch over `rows` rows, in the given order (int64), or from the first row on if it is undefined.
  void start(Tensor order, int64_t rows, int64_t batch_size);
  // Runs batches through `step`, whose inputs fix their size, until the batches of that size or the time are used up.
  // Returns how many it ran. Between calls, every variable is as the last batch left it. With `collect`, the outputs,
  // which then have one row per sample, are put together for the whole epoch.
  int64_t run(GraphFunction& step, double seconds, int64_t max_batches, bool collect = false);

  Tensors take();  // the next batch, in memory of its own, for a caller that runs the step himself

  bool done() const { return next_ >= rows_; }
  int64_t next_batch_size() const { return std::min(batch_size_, rows_ - next_); }
  // The outputs of the last step.
  const Tensors& last() const { return last_; }
  const Tensors& collected() const { return collected_; }

 private:
  void gather(const Tensors& to, int64_t size) const;
  Tensors batch_of(int64_t size) const;  // uninitialised
  void keep(const Executable& e, int64_t size);

  Tensors arrays_, buffers_;
  Tensor order_;
  int64_t rows_ = 0, next_ = 0, batch_size_ = 0;
  Tensors last_, collected_;
};

}  // namespace tahr::graph
