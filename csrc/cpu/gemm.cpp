#include "cpu/gemm.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "core/allocator.h"
#include "core/parallel.h"
#include "cpu/gemm_table.h"

namespace tahr {
namespace {

constexpr int64_t kFewRows = 2;              // times fewer than the steps of k
constexpr double kSharedNs = 4e3;            // a product from here on is shared, if the other threads are awake
constexpr int64_t kManyRows = 256;           // from here on it pays to pack a B whose rows straddle cache lines
constexpr double kChunkFmas = 600e3;         // a chunk of a direct product: a few microseconds
constexpr double kSmallChunkFmas = 80e3;     // of a small one, so that there are
constexpr int64_t kChunks = 12;              // this many
constexpr double kBandBytes = 256e3;         // B of a product cut into bands of rows, at most
constexpr int64_t kBlockBytes = 1280 << 10;  // a packed block of B that stays in L2, at most
constexpr double kStripBytes = 160e3;        // B of a product by strips, at most
constexpr int64_t kFewPanels = 4;            // of such a block, at least, where it is cut for the threads
constexpr int64_t kNearBytes = 810e3;        // an A up to this size stays in L2
constexpr int64_t kPanelRows = 8;            // from here on, and
constexpr int64_t kPanelSteps = 90;          // so many columns and steps, panels of a transposed B pay
constexpr int64_t kPanelChunks = 8;          // of a product by panels, at least
constexpr double kPanelChunkFmas = 4.5e6;    // a chunk of a product by panels
constexpr int64_t kFarBytes = 500e3;         // from here on the tiles of C are fetched ahead
constexpr int64_t kPanelBytes = 192;         // a step of B's panel, at most
constexpr int64_t kPartBytes = 4 << 20;      // the partial results of a product by parts, at most
constexpr int64_t kPartChunks = 8;           // its chunks, at least

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The height of a tile such that `rows` divide into tiles of nearly equal height.
int even_height(int64_t rows, int mr) { return static_cast<int>(ceil_div(rows, ceil_div(rows, mr))); }

template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t elements) : bytes_(elements * sizeof(T)), data_(static_cast<T*>(allocate(bytes_))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { deallocate(data_, bytes_); }
  T* data() const { return data_; }

 private:
  size_t bytes_;
  T* data_;
};

template <class T>
struct Product {
  bool ta, tb;
  int64_t m, n, k;
  const T* a;
  int64_t lda;
  const T* b;
  int64_t ldb;
  T* c;
  int64_t ldc;
  GemmEpilogue end;
  const T* const* a_list = nullptr;  // where A's stored rows begin, in place of a and lda
  const T* bias() const { return static_cast<const T*>(end.bias); }
  // Applies the epilogue's map to a rectangle of C.
  void map(int64_t i0, int64_t i1, int64_t j0, int64_t j1) const {
    if (!end.map) return;
    const bool whole = j1 - j0 == ldc;
    const int64_t rows = whole ? 1 : i1 - i0, size = whole ? (i1 - i0) * ldc : j1 - j0;
    const auto* with = static_cast<const T*>(end.map_with);
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t first = (i0 + i) * ldc + j0;
      const void* in[] = {c + first, with ? with + first : nullptr};
      end.map(c + first, in, size, end.map_params);
    }
  }
  double map_cost() const { return static_cast<double>(m) * n * end.map_ns; }
};

// Where a block of the product reads A: op(A)'s rows from i0 on, over the steps from p0 on.
template <class T>
void place_a(GemmBlock<T>& g, const Product<T>& p, int64_t i0, int64_t p0) {
  g.a_row = p.ta ? 1 : p.lda;
  g.a_col = p.ta ? p.lda : 1;
  g.a_list = p.a_list ? p.a_list + (p.ta ? p0 : i0) : nullptr;
  g.a_at = p.ta ? i0 : p0;
  g.a = p.a_list ? nullptr : p.a + i0 * g.a_row + p0 * g.a_col;
}

// Packs `width` rows of op(A), whose A is transposed, over k steps.
template <class T>
void pack_a(const GemmKernels<T>& kernels, const Product<T>& p, int64_t i0, int64_t p0, int64_t width, int64_t k,
            int mr, T* dst) {
  if (p.a_list) kernels.pack_list(p.a_list + p0, i0, width, k, mr, dst);
  else kernels.pack(p.a + p0 * p.lda + i0, 1, p.lda, width, k, mr, dst);
}

template <class T>
double cost_of(const GemmKernels<T>& kernels, double m, double n, double k) {
  const double computed = std::max(n, kernels.nr * 0.54);  // a tile of one vector takes as long
  return m * computed * k / (kernels.nr * 3.0) + (m * n + n * k) * 0.02;
}

// Packs panels [begin, end) of a B whose lines (the columns of the product) are `line` apart.
template <class T>
void pack_panels(const GemmKernels<T>& kernels, const T* b, int64_t line, int64_t step, int64_t n, int64_t k,
                 int64_t begin, int64_t end, T* dst) {
  const int nr = kernels.nr;
  if (line == 1) {
    return kernels.pack(b + begin * nr, 1, step, std::min<int64_t>((end - begin) * nr, n - begin * nr), k, nr,
                        dst + begin * nr * k);
  }
  for (int64_t p = begin; p < end; ++p) {
    kernels.pack(b + p * nr * line, line, step, std::min<int64_t>(nr, n - p * nr), k, nr, dst + p * nr * k);
  }
}

