#include "graph/plan.h"

#include <algorithm>

#include "core/error.h"

namespace tahr::graph {
namespace {

constexpr size_t kAlign = 64;

bool known(const Spec& s) { return s.shape.fully_known(); }
size_t bytes_of(const Spec& s) { return static_cast<size_t>(s.shape.size()) * size_of(s.dtype); }

// Graphs from files may have any attributes, and inference follows them: sums of sizes must stay numbers.
void check_sizes(const Graph& g) {
  constexpr int64_t kMost = int64_t{1} << 46;  // bytes: the addresses of a process
  int64_t total = 0;
  for (const Value& v : g.values) {
    const Shape& s = v.spec.shape;
    bool negative = false;
    for (int64_t d : s) negative |= d < 0 && d != kUnknown;
    if (negative || (known(v.spec) && s.size() > kMost / static_cast<int64_t>(size_of(v.spec.dtype))))
      throw Error(ErrorKind::Memory, concat("[function] expected tensors that fit into memory, received a graph with ",
                                            name_of(v.spec.dtype), " of shape ", s.str(), "."));
    if (known(v.spec)) total += s.size() * static_cast<int64_t>(size_of(v.spec.dtype));
    if (total > kMost * 1024)
      throw Error(ErrorKind::Memory, "[function] expected tensors that fit into memory, received a graph of more.");
  }
}

class Planner {
 public:
  explicit Planner(const Graph& g) : g_(g) {}

  Plan make() {
    find_roots();
    classify();
    measure_lives();
    collect_effects();
    place_stores();
    place_reads();
    place_in_place();
    place_arena();
    return std::move(plan_);
  }

 private:
  Buffer& buffer(ValueId v) { return plan_.buffers[static_cast<size_t>(plan_.root[static_cast<size_t>(v)])]; }
  StepKind& step(int32_t node) { return plan_.steps[static_cast<size_t>(node)]; }
  const Node& node(int32_t i) const { return g_.nodes[static_cast<size_t>(i)]; }
  int32_t count() const { return static_cast<int32_t>(g_.nodes.size()); }

  void find_roots() {
    plan_.root.resize(g_.values.size());
    plan_.buffers.resize(g_.values.size());
    for (size_t i = 0; i < g_.values.size(); ++i) plan_.root[i] = static_cast<ValueId>(i);
    for (const Node& n : g_.nodes) {
      if (n.op->traits & kView) plan_.root[static_cast<size_t>(n.out[0])] = plan_.root[static_cast<size_t>(n.in[0])];
    }
  }

  bool all_known(const Node& n) const {
    const auto check = [&](ValueId v) { return v == kAbsent || known(g_.value(v).spec); };
    return std::all_of(n.in.begin(), n.in.end(), check) && std::all_of(n.out.begin(), n.out.end(), check);
  }

  void classify() {
    for (size_t i = 0; i < g_.values.size(); ++i) {
      Buffer& b = plan_.buffers[i];
      b.root = static_cast<ValueId>(i);
      switch (g_.values[i].kind) {
        case Value::Kind::Input: b.place = Place::Input; break;
        case Value::Kind::Constant: b.place = Place::Constant; break;
        case Value::Kind::Variable: b.place = Place::Handle; break;
        case Value::Kind::Result: b.place = Place::Arena; break;
      }
    }
    static const OpDef& read = get_op("read_variable");
    static const OpDef& store = get_op("store");
    plan_.steps.resize(g_.nodes.size(), StepKind::Dynamic);
    for (int32_t i = 0; i < count(); ++i) {
      const Node& n = node(i);
      const bool kernel = n.op->kernel[static_cast<int>(DeviceType::CPU)] != nullptr;
      if (n.op == &read || n.op == &store) {
        step(i) = StepKind::Copy;  // until it is found free
      } else if (n.op->traits & kView) {
        const bool late = !all_known(n) || buffer(n.in[0]).place == Place::Dynamic ||
                          (g_.value(plan_.root[static_cast<size_t>(n.in[0])]).kind == Value::Kind::Input &&
                           !known(g_.value(plan_.root[static_cast<size_t>(n.in[0])]).spec));
        step(i) = late ? StepKind::View : StepKind::Skip;
      } else if (kernel && all_known(n)) {
        step(i) = StepKind::Kernel;
      } else {
        for (ValueId v : n.out) buffer(v).place = Place::Dynamic;
      }
    }
  }

  void measure_lives() {
    for (int32_t i = 0; i < count(); ++i) {
      for (ValueId v : node(i).in) {
        if (v != kAbsent) buffer(v).last = i;
      }
      for (ValueId v : node(i).out) {
        Buffer& b = buffer(v);
        if (b.root == v) b.first = i;
        b.last = std::max(b.last, i);
      }
    }
    for (ValueId v : g_.outputs) {
      Buffer& b = buffer(v);
      b.escapes = true;
      b.last = count();
    }
  }

