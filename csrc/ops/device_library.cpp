// Opening the library with the kernels of a GPU (csrc/cuda), by name and on first use.
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/allocator.h"
#include "core/variable.h"
#include "ops/elementwise_resolve.h"
#include "ops/functions.h"
#include "ops/placement.h"

namespace tahr {
namespace {

constexpr const char* kInstall =
    "Install NVIDIA's CUDA toolkit (nvcc), then build with it: pip install --no-binary tahr 'tahr[cuda]'";

// Where this code was loaded from.
std::filesystem::path own_folder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&open_device_library), &info) || !info.dli_fname) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

std::vector<DeviceLibrary (*)()>& libraries() {
  static std::vector<DeviceLibrary (*)()> all;
  return all;
}

const HostApi kApi = {
    0,
    [](const char* op, DeviceType device, KernelFn fn, PrepareFn prepare) { define_kernel(op, device, fn, prepare); },
    [](const char* op) { return find_op(op); },
    let_device_take_host_scalars,
    [](Device device, const Shape& shape, DType dtype) { return Tensor::empty_on(device, shape, dtype); },
    [](Storage* s) { s->~Storage(); },
    [](void* p, size_t bytes) noexcept { deallocate_small(p, bytes); },
    [](VariableImpl& v) -> const Tensor& { return v.writable_value(); },
    [](const Tensor& t, Device d) { return to_device(t, d); },
    [](Ew op, DType type) { return elementwise_has()(op, type); },
    parse_fused,
    fused_specs,
    fused_shape,
    device_settings,
    [](DeviceLibrary (*describe)()) { libraries().push_back(describe); },
    set_device_reserve,
};

}  // namespace

std::vector<DeviceLibrary> device_libraries() {
  std::vector<DeviceLibrary> r;
  for (const auto describe : libraries()) r.push_back(describe());
  return r;
}

const DeviceBackend* open_device_library(std::string* why) {
  const char* named = std::getenv("TAHR_CUDA_LIBRARY");
  std::filesystem::path path;
  if (named && std::string_view(named) == "none") {
    *why = "GPUs are turned off (TAHR_CUDA_LIBRARY=none)";
    return nullptr;
  }
  if (named && *named) {
    path = named;
  } else {
    path = own_folder() / "_cuda.so";
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
      *why = concat("this build of tahr has no kernels for GPUs (no ", path.string(), "). ", kInstall);
      return nullptr;
    }
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    *why = concat("the library of kernels for GPUs cannot be opened: ", reason ? reason : path.string());
    return nullptr;
  }
  const auto open = reinterpret_cast<OpenDeviceLibrary>(dlsym(library, "tahr_open_device_library"));
  if (!open) {
    *why = concat(path.string(), " is not a library of kernels for tahr");
    return nullptr;
  }
  static HostApi api = kApi;
  api.abi = device_abi();
  return open(&api, why);
}

}  // namespace tahr
