#include "autodiff/tape.h"

#include <algorithm>
#include <unordered_map>

#include "autodiff/remat.h"
#include "ops/functions.h"

namespace tahr {
namespace {

struct TapeStack : Recorder {
  std::vector<std::shared_ptr<Tape>> tapes;
  std::shared_ptr<Segment> segment;  // while one is open, the first `before` tapes wait for it to close
  size_t before = 0;
  int inner = 0;  // segments within it
  int paused = 0;

  void record(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out) override {
    if (segment && !Segment::passes_by(op)) {
      segment->record(op, in, attrs, out);
      for (size_t i = before; i < tapes.size(); ++i) tapes[i]->record(op, in, attrs, out);
      return;
    }
    for (const auto& tape : tapes) tape->record(op, in, attrs, out);
  }
  void update() { set_recorder(paused == 0 && !tapes.empty() ? this : nullptr); }
};

TapeStack& stack() {
  thread_local TapeStack s;
  return s;
}

}  // namespace

void push_tape(std::shared_ptr<Tape> tape) {
  stack().tapes.push_back(std::move(tape));
  stack().update();
}

void pop_tape(const Tape* tape) {
  auto& tapes = stack().tapes;
  for (size_t i = tapes.size(); i-- > 0;) {
    if (tapes[i].get() == tape) {
      tapes.erase(tapes.begin() + static_cast<std::ptrdiff_t>(i));
      if (i < stack().before) --stack().before;
      break;
    }
  }
  stack().update();
}

bool recording() { return stack().paused == 0 && !stack().tapes.empty(); }

void pause_recording() {
  ++stack().paused;
  stack().update();
}
void resume_recording() {
  --stack().paused;
  stack().update();
}
PauseRecording::PauseRecording() { pause_recording(); }
PauseRecording::~PauseRecording() { resume_recording(); }

int recording_depth(std::span<const Tensor> values) {
  int depth = 0;
  const Segment* segment = stack().segment.get();
  const bool within =
      segment && std::any_of(values.begin(), values.end(), [&](const Tensor& t) { return segment->has(t); });
  for (const auto& tape : recording() ? stack().tapes : std::vector<std::shared_ptr<Tape>>()) {
    const bool watches = std::any_of(values.begin(), values.end(), [&](const Tensor& t) {
      const VariableImpl* v = t.impl()->variable;
      return tape->watches(t) || (v && v->trainable && tape->watches_variables());
    });
    if (watches || within) depth += tape->persistent() ? 2 : 1;
  }
  return depth;
}

RecordOnly::RecordOnly(std::shared_ptr<Tape> tape)
    : tapes_(std::exchange(stack().tapes, {})),
      segment_(std::exchange(stack().segment, nullptr)),
      before_(stack().before),
      inner_(std::exchange(stack().inner, 0)),
      paused_(std::exchange(stack().paused, 0)) {
  if (tape) stack().tapes.push_back(std::move(tape));
  stack().update();
}
RecordOnly::~RecordOnly() {
  stack().tapes = std::move(tapes_);
  stack().segment = std::move(segment_);
  stack().before = before_;
  stack().inner = inner_;
  stack().paused = paused_;
  stack().update();
}

void record_custom_on_tapes(std::span<const Tensor> in, std::span<const Tensor> out, const CustomVjp& vjp) {
  if (!recording()) return;
  TapeStack& s = stack();
  if (s.segment) s.segment->record_custom(in, out, vjp);
  for (size_t i = s.segment ? s.before : 0; i < s.tapes.size(); ++i) s.tapes[i]->record_custom(in, out, vjp);
}

bool begin_segment() {
  TapeStack& s = stack();
  if (!recording()) return false;
  if (s.segment) {
    s.segment->mark_inner(true);
    ++s.inner;
    return true;
  }
  s.segment = std::make_shared<Segment>();
  s.before = s.tapes.size();
  return true;
}

void end_segment() {
  TapeStack& s = stack();
  if (s.inner > 0) {
    s.segment->mark_inner(false);
    --s.inner;
    return;
  }
  const auto segment = std::exchange(s.segment, nullptr);
  segment->close_on(std::span(s.tapes).first(s.before));
}

void abandon_segment() {
  TapeStack& s = stack();
  if (s.inner > 0) {
    s.segment->mark_inner(false);
    --s.inner;
  } else {
    s.segment = nullptr;
  }
}

void record_on_tapes(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out) {
  if (recording()) stack().record(op, in, attrs, out);
}

void Tape::watch_variable(VariableImpl* v) {
  if (watched_.insert(v->handle().id()).second) variables_.push_back(Ref<VariableImpl>(v));
}

void Tape::record(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out) {
  if (!op.vjp || (op.traits & kNoGradient)) return;
  bool watched = false;
  for (const Tensor& t : in) {
    if (!t.defined()) continue;
    if (VariableImpl* v = t.impl()->variable; v && watch_variables_ && v->trainable && is_float(v->value().dtype()))
      watch_variable(v);
    if (watches(t)) {
      watched = true;
      break;
    }
  }
  if (!watched) return;

  TapeNode node;
  node.op = &op;
  if (attrs) node.attrs = op.attrs->clone(attrs);
  node.in_ids.reserve(in.size());
  node.in_specs.reserve(in.size());
  node.in.resize(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    const Tensor& t = in[i];
    node.in_specs.push_back(t.defined() ? t.spec() : Spec{});
    node.in_ids.push_back(t.defined() && is_float(t.dtype()) && watches(t) ? t.impl()->id : 0);
    const uint32_t bit = i < 16 ? save_in(static_cast<int>(i)) : save_in(15);  // variadic ops save all or none
    // Symbolic ones of unknown shape take no memory, and gradients may need their size.
    if (t.defined() && ((op.saves & bit) || !t.shape().fully_known())) node.in[i] = t;
  }
  node.out_ids.reserve(out.size());
  node.out.resize(out.size());
  for (size_t i = 0; i < out.size(); ++i) {
    node.out_specs.push_back(out[i].spec());
    node.out_ids.push_back(out[i].id());
    watched_.insert(out[i].id());
    const uint32_t bit = i < 16 ? save_out(static_cast<int>(i)) : 0;
    if (op.saves & bit) node.out[i] = out[i];
  }
  nodes_.push_back(std::move(node));
}

void Tape::record_custom(std::span<const Tensor> in, std::span<const Tensor> out, CustomVjp vjp) {
  std::vector<uint64_t> ids;
  Specs specs;
  for (const Tensor& t : out) {
    ids.push_back(t.id());
    specs.push_back(t.spec());
  }
  record_custom(in, ids, specs, std::move(vjp));
}

void Tape::record_custom(std::span<const Tensor> in, const std::vector<uint64_t>& out_ids, const Specs& out_specs,
                         CustomVjp vjp) {
  TapeNode node;
  bool watched = false;
  for (const Tensor& t : in) {
    if (VariableImpl* v = t.impl()->variable; v && watch_variables_ && v->trainable) watch_variable(v);
    const bool w = watches(t);
    watched |= w;
    node.in_ids.push_back(w ? t.impl()->id : 0);
    node.in_specs.push_back(t.spec());
  }
  if (!watched) return;
  node.custom = std::make_shared<const CustomVjp>(std::move(vjp));
  node.in.resize(in.size());
  node.out.resize(out_ids.size());
  node.out_ids = out_ids;
  node.out_specs = out_specs;
  watched_.insert(out_ids.begin(), out_ids.end());
  nodes_.push_back(std::move(node));
}

void Tape::reset() {
  nodes_.clear();
  watched_.clear();
  variables_.clear();
}

Tensors Tape::gradient(std::span<const Tensor> targets, std::span<const Tensor> sources,
                       std::span<const Tensor> output_gradients, bool keep) {
  // What goes wrong midway leaves nodes that were already taken: the tape must not answer from the rest.
  struct Forget {
    Tape* tape;
    ~Forget() {
      if (tape) tape->reset();
    }
  };
  std::unordered_map<uint64_t, Tensor> cotangents;
  const auto accumulate = [&](uint64_t id, const Tensor& d) {
    auto [it, fresh] = cotangents.try_emplace(id, d);
    if (!fresh) it->second = ops::add(it->second, d);
  };
  for (size_t i = 0; i < targets.size(); ++i) {
    const Tensor& t = targets[i];
    if (!watches(t)) continue;
    if (i < output_gradients.size() && output_gradients[i].defined()) {
      const Tensor& g = output_gradients[i];
      if (!(g.shape() == t.shape())) {
        throw_value("[GradientTape.gradient] expected output_gradients of shape ", t.shape().str(),
                    " like its target, received shape ", g.shape().str(), ".");
      }
      accumulate(t.id(), ops::cast(g, t.dtype()));
    } else {
      accumulate(t.id(), Tensor::full(t.shape(), t.dtype(), 1.0));
    }
  }

  const Forget forget{keep ? nullptr : this};

  // What the sources depend on: ids that lie on a path from a source, so that no cotangent is computed in vain.
  std::unordered_set<uint64_t> wanted;
  std::unordered_set<uint64_t> source_ids;
  for (const Tensor& s : sources) {
    wanted.insert(s.id());
    source_ids.insert(s.id());
  }
  const size_t count = nodes_.size();
  std::vector<char> on_path(count);
  for (size_t i = 0; i < count; ++i) {
    const TapeNode& n = nodes_[i];
    on_path[i] = std::any_of(n.in_ids.begin(), n.in_ids.end(), [&](uint64_t id) { return id && wanted.count(id); });
    if (on_path[i]) wanted.insert(n.out_ids.begin(), n.out_ids.end());
  }

  Tensors dy, dx;
  for (size_t i = count; i-- > 0;) {
    if (!on_path[i]) {
      if (!keep) nodes_.pop_back();
      continue;
    }
    // A persistent tape that is still recording grows while it is asked, so its node is copied.
    const TapeNode n = keep ? nodes_[i] : std::move(nodes_[i]);
    dy.assign(n.out_ids.size(), Tensor());
    bool any = false;
    for (size_t o = 0; o < n.out_ids.size(); ++o) {
      const auto it = cotangents.find(n.out_ids[o]);
      if (it == cotangents.end()) continue;
      dy[o] = it->second;
      any = true;
      if (!source_ids.count(n.out_ids[o])) cotangents.erase(it);
    }
    if (any) {
      uint64_t needs = 0;
      for (size_t j = 0; j < n.in_ids.size(); ++j) {
        if (n.in_ids[j] && wanted.count(n.in_ids[j])) needs |= uint64_t{1} << (j < 63 ? j : 63);
      }
      dx.assign(n.in_ids.size(), Tensor());
      if (n.custom) {
        Tensors result = (*n.custom)(dy);
        std::move(result.begin(), result.end(), dx.begin());
      } else {
        n.op->vjp({n.in, n.out, n.in_specs, n.out_specs, dy, n.attrs.get(), needs}, dx);
      }
      for (size_t j = 0; j < dx.size(); ++j) {
        if (dx[j].defined() && n.in_ids[j] && wanted.count(n.in_ids[j])) accumulate(n.in_ids[j], dx[j]);
      }
    }
    if (!keep) nodes_.pop_back();
  }

  Tensors result;
  for (const Tensor& s : sources) {
    const auto it = cotangents.find(s.id());
    result.push_back(it == cotangents.end() ? Tensor() : it->second);
  }
  return result;
}

namespace {

Tensors vjp_of_decomposition(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> dy,
                             uint64_t needs) {
  // A tensor that is several inputs is one source for each of them.
  Tensors own(in.begin(), in.end());
  for (size_t i = 0; i < own.size(); ++i) {
    for (size_t j = 0; j < i && own[i].defined(); ++j) {
      if (own[j].defined() && own[j].same(own[i])) own[i] = ops::reshape(ops::ravel(own[i]), own[i].shape());
    }
  }
  const auto tape = std::make_shared<Tape>(false, false);
  Tensors sources;
  std::vector<size_t> places;
  for (size_t i = 0; i < own.size(); ++i) {
    if (!own[i].defined() || !is_float(own[i].dtype()) || !(needs >> std::min<size_t>(i, 63) & 1)) continue;
    tape->watch(own[i]);
    sources.push_back(own[i]);
    places.push_back(i);
  }
  Tensors out;
  push_tape(tape);
  try {
    out = op.decompose(own, attrs);
  } catch (...) {
    pop_tape(tape.get());
    throw;
  }
  pop_tape(tape.get());
  Tensors targets, cotangents;
  for (size_t i = 0; i < out.size() && i < dy.size(); ++i) {
    if (!dy[i].defined() || out[i].size() == 0) continue;
    targets.push_back(out[i]);
    cotangents.push_back(dy[i]);
  }
  const Tensors found = tape->gradient(targets, sources, cotangents, false);
  Tensors result(in.size());
  for (size_t i = 0; i < places.size(); ++i) result[places[i]] = found[i];
  return result;
}

[[maybe_unused]] const bool supplied = (set_decomposed_vjp(vjp_of_decomposition), true);

}  // namespace

}  // namespace tahr
