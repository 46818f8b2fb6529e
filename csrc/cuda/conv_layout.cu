// What goes around a convolution of cuDNN's: kernels transposed, inputs padded, outputs finished. Each moves every byte
// once, which is its floor.
#include <algorithm>

#include "cuda/conv.h"
#include "cuda/convert.h"
#include "cuda/elementwise_functions.h"
#include "cuda/index_math.h"
#include "cuda/pack.h"
#include "ops/activation_table.h"

namespace tahr::cuda {
namespace {

constexpr int kTile = 32, kTileRows = 8;

// to[c, r] = from[r, c]
template <class T>
__global__ void __launch_bounds__(kTile* kTileRows)
    transpose_kernel(const T* from, int64_t rows, int64_t cols, int64_t col_tiles, T* to) {
  __shared__ T tile[kTile][kTile + 1];  // + 1: a column of it is in all banks
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int64_t c0 = blockIdx.x % col_tiles * kTile, r0 = blockIdx.x / col_tiles * kTile;
  for (int i = y; i < kTile; i += kTileRows) {
    if (r0 + i < rows && c0 + x < cols) tile[i][x] = from[(r0 + i) * cols + c0 + x];
  }
  __syncthreads();
  for (int i = y; i < kTile; i += kTileRows) {
    if (c0 + i < cols && r0 + x < rows) to[(c0 + i) * rows + r0 + x] = tile[x][i];
  }
}

template <class I>
struct Box {
  Divider<I> channels, to[kConvAxes];
  I from[kConvAxes], low[kConvAxes], units;  // units: of T, per place
};

// to[n, p, c] = from[n, p - low, c], or 0 where that is outside.
template <class T, class I>
__global__ void __launch_bounds__(kBlock) box_kernel(Box<I> b, int64_t size, const T* from, T* to) {
  for (int64_t i = grid_index(); i < size; i += grid_size()) {
    I c, p[kConvAxes];
    I rest = b.channels.divide(static_cast<I>(i), &c);
    bool inside = true;
    TAHR_UNROLL for (int a = kConvAxes - 1; a >= 0; --a) {
      rest = b.to[a].divide(rest, &p[a]);
      p[a] -= b.low[a];
      inside = inside && p[a] >= 0 && p[a] < b.from[a];
    }
    const int64_t place = ((static_cast<int64_t>(rest) * b.from[0] + p[0]) * b.from[1] + p[1]) * b.from[2] + p[2];
    to[i] = inside ? from[place * b.units + c] : T{};
  }
}

// y = op(relu(y + bias)), rounded after each; in place.
template <class T, int kPack, class I, bool kOp>
__global__ void __launch_bounds__(kBlock)
    finish_kernel(T* y, int64_t packs, Divider<I> per_place, const T* bias, bool relu, Ew op, EwParams params) {
  using C = Compute<T>;
  for (int64_t i = grid_index(); i < packs; i += grid_size()) {
    I c;
    per_place.divide(static_cast<I>(i), &c);
    c *= kPack;
    Pack<T, kPack> v = load_pack<kPack>(y + i * kPack);
    TAHR_UNROLL for (int e = 0; e < kPack; ++e) {
      C x = convert<C>(v.v[e]);
      if (bias) x = convert<C>(convert<T>(x + convert<C>(bias[c + e])));
      if (relu && x < C(0)) x = C(0);
      if constexpr (kOp) x = compute(op, x, x, x, params);
      v.v[e] = convert<T>(x);
    }
    store_pack(y + i * kPack, v);
  }
}

}  // namespace

void conv_transpose_kernel(DType dtype, const void* from, int64_t rows, int64_t cols, void* to) {
  const int64_t row_tiles = (rows + kTile - 1) / kTile, col_tiles = (cols + kTile - 1) / kTile;
  const dim3 grid(static_cast<unsigned>(row_tiles * col_tiles)), block(kTile, kTileRows);
  const auto run = [&]<class T>() {
    launch(transpose_kernel<T>, grid, block, 0, static_cast<const T*>(from), rows, cols, col_tiles,
           static_cast<T*>(to));
  };
  switch (size_of(dtype)) {
    case 2: return run.template operator()<uint16_t>();
    case 4: return run.template operator()<uint32_t>();
    default: return run.template operator()<uint64_t>();
  }
}

void conv_box(DType dtype, int64_t n, int64_t channels, const void* from, const int64_t* from_size, void* to,
              const int64_t* to_size, const int64_t* low, bool forth) {
  const int64_t bytes = channels * static_cast<int64_t>(size_of(dtype));
  const size_t unit = unit_of(bytes, static_cast<const char*>(from), static_cast<const char*>(to));
  const int64_t units = bytes / static_cast<int64_t>(unit), size = n * to_size[0] * to_size[1] * to_size[2] * units;
  with_index(size, [&]<class I>() {
    Box<I> b{};
    b.channels = Divider<I>(units);
    b.units = static_cast<I>(units);
    for (int a = 0; a < kConvAxes; ++a) {
      b.from[a] = static_cast<I>(from_size[a]);
      b.to[a] = Divider<I>(to_size[a]);
      b.low[a] = static_cast<I>(forth ? low[a] : -low[a]);
    }
    with_unit(unit, [&]<class T>() {
      if constexpr (sizeof(T) > 1) {
        launch(box_kernel<T, I>, grid_for(size), dim3(kBlock), 0, b, size, static_cast<const T*>(from),
               static_cast<T*>(to));
      }
    });
  });
}

void conv_finish(DType dtype, void* y, int64_t size, int64_t channels, const void* bias,
                 const std::string& activation) {
  const bool relu = activation == "relu";
  const ActivationEntry* entry = std::find_if(std::begin(kActivations), std::end(kActivations),
                                              [&](const ActivationEntry& f) { return activation == f.name; });
  const bool op = entry != std::end(kActivations);
  if (size == 0 || (!bias && !relu && !op)) return;
  visit_float(dtype, [&]<class T>() {
    const auto run = [&]<int kPack, class I, bool kOp>() {
      launch(finish_kernel<T, kPack, I, kOp>, grid_for(size / kPack), dim3(kBlock), 0, static_cast<T*>(y), size / kPack,
             Divider<I>(channels / kPack), static_cast<const T*>(bias), relu, kOp ? entry->op : Ew::Copy,
             kOp ? EwParams{entry->params[0], entry->params[1], entry->params[2]} : EwParams{});
    };
    constexpr int kPack = 16 / sizeof(T);
    if (op && fits_32(size)) run.template operator()<1, int32_t, true>();
    else if (op) run.template operator()<1, int64_t, true>();
    else if (channels % kPack == 0 && fits_32(size / kPack) && aligned(y, 16))
      run.template operator()<kPack, int32_t, false>();
    else run.template operator()<1, int64_t, false>();
  });
}

}  // namespace tahr::cuda
