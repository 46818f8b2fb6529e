#include "core/allocator.h"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "core/error.h"
#include "core/limits.h"

namespace tahr {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kHugeFrom = size_t{4} << 20;
constexpr size_t kMinCacheCap = size_t{256} << 20;
constexpr size_t kTracked = size_t{64} << 10;
constexpr int kStepBits = 3;  // 8 classes per power of two: at most 12.5% is wasted
constexpr int kClasses = 64 << kStepBits;

// Under AddressSanitizer each block is as large as was asked for and freed at once, so that it sees every stray access.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kExact = true;
#else
constexpr bool kExact = false;
#endif

struct FreeBlock {
  FreeBlock* next;
};

class SpinLock {
 public:
  void lock() {
    while (flag_.exchange(true, std::memory_order_acquire)) {
      while (flag_.load(std::memory_order_relaxed)) {}
    }
  }
  void unlock() { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};

struct Guard {
  SpinLock& lock;
  explicit Guard(SpinLock& l) : lock(l) { lock.lock(); }
  ~Guard() { lock.unlock(); }
};

int class_of(size_t bytes, size_t* class_bytes) {
  if (bytes <= kAlign) {
    *class_bytes = kExact && bytes ? bytes : kAlign;
    return 0;
  }
  const int top = std::bit_width(bytes - 1) - 1;  // 2^top < bytes <= 2^(top+1)
  const int shift = top > kStepBits ? top - kStepBits : 0;
  const size_t steps = (bytes + (size_t{1} << shift) - 1) >> shift;  // in (2^kStepBits, 2^(kStepBits+1)]
  size_t size = steps << shift;
  size = (size + kAlign - 1) & ~(kAlign - 1);
  *class_bytes = kExact ? bytes : size;
  return ((top - 5) << kStepBits) + static_cast<int>(steps - (size_t{1} << kStepBits));
}

struct State {
  SpinLock lock;
  std::array<FreeBlock*, kClasses> free{};
  size_t live = 0, peak = 0, cached = 0;
  // Of classes from kTracked on: when one was last asked for or given back, and the size of its blocks.
  std::array<uint64_t, kClasses> used{};
  std::array<size_t, kClasses> size{};
  uint64_t now = 0;

