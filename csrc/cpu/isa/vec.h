// Vectors of the width of the instruction set this file is compiled for, by the compilers' vector extensions.
//
//   Vec<T>      kVecBytes wide; + - * / & | ^ ~ << >> and comparisons work lane by lane
//   Vec<Int<T>> a mask (all ones or zero per lane), which is what comparing two Vec<T> gives
//
// For csrc/cpu/isa only: no standard header, nothing that could call libm, everything inlined. The intrinsics
// named here are those that the language has no operator for (fma, sqrt, scaling by a power of two).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tahr::TAHR_ISA {

#define TAHR_INLINE inline __attribute__((always_inline))
#define TAHR_LAMBDA __attribute__((always_inline))

#if defined(__AVX512F__)
inline constexpr int kVecBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVecBytes = 32;
#else
inline constexpr int kVecBytes = 16;
#endif

template <class T, int Bytes>
struct VecOf {
  typedef T type __attribute__((vector_size(Bytes)));
};
template <class T>
using Vec = typename VecOf<T, kVecBytes>::type;
template <class T>
using HalfVec = typename VecOf<T, kVecBytes / 2>::type;  // as many bytes as half a Vec
template <class T>
inline constexpr int kLanes = kVecBytes / static_cast<int>(sizeof(T));

using f32v = Vec<float>;
using f64v = Vec<double>;
using i32v = Vec<int32_t>;
using i64v = Vec<int64_t>;
using u32v = Vec<uint32_t>;
using u64v = Vec<uint64_t>;

// The lane type of a vector, and the integer vectors of the same shape: signed (mask type) and unsigned (bit patterns
// in sums that may wrap).
template <class V>
struct LaneOf;
template <>
struct LaneOf<f32v> {
  using type = float;
  using mask = i32v;
  using word = uint32_t;
  using words = u32v;
};
template <>
struct LaneOf<f64v> {
  using type = double;
  using mask = i64v;
  using word = uint64_t;
  using words = u64v;
};
template <class V>
using Lane = typename LaneOf<V>::type;
template <class V>
using Mask = typename LaneOf<V>::mask;
template <class V>
using Word = typename LaneOf<V>::word;
template <class V>
using Words = typename LaneOf<V>::words;

