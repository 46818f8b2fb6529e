// Reverse-mode differentiation over a recorded list of op applications. Iterative: the length of a chain is
// bounded by memory, not by the stack.
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "core/variable.h"
#include "ops/op.h"

namespace tahr {

// The backward function of a node that is not a table op (custom gradients): cotangents of the outputs in
// (undefined: zero), cotangents of the inputs out (undefined: none).
using CustomVjp = std::function<Tensors(std::span<const Tensor> dy)>;

struct TapeNode {
  const OpDef* op = nullptr;  // null for a custom node
  std::shared_ptr<const void> attrs;
  std::shared_ptr<const CustomVjp> custom;
  std::vector<uint64_t> in_ids, out_ids;  // 0: absent or not watched
  Specs in_specs, out_specs;
  Tensors in, out;  // saved values; undefined where the vjp does not read them
};

class Segment;  // remat.h

class Tape {
 public:
  explicit Tape(bool persistent, bool watch_variables) : persistent_(persistent), watch_variables_(watch_variables) {}

  void watch(const Tensor& t) { watched_.insert(t.id()); }
  bool watches(const Tensor& t) const { return t.impl()->id != 0 && watched_.count(t.impl()->id) != 0; }
  bool watches_variables() const { return watch_variables_; }
  bool persistent() const { return persistent_; }
  void watch_variable(VariableImpl* v);
  std::vector<Ref<VariableImpl>> watched_variables() const { return variables_; }

  void record(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out);
  void record_custom(std::span<const Tensor> in, std::span<const Tensor> out, CustomVjp vjp);
  // The same for outputs of which only ids and specs are left.
  void record_custom(std::span<const Tensor> in, const std::vector<uint64_t>& out_ids, const Specs& out_specs,
                     CustomVjp vjp);
  void reset();

  // d(sum of targets . output_gradients) / d(sources). Undefined where a source is unconnected.
  // A missing output gradient is ones. With `keep` the tape may be asked again; otherwise it forgets as it goes.
  Tensors gradient(std::span<const Tensor> targets, std::span<const Tensor> sources,
                   std::span<const Tensor> output_gradients, bool keep);

  size_t size() const { return nodes_.size(); }

 private:
  bool persistent_, watch_variables_;
  std::vector<TapeNode> nodes_;
  std::unordered_set<uint64_t> watched_;
  std::vector<Ref<VariableImpl>> variables_;
};

// The stack of recording tapes of this thread.
void push_tape(std::shared_ptr<Tape> tape);
void pop_tape(const Tape* tape);  // from anywhere in the stack
bool recording();
// While alive, nothing records on this thread (tape.stop_recording, optimizer updates).
class PauseRecording {
 public:
  PauseRecording();
  ~PauseRecording();
  PauseRecording(const PauseRecording&) = delete;
  PauseRecording& operator=(const PauseRecording&) = delete;
};
void pause_recording();
void resume_recording();
// How many derivatives may be asked of what is computed from these now: the number of tapes that watch one of them, a
// persistent one counted twice, since it may be asked about a gradient that it gave.
int recording_depth(std::span<const Tensor> values);
// While alive, of the tapes there were only `tape` records on this thread; null: none of them.
class RecordOnly {
 public:
  explicit RecordOnly(std::shared_ptr<Tape> tape = nullptr);
  ~RecordOnly();
  RecordOnly(const RecordOnly&) = delete;
  RecordOnly& operator=(const RecordOnly&) = delete;

 private:
  std::vector<std::shared_ptr<Tape>> tapes_;
  std::shared_ptr<Segment> segment_;
  size_t before_;
  int inner_, paused_;
};
// Records a custom node on every active tape that watches one of the inputs.
void record_custom_on_tapes(std::span<const Tensor> in, std::span<const Tensor> out, const CustomVjp& vjp);

// Records an application on every active tape that watches one of the inputs.
void record_on_tapes(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out);

}  // namespace tahr
