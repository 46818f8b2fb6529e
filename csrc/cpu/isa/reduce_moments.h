// Mean, sum of squared distances from it, and variance. Included by reduce.cpp alone.
//
// Distances are taken from a mean that is rounded, or is that of some of the elements only; with d = x - m, the mean is
// m + sum(d)/n and the sum of squared distances sum(d²) - sum(d)²/n.
#pragma once

#include "cpu/isa/row_groups.h"

namespace tahr::TAHR_ISA {
namespace {

template <class T>
inline void moments_of(T m, T sum_d, T sum_d2, int64_t n, double* mean, double* m2) {
  const double d = sum_d, count = static_cast<double>(n);
  const double left = static_cast<double>(sum_d2) - d * d / count;
  *mean = static_cast<double>(m) + d / count;
  *m2 = left < 0 ? 0 : left;
}

// The same of each lane, for the first `count` of them.
template <class V>
TAHR_INLINE void put_moments(V m, V sum_d, V sum_d2, int64_t n, double* mean, double* m2, int64_t count) {
  double to[2][kLanes<float>];
  const double share = 1 / static_cast<double>(n);
  const auto finish = [share](f64v* result, f64v at, f64v d, f64v d2) TAHR_LAMBDA {
    const f64v left = d2 - d * d * share;
    result[0] = at + d * share;
    result[1] = select(left < 0., f64v{}, left);
  };
  in_doubles<2>(to, finish, m, sum_d, sum_d2);
  copy_first<kLanes<Lane<V>>>(mean, to[0], count);
  copy_first<kLanes<Lane<V>>>(m2, to[1], count);
}

// The variance of n elements, or its root, of the same sums.
template <class V>
TAHR_INLINE V variance_of(V s, V s2, int64_t n, bool root) {
  const Lane<V> share = Lane<V>(1) / static_cast<Lane<V>>(n);
  V left = s2 - s * s * share;
  left = select(left < Lane<V>(0), V{}, left) * share;
  return root ? sqrt(left) : left;
}

template <class V>
TAHR_INLINE void add_distance(V d, V& s, V& s2) {
  s += d;
  s2 = fma(d, d, s2);
}

// ---- rows ----

#if defined(__AVX512F__) && !defined(__clang__)
// Rows of kVectors vectors, the last of which may be partial: the distances of a group of rows are added up after the
// sums of the next group, so that nothing waits for a mean. All the time the group after that is fetched.
template <int kVectors, class T, class Out>
TAHR_INLINE void medium_row_moments(const T* x, int64_t rows, int64_t n, bool on, Out out) {
  using V = Vec<T>;
  constexpr int64_t W = kLanes<T>, kLast = (kVectors - 1) * W;
  const int64_t rest = n - kLast;
  const T share = T(1) / static_cast<T>(n);
  V mean[2];
  T means[2][W];
  const auto sum_up = [&](int64_t r, int64_t count, int64_t g) TAHR_LAMBDA {
    V v[W];
    const int64_t ahead = on || r + W < rows ? W * n : 0;
    for (int64_t i = 0; i < count; ++i) {
      const T* row = x + (r + i) * n;
      __builtin_prefetch(row + ahead);
      V s = load<V>(row), other = load_first(row + kLast, rest, T(0));
      for (int k = 1; k + 1 < kVectors; ++k) (k & 1 ? other : s) += load<V>(row + k * W);
      v[i] = s + other;
    }
    for (int64_t i = count; i < W; ++i) v[i] = V{};
    mean[g] = fold_each<AddOp, T>(v) * share;
    store(means[g], mean[g]);
    in_memory(means[g]);
  };
  const auto distances = [&](int64_t r, int64_t count, int64_t g) TAHR_LAMBDA {
    V s[W], s2[W];
    const int64_t ahead = on || r + 2 * W < rows ? 2 * W * n : 0;
    for (int64_t i = 0; i < count; ++i) {
      const T* row = x + (r + i) * n;
      const T m = means[g][i];
      V a = load<V>(row) - m, b = load_first(row + kLast, rest, m) - m, a2 = a * a, b2 = b * b;
      for (int k = 1; k < kVectors; ++k) __builtin_prefetch(row + ahead + k * W);
      for (int k = 1; k + 1 < kVectors; ++k) {
        const V d = load<V>(row + k * W) - m;
        if (k & 1) add_distance(d, b, b2);
        else add_distance(d, a, a2);
      }
      s[i] = a + b, s2[i] = a2 + b2;
    }
    for (int64_t i = count; i < W; ++i) s[i] = s2[i] = V{};
    out(r, count, mean[g], fold_each<AddOp, T>(s), fold_each<AddOp, T>(s2));
  };
  for (int64_t r = 0, g = 0; r < rows + W; r += W, g ^= 1) {
    if (r < rows) sum_up(r, rows - r < W ? rows - r : W, g);
    if (r > 0) distances(r - W, rows - r + W < W ? rows - r + W : W, g ^ 1);
  }
}
// False if these rows are too short or too long for that.
template <class T, class Out>
TAHR_INLINE bool medium_row_moments(const T* x, int64_t rows, int64_t n, bool on, Out out) {
  switch ((n + kLanes<T> - 1) / kLanes<T>) {
    case 3: return medium_row_moments<3>(x, rows, n, on, out), true;
    case 4: return medium_row_moments<4>(x, rows, n, on, out), true;
    case 5: return medium_row_moments<5>(x, rows, n, on, out), true;
    case 6: return medium_row_moments<6>(x, rows, n, on, out), true;
    case 7: return medium_row_moments<7>(x, rows, n, on, out), true;
    case 8: return medium_row_moments<8>(x, rows, n, on, out), true;
    default: return false;
  }
}
#endif

// Calls out(first row, rows, mean, sum of d, sum of d²) with vectors of rows, for n up to kLongRow. `on`: whether what
// follows the last row is read next.
template <class T, class Out>
TAHR_INLINE void row_moments(const T* x, int64_t rows, int64_t n, bool on, Out out) {
  using V = Vec<T>;
  constexpr int64_t W = kLanes<T>;
  const T share = T(1) / static_cast<T>(n);
  if (n <= kNarrow) {
    return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& block) TAHR_LAMBDA {
      const auto at = [&](int64_t k) TAHR_LAMBDA { return load<V>(block.t + k * W); };
      V mean{}, other{}, s{}, t{}, s2{}, t2{};  // two chains each
      const int64_t odd = n & 1;
      if (odd) mean = at(0);
      for (int64_t k = odd; k < n; k += 2) mean += at(k), other += at(k + 1);
      mean = (mean + other) * share;
      if (odd) add_distance(at(0) - mean, s, s2);
      for (int64_t k = odd; k < n; k += 2) {
        add_distance(at(k) - mean, s, s2);
        add_distance(at(k + 1) - mean, t, t2);
      }
      out(r, count, mean, s + t, s2 + t2);
    });
  }
#if defined(__AVX512F__) && !defined(__clang__)
  if constexpr (__is_same(T, float)) {
    if (medium_row_moments(x, rows, n, on, out)) return;
  }
#endif
  V mean[kSets], s[kSets][W], s2[kSets][W];
  T means[kSets * W];
  two_passes(
      x, rows, n, on, [n](const T* row) TAHR_LAMBDA { return fold_vectors<AddOp>(row, n); },
      [&](int64_t set, V(&v)[W]) TAHR_LAMBDA {
        mean[set] = fold_each<AddOp, T>(v) * share;
        store(means + set * W, mean[set]);
        in_memory(means);
        for (int i = 0; i < W; ++i) s[set][i] = s2[set][i] = V{};
      },
      [&](const T* row, int64_t, int64_t i, const T* ahead) TAHR_LAMBDA {
        const V m = splat<V>(means[i]);
        V a{}, b{}, a2{}, b2{};
        int64_t k = 0;
        for (; k + 2 * W <= n; k += 2 * W) {
          __builtin_prefetch(ahead + k), __builtin_prefetch(ahead + k + W);
          add_distance(load<V>(row + k) - m, a, a2);
          add_distance(load<V>(row + k + W) - m, b, b2);
        }
        if (k + W <= n) {
          __builtin_prefetch(ahead + k);
          add_distance(load<V>(row + k) - m, a, a2);
          k += W;
        }
        if (k < n) add_distance(V(select(upper_lanes<T>(n - k), load<V>(row + n - W) - m, V{})), b, b2);
        s[i / W][i % W] = a + b;
        s2[i / W][i % W] = a2 + b2;
      },
      [&](int64_t set, int64_t r, int64_t count)
          TAHR_LAMBDA { out(r, count, mean[set], fold_each<AddOp, T>(s[set]), fold_each<AddOp, T>(s2[set])); });
}

