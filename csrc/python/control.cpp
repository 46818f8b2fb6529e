// Control flow from Python: bodies traced by Python functions, and the nodes made of them.
#include "graph/control.h"

#include <pybind11/stl.h>

#include "autodiff/tape.h"
#include "python/convert.h"

namespace tahr::python {
namespace {

using graph::Tracer;

// A branch or loop body while it is traced; `with body:` makes its trace the current one, which no tape around sees.
struct Body {
  Tracer tracer;
  std::unique_ptr<RecordOnly> hidden;
  std::unique_ptr<graph::TraceScope> scope;
};

size_t node_count(const Body& b) { return b.tracer.graph().nodes.size(); }

}  // namespace

void bind_control(py::module_& m) {
  graph::set_interrupt_check([] {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  });
  py::class_<Body>(m, "Body")
      .def(py::init<>())
      .def(
          "__enter__",
          [](Body& b) -> Body& {
            b.hidden = std::make_unique<RecordOnly>();
            b.scope = std::make_unique<graph::TraceScope>(b.tracer);
            return b;
          },
          py::return_value_policy::reference)
      .def("__exit__",
           [](Body& b, const py::args&) {
             b.scope.reset();
             b.hidden.reset();
           })
      .def("input",
           [](Body& b, py::object shape, py::object dtype) {
             return b.tracer.input({shape_from_python(shape.ptr(), "body", true), dtype_from_python(dtype.ptr())});
           })
      .def("size", &node_count);

  m.def("trace_cond", [](const Tensor& index, const std::vector<Body*>& bodies,
                         const std::vector<std::vector<Tensor>>& outputs, const std::vector<Tensor>& operands) {
    std::vector<graph::TracedBody> traced;
    for (size_t i = 0; i < bodies.size(); ++i) traced.push_back(finish_body(bodies[i]->tracer, outputs[i]));
    return wrap_all(trace_cond(index, std::move(traced), operands), true);
  });
  m.def("trace_loop", [](Body& body, const std::vector<Tensor>& outputs, Body* condition, const Tensor& again,
                         const std::vector<Tensor>& operands, size_t carries, const Tensor& count, int64_t length,
                         int64_t maximum, bool reverse) {
    graph::LoopParts p;
    p.body = finish_body(body.tracer, outputs);
    if (condition) p.condition = finish_body(condition->tracer, {&again, 1});
    p.count = count;
    p.operands = operands;
    p.carries = carries;
    p.slices = operands.size() - carries;
    p.length = length;
    p.maximum = maximum;
    p.reverse = reverse;
    return wrap_all(trace_loop(std::move(p)), true);
  });
  m.def("trace_custom_call", [](Body& body, const std::vector<Tensor>& outputs, size_t boundary, size_t cotangents,
                                const std::vector<bool>& connected, const std::vector<Tensor>& operands) {
    return wrap_all(
        trace_custom_call(finish_body(body.tracer, outputs), boundary,
                          outputs.size() - static_cast<size_t>(std::count(connected.begin(), connected.end(), true)),
                          cotangents, {connected.begin(), connected.end()}, operands),
        true);
  });
}

}  // namespace tahr::python
