// Contracts that C leaves open: integers divided by 0 give 0, as in NumPy; the lowest integer divided by -1 wraps;
// shifts by a negative count, or by at least the width, shift everything out.
#include "cpu/elementwise_scalar.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "core/dtype.h"

namespace tahr {
namespace {

template <class T>
constexpr bool kFloat = std::is_floating_point_v<T>;
template <class T>
using Unsigned = std::make_unsigned_t<T>;

template <class T>
T floor_divide(T a, T b) {
  if constexpr (kFloat<T>) {
    if (b == 0) return a / b;
    const T m = std::fmod(a, b);
    T q = (a - m) / b;
    if (m != 0 && (m < 0) != (b < 0)) q -= 1;
    if (q == 0) return std::copysign(T(0), a / b);
    const T f = std::floor(q);
    return q - f > T(0.5) ? f + 1 : f;
  } else {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return static_cast<T>(Unsigned<T>(0) - static_cast<Unsigned<T>>(a));
    }
    const T q = static_cast<T>(a / b);
    return static_cast<T>(q - (a % b != 0 && (a < 0) != (b < 0)));
  }
}
template <class T>
T fmod(T a, T b) {
  if constexpr (kFloat<T>) {
    return std::fmod(a, b);
  } else {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return static_cast<T>(a % b);
  }
}
template <class T>
T mod(T a, T b) {
  const T m = fmod(a, b);
  if constexpr (kFloat<T>) {
    if (m == 0) return std::copysign(m, b);
  }
  return m != 0 && (m < 0) != (b < 0) ? static_cast<T>(m + b) : m;
}
template <class T>
T power(T a, T b) {
  if constexpr (kFloat<T>) {
    return std::pow(a, b);
  } else {
    if constexpr (std::is_signed_v<T>) {
      if (b < 0) return static_cast<T>(a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0);
    }
    uint64_t r = 1, x = static_cast<uint64_t>(a);
    for (auto e = static_cast<Unsigned<T>>(b); e; e = static_cast<Unsigned<T>>(e >> 1), x *= x) {
      if (e & 1) r *= x;
    }
    return static_cast<T>(r);
  }
}
template <class T>
bool shift_fits(T n) {
  return n >= 0 && static_cast<Unsigned<T>>(n) < 8 * sizeof(T);
}
template <class T>
T left_shift(T a, T n) {
  return shift_fits(n) ? static_cast<T>(static_cast<uint64_t>(a) << n) : T(0);
}
template <class T>
T right_shift(T a, T n) {
  if (shift_fits(n)) return static_cast<T>(a >> n);
  return static_cast<T>(a < 0 ? -1 : 0);
}
template <class T>
Unsigned<T> magnitude(T a) {
  return a < 0 ? static_cast<Unsigned<T>>(Unsigned<T>(0) - static_cast<Unsigned<T>>(a)) : static_cast<Unsigned<T>>(a);
}
template <class T>
T gcd(T a, T b) {
  return static_cast<T>(std::gcd(magnitude(a), magnitude(b)));
}
template <class T>
T lcm(T a, T b) {
  const auto x = magnitude(a), y = magnitude(b);
  if (x == 0 || y == 0) return 0;
  return static_cast<T>(static_cast<uint64_t>(x / std::gcd(x, y)) * y);
}
template <class T>
T heaviside(T a, T b) {
  return a != a ? a : a < 0 ? T(0) : a > 0 ? T(1) : b;
}

// Half precision as ordered integers: neighbours differ by one.
template <uint16_t kInfinity>
uint16_t next_half(uint16_t a, uint16_t b) {
  const uint16_t ma = a & 0x7fff, mb = b & 0x7fff;
  if (ma > kInfinity) return a;
  if (mb > kInfinity) return b;
  if (a == b || (ma == 0 && mb == 0)) return b;
  if (ma == 0) return static_cast<uint16_t>((b & 0x8000) | 1);
  const int x = a & 0x8000 ? -ma : ma, y = b & 0x8000 ? -mb : mb;
  return static_cast<uint16_t>(a + ((x < y) == (x > 0) ? 1 : -1));
}

// ---- special functions, in double ----

// Asymptotic series from 10 on, reached by the recurrence; reflection below 0. Abramowitz and Stegun 6.3, 6.4.
double digamma(double x) {
  if (x <= 0) {
    if (x == std::floor(x)) return std::numeric_limits<double>::quiet_NaN();
    return digamma(1 - x) - M_PI / std::tan(M_PI * x);
  }
  double r = 0;
  for (; x < 10; x += 1) r -= 1 / x;
  const double z = 1 / (x * x);
  const double series =
      z * (1. / 12 - z * (1. / 120 - z * (1. / 252 - z * (1. / 240 - z * (1. / 132 - z * (691. / 32760 - z / 12))))));
  return r + std::log(x) - 0.5 / x - series;
}
double trigamma(double x) {
  if (x <= 0) {
    if (x == std::floor(x)) return std::numeric_limits<double>::infinity();
    const double s = M_PI / std::sin(M_PI * x);
    return s * s - trigamma(1 - x);
  }
  double r = 0;
  for (; x < 10; x += 1) r += 1 / (x * x);
  const double z = 1 / (x * x);
  const double series =
      z * (1. / 6 - z * (1. / 30 - z * (1. / 42 - z * (1. / 30 - z * (5. / 66 - z * (691. / 2730 - z * 7. / 6))))));
  return r + 1 / x + 0.5 * z + series / x;
}
// A first guess good to a few digits (Giles 2012), then Newton's steps on erf or, in the tails, erfc.
double erfinv(double y) {
  if (!(std::fabs(y) < 1)) {
    return std::fabs(y) == 1 ? std::copysign(std::numeric_limits<double>::infinity(), y)
                             : std::numeric_limits<double>::quiet_NaN();
  }
  if (y == 0) return y;
  const double a = std::fabs(y), l = std::log1p(-a * a), t = 2 / (M_PI * 0.147) + 0.5 * l;
  double x = std::sqrt(std::sqrt(t * t - l / 0.147) - t);
  for (int i = 0; i < 4; ++i) {
    const double error = a < 0.5 ? std::erf(x) - a : (1 - a) - std::erfc(x);
    const double step = error / (M_2_SQRTPI * std::exp(-x * x));
    x -= step / (1 + x * step);
  }
  return std::copysign(x, y);
}
// Power series up to 20, asymptotic beyond. Abramowitz and Stegun 9.6.10, 9.7.1.
double bessel_i(int order, double x) {
  const double a = std::fabs(x);
  double sum = 0;
  if (a <= 20) {
    double term = order ? 0.5 * a : 1;
    const double q = 0.25 * a * a;
    for (int k = 1; term > 1e-18 * sum || k < 3; ++k) {
      sum += term;
      term *= q / (static_cast<double>(k) * (k + order));
      if (term == 0) break;
    }
    sum += term;
  } else if (std::isinf(a)) {
    sum = a;
  } else {
    double term = 1;
    const double mu = 4. * order * order;
    for (int k = 1; k < 30 && std::fabs(term) > 1e-17; ++k) {
      sum += term;
      const double odd = 2 * k - 1;
      term *= -(mu - odd * odd) / (k * 8 * a);
    }
    const double root = std::exp(0.5 * a);  // exp(a) in two factors overflows no earlier than the result
    sum = root * (sum / std::sqrt(2 * M_PI * a)) * root;
  }
  return order && x < 0 ? -sum : x != x ? x : sum;
}
double sinc(double x) {
  if (x == 0) return 1;
  const double t = M_PI * x;
  return std::sin(t) / t;
}

// ---- loops ----

template <class T, auto f>
void loop1(void* out, const void* const* in, int64_t n, const double*) {
  const T* a = static_cast<const T*>(in[0]);
  T* r = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) r[i] = static_cast<T>(f(a[i]));
}
template <class T, auto f>
void loop2(void* out, const void* const* in, int64_t n, const double*) {
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  T* r = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) r[i] = static_cast<T>(f(a[i], b[i]));
}
template <class T>
void ldexp_loop(void* out, const void* const* in, int64_t n, const double*) {
  const T* a = static_cast<const T*>(in[0]);
  const int32_t* e = static_cast<const int32_t*>(in[1]);
  T* r = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) r[i] = std::ldexp(a[i], e[i]);
}
// params[0]: 10 to the power of the places.
template <class T>
void round_loop(void* out, const void* const* in, int64_t n, const double* params) {
  const T* a = static_cast<const T*>(in[0]);
  T* r = static_cast<T*>(out);
  const double factor = params[0];
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (kFloat<T>) {
      const T f = static_cast<T>(factor >= 1 ? factor : params[1]), x = a[i];
      const T v = factor >= 1 ? std::nearbyint(x * f) / f : std::nearbyint(x / f) * f;
      r[i] = std::isfinite(v) ? v : x;
    } else {
      r[i] = factor >= 1 ? a[i] : static_cast<T>(std::nearbyint(static_cast<double>(a[i]) / params[1]) * params[1]);
    }
  }
}
template <class T>
T angle(T a) {
  return a != a ? a : std::signbit(a) && a < 0 ? static_cast<T>(M_PI) : T(0);
}
template <class T>
T signed_copy(T a, T b) {
  return std::copysign(a, b);
}
template <class T>
T next(T a, T b) {
  return std::nextafter(a, b);
}

