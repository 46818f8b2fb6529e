// Reductions on the CPU: which elements meet where. The kernels that add them up are in isa/reduce.cpp.
//
// The tensor is seen as its collapsed Layout (reduce_layout.h). The outputs are cut into tiles; the elements that go
// into a tile into steps (one block each); steps into slots of fixed size. Every (tile, slot) is one unit of parallel
// work and makes one partial result; the slots' partials are merged in pairs. Nothing of this depends on the number of
// threads.
#pragma once

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/reduce_layout.h"
#include "cpu/reduce_table.h"

namespace tahr {

inline constexpr int64_t kChunk = 16384;        // elements of a row that one step takes
inline constexpr int64_t kMomentsChunk = 4096;  // the same where a step reads its block twice and adds in one level
inline constexpr int64_t kSlot = 32768;         // elements that a slot takes at least
inline constexpr int64_t kTileColumns = 2048;
inline constexpr int64_t kStepRows = 128;      // rows that a step of the column form takes
inline constexpr int64_t kFoldColumns = 1024;  // narrower columns are read several rows at a time, up to this width

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

class Reduction {
 public:
  Reduction(const ReduceKernel& kernel, const Tensor& x, const Layout& layout, ReduceKind kind, double cost_ns)
      : k_(kernel),
        layout_(layout),
        x_(static_cast<const std::byte*>(x.raw())),
        elem_(size_of(x.dtype())),
        cost_ns_(cost_ns) {
    if (x.dtype() == DType::Float16) widen_ = reduce_table().widen_f16;
    if (x.dtype() == DType::BFloat16) widen_ = reduce_table().widen_bf16;
    positions_ = kind == ReduceKind::ArgMax || kind == ReduceKind::ArgMin;
    const Layout& l = layout_;
    if (l.columns) {
      tile_ = std::min(l.n, widen_ ? kTileColumns / 2 : kTileColumns);
      tiles_ = ceil_div(l.n, tile_);
      while (fold_ * 2 * l.n <= kFoldColumns && fold_ * 16 <= l.rows) fold_ *= 2;
      chunk_ = std::min(l.rows, (widen_ ? kStepRows / 8 : kStepRows) * fold_);
      chunks_ = ceil_div(l.rows, chunk_);
    } else {
      const int64_t limit = kind == ReduceKind::Moments ? kMomentsChunk : kChunk;
      chunk_ = std::min(l.n, limit);
      chunks_ = ceil_div(l.n, chunk_);
      // Several rows only where they are whole; more of them where the next ones in memory are for later.
      if (chunks_ == 1) tile_ = std::min(l.rows, std::max<int64_t>(1, (l.reduced_count > 1 ? 4 : 1) * kChunk / l.n));
      if (tile_ > 16) tile_ -= tile_ % 16;  // as vectors have them
      tiles_ = ceil_div(l.rows, tile_);
    }
    steps_ = l.reduced_count * chunks_;
    // Partials of many slots are written and read again: where that counts, larger slots, but some for each thread.
    const bool costly = l.columns ? kernel.a_size + kernel.b_size >= 16 : l.reduced_count > 1;
    const int64_t slot = costly ? std::clamp(x.size() / 16, kSlot, 16 * kSlot) : kSlot;
    steps_per_slot_ = std::max<int64_t>(1, slot / (tile_ * chunk_));
    slots_ = ceil_div(steps_, steps_per_slot_);
  }

  int64_t outputs() const { return layout_.kept_count * (layout_.columns ? layout_.n : layout_.rows); }

