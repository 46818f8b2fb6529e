#include <array>
#include <mutex>

#include "cuda/fault.h"

namespace tahr::cuda {

namespace {

std::array<Fault*, 64> g_faults{};
std::mutex g_mutex;

}  // namespace

Fault* fault() {
  const std::lock_guard lock(g_mutex);
  Fault*& f = g_faults[static_cast<size_t>(device())];
  if (!f) {
    check(cudaHostAlloc(reinterpret_cast<void**>(&f), sizeof(Fault), cudaHostAllocDefault),
          "pinned memory could not be taken");
    *f = {};
  }
  return f;
}

void check_fault() {
  volatile Fault* f = g_faults[static_cast<size_t>(device())];
  if (!f || f->kind == FaultKind::None) return;
  const FaultKind kind = f->kind;
  const char* op = f->op;
  const int64_t n = f->n, received = f->received;
  const int axis = f->axis;
  f->kind = FaultKind::None;
  switch (kind) {
    case FaultKind::Segment:
      throw_index("[", op, "] expected segment_ids below num_segments=", n, ", received ", received, ".");
    case FaultKind::Box:
      throw_value("[", op, "] expected a part inside the input, received on axis ", axis, " start ", received,
                  ", where a part of this size fits from 0 to ", n, ".");
    case FaultKind::Label:
      throw_value("[", op, "] expected labels in [0, ", n, "), received ", received, " at position ", axis,
                  " of the flattened labels. Number the classes from 0, or give the scores one column per class.");
    default: throw_index("[", op, "] expected indices in [", -n, ", ", n, "), received ", received, ".");
  }
}

}  // namespace tahr::cuda
