// The emulated CUDA runtime: streams that wait, fibers that meet, launches that a GPU would refuse, memory that is
// shut.
#include <cuda_runtime.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <numeric>
#include <vector>

#include "check.h"

#define EXPECT(condition) CHECK(condition, "%s", "")

namespace {

template <class... P, class... A>
cudaError_t launch(cudaStream_t s, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, A... args) {
  const std::tuple<P...> parameters{static_cast<P>(args)...};
  return tahr::emulator::launch(
      reinterpret_cast<const void*>(kernel), [=] { std::apply(kernel, parameters); }, grid, block, shared, s);
}

// Each block sums its part by halving, through shared memory and barriers.
void block_sum(const int* x, int n, int* sums) {
  static int part[256];
  const unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  part[t] = static_cast<int>(i) < n ? x[i] : 0;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  if (t == 0) sums[blockIdx.x] = part[0];
}

// Lane sums by shuffles; votes; a second exchange right behind the first.
void warp_things(int* sums, unsigned* votes, int* left) {
  const int t = static_cast<int>(threadIdx.x);
  int v = t;
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(0xffffffffu, v, d);
  sums[t] = v;
  votes[t] = __ballot_sync(0xffffffffu, t % 3 == 0);
  left[t] = __shfl_up_sync(0xffffffffu, t, 1);
}

void early_exit(int* out) {
  if (threadIdx.x % 2) return;
  __syncthreads();
  atomicAdd(out, 1);
}

void set_index(int* out) {
  const unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned b = blockIdx.x + gridDim.x * blockIdx.y;
  out[b * blockDim.x * blockDim.y * blockDim.z + t] = static_cast<int>(b * 1000 + t);
}

// Each thread reads what its neighbours wrote: without the barrier in between, if `wrong`.
void neighbours(int* out, bool wrong, bool upwards) {
  static int part[64];
  const int t = static_cast<int>(threadIdx.x), n = static_cast<int>(blockDim.x);
  part[t] = 0;
  __syncthreads();
  part[t] = t + 1;
  if (!wrong) __syncthreads();
  out[t] = part[upwards ? (t + 1) % n : (t + n - 1) % n];
}
void neighbour_lanes(int* out, bool wrong) {
  static int part[32];
  const int t = static_cast<int>(threadIdx.x);
  part[t] = 0;
  __syncwarp();
  part[t] = t + 1;
  if (!wrong) __syncwarp();
  out[t] = part[t ^ 1];
}
// Block 0 makes what the others read.
void other_blocks(int* out) {
  if (blockIdx.x == 0) out[0] = 1;
  else out[blockIdx.x] = out[0];
}

struct alignas(16) Four {
  int v[4];
};
void load_four(const int* x, int* out, int at) { out[0] = reinterpret_cast<const Four*>(x + at)->v[0]; }
void beyond_array(int* out, int at) {
  static int part[8];
  part[at] = 1;
  out[0] = part[0];
}
void beyond_shared(int* out, int at) {
  int* part = static_cast<int*>(tahr::emulator::dynamic_shared());
  part[at] = 1;
  out[0] = part[0];
}
void absent_lane(int* out, int mask) {
  if (threadIdx.x < 8) out[threadIdx.x] = __shfl_sync(static_cast<unsigned>(mask), 1, 9);
}

template <class T>
T* device_array(size_t n) {
  void* p = nullptr;
  EXPECT(cudaMalloc(&p, n * sizeof(T)) == cudaSuccess);
  return static_cast<T*>(p);
}
template <class T>
std::vector<T> host_array(const T* p, size_t n, cudaStream_t s) {
  std::vector<T> v(n);
  EXPECT(cudaMemcpyAsync(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost, s) == cudaSuccess);
  EXPECT(cudaStreamSynchronize(s) == cudaSuccess);
  return v;
}

void test_blocks(cudaStream_t s) {
  const int n = 1000;
  std::vector<int> x(n);
  std::iota(x.begin(), x.end(), 0);
  int* dx = device_array<int>(n);
  int* sums = device_array<int>(4);
  EXPECT(cudaMemcpyAsync(dx, x.data(), n * sizeof(int), cudaMemcpyHostToDevice, s) == cudaSuccess);
  std::fill(x.begin(), x.end(), -1);  // memory that is not pinned was read by now
  EXPECT(launch(s, block_sum, 4, 256, 0, dx, n, sums) == cudaSuccess);
  const auto got = host_array(sums, 4, s);
  EXPECT(std::accumulate(got.begin(), got.end(), 0) == n * (n - 1) / 2);
  EXPECT(got[0] == 255 * 256 / 2);
  EXPECT(cudaFree(dx) == cudaSuccess && cudaFree(sums) == cudaSuccess);
  EXPECT(cudaFree(sums) == cudaErrorInvalidValue);
}

void test_warps(cudaStream_t s) {
  int *sums = device_array<int>(32), *left = device_array<int>(32);
  unsigned* votes = device_array<unsigned>(32);
  EXPECT(launch(s, warp_things, 1, 32, 0, sums, votes, left) == cudaSuccess);
  unsigned expected = 0;
  for (int t = 0; t < 32; t += 3) expected |= 1u << t;
  const auto a = host_array(sums, 32, s);
  const auto b = host_array(votes, 32, s);
  const auto c = host_array(left, 32, s);
  for (size_t t = 0; t < 32; ++t) {
    EXPECT(a[t] == 31 * 32 / 2);
    EXPECT(b[t] == expected);
    EXPECT(c[t] == static_cast<int>(t ? t - 1 : 0));
  }
}

// What is right is so in every order; what lacks a barrier is wrong in some.
void test_orders(cudaStream_t s) {
  int* out = device_array<int>(64);
  const auto survives = [&](auto&& run, auto&& expected) {
    bool right = true;
    for (uint64_t seed = 0; seed < 8; ++seed) {
      tahr::emulator::set_order(seed);
      EXPECT(cudaMemsetAsync(out, 0, 64 * sizeof(int), s) == cudaSuccess);
      EXPECT(run() == cudaSuccess);
      const auto v = host_array(out, 64, s);
      for (int t = 0; t < 64; ++t) right &= v[static_cast<size_t>(t)] == expected(t);
    }
    tahr::emulator::set_order(0);
    return right;
  };
  for (const bool upwards : {false, true}) {
    const auto expected = [=](int t) { return upwards ? (t + 1) % 64 + 1 : (t + 63) % 64 + 1; };
    EXPECT(survives([&] { return launch(s, neighbours, 3, 64, 0, out, false, upwards); }, expected));
    EXPECT(!survives([&] { return launch(s, neighbours, 3, 64, 0, out, true, upwards); }, expected));
  }
  const auto lanes = [](int t) { return t < 32 ? (t ^ 1) + 1 : 0; };
  EXPECT(survives([&] { return launch(s, neighbour_lanes, 1, 32, 0, out, false); }, lanes));
  EXPECT(!survives([&] { return launch(s, neighbour_lanes, 1, 32, 0, out, true); }, lanes));
  EXPECT(!survives([&] { return launch(s, other_blocks, 64, 1, 0, out); }, [](int) { return 1; }));
  for (uint64_t seed = 1; seed < 4; ++seed) {
    tahr::emulator::set_order(seed);
    test_blocks(s);
    test_warps(s);
  }
  tahr::emulator::set_order(0);
  EXPECT(cudaFree(out) == cudaSuccess);
}

// Whether a process that runs it ends by a signal.
template <class F>
bool dies(F&& run) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    run();
    _exit(0);
  }
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status);
}