// Packs all of it, for all threads.
template <class T>
void pack_b(const GemmKernels<T>& kernels, const T* b, int64_t line, int64_t step, int64_t n, int64_t k, T* dst) {
  parallel_for(ceil_div(n, kernels.nr), 4, static_cast<double>(n) * k * 0.15,
               [&](int64_t begin, int64_t end) { pack_panels(kernels, b, line, step, n, k, begin, end, dst); });
}

// The first of two chains of all k, or 0 if k is one chain, or several blocks.
int64_t first_chain(int64_t k) { return k <= kGemmDepth && gemm_chain(k) < k ? gemm_chain(k) : 0; }

// The c-th of `parts` nearly equal runs of `tiles`: its first tile, or for c = parts the end.
int64_t cut(int64_t tiles, int64_t parts, int64_t c) { return tiles * c / parts; }

template <class T>
struct Panel {
  alignas(64) T data[kGemmDepth * kPanelBytes / sizeof(T) + 64];
};

// A packed B that each thread holds for itself. Lines that one thread has just written reach another at 12 to 16 GB/s,
// and are as slow to write again after the other has read them, so a small B is better packed once per thread.
struct OwnPacked {
  static constexpr int64_t kBytes = 64 << 10;
  alignas(64) std::byte data[kBytes];
  uint64_t job = 0;
};
OwnPacked& own_packed() {
  thread_local OwnPacked own;
  return own;
}
std::atomic<uint64_t> g_packed_jobs{0};

// Cuts the product into chunks of about kChunkFmas, smaller ones where they would be few, and works them in parallel.
// `ready(block)` is called by each chunk for its copy of g.
template <class T, class Ready>
void run_blocks(const GemmKernels<T>& kernels, const GemmBlock<T>& g, const Product<T>& p, Ready ready) {
  const int64_t nr = g.mr <= 3 ? kernels.nr * 4 : kernels.nr;  // tiles of few rows are wider
  const int64_t high = ceil_div(g.m, g.mr), wide = ceil_div(g.n, nr);
  const double tile = static_cast<double>(g.mr) * nr * std::max<int64_t>(g.k, 1);
  const double cost = cost_of(kernels, g.m, g.n, g.k) + p.map_cost();
  const double least = cost < kSharedNs ? kChunkFmas : kSmallChunkFmas;
  const double wanted = std::clamp(tile * high * wide / kChunks, least, kChunkFmas) / tile;  // in tiles
  const auto parts = [](int64_t tiles, double in_one) {
    return std::clamp<int64_t>(static_cast<int64_t>(tiles / std::max(in_one, 1.0) + 0.5), 1, tiles);
  };
  // Columns of tiles, cut if they are tall; several in one chunk if they are short.
  int64_t down = parts(high, wanted), across = down > 1 ? wide : parts(wide, wanted / high);
  // Tall products with a small B are cut into bands of whole rows: two threads that share rows of C share the cache
  // lines in which one's columns end and the other's begin. So are the two products of a layer's backward pass, whose
  // rows (or columns, where C is transposed) are those of the weights: each thread has half of them.
  if ((g.m >= g.n || p.ta || g.c_transposed) && high >= kChunks &&
      static_cast<double>(g.n) * g.k * sizeof(T) <= kBandBytes) {
    down = parts(high, wanted / wide);
    across = 1;
  }
  if (across == 1 && down > 1) down += down % 2;
  auto body = [&](int64_t chunk) {
    const int64_t i = chunk % down, j = chunk / down;
    const int64_t i0 = cut(high, down, i) * g.mr, i1 = std::min(cut(high, down, i + 1) * g.mr, g.m);
    const int64_t j0 = cut(wide, across, j) * nr, j1 = std::min(cut(wide, across, j + 1) * nr, g.n);
    GemmBlock<T> own = g;
    ready(own);
    kernels.block(own, i0, i1, j0, j1);
    if (g.c_transposed) p.map(j0, j1, i0, i1);
    else p.map(i0, i1, j0, j1);
  };
  parallel_chunks(down * across, cost, body, kSharedNs);
}
template <class T>
void run_blocks(const GemmKernels<T>& kernels, const GemmBlock<T>& g, const Product<T>& p) {
  run_blocks(kernels, g, p, [](GemmBlock<T>&) {});
}

// What `pack` leaves in this thread's own memory, once per job.
template <class T, class Pack>
const T* pack_own(uint64_t job, size_t bytes, Pack pack) {
  OwnPacked& own = own_packed();
  T* data = reinterpret_cast<T*>(bytes <= OwnPacked::kBytes ? own.data : thread_scratch());
  if (own.job != job) pack(data);
  own.job = job;
  return data;
}

