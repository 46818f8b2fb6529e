// The Python functions of the op table: one callable object per op, its parameters read off the op's inputs and
// attribute fields.
#include <pybind11/eval.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <structmember.h>

#include <array>
#include <cstring>

#include "ops/elementwise_attrs.h"
#include "ops/functions.h"
#include "python/convert.h"

namespace tahr::python {
namespace {

constexpr size_t kMaxParameters = 24;
constexpr size_t kMaxInputs = 16;  // of an op that is not variadic

struct OpFunction {
  PyObject_HEAD vectorcallfunc vectorcall;
  const OpDef* op;
  PyObject* dict;
  std::array<PyObject*, kMaxParameters> names;  // interned
  size_t inputs, parameters;
};

PyTypeObject* op_function_type = nullptr;

[[noreturn]] void bad_call(const OpDef& op, const std::string& problem) {
  throw_type("[", op.name, "] ", problem, " Signature: ", op.name, op_signature(op), ".");
}

int64_t int_value(PyObject* o) {
  const Py_ssize_t v = PyNumber_AsSsize_t(o, PyExc_OverflowError);
  if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
  return v;
}

// True, False, or an object that stands for one of them. Truth in general (of a string, a list) would hide mistakes.
bool bool_value(PyObject* o) {
  const bool numpy_bool = std::strncmp(Py_TYPE(o)->tp_name, "numpy.bool", 10) == 0;
  if (!PyBool_Check(o) && !PyLong_Check(o) && !numpy_bool && !is_tensor(o) && !is_variable(o)) {
    PyErr_SetString(PyExc_TypeError, "not a bool");
    throw py::error_already_set();
  }
  const int truth = PyObject_IsTrue(o);
  if (truth < 0) throw py::error_already_set();
  return truth != 0;
}

bool is_int(PyObject* o) { return PyIndex_Check(o) && !(is_tensor(o) && tensor_of(o).rank() > 0); }

// One int, or a sequence of ints (None inside: unknown).
Ints int_list(PyObject* o) {
  if (is_int(o)) return {int_value(o)};
  Ints v;
  for (py::handle e : py::reinterpret_borrow<py::iterable>(o)) {
    v.push_back(e.is_none() ? kUnknown : int_value(e.ptr()));
  }
  return v;
}

// One int, one pair, or a sequence of pairs, flattened.
IntPairs pair_list(PyObject* o) {
  IntPairs v;
  if (is_int(o)) {
    v.push_back(int_value(o));
    return v;
  }
  for (py::handle e : py::reinterpret_borrow<py::iterable>(o)) {
    const Ints part = int_list(e.ptr());
    v.insert(v.end(), part.begin(), part.end());
  }
  return v;
}

Axes axes_value(PyObject* o) {
  if (o == Py_None) return {};
  return is_int(o) ? Axes::of(int_value(o)) : Axes(int_list(o));
}

double float_value(PyObject* o) {
  const double v = PyFloat_AsDouble(o);
  if (v == -1.0 && PyErr_Occurred()) throw py::error_already_set();
  return v;
}

std::string string_value(PyObject* o) { return py::reinterpret_borrow<py::str>(o).cast<std::string>(); }

void set_attr(const OpDef& op, const AttrField& f, void* base, PyObject* o) {
  void* p = static_cast<char*>(base) + f.offset;
  try {
    switch (f.kind) {
      case AttrKind::Int: *static_cast<int64_t*>(p) = int_value(o); return;
      case AttrKind::Float: *static_cast<double*>(p) = float_value(o); return;
      case AttrKind::Bool: *static_cast<bool*>(p) = bool_value(o); return;
      case AttrKind::String:
        if (o != Py_None && !PyUnicode_Check(o)) break;
        *static_cast<std::string*>(p) = o == Py_None ? std::string() : string_value(o);
        return;
      case AttrKind::DTypeName: *static_cast<DType*>(p) = dtype_from_python(o); return;
      case AttrKind::OptInt:
        if (o == Py_None) *static_cast<std::optional<int64_t>*>(p) = std::nullopt;
        else *static_cast<std::optional<int64_t>*>(p) = int_value(o);
        return;
      case AttrKind::OptFloat:
        if (o == Py_None) *static_cast<std::optional<double>*>(p) = std::nullopt;
        else *static_cast<std::optional<double>*>(p) = float_value(o);
        return;
      case AttrKind::OptDType:
        if (o == Py_None) *static_cast<std::optional<DType>*>(p) = std::nullopt;
        else *static_cast<std::optional<DType>*>(p) = dtype_from_python(o);
        return;
      case AttrKind::OptString:
        if (o != Py_None && !PyUnicode_Check(o)) break;
        if (o == Py_None) *static_cast<std::optional<std::string>*>(p) = std::nullopt;
        else *static_cast<std::optional<std::string>*>(p) = string_value(o);
        return;
      case AttrKind::IntList: *static_cast<Ints*>(p) = int_list(o); return;
      case AttrKind::PairList: *static_cast<IntPairs*>(p) = pair_list(o); return;
      case AttrKind::OptIntList:
        if (o == Py_None) *static_cast<std::optional<Ints>*>(p) = std::nullopt;
        else *static_cast<std::optional<Ints>*>(p) = int_list(o);
        return;
      case AttrKind::NumberOrName: {
        auto& v = *static_cast<NumberOrName*>(p);
        if (o == Py_None) v = std::monostate();
        else if (PyUnicode_Check(o)) v = string_value(o);
        else v = float_value(o);
        return;
      }
      case AttrKind::AxisSet: *static_cast<Axes*>(p) = axes_value(o); return;
      case AttrKind::Graphs: break;  // not from Python values
    }
  } catch (py::error_already_set& e) {
    if (e.matches(PyExc_OverflowError)) {
      throw_value("[", op.name, "] expected ", f.name, " as ", attr_kind_name(f.kind), " of at most 64 bits, received ",
                  py::repr(o).cast<std::string>(), ".");
    }
    if (!e.matches(PyExc_TypeError)) throw;
  }
  throw_type("[", op.name, "] expected ", f.name, " as ", attr_kind_name(f.kind), ", received ",
             py::repr(o).cast<std::string>(), ".");
}

// Objects that answer for ops themselves (a functional model's placeholders) are asked through __tahr_function__.
PyObject* find_override(PyObject* o) {
  if (is_tensor(o) || is_variable(o) || is_python_scalar(o) || o == Py_None || py::isinstance<py::array>(o))
    return nullptr;
  if (PyList_Check(o) || PyTuple_Check(o)) {
    if (Py_EnterRecursiveCall(" in nested arguments")) throw py::error_already_set();
    struct Leave {
      ~Leave() { Py_LeaveRecursiveCall(); }
    } leave;
    for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; ++i) {
      if (PyObject* r = find_override(PySequence_Fast_GET_ITEM(o, i))) return r;
    }
    return nullptr;
  }
  return PyObject_HasAttrString(reinterpret_cast<PyObject*>(Py_TYPE(o)), "__tahr_function__") ? o : nullptr;
}

PyObject* call_override(PyObject* self, PyObject* receiver, PyObject* const* args, size_t nargs, PyObject* kwnames) {
  py::tuple positional(nargs);
  for (size_t i = 0; i < nargs; ++i) positional[i] = py::reinterpret_borrow<py::object>(args[i]);
  py::dict keywords;
  for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); ++i) {
    keywords[py::handle(PyTuple_GET_ITEM(kwnames, i))] = py::handle(args[nargs + static_cast<size_t>(i)]);
  }
  return py::handle(receiver).attr("__tahr_function__")(py::handle(self), positional, keywords).release().ptr();
}

