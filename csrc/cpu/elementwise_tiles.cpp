#include "cpu/elementwise_tiles.h"

#include <algorithm>
#include <cstring>

#include "cpu/elementwise_table.h"

namespace tahr {
namespace {

template <class T>
void gather_strided(void* to, const void* from, int64_t n, int64_t stride) {
  const T* f = static_cast<const T*>(from);
  T* t = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) t[i] = f[i * stride];
}

// Carries an index that has reached the end of dimension d.
void carry(const Strides& stride, const Space& s, int d, int64_t* index, int64_t* offset) {
  for (; d > 0 && index[d] == s.dim[d]; --d) {
    *offset += stride[d - 1] - index[d] * stride[d];
    index[d] = 0;
    ++index[d - 1];
  }
}

}  // namespace

void splat(void* to, const void* from, int64_t n, size_t size) {
  elementwise_cast_table().repeat(to, from, 1, 0, n, size);
}

void repeat(std::byte* tile, int64_t period, int64_t n, size_t size) {
  const size_t first = static_cast<size_t>(period) * size, all = static_cast<size_t>(n) * size;
  for (size_t done = first; done < all; done += first) {  // in whole lines: what is too much is overwritten
    for (size_t i = 0; i < first && done + i < all; i += 64) {
      std::byte line[64];  // the two may overlap where a row is shorter than a line
      std::memcpy(line, tile + i, 64);
      std::memcpy(tile + done + i, line, 64);
    }
  }
}

void fill_strided(const std::byte* data, size_t size, const Strides& stride, const Space& s, int64_t begin, int64_t n,
                  std::byte* to) {
  int64_t index[kMaxRank];
  int64_t offset = 0;
  for (int d = s.rank - 1; d >= 0; --d) {
    index[d] = begin % s.dim[d];
    begin /= s.dim[d];
    offset += index[d] * stride[d];
  }
  const int last = s.rank - 1;
  const auto repeat_values = elementwise_cast_table().repeat;
  while (n > 0) {
    const std::byte* from = data + static_cast<size_t>(offset) * size;
    if (stride[last] == 0 && last > 0 && index[last] == 0 && n > s.dim[last]) {  // several rows of one value each
      const int64_t rows = std::min(n / s.dim[last], s.dim[last - 1] - index[last - 1]);
      repeat_values(to, from, rows, stride[last - 1], s.dim[last], size);
      to += static_cast<size_t>(rows * s.dim[last]) * size;
      n -= rows * s.dim[last];
      index[last - 1] += rows;
      offset += rows * stride[last - 1];
      carry(stride, s, last - 1, index, &offset);
      continue;
    }
    const int64_t run = std::min(n, s.dim[last] - index[last]);
    if (stride[last] == 1) std::memcpy(to, from, static_cast<size_t>(run) * size);
    else if (stride[last] == 0) repeat_values(to, from, 1, 0, run, size);
    else if (size == 1) gather_strided<uint8_t>(to, from, run, stride[last]);
    else if (size == 2) gather_strided<uint16_t>(to, from, run, stride[last]);
    else if (size == 4) gather_strided<uint32_t>(to, from, run, stride[last]);
    else gather_strided<uint64_t>(to, from, run, stride[last]);
    to += static_cast<size_t>(run) * size;
    n -= run;
    index[last] += run;
    offset += run * stride[last];
    carry(stride, s, last, index, &offset);
  }
}

Space collapse(std::span<const Shape* const> in, const Shape& out, Strides* const* strides) {
  Space s;
  const int n = static_cast<int>(in.size());
  Strides own_strides[kMaxOperands];
  for (int i = 0; i < n; ++i) own_strides[i] = contiguous_strides(*in[i]);
  for (int d = 0; d < out.rank(); ++d) {
    if (out[d] == 1) continue;
    int64_t stride[kMaxOperands];
    bool merge = s.rank > 0;
    for (int i = 0; i < n; ++i) {
      const int own = d - (out.rank() - in[i]->rank());
      stride[i] = own < 0 || (*in[i])[own] == 1 ? 0 : own_strides[i][own];
      merge = merge && (*strides[i])[s.rank - 1] == stride[i] * out[d];
    }
    const int at = merge ? s.rank - 1 : s.rank++;
    s.dim[at] = merge ? s.dim[at] * out[d] : out[d];
    for (int i = 0; i < n; ++i) (*strides[i])[at] = stride[i];
  }
  if (s.rank == 0) {
    s.rank = 1, s.dim[0] = 1;
    for (int i = 0; i < n; ++i) (*strides[i])[0] = 0;
  }
  return s;
}

}  // namespace tahr
