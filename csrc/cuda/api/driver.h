// The CUDA driver's functions that load machine code made at run time and launch it: the runtime has none for these
// before CUDA 12.8.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tahr::cuda::driver {

struct ModuleOf;
struct FunctionOf;
struct StreamOf;
using Module = ModuleOf*;
using Function = FunctionOf*;
using Stream = StreamOf*;  // the runtime's cudaStream_t

enum class Result : int32_t { Success = 0 };

using GetErrorName = Result(Result error, const char** name);
using ModuleLoadData = Result(Module* module, const void* image);  // into the current context
using ModuleGetFunction = Result(Function* function, Module module, const char* name);
using LaunchKernel = Result(Function f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                            unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream stream, void** parameters,
                            void** extra);

}  // namespace tahr::cuda::driver
