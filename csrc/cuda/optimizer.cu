// Optimizer updates: one launch for all parameters of a model (csrc/ops/optimizer.cpp says what the inputs are).
//
// The parameters are cut into chunks; the list of tensors and their first chunks goes to the kernel by value, so that
// nothing is uploaded and a launch can be recorded into a CUDA graph as it is. A launch takes up to 64 or 512 tensors;
// more make several launches. The learning rate and the number of steps are read on the device, by each block.
//
// Rules and their scalars are those of cpu/isa/optimizer.cpp and cpu/optimizer.cpp. Floor: each tensor is read, and
// all but the gradient written, once (Adam in float32: 28 bytes a parameter).
#include <algorithm>

#include "core/variable.h"
#include "cpu/optimizer_table.h"
#include "cuda/convert.h"
#include "cuda/pack.h"
#include "cuda/runtime.h"
#include "ops/optimizer_attrs.h"

namespace tahr::cuda {
namespace {

constexpr int kMaxState = 4;      // a parameter and up to three slots
constexpr int64_t kChunk = 4096;  // elements of a block's piece of work
constexpr int kPackOf = 4;        // elements that a thread loads at once
constexpr int kFew = 64, kMany = 512;

template <int kCapacity>
struct Table {
  int count;
  int first_chunk[kCapacity + 1];
  int64_t size[kCapacity];
  void* data[kCapacity][kMaxState + 1];  // the parameter, its slots, its gradient
  DType dtype[kCapacity];
  bool decays[kCapacity];
};
static_assert(sizeof(Table<kMany>) < 32000, "a kernel's parameters have 32,764 bytes");

// Attributes as given, and where the scalars lie.
struct Hyper {
  double weight_decay = 0, momentum = 0, epsilon = 0, rho = 0, beta_1 = 0, beta_2 = 0;
  double power = 0, l1 = 0, l2 = 0, shrinkage = 0, beta = 0;  // ftrl
  bool rounded_rest = false;                                  // 1 - beta of the rounded beta
  const void* scalar[3] = {};                                 // the learning rate, steps done, nadam's product
  DType type[3] = {};
};

__device__ __forceinline__ float root(float x) { return sqrtf(x); }
__device__ __forceinline__ double root(double x) { return sqrt(x); }
__device__ __forceinline__ float power(float x, float y) { return powf(x, y); }
__device__ __forceinline__ double power(double x, double y) { return pow(x, y); }

template <class T>
struct Scalars : UpdateScalars<T> {
  T power, l1, l2, shrinkage;
};

__device__ double scalar_at(const Hyper& h, int i) {
  double v = 0;
  if (h.scalar[i]) with_type(h.type[i], [&]<class T>() { v = convert<double>(*static_cast<const T*>(h.scalar[i])); });
  return v;
}

constexpr int kPowers = 4;  // beta_1^t, beta_2^t, 0.96^t, 0.96^(t + 1)

// Powers as Keras computes them: the base, and the result, rounded to T.
template <class T>
__device__ double base_of(const Hyper& h, int i) {
  return static_cast<double>(static_cast<T>(i == 0 ? h.beta_1 : i == 1 ? h.beta_2 : 0.96));
}

template <class T>
__device__ void set_scalars(const Hyper& h, double lr, double product, const double* powers, Scalars<T>& s) {
  s.lr = static_cast<T>(lr);
  s.weight_decay = static_cast<T>(h.weight_decay);
  s.epsilon = static_cast<T>(h.epsilon);
  s.momentum = static_cast<T>(h.momentum);
  s.rho = static_cast<T>(h.rho);
  s.rho_rest = static_cast<T>(1 - h.rho);
  s.beta_1 = static_cast<T>(h.beta_1);
  s.beta_2 = static_cast<T>(h.beta_2);
  s.beta_1_rest = h.rounded_rest ? 1 - s.beta_1 : static_cast<T>(1 - h.beta_1);
  s.beta_2_rest = h.rounded_rest ? 1 - s.beta_2 : static_cast<T>(1 - h.beta_2);
  if (h.scalar[1]) {
    s.beta_1_correction = 1 - static_cast<T>(powers[0]);
    s.beta_2_correction = 1 - static_cast<T>(powers[1]);
    s.alpha = s.lr * root(s.beta_2_correction) / s.beta_1_correction;
  }
  if (h.scalar[2]) {
    const T now = s.beta_1 * (1 - T(0.5) * static_cast<T>(powers[2]));
    const T next = s.beta_1 * (1 - T(0.5) * static_cast<T>(powers[3]));
    s.nadam_m = next;
    s.nadam_g = 1 - now;
    s.nadam_m_divisor = 1 - static_cast<T>(product) * next;
    s.nadam_g_divisor = 1 - static_cast<T>(product);
  }
  s.power = static_cast<T>(-h.power);
  s.l1 = static_cast<T>(h.l1);
  s.l2 = static_cast<T>(h.l2) + static_cast<T>(h.beta) / (2 * s.lr);
  s.shrinkage = static_cast<T>(2 * h.shrinkage);
}

// ---- rules: x[0] is the parameter, then its slots -----------------------------------------------------------

struct Sgd {
  static constexpr int kStates = 1;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    x[0] -= g * s.lr;
  }
};

template <bool kNesterov>
struct SgdMomentum {
  static constexpr int kStates = 2;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    const T step = g * s.lr;
    x[1] = x[1] * s.momentum - step;
    x[0] += kNesterov ? x[1] * s.momentum - step : x[1];
  }
};

