// The text of the kernel that a program is (jit.h).
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cuda/program.h"

namespace tahr::cuda {
namespace {

const char* type_name(DType d) {
  switch (d) {
    case DType::Bool: return "bool";
    case DType::UInt8: return "uint8_t";
    case DType::UInt16: return "uint16_t";
    case DType::UInt32: return "uint32_t";
    case DType::UInt64: return "uint64_t";
    case DType::Int8: return "int8_t";
    case DType::Int16: return "int16_t";
    case DType::Int32: return "int32_t";
    case DType::Int64: return "int64_t";
    case DType::Float16: return "float16";
    case DType::BFloat16: return "bfloat16";
    case DType::Float32: return "float";
    default: return "double";
  }
}

// Exact.
std::string literal(double v) {
  if (std::isnan(v)) return "double(NAN)";
  if (std::isinf(v)) return v < 0 ? "-double(INFINITY)" : "double(INFINITY)";
  char text[40];
  std::snprintf(text, sizeof text, "%a", v);
  return text;
}

}  // namespace

JitSource ProgramBuilder::source(std::span<const Spread> spreads) const {
  size_t widest = 1, contiguous = 0;
  for (const Instruction& s : code_) {
    if (s.what != Do::Load && s.what != Do::Store) continue;
    if (spreads[s.tensor] != Spread::Contiguous) continue;
    widest = std::max(widest, size_of(s.type));
    contiguous += s.what == Do::Load;
  }
  const int lanes = static_cast<int>(std::min(size_t{8}, 16 / widest));
  // As kernels of single ops: enough loads on their way; fewer registers for long programs.
  const int unroll = code_.size() <= 24 && (contiguous <= 1 || (contiguous == 2 && lanes <= 4)) ? 2 : 1;
  std::string loads, body, stores;
  const auto value = [](int v) { return concat("v", v); };
  for (size_t n = 0; n < code_.size(); ++n) {
    const Instruction& s = code_[n];
    const std::vector<int>& in = read_[n];
    const char* t = type_name(s.type);
    const int k = s.tensor;
    const auto operand = [&](size_t i) { return value(in[std::min(i, in.size() - 1)]); };
    std::string made;
    const char* made_type = t;
    switch (s.what) {
      case Do::Load:
        if (spreads[s.tensor] == Spread::Single) {
          loads += concat("  const ", t, " x", k, " = *static_cast<const ", t, "*>(c.at[", k, "].data);\n");
          made = concat("x", k);
        } else {
          const bool cyclic = spreads[s.tensor] == Spread::Cyclic;
          loads +=
              concat("  Pack<", t, ", N> x", k, "[U];\n  TAHR_UNROLL\n  for (int u = 0; u < U; ++u) x", k,
                     "[u] = ", cyclic ? "load_cyclic" : "load_contiguous", "<N>(static_cast<const ", t, "*>(c.at[", k,
                     "].data), ", cyclic ? concat("c.at[", k, "].cycle, ") : "", "first + u * step, c.n, c.wide);\n");
          made = concat("x", k, "[u].v[l]");
        }
        break;
      case Do::Constant: throw_runtime("[fused] a program has no constants of its own");
      case Do::Convert:
        made_type = type_name(s.to);
        made = concat("convert<", made_type, ">(", operand(0), ")");
        break;
      case Do::Select: made = concat(operand(0), " ? ", operand(1), " : ", operand(2)); break;
      case Do::Test:
        made_type = "bool";
        made = concat("evaluate_test<", t, ">(static_cast<Ew>(", static_cast<int>(s.op), "), ", operand(0), ", ",
                      operand(1), ")");
        break;
      case Do::Compute:
        if (is_half(s.type)) {  // nothing but nextafter is computed on the halves themselves
          made = concat(t, "{scalar::next_half<", s.type == DType::Float16 ? "0x7c00" : "0x7f80", ">(", operand(0),
                        ".bits, ", operand(1), ".bits)}");
        } else {
          made = concat("evaluate<", t, ">(static_cast<Ew>(", static_cast<int>(s.op), "), ", operand(0), ", ",
                        operand(1), ", ", operand(2), ", EwParams{", literal(s.params.p0), ", ", literal(s.params.p1),
                        ", ", literal(s.params.p2), "})");
        }
        break;
      case Do::Store:
        if (spreads[s.tensor] == Spread::Single) {
          body += concat("      if (first + u * step + l == 0) *static_cast<", t, "*>(c.at[", k,
                         "].data) = ", operand(0), ";\n");
        } else {
          body += concat("      y", k, ".v[l] = ", operand(0), ";\n");
          stores += concat("    store_contiguous<N>(static_cast<", t, "*>(c.at[", k, "].data), y", k,
                           ", first + u * step, c.n, c.wide);\n");
        }
        continue;
    }
    body += concat("      const ", made_type, " ", value(result_[n]), " = ", made, ";\n");
  }
  std::string packs;
  for (const Instruction& s : code_) {
    if (s.what == Do::Store && spreads[s.tensor] != Spread::Single)
      packs += concat("    Pack<", type_name(s.type), ", N> y", int{s.tensor}, ";\n");
  }
  JitSource r;
  r.per_block = int64_t{kBlock} * lanes * unroll;
  r.text = concat(
      "#include \"cuda/elementwise_functions.h\"\n#include \"cuda/jit_call.h\"\n\nusing namespace tahr;\n"
      "using namespace tahr::cuda;\nusing Call = JitCall<",
      spreads.size(), ">;\n\nextern \"C\" __global__ void __launch_bounds__(", kBlock, ") ", kJitName,
      "(const Call c) {\n  constexpr int N = ", lanes, ", U = ", unroll,
      ";\n  const int64_t step = ", int64_t{kBlock} * lanes,
      ";\n  const int64_t first = static_cast<int64_t>(blockIdx.x) * ", r.per_block, " + threadIdx.x * N;\n", loads,
      "  TAHR_UNROLL\n  for (int u = 0; u < U; ++u) {\n", packs, "    TAHR_UNROLL\n    for (int l = 0; l < N; ++l) {\n",
      body, "    }\n", stores, "  }\n}\n");
  return r;
}

}  // namespace tahr::cuda
