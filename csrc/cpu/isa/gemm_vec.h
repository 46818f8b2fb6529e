// The vectors of the matrix product, and what its files share. Each is compiled with contraction of a * b + c allowed.
#pragma once

#include "cpu/gemm_table.h"

namespace tahr::TAHR_ISA {
namespace {

#if defined(TAHR_ISA_v4)
constexpr int kBytes = 64, kMr = 12, kWideMr = 3, kBroadMr = 8;
#elif defined(TAHR_ISA_v3)
constexpr int kBytes = 32, kMr = 6, kWideMr = 2, kBroadMr = 4;
#elif defined(TAHR_ISA_v2)
constexpr int kBytes = 16, kMr = 4, kWideMr = 2, kBroadMr = 3;
#else
constexpr int kBytes = 16, kMr = 8, kWideMr = 3, kBroadMr = 8;
#endif
constexpr int kBroadNv = 3;                    // of a broad one, which has fewer rows
constexpr int kNv = 2;                         // vectors across a tile
constexpr int kRowNv = kBytes == 64 ? 10 : 8;  // of one row, at most
constexpr int kStepsAhead = 8;                 // at which a tile fetches B
// Bytes that the first-level TLB reaches. A tile fetches a B spread wider than this ahead, so that neither the walks
// nor L2 hold up its sums; a nearer B arrives by itself, and the fetches would cost 3%.
constexpr int64_t kTlbReach = 96 * 4096;

#define TAHR_INLINE inline __attribute__((always_inline))
#define TAHR_INLINE_LAMBDA __attribute__((always_inline))
#define TAHR_UNROLL _Pragma("GCC unroll 32")

template <class T>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float type __attribute__((vector_size(kBytes)));
  typedef float loose __attribute__((vector_size(kBytes), aligned(4), may_alias));
};
template <>
struct VecOf<double> {
  typedef double type __attribute__((vector_size(kBytes)));
  typedef double loose __attribute__((vector_size(kBytes), aligned(8), may_alias));
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
using Loose = typename VecOf<T>::loose;
template <class T>
constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));
template <class T>
constexpr int kNr = kNv * kLanes<T>;
template <class T>
constexpr int kBroadNr = kBroadNv * kLanes<T>;

template <class T>
TAHR_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const Loose<T>*>(p);
}
template <class T>
TAHR_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<Loose<T>*>(p) = v;
}

// The first `count` lanes, count < lanes: the others are zeros, or are left alone.
#if defined(TAHR_ISA_v4)
constexpr bool kMasks = true;
TAHR_INLINE Vec<float> load_part(const float* p, int count) {
  return __builtin_ia32_loadups512_mask(p, Vec<float>{}, static_cast<uint16_t>((1u << count) - 1));
}
TAHR_INLINE Vec<double> load_part(const double* p, int count) {
  return __builtin_ia32_loadupd512_mask(p, Vec<double>{}, static_cast<uint8_t>((1u << count) - 1));
}
TAHR_INLINE void store_part(float* p, Vec<float> v, int count) {
  __builtin_ia32_storeups512_mask(p, v, static_cast<uint16_t>((1u << count) - 1));
}
TAHR_INLINE void store_part(double* p, Vec<double> v, int count) {
  __builtin_ia32_storeupd512_mask(p, v, static_cast<uint8_t>((1u << count) - 1));
}
#else
constexpr bool kMasks = false;
template <class T>
Vec<T> load_part(const T* p, int count);
template <class T>
void store_part(T* p, Vec<T> v, int count);
#endif

// p + ld, in a way that keeps the compiler from forming all rows' addresses ahead of the loop, where they cost
// registers that the loop needs.
template <class T>
TAHR_INLINE T* next_row(T* p, int64_t ld) {
  p += ld;
  asm("" : "+r"(p));
  return p;
}

TAHR_INLINE void fetch_for_writing(const void* p) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(p)));
#else
  __builtin_prefetch(p, 1);
#endif
}

// A product that no sum is fused with.
template <class T>
TAHR_INLINE Vec<T> rounded(Vec<T> v) {
#if defined(TAHR_ISA_v4)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#else
  asm("" : "+m"(v));
#endif
  return v;
}

// NaN stays NaN.
template <class V>
TAHR_INLINE V relu(V v) {
  return v < V{} ? V{} : v;
}

// What follows the sums of MR rows of NV vectors, and their way to C: `last` lanes of the last vector, all if kWhole.
template <class T, int MR, int NV, bool kWhole = false>
TAHR_INLINE void put(Vec<T> (&acc)[MR][NV], T factor, bool accumulate, const T* bias, bool rectify, T* c, int64_t ldc,
                     int last) {
  constexpr int L = kLanes<T>;
  if (!kMasks || kWhole) last = L;
  if (factor != 1) {
    TAHR_UNROLL for (int i = 0; i < MR; ++i) {
      TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] = rounded<T>(acc[i][v] * factor);
    }
  }
  if (accumulate) {
    const T* row = c;
    if (last == L) {
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] += load(row + v * L);
        row = next_row(row, ldc);
      }
    } else if constexpr (kMasks) {
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        TAHR_UNROLL for (int v = 0; v + 1 < NV; ++v) acc[i][v] += load(row + v * L);
        acc[i][NV - 1] += load_part(row + (NV - 1) * L, last);
        row = next_row(row, ldc);
      }
    }
  }
  if (bias) {
    TAHR_UNROLL for (int v = 0; v < NV; ++v) {
      Vec<T> x{};
      if (v + 1 < NV || last == L) x = load(bias + v * L);
      else if constexpr (kMasks) x = load_part(bias + v * L, last);
      TAHR_UNROLL for (int i = 0; i < MR; ++i) acc[i][v] += x;
    }
  }
  if (rectify) {
    TAHR_UNROLL for (int i = 0; i < MR; ++i) { TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] = relu(acc[i][v]); }
  }
  if (last == L) {
    TAHR_UNROLL for (int i = 0; i < MR; ++i) {
      TAHR_UNROLL for (int v = 0; v < NV; ++v) store(c + v * L, acc[i][v]);
      c = next_row(c, ldc);
    }
  } else if constexpr (kMasks) {
    TAHR_UNROLL for (int i = 0; i < MR; ++i) {
      TAHR_UNROLL for (int v = 0; v + 1 < NV; ++v) store(c + v * L, acc[i][v]);
      store_part(c + (NV - 1) * L, acc[i][NV - 1], last);
      c = next_row(c, ldc);
    }
  }
}

}  // namespace
}  // namespace tahr::TAHR_ISA
