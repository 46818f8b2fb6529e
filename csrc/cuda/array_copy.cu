// What moves elements about without reading indices: transpose, broadcasting, repetition, concatenate, split, slices,
// padding, triangles. Floor of each: the bytes of inputs and outputs once.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cuda/copy.h"
#include "cuda/fault.h"

namespace tahr::cuda {
namespace {

void copy_by(const KernelArgs& a, const CopyPlan& p) {
  copy_nd(a.out[0].mutable_raw(), a.in[0].raw(), p, size_of(a.in[0].dtype()));
}

void transpose(const KernelArgs& a) {
  copy_by(a, plan_transpose(a.in[0].shape(), a.out[0].shape(), a.as<TransposeAttrs>().axes));
}

void broadcast_to(const KernelArgs& a) { copy_by(a, plan_broadcast(a.in[0].shape(), a.out[0].shape())); }

void tile(const KernelArgs& a) { copy_by(a, plan_tile(a.in[0].shape(), a.out[0].shape(), a.as<TileAttrs>().repeats)); }

// The larger half of the binary searches below: the last i with begin[i] <= at.
template <class I>
__device__ __forceinline__ int piece_of(const I* begin, int count, I at) {
  int low = 0, high = count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (begin[middle] <= at) low = middle;
    else high = middle;
  }
  return low;
}

constexpr int kPieces = 96;  // tensors that one launch joins or cuts

template <class I>
struct Pieces {
  int count = 0;
  I begin[kPieces];  // of a piece in the units that this launch moves per line; increasing
  I start[kPieces];  // the same in a line of the whole
  I run[kPieces];
  void* data[kPieces];
};

// A whole of `outer` lines and its pieces: whole[o, start_i + c] and piece_i[o, c], one copied to the other.
template <class U, class I, bool kJoin>
__global__ void pieces_kernel(U* whole, const __grid_constant__ Pieces<I> p, Divider<I> units, I line, I total) {
  const I step = static_cast<I>(grid_size());
  for (I at = static_cast<I>(grid_index()); at < total; at += step) {
    I c;
    const I o = units.divide(at, &c);
    const int i = piece_of(p.begin, p.count, c);
    c -= p.begin[i];
    U* piece = static_cast<U*>(p.data[i]) + o * p.run[i] + c;
    U* place = whole + o * line + p.start[i] + c;
    if constexpr (kJoin) *place = *piece;
    else *piece = *place;
  }
}

struct Piece {
  const Tensor* tensor;
  int64_t start, run;  // elements
};

template <bool kJoin>
void move_pieces(const Tensor& whole, const AxisView& v, std::span<const Piece> pieces) {
  const auto item = static_cast<int64_t>(size_of(whole.dtype()));
  const int64_t line = v.n * v.inner;
  size_t unit = unit_of(line * item, whole.raw());
  for (const Piece& p : pieces) unit = std::min(unit, unit_of(p.run * item | p.start * item, p.tensor->raw()));
  const auto wide = static_cast<int64_t>(unit) / item;
  for (size_t at = 0; at < pieces.size();) {
    size_t end = at;
    int64_t units = 0;
    while (end < pieces.size() && end - at < kPieces) units += pieces[end++].run / wide;
    const int64_t total = v.outer * units;
    with_unit(unit, [&]<class U>() {
      with_index(std::max(total, v.outer * line / wide), [&]<class I>() {
        Pieces<I> p;
        I begin = 0;
        for (; at < end; ++at) {
          const auto i = static_cast<size_t>(p.count++);
          p.begin[i] = begin;
          p.start[i] = static_cast<I>(pieces[at].start / wide);
          p.run[i] = static_cast<I>(pieces[at].run / wide);
          p.data[i] = pieces[at].tensor->mutable_raw();
          begin += p.run[i];
        }
        launch(pieces_kernel<U, I, kJoin>, grid_for(total, 2), dim3(kBlock), 0, static_cast<U*>(whole.mutable_raw()), p,
               Divider<I>(units), static_cast<I>(line / wide), static_cast<I>(total));
      });
    });
  }
}

void concatenate(const KernelArgs& a) {
  const Tensor& y = a.out[0];
  const int axis = normalize_axis(a.as<OneAxisAttrs>().axis, y.rank(), "concatenate");
  const AxisView v = view_axis(y.shape(), axis);
  std::vector<Piece> pieces;
  int64_t start = 0;
  for (const Tensor& x : a.in) {
    const int64_t run = x.dim(axis) * v.inner;
    if (x.size() > 0) pieces.push_back({&x, start, run});
    start += run;
  }
  if (!pieces.empty()) move_pieces<true>(y, v, pieces);
}

void split(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const auto& at = a.as<SplitAttrs>();
  const int axis = normalize_axis(at.axis, x.rank(), "split");
  const AxisView v = view_axis(x.shape(), axis);
  std::vector<Piece> pieces;
  int64_t start = 0;
  for (size_t i = 0; i < a.out.size(); ++i) {
    const Tensor& y = a.out[i];
    start = split_start(at, i, start, v.n);
    if (y.size() > 0) pieces.push_back({&y, start * v.inner, y.dim(axis) * v.inner});
    start += y.dim(axis);
  }
  if (!pieces.empty()) move_pieces<false>(x, v, pieces);
}

constexpr int kRepeated = 256;  // lines whose numbers of repetitions one launch takes

template <class I>
struct Repeats {
  int count = 0;
  I begin[kRepeated];  // of a line's copies among those of this launch
};

// dst[o, first_copy + j, c] = src[o, first_line + i, c] for the copies j of line i
template <class U, class I>
__global__ void repeat_kernel(U* dst, const U* src, const __grid_constant__ Repeats<I> r, Divider<I> units,
                              Divider<I> copies, I lines, I all_copies, I first_line, I first_copy, I total) {
  const I step = static_cast<I>(grid_size()), width = static_cast<I>(units.d);
  for (I at = static_cast<I>(grid_index()); at < total; at += step) {
    I c, j;
    const I o = copies.divide(units.divide(at, &c), &j);
    const int i = piece_of(r.begin, r.count, j);
    dst[(o * all_copies + first_copy + j) * width + c] = src[(o * lines + first_line + i) * width + c];
  }
}

void repeat(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const auto& at = a.as<RepeatAttrs>();
  const AxisView v = repeat_view(x.shape(), at);
  if (y.size() == 0) return;
  if (at.repeats.size() == 1) return copy_by(a, plan_repeat(v, at.repeats[0]));
  const auto item = static_cast<int64_t>(size_of(x.dtype()));
  const size_t unit = unit_of(v.inner * item, x.raw(), y.raw());
  const int64_t units = v.inner * item / static_cast<int64_t>(unit), all = y.size() / (v.outer * v.inner);
  int64_t first_copy = 0;
  for (int64_t line = 0; line < v.n;) {
    const int64_t first_line = line;
    Ints begins;
    int64_t copies = 0;
    // Lines that are not repeated at all end the list or begin where the next one does: the search finds the last.
    for (; line < v.n && line - first_line < kRepeated; ++line) {
      begins.push_back(copies);
      copies += at.repeats[static_cast<size_t>(line)];
    }
    if (copies == 0) continue;
    with_unit(unit, [&]<class U>() {
      with_index(std::max(y.size(), x.size()), [&]<class I>() {
        Repeats<I> r;
        for (const int64_t b : begins) r.begin[r.count++] = static_cast<I>(b);
        const int64_t total = v.outer * copies * units;
        launch(repeat_kernel<U, I>, grid_for(total, 2), dim3(kBlock), 0, static_cast<U*>(y.mutable_raw()),
               static_cast<const U*>(x.raw()), r, Divider<I>(units), Divider<I>(copies), static_cast<I>(v.n),
               static_cast<I>(all), static_cast<I>(first_line), static_cast<I>(first_copy), static_cast<I>(total));
      });
    });
    first_copy += copies;
  }
}

// ---- slices -------------------------------------------------------------------------------------------------

void take_part(const Tensor& part, const Tensor& whole, const SlicePlan& p) {
  const size_t item = size_of(whole.dtype());
  copy_nd(part.mutable_raw(), whole.data<std::byte>() + p.offset * static_cast<int64_t>(item), p.copy, item);
}

void put_part(const Tensor& whole, const Tensor& part, SlicePlan p) {
  const size_t item = size_of(whole.dtype());
  std::swap(p.copy.dst, p.copy.src);
  copy_nd(whole.mutable_data<std::byte>() + p.offset * static_cast<int64_t>(item), part.raw(), p.copy, item);
}

void strided_slice(const KernelArgs& a) {
  const auto& at = a.as<StridedSliceAttrs>();
  take_part(a.out[0], a.in[0], plan_slice(a.in[0].shape(), a.out[0].shape(), at.begin, at.end, at.strides));
}

void strided_slice_update(const KernelArgs& a) {
  const auto& at = a.as<StridedSliceAttrs>();
  copy_all(a.out[0], a.in[0]);
  put_part(a.out[0], a.in[1], plan_slice(a.out[0].shape(), a.in[1].shape(), at.begin, at.end, at.strides));
}

struct BoxStart {
  int rank = 0;
  int64_t stride[kMaxRank], room[kMaxRank];  // of the whole; how far the part may start
};

template <class T>
__device__ int64_t box_offset(const T* start, const BoxStart& box, const char* op, Fault* fault) {
  int64_t at = 0;
  for (int i = 0; i < box.rank; ++i) {
    const auto begin = static_cast<int64_t>(start[i]);
    if (begin < 0 || begin > box.room[i]) report(fault, FaultKind::Box, op, i, begin, box.room[i]);
    at += box.stride[i] * (begin < 0 ? 0 : begin > box.room[i] ? box.room[i] : begin);
  }
  return at;
}

__global__ void box_offset_kernel(const void* start, DType type, const BoxStart box, const char* op, Fault* fault,
                                  int64_t* offset) {
  switch (type) {
    case DType::Bool:
    case DType::UInt8: *offset = box_offset(static_cast<const uint8_t*>(start), box, op, fault); break;
    case DType::UInt16: *offset = box_offset(static_cast<const uint16_t*>(start), box, op, fault); break;
    case DType::UInt32: *offset = box_offset(static_cast<const uint32_t*>(start), box, op, fault); break;
    case DType::Int8: *offset = box_offset(static_cast<const int8_t*>(start), box, op, fault); break;
    case DType::Int16: *offset = box_offset(static_cast<const int16_t*>(start), box, op, fault); break;
    case DType::Int32: *offset = box_offset(static_cast<const int32_t*>(start), box, op, fault); break;
    default: *offset = box_offset(static_cast<const int64_t*>(start), box, op, fault);
  }
}

// The part of `whole` that begins at the values of `start` and `dense`, which has its elements: one copied to the
// other.
void copy_box(const Tensor& whole, const Tensor& dense, const Tensor& start, const char* op, bool put) {
  if (dense.size() == 0) return;
  const auto sw = contiguous_strides(whole.shape()), sp = contiguous_strides(dense.shape());
  CopyPlan plan;
  BoxStart box;
  int64_t step = 16;
  for (int i = 0; i < whole.rank(); ++i) {
    const int64_t stride = sw[static_cast<size_t>(i)], part = sp[static_cast<size_t>(i)];
    plan.add(dense.dim(i), put ? stride : part, put ? part : stride);
    box.stride[box.rank] = stride;
    box.room[box.rank++] = whole.dim(i) - dense.dim(i);
    if (whole.dim(i) != dense.dim(i)) step |= stride;
  }
  const Scratch offset(sizeof(int64_t));
  launch(box_offset_kernel, dim3(1), dim3(1), 0, start.raw(), start.dtype(), box, op, fault(), offset.as<int64_t>());
  const Tensor &to = put ? whole : dense, &from = put ? dense : whole;
  copy_nd_at(to.mutable_raw(), from.raw(), plan, size_of(whole.dtype()), offset.as<int64_t>(), step, put);
}

void slice(const KernelArgs& a) { copy_box(a.in[0], a.out[0], a.in[1], "slice", false); }

void slice_update(const KernelArgs& a) {
  copy_all(a.out[0], a.in[0]);
  copy_box(a.out[0], a.in[2], a.in[1], "slice_update", true);
}

// ---- padding ------------------------------------------------------------------------------------------------

// A dense x spread over a whole: along each dimension its elements lie `step` apart, the first at `low`.
struct Spread {
  int rank = 0;
  int64_t n[kMaxRank], low[kMaxRank], step[kMaxRank], count[kMaxRank];
};

template <class I>
struct SpreadOn {
  int rank;
  Divider<I> n[kMaxRank], step[kMaxRank];
  I low[kMaxRank], count[kMaxRank], src[kMaxRank];
};

template <class U, class I>
__global__ void spread_kernel(U* dst, const U* src, const SpreadOn<I> p, U otherwise, I total) {
  const I stride = static_cast<I>(grid_size());
  for (I i = static_cast<I>(grid_index()); i < total; i += stride) {
    I at = i, from = 0;
    bool inside = true;
    for (int d = p.rank - 1; d >= 0; --d) {
      I c, rest;
      at = p.n[d].divide(at, &c);
      c -= p.low[d];
      inside = inside && c >= 0;
      const I q = p.step[d].divide(c < 0 ? 0 : c, &rest);
      inside = inside && rest == 0 && q < p.count[d];
      from += q * p.src[d];
    }
    dst[i] = inside ? src[from] : otherwise;
  }
}

void merge(Spread& s) {
  int r = 0;
  for (int i = 0; i < s.rank; ++i) {
    const bool whole = s.low[i] == 0 && s.step[i] == 1 && s.count[i] == s.n[i];
    if (r > 0 && whole && s.step[r - 1] == 1) {
      s.n[r - 1] *= s.n[i];
      s.low[r - 1] *= s.n[i];
      s.count[r - 1] *= s.n[i];
    } else {
      s.n[r] = s.n[i];
      s.low[r] = s.low[i];
      s.step[r] = s.step[i];
      s.count[r++] = s.count[i];
    }
  }
  s.rank = r;
}

void spread(const Tensor& y, const Tensor& x, Spread s, uint64_t bits) {
  if (y.size() == 0) return;
  if (x.size() == 0) return fill_bits(y.mutable_raw(), y.size(), bits, size_of(y.dtype()));
  merge(s);
  size_t unit = size_of(y.dtype());
  for (size_t b = unit; b < 8; b *= 2) bits = (bits & ((uint64_t{1} << (8 * b)) - 1)) | bits << (8 * b);
  if (s.rank > 0) {
    const int last = s.rank - 1;
    const auto addresses = reinterpret_cast<uintptr_t>(x.raw()) | reinterpret_cast<uintptr_t>(y.raw());
    while (unit < 16 && s.step[last] == 1 && addresses % (2 * unit) == 0 &&
           (s.n[last] | s.low[last] | s.count[last]) % 2 == 0) {
      s.n[last] /= 2;
      s.low[last] /= 2;
      s.count[last] /= 2;
      unit *= 2;
    }
  }
  int64_t total = 1;
  for (int i = 0; i < s.rank; ++i) total *= s.n[i];
  with_unit(unit, [&]<class U>() {
    with_index(total, [&]<class I>() {
      SpreadOn<I> p;
      p.rank = s.rank;
      int64_t stride = 1;
      for (int i = s.rank - 1; i >= 0; --i) {
        p.n[i] = Divider<I>(s.n[i]);
        p.step[i] = Divider<I>(s.step[i]);
        p.low[i] = static_cast<I>(s.low[i]);
        p.count[i] = static_cast<I>(s.count[i]);
        p.src[i] = static_cast<I>(stride);
        stride *= s.count[i];
      }
      U otherwise;
      const uint64_t twice[2] = {bits, bits};
      std::memcpy(&otherwise, twice, sizeof otherwise);
      launch(spread_kernel<U, I>, grid_for(total, 2), dim3(kBlock), 0, static_cast<U*>(y.mutable_raw()),
             static_cast<const U*>(x.raw()), p, otherwise, static_cast<I>(total));
    });
  });
}

void pad_constant(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const auto& at = a.as<PadConstantAttrs>();
  Spread s;
  for (int i = 0; i < y.rank(); ++i) {
    s.n[i] = y.dim(i);
    s.low[i] = at.low[static_cast<size_t>(i)];
    s.step[i] = 1;
    s.count[i] = x.dim(i);
    ++s.rank;
  }
  spread(y, x, s, bits_of(at.value, y.dtype()));
}

// A slice that runs backwards is written over zeros.
void strided_slice_grad(const KernelArgs& a) {
  const Tensor &dy = a.in[0], &y = a.out[0];
  const auto& at = a.as<StridedSliceGradAttrs>();
  Spread s;
  bool backwards = false;
  for (int i = 0; i < y.rank(); ++i) {
    ResolvedSlice r{0, 1, y.dim(i)};
    const auto k = static_cast<size_t>(i);
    if (k < at.begin.size()) r = resolve_slice(at.begin[k], at.end[k], at.strides[k], y.dim(i));
    backwards |= r.step < 0 && dy.dim(i) > 1;
    s.n[i] = y.dim(i);
    s.low[i] = r.begin;
    s.step[i] = std::max<int64_t>(1, r.step < 0 ? -r.step : r.step);
    s.count[i] = dy.dim(i);
    ++s.rank;
  }
  if (!backwards) return spread(y, dy, s, 0);
  fill_zero(y);
  put_part(y, dy, plan_slice(y.shape(), dy.shape(), at.begin, at.end, at.strides));
}

// ---- triangles ----------------------------------------------------------------------------------------------

// Keeps columns [0, row + k] (lower) or [row + k, end) (upper) of every row.
template <class U, class I>
__global__ void triangle_kernel(U* y, const U* x, Divider<I> columns, Divider<I> rows, int64_t k, bool lower, I total) {
  const I step = static_cast<I>(grid_size());
  for (I i = static_cast<I>(grid_index()); i < total; i += step) {
    I column, row;
    rows.divide(columns.divide(i, &column), &row);
    const int64_t past = static_cast<int64_t>(column) - row - k;
    y[i] = (lower ? past <= 0 : past >= 0) ? x[i] : U{};
  }
}

template <bool kLower>
void triangle(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  if (x.size() == 0) return;
  with_unit(size_of(x.dtype()), [&]<class U>() {
    with_index(x.size(), [&]<class I>() {
      launch(triangle_kernel<U, I>, grid_for(x.size(), 4), dim3(kBlock), 0, static_cast<U*>(y.mutable_raw()),
             static_cast<const U*>(x.raw()), Divider<I>(x.dim(-1)), Divider<I>(x.dim(-2)),
             std::clamp(a.as<OffsetAttrs>().k, -x.dim(-2), x.dim(-1)), kLower, static_cast<I>(x.size()));
    });
  });
}

}  // namespace

void register_array_copy() {
  define("transpose", transpose);
  define("broadcast_to", broadcast_to);
  define("tile", tile);
  define("repeat", repeat);
  define("concatenate", concatenate);
  define("split", split);
  define("strided_slice", strided_slice);
  define("strided_slice_grad", strided_slice_grad);
  define("strided_slice_update", strided_slice_update);
  define("slice", slice);
  define("slice_update", slice_update);
  define("pad_constant", pad_constant);
  define("tril", triangle<true>);
  define("triu", triangle<false>);
}

}  // namespace tahr::cuda
