// The array family: what moves elements about without computing on them. Its ops lie in array_shape (views, transpose,
// broadcasting, repetition), array_blocks, array_join (concatenate, split), array_slice (slices, padding, diagonals),
// array_gather (by index tensors), array_sort (sorting, searching, counting) and array_create; indexing.cpp puts
// NumPy's indexing together from them.
#include <algorithm>

#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace tahr {

Ints ints_of(const Tensor& anywhere) {
  const Tensor t = on_host(anywhere);
  Ints out(static_cast<size_t>(t.size()));
  visit_dtype(t.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int64_t>(t.data<T>()[i]);
    } else {
      throw_type("[indices] expected integers, received ", name_of(t.dtype()), ".");
    }
  });
  return out;
}

int64_t max_index(const Tensor& anywhere) {
  const Tensor t = on_host(anywhere);
  int64_t best = -1;
  visit_dtype(t.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      for (int64_t i = 0; i < t.size(); ++i) best = std::max(best, static_cast<int64_t>(t.data<T>()[i]));
    }
  });
  return best;
}

Tensor index_tensor_of(const Ints& v, DType dtype) {
  Tensor t = Tensor::empty({static_cast<int64_t>(v.size())}, dtype);
  if (dtype == DType::Int32) {
    std::copy(v.begin(), v.end(), t.mutable_data<int32_t>());
  } else {
    std::copy(v.begin(), v.end(), t.mutable_data<int64_t>());
  }
  return t;
}

void check_integer(const Spec& s, const char* op, const char* input) {
  if (is_int(s.dtype)) return;
  throw_type("[", op, "] expected ", input, " of an integer dtype, received ", name_of(s.dtype), ". Cast to int32.");
}

void define_array_ops() {
  define_array_shape_ops();
  define_array_block_ops();
  define_array_join_ops();
  define_array_slice_ops();
  define_array_gather_ops();
  define_array_sort_ops();
  define_array_create_ops();
}

void register_array_kernels() {
  register_array_shape_kernels();
  register_array_slice_kernels();
  register_array_gather_kernels();
  register_array_scatter_kernels();
  register_array_sort_kernels();
  register_array_create_kernels();
}

}  // namespace tahr
