#include "core/shape.h"

#include <algorithm>

#include "core/error.h"

namespace tahr {

Shape::Shape(std::span<const int64_t> dims) {
  if (dims.size() > static_cast<size_t>(kMaxRank)) {
    throw_value("[shape] expected at most ", kMaxRank, " dimensions, received ", dims.size(),
                ". Merge some of them with reshape.");
  }
  rank_ = static_cast<uint8_t>(dims.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

void Shape::push_back(int64_t d) { insert(rank_, d); }

void Shape::insert(int at, int64_t d) {
  if (rank_ == kMaxRank) {
    throw_value("[shape] expected at most ", kMaxRank, " dimensions, received ", kMaxRank + 1,
                ". Merge some of them with reshape.");
  }
  std::copy_backward(dims_.begin() + at, dims_.begin() + rank_, dims_.begin() + rank_ + 1);
  dims_[at] = d;
  ++rank_;
}

void Shape::erase(int at) {
  std::copy(dims_.begin() + at + 1, dims_.begin() + rank_, dims_.begin() + at);
  dims_[--rank_] = 0;
}

int64_t Shape::size() const {
  int64_t n = 1;
  bool unknown = false;
  for (int64_t d : dims()) {
    if (d == 0) return 0;
    if (d == kUnknown) {
      unknown = true;
    } else if (__builtin_mul_overflow(n, d, &n)) {
      throw_value("[shape] expected fewer than 2**63 elements, received shape ", str(), ".");
    }
  }
  return unknown ? kUnknown : n;
}

bool Shape::fully_known() const {
  return std::none_of(begin(), end(), [](int64_t d) { return d == kUnknown; });
}

bool Shape::operator==(const Shape& o) const { return std::equal(begin(), end(), o.begin(), o.end()); }

std::string Shape::str() const {
  std::string s = "(";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) s += ", ";
    s += dims_[i] == kUnknown ? "None" : std::to_string(dims_[i]);
  }
  return s + (rank_ == 1 ? ",)" : ")");
}

bool broadcast_shapes(const Shape& a, const Shape& b, Shape* out) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int offset = longer.rank() - shorter.rank();
  Shape result = longer;
  for (int i = 0; i < shorter.rank(); ++i) {
    const int64_t x = longer[offset + i], y = shorter[i];
    if (x == y || y == 1) continue;
    if (x == 1 || x == kUnknown) {
      result[offset + i] = y;  // an unknown dimension beside y > 1 (or 0) can only be y, or 1
    } else if (y != kUnknown) {
      return false;
    }
  }
  *out = result;
  return true;
}

std::array<int64_t, kMaxRank> contiguous_strides(const Shape& s) {
  std::array<int64_t, kMaxRank> strides{};
  int64_t step = 1;
  for (int i = s.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= s[i];
  }
  return strides;
}

}  // namespace tahr
