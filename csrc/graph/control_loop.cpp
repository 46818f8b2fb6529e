// Running loops. Where all shapes are known when a loop is built, a round is one step of the body's executable: carries
// go to and fro between two buffers, rows are read and results written where they lie in their arrays.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "autodiff/tape.h"
#include "core/limits.h"
#include "graph/control.h"

namespace tahr::graph {
namespace {

constexpr int64_t kFirstRows = 16;  // of results whose number is not known

std::atomic<void (*)()> interrupt_check{nullptr};

// Asks the interrupt check now and then; looks at the clock in every 16th round only.
class Watch {
 public:
  void tick(int64_t round) {
    if (limits_) [[unlikely]]
      limits_->check_time();
    if (round & 15) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    if (const auto check = interrupt_check.load(std::memory_order_relaxed); check && round) check();
  }

 private:
  const LimitScope* const limits_ = LimitScope::current();
  std::chrono::steady_clock::time_point next_{};
};

Shape with_rows(Shape s, int64_t rows) {
  s.insert(0, rows);
  return s;
}

Tensor zeros_with_rows(const Spec& row, int64_t rows, Device device) {
  Shape s = row.shape;
  for (int i = 0; i < s.rank(); ++i) s[i] = std::max<int64_t>(s[i], 0);
  return to_device(Tensor::zeros(with_rows(s, rows), row.dtype), device);
}

// Copies `from` into the corner of `to`, of the same rank.
void copy_corner(const Tensor& from, const Tensor& to) {
  const int rank = from.rank();
  if (from.size() == 0) return;
  if (from.shape() == to.shape()) {
    copy_into(to, from);
    return;
  }
  const auto fs = contiguous_strides(from.shape()), ts = contiguous_strides(to.shape());
  const size_t item = size_of(from.dtype()), run = static_cast<size_t>(from.shape().back()) * item;
  std::array<int64_t, kMaxRank> at{};
  for (bool more = true; more;) {
    int64_t f = 0, t = 0;
    for (int d = 0; d + 1 < rank; ++d) {
      f += at[static_cast<size_t>(d)] * fs[static_cast<size_t>(d)];
      t += at[static_cast<size_t>(d)] * ts[static_cast<size_t>(d)];
    }
    device_copy(to.mutable_data<std::byte>() + static_cast<size_t>(t) * item, to.device(),
                from.data<std::byte>() + static_cast<size_t>(f) * item, from.device(), run);
    more = false;
    for (int d = rank - 2; d >= 0 && !more; --d) {
      if (++at[static_cast<size_t>(d)] < from.shape()[d]) more = true;
      else at[static_cast<size_t>(d)] = 0;
    }
  }
}

struct Row {
  Tensor array;
  Shape shape;
  size_t bytes;
  Tensor at(int64_t i) const {
    const auto base =
        static_cast<size_t>(array.data<std::byte>() - static_cast<std::byte*>(array.impl()->storage->data()));
    return Tensor::from_storage(array.impl()->storage, base + static_cast<size_t>(i) * bytes, shape, array.dtype());
  }
  std::byte* data(int64_t i) const { return array.mutable_data<std::byte>() + static_cast<size_t>(i) * bytes; }
};

Row row_of(const Tensor& array) {
  Shape s = array.shape();
  s.erase(0);
  return {array, s, static_cast<size_t>(s.size()) * size_of(array.dtype())};
}

class Loop {
 public:
  Loop(std::span<const Tensor> in, const LoopAttrs& attrs)
      : attrs_(attrs),
        operands_(in.subspan(1)),
        carries_(static_cast<size_t>(attrs.carries)),
        rows_end_(carries_ + static_cast<size_t>(attrs.slices)),
        body_(*attrs.bodies->list[0]) {
    for (size_t i = carries_; i < rows_end_; ++i) rows_.push_back(row_of(operands_[i]));
    if (attrs.conditional) most_ = attrs.maximum;
    else if (in[0].defined()) most_ = std::max<int64_t>(in[0].item_int(), 0);
    else most_ = attrs.length != kUnknown ? attrs.length : operands_[carries_].dim(0);
    for (const Row& r : rows_) {
      if (r.array.dim(0) < most_)
        throw_value("[loop] expected arrays of at least ", most_, " rows, one per round, received shape ",
                    r.array.shape().str(), ".");
    }
  }

