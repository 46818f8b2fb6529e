#include "python/convert.h"

#include <pybind11/numpy.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "ops/functions.h"

namespace tahr::python {
namespace {

std::array<PyObject*, kDTypeCount> dtype_objects{};

const char* type_name(PyObject* o) { return Py_TYPE(o)->tp_name; }

// NumPy's one-letter codes of our dtypes; bfloat16 goes by name (ml_dtypes).
bool dtype_of_array(const py::dtype& d, DType* out) {
  const char kind = d.kind();
  const auto size = d.itemsize();
  switch (kind) {
    case 'b': *out = DType::Bool; return true;
    case 'u':
      *out = size == 1 ? DType::UInt8 : size == 2 ? DType::UInt16 : size == 4 ? DType::UInt32 : DType::UInt64;
      return true;
    case 'i':
      *out = size == 1 ? DType::Int8 : size == 2 ? DType::Int16 : size == 4 ? DType::Int32 : DType::Int64;
      return true;
    case 'f':
      if (size > 8) return false;
      *out = size == 2 ? DType::Float16 : size == 4 ? DType::Float32 : DType::Float64;
      return true;
    default: break;
  }
  const auto name = d.attr("name").cast<std::string>();
  return name == "bfloat16" && dtype_from_name(name, out);
}

py::dtype numpy_dtype(DType d) {
  if (d == DType::BFloat16) return py::dtype::from_args(py::module_::import("ml_dtypes").attr("bfloat16"));
  return py::dtype(name_of(d));
}

Shape shape_of_array(const py::array& a) {
  if (a.ndim() > kMaxRank)
    throw_value("tensors have at most ", kMaxRank, " dimensions, received an array with ", a.ndim(), ".");
  Shape s;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) s.push_back(a.shape(i));
  return s;
}

Tensor from_array(py::array a, const char* what) {
  DType d;
  if (!dtype_of_array(a.dtype(), &d)) {
    throw_type(what, " expected numbers, received an array of dtype ", a.dtype().attr("name").cast<std::string>(),
               ". Convert strings and objects to numbers first.");
  }
  const bool swapped = a.dtype().byteorder() == '>';
  if (swapped || !(a.flags() & py::array::c_style)) {
    a = py::module_::import("numpy").attr("asarray")(
        a, swapped ? py::object(a.dtype().attr("newbyteorder")("=")) : py::object(py::none()), "C");
  }
  Tensor t = Tensor::empty(shape_of_array(a), d);
  std::memcpy(t.mutable_raw(), a.data(), t.nbytes());
  return t;
}

// Whether an integer dtype holds v.
template <class V>
bool fits(V v, DType d) {
  return visit_dtype(d, [&]<class T>() {
    if constexpr (std::is_same_v<V, double>) {
      if constexpr (std::is_integral_v<T>) {
        const double above = std::ldexp(1.0, std::numeric_limits<T>::digits);  // exact, unlike the largest value
        return v > static_cast<double>(std::numeric_limits<T>::min()) - 1 && v < above;
      }
    } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      return std::in_range<T>(v);
    }
    return true;
  });
}

[[noreturn]] void does_not_fit(const char* what, PyObject* o, DType d) {
  throw_value(what, " expected a number within the range of ", name_of(d), ", received ",
              py::repr(o).cast<std::string>(), ". Use a wider dtype.");
}

Tensor from_number(PyObject* o, DType d, const char* what) {
  if (PyBool_Check(o)) return Tensor::scalar_int(o == Py_True, d);
  if (PyLong_Check(o)) {
    int overflow = 0;
    const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow == 0) {
      if (is_float(d)) return Tensor::scalar(static_cast<double>(v), d);
      if (d == DType::Bool) return Tensor::scalar_int(v != 0, d);
      if (!fits(v, d)) does_not_fit(what, o, d);
      return Tensor::scalar_int(v, d);
    }
    if (overflow > 0 && d == DType::UInt64) {
      const unsigned long long u = PyLong_AsUnsignedLongLong(o);
      if (!PyErr_Occurred()) return Tensor::scalar_int(static_cast<int64_t>(u), d);
      PyErr_Clear();
    }
    if (!is_float(d)) does_not_fit(what, o, d);
    const double v_float = PyLong_AsDouble(o);
    if (v_float == -1.0 && PyErr_Occurred()) {
      PyErr_Clear();
      does_not_fit(what, o, d);
    }
    return Tensor::scalar(v_float, d);
  }
  const double v = PyFloat_AsDouble(o);
  if (v == -1.0 && PyErr_Occurred()) throw py::error_already_set();
  if (is_int(d) && !fits(v, d)) does_not_fit(what, o, d);
  return Tensor::scalar(v, d);
}

