// The pool: workers that share one job at a time with the thread that brought it.
//
// A job's chunks are dealt to one slot per thread as contiguous ranges, so that repeated jobs over the same data meet
// the same caches. A thread empties its own slot, then helps with the others, one chunk at a time: the caller never
// waits for a worker that has not begun, and a descheduled worker holds back one chunk only. A thread that has begun is
// given a few microseconds to end by itself, because a chunk taken from it takes its data along to another cache.
#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/float_mode.h"
#include "core/limits.h"

namespace tahr {
namespace {

constexpr auto kSpin = std::chrono::microseconds(150);
constexpr int kYields = 8;
constexpr auto kLongestGrace = std::chrono::microseconds(4);  // before a chunk is taken from a thread at work
constexpr int kGracePart = 4;                                 // and at most this part of the time spent so far
// So many short jobs in a row, none longer than this after the one before, wake the workers for those that follow.
constexpr int kShortJobs = 4;
constexpr auto kShortPause = std::chrono::microseconds(100);

inline void cpu_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// ---- how many threads ----

int affinity_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

// CPUs that a quota of `quota` per `period` microseconds amounts to, rounded up; 0 for "no limit".
int cpus_of_quota(double quota, double period) {
  if (quota <= 0 || period <= 0) return 0;
  return std::max(1, static_cast<int>((quota + period - 1) / period));
}

int cgroup_v2_limit(const std::string& dir) {
  std::ifstream f(dir + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(f >> quota >> period) || quota == "max") return 0;
  return cpus_of_quota(std::atof(quota.c_str()), period);
}

int cgroup_v1_limit(const std::string& dir) {
  std::ifstream q(dir + "/cpu.cfs_quota_us"), p(dir + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(q >> quota) || !(p >> period)) return 0;
  return cpus_of_quota(quota, period);
}

// The tightest CPU quota among this process's control groups and their ancestors; 0 for none.
int cgroup_cpus() {
  int limit = 0;
  auto tighten = [&](int n) {
    if (n > 0) limit = limit ? std::min(limit, n) : n;
  };
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string path = line.substr(second + 1);
    const bool v2 = controllers == ",,";
    if (!v2 && controllers.find(",cpu,") == std::string::npos) continue;
    while (true) {
      if (path == "/") path.clear();
      if (v2) {
        tighten(cgroup_v2_limit("/sys/fs/cgroup" + path));
      } else {
        tighten(cgroup_v1_limit("/sys/fs/cgroup/cpu" + path));
        tighten(cgroup_v1_limit("/sys/fs/cgroup/cpu,cpuacct" + path));
      }
      const size_t slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
  return limit;
}

int usable_cpus() {
  static const int n = [] {
    const int quota = cgroup_cpus();
    return quota ? std::min(quota, affinity_cpus()) : affinity_cpus();
  }();
  return n;
}

int default_threads() {
  if (const char* s = std::getenv("TAHR_NUM_THREADS"); s && *s) {
    char* end = nullptr;
    const long n = std::strtol(s, &end, 10);
    if (*end || n < 1) {
      throw_value("[threads] expected TAHR_NUM_THREADS to be a positive integer, received '", s,
                  "'. Set it to the number of threads to use, or unset it to use every available CPU.");
    }
    return static_cast<int>(std::min<long>(n, usable_cpus()));
  }
  if (const char* s = std::getenv("OMP_NUM_THREADS"); s && *s) {
    const long n = std::strtol(s, nullptr, 10);  // the first of a list such as "4,2"
    if (n >= 1) return static_cast<int>(std::min<long>(n, usable_cpus()));
  }
  return usable_cpus();
}

// ---- the pool ----

using Body = FunctionRef<void(int64_t)>;
using Clock = std::chrono::steady_clock;

// Spins for a while, then yields; true as soon as ready() is.
template <class Ready>
bool spin_until(bool may_spin, Ready ready) {
  if (!may_spin) return ready();
  const auto until = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (ready()) return true;
      cpu_pause();
    }
  } while (Clock::now() < until);
  for (int i = 0; i < kYields; ++i) {
    if (ready()) return true;
    std::this_thread::yield();
  }
  return ready();
}

class Pool {
 public:
  explicit Pool(int threads) : slots_(new Slot[threads]), threads_(threads), may_spin_(threads <= usable_cpus()) {
    sigset_t all, old;  // signals go to the threads of the program
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    try {
      workers_.reserve(static_cast<size_t>(threads));
      for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
    } catch (const std::exception&) {
      // The system refuses more threads, or memory for them: those that exist take the whole work.
    }
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  }

