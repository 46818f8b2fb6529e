// Rows that are gone through twice: a group of them, as many as a vector has lanes if they are short, at a time.
#pragma once

#include "cpu/isa/each_vector.h"

namespace tahr::TAHR_ISA {
namespace {

inline constexpr int64_t kLongRow = 1024;        // longer rows are better cut into parts
inline constexpr int64_t kGroupElements = 4096;  // two groups stay in the first-level cache
inline constexpr int64_t kSets = 2;              // vectors of rows in a group, at most

// For rows of lanes <= n <= kLongRow elements: first(row) makes a vector of each row of a group; between(set, v) has
// those of a vector of rows; second(row, its number, its place in the group, ahead) follows for each row, and
// after(set, number of its first row, rows) for each set. The second pass is to fetch as much as it reads from `ahead`
// on, which is where the first one goes on: memory would idle. The first one fetches a quarter of that too.
// `on`: whether what follows the last row is read next.
template <class T, class First, class Between, class Second, class After>
TAHR_INLINE void two_passes(const T* x, int64_t rows, int64_t n, bool on, First first, Between between, Second second,
                            After after) {
  constexpr int64_t W = kLanes<T>;
  int64_t most = kGroupElements / n;
  if (most > W) most = most < kSets * W ? most / W * W : kSets * W;
  for (int64_t r = 0; r < rows; r += most) {
    const int64_t count = rows - r < most ? rows - r : most;
    const T* p = x + r * n;
    const int64_t ahead = on || r + most < rows ? most * n : 0;
    for (int64_t set = 0; set * W < count; ++set) {
      Vec<T> v[W];
      const T* row = p + set * W * n;
      const int64_t here = count - set * W < W ? count - set * W : W;
      for (int64_t i = 0; i < here; ++i, row += n) {
        for (int64_t k = 0; k < n / 4; k += W) __builtin_prefetch(row + ahead + k);
        v[i] = first(row);
      }
      for (int64_t i = here; i < W; ++i) v[i] = Vec<T>{};
      between(set, v);
    }
    for (int64_t i = 0; i < count; ++i, p += n) second(p, r + i, i, p + ahead);
    for (int64_t set = 0; set * W < count; ++set) after(set, r + set * W, count - set * W < W ? count - set * W : W);
  }
}

}  // namespace
}  // namespace tahr::TAHR_ISA
