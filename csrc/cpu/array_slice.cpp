// Kernels of slices, padding and triangles.
#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "cpu/array_copy.h"
#include "ops/array_attrs.h"

namespace tahr {
namespace {

using cpu::copy_nd;

void take_part(const Tensor& part, const Tensor& whole, SlicePlan plan) {
  const size_t item = size_of(whole.dtype());
  if (part.size() == 0) return;
  copy_nd(part.mutable_raw(), whole.data<std::byte>() + plan.offset * static_cast<int64_t>(item), plan.copy, item);
}

void put_part(const Tensor& whole, const Tensor& part, SlicePlan plan) {
  const size_t item = size_of(whole.dtype());
  if (part.size() == 0) return;
  std::swap(plan.copy.dst, plan.copy.src);
  copy_nd(whole.mutable_data<std::byte>() + plan.offset * static_cast<int64_t>(item), part.raw(), plan.copy, item);
}

void copy_all(const Tensor& to, const Tensor& from) {
  CopyPlan p;
  p.add(from.size(), 1, 1);
  copy_nd(to.mutable_raw(), from.raw(), p, size_of(from.dtype()));
}

void fill_zero(const Tensor& t) { cpu::fill_elements(t.mutable_raw(), t.size(), 0, size_of(t.dtype())); }

void strided_slice(const KernelArgs& a) {
  const auto& at = a.as<StridedSliceAttrs>();
  take_part(a.out[0], a.in[0], plan_slice(a.in[0].shape(), a.out[0].shape(), at.begin, at.end, at.strides));
}

void strided_slice_grad(const KernelArgs& a) {
  const auto& at = a.as<StridedSliceGradAttrs>();
  fill_zero(a.out[0]);
  put_part(a.out[0], a.in[0], plan_slice(a.out[0].shape(), a.in[0].shape(), at.begin, at.end, at.strides));
}

void strided_slice_update(const KernelArgs& a) {
  const auto& at = a.as<StridedSliceAttrs>();
  copy_all(a.out[0], a.in[0]);
  put_part(a.out[0], a.in[1], plan_slice(a.out[0].shape(), a.in[1].shape(), at.begin, at.end, at.strides));
}

// The box that starts at the values of `start`. Checked here too: in a graph the values come after inference.
SlicePlan plan_box(const Shape& whole, const Shape& part, const Tensor& start, const char* op) {
  const Ints begin = ints_of(start);
  Ints end = begin;
  for (int i = 0; i < part.rank(); ++i) {
    end[i] += part[i];
    if (begin[i] < 0 || end[i] > whole[i]) {
      throw_value("[", op, "] expected a part inside the input of shape ", whole.str(), ", received on axis ", i,
                  " start ", begin[i], " and size ", part[i], ".");
    }
  }
  return plan_slice(whole, part, begin, end, Ints(begin.size(), 1));
}

void slice(const KernelArgs& a) {
  take_part(a.out[0], a.in[0], plan_box(a.in[0].shape(), a.out[0].shape(), a.in[1], "slice"));
}

void slice_update(const KernelArgs& a) {
  copy_all(a.out[0], a.in[0]);
  put_part(a.out[0], a.in[2], plan_box(a.in[0].shape(), a.in[2].shape(), a.in[1], "slice_update"));
}

void pad_constant(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const auto& at = a.as<PadConstantAttrs>();
  cpu::fill_elements(y.mutable_raw(), y.size(), cpu::bits_of(at.value, y.dtype()), size_of(y.dtype()));
  put_part(y, x, plan_pad(x.shape(), y.shape(), at.low));
}

// Keeps columns [0, row + k] (lower) or [row + k, end) (upper) of every row.
template <bool kLower>
void triangle(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const int64_t rows = x.dim(-2), columns = x.dim(-1), k = std::clamp(a.as<OffsetAttrs>().k, -rows, columns);
  if (x.size() == 0) return;
  const auto item = static_cast<int64_t>(size_of(x.dtype()));
  const auto* src = x.data<std::byte>();
  auto* dst = y.mutable_data<std::byte>();
  const int64_t row_bytes = columns * item;
  parallel_for(x.size() / columns, std::max<int64_t>(1, 65536 / row_bytes), x.size() * item * 0.15,
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   const int64_t cut = std::clamp<int64_t>(r % rows + k + (kLower ? 1 : 0), 0, columns) * item;
                   std::byte* to = dst + r * row_bytes;
                   const std::byte* from = src + r * row_bytes;
                   if (kLower) {
                     std::memcpy(to, from, cut);
                     std::memset(to + cut, 0, row_bytes - cut);
                   } else {
                     std::memset(to, 0, cut);
                     std::memcpy(to + cut, from + cut, row_bytes - cut);
                   }
                 }
               });
}

}  // namespace

void register_array_slice_kernels() {
  define_kernel("strided_slice", DeviceType::CPU, strided_slice);
  define_kernel("strided_slice_grad", DeviceType::CPU, strided_slice_grad);
  define_kernel("strided_slice_update", DeviceType::CPU, strided_slice_update);
  define_kernel("slice", DeviceType::CPU, slice);
  define_kernel("slice_update", DeviceType::CPU, slice_update);
  define_kernel("pad_constant", DeviceType::CPU, pad_constant);
  define_kernel("tril", DeviceType::CPU, triangle<true>);
  define_kernel("triu", DeviceType::CPU, triangle<false>);
}

}  // namespace tahr
