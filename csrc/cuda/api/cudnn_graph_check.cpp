// api/cudnn_graph.h against NVIDIA's header, where that has attention as one operation, its gradient included.
#if __has_include(<cudnn.h>)
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <cudnn.h>
#if CUDNN_VERSION >= 91700

#include "cuda/api/check.h"
#include "cuda/api/cudnn_graph.h"

namespace tahr::cuda::cudnn {
namespace {

using api::same_function;

#define SAME_VALUE(ours, theirs) \
  static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs) && sizeof(ours) == sizeof(theirs))
#define SAME_FUNCTION(ours, theirs) static_assert(same_function<ours, decltype(&theirs)>)

static_assert(sizeof(Backend) == sizeof(cudnnBackendDescriptor_t));

SAME_VALUE(BackendType::Engine, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
SAME_VALUE(BackendType::EngineConfig, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
SAME_VALUE(BackendType::Heuristic, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
SAME_VALUE(BackendType::Plan, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
SAME_VALUE(BackendType::Graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
SAME_VALUE(BackendType::VariantPack, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
SAME_VALUE(BackendType::Tensor, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
SAME_VALUE(BackendType::AttentionForward, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
SAME_VALUE(BackendType::AttentionBackward, CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR);

SAME_VALUE(ValueType::Handle, CUDNN_TYPE_HANDLE);
SAME_VALUE(ValueType::DataType, CUDNN_TYPE_DATA_TYPE);
SAME_VALUE(ValueType::Boolean, CUDNN_TYPE_BOOLEAN);
SAME_VALUE(ValueType::Int64, CUDNN_TYPE_INT64);
SAME_VALUE(ValueType::Pointer, CUDNN_TYPE_VOID_PTR);
SAME_VALUE(ValueType::HeuristicMode, CUDNN_TYPE_HEUR_MODE);
SAME_VALUE(ValueType::NumericalNote, CUDNN_TYPE_NUMERICAL_NOTE);
SAME_VALUE(ValueType::Descriptor, CUDNN_TYPE_BACKEND_DESCRIPTOR);

SAME_VALUE(HeuristicMode::Fallback, CUDNN_HEUR_MODE_FALLBACK);
SAME_VALUE(HeuristicMode::A, CUDNN_HEUR_MODE_A);
SAME_VALUE(NumericalNote::Nondeterministic, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
static_assert(kNumericalNotes >= CUDNN_NUMERICAL_NOTE_TYPE_COUNT);

SAME_VALUE(Attribute::HeuristicMode, CUDNN_ATTR_ENGINEHEUR_MODE);
SAME_VALUE(Attribute::HeuristicGraph, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
SAME_VALUE(Attribute::HeuristicResults, CUDNN_ATTR_ENGINEHEUR_RESULTS);
SAME_VALUE(Attribute::ConfigEngine, CUDNN_ATTR_ENGINECFG_ENGINE);
SAME_VALUE(Attribute::PlanHandle, CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
SAME_VALUE(Attribute::PlanConfig, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
SAME_VALUE(Attribute::PlanWorkspace, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
SAME_VALUE(Attribute::GraphHandle, CUDNN_ATTR_OPERATIONGRAPH_HANDLE);
SAME_VALUE(Attribute::GraphOperations, CUDNN_ATTR_OPERATIONGRAPH_OPS);
SAME_VALUE(Attribute::TensorAlignment, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
SAME_VALUE(Attribute::TensorType, CUDNN_ATTR_TENSOR_DATA_TYPE);
SAME_VALUE(Attribute::TensorSizes, CUDNN_ATTR_TENSOR_DIMENSIONS);
SAME_VALUE(Attribute::TensorStrides, CUDNN_ATTR_TENSOR_STRIDES);
SAME_VALUE(Attribute::TensorNumber, CUDNN_ATTR_TENSOR_UNIQUE_ID);
SAME_VALUE(Attribute::TensorByValue, CUDNN_ATTR_TENSOR_IS_BY_VALUE);
SAME_VALUE(Attribute::PackNumbers, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
SAME_VALUE(Attribute::PackPointers, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
SAME_VALUE(Attribute::PackWorkspace, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
SAME_VALUE(Attribute::EngineNotes, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
SAME_VALUE(Attribute::ForwardQuery, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC);
SAME_VALUE(Attribute::ForwardKey, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC);
SAME_VALUE(Attribute::ForwardValue, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC);
SAME_VALUE(Attribute::ForwardOut, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC);
SAME_VALUE(Attribute::ForwardStatistics, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC);
SAME_VALUE(Attribute::ForwardScale, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC);
SAME_VALUE(Attribute::BackwardQuery, CUDNN_ATTR_OPERATION_SDPA_BWD_QDESC);
SAME_VALUE(Attribute::BackwardKey, CUDNN_ATTR_OPERATION_SDPA_BWD_KDESC);
SAME_VALUE(Attribute::BackwardValue, CUDNN_ATTR_OPERATION_SDPA_BWD_VDESC);
SAME_VALUE(Attribute::BackwardOut, CUDNN_ATTR_OPERATION_SDPA_BWD_ODESC);
SAME_VALUE(Attribute::BackwardStatistics, CUDNN_ATTR_OPERATION_SDPA_BWD_STATSDESC);
SAME_VALUE(Attribute::BackwardScale, CUDNN_ATTR_OPERATION_SDPA_BWD_SCALEDESC);
SAME_VALUE(Attribute::BackwardDQuery, CUDNN_ATTR_OPERATION_SDPA_BWD_DQDESC);
SAME_VALUE(Attribute::BackwardDKey, CUDNN_ATTR_OPERATION_SDPA_BWD_DKDESC);
SAME_VALUE(Attribute::BackwardDValue, CUDNN_ATTR_OPERATION_SDPA_BWD_DVDESC);
SAME_VALUE(Attribute::BackwardDOut, CUDNN_ATTR_OPERATION_SDPA_BWD_DODDESC);

SAME_FUNCTION(BackendCreate, cudnnBackendCreateDescriptor);
SAME_FUNCTION(BackendDestroy, cudnnBackendDestroyDescriptor);
SAME_FUNCTION(BackendFinalize, cudnnBackendFinalize);
SAME_FUNCTION(BackendSet, cudnnBackendSetAttribute);
SAME_FUNCTION(BackendGet, cudnnBackendGetAttribute);
SAME_FUNCTION(BackendExecute, cudnnBackendExecute);

}  // namespace
}  // namespace tahr::cuda::cudnn
#endif
#endif
