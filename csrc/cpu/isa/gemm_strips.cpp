// Products of few steps whose A is transposed, such as the gradient of a layer's weights. B, packed, stays near; a
// strip of rows goes along all of C's columns, by panels, so that its part of A is fetched once, and each line of C.
#include "cpu/isa/gemm_strips.h"

#include "cpu/isa/gemm_finish.h"
#include "cpu/isa/gemm_pack.h"

namespace tahr::TAHR_ISA {
namespace {

// A panel is up to kMostNv vectors wide; the tiles of a narrower one have more rows, so that all have as many sums.
#if defined(TAHR_ISA_v4) || defined(TAHR_ISA_base)
constexpr int kMostNv = 4;
constexpr int rows_of(int nv) { return nv == 4 ? 6 : nv == 3 ? 8 : 12; }
#elif defined(TAHR_ISA_v3)
constexpr int kMostNv = 3;
constexpr int rows_of(int nv) { return nv == 3 ? 4 : 6; }
#else
constexpr int kMostNv = 3;
constexpr int rows_of(int nv) { return nv == 3 ? 3 : 4; }
#endif

// The last columns, if they are few, would waste most of a vector: they are computed as rows of the transposed product,
// with vectors along A.
template <class T>
constexpr int kCorner = kMasks && sizeof(T) == 4 ? kLanes<T> / 4 : 0;
template <class T>
TAHR_INLINE int corner_of(int64_t n) {
  const int rest = static_cast<int>(n % kLanes<T>);
  return rest <= kCorner<T> ? rest : 0;
}

// Vectors across the next panel, if so many are left.
TAHR_INLINE int next_width(int64_t left) {
  const int64_t panels = (left + kMostNv - 1) / kMostNv;
  return static_cast<int>((left + panels - 1) / panels);
}

// Where the steps of A begin.
template <class T, bool kListed>
struct Steps {
  const T* at;
  const T* const* list;
  int64_t stride;
  TAHR_INLINE const T* next() {
    if constexpr (kListed) return *list++ + stride;
    const T* now = at;
    at += stride;
    return now;
  }
};
template <bool kListed, class T>
TAHR_INLINE Steps<T, kListed> steps_of(const GemmBlock<T>& g, int64_t i) {
  if constexpr (kListed) return {nullptr, g.a_list, g.a_at + i};
  return {g.a + i, nullptr, g.a_col};
}

// What a panel's tiles share.
template <class T>
struct Panel {
  const T* b;
  int64_t j;      // its first column
  int cols;       // all but the last vector are whole
  const T* next;  // the tile of C that comes after the panel, or null
};

// Rows [i, i + rows) of a panel. Each tile fetches the next one's part of C, a row with each step.
template <class T, int NV, bool kListed>
TAHR_INLINE void panel(const GemmBlock<T>& g, int64_t i, int rows, const Panel<T>& q) {
  constexpr int L = kLanes<T>, MR = rows_of(NV);
  const int last = q.cols - (NV - 1) * L;
  for (; rows > 0; i += MR, rows -= MR) {
    // The last rows, if too few, are part of a tile that begins before them; but only these are written.
    const int wanted = rows < MR ? rows : MR;
    Steps<T, kListed> a = steps_of<kListed>(g, i + wanted - MR);
    const T* b = q.b;
    const T* next_c = rows > MR && q.next ? g.c + (i + MR) * g.ldc + q.j : q.next;
    Vec<T> acc[MR][NV] = {};
    const auto sum = [&]<bool kFetches>(int64_t k) TAHR_INLINE_LAMBDA {
#pragma GCC unroll 4
      for (int64_t p = 0; p < k; ++p) {
        Vec<T> bv[NV];
        TAHR_UNROLL for (int v = 0; v < NV; ++v) bv[v] = load(b + v * L);
        if constexpr (kFetches) {
          TAHR_UNROLL for (int v = 0; v < NV; ++v) fetch_for_writing(next_c + v * L);
          fetch_for_writing(next_c + NV * L - 1);
          next_c += g.ldc;
        }
        const T* step = a.next();
        TAHR_UNROLL for (int x = 0; x < MR; ++x) {
          TAHR_UNROLL for (int v = 0; v < NV; ++v) acc[x][v] += step[x] * bv[v];
        }
        b += NV * L;
      }
    };
    int64_t k = g.k;
    if (next_c && k > MR) {
      sum.template operator()<true>(MR);
      k -= MR;
    }
    sum.template operator()<false>(k);
    if (wanted == MR && (kMasks || last == L)) {
      put<T, MR, NV>(acc, g.factor, g.accumulate, g.bias ? g.bias + q.j : nullptr, g.relu, g.c + i * g.ldc + q.j, g.ldc,
                     last);
    } else {
      alignas(64) T tmp[MR * NV * L];
      put<T, MR, NV, true>(acc, g.factor, false, nullptr, false, tmp, NV * L, L);
      finish(g, tmp + (MR - wanted) * NV * L, i, q.j, wanted, q.cols, NV * L, g.bias, g.accumulate, g.relu);
    }
  }
}

template <class T, bool kListed>
void strips(const GemmBlock<T>& g, int64_t i0, int64_t i1) {
  constexpr int L = kLanes<T>;
  const int64_t n = g.n - corner_of<T>(g.n);
  for (int64_t i = i0; i < i1; i += kGemmStrip) {
    const int rows = static_cast<int>(i1 - i < kGemmStrip ? i1 - i : kGemmStrip);
    Panel<T> q{g.b, 0, 0, nullptr};
    int width;
    for (; q.j < n; q.j += q.cols, q.b += width * L * g.k) {
      width = next_width((n - q.j + L - 1) / L);
      q.cols = static_cast<int>(n - q.j < width * L ? n - q.j : width * L);
      if (g.c_ahead) {
        q.next = q.j + q.cols < n ? g.c + i * g.ldc + q.j + q.cols : i + rows < i1 ? g.c + (i + rows) * g.ldc : nullptr;
      }
      if (width == 4) {
        if constexpr (kMostNv >= 4) panel<T, 4, kListed>(g, i, rows, q);
      } else if (width == 3) panel<T, 3, kListed>(g, i, rows, q);
      else panel<T, 2, kListed>(g, i, rows, q);
    }
  }
}

#if defined(TAHR_ISA_v4)
// V vectors of rows x the corner's columns; `rows` of them are wanted.
template <int V, bool kListed>
TAHR_INLINE void corner_tile(const GemmBlock<float>& g, int64_t i, int rows, const float* b) {
  constexpr int L = kLanes<float>, C = kCorner<float>;
  const int last = rows - (V - 1) * L, cols = corner_of<float>(g.n);
  Steps<float, kListed> a = steps_of<kListed>(g, i);
  Vec<float> acc[V][C] = {};
  for (int64_t p = 0; p < g.k; ++p) {
    const float* step = a.next();
    Vec<float> av[V];
    TAHR_UNROLL for (int v = 0; v + 1 < V; ++v) av[v] = load(step + v * L);
    av[V - 1] = last == L ? load(step + (V - 1) * L) : load_part(step + (V - 1) * L, last);
    TAHR_UNROLL for (int x = 0; x < C; ++x) {
      TAHR_UNROLL for (int v = 0; v < V; ++v) acc[v][x] += b[p * C + x] * av[v];
    }
  }
  alignas(64) float tmp[V * L * C];
  TAHR_UNROLL for (int v = 0; v < V; ++v) {
    if (g.factor != 1) { TAHR_UNROLL for (int x = 0; x < C; ++x) acc[v][x] = rounded<float>(acc[v][x] * g.factor); }
    transpose_pieces(acc[v], tmp + v * L * C);
  }
  typedef float Quad __attribute__((vector_size(16)));
  typedef float LooseQuad __attribute__((vector_size(16), aligned(4), may_alias));
  const int64_t j = g.n - cols;
  Quad add{};
  if (g.bias) __builtin_memcpy(&add, g.bias + j, cols * sizeof(float));
  float* c = g.c + i * g.ldc + j;
  for (int r = 0; r < rows; ++r, c += g.ldc) {
    const float* from = tmp + r / L * L * C + r % 4 * L + r % L / 4 * C;
    if (cols < C) {
      finish(g, from, i + r, j, 1, cols, C, g.bias, g.accumulate, g.relu);
      continue;
    }
    Quad x = *reinterpret_cast<const LooseQuad*>(from);
    LooseQuad& to = *reinterpret_cast<LooseQuad*>(c);
    if (g.accumulate) x += to;
    if (g.bias) x += add;
    if (g.relu) x = relu(x);
    to = x;
  }
}

template <bool kListed>
void corner(const GemmBlock<float>& g, int64_t i0, int64_t i1) {
  constexpr int L = kLanes<float>;
  const float* b = g.b + g.n / L * L * g.k;
  for (int64_t i = i0; i < i1; i += 4 * L) {
    const int rows = static_cast<int>(i1 - i < 4 * L ? i1 - i : 4 * L);
    if (rows > 3 * L) corner_tile<4, kListed>(g, i, rows, b);
    else if (rows > 2 * L) corner_tile<3, kListed>(g, i, rows, b);
    else if (rows > L) corner_tile<2, kListed>(g, i, rows, b);
    else corner_tile<1, kListed>(g, i, rows, b);
  }
}
#endif

template <class T>
void pack_strips(const T* b, int64_t ldb, int64_t n, int64_t k, T* dst) {
  constexpr int L = kLanes<T>;
  const int64_t whole = n - corner_of<T>(n);
  int64_t width;
  for (int64_t j = 0; j < whole; j += width) {
    width = next_width((whole - j + L - 1) / L) * L;
    for (int64_t p = 0; p < k; ++p, dst += width) {
      const T* src = b + p * ldb + j;
      for (int64_t x = 0; x < width; x += L) {
        const int64_t left = whole - j - x;
        if (left >= L) store(dst + x, load(src + x));
        else if constexpr (kMasks) store(dst + x, load_part(src + x, static_cast<int>(left)));
        else
          for (int64_t q = 0; q < L; ++q) dst[x + q] = q < left ? src[x + q] : 0;
      }
    }
  }
  for (int64_t p = 0; whole < n && p < k; ++p, dst += kCorner<T>) {
    for (int64_t x = 0; x < kCorner<T>; ++x) dst[x] = whole + x < n ? b[p * ldb + whole + x] : 0;
  }
}

}  // namespace

void gemm_pack_strips(const float* b, int64_t ldb, int64_t n, int64_t k, float* dst) { pack_strips(b, ldb, n, k, dst); }
void gemm_pack_strips(const double* b, int64_t ldb, int64_t n, int64_t k, double* dst) {
  pack_strips(b, ldb, n, k, dst);
}

void gemm_strips(const GemmBlock<float>& g, int64_t i0, int64_t i1) {
  if (g.a_list) strips<float, true>(g, i0, i1);
  else strips<float, false>(g, i0, i1);
#if defined(TAHR_ISA_v4)
  if (corner_of<float>(g.n)) {
    if (g.a_list) corner<true>(g, i0, i1);
    else corner<false>(g, i0, i1);
  }
#endif
}
void gemm_strips(const GemmBlock<double>& g, int64_t i0, int64_t i1) { strips<double, false>(g, i0, i1); }

}  // namespace tahr::TAHR_ISA
