// `fused`: a chain of elementwise ops as one program. In a planned graph it is parsed once per node, and compiled by
// NVRTC where that is installed (jit.h). Else it is interpreted; programs beyond the interpreter's limits in parts,
// between which values lie in memory.
#include <algorithm>
#include <cstdio>
#include <map>

#include "cuda/dispatch.h"
#include "cuda/jit.h"
#include "cuda/nvrtc.h"
#include "cuda/program.h"
#include "ops/fused.h"

namespace tahr::cuda {
namespace {

// Instructions [begin, end) of a fused program. Values: first its inputs, then its results.
struct Part {
  ProgramBuilder program{0};
  std::vector<int> in, out;  // values
};

struct Prepared {
  FusedProgram source;
  Specs values;
  std::vector<char> needed;  // of values
  Shape whole;
  std::vector<Part> parts;
  Part all;  // in one, for `compiled`
  std::shared_ptr<JitProgram> compiled;

  bool single(int v) const { return values[static_cast<size_t>(v)].shape.size() == 1; }
  bool make_part(size_t begin, size_t end, Part* part) const;
  void split(size_t begin, size_t end);
};

// Whether the interpreter can take it.
bool Prepared::make_part(size_t begin, size_t end, Part* part) const {
  const size_t first = static_cast<size_t>(source.inputs) + begin, past = static_cast<size_t>(source.inputs) + end;
  const auto inside = [&](int v) { return static_cast<size_t>(v) >= first && static_cast<size_t>(v) < past; };
  const auto instruction = [&](size_t value) -> const FusedInstruction& {
    return source.code[value - static_cast<size_t>(source.inputs)];
  };
  std::vector<char> wanted(values.size());  // by later parts, or returned
  for (int v : source.outputs) wanted[static_cast<size_t>(v)] = 1;
  for (size_t v = past; v < values.size(); ++v) {
    if (!needed[v]) continue;
    for (int operand : instruction(v).operands) wanted[static_cast<size_t>(operand)] = 1;
  }
  std::map<int, int> place;
  for (size_t v = first; v < past; ++v) {
    if (!needed[v]) continue;
    for (int operand : instruction(v).operands) {
      if (!inside(operand) && place.emplace(operand, -1).second) part->in.push_back(operand);
    }
  }
  part->program = ProgramBuilder(part->in.size());
  ProgramBuilder& b = part->program;
  std::map<int, int> inputs;
  for (size_t k = 0; k < part->in.size(); ++k) inputs[part->in[k]] = static_cast<int>(k);
  for (size_t v = first; v < past; ++v) {
    if (!needed[v]) continue;
    const FusedInstruction& ins = instruction(v);
    const DType type = values[v].dtype;
    std::vector<int> operands;
    std::vector<DType> types;
    for (int operand : ins.operands) {
      int& at = place[operand];
      if (at < 0) at = b.load(inputs[operand], values[static_cast<size_t>(operand)].dtype);  // where it is first needed
      operands.push_back(at);
      types.push_back(values[static_cast<size_t>(operand)].dtype);
    }
    place[static_cast<int>(v)] =
        b.apply(resolve(ins.op->name, {types[0], type, ins.attrs.get()}), operands, types, type);
  }
  for (size_t v = first; v < past; ++v) {
    if (!needed[v] || !wanted[v]) continue;
    b.store(place[static_cast<int>(v)], static_cast<int>(part->out.size()), values[v].dtype);
    part->out.push_back(static_cast<int>(v));
  }
  return b.finish();
}

// One instruction always fits.
void Prepared::split(size_t begin, size_t end) {
  Part part;
  if (make_part(begin, end, &part)) {
    if (!part.out.empty()) parts.push_back(std::move(part));
    return;
  }
  split(begin, (begin + end) / 2);
  split((begin + end) / 2, end);
}

std::shared_ptr<Prepared> prepare_for(std::span<const Spec> in, const void* attrs, bool compile) {
  auto r = std::make_shared<Prepared>();
  r->source = parse_fused(static_cast<const FusedAttrs*>(attrs)->program, static_cast<int>(in.size()));
  const FusedProgram& p = r->source;
  r->values = fused_specs(p, in);
  r->whole = fused_shape(p, r->values);
  // Where the whole is empty, single elements may still be asked for: what they need is single, too.
  const bool empty = r->whole.size() == 0;
  if (empty) r->whole = Shape{};
  r->needed.resize(r->values.size());
  for (int v : p.outputs) r->needed[static_cast<size_t>(v)] = !empty || r->single(v);
  for (size_t i = p.code.size(); i-- > 0;) {
    if (!r->needed[static_cast<size_t>(p.inputs) + i]) continue;
    for (int v : p.code[i].operands) r->needed[static_cast<size_t>(v)] = 1;
  }
  r->split(0, p.code.size());
  if (compile) {
    Part& all = r->all;
    r->make_part(0, p.code.size(), &all);
    std::vector<Shape> shapes, results;
    for (int v : all.in) shapes.push_back(r->values[static_cast<size_t>(v)].shape);
    for (int v : all.out) results.push_back(r->values[static_cast<size_t>(v)].shape);
    if (!all.out.empty()) r->compiled = JitProgram::begin(all.program, r->whole, shapes, results);
  }
  if (tells_dispatch() && r->parts.size() > 1 && !r->compiled) {
    std::fprintf(stderr, "[dispatch] fused: %zu instructions interpreted in %zu parts\n", p.code.size(),
                 r->parts.size());
  }
  return r;
}

// For the core, which exceptions of this library do not reach: null, and the kernel throws what is wrong when it runs.
std::shared_ptr<void> prepare_or_null(std::span<const Spec> in, std::span<const Spec>, const void* attrs) {
  try {
    return prepare_for(in, attrs, jit_wanted(true));
  } catch (const std::exception&) { return nullptr; }
}

void kernel(const KernelArgs& a) {
  std::shared_ptr<Prepared> made;
  auto* p = static_cast<const Prepared*>(a.prepared);
  if (!p) {
    Specs in;
    for (const Tensor& t : a.in) in.push_back(t.spec());
    made = prepare_for(in, a.attrs, jit_wanted(false));
    p = made.get();
  }
  Tensors at(p->values.size());
  std::copy(a.in.begin(), a.in.end(), at.begin());
  const auto of = [&](const std::vector<int>& values) {
    Tensors r;
    for (int v : values) r.push_back(at[static_cast<size_t>(v)]);
    return r;
  };
  for (size_t k = 0; k < a.out.size(); ++k) at[static_cast<size_t>(p->source.outputs[k])] = a.out[k];
  if (p->compiled && p->compiled->run(p->whole, of(p->all.in), of(p->all.out))) return;
  if (p->parts.size() > 1) {
    const Device here{DeviceType::CUDA, static_cast<uint8_t>(device())};
    // A result may lie where an input does, which later parts still read: such inputs are copied first.
    for (size_t i = 0; i < a.in.size(); ++i) {
      if (std::none_of(a.out.begin(), a.out.end(), [&](const Tensor& t) { return t.raw() == a.in[i].raw(); })) continue;
      at[i] = Tensor::empty_on(here, a.in[i].shape(), a.in[i].dtype());
      check(cudaMemcpyAsync(at[i].mutable_raw(), a.in[i].raw(), a.in[i].nbytes(), cudaMemcpyDeviceToDevice, stream()),
            "a copy on the GPU failed");
    }
    for (const Part& part : p->parts) {
      for (int v : part.out) {
        Tensor& t = at[static_cast<size_t>(v)];
        if (!t.defined())
          t = Tensor::empty_on(here, p->single(v) ? Shape{} : p->whole, p->values[static_cast<size_t>(v)].dtype);
      }
    }
  }
  for (const Part& part : p->parts) part.program.run(p->whole, of(part.in), of(part.out));
}

}  // namespace

void register_fused() {
  define("fused", kernel, prepare_or_null);
  add_library([] { return nvrtc::library().describe(); });
}

}  // namespace tahr::cuda
