#include "core/device.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

#include "core/tensor.h"

namespace tahr {

std::atomic<DeviceState> g_device_state{DeviceState::Unknown};

namespace {

struct Opened {
  std::mutex mutex;
  DeviceOpener opener = nullptr;
  const DeviceBackend* backend = nullptr;
  std::string why;
  std::vector<int> visible;  // hardware numbers of our devices
  bool limited = false;      // set_visible_gpus was called
  bool used = false;
};
Opened& opened() {
  static Opened* o = new Opened;  // never destroyed: tensors may outlive static destructors
  return *o;
}

thread_local bool scope_set = false;
thread_local Device scope_device;

void open_devices() {
  if (g_device_state.load(std::memory_order_acquire) != DeviceState::Unknown) return;
  Opened& o = opened();
  const std::lock_guard lock(o.mutex);
  if (g_device_state.load(std::memory_order_relaxed) != DeviceState::Unknown) return;
  o.backend = o.opener ? o.opener(&o.why) : nullptr;
  if (!o.opener) o.why = "this program was linked without support for devices";
  if (o.backend && !o.limited) {
    for (int i = 0; i < o.backend->devices; ++i) o.visible.push_back(i);
  }
  if (o.backend && o.visible.empty()) o.why = "all GPUs are hidden (set_visible_devices)";
  g_device_state.store(o.backend && !o.visible.empty() ? DeviceState::Present : DeviceState::None,
                       std::memory_order_release);
}

int hardware(Device d) { return opened().visible[d.index]; }

void check(const Failure& f) {
  if (f.set) throw Error(f.kind, f.message);
}

}  // namespace

std::string name_of(Device d) { return concat(d.is_cpu() ? "/cpu:" : "/gpu:", static_cast<int>(d.index)); }

void set_device_opener(DeviceOpener open) { opened().opener = open; }

int gpu_count() {
  open_devices();
  return devices_present() ? static_cast<int>(opened().visible.size()) : 0;
}

const std::string& why_no_gpu() {
  open_devices();
  return opened().why;
}

const DeviceBackend& device_backend() { return *opened().backend; }

void set_visible_gpus(std::vector<int> indices) {
  open_devices();
  Opened& o = opened();
  const std::lock_guard lock(o.mutex);
  if (indices == o.visible) return;
  if (o.used)
    throw_runtime("[set_visible_devices] expected to be called before the first tensor lies on a GPU: call it first.");
  const int count = o.backend ? o.backend->devices : 0;
  for (int i : indices) {
    if (i < 0 || i >= count)
      throw_value("[set_visible_devices] expected GPUs numbered below ", count, ", received ", i, ".");
  }
  o.visible = std::move(indices);
  o.limited = true;
  if (!o.backend) return;
  if (o.visible.empty()) o.why = "all GPUs are hidden (set_visible_devices)";
  g_device_state.store(o.visible.empty() ? DeviceState::None : DeviceState::Present, std::memory_order_release);
}

DeviceSettings& device_settings() {
  static auto* settings = [] {
    auto* s = new DeviceSettings;
    const char* named = std::getenv("TAHR_TF32");
    s->tensor_float_32 = named && std::string_view(named) == "1";
    return s;
  }();
  return *settings;
}

int hardware_number(Device d) { return d.is_cpu() ? 0 : hardware(d); }

Device device_by_hardware(int number) {
  const int count = gpu_count();
  for (int i = 0; i < count; ++i) {
    if (opened().visible[static_cast<size_t>(i)] == number) return {DeviceType::CUDA, static_cast<uint8_t>(i)};
  }
  throw_value("[device] the GPU numbered ", number, " is not among those that are visible here",
              count ? "." : concat(": ", why_no_gpu(), "."));
}

DeviceInfo device_info(Device d) {
  DeviceInfo info;
  Failure f;
  device_backend().describe(hardware(d), &info, &f);
  check(f);
  return info;
}

Device current_device() {
  if (scope_set) return scope_device;
  if (cpu_only()) return kCpu;
  open_devices();
  return devices_present() ? Device{DeviceType::CUDA, 0} : kCpu;
}

void check_device(Device d) {
  if (d.is_cpu()) {
    if (d.index > 0) throw_value("[device] expected '/cpu:0', the only CPU device, received '", name_of(d), "'.");
    return;
  }
  const int count = gpu_count();
  if (d.index < count) return;
  if (count == 0) throw_value("[device] '", name_of(d), "' is not there: ", why_no_gpu(), ".");
  throw_value("[device] expected a GPU numbered below ", count, ", received '", name_of(d), "'.");
}

DeviceScope::DeviceScope(Device d) : had_(exchange_scope_device(true, d, &before_)) {}
DeviceScope::~DeviceScope() {
  Device ignored;
  exchange_scope_device(had_, before_, &ignored);
}

bool exchange_scope_device(bool has, Device d, Device* before) {
  if (has) check_device(d);
  *before = scope_device;
  const bool had = scope_set;
  scope_set = has;
  scope_device = d;
  return had;
}

void* device_allocate(Device d, size_t bytes) {
  opened().used = true;
  Failure f;
  void* p = device_backend().allocate(hardware(d), bytes, &f);
  check(f);
  return p;
}

void device_deallocate(Device d, void* p, size_t bytes) noexcept { device_backend().deallocate(hardware(d), p, bytes); }

void device_copy(void* to, Device to_device, const void* from, Device from_device, size_t bytes) {
  if (bytes == 0) return;
  if (to_device.is_cpu() && from_device.is_cpu()) {
    std::memcpy(to, from, bytes);
    return;
  }
  if (!to_device.is_cpu()) to_device.index = static_cast<uint8_t>(hardware(to_device));
  if (!from_device.is_cpu()) from_device.index = static_cast<uint8_t>(hardware(from_device));
  Failure f;
  device_backend().copy(to, to_device, from, from_device, bytes, &f);
  check(f);
}

void device_synchronize(Device d) {
  if (d.is_cpu()) return;
  Failure f;
  device_backend().synchronize(hardware(d), &f);
  check(f);
}

DeviceMemory device_memory(Device d) {
  DeviceMemory m;
  Failure f;
  device_backend().memory(hardware(d), &m, &f);
  check(f);
  return m;
}

void device_release_cached(Device d) {
  Failure f;
  device_backend().release_cached(hardware(d), &f);
  check(f);
}

uintptr_t device_stream(Device d) {
  Failure f;
  void* s = device_backend().stream(hardware(d), &f);
  check(f);
  return reinterpret_cast<uintptr_t>(s);
}

void run_device_kernel(Device d, KernelFn kernel, const KernelArgs& args) {
  Failure f;
  device_backend().run(hardware(d), kernel, args, &f);
  if (f.set) [[unlikely]]
    check(f);
}

Tensor to_device(const Tensor& t, Device d) {
  if (!t.defined() || t.is_symbolic() || t.device() == d) return t;
  const Tensor moved = Tensor::empty_on(d, t.shape(), t.dtype());
  copy_into(moved, t);
  moved.impl()->weak = t.weak();
  return moved;
}

Tensor on_host(const Tensor& t) { return to_device(t, kCpu); }

Tensor copy_of(const Tensor& t) {
  const Tensor copy = Tensor::empty_on(t.device(), t.shape(), t.dtype());
  copy_into(copy, t);
  return copy;
}

void copy_into(const Tensor& to, const Tensor& from) {
  device_copy(to.mutable_raw(), to.device(), from.raw(), from.device(), to.nbytes());
}

}  // namespace tahr
