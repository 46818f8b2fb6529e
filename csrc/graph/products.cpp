// Matrix products with what comes before and after them: transposed operands, bias and activation, the slope of the
// activation before, the step of plain gradient descent.
#include <algorithm>
#include <optional>

#include "graph/passes.h"
#include "ops/array_attrs.h"
#include "ops/conv_attrs.h"
#include "ops/elementwise_attrs.h"
#include "ops/linalg_attrs.h"
#include "ops/norm_attrs.h"
#include "ops/optimizer_attrs.h"

namespace tahr::graph {
namespace {

const OpDef& matmul_op() {
  static const OpDef& op = get_op("matmul");
  return op;
}
const MatmulAttrs& flags(const Node& n) { return *static_cast<const MatmulAttrs*>(n.attrs.get()); }

// Whether the node exchanges the last two axes and keeps the others.
bool swaps_last_two(const Graph& g, const Node& n) {
  static const OpDef& transpose = get_op("transpose");
  if (n.op != &transpose) return false;
  const int rank = g.value(n.in[0]).spec.shape.rank();
  const auto& axes = static_cast<const TransposeAttrs*>(n.attrs.get())->axes;
  if (rank < 2) return false;
  if (!axes) return rank == 2;
  for (int i = 0; i < rank; ++i) {
    const int to = i < rank - 2 ? i : i == rank - 2 ? rank - 1 : rank - 2;
    if (normalize_axis((*axes)[static_cast<size_t>(i)], rank, "transpose") != to) return false;
  }
  return true;
}

// The node that reads a value, if it is the only one, and the value is no output.
class Readers {
 public:
  explicit Readers(const Graph& g) : g_(g), uses_(g.uses()), output_(g.values.size()) {
    for (ValueId v : g.outputs) output_[static_cast<size_t>(v)] = 1;
  }
  int32_t only(ValueId v) const {
    const auto& u = uses_[static_cast<size_t>(v)];
    if (u.size() != 1 || output_[static_cast<size_t>(v)]) return -1;
    const auto& in = g_.nodes[static_cast<size_t>(u[0])].in;
    return std::count(in.begin(), in.end(), v) == 1 ? u[0] : -1;
  }

 private:
  const Graph& g_;
  std::vector<std::vector<int32_t>> uses_;
  std::vector<char> output_;
};

// matmul, add, activation -> linear, and the same with conv_forward; matmul, range_grad -> linear_grad; in the place of
// the last of them. standardize of columns, add, relu -> standardize_relu.
class LinearFuser {
 public:
  explicit LinearFuser(Graph& g) : g_(g), readers_(g), gone_(g.nodes.size()) {}

  bool run() {
    bool changed = false;
    for (size_t i = 0; i < g_.nodes.size(); ++i) changed |= fuse(static_cast<int32_t>(i));
    if (!changed) return false;
    size_t to = 0;
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      if (gone_[i]) continue;
      if (to != i) g_.nodes[to] = std::move(g_.nodes[i]);
      ++to;
    }
    g_.nodes.resize(to);
    remove_dead_code(g_);
    return true;
  }

 private:
  Node& node(int32_t i) { return g_.nodes[static_cast<size_t>(i)]; }
  const Spec& spec(ValueId v) const { return g_.value(v).spec; }

  // Where the skip connection is computed before: in the place of `standardize`, whose statistics others may read.
  bool fuse_normalisation(int32_t i) {
    const auto& at = *static_cast<const StandardizeAttrs*>(node(i).attrs.get());
    const Spec out = spec(node(i).out[0]);
    if (at.rows > 0) return false;
    std::vector<ValueId> in = node(i).in;
    int32_t sum = -1, relu = readers_.only(node(i).out[0]);
    if (relu >= 0 && node(relu).op == &add_) {
      sum = relu;
      const ValueId skip = node(sum).in[node(sum).in[0] == node(i).out[0] ? 1 : 0];
      const Node* before = g_.producer(skip);
      if (!(spec(skip) == out) || (before && before - g_.nodes.data() >= i)) return false;
      in.resize(3, kAbsent);
      in.push_back(skip);
      relu = readers_.only(node(sum).out[0]);
    }
    if (relu < 0 || node(relu).op != &relu_) return false;
    const std::vector<ValueId> results = {node(relu).out[0], node(i).out[1], node(i).out[2]};
    node(i) = Node{&standardize_relu_, node(i).attrs, std::move(in), results};
    for (int32_t absorbed : {sum, relu}) {
      if (absorbed >= 0) gone_[static_cast<size_t>(absorbed)] = 1;
    }
    return true;
  }