  // The nodes at which each variable's contents are read otherwise than by `read_variable`, and written.
  struct Touch {
    std::vector<int32_t> reads, writes;
    std::vector<ValueId> read_values;    // results of its read_variable nodes
    std::vector<ValueId> stored_values;  // computed in its memory
  };
  Touch& touch(VariableImpl* v) {
    for (auto& [key, t] : touches_) {
      if (key == v) return t;
    }
    touches_.push_back({v, {}});
    return touches_.back().second;
  }
  static void add_once(std::vector<VariableImpl*>& to, VariableImpl* v) {
    if (std::find(to.begin(), to.end(), v) == to.end()) to.push_back(v);
  }

  void collect_effects() {
    static const OpDef& read = get_op("read_variable");
    static const OpDef& store = get_op("store");
    for (int32_t i = 0; i < count(); ++i) {
      const Node& n = node(i);
      const Effects e = effects(g_, n);
      for (VariableImpl* v : e.reads) add_once(plan_.read, v);
      for (VariableImpl* v : e.writes) add_once(plan_.written, v);
      if (n.op == &read) {
        touch(e.reads[0]).read_values.push_back(n.out[0]);
      } else {
        for (VariableImpl* v : e.reads) {
          if (n.op != &store) touch(v).reads.push_back(i);
        }
        for (VariableImpl* v : e.writes) touch(v).writes.push_back(i);
      }
    }
  }

  // Elementwise: the kernel reads an element of a same-sized input before it writes the result's. A single element that
  // it spreads over a larger result stays as it is: on a GPU some threads read it when others have written theirs.
  bool may_overwrite(const Node& n, ValueId input, ValueId result) const {
    const bool elementwise = (n.op->traits & kElementwise) && n.out.size() == 1;
    if (!elementwise && !(n.op->traits & kInPlace)) return false;
    const Spec &in = g_.value(input).spec, &out = g_.value(result).spec;
    if (in.shape != out.shape || size_of(in.dtype) != size_of(out.dtype)) return false;
    if (out.shape.size() != 1) return true;
    return std::all_of(n.out.begin(), n.out.end(), [&](ValueId o) { return g_.value(o).spec.shape.size() == 1; });
  }
  // No input of `n` other than those of exactly the result's shape lies in the memory of `root`.
  bool reads_only_alike(const Node& n, ValueId root, ValueId result) const {
    return std::all_of(n.in.begin(), n.in.end(), [&](ValueId v) {
      return v == kAbsent || plan_.root[static_cast<size_t>(v)] != root || may_overwrite(n, v, result);
    });
  }

  static int32_t next_after(const std::vector<int32_t>& at, int32_t i) {
    int32_t next = INT32_MAX;
    for (int32_t w : at) {
      if (w > i) next = std::min(next, w);
    }
    return next;
  }

  // Whether the value that node `at` stores may be computed in the variable's own memory.
  bool can_compute_in(VariableImpl* v, int32_t at, ValueId stored) {
    const Buffer& b = buffer(stored);
    if (b.place != Place::Arena || b.escapes || b.variable) return false;
    const int32_t made = b.first;
    if (step(made) != StepKind::Kernel || (node(made).op->traits & kStateful)) return false;
    if (bytes_of(g_.value(b.root).spec) != v->value().nbytes()) return false;
    const Touch& t = touch(v);
    const auto between = [&](int32_t i) { return i >= made && i < at; };
    if (std::any_of(t.reads.begin(), t.reads.end(), between)) return false;
    if (std::any_of(t.writes.begin(), t.writes.end(), between)) return false;
    if (b.last >= next_after(t.writes, at)) return false;
    for (ValueId s : t.stored_values) {  // an earlier store may have put its value there, for others to read
      const Buffer& old = buffer(s);
      if (old.first < made && old.last > made) return false;
      if (old.first < made && old.last == made && !reads_only_alike(node(made), old.root, b.root)) return false;
    }
    for (ValueId r : t.read_values) {
      const Buffer& old = buffer(r);
      if (old.first >= made && old.first < at) return false;
      if (old.escapes) continue;  // becomes a copy, made when it is read
      if (old.first < made && old.last > made && old.first < at) return false;
      if (old.first < made && old.last == made && !reads_only_alike(node(made), old.root, b.root)) return false;
    }
    return true;
  }

  void place_stores() {
    static const OpDef& store = get_op("store");
    for (int32_t i = 0; i < count(); ++i) {
      const Node& n = node(i);
      if (n.op != &store) continue;
      VariableImpl* v = g_.value(n.in[0]).variable.get();
      if (!can_compute_in(v, i, n.in[1])) continue;
      Buffer& b = buffer(n.in[1]);
      b.place = Place::Variable;
      b.variable = v;
      touch(v).stored_values.push_back(b.root);
      auto& writes = touch(v).writes;
      *std::find(writes.begin(), writes.end(), i) = b.first;
      step(i) = StepKind::Skip;
    }
  }

