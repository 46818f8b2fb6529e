// Reductions over any axes: the tensor is seen as its collapsed Layout (cpu/reduce_layout.h), rows or columns.
//
// A group of threads takes an output: each thread a fixed part of its elements, in runs that are combined, then lanes,
// then warps. Where there are few outputs, slots of each are taken by several blocks, and a second kernel combines
// their partial results. Who takes what depends on shapes alone.
//
// Floor of all: the bytes of the input, read once. Integers of 8 and 16 bits are widened first, which costs 5 to 9
// bytes an element more; any, all and count_nonzero take them as they are.
#include "cuda/copy.h"
#include "cuda/walk.h"
#include "ops/reduce.h"

namespace tahr::cuda {
namespace {

constexpr int kRun = 8;  // packs that are added up before they are added to the total

// Op has: T, the elements' type; C, what they are widened to; P, a partial result; identity(); add(P&, C, position,
// first), which takes an element, `first` being the output's first one; combine(P, P); store(P, output, first).
template <class Op>
__global__ void reduce_kernel(Op op, const typename Op::T* x, Walk w, typename Op::P* partials) {
  using T = typename Op::T;
  using C = typename Op::C;
  using P = typename Op::P;
  constexpr int V = kPack<T>;
  const Layout& l = w.l;
  const int t = static_cast<int>(threadIdx.x);
  const int lane = w.lane(t), lanes = w.lanes();
  const int64_t begin = blockIdx.y * w.chunk, end = begin + w.chunk < w.length ? begin + w.chunk : w.length;
  for (int64_t tile = blockIdx.x; tile < w.tiles; tile += gridDim.x) {
    const int64_t output = w.output(tile, t);
    const bool valid = output < w.outputs;
    P total = op.identity();
    C first{};
    if (valid) {
      const T* from = x + first_place(l, output);
      first = convert<C>(from[0]);
      P run = op.identity();
      int packs = 0;
      // A thread's pack: neighbours in a row; elements `lanes` apart in a column.
      const int64_t apart = l.columns ? lanes : 1, step = static_cast<int64_t>(lanes) * V;
      for (int64_t e = begin + (l.columns ? lane : lane * V); e < end; e += step) {
        C v[V];
        if (w.packed) {
          const auto p = load_pack<V>(from + place(l, e));
          TAHR_UNROLL
          for (int u = 0; u < V; ++u) v[u] = convert<C>(p.v[u]);
        } else {
          TAHR_UNROLL
          for (int u = 0; u < V; ++u)
            if (e + u * apart < end) v[u] = convert<C>(from[place(l, e + u * apart)]);
        }
        op.prepare(run, v, e, apart, end);
        TAHR_UNROLL
        for (int u = 0; u < V; ++u)
          if (e + u * apart < end) op.add(run, v[u], e + u * apart, first);
        if (++packs == kRun) {
          total = op.combine(total, run);
          run = op.identity();
          packs = 0;
        }
      }
      total = op.combine(total, run);
    }
    if (!l.columns) total = combine_group(op, total, w.group);
    else if (w.group <= 32) total = combine_block(op, total, w.group);
    if (valid && lane == 0) {
      if (gridDim.y == 1) op.store(total, output, first);
      else partials[output * gridDim.y + blockIdx.y] = total;
    }
  }
}

// A warp combines the slots of an output.
template <class Op>
__global__ void slots_kernel(Op op, const typename Op::T* x, Walk w, const typename Op::P* partials) {
  using P = typename Op::P;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int64_t tile = blockIdx.x; tile * (kBlock / 32) < w.outputs; tile += gridDim.x) {
    const int64_t output = tile * (kBlock / 32) + threadIdx.x / 32;
    const bool valid = output < w.outputs;
    P total = op.identity();
    for (unsigned s = static_cast<unsigned>(lane); valid && s < w.slots; s += 32)
      total = op.combine(total, partials[output * w.slots + s]);
    total = combine_lanes(op, total, 1, 32);
    if (valid && lane == 0) op.store(total, output, convert<typename Op::C>(x[first_place(w.l, output)]));
  }
}

template <class Op>
void reduce(const Op& op, const void* x, const Layout& layout) {
  const auto* from = static_cast<const typename Op::T*>(x);
  const Walk w(layout, x, kPack<typename Op::T>);
  const dim3 grid(static_cast<unsigned>(std::min(w.tiles, kMostBlocks)), w.slots);
  if (w.slots == 1) return launch(reduce_kernel<Op>, grid, dim3(kBlock), 0, op, from, w, nullptr);
  const Scratch partials(static_cast<size_t>(w.outputs) * w.slots * sizeof(typename Op::P));
  auto* p = partials.as<typename Op::P>();
  launch(reduce_kernel<Op>, grid, dim3(kBlock), 0, op, from, w, p);
  const int64_t blocks = std::min(ceil_div(w.outputs, kBlock / 32), kMostBlocks);
  launch(slots_kernel<Op>, dim3(static_cast<unsigned>(blocks)), dim3(kBlock), 0, op, from, w, p);
}

// ---- the operations ----

template <class T_, class C_, class P_>
struct Base {
  using T = T_;
  using C = C_;
  using P = P_;
  // Sees the elements that `add` is going to get.
  template <int V>
  __device__ void prepare(P&, const C (&)[V], int64_t, int64_t, int64_t) const {}
};

template <class T>
struct SumOp : Base<T, Compute<T>, Compute<T>> {
  using C = Compute<T>;
  T* out;
  C count;  // of a mean; 0: the sum
  __device__ C identity() const { return C(0); }
  __device__ void add(C& p, C v, int64_t, C) const { p += v; }
  __device__ C combine(C a, C b) const { return a + b; }
  __device__ void store(C p, int64_t o, C) const { out[o] = convert<T>(count == C(0) ? p : p / count); }
};

// Sums of squares (kSquares) or of magnitudes.
template <class T, bool kSquares>
struct SizeOp : SumOp<T> {
  using C = Compute<T>;
  __device__ void add(C& p, C v, int64_t, C) const { p += kSquares ? v * v : fabs(v); }
};

template <class T>
struct RootOp : SizeOp<T, true> {
  using C = Compute<T>;
  __device__ void store(C p, int64_t o, C) const { this->out[o] = convert<T>(sqrt(p)); }
};

template <class T>
struct ProdOp : Base<T, Compute<T>, Compute<T>> {
  using C = Compute<T>;
  T* out;
  __device__ C identity() const { return C(1); }
  __device__ void add(C& p, C v, int64_t, C) const { p *= v; }
  __device__ C combine(C a, C b) const { return a * b; }
  __device__ void store(C p, int64_t o, C) const { out[o] = convert<T>(p); }
};

// NaN wins.
template <class T>
struct ExtremeOp : Base<T, Compute<T>, Compute<T>> {
  using C = Compute<T>;
  void* out;
  DType out_type;  // narrower than T where the input was widened
  bool max, has_initial;
  C none, initial;
  __device__ bool beats(C b, C a) const { return max ? b > a : b < a; }
  __device__ C identity() const { return none; }
  __device__ C combine(C a, C b) const { return beats(b, a) | (b != b) ? b : a; }
  __device__ void add(C& p, C v, int64_t, C) const { p = combine(p, v); }
  __device__ void store(C p, int64_t o, C) const {
    if (has_initial && beats(initial, p)) p = initial;
    if constexpr (std::is_same_v<T, int32_t>) {
      with_type(out_type, [&]<class O>() { static_cast<O*>(out)[o] = convert<O>(p); });
    } else {
      static_cast<T*>(out)[o] = convert<T>(p);
    }
  }
};

template <class C>
struct Found {
  C value;
  int32_t position;  // kNowhere: nothing yet
};
constexpr int32_t kNowhere = 0x7fffffff;

// The first position of the extreme; NaN wins.
template <class T>
struct ArgOp : Base<T, Compute<T>, Found<Compute<T>>> {
  using C = Compute<T>;
  using P = Found<C>;
  int32_t* out;
  bool max;
  __device__ P identity() const { return {C(0), kNowhere}; }
  __device__ P combine(P a, P b) const {
    if (b.position == kNowhere) return a;
    if (a.position == kNowhere) return b;
    const bool nan_a = a.value != a.value, nan_b = b.value != b.value;
    const bool equal = nan_a | nan_b ? nan_a & nan_b : a.value == b.value;
    const bool better =
        equal ? b.position < a.position : nan_b | (!nan_a & (max ? b.value > a.value : b.value < a.value));
    return better ? b : a;
  }
  __device__ void add(P& p, C v, int64_t e, C) const { p = combine(p, P{v, static_cast<int32_t>(e)}); }
  __device__ void store(P p, int64_t o, C) const { out[o] = p.position; }
};

// any, all, count_nonzero on the bits of elements: `mask` leaves out the sign of floating-point zeros.
template <class T>
struct TruthOp : Base<T, T, uint32_t> {
  using C = T;
  enum Kind : uint8_t { kAny, kAll, kCount } kind;
  T mask;
  void* out;
  __device__ uint32_t identity() const { return 0; }
  __device__ uint32_t combine(uint32_t a, uint32_t b) const { return kind == kCount ? a + b : a | b; }
  __device__ void add(uint32_t& p, T v, int64_t, T) const {
    p = combine(p, static_cast<uint32_t>(((v & mask) != 0) != (kind == kAll)));
  }
  __device__ void store(uint32_t p, int64_t o, T) const {
    if (kind == kCount) static_cast<int32_t*>(out)[o] = static_cast<int32_t>(p);
    else static_cast<bool*>(out)[o] = (p != 0) != (kind == kAll);
  }
};

struct Moments {
  double sum, squares;
};
// Variance from the sums of d and d², d being the distance from the first element, in double: what cancels is at most
// (n + 1) roundings of double, since the first element is one of those whose variance it is.
template <class T>
struct MomentsOp : Base<T, Compute<T>, Moments> {
  using C = Compute<T>;
  T* out;
  double count;
  bool root;
  __device__ Moments identity() const { return {0, 0}; }
  __device__ Moments combine(Moments a, Moments b) const { return {a.sum + b.sum, a.squares + b.squares}; }
  __device__ void add(Moments& p, C v, int64_t, C first) const {
    const double d = static_cast<double>(v) - static_cast<double>(first);
    p.sum += d;
    p.squares += d * d;
  }
  __device__ void store(Moments p, int64_t o, C) const {
    const double left = p.squares - p.sum * p.sum / count, v = left < 0 ? 0 : left / count;
    out[o] = convert<T>(root ? sqrt(v) : v);
  }
};

template <class C>
struct PeakSum {
  C peak, total;  // a finite number near the maximum, Σ exp(x - peak)
};
// log Σ exp(x). An infinite or NaN element makes the total so, relative to any finite peak.
template <class T>
struct LogSumExpOp : Base<T, Compute<T>, PeakSum<Compute<T>>> {
  using C = Compute<T>;
  using P = PeakSum<C>;
  static constexpr C kMost = std::numeric_limits<C>::max();
  T* out;
  __device__ P identity() const { return {-kMost, C(0)}; }
  __device__ void raise(P& p, C peak) const {
    if (!(peak > p.peak)) return;
    p.total *= exp(p.peak - peak);
    p.peak = peak;
  }
  template <int V>
  __device__ void prepare(P& p, const C (&v)[V], int64_t e, int64_t apart, int64_t end) const {
    C peak = p.peak;
    TAHR_UNROLL
    for (int u = 0; u < V; ++u)
      if (e + u * apart < end && v[u] > peak) peak = v[u];
    raise(p, peak < kMost ? peak : kMost);
  }
  __device__ void add(P& p, C v, int64_t, C) const { p.total += exp(v - p.peak); }
  __device__ P combine(P a, P b) const {
    const C peak = a.peak > b.peak ? a.peak : b.peak;
    raise(a, peak);
    raise(b, peak);
    return {peak, a.total + b.total};
  }
  __device__ void store(P p, int64_t o, C) const {
    out[o] = convert<T>(log(static_cast<double>(p.total)) + static_cast<double>(p.peak));
  }
};

// ---- the ops ----

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// True if there is nothing to reduce: then the output is `identity`.
bool is_empty(const KernelArgs& a, double identity) {
  if (a.in[0].size() > 0 && a.out[0].size() > 0) return false;
  fill(a.out[0], identity);
  return true;
}

template <class T>
__global__ void widen_kernel(const T* x, int32_t* y, int64_t n) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) y[i] = static_cast<int32_t>(x[i]);
}

