// api/cudnn.h against NVIDIA's header.
#if __has_include(<cudnn.h>)
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <cudnn.h>

#include "cuda/api/check.h"
#include "cuda/api/cudnn.h"

namespace tahr::cuda::cudnn {
namespace {

using api::same_function;

#define SAME_VALUE(ours, theirs) \
  static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs) && sizeof(ours) == sizeof(theirs))
#define SAME_FUNCTION(ours, theirs) static_assert(same_function<ours, decltype(&theirs)>)

static_assert(CUDNN_MAJOR == 9);

SAME_VALUE(Status::Success, CUDNN_STATUS_SUCCESS);
SAME_VALUE(Status::BadParam, CUDNN_STATUS_BAD_PARAM);
SAME_VALUE(Status::NotSupported, CUDNN_STATUS_NOT_SUPPORTED);
SAME_VALUE(Status::ExecutionFailed, CUDNN_STATUS_EXECUTION_FAILED);

SAME_VALUE(DataType::Float, CUDNN_DATA_FLOAT);
SAME_VALUE(DataType::Double, CUDNN_DATA_DOUBLE);
SAME_VALUE(DataType::Half, CUDNN_DATA_HALF);
SAME_VALUE(DataType::BFloat16, CUDNN_DATA_BFLOAT16);

SAME_VALUE(Format::Nchw, CUDNN_TENSOR_NCHW);
SAME_VALUE(Format::Nhwc, CUDNN_TENSOR_NHWC);
SAME_VALUE(Math::Default, CUDNN_DEFAULT_MATH);
SAME_VALUE(Math::TensorOp, CUDNN_TENSOR_OP_MATH);
SAME_VALUE(Math::TensorOpConversion, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION);
SAME_VALUE(Math::Fma, CUDNN_FMA_MATH);
SAME_VALUE(Mode::Convolution, CUDNN_CONVOLUTION);
SAME_VALUE(Mode::CrossCorrelation, CUDNN_CROSS_CORRELATION);
SAME_VALUE(Determinism::No, CUDNN_NON_DETERMINISTIC);
SAME_VALUE(Determinism::Yes, CUDNN_DETERMINISTIC);

SAME_VALUE(kForwardGemm, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM);
SAME_VALUE(kForwardPrecomputedGemm, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM);
SAME_VALUE(kForwardAlgos, CUDNN_CONVOLUTION_FWD_ALGO_COUNT);
SAME_VALUE(kDataAtomics, CUDNN_CONVOLUTION_BWD_DATA_ALGO_0);
SAME_VALUE(kDataGemm, CUDNN_CONVOLUTION_BWD_DATA_ALGO_1);
SAME_VALUE(kDataAlgos, CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT);
SAME_VALUE(kFilterAtomics, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0);
SAME_VALUE(kFilterGemm, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1);
SAME_VALUE(kFilterAtomicsPrecomputed, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3);
SAME_VALUE(kFilterAlgos, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT);

template <class Theirs>
constexpr bool same_perf() {
  return sizeof(AlgoPerf) == sizeof(Theirs) && offsetof(AlgoPerf, algo) == offsetof(Theirs, algo) &&
         offsetof(AlgoPerf, status) == offsetof(Theirs, status) &&
         offsetof(AlgoPerf, milliseconds) == offsetof(Theirs, time) &&
         offsetof(AlgoPerf, workspace) == offsetof(Theirs, memory) &&
         offsetof(AlgoPerf, determinism) == offsetof(Theirs, determinism) &&
         offsetof(AlgoPerf, math) == offsetof(Theirs, mathType);
}
static_assert(same_perf<cudnnConvolutionFwdAlgoPerf_t>());
static_assert(same_perf<cudnnConvolutionBwdDataAlgoPerf_t>());
static_assert(same_perf<cudnnConvolutionBwdFilterAlgoPerf_t>());

SAME_FUNCTION(GetVersion, cudnnGetVersion);
SAME_FUNCTION(GetErrorString, cudnnGetErrorString);
SAME_FUNCTION(Create, cudnnCreate);
SAME_FUNCTION(SetStream, cudnnSetStream);
SAME_FUNCTION(CreateTensor, cudnnCreateTensorDescriptor);
SAME_FUNCTION(DestroyTensor, cudnnDestroyTensorDescriptor);
SAME_FUNCTION(SetTensor, cudnnSetTensorNdDescriptor);
SAME_FUNCTION(CreateFilter, cudnnCreateFilterDescriptor);
SAME_FUNCTION(DestroyFilter, cudnnDestroyFilterDescriptor);
SAME_FUNCTION(SetFilter, cudnnSetFilterNdDescriptor);
SAME_FUNCTION(CreateConv, cudnnCreateConvolutionDescriptor);
SAME_FUNCTION(DestroyConv, cudnnDestroyConvolutionDescriptor);
SAME_FUNCTION(SetConv, cudnnSetConvolutionNdDescriptor);
SAME_FUNCTION(SetConvGroups, cudnnSetConvolutionGroupCount);
SAME_FUNCTION(SetConvMath, cudnnSetConvolutionMathType);
SAME_FUNCTION(ForwardAlgorithms, cudnnGetConvolutionForwardAlgorithm_v7);
SAME_FUNCTION(DataAlgorithms, cudnnGetConvolutionBackwardDataAlgorithm_v7);
SAME_FUNCTION(FilterAlgorithms, cudnnGetConvolutionBackwardFilterAlgorithm_v7);
SAME_FUNCTION(ForwardWorkspace, cudnnGetConvolutionForwardWorkspaceSize);
SAME_FUNCTION(DataWorkspace, cudnnGetConvolutionBackwardDataWorkspaceSize);
SAME_FUNCTION(FilterWorkspace, cudnnGetConvolutionBackwardFilterWorkspaceSize);
SAME_FUNCTION(Forward, cudnnConvolutionForward);
SAME_FUNCTION(BackwardData, cudnnConvolutionBackwardData);
SAME_FUNCTION(BackwardFilter, cudnnConvolutionBackwardFilter);

}  // namespace
}  // namespace tahr::cuda::cudnn
#endif
