// Rematerialization: a stretch of recorded ops that keeps what it began with, and computes the rest again for
// gradients.
//
// While a segment is open, ops are listed in it and not on the tapes that were there before. When it closes, these
// tapes get one node for all of it. Its vjp runs the listed ops again, recorded by a tape of their own, and asks that
// tape. Kept are the tensors from outside, results of state ops among them (the value that a variable had), so that
// running again writes nothing and draws the same random numbers. Every result of the segment is an output of the node:
// nothing is lost where one leaves the segment by a side door, such as a loss that a layer adds.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "autodiff/tape.h"

namespace tahr {

class Segment : public std::enable_shared_from_this<Segment> {
 public:
  void record(const OpDef& op, std::span<const Tensor> in, const void* attrs, std::span<const Tensor> out);
  void record_custom(std::span<const Tensor> in, std::span<const Tensor> out, const CustomVjp& vjp);
  // A segment within this one: opened and closed again when this one runs again.
  void mark_inner(bool begin);

  bool has(const Tensor& t) const { return t.impl()->id && local_.count(t.impl()->id); }
  // Whether ops of this kind are left to the tapes: reads and writes of variables.
  static bool passes_by(const OpDef& op) { return (op.traits & kStateful) || op.name == "remat_barrier"; }
  void close_on(std::span<const std::shared_ptr<Tape>> tapes);

 private:
  struct Source {   // where an input comes from
    int step = -1;  // of the segment; -1: from outside, or absent
    size_t index = 0;
    bool absent = false;
  };
  struct Step {
    enum class Kind { Op, Custom, Begin, End } kind = Kind::Op;
    const OpDef* op = nullptr;
    std::shared_ptr<const void> attrs;
    std::shared_ptr<const CustomVjp> custom;
    std::vector<Source> in;
    Tensors kept;  // outputs of a custom step, which cannot be run again
    size_t outputs = 0;
    size_t first_output = 0;  // among those of the whole segment
  };

  Source source_of(const Tensor& t);
  void add_outputs(Step& step, std::span<const Tensor> out);
  Tensors gradient(std::span<const Tensor> dy, const std::vector<char>& wanted) const;
  Tensors run_again(const Tensors& outside, std::span<const Tensor> dy) const;

  std::vector<Step> steps_;
  std::vector<uint64_t> ids_;  // of all outputs
  Specs specs_;
  std::unordered_map<uint64_t, Source> local_;
  Tensors outside_;
  std::unordered_map<uint64_t, size_t> outside_index_;
};

// Opens a segment; within one, only marks the place. Does nothing where no tape records: then end_segment() must not be
// called, and false is returned.
bool begin_segment();
void end_segment();
void abandon_segment();  // after an error: what was listed goes to no tape

}  // namespace tahr
