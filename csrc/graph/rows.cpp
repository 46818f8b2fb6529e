#include "graph/rows.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/parallel.h"

namespace tahr::graph {
namespace {

constexpr double kNsPerByte = 0.2;  // of a gathered row, which lies far from the one before: 5 GB/s
constexpr int64_t kGrain = 32 << 10;
constexpr size_t kFetched = 4 << 10;

template <class T>
void gather_elements(const std::byte* from, const int64_t* order, int64_t n, std::byte* to) {
  const T* f = reinterpret_cast<const T*>(from);
  T* t = reinterpret_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) t[i] = f[order[i]];
}

void fetch_ahead(const std::byte* row, size_t bytes) {
  for (size_t at = 0; at < std::min(bytes, kFetched); at += 64) __builtin_prefetch(row + at);
}

const int64_t* numbers_of(const Tensor& t) {
  if (t.dtype() != DType::Int64 || t.rank() != 1) throw_type("[Dataset] expected row numbers as a vector of int64.");
  return t.data<int64_t>();
}

}  // namespace

size_t row_bytes(const Tensor& t) { return t.dim(0) ? t.nbytes() / static_cast<size_t>(t.dim(0)) : 0; }

void gather_rows(const std::byte* from, const int64_t* order, int64_t n, size_t bytes, std::byte* to) {
  if (bytes == 4) return gather_elements<uint32_t>(from, order, n, to);
  if (bytes == 8) return gather_elements<uint64_t>(from, order, n, to);
  const int64_t grain = std::max<int64_t>(1, kGrain / static_cast<int64_t>(bytes + 1));
  parallel_for(
      n, grain, kNsPerByte * static_cast<double>(bytes) * static_cast<double>(n), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          // Rows lie anywhere, and what the hardware fetches ahead by itself ends with the row: 87 us to 30
          // for 256 images of 3 KB.
          if (i + 2 < end) fetch_ahead(from + static_cast<size_t>(order[i + 2]) * bytes, bytes);
          std::memcpy(to + static_cast<size_t>(i) * bytes, from + static_cast<size_t>(order[i]) * bytes, bytes);
        }
      });
}

Tensors take_rows(const Tensors& arrays, const Tensor& order) {
  const int64_t* p = numbers_of(order);
  const int64_t n = order.size();
  Tensors rows;
  for (const Tensor& t : arrays) {
    if (t.rank() == 0) throw_value("[Dataset] expected arrays with one sample per row, received a scalar.");
    for (int64_t i = 0; i < n; ++i) {
      if (p[i] < 0 || p[i] >= t.dim(0))
        throw_index("[Dataset] expected row numbers below ", t.dim(0), ", received ", p[i], ".");
    }
    Shape shape = t.shape();
    shape[0] = n;
    Tensor to = Tensor::empty(shape, t.dtype());
    if (to.size()) gather_rows(t.data<std::byte>(), p, n, row_bytes(t), to.mutable_data<std::byte>());
    rows.push_back(std::move(to));
  }
  return rows;
}

ShuffleBuffer::ShuffleBuffer(int64_t size, uint64_t seed) : size_(size), key_{seed, 0} {
  if (size < 1) throw_value("[Dataset.shuffle] expected buffer_size of at least 1, received ", size, ".");
}

int64_t ShuffleBuffer::draw(int64_t below) {
  if (half_ == 2) {
    block_ = philox(key_, next_block_++);
    half_ = 0;
  }
  // The high half of a product of 64 bits by `below`: uniform but for `below` parts in 2^64.
  return static_cast<int64_t>(
      static_cast<unsigned __int128>(block_.word64(half_++)) * static_cast<unsigned __int128>(below) >> 64);
}

Tensor ShuffleBuffer::pass(const Tensor& numbers) {
  const int64_t* in = numbers_of(numbers);
  const int64_t n = numbers.size();
  const int64_t kept = std::min(n, size_ - static_cast<int64_t>(held_.size()));
  held_.insert(held_.end(), in, in + kept);
  Tensor out = Tensor::empty({n - kept}, DType::Int64);
  int64_t* o = out.mutable_data<int64_t>();
  for (int64_t i = kept; i < n; ++i) {
    int64_t& place = held_[static_cast<size_t>(draw(size_))];
    *o++ = place;
    place = in[i];
  }
  return out;
}

Tensor ShuffleBuffer::drain() {
  const int64_t n = static_cast<int64_t>(held_.size());
  Tensor out = Tensor::empty({n}, DType::Int64);
  int64_t* o = out.mutable_data<int64_t>();
  for (int64_t left = n; left > 0; --left) {
    int64_t& place = held_[static_cast<size_t>(draw(left))];
    *o++ = place;
    place = held_[static_cast<size_t>(left - 1)];
  }
  held_.clear();
  return out;
}

}  // namespace tahr::graph
