// Between Python values and the engine's: numbers, arrays, nested lists, dtypes, shapes, index expressions.
#pragma once

#include <optional>
#include <vector>

#include "ops/indexing.h"
#include "python/objects.h"

namespace tahr::python {

// Anything that can be a tensor: Tensor, Variable, number, NumPy array or scalar, nested list, or an object
// with __tahr_tensor__ or __array__. `dtype` converts. Throws Error(Type) that begins with `what`.
Tensor to_tensor(PyObject* o, const std::optional<DType>& dtype, const char* what);
bool is_python_scalar(PyObject* o);     // exactly int, float or bool
bool convertible_operand(PyObject* o);  // whether an operator should try to_tensor on it
// The tensor as which a Python number enters an op beside `other` (weak promotion), or alone.
Tensor scalar_beside(PyObject* number, const Tensor* other, const char* what);

DType dtype_from_python(PyObject* o);  // names, tahr and NumPy dtypes, the types bool, int and float
PyObject* dtype_object(DType d);       // new reference
void set_dtype_objects(py::list objects);

py::tuple shape_tuple(const Shape& s);  // unknown dimensions as None
Shape shape_from_python(PyObject* o, const char* what, bool allow_unknown = false);
std::vector<IndexItem> index_items(PyObject* key);  // what stands between the brackets of x[...]

// A NumPy array over the tensor's memory (read-only), or a writable copy.
py::object tensor_to_numpy(const Tensor& t, bool copy);
Tensor tensor_over_numpy(py::object array);             // shares the array's memory
py::capsule to_dlpack(Tensor t, bool copy, bool wait);  // wait: until the device has computed it
Tensor from_dlpack(py::object capsule);

}  // namespace tahr::python
