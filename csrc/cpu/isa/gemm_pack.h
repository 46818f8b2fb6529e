// Packing and transposing for the matrix product.
#pragma once

#include "cpu/isa/gemm_vec.h"

namespace tahr::TAHR_ISA {
namespace {

// The first and second halves of a and b, lane by lane in turn.
#ifdef __clang__
#define TAHR_SHUFFLE(T, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
template <class T>
struct MaskOf;
template <>
struct MaskOf<float> {
  typedef int32_t type __attribute__((vector_size(kBytes)));
};
template <>
struct MaskOf<double> {
  typedef int64_t type __attribute__((vector_size(kBytes)));
};
#define TAHR_SHUFFLE(T, a, b, ...) __builtin_shuffle(a, b, typename MaskOf<T>::type{__VA_ARGS__})
#endif

template <class T>
TAHR_INLINE void zip(Vec<T> a, Vec<T> b, Vec<T>& lo, Vec<T>& hi) {
  if constexpr (kLanes<T> == 2) {
    lo = TAHR_SHUFFLE(T, a, b, 0, 2);
    hi = TAHR_SHUFFLE(T, a, b, 1, 3);
  } else if constexpr (kLanes<T> == 4) {
    lo = TAHR_SHUFFLE(T, a, b, 0, 4, 1, 5);
    hi = TAHR_SHUFFLE(T, a, b, 2, 6, 3, 7);
  } else if constexpr (kLanes<T> == 8) {
    lo = TAHR_SHUFFLE(T, a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    hi = TAHR_SHUFFLE(T, a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  } else {
    lo = TAHR_SHUFFLE(T, a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    hi = TAHR_SHUFFLE(T, a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}

#if defined(TAHR_ISA_v4)
// Four vectors of 16 rows each -> those rows, four values each: row r at rows + r % 4 * 16 + r / 4 * 4.
TAHR_INLINE void transpose_pieces(const Vec<float> (&r)[4], float* rows) {
  const Vec<float> a = TAHR_SHUFFLE(float, r[0], r[1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  const Vec<float> b = TAHR_SHUFFLE(float, r[0], r[1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  const Vec<float> c = TAHR_SHUFFLE(float, r[2], r[3], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  const Vec<float> d = TAHR_SHUFFLE(float, r[2], r[3], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  store(rows, TAHR_SHUFFLE(float, a, c, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29));
  store(rows + 16, TAHR_SHUFFLE(float, a, c, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31));
  store(rows + 32, TAHR_SHUFFLE(float, b, d, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29));
  store(rows + 48, TAHR_SHUFFLE(float, b, d, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31));
}
#endif

// A square of vectors, transposed by log2(lanes) rounds of zipping row i with row i + lanes / 2.
template <class T, int kRound = kLanes<T>>
TAHR_INLINE void transpose(Vec<T> (&r)[kLanes<T>]) {
  if constexpr (kRound > 1) {
    constexpr int L = kLanes<T>;
    Vec<T> s[L];
    TAHR_UNROLL for (int i = 0; i < L / 2; ++i) zip<T>(r[i], r[i + L / 2], s[2 * i], s[2 * i + 1]);
    TAHR_UNROLL for (int i = 0; i < L; ++i) r[i] = s[i];
    transpose<T, kRound / 2>(r);
  }
}

// Lines side by side; step p of them begins at step_at(p).
template <class T, class StepAt>
TAHR_INLINE void pack_steps(StepAt step_at, int64_t width, int64_t k, int panel, T* dst) {
  constexpr int L = kLanes<T>;
  constexpr int kLine = 64 / sizeof(T);
  constexpr int64_t kAhead = 8;  // steps
  int64_t done = 0;              // lines
  // Whole panels side by side: a step is read in one go, whatever the number of panels it feeds, so that memory is read
  // line after line, as the hardware's own fetches ahead expect.
  const auto whole_panels = [&]<int kPanel>() TAHR_INLINE_LAMBDA {
    const int64_t panels = width / kPanel;
    for (int64_t p = 0; p < k; ++p) {
      const T *src = step_at(p), *ahead = step_at(p + kAhead < k ? p + kAhead : k - 1);
      for (int64_t q = 0; q < panels; ++q) {
        TAHR_UNROLL for (int x = 0; x < kPanel; x += kLine) __builtin_prefetch(ahead + q * kPanel + x);
        __builtin_memcpy(dst + (q * k + p) * kPanel, src + q * kPanel, kPanel * sizeof(T));
      }
    }
    done = panels * kPanel;
    dst += panels * k * kPanel;
  };
  if (panel == kNr<T>) whole_panels.template operator()<kNr<T>>();
  else if (panel == kBroadNr<T>) whole_panels.template operator()<kBroadNr<T>>();
  else if (panel == kMr) whole_panels.template operator()<kMr>();
  else if (panel == kBroadMr) whole_panels.template operator()<kBroadMr>();
  if (done == width) return;
  const int rest = static_cast<int>(width - done);
  if constexpr (kMasks) {
    if (panel % L == 0) {  // its vectors: `whole` of B, one with part of it, zeros
      const int whole = rest / L, part = rest % L;
      for (int64_t p = 0; p < k; ++p) {
        const T* src = step_at(p) + done;
        for (int v = 0; v < panel / L; ++v) {
          Vec<T> x{};
          if (v < whole) x = load(src + v * L);
          else if (v == whole && part) x = load_part(src + v * L, part);
          store(dst + p * panel + v * L, x);
        }
      }
      return;
    }
  }
  for (int64_t p = 0; p < k; ++p) {
    const T* src = step_at(p) + done;
    for (int64_t i = 0; i < rest; ++i) dst[p * panel + i] = src[i];
    for (int64_t i = rest; i < panel; ++i) dst[p * panel + i] = 0;
  }
}

template <class T>
void pack_list(const T* const* list, int64_t at, int64_t width, int64_t k, int panel, T* dst) {
  pack_steps<T>([&](int64_t p) TAHR_INLINE_LAMBDA { return list[p] + at; }, width, k, panel, dst);
}

template <class T>
void pack(const T* src, int64_t line, int64_t step, int64_t width, int64_t k, int panel, T* dst) {
  constexpr int L = kLanes<T>;
  if (line == 1) {
    return pack_steps<T>([&](int64_t p) TAHR_INLINE_LAMBDA { return src + p * step; }, width, k, panel, dst);
  }
  // Squares of L lines by L steps, the last lines first: where a panel is no multiple of L wide, the surplus of a store
  // lands in the next step, which is overwritten afterwards, or at the end in the room behind the panel.
  int64_t p = 0;
  for (; p + L <= k; p += L) {
    for (int64_t i = (panel - 1) / L * L; i >= 0; i -= L) {
      Vec<T> r[L];
      if (i + L <= width) {
        TAHR_UNROLL for (int x = 0; x < L; ++x) r[x] = load(src + (i + x) * line + p);
      } else {
        TAHR_UNROLL for (int x = 0; x < L; ++x) r[x] = i + x < width ? load(src + (i + x) * line + p) : Vec<T>{};
      }
      transpose<T>(r);
      TAHR_UNROLL for (int x = 0; x < L; ++x) store(dst + (p + x) * panel + i, r[x]);
    }
  }
  if constexpr (kMasks) {
    const int rest = static_cast<int>(k - p);
    for (int64_t i = (panel - 1) / L * L; rest && i >= 0; i -= L) {
      Vec<T> r[L];
      TAHR_UNROLL for (int x = 0; x < L; ++x) {
        r[x] = i + x < width ? load_part(src + (i + x) * line + p, rest) : Vec<T>{};
      }
      transpose<T>(r);
      TAHR_UNROLL for (int x = 0; x < L; ++x) {
        if (x < rest) store(dst + (p + x) * panel + i, r[x]);
      }
    }
    return;
  }
  for (; p < k; ++p) {
    for (int64_t i = 0; i < panel; ++i) dst[p * panel + i] = i < width ? src[i * line + p] : 0;
  }
}

}  // namespace
}  // namespace tahr::TAHR_ISA
