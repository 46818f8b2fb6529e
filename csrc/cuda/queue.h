// Recordings of a stream's work (CUDA graphs), and feeds: batches that travel on a stream of their own.
#pragma once

#include <memory>
#include <vector>

#include "cuda/allocator.h"
#include "cuda/runtime.h"

namespace tahr::cuda {

// While a thread records, its work goes to a stream of the recording's, so that other threads go on undisturbed. Memory
// that it asks for meanwhile belongs to the recording until that goes, since each replay writes there.
class Recording {
 public:
  explicit Recording(Allocator& allocator);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  cudaStream_t stream() const { return stream_; }
  void* allocate(size_t bytes);
  bool deallocate(void* p);  // false if it is not of this recording
  void upload(void* to, const void* from, size_t bytes);
  void finish(size_t* nodes);
  void replay(cudaStream_t stream) {
    check(cudaGraphLaunch(graph_, stream), "a CUDA graph could not be launched");
    replayed_on_ = stream;
  }

 private:
  struct Block {
    void* p;
    size_t bytes;
    bool used;
  };
  Allocator& allocator_;
  cudaStream_t stream_ = nullptr, replayed_on_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
  bool recording_ = false;
  std::vector<Block> blocks_;
  std::vector<void*> pinned_;  // what is uploaded in each replay
};

bool recording();  // whether the calling thread records

class Feed {
 public:
  Feed(Allocator& allocator, std::span<const size_t> bytes, cudaStream_t main);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  void* buffer(int slot, size_t i);
  void push(int slot);
  void take(int slot, std::span<void* const> to);

 private:
  struct Slot {
    std::vector<void*> host, device;
    cudaEvent_t arrived = nullptr, taken = nullptr;
  };
  void clear() noexcept;

  Allocator& allocator_;
  std::vector<size_t> bytes_;
  cudaStream_t main_, stream_ = nullptr;
  Slot slots_[2];
};

// As DeviceBackend::gather_rows, on the current device's stream.
void gather_rows(const DeviceRows& rows);

}  // namespace tahr::cuda
