// cuBLASLt, opened on first use.
#pragma once

#include "cuda/api/cublaslt.h"
#include "cuda/shared_library.h"

namespace tahr::cuda::cublaslt {

struct Api {
  Create* create;
  GetVersion* get_version;
  GetStatusName* get_status_name;
  Matmul* matmul;
  MatmulDescCreate* desc_create;
  MatmulDescDestroy* desc_destroy;
  MatmulDescSetAttribute* desc_set;
  MatrixLayoutCreate* layout_create;
  MatrixLayoutDestroy* layout_destroy;
  MatrixLayoutSetAttribute* layout_set;
  PreferenceCreate* preference_create;
  PreferenceDestroy* preference_destroy;
  PreferenceSetAttribute* preference_set;
  AlgoGetHeuristic* get_heuristic;
  AlgoConfigGetAttribute* algo_get;
};

const Opened<Api>& library();

#if defined(TAHR_CUDA_EMULATED)
Api emulated();  // emulator/cublaslt.cpp
#endif

}  // namespace tahr::cuda::cublaslt
