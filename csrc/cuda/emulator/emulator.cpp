// The emulated runtime: streams, memory, and the threads of a block as fibers. See cuda_runtime.h beside this file.
#include <cuda_runtime.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <unordered_map>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace tahr::emulator {
namespace {

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "[CUDA emulator] %s\n", what);
  std::abort();
}

size_t from_environment(const char* name, size_t otherwise) {
  const char* s = std::getenv(name);
  return s && *s ? std::strtoull(s, nullptr, 10) : otherwise;
}

// ---- checks -------------------------------------------------------------------------------------------------

// The kernels are compiled with checks of alignment and of the bounds of arrays, which call these.
struct SourcePlace {
  const char* file;
  uint32_t line, column;
};
[[noreturn]] void die_at(const void* data, const char* what) {
  const auto* at = static_cast<const SourcePlace*>(data);  // what the compiler hands over begins with it
  std::fprintf(stderr, "[CUDA emulator] %s:%u:%u: %s\n", at->file, at->line, at->column, what);
  std::abort();
}
extern "C" [[noreturn]] void __ubsan_handle_type_mismatch_v1_abort(const void* data, const void*) {
  die_at(data, "an access at an address that is not a multiple of its size: a GPU would report a misaligned address");
}
extern "C" [[noreturn]] void __ubsan_handle_out_of_bounds_abort(const void* data, const void*) {
  die_at(data, "an index beyond the end of an array");
}

// ---- adversarial orders -------------------------------------------------------------------------------------

// TAHR_EMULATED_ORDER: blocks, and a block's threads between two meetings, go in an order that this number picks, and
// some warps run ahead of others. What relies on the natural order, where a barrier is missing, then goes wrong.
size_t g_order = from_environment("TAHR_EMULATED_ORDER", 0);

struct Dice {
  uint64_t state;
  explicit Dice(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u) {}
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  uint64_t below(uint64_t n) { return next() % n; }
  void shuffle(std::vector<int>& v) {
    for (size_t i = v.size(); i > 1; --i) std::swap(v[i - 1], v[below(i)]);
  }
};
Dice g_dice(1);

// ---- fibers -------------------------------------------------------------------------------------------------

constexpr size_t kStack = size_t{128} << 10;

#if defined(__x86_64__)
struct Context {
  void* sp = nullptr;
};
extern "C" void tahr_emulator_switch(void** save, void* load);
asm(R"(
.text
.hidden tahr_emulator_switch
.globl tahr_emulator_switch
.type tahr_emulator_switch, @function
tahr_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tahr_emulator_switch, .-tahr_emulator_switch
)");
void change(Context& from, Context& to) { tahr_emulator_switch(&from.sp, to.sp); }
void prepare(Context& c, char* stack, void (*entry)()) {
  auto** sp = reinterpret_cast<void**>(stack + kStack - 64);
  *--sp = nullptr;  // where `entry`, which never returns, would return to: keeps the stack aligned as after a call
  *--sp = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--sp = nullptr;
  c.sp = sp;
}
#else
struct Context {
  ucontext_t u;
};
void change(Context& from, Context& to) { swapcontext(&from.u, &to.u); }
void prepare(Context& c, char* stack, void (*entry)()) {
  getcontext(&c.u);
  c.u.uc_stack.ss_sp = stack;
  c.u.uc_stack.ss_size = kStack;
  c.u.uc_link = nullptr;
  makecontext(&c.u, entry, 0);
}
#endif

enum class State : uint8_t { New, Running, AtBlock, AtWarp, Done };

struct Fiber {
  Context context;
  std::unique_ptr<char[]> stack{new char[kStack]};
  int thread = -1;  // that it runs
  bool fresh = true;
};

struct Warp {
  uint64_t given[32];
  unsigned mask[32];  // with which a lane gave it; 0: it has not
};

// The block that runs now.
struct Block {
  int threads = 0, next = 0;
  std::vector<int> order;  // in which threads begin; empty: by number
  const Work* body = nullptr;
  std::vector<State> state;
  std::vector<unsigned> mask;  // of a lane at a warp's barrier
  std::vector<Fiber*> fiber;   // of a waiting thread
  std::vector<Warp> warps;
  std::vector<std::unique_ptr<Fiber>> all;
  std::vector<Fiber*> idle;
  Fiber* running = nullptr;
  Context scheduler;
  char* shared = nullptr;  // dynamic shared memory; what follows it is closed
};
Block g_block;

