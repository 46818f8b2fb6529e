// Elementwise functions of single values, for any device: what has no vector form on the CPU, and all GPUs' own.
//
// Contracts that C leaves open: integers divided by 0 give 0, as in NumPy; the lowest integer divided by -1 wraps;
// shifts by a negative count, or by at least the width, shift everything out.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <type_traits>

#include "core/host_device.h"

namespace tahr::scalar {

template <class T>
inline constexpr bool kFloat = std::is_floating_point_v<T>;
template <class T>
using Unsigned = std::make_unsigned_t<T>;

template <class T>
TAHR_HD T floor_divide(T a, T b) {
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
TAHR_HD T fmod(T a, T b) {
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
TAHR_HD T mod(T a, T b) {
  const T m = fmod(a, b);
  if constexpr (kFloat<T>) {
    if (m == 0) return std::copysign(m, b);
  }
  return m != 0 && (m < 0) != (b < 0) ? static_cast<T>(m + b) : m;
}
template <class T>
TAHR_HD T power(T a, T b) {
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
TAHR_HD bool shift_fits(T n) {
  return n >= 0 && static_cast<Unsigned<T>>(n) < 8 * sizeof(T);
}
template <class T>
TAHR_HD T left_shift(T a, T n) {
  return shift_fits(n) ? static_cast<T>(static_cast<uint64_t>(a) << n) : T(0);
}
template <class T>
TAHR_HD T right_shift(T a, T n) {
  if (shift_fits(n)) return static_cast<T>(a >> n);
  return static_cast<T>(a < 0 ? -1 : 0);
}
template <class T>
TAHR_HD Unsigned<T> magnitude(T a) {
  return a < 0 ? static_cast<Unsigned<T>>(Unsigned<T>(0) - static_cast<Unsigned<T>>(a)) : static_cast<Unsigned<T>>(a);
}
template <class T>
TAHR_HD T gcd(T a, T b) {
  return static_cast<T>(std::gcd(magnitude(a), magnitude(b)));
}
template <class T>
TAHR_HD T lcm(T a, T b) {
  const auto x = magnitude(a), y = magnitude(b);
  if (x == 0 || y == 0) return 0;
  return static_cast<T>(static_cast<uint64_t>(x / std::gcd(x, y)) * y);
}
template <class T>
TAHR_HD T heaviside(T a, T b) {
  return a != a ? a : a < 0 ? T(0) : a > 0 ? T(1) : b;
}

// Half precision as ordered integers: neighbours differ by one.
template <uint16_t kInfinity>
TAHR_HD uint16_t next_half(uint16_t a, uint16_t b) {
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
TAHR_HD inline double digamma(double x) {
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
TAHR_HD inline double trigamma(double x) {
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
TAHR_HD inline double erfinv(double y) {
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
TAHR_HD inline double bessel_i(int order, double x) {
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
  return x != x ? x : order ? std::copysign(sum, x) : sum;
}
TAHR_HD inline double sinc(double x) {
  if (x == 0) return 1;
  const double n = std::rint(x), s = std::sin(M_PI * (x - n));  // the distance to an integer is exact
  return (std::fmod(n, 2) == 0 ? s : -s) / (M_PI * x);
}

template <class T>
TAHR_HD T angle(T a) {
  return a != a ? a : std::signbit(a) && a < 0 ? static_cast<T>(M_PI) : T(0);
}
template <class T>
TAHR_HD T signed_copy(T a, T b) {
  return std::copysign(a, b);
}
template <class T>
TAHR_HD T next(T a, T b) {
  return std::nextafter(a, b);
}

TAHR_HD inline double lgamma(double x) {
  if (x <= 0 && x == std::floor(x)) return std::numeric_limits<double>::infinity();
#if defined(__GLIBC__) && !defined(__CUDA_ARCH__)
  int sign;
  return ::lgamma_r(x, &sign);
#else
  return ::lgamma(x);
#endif
}
TAHR_HD inline double cbrt(double x) { return std::cbrt(x); }
TAHR_HD inline double erf(double x) { return std::erf(x); }
TAHR_HD inline double erfc(double x) { return std::erfc(x); }
TAHR_HD inline double hypot(double x, double y) { return std::hypot(x, y); }
TAHR_HD inline double gelu(double x) { return 0.5 * x * std::erfc(-x * M_SQRT1_2); }
TAHR_HD inline double gelu_grad(double dy, double x) {
  return dy * (0.5 * std::erfc(-x * M_SQRT1_2) + x * std::exp(-0.5 * x * x) * (0.5 * M_2_SQRTPI * M_SQRT1_2));
}
TAHR_HD inline double i0(double x) { return bessel_i(0, x); }
TAHR_HD inline double i1(double x) { return bessel_i(1, x); }

// factor: 10 to the power of the places; inverse: its reciprocal.
template <class T>
TAHR_HD T round_decimals(T x, double factor, double inverse) {
  if constexpr (kFloat<T>) {
    const T f = static_cast<T>(factor >= 1 ? factor : inverse);
    const T v = factor >= 1 ? std::nearbyint(x * f) / f : std::nearbyint(x / f) * f;
    return std::isfinite(v) ? v : x;
  } else {
    return factor >= 1 ? x : static_cast<T>(std::nearbyint(static_cast<double>(x) / inverse) * inverse);
  }
}

}  // namespace tahr::scalar