  void place_reads() {
    static const OpDef& read = get_op("read_variable");
    for (int32_t i = 0; i < count(); ++i) {
      const Node& n = node(i);
      if (n.op != &read) continue;
      VariableImpl* v = g_.value(n.in[0]).variable.get();
      Buffer& b = buffer(n.out[0]);
      const int32_t next = next_after(touch(v).writes, i);
      // A write at the very node that reads it last is one that computes in place, or an update of other variables.
      const bool at_write = b.last == next && step(next) == StepKind::Kernel && !node(next).out.empty();
      if (b.escapes || (b.last >= next && !at_write)) continue;
      b.place = Place::Variable;
      b.variable = v;
      step(i) = StepKind::Skip;
    }
  }

  void place_in_place() {
    taken_.assign(g_.values.size(), 0);
    for (int32_t i = 0; i < count(); ++i) {
      if (step(i) != StepKind::Kernel) continue;
      for (ValueId result : node(i).out) overwrite_input(i, result);
    }
  }
  void overwrite_input(int32_t i, ValueId result) {
    const Node& n = node(i);
    Buffer& b = buffer(result);
    if (b.place != Place::Arena || b.escapes) return;
    for (ValueId v : n.in) {
      if (v == kAbsent || !may_overwrite(n, v, result)) continue;
      Buffer& old = buffer(v);
      if (old.place != Place::Arena || old.escapes || old.last != i || taken_[static_cast<size_t>(old.root)]) continue;
      if (bytes_of(g_.value(old.root).spec) != bytes_of(g_.value(b.root).spec)) continue;
      if (!reads_only_alike(n, old.root, result)) continue;
      b.in_place_of = old.root;
      taken_[static_cast<size_t>(old.root)] = 1;
      ++plan_.stats.in_place;
      return;
    }
  }

  // Where memory taken over began its life.
  ValueId origin(ValueId root) const {
    while (plan_.buffers[static_cast<size_t>(root)].in_place_of != kAbsent)
      root = plan_.buffers[static_cast<size_t>(root)].in_place_of;
    return root;
  }

  void place_arena() {
    struct Block {
      ValueId root;
      size_t bytes, offset;
      int32_t first, last;
    };
    std::vector<Block> blocks;
    std::vector<int32_t> index(g_.values.size(), -1);
    for (size_t i = 0; i < g_.values.size(); ++i) {
      const auto v = static_cast<ValueId>(i);
      Buffer& b = plan_.buffers[i];
      if (plan_.root[i] != v || g_.values[i].kind != Value::Kind::Result || b.place != Place::Arena) continue;
      if (b.escapes) {
        b.place = Place::Output;
        continue;
      }
      b.bytes = bytes_of(g_.values[i].spec);
      plan_.stats.unshared_bytes += b.bytes;
      const auto from = static_cast<size_t>(origin(v));
      if (index[from] < 0) {
        index[from] = static_cast<int32_t>(blocks.size());
        blocks.push_back({static_cast<ValueId>(from), (b.bytes + kAlign - 1) / kAlign * kAlign, 0, b.first, b.last});
      } else {
        Block& k = blocks[static_cast<size_t>(index[from])];
        k.first = std::min(k.first, b.first);
        k.last = std::max(k.last, b.last);
      }
    }
    std::vector<size_t> order(blocks.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });
    std::vector<size_t> placed;  // by offset
    for (size_t i : order) {
      Block& k = blocks[i];
      size_t at = 0;
      for (size_t j : placed) {
        const Block& other = blocks[j];
        if (other.last < k.first || other.first > k.last) continue;
        if (at + k.bytes <= other.offset) break;
        at = std::max(at, other.offset + other.bytes);
      }
      k.offset = at;
      plan_.stats.arena_bytes = std::max(plan_.stats.arena_bytes, at + k.bytes);
      placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                     [&](size_t a, size_t b) { return blocks[a].offset < blocks[b].offset; }),
                    i);
    }
    for (size_t i = 0; i < g_.values.size(); ++i) {
      Buffer& b = plan_.buffers[i];
      if (b.place != Place::Arena || plan_.root[i] != static_cast<ValueId>(i)) continue;
      if (g_.values[i].kind != Value::Kind::Result) continue;
      b.offset = blocks[static_cast<size_t>(index[static_cast<size_t>(origin(b.root))])].offset;
    }
    for (StepKind k : plan_.steps) {
      plan_.stats.kernels += k == StepKind::Kernel;
      plan_.stats.views += k == StepKind::Skip || k == StepKind::View;
      plan_.stats.copies += k == StepKind::Copy;
      plan_.stats.dynamic += k == StepKind::Dynamic;
    }
  }

  const Graph& g_;
  Plan plan_;
  std::vector<std::pair<VariableImpl*, Touch>> touches_;
  std::vector<char> taken_;  // roots whose memory a later result took over
};

}  // namespace

Plan make_plan(const Graph& g) {
  check_sizes(g);
  return Planner(g).make();
}

}  // namespace tahr::graph
