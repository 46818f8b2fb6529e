// Normalisation of rows and of columns. Contracts in cpu/norm_table.h. Passes over a row or a block follow one another
// while it is in cache.
#include "cpu/isa/each_vector.h"
#include "cpu/norm_table.h"

namespace tahr::TAHR_ISA {
namespace {

constexpr int64_t kRun = 2048;  // elements that are added up in T; runs of them are added in double

double root(double v) { return sqrt(splat<f64v>(v))[0]; }

// Σ term(i, get) over a row, in four vectors side by side.
template <class T, class F>
TAHR_INLINE double sum_of(int64_t n, F term) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  const auto whole = [](const T* p, T) TAHR_LAMBDA { return load<V>(p); };
  double total = 0;
  for (int64_t from = 0; from < n; from += kRun) {
    const int64_t end = n - from < kRun ? n : from + kRun;
    V s[4]{};
    int64_t i = from;
    for (; i + 4 * W <= end; i += 4 * W)
      for (int v = 0; v < 4; ++v) s[v] += term(i + v * W, whole);
    each_vector<T>(end - i, [&](int64_t k, auto get, auto) TAHR_LAMBDA { s[0] += term(i + k, get); });
    total += sum_lanes<T>((s[0] + s[1]) + (s[2] + s[3]));
  }
  return total;
}

template <class T>
void rows(const T* x, const T* scale, const T* offset, T* y, T* mean, T* variance, int64_t rows, int64_t n,
          double epsilon, bool centre) {
  using V = Vec<T>;
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    T m = 0;
    if (centre) {
      const double sum = sum_of<T>(n, [&](int64_t i, auto get) TAHR_LAMBDA { return V(get(x + i, T(0))); });
      m = static_cast<T>(sum / static_cast<double>(n));
    }
    const double squares = sum_of<T>(n, [&](int64_t i, auto get) TAHR_LAMBDA {
      const V d = get(x + i, m) - m;
      return V(d * d);
    });
    const double v = squares / static_cast<double>(n);
    const T f = static_cast<T>(1 / root(v + epsilon));
    each_vector<T>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      V value = (get(x + i, T(0)) - m) * f;
      if (scale) value *= get(scale + i, T(0));
      if (offset) value += get(offset + i, T(0));
      put(y + i, value);
    });
    mean[r] = m;
    variance[r] = static_cast<T>(v);
  }
}

template <class T>
void rows_grad(const T* dy, const T* x, const T* mean, const T* variance, const T* scale, T* dx, T* dscale, T* doffset,
               int64_t rows, int64_t n, double epsilon, bool centre) {
  using V = Vec<T>;
  for (int64_t r = 0; r < rows; ++r, dy += n, x += n, dx += n) {
    const T m = mean[r], f = static_cast<T>(1 / root(static_cast<double>(variance[r]) + epsilon));
    double sum = 0, product = 0;  // of g = dy scale, and of g times the normalised x
    for (int64_t from = 0; from < n; from += kRun) {
      V s{}, p{};
      each_vector<T>(n - from < kRun ? n - from : kRun, [&](int64_t k, auto get, auto put) TAHR_LAMBDA {
        const int64_t i = from + k;
        const V d = get(dy + i, T(0)), h = (get(x + i, m) - m) * f;
        V g = d;
        if (scale) g *= get(scale + i, T(0));
        if (dscale) put(dscale + i, V(get(dscale + i, T(0)) + d * h));
        if (doffset) put(doffset + i, V(get(doffset + i, T(0)) + d));
        s += g;
        p += g * h;
      });
      sum += sum_lanes<T>(s);
      product += sum_lanes<T>(p);
    }
    const T shift = centre ? static_cast<T>(sum / static_cast<double>(n)) * f : T(0);
    const T slope = static_cast<T>(product / static_cast<double>(n)) * f * f;
    each_vector<T>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA {
      V g = get(dy + i, T(0)) * f;
      if (scale) g *= get(scale + i, T(0));
      put(dx + i, V((g - shift) - (get(x + i, T(0)) - m) * slope));
    });
  }
}

// ---- columns ----

// Calls body(first column, width, get, put) for every group of columns: body<4> for four vectors side by side, else
// body<1>, whose vector may be partial.
template <class T, class F>
TAHR_INLINE void each_columns(int64_t m, F body) {
  constexpr int W = kLanes<T>;
  int64_t j = 0;
  const auto whole = [](const T* p, T) TAHR_LAMBDA { return load<Vec<T>>(p); };
  const auto keep = [](T* p, Vec<T> v) TAHR_LAMBDA { store(p, v); };
  for (; j + 4 * W <= m; j += 4 * W) body.template operator()<4>(j, whole, keep);
  each_vector<T>(m - j,
                 [&](int64_t k, auto get, auto put) TAHR_LAMBDA { body.template operator()<1>(j + k, get, put); });
}