DType weak_dtype(PyObject* o) {
  if (PyBool_Check(o)) return DType::Bool;
  if (PyFloat_Check(o)) return floatx();
  int overflow = 0;
  const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (overflow > 0) return DType::UInt64;
  return overflow == 0 && v >= INT32_MIN && v <= INT32_MAX ? DType::Int32 : DType::Int64;
}

// Recursion over nested Python lists, bounded by Python's own limit: a list may contain itself.
struct RecursionGuard {
  RecursionGuard() {
    if (Py_EnterRecursiveCall(" while converting nested lists to a tensor")) throw py::error_already_set();
  }
  ~RecursionGuard() { Py_LeaveRecursiveCall(); }
};

bool contains_tensor(PyObject* list) {
  const RecursionGuard guard_depth;
  PyObject* fast = PySequence_Fast(list, "");
  if (!fast) throw py::error_already_set();
  const auto guard = py::reinterpret_steal<py::object>(fast);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); ++i) {
    PyObject* e = PySequence_Fast_GET_ITEM(fast, i);
    if (is_tensor(e) || is_variable(e)) return true;
    if ((PyList_Check(e) || PyTuple_Check(e)) && contains_tensor(e)) return true;
  }
  return false;
}

// Numbers of a list must fit into the dtype asked for, as single numbers must.
void check_range(const Tensor& t, DType d, PyObject* list, const char* what) {
  if (!is_int(d) || t.dtype() == d) return;
  visit_dtype(t.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < t.size(); ++i) {
      bool ok = true;
      if constexpr (std::is_same_v<T, double>) ok = fits(t.data<T>()[i], d);
      else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) ok = fits(t.data<T>()[i], d);
      if (!ok) does_not_fit(what, list, d);
    }
  });
}

Tensor from_list(PyObject* o, const std::optional<DType>& dtype, const char* what) {
  if (contains_tensor(o)) {
    Tensors parts;
    for (py::handle e : py::reinterpret_borrow<py::sequence>(o)) {
      Tensor t = to_tensor(e.ptr(), dtype, what);
      Shape s = t.shape();
      s.insert(0, 1);
      parts.push_back(ops::reshape(t, s));
    }
    return ops::concatenate(parts, 0);
  }
  py::array a;
  try {
    a = py::array(py::module_::import("numpy").attr("asarray")(py::handle(o)));
  } catch (py::error_already_set& e) {
    throw_value(what, " expected a nested list of equal lengths, received a ragged or mixed one (", e.what(), ").");
  }
  Tensor t = from_array(a, what);
  if (dtype) {
    check_range(t, *dtype, o, what);
    return t;
  }
  // A list carries no dtype of its own: numbers in it are the default ones.
  if (t.dtype() == DType::Float64) return ops::cast(t, floatx());
  if (t.dtype() == DType::Int64 && t.size() > 0) {
    const auto* v = t.data<int64_t>();
    for (int64_t i = 0; i < t.size(); ++i) {
      if (v[i] < INT32_MIN || v[i] > INT32_MAX) return t;
    }
    return ops::cast(t, DType::Int32);
  }
  return t;
}

}  // namespace

bool is_python_scalar(PyObject* o) { return PyFloat_CheckExact(o) || PyLong_CheckExact(o) || PyBool_Check(o); }

bool convertible_operand(PyObject* o) {
  if (PyList_Check(o) || PyTuple_Check(o) || PyFloat_Check(o) || PyLong_Check(o)) return true;
  if (o == Py_None || PyUnicode_Check(o)) return false;
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(o));
  if (PyObject_HasAttrString(type, "__tahr_function__")) return false;
  return PyObject_HasAttrString(type, "__tahr_tensor__") || PyObject_HasAttrString(type, "__array__");
}

