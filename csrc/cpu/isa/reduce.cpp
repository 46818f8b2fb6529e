// Reductions of blocks of rows and of columns; the contract of each function is in cpu/reduce_table.h.
#include "cpu/isa/reduce.h"

#include "cpu/reduce_table.h"

namespace tahr::TAHR_ISA {
namespace {

// ---- sum, prod, max, min ----

template <class T>
struct SumOf {
  using type = T;
};
template <>
struct SumOf<uint8_t> {
  using type = uint32_t;
};
template <>
struct SumOf<uint16_t> {
  using type = uint32_t;
};
template <>
struct SumOf<int8_t> {
  using type = int32_t;
};
template <>
struct SumOf<int16_t> {
  using type = int32_t;
};

template <class T>
struct UnsignedOf {
  using type = T;
};
template <>
struct UnsignedOf<int8_t> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<int16_t> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<int32_t> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<int64_t> {
  using type = uint64_t;
};

// Calls body with a loader for each column position: whole vectors where the type allows, single elements at the end
// and where the elements are narrower than the partials (those loops the compiler turns into vectors itself).
template <class T, class A, class F>
TAHR_INLINE void each_column(int64_t m, F body) {
  int64_t j = 0;
  if constexpr (__is_same(T, A)) {
    for (; j + kLanes<T> <= m; j += kLanes<T>) {
      body(j, [](const T* p) TAHR_LAMBDA { return load<Vec<T>>(p); });
    }
  }
  for (; j < m; ++j) body(j, [](const T* p) TAHR_LAMBDA { return static_cast<A>(*p); });
}
template <class V>
TAHR_INLINE void put(void* p, V v) {
  __builtin_memcpy(p, &v, sizeof v);
}
// The first n lanes of v.
template <class V>
TAHR_INLINE void put_first(void* p, V v, int64_t n) {
  if (static_cast<size_t>(n) * sizeof(v[0]) == sizeof v) put(p, v);
  else __builtin_memcpy(p, &v, static_cast<size_t>(n) * sizeof(v[0]));
}

template <class Op, class T, class A>
void fold_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  A* __restrict a = static_cast<A*>(av);
  int64_t r = 0;
  bool first = true;
  for (; r + 8 <= rows; r += 8, first = false) {
    const T *p0 = x + r * stride, *p1 = p0 + stride, *p2 = p1 + stride, *p3 = p2 + stride, *p4 = p3 + stride,
            *p5 = p4 + stride, *p6 = p5 + stride, *p7 = p6 + stride;
    auto eight = [&](int64_t j, auto get) TAHR_LAMBDA {
      const auto s0 = Op::comb(get(p0 + j), get(p1 + j)), s1 = Op::comb(get(p2 + j), get(p3 + j));
      const auto s2 = Op::comb(get(p4 + j), get(p5 + j)), s3 = Op::comb(get(p6 + j), get(p7 + j));
      return Op::comb(Op::comb(s0, s1), Op::comb(s2, s3));
    };
    if (first) {
      each_column<T, A>(m, [&](int64_t j, auto get) TAHR_LAMBDA { put(a + j, eight(j, get)); });
    } else {
      each_column<T, A>(m, [&](int64_t j, auto get) TAHR_LAMBDA {
        auto s = eight(j, get);
        put(a + j, Op::comb(load<decltype(s)>(a + j), s));
      });
    }
  }
  if (first && r < rows) {
    for (int64_t j = 0; j < m; ++j) a[j] = static_cast<A>(x[j]);
    r = 1;
  }
  for (; r < rows; ++r) {
    const T* p = x + r * stride;
    each_column<T, A>(m, [&](int64_t j, auto get) TAHR_LAMBDA {
      auto v = get(p + j);
      put(a + j, Op::comb(load<decltype(v)>(a + j), v));
    });
  }
}

template <class Op, class T, class A>
void fold_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  A* a = static_cast<A*>(av);
  if constexpr (kIsFloat<T>) {
    // One lane per row, in the order of `fold` or where order does not matter.
    constexpr bool kAnyOrder = __is_same(Op, MaxOp) || __is_same(Op, MinOp);
    if (n < (kAnyOrder ? kNarrow + 1 : kLanes<T>) && rows > 1) {
      return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
        Vec<T> s = splat<Vec<T>>(Op::template identity<T>());
        for (int64_t k = 0; k < n; ++k) s = Op::comb(s, load<Vec<T>>(b.t + k * b.W));
        put_first(a + r, s, count);
      });
    }
  }
  for (int64_t i = 0; i < rows; ++i, x += n) {
    if constexpr (__is_same(T, A)) {
      a[i] = fold<Op>(x, n);
    } else {
      A s = Op::template identity<A>();
      for (int64_t k = 0; k < n; ++k) s = Op::comb(s, static_cast<A>(x[k]));
      a[i] = s;
    }
  }
}

