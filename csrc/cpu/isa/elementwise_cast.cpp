// Casts between all element types, and copies that bypass the cache.
//
// Contract: to bool is x != 0. Float to integer truncates toward zero; what lies outside the target's range becomes
// its nearest end, NaN becomes 0. Integer to integer wraps. To a half type rounds to nearest, ties to even; float64
// goes through float32.
#include "cpu/isa/elementwise_loop.h"

namespace tahr::TAHR_ISA {
namespace {

template <class T>
inline constexpr bool kIsFloat = false;
template <>
inline constexpr bool kIsFloat<float> = true;
template <>
inline constexpr bool kIsFloat<double> = true;

template <class T>
struct Range {
  static constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(0);
  static constexpr int bits = 8 * static_cast<int>(sizeof(T));
  static constexpr T high = is_signed ? static_cast<T>((uint64_t{1} << (bits - 1)) - 1) : static_cast<T>(~T{0});
  static constexpr T low = is_signed ? static_cast<T>(uint64_t{1} << (bits - 1)) : T{0};
};

template <class To, class From>
TAHR_INLINE To cast_one(From x) {
  if constexpr (kIsFloat<From> && !kIsFloat<To>) {
    using R = Range<To>;
    constexpr From end = static_cast<From>(uint64_t{1} << (R::bits - R::is_signed - 1)) * From(2);  // one past high
    if constexpr (R::bits < 32) {
      const From c = x >= end - From(1)               ? end - From(1)
                     : x <= static_cast<From>(R::low) ? static_cast<From>(R::low)
                                                      : x;
      return static_cast<To>(static_cast<int32_t>(x == x ? c : From(0)));
    } else {
      const To inside = static_cast<To>(x >= static_cast<From>(R::low) && x < end ? x : From(0));
      return x >= end ? R::high : x < static_cast<From>(R::low) ? R::low : inside;
    }
  } else {
    return static_cast<To>(x);
  }
}

template <class From, class To>
void cast_loop(void* out, const void* const* in, int64_t n, const double*) {
  const From* a = static_cast<const From*>(in[0]);
  To* r = static_cast<To*>(out);
  TAHR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) r[i] = cast_one<To>(a[i]);
}
template <class From>
void to_bool(void* out, const void* const* in, int64_t n, const double*) {
  const From* a = static_cast<const From*>(in[0]);
  uint8_t* r = static_cast<uint8_t*>(out);
  TAHR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) r[i] = a[i] != From(0);
}

// ---- halves ----

TAHR_INLINE f32v half_to_float(u32v h) {
  const u32v sign = (h & 0x8000u) << 16, magnitude = h & 0x7fffu;
  const f32v rebias = splat<f32v>(5.192296858534828e+33f);  // 2^112: the exponents' biases differ by 112
  const f32v scaled = bits<f32v>(magnitude << 13) * rebias;
  const i32v special = bits<i32v>(magnitude) > 0x7bff;
  return bits<f32v>(sign | (special ? (magnitude << 13) | 0x7f800000u : bits<u32v>(scaled)));
}
TAHR_INLINE u32v float_to_half(f32v f) {
  const u32v all = bits<u32v>(f), sign = (all >> 16) & 0x8000u, magnitude = all & 0x7fffffffu;
  // Below the smallest normal: adding 0.5 leaves the value, rounded to units of 2^-24, in the low bits.
  const u32v small = bits<u32v>(bits<f32v>(magnitude) + 0.5f) - 0x3f000000u;
  const u32v normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const i32v m = bits<i32v>(magnitude);
  u32v r = m < 0x38800000 ? small : normal;
  r = m >= 0x47800000 ? u32v{} + 0x7c00u : r;
  r = m > 0x7f800000 ? 0x7e00u | ((magnitude >> 13) & 0x3ffu) : r;
  return sign | r;
}
TAHR_INLINE u32v float_to_brain(f32v f) {
  const u32v all = bits<u32v>(f);
  const u32v rounded = (all + 0x7fffu + ((all >> 16) & 1u)) >> 16;
  return bits<i32v>(all & 0x7fffffffu) > 0x7f800000 ? (all >> 16) | 0x40u : rounded;
}

