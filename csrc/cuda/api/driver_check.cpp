// api/driver.h against NVIDIA's header.
#if __has_include(<cuda.h>)
#include <cuda.h>

#include "cuda/api/check.h"
#include "cuda/api/driver.h"

namespace tahr::cuda::driver {
namespace {

using api::same_function;

#define SAME_FUNCTION(ours, theirs) static_assert(same_function<ours, decltype(&theirs)>)

static_assert(static_cast<int>(Result::Success) == CUDA_SUCCESS && sizeof(Result) == sizeof(CUresult));

SAME_FUNCTION(GetErrorName, cuGetErrorName);
SAME_FUNCTION(ModuleLoadData, cuModuleLoadData);
SAME_FUNCTION(ModuleGetFunction, cuModuleGetFunction);
SAME_FUNCTION(LaunchKernel, cuLaunchKernel);

}  // namespace
}  // namespace tahr::cuda::driver
#endif
