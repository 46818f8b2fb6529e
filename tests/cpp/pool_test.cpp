// The thread pool: every chunk once at any number of threads, nesting, several callers, and use after fork.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "check.h"
#include "core/error.h"
#include "core/parallel.h"

namespace {

constexpr double kMuch = 1e9;  // a cost that asks for threads

// Adds up 0 .. n-1 in parallel, each chunk having its own place.
int64_t sum_to(int64_t n, int64_t grain) {
  std::vector<int64_t> part((n + grain - 1) / grain);
  tahr::parallel_for(n, grain, kMuch, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) part[begin / grain] += i;
  });
  int64_t sum = 0;
  for (int64_t p : part) sum += p;
  return sum;
}

void every_chunk_once() {
  for (int threads : {1, 2, 3, 7}) {
    tahr::set_num_threads(threads);
    CHECK(tahr::num_threads() == threads, "%d threads", threads);
    for (int64_t chunks : {0, 1, 2, 3, 5, 8, 64, 1000}) {
      for (int round = 0; round < 50; ++round) {
        std::vector<std::atomic<int>> runs(chunks);
        tahr::parallel_for(chunks, 1, kMuch, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) runs[i]++;
        });
        for (int64_t i = 0; i < chunks; ++i) {
          CHECK(runs[i] == 1, "%d threads, chunk %ld of %ld ran %d times", threads, i, chunks, runs[i].load());
        }
      }
    }
  }
}

void errors_reach_the_caller() {
  for (int threads : {1, 2, 4}) {
    tahr::set_num_threads(threads);
    for (int round = 0; round < 200; ++round) {
      std::atomic<int> inside{0};
      bool caught = false;
      try {
        std::vector<int64_t> here(64);  // gone as soon as the error leaves: no thread may be in the body by then
        tahr::parallel_for(64, 1, kMuch, [&](int64_t begin, int64_t) {
          inside++;
          here[begin] = begin;
          if (begin % 7 == round % 7) throw std::bad_alloc();
          here[begin]++;
          inside--;
        });
      } catch (const std::bad_alloc&) { caught = true; }
      CHECK(caught, "%d threads, round %d", threads, round);
      CHECK(sum_to(1000, 10) == 499500, "the pool works on after an error");
    }
  }
  // From a thread of the pool while the caller works, and the other way round.
  tahr::set_num_threads(2);
  const auto caller = std::this_thread::get_id();
  for (const bool by_caller : {false, true}) {
    bool met = false;
    for (int tries = 0; tries < 100 && !met; ++tries) {
      std::atomic<int> inside{0};
      auto body = [&](int64_t) {
        inside++;
        for (int i = 0; i < 20000 && inside < 2; ++i) std::this_thread::yield();
        if ((std::this_thread::get_id() == caller) == by_caller) throw std::bad_alloc();
      };
      try {
        tahr::parallel_chunks(2, kMuch, body);
      } catch (const std::bad_alloc&) { met = inside == 2; }
    }
    CHECK(met, "an error of the %s", by_caller ? "caller" : "pool");
  }
}

void work_is_shared() {
  tahr::set_num_threads(2);
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  auto body = [&](int64_t) {  // each of the two chunks waits for the other
    inside++;
    for (int i = 0; i < 20000 && inside < 2; ++i) std::this_thread::yield();
    if (inside == 2) met = true;
  };
  for (int tries = 0; tries < 100 && !met; ++tries) {
    inside = 0;
    tahr::parallel_chunks(2, kMuch, body);
  }
  CHECK(met, "two chunks never ran at the same time");
}

void nested_runs_inline() {
  for (int threads : {1, 2, 3, 7}) {
    tahr::set_num_threads(threads);
    std::atomic<int64_t> total{0};
    tahr::parallel_for(20, 1, kMuch, [&](int64_t, int64_t) { total += sum_to(100, 7); });
    CHECK(total == 20 * 4950, "%d threads: %ld", threads, total.load());
  }
}

void callers_do_not_disturb_each_other() {
  tahr::set_num_threads(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 300; ++i) wrong += sum_to(1000, 11) != 499500;
    });
  }
  for (std::thread& t : callers) t.join();
  CHECK(wrong == 0, "%d wrong sums", wrong.load());
}

void fork_then_use() {
  for (int threads : {1, 2, 7}) {
    tahr::set_num_threads(threads);
    CHECK(sum_to(1000, 10) == 499500, "before the fork, %d threads", threads);
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      _exit(sum_to(1000, 10) == 499500 && sum_to(77, 1) == 2926 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0, "%d threads: the child ended with status %d", threads, status);
    CHECK(sum_to(1000, 10) == 499500, "after the fork, %d threads", threads);
  }
}

void refuses_no_threads() {
  bool thrown = false;
  try {
    tahr::set_num_threads(0);
  } catch (const tahr::Error& e) { thrown = e.kind() == tahr::ErrorKind::Value; }
  CHECK(thrown, "set_num_threads(0)");
}

}  // namespace

int main() {
  every_chunk_once();
  errors_reach_the_caller();
  work_is_shared();
  nested_runs_inline();
  callers_do_not_disturb_each_other();
  fork_then_use();
  refuses_no_threads();
  return tahr::test::check_report();
}
