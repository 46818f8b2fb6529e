// What the convolutions' tiles share.
#pragma once

#include "cpu/isa/vec.h"

namespace tahr::TAHR_ISA {
namespace {

#define TAHR_UNROLL _Pragma("GCC unroll 32")

// p + by, which the compiler may not fold into addresses formed ahead of a loop, where they cost registers.
template <class T>
TAHR_INLINE T* next(T* p, int64_t by) {
  p += by;
  asm("" : "+r"(p));
  return p;
}

template <class V>
TAHR_INLINE V rectified(V v) {
  return v < V{} ? V{} : v;  // NaN stays NaN
}

template <class T>
TAHR_INLINE void store_cols(T* p, Vec<T> v, int cols) {
  if (cols >= kLanes<T>) {
    store(p, v);
    return;
  }
#if defined(TAHR_ISA_v4)
  if constexpr (sizeof(T) == 4) __builtin_ia32_storeups512_mask(p, v, static_cast<uint16_t>((1u << cols) - 1));
  else __builtin_ia32_storeupd512_mask(p, v, static_cast<uint8_t>((1u << cols) - 1));
#else
  for (int i = 0; i < cols; ++i) p[i] = v[i];
#endif
}
template <class T>
TAHR_INLINE Vec<T> load_cols(const T* p, int cols) {
  if (cols >= kLanes<T>) return load<Vec<T>>(p);
#if defined(TAHR_ISA_v4)
  if constexpr (sizeof(T) == 4)
    return __builtin_ia32_loadups512_mask(p, Vec<T>{}, static_cast<uint16_t>((1u << cols) - 1));
  else return __builtin_ia32_loadupd512_mask(p, Vec<T>{}, static_cast<uint8_t>((1u << cols) - 1));
#else
  Vec<T> v{};
  for (int i = 0; i < cols; ++i) v[i] = p[i];
  return v;
#endif
}

}  // namespace
}  // namespace tahr::TAHR_ISA
