#include "core/dtype.h"

#include <atomic>
#include <bit>

namespace tahr {

namespace {

constexpr const char* kNames[kDTypeCount] = {"bool",  "uint8", "uint16",  "uint32",   "uint64",  "int8",   "int16",
                                             "int32", "int64", "float16", "bfloat16", "float32", "float64"};

std::atomic<DType> g_floatx{DType::Float32};

int bits_of(DType d) { return 8 * static_cast<int>(size_of(d)); }

DType signed_of(int bits) {
  switch (bits) {
    case 8: return DType::Int8;
    case 16: return DType::Int16;
    case 32: return DType::Int32;
    default: return DType::Int64;
  }
}

DType promote_ints(DType a, DType b) {
  if (is_signed_int(a) == is_signed_int(b)) return size_of(a) >= size_of(b) ? a : b;
  const int s = bits_of(is_signed_int(a) ? a : b);
  const int u = bits_of(is_signed_int(a) ? b : a);
  if (u == 64) return floatx();  // no integer type holds both
  return signed_of(s > u ? s : 2 * u);
}

// 0 bool, 1 integer, 2 floating point
int kind_of(DType d) { return d == DType::Bool ? 0 : is_float(d) ? 2 : 1; }

}  // namespace

// Every binary16 value is a binary32 value: normals are rebiased, subnormals are counted in units of 2^-24.
float to_float(float16 h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16;
  const uint32_t exponent = (h.bits >> 10) & 0x1fu;
  const uint32_t mantissa = h.bits & 0x3ffu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  const uint32_t rebiased = exponent == 0x1f ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | rebiased << 23 | mantissa << 13);
}

float to_float(bfloat16 h) { return std::bit_cast<float>(static_cast<uint32_t>(h.bits) << 16); }

float16 to_float16(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN: stays quiet, keeps the top of its payload
    return {static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu))};
  }
  if (magnitude >= 0x47800000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // 2^16 and above
  if (magnitude < 0x38800000u) {
    // Below the smallest normal, 2^-14: adding 0.5 leaves the value, rounded to units of 2^-24, in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u))};
  }
  // Rebias, then round the 13 dropped bits; a carry out of the mantissa raises the exponent, up to infinity.
  magnitude -= 112u << 23;
  magnitude += 0xfffu + ((magnitude >> 13) & 1u);
  return {static_cast<uint16_t>(sign | magnitude >> 13)};
}

bfloat16 to_bfloat16(float f) {
  uint32_t bits = std::bit_cast<uint32_t>(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>(bits >> 16 | 0x40u)};  // NaN stays quiet
  bits += 0x7fffu + ((bits >> 16) & 1u);
  return {static_cast<uint16_t>(bits >> 16)};
}

const char* name_of(DType d) { return kNames[static_cast<int>(d)]; }

bool dtype_from_name(std::string_view s, DType* out) {
  for (int i = 0; i < kDTypeCount; ++i) {
    if (s == kNames[i]) {
      *out = static_cast<DType>(i);
      return true;
    }
  }
  return false;
}

DType floatx() { return g_floatx.load(std::memory_order_relaxed); }
void set_floatx(DType d) { g_floatx.store(d, std::memory_order_relaxed); }

DType promote(DType a, bool a_weak, DType b, bool b_weak) {
  if (a == b && a_weak == b_weak) return a;
  const int ka = kind_of(a), kb = kind_of(b);
  if (a_weak != b_weak && ka == kb && ka != 0) return a_weak ? b : a;
  if (ka != kb) return ka > kb ? a : b;
  if (ka == 1) return promote_ints(a, b);
  if (ka == 0 || a == b) return a;
  if (is_half(a) && is_half(b)) return DType::Float32;
  return size_of(a) >= size_of(b) ? a : b;
}

}  // namespace tahr
