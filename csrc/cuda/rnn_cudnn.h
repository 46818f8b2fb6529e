// Recurrent layers by cuDNN: lstm, gru (the reset gate after the product) and simple_rnn with their usual activations
// and without a mask, of float32 and halves.
//
// Weights are copied into cuDNN's order at each call and their gradients back, once over their bytes each; sequences
// that run backwards are turned round on the way in, gradients of x on the way out. What the gradient needs is cuDNN's
// secret: it lies in the op's last result, the reserve, whose size says who made a call.
#pragma once

#include "cuda/runtime.h"

namespace tahr::cuda::rnn {

// Bytes of the reserve; 0 for a layer that is not cuDNN's, kUnknown if that cannot be said yet.
int64_t reserve(const char* op, std::span<const Spec> in, const void* attrs);

enum class Cell : uint8_t { Simple, Lstm, Gru };

// False, and nothing done, for a call that is not cuDNN's. The gradient's is whose the forward's was.
bool forward_by_cudnn(Cell cell, const KernelArgs& a);
bool backward_by_cudnn(Cell cell, const KernelArgs& a);

// ---- rnn_layout.cu ----

// Where cuDNN wants weights, in elements of its space: [0] what x, [1] what h is multiplied with; gate by gate in its
// order, of which gate q is the layer's gate order[q].
struct WeightLayout {
  int gates;
  int order[4];
  int64_t units, inputs[2];  // features and units
  int64_t matrix[2][4], bias[2][4];
  bool biased;
};
// Parameters as the ops take them. bias[1] null: zeros, and no gradient.
struct Weights {
  void* kernel[2];  // [inputs][gates units]
  void* bias[2];    // [gates units]
};
void weights_to_cudnn(DType dtype, const WeightLayout& at, const Weights& from, void* space);
void weights_from_cudnn(DType dtype, const WeightLayout& at, const void* space, const Weights& to);  // null: not wanted

// to[b][steps - 1 - s] = from[b][s]
void reverse_steps(DType dtype, int64_t batch, int64_t steps, int64_t width, const void* from, void* to);

}  // namespace tahr::cuda::rnn
