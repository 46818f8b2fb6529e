#include "python/objects.h"

#include <structmember.h>

#include "autodiff/tape.h"
#include "ops/functions.h"
#include "python/convert.h"

namespace tahr::python {

PyTypeObject* tensor_type = nullptr;
PyTypeObject* variable_type = nullptr;

VariableImpl& variable_of(PyObject* o) {
  auto* self = reinterpret_cast<PyVariable*>(o);
  if (!self->variable)
    throw_runtime("[Variable] used before its value was set: call super().__init__ with an initial value.");
  return *self->variable;
}

void refuse_while_tracing(const VariableImpl& v) {
  if (!tracing()) return;
  throw_type(
      "[Variable] the value of '", v.name,
      "' was asked for as a number or array while a function is traced: it would be baked into the graph. Compute "
      "with the variable itself, use tahr.cond or tahr.where to decide by it, or run eagerly (run_eagerly=True).");
}

namespace {

// ---- life and death -------------------------------------------------------------------------------------

PyObject* tensor_alloc() {
  auto* self = PyObject_New(PyTensor, tensor_type);
  if (!self) return nullptr;
  new (&self->tensor) Tensor();
  self->dict = nullptr;
  self->weakrefs = nullptr;
  return reinterpret_cast<PyObject*>(self);
}

void tensor_dealloc(PyObject* o) {
  auto* self = reinterpret_cast<PyTensor*>(o);
  if (self->weakrefs) PyObject_ClearWeakRefs(o);
  Py_CLEAR(self->dict);
  self->tensor.~Tensor();
  PyTypeObject* type = Py_TYPE(o);
  PyObject_Free(o);
  Py_DECREF(type);
}

void variable_dealloc(PyObject* o) {
  auto* self = reinterpret_cast<PyVariable*>(o);
  if (self->weakrefs) PyObject_ClearWeakRefs(o);
  self->variable.~Ref<VariableImpl>();
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

PyObject* variable_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) return nullptr;
  auto* self = reinterpret_cast<PyVariable*>(o);
  new (&self->variable) Ref<VariableImpl>();
  self->weakrefs = nullptr;
  return o;
}

// Variable(value, name, trainable): value any tensor-like.
int variable_init(PyObject* o, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"value", "name", "trainable", nullptr};
  PyObject* value = nullptr;
  const char* name = "Variable";
  int trainable = 1;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|sp", const_cast<char**>(names), &value, &name, &trainable))
    return -1;
  PyObject* ok = guarded([&]() -> PyObject* {
    Tensor t = to_tensor(value, std::nullopt, "[Variable] the initial value");
    if (t.is_symbolic()) {
      throw_type(
          "[Variable] expected an initial value, received a symbolic tensor. Give a concrete value or a callable.");
    }
    t = to_device(t, current_device());
    reinterpret_cast<PyVariable*>(o)->variable =
        Ref<VariableImpl>(new VariableImpl(std::move(t), name, trainable != 0));
    return Py_None;
  });
  return ok ? 0 : -1;
}

// ---- operators --------------------------------------------------------------------------------------------

PyObject* read_hook = nullptr;  // owned; see set_read_hook

struct OperatorTable {
  const OpDef *add, *subtract, *multiply, *divide, *floor_divide, *mod, *power, *matmul, *bitwise_and, *bitwise_or,
      *bitwise_xor, *logical_and, *logical_or, *logical_xor, *left_shift, *right_shift, *less, *less_equal, *equal,
      *not_equal, *greater, *greater_equal, *negative, *abs, *logical_not, *bitwise_not;
};
OperatorTable table;

// The operand as a tensor; undefined if Python should try the other side.
Tensor operand(PyObject* o, PyObject* other) {
  if (is_tensor(o)) return tensor_of(o);
  if (is_variable(o)) return read_variable(o);
  if (is_python_scalar(o)) {
    if (is_tensor(other)) return scalar_beside(o, &tensor_of(other), "[operator]");
    if (is_variable(other)) {
      const Tensor beside = read_hook ? read_variable(other) : variable_of(other).value();
      return scalar_beside(o, &beside, "[operator]");
    }
    return scalar_beside(o, nullptr, "[operator]");
  }
  if (!convertible_operand(o)) return Tensor();
  return to_tensor(o, std::nullopt, "[operator] the operand");
}

