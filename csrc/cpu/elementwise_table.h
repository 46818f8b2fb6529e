// What the elementwise kernels of csrc/cpu/isa export: loops over contiguous elements, found by (operation, type).
//
// A loop reads n elements from each input and writes n to `out`, which may be one of the inputs. All broadcasting,
// half precision, threading and streaming is the driver's (cpu/elementwise.h), so a loop is a few lines.
// Free of std: isa files include it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa.h"
#include "ops/elementwise_codes.h"

namespace tahr {

// In the order of DType (cpu/elementwise.cpp asserts it).
enum class EwType : uint8_t { Bool, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64 };
inline constexpr int kEwTypeCount = 13;

// params: the op's numeric attributes, in the order that its kernel states.
using EwLoop = void (*)(void* out, const void* const* in, int64_t n, const double* params);

struct EwEntry {
  Ew op;
  EwType type;  // of the inputs that carry the op's type
  EwLoop loop;
  EwLoop streamed = nullptr;  // the same past the cache, if there is one: `out` at a multiple of 64 bytes
};
struct EwEntries {
  const EwEntry* begin;
  size_t count;
};
struct EwCasts {
  EwLoop loop[kEwTypeCount][kEwTypeCount];  // [from][to]
  // Writes each of `count` values of `size` bytes, `stride` values apart, `times` times over; then perhaps up to 64
  // bytes of anything.
  void (*repeat)(void* to, const void* from, int64_t count, int64_t stride, int64_t times, size_t size);
  // Copies past the cache: for results that nobody reads before they have left it. `stream_end` makes them visible.
  void (*stream)(void* to, const void* from, size_t bytes);
  void (*stream_end)();
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(EwEntries, elementwise_arith_table)
TAHR_DECLARE_ISA_TABLE(EwEntries, elementwise_math_table)
TAHR_DECLARE_ISA_TABLE(EwEntries, elementwise_number_table)
TAHR_DECLARE_ISA_TABLE(EwEntries, elementwise_double_table)
TAHR_DECLARE_ISA_TABLE(EwCasts, elementwise_cast_table)
