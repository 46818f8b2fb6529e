#include "ops/array_plan.h"

#include <algorithm>

namespace tahr {

int normalize_axis(int64_t axis, int rank, const char* op) {
  const int64_t a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank) {
    throw_value("[", op, "] expected an axis in [", -rank, ", ", rank, ") for a tensor of rank ", rank, ", received ",
                axis, ".");
  }
  return static_cast<int>(a);
}

ResolvedSlice resolve_slice(int64_t begin, int64_t end, int64_t step, int64_t n) {
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
  auto bound = [&](int64_t v, int64_t open) {
    if (v == kOpen) return open;
    return std::clamp(v < 0 ? v + n : v, low, high);
  };
  ResolvedSlice r;
  r.step = step;
  r.begin = bound(begin, step > 0 ? 0 : n - 1);
  const int64_t stop = bound(end, step > 0 ? n : -1);
  if (step > 0 && stop > r.begin) r.count = (stop - r.begin - 1) / step + 1;
  if (step < 0 && stop < r.begin) r.count = (r.begin - stop - 1) / -step + 1;
  return r;
}

AxisView view_axis(const Shape& s, int axis) {
  AxisView v;
  for (int i = 0; i < axis; ++i) v.outer *= s[i];
  v.n = s[axis];
  for (int i = axis + 1; i < s.rank(); ++i) v.inner *= s[i];
  return v;
}

void simplify(CopyPlan& p) {
  int r = 0;
  for (int i = 0; i < p.rank; ++i) {
    if (p.n[i] == 1) continue;
    if (r > 0 && p.dst[r - 1] == p.dst[i] * p.n[i] && p.src[r - 1] == p.src[i] * p.n[i]) {
      p.n[r - 1] *= p.n[i];
      p.dst[r - 1] = p.dst[i];
      p.src[r - 1] = p.src[i];
    } else {
      p.n[r] = p.n[i];
      p.dst[r] = p.dst[i];
      p.src[r++] = p.src[i];
    }
  }
  p.rank = r;
}

CopyPlan plan_transpose(const Shape& x, const Shape& y, const std::optional<Ints>& axes) {
  const auto sx = contiguous_strides(x), sy = contiguous_strides(y);
  CopyPlan p;
  for (int i = 0; i < y.rank(); ++i) {
    const int64_t from = axes ? (*axes)[static_cast<size_t>(i)] : y.rank() - 1 - i;
    p.add(y[i], sy[i], sx[from < 0 ? from + y.rank() : from]);
  }
  return p;
}

CopyPlan plan_broadcast(const Shape& x, const Shape& y) {
  const auto sx = contiguous_strides(x), sy = contiguous_strides(y);
  const int extra = y.rank() - x.rank();
  CopyPlan p;
  for (int i = 0; i < y.rank(); ++i) {
    const bool stretched = i < extra || x[i - extra] != y[i];
    p.add(y[i], sy[i], stretched ? 0 : sx[i - extra]);
  }
  return p;
}

CopyPlan plan_tile(const Shape& x, const Shape& y, const Ints& repeats) {
  const auto sx = contiguous_strides(x), sy = contiguous_strides(y);
  const int extra = y.rank() - x.rank(), unsaid = y.rank() - static_cast<int>(repeats.size());
  CopyPlan p;
  for (int i = 0; i < y.rank(); ++i) {
    const int64_t n = i < extra ? 1 : x[i - extra];
    p.add(i < unsaid ? 1 : repeats[static_cast<size_t>(i - unsaid)], sy[i] * n, 0);
    p.add(n, sy[i], i < extra ? 0 : sx[i - extra]);
  }
  return p;
}

CopyPlan plan_repeat(const AxisView& v, int64_t repeats) {
  CopyPlan p;
  p.add(v.outer * v.n, repeats * v.inner, v.inner);
  p.add(repeats, v.inner, 0);
  p.add(v.inner, 1, 1);
  return p;
}

AxisView repeat_view(const Shape& x, const RepeatAttrs& a) {
  return a.axis ? view_axis(x, normalize_axis(*a.axis, x.rank(), "repeat")) : AxisView{1, x.size(), 1};
}

SlicePlan plan_slice(const Shape& whole, const Shape& part, const Ints& begin, const Ints& end, const Ints& strides) {
  const auto sw = contiguous_strides(whole), sp = contiguous_strides(part);
  SlicePlan plan;
  for (int i = 0; i < whole.rank(); ++i) {
    ResolvedSlice r{0, 1, whole[i]};
    const auto at = static_cast<size_t>(i);
    if (at < begin.size()) r = resolve_slice(begin[at], end[at], strides[at], whole[i]);
    plan.copy.add(part[i], sp[i], sw[i] * r.step);
    plan.offset += r.begin * sw[i];
  }
  return plan;
}

SlicePlan plan_pad(const Shape& x, const Shape& y, const Ints& low) {
  Ints end = low;
  for (int i = 0; i < x.rank(); ++i) end[static_cast<size_t>(i)] += x[i];
  return plan_slice(y, x, low, end, Ints(end.size(), 1));
}

int64_t split_start(const SplitAttrs& a, size_t i, int64_t end_before, int64_t n) {
  if (a.indices_or_sections.scalar || i == 0) return end_before;
  const int64_t cut = a.indices_or_sections.list[i - 1];
  return std::clamp<int64_t>(cut < 0 ? cut + n : cut, 0, n);
}

}  // namespace tahr
