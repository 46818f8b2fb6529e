// Philox 4x32-10, a counter-based generator: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers:
// as easy as 1, 2, 3", SC 2011. A block of four 32-bit words is a pure function of (seed, counter, block number,
// attempt), so element i of a random tensor needs nothing but its own index: the same at any thread count, on any
// device. Integers only, no state.
//
// Which words an element reads:
//   - 32-bit draws: elements come in groups of 64 made from 16 blocks. Element i reads word (i % 64) / 16 of block
//     i / 64 * 16 + i % 16. A vector of 16 blocks thus stores its words to 4 contiguous rows.
//   - 64-bit draws: groups of 32. Element i reads words 2h and 2h + 1 (low, high), h = (i % 32) / 16, of block
//     i / 32 * 16 + i % 16.
//   - rejection samplers: element i owns the blocks number i of every attempt (attempt >= 1), so that how often one
//     element is rejected does not move the others.
#pragma once

#include <cstdint>

namespace tahr {

struct PhiloxKey {
  uint64_t seed;
  uint64_t counter;  // which draw of this seed: one per call of a random op
};

struct PhiloxBlock {
  uint32_t word[4];
  constexpr uint64_t word64(int half) const { return static_cast<uint64_t>(word[2 * half + 1]) << 32 | word[2 * half]; }
};

inline constexpr uint32_t kPhiloxMul0 = 0xD2511F53u, kPhiloxMul1 = 0xCD9E8D57u;    // the round's multipliers
inline constexpr uint32_t kPhiloxWeyl0 = 0x9E3779B9u, kPhiloxWeyl1 = 0xBB67AE85u;  // golden ratio, sqrt(3) - 1
inline constexpr int kPhiloxRounds = 10;

// The bare function of the paper: counter words c[0..3], key words k[0..1].
constexpr PhiloxBlock philox_4x32(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(kPhiloxMul0) * c0;
    const uint64_t p1 = static_cast<uint64_t>(kPhiloxMul1) * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += kPhiloxWeyl0;
    k1 += kPhiloxWeyl1;
  }
  return {{c0, c1, c2, c3}};
}

// Block numbers below 2^48, attempts below 2^16.
constexpr PhiloxBlock philox(PhiloxKey key, uint64_t block, uint32_t attempt = 0) {
  return philox_4x32(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32) | attempt << 16,
                     static_cast<uint32_t>(key.counter), static_cast<uint32_t>(key.counter >> 32),
                     static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32));
}

inline constexpr int64_t kGroup32 = 64, kGroup64 = 32, kGroupBlocks = 16;

}  // namespace tahr
