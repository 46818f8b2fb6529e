// `fused`: a chain of elementwise ops as one program. In a planned graph it is parsed once per node.
#include "cuda/program.h"
#include "ops/fused.h"

namespace tahr::cuda {
namespace {

struct Prepared {
  explicit Prepared(size_t inputs) : program(inputs) {}
  ProgramBuilder program;
  Shape whole;
};

std::shared_ptr<void> prepare(std::span<const Spec> in, std::span<const Spec> out, const void* attrs) {
  const FusedProgram p = parse_fused(static_cast<const FusedAttrs*>(attrs)->program, static_cast<int>(in.size()));
  const Specs values = fused_specs(p, in);
  auto r = std::make_shared<Prepared>(in.size());
  r->whole = fused_shape(p, values);
  // Where the whole is empty, single elements may still be asked for: what they need is single, too.
  const bool empty = r->whole.size() == 0;
  if (empty) r->whole = Shape{};
  std::vector<int> place(values.size(), -1);
  std::vector<char> needed(values.size());
  for (int v : p.outputs) needed[static_cast<size_t>(v)] = !empty || values[static_cast<size_t>(v)].shape.size() == 1;
  for (size_t i = p.code.size(); i-- > 0;) {
    if (!needed[static_cast<size_t>(p.inputs) + i]) continue;
    for (int v : p.code[i].operands) needed[static_cast<size_t>(v)] = 1;
  }
  for (size_t i = 0; i < p.code.size(); ++i) {
    const size_t value = static_cast<size_t>(p.inputs) + i;
    if (!needed[value]) continue;
    const FusedInstruction& ins = p.code[i];
    const DType type = values[value].dtype;
    std::vector<int> operands;
    std::vector<DType> types;
    for (int v : ins.operands) {
      int& at = place[static_cast<size_t>(v)];
      if (at < 0) at = r->program.load(v, in[static_cast<size_t>(v)].dtype);  // an input, where it is first needed
      operands.push_back(at);
      types.push_back(values[static_cast<size_t>(v)].dtype);
    }
    place[value] = r->program.apply(resolve(ins.op->name, {types[0], type, ins.attrs.get()}), operands, types, type);
  }
  for (size_t k = 0; k < p.outputs.size(); ++k) {
    const auto v = static_cast<size_t>(p.outputs[k]);
    if (needed[v]) r->program.store(place[v], static_cast<int>(k), out[k].dtype);
  }
  r->program.finish();
  return r;
}

// For the core, which exceptions of this library do not reach: null, and the kernel throws what is wrong when it runs.
std::shared_ptr<void> prepare_or_null(std::span<const Spec> in, std::span<const Spec> out, const void* attrs) {
  try {
    return prepare(in, out, attrs);
  } catch (const std::exception&) { return nullptr; }
}

void kernel(const KernelArgs& a) {
  std::shared_ptr<void> made;
  const void* prepared = a.prepared;
  if (!prepared) {
    Specs in, out;
    for (const Tensor& t : a.in) in.push_back(t.spec());
    for (const Tensor& t : a.out) out.push_back(t.spec());
    made = prepare(in, out, a.attrs);
    prepared = made.get();
  }
  const auto& p = *static_cast<const Prepared*>(prepared);
  p.program.run(p.whole, a.in, a.out);
}

}  // namespace

void register_fused() { define("fused", kernel, prepare_or_null); }

}  // namespace tahr::cuda
