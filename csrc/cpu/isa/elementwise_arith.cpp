// Arithmetic, comparisons, bits, rounding and piecewise activations: one scalar expression each, vectorised by the
// compiler. Integers wrap; NaN goes through maximum, minimum and clip, and is skipped by fmax and fmin.
#include "cpu/isa/elementwise_loop.h"

namespace tahr::TAHR_ISA {
namespace {

// `Name` with call operator `expr` over a (and b, c); p0, p1, p2 are the op's parameters.
#define AS(x) static_cast<T>(x)

TAHR_INLINE float absolute(float a) { return __builtin_fabsf(a); }
TAHR_INLINE double absolute(double a) { return __builtin_fabs(a); }
TAHR_INLINE float square_root(float a) { return __builtin_sqrtf(a); }
TAHR_INLINE double square_root(double a) { return __builtin_sqrt(a); }
TAHR_INLINE float floor(float a) { return __builtin_floorf(a); }
TAHR_INLINE double floor(double a) { return __builtin_floor(a); }
TAHR_INLINE float ceil(float a) { return __builtin_ceilf(a); }
TAHR_INLINE double ceil(double a) { return __builtin_ceil(a); }
TAHR_INLINE float trunc(float a) { return __builtin_truncf(a); }
TAHR_INLINE double trunc(double a) { return __builtin_trunc(a); }
TAHR_INLINE float rint(float a) { return __builtin_rintf(a); }
TAHR_INLINE double rint(double a) { return __builtin_rint(a); }

TAHR_INLINE float with_sign(float a, float b) { return __builtin_copysignf(a, b); }
TAHR_INLINE double with_sign(double a, double b) { return __builtin_copysign(a, b); }

EW2(Add, AS(a + b))
EW2(Subtract, AS(a - b))
EW2(Multiply, AS(a* b))
EW2(MultiplyInt, AS(uint64_t{a} * b))  // on unsigned types: narrow ones must not become int
EW2(Divide, a / b)
EW2(DivideNoNan, b == T(0) ? T(0) : a / b)
EW2(Maximum, a > b || a != a ? a : b)
EW2(Minimum, a < b || a != a ? a : b)
EW2(Fmax, a >= b || b != b ? a : b)
EW2(Fmin, a <= b || b != b ? a : b)
EW2(Equal, a == b)
EW2(NotEqual, a != b)
EW2(Less, a < b)
EW2(LessEqual, a <= b)
EW2(Greater, a > b)
EW2(GreaterEqual, a >= b)
EW2(BitAnd, AS(a& b))
EW2(BitOr, AS(a | b))
EW2(BitXor, AS(a ^ b))

EW2(Copysign, with_sign(a, b))

EW1(Negative, AS(-a))
EW1(Angle, a != a ? a : a < T(0) ? AS(3.14159265358979323846) : T(0))
EW1(NegativeInt, AS(uint64_t{0} - a))
EW1(Absolute, absolute(a))
EW1(AbsoluteInt, AS(a < T(0) ? uint64_t{0} - static_cast<uint64_t>(a) : static_cast<uint64_t>(a)))
EW1(Same, a)
EW1(Sign, a != a ? a : AS((a > T(0)) - (a < T(0))))
EW1(Square, AS(a* a))
EW1(SquareInt, AS(uint64_t{a} * a))
EW1(Sqrt, square_root(a))
EW1(Reciprocal, T(1) / a)
EW1P(Scale, a* AS(p0))
EW1(Floor, floor(a))
EW1(Ceil, ceil(a))
EW1(Trunc, trunc(a))
EW1(Rint, rint(a))
EW1(IsNan, a != a)
EW1(IsInf, absolute(a) == AS(__builtin_inf()))
EW1(IsFinite, absolute(a) < AS(__builtin_inf()))
EW1(IsPosInf, a == AS(__builtin_inf()))
EW1(IsNegInf, a == AS(-__builtin_inf()))
TAHR_EW_FUNCTOR(Signbit)
TAHR_INLINE bool operator()(float a) const { return bits<int32_t>(a) < 0; }
TAHR_INLINE bool operator()(double a) const { return bits<int64_t>(a) < 0; }
};
EW1(Below0, a < T(0))
EW1(BitNot, AS(~a))
EW1(LogicalNot, AS(a ^ 1))

// Activations; at a kink the value is that of the flat side, and so is the gradient.
EW1(Relu, a < T(0) ? T(0) : a)
EW1(Relu6, a<T(0) ? T(0) : a> T(6) ? T(6) : a)
EW1(HardTanh, a<T(-1) ? T(-1) : a> T(1) ? T(1) : a)
EW1P(LeakyRelu, a < T(0) ? a * AS(p0) : a)
template <class T>
TAHR_INLINE T hard_sigmoid(T a) {
  const T y = (a + T(3)) * T(1. / 6);
  return y < T(0) ? T(0) : y > T(1) ? T(1) : y;
}
EW1(HardSigmoid, hard_sigmoid(a))
EW1(HardSilu, a* hard_sigmoid(a))
EW1P(HardShrink, a >= AS(-p0) && a <= AS(p0) ? T(0) : a)
EW1P(SoftShrink, a > AS(p0) ? a - AS(p0) : a < AS(-p0) ? a + AS(p0) : a != a ? a : T(0))
EW1P(Threshold, a > AS(p0) ? a : AS(p1))
EW1(Softsign, a / (absolute(a) + T(1)))
EW1P(Squareplus, T(0.5) * (a + square_root(a * a + AS(p0))))
EW1(SparsePlus, a <= T(-1) ? T(0) : a >= T(1) ? a : T(0.25) * (a + T(1)) * (a + T(1)))
EW1(SparseSigmoid, a <= T(-1) ? T(0) : a >= T(1) ? T(1) : T(0.5) * (a + T(1)))
EW1P(NanToNum, a != a ? AS(p0) : a == AS(__builtin_inf()) ? AS(p1) : a == AS(-__builtin_inf()) ? AS(p2) : a)

// Gradients, first input dy.
EW2P(RangeGrad, b > AS(p0) && b < AS(p1) ? a * AS(p2) : T(0))
EW2P(LeakyReluGrad, b > T(0) ? a : a * AS(p0))
EW2(TanhGrad, a*(T(1) - b * b))
EW2(SigmoidGrad, a*(b*(T(1) - b)))

TAHR_EW_FUNCTOR(Clip)
template <class T>
TAHR_INLINE T operator()(T a, T low, T high) const {
  const T t = a < low || low != low ? low : a;
  return t > high || high != high ? high : t;
}
};