// Calls f.operator()<T>(elements) with elements of at least 32 bits, or of a half type.
template <class F>
void with_wide(const Tensor& x, F&& f) {
  switch (x.dtype()) {
    case DType::Int32: return f.template operator()<int32_t>(x.raw());
    case DType::UInt32: return f.template operator()<uint32_t>(x.raw());
    case DType::Int64: return f.template operator()<int64_t>(x.raw());
    case DType::UInt64: return f.template operator()<uint64_t>(x.raw());
    default: break;
  }
  if (is_float(x.dtype())) return visit_float(x.dtype(), [&]<class T>() { f.template operator()<T>(x.raw()); });
  const Scratch wide(static_cast<size_t>(x.size()) * sizeof(int32_t));
  const auto widen = [&]<class T>() {
    launch(widen_kernel<T>, grid_for(x.size(), 4), dim3(kBlock), 0, x.data<T>(), wide.as<int32_t>(), x.size());
  };
  switch (x.dtype()) {
    case DType::Int8: widen.template operator()<int8_t>(); break;
    case DType::Int16: widen.template operator()<int16_t>(); break;
    case DType::UInt16: widen.template operator()<uint16_t>(); break;
    default: widen.template operator()<uint8_t>();
  }
  f.template operator()<int32_t>(wide.as<void>());
}

