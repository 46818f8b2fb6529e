// A training or evaluation epoch without Python: find or gather the rows of a batch, run the traced step, next.
//
// On a GPU the arrays lie in its memory where they take at most kShare of what is free there: rows are gathered by a
// kernel that is part of the step's recording, from row numbers on the device. Larger ones stay on the host: batches
// are gathered into pinned memory and travel while the batch before is computed.
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
  static constexpr double kShare = 0.5;
  static constexpr int64_t kPace = 8;  // batches between two looks at how far the device has come
  // Shuffled rows at least this long, and so many, are read where they lie, by steps that can.
  static constexpr size_t kListedBytes = 256;
  static constexpr int64_t kListedRows = 8;

  const Tensors& on_cpu();
  bool resident(Device device);  // whether the arrays lie on the device, where they are brought if they fit
  void gather(std::span<std::byte* const> to, int64_t first, int64_t size);
  void gather_one(size_t i, std::byte* to, int64_t first, int64_t size);
  Tensors batch_of(int64_t size, Device device) const;  // uninitialised
  Device place_to_collect(const Shape& shape, DType dtype) const;
  void keep(const Executable& e, int64_t size);
  struct Source;
  struct HostSource;
  struct ResidentSource;
  struct FedSource;
  std::unique_ptr<Source> source_of(int64_t size, Executable& step);

  Tensors given_, host_, there_;  // the arrays: as they came, on the CPU, on the device
  Device device_;                 // of there_ and buffers_
  bool asked_ = false, fits_ = false;
  Tensors buffers_;  // a batch of each, which the step reads
  Tensor order_, order_there_, cursor_;
  bool order_current_ = false;
  int64_t rows_ = 0, next_ = 0, batch_size_ = 0;
  Tensors last_, collected_;
};

}  // namespace tahr::graph
