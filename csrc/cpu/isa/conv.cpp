// Register tiles of the convolutions: a row of outputs from its inputs and packed weights, and the outer products that
// make up the weights' gradient. cpu/conv.cpp describes the way through the problem. This file is compiled with
// contraction of a * b + c allowed.
#include "cpu/conv_table.h"
#include "cpu/isa/conv_tile.h"

namespace tahr::TAHR_ISA {
namespace {

#if defined(TAHR_ISA_v4)
constexpr int kMr = 12;
#elif defined(TAHR_ISA_v3)
constexpr int kMr = 6;
#elif defined(TAHR_ISA_v2)
constexpr int kMr = 4;
#else
constexpr int kMr = 8;
#endif
constexpr int kNv = 2;  // vectors across a tile
template <class T>
constexpr int kNr = kNv * kLanes<T>;

// ---- outputs ----

// kFar: the weights come from beyond L1, and are fetched ahead.
template <class T, int MR, int NV, bool kFar>
void row_tile(const ConvRow<T>& t, const T* a0, T* c) {
  constexpr int L = kLanes<T>, kBases = (MR + 2) / 3;
  const int64_t as = t.a_row, steps = t.run_length;
  Vec<T> acc[MR][NV] = {};
  for (int64_t r = 0; r < t.run_count; ++r) {
    const T* b = t.b + t.runs[r].b * kNr<T>;
    // Rows are reached from every third one, which x86's addressing does with few registers.
    const T* a[kBases];
    TAHR_UNROLL for (int q = 0; q < kBases; ++q) {
      a[q] = a0 + t.runs[r].a + 3 * q * as;
      asm("" : "+r"(a[q]));
    }
#pragma GCC unroll 4
    for (int64_t p = 0; p < steps; ++p) {
      Vec<T> bv[NV];
      TAHR_UNROLL for (int v = 0; v < NV; ++v) bv[v] = load<Vec<T>>(b + v * L);
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        const T x = a[i / 3][i % 3 * as];
        TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] += x * bv[v];
      }
      TAHR_UNROLL for (int q = 0; q < kBases; ++q) a[q] += 1;
      if constexpr (kFar) { TAHR_UNROLL for (int v = 0; v < NV; ++v) __builtin_prefetch(b + 16 * kNr<T> + v * L); }
      b += kNr<T>;
    }
  }
  if (t.bias) {
    TAHR_UNROLL for (int v = 0; v < NV; ++v) {
      const Vec<T> x = load_cols(t.bias + v * L, t.cols - v * L);
      TAHR_UNROLL for (int i = 0; i < MR; ++i) acc[i][v] += x;
    }
  }
  if (t.relu) {
    TAHR_UNROLL for (int i = 0; i < MR; ++i) {
      TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] = rectified(acc[i][v]);
    }
  }
  const int last = t.cols - (NV - 1) * L;
  if (last == L) {
    TAHR_UNROLL for (int i = 0; i < MR; ++i) {
      TAHR_UNROLL for (int v = 0; v < NV; ++v) store(c + v * L, acc[i][v]);
      c = next(c, t.ldc);
    }
  } else {
    TAHR_UNROLL for (int i = 0; i < MR; ++i) {
      TAHR_UNROLL for (int v = 0; v + 1 < NV; ++v) store(c + v * L, acc[i][v]);
      store_cols(c + (NV - 1) * L, acc[i][NV - 1], last);
      c = next(c, t.ldc);
    }
  }
}

template <class T>
using RowTile = void (*)(const ConvRow<T>&, const T*, T*);
template <class T>
struct RowTiles {
  RowTile<T> fn[2][kNv][kMr + 1];  // [far][two vectors][rows]
};
template <class T, int MR>
constexpr void fill(RowTiles<T>& t) {
  t.fn[0][0][MR] = row_tile<T, MR, 1, false>;
  t.fn[0][1][MR] = row_tile<T, MR, 2, false>;
  t.fn[1][0][MR] = row_tile<T, MR, 1, true>;
  t.fn[1][1][MR] = row_tile<T, MR, 2, true>;
  if constexpr (MR > 1) fill<T, MR - 1>(t);
}
template <class T>
constexpr RowTiles<T> make_row_tiles() {
  RowTiles<T> t{};
  fill<T, kMr>(t);
  return t;
}
template <class T>
constexpr RowTiles<T> kRowTiles = make_row_tiles<T>();