// Few steps of a transposed A: each chunk is some strips of C's rows.
template <class T>
bool by_strips(const GemmKernels<T>& kernels, const Product<T>& p) {
  const int strip = kernels.strip;
  const size_t bytes = p.k * (p.n + kernels.nr) * sizeof(T);
  if (!p.ta || p.tb || p.n <= kernels.nr || p.m < strip || p.k == 0 || p.k > kGemmChain ||
      static_cast<double>(bytes) > kStripBytes) {
    return false;
  }
  GemmBlock<T> g{};
  g.m = p.m;
  g.n = p.n;
  g.k = p.k;
  place_a(g, p, 0, 0);
  g.c = p.c;
  g.ldc = p.ldc;
  g.bias = p.bias();
  g.factor = static_cast<T>(p.end.factor);
  g.accumulate = p.end.accumulate;
  g.relu = p.end.relu;
  g.c_ahead = p.m * p.n * static_cast<int64_t>(sizeof(T)) > kFarBytes;
  // Two halves, so that two threads have as much to do, of whole strips, but for their last rows.
  const double cost = cost_of(kernels, p.m, p.n, p.k) + p.map_cost(), fmas = static_cast<double>(p.m) * p.n * p.k;
  const double wanted = std::clamp(fmas / kChunks, cost < kSharedNs ? kChunkFmas : 2 * kSmallChunkFmas, kChunkFmas);
  const int64_t half = fmas > wanted ? ceil_div(p.m, strip) * strip / 2 : p.m, strips = ceil_div(half, strip);
  const int64_t down = std::clamp<int64_t>(static_cast<int64_t>(fmas * half / p.m / wanted + 0.5), 1, strips);
  const uint64_t job = ++g_packed_jobs;
  auto body = [&](int64_t chunk) {
    const int64_t first = chunk / down * half, end = std::min(first + half, p.m), i = chunk % down;
    const int64_t i0 = std::min(first + cut(strips, down, i) * strip, end),
                  i1 = std::min(first + cut(strips, down, i + 1) * strip, end);
    GemmBlock<T> own = g;
    own.b = pack_own<T>(job, bytes, [&](T* to) { kernels.pack_strips(p.b, p.ldb, p.n, p.k, to); });
    kernels.strips(own, i0, i1);
    p.map(i0, i1, 0, p.n);
  };
  parallel_chunks(half < p.m ? 2 * down : down, cost, body, kSharedNs);
  return true;
}

template <class T>
void by_panels(const GemmKernels<T>& kernels, const Product<T>& p);

// Some extent is small: A and B are read where they are, unless B's columns are strided. Then either B is packed, or
// the transposed product C' = B' A' is computed, whose second operand is A', and its tiles are written transposed.
template <class T>
void direct(const GemmKernels<T>& kernels, const Product<T>& p) {
  GemmBlock<T> g{};
  g.k = p.k;
  g.chain = first_chain(p.k);
  g.c = p.c;
  g.ldc = p.ldc;
  g.bias = p.bias();
  g.factor = static_cast<T>(p.end.factor);
  g.accumulate = p.end.accumulate;
  g.relu = p.end.relu;
  g.c_ahead = p.m * p.n * static_cast<int64_t>(sizeof(T)) > kFarBytes;
  auto straight = [&] {
    g.m = p.m;
    g.n = p.n;
    g.mr = even_height(p.m, kernels.mr);
    place_a(g, p, 0, 0);
  };
  const auto with_packed_b = [&](const T* b, int64_t line, int64_t step, int64_t n) {
    const int64_t size = ceil_div(n, kernels.nr) * kernels.nr * p.k + kernels.nr;
    g.b_panel = p.k * kernels.nr;
    if (size * static_cast<int64_t>(sizeof(T)) <= OwnPacked::kBytes) {
      const uint64_t job = ++g_packed_jobs;
      return run_blocks(kernels, g, p, [&](GemmBlock<T>& block) {
        block.b = pack_own<T>(job, OwnPacked::kBytes, [&](T* to) {
          pack_panels(kernels, b, line, step, n, p.k, 0, ceil_div(n, kernels.nr), to);
        });
      });
    }
    Scratch<T> packed(size);
    pack_b(kernels, b, line, step, n, p.k, packed.data());
    g.b = packed.data();
    run_blocks(kernels, g, p);
  };
  if (!p.tb) {
    straight();
    if (p.m >= kManyRows && p.ldb * sizeof(T) % 64 != 0) return with_packed_b(p.b, 1, p.ldb, p.n);
    g.b = p.b;
    g.b_row = p.ldb;
    return run_blocks(kernels, g, p);
  }
  // Estimated times, in units of one step of a full tile's row: elements moved, and products with the padding of the
  // last vector.
  const double lanes = kernels.nr / 2,
               blocks = ceil_div(std::max<int64_t>(p.k, 1), gemm_depth(std::max<int64_t>(p.k, 1)));
  const auto padded = [&](int64_t n) { return ceil_div(n, kernels.nr / 2) * lanes * p.k / kernels.nr; };
  constexpr double kMove = 0.6, kMoveOut = 0.8;  // packing an element, writing one transposed
  const double straight_cost = kMove * p.n * p.k + p.m * padded(p.n);
  const double swapped_cost = (p.ta ? 0 : kMove * p.m * p.k) + kMoveOut * blocks * p.m * p.n + p.n * padded(p.m);
  if (straight_cost <= swapped_cost || p.a_list) {
    if (p.m >= kPanelRows && std::min(p.n, p.k) >= kPanelSteps) return by_panels(kernels, p);
    straight();
    return with_packed_b(p.b, p.ldb, 1, p.n);
  }
  g.m = p.n;
  g.n = p.m;
  g.mr = even_height(p.n, kernels.mr);
  g.a = p.b;
  g.a_row = p.ldb;
  g.a_col = 1;
  g.c_transposed = true;
  if (p.ta) {
    g.b = p.a;
    g.b_row = p.lda;
    return run_blocks(kernels, g, p);
  }
  with_packed_b(p.a, p.lda, 1, p.m);
}

