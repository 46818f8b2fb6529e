// Elementwise loops without a vector form on some instruction set or on all, over the functions of
// ops/elementwise_functions.h.
#include "cpu/elementwise_scalar.h"

#include <cmath>

#include "core/dtype.h"
#include "ops/elementwise_functions.h"

namespace tahr {
namespace {

using namespace scalar;

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
template <class T>
void round_loop(void* out, const void* const* in, int64_t n, const double* params) {
  const T* a = static_cast<const T*>(in[0]);
  T* r = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) r[i] = round_decimals(a[i], params[0], params[1]);
}
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
#define LONGS2(Op, f) \
  {Ew::Op, EwType::U64, loop2<uint64_t, f<uint64_t>>}, { Ew::Op, EwType::I64, loop2<int64_t, f<int64_t>> }
#define ROUND(Type, T) {Ew::RoundDecimals, EwType::Type, round_loop<T>}

const EwEntry kEntries[] = {
    BOTH2(FloorDivide, floor_divide),
    LONGS2(FloorDivide, floor_divide),
    BOTH2(Mod, mod),
    LONGS2(Mod, mod),
    BOTH2(Fmod, fmod),
    LONGS2(Fmod, fmod),
    INTS2(Power, power),
    {Ew::Power, EwType::F64, loop2<double, power<double>>},
    INTS2(Gcd, gcd),
    INTS2(Lcm, lcm),
    {Ew::Nextafter, EwType::F16, loop2<uint16_t, next_half<0x7c00>>},
    {Ew::Nextafter, EwType::BF16, loop2<uint16_t, next_half<0x7f80>>},
    {Ew::Ldexp, EwType::F32, ldexp_loop<float>},
    {Ew::Ldexp, EwType::F64, ldexp_loop<double>},
    BOTH1(Cbrt, cbrt),
    {Ew::Erfinv, EwType::F64, loop1<double, erfinv>},
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
};

}  // namespace

double one_lgamma(double x) { return scalar::lgamma(x); }
double one_digamma(double x) { return scalar::digamma(x); }
double one_trigamma(double x) { return scalar::trigamma(x); }
double one_power(double x, double y) { return scalar::power(x, y); }

const EwEntries& elementwise_scalar_entries() {
  static const EwEntries entries{kEntries, sizeof kEntries / sizeof kEntries[0]};
  return entries;
}

}  // namespace tahr
