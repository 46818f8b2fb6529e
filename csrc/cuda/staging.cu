#include <algorithm>
#include <cstring>

#include "cuda/staging.h"

namespace tahr::cuda {

namespace {
constexpr size_t kSmall = size_t{4} << 10;       // two sizes of buffers: this and kBuffer
constexpr size_t kMostBytes = size_t{64} << 20;  // of pinned memory: beyond it the host waits for the oldest copy
}  // namespace

Staging::Buffer Staging::take(size_t bytes) {
  const size_t size = bytes <= kSmall ? kSmall : kBuffer;
  const std::lock_guard lock(mutex_);
  while (!busy_.empty() && cudaEventQuery(busy_.front().done) == cudaSuccess) {
    idle_.push_back(busy_.front());
    busy_.erase(busy_.begin());
  }
  cudaGetLastError();  // "not ready" is no error
  const auto fits = [&](const Buffer& b) { return b.bytes == size; };
  const auto taken_from = [&](std::vector<Buffer>& buffers, std::vector<Buffer>::iterator at) {
    const Buffer b = *at;
    buffers.erase(at);
    return b;
  };
  if (const auto it = std::ranges::find_if(idle_, fits); it != idle_.end()) return taken_from(idle_, it);
  if (const auto it = std::ranges::find_if(busy_, fits); bytes_ >= kMostBytes && it != busy_.end()) {
    check(cudaEventSynchronize(it->done), "waiting for the GPU failed");
    return taken_from(busy_, it);
  }
  Buffer b{nullptr, size, nullptr};
  check(cudaHostAlloc(reinterpret_cast<void**>(&b.data), size, cudaHostAllocDefault),
        "pinned memory could not be taken");
  check(cudaEventCreateWithFlags(&b.done, cudaEventDisableTiming), "an event could not be made");
  bytes_ += size;
  return b;
}

void Staging::upload(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  const Buffer b = take(bytes);
  std::memcpy(b.data, from, bytes);
  check(cudaMemcpyAsync(to, b.data, bytes, cudaMemcpyHostToDevice, stream), "a copy to the GPU failed");
  check(cudaEventRecord(b.done, stream), "an event could not be recorded");
  const std::lock_guard lock(mutex_);
  busy_.push_back(b);
}

void Staging::download(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  const Buffer b = take(bytes);
  check(cudaMemcpyAsync(b.data, from, bytes, cudaMemcpyDeviceToHost, stream), "a copy from the GPU failed");
  check(cudaStreamSynchronize(stream), "waiting for the GPU failed");
  std::memcpy(to, b.data, bytes);
  const std::lock_guard lock(mutex_);
  idle_.push_back(b);
}

}  // namespace tahr::cuda
