// Devices as Python asks for them; names and messages are in tahr/config.py.
#include "core/device.h"

#include <pybind11/stl.h>

#include <optional>

#include "ops/placement.h"
#include "python/objects.h"

namespace tahr::python {
namespace {

Device gpu(int index) {
  if (index < 0 || index > 255) throw_value("[device] expected a GPU numbered from 0, received ", index, ".");
  const Device d{DeviceType::CUDA, static_cast<uint8_t>(index)};
  check_device(d);
  return d;
}

// -1 is the CPU, None no scope.
std::optional<Device> device_from_python(const py::object& o) {
  if (o.is_none()) return std::nullopt;
  const int index = o.cast<int>();
  return index < 0 ? kCpu : gpu(index);
}

}  // namespace

void bind_devices(py::module_& m) {
  m.def("gpu_count", &gpu_count);
  m.def("why_no_gpu", &why_no_gpu);
  m.def("gpu_is_emulated", [] { return gpu_count() > 0 && device_backend().emulated; });
  m.def("gpu_info", [](int index) {
    const DeviceInfo i = device_info(gpu(index));
    py::dict d;
    d["name"] = i.name;
    d["compute_capability"] = py::make_tuple(i.major, i.minor);
    d["multiprocessors"] = i.multiprocessors;
    d["memory"] = i.total_bytes;
    return d;
  });
  m.def("gpu_memory", [](int index) {
    const DeviceMemory s = device_memory(gpu(index));
    py::dict d;
    d["live"] = s.live;
    d["peak"] = s.peak;
    d["cached"] = s.cached;
    d["reserved"] = s.reserved;
    d["free"] = s.free;
    d["total"] = s.total;
    d["limit"] = s.limit;
    return d;
  });
  m.def("gpu_reset_peak", [](int index) { device_backend().reset_peak(hardware_number(gpu(index))); });
  m.def("gpu_release_cached", [](int index) { device_release_cached(gpu(index)); });
  m.def("gpu_set_limit",
        [](int index, size_t bytes) { device_backend().set_limit(hardware_number(gpu(index)), bytes); });
  m.def("set_visible_gpus", &set_visible_gpus);
  m.def("set_library_folders", [](std::vector<std::string> folders) { device_settings().library_folders = folders; });
  m.def("tensor_float_32", [] { return device_settings().tensor_float_32.load(); });
  m.def("set_tensor_float_32", [](bool on) { device_settings().tensor_float_32 = on; });
  m.def("current_device", [] { return name_of(current_device()); });
  m.def("exchange_device", [](py::object to) -> py::object {
    const auto d = device_from_python(to);
    Device before;
    if (!exchange_scope_device(d.has_value(), d.value_or(kCpu), &before)) return py::none();
    return py::int_(before.is_cpu() ? -1 : before.index);
  });
  m.def("to_device", [](Tensor t, py::object to) { return to_device(t, device_from_python(to).value_or(kCpu)); });
  m.def("synchronize", [] {
    const py::gil_scoped_release release;
    for (int i = 0; i < gpu_count(); ++i) device_synchronize(gpu(i));
  });
  m.def("dlpack_device",
        [](Tensor t) { return py::make_tuple(t.device().is_cpu() ? 1 : 2, hardware_number(t.device())); });
  m.def("device_stream", [](int number) { return device_stream(device_by_hardware(number)); });
  m.def("device_fallbacks", &device_fallbacks);
  m.def("reset_device_fallbacks", &reset_device_fallbacks);
  // (title, found, where it lies or how to get it) of the libraries that the GPU's kernels use
  m.def("gpu_libraries", [] {
    gpu_count();
    py::list l;
    for (const DeviceLibrary& d : device_libraries()) l.append(py::make_tuple(d.title, d.found, d.text));
    return l;
  });
  // Ops, and whether they have a kernel for the GPU.
  m.def("gpu_kernels", [] {
    gpu_count();
    py::dict d;
    for (const OpDef* op : all_ops()) {
      if (op->kernel[static_cast<int>(DeviceType::CPU)])
        d[py::str(op->name)] = op->kernel[static_cast<int>(DeviceType::CUDA)] != nullptr;
    }
    return d;
  });
}

}  // namespace tahr::python
