// The emulated cuDNN: convolutions by plain loops that go by the descriptors alone, as api/cudnn.h has them. Like the
// true library it refuses float32 with three spatial axes channels last, offers algorithms of which some cannot be used
// (they do not work here, they need too much memory, they use atomics), and insists on its workspace. An algorithm that
// should not have been chosen gives NaN.
#include "cudnn.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/dtype.h"

namespace tahr::cuda::cudnn {

struct FilterDesc {
  DataType type = DataType::Float;
  Format format = Format::Nchw;
  int rank = 0;
  int64_t sizes[kMostAxes + 2] = {};
};
struct ConvDesc {
  int axes = 0, groups = 1;
  int64_t padding[kMostAxes] = {}, strides[kMostAxes] = {}, dilation[kMostAxes] = {};
  Mode mode = Mode::Convolution;
  DataType compute = DataType::Float;
  Math math = Math::Default;
};

namespace {

constexpr size_t kTooMuch = size_t{1} << 40;
enum class Kind { Forward, Data, Filter };

Status judge(const TensorDesc& x, const FilterDesc& w, const ConvDesc& c, const TensorDesc& y) {
  const int rank = c.axes + 2;
  if (x.rank != rank || w.rank != rank || y.rank != rank || c.groups < 1) return Status::BadParam;
  if (x.type != w.type || x.type != y.type || x.sizes[0] != y.sizes[0] || w.sizes[0] != y.sizes[1] ||
      w.sizes[1] * c.groups != x.sizes[1] || w.sizes[0] % c.groups != 0)
    return Status::BadParam;
  for (int a = 0; a < c.axes; ++a) {
    const int64_t room = x.sizes[a + 2] + 2 * c.padding[a] - (w.sizes[a + 2] - 1) * c.dilation[a] - 1;
    if (c.padding[a] < 0 || c.strides[a] < 1 || c.dilation[a] < 1 || room < 0 ||
        room / c.strides[a] + 1 != y.sizes[a + 2])
      return Status::BadParam;
  }
  if (x.type == DataType::Double || c.compute != DataType::Float || (c.axes == 3 && x.type == DataType::Float))
    return Status::NotSupported;
  return w.format == Format::Nhwc && x.strides[1] == 1 && y.strides[1] == 1 ? Status::Success : Status::NotSupported;
}

int32_t usable(Kind kind) {
  return kind == Kind::Forward ? int32_t{kForwardPrecomputedGemm}
         : kind == Kind::Data  ? int32_t{kDataGemm}
                               : kFilterGemm;
}
size_t room_for(Kind kind, int32_t algo, const TensorDesc& y) {
  return algo == usable(kind) ? static_cast<size_t>(8 * y.sizes[1]) : algo == 2 ? kTooMuch : 0;
}

Status offer(Kind kind, const TensorDesc& x, const FilterDesc& w, const ConvDesc& c, const TensorDesc& y, int wanted,
             int* found, AlgoPerf* results) {
  const Status s = judge(x, w, c, y);
  if (s != Status::Success) return s;
  constexpr Determinism yes = Determinism::Yes, no = Determinism::No;
  const AlgoPerf all[] = {
      {4, Status::NotSupported, -1, 0, yes, c.math, {}},
      {2, Status::Success, 1, kTooMuch, yes, c.math, {}},
      {0, Status::Success, 2, 0, kind == Kind::Forward ? yes : no, c.math, {}},
      {3, Status::Success, 3, 0, no, c.math, {}},
      {usable(kind), Status::Success, 4, room_for(kind, usable(kind), y), yes, c.math, {}},
  };
  *found = 0;
  for (const AlgoPerf& p : all) {
    if (kind == Kind::Forward && p.algo == 0) continue;
    if (*found < wanted) results[(*found)++] = p;
  }
  return Status::Success;
}

// Adds up products for each element of what the kind computes.
void compute(Kind kind, const TensorDesc& xd, const FilterDesc& wd, const ConvDesc& c, const TensorDesc& yd, void* x,
             void* w, void* y, float alpha, float beta, bool nan) {
  const int64_t cin = wd.sizes[1], cout = wd.sizes[0] / c.groups;
  int64_t in[kMostAxes] = {1, 1, 1}, out[kMostAxes] = {1, 1, 1}, window[kMostAxes] = {1, 1, 1},
          x_stride[kMostAxes] = {}, y_stride[kMostAxes] = {}, w_stride[kMostAxes] = {}, padding[kMostAxes] = {},
          step[kMostAxes] = {1, 1, 1}, dilation[kMostAxes] = {1, 1, 1};
  int64_t places = cin;
  for (int a = c.axes - 1; a >= 0; --a) {
    in[a] = xd.sizes[a + 2];
    out[a] = yd.sizes[a + 2];
    window[a] = wd.sizes[a + 2];
    x_stride[a] = xd.strides[a + 2];
    y_stride[a] = yd.strides[a + 2];
    w_stride[a] = places;
    places *= window[a];
    padding[a] = c.padding[a];
    step[a] = c.strides[a];
    dilation[a] = c.dilation[a];
  }
  const bool rounds = xd.type == DataType::Float && c.math != Math::Fma;
  const auto value = [&](const void* p, int64_t i) {
    const double v = load(xd.type, p, i);
    return rounds ? to_tf32(v) : v;
  };
  const auto size = [](const TensorDesc& t) {
    int64_t n = 1;
    for (int i = 0; i < t.rank; ++i) n *= t.sizes[i];
    return n;
  };
  const int64_t count = kind == Kind::Forward ? size(yd) : kind == Kind::Data ? size(xd) : places * wd.sizes[0];
  std::vector<double> sums(static_cast<size_t>(count));
  for (int64_t n = 0; n < yd.sizes[0]; ++n) {
    for (int64_t o0 = 0; o0 < out[0]; ++o0)
      for (int64_t o1 = 0; o1 < out[1]; ++o1)
        for (int64_t o2 = 0; o2 < out[2]; ++o2)
          for (int64_t t0 = 0; t0 < window[0]; ++t0)
            for (int64_t t1 = 0; t1 < window[1]; ++t1)
              for (int64_t t2 = 0; t2 < window[2]; ++t2) {
                const int64_t p0 = o0 * step[0] + t0 * dilation[0] - padding[0],
                              p1 = o1 * step[1] + t1 * dilation[1] - padding[1],
                              p2 = o2 * step[2] + t2 * dilation[2] - padding[2];
                if (p0 < 0 || p0 >= in[0] || p1 < 0 || p1 >= in[1] || p2 < 0 || p2 >= in[2]) continue;
                const int64_t xi = n * xd.strides[0] + p0 * x_stride[0] + p1 * x_stride[1] + p2 * x_stride[2];
                const int64_t yi = n * yd.strides[0] + o0 * y_stride[0] + o1 * y_stride[1] + o2 * y_stride[2];
                const int64_t wi = t0 * w_stride[0] + t1 * w_stride[1] + t2 * w_stride[2];
                for (int64_t k = 0; k < wd.sizes[0]; ++k) {
                  for (int64_t i = 0; i < cin; ++i) {
                    const int64_t xa = xi + k / cout * cin + i, wa = k * places + wi + i, ya = yi + k;
                    if (kind == Kind::Forward) sums[static_cast<size_t>(ya)] += value(x, xa) * value(w, wa);
                    else if (kind == Kind::Data) sums[static_cast<size_t>(xa)] += value(y, ya) * value(w, wa);
                    else sums[static_cast<size_t>(wa)] += value(x, xa) * value(y, ya);
                  }
                }
              }
  }
  void* to = kind == Kind::Forward ? y : kind == Kind::Data ? x : w;
  for (int64_t i = 0; i < count; ++i) {
    const double before = beta == 0 ? 0 : beta * load(xd.type, to, i);
    store(xd.type, to, i,
          nan ? std::numeric_limits<double>::quiet_NaN() : alpha * sums[static_cast<size_t>(i)] + before);
  }
}

Status run(Kind kind, Handle h, const void* alpha, const TensorDesc& x, const FilterDesc& w, const ConvDesc& c,
           const TensorDesc& y, const void* px, const void* pw, const void* py, int32_t algo, void* workspace,
           size_t bytes, const void* beta) {
  const Status s = judge(x, w, c, y);
  if (s != Status::Success) return s;
  if (!h || !h->stream || !px || !pw || !py) return Status::BadParam;
  const size_t needed = room_for(kind, algo, y);
  if (bytes < needed || (needed && !workspace)) return Status::BadParam;
  const float a = *static_cast<const float*>(alpha), b = *static_cast<const float*>(beta);
  const auto body = [=] {
    if (needed) std::memset(workspace, 0xff, needed);
    compute(kind, x, w, c, y, const_cast<void*>(px), const_cast<void*>(pw), const_cast<void*>(py), a, b,
            algo != usable(kind));
  };
  const cudaError_t e = emulator::launch(nullptr, body, dim3(1), dim3(1), 0, h->stream);
  return e == cudaSuccess ? Status::Success : Status::ExecutionFailed;
}

Status set_tensor(TensorDesc* d, DataType type, int rank, const int sizes[], const int strides[]) {
  if (rank < 3 || rank > kMostAxes + 2) return Status::BadParam;
  *d = {type, rank, {}, {}};
  for (int i = 0; i < rank; ++i) {
    if (sizes[i] < 1 || strides[i] < 1) return Status::BadParam;
    d->sizes[i] = sizes[i], d->strides[i] = strides[i];
  }
  return Status::Success;
}
Status set_filter(FilterDesc* d, DataType type, Format format, int rank, const int sizes[]) {
  if (rank < 4 || rank > kMostAxes + 2) return Status::BadParam;
  *d = {type, format, rank, {}};
  for (int i = 0; i < rank; ++i) d->sizes[i] = sizes[i];
  return Status::Success;
}
Status set_conv(ConvDesc* d, int axes, const int padding[], const int strides[], const int dilation[], Mode mode,
                DataType compute) {
  if (axes < 2 || axes > kMostAxes || mode != Mode::CrossCorrelation) return Status::BadParam;
  *d = {axes, 1, {}, {}, {}, mode, compute, Math::Default};
  for (int a = 0; a < axes; ++a) d->padding[a] = padding[a], d->strides[a] = strides[a], d->dilation[a] = dilation[a];
  return Status::Success;
}

template <Kind kKind>
Status workspace_of(int32_t algo, const TensorDesc& x, const FilterDesc& w, const ConvDesc& c, const TensorDesc& y,
                    size_t* bytes) {
  *bytes = room_for(kKind, algo, y);
  return judge(x, w, c, y);
}

}  // namespace

Api emulated() {
  Api a{};
  a.get_version = [] { return size_t{92800}; };
  a.get_error_string = [](Status s) {
    return s == Status::BadParam ? "a wrong argument" : s == Status::NotSupported ? "not supported" : "failed";
  };
  a.create = create<Context>;
  a.set_stream = [](Handle h, cudaStream_t s) {
    h->stream = s;
    return Status::Success;
  };
  a.create_tensor = create<TensorDesc>;
  a.destroy_tensor = destroy<TensorDesc>;
  a.set_tensor = set_tensor;
  a.create_filter = create<FilterDesc>;
  a.destroy_filter = destroy<FilterDesc>;
  a.set_filter = set_filter;
  a.create_conv = create<ConvDesc>;
  a.destroy_conv = destroy<ConvDesc>;
  a.set_conv = set_conv;
  a.set_conv_groups = [](ConvDesc* c, int groups) {
    c->groups = groups;
    return Status::Success;
  };
  a.set_conv_math = [](ConvDesc* c, Math math) {
    c->math = math;
    return Status::Success;
  };
  a.forward_algorithms = [](Handle, TensorDesc* x, FilterDesc* w, ConvDesc* c, TensorDesc* y, int wanted, int* found,
                            AlgoPerf* r) { return offer(Kind::Forward, *x, *w, *c, *y, wanted, found, r); };
  a.data_algorithms = [](Handle, FilterDesc* w, TensorDesc* y, ConvDesc* c, TensorDesc* x, int wanted, int* found,
                         AlgoPerf* r) { return offer(Kind::Data, *x, *w, *c, *y, wanted, found, r); };
  a.filter_algorithms = [](Handle, TensorDesc* x, TensorDesc* y, ConvDesc* c, FilterDesc* w, int wanted, int* found,
                           AlgoPerf* r) { return offer(Kind::Filter, *x, *w, *c, *y, wanted, found, r); };
  a.forward_workspace = [](Handle, TensorDesc* x, FilterDesc* w, ConvDesc* c, TensorDesc* y, int32_t algo,
                           size_t* bytes) { return workspace_of<Kind::Forward>(algo, *x, *w, *c, *y, bytes); };
  a.data_workspace = [](Handle, FilterDesc* w, TensorDesc* y, ConvDesc* c, TensorDesc* x, int32_t algo, size_t* bytes) {
    return workspace_of<Kind::Data>(algo, *x, *w, *c, *y, bytes);
  };
  a.filter_workspace = [](Handle, TensorDesc* x, TensorDesc* y, ConvDesc* c, FilterDesc* w, int32_t algo,
                          size_t* bytes) { return workspace_of<Kind::Filter>(algo, *x, *w, *c, *y, bytes); };
  a.forward = [](Handle h, const void* alpha, TensorDesc* xd, const void* x, FilterDesc* wd, const void* w, ConvDesc* c,
                 int32_t algo, void* room, size_t bytes, const void* beta, TensorDesc* yd,
                 void* y) { return run(Kind::Forward, h, alpha, *xd, *wd, *c, *yd, x, w, y, algo, room, bytes, beta); };
  a.backward_data = [](Handle h, const void* alpha, FilterDesc* wd, const void* w, TensorDesc* yd, const void* y,
                       ConvDesc* c, int32_t algo, void* room, size_t bytes, const void* beta, TensorDesc* xd, void* x) {
    return run(Kind::Data, h, alpha, *xd, *wd, *c, *yd, x, w, y, algo, room, bytes, beta);
  };
  a.backward_filter = [](Handle h, const void* alpha, TensorDesc* xd, const void* x, TensorDesc* yd, const void* y,
                         ConvDesc* c, int32_t algo, void* room, size_t bytes, const void* beta, FilterDesc* wd,
                         void* w) {
    return run(Kind::Filter, h, alpha, *xd, *wd, *c, *yd, x, w, y, algo, room, bytes, beta);
  };
  add_rnn(a);
  add_graph(a);
  return a;
}

}  // namespace tahr::cuda::cudnn