  // Calls finish(a, b, first, n) on finished partials of all outputs, n at a time from `first` on. Where one step makes
  // whole outputs, its partials stay in the first-level cache until then.
  template <class Finish>
  void finished(Finish finish) const {
    constexpr int64_t kRun = 512;
    const int64_t outputs = this->outputs();
    if (steps_ > 1 || k_.a_size + k_.b_size > 16) {
      const Scratch a(outputs * k_.a_size), b(outputs * k_.b_size);
      run(a.get(), b.get());
      return finish(a.get(), b.get(), int64_t{0}, outputs);
    }
    const int64_t per_kept = layout_.outputs();
    auto body = [&](int64_t item) {
      alignas(64) std::byte a[kRun * 8], b[kRun * 8];
      const int64_t tile = item % tiles_, kept = item / tiles_,
                    base = Layout::offset(layout_.kept, layout_.kept_axes, kept);
      const int64_t end = std::min((tile + 1) * tile_, per_kept);
      for (int64_t r = tile * tile_; r < end; r += kRun) {
        const int64_t n = std::min(kRun, end - r);
        if (layout_.columns) column_step(base + r, layout_.rows, n, 0, a, b);
        else row_step(base + r * layout_.n, n, layout_.n, 0, a, b);
        finish(a, b, kept * per_kept + r, n);
      }
    };
    const int64_t items = layout_.kept_count * tiles_;
    if (items == 1) body(0);
    else parallel_chunks(items, cost_ns_, body);
  }

  // a and b have room for one partial per output.
  void run(std::byte* a, std::byte* b) const {
    const int64_t outputs = this->outputs(), items = layout_.kept_count * tiles_ * slots_;
    const size_t spare = static_cast<size_t>(slots_ - 1) * outputs;
    const Scratch more_a(spare * k_.a_size), more_b(spare * k_.b_size);
    auto slot_a = [&](int64_t s) { return s == 0 ? a : more_a.get() + (s - 1) * outputs * k_.a_size; };
    auto slot_b = [&](int64_t s) { return s == 0 ? b : more_b.get() + (s - 1) * outputs * k_.b_size; };
    auto body = [&](int64_t item) {
      const int64_t slot = item % slots_, tile = item / slots_ % tiles_, kept = item / slots_ / tiles_;
      const int64_t per_kept = layout_.columns ? layout_.n : layout_.rows;
      const int64_t begin = tile * tile_, count = std::min(tile_, per_kept - begin), at = kept * per_kept + begin;
      unit(kept, begin, count, slot, slot_a(slot) + at * k_.a_size, slot_b(slot) + at * k_.b_size);
    };
    if (items == 1) body(0);
    else parallel_chunks(items, cost_ns_, body);
    for (int64_t d = 1; d < slots_; d *= 2) {
      for (int64_t s = 0; s + d < slots_; s += 2 * d) {
        k_.merge(slot_a(s), slot_b(s), elements(s, s + d), slot_a(s + d), slot_b(s + d), elements(s + d, s + 2 * d),
                 outputs);
      }
    }
  }

 private:
  int64_t length() const { return layout_.columns ? layout_.rows : layout_.n; }
  int64_t chunk_size(int64_t chunk) const { return std::min(chunk_, length() - chunk * chunk_); }

  // Elements per output that slots [begin, end) hold.
  double elements(int64_t begin, int64_t end) const {
    auto before_step = [&](int64_t step) {
      return static_cast<double>(step / chunks_) * static_cast<double>(length()) +
             static_cast<double>(std::min(step % chunks_ * chunk_, length()));
    };
    return before_step(std::min(end * steps_per_slot_, steps_)) - before_step(begin * steps_per_slot_);
  }

  // One slot of one tile into (a, b).
  void unit(int64_t kept, int64_t begin, int64_t count, int64_t slot, std::byte* a, std::byte* b) const {
    const int64_t first = slot * steps_per_slot_, last = std::min(first + steps_per_slot_, steps_);
    const int64_t base = Layout::offset(layout_.kept, layout_.kept_axes, kept);
    const bool several = last - first > 1;
    const Scratch step_a(several ? count * k_.a_size : 0), step_b(several ? count * k_.b_size : 0);
    double done = 0;
    for (int64_t s = first; s < last; ++s) {
      const int64_t chunk = s % chunks_, outer = s / chunks_;
      const int64_t at = base + Layout::offset(layout_.reduced, layout_.reduced_axes, outer);
      if (chunk + 1 == chunks_ && outer + 1 < layout_.reduced_count) fetch_rows(base, begin, outer + 1);
      std::byte* to_a = s == first ? a : step_a.get();
      std::byte* to_b = s == first ? b : step_b.get();
      if (layout_.columns)
        column_step(at + chunk * chunk_ * layout_.n + begin, chunk_size(chunk), count, chunk * chunk_, to_a, to_b);
      else row_step(at + begin * layout_.n + chunk * chunk_, count, chunk_size(chunk), chunk * chunk_, to_a, to_b);
      const double size = static_cast<double>(chunk_size(chunk));
      if (s != first) k_.merge(a, b, done, to_a, to_b, size, count);
      done += size;
    }
  }

