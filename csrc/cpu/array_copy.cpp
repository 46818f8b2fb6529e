#include "cpu/array_copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "core/parallel.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tahr::cpu {
namespace {

constexpr double kNsPerByte = 0.15;          // one thread, read and write together
constexpr int64_t kChunkBytes = 256 * 1024;  // of one parallel chunk
constexpr int64_t kTile = 16;                // square of a transpose that is turned in registers
constexpr int64_t kBlockRows = 32;           // lines of dst in a transpose's buffer,
constexpr int64_t kBufferBytes = 1024;       // and their greatest length
constexpr int64_t kStreamBytes = 2 << 20;    // larger results bypass the cache

// Visits [begin, end) of the nest formed by the first `rank` dimensions, as offsets into both sides.
template <class F>
void walk(const CopyPlan& p, int rank, int64_t begin, int64_t end, F&& f) {
  int64_t index[CopyPlan::kMax];
  int64_t d = 0, s = 0, rest = begin;
  for (int i = rank - 1; i >= 0; --i) {
    index[i] = rest % p.n[i];
    rest /= p.n[i];
    d += index[i] * p.dst[i];
    s += index[i] * p.src[i];
  }
  for (int64_t at = begin; at < end; ++at) {
    f(d, s);
    for (int i = rank - 1; i >= 0; --i) {
      d += p.dst[i];
      s += p.src[i];
      if (++index[i] < p.n[i]) break;
      d -= p.n[i] * p.dst[i];
      s -= p.n[i] * p.src[i];
      index[i] = 0;
    }
  }
}

// One run of n elements: dst[i * ds] = src[i * ss].
template <class T>
void copy_run(T* dst, int64_t ds, const T* src, int64_t ss, int64_t n) {
  if (ds == 1 && ss == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (ds == 1 && ss == 0) {
    std::fill_n(dst, n, *src);
  } else if (ds == 1) {
    for (int64_t i = 0; i < n; ++i) dst[i] = src[i * ss];
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * ds] = src[i * ss];
  }
}

// m runs of n elements, which start d and s elements apart. Short runs that lie close together are walked crosswise.
template <class T>
void copy_runs(T* dst, int64_t d, int64_t ds, const T* src, int64_t s, int64_t ss, int64_t m, int64_t n) {
  if (n * static_cast<int64_t>(sizeof(T)) >= 64) {
    for (int64_t j = 0; j < m; ++j) copy_run(dst + j * d, ds, src + j * s, ss, n);
  } else if (n < m && std::abs(s) <= kTile && std::abs(d) <= kTile) {
    for (int64_t i = 0; i < n; ++i) {
      T* to = dst + i * ds;
      const T* from = src + i * ss;
      for (int64_t j = 0; j < m; ++j) to[j * d] = from[j * s];
    }
  } else {
    for (int64_t j = 0; j < m; ++j) {
      for (int64_t i = 0; i < n; ++i) dst[j * d + i * ds] = src[j * s + i * ss];
    }
  }
}

// out[a * ld + b] = src[b * sb + a] for a, b < kTile.
template <class T>
void transpose_tile(T* out, int64_t ld, const T* src, int64_t sb) {
  if constexpr (sizeof(T) == 4) {
    typedef uint32_t V __attribute__((vector_size(16)));
    for (int64_t b = 0; b < kTile; b += 4) {
      for (int64_t a = 0; a < kTile; a += 4) {
        V r0, r1, r2, r3;
        const T* from = src + b * sb + a;
        std::memcpy(&r0, from, 16);
        std::memcpy(&r1, from + sb, 16);
        std::memcpy(&r2, from + 2 * sb, 16);
        std::memcpy(&r3, from + 3 * sb, 16);
        const V t0 = __builtin_shuffle(r0, r1, V{0, 4, 1, 5}), t1 = __builtin_shuffle(r2, r3, V{0, 4, 1, 5});
        const V t2 = __builtin_shuffle(r0, r1, V{2, 6, 3, 7}), t3 = __builtin_shuffle(r2, r3, V{2, 6, 3, 7});
        r0 = __builtin_shuffle(t0, t1, V{0, 1, 4, 5});
        r1 = __builtin_shuffle(t0, t1, V{2, 3, 6, 7});
        r2 = __builtin_shuffle(t2, t3, V{0, 1, 4, 5});
        r3 = __builtin_shuffle(t2, t3, V{2, 3, 6, 7});
        T* to = out + a * ld + b;
        std::memcpy(to, &r0, 16);
        std::memcpy(to + ld, &r1, 16);
        std::memcpy(to + 2 * ld, &r2, 16);
        std::memcpy(to + 3 * ld, &r3, 16);
      }
    }
  } else {
    for (int64_t a = 0; a < kTile; ++a) {
      for (int64_t b = 0; b < kTile; ++b) out[a * ld + b] = src[b * sb + a];
    }
  }
}

// Writes n elements past the cache, but for the partial lines at both ends.
template <class T>
void stream_run(T* dst, const T* src, int64_t n) {
#ifdef __SSE2__
  constexpr int64_t kLine = 64 / sizeof(T);
  for (; n > 0 && reinterpret_cast<uintptr_t>(dst) % 64 != 0; --n) *dst++ = *src++;
  for (; n >= kLine; n -= kLine, dst += kLine, src += kLine) {
    const auto* from = reinterpret_cast<const __m128i*>(src);
    for (int i = 0; i < 4; ++i) _mm_stream_si128(reinterpret_cast<__m128i*>(dst) + i, _mm_loadu_si128(from + i));
  }
#endif
  std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
}

// dst[a * da + b] = src[b * sb + a] for a < na, b < nb, by way of a buffer that turns writes of single elements into
// writes of whole lines.
template <class T>
void transpose_block(T* dst, int64_t da, int64_t na, const T* src, int64_t sb, int64_t nb, bool stream) {
  constexpr int64_t kLd = kBufferBytes / sizeof(T) + kTile;
  alignas(64) T buffer[kBlockRows * kLd];
  const int64_t full_a = na / kTile * kTile, full_b = nb / kTile * kTile;
  for (int64_t b = 0; b < full_b; b += kTile) {
    for (int64_t a = 0; a < full_a; a += kTile) transpose_tile(buffer + a * kLd + b, kLd, src + b * sb + a, sb);
  }
  for (int64_t b = 0; b < nb; ++b) {
    for (int64_t a = b < full_b ? full_a : 0; a < na; ++a) buffer[a * kLd + b] = src[b * sb + a];
  }
  for (int64_t a = 0; a < na; ++a) {
    if (stream) {
      stream_run(dst + a * da, buffer + a * kLd, nb);
    } else {
      std::memcpy(dst + a * da, buffer + a * kLd, static_cast<size_t>(nb) * sizeof(T));
    }
  }
}

// The same when one side is narrow: straight from source to destination, the longer side innermost.
template <class T>
void transpose_narrow(T* dst, int64_t da, int64_t na, const T* src, int64_t sb, int64_t nb) {
  if (na < nb) {
    for (int64_t a = 0; a < na; ++a) {
      for (int64_t b = 0; b < nb; ++b) dst[a * da + b] = src[b * sb + a];
    }
  } else {
    for (int64_t b = 0; b < nb; ++b) {
      for (int64_t a = 0; a < na; ++a) dst[a * da + b] = src[b * sb + a];
    }
  }
}

// Transposes the plane of the last dimension (contiguous in dst) and of `inner_src` (contiguous in src), for every
// index of the other dimensions.
template <class T>
void run_transpose(T* dst, const T* src, CopyPlan p, int inner_src, double cost) {
  constexpr auto kItem = static_cast<int64_t>(sizeof(T));
  const int last = p.rank - 1;
  const int64_t na = p.n[inner_src], da = p.dst[inner_src], nb = p.n[last], sb = p.src[last];
  int64_t outer = 1;
  int r = 0;
  for (int i = 0; i < last; ++i) {
    if (i == inner_src) continue;
    p.n[r] = p.n[i];
    p.dst[r] = p.dst[i];
    p.src[r++] = p.src[i];
    outer *= p.n[r - 1];
  }
  // Blocks of few lines read fastest; longer ones where lines of dst do not start at cache lines.
  const bool narrow = na < kTile || nb < kTile, aligned = da * kItem % 64 == 0;
  const bool stream = outer * na * nb * kItem >= kStreamBytes;
  const int64_t pb = narrow ? 512 : (aligned ? 256 : kBufferBytes) / kItem, pa = narrow ? 512 : kBlockRows;
  const int64_t blocks_a = (na + pa - 1) / pa, blocks_b = (nb + pb - 1) / pb, blocks = blocks_a * blocks_b;
  const int64_t block_bytes = std::min(pa, na) * std::min(pb, nb) * kItem;
  const int64_t grain = std::max<int64_t>(1, kChunkBytes / block_bytes);
  parallel_for(outer * blocks, grain, cost, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
      const int64_t o = at / blocks, stop = std::min(end, (o + 1) * blocks);
      walk(p, r, o, o + 1, [&](int64_t d, int64_t s) {
        for (int64_t k = at - o * blocks; k < stop - o * blocks; ++k) {
          const int64_t b = k / blocks_a * pb, a = k % blocks_a * pa;
          T* to = dst + d + a * da + b;
          const T* from = src + s + b * sb + a;
          if (narrow) {
            transpose_narrow(to, da, std::min(pa, na - a), from, sb, std::min(pb, nb - b));
          } else {
            transpose_block(to, da, std::min(pa, na - a), from, sb, std::min(pb, nb - b), stream);
          }
        }
      });
      at = stop;
    }
#ifdef __SSE2__
    if (stream) _mm_sfence();
#endif
  });
}