void test_bad_accesses(cudaStream_t s) {
  int *x = device_array<int>(64), *out = device_array<int>(64);
  const auto with = [&](auto kernel, unsigned shared, auto... args) {
    return dies([&] {
      launch(s, kernel, 1, 32, shared, args...);
      cudaStreamSynchronize(s);
    });
  };
  EXPECT(!with(load_four, 0, x, out, 4));
  EXPECT(with(load_four, 0, x, out, 2));
  EXPECT(!with(beyond_array, 0, out, 7));
  EXPECT(with(beyond_array, 0, out, 8));
  EXPECT(!with(beyond_shared, 64, out, 15));
  EXPECT(with(beyond_shared, 64, out, 16));
  EXPECT(with(absent_lane, 0, out, 0xff));   // lane 9 is not named
  EXPECT(with(absent_lane, 0, out, 0x3ff));  // it is named, but has gone
  EXPECT(cudaFree(x) == cudaSuccess && cudaFree(out) == cudaSuccess);
}

void test_threads(cudaStream_t s) {
  int* out = device_array<int>(2 * 3 * 24);
  EXPECT(launch(s, set_index, dim3(2, 3), dim3(2, 3, 4), 0, out) == cudaSuccess);
  const auto v = host_array(out, 2 * 3 * 24, s);
  for (size_t i = 0; i < v.size(); ++i) EXPECT(v[i] == static_cast<int>(i / 24 * 1000 + i % 24));
  int* count = device_array<int>(1);
  EXPECT(cudaMemsetAsync(count, 0, sizeof(int), s) == cudaSuccess);
  EXPECT(launch(s, early_exit, 1, 64, 0, count) == cudaSuccess);
  EXPECT(host_array(count, 1, s)[0] == 32);
}

