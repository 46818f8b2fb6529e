// How the elementwise isa files write loops: a functor's f on scalars (the compiler vectorises) or on Vecs.
#pragma once

#include "cpu/elementwise_table.h"
#include "cpu/isa/vmath.h"

namespace tahr::TAHR_ISA {

// Inputs may alias the output exactly, never with an offset: every iteration is independent.
#if defined(__clang__)
#define TAHR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define TAHR_INDEPENDENT _Pragma("GCC ivdep")
#endif

template <class T>
inline constexpr EwType kEwTypeOf = EwType::Bool;
template <>
inline constexpr EwType kEwTypeOf<uint8_t> = EwType::U8;
template <>
inline constexpr EwType kEwTypeOf<uint16_t> = EwType::U16;
template <>
inline constexpr EwType kEwTypeOf<uint32_t> = EwType::U32;
template <>
inline constexpr EwType kEwTypeOf<uint64_t> = EwType::U64;
template <>
inline constexpr EwType kEwTypeOf<int8_t> = EwType::I8;
template <>
inline constexpr EwType kEwTypeOf<int16_t> = EwType::I16;
template <>
inline constexpr EwType kEwTypeOf<int32_t> = EwType::I32;
template <>
inline constexpr EwType kEwTypeOf<int64_t> = EwType::I64;
template <>
inline constexpr EwType kEwTypeOf<float> = EwType::F32;
template <>
inline constexpr EwType kEwTypeOf<double> = EwType::F64;

// R f(T) / R f(T, T) / R f(T, T, T) with the op's parameters, on scalars.
template <class F, class R, class T>
void scalar_loop1(void* out, const void* const* in, int64_t n, const double* p) {
  const T* a = static_cast<const T*>(in[0]);
  R* r = static_cast<R*>(out);
  const F f(p);
  TAHR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) r[i] = f(a[i]);
}
template <class F, class R, class T>
void scalar_loop2(void* out, const void* const* in, int64_t n, const double* p) {
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  R* r = static_cast<R*>(out);
  const F f(p);
  TAHR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) r[i] = f(a[i], b[i]);
}
template <class F, class R, class T>
void scalar_loop3(void* out, const void* const* in, int64_t n, const double* p) {
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]), *c = static_cast<const T*>(in[2]);
  R* r = static_cast<R*>(out);
  const F f(p);
  TAHR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) r[i] = f(a[i], b[i], c[i]);
}

// Long loops fetch both sides this many bytes ahead: while the arithmetic fills the window in which the processor looks
// ahead, the memory would idle. Reaches beyond the end, which is often where the next chunk begins.
inline constexpr int64_t kFetchAhead = 2048;
inline constexpr int64_t kLongLoop = 1024;  // elements; a tile of the driver that is not streamed

TAHR_INLINE void fetch_for_writing(const void* p) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(p)));
#else
  __builtin_prefetch(p, 1);
#endif
}
template <class... T>
TAHR_INLINE void fetch_ahead(const void* out, const T*... in) {
  (__builtin_prefetch(reinterpret_cast<const char*>(in) + kFetchAhead), ...);
  fetch_for_writing(static_cast<const char*>(out) + kFetchAhead);
}

// V f(V) / V f(V, V) on vectors of T; the last few elements go through the same code, padded.
template <class F, class T>
void vector_loop1(void* out, const void* const* in, int64_t n, const double* p) {
  using V = Vec<T>;
  constexpr int64_t lanes = kLanes<T>;
  const T* a = static_cast<const T*>(in[0]);
  T* r = static_cast<T*>(out);
  const F f(p);
  int64_t i = 0;
  if (n >= kLongLoop) {
    for (; i + lanes <= n; i += lanes) {
      fetch_ahead(r + i, a + i);
      store(r + i, f(load<V>(a + i)));
    }
  }
  for (; i + lanes <= n; i += lanes) store(r + i, f(load<V>(a + i)));
  if (i < n) store_part(r + i, f(load_part<V>(a + i, n - i)), n - i);
}
template <class F, class T>
void vector_loop2(void* out, const void* const* in, int64_t n, const double* p) {
  using V = Vec<T>;
  constexpr int64_t lanes = kLanes<T>;
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  T* r = static_cast<T*>(out);
  const F f(p);
  int64_t i = 0;
  if (n >= kLongLoop) {
    for (; i + lanes <= n; i += lanes) {
      fetch_ahead(r + i, a + i, b + i);
      store(r + i, f(load<V>(a + i), load<V>(b + i)));
    }
  }
  for (; i + lanes <= n; i += lanes) store(r + i, f(load<V>(a + i), load<V>(b + i)));
  if (i < n) store_part(r + i, f(load_part<V>(a + i, n - i), load_part<V>(b + i, n - i)), n - i);
}

// The same past the cache, results from registers: no line of them is read first, and loads and stores go side by side.
template <class V>
TAHR_INLINE void store_past_cache(void* p, V v) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, static_cast<V*>(p));
#elif defined(__AVX512F__)
  __builtin_ia32_movntps512(static_cast<float*>(p), bits<f32v>(v));
#elif defined(__AVX2__)
  __builtin_ia32_movntps256(static_cast<float*>(p), bits<f32v>(v));
