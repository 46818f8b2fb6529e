// Places in memory from flat indices, and units of up to 16 bytes.
#pragma once

#include <cstdint>

#include "cuda/divider.h"
#include "cuda/runtime.h"

namespace tahr::cuda {

// Whether flat indices and places below n, stepped by a whole grid, stay inside 32 bits.
inline bool fits_32(int64_t n) { return n < (int64_t{1} << 30); }

// Calls f.template operator()<I>() with the type in which indices below n are computed.
template <class F>
void with_index(int64_t n, F&& f) {
  if (fits_32(n)) f.template operator()<int32_t>();
  else f.template operator()<int64_t>();
}

struct alignas(16) Unit16 {
  uint64_t low, high;
};

// Calls f.template operator()<U>() with a type of `bytes` bytes: 1, 2, 4, 8 or 16.
template <class F>
void with_unit(size_t bytes, F&& f) {
  switch (bytes) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    case 8: return f.template operator()<uint64_t>();
    default: return f.template operator()<Unit16>();
  }
}

// The widest unit, at most 16 bytes, of which lines of `bytes` bytes that begin at multiples of it from all of these
// addresses consist.
template <class... P>
size_t unit_of(int64_t bytes, const P*... p) {
  uintptr_t all = static_cast<uintptr_t>(bytes) | 16;
  ((all |= reinterpret_cast<uintptr_t>(p)), ...);
  return static_cast<size_t>(all & -all);
}

}  // namespace tahr::cuda
