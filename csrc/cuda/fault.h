// Values on the device that an op refuses: indices out of range. A kernel cannot throw and the host does not wait for
// it, so it reports here, goes on with something harmless (zeros, or nothing written), and the next synchronisation
// (a read by the host, or `synchronize`) throws the error that the CPU would have.
#pragma once

#include "cuda/runtime.h"

namespace tahr::cuda {

enum class FaultKind : int {
  None,
  Index,    // expected indices in [-n, n)
  Segment,  // expected segment_ids below n
  Box,      // expected a part of the input that starts on `axis` in [0, n]
  Label,    // expected labels in [0, n); `axis` is the position of the label
};

// In pinned host memory, one per device. `op` is an address on the host, which kernels only pass on.
struct Fault {
  FaultKind kind;
  int axis;
  const char* op;
  int64_t received, n;
};

Fault* fault();      // of the current device
void check_fault();  // on the host, after a synchronisation: throws what was reported, once

// The first report stays. Threads that report at the same time do so for the same op; whose number stays is open.
__device__ inline void report(Fault* f, FaultKind kind, const char* op, int axis, int64_t received, int64_t n) {
  volatile Fault* to = f;
  if (to->kind != FaultKind::None) return;
  to->axis = axis;
  to->op = op;
  to->received = received;
  to->n = n;
  to->kind = kind;
}

}  // namespace tahr::cuda
