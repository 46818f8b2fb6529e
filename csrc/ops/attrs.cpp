#include "ops/attrs.h"

#include <charconv>
#include <cstring>
#include <functional>

namespace tahr {
namespace {

template <class T>
const T& at(const void* base, const AttrField& f) {
  return *reinterpret_cast<const T*>(static_cast<const char*>(base) + f.offset);
}

size_t mix(size_t h, size_t v) { return h ^ (v + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2)); }

template <class T>
size_t hash_value(const T& v) {
  return std::hash<T>{}(v);
}
size_t hash_value(DType v) { return static_cast<size_t>(v); }
size_t hash_value(const Ints& v) {
  size_t h = v.size();
  for (int64_t x : v) h = mix(h, static_cast<size_t>(x));
  return h;
}
size_t hash_value(const IntPairs& v) { return hash_value(static_cast<const Ints&>(v)); }
size_t hash_value(const Axes& v) { return mix(v.all, hash_value(v.list)); }
size_t hash_value(const GraphBodies& v) { return std::hash<const void*>{}(v.get()); }
size_t hash_value(const NumberOrName& v) { return std::hash<NumberOrName>{}(v); }
template <class T>
size_t hash_value(const std::optional<T>& v) {
  return v ? mix(1, hash_value(*v)) : 0;
}

std::string str_value(int64_t v) { return std::to_string(v); }
std::string str_value(bool v) { return v ? "True" : "False"; }
std::string str_value(const std::string& v) { return "'" + v + "'"; }
std::string str_value(DType v) { return std::string("'") + name_of(v) + "'"; }
std::string str_value(double v) {
  if (v != v) return "float('nan')";
  if (v - v != 0) return v > 0 ? "float('inf')" : "float('-inf')";
  char buf[32];
  const auto end = std::to_chars(buf, buf + sizeof buf, v).ptr;
  std::string s(buf, end);
  if (s.find_first_of(".e") == std::string::npos) s += ".0";
  return s;
}
std::string str_value(const Ints& v) {
  std::string s = "(";
  for (size_t i = 0; i < v.size(); ++i) s += (i ? ", " : "") + std::to_string(v[i]);
  return s + (v.size() == 1 ? ",)" : ")");
}
std::string str_value(const Axes& v) {
  return v.all ? "None" : v.list.size() == 1 ? std::to_string(v.list[0]) : str_value(v.list);
}
std::string str_value(const GraphBodies&) { return "<graph>"; }
std::string str_value(const NumberOrName& v) {
  if (const auto* number = std::get_if<double>(&v)) return str_value(*number);
  if (const auto* name = std::get_if<std::string>(&v)) return str_value(*name);
  return "None";
}
template <class T>
std::string str_value(const std::optional<T>& v) {
  return v ? str_value(*v) : "None";
}

}  // namespace

bool attrs_equal(const AttrType& t, const void* a, const void* b) {
  for (const AttrField& f : t.fields) {
    const bool same = visit_attr_kind(f.kind, [&]<class T>() { return at<T>(a, f) == at<T>(b, f); });
    if (!same) return false;
  }
  return true;
}

size_t attrs_hash(const AttrType& t, const void* a) {
  size_t h = t.fields.size();
  for (const AttrField& f : t.fields)
    h = mix(h, visit_attr_kind(f.kind, [&]<class T>() { return hash_value(at<T>(a, f)); }));
  return h;
}

const char* attr_kind_name(AttrKind kind) {
  switch (kind) {
    case AttrKind::Int: return "an int";
    case AttrKind::Float: return "a float";
    case AttrKind::Bool: return "a bool";
    case AttrKind::String: return "a string";
    case AttrKind::DTypeName: return "a dtype";
    case AttrKind::OptInt: return "an int or None";
    case AttrKind::OptFloat: return "a float or None";
    case AttrKind::OptDType: return "a dtype or None";
    case AttrKind::OptString: return "a string or None";
    case AttrKind::IntList: return "a tuple of ints";
    case AttrKind::PairList: return "a tuple of pairs of ints";
    case AttrKind::OptIntList: return "a tuple of ints or None";
    case AttrKind::AxisSet: return "an int, a tuple of ints or None";
    case AttrKind::Graphs: return "traced graphs";
    default: return "a number, a string or None";
  }
}

std::string attr_value_str(AttrKind kind, const void* value) {
  return visit_attr_kind(kind, [&]<class T>() { return str_value(*static_cast<const T*>(value)); });
}

std::string attrs_str(const AttrType& t, const void* a) {
  std::string s;
  for (const AttrField& f : t.fields) {
    if (!s.empty()) s += ", ";
    s += std::string(f.name) + "=" + attr_value_str(f.kind, static_cast<const char*>(a) + f.offset);
  }
  return s;
}

}  // namespace tahr
