// The matrix product's kernels for one instruction set (isa/gemm.cpp), as cpu/gemm.cpp drives them.
#pragma once

#include "cpu/isa.h"

namespace tahr {

// k is cut into equal blocks of at most kGemmDepth steps, over which a panel of packed B stays near. The cut is part
// of the result's bits, so it depends on k alone.
inline constexpr int64_t kGemmDepth = 512;
constexpr int64_t gemm_depth(int64_t k) {
  const int64_t blocks = k > kGemmDepth ? (k + kGemmDepth - 1) / kGemmDepth : 1;
  return (k + blocks - 1) / blocks;
}

// The steps of one chain of multiply-adds. A block of more than kGemmChain steps that is all of k has two chains, each
// with half the steps, added up in registers: so two threads can share even a k of one block.
inline constexpr int64_t kGemmChain = 256;
constexpr int64_t gemm_chain(int64_t k) { return k <= kGemmDepth && k > kGemmChain ? (k + 1) / 2 : gemm_depth(k); }

// A rectangle of C = relu?(factor A B (+ C) (+ bias)), worked on with operands as the micro-kernel reads them.
//   A    element (i, p) at a[i * a_row + p * a_col], where a_row or a_col is 1; packed: panels of `mr` rows, each
//        stored [k][mr], a_panel elements apart (a_panel = 0: not packed). With a_list (float only) its stored rows lie
//        anywhere: element (i, p) at a_list[i][a_at + p], or if a_row is 1 at a_list[p][i]
//   B    element (p, j) at b[p * b_row + j]; packed: panels of `nr` columns, each stored [k][nr], b_panel elements
//        apart. With b_room, element (p, j) is at b[p * b_row + j * b_col], b_row or b_col being 1, and each panel is
//        packed to b_room (kGemmDepth * nr + nr elements) before its tiles are computed, or while the first one is.
//   C    element (i, j) at c[i * ldc + j], or c[j * ldc + i] if c_transposed
//   bias one value per column j (per row i if c_transposed), or null
template <class T>
struct GemmBlock {
  int64_t m, n, k;  // extents of the whole product; a tile may read all of B's k * b_row + n elements
  int mr;           // rows of a tile, at most the kernel's
  const T* a;
  int64_t a_row, a_col, a_panel;
  const T* const* a_list;
  int64_t a_at;
  bool a_far;  // these rows are read for the first time: tiles fetch them ahead
  const T* b;
  int64_t b_row, b_col, b_panel;
  T* b_room;
  T* c;
  int64_t ldc;
  const T* bias;
  T factor;  // 1 if k is cut
  bool accumulate, relu;
  bool c_transposed;
  bool c_ahead;   // C is large: its tiles are fetched ahead
  int64_t chain;  // steps of the first of two chains, or 0 for one chain
  // Added to the sum before all else: the product over the steps before these; columns from j0 on.
  const T* before;
  int64_t before_row;  // between its rows
  bool broad;          // panels are of broad_nr columns, tiles of at most broad_mr rows
};

template <class T>
struct GemmKernels {
  int mr, nr;              // the register tile
  int broad_mr, broad_nr;  // another, with fewer loads for as many sums
  int row_nr;              // the widest tile of one row
  // Computes rows [i0, i1) x columns [j0, j1) of the product; i0 is a multiple of mr, j0 of nr (broad_nr).
  void (*block)(const GemmBlock<T>&, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
  // Computes rows [i0, i1) x all columns, i0 a multiple of mr, one row of tiles after the other. B is packed.
  void (*rows)(const GemmBlock<T>&, int64_t i0, int64_t i1);
  // Computes rows [i0, i1) x all columns, best a multiple of `strip` of them, of an A with a_row = 1 that is not
  // packed, for a k of one chain and a B packed by pack_strips to at most k * (n + nr) elements. m >= strip.
  int strip;
  void (*pack_strips)(const T* b, int64_t ldb, int64_t n, int64_t k, T* dst);
  void (*strips)(const GemmBlock<T>&, int64_t i0, int64_t i1);
  // Packs `width` (at most `panel`) lines of `k` elements as [k][panel]: line i, element p at src[i * line + p * step],
  // one of line, step being 1. Lines up to `panel` are filled with zeros. dst has room for k * panel + nr elements.
  // With line = 1 and panel = nr or mr, width may be any number of lines: panels of k * panel elements follow one
  // another.
  void (*pack)(const T* src, int64_t line, int64_t step, int64_t width, int64_t k, int panel, T* dst);
  // The same with line = 1, where step p begins at list[p] + at.
  void (*pack_list)(const T* const* list, int64_t at, int64_t width, int64_t k, int panel, T* dst);
  // Adds `count` partial products of columns [j0, j1), each stored [m][nr], `stride` elements apart, and leaves the sum
  // in C, with the block's epilogue.
  void (*merge)(const GemmBlock<T>&, const T* parts, int64_t stride, int64_t count, int64_t j0, int64_t j1);
  // to[i] += factor * from[i], the product rounded.
  void (*add_scaled)(T* to, const T* from, int64_t n, T factor);
};

struct GemmTable {
  GemmKernels<float> f32;
  GemmKernels<double> f64;
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(GemmTable, gemm_table)