  Tensors run() {
    const Graph& g = body_.traced();
    for (size_t i = carries_; i < g.outputs.size(); ++i) result_rows_.push_back(g.value(g.outputs[i]).spec);
    bool known = true;
    for (ValueId v : g.outputs) known &= g.value(v).spec.shape.fully_known();
    for (size_t i = 0; i < rows_end_; ++i) known &= g.value(g.inputs[i]).spec.shape.fully_known();
    device_ = body_.device_for(operands_);
    for (Row& r : rows_) r.array = to_device(r.array, device_);
    return known ? run_planned() : run_freely();
  }

 private:
  bool bounded() const { return most_ != kUnknown; }
  bool finished(int64_t rounds) const { return bounded() && rounds >= most_; }
  int64_t row_in(int64_t round) const { return attrs_.reverse ? most_ - 1 - round : round; }
  // Rows of the stacked results: as many as the slices have, if there are any.
  int64_t result_rows(int64_t rounds) const { return rows_.empty() ? rounds : rows_[0].array.dim(0); }

  // ---- shapes are known -----------------------------------------------------------------------------------

  struct Carry {
    bool moves = false;      // computed straight into the buffer that the next round reads
    bool unchanged = false;  // each round gives on what it got
    size_t bytes = 0;
    Tensor now;  // what the next round reads
    Tensor buffers[2];
  };

  Tensors run_planned() {
    std::shared_ptr<Executable> condition;
    if (attrs_.conditional) condition = attrs_.bodies->list[1]->borrow(device_);
    const auto body = body_.borrow(device_);
    const Graph& g = body->graph();
    std::vector<Carry> carries(carries_);
    for (size_t i = 0; i < carries_; ++i) {
      Carry& c = carries[i];
      c.now = to_device(operands_[i], device_);
      c.bytes = c.now.nbytes();
      c.unchanged = g.outputs[i] == g.inputs[i];
      c.moves = body->movable(i);
    }
    // Results: arrays of known length, or ones that grow.
    Tensors stacks;
    int64_t room = bounded() && (!attrs_.conditional || most_ <= kFirstRows) ? result_rows(most_) : kFirstRows;
    for (const Spec& s : result_rows_) stacks.push_back(Tensor::empty_on(device_, with_rows(s.shape, room), s.dtype));
    std::vector<Row> results;
    for (const Tensor& t : stacks) results.push_back(row_of(t));
    std::vector<char> straight;
    for (size_t i = 0; i < results.size(); ++i) straight.push_back(body->movable(carries_ + i));

    int64_t round = 0;
    Tensors inputs(operands_.begin(), operands_.end());
    if (condition) condition->bind(inputs);
    Watch watch;
    for (bool first = true; !finished(round); first = false, ++round) {
      watch.tick(round);
      if (condition) {
        condition->step();
        if (condition->output(0).item_int() == 0) break;
      }
      const int64_t at = row_in(round);
      if (first) {
        for (size_t i = 0; i < rows_.size(); ++i) inputs[carries_ + i] = rows_[i].at(at);
        body->bind(inputs);
        for (Carry& c : carries) {
          if (c.unchanged) continue;
          for (Tensor& b : c.buffers) b = Tensor::empty_on(device_, c.now.shape(), c.now.dtype());
        }
      } else {
        for (size_t i = 0; i < rows_.size(); ++i)
          body->point_input(carries_ + i, rows_[i].array.impl()->storage, rows_[i].data(at));
      }
      if (at >= room) {
        room *= 2;
        for (Row& r : results) r = grown(r, at, room);
      }
      for (size_t i = 0; i < carries_; ++i) {
        Carry& c = carries[i];
        if (!c.moves) continue;
        const TensorImpl& to = *c.buffers[round & 1].impl();
        body->point_output(i, to.storage, to.data);
      }
      for (size_t i = 0; i < results.size(); ++i) {
        if (straight[i]) body->point_output(carries_ + i, results[i].array.impl()->storage, results[i].data(at));
      }
      body->step();
      for (size_t i = 0; i < results.size(); ++i) {
        if (!straight[i] && results[i].bytes)
          device_copy(results[i].data(at), device_, body->output(carries_ + i).raw(), device_, results[i].bytes);
      }
      for (size_t i = 0; i < carries_; ++i) {
        Carry& c = carries[i];
        if (!c.unchanged && !c.moves && c.bytes) copy_into(c.buffers[round & 1], body->output(i));
      }
      for (size_t i = 0; i < carries_; ++i) {
        Carry& c = carries[i];
        if (c.unchanged) continue;
        c.now = c.buffers[round & 1];
        const TensorImpl& now = *c.now.impl();
        body->point_input(i, now.storage, now.data);
        if (condition) condition->point_input(i, now.storage, now.data);
      }
    }
    Tensors out;
    for (Carry& c : carries) out.push_back(c.now.with_shape(c.now.shape()));
    out.push_back(Tensor::scalar_int(round, DType::Int32));
    const int64_t rows = result_rows(round);
    for (const Row& r : results) out.push_back(trimmed(r, round, rows));
    return out;
  }

