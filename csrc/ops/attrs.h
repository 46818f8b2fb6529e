// Attributes of ops: plain structs with ONE field list, from which equality, hashing, printing, copying
// and the Python signature are generated.
//
//   struct ReduceAttrs {
//     Axes axis;
//     bool keepdims = false;
//     TAHR_ATTRS(ReduceAttrs, TAHR_FIELD(axis), TAHR_FIELD(keepdims))
//   };
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/dtype.h"

namespace tahr {

namespace graph {
struct Bodies;
}

using Ints = std::vector<int64_t>;

// Pairs of ints (widths before and after each axis, say), laid end to end; Python may nest them.
struct IntPairs : Ints {
  using Ints::Ints;
};

// A set of axes as Python gives it: None (all), an int, or a tuple.
struct Axes {
  bool all = true;
  bool scalar = false;  // a bare int: to split, 3 parts rather than one cut at 3
  Ints list;
  Axes() = default;
  Axes(Ints l) : all(false), list(std::move(l)) {}
  static Axes of(int64_t axis) {
    Axes a(Ints{axis});
    a.scalar = true;
    return a;
  }
  bool operator==(const Axes&) const = default;
};

// None, a number, or a name, as the order of a norm is given.
using NumberOrName = std::variant<std::monostate, double, std::string>;

// The graphs that a control-flow op runs (graph/control.h); told apart by identity.
using GraphBodies = std::shared_ptr<const graph::Bodies>;

enum class AttrKind : uint8_t {
  Int,
  Float,
  Bool,
  String,
  DTypeName,
  OptInt,
  OptFloat,
  OptDType,
  OptString,
  IntList,
  OptIntList,
  AxisSet,
  NumberOrName,
  PairList,
  Graphs
};

template <class T>
struct AttrKindOf;
#define TAHR_ATTR_KIND(T, K)                       \
  template <>                                      \
  struct AttrKindOf<T> {                           \
    static constexpr AttrKind value = AttrKind::K; \
  };
TAHR_ATTR_KIND(int64_t, Int)
TAHR_ATTR_KIND(double, Float)
TAHR_ATTR_KIND(bool, Bool)
TAHR_ATTR_KIND(std::string, String)
TAHR_ATTR_KIND(DType, DTypeName)
TAHR_ATTR_KIND(std::optional<int64_t>, OptInt)
TAHR_ATTR_KIND(std::optional<double>, OptFloat)
TAHR_ATTR_KIND(std::optional<DType>, OptDType)
TAHR_ATTR_KIND(std::optional<std::string>, OptString)
TAHR_ATTR_KIND(Ints, IntList)
TAHR_ATTR_KIND(std::optional<Ints>, OptIntList)
TAHR_ATTR_KIND(Axes, AxisSet)
TAHR_ATTR_KIND(IntPairs, PairList)
TAHR_ATTR_KIND(GraphBodies, Graphs)
TAHR_ATTR_KIND(::tahr::NumberOrName, NumberOrName)
#undef TAHR_ATTR_KIND

// Calls f.template operator()<T>() with the C++ type of an attribute kind.
template <class F>
decltype(auto) visit_attr_kind(AttrKind k, F&& f) {
  switch (k) {
    case AttrKind::Int: return f.template operator()<int64_t>();
    case AttrKind::Float: return f.template operator()<double>();
    case AttrKind::Bool: return f.template operator()<bool>();
    case AttrKind::String: return f.template operator()<std::string>();
    case AttrKind::DTypeName: return f.template operator()<DType>();
    case AttrKind::OptInt: return f.template operator()<std::optional<int64_t>>();
    case AttrKind::OptFloat: return f.template operator()<std::optional<double>>();
    case AttrKind::OptDType: return f.template operator()<std::optional<DType>>();
    case AttrKind::OptString: return f.template operator()<std::optional<std::string>>();
    case AttrKind::IntList: return f.template operator()<Ints>();
    case AttrKind::PairList: return f.template operator()<IntPairs>();
    case AttrKind::OptIntList: return f.template operator()<std::optional<Ints>>();
    case AttrKind::AxisSet: return f.template operator()<Axes>();
    case AttrKind::Graphs: return f.template operator()<GraphBodies>();
    default: return f.template operator()<NumberOrName>();
  }
}

struct AttrField {
  const char* name;
  AttrKind kind;
  size_t offset;
  bool required;  // no default in the Python signature
};

// The run-time description of an attribute struct; nullptr fields for ops without attributes.
struct AttrType {
  std::span<const AttrField> fields;
  size_t size;
  std::shared_ptr<void> (*make)();  // default-constructed
  std::shared_ptr<void> (*clone)(const void*);
};

bool attrs_equal(const AttrType& t, const void* a, const void* b);
size_t attrs_hash(const AttrType& t, const void* a);
std::string attrs_str(const AttrType& t, const void* a);       // "axis=(0, 1), keepdims=False"
const char* attr_kind_name(AttrKind kind);                     // "an int", "a dtype", ...
std::string attr_value_str(AttrKind kind, const void* value);  // as Python would write it

template <class A>
const AttrType* attr_type() {
  static const AttrType t{
      A::attr_fields(), sizeof(A), []() -> std::shared_ptr<void> { return std::make_shared<A>(); },
      [](const void* p) -> std::shared_ptr<void> { return std::make_shared<A>(*static_cast<const A*>(p)); }};
  return &t;
}
template <>
inline const AttrType* attr_type<void>() {
  return nullptr;
}

#define TAHR_FIELD(f) \
  ::tahr::AttrField { #f, ::tahr::AttrKindOf<decltype(Self::f)>::value, offsetof(Self, f), false }
#define TAHR_REQUIRED(f) \
  ::tahr::AttrField { #f, ::tahr::AttrKindOf<decltype(Self::f)>::value, offsetof(Self, f), true }
#define TAHR_ATTRS(Name, ...)                                \
  using Self = Name;                                         \
  static std::span<const ::tahr::AttrField> attr_fields() {  \
    static const ::tahr::AttrField fields[] = {__VA_ARGS__}; \
    return fields;                                           \
  }                                                          \
  bool operator==(const Name& o) const { return ::tahr::attrs_equal(*::tahr::attr_type<Name>(), this, &o); }

}  // namespace tahr
