// The library's one exported function, and what it gives the core: devices, memory, copies, calls of kernels,
// recordings.
#include <cxxabi.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cuda/allocator.h"
#include "cuda/fault.h"
#include "cuda/host_api.h"
#include "cuda/queue.h"
#include "cuda/rnn_cudnn.h"
#include "cuda/runtime.h"
#include "cuda/staging.h"

namespace tahr::cuda {
namespace {

#if defined(TAHR_CUDA_OLDEST)
constexpr int kOldest = TAHR_CUDA_OLDEST;  // compute capability, times 10, that there is machine code for
#else
constexpr int kOldest = 80;
#endif
constexpr int kBlocksPerMultiprocessor = 8;

struct State {
  explicit State(int device) : allocator(device) {}
  Allocator allocator;
  Staging staging;
  cudaStream_t stream = nullptr;  // made on first use, as is the driver's context of a GPU, which takes its memory
  std::once_flag stream_made;
  cudaDeviceProp properties{};
  std::mutex pace_mutex;
  cudaEvent_t paces[2] = {nullptr, nullptr};
  uint64_t pace = 0;
};
auto& g_devices = *new std::vector<std::unique_ptr<State>>;  // that the driver has; tensors may outlive the library
const pid_t g_process = getpid();
thread_local int t_device = 0;
thread_local bool t_entered = false;            // the thread has called `enter`
thread_local Recording* t_recording = nullptr;  // where the thread's work goes; null: to the device

State& state(int device) { return *g_devices[static_cast<size_t>(device)]; }

void enter(int device) {
  if (t_entered && g_devices.size() == 1) return;  // there is nothing to choose from
  check(cudaSetDevice(device), "the GPU could not be chosen");
  t_device = device;
  State& s = state(device);
  std::call_once(s.stream_made, [&] {
    check(cudaStreamCreateWithFlags(&s.stream, cudaStreamNonBlocking), "a stream could not be made");
  });
  t_entered = true;
}

auto& g_ops = *new std::unordered_map<KernelFn, const char*>;  // the op that a kernel was registered for first
const char* op_of(KernelFn kernel) {
  const auto it = g_ops.find(kernel);
  return it == g_ops.end() ? "an op" : it->second;
}

// Errors after which a process can no longer use the GPU.
bool is_final(cudaError_t e) {
  const int code = static_cast<int>(e);
  return code == 214 || code == 700 || code == 702 || (code >= 710 && code < 720 && code != 712 && code != 713);
}

void* take(size_t bytes) {
  return t_recording ? t_recording->allocate(bytes) : state(t_device).allocator.allocate(bytes);
}
void give_back(int device, void* p, size_t bytes) noexcept {
  if (!t_recording || !t_recording->deallocate(p)) state(device).allocator.deallocate(p, bytes);
}

// Runs f; what it throws becomes a Failure: exceptions do not leave the library.
template <class F>
void guard(Failure* failure, F&& f) noexcept {
  try {
    f();
  } catch (const Error& e) { *failure = {true, e.kind(), e.what()}; } catch (const std::bad_alloc&) {
    *failure = {true, ErrorKind::Memory, "out of memory on the CPU"};
  } catch (const std::exception& e) { *failure = {true, ErrorKind::Runtime, e.what()}; }
}

void describe(int device, DeviceInfo* info, Failure* failure) {
  guard(failure, [&] {
    const cudaDeviceProp& p = state(device).properties;
    *info = {p.name, p.major, p.minor, p.multiProcessorCount, p.totalGlobalMem};
  });
}

void* allocate(int device, size_t bytes, Failure* failure) {
  void* p = nullptr;
  guard(failure, [&] {
    enter(device);
    p = take(bytes);
  });
  return p;
}

void deallocate(int device, void* p, size_t bytes) noexcept { give_back(device, p, bytes); }

[[noreturn]] void cannot_record(const char* what) {
  throw Error(ErrorKind::NotImplemented, concat(what, " while the device's work is recorded"));
}

void copy(void* to, Device to_device, const void* from, Device from_device, size_t bytes, Failure* failure) {
  guard(failure, [&] {
    const bool up = from_device.is_cpu(), down = to_device.is_cpu();
    enter(down ? from_device.index : to_device.index);
    State& s = state(t_device);
    if (t_recording) {
      if (down) cannot_record("the host reads values");
      if (up && bytes > Staging::kBuffer) cannot_record("the host gives many values");
      if (!up && to_device != from_device) cannot_record("values go from one GPU to another");
      if (up) return t_recording->upload(to, from, bytes);
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, t_recording->stream()),
            "a copy on the GPU failed");
      return;
    }
    if (up && bytes <= Staging::kBuffer) return s.staging.upload(to, from, bytes, s.stream);
    if (down && bytes <= Staging::kBuffer) {
      s.staging.download(to, from, bytes, s.stream);
      return check_fault();
    }
    if (up) {
      // From memory that is not pinned: the driver returns when it has read it, unless the GPU reads it by itself.
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, s.stream), "a copy to the GPU failed");
      if (s.properties.pageableMemoryAccess) check(cudaStreamSynchronize(s.stream), "waiting for the GPU failed");
    } else if (down) {
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, s.stream), "a copy from the GPU failed");
      check(cudaStreamSynchronize(s.stream), "waiting for the GPU failed");
      check_fault();
    } else if (to_device == from_device) {
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, s.stream), "a copy on the GPU failed");
    } else {
      enter(from_device.index);
      check(cudaStreamSynchronize(state(from_device.index).stream), "waiting for the GPU failed");
      enter(to_device.index);
      check(cudaMemcpyPeerAsync(to, to_device.index, from, from_device.index, bytes, s.stream),
            "a copy between GPUs failed");
      check(cudaStreamSynchronize(s.stream), "waiting for the GPU failed");  // the source may be given back now
    }
  });
}