template <class T>
void moments(const T* x, int64_t rows, int64_t m, T* mean, T* squares) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  const T part = T(1) / static_cast<T>(rows);
  each_columns<T>(m, [&]<int N>(int64_t j, auto get, auto put) TAHR_LAMBDA {
    V s[N]{}, q[N]{};
    for (int64_t i = j; i < j + rows * m; i += m)
      for (int v = 0; v < N; ++v) s[v] += get(x + i + v * W, T(0));
    for (int v = 0; v < N; ++v) s[v] *= part;
    for (int64_t i = j; i < j + rows * m; i += m)
      for (int v = 0; v < N; ++v) {
        const V d = get(x + i + v * W, T(0)) - s[v];
        q[v] += d * d;
      }
    for (int v = 0; v < N; ++v) put(mean + j + v * W, s[v]), put(squares + j + v * W, q[v]);
  });
}

template <bool kSkip, bool kRelu, class T>
TAHR_INLINE void affine_of(const T* x, const T* mean, const T* factor, const T* offset, const T* skip, T* y,
                           int64_t rows, int64_t m) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  each_columns<T>(m, [&]<int N>(int64_t j, auto get, auto put) TAHR_LAMBDA {
    V c[N], f[N], o[N];
    for (int v = 0; v < N; ++v) {
      c[v] = get(mean + j + v * W, T(0));
      f[v] = get(factor + j + v * W, T(0));
      o[v] = get(offset + j + v * W, T(0));
    }
    for (int64_t i = j; i < j + rows * m; i += m)
      for (int v = 0; v < N; ++v) {
        V value = (get(x + i + v * W, T(0)) - c[v]) * f[v] + o[v];
        if constexpr (kSkip) value += get(skip + i + v * W, T(0));
        if constexpr (kRelu) value = value < V{} ? V{} : value;  // NaN stays NaN
        put(y + i + v * W, value);
      }
  });
}

template <class T>
void affine(const T* x, const T* mean, const T* factor, const T* offset, T* y, int64_t rows, int64_t m) {
  affine_of<false, false, T>(x, mean, factor, offset, nullptr, y, rows, m);
}

template <class T>
void affine_relu(const T* x, const T* mean, const T* factor, const T* offset, const T* skip, T* y, int64_t rows,
                 int64_t m) {
  if (skip) affine_of<true, true, T>(x, mean, factor, offset, skip, y, rows, m);
  else affine_of<false, true, T>(x, mean, factor, offset, nullptr, y, rows, m);
}

template <class T>
void sums(const T* dy, const T* x, const T* mean, int64_t rows, int64_t m, T* sum, T* product) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  each_columns<T>(m, [&]<int N>(int64_t j, auto get, auto put) TAHR_LAMBDA {
    V c[N], s[N]{}, p[N]{};
    for (int v = 0; v < N; ++v) c[v] = get(mean + j + v * W, T(0));
    for (int64_t i = j; i < j + rows * m; i += m)
      for (int v = 0; v < N; ++v) {
        const V d = get(dy + i + v * W, T(0));
        s[v] += d;
        p[v] += d * (get(x + i + v * W, T(0)) - c[v]);
      }
    for (int v = 0; v < N; ++v) put(sum + j + v * W, s[v]), put(product + j + v * W, p[v]);
  });
}

template <class T>
void affine_grad(const T* dy, const T* x, const T* mean, const T* p, const T* q, const T* r, T* dx, int64_t rows,
                 int64_t m) {
  using V = Vec<T>;
  constexpr int W = kLanes<T>;
  each_columns<T>(m, [&]<int N>(int64_t j, auto get, auto put) TAHR_LAMBDA {
    V c[N], a[N], b[N], o[N];
    for (int v = 0; v < N; ++v) {
      c[v] = get(mean + j + v * W, T(0));
      a[v] = get(p + j + v * W, T(0));
      b[v] = get(q + j + v * W, T(0));
      o[v] = get(r + j + v * W, T(0));
    }
    for (int64_t i = j; i < j + rows * m; i += m)
      for (int v = 0; v < N; ++v) {
        const V d = get(x + i + v * W, T(0)) - c[v];
        put(dx + i + v * W, V((get(dy + i + v * W, T(0)) * a[v] + o[v]) + d * b[v]));
      }
  });
}

template <class T>
constexpr NormKernels<T> kernels() {
  return {rows<T>, rows_grad<T>, moments<T>, affine<T>, affine_relu<T>, sums<T>, affine_grad<T>};
}

}  // namespace

const NormTable& norm_table() {
  static constexpr NormTable t{kernels<float>(), kernels<double>()};
  return t;
}

}  // namespace tahr::TAHR_ISA