template <class T>
TAHR_INLINE void long_row_moments(const T* x, int64_t n, double* mean, double* m2) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>, NV = 4;
  const T m = fold<AddOp>(x, n) / static_cast<T>(n);
  T s = 0, s2 = 0;
  int64_t k = 0;
  if (n >= NV * W) {
    V d1[NV]{}, d2[NV]{};
    for (; k + NV * W <= n; k += NV * W)
      for (int v = 0; v < NV; ++v) {
        __builtin_prefetch(x + n + k + v * W);  // the row or part that follows: this pass leaves the memory idle
        add_distance(load<V>(x + k + v * W) - m, d1[v], d2[v]);
      }
    s = sum_lanes<T>((d1[0] + d1[1]) + (d1[2] + d1[3]));
    s2 = sum_lanes<T>((d2[0] + d2[1]) + (d2[2] + d2[3]));
  }
  for (; k < n; ++k) {
    const T d = x[k] - m;
    s += d;
    s2 += d * d;
  }
  moments_of(m, s, s2, n, mean, m2);
}

template <class T>
void moments_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void* bv) {
  const T* x = static_cast<const T*>(xv);
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  if (n > kLongRow) {
    for (int64_t i = 0; i < rows; ++i) long_row_moments(x + i * n, n, a + i, b + i);
    return;
  }
  row_moments(x, rows, n, false, [&](int64_t r, int64_t count, Vec<T> mean, Vec<T> s, Vec<T> s2) TAHR_LAMBDA {
    put_moments(mean, s, s2, n, a + r, b + r, count);
  });
}

