// Random numbers. The first input of every op is `seed`, an integer tensor (seed, counter): the op draws element i of
// its result from Philox at (seed, counter, i) and keeps no state, so the caller advances the counter between calls.
// As a tensor it may be a variable's value, which a traced function advances by itself.
#include <cmath>
#include <limits>

#include "ops/functions.h"
#include "ops/random_attrs.h"

namespace tahr {
namespace {

void check_seed(const InferArgs& a) {
  const Spec& s = a.in[0];
  if (!is_int(s.dtype) || s.shape.rank() != 1 || (s.shape[0] != 2 && s.shape[0] != kUnknown)) {
    throw_value("[", a.op,
                "] expected seed to be an integer tensor of shape (2,) holding a seed and a counter, received ",
                name_of(s.dtype), " of shape ", s.shape.str(), ".");
  }
}

Shape check_shape(const InferArgs& a, const Ints& dims) {
  for (int64_t d : dims) {
    if (d < 0) {
      throw_value("[", a.op, "] expected a shape of non-negative dimensions, received ", Shape(dims).str(),
                  ". A random tensor needs its whole shape.");
    }
  }
  return Shape(dims);
}

DType check_float(const InferArgs& a, const std::optional<DType>& dtype) {
  const DType d = dtype.value_or(floatx());
  if (!is_float(d)) throw_value("[", a.op, "] expected a floating-point dtype, received ", name_of(d), ".");
  return d;
}

Specs infer_uniform(const InferArgs& a) {
  const auto& p = a.as<UniformAttrs>();
  check_seed(a);
  if (!(p.minval <= p.maxval) || !std::isfinite(p.maxval - p.minval)) {
    throw_value("[", a.op, "] expected finite minval <= maxval, received minval=", p.minval, ", maxval=", p.maxval,
                ".");
  }
  return {{check_shape(a, p.shape), check_float(a, p.dtype)}};
}

Specs infer_normal(const InferArgs& a) {
  const auto& p = a.as<NormalAttrs>();
  check_seed(a);
  if (!(p.stddev >= 0)) throw_value("[", a.op, "] expected stddev >= 0, received ", p.stddev, ".");
  return {{check_shape(a, p.shape), check_float(a, p.dtype)}};
}

Specs infer_randint(const InferArgs& a) {
  const auto& p = a.as<RandintAttrs>();
  check_seed(a);
  if (!is_int(p.dtype)) throw_value("[", a.op, "] expected an integer dtype, received ", name_of(p.dtype), ".");
  if (p.minval >= p.maxval) {
    throw_value("[", a.op, "] expected minval < maxval, received minval=", p.minval, ", maxval=", p.maxval,
                ". maxval itself is never drawn.");
  }
  const int bits = 8 * static_cast<int>(size_of(p.dtype)) - (is_signed_int(p.dtype) ? 1 : 0);
  const int64_t highest = bits >= 63 ? std::numeric_limits<int64_t>::max() : (int64_t{1} << bits) - 1;
  const int64_t lowest = is_signed_int(p.dtype) ? -highest - 1 : 0;
  if (p.minval < lowest || p.maxval - 1 > highest) {
    throw_value("[", a.op, "] expected bounds that fit ", name_of(p.dtype), ", received minval=", p.minval,
                ", maxval=", p.maxval, ". Choose a wider dtype.");
  }
  return {{check_shape(a, p.shape), p.dtype}};
}

// seed, then parameters that broadcast to the result.
Shape sample_shape(const InferArgs& a, const std::optional<Ints>& shape) {
  check_seed(a);
  Shape params;
  for (size_t i = 1; i < a.in.size(); ++i) {
    const Shape before = params;
    if (!broadcast_shapes(before, a.in[i].shape, &params)) {
      throw_value("[", a.op, "] expected parameters whose shapes broadcast together, received ", before.str(), " and ",
                  a.in[i].shape.str(), ".");
    }
  }
  if (!shape) return params;
  const Shape out = check_shape(a, *shape);
  Shape both;
  if (!broadcast_shapes(out, params, &both) || !(both == out)) {
    throw_value("[", a.op, "] expected parameters that broadcast to shape ", out.str(), ", received shape ",
                params.str(), ".");
  }
  return out;
}

Specs infer_sample(const InferArgs& a) {
  const auto& p = a.as<SampleAttrs>();
  const DType dtype = check_float(a, p.dtype);
  return {{sample_shape(a, p.shape), dtype}};
}

Specs infer_bernoulli(const InferArgs& a) {
  const auto& p = a.as<SampleAttrs>();
  return {{sample_shape(a, p.shape), p.dtype.value_or(floatx())}};
}

Specs infer_categorical(const InferArgs& a) {
  const auto& p = a.as<CategoricalAttrs>();
  check_seed(a);
  const Spec& logits = a.in[1];
  if (logits.shape.rank() < 1 || logits.shape.back() == 0 || !is_float(logits.dtype)) {
    throw_value("[", a.op,
                "] expected floating-point logits of shape (..., classes) with at least one class, received ",
                name_of(logits.dtype), " of shape ", logits.shape.str(), ".");
  }
  if (p.num_samples < 0) throw_value("[", a.op, "] expected num_samples >= 0, received ", p.num_samples, ".");
  if (!is_int(p.dtype)) throw_value("[", a.op, "] expected an integer dtype, received ", name_of(p.dtype), ".");
  Shape shape = logits.shape;
  shape[shape.rank() - 1] = p.num_samples;
  return {{shape, p.dtype}};
}

Specs infer_permutation(const InferArgs& a) {
  const auto& p = a.as<PermutationAttrs>();
  check_seed(a);
  if (p.n < 0) throw_value("[", a.op, "] expected n >= 0, received ", p.n, ".");
  if (!is_int(p.dtype)) throw_value("[", a.op, "] expected an integer dtype, received ", name_of(p.dtype), ".");
  return {{Shape{p.n}, p.dtype}};
}

Specs infer_shuffle(const InferArgs& a) {
  check_seed(a);
  if (a.in[1].shape.rank() == 0) throw_value("[", a.op, "] expected a tensor of rank 1 or more, received a scalar.");
  normalize_axis(a.as<ShuffleAttrs>().axis, a.in[1].shape.rank(), a.op);
  return {a.in[1]};
}

// Undoes itself with the opposite flag: the permutation is orthogonal.
void shuffle_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.need(1) || !a.dy[0].defined()) return;
  ShuffleAttrs attrs = a.as<ShuffleAttrs>();
  attrs.inverse = !attrs.inverse;
  static const OpDef& op = get_op("random_shuffle");
  dx[1] = call1(op, {a.in[0], a.dy[0]}, attrs);
}