  ~Pool() {
    stop_.store(true, std::memory_order_relaxed);
    const uint32_t last = epoch_.fetch_add(1) + 1;
    for (int t = 1; t < threads_; ++t) slots_[t].epoch.store(last);
    epoch_.notify_all();
    for (std::thread& t : workers_) t.join();
  }

  int threads() const { return threads_; }

  // Whether a job that comes now finds every worker spinning.
  bool awake() const { return may_spin_ && sleepers_.load(std::memory_order_relaxed) == 0; }

  // A short job is about to run on the caller's thread, because the workers sleep.
  void note_short_job() {
    if (!may_spin_) return;
    const auto now = Clock::now();
    short_jobs_ = now - last_short_ < kShortPause ? short_jobs_ + 1 : 1;
    last_short_ = now;
    if (short_jobs_ < kShortJobs) return;
    short_jobs_ = 0;
    epoch_.fetch_add(1);
    epoch_.notify_all();
  }

  void run(int64_t chunks, Body& body) {
    pending_.store(chunks, std::memory_order_relaxed);
    const uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
    const int64_t parts = std::min<int64_t>(threads_, chunks);
    const FloatMode mode = float_mode();
    LimitScope* const limits = LimitScope::current();
    for (int64_t t = parts, end = chunks; t-- > 0;) {  // the caller's own slot last
      Slot& slot = slots_[t];
      const int64_t share = chunks / parts + (t < chunks % parts);
      slot.share.store(share, std::memory_order_relaxed);
      slot.end = end;
      slot.body = &body;
      slot.mode = mode;
      slot.limits = limits;
      slot.left.store(share, std::memory_order_release);
      slot.epoch.store(epoch, std::memory_order_release);
      end -= share;
    }
    epoch_.store(epoch);
    if (sleepers_.load() > 0) epoch_.notify_all();
    help(0);
    wait_for_all();
    if (failed_.load(std::memory_order_relaxed)) [[unlikely]] {
      failed_.store(false, std::memory_order_relaxed);
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }

 private:
  // All that a worker needs to begin, in one cache line, at which it spins.
  struct alignas(64) Slot {
    std::atomic<int64_t> left{0};   // chunks not yet claimed; below zero counts claims that came too late
    std::atomic<int64_t> share{0};  // all its chunks
    int64_t end = 0;
    Body* body = nullptr;
    FloatMode mode = 0;              // the caller's
    LimitScope* limits = nullptr;    // likewise
    std::atomic<uint32_t> epoch{0};  // of the last job that had chunks for this thread
  };

  // Runs one chunk of the slot; false if none is left. After a claim the job stays alive until the claimed chunk is
  // counted in pending_, so the rest of the slot may be read.
  bool run_one(Slot& slot) {
    if (slot.left.load(std::memory_order_relaxed) <= 0) return false;
    const int64_t left = slot.left.fetch_sub(1, std::memory_order_acq_rel);
    if (left <= 0) return false;
    if (failed_.load(std::memory_order_relaxed)) [[unlikely]]
      return true;  // its results are not wanted any more
    if (float_mode() != slot.mode) set_float_mode(slot.mode);
    try {
      const AdoptLimits bounds(slot.limits);
      (*slot.body)(slot.end - left);
    } catch (...) { keep_error(); }
    return true;
  }

  // The first error of a job is thrown again by its caller, when all threads have left the job.
  void keep_error() noexcept {
    if (failed_.exchange(true, std::memory_order_acq_rel)) return;
    error_ = std::current_exception();
  }

  // Whether the job is finished.
  bool count(int64_t done) {
    if (pending_.fetch_sub(done) != done) return false;
    if (caller_sleeps_.load()) {
      caller_sleeps_.store(0);
      caller_sleeps_.notify_one();
    }
    return true;
  }

  // Waits until the job is finished, but no longer than the threads at work deserve.
  bool finished_in_grace(const Slot& own, Clock::duration worked) {
    const auto until = Clock::now() + std::min<Clock::duration>(worked / kGracePart, kLongestGrace);
    do {
      for (int i = 0; i < 4; ++i) {
        if (pending_.load(std::memory_order_acquire) <= 0) return true;
        if (own.left.load(std::memory_order_relaxed) > 0) return true;  // by now there is another job
        cpu_pause();
      }
    } while (Clock::now() < until);
    return false;
  }

  void help(int self) {
    const auto start = Clock::now();
    int64_t done = 0;
    while (run_one(slots_[self])) ++done;
    if (done && count(done)) return;
    bool patient = done > 0 && may_spin_;
    for (int i = 1; i < threads_; ++i) {
      Slot& slot = slots_[self + i < threads_ ? self + i : self + i - threads_];
      const int64_t left = slot.left.load(std::memory_order_relaxed);
      if (left <= 0) continue;
      if (patient && left < slot.share.load(std::memory_order_relaxed)) {
        if (finished_in_grace(slots_[self], Clock::now() - start)) return;
        patient = false;
      }
      for (done = 0; run_one(slot);) ++done;
      if (done && count(done)) return;
    }
  }

  void wait_for_all() {
    auto finished = [&] { return pending_.load(std::memory_order_acquire) == 0; };
    if (spin_until(may_spin_, finished)) return;
    while (true) {
      caller_sleeps_.store(1);
      if (pending_.load() == 0) break;
      caller_sleeps_.wait(1);
      if (finished()) break;
    }
    caller_sleeps_.store(0);
  }

  void work(int self) {
    Slot& own = slots_[self];
    uint32_t seen = 0;
    while (true) {
      auto called = [&] { return own.epoch.load(std::memory_order_acquire) != seen; };
      if (!spin_until(may_spin_, called)) {
        sleepers_.fetch_add(1);
        const uint32_t before = epoch_.load();
        if (!called() && !stop_.load()) epoch_.wait(before);
        sleepers_.fetch_sub(1);
      }
      if (stop_.load(std::memory_order_relaxed)) return;
      seen = own.epoch.load(std::memory_order_acquire);
      help(self);
    }
  }

  std::unique_ptr<Slot[]> slots_;
  const int threads_;
  const bool may_spin_;
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<uint32_t> epoch_{0};  // one more for each job
  std::atomic<int32_t> sleepers_{0};
  alignas(64) std::atomic<int64_t> pending_{0};  // chunks of the job not yet finished
  std::atomic<uint32_t> caller_sleeps_{0};
  std::atomic<bool> failed_{false};  // some chunk of the job threw
  std::exception_ptr error_;         // written by who set failed_, before it counts its chunk
  std::vector<std::thread> workers_;
  int short_jobs_ = 0;  // in a row
  Clock::time_point last_short_;
};

Pool* g_pool = nullptr;  // used only by the holder of g_held; never freed at exit
std::atomic<bool> g_held{false};
std::atomic<int> g_threads{0};  // 0: not yet decided

// A forked child has the caller's thread only: it forgets the parent's pool and builds its own when it needs one.
void forget_pool() {
  g_pool = nullptr;
  g_held.store(false);
}

}  // namespace

int num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    const int fresh = default_threads();
    n = g_threads.compare_exchange_strong(n, fresh) ? fresh : n;
  }
  return n;
}

