// Scaled dot-product attention on the CPU, by tiles of queries and keys that stay in cache (Dao et al.,
// "FlashAttention", 2022; the running maximum and sum of a softmax are those of Milakov and Gimelshein, 2018). The
// scores are never stored whole: the backward pass computes them again from the maximum and the sum of each row.
#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "cpu/attention_table.h"
#include "cpu/gemm.h"
#include "cpu/gemm_table.h"
#include "cpu/scratch.h"
#include "ops/attention_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

constexpr int64_t kQueries = 64, kKeys = 256;  // of a tile
constexpr int64_t kChunks = 32;                // of the forward pass, if there are so many tiles
constexpr int64_t kMostTiles = 8;              // of a chunk

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The distance between a tile's rows: no multiple of a page's fraction, lest columns compete for places in the cache.
int64_t tile_row(int64_t keys) { return ceil_div(std::min(kKeys, keys), 16) * 16 + 16; }

template <class T>
const AttentionKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) return attention_table().f32;
  else return attention_table().f64;
}

template <class T>
const GemmKernels<T>& products() {
  if constexpr (std::is_same_v<T, float>) return gemm_table().f32;
  else return gemm_table().f64;
}

// The right operand of a product: k rows of n, `row` apart; or panels as GemmBlock describes them.
template <class T>
struct Right {
  const T* data;
  int64_t row, panel = 0;
};

// c (m x n) = factor op(a) b (+ c), on this thread.
template <class T>
void multiply(bool transposed, int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, Right<T> b, T* c, int64_t ldc,
              bool accumulate = false, T factor = 1) {
  const GemmKernels<T>& kernels = products<T>();
  GemmBlock<T> g{};
  g.m = m, g.n = n, g.k = k;
  g.mr = static_cast<int>(ceil_div(m, ceil_div(m, kernels.mr)));
  g.a = a;
  g.a_row = transposed ? 1 : lda;
  g.a_col = transposed ? lda : 1;
  g.b = b.data;
  g.b_row = b.row;
  g.b_col = 1;
  g.b_panel = b.panel;
  g.c = c;
  g.ldc = ldc;
  g.factor = factor;
  g.accumulate = accumulate;
  kernels.block(g, 0, m, 0, n);
}

// Elements of the panels of `columns` columns of k steps.
template <class T>
int64_t panels_size(int64_t columns, int64_t k) {
  const int nr = products<T>().nr;
  return ceil_div(columns, nr) * nr * k + nr;
}

// Rows of `width`, `stride` apart, become the columns of a right operand.
template <class T>
Right<T> pack_columns(const T* from, int64_t stride, int64_t rows, int64_t width, T* to) {
  const GemmKernels<T>& kernels = products<T>();
  const int64_t nr = kernels.nr;
  for (int64_t i = 0; i < rows; i += nr)
    kernels.pack(from + i * stride, stride, 1, std::min(nr, rows - i), width, kernels.nr, to + i * width);
  return {to, kernels.nr, nr * width};
}

// Rows of `width`, `stride` apart, one after the other. They lie far apart in a tensor, where many of them compete for
// the same places in the cache.
template <class T>
Right<T> gather_rows(const T* from, int64_t stride, int64_t rows, int64_t width, T* to) {
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(to + i * width, from + i * stride, static_cast<size_t>(width) * sizeof(T));
  return {to, width};
}

// An input that is broadcast to (b, heads, queries, keys).
template <class E>
struct Spread {
  const E* data = nullptr;
  int64_t stride[4]{};
  explicit Spread(const Tensor* t) {
    if (!t || !t->defined()) return;
    data = t->data<E>();
    int64_t step = 1;
    for (int i = 3; i >= 0; --i) {
      stride[i] = t->dim(i) == 1 ? 0 : step;
      step *= t->dim(i);
    }
  }
  const E* row(int64_t b, int64_t head, int64_t i, int64_t j) const {
    return data + b * stride[0] + head * stride[1] + i * stride[2] + j * stride[3];
  }
};

// query (b, t, n, h), key (b, s, k, h), value (b, s, k, v); n is a multiple of k.
template <class T>
struct Problem {
  int64_t b, t, n, h, s, k, v;
  const T *query, *key, *value;
  Spread<T> bias;
  Spread<bool> mask;
  AttentionAttrs at;

