// Elementwise ops: each a program of one computation.
#include "cuda/program.h"
#include "ops/op.h"

namespace tahr::cuda {
namespace {

void run_plan(const KernelArgs& a, const EwPlan& plan) {
  ProgramBuilder b(a.in.size());
  int values[kEwMaxInputs];
  DType types[kEwMaxInputs];
  for (size_t i = 0; i < a.in.size(); ++i) {
    types[i] = a.in[i].dtype();
    values[i] = b.load(static_cast<int>(i), types[i]);
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

}  // namespace

void register_elementwise() {
#define TAHR_EW(name, ...) define(#name, kernel<Resolver::__VA_ARGS__>);
  TAHR_ELEMENTWISE_OPS(TAHR_EW)
#undef TAHR_EW
  define("power", kernel<power>);
}

}  // namespace tahr::cuda