// No extent is small, but A's rows over one block of k stay in L2: a chunk is one panel of B against those rows. It
// packs the panel for itself, while it computes the first tile, so B is written to L1 only. The tiles are the broad
// ones: where the clock seems to follow the power drawn, fewer loads are worth 3 to 6%.
template <class T>
void by_panels(const GemmKernels<T>& kernels, const Product<T>& p) {
  const int64_t depth = gemm_depth(p.k);
  const int nr = kernels.broad_nr, mr = even_height(p.m, kernels.broad_mr);
  const int64_t tiles = ceil_div(p.m, mr), across = ceil_div(p.n, nr);
  Scratch<T> a_packed(p.ta ? tiles * mr * depth + nr : 0);
  const int64_t chunk_tiles = std::max<int64_t>(4, static_cast<int64_t>(kPanelChunkFmas / depth / (mr * nr)));
  // Few panels are cut into groups of rows, so that there are chunks enough for the threads to end together.
  const int64_t enough = std::min(ceil_div(kPanelChunks, across), std::max<int64_t>(1, tiles / 4));
  int64_t down = std::max(ceil_div(tiles, chunk_tiles), enough);
  if (down > 1) down += down % 2;  // so that two threads have equal halves, however narrow the last panel
  const int64_t rows = ceil_div(tiles, down) * mr;
  for (int64_t p0 = 0; p0 < p.k; p0 += depth) {
    GemmBlock<T> g{};
    g.m = p.m;
    g.n = p.n;
    g.k = std::min(depth, p.k - p0);
    g.chain = first_chain(p.k);
    g.mr = mr;
    if (p.ta) {
      auto pack = [&](int64_t chunk) {
        for (int64_t i = chunk * 4 * mr; i < std::min((chunk + 1) * 4 * mr, p.m); i += mr) {
          pack_a(kernels, p, i, p0, std::min<int64_t>(mr, p.m - i), g.k, mr, a_packed.data() + i * g.k);
        }
      };
      parallel_chunks(ceil_div(tiles, 4), static_cast<double>(p.m) * g.k * 0.1, pack, kSharedNs);
      g.a = a_packed.data();
      g.a_panel = mr * g.k;
    } else {
      place_a(g, p, 0, p0);
    }
    g.b = p.tb ? p.b + p0 : p.b + p0 * p.ldb;
    g.b_row = p.tb ? 1 : p.ldb;
    g.b_col = p.tb ? p.ldb : 1;
    g.c = p.c;
    g.ldc = p.ldc;
    const bool last = p0 + depth >= p.k;
    g.bias = last ? p.bias() : nullptr;
    g.factor = static_cast<T>(p.end.factor);
    g.accumulate = p.end.accumulate || p0 > 0;
    g.relu = last && p.end.relu;
    g.broad = true;
    auto body = [&](int64_t chunk) {
      const int64_t i = chunk / across * rows, j = chunk % across * nr;
      Panel<T> panel;
      GemmBlock<T> own = g;
      own.b_room = panel.data;
      const int64_t i1 = std::min(i + rows, p.m), j1 = std::min<int64_t>(j + nr, p.n);
      kernels.block(own, i, i1, j, j1);
      if (last) p.map(i, i1, j, j1);
    };
    parallel_chunks(down * across, cost_of(kernels, p.m, p.n, g.k) + p.map_cost(), body, kSharedNs);
  }
}

// The width of the panels of a product of one row: wide ones, of nearly equal width.
template <class T>
int row_width(const GemmKernels<T>& kernels, int64_t n) {
  const int lanes = kernels.nr / 2;
  const int64_t vectors = ceil_div(n, lanes);
  return static_cast<int>(ceil_div(vectors, ceil_div(n, kernels.row_nr))) * lanes;
}