  Problem(const KernelArgs& a, size_t first, size_t bias_at)
      : bias(a.in.size() > bias_at ? &a.in[bias_at] : nullptr),
        mask(a.in.size() > bias_at + 1 ? &a.in[bias_at + 1] : nullptr),
        at(a.as<AttentionAttrs>()) {
    const Tensor &q = a.in[first], &ke = a.in[first + 1], &va = a.in[first + 2];
    b = q.dim(0), t = q.dim(1), n = q.dim(2), h = q.dim(3);
    s = ke.dim(1), k = ke.dim(2), v = va.dim(3);
    query = q.data<T>(), key = ke.data<T>(), value = va.data<T>();
  }
  static constexpr DType dtype = DTypeOf<T>::value;
  int64_t query_at(int64_t batch, int64_t i, int64_t head, int64_t width) const {
    return ((batch * t + i) * n + head) * width;
  }
  int64_t key_at(int64_t batch, int64_t j, int64_t head, int64_t width) const {
    return ((batch * s + j) * k + head) * width;
  }
  // How many keys the queries below `last` see. With a mask a row may see none, and then spreads over all of them.
  int64_t keys_for(int64_t last) const { return at.causal && !mask.data ? std::min(s, last) : s; }

  // Finishes a tile of scale query key': adds the bias, and masks. Queries [i, i + rows), keys [j, j + cols).
  void restrict_scores(T* tile, int64_t ld, int64_t batch, int64_t head, int64_t i, int64_t rows, int64_t j,
                       int64_t cols) const {
    for (int64_t r = 0; r < rows; ++r) {
      T* row = tile + r * ld;
      if (bias.data) {
        const T* from = bias.row(batch, head, i + r, j);
        for (int64_t c = 0; c < cols; ++c) row[c] += from[c * bias.stride[3]];
      }
      if (mask.data) {
        const bool* from = mask.row(batch, head, i + r, j);
        for (int64_t c = 0; c < cols; ++c) row[c] = from[c * mask.stride[3]] ? row[c] : kMaskedScore<T>;
      }
      if (at.causal)
        for (int64_t c = std::max<int64_t>(0, i + r + 1 - j); c < cols; ++c) row[c] = kMaskedScore<T>;
    }
  }
  double cost_ns(int64_t products) const {
    return static_cast<double>(b * n) * static_cast<double>(products) * gemm_cost_ns(dtype, t, s, std::max(h, v));
  }
};