template <class T>
void select_loop(void* out, const void* const* in, int64_t n, const double*) {
  const uint8_t* c = static_cast<const uint8_t*>(in[0]);
  const T *a = static_cast<const T*>(in[1]), *b = static_cast<const T*>(in[2]);
  T* r = static_cast<T*>(out);
  TAHR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) r[i] = c[i] ? a[i] : b[i];
}
void select_doubles_streamed(void* out, const void* const* in, int64_t n, const double*) {
  const uint8_t* c = static_cast<const uint8_t*>(in[0]);
  const uint64_t *a = static_cast<const uint64_t*>(in[1]), *b = static_cast<const uint64_t*>(in[2]);
  const auto one = [=](int64_t i) __attribute__((always_inline)) { return c[i] ? a[i] : b[i]; };
  stream_blocks(static_cast<uint64_t*>(out), n, one, a, b);
}
template <uint8_t value>
void constant_loop(void* out, const void* const*, int64_t n, const double*) {
  uint8_t* r = static_cast<uint8_t*>(out);
  for (int64_t i = 0; i < n; ++i) r[i] = value;
}

// Entries of the table. S: the stored type, C: the type computed on.
#define E1(Op, F, R, S, C) {Ew::Op, kEwTypeOf<S>, scalar_loop1<F, R, C>}
#define E2(Op, F, R, S, C) {Ew::Op, kEwTypeOf<S>, scalar_loop2<F, R, C>}
// Doubles past the cache from registers: in tiles they reach 25 GB/s of 29, floats all of it.
#define FLOATS1(Op) \
  E1(Op, Op, float, float, float), { Ew::Op, EwType::F64, scalar_loop1<Op, double, double>, scalar_stream1<Op, double> }
#define FLOATS2(Op) \
  E2(Op, Op, float, float, float), { Ew::Op, EwType::F64, scalar_loop2<Op, double, double>, scalar_stream2<Op, double> }
#define TEST1(Op) E1(Op, Op, uint8_t, float, float), E1(Op, Op, uint8_t, double, double)
#define SIGNED(E, Op, F)                                                                                      \
  E(Op, F, int8_t, int8_t, int8_t), E(Op, F, int16_t, int16_t, int16_t), E(Op, F, int32_t, int32_t, int32_t), \
      E(Op, F, int64_t, int64_t, int64_t)
