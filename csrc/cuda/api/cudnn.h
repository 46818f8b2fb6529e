// What is called of cuDNN 9, declared anew. cudnn_check.cpp compares it with NVIDIA's header.
//
// Sizes of tensors are given in the order n, channels, spatial axes, of filters as filters, channels, spatial axes,
// however they lie in memory: of a tensor that is said by strides, of a filter by its format.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace tahr::cuda::cudnn {

struct Context;
struct TensorDesc;
struct FilterDesc;
struct ConvDesc;
struct DropoutDesc;
struct RnnDesc;
struct RnnDataDesc;
using Handle = Context*;

// Thousands are kinds: 2000 a wrong argument, 3000 not supported, 4000 an error inside, 5000 one of the GPU's.
enum class Status : int32_t { Success = 0, BadParam = 2000, NotSupported = 3000, ExecutionFailed = 5000 };
enum class DataType : int32_t { Float = 0, Double = 1, Half = 2, BFloat16 = 9 };
enum class Format : int32_t { Nchw = 0, Nhwc = 1 };
// Default: float32 may be rounded to TensorFloat-32. Fma: may not.
enum class Math : int32_t { Default = 0, TensorOp = 1, TensorOpConversion = 2, Fma = 3 };
enum class Mode : int32_t { Convolution = 0, CrossCorrelation = 1 };
enum class Determinism : int32_t { No = 0, Yes = 1 };

// Numbers of algorithms: of forward, of the input's gradient, of the filter's.
enum ForwardAlgo : int32_t { kForwardGemm = 0, kForwardPrecomputedGemm = 1, kForwardAlgos = 8 };
enum DataAlgo : int32_t { kDataAtomics = 0, kDataGemm = 1, kDataAlgos = 6 };
enum FilterAlgo : int32_t { kFilterAtomics = 0, kFilterGemm = 1, kFilterAtomicsPrecomputed = 3, kFilterAlgos = 7 };

// Recurrent layers. Weights of a gate lie as (units, inputs), gates in the order LSTM: input, forget, candidate,
// output; GRU: reset, update, candidate, the reset gate after the recurrent product. The numbers of a gate's matrices
// and biases go over the gates of x, then over those of h.
enum class RnnAlgo : int32_t { Standard = 0, PersistStatic = 1 };
enum class RnnMode : int32_t { Relu = 0, Tanh = 1, Lstm = 2, Gru = 3 };
enum class RnnBias : int32_t { None = 0, Double = 2 };
enum class RnnDirection : int32_t { Forward = 0 };
enum class RnnInput : int32_t { Linear = 0 };
enum class RnnLayout : int32_t { BatchMajor = 2 };
enum class RnnPass : int32_t { Inference = 0, Training = 1 };
enum class RnnWeightGrad : int32_t { Add = 0 };
inline constexpr uint32_t kRnnPadded = 1;  // lets sequences lie batch first

struct AlgoPerf {
  int32_t algo;
  Status status;
  float milliseconds;
  size_t workspace;
  Determinism determinism;
  Math math;
  int reserved[3];
};

using GetVersion = size_t();
using GetErrorString = const char*(Status status);
using Create = Status(Handle* handle);
using SetStream = Status(Handle handle, cudaStream_t stream);
using CreateTensor = Status(TensorDesc** desc);
using DestroyTensor = Status(TensorDesc* desc);
using SetTensor = Status(TensorDesc* desc, DataType type, int rank, const int sizes[], const int strides[]);
using CreateFilter = Status(FilterDesc** desc);
using DestroyFilter = Status(FilterDesc* desc);
using SetFilter = Status(FilterDesc* desc, DataType type, Format format, int rank, const int sizes[]);
using CreateConv = Status(ConvDesc** desc);
using DestroyConv = Status(ConvDesc* desc);
using SetConv = Status(ConvDesc* desc, int axes, const int padding[], const int strides[], const int dilation[],
                       Mode mode, DataType compute);
using SetConvGroups = Status(ConvDesc* desc, int groups);
using SetConvMath = Status(ConvDesc* desc, Math math);

// The best first. Descriptors in the order of the arguments of the call that the algorithm is for.
using ForwardAlgorithms = Status(Handle handle, TensorDesc* x, FilterDesc* w, ConvDesc* conv, TensorDesc* y, int wanted,
                                 int* found, AlgoPerf* results);
using DataAlgorithms = Status(Handle handle, FilterDesc* w, TensorDesc* dy, ConvDesc* conv, TensorDesc* dx, int wanted,
                              int* found, AlgoPerf* results);
using FilterAlgorithms = Status(Handle handle, TensorDesc* x, TensorDesc* dy, ConvDesc* conv, FilterDesc* dw,
                                int wanted, int* found, AlgoPerf* results);
