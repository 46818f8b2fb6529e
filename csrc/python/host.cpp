// Host functions in Python: `tahr.ops.host` finds them by name. Its three functions are what `host_call` runs.
#include "ops/host.h"

#include <pybind11/numpy.h>

#include <cstring>

#include "python/convert.h"

namespace tahr::python {
namespace {

py::object host(const char* name) { return py::module_::import("tahr.ops.host").attr(name); }

Specs infer(const HostCallAttrs& attrs, std::span<const Spec> in) {
  const py::gil_scoped_acquire gil;
  py::list specs;
  for (const Spec& s : in)
    specs.append(py::make_tuple(shape_tuple(s.shape), py::reinterpret_steal<py::object>(dtype_object(s.dtype))));
  Specs out;
  for (const py::handle h : host("infer")(attrs.function, attrs.arguments, specs)) {
    const auto pair = py::reinterpret_borrow<py::tuple>(h);
    out.push_back({shape_from_python(py::object(pair[0]).ptr(), "host_call", true),
                   dtype_from_python(py::object(pair[1]).ptr())});
  }
  return out;
}

void run(const HostCallAttrs& attrs, std::span<const Tensor> in, std::span<const Tensor> out) {
  const py::gil_scoped_acquire gil;
  py::list arrays;
  for (const Tensor& t : in) arrays.append(tensor_to_numpy(t, false));
  const py::sequence results = host("run")(attrs.function, attrs.arguments, arrays);
  if (results.size() != out.size())
    throw_runtime("[", attrs.function, "] expected ", out.size(), " results, received ", results.size(), ".");
  for (size_t i = 0; i < out.size(); ++i) {
    const py::object like = tensor_to_numpy(out[i], false);
    const auto a = py::array::ensure(
        py::module_::import("numpy").attr("ascontiguousarray")(py::object(results[i]), like.attr("dtype")));
    if (!a || static_cast<size_t>(a.nbytes()) != out[i].nbytes()) {
      throw_runtime("[", attrs.function, "] expected a result of shape ", out[i].shape().str(), ", received ",
                    py::str(py::object(results[i]).attr("shape")).cast<std::string>(), ".");
    }
    if (out[i].nbytes() > 0) std::memcpy(out[i].mutable_raw(), a.data(), out[i].nbytes());
  }
}

void vjp(const HostCallAttrs& attrs, const VjpArgs& args, std::span<Tensor> dx) {
  const py::gil_scoped_acquire gil;
  py::list in, out, dy;
  for (const Tensor& t : args.in) in.append(wrap_object(t));
  for (const Tensor& t : args.out) out.append(wrap_object(t));
  for (const Tensor& t : args.dy) dy.append(wrap_object(t));
  const py::sequence grads = host("vjp")(attrs.function, attrs.arguments, in, out, dy);
  for (size_t i = 0; i < dx.size(); ++i) {
    const py::object g = grads[i];
    if (args.need(static_cast<int>(i)) && !g.is_none()) dx[i] = to_tensor(g.ptr(), std::nullopt, "[host_call]");
  }
}

}  // namespace

void bind_host() { set_host_functions({infer, run, vjp}); }

}  // namespace tahr::python