// Few rows, so that B is all that counts: each chunk is one panel over one block of k, or over one chain if k is one
// block, and whoever ends a panel's last block adds up its blocks. Consecutive chunks read consecutive rows of B, so
// each thread reads the part of a layer's weights that it also updates: half the time of a dense layer's forward pass,
// when the weights lie in the caches of two cores. The blocks begin at different panels: with two threads, the one that
// reads the first half of B's rows adds up, and so has in its cache, the first half of C's columns.
template <class T>
void by_depth(const GemmKernels<T>& kernels, const Product<T>& p) {
  const int64_t depth = gemm_chain(p.k), blocks = ceil_div(p.k, depth);
  const int nr = p.m == 1 ? row_width(kernels, p.n) : kernels.nr;
  const int64_t across = ceil_div(p.n, nr), part = p.m * nr;
  Scratch<T> parts(across * blocks * part + kernels.nr);  // [panel][block][m][nr]
  Scratch<std::atomic<int64_t>> missing(across);
  for (int64_t j = 0; j < across; ++j) std::construct_at(missing.data() + j, blocks);
  GemmBlock<T> g{};
  g.m = p.m;
  g.n = p.n;
  g.mr = even_height(p.m, kernels.mr);
  g.b_row = p.ldb;
  g.b_col = 1;
  g.factor = 1;
  g.c_ahead = true;
  auto body = [&](int64_t chunk) {
    const int64_t block = chunk / across, p0 = block * depth;
    const int64_t panel = (chunk + across * (blocks - 1 - block) / blocks) % across, j = panel * nr;
    T* sums = parts.data() + panel * blocks * part;
    GemmBlock<T> own = g;
    Panel<T> room;
    own.k = std::min(depth, p.k - p0);
    place_a(own, p, 0, p0);
    own.a_far = chunk % across == 0;  // a block's first panel
    own.b = p.b + p0 * p.ldb;
    own.b_room = p.m > 2 * kernels.mr ? room.data : nullptr;
    const int64_t j1 = std::min(j + nr, p.n);
    const bool joins = blocks == 2 && missing.data()[panel].load(std::memory_order_acquire) == 1;
    if (joins) {  // the other block is there already: its sums arrive while these are formed
      own.before = sums + (1 - block) * part;
      own.before_row = nr;
      for (int64_t q = 0; q < part; q += 64 / sizeof(T)) __builtin_prefetch(own.before + q, 0, 2);
    } else {
      own.c = sums + block * part - j;
      own.ldc = nr;
      kernels.block(own, 0, p.m, j, j1);
      if (missing.data()[panel].fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    }
    own.c = p.c;
    own.ldc = p.ldc;
    own.bias = p.bias();
    own.relu = p.end.relu;
    if (joins) kernels.block(own, 0, p.m, j, j1);
    else
      for (int64_t q = j; q < j1; q += kernels.nr)
        kernels.merge(own, sums + q - j, part, blocks, q, std::min(q + kernels.nr, j1));
    p.map(0, p.m, j, j1);
  };
  parallel_chunks(across * blocks, cost_of(kernels, p.m, p.n, p.k) + p.map_cost(), body, kSharedNs);
}

// A long sum whose A is transposed, such as the gradient of a layer's weights: a chunk is one block of k, against some
// rows of C. It packs its part of A for itself, where by_panels has all threads pack it for each other, and leaves a
// partial result; these are added up in the order of the blocks, which gives the bits of the other ways.
template <class T>
void by_parts(const GemmKernels<T>& kernels, const Product<T>& p) {
  const int64_t depth = gemm_depth(p.k), blocks = ceil_div(p.k, depth), part = p.m * p.n;
  const int nr = kernels.nr, mr = kernels.mr;
  const int64_t tiles = ceil_div(p.m, mr), near = p.m * depth * static_cast<int64_t>(sizeof(T)) / kNearBytes + 1;
  const int64_t down = std::clamp<int64_t>(std::max(ceil_div(kPartChunks, blocks), near), 1, ceil_div(tiles, 4));
  const Scratch<T> parts((blocks - 1) * part);
  auto body = [&](int64_t chunk) {
    const int64_t block = chunk / down, p0 = block * depth;
    const int64_t i0 = cut(tiles, down, chunk % down) * mr, i1 = std::min(cut(tiles, down, chunk % down + 1) * mr, p.m);
    Panel<T> panel;
    GemmBlock<T> g{};
    g.m = i1 - i0;
    g.n = p.n;
    g.k = std::min(depth, p.k - p0);
    g.mr = mr;
    const Scratch<T> a_packed(ceil_div(g.m, mr) * mr * g.k + nr);
    constexpr int64_t kTogether = 8;
    for (int64_t i = 0; i < g.m; i += kTogether * mr) {
      pack_a(kernels, p, i0 + i, p0, std::min<int64_t>(kTogether * mr, g.m - i), g.k, mr, a_packed.data() + i * g.k);
    }
    g.a = a_packed.data();
    g.a_panel = mr * g.k;
    g.b = p.tb ? p.b + p0 : p.b + p0 * p.ldb;
    g.b_row = p.tb ? 1 : p.ldb;
    g.b_col = p.tb ? p.ldb : 1;
    g.b_room = panel.data;
    g.c = block == 0 ? p.c + i0 * p.ldc : parts.data() + (block - 1) * part + i0 * p.n;
    g.ldc = block == 0 ? p.ldc : p.n;
    g.factor = 1;
    g.accumulate = block == 0 && p.end.accumulate;
    for (int64_t j = 0; j < p.n; j += nr) kernels.block(g, 0, g.m, j, std::min<int64_t>(j + nr, p.n));
  };
  parallel_chunks(blocks * down, cost_of(kernels, p.m, p.n, p.k), body, kSharedNs);
  const double merging = static_cast<double>(blocks * part) * 0.15 + p.map_cost();
  parallel_for(p.m, std::max<int64_t>(1, 4096 / p.n), merging, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t b = 1; b < blocks; ++b)
        kernels.add_scaled(p.c + i * p.ldc, parts.data() + (b - 1) * part + i * p.n, p.n, T(1));
    }
    p.map(begin, end, 0, p.n);
  });
}

// What a thread has packed for itself in its scratch memory: a block of B and a few rows of A.
struct OwnBlock {
  uint64_t job = 0;
  int64_t columns = 0;
};
OwnBlock& own_block() {
  thread_local OwnBlock own;
  return own;
}

