// Attributes of the array family, and the arithmetic of shapes that inference and kernels share.
#pragma once

#include <limits>

#include "ops/op.h"

namespace tahr {

// An open end of a slice: what Python writes as an empty place in x[:3] or x[::-1].
inline constexpr int64_t kOpen = std::numeric_limits<int64_t>::min();

struct ReshapeAttrs {
  Ints newshape;
  TAHR_ATTRS(ReshapeAttrs, TAHR_REQUIRED(newshape))
};
struct AxisAttrs {
  Axes axis;
  TAHR_ATTRS(AxisAttrs, TAHR_FIELD(axis))
};
struct RequiredAxisAttrs {
  Axes axis;
  TAHR_ATTRS(RequiredAxisAttrs, TAHR_REQUIRED(axis))
};
struct OneAxisAttrs {  // of joining ops
  int64_t axis = 0;
  TAHR_ATTRS(OneAxisAttrs, TAHR_FIELD(axis))
};
struct LastAxisAttrs {  // of sorting ops
  std::optional<int64_t> axis = -1;
  TAHR_ATTRS(LastAxisAttrs, TAHR_FIELD(axis))
};
struct OptAxisAttrs {
  std::optional<int64_t> axis;
  TAHR_ATTRS(OptAxisAttrs, TAHR_FIELD(axis))
};
struct TransposeAttrs {
  std::optional<Ints> axes;
  TAHR_ATTRS(TransposeAttrs, TAHR_FIELD(axes))
};
struct SwapaxesAttrs {
  int64_t axis1 = 0, axis2 = 1;
  TAHR_ATTRS(SwapaxesAttrs, TAHR_REQUIRED(axis1), TAHR_REQUIRED(axis2))
};
struct MoveaxisAttrs {
  Ints source, destination;
  TAHR_ATTRS(MoveaxisAttrs, TAHR_REQUIRED(source), TAHR_REQUIRED(destination))
};
struct ShapeAttrs {
  Ints shape;
  TAHR_ATTRS(ShapeAttrs, TAHR_REQUIRED(shape))
};
struct SplitAttrs {
  Axes indices_or_sections;
  int64_t axis = 0;
  TAHR_ATTRS(SplitAttrs, TAHR_REQUIRED(indices_or_sections), TAHR_FIELD(axis))
};
struct CutAttrs {
  Axes indices_or_sections;
  TAHR_ATTRS(CutAttrs, TAHR_REQUIRED(indices_or_sections))
};
struct UnstackAttrs {
  std::optional<int64_t> num;
  int64_t axis = 0;
  TAHR_ATTRS(UnstackAttrs, TAHR_FIELD(num), TAHR_FIELD(axis))
};
struct TileAttrs {
  Ints repeats;
  TAHR_ATTRS(TileAttrs, TAHR_REQUIRED(repeats))
};
struct RepeatAttrs {
  Ints repeats;
  std::optional<int64_t> axis;
  TAHR_ATTRS(RepeatAttrs, TAHR_REQUIRED(repeats), TAHR_FIELD(axis))
};
struct RollAttrs {
  Ints shift;
  std::optional<Ints> axis;
  TAHR_ATTRS(RollAttrs, TAHR_REQUIRED(shift), TAHR_FIELD(axis))
};
struct Rot90Attrs {
  int64_t k = 1;
  Ints axes = {0, 1};
  TAHR_ATTRS(Rot90Attrs, TAHR_FIELD(k), TAHR_FIELD(axes))
};
struct MeshgridAttrs {
  std::string indexing = "xy";
  TAHR_ATTRS(MeshgridAttrs, TAHR_FIELD(indexing))
};

// One slice per leading axis, un-normalised as in Python: negative bounds count from the end, bounds are clamped,
// kOpen stands for an absent bound. Axes beyond the lists are taken whole.
struct StridedSliceAttrs {
  Ints begin, end, strides;
  TAHR_ATTRS(StridedSliceAttrs, TAHR_REQUIRED(begin), TAHR_REQUIRED(end), TAHR_REQUIRED(strides))
};
struct StridedSliceGradAttrs {
  Ints shape, begin, end, strides;
  TAHR_ATTRS(StridedSliceGradAttrs, TAHR_REQUIRED(shape), TAHR_REQUIRED(begin), TAHR_REQUIRED(end),
             TAHR_REQUIRED(strides))
};
struct PadAttrs {
  IntPairs pad_width;
  std::string mode = "constant";
  std::optional<double> constant_values;
  TAHR_ATTRS(PadAttrs, TAHR_REQUIRED(pad_width), TAHR_FIELD(mode), TAHR_FIELD(constant_values))
};
struct PadConstantAttrs {
  Ints low, high;
  double value = 0;
  TAHR_ATTRS(PadConstantAttrs, TAHR_REQUIRED(low), TAHR_REQUIRED(high), TAHR_FIELD(value))
};
struct OffsetAttrs {  // diag, tril, triu
  int64_t k = 0;
  TAHR_ATTRS(OffsetAttrs, TAHR_FIELD(k))
};
struct DiagonalAttrs {
  int64_t offset = 0, axis1 = 0, axis2 = 1;
  TAHR_ATTRS(DiagonalAttrs, TAHR_FIELD(offset), TAHR_FIELD(axis1), TAHR_FIELD(axis2))
};

struct TakeGradAttrs {
  Ints shape;
  std::optional<int64_t> axis;
  TAHR_ATTRS(TakeGradAttrs, TAHR_REQUIRED(shape), TAHR_FIELD(axis))
};
struct GatherAxisAttrs {
  int64_t axis = 0;
  TAHR_ATTRS(GatherAxisAttrs, TAHR_REQUIRED(axis))
};
struct GatherAxisGradAttrs {
  int64_t size = 0, axis = 0;
  TAHR_ATTRS(GatherAxisGradAttrs, TAHR_REQUIRED(size), TAHR_REQUIRED(axis))
};
struct ScatterUpdateAttrs {
  std::string reduction;  // empty: plain assignment, of which the last one stays
  TAHR_ATTRS(ScatterUpdateAttrs, TAHR_FIELD(reduction))
};
struct OneHotAttrs {
  int64_t num_classes = 0, axis = -1;
  std::optional<DType> dtype;
  bool sparse = false;
  TAHR_ATTRS(OneHotAttrs, TAHR_REQUIRED(num_classes), TAHR_FIELD(axis), TAHR_FIELD(dtype), TAHR_FIELD(sparse))
};
struct SegmentAttrs {
  std::optional<int64_t> num_segments;
  bool sorted = false;
  TAHR_ATTRS(SegmentAttrs, TAHR_FIELD(num_segments), TAHR_FIELD(sorted))
};

struct TopKAttrs {
  int64_t k = 1;
  bool sorted = true, is_stable = true;
  TAHR_ATTRS(TopKAttrs, TAHR_REQUIRED(k), TAHR_FIELD(sorted), TAHR_FIELD(is_stable))
};
struct InTopKAttrs {
  int64_t k = 1;
  TAHR_ATTRS(InTopKAttrs, TAHR_REQUIRED(k))
};
struct ArgpartitionAttrs {
  int64_t kth = 0, axis = -1;
  TAHR_ATTRS(ArgpartitionAttrs, TAHR_REQUIRED(kth), TAHR_FIELD(axis))
};
struct SearchsortedAttrs {
  std::string side = "left";
  TAHR_ATTRS(SearchsortedAttrs, TAHR_FIELD(side))
};
struct BincountAttrs {
  int64_t minlength = 0;
  bool sparse = false;
  TAHR_ATTRS(BincountAttrs, TAHR_FIELD(minlength), TAHR_FIELD(sparse))
};
struct HistogramAttrs {
  int64_t bins = 10;
  TAHR_ATTRS(HistogramAttrs, TAHR_FIELD(bins))
};
struct UniqueAttrs {
  bool sorted = true, return_index = false, return_inverse = false, return_counts = false;
  std::optional<int64_t> axis, size;
  std::optional<double> fill_value;
  TAHR_ATTRS(UniqueAttrs, TAHR_FIELD(sorted), TAHR_FIELD(return_index), TAHR_FIELD(return_inverse),
             TAHR_FIELD(return_counts), TAHR_FIELD(axis), TAHR_FIELD(size), TAHR_FIELD(fill_value))
};
struct IsinAttrs {
  bool assume_unique = false, invert = false;
  TAHR_ATTRS(IsinAttrs, TAHR_FIELD(assume_unique), TAHR_FIELD(invert))
};

struct FilledAttrs {  // zeros, ones, empty
  Ints shape;
  std::optional<DType> dtype;
  TAHR_ATTRS(FilledAttrs, TAHR_REQUIRED(shape), TAHR_FIELD(dtype))
};
struct FullAttrs {
  Ints shape;
  double fill_value = 0;
  std::optional<DType> dtype;
  TAHR_ATTRS(FullAttrs, TAHR_REQUIRED(shape), TAHR_REQUIRED(fill_value), TAHR_FIELD(dtype))
};
struct LikeAttrs {
  std::optional<DType> dtype;
  TAHR_ATTRS(LikeAttrs, TAHR_FIELD(dtype))
};
struct FullLikeAttrs {
  double fill_value = 0;
  std::optional<DType> dtype;
  TAHR_ATTRS(FullLikeAttrs, TAHR_REQUIRED(fill_value), TAHR_FIELD(dtype))
};
struct ArangeAttrs {
  double start = 0;
  std::optional<double> stop, step;
  std::optional<DType> dtype;
  TAHR_ATTRS(ArangeAttrs, TAHR_REQUIRED(start), TAHR_FIELD(stop), TAHR_FIELD(step), TAHR_FIELD(dtype))
};
struct LinspaceAttrs {
  int64_t num = 50;
  bool endpoint = true;
  int64_t axis = 0;
  TAHR_ATTRS(LinspaceAttrs, TAHR_FIELD(num), TAHR_FIELD(endpoint), TAHR_FIELD(axis))
};
struct EyeAttrs {
  int64_t N = 0;
  std::optional<int64_t> M;
  int64_t k = 0;
  std::optional<DType> dtype;
  TAHR_ATTRS(EyeAttrs, TAHR_REQUIRED(N), TAHR_FIELD(M), TAHR_FIELD(k), TAHR_FIELD(dtype))
};
struct IdentityAttrs {
  int64_t n = 0;
  std::optional<DType> dtype;
  TAHR_ATTRS(IdentityAttrs, TAHR_REQUIRED(n), TAHR_FIELD(dtype))
};

// begin + i * step for i in [0, count): a slice of an axis of known length.
struct ResolvedSlice {
  int64_t begin = 0, step = 1, count = 0;
};
ResolvedSlice resolve_slice(int64_t begin, int64_t end, int64_t step, int64_t n);

// A tensor seen as (outer, n, inner) around one axis.
struct AxisView {
  int64_t outer = 1, n = 1, inner = 1;
};
AxisView view_axis(const Shape& s, int axis);

// The values of an integer tensor as int64. Throws for other dtypes.
Ints ints_of(const Tensor& t);
// Largest element of a concrete integer tensor, or -1 if it is empty.
int64_t max_index(const Tensor& t);
// A 1-D integer tensor.
Tensor index_tensor_of(const Ints& v, DType dtype = DType::Int64);
void check_integer(const Spec& s, const char* op, const char* input);

void define_array_shape_ops();
void define_array_block_ops();
void define_array_join_ops();
void define_array_slice_ops();
void define_array_gather_ops();
void define_array_sort_ops();
void define_array_create_ops();
void register_array_shape_kernels();
void register_array_slice_kernels();
void register_array_gather_kernels();
void register_array_scatter_kernels();
void register_array_sort_kernels();
void register_array_create_kernels();

}  // namespace tahr
