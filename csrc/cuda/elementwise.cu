// Elementwise ops: kernels of their own where there is one (direct.h), else a program of one computation.
#include "cuda/direct.h"
#include "cuda/program.h"
#include "ops/op.h"

namespace tahr::cuda {
namespace {

constexpr int64_t kMost32 = int64_t{1} << 31;

bool on_the_host(const Tensor& t) { return t.device().is_cpu(); }

uint64_t bits_of(const Tensor& one) {
  uint64_t bits = 0;
  memcpy(&bits, one.raw(), size_of(one.dtype()));
  return bits;
}

bool operand_of(const Tensor& t, const Tensor& out, Operand* o) {
  if (on_the_host(t)) {
    o->spread = Spread::Single;
    o->bits = bits_of(t);
    return true;
  }
  o->data = t.raw();
  o->spread = t.size() == out.size() ? Spread::Contiguous : t.size() == 1 ? Spread::Single : Spread::Cyclic;
  return o->spread != Spread::Cyclic || (out.size() < kMost32 && cycle_of(t.shape(), out.shape(), &o->cycle));
}

Direct find_direct(const EwPlan& plan, std::span<const Tensor> in, DType out) {
  const bool select = plan.op == Ew::Select;
  const DType type = in[select ? 1 : 0].dtype();
  if (plan.op == Ew::Cast) return find_cast(type, out);
  if (plan.type != DType::Float32 && plan.type != DType::Bool && !select) return nullptr;
  if (plan.type == DType::Float32 && !is_float(type)) return nullptr;
  if (plan.type == DType::Bool && type != DType::Bool) return nullptr;
  if (select && in[0].dtype() != DType::Bool) return nullptr;
  for (size_t k = select ? 1 : 0; k < in.size(); ++k) {
    if (in[k].dtype() != type) return nullptr;
  }
  switch (in.size()) {
    case 1: return find_unary(plan.op, type, out);
    case 2: return find_binary(plan.op, type, out);
    default: return find_ternary(plan.op, type, out);
  }
}

// Runs the op if it has a kernel of its own for these tensors.
bool run_direct(const EwPlan& plan, std::span<const Tensor> in, const Tensor& out) {
  const Direct kernel = find_direct(plan, in, out.dtype());
  if (!kernel) return false;
  DirectCall c{};
  c.n = out.size();
  c.out = out.mutable_raw();
  c.params = {static_cast<float>(plan.params[0]), static_cast<float>(plan.params[1]),
              static_cast<float>(plan.params[2])};
  c.wide = aligned(c.out, 16);
  for (size_t k = 0; k < in.size(); ++k) {
    if (!operand_of(in[k], out, &c.in[k])) return false;
    c.wide = c.wide && aligned(c.in[k].data, 16);
  }
  if (in.size() == 1 && (on_the_host(in[0]) || in[0].size() != c.n)) return false;
  kernel(c);
  return true;
}

void run_plan(const KernelArgs& a, const EwPlan& plan) {
  if (a.out[0].size() == 0) return;
  if (run_direct(plan, a.in, a.out[0])) return;
  ProgramBuilder b(a.in.size());
  int values[kEwMaxInputs];
  DType types[kEwMaxInputs];
  for (size_t i = 0; i < a.in.size(); ++i) {
    types[i] = a.in[i].dtype();
    values[i] = on_the_host(a.in[i]) ? b.constant(bits_of(a.in[i]), types[i]) : b.load(static_cast<int>(i), types[i]);
  }
  const int v = b.apply(plan, {values, a.in.size()}, {types, a.in.size()}, a.out[0].dtype());
  b.store(v, 0, a.out[0].dtype());
  b.finish();
  b.run(a.out[0].shape(), a.in, a.out);
}

template <Resolver::Resolve resolve>
void kernel(const KernelArgs& a) {
  EwPlan plan;
  resolve({a.in[0].dtype(), a.out[0].dtype(), a.attrs}, &plan);
  run_plan(a, plan);
}

void power(const EwSite& s, EwPlan* plan) { Resolver::resolve(Ew::Power, s, plan); }

void define_one(const char* op, KernelFn kernel) {
  define(op, kernel);
  take_host_scalars(op);
}

}  // namespace

bool cycle_of(const Shape& shape, const Shape& whole, Cycle* c) {
  int64_t inner = 1, period = 1;
  enum { Inside, Within, Outside } at = Inside;
  for (int d = 1; d <= whole.rank(); ++d) {
    const int64_t w = whole[whole.rank() - d], s = d <= shape.rank() ? shape[shape.rank() - d] : 1;
    if (w == 1) continue;
    if (s == 1) {
      if (at == Inside) inner *= w;
      else at = Outside;
    } else {
      if (at == Outside) return false;
      at = Within;
      period *= s;
    }
  }
  *c = {Divider<int32_t>(inner), Divider<int32_t>(period)};
  return true;
}

void register_elementwise() {
#define TAHR_EW(name, ...) define_one(#name, kernel<Resolver::__VA_ARGS__>);
  TAHR_ELEMENTWISE_OPS(TAHR_EW)
#undef TAHR_EW
  define_one("power", kernel<power>);
}

}  // namespace tahr::cuda
