// Philox and the float32 distributions that are one pass over its words. Every lane does the same IEEE operations in
// the same order on every instruction set (no fused multiply-add), so the numbers do not depend on the machine.
#include <cstddef>
#include <cstdint>

#include "cpu/random_table.h"

namespace tahr::TAHR_ISA {
namespace {

#if defined(TAHR_ISA_v4)
constexpr int kLanes = 8;
#elif defined(TAHR_ISA_v3)
constexpr int kLanes = 4;
#else
constexpr int kLanes = 2;
#endif
constexpr int kVectors = static_cast<int>(kGroupBlocks) / kLanes;

// 64-bit lanes whose low halves hold the words; the high halves are left dirty until the end.
typedef uint64_t U64 __attribute__((vector_size(8 * kLanes)));
typedef uint32_t Half __attribute__((vector_size(4 * kLanes), aligned(4)));

// low 32 bits of a times low 32 bits of m
inline U64 multiply_words(U64 a, U64 m) {
#if defined(__clang__) || !defined(__x86_64__)
  return (a & 0xffffffffu) * (m & 0xffffffffu);
#elif defined(TAHR_ISA_v4)
  typedef int I __attribute__((vector_size(64)));
  typedef long long L __attribute__((vector_size(64)));
  return (U64)__builtin_ia32_pmuludq512_mask((I)a, (I)m, L{}, 0xff);
#elif defined(TAHR_ISA_v3)
  typedef int I __attribute__((vector_size(32)));
  return (U64)__builtin_ia32_pmuludq256((I)a, (I)m);
#else
  typedef int I __attribute__((vector_size(16)));
  return (U64)__builtin_ia32_pmuludq128((I)a, (I)m);
#endif
}

// One group: 16 blocks, their words in four rows of 16.
inline void draw_group(PhiloxKey key, uint64_t group, uint32_t* out) {
  for (int v = 0; v < kVectors; ++v) {
    U64 block;
    for (int i = 0; i < kLanes; ++i) block[i] = group * kGroupBlocks + static_cast<uint64_t>(v * kLanes + i);
    U64 c0 = block, c1 = block >> 32;
    U64 c2 = U64{} + (key.counter & 0xffffffffu), c3 = U64{} + (key.counter >> 32);
    uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
    const U64 m0 = U64{} + kPhiloxMul0, m1 = U64{} + kPhiloxMul1;
#pragma GCC unroll 10
    for (int round = 0; round < kPhiloxRounds; ++round) {
      const U64 p0 = multiply_words(m0, c0), p1 = multiply_words(m1, c2);
      c0 = (p1 >> 32) ^ c1 ^ k0;
      c1 = p1;
      c2 = (p0 >> 32) ^ c3 ^ k1;
      c3 = p0;
      k0 += kPhiloxWeyl0;
      k1 += kPhiloxWeyl1;
    }
    uint32_t* at = out + v * kLanes;
    *reinterpret_cast<Half*>(at) = __builtin_convertvector(c0, Half);
    *reinterpret_cast<Half*>(at + 16) = __builtin_convertvector(c1, Half);
    *reinterpret_cast<Half*>(at + 32) = __builtin_convertvector(c2, Half);
    *reinterpret_cast<Half*>(at + 48) = __builtin_convertvector(c3, Half);
  }
}

constexpr int kWide = 2 * kLanes;
typedef float F32 __attribute__((vector_size(4 * kWide)));
typedef float F32u __attribute__((vector_size(4 * kWide), aligned(4), may_alias));
typedef int32_t I32 __attribute__((vector_size(4 * kWide)));
typedef int32_t I32u __attribute__((vector_size(4 * kWide), aligned(4), may_alias));

inline F32 load(const float* p) { return *reinterpret_cast<const F32u*>(p); }
inline I32 load(const uint32_t* p) { return *reinterpret_cast<const I32u*>(p); }
inline void store(float* p, F32 v) { *reinterpret_cast<F32u*>(p) = v; }
inline F32 to_f32(I32 v) { return __builtin_convertvector(v, F32); }
// v >> n without sign, for positive n
inline I32 shift_logical(I32 v, int n) {
  typedef uint32_t U32 __attribute__((vector_size(4 * kWide)));
  return (I32)((U32)v >> n);
}

inline F32 square_root(F32 x) {
  F32 r;
  for (int i = 0; i < kWide; ++i) r[i] = __builtin_sqrtf(x[i]);
  return r;
}

// ln(x) for normal x > 0: x = m 2^e with m in [sqrt(1/2), sqrt 2), ln m = 2 atanh(s), s = (m - 1) / (m + 1).
inline F32 log_positive(F32 x) {
  const I32 bits = (I32)x;
  const I32 e = (bits - 0x3f3504f3) >> 23;
  const F32 m = (F32)(bits - (e << 23));
  const F32 s = (m - 1.0f) / (m + 1.0f);
  const F32 z = s * s;
  const F32 series = z * (1.0f / 3 + z * (1.0f / 5 + z * (1.0f / 7 + z * (1.0f / 9))));
  return to_f32(e) * 0.693147182464599609375f + (s + s) * (1.0f + series);
}

// cos and sin of 2 pi w / 2^32. The quadrant and the remainder are exact, in integers.
inline void cos_sin_turn(I32 w, F32* cosine, F32* sine) {
  typedef uint32_t U32 __attribute__((vector_size(4 * kWide)));  // turns wrap
  const I32 quadrant = (I32)((U32)w + (1u << 29)) >> 30;
  const F32 t = to_f32((I32)((U32)w - ((U32)quadrant << 30))) * 0x1p-30f;  // in [-1/2, 1/2], quarter turns
  const F32 z = t * t;
  const F32 s =
      t * (1.57079633f + z * (-6.45964096e-01f + z * (7.96925827e-02f + z * (-4.68126637e-03f + z * 1.58206523e-04f))));
  const F32 c = 1.0f + z * (-1.23370054f + z * (2.53669204e-01f + z * (-2.08600704e-02f + z * 9.03629883e-04f)));
  const I32 swapped = -(quadrant & 1);
  const I32 c_abs = (((I32)c & ~swapped) | ((I32)s & swapped));
  const I32 s_abs = (((I32)s & ~swapped) | ((I32)c & swapped));
  *cosine = (F32)(c_abs ^ (((quadrant + 1) & 2) << 30));
  *sine = (F32)(s_abs ^ ((quadrant & 2) << 30));
}

// z = sqrt(-2 ln u) (cos, sin)(2 pi v), u = (w0 + 1/2) 2^-32 in (0, 1] rounded to float.
inline void box_muller(I32 w0, I32 w1, F32* z0, F32* z1) {
  const F32 high = to_f32(shift_logical(w0, 16)) * 65536.0f;
  const F32 low = to_f32(w0 & 0xffff) + 0.5f;
  const F32 u = (high + low) * 0x1p-32f;
  const F32 radius = square_root(log_positive(u) * -2.0f);
  F32 c, s;
  cos_sin_turn(w1, &c, &s);
  *z0 = radius * c;
  *z1 = radius * s;
}

void bits(PhiloxKey key, uint64_t first, size_t groups, uint32_t* out) {
  for (size_t g = 0; g < groups; ++g) draw_group(key, first + g, out + g * kGroup32);
}

void uniform(PhiloxKey key, uint64_t first, size_t groups, float shift, float scale, float upper, float* out) {
  alignas(64) uint32_t words[kGroup32];
  for (size_t g = 0; g < groups; ++g, out += kGroup32) {
    draw_group(key, first + g, words);
    for (int i = 0; i < kGroup32; i += kWide) {
      const F32 v = to_f32(shift_logical(load(words + i), 8)) * 0x1p-24f * scale + shift;
      store(out + i, v > upper ? F32{} + upper : v);
    }
  }
}

void normal(PhiloxKey key, uint64_t first, size_t groups, float mean, float stddev, float* out) {
  alignas(64) uint32_t words[kGroup32];
  for (size_t g = 0; g < groups; ++g, out += kGroup32) {
    draw_group(key, first + g, words);
    for (int pair = 0; pair < kGroup32; pair += 32) {
      for (int i = pair; i < pair + 16; i += kWide) {
        F32 z0, z1;
        box_muller(load(words + i), load(words + i + 16), &z0, &z1);
        store(out + i, z0 * stddev + mean);
        store(out + i + 16, z1 * stddev + mean);
      }
    }
  }
}

// erfinv(u) / u is a smooth function of w = -ln(1 - u^2): least-squares polynomial at Chebyshev nodes over
// |u| <= erf(sqrt 2), relative error 5e-9.
void truncated_normal(PhiloxKey key, uint64_t first, size_t groups, float mean, float stddev, float* out) {
  alignas(64) uint32_t words[kGroup32];
  for (size_t g = 0; g < groups; ++g, out += kGroup32) {
    draw_group(key, first + g, words);
    for (int i = 0; i < kGroup32; i += kWide) {
      const F32 u = to_f32(load(words + i)) * (0x1p-31f * 0.95449973610364158f);
      const F32 w = -log_positive((1.0f - u) * (1.0f + u));
      F32 p = F32{} - 3.5281550481158774e-07f;
      p = p * w - 1.605691977601964e-06f;
      p = p * w + 5.48597308807075e-05f;
      p = p * w - 0.0001378452143399045f;
      p = p * w - 0.0023289162199944258f;
      p = p * w + 0.011547445319592953f;
      p = p * w + 0.23201388120651245f;
      p = p * w + 0.8862268924713135f;
      F32 z = p * u * 1.4142135623730951f;
      z = z > 2.0f ? F32{} + 2.0f : z;
      z = z < -2.0f ? F32{} - 2.0f : z;
      store(out + i, z * stddev + mean);
    }
  }
}

void dropout(PhiloxKey key, uint64_t first, size_t groups, uint32_t threshold, float scale, const float* x, float* y) {
  alignas(64) uint32_t words[kGroup32];
  const int32_t signed_threshold = static_cast<int32_t>(threshold ^ 0x80000000u);
  for (size_t g = 0; g < groups; ++g, x += kGroup32, y += kGroup32) {
    draw_group(key, first + g, words);
    for (int i = 0; i < kGroup32; i += kWide) {
      const I32 keep = (load(words + i) ^ static_cast<int32_t>(0x80000000u)) >= signed_threshold;
      store(y + i, (F32)((I32)(load(x + i) * scale) & keep));
    }
  }
}

}  // namespace

const RandomTable& random_table() {
  static constexpr RandomTable table{bits, uniform, normal, truncated_normal, dropout};
  return table;
}

}  // namespace tahr::TAHR_ISA