  // Fetches where the rows from `begin` on go on after a step over the outer axes: the hardware will not know.
  void fetch_rows(int64_t base, int64_t begin, int64_t outer) const {
    if (layout_.columns) return;
    const int64_t at = base + Layout::offset(layout_.reduced, layout_.reduced_axes, outer) + begin * layout_.n;
    for (int64_t i = 0; i < 16384; i += 64) __builtin_prefetch(x_ + at * elem_ + i, 0, 2);
  }

  void row_step(int64_t at, int64_t rows, int64_t n, int64_t base, std::byte* a, std::byte* b) const {
    const std::byte* x = x_ + at * elem_;
    if (!widen_) return k_.rows(x, rows, n, base, a, b);
    const Scratch wide(rows * n * sizeof(float));
    widen_(reinterpret_cast<const uint16_t*>(x), reinterpret_cast<float*>(wide.get()), rows * n);
    k_.rows(wide.get(), rows, n, base, a, b);
  }

  void column_step(int64_t at, int64_t rows, int64_t m, int64_t base, std::byte* a, std::byte* b) const {
    const std::byte* x = x_ + at * elem_;
    if (!widen_) return columns(x, elem_, rows, layout_.n, m, base, a, b);
    const Scratch wide(rows * m * sizeof(float));
    float* w = reinterpret_cast<float*>(wide.get());
    for (int64_t r = 0; r < rows; ++r) widen_(reinterpret_cast<const uint16_t*>(x) + r * layout_.n, w + r * m, m);
    columns(wide.get(), sizeof(float), rows, m, m, base, a, b);
  }

  // `rows` rows of m columns. Narrow ones are read as rows of fold * m columns, whose groups are merged by halves.
  void columns(const std::byte* x, int64_t elem, int64_t rows, int64_t stride, int64_t m, int64_t base, std::byte* a,
               std::byte* b) const {
    const int64_t folds = fold_ > 1 ? rows / fold_ : 0;
    if (folds == 0) return k_.cols(x, rows, stride, m, base, a, b);
    const int64_t width = fold_ * m;
    const Scratch wide_a(width * k_.a_size), wide_b(width * k_.b_size);
    k_.cols(x, folds, width, width, positions_ ? 0 : base, wide_a.get(), wide_b.get());
    if (positions_) {
      int32_t* at = wide_b.as<int32_t>();
      for (int64_t f = 0, i = 0; f < fold_; ++f)
        for (int64_t j = 0; j < m; ++j, ++i) at[i] = static_cast<int32_t>(base + at[i] * fold_ + f);
    }
    for (int64_t half = fold_ / 2; half > 0; half /= 2) {
      const double each = static_cast<double>(folds * (fold_ / 2 / half));
      const int64_t w = half * m;
      k_.merge(wide_a.get(), wide_b.get(), each, wide_a.get() + w * k_.a_size, wide_b.get() + w * k_.b_size, each, w);
    }
    std::memcpy(a, wide_a.get(), m * k_.a_size);
    if (k_.b_size) std::memcpy(b, wide_b.get(), m * k_.b_size);
    const int64_t done = folds * fold_;
    if (done == rows) return;
    k_.cols(x + done * stride * elem, rows - done, stride, m, base + done, wide_a.get(), wide_b.get());
    k_.merge(a, b, static_cast<double>(done), wide_a.get(), wide_b.get(), static_cast<double>(rows - done), m);
  }

  const ReduceKernel& k_;
  const Layout& layout_;
  const std::byte* x_;
  int64_t elem_;
  double cost_ns_;
  void (*widen_)(const uint16_t*, float*, int64_t) = nullptr;
  bool positions_ = false;
  int64_t tile_ = 1, tiles_ = 1, chunk_ = 1, chunks_ = 1, fold_ = 1, steps_ = 1, steps_per_slot_ = 1, slots_ = 1;
};

}  // namespace tahr
