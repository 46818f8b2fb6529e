// Plans of cuDNN's convolutions: descriptors, and the first of the algorithms that cuDNN recommends which gives the
// same bits each time and has a workspace of bearable size.
#include "cuda/conv_cudnn.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <mutex>

#include "core/device.h"
#include "cuda/cudnn.h"
#include "cuda/dispatch.h"

namespace tahr::cuda {

using namespace cudnn;

namespace {

constexpr size_t kMostWorkspace = size_t{1} << 30;
constexpr size_t kMostPlans = 4096;
constexpr int kMostAlgos = 8;
static_assert(kMostAlgos >= kForwardAlgos && kMostAlgos >= kDataAlgos && kMostAlgos >= kFilterAlgos);

bool type_of(DType d, DataType* type) {
  switch (d) {
    case DType::Float32: *type = DataType::Float; return true;
    case DType::Float16: *type = DataType::Half; return true;
    case DType::BFloat16: *type = DataType::BFloat16; return true;
    default: return false;
  }
}

bool atomics(ConvKind kind, int32_t algo) {
  if (kind == ConvKind::Dx) return algo == kDataAtomics;
  return kind == ConvKind::Dw && (algo == kFilterAtomics || algo == kFilterAtomicsPrecomputed);
}

}  // namespace

class ConvPlan {
 public:
  ConvPlan(ConvKind kind, DataType type, const ConvShape& s);
  ~ConvPlan() {
    library()->destroy_tensor(x_);
    library()->destroy_tensor(y_);
    library()->destroy_filter(w_);
    library()->destroy_conv(conv_);
  }
  ConvPlan(const ConvPlan&) = delete;
  ConvPlan& operator=(const ConvPlan&) = delete;

  bool found() const { return found_; }
  int32_t algorithm() const { return algo_; }
  size_t workspace() const { return workspace_; }
  Status run(void* x, void* w, void* y) const;

 private:
  Status algorithms(int* count, AlgoPerf* results) const;
  Status workspace_of(int32_t algo, size_t* bytes) const;
  void choose(DataType type);

