// The gradient tape, recording control and custom gradients.
#include "autodiff/tape.h"

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include "autodiff/remat.h"
#include "python/convert.h"

namespace tahr::python {
namespace {

// The value that a tape knows a Python object by: a variable's handle, or the tensor itself.
Tensor watched_value(py::handle o, const char* what) {
  if (is_variable(o.ptr())) return variable_of(o.ptr()).handle();
  if (is_tensor(o.ptr())) return tensor_of(o.ptr());
  throw_type("[GradientTape] expected ", what, " to be tensors or variables, received ", Py_TYPE(o.ptr())->tp_name,
             ".");
}

Tensors watched_values(const py::list& l, const char* what) {
  Tensors v;
  for (py::handle o : l) v.push_back(watched_value(o, what));
  return v;
}

py::list gradient(Tape& tape, const py::list& targets, const py::list& sources,
                  const std::vector<Tensor>& output_gradients, bool keep) {
  py::list result;
  for (Tensor& g :
       tape.gradient(watched_values(targets, "targets"), watched_values(sources, "sources"), output_gradients, keep)) {
    result.append(wrap_object(std::move(g)));
  }
  return result;
}

// Owns a Python callable from engine code that may drop it without the GIL.
struct Callable {
  py::object f;
  explicit Callable(py::object o) : f(std::move(o)) {}
  ~Callable() {
    const py::gil_scoped_acquire gil;
    f = py::object();
  }
};

void record_custom(const py::list& inputs, const std::vector<Tensor>& outputs, py::object backward) {
  const auto owner = std::make_shared<Callable>(std::move(backward));
  const size_t n = inputs.size();
  record_custom_on_tapes(watched_values(inputs, "inputs"), outputs, [owner, n](std::span<const Tensor> dy) {
    const py::gil_scoped_acquire gil;
    py::list args;
    for (const Tensor& d : dy) args.append(wrap_object(d));
    const py::sequence grads = owner->f(args);
    if (grads.size() != n) {
      throw_value("[custom_gradient] expected ", n, " gradients, one per input, received ", grads.size(),
                  " from the gradient function.");
    }
    Tensors dx;
    for (py::handle g : grads)
      dx.push_back(g.is_none() ? Tensor() : to_tensor(g.ptr(), std::nullopt, "[custom_gradient] a gradient"));
    return dx;
  });
}

}  // namespace

void bind_tape(py::module_& m) {
  py::class_<Tape, std::shared_ptr<Tape>>(m, "Tape")
      .def(py::init<bool, bool>(), py::arg("persistent"), py::arg("watch_variables"))
      .def("push", [](std::shared_ptr<Tape> t) { push_tape(std::move(t)); })
      .def("pop", [](Tape& t) { pop_tape(&t); })
      .def("watch",
           [](Tape& t, py::handle o) {
             if (is_variable(o.ptr())) t.watch_variable(&variable_of(o.ptr()));
             else t.watch(watched_value(o, "what is watched"));
           })
      .def("watches", [](const Tape& t, py::handle o) { return t.watches(watched_value(o, "what is asked for")); })
      .def("reset", &Tape::reset)
      .def("size", &Tape::size)
      .def("watched_handles",
           [](const Tape& t) {
             py::list l;
             for (const auto& v : t.watched_variables()) l.append(wrap_object(v->handle()));
             return l;
           })
      .def("gradient", &gradient, py::arg("targets"), py::arg("sources"), py::arg("output_gradients"), py::arg("keep"));
  m.def("recording", &recording);
  m.def("pause_recording", &pause_recording);
  m.def("resume_recording", &resume_recording);
  m.def("begin_segment", &begin_segment);
  m.def("end_segment", &end_segment);
  m.def("abandon_segment", &abandon_segment);
  m.def("record_custom", &record_custom);
  // The engine's name for a value: equal for a variable and its handle.
  m.def("value_id", [](py::handle o) { return watched_value(o, "the argument").id(); });
}

}  // namespace tahr::python
