// Fusion of elementwise nodes into `fused` programs (ops/fused.h).
//
// Nodes are gathered into groups that become one node each. A group
// - has one iteration space: its results have the shape of the whole, or are single elements, or (where only the group
//   reads them) rows of the whole;
// - can run at one point in time: no path leads out of it and back in;
// - returns whatever somebody outside reads, so nothing is computed twice.
// Groups grow along edges; single elements (metrics, step counts) also join without one. Variables are read and
// written in the order in which they were.
#include <algorithm>
#include <queue>

#include "graph/passes.h"
#include "ops/fused.h"

namespace tahr::graph {
namespace {

constexpr size_t kMaxInstructions = 64;
constexpr int64_t kLongestRow = 1024;  // longer ones are no cheaper to recompute than to read
constexpr size_t kSearch = 20000;      // groups that a search for a path visits before it gives up
// From this size on a group spans so many nodes at most, so that the time of the pass grows with the graph's length and
// not with its square.
constexpr int32_t kLongGraph = 4096, kMaxSpan = 512;
constexpr size_t kScalarPartners = 8;  // groups of single elements tried for one without an edge between

// What reads the result of an elementwise view reads its input.
void skip_identities(Graph& g) {
  std::vector<ValueId> same(g.values.size());
  for (size_t i = 0; i < same.size(); ++i) same[i] = static_cast<ValueId>(i);
  for (Node& n : g.nodes) {
    for (ValueId& v : n.in) {
      if (v != kAbsent) v = same[static_cast<size_t>(v)];
    }
    const uint32_t identity = kElementwise | kView;
    if ((n.op->traits & identity) == identity) same[static_cast<size_t>(n.out[0])] = n.in[0];
  }
}

// Elementwise nodes broadcast by themselves: they read what was stretched for them, where that leaves their shape as it
// is. Not so `power`, which computes with a single exponent in another way.
void skip_broadcasts(Graph& g) {
  static const OpDef &stretch = get_op("broadcast_to"), &power = get_op("power");
  for (Node& n : g.nodes) {
    if (!can_fuse(*n.op) || n.op == &power) continue;
    for (ValueId& v : n.in) {
      const Node* from = v == kAbsent ? nullptr : g.producer(v);
      if (!from || from->op != &stretch) continue;
      const ValueId stretched = v;
      v = from->in[0];
      Shape shape;
      bool fits = true;
      for (ValueId in : n.in) {
        const Shape before = shape;
        fits = fits && in != kAbsent && g.value(in).spec.shape.fully_known() &&
               broadcast_shapes(before, g.value(in).spec.shape, &shape);
      }
      if (!fits || !(shape == g.value(n.out[0]).spec.shape)) v = stretched;
    }
  }
}

// The graph has no dead nodes.
class Fuser {
 public:
  explicit Fuser(Graph& g) : g_(g) {}

  void run() {
    const auto count = static_cast<int32_t>(g_.nodes.size());
    span_ = count < kLongGraph ? count : kMaxSpan;
    find_edges();
    grow();
    join_scalars();
    emit();
  }

 private:
  struct Group {
    std::vector<int32_t> nodes;  // ascending
    Shape whole;
    bool fusible = false;
  };

  int32_t group_of(int32_t node) const { return of_[static_cast<size_t>(node)]; }
  Group& group(int32_t i) { return groups_[static_cast<size_t>(i)]; }
  const Group& group(int32_t i) const { return groups_[static_cast<size_t>(i)]; }
  const Node& node(int32_t i) const { return g_.nodes[static_cast<size_t>(i)]; }
  const Shape& shape_of(int32_t i) const { return g_.value(node(i).out[0]).spec.shape; }
  int32_t producer(ValueId v) const {
    return v != kAbsent && g_.value(v).kind == Value::Kind::Result ? g_.value(v).node : -1;
  }

  bool fusible(const Node& n) const {
    if (!can_fuse(*n.op) || n.in.size() != n.op->input_names.size()) return false;
    const auto fits = [&](ValueId v) {
      return v != kAbsent && g_.value(v).kind != Value::Kind::Variable && g_.value(v).spec.shape.fully_known();
    };
    return std::all_of(n.in.begin(), n.in.end(), fits) && fits(n.out[0]) && g_.value(n.out[0]).spec.shape.size() > 0;
  }