double lgamma(double x) {
  if (x <= 0 && x == std::floor(x)) return std::numeric_limits<double>::infinity();
#if defined(__GLIBC__)
  int sign;
  return ::lgamma_r(x, &sign);
#else
  return std::lgamma(x);
#endif
}
double cbrt(double x) { return std::cbrt(x); }
double erf(double x) { return std::erf(x); }
double erfc(double x) { return std::erfc(x); }
double hypot(double x, double y) { return std::hypot(x, y); }
double gelu(double x) { return 0.5 * x * std::erfc(-x * M_SQRT1_2); }
double gelu_grad(double dy, double x) {
  return dy * (0.5 * std::erfc(-x * M_SQRT1_2) + x * std::exp(-0.5 * x * x) * (0.5 * M_2_SQRTPI * M_SQRT1_2));
}
double i0(double x) { return bessel_i(0, x); }
double i1(double x) { return bessel_i(1, x); }

#define BOTH1(Op, f) \
  {Ew::Op, EwType::F32, loop1<float, f>}, { Ew::Op, EwType::F64, loop1<double, f> }
#define BOTH2(Op, f) \
  {Ew::Op, EwType::F32, loop2<float, f<float>>}, { Ew::Op, EwType::F64, loop2<double, f<double>> }
#define INTS2(Op, f)                                                                                            \
  {Ew::Op, EwType::U8, loop2<uint8_t, f<uint8_t>>}, {Ew::Op, EwType::U16, loop2<uint16_t, f<uint16_t>>},        \
      {Ew::Op, EwType::U32, loop2<uint32_t, f<uint32_t>>}, {Ew::Op, EwType::U64, loop2<uint64_t, f<uint64_t>>}, \
      {Ew::Op, EwType::I8, loop2<int8_t, f<int8_t>>}, {Ew::Op, EwType::I16, loop2<int16_t, f<int16_t>>},        \
      {Ew::Op, EwType::I32, loop2<int32_t, f<int32_t>>}, {                                                      \
    Ew::Op, EwType::I64, loop2<int64_t, f<int64_t>>                                                             \
  }
