// The register tiles of the matrix product: a tile is mr x nr accumulators held in vector registers, and each step of k
// is nr / lanes loads of B, mr broadcasts of A and their products. One source for every instruction set;
// gemm_tiles_*.cpp instantiate it.
#pragma once

#include "cpu/isa/gemm_vec.h"

namespace tahr::TAHR_ISA {

// How a tile reaches A: a step's values side by side and steps strided, or rows strided; or either by a list of where
// steps or rows begin.
enum GemmReach { kSteps, kRows, kListedSteps, kListedRows };
template <class T>
constexpr int kReaches = sizeof(T) == sizeof(float) ? 4 : 2;  // lists for float only

// A column of tiles, each below the one before, or a row of them: between two calls the multiply-adds would rest for 60
// cycles.
template <class T>
struct GemmTile {
  int64_t count;   // tiles
  int64_t a_next;  // from one's rows of A to those of the next; 0 in a row
  int64_t b_next;  // from one's columns of B to those of the next; 0 in a column
  const T* a;
  int64_t a_stride;  // between rows if they are strided, else between steps of k
  const T* const* a_list;
  int64_t a_at;    // behind what the list names
  int64_t a_left;  // listed rows from the first tile's on, if each tile is to fetch those of the next; else 0
  const T* b;
  int64_t b_stride;  // between steps of k
  int64_t k;         // steps that read b
  int64_t chain;     // of these, the steps of the first of two chains, or 0
  const T* b_tail;   // the last steps of B, copied with padding, vectors of one tile wide apart
  int64_t k_tail;
  const T* before;  // added to the sum, or null
  int64_t before_row;
  T* b_kept;  // where a tile of kKeeps leaves B, packed
  T* c;
  int64_t ldc;
  int cols;       // columns of C to write: all but the last vector are whole
  const T* bias;  // a row, or null
  T factor;
  bool accumulate, relu;
  bool fetch_b;
  bool fetch_c;     // each tile fetches the next one's part of C,
  const T* next_c;  // the last tile this, or null
};

template <class T>
using GemmTileFn = void (*)(const GemmTile<T>&);

// The tiles of one reach: [two vectors][rows].
template <class T>
struct GemmReachTiles {
  GemmTileFn<T> fn[2][kMr + 1];
  GemmTileFn<T> keeping[2][kMr + 1];  // the same, for more than half the rows, leaving B packed
  GemmTileFn<T> broad[kBroadMr + 1];  // of kBroadNv vectors
  GemmTileFn<T> broad_keeping[kBroadMr + 1];
};

// Vectors across a tile of few rows, at most: more of them, so that there are enough independent sums.
constexpr int wide_of(int mr) { return mr == 1 ? kRowNv : 4; }

// Tiles of other shapes.
template <class T>
struct GemmOtherTiles {
  GemmTileFn<T> wide[2][kWideMr + 1];  // [rows strided][rows]
  GemmTileFn<T> row[2][kRowNv + 1];    // of one row: [row strided][vectors]
  GemmTileFn<T> across[2][kMr + 1];    // [rows strided][rows], for more than half the rows
};

const GemmReachTiles<float>& gemm_steps_float();
const GemmReachTiles<float>& gemm_rows_float();
const GemmReachTiles<float>& gemm_listed_steps_float();
const GemmReachTiles<float>& gemm_listed_rows_float();
const GemmOtherTiles<float>& gemm_others_float();
const GemmReachTiles<double>& gemm_steps_double();
const GemmReachTiles<double>& gemm_rows_double();
const GemmOtherTiles<double>& gemm_others_double();

namespace {

// C[MR][NV vectors] = relu?(factor A B (+ C) (+ bias)). kAcross: a row of tiles of a packed B, all columns whole,
// nothing fetched ahead and nothing added but C and a bias.
template <class T, int MR, int NV, GemmReach kReach, bool kKeeps = false, bool kAcross = false>
void tile(const GemmTile<T>& t) {
  constexpr int L = kLanes<T>;
  constexpr bool kRowsStrided = kReach == kRows, kRowsListed = kReach == kListedRows;
  const T *first_row = t.a, *column = t.b, *bias = t.bias, *before = t.before;
  const T* const* list = t.a_list;
  int64_t at = t.a_at;
  T* c = t.c;
  int64_t left = t.count;
  do {
    Vec<T> acc[MR][NV] = {};
    const T* b = kAcross ? column : t.b;
    if constexpr (kAcross) column += t.b_next;
    const int64_t as = t.a_stride;
    int64_t bs = t.b_stride, k = t.k;
    // Strided rows are reached from every third one, which x86's addressing does with few registers.
    constexpr int kBases = kRowsListed ? MR : kRowsStrided ? (MR + 2) / 3 : 1;
    const T* a[kBases];
    int64_t step = 0;
    if constexpr (kRowsListed) {
      TAHR_UNROLL for (int q = 0; q < kBases; ++q) a[q] = list[q] + at;
    } else if constexpr (kReach == kListedSteps) {
      list = t.a_list;
    } else {
      TAHR_UNROLL for (int q = 0; q < kBases; ++q) {
        a[q] = first_row + 3 * q * as;
        asm("" : "+r"(a[q]));  // keeps the compiler from deriving one from another
      }
      first_row += t.a_next;
    }
    T* kept = t.b_kept;
    const T* next_c = left > 1 ? c + MR * t.ldc : t.next_c;  // arrives while the sums are formed, a row with each step
    const auto sum = [&]<bool kFetches, bool kFetchesC = false>() TAHR_INLINE_LAMBDA {
#pragma GCC unroll 4
      for (int64_t p = 0; p < k; ++p) {
        Vec<T> bv[NV];
        TAHR_UNROLL for (int v = 0; v < NV; ++v) bv[v] = load(b + v * L);
        if constexpr (kFetches) {
          TAHR_UNROLL for (int v = 0; v < NV; ++v) __builtin_prefetch(b + kStepsAhead * bs + v * L);
        }
        if constexpr (kFetchesC) {
          TAHR_UNROLL for (int v = 0; v < NV; ++v) fetch_for_writing(next_c + v * L);
          fetch_for_writing(next_c + NV * L - 1);
          next_c += t.ldc;
        }
        if constexpr (kKeeps) {
          TAHR_UNROLL for (int v = 0; v < NV; ++v) store(kept + v * L, bv[v]);
          kept += NV * L;
        }
        if constexpr (kReach == kListedSteps) a[0] = *list++ + at;
        TAHR_UNROLL for (int i = 0; i < MR; ++i) {
          const T x = kRowsListed ? a[i][step] : kRowsStrided ? a[i / 3][i % 3 * as] : a[0][i];
          TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] += x * bv[v];
        }
        if constexpr (kRowsListed) ++step;
        else if constexpr (kReach != kListedSteps) {
          TAHR_UNROLL for (int q = 0; q < kBases; ++q) a[q] += kRowsStrided ? 1 : as;
        }
        b += bs;
      }
    };
    // Rows that lie far away, which the hardware fetches ahead only once it has met each.
    constexpr int64_t kLine = 64 / sizeof(T);
    const bool fetches_rows = kRowsListed && t.a_left - (list - t.a_list) >= MR;
    alignas(64) T first[MR * NV * L];  // sums of the first chain
    asm("" : "=m"(first));
    int64_t rest = 0;
    if (t.chain) {
      rest = k - t.chain;
      k = t.chain;
    }
    if (!kAcross && t.fetch_c && next_c && k > MR) {
      const int64_t all = k;
      k = MR;
      sum.template operator()<(MR > kMr / 2), true>();
      k = all - MR;
    }
    while (true) {
      if (fetches_rows) {
        for (int64_t left_of_k = k; left_of_k > 0; left_of_k -= kLine) {
          TAHR_UNROLL for (int i = 0; i < MR; ++i) __builtin_prefetch(list[i] + at + step, 0, 2);
          k = left_of_k < kLine ? left_of_k : kLine;
          sum.template operator()<false>();
        }
      } else if (!kAcross && MR > kMr / 2 && t.fetch_b) sum.template operator()<(MR > kMr / 2)>();
      else sum.template operator()<false>();
      if (!rest) break;
      k = rest;
      rest = 0;
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        TAHR_UNROLL for (int v = 0; v < NV; ++v) {
          store(first + (i * NV + v) * L, acc[i][v]);
          acc[i][v] = Vec<T>{};
        }
      }
    }
    if (!kAcross && t.k_tail) {
      b = t.b_tail;
      k = t.k_tail;
      bs = NV * L;
      sum.template operator()<false>();
    }
    if (t.chain) {
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] += load(first + (i * NV + v) * L);
      }
    }
    if (!kAcross && before) {
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] += load(before + v * L);
        before = next_row(before, t.before_row);
      }
    }
    put<T, MR, NV, kAcross>(acc, t.factor, t.accumulate, bias, t.relu, c, t.ldc, t.cols - (NV - 1) * L);
    if constexpr (kAcross) {
      c += NV * L;
      if (bias) bias += NV * L;
    } else {
      c += MR * t.ldc;
      if constexpr (kRowsListed) list += MR;
      if constexpr (kReach == kListedSteps) at += MR;
    }
  } while (--left > 0);
}

