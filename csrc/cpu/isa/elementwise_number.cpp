// What works on numbers as such rather than as arguments of functions: division of integers, remainders, shifts,
// rounding to decimals, neighbours, exponents; with them two functions whose vector form needs a fused multiply-add.
//
// Loops that are not here on some instruction set stay with those of cpu/elementwise_scalar.cpp, whose contracts
// (ops/elementwise_functions.h) hold here too.
#include "cpu/isa/elementwise_loop.h"
#include "cpu/isa/vmath_lookup.h"

namespace tahr::TAHR_ISA {
namespace {

template <class T>
inline constexpr bool kSigned = static_cast<T>(-1) < static_cast<T>(0);
template <class T>
inline constexpr T kInfinity = static_cast<T>(__builtin_inf());

// ---- integers of at most 32 bits: their quotient in floats is good enough to be rounded ----

template <class T>
struct RatioOf {
  using type = float;
};
template <>
struct RatioOf<int32_t> {
  using type = double;
};
template <>
struct RatioOf<uint32_t> {
  using type = double;
};
TAHR_INLINE float round_down(float a) { return __builtin_floorf(a); }
TAHR_INLINE double round_down(double a) { return __builtin_floor(a); }

// 0 if b is 0; the lowest integer by -1 wraps.
template <bool kDown, class T>
TAHR_INLINE T integer_quotient(T a, T b) {
  using R = typename RatioOf<T>::type;
  const R ratio = static_cast<R>(a) / static_cast<R>(b);
  R q = b == 0 ? R(0) : kDown && kSigned<T> ? round_down(ratio) : ratio;
  if constexpr (sizeof(T) < 4) return static_cast<T>(static_cast<int32_t>(q));
  if constexpr (kSigned<T>) q = q > R(2147483647.) ? R(-2147483648.) : q;
  return static_cast<T>(q);
}
template <bool kDown, class T>
TAHR_INLINE T integer_rest(T a, T b) {
  const uint64_t q = static_cast<uint64_t>(integer_quotient<kDown>(a, b));
  return b == 0 ? T(0) : static_cast<T>(static_cast<uint64_t>(a) - q * static_cast<uint64_t>(b));
}

EW2(FloorDivide, integer_quotient<true>(a, b))
EW2(Mod, integer_rest<true>(a, b))
EW2(Fmod, integer_rest<false>(a, b))

// A count below 0, or of the width and more, shifts everything out.
template <class T>
TAHR_INLINE T left_shift(T a, T n) {
  constexpr T width = 8 * sizeof(T);
  const bool fits = kSigned<T> ? (n >= 0) & (n < width) : n < width;
  return static_cast<T>(fits ? static_cast<T>(static_cast<uint64_t>(a) << (n & (width - 1))) : T(0));
}
template <class T>
TAHR_INLINE T right_shift(T a, T n) {
  constexpr T width = 8 * sizeof(T);
  const bool fits = kSigned<T> ? (n >= 0) & (n < width) : n < width;
  const T by = fits ? n : static_cast<T>(width - 1), shifted = static_cast<T>(a >> by);
  return kSigned<T> || fits ? shifted : T(0);
}
EW2(LeftShift, left_shift(a, b))
EW2(RightShift, right_shift(a, b))

// ---- floats, element by element ----

TAHR_INLINE float absolute(float a) { return __builtin_fabsf(a); }
TAHR_INLINE double absolute(double a) { return __builtin_fabs(a); }
TAHR_INLINE float rint(float a) { return __builtin_rintf(a); }
TAHR_INLINE double rint(double a) { return __builtin_rint(a); }
template <class T>
void round_loop(void* out, const void* const* in, int64_t n, const double* p) {
  const T* a = static_cast<const T*>(in[0]);
  T* r = static_cast<T*>(out);
  const bool up = p[0] >= 1;
  const T f = static_cast<T>(up ? p[0] : p[1]);
  TAHR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T v = up ? rint(a[i] * f) / f : rint(a[i] / f) * f;
    r[i] = absolute(v) < kInfinity<T> ? v : a[i];
  }
}

// ---- floats, on vectors ----

// Floats of one sign are ordered as their bits are.
TAHR_EW_FUNCTOR(Nextafter)
template <class V>
TAHR_INLINE V operator()(V a, V b) const {
  using M = Mask<V>;
  const M sign = bits<M>(splat<V>(static_cast<Lane<V>>(-0.0)));
  const M next = bits<M>(a) + (((a < b) ^ (a > Lane<V>(0))) | 1);
  const M r = select(a == Lane<V>(0), (bits<M>(b) & sign) | 1, next);
  return select((a != a) | (b != b), a + b, select(a == b, b, bits<V>(r)));
}
};
TAHR_EW_FUNCTOR(Heaviside)
template <class V>
TAHR_INLINE V operator()(V a, V b) const {
  const V step = select(a > Lane<V>(0), splat<V>(Lane<V>(1)), select(a == Lane<V>(0), b, a));
  return select(a < Lane<V>(0), V{}, step);
}
};

