// Scaled dot-product attention on the CPU, by tiles of queries and keys that stay in cache (Dao et al.,
// "FlashAttention", 2022; the running maximum and sum of a softmax are those of Milakov and Gimelshein, 2018). The
// scores are never stored whole: the backward pass computes them again from the maximum and the sum of each row.
#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "cpu/attention_table.h"
#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "ops/attention_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

constexpr int64_t kQueries = 64, kKeys = 256;  // of a tile

template <class T>
const AttentionKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) return attention_table().f32;
  else return attention_table().f64;
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

  // tile = scale query key' + bias, masked: queries [i, i + rows) and keys [j, j + cols).
  void scores(T* tile, int64_t batch, int64_t head, int64_t i, int64_t rows, int64_t j, int64_t cols) const {
    GemmEpilogue epilogue;
    epilogue.factor = at.scale;
    gemm(dtype, false, true, rows, cols, h, query + query_at(batch, i, head, h), n * h,
         key + key_at(batch, j, head / (n / k), h), k * h, tile, kKeys, epilogue);
    for (int64_t r = 0; r < rows; ++r) {
      T* row = tile + r * kKeys;
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

template <class T>
void forward(const KernelArgs& a) {
  const Problem<T> p(a, 0, 3);
  const Tensor &out = a.out[0], &statistics = a.out[1];
  if (p.s == 0) {
    std::memset(out.mutable_raw(), 0, out.nbytes());
    std::memset(statistics.mutable_raw(), 0, statistics.nbytes());
    return;
  }
  const int64_t tiles = (p.t + kQueries - 1) / kQueries;
  parallel_for(p.b * p.n * tiles, 1, p.cost_ns(3), [&](int64_t item, int64_t) {
    const int64_t batch = item / tiles / p.n, head = item / tiles % p.n, i = item % tiles * kQueries;
    const int64_t rows = std::min(kQueries, p.t - i), keys = p.keys_for(i + rows);
    const Scratch scratch(static_cast<size_t>(kQueries * (kKeys + p.v)) * sizeof(T));
    T *tile = scratch.as<T>(), *sum = tile + kQueries * kKeys;
    T peak[kQueries], total[kQueries], factor[kQueries];
    std::fill(peak, peak + rows, -std::numeric_limits<T>::infinity());
    std::fill(total, total + rows, T(0));
    for (int64_t j = 0; j < keys; j += kKeys) {
      const int64_t cols = std::min(kKeys, keys - j);
      p.scores(tile, batch, head, i, rows, j, cols);
      kernels<T>().absorb(tile, rows, cols, kKeys, peak, total, factor);
      GemmEpilogue epilogue;
      epilogue.accumulate = j > 0;
      if (j > 0) kernels<T>().scale_rows(sum, p.v, sum, p.v, rows, p.v, factor);
      gemm(p.dtype, false, false, rows, p.v, cols, tile, kKeys, p.value + p.key_at(batch, j, head / (p.n / p.k), p.v),
           p.k * p.v, sum, p.v, epilogue);
    }
    for (int64_t r = 0; r < rows; ++r) factor[r] = T(1) / total[r];
    kernels<T>().scale_rows(sum, p.v, out.mutable_data<T>() + p.query_at(batch, i, head, p.v), p.n * p.v, rows, p.v,
                            factor);
    T* to = statistics.mutable_data<T>() + ((batch * p.n + head) * p.t + i) * 2;
    for (int64_t r = 0; r < rows; ++r) to[2 * r] = peak[r], to[2 * r + 1] = total[r];
  });
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
  const int64_t group = p.n / p.k;
  parallel_for(p.b * p.k, 1, p.cost_ns(6), [&](int64_t item, int64_t) {
    const int64_t batch = item / p.k, kv = item % p.k;
    const Scratch scratch(static_cast<size_t>(2 * kQueries * kKeys) * sizeof(T));
    T *prob = scratch.as<T>(), *dprob = prob + kQueries * kKeys;
    T peak[kQueries], total[kQueries], dot[kQueries], weight[kQueries];
    for (int64_t j = 0; j < p.s; ++j) {
      std::fill_n(dk + p.key_at(batch, j, kv, p.h), p.h, T(0));
      std::fill_n(dv + p.key_at(batch, j, kv, p.v), p.v, T(0));
    }
    GemmEpilogue add;
    add.accumulate = true;
    for (int64_t head = kv * group; head < (kv + 1) * group; ++head) {
      for (int64_t i = 0; i < p.t; i += kQueries) {
        const int64_t rows = std::min(kQueries, p.t - i), keys = p.keys_for(i + rows);
        const T* from = statistics + ((batch * p.n + head) * p.t + i) * 2;
        for (int64_t r = 0; r < rows; ++r) {
          peak[r] = from[2 * r], total[r] = from[2 * r + 1];
          // The scores of a row that sees nothing are constants.
          weight[r] = peak[r] > kMaskedScore<T> ? static_cast<T>(p.at.scale) : T(0);
        }
        const int64_t at_v = p.query_at(batch, i, head, p.v), at_h = p.query_at(batch, i, head, p.h);
        kernels<T>().dots(dy + at_v, out + at_v, rows, p.v, p.n * p.v, dot);
        for (int64_t j = 0; j < keys; j += kKeys) {
          const int64_t cols = std::min(kKeys, keys - j);
          const int64_t key_v = p.key_at(batch, j, kv, p.v), key_h = p.key_at(batch, j, kv, p.h);
          p.scores(prob, batch, head, i, rows, j, cols);
          kernels<T>().probabilities(prob, rows, cols, kKeys, peak, total);
          gemm(p.dtype, true, false, cols, p.v, rows, prob, kKeys, dy + at_v, p.n * p.v, dv + key_v, p.k * p.v, add);
          gemm(p.dtype, false, true, rows, cols, p.v, dy + at_v, p.n * p.v, p.value + key_v, p.k * p.v, dprob, kKeys);
          kernels<T>().scores_grad(prob, dprob, rows, cols, kKeys, dot, weight);
          GemmEpilogue epilogue;
          epilogue.accumulate = j > 0;
          gemm(p.dtype, false, false, rows, p.h, cols, prob, kKeys, p.key + key_h, p.k * p.h, dq + at_h, p.n * p.h,
               epilogue);
          gemm(p.dtype, true, false, cols, p.h, rows, prob, kKeys, p.query + at_h, p.n * p.h, dk + key_h, p.k * p.h,
               add);
        }
      }
    }
  });
}

}  // namespace

void register_attention_kernels() {
  define_kernel("attention", DeviceType::CPU, [](const KernelArgs& a) {
    return a.in[0].dtype() == DType::Float64 ? forward<double>(a) : forward<float>(a);
  });
  define_kernel("attention_grad", DeviceType::CPU, [](const KernelArgs& a) {
    return a.in[0].dtype() == DType::Float64 ? backward<double>(a) : backward<float>(a);
  });
}

}  // namespace tahr
