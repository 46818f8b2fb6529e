// Elementwise programs as kernels of their own, compiled by NVRTC for exactly this program: its dtypes, and how each
// tensor spreads. In place of the interpreter where NVRTC is installed.
//
// One launch; each element of each tensor is read or written once, 16 bytes at a time, and what is between stays in
// registers: the floor is memory, (bytes of the inputs + bytes of the results) / bandwidth.
#pragma once

#include <memory>

#include "cuda/program.h"

namespace tahr::cuda {

// Whether programs of traced functions, and of single calls, are compiled: TAHR_NVRTC=never, always; traced ones if
// unset.
bool jit_wanted(bool traced);

class JitProgram {
 public:
  // Begins to compile, in another thread. Null where the interpreter must do.
  static std::shared_ptr<JitProgram> begin(const ProgramBuilder& program, const Shape& whole, std::span<const Shape> in,
                                           std::span<const Shape> out);
  // Launches, once the code is there. False if it cannot be had: then the interpreter runs.
  bool run(const Shape& whole, std::span<const Tensor> in, std::span<const Tensor> out);

 private:
  struct Code;
  struct Cache;
  std::shared_ptr<Code> code_;
  std::vector<Spread> spreads_;  // inputs, then outputs
  int64_t per_block_ = 0;        // elements
};

}  // namespace tahr::cuda
