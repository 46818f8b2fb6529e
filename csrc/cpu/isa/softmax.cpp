// Softmax, log-softmax, their gradients, the cross-entropies on top of them, and log-sum-exp: row by row, each row in
// two or three passes that stay in cache. Contracts in cpu/softmax_table.h.
#include "cpu/isa/each_vector.h"
#include "cpu/isa/vmath.h"
#include "cpu/softmax_table.h"

namespace tahr::TAHR_ISA {
namespace {

// Σ exp(x - m); with kStore, y = exp(x - m). Blocks of 2,048 elements are added in double.
template <class T, bool kStore>
TAHR_INLINE double exp_sum(const T* x, T* y, int64_t n, T m) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  double total = 0;
  int64_t i = 0;
  while (n - i >= 4 * W) {
    const int64_t end = n - i < 2048 ? n : i + 2048;
    V s[4]{};
    for (; i + 4 * W <= end; i += 4 * W) {
      for (int v = 0; v < 4; ++v) {
        const V e = vexp(load<V>(x + i + v * W) - m);
        if constexpr (kStore) store(y + i + v * W, e);
        s[v] += e;
      }
    }
    total += sum_lanes<T>((s[0] + s[1]) + (s[2] + s[3]));
  }
  V s{};
  each_vector<T>(n - i, [&](int64_t k, auto get, auto put) TAHR_LAMBDA {
    const V e = vexp(get(x + i + k, m - T(80)) - m);  // lanes that there are not: next to nothing, but no subnormal
    if constexpr (kStore) put(y + i + k, e);
    s += e;
  });
  return total + sum_lanes<T>(s);
}

// exp(d) for d <= 0 as a power of two: rounding d log2(e) costs up to |d| units, which a sum of such terms with one of
// d = 0 among them does not see. Nor does it see that no term is below 2^-126: subnormal numbers are slow.
TAHR_INLINE f32v exp_term(f32v d) {
  const f32v z = vmax(d * FloatTraits<float>::log2e, -126.f);
  const Rounded<f32v> n = round_biased(z + FloatTraits<float>::magic);
  return scale(exp2_unit(z - n.value), n);
}
TAHR_INLINE f64v exp_term(f64v d) { return vexp(d); }

// Σ exp(x - m) for finite m of at least every x; n is at most a few thousand.
template <class T>
TAHR_INLINE double exp_sum_below(const T* x, int64_t n, T m) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  V s[4]{};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    for (int v = 0; v < 4; ++v) {
      __builtin_prefetch(x + n + i + v * W);  // the part that follows: this pass leaves the memory idle
      s[v] += exp_term(V(load<V>(x + i + v * W) - m));
    }
  }
  each_vector<T>(n - i, [&](int64_t k, auto get, auto)
                            TAHR_LAMBDA { s[0] += exp_term(V(get(x + i + k, -static_cast<T>(__builtin_inf())) - m)); });
  return sum_lanes<T>((s[0] + s[1]) + (s[2] + s[3]));
}

// Instead of the maximum of a row or column, that of its first elements will mostly do, and one pass: while no element
// is further above it than this, terms lose no more accuracy than sums of many do anyway.
template <class T>
inline constexpr T kSlack = 4;

// The same for an m that is near the maximum of the x, and that maximum; one pass.
template <class T>
struct Near {
  double total;
  T peak;
};
template <class T>
TAHR_INLINE Near<T> exp_sum_near(const T* x, int64_t n, T m) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  V s[4]{}, peak[2]{splat<V>(m), splat<V>(m)};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    for (int v = 0; v < 4; ++v) {
      __builtin_prefetch(reinterpret_cast<const char*>(x + i + v * W) + kRowsAhead);
      const V a = load<V>(x + i + v * W);
      peak[v % 2] = greater(a, peak[v % 2]);  // of NaN the sum tells
      s[v] += exp_term(V(a - m));
    }
  }
  each_vector<T>(n - i, [&](int64_t k, auto get, auto) TAHR_LAMBDA {
    const V a = get(x + i + k, -static_cast<T>(__builtin_inf()));
    peak[0] = greater(a, peak[0]);
    s[1] += exp_term(V(a - m));
  });
  return {sum_lanes<T>((s[0] + s[1]) + (s[2] + s[3])), fold_lanes<MaxOp, T, kVecBytes>(greater(peak[0], peak[1]))};
}