template <class T>
void row(const ConvRow<T>& t) {
  const auto& fn = kRowTiles<T>.fn[t.far_b][t.cols > kLanes<T>];
  for (int64_t i = 0; i < t.count; i += t.height) {
    const int64_t rows = t.count - i < t.height ? t.count - i : t.height;
    fn[rows](t, t.a + i * t.a_row, t.c + i * t.ldc);
  }
}

// ---- outer products ----

template <class T, int MR, int NV, bool kScattered>
void outer_tile(const ConvOuter<T>& t, int64_t i0, int64_t j0, int cols) {
  constexpr int L = kLanes<T>;
  Vec<T> acc[MR][NV] = {};
  int64_t at[kScattered ? MR : 1];
  if constexpr (kScattered) { TAHR_UNROLL for (int i = 0; i < MR; ++i) at[i] = t.offsets[i0 + i]; }
  const T* a_line = kScattered ? t.a : t.a + i0;
  const T* b_line = t.b + j0;
  for (int64_t y = 0; y < t.rows; ++y) {
    const T *a = a_line, *b = b_line;
#pragma GCC unroll 2
    for (int64_t p = 0; p < t.steps; ++p) {
      Vec<T> bv[NV];
      TAHR_UNROLL for (int v = 0; v < NV; ++v) bv[v] = load<Vec<T>>(b + v * L);
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        const T x = kScattered ? a[at[i]] : a[i];
        TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] += x * bv[v];
      }
      a += t.a_step;
      b += t.b_step;
    }
    a_line += t.a_pitch;
    b_line += t.b_pitch;
  }
  T* c = t.c + i0 * t.ldc + j0;
  const int last = cols - (NV - 1) * L;
  TAHR_UNROLL for (int i = 0; i < MR; ++i) {
    TAHR_UNROLL for (int v = 0; v < NV; ++v) {
      const int lanes = v + 1 < NV ? L : last;
      if (t.accumulate) acc[i][v] += load_cols(c + v * L, lanes);
      store_cols(c + v * L, acc[i][v], lanes);
    }
    c = next(c, t.ldc);
  }
}

template <class T>
using OuterTile = void (*)(const ConvOuter<T>&, int64_t, int64_t, int);
template <class T>
struct OuterTiles {
  OuterTile<T> fn[2][kNv][kMr + 1];  // [scattered][two vectors][rows]
};
template <class T, int MR>
constexpr void fill(OuterTiles<T>& t) {
  t.fn[0][0][MR] = outer_tile<T, MR, 1, false>;
  t.fn[0][1][MR] = outer_tile<T, MR, 2, false>;
  t.fn[1][0][MR] = outer_tile<T, MR, 1, true>;
  t.fn[1][1][MR] = outer_tile<T, MR, 2, true>;
  if constexpr (MR > 1) fill<T, MR - 1>(t);
}
template <class T>
constexpr OuterTiles<T> make_outer_tiles() {
  OuterTiles<T> t{};
  fill<T, kMr>(t);
  return t;
}
template <class T>
constexpr OuterTiles<T> kOuterTiles = make_outer_tiles<T>();

template <class T>
void outer(const ConvOuter<T>& t) {
  for (int64_t j = 0; j < t.n; j += kNr<T>) {
    const int cols = static_cast<int>(t.n - j < kNr<T> ? t.n - j : kNr<T>);
    const auto& fn = kOuterTiles<T>.fn[t.offsets != nullptr][cols > kLanes<T>];
    for (int64_t i = 0; i < t.m; i += t.height) {
      const int64_t rows = t.m - i < t.height ? t.m - i : t.height;
      fn[rows](t, i, j, cols);
    }
  }
}

}  // namespace

const ConvTable& conv_table() {
  static constexpr ConvTable t{{kMr, kNr<float>, kLanes<float>, row<float>, outer<float>},
                               {kMr, kNr<double>, kLanes<double>, row<double>, outer<double>}};
  return t;
}

}  // namespace tahr::TAHR_ISA
