// The optimizer rules as plain loops that the compiler vectorises. Formulas and the placement of epsilon are Keras 3's.
#include <cstddef>
#include <cstdint>

#include "cpu/optimizer_table.h"

namespace tahr::TAHR_ISA {
namespace {

inline float root(float x) { return __builtin_sqrtf(x); }
inline double root(double x) { return __builtin_sqrt(x); }
inline float magnitude(float x) { return __builtin_fabsf(x); }
inline double magnitude(double x) { return __builtin_fabs(x); }

template <class T>
void decay(const UpdateScalars<T>& s, size_t n, T* const* state, const T*) {
  const T wd = s.weight_decay, lr = s.lr;
  T* __restrict p = state[0];
  for (size_t i = 0; i < n; ++i) p[i] -= p[i] * wd * lr;
}

template <class T>
void sgd(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T lr = s.lr;
  T* __restrict p = state[0];
  for (size_t i = 0; i < n; ++i) p[i] -= g[i] * lr;
}

template <class T, bool kNesterov>
void sgd_momentum(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T lr = s.lr, momentum = s.momentum;
  T* __restrict p = state[0], * __restrict m = state[1];
  for (size_t i = 0; i < n; ++i) {
    const T step = g[i] * lr;
    const T velocity = m[i] * momentum - step;
    m[i] = velocity;
    p[i] += kNesterov ? velocity * momentum - step : velocity;
  }
}

// Slots: velocity, then momentum if kMomentum, then average_gradient if kCentered.
template <class T, bool kCentered, bool kMomentum>
void rmsprop(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T lr = s.lr, rho = s.rho, rest = s.rho_rest, epsilon = s.epsilon, momentum = s.momentum;
  T* __restrict p = state[0], * __restrict v = state[1];
  T* __restrict m = kMomentum ? state[2] : nullptr;
  T* __restrict mean = kCentered ? state[kMomentum ? 3 : 2] : nullptr;
  for (size_t i = 0; i < n; ++i) {
    const T square = rho * v[i] + rest * (g[i] * g[i]);
    v[i] = square;
    T denominator = square + epsilon;
    if constexpr (kCentered) {
      const T average = rho * mean[i] + rest * g[i];
      mean[i] = average;
      denominator = square - average * average + epsilon;
    }
    T step = lr * g[i] / root(denominator);
    if constexpr (kMomentum) {
      step = momentum * m[i] + step;
      m[i] = step;
    }
    p[i] -= step;
  }
}

// Slots: momentum, velocity, then velocity_hat if kAmsgrad.
template <class T, bool kAmsgrad>
void adam(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T alpha = s.alpha, rest_1 = s.beta_1_rest, rest_2 = s.beta_2_rest, epsilon = s.epsilon;
  T* __restrict p = state[0], * __restrict m = state[1], * __restrict v = state[2];
  T* __restrict v_hat = kAmsgrad ? state[3] : nullptr;
  for (size_t i = 0; i < n; ++i) {
    const T first = m[i] + (g[i] - m[i]) * rest_1;
    T second = v[i] + (g[i] * g[i] - v[i]) * rest_2;
    m[i] = first;
    v[i] = second;
    if constexpr (kAmsgrad) {
      second = v_hat[i] > second ? v_hat[i] : second;
      v_hat[i] = second;
    }
    p[i] -= first * alpha / (root(second) + epsilon);
  }
}

template <class T>
void nadam(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T lr = s.lr, rest_1 = s.beta_1_rest, rest_2 = s.beta_2_rest, epsilon = s.epsilon;
  const T weight_m = s.nadam_m, weight_g = s.nadam_g, divisor_m = s.nadam_m_divisor, divisor_g = s.nadam_g_divisor;
  const T correction = s.beta_2_correction;
  T* __restrict p = state[0], * __restrict m = state[1], * __restrict v = state[2];
  for (size_t i = 0; i < n; ++i) {
    const T first = m[i] + (g[i] - m[i]) * rest_1;
    const T second = v[i] + (g[i] * g[i] - v[i]) * rest_2;
    m[i] = first;
    v[i] = second;
    const T m_hat = weight_m * first / divisor_m + weight_g * g[i] / divisor_g;
    p[i] -= m_hat * lr / (root(second / correction) + epsilon);
  }
}

template <class T>
void adamax(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T lr = s.lr, rest_1 = s.beta_1_rest, beta_2 = s.beta_2, epsilon = s.epsilon, correction = s.beta_1_correction;
  T* __restrict p = state[0], * __restrict m = state[1], * __restrict u = state[2];
  for (size_t i = 0; i < n; ++i) {
    const T first = m[i] + (g[i] - m[i]) * rest_1;
    const T decayed = beta_2 * u[i], now = magnitude(g[i]);
    const T norm = decayed > now ? decayed : now;
    m[i] = first;
    u[i] = norm;
    p[i] -= lr * first / (correction * (norm + epsilon));
  }
}

// Slots: accumulated_grad, accumulated_delta_var.
template <class T>
void adadelta(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T lr = s.lr, rho = s.rho, rest = s.rho_rest, epsilon = s.epsilon;
  T* __restrict p = state[0], * __restrict square = state[1], * __restrict delta = state[2];
  for (size_t i = 0; i < n; ++i) {
    const T now = rho * square[i] + rest * (g[i] * g[i]);
    const T step = -(root(delta[i] + epsilon) * g[i] / root(now + epsilon));
    square[i] = now;
    delta[i] = rho * delta[i] + rest * (step * step);
    p[i] += lr * step;
  }
}

template <class T>
void adagrad(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T lr = s.lr, epsilon = s.epsilon;
  T* __restrict p = state[0], * __restrict sum = state[1];
  for (size_t i = 0; i < n; ++i) {
    const T now = sum[i] + g[i] * g[i];
    sum[i] = now;
    p[i] -= lr * g[i] / root(now + epsilon);
  }
}

template <class T>
void lion(const UpdateScalars<T>& s, size_t n, T* const* state, const T* __restrict g) {
  const T lr = s.lr, beta_1 = s.beta_1, beta_2 = s.beta_2, rest_1 = s.beta_1_rest, rest_2 = s.beta_2_rest;
  T* __restrict p = state[0], * __restrict m = state[1];
  for (size_t i = 0; i < n; ++i) {
    const T direction = m[i] * beta_1 + g[i] * rest_1;
    const T positive = direction > 0 ? T(1) : direction;  // a zero or NaN stays what it is
    const T sign = direction < 0 ? T(-1) : positive;
    p[i] -= lr * sign;
    m[i] = m[i] * beta_2 + g[i] * rest_2;
  }
}

template <class T>
inline T lamb_step(const UpdateScalars<T>& s, T m, T v) {
  return m / s.beta_1_correction / (root(v / s.beta_2_correction) + s.epsilon);
}

template <class T>
void lamb_moments(const UpdateScalars<T>& scalars, size_t n, T* const* state, const T* __restrict g, double* sums) {
  constexpr size_t kWidth = 8;  // partial sums; the same number on every instruction set
  const UpdateScalars<T> s = scalars;
  const T* __restrict p = state[0];
  T* __restrict m = state[1], * __restrict v = state[2];
  double of_p[kWidth] = {}, of_step[kWidth] = {};
  const auto one = [&](size_t i, size_t lane) {
    m[i] += (g[i] - m[i]) * s.beta_1_rest;
    v[i] += (g[i] * g[i] - v[i]) * s.beta_2_rest;
    const double step = lamb_step(s, m[i], v[i]), value = p[i];
    of_p[lane] += value * value;
    of_step[lane] += step * step;
  };
  size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    for (size_t lane = 0; lane < kWidth; ++lane) one(i + lane, lane);
  }
  for (size_t lane = 0; i < n; ++i, ++lane) one(i, lane);
  for (size_t lane = 0; lane < kWidth; ++lane) {
    sums[0] += of_p[lane];
    sums[1] += of_step[lane];
  }
}

template <class T>
void lamb_apply(const UpdateScalars<T>& scalars, size_t n, T* const* state, T ratio_lr) {
  const UpdateScalars<T> s = scalars;
  T* __restrict p = state[0];
  const T* __restrict m = state[1], * __restrict v = state[2];
  for (size_t i = 0; i < n; ++i) p[i] -= ratio_lr * lamb_step(s, m[i], v[i]);
}

template <class T>
constexpr UpdateRules<T> make_rules() {
  return {{decay<T>, sgd<T>, sgd_momentum<T, false>, sgd_momentum<T, true>, rmsprop<T, false, false>,
           rmsprop<T, false, true>, rmsprop<T, true, false>, rmsprop<T, true, true>, adam<T, false>, adam<T, true>,
           nadam<T>, adamax<T>, adadelta<T>, adagrad<T>, lion<T>},
          lamb_moments<T>,
          lamb_apply<T>};
}

}  // namespace

const OptimizerTable& optimizer_table() {
  static constexpr OptimizerTable table{make_rules<float>(), make_rules<double>()};
  return table;
}

}  // namespace tahr::TAHR_ISA