template <class Op, class A>
void fold_merge(void* av, void*, double, const void* cv, const void*, double, int64_t m) {
  A* __restrict a = static_cast<A*>(av);
  const A* c = static_cast<const A*>(cv);
  each_column<A, A>(m, [&](int64_t j, auto get) TAHR_LAMBDA {
    auto v = get(c + j);
    put(a + j, Op::comb(load<decltype(v)>(a + j), v));
  });
}

// ---- any, all, count_nonzero ----

struct OrOp {
  template <class V>
  static V comb(V a, V b) {
    return a | b;
  }
  static constexpr uint8_t decided = 1;
};
struct AndOp {
  template <class V>
  static V comb(V a, V b) {
    return a & b;
  }
  static constexpr uint8_t decided = 0;
};

template <class Op, class T>
void logic_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  uint8_t* a = static_cast<uint8_t*>(av);
  for (int64_t i = 0; i < rows; ++i, x += n) {
    uint8_t s = 1 - Op::decided;
    for (int64_t k = 0; k < n && s != Op::decided; k += 1024) {
      const int64_t end = n - k < 1024 ? n : k + 1024;
      for (int64_t l = k; l < end; ++l) s = Op::comb(s, static_cast<uint8_t>(x[l] != T(0)));
    }
    a[i] = s;
  }
}

template <class Op, class T>
void logic_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  uint8_t* __restrict a = static_cast<uint8_t*>(av);
  for (int64_t j = 0; j < m; ++j) a[j] = x[j] != T(0);
  for (int64_t r = 1; r < rows; ++r) {
    const T* p = x + r * stride;
    for (int64_t j = 0; j < m; ++j) a[j] = Op::comb(a[j], static_cast<uint8_t>(p[j] != T(0)));
  }
}

template <class T>
void count_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  int32_t* a = static_cast<int32_t*>(av);
  for (int64_t i = 0; i < rows; ++i, x += n) {
    int32_t s = 0;
    for (int64_t k = 0; k < n; ++k) s += x[k] != T(0);
    a[i] = s;
  }
}

template <class T>
void count_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  int32_t* __restrict a = static_cast<int32_t*>(av);
  for (int64_t j = 0; j < m; ++j) a[j] = x[j] != T(0);
  for (int64_t r = 1; r < rows; ++r) {
    const T* p = x + r * stride;
    for (int64_t j = 0; j < m; ++j) a[j] += p[j] != T(0);
  }
}

// ---- argmax, argmin ----

// True where v beats the incumbent a: larger (smaller), or the first NaN.
template <bool kMax, class T>
inline bool beats(T v, T a) {
  return (kMax ? v > a : v < a) | ((v != v) & (a == a));
}

template <class T, class Same>
inline int64_t first_where(const T* x, int64_t n, Same same) {
  for (int64_t i = 0; i < n; i += 64) {
    const int64_t end = n - i < 64 ? n : i + 64;
    int hit = 0;
    for (int64_t k = i; k < end; ++k) hit |= same(x[k]);
    if (!hit) continue;
    for (int64_t k = i; k < end; ++k)
      if (same(x[k])) return k;
  }
  return 0;
}

