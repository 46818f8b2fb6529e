// What the kernels of attention share: float32 and float64 by plain arithmetic (attention.cu), float16 and bfloat16 on
// tensor cores (attention_half.cu) or by cuDNN (attention_cudnn.cu).
#pragma once

#include "cuda/runtime.h"
#include "ops/attention_attrs.h"

namespace tahr::cuda::attention {

// An input that is broadcast to (b, heads, queries, keys).
template <class E>
struct Spread {
  const E* data = nullptr;
  int64_t stride[4]{};
  Spread() = default;
  Spread(const KernelArgs& a, size_t input) {
    if (input >= a.in.size() || !a.in[input].defined() || a.in[input].dtype() != DTypeOf<E>::value) return;
    const Tensor& t = a.in[input];
    data = t.data<E>();
    int64_t step = 1;
    for (int i = 3; i >= 0; --i) {
      stride[i] = t.dim(i) == 1 ? 0 : step;
      step *= t.dim(i);
    }
  }
#if defined(__CUDACC__) || defined(TAHR_CUDA_EMULATED)
  __device__ __forceinline__ const E& operator()(int64_t b, int64_t head, int64_t i, int64_t j) const {
    return data[b * stride[0] + head * stride[1] + i * stride[2] + j * stride[3]];
  }
#endif
};

// Sizes and attributes of query (b, t, n, h), key (b, s, k, h), value (b, s, k, v); n is a multiple of k.
struct Sizes {
  int64_t b, t, n, h, s, k, v;
  float scale;
  bool causal;
  Sizes() = default;
  Sizes(const KernelArgs& a, size_t first) {
    const Tensor &q = a.in[first], &key = a.in[first + 1], &value = a.in[first + 2];
    b = q.dim(0), t = q.dim(1), n = q.dim(2), h = q.dim(3);
    s = key.dim(1), k = key.dim(2), v = value.dim(3);
    scale = static_cast<float>(a.as<AttentionAttrs>().scale);
    causal = a.as<AttentionAttrs>().causal;
  }
};

void clear(const Tensor& t);

// Halves on tensor cores; nothing is empty. False, and nothing done, for heads of more than 128 numbers and GPUs
// without such cores. Inputs and outputs are the op's.
bool forward_half(const KernelArgs& a);
bool backward_half(const KernelArgs& a);

// The same by cuDNN (attention_cudnn.cu): halves without mask, bias and causal order, heads of multiples of 8 numbers,
// for which it has a kernel that gives the same bits each time. TAHR_CUDNN_ATTENTION=none: never.
bool forward_cudnn(const KernelArgs& a);
bool backward_cudnn(const KernelArgs& a);

}  // namespace tahr::cuda::attention
