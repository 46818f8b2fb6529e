// The ops that vjps and decompositions are written with, as plain C++ functions.
// Each is a call through the table's front door, so it records on tapes and traces.
#pragma once

#include "ops/op.h"

namespace tahr::ops {

// elementwise
Tensor add(const Tensor& a, const Tensor& b);
Tensor subtract(const Tensor& a, const Tensor& b);
Tensor multiply(const Tensor& a, const Tensor& b);
Tensor divide(const Tensor& a, const Tensor& b);
Tensor negative(const Tensor& x);
Tensor unary(const char* op, const Tensor& x);                    // any one-input op without attributes
Tensor binary(const char* op, const Tensor& a, const Tensor& b);  // any two-input op without attributes
Tensor where(const Tensor& cond, const Tensor& a, const Tensor& b);
Tensor cast(const Tensor& x, DType to);  // no-op if already of that dtype
Tensor add(const Tensor& a, double b);   // Python-scalar semantics: b is weak
Tensor multiply(const Tensor& a, double b);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);

// reductions and shapes
Tensor sum(const Tensor& x, const Axes& axes, bool keepdims);
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor broadcast_to(const Tensor& x, const Shape& shape);
Tensor transpose(const Tensor& x, const Ints& perm);
Tensor expand_dims(const Tensor& x, const Ints& axes);
Tensor squeeze(const Tensor& x, const Axes& axes);
Tensor ravel(const Tensor& x);
Tensor moveaxis(const Tensor& x, int64_t from, int64_t to);
Tensor concatenate(std::span<const Tensor> xs, int64_t axis);
inline Tensor concatenate(std::initializer_list<Tensor> xs, int64_t axis) {
  return concatenate(std::span(xs.begin(), xs.size()), axis);
}
Tensor stack(std::span<const Tensor> xs, int64_t axis);
Tensors split(const Tensor& x, int64_t parts, int64_t axis);
Tensors split_at(const Tensor& x, const Ints& cuts, int64_t axis);
// NumPy's x[begin:end:strides] per leading axis; an absent bound is kOpen of ops/array_attrs.h.
Tensor strided_slice(const Tensor& x, const Ints& begin, const Ints& end, const Ints& strides);
Tensor strided_slice_grad(const Tensor& dy, const Shape& shape, const Ints& begin, const Ints& end,
                          const Ints& strides);
Tensor strided_slice_update(const Tensor& x, const Tensor& updates, const Ints& begin, const Ints& end,
                            const Ints& strides);
Tensor slice_axis(const Tensor& x, int axis, int64_t begin, int64_t end);                         // on one axis
Tensor unslice_axis(const Tensor& dy, const Shape& shape, int axis, int64_t begin, int64_t end);  // into zeros
Tensor flip(const Tensor& x, const Axes& axes);
Tensor pad_constant(const Tensor& x, const Ints& low, const Ints& high, double value = 0);

// gather and scatter
Tensor take(const Tensor& x, const Tensor& indices, std::optional<int64_t> axis);
Tensor take_grad(const Tensor& dy, const Tensor& indices, const Shape& shape, std::optional<int64_t> axis);
Tensor take_along_axis(const Tensor& x, const Tensor& indices, std::optional<int64_t> axis);
// Sums dy into zeros with `size` elements on the axis, at the indices along it.
Tensor put_along_axis_grad(const Tensor& dy, const Tensor& indices, int64_t size, int64_t axis);
Tensor gather_nd(const Tensor& x, const Tensor& indices);
Tensor scatter(const Tensor& indices, const Tensor& values, const Shape& shape);  // sums into zeros
Tensor scatter_update(const Tensor& x, const Tensor& indices, const Tensor& updates, const std::string& reduction = "");
Tensor one_hot(const Tensor& x, int64_t num_classes, int64_t axis, DType dtype);
Tensors nonzero(const Tensor& x);
Tensor sort(const Tensor& x, int64_t axis);
Tensor argsort(const Tensor& x, int64_t axis);
// The cotangent of a broadcast input: sums dy over the axes along which `to` was stretched.
Tensor unbroadcast(const Tensor& dy, const Shape& to);

// linalg: op(a) @ op(b), batched over leading axes with broadcasting
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace tahr::ops

namespace tahr {
// Families, in definition order.
void define_elementwise_ops();
void define_reduce_ops();
void define_array_ops();
void define_linalg_ops();
void define_conv_ops();
void define_pool_ops();
void define_image_ops();
void define_norm_ops();
void define_attention_ops();
void define_random_ops();
void define_loss_ops();
void define_state_ops();
void define_optimizer_ops();
void define_rnn_ops();
void define_fused_ops();
void define_control_ops();
void define_host_ops();
void register_elementwise_kernels();
void register_reduce_kernels();
void register_array_kernels();
void register_linalg_kernels();
void register_conv_kernels();
void register_pool_kernels();
void register_image_kernels();
void register_norm_kernels();
void register_attention_kernels();
void register_random_kernels();
void register_loss_kernels();
void register_state_kernels();
void register_optimizer_kernels();
void register_rnn_kernels();
void register_fused_kernels();
void register_host_kernels();
void init_op_table();  // idempotent
}  // namespace tahr
