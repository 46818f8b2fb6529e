// Local rules: what computes nothing goes, what says a simple thing in a roundabout way says it simply.
//
// A rule either names an older value that has the same bits as a node's result, or rewrites the node itself. Of NaNs
// only that they are NaNs is kept.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "graph/passes.h"
#include "ops/array_attrs.h"
#include "ops/elementwise_attrs.h"
#include "ops/reduce.h"

namespace tahr::graph {
namespace {

constexpr size_t kLargestLookedAt = 1 << 20;  // bytes of a constant

class Simplifier {
 public:
  explicit Simplifier(Graph& g) : g_(g) {}

  bool run() {
    same_.resize(g_.values.size());
    for (size_t i = 0; i < same_.size(); ++i) same_[i] = static_cast<ValueId>(i);
    uniform_.resize(g_.values.size());
    for (Node& n : g_.nodes) {
      for (ValueId& v : n.in) v = renamed(v);
      if (n.out.size() != 1 || n.in.empty() || n.in[0] == kAbsent || !known(n)) continue;
      const ValueId to = visit(n);
      if (to == kAbsent || to == n.out[0]) continue;
      same_[static_cast<size_t>(n.out[0])] = to;
      changed_ = true;
    }
    for (ValueId& v : g_.outputs) v = renamed(v);
    return changed_;
  }

 private:
  const Spec& spec(ValueId v) const { return g_.value(v).spec; }
  ValueId renamed(ValueId v) const {
    return v == kAbsent || static_cast<size_t>(v) >= same_.size() ? v : same_[static_cast<size_t>(v)];
  }
  bool known(const Node& n) const {
    const auto check = [&](ValueId v) { return v == kAbsent || spec(v).shape.fully_known(); };
    return std::all_of(n.in.begin(), n.in.end(), check) && check(n.out[0]);
  }
  template <class A>
  const A& attrs(const Node& n) const {
    return *static_cast<const A*>(n.attrs.get());
  }
  // The node that makes a value, if it is of that op.
  const Node* made_by(ValueId v, const OpDef& op) const {
    const Node* n = v == kAbsent ? nullptr : g_.producer(v);
    return n && n->op == &op ? n : nullptr;
  }

  // The one number that fills a constant.
  std::optional<double> uniform(ValueId v) {
    const Value& x = g_.value(v);
    if (x.kind != Value::Kind::Constant || x.constant.size() == 0 || x.constant.nbytes() > kLargestLookedAt)
      return std::nullopt;
    if (static_cast<size_t>(v) >= uniform_.size()) uniform_.resize(static_cast<size_t>(v) + 1);
    auto& known = uniform_[static_cast<size_t>(v)];
    if (!known) {
      const size_t unit = size_of(x.spec.dtype);
      const Tensor here = on_host(x.constant);
      const auto* data = static_cast<const std::byte*>(here.raw());
      known.emplace();
      if (std::memcmp(data, data + unit, x.constant.nbytes() - unit) == 0) *known = scalar_of(v).item();
    }
    return *known;
  }
  Tensor scalar_of(ValueId v) const {
    const Tensor& t = g_.value(v).constant;
    const Tensor s = Tensor::empty({}, t.dtype());
    device_copy(s.mutable_raw(), kCpu, t.raw(), t.device(), size_of(t.dtype()));
    return s;
  }
  bool is(ValueId v, double number) {
    const auto u = uniform(v);
    return u && *u == number && std::signbit(*u) == std::signbit(number);
  }

  void become(Node& n, const OpDef& op, std::shared_ptr<const void> attributes, std::vector<ValueId> in) {
    n.op = &op;
    n.attrs = std::move(attributes);
    n.in = std::move(in);
    changed_ = true;
  }
  void become_reshape(Node& n, ValueId x) {
    auto a = std::make_shared<ReshapeAttrs>();
    a->newshape.assign(spec(n.out[0]).shape.begin(), spec(n.out[0]).shape.end());
    become(n, reshape_, std::move(a), {x});
  }

  // The value that the node's result equals, or kAbsent.
  ValueId visit(Node& n) {
    const ValueId x = n.in[0];
    const bool alike = spec(x) == spec(n.out[0]);
    if (n.op->traits & kElementwise) return visit_elementwise(n, alike);
    if (n.op->traits & kView) return visit_view(n, alike);
    if (n.op == &broadcast_to_ && alike) return x;
    if (n.op == &transpose_) return visit_transpose(n);
    if (n.op == &sum_ || n.op == &mean_ || n.op == &max_ || n.op == &min_ || n.op == &prod_) return visit_reduction(n);
    if (n.op == &slice_ && alike) {
      const Ints& s = attrs<StridedSliceAttrs>(n).strides;
      if (std::all_of(s.begin(), s.end(), [](int64_t k) { return k > 0; })) return x;
    }
    if ((n.op == &concatenate_ && n.in.size() == 1) || (n.op == &tile_ && alike)) return x;
    return kAbsent;
  }

