// The elementwise family: what its op files share, and the functions that other families' gradients are written with.
#include "ops/elementwise_defs.h"

namespace tahr {
namespace elementwise {

std::string doc(const char* summary, const char* call, const char* shows) {
  std::string d = summary;
  d += "\n\nExample:\n\n>>> import tahr\n>>> tahr.ops.";
  d += call;
  d += d.ends_with(".round(4)") ? "\n" : ".numpy()\n";
  d += shows;
  return d;
}

Specs infer_bool(const InferArgs& a) {
  Spec s = infer_broadcast(a);
  s.dtype = DType::Bool;
  return {s};
}
Specs infer_number(const InferArgs& a) {
  if (a.in[0].dtype == DType::Bool) {
    throw_type("[", a.op,
               "] expected numbers, received bool. Use logical_not / logical_xor, or cast to a number first.");
  }
  return {infer_broadcast(a)};
}
Specs infer_bool_to_int32(const InferArgs& a) {
  Spec s = infer_broadcast(a);
  if (s.dtype == DType::Bool) s.dtype = DType::Int32;
  return {s};
}
Specs infer_integer(const InferArgs& a) {
  if (!is_int(a.in[0].dtype)) {
    throw_type("[", a.op, "] expected integers, received ", name_of(a.in[0].dtype),
               ". Cast to an integer dtype first.");
  }
  return {infer_broadcast(a)};
}
Specs infer_integer_or_bool(const InferArgs& a) {
  if (is_float(a.in[0].dtype)) {
    throw_type("[", a.op, "] expected integers or bool, received ", name_of(a.in[0].dtype),
               ". Cast to an integer dtype first.");
  }
  return {infer_broadcast(a)};
}

void define_alias(const char* name, const char* of) {
  const OpDef& original = get_op(of);
  OpDef op;
  op.name = name;
  op.inputs = original.inputs;
  op.doc = std::string("The same as `") + of + "`.\n\n" + original.doc;
  op.traits = original.traits;
  op.promote = original.promote;
  op.attrs = original.attrs;
  op.infer = original.infer;
  op.vjp = original.vjp;
  op.saves = original.saves;
  op.decompose = original.decompose;
  op.eager = original.eager;
  define_op(std::move(op));
}

}  // namespace elementwise

void define_elementwise_ops() {
  elementwise::define_logic();
  elementwise::define_arithmetic();
  elementwise::define_math();
  elementwise::define_activations();
}

namespace ops {
namespace {

// The value that a Python scalar would have beside x.
Tensor weak_scalar(const Tensor& x, double v) {
  Tensor s = Tensor::scalar(v, is_float(x.dtype()) ? x.dtype() : floatx());
  s.impl()->weak = true;
  return s;
}

}  // namespace

#define TAHR_BINARY(name)                         \
  Tensor name(const Tensor& a, const Tensor& b) { \
    static const OpDef& op = get_op(#name);       \
    return call1(op, {a, b});                     \
  }
TAHR_BINARY(add)
TAHR_BINARY(subtract)
TAHR_BINARY(multiply)
TAHR_BINARY(divide)
#undef TAHR_BINARY

Tensor negative(const Tensor& x) {
  static const OpDef& op = get_op("negative");
  return call1(op, {x});
}
Tensor unary(const char* op, const Tensor& x) { return call1(get_op(op), {x}); }
Tensor binary(const char* op, const Tensor& a, const Tensor& b) { return call1(get_op(op), {a, b}); }

Tensor where(const Tensor& cond, const Tensor& a, const Tensor& b) {
  static const OpDef& op = get_op("where_select");
  const DType t = promote(a.dtype(), a.weak(), b.dtype(), b.weak());
  return call1(op, {cast(cond, DType::Bool), cast(a, t), cast(b, t)});
}
Tensor cast(const Tensor& x, DType to) {
  if (x.dtype() == to) return x;
  static const OpDef& op = get_op("cast");
  CastAttrs attrs;
  attrs.dtype = to;
  return call1(op, {x}, attrs);
}
Tensor add(const Tensor& a, double b) { return add(a, weak_scalar(a, b)); }
Tensor multiply(const Tensor& a, double b) { return multiply(a, weak_scalar(a, b)); }

}  // namespace ops
}  // namespace tahr
