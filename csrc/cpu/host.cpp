// Host functions run on memory of the CPU.
#include "ops/host.h"

#include "ops/functions.h"

namespace tahr {

void register_host_kernels() {
  define_kernel("host_call", DeviceType::CPU,
                [](const KernelArgs& a) { host_functions().run(a.as<HostCallAttrs>(), a.in, a.out); });
}

}  // namespace tahr