// Larger products: each thread packs for itself a block of `depth` x some hundred columns of B, which stays in its L2
// while rows of tiles are worked on. The columns are cut so that each thread has blocks of its own. A chunk is a few
// rows of A against one block; its A is packed if it is transposed, else read in place, which is cheaper than copying
// it.
template <class T>
void by_blocks(const GemmKernels<T>& kernels, const Product<T>& p) {
  constexpr int64_t kPackedRows = 48;
  static_assert(kBlockBytes + (kPackedRows * kGemmDepth + 64) * sizeof(T) <= kThreadScratch);
  const int64_t depth = gemm_depth(p.k);
  const int nr = kernels.nr, mr = even_height(p.m, kernels.mr);
  const int64_t panels = ceil_div(p.n, nr), near = kBlockBytes / (depth * nr * static_cast<int64_t>(sizeof(T)));
  int64_t across = ceil_div(panels, near);
  const int64_t even = ceil_div(across, num_threads()) * num_threads();
  if (panels / even >= kFewPanels) across = even;
  const int64_t wide = ceil_div(panels, across) * nr;
  const int64_t rows =
      std::clamp<int64_t>(static_cast<int64_t>(kPanelChunkFmas / (wide * depth * mr)), 2, kPackedRows / mr) * mr;
  const int64_t down = ceil_div(p.m, rows);
  for (int64_t p0 = 0; p0 < p.k; p0 += depth) {
    const int64_t k = std::min(depth, p.k - p0);
    const bool last = p0 + depth >= p.k;
    const uint64_t job = ++g_packed_jobs;
    auto body = [&](int64_t chunk) {
      const int64_t i0 = chunk % down * rows, j0 = chunk / down * wide;
      if (j0 >= p.n) return;
      T* const b_packed = static_cast<T*>(thread_scratch());
      T* const a_packed = b_packed + kBlockBytes / sizeof(T);
      GemmBlock<T> g{};
      g.m = std::min(rows, p.m - i0);
      g.n = std::min(wide, p.n - j0);
      g.k = k;
      g.chain = first_chain(p.k);
      g.mr = mr;
      if (p.ta) {
        for (int64_t i = 0; i < g.m; i += mr) {
          pack_a(kernels, p, i0 + i, p0, std::min<int64_t>(mr, g.m - i), k, mr, a_packed + i * k);
        }
        g.a = a_packed;
        g.a_panel = mr * k;
      } else {
        place_a(g, p, i0, p0);
      }
      OwnBlock& own = own_block();
      if (own.job != job || own.columns != j0) {
        own = {job, j0};
        pack_panels(kernels, p.tb ? p.b + j0 * p.ldb + p0 : p.b + p0 * p.ldb + j0, p.tb ? p.ldb : 1, p.tb ? 1 : p.ldb,
                    g.n, k, 0, ceil_div(g.n, nr), b_packed);
      }
      g.b = b_packed;
      g.b_panel = nr * k;
      g.c = p.c + i0 * p.ldc + j0;
      g.ldc = p.ldc;
      g.bias = last && p.end.bias ? p.bias() + j0 : nullptr;
      g.factor = static_cast<T>(p.end.factor);
      g.accumulate = p.end.accumulate || p0 > 0;
      g.relu = last && p.end.relu;
      kernels.rows(g, 0, g.m);
      if (last) p.map(i0, i0 + g.m, j0, j0 + g.n);
    };
    parallel_chunks(down * across, cost_of(kernels, p.m, p.n, k) + p.map_cost(), body, kSharedNs);
  }
}

template <class T>
const GemmKernels<T>& kernels_of(const GemmTable& table) {
  if constexpr (std::is_same_v<T, float>) return table.f32;
  else return table.f64;
}

// C += factor * product, where the product needs a place of its own first.
template <class T>
void add_scaled(const GemmKernels<T>& kernels, const T* product, int64_t m, int64_t n, T factor, T* c, int64_t ldc) {
  const int64_t grain = std::max<int64_t>(1, 16384 / n);
  parallel_for(m, grain, static_cast<double>(m) * n * 0.3, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernels.add_scaled(c + i * ldc, product + i * n, n, factor);
  });
}

template <class T>
void run(const GemmTable& table, const Product<T>& p) {
  if (p.m == 0 || p.n == 0) return;
  const GemmKernels<T>& kernels = kernels_of<T>(table);
  if (p.end.factor != 1 && p.k > kGemmDepth) {  // the sums over the blocks of k are added up before they are scaled
    Scratch<T> product(p.m * p.n);
    run<T>(table, {p.ta, p.tb, p.m, p.n, p.k, p.a, p.lda, p.b, p.ldb, product.data(), p.n, {}, p.a_list});
    return add_scaled(kernels, product.data(), p.m, p.n, static_cast<T>(p.end.factor), p.c, p.ldc);
  }
  if (!p.ta && !p.tb && !p.end.accumulate && p.end.factor == 1 && gemm_chain(p.k) < p.k && p.n >= kernels.nr &&
      p.m * kFewRows <= p.k && cost_of(kernels, p.m, p.n, p.k) >= kSharedNs && num_threads() > 1) {
    return by_depth(kernels, p);
  }
  // Fewer rows, columns or steps than these, and packing B costs more than it gains.
  const bool small = std::min(p.n, p.k) < kPanelSteps || p.m < (p.ta ? 90 : p.tb ? 44 : 24);
  const bool in_parts = p.ta && p.k > kGemmDepth && !p.end.bias && !p.end.relu &&
                        p.k / kGemmDepth * p.m * p.n * static_cast<int64_t>(sizeof(T)) <= kPartBytes;
  if (by_strips(kernels, p)) return;
  if (small) direct(kernels, p);
  else if (in_parts) by_parts(kernels, p);
  else if (p.m * gemm_depth(p.k) * static_cast<int64_t>(sizeof(T)) <= kNearBytes) by_panels(kernels, p);
  else by_blocks(kernels, p);
}

