// Row numbers in increasing order, equal ones in the order they came: how kernels that write by index find all values
// of one place together, with neither atomics nor a choice of order.
#pragma once

#include "cuda/index_rows.h"

namespace tahr::cuda {

// For m rows below n: key[i] increasing, key[i] = row of order[i]. Left-out rows (-1) have the key n and come last.
struct SortedRows {
  SortedRows(const Rows& rows, int64_t m, int64_t n);
  int64_t m, n;
  const int64_t* key;
  const int64_t* order;

 private:
  Scratch room_;
};

}  // namespace tahr::cuda