void set_num_threads(int n) {
  if (n < 1)
    throw_value("[set_num_threads] expected at least 1 thread, received ", n, ". Use 1 to run without threads.");
  g_threads.store(n);
}

void parallel_chunks(int64_t chunks, double cost_ns, Body body, double shared_from_ns) {
  auto run_inline = [&] {
    for (int64_t c = 0; c < chunks; ++c) body(c);
  };
  if (chunks <= 1 || cost_ns < shared_from_ns) return run_inline();
  const int threads = num_threads();
  // The pool is held during a job, so a nested call and a call from another thread both run inline.
  if (threads == 1 || g_held.exchange(true, std::memory_order_acquire)) return run_inline();
  struct Hold {  // let go of also when something throws
    ~Hold() { release(); }
    void release() {
      if (held) g_held.store(false, std::memory_order_release);
      held = false;
    }
    bool held = true;
  } hold;
  if (!g_pool || g_pool->threads() != threads) {
    static std::once_flag once;
    std::call_once(once, [] { pthread_atfork(nullptr, nullptr, forget_pool); });
    delete std::exchange(g_pool, nullptr);
    g_pool = new Pool(threads);
  }
  if (cost_ns < kSharedFromNs && !g_pool->awake()) {
    g_pool->note_short_job();
    hold.release();
    return run_inline();
  }
  g_pool->run(chunks, body);
}

}  // namespace tahr
