// The thread pool. Work is cut into chunks whose boundaries depend only on the problem, never on the
// number of threads, so results have the same bits at any thread count.
#pragma once

#include <cstdint>

namespace tahr {

int num_threads();            // TAHR_NUM_THREADS, else OMP_NUM_THREADS, capped by affinity and cgroup
void set_num_threads(int n);  // n >= 1

// A borrowed callable: two words, no allocation. The callee must outlive the call.
template <class Sig>
class FunctionRef;
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F>
  FunctionRef(F& f)
      : obj_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* o, A... a) -> R { return (*static_cast<F*>(o))(a...); }) {}
  R operator()(A... a) const { return call_(obj_, a...); }

 private:
  void* obj_;
  R (*call_)(void*, A...);
};

inline constexpr double kSharedFromNs = 15e3;

// Runs body(chunk) for every chunk in [0, chunks), the caller taking part; returns when all are done. Each thread gets
// a run of consecutive chunks: the same one each time, as far as the threads keep pace. cost_ns is the estimated time
// of all chunks together on one thread: a job shorter than `shared_from_ns`, and one shorter than the default while the
// workers sleep, runs inline, as it does when nested or when another thread holds the pool. A lower bound is for jobs
// whose cut leaves the data they share with their neighbours with one thread; else moving it costs more than is gained.
// Where a chunk throws, the others may or may not run; the first error is thrown again when all threads have left the
// job.
void parallel_chunks(int64_t chunks, double cost_ns, FunctionRef<void(int64_t)> body,
                     double shared_from_ns = kSharedFromNs);

// Cuts [0, n) into blocks of `grain` elements and runs body(begin, end) on each.
template <class F>
void parallel_for(int64_t n, int64_t grain, double cost_ns, F&& body) {
  if (n <= 0) return;
  const int64_t chunks = (n + grain - 1) / grain;
  auto run = [&](int64_t c) {
    const int64_t begin = c * grain;
    body(begin, begin + grain < n ? begin + grain : n);
  };
  if (chunks == 1) {
    run(0);
    return;
  }
  parallel_chunks(chunks, cost_ns, run);
}

}  // namespace tahr
