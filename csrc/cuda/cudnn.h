// cuDNN, opened on first use.
#pragma once

#include <mutex>

#include "cuda/api/cudnn.h"
#include "cuda/api/cudnn_graph.h"
#include "cuda/shared_library.h"

namespace tahr::cuda::cudnn {

struct Api {
  GetVersion* get_version;
  GetErrorString* get_error_string;
  Create* create;
  SetStream* set_stream;
  CreateTensor* create_tensor;
  DestroyTensor* destroy_tensor;
  SetTensor* set_tensor;
  CreateFilter* create_filter;
  DestroyFilter* destroy_filter;
  SetFilter* set_filter;
  CreateConv* create_conv;
  DestroyConv* destroy_conv;
  SetConv* set_conv;
  SetConvGroups* set_conv_groups;
  SetConvMath* set_conv_math;
  ForwardAlgorithms* forward_algorithms;
  DataAlgorithms* data_algorithms;
  FilterAlgorithms* filter_algorithms;
  ForwardWorkspace* forward_workspace;
  DataWorkspace* data_workspace;
  FilterWorkspace* filter_workspace;
  Forward* forward;
  BackwardData* backward_data;
  BackwardFilter* backward_filter;
  GetTensor* get_tensor;
  CreateDropout* create_dropout;
  DestroyDropout* destroy_dropout;
  SetDropout* set_dropout;
  CreateRnn* create_rnn;
  DestroyRnn* destroy_rnn;
  SetRnn* set_rnn;
  CreateRnnData* create_rnn_data;
  DestroyRnnData* destroy_rnn_data;
  SetRnnData* set_rnn_data;
  RnnSpaces* rnn_spaces;
  RnnWeightSpace* rnn_weight_space;
  RnnWeights* rnn_weights;
  RnnForward* rnn_forward;
  RnnBackwardData* rnn_backward_data;
  RnnBackwardWeights* rnn_backward_weights;
  BackendCreate* backend_create;
  BackendDestroy* backend_destroy;
  BackendFinalize* backend_finalize;
  BackendSet* backend_set;
  BackendGet* backend_get;
  BackendExecute* backend_execute;
};

const Opened<Api>& library();
Handle handle();      // of the current device, on stream(); to be used by one thread at a time:
std::mutex& mutex();  // that of the handles, held while one is used
void check(Status s, const char* what);
inline bool not_supported(Status s) { return static_cast<int32_t>(s) / 1000 == 3; }

#if defined(TAHR_CUDA_EMULATED)
Api emulated();  // emulator/cudnn.cpp
#endif

}  // namespace tahr::cuda::cudnn
