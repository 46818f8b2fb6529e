// Attention of halves as one operation of cuDNN's graphs: without mask, bias and causal order, which it takes as graphs
// within the operation only. Plans are made once per problem and kept. cuDNN's statistics are the logarithms of sums;
// the op's pair of a row (maximum, sum) is then (that logarithm, 1).
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

#include "cuda/attention.h"
#include "cuda/cudnn.h"
#include "cuda/dispatch.h"
#include "cuda/pack.h"

namespace tahr::cuda::attention {

using namespace cudnn;

namespace {

constexpr size_t kForwardSince = 91300, kBackwardSince = 92100;  // versions
constexpr size_t kMostPlans = 1024;
constexpr int64_t kMostWidth = 256, kWidthStep = 8;  // of a head
constexpr int64_t kMostWorkspace = int64_t{1} << 30;

__global__ void pair_kernel(const float* logarithms, int64_t n, float* statistics) {
  for (int64_t i = grid_index(); i < n; i += grid_size()) {
    statistics[2 * i] = logarithms[i];
    statistics[2 * i + 1] = 1;
  }
}
__global__ void join_kernel(const float* statistics, int64_t n, float* logarithms) {
  for (int64_t i = grid_index(); i < n; i += grid_size())
    logarithms[i] = statistics[2 * i] + log(statistics[2 * i + 1]);
}

class Descriptor {
 public:
  explicit Descriptor(BackendType type) { good_ = library()->backend_create(type, &at_) == Status::Success; }
  ~Descriptor() {
    if (at_) library()->backend_destroy(at_);
  }
  Descriptor(Descriptor&& other) noexcept : at_(std::exchange(other.at_, nullptr)), good_(other.good_) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;

  template <class T>
  Descriptor& set(Attribute name, ValueType type, std::initializer_list<T> values) {
    return set(name, type, static_cast<int64_t>(values.size()), values.begin());
  }
  Descriptor& set(Attribute name, ValueType type, int64_t count, const void* values) {
    good_ = good_ && library()->backend_set(at_, name, type, count, values) == Status::Success;
    return *this;
  }
  Descriptor& set(Attribute name, const Descriptor& d) {
    good_ = good_ && d.good_;
    return set(name, ValueType::Descriptor, 1, &d.at_);
  }
  Descriptor& finalize() {
    good_ = good_ && library()->backend_finalize(at_) == Status::Success;
    return *this;
  }
  // How many values there are; up to `wanted` of them are read.
  int64_t get(Attribute name, ValueType type, int64_t wanted, void* values) {
    int64_t found = 0;
    good_ = good_ && library()->backend_get(at_, name, type, wanted, &found, values) == Status::Success;
    return good_ ? found : 0;
  }
  bool good() const { return good_; }
  Backend handle() const { return at_; }

 private:
  Backend at_ = nullptr;
  bool good_ = false;
};

// The tensors of both operations, by number; dout, dquery, dkey, dvalue are the backward one's only.
enum Number : int64_t { kQuery = 1, kKey, kValue, kOut, kStatistics, kScale, kDOut, kDQuery, kDKey, kDValue };
struct Entry {
  Number number;
  Attribute forward, backward;
};
constexpr Entry kEntries[] = {
    {kQuery, Attribute::ForwardQuery, Attribute::BackwardQuery},
    {kKey, Attribute::ForwardKey, Attribute::BackwardKey},
    {kValue, Attribute::ForwardValue, Attribute::BackwardValue},
    {kOut, Attribute::ForwardOut, Attribute::BackwardOut},
    {kStatistics, Attribute::ForwardStatistics, Attribute::BackwardStatistics},
    {kScale, Attribute::ForwardScale, Attribute::BackwardScale},
    {kDOut, Attribute{}, Attribute::BackwardDOut},
    {kDQuery, Attribute{}, Attribute::BackwardDQuery},
    {kDKey, Attribute{}, Attribute::BackwardDKey},
    {kDValue, Attribute{}, Attribute::BackwardDValue},
};
constexpr size_t kForwardEntries = 6, kBackwardEntries = std::size(kEntries);

Descriptor describe(Number number, const Sizes& n, DataType type) {
  Descriptor d(BackendType::Tensor);
  if (number == kScale) {
    const bool by_value = true;
    d.set(Attribute::TensorType, ValueType::DataType, {DataType::Float})
        .set<int64_t>(Attribute::TensorSizes, ValueType::Int64, {1, 1, 1, 1})
        .set<int64_t>(Attribute::TensorStrides, ValueType::Int64, {1, 1, 1, 1})
        .set(Attribute::TensorByValue, ValueType::Boolean, 1, &by_value);
  } else if (number == kStatistics) {
    d.set(Attribute::TensorType, ValueType::DataType, {DataType::Float})
        .set<int64_t>(Attribute::TensorSizes, ValueType::Int64, {n.b, n.n, n.t, 1})
        .set<int64_t>(Attribute::TensorStrides, ValueType::Int64, {n.n * n.t, n.t, 1, 1});
  } else {
    const bool queries = number == kQuery || number == kOut || number == kDOut || number == kDQuery;
    const bool keyed = number == kQuery || number == kKey || number == kDQuery || number == kDKey;
    const int64_t heads = queries ? n.n : n.k, length = queries ? n.t : n.s, width = keyed ? n.h : n.v;
    d.set(Attribute::TensorType, ValueType::DataType, {type})
        .set<int64_t>(Attribute::TensorSizes, ValueType::Int64, {n.b, heads, length, width})
        .set<int64_t>(Attribute::TensorStrides, ValueType::Int64, {length * heads * width, width, heads * width, 1});
  }
  d.set<int64_t>(Attribute::TensorNumber, ValueType::Int64, {number})
      .set<int64_t>(Attribute::TensorAlignment, ValueType::Int64, {number == kStatistics || number == kScale ? 4 : 16});
  d.finalize();
  return d;
}

struct Plan {
  std::unique_ptr<Descriptor> plan;  // null: cuDNN has none that gives the same bits each time
  int64_t workspace = 0;

