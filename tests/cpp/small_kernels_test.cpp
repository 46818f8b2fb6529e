// Kernels of small training steps allocate nothing: neither from the system nor from the tensors' allocator.
#include <cstdlib>
#include <new>

#include "../../bench/cpp/kernel_cases.h"
#include "check.h"
#include "core/allocator.h"
#include "core/parallel.h"

namespace {
long g_news = 0;
}

// Not inlined, so that compilers do not take malloc and delete for a mismatched pair.
__attribute__((noinline)) void* operator new(size_t n) {
  ++g_news;
  if (void* p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace {

using namespace tahr;

// What was asked for while the kernel ran: calls of operator new, bytes of the tensors' allocator.
struct Asked {
  long news;
  size_t bytes;
};
Asked asked_by(const KernelCase& c) {
  c.run();  // the first call of all may choose an instruction set
  reset_peak_memory();
  const size_t live = memory_stats().live_bytes;
  const long news = g_news;
  c.run();
  return {g_news - news, memory_stats().peak_bytes - live};
}

void check_nothing(const KernelCase& c) {
  const Asked a = asked_by(c);
  CHECK(a.news == 0 && a.bytes == 0, "%s, %ld calls of new, %zu bytes", c.name.c_str(), a.news, a.bytes);
}

}  // namespace

int main() {
  init_op_table();
  set_num_threads(2);
  for (const auto& [m, n] : {std::pair<int64_t, int64_t>{32, 30}, {1, 1}, {17, 10}, {32, 300}, {256, 30}, {256, 300}}) {
    for (const KernelCase& c : step_kernels(m, n)) check_nothing(c);
  }
  for (const auto& units : {std::vector<int64_t>{8, 30, 1}, {8, 30, 30, 1}, {64, 100, 10}, {784, 300, 100, 10}}) {
    for (const KernelCase& c : update_kernels(units)) check_nothing(c);
  }
  // The counters count: a sort works on copies.
  const Asked sort = asked_by(kernel_case("sort", "sort", {numbers({20'000})}));
  CHECK(sort.news > 0 || sort.bytes > 0, "sort");
  return tahr::test::check_report();
}