template <class T, GemmReach kReach, int MR>
constexpr void fill_reach(GemmReachTiles<T>& t) {
  t.fn[0][MR] = tile<T, MR, 1, kReach>;
  t.fn[1][MR] = tile<T, MR, 2, kReach>;
  if constexpr (MR > kMr / 2) {
    t.keeping[0][MR] = tile<T, MR, 1, kReach, true>;
    t.keeping[1][MR] = tile<T, MR, 2, kReach, true>;
  }
  if constexpr (MR <= kBroadMr) {
    t.broad[MR] = tile<T, MR, kBroadNv, kReach>;
    if constexpr (MR > kBroadMr / 2) t.broad_keeping[MR] = tile<T, MR, kBroadNv, kReach, true>;
  }
  if constexpr (MR > 1) fill_reach<T, kReach, MR - 1>(t);
}

template <class T, GemmReach kReach>
constexpr GemmReachTiles<T> reach_tiles() {
  GemmReachTiles<T> t{};
  fill_reach<T, kReach, kMr>(t);
  return t;
}

template <class T, int NV>
constexpr void fill_row(GemmOtherTiles<T>& t) {
  t.row[0][NV] = tile<T, 1, NV, kSteps>;
  t.row[1][NV] = tile<T, 1, NV, kRows>;
  if constexpr (NV > 1) fill_row<T, NV - 1>(t);
}

template <class T, int MR>
constexpr void fill_others(GemmOtherTiles<T>& t) {
  if constexpr (MR > kMr / 2) {
    t.across[0][MR] = tile<T, MR, kNv, kSteps, false, true>;
    t.across[1][MR] = tile<T, MR, kNv, kRows, false, true>;
  }
  if constexpr (MR <= kWideMr) {
    t.wide[0][MR] = tile<T, MR, wide_of(MR), kSteps>;
    t.wide[1][MR] = tile<T, MR, wide_of(MR), kRows>;
  }
  if constexpr (MR > 1) fill_others<T, MR - 1>(t);
}

template <class T>
constexpr GemmOtherTiles<T> other_tiles() {
  GemmOtherTiles<T> t{};
  fill_others<T, kMr>(t);
  fill_row<T, kRowNv>(t);
  return t;
}

}  // namespace
}  // namespace tahr::TAHR_ISA
