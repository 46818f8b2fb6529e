// The matrix product's register tiles, packing, and the loop over the tiles of a block.
//
// One source for every instruction set: a tile is mr x nr accumulators held in vector registers, and each step of k is
// nr / lanes loads of B, mr broadcasts of A and their products. (BLIS: Van Zee and van de Geijn, "BLIS: A Framework for
// Rapidly Instantiating BLAS Functionality", 2015; the macro level is in cpu/gemm.cpp.)
//
// Every element of C is the sum over blocks of k, in order, of one chain of fused multiply-adds over the block (or over
// each half of the only block). The chains do not depend on the tile's shape, so neither do the bits of the result.
// This file is compiled with contraction of a * b + c allowed, which is what makes the chains fused where the
// instruction set has it.
#include "cpu/gemm_table.h"

namespace tahr::TAHR_ISA {
namespace {

#if defined(TAHR_ISA_v4)
constexpr int kBytes = 64, kMr = 12, kWideMr = 3;
#elif defined(TAHR_ISA_v3)
constexpr int kBytes = 32, kMr = 6, kWideMr = 2;
#elif defined(TAHR_ISA_v2)
constexpr int kBytes = 16, kMr = 4, kWideMr = 2;
#else
constexpr int kBytes = 16, kMr = 8, kWideMr = 3;
#endif
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

// ---- the tile ----

// How a tile reaches A: a step's values side by side and steps strided, or rows strided; or either by a list of where
// steps or rows begin.
enum Reach { kSteps, kRows, kListedSteps, kListedRows };
template <class T>
constexpr int kReaches = sizeof(T) == sizeof(float) ? 4 : 2;  // lists for float only

// A column of tiles, each below the one before, or a row of them: between two calls the multiply-adds would rest for 60
// cycles.
template <class T>
struct Tile {
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
  const T* before;  // added to the sum, rows kNr apart, or null
  T* b_kept;        // where a tile of kKeeps leaves B, packed
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

// C[MR][NV vectors] = relu?(factor A B (+ C) (+ bias)). kAcross: a row of tiles of a packed B, all columns whole,
// nothing fetched ahead and nothing added but C and a bias.
template <class T, int MR, int NV, Reach kReach, bool kKeeps = false, bool kAcross = false>
void tile(const Tile<T>& t) {
  constexpr int L = kLanes<T>;
  constexpr bool kRowsStrided = kReach == kRows, kRowsListed = kReach == kListedRows;
  const T *first_row = t.a, *column = t.b, *bias = t.bias;
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
    if (!kAcross && t.before) {
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] += load(t.before + i * kNr<T> + v * L);
      }
    }
    const int64_t ldc = t.ldc;
    const int last = kMasks && !kAcross ? t.cols - (NV - 1) * L : L;  // lanes wanted of the last vector
    if (t.factor != 1) {
      TAHR_UNROLL for (int i = 0; i < MR; ++i) {
        TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[i][v] = rounded<T>(acc[i][v] * t.factor);
      }
    }
    if (t.accumulate) {
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
    if (t.relu) {
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
    if constexpr (kAcross) {
      c += NV * L - MR * ldc;
      if (bias) bias += NV * L;
    } else {
      if constexpr (kRowsListed) list += MR;
      if constexpr (kReach == kListedSteps) at += MR;
    }
  } while (--left > 0);
}

// Vectors across a tile of few rows, at most: more of them, so that there are enough independent sums.
constexpr int wide_of(int mr) { return mr == 1 ? kRowNv : 4; }

template <class T>
using TileFn = void (*)(const Tile<T>&);

template <class T>
struct Tiles {
  TileFn<T> fn[kReaches<T>][2][kMr + 1];       // [Reach][two vectors][rows]
  TileFn<T> keeping[kReaches<T>][2][kMr + 1];  // the same, for more than half the rows, leaving B packed
  TileFn<T> wide[2][kWideMr + 1];              // [rows strided][rows]
  TileFn<T> row[2][kRowNv + 1];                // of one row: [row strided][vectors]
  TileFn<T> across[2][kMr + 1];                // [rows strided][rows], for more than half the rows
};

template <class T, int NV>
constexpr void fill_rows(Tiles<T>& t) {
  t.row[0][NV] = tile<T, 1, NV, kSteps>;
  t.row[1][NV] = tile<T, 1, NV, kRows>;
  if constexpr (NV > 1) fill_rows<T, NV - 1>(t);
}

template <class T, int MR, Reach kReach>
constexpr void fill_reach(Tiles<T>& t) {
  t.fn[kReach][0][MR] = tile<T, MR, 1, kReach>;
  t.fn[kReach][1][MR] = tile<T, MR, 2, kReach>;
  if constexpr (MR > kMr / 2) {
    t.keeping[kReach][0][MR] = tile<T, MR, 1, kReach, true>;
    t.keeping[kReach][1][MR] = tile<T, MR, 2, kReach, true>;
  }
}

template <class T, int MR>
constexpr void fill_tiles(Tiles<T>& t) {
  fill_reach<T, MR, kSteps>(t);
  fill_reach<T, MR, kRows>(t);
  if constexpr (kReaches<T> > 2) {
    fill_reach<T, MR, kListedSteps>(t);
    fill_reach<T, MR, kListedRows>(t);
  }
  if constexpr (MR > kMr / 2) {
    t.across[0][MR] = tile<T, MR, kNv, kSteps, false, true>;
    t.across[1][MR] = tile<T, MR, kNv, kRows, false, true>;
  }
  if constexpr (MR <= kWideMr) {
    t.wide[0][MR] = tile<T, MR, wide_of(MR), kSteps>;
    t.wide[1][MR] = tile<T, MR, wide_of(MR), kRows>;
  }
  if constexpr (MR > 1) fill_tiles<T, MR - 1>(t);
}

template <class T>
constexpr Tiles<T> make_tiles() {
  Tiles<T> t{};
  fill_tiles<T, kMr>(t);
  fill_rows<T, kRowNv>(t);
  return t;
}
template <class T>
constexpr Tiles<T> kTiles = make_tiles<T>();

// ---- transposing ----

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
  constexpr int64_t kAhead = 8;  // steps
  int64_t done = 0;              // lines
  // Whole panels of B side by side: a step is read in one go, whatever the number of panels it feeds.
  if (panel == kNr<T> && width >= kNr<T>) {
    const int64_t panels = width / kNr<T>;
    for (int64_t p = 0; p < k; ++p) {
      const T *src = step_at(p), *ahead = step_at(p + kAhead < k ? p + kAhead : k - 1);
      for (int64_t q = 0; q < panels; ++q) {
        TAHR_UNROLL for (int v = 0; v < kNv; ++v) {
          __builtin_prefetch(ahead + q * kNr<T> + v * L);
          store(dst + q * k * kNr<T> + p * kNr<T> + v * L, load(src + q * kNr<T> + v * L));
        }
      }
    }
    done = panels * kNr<T>;
    dst += panels * k * kNr<T>;
  } else if (panel == kMr && width >= kMr) {
    // Panels of A side by side likewise: memory is read line after line, as the hardware's own fetches ahead expect.
    const int64_t panels = width / kMr;
    for (int64_t p = 0; p < k; ++p) {
      const T *src = step_at(p), *ahead = step_at(p + kAhead < k ? p + kAhead : k - 1);
      for (int64_t q = 0; q < panels; ++q) {
        __builtin_prefetch(ahead + q * kMr);
        __builtin_memcpy(dst + q * k * kMr + p * kMr, src + q * kMr, kMr * sizeof(T));
      }
    }
    done = panels * kMr;
    dst += panels * k * kMr;
  }
  if (done == width) return;
  const int rest = static_cast<int>(width - done);
  if constexpr (kMasks) {
    if (panel == kNr<T>) {  // its vectors: `whole` of B, one with part of it, zeros
      const int whole = rest / L, part = rest % L;
      for (int64_t p = 0; p < k; ++p) {
        const T* src = step_at(p) + done;
        TAHR_UNROLL for (int v = 0; v < kNv; ++v) {
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

// ---- what a tile leaves when it cannot write to C itself ----

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

// rows <= kRows, which is known to the compiler; writes c[j][0..rows) for each column j of the tile.
template <class T, int kRows>
TAHR_INLINE void put_row(T* c, Vec<T> v, const Vec<T>* bias, int rows, bool full, bool accumulate, bool rectify) {
  if (accumulate) {
    Vec<T> old{};
    if (full) __builtin_memcpy(&old, c, kRows * sizeof(T));
    else __builtin_memcpy(&old, c, rows * sizeof(T));
    v += old;
  }
  if (bias) v += *bias;
  if (rectify) v = relu(v);
  if (full) __builtin_memcpy(c, &v, kRows * sizeof(T));
  else __builtin_memcpy(c, &v, rows * sizeof(T));
}

template <class T>
void finish_transposed(const GemmBlock<T>& g, const T* tmp, int64_t i0, int64_t j0, int rows, int cols, int ld,
                       const T* bias, bool accumulate, bool rectify) {
  constexpr int L = kLanes<T>;
  for (int i = 0; i < rows; i += L) {
    const int part = rows - i < L ? rows - i : L;
    Vec<T> add{};
    if (bias) __builtin_memcpy(&add, bias + i0 + i, part * sizeof(T));
    const Vec<T>* added = bias ? &add : nullptr;
    for (int j = 0; j < cols; j += L) {
      Vec<T> r[L];
      TAHR_UNROLL for (int x = 0; x < L; ++x) r[x] = x < part ? load(tmp + (i + x) * ld + j) : Vec<T>{};
      transpose<T>(r);
      T* c = g.c + (j0 + j) * g.ldc + i0 + i;
      const int lines = cols - j < L ? cols - j : L;
      constexpr int kFull = kMr < L ? kMr : L;
      if (lines == L && part == kFull) {
        TAHR_UNROLL for (int x = 0; x < L; ++x) {
          put_row<T, kFull>(c + x * g.ldc, r[x], added, part, true, accumulate, rectify);
        }
      } else {
        for (int x = 0; x < lines; ++x) {
          put_row<T, kFull>(c + x * g.ldc, r[x], added, part, false, accumulate, rectify);
        }
      }
    }
  }
}

// ---- the loops over the tiles of a block ----

template <class T>
void block(const GemmBlock<T>& g, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
  constexpr int L = kLanes<T>, kNrT = kNr<T>, kWideNr = kRowNv * L;
  const bool strided = !g.a_panel && g.a_row != 1, listed = !g.a_panel && g.a_list;
  const int reach = (strided ? kRows : kSteps) + (listed ? kListedSteps - kSteps : 0);
  const int64_t depth = gemm_depth(g.k);
  const bool single = g.mr == 1 && !listed && !g.b_panel && !g.b_room && !g.c_transposed;
  const int wide = g.mr <= kWideMr && !listed && !g.b_panel && !g.b_room && !g.c_transposed ? wide_of(g.mr) * L : 0;
  alignas(64) T tmp[kMr * kNrT > kWideNr * kWideMr ? kMr * kNrT : kWideNr * kWideMr];
  alignas(64) T tail[kWideNr * kWideNr > 4096 ? 4096 : kWideNr * kWideNr];
  constexpr int64_t kTailRoom = sizeof tail / sizeof(T);

  for (int64_t p0 = 0; p0 < g.k || p0 == 0; p0 += depth) {
    const int64_t k = g.k - p0 < depth ? g.k - p0 : depth;
    const bool last_steps = p0 + depth >= g.k;
    const T* bias = last_steps ? g.bias : nullptr;
    const bool accumulate = g.accumulate || p0 > 0, rectify = last_steps && g.relu;
    int64_t cols;
    for (int64_t j = j0; j < j1; j += cols) {
      int width;  // columns that the tile computes; `cols` of them are wanted
      if (single) width = static_cast<int>(j1 - j < wide ? (j1 - j + L - 1) / L * L : wide);
      else if (wide && j1 - j > kNrT) width = wide;
      else width = j1 - j > L ? kNrT : L;
      cols = j1 - j < width ? j1 - j : width;

      Tile<T> t{};
      t.chain = g.chain;
      if (g.b_panel) {
        t.b = g.b + j / kNrT * g.b_panel + p0 * kNrT;
        t.b_stride = kNrT;
        t.k = k;
      } else if (g.b_room && g.b_col != 1) {
        pack<T>(g.b + p0 * g.b_row + j * g.b_col, g.b_col, g.b_row, cols, k, width, g.b_room);
        t.b = g.b_room;
        t.b_stride = width;
        t.k = k;
      } else {
        t.b = g.b + p0 * g.b_row + j;
        t.b_stride = g.b_row;
        t.fetch_b = k * g.b_row * static_cast<int64_t>(sizeof(T)) > kTlbReach;
        // Steps whose whole vectors lie inside B; the others read a padded copy.
        const int64_t last = (g.k - 1) * g.b_row + g.n;  // elements of B
        const int64_t over = j + width - g.n;
        int64_t copied = 0;
        if (over > 0) {
          while (copied < k && (p0 + k - 1 - copied) * g.b_row + j + width > last) ++copied;
          if (copied * width > kTailRoom) copied = -1;
        }
        if (copied < 0) {  // so narrow a B that even its copy is long: fall back to narrow tiles
          width = L;
          cols = j1 - j < width ? j1 - j : width;
          copied = 0;
          while (copied < k && (p0 + k - 1 - copied) * g.b_row + j + width > last) ++copied;
        }
        t.k = k - copied;
        for (int64_t p = 0; p < copied; ++p) {
          const T* row = t.b + (t.k + p) * g.b_row;
          for (int x = 0; x < width; ++x) tail[p * width + x] = x < cols ? row[x] : 0;
        }
        t.b_tail = tail;
        t.k_tail = copied;
      }

      int64_t done;  // rows
      for (int64_t i = i0; i < i1; i += done) {
        const int rows = static_cast<int>(i1 - i < g.mr ? i1 - i : g.mr);
        done = rows;
        t.count = 1;
        t.next_c = nullptr;
        if (g.a_panel) {
          t.a = g.a + i / g.mr * g.a_panel + p0 * g.mr;
          t.a_stride = g.mr;
        } else if (listed) {
          t.a_list = g.a_list + (strided ? i : p0);
          t.a_at = strided ? g.a_at + p0 : i;
          t.a_left = strided && g.a_far ? i1 - i : 0;
        } else {
          t.a = g.a + i * g.a_row + p0 * g.a_col;
          t.a_stride = strided ? g.a_row : g.a_col;
        }
        const bool direct = (kMasks ? cols > width - L : cols == width) && !g.c_transposed;
        t.cols = static_cast<int>(direct ? cols : width);
        if (direct) {
          t.c = g.c + i * g.ldc + j;
          t.ldc = g.ldc;
          t.bias = bias ? bias + j : nullptr;
          t.accumulate = accumulate;
          t.relu = rectify;
          t.fetch_c = g.c_ahead;
        } else {
          t.c = tmp;
          t.ldc = width;
          t.bias = nullptr;
          t.accumulate = t.relu = t.fetch_c = false;
        }
        t.factor = g.factor;
        t.before = g.before ? g.before + i * kNrT + (j - j0) : nullptr;
        const bool keep = g.b_room && g.b_col == 1 && i == i0 && rows > kMr / 2 && i + rows < i1;
        t.b_kept = g.b_room;
        if (direct && !keep && !t.before && rows == g.mr) {
          t.count = (i1 - i) / g.mr;
          t.a_next = g.a_panel ? g.a_panel : g.mr * g.a_row;
          done = t.count * g.mr;
        }
        if (direct && i + done < i1) t.next_c = t.c + done * g.ldc;
        else if (direct && j + cols < j1) t.next_c = g.c + i0 * g.ldc + j + cols;
        const TileFn<T> fn = keep                          ? kTiles<T>.keeping[reach][width == kNrT][rows]
                             : single                      ? kTiles<T>.row[strided][width / L]
                             : width == kNrT || width == L ? kTiles<T>.fn[reach][width == kNrT][rows]
                                                           : kTiles<T>.wide[strided][rows];
        fn(t);
        if (keep) {
          t.b = g.b_room;
          t.b_stride = width;
          t.fetch_b = false;
          t.k = k;
          t.k_tail = 0;
        }
        if (!direct) {
          if (g.c_transposed)
            finish_transposed(g, tmp, i, j, rows, static_cast<int>(cols), width, bias, accumulate, rectify);
          else finish(g, tmp, i, j, rows, static_cast<int>(cols), width, bias, accumulate, rectify);
        }
      }
    }
    if (g.k == 0) break;
  }
}

template <class T>
void rows(const GemmBlock<T>& g, int64_t i0, int64_t i1) {
  constexpr int kNrT = kNr<T>;
  const bool strided = !g.a_panel && g.a_row != 1, listed = !g.a_panel && g.a_list;
  for (int64_t i = i0; i < i1; i += g.mr) {
    const int height = static_cast<int>(i1 - i < g.mr ? i1 - i : g.mr);
    const int64_t panels = listed || height <= kMr / 2 ? 0 : g.n / kNrT;
    if (panels) {
      Tile<T> t{};
      t.count = panels;
      t.a = g.a_panel ? g.a + i / g.mr * g.a_panel : g.a + i * g.a_row;
      t.a_stride = g.a_panel ? g.mr : strided ? g.a_row : g.a_col;
      t.b = g.b;
      t.b_stride = kNrT;
      t.b_next = g.b_panel;
      t.k = g.k;
      t.chain = g.chain;
      t.c = g.c + i * g.ldc;
      t.ldc = g.ldc;
      t.bias = g.bias;
      t.factor = g.factor;
      t.accumulate = g.accumulate;
      t.relu = g.relu;
      kTiles<T>.across[strided][height](t);
    }
    if (panels * kNrT < g.n) block(g, i, i + height, panels * kNrT, g.n);
  }
}

template <class T>
void merge(const GemmBlock<T>& g, const T* parts, int64_t stride, int64_t count, int64_t j0, int64_t j1) {
  constexpr int L = kLanes<T>, kNrT = kNr<T>;
  alignas(64) T sums[kMr * kNrT];
  for (int64_t i = 0; i < g.m; i += kMr) {
    const int rows = static_cast<int>(g.m - i < kMr ? g.m - i : kMr);
    for (int x = 0; x < rows * kNrT; x += L) {
      const T* part = parts + i * kNrT + x;
      Vec<T> sum = load(part);
      for (int64_t b = 1; b < count; ++b) sum += load(part + b * stride);
      store(sums + x, sum);
    }
    finish(g, sums, i, j0, rows, static_cast<int>(j1 - j0), kNrT, g.bias, g.accumulate, g.relu);
  }
}

template <class T>
void add_scaled(T* to, const T* from, int64_t n, T factor) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) store(to + i, load(to + i) + rounded<T>(load(from + i) * factor));
  for (; i < n; ++i) {
    Vec<T> product{};
    product[0] = from[i];
    to[i] += rounded<T>(product * factor)[0];
  }
}

}  // namespace

const GemmTable& gemm_table() {
  static constexpr GemmTable t{{kMr, kNr<float>, kRowNv * kLanes<float>, block<float>, rows<float>, pack<float>,
                                pack_list<float>, merge<float>, add_scaled<float>},
                               {kMr, kNr<double>, kRowNv * kLanes<double>, block<double>, rows<double>, pack<double>,
                                pack_list<double>, merge<double>, add_scaled<double>}};
  return t;
}

}  // namespace tahr::TAHR_ISA
