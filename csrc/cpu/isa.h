// Which instruction set the kernels of csrc/cpu/isa/ run with. Chosen once, on first use: the best that the CPU has, or
// what the environment variable TAHR_ISA names (v2|sse4, v3|avx2, v4|avx512).
//
// A file csrc/cpu/isa/foo.cpp is compiled once per instruction set and exports one table of function pointers:
//
//   foo_table.h    struct FooTable { ... };  TAHR_DECLARE_ISA_TABLE(FooTable, foo_table)     (includes cpu/isa.h)
//   isa/foo.cpp    namespace tahr::TAHR_ISA { const FooTable& foo_table() { static constexpr FooTable t{...}; return t;
//   } } use            tahr::foo_table().kernel(...), or foo_table(Isa::V3) to test one of them
//
// The table's header is included by the isa file too, so it and this header stay free of std.
#pragma once

#include <cstdint>

namespace tahr {

enum class Isa : uint8_t { Base, V2, V3, V4 };

Isa active_isa();           // throws Error(Value) if TAHR_ISA names something unknown or that this CPU lacks
const char* isa_name();     // of the active one: "x86-64-v3"
bool isa_available(Isa i);  // built in, and this CPU can run it

}  // namespace tahr

#ifdef TAHR_X86
#define TAHR_DECLARE_ISA_TABLE(Table, getter)                   \
  namespace tahr::v2 {                                          \
  const Table& getter();                                        \
  }                                                             \
  namespace tahr::v3 {                                          \
  const Table& getter();                                        \
  }                                                             \
  namespace tahr::v4 {                                          \
  const Table& getter();                                        \
  }                                                             \
  namespace tahr {                                              \
  inline const Table& getter(Isa i) {                           \
    if (i == Isa::V4) return v4::getter();                      \
    return i == Isa::V3 ? v3::getter() : v2::getter();          \
  }                                                             \
  inline const Table& getter() { return getter(active_isa()); } \
  }
#else
#define TAHR_DECLARE_ISA_TABLE(Table, getter)                \
  namespace tahr::base {                                     \
  const Table& getter();                                     \
  }                                                          \
  namespace tahr {                                           \
  inline const Table& getter(Isa) { return base::getter(); } \
  inline const Table& getter() { return base::getter(); }    \
  }
#endif
