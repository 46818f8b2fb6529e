#include "core/limits.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace tahr {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kLongest = 1e9;  // seconds; a clock counts no further than some hundred years

int64_t clipped(size_t bytes) {
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  return bytes > static_cast<size_t>(most) ? most : static_cast<int64_t>(bytes);
}

}  // namespace

constinit thread_local LimitScope* LimitScope::current_ = nullptr;

LimitScope::LimitScope(size_t bytes, double seconds)
    : outer_(current_),
      most_(clipped(bytes)),
      seconds_(seconds),
      timed_(seconds > 0 && seconds < kLongest),
      until_(Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(std::clamp(seconds, 0.0, kLongest)))) {
  current_ = this;
}

LimitScope::~LimitScope() { current_ = outer_; }

void LimitScope::charge(size_t bytes) {
  const int64_t more = clipped(bytes);
  const int64_t before = used_.fetch_add(more, std::memory_order_relaxed);
  if (before <= most_ - more) return;
  used_.fetch_sub(more, std::memory_order_relaxed);
  throw Error(ErrorKind::Memory,
              concat("[limits] expected work that takes at most ", most_,
                     " bytes of memory, received one that asks for ", bytes, " more than the ",
                     std::max<int64_t>(before, 0), " it has. Raise the limit of memory if the file is to be trusted."));
}

void LimitScope::out_of_time() const {
  throw_runtime("[limits] expected work that ends within ", seconds_,
                " seconds, received one that goes on. Raise the limit of seconds if the file is to be trusted.");
}

}  // namespace tahr