template <class T>
void run_copy(T* dst, const T* src, CopyPlan p) {
  simplify(p);
  int64_t total = 1;
  for (int i = 0; i < p.rank; ++i) total *= p.n[i];
  if (total == 0) return;
  const double cost = static_cast<double>(total) * sizeof(T) * kNsPerByte + static_cast<double>(total) * 0.1;
  if (p.rank == 0) {
    *dst = *src;
    return;
  }
  const int last = p.rank - 1;
  if (p.dst[last] == 1 && p.src[last] != 1 && p.src[last] != 0 && total >= 256) {
    for (int i = 0; i < last; ++i) {
      if (p.src[i] == 1 && p.n[i] >= 4) return run_transpose(dst, src, p, i, cost);
    }
  }
  // Runs along the last dimension; a long one is cut so that it can be shared out.
  int64_t n = p.n[last];
  const int64_t ds = p.dst[last], ss = p.src[last];
  const int64_t runs = total / n;
  const int64_t piece = std::max<int64_t>(1, kChunkBytes / static_cast<int64_t>(sizeof(T)));
  if (runs == 1) {
    return parallel_for(n, piece, cost, [&](int64_t begin, int64_t end) {
      copy_run(dst + begin * ds, ds, src + begin * ss, ss, end - begin);
    });
  }
  // Stretches of runs along the dimension before, short enough to stay in the cache.
  const int64_t m = p.n[last - 1], d1 = p.dst[last - 1], s1 = p.src[last - 1];
  const int64_t grain = std::clamp<int64_t>(piece / n, 1, 1024);
  parallel_for(runs, grain, cost, [&](int64_t begin, int64_t end) {
    int64_t first = begin;
    walk(p, last - 1, begin / m, (end - 1) / m + 1, [&](int64_t d, int64_t s) {
      const int64_t j = first % m, stretch = std::min(m - j, end - first);
      copy_runs(dst + d + j * d1, d1, ds, src + s + j * s1, s1, ss, stretch, n);
      first += stretch;
    });
  });
}

