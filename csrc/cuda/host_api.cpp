#include "cuda/host_api.h"

#include "core/variable.h"
#include "cuda/program.h"
#include "cuda/runtime.h"

namespace tahr {
namespace {
HostApi g_api;
}

Tensor Tensor::empty_on(Device device, const Shape& shape, DType dtype) { return g_api.empty_on(device, shape, dtype); }
Tensor to_device(const Tensor& t, Device d) { return g_api.to_device(t, d); }
Tensor on_host(const Tensor& t) { return g_api.to_device(t, kCpu); }
FusedProgram parse_fused(std::string_view text, int inputs) { return g_api.parse_fused(text, inputs); }
Specs fused_specs(const FusedProgram& p, std::span<const Spec> in) { return g_api.fused_specs(p, in); }
Shape fused_shape(const FusedProgram& p, std::span<const Spec> values) { return g_api.fused_shape(p, values); }
DeviceSettings& device_settings() { return g_api.device_settings(); }
const Tensor& VariableImpl::writable_value() { return g_api.writable_value(*this); }

// The last reference to a tensor may go here.
Storage::~Storage() { g_api.end_storage(this); }
void Storage::operator delete(void* p, size_t bytes) { g_api.free_small(p, bytes); }
void TensorImpl::operator delete(void* p, size_t bytes) { g_api.free_small(p, bytes); }

namespace cuda {

bool DeviceTypes::has(Ew op, DType type) { return g_api.elementwise_has(op, type); }

bool accept_host_api(const HostApi* api) {
  if (api->abi != device_abi()) return false;
  g_api = *api;
  return true;
}

void add_library(DeviceLibrary (*describe)()) { g_api.add_library(describe); }

void set_reserve(DeviceReserve reserve) { g_api.set_reserve(reserve); }

void define(const char* op, KernelFn kernel, PrepareFn prepare) {
  if (!g_api.find_op(op)) throw_runtime("a kernel for the GPU names the unknown op '", op, "'");
  g_api.define_kernel(op, DeviceType::CUDA, kernel, prepare);
  remember_op(kernel, op);
}

void take_host_scalars(const char* op) { g_api.take_host_scalars(op); }

}  // namespace cuda
}  // namespace tahr