PyObject* binary(const OpDef* op, PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    const Tensor in[2] = {operand(a, b), operand(b, a)};
    if (!in[0].defined() || !in[1].defined()) Py_RETURN_NOTIMPLEMENTED;
    return wrap(call1(*op, in, nullptr));
  });
}

PyObject* unary(const OpDef* op, PyObject* a) {
  return guarded([&]() -> PyObject* {
    const Tensor in[1] = {operand(a, a)};
    return wrap(call1(*op, in, nullptr));
  });
}

// A tensor's or variable's present value, without recording the read.
const Tensor& value_of(PyObject* o) { return is_tensor(o) ? tensor_of(o) : variable_of(o).value(); }

bool is_bool_like(PyObject* o) {
  if (is_tensor(o) || is_variable(o)) return value_of(o).dtype() == DType::Bool;
  return PyBool_Check(o);
}

#define TAHR_SLOT(name) \
  PyObject* slot_##name(PyObject* a, PyObject* b) { return binary(table.name, a, b); }
TAHR_SLOT(add)
TAHR_SLOT(subtract)
TAHR_SLOT(multiply)
TAHR_SLOT(divide)
TAHR_SLOT(floor_divide)
TAHR_SLOT(mod)
TAHR_SLOT(matmul)
TAHR_SLOT(left_shift)
TAHR_SLOT(right_shift)
#undef TAHR_SLOT
// & | ^ are logical on booleans, bitwise on integers.
#define TAHR_LOGIC_SLOT(name)                                                                              \
  PyObject* slot_##name(PyObject* a, PyObject* b) {                                                        \
    return binary(is_bool_like(a) && is_bool_like(b) ? table.logical_##name : table.bitwise_##name, a, b); \
  }
TAHR_LOGIC_SLOT(and)
TAHR_LOGIC_SLOT(or)
TAHR_LOGIC_SLOT(xor)
#undef TAHR_LOGIC_SLOT
PyObject* slot_power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary(table.power, a, b);
}
PyObject* slot_negative(PyObject* a) { return unary(table.negative, a); }
PyObject* slot_abs(PyObject* a) { return unary(table.abs, a); }
PyObject* slot_invert(PyObject* a) { return unary(is_bool_like(a) ? table.logical_not : table.bitwise_not, a); }
PyObject* slot_positive(PyObject* a) {
  return guarded([&] { return wrap(operand(a, a)); });
}

// The one element that bool(), float(), int() ask for.
Tensor single_element(PyObject* o, const char* what) {
  if (is_variable(o)) refuse_while_tracing(variable_of(o));
  const Tensor t = value_of(o);
  if (t.is_symbolic()) {
    throw_type("[", what,
               "] a symbolic tensor has no value while a model is being described or traced. Use "
               "tahr.cond, tahr.while_loop or tahr.where, or run eagerly (run_eagerly=True).");
  }
  if (t.size() != 1) {
    throw_value("[", what, "] expected a tensor with one element, received shape ", t.shape().str(),
                ". Reduce it first, with tahr.ops.any, tahr.ops.all or a sum.");
  }
  return t;
}

int slot_bool(PyObject* a) {
  int result = -1;
  guarded([&]() -> PyObject* {
    result = single_element(a, "bool").item() != 0;
    return Py_None;
  });
  return result;
}

PyObject* slot_float(PyObject* a) {
  return guarded([&] { return PyFloat_FromDouble(single_element(a, "float").item()); });
}

PyObject* slot_int(PyObject* a) {
  return guarded([&] {
    const Tensor t = single_element(a, "int");
    if (is_float(t.dtype())) return PyLong_FromDouble(t.item());
    if (t.dtype() == DType::UInt64) return PyLong_FromUnsignedLongLong(*on_host(t).data<uint64_t>());
    return PyLong_FromLongLong(t.item_int());
  });
}

