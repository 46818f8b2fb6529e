// Rows of a few elements, transposed: a vector of rows at a time, so that what goes across a row becomes arithmetic
// between whole vectors.
//
// The transposition works on quads, 16 bytes each: loading gathers the quads of rows that are to meet in one vector (an
// insertion from memory, no shuffle), and what is left are small transpositions within each 16 bytes.
#pragma once

#include "cpu/isa/vec.h"

namespace tahr::TAHR_ISA {
namespace {

inline constexpr int64_t kNarrow = 32;       // at most so many elements
inline constexpr int64_t kMedium = 128;      // the same where much is computed per element
inline constexpr int64_t kRowsAhead = 2048;  // bytes by which long runs of rows are fetched ahead
inline constexpr int kQuads = kVecBytes / 16;

using Quad = VecOf<float, 16>::type;

template <int... J>
struct LaneList {};
#if defined(__clang__)
template <class, int... J>
using LaneListOf = LaneList<J...>;
template <int N>
using LanesUpTo = __make_integer_seq<LaneListOf, int, N>;
#else
template <int N>
using LanesUpTo = LaneList<__integer_pack(N)...>;
#endif

// The lanes of a and b, one after the other, that are counted by kLane.
template <class T, int... kLane>
TAHR_INLINE Vec<T> shuffle(Vec<T> a, Vec<T> b) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, kLane...);
#else
  using I = Vec<decltype(sizeof(T) == 4 ? int32_t{} : int64_t{})>;
  return __builtin_shuffle(a, b, I{kLane...});
#endif
}

// From each quad of a and b in turn, the elements of their first halves (kUpper: second halves) alternating.
template <bool kUpper, class T, int... J>
TAHR_INLINE Vec<T> interleave(Vec<T> a, Vec<T> b, LaneList<J...>) {
  constexpr int W = kLanes<T>, G = 16 / sizeof(T), first = kUpper ? G / 2 : 0;
  return shuffle<T, (J % 2 * W + J / G * G + first + J % G / 2)...>(a, b);
}
template <bool kUpper, class T>
TAHR_INLINE Vec<T> interleave(Vec<T> a, Vec<T> b) {
  return interleave<kUpper, T>(a, b, LanesUpTo<kLanes<T>>{});
}

// Within each quad: v[i] holds row i, afterwards column i.
TAHR_INLINE void transpose_quads(f64v (&v)[2]) {
  const f64v low = interleave<false, double>(v[0], v[1]);
  v[1] = interleave<true, double>(v[0], v[1]);
  v[0] = low;
}
TAHR_INLINE void transpose_quads(f32v (&v)[4]) {
  const f32v a = interleave<false, float>(v[0], v[1]), b = interleave<true, float>(v[0], v[1]);
  const f32v c = interleave<false, float>(v[2], v[3]), d = interleave<true, float>(v[2], v[3]);
  f64v upper[2] = {bits<f64v>(a), bits<f64v>(c)}, lower[2] = {bits<f64v>(b), bits<f64v>(d)};
  transpose_quads(upper);
  transpose_quads(lower);
  v[0] = bits<f32v>(upper[0]), v[1] = bits<f32v>(upper[1]);
  v[2] = bits<f32v>(lower[0]), v[3] = bits<f32v>(lower[1]);
}

