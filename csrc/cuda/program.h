// Elementwise programs and their interpreter: `fused` ones, and single ops without a kernel of their own (direct.h).
//
// A program is a list of instructions on registers, made on the host and given to the kernel by value. Each thread
// takes kLanes elements through all of it: what is between loads and stores does not go through the device's memory.
// For each element i of the space: Load fetches input k at its (broadcast) place, Store writes output k at i.
#pragma once

#include <string>
#include <vector>

#include "cuda/operands.h"
#include "cuda/runtime.h"
#include "ops/elementwise_resolve.h"

namespace tahr::cuda {

// A program that needs more registers takes one element per thread.
inline constexpr int kLanes = 4, kRegisters = 32, kMostRegisters = kLanes * kRegisters;

enum class Do : uint8_t {
  Load,      // out = input `tensor`, of `type`
  Constant,  // out = `bits`, of `type`
  Compute,   // out = op(in...), all of `type`
  Test,      // out = the truth value of op(in...), the inputs of `type`
  Select,    // out = in[0] ? in[1] : in[2], those of `type`
  Convert,   // out = in[0], of `type`, as `to`
  Store,     // output `tensor` = in[0], of `type`
};

struct Instruction {
  Do what = Do::Compute;
  Ew op = Ew::Copy;
  DType type = DType::Float32, to = DType::Float32;
  uint8_t in[kEwMaxInputs] = {}, out = 0;
  uint16_t tensor = 0;
  union {
    EwParams params = {};
    uint64_t bits;
  };
};

inline constexpr const char* kJitName = "tahr_program";
struct JitSource {
  std::string text;
  int64_t per_block;  // elements of the whole
};

// A program on values, before it has registers and tensors. Values are numbered as they are made.
class ProgramBuilder {
 public:
  explicit ProgramBuilder(size_t inputs) : inputs_(inputs) {}
  int load(int input, DType type);
  int constant(uint64_t bits, DType type);       // the element's bytes, then zeros
  int convert(int value, DType type, DType to);  // the value itself if the two are one
  // An elementwise op as EwResolver has it, on values of dtypes `types`; gives a value of dtype `out`.
  int apply(const EwPlan& plan, std::span<const int> values, std::span<const DType> types, DType out);
  void store(int value, int output, DType type);

  bool finish();  // when all is added; whether the interpreter can take it
  size_t length() const { return code_.size(); }
  // Outputs have the shape of the whole or a single element.
  void run(const Shape& whole, std::span<const Tensor> in, std::span<const Tensor> out) const;
  // The kernel that it is (jit.h), for inputs and outputs that spread so.
  JitSource source(std::span<const Spread> spreads) const;

 private:
  int add(Instruction i);

  size_t inputs_, outputs_ = 0;
  std::vector<Instruction> code_;
  std::vector<int> result_;             // the value that an instruction makes; -1: none
  std::vector<std::vector<int>> read_;  // the values that it reads
  int values_ = 0, registers_ = 0;
};

// Whether the CPU computes an op on a type without a detour: the choice of types is the same on all devices.
struct DeviceTypes {
  static bool has(Ew op, DType type);
};
using Resolver = EwResolver<DeviceTypes>;
EwPlan resolve(std::string_view op, const EwSite& site);

}  // namespace tahr::cuda
