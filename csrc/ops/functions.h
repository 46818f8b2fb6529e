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
Tensor cast(const Tensor& x, DType to);                           // no-op if already of that dtype
Tensor add(const Tensor& a, double b);                            // Python-scalar semantics: b is weak
Tensor multiply(const Tensor& a, double b);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);

// reductions and shapes
Tensor sum(const Tensor& x, const Axes& axes, bool keepdims);
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor broadcast_to(const Tensor& x, const Shape& shape);
Tensor transpose(const Tensor& x, const Ints& perm);
Tensor concatenate(std::span<const Tensor> xs, int64_t axis);
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
void define_random_ops();
void define_loss_ops();
void define_state_ops();
void define_optimizer_ops();
void register_elementwise_kernels();
void register_reduce_kernels();
void register_array_kernels();
void register_linalg_kernels();
void register_random_kernels();
void register_loss_kernels();
void register_state_kernels();
void register_optimizer_kernels();
void init_op_table();  // idempotent
}  // namespace tahr
