#include "cuda/cudnn.h"

#include <cstdlib>
#include <map>
#include <string_view>

#include "cuda/runtime.h"

namespace tahr::cuda::cudnn {

const Opened<Api>& library() {
  static const auto* opened = [] {
#if defined(TAHR_CUDA_EMULATED)
    const char* none = std::getenv("TAHR_EMULATED_LIBRARIES");  // "none": as on a machine without them
    if (!none || std::string_view(none) != "none") return new Opened<Api>("cuDNN", emulated());
#endif
    // With buffers of several sizes to choose from, cuBLAS below recurrent layers takes the one that is free, and with
    // it another kernel: not the same bits each time.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:2", 0);
    open_beforehand({"libcublasLt.so.13", "libcublasLt.so.12"});  // some of its parts ask for these by name alone
    open_beforehand({"libcublas.so.13", "libcublas.so.12"});
    open_beforehand({"libnvrtc.so.13", "libnvrtc.so.12"});
    const LibraryNames names{"cuDNN", "nvidia-cudnn-cu13", {"libcudnn.so.9"}};
    return new Opened<Api>(names, [](const SharedLibrary& l, Api& a) {
      l.bind(a.get_version, "cudnnGetVersion");
      l.bind(a.get_error_string, "cudnnGetErrorString");
      l.bind(a.create, "cudnnCreate");
      l.bind(a.set_stream, "cudnnSetStream");
      l.bind(a.create_tensor, "cudnnCreateTensorDescriptor");
      l.bind(a.destroy_tensor, "cudnnDestroyTensorDescriptor");
      l.bind(a.set_tensor, "cudnnSetTensorNdDescriptor");
      l.bind(a.create_filter, "cudnnCreateFilterDescriptor");
      l.bind(a.destroy_filter, "cudnnDestroyFilterDescriptor");
      l.bind(a.set_filter, "cudnnSetFilterNdDescriptor");
      l.bind(a.create_conv, "cudnnCreateConvolutionDescriptor");
      l.bind(a.destroy_conv, "cudnnDestroyConvolutionDescriptor");
      l.bind(a.set_conv, "cudnnSetConvolutionNdDescriptor");
      l.bind(a.set_conv_groups, "cudnnSetConvolutionGroupCount");
      l.bind(a.set_conv_math, "cudnnSetConvolutionMathType");
      l.bind(a.forward_algorithms, "cudnnGetConvolutionForwardAlgorithm_v7");
      l.bind(a.data_algorithms, "cudnnGetConvolutionBackwardDataAlgorithm_v7");
      l.bind(a.filter_algorithms, "cudnnGetConvolutionBackwardFilterAlgorithm_v7");
      l.bind(a.forward_workspace, "cudnnGetConvolutionForwardWorkspaceSize");
      l.bind(a.data_workspace, "cudnnGetConvolutionBackwardDataWorkspaceSize");
      l.bind(a.filter_workspace, "cudnnGetConvolutionBackwardFilterWorkspaceSize");
      l.bind(a.forward, "cudnnConvolutionForward");
      l.bind(a.backward_data, "cudnnConvolutionBackwardData");
      l.bind(a.backward_filter, "cudnnConvolutionBackwardFilter");
      l.bind(a.get_tensor, "cudnnGetTensorNdDescriptor");
      l.bind(a.create_dropout, "cudnnCreateDropoutDescriptor");
      l.bind(a.destroy_dropout, "cudnnDestroyDropoutDescriptor");
      l.bind(a.set_dropout, "cudnnSetDropoutDescriptor");
      l.bind(a.create_rnn, "cudnnCreateRNNDescriptor");
      l.bind(a.destroy_rnn, "cudnnDestroyRNNDescriptor");
      l.bind(a.set_rnn, "cudnnSetRNNDescriptor_v8");
      l.bind(a.create_rnn_data, "cudnnCreateRNNDataDescriptor");
      l.bind(a.destroy_rnn_data, "cudnnDestroyRNNDataDescriptor");
      l.bind(a.set_rnn_data, "cudnnSetRNNDataDescriptor");
      l.bind(a.rnn_spaces, "cudnnGetRNNTempSpaceSizes");
      l.bind(a.rnn_weight_space, "cudnnGetRNNWeightSpaceSize");
      l.bind(a.rnn_weights, "cudnnGetRNNWeightParams");
      l.bind(a.rnn_forward, "cudnnRNNForward");
      l.bind(a.rnn_backward_data, "cudnnRNNBackwardData_v8");
      l.bind(a.rnn_backward_weights, "cudnnRNNBackwardWeights_v8");
      l.bind(a.backend_create, "cudnnBackendCreateDescriptor");
      l.bind(a.backend_destroy, "cudnnBackendDestroyDescriptor");
      l.bind(a.backend_finalize, "cudnnBackendFinalize");
      l.bind(a.backend_set, "cudnnBackendSetAttribute");
      l.bind(a.backend_get, "cudnnBackendGetAttribute");
      l.bind(a.backend_execute, "cudnnBackendExecute");
    });
  }();
  return *opened;
}

void check(Status s, const char* what) {
  if (s == Status::Success) return;
  throw_runtime("[gpu] cuDNN could not ", what, ": ", library()->get_error_string(s), ".");
}

std::mutex& mutex() {
  static std::mutex of_handles;
  return of_handles;
}

Handle handle() {
  static auto* handles = new std::map<int, Handle>;
  Handle& h = (*handles)[device()];
  if (!h) check(library()->create(&h), "start");
  check(library()->set_stream(h, stream()), "use a stream");  // each time: a recording has one of its own
  return h;
}

}  // namespace tahr::cuda::cudnn