// log(total) + m for one row.
template <class T>
TAHR_INLINE T log_of(double total) {
  return static_cast<T>(vlog(splat<f64v>(total))[0]);
}

// ---- columns: one vector of them at a time, down the rows ----

template <class T>
struct Peak {
  Vec<T> peak, total;  // max, Σ exp(x - max)
};
// With kStore, y = exp(x - max); y may be x. get and put are those of each_vector.
template <class T, bool kStore, class Get, class Put>
TAHR_INLINE Peak<T> column_peak(const T* x, T* y, int64_t n, int64_t stride, Get get, Put put) {
  using V = Vec<T>;
  V peak = get(x, T(0)), total{};
  for (int64_t r = 1; r < n; ++r) peak = MaxOp::comb(peak, V(get(x + r * stride, T(0))));
  for (int64_t r = 0; r < n;) {  // 64 terms at a time: the error must not grow with n
    const int64_t end = n - r < 64 ? n : r + 64;
    V s{};
    for (; r < end; ++r) {
      const V e = vexp(V(get(x + r * stride, T(0)) - peak));
      if constexpr (kStore) put(y + r * stride, e);
      s += e;
    }
    total += s;
  }
  return {peak, total};
}

template <class T>
void softmax_cols(const T* x, T* y, int64_t n, int64_t stride, int64_t m) {
  using V = Vec<T>;
  each_vector<T>(m, [&](int64_t j, auto get, auto put) TAHR_LAMBDA {
    const V scale = T(1) / column_peak<T, true>(x + j, y + j, n, stride, get, put).total;
    for (int64_t i = j; i < j + n * stride; i += stride) put(y + i, V(get(y + i, T(0)) * scale));
  });
}

template <class T>
void log_softmax_cols(const T* x, T* y, int64_t n, int64_t stride, int64_t m) {
  using V = Vec<T>;
  each_vector<T>(m, [&](int64_t j, auto get, auto put) TAHR_LAMBDA {
    const auto [peak, total] = column_peak<T, false>(x + j, y + j, n, stride, get, put);
    const V log_total = vlog(total);
    for (int64_t i = j; i < j + n * stride; i += stride) put(y + i, V((get(x + i, T(0)) - peak) - log_total));
  });
}

template <class T>
void softmax_grad_cols(const T* y, const T* dy, T* dx, int64_t n, int64_t stride, int64_t m) {
  using V = Vec<T>;
  each_vector<T>(m, [&](int64_t j, auto get, auto put) TAHR_LAMBDA {
    V dot{};
    for (int64_t i = j; i < j + n * stride; i += stride) dot += get(y + i, T(0)) * get(dy + i, T(0));
    for (int64_t i = j; i < j + n * stride; i += stride) put(dx + i, V(get(y + i, T(0)) * (get(dy + i, T(0)) - dot)));
  });
}

template <class T>
void log_softmax_grad_cols(const T* y, const T* dy, T* dx, int64_t n, int64_t stride, int64_t m) {
  using V = Vec<T>;
  each_vector<T>(m, [&](int64_t j, auto get, auto put) TAHR_LAMBDA {
    V total{};
    for (int64_t i = j; i < j + n * stride; i += stride) total += get(dy + i, T(0));
    for (int64_t i = j; i < j + n * stride; i += stride) {
      put(dx + i, V(get(dy + i, T(0)) - vexp(V(get(y + i, T(0)))) * total));
    }
  });
}

// ---- rows ----

template <class T>
void softmax(const T* x, T* y, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) {
    return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      softmax_cols<T>(b.t, b.t, n, b.W, b.W);
      b.write(y + r * n, count, n);
    });
  }
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const T m = fold<MaxOp>(x, n);
    const T scale = static_cast<T>(1 / exp_sum<T, true>(x, y, n, m));
    each_vector<T>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA { put(y + i, V(get(y + i, T(0)) * scale)); });
  }
}

