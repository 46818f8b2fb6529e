// Kernels of the optimizer updates: all parameters of a call as one list of segments, cut at fixed places and shared
// out over the threads. The rules themselves are in isa/optimizer.cpp.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "core/parallel.h"
#include "core/variable.h"
#include "cpu/optimizer_table.h"
#include "cpu/scratch.h"
#include "ops/functions.h"
#include "ops/optimizer_attrs.h"

namespace tahr {
namespace {

constexpr int64_t kChunk = 8192;  // elements in one unit of work; its state stays in L2
constexpr int kMaxState = 4;      // a parameter and up to three slots

double scalar_of(const Tensor& t) {
  const VariableImpl* v = t.impl()->variable;
  return (v ? v->value() : t).item();
}

struct Segment {
  int64_t parameter, begin, size;
};

// While alive, numbers too small for a normal float count as zero on this thread. Moments of parameters whose gradient
// is zero shrink step by step to such numbers and stay there, where every operation takes many times as long (Adam on
// Fashion-MNIST, whose margins are dark: 545 us a step on one thread in place of 147). TensorFlow and XLA compute this
// way throughout.
class FlushTiny {
#if defined(__SSE2__)
 public:
  FlushTiny() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // flush to zero, denormals are zero
  ~FlushTiny() { _mm_setcsr(before_); }
  FlushTiny(const FlushTiny&) = delete;
  FlushTiny& operator=(const FlushTiny&) = delete;

 private:
  unsigned before_;
#endif
};

// The parameters of one call: where their state lies, and how the work is cut.
class Update {
 public:
  Update(const KernelArgs& k, int64_t count, int slots, double weight_decay, const Ints& no_decay)
      : states_(slots + 1), count_(count), room_(bytes_needed(k, count, slots)) {
    parameters_ = room_.as<Parameter>();
    segments_ = reinterpret_cast<Segment*>(parameters_ + count);
    data_ = reinterpret_cast<void**>(segments_ + count_segments(k, count, slots));
    chunk_begin_ = reinterpret_cast<int64_t*>(data_ + count * (slots + 2));
    for (int64_t i = 0; i < count; ++i) {
      for (int group = 0; group <= slots; ++group) {
        slot(i, group) = k.in[static_cast<size_t>(group * count + i)].impl()->variable->writable_value().mutable_raw();
      }
      const Tensor& gradient = gradient_of(k, count, slots, i);
      slot(i, states_) = gradient.mutable_raw();
      parameters_[i] = {gradient.size(), gradient.dtype(), weight_decay != 0};
      uses_[gradient.dtype() == DType::Float64] = true;
    }
    for (int64_t i : no_decay) parameters_[i].decays = false;
    cut();
  }

  // body(segment, its index) over all segments, in parallel.
  template <class F>
  void for_segments(double ns_per_element, F&& body) const {
    const auto chunk = [&](int64_t c) {
      const FlushTiny flush;
      for (int64_t s = chunk_begin_[c]; s < chunk_begin_[c + 1]; ++s) body(segments_[s], s);
    };
    if (chunks_ == 1) chunk(0);
    else parallel_chunks(chunks_, ns_per_element * static_cast<double>(elements_), chunk);
  }

  std::span<const Segment> segments() const { return {segments_, static_cast<size_t>(segment_count_)}; }
  int64_t count() const { return count_; }
  int states() const { return states_; }
  DType dtype(int64_t i) const { return parameters_[i].dtype; }
  bool decays(int64_t i) const { return parameters_[i].decays; }
  bool computes_in_float() const { return uses_[0]; }
  bool computes_in_double() const { return uses_[1]; }
  template <class T>
  T* state(int64_t i, int group) const {
    return static_cast<T*>(data_[i * (states_ + 1) + group]);
  }
  template <class T>
  const T* gradient(int64_t i) const {
    return state<T>(i, states_);
  }

 private:
  struct Parameter {
    int64_t size;
    DType dtype;
    bool decays;
  };

