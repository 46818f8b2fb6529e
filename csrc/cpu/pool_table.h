// The pools' kernels for one instruction set (isa/pool.cpp), as cpu/pool.cpp drives them.
#pragma once

#include "cpu/isa.h"

namespace tahr {

// A row of outputs: output i has the places [begin[i], end[i]) of each of `row_count` rows of x, in all counts[i]
// places (never none). Rows are offsets from x, places `pitch` elements apart; `channels` of each are worked on.
template <class T>
struct PoolRow {
  const T* x;  // null where only means are spread
  const T* v;  // pool_max_gather: the tensor that is read, of x's layout
  T* dx;       // scatter and spread: of x's layout, added to
  T* y;        // outputs, `pitch` apart
  const T* dy;
  const int64_t* rows;
  int64_t row_count;
  const int64_t *begin, *end;
  int64_t count, channels, pitch;
};

template <class T>
struct PoolKernels {
  void (*max)(const PoolRow<T>&);      // x -> y
  void (*mean)(const PoolRow<T>&);     // x -> y
  void (*gather)(const PoolRow<T>&);   // x, v -> y
  void (*scatter)(const PoolRow<T>&);  // x, dy -> dx
  void (*spread)(const PoolRow<T>&);   // dy -> dx
};

struct PoolTable {
  PoolKernels<float> f32;
  PoolKernels<double> f64;
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(PoolTable, pool_table)
