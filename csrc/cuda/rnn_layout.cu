// Weights and sequences as cuDNN's recurrent layers take them. Each moves every byte once, which is its floor.
#include "cuda/convert.h"
#include "cuda/rnn_cudnn.h"

namespace tahr::cuda::rnn {
namespace {

constexpr int kTile = 32, kTileRows = 8;

// space[matrix[q] + unit * inputs + i] = kernel[i * wide + order[q] * units + unit], or the way back; gate q is
// blockIdx.y.
template <class T, bool kTo>
__global__ void __launch_bounds__(kTile* kTileRows)
    matrix_kernel(WeightLayout at, int side, int64_t unit_tiles, T* kernel, T* space) {
  __shared__ T tile[kTile][kTile + 1];  // + 1: a column of it is in all banks
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y), q = static_cast<int>(blockIdx.y);
  const int64_t inputs = at.inputs[side], units = at.units, wide = at.gates * units;
  const int64_t unit0 = blockIdx.x % unit_tiles * kTile, input0 = blockIdx.x / unit_tiles * kTile;
  T *outer = kernel + at.order[q] * units, *inner = space + at.matrix[side][q];
  for (int i = y; i < kTile; i += kTileRows) {
    if constexpr (kTo) {
      if (input0 + i < inputs && unit0 + x < units) tile[i][x] = outer[(input0 + i) * wide + unit0 + x];
    } else {
      if (unit0 + i < units && input0 + x < inputs) tile[i][x] = inner[(unit0 + i) * inputs + input0 + x];
    }
  }
  __syncthreads();
  for (int i = y; i < kTile; i += kTileRows) {
    if constexpr (kTo) {
      if (unit0 + i < units && input0 + x < inputs) inner[(unit0 + i) * inputs + input0 + x] = tile[x][i];
    } else {
      if (input0 + i < inputs && unit0 + x < units) outer[(input0 + i) * wide + unit0 + x] = tile[x][i];
    }
  }
}

// The same for biases; side and gate are blockIdx.y.
template <class T, bool kTo>
__global__ void bias_kernel(WeightLayout at, T* input, T* recurrent, T* space) {
  const int side = static_cast<int>(blockIdx.y) / at.gates, q = static_cast<int>(blockIdx.y) % at.gates;
  T *outer = side == 0 ? input : recurrent, *inner = space + at.bias[side][q];
  for (int64_t i = grid_index(); i < at.units; i += grid_size()) {
    if constexpr (kTo) inner[i] = outer ? outer[at.order[q] * at.units + i] : T{};
    else if (outer) outer[at.order[q] * at.units + i] = inner[i];
  }
}

template <class T, bool kTo>
void move_weights(const WeightLayout& at, const Weights& w, void* space) {
  const unsigned gates = static_cast<unsigned>(at.gates);
  const int64_t unit_tiles = (at.units + kTile - 1) / kTile;
  for (int side = 0; side < 2; ++side) {
    if (!w.kernel[side]) continue;
    const int64_t tiles = (at.inputs[side] + kTile - 1) / kTile * unit_tiles;
    launch(matrix_kernel<T, kTo>, dim3(static_cast<unsigned>(tiles), gates), dim3(kTile, kTileRows), 0, at, side,
           unit_tiles, static_cast<T*>(w.kernel[side]), static_cast<T*>(space));
  }
  if (!at.biased || (!w.bias[0] && !w.bias[1])) return;
  launch(bias_kernel<T, kTo>, dim3(grid_for(at.units).x, 2 * gates), dim3(kBlock), 0, at, static_cast<T*>(w.bias[0]),
         static_cast<T*>(w.bias[1]), static_cast<T*>(space));
}

template <class T>
__global__ void reverse_kernel(const T* from, int64_t steps, int64_t width, int64_t size, T* to) {
  for (int64_t i = grid_index(); i < size; i += grid_size()) {
    const int64_t r = i / width, b = r / steps, s = r % steps;
    to[i] = from[(b * steps + steps - 1 - s) * width + i % width];
  }
}

}  // namespace

void weights_to_cudnn(DType dtype, const WeightLayout& at, const Weights& from, void* space) {
  if (size_of(dtype) == 2) move_weights<uint16_t, true>(at, from, space);
  else move_weights<uint32_t, true>(at, from, space);
}

void weights_from_cudnn(DType dtype, const WeightLayout& at, const void* space, const Weights& to) {
  if (size_of(dtype) == 2) move_weights<uint16_t, false>(at, to, const_cast<void*>(space));
  else move_weights<uint32_t, false>(at, to, const_cast<void*>(space));
}

void reverse_steps(DType dtype, int64_t batch, int64_t steps, int64_t width, const void* from, void* to) {
  const int64_t size = batch * steps * width;
  const auto run = [&]<class T>() {
    launch(reverse_kernel<T>, grid_for(size), dim3(kBlock), 0, static_cast<const T*>(from), steps, width, size,
           static_cast<T*>(to));
  };
  if (size_of(dtype) == 2) run.template operator()<uint16_t>();
  else run.template operator()<uint32_t>();
}

}  // namespace tahr::cuda::rnn
