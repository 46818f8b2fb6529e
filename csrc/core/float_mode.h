// How this thread rounds and whether it takes subnormal numbers for zero. Work that a thread hands to the pool is done
// in the same mode, so results do not depend on which thread computes them.
#pragma once

#include <cstdint>

namespace tahr {

using FloatMode = uint64_t;

#if defined(__x86_64__)
inline constexpr FloatMode kFlushSubnormals = 0x8040;                        // results to zero, operands taken for zero
inline FloatMode float_mode() { return __builtin_ia32_stmxcsr() & ~0x3fu; }  // without the flags of past exceptions
inline void set_float_mode(FloatMode m) { __builtin_ia32_ldmxcsr(static_cast<unsigned>(m)); }
#elif defined(__aarch64__)
inline constexpr FloatMode kFlushSubnormals = FloatMode{1} << 24;
inline FloatMode float_mode() {
  FloatMode m;
  asm volatile("mrs %0, fpcr" : "=r"(m));
  return m;
}
inline void set_float_mode(FloatMode m) { asm volatile("msr fpcr, %0" : : "r"(m)); }
#else
inline constexpr FloatMode kFlushSubnormals = 0;
inline FloatMode float_mode() { return 0; }
inline void set_float_mode(FloatMode) {}
#endif

// While alive, this thread takes subnormal numbers for zero. Arithmetic on them can be a hundred times as slow.
class NoSubnormals {
 public:
  NoSubnormals() : before_(float_mode()) { set_float_mode(before_ | kFlushSubnormals); }
  ~NoSubnormals() { set_float_mode(before_); }
  NoSubnormals(const NoSubnormals&) = delete;
  NoSubnormals& operator=(const NoSubnormals&) = delete;

 private:
  FloatMode before_;
};

}  // namespace tahr
