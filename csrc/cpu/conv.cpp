// The kernels of the convolution ops.
#include "cpu/conv.h"

#include <cstring>

#include "cpu/activation.h"
#include "cpu/gemm.h"
#include "ops/functions.h"

namespace tahr {
namespace {

// Windows of one place: a plain matrix product.
bool pointwise(const ConvShape& s) {
  if (s.groups != 1) return false;
  for (int i = 0; i < kAxes; ++i) {
    if (s.window[i] != 1 || s.stride[i] != 1 || s.low[i] != 0 || s.x[i] != s.y[i]) return false;
  }
  return true;
}

void forward(const Tensor& x, const Tensor& kernel, const Tensor& y, const ConvCoreAttrs& at, const ConvEpilogue& end) {
  if (y.size() == 0) return;
  const ConvShape s = conv_shape(x.shape(), kernel.shape(), y.shape(), at);
  if (pointwise(s)) {
    const int64_t m = y.size() / s.cout;
    return gemm(x.dtype(), false, false, m, s.cout, s.cin, x.raw(), s.cin, kernel.raw(), s.cout, y.mutable_raw(),
                s.cout, {1, false, end.bias, end.relu, end.map, end.map_params, end.map_ns});
  }
  if (s.depthwise()) return depthwise_rows(x.dtype(), s, false, x.raw(), kernel.raw(), y.mutable_raw(), end);
  conv_rows(conv_table(), x.dtype(), s, false, x.raw(), kernel.raw(), y.mutable_raw(), end);
}

void forward_kernel(const KernelArgs& args) {
  forward(args.in[0], args.in[1], args.out[0], args.as<ConvCoreAttrs>(), {});
}

void linear_kernel(const KernelArgs& args) {
  const auto& at = args.as<ConvLinearAttrs>();
  const Activation f = activation_of(at.activation, args.out[0].dtype());
  const void* bias = args.in.size() > 2 && args.in[2].defined() ? args.in[2].raw() : nullptr;
  forward(args.in[0], args.in[1], args.out[0], at.core(), {bias, f.relu, f.map, f.params, f.ns});
}

void dx_kernel(const KernelArgs& args) {
  const Tensor &dy = args.in[0], &kernel = args.in[1], &dx = args.out[0];
  if (dx.size() == 0) return;
  const ConvShape s = conv_shape(dx.shape(), kernel.shape(), dy.shape(), args.as<ConvCoreAttrs>());
  if (pointwise(s)) {
    const int64_t m = dx.size() / s.cin;
    return gemm(dy.dtype(), false, true, m, s.cin, s.cout, dy.raw(), s.cout, kernel.raw(), s.cout, dx.mutable_raw(),
                s.cin);
  }
  if (s.depthwise()) return depthwise_rows(dy.dtype(), s, true, dy.raw(), kernel.raw(), dx.mutable_raw(), {});
  conv_rows(conv_table(), dy.dtype(), s, true, dy.raw(), kernel.raw(), dx.mutable_raw());
}

void dw_kernel(const KernelArgs& args) {
  const Tensor &x = args.in[0], &dy = args.in[1], &dw = args.out[0];
  if (dw.size() == 0) return;
  const ConvShape s = conv_shape(x.shape(), dw.shape(), dy.shape(), args.as<ConvCoreAttrs>());
  if (s.depthwise()) return depthwise_outer(x.dtype(), s, x.raw(), dy.raw(), dw.mutable_raw());
  conv_outer(conv_table(), x.dtype(), s, x.raw(), dy.raw(), dw.mutable_raw());
}

}  // namespace

void register_conv_kernels() {
  define_kernel("conv_forward", DeviceType::CPU, forward_kernel);
  define_kernel("conv_linear", DeviceType::CPU, linear_kernel);
  define_kernel("conv_dx", DeviceType::CPU, dx_kernel);
  define_kernel("conv_dw", DeviceType::CPU, dw_kernel);
}

}  // namespace tahr
