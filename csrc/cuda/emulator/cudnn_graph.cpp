// The emulated cuDNN's graphs: attention as one operation, by plain loops that go by the descriptors alone. It insists
// on what the true library needs (everything finalized, every tensor in the pack, statistics of floats, aligned
// memory), and offers an engine first that does not give the same bits each time, and gives NaN here.
#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "cudnn.h"

namespace tahr::cuda::cudnn {
namespace {

constexpr int64_t kWork = 64;

struct Object {
  BackendType type;
  bool finalized = false;
  std::map<Attribute, std::vector<char>> values;
  Object* graph = nullptr;  // of heuristics, configurations, engines, plans
  bool deterministic = true;

  template <class T>
  std::vector<T> all(Attribute name) const {
    const auto it = values.find(name);
    if (it == values.end()) return {};
    std::vector<T> r(it->second.size() / sizeof(T));
    std::memcpy(r.data(), it->second.data(), it->second.size());
    return r;
  }
  template <class T>
  T one(Attribute name) const {
    const std::vector<T> v = all<T>(name);
    return v.empty() ? T{} : v[0];
  }
};
Object* object(Backend b) { return static_cast<Object*>(b); }

size_t size_of_value(ValueType t) {
  switch (t) {
    case ValueType::Boolean: return 1;
    case ValueType::DataType:
    case ValueType::HeuristicMode:
    case ValueType::NumericalNote: return 4;
    default: return 8;
  }
}

struct View {
  DataType type;
  void* at;
  int64_t sizes[4], strides[4];
  int64_t place(int64_t b, int64_t h, int64_t i, int64_t c) const {
    return b * strides[0] + h * strides[1] + i * strides[2] + c * strides[3];
  }
  double value(int64_t b, int64_t h, int64_t i, int64_t c) const { return load(type, at, place(b, h, i, c)); }
  void put(int64_t b, int64_t h, int64_t i, int64_t c, double v) const { store(type, at, place(b, h, i, c), v); }
};

struct Problem {
  View query, key, value, out, statistics, dout, dquery, dkey, dvalue;
  double scale;
  bool backward, nan;

