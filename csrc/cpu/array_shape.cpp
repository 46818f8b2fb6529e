// Kernels of transpose, broadcasting, repetition, concatenate and split: loop nests for copy_nd.
#include <cstring>

#include "cpu/array_copy.h"
#include "ops/array_attrs.h"

namespace tahr {
namespace {

using cpu::copy_nd;

void copy_by(const KernelArgs& a, const CopyPlan& p) {
  copy_nd(a.out[0].mutable_raw(), a.in[0].raw(), p, size_of(a.in[0].dtype()));
}

void transpose(const KernelArgs& a) {
  copy_by(a, plan_transpose(a.in[0].shape(), a.out[0].shape(), a.as<TransposeAttrs>().axes));
}

void broadcast_to(const KernelArgs& a) { copy_by(a, plan_broadcast(a.in[0].shape(), a.out[0].shape())); }

void tile(const KernelArgs& a) { copy_by(a, plan_tile(a.in[0].shape(), a.out[0].shape(), a.as<TileAttrs>().repeats)); }

void repeat(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const auto& at = a.as<RepeatAttrs>();
  const AxisView v = repeat_view(x.shape(), at);
  if (at.repeats.size() == 1) return copy_by(a, plan_repeat(v, at.repeats[0]));
  const size_t run = static_cast<size_t>(v.inner) * size_of(x.dtype());
  const auto* src = x.data<std::byte>();
  auto* dst = y.mutable_data<std::byte>();
  for (int64_t o = 0; o < v.outer; ++o) {
    for (int64_t i = 0; i < v.n; ++i, src += run) {
      for (int64_t r = 0; r < at.repeats[i]; ++r, dst += run) std::memcpy(dst, src, run);
    }
  }
}

void concatenate(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  const int axis = normalize_axis(a.as<OneAxisAttrs>().axis, y.rank(), "concatenate");
  const AxisView v = view_axis(y.shape(), axis);
  const size_t item = size_of(y.dtype());
  auto* dst = y.mutable_data<std::byte>();
  for (const Tensor& x : a.in) {
    const int64_t run = x.dim(axis) * v.inner;
    CopyPlan p;
    p.add(v.outer, v.n * v.inner, run);
    p.add(run, 1, 1);
    copy_nd(dst, x.raw(), p, item);
    dst += static_cast<size_t>(run) * item;
  }
}

void split(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const auto& at = a.as<SplitAttrs>();
  const int axis = normalize_axis(at.axis, x.rank(), "split");
  const AxisView v = view_axis(x.shape(), axis);
  const size_t item = size_of(x.dtype());
  int64_t start = 0;
  for (size_t i = 0; i < a.out.size(); ++i) {
    const Tensor& y = a.out[i];
    start = split_start(at, i, start, v.n);
    const int64_t run = y.dim(axis) * v.inner;
    CopyPlan p;
    p.add(v.outer, run, v.n * v.inner);
    p.add(run, 1, 1);
    copy_nd(y.mutable_raw(), x.data<std::byte>() + static_cast<size_t>(start * v.inner) * item, p, item);
    start += y.dim(axis);
  }
}

}  // namespace

void register_array_shape_kernels() {
  define_kernel("transpose", DeviceType::CPU, transpose);
  define_kernel("broadcast_to", DeviceType::CPU, broadcast_to);
  define_kernel("tile", DeviceType::CPU, tile);
  define_kernel("repeat", DeviceType::CPU, repeat);
  define_kernel("concatenate", DeviceType::CPU, concatenate);
  define_kernel("split", DeviceType::CPU, split);
}

}  // namespace tahr
