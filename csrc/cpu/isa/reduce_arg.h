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

// Where there may be NaN: the extremes of parts and then a search.
template <bool kMax, class T>
__attribute__((noinline)) void long_arg_row(const T* x, int64_t n, int64_t base, T* a, int32_t* b) {
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

// The better of two where neither is NaN; of equals the second.
template <bool kMax>
struct Better {
  template <class V>
  static V comb(V a, V b) {
    if constexpr (kIsFloatVec<V>) return kMax ? greater(a, b) : lesser(a, b);
    else return (kMax ? a > b : a < b) ? a : b;
  }
};

// Sums of what has passed, which are NaN if that was; and where infinities of both signs have, which costs time only.
template <class V>
struct NanWatch {
  V sum{};
  TAHR_INLINE void look(V v) { sum += v; }
  TAHR_INLINE bool found() const { return any(sum != sum); }
};

// By lanes: the extreme so far and where it was first.
template <bool kMax, class V>
struct Leader {
  V best;
  Mask<V> at;
  TAHR_INLINE void take(V v, Mask<V> here) {
    at = select(kMax ? v > best : v < best, here, at);
    best = Better<kMax>::comb(v, best);
  }
  TAHR_INLINE void join(const Leader& other) {  // of other elements
    const auto better = (kMax ? other.best > best : other.best < best) | ((other.best == best) & (other.at < at));
    at = select(better, other.at, at);
    best = select(better, other.best, best);
  }
};

// The leaders among n elements, a vector or more; meaningless if there is NaN among them, which `watch` sees.
template <bool kMax, class T>
TAHR_INLINE Leader<kMax, Vec<T>> lead(const T* x, int64_t n, NanWatch<Vec<T>>& watch) {
  using V = Vec<T>;
  using M = Mask<V>;
  using I = typename IntOf<sizeof(T)>::type;
  constexpr int64_t W = kLanes<T>, N = 4;
  M lane;
  for (int i = 0; i < W; ++i) lane[i] = static_cast<I>(i);
  const auto fetch = [](const T* p) TAHR_LAMBDA { __builtin_prefetch(reinterpret_cast<const char*>(p) + kRowsAhead); };
  const V tail = load_once<V>(x + n - W);  // at the end; perhaps some of them a second time
  const M tail_at = lane + static_cast<I>(n - W);
  Leader<kMax, V> first{load_once<V>(x), lane};
  fetch(x);
  int64_t k = W;
  if (n >= 4 * N * W) {
    Leader<kMax, V> more[N] = {first,
                               {load_once<V>(x + W), lane + I(W)},
                               {load_once<V>(x + 2 * W), lane + I(2 * W)},
                               {load_once<V>(x + 3 * W), lane + I(3 * W)}};
    watch.look((more[0].best + more[1].best) + (more[2].best + more[3].best));
    M here = lane;
    for (k = N * W; k + N * W < n; k += N * W) {
      here += static_cast<I>(N * W);
      V v[N];
      for (int i = 0; i < N; ++i) {
        fetch(x + k + i * W);
        v[i] = load_once<V>(x + k + i * W);
        more[i].take(v[i], here + static_cast<I>(i * W));
      }
      watch.look((v[0] + v[1]) + (v[2] + v[3]));
    }
    more[0].join(more[1]), more[2].join(more[3]), more[0].join(more[2]);
    first = more[0];
  }
  M here = lane + static_cast<I>(k);
  for (; k + 2 * W < n; k += 2 * W) {
    const V v = load_once<V>(x + k), w = load_once<V>(x + k + W);
    fetch(x + k), fetch(x + k + W);
    first.take(v, here);
    here += static_cast<I>(W);
    first.take(w, here);
    here += static_cast<I>(W);
    watch.look(v + w);
  }
  if (k + W < n) {
    const V v = load_once<V>(x + k);
    fetch(x + k);
    first.take(v, here);
    watch.look(v);
  }
  first.take(tail, tail_at);
  watch.look(n < 4 * N * W ? tail + load_once<V>(x) : tail);
  return first;
}

// The same of kVectors vectors, the last of them at the end.
template <bool kMax, int kVectors, class T>
TAHR_INLINE Leader<kMax, Vec<T>> lead_short(const T* x, int64_t n, NanWatch<Vec<T>>& watch) {
  using V = Vec<T>;
  using I = typename IntOf<sizeof(T)>::type;
  constexpr int64_t W = kLanes<T>;
  Mask<V> lane;
  for (int i = 0; i < W; ++i) lane[i] = static_cast<I>(i);
  V v[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    __builtin_prefetch(reinterpret_cast<const char*>(x + i * W) + kRowsAhead);
    v[i] = load_once<V>(i + 1 < kVectors ? x + i * W : x + n - W);
  }
  Leader<kMax, V> l{v[0], lane};
  for (int i = 1; i < kVectors; ++i) l.take(v[i], lane + static_cast<I>(i + 1 < kVectors ? i * W : n - W));
  V sum = v[0];
  for (int i = 1; i < kVectors; ++i) sum += v[i];
  watch.look(sum);
  return l;
}

// Of rows of a vector and more. Where the extremes are is looked up a group late, so that nothing waits for them.
template <bool kMax, class T, class LeadRow>
TAHR_INLINE void arg_groups_by(const T* x, int64_t rows, int64_t n, int64_t base, T* a, int32_t* b, LeadRow lead_row) {
  using V = Vec<T>;
  using M = Mask<V>;
  using I = typename IntOf<sizeof(T)>::type;
  constexpr int64_t W = kLanes<T>;
  V best[2][W];
  M at[2][W];
  T of[2][W];
  int64_t done = 0;  // rows, with their positions, but for those looked up
  const auto look_up = [&](int64_t r) TAHR_LAMBDA {
    const int64_t g = r / W % 2;
    for (int64_t i = 0; i < W; ++i) at[g][i] = select(best[g][i] == of[g][i], at[g][i], M{} + static_cast<I>(n));
    put_positions(b + r, fold_each<Better<false>, I>(at[g]) + static_cast<I>(base), rows - r < W ? rows - r : W);
  };
  for (int64_t r = 0; r < rows; r += W) {
    const int64_t count = rows - r < W ? rows - r : W, g = r / W % 2;
    NanWatch<V> watch;
    V fold[W];
    for (int64_t i = 0; i < count; ++i) {
      const Leader<kMax, V> l = lead_row(x + (r + i) * n, watch);
      best[g][i] = fold[i] = l.best;
      at[g][i] = l.at;
    }
    for (int64_t i = count; i < W; ++i) best[g][i] = fold[i] = V{}, at[g][i] = M{};
    const V extreme = fold_each<Better<kMax>, T>(fold);
    store(of[g], extreme);
    in_memory(of[g]);
    store_up_to(a + r, extreme, count);
    if (r > done) look_up(r - W);
    if (__builtin_expect(watch.found(), 0)) {
      for (int64_t i = r; i < r + count; ++i) long_arg_row<kMax>(x + i * n, n, base, a + i, b + i);
      done = r + W;
    }
  }
  if (done < rows) look_up((rows - 1) / W * W);
}

template <bool kMax, class T>
TAHR_INLINE void arg_groups(const T* x, int64_t rows, int64_t n, int64_t base, T* a, int32_t* b) {
  const auto by = [&](auto lead_row) TAHR_LAMBDA { arg_groups_by<kMax>(x, rows, n, base, a, b, lead_row); };
  using Watch = NanWatch<Vec<T>>;
  const int64_t vectors = (n + kLanes<T> - 1) / kLanes<T>;
  if (kVecBytes == 64 && vectors == 2)
    return by([n](const T* row, Watch& watch) TAHR_LAMBDA { return lead_short<kMax, 2>(row, n, watch); });
  if (kVecBytes == 64 && vectors == 3)
    return by([n](const T* row, Watch& watch) TAHR_LAMBDA { return lead_short<kMax, 3>(row, n, watch); });
  by([n](const T* row, Watch& watch) TAHR_LAMBDA { return lead<kMax>(row, n, watch); });
}
template <bool kMax, class T>
TAHR_INLINE void arg_row(const T* x, int64_t n, int64_t base, T* a, int32_t* b) {
  using I = typename IntOf<sizeof(T)>::type;
  NanWatch<Vec<T>> watch;
  const Leader<kMax, Vec<T>> l = lead<kMax>(x, n, watch);
  if (__builtin_expect(watch.found(), 0)) return long_arg_row<kMax>(x, n, base, a, b);
  *a = fold_lanes<Better<kMax>, T, kVecBytes>(l.best);
  const auto at = select(l.best == *a, l.at, Mask<Vec<T>>{} + static_cast<I>(n));
  *b = static_cast<int32_t>(base + fold_lanes<Better<false>, I, kVecBytes>(at));
}

template <bool kMax, class T>
void arg_rows(const void* xv, int64_t rows, int64_t n, int64_t base, void* av, void* bv) {
  const T* x = static_cast<const T*>(xv);
  T* a = static_cast<T*>(av);
  int32_t* b = static_cast<int32_t*>(bv);
  if constexpr (kIsFloat<T>) {
    using M = Mask<Vec<T>>;
    using I = typename IntOf<sizeof(T)>::type;
    constexpr int64_t kTransposed = kVecBytes == 64 ? kLanes<T> * 3 / 2 : kNarrow;
    if (n <= kTransposed && rows > 1) {
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
    if (n > kTransposed && n <= kLongRow && rows > 1) return arg_groups<kMax>(x, rows, n, base, a, b);
    if (n >= kLanes<T>) {
      for (int64_t i = 0; i < rows; ++i) arg_row<kMax>(x + i * n, n, base, a + i, b + i);
      return;
    }
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
        // In these rows; at their end in the next ones, or further on in these.
        const float* ahead = p + (j + kAhead < m || r + kRows >= rows ? kAhead : kAhead - m + kRows * stride);
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