template <bool kCentered, bool kMomentum>
struct Rmsprop {
  static constexpr int kStates = 2 + kMomentum + kCentered;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    x[1] = s.rho * x[1] + s.rho_rest * (g * g);
    T denominator = x[1] + s.epsilon;
    if constexpr (kCentered) {
      T& mean = x[kMomentum ? 3 : 2];
      mean = s.rho * mean + s.rho_rest * g;
      denominator = x[1] - mean * mean + s.epsilon;
    }
    T step = s.lr * g / root(denominator);
    if constexpr (kMomentum) {
      step = s.momentum * x[2] + step;
      x[2] = step;
    }
    x[0] -= step;
  }
};

template <class T>
__device__ __forceinline__ void update_moments(const Scalars<T>& s, T* x, T g) {
  x[1] = x[1] + (g - x[1]) * s.beta_1_rest;
  x[2] = x[2] + (g * g - x[2]) * s.beta_2_rest;
}

template <bool kAmsgrad>
struct Adam {
  static constexpr int kStates = kAmsgrad ? 4 : 3;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    update_moments(s, x, g);
    T second = x[2];
    if constexpr (kAmsgrad) {
      second = x[3] > second ? x[3] : second;
      x[3] = second;
    }
    x[0] -= x[1] * s.alpha / (root(second) + s.epsilon);
  }
};

struct Nadam {
  static constexpr int kStates = 3;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    update_moments(s, x, g);
    const T m_hat = s.nadam_m * x[1] / s.nadam_m_divisor + s.nadam_g * g / s.nadam_g_divisor;
    x[0] -= m_hat * s.lr / (root(x[2] / s.beta_2_correction) + s.epsilon);
  }
};

struct Adamax {
  static constexpr int kStates = 3;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    x[1] = x[1] + (g - x[1]) * s.beta_1_rest;
    const T decayed = s.beta_2 * x[2], now = g < 0 ? -g : g;
    x[2] = decayed > now ? decayed : now;
    x[0] -= s.lr * x[1] / (s.beta_1_correction * (x[2] + s.epsilon));
  }
};

struct Adadelta {
  static constexpr int kStates = 3;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    x[1] = s.rho * x[1] + s.rho_rest * (g * g);
    const T step = -(root(x[2] + s.epsilon) * g / root(x[1] + s.epsilon));
    x[2] = s.rho * x[2] + s.rho_rest * (step * step);
    x[0] += s.lr * step;
  }
};

struct Adagrad {
  static constexpr int kStates = 2;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    x[1] = x[1] + g * g;
    x[0] -= s.lr * g / root(x[1] + s.epsilon);
  }
};

struct Lion {
  static constexpr int kStates = 2;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    const T direction = x[1] * s.beta_1 + g * s.beta_1_rest;
    const T positive = direction > 0 ? T(1) : direction;  // a zero or NaN stays what it is
    x[0] -= s.lr * (direction < 0 ? T(-1) : positive);
    x[1] = x[1] * s.beta_2 + g * s.beta_2_rest;
  }
};