// The quads at p, p + step, p + 2 step, ... (bytes) as one vector; and back.
TAHR_INLINE f32v load_quads(const char* p, int64_t step) {
#if defined(__AVX512F__) && !defined(__clang__)
  f32v v = __builtin_ia32_ps512_ps(load<Quad>(p));  // the other quads follow
  v = __builtin_ia32_insertf32x4_mask(v, load<Quad>(p + step), 1, v, static_cast<unsigned short>(-1));
  v = __builtin_ia32_insertf32x4_mask(v, load<Quad>(p + 2 * step), 2, v, static_cast<unsigned short>(-1));
  return __builtin_ia32_insertf32x4_mask(v, load<Quad>(p + 3 * step), 3, v, static_cast<unsigned short>(-1));
#else
  Quad q[kQuads];
  for (int i = 0; i < kQuads; ++i) q[i] = load<Quad>(p + i * step);
  return load<f32v>(q);
#endif
}
template <int kAt>
TAHR_INLINE void store_quad(char* p, f32v v) {
#if defined(__AVX512F__) && !defined(__clang__)
  store(p, __builtin_ia32_extractf32x4_mask(v, kAt, Quad{}, static_cast<unsigned char>(-1)));
#elif defined(__AVX__) && !defined(__clang__)
  store(p, __builtin_ia32_vextractf128_ps256(v, kAt));
#else
  Quad q[kQuads];
  __builtin_memcpy(q, &v, sizeof v);
  store(p, q[kAt]);
#endif
}

// Rows of N elements, N odd, without quads. Element k of a vector of rows is then in another lane for each row: picking
// lane by lane from the N vectors gathers it, and one permutation puts the rows in order.
template <int N, int W>
constexpr int row_at(int lane, int k) {  // the row whose element k is in that lane of some vector
  for (int r = 0; r < W; ++r)
    if ((N * r + k) % W == lane) return r;
  return 0;
}
template <class T, int N, int K, class Put, int... J>
TAHR_INLINE void transpose_odd(const Vec<T> (&v)[N], Put put, LaneList<J...>) {
  constexpr int W = kLanes<T>;
  if constexpr (K < N) {
    Vec<T> picked = v[0];
    const auto pick = [&]<int S>(LaneList<S>) TAHR_LAMBDA {
      if constexpr (S < N) picked = shuffle<T, ((N * row_at<N, W>(J, K) + K) / W == S ? W + J : J)...>(picked, v[S]);
    };
    pick(LaneList<1>{}), pick(LaneList<2>{}), pick(LaneList<3>{}), pick(LaneList<4>{});
    put(K, shuffle<T, ((N * J + K) % W)...>(picked, picked));
    transpose_odd<T, N, K + 1>(v, put, LaneList<J...>{});
  }
}
template <class T, int N, class Put>
TAHR_INLINE void transpose_odd(const T* x, Put put) {
  static_assert(N % 2 == 1 && N <= 5);
  Vec<T> v[N];
  for (int i = 0; i < N; ++i) v[i] = load<Vec<T>>(x + i * kLanes<T>);
  transpose_odd<T, N, 0>(v, put, LanesUpTo<kLanes<T>>{});
}

// Whether quads of the first vector of `rows` rows would reach beyond all of them.
template <class T>
TAHR_INLINE bool ends_here(int64_t rows, int64_t n) {
  return (rows - kLanes<T>)*n < static_cast<int64_t>(16 / sizeof(T)) - 1;
}