// Converts inputs. Python numbers beside tensors take the dtype that promotion gives them, so that no cast is needed.
void convert_inputs(const OpDef& op, PyObject* const* objects, size_t n, Tensor* out) {
  const Tensor* beside = nullptr;
  const std::string what = "[" + op.name + "]";
  const bool updates_variables = (op.traits & kStateful) && op.variadic;  // a list of variables, passed as handles
  for (size_t i = 0; i < n; ++i) {
    PyObject* o = objects[i];
    if (!o || o == Py_None || is_python_scalar(o)) continue;
    if (updates_variables && is_variable(o)) {
      out[i] = variable_of(o).handle();
      continue;
    }
    out[i] = is_tensor(o) ? tensor_of(o) : to_tensor(o, std::nullopt, what.c_str());
    if (!beside || promote(beside->dtype(), false, out[i].dtype(), false) != beside->dtype()) beside = &out[i];
  }
  if (op.promote == Promote::None) beside = nullptr;
  for (size_t i = 0; i < n; ++i) {
    PyObject* o = objects[i];
    if (o && o != Py_None && is_python_scalar(o)) out[i] = scalar_beside(o, beside, what.c_str());
  }
}

// A cast to the dtype that x has: as for `ops::cast`, x itself.
bool changes_nothing(const OpDef& op, const Tensor& x, const void* attrs) {
  static const OpDef* const cast = find_op("cast");
  return &op == cast && !x.weak() && x.dtype() == static_cast<const CastAttrs*>(attrs)->dtype;
}

