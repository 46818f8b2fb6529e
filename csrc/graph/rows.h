// Rows of arrays in any order: what batches are made of, in epochs (batch_loop.h) and in `tahr.data`.
#pragma once

#include <vector>

#include "core/philox.h"
#include "ops/op.h"

namespace tahr::graph {

// Bytes of one sample, row 0 of `t`.
size_t row_bytes(const Tensor& t);

// to[i] = from[order[i]] for n rows of `bytes` bytes.
void gather_rows(const std::byte* from, const int64_t* order, int64_t n, size_t bytes, std::byte* to);

// The rows `order` (int64) of each array, all of which have the same number of rows, as new tensors.
Tensors take_rows(const Tensors& arrays, const Tensor& order);

// Shuffles a stream of row numbers as it passes through a buffer: each number that comes out is drawn from the buffer,
// and the next that goes in takes its place.
class ShuffleBuffer {
 public:
  ShuffleBuffer(int64_t size, uint64_t seed);

  Tensor pass(const Tensor& numbers);  // puts numbers (int64) in and gives those that come out; none until it is full
  Tensor drain();                      // what is left, in random order

 private:
  int64_t draw(int64_t below);

  int64_t size_;
  PhiloxKey key_;
  uint64_t next_block_ = 0;
  PhiloxBlock block_{};
  int half_ = 2;  // of block_: two draws
  std::vector<int64_t> held_;
};

}  // namespace tahr::graph