#if defined(__FMA__) && !defined(__clang__)
// The remainder of a / b of finite floats, b not 0, whatever their ratio: long division of the mantissas.
template <class T, class U>
T long_remainder(T a, T b) {
  constexpr int kBits = FloatTraits<T>::mantissa, kSpare = 8 * static_cast<int>(sizeof(uint64_t)) - kBits - 2;
  const T x = absolute(a), y = absolute(b);
  if (x < y) return a;
  const auto split = [](T v, int* e) {
    const U all = bits<U>(v), field = all >> kBits, fraction = all & ((U{1} << kBits) - 1);
    *e = field ? static_cast<int>(field) - 1 : 0;
    return static_cast<uint64_t>(field ? fraction | (U{1} << kBits) : fraction);
  };
  int ex, ey;
  uint64_t r = split(x, &ex);
  const uint64_t d = split(y, &ey);
  r %= d;
  for (int left = ex - ey; left > 0 && r; left -= kSpare) r = (r << (left < kSpare ? left : kSpare)) % d;
  if (!r) return __builtin_copysign(T(0), a);
  // r 2^ey, normal if it can be.
  while (!(r >> kBits) && ey > 0) r <<= 1, --ey;
  const U field = r >> kBits ? static_cast<U>(ey + 1) : U{0};
  const U sign = bits<U>(a) & (U{1} << (8 * sizeof(U) - 1));
  return bits<T>(static_cast<U>(sign | field << kBits | (static_cast<U>(r) & ((U{1} << kBits) - 1))));
}
template <class T>
T rest_of(T a, T b) {
  if (!(absolute(a) < kInfinity<T>) || b == T(0) || b != b) return static_cast<T>(__builtin_nan(""));
  if constexpr (sizeof(T) == 4) return long_remainder<float, uint32_t>(a, b);
  else return long_remainder<double, uint64_t>(a, b);
}
template <class T>
T exact_fmod(T a, T b) {
  return rest_of(a, b);
}
template <class T>
T exact_mod(T a, T b) {
  const T m = rest_of(a, b);
  if (m == T(0)) return __builtin_copysign(m, b);
  return (m < T(0)) != (b < T(0)) ? m + b : m;
}
template <class T>
T exact_floor_divide(T a, T b) {
  if (b == T(0)) return a / b;
  const T m = rest_of(a, b);
  T q = (a - m) / b;
  if (m != T(0) && (m < T(0)) != (b < T(0))) q -= T(1);
  if (q == T(0)) return __builtin_copysign(T(0), a / b);
  const T f = round_down(q);
  return q - f > T(0.5) ? f + T(1) : f;
}

// a = n b + r, n the integer nearest to their ratio or next to it; both exact unless `odd`.
template <class V>
struct Division {
  V ratio, n, r;
  Mask<V> odd;
};
template <class V>
TAHR_INLINE Division<V> divide(V a, V b) {
  constexpr Lane<V> magic = Traits<V>::magic;
  const V ratio = a / b, n = (ratio + magic) - magic, r = fma(-n, b, a);
  return {ratio, n, r, ~((vabs(ratio) < magic * Lane<V>(0.25)) & (r == r))};
}
template <class V>
TAHR_INLINE Mask<V> signs_differ(V a, V b) {
  return (bits<Mask<V>>(a) ^ bits<Mask<V>>(b)) < 0;
}
template <class V, class F>
TAHR_INLINE V correct(V r, Mask<V> odd, V a, V b, F exact) {
  if (__builtin_expect(any(odd), 0)) {
    for (int i = 0; i < kLanes<Lane<V>>; ++i)
      if (odd[i]) r[i] = exact(static_cast<Lane<V>>(a[i]), static_cast<Lane<V>>(b[i]));
  }
  return r;
}
#define DIVISION(Name, expr, exact)                                                \
  TAHR_EW_FUNCTOR(Name)                                                            \
  template <class V>                                                               \
  TAHR_INLINE V operator()(V a, V b) const {                                       \
    const Division<V> d = divide(a, b);                                            \
    return correct(expr, d.odd, a, b, [](auto x, auto y) { return exact(x, y); }); \
  }                                                                                \
  }                                                                                \
  ;
template <class V>
TAHR_INLINE V toward(const Division<V>& d, V whose_sign, V step) {
  return select((d.r != Lane<V>(0)) & signs_differ(d.r, whose_sign), d.r + step, d.r);
}
template <class V>
TAHR_INLINE V floor_of(const Division<V>& d, V b) {
  const V one = splat<V>(Lane<V>(1));
  const V q = select((d.r != Lane<V>(0)) & signs_differ(d.r, b), d.n - one, d.n);
  return select(q == Lane<V>(0), vcopysign(V{}, d.ratio), q);
}
DIVISION(FloatFloorDivide, floor_of(d, b), exact_floor_divide)
DIVISION(FloatMod, vcopysign(toward(d, b, b), b), exact_mod)
DIVISION(FloatFmod, vcopysign(toward(d, a, vcopysign(b, a)), a), exact_fmod)