template <bool kMax, class T>
void arg_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t base, void* av, void* bv) {
  const T* x = static_cast<const T*>(xv);
  T* __restrict a = static_cast<T*>(av);
  int32_t* __restrict b = static_cast<int32_t*>(bv);
  for (int64_t j = 0; j < m; ++j) {
    a[j] = x[j];
    b[j] = static_cast<int32_t>(base);
  }
  for (int64_t r = 1; r < rows; ++r) {
    const T* p = x + r * stride;
    const int32_t at = static_cast<int32_t>(base + r);
    for (int64_t j = 0; j < m; ++j) {
      const T v = p[j];
      const bool better = beats<kMax>(v, a[j]);
      a[j] = better ? v : a[j];
      b[j] = better ? at : b[j];
    }
  }
}

template <bool kMax, class T>
void arg_rows(const void* xv, int64_t rows, int64_t n, int64_t base, void* av, void* bv) {
  using Op = decltype([] {
    if constexpr (kMax) return MaxOp{};
    else return MinOp{};
  }());
  constexpr int64_t kBlock = 8192 / sizeof(T);  // stays in the first-level cache for the search
  const T* x = static_cast<const T*>(xv);
  T* a = static_cast<T*>(av);
  int32_t* b = static_cast<int32_t*>(bv);
  if constexpr (kIsFloat<T>) {
    if (n <= kMedium && rows > 1) {
      using I = Mask<Vec<T>>;
      return each_block<T, kMedium>(x, rows, n, [&](int64_t r, int64_t count, auto& block) TAHR_LAMBDA {
        Vec<T> best = load<Vec<T>>(block.t);
        I at{};
        for (int64_t k = 1; k < n; ++k) {
          const Vec<T> v = load<Vec<T>>(block.t + k * block.W);
          const I better = (kMax ? v > best : v < best) | ((v != v) & (best == best));
          best = select(better, v, best);
          at = select(better, I{} + static_cast<typename IntOf<sizeof(T)>::type>(k), at);
        }
        put_first(a + r, best, count);
        for (int64_t i = 0; i < count; ++i) b[r + i] = static_cast<int32_t>(base + at[i]);
      });
    }
  }
  for (int64_t i = 0; i < rows; ++i, x += n) {
    T best = x[0];
    int64_t at = 0;
    for (int64_t k = 0; k < n; k += kBlock) {
      const int64_t size = n - k < kBlock ? n - k : kBlock;
      const T m = fold<Op>(x + k, size);
      if (k && !beats<kMax>(m, best)) continue;
      best = m;
      for (int64_t l = 0; l < size; l += 64 / static_cast<int64_t>(sizeof(T)))
        __builtin_prefetch(x + k + size + l);  // the row or part that follows: the search leaves the memory idle
      at = k + (m == m ? first_where(x + k, size, [m](T v) { return v == m; })
                       : first_where(x + k, size, [](T v) { return v != v; }));
    }
    a[i] = best;
    b[i] = static_cast<int32_t>(base + at);
  }
}

template <bool kMax, class T>
void arg_merge(void* av, void* bv, double, const void* cv, const void* dv, double, int64_t m) {
  T* __restrict a = static_cast<T*>(av);
  int32_t* __restrict b = static_cast<int32_t*>(bv);
  const T* c = static_cast<const T*>(cv);
  const int32_t* d = static_cast<const int32_t*>(dv);
  for (int64_t j = 0; j < m; ++j) {
    const bool better = beats<kMax>(c[j], a[j]);
    a[j] = better ? c[j] : a[j];
    b[j] = better ? d[j] : b[j];
  }
}

// ---- mean and sum of squared distances: two passes over a block that stays in cache ----

// The first pass gives a rounded mean m; with d = x - m, mean = m + sum(d)/n and M2 = sum(d²) - sum(d)²/n.
template <class T>
inline void moments_of(T m, T sum_d, T sum_d2, int64_t n, double* mean, double* m2) {
  const double d = sum_d, count = static_cast<double>(n);
  const double left = static_cast<double>(sum_d2) - d * d / count;
  *mean = static_cast<double>(m) + d / count;
  *m2 = left < 0 ? 0 : left;
}