PyObject* slot_index(PyObject* a) {
  return guarded([&]() -> PyObject* {
    const DType d = value_of(a).dtype();
    if (!is_int(d)) throw_type("[index] expected an integer tensor, received dtype ", name_of(d), ".");
    return slot_int(a);
  });
}

PyObject* slot_richcompare(PyObject* a, PyObject* b, int op) {
  if (b == Py_None && (op == Py_EQ || op == Py_NE)) return PyBool_FromLong(op == Py_NE);
  const OpDef* by_code[] = {table.less,      table.less_equal, table.equal,
                            table.not_equal, table.greater,    table.greater_equal};
  return binary(by_code[op], a, b);
}

Py_hash_t slot_hash(PyObject* o) { return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(o) >> 4); }

// ---- container --------------------------------------------------------------------------------------------

Py_ssize_t slot_length(PyObject* o) {
  Py_ssize_t n = -1;
  guarded([&]() -> PyObject* {
    const Shape& s = value_of(o).shape();
    if (s.rank() == 0) throw_type("[len] a tensor of rank 0 has no length.");
    if (s[0] == kUnknown) throw_type("[len] the first dimension of this symbolic tensor is unknown.");
    n = s[0];
    return Py_None;
  });
  return n;
}

PyObject* slot_subscript(PyObject* o, PyObject* key) {
  return guarded([&] {
    const auto items = index_items(key);
    return wrap(index_tensor(operand(o, o), items));
  });
}

// ---- buffer protocol --------------------------------------------------------------------------------------

int tensor_getbuffer(PyObject* o, Py_buffer* view, int flags) {
  static const char* formats[] = {"?", "B", "H", "I", "Q", "b", "h", "i", "q", "e", nullptr, "f", "d"};
  const Tensor& t = tensor_of(o);
  const char* format = formats[static_cast<int>(t.dtype())];
  const char* refusal = t.is_symbolic()        ? "a symbolic tensor has no memory"
                        : !t.device().is_cpu() ? "the tensor lies on a GPU: use its numpy()"
                        : !format              ? "bfloat16 has no buffer format: cast to float32 first"
                        : (flags & PyBUF_WRITABLE) == PyBUF_WRITABLE ? "tensors are immutable: the buffer is read-only"
                                                                     : nullptr;
  view->obj = nullptr;
  if (refusal) {
    PyErr_SetString(PyExc_BufferError, refusal);
    return -1;
  }
  auto* dims = new Py_ssize_t[2 * kMaxRank];
  const auto strides = contiguous_strides(t.shape());
  for (int i = 0; i < t.rank(); ++i) {
    dims[i] = t.shape()[i];
    dims[kMaxRank + i] = strides[i] * static_cast<Py_ssize_t>(size_of(t.dtype()));
  }
  view->buf = t.mutable_raw();
  view->obj = Py_NewRef(o);
  view->len = static_cast<Py_ssize_t>(t.nbytes());
  view->itemsize = static_cast<Py_ssize_t>(size_of(t.dtype()));
  view->readonly = 1;
  view->ndim = t.rank();
  view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format) : nullptr;
  view->shape = (flags & PyBUF_ND) ? dims : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? dims + kMaxRank : nullptr;
  view->suboffsets = nullptr;
  view->internal = dims;
  return 0;
}

void tensor_releasebuffer(PyObject*, Py_buffer* view) { delete[] static_cast<Py_ssize_t*>(view->internal); }

// ---- attributes -------------------------------------------------------------------------------------------

