// Devices: where a tensor's bytes lie. The core computes on the CPU; device memory, copies and kernels come from a
// device library (csrc/cuda), which is opened when a GPU is first asked for and fills in a DeviceBackend. The core
// itself links to nothing of CUDA.
//
// Everything of a device runs on its one stream, in the order in which it was asked for, and the host does not wait:
// only reads by the host (`on_host`, `Tensor::item`) and `synchronize` do.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"

namespace tahr {

enum class DeviceType : uint8_t { CPU, CUDA };
inline constexpr int kDeviceTypeCount = 2;

struct Device {
  DeviceType type = DeviceType::CPU;
  uint8_t index = 0;
  bool operator==(const Device&) const = default;
  bool is_cpu() const { return type == DeviceType::CPU; }
};
inline constexpr Device kCpu{};
std::string name_of(Device d);  // "/cpu:0", "/gpu:0"

class Tensor;
struct KernelArgs;
using KernelFn = void (*)(const KernelArgs&);

// How a device library says that something went wrong: exceptions do not leave it.
struct Failure {
  bool set = false;
  ErrorKind kind = ErrorKind::Runtime;
  std::string message;
};

struct DeviceInfo {
  std::string name;  // of the hardware
  int major = 0, minor = 0, multiprocessors = 0;
  size_t total_bytes = 0;
};

struct DeviceMemory {
  size_t live = 0, peak = 0;   // handed out to tensors
  size_t cached = 0;           // kept for reuse
  size_t reserved = 0;         // taken from the device: live and cached
  size_t total = 0, free = 0;  // of the device, as its driver says
  size_t limit = 0;            // of `reserved`; 0: none
  uint64_t system_allocations = 0;
};

// Rows of arrays in device memory, gathered there: to[i][r] = from[i][order[*next + r]] for `rows` rows r, or the rows
// from *next on without an order; then *next += rows.
struct DeviceRows {
  std::span<const void* const> from;
  std::span<void* const> to;
  std::span<const size_t> row_bytes;
  const int64_t* order = nullptr;
  int64_t* next = nullptr;
  int64_t rows = 0;
};

struct DeviceBackend {
  int devices = 0;
  bool emulated = false;
  void (*describe)(int device, DeviceInfo*, Failure*) = nullptr;
  void* (*allocate)(int device, size_t bytes, Failure*) = nullptr;
  void (*deallocate)(int device, void* p, size_t bytes) noexcept = nullptr;
  // A source in host memory may be changed once this returns; a target in host memory is complete then.
  void (*copy)(void* to, Device to_device, const void* from, Device from_device, size_t bytes, Failure*) = nullptr;
  void (*synchronize)(int device, Failure*) = nullptr;
  // Calls a kernel that the library registered.
  void (*run)(int device, KernelFn kernel, const KernelArgs& args, Failure*) = nullptr;
  void (*memory)(int device, DeviceMemory*, Failure*) = nullptr;
  void (*reset_peak)(int device) noexcept = nullptr;
  void (*release_cached)(int device, Failure*) = nullptr;
  void (*set_limit)(int device, size_t bytes) noexcept = nullptr;
  void* (*stream)(int device, Failure*) = nullptr;  // the native handle, for exchange with other libraries
  // Between these two, what the calling thread gives to the device is recorded instead of run. Ends with the recording,
  // or with null if it is not to be kept.
  void (*begin_recording)(int device, Failure*) = nullptr;
  void* (*end_recording)(int device, bool keep, size_t* nodes, Failure*) = nullptr;
  void (*replay)(int device, void* recording, Failure*) = nullptr;
  void (*end_replays)(int device, void* recording) noexcept = nullptr;
  void (*gather_rows)(int device, const DeviceRows& rows, Failure*) = nullptr;
  // A feed: two slots of pinned buffers, whose contents go to the device beside what runs there (core/device_queue.h).
  void* (*make_feed)(int device, std::span<const size_t> bytes, Failure*) = nullptr;
  void* (*feed_buffer)(int device, void* feed, int slot, size_t i, Failure*) = nullptr;
  void (*feed_push)(int device, void* feed, int slot, Failure*) = nullptr;
  void (*feed_take)(int device, void* feed, int slot, std::span<void* const> to, Failure*) = nullptr;
  void (*end_feed)(int device, void* feed) noexcept = nullptr;
  // Waits until all is done that had been asked for at the call before the last.
  void (*keep_pace)(int device, Failure*) = nullptr;
};

// What is known of device libraries. Unknown until somebody asks for a device.
enum class DeviceState : uint8_t { Unknown, None, Present };
extern std::atomic<DeviceState> g_device_state;
inline bool cpu_only() { return g_device_state.load(std::memory_order_relaxed) == DeviceState::None; }
inline bool devices_present() { return g_device_state.load(std::memory_order_acquire) == DeviceState::Present; }

// Finds and opens a device library; called once, when a device is first asked for. Null, and why, if there is none.
using DeviceOpener = const DeviceBackend* (*)(std::string* why);
void set_device_opener(DeviceOpener open);

int gpu_count();                        // visible ones; opens the library
const std::string& why_no_gpu();        // a sentence; empty if there is one
const DeviceBackend& device_backend();  // only if there is a GPU
DeviceInfo device_info(Device d);
int hardware_number(Device d);                    // as the driver counts; 0 for the CPU
Device device_by_hardware(int number);            // throws if it is not among the visible ones
void set_visible_gpus(std::vector<int> indices);  // before the first tensor lies on one; [] hides all

// What users choose for devices, read when a kernel needs it.
struct DeviceSettings {
  std::atomic<bool> tensor_float_32{false};  // float32 products may round their factors to 10 bits (TAHR_TF32=1)
  std::vector<std::string> library_folders;  // `nvidia` folders where pip puts libraries; set before a device is used
};
DeviceSettings& device_settings();

// Where ops without inputs run and what comes from Python goes: the scope's device, else the first GPU, else the CPU.
Device current_device();
void check_device(Device d);  // throws, saying why, if there is no such device
class DeviceScope {
 public:
  explicit DeviceScope(Device d);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  bool had_;
  Device before_;
};
bool exchange_scope_device(bool has, Device d, Device* before);  // for scopes that Python opens and closes

// Bytes.
void* device_allocate(Device d, size_t bytes);
void device_deallocate(Device d, void* p, size_t bytes) noexcept;
void device_copy(void* to, Device to_device, const void* from, Device from_device, size_t bytes);
void device_synchronize(Device d);
DeviceMemory device_memory(Device d);
void device_release_cached(Device d);
uintptr_t device_stream(Device d);  // the native handle of its stream
void run_device_kernel(Device d, KernelFn kernel, const KernelArgs& args);

// Tensors. All of these give back the tensor itself where nothing is to be moved.
Tensor to_device(const Tensor& t, Device d);
Tensor on_host(const Tensor& t);                       // the one door through which host code reads values
Tensor copy_of(const Tensor& t);                       // on the same device, in memory of its own
void copy_into(const Tensor& to, const Tensor& from);  // bytes; either may lie anywhere

}  // namespace tahr