void synchronize(int device, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    if (t_recording) cannot_record("the host waits");
    check(cudaStreamSynchronize(state(device).stream), "the GPU reported an error");
    check_fault();
  });
}

void run(int device, KernelFn kernel, const KernelArgs& args, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    kernel(args);
    if (!g_synchronous || t_recording) return;
    const cudaError_t e = cudaStreamSynchronize(state(device).stream);
    if (e != cudaSuccess) throw_cuda(e, concat("the op '", op_of(kernel), "' failed").c_str());
  });
}

void memory(int device, DeviceMemory* m, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    *m = state(device).allocator.stats();
  });
}

void reset_peak(int device) noexcept { state(device).allocator.reset_peak(); }

void release_cached(int device, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    state(device).allocator.release_cached();
  });
}

void set_limit(int device, size_t bytes) noexcept { state(device).allocator.set_limit(bytes); }

void* native_stream(int device, Failure* failure) {
  guard(failure, [&] { enter(device); });
  return state(device).stream;
}

void begin_recording(int device, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    if (t_recording) throw_runtime("[gpu] a recording was begun within another one.");
    t_recording = new Recording(state(device).allocator);
  });
}

void* end_recording(int device, bool keep, size_t* nodes, Failure* failure) {
  std::unique_ptr<Recording> r(std::exchange(t_recording, nullptr));
  guard(failure, [&] {
    enter(device);
    if (keep && r) r->finish(nodes);
    else r.reset();
  });
  if (failure->set) r.reset();
  return r.release();
}

void replay(int device, void* recording, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    static_cast<Recording*>(recording)->replay(state(device).stream);
  });
}

void end_replays(int device, void* recording) noexcept {
  cudaSetDevice(device);
  t_device = device;
  delete static_cast<Recording*>(recording);
}

void gather(int device, const DeviceRows& rows, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    gather_rows(rows);
  });
}