template <class T>
void variance_rows(const T* x, T* y, int64_t rows, int64_t n, bool root) {
  if (n > kLongRow) {
    for (int64_t i = 0; i < rows; ++i) {
      double mean, m2;
      long_row_moments(x + i * n, n, &mean, &m2);
      const double v = m2 / static_cast<double>(n);
      y[i] = static_cast<T>(root ? sqrt(splat<f64v>(v))[0] : v);
    }
    return;
  }
  row_moments(x, rows, n, true, [&](int64_t r, int64_t count, Vec<T>, Vec<T> s, Vec<T> s2) TAHR_LAMBDA {
    store_up_to(y + r, variance_of(s, s2, n, root), count);
  });
}

// ---- columns ----

// Calls out(first column, m, sum of d, sum of d², put) for each vector of columns, m being the mean of the first rows:
// of k of them, the error of the sum of squared distances is rows / k times that of a sum at most.
template <class T, class Out>
TAHR_INLINE void column_moments(const T* x, int64_t rows, int64_t stride, int64_t w, Out out) {
  using V = Vec<T>;
  constexpr int64_t kRows = 16, kStrip = 2048, kAhead = 8 * kLanes<T>;
  T mean[kStrip], s[kStrip], s2[kStrip];
  for (int64_t j = 0; j < w; j += kStrip) {
    const int64_t here = w - j < kStrip ? w - j : kStrip;
    for (int64_t r = 0; r < rows; r += kRows) {
      const int64_t count = rows - r < kRows ? rows - r : kRows;
      each_vector<T>(here, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
        const T* p = x + j + i + r * stride;
        // What comes next is fetched: in these rows; where the strip ends in the next ones, or in the next strip.
        const T* ahead = p + (i + kAhead < here || r + kRows >= rows ? kAhead : kAhead - here + kRows * stride);
        const auto at = [&](int64_t k) TAHR_LAMBDA { return V(get(p + k * stride, T(0))); };
        V m{}, sum{}, other{}, sum2{}, other2{};
        int64_t k = 0;
        if (r) {
          m = get(mean + i, T(0)), sum = get(s + i, T(0)), sum2 = get(s2 + i, T(0));
        } else {
          for (; k + 2 <= count; k += 2) m += at(k), other += at(k + 1);
          if (k < count) m += at(k);
          m = (m + other) * (T(1) / static_cast<T>(count));
          put(mean + i, m);
          other = V{};
        }
        for (k = 0; k + 2 <= count; k += 2) {
          __builtin_prefetch(ahead + k * stride), __builtin_prefetch(ahead + (k + 1) * stride);
          add_distance(V(at(k) - m), sum, sum2);
          add_distance(V(at(k + 1) - m), other, other2);
        }
        if (k < count) add_distance(V(at(k) - m), sum, sum2);
        put(s + i, V(sum + other));
        put(s2 + i, V(sum2 + other2));
      });
    }
    each_vector<T>(here, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      out(j + i, V(get(mean + i, T(0))), V(get(s + i, T(0))), V(get(s2 + i, T(0))), put);
    });
  }
}