template <class V>
TAHR_INLINE V load(const void* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
TAHR_INLINE void store(void* p, V v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// Lets the compiler forget what it knows of an array: a lane of it is then broadcast from memory, by a load, not by a
// permutation of the register it came from.
template <class T, int N>
TAHR_INLINE void in_memory(T (&a)[N]) {
  __asm__ volatile("" : "+m"(a));
}

// A vector that is loaded once: the compiler would rather have it as the memory operand of each use, and a load that
// crosses a cache line costs two.
template <class V>
TAHR_INLINE V load_once(const void* p) {
  V v = load<V>(p);
#if defined(__SSE2__)
  __asm__("" : "+v"(v));
#endif
  return v;
}

// The first n lanes; the others are zero.
template <class V>
TAHR_INLINE V load_part(const void* p, int64_t n) {
  V v{};
  const size_t bytes = static_cast<size_t>(n) * sizeof(v[0]);
  const char* s = static_cast<const char*>(p);
  char buf[sizeof(V)] = {};
  for (size_t i = 0; i < bytes; ++i) buf[i] = s[i];
  __builtin_memcpy(&v, buf, sizeof v);
  return v;
}
template <class V>
TAHR_INLINE void store_part(void* p, V v, int64_t n) {
  char buf[sizeof(V)];
  __builtin_memcpy(buf, &v, sizeof v);
  const size_t bytes = static_cast<size_t>(n) * sizeof(v[0]);
  char* d = static_cast<char*>(p);
  for (size_t i = 0; i < bytes; ++i) d[i] = buf[i];
}

// Minus zero survives: x - 0 is x for every x.
template <class V, class T>
TAHR_INLINE V splat(T x) {
  return static_cast<decltype(V{}[0] + T{})>(x) - V{};
}
template <>
TAHR_INLINE f32v splat<f32v, float>(float x) {
  return x - f32v{};
}
template <>
TAHR_INLINE f64v splat<f64v, double>(double x) {
  return x - f64v{};
}

template <class To, class From>
TAHR_INLINE To bits(From v) {
  static_assert(sizeof(To) == sizeof(From));
  To r;
  __builtin_memcpy(&r, &v, sizeof r);
  return r;
}

template <class M, class V>
TAHR_INLINE V select(M mask, V a, V b) {
  return mask ? a : b;
}
// Whether any lane of a mask is set.
TAHR_INLINE bool any(i32v m) {
#if defined(__AVX512DQ__) && !defined(__clang__)
  return __builtin_ia32_cvtd2mask512(m) != 0;
#elif defined(__AVX2__) && !defined(__clang__)
  return __builtin_ia32_movmskps256(bits<f32v>(m)) != 0;
#elif defined(__SSE2__) && !defined(__clang__)
  return __builtin_ia32_movmskps(bits<f32v>(m)) != 0;
#else
  int32_t r = 0;
  for (int i = 0; i < kLanes<int32_t>; ++i) r |= m[i];
  return r != 0;
#endif
}
TAHR_INLINE bool any(i64v m) {
#if defined(__AVX512DQ__) && !defined(__clang__)
  return __builtin_ia32_cvtq2mask512(bits<VecOf<long long, kVecBytes>::type>(m)) != 0;
#elif defined(__AVX2__) && !defined(__clang__)
  return __builtin_ia32_movmskpd256(bits<f64v>(m)) != 0;
#elif defined(__SSE2__) && !defined(__clang__)
  return __builtin_ia32_movmskpd(bits<f64v>(m)) != 0;
#else
  int64_t r = 0;
  for (int i = 0; i < kLanes<int64_t>; ++i) r |= m[i];
  return r != 0;
#endif
}

// a * b + c, fused where the instruction set can, else rounded twice.
TAHR_INLINE f32v fma(f32v a, f32v b, f32v c) {
#if defined(__clang__)
#pragma clang fp contract(fast)
  return a * b + c;
#elif defined(__AVX512F__)
  return __builtin_ia32_vfmaddps512_mask(a, b, c, static_cast<unsigned short>(-1), 4);
#elif defined(__FMA__)
  return __builtin_ia32_vfmaddps256(a, b, c);
#elif defined(__ARM_FEATURE_FMA)
  for (int i = 0; i < kLanes<float>; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
#else
  return a * b + c;
#endif
}
TAHR_INLINE f64v fma(f64v a, f64v b, f64v c) {
#if defined(__clang__)
#pragma clang fp contract(fast)
  return a * b + c;
#elif defined(__AVX512F__)
  return __builtin_ia32_vfmaddpd512_mask(a, b, c, static_cast<unsigned char>(-1), 4);
#elif defined(__FMA__)
  return __builtin_ia32_vfmaddpd256(a, b, c);
#elif defined(__ARM_FEATURE_FMA)
  for (int i = 0; i < kLanes<double>; ++i) c[i] = __builtin_fma(a[i], b[i], c[i]);
  return c;
#else
  return a * b + c;
#endif
}
template <class V>
TAHR_INLINE V fma(V a, Lane<V> b, V c) {
  return fma(a, splat<V>(b), c);
}
template <class V>
TAHR_INLINE V fma(V a, V b, Lane<V> c) {
  return fma(a, b, splat<V>(c));
}
template <class V>
TAHR_INLINE V fma(V a, Lane<V> b, Lane<V> c) {
  return fma(a, splat<V>(b), splat<V>(c));
}

TAHR_INLINE f32v sqrt(f32v x) {
#if defined(__AVX512F__) && !defined(__clang__)
  return __builtin_ia32_sqrtps512_mask(x, x, static_cast<unsigned short>(-1), 4);
#elif defined(__AVX__) && !defined(__clang__)
  return __builtin_ia32_sqrtps256(x);
#elif defined(__SSE2__) && !defined(__clang__)
  return __builtin_ia32_sqrtps(x);
#else
  for (int i = 0; i < kLanes<float>; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}
TAHR_INLINE f64v sqrt(f64v x) {
#if defined(__AVX512F__) && !defined(__clang__)
  return __builtin_ia32_sqrtpd512_mask(x, x, static_cast<unsigned char>(-1), 4);
#elif defined(__AVX__) && !defined(__clang__)
  return __builtin_ia32_sqrtpd256(x);
#elif defined(__SSE2__) && !defined(__clang__)
  return __builtin_ia32_sqrtpd(x);
#else
  for (int i = 0; i < kLanes<double>; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}

template <class V>
TAHR_INLINE V vabs(V x) {
  using M = Mask<V>;
  return bits<V>(bits<M>(x) & ~bits<M>(splat<V>(static_cast<Lane<V>>(-0.0))));
}
// The magnitude of x with the sign of s.
template <class V>
TAHR_INLINE V vcopysign(V x, V s) {
  using M = Mask<V>;
  const M sign = bits<M>(splat<V>(static_cast<Lane<V>>(-0.0)));
  return bits<V>((bits<M>(x) & ~sign) | (bits<M>(s) & sign));
}
// a < b ? a : b and a > b ? a : b, one instruction each: b where they are equal or one is NaN.
#if defined(__AVX512F__) && !defined(__clang__)
TAHR_INLINE f32v lesser(f32v a, f32v b) {
  return __builtin_ia32_minps512_mask(a, b, a, static_cast<unsigned short>(-1), 4);
}
TAHR_INLINE f64v lesser(f64v a, f64v b) {
  return __builtin_ia32_minpd512_mask(a, b, a, static_cast<unsigned char>(-1), 4);
}
TAHR_INLINE f32v greater(f32v a, f32v b) {
  return __builtin_ia32_maxps512_mask(a, b, a, static_cast<unsigned short>(-1), 4);
}
TAHR_INLINE f64v greater(f64v a, f64v b) {
  return __builtin_ia32_maxpd512_mask(a, b, a, static_cast<unsigned char>(-1), 4);
}
#elif defined(__AVX__) && !defined(__clang__)
TAHR_INLINE f32v lesser(f32v a, f32v b) { return __builtin_ia32_minps256(a, b); }
TAHR_INLINE f64v lesser(f64v a, f64v b) { return __builtin_ia32_minpd256(a, b); }
TAHR_INLINE f32v greater(f32v a, f32v b) { return __builtin_ia32_maxps256(a, b); }
TAHR_INLINE f64v greater(f64v a, f64v b) { return __builtin_ia32_maxpd256(a, b); }
#elif defined(__SSE2__) && !defined(__clang__)
TAHR_INLINE f32v lesser(f32v a, f32v b) { return __builtin_ia32_minps(a, b); }
TAHR_INLINE f64v lesser(f64v a, f64v b) { return __builtin_ia32_minpd(a, b); }
TAHR_INLINE f32v greater(f32v a, f32v b) { return __builtin_ia32_maxps(a, b); }
TAHR_INLINE f64v greater(f64v a, f64v b) { return __builtin_ia32_maxpd(a, b); }
#else
template <class V>
TAHR_INLINE V lesser(V a, V b) {
  return select(a < b, a, b);
}
template <class V>
TAHR_INLINE V greater(V a, V b) {
  return select(a > b, a, b);
}
#endif

// NaN in the first argument gives NaN; in the second it gives the first.
template <class V>
TAHR_INLINE V vmin(V x, Lane<V> bound) {
  return lesser(splat<V>(bound), x);
}
template <class V>
TAHR_INLINE V vmax(V x, Lane<V> bound) {
  return greater(splat<V>(bound), x);
}

// Float lanes as two vectors of doubles, and back.
struct Wide {
  f64v lo, hi;
};
TAHR_INLINE Wide widen(f32v x) {
  HalfVec<float> h[2];
  __builtin_memcpy(h, &x, sizeof h);
  return {__builtin_convertvector(h[0], f64v), __builtin_convertvector(h[1], f64v)};
}
TAHR_INLINE f32v narrow(f64v lo, f64v hi) {
  const HalfVec<float> h[2] = {__builtin_convertvector(lo, HalfVec<float>),
                               __builtin_convertvector(hi, HalfVec<float>)};
#if defined(__AVX512F__) && (defined(__clang__) || __GNUC__ >= 12)
  // Not through memory, where a load of two stores waits for both.
  return __builtin_shufflevector(h[0], h[1], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  f32v r;
  __builtin_memcpy(&r, h, sizeof r);
  return r;
#endif
}

// to[k][i] = lane i of the k-th result of f, which computes in doubles on the lanes of float or double vectors.
template <int kResults, class F, class... V>
TAHR_INLINE void in_doubles(double (*to)[kLanes<float>], F f, V... v) {
  if constexpr ((__is_same(V, f64v) && ...)) {
    f64v r[kResults];
    f(r, v...);
    for (int k = 0; k < kResults; ++k) store(to[k], r[k]);
  } else {
    f64v lo[kResults], hi[kResults];
    f(lo, widen(v).lo...);
    f(hi, widen(v).hi...);
    for (int k = 0; k < kResults; ++k) {
      store(to[k], lo[k]);
      store(to[k] + kLanes<double>, hi[k]);
    }
  }
}

}  // namespace tahr::TAHR_ISA
