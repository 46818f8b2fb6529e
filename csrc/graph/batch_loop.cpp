#include "graph/batch_loop.h"

#include <chrono>
#include <cstring>

#include "autodiff/tape.h"
#include "graph/rows.h"
#include "graph/trace.h"

namespace tahr::graph {
BatchLoop::BatchLoop(Tensors arrays) : arrays_(std::move(arrays)) {
  for (Tensor& t : arrays_) t = on_host(t);
  for (const Tensor& t : arrays_) {
    if (t.rank() == 0 || t.dim(0) != arrays_[0].dim(0))
      throw_value("[fit] expected arrays with one sample per row and equally many rows, received shapes ",
                  arrays_[0].shape().str(), " and ", t.shape().str(), ".");
  }
}

void BatchLoop::start(Tensor order, int64_t rows, int64_t batch_size) {
  if (batch_size < 1 || rows < 0 || rows > (order.defined() ? order.size() : arrays_[0].dim(0)))
    throw_value("[fit] expected a batch size of at least 1 and at most as many rows as there are, received ",
                batch_size, " and ", rows, ".");
  if (order.defined() && (order.dtype() != DType::Int64 || order.rank() != 1))
    throw_type("[fit] expected the order of the rows as a vector of int64.");
  if (order.defined()) {
    const Tensor here = on_host(order);
    const int64_t* p = here.data<int64_t>();
    for (int64_t i = 0; i < rows; ++i) {
      if (p[i] < 0 || p[i] >= arrays_[0].dim(0))
        throw_index("[fit] expected row numbers below ", arrays_[0].dim(0), " in the order, received ", p[i], ".");
    }
  }
  order_ = order.defined() ? on_host(order) : order;
  rows_ = rows;
  next_ = 0;
  collected_.clear();
  batch_size_ = batch_size;
}

Tensors BatchLoop::batch_of(int64_t size) const {
  Tensors batch;
  for (const Tensor& t : arrays_) {
    Shape shape = t.shape();
    shape[0] = size;
    batch.push_back(Tensor::empty(shape, t.dtype()));
  }
  return batch;
}

Tensors BatchLoop::take() {
  const int64_t size = next_batch_size();
  const Tensors batch = batch_of(size);
  gather(batch, size);
  next_ += size;
  return batch;
}

void BatchLoop::gather(const Tensors& batch, int64_t size) const {
  for (size_t i = 0; i < arrays_.size(); ++i) {
    const size_t bytes = row_bytes(arrays_[i]);
    auto* to = batch[i].mutable_data<std::byte>();
    const auto* from = arrays_[i].data<std::byte>();
    if (order_.defined()) gather_rows(from, order_.data<int64_t>() + next_, size, bytes, to);
    else std::memcpy(to, from + static_cast<size_t>(next_) * bytes, static_cast<size_t>(size) * bytes);
  }
}

void BatchLoop::keep(const Executable& e, int64_t size) {
  for (size_t i = 0; i < e.graph().outputs.size(); ++i) {
    const Tensor& t = e.output(i);
    if (t.rank() == 0 || t.dim(0) != size)
      throw_value("[predict] expected outputs with one row per sample, received shape ", t.shape().str(), ".");
    if (collected_.size() == i) {
      Shape shape = t.shape();
      shape[0] = rows_;
      collected_.push_back(Tensor::empty(shape, t.dtype()));
    }
    const Shape& whole = collected_[i].shape();
    if (t.rank() != whole.rank() || !std::equal(t.shape().begin() + 1, t.shape().end(), whole.begin() + 1)) {
      throw_value("[predict] expected outputs of one shape per sample, received a batch of shape ", t.shape().str(),
                  " after others that make ", whole.str(), " of all. Use batches of one size, or predict_on_batch.");
    }
    const size_t row = t.nbytes() / static_cast<size_t>(size);
    device_copy(collected_[i].mutable_data<std::byte>() + static_cast<size_t>(next_) * row, kCpu, t.raw(), t.device(),
                t.nbytes());
  }
}

int64_t BatchLoop::run(GraphFunction& step, double seconds, int64_t max_batches, bool collect) {
  const PauseTracing now;
  const PauseRecording quiet;
  const int64_t size = next_batch_size();
  if (buffers_.empty() || buffers_[0].dim(0) != size) buffers_ = batch_of(size);
  const auto executable = step.borrow(step.device_for(buffers_));
  Tensors there;  // what the step reads: the buffers themselves on the CPU, else copies that follow them
  for (const Tensor& b : buffers_) there.push_back(to_device(b, executable->device()));
  executable->bind(there);
  struct Release {
    Executable& e;
    ~Release() { e.release(); }
  } guard{*executable};
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  int64_t done = 0;
  while (!this->done() && next_batch_size() == size && done < max_batches) {
    gather(buffers_, size);
    for (size_t i = 0; i < there.size(); ++i) {
      if (!there[i].same(buffers_[i])) copy_into(there[i], buffers_[i]);
    }
    executable->step();
    if (collect) keep(*executable, size);
    next_ += size;
    ++done;
    if (std::chrono::steady_clock::now() >= end) break;
  }
  last_.clear();
  for (size_t i = 0; i < executable->graph().outputs.size(); ++i) { last_.push_back(copy_of(executable->output(i))); }
  return done;
}

}  // namespace tahr::graph