template <class T>
void moments_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t, void* av, void* bv) {
  constexpr int64_t kStrip = 128;
  const T* x = static_cast<const T*>(xv);
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  T mean[kStrip], s[kStrip], s2[kStrip];
  for (int64_t j0 = 0; j0 < m; j0 += kStrip) {
    const int64_t w = m - j0 < kStrip ? m - j0 : kStrip;
    fold_cols<AddOp, T, T>(x + j0, rows, stride, w, 0, mean, nullptr);
    for (int64_t j = 0; j < w; ++j) {
      mean[j] /= static_cast<T>(rows);
      s[j] = s2[j] = 0;
    }
    for (int64_t r = 0; r < rows; ++r) {
      const T* p = x + j0 + r * stride;
      for (int64_t j = 0; j < w; ++j) {
        const T d = p[j] - mean[j];
        s[j] += d;
        s2[j] += d * d;
      }
    }
    for (int64_t j = 0; j < w; ++j) moments_of(mean[j], s[j], s2[j], rows, a + j0 + j, b + j0 + j);
  }
}

template <class T>
void moments_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void* bv) {
  using V = FoldVec<T>;
  constexpr int W = kVecBytes / sizeof(T), NV = 4;
  const T* x = static_cast<const T*>(xv);
  double *a = static_cast<double*>(av), *b = static_cast<double*>(bv);
  if (n <= kMedium) {
    return each_block<T, kMedium>(x, rows, n, [&](int64_t r, int64_t count, auto& block) TAHR_LAMBDA {
      using V = Vec<T>;
      const auto at = [&](int64_t k) TAHR_LAMBDA { return load<V>(block.t + k * block.W); };
      V mean{}, other{}, s{}, t{}, s2{}, t2{};  // two chains each
      const auto add = [](V d, V& to, V& square) TAHR_LAMBDA {
        to += d;
        square = fma(d, d, square);
      };
      const int64_t odd = n & 1;
      if (odd) mean = at(0);
      for (int64_t k = odd; k < n; k += 2) mean += at(k), other += at(k + 1);
      mean = (mean + other) * (T(1) / static_cast<T>(n));
      if (odd) add(at(0) - mean, s, s2);
      for (int64_t k = odd; k < n; k += 2) {
        add(at(k) - mean, s, s2);
        add(at(k + 1) - mean, t, t2);
      }
      s += t;
      s2 += t2;
      double to[2][kLanes<float>];
      const double share = 1 / static_cast<double>(n);
      const auto finish = [share](f64v* result, f64v m, f64v d, f64v d2) TAHR_LAMBDA {  // as moments_of
        const f64v left = d2 - d * d * share;
        result[0] = m + d * share;
        result[1] = select(left < 0., f64v{}, left);
      };
      in_doubles<2>(to, finish, mean, s, s2);
      copy_first<block.W>(a + r, to[0], count);
      copy_first<block.W>(b + r, to[1], count);
    });
  }
  for (int64_t i = 0; i < rows; ++i, x += n) {
    const T m = fold<AddOp>(x, n) / static_cast<T>(n);
    T s = 0, s2 = 0;
    int64_t k = 0;
    if (n >= NV * W) {
      V d1[NV]{}, d2[NV]{};
      for (; k + NV * W <= n; k += NV * W)
        for (int v = 0; v < NV; ++v) {
          __builtin_prefetch(x + n + k + v * W);  // the row or part that follows: this pass leaves the memory idle
          const V d = load<V>(x + k + v * W) - m;
          d1[v] += d;
          d2[v] += d * d;
        }
      s = fold_lanes<AddOp, T, kVecBytes>((d1[0] + d1[1]) + (d1[2] + d1[3]));
      s2 = fold_lanes<AddOp, T, kVecBytes>((d2[0] + d2[1]) + (d2[2] + d2[3]));
    }
    for (; k < n; ++k) {
      const T d = x[k] - m;
      s += d;
      s2 += d * d;
    }
    moments_of(m, s, s2, n, a + i, b + i);
  }
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

// ---- halves ----

void widen_f16(const uint16_t* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t h = x[i], magnitude = (h & 0x7fff) << 13;
    float f;
    __builtin_memcpy(&f, &magnitude, 4);
    f *= 0x1p112f;  // exact: moves the exponent bias from 15 to 127, subnormals included
    uint32_t bits;
    __builtin_memcpy(&bits, &f, 4);
    bits = (h & 0x7c00) == 0x7c00 ? (magnitude | 0x7f800000u) : bits;
    bits |= (h & 0x8000) << 16;
    __builtin_memcpy(y + i, &bits, 4);
  }
}

