// The emulated cuBLASLt: products by plain loops on column-major matrices, as api/cublaslt.h has them. What the true
// library would refuse is refused, what it would not notice is noticed: pointers less aligned than promised, workspaces
// missing or too small, batches that do not fit.
#include "cuda/cublaslt.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/dtype.h"

namespace tahr::cuda::cublaslt {

struct Context {};
struct MatmulDesc {
  ComputeType compute;
  DataType scale;
  PointerMode pointers = PointerMode::Host;
  Operation ta = Operation::N, tb = Operation::N;
  Epilogue epilogue = Epilogue::Default;
  const void* bias = nullptr;
};
struct MatrixLayout {
  DataType type;
  uint64_t rows, cols;
  int64_t ld;
  int32_t batch = 1;
  int64_t stride = 0;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t schemes = 7;
  uint32_t alignment[4] = {256, 256, 256, 256};
};

namespace {

// What the emulated algorithm needs, as it lies in Algo.
struct Needs {
  uint32_t scheme, alignment[4];
  uint64_t workspace;
};
static_assert(sizeof(Needs) <= sizeof(Algo));

bool has(Epilogue all, Epilogue one) { return (static_cast<uint32_t>(all) & static_cast<uint32_t>(one)) != 0; }

Status judge(const MatmulDesc& o, const MatrixLayout& a, const MatrixLayout& b, const MatrixLayout& c,
             const MatrixLayout& d) {
  const bool ta = o.ta == Operation::T, tb = o.tb == Operation::T;
  const uint64_t m = ta ? a.cols : a.rows, k = ta ? a.rows : a.cols, n = tb ? b.rows : b.cols;
  if ((tb ? b.cols : b.rows) != k || c.rows != m || c.cols != n || d.rows != m || d.cols != n)
    return Status::InvalidValue;
  if (m == 0 || n == 0 || k == 0) return Status::InvalidValue;
  for (const MatrixLayout* x : {&a, &b, &c, &d}) {
    if (x->ld < static_cast<int64_t>(x->rows) || x->batch != d.batch || x->rows > INT32_MAX || x->cols > INT32_MAX)
      return Status::InvalidValue;
  }
  if (d.batch > 1 && d.stride < d.ld * static_cast<int64_t>(d.cols - 1) + static_cast<int64_t>(d.rows))
    return Status::InvalidValue;
  if (has(o.epilogue, Epilogue::Bias) && !o.bias) return Status::InvalidValue;
  if (c.type != d.type || a.type != b.type) return Status::NotSupported;
  switch (o.compute) {
    case ComputeType::F32:
      if (a.type != DataType::R32F && a.type != DataType::R16F && a.type != DataType::R16BF)
        return Status::NotSupported;
      return o.scale == DataType::R32F && d.type == a.type ? Status::Success : Status::NotSupported;
    case ComputeType::F32FastTf32:
      return o.scale == DataType::R32F && a.type == DataType::R32F && d.type == a.type ? Status::Success
                                                                                       : Status::NotSupported;
    case ComputeType::F64:
      return o.scale == DataType::R64F && a.type == DataType::R64F && d.type == a.type &&
                     o.epilogue == Epilogue::Default
                 ? Status::Success
                 : Status::NotSupported;
    case ComputeType::I32:
      // On tensor cores, which have integers in this order only.
      return o.scale == DataType::R32I && a.type == DataType::R8I && d.type == DataType::R32I && ta && !tb &&
                     a.ld % 4 == 0 && b.ld % 4 == 0 && k % 4 == 0 && m % 4 == 0 && o.epilogue == Epilogue::Default
                 ? Status::Success
                 : Status::NotSupported;
  }
  return Status::NotSupported;
}

double load(DataType t, const void* p, int64_t i) {
  switch (t) {
    case DataType::R32F: return static_cast<const float*>(p)[i];
    case DataType::R64F: return static_cast<const double*>(p)[i];
    case DataType::R16F: return to_float(static_cast<const float16*>(p)[i]);
    case DataType::R16BF: return to_float(static_cast<const bfloat16*>(p)[i]);
    case DataType::R8I: return static_cast<const int8_t*>(p)[i];
    default: return static_cast<const int32_t*>(p)[i];
  }
}

void store(DataType t, void* p, int64_t i, double x) {
  switch (t) {
    case DataType::R32F: static_cast<float*>(p)[i] = static_cast<float>(x); break;
    case DataType::R64F: static_cast<double*>(p)[i] = x; break;
    case DataType::R16F: static_cast<float16*>(p)[i] = to_float16(static_cast<float>(x)); break;
    case DataType::R16BF: static_cast<bfloat16*>(p)[i] = to_bfloat16(static_cast<float>(x)); break;
    default: static_cast<int32_t*>(p)[i] = static_cast<int32_t>(x);
  }
}

// To the 10 bits of TensorFloat-32, to nearest.
double to_tf32(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  return std::isfinite(x) ? std::ldexp(std::nearbyint(std::ldexp(fraction, 11)), exponent - 11) : x;
}

double finish(Epilogue e, double x) {
  if (has(e, Epilogue::Relu)) return x < 0 ? 0 : x;
  if (has(e, Epilogue::Gelu)) return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  return x;
}

// op(x) of one batch: element (i, j) of a `rows` x `cols` matrix at i cols + j.
std::vector<double> read(const MatrixLayout& l, const void* data, bool transpose, int64_t batch, bool tf32) {
  const auto rows = static_cast<int64_t>(transpose ? l.cols : l.rows);
  const auto cols = static_cast<int64_t>(transpose ? l.rows : l.cols);
  std::vector<double> r(static_cast<size_t>(rows * cols));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      const double x = load(l.type, data, batch * l.stride + (transpose ? i * l.ld + j : j * l.ld + i));
      r[static_cast<size_t>(i * cols + j)] = tf32 ? to_tf32(x) : x;
    }
  }
  return r;
}