Tensor scalar_beside(PyObject* number, const Tensor* other, const char* what) {
  const DType own = weak_dtype(number);
  if (other) return from_number(number, promote(other->dtype(), other->weak(), own, own != DType::Bool), what);
  Tensor t = from_number(number, own, what);
  t.impl()->weak = own != DType::Bool;
  return t;
}

Tensor to_tensor(PyObject* o, const std::optional<DType>& dtype, const char* what) {
  const auto as = [&](Tensor t) { return dtype && t.dtype() != *dtype ? ops::cast(t, *dtype) : t; };
  if (is_tensor(o)) return as(tensor_of(o));
  if (is_variable(o)) return as(read_variable(o));
  if (is_python_scalar(o)) return from_number(o, dtype ? *dtype : weak_dtype(o), what);
  const auto placed = [](const Tensor& t) { return to_device(t, current_device()); };
  if (PyList_Check(o) || PyTuple_Check(o)) return as(placed(from_list(o, dtype, what)));
  if (py::isinstance<py::array>(o)) return as(placed(from_array(py::reinterpret_borrow<py::array>(o), what)));
  if (PyUnicode_Check(o) || PyBytes_Check(o)) {
    throw_type(what, " expected numbers (a tensor, an array, a list or a number), received the string ",
               py::repr(o).cast<std::string>(),
               ". Convert text to numbers first, for example with a vocabulary lookup.");
  }
  if (o != Py_None) {
    const py::handle h(o);
    if (py::hasattr(h, "__tahr_tensor__")) return as(to_tensor(h.attr("__tahr_tensor__")().ptr(), dtype, what));
    if (py::hasattr(h, "__array__"))
      return as(placed(from_array(py::array(py::module_::import("numpy").attr("asarray")(h)), what)));
    if (PyFloat_Check(o) || PyLong_Check(o)) return from_number(o, dtype ? *dtype : weak_dtype(o), what);
    if (PyRange_Check(o))
      return as(placed(from_list(py::list(py::reinterpret_borrow<py::object>(h)).ptr(), dtype, what)));
  }
  throw_type(what, " expected a tensor, an array, a list or a number, received ", type_name(o), ".");
}

DType dtype_from_python(PyObject* o) {
  DType d;
  if (PyUnicode_Check(o)) {
    const char* s = PyUnicode_AsUTF8(o);
    if (!s) throw py::error_already_set();
    if (dtype_from_name(s, &d)) return d;
    std::string_view v(s);
    if (v == "float") return floatx();
    if (v == "int") return DType::Int32;
    if (v == "half") return DType::Float16;
    if (v == "double") return DType::Float64;
    throw_value("unknown dtype '", s, "'. Known: bool, (u)int8 to (u)int64, float16, bfloat16, float32, float64.");
  }
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return floatx();
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::Int32;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::Bool;
  if (o != Py_None) {
    try {
      const py::object np_dtype = py::module_::import("numpy").attr("dtype")(py::handle(o));
      if (dtype_of_array(np_dtype.cast<py::dtype>(), &d)) return d;
    } catch (py::error_already_set&) {}
    // Another library's dtype object, such as torch.float32: go by the last part of its name.
    const std::string s = py::str(py::handle(o));
    if (dtype_from_name(s.substr(s.rfind('.') + 1), &d)) return d;
  }
  throw_type("expected a dtype such as 'float32', received ", py::repr(o).cast<std::string>(), ".");
}

void set_dtype_objects(py::list objects) {
  for (size_t i = 0; i < dtype_objects.size(); ++i) dtype_objects[i] = py::object(objects[i]).release().ptr();
}

PyObject* dtype_object(DType d) {
  PyObject* o = dtype_objects[static_cast<size_t>(d)];
  return o ? Py_NewRef(o) : PyUnicode_FromString(name_of(d));
}

py::tuple shape_tuple(const Shape& s) {
  py::tuple t(static_cast<size_t>(s.rank()));
  for (int i = 0; i < s.rank(); ++i)
    t[static_cast<size_t>(i)] = s[i] == kUnknown ? py::object(py::none()) : py::object(py::int_(s[i]));
  return t;
}

