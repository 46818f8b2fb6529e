// Positions of extremes. Included by reduce.cpp alone. NaN wins, the first of equals too.
#pragma once

#include "cpu/isa/row_groups.h"

namespace tahr::TAHR_ISA {
namespace {

// True where v beats the incumbent a: larger (smaller), or the first NaN.
template <bool kMax, class T>
inline bool beats(T v, T a) {
  return (kMax ? v > a : v < a) | ((v != v) & (a == a));
}
// v at position i takes the place of best at position at where it beats it.
template <bool kMax>
TAHR_INLINE void take_better(f32v v, i32v i, f32v& best, i32v& at) {
#if defined(__AVX512F__) && !defined(__clang__)
  const auto ordered = __builtin_ia32_cmpps512_mask(best, best, 0x07, static_cast<unsigned short>(-1), 4);
  const auto better = __builtin_ia32_cmpps512_mask(v, best, kMax ? 0x16 : 0x19, ordered, 4);  // not <= (>=), or NaN
  best = __builtin_ia32_blendmps_512_mask(best, v, better);
  at = __builtin_ia32_blendmd_512_mask(at, i, better);
#else
  const i32v better = (kMax ? v > best : v < best) | ((v != v) & (best == best));
  best = select(better, v, best);
  at = select(better, i, at);
#endif
}
template <bool kMax>
TAHR_INLINE void take_better(f64v v, i64v i, f64v& best, i64v& at) {
  const i64v better = (kMax ? v > best : v < best) | ((v != v) & (best == best));
  best = select(better, v, best);
  at = select(better, i, at);
}

template <class T, class Same>
inline int64_t first_where(const T* x, int64_t n, Same same) {
  for (int64_t i = 0; i < n; i += 64) {
    const int64_t end = n - i < 64 ? n : i + 64;
    int hit = 0;
    for (int64_t k = i; k < end; ++k) hit |= same(x[k]);
    if (!hit) continue;
    for (int64_t k = i; k < end; ++k)
      if (same(x[k])) return k;
  }
  return 0;
}

TAHR_INLINE void put_positions(int32_t* to, i32v at, int64_t count) { store_up_to(to, at, count); }
TAHR_INLINE void put_positions(int32_t* to, i64v at, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<int32_t>(at[i]);
}

template <bool kMax>
struct Extreme : MaxOp {};
template <>
struct Extreme<false> : MinOp {};

template <bool kMax, class T>
TAHR_INLINE void long_arg_row(const T* x, int64_t n, int64_t base, T* a, int32_t* b) {
  constexpr int64_t kBlock = 8192 / sizeof(T);  // stays in the first-level cache for the search
  T best = x[0];
  int64_t at = 0;
  for (int64_t k = 0; k < n; k += kBlock) {
    const int64_t size = n - k < kBlock ? n - k : kBlock;
    const T m = fold<Extreme<kMax>>(x + k, size);
    if (k && !beats<kMax>(m, best)) continue;
    best = m;
    for (int64_t l = 0; l < size; l += 64 / static_cast<int64_t>(sizeof(T)))
      __builtin_prefetch(x + k + size + l);  // the row or part that follows: the search leaves the memory idle
    at = k + (m == m ? first_where(x + k, size, [m](T v) { return v == m; })
                     : first_where(x + k, size, [](T v) { return v != v; }));
  }
  *a = best;
  *b = static_cast<int32_t>(base + at);
}

// Rows of a vector and more: their extremes, and then where they are, from the end to the first.
template <bool kMax, class T>
TAHR_INLINE void arg_groups(const T* x, int64_t rows, int64_t n, int64_t base, T* a, int32_t* b) {
  using V = Vec<T>;
  using M = Mask<V>;
  using I = typename IntOf<sizeof(T)>::type;
  constexpr int64_t W = kLanes<T>;
  M lane, at[kSets][W];
  for (int i = 0; i < W; ++i) lane[i] = static_cast<I>(i);
  V extreme[kSets];
  T best[kSets * W];
  two_passes(
      x, rows, n, [n](const T* row) TAHR_LAMBDA { return fold_vectors<Extreme<kMax>>(row, n); },
      [&](int64_t set, V(&v)[W]) TAHR_LAMBDA {
        extreme[set] = fold_each<Extreme<kMax>, T>(v);
        store(best + set * W, extreme[set]);
        for (int i = 0; i < W; ++i) at[set][i] = M{};
      },
      [&](const T* row, int64_t, int64_t i, const T* ahead) TAHR_LAMBDA {
        const V m = splat<V>(best[i]);
        M found = select(load<V>(row + n - W) == m, lane + static_cast<I>(n - W), M{} + static_cast<I>(n));
        M here = lane + static_cast<I>(n / W * W);
        for (int64_t k = n / W * W - W; k >= 0; k -= W) {
          __builtin_prefetch(ahead + k);
          here -= static_cast<I>(W);
          found = select(load<V>(row + k) == m, here, found);
        }
        at[i / W][i % W] = found;
      },
      [&](int64_t set, int64_t r, int64_t count) TAHR_LAMBDA {
        if (__builtin_expect(any(extreme[set] != extreme[set]), 0)) {
          for (int64_t i = r; i < r + count; ++i) long_arg_row<kMax>(x + i * n, n, base, a + i, b + i);
          return;
        }
        store_up_to(a + r, extreme[set], count);
        put_positions(b + r, fold_each<MinOp, I>(at[set]) + static_cast<I>(base), count);
      });
}

template <bool kMax, class T>
void arg_rows(const void* xv, int64_t rows, int64_t n, int64_t base, void* av, void* bv) {
  const T* x = static_cast<const T*>(xv);
  T* a = static_cast<T*>(av);
  int32_t* b = static_cast<int32_t*>(bv);
  if constexpr (kIsFloat<T>) {
    using M = Mask<Vec<T>>;
    using I = typename IntOf<sizeof(T)>::type;
    if (n <= kNarrow && rows > 1) {
      return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& block) TAHR_LAMBDA {
        Vec<T> best = load<Vec<T>>(block.t);
        M at = M{} + static_cast<I>(base), here = at;
        for (int64_t k = 1; k < n; ++k) {
          here += I(1);
          take_better<kMax>(load<Vec<T>>(block.t + k * block.W), here, best, at);
        }
        store_up_to(a + r, best, count);
        put_positions(b + r, at, count);
      });
    }
    if (n > kNarrow && n <= kLongRow && rows > 1) return arg_groups<kMax>(x, rows, n, base, a, b);
  }
  for (int64_t i = 0; i < rows; ++i) long_arg_row<kMax>(x + i * n, n, base, a + i, b + i);
}