template <class F>
void visit_size(size_t element_size, F&& f) {
  switch (element_size) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    default: return f.template operator()<uint64_t>();
  }
}

}  // namespace

void copy_nd(void* dst, const void* src, CopyPlan plan, size_t element_size) {
  visit_size(element_size, [&]<class T>() { run_copy(static_cast<T*>(dst), static_cast<const T*>(src), plan); });
}

void fill_elements(void* dst, int64_t n, uint64_t bits, size_t element_size) {
  visit_size(element_size, [&]<class T>() {
    T* to = static_cast<T*>(dst);
    parallel_for(n, 1 << 16, static_cast<double>(n) * sizeof(T) * 0.1, [&](int64_t begin, int64_t end) {
      if (bits == 0) std::memset(to + begin, 0, static_cast<size_t>(end - begin) * sizeof(T));
      else std::fill(to + begin, to + end, static_cast<T>(bits));
    });
  });
}

uint64_t bits_of(double value, DType dtype) {
  uint64_t bits = 0;
  visit_dtype(dtype, [&]<class T>() {
    T v;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      // The largest 64-bit integers are not doubles: saturate.
      using L = std::numeric_limits<T>;
      v = value >= static_cast<double>(L::max()) ? L::max() : static_cast<T>(value);
    } else {
      v = store_as<T>(value);
    }
    std::memcpy(&bits, &v, sizeof v);
  });
  return bits;
}

}  // namespace tahr::cpu
