// Registration of the recurrent kernels, and the parts they share.
#include "cpu/rnn.h"

#include "core/float_mode.h"
#include "ops/functions.h"

namespace tahr {
namespace rnn {
namespace {

constexpr int64_t kFewRows = 3;             // up to here the product reads B in place, by wide tiles
constexpr int64_t kStateBytes = 192 << 10;  // what a chunk's rows may hold between steps
constexpr int64_t kLeastRows = 48;          // ... but fewer rows than these read the matrix too often
constexpr int64_t kSmallestChunk = 4;
constexpr int64_t kNarrowRow = 3072;      // bytes of a row's state
constexpr int64_t kParts = 16;            // of a long sum of products; fixed, since the parts' order is in the bits
constexpr int64_t kPartBytes = 64 << 10;  // a result up to this size stays near while its part is summed
constexpr int64_t kPartSteps = 128;

template <class T>
const GemmKernels<T>& gemm_kernels() {
  if constexpr (std::is_same_v<T, float>) return gemm_table().f32;
  else return gemm_table().f64;
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
int64_t packed_size(int64_t k, int64_t n) {
  const int64_t nr = gemm_kernels<T>().nr;
  return ceil_div(n, nr) * nr * k + nr;
}

Tensor widened(const Tensor& t) {
  if (!t.defined() || (t.dtype() != DType::Float16 && t.dtype() != DType::BFloat16)) return t;
  return ops::cast(t, DType::Float32);
}

}  // namespace

template <class T>
StepMatrix<T>::StepMatrix(const T* b, int64_t ldb, bool transposed, int64_t k, int64_t n, int64_t rows)
    : k_(k),
      n_(n),
      packed_(rows > kFewRows),
      b_(b),
      ldb_(ldb),
      buffer_(packed_      ? packed_size<T>(k, n)
              : transposed ? k * n
                           : 0) {
  const GemmKernels<T>& g = gemm_kernels<T>();
  if (packed_) {
    for (int64_t j = 0; j < n; j += g.nr) {
      const int64_t width = std::min<int64_t>(g.nr, n - j);
      if (transposed) g.pack(b + j * ldb, ldb, 1, width, k, g.nr, buffer_.get() + j * k);
      else g.pack(b + j, 1, ldb, width, k, g.nr, buffer_.get() + j * k);
    }
  } else if (transposed) {
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t j = 0; j < n; ++j) buffer_.get()[p * n + j] = b[j * ldb + p];
    }
    b_ = buffer_.get();
    ldb_ = n;
  }
}

template <class T>
void StepMatrix<T>::multiply(const T* a, int64_t m, T* c, bool accumulate, const T* bias) const {
  const GemmKernels<T>& kernels = gemm_kernels<T>();
  GemmBlock<T> g{};
  g.m = m;
  g.n = n_;
  g.k = k_;
  g.mr = static_cast<int>(ceil_div(m, ceil_div(m, kernels.mr)));
  g.a = a;
  g.a_row = k_;
  g.a_col = 1;
  g.b = packed_ ? buffer_.get() : b_;
  g.b_row = ldb_;
  g.b_col = 1;
  if (packed_) g.b_panel = kernels.nr * k_;
  g.c = c;
  g.ldc = n_;
  g.bias = bias;
  g.factor = 1;
  g.accumulate = accumulate;
  kernels.block(g, 0, m, 0, n_);
}

// A product with a small result and a long sum: the operands pass through the caches once, a part at a time.
template <class T>
void weight_gradient(const T* a, int64_t m, const T* b, int64_t ldb, int64_t n, int64_t k, T* c, int64_t ldc) {
  if (m * n == 0) return;
  if (m * n * static_cast<int64_t>(sizeof(T)) > kPartBytes || k < kParts * kPartSteps) {
    return gemm(dtype_of<T>(), true, false, m, n, k, a, m, b, ldb, c, ldc);
  }
  const GemmKernels<T>& kernels = gemm_kernels<T>();
  const Buffer<T> partial(kParts * m * n);
  const int64_t steps = ceil_div(k, kParts);
  auto part = [&](int64_t i) {
    const int64_t first = std::min(i * steps, k);
    GemmBlock<T> g{};
    g.m = m;
    g.n = n;
    g.k = std::min(steps, k - first);
    g.mr = static_cast<int>(ceil_div(m, ceil_div(m, kernels.mr)));
    g.a = a + first * m;
    g.a_row = 1;
    g.a_col = m;
    g.b = b + first * ldb;
    g.b_row = ldb;
    g.b_col = 1;
    g.c = partial.get() + i * m * n;
    g.ldc = n;
    g.factor = 1;
    if (g.k > 0) kernels.block(g, 0, m, 0, n);
    else std::memset(g.c, 0, static_cast<size_t>(m * n) * sizeof(T));
  };
  parallel_chunks(kParts, gemm_cost_ns(dtype_of<T>(), m, n, k), part);
  parallel_for(m, 8, static_cast<double>(kParts * m * n) * 0.2, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(c + i * ldc, partial.get() + i * n, static_cast<size_t>(n) * sizeof(T));
      for (int64_t p = 1; p < kParts; ++p) {
        const T* from = partial.get() + (p * m + i) * n;
        for (int64_t j = 0; j < n; ++j) c[i * ldc + j] += from[j];
      }
    }
  });
}

