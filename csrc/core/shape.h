// Shapes of rank 0 to 8, held inline. A dimension of kUnknown (-1) appears only in symbolic tensors.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace tahr {

inline constexpr int kMaxRank = 8;
inline constexpr int64_t kUnknown = -1;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);  // throws on rank > 8

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[i]; }
  int64_t& operator[](int i) { return dims_[i]; }
  int64_t back() const { return dims_[rank_ - 1]; }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  void push_back(int64_t d);
  void insert(int at, int64_t d);
  void erase(int at);

  // Product of the dimensions; kUnknown if any is unknown (and none is zero).
  int64_t size() const;
  bool fully_known() const;
  bool operator==(const Shape& o) const;
  std::string str() const;  // "(2, 3)", unknown as None: "(None, 3)"

 private:
  std::array<int64_t, kMaxRank> dims_{};
  uint8_t rank_ = 0;
};

// NumPy broadcasting; false if the shapes do not fit together.
bool broadcast_shapes(const Shape& a, const Shape& b, Shape* out);

// Row-major element strides.
std::array<int64_t, kMaxRank> contiguous_strides(const Shape& s);

}  // namespace tahr
