// Compiling CUDA C++ at run time by NVRTC, loading and launching the result by the driver.
//
// What was compiled is kept on disk, in $TAHR_HOME/kernels (by default ~/.tahr/kernels), under a name made of
// everything that decides on it: the source, our headers, the options, NVRTC's version.
#pragma once

#include <string>
#include <string_view>

#include "cuda/api/driver.h"
#include "cuda/api/nvrtc.h"
#include "cuda/runtime.h"
#include "cuda/shared_library.h"

namespace tahr::cuda::nvrtc {

struct Api {
  GetErrorString* get_error_string;
  Version* version;
  CreateProgram* create;
  DestroyProgram* destroy;
  CompileProgram* compile;
  GetCubinSize* get_cubin_size;
  GetCubin* get_cubin;
  GetLogSize* get_log_size;
  GetLog* get_log;
};
struct DriverApi {
  driver::GetErrorName* get_error_name;
  driver::ModuleLoadData* load;
  driver::ModuleGetFunction* get_function;
  driver::LaunchKernel* launch;
};

const Opened<Api>& library();
const Opened<DriverApi>& driver_library();

// Machine code for the architecture ("sm_90") of a source that includes our headers by their names. Empty if it could
// not be had: `why` says so. For any thread; several at once.
std::string compile(const std::string& source, const std::string& architecture, std::string* why);

// A function of machine code, loaded for the current device; null if that failed. Not while work is recorded.
driver::Function load(const std::string& code, const char* name, std::string* why);

// The headers that sources include, as text; made from jit/headers.txt when this library is built.
struct Header {
  const char *name, *text;
};
extern const Header kHeaders[];
extern const int kHeaderCount;

#if defined(TAHR_CUDA_EMULATED)
bool has_twin();  // emulator/nvrtc.cpp compiles, in NVRTC's place
bool may_open();  // the true one
Api emulated();
DriverApi emulated_driver();
#endif

}  // namespace tahr::cuda::nvrtc