  bool fuse(int32_t i) {
    if (node(i).op == &standardize_) return fuse_normalisation(i);
    const Node& product = node(i);
    const bool conv = product.op == &conv_;
    if (product.op != &matmul_op() && !conv) return false;
    const Spec out = spec(product.out[0]);
    if (!is_float(out.dtype) || spec(product.in[0]).shape.rank() < 2 || spec(product.in[1]).shape.rank() < 2)
      return false;
    if (!conv && fuse_slope(i, out)) return true;
    std::string activation;
    const auto own = product.attrs;
    std::vector<ValueId> in = product.in;
    int32_t last = i;
    if (const int32_t a = readers_.only(product.out[0]); a >= 0 && node(a).op == &add_) {
      const ValueId bias = node(a).in[node(a).in[0] == product.out[0] ? 1 : 0];
      const Spec& b = spec(bias);
      if (b.dtype == out.dtype && b.shape.rank() == 1 && b.shape.back() == out.shape.back() && b.shape.fully_known() &&
          spec(node(a).out[0]) == out) {
        in.push_back(bias);
        gone_[static_cast<size_t>(last)] = 1;
        last = a;
      }
    }
    if (const int32_t f = readers_.only(node(last).out[0]); f >= 0 && node(f).in.size() == 1) {
      activation = linear_activation(*node(f).op, node(f).attrs.get());
      if (!activation.empty() && spec(node(f).out[0]) == out) {
        gone_[static_cast<size_t>(last)] = 1;
        last = f;
      } else {
        activation.clear();
      }
    }
    if (last == i) return false;
    if (conv) {
      const auto& at = *static_cast<const ConvCoreAttrs*>(own.get());
      auto attrs = std::make_shared<ConvLinearAttrs>(
          ConvLinearAttrs{at.strides, at.dilation, at.low, at.high, at.groups, std::move(activation)});
      node(last) = Node{&conv_linear_, std::move(attrs), std::move(in), node(last).out};
    } else {
      const auto& at = *static_cast<const MatmulAttrs*>(own.get());
      auto attrs = std::make_shared<LinearAttrs>(LinearAttrs{at.transpose_a, at.transpose_b, std::move(activation)});
      node(last) = Node{&linear_, std::move(attrs), std::move(in), node(last).out};
    }
    return true;
  }

  bool fuse_slope(int32_t i, const Spec& out) {
    const Node& product = node(i);
    const int32_t r = readers_.only(product.out[0]);
    if (r < 0 || node(r).op != &range_grad_ || node(r).in[0] != product.out[0]) return false;
    const ValueId x = node(r).in[1];
    if (!(spec(x) == out) || !(spec(node(r).out[0]) == out)) return false;
    const auto& range = *static_cast<const RangeGradAttrs*>(node(r).attrs.get());
    auto attrs = std::make_shared<LinearGradAttrs>();
    attrs->transpose_a = flags(product).transpose_a;
    attrs->transpose_b = flags(product).transpose_b;
    attrs->low = range.low, attrs->high = range.high, attrs->scale = range.scale;
    gone_[static_cast<size_t>(i)] = 1;
    node(r) = Node{&linear_grad_, std::move(attrs), {product.in[0], product.in[1], x}, node(r).out};
    return true;
  }