Specs infer_dropout(const InferArgs& a) {
  const auto& p = a.as<DropoutAttrs>();
  check_seed(a);
  const Spec& x = a.in[1];
  if (!is_float(x.dtype)) {
    throw_value("[", a.op, "] expected a floating-point tensor, received ", name_of(x.dtype), ". Cast it first.");
  }
  if (!(p.rate >= 0 && p.rate <= 1)) throw_value("[", a.op, "] expected rate in [0, 1], received ", p.rate, ".");
  if (p.noise_shape) {
    const Ints& noise = *p.noise_shape;
    bool fits = noise.size() == static_cast<size_t>(x.shape.rank());
    for (size_t i = 0; fits && i < noise.size(); ++i) {
      const int64_t d = x.shape[static_cast<int>(i)];
      fits = noise[i] == 1 || noise[i] == kUnknown || d == kUnknown || noise[i] == d;
    }
    if (!fits) {
      throw_value("[", a.op, "] expected noise_shape to have, for each dimension of ", x.shape.str(),
                  ", that dimension or 1, received ", Shape(noise).str(), ".");
    }
  }
  return {x};
}

// Linear in x with a mask that is drawn again, not stored.
void dropout_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  if (!a.need(1) || !a.dy[0].defined()) return;
  static const OpDef& op = get_op("random_dropout");
  dx[1] = call1(op, {a.in[0], a.dy[0]}, a.as<DropoutAttrs>());
}

constexpr uint32_t kDraw = kRandom | kNoGradient | kHidden;

}  // namespace

