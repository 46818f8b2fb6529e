#include "ops/fused.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "ops/functions.h"

namespace tahr {
namespace {

bool writable(AttrKind k) {
  switch (k) {
    case AttrKind::Int:
    case AttrKind::Float:
    case AttrKind::Bool:
    case AttrKind::DTypeName:
    case AttrKind::OptFloat: return true;
    default: return false;
  }
}

[[noreturn]] void malformed(std::string_view what, std::string_view text) {
  throw_value("[fused] expected ", what, ", received '", text, "'. Programs are written by fused_text.");
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

// Cuts at every `separator`; nothing of the empty string.
std::vector<std::string_view> split(std::string_view s, char separator) {
  std::vector<std::string_view> parts;
  while (!s.empty()) {
    const size_t end = std::min(s.find(separator), s.size());
    parts.push_back(trimmed(s.substr(0, end)));
    s.remove_prefix(std::min(end + 1, s.size()));
  }
  return parts;
}

template <class T>
T parse_number(std::string_view s) {
  T v{};
  const auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  if (r.ec != std::errc() || r.ptr != s.data() + s.size()) malformed("a number", s);
  return v;
}

double parse_float(std::string_view s) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  if (s == "float('inf')") return inf;
  if (s == "float('-inf')") return -inf;
  if (s == "float('nan')") return std::numeric_limits<double>::quiet_NaN();
  return parse_number<double>(s);
}

// The inverse of attr_value_str for the kinds that are writable.
void parse_attr(const AttrField& f, std::string_view s, void* attrs) {
  void* at = static_cast<char*>(attrs) + f.offset;
  switch (f.kind) {
    case AttrKind::Int: *static_cast<int64_t*>(at) = parse_number<int64_t>(s); break;
    case AttrKind::Float: *static_cast<double*>(at) = parse_float(s); break;
    case AttrKind::OptFloat: {
      auto& v = *static_cast<std::optional<double>*>(at);
      if (s == "None") v.reset();
      else v = parse_float(s);
      break;
    }
    case AttrKind::Bool:
      if (s != "True" && s != "False") malformed("True or False", s);
      *static_cast<bool*>(at) = s == "True";
      break;
    default:
      if (s.size() < 2 || !dtype_from_name(s.substr(1, s.size() - 2), static_cast<DType*>(at))) malformed("a dtype", s);
  }
}

// "x3" or "t3" as a value; `results` are known so far.
int parse_value(std::string_view s, int inputs, int results) {
  if (s.size() < 2 || (s[0] != 'x' && s[0] != 't')) malformed("a value such as x0 or t0", s);
  const int i = parse_number<int>(s.substr(1));
  if (i < 0 || i >= (s[0] == 'x' ? inputs : results)) malformed("a value that exists", s);
  return s[0] == 'x' ? i : inputs + i;
}

FusedInstruction parse_instruction(std::string_view s, int inputs, int results) {
  const size_t equals = s.find(" = "), open = s.find('(');
  if (equals == s.npos || open == s.npos || open < equals || s.back() != ')') malformed("t0 = op(...)", s);
  if (s.substr(0, equals) != concat("t", results)) malformed(concat("the result t", results), s.substr(0, equals));
  const std::string_view name = s.substr(equals + 3, open - equals - 3);
  FusedInstruction ins;
  ins.op = find_op(name);
  if (!ins.op || !can_fuse(*ins.op)) malformed("an elementwise op", name);
  std::shared_ptr<void> attrs = ins.op->attrs ? ins.op->attrs->make() : nullptr;
  for (std::string_view arg : split(s.substr(open + 1, s.size() - open - 2), ',')) {
    const size_t eq = arg.find('=');
    if (eq == arg.npos) {
      ins.operands.push_back(parse_value(arg, inputs, results));
      continue;
    }
    const AttrField* field = nullptr;
    if (attrs) {
      for (const AttrField& f : ins.op->attrs->fields) {
        if (arg.substr(0, eq) == f.name) field = &f;
      }
    }
    if (!field) malformed(concat("an attribute of ", name), arg);
    parse_attr(*field, arg.substr(eq + 1), attrs.get());
  }
  if (ins.operands.size() != ins.op->input_names.size()) {
    malformed(concat(ins.op->input_names.size(), " inputs of ", name), s);
  }
  ins.attrs = std::move(attrs);
  return ins;
}

Specs infer_fused(const InferArgs& a) {
  const FusedProgram p = parse_fused(a.as<FusedAttrs>().program, static_cast<int>(a.in.size()));
  const Specs values = fused_specs(p, a.in);
  const Shape whole = fused_shape(p, values);
  Specs out;
  for (int v : p.outputs) {
    const Spec& s = values[static_cast<size_t>(v)];
    if (s.shape.fully_known() && whole.fully_known() && s.shape.size() != 1 && s.shape.size() != whole.size()) {
      throw_value("[fused] expected a program that returns values of the whole shape ", whole.str(),
                  " or single elements, received one of shape ", s.shape.str(),
                  ". Return it from a program of its own.");
    }
    out.push_back(s);
  }
  return out;
}

Tensors decompose_fused(std::span<const Tensor> in, const void* attrs) {
  const FusedProgram p = parse_fused(static_cast<const FusedAttrs*>(attrs)->program, static_cast<int>(in.size()));
  Tensors values(in.begin(), in.end());
  for (const FusedInstruction& ins : p.code) {
    Tensors operands;
    for (int v : ins.operands) operands.push_back(values[static_cast<size_t>(v)]);
    values.push_back(apply1(*ins.op, operands, ins.attrs.get()));
  }
  Tensors out;
  for (int v : p.outputs) out.push_back(values[static_cast<size_t>(v)]);
  return out;
}

}  // namespace

bool can_fuse(const OpDef& op) {
  if (!(op.traits & kElementwise) || (op.traits & (kView | kRandom | kStateful))) return false;
  if (op.eager || op.variadic || op.outputs != 1 || !op.infer) return false;
  if (!op.attrs) return true;
  const auto fields = op.attrs->fields;
  return std::all_of(fields.begin(), fields.end(), [](const AttrField& f) { return writable(f.kind); });
}

std::string fused_text(const FusedProgram& p) {
  const auto name = [&](int v) { return v < p.inputs ? concat("x", v) : concat("t", v - p.inputs); };
  std::string s;
  int result = p.inputs;
  for (const FusedInstruction& ins : p.code) {
    s += concat(name(result++), " = ", ins.op->name, "(");
    for (size_t i = 0; i < ins.operands.size(); ++i) s += (i ? ", " : "") + name(ins.operands[i]);
    if (ins.op->attrs) s += ", " + attrs_str(*ins.op->attrs, ins.attrs.get());
    s += "); ";
  }
  s += "return ";
  for (size_t i = 0; i < p.outputs.size(); ++i) s += (i ? ", " : "") + name(p.outputs[i]);
  return s;
}

FusedProgram parse_fused(std::string_view text, int inputs) {
  if (inputs > kFusedMaxInputs)
    throw_value("[fused] expected at most ", kFusedMaxInputs, " inputs, received ", inputs, ".");
  FusedProgram p;
  p.inputs = inputs;
  constexpr std::string_view kReturn = "return ";
  for (std::string_view line : split(text, ';')) {
    const int results = static_cast<int>(p.code.size());
    if (!p.outputs.empty()) malformed("nothing after return", line);
    if (!line.starts_with(kReturn)) {
      p.code.push_back(parse_instruction(line, inputs, results));
      continue;
    }
    for (std::string_view v : split(line.substr(kReturn.size()), ',')) {
      const int value = parse_value(v, inputs, results);
      if (value < inputs || std::count(p.outputs.begin(), p.outputs.end(), value)) malformed("distinct results", line);
      p.outputs.push_back(value);
    }
  }
  if (p.outputs.empty()) malformed("a program that returns something", text);
  return p;
}

Specs fused_specs(const FusedProgram& p, std::span<const Spec> in) {
  Specs values(in.begin(), in.end());
  Tensors symbols;
  for (const Spec& s : in) symbols.push_back(Tensor::symbolic(s.shape, s.dtype));
  for (const FusedInstruction& ins : p.code) {
    Specs specs;
    Tensors operands;
    for (int v : ins.operands) {
      specs.push_back(values[static_cast<size_t>(v)]);
      operands.push_back(symbols[static_cast<size_t>(v)]);
    }
    values.push_back(ins.op->infer({specs, ins.attrs.get(), operands, ins.op->name.c_str()})[0]);
    symbols.push_back(Tensor::symbolic(values.back().shape, values.back().dtype));
  }
  return values;
}

Shape fused_shape(const FusedProgram& p, std::span<const Spec> values) {
  Shape whole;
  for (size_t v = static_cast<size_t>(p.inputs); v < values.size(); ++v) {
    const Shape before = whole;
    if (!broadcast_shapes(before, values[v].shape, &whole)) {
      throw_value("[fused] expected results that broadcast together, received ", before.str(), " and ",
                  values[v].shape.str(), ".");
    }
  }
  return whole;
}

void define_fused_ops() {
  define_op({.name = "fused",
             .inputs = "*xs",
             .doc = "Runs a program of elementwise ops in one pass, as graphs do with chains of them.\n\n"
                    "xs: tensors that broadcast together. program: its text, such as "
                    "\"t0 = multiply(x0, x1); t1 = relu(t0); return t1\". Returns what the program returns: values of "
                    "the broadcast shape, or single elements. It carries no gradient: graphs are fused after they have "
                    "been differentiated.",
             .traits = kHidden | kNoGradient | kInPlace,
             .attrs = attr_type<FusedAttrs>(),
             .infer = infer_fused,
             .decompose = decompose_fused,
             .outputs = -1});
}

}  // namespace tahr
