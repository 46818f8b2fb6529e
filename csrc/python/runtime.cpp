// Graph files from Python: freezing, writing, and the loader that csrc/runtime gives to C++ programs.
#include <pybind11/stl.h>

#include "graph/control.h"
#include "python/convert.h"
#include "runtime/session.h"

namespace tahr::python {
namespace {

using graph::GraphFunction;

py::list infos(const graph::Graph& g, const std::vector<graph::ValueId>& ids, const std::vector<std::string>& names) {
  py::list l;
  for (size_t i = 0; i < ids.size(); ++i) {
    const Spec& s = g.value(ids[i]).spec;
    l.append(py::make_tuple(names[i], name_of(s.dtype), shape_tuple(s.shape)));
  }
  return l;
}

// A graph as plain Python data: per value its dtype, shape and, for a constant, its array; per node its op, attributes
// as text, inputs (-1: absent) and results.
py::dict data_of(const GraphFunction& f) {
  const graph::Graph& g = f.traced();
  py::list values, nodes;
  for (const graph::Value& v : g.values) {
    py::object constant = py::none();
    if (v.kind == graph::Value::Kind::Constant) constant = tensor_to_numpy(v.constant, true);
    values.append(py::make_tuple(name_of(v.spec.dtype), shape_tuple(v.spec.shape), constant));
  }
  for (const graph::Node& n : g.nodes)
    nodes.append(py::make_tuple(n.op->name, n.attrs ? attrs_str(*n.op->attrs, n.attrs.get()) : "", n.in, n.out));
  py::dict d;
  d["values"] = values;
  d["nodes"] = nodes;
  d["inputs"] = g.inputs;
  d["outputs"] = g.outputs;
  return d;
}

}  // namespace

void bind_runtime(py::module_& m) {
  m.def("freeze_graph", [](const GraphFunction& f) { return GraphFunction::make(runtime::freeze(f.traced())); });
  m.def("graph_data", &data_of);
  m.def("graph_bytes", [](const GraphFunction& f, std::vector<std::string> inputs, std::vector<std::string> outputs) {
    const graph::Graph& g = f.traced();
    if (inputs.size() != g.inputs.size() || outputs.size() != g.outputs.size())
      throw_value("[export] expected a name for each of ", g.inputs.size(), " inputs and ", g.outputs.size(),
                  " outputs, received ", inputs.size(), " and ", outputs.size(), ".");
    return py::bytes(runtime::to_bytes({g, std::move(inputs), std::move(outputs)}));
  });
  py::class_<runtime::Session, std::shared_ptr<runtime::Session>>(m, "LoadedGraph")
      .def(py::init([](const py::bytes& bytes, size_t memory, double seconds) {
             const std::string_view s = bytes;
             return std::make_shared<runtime::Session>(runtime::aligned_copy(s.data(), s.size()),
                                                       runtime::Limits{memory, seconds});
           }),
           py::arg("bytes"), py::kw_only(), py::arg("memory") = 0, py::arg("seconds") = 0.0)
      .def_property_readonly(
          "inputs",
          [](const runtime::Session& s) { return infos(s.file().graph, s.file().graph.inputs, s.file().inputs); })
      .def_property_readonly(
          "outputs",
          [](const runtime::Session& s) { return infos(s.file().graph, s.file().graph.outputs, s.file().outputs); })
      .def("__call__", [](runtime::Session& s, const Tensors& inputs) {
        Tensors out;
        {
          const py::gil_scoped_release release;
          out = s.run(inputs);
        }
        return wrap_all(std::move(out), true);
      });
}

}  // namespace tahr::python