// Sums and products of integers wrap around: they run on the unsigned type.
template <class T>
struct WrapOf {
  using type = T;
};
template <>
struct WrapOf<int32_t> {
  using type = uint32_t;
};
template <>
struct WrapOf<int64_t> {
  using type = uint64_t;
};

void sum(const KernelArgs& a) {
  if (is_empty(a, 0)) return;
  with_wide(a.in[0], [&]<class W>(const void* x) {
    using T = typename WrapOf<W>::type;
    reduce(SumOp<T>{{}, static_cast<T*>(a.out[0].mutable_raw()), Compute<T>(0)}, x,
           Layout(a.in[0].shape(), a.as<ReduceAttrs>().axis));
  });
}

template <bool kSquares>
void sum_sizes(const KernelArgs& a) {
  if (is_empty(a, 0)) return;
  const Tensor& x = a.in[0];
  visit_float(x.dtype(), [&]<class T>() {
    reduce(SizeOp<T, kSquares>{{{}, a.out[0].mutable_data<T>(), Compute<T>(0)}}, x.raw(),
           Layout(x.shape(), a.as<ReduceAttrs>().axis));
  });
}

void root_sum_squares(const KernelArgs& a) {
  if (is_empty(a, 0)) return;
  const Tensor& x = a.in[0];
  visit_float(x.dtype(), [&]<class T>() {
    reduce(RootOp<T>{{{{}, a.out[0].mutable_data<T>(), Compute<T>(0)}}}, x.raw(),
           Layout(x.shape(), a.as<ReduceAttrs>().axis));
  });
}