  void run() const {
    const auto [b_, heads, t, h_] = query.sizes;
    const int64_t kv_heads = key.sizes[1], s = key.sizes[2], h = query.sizes[3], v = value.sizes[3];
    const double spoil = nan ? std::numeric_limits<double>::quiet_NaN() : 0;
    std::vector<double> dk(static_cast<size_t>(s * h)), dv(static_cast<size_t>(s * v)), p(static_cast<size_t>(s));
    for (int64_t b = 0; b < query.sizes[0]; ++b)
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t group = heads / kv_heads, kh = head / group;
        if (head % group == 0) {
          std::fill(dk.begin(), dk.end(), spoil);
          std::fill(dv.begin(), dv.end(), spoil);
        }
        for (int64_t i = 0; i < t; ++i) {
          double most = -std::numeric_limits<double>::infinity(), total = 0;
          for (int64_t j = 0; j < s; ++j) {
            double sum = 0;
            for (int64_t c = 0; c < h; ++c) sum += query.value(b, head, i, c) * key.value(b, kh, j, c);
            p[static_cast<size_t>(j)] = sum * scale;
            most = std::max(most, sum * scale);
          }
          if (backward) {
            const double known = statistics.value(b, head, i, 0);
            for (double& x : p) x = std::exp(x - known);
          } else {
            for (double& x : p) total += x = std::exp(x - most);
            for (double& x : p) x /= total;
            statistics.put(b, head, i, 0, most + std::log(total));
            for (int64_t c = 0; c < v; ++c) {
              double sum = spoil;
              for (int64_t j = 0; j < s; ++j) sum += p[static_cast<size_t>(j)] * value.value(b, kh, j, c);
              out.put(b, head, i, c, sum);
            }
            continue;
          }
          double dot = 0;
          for (int64_t c = 0; c < v; ++c) dot += dout.value(b, head, i, c) * out.value(b, head, i, c);
          std::vector<double> dq(static_cast<size_t>(h), spoil);
          for (int64_t j = 0; j < s; ++j) {
            double dp = 0;
            const double weight = p[static_cast<size_t>(j)];
            for (int64_t c = 0; c < v; ++c) {
              dp += dout.value(b, head, i, c) * value.value(b, kh, j, c);
              dv[static_cast<size_t>(j * v + c)] += weight * dout.value(b, head, i, c);
            }
            const double ds = weight * (dp - dot) * scale;
            for (int64_t c = 0; c < h; ++c) {
              dq[static_cast<size_t>(c)] += ds * key.value(b, kh, j, c);
              dk[static_cast<size_t>(j * h + c)] += ds * query.value(b, head, i, c);
            }
          }
          for (int64_t c = 0; c < h; ++c) dquery.put(b, head, i, c, dq[static_cast<size_t>(c)]);
        }
        if (!backward || head % group != group - 1) continue;
        for (int64_t j = 0; j < s; ++j) {
          for (int64_t c = 0; c < h; ++c) dkey.put(b, kh, j, c, dk[static_cast<size_t>(j * h + c)]);
          for (int64_t c = 0; c < v; ++c) dvalue.put(b, kh, j, c, dv[static_cast<size_t>(j * v + c)]);
        }
      }
  }
};

constexpr Attribute kForward[] = {Attribute::ForwardQuery, Attribute::ForwardKey,        Attribute::ForwardValue,
                                  Attribute::ForwardOut,   Attribute::ForwardStatistics, Attribute::ForwardScale};
constexpr Attribute kBackward[] = {Attribute::BackwardQuery, Attribute::BackwardKey,        Attribute::BackwardValue,
                                   Attribute::BackwardOut,   Attribute::BackwardStatistics, Attribute::BackwardScale,
                                   Attribute::BackwardDOut,  Attribute::BackwardDQuery,     Attribute::BackwardDKey,
                                   Attribute::BackwardDValue};

Status finalize(Backend b) {
  Object* o = object(b);
  const auto has = [&](Attribute a) { return o->values.count(a) > 0; };
  const auto ready = [&](Attribute a) { return has(a) && object(o->one<Backend>(a))->finalized; };
  bool good = true;
  switch (o->type) {
    case BackendType::Tensor: {
      const auto sizes = o->all<int64_t>(Attribute::TensorSizes), strides = o->all<int64_t>(Attribute::TensorStrides);
      good = sizes.size() == 4 && strides.size() == 4 && has(Attribute::TensorType) && has(Attribute::TensorNumber) &&
             has(Attribute::TensorAlignment) &&
             std::all_of(sizes.begin(), sizes.end(), [](int64_t n) { return n > 0; });
      break;
    }
    case BackendType::AttentionForward:
      for (const Attribute a : kForward) good = good && ready(a);
      break;
    case BackendType::AttentionBackward:
      for (const Attribute a : kBackward) good = good && ready(a);
      break;
    case BackendType::Graph: good = has(Attribute::GraphHandle) && ready(Attribute::GraphOperations); break;
    case BackendType::Heuristic:
      good = ready(Attribute::HeuristicGraph) && has(Attribute::HeuristicMode);
      o->graph = object(o->one<Backend>(Attribute::HeuristicGraph));
      break;
    case BackendType::Plan: {
      good = has(Attribute::PlanHandle) && ready(Attribute::PlanConfig);
      if (!good) break;
      // What it is made of may be given back now.
      const Object* config = object(o->one<Backend>(Attribute::PlanConfig));
      Object* operation = new Object(*object(config->graph->one<Backend>(Attribute::GraphOperations)));
      for (auto& [name, value] : operation->values) {
        Backend tensor = new Object(*object(operation->one<Backend>(name)));
        std::memcpy(value.data(), &tensor, sizeof tensor);
      }
      o->graph = operation;
      o->deterministic = config->deterministic;
      break;
    }
    default: break;
  }
  o->finalized = good;
  return good ? Status::Success : Status::BadParam;
}

Status destroy_object(Backend b) {
  Object* o = object(b);
  if (o->type == BackendType::Plan && o->graph) {
    for (const auto& [name, value] : o->graph->values) delete object(o->graph->one<Backend>(name));
    delete o->graph;
  }
  delete o;
  return Status::Success;
}

Status set(Backend b, Attribute name, ValueType type, int64_t count, const void* values) {
  if (!b || object(b)->finalized || count < 1) return Status::BadParam;
  const auto* from = static_cast<const char*>(values);
  object(b)->values[name].assign(from, from + static_cast<size_t>(count) * size_of_value(type));
  return Status::Success;
}

Status get(Backend b, Attribute name, ValueType, int64_t wanted, int64_t* found, void* values) {
  const Object* o = object(b);
  if (name == Attribute::HeuristicResults && o->finalized) {
    *found = o->one<HeuristicMode>(Attribute::HeuristicMode) == HeuristicMode::A ? 2 : 0;
    for (int64_t i = 0; i < std::min(wanted, *found); ++i) {
      Object* config = object(static_cast<Backend*>(values)[i]);
      config->graph = o->graph;
      config->deterministic = i == 1;
      config->finalized = true;
    }
  } else if (name == Attribute::ConfigEngine && o->finalized) {
    *found = 1;
    object(*static_cast<Backend*>(values))->deterministic = o->deterministic;
  } else if (name == Attribute::EngineNotes) {
    *found = o->deterministic ? 0 : 1;
    if (!o->deterministic) static_cast<NumericalNote*>(values)[0] = NumericalNote::Nondeterministic;
  } else if (name == Attribute::PlanWorkspace && o->finalized) {
    *found = 1;
    *static_cast<int64_t*>(values) = kWork;
  } else {
    return Status::BadParam;
  }
  return Status::Success;
}

Status execute(Handle h, Backend plan, Backend pack) {
  const Object &p = *object(plan), &given = *object(pack);
  if (!h || !h->stream || !p.finalized || !given.finalized) return Status::BadParam;
  const auto numbers = given.all<int64_t>(Attribute::PackNumbers);
  const auto pointers = given.all<void*>(Attribute::PackPointers);
  void* work = given.one<void*>(Attribute::PackWorkspace);
  if (numbers.size() != pointers.size() || !work) return Status::BadParam;
  Problem problem{};
  problem.backward = p.graph->type == BackendType::AttentionBackward;
  problem.nan = !p.deterministic;
  View* const views[] = {&problem.query, &problem.key,  &problem.value,  &problem.out,  &problem.statistics,
                         nullptr,        &problem.dout, &problem.dquery, &problem.dkey, &problem.dvalue};
  const size_t count = problem.backward ? std::size(kBackward) : std::size(kForward);
  for (size_t i = 0; i < count; ++i) {
    const Object& tensor = *object(p.graph->one<Backend>(problem.backward ? kBackward[i] : kForward[i]));
    const auto it = std::find(numbers.begin(), numbers.end(), tensor.one<int64_t>(Attribute::TensorNumber));
    if (it == numbers.end()) return Status::BadParam;
    void* at = pointers[static_cast<size_t>(it - numbers.begin())];
    if (!at ||
        reinterpret_cast<uintptr_t>(at) % static_cast<uintptr_t>(tensor.one<int64_t>(Attribute::TensorAlignment)))
      return Status::BadParam;
    if (!views[i]) {
      if (!tensor.one<char>(Attribute::TensorByValue)) return Status::NotSupported;
      problem.scale = *static_cast<const float*>(at);
      continue;
    }
    View& v = *views[i];
    v.type = tensor.one<DataType>(Attribute::TensorType);
    v.at = at;
    if ((views[i] == &problem.statistics) != (v.type == DataType::Float)) return Status::NotSupported;
    const auto sizes = tensor.all<int64_t>(Attribute::TensorSizes),
               strides = tensor.all<int64_t>(Attribute::TensorStrides);
    std::copy(sizes.begin(), sizes.end(), v.sizes);
    std::copy(strides.begin(), strides.end(), v.strides);
  }
  const auto body = [problem, work] {
    std::memset(work, 0xff, kWork);
    problem.run();
  };
  const cudaError_t e = emulator::launch(nullptr, body, dim3(1), dim3(1), 0, h->stream);
  return e == cudaSuccess ? Status::Success : Status::ExecutionFailed;
}

}  // namespace

void add_graph(Api& a) {
  a.backend_create = [](BackendType type, Backend* b) {
    *b = new Object{type, false, {}, nullptr, true};
    return Status::Success;
  };
  a.backend_destroy = destroy_object;
  a.backend_finalize = finalize;
  a.backend_set = set;
  a.backend_get = get;
  a.backend_execute = execute;
}

}  // namespace tahr::cuda::cudnn