constexpr size_t kMostShared = size_t{228} << 10;
char* shared_end() {
  static char* const end = [] {
    constexpr size_t page = 4096;
    void* at = mmap(nullptr, kMostShared + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(static_cast<char*>(at) + kMostShared, page, PROT_NONE) != 0)
      die("no memory for what a block shares");
    return static_cast<char*>(at) + kMostShared;
  }();
  return end;
}

void set_thread(int t) {
  const auto n = static_cast<unsigned>(t);
  threadIdx.x = n % blockDim.x;
  threadIdx.y = n / blockDim.x % blockDim.y;
  threadIdx.z = n / blockDim.x / blockDim.y;
}

// A fiber takes up threads that have not begun until there are none left.
void fiber_main() {
  for (;;) {
    Block& b = g_block;
    while (b.next < b.threads) {
      const int n = b.next++, t = b.order.empty() ? n : b.order[static_cast<size_t>(n)];
      b.running->thread = t;
      b.state[static_cast<size_t>(t)] = State::Running;
      set_thread(t);
      (*b.body)();
      b.state[static_cast<size_t>(b.running->thread)] = State::Done;
    }
    Fiber* self = b.running;
    b.idle.push_back(self);
    change(self->context, b.scheduler);
  }
}

void resume(Fiber* f) {
  g_block.running = f;
  if (f->thread >= 0) set_thread(f->thread);
  change(g_block.scheduler, f->context);
}

void wait(State s, unsigned mask) {
  Block& b = g_block;
  Fiber* self = b.running;
  const auto t = static_cast<size_t>(self->thread);
  b.state[t] = s;
  b.mask[t] = mask;
  b.fiber[t] = self;
  change(self->context, b.scheduler);
}

Fiber* idle_fiber() {
  Block& b = g_block;
  if (b.idle.empty()) {
    b.all.push_back(std::make_unique<Fiber>());
    Fiber* f = b.all.back().get();
    prepare(f->context, f->stack.get(), fiber_main);
    return f;
  }
  Fiber* f = b.idle.back();
  b.idle.pop_back();
  f->thread = -1;
  return f;
}

void run_block() {
  Block& b = g_block;
  const auto n = static_cast<size_t>(b.threads);
  b.next = 0;
  b.state.assign(n, State::New);
  b.mask.resize(n);
  b.fiber.resize(n);
  b.warps.assign((n + 31) / 32, Warp{});
  b.order.clear();
  if (g_order) {
    for (int t = 0; t < b.threads; ++t) b.order.push_back(t);
    g_dice.shuffle(b.order);
  }
  while (b.next < b.threads) resume(idle_fiber());
  for (;;) {
    std::vector<int> ready;
    bool left = false, all_at_block = true;
    for (size_t t = 0; t < n; ++t) {
      left |= b.state[t] != State::Done;
      all_at_block &= b.state[t] == State::Done || b.state[t] == State::AtBlock;
    }
    if (!left) return;
    for (size_t t = 0; t < n; ++t) {
      if (all_at_block && b.state[t] == State::AtBlock) ready.push_back(static_cast<int>(t));
      if (b.state[t] != State::AtWarp) continue;
      const size_t first = t / 32 * 32;
      bool complete = true;
      for (size_t i = 0; i < 32 && first + i < n; ++i) {
        const State s = b.state[first + i];
        if ((b.mask[t] >> i & 1) && s != State::AtWarp && s != State::Done) complete = false;
      }
      if (complete) ready.push_back(static_cast<int>(t));
    }
    if (g_order && !all_at_block && !ready.empty()) {  // only some of the warps go on now
      const uint64_t kept = g_dice.next();
      const int first = ready.front() / 32;
      std::erase_if(ready, [&](int t) { return t / 32 != first && !(kept >> t / 32 % 64 & 1); });
    }
    if (g_order) g_dice.shuffle(ready);
    if (ready.empty()) die("threads of a block wait for each other at different barriers: a GPU would hang");
    for (int t : ready) b.state[static_cast<size_t>(t)] = State::Running;
    for (int t : ready) resume(b.fiber[static_cast<size_t>(t)]);
  }
}

// ---- memory -------------------------------------------------------------------------------------------------

constexpr size_t kPage = 4096, kSpan = size_t{1} << 38;
constexpr size_t kPoisoned = size_t{1} << 20;  // of an allocation, from its beginning
constexpr int kGarbage = 0xcb;