// put(k, element k of each of a vector of rows), in order; of rows that there are not, zero. n is at most kMost. The
// last block of a call (ends_here) goes through a buffer, since quads reach beyond the end of a row. With kWhole, k
// goes on to the end of the last quad, where what comes is not of these rows.
template <class T, int64_t kMost, bool kWhole = false, class Put>
TAHR_INLINE void each_column_of_rows(const T* x, int64_t rows, int64_t n, bool last, Put put) {
  constexpr int64_t W = kLanes<T>;
  constexpr int G = 16 / sizeof(T);
  if (n < 1 || n > kMost) __builtin_unreachable();
  T buffer[kMost * W + G];
  if (last) {
    __builtin_memcpy(buffer, x, static_cast<size_t>(rows * n) * sizeof(T));
    for (int64_t i = rows * n; i < W * n + G; ++i) buffer[i] = 0;
    x = buffer;
  }
  if (n == 3) return transpose_odd<T, 3>(x, put);
  if (n == 5) return transpose_odd<T, 5>(x, put);
  const int64_t row = n * static_cast<int64_t>(sizeof(T));
  for (int64_t k = 0; k < n; k += G) {
    Vec<T> v[G];
    for (int i = 0; i < G; ++i)
      v[i] = bits<Vec<T>>(load_quads(reinterpret_cast<const char*>(x + k) + i * row, G * row));
    transpose_quads(v);
    for (int i = 0; i < G; ++i)
      if (kWhole || k + i < n) put(k + i, v[i]);
  }
}
// t[k * lanes + row] = element k of each of a vector of rows. t has room for n rounded up to whole quads.
template <class T, int64_t kMost>
TAHR_INLINE void transpose_rows(const T* x, int64_t rows, int64_t n, bool last, T* t) {
  each_column_of_rows<T, kMost, true>(x, rows, n, last,
                                      [t](int64_t k, Vec<T> v) TAHR_LAMBDA { store(t + k * kLanes<T>, v); });
}
// Fetches what comes kRowsAhead behind a vector of rows.
template <class T>
TAHR_INLINE void fetch_rows(const T* x, int64_t n) {
  const char* ahead = reinterpret_cast<const char*>(x) + kRowsAhead;
  for (int64_t i = 0; i < n; ++i) __builtin_prefetch(ahead + i * kVecBytes);
}

template <class T, int64_t kMost = kNarrow>
struct RowBlock {
  static constexpr int64_t W = kLanes<T>;
  static constexpr int G = 16 / sizeof(T);  // elements of a quad
  T t[kMost * W];                           // see transpose_rows

  TAHR_INLINE RowBlock(const T* x, int64_t rows, int64_t n, bool last) : last_(last) {
    transpose_rows<T, kMost>(x, rows, n, last, t);
  }
  TAHR_INLINE void write(T* y, int64_t rows, int64_t n) const {
    if (n < 1 || n > kMost) __builtin_unreachable();
    T buffer[kMost * W + G];
    T* to = last_ ? buffer : y;
    // A row's last quad reaches into the next row, which is written later.
    for (int64_t k = (n - 1) / G * G; k >= 0; k -= G) {
      Vec<T> v[G];
      for (int i = 0; i < G; ++i) v[i] = load<Vec<T>>(t + (k + i) * W);
      transpose_quads(v);
      const auto quads = [&]<int kAt>(LaneList<kAt>) TAHR_LAMBDA {
        if constexpr (kAt < kQuads) {
          for (int i = 0; i < G; ++i)
            store_quad<kAt>(reinterpret_cast<char*>(to + (kAt * G + i) * n + k), bits<f32v>(v[i]));
        }
      };
      quads(LaneList<0>{}), quads(LaneList<1>{}), quads(LaneList<2>{}), quads(LaneList<3>{});
    }
    if (last_) __builtin_memcpy(y, buffer, static_cast<size_t>(rows * n) * sizeof(T));
  }
  bool last() const { return last_; }

 private:
  bool last_;
};

// The first n of kAll numbers; all of them without a call.
template <int64_t kAll>
TAHR_INLINE void copy_first(double* to, const double* from, int64_t n) {
  if (n == kAll) __builtin_memcpy(to, from, kAll * sizeof(double));
  else __builtin_memcpy(to, from, static_cast<size_t>(n) * sizeof(double));
}

// Calls body(first row, rows, block) for each block of narrow rows.
template <class T, int64_t kMost = kNarrow, class F>
TAHR_INLINE void each_block(const T* x, int64_t rows, int64_t n, F body) {
  constexpr int64_t W = kLanes<T>;
  const bool many = rows * n >= 2048;
  for (int64_t r = 0; r < rows; r += W) {
    const int64_t count = rows - r < W ? rows - r : W;
    if (many) fetch_rows(x + r * n, n);
    RowBlock<T, kMost> block(x + r * n, count, n, ends_here<T>(rows - r, n));
    body(r, count, block);
  }
}

}  // namespace
}  // namespace tahr::TAHR_ISA
