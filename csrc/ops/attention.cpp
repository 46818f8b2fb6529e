// Scaled dot-product attention: softmax(scale query key' + bias) value for every head, with a fused gradient.
//
//   query (b, t, n, h), key (b, s, k, h), value (b, s, k, v); head i of the queries uses head i / (n / k) of the keys
//   bias, mask (boolean: whether a pair counts): of rank 4, broadcast to (b, n, t, s)
//
// Halves are computed in float32, but that GPUs round probabilities and the cotangents of scores to them; statistics
// are float32, a bias may be.
//
// The second result holds the maximum and the sum of exponentials of each row of scores, from which the gradient finds
// the probabilities again; for halves on a GPU any pair of which the first plus the logarithm of the second is the
// same. It carries no cotangent itself. Higher derivatives are written in plain ops.
#include "ops/attention_attrs.h"
#include "ops/reduce.h"

namespace tahr {
namespace {

using Args = std::span<const Tensor>;

bool may_be(int64_t a, int64_t b) { return a == b || a == kUnknown || b == kUnknown; }

// That scores are computed in.
DType wide_of(DType d) { return is_half(d) ? DType::Float32 : d; }
Tensor wide(const Tensor& t) { return t.defined() && is_half(t.dtype()) ? ops::cast(t, DType::Float32) : t; }

void check(const InferArgs& a, size_t first, size_t bias) {
  const Spec &q = a.in[first], &k = a.in[first + 1], &v = a.in[first + 2];
  if (!is_float(q.dtype))
    throw_type("[", a.op, "] expected floating-point numbers, received ", name_of(q.dtype), ". Cast it first.");
  if (q.dtype != k.dtype || q.dtype != v.dtype)
    throw_type("[", a.op, "] expected query, key and value of one dtype, received ", name_of(q.dtype), ", ",
               name_of(k.dtype), " and ", name_of(v.dtype), ".");
  if (a.has(bias) && a.in[bias].dtype != q.dtype && a.in[bias].dtype != wide_of(q.dtype))
    throw_type("[", a.op, "] expected a bias of dtype ", name_of(q.dtype), " or ", name_of(wide_of(q.dtype)),
               ", received ", name_of(a.in[bias].dtype), ". Cast it first.");
  const Shape &qs = q.shape, &ks = k.shape, &vs = v.shape;
  if (qs.rank() != 4 || ks.rank() != 4 || vs.rank() != 4)
    throw_value("[", a.op, "] expected query, key and value of shape (batch, length, heads, size), received ", qs.str(),
                ", ", ks.str(), " and ", vs.str(), ".");
  const bool heads = qs[2] == kUnknown || ks[2] == kUnknown || (ks[2] > 0 && qs[2] % ks[2] == 0);
  if (!may_be(qs[0], ks[0]) || !may_be(ks[0], vs[0]) || !may_be(ks[1], vs[1]) || !may_be(ks[2], vs[2]) ||
      !may_be(qs[3], ks[3]) || !heads)
    throw_value("[", a.op, "] expected query (b, t, n, h), key (b, s, k, h) and value (b, s, k, v) where k divides n, ",
                "received ", qs.str(), ", ", ks.str(), " and ", vs.str(), ".");
  const int64_t full[4] = {qs[0], qs[2], qs[1], ks[1]};
  for (size_t i = bias; i < bias + 2; ++i) {
    if (!a.has(i)) continue;
    bool fits = a.in[i].shape.rank() == 4;
    for (int d = 0; fits && d < 4; ++d) fits = a.in[i].shape[d] == 1 || may_be(a.in[i].shape[d], full[d]);
    if (!fits)
      throw_value("[", a.op, "] expected bias and mask that broadcast to (batch, heads, queries, keys) = ",
                  Shape{full[0], full[1], full[2], full[3]}.str(), ", received ", a.in[i].shape.str(), ".");
  }
  if (a.has(bias + 1) && a.in[bias + 1].dtype != DType::Bool)
    throw_type("[", a.op, "] expected a boolean mask, received ", name_of(a.in[bias + 1].dtype), ".");
}

Specs infer_attention(const InferArgs& a) {
  check(a, 0, 3);
  const Shape& q = a.in[0].shape;
  return {{{q[0], q[1], q[2], a.in[2].shape[3]}, a.in[0].dtype}, {{q[0], q[2], q[1], 2}, wide_of(a.in[0].dtype)}};
}

Specs infer_attention_grad(const InferArgs& a) {
  check(a, 1, 6);
  return {a.in[1], a.in[2], a.in[3]};
}

// ---- the same in plain ops, on (b, heads, length, size) ----

const Axes& last_axis() {
  static const Axes axes(Ints{-1});
  return axes;
}

// (b, l, k, w) as (b, n, l, w), each head repeated n / k times; and the way back, adding the repeated ones up.
Tensor heads_first(const Tensor& x, int64_t n) {
  const Tensor y = ops::transpose(x, {0, 2, 1, 3});
  if (n == y.dim(1)) return y;
  const int64_t b = y.dim(0), k = y.dim(1), l = y.dim(2), w = y.dim(3);
  return ops::reshape(ops::broadcast_to(ops::reshape(y, {b, k, 1, l, w}), {b, k, n / k, l, w}), {b, n, l, w});
}
Tensor heads_back(const Tensor& y, int64_t k) {
  const int64_t b = y.dim(0), n = y.dim(1), l = y.dim(2), w = y.dim(3);
  const Tensor x = n == k ? y : ops::sum(ops::reshape(y, {b, k, n / k, l, w}), Axes(Ints{2}), false);
  return ops::transpose(x, {0, 2, 1, 3});
}

Tensor softmax(const Tensor& x) { return call1(get_op("softmax"), {x}, SoftmaxAttrs{}); }
Tensor softmax_grad(const Tensor& y, const Tensor& dy) {
  return call1(get_op("softmax_grad"), {y, dy}, SoftmaxAttrs{});
}

struct Plain {
  const AttentionAttrs& at;
  int64_t n, k;
  Tensor q, key, value, allowed;  // `allowed` undefined: all