template <class T>
void log_softmax(const T* x, T* y, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) {
    return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      log_softmax_cols<T>(b.t, b.t, n, b.W, b.W);
      b.write(y + r * n, count, n);
    });
  }
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const T m = fold<MaxOp>(x, n);
    const T log_total = log_of<T>(exp_sum<T, false>(x, nullptr, n, m));
    each_vector<T>(
        n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA { put(y + i, V((get(x + i, T(0)) - m) - log_total)); });
  }
}

template <class T>
void softmax_grad(const T* y, const T* dy, T* dx, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) {
    return each_block<T>(y, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      RowBlock<T> d(dy + r * n, count, n, b.last());
      softmax_grad_cols<T>(b.t, d.t, d.t, n, b.W, b.W);
      d.write(dx + r * n, count, n);
    });
  }
  for (int64_t r = 0; r < rows; ++r, y += n, dy += n, dx += n) {
    const T dot = static_cast<T>(
        row_sum<T>(n, [&](int64_t i, auto get) TAHR_LAMBDA { return get(y + i, T(0)) * get(dy + i, T(0)); }));
    each_vector<T>(n, [&](int64_t i, auto get, auto put)
                          TAHR_LAMBDA { put(dx + i, V(get(y + i, T(0)) * (get(dy + i, T(0)) - dot))); });
  }
}

template <class T>
void log_softmax_grad(const T* y, const T* dy, T* dx, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) {
    return each_block<T>(y, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      RowBlock<T> d(dy + r * n, count, n, b.last());
      log_softmax_grad_cols<T>(b.t, d.t, d.t, n, b.W, b.W);
      d.write(dx + r * n, count, n);
    });
  }
  for (int64_t r = 0; r < rows; ++r, y += n, dy += n, dx += n) {
    const T total = fold<AddOp>(dy, n);
    each_vector<T>(n, [&](int64_t i, auto get, auto put)
                          TAHR_LAMBDA { put(dx + i, V(get(dy + i, T(0)) - vexp(get(y + i, T(0))) * total)); });
  }
}

template <class T>
void sparse_loss(const T* x, const int64_t* label, T* loss, int64_t rows, int64_t n) {
  if (n <= kNarrow) {
    return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      log_softmax_cols<T>(b.t, b.t, n, b.W, b.W);
      for (int64_t i = 0; i < count; ++i) loss[r + i] = -b.t[label[r + i] * b.W + i];
    });
  }
  for (int64_t r = 0; r < rows; ++r, x += n) {
    const T m = fold<MaxOp>(x, n);
    loss[r] = log_of<T>(exp_sum<T, false>(x, nullptr, n, m)) - (x[label[r]] - m);
  }
}

template <class T>
void sparse_loss_grad(const T* x, const int64_t* label, const T* dy, T* dx, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) {
    return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      softmax_cols<T>(b.t, b.t, n, b.W, b.W);
      const V d = first_of(dy + r, count);
      for (int64_t k = 0; k < n; ++k) store(b.t + k * b.W, V(load<V>(b.t + k * b.W) * d));
      b.write(dx + r * n, count, n);
      for (int64_t i = 0; i < count; ++i) dx[(r + i) * n + label[r + i]] -= dy[r + i];
    });
  }
  for (int64_t r = 0; r < rows; ++r, x += n, dx += n) {
    const T m = fold<MaxOp>(x, n);
    const double total = exp_sum<T, true>(x, dx, n, m);
    const T scale = static_cast<T>(dy[r] / total);
    each_vector<T>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA { put(dx + i, V(get(dx + i, T(0)) * scale)); });
    dx[label[r]] -= dy[r];
  }
}

template <class T>
void dense_loss(const T* x, const T* t, T* loss, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) {
    return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      log_softmax_cols<T>(b.t, b.t, n, b.W, b.W);
      const RowBlock<T> target(t + r * n, count, n, b.last());
      V s{};
      for (int64_t k = 0; k < n; ++k) s -= load<V>(target.t + k * b.W) * load<V>(b.t + k * b.W);
      if (count == b.W) store(loss + r, s);
      else store_first(loss + r, s, count);
    });
  }
  for (int64_t r = 0; r < rows; ++r, x += n, t += n) {
    const T m = fold<MaxOp>(x, n);
    const T log_total = log_of<T>(exp_sum<T, false>(x, nullptr, n, m));
    loss[r] = static_cast<T>(row_sum<T>(
        n, [&](int64_t i, auto get) TAHR_LAMBDA { return get(t + i, T(0)) * (log_total - (get(x + i, m) - m)); }));
  }
}