PyObject* op_call(PyObject* callable, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    auto* self = reinterpret_cast<OpFunction*>(callable);
    const OpDef& op = *self->op;
    const auto nargs = static_cast<size_t>(PyVectorcall_NARGS(nargsf));
    std::array<PyObject*, kMaxParameters> slots;
    std::fill_n(slots.begin(), self->parameters, nullptr);
    if (nargs > self->parameters)
      bad_call(op, concat("expected at most ", self->parameters, " arguments, received ", nargs, "."));
    for (size_t i = 0; i < nargs; ++i) slots[i] = args[i];
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
      PyObject* name = PyTuple_GET_ITEM(kwnames, k);
      size_t at = 0;
      while (at < self->parameters && self->names[at] != name) ++at;
      if (at == self->parameters) {  // not interned
        at = 0;
        while (at < self->parameters && PyUnicode_Compare(self->names[at], name) != 0) ++at;
      }
      if (at == self->parameters) bad_call(op, concat("has no argument '", PyUnicode_AsUTF8(name), "'."));
      if (slots[at]) bad_call(op, concat("received the argument '", op_parameter(op, at), "' twice."));
      slots[at] = args[nargs + static_cast<size_t>(k)];
    }
    for (size_t i = 0; i < self->inputs; ++i) {
      if (slots[i]) {
        if (PyObject* receiver = find_override(slots[i]))
          return call_override(callable, receiver, args, nargs, kwnames);
      }
    }

    std::shared_ptr<void> attrs;
    if (op.attrs) {
      attrs = op.attrs->make();
      for (size_t f = 0; f < op.attrs->fields.size(); ++f) {
        PyObject* o = slots[self->inputs + f];
        if (o) set_attr(op, op.attrs->fields[f], attrs.get(), o);
        else if (op.attrs->fields[f].required)
          bad_call(op, concat("needs the argument '", op.attrs->fields[f].name, "'."));
      }
    }

    Tensors out;
    if (op.variadic) {
      const size_t fixed = self->inputs - 1;
      Tensors in(fixed);
      convert_inputs(op, slots.data(), fixed, in.data());
      if (slots[fixed]) {
        const py::object list =
            py::reinterpret_steal<py::object>(PySequence_Fast(slots[fixed], "expected a list of tensors"));
        if (!list) {
          if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
          PyErr_Clear();
          bad_call(op, concat("expected ", op.input_names[fixed], " as a list of tensors, received ",
                              Py_TYPE(slots[fixed])->tp_name, "."));
        }
        const auto n = static_cast<size_t>(PySequence_Fast_GET_SIZE(list.ptr()));
        in.resize(fixed + n);
        convert_inputs(op, PySequence_Fast_ITEMS(list.ptr()), n, in.data() + fixed);
        for (size_t i = fixed; i < in.size() && !(op.traits & kStateful); ++i) {
          if (!in[i].defined()) bad_call(op, "expected a list of tensors, received None in it.");
        }
      }
      for (size_t i = 0; i < fixed && static_cast<int>(i) < op.min_inputs; ++i) {
        if (!in[i].defined()) bad_call(op, concat("needs the argument '", op.input_names[i], "', a tensor."));
      }
      out = call(op, in, attrs.get());
    } else {
      std::array<Tensor, kMaxInputs> in;
      convert_inputs(op, slots.data(), self->inputs, in.data());
      for (int i = 0; i < op.min_inputs; ++i) {
        if (!in[static_cast<size_t>(i)].defined())
          bad_call(op, concat("needs the argument '", op.input_names[static_cast<size_t>(i)], "', a tensor."));
      }
      if (changes_nothing(op, in[0], attrs.get())) return wrap(std::move(in[0]));
      if (op.outputs == 1) return wrap(call1(op, {in.data(), self->inputs}, attrs.get()));
      out = call(op, {in.data(), self->inputs}, attrs.get());
    }
    if (op.outputs == 1) return wrap(std::move(out[0]));
    if (op.outputs == 0) Py_RETURN_NONE;
    return wrap_all(std::move(out), op.outputs < 0).release().ptr();
  });
}

