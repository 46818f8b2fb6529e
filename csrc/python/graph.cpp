// Tracing from Python: the tracer, traced functions, and what can be read off their graphs.
#include <pybind11/stl.h>

#include "autodiff/tape.h"
#include "graph/batch_loop.h"
#include "graph/passes.h"
#include "graph/report.h"
#include "graph/trace.h"
#include "python/convert.h"

namespace tahr::python {
namespace {

using graph::Executable;
using graph::GraphFunction;
using graph::Tracer;

// The tracer of one trace; `with tracer:` makes it the current one.
struct PyTracer {
  Tracer tracer;
  std::unique_ptr<graph::TraceScope> scope;
  std::unique_ptr<RecordOnly> hidden;  // tapes around the trace do not see it
};

struct PyPause {
  std::unique_ptr<graph::PauseTracing> pause;
};

Tensors call_function(GraphFunction& f, const std::vector<Tensor>& inputs) {
  if (tracing() || recording()) return f.call(inputs);
  const py::gil_scoped_release release;
  return f.run(inputs);
}

py::dict stats(GraphFunction& f) {
  const graph::PlanStats& s = f.compiled().stats();
  py::dict d;
  d["arena_bytes"] = s.arena_bytes;
  d["unshared_bytes"] = s.unshared_bytes;
  d["kernels"] = s.kernels;
  d["views"] = s.views;
  d["in_place"] = s.in_place;
  d["copies"] = s.copies;
  d["dynamic"] = s.dynamic;
  return d;
}

py::dict report(const graph::GraphReport& r) {
  py::list values, nodes;
  for (const graph::ValueReport& v : r.values) {
    py::dict d;
    d["kind"] = v.kind;
    d["dtype"] = v.dtype;
    d["name"] = v.name;
    d["placement"] = v.placement;
    d["shape"] = shape_tuple(v.shape);
    values.append(d);
  }
  for (const graph::NodeReport& n : r.nodes) {
    py::dict d;
    d["op"] = n.op;
    d["attrs"] = n.attrs;
    d["step"] = n.step;
    d["in"] = n.in;
    d["out"] = n.out;
    d["flops"] = n.cost.flops;
    d["bytes"] = n.cost.bytes;
    d["runs"] = n.runs;
    d["seconds"] = n.seconds;
    d["fastest"] = n.fastest;
    nodes.append(d);
  }
  py::dict d;
  d["values"] = values;
  d["nodes"] = nodes;
  d["inputs"] = r.inputs;
  d["outputs"] = r.outputs;
  d["arena_bytes"] = r.stats.arena_bytes;
  d["unshared_bytes"] = r.stats.unshared_bytes;
  d["device"] = r.device;
  d["replay"] = r.replay;
  return d;
}

py::list stop_profile(int id) {
  py::list l;
  for (const graph::GraphReport& r : graph::stop_profile(id)) l.append(report(r));
  return l;
}

py::dict machine() {
  const graph::Machine* m = nullptr;
  {
    const py::gil_scoped_release release;
    m = &graph::this_machine();
  }
  py::list bandwidths;
  for (const auto& b : m->bandwidths) bandwidths.append(py::make_tuple(b.bytes, b.bytes_per_second));
  py::dict d;
  d["flops_per_second"] = m->flops_per_second;
  d["bandwidths"] = bandwidths;
  return d;
}

}  // namespace

void bind_graph(py::module_& m) {
  py::class_<GraphFunction, std::shared_ptr<GraphFunction>>(m, "GraphFunction")
      .def("__call__",
           [](GraphFunction& f, const std::vector<Tensor>& in) { return wrap_all(call_function(f, in), true); })
      .def("call_one",  // the output for one tensor; None if the graph is for others, or gives several
           [](GraphFunction& f, const Tensor& x) -> py::object {
             const graph::Graph& g = f.traced();
             if (g.inputs.size() != 1 || g.outputs.size() != 1) return py::none();
             const Spec& spec = g.value(g.inputs[0]).spec;
             if (x.dtype() != spec.dtype || x.shape() != spec.shape) return py::none();
             return wrap_object(std::move(call_function(f, {x})[0]));
           })
      .def("traced_text", [](const GraphFunction& f) { return f.traced().str(); })
      .def("text", [](GraphFunction& f) { return graph::text_of(f.compiled()); })
      .def("report", [](GraphFunction& f) { return report(graph::report_of(f.compiled())); })
      .def("after",  // the traced graph after the named passes, for tests of single ones
           [](const GraphFunction& f, const std::vector<std::string>& passes) {
             graph::Graph g = f.traced();
             for (const std::string& name : passes) graph::run_pass(g, name);
             return GraphFunction::make(std::move(g));
           })
      .def("output_shapes",
           [](const GraphFunction& f) {
             py::list l;
             for (graph::ValueId v : f.traced().outputs) l.append(shape_tuple(f.traced().value(v).spec.shape));
             return l;
           })
      .def("of_batch", &GraphFunction::of_batch, py::arg("size"))
      .def("pure", &GraphFunction::pure)
      .def("stats", &stats);

  py::class_<PyTracer>(m, "Tracer")
      .def(py::init<>())
      .def(
          "__enter__",
          [](PyTracer& t) -> PyTracer& {
            t.hidden = std::make_unique<RecordOnly>();
            t.scope = std::make_unique<graph::TraceScope>(t.tracer);
            return t;
          },
          py::return_value_policy::reference)
      .def("__exit__",
           [](PyTracer& t, const py::args&) {
             t.scope.reset();
             t.hidden.reset();
           })
      .def("input",
           [](PyTracer& t, py::object shape, py::object dtype) {
             return t.tracer.input({shape_from_python(shape.ptr(), "function", true), dtype_from_python(dtype.ptr())});
           })
      .def("finish", [](PyTracer& t, const std::vector<Tensor>& outputs) {
        return GraphFunction::make(t.tracer.finish(outputs));
      });

  py::class_<PyPause>(m, "PauseTracing")
      .def(py::init<>())
      .def("__enter__", [](PyPause& p) { p.pause = std::make_unique<graph::PauseTracing>(); })
      .def("__exit__", [](PyPause& p, const py::args&) { p.pause.reset(); });
  py::class_<graph::BatchLoop>(m, "BatchLoop")
      .def(py::init<Tensors>())
      .def("start", &graph::BatchLoop::start, py::arg("order"), py::arg("rows"), py::arg("batch_size"))
      .def("run", &graph::BatchLoop::run, py::arg("step"), py::arg("seconds"), py::arg("max_batches"),
           py::arg("collect") = false, py::call_guard<py::gil_scoped_release>())
      .def("done", &graph::BatchLoop::done)
      .def("next_batch_size", &graph::BatchLoop::next_batch_size)
      .def("take",
           [](graph::BatchLoop& l) {
             Tensors batch;
             {
               const py::gil_scoped_release release;
               batch = l.take();
             }
             return wrap_all(std::move(batch), true);
           })
      .def("collected", [](const graph::BatchLoop& l) { return wrap_all(l.collected(), true); })
      .def("last", [](const graph::BatchLoop& l) { return wrap_all(l.last(), true); });
  m.def("start_profile", &graph::start_profile);
  m.def("stop_profile", &stop_profile);
  m.def("machine", &machine);
  m.def("tracing", [] { return tracing() != nullptr; });
}

}  // namespace tahr::python