template <class T>
void moments_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t, void* av, void* bv) {
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  column_moments(static_cast<const T*>(xv), rows, stride, m,
                 [&](int64_t i, Vec<T> mean, Vec<T> s, Vec<T> s2, auto) TAHR_LAMBDA {
                   put_moments(mean, s, s2, rows, a + i, b + i, m - i < kLanes<T> ? m - i : kLanes<T>);
                 });
}

template <class T>
void variance_cols(const T* x, T* y, int64_t rows, int64_t stride, int64_t m, bool root) {
  column_moments(x, rows, stride, m, [&](int64_t i, Vec<T>, Vec<T> s, Vec<T> s2, auto put) TAHR_LAMBDA {
    put(y + i, variance_of(s, s2, rows, root));
  });
}

// Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances (1979).
void moments_merge(void* av, void* bv, double na, const void* cv, const void* dv, double nb, int64_t m) {
  double* __restrict a = static_cast<double*>(av), * __restrict b = static_cast<double*>(bv);
  const double *c = static_cast<const double*>(cv), *d = static_cast<const double*>(dv);
  const double share = nb / (na + nb), weight = na * share;
  for (int64_t j = 0; j < m; ++j) {
    const double delta = c[j] - a[j];
    a[j] += delta * share;
    b[j] += d[j] + delta * delta * weight;
  }
}

void variance(const double* m2, double count, bool root, float* y, int64_t n) {
  const double share = 1 / count;
  int64_t i = 0;
  for (; i + kLanes<float> <= n; i += kLanes<float>) {
    f64v lo = load<f64v>(m2 + i) * share, hi = load<f64v>(m2 + i + kLanes<double>) * share;
    if (root) lo = sqrt(lo), hi = sqrt(hi);
    store(y + i, narrow(lo, hi));
  }
  for (; i < n; ++i) {
    const double v = m2[i] * share;
    y[i] = static_cast<float>(root ? sqrt(splat<f64v>(v))[0] : v);
  }
}

}  // namespace
}  // namespace tahr::TAHR_ISA
