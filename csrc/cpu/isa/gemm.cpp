// The matrix product: the loops over the tiles of a block.
//
// The tiles are in gemm_tile.h, packing in gemm_pack.h, the macro level in cpu/gemm.cpp. (BLIS: Van Zee and van de
// Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS Functionality", 2015.)
//
// Every element of C is the sum over blocks of k, in order, of one chain of fused multiply-adds over the block (or over
// each half of the only block). The chains do not depend on the tile's shape, so neither do the bits of the result.
// These files are compiled with contraction of a * b + c allowed, which is what makes the chains fused where the
// instruction set has it.
#include "cpu/isa/gemm_finish.h"
#include "cpu/isa/gemm_pack.h"
#include "cpu/isa/gemm_strips.h"
#include "cpu/isa/gemm_tile.h"

namespace tahr::TAHR_ISA {
namespace {

const GemmReachTiles<float>& reach_tiles_of(float, int reach) {
  return reach == kSteps         ? gemm_steps_float()
         : reach == kRows        ? gemm_rows_float()
         : reach == kListedSteps ? gemm_listed_steps_float()
                                 : gemm_listed_rows_float();
}
const GemmReachTiles<double>& reach_tiles_of(double, int reach) {
  return reach == kSteps ? gemm_steps_double() : gemm_rows_double();
}
const GemmOtherTiles<float>& other_tiles_of(float) { return gemm_others_float(); }
const GemmOtherTiles<double>& other_tiles_of(double) { return gemm_others_double(); }

// ---- what a tile leaves when it cannot write to C itself ----

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
  const GemmReachTiles<T>& tiles = reach_tiles_of(T{}, reach);
  const GemmOtherTiles<T>& others = other_tiles_of(T{});
  const int64_t depth = gemm_depth(g.k);
  const bool single = g.mr == 1 && !listed && !g.b_panel && !g.b_room && !g.c_transposed;
  const int wide =
      g.mr <= kWideMr && !g.broad && !listed && !g.b_panel && !g.b_room && !g.c_transposed ? wide_of(g.mr) * L : 0;
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
      else if (g.broad && j1 - j > (kBroadNv - 1) * L) width = kBroadNr<T>;
      else width = j1 - j > L ? kNrT : L;
      cols = j1 - j < width ? j1 - j : width;

      GemmTile<T> t{};
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
        t.before = g.before ? g.before + i * g.before_row + (j - j0) : nullptr;
        t.before_row = g.before_row;
        const bool keep =
            g.b_room && g.b_col == 1 && i == i0 && rows > (width > kNrT ? kBroadMr : kMr) / 2 && i + rows < i1;
        t.b_kept = g.b_room;
        if (direct && !keep && rows == g.mr) {
          t.count = (i1 - i) / g.mr;
          t.a_next = g.a_panel ? g.a_panel : g.mr * g.a_row;
          done = t.count * g.mr;
        }
        if (direct && i + done < i1) t.next_c = t.c + done * g.ldc;
        else if (direct && j + cols < j1) t.next_c = g.c + i0 * g.ldc + j + cols;
        const GemmTileFn<T> fn = keep && width > kNrT          ? tiles.broad_keeping[rows]
                                 : keep                        ? tiles.keeping[width == kNrT][rows]
                                 : single                      ? others.row[strided][width / L]
                                 : width == kNrT || width == L ? tiles.fn[width == kNrT][rows]
                                 : g.broad                     ? tiles.broad[rows]
                                                               : others.wide[strided][rows];
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
      GemmTile<T> t{};
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
      other_tiles_of(T{}).across[strided][height](t);
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
  static constexpr GemmTable t{
      {kMr, kNr<float>, kBroadMr, kBroadNr<float>, kRowNv * kLanes<float>, block<float>, rows<float>, kGemmStrip,
       gemm_pack_strips, gemm_strips, pack<float>, pack_list<float>, merge<float>, add_scaled<float>},
      {kMr, kNr<double>, kBroadMr, kBroadNr<double>, kRowNv * kLanes<double>, block<double>, rows<double>, kGemmStrip,
       gemm_pack_strips, gemm_strips, pack<double>, pack_list<double>, merge<double>, add_scaled<double>}};
  return t;
}

}  // namespace tahr::TAHR_ISA