  Plan(bool backward, const Sizes& n, DataType type);
  Status run(bool backward, void* const* pointers) const;
};

// Whether an engine's configuration gives the same bits each time.
bool deterministic(Descriptor& config) {
  Descriptor engine(BackendType::Engine);
  Backend at = engine.handle();
  NumericalNote notes[kNumericalNotes] = {};
  if (config.get(Attribute::ConfigEngine, ValueType::Descriptor, 1, &at) != 1) return false;
  const int64_t count = engine.get(Attribute::EngineNotes, ValueType::NumericalNote, kNumericalNotes, notes);
  return engine.good() &&
         std::find(notes, notes + std::min<int64_t>(count, kNumericalNotes), NumericalNote::Nondeterministic) ==
             notes + std::min<int64_t>(count, kNumericalNotes);
}

Plan::Plan(bool backward, const Sizes& n, DataType type) {
  const Handle h = cudnn::handle();
  Descriptor operation(backward ? BackendType::AttentionBackward : BackendType::AttentionForward);
  std::vector<Descriptor> tensors;
  for (size_t i = 0; i < (backward ? kBackwardEntries : kForwardEntries); ++i) {
    tensors.push_back(describe(kEntries[i].number, n, type));
    operation.set(backward ? kEntries[i].backward : kEntries[i].forward, tensors.back());
  }
  operation.finalize();
  Descriptor graph(BackendType::Graph);
  graph.set(Attribute::GraphHandle, ValueType::Handle, 1, &h).set(Attribute::GraphOperations, operation).finalize();
  for (const HeuristicMode mode : {HeuristicMode::A, HeuristicMode::Fallback}) {
    Descriptor heuristic(BackendType::Heuristic);
    heuristic.set(Attribute::HeuristicGraph, graph).set(Attribute::HeuristicMode, ValueType::HeuristicMode, {mode});
    heuristic.finalize();
    const int64_t count = heuristic.get(Attribute::HeuristicResults, ValueType::Descriptor, 0, nullptr);
    std::vector<Descriptor> configs;
    std::vector<Backend> places;
    for (int64_t i = 0; i < count; ++i) {
      configs.emplace_back(BackendType::EngineConfig);
      places.push_back(configs.back().handle());
    }
    if (count == 0) continue;
    const int64_t found = heuristic.get(Attribute::HeuristicResults, ValueType::Descriptor, count, places.data());
    for (int64_t i = 0; i < std::min(count, found); ++i) {
      Descriptor& config = configs[static_cast<size_t>(i)];
      if (!deterministic(config)) continue;
      auto made = std::make_unique<Descriptor>(BackendType::Plan);
      made->set(Attribute::PlanHandle, ValueType::Handle, 1, &h).set(Attribute::PlanConfig, config).finalize();
      if (made->get(Attribute::PlanWorkspace, ValueType::Int64, 1, &workspace) != 1 || workspace > kMostWorkspace)
        continue;
      plan = std::move(made);
      return;
    }
  }
}

Status Plan::run(bool backward, void* const* pointers) const {
  const Handle h = cudnn::handle();
  const Scratch room(static_cast<size_t>(std::max<int64_t>(workspace, 1)));
  void* space = room.as<void>();
  int64_t numbers[kBackwardEntries];
  const size_t count = backward ? kBackwardEntries : kForwardEntries;
  for (size_t i = 0; i < count; ++i) numbers[i] = kEntries[i].number;
  Descriptor pack(BackendType::VariantPack);
  pack.set(Attribute::PackNumbers, ValueType::Int64, static_cast<int64_t>(count), numbers)
      .set(Attribute::PackPointers, ValueType::Pointer, static_cast<int64_t>(count), pointers)
      .set(Attribute::PackWorkspace, ValueType::Pointer, 1, &space)
      .finalize();
  if (!pack.good()) return Status::BadParam;
  return library()->backend_execute(h, plan->handle(), pack.handle());
}

// TAHR_VERBOSE=dispatch: what each problem goes to, once.
void say(bool backward, DType dtype, const Sizes& n, const Plan& p) {
  if (!tells_dispatch()) return;
  const std::string to = p.plan ? concat("cuDNN, workspace ", p.workspace)
                                : "tahr's kernel: cuDNN has none for it that gives the same bits each time";
  std::fprintf(stderr, "[dispatch] %s %s batch=%lld queries=%lld keys=%lld heads=%lld of %lld size=%lld, %lld: %s\n",
               backward ? "attention_grad" : "attention", name_of(dtype), static_cast<long long>(n.b),
               static_cast<long long>(n.t), static_cast<long long>(n.s), static_cast<long long>(n.n),
               static_cast<long long>(n.k), static_cast<long long>(n.h), static_cast<long long>(n.v), to.c_str());
}

bool fits(const KernelArgs& a, size_t first, size_t bias, const Sizes& n) {
  static const bool off = [] {
    const char* v = std::getenv("TAHR_CUDNN_ATTENTION");
    return v && std::string_view(v) == "none";
  }();
  const auto given = [&](size_t i) { return i < a.in.size() && a.in[i].defined(); };
  if (off || !is_half(a.in[first].dtype()) || n.causal || given(bias) || given(bias + 1)) return false;
  for (const int64_t width : {n.h, n.v})
    if (width == 0 || width % kWidthStep != 0 || width > kMostWidth) return false;
  const auto in_reach = [](const Tensor& t) { return !t.defined() || aligned(t.raw(), 16); };
  const int64_t most = int64_t{1} << 31;
  return std::all_of(a.in.begin(), a.in.end(), in_reach) && std::all_of(a.out.begin(), a.out.end(), in_reach) &&
         n.b * n.t * n.n < most / std::max(n.h, n.v) && n.b * n.s * n.k < most / std::max(n.h, n.v);
}

// Null where the problem is not cuDNN's. The handles' mutex is held.
const Plan* plan_for(bool backward, DType dtype, const Sizes& n) {
  const Api* api = library().get();
  if (!api || api->get_version() < (backward ? kBackwardSince : kForwardSince)) return nullptr;
  using Key = std::array<int64_t, 10>;
  static auto* plans = new std::map<Key, Plan>;
  const Key key{backward, static_cast<int64_t>(dtype), device(), n.b, n.t, n.n, n.h, n.s, n.k, n.v};
  auto it = plans->find(key);
  if (it == plans->end()) {
    if (plans->size() >= kMostPlans) plans->clear();
    it = plans->try_emplace(key, backward, n, dtype == DType::Float16 ? DataType::Half : DataType::BFloat16).first;
    say(backward, dtype, n, it->second);
  }
  return it->second.plan ? &it->second : nullptr;
}

// Whether it ran.
bool ran(Status s) {
  if (not_supported(s)) return false;
  cudnn::check(s, "run attention");
  return true;
}

void* raw(const Tensor& t) { return const_cast<void*>(static_cast<const void*>(t.raw())); }

}  // namespace

bool forward_cudnn(const KernelArgs& a) {
  Sizes n(a, 0);
  if (!fits(a, 0, 3, n)) return false;
  const std::lock_guard lock(mutex());
  const Plan* plan = plan_for(false, a.in[0].dtype(), n);
  if (!plan) return false;
  const int64_t rows = n.b * n.n * n.t;
  const Scratch logarithms(static_cast<size_t>(rows) * sizeof(float));
  void* const pointers[] = {raw(a.in[0]), raw(a.in[1]), raw(a.in[2]), raw(a.out[0]), logarithms.as<void>(), &n.scale};
  if (!ran(plan->run(false, pointers))) return false;
  launch(pair_kernel, grid_for(rows), dim3(kBlock), 0, logarithms.as<float>(), rows, a.out[1].mutable_data<float>());
  return true;
}

bool backward_cudnn(const KernelArgs& a) {
  Sizes n(a, 1);
  if (!fits(a, 1, 6, n)) return false;
  const std::lock_guard lock(mutex());
  const Plan* plan = plan_for(true, a.in[1].dtype(), n);
  if (!plan) return false;
  const int64_t rows = n.b * n.n * n.t;
  const Scratch logarithms(static_cast<size_t>(rows) * sizeof(float));
  launch(join_kernel, grid_for(rows), dim3(kBlock), 0, a.in[5].data<float>(), rows, logarithms.as<float>());
  void* const pointers[] = {raw(a.in[1]), raw(a.in[2]), raw(a.in[3]),  raw(a.in[4]),  logarithms.as<void>(),
                            &n.scale,     raw(a.in[0]), raw(a.out[0]), raw(a.out[1]), raw(a.out[2])};
  return ran(plan->run(true, pointers));
}

}  // namespace tahr::cuda::attention
