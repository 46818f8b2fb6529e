// The CPU allocator: 64-byte aligned blocks in size classes, cached when freed so that an eager loop
// over the same shapes touches no new page. Blocks of 4 MiB and more are backed by huge pages.
#pragma once

#include <cstddef>

namespace tahr {

struct MemoryStats {
  size_t live_bytes;    // handed out now
  size_t peak_bytes;    // the most that was handed out since the last reset
  size_t cached_bytes;  // freed by tensors, kept for reuse
};

void* allocate(size_t bytes);  // throws Error(Memory); never null, also for 0 bytes
void deallocate(void* p, size_t bytes) noexcept;
MemoryStats memory_stats();
void reset_peak_memory();
void release_cached_memory();  // gives the cache back to the system

// Memory that belongs to the calling thread until it ends, in one huge page where the system has them; for operands
// that a kernel rearranges. Whoever uses it next overwrites it.
inline constexpr size_t kThreadScratch = size_t{2} << 20;
void* thread_scratch();

// Small fixed-size objects (tensor and storage headers): a free list per size.
void* allocate_small(size_t bytes);
void deallocate_small(void* p, size_t bytes) noexcept;

}  // namespace tahr
