// A stable radix sort by 4 bits at a time, of as many bits as the number of rows needs. Per pass: counts of each digit
// per tile, their running sums, and the move. In the tile a thread has neighbouring elements, so its place among
// equals follows from sums over the threads before it. Counts are integers: the same result each time.
// Floor: 3 reads and 2 writes of 8 bytes per element and pass.
#include "cuda/row_sort.h"

namespace tahr::cuda {
namespace {

constexpr int kDigits = 16, kDigitBits = 4;
constexpr int kPerThread = 4;
constexpr int kTile = kBlock * kPerThread;

__global__ void read_rows_kernel(const __grid_constant__ Rows rows, int64_t* key, int64_t* order, int64_t m,
                                 int64_t n) {
  for (int64_t i = grid_index(); i < m; i += grid_size()) {
    const int64_t row = rows(i);
    key[i] = row < 0 ? n : row;
    order[i] = i;
  }
}

// How many of each digit a thread of the tile has: count[digit][thread].
__device__ __forceinline__ void count_digits(const int64_t* key, int64_t m, int64_t tile, int shift,
                                             int (*count)[kBlock]) {
  const auto t = static_cast<int>(threadIdx.x);
  for (int d = 0; d < kDigits; ++d) count[d][t] = 0;
  const int64_t begin = tile * kTile + t * kPerThread;
  for (int64_t i = begin; i < begin + kPerThread && i < m; ++i) ++count[(key[i] >> shift) & (kDigits - 1)][t];
}

// total[digit * tiles + tile]
__global__ void count_kernel(const int64_t* key, int64_t m, int64_t tiles, int shift, int64_t* total) {
  __shared__ int count[kDigits][kBlock];
  const auto t = static_cast<int>(threadIdx.x);
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    count_digits(key, m, tile, shift, count);
    __syncthreads();
    for (int half = kBlock / 2; half > 0; half /= 2) {
      if (t < half) {
        for (int d = 0; d < kDigits; ++d) count[d][t] += count[d][t + half];
      }
      __syncthreads();
    }
    if (t < kDigits) total[t * tiles + tile] = count[t][0];
    __syncthreads();
  }
}

// Running sums, each without its own element, by one block.
__global__ void scan_kernel(int64_t* v, int64_t n) {
  __shared__ int64_t part[kBlock];
  const auto t = static_cast<int64_t>(threadIdx.x);
  const int64_t width = (n + kBlock - 1) / kBlock, begin = t * width, end = begin + width < n ? begin + width : n;
  int64_t sum = 0;
  for (int64_t i = begin; i < end; ++i) sum += v[i];
  part[t] = sum;
  __syncthreads();
  if (t == 0) {
    int64_t before = 0;
    for (int i = 0; i < kBlock; ++i) {
      const int64_t own = part[i];
      part[i] = before;
      before += own;
    }
  }
  __syncthreads();
  sum = part[t];
  for (int64_t i = begin; i < end; ++i) {
    const int64_t own = v[i];
    v[i] = sum;
    sum += own;
  }
}

__global__ void move_kernel(const int64_t* key, const int64_t* order, int64_t* key_to, int64_t* order_to, int64_t m,
                            int64_t tiles, int shift, const int64_t* first) {
  __shared__ int count[kDigits][kBlock];
  const auto t = static_cast<int>(threadIdx.x);
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    count_digits(key, m, tile, shift, count);
    __syncthreads();
    // Sums over the threads before, for each digit: 16 threads to a digit, each with 16 of its counts.
    constexpr int kEach = kBlock / kDigits;
    __shared__ int part[kDigits][kEach];
    const int d = t / kEach, at = t % kEach;
    int sum = 0;
    for (int i = 0; i < kEach; ++i) sum += count[d][at * kEach + i];
    part[d][at] = sum;
    __syncthreads();
    sum = 0;
    for (int i = 0; i < at; ++i) sum += part[d][i];
    for (int i = 0; i < kEach; ++i) {
      const int own = count[d][at * kEach + i];
      count[d][at * kEach + i] = sum;
      sum += own;
    }
    __syncthreads();
    const int64_t begin = tile * kTile + t * kPerThread;
    for (int64_t i = begin; i < begin + kPerThread && i < m; ++i) {
      const int64_t k = key[i];
      const int digit = static_cast<int>((k >> shift) & (kDigits - 1));
      const int64_t place = first[digit * tiles + tile] + count[digit][t]++;
      key_to[place] = k;
      order_to[place] = order[i];
    }
    __syncthreads();
  }
}

}  // namespace

SortedRows::SortedRows(const Rows& rows, int64_t m_, int64_t n_)
    : m(m_), n(n_), room_(static_cast<size_t>(m_) * 4 * sizeof(int64_t)) {
  int64_t *k = room_.as<int64_t>(), *o = k + m, *k_to = o + m, *o_to = k_to + m;
  const int64_t tiles = (m + kTile - 1) / kTile;
  const Scratch counts(static_cast<size_t>(tiles * kDigits) * sizeof(int64_t));
  launch(read_rows_kernel, grid_for(m), dim3(kBlock), 0, rows, k, o, m, n);
  const dim3 grid = grid_for(tiles, 1, 1);
  for (int shift = 0; shift < 63 && n >> shift > 0; shift += kDigitBits) {
    launch(count_kernel, grid, dim3(kBlock), 0, k, m, tiles, shift, counts.as<int64_t>());
    launch(scan_kernel, dim3(1), dim3(kBlock), 0, counts.as<int64_t>(), tiles * kDigits);
    launch(move_kernel, grid, dim3(kBlock), 0, k, o, k_to, o_to, m, tiles, shift, counts.as<int64_t>());
    std::swap(k, k_to);
    std::swap(o, o_to);
  }
  key = k;
  order = o;
}

}  // namespace tahr::cuda
