#include "cuda/cudnn.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>

#include "cuda/runtime.h"

namespace tahr::cuda::cudnn {

const Opened<Api>& library() {
  static const auto* opened = [] {
#if defined(TAHR_CUDA_EMULATED)
    const char* none = std::getenv("TAHR_EMULATED_LIBRARIES");  // "none": as on a machine without them
    if (!none || std::string_view(none) != "none") return new Opened<Api>("cuDNN", emulated());
#endif
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
    });
  }();
  return *opened;
}

void check(Status s, const char* what) {
  if (s == Status::Success) return;
  throw_runtime("[gpu] cuDNN could not ", what, ": ", library()->get_error_string(s), ".");
}

Handle handle() {
  static std::mutex mutex;
  static auto* handles = new std::map<int, Handle>;
  const std::lock_guard lock(mutex);
  Handle& h = (*handles)[device()];
  if (!h) check(library()->create(&h), "start");
  check(library()->set_stream(h, stream()), "use a stream");  // each time: a recording has one of its own
  return h;
}

}  // namespace tahr::cuda::cudnn