template <bool kMax, class T>
void arg_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t base, void* av, void* bv) {
  const T* x = static_cast<const T*>(xv);
  T* __restrict a = static_cast<T*>(av);
  int32_t* __restrict b = static_cast<int32_t*>(bv);
  if constexpr (__is_same(T, float)) {
    constexpr int64_t kRows = 16, kAhead = 8 * kLanes<float>;
    for (int64_t r = 0; r < rows; r += kRows) {
      const int64_t count = rows - r < kRows ? rows - r : kRows;
      each_vector<float>(m, [&](int64_t j, auto get, auto put) TAHR_LAMBDA {
        const float* p = x + j + r * stride;
        f32v best = r ? get(a + j, 0.f) : get(p, 0.f);
        const float* ahead = p + (j + kAhead < m ? kAhead : kAhead - m + kRows * stride);  // in these rows or the next
        i32v here = i32v{} + static_cast<int32_t>(base + r);
        i32v at = r ? bits<i32v>(f32v(get(reinterpret_cast<float*>(b) + j, 0.f))) : here;
        for (int64_t k = 0; k < count; ++k, here += 1) {
          __builtin_prefetch(ahead + k * stride);
          take_better<kMax>(f32v(get(p + k * stride, 0.f)), here, best, at);
        }
        put(a + j, best);
        put(reinterpret_cast<float*>(b) + j, bits<f32v>(at));
      });
    }
    return;
  }
  for (int64_t j = 0; j < m; ++j) {
    a[j] = x[j];
    b[j] = static_cast<int32_t>(base);
  }
  for (int64_t r = 1; r < rows; ++r) {
    const T* p = x + r * stride;
    const int32_t at = static_cast<int32_t>(base + r);
    for (int64_t j = 0; j < m; ++j) {
      const T v = p[j];
      const bool better = beats<kMax>(v, a[j]);
      a[j] = better ? v : a[j];
      b[j] = better ? at : b[j];
    }
  }
}

// Of equals the one further in front stays, whichever partial it is in.
template <bool kMax, class T>
void arg_merge(void* av, void* bv, double, const void* cv, const void* dv, double, int64_t m) {
  T* __restrict a = static_cast<T*>(av);
  int32_t* __restrict b = static_cast<int32_t*>(bv);
  const T* c = static_cast<const T*>(cv);
  const int32_t* d = static_cast<const int32_t*>(dv);
  for (int64_t j = 0; j < m; ++j) {
    const bool equal = (c[j] == a[j]) | ((c[j] != c[j]) & (a[j] != a[j]));
    const bool better = beats<kMax>(c[j], a[j]) | (equal & (d[j] < b[j]));
    a[j] = better ? c[j] : a[j];
    b[j] = better ? d[j] : b[j];
  }
}

}  // namespace
}  // namespace tahr::TAHR_ISA
