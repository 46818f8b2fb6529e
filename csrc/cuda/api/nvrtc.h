// NVRTC 12 and 13: compiling CUDA C++ to machine code at run time. No GPU is needed for that.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tahr::cuda::nvrtc {

struct Context;
using Program = Context*;

enum class Result : int32_t { Success = 0, Compilation = 6 };

using GetErrorString = const char*(Result);
using Version = Result(int* major, int* minor);
using CreateProgram = Result(Program* program, const char* source, const char* name, int headers,
                             const char* const* header_texts, const char* const* header_names);
using DestroyProgram = Result(Program* program);
using CompileProgram = Result(Program program, int options, const char* const* option);
using GetCubinSize = Result(Program program, size_t* bytes);
using GetCubin = Result(Program program, char* cubin);
using GetLogSize = Result(Program program, size_t* bytes);
using GetLog = Result(Program program, char* log);

}  // namespace tahr::cuda::nvrtc
