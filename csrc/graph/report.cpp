#include "graph/report.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "ops/linalg_attrs.h"

namespace tahr::graph {
namespace {

double size_of_shape(const Shape& s) { return s.fully_known() ? static_cast<double>(s.size()) : 0; }
double bytes_of(const Spec& s) { return size_of_shape(s.shape) * static_cast<double>(size_of(s.dtype)); }

// The length of the sums that op(x1) op(x2) is made of.
double inner_size(const Spec& x1, bool transposed) {
  const int rank = x1.shape.rank();
  if (rank == 0) return 0;
  const int64_t k = x1.shape[rank > 1 && transposed ? rank - 2 : rank - 1];
  return k == kUnknown ? 0 : static_cast<double>(k);
}

double product_flops(const Graph& g, const Node& n) {
  static const OpDef &matmul = get_op("matmul"), &linear = get_op("linear"), &descent = get_op("linear_sgd");
  const auto spec = [&](ValueId v) { return g.value(v).spec; };
  if (n.op == &matmul || n.op == &linear) {
    const bool transposed = n.op == &matmul ? static_cast<const MatmulAttrs*>(n.attrs.get())->transpose_a
                                            : static_cast<const LinearAttrs*>(n.attrs.get())->transpose_a;
    return 2 * size_of_shape(spec(n.out[0]).shape) * inner_size(spec(n.in[0]), transposed);
  }
  static const OpDef& slope = get_op("linear_grad");
  if (n.op == &slope) {
    const bool transposed = static_cast<const LinearGradAttrs*>(n.attrs.get())->transpose_a;
    return 2 * size_of_shape(spec(n.out[0]).shape) * inner_size(spec(n.in[0]), transposed);
  }
  if (n.op == &descent) {
    const bool transposed = static_cast<const MatmulAttrs*>(n.attrs.get())->transpose_a;
    return 2 * size_of_shape(spec(n.in[0]).shape) * inner_size(spec(n.in[1]), transposed);
  }
  // Each element of the outputs of a convolution is a sum over what one filter covers; the other two of its kind take
  // the same terms in other sums.
  static const OpDef &conv = get_op("conv_forward"), &conv_dx = get_op("conv_dx"), &conv_dw = get_op("conv_dw"),
                     &conv_linear = get_op("conv_linear");
  if (n.op == &conv || n.op == &conv_linear || n.op == &conv_dx || n.op == &conv_dw) {
    const Spec kernel = spec(n.op == &conv_dw ? n.out[0] : n.in[1]);
    const Spec outputs = spec(n.op == &conv || n.op == &conv_linear ? n.out[0] : n.op == &conv_dx ? n.in[0] : n.in[1]);
    const double filters = kernel.shape.fully_known() ? static_cast<double>(kernel.shape.back()) : 0;
    return filters > 0 ? 2 * size_of_shape(outputs.shape) * size_of_shape(kernel.shape) / filters : 0;
  }
  return 0;
}

// Ops that read as much of their first input as they write.
bool reads_a_part(const OpDef& op) {
  static const std::vector<std::string> names = {"take",          "gather_axis", "gather_nd",  "pick_labels",
                                                 "strided_slice", "slice",       "segment_sum"};
  return std::find(names.begin(), names.end(), op.name) != names.end();
}

const char* kind_name(Value::Kind k) {
  switch (k) {
    case Value::Kind::Input: return "input";
    case Value::Kind::Constant: return "constant";
    case Value::Kind::Variable: return "variable";
    case Value::Kind::Result: break;
  }
  return "result";
}

}  // namespace

Cost cost_of(const Graph& g, const Node& n) {
  Cost c;
  c.flops = product_flops(g, n);
  std::vector<ValueId> seen;
  for (ValueId v : n.in) {
    if (v == kAbsent || std::find(seen.begin(), seen.end(), v) != seen.end()) continue;
    seen.push_back(v);
    const bool whole = v != n.in[0] || !reads_a_part(*n.op);
    c.bytes += whole ? bytes_of(g.value(v).spec) : bytes_of(g.value(n.out[0]).spec);
  }
  for (ValueId v : n.out) c.bytes += bytes_of(g.value(v).spec);
  for (VariableImpl* v : effects(g, n).writes) {
    if (v->value().size() > 1) c.bytes += static_cast<double>(v->value().nbytes());  // scalars may be read only
  }
  return c;
}

GraphReport report_of(const Executable& e) {
  const Graph& g = e.graph();
  GraphReport r;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& x = g.values[i];
    r.values.push_back({kind_name(x.kind), std::string(name_of(x.spec.dtype)), x.variable ? x.variable->name : "",
                        e.placement(static_cast<ValueId>(i)), x.spec.shape});
  }
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    r.nodes.push_back({n.op->name, n.attrs ? attrs_str(*n.op->attrs, n.attrs.get()) : "",
                       e.step_name(static_cast<int32_t>(i)), n.in, n.out, cost_of(g, n)});
  }
  for (const StepTime& t : e.times()) {
    NodeReport& n = r.nodes[static_cast<size_t>(t.node)];
    n.runs = t.runs;
    n.seconds = t.seconds;
    n.fastest = t.fastest;
  }
  r.inputs = g.inputs;
  r.outputs = g.outputs;
  r.stats = e.stats();
  r.device = name_of(e.device());
  r.replay = e.replay();
  return r;
}

