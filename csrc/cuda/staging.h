// Pinned host memory through which small copies go: a copy from it is asynchronous, so the host goes on at once.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "cuda/runtime.h"

namespace tahr::cuda {

class Staging {
 public:
  static constexpr size_t kBuffer = size_t{1} << 20;  // the largest copy that goes through here

  void upload(void* to, const void* from, size_t bytes, cudaStream_t stream);    // returns before the copy is done
  void download(void* to, const void* from, size_t bytes, cudaStream_t stream);  // returns when it is

 private:
  struct Buffer {
    char* data;
    size_t bytes;
    cudaEvent_t done;
  };
  Buffer take(size_t bytes);

  std::mutex mutex_;
  std::vector<Buffer> busy_;  // in the order of their copies
  std::vector<Buffer> idle_;
  size_t bytes_ = 0;  // of all buffers
};

}  // namespace tahr::cuda