template <class T>
void dense_loss_grad(const T* x, const T* t, const T* dy, T* dx, int64_t rows, int64_t n) {
  using V = Vec<T>;
  if (n <= kNarrow) {
    return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      softmax_cols<T>(b.t, b.t, n, b.W, b.W);
      const RowBlock<T> target(t + r * n, count, n, b.last());
      const V d = first_of(dy + r, count);
      V total{};
      for (int64_t k = 0; k < n; ++k) total += load<V>(target.t + k * b.W);
      for (int64_t k = 0; k < n; ++k) {
        store(b.t + k * b.W, V((load<V>(b.t + k * b.W) * total - load<V>(target.t + k * b.W)) * d));
      }
      b.write(dx + r * n, count, n);
    });
  }
  for (int64_t r = 0; r < rows; ++r, x += n, t += n, dx += n) {
    const T m = fold<MaxOp>(x, n);
    const T scale = static_cast<T>(fold<AddOp>(t, n) / exp_sum<T, true>(x, dx, n, m)), d = dy[r];
    each_vector<T>(n, [&](int64_t i, auto get, auto put)
                          TAHR_LAMBDA { put(dx + i, V((get(dx + i, T(0)) * scale - get(t + i, T(0))) * d)); });
  }
}

template <class T>
void sigmoid_loss(const T* x, const T* t, T* loss, int64_t n) {
  using V = Vec<T>;
  each_vector<T>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
    const V v = get(x + i, T(0));
    put(loss + i, V(vmax(v, T(0)) - v * get(t + i, T(0)) + log1p_unit(exp_below(V(-vabs(v))))));
  });
}

template <class T>
void sigmoid_loss_grad(const T* x, const T* t, const T* dy, T* dx, int64_t n) {
  using V = Vec<T>;
  each_vector<T>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
    put(dx + i, V((vsigmoid(V(get(x + i, T(0)))) - get(t + i, T(0))) * get(dy + i, T(0))));
  });
}

template <class T>
TAHR_INLINE void lse_partial(T m, double total, double* a, double* b) {
  *a = m;
  *b = m == -static_cast<T>(__builtin_inf()) ? 0 : m == static_cast<T>(__builtin_inf()) ? 1 : total;
}

// A strip of w columns, row by row, so that memory is read in runs: a maximum of the first rows, then one pass as long
// as no element is far above it. False if one is.
template <class T>
TAHR_INLINE bool lse_strip_near(const T* x, int64_t rows, int64_t stride, int64_t w, T* near, double* total) {
  using V = Vec<T>;
  constexpr int64_t kStrip = 2048 / sizeof(T);
  T sum[kStrip], peak[kStrip];
  for (int64_t i = 0; i < w; ++i) near[i] = x[i], total[i] = 0;
  for (int64_t r = 1; r < rows && r < 8; ++r) {
    const T* row = x + r * stride;
    each_vector<T>(w, [&](int64_t i, auto get, auto put)
                          TAHR_LAMBDA { put(near + i, V(greater(V(get(row + i, T(0))), V(get(near + i, T(0)))))); });
  }
  for (int64_t i = 0; i < w; ++i) peak[i] = near[i];
  for (int64_t r = 0; r < rows;) {  // 64 terms at a time: the error must not grow with the number of rows
    const int64_t end = rows - r < 64 ? rows : r + 64;
    for (int64_t i = 0; i < w; ++i) sum[i] = 0;
    for (; r < end; ++r) {
      const T* row = x + r * stride;
      each_vector<T>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
        const V a = get(row + i, T(0));
        put(peak + i, V(greater(a, V(get(peak + i, T(0))))));
        put(sum + i, V(get(sum + i, T(0)) + exp_term(V(a - get(near + i, T(0))))));
      });
    }
    for (int64_t i = 0; i < w; ++i) total[i] += sum[i];
  }
  bool good = true;
  constexpr T inf = static_cast<T>(__builtin_inf());
  for (int64_t i = 0; i < w; ++i) good &= near[i] > -inf && near[i] < inf && peak[i] <= near[i] + kSlack<T>;
  return good;
}

