// Attributes of the random family, shared by its definitions (ops/random.cpp) and its kernels.
#pragma once

#include "ops/attrs.h"

namespace tahr {

struct UniformAttrs {
  Ints shape;
  double minval = 0.0;
  double maxval = 1.0;
  std::optional<DType> dtype;
  TAHR_ATTRS(UniformAttrs, TAHR_REQUIRED(shape), TAHR_FIELD(minval), TAHR_FIELD(maxval), TAHR_FIELD(dtype))
};

struct NormalAttrs {
  Ints shape;
  double mean = 0.0;
  double stddev = 1.0;
  std::optional<DType> dtype;
  TAHR_ATTRS(NormalAttrs, TAHR_REQUIRED(shape), TAHR_FIELD(mean), TAHR_FIELD(stddev), TAHR_FIELD(dtype))
};

struct RandintAttrs {
  Ints shape;
  int64_t minval = 0;
  int64_t maxval = 0;
  DType dtype = DType::Int32;
  TAHR_ATTRS(RandintAttrs, TAHR_REQUIRED(shape), TAHR_REQUIRED(minval), TAHR_REQUIRED(maxval), TAHR_FIELD(dtype))
};

// Distributions whose parameters are tensors. No shape: that of the parameters broadcast together.
struct SampleAttrs {
  std::optional<Ints> shape;
  std::optional<DType> dtype;
  TAHR_ATTRS(SampleAttrs, TAHR_FIELD(shape), TAHR_FIELD(dtype))
};

struct CategoricalAttrs {
  int64_t num_samples = 1;
  DType dtype = DType::Int32;
  TAHR_ATTRS(CategoricalAttrs, TAHR_REQUIRED(num_samples), TAHR_FIELD(dtype))
};

struct PermutationAttrs {
  int64_t n = 0;
  DType dtype = DType::Int64;
  TAHR_ATTRS(PermutationAttrs, TAHR_REQUIRED(n), TAHR_FIELD(dtype))
};

struct ShuffleAttrs {
  int64_t axis = 0;
  bool inverse = false;
  TAHR_ATTRS(ShuffleAttrs, TAHR_FIELD(axis), TAHR_FIELD(inverse))
};

struct DropoutAttrs {
  double rate = 0.5;
  std::optional<Ints> noise_shape;
  TAHR_ATTRS(DropoutAttrs, TAHR_REQUIRED(rate), TAHR_FIELD(noise_shape))
};

}  // namespace tahr