void prod(const KernelArgs& a) {
  if (is_empty(a, 1)) return;
  with_wide(a.in[0], [&]<class W>(const void* x) {
    using T = typename WrapOf<W>::type;
    reduce(ProdOp<T>{{}, static_cast<T*>(a.out[0].mutable_raw())}, x,
           Layout(a.in[0].shape(), a.as<ReduceAttrs>().axis));
  });
}

void mean(const KernelArgs& a) {
  if (is_empty(a, kNan)) return;
  const Tensor &x = a.in[0], &out = a.out[0];
  visit_float(x.dtype(), [&]<class T>() {
    reduce(SumOp<T>{{}, out.mutable_data<T>(), static_cast<Compute<T>>(x.size() / out.size())}, x.raw(),
           Layout(x.shape(), a.as<ReduceAttrs>().axis));
  });
}

template <bool kMax>
void extreme(const KernelArgs& a) {
  const auto& at = a.as<ExtremeAttrs>();
  if (is_empty(a, at.initial.value_or(0))) return;
  with_wide(a.in[0], [&]<class T>(const void* x) {
    using C = Compute<T>;
    using Limits = std::numeric_limits<C>;
    constexpr C low = Limits::has_infinity ? -Limits::infinity() : Limits::lowest(),
                high = Limits::has_infinity ? Limits::infinity() : Limits::max();
    C initial{};
    if (at.initial)  // rounded to the output's dtype, as on the CPU
      visit_dtype(a.out[0].dtype(), [&]<class O>() { initial = static_cast<C>(load_as(store_as<O>(*at.initial))); });
    reduce(
        ExtremeOp<T>{
            {}, a.out[0].mutable_raw(), a.out[0].dtype(), kMax, at.initial.has_value(), kMax ? low : high, initial},
        x, Layout(a.in[0].shape(), at.axis));
  });
}