using Halves = HalfVec<uint16_t>;  // as many lanes as an f32v
template <bool kBrain>
TAHR_INLINE f32v from_half(Halves h) {
  const u32v w = __builtin_convertvector(h, u32v);
  if constexpr (kBrain) return bits<f32v>(w << 16);
#if defined(__AVX512F__) && !defined(__clang__)
  typedef short s16 __attribute__((vector_size(32)));
  return __builtin_ia32_vcvtph2ps512_mask(bits<s16>(h), f32v{}, static_cast<unsigned short>(-1), 4);
#elif defined(__F16C__) && !defined(__clang__)
  typedef short s16 __attribute__((vector_size(16)));
  return __builtin_ia32_vcvtph2ps256(bits<s16>(h));
#else
  return half_to_float(w);
#endif
}
template <bool kBrain>
TAHR_INLINE Halves to_half(f32v f) {
  if constexpr (kBrain) return __builtin_convertvector(float_to_brain(f), Halves);
#if defined(__AVX512F__) && !defined(__clang__)
  typedef short s16 __attribute__((vector_size(32)));
  return bits<Halves>(__builtin_ia32_vcvtps2ph512_mask(f, 0, s16{}, static_cast<unsigned short>(-1)));
#elif defined(__F16C__) && !defined(__clang__)
  return bits<Halves>(__builtin_ia32_vcvtps2ph256(f, 0));
#else
  return __builtin_convertvector(float_to_half(f), Halves);
#endif
}
template <bool kBrain>
void half_to_float_loop(void* out, const void* const* in, int64_t n, const double*) {
  constexpr int64_t lanes = kLanes<float>;
  const uint16_t* a = static_cast<const uint16_t*>(in[0]);
  float* r = static_cast<float*>(out);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(r + i, from_half<kBrain>(load<Halves>(a + i)));
  if (i < n) store_part(r + i, from_half<kBrain>(load_part<Halves>(a + i, n - i)), n - i);
}
template <bool kBrain>
void float_to_half_loop(void* out, const void* const* in, int64_t n, const double*) {
  constexpr int64_t lanes = kLanes<float>;
  const float* a = static_cast<const float*>(in[0]);
  uint16_t* r = static_cast<uint16_t*>(out);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(r + i, to_half<kBrain>(load<f32v>(a + i)));
  if (i < n) store_part(r + i, to_half<kBrain>(load_part<f32v>(a + i, n - i)), n - i);
}

// ---- from float64, in whole vectors, fetching ahead: the result is too small for the driver to do it ----

// What of x, already within the range of 32-bit integers, is in range of To.
template <class To>
TAHR_INLINE HalfVec<int32_t> clamped(f64v x) {
  constexpr double low = static_cast<double>(Range<To>::low), high = static_cast<double>(Range<To>::high);
  const f64v c = greater(lesser(x, splat<f64v>(high)), splat<f64v>(low));
  return __builtin_convertvector(select(x == x, c, f64v{}), HalfVec<int32_t>);
}
template <class To>
TAHR_INLINE void put(To* r, f64v x, int64_t n) {
  using Narrow = typename VecOf<To, kLanes<double>* static_cast<int>(sizeof(To))>::type;
  Narrow v;
  if constexpr (kIsFloat<To>) v = __builtin_convertvector(x, Narrow);
  else v = __builtin_convertvector(clamped<To>(x), Narrow);
  if (n < kLanes<double>) store_part(r, v, n);
  else store(r, v);
}
template <class To>
void from_double(void* out, const void* const* in, int64_t n, const double*) {
  constexpr int64_t lanes = kLanes<double>;
  const double* a = static_cast<const double*>(in[0]);
  To* r = static_cast<To*>(out);
  for (int64_t i = 0; i < n; i += lanes) {
    fetch_ahead(r + i, a + i);
    const int64_t left = n - i;
    if (left >= lanes) put(r + i, load<f64v>(a + i), lanes);
    else put(r + i, load_part<f64v>(a + i, left), left);
  }
}
template <bool kBrain>
void double_to_half_loop(void* out, const void* const* in, int64_t n, const double*) {
  constexpr int64_t half = kLanes<double>, lanes = 2 * half;
  const double* a = static_cast<const double*>(in[0]);
  uint16_t* r = static_cast<uint16_t*>(out);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    fetch_ahead(r + i, a + i, a + i + half);
    store(r + i, to_half<kBrain>(narrow(load<f64v>(a + i), load<f64v>(a + i + half))));
  }
  if (i < n) {
    double rest[lanes] = {};
    for (int64_t k = i; k < n; ++k) rest[k - i] = a[k];
    store_part(r + i, to_half<kBrain>(narrow(load<f64v>(rest), load<f64v>(rest + half))), n - i);
  }
}

