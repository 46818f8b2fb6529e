// Element types and the promotion lattice (design: tensors). Promotion follows Keras 3: ints and
// floats widen within their kind, int + float gives the float, float16 + bfloat16 gives float32,
// int64 + uint64 gives float32, and a weak (Python scalar) operand never widens a tensor within its kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tahr {

enum class DType : uint8_t {
  Bool,
  UInt8,
  UInt16,
  UInt32,
  UInt64,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64,
};
inline constexpr int kDTypeCount = 13;

// Storage-only half types: arithmetic happens after widening to float.
struct float16 {
  uint16_t bits;
};
struct bfloat16 {
  uint16_t bits;
};

float to_float(float16 h);
float to_float(bfloat16 h);
float16 to_float16(float f);    // round to nearest, ties to even
bfloat16 to_bfloat16(float f);  // round to nearest, ties to even

constexpr size_t size_of(DType d) {
  constexpr uint8_t sizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
  return sizes[static_cast<int>(d)];
}
constexpr bool is_float(DType d) { return d >= DType::Float16; }
constexpr bool is_half(DType d) { return d == DType::Float16 || d == DType::BFloat16; }
constexpr bool is_signed_int(DType d) { return d >= DType::Int8 && d <= DType::Int64; }
constexpr bool is_unsigned_int(DType d) { return d >= DType::UInt8 && d <= DType::UInt64; }
constexpr bool is_int(DType d) { return is_signed_int(d) || is_unsigned_int(d); }

const char* name_of(DType d);                      // "float32"
bool dtype_from_name(std::string_view s, DType*);  // false if unknown

// The dtype that a float-valued op gives for an integer or bool input (`tahr.config.floatx`).
DType floatx();
void set_floatx(DType d);

DType promote(DType a, bool a_weak, DType b, bool b_weak);
inline DType to_inexact(DType d) { return is_float(d) ? d : floatx(); }

// Calls f.template operator()<T>() with the C++ storage type of d.
template <class F>
decltype(auto) visit_dtype(DType d, F&& f) {
  switch (d) {
    case DType::Bool: return f.template operator()<bool>();
    case DType::UInt8: return f.template operator()<uint8_t>();
    case DType::UInt16: return f.template operator()<uint16_t>();
    case DType::UInt32: return f.template operator()<uint32_t>();
    case DType::UInt64: return f.template operator()<uint64_t>();
    case DType::Int8: return f.template operator()<int8_t>();
    case DType::Int16: return f.template operator()<int16_t>();
    case DType::Int32: return f.template operator()<int32_t>();
    case DType::Int64: return f.template operator()<int64_t>();
    case DType::Float16: return f.template operator()<float16>();
    case DType::BFloat16: return f.template operator()<bfloat16>();
    case DType::Float32: return f.template operator()<float>();
    default: return f.template operator()<double>();
  }
}

template <class T>
struct DTypeOf;
#define TAHR_DTYPE_OF(T, D)                  \
  template <>                                \
  struct DTypeOf<T> {                        \
    static constexpr DType value = DType::D; \
  };
TAHR_DTYPE_OF(bool, Bool)
TAHR_DTYPE_OF(uint8_t, UInt8)
TAHR_DTYPE_OF(uint16_t, UInt16)
TAHR_DTYPE_OF(uint32_t, UInt32)
TAHR_DTYPE_OF(uint64_t, UInt64)
TAHR_DTYPE_OF(int8_t, Int8)
TAHR_DTYPE_OF(int16_t, Int16)
TAHR_DTYPE_OF(int32_t, Int32)
TAHR_DTYPE_OF(int64_t, Int64)
TAHR_DTYPE_OF(float16, Float16)
TAHR_DTYPE_OF(bfloat16, BFloat16)
TAHR_DTYPE_OF(float, Float32)
TAHR_DTYPE_OF(double, Float64)
#undef TAHR_DTYPE_OF

// The type a kernel computes in for storage type T: float for the halves, T otherwise.
template <class T>
struct ComputeOf {
  using type = T;
};
template <>
struct ComputeOf<float16> {
  using type = float;
};
template <>
struct ComputeOf<bfloat16> {
  using type = float;
};
template <class T>
using Compute = typename ComputeOf<T>::type;

template <class T>
inline Compute<T> load_as(T v) {
  return v;
}
inline float load_as(float16 v) { return to_float(v); }
inline float load_as(bfloat16 v) { return to_float(v); }
template <class T, class V>
inline T store_as(V v) {
  if constexpr (__is_same(T, float16)) return to_float16(static_cast<float>(v));
  else if constexpr (__is_same(T, bfloat16)) return to_bfloat16(static_cast<float>(v));
  else return static_cast<T>(v);
}

}  // namespace tahr