  ValueId visit_elementwise(Node& n, bool alike) {
    const ValueId x = n.in[0];
    if (n.op->traits & kView) return x;
    if (n.op == &cast_) return alike ? x : kAbsent;
    if (n.op == &negative_ || n.op == &not_) {
      const Node* before = made_by(x, *n.op);
      return before && spec(before->in[0]) == spec(n.out[0]) ? before->in[0] : kAbsent;
    }
    if (n.op == &select_) {
      const auto c = uniform(x);
      const ValueId chosen = c ? n.in[*c != 0 ? 1 : 2] : kAbsent;
      if (chosen != kAbsent && spec(chosen) == spec(n.out[0])) return chosen;
    }
    if (n.in.size() == 2) {
      const ValueId same = visit_arithmetic(n);
      if (same != kAbsent) return same;
    }
    if (n.in.size() > 1) broadcast_later(n);
    return kAbsent;
  }

  ValueId visit_arithmetic(Node& n) {
    const ValueId a = n.in[0], b = n.in[1];
    const Spec& out = spec(n.out[0]);
    const bool floating = is_float(out.dtype);
    const bool keeps_a = spec(a) == out, keeps_b = spec(b) == out;
    if (n.op == &multiply_) {
      if (keeps_a && is(b, 1)) return a;
      if (keeps_b && is(a, 1)) return b;
    } else if (n.op == &divide_ && spec(a).dtype == out.dtype) {
      if (keeps_a && is(b, 1)) return a;
      multiply_in_place_of_divide(n);
    } else if (n.op == &subtract_) {
      if (keeps_a && is(b, 0)) return a;  // -0 - 0 is -0, but -0 - (-0) is 0
    } else if (n.op == &add_) {
      const double nothing = floating ? -0.0 : 0.0;  // -0 + 0 is 0
      if (keeps_a && (is(b, nothing) || (is(b, 0) && never_minus_zero(a)))) return a;
      if (keeps_b && (is(a, nothing) || (is(a, 0) && never_minus_zero(b)))) return b;
    }
    return kAbsent;
  }

  // By a power of two, whose reciprocal is exact.
  void multiply_in_place_of_divide(Node& n) {
    const DType t = spec(n.out[0]).dtype;
    const auto c = uniform(n.in[1]);
    if (!c || (t != DType::Float32 && t != DType::Float64)) return;
    int exponent = 0;
    if (std::abs(std::frexp(*c, &exponent)) != 0.5 || std::abs(exponent) > 120) return;
    const Tensor reciprocal = Tensor::full(spec(n.in[1]).shape, t, 1 / *c);
    become(n, multiply_, nullptr, {n.in[0], g_.add_constant(reciprocal)});
  }

  // An elementwise op repeats its inputs itself. Not so `power`: it computes with a single exponent in another way.
  void broadcast_later(Node& n) {
    if (n.op == &power_) return;
    const Shape whole = spec(n.out[0]).shape;
    for (size_t i = 0; i < n.in.size(); ++i) {
      const ValueId v = n.in[i];
      if (v == kAbsent) continue;
      Shape rest;
      bool others = false;
      for (size_t j = 0; j < n.in.size(); ++j) {
        if (j == i || n.in[j] == kAbsent) continue;
        const Shape before = rest;
        broadcast_shapes(before, spec(n.in[j]).shape, &rest);
        others = true;
      }
      if (!others || !(rest == whole)) continue;
      if (const Node* spread = made_by(v, broadcast_to_)) {
        n.in[i] = spread->in[0];
        changed_ = true;
      } else if (spec(v).shape.size() > 1 && uniform(v)) {
        n.in[i] = g_.add_constant(scalar_of(v));
        changed_ = true;
      }
    }
  }

  ValueId visit_view(Node& n, bool alike) {
    const ValueId x = n.in[0];
    if (n.op == &barrier_) return kAbsent;
    if (alike) return x;
    if (n.op == &view_) return kAbsent;
    const Node* before = g_.producer(x);
    if (before && is_reshape(*before)) {
      const ValueId origin = before->in[0];
      if (spec(origin) == spec(n.out[0])) return origin;
      become_reshape(n, origin);
    }
    return kAbsent;
  }
  bool is_reshape(const Node& n) const {
    return (n.op->traits & (kView | kElementwise)) == kView && n.op != &view_ && n.op != &barrier_ &&
           spec(n.in[0]).shape.fully_known();
  }

  Ints permutation(const Node& n) const {
    const int rank = spec(n.in[0]).shape.rank();
    const auto& axes = attrs<TransposeAttrs>(n).axes;
    Ints p(static_cast<size_t>(rank));
    for (int i = 0; i < rank; ++i)
      p[static_cast<size_t>(i)] =
          axes ? normalize_axis((*axes)[static_cast<size_t>(i)], rank, "transpose") : rank - 1 - i;
    return p;
  }

