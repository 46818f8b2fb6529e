// matmul and its fused forms: batches of gemm, and what follows the product.
#include "core/variable.h"
#include "cuda/convert.h"
#include "cuda/cublaslt.h"
#include "cuda/gemm.h"
#include "cuda/program.h"
#include "ops/linalg_attrs.h"

namespace tahr::cuda {
namespace {

struct Batch {
  int rank = 0;
  int64_t dim[kMaxRank] = {}, a[kMaxRank] = {}, b[kMaxRank] = {}, c[kMaxRank] = {};  // strides in elements
};

// Strides, in matrices, of the batch axes of x against those of the result; 0 where x is broadcast.
std::array<int64_t, kMaxRank> batch_strides(const Shape& x, const Shape& batch) {
  std::array<int64_t, kMaxRank> strides{};
  const int own = std::max(0, x.rank() - 2);
  int64_t stride = 1;
  for (int i = own - 1; i >= 0; --i) {
    strides[static_cast<size_t>(batch.rank() - own + i)] = x[i] == 1 ? 0 : stride;
    stride *= x[i];
  }
  return strides;
}

// Neighbouring axes that both factors walk through in one go become one.
Batch batch_of(const Shape& a, const Shape& b, const Shape& batch, const Gemm& g) {
  const auto as = batch_strides(a, batch), bs = batch_strides(b, batch);
  Batch r;
  int64_t cs = batch.size();
  for (int d = 0; d < batch.rank(); ++d) {
    const int64_t n = batch[d];
    cs /= n;
    if (n == 1) continue;
    const auto e = static_cast<size_t>(d);
    const int64_t sa = as[e] * g.m * g.k, sb = bs[e] * g.k * g.n, sc = cs * g.m * g.n;
    const int last = r.rank - 1;
    if (last >= 0 && r.a[last] == sa * n && r.b[last] == sb * n) {
      r.dim[last] *= n;
      r.a[last] = sa, r.b[last] = sb, r.c[last] = sc;
    } else {
      r.dim[r.rank] = n;
      r.a[r.rank] = sa, r.b[r.rank] = sb, r.c[r.rank] = sc;
      ++r.rank;
    }
  }
  return r;
}

// c = end(op(a) op(b)) with shapes as in matmul; `end` brings what follows the product.
void multiply(const Tensor& a, const Tensor& b, const Tensor& c, bool ta, bool tb, const Gemm& end) {
  if (c.size() == 0) return;
  const int ra = a.rank(), rb = b.rank();
  Gemm g = end;
  g.type = a.dtype();
  g.ta = ta, g.tb = tb;
  g.m = ra == 1 ? 1 : a.dim(ta ? -1 : -2);
  g.k = ra == 1 ? a.dim(0) : a.dim(ta ? -2 : -1);
  g.n = rb == 1 ? 1 : b.dim(tb ? -2 : -1);
  Shape shape = c.shape();
  if (rb > 1) shape.erase(shape.rank() - 1);
  if (ra > 1) shape.erase(shape.rank() - 1);
  if (rb <= 2 && ra > 2 && !ta) {  // one matrix for all: its rows are the batch
    g.m *= shape.size();
    shape = Shape{};
  }
  g.lda = std::max<int64_t>(1, ta ? g.m : g.k);
  g.ldb = std::max<int64_t>(1, tb ? g.k : g.n);
  g.ldc = g.n;
  const Batch batch = batch_of(a.shape(), b.shape(), shape, g);
  // The innermost axis is one call; more than one axis is left only where one factor is broadcast between the other's.
  int64_t calls = 1;
  for (int d = 0; d + 1 < batch.rank; ++d) calls *= batch.dim[d];
  if (batch.rank) {
    const int last = batch.rank - 1;
    g.batch = batch.dim[last];
    g.stride_a = batch.a[last], g.stride_b = batch.b[last], g.stride_c = batch.c[last];
  }
  const auto *a_data = a.data<std::byte>(), *b_data = b.data<std::byte>();
  auto* c_data = c.mutable_data<std::byte>();
  for (int64_t call = 0; call < calls; ++call) {
    int64_t ai = 0, bi = 0, ci = 0, rest = call;
    for (int d = batch.rank - 2; d >= 0; --d) {
      const int64_t at = rest % batch.dim[d];
      rest /= batch.dim[d];
      ai += at * batch.a[d], bi += at * batch.b[d], ci += at * batch.c[d];
    }
    g.a = a_data + ai * static_cast<int64_t>(size_of(a.dtype()));
    g.b = b_data + bi * static_cast<int64_t>(size_of(b.dtype()));
    g.c = c_data + ci * static_cast<int64_t>(size_of(c.dtype()));
    gemm(g);
  }
}

void matmul(const KernelArgs& args) {
  const auto& at = args.as<MatmulAttrs>();
  multiply(args.in[0], args.in[1], args.out[0], at.transpose_a, at.transpose_b, {});
}

// The activation that LinearAttrs names, with its default parameters.
EwPlan activation_plan(std::string_view name, DType type) {
  const GeluAttrs gelu{.approximate = name == "gelu_tanh"};
  const AlphaAttrs alpha;
  const LeakyReluAttrs leaky;
  EwSite site{type, type, nullptr};
  if (name == "gelu" || name == "gelu_tanh") site.attrs = &gelu, name = "gelu";
  if (name == "elu") site.attrs = &alpha;
  if (name == "leaky_relu") site.attrs = &leaky;
  return resolve(name, site);
}

// y = f(y) or f(y, x), in place.
void apply_in_place(const EwPlan& plan, std::span<const Tensor> in, const Tensor& y) {
  ProgramBuilder b(in.size());
  int values[kEwMaxInputs];
  DType types[kEwMaxInputs];
  for (size_t i = 0; i < in.size(); ++i) {
    types[i] = in[i].dtype();
    values[i] = b.load(static_cast<int>(i), types[i]);
  }
  b.store(b.apply(plan, {values, in.size()}, {types, in.size()}, y.dtype()), 0, y.dtype());
  b.finish();
  b.run(y.shape(), in, {&y, 1});
}

void linear(const KernelArgs& args) {
  const auto& at = args.as<LinearAttrs>();
  const Tensor& y = args.out[0];
  Gemm end;
  if (args.in.size() > 2 && args.in[2].defined()) end.bias = args.in[2].raw();
  if (at.activation == "relu") end.end = Gemm::End::Relu;
  if (at.activation == "gelu_tanh") end.end = Gemm::End::GeluTanh;
  multiply(args.in[0], args.in[1], y, at.transpose_a, at.transpose_b, end);
  if (!at.activation.empty() && end.end == Gemm::End::None)
    apply_in_place(activation_plan(at.activation, y.dtype()), {&y, 1}, y);
}

void linear_grad(const KernelArgs& args) {
  const auto& at = args.as<LinearGradAttrs>();
  const Tensor& y = args.out[0];
  multiply(args.in[0], args.in[1], y, at.transpose_a, at.transpose_b, {});
  RangeGradAttrs range;
  range.low = at.low, range.high = at.high, range.scale = at.scale;
  const Tensor in[] = {y, args.in[2]};
  apply_in_place(resolve("range_grad", {y.dtype(), y.dtype(), &range}), in, y);
}

template <class T, class F>
__global__ void step_factors(const T* rate, F* factors) {
  factors[0] = -convert<F>(*rate);
  factors[1] = F(1);
}

// w = -rate op(a) op(b) + 1 w: the product's own alpha and beta, which wait on the device as the rate does.
void linear_sgd(const KernelArgs& args) {
  const auto& at = args.as<MatmulAttrs>();
  const VariableImpl* cell = args.in[3].impl()->variable;
  const Tensor& w = args.in[0].impl()->variable->writable_value();
  const Tensor rate = to_device(cell ? cell->value() : args.in[3], w.device());
  const Scratch factors(2 * sizeof(double));
  visit_dtype(rate.dtype(), [&]<class T>() {
    if (w.dtype() == DType::Float64)
      launch(step_factors<T, double>, dim3(1), dim3(1), 0, rate.data<T>(), factors.as<double>());
    else launch(step_factors<T, float>, dim3(1), dim3(1), 0, rate.data<T>(), factors.as<float>());
  });
  Gemm end;
  end.factors = factors.as<void>();
  multiply(args.in[1], args.in[2], w, at.transpose_a, at.transpose_b, end);
}

}  // namespace

void register_linalg() {
  add_library([] { return cublaslt::library().describe(); });
  define("matmul", matmul);
  define("linear", linear);
  define("linear_grad", linear_grad);
  define("linear_sgd", linear_sgd);
}

}  // namespace tahr::cuda