struct Ftrl {
  static constexpr int kStates = 3;
  template <class T>
  __device__ static void step(const Scalars<T>& s, T* x, T g) {
    const auto raised_to = [&](T v) { return s.power == T(0.5) ? root(v) : power(v, s.power); };
    const T now = x[1] + g * g, raised = raised_to(now);
    x[2] += g + s.shrinkage * x[0] - (raised - raised_to(x[1])) / s.lr * x[0];
    const T clipped = x[2] < -s.l1 ? -s.l1 : s.l1 < x[2] ? s.l1 : x[2];
    x[0] = (clipped - x[2]) / (raised / s.lr + 2 * s.l2);
    x[1] = now;
  }
};

template <class T>
__device__ __forceinline__ T lamb_step(const Scalars<T>& s, const T* x) {
  return x[1] / s.beta_1_correction / (root(x[2] / s.beta_2_correction) + s.epsilon);
}

// ---- kernels ------------------------------------------------------------------------------------------------

// What a block knows of the call.
struct Shared {
  Scalars<float> f32;
  Scalars<double> f64;
  template <class T>
  __device__ const Scalars<T>& get() const {
    if constexpr (std::is_same_v<T, float>) return f32;
    else return f64;
  }
};

// Powers are slow: each has a thread of its own, and each type's scalars have one of another warp.
__device__ void read_scalars(const Hyper& h, Shared& s) {
  __shared__ double powers[2][kPowers];
  const int t = static_cast<int>(threadIdx.x), type = t / kPowers, i = t % kPowers;
  if (h.scalar[1] && type < 2 && (i < 2 || h.scalar[2])) {
    const double step = scalar_at(h, 1) + (i < 3 ? 1 : 2);
    powers[type][i] = pow(type == 0 ? base_of<float>(h, i) : base_of<double>(h, i), step);
  }
  __syncthreads();
  if (t == 0) set_scalars(h, scalar_at(h, 0), scalar_at(h, 2), powers[0], s.f32);
  if (t == 32) set_scalars(h, scalar_at(h, 0), scalar_at(h, 2), powers[1], s.f64);
  __syncthreads();
}

template <class F>
__device__ __forceinline__ void with_float(DType d, F&& f) {
  switch (d) {
    case DType::Float16: f.template operator()<float16>(); break;
    case DType::BFloat16: f.template operator()<bfloat16>(); break;
    case DType::Float64: f.template operator()<double>(); break;
    default: f.template operator()<float>();
  }
}

// As on the CPU, where arithmetic on numbers too small for a normal float is slow: they become zero.
template <class T>
__device__ __forceinline__ T flush(T x) {
  constexpr T least = std::numeric_limits<T>::min();
  return x < least && x > -least ? T(0) : x;
}

// For each element i of a chunk of tensor t: loads kRead of its states and, if kGradient, the gradient, calls
// f(x, g), and stores the first kWritten states.
template <int kRead, int kWritten, bool kGradient, class T, class F, class Tensors>
__device__ __forceinline__ void each_element(const Tensors& table, int t, int64_t begin, int64_t end, F&& f) {
  using C = Compute<T>;
  constexpr int kTensors = kRead + kGradient;
  T* at[kTensors];
  uintptr_t addresses = 0;
  TAHR_UNROLL
  for (int k = 0; k < kTensors; ++k) {
    at[k] = static_cast<T*>(table.data[t][k]);
    addresses |= reinterpret_cast<uintptr_t>(at[k]);
  }
  const bool packed = addresses % sizeof(Pack<T, kPackOf>) == 0;
  for (int64_t i = begin + static_cast<int64_t>(threadIdx.x) * kPackOf; i < end;
       i += static_cast<int64_t>(blockDim.x) * kPackOf) {
    if (packed && i + kPackOf <= end) {
      Pack<T, kPackOf> p[kTensors];
      TAHR_UNROLL
      for (int k = 0; k < kTensors; ++k) p[k] = load_pack<kPackOf>(at[k] + i);
      TAHR_UNROLL
      for (int u = 0; u < kPackOf; ++u) {
        C x[kTensors + 1];
        TAHR_UNROLL
        for (int k = 0; k < kTensors; ++k) x[k] = convert<C>(p[k].v[u]);
        f(x, x[kRead]);
        TAHR_UNROLL
        for (int k = 0; k < kWritten; ++k) p[k].v[u] = convert<T>(flush(x[k]));
      }
      TAHR_UNROLL
      for (int k = 0; k < kWritten; ++k) store_pack(at[k] + i, p[k]);
    } else {
      for (int64_t j = i; j < i + kPackOf && j < end; ++j) {
        C x[kTensors + 1];
        TAHR_UNROLL
        for (int k = 0; k < kTensors; ++k) x[k] = convert<C>(at[k][j]);
        f(x, x[kRead]);
        TAHR_UNROLL
        for (int k = 0; k < kWritten; ++k) at[k][j] = convert<T>(flush(x[k]));
      }
    }
  }
}

