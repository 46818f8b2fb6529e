// Attributes of the recurrent ops. `needs`: which inputs of the forward op want their gradient, bit by bit.
#pragma once

#include "ops/attrs.h"

namespace tahr {

struct SimpleRnnAttrs {
  std::string activation = "tanh";
  bool go_backwards = false;
  TAHR_ATTRS(SimpleRnnAttrs, TAHR_FIELD(activation), TAHR_FIELD(go_backwards))
};

struct SimpleRnnGradAttrs {
  std::string activation = "tanh";
  bool go_backwards = false;
  int64_t needs = 0;
  TAHR_ATTRS(SimpleRnnGradAttrs, TAHR_FIELD(activation), TAHR_FIELD(go_backwards), TAHR_FIELD(needs))
};

struct LstmAttrs {
  std::string activation = "tanh";
  std::string recurrent_activation = "sigmoid";
  bool go_backwards = false;
  TAHR_ATTRS(LstmAttrs, TAHR_FIELD(activation), TAHR_FIELD(recurrent_activation), TAHR_FIELD(go_backwards))
};

struct LstmGradAttrs {
  std::string activation = "tanh";
  std::string recurrent_activation = "sigmoid";
  bool go_backwards = false;
  int64_t needs = 0;
  TAHR_ATTRS(LstmGradAttrs, TAHR_FIELD(activation), TAHR_FIELD(recurrent_activation), TAHR_FIELD(go_backwards),
             TAHR_FIELD(needs))
};

struct GruAttrs {
  std::string activation = "tanh";
  std::string recurrent_activation = "sigmoid";
  bool reset_after = true;
  bool go_backwards = false;
  TAHR_ATTRS(GruAttrs, TAHR_FIELD(activation), TAHR_FIELD(recurrent_activation), TAHR_FIELD(reset_after),
             TAHR_FIELD(go_backwards))
};

struct GruGradAttrs {
  std::string activation = "tanh";
  std::string recurrent_activation = "sigmoid";
  bool reset_after = true;
  bool go_backwards = false;
  int64_t needs = 0;
  TAHR_ATTRS(GruGradAttrs, TAHR_FIELD(activation), TAHR_FIELD(recurrent_activation), TAHR_FIELD(reset_after),
             TAHR_FIELD(go_backwards), TAHR_FIELD(needs))
};

// The functions that the kernels know by name.
inline constexpr const char* kRnnActivations[] = {"linear", "tanh", "sigmoid", "relu", "hard_sigmoid"};

}  // namespace tahr