void op_dealloc(PyObject* o) {
  auto* self = reinterpret_cast<OpFunction*>(o);
  Py_CLEAR(self->dict);
  for (size_t i = 0; i < self->parameters; ++i) Py_DECREF(self->names[i]);
  PyTypeObject* type = Py_TYPE(o);
  PyObject_Free(o);
  Py_DECREF(type);
}

PyObject* op_name(PyObject* o, void*) {
  return PyUnicode_FromString(reinterpret_cast<OpFunction*>(o)->op->name.c_str());
}
PyObject* op_doc(PyObject* o, void*) { return PyUnicode_FromString(reinterpret_cast<OpFunction*>(o)->op->doc.c_str()); }
PyObject* op_module(PyObject*, void*) { return PyUnicode_FromString("tahr.ops"); }
PyObject* op_text_signature(PyObject* o, void*) {
  return PyUnicode_FromString(op_signature(*reinterpret_cast<OpFunction*>(o)->op).c_str());
}
// What `inspect.signature` gives. It parses no text signatures of classes it does not know, so that of a lambda with
// the same parameters stands here; it is asked for rarely, and made each time. A few internal ops have none: required
// parameters after optional ones.
PyObject* op_inspect_signature(PyObject* o, void*) {
  return guarded([&] {
    const std::string text = op_signature(*reinterpret_cast<OpFunction*>(o)->op);
    py::object same;
    try {
      same = py::eval("lambda " + text.substr(1, text.size() - 2) + ": None", py::dict());
    } catch (py::error_already_set& e) {
      if (!e.matches(PyExc_SyntaxError)) throw;
      PyErr_SetString(PyExc_AttributeError, "__signature__");
      throw py::error_already_set();
    }
    return py::module_::import("inspect").attr("signature")(same).release().ptr();
  });
}
PyObject* op_repr(PyObject* o) {
  return PyUnicode_FromFormat("<op tahr.ops.%s>", reinterpret_cast<OpFunction*>(o)->op->name.c_str());
}
PyObject* op_reduce(PyObject* o, PyObject*) {  // pickles by name
  return guarded([&] {
    return py::make_tuple(py::module_::import("tahr._C").attr("op_function"),
                          py::make_tuple(reinterpret_cast<OpFunction*>(o)->op->name))
        .release()
        .ptr();
  });
}