// Calls f(tensor, begin, end) for each chunk of this block.
template <class Tensors, class F>
__device__ __forceinline__ void each_chunk(const Tensors& table, F&& f) {
  const int chunks = table.first_chunk[table.count];
  for (int c = static_cast<int>(blockIdx.x); c < chunks; c += static_cast<int>(gridDim.x)) {
    int low = 0, high = table.count;  // the last tensor whose first chunk is not behind c
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (table.first_chunk[middle] <= c) low = middle;
      else high = middle;
    }
    const int64_t begin = (c - table.first_chunk[low]) * kChunk, size = table.size[low];
    f(c, low, begin, begin + kChunk < size ? begin + kChunk : size);
  }
}

template <class R, class Tensors>
__global__ void __launch_bounds__(kBlock)
    update_kernel(const __grid_constant__ Tensors table, const __grid_constant__ Hyper hyper) {
  __shared__ Shared shared;
  read_scalars(hyper, shared);
  each_chunk(table, [&](int, int t, int64_t begin, int64_t end) {
    with_float(table.dtype[t], [&]<class T>() {
      using C = Compute<T>;
      const Scalars<C>& s = shared.template get<C>();
      const bool decays = table.decays[t];
      each_element<R::kStates, R::kStates, true, T>(table, t, begin, end, [&](C* x, C g) {
        if (decays) x[0] -= x[0] * s.weight_decay * s.lr;
        R::step(s, x, g);
      });
    });
  });
}

struct Squares {
  double parameter, step;
};

// Sums over a warp or a block, the same bits each time.
__device__ __forceinline__ double warp_sum(double v) {
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(0xffffffffu, v, d);
  return v;
}

// Lamb: moments first, with the squares of each chunk of the parameter and of its step.
template <class Tensors>
__global__ void __launch_bounds__(kBlock)
    lamb_moments_kernel(const __grid_constant__ Tensors table, const __grid_constant__ Hyper hyper, Squares* squares) {
  __shared__ Shared shared;
  __shared__ Squares of_warp[kBlock / 32];
  read_scalars(hyper, shared);
  each_chunk(table, [&](int chunk, int t, int64_t begin, int64_t end) {
    double parameter = 0, step = 0;
    with_float(table.dtype[t], [&]<class T>() {
      using C = Compute<T>;
      const Scalars<C>& s = shared.template get<C>();
      const bool decays = table.decays[t];
      each_element<3, 3, true, T>(table, t, begin, end, [&](C* x, C g) {
        if (decays) x[0] -= x[0] * s.weight_decay * s.lr;
        update_moments(s, x, g);
        const double value = x[0], moved = lamb_step(s, x);
        parameter += value * value;
        step += moved * moved;
      });
    });
    parameter = warp_sum(parameter);
    step = warp_sum(step);
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = {parameter, step};
    __syncthreads();
    if (threadIdx.x == 0) {
      Squares total = of_warp[0];
      for (int w = 1; w < kBlock / 32; ++w) {
        total.parameter += of_warp[w].parameter;
        total.step += of_warp[w].step;
      }
      squares[chunk] = total;
    }
    __syncthreads();
  });
}

// |p| / |step| of each tensor: a warp each.
template <class Tensors>
__global__ void lamb_ratio_kernel(const __grid_constant__ Tensors table, const Squares* squares, double* ratio) {
  const auto t = static_cast<int>(blockIdx.x);
  double parameter = 0, step = 0;
  for (int c = table.first_chunk[t] + static_cast<int>(threadIdx.x); c < table.first_chunk[t + 1]; c += 32) {
    parameter += squares[c].parameter;
    step += squares[c].step;
  }
  parameter = warp_sum(parameter);
  step = warp_sum(step);
  if (threadIdx.x == 0) ratio[t] = parameter > 0 && step > 0 ? sqrt(parameter) / sqrt(step) : 1;
}