template <bool kMax>
void arg_extreme(const KernelArgs& a) {
  const auto& at = a.as<ArgAttrs>();
  if (is_empty(a, 0)) return;
  const std::span<const int64_t> axis = at.axis ? std::span(&*at.axis, 1) : std::span<const int64_t>();
  with_wide(a.in[0], [&]<class T>(const void* x) {
    reduce(ArgOp<T>{{}, a.out[0].mutable_data<int32_t>(), kMax}, x, Layout(a.in[0].shape(), !at.axis, axis));
  });
}

void truth(const KernelArgs& a, int kind, const Axes& axes) {
  if (is_empty(a, kind == TruthOp<uint8_t>::kAll ? 1 : 0)) return;
  const Tensor& x = a.in[0];
  const auto run = [&]<class T>() {
    using Op = TruthOp<T>;
    const T all = static_cast<T>(~T(0)), mask = is_float(x.dtype()) ? static_cast<T>(all >> 1) : all;
    reduce(Op{{}, static_cast<typename Op::Kind>(kind), mask, a.out[0].mutable_raw()}, x.raw(),
           Layout(x.shape(), axes));
  };
  switch (size_of(x.dtype())) {
    case 1: return run.template operator()<uint8_t>();
    case 2: return run.template operator()<uint16_t>();
    case 4: return run.template operator()<uint32_t>();
    default: return run.template operator()<uint64_t>();
  }
}

template <bool kRoot>
void variance(const KernelArgs& a) {
  if (is_empty(a, kNan)) return;
  const Tensor &x = a.in[0], &out = a.out[0];
  visit_float(x.dtype(), [&]<class T>() {
    reduce(MomentsOp<T>{{}, out.mutable_data<T>(), static_cast<double>(x.size() / out.size()), kRoot}, x.raw(),
           Layout(x.shape(), a.as<ReduceAttrs>().axis));
  });
}

void logsumexp(const KernelArgs& a) {
  if (is_empty(a, -kInfinity)) return;
  const Tensor& x = a.in[0];
  visit_float(x.dtype(), [&]<class T>() {
    reduce(LogSumExpOp<T>{{}, a.out[0].mutable_data<T>()}, x.raw(), Layout(x.shape(), a.as<ReduceAttrs>().axis));
  });
}

}  // namespace

void register_reduce() {
  using Truth = TruthOp<uint8_t>;
  define("sum", sum);
  define("sum_squares", sum_sizes<true>);
  define("sum_magnitudes", sum_sizes<false>);
  define("root_sum_squares", root_sum_squares);
  define("reduce_prod", prod);
  define("mean", mean);
  define("max", extreme<true>);
  define("min", extreme<false>);
  define("argmax", arg_extreme<true>);
  define("argmin", arg_extreme<false>);
  define("any", [](const KernelArgs& a) { truth(a, Truth::kAny, a.as<ReduceAttrs>().axis); });
  define("all", [](const KernelArgs& a) { truth(a, Truth::kAll, a.as<ReduceAttrs>().axis); });
  define("count_nonzero", [](const KernelArgs& a) { truth(a, Truth::kCount, a.as<CountAttrs>().axis); });
  define("var", variance<false>);
  define("std", variance<true>);
  define("logsumexp", logsumexp);
}

}  // namespace tahr::cuda