void* make_feed(int device, std::span<const size_t> bytes, Failure* failure) {
  Feed* feed = nullptr;
  guard(failure, [&] {
    enter(device);
    feed = new Feed(state(device).allocator, bytes, state(device).stream);
  });
  return feed;
}
void* feed_buffer(int device, void* feed, int slot, size_t i, Failure* failure) {
  void* p = nullptr;
  guard(failure, [&] {
    enter(device);
    p = static_cast<Feed*>(feed)->buffer(slot, i);
  });
  return p;
}
void feed_push(int device, void* feed, int slot, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    static_cast<Feed*>(feed)->push(slot);
  });
}
void feed_take(int device, void* feed, int slot, std::span<void* const> to, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    static_cast<Feed*>(feed)->take(slot, to);
  });
}
void end_feed(int device, void* feed) noexcept {
  cudaSetDevice(device);
  t_device = device;
  delete static_cast<Feed*>(feed);
}

void keep_pace(int device, Failure* failure) {
  guard(failure, [&] {
    enter(device);
    State& s = state(device);
    const std::lock_guard lock(s.pace_mutex);
    cudaEvent_t& e = s.paces[s.pace++ % 2];
    if (e) check(cudaEventSynchronize(e), "the GPU reported an error");
    else check(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "an event could not be made");
    check(cudaEventRecord(e, s.stream), "an event could not be recorded");
  });
}

int64_t reserve(int device, const char* op, std::span<const Spec> in, const void* attrs, Failure* failure) {
  int64_t bytes = 0;
  guard(failure, [&] {
    enter(device);
    bytes = rnn::reserve(op, in, attrs);
  });
  return bytes;
}

const DeviceBackend* open_devices(std::string* why) {
  int count = 0;
  const cudaError_t e = cudaGetDeviceCount(&count);
  if (e != cudaSuccess || count == 0) {
    int driver = 0;
    cudaDriverGetVersion(&driver);
    cudaGetLastError();
    if (driver == 0) {
      *why =
          "no NVIDIA driver was found. Install the driver of the GPU (Debian, Ubuntu: apt-get install nvidia-driver)";
    } else if (e == cudaErrorInsufficientDriver) {
      int runtime = 0;
      cudaRuntimeGetVersion(&runtime);
      *why = concat("the NVIDIA driver is too old: it supports CUDA ", driver / 1000, ".", driver % 1000 / 10,
                    ", and this build needs ", runtime / 1000, ".", runtime % 1000 / 10, ". Install a newer driver");
    } else {
      *why = concat("the driver knows of no GPU (", cudaGetErrorString(e),
                    "). See whether nvidia-smi lists one, and CUDA_VISIBLE_DEVICES");
    }
    return nullptr;
  }
  for (int i = 0; i < count; ++i) {
    auto s = std::make_unique<State>(i);
    check(cudaGetDeviceProperties(&s->properties, i), "the GPU's properties could not be asked for");
    if (s->properties.major * 10 + s->properties.minor < kOldest) {
      *why = concat(s->properties.name, " has compute capability ", s->properties.major, ".", s->properties.minor,
                    ", and this build needs ", kOldest / 10, ".", kOldest % 10, " or newer");
      return nullptr;
    }
    g_devices.push_back(std::move(s));
  }
  static DeviceBackend backend;
  backend.devices = count;
#if defined(TAHR_CUDA_EMULATED)
  backend.emulated = true;
#endif
  backend.describe = describe;
  backend.allocate = allocate;
  backend.deallocate = deallocate;
  backend.copy = copy;
  backend.synchronize = synchronize;
  backend.run = run;
  backend.memory = memory;
  backend.reset_peak = reset_peak;
  backend.release_cached = release_cached;
  backend.set_limit = set_limit;
  backend.stream = native_stream;
  backend.begin_recording = begin_recording;
  backend.end_recording = end_recording;
  backend.replay = replay;
  backend.end_replays = end_replays;
  backend.gather_rows = gather;
  backend.make_feed = make_feed;
  backend.feed_buffer = feed_buffer;
  backend.feed_push = feed_push;
  backend.feed_take = feed_take;
  backend.end_feed = end_feed;
  backend.keep_pace = keep_pace;
  return &backend;
}

void register_kernels() {
#define TAHR_FAMILY(name) register_##name();
#include "cuda/families.h"
#undef TAHR_FAMILY
  set_reserve(reserve);
}

}  // namespace

