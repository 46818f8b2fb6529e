// The convolution ops: which kernel a problem goes to.
#include <algorithm>
#include <numeric>

#include "cuda/conv.h"
#include "cuda/convert.h"
#include "cuda/elementwise_functions.h"

namespace tahr::cuda {

ConvShape conv_shape(const Shape& x, const Shape& kernel, const Shape& y, const ConvCoreAttrs& at) {
  ConvShape s{};
  const int axes = x.rank() - 2;
  s.n = x[0];
  s.groups = at.groups;
  s.cin = kernel[axes];
  s.cout = kernel[axes + 1] / at.groups;
  for (int i = 0; i < kConvAxes; ++i) {
    const int from = i - (kConvAxes - axes);
    const auto f = static_cast<size_t>(from);
    s.x[i] = from < 0 ? 1 : x[from + 1];
    s.y[i] = from < 0 ? 1 : y[from + 1];
    s.window[i] = from < 0 ? 1 : kernel[from];
    s.stride[i] = from < 0 ? 1 : at.strides[f];
    s.dilation[i] = from < 0 ? 1 : at.dilation[f];
    s.low[i] = from < 0 ? 0 : at.low[f];
    s.high[i] = from < 0 ? 0 : at.high[f];
  }
  return s;
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
  constexpr int64_t kBlocks = 512, kBytes = 64 << 20, kFewest = 128;
  const int64_t wanted = std::min({kBlocks / std::max<int64_t>(blocks, 1), terms / kFewest, kBytes / (size * element)});
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

struct Entry {
  const char* name;
  Ew op;
  EwParams params;
};
// The defaults of the ops in csrc/ops/elementwise_attrs.h; selu's alpha and scale.
constexpr Entry kActivations[] = {
    {"relu6", Ew::Relu6, {}},
    {"leaky_relu", Ew::LeakyRelu, {0.2, 0, 0}},
    {"elu", Ew::Elu, {1.0, 0, 0}},
    {"selu", Ew::Selu, {1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 0}},
    {"sigmoid", Ew::Sigmoid, {}},
    {"tanh", Ew::Tanh, {}},
    {"softplus", Ew::Softplus, {}},
    {"softsign", Ew::Softsign, {}},
    {"silu", Ew::Silu, {}},
    {"mish", Ew::Mish, {}},
    {"gelu", Ew::Gelu, {}},
    {"gelu_tanh", Ew::GeluTanh, {}},
    {"hard_tanh", Ew::HardTanh, {}},
    {"hard_silu", Ew::HardSilu, {}},
    {"hard_sigmoid", Ew::HardSigmoid, {}},
    {"log_sigmoid", Ew::LogSigmoid, {}},
};

template <class T>
__global__ void activate_kernel(T* y, int64_t n, Ew op, EwParams params) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) {
    const Compute<T> v = convert<Compute<T>>(y[i]);
    y[i] = convert<T>(compute(op, v, v, v, params));
  }
}

// In place; nothing for the names that the convolution itself does ("" and "relu").
void activate(const Tensor& y, const std::string& name) {
  for (const Entry& f : kActivations) {
    if (name != f.name) continue;
    visit_float(y.dtype(), [&]<class T>() {
      launch(activate_kernel<T>, grid_for(y.size()), dim3(kBlock), 0, y.mutable_data<T>(), y.size(), f.op, f.params);
    });
  }
}

void run_forward(const Tensor& x, const Tensor& kernel, const Tensor& y, const ConvCoreAttrs& at,
                 const ConvEpilogue& end) {
  if (y.size() == 0) return;
  const ConvShape s = conv_shape(x.shape(), kernel.shape(), y.shape(), at);
  const ConvWay way = forward_way(s);
  if (s.depthwise()) conv_depthwise(x.dtype(), way, x.raw(), kernel.raw(), y.mutable_raw(), end);
  else conv_gemm(x.dtype(), way, false, x.raw(), kernel.raw(), y.mutable_raw(), end);
}

void forward(const KernelArgs& a) { run_forward(a.in[0], a.in[1], a.out[0], a.as<ConvCoreAttrs>(), {}); }

void linear(const KernelArgs& a) {
  const auto& at = a.as<ConvLinearAttrs>();
  const Tensor& y = a.out[0];
  const void* bias = a.in.size() > 2 && a.in[2].defined() ? a.in[2].raw() : nullptr;
  if (y.size() == 0) return;
  run_forward(a.in[0], a.in[1], y, at.core(), {bias, at.activation == "relu"});
  activate(y, at.activation);
}

void dx(const KernelArgs& a) {
  const Tensor &dy = a.in[0], &kernel = a.in[1], &dx = a.out[0];
  if (dx.size() == 0) return;
  const ConvShape s = conv_shape(dx.shape(), kernel.shape(), dy.shape(), a.as<ConvCoreAttrs>());
  each_backward_way(s, [&](const ConvWay& way) {
    if (s.depthwise()) conv_depthwise(dy.dtype(), way, dy.raw(), kernel.raw(), dx.mutable_raw(), {});
    else conv_gemm(dy.dtype(), way, true, dy.raw(), kernel.raw(), dx.mutable_raw(), {});
  });
}

void dw(const KernelArgs& a) {
  const Tensor &x = a.in[0], &dy = a.in[1], &dw = a.out[0];
  if (dw.size() == 0) return;
  const ConvShape s = conv_shape(x.shape(), dw.shape(), dy.shape(), a.as<ConvCoreAttrs>());
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
  define("conv_forward", forward);
  define("conv_linear", linear);
  define("conv_dx", dx);
  define("conv_dw", dw);
}

}  // namespace tahr::cuda
