// api/cublaslt.h against NVIDIA's header.
#if __has_include(<cublasLt.h>)
#include <cublasLt.h>

#include "cuda/api/check.h"
#include "cuda/api/cublaslt.h"

namespace tahr::cuda::cublaslt {
namespace {

using api::same_function;

#define SAME_VALUE(ours, theirs) \
  static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs) && sizeof(ours) == sizeof(theirs))
#define SAME_FUNCTION(ours, theirs) static_assert(same_function<ours, decltype(&theirs)>)

SAME_VALUE(Status::Success, CUBLAS_STATUS_SUCCESS);
SAME_VALUE(Status::NotInitialized, CUBLAS_STATUS_NOT_INITIALIZED);
SAME_VALUE(Status::AllocFailed, CUBLAS_STATUS_ALLOC_FAILED);
SAME_VALUE(Status::InvalidValue, CUBLAS_STATUS_INVALID_VALUE);
SAME_VALUE(Status::ArchMismatch, CUBLAS_STATUS_ARCH_MISMATCH);
SAME_VALUE(Status::ExecutionFailed, CUBLAS_STATUS_EXECUTION_FAILED);
SAME_VALUE(Status::InternalError, CUBLAS_STATUS_INTERNAL_ERROR);
SAME_VALUE(Status::NotSupported, CUBLAS_STATUS_NOT_SUPPORTED);

SAME_VALUE(DataType::R32F, CUDA_R_32F);
SAME_VALUE(DataType::R64F, CUDA_R_64F);
SAME_VALUE(DataType::R16F, CUDA_R_16F);
SAME_VALUE(DataType::R16BF, CUDA_R_16BF);
SAME_VALUE(DataType::R8I, CUDA_R_8I);
SAME_VALUE(DataType::R32I, CUDA_R_32I);

SAME_VALUE(ComputeType::F32, CUBLAS_COMPUTE_32F);
SAME_VALUE(ComputeType::F64, CUBLAS_COMPUTE_64F);
SAME_VALUE(ComputeType::I32, CUBLAS_COMPUTE_32I);
SAME_VALUE(ComputeType::F32FastTf32, CUBLAS_COMPUTE_32F_FAST_TF32);

SAME_VALUE(Operation::N, CUBLAS_OP_N);
SAME_VALUE(Operation::T, CUBLAS_OP_T);
SAME_VALUE(PointerMode::Host, CUBLASLT_POINTER_MODE_HOST);
SAME_VALUE(PointerMode::Device, CUBLASLT_POINTER_MODE_DEVICE);

SAME_VALUE(Epilogue::Default, CUBLASLT_EPILOGUE_DEFAULT);
SAME_VALUE(Epilogue::Relu, CUBLASLT_EPILOGUE_RELU);
SAME_VALUE(Epilogue::Bias, CUBLASLT_EPILOGUE_BIAS);
SAME_VALUE(Epilogue::ReluBias, CUBLASLT_EPILOGUE_RELU_BIAS);
SAME_VALUE(Epilogue::Gelu, CUBLASLT_EPILOGUE_GELU);
SAME_VALUE(Epilogue::GeluBias, CUBLASLT_EPILOGUE_GELU_BIAS);

SAME_VALUE(kReductionNone, CUBLASLT_REDUCTION_SCHEME_NONE);
SAME_VALUE(kReductionInPlace, CUBLASLT_REDUCTION_SCHEME_INPLACE);
SAME_VALUE(kReductionComputeType, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);

SAME_VALUE(LayoutAttribute::BatchCount, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
SAME_VALUE(LayoutAttribute::BatchStride, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
SAME_VALUE(DescAttribute::PointerMode, CUBLASLT_MATMUL_DESC_POINTER_MODE);
SAME_VALUE(DescAttribute::TransA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME_VALUE(DescAttribute::TransB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME_VALUE(DescAttribute::Epilogue, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME_VALUE(DescAttribute::BiasPointer, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME_VALUE(PreferenceAttribute::MaxWorkspaceBytes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME_VALUE(PreferenceAttribute::ReductionSchemeMask, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME_VALUE(PreferenceAttribute::MinAlignmentA, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME_VALUE(PreferenceAttribute::MinAlignmentB, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME_VALUE(PreferenceAttribute::MinAlignmentC, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME_VALUE(PreferenceAttribute::MinAlignmentD, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME_VALUE(AlgoAttribute::SplitK, CUBLASLT_ALGO_CONFIG_SPLITK_NUM);
SAME_VALUE(AlgoAttribute::ReductionScheme, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);

static_assert(sizeof(Algo) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(HeuristicResult) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(HeuristicResult, workspace) == offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(HeuristicResult, state) == offsetof(cublasLtMatmulHeuristicResult_t, state));
static_assert(offsetof(HeuristicResult, waves) == offsetof(cublasLtMatmulHeuristicResult_t, wavesCount));

SAME_FUNCTION(Create, cublasLtCreate);
SAME_FUNCTION(GetVersion, cublasLtGetVersion);
SAME_FUNCTION(GetStatusName, cublasLtGetStatusName);
SAME_FUNCTION(Matmul, cublasLtMatmul);
SAME_FUNCTION(MatmulDescCreate, cublasLtMatmulDescCreate);
SAME_FUNCTION(MatmulDescDestroy, cublasLtMatmulDescDestroy);
SAME_FUNCTION(MatmulDescSetAttribute, cublasLtMatmulDescSetAttribute);
SAME_FUNCTION(MatrixLayoutCreate, cublasLtMatrixLayoutCreate);
SAME_FUNCTION(MatrixLayoutDestroy, cublasLtMatrixLayoutDestroy);
SAME_FUNCTION(MatrixLayoutSetAttribute, cublasLtMatrixLayoutSetAttribute);
SAME_FUNCTION(PreferenceCreate, cublasLtMatmulPreferenceCreate);
SAME_FUNCTION(PreferenceDestroy, cublasLtMatmulPreferenceDestroy);
SAME_FUNCTION(PreferenceSetAttribute, cublasLtMatmulPreferenceSetAttribute);
SAME_FUNCTION(AlgoGetHeuristic, cublasLtMatmulAlgoGetHeuristic);
SAME_FUNCTION(AlgoConfigGetAttribute, cublasLtMatmulAlgoConfigGetAttribute);

// The comparison itself finds differences.
static_assert(!same_function<Status(Handle), decltype(&cublasLtCreate)>);
static_assert(!same_function<Status(Handle*, int), decltype(&cublasLtCreate)>);
static_assert(!same_function<void(Handle*), decltype(&cublasLtCreate)>);

}  // namespace
}  // namespace tahr::cuda::cublaslt
#endif
