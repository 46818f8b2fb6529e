// The vectorised part of the random family: csrc/cpu/isa/random.cpp. All functions draw whole groups of 64 elements
// (core/philox.h), starting with group `first`, and give the same bits on every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/philox.h"
#include "cpu/isa.h"

namespace tahr {

struct RandomTable {
  // The raw words, 64 per group.
  void (*bits)(PhiloxKey key, uint64_t first, size_t groups, uint32_t* out);
  // min(shift + scale * u, upper), u = (word >> 8) * 2^-24 in [0, 1).
  void (*uniform)(PhiloxKey key, uint64_t first, size_t groups, float shift, float scale, float upper, float* out);
  // mean + stddev * z by Box-Muller on the word pairs (0, 1) and (2, 3) of each block.
  void (*normal)(PhiloxKey key, uint64_t first, size_t groups, float mean, float stddev, float* out);
  // mean + stddev * sqrt(2) * erfinv(u), u uniform in (-erf(sqrt 2), erf(sqrt 2)): a normal within two stddev.
  void (*truncated_normal)(PhiloxKey key, uint64_t first, size_t groups, float mean, float stddev, float* out);
  // y = word >= threshold ? x * scale : 0.
  void (*dropout)(PhiloxKey key, uint64_t first, size_t groups, uint32_t threshold, float scale, const float* x,
                  float* y);
};

}  // namespace tahr

TAHR_DECLARE_ISA_TABLE(RandomTable, random_table)