// Through a block of floats on the stack: `first` makes floats of the input, `second` the result of the floats.
template <EwLoop first, size_t kFromSize, EwLoop second, size_t kToSize>
void two_step(void* out, const void* const* in, int64_t n, const double*) {
  constexpr int64_t block = 512;
  alignas(64) float tmp[block];
  const char* a = static_cast<const char*>(in[0]);
  char* r = static_cast<char*>(out);
  const void* t = tmp;
  for (int64_t i = 0; i < n; i += block) {
    const int64_t m = n - i < block ? n - i : block;
    const void* s = a + static_cast<size_t>(i) * kFromSize;
    first(tmp, &s, m, nullptr);
    second(r + static_cast<size_t>(i) * kToSize, &t, m, nullptr);
  }
}

template <class T>
constexpr EwLoop kFromHalf = two_step<half_to_float_loop<false>, 2, cast_loop<float, T>, sizeof(T)>;
template <class T>
constexpr EwLoop kFromBrain = two_step<half_to_float_loop<true>, 2, cast_loop<float, T>, sizeof(T)>;
template <class T>
constexpr EwLoop kToHalf = two_step<cast_loop<T, float>, sizeof(T), float_to_half_loop<false>, 2>;
template <class T>
constexpr EwLoop kToBrain = two_step<cast_loop<T, float>, sizeof(T), float_to_half_loop<true>, 2>;

#define TAHR_CAST_ROW(From, ToBool, ToHalf, ToBrain) \
  {ToBool,                                           \
   cast_loop<From, uint8_t>,                         \
   cast_loop<From, uint16_t>,                        \
   cast_loop<From, uint32_t>,                        \
   cast_loop<From, uint64_t>,                        \
   cast_loop<From, int8_t>,                          \
   cast_loop<From, int16_t>,                         \
   cast_loop<From, int32_t>,                         \
   cast_loop<From, int64_t>,                         \
   ToHalf,                                           \
   ToBrain,                                          \
   cast_loop<From, float>,                           \
   cast_loop<From, double>}
#define TAHR_CAST_FULL_ROW(From) TAHR_CAST_ROW(From, to_bool<From>, kToHalf<From>, kToBrain<From>)
#define TAHR_CAST_HALF_ROW(FromHalf, brain, ToHalf, ToBrain)  \
  {two_step<half_to_float_loop<brain>, 2, to_bool<float>, 1>, \
   FromHalf<uint8_t>,                                         \
   FromHalf<uint16_t>,                                        \
   FromHalf<uint32_t>,                                        \
   FromHalf<uint64_t>,                                        \
   FromHalf<int8_t>,                                          \
   FromHalf<int16_t>,                                         \
   FromHalf<int32_t>,                                         \
   FromHalf<int64_t>,                                         \
   ToHalf,                                                    \
   ToBrain,                                                   \
   half_to_float_loop<brain>,                                 \
   FromHalf<double>}

