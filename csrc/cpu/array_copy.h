// copy_nd: the one loop under transpose, broadcast_to, tile, slices, concatenate, split and padding.
#pragma once

#include <cstdint>

#include "ops/array_plan.h"

namespace tahr::cpu {

// dst[sum i_d * dst_stride_d] = src[sum i_d * src_stride_d] for every index of the nest; elements of 1, 2, 4 or 8
// bytes. The destinations must be distinct. Threaded above about 15 µs.
void copy_nd(void* dst, const void* src, CopyPlan plan, size_t element_size);

// Writes n elements of the given bit pattern.
void fill_elements(void* dst, int64_t n, uint64_t bits, size_t element_size);
// The bit pattern of a number in a dtype; and the same for an element of a tensor.
uint64_t bits_of(double value, DType dtype);

}  // namespace tahr::cpu
