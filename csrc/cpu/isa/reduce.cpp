// Reductions of blocks of rows and of columns; the contract of each function is in cpu/reduce_table.h.
#include "cpu/isa/reduce.h"

#include "cpu/isa/reduce_arg.h"
#include "cpu/isa/reduce_moments.h"
#include "cpu/isa/vmath_lookup.h"
#include "cpu/reduce_table.h"

namespace tahr::TAHR_ISA {
namespace {

// ---- sum, sum of squares and of magnitudes, prod, max, min ----

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
template <class Op, class T, class A>
void fold_cols(const void* xv, int64_t rows, int64_t stride, int64_t m, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  A* __restrict a = static_cast<A*>(av);
  constexpr bool kSlow = kIsFloat<T> && (__is_same(Op, MaxOp) || __is_same(Op, MinOp));  // minding NaN
  constexpr int64_t kAhead = 512 / sizeof(T);
  int64_t r = 0;
  bool first = true;
  for (; r + 8 <= rows; r += 8, first = false) {
    const T *p0 = x + r * stride, *p1 = p0 + stride, *p2 = p1 + stride, *p3 = p2 + stride, *p4 = p3 + stride,
            *p5 = p4 + stride, *p6 = p5 + stride, *p7 = p6 + stride;
    auto eight = [&](int64_t j, auto load_from) TAHR_LAMBDA {
      auto get = [&](const T* p) TAHR_LAMBDA { return taken<Op>(load_from(p)); };
      if constexpr (kSlow) {
        const T* ahead = p0 + j + (j + kAhead < m ? kAhead : kAhead - m + 8 * stride);  // in these rows or the next
        for (int64_t k = 0; k < 8; ++k) __builtin_prefetch(ahead + k * stride);
      }
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
    for (int64_t j = 0; j < m; ++j) a[j] = taken<Op>(static_cast<A>(x[j]));
    r = 1;
  }
  for (; r < rows; ++r) {
    const T* p = x + r * stride;
    each_column<T, A>(m, [&](int64_t j, auto get) TAHR_LAMBDA {
      auto v = taken<Op>(get(p + j));
      put(a + j, Op::comb(load<decltype(v)>(a + j), v));
    });
  }
}

template <class Op, class T, class A>
void fold_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  A* a = static_cast<A*>(av);
  if constexpr (kIsFloat<T>) {
    if (n < kLanes<T> && rows > 1) {  // one lane per row, in the order of `fold`
      return each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
        Vec<T> s = splat<Vec<T>>(Op::template identity<T>());
        for (int64_t k = 0; k < n; ++k) s = Op::comb(s, taken<Op>(load<Vec<T>>(b.t + k * b.W)));
        store_up_to(a + r, s, count);
      });
    }
  }
  int64_t i = 0;
  if constexpr (kIsFloat<T>) {
    constexpr int64_t W = kLanes<T>;
    for (; n >= W && n <= kLongRow && i + W <= rows; i += W, x += W * n) {
      Vec<T> v[W];
      for (int64_t k = 0; k < W; ++k) v[k] = fold_vectors<Op>(x + k * n, n);
      store(a + i, fold_each<Op, T>(v));
    }
  }
  for (; i < rows; ++i, x += n) {
    if constexpr (__is_same(T, A)) {
      a[i] = fold<Op>(x, n);
    } else {
      A s = Op::template identity<A>();
      for (int64_t k = 0; k < n; ++k) s = Op::comb(s, taken<Op>(static_cast<A>(x[k])));
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

// Float rows up to kLongRow: lanes of `step` results, folded to one per row by Op; put(first row, rows, results).
template <class Op, class T, class Step, class Put>
TAHR_INLINE bool flag_rows(const T* x, int64_t rows, int64_t n, Step step, T fill, Put put) {
  using V = Vec<T>;
  using M = Mask<V>;
  using I = typename IntOf<sizeof(T)>::type;
  constexpr int64_t W = kLanes<T>;
  if (n > kLongRow || rows == 1) return false;
  if (n <= kNarrow) {
    each_block<T>(x, rows, n, [&](int64_t r, int64_t count, RowBlock<T>& b) TAHR_LAMBDA {
      M s{};
      for (int64_t k = 0; k < n; ++k) s = step(s, load<V>(b.t + k * W));
      put(r, count, s);
    });
    return true;
  }
  for (int64_t r = 0; r < rows; r += W) {
    const int64_t count = rows - r < W ? rows - r : W;
    M v[W]{};
    for (int64_t i = 0; i < count; ++i) {
      const T* p = x + (r + i) * n;
      M s{};
      int64_t k = 0;
      for (; k + W <= n; k += W) s = step(s, load<V>(p + k));
      if (k < n) s = step(s, select(upper_lanes<T>(n - k), load<V>(p + n - W), splat<V>(fill)));
      v[i] = s;
    }
    put(r, count, fold_each<Op, I>(v));
  }
  return true;
}

template <class Op, class T>
void logic_rows(const void* xv, int64_t rows, int64_t n, int64_t, void* av, void*) {
  const T* x = static_cast<const T*>(xv);
  uint8_t* a = static_cast<uint8_t*>(av);
  if constexpr (kIsFloat<T>) {
    using M = Mask<Vec<T>>;
    const auto decides = [](M s, Vec<T> v) TAHR_LAMBDA {
      return Op::decided ? select(v != T(0), M{} + 1, s) : select(v == T(0), M{} + 1, s);
    };
    const auto put = [a](int64_t r, int64_t count, M s) TAHR_LAMBDA {
      uint8_t flag[kLanes<T>];
      for (int i = 0; i < kLanes<T>; ++i) flag[i] = static_cast<uint8_t>(Op::decided ? s[i] : 1 - s[i]);
      if (count == kLanes<T>) __builtin_memcpy(a + r, flag, sizeof flag);
      else
        for (int64_t i = 0; i < count; ++i) a[r + i] = flag[i];
    };
    if (flag_rows<OrOp>(x, rows, n, decides, T(1 - Op::decided), put)) return;
  }
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
  if constexpr (kIsFloat<T>) {
    using M = Mask<Vec<T>>;
    if (flag_rows<AddOp>(
            x, rows, n, [](M s, Vec<T> v) TAHR_LAMBDA { return s - (v != T(0)); }, T(0),
            [a](int64_t r, int64_t count, M s) TAHR_LAMBDA { put_positions(a + r, s, count); }))
      return;
  }
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

void divide(const float* x, float* y, float count, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] / count;
}

TAHR_INLINE f32v root_of(f32v x) {
#if TAHR_LOOKUP
  // An estimate and one step: a root takes as long as reading 40 floats. Below 2^-100 the step would not be exact.
  const f32v y = near_rsqrt(x), s = x * y;
  const f32v root = fix_up<fix_up_table(kFixZero, kFixNan, kFixInf)>(fma(fma(-s, s, x), 0.5f * y, s), x);
  const auto tiny = x < 0x1p-100f;
  return __builtin_expect(any(tiny), 0) ? select(tiny, sqrt(x), root) : root;
#else
  return sqrt(x);
#endif
}
void root(const float* x, float* y, int64_t n) {
  each_vector<float>(n, [&](int64_t i, auto get, auto put) TAHR_LAMBDA { put(y + i, root_of(f32v(get(x + i, 0.f)))); });
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
  if constexpr (kIsFloat<T>) {
    at(ReduceKind::Moments) = {moments_rows<T>, moments_cols<T>, moments_merge, 8, 8};
    at(ReduceKind::Squares) = {fold_rows<SquareOp, T, T>, fold_cols<SquareOp, T, T>, fold_merge<AddOp, T>, sizeof(T),
                               0};
    at(ReduceKind::Magnitudes) = {fold_rows<MagnitudeOp, T, T>, fold_cols<MagnitudeOp, T, T>, fold_merge<AddOp, T>,
                                  sizeof(T), 0};
  }
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
  t.divide = divide;
  t.root = root;
  t.var_f32 = {variance_rows<float>, variance_cols<float>};
  t.var_f64 = {variance_rows<double>, variance_cols<double>};
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
