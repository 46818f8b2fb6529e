// On which device an op runs, and the library of kernels for it.
//
// An op runs on the GPU if any of its inputs lies there, other inputs being copied to it; an op without inputs runs on
// the current device. An op for which the device has no kernel falls back: inputs to the host, the CPU's kernel,
// outputs to the device. Fall-backs are counted, by op.
#pragma once

#include <map>

#include "ops/elementwise_codes.h"
#include "ops/fused.h"
#include "ops/op.h"

namespace tahr {

Specs infer_specs(const OpDef& op, std::span<const Tensor> in, const void* attrs);

Device placement_of(const OpDef& op, std::span<const Tensor> in);  // no input is symbolic, but for variables
Tensors apply_on_device(const OpDef& op, std::span<const Tensor> in, const void* attrs, Device device);

// What the kernel of an op on the current device keeps for the gradient's in a form of its own (a library's, say), in
// bytes: 0 for nothing, kUnknown where shapes are. Absent inputs have specs of rank 0.
int64_t device_reserve(const char* op, std::span<const Spec> in, const void* attrs);

using DeviceReserve = int64_t (*)(int device, const char* op, std::span<const Spec> in, const void* attrs, Failure*);
void set_device_reserve(DeviceReserve reserve);  // the device library's answer

// From now on the op's kernel is given inputs of a single element that lie on the host as they are.
void let_device_take_host_scalars(const char* op);

// Runs the CPU's kernel on inputs and outputs that lie anywhere, and on the variables that the op names.
void run_on_host(const OpDef& op, const KernelArgs& args);

std::map<std::string, uint64_t> device_fallbacks();  // how often each op fell back
void reset_device_fallbacks();

// Opens TAHR_CUDA_LIBRARY, else `_cuda.so` beside the library or program that holds this code.
const DeviceBackend* open_device_library(std::string* why);

// A library of the device's maker that kernels use where it is installed.
struct DeviceLibrary {
  std::string title;
  bool found = false;
  std::string text;  // where it lies, or, if it was not found, how to get it
};
std::vector<DeviceLibrary> device_libraries();  // opens them

// What a device library may call; it is given this, so that neither side exports a C++ symbol. Kernels are written
// against the ordinary headers: csrc/cuda/host_api.cpp implements the functions that they name by these.
struct HostApi {
  uint64_t abi;
  void (*define_kernel)(const char* op, DeviceType device, KernelFn fn, PrepareFn prepare);
  const OpDef* (*find_op)(const char* op);
  void (*take_host_scalars)(const char* op);
  Tensor (*empty_on)(Device device, const Shape& shape, DType dtype);
  void (*end_storage)(Storage* s);                     // what its destructor does
  void (*free_small)(void* p, size_t bytes) noexcept;  // of storages and tensors
  const Tensor& (*writable_value)(VariableImpl& v);
  Tensor (*to_device)(const Tensor& t, Device d);
  bool (*elementwise_has)(Ew op, DType type);
  FusedProgram (*parse_fused)(std::string_view text, int inputs);
  Specs (*fused_specs)(const FusedProgram& program, std::span<const Spec> in);
  Shape (*fused_shape)(const FusedProgram& program, std::span<const Spec> values);
  DeviceSettings& (*device_settings)();
  void (*add_library)(DeviceLibrary (*describe)());
  void (*set_reserve)(DeviceReserve reserve);
};
// Differs where layouts do.
inline uint64_t device_abi() {
  uint64_t h = 1;
  for (const size_t n : {sizeof(OpDef), sizeof(TensorImpl), sizeof(Storage), sizeof(KernelArgs), sizeof(DeviceBackend),
                         sizeof(HostApi), size_t{kDTypeCount}, size_t{kMaxRank}})
    h = h * 1000003 + n;
  return h;
}
// The one symbol that a device library exports, under the name "tahr_open_device_library".
using OpenDeviceLibrary = const DeviceBackend* (*)(const HostApi* api, std::string* why);

}  // namespace tahr
