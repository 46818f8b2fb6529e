#include "autodiff/remat.h"

#include <algorithm>

#include "ops/functions.h"

namespace tahr {

Segment::Source Segment::source_of(const Tensor& t) {
  if (!t.defined()) return {.absent = true};
  const uint64_t id = t.id();
  if (const auto it = local_.find(id); it != local_.end()) return it->second;
  const auto [it, fresh] = outside_index_.try_emplace(id, outside_.size());
  if (fresh) outside_.push_back(t);
  return {.index = it->second};
}

void Segment::add_outputs(Step& step, std::span<const Tensor> out) {
  step.outputs = out.size();
  step.first_output = ids_.size();
  for (size_t i = 0; i < out.size(); ++i) {
    ids_.push_back(out[i].id());
    specs_.push_back(out[i].spec());
    local_[out[i].id()] = {.step = static_cast<int>(steps_.size()), .index = i};
  }
}

void Segment::record(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out) {
  // In a trace, what is computed at once is a constant of the graph.
  if (tracing() && std::none_of(out.begin(), out.end(), [](const Tensor& t) { return t.is_symbolic(); })) return;
  Step step;
  step.op = &op;
  if (attrs) step.attrs = op.attrs->clone(attrs);
  for (const Tensor& t : in) step.in.push_back(source_of(t));
  add_outputs(step, out);
  steps_.push_back(std::move(step));
}

void Segment::record_custom(std::span<const Tensor> in, std::span<const Tensor> out, const CustomVjp& vjp) {
  Step step;
  step.kind = Step::Kind::Custom;
  step.custom = std::make_shared<const CustomVjp>(vjp);
  for (const Tensor& t : in) step.in.push_back(source_of(t));
  step.kept.assign(out.begin(), out.end());
  add_outputs(step, out);
  steps_.push_back(std::move(step));
}

void Segment::mark_inner(bool begin) {
  Step step;
  step.kind = begin ? Step::Kind::Begin : Step::Kind::End;
  steps_.push_back(std::move(step));
}

void Segment::close_on(std::span<const std::shared_ptr<Tape>> tapes) {
  local_.clear();
  outside_index_.clear();
  const auto self = shared_from_this();
  for (const auto& tape : tapes) {
    std::vector<char> wanted;
    for (const Tensor& t : outside_) wanted.push_back(is_float(t.dtype()) && tape->watches(t));
    tape->record_custom(outside_, ids_, specs_, [self, wanted = std::move(wanted)](std::span<const Tensor> dy) {
      return self->gradient(dy, wanted);
    });
  }
}

Tensors Segment::gradient(std::span<const Tensor> dy, const std::vector<char>& wanted) const {
  static const OpDef& barrier = get_op("remat_barrier");
  Tensors outside = outside_;
  Tensors sources;
  const auto tape = std::make_shared<Tape>(false, false);
  for (size_t i = 0; i < outside.size(); ++i) {
    // Without this a graph would find that everything has been computed already, and keep it.
    if (outside[i].is_symbolic() && !outside[i].impl()->variable)
      outside[i] = apply1(barrier, {&outside[i], 1}, nullptr);
    if (!wanted[i]) continue;
    tape->watch(outside[i]);
    sources.push_back(outside[i]);
  }
  Tensors targets, cotangents;
  push_tape(tape);
  try {
    targets = run_again(outside, dy);
  } catch (...) {
    pop_tape(tape.get());
    throw;
  }
  pop_tape(tape.get());
  for (const Tensor& d : dy) {
    if (d.defined()) cotangents.push_back(d);
  }
  Tensors found = tape->gradient(targets, sources, cotangents, false);
  Tensors result(outside.size());
  for (size_t i = 0, next = 0; i < outside.size(); ++i) {
    if (wanted[i]) result[i] = std::move(found[next++]);
  }
  return result;
}

// The results that have a cotangent, computed anew. Others live until their last use.
Tensors Segment::run_again(const Tensors& outside, std::span<const Tensor> dy) const {
  std::vector<size_t> last(ids_.size(), 0);
  size_t end = 0;  // nothing behind it is needed
  for (size_t s = 0; s < steps_.size(); ++s) {
    for (const Source& from : steps_[s].in) {
      if (from.step >= 0) last[steps_[static_cast<size_t>(from.step)].first_output + from.index] = s;
    }
  }
  for (size_t s = 0; s < steps_.size(); ++s) {
    for (size_t o = 0; o < steps_[s].outputs; ++o) {
      if (!dy[steps_[s].first_output + o].defined()) continue;
      last[steps_[s].first_output + o] = steps_.size();
      end = s + 1;
    }
  }
  Tensors values(ids_.size());
  Tensors in;
  int open = 0;
  struct Close {  // after an error inside of an inner segment
    int& open;
    ~Close() {
      for (; open > 0; --open) abandon_segment();
    }
  } close{open};
  std::vector<char> opened;
  for (size_t s = 0; s < steps_.size(); ++s) {
    const Step& step = steps_[s];
    if (step.kind == Step::Kind::Begin) {
      opened.push_back(s < end && begin_segment());
      open += opened.back();
      continue;
    }
    if (step.kind == Step::Kind::End) {
      const bool ours = opened.back();
      opened.pop_back();
      if (ours) {
        end_segment();
        --open;
      }
      continue;
    }
    if (s >= end) continue;
    in.clear();
    for (const Source& from : step.in) {
      if (from.absent) in.emplace_back();
      else if (from.step < 0) in.push_back(outside[from.index]);
      else in.push_back(values[steps_[static_cast<size_t>(from.step)].first_output + from.index]);
    }
    Tensors out;
    if (step.kind == Step::Kind::Op) {
      out = apply(*step.op, in, step.attrs.get());
    } else {
      const PauseRecording pause;
      for (const Tensor& t : step.kept) out.push_back(ops::reshape(t, t.shape()));
    }
    if (step.kind == Step::Kind::Custom) record_custom_on_tapes(in, out, *step.custom);
    for (size_t o = 0; o < out.size(); ++o) {
      if (last[step.first_output + o] > s) values[step.first_output + o] = std::move(out[o]);
    }
    for (const Source& from : step.in) {
      if (from.step < 0) continue;
      const size_t v = steps_[static_cast<size_t>(from.step)].first_output + from.index;
      if (last[v] == s) values[v] = Tensor();
    }
  }
  Tensors targets;
  for (size_t v = 0; v < values.size(); ++v) {
    if (dy[v].defined()) targets.push_back(values[v]);
  }
  return targets;
}

}  // namespace tahr