  ConvKind kind_;
  TensorDesc *x_ = nullptr, *y_ = nullptr;
  FilterDesc* w_ = nullptr;
  ConvDesc* conv_ = nullptr;
  int32_t algo_ = 0;
  size_t workspace_ = 0;
  bool found_ = false;
};

ConvPlan::ConvPlan(ConvKind kind, DataType type, const ConvShape& s) : kind_(kind) {
  const Api& api = *library().get();
  // Two spatial axes, unless the first of three is more than a formality.
  const int from = s.x[0] == 1 && s.y[0] == 1 && s.window[0] == 1 && s.low[0] == 0 ? 1 : 0;
  const int axes = kConvAxes - from, rank = axes + 2;
  const auto i = [](int64_t v) { return static_cast<int>(v); };
  // Channels last: (n, spatial..., channels) in memory, sizes and strides in cuDNN's order.
  const auto describe = [&](TensorDesc** desc, int64_t channels, const int64_t* size) {
    int sizes[kConvAxes + 2] = {i(s.n), i(channels)}, strides[kConvAxes + 2] = {0, 1};
    int64_t stride = channels;
    for (int a = axes - 1; a >= 0; --a) {
      sizes[a + 2] = i(size[from + a]);
      strides[a + 2] = i(stride);
      stride *= size[from + a];
    }
    strides[0] = i(stride);
    check(api.create_tensor(desc), "describe a tensor");
    check(api.set_tensor(*desc, type, rank, sizes, strides), "describe a tensor");
  };
  describe(&x_, s.groups * s.cin, s.x);
  describe(&y_, s.groups * s.cout, s.y);
  int filter[kConvAxes + 2] = {i(s.groups * s.cout), i(s.cin)}, padding[kConvAxes], strides[kConvAxes],
                         dilation[kConvAxes];
  for (int a = 0; a < axes; ++a) {
    filter[a + 2] = i(s.window[from + a]);
    padding[a] = i(s.low[from + a]);
    strides[a] = i(s.stride[from + a]);
    dilation[a] = i(s.dilation[from + a]);
  }
  check(api.create_filter(&w_), "describe a filter");
  check(api.set_filter(w_, type, Format::Nhwc, rank, filter), "describe a filter");
  check(api.create_conv(&conv_), "describe a convolution");
  check(api.set_conv(conv_, axes, padding, strides, dilation, Mode::CrossCorrelation, DataType::Float),
        "describe a convolution");
  check(api.set_conv_groups(conv_, i(s.groups)), "describe a convolution");
  choose(type);
}

Status ConvPlan::algorithms(int* count, AlgoPerf* results) const {
  const Api& api = *library().get();
  switch (kind_) {
    case ConvKind::Forward: return api.forward_algorithms(handle(), x_, w_, conv_, y_, kMostAlgos, count, results);
    case ConvKind::Dx: return api.data_algorithms(handle(), w_, y_, conv_, x_, kMostAlgos, count, results);
    default: return api.filter_algorithms(handle(), x_, y_, conv_, w_, kMostAlgos, count, results);
  }
}

Status ConvPlan::workspace_of(int32_t algo, size_t* bytes) const {
  const Api& api = *library().get();
  switch (kind_) {
    case ConvKind::Forward: return api.forward_workspace(handle(), x_, w_, conv_, y_, algo, bytes);
    case ConvKind::Dx: return api.data_workspace(handle(), w_, y_, conv_, x_, algo, bytes);
    default: return api.filter_workspace(handle(), x_, y_, conv_, w_, algo, bytes);
  }
}

void ConvPlan::choose(DataType type) {
  const bool exact = type == DataType::Float && !device_settings().tensor_float_32;
  const Math wanted = exact ? Math::Fma : type == DataType::Float ? Math::Default : Math::TensorOp;
  check(library()->set_conv_math(conv_, wanted), "describe a convolution");
  AlgoPerf results[kMostAlgos] = {};
  int count = 0;
  if (algorithms(&count, results) != Status::Success) return;
  for (const AlgoPerf& r : std::span(results, static_cast<size_t>(count))) {
    if (r.status != Status::Success || r.determinism != Determinism::Yes || atomics(kind_, r.algo)) continue;
    check(library()->set_conv_math(conv_, exact ? wanted : r.math), "describe a convolution");
    size_t bytes = 0;
    if (workspace_of(r.algo, &bytes) != Status::Success || bytes > kMostWorkspace) continue;
    algo_ = r.algo;
    workspace_ = bytes;
    found_ = true;
    return;
  }
}

Status ConvPlan::run(void* x, void* w, void* y) const {
  const Api& api = *library().get();
  const float one = 1, zero = 0;
  const Scratch room(std::max<size_t>(workspace_, 1));
  void* space = workspace_ ? room.as<void>() : nullptr;
  switch (kind_) {
    case ConvKind::Forward:
      return api.forward(handle(), &one, x_, x, w_, w, conv_, algo_, space, workspace_, &zero, y_, y);
    case ConvKind::Dx:
      return api.backward_data(handle(), &one, w_, w, y_, y, conv_, algo_, space, workspace_, &zero, x_, x);
    default: return api.backward_filter(handle(), &one, x_, x, y_, y, conv_, algo_, space, workspace_, &zero, w_, w);
  }
}

namespace {

// TAHR_VERBOSE=dispatch: what each problem goes to, once.
void say(ConvKind kind, DType dtype, const ConvShape& s, const ConvPlan& plan) {
  if (!tells_dispatch()) return;
  const char* name = kind == ConvKind::Forward ? "conv_forward" : kind == ConvKind::Dx ? "conv_dx" : "conv_dw";
  const auto triple = [](const int64_t* v) { return concat(v[0], "x", v[1], "x", v[2]); };
  const std::string to = plan.found() ? concat("cuDNN's algorithm ", plan.algorithm(), ", workspace ", plan.workspace())
                                      : "tahr's kernel: cuDNN has no deterministic algorithm for it";
  std::fprintf(stderr, "[dispatch] %s %s n=%lld x=%s y=%s window=%s stride=%s channels=%lld to %lld groups=%lld: %s\n",
               name, name_of(dtype), static_cast<long long>(s.n), triple(s.x).c_str(), triple(s.y).c_str(),
               triple(s.window).c_str(), triple(s.stride).c_str(), static_cast<long long>(s.cin * s.groups),
               static_cast<long long>(s.cout * s.groups), static_cast<long long>(s.groups), to.c_str());
}

}  // namespace

std::shared_ptr<const ConvPlan> conv_plan(ConvKind kind, DType dtype, const ConvShape& s) {
  DataType type;
  if (!type_of(dtype, &type) || !s.small()) return nullptr;
  if (!library().get()) {
    static std::once_flag once;
    std::call_once(once, [] {
      std::fprintf(stderr, "%s Until then convolutions run on tahr's own kernels, many times slower.\n",
                   library().why().c_str());
    });
    return nullptr;
  }
  // cuDNN counts elements in 32 bits, and takes nothing empty.
  const int64_t x = s.n * s.groups * s.cin * s.x[0] * s.x[1] * s.x[2], y = s.n * s.groups * s.cout * s.places();
  const int64_t w = s.taps() * s.cin * s.cout * s.groups, most = std::max({x, y, w});
  if (x == 0 || y == 0 || w == 0 || most >= int64_t{1} << 31) return nullptr;

  using Key = std::array<int64_t, 26>;
  Key key{static_cast<int64_t>(kind),
          static_cast<int64_t>(dtype),
          device(),
          device_settings().tensor_float_32,
          s.n,
          s.groups,
          s.cin,
          s.cout};
  size_t at = 8;
  for (const auto* values : {s.x, s.y, s.window, s.stride, s.dilation, s.low}) {
    for (int a = 0; a < kConvAxes; ++a) key[at++] = values[a];
  }
  static auto* plans = new std::map<Key, std::shared_ptr<const ConvPlan>>;
  const std::lock_guard lock(mutex());
  auto it = plans->find(key);
  if (it == plans->end()) {
    if (plans->size() >= kMostPlans) plans->clear();
    it = plans->emplace(key, std::make_shared<const ConvPlan>(kind, type, s)).first;
    say(kind, dtype, s, *it->second);
  }
  return it->second->found() ? it->second : nullptr;
}

bool run_conv_plan(const ConvPlan& plan, void* x, void* w, void* y) {
  const std::lock_guard lock(mutex());
  const Status s = plan.run(x, w, y);
  if (not_supported(s)) return false;
  check(s, "run a convolution");
  return true;
}

}  // namespace tahr::cuda
