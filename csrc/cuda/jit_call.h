// The parameter of a kernel that NVRTC compiled from a program, as host and device see it.
#pragma once

#include "cuda/lanes.h"

namespace tahr::cuda {

struct JitTensor {
  void* data;
  Cycle cycle;  // of an input that is Spread::Cyclic
};

template <int kTensors>
struct JitCall {
  int64_t n;
  bool wide;               // as DirectCall::wide
  JitTensor at[kTensors];  // inputs, then outputs
};

}  // namespace tahr::cuda