PyObject* get_shape(PyObject* o, void*) {
  return guarded([&] { return shape_tuple(value_of(o).shape()).release().ptr(); });
}
PyObject* get_dtype(PyObject* o, void*) {
  return guarded([&] { return dtype_object(value_of(o).dtype()); });
}
PyObject* get_ndim(PyObject* o, void*) {
  return guarded([&] { return PyLong_FromLong(value_of(o).rank()); });
}
PyObject* get_size(PyObject* o, void*) {
  return guarded([&]() -> PyObject* {
    const int64_t n = value_of(o).size();
    return n < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(n);
  });
}
PyObject* get_nbytes(PyObject* o, void*) {
  return guarded([&] { return PyLong_FromSize_t(value_of(o).nbytes()); });
}
PyObject* get_device(PyObject* o, void*) {
  return guarded([&] { return PyUnicode_FromString(name_of(value_of(o).device()).c_str()); });
}
PyObject* get_is_symbolic(PyObject* o, void*) { return PyBool_FromLong(tensor_of(o).is_symbolic()); }

PyGetSetDef tensor_getset[] = {
    {"shape", get_shape, nullptr, "The dimensions, a tuple; unknown ones of a symbolic tensor are None.", nullptr},
    {"dtype", get_dtype, nullptr, "The element type.", nullptr},
    {"ndim", get_ndim, nullptr, "The number of dimensions.", nullptr},
    {"size", get_size, nullptr, "The number of elements; None if it is unknown.", nullptr},
    {"nbytes", get_nbytes, nullptr, "The bytes of memory that the elements take.", nullptr},
    {"device", get_device, nullptr, "Where the elements lie: \"/cpu:0\", \"/gpu:0\".", nullptr},
    {"is_symbolic", get_is_symbolic, nullptr, "True for a tensor with shape and dtype but no value.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

uint64_t changes = 0;  // of what traces depend on beside variables' values: they may have to be made again

PyObject* get_trainable(PyObject* o, void*) {
  return guarded([&] { return PyBool_FromLong(variable_of(o).trainable); });
}
int set_trainable(PyObject* o, PyObject* v, void*) {
  const int truth = PyObject_IsTrue(v);
  if (truth < 0) return -1;
  return guarded([&]() -> PyObject* {
    VariableImpl& variable = variable_of(o);
    changes += variable.trainable != (truth != 0);
    variable.trainable = truth != 0;
    return Py_None;
  })
             ? 0
             : -1;
}
PyObject* get_name(PyObject* o, void*) {
  return guarded([&] { return PyUnicode_FromString(variable_of(o).name.c_str()); });
}
PyObject* get_version(PyObject* o, void*) {
  return guarded([&] { return PyLong_FromUnsignedLongLong(variable_of(o).version()); });
}
PyObject* get_handle(PyObject* o, void*) {
  return guarded([&] { return wrap(variable_of(o).handle()); });
}

PyGetSetDef variable_getset[] = {
    {"shape", get_shape, nullptr, "The dimensions, a tuple.", nullptr},
    {"dtype", get_dtype, nullptr, "The element type.", nullptr},
    {"ndim", get_ndim, nullptr, "The number of dimensions.", nullptr},
    {"size", get_size, nullptr, "The number of elements.", nullptr},
    {"trainable", get_trainable, set_trainable, "Whether tapes watch this variable by themselves.", nullptr},
    {"name", get_name, nullptr, "The name given at creation.", nullptr},
    {"device", get_device, nullptr, "Where the value lies: \"/cpu:0\", \"/gpu:0\".", nullptr},
    {"_version", get_version, nullptr, "How often the value was replaced.", nullptr},
    {"_handle", get_handle, nullptr, "The tensor that stands for this variable in state ops.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef tensor_members[] = {{"__dictoffset__", T_PYSSIZET, offsetof(PyTensor, dict), READONLY, nullptr},
                                {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weakrefs), READONLY, nullptr},
                                {nullptr, 0, 0, 0, nullptr}};
PyMemberDef variable_members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(PyVariable, weakrefs), READONLY, nullptr},
                                  {nullptr, 0, 0, 0, nullptr}};

template <class F>
void* slot(F* f) {
  return reinterpret_cast<void*>(f);
}

