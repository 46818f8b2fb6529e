// The subset of the CUDA runtime that csrc/cuda uses, on the CPU: so that its code is compiled by the host's compiler
// and tested where there is no GPU. It stands in for NVIDIA's header of the same name. It is for tests only.
//
// - A block runs after the other. Its threads run one after the other, too, until one waits for others
//   (__syncthreads, __syncwarp, shuffles, votes): then each goes on as a fiber of its own.
// - With TAHR_EMULATED_ORDER=1, 2, ... blocks and threads go in other orders than by number, a different one for each
//   number: where a barrier is missing, results change.
// - Shuffles from lanes that do not take part end the process; with -DTAHR_CUDA_EMULATED_CHECKS=ON vector accesses that
//   are not aligned and indices beyond arrays do, too.
// - Work given to a stream waits there, as on a GPU, until something synchronises: what is missing shows.
// - Device memory is memory apart, filled with garbage, and closed to reads and writes outside of kernels and copies:
//   host code that touches it crashes where it does so. There are gaps between allocations.
// - Launches beyond a GPU's limits fail as they would there. Floating point is the host's.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

#define TAHR_CUDA_EMULATED 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __constant__ static
#define __launch_bounds__(...)
#define __grid_constant__

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
inline constexpr int warpSize = 32;

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
  cudaErrorStreamCaptureUnsupported = 900,
};
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
inline constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocDefault = 0;

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin;
  int major, minor, multiProcessorCount, maxThreadsPerBlock, maxThreadsPerMultiProcessor, warpSize;
  int pageableMemoryAccess;
};

namespace tahr::emulator {
struct Stream;
struct Event;
struct GraphOf;
using Work = std::function<void()>;

cudaError_t launch(const void* kernel, Work thread, dim3 grid, dim3 block, size_t shared_bytes, Stream* stream);
void wait_block();
void wait_warp(unsigned mask);
// Gives every lane of the warp a value; what lane `from` gave, if it takes part.
uint64_t exchange(unsigned mask, uint64_t value, int from);
unsigned vote(unsigned mask, bool value);
void* dynamic_shared();
int lane();

template <class T>
uint64_t to_bits(T v) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  return bits;
}
template <class T>
T from_bits(uint64_t bits) {
  T v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
// How often something happened since the process began.
struct Counts {
  uint64_t launches, copies, synchronisations, allocations;
};
Counts counts();
// The order of blocks and threads from now on; 0: by number. TAHR_EMULATED_ORDER sets the first.
void set_order(uint64_t seed);
}  // namespace tahr::emulator

using cudaStream_t = tahr::emulator::Stream*;
using cudaEvent_t = tahr::emulator::Event*;
using cudaGraph_t = tahr::emulator::GraphOf*;
using cudaGraphExec_t = tahr::emulator::GraphOf*;

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

const char* cudaGetErrorString(cudaError_t e);
const char* cudaGetErrorName(cudaError_t e);
cudaError_t cudaGetLastError();
cudaError_t cudaDriverGetVersion(int* v);
cudaError_t cudaRuntimeGetVersion(int* v);
cudaError_t cudaGetDeviceCount(int* n);
cudaError_t cudaSetDevice(int d);
cudaError_t cudaGetDevice(int* d);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int d);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaMalloc(void** p, size_t bytes);
cudaError_t cudaFree(void* p);
cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* p);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaEventQuery(cudaEvent_t e);
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* g);
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status);
cudaError_t cudaGraphGetNodes(cudaGraph_t g, void** nodes, size_t* n);  // the number only
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t g);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e);
cudaError_t cudaFuncGetName(const char** name, const void* kernel);
cudaError_t cudaFuncSetAttributeImpl(const void* kernel, cudaFuncAttribute attribute, int value);
template <class K>
cudaError_t cudaFuncSetAttribute(K* kernel, cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttributeImpl(reinterpret_cast<const void*>(kernel), attribute, value);
}

inline void __syncthreads() { tahr::emulator::wait_block(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { tahr::emulator::wait_warp(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}

// Where the source lane is outside of the segment of `width` lanes, a lane gets its own value.
template <class T>
T __shfl_sync(unsigned mask, T v, int from, int width = 32) {
  const int lane = tahr::emulator::lane(), base = lane / width * width;
  return tahr::emulator::from_bits<T>(
      tahr::emulator::exchange(mask, tahr::emulator::to_bits(v), base + (from & (width - 1))));
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32) {
  const int lane = tahr::emulator::lane(), from = lane + static_cast<int>(delta);
  return tahr::emulator::from_bits<T>(
      tahr::emulator::exchange(mask, tahr::emulator::to_bits(v), from / width == lane / width ? from : lane));
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32) {
  const int lane = tahr::emulator::lane(), from = lane - static_cast<int>(delta);
  return tahr::emulator::from_bits<T>(
      tahr::emulator::exchange(mask, tahr::emulator::to_bits(v), from >= lane / width * width ? from : lane));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int lanes, int width = 32) {
  const int lane = tahr::emulator::lane(), from = lane ^ lanes;
  return tahr::emulator::from_bits<T>(
      tahr::emulator::exchange(mask, tahr::emulator::to_bits(v), from / width <= lane / width ? from : lane));
}
inline unsigned __ballot_sync(unsigned mask, int p) { return tahr::emulator::vote(mask, p != 0); }
inline int __any_sync(unsigned mask, int p) { return tahr::emulator::vote(mask, p != 0) != 0; }
inline int __all_sync(unsigned mask, int p) { return tahr::emulator::vote(mask, p == 0) == 0; }

// One thread of the host runs a kernel: plain operations are atomic.
template <class T, class V>
T atomicAdd(T* p, V v) {
  const T old = *p;
  *p = static_cast<T>(old + static_cast<T>(v));
  return old;
}
template <class T, class V>
T atomicMax(T* p, V v) {
  const T old = *p;
  if (static_cast<T>(v) > old) *p = static_cast<T>(v);
  return old;
}
template <class T, class V>
T atomicMin(T* p, V v) {
  const T old = *p;
  if (static_cast<T>(v) < old) *p = static_cast<T>(v);
  return old;
}
template <class T, class V>
T atomicOr(T* p, V v) {
  const T old = *p;
  *p = static_cast<T>(old | static_cast<T>(v));
  return old;
}
template <class T, class V>
T atomicExch(T* p, V v) {
  const T old = *p;
  *p = static_cast<T>(v);
  return old;
}
template <class T, class C, class V>
T atomicCAS(T* p, C compare, V v) {
  const T old = *p;
  if (old == static_cast<T>(compare)) *p = static_cast<T>(v);
  return old;
}

// Rounded one by one: the emulated kernels are compiled without contraction.
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(uint64_t{a} * b >> 32); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __clz(int v) { return v == 0 ? 32 : __builtin_clz(static_cast<unsigned>(v)); }
template <class T>
T __ldg(const T* p) {
  return *p;
}
