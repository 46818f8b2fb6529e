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

SAME_VALUE(RnnAlgo::Standard, CUDNN_RNN_ALGO_STANDARD);
SAME_VALUE(RnnAlgo::PersistStatic, CUDNN_RNN_ALGO_PERSIST_STATIC);
SAME_VALUE(RnnMode::Relu, CUDNN_RNN_RELU);
SAME_VALUE(RnnMode::Tanh, CUDNN_RNN_TANH);
SAME_VALUE(RnnMode::Lstm, CUDNN_LSTM);
SAME_VALUE(RnnMode::Gru, CUDNN_GRU);
SAME_VALUE(RnnBias::None, CUDNN_RNN_NO_BIAS);
SAME_VALUE(RnnBias::Double, CUDNN_RNN_DOUBLE_BIAS);
SAME_VALUE(RnnDirection::Forward, CUDNN_UNIDIRECTIONAL);
SAME_VALUE(RnnInput::Linear, CUDNN_LINEAR_INPUT);
SAME_VALUE(RnnLayout::BatchMajor, CUDNN_RNN_DATA_LAYOUT_BATCH_MAJOR_UNPACKED);
SAME_VALUE(RnnPass::Inference, CUDNN_FWD_MODE_INFERENCE);
SAME_VALUE(RnnPass::Training, CUDNN_FWD_MODE_TRAINING);
SAME_VALUE(RnnWeightGrad::Add, CUDNN_WGRAD_MODE_ADD);
SAME_VALUE(kRnnPadded, CUDNN_RNN_PADDED_IO_ENABLED);

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

SAME_FUNCTION(GetTensor, cudnnGetTensorNdDescriptor);
SAME_FUNCTION(CreateDropout, cudnnCreateDropoutDescriptor);
SAME_FUNCTION(DestroyDropout, cudnnDestroyDropoutDescriptor);
SAME_FUNCTION(SetDropout, cudnnSetDropoutDescriptor);
SAME_FUNCTION(CreateRnn, cudnnCreateRNNDescriptor);
SAME_FUNCTION(DestroyRnn, cudnnDestroyRNNDescriptor);
SAME_FUNCTION(SetRnn, cudnnSetRNNDescriptor_v8);
SAME_FUNCTION(CreateRnnData, cudnnCreateRNNDataDescriptor);
SAME_FUNCTION(DestroyRnnData, cudnnDestroyRNNDataDescriptor);
SAME_FUNCTION(SetRnnData, cudnnSetRNNDataDescriptor);
SAME_FUNCTION(RnnSpaces, cudnnGetRNNTempSpaceSizes);
SAME_FUNCTION(RnnWeightSpace, cudnnGetRNNWeightSpaceSize);
SAME_FUNCTION(RnnWeights, cudnnGetRNNWeightParams);
SAME_FUNCTION(RnnForward, cudnnRNNForward);
SAME_FUNCTION(RnnBackwardData, cudnnRNNBackwardData_v8);
SAME_FUNCTION(RnnBackwardWeights, cudnnRNNBackwardWeights_v8);

}  // namespace
}  // namespace tahr::cuda::cudnn
#endif
