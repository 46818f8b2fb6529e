// Products by cuBLASLt: what a product is called there, and the choice of an algorithm, kept per problem.
//
// cuBLASLt's matrices are column-major. A row-major matrix read so is its transpose, so C = op(A) op(B) is asked for as
// C^T = op(B)^T op(A)^T: the factors change places and keep their flags, n counts the rows, and a bias per column of C
// is one per row, as cuBLASLt has it.
#include "cuda/cublaslt.h"

#include <array>
#include <bit>
#include <cstdio>
#include <map>
#include <mutex>
#include <unordered_map>

#include "core/device.h"
#include "cuda/dispatch.h"
#include "cuda/gemm.h"

namespace tahr::cuda {
namespace cublaslt {

const Opened<Api>& library() {
  static const auto* opened = [] {
#if defined(TAHR_CUDA_EMULATED)
    const char* none = std::getenv("TAHR_EMULATED_LIBRARIES");  // "none": as on a machine without them
    if (!none || std::string_view(none) != "none") return new Opened<Api>("cuBLASLt", emulated());
#endif
    const LibraryNames names{"cuBLASLt", "nvidia-cublas", {"libcublasLt.so.13", "libcublasLt.so.12"}};
    return new Opened<Api>(names, [](const SharedLibrary& l, Api& a) {
      l.bind(a.create, "cublasLtCreate");
      l.bind(a.get_version, "cublasLtGetVersion");
      l.bind(a.get_status_name, "cublasLtGetStatusName");
      l.bind(a.matmul, "cublasLtMatmul");
      l.bind(a.desc_create, "cublasLtMatmulDescCreate");
      l.bind(a.desc_destroy, "cublasLtMatmulDescDestroy");
      l.bind(a.desc_set, "cublasLtMatmulDescSetAttribute");
      l.bind(a.layout_create, "cublasLtMatrixLayoutCreate");
      l.bind(a.layout_destroy, "cublasLtMatrixLayoutDestroy");
      l.bind(a.layout_set, "cublasLtMatrixLayoutSetAttribute");
      l.bind(a.preference_create, "cublasLtMatmulPreferenceCreate");
      l.bind(a.preference_destroy, "cublasLtMatmulPreferenceDestroy");
      l.bind(a.preference_set, "cublasLtMatmulPreferenceSetAttribute");
      l.bind(a.get_heuristic, "cublasLtMatmulAlgoGetHeuristic");
      l.bind(a.algo_get, "cublasLtMatmulAlgoConfigGetAttribute");
    });
  }();
  return *opened;
}

}  // namespace cublaslt

namespace {

using namespace cublaslt;

constexpr size_t kWorkspace = size_t{32} << 20;  // what NVIDIA recommends for Hopper
constexpr int kCandidates = 8;
constexpr size_t kMostPlans = 4096;

void check(Status s, const char* what) {
  if (s == Status::Success) return;
  throw_runtime("[gpu] cuBLASLt could not ", what, ": ", library()->get_status_name(s), ".");
}

struct Types {
  DataType in, out, scale;
  ComputeType compute;
};
// False: cuBLASLt does not multiply these.
bool types_of(DType t, Types* r) {
  switch (t) {
    case DType::Float32:
      *r = {DataType::R32F, DataType::R32F, DataType::R32F,
            device_settings().tensor_float_32 ? ComputeType::F32FastTf32 : ComputeType::F32};
      return true;
    case DType::Float64: *r = {DataType::R64F, DataType::R64F, DataType::R64F, ComputeType::F64}; return true;
    case DType::Float16: *r = {DataType::R16F, DataType::R16F, DataType::R32F, ComputeType::F32}; return true;
    case DType::BFloat16: *r = {DataType::R16BF, DataType::R16BF, DataType::R32F, ComputeType::F32}; return true;
    case DType::Int8: *r = {DataType::R8I, DataType::R32I, DataType::R32I, ComputeType::I32}; return true;
    default: return false;
  }
}

// As many bytes as the address is a multiple of, up to what algorithms ask for.
uint32_t alignment(const void* p) {
  const auto at = reinterpret_cast<uintptr_t>(p);
  return at == 0 ? 256 : uint32_t{1} << std::min(8, std::countr_zero(at));
}

// All that the choice of an algorithm depends on.
using Key = std::array<int64_t, 13>;
struct HashKey {
  size_t operator()(const Key& k) const {
    uint64_t h = 0;
    for (int64_t v : k) h = (h ^ static_cast<uint64_t>(v)) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return h;
  }
};

struct Plan {
  MatmulDesc* operation = nullptr;
  MatrixLayout *a = nullptr, *b = nullptr, *c = nullptr;  // in cuBLASLt's order: a is our B
  Algo algo{};
  size_t workspace = 0;
  bool found = false;
};

struct State {
  Handle handle = nullptr;
  std::unordered_map<Key, Plan, HashKey> plans;
  std::unique_ptr<Scratch> workspace;  // kept, at one address: graphs that were captured go on using it
};

class Products {
 public:
  bool run(const Gemm& g, Epilogue epilogue);

