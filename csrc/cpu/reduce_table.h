// The reduction kernels of csrc/cpu/isa/reduce.cpp (and the log-sum-exp ones of isa/logsumexp.cpp).
//
// A reduction goes through partial results: one or two numbers (a, b) per output. `rows` and `cols` make partials from
// a block of the input; `merge` folds the partials of a later block into those of an earlier one.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace tahr {

enum class ReduceKind : uint8_t { Sum, Prod, Max, Min, Any, All, Count, ArgMax, ArgMin, Moments, Squares, Magnitudes };
inline constexpr int kReduceKinds = 12;

// Element types as the kernels see them: bool is U8, halves arrive widened to F32.
enum class Elem : uint8_t { U8, U16, U32, U64, I8, I16, I32, I64, F32, F64 };
inline constexpr int kElems = 10;

struct ReduceKernel {
  // a[i], b[i] = partial of the dense row x[i*n, i*n + n). `base` is the position of the row's first element in the
  // reduced axis (for argmax and argmin).
  void (*rows)(const void* x, int64_t rows, int64_t n, int64_t base, void* a, void* b);
  // a[j], b[j] = partial of column j of the block x[r*stride + j], r < rows, j < m.
  void (*cols)(const void* x, int64_t rows, int64_t stride, int64_t m, int64_t base, void* a, void* b);
  // Partials (a2, b2) of nb elements into (a, b) of na other elements, for m outputs.
  void (*merge)(void* a, void* b, double na, const void* a2, const void* b2, double nb, int64_t m);
  uint8_t a_size, b_size;  // bytes; b_size 0 where there is no b
};

// What the partials are, by kind:
//   Sum, Prod          a: int32 / uint32 for narrower integers, else the element type
//   Max, Min           a: the element type; NaN wins
//   Any, All           a: uint8, 0 or 1
//   Count              a: int32, number of nonzero elements
//   ArgMax, ArgMin     a: the extreme, b: int32, its first position; NaN wins
//   Moments (floats)   a: double, mean; b: double, sum of squared distances from it
//   Squares, Magnitudes (floats)   a: the element type, sum of x² or |x|
// The variance of whole rows, or of whole columns of few rows; its root.
template <class T>
struct VarianceKernels {
  void (*rows)(const T* x, T* y, int64_t rows, int64_t n, bool root);
  void (*cols)(const T* x, T* y, int64_t rows, int64_t stride, int64_t m, bool root);
};

struct ReduceTable {
  ReduceKernel kernel[kReduceKinds][kElems];
  // y = m2 / count, or its root.
  void (*variance)(const double* m2, double count, bool root, float* y, int64_t n);
  VarianceKernels<float> var_f32;
  VarianceKernels<double> var_f64;
  // y = x / count; y = the root of x >= 0, perhaps one unit off
  void (*divide)(const float* x, float* y, float count, int64_t n);
  void (*root)(const float* x, float* y, int64_t n);
  void (*widen_f16)(const uint16_t* x, float* y, int64_t n);
  void (*widen_bf16)(const uint16_t* x, float* y, int64_t n);
};

}  // namespace tahr
TAHR_DECLARE_ISA_TABLE(ReduceTable, reduce_table)
