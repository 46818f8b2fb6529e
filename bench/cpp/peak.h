// The probe of what the machine can do at best: fused multiply-adds on registers. For programs built with
// -march=native -ffp-contract=fast.
#pragma once

#include <cstdint>

namespace tahr::bench {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
typedef float Vec __attribute__((vector_size(kBytes)));
// kChains independent chains hide the latency of the multiply-add on every current core.
constexpr int kLanes = kBytes / 4, kChains = kBytes == 64 ? 20 : 12;
constexpr double kFlopsPerRound = 2.0 * kLanes * kChains;

// The chains are locals whose address is never taken, so that they stay in registers.
__attribute__((noinline)) inline float fma_chains(int64_t rounds) {
  Vec x{}, y{}, acc[kChains];
  for (int i = 0; i < kLanes; ++i) x[i] = 0.5f, y[i] = 1.0f;
#pragma GCC unroll 32
  for (int c = 0; c < kChains; ++c) acc[c] = x;
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 32
    for (int c = 0; c < kChains; ++c) {
      acc[c] = acc[c] * x + y;
      asm volatile("" : "+v"(acc[c]));
    }
  }
  Vec sum = acc[0];
#pragma GCC unroll 32
  for (int c = 1; c < kChains; ++c) sum += acc[c];
  return sum[0];
}

}  // namespace tahr::bench