#elif defined(__SSE2__)
  __builtin_ia32_movntps(static_cast<float*>(p), bits<f32v>(v));
#else
  store(p, v);
#endif
}
// Into the second level of the cache well ahead, into the first in time.
TAHR_INLINE void fetch_twice(const void* p) {
  __builtin_prefetch(static_cast<const char*>(p) + 2 * kFetchAhead, 0, 2);
  __builtin_prefetch(static_cast<const char*>(p) + kFetchAhead / 2);
}
template <class F, class T>
void stream_loop1(void* out, const void* const* in, int64_t n, const double* p) {
  using V = Vec<T>;
  constexpr int64_t lanes = kLanes<T>;
  const T* a = static_cast<const T*>(in[0]);
  T* r = static_cast<T*>(out);
  const F f(p);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    fetch_twice(a + i);
    store_past_cache(r + i, f(load<V>(a + i)));
  }
  if (i < n) store_part(r + i, f(load_part<V>(a + i, n - i)), n - i);
}
template <class F, class T>
void stream_loop2(void* out, const void* const* in, int64_t n, const double* p) {
  using V = Vec<T>;
  constexpr int64_t lanes = kLanes<T>;
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  T* r = static_cast<T*>(out);
  const F f(p);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    fetch_twice(a + i);
    fetch_twice(b + i);
    store_past_cache(r + i, f(load<V>(a + i), load<V>(b + i)));
  }
  if (i < n) store_part(r + i, f(load_part<V>(a + i, n - i), load_part<V>(b + i, n - i)), n - i);
}

// The same of a functor on scalars, a few vectors at a time: those that the compiler makes of a loop.
inline constexpr int64_t kStreamBlock = 512;  // bytes

// r[i] = f(i); `in`: what of its inputs is fetched.
template <class R, class F, class T, class... More>
TAHR_INLINE void stream_blocks(R* r, int64_t n, F f, const T* in, const More*... more) {
  constexpr int64_t block = kStreamBlock / static_cast<int64_t>(sizeof(R));
  int64_t i = 0;
  for (; i + block <= n; i += block) {
    alignas(64) R t[block];
    for (int64_t k = 0; k < block; k += 64 / static_cast<int64_t>(sizeof(T))) {
      fetch_twice(in + i + k);
      (fetch_twice(more + i + k), ...);
    }
    TAHR_INDEPENDENT
    for (int64_t k = 0; k < block; ++k) t[k] = f(i + k);
    for (int64_t k = 0; k < block; k += kLanes<R>) store_past_cache(r + i + k, load<Vec<R>>(t + k));
  }
  for (; i < n; ++i) r[i] = f(i);
}
template <class F, class T>
void scalar_stream1(void* out, const void* const* in, int64_t n, const double* p) {
  const T* a = static_cast<const T*>(in[0]);
  const F f(p);
  const auto one = [&](int64_t i) __attribute__((always_inline)) { return f(a[i]); };
  stream_blocks(static_cast<T*>(out), n, one, a);
}
template <class F, class T>
void scalar_stream2(void* out, const void* const* in, int64_t n, const double* p) {
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  const F f(p);
  const auto one = [&](int64_t i) __attribute__((always_inline)) { return f(a[i], b[i]); };
  stream_blocks(static_cast<T*>(out), n, one, a, b);
}
template <class F, class T>
void scalar_stream3(void* out, const void* const* in, int64_t n, const double* p) {
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]), *c = static_cast<const T*>(in[2]);
  const F f(p);
  const auto one = [&](int64_t i) __attribute__((always_inline)) { return f(a[i], b[i], c[i]); };
  stream_blocks(static_cast<T*>(out), n, one, a);
}

// A functor without parameters / with parameters p0, p1.
#define TAHR_EW_FUNCTOR(Name) \
  struct Name {               \
    explicit Name(const double*) {}

#define TAHR_EW_FUNCTOR_P(Name) \
  struct Name {                 \
    const double p0, p1, p2;    \
    explicit Name(const double* p) : p0(p[0]), p1(p[1]), p2(p[2]) {}

// Functors of one expression on scalars a, b; P: of the parameters too.
#define EW1(Name, expr)                    \
  TAHR_EW_FUNCTOR(Name)                    \
  template <class T>                       \
  TAHR_INLINE auto operator()(T a) const { \
    return expr;                           \
  }                                        \
  }                                        \
  ;
#define EW1P(Name, expr)                   \
  TAHR_EW_FUNCTOR_P(Name)                  \
  template <class T>                       \
  TAHR_INLINE auto operator()(T a) const { \
    return expr;                           \
  }                                        \
  }                                        \
  ;
#define EW2(Name, expr)                         \
  TAHR_EW_FUNCTOR(Name)                         \
  template <class T>                            \
  TAHR_INLINE auto operator()(T a, T b) const { \
    return expr;                                \
  }                                             \
  }                                             \
  ;
#define EW2P(Name, expr)                        \
  TAHR_EW_FUNCTOR_P(Name)                       \
  template <class T>                            \
  TAHR_INLINE auto operator()(T a, T b) const { \
    return expr;                                \
  }                                             \
  }                                             \
  ;

}  // namespace tahr::TAHR_ISA
