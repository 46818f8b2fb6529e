// Kernels of transpose, broadcasting, repetition, concatenate and split: loop nests for copy_nd.
#include <algorithm>
#include <cstring>

#include "cpu/array_copy.h"
#include "ops/array_attrs.h"

namespace tahr {
namespace {

using cpu::copy_nd;
using cpu::CopyPlan;

void transpose(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const auto& axes = a.as<TransposeAttrs>().axes;
  const auto sx = contiguous_strides(x.shape()), sy = contiguous_strides(y.shape());
  CopyPlan p;
  for (int i = 0; i < y.rank(); ++i) {
    const int64_t from = axes ? (*axes)[i] : y.rank() - 1 - i;
    p.add(y.dim(i), sy[i], sx[from < 0 ? from + y.rank() : from]);
  }
  copy_nd(y.mutable_raw(), x.raw(), p, size_of(x.dtype()));
}

void broadcast_to(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const auto sx = contiguous_strides(x.shape()), sy = contiguous_strides(y.shape());
  const int extra = y.rank() - x.rank();
  CopyPlan p;
  for (int i = 0; i < y.rank(); ++i) {
    const bool stretched = i < extra || x.dim(i - extra) != y.dim(i);
    p.add(y.dim(i), sy[i], stretched ? 0 : sx[i - extra]);
  }
  copy_nd(y.mutable_raw(), x.raw(), p, size_of(x.dtype()));
}

// y[r, i] = x[i] along every axis: each output axis is a pair (copy, place).
void tile(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const Ints& reps = a.as<TileAttrs>().repeats;
  const auto sx = contiguous_strides(x.shape()), sy = contiguous_strides(y.shape());
  const int extra = y.rank() - x.rank(), unsaid = y.rank() - static_cast<int>(reps.size());
  CopyPlan p;
  for (int i = 0; i < y.rank(); ++i) {
    const int64_t n = i < extra ? 1 : x.dim(i - extra);
    p.add(i < unsaid ? 1 : reps[i - unsaid], sy[i] * n, 0);
    p.add(n, sy[i], i < extra ? 0 : sx[i - extra]);
  }
  copy_nd(y.mutable_raw(), x.raw(), p, size_of(x.dtype()));
}

void repeat(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const auto& at = a.as<RepeatAttrs>();
  const AxisView v =
      at.axis ? view_axis(x.shape(), normalize_axis(*at.axis, x.rank(), "repeat")) : AxisView{1, x.size(), 1};
  const size_t item = size_of(x.dtype());
  if (at.repeats.size() == 1) {
    const int64_t r = at.repeats[0];
    CopyPlan p;
    p.add(v.outer * v.n, r * v.inner, v.inner);
    p.add(r, v.inner, 0);
    p.add(v.inner, 1, 1);
    return copy_nd(y.mutable_raw(), x.raw(), p, item);
  }
  const size_t run = static_cast<size_t>(v.inner) * item;
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
    if (!at.indices_or_sections.scalar && i > 0) {
      const int64_t cut = at.indices_or_sections.list[i - 1];
      start = std::clamp<int64_t>(cut < 0 ? cut + v.n : cut, 0, v.n);
    }
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
