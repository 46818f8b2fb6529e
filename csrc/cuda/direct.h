// Kernels of single elementwise ops: one launch, each element of each tensor read or written once.
//
// Their floor is memory: (bytes of the inputs + bytes of the result) / bandwidth. A thread takes 16 bytes of the result
// at a time, and one or two of these (kUnroll), all loads of which are on their way before it computes. The grid covers
// the result once.
//
// Which have one: the ops that models spend their time on, on float32, float16 and bfloat16, the truth values of float
// comparisons, logic of bools, and casts among the usual types (the lists are in direct_*.cu). Everything else goes
// through the interpreter (program.h): float64 and integers, rare ops, inputs of several dtypes, and operands that
// spread in another way than `Spread` has up to Cyclic. Each op here costs three kernels per architecture in the
// library.
#pragma once

#include "cuda/elementwise_functions.h"
#include "cuda/lanes.h"
#include "cuda/runtime.h"
#include "ops/elementwise_resolve.h"

namespace tahr::cuda {

// An input as the kernel gets it.
struct Operand {
  const void* data = nullptr;  // on the device; null: every element has these bits
  uint64_t bits = 0;
  Spread spread = Spread::Contiguous;
  Cycle cycle;
};

struct FloatParams {
  float p0, p1, p2;
};

struct DirectCall {
  int64_t n;
  bool wide;  // all tensors that are read or written in packs begin at multiples of 16 bytes
  Operand in[kEwMaxInputs];
  void* out;
  FloatParams params;
};
using Direct = void (*)(const DirectCall& c);

// The kernel of an op on inputs of dtype `in` (of Select: its second and third), or null.
Direct find_unary(Ew op, DType in, DType out);
Direct find_binary(Ew op, DType in, DType out);
Direct find_ternary(Ew op, DType in, DType out);
Direct find_cast(DType from, DType to);

// The axes of `shape` that are more than 1 long, if they are neighbours in `whole` once its axes of 1 are left out;
// else false. `whole` has less than 2^31 elements.
bool cycle_of(const Shape& shape, const Shape& whole, Cycle* c);

// Packs of a thread: 32 bytes on their way, at least, of two inputs that are both read.
template <int kInputs, int kLanes>
inline constexpr int kUnroll = kInputs > 1 && kLanes > 4 ? 1 : 2;

// 16 bytes of the wider of the two.
template <class T, class R>
inline constexpr int kLanesOf = 16 / static_cast<int>(sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R));

template <class T, int N>
__device__ __forceinline__ Pack<T, N> load_operand(const Operand& o, int64_t first, int64_t n, bool wide) {
  const T* from = static_cast<const T*>(o.data);
  if (o.spread == Spread::Contiguous) return load_contiguous<N>(from, first, n, wide);
  if (o.spread == Spread::Cyclic) return load_cyclic<N>(from, o.cycle, first, n, wide);
  T one;
  memcpy(&one, &o.bits, sizeof one);
  if (from) one = from[0];
  Pack<T, N> x;
  TAHR_UNROLL
  for (int l = 0; l < N; ++l) x.v[l] = one;
  return x;
}

template <Ew op, class R, class T>
__device__ __forceinline__ R direct_value(T a, T b, T c, const FloatParams& p) {
  using C = std::conditional_t<kHalf<T>, float, T>;
  if constexpr (op == Ew::Cast) return convert<R>(a);
  else if constexpr (std::is_same_v<R, bool> && is_test(op)) return evaluate_test<C>(op, convert<C>(a), convert<C>(b));
  else return convert<R>(evaluate<C>(op, convert<C>(a), convert<C>(b), convert<C>(c), p));
}