struct Memory {
  char* base = nullptr;
  size_t end = 0;                // of what was ever handed out
  std::map<char*, size_t> live;  // address to bytes asked for
  std::multimap<size_t, char*> free;
  size_t used = 0;
  int open = 0;
};
Memory g_memory;
std::map<const char*, size_t> g_pinned;
size_t total_memory() {
  static const size_t bytes = from_environment("TAHR_EMULATED_MEMORY", size_t{4} << 30);
  return bytes;
}
int device_count() {
  static const int n = static_cast<int>(from_environment("TAHR_EMULATED_DEVICES", 1));
  return n;
}

size_t pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

void protect(char* p, size_t bytes, int how) {
  if (mprotect(p, pages(bytes ? bytes : 1), how) != 0) die("mprotect failed");
}
void protect(int how) {
  for (const auto& [p, bytes] : g_memory.live) protect(p, bytes, how);
}
struct Open {
  Open() {
    if (g_memory.open++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  ~Open() {
    if (--g_memory.open == 0) protect(PROT_NONE);
  }
};

bool is_device(const void* p) {
  const auto* c = static_cast<const char*>(p);
  return g_memory.base && c >= g_memory.base && c < g_memory.base + kSpan;
}
// Whether [p, p + bytes) lies within one live allocation.
bool inside(const void* p, size_t bytes) {
  const auto* c = static_cast<const char*>(p);
  auto it = g_memory.live.upper_bound(const_cast<char*>(c));
  if (it == g_memory.live.begin()) return false;
  --it;
  return c + bytes <= it->first + it->second;
}
bool pinned(const void* p) {
  const auto* c = static_cast<const char*>(p);
  auto it = g_pinned.upper_bound(c);
  if (it == g_pinned.begin()) return false;
  --it;
  return c < it->first + it->second;
}

std::recursive_mutex g_mutex;
using Lock = std::lock_guard<std::recursive_mutex>;
thread_local int g_device = 0;
thread_local cudaError_t g_error = cudaSuccess;
std::unordered_map<const void*, int> g_shared_limit;
Counts g_counts;

cudaError_t fail(cudaError_t e) {
  if (e != cudaSuccess) g_error = e;
  return e;
}

}  // namespace

// ---- streams ------------------------------------------------------------------------------------------------

struct GraphOf {
  std::vector<Work> work;
};
struct Stream {
  std::deque<Work> queue;
  std::unique_ptr<GraphOf> capture;
};
struct Event {
  Stream* stream = nullptr;
  uint64_t recorded = 0, reached = 0;  // records asked for, and how many of them the stream has come to
};

namespace {

std::vector<Stream*> g_streams;
constexpr size_t kLongest = 256;  // of a queue: beyond it the oldest work is done

void drain(Stream& s, const std::function<bool()>& until = {}) {
  if (s.queue.empty()) return;
  const Open open;
  while (!s.queue.empty() && !(until && until())) {
    const Work w = std::move(s.queue.front());
    s.queue.pop_front();
    w();
  }
}

cudaError_t give(Stream* s, Work w) {
  if (!s) die("work was given to the default stream, which this project does not use");
  if (s->capture) s->capture->work.push_back(std::move(w));
  else s->queue.push_back(std::move(w));
  if (s->queue.size() > kLongest) drain(*s);
  return cudaSuccess;
}

void drain_all() {
  for (Stream* s : g_streams) drain(*s);
}

}  // namespace

void set_order(uint64_t seed) {
  const Lock lock(g_mutex);
  g_order = seed;
}

Counts counts() {
  const Lock lock(g_mutex);
  return g_counts;
}

cudaError_t launch(const void* kernel, Work thread, dim3 grid, dim3 block, size_t shared_bytes, Stream* stream) {
  const Lock lock(g_mutex);
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  const auto limit = g_shared_limit.find(kernel);
  // Of the 48 KiB that a block has without more ado, static shared memory takes a part that is not known here.
  const size_t most_shared = limit == g_shared_limit.end() ? size_t{48 - 8} << 10 : static_cast<size_t>(limit->second);
  if (threads == 0 || threads > 1024 || block.z > 64 || blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 ||
      grid.z > 65535 || shared_bytes > most_shared)
    return fail(cudaErrorInvalidConfiguration);
  const uint64_t number = ++g_counts.launches;
  return give(stream, [=, body = std::move(thread)] {
    Block& b = g_block;
    blockDim = block;
    gridDim = grid;
    b.threads = static_cast<int>(threads);
    b.body = &body;
    b.shared = shared_end() - (shared_bytes + 15) / 16 * 16;
    uint64_t step = 1,
             first = 0;  // block number i is the (first + i step)-th; step has no factor in common with blocks
    if (g_order) {
      g_dice = Dice(g_order + number);
      first = g_dice.below(blocks);
      do step = g_dice.below(blocks) + 1;
      while (std::gcd(step, blocks) != 1);
    }
    for (uint64_t i = 0, at = first; i < blocks; ++i, at = (at + step) % blocks) {
      blockIdx.x = static_cast<unsigned>(at % grid.x);
      blockIdx.y = static_cast<unsigned>(at / grid.x % grid.y);
      blockIdx.z = static_cast<unsigned>(at / grid.x / grid.y);
      std::memset(b.shared, kGarbage, static_cast<size_t>(shared_end() - b.shared));
      run_block();
    }
  });
}

void wait_block() { wait(State::AtBlock, 0); }
void wait_warp(unsigned mask) { wait(State::AtWarp, mask); }
int lane() { return g_block.running->thread % 32; }
void* dynamic_shared() { return g_block.shared; }

namespace {
// Gives the others of the warp a value.
Warp& put(unsigned mask, uint64_t value) {
  const int t = g_block.running->thread;
  if (!(mask >> (t % 32) & 1)) die("a lane is not in the mask of its own shuffle or vote");
  Warp& w = g_block.warps[static_cast<size_t>(t / 32)];
  w.given[t % 32] = value;
  w.mask[t % 32] = mask;
  wait_warp(mask);
  return w;
}
}  // namespace

// Two meetings: all have written before anyone reads, and all have read before anyone writes again.
uint64_t exchange(unsigned mask, uint64_t value, int from) {
  const int t = g_block.running->thread;
  Warp& w = put(mask, value);
  const size_t source = static_cast<size_t>(t / 32 * 32 + from);
  if (from < 0 || from > 31 || !(mask >> from & 1) || source >= g_block.state.size() ||
      g_block.state[source] == State::Done || w.mask[from] != mask)
    die("a lane reads from one that does not take part in the shuffle");
  const uint64_t got = w.given[from];
  wait_warp(mask);
  return got;
}

unsigned vote(unsigned mask, bool value) {
  const int t = g_block.running->thread;
  const Warp& w = put(mask, value);
  unsigned all = 0;
  const size_t first = static_cast<size_t>(t / 32) * 32;
  for (size_t i = 0; i < 32 && first + i < g_block.state.size(); ++i) {
    if ((mask >> i & 1) && g_block.state[first + i] != State::Done && w.given[i]) all |= 1u << i;
  }
  wait_warp(mask);
  return all;
}

}  // namespace tahr::emulator