  Graph& g_;
  const Readers readers_;
  std::vector<char> gone_;
  const OpDef &add_ = get_op("add"), &linear_ = get_op("linear");
  const OpDef &conv_ = get_op("conv_forward"), &conv_linear_ = get_op("conv_linear");
  const OpDef &range_grad_ = get_op("range_grad"), &linear_grad_ = get_op("linear_grad");
  const OpDef &relu_ = get_op("relu"), &standardize_ = get_op("standardize");
  const OpDef& standardize_relu_ = get_op("standardize_relu");
};

// The gradient `g` of a plain step of descent, if it is a product that nothing else reads.
const Node* private_product(const Graph& g, const Readers& readers, ValueId gradient) {
  const Node* n = g.producer(gradient);
  if (!n || n->op != &matmul_op() || readers.only(gradient) < 0) return nullptr;
  const auto is_matrix = [&](ValueId v) { return g.value(v).spec.shape.rank() == 2; };
  return is_matrix(n->in[0]) && is_matrix(n->in[1]) ? n : nullptr;
}

// What takes the place of an sgd_update: linear_sgd for each gradient that is a product of its own, sgd_update for the
// rest. Empty if there is no such product.
std::vector<Node> descent(const Graph& g, const Readers& readers, const Node& update) {
  static const OpDef& linear_sgd = get_op("linear_sgd");
  const auto& at = *static_cast<const SgdAttrs*>(update.attrs.get());
  const auto count = static_cast<size_t>(at.count);
  if (at.momentum != 0) return {};
  const ValueId rate = update.in[2 * count];
  const auto decays = [&](size_t i) {
    return at.weight_decay != 0 &&
           std::find(at.no_decay.begin(), at.no_decay.end(), static_cast<int64_t>(i)) == at.no_decay.end();
  };
  const auto parameters_end = update.in.begin() + static_cast<std::ptrdiff_t>(count);
  auto rest = std::make_shared<SgdAttrs>(at);
  rest->no_decay.clear();
  std::vector<Node> nodes;
  std::vector<ValueId> in, gradients;
  for (size_t i = 0; i < count; ++i) {
    const ValueId parameter = update.in[i], gradient = update.in[count + i];
    const Node* product = decays(i) ? nullptr : private_product(g, readers, gradient);
    if (product && std::count(update.in.begin(), parameters_end, parameter) == 1) {
      nodes.push_back({&linear_sgd, product->attrs, {parameter, product->in[0], product->in[1], rate}, {}});
      continue;
    }
    if (at.weight_decay != 0 && !decays(i)) rest->no_decay.push_back(static_cast<int64_t>(in.size()));
    in.push_back(parameter);
    gradients.push_back(gradient);
  }
  if (nodes.empty() || in.empty()) return nodes;
  rest->count = static_cast<int64_t>(in.size());
  in.insert(in.end(), gradients.begin(), gradients.end());
  in.push_back(rate);
  nodes.push_back({update.op, std::move(rest), std::move(in), {}});
  return nodes;
}

bool fuse_descent(Graph& g) {
  static const OpDef& update = get_op("sgd_update");
  std::vector<std::pair<size_t, std::vector<Node>>> replaced;
  std::optional<Readers> readers;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (g.nodes[i].op != &update) continue;
    if (!readers) readers.emplace(g);
    std::vector<Node> nodes = descent(g, *readers, g.nodes[i]);
    if (!nodes.empty()) replaced.emplace_back(i, std::move(nodes));
  }
  for (auto it = replaced.rbegin(); it != replaced.rend(); ++it) {
    const auto at = g.nodes.begin() + static_cast<std::ptrdiff_t>(it->first);
    *at = std::move(it->second.back());
    it->second.pop_back();
    g.nodes.insert(at, std::make_move_iterator(it->second.begin()), std::make_move_iterator(it->second.end()));
  }
  if (!replaced.empty()) remove_dead_code(g);
  return !replaced.empty();
}

}  // namespace

bool fold_transposes(Graph& g) {
  bool changed = false;
  for (Node& n : g.nodes) {
    if (n.op != &matmul_op()) continue;
    for (size_t side = 0; side < 2; ++side) {
      const Node* before = g.producer(n.in[side]);
      if (!before || !swaps_last_two(g, *before)) continue;
      auto a = std::make_shared<MatmulAttrs>(flags(n));
      bool& flag = side == 0 ? a->transpose_a : a->transpose_b;
      flag = !flag;
      n.in[side] = before->in[0];
      n.attrs = std::move(a);
      changed = true;
    }
  }
  if (changed) remove_dead_code(g);
  return changed;
}

bool fuse_matmul(Graph& g) {
  const bool linear = LinearFuser(g).run();
  return fuse_descent(g) || linear;
}

}  // namespace tahr::graph
