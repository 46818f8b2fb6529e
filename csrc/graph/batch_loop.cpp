#include "graph/batch_loop.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "autodiff/tape.h"
#include "core/device_queue.h"
#include "graph/rows.h"
#include "graph/trace.h"

namespace tahr::graph {
namespace {

double free_bytes(Device device) {
  const DeviceMemory m = device_memory(device);
  const size_t free = m.free + m.cached;
  return static_cast<double>(m.limit ? std::min(free, m.limit - std::min(m.limit, m.live)) : free);
}

}  // namespace

BatchLoop::BatchLoop(Tensors arrays) : given_(std::move(arrays)) {
  for (const Tensor& t : given_) {
    if (t.rank() == 0 || t.dim(0) != given_[0].dim(0))
      throw_value("[fit] expected arrays with one sample per row and equally many rows, received shapes ",
                  given_[0].shape().str(), " and ", t.shape().str(), ".");
  }
}

void BatchLoop::start(Tensor order, int64_t rows, int64_t batch_size) {
  if (batch_size < 1 || rows < 0 || rows > (order.defined() ? order.size() : given_[0].dim(0)))
    throw_value("[fit] expected a batch size of at least 1 and at most as many rows as there are, received ",
                batch_size, " and ", rows, ".");
  if (order.defined() && (order.dtype() != DType::Int64 || order.rank() != 1))
    throw_type("[fit] expected the order of the rows as a vector of int64.");
  if (order.defined()) {
    const Tensor here = on_host(order);
    const int64_t* p = here.data<int64_t>();
    for (int64_t i = 0; i < rows; ++i) {
      if (p[i] < 0 || p[i] >= given_[0].dim(0))
        throw_index("[fit] expected row numbers below ", given_[0].dim(0), " in the order, received ", p[i], ".");
    }
  }
  order_ = order.defined() ? on_host(order) : order;
  order_current_ = false;
  rows_ = rows;
  next_ = 0;
  collected_.clear();
  batch_size_ = batch_size;
}

const Tensors& BatchLoop::on_cpu() {
  if (host_.empty()) {
    for (const Tensor& t : given_) host_.push_back(on_host(t));
  }
  return host_;
}

Tensors BatchLoop::batch_of(int64_t size, Device device) const {
  Tensors batch;
  for (const Tensor& t : given_) {
    Shape shape = t.shape();
    shape[0] = size;
    batch.push_back(Tensor::empty_on(device, shape, t.dtype()));
  }
  return batch;
}

Tensors BatchLoop::take() {
  const int64_t size = next_batch_size();
  const Tensors batch = batch_of(size, kCpu);
  std::vector<std::byte*> to;
  for (const Tensor& t : batch) to.push_back(t.mutable_data<std::byte>());
  gather(to, next_, size);
  next_ += size;
  return batch;
}

void BatchLoop::gather(std::span<std::byte* const> to, int64_t first, int64_t size) {
  for (size_t i = 0; i < to.size(); ++i) gather_one(i, to[i], first, size);
}

void BatchLoop::gather_one(size_t i, std::byte* to, int64_t first, int64_t size) {
  const Tensor& array = on_cpu()[i];
  const size_t bytes = row_bytes(array);
  const auto* from = array.data<std::byte>();
  if (order_.defined()) gather_rows(from, order_.data<int64_t>() + first, size, bytes, to);
  else std::memcpy(to, from + static_cast<size_t>(first) * bytes, static_cast<size_t>(size) * bytes);
}

bool BatchLoop::resident(Device device) {
  if (asked_) return fits_;
  asked_ = true;
  size_t bytes = 0;
  for (const Tensor& t : given_) bytes += t.device() == device ? 0 : t.nbytes();
  fits_ = static_cast<double>(bytes) <= kShare * free_bytes(device);
  for (const Tensor& t : given_) {
    if (fits_) there_.push_back(to_device(t, device));
  }
  return fits_;
}

// Where they fit, outputs are put together on the device: a copy to the host waits for the batch.
Device BatchLoop::place_to_collect(const Shape& shape, DType dtype) const {
  if (device_.is_cpu()) return kCpu;
  return static_cast<double>(shape.size()) * static_cast<double>(size_of(dtype)) <= kShare * free_bytes(device_)
             ? device_
             : kCpu;
}

void BatchLoop::keep(const Executable& e, int64_t size) {
  for (size_t i = 0; i < e.graph().outputs.size(); ++i) {
    const Tensor& t = e.output(i);
    if (t.rank() == 0 || t.dim(0) != size)
      throw_value("[predict] expected outputs with one row per sample, received shape ", t.shape().str(), ".");
    if (collected_.size() == i) {
      Shape shape = t.shape();
      shape[0] = rows_;
      collected_.push_back(Tensor::empty_on(place_to_collect(shape, t.dtype()), shape, t.dtype()));
    }
    const Shape& whole = collected_[i].shape();
    if (t.rank() != whole.rank() || !std::equal(t.shape().begin() + 1, t.shape().end(), whole.begin() + 1)) {
      throw_value("[predict] expected outputs of one shape per sample, received a batch of shape ", t.shape().str(),
                  " after others that make ", whole.str(), " of all. Use batches of one size, or predict_on_batch.");
    }
    const size_t row = t.nbytes() / static_cast<size_t>(size);
    device_copy(collected_[i].mutable_data<std::byte>() + static_cast<size_t>(next_) * row, collected_[i].device(),
                t.raw(), t.device(), t.nbytes());
  }
}

// Where a step's batches come from. `before` gives the device the work that fills the buffers, and `places` is the
// memory that this work is on.
struct BatchLoop::Source {
  virtual ~Source() = default;
  virtual void next(int64_t first) = 0;  // called ahead of a step, with the first row of its batch
  virtual void ahead(int64_t) {}         // called after it, with the first row of the next batch
  std::function<void()> before;
  std::vector<const void*> places;
};

// On the CPU: read where they lie if they are in order, or if the step can read them by a list; else gathered into the
// buffers. A copy would put each line of a batch into one core's cache, from where the others have to fetch it.
struct BatchLoop::HostSource : Source {
  HostSource(BatchLoop& l, int64_t n, Executable& e) : loop(l), size(n), step(e), lists(l.buffers_.size()) {
    for (size_t i = 0; i < lists.size(); ++i) {
      const bool lies = l.order_.defined() && size >= kListedRows && row_bytes(l.on_cpu()[i]) >= kListedBytes;
      if (!lies || !step.listable(i)) continue;
      lists[i].resize(static_cast<size_t>(size));
      step.list_input(i, lists[i].data());
    }
  }
  void next(int64_t first) override {
    for (size_t i = 0; i < lists.size(); ++i) {
      const Tensor& array = loop.on_cpu()[i];
      if (!loop.order_.defined()) {
        std::byte* at = array.impl()->data + static_cast<size_t>(first) * row_bytes(array);
        step.point_input(i, array.impl()->storage, at);
      } else if (lists[i].empty()) {
        loop.gather_one(i, loop.buffers_[i].mutable_data<std::byte>(), first, size);
      } else {
        const int64_t* order = loop.order_.data<int64_t>() + first;
        const int64_t row = static_cast<int64_t>(row_bytes(array) / sizeof(float));
        const float* from = array.data<float>();
        for (int64_t r = 0; r < size; ++r) lists[i][static_cast<size_t>(r)] = from + order[r] * row;
      }
    }
  }
  BatchLoop& loop;
  int64_t size;
  Executable& step;
  std::vector<std::vector<const float*>> lists;  // of the inputs that are read by one
};

// Arrays that lie on the device.
struct BatchLoop::ResidentSource : Source {
  ResidentSource(BatchLoop& l, int64_t size) {
    const Device device = l.device_;
    if (l.order_.defined() && !l.order_current_) {
      if (l.order_there_.defined() && l.order_there_.nbytes() == l.order_.nbytes()) copy_into(l.order_there_, l.order_);
      else l.order_there_ = to_device(l.order_, device);
      l.order_current_ = true;
    }
    if (!l.cursor_.defined() || l.cursor_.device() != device) l.cursor_ = Tensor::empty_on(device, {}, DType::Int64);
    copy_into(l.cursor_, Tensor::scalar_int(l.next_, DType::Int64));
    for (size_t i = 0; i < l.there_.size(); ++i) {
      from.push_back(l.there_[i].raw());
      to.push_back(l.buffers_[i].mutable_raw());
      bytes.push_back(row_bytes(l.there_[i]));
    }
    rows.from = from;
    rows.to = to;
    rows.row_bytes = bytes;
    rows.order = l.order_.defined() ? l.order_there_.data<int64_t>() : nullptr;
    rows.next = l.cursor_.mutable_data<int64_t>();
    rows.rows = size;
    before = [this, device] { device_gather_rows(device, rows); };
    places = from;
    places.push_back(rows.order);
    places.push_back(rows.next);
  }
  void next(int64_t) override {}
  std::vector<const void*> from;
  std::vector<void*> to;
  std::vector<size_t> bytes;
  DeviceRows rows;
};

// Arrays on the host, for a step on a device.
struct BatchLoop::FedSource : Source {
  FedSource(BatchLoop& l, int64_t n) : loop(l), size(n), feed(l.device_, sizes(l)) {
    for (const Tensor& t : l.buffers_) to.push_back(t.mutable_raw());
    fill(l.next_);
  }
  static std::vector<size_t> sizes(const BatchLoop& l) {
    std::vector<size_t> bytes;
    for (const Tensor& t : l.buffers_) bytes.push_back(t.nbytes());
    return bytes;
  }
  void fill(int64_t first) {
    std::vector<std::byte*> slot_buffers;
    for (size_t i = 0; i < to.size(); ++i) slot_buffers.push_back(static_cast<std::byte*>(feed.buffer(slot, i)));
    loop.gather(slot_buffers, first, size);
    feed.push(slot);
  }
  void next(int64_t) override {
    feed.take(slot, to);
    slot = 1 - slot;
  }
  void ahead(int64_t first) override {
    if (first + size <= loop.rows_) fill(first);
  }
  BatchLoop& loop;
  int64_t size;
  DeviceFeed feed;
  std::vector<void*> to;
  int slot = 0;
};

int64_t BatchLoop::run(GraphFunction& step, double seconds, int64_t max_batches, bool collect) {
  const PauseTracing now;
  const PauseRecording quiet;
  const int64_t size = next_batch_size();
  const Device device = step.device_for(given_);
  if (device != device_) {
    there_.clear();
    asked_ = order_current_ = false;
    order_there_ = cursor_ = Tensor();
  }
  if (buffers_.empty() || buffers_[0].dim(0) != size || device != device_) buffers_ = batch_of(size, device);
  device_ = device;
  const auto executable = step.borrow(device);
  executable->bind(buffers_, true);
  struct Release {
    Executable& e;
    ~Release() { e.release(); }
  } guard{*executable};
  const std::unique_ptr<Source> source = source_of(size, *executable);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  int64_t done = 0;
  while (!this->done() && next_batch_size() == size && done < max_batches) {
    source->next(next_);
    executable->step(source->before, source->places);
    source->ahead(next_ + size);
    if (collect) keep(*executable, size);
    next_ += size;
    ++done;
    if (!device.is_cpu() && done % kPace == 0) device_keep_pace(device);  // or the time would be that of asking only
    if (std::chrono::steady_clock::now() >= end) break;
  }
  last_.clear();
  for (size_t i = 0; i < executable->graph().outputs.size(); ++i) { last_.push_back(copy_of(executable->output(i))); }
  return done;
}

std::unique_ptr<BatchLoop::Source> BatchLoop::source_of(int64_t size, Executable& step) {
  if (device_.is_cpu()) return std::make_unique<HostSource>(*this, size, step);
  if (resident(device_)) return std::make_unique<ResidentSource>(*this, size);
  return std::make_unique<FedSource>(*this, size);
}

}  // namespace tahr::graph