std::string text_of(const Executable& e) {
  const Graph& g = e.graph();
  const PlanStats& s = e.stats();
  const std::string body = g.str([&](size_t i) {
    const std::string step = e.step_name(static_cast<int32_t>(i));
    std::string note;
    for (ValueId v : g.nodes[i].out) note += (note.empty() ? "" : "; ") + e.placement(v);
    if (step.empty()) return "free" + (note.empty() ? "" : ", " + note);
    if (step == "kernel") return note;
    return step + (note.empty() ? "" : ", " + note);
  });
  return concat(body, "memory: ", s.arena_bytes, " bytes in one arena, ", s.unshared_bytes, " without sharing\n",
                "steps: ", s.kernels, " kernels, ", s.copies, " copies, ", s.dynamic, " dynamic, ", s.views, " free\n",
                e.device().is_cpu() ? "" : concat("device: ", name_of(e.device()), ", ", e.replay(), "\n"));
}

// ---- profiles ----

namespace {

struct Profiles {
  std::mutex mutex;
  std::atomic<int> count{0};
  int next = 1;
  // Per profile, per executable.
  std::map<int, std::map<uint64_t, GraphReport>> open;
};
Profiles& profiles() {
  static Profiles* p = new Profiles;
  return *p;
}

}  // namespace

bool profiling() { return profiles().count.load(std::memory_order_relaxed) > 0; }

int start_profile() {
  Profiles& p = profiles();
  const std::lock_guard lock(p.mutex);
  p.open[p.next];
  ++p.count;
  return p.next++;
}

std::vector<GraphReport> stop_profile(int id) {
  Profiles& p = profiles();
  const std::lock_guard lock(p.mutex);
  const auto it = p.open.find(id);
  if (it == p.open.end()) throw_value("[profile] expected a profile that is on, received number ", id, ".");
  std::vector<GraphReport> reports;
  for (auto& [serial, report] : it->second) reports.push_back(std::move(report));
  p.open.erase(it);
  --p.count;
  return reports;
}

void add_to_profiles(const Executable& e) {
  Profiles& p = profiles();
  const std::lock_guard lock(p.mutex);
  for (auto& [id, reports] : p.open) {
    const auto it = reports.find(e.serial());
    if (it == reports.end()) {
      reports.emplace(e.serial(), report_of(e));
      continue;
    }
    for (const StepTime& t : e.times()) {
      NodeReport& n = it->second.nodes[static_cast<size_t>(t.node)];
      if (t.runs) n.fastest = n.runs ? std::min(n.fastest, t.fastest) : t.fastest;
      n.runs += t.runs;
      n.seconds += t.seconds;
    }
  }
}

}  // namespace tahr::graph