 private:
  State& state();
  Plan make(State& s, const Gemm& g, const Types& types, Epilogue epilogue);
  void choose(State& s, const Gemm& g, Epilogue epilogue, Plan* p);
  static void forget(const Plan& p);

  std::mutex mutex_;
  std::map<int, State> states_;  // per device
};

State& Products::state() {
  State& s = states_[device()];
  if (!s.handle) check(library()->create(&s.handle), "start");
  return s;
}

MatrixLayout* layout(DataType type, int64_t rows, int64_t cols, int64_t ld, int64_t batch, int64_t stride) {
  MatrixLayout* l = nullptr;
  check(library()->layout_create(&l, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), ld),
        "describe a matrix");
  if (batch > 1) {
    const auto count = static_cast<int32_t>(batch);
    check(library()->layout_set(l, LayoutAttribute::BatchCount, &count, sizeof count), "describe a batch");
    check(library()->layout_set(l, LayoutAttribute::BatchStride, &stride, sizeof stride), "describe a batch");
  }
  return l;
}

template <class T>
void set(MatmulDesc* d, DescAttribute attribute, T value) {
  check(library()->desc_set(d, attribute, &value, sizeof value), "describe a product");
}

template <class T>
void set(Preference* p, PreferenceAttribute attribute, T value) {
  check(library()->preference_set(p, attribute, &value, sizeof value), "describe what is wanted");
}

Plan Products::make(State& s, const Gemm& g, const Types& types, Epilogue epilogue) {
  Plan p;
  check(library()->desc_create(&p.operation, types.compute, types.scale), "describe a product");
  set(p.operation, DescAttribute::TransA, g.tb ? Operation::T : Operation::N);
  set(p.operation, DescAttribute::TransB, g.ta ? Operation::T : Operation::N);
  if (g.factors) set(p.operation, DescAttribute::PointerMode, PointerMode::Device);
  if (epilogue != Epilogue::Default) set(p.operation, DescAttribute::Epilogue, epilogue);
  if (g.bias) set(p.operation, DescAttribute::BiasPointer, g.bias);
  p.a = layout(types.in, g.tb ? g.k : g.n, g.tb ? g.n : g.k, g.ldb, g.batch, g.stride_b);
  p.b = layout(types.in, g.ta ? g.m : g.k, g.ta ? g.k : g.m, g.lda, g.batch, g.stride_a);
  p.c = layout(types.out, g.n, g.m, g.ldc, g.batch, g.stride_c);
  choose(s, g, epilogue, &p);
  return p;
}

void Products::choose(State& s, const Gemm& g, Epilogue epilogue, Plan* p) {
  Preference* wanted = nullptr;
  check(library()->preference_create(&wanted), "describe what is wanted");
  set(wanted, PreferenceAttribute::MaxWorkspaceBytes, uint64_t{kWorkspace});
  // Sums that are cut come together in a pass of their own, in the type of the sum: in a fixed order, and precise.
  set(wanted, PreferenceAttribute::ReductionSchemeMask, uint32_t{kReductionComputeType});
  set(wanted, PreferenceAttribute::MinAlignmentA, alignment(g.b));
  set(wanted, PreferenceAttribute::MinAlignmentB, alignment(g.a));
  set(wanted, PreferenceAttribute::MinAlignmentC, alignment(g.c));
  set(wanted, PreferenceAttribute::MinAlignmentD, alignment(g.c));
  HeuristicResult results[kCandidates] = {};
  int count = 0;
  const Status status =
      library()->get_heuristic(s.handle, p->operation, p->a, p->b, p->c, p->c, wanted, kCandidates, results, &count);
  library()->preference_destroy(wanted);
  for (int i = 0; status == Status::Success && i < count && !p->found; ++i) {
    const HeuristicResult& r = results[i];
    uint32_t scheme = kReductionNone;
    size_t written = 0;
    if (r.state != Status::Success || r.workspace > kWorkspace ||
        library()->algo_get(&r.algo, AlgoAttribute::ReductionScheme, &scheme, sizeof scheme, &written) !=
            Status::Success ||
        (scheme != kReductionNone && scheme != kReductionComputeType))
      continue;
    p->algo = r.algo;
    p->workspace = r.workspace;
    p->found = true;
  }
}

void Products::forget(const Plan& p) {
  library()->desc_destroy(p.operation);
  for (MatrixLayout* l : {p.a, p.b, p.c}) library()->layout_destroy(l);
}

// TAHR_VERBOSE=dispatch: what each problem goes to, once.
void tell(const Gemm& g, const Types& types, Epilogue epilogue, const Plan& p) {
  if (!tells_dispatch()) return;
  const char* precision = types.compute == ComputeType::F32FastTf32 ? " in TensorFloat-32" : "";
  const std::string how = concat("cuBLASLt", precision, ", workspace ", p.workspace);
  std::fprintf(stderr, "[dispatch] product %s%s m=%lld n=%lld k=%lld batch=%lld %s%s epilogue=%u: %s\n",
               std::string(name_of(g.type)).c_str(), g.factors ? " accumulated" : "", static_cast<long long>(g.m),
               static_cast<long long>(g.n), static_cast<long long>(g.k), static_cast<long long>(g.batch),
               g.ta ? "T" : "N", g.tb ? "T" : "N", static_cast<unsigned>(epilogue),
               p.found ? how.c_str() : "not by cuBLASLt");
}

bool Products::run(const Gemm& g, Epilogue epilogue) {
  Types types;
  if (!types_of(g.type, &types)) return false;
  const int64_t flags = static_cast<int64_t>(types.compute) << 40 | static_cast<int64_t>(g.type) << 32 |
                        int64_t{g.factors != nullptr} << 18 | int64_t{g.ta} << 17 | int64_t{g.tb} << 16 |
                        static_cast<int64_t>(epilogue);
  const int64_t alignments = int64_t{alignment(g.a)} | int64_t{alignment(g.b)} << 10 | int64_t{alignment(g.c)} << 20 |
                             int64_t{alignment(g.bias)} << 30;
  const Key key{flags, alignments, g.m, g.n, g.k, g.lda, g.ldb, g.ldc, g.batch, g.stride_a, g.stride_b, g.stride_c, 0};
  const std::lock_guard lock(mutex_);
  State& s = state();
  auto it = s.plans.find(key);
  if (it == s.plans.end()) {
    if (s.plans.size() >= kMostPlans) {
      for (const auto& [k, p] : s.plans) forget(p);
      s.plans.clear();
    }
    it = s.plans.emplace(key, make(s, g, types, epilogue)).first;
    tell(g, types, epilogue, it->second);
  }
  const Plan& p = it->second;
  if (!p.found) return false;
  if (g.bias) set(p.operation, DescAttribute::BiasPointer, g.bias);
  if (p.workspace && !s.workspace) s.workspace = std::make_unique<Scratch>(kWorkspace);
  const float single[] = {static_cast<float>(g.alpha), static_cast<float>(g.beta)};
  const double twice[] = {g.alpha, g.beta};
  const int32_t whole[] = {static_cast<int32_t>(g.alpha), static_cast<int32_t>(g.beta)};
  const auto* factors = static_cast<const std::byte*>(g.factors);
  size_t size = sizeof(float);
  if (types.scale == DataType::R64F) size = sizeof(double);
  if (!factors) {
    const void* host = types.scale == DataType::R64F   ? static_cast<const void*>(twice)
                       : types.scale == DataType::R32I ? static_cast<const void*>(whole)
                                                       : static_cast<const void*>(single);
    factors = static_cast<const std::byte*>(host);
  }
  check(library()->matmul(s.handle, p.operation, factors, g.b, p.a, g.a, p.b, factors + size, g.c, p.c, g.c, p.c,
                          &p.algo, p.workspace ? s.workspace->as<void>() : nullptr, p.workspace, stream()),
        "multiply");
  return true;
}

// The epilogue that does all that follows the product; Default if there is none, or if none is to be trusted with it.
Epilogue epilogue_of(const Gemm& g) {
  if (g.type == DType::Float64) return Epilogue::Default;  // has none
  if (g.end == Gemm::End::Relu) return g.bias ? Epilogue::ReluBias : Epilogue::Relu;
  if (g.end == Gemm::End::GeluTanh) {
    // Its tanh is an approximation: good for halves.
    if (g.type == DType::Float32) return Epilogue::Default;
    return g.bias ? Epilogue::GeluBias : Epilogue::Gelu;
  }
  return g.bias ? Epilogue::Bias : Epilogue::Default;
}

Products& products() {
  static auto* p = new Products;
  return *p;
}

// Integer tensor cores take op(A) by rows and op(B) by columns, of lengths and distances that are multiples of 4 bytes
// (16 for speed): matrices that lie otherwise are copied, which is little beside a product.
bool multiply_int8(const Gemm& g) {
  constexpr int64_t kWidth = 16, kMostBatches = 65535, kSmall = int64_t{1} << 16;
  if (g.n % 4 || g.batch > kMostBatches) return false;
  const auto fits = [&](const void* p, int64_t ld, int64_t stride) {
    return g.k % kWidth == 0 && ld % kWidth == 0 && stride % kWidth == 0 &&
           alignment(p) >= static_cast<uint32_t>(kWidth);
  };
  const bool a_fits = !g.ta && fits(g.a, g.lda, g.stride_a), b_fits = g.tb && fits(g.b, g.ldb, g.stride_b);
  if (a_fits && b_fits) return products().run(g, Epilogue::Default);
  if (g.m * g.n * g.k < kSmall) return false;
  const int64_t width = (g.k + kWidth - 1) / kWidth * kWidth;
  const int64_t a_count = g.stride_a ? g.batch : 1, b_count = g.stride_b ? g.batch : 1;
  const Scratch a_copy(a_fits ? 1 : static_cast<size_t>(a_count * g.m * width));
  const Scratch b_copy(b_fits ? 1 : static_cast<size_t>(b_count * g.n * width));
  Gemm to = g;
  to.ta = false, to.tb = true, to.k = width;
  if (!a_fits) {
    repack_int8(g.a, g.ta, a_count, g.stride_a, g.lda, g.m, g.k, width, a_copy.as<void>());
    to.a = a_copy.as<void>(), to.lda = width, to.stride_a = g.stride_a ? g.m * width : 0;
  }
  if (!b_fits) {
    repack_int8(g.b, !g.tb, b_count, g.stride_b, g.ldb, g.n, g.k, width, b_copy.as<void>());
    to.b = b_copy.as<void>(), to.ldb = width, to.stride_b = g.stride_b ? g.n * width : 0;
  }
  return products().run(to, Epilogue::Default);
}

}  // namespace

bool gemm_cublaslt(const Gemm& g) {
  if (!library().get()) {
    static std::once_flag once;
    std::call_once(once, [] {
      std::fprintf(stderr, "%s Until then matrix products run on tahr's own kernel, many times slower.\n",
                   library().why().c_str());
    });
    return false;
  }
  if (g.type == DType::Int8) return multiply_int8(g);
  const bool more = g.bias || g.end != Gemm::End::None;
  const Epilogue epilogue = epilogue_of(g);
  if (more && epilogue != Epilogue::Default && products().run(g, epilogue)) return true;
  Gemm plain = g;
  plain.bias = nullptr;
  plain.end = Gemm::End::None;
  if (!products().run(plain, Epilogue::Default)) return false;
  if (more) gemm_finish(g);
  return true;
}

void gemm(const Gemm& g) {
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  if (g.k == 0 || !gemm_cublaslt(g)) gemm_tiled(g);
}

}  // namespace tahr::cuda