struct Call {
  MatmulDesc o;
  MatrixLayout la, lb, lc, ld;
  const void *a, *b, *c;
  void *d, *workspace;
  uint64_t workspace_bytes;
  double alpha, beta;
  const void *alpha_at, *beta_at;  // on the device, or null
};

void multiply(Call s) {
  if (s.alpha_at) s.alpha = load(s.o.scale, s.alpha_at, 0), s.beta = load(s.o.scale, s.beta_at, 0);
  if (s.workspace_bytes) std::memset(s.workspace, 0xcb, s.workspace_bytes);
  const bool tf32 = s.o.compute == ComputeType::F32FastTf32;
  const auto m = static_cast<int64_t>(s.ld.rows), n = static_cast<int64_t>(s.ld.cols);
  const auto k = static_cast<int64_t>(s.o.tb == Operation::T ? s.lb.cols : s.lb.rows);
  for (int64_t batch = 0; batch < s.ld.batch; ++batch) {
    const std::vector<double> a = read(s.la, s.a, s.o.ta == Operation::T, batch, tf32);  // m x k
    const std::vector<double> b = read(s.lb, s.b, s.o.tb != Operation::T, batch, tf32);  // n x k
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = 0; i < m; ++i) {
        double sum = 0;
        for (int64_t t = 0; t < k; ++t) {
          sum += a[static_cast<size_t>(i * k + t)] * b[static_cast<size_t>(j * k + t)];
          if (s.o.compute != ComputeType::F64 && s.o.compute != ComputeType::I32) sum = static_cast<float>(sum);
        }
        double y = s.alpha * sum;
        if (s.beta != 0) y += s.beta * load(s.lc.type, s.c, batch * s.lc.stride + j * s.lc.ld + i);
        if (has(s.o.epilogue, Epilogue::Bias)) y += load(s.ld.type, s.o.bias, i);
        store(s.ld.type, s.d, batch * s.ld.stride + j * s.ld.ld + i, finish(s.o.epilogue, y));
      }
    }
  }
}

template <class Attribute>
Status put(Attribute, void* to, const void* value, size_t bytes, size_t expected) {
  if (!value || bytes != expected) return Status::InvalidValue;
  std::memcpy(to, value, bytes);
  return Status::Success;
}

Status get_heuristic(Handle handle, MatmulDesc* o, MatrixLayout* a, MatrixLayout* b, MatrixLayout* c, MatrixLayout* d,
                     Preference* p, int wanted, HeuristicResult results[], int* found) {
  *found = 0;
  if (!handle || wanted < 1) return Status::InvalidValue;
  const Status s = judge(*o, *a, *b, *c, *d);
  if (s != Status::Success) return s;
  const auto add = [&](uint32_t scheme, uint64_t workspace) {
    if (*found >= wanted || workspace > p->workspace || (scheme & ~p->schemes)) return;
    Needs needs{scheme, {}, workspace};
    std::copy(p->alignment, p->alignment + 4, needs.alignment);
    HeuristicResult& r = results[(*found)++];
    r = {};
    std::memcpy(&r.algo, &needs, sizeof needs);
    r.workspace = workspace;
  };
  add(kReductionInPlace, 4096);  // the first, if it is let in
  // A sum that is long for the size of the result is cut.
  const uint64_t k = o->tb == Operation::T ? b->cols : b->rows;
  if (k >= 4 * d->rows) add(kReductionComputeType, 4 * d->rows * d->cols);
  add(kReductionNone, 0);
  return *found ? Status::Success : Status::NotSupported;
}