template void weight_gradient(const float*, int64_t, const float*, int64_t, int64_t, int64_t, float*, int64_t);
template void weight_gradient(const double*, int64_t, const double*, int64_t, int64_t, int64_t, double*, int64_t);
template class StepMatrix<float>;
template class StepMatrix<double>;

int64_t rows_per_chunk(int64_t batch, int64_t state_width, size_t item) {
  const int64_t near = kStateBytes / std::max<int64_t>(1, state_width * static_cast<int64_t>(item));
  const int64_t most = std::max(kLeastRows, near), threads = num_threads();
  int64_t chunks = ceil_div(batch, most);
  // Two chunks per thread, where the matrix is so small that reading it twice is cheap: a thread that shares its CPU
  // with another program leaves one of them to the others.
  const int64_t pieces =
      threads * (state_width * static_cast<int64_t>(item) <= kNarrowRow && batch >= 16 * threads ? 2 : 1);
  chunks = ceil_div(chunks, pieces) * pieces;
  chunks = std::min(chunks, ceil_div(batch, kSmallestChunk));
  return std::max<int64_t>(1, ceil_div(batch, std::max<int64_t>(1, chunks)));
}

void run_widened(const KernelArgs& a, void (*f32)(const KernelArgs&), void (*f64)(const KernelArgs&)) {
  const NoSubnormals guard;
  const DType dtype = a.in[0].dtype();
  if (dtype == DType::Float64) return f64(a);
  if (dtype == DType::Float32) return f32(a);
  Tensors in, out;
  for (const Tensor& t : a.in) in.push_back(widened(t));
  for (const Tensor& t : a.out) out.push_back(Tensor::empty(t.shape(), DType::Float32));
  f32({in, out, a.attrs, nullptr});
  visit_dtype(dtype, [&]<class T>() {
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      for (size_t o = 0; o < out.size(); ++o) {
        if (a.out[o].dtype() != dtype) continue;  // the reserve
        const float* from = out[o].data<float>();
        T* to = a.out[o].mutable_data<T>();
        parallel_for(out[o].size(), 16384, static_cast<double>(out[o].size()), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) to[i] = store_as<T>(from[i]);
        });
      }
    }
  });
}

}  // namespace rnn

void register_rnn_kernels() {
  define_kernel("simple_rnn", DeviceType::CPU, rnn::simple_kernel);
  define_kernel("simple_rnn_grad", DeviceType::CPU, rnn::simple_grad_kernel);
  define_kernel("lstm", DeviceType::CPU, rnn::lstm_kernel);
  define_kernel("lstm_grad", DeviceType::CPU, rnn::lstm_grad_kernel);
  define_kernel("gru", DeviceType::CPU, rnn::gru_kernel);
  define_kernel("gru_grad", DeviceType::CPU, rnn::gru_grad_kernel);
}

}  // namespace tahr