Shape shape_from_python(PyObject* o, const char* what, bool allow_unknown) {
  Shape s;
  const auto dim = [&](PyObject* e) {
    if (e == Py_None && allow_unknown) return kUnknown;
    const Py_ssize_t v = PyNumber_AsSsize_t(e, PyExc_OverflowError);
    if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
    if (v < 0) throw_value("[", what, "] expected dimensions that are not negative, received ", v, ".");
    return static_cast<int64_t>(v);
  };
  if (PyIndex_Check(o) && !is_tensor(o)) {
    s.push_back(dim(o));
    return s;
  }
  for (py::handle e : py::reinterpret_borrow<py::iterable>(o)) s.push_back(dim(e.ptr()));
  return s;
}

namespace {

std::optional<int64_t> slice_part(PyObject* o) {
  if (o == Py_None) return std::nullopt;
  const Py_ssize_t v = PyNumber_AsSsize_t(o, nullptr);
  if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
  return v;
}

IndexItem index_item(PyObject* o) {
  if (PyLong_CheckExact(o)) return slice_part(o).value();
  if (PySlice_Check(o)) {
    const auto* s = reinterpret_cast<PySliceObject*>(o);
    return IndexSlice{slice_part(s->start), slice_part(s->stop), slice_part(s->step)};
  }
  if (o == Py_Ellipsis) return IndexEllipsis{};
  if (o == Py_None) return IndexNewAxis{};
  if (PyIndex_Check(o) && !PyBool_Check(o) && !is_tensor(o) && !is_variable(o) && !py::isinstance<py::array>(o))
    return slice_part(o).value();
  Tensor t = to_tensor(o, std::nullopt, "[index] an index");
  if (t.size() == 0 && is_float(t.dtype())) t = ops::cast(t, DType::Int32);  // x[[]]
  return t;
}

}  // namespace

std::vector<IndexItem> index_items(PyObject* key) {
  std::vector<IndexItem> items;
  if (PyTuple_CheckExact(key)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); ++i) items.push_back(index_item(PyTuple_GET_ITEM(key, i)));
  } else {
    items.push_back(index_item(key));
  }
  return items;
}

py::object tensor_to_numpy(const Tensor& anywhere, bool copy) {
  if (anywhere.is_symbolic())
    throw_type("[numpy] a symbolic tensor has no value to convert; it only describes shape ", anywhere.shape().str(),
               " and dtype ", name_of(anywhere.dtype()),
               ". Compute with tahr's ops on the tensor itself, or run eagerly (run_eagerly=True).");
  const Tensor t = on_host(anywhere);
  std::vector<py::ssize_t> shape(t.shape().begin(), t.shape().end());
  const py::dtype dtype = numpy_dtype(t.dtype());
  if (copy) {
    py::array a(dtype, shape);
    std::memcpy(a.mutable_data(), t.raw(), t.nbytes());
    return a;
  }
  py::array a(dtype, shape, t.raw(), wrap_object(t));
  py::detail::array_proxy(a.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return a;
}

Tensor tensor_over_numpy(py::object array) {
  const auto a = py::array(array);
  DType d;
  if (!dtype_of_array(a.dtype(), &d) || !(a.flags() & py::array::c_style) || a.dtype().byteorder() == '>') {
    throw_value("[from_numpy] expected a C-contiguous array of numbers, received dtype ",
                a.dtype().attr("name").cast<std::string>(), ". Use tahr.convert_to_tensor, which copies.");
  }
  PyObject* owner = a.inc_ref().ptr();
  auto storage = Storage::borrow(
      const_cast<void*>(a.data()), static_cast<size_t>(a.nbytes()), owner,
      [](void* o) {
        const py::gil_scoped_acquire gil;
        Py_DECREF(static_cast<PyObject*>(o));
      },
      false);
  return Tensor::from_storage(std::move(storage), 0, shape_of_array(a), d);
}

// ---- DLPack (version 0.8 of the protocol: the unversioned capsule that every library reads) ------------------

namespace {

struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};
enum : uint8_t { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLBool = 6 };
constexpr int32_t kDLCPU = 1, kDLCUDA = 2;

struct Export {
  DLManagedTensor managed;
  Tensor tensor;
  std::array<int64_t, kMaxRank> shape, strides;
};

}  // namespace