template <class Tensors>
__global__ void __launch_bounds__(kBlock)
    lamb_apply_kernel(const __grid_constant__ Tensors table, const __grid_constant__ Hyper hyper, const double* ratio) {
  __shared__ Shared shared;
  read_scalars(hyper, shared);
  each_chunk(table, [&](int, int t, int64_t begin, int64_t end) {
    with_float(table.dtype[t], [&]<class T>() {
      using C = Compute<T>;
      const Scalars<C>& s = shared.template get<C>();
      const C scale = static_cast<C>(ratio[t]) * s.lr;
      each_element<3, 1, false, T>(table, t, begin, end, [&](C* x, C) { x[0] -= scale * lamb_step(s, x); });
    });
  });
}

// ---- calls --------------------------------------------------------------------------------------------------

template <class Tensors>
dim3 grid_of(const Tensors& table) {
  return dim3(static_cast<unsigned>(std::min(table.first_chunk[table.count], properties().multiProcessorCount * 8)));
}

template <class R>
struct Update {
  static constexpr int kStates = R::kStates;
  template <class Tensors>
  static void run(const Tensors& table, const Hyper& h) {
    launch(update_kernel<R, Tensors>, grid_of(table), dim3(kBlock), 0, table, h);
  }
};

struct Lamb {
  static constexpr int kStates = 3;
  template <class Tensors>
  static void run(const Tensors& table, const Hyper& h) {
    const auto chunks = static_cast<size_t>(table.first_chunk[table.count]);
    const Scratch squares(chunks * sizeof(Squares)), ratio(static_cast<size_t>(table.count) * sizeof(double));
    launch(lamb_moments_kernel<Tensors>, grid_of(table), dim3(kBlock), 0, table, h, squares.as<Squares>());
    launch(lamb_ratio_kernel<Tensors>, dim3(static_cast<unsigned>(table.count)), dim3(32), 0, table,
           squares.as<Squares>(), ratio.as<double>());
    launch(lamb_apply_kernel<Tensors>, grid_of(table), dim3(kBlock), 0, table, h, ratio.as<double>());
  }
};

const Tensor& state_of(const Tensor& handle, int64_t i) {
  VariableImpl* v = handle.impl()->variable;
  const Tensor& value = v->writable_value();
  if (value.device().is_cpu()) {
    throw_value("[optimizer update] expected all parameters and slots on one GPU, received '", v->name, "' (parameter ",
                i, ") on the CPU. Make it on the GPU, or call the update in a traced function, which moves it there.");
  }
  return value;
}

template <class U, class Tensors>
void run_part(const KernelArgs& k, const Hyper& h, std::span<const int64_t> which, int64_t count,
              const std::vector<bool>& decays) {
  Tensors table{};
  int chunks = 0;
  for (const int64_t i : which) {
    const int t = table.count++;
    const Tensor& gradient = k.in[static_cast<size_t>(U::kStates * count + i)];
    for (int group = 0; group < U::kStates; ++group)
      table.data[t][group] = state_of(k.in[static_cast<size_t>(group * count + i)], i).mutable_raw();
    table.data[t][U::kStates] = gradient.mutable_raw();
    table.size[t] = gradient.size();
    table.dtype[t] = gradient.dtype();
    table.decays[t] = decays[static_cast<size_t>(i)];
    table.first_chunk[t] = chunks;
    chunks += static_cast<int>((gradient.size() + kChunk - 1) / kChunk);
  }
  table.first_chunk[table.count] = chunks;
  U::run(table, h);
}

template <class U, class A>
void update(const KernelArgs& k, Hyper h, int scalars) {
  const A& a = k.as<A>();
  h.weight_decay = a.weight_decay;
  Tensors kept;  // scalars that had to be copied here; their memory is given back in the order of the stream
  for (int i = 0; i < scalars; ++i) {
    const Tensor& t = k.in[k.in.size() - static_cast<size_t>(scalars) + static_cast<size_t>(i)];
    const VariableImpl* v = t.impl()->variable;
    Tensor value = v ? v->value() : t;
    if (value.device().is_cpu()) value = to_device(value, Device{DeviceType::CUDA, static_cast<uint8_t>(device())});
    h.scalar[i] = value.raw();
    h.type[i] = value.dtype();
    kept.push_back(std::move(value));
  }
  std::vector<bool> decays(static_cast<size_t>(a.count), a.weight_decay != 0);
  for (const int64_t i : a.no_decay) decays[static_cast<size_t>(i)] = false;
  std::vector<int64_t> some;
  for (int64_t i = 0; i < a.count; ++i) {
    if (k.in[static_cast<size_t>(U::kStates * a.count + i)].size() > 0) some.push_back(i);
  }
  for (size_t at = 0; at < some.size(); at += kMany) {
    const std::span<const int64_t> part(some.data() + at, std::min<size_t>(kMany, some.size() - at));
    if (part.size() <= kFew) run_part<U, Table<kFew>>(k, h, part, a.count, decays);
    else run_part<U, Table<kMany>>(k, h, part, a.count, decays);
  }
}

