// Functions by pieces on float32: one polynomial for each of 32 intervals, coefficients looked up in registers where
// there are permutes of two registers (TAHR_LOOKUP), else in memory, by gathers or lane by lane.
//
// Header only, under the rules of vmath.h. A table (tools/fit_pieces.py) has one row for the point that the polynomials
// are written about, then a row for each coefficient, lowest first; a column is an interval. The points are floats at
// which the function lies close to a float, so that the lowest coefficient brings no error, and where it has a zero
// that is the point. What is outside of the intervals goes through a second function, for the vectors that have such a
// lane.
#pragma once

#include "cpu/isa/vmath.h"
#include "cpu/isa/vmath_lookup.h"

namespace tahr::TAHR_ISA {

// Masks of what is compared here, and how to ask and use them.
#if TAHR_LOOKUP
using Lanes = unsigned;
TAHR_INLINE Lanes lanes_not_upto(f32v x, float bound) {  // NaN is among them
  return __builtin_ia32_cmpps512_mask(x, splat<f32v>(bound), 22, kAllLanes, 4);
}
TAHR_INLINE Lanes lanes_from(u32v x, uint32_t bound) {
  return __builtin_ia32_ucmpd512_mask(bits<i32v>(x), bits<i32v>(u32v{} + bound), 5, kAllLanes);
}
TAHR_INLINE bool any_lane(Lanes lanes) { return lanes != 0; }
#else
using Lanes = i32v;
TAHR_INLINE f32v look_up(const float (&table)[32], i32v i) {
#if defined(__AVX2__) && !defined(__clang__)
  return __builtin_ia32_gathersiv8sf(f32v{}, table, i & 31, bits<f32v>(~i32v{}), 4);
#else
  f32v r{};
  for (int k = 0; k < kLanes<float>; ++k) r[k] = table[i[k] & 31];
  return r;
#endif
}
TAHR_INLINE f32v select_lanes(Lanes lanes, f32v a, f32v b) { return select(lanes, a, b); }
TAHR_INLINE Lanes lanes_not_upto(f32v x, float bound) { return ~(x <= bound); }
TAHR_INLINE Lanes lanes_from(u32v x, uint32_t bound) { return x >= bound; }
TAHR_INLINE bool any_lane(Lanes lanes) { return any(lanes); }
#endif

// The polynomial of interval i at x.
template <int kRows>
TAHR_INLINE f32v piece(const float (&table)[kRows][32], i32v i, f32v x) {
  const f32v t = x - look_up(table[0], i);
  f32v r = look_up(table[kRows - 1], i);
  for (int j = kRows - 2; j > 0; --j) r = fma(r, t, look_up(table[j], i));
  return r;
}
// Intervals around the multiples of 1/4 or 1/8, for 0 <= a < 2^20.
TAHR_INLINE i32v nearest_quarter(f32v a) { return bits<i32v>(a + 3145728.f); }
TAHR_INLINE i32v nearest_eighth(f32v a) { return bits<i32v>(a + 1572864.f); }
// Half octaves, [1, 1.5) and [1.5, 2) times powers of 2, from 2^-12 to 2^4.
TAHR_INLINE i32v half_octave(f32v x) { return bits<i32v>(bits<u32v>(x) >> 22); }
TAHR_INLINE Lanes outside_of_octaves(f32v x) {
  constexpr uint32_t low = 0x39800000u, high = 0x41800000u;
  return lanes_from(bits<u32v>(x) - low, high - low);
}

// near, where there are such lanes replaced by far().
template <class F>
TAHR_INLINE f32v with_far(f32v near, Lanes lanes, F far) {
  return __builtin_expect(any_lane(lanes), 0) ? select_lanes(lanes, far(), near) : near;
}

}  // namespace tahr::TAHR_ISA
