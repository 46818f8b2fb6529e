// The convolution ops: which kernel a problem goes to.
#include <algorithm>
#include <numeric>

#include "cuda/conv.h"
#include "cuda/conv_cudnn.h"
#include "cuda/convert.h"
#include "cuda/cudnn.h"
#include "cuda/gemm.h"
#include "ops/conv_shape.h"

namespace tahr::cuda {

ConvShape conv_shape(const Shape& x, const Shape& kernel, const Shape& y, const ConvCoreAttrs& at) {
  return conv_shape_of<ConvShape, kConvAxes>(x, kernel, y, at);
}

bool ConvShape::small() const {
  constexpr int64_t kMost = int64_t{1} << 28;
  for (int a = 0; a < kConvAxes; ++a) {
    if (x[a] >= kMost || y[a] >= kMost || std::abs(low[a]) >= kMost || stride[a] * y[a] >= kMost ||
        window[a] * dilation[a] >= kMost)
      return false;
  }
  return cin < kMost && cout < kMost && taps() * std::max(cin, cout) < kMost;
}

ConvWay forward_way(const ConvShape& s) {
  ConvWay w{{}, s.n, s.groups, s.cin, s.cout, {}, {}, s.small()};
  for (int a = 0; a < kConvAxes; ++a) {
    w.axis[a] = {0, 1, s.y[a], s.stride[a], s.x[a], s.window[a], -s.low[a], s.dilation[a], 0, 1};
    w.size[a] = s.y[a];
    w.window[a] = s.window[a];
  }
  return w;
}

namespace {

// Place p = phase + stride * q of x is read by tap t of output (p + low - t * dilation) / stride, if that is whole: by
// every `stride / gcd(stride, dilation)`-th tap from some first one on, or by none.
AxisWay backward_axis(const ConvShape& s, int a, int64_t phase) {
  const int64_t stride = s.stride[a], dilation = s.dilation[a], common = std::gcd(stride, dilation);
  AxisWay w{phase, stride,         (s.x[a] - phase + stride - 1) / stride, 1, s.y[a], 0, 0, -dilation / common,
            0,     stride / common};
  for (int64_t t = 0; t < std::min(s.window[a], w.tap_step); ++t) {
    const int64_t at = phase + s.low[a] - t * dilation;
    if (at % stride != 0) continue;
    w.tap = t;
    w.offset = at / stride;
    w.taps = (s.window[a] - t + w.tap_step - 1) / w.tap_step;
    break;
  }
  return w;
}

}  // namespace

void each_backward_way(const ConvShape& s, const std::function<void(const ConvWay&)>& f) {
  ConvWay w{{}, s.n, s.groups, s.cout, s.cin, {}, {}, s.small()};
  for (int a = 0; a < kConvAxes; ++a) {
    w.size[a] = s.x[a];
    w.window[a] = s.window[a];
  }
  const auto phases = [&](int a) { return std::min(s.stride[a], s.x[a]); };
  for (int64_t d = 0; d < phases(0); ++d) {
    for (int64_t h = 0; h < phases(1); ++h) {
      for (int64_t v = 0; v < phases(2); ++v) {
        w.axis[0] = backward_axis(s, 0, d);
        w.axis[1] = backward_axis(s, 1, h);
        w.axis[2] = backward_axis(s, 2, v);
        f(w);
      }
    }
  }
}

int64_t conv_parts(int64_t terms, int64_t blocks, int64_t size, int64_t element, int64_t step) {
  constexpr int64_t kBlocks = 1024, kBytes = 64 << 20, kFewest = 128;
  const int64_t wanted = std::min(
      {kBlocks / std::max<int64_t>(blocks, 1), terms / std::max(kFewest, 4 * step), kBytes / (size * element)});
  if (wanted < 2) return 1;
  const int64_t length = ((terms + wanted - 1) / wanted + step - 1) / step * step;
  return (terms + length - 1) / length;
}

namespace {

template <class T>
__global__ void add_parts_kernel(const Compute<T>* from, int64_t parts, int64_t size, T* to) {
  for (int64_t i = grid_index(); i < size; i += grid_size()) {
    Compute<T> sum = from[i];
    for (int64_t p = 1; p < parts; ++p) sum += from[p * size + i];
    to[i] = convert<T>(sum);
  }
}

// The problem as cuDNN takes it: with axes padded alike at both ends. Where that is not the same thing, the input is
// copied to where all windows lie inside.
struct Padded {
  ConvShape s;
  bool copied = false;
};
Padded padded(const ConvShape& s) {
  Padded p{s};
  int64_t reach[kConvAxes];
  for (int a = 0; a < kConvAxes; ++a) {
    reach[a] = (s.window[a] - 1) * s.dilation[a] + 1;
    const int64_t room = s.x[a] + 2 * s.low[a] - reach[a];
    p.copied |= s.low[a] < 0 || room < 0 || room / s.stride[a] + 1 != s.y[a];
  }
  for (int a = 0; a < kConvAxes && p.copied; ++a) {
    p.s.x[a] = (s.y[a] - 1) * s.stride[a] + reach[a];
    p.s.low[a] = 0;
  }
  return p;
}

// Windows of one place: a plain product of [places, channels] and the kernel, which lies right for it as it is.
bool as_product(ConvKind kind, DType dtype, const ConvShape& s, const void* x, const void* kernel, const void* y) {
  if (s.groups != 1) return false;
  for (int a = 0; a < kConvAxes; ++a) {
    if (s.window[a] != 1 || s.stride[a] != 1 || s.low[a] != 0 || s.x[a] != s.y[a]) return false;
  }
  const int64_t rows = s.n * s.places();
  Gemm g;
  g.type = dtype;
  const auto set = [&](const void* a, bool ta, int64_t lda, const void* b, bool tb, int64_t ldb, const void* c,
                       int64_t m, int64_t n, int64_t k) {
    g.a = a, g.ta = ta, g.lda = lda, g.b = b, g.tb = tb, g.ldb = ldb;
    g.c = const_cast<void*>(c), g.ldc = n, g.m = m, g.n = n, g.k = k;
  };
  if (kind == ConvKind::Forward) set(x, false, s.cin, kernel, false, s.cout, y, rows, s.cout, s.cin);
  else if (kind == ConvKind::Dx) set(y, false, s.cout, kernel, true, s.cout, x, rows, s.cin, s.cout);
  else set(x, true, s.cin, y, false, s.cout, kernel, s.cin, s.cout, rows);
  gemm(g);
  return true;
}

// By NVIDIA's libraries, if they take the problem: then what `kind` names is computed from the other two. Depthwise
// convolutions are bound by memory, and as fast on our own kernels.
bool by_library(ConvKind kind, DType dtype, const ConvShape& s, const void* x, const void* kernel, const void* y) {
  if (s.depthwise()) return false;
  if (as_product(kind, dtype, s, x, kernel, y)) return true;
  const Padded p = padded(s);
  const auto plan = conv_plan(kind, dtype, p.s);
  if (!plan) return false;
  const int64_t rows = s.taps() * s.cin, cols = s.cout * s.groups, channels = s.cin * s.groups;
  const size_t element = size_of(dtype);
  const Scratch filters(static_cast<size_t>(rows * cols) * element);
  const Scratch room(p.copied ? static_cast<size_t>(s.n * channels * p.s.x[0] * p.s.x[1] * p.s.x[2]) * element : 1);
  void* source = p.copied ? room.as<void>() : const_cast<void*>(x);
  if (kind != ConvKind::Dw) conv_transpose_kernel(dtype, kernel, rows, cols, filters.as<void>());
  if (kind != ConvKind::Dx && p.copied) conv_box(dtype, s.n, channels, x, s.x, source, p.s.x, s.low, true);
  if (!run_conv_plan(*plan, source, filters.as<void>(), const_cast<void*>(y))) return false;
  if (kind == ConvKind::Dx && p.copied)
    conv_box(dtype, s.n, channels, source, p.s.x, const_cast<void*>(x), s.x, s.low, false);
  if (kind == ConvKind::Dw) conv_transpose_kernel(dtype, filters.as<void>(), cols, rows, const_cast<void*>(kernel));
  return true;
}

void run_forward(const Tensor& x, const Tensor& kernel, const Tensor& y, const ConvCoreAttrs& at, const void* bias,
                 const std::string& activation) {
  if (y.size() == 0) return;
  const ConvShape s = conv_shape(x.shape(), kernel.shape(), y.shape(), at);
  const int64_t channels = s.cout * s.groups;
  if (by_library(ConvKind::Forward, x.dtype(), s, x.raw(), kernel.raw(), y.raw()))
    return conv_finish(y.dtype(), y.mutable_raw(), y.size(), channels, bias, activation);
  const ConvWay way = forward_way(s);
  const ConvEpilogue end{bias, activation == "relu"};
  if (s.depthwise()) conv_depthwise(x.dtype(), way, x.raw(), kernel.raw(), y.mutable_raw(), end);
  else conv_gemm(x.dtype(), way, false, x.raw(), kernel.raw(), y.mutable_raw(), end);
  if (!end.relu) conv_finish(y.dtype(), y.mutable_raw(), y.size(), channels, nullptr, activation);
}

void forward(const KernelArgs& a) { run_forward(a.in[0], a.in[1], a.out[0], a.as<ConvCoreAttrs>(), nullptr, ""); }

void linear(const KernelArgs& a) {
  const auto& at = a.as<ConvLinearAttrs>();
  const void* bias = a.in.size() > 2 && a.in[2].defined() ? a.in[2].raw() : nullptr;
  run_forward(a.in[0], a.in[1], a.out[0], at.core(), bias, at.activation);
}

void dx(const KernelArgs& a) {
  const Tensor &dy = a.in[0], &kernel = a.in[1], &dx = a.out[0];
  if (dx.size() == 0) return;
  const ConvShape s = conv_shape(dx.shape(), kernel.shape(), dy.shape(), a.as<ConvCoreAttrs>());
  if (by_library(ConvKind::Dx, dy.dtype(), s, dx.raw(), kernel.raw(), dy.raw())) return;
  each_backward_way(s, [&](const ConvWay& way) {
    if (s.depthwise()) conv_depthwise(dy.dtype(), way, dy.raw(), kernel.raw(), dx.mutable_raw(), {});
    else conv_gemm(dy.dtype(), way, true, dy.raw(), kernel.raw(), dx.mutable_raw(), {});
  });
}

void dw(const KernelArgs& a) {
  const Tensor &x = a.in[0], &dy = a.in[1], &dw = a.out[0];
  if (dw.size() == 0) return;
  const ConvShape s = conv_shape(x.shape(), dw.shape(), dy.shape(), a.as<ConvCoreAttrs>());
  if (by_library(ConvKind::Dw, x.dtype(), s, x.raw(), dw.raw(), dy.raw())) return;
  if (s.depthwise()) conv_depthwise_dw(x.dtype(), s, x.raw(), dy.raw(), dw.mutable_raw());
  else conv_gemm_dw(x.dtype(), s, x.raw(), dy.raw(), dw.mutable_raw());
}

}  // namespace

void add_parts(DType dtype, const void* from, int64_t parts, int64_t size, void* to) {
  visit_float(dtype, [&]<class T>() {
    launch(add_parts_kernel<T>, grid_for(size), dim3(kBlock), 0, static_cast<const Compute<T>*>(from), parts, size,
           static_cast<T*>(to));
  });
}

void register_conv() {
  add_library([] { return cudnn::library().describe(); });
  define("conv_forward", forward);
  define("conv_linear", linear);
  define("conv_dx", dx);
  define("conv_dw", dw);
}

}  // namespace tahr::cuda
