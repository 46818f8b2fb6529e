// The kernels of matmul and of its fused forms: batches of gemm.
#include <algorithm>

#include "core/parallel.h"
#include "core/variable.h"
#include "cpu/activation.h"
#include "cpu/elementwise.h"
#include "cpu/gemm.h"
#include "ops/functions.h"
#include "ops/linalg_attrs.h"

namespace tahr {
namespace {

// Strides, in matrices, of the batch axes of x against those of the result; 0 where x is broadcast.
std::array<int64_t, kMaxRank> batch_strides(const Shape& x, const Shape& batch) {
  std::array<int64_t, kMaxRank> strides{};
  const int own = std::max(0, x.rank() - 2);
  int64_t stride = 1;
  for (int i = own - 1; i >= 0; --i) {
    strides[batch.rank() - own + i] = x[i] == 1 ? 0 : stride;
    stride *= x[i];
  }
  return strides;
}

// With `rows`, a is a matrix of float32 whose rows begin there.
void multiply(const Tensor& a, const Tensor& b, const Tensor& c, bool ta, bool tb, const GemmEpilogue& end,
              const float* const* rows = nullptr) {
  const int ra = a.rank(), rb = b.rank();
  int64_t m = ra == 1 ? 1 : a.dim(ta ? -1 : -2);
  const int64_t k = ra == 1 ? a.dim(0) : a.dim(ta ? -2 : -1);
  const int64_t n = rb == 1 ? 1 : b.dim(tb ? -2 : -1);
  Shape batch = c.shape();
  if (rb > 1) batch.erase(batch.rank() - 1);
  if (ra > 1) batch.erase(batch.rank() - 1);
  int64_t count = batch.size();
  if (c.size() == 0) return;
  if (rb <= 2 && ra > 2 && !ta) {  // one matrix for all: its rows are the batch
    m *= count;
    count = 1;
  }
  const int64_t lda = ta ? m : k, ldb = tb ? k : n;
  const auto a_strides = batch_strides(a.shape(), batch), b_strides = batch_strides(b.shape(), batch);
  const auto* a_data = rows ? nullptr : a.data<std::byte>();
  const auto* b_data = b.data<std::byte>();
  auto* c_data = c.mutable_data<std::byte>();
  const auto one = [&](int64_t i) {
    int64_t ai = 0, bi = 0, rest = i;
    for (int d = batch.rank() - 1; d >= 0 && count > 1; --d) {
      ai += rest % batch[d] * a_strides[d];
      bi += rest % batch[d] * b_strides[d];
      rest /= batch[d];
    }
    GemmEpilogue own = end;
    if (end.map_with) own.map_with = static_cast<const std::byte*>(end.map_with) + i * m * n * size_of(c.dtype());
    if (rows) {
      return gemm_listed(ta, tb, m, n, k, rows, b.data<float>() + bi * k * n, ldb, c.mutable_data<float>() + i * m * n,
                         n, own);
    }
    gemm(a.dtype(), ta, tb, m, n, k, a_data + ai * m * k * size_of(a.dtype()), lda,
         b_data + bi * k * n * size_of(b.dtype()), ldb, c_data + i * m * n * size_of(c.dtype()), n, own);
  };
  // Large products share the threads one after the other, small ones side by side.
  constexpr double kLargeNs = 2e5, kChunkNs = 5e3;
  const double cost = gemm_cost_ns(a.dtype(), m, n, k) + static_cast<double>(m) * n * end.map_ns;
  if (count == 1 || cost > kLargeNs) {
    for (int64_t i = 0; i < count; ++i) one(i);
    return;
  }
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kChunkNs / std::max(cost, 1.0)));
  parallel_for(count, grain, cost * count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(i);
  });
}

void matmul_kernel(const KernelArgs& args) {
  const auto& at = args.as<MatmulAttrs>();
  multiply(args.in[0], args.in[1], args.out[0], at.transpose_a, at.transpose_b, {}, args.rows);
}

void linear_kernel(const KernelArgs& args) {
  const auto& at = args.as<LinearAttrs>();
  GemmEpilogue end;
  if (args.in.size() > 2 && args.in[2].defined()) end.bias = args.in[2].raw();
  const Activation f = activation_of(at.activation, args.out[0].dtype());
  end.relu = f.relu;
  end.map = f.map;
  end.map_params = f.params;
  end.map_ns = f.ns;
  multiply(args.in[0], args.in[1], args.out[0], at.transpose_a, at.transpose_b, end, args.rows);
}

void linear_grad_kernel(const KernelArgs& args) {
  const auto& at = args.as<LinearGradAttrs>();
  const double params[] = {at.low, at.high, at.scale};
  GemmEpilogue end;
  end.map = elementwise_loop(Ew::RangeGrad, args.out[0].dtype() == DType::Float64 ? DType::Float64 : DType::Float32);
  end.map_params = params;
  end.map_with = args.in[2].raw();
  end.map_ns = elementwise_ns(Ew::RangeGrad);
  multiply(args.in[0], args.in[1], args.out[0], at.transpose_a, at.transpose_b, end, args.rows);
}

void linear_sgd_kernel(const KernelArgs& args) {
  const auto& at = args.as<MatmulAttrs>();
  const VariableImpl* rate = args.in[3].impl()->variable;
  GemmEpilogue end;
  end.factor = -(rate ? rate->value() : args.in[3]).item();
  end.accumulate = true;
  multiply(args.in[1], args.in[2], args.in[0].impl()->variable->writable_value(), at.transpose_a, at.transpose_b, end,
           args.rows);
}

}  // namespace

void register_linalg_kernels() {
  define_kernel("matmul", DeviceType::CPU, matmul_kernel);
  define_kernel("linear", DeviceType::CPU, linear_kernel);
  define_kernel("linear_grad", DeviceType::CPU, linear_grad_kernel);
  define_kernel("linear_sgd", DeviceType::CPU, linear_sgd_kernel);
  for (const char* op : {"matmul", "linear", "linear_grad"}) define_listed_input(op, DeviceType::CPU, 0);
  define_listed_input("linear_sgd", DeviceType::CPU, 1);
}

}  // namespace tahr