py::capsule to_dlpack(Tensor t, bool copy, bool wait) {
  if (t.is_symbolic()) throw_type("[dlpack] a symbolic tensor has no memory.");
  if (copy) t = copy_of(t);
  const Device device = t.device();
  if (wait) device_synchronize(device);  // whoever takes it over need not know of our stream
  auto* e = new Export{{}, t, {}, contiguous_strides(t.shape())};
  std::copy(t.shape().begin(), t.shape().end(), e->shape.begin());
  const DType d = t.dtype();
  const uint8_t code = d == DType::Bool       ? kDLBool
                       : d == DType::BFloat16 ? kDLBfloat
                       : is_float(d)          ? kDLFloat
                       : is_signed_int(d)     ? kDLInt
                                              : kDLUInt;
  const DLDevice place{device.is_cpu() ? kDLCPU : kDLCUDA, hardware_number(device)};
  e->managed.dl_tensor = {
      t.mutable_raw(),   place, t.rank(), {code, static_cast<uint8_t>(8 * size_of(d)), 1}, e->shape.data(),
      e->strides.data(), 0};
  e->managed.manager_ctx = e;
  e->managed.deleter = [](DLManagedTensor* m) { delete static_cast<Export*>(m->manager_ctx); };
  return py::capsule(&e->managed, "dltensor", [](PyObject* c) {
    if (!PyCapsule_IsValid(c, "dltensor")) return;  // consumed: its new owner frees it
    auto* m = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(c, "dltensor"));
    m->deleter(m);
  });
}

Tensor from_dlpack(py::object capsule) {
  auto* m = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (!m) {
    PyErr_Clear();
    throw_value("[from_dlpack] expected a fresh DLPack capsule, received ", py::repr(capsule).cast<std::string>(),
                ". A capsule can be taken over once only.");
  }
  const DLTensor& src = m->dl_tensor;
  if (src.device.device_type != kDLCPU && src.device.device_type != kDLCUDA)
    throw_value("[from_dlpack] expected memory of the CPU or of a CUDA device, received device type ",
                src.device.device_type, ". Copy it to the CPU first.");
  const Device device = src.device.device_type == kDLCPU ? kCpu : device_by_hardware(src.device.device_id);
  DType d = DType::Float32;
  const bool known = [&] {
    if (src.dtype.lanes != 1) return false;
    const std::string bits = std::to_string(src.dtype.bits);
    switch (src.dtype.code) {
      case kDLInt: return dtype_from_name("int" + bits, &d);
      case kDLUInt: return dtype_from_name("uint" + bits, &d);
      case kDLFloat: return dtype_from_name("float" + bits, &d);
      case kDLBfloat: return dtype_from_name("bfloat" + bits, &d);
      case kDLBool: return dtype_from_name("bool", &d);
      default: return false;
    }
  }();
  if (!known)
    throw_type("[from_dlpack] the dtype (code ", int(src.dtype.code), ", ", int(src.dtype.bits),
               " bits) has no counterpart here.");
  const Shape shape(std::span<const int64_t>(src.shape, static_cast<size_t>(src.ndim)));
  const auto strides = contiguous_strides(shape);
  for (int i = 0; i < src.ndim && src.strides; ++i) {
    if (shape[i] > 1 && src.strides[i] != strides[static_cast<size_t>(i)]) {
      throw_value("[from_dlpack] expected contiguous memory, received a strided view of shape ", shape.str(),
                  ". Make it contiguous first.");
    }
  }
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  auto storage = Storage::borrow(
      static_cast<char*>(src.data) + src.byte_offset, static_cast<size_t>(shape.size()) * size_of(d), m,
      [](void* o) {
        auto* owner = static_cast<DLManagedTensor*>(o);
        if (owner->dl_tensor.device.device_type == kDLCUDA) {  // nothing may still be reading it
          try {
            device_synchronize(device_by_hardware(owner->dl_tensor.device.device_id));
          } catch (const Error&) {  // the device is lost, and its work with it
          }
        }
        if (owner->deleter) owner->deleter(owner);
      },
      false, device);
  return Tensor::from_storage(std::move(storage), 0, shape, d);
}

}  // namespace tahr::python
