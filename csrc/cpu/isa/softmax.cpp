// Softmax, log-softmax, their gradients and the cross-entropies on top of them: row by row, each row in two or three
// passes that stay in cache. Contracts in cpu/softmax_table.h.
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
          .sigmoid_loss_grad = sigmoid_loss_grad<T>};
}

}  // namespace

const SoftmaxTable& softmax_table() {
  static constexpr SoftmaxTable t{kernels<float>(), kernels<double>()};
  return t;
}

}  // namespace tahr::TAHR_ISA
