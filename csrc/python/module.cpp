#include <cstdlib>

#include "core/allocator.h"
#include "core/parallel.h"
#include "cpu/isa.h"
#include "ops/conv_attrs.h"
#include "ops/functions.h"
#include "python/objects.h"

namespace tahr::python {
namespace {

void bind_config(py::module_& m) {
  m.def("floatx", [] { return name_of(floatx()); });
  m.def("set_floatx", [](const std::string& name) {
    DType d;
    if (!dtype_from_name(name, &d) || !is_float(d)) {
      throw_value("[set_floatx] expected 'float16', 'bfloat16', 'float32' or 'float64', received '", name, "'.");
    }
    set_floatx(d);
  });
  m.def("image_data_format", &image_data_format);
  m.def("set_image_data_format", &set_image_data_format);
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", [](int n) {
    if (n < 1) throw_value("[set_num_threads] expected at least 1 thread, received ", n, ".");
    set_num_threads(n);
  });
  m.def("isa_name", &isa_name);
  m.def("memory_stats", [] {
    const MemoryStats s = memory_stats();
    py::dict d;
    d["live"] = s.live_bytes;
    d["peak"] = s.peak_bytes;
    d["cached"] = s.cached_bytes;
    return d;
  });
  m.def("reset_peak_memory", &reset_peak_memory);
  m.def("release_cached_memory", &release_cached_memory);
  m.def("promote", [](const std::string& a, bool a_weak, const std::string& b, bool b_weak) {
    DType x, y;
    if (!dtype_from_name(a, &x) || !dtype_from_name(b, &y))
      throw_value("[promote] unknown dtype in ('", a, "', '", b, "').");
    return name_of(promote(x, a_weak, y, b_weak));
  });
}

}  // namespace
}  // namespace tahr::python

PYBIND11_MODULE(_C, m) {
  using namespace tahr::python;
  m.doc() = "The engine of tahr: tensors, the op table, the gradient tape.";
  m.attr("__version__") = TAHR_VERSION;
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const tahr::Error& e) { translate_error(e); }
  });
  tahr::init_op_table();
  bind_objects(m);
  bind_ops(m);
  bind_tape(m);
  bind_graph(m);
  bind_data(m);
  bind_runtime(m);
  bind_control(m);
  bind_host();
  bind_config(m);
  bind_devices(m);
}
