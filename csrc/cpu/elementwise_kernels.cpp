// The CPU kernels of the elementwise family: each op's loop, types and parameters, handed to the driver.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/elementwise.h"
#include "cpu/elementwise_scalar.h"
#include "ops/functions.h"

namespace tahr {
namespace {

EwLoop g_loop[kEwCount][kDTypeCount], g_streamed[kEwCount][kDTypeCount];
float g_ns[kEwCount];

void collect(const EwEntries& entries, float ns) {
  for (size_t i = 0; i < entries.count; ++i) {
    const EwEntry& e = entries.begin[i];
    g_loop[static_cast<int>(e.op)][static_cast<int>(e.type)] = e.loop;
    g_streamed[static_cast<int>(e.op)][static_cast<int>(e.type)] = e.streamed;
    float& cost = g_ns[static_cast<int>(e.op)];
    if (cost == 0 || e.type == EwType::F32) cost = ns;
  }
}

struct Loops {
  static bool has(Ew op, DType t) { return g_loop[static_cast<int>(op)][static_cast<int>(t)] != nullptr; }
};
using Resolver = EwResolver<Loops>;

template <int value, size_t size>
void fill_loop(void* out, const void* const*, int64_t n, const double*) {
  std::memset(out, value, static_cast<size_t>(n) * size);
}
template <int value>
EwLoop fill_of(DType t) {
  switch (size_of(t)) {
    case 1: return fill_loop<value, 1>;
    case 2: return fill_loop<value, 2>;
    case 4: return fill_loop<value, 4>;
    default: return fill_loop<value, 8>;
  }
}

// Fills in the loop of what is resolved.
inline void find_loop(EwCall* call) {
  call->loop = g_loop[static_cast<int>(call->op)][static_cast<int>(call->type)];
  if (call->loop) [[likely]] {
    call->streamed = g_streamed[static_cast<int>(call->op)][static_cast<int>(call->type)];
    call->ns = g_ns[static_cast<int>(call->op)];
    return;
  }
  switch (call->op) {
    case Ew::Cast: call->loop = cast_loop(call->in[0], call->out); break;
    case Ew::Copy: call->loop = cast_loop(call->in[0], call->in[0]); break;
    case Ew::Zero: call->loop = fill_of<0>(call->out); break;
    default: call->loop = fill_of<1>(call->out);
  }
}

// Some powers cost a fraction of the general one, and are exact: the loops below, for 2, 1 and -1.
template <class T>
void first_power(void* out, const void* const* in, int64_t n, const double*) {
  std::memmove(out, in[0], static_cast<size_t>(n) * sizeof(T));
}
struct PowerLoops {
  EwLoop loop, streamed;
};
// The loops for a single exponent, which they find as their parameter; null if it must be spread over a tile.
template <class T>
PowerLoops power_by(T e) {
  if (e == T(1)) return {first_power<T>, nullptr};
  const int op = static_cast<int>(e == T(2) ? Ew::Square : e == T(-1) ? Ew::Reciprocal : Ew::PowerBy);
  constexpr int type = static_cast<int>(DTypeOf<T>::value);
  return {g_loop[op][type], g_streamed[op][type]};
}
template <class T>
void power_by_one(void* out, const void* const* in, int64_t n, const double* params) {
  const T e = *static_cast<const T*>(in[1]);
  const double exponent = static_cast<double>(e);
  if (const EwLoop loop = power_by(e).loop) return loop(out, in, n, &exponent);
  g_loop[static_cast<int>(Ew::Power)][static_cast<int>(DTypeOf<T>::value)](out, in, n, params);
}
// The same for a single base, which it finds as the logarithm to base 2.
EwLoop power_of(double base, DType type, double* log) {
  if (!(base > 0) || base == 1 || std::isinf(base)) return nullptr;
  *log = std::log2(base);
  return g_loop[static_cast<int>(Ew::PowerOf)][static_cast<int>(type)];
}
template <class T>
void power_of_one(void* out, const void* const* in, int64_t n, const double* params) {
  constexpr DType type = DTypeOf<T>::value;
  double log;
  if (const EwLoop loop = power_of(static_cast<double>(*static_cast<const T*>(in[0])), type, &log))
    return loop(out, in + 1, n, &log);
  g_loop[static_cast<int>(Ew::Power)][static_cast<int>(type)](out, in, n, params);
}
void power(const EwSite& s, EwCall* call) {
  Resolver::resolve(Ew::Power, s, call);
  find_loop(call);
  if (!s.one_second && !s.one_first) return;
  call->streamed = nullptr;
  if (call->out == DType::Float32) call->loop = s.one_second ? power_by_one<float> : power_of_one<float>;
  if (call->out == DType::Float64) call->loop = s.one_second ? power_by_one<double> : power_of_one<double>;
}

using EwResolve = void (*)(const EwSite&, EwCall*);

template <Resolver::Resolve f>
void resolved(const EwSite& s, EwCall* call) {
  f(s, call);
  find_loop(call);
}

template <Resolver::Resolve f>
void kernel(const KernelArgs& a) {
  EwCall call;
  resolved<f>({a.in[0].dtype(), a.out[0].dtype(), a.attrs}, &call);
  run_elementwise(a.in, a.out[0], call);
}

// The value of a single base or exponent is at hand: it need not be spread over a tile.
void power_kernel(const KernelArgs& a) {
  const Tensor &base = a.in[0], &exponent = a.in[1];
  EwCall call;
  Resolver::resolve(Ew::Power, {a.in[0].dtype(), a.out[0].dtype(), a.attrs}, &call);
  find_loop(&call);
  if (is_float(a.out[0].dtype()) && exponent.size() == 1 && base.size() == a.out[0].size()) {
    const double e = exponent.item();
    const auto [loop, streamed] = call.out == DType::Float64 ? power_by(e) : power_by(static_cast<float>(e));
    if (loop) {
      call.loop = loop, call.streamed = streamed;
      call.params[0] = e;
      return run_elementwise(a.in.first(1), a.out[0], call);
    }
  } else if (is_float(a.out[0].dtype()) && base.size() == 1 && exponent.size() == a.out[0].size()) {
    const double b = call.out == DType::Float64 ? base.item() : static_cast<double>(static_cast<float>(base.item()));
    if (const EwLoop loop = power_of(b, call.out, &call.params[0])) {
      call.loop = loop, call.streamed = nullptr;
      return run_elementwise(a.in.subspan(1), a.out[0], call);
    }
  }
  run_elementwise(a.in, a.out[0], call);
}

struct Registration {
  const char* op;
  EwResolve resolve;
  KernelFn kernel;
};
#define TAHR_EW(name, ...) {#name, resolved<Resolver::__VA_ARGS__>, kernel<Resolver::__VA_ARGS__>},
constexpr Registration kRegistrations[] = {{"power", power, power_kernel}, TAHR_ELEMENTWISE_OPS(TAHR_EW)};
#undef TAHR_EW

}  // namespace

EwCall elementwise_call(std::string_view op, const EwSite& site) {
  set_elementwise_has(Loops::has);
  for (const Registration& r : kRegistrations) {
    if (op != r.op) continue;
    EwCall call;
    r.resolve(site, &call);
    return call;
  }
  throw_runtime("[", op, "] has no elementwise loop");
}

EwLoop elementwise_loop(Ew op, DType type) { return g_loop[static_cast<int>(op)][static_cast<int>(type)]; }
EwLoop cast_loop(DType from, DType to) {
  return elementwise_cast_table().loop[static_cast<int>(from)][static_cast<int>(to)];
}
double elementwise_ns(Ew op) { return g_ns[static_cast<int>(op)]; }

void register_elementwise_kernels() {
  collect(elementwise_scalar_entries(), 10.0f);
  collect(elementwise_arith_table(), 0.4f);
  collect(elementwise_math_table(), 1.0f);
  collect(elementwise_double_table(), 1.0f);
  collect(elementwise_number_table(), 1.0f);  // what it has takes the place of loops that go one by one
  set_elementwise_has(Loops::has);
  for (const Registration& r : kRegistrations) define_kernel(r.op, DeviceType::CPU, r.kernel);
}

}  // namespace tahr