template <class T>
void lse_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t, void* av, void* bv) {
  using V = Vec<T>;
  constexpr int64_t kStrip = 2048 / sizeof(T);
  const T* x = static_cast<const T*>(xv);
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  T peak[kStrip], sum[kStrip];
  double total[kStrip];
  for (int64_t j = 0; j < m; j += kStrip, x += kStrip) {
    const int64_t w = m - j < kStrip ? m - j : kStrip;
    if (lse_strip_near(x, rows, stride, w, peak, total)) {
      for (int64_t i = 0; i < w; ++i) lse_partial<T>(peak[i], total[i], a + j + i, b + j + i);
      continue;
    }
    for (int64_t i = 0; i < w; ++i) peak[i] = x[i], total[i] = 0;
    for (int64_t r = 1; r < rows; ++r) {
      const T* row = x + r * stride;
      each_vector<T>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
        put(peak + i, V(MaxOp::comb(V(get(peak + i, T(0))), V(get(row + i, T(0))))));
      });
    }
    for (int64_t r = 0; r < rows;) {  // 64 terms at a time: the error must not grow with the number of rows
      const int64_t end = rows - r < 64 ? rows : r + 64;
      for (int64_t i = 0; i < w; ++i) sum[i] = 0;
      for (; r < end; ++r) {
        const T* row = x + r * stride;
        each_vector<T>(w, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
          put(sum + i, V(get(sum + i, T(0)) + exp_term(V(get(row + i, T(0)) - get(peak + i, T(0))))));
        });
      }
      for (int64_t i = 0; i < w; ++i) total[i] += sum[i];
    }
    for (int64_t i = 0; i < w; ++i) lse_partial<T>(peak[i], total[i], a + j + i, b + j + i);
  }
}

// Rows of at most kMedium elements, to the end. Each step is done for several blocks of rows before the next one: what
// waits for the maximum or the sum of a block would fill the scheduler, and the next block hardly begin.
template <class T>
void lse_narrow(const T* x, T* y, int64_t rows, int64_t n) {
  using V = Vec<T>;
  constexpr int64_t W = kLanes<T>, G = 16 / sizeof(T), kMost = 16;
  constexpr T inf = static_cast<T>(__builtin_inf());
  constexpr T most = sizeof(T) == 4 ? T(3.40282347e38) : T(1.7976931348623157e308);
  const int64_t height = (n + G - 1) / G * G * W, group = kMedium * W / height < kMost ? kMedium * W / height : kMost;
  T t[kMedium * W];
  V near[kMost], total[kMost];
  const auto infinite = [](V v) TAHR_LAMBDA { return any(vabs(v) == inf); };
  for (int64_t r0 = 0; r0 < rows; r0 += group * W) {
    const int64_t run = rows - r0 < group * W ? rows - r0 : group * W, blocks = (run + W - 1) / W;
    for (int64_t b = 0; b < blocks; ++b) {
      const T* from = x + (r0 + b * W) * n;
      const int64_t left = rows - r0 - b * W;
      if (left > 4 * W) fetch_rows(from, n);
      transpose_rows<T, kMedium>(from, left < W ? left : W, n, left <= W, t + b * height);
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const T* at = t + b * height;
      V peak = load<V>(at);
      for (int64_t k = 1; k < n; ++k) peak = greater(load<V>(at + k * W), peak);  // of NaN the sum tells
      near[b] = peak;
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const T* at = t + b * height;
      const V peak = near[b], m = vmin(vmax(peak, -most), most);
      V s{}, u{};
      if (n & 1) s = exp_term(V(load<V>(at) - m));
      for (int64_t k = n & 1; k < n; k += 2) {
        s += exp_term(V(load<V>(at + k * W) - m));
        u += exp_term(V(load<V>(at + (k + 1) * W) - m));
      }
      s += u;
      if (__builtin_expect(infinite(peak), 0)) {  // NaN wins all the same
        V sum{};
        for (int64_t k = 0; k < n; ++k) sum += vmax(load<V>(at + k * W), T(0));
        s = select(peak == inf, sum, select(peak == -inf, s * T(0), s));
      }
      near[b] = m;
      total[b] = s;
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const V result = vlog(total[b]) + near[b];
      if ((b + 1) * W <= run) store(y + r0 + b * W, result);
      else store_first(y + r0 + b * W, result, run - b * W);
    }
  }
}

