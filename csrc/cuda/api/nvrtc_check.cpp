// api/nvrtc.h against NVIDIA's header.
#if __has_include(<nvrtc.h>)
#include <nvrtc.h>

#include "cuda/api/check.h"
#include "cuda/api/nvrtc.h"

namespace tahr::cuda::nvrtc {
namespace {

using api::same_function;

#define SAME_VALUE(ours, theirs) \
  static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs) && sizeof(ours) == sizeof(theirs))
#define SAME_FUNCTION(ours, theirs) static_assert(same_function<ours, decltype(&theirs)>)

SAME_VALUE(Result::Success, NVRTC_SUCCESS);
SAME_VALUE(Result::Compilation, NVRTC_ERROR_COMPILATION);

SAME_FUNCTION(GetErrorString, nvrtcGetErrorString);
SAME_FUNCTION(Version, nvrtcVersion);
SAME_FUNCTION(CreateProgram, nvrtcCreateProgram);
SAME_FUNCTION(DestroyProgram, nvrtcDestroyProgram);
SAME_FUNCTION(CompileProgram, nvrtcCompileProgram);
SAME_FUNCTION(GetCubinSize, nvrtcGetCUBINSize);
SAME_FUNCTION(GetCubin, nvrtcGetCUBIN);
SAME_FUNCTION(GetLogSize, nvrtcGetProgramLogSize);
SAME_FUNCTION(GetLog, nvrtcGetProgramLog);

}  // namespace
}  // namespace tahr::cuda::nvrtc
#endif
