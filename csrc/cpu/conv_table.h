// The convolutions' kernels for one instruction set (isa/conv.cpp, isa/conv_depthwise.cpp), as cpu/conv*.cpp drive
// them.
#pragma once

#include "cpu/isa.h"

namespace tahr {

// A stretch of taps whose inputs lie side by side: elements of the source, and steps of the packed weights.
struct ConvRun {
  int64_t a, b;
};

// A row of outputs: c[i][j] = relu?(sum over runs r and steps p of a[i * a_row + r.a + p] * b[(r.b + p) * nr + j]
// (+ bias[j])) for i < count, j < cols <= nr.
template <class T>
struct ConvRow {
  const T* a;
  int64_t a_row;
  const ConvRun* runs;
  int64_t run_count, run_length;
  const T* b;  // a panel of nr columns, zeros beyond `cols`
  T* c;
  int64_t ldc, count;
  int height;  // outputs of a tile, at most mr
  int cols;
  const T* bias;  // or null
  bool relu;
  bool far_b;  // a panel is large: it is fetched ahead
};

// The weights' gradient over a rectangle of outputs: c[i][j] (+)= sum over rows y and steps p of
// a[y * a_pitch + p * a_step + at(i)] * b[y * b_pitch + p * b_step + j] for i < m, j < n, where at(i) is offsets[i], or
// i if that is null. b may be read up to the next multiple of a vector's lanes after n.
template <class T>
struct ConvOuter {
  const T* a;
  int64_t a_step, a_pitch;
  const int64_t* offsets;
  const T* b;
  int64_t b_step, b_pitch;
  int64_t steps, rows;
  T* c;
  int64_t ldc, m, n;
  int height;  // rows of a tile, at most mr
  bool accumulate;
};

// A row of outputs of a depthwise convolution: c[i][j] = relu?(sum over runs r of a[i * a_row + r.a + j] *
// b[r.b * channels + j] (+ bias[j])) for i < count, j < channels.
template <class T>
struct DepthwiseRow {
  const T* a;
  int64_t a_row;
  const ConvRun* runs;
  int64_t run_count;
  const T* b;
  T* c;
  int64_t ldc, count, channels;
  const T* bias;  // or null
  bool relu;
};

template <class T>
struct ConvKernels {
  int mr, nr, lanes;
  void (*row)(const ConvRow<T>&);
  void (*outer)(const ConvOuter<T>&);
};

template <class T>
struct DepthwiseKernels {
  void (*row)(const DepthwiseRow<T>&);
  // c[i][j] (+)= sum over y and p of a[y * a_pitch + p * a_step + offsets[i] + j] * b[y * b_pitch + p * b_step + j] for
  // i < m, j < n; reads nothing beyond n.
  void (*outer)(const ConvOuter<T>&);
};

struct ConvTable {
  ConvKernels<float> f32;
  ConvKernels<double> f64;
};

struct DepthwiseTable {
  DepthwiseKernels<float> f32;
  DepthwiseKernels<double> f64;
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(ConvTable, conv_table)
TAHR_DECLARE_ISA_TABLE(DepthwiseTable, depthwise_table)