  ValueId visit_transpose(Node& n) {
    const ValueId x = n.in[0];
    Ints p = permutation(n);
    if (const Node* before = made_by(x, transpose_)) {
      const Ints q = permutation(*before);
      for (int64_t& axis : p) axis = q[static_cast<size_t>(axis)];
      auto a = std::make_shared<TransposeAttrs>();
      a->axes = p;
      become(n, transpose_, std::move(a), {before->in[0]});
    }
    const ValueId from = n.in[0];
    if (std::is_sorted(p.begin(), p.end())) return from;
    const Shape& s = spec(from).shape;
    p.erase(std::remove_if(p.begin(), p.end(), [&](int64_t axis) { return s[static_cast<int>(axis)] == 1; }), p.end());
    if (std::is_sorted(p.begin(), p.end())) become_reshape(n, from);  // only axes of size 1 move
    return kAbsent;
  }

  // No element is below 0, or -0; some may be NaN. `depth`: of the nodes looked at.
  bool nonnegative(ValueId v, int depth = 6) {
    const Value& x = g_.value(v);
    if (!is_float(x.spec.dtype)) return x.spec.dtype == DType::Bool || is_unsigned_int(x.spec.dtype);
    if (const auto u = uniform(v)) return *u >= 0 && !std::signbit(*u);
    const Node* n = g_.producer(v);
    if (!n || depth == 0) return false;
    if (n->op == &square_ || n->op == &absolute_ || n->op == &abs_ || n->op == &exp_ || n->op == &softmax_) return true;
    if (n->op == &multiply_ && n->in[0] == n->in[1]) return true;
    const bool keeps = n->op == &sum_ || n->op == &mean_ || n->op == &cast_ || n->op == &broadcast_to_ ||
                       n->op == &transpose_ || n->op == &add_ || n->op == &multiply_ || n->op == &divide_ ||
                       is_reshape(*n);
    return keeps && std::all_of(n->in.begin(), n->in.end(), [&](ValueId i) { return nonnegative(i, depth - 1); });
  }
  bool never_minus_zero(ValueId v) {
    if (!is_float(spec(v).dtype)) return true;
    const Node* n = made_by(v, cast_);
    return (n && !is_float(spec(n->in[0]).dtype)) || nonnegative(v);
  }

  // A sum over everything does not ask for the shape of what it adds, nor for sums of one element within. (Of the
  // result, the sign of a sum of nothing but -0 may differ.)
  void sum_directly(Node& n) {
    const auto& at = attrs<ReduceAttrs>(n);
    if (!at.axis.all || at.keepdims) return;
    while (const Node* before = g_.producer(n.in[0])) {
      if (!is_reshape(*before) && before->op != &sum_ && before->op != &mean_) return;
      const ValueId x = before->in[0];
      if (spec(x).dtype != spec(n.in[0]).dtype || spec(x).shape.size() != spec(n.in[0]).shape.size()) return;
      n.in[0] = x;
      changed_ = true;
    }
  }

  // Over axes of size 1 there is nothing to reduce.
  ValueId visit_reduction(Node& n) {
    if (n.op == &sum_ || n.op == &mean_) sum_directly(n);
    const ValueId x = n.in[0];
    if (spec(x).dtype != spec(n.out[0]).dtype || spec(x).shape.size() != spec(n.out[0]).shape.size()) return kAbsent;
    if (spec(x).shape.size() == 0) return kAbsent;
    if ((n.op == &max_ || n.op == &min_) && attrs<ExtremeAttrs>(n).initial) return kAbsent;
    if ((n.op == &sum_ || n.op == &mean_) && !never_minus_zero(x)) return kAbsent;  // sums begin at +0
    if (spec(x) == spec(n.out[0])) return x;
    become_reshape(n, x);
    return kAbsent;
  }

  Graph& g_;
  std::vector<ValueId> same_;
  std::vector<std::optional<std::optional<double>>> uniform_;  // per value; none: not looked at yet
  bool changed_ = false;
  const OpDef &reshape_ = get_op("reshape"), &view_ = get_op("view"), &barrier_ = get_op("remat_barrier"),
              &transpose_ = get_op("transpose"), &broadcast_to_ = get_op("broadcast_to"), &cast_ = get_op("cast"),
              &negative_ = get_op("negative"), &not_ = get_op("logical_not"), &select_ = get_op("where_select"),
              &add_ = get_op("add"), &subtract_ = get_op("subtract"), &multiply_ = get_op("multiply"),
              &divide_ = get_op("divide"), &sum_ = get_op("sum"), &mean_ = get_op("mean"), &max_ = get_op("max"),
              &min_ = get_op("min"), &prod_ = get_op("reduce_prod"), &slice_ = get_op("strided_slice"),
              &concatenate_ = get_op("concatenate"), &tile_ = get_op("tile"), &power_ = get_op("power"),
              &square_ = get_op("square"), &absolute_ = get_op("absolute"), &exp_ = get_op("exp"),
              &abs_ = get_op("abs"), &softmax_ = get_op("softmax");
};

}  // namespace

bool simplify(Graph& g) {
  const bool changed = Simplifier(g).run();
  if (changed) remove_dead_code(g);
  return changed;
}

}  // namespace tahr::graph