// out[i] = op(in[0][i], ...)
template <Ew op, int kInputs, class T, class R>
__global__ void __launch_bounds__(kBlock) direct_kernel(const DirectCall c) {
  constexpr int N = kLanesOf<T, R>, U = kUnroll<kInputs, N>;
  const int64_t base = (static_cast<int64_t>(blockIdx.x) * U * blockDim.x + threadIdx.x) * N;
  const int64_t step = static_cast<int64_t>(blockDim.x) * N;
  Pack<T, N> in[kInputs][U];
  TAHR_UNROLL
  for (int u = 0; u < U; ++u) {
    TAHR_UNROLL
    for (int k = 0; k < kInputs; ++k) {
      const int64_t first = base + u * step;
      if constexpr (kInputs == 1)
        in[k][u] = load_contiguous<N>(static_cast<const T*>(c.in[k].data), first, c.n, c.wide);
      else in[k][u] = load_operand<T, N>(c.in[k], first, c.n, c.wide);
    }
  }
  TAHR_UNROLL
  for (int u = 0; u < U; ++u) {
    Pack<R, N> r;
    TAHR_UNROLL
    for (int l = 0; l < N; ++l)
      r.v[l] = direct_value<op, R>(in[0][u].v[l], in[kInputs > 1][u].v[l], in[kInputs > 2 ? 2 : 0][u].v[l], c.params);
    store_contiguous<N>(static_cast<R*>(c.out), r, base + u * step, c.n, c.wide);
  }
}

// out[i] = in[0][i] ? in[1][i] : in[2][i]; T is an unsigned integer of the elements' size: bits are moved.
template <class T>
__global__ void __launch_bounds__(kBlock) direct_select(const DirectCall c) {
  constexpr int N = kLanesOf<T, T>, U = kUnroll<3, N>;
  const int64_t base = (static_cast<int64_t>(blockIdx.x) * U * blockDim.x + threadIdx.x) * N;
  const int64_t step = static_cast<int64_t>(blockDim.x) * N;
  Pack<bool, N> which[U];
  Pack<T, N> a[U], b[U];
  TAHR_UNROLL
  for (int u = 0; u < U; ++u) {
    which[u] = load_operand<bool, N>(c.in[0], base + u * step, c.n, c.wide);
    a[u] = load_operand<T, N>(c.in[1], base + u * step, c.n, c.wide);
    b[u] = load_operand<T, N>(c.in[2], base + u * step, c.n, c.wide);
  }
  TAHR_UNROLL
  for (int u = 0; u < U; ++u) {
    TAHR_UNROLL
    for (int l = 0; l < N; ++l) a[u].v[l] = which[u].v[l] ? a[u].v[l] : b[u].v[l];
    store_contiguous<N>(static_cast<T*>(c.out), a[u], base + u * step, c.n, c.wide);
  }
}

template <int kInputs, int N>
dim3 direct_grid(int64_t n) {
  constexpr int64_t kItems = int64_t{kBlock} * N * kUnroll<kInputs, N>;
  return dim3(static_cast<unsigned>((n + kItems - 1) / kItems));
}

template <Ew op, int kInputs, class T, class R>
void launch_direct(const DirectCall& c) {
  launch(direct_kernel<op, kInputs, T, R>, direct_grid<kInputs, kLanesOf<T, R>>(c.n), dim3(kBlock), 0, c);
}

template <Ew... ops>
struct EwList {};

// Of a list, the launch of `op` from T to R (or, `kTest`, to bool), or null.
template <int kInputs, bool kTest, Ew... ops>
Direct find_in(EwList<ops...>, Ew op, DType type) {
  Direct found = nullptr;
  const auto look = [&]<class T>() {
    using R = std::conditional_t<kTest, bool, T>;
    ((ops == op && (found = launch_direct<ops, kInputs, T, R>, true)) || ...);
  };
  if (type == DType::Float32) look.template operator()<float>();
  else if (type == DType::Float16) look.template operator()<float16>();
  else if (type == DType::BFloat16) look.template operator()<bfloat16>();
  return found;
}

}  // namespace tahr::cuda