  void touch(int c, size_t bytes) {
    if (bytes < kTracked) return;
    used[c] = ++now;
    size[c] = bytes;
  }
  // The class other than c that has blocks and has rested longest; -1 if there is none.
  int stalest(int c) const {
    int found = -1;
    for (int i = 0; i < kClasses; ++i) {
      if (i != c && free[i] && size[i] && (found < 0 || used[i] < used[found])) found = i;
    }
    return found;
  }
};
State& state() {
  static State* s = new State;  // never destroyed: tensors may outlive static destructors
  return *s;
}

void* system_allocate(size_t bytes) {
  void* p = nullptr;
  if (kExact) return posix_memalign(&p, kAlign, bytes) == 0 ? p : nullptr;
  if (bytes >= kHugeFrom) {
    const size_t rounded = (bytes + kHugePage - 1) & ~(kHugePage - 1);
    p = std::aligned_alloc(kHugePage, rounded);
    if (p) madvise(p, rounded, MADV_HUGEPAGE);
  } else {
    p = std::aligned_alloc(kAlign, bytes);
  }
  return p;
}

void release_locked(State& s) {
  for (auto& head : s.free) {
    while (head) {
      FreeBlock* b = head;
      head = b->next;
      std::free(b);
    }
  }
  s.cached = 0;
}

}  // namespace

void* allocate(size_t bytes) {
  // Beyond this the size of a class does not fit in a number.
  constexpr size_t kMost = size_t{1} << 62;
  if (bytes > kMost) throw Error(ErrorKind::Memory, concat("out of memory: could not allocate ", bytes, " bytes."));
  size_t size;
  const int c = class_of(bytes, &size);
  LimitScope* const limits = LimitScope::current();
  if (limits) [[unlikely]]
    limits->charge(size);
  State& s = state();
  {
    Guard g(s.lock);
    s.live += size;
    if (s.live > s.peak) s.peak = s.live;
    s.touch(c, size);
    if (FreeBlock* b = s.free[c]) {
      s.free[c] = b->next;
      s.cached -= size;
      return b;
    }
  }
  void* p = system_allocate(size);
  if (!p) {
    release_cached_memory();
    p = system_allocate(size);
  }
  if (!p) {
    size_t live = 0;
    {
      Guard g(s.lock);
      live = s.live -= size;
    }
    if (limits) limits->refund(size);
    throw Error(ErrorKind::Memory,
                concat("out of memory: could not allocate ", bytes, " bytes on the CPU (", live,
                       " bytes are in use by tensors). Use a smaller batch or delete unused tensors."));
  }
  return p;
}

void deallocate(void* p, size_t bytes) noexcept {
  size_t size;
  const int c = class_of(bytes, &size);
  if (LimitScope* const limits = LimitScope::current()) [[unlikely]]
    limits->refund(size);
  State& s = state();
  FreeBlock* gone = nullptr;
  {
    Guard g(s.lock);
    s.live -= size;
    s.touch(c, size);
    // The cache may hold what brings the total to a quarter more than was ever live at once. Where that is exceeded,
    // sizes that are no longer in use give way: else one large block that nobody asks for again would leave the others
    // with new pages at each call.
    const size_t peak = s.peak > kMinCacheCap ? s.peak : kMinCacheCap, cap = peak + peak / 4;
    while (!kExact && size >= kTracked && s.cached + s.live + size > cap) {
      const int old = s.stalest(c);
      if (old < 0) break;
      FreeBlock* b = s.free[old];
      s.free[old] = b->next;
      s.cached -= s.size[old];
      b->next = gone;
      gone = b;
    }
    if (!kExact && s.cached + s.live + size <= cap) {
      auto* b = static_cast<FreeBlock*>(p);
      b->next = s.free[c];
      s.free[c] = b;
      s.cached += size;
      p = nullptr;
    }
  }
  std::free(p);
  while (gone) {
    FreeBlock* const b = gone;
    gone = b->next;
    std::free(b);
  }
}

void* thread_scratch() {
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<void, Free> own;
  if (!own) {
    static_assert(kThreadScratch == kHugePage);
    own.reset(std::aligned_alloc(kHugePage, kThreadScratch));
    if (!own) throw Error(ErrorKind::Memory, concat("out of memory: could not allocate ", kThreadScratch, " bytes."));
    madvise(own.get(), kThreadScratch, MADV_HUGEPAGE);
  }
  return own.get();
}

MemoryStats memory_stats() {
  State& s = state();
  Guard g(s.lock);
  return {s.live, s.peak, s.cached};
}

void reset_peak_memory() {
  State& s = state();
  Guard g(s.lock);
  s.peak = s.live;
}

void release_cached_memory() {
  State& s = state();
  Guard g(s.lock);
  release_locked(s);
}

namespace {
constexpr size_t kSmallStep = 32;
constexpr size_t kSmallMax = 512;
struct SmallPool {
  SpinLock lock;
  std::array<FreeBlock*, kSmallMax / kSmallStep + 1> free{};
};
SmallPool& small_pool() {
  static SmallPool* p = new SmallPool;
  return *p;
}
}  // namespace

void* allocate_small(size_t bytes) {
  const size_t c = (bytes + kSmallStep - 1) / kSmallStep;
  if (kExact || c * kSmallStep > kSmallMax) return ::operator new(bytes);
  SmallPool& pool = small_pool();
  {
    Guard g(pool.lock);
    if (FreeBlock* b = pool.free[c]) {
      pool.free[c] = b->next;
      return b;
    }
  }
  return ::operator new(c * kSmallStep);
}

void deallocate_small(void* p, size_t bytes) noexcept {
  const size_t c = (bytes + kSmallStep - 1) / kSmallStep;
  if (kExact || c * kSmallStep > kSmallMax) {
    ::operator delete(p);
    return;
  }
  SmallPool& pool = small_pool();
  Guard g(pool.lock);
  auto* b = static_cast<FreeBlock*>(p);
  b->next = pool.free[c];
  pool.free[c] = b;
}

}  // namespace tahr
