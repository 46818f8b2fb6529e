#include <algorithm>
#include <bit>

#include "cuda/allocator.h"

namespace tahr::cuda {
namespace {

constexpr size_t kSmallest = 512;
constexpr size_t kLarge = size_t{1} << 20;  // from here on a block is an allocation of its own
constexpr size_t kSlab = size_t{2} << 20;
constexpr size_t kLargeStep = size_t{64} << 10;

}  // namespace

size_t Allocator::class_size(size_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  const int top = std::bit_width(bytes - 1) - 1;  // 2^top < bytes <= 2^(top+1)
  const size_t step = std::max(size_t{1} << (top - 3), bytes > kLarge ? kLargeStep : kSmallest);
  return (bytes + step - 1) / step * step;
}

void* Allocator::take(size_t size) {
  const auto it = free_.find(size);
  if (it == free_.end() || it->second.empty()) return nullptr;
  void* p = it->second.back();
  it->second.pop_back();
  stats_.cached -= size;
  if (size < kLarge) --std::prev(slabs_.upper_bound(static_cast<char*>(p)))->second.unused;
  return p;
}

void* Allocator::from_system(size_t bytes) {
  if (stats_.limit && stats_.reserved + bytes > stats_.limit) return nullptr;
  void* p = nullptr;
  const cudaError_t e = cudaMalloc(&p, bytes);
  if (e == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // taken note of
    return nullptr;
  }
  check(e, "memory of the GPU could not be taken");
  stats_.reserved += bytes;
  ++stats_.system_allocations;
  return p;
}

void Allocator::new_slab(size_t block) {
  auto* begin = static_cast<char*>(from_system(kSlab));
  if (!begin) return;
  const size_t blocks = kSlab / block;
  slabs_[begin] = {begin, kSlab, block, blocks, blocks};
  auto& list = free_[block];
  for (size_t i = blocks; i-- > 0;) list.push_back(begin + i * block);
  stats_.cached += blocks * block;
}

void* Allocator::allocate(size_t bytes) {
  const size_t size = class_size(bytes);
  const std::lock_guard lock(mutex_);
  void* p = take(size);
  for (int attempt = 0; !p && attempt < 2; ++attempt) {
    if (attempt) release_locked();
    if (size < kLarge) {
      new_slab(size);
      p = take(size);
    } else {
      p = from_system(size);
    }
  }
  if (!p) {
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    const auto mib = [](size_t b) { return concat((b + (size_t{1} << 19)) >> 20, " MiB"); };
    throw Error(
        ErrorKind::Memory,
        concat("out of memory: could not allocate ", bytes, " bytes on '/gpu:", device_, "' (", mib(stats_.live),
               " are in use by tensors, ", mib(free), " of ", mib(total), " are free on the device",
               stats_.limit ? concat(", and the limit set for this process is ", mib(stats_.limit)) : "",
               "). Use a smaller batch or delete unused tensors."));
  }
  stats_.live += size;
  stats_.peak = std::max(stats_.peak, stats_.live);
  return p;
}

void Allocator::deallocate(void* p, size_t bytes) noexcept {
  const size_t size = class_size(bytes);
  const std::lock_guard lock(mutex_);
  stats_.live -= size;
  stats_.cached += size;
  free_[size].push_back(p);
  if (size < kLarge) ++std::prev(slabs_.upper_bound(static_cast<char*>(p)))->second.unused;
}

// cudaFree waits for the device, so that nothing that still runs uses what goes.
void Allocator::release_locked() {
  for (auto& [size, list] : free_) {
    if (size >= kLarge) {
      for (void* p : list) {
        cudaFree(p);
        stats_.reserved -= size;
        stats_.cached -= size;
      }
      list.clear();
      continue;
    }
    std::erase_if(list, [&](void* p) {
      return [&](const Slab& s) {
        return s.unused == s.blocks;
      }(std::prev(slabs_.upper_bound(static_cast<char*>(p)))->second);
    });
  }
  for (auto it = slabs_.begin(); it != slabs_.end();) {
    const Slab& s = it->second;
    if (s.unused != s.blocks) {
      ++it;
      continue;
    }
    cudaFree(s.begin);
    stats_.reserved -= s.bytes;
    stats_.cached -= s.blocks * s.block;
    it = slabs_.erase(it);
  }
}

void Allocator::release_cached() {
  const std::lock_guard lock(mutex_);
  release_locked();
}

DeviceMemory Allocator::stats() {
  const std::lock_guard lock(mutex_);
  DeviceMemory s = stats_;
  check(cudaMemGetInfo(&s.free, &s.total), "the GPU's memory could not be asked for");
  return s;
}

void Allocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak = stats_.live;
}

void Allocator::set_limit(size_t bytes) {
  const std::lock_guard lock(mutex_);
  stats_.limit = bytes;
}

}  // namespace tahr::cuda