// A unit of work is some tiles of queries of one head; each block of keys and values is laid out once for all of them.
template <class T>
void forward(const KernelArgs& a) {
  const Problem<T> p(a, 0, 3);
  const Tensor &out = a.out[0], &statistics = a.out[1];
  if (p.s == 0) {
    std::memset(out.mutable_raw(), 0, out.nbytes());
    std::memset(statistics.mutable_raw(), 0, statistics.nbytes());
    return;
  }
  const int64_t tiles = ceil_div(p.t, kQueries), ld = tile_row(p.s), most_keys = std::min(kKeys, p.s);
  const int64_t span = std::clamp<int64_t>(p.b * p.n * tiles / kChunks, 1, std::min(tiles, kMostTiles));
  const int64_t chunks = ceil_div(tiles, span), packed = panels_size<T>(most_keys, p.h);
  auto run = [&](int64_t item) {
    const int64_t batch = item / chunks / p.n, head = item / chunks % p.n, kv = head / (p.n / p.k);
    const int64_t begin = item % chunks * span * kQueries, end = std::min(begin + span * kQueries, p.t);
    const int64_t room = most_keys * p.v + products<T>().nr;
    const Scratch scratch(static_cast<size_t>(packed + room + kQueries * ld + span * kQueries * (p.v + 2)) * sizeof(T));
    T *columns = scratch.as<T>(), *rows_of_values = columns + packed, *tile = rows_of_values + room;
    T *sums = tile + kQueries * ld, *peaks = sums + span * kQueries * p.v, *totals = peaks + span * kQueries;
    T factor[kQueries];
    std::fill_n(peaks, span * kQueries, -std::numeric_limits<T>::infinity());
    std::fill_n(totals, span * kQueries, T(0));
    for (int64_t j = 0; j < p.keys_for(end); j += kKeys) {
      const int64_t block = std::min(kKeys, p.keys_for(end) - j);
      const Right<T> keys = pack_columns(p.key + p.key_at(batch, j, kv, p.h), p.k * p.h, block, p.h, columns);
      const Right<T> values = gather_rows(p.value + p.key_at(batch, j, kv, p.v), p.k * p.v, block, p.v, rows_of_values);
      for (int64_t i = begin; i < end; i += kQueries) {
        const int64_t rows = std::min(kQueries, p.t - i), cols = std::min(block, p.keys_for(i + rows) - j);
        if (cols <= 0) continue;
        multiply<T>(false, rows, cols, p.h, p.query + p.query_at(batch, i, head, p.h), p.n * p.h, keys, tile, ld, false,
                    static_cast<T>(p.at.scale));
        p.restrict_scores(tile, ld, batch, head, i, rows, j, cols);
        T* sum = sums + (i - begin) * p.v;
        kernels<T>().absorb(tile, rows, cols, ld, peaks + (i - begin), totals + (i - begin), factor);
        if (j > 0) kernels<T>().scale_rows(sum, p.v, sum, p.v, rows, p.v, factor);
        multiply<T>(false, rows, p.v, cols, tile, ld, values, sum, p.v, j > 0);
      }
    }
    for (int64_t i = begin; i < end; i += kQueries) {
      const int64_t rows = std::min(kQueries, p.t - i);
      const T *peak = peaks + (i - begin), *total = totals + (i - begin);
      for (int64_t r = 0; r < rows; ++r) factor[r] = T(1) / total[r];
      kernels<T>().scale_rows(sums + (i - begin) * p.v, p.v, out.mutable_data<T>() + p.query_at(batch, i, head, p.v),
                              p.n * p.v, rows, p.v, factor);
      T* to = statistics.mutable_data<T>() + ((batch * p.n + head) * p.t + i) * 2;
      for (int64_t r = 0; r < rows; ++r) to[2 * r] = peak[r], to[2 * r + 1] = total[r];
    }
  };
  parallel_chunks(p.b * p.n * chunks, p.cost_ns(3), run);
}