template <class A>
Hyper moments(const A& a) {
  Hyper h;
  h.beta_1 = a.beta_1;
  h.beta_2 = a.beta_2;
  h.epsilon = a.epsilon;
  return h;
}

void sgd(const KernelArgs& k) {
  const auto& a = k.as<SgdAttrs>();
  Hyper h;
  h.momentum = a.momentum;
  if (a.momentum == 0) return update<Update<Sgd>, SgdAttrs>(k, h, 1);
  if (a.nesterov) return update<Update<SgdMomentum<true>>, SgdAttrs>(k, h, 1);
  update<Update<SgdMomentum<false>>, SgdAttrs>(k, h, 1);
}

void rmsprop(const KernelArgs& k) {
  const auto& a = k.as<RmspropAttrs>();
  Hyper h;
  h.rho = a.rho;
  h.epsilon = a.epsilon;
  h.momentum = a.momentum;
  const bool momentum = a.momentum > 0;
  if (a.centered && momentum) return update<Update<Rmsprop<true, true>>, RmspropAttrs>(k, h, 1);
  if (a.centered) return update<Update<Rmsprop<true, false>>, RmspropAttrs>(k, h, 1);
  if (momentum) return update<Update<Rmsprop<false, true>>, RmspropAttrs>(k, h, 1);
  update<Update<Rmsprop<false, false>>, RmspropAttrs>(k, h, 1);
}

void adam(const KernelArgs& k) {
  const auto& a = k.as<AdamAttrs>();
  if (a.amsgrad) return update<Update<Adam<true>>, AdamAttrs>(k, moments(a), 2);
  update<Update<Adam<false>>, AdamAttrs>(k, moments(a), 2);
}

void nadam(const KernelArgs& k) {
  Hyper h = moments(k.as<MomentAttrs>());
  h.rounded_rest = true;
  update<Update<Nadam>, MomentAttrs>(k, h, 3);
}

void adamax(const KernelArgs& k) { update<Update<Adamax>, MomentAttrs>(k, moments(k.as<MomentAttrs>()), 2); }
void lamb(const KernelArgs& k) { update<Lamb, MomentAttrs>(k, moments(k.as<MomentAttrs>()), 2); }

void adadelta(const KernelArgs& k) {
  const auto& a = k.as<AdadeltaAttrs>();
  Hyper h;
  h.rho = a.rho;
  h.epsilon = a.epsilon;
  update<Update<Adadelta>, AdadeltaAttrs>(k, h, 1);
}

void adagrad(const KernelArgs& k) {
  Hyper h;
  h.epsilon = k.as<AdagradAttrs>().epsilon;
  update<Update<Adagrad>, AdagradAttrs>(k, h, 1);
}

void lion(const KernelArgs& k) {
  const auto& a = k.as<LionAttrs>();
  Hyper h;
  h.beta_1 = a.beta_1;
  h.beta_2 = a.beta_2;
  h.rounded_rest = true;
  update<Update<Lion>, LionAttrs>(k, h, 1);
}

void ftrl(const KernelArgs& k) {
  const auto& a = k.as<FtrlAttrs>();
  Hyper h;
  h.power = a.learning_rate_power;
  h.l1 = a.l1_regularization_strength;
  h.l2 = a.l2_regularization_strength;
  h.shrinkage = a.l2_shrinkage_regularization_strength;
  h.beta = a.beta;
  update<Update<Ftrl>, FtrlAttrs>(k, h, 1);
}

}  // namespace

void register_optimizer() {
  define("sgd_update", sgd);
  define("rmsprop_update", rmsprop);
  define("adam_update", adam);
  define("nadam_update", nadam);
  define("adamax_update", adamax);
  define("adadelta_update", adadelta);
  define("adagrad_update", adagrad);
  define("ftrl_update", ftrl);
  define("lion_update", lion);
  define("lamb_update", lamb);
}

}  // namespace tahr::cuda
