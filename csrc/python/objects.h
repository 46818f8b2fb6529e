// The Python faces of Tensor and Variable: hand-laid CPython types, because creating and unwrapping them is the
// hot path of eager execution. Everything else in this folder is pybind11.
//
// What lives here: conversion between Python values and tensors, the functions generated from the op table, and
// thin classes over the engine. What may not: arithmetic, shape rules, defaults of ops; those are in the table.
#pragma once

#include <pybind11/pybind11.h>

#include "core/tensor.h"
#include "core/variable.h"
#include "ops/op.h"

namespace tahr::python {

namespace py = pybind11;

struct PyTensor {
  PyObject_HEAD Tensor tensor;
  PyObject* dict;
  PyObject* weakrefs;
};

struct PyVariable {
  PyObject_HEAD Ref<VariableImpl> variable;
  PyObject* weakrefs;
};

extern PyTypeObject* tensor_type;
extern PyTypeObject* variable_type;

inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type; }
inline bool is_variable(PyObject* o) { return PyObject_TypeCheck(o, variable_type); }
inline const Tensor& tensor_of(PyObject* o) { return reinterpret_cast<PyTensor*>(o)->tensor; }
VariableImpl& variable_of(PyObject* o);  // throws if __init__ never ran

// New reference; the undefined tensor becomes None.
PyObject* wrap(Tensor t);
inline py::object wrap_object(Tensor t) { return py::reinterpret_steal<py::object>(wrap(std::move(t))); }
py::object wrap_all(Tensors ts, bool as_list);

// Current value, recorded on tapes.
Tensor read_variable(VariableImpl& v);
// The same for the Python object of a variable, which the read hook may answer for (casts, state kept elsewhere).
Tensor read_variable(PyObject* variable);
void set_read_hook(PyObject* hook);  // a function (variable) -> tensor or None; None removes it

void refuse_while_tracing(const VariableImpl& v);  // throws: its value cannot be known now
void translate_error(const Error& e);              // sets the Python error indicator
// Runs f; on an engine error sets the Python error and returns null. For raw slots.
template <class F>
PyObject* guarded(F&& f) noexcept {
  try {
    return f();
  } catch (const Error& e) { translate_error(e); } catch (py::error_already_set& e) {
    e.restore();
  } catch (const std::bad_alloc&) { PyErr_NoMemory(); } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
  return nullptr;
}

void bind_objects(py::module_& m);
void bind_ops(py::module_& m);
void bind_tape(py::module_& m);
void bind_graph(py::module_& m);
void bind_data(py::module_& m);
void bind_runtime(py::module_& m);
void bind_control(py::module_& m);
void bind_host();
void bind_devices(py::module_& m);

}  // namespace tahr::python

namespace pybind11::detail {
template <>
struct type_caster<tahr::Tensor> {
  PYBIND11_TYPE_CASTER(tahr::Tensor, const_name("Tensor"));
  bool load(handle src, bool) {
    if (src.is_none()) return true;  // the undefined tensor
    if (!tahr::python::is_tensor(src.ptr())) return false;
    value = tahr::python::tensor_of(src.ptr());
    return true;
  }
  static handle cast(const tahr::Tensor& t, return_value_policy, handle) { return tahr::python::wrap(t); }
};
}  // namespace pybind11::detail
