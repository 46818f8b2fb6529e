// Common subexpressions: nodes that would compute the same bits become one.
#include <cstring>
#include <unordered_map>

#include "graph/passes.h"

namespace tahr::graph {
namespace {

constexpr size_t kSmallConstant = 4096;  // bytes up to which constants are compared

void mix(size_t& h, size_t x) { h ^= x + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2); }

class Merger {
 public:
  explicit Merger(Graph& g) : g_(g), same_(g.values.size()) {
    for (size_t i = 0; i < same_.size(); ++i) same_[i] = static_cast<ValueId>(i);
  }

  bool run() {
    merge_constants();
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      Node& n = g_.nodes[i];
      rename(n.in);
      if (n.op == &read_ || n.op == &store_) {
        visit_state(n);
      } else {
        for (VariableImpl* v : effects(g_, n).writes) held_.erase(v);
        if (!(n.op->traits & (kStateful | kRandom)) && !n.out.empty() && bodies(n).empty()) visit_pure(n);
      }
    }
    rename(g_.outputs);
    return changed_;
  }

 private:
  void rename(std::vector<ValueId>& ids) const {
    for (ValueId& v : ids) {
      if (v != kAbsent) v = same_[static_cast<size_t>(v)];
    }
  }
  void take(ValueId from, ValueId to) {
    same_[static_cast<size_t>(from)] = to;
    changed_ = true;
  }

  // Whether a constant is a Python number matters to promotion, which is over, and to those who get it as an output.
  void merge_constants() {
    std::vector<char> output(g_.values.size());
    for (ValueId v : g_.outputs) output[static_cast<size_t>(v)] = 1;
    std::unordered_multimap<size_t, ValueId> seen;
    for (size_t i = 0; i < g_.values.size(); ++i) {
      const Value& x = g_.values[i];
      if (x.kind != Value::Kind::Constant || x.constant.nbytes() > kSmallConstant || output[i]) continue;
      const Tensor here = on_host(x.constant);
      const std::string_view bytes(static_cast<const char*>(here.raw()), here.nbytes());
      size_t h = std::hash<std::string_view>()(bytes);
      mix(h, static_cast<size_t>(x.spec.dtype));
      const auto equal = [&](ValueId v) {
        const Value& y = g_.value(v);
        return y.spec == x.spec && std::memcmp(on_host(y.constant).raw(), bytes.data(), bytes.size()) == 0;
      };
      const auto [begin, end] = seen.equal_range(h);
      auto it = begin;
      while (it != end && !equal(it->second)) ++it;
      if (it == end) seen.emplace(h, static_cast<ValueId>(i));
      else same_[i] = it->second;  // no change to act on: a constant costs nothing
    }
  }

  // What a variable holds is known after it was read or stored, until the next write.
  void visit_state(const Node& n) {
    VariableImpl* v = g_.value(n.in[0]).variable.get();
    if (!v) return;
    if (n.op == &store_) {
      held_[v] = n.in[1];
      return;
    }
    const auto [it, fresh] = held_.try_emplace(v, n.out[0]);
    if (!fresh) take(n.out[0], it->second);
  }

  void visit_pure(const Node& n) {
    size_t h = std::hash<const void*>()(n.op);
    for (ValueId v : n.in) mix(h, static_cast<size_t>(v));
    if (n.attrs) mix(h, attrs_hash(*n.op->attrs, n.attrs.get()));
    const auto [begin, end] = nodes_.equal_range(h);
    for (auto it = begin; it != end; ++it) {
      const Node& m = *it->second;
      const bool equal = m.op == n.op && m.in == n.in && !m.attrs == !n.attrs &&
                         (!n.attrs || attrs_equal(*n.op->attrs, m.attrs.get(), n.attrs.get()));
      if (!equal) continue;
      for (size_t o = 0; o < n.out.size(); ++o) take(n.out[o], m.out[o]);
      return;
    }
    nodes_.emplace(h, &n);
  }

  Graph& g_;
  std::vector<ValueId> same_;
  std::unordered_multimap<size_t, const Node*> nodes_;
  std::unordered_map<VariableImpl*, ValueId> held_;
  const OpDef& read_ = get_op("read_variable");
  const OpDef& store_ = get_op("store");
  bool changed_ = false;
};

}  // namespace

bool merge_common(Graph& g) {
  const bool changed = Merger(g).run();
  if (changed) remove_dead_code(g);
  return changed;
}

}  // namespace tahr::graph
