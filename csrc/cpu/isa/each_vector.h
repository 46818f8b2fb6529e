// Walking along a row by vectors, its partial last one included, and sums of what is found there.
#pragma once

#include "cpu/isa/reduce.h"

namespace tahr::TAHR_ISA {
namespace {

// ---- the last, partial vector of a row ----

#if !defined(__clang__) && defined(__AVX512F__)
TAHR_INLINE f32v load_first(const float* p, int64_t n, float fill) {
  return __builtin_ia32_loadups512_mask(p, splat<f32v>(fill), static_cast<unsigned short>((1u << n) - 1));
}
TAHR_INLINE f64v load_first(const double* p, int64_t n, double fill) {
  return __builtin_ia32_loadupd512_mask(p, splat<f64v>(fill), static_cast<unsigned char>((1u << n) - 1));
}
TAHR_INLINE void store_first(float* p, f32v v, int64_t n) {
  __builtin_ia32_storeups512_mask(p, v, static_cast<unsigned short>((1u << n) - 1));
}
TAHR_INLINE void store_first(double* p, f64v v, int64_t n) {
  __builtin_ia32_storeupd512_mask(p, v, static_cast<unsigned char>((1u << n) - 1));
}
#else
template <class T>
TAHR_INLINE Vec<T> load_first(const T* p, int64_t n, T fill) {
  T t[kLanes<T>];
  for (int i = 0; i < kLanes<T>; ++i) t[i] = fill;
  for (int64_t i = 0; i < n; ++i) t[i] = p[i];
  return load<Vec<T>>(t);
}
template <class T>
TAHR_INLINE void store_first(T* p, Vec<T> v, int64_t n) {
  T t[kLanes<T>];
  store(t, v);
  for (int64_t i = 0; i < n; ++i) p[i] = t[i];
}
#endif

TAHR_INLINE void store_first(int32_t* p, i32v v, int64_t n) {
  store_first(reinterpret_cast<float*>(p), bits<f32v>(v), n);
}
TAHR_INLINE void store_first(int64_t* p, i64v v, int64_t n) {
  store_first(reinterpret_cast<double*>(p), bits<f64v>(v), n);
}

// The first n lanes, mostly all of them.
template <class T, class V>
TAHR_INLINE void store_up_to(T* p, V v, int64_t n) {
  if (__builtin_expect(n == kLanes<T>, 1)) store(p, v);
  else store_first(p, v, n);
}

template <class T>
TAHR_INLINE Vec<T> first_of(const T* p, int64_t n) {
  return n == kLanes<T> ? load<Vec<T>>(p) : load_first(p, n, T(0));
}

// Calls body(i, count) for each vector of a row; count is kLanes<T> for all but perhaps the last.
// In the body: get(p, i, count, fill) and put(p, i, v, count).
template <class T, class F>
TAHR_INLINE void each_vector(int64_t n, F body) {
  constexpr int W = kLanes<T>;
  int64_t i = 0;
  for (; i + W <= n; i += W)
    body(i, [](const T* p, T) TAHR_LAMBDA { return load<Vec<T>>(p); }, [](T* p, Vec<T> v) TAHR_LAMBDA { store(p, v); });
  if (const int64_t rest = n - i) {
    body(
        i, [rest](const T* p, T fill) TAHR_LAMBDA { return load_first(p, rest, fill); },
        [rest](T* p, Vec<T> v) TAHR_LAMBDA { store_first(p, v, rest); });
  }
}

template <class T>
TAHR_INLINE T sum_lanes(Vec<T> v) {
  return fold_lanes<AddOp, T, kVecBytes>(v);
}

// The sum of what `term(i, get)` gives for each vector of a row. Blocks of 2,048 elements are added in double.
template <class T, class F>
TAHR_INLINE double row_sum(int64_t n, F term) {
  double total = 0;
  for (int64_t i = 0; i < n; i += 2048) {
    Vec<T> s{};
    each_vector<T>(n - i < 2048 ? n - i : 2048, [&](int64_t k, auto get, auto) TAHR_LAMBDA { s += term(i + k, get); });
    total += sum_lanes<T>(s);
  }
  return total;
}

}  // namespace
}  // namespace tahr::TAHR_ISA
