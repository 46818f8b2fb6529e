// The CUDA runtime, NVIDIA's or the emulated one (emulator/), and the one way to launch a kernel.
//
// Everything in csrc/cuda is compiled twice: by nvcc into `_cuda.so`, and by the host's compiler, with the emulator,
// into `_cuda_emulated.so`, which only tests use. So: kernels are launched by `launch`, not by <<<>>>; dynamic shared
// memory is declared by TAHR_DYNAMIC_SHARED; a device function or intrinsic that the emulator lacks is added to
// emulator/cuda_runtime.h; CUB, inline PTX and tensor-core intrinsics stay behind `#ifndef TAHR_CUDA_EMULATED` with
// plain code beside them.
#pragma once

#include <tuple>

#include "core/error.h"
#include "core/tensor.h"
#include "cuda/device_code.h"
#include "ops/op.h"

#if defined(TAHR_CUDA_EMULATED)
#define TAHR_DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(::tahr::emulator::dynamic_shared())
#else
#define TAHR_DYNAMIC_SHARED(T, name)                           \
  extern __shared__ __align__(16) unsigned char tahr_shared[]; \
  T* name = reinterpret_cast<T*>(tahr_shared)
#endif

namespace tahr::cuda {

[[noreturn]] void throw_cuda(cudaError_t e, const char* what);
inline void check(cudaError_t e, const char* what) {
  if (e != cudaSuccess) throw_cuda(e, what);
}

int device();           // that the calling thread's kernel runs on
cudaStream_t stream();  // its one stream; while the thread's work is recorded (queue.h), the recording's
const cudaDeviceProp& properties();

// What is said of a launch that failed. TAHR_CUDA_SYNC=1 waits after each one, so that an error names its kernel.
extern bool g_synchronous;
void check_launch(cudaError_t e, const void* kernel, dim3 grid, dim3 block, size_t shared_bytes);

// Runs kernel(args...) on the current device's stream. Arguments are converted to the kernel's parameters.
template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, A&&... args) {
  std::tuple<P...> parameters{static_cast<P>(args)...};
#if defined(TAHR_CUDA_EMULATED)
  const cudaError_t e = emulator::launch(
      reinterpret_cast<const void*>(kernel), [kernel, parameters] { std::apply(kernel, parameters); }, grid, block,
      shared_bytes, stream());
#else
  const cudaError_t e = std::apply(
      [&](auto&... parameter) {
        void* pointers[] = {const_cast<void*>(static_cast<const void*>(&parameter))...};
        return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared_bytes, stream());
      },
      parameters);
#endif
  if (e != cudaSuccess || g_synchronous) [[unlikely]]
    check_launch(e, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes);
}

inline constexpr int kBlock = 256;  // threads, where nothing else decides
// Blocks for n items, `per_thread` of them each: at most what keeps the device busy; kernels loop over the rest
// (`grid_index`, `grid_size`).
dim3 grid_for(int64_t n, int per_thread = 1, int block = kBlock);

void remember_op(KernelFn kernel, const char* op);  // for errors

#if defined(__CUDACC__) || defined(TAHR_CUDA_EMULATED)
// for (int64_t i = grid_index(); i < n; i += grid_size())
__device__ __forceinline__ int64_t grid_index() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int64_t grid_size() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }
#endif

// Memory on the current device that a kernel needs while it runs; given back, in stream order, when this goes.
class Scratch {
 public:
  explicit Scratch(size_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_;
  size_t bytes_;
};

// Host bytes to the current device's memory, through pinned memory: `from` may be changed at once.
void upload(void* to, const void* from, size_t bytes);

// Registers a kernel for the op of that name, which outlives it.
void define(const char* op, KernelFn kernel, PrepareFn prepare = nullptr);
// The op's kernel takes inputs of a single element that lie on the host: Python numbers, which travel with the launch.
void take_host_scalars(const char* op);

// Families of kernels: each defines its own, once, when the library is opened. The list is families.h.
#define TAHR_FAMILY(name) void register_##name();
#include "cuda/families.h"
#undef TAHR_FAMILY

}  // namespace tahr::cuda
