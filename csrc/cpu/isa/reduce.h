// What the row reductions share: folding a contiguous run with a commutative, associative operator.
//
// Floating-point sums go through a fixed tree that depends on the length alone: lanes are filled round robin, 16 rounds
// at a time, blocks of 16 rounds are added up, and the lanes are folded by halves. The error is about
// eps * (16 + n / 1024 + 6) for n elements; callers pass at most a few 10,000 at a time.
#pragma once

#include "cpu/isa/rows.h"

namespace tahr::TAHR_ISA {
namespace {

template <class T, int Bytes = kVecBytes>
using FoldVec = typename VecOf<T, Bytes>::type;

template <int Size>
struct IntOf;
template <>
struct IntOf<1> {
  using type = int8_t;
};
template <>
struct IntOf<2> {
  using type = int16_t;
};
template <>
struct IntOf<4> {
  using type = int32_t;
};
template <>
struct IntOf<8> {
  using type = int64_t;
};

// Operators: `comb` works on scalars and on vectors alike.
struct AddOp {
  template <class T>
  static T identity() {
    return T(0);
  }
  template <class V>
  static V comb(V a, V b) {
    return a + b;
  }
};
struct MulOp {
  template <class T>
  static T identity() {
    return T(1);
  }
  template <class V>
  static V comb(V a, V b) {
    return a * b;
  }
};
template <class T>
constexpr bool kIsFloat = __is_same(T, float) || __is_same(T, double);
template <class V>
constexpr bool kIsFloatVec = __is_same(V, f32v) || __is_same(V, f64v);
template <class T>
constexpr T lowest() {
  if constexpr (kIsFloat<T>) return -__builtin_inf();
  else if constexpr (T(-1) < T(0)) return T(uint64_t(1) << (8 * sizeof(T) - 1));
  else return T(0);
}
template <class T>
constexpr T highest() {
  if constexpr (kIsFloat<T>) return __builtin_inf();
  else return T(~lowest<T>());
}
struct MaxOp {
  template <class T>
  static T identity() {
    return lowest<T>();
  }
  template <class V>
  static V comb(V a, V b) {
    if constexpr (kIsFloatVec<V>) return select(a != a, a, greater(a, b));
    else return ((a > b) | (a != a)) ? a : b;
  }
};
struct MinOp {
  template <class T>
  static T identity() {
    return highest<T>();
  }
  template <class V>
  static V comb(V a, V b) {
    if constexpr (kIsFloatVec<V>) return select(a != a, a, lesser(a, b));
    else return ((a < b) | (a != a)) ? a : b;
  }
};

// Operators whose `take` makes of an element (or a vector of them) what is added.
struct SquareOp : AddOp {
  template <class V>
  static V take(V v) {
    return v * v;
  }
};
struct MagnitudeOp : AddOp {
  template <class V>
  static V take(V v) {
    return (v < V{} ? -v : v) + V{};  // the addition makes 0 of -0
  }
};
template <class Op, class V>
TAHR_INLINE V taken(V v) {
  if constexpr (requires { Op::take(v); }) return Op::take(v);
  else return v;
}

// The lanes of v folded by halves.
template <class Op, class T, int Bytes>
inline T fold_lanes(FoldVec<T, Bytes> v) {
  if constexpr (Bytes > 16) {
    FoldVec<T, Bytes / 2> h[2];
    __builtin_memcpy(h, &v, Bytes);
    return fold_lanes<Op, T, Bytes / 2>(Op::comb(h[0], h[1]));
  } else {
    using V = FoldVec<T, 16>;
    using W = FoldVec<uint64_t, 16>;
    const W w = bits<W>(v);
    v = Op::comb(v, bits<V>(W{w[1], w[0]}));
    for (int shift = 32; shift >= 8 * static_cast<int>(sizeof(T)); shift /= 2)
      v = Op::comb(v, bits<V>(bits<W>(v) >> shift));
    return v[0];
  }
}

// A mask of the last n lanes.
template <class T>
TAHR_INLINE FoldVec<typename IntOf<sizeof(T)>::type> upper_lanes(int64_t n) {
  using I = typename IntOf<sizeof(T)>::type;
  constexpr int W = kVecBytes / sizeof(T);
  FoldVec<I> lane;
  for (int i = 0; i < W; ++i) lane[i] = static_cast<I>(i);
  return lane >= FoldVec<I>{} + static_cast<I>(W - n);
}

// The last `rem` (0 < rem < lanes) elements before `end`, in the upper lanes, identities below. Reads a full vector.
template <class Op, class T>
inline FoldVec<T> load_tail(const T* end, int64_t rem) {
  constexpr int W = kVecBytes / sizeof(T);
  const FoldVec<T> v = load<FoldVec<T>>(end - W), id = FoldVec<T>{} + Op::template identity<T>();
  return upper_lanes<T>(rem) ? v : id;
}

// A run of at least one vector, folded to one.
template <class Op, class T>
TAHR_INLINE FoldVec<T> fold_vectors(const T* x, int64_t n) {
  using V = FoldVec<T>;
  constexpr int W = kVecBytes / sizeof(T), NV = 256 / kVecBytes, L = W * NV;
  if (n < L) {
    V s = taken<Op>(load<V>(x));
    int64_t i = W;
    for (; i + W <= n; i += W) s = Op::comb(s, taken<Op>(load<V>(x + i)));
    if (i < n) s = Op::comb(s, taken<Op>(load_tail<Op>(x + n, n - i)));
    return s;
  }
  V total[NV];
  int64_t i = 0;
  for (bool first = true; i + L <= n; first = false) {
    V s[NV];
    for (int v = 0; v < NV; ++v) s[v] = taken<Op>(load<V>(x + i + v * W));
    const int64_t rounds = (n - i) / L < 16 ? (n - i) / L : 16;
    i += L;
    for (int64_t r = 1; r < rounds; ++r, i += L)
      for (int v = 0; v < NV; ++v) s[v] = Op::comb(s[v], taken<Op>(load<V>(x + i + v * W)));
    for (int v = 0; v < NV; ++v) total[v] = first ? s[v] : Op::comb(total[v], s[v]);
  }
  for (int v = 0; i + W <= n; ++v, i += W) total[v] = Op::comb(total[v], taken<Op>(load<V>(x + i)));
  if (i < n) total[0] = Op::comb(total[0], taken<Op>(load_tail<Op>(x + n, n - i)));
  for (int half = NV / 2; half > 0; half /= 2)
    for (int v = 0; v < half; ++v) total[v] = Op::comb(total[v], total[v + half]);
  return total[0];
}

template <class Op, class T>
inline T fold(const T* x, int64_t n) {
  constexpr int W = kVecBytes / sizeof(T);
  if (n < W) {  // in one lane of a small vector, where a maximum needs no branch
    using S = FoldVec<T, 16>;
    S s{Op::template identity<T>()};
    for (int64_t i = 0; i < n; ++i) s = Op::comb(s, taken<Op>(S{x[i]}));
    return s[0];
  }
  return fold_lanes<Op, T, kVecBytes>(fold_vectors<Op>(x, n));
}

// ---- a vector of rows at a time ----

// Of segments of S lanes in a and b: their lower (kUpper: upper) halves. Where a segment is longer than a quad, those
// of b follow those of a; else they alternate within quads.
template <int S, bool kUpper, class T, int... J>
TAHR_INLINE Vec<T> half_segments(Vec<T> a, Vec<T> b, LaneList<J...>) {
  constexpr int W = kLanes<T>, G = 16 / sizeof(T), B = S > G ? W : G, H = S / 2;  // a block: B / 2 lanes of each
  return shuffle<T, (J % B / (B / 2) * W + J / B * B + J % (B / 2) / H * S + J % H + (kUpper ? H : 0))...>(a, b);
}
template <class Op, class T, int S, int kDone>
TAHR_INLINE void fold_segments(Vec<T> (&v)[kLanes<T>]) {
  constexpr int W = kLanes<T>, G = 16 / sizeof(T);
  if constexpr (S > 1) {
    // The distance of the rows that meet, so that in the end they are in order.
    constexpr int kApart = S > G ? G * (W / S) : G / S;
    for (int r = 0; r < W; ++r) {
      if (r & (kDone | kApart)) continue;
      v[r] = Op::comb(half_segments<S, false, T>(v[r], v[r + kApart], LanesUpTo<W>{}),
                      half_segments<S, true, T>(v[r], v[r + kApart], LanesUpTo<W>{}));
    }
    fold_segments<Op, T, S / 2, kDone | kApart>(v);
  }
}
// The lanes of v[i] folded into lane i, as fold_lanes folds them: 3 instructions for each i.
template <class Op, class T>
TAHR_INLINE Vec<T> fold_each(Vec<T> (&v)[kLanes<T>]) {
  fold_segments<Op, T, kLanes<T>, 0>(v);
  return v[0];
}

}  // namespace
}  // namespace tahr::TAHR_ISA