#define UNSIGNED(E, Op, F)                                                                                             \
  E(Op, F, uint8_t, uint8_t, uint8_t), E(Op, F, uint16_t, uint16_t, uint16_t), E(Op, F, uint32_t, uint32_t, uint32_t), \
      E(Op, F, uint64_t, uint64_t, uint64_t)
#define SIGNED_AS_UNSIGNED(E, Op, F)                                                                                \
  E(Op, F, uint8_t, int8_t, uint8_t), E(Op, F, uint16_t, int16_t, uint16_t), E(Op, F, uint32_t, int32_t, uint32_t), \
      E(Op, F, uint64_t, int64_t, uint64_t)
#define WRAPPING(E, Op, F) UNSIGNED(E, Op, F), SIGNED_AS_UNSIGNED(E, Op, F)
#define INTS(E, Op, F) UNSIGNED(E, Op, F), SIGNED(E, Op, F)
#define BOOL1(Op, F) {Ew::Op, EwType::Bool, scalar_loop1<F, uint8_t, uint8_t>}
#define BOOL2(Op, F) {Ew::Op, EwType::Bool, scalar_loop2<F, uint8_t, uint8_t>}
#define COMPARE(Op)                                                                                                    \
  BOOL2(Op, Op), E2(Op, Op, uint8_t, uint8_t, uint8_t), E2(Op, Op, uint8_t, uint16_t, uint16_t),                       \
      E2(Op, Op, uint8_t, uint32_t, uint32_t), E2(Op, Op, uint8_t, uint64_t, uint64_t),                                \
      E2(Op, Op, uint8_t, int8_t, int8_t), E2(Op, Op, uint8_t, int16_t, int16_t),                                      \
      E2(Op, Op, uint8_t, int32_t, int32_t), E2(Op, Op, uint8_t, int64_t, int64_t), E2(Op, Op, uint8_t, float, float), \
      E2(Op, Op, uint8_t, double, double)
#define CONSTANT(Op, value)                                                                       \
  {Ew::Op, EwType::Bool, constant_loop<value>}, {Ew::Op, EwType::U8, constant_loop<value>},       \
      {Ew::Op, EwType::U16, constant_loop<value>}, {Ew::Op, EwType::U32, constant_loop<value>},   \
      {Ew::Op, EwType::U64, constant_loop<value>}, {Ew::Op, EwType::I8, constant_loop<value>},    \
      {Ew::Op, EwType::I16, constant_loop<value>}, {Ew::Op, EwType::I32, constant_loop<value>}, { \
    Ew::Op, EwType::I64, constant_loop<value>                                                     \
  }
#define CLIP(T) {Ew::Clip, kEwTypeOf<T>, scalar_loop3<Clip, T, T>}
#define SELECT(Type, T) {Ew::Select, EwType::Type, select_loop<T>}

