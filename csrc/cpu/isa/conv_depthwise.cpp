// Tiles of depthwise convolutions: vectors of channels, several outputs at a time. This file is compiled with
// contraction of a * b + c allowed.
#include "cpu/conv_table.h"
#include "cpu/isa/conv_tile.h"

namespace tahr::TAHR_ISA {
namespace {

constexpr int kOutputs = 4;  // of a row tile
constexpr int kTaps = 9;     // of an outer tile: all of a 3x3 window

// Outputs [i, i + MR) at channels [j, j + NV vectors), of the last of which `lanes` are wanted.
template <class T, int MR, int NV>
TAHR_INLINE void row_tile(const DepthwiseRow<T>& t, int64_t i, int64_t j, int lanes) {
  constexpr int L = kLanes<T>;
  Vec<T> acc[MR][NV] = {};
  const T* a0 = t.a + i * t.a_row + j;
  for (int64_t r = 0; r < t.run_count; ++r) {
    const T *a = a0 + t.runs[r].a, *b = t.b + t.runs[r].b * t.channels + j;
    TAHR_UNROLL for (int v = 0; v < NV; ++v) {
      const int n = v + 1 < NV ? L : lanes;
      const Vec<T> w = load_cols(b + v * L, n);
      TAHR_UNROLL for (int m = 0; m < MR; ++m) acc[m][v] += load_cols(a + m * t.a_row + v * L, n) * w;
    }
  }
  TAHR_UNROLL for (int v = 0; v < NV; ++v) {
    const int n = v + 1 < NV ? L : lanes;
    const Vec<T> bias = t.bias ? load_cols(t.bias + j + v * L, n) : Vec<T>{};
    TAHR_UNROLL for (int m = 0; m < MR; ++m) {
      Vec<T> y = acc[m][v];
      if (t.bias) y += bias;
      if (t.relu) y = rectified(y);
      store_cols(t.c + (i + m) * t.ldc + j + v * L, y, n);
    }
  }
}

template <class T, int NV>
TAHR_INLINE void row_columns(const DepthwiseRow<T>& t, int64_t j, int lanes) {
  int64_t i = 0;
  for (; i + kOutputs <= t.count; i += kOutputs) row_tile<T, kOutputs, NV>(t, i, j, lanes);
  for (; i < t.count; ++i) row_tile<T, 1, NV>(t, i, j, lanes);
}

template <class T>
void row(const DepthwiseRow<T>& t) {
  constexpr int L = kLanes<T>;
  int64_t j = 0;
  for (; j + 2 * L <= t.channels; j += 2 * L) row_columns<T, 2>(t, j, L);
  for (; j + L <= t.channels; j += L) row_columns<T, 1>(t, j, L);
  if (j < t.channels) row_columns<T, 1>(t, j, static_cast<int>(t.channels - j));
}

template <class T, int MR>
TAHR_INLINE void outer_tile(const ConvOuter<T>& t, int64_t i, int64_t j, int lanes) {
  Vec<T> acc[MR] = {};
  const T *a_line = t.a + j, *b_line = t.b + j;
  for (int64_t y = 0; y < t.rows; ++y) {
    const T *a = a_line, *b = b_line;
    for (int64_t p = 0; p < t.steps; ++p) {
      const Vec<T> dy = load_cols(b, lanes);
      TAHR_UNROLL for (int m = 0; m < MR; ++m) acc[m] += load_cols(a + t.offsets[i + m], lanes) * dy;
      a += t.a_step;
      b += t.b_step;
    }
    a_line += t.a_pitch;
    b_line += t.b_pitch;
  }
  TAHR_UNROLL for (int m = 0; m < MR; ++m) {
    T* c = t.c + (i + m) * t.ldc + j;
    if (t.accumulate) acc[m] += load_cols(c, lanes);
    store_cols(c, acc[m], lanes);
  }
}

template <class T>
void outer(const ConvOuter<T>& t) {
  constexpr int L = kLanes<T>;
  for (int64_t j = 0; j < t.n; j += L) {
    const int lanes = static_cast<int>(t.n - j < L ? t.n - j : L);
    int64_t i = 0;
    const auto tiles = [&](auto full) __attribute__((always_inline)) {
      const int n = full ? L : lanes;
      for (; i + kTaps <= t.m; i += kTaps) outer_tile<T, kTaps>(t, i, j, n);
      for (; i + 3 <= t.m; i += 3) outer_tile<T, 3>(t, i, j, n);
      for (; i < t.m; ++i) outer_tile<T, 1>(t, i, j, n);
    };
    struct Yes {
      constexpr operator bool() const { return true; }
    };
    struct No {
      constexpr operator bool() const { return false; }
    };
    if (lanes == L) tiles(Yes{});
    else tiles(No{});
  }
}

}  // namespace

const DepthwiseTable& depthwise_table() {
  static constexpr DepthwiseTable t{{row<float>, outer<float>}, {row<double>, outer<double>}};
  return t;
}

}  // namespace tahr::TAHR_ISA