  static const Tensor& gradient_of(const KernelArgs& k, int64_t count, int slots, int64_t i) {
    return k.in[static_cast<size_t>((slots + 1) * count + i)];
  }
  static int64_t count_segments(const KernelArgs& k, int64_t count, int slots) {
    int64_t n = 0;
    for (int64_t i = 0; i < count; ++i) n += (gradient_of(k, count, slots, i).size() + kChunk - 1) / kChunk;
    return n;
  }
  static size_t bytes_needed(const KernelArgs& k, int64_t count, int slots) {
    const int64_t segments = count_segments(k, count, slots);
    return static_cast<size_t>(count) * sizeof(Parameter) + static_cast<size_t>(segments) * sizeof(Segment) +
           static_cast<size_t>(count * (slots + 2)) * sizeof(void*) +
           static_cast<size_t>(segments + 1) * sizeof(int64_t);
  }

  void*& slot(int64_t i, int group) { return data_[i * (states_ + 1) + group]; }

  // Segments of at most kChunk elements; small parameters share a chunk.
  void cut() {
    int64_t filled = kChunk;
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t size = parameters_[i].size;
      elements_ += size;
      for (int64_t begin = 0; begin < size; begin += kChunk) {
        const int64_t n = std::min(kChunk, size - begin);
        if (filled + n > kChunk) {
          chunk_begin_[chunks_++] = segment_count_;
          filled = 0;
        }
        segments_[segment_count_++] = {i, begin, n};
        filled += n;
      }
    }
    chunk_begin_[chunks_] = segment_count_;
  }

