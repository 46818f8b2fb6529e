// The image kernels for one instruction set (isa/image.cpp), as cpu/image.cpp drives them.
#pragma once

#include "cpu/isa.h"

namespace tahr {

// Output o of an axis is the sum over k < count[o] of weights[o * width + k] * input[begin[o] + k].
template <class T>
struct AxisTaps {
  const int64_t *begin, *count;
  const T* weights;
  int64_t width, size;
};

template <class T>
struct ResizeKernels {
  // y[i] = sum over k < count of w[k] * x[k * pitch + i], i < n
  void (*rows)(const T* x, int64_t pitch, const T* w, int64_t count, T* y, int64_t n);
  // places of `channels` elements along one axis
  void (*places)(const T* x, const AxisTaps<T>& taps, int64_t channels, T* y);
};

struct ImageTable {
  ResizeKernels<float> f32;
  ResizeKernels<double> f64;
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(ImageTable, image_table)
