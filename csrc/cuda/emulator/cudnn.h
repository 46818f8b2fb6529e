// What the parts of the emulated cuDNN share: its objects, and values of its types. Included by cudnn*.cpp here alone.
#pragma once

#include <cmath>

#include "core/dtype.h"
#include "cuda/cudnn.h"

namespace tahr::cuda::cudnn {

constexpr int kMostAxes = 3;

struct Context {
  cudaStream_t stream = nullptr;
};
struct TensorDesc {
  DataType type = DataType::Float;
  int rank = 0;
  int64_t sizes[kMostAxes + 2] = {}, strides[kMostAxes + 2] = {};
};

inline double load(DataType t, const void* p, int64_t i) {
  switch (t) {
    case DataType::Float: return static_cast<const float*>(p)[i];
    case DataType::Half: return to_float(static_cast<const float16*>(p)[i]);
    case DataType::BFloat16: return to_float(static_cast<const bfloat16*>(p)[i]);
    default: return static_cast<const double*>(p)[i];
  }
}
inline void store(DataType t, void* p, int64_t i, double v) {
  switch (t) {
    case DataType::Float: static_cast<float*>(p)[i] = static_cast<float>(v); break;
    case DataType::Half: static_cast<float16*>(p)[i] = to_float16(static_cast<float>(v)); break;
    case DataType::BFloat16: static_cast<bfloat16*>(p)[i] = to_bfloat16(static_cast<float>(v)); break;
    default: static_cast<double*>(p)[i] = v;
  }
}
inline int64_t bytes_of(DataType t) { return t == DataType::Float ? 4 : t == DataType::Double ? 8 : 2; }
// To the 10 bits of TensorFloat-32.
inline double to_tf32(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  return std::ldexp(std::rint(std::ldexp(fraction, 11)), exponent - 11);
}

template <class T>
Status create(T** p) {
  *p = new T;
  return Status::Success;
}
template <class T>
Status destroy(T* p) {
  delete p;
  return Status::Success;
}

void add_rnn(Api& a);    // cudnn_rnn.cpp
void add_graph(Api& a);  // cudnn_graph.cpp

}  // namespace tahr::cuda::cudnn