static_assert(kVecBytes <= 64);
template <class T>
void repeat_values(T* to, const T* from, int64_t count, int64_t stride, int64_t times) {
  for (int64_t c = 0; c < count; ++c, from += stride, to += times) {
    const Vec<T> v = *from - Vec<T>{};
    for (int64_t i = 0; i < times; i += kLanes<T>) store(to + i, v);
  }
}
void repeat(void* to, const void* from, int64_t count, int64_t stride, int64_t times, size_t size) {
  const auto as = [&]<class T>() {
    repeat_values(static_cast<T*>(to), static_cast<const T*>(from), count, stride, times);
  };
  switch (size) {
    case 1: return as.template operator()<uint8_t>();
    case 2: return as.template operator()<uint16_t>();
    case 4: return as.template operator()<uint32_t>();
    default: return as.template operator()<uint64_t>();
  }
}

void stream(void* to, const void* from, size_t bytes) {
  char* d = static_cast<char*>(to);
  const char* s = static_cast<const char*>(from);
#if defined(__SSE2__)
  const size_t head = (kVecBytes - reinterpret_cast<uintptr_t>(d) % kVecBytes) % kVecBytes;
  if (bytes >= head + kVecBytes) {
    __builtin_memcpy(d, s, head);
    d += head, s += head, bytes -= head;
    for (; bytes >= kVecBytes; bytes -= kVecBytes, d += kVecBytes, s += kVecBytes) {
      typedef long long q __attribute__((vector_size(kVecBytes)));
#if defined(__clang__)
      __builtin_nontemporal_store(load<q>(s), reinterpret_cast<q*>(d));
#elif defined(__AVX512F__)
      __builtin_ia32_movntdq512(reinterpret_cast<q*>(d), load<q>(s));
#elif defined(__AVX2__)
      __builtin_ia32_movntdq256(reinterpret_cast<q*>(d), load<q>(s));
#else
      __builtin_ia32_movntdq(reinterpret_cast<q*>(d), load<q>(s));
#endif
    }
  }
#endif
  __builtin_memcpy(d, s, bytes);
}
void stream_end() {
#if defined(__SSE2__)
  __builtin_ia32_sfence();
#endif
}

}  // namespace

const EwCasts& elementwise_cast_table() {
  static constexpr EwCasts table{
      {TAHR_CAST_ROW(uint8_t, (cast_loop<uint8_t, uint8_t>), kToHalf<uint8_t>, kToBrain<uint8_t>),
       TAHR_CAST_FULL_ROW(uint8_t),
       TAHR_CAST_FULL_ROW(uint16_t),
       TAHR_CAST_FULL_ROW(uint32_t),
       TAHR_CAST_FULL_ROW(uint64_t),
       TAHR_CAST_FULL_ROW(int8_t),
       TAHR_CAST_FULL_ROW(int16_t),
       TAHR_CAST_FULL_ROW(int32_t),
       TAHR_CAST_FULL_ROW(int64_t),
       TAHR_CAST_HALF_ROW(kFromHalf, false, (cast_loop<uint16_t, uint16_t>),
                          (two_step<half_to_float_loop<false>, 2, float_to_half_loop<true>, 2>)),
       TAHR_CAST_HALF_ROW(kFromBrain, true, (two_step<half_to_float_loop<true>, 2, float_to_half_loop<false>, 2>),
                          (cast_loop<uint16_t, uint16_t>)),
       TAHR_CAST_ROW(float, to_bool<float>, float_to_half_loop<false>, float_to_half_loop<true>),
       {to_bool<double>, from_double<uint8_t>, from_double<uint16_t>, cast_loop<double, uint32_t>,
        cast_loop<double, uint64_t>, from_double<int8_t>, from_double<int16_t>, from_double<int32_t>,
        cast_loop<double, int64_t>, double_to_half_loop<false>, double_to_half_loop<true>, from_double<float>,
        cast_loop<double, double>}},
      repeat,
      stream,
      stream_end};
  return table;
}

}  // namespace tahr::TAHR_ISA
