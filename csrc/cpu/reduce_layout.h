// How reductions, scans and softmax see a tensor: axes of size 1 dropped, neighbours of one kind (kept or reduced)
// merged, so that it looks like
//
//   outer..., rows, n      reducing the contiguous innermost axis ("row" form), or
//   outer..., rows, n      reducing `rows` and keeping the columns ("column" form),
//
// where outer axes are kept or reduced in any mix.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "core/shape.h"
#include "cpu/scratch.h"
#include "ops/attrs.h"

namespace tahr {

struct Axis {
  int64_t size, stride;  // in elements
};

// The collapsed form of a shape and its reduced axes.
struct Layout {
  bool columns = false;  // the form
  int64_t rows = 1;      // row form: outputs that share an outer index; column form: elements per output
  int64_t n = 1;         // row form: elements per output; column form: outputs
  Axis kept[kMaxRank], reduced[kMaxRank];
  int kept_axes = 0, reduced_axes = 0;
  int64_t kept_count = 1, reduced_count = 1;  // of the outer axes

  Layout(const Shape& shape, const Axes& axes) : Layout(shape, axes.all, axes.list) {}
  Layout(const Shape& shape, bool all, std::span<const int64_t> axes) {
    bool is_reduced[kMaxRank];
    std::fill_n(is_reduced, kMaxRank, all);
    for (int64_t a : axes) is_reduced[a < 0 ? a + shape.rank() : a] = true;
    struct Run {
      int64_t size;
      bool reduced;
    } runs[kMaxRank + 1];
    int k = 0;
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] == 1) continue;
      if (k && runs[k - 1].reduced == is_reduced[i]) runs[k - 1].size *= shape[i];
      else runs[k++] = {shape[i], is_reduced[i]};
    }
    if (k == 0) runs[k++] = {1, true};
    if (k == 1 && !runs[0].reduced) runs[k++] = {1, true};
    columns = !runs[k - 1].reduced;
    n = runs[k - 1].size;
    if (k >= 2) rows = runs[k - 2].size;
    int64_t stride = n * rows;
    for (int i = k - 3; i >= 0; --i) {
      if (runs[i].reduced) {
        reduced[reduced_axes++] = {runs[i].size, stride};
        reduced_count *= runs[i].size;
      } else {
        kept[kept_axes++] = {runs[i].size, stride};
        kept_count *= runs[i].size;
      }
      stride *= runs[i].size;
    }
  }

  int64_t length() const { return columns ? rows : n; }   // elements per output and outer reduced index
  int64_t outputs() const { return columns ? n : rows; }  // outputs per outer kept index

  static int64_t offset(const Axis* axes, int count, int64_t index) {  // innermost axis first
    int64_t at = 0;
    for (int i = 0; i < count && index; ++i) {
      at += index % axes[i].size * axes[i].stride;
      index /= axes[i].size;
    }
    return at;
  }
};

}  // namespace tahr