  int states_;
  int64_t count_, segment_count_ = 0, chunks_ = 0, elements_ = 0;
  bool uses_[2] = {false, false};
  Scratch room_;
  Parameter* parameters_;
  Segment* segments_;
  void** data_;           // per parameter: its state, then its gradient
  int64_t* chunk_begin_;  // the first segment of each chunk, and the end of the last
};

// Calls body(state pointers, gradient, n) with the segment in the type that the rule computes in. Halves go through
// float buffers, a part at a time.
template <class T, class F>
void with_compute_type(const Update& u, const Segment& s, F&& body) {
  if constexpr (std::is_same_v<T, Compute<T>>) {
    std::array<T*, kMaxState> state{};
    for (int g = 0; g < u.states(); ++g) state[static_cast<size_t>(g)] = u.state<T>(s.parameter, g) + s.begin;
    body(state.data(), u.gradient<T>(s.parameter) + s.begin, static_cast<size_t>(s.size));
  } else {
    constexpr int64_t kPart = 1024;
    float buffers[kMaxState + 1][kPart];
    float* state[kMaxState];
    for (int g = 0; g < kMaxState; ++g) state[g] = buffers[g];
    for (int64_t at = s.begin; at < s.begin + s.size; at += kPart) {
      const int64_t n = std::min(kPart, s.begin + s.size - at);
      for (int g = 0; g < u.states(); ++g) {
        const T* from = u.state<T>(s.parameter, g) + at;
        for (int64_t i = 0; i < n; ++i) buffers[g][i] = to_float(from[i]);
      }
      const T* from = u.gradient<T>(s.parameter) + at;
      for (int64_t i = 0; i < n; ++i) buffers[kMaxState][i] = to_float(from[i]);
      body(state, buffers[kMaxState], static_cast<size_t>(n));
      for (int g = 0; g < u.states(); ++g) {
        T* to = u.state<T>(s.parameter, g) + at;
        for (int64_t i = 0; i < n; ++i) to[i] = store_as<T>(buffers[g][i]);
      }
    }
  }
}

template <class F>
void visit_float(DType d, F&& f) {
  switch (d) {
    case DType::Float16: f.template operator()<float16>(); break;
    case DType::BFloat16: f.template operator()<bfloat16>(); break;
    case DType::Float64: f.template operator()<double>(); break;
    default: f.template operator()<float>();
  }
}

template <class T>
const UpdateRules<T>& rules() {
  if constexpr (std::is_same_v<T, float>) {
    return optimizer_table().f32;
  } else {
    return optimizer_table().f64;
  }
}

// beta^t as Keras computes it: beta and the power rounded to T.
template <class T>
T power(double beta, double t) {
  return static_cast<T>(std::pow(static_cast<double>(static_cast<T>(beta)), t));
}

// The scalars of a call in the types that its parameters compute in.
struct BothScalars {
  UpdateScalars<float> f32{};
  UpdateScalars<double> f64{};
  template <class T>
  const UpdateScalars<T>& get() const {
    if constexpr (std::is_same_v<T, float>) {
      return f32;
    } else {
      return f64;
    }
  }
};

template <class T, class A>
void fill_betas(UpdateScalars<T>& s, const A& a) {
  s.beta_1 = static_cast<T>(a.beta_1);
  s.beta_2 = static_cast<T>(a.beta_2);
  s.beta_1_rest = static_cast<T>(1 - a.beta_1);
  s.beta_2_rest = static_cast<T>(1 - a.beta_2);
}

template <class T, class A>
void fill_moments(UpdateScalars<T>& s, const A& a, double step) {
  fill_betas(s, a);
  s.epsilon = static_cast<T>(a.epsilon);
  s.beta_1_correction = 1 - power<T>(a.beta_1, step);
  s.beta_2_correction = 1 - power<T>(a.beta_2, step);
}

template <class T>
void decay(const UpdateRules<T>& r, const UpdateScalars<T>& s, size_t n, T* const* state) {
  r.rule[static_cast<int>(UpdateRule::Decay)](s, n, state, nullptr);
}

void run(const Update& u, UpdateRule rule, const BothScalars& scalars) {
  u.for_segments(0.7, [&](const Segment& s, int64_t) {
    visit_float(u.dtype(s.parameter), [&]<class T>() {
      with_compute_type<T>(u, s, [&](Compute<T>* const* state, const Compute<T>* g, size_t n) {
        const auto& r = rules<Compute<T>>();
        const auto& values = scalars.get<Compute<T>>();
        if (u.decays(s.parameter)) decay(r, values, n, state);
        r.rule[static_cast<int>(rule)](values, n, state, g);
      });
    });
  });
}

// What all kernels begin with: the attributes, the scalars at the end of the list, and the work.
template <class A>
struct Call {
  Call(const KernelArgs& k, int slots, int scalars)
      : attrs(k.as<A>()),
        lr(scalar_of(k.in[k.in.size() - static_cast<size_t>(scalars)])),
        step(scalars > 1 ? scalar_of(k.in[k.in.size() - static_cast<size_t>(scalars) + 1]) + 1 : 0),
        update(k, attrs.count, slots, attrs.weight_decay, attrs.no_decay) {}
  template <class F>
  BothScalars scalars(F&& fill) const {  // `fill` sets those of the rule
    BothScalars s;
    const auto set = [&]<class T>(UpdateScalars<T>& to) {
      to.lr = static_cast<T>(lr);
      to.weight_decay = static_cast<T>(attrs.weight_decay);
      fill(to);
    };
    if (update.computes_in_float()) set(s.f32);
    if (update.computes_in_double()) set(s.f64);
    return s;
  }
  const A& attrs;
  double lr;
  double step;  // 1 in the first call
  Update update;
};

void sgd_kernel(const KernelArgs& k) {
  const bool momentum = k.as<SgdAttrs>().momentum != 0;
  const Call<SgdAttrs> c(k, momentum ? 1 : 0, 1);
  const UpdateRule rule = !momentum          ? UpdateRule::Sgd
                          : c.attrs.nesterov ? UpdateRule::SgdNesterov
                                             : UpdateRule::SgdMomentum;
  run(c.update, rule, c.scalars([&]<class T>(UpdateScalars<T>& s) { s.momentum = static_cast<T>(c.attrs.momentum); }));
}

template <class T, class A>
void fill_rho(UpdateScalars<T>& s, const A& a) {
  s.rho = static_cast<T>(a.rho);
  s.rho_rest = static_cast<T>(1 - a.rho);
  s.epsilon = static_cast<T>(a.epsilon);
}

void rmsprop_kernel(const KernelArgs& k) {
  const auto& a = k.as<RmspropAttrs>();
  const bool momentum = a.momentum > 0;
  const Call<RmspropAttrs> c(k, 1 + momentum + a.centered, 1);
  const UpdateRule rule = a.centered ? (momentum ? UpdateRule::RmspropCenteredMomentum : UpdateRule::RmspropCentered)
                                     : (momentum ? UpdateRule::RmspropMomentum : UpdateRule::Rmsprop);
  run(c.update, rule, c.scalars([&]<class T>(UpdateScalars<T>& s) {
    fill_rho(s, a);
    s.momentum = static_cast<T>(a.momentum);
  }));
}

void adam_kernel(const KernelArgs& k) {
  const bool amsgrad = k.as<AdamAttrs>().amsgrad;
  const Call<AdamAttrs> c(k, amsgrad ? 3 : 2, 2);
  run(c.update, amsgrad ? UpdateRule::AdamAmsgrad : UpdateRule::Adam, c.scalars([&]<class T>(UpdateScalars<T>& s) {
    fill_moments(s, c.attrs, c.step);
    s.alpha = s.lr * std::sqrt(s.beta_2_correction) / s.beta_1_correction;
  }));
}

// The momentum of step t is u_t = beta_1 (1 - 0.96^t / 2); the last input is the product of all u up to this step.
void nadam_kernel(const KernelArgs& k) {
  const Call<MomentAttrs> c(k, 2, 3);
  const double product = scalar_of(k.in.back());
  run(c.update, UpdateRule::Nadam, c.scalars([&]<class T>(UpdateScalars<T>& s) {
    fill_moments(s, c.attrs, c.step);
    s.beta_1_rest = 1 - s.beta_1;
    s.beta_2_rest = 1 - s.beta_2;
    const T now = s.beta_1 * (1 - T(0.5) * power<T>(0.96, c.step));
    const T next = s.beta_1 * (1 - T(0.5) * power<T>(0.96, c.step + 1));
    s.nadam_m = next;
    s.nadam_g = 1 - now;
    s.nadam_m_divisor = 1 - static_cast<T>(product) * next;
    s.nadam_g_divisor = 1 - static_cast<T>(product);
  }));
}

void adamax_kernel(const KernelArgs& k) {
  const Call<MomentAttrs> c(k, 2, 2);
  run(c.update, UpdateRule::Adamax, c.scalars([&]<class T>(UpdateScalars<T>& s) { fill_moments(s, c.attrs, c.step); }));
}

void adadelta_kernel(const KernelArgs& k) {
  const Call<AdadeltaAttrs> c(k, 2, 1);
  run(c.update, UpdateRule::Adadelta, c.scalars([&]<class T>(UpdateScalars<T>& s) { fill_rho(s, c.attrs); }));
}

void adagrad_kernel(const KernelArgs& k) {
  const Call<AdagradAttrs> c(k, 1, 1);
  run(c.update, UpdateRule::Adagrad,
      c.scalars([&]<class T>(UpdateScalars<T>& s) { s.epsilon = static_cast<T>(c.attrs.epsilon); }));
}

void lion_kernel(const KernelArgs& k) {
  const Call<LionAttrs> c(k, 1, 1);
  run(c.update, UpdateRule::Lion, c.scalars([&]<class T>(UpdateScalars<T>& s) {
    fill_betas(s, c.attrs);
    s.beta_1_rest = 1 - s.beta_1;
    s.beta_2_rest = 1 - s.beta_2;
  }));
}

// Not one of the vectorised rules: it may need a general power, and serves small linear models.
template <class T>
void ftrl(const FtrlAttrs& a, T lr, size_t n, T* const* state, const T* g) {
  T *p = state[0], *accumulator = state[1], *linear = state[2];
  const T exponent = static_cast<T>(-a.learning_rate_power);
  const T l1 = static_cast<T>(a.l1_regularization_strength);
  const T l2 = static_cast<T>(a.l2_regularization_strength) + static_cast<T>(a.beta) / (2 * lr);
  const T shrinkage = static_cast<T>(2 * a.l2_shrinkage_regularization_strength);
  const auto raise = [&](T x) { return exponent == T(0.5) ? std::sqrt(x) : std::pow(x, exponent); };
  for (size_t i = 0; i < n; ++i) {
    const T now = accumulator[i] + g[i] * g[i];
    const T raised = raise(now);
    linear[i] += g[i] + shrinkage * p[i] - (raised - raise(accumulator[i])) / lr * p[i];
    p[i] = (std::clamp(linear[i], -l1, l1) - linear[i]) / (raised / lr + 2 * l2);
    accumulator[i] = now;
  }
}

void ftrl_kernel(const KernelArgs& k) {
  const Call<FtrlAttrs> c(k, 2, 1);
  const BothScalars scalars = c.scalars([](auto&) {});
  const Update& u = c.update;
  u.for_segments(4, [&](const Segment& s, int64_t) {
    visit_float(u.dtype(s.parameter), [&]<class T>() {
      with_compute_type<T>(u, s, [&](Compute<T>* const* state, const Compute<T>* g, size_t n) {
        const auto& values = scalars.get<Compute<T>>();
        if (u.decays(s.parameter)) decay(rules<Compute<T>>(), values, n, state);
        ftrl(c.attrs, values.lr, n, state, g);
      });
    });
  });
}

using Squares = std::array<double, 2>;  // sums over a parameter and over its step

void lamb_kernel(const KernelArgs& k) {
  const Call<MomentAttrs> c(k, 2, 2);
  const Update& u = c.update;
  const BothScalars scalars = c.scalars([&]<class T>(UpdateScalars<T>& s) { fill_moments(s, c.attrs, c.step); });
  // Squares per segment, then added up in the order of the segments.
  const auto segments = static_cast<int64_t>(u.segments().size());
  const Scratch room(static_cast<size_t>(segments + u.count()) * sizeof(Squares));
  Squares *squares = room.as<Squares>(), *totals = squares + segments;
  std::fill(squares, totals + u.count(), Squares{});
  u.for_segments(0.7, [&](const Segment& s, int64_t index) {
    visit_float(u.dtype(s.parameter), [&]<class T>() {
      with_compute_type<T>(u, s, [&](Compute<T>* const* state, const Compute<T>* g, size_t n) {
        const auto& r = rules<Compute<T>>();
        const auto& values = scalars.get<Compute<T>>();
        if (u.decays(s.parameter)) decay(r, values, n, state);
        r.lamb_moments(values, n, state, g, squares[index].data());
      });
    });
  });
  for (int64_t i = 0; i < segments; ++i) {
    Squares& total = totals[u.segments()[static_cast<size_t>(i)].parameter];
    total[0] += squares[i][0];
    total[1] += squares[i][1];
  }
  u.for_segments(0.7, [&](const Segment& s, int64_t) {
    visit_float(u.dtype(s.parameter), [&]<class T>() {
      const Squares& total = totals[s.parameter];
      const double ratio = total[0] > 0 && total[1] > 0 ? std::sqrt(total[0]) / std::sqrt(total[1]) : 1;
      with_compute_type<T>(u, s, [&](Compute<T>* const* state, const Compute<T>*, size_t n) {
        const auto& values = scalars.get<Compute<T>>();
        rules<Compute<T>>().lamb_apply(values, n, state, static_cast<Compute<T>>(ratio) * values.lr);
      });
    });
  });
}

}  // namespace

void register_optimizer_kernels() {
  define_kernel("sgd_update", DeviceType::CPU, sgd_kernel);
  define_kernel("rmsprop_update", DeviceType::CPU, rmsprop_kernel);
  define_kernel("adam_update", DeviceType::CPU, adam_kernel);
  define_kernel("nadam_update", DeviceType::CPU, nadam_kernel);
  define_kernel("adamax_update", DeviceType::CPU, adamax_kernel);
  define_kernel("adadelta_update", DeviceType::CPU, adadelta_kernel);
  define_kernel("adagrad_update", DeviceType::CPU, adagrad_kernel);
  define_kernel("ftrl_update", DeviceType::CPU, ftrl_kernel);
  define_kernel("lion_update", DeviceType::CPU, lion_kernel);
  define_kernel("lamb_update", DeviceType::CPU, lamb_kernel);
}

}  // namespace tahr
