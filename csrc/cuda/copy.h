// Copies on the device by loop nests (ops/array_plan.h), and constants.
#pragma once

#include "cuda/index_math.h"
#include "ops/array_plan.h"

namespace tahr::cuda {

// dst[sum i_d * dst_stride_d] = src[sum i_d * src_stride_d], elements of `item` bytes. Destinations are distinct.
// Neighbours along the last dimension are moved together, up to 16 bytes at once.
void copy_nd(void* dst, const void* src, CopyPlan plan, size_t item);

// The same where the part of `whole` that is read (or, `put`, written) starts at a place that only the device knows:
// *offset elements in, a multiple of `step`.
void copy_nd_at(void* dst, const void* src, CopyPlan plan, size_t item, const int64_t* offset, int64_t step, bool put);

void copy_all(const Tensor& to, const Tensor& from);  // nothing where both are the same memory

void fill_bits(void* to, int64_t n, uint64_t bits, size_t item);
void fill(const Tensor& t, double value);  // saturating, as the CPU's
void fill_zero(const Tensor& t);
uint64_t bits_of(double value, DType dtype);

}  // namespace tahr::cuda
