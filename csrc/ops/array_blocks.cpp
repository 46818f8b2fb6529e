// Rearrangements in blocks, and the same bytes as another dtype.
#include "ops/array_attrs.h"
#include "ops/functions.h"

namespace tahr {
namespace {

// ---- space and depth

struct BlockAttrs {
  int64_t block_size = 2;
  std::string data_format = "channels_last";
  TAHR_ATTRS(BlockAttrs, TAHR_REQUIRED(block_size), TAHR_FIELD(data_format))
};

int64_t times(int64_t n, int64_t factor) { return n == kUnknown ? n : n * factor; }
int64_t over(int64_t n, int64_t divisor) { return n == kUnknown ? n : n / divisor; }

// Moves block_size x block_size places of one plane to or from the channels: image (n, h * b, w * b, c) and
// blocks (n, h, w, b * b * c); with channels first (n, c, h * b, w * b) and (n, c * b * b, h, w).
template <bool kToDepth>
Tensors decompose_blocks(std::span<const Tensor> in, const void* attrs) {
  const char* op = kToDepth ? "space_to_depth" : "depth_to_space";
  const auto& at = *static_cast<const BlockAttrs*>(attrs);
  const Tensor& x = in[0];
  const bool last = at.data_format == "channels_last";
  if (!last && at.data_format != "channels_first") {
    throw_value("[", op, "] expected data_format 'channels_last' or 'channels_first', received '", at.data_format,
                "'.");
  }
  if (x.rank() != 4) throw_value("[", op, "] expected a tensor of rank 4, received shape ", x.shape().str(), ".");
  const int64_t b = at.block_size, n = x.dim(0);
  const int64_t h = x.dim(last ? 1 : 2), w = x.dim(last ? 2 : 3), c = x.dim(last ? 3 : 1);
  if (b < 1 || (kToDepth ? h % b != 0 || w % b != 0 : c % (b * b) != 0)) {
    throw_value("[", op, "] expected ", kToDepth ? "a height and width" : "a number of channels", " divisible by ",
                kToDepth ? b : b * b, " for block_size ", b, ", received shape ", x.shape().str(), ".");
  }
  const int64_t hb = kToDepth ? over(h, b) : h, wb = kToDepth ? over(w, b) : w, cb = kToDepth ? c : over(c, b * b);
  const Shape image = last ? Shape{n, times(hb, b), times(wb, b), cb} : Shape{n, cb, times(hb, b), times(wb, b)};
  const Shape blocks = last ? Shape{n, hb, wb, times(cb, b * b)} : Shape{n, times(cb, b * b), hb, wb};
  const Shape& out = kToDepth ? blocks : image;
  if (x.is_symbolic() && !x.shape().fully_known()) return {Tensor::symbolic(out, x.dtype())};
  if (last) {
    const Shape split = kToDepth ? Shape{n, hb, b, wb, b, cb} : Shape{n, hb, wb, b, b, cb};
    return {ops::reshape(ops::transpose(ops::reshape(x, split), {0, 1, 3, 2, 4, 5}), out)};
  }
  const Shape split = kToDepth ? Shape{n, cb, hb, b, wb, b} : Shape{n, cb, b, b, hb, wb};
  const Ints perm = kToDepth ? Ints{0, 1, 3, 5, 2, 4} : Ints{0, 1, 4, 2, 5, 3};
  return {ops::reshape(ops::transpose(ops::reshape(x, split), perm), out)};
}

// ---- sequences

struct SequenceAttrs {
  int64_t sequence_length = 1, sequence_stride = 1;
  TAHR_ATTRS(SequenceAttrs, TAHR_REQUIRED(sequence_length), TAHR_REQUIRED(sequence_stride))
};

Tensors decompose_extract_sequences(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const SequenceAttrs*>(attrs);
  const int64_t length = at.sequence_length, stride = at.sequence_stride;
  if (length < 1 || stride < 1) {
    throw_value("[extract_sequences] expected a length and a stride of at least 1, received ", length, " and ", stride,
                ".");
  }
  const int64_t n = in[0].rank() ? in[0].dim(-1) : 0;
  if (in[0].rank() == 0 || (n != kUnknown && n < length)) {
    throw_value("[extract_sequences] expected at least ", length, " elements on the last axis, received shape ",
                in[0].shape().str(), ".");
  }
  if (n == kUnknown) return {ops::take(in[0], Tensor::symbolic({kUnknown, length}, DType::Int64), -1)};
  const int64_t count = (n - length) / stride + 1;
  Ints places;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < length; ++j) places.push_back(i * stride + j);
  }
  return {ops::take(in[0], ops::reshape(index_tensor_of(places), {count, length}), -1)};
}