#define TAHR_NUMBER_SLOTS                                                                                             \
  {Py_nb_add, slot(slot_add)}, {Py_nb_subtract, slot(slot_subtract)}, {Py_nb_multiply, slot(slot_multiply)},          \
      {Py_nb_true_divide, slot(slot_divide)}, {Py_nb_floor_divide, slot(slot_floor_divide)},                          \
      {Py_nb_remainder, slot(slot_mod)}, {Py_nb_power, slot(slot_power)}, {Py_nb_matrix_multiply, slot(slot_matmul)}, \
      {Py_nb_and, slot(slot_and)}, {Py_nb_or, slot(slot_or)}, {Py_nb_xor, slot(slot_xor)},                            \
      {Py_nb_lshift, slot(slot_left_shift)}, {Py_nb_rshift, slot(slot_right_shift)},                                  \
      {Py_nb_negative, slot(slot_negative)}, {Py_nb_positive, slot(slot_positive)}, {Py_nb_absolute, slot(slot_abs)}, \
      {Py_nb_invert, slot(slot_invert)}, {Py_nb_bool, slot(slot_bool)}, {Py_nb_float, slot(slot_float)},              \
      {Py_nb_int, slot(slot_int)}, {Py_nb_index, slot(slot_index)}, {Py_mp_length, slot(slot_length)},                \
      {Py_mp_subscript, slot(slot_subscript)}, {Py_tp_richcompare, slot(slot_richcompare)}, {                         \
    Py_tp_hash, slot(slot_hash)                                                                                       \
  }

PyType_Slot tensor_slots[] = {
    TAHR_NUMBER_SLOTS,
    {Py_tp_dealloc, slot(tensor_dealloc)},
    {Py_tp_getset, tensor_getset},
    {Py_tp_members, tensor_members},
    {Py_bf_getbuffer, slot(tensor_getbuffer)},
    {Py_bf_releasebuffer, slot(tensor_releasebuffer)},
    {Py_tp_doc, const_cast<char*>("An immutable, dense array. Made by tahr.constant, ops and layers.")},
    {0, nullptr}};
PyType_Spec tensor_spec = {"tahr.Tensor", sizeof(PyTensor), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           tensor_slots};

PyType_Slot variable_slots[] = {
    TAHR_NUMBER_SLOTS,
    {Py_tp_new, slot(variable_new)},
    {Py_tp_init, slot(variable_init)},
    {Py_tp_dealloc, slot(variable_dealloc)},
    {Py_tp_getset, variable_getset},
    {Py_tp_members, variable_members},
    {Py_tp_doc, const_cast<char*>("The engine's side of a variable: value, name, trainable.")},
    {0, nullptr}};
PyType_Spec variable_spec = {"tahr._C.Variable", sizeof(PyVariable), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                             variable_slots};

}  // namespace

PyObject* wrap(Tensor t) {
  if (!t.defined()) Py_RETURN_NONE;
  PyObject* o = tensor_alloc();
  if (!o) throw py::error_already_set();
  reinterpret_cast<PyTensor*>(o)->tensor = std::move(t);
  return o;
}

py::object wrap_all(Tensors ts, bool as_list) {
  py::list l(ts.size());
  for (size_t i = 0; i < ts.size(); ++i) l[i] = wrap_object(std::move(ts[i]));
  if (as_list) return l;
  return py::tuple(l);
}

Tensor read_variable(VariableImpl& v) {
  static const OpDef& op = get_op("read_variable");
  const Tensor in[1] = {v.handle()};
  return apply1(op, in, nullptr);
}

Tensor read_variable(PyObject* variable) {
  if (read_hook) {
    const auto found = py::reinterpret_steal<py::object>(PyObject_CallOneArg(read_hook, variable));
    if (!found) throw py::error_already_set();
    if (is_tensor(found.ptr())) return tensor_of(found.ptr());
  }
  return read_variable(variable_of(variable));
}

void set_read_hook(PyObject* hook) {
  PyObject* old = read_hook;
  read_hook = hook == Py_None ? nullptr : Py_NewRef(hook);
  Py_XDECREF(old);
}

