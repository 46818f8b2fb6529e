// The caching allocator of one device: blocks in size classes, kept when freed. A block that is given back may be
// handed out again at once, since all work of a device is in the order of its one stream: what used it runs before what
// will use it. Memory is taken from the device when it is needed; when there is no more, what is kept is given back
// and the request tried again.
#pragma once

#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/device.h"
#include "cuda/runtime.h"

namespace tahr::cuda {

class Allocator {
 public:
  explicit Allocator(int device) : device_(device) {}

  void* allocate(size_t bytes);  // of the current device, which is this one; throws Error(Memory)
  void deallocate(void* p, size_t bytes) noexcept;
  void release_cached();
  DeviceMemory stats();
  void reset_peak();
  void set_limit(size_t bytes);

  // The size of the block for so many bytes: 8 classes per power of two, at least 512 bytes; from 1 MiB on whole
  // multiples of 64 KiB.
  static size_t class_size(size_t bytes);

 private:
  // Small blocks are cut from slabs; a slab goes back to the device when all of its blocks have.
  struct Slab {
    char* begin;
    size_t bytes, block, blocks, unused;
  };
  void* take(size_t size);  // from what is kept; null if there is none
  void* from_system(size_t bytes);
  void new_slab(size_t block);
  void release_locked();

  std::mutex mutex_;
  const int device_;
  std::unordered_map<size_t, std::vector<void*>> free_;
  std::map<char*, Slab> slabs_;
  DeviceMemory stats_;
};

}  // namespace tahr::cuda