// x r^2, r = 1 / cbrt(x) from a third of the exponent and two steps of third order.
TAHR_EW_FUNCTOR(Cbrt)
TAHR_INLINE f32v operator()(f32v x) const {
  const f32v a = vabs(x);
  const i32v tiny = a < FloatTraits<float>::min_normal;
  const f32v s = select(tiny, a * 16777216.f, a);
  const f32v third = __builtin_convertvector(bits<i32v>(s), f32v) * -0.333333333f;
  f32v r = bits<f32v>(__builtin_convertvector(third + 1419967116.f, i32v));
  for (int i = 0; i < 2; ++i) {
    const f32v h = fma(-(s * r), r * r, 1.f);
    r = fma(r * h, fma(h, 0.222222222f, 0.333333333f), r);
  }
  const f32v square = r * r, y = s * square;
  const f32v root = fma(fma(-(y * y), y, s), square * 0.333333333f, y);
  return vcopysign(select(a < kInfinity<float>, select(tiny, root * 0.00390625f, root), a), x);
}
}
;
// sin(pi x) / (pi x), from the distance of x to an integer.
TAHR_EW_FUNCTOR(Sinc)
TAHR_INLINE f32v operator()(f32v x) const {
  f32v t = x;
  const i32v far = ~(vabs(x) < 4194304.f);
  if (__builtin_expect(any(far), 0)) {  // the same within a period; from 2^24 on there are even integers only
    const f32v period = x - 2.f * __builtin_convertvector(__builtin_convertvector(0.5f * x, i32v), f32v);
    t = select(far, select(vabs(x) < 16777216.f, period, x * 0.f), x);
  }
  const Rounded<f32v> n = round_biased(t + FloatTraits<float>::magic);
  const f32v r = t - n.value, z = r * r;
  const f32v s = fma(r * z, poly(z, -1.64493406f, 0.811742246f, -0.1907482f, 0.0261186212f, -0.00223887758f), r);
  const f32v flipped = bits<f32v>(bits<i32v>(s) ^ (bits<i32v>(n.biased) << 31));
  return select(x == 0.f, splat<f32v>(1.f), flipped / x);
}
}
;
#endif

#if TAHR_LOOKUP
template <class T>
void ldexp_loop(void* out, const void* const* in, int64_t n, const double*) {
  using V = Vec<T>;
  constexpr int64_t lanes = kLanes<T>;
  using E = typename VecOf<int32_t, 4 * static_cast<int>(lanes)>::type;
  const T* a = static_cast<const T*>(in[0]);
  const int32_t* e = static_cast<const int32_t*>(in[1]);
  T* r = static_cast<T*>(out);
  const auto times = [](V x, E by) { return scale(x, {V{}, __builtin_convertvector(by, V)}); };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    fetch_ahead(r + i, a + i, e + i);
    store(r + i, times(load<V>(a + i), load<E>(e + i)));
  }
  if (i < n) store_part(r + i, times(load_part<V>(a + i, n - i), load_part<E>(e + i, n - i)), n - i);
}
#endif

#define TWO(Op, T) {Ew::Op, kEwTypeOf<T>, scalar_loop2<Op, T, T>}
#define TO_32_BITS(Op) \
  TWO(Op, uint8_t), TWO(Op, uint16_t), TWO(Op, uint32_t), TWO(Op, int8_t), TWO(Op, int16_t), TWO(Op, int32_t)
#define VECTORS2(Op, F)                                                    \
  {Ew::Op, EwType::F32, vector_loop2<F, float>, stream_loop2<F, float>}, { \
    Ew::Op, EwType::F64, vector_loop2<F, double>, stream_loop2<F, double>  \
  }

constexpr EwEntry kEntries[] = {
    TO_32_BITS(FloorDivide),
    TO_32_BITS(Mod),
    TO_32_BITS(Fmod),
    TO_32_BITS(LeftShift),
    TWO(LeftShift, uint64_t),
    TWO(LeftShift, int64_t),
    TO_32_BITS(RightShift),
    TWO(RightShift, uint64_t),
    TWO(RightShift, int64_t),
    VECTORS2(Nextafter, Nextafter),
    VECTORS2(Heaviside, Heaviside),
    {Ew::RoundDecimals, EwType::F32, round_loop<float>},
    {Ew::RoundDecimals, EwType::F64, round_loop<double>},
#if defined(__FMA__) && !defined(__clang__)
    VECTORS2(FloorDivide, FloatFloorDivide),
    VECTORS2(Mod, FloatMod),
    VECTORS2(Fmod, FloatFmod),
    {Ew::Cbrt, EwType::F32, vector_loop1<Cbrt, float>, stream_loop1<Cbrt, float>},
    {Ew::Sinc, EwType::F32, vector_loop1<Sinc, float>, stream_loop1<Sinc, float>},
#endif
#if TAHR_LOOKUP
    {Ew::Ldexp, EwType::F32, ldexp_loop<float>},
    {Ew::Ldexp, EwType::F64, ldexp_loop<double>},
#endif
};

}  // namespace

const EwEntries& elementwise_number_table() {
  static constexpr EwEntries table{kEntries, sizeof kEntries / sizeof kEntries[0]};
  return table;
}

}  // namespace tahr::TAHR_ISA
