#include "cpu/isa.h"

#include <cstdlib>
#include <string_view>

#include "core/error.h"

#ifdef TAHR_X86
#include <cpuid.h>
#endif

namespace tahr {
namespace {

#ifdef TAHR_X86
bool has_v2() {
  return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
         __builtin_cpu_supports("popcnt");
}

bool has_v3() {
  unsigned a, b, c1 = 0, c2 = 0, d;
  constexpr unsigned fma_movbe_f16c = 1u << 12 | 1u << 22 | 1u << 29, lzcnt = 1u << 5;
  if (!__get_cpuid(1, &a, &b, &c1, &d) || !__get_cpuid(0x80000001, &a, &b, &c2, &d)) return false;
  return has_v2() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && (c1 & fma_movbe_f16c) == fma_movbe_f16c && (c2 & lzcnt);
}

bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

Isa choose() {
  const char* env = std::getenv("TAHR_ISA");
  const std::string_view want = env ? env : "";
  if (want.empty()) {
    if (has_v4()) return Isa::V4;
    if (has_v3()) return Isa::V3;
    if (has_v2()) return Isa::V2;
    throw_runtime(
        "[isa] expected a CPU with SSE4.2 (x86-64-v2), received one without it. Build from source for this CPU.");
  }
  Isa isa;
  if (want == "v2" || want == "sse4") isa = Isa::V2;
  else if (want == "v3" || want == "avx2") isa = Isa::V3;
  else if (want == "v4" || want == "avx512") isa = Isa::V4;
  else
    throw_value("[isa] expected TAHR_ISA to be one of v2, sse4, v3, avx2, v4, avx512, received '", want,
                "'. Unset it to use the best that this CPU has.");
  if (!isa_available(isa)) {
    throw_value("[isa] expected TAHR_ISA to name an instruction set of this CPU, received '", want,
                "'. Unset it to use the best that this CPU has.");
  }
  return isa;
}
#endif

}  // namespace

bool isa_available(Isa i) {
#ifdef TAHR_X86
  switch (i) {
    case Isa::V2: return has_v2();
    case Isa::V3: return has_v3();
    case Isa::V4: return has_v4();
    default: return false;
  }
#else
  return i == Isa::Base;
#endif
}

Isa active_isa() {
#ifdef TAHR_X86
  static const Isa isa = choose();
  return isa;
#else
  return Isa::Base;
#endif
}

const char* isa_name() {
  static constexpr const char* names[] = {"baseline", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
  return names[static_cast<int>(active_isa())];
}

}  // namespace tahr