// ---- halves: widened to float, multiplied, rounded once ----

template <class From, class To>
void convert(const From* src, int64_t rows, int64_t cols, int64_t src_ld, To* dst, int64_t dst_ld) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(cols, 1));
  parallel_for(rows, grain, static_cast<double>(rows) * cols * 1.5, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < cols; ++j) dst[i * dst_ld + j] = store_as<To>(load_as(src[i * src_ld + j]));
    }
  });
}

template <class H>
void run_half(const GemmTable& table, const Product<H>& p) {
  const int64_t a_rows = p.ta ? p.k : p.m, a_cols = p.ta ? p.m : p.k;
  const int64_t b_rows = p.tb ? p.n : p.k, b_cols = p.tb ? p.k : p.n;
  Scratch<float> a(a_rows * a_cols), b(b_rows * b_cols), c(p.m * p.n);
  convert(p.a, a_rows, a_cols, p.lda, a.data(), a_cols);
  convert(p.b, b_rows, b_cols, p.ldb, b.data(), b_cols);
  run<float>(table, {p.ta, p.tb, p.m, p.n, p.k, a.data(), a_cols, b.data(), b_cols, c.data(), p.n, {}});
  const GemmEpilogue& end = p.end;
  if (!end.accumulate && !end.bias && !end.relu && !end.map && end.factor == 1) {
    return convert(c.data(), p.m, p.n, p.n, p.c, p.ldc);
  }
  const float factor = static_cast<float>(end.factor);
  const auto nearest = [](float v) { return load_as(store_as<H>(v)); };
  const Scratch<float> second(end.map_with ? p.m * p.n : 0);
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(p.n, 1));
  parallel_for(p.m, grain, static_cast<double>(p.m) * p.n * 3 + p.map_cost(), [&](int64_t begin, int64_t stop) {
    for (int64_t i = begin; i < stop; ++i) {
      float* row = c.data() + i * p.n;
      H* to = p.c + i * p.ldc;
      for (int64_t j = 0; j < p.n; ++j) {
        float v = nearest(row[j]);
        v *= factor;
        if (end.accumulate) v = nearest(v + load_as(to[j]));
        if (end.bias) v = nearest(v + load_as(p.bias()[j]));
        row[j] = end.relu && v < 0 ? 0 : v;
      }
      if (end.map_with) {
        const H* with = static_cast<const H*>(end.map_with) + i * p.ldc;
        for (int64_t j = 0; j < p.n; ++j) second.data()[i * p.n + j] = load_as(with[j]);
      }
      const void* in[] = {row, end.map_with ? second.data() + i * p.n : nullptr};
      if (end.map) end.map(row, in, p.n, end.map_params);
      for (int64_t j = 0; j < p.n; ++j) to[j] = store_as<H>(row[j]);
    }
  });
}

// ---- integers: the plain sum, a row of C at a time ----

template <class In, class Out>
void run_int(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const In* a, int64_t lda, const In* b, int64_t ldb,
             Out* c, int64_t ldc, bool accumulate, const Out* bias) {
  // Sums wrap around, so they are formed in an unsigned type that C++ does not widen to a signed one.
  using Sum = std::conditional_t<(sizeof(Out) < 8), uint32_t, uint64_t>;
  const double cost = static_cast<double>(m) * n * k * 0.5;
  parallel_for(m, std::max<int64_t>(1, 65536 / std::max<int64_t>(1, n * k)), cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Out* row = c + i * ldc;
      for (int64_t j = 0; j < n; ++j) {
        const Out start = static_cast<Out>((bias ? bias[j] : Out(0)) + (accumulate ? row[j] : Out(0)));
        if (!tb) {
          row[j] = start;
          continue;
        }
        Sum sum = static_cast<Sum>(start);
        for (int64_t p = 0; p < k; ++p) {
          const Sum product = static_cast<Sum>(static_cast<Sum>(ta ? a[p * lda + i] : a[i * lda + p]) *
                                               static_cast<Sum>(b[j * ldb + p]));
          if constexpr (std::is_same_v<Out, bool>) sum |= product;
          else sum = static_cast<Sum>(sum + product);
        }
        row[j] = static_cast<Out>(sum);
      }
      if (tb) continue;
      for (int64_t p = 0; p < k; ++p) {
        const Sum x = static_cast<Sum>(ta ? a[p * lda + i] : a[i * lda + p]);
        const In* line = b + p * ldb;
        for (int64_t j = 0; j < n; ++j) {
          const Sum product = static_cast<Sum>(x * static_cast<Sum>(line[j]));
          if constexpr (std::is_same_v<Out, bool>) row[j] = row[j] || product;
          else row[j] = static_cast<Out>(static_cast<Sum>(static_cast<Sum>(row[j]) + product));
        }
      }
    }
  });
}