constexpr EwEntry kEntries[] = {
    FLOATS2(Add),
    WRAPPING(E2, Add, Add),
    BOOL2(Add, BitOr),
    FLOATS2(Subtract),
    WRAPPING(E2, Subtract, Subtract),
    FLOATS2(Multiply),
    WRAPPING(E2, Multiply, MultiplyInt),
    BOOL2(Multiply, BitAnd),
    FLOATS2(Divide),
    FLOATS2(DivideNoNan),
    FLOATS2(Maximum),
    INTS(E2, Maximum, Maximum),
    BOOL2(Maximum, BitOr),
    FLOATS2(Minimum),
    INTS(E2, Minimum, Minimum),
    BOOL2(Minimum, BitAnd),
    FLOATS2(Fmax),
    INTS(E2, Fmax, Maximum),
    BOOL2(Fmax, BitOr),
    FLOATS2(Fmin),
    INTS(E2, Fmin, Minimum),
    BOOL2(Fmin, BitAnd),
    COMPARE(Equal),
    COMPARE(NotEqual),
    COMPARE(Less),
    COMPARE(LessEqual),
    COMPARE(Greater),
    COMPARE(GreaterEqual),
    UNSIGNED(E2, BitAnd, BitAnd),
    SIGNED_AS_UNSIGNED(E2, BitAnd, BitAnd),
    BOOL2(BitAnd, BitAnd),
    UNSIGNED(E2, BitOr, BitOr),
    SIGNED_AS_UNSIGNED(E2, BitOr, BitOr),
    BOOL2(BitOr, BitOr),
    UNSIGNED(E2, BitXor, BitXor),
    SIGNED_AS_UNSIGNED(E2, BitXor, BitXor),
    BOOL2(BitXor, BitXor),
    WRAPPING(E1, BitNot, BitNot),
    BOOL1(BitNot, LogicalNot),
    BOOL1(LogicalNot, LogicalNot),
    FLOATS2(Copysign),
    FLOATS1(Angle),
    FLOATS1(Negative),
    WRAPPING(E1, Negative, NegativeInt),
    FLOATS1(Absolute),
    SIGNED(E1, Absolute, AbsoluteInt),
    UNSIGNED(E1, Absolute, Same),
    BOOL1(Absolute, Same),
    FLOATS1(Sign),
    INTS(E1, Sign, Sign),
    FLOATS1(Square),
    WRAPPING(E1, Square, SquareInt),
    FLOATS1(Sqrt),
    FLOATS1(Reciprocal),
    FLOATS1(Scale),
    FLOATS1(Floor),
    FLOATS1(Ceil),
    FLOATS1(Trunc),
    INTS(E1, Trunc, Same),
    BOOL1(Trunc, Same),
    FLOATS1(Rint),
    TEST1(IsNan),
    CONSTANT(IsNan, 0),
    TEST1(IsInf),
    CONSTANT(IsInf, 0),
    TEST1(IsFinite),
    CONSTANT(IsFinite, 1),
    TEST1(IsPosInf),
    CONSTANT(IsPosInf, 0),
    TEST1(IsNegInf),
    CONSTANT(IsNegInf, 0),
    TEST1(Signbit),
    BOOL1(Signbit, Below0),
    E1(Signbit, Below0, uint8_t, uint8_t, uint8_t),
    E1(Signbit, Below0, uint8_t, uint16_t, uint16_t),
    E1(Signbit, Below0, uint8_t, uint32_t, uint32_t),
    E1(Signbit, Below0, uint8_t, uint64_t, uint64_t),
    E1(Signbit, Below0, uint8_t, int8_t, int8_t),
    E1(Signbit, Below0, uint8_t, int16_t, int16_t),
    E1(Signbit, Below0, uint8_t, int32_t, int32_t),
    E1(Signbit, Below0, uint8_t, int64_t, int64_t),
    FLOATS1(Relu),
    INTS(E1, Relu, Relu),
    FLOATS1(Relu6),
    FLOATS1(HardTanh),
    FLOATS1(LeakyRelu),
    FLOATS1(HardSigmoid),
    FLOATS1(HardSilu),
    FLOATS1(HardShrink),
    FLOATS1(SoftShrink),
    FLOATS1(Threshold),
    FLOATS1(Softsign),
    FLOATS1(Squareplus),
    FLOATS1(SparsePlus),
    FLOATS1(SparseSigmoid),
    FLOATS1(NanToNum),
    FLOATS2(RangeGrad),
    FLOATS2(LeakyReluGrad),
    FLOATS2(TanhGrad),
    FLOATS2(SigmoidGrad),
    CLIP(float),
    {Ew::Clip, EwType::F64, scalar_loop3<Clip, double, double>, scalar_stream3<Clip, double>},
    CLIP(uint8_t),
    CLIP(uint16_t),
    CLIP(uint32_t),
    CLIP(uint64_t),
    CLIP(int8_t),
    CLIP(int16_t),
    CLIP(int32_t),
    CLIP(int64_t),
    SELECT(Bool, uint8_t),
    SELECT(U8, uint8_t),
    SELECT(U16, uint16_t),
    SELECT(U32, uint32_t),
    SELECT(U64, uint64_t),
    SELECT(I8, uint8_t),
    SELECT(I16, uint16_t),
    SELECT(I32, uint32_t),
    SELECT(I64, uint64_t),
    SELECT(F16, uint16_t),
    SELECT(BF16, uint16_t),
    SELECT(F32, uint32_t),
    {Ew::Select, EwType::F64, select_loop<uint64_t>, select_doubles_streamed},
};

}  // namespace

const EwEntries& elementwise_arith_table() {
  static constexpr EwEntries table{kEntries, sizeof kEntries / sizeof kEntries[0]};
  return table;
}

}  // namespace tahr::TAHR_ISA