template <class T>
void lse_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void* bv) {
  const T* x = static_cast<const T*>(xv);
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  constexpr int64_t kPart = 2048;  // stays in the first-level cache between its maximum and its sum
  constexpr T inf = static_cast<T>(__builtin_inf());
  for (int64_t r = 0; r < rows; ++r, x += n) {
    T m = fold<MaxOp>(x, n < 128 ? n : 128);
    if (!(m > -inf && m < inf)) m = -inf;
    double total = 0;
    for (int64_t k = 0; k < n; k += kPart) {
      const int64_t size = n - k < kPart ? n - k : kPart;
      if (m > -inf && m < inf) {
        const Near<T> near = exp_sum_near(x + k, size, m);
        if (near.peak <= m + kSlack<T>) {
          total += near.total;
          if (total == total) continue;
          m = static_cast<T>(total);  // NaN, which wins over infinities to come
          break;
        }
      }
      const T peak = fold<MaxOp>(x + k, size);
      if (peak != peak) {
        m = static_cast<T>(total = peak);
        break;
      }
      if (peak > m) {
        if (total != 0) total *= vexp(splat<f64v>(static_cast<double>(m) - static_cast<double>(peak)))[0];
        m = peak;
      }
      if (m > -inf && m < inf) total += exp_sum_below(x + k, size, m);
    }
    lse_partial(m, m == m ? total : static_cast<double>(m), a + r, b + r);
  }
}

// Two partials: sums of exponentials relative to the larger maximum.
void lse_merge(void* av, void* bv, double, const void* cv, const void* dv, double, int64_t m) {
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  const double *c = static_cast<const double*>(cv), *d = static_cast<const double*>(dv);
  each_vector<double>(m, [&](int64_t j, auto get, auto put) TAHR_LAMBDA {
    const f64v at = get(a + j, 0.), ct = get(c + j, 0.), peak = greater(ct, at), one = splat<f64v>(1.);
    const f64v fa = select(at == peak, one, vexp(f64v(at - peak)));  // 1 for infinities too
    const f64v fc = select(ct == peak, one, vexp(f64v(ct - peak)));
    put(b + j, f64v(get(b + j, 0.) * fa + get(d + j, 0.) * fc));
    put(a + j, peak);
  });
}

void lse_finish(const double* peak, const double* total, double* out, int64_t n) {
  each_vector<double>(n, [&](int64_t i, auto get, auto put)
                             TAHR_LAMBDA { put(out + i, f64v(vlog(f64v(get(total + i, 1.))) + get(peak + i, 0.))); });
}

template <class T>
constexpr SoftmaxKernels<T> kernels() {
  return {.softmax = softmax<T>,
          .log_softmax = log_softmax<T>,
          .softmax_grad = softmax_grad<T>,
          .log_softmax_grad = log_softmax_grad<T>,
          .softmax_cols = softmax_cols<T>,
          .log_softmax_cols = log_softmax_cols<T>,
          .softmax_grad_cols = softmax_grad_cols<T>,
          .log_softmax_grad_cols = log_softmax_grad_cols<T>,
          .sparse_loss = sparse_loss<T>,
          .sparse_loss_grad = sparse_loss_grad<T>,
          .dense_loss = dense_loss<T>,
          .dense_loss_grad = dense_loss_grad<T>,
          .sigmoid_loss = sigmoid_loss<T>,
          .sigmoid_loss_grad = sigmoid_loss_grad<T>,
          .lse_narrow = lse_narrow<T>,
          .lse_rows = lse_rows<T>,
          .lse_cols = lse_cols<T>};
}

}  // namespace

const SoftmaxTable& softmax_table() {
  static constexpr SoftmaxTable t{kernels<float>(), kernels<double>(), lse_merge, lse_finish};
  return t;
}

}  // namespace tahr::TAHR_ISA
