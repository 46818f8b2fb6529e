// The kernels of csrc/cpu/isa/attention.cpp: what happens to a tile of scores between matrix products. A tile is `rows`
// rows of n elements, `ld` apart.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace tahr {

template <class T>
struct AttentionKernels {
  // Takes a tile into the running maximum and sum of each row: s = exp(s - peak), and factor[r] is what everything
  // summed before has to be multiplied with.
  void (*absorb)(T* s, int64_t rows, int64_t n, int64_t ld, T* peak, T* total, T* factor);
  // s = exp(s - peak) / total
  void (*probabilities)(T* s, int64_t rows, int64_t n, int64_t ld, const T* peak, const T* total);
  // s = s (d - dot) weight[r]: from probabilities and their cotangents, the cotangents of the scores.
  void (*scores_grad)(T* s, const T* d, int64_t rows, int64_t n, int64_t ld, const T* dot, const T* weight);
  // to = from * factor[r], rows `ld_to` and `ld_from` apart; may be in place.
  void (*scale_rows)(const T* from, int64_t ld_from, T* to, int64_t ld_to, int64_t rows, int64_t n, const T* factor);
  // out[r] = sum(a[r] b[r]), rows `ld` apart.
  void (*dots)(const T* a, const T* b, int64_t rows, int64_t n, int64_t ld, T* out);
};

struct AttentionTable {
  AttentionKernels<float> f32;
  AttentionKernels<double> f64;
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(AttentionTable, attention_table)
