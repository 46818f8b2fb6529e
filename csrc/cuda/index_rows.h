// Index tensors as kernels read them: the j-th index, or the j-th list of coordinates, as the number of a row.
#pragma once

#include "cuda/fault.h"
#include "ops/array_attrs.h"

namespace tahr::cuda {

__device__ __forceinline__ int64_t load_integer(const void* p, DType type, int64_t i) {
  switch (type) {
    case DType::Bool:
    case DType::UInt8: return static_cast<const uint8_t*>(p)[i];
    case DType::UInt16: return static_cast<const uint16_t*>(p)[i];
    case DType::UInt32: return static_cast<const uint32_t*>(p)[i];
    case DType::Int8: return static_cast<const int8_t*>(p)[i];
    case DType::Int16: return static_cast<const int16_t*>(p)[i];
    case DType::Int32: return static_cast<const int32_t*>(p)[i];
    default: return static_cast<const int64_t*>(p)[i];
  }
}

struct Rows {
  const void* data;
  DType type;
  int coordinates = 1;  // per row
  bool segments = false;
  int64_t n[kMaxRank];  // what each coordinate counts
  const char* op;
  Fault* fault;

  // The row, negative coordinates counted from the end; -1 for one out of range, which is reported, and for a negative
  // segment.
  __device__ __forceinline__ int64_t operator()(int64_t j) const {
    int64_t row = 0;
    for (int d = 0; d < coordinates; ++d) {
      const int64_t v = load_integer(data, type, j * coordinates + d), size = n[d];
      if (segments) {
        if (v >= size) report(fault, FaultKind::Segment, op, 0, v, size);
        return v < 0 || v >= size ? -1 : v;
      }
      const int64_t wrapped = v < 0 ? v + size : v;
      if (wrapped < 0 || wrapped >= size) {
        report(fault, FaultKind::Index, op, d, v, size);
        return -1;
      }
      row = row * size + wrapped;
    }
    return row;
  }
};

// Indices into n rows.
inline Rows rows_of(const Tensor& t, int64_t n, const char* op) {
  Rows r{t.raw(), t.dtype(), 1, false, {n}, op, fault()};
  return r;
}
// Ids of n segments; negative ones are left out.
inline Rows segments_of(const Tensor& t, int64_t n, const char* op) {
  Rows r = rows_of(t, n, op);
  r.segments = true;
  return r;
}
// Coordinates (..., k) into the first k axes of `whole`, as row numbers of whole seen as (rows, rest).
inline Rows coordinates_of(const Tensor& t, const Shape& whole, const char* op) {
  Rows r = rows_of(t, 0, op);
  r.coordinates = static_cast<int>(t.dim(-1));
  for (int d = 0; d < r.coordinates; ++d) r.n[d] = whole[d];
  return r;
}
// How many lists of coordinates there are; without coordinates each names the whole tensor.
inline int64_t points_of(const Tensor& t) {
  int64_t points = 1;
  for (int i = 0; i + 1 < t.rank(); ++i) points *= t.dim(i);
  return points;
}

}  // namespace tahr::cuda