// Products of int8 go through those of float: a sum of 1024 of them is at most 2^24, up to which float holds every
// integer. The sums of such depths are added in int32.
constexpr int64_t kExactDepth = 1024;
constexpr double kWorthConverting = 4096;  // multiplications

void run_int8(const GemmTable& table, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const int8_t* a, int64_t lda,
              const int8_t* b, int64_t ldb, int32_t* c, int64_t ldc, const GemmEpilogue& end) {
  const int64_t depth = std::min(k, kExactDepth);
  const Scratch<float> a_block(m * depth), b_block(depth * n), sums(m * n);
  const auto widen = [](const int8_t* from, int64_t rows, int64_t cols, int64_t ld, float* to) {
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(cols, 1));
    parallel_for(rows, grain, static_cast<double>(rows) * cols * 0.2, [&](int64_t begin, int64_t stop) {
      for (int64_t i = begin; i < stop; ++i) {
        for (int64_t j = 0; j < cols; ++j) to[i * cols + j] = static_cast<float>(from[i * ld + j]);
      }
    });
  };
  const int32_t* bias = static_cast<const int32_t*>(end.bias);
  for (int64_t p = 0; p < k; p += depth) {
    const int64_t d = std::min(depth, k - p);
    if (ta) widen(a + p * lda, d, m, lda, a_block.data());
    else widen(a + p, m, d, lda, a_block.data());
    if (tb) widen(b + p, n, d, ldb, b_block.data());
    else widen(b + p * ldb, d, n, ldb, b_block.data());
    run<float>(table, {ta, tb, m, n, d, a_block.data(), ta ? m : d, b_block.data(), tb ? d : n, sums.data(), n, {}});
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(n, 1));
    parallel_for(m, grain, static_cast<double>(m) * n * 0.3, [&](int64_t begin, int64_t stop) {
      for (int64_t i = begin; i < stop; ++i) {
        int32_t* row = c + i * ldc;
        for (int64_t j = 0; j < n; ++j) {
          uint32_t sum = static_cast<uint32_t>(static_cast<int32_t>(sums.data()[i * n + j]));  // wraps around
          if (p > 0 || end.accumulate) sum += static_cast<uint32_t>(row[j]);
          if (p == 0 && bias) sum += static_cast<uint32_t>(bias[j]);
          row[j] = static_cast<int32_t>(sum);
        }
      }
    });
  }
}

template <class In>
struct IntOut {
  using type = In;
};
template <>
struct IntOut<int8_t> {
  using type = int32_t;
};

}  // namespace

double gemm_cost_ns(DType dtype, int64_t m, int64_t n, int64_t k) {
  if (dtype == DType::Float64) return cost_of(gemm_table().f64, m, n, k);
  if (is_float(dtype) || dtype == DType::Int8) return cost_of(gemm_table().f32, m, n, k);
  return static_cast<double>(m) * n * k * 0.5;
}

void gemm(DType dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void* a, int64_t lda, const void* b,
          int64_t ldb, void* c, int64_t ldc, const GemmEpilogue& epilogue) {
  gemm_with(gemm_table(), dtype, ta, tb, m, n, k, a, lda, b, ldb, c, ldc, epilogue);
}

void gemm_with(const GemmTable& table, DType dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void* a,
               int64_t lda, const void* b, int64_t ldb, void* c, int64_t ldc, const GemmEpilogue& epilogue) {
  visit_dtype(dtype, [&]<class T>() {
    const T *at = static_cast<const T*>(a), *bt = static_cast<const T*>(b);
    if constexpr (std::is_integral_v<T>) {
      using Out = typename IntOut<T>::type;
      if constexpr (std::is_same_v<T, int8_t>) {
        if (static_cast<double>(m) * n * k >= kWorthConverting) {
          return run_int8(table, ta, tb, m, n, k, at, lda, bt, ldb, static_cast<Out*>(c), ldc, epilogue);
        }
      }
      run_int<T, Out>(ta, tb, m, n, k, at, lda, bt, ldb, static_cast<Out*>(c), ldc, epilogue.accumulate,
                      static_cast<const Out*>(epilogue.bias));
    } else {
      const Product<T> p{ta, tb, m, n, k, at, lda, bt, ldb, static_cast<T*>(c), ldc, epilogue};
      if constexpr (std::is_floating_point_v<T>) run<T>(table, p);
      else run_half<T>(table, p);
    }
  });
}

void gemm_listed(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* const* a_list, const float* b,
                 int64_t ldb, float* c, int64_t ldc, const GemmEpilogue& epilogue) {
  gemm_listed_with(gemm_table(), ta, tb, m, n, k, a_list, b, ldb, c, ldc, epilogue);
}

void gemm_listed_with(const GemmTable& table, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                      const float* const* a_list, const float* b, int64_t ldb, float* c, int64_t ldc,
                      const GemmEpilogue& epilogue) {
  run<float>(table, {ta, tb, m, n, k, nullptr, 0, b, ldb, c, ldc, epilogue, a_list});
}

}  // namespace tahr