[[noreturn]] void throw_cuda(cudaError_t e, const char* what) {
  if (e == cudaErrorMemoryAllocation)
    throw Error(ErrorKind::Memory, concat("out of memory on '/gpu:", t_device, "': ", what, "."));
  if (getpid() != g_process) {
    throw_runtime("[gpu] ", what, ": this process was forked from one that had used the GPU (", cudaGetErrorName(e),
                  "), and cannot use it. Start processes by 'spawn', or set TAHR_CUDA_LIBRARY=none for this one.");
  }
  throw_runtime("[gpu] ", what, ": ", cudaGetErrorName(e), ", ", cudaGetErrorString(e), ".",
                !is_final(e)    ? ""
                : g_synchronous ? " This process can no longer use the GPU."
                                : " A kernel that was started earlier failed, and this process can no longer use the "
                                  "GPU. Run again with TAHR_CUDA_SYNC=1 to learn which kernel it was.");
}

bool g_synchronous = [] {
  const char* v = std::getenv("TAHR_CUDA_SYNC");
  return v && std::string_view(v) == "1";
}();

void check_launch(cudaError_t e, const void* kernel, dim3 grid, dim3 block, size_t shared_bytes) {
  const char* what = "could not be launched";
  if (e == cudaSuccess && !t_recording) {
    e = cudaStreamSynchronize(stream());
    what = "failed";
  }
  if (e == cudaSuccess) return;
  const char* name = nullptr;
  if (cudaFuncGetName(&name, kernel) != cudaSuccess || !name) name = "?";
  cudaGetLastError();
  int status = 0;
  char* readable = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  const auto size = [](dim3 d) { return concat(d.x, " x ", d.y, " x ", d.z); };
  const std::string text = concat("the kernel ", readable ? readable : name, " ", what, " (", size(grid), " blocks of ",
                                  size(block), " threads, ", shared_bytes, " bytes of dynamic shared memory)");
  std::free(readable);
  throw_cuda(e, text.c_str());
}

int device() { return t_device; }
bool recording() { return t_recording != nullptr; }
cudaStream_t stream() { return t_recording ? t_recording->stream() : state(t_device).stream; }
const cudaDeviceProp& properties() { return state(t_device).properties; }

dim3 grid_for(int64_t n, int per_thread, int block) {
  const int64_t items = static_cast<int64_t>(block) * per_thread;
  const int64_t most = static_cast<int64_t>(properties().multiProcessorCount) * kBlocksPerMultiprocessor;
  const int64_t wanted = (n + items - 1) / items;
  return dim3(static_cast<unsigned>(wanted < 1 ? 1 : wanted < most ? wanted : most));
}

Scratch::Scratch(size_t bytes) : data_(take(bytes)), bytes_(bytes) {}
Scratch::~Scratch() { give_back(t_device, data_, bytes_); }

void remember_op(KernelFn kernel, const char* op) { g_ops.emplace(kernel, op); }

void upload(void* to, const void* from, size_t bytes) {
  if (t_recording) return t_recording->upload(to, from, bytes);
  State& s = state(t_device);
  for (size_t at = 0; at < bytes; at += Staging::kBuffer) {
    const size_t part = bytes - at < Staging::kBuffer ? bytes - at : Staging::kBuffer;
    s.staging.upload(static_cast<char*>(to) + at, static_cast<const char*>(from) + at, part, s.stream);
  }
}

}  // namespace tahr::cuda

extern "C" __attribute__((visibility("default"))) const tahr::DeviceBackend* tahr_open_device_library(
    const tahr::HostApi* api, std::string* why) {
  using namespace tahr::cuda;
  if (!accept_host_api(api)) {
    *why = "the library of kernels for GPUs belongs to another version of tahr. Install both from one release";
    return nullptr;
  }
  const tahr::DeviceBackend* backend = nullptr;
  tahr::Failure failure;
  guard(&failure, [&] {
    backend = open_devices(why);
    if (backend) register_kernels();
  });
  if (failure.set) {
    *why = failure.message;
    return nullptr;
  }
  return backend;
}
