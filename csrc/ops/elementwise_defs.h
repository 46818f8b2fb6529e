// Shorthand for the elementwise op files only: definitions of one-line ops, and gradients as formulas.
#pragma once

#include "ops/elementwise_attrs.h"
#include "ops/functions.h"

namespace tahr::elementwise {

// The doc of an op: a summary and a doctest of tahr.ops.<call>.numpy(); a call may end in .numpy().round(4) itself
// where instruction sets differ in the last digit.
std::string doc(const char* summary, const char* call, const char* shows);

// Infer functions.
Specs infer_bool(const InferArgs& a);           // broadcast, bool
Specs infer_number(const InferArgs& a);         // as infer_same; bool is an error
Specs infer_bool_to_int32(const InferArgs& a);  // as infer_same; bool gives int32
Specs infer_integer(const InferArgs& a);        // as infer_same; integers only
Specs infer_integer_or_bool(const InferArgs& a);

// The op as an alias: the same definition under another name.
void define_alias(const char* name, const char* of);

inline Tensor u(const char* op, const Tensor& x) { return ops::unary(op, x); }
inline Tensor b(const char* op, const Tensor& x, const Tensor& y) { return ops::binary(op, x, y); }
inline Tensor neg(const Tensor& x) { return ops::negative(x); }
inline Tensor mul(const Tensor& x, const Tensor& y) { return ops::multiply(x, y); }
inline Tensor mul(const Tensor& x, double y) { return ops::multiply(x, y); }
inline Tensor add(const Tensor& x, const Tensor& y) { return ops::add(x, y); }
inline Tensor add(const Tensor& x, double y) { return ops::add(x, y); }
inline Tensor sub(const Tensor& x, const Tensor& y) { return ops::subtract(x, y); }
inline Tensor div(const Tensor& x, const Tensor& y) { return ops::divide(x, y); }
inline Tensor sq(const Tensor& x) { return ops::unary("square", x); }
inline Tensor one_minus(const Tensor& x) { return add(neg(x), 1.0); }
inline Tensor scalar_like(const Tensor& x, double v) { return Tensor::scalar(v, x.dtype()); }
// x where the mask is set, else 0.
inline Tensor keep(const Tensor& mask, const Tensor& x) { return ops::where(mask, x, scalar_like(x, 0)); }
inline Tensor drop(const Tensor& mask, const Tensor& x) { return ops::where(mask, scalar_like(x, 0), x); }
inline Tensor range_grad(const Tensor& dy, const Tensor& x, double low, double high, double scale = 1.0) {
  RangeGradAttrs attrs;
  attrs.low = low, attrs.high = high, attrs.scale = scale;
  return call1(get_op("range_grad"), {dy, x}, attrs);
}

// A vjp of one input by a formula over x (the input), y (the output), dy and the attributes `at` of type A.
#define TAHR_VJP1(formula)                                   \
  [](const VjpArgs& a, std::span<Tensor> dx) {               \
    const Tensor &x = a.in[0], &y = a.out[0], &dy = a.dy[0]; \
    (void)x, (void)y;                                        \
    dx[0] = formula;                                         \
  }
#define TAHR_VJP1_ATTRS(A, formula)                          \
  [](const VjpArgs& a, std::span<Tensor> dx) {               \
    const Tensor &x = a.in[0], &y = a.out[0], &dy = a.dy[0]; \
    const A& at = a.as<A>();                                 \
    (void)x, (void)y;                                        \
    dx[0] = formula;                                         \
  }
// Of two inputs, each summed back over the axes that were broadcast.
#define TAHR_VJP2(formula1, formula2)                                        \
  [](const VjpArgs& a, std::span<Tensor> dx) {                               \
    const Tensor &x1 = a.in[0], &x2 = a.in[1], &y = a.out[0], &dy = a.dy[0]; \
    (void)x1, (void)x2, (void)y;                                             \
    if (a.need(0)) dx[0] = ops::unbroadcast(formula1, a.in_specs[0].shape);  \
    if (a.need(1)) dx[1] = ops::unbroadcast(formula2, a.in_specs[1].shape);  \
  }

// Files of the family.
void define_arithmetic();
void define_logic();
void define_math();
void define_activations();

inline constexpr double kPi = 3.14159265358979323846, kLn2 = 0.69314718055994530942, kLn10 = 2.30258509299404568402,
                        kTwoOverSqrtPi = 1.12837916709551257390;

}  // namespace tahr::elementwise
