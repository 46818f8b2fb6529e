// Attributes of the optimizer updates, shared by their definitions (ops/optimizer.cpp) and their kernels.
#pragma once

#include "ops/attrs.h"

namespace tahr {

// `count` parameters; `weight_decay` (decoupled) applies to all but those whose indices are in `no_decay`.
#define TAHR_UPDATE_ATTRS(Name, ...) \
  TAHR_ATTRS(Name, TAHR_REQUIRED(count), __VA_ARGS__, TAHR_FIELD(weight_decay), TAHR_FIELD(no_decay))

#define TAHR_UPDATE_MEMBERS  \
  int64_t count = 0;         \
  double weight_decay = 0.0; \
  Ints no_decay;

struct SgdAttrs {
  TAHR_UPDATE_MEMBERS
  double momentum = 0.0;
  bool nesterov = false;
  TAHR_UPDATE_ATTRS(SgdAttrs, TAHR_FIELD(momentum), TAHR_FIELD(nesterov))
};

struct RmspropAttrs {
  TAHR_UPDATE_MEMBERS
  double rho = 0.9;
  double momentum = 0.0;
  double epsilon = 1e-7;
  bool centered = false;
  TAHR_UPDATE_ATTRS(RmspropAttrs, TAHR_FIELD(rho), TAHR_FIELD(momentum), TAHR_FIELD(epsilon), TAHR_FIELD(centered))
};

struct AdamAttrs {
  TAHR_UPDATE_MEMBERS
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  TAHR_UPDATE_ATTRS(AdamAttrs, TAHR_FIELD(beta_1), TAHR_FIELD(beta_2), TAHR_FIELD(epsilon), TAHR_FIELD(amsgrad))
};

// nadam, adamax and lamb
struct MomentAttrs {
  TAHR_UPDATE_MEMBERS
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  TAHR_UPDATE_ATTRS(MomentAttrs, TAHR_FIELD(beta_1), TAHR_FIELD(beta_2), TAHR_FIELD(epsilon))
};

struct LionAttrs {
  TAHR_UPDATE_MEMBERS
  double beta_1 = 0.9;
  double beta_2 = 0.99;
  TAHR_UPDATE_ATTRS(LionAttrs, TAHR_FIELD(beta_1), TAHR_FIELD(beta_2))
};

struct AdadeltaAttrs {
  TAHR_UPDATE_MEMBERS
  double rho = 0.95;
  double epsilon = 1e-7;
  TAHR_UPDATE_ATTRS(AdadeltaAttrs, TAHR_FIELD(rho), TAHR_FIELD(epsilon))
};

struct AdagradAttrs {
  TAHR_UPDATE_MEMBERS
  double epsilon = 1e-7;
  TAHR_UPDATE_ATTRS(AdagradAttrs, TAHR_FIELD(epsilon))
};

struct FtrlAttrs {
  TAHR_UPDATE_MEMBERS
  double learning_rate_power = -0.5;
  double l1_regularization_strength = 0.0;
  double l2_regularization_strength = 0.0;
  double l2_shrinkage_regularization_strength = 0.0;
  double beta = 0.0;
  TAHR_UPDATE_ATTRS(FtrlAttrs, TAHR_FIELD(learning_rate_power), TAHR_FIELD(l1_regularization_strength),
                    TAHR_FIELD(l2_regularization_strength), TAHR_FIELD(l2_shrinkage_regularization_strength),
                    TAHR_FIELD(beta))
};

#undef TAHR_UPDATE_ATTRS
#undef TAHR_UPDATE_MEMBERS

}  // namespace tahr