void translate_error(const Error& e) {
  PyObject* type = PyExc_RuntimeError;
  switch (e.kind()) {
    case ErrorKind::Value: type = PyExc_ValueError; break;
    case ErrorKind::Type: type = PyExc_TypeError; break;
    case ErrorKind::Index: type = PyExc_IndexError; break;
    case ErrorKind::Memory: type = PyExc_MemoryError; break;
    case ErrorKind::NotImplemented: type = PyExc_NotImplementedError; break;
    case ErrorKind::Runtime: break;
  }
  PyErr_SetString(type, e.what());
}

void bind_objects(py::module_& m) {
  tensor_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&tensor_spec));
  variable_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&variable_spec));
  if (!tensor_type || !variable_type) throw py::error_already_set();
  m.attr("Tensor") = py::handle(reinterpret_cast<PyObject*>(tensor_type));
  m.attr("Variable") = py::handle(reinterpret_cast<PyObject*>(variable_type));

  table = {&get_op("add"),          &get_op("subtract"),      &get_op("multiply"),    &get_op("divide"),
           &get_op("floor_divide"), &get_op("mod"),           &get_op("power"),       &get_op("matmul"),
           &get_op("bitwise_and"),  &get_op("bitwise_or"),    &get_op("bitwise_xor"), &get_op("logical_and"),
           &get_op("logical_or"),   &get_op("logical_xor"),   &get_op("left_shift"),  &get_op("right_shift"),
           &get_op("less"),         &get_op("less_equal"),    &get_op("equal"),       &get_op("not_equal"),
           &get_op("greater"),      &get_op("greater_equal"), &get_op("negative"),    &get_op("abs"),
           &get_op("logical_not"),  &get_op("bitwise_not")};

  m.def("tensor_to_numpy", &tensor_to_numpy, py::arg("tensor"), py::arg("copy"));
  m.def(
      "to_tensor",
      [](py::object o, py::object dtype, const char* what) {
        std::optional<DType> d;
        if (!dtype.is_none()) d = dtype_from_python(dtype.ptr());
        const Tensor t = to_tensor(o.ptr(), d, what);
        return is_python_scalar(o.ptr()) ? to_device(t, current_device()) : t;
      },
      py::arg("value"), py::arg("dtype") = py::none(), py::arg("what") = "value");
  m.def("from_numpy", &tensor_over_numpy, py::arg("array"));
  m.def(
      "symbolic",
      [](py::object shape, py::object dtype) {
        return Tensor::symbolic(shape_from_python(shape.ptr(), "symbolic", true), dtype_from_python(dtype.ptr()));
      },
      py::arg("shape"), py::arg("dtype"));
  m.def("read_variable", [](py::object v) { return read_variable(variable_of(v.ptr())); });
  m.def("set_read_hook", [](py::object hook) { set_read_hook(hook.ptr()); });
  m.def("variable_value", [](py::object v) {
    refuse_while_tracing(variable_of(v.ptr()));
    return variable_of(v.ptr()).snapshot();
  });
  m.def("set_variable_value", [](py::object v, Tensor t) { variable_of(v.ptr()).set_value(std::move(t)); });
  m.def("index_update", [](Tensor x, py::object key, Tensor value, const std::string& kind) {
    const auto items = index_items(key.ptr());
    return index_update(x, items, value,
                        kind == "assign" ? IndexUpdate::Assign
                        : kind == "add"  ? IndexUpdate::Add
                                         : IndexUpdate::Sub);
  });
  m.def("count_change", [] { ++changes; });
  m.def("change_count", [] { return changes; });
  m.def("plain_change_count",
        []() -> int64_t { return tracing() || recording() ? -1 : static_cast<int64_t>(changes); });
  m.def("storage_address", [](Tensor t) { return reinterpret_cast<uintptr_t>(t.raw()); });
  m.def("to_dlpack", &to_dlpack, py::arg("tensor"), py::arg("copy") = false, py::arg("wait") = true);
  m.def("from_dlpack", &from_dlpack);
  m.def("set_dtype_objects", &set_dtype_objects);
  m.def("dtype_name", [](py::object o) { return std::string(name_of(dtype_from_python(o.ptr()))); });
}

}  // namespace tahr::python