  void find_edges() {
    const size_t count = g_.nodes.size();
    next_.resize(count);
    outside_.assign(g_.values.size(), false);
    for (ValueId v : g_.outputs) outside_[static_cast<size_t>(v)] = true;
    struct Touched {
      VariableImpl* variable;
      int32_t write = -1;
      std::vector<int32_t> reads;
    };
    std::vector<Touched> touched;
    const auto touch = [&](VariableImpl* v) -> Touched& {
      for (Touched& t : touched) {
        if (t.variable == v) return t;
      }
      return touched.emplace_back(Touched{v, -1, {}});
    };
    for (int32_t i = 0; i < static_cast<int32_t>(count); ++i) {
      for (ValueId v : node(i).in) add_edge(producer(v), i);
      const Effects e = effects(g_, node(i));
      for (VariableImpl* v : e.reads) {
        Touched& t = touch(v);
        add_edge(t.write, i);
        t.reads.push_back(i);
      }
      for (VariableImpl* v : e.writes) {
        Touched& t = touch(v);
        add_edge(t.write, i);
        for (int32_t r : t.reads) add_edge(r, i);
        t.reads.clear();
        t.write = i;
      }
      const bool fits = fusible(node(i));
      groups_.push_back({{i}, fits ? shape_of(i) : Shape(), fits});
      of_.push_back(i);
    }
  }
  void add_edge(int32_t from, int32_t to) {
    if (from < 0 || from == to) return;
    auto& list = next_[static_cast<size_t>(from)];
    if (!list.empty() && list.back() == to) return;
    list.push_back(to);
  }

  // Whether a path leads from group `from` to group `to` through some other group. Every group on such a path begins
  // before `window`: its last edge ends in `to`, and so on backwards.
  bool path_around(int32_t from, int32_t to) {
    int32_t window = group(to).nodes.back();
    for (int32_t i = std::max(0, group(from).nodes.front() - span_); i <= window; ++i)
      window = std::max(window, group(group_of(i)).nodes.back());
    ++visit_;
    visited_.resize(groups_.size(), 0);
    std::vector<int32_t> todo{from};
    size_t seen = 0;
    while (!todo.empty()) {
      const int32_t k = todo.back();
      todo.pop_back();
      for (int32_t member : group(k).nodes) {
        for (int32_t n : next_[static_cast<size_t>(member)]) {
          const int32_t other = group_of(n);
          if (other == from || (other == to && k == from)) continue;
          if (other == to || ++seen > kSearch) return true;
          if (group(other).nodes.front() > window || visited_[static_cast<size_t>(other)] == visit_) continue;
          visited_[static_cast<size_t>(other)] = visit_;
          todo.push_back(other);
        }
      }
    }
    return false;
  }

  static bool is_row(const Shape& s, const Shape& whole) {
    int skip = 0;
    while (skip < s.rank() && s[skip] == 1) ++skip;
    const int rank = s.rank() - skip;
    if (rank != 1) return false;
    return whole.rank() > 1 && s.back() == whole.back() && s.back() <= kLongestRow;
  }
  bool read_outside(ValueId v, int32_t a, int32_t b) const {
    if (outside_[static_cast<size_t>(v)]) return true;
    for (int32_t n : next_[static_cast<size_t>(g_.value(v).node)]) {
      const auto& in = node(n).in;
      if (group_of(n) != a && group_of(n) != b && std::find(in.begin(), in.end(), v) != in.end()) return true;
    }
    return false;
  }

  // Whether the two would make a program.
  bool fit(int32_t a, int32_t b) const {
    if (!group(a).fusible || !group(b).fusible) return false;
    if (group(a).nodes.size() + group(b).nodes.size() > kMaxInstructions) return false;
    const int32_t first = std::min(group(a).nodes.front(), group(b).nodes.front());
    if (std::max(group(a).nodes.back(), group(b).nodes.back()) - first > span_) return false;
    Shape whole;
    if (!broadcast_shapes(group(a).whole, group(b).whole, &whole)) return false;
    std::vector<ValueId> inputs;
    for (int32_t k : {a, b}) {
      for (int32_t i : group(k).nodes) {
        const Shape& s = shape_of(i);
        const bool full = s.size() == whole.size() || s.size() == 1;
        if (!full && (!is_row(s, whole) || read_outside(node(i).out[0], a, b))) return false;
        for (ValueId v : node(i).in) {
          const int32_t from = producer(v);
          if (from < 0 || (group_of(from) != a && group_of(from) != b)) inputs.push_back(v);
        }
      }
    }
    std::sort(inputs.begin(), inputs.end());
    return std::unique(inputs.begin(), inputs.end()) - inputs.begin() <= kFusedMaxInputs;
  }

  void merge(int32_t a, int32_t b) {
    Shape whole;
    broadcast_shapes(group(a).whole, group(b).whole, &whole);
    group(a).whole = whole;
    std::vector<int32_t> both;
    std::merge(group(a).nodes.begin(), group(a).nodes.end(), group(b).nodes.begin(), group(b).nodes.end(),
               std::back_inserter(both));
    for (int32_t i : group(b).nodes) of_[static_cast<size_t>(i)] = a;
    group(a).nodes = std::move(both);
    group(b).nodes.clear();
    group(b).fusible = false;
  }