#define ROUND(Type, T) {Ew::RoundDecimals, EwType::Type, round_loop<T>}

const EwEntry kEntries[] = {
    BOTH2(FloorDivide, floor_divide),
    INTS2(FloorDivide, floor_divide),
    BOTH2(Mod, mod),
    INTS2(Mod, mod),
    BOTH2(Fmod, fmod),
    INTS2(Fmod, fmod),
    INTS2(Power, power),
    {Ew::Power, EwType::F64, loop2<double, power<double>>},
    INTS2(LeftShift, left_shift),
    INTS2(RightShift, right_shift),
    INTS2(Gcd, gcd),
    INTS2(Lcm, lcm),
    BOTH2(Heaviside, heaviside),
    BOTH2(Copysign, signed_copy),
    BOTH2(Nextafter, next),
    {Ew::Nextafter, EwType::F16, loop2<uint16_t, next_half<0x7c00>>},
    {Ew::Nextafter, EwType::BF16, loop2<uint16_t, next_half<0x7f80>>},
    {Ew::Ldexp, EwType::F32, ldexp_loop<float>},
    {Ew::Ldexp, EwType::F64, ldexp_loop<double>},
    {Ew::Angle, EwType::F32, loop1<float, angle<float>>},
    {Ew::Angle, EwType::F64, loop1<double, angle<double>>},
    BOTH1(Cbrt, cbrt),
    BOTH1(Erfinv, erfinv),
    BOTH1(Lgamma, lgamma),
    BOTH1(Digamma, digamma),
    BOTH1(Trigamma, trigamma),
    BOTH1(Sinc, sinc),
    BOTH1(I0, i0),
    BOTH1(I1, i1),
    {Ew::Erf, EwType::F64, loop1<double, erf>},
    {Ew::Erfc, EwType::F64, loop1<double, erfc>},
    {Ew::Hypot, EwType::F64, loop2<double, hypot>},
    {Ew::Gelu, EwType::F64, loop1<double, gelu>},
    {Ew::GeluGrad, EwType::F64, loop2<double, gelu_grad>},
    ROUND(U8, uint8_t),
    ROUND(U16, uint16_t),
    ROUND(U32, uint32_t),
    ROUND(U64, uint64_t),
    ROUND(I8, int8_t),
    ROUND(I16, int16_t),
    ROUND(I32, int32_t),
    ROUND(I64, int64_t),
    ROUND(F32, float),
    ROUND(F64, double),
};

}  // namespace

const EwEntries& elementwise_scalar_entries() {
  static const EwEntries entries{kEntries, sizeof kEntries / sizeof kEntries[0]};
  return entries;
}

}  // namespace tahr