using ForwardWorkspace = Status(Handle handle, TensorDesc* x, FilterDesc* w, ConvDesc* conv, TensorDesc* y,
                                int32_t algo, size_t* bytes);
using DataWorkspace = Status(Handle handle, FilterDesc* w, TensorDesc* dy, ConvDesc* conv, TensorDesc* dx, int32_t algo,
                             size_t* bytes);
using FilterWorkspace = Status(Handle handle, TensorDesc* x, TensorDesc* dy, ConvDesc* conv, FilterDesc* dw,
                               int32_t algo, size_t* bytes);
// out = alpha result + beta out; alpha and beta are floats on the host, doubles for float64.
using Forward = Status(Handle handle, const void* alpha, TensorDesc* x_desc, const void* x, FilterDesc* w_desc,
                       const void* w, ConvDesc* conv, int32_t algo, void* workspace, size_t bytes, const void* beta,
                       TensorDesc* y_desc, void* y);
using BackwardData = Status(Handle handle, const void* alpha, FilterDesc* w_desc, const void* w, TensorDesc* dy_desc,
                            const void* dy, ConvDesc* conv, int32_t algo, void* workspace, size_t bytes,
                            const void* beta, TensorDesc* dx_desc, void* dx);
using BackwardFilter = Status(Handle handle, const void* alpha, TensorDesc* x_desc, const void* x, TensorDesc* dy_desc,
                              const void* dy, ConvDesc* conv, int32_t algo, void* workspace, size_t bytes,
                              const void* beta, FilterDesc* dw_desc, void* dw);

using GetTensor = Status(TensorDesc* desc, int wanted, DataType* type, int* rank, int sizes[], int strides[]);
using CreateDropout = Status(DropoutDesc** desc);
using DestroyDropout = Status(DropoutDesc* desc);
using SetDropout = Status(DropoutDesc* desc, Handle handle, float rate, void* states, size_t bytes,
                          unsigned long long seed);
using CreateRnn = Status(RnnDesc** desc);
using DestroyRnn = Status(RnnDesc* desc);
using SetRnn = Status(RnnDesc* desc, RnnAlgo algo, RnnMode mode, RnnBias bias, RnnDirection direction, RnnInput input,
                      DataType type, DataType compute, Math math, int32_t features, int32_t units, int32_t projection,
                      int32_t layers, DropoutDesc* dropout, uint32_t flags);
using CreateRnnData = Status(RnnDataDesc** desc);
using DestroyRnnData = Status(RnnDataDesc* desc);
using SetRnnData = Status(RnnDataDesc* desc, DataType type, RnnLayout layout, int steps, int batch, int width,
                          const int lengths[], void* fill);
using RnnSpaces = Status(Handle handle, RnnDesc* desc, RnnPass pass, RnnDataDesc* x, size_t* workspace,
                         size_t* reserve);
using RnnWeightSpace = Status(Handle handle, RnnDesc* desc, size_t* bytes);
using RnnWeights = Status(Handle handle, RnnDesc* desc, int32_t layer, size_t bytes, const void* space, int32_t number,
                          TensorDesc* matrix_desc, void** matrix, TensorDesc* bias_desc, void** bias);
// Missing states are zeros, missing results are not computed; `lengths` is null in this version.
using RnnForward = Status(Handle handle, RnnDesc* desc, RnnPass pass, const int32_t lengths[], RnnDataDesc* x_desc,
                          const void* x, RnnDataDesc* y_desc, void* y, TensorDesc* h_desc, const void* hx, void* hy,
                          TensorDesc* c_desc, const void* cx, void* cy, size_t weight_bytes, const void* weights,
                          size_t bytes, void* workspace, size_t reserve_bytes, void* reserve);
// Writes to the reserve, which RnnBackwardWeights reads after it.
using RnnBackwardData = Status(Handle handle, RnnDesc* desc, const int32_t lengths[], RnnDataDesc* y_desc,
                               const void* y, const void* dy, RnnDataDesc* x_desc, void* dx, TensorDesc* h_desc,
                               const void* hx, const void* dhy, void* dhx, TensorDesc* c_desc, const void* cx,
                               const void* dcy, void* dcx, size_t weight_bytes, const void* weights, size_t bytes,
                               void* workspace, size_t reserve_bytes, void* reserve);
using RnnBackwardWeights = Status(Handle handle, RnnDesc* desc, RnnWeightGrad mode, const int32_t lengths[],
                                  RnnDataDesc* x_desc, const void* x, TensorDesc* h_desc, const void* hx,
                                  RnnDataDesc* y_desc, const void* y, size_t weight_bytes, void* dweights, size_t bytes,
                                  void* workspace, size_t reserve_bytes, void* reserve);

}  // namespace tahr::cuda::cudnn
