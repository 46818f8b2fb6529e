// Pools over windows of rows, vectors of channels at a time. A NaN is larger than any number, and equal to itself.
#include "cpu/isa/vec.h"
#include "cpu/pool_table.h"

namespace tahr::TAHR_ISA {
namespace {

#define TAHR_UNROLL _Pragma("GCC unroll 8")

// Vectors of all lanes, or one of the first `lanes` only.
template <class T, int NV, bool kPart>
struct Channels {
  int lanes;
  TAHR_INLINE Vec<T> get(const T* p, int v) const {
    if constexpr (kPart) return load_part<Vec<T>>(p, lanes);
    else return load<Vec<T>>(p + v * kLanes<T>);
  }
  TAHR_INLINE void put(T* p, int v, Vec<T> x) const {
    if constexpr (kPart) store_part(p, x, lanes);
    else store(p + v * kLanes<T>, x);
  }
};

template <class V>
TAHR_INLINE V larger(V a, V b) {
  return select((a > b) | (a != a), a, b);
}

// f(offset) for the offsets of all places of output i's window at channel c.
template <class T, class F>
TAHR_INLINE void each_place(const PoolRow<T>& t, int64_t i, int64_t c, F&& f) {
  for (int64_t r = 0; r < t.row_count; ++r) {
    int64_t at = t.rows[r] + t.begin[i] * t.pitch + c;
    for (int64_t w = t.begin[i]; w < t.end[i]; ++w, at += t.pitch) f(at);
  }
}

struct Max {
  template <class T, int NV, class C>
  static TAHR_INLINE void find(const PoolRow<T>& t, int64_t i, int64_t c, const C& ch, Vec<T> (&most)[NV]) {
    TAHR_UNROLL for (int v = 0; v < NV; ++v) most[v] = splat<Vec<T>>(static_cast<T>(-__builtin_inf()));
    each_place(t, i, c, [&](int64_t at) __attribute__((always_inline)) {
      TAHR_UNROLL for (int v = 0; v < NV; ++v) most[v] = larger(ch.get(t.x + at, v), most[v]);
    });
  }
  template <class T, int NV, class C>
  static TAHR_INLINE void run(const PoolRow<T>& t, int64_t i, int64_t c, const C& ch) {
    Vec<T> most[NV];
    find(t, i, c, ch, most);
    TAHR_UNROLL for (int v = 0; v < NV; ++v) ch.put(t.y + i * t.pitch + c, v, most[v]);
  }
};

struct Mean {
  template <class T, int NV, class C>
  static TAHR_INLINE void run(const PoolRow<T>& t, int64_t i, int64_t c, const C& ch) {
    Vec<T> sum[NV] = {};
    each_place(t, i, c, [&](int64_t at) __attribute__((always_inline)) {
      TAHR_UNROLL for (int v = 0; v < NV; ++v) sum[v] += ch.get(t.x + at, v);
    });
    const T count = static_cast<T>(t.row_count * (t.end[i] - t.begin[i]));
    TAHR_UNROLL for (int v = 0; v < NV; ++v) ch.put(t.y + i * t.pitch + c, v, sum[v] / splat<Vec<T>>(count));
  }
};

// f(offset, v, mask of lanes whose first maximum is here).
struct First {
  template <class T, int NV, class C, class F>
  static TAHR_INLINE void each(const PoolRow<T>& t, int64_t i, int64_t c, const C& ch, F&& f) {
    Vec<T> most[NV];
    Max::find(t, i, c, ch, most);
    Mask<Vec<T>> left[NV];
    TAHR_UNROLL for (int v = 0; v < NV; ++v) left[v] = Mask<Vec<T>>{} == Mask<Vec<T>>{};
    each_place(t, i, c, [&](int64_t at) __attribute__((always_inline)) {
      TAHR_UNROLL for (int v = 0; v < NV; ++v) {
        const Vec<T> x = ch.get(t.x + at, v);
        const Mask<Vec<T>> here = ((x == most[v]) | (x != x)) & left[v];
        left[v] &= ~here;
        f(at, v, here);
      }
    });
  }
};

struct Gather {
  template <class T, int NV, class C>
  static TAHR_INLINE void run(const PoolRow<T>& t, int64_t i, int64_t c, const C& ch) {
    Vec<T> out[NV] = {};
    First::each<T, NV>(t, i, c, ch, [&](int64_t at, int v, Mask<Vec<T>> here) __attribute__((always_inline)) {
      out[v] = select(here, ch.get(t.v + at, v), out[v]);
    });
    TAHR_UNROLL for (int v = 0; v < NV; ++v) ch.put(t.y + i * t.pitch + c, v, out[v]);
  }
};

struct Scatter {
  template <class T, int NV, class C>
  static TAHR_INLINE void run(const PoolRow<T>& t, int64_t i, int64_t c, const C& ch) {
    Vec<T> dy[NV];
    TAHR_UNROLL for (int v = 0; v < NV; ++v) dy[v] = ch.get(t.dy + i * t.pitch + c, v);
    First::each<T, NV>(t, i, c, ch, [&](int64_t at, int v, Mask<Vec<T>> here) __attribute__((always_inline)) {
      ch.put(t.dx + at, v, ch.get(t.dx + at, v) + select(here, dy[v], Vec<T>{}));
    });
  }
};

struct Spread {
  template <class T, int NV, class C>
  static TAHR_INLINE void run(const PoolRow<T>& t, int64_t i, int64_t c, const C& ch) {
    const T count = static_cast<T>(t.row_count * (t.end[i] - t.begin[i]));
    Vec<T> dy[NV];
    TAHR_UNROLL for (int v = 0; v < NV; ++v) dy[v] = ch.get(t.dy + i * t.pitch + c, v) / splat<Vec<T>>(count);
    each_place(t, i, c, [&](int64_t at) __attribute__((always_inline)) {
      TAHR_UNROLL for (int v = 0; v < NV; ++v) ch.put(t.dx + at, v, ch.get(t.dx + at, v) + dy[v]);
    });
  }
};

template <class Op, class T>
void row(const PoolRow<T>& t) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < t.count; ++i) {
    int64_t c = 0;
    for (; c + 2 * L <= t.channels; c += 2 * L) Op::template run<T, 2>(t, i, c, Channels<T, 2, false>{L});
    for (; c + L <= t.channels; c += L) Op::template run<T, 1>(t, i, c, Channels<T, 1, false>{L});
    if (c < t.channels) Op::template run<T, 1>(t, i, c, Channels<T, 1, true>{static_cast<int>(t.channels - c)});
  }
}

template <class T>
constexpr PoolKernels<T> kernels() {
  return {row<Max, T>, row<Mean, T>, row<Gather, T>, row<Scatter, T>, row<Spread, T>};
}

}  // namespace

const PoolTable& pool_table() {
  static constexpr PoolTable t{kernels<float>(), kernels<double>()};
  return t;
}

}  // namespace tahr::TAHR_ISA