using namespace tahr::emulator;

const char* cudaGetErrorName(cudaError_t e) {
  switch (e) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
  }
  return "unknown error";
}
const char* cudaGetErrorString(cudaError_t e) { return cudaGetErrorName(e); }
cudaError_t cudaGetLastError() { return std::exchange(g_error, cudaSuccess); }
cudaError_t cudaDriverGetVersion(int* v) { return *v = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* v) { return *v = 13000, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* n) {
  *n = device_count();
  return *n ? cudaSuccess : fail(cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int d) {
  if (d < 0 || d >= device_count()) return fail(cudaErrorInvalidDevice);
  g_device = d;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* d) { return *d = g_device, cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  *p = {};
  std::snprintf(p->name, sizeof p->name, "emulated GPU");
  p->totalGlobalMem = total_memory();
  p->sharedMemPerBlock = size_t{48} << 10;
  p->sharedMemPerBlockOptin = size_t{227} << 10;
  p->major = 9, p->minor = 0;
  p->multiProcessorCount = 4;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->warpSize = 32;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  const Lock lock(g_mutex);
  drain_all();
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const Lock lock(g_mutex);
  *total = total_memory();
  *free = *total - g_memory.used;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** p, size_t bytes) {
  const Lock lock(g_mutex);
  Memory& m = g_memory;
  const size_t size = pages(bytes ? bytes : 1);
  if (m.used + size > total_memory()) return fail(cudaErrorMemoryAllocation);
  if (!m.base) {
    void* at = mmap(nullptr, kSpan, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) die("cannot reserve addresses for device memory");
    m.base = static_cast<char*>(at);
  }
  char* at = nullptr;
  if (const auto it = m.free.find(size); it != m.free.end()) {
    at = it->second;
    m.free.erase(it);
  } else {
    if (m.end + size + kPage > kSpan) return fail(cudaErrorMemoryAllocation);
    at = m.base + m.end;
    m.end += size + kPage;
  }
  protect(at, size, PROT_READ | PROT_WRITE);
  std::memset(at, kGarbage, std::min(size, kPoisoned));
  if (m.open == 0) protect(at, size, PROT_NONE);
  m.live[at] = bytes;
  m.used += size;
  ++g_counts.allocations;
  *p = at;
  return cudaSuccess;
}
cudaError_t cudaFree(void* p) {
  if (!p) return cudaSuccess;
  const Lock lock(g_mutex);
  drain_all();
  const auto it = g_memory.live.find(static_cast<char*>(p));
  if (it == g_memory.live.end()) return fail(cudaErrorInvalidValue);
  const size_t size = pages(it->second ? it->second : 1);
  g_memory.live.erase(it);
  g_memory.used -= size;
  madvise(p, size, MADV_DONTNEED);
  protect(static_cast<char*>(p), size, PROT_NONE);
  g_memory.free.emplace(size, static_cast<char*>(p));
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  const Lock lock(g_mutex);
  *p = std::aligned_alloc(kPage, pages(bytes ? bytes : 1));
  if (!*p) return fail(cudaErrorMemoryAllocation);
  g_pinned[static_cast<char*>(*p)] = pages(bytes ? bytes : 1);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* p) {
  const Lock lock(g_mutex);
  drain_all();
  g_pinned.erase(static_cast<char*>(p));
  std::free(p);
  return cudaSuccess;
}

// As a GPU's driver does: memory that is not pinned is read before the call returns, and written before it does.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const Lock lock(g_mutex);
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (is_device(to) != to_device || is_device(from) != from_device) return fail(cudaErrorInvalidValue);
  if ((to_device && !inside(to, bytes)) || (from_device && !inside(from, bytes))) return fail(cudaErrorInvalidValue);
  ++g_counts.copies;
  if (kind == cudaMemcpyHostToDevice && !pinned(from) && !stream->capture) {
    auto kept =
        std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    return give(stream, [=] { std::memcpy(to, kept->data(), bytes); });
  }
  const cudaError_t e = give(stream, [=] { std::memmove(to, from, bytes); });
  if (kind == cudaMemcpyDeviceToHost && !pinned(to) && !stream->capture) drain(*stream);
  return e;
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  const Lock lock(g_mutex);
  if (!is_device(p) || !inside(p, bytes)) return fail(cudaErrorInvalidValue);
  return give(stream, [=] { std::memset(p, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  const Lock lock(g_mutex);
  *s = new Stream;
  g_streams.push_back(*s);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  const Lock lock(g_mutex);
  drain(*s);
  std::erase(g_streams, s);
  delete s;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  const Lock lock(g_mutex);
  if (s->capture) return fail(cudaErrorStreamCaptureUnsupported);
  ++g_counts.synchronisations;
  drain(*s);
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) { return *e = new Event, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  const Lock lock(g_mutex);
  if (e->stream) drain(*e->stream, [=] { return e->reached >= e->recorded; });
  delete e;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  const Lock lock(g_mutex);
  e->stream = s;
  const uint64_t mine = ++e->recorded;
  return give(s, [=] { e->reached = mine; });
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  const Lock lock(g_mutex);
  if (e->stream) drain(*e->stream, [=] { return e->reached >= e->recorded; });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  const Lock lock(g_mutex);
  return e->reached >= e->recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  const Lock lock(g_mutex);
  const uint64_t until = e->recorded;
  return give(s, [=] {
    if (e->stream) drain(*e->stream, [=] { return e->reached >= until; });
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  const Lock lock(g_mutex);
  if (s->capture) return fail(cudaErrorStreamCaptureUnsupported);
  s->capture = std::make_unique<GraphOf>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* g) {
  const Lock lock(g_mutex);
  if (!s->capture) return fail(cudaErrorInvalidValue);
  *g = s->capture.release();
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  const Lock lock(g_mutex);
  *status = s->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t g, void**, size_t* n) { return *n = g->work.size(), cudaSuccess; }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
  return *e = new GraphOf(*g), cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s) {
  const Lock lock(g_mutex);
  for (const Work& w : e->work) give(s, w);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) { return delete g, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) { return delete e, cudaSuccess; }
cudaError_t cudaFuncGetName(const char** name, const void*) { return *name = "emulated", cudaSuccess; }
cudaError_t cudaFuncSetAttributeImpl(const void* kernel, cudaFuncAttribute attribute, int value) {
  const Lock lock(g_mutex);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value > (227 << 10))
    return fail(cudaErrorInvalidValue);
  g_shared_limit[kernel] = value;
  return cudaSuccess;
}