void test_limits(cudaStream_t s) {
  int* out = device_array<int>(1);
  EXPECT(launch(s, early_exit, 1, 2048, 0, out) == cudaErrorInvalidConfiguration);
  EXPECT(launch(s, early_exit, 0, 32, 0, out) == cudaErrorInvalidConfiguration);
  EXPECT(launch(s, early_exit, dim3(1, 70000), 32, 0, out) == cudaErrorInvalidConfiguration);
  EXPECT(launch(s, early_exit, 1, 32, 64 << 10, out) == cudaErrorInvalidConfiguration);
  EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
  EXPECT(cudaGetLastError() == cudaSuccess);
  void* p = nullptr;
  EXPECT(cudaMalloc(&p, size_t{1} << 50) == cudaErrorMemoryAllocation);
  char beyond[8];
  EXPECT(cudaMemcpyAsync(beyond, out, 8, cudaMemcpyDeviceToHost, s) == cudaErrorInvalidValue);
  cudaGetLastError();
}

// Work waits in its stream; an event orders two of them; a captured graph runs when it is launched.
void test_order() {
  cudaStream_t a, b;
  cudaEvent_t e;
  EXPECT(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking) == cudaSuccess);
  EXPECT(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking) == cudaSuccess);
  EXPECT(cudaEventCreateWithFlags(&e, cudaEventDisableTiming) == cudaSuccess);
  int *x = device_array<int>(1), *pinned = nullptr;
  EXPECT(cudaHostAlloc(reinterpret_cast<void**>(&pinned), sizeof(int), cudaHostAllocDefault) == cudaSuccess);
  *pinned = 7;
  EXPECT(cudaMemsetAsync(x, 0, sizeof(int), a) == cudaSuccess);
  EXPECT(cudaEventRecord(e, a) == cudaSuccess);
  EXPECT(cudaEventQuery(e) == cudaErrorNotReady);
  EXPECT(cudaStreamWaitEvent(b, e, 0) == cudaSuccess);
  EXPECT(cudaMemcpyAsync(pinned, x, sizeof(int), cudaMemcpyDeviceToHost, b) == cudaSuccess);
  EXPECT(*pinned == 7);  // not yet
  EXPECT(cudaStreamSynchronize(b) == cudaSuccess);
  EXPECT(*pinned == 0);
  EXPECT(cudaEventQuery(e) == cudaSuccess);

  cudaGraph_t g;
  cudaGraphExec_t run;
  EXPECT(cudaStreamBeginCapture(a, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  EXPECT(launch(a, early_exit, 1, 2, 0, x) == cudaSuccess);
  EXPECT(cudaStreamSynchronize(a) == cudaErrorStreamCaptureUnsupported);
  EXPECT(cudaStreamEndCapture(a, &g) == cudaSuccess);
  EXPECT(cudaGraphInstantiate(&run, g, 0) == cudaSuccess);
  for (int i = 0; i < 3; ++i) EXPECT(cudaGraphLaunch(run, a) == cudaSuccess);
  EXPECT(host_array(x, 1, a)[0] == 3);
  EXPECT(cudaGraphExecDestroy(run) == cudaSuccess && cudaGraphDestroy(g) == cudaSuccess);
  EXPECT(cudaFreeHost(pinned) == cudaSuccess);
}

sigjmp_buf out_of_trap;
void trap(int) { siglongjmp(out_of_trap, 1); }

void test_shut_memory() {
  volatile int* p = device_array<int>(1);
  const auto before = signal(SIGSEGV, trap);
  bool crashed = false;
  if (sigsetjmp(out_of_trap, 1)) crashed = true;
  else (void)*p;
  signal(SIGSEGV, before);
  EXPECT(crashed);
}

}  // namespace

int main() {
  cudaStream_t s;
  EXPECT(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking) == cudaSuccess);
  test_blocks(s);
  test_warps(s);
  test_orders(s);
  test_bad_accesses(s);
  test_threads(s);
  test_limits(s);
  test_order();
  test_shut_memory();
  return tahr::test::check_report();
}
