// The core's functions that kernels may call. Kernels use them by their ordinary names from the ordinary headers;
// host_api.cpp implements those by the table that the core handed over. A call of anything else of the core's fails to
// link: then add it to `HostApi` (ops/placement.h), to its table in ops/device_library.cpp, and to host_api.cpp; or, if
// it is pure and small, add its file to TAHR_CUDA_SHARED_SOURCES in csrc/cuda/CMakeLists.txt.
#pragma once

#include "ops/placement.h"

namespace tahr::cuda {

bool accept_host_api(const HostApi* api);  // false if it is of another version
void set_reserve(DeviceReserve reserve);   // set_device_reserve of ops/placement.h

}  // namespace tahr::cuda