PyGetSetDef op_getset[] = {{"__name__", op_name, nullptr, nullptr, nullptr},
                           {"__qualname__", op_name, nullptr, nullptr, nullptr},
                           {"__doc__", op_doc, nullptr, nullptr, nullptr},
                           {"__module__", op_module, nullptr, nullptr, nullptr},
                           {"__text_signature__", op_text_signature, nullptr, nullptr, nullptr},
                           {"__signature__", op_inspect_signature, nullptr, nullptr, nullptr},
                           {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                           {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

PyObject* make_op_function(const OpDef& op) {
  auto* self = PyObject_New(OpFunction, op_function_type);
  if (!self) throw py::error_already_set();
  self->vectorcall = op_call;
  self->op = &op;
  self->dict = nullptr;
  self->inputs = op.input_names.size();
  self->parameters = self->inputs + (op.attrs ? op.attrs->fields.size() : 0);
  if (self->parameters > kMaxParameters || (self->inputs > kMaxInputs && !op.variadic))
    throw_runtime("op '", op.name, "' has too many parameters");
  for (size_t i = 0; i < self->parameters; ++i)
    self->names[i] = PyUnicode_InternFromString(op_parameter(op, i).c_str());
  return reinterpret_cast<PyObject*>(self);
}

// What generators of stubs, docs and tests read.
py::dict describe(const OpDef& op) {
  py::list inputs, attrs;
  for (size_t i = 0; i < op.input_names.size(); ++i) {
    py::dict d;
    d["name"] = op.input_names[i];
    d["optional"] = static_cast<int>(i) >= op.min_inputs && !(op.variadic && i + 1 == op.input_names.size());
    d["variadic"] = op.variadic && i + 1 == op.input_names.size();
    inputs.append(d);
  }
  if (op.attrs) {
    const auto defaults = op.attrs->make();
    for (const AttrField& f : op.attrs->fields) {
      py::dict d;
      d["name"] = f.name;
      d["kind"] = attr_kind_name(f.kind);
      d["required"] = f.required;
      d["default"] = attr_value_str(f.kind, static_cast<const char*>(defaults.get()) + f.offset);
      attrs.append(d);
    }
  }
  py::dict d;
  d["name"] = op.name;
  d["inputs"] = inputs;
  d["attrs"] = attrs;
  d["outputs"] = op.outputs;
  d["doc"] = op.doc;
  d["signature"] = op_signature(op);
  d["hidden"] = (op.traits & kHidden) != 0;
  d["elementwise"] = (op.traits & kElementwise) != 0;
  d["reduction"] = (op.traits & kReduction) != 0;
  d["random"] = (op.traits & kRandom) != 0;
  d["stateful"] = (op.traits & kStateful) != 0;
  d["composite"] = op.decompose && !op.eager && !op.kernel[0];
  d["has_kernel"] = op.kernel[0] != nullptr || op.eager != nullptr;
  d["fused"] = op.decompose != nullptr && op.kernel[0] != nullptr;
  d["differentiable"] = !(op.traits & kNoGradient) && (op.vjp != nullptr || (op.decompose && !op.kernel[0]));
  return d;
}

}  // namespace

void bind_ops(py::module_& m) {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(OpFunction, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(OpFunction, dict), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(op_dealloc)},
                                {Py_tp_getset, op_getset},
                                {Py_tp_members, members},
                                {Py_tp_methods, op_methods},
                                {Py_tp_repr, reinterpret_cast<void*>(op_repr)},
                                {0, nullptr}};
  static PyType_Spec spec = {"tahr._C.OpFunction", sizeof(OpFunction), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             slots};
  op_function_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!op_function_type) throw py::error_already_set();

  py::module_ functions = m.def_submodule("ops", "The functions of the op table, one per op.");
  for (const OpDef* op : all_ops())
    functions.attr(op->name.c_str()) = py::reinterpret_steal<py::object>(make_op_function(*op));
  m.def("op_function", [functions](const std::string& name) { return py::object(functions.attr(name.c_str())); });
  m.def("op_table", [] {
    py::list l;
    for (const OpDef* op : all_ops()) l.append(describe(*op));
    return l;
  });
  m.def("decompose", [](const std::string& name, std::vector<Tensor> in, py::dict keywords) {
    const OpDef& op = get_op(name);
    if (!op.decompose) throw_value("[", name, "] has no decomposition into plain ops.");
    std::shared_ptr<void> attrs;
    if (op.attrs) {
      attrs = op.attrs->make();
      for (const AttrField& f : op.attrs->fields) {
        if (keywords.contains(f.name)) set_attr(op, f, attrs.get(), py::object(keywords[f.name]).ptr());
      }
    }
    return wrap_all(op.decompose(in, attrs.get()), true);
  });
}

}  // namespace tahr::python
