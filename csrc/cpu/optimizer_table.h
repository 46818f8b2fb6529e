// The optimizer rules: csrc/cpu/isa/optimizer.cpp. Each updates n elements of one parameter and its slots in place.
// Plain IEEE operations in the same order on every instruction set, so the results have the same bits on all.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa.h"

namespace tahr {

// What the rules read; each uses some. Rounded to the type that the update computes in, as Keras casts them.
template <class T>
struct UpdateScalars {
  T lr, weight_decay, epsilon;
  T momentum;                              // sgd, rmsprop
  T rho, rho_rest;                         // rho and 1 - rho
  T beta_1, beta_2;                        //
  T beta_1_rest, beta_2_rest;              // 1 - beta
  T beta_1_correction, beta_2_correction;  // 1 - beta^t
  T alpha;                                 // adam: lr sqrt(1 - beta_2^t) / (1 - beta_1^t)
  T nadam_m, nadam_g;                      // nadam: weights of the moment and of the gradient in m_hat
  T nadam_m_divisor, nadam_g_divisor;
};

enum class UpdateRule : uint8_t {
  Decay,  // p -= p weight_decay lr, before any of the others
  Sgd,
  SgdMomentum,
  SgdNesterov,
  Rmsprop,
  RmspropMomentum,
  RmspropCentered,
  RmspropCenteredMomentum,
  Adam,
  AdamAmsgrad,
  Nadam,
  Adamax,
  Adadelta,
  Adagrad,
  Lion,
  Count,
};
inline constexpr int kUpdateRules = static_cast<int>(UpdateRule::Count);

// state[0] is the parameter, then its slots in the order of the op's inputs.
template <class T>
using UpdateFn = void (*)(const UpdateScalars<T>& s, size_t n, T* const* state, const T* g);

// Lamb needs the norms of the whole parameter and of its whole step: moments first, adding up the squares in double
// (sums[0] of p, sums[1] of the step), then the step scaled by `ratio_lr` = lr |p| / |step|.
template <class T>
using LambMomentsFn = void (*)(const UpdateScalars<T>& s, size_t n, T* const* state, const T* g, double* sums);
template <class T>
using LambApplyFn = void (*)(const UpdateScalars<T>& s, size_t n, T* const* state, T ratio_lr);

template <class T>
struct UpdateRules {
  UpdateFn<T> rule[kUpdateRules];
  LambMomentsFn<T> lamb_moments;
  LambApplyFn<T> lamb_apply;
};

struct OptimizerTable {
  UpdateRules<float> f32;
  UpdateRules<double> f64;
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(OptimizerTable, optimizer_table)