void widen_bf16(const uint16_t* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = static_cast<uint32_t>(x[i]) << 16;
    __builtin_memcpy(y + i, &bits, 4);
  }
}

// ---- the table ----

template <class Op, class T, class A>
constexpr ReduceKernel fold_kernel() {
  return {fold_rows<Op, T, A>, fold_cols<Op, T, A>, fold_merge<Op, A>, sizeof(A), 0};
}

template <class Op, class T>
constexpr ReduceKernel wrap_kernel() {  // sum, prod
  // Signed sums and products wrap around: they run on the unsigned type of the same width.
  using A = typename UnsignedOf<typename SumOf<T>::type>::type;
  if constexpr (sizeof(T) == sizeof(A)) return fold_kernel<Op, A, A>();
  else return fold_kernel<Op, T, A>();
}

template <class T>
constexpr void fill(ReduceTable& t, Elem elem) {
  const int e = static_cast<int>(elem);
  auto at = [&](ReduceKind k) -> ReduceKernel& { return t.kernel[static_cast<int>(k)][e]; };
  at(ReduceKind::Sum) = wrap_kernel<AddOp, T>();
  at(ReduceKind::Prod) = wrap_kernel<MulOp, T>();
  at(ReduceKind::Max) = fold_kernel<MaxOp, T, T>();
  at(ReduceKind::Min) = fold_kernel<MinOp, T, T>();
  using U = typename UnsignedOf<T>::type;  // zero or not: the sign does not matter
  at(ReduceKind::Any) = {logic_rows<OrOp, U>, logic_cols<OrOp, U>, fold_merge<OrOp, uint8_t>, 1, 0};
  at(ReduceKind::All) = {logic_rows<AndOp, U>, logic_cols<AndOp, U>, fold_merge<AndOp, uint8_t>, 1, 0};
  at(ReduceKind::Count) = {count_rows<U>, count_cols<U>, fold_merge<AddOp, uint32_t>, 4, 0};
  at(ReduceKind::ArgMax) = {arg_rows<true, T>, arg_cols<true, T>, arg_merge<true, T>, sizeof(T), 4};
  at(ReduceKind::ArgMin) = {arg_rows<false, T>, arg_cols<false, T>, arg_merge<false, T>, sizeof(T), 4};
  if constexpr (kIsFloat<T>) at(ReduceKind::Moments) = {moments_rows<T>, moments_cols<T>, moments_merge, 8, 8};
}

constexpr ReduceTable make_table() {
  ReduceTable t{};
  fill<uint8_t>(t, Elem::U8);
  fill<uint16_t>(t, Elem::U16);
  fill<uint32_t>(t, Elem::U32);
  fill<uint64_t>(t, Elem::U64);
  fill<int8_t>(t, Elem::I8);
  fill<int16_t>(t, Elem::I16);
  fill<int32_t>(t, Elem::I32);
  fill<int64_t>(t, Elem::I64);
  fill<float>(t, Elem::F32);
  fill<double>(t, Elem::F64);
  t.variance = variance;
  t.widen_f16 = widen_f16;
  t.widen_bf16 = widen_bf16;
  return t;
}

}  // namespace

const ReduceTable& reduce_table() {
  static constexpr ReduceTable t = make_table();
  return t;
}

}  // namespace tahr::TAHR_ISA