// With P the probabilities: dV = P' dO,  dP = dO V',  dS = P (dP - sum(dO O)) scale,  dQ = dS K,  dK = dS' Q.
// A unit of work is a head of keys with all its queries.
template <class T>
void backward(const KernelArgs& a) {
  const Problem<T> p(a, 1, 6);
  const T *dy = a.in[0].data<T>(), *out = a.in[4].data<T>(), *statistics = a.in[5].data<T>();
  T *dq = a.out[0].mutable_data<T>(), *dk = a.out[1].mutable_data<T>(), *dv = a.out[2].mutable_data<T>();
  if (p.s == 0 || p.t == 0) {
    for (const Tensor& t : a.out) std::memset(t.mutable_raw(), 0, t.nbytes());
    return;
  }
  const int64_t group = p.n / p.k, ld = tile_row(p.s), most_keys = std::min(kKeys, p.s), nr = products<T>().nr;
  auto run = [&](int64_t item) {
    const int64_t batch = item / p.k, kv = item % p.k;
    const int64_t sizes[] = {panels_size<T>(most_keys, p.h),
                             panels_size<T>(most_keys, p.v),
                             most_keys * p.h + nr,
                             kQueries * p.h + nr,
                             kQueries * p.v + nr,
                             kQueries * ld,
                             kQueries * ld,
                             most_keys * p.h,
                             most_keys * p.v};
    int64_t size = 0;
    for (int64_t n : sizes) size += n;
    const Scratch scratch(static_cast<size_t>(size) * sizeof(T));
    T* places[std::size(sizes)];
    size = 0;
    for (size_t i = 0; i < std::size(sizes); ++i) places[i] = scratch.as<T>() + size, size += sizes[i];
    T *prob = places[5], *dprob = places[6], *dkeys = places[7], *dvalues = places[8];
    T peak[kQueries], total[kQueries], dot[kQueries], weight[kQueries];
    for (int64_t j = 0; j < p.s; j += kKeys) {
      const int64_t block = std::min(kKeys, p.s - j);
      const T *key = p.key + p.key_at(batch, j, kv, p.h), *value = p.value + p.key_at(batch, j, kv, p.v);
      const Right<T> key_columns = pack_columns(key, p.k * p.h, block, p.h, places[0]);
      const Right<T> value_columns = pack_columns(value, p.k * p.v, block, p.v, places[1]);
      const Right<T> key_rows = gather_rows(key, p.k * p.h, block, p.h, places[2]);
      std::fill_n(dkeys, block * p.h, T(0));
      std::fill_n(dvalues, block * p.v, T(0));
      for (int64_t head = kv * group; head < (kv + 1) * group; ++head) {
        for (int64_t i = 0; i < p.t; i += kQueries) {
          const int64_t rows = std::min(kQueries, p.t - i), cols = std::min(block, p.keys_for(i + rows) - j);
          if (cols <= 0) continue;
          const T* from = statistics + ((batch * p.n + head) * p.t + i) * 2;
          for (int64_t r = 0; r < rows; ++r) {
            peak[r] = from[2 * r], total[r] = from[2 * r + 1];
            // The scores of a row that sees nothing are constants.
            weight[r] = peak[r] > kMaskedScore<T> ? static_cast<T>(p.at.scale) : T(0);
          }
          const int64_t at_v = p.query_at(batch, i, head, p.v), at_h = p.query_at(batch, i, head, p.h);
          const Right<T> query = gather_rows(p.query + at_h, p.n * p.h, rows, p.h, places[3]);
          const Right<T> cotangent = gather_rows(dy + at_v, p.n * p.v, rows, p.v, places[4]);
          kernels<T>().dots(dy + at_v, out + at_v, rows, p.v, p.n * p.v, dot);
          multiply<T>(false, rows, cols, p.h, query.data, p.h, key_columns, prob, ld, false,
                      static_cast<T>(p.at.scale));
          p.restrict_scores(prob, ld, batch, head, i, rows, j, cols);
          kernels<T>().probabilities(prob, rows, cols, ld, peak, total);
          multiply<T>(true, cols, p.v, rows, prob, ld, cotangent, dvalues, p.v, true);
          multiply<T>(false, rows, cols, p.v, cotangent.data, p.v, value_columns, dprob, ld);
          kernels<T>().scores_grad(prob, dprob, rows, cols, ld, dot, weight);
          multiply<T>(false, rows, p.h, cols, prob, ld, key_rows, dq + at_h, p.n * p.h, j > 0);
          multiply<T>(true, cols, p.h, rows, prob, ld, query, dkeys, p.h, true);
        }
      }
      for (int64_t r = 0; r < block; ++r) {
        std::copy_n(dkeys + r * p.h, p.h, dk + p.key_at(batch, j + r, kv, p.h));
        std::copy_n(dvalues + r * p.v, p.v, dv + p.key_at(batch, j + r, kv, p.v));
      }
    }
  };
  parallel_chunks(p.b * p.k, p.cost_ns(6), run);
}

// Halves are widened around the kernel.
void run(const KernelArgs& a, DType type, void (*f32)(const KernelArgs&), void (*f64)(const KernelArgs&)) {
  if (type == DType::Float64) return f64(a);
  if (type == DType::Float32) return f32(a);
  Tensors in, out;
  for (const Tensor& t : a.in) in.push_back(t.defined() && is_half(t.dtype()) ? ops::cast(t, DType::Float32) : t);
  for (const Tensor& t : a.out) out.push_back(is_half(t.dtype()) ? Tensor::empty(t.shape(), DType::Float32) : t);
  f32({in, out, a.attrs, a.prepared});
  for (size_t i = 0; i < out.size(); ++i) {
    if (is_half(a.out[i].dtype()))
      std::memcpy(a.out[i].mutable_raw(), ops::cast(out[i], a.out[i].dtype()).raw(), a.out[i].nbytes());
  }
}

}  // namespace

void register_attention_kernels() {
  define_kernel("attention", DeviceType::CPU,
                [](const KernelArgs& a) { run(a, a.in[0].dtype(), forward<float>, forward<double>); });
  define_kernel("attention_grad", DeviceType::CPU,
                [](const KernelArgs& a) { run(a, a.in[1].dtype(), backward<float>, backward<double>); });
}

}  // namespace tahr
