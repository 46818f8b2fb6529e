// What `tahr.data` leaves to the engine: rows in any order, shuffling, joining samples of one or of several shapes.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>

#include "graph/rows.h"
#include "python/convert.h"

namespace tahr::python {
namespace {

// Copies the box `from` into the first corner of the box `to`, and fills the rest with `value`. Axes from `axis` on.
void copy_padded(const std::byte* from, const std::vector<int64_t>& small, std::byte* to,
                 const std::vector<int64_t>& large, size_t axis, const std::vector<std::byte>& value) {
  const size_t item = value.size();
  const auto bytes_behind = [&](const std::vector<int64_t>& shape) {
    size_t n = item;
    for (size_t i = axis + 1; i < shape.size(); ++i) n *= static_cast<size_t>(shape[i]);
    return n;
  };
  const auto fill = [&](std::byte* begin, size_t bytes) {
    for (size_t at = 0; at < bytes; at += item) std::memcpy(begin + at, value.data(), item);
  };
  if (axis == small.size()) {
    std::memcpy(to, from, item);
    return;
  }
  const size_t step = bytes_behind(small), stride = bytes_behind(large);
  const auto rows = static_cast<size_t>(small[axis]);
  if (step == stride) std::memcpy(to, from, rows * step);
  else
    for (size_t i = 0; i < rows; ++i) copy_padded(from + i * step, small, to + i * stride, large, axis + 1, value);
  fill(to + rows * stride, (static_cast<size_t>(large[axis]) - rows) * stride);
}

// The arrays along a new first axis, each padded at its ends to `shape`, which is at least as large as all of them.
// None where they are not numbers of one dtype and rank.
py::object pad_and_stack(const py::list& samples, const std::vector<int64_t>& shape, const py::array& value) {
  std::vector<py::array> arrays;
  arrays.reserve(samples.size());
  for (const py::handle s : samples) {
    py::array a = py::array::ensure(s, py::array::c_style);
    if (!a) throw py::error_already_set();
    if (!a.dtype().equal(value.dtype()) || static_cast<size_t>(a.ndim()) != shape.size()) return py::none();
    arrays.push_back(std::move(a));
  }
  const auto item = static_cast<size_t>(value.itemsize());
  const auto* bytes = static_cast<const std::byte*>(value.data());
  const std::vector<std::byte> filler(bytes, bytes + item);
  std::vector<py::ssize_t> whole = {static_cast<py::ssize_t>(arrays.size())};
  whole.insert(whole.end(), shape.begin(), shape.end());
  py::array out(value.dtype(), whole);
  size_t row = item;
  for (int64_t d : shape) row *= static_cast<size_t>(d);
  auto* to = static_cast<std::byte*>(out.mutable_data());
  std::vector<int64_t> small;
  for (const py::array& a : arrays) {
    small.assign(a.shape(), a.shape() + a.ndim());
    for (size_t i = 0; i < small.size(); ++i) {
      if (small[i] > shape[i]) throw_value("[Dataset] expected samples no larger than the batch.");
    }
    if (row) copy_padded(static_cast<const std::byte*>(a.data()), small, to, shape, 0, filler);
    to += row;
  }
  return out;
}

}  // namespace

void bind_data(py::module_& m) {
  m.def("take_rows", [](const Tensors& arrays, const Tensor& order) {
    Tensors rows;
    {
      const py::gil_scoped_release release;
      rows = graph::take_rows(arrays, order);
    }
    return wrap_all(std::move(rows), true);
  });
  m.def("pad_and_stack", &pad_and_stack, py::arg("samples"), py::arg("shape"), py::arg("value"));
  py::class_<graph::ShuffleBuffer>(m, "ShuffleBuffer")
      .def(py::init<int64_t, uint64_t>(), py::arg("size"), py::arg("seed"))
      .def("pass_on",
           [](graph::ShuffleBuffer& b, const Tensor& numbers) { return tensor_to_numpy(b.pass(numbers), false); })
      .def("drain", [](graph::ShuffleBuffer& b) { return tensor_to_numpy(b.drain(), false); });
}

}  // namespace tahr::python