Status matmul(Handle handle, MatmulDesc* o, const void* alpha, const void* a, MatrixLayout* la, const void* b,
              MatrixLayout* lb, const void* beta, const void* c, MatrixLayout* lc, void* d, MatrixLayout* ld,
              const Algo* algo, void* workspace, size_t workspace_bytes, cudaStream_t stream) {
  if (!handle || !algo || !alpha || !beta || !a || !b || !c || !d) return Status::InvalidValue;
  if (const Status s = judge(*o, *la, *lb, *lc, *ld); s != Status::Success) return s;
  Needs needs;
  std::memcpy(&needs, algo, sizeof needs);
  const void* pointers[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i) {
    if (reinterpret_cast<uintptr_t>(pointers[i]) % needs.alignment[i]) return Status::InvalidValue;
  }
  if (needs.workspace > workspace_bytes || (needs.workspace && !workspace)) return Status::InvalidValue;
  if (reinterpret_cast<uintptr_t>(workspace) % 256) return Status::InvalidValue;
  Call call{*o, *la, *lb, *lc, *ld, a, b, c, d, workspace, workspace_bytes, 1, 0, nullptr, nullptr};
  if (o->pointers == PointerMode::Host) call.alpha = load(o->scale, alpha, 0), call.beta = load(o->scale, beta, 0);
  else call.alpha_at = alpha, call.beta_at = beta;
  const cudaError_t e = emulator::launch(
      reinterpret_cast<const void*>(&multiply), [call] { multiply(call); }, dim3(1), dim3(1), 0, stream);
  return e == cudaSuccess ? Status::Success : Status::ExecutionFailed;
}

Status desc_set(MatmulDesc* o, DescAttribute what, const void* value, size_t bytes) {
  switch (what) {
    case DescAttribute::PointerMode: return put(what, &o->pointers, value, bytes, 4);
    case DescAttribute::TransA: return put(what, &o->ta, value, bytes, 4);
    case DescAttribute::TransB: return put(what, &o->tb, value, bytes, 4);
    case DescAttribute::Epilogue: return put(what, &o->epilogue, value, bytes, 4);
    case DescAttribute::BiasPointer: return put(what, &o->bias, value, bytes, sizeof(void*));
  }
  return Status::InvalidValue;
}

Status layout_set(MatrixLayout* l, LayoutAttribute what, const void* value, size_t bytes) {
  switch (what) {
    case LayoutAttribute::BatchCount: return put(what, &l->batch, value, bytes, 4);
    case LayoutAttribute::BatchStride: return put(what, &l->stride, value, bytes, 8);
  }
  return Status::InvalidValue;
}

Status preference_set(Preference* p, PreferenceAttribute what, const void* value, size_t bytes) {
  switch (what) {
    case PreferenceAttribute::MaxWorkspaceBytes: return put(what, &p->workspace, value, bytes, 8);
    case PreferenceAttribute::ReductionSchemeMask: return put(what, &p->schemes, value, bytes, 4);
    case PreferenceAttribute::MinAlignmentA: return put(what, &p->alignment[0], value, bytes, 4);
    case PreferenceAttribute::MinAlignmentB: return put(what, &p->alignment[1], value, bytes, 4);
    case PreferenceAttribute::MinAlignmentC: return put(what, &p->alignment[2], value, bytes, 4);
    case PreferenceAttribute::MinAlignmentD: return put(what, &p->alignment[3], value, bytes, 4);
  }
  return Status::InvalidValue;
}

Status algo_get(const Algo* algo, AlgoAttribute what, void* value, size_t bytes, size_t* written) {
  Needs needs;
  std::memcpy(&needs, algo, sizeof needs);
  const uint32_t v = what == AlgoAttribute::ReductionScheme ? needs.scheme : 1;
  *written = sizeof v;
  return bytes == sizeof v ? (std::memcpy(value, &v, sizeof v), Status::Success) : Status::InvalidValue;
}

}  // namespace

Api emulated() {
  Api a{};
  a.create = [](Handle* h) { return *h = new Context, Status::Success; };
  a.get_version = [] { return size_t{130000}; };
  a.get_status_name = [](Status s) { return s == Status::NotSupported ? "NOT_SUPPORTED" : "INVALID_VALUE"; };
  a.matmul = matmul;
  a.desc_create = [](MatmulDesc** o, ComputeType compute, DataType scale) {
    return *o = new MatmulDesc{compute, scale}, Status::Success;
  };
  a.desc_destroy = [](MatmulDesc* o) { return delete o, Status::Success; };
  a.desc_set = desc_set;
  a.layout_create = [](MatrixLayout** l, DataType type, uint64_t rows, uint64_t cols, int64_t ld) {
    return *l = new MatrixLayout{type, rows, cols, ld}, Status::Success;
  };
  a.layout_destroy = [](MatrixLayout* l) { return delete l, Status::Success; };
  a.layout_set = layout_set;
  a.preference_create = [](Preference** p) { return *p = new Preference, Status::Success; };
  a.preference_destroy = [](Preference* p) { return delete p, Status::Success; };
  a.preference_set = preference_set;
  a.get_heuristic = get_heuristic;
  a.algo_get = algo_get;
  return a;
}

}  // namespace tahr::cuda::cublaslt
