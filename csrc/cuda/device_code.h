// Device code's own header: what it needs of the CUDA runtime's, or of the emulated one, wherever it is compiled: by
// nvcc, by the host's compiler, or by NVRTC, which has no header but those of cuda/source_headers.cmake. Headers that
// include only this one, each other and the standard headers in jit/ are for all three.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

// Before a loop whose arrays belong in registers.
#if defined(TAHR_CUDA_EMULATED)
#define TAHR_UNROLL
#else
#define TAHR_UNROLL _Pragma("unroll")
#endif