  // Twice: what a row is read by may have come together only in the first round.
  void grow() {
    for (int round = 0; round < 2; ++round) {
      for (int32_t i = 0; i < static_cast<int32_t>(g_.nodes.size()); ++i) {
        if (!group(group_of(i)).fusible) continue;
        for (ValueId v : node(i).in) {
          const int32_t from = producer(v);
          if (from < 0) continue;
          const int32_t a = group_of(from), b = group_of(i);
          if (a != b && fit(a, b) && !path_around(a, b)) merge(a, b);
        }
      }
    }
  }

  void join_scalars() {
    std::vector<int32_t> partners;
    for (int32_t k = 0; k < static_cast<int32_t>(groups_.size()); ++k) {
      if (!group(k).fusible || group(k).whole.size() != 1) continue;
      const auto joins = [&](int32_t p) { return fit(p, k) && !path_around(p, k) && !path_around(k, p); };
      const auto p = std::find_if(partners.rbegin(), partners.rend(), joins);
      if (p != partners.rend()) {
        merge(*p, k);
      } else {
        partners.push_back(k);
        if (partners.size() > kScalarPartners) partners.erase(partners.begin());
      }
    }
  }

  Node program_of(const Group& k, int32_t id) const {
    static const OpDef& op = get_op("fused");
    FusedProgram program;
    Node fused{&op, nullptr, {}, {}};
    for (int32_t i : k.nodes) {
      for (ValueId v : node(i).in) {
        const int32_t from = producer(v);
        const bool inside = from >= 0 && group_of(from) == id;
        if (!inside && std::find(fused.in.begin(), fused.in.end(), v) == fused.in.end()) fused.in.push_back(v);
      }
    }
    program.inputs = static_cast<int>(fused.in.size());
    std::vector<ValueId> values = fused.in;
    const auto number = [&](ValueId v) {
      return static_cast<int>(std::find(values.begin(), values.end(), v) - values.begin());
    };
    for (int32_t i : k.nodes) {
      FusedInstruction ins{node(i).op, node(i).attrs, {}};
      for (ValueId v : node(i).in) ins.operands.push_back(number(v));
      program.code.push_back(std::move(ins));
      const ValueId out = node(i).out[0];
      if (read_outside(out, id, id)) {
        program.outputs.push_back(static_cast<int>(values.size()));
        fused.out.push_back(out);
      }
      values.push_back(out);
    }
    auto attrs = std::make_shared<FusedAttrs>();
    attrs->program = fused_text(program);
    fused.attrs = std::move(attrs);
    return fused;
  }

  // Groups in an order that respects all edges, otherwise by where they ended before.
  void emit() {
    std::vector<int32_t> waits(groups_.size());
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      for (int32_t n : next_[i]) waits[static_cast<size_t>(group_of(n))] += group_of(n) != of_[i];
    }
    using Entry = std::pair<int32_t, int32_t>;  // position, group
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
    for (int32_t k = 0; k < static_cast<int32_t>(groups_.size()); ++k) {
      if (!group(k).nodes.empty() && waits[static_cast<size_t>(k)] == 0) ready.push({group(k).nodes.back(), k});
    }
    std::vector<Node> nodes;
    while (!ready.empty()) {
      const int32_t k = ready.top().second;
      ready.pop();
      const Group& done = group(k);
      if (done.nodes.size() == 1) nodes.push_back(node(done.nodes[0]));
      else nodes.push_back(program_of(done, k));
      for (int32_t i : done.nodes) {
        for (int32_t n : next_[static_cast<size_t>(i)]) {
          const int32_t other = group_of(n);
          if (other != k && --waits[static_cast<size_t>(other)] == 0) ready.push({group(other).nodes.back(), other});
        }
      }
    }
    g_.nodes = std::move(nodes);
    g_.renumber();
  }

  Graph& g_;
  int32_t span_ = 0;
  std::vector<std::vector<int32_t>> next_;  // per node, those that must come after it
  std::vector<bool> outside_;               // per value: a graph output
  std::vector<Group> groups_;
  std::vector<int32_t> of_;  // per node
  std::vector<uint32_t> visited_;
  uint32_t visit_ = 0;
};

}  // namespace

void fuse_elementwise(Graph& g) {
  skip_identities(g);
  skip_broadcasts(g);
  remove_dead_code(g);
  Fuser(g).run();
  remove_dead_code(g);  // values inside the programs
}

}  // namespace tahr::graph