void define_random_ops() {
  define_op({.name = "random_uniform",
             .inputs = "seed",
             .doc =
                 "Uniform draws from [minval, maxval).\n\n"
                 "seed: integer tensor (2,), a seed and a counter. Float32 has 24 random bits, float64 53, float16 11, "
                 "bfloat16 8.\nRaises ValueError if minval > maxval.",
             .traits = kDraw,
             .attrs = attr_type<UniformAttrs>(),
             .infer = infer_uniform});
  define_op({.name = "random_normal",
             .inputs = "seed",
             .doc = "Normal draws by the Box-Muller transform.\n\nseed: integer tensor (2,), a seed and a counter.\n\n"
                    "Source: G. Box, M. Muller, \"A note on the generation of random normal deviates\", 1958.",
             .traits = kDraw,
             .attrs = attr_type<NormalAttrs>(),
             .infer = infer_normal});
  define_op({.name = "random_truncated_normal",
             .inputs = "seed",
             .doc = "Normal draws conditioned to lie within two stddev of the mean, by the inverse of the distribution "
                    "function.\n\nseed: integer tensor (2,), a seed and a counter.",
             .traits = kDraw,
             .attrs = attr_type<NormalAttrs>(),
             .infer = infer_normal});
  define_op({.name = "random_randint",
             .inputs = "seed",
             .doc = "Uniform integers from [minval, maxval).\n\nseed: integer tensor (2,), a seed and a counter. "
                    "The probability of a value is off by at most (maxval - minval) / 2**64 of itself.",
             .traits = kDraw,
             .attrs = attr_type<RandintAttrs>(),
             .infer = infer_randint});
  define_op({.name = "random_bernoulli",
             .inputs = "seed, p",
             .doc =
                 "1 with probability p, else 0.\n\nseed: integer tensor (2,), a seed and a counter. p: probabilities, "
                 "broadcast to shape (default: p's own).",
             .traits = kDraw,
             .attrs = attr_type<SampleAttrs>(),
             .infer = infer_bernoulli});
  define_op(
      {.name = "random_gamma",
       .inputs = "seed, alpha",
       .doc = "Gamma draws with shape parameter alpha and scale 1; NaN where alpha <= 0.\n\n"
              "seed: integer tensor (2,), a seed and a counter. alpha: broadcast to shape (default: alpha's own).\n\n"
              "Source: G. Marsaglia, W. Tsang, \"A simple method for generating gamma variables\", 2000.",
       .traits = kDraw,
       .attrs = attr_type<SampleAttrs>(),
       .infer = infer_sample});
  define_op({.name = "random_beta",
             .inputs = "seed, alpha, beta",
             .doc =
                 "Beta draws from two gamma draws: x / (x + y); NaN where a parameter is <= 0.\n\n"
                 "seed: integer tensor (2,), a seed and a counter. alpha, beta: broadcast to shape (default: theirs).",
             .traits = kDraw,
             .attrs = attr_type<SampleAttrs>(),
             .infer = infer_sample});
  define_op({.name = "random_binomial",
             .inputs = "seed, counts, probabilities",
             .doc =
                 "Number of successes in `counts` trials; NaN where counts < 0 or a probability is outside [0, 1].\n\n"
                 "seed: integer tensor (2,), a seed and a counter. counts, probabilities: broadcast to shape.\n\n"
                 "Source: W. Hormann, \"The generation of binomial random variates\", 1993 (BTRS).",
             .traits = kDraw,
             .attrs = attr_type<SampleAttrs>(),
             .infer = infer_sample});
  define_op({.name = "random_categorical",
             .inputs = "seed, logits",
             .doc = "Class indices drawn with probability softmax(logits).\n\nseed: integer tensor (2,), a seed and a "
                    "counter. logits: (..., classes). Returns (..., num_samples).",
             .traits = kDraw,
             .attrs = attr_type<CategoricalAttrs>(),
             .infer = infer_categorical});
  define_op({.name = "random_permutation",
             .inputs = "seed",
             .doc = "The integers 0 to n - 1 in random order.\n\nseed: integer tensor (2,), a seed and a counter.",
             .traits = kDraw,
             .attrs = attr_type<PermutationAttrs>(),
             .infer = infer_permutation});
  define_op({.name = "random_shuffle",
             .inputs = "seed, x",
             .doc =
                 "x with its slices along an axis in random order (that of random_permutation with the same seed).\n\n"
                 "seed: integer tensor (2,), a seed and a counter. inverse: undo such a shuffle.",
             .traits = kRandom | kHidden,
             .attrs = attr_type<ShuffleAttrs>(),
             .infer = infer_shuffle,
             .vjp = shuffle_vjp,
             .saves = save_in(0)});
  define_op({.name = "random_dropout",
             .inputs = "seed, x",
             .doc = "Sets a fraction `rate` of the elements to zero and scales the rest by 1 / (1 - rate).\n\n"
                    "seed: integer tensor (2,), a seed and a counter. noise_shape: the shape of the mask, which "
                    "broadcasts to x; -1 stands for x's dimension.\n\n"
                    "Source: N. Srivastava et al., \"Dropout\", JMLR 2014.",
             .traits = kRandom | kHidden,
             .attrs = attr_type<DropoutAttrs>(),
             .infer = infer_dropout,
             .vjp = dropout_vjp,
             .saves = save_in(0)});
}

}  // namespace tahr
