// Bounds on what a stretch of work may take: for graphs that come from files nobody vouches for.
//
// While a LimitScope lives, tensors and working memory allocated by its thread, and by the pool on its behalf, count
// against `bytes`; what exceeds it is an Error(Memory) in place of an allocation. `seconds` is looked at between the
// steps of graphs and rounds of loops: a kernel that has begun runs to its end.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tahr {

class LimitScope {
 public:
  LimitScope(size_t bytes, double seconds);  // seconds 0: no bound
  ~LimitScope();
  LimitScope(const LimitScope&) = delete;
  LimitScope& operator=(const LimitScope&) = delete;

  static LimitScope* current() { return current_; }  // of this thread; null: none

  void charge(size_t bytes);  // throws, and counts nothing, if that is too much
  void refund(size_t bytes) noexcept { used_.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed); }
  void check_time() const {
    if (timed_ && std::chrono::steady_clock::now() > until_) out_of_time();
  }

 private:
  friend class AdoptLimits;
  [[noreturn]] void out_of_time() const;

  static constinit thread_local LimitScope* current_;
  LimitScope* const outer_;
  const int64_t most_;
  const double seconds_;
  const bool timed_;
  const std::chrono::steady_clock::time_point until_;
  std::atomic<int64_t> used_{0};
};

// Makes the caller's scope that of a pool's thread while it works for the caller.
class AdoptLimits {
 public:
  explicit AdoptLimits(LimitScope* scope) : before_(LimitScope::current_) { LimitScope::current_ = scope; }
  ~AdoptLimits() { LimitScope::current_ = before_; }
  AdoptLimits(const AdoptLimits&) = delete;
  AdoptLimits& operator=(const AdoptLimits&) = delete;

 private:
  LimitScope* before_;
};

}  // namespace tahr