  static Row grown(const Row& r, int64_t used, int64_t room) {
    const Row larger = row_of(Tensor::empty_on(r.array.device(), with_rows(r.shape, room), r.array.dtype()));
    device_copy(larger.array.mutable_raw(), larger.array.device(), r.array.raw(), r.array.device(),
                static_cast<size_t>(used) * r.bytes);
    return larger;
  }

  // The first `rows` rows, of which `used` are filled.
  static Tensor trimmed(const Row& r, int64_t used, int64_t rows) {
    if (rows > used && r.bytes) {
      const Tensor rest = Row{r.array, with_rows(r.shape, rows - used), r.bytes}.at(used);
      if (rest.device().is_cpu()) std::memset(rest.mutable_raw(), 0, rest.nbytes());
      else copy_into(rest, Tensor::zeros(rest.shape(), rest.dtype()));
    }
    return Tensor::from_storage(r.array.impl()->storage, 0, with_rows(r.shape, rows), r.array.dtype());
  }

  // ---- shapes are known only when a round has run ---------------------------------------------------------------

  Tensors run_freely() {
    Tensors carries(operands_.begin(), operands_.begin() + static_cast<std::ptrdiff_t>(carries_));
    std::vector<Tensors> results(result_rows_.size());
    Tensors in(operands_.begin(), operands_.end());
    int64_t round = 0;
    Watch watch;
    for (; !finished(round); ++round) {
      watch.tick(round);
      if (attrs_.conditional && attrs_.bodies->list[1]->run(in)[0].item_int() == 0) break;
      for (size_t i = 0; i < rows_.size(); ++i) in[carries_ + i] = rows_[i].at(row_in(round));
      Tensors out = body_.run(in);
      std::move(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(carries_), in.begin());
      for (size_t i = 0; i < results.size(); ++i) results[i].push_back(std::move(out[carries_ + i]));
    }
    Tensors out;
    for (size_t i = 0; i < carries_; ++i) out.push_back(in[i].with_shape(in[i].shape()));
    out.push_back(Tensor::scalar_int(round, DType::Int32));
    for (size_t i = 0; i < results.size(); ++i) out.push_back(stacked(results[i], result_rows_[i], round));
    return out;
  }

  // Rows of different lengths are filled up with zeros: they are residuals of loops inside this one, which know how
  // much of them counts.
  Tensor stacked(const Tensors& list, const Spec& row, int64_t rounds) const {
    Spec widest = row;
    for (const Tensor& t : list) {
      for (int d = 0; d < t.rank(); ++d) widest.shape[d] = std::max(widest.shape[d], t.shape()[d]);
    }
    const Tensor all = zeros_with_rows(widest, result_rows(rounds), device_);
    const Row rows = row_of(all);
    for (size_t r = 0; r < list.size(); ++r) {
      const auto at = attrs_.reverse ? rounds - 1 - static_cast<int64_t>(r) : static_cast<int64_t>(r);
      copy_corner(list[r], rows.at(at));
    }
    return all;
  }

  const LoopAttrs& attrs_;
  std::span<const Tensor> operands_;
  size_t carries_, rows_end_;
  GraphFunction& body_;
  std::vector<Row> rows_;
  Specs result_rows_;
  Device device_;
  int64_t most_ = kUnknown;  // rounds
};

}  // namespace

void set_interrupt_check(void (*check)()) { interrupt_check = check; }

Tensors run_loop(std::span<const Tensor> in, const LoopAttrs& attrs) {
  const PauseTracing now;
  const PauseRecording quiet;
  return Loop(in, attrs).run();
}

}  // namespace tahr::graph