// ---- bits

struct ViewAttrs {
  std::optional<DType> dtype;
  TAHR_ATTRS(ViewAttrs, TAHR_FIELD(dtype))
};

Spec viewed(const Spec& in, const std::optional<DType>& dtype) {
  Spec out{in.shape, dtype.value_or(in.dtype)};
  const auto from = static_cast<int64_t>(size_of(in.dtype)), to = static_cast<int64_t>(size_of(out.dtype));
  if (from == to) return out;
  const int rank = in.shape.rank();
  const int64_t bytes = rank ? times(in.shape.back(), from) : 0;
  if (rank == 0 || (bytes != kUnknown && bytes % to != 0)) {
    throw_value("[view] expected a last axis whose bytes divide into elements of ", name_of(out.dtype), " (", to,
                " bytes), received shape ", in.shape.str(), " of ", name_of(in.dtype), ".");
  }
  out.shape[rank - 1] = over(bytes, to);
  return out;
}

}  // namespace

void define_array_block_ops() {
  define_op({.name = "depth_to_space",
             .inputs = "x",
             .doc = R"(Spreads channels over blocks of places ("pixel shuffle").

x: (n, h, w, c), or (n, c, h, w) with data_format "channels_first"; c is divisible by block_size**2.
Returns (n, h * block_size, w * block_size, c / block_size**2), or the same with channels first.

Example:
>>> import tahr
>>> tahr.ops.depth_to_space(tahr.ops.zeros((1, 2, 3, 8)), 2).shape
(1, 4, 6, 2))",
             .attrs = attr_type<BlockAttrs>(),
             .decompose = decompose_blocks<false>});
  define_op({.name = "space_to_depth",
             .inputs = "x",
             .doc = R"(Gathers blocks of places into channels; undoes `depth_to_space`.

Example:
>>> import tahr
>>> tahr.ops.space_to_depth(tahr.ops.zeros((1, 4, 6, 2)), 2).shape
(1, 2, 3, 8))",
             .attrs = attr_type<BlockAttrs>(),
             .decompose = decompose_blocks<true>});
  define_op({.name = "extract_sequences",
             .inputs = "x",
             .doc = R"(Windows of the last axis: (..., n) becomes (..., count, sequence_length).

sequence_stride: the distance between the starts of neighbouring windows.

Example:
>>> import tahr
>>> tahr.ops.extract_sequences([1, 2, 3, 4, 5], 3, 2).tolist()
[[1, 2, 3], [3, 4, 5]])",
             .attrs = attr_type<SequenceAttrs>(),
             .decompose = decompose_extract_sequences});
  define_op({.name = "view",
             .inputs = "x",
             .doc = R"(The same bytes as elements of another dtype; the last axis grows or shrinks with their size.

Example:
>>> import tahr
>>> tahr.ops.view(tahr.constant([1.0]), "int32").tolist()
[1065353216])",
             .traits = kView | kNoGradient,
             .attrs = attr_type<ViewAttrs>(),
             .infer = [](const InferArgs& a) -> Specs { return {viewed(a.in[0], a.as<ViewAttrs>().dtype)}; },
             .eager = [](std::span<const Tensor> in, const void* attrs) -> Tensors {
               const Spec to = viewed(in[0].spec(), static_cast<const ViewAttrs*>(attrs)->dtype);
               const TensorImpl& x = *in[0].impl();
               const auto offset = static_cast<size_t>(x.data - static_cast<std::byte*>(x.storage->data()));
               return {Tensor::from_storage(x.storage, offset, to.shape, to.dtype)};
             }});
}

}  // namespace tahr
