// What a tile of the matrix product leaves when it cannot write to C itself.
#pragma once

#include "cpu/isa/gemm_vec.h"

namespace tahr::TAHR_ISA {
namespace {

// Copies columns of width kWidth, and calls itself for the narrower rest.
template <class T, int kWidth>
TAHR_INLINE void finish_columns(const T* tmp, int ld, T* c, int64_t ldc, int rows, int cols, const T* bias,
                                bool accumulate, bool rectify) {
  typedef T Piece __attribute__((vector_size(kWidth * sizeof(T))));
  typedef T LoosePiece __attribute__((vector_size(kWidth * sizeof(T)), aligned(sizeof(T)), may_alias));
  const auto at = [](const T* p) -> Piece { return *reinterpret_cast<const LoosePiece*>(p); };
  if (cols & kWidth) {
    for (int i = 0; i < rows; ++i) {
      Piece v = at(tmp + i * ld);
      if (accumulate) v += at(c + i * ldc);
      if (bias) v += at(bias);
      if (rectify) v = relu(v);
      *reinterpret_cast<LoosePiece*>(c + i * ldc) = v;
    }
    tmp += kWidth;
    c += kWidth;
    if (bias) bias += kWidth;
  }
  if constexpr (kWidth > 1) { finish_columns<T, kWidth / 2>(tmp, ld, c, ldc, rows, cols, bias, accumulate, rectify); }
}

template <class T>
void finish(const GemmBlock<T>& g, const T* tmp, int64_t i0, int64_t j0, int rows, int cols, int ld, const T* bias,
            bool accumulate, bool rectify) {
  constexpr int L = kLanes<T>;
  T* c = g.c + i0 * g.ldc + j0;
  if (bias) bias += j0;
  for (; cols >= L; cols -= L) {
    finish_columns<T, L>(tmp, ld, c, g.ldc, rows, L, bias, accumulate, rectify);
    tmp += L;
    c += L;
    if (bias) bias += L;
  }
  finish_columns<T, L / 2>(tmp, ld, c, g.ldc, rows, cols, bias, accumulate, rectify);
}

}  // namespace
}  // namespace tahr::TAHR_ISA