  Plain(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& mask, const AttentionAttrs& attrs)
      : at(attrs), n(query.dim(2)), k(keys.dim(2)) {
    q = heads_first(wide(query), n);
    key = heads_first(wide(keys), n);
    value = heads_first(wide(values), n);
    allowed = mask;
    if (!at.causal) return;
    const int64_t t = query.dim(1), s = keys.dim(1);
    const Tensor seen = Tensor::empty({1, 1, t, s}, DType::Bool);
    for (int64_t i = 0; i < t; ++i)
      for (int64_t j = 0; j < s; ++j) seen.mutable_data<bool>()[i * s + j] = j <= i;
    allowed = mask.defined() ? ops::binary("logical_and", mask, seen) : seen;
  }
  Tensor scores(const Tensor& bias) const {
    Tensor s = ops::multiply(ops::matmul(q, key, false, true), at.scale);
    if (bias.defined()) s = ops::add(s, wide(bias));
    if (!allowed.defined()) return s;
    const double masked = s.dtype() == DType::Float64 ? kMaskedScore<double> : kMaskedScore<float>;
    return ops::where(allowed, s, Tensor::scalar(masked, s.dtype()));
  }
  // Masked scores are constants.
  Tensor only_allowed(const Tensor& ds) const {
    return allowed.defined() ? ops::where(allowed, ds, Tensor::scalar(0, ds.dtype())) : ds;
  }
};

Tensor maybe(Args in, size_t i) { return in.size() > i ? in[i] : Tensor(); }

Tensors decompose_attention(Args in, const void* attrs) {
  const auto& at = *static_cast<const AttentionAttrs*>(attrs);
  const Plain p(in[0], in[1], in[2], maybe(in, 4), at);
  const Tensor s = p.scores(maybe(in, 3));
  ExtremeAttrs over;
  over.axis = last_axis();
  over.keepdims = true;
  const Tensor peak = call1(get_op("max"), {s}, over);
  const Tensor total = ops::sum(ops::unary("exp", ops::subtract(s, peak)), last_axis(), true);
  return {ops::cast(ops::transpose(ops::matmul(softmax(s), p.value), {0, 2, 1, 3}), in[0].dtype()),
          ops::concatenate({peak, total}, -1)};
}

Tensors decompose_attention_grad(Args in, const void* attrs) {
  const auto& at = *static_cast<const AttentionAttrs*>(attrs);
  const Plain p(in[1], in[2], in[3], maybe(in, 7), at);
  const Tensor dy = heads_first(wide(in[0]), p.n), probs = softmax(p.scores(maybe(in, 6)));
  const Tensor ds = ops::multiply(p.only_allowed(softmax_grad(probs, ops::matmul(dy, p.value, false, true))), at.scale);
  const DType d = in[1].dtype();
  return {ops::cast(heads_back(ops::matmul(ds, p.key), p.n), d),
          ops::cast(heads_back(ops::matmul(ds, p.q, true), p.k), d),
          ops::cast(heads_back(ops::matmul(probs, dy, true), p.k), d)};
}

void attention_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& at = a.as<AttentionAttrs>();
  if (!a.dy[0].defined()) return;
  const Tensor bias = maybe(a.in, 3), mask = maybe(a.in, 4);
  if (a.need(0) || a.need(1) || a.need(2)) {
    static const OpDef& op = get_op("attention_grad");
    const Tensor in[] = {a.dy[0], a.in[0], a.in[1], a.in[2], a.out[0], a.out[1], bias, mask};
    const Tensors g = call(op, in, &at);
    for (size_t i = 0; i < 3; ++i) dx[i] = g[i];
  }
  if (bias.defined() && a.need(3)) {
    const Plain p(a.in[0], a.in[1], a.in[2], mask, at);
    const Tensor dp = ops::matmul(heads_first(wide(a.dy[0]), p.n), p.value, false, true);
    dx[3] = ops::cast(ops::unbroadcast(p.only_allowed(softmax_grad(softmax(p.scores(bias)), dp)), bias.shape()),
                      bias.dtype());
  }
}

// out and the statistics are those of the other inputs, whose cotangents count what they do through them.
// With P, dP, dS as above, uq, uk, uv the cotangents of dQ, dK, dV:
//   W = scale (uq K' + Q uk'),  G = softmax_grad(P, W) is the cotangent of dP
//   E = softmax_grad(P, (dP - sum(P dP)) W - dP sum(P W) + dO uv') is the cotangent of the scores
//   dO: P uv + G V    V: G' dO    Q: scale (dS uk + E K)    K: scale (dS' uq + E' Q)    bias: E
void attention_grad_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& at = a.as<AttentionAttrs>();
  const Tensor bias = maybe(a.in, 6), mask = maybe(a.in, 7);
  const Plain p(a.in[1], a.in[2], a.in[3], mask, at);
  const auto given = [&](int i, const Tensor& like) {
    return a.dy[i].defined() ? heads_first(wide(a.dy[i]), p.n) : ops::zeros_like(like);
  };
  const Tensor uq = given(0, p.q), uk = given(1, p.key), uv = given(2, p.value);
  const DType d = a.in[1].dtype();
  const Tensor dy = heads_first(wide(a.in[0]), p.n), probs = softmax(p.scores(bias));
  const Tensor dp = ops::matmul(dy, p.value, false, true), ds = p.only_allowed(softmax_grad(probs, dp));
  const Tensor w = p.only_allowed(
      ops::multiply(ops::add(ops::matmul(uq, p.key, false, true), ops::matmul(p.q, uk, false, true)), at.scale));
  const Tensor g = softmax_grad(probs, w);
  if (a.need(0)) dx[0] = ops::cast(heads_back(ops::add(ops::matmul(probs, uv), ops::matmul(g, p.value)), p.n), d);
  if (a.need(3)) dx[3] = ops::cast(heads_back(ops::matmul(g, dy, true), p.k), d);
  if (!(a.need(1) || a.need(2) || a.need(6))) return;
  const auto dot = [](const Tensor& x, const Tensor& y) { return ops::sum(ops::multiply(x, y), last_axis(), true); };
  const Tensor dprobs =
      ops::add(ops::subtract(ops::multiply(ops::subtract(dp, dot(probs, dp)), w), ops::multiply(dp, dot(probs, w))),
               ops::matmul(dy, uv, false, true));
  const Tensor e = p.only_allowed(softmax_grad(probs, dprobs));
  const auto scaled = [&](const Tensor& x, const Tensor& y) { return ops::multiply(ops::add(x, y), at.scale); };
  if (a.need(1)) dx[1] = ops::cast(heads_back(scaled(ops::matmul(ds, uk), ops::matmul(e, p.key)), p.n), d);
  if (a.need(2)) dx[2] = ops::cast(heads_back(scaled(ops::matmul(ds, uq, true), ops::matmul(e, p.q, true)), p.k), d);
  if (bias.defined() && a.need(6)) dx[6] = ops::cast(ops::unbroadcast(e, bias.shape()), bias.dtype());
}

}  // namespace

void define_attention_ops() {
  define_op({.name = "attention",
             .inputs = "query, key, value, bias?, mask?",
             .doc = "softmax(scale query key' + bias) value by heads, and the maximum and sum of each row of scores.",
             .traits = kHidden,
             .attrs = attr_type<AttentionAttrs>(),
             .infer = infer_attention,
             .vjp = attention_vjp,
             .saves = kSaveAllInputs | save_out(0) | save_out(1),
             .decompose = decompose_attention,
             .outputs = 2});
  define_op({.name = "attention_grad",
             .inputs = "dy, query, key, value, out, statistics, bias?, mask?",
             .doc = "The cotangents of attention's query, key and value.",
             .traits = kHidden,
             .attrs = attr_type<AttentionAttrs>(),
             .infer = infer_attention_grad,
             .vjp = attention_grad_vjp,
             .saves = kSaveAllInputs,
             .decompose = decompose_attention_grad,
             .outputs = 3});
}

}  // namespace tahr
