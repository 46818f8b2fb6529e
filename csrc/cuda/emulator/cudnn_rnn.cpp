// The emulated cuDNN's recurrent layers, by plain loops that go by descriptors alone. Weights lie apart, so that a
// caller who guesses where goes wrong; the gradient of the data spoils the reserve once it has been read, as the true
// one may; persistent algorithms are refused when they run.
#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "cudnn.h"

namespace tahr::cuda::cudnn {

struct DropoutDesc {
  bool set = false;
};
struct RnnDesc {
  RnnAlgo algo = RnnAlgo::Standard;
  RnnMode mode = RnnMode::Relu;
  RnnBias bias = RnnBias::None;
  DataType type = DataType::Float;
  Math math = Math::Default;
  int64_t features = 0, units = 0;
  int gates() const { return mode == RnnMode::Lstm ? 4 : mode == RnnMode::Gru ? 3 : 1; }
  int64_t inputs(int side) const { return side == 0 ? features : units; }
  bool rounds() const { return type == DataType::Float && math != Math::Fma; }
};
struct RnnDataDesc {
  DataType type = DataType::Float;
  int64_t steps = 0, batch = 0, width = 0;
};

namespace {

constexpr int64_t kGap = 32;  // bytes between weights
constexpr size_t kWork = 96;

int64_t aligned(int64_t bytes) { return (bytes + 15) / 16 * 16 + kGap; }

// In bytes: matrix number n, or its bias, or, past the last, the end.
int64_t place_of(const RnnDesc& d, int number, bool bias) {
  const int64_t e = bytes_of(d.type), gates = d.gates();
  int64_t at = 0;
  for (int n = 0; n < 2 * gates; ++n) {
    if (n == number && !bias) return at;
    at += aligned(e * d.units * d.inputs(n / d.gates()));
  }
  for (int n = 0; n < 2 * gates && d.bias != RnnBias::None; ++n) {
    if (n == number) return at;
    at += aligned(e * d.units);
  }
  return at;
}
size_t weight_bytes(const RnnDesc& d) { return static_cast<size_t>(place_of(d, -1, false)); }

// Of each step and row: gates, GRU's recurrent part of the candidate or LSTM's cell.
int64_t kept(const RnnDesc& d) { return (d.gates() + 1) * d.units; }
size_t reserve_bytes(const RnnDesc& d, const RnnDataDesc& x) {
  return static_cast<size_t>(x.steps * x.batch * kept(d)) * sizeof(double) + 24;
}

struct View {
  const RnnDesc d;
  const char* weights;
  double value(double v) const { return d.rounds() ? to_tf32(v) : v; }
  // The sum over inputs of a gate: weights and bias.
  double sum(int side, int q, int64_t unit, const double* in) const {
    const int n = side * d.gates() + q;
    const void* m = weights + place_of(d, n, false);
    const int64_t inputs = d.inputs(side);
    double s = d.bias == RnnBias::None ? 0 : load(d.type, weights + place_of(d, n, true), unit);
    for (int64_t i = 0; i < inputs; ++i) s += value(in[i]) * value(load(d.type, m, unit * inputs + i));
    return s;
  }
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Pass {
  RnnDesc d;
  int64_t steps, batch;
  DataType type;
  const void *x, *hx, *cx;
  void *y, *hy, *cy;
  const char* weights;
  double* reserve;
};

void run_forward(const Pass& p) {
  const RnnDesc& d = p.d;
  const int64_t n = d.units, gates = d.gates();
  const View view{d, p.weights};
  std::vector<double> h(static_cast<size_t>(n)), c(h), in(static_cast<size_t>(d.features)), next(h);
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t j = 0; j < n; ++j) {
      h[static_cast<size_t>(j)] = p.hx ? load(p.type, p.hx, b * n + j) : 0;
      c[static_cast<size_t>(j)] = p.cx ? load(p.type, p.cx, b * n + j) : 0;
    }
    for (int64_t s = 0; s < p.steps; ++s) {
      for (int64_t i = 0; i < d.features; ++i)
        in[static_cast<size_t>(i)] = load(p.type, p.x, (b * p.steps + s) * d.features + i);
      for (int64_t j = 0; j < n; ++j) {
        const size_t u = static_cast<size_t>(j);
        double* keep = p.reserve + (b * p.steps + s) * kept(d) + j;
        double z[4], rec[4];
        for (int q = 0; q < gates; ++q) z[q] = view.sum(0, q, j, in.data()), rec[q] = view.sum(1, q, j, h.data());
        if (d.mode == RnnMode::Lstm) {
          const double i = sigmoid(z[0] + rec[0]), f = sigmoid(z[1] + rec[1]), g = std::tanh(z[2] + rec[2]),
                       o = sigmoid(z[3] + rec[3]);
          c[u] = f * c[u] + i * g;
          next[u] = o * std::tanh(c[u]);
          keep[0] = i, keep[n] = f, keep[2 * n] = g, keep[3 * n] = o, keep[4 * n] = c[u];
        } else if (d.mode == RnnMode::Gru) {
          const double r = sigmoid(z[0] + rec[0]), i = sigmoid(z[1] + rec[1]), g = std::tanh(z[2] + r * rec[2]);
          next[u] = (1 - i) * g + i * h[u];
          keep[0] = r, keep[n] = i, keep[2 * n] = g, keep[3 * n] = rec[2];
        } else {
          next[u] = d.mode == RnnMode::Tanh ? std::tanh(z[0] + rec[0]) : std::max(z[0] + rec[0], 0.0);
        }
      }
      for (int64_t j = 0; j < n; ++j) {
        const int64_t at = (b * p.steps + s) * n + j;
        store(p.type, p.y, at, next[static_cast<size_t>(j)]);
        h[static_cast<size_t>(j)] = load(p.type, p.y, at);
      }
    }
    for (int64_t j = 0; j < n; ++j) {
      if (p.hy) store(p.type, p.hy, b * n + j, h[static_cast<size_t>(j)]);
      if (p.cy) store(p.type, p.cy, b * n + j, c[static_cast<size_t>(j)]);
    }
  }
}

struct DataPass {
  RnnDesc d;
  int64_t steps, batch;
  DataType type;
  const void *y, *dy, *hx, *dhy, *cx, *dcy;
  void *dx, *dhx, *dcx;
  const char* weights;
  double* reserve;  // leaves with the gradients of the gates: of x's, and GRU's candidate of h's in the last part
};

void run_backward_data(const DataPass& p) {
  const RnnDesc& d = p.d;
  const int64_t n = d.units, gates = d.gates();
  const View view{d, p.weights};
  const auto weight = [&](int side, int q, int64_t unit, int64_t i) {
    return view.value(load(p.type, p.weights + place_of(d, side * d.gates() + q, false), unit * d.inputs(side) + i));
  };
  std::vector<double> dh(static_cast<size_t>(n)), dc(dh), before(dh);
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t j = 0; j < n; ++j) {
      dh[static_cast<size_t>(j)] = p.dhy ? load(p.type, p.dhy, b * n + j) : 0;
      dc[static_cast<size_t>(j)] = p.dcy ? load(p.type, p.dcy, b * n + j) : 0;
    }
    for (int64_t s = p.steps - 1; s >= 0; --s) {
      double* row = p.reserve + (b * p.steps + s) * kept(d);
      for (int64_t j = 0; j < n; ++j) {
        const size_t u = static_cast<size_t>(j);
        const int64_t at = (b * p.steps + s) * n + j;
        double* keep = row + j;
        const double delta = dh[u] + load(p.type, p.dy, at), y = load(p.type, p.y, at);
        const double old = s > 0 ? load(p.type, p.y, at - n) : p.hx ? load(p.type, p.hx, b * n + j) : 0;
        before[u] = 0;
        if (d.mode == RnnMode::Lstm) {
          const double i = keep[0], f = keep[n], g = keep[2 * n], o = keep[3 * n], t = std::tanh(keep[4 * n]);
          const double c0 = s > 0 ? keep[4 * n - kept(d)] : p.cx ? load(p.type, p.cx, b * n + j) : 0;
          const double cell = dc[u] + delta * o * (1 - t * t);
          keep[0] = cell * g * i * (1 - i), keep[n] = cell * c0 * f * (1 - f), keep[2 * n] = cell * i * (1 - g * g),
          keep[3 * n] = delta * t * o * (1 - o);
          dc[u] = cell * f;
        } else if (d.mode == RnnMode::Gru) {
          const double r = keep[0], i = keep[n], g = keep[2 * n], rec = keep[3 * n];
          const double candidate = delta * (1 - i) * (1 - g * g);
          keep[0] = candidate * rec * r * (1 - r), keep[n] = delta * (old - g) * i * (1 - i), keep[2 * n] = candidate,
          keep[3 * n] = candidate * r;
          before[u] = delta * i;
        } else {
          keep[0] = delta * (d.mode == RnnMode::Tanh ? 1 - y * y : y > 0 ? 1 : 0);
        }
      }
      const auto of_h = [&](int q, int64_t unit) { return row[(d.mode == RnnMode::Gru && q == 2 ? 3 : q) * n + unit]; };
      for (int64_t i = 0; i < d.features; ++i) {
        double sum = 0;
        for (int q = 0; q < gates; ++q)
          for (int64_t j = 0; j < n; ++j) sum += view.value(row[q * n + j]) * weight(0, q, j, i);
        store(p.type, p.dx, (b * p.steps + s) * d.features + i, sum);
      }
      for (int64_t i = 0; i < n; ++i) {
        double sum = before[static_cast<size_t>(i)];
        for (int q = 0; q < gates; ++q)
          for (int64_t j = 0; j < n; ++j) sum += view.value(of_h(q, j)) * weight(1, q, j, i);
        dh[static_cast<size_t>(i)] = sum;
      }
    }
    for (int64_t j = 0; j < n; ++j) {
      if (p.dhx) store(p.type, p.dhx, b * n + j, dh[static_cast<size_t>(j)]);
      if (p.dcx) store(p.type, p.dcx, b * n + j, dc[static_cast<size_t>(j)]);
    }
  }
}

struct WeightPass {
  RnnDesc d;
  int64_t steps, batch;
  DataType type;
  const void *x, *hx, *y;
  char* dweights;
  const double* reserve;
};

void run_backward_weights(const WeightPass& p) {
  const RnnDesc& d = p.d;
  const int64_t n = d.units;
  for (int number = 0; number < 2 * d.gates(); ++number) {
    const int side = number / d.gates(), q = number % d.gates();
    const int64_t inputs = d.inputs(side), part = side == 1 && q == 2 && d.mode == RnnMode::Gru ? 3 : q;
    char *matrix = p.dweights + place_of(d, number, false), *bias = p.dweights + place_of(d, number, true);
    for (int64_t j = 0; j < n; ++j) {
      std::vector<double> sums(static_cast<size_t>(inputs));
      double total = 0;
      for (int64_t r = 0; r < p.batch * p.steps; ++r) {
        const int64_t b = r / p.steps, s = r % p.steps;
        const double delta = p.reserve[r * kept(d) + part * n + j];
        total += delta;
        for (int64_t i = 0; i < inputs; ++i) {
          const double in = side == 0 ? load(p.type, p.x, r * inputs + i)
                            : s > 0   ? load(p.type, p.y, (r - 1) * n + i)
                            : p.hx    ? load(p.type, p.hx, b * n + i)
                                      : 0;
          sums[static_cast<size_t>(i)] += d.rounds() ? to_tf32(in) * to_tf32(delta) : in * delta;
        }
      }
      for (int64_t i = 0; i < inputs; ++i) {
        const int64_t at = j * inputs + i;
        store(p.type, matrix, at, load(p.type, matrix, at) + sums[static_cast<size_t>(i)]);
      }
      if (d.bias != RnnBias::None) store(p.type, bias, j, load(p.type, bias, j) + total);
    }
  }
}

Status set_rnn(RnnDesc* d, RnnAlgo algo, RnnMode mode, RnnBias bias, RnnDirection, RnnInput, DataType type,
               DataType compute, Math math, int32_t features, int32_t units, int32_t projection, int32_t layers,
               DropoutDesc* dropout, uint32_t flags) {
  if (!dropout || !dropout->set || projection != units || layers != 1 || flags != kRnnPadded) return Status::BadParam;
  if (compute != DataType::Float || type == DataType::Double) return Status::NotSupported;
  *d = {algo, mode, bias, type, math, features, units};
  return Status::Success;
}

Status set_rnn_data(RnnDataDesc* d, DataType type, RnnLayout layout, int steps, int batch, int width,
                    const int lengths[], void*) {
  if (layout != RnnLayout::BatchMajor || steps < 1 || batch < 1 || width < 1 ||
      std::any_of(lengths, lengths + batch, [&](int l) { return l != steps; }))
    return Status::BadParam;
  *d = {type, steps, batch, width};
  return Status::Success;
}

bool agree(const RnnDesc& d, const RnnDataDesc& x, const RnnDataDesc& y, TensorDesc* h, TensorDesc* c) {
  const bool lstm = d.mode == RnnMode::Lstm;
  return x.width == d.features && y.width == d.units && x.steps == y.steps && x.batch == y.batch && x.type == d.type &&
         y.type == d.type && h && h->rank == 3 && h->sizes[1] == x.batch && h->sizes[2] == d.units && (!lstm || c);
}
bool roomy(const RnnDesc& d, const RnnDataDesc& x, size_t weights, size_t work, const void* workspace, size_t reserve,
           const void* r) {
  return weights == weight_bytes(d) && work >= kWork && workspace && reserve >= reserve_bytes(d, x) && r;
}

template <class F>
Status give(Handle h, F body) {
  if (!h || !h->stream) return Status::BadParam;
  const cudaError_t e = emulator::launch(nullptr, body, dim3(1), dim3(1), 0, h->stream);
  return e == cudaSuccess ? Status::Success : Status::ExecutionFailed;
}

}  // namespace

void add_rnn(Api& a) {
  a.get_tensor = [](TensorDesc* d, int wanted, DataType* type, int* rank, int sizes[], int strides[]) {
    *type = d->type, *rank = d->rank;
    for (int i = 0; i < d->rank && i < wanted; ++i)
      sizes[i] = static_cast<int>(d->sizes[i]), strides[i] = static_cast<int>(d->strides[i]);
    return Status::Success;
  };
  a.create_dropout = create<DropoutDesc>;
  a.destroy_dropout = destroy<DropoutDesc>;
  a.set_dropout = [](DropoutDesc* d, Handle, float rate, void*, size_t, unsigned long long) {
    d->set = rate == 0;
    return Status::Success;
  };
  a.create_rnn = create<RnnDesc>;
  a.destroy_rnn = destroy<RnnDesc>;
  a.set_rnn = set_rnn;
  a.create_rnn_data = create<RnnDataDesc>;
  a.destroy_rnn_data = destroy<RnnDataDesc>;
  a.set_rnn_data = set_rnn_data;
  a.rnn_spaces = [](Handle, RnnDesc* d, RnnPass pass, RnnDataDesc* x, size_t* workspace, size_t* reserve) {
    *workspace = kWork;
    *reserve = pass == RnnPass::Training ? reserve_bytes(*d, *x) : 0;
    return Status::Success;
  };
  a.rnn_weight_space = [](Handle, RnnDesc* d, size_t* bytes) {
    *bytes = weight_bytes(*d);
    return Status::Success;
  };
  a.rnn_weights = [](Handle, RnnDesc* d, int32_t layer, size_t bytes, const void* space, int32_t number,
                     TensorDesc* matrix_desc, void** matrix, TensorDesc* bias_desc, void** bias) {
    if (layer != 0 || bytes != weight_bytes(*d) || number < 0 || number >= 2 * d->gates()) return Status::BadParam;
    char* base = static_cast<char*>(const_cast<void*>(space));
    const int64_t inputs = d->inputs(number / d->gates());
    *matrix_desc = {d->type, 3, {1, d->units, inputs}, {d->units * inputs, inputs, 1}};
    *bias_desc = {d->type, 3, {1, d->units, 1}, {d->units, 1, 1}};
    *matrix = base + place_of(*d, number, false);
    *bias = d->bias == RnnBias::None ? nullptr : base + place_of(*d, number, true);
    return Status::Success;
  };
  a.rnn_forward = [](Handle handle, RnnDesc* d, RnnPass pass, const int32_t lengths[], RnnDataDesc* xd, const void* x,
                     RnnDataDesc* yd, void* y, TensorDesc* hd, const void* hx, void* hy, TensorDesc* cd, const void* cx,
                     void* cy, size_t wb, const void* w, size_t bytes, void* work, size_t rb, void* reserve) {
    if (d->algo != RnnAlgo::Standard) return Status::NotSupported;
    if (lengths || pass != RnnPass::Training || !agree(*d, *xd, *yd, hd, cd) ||
        !roomy(*d, *xd, wb, bytes, work, rb, reserve) || !x || !y || !w)
      return Status::BadParam;
    const Pass p{*d,
                 xd->steps,
                 xd->batch,
                 d->type,
                 x,
                 hx,
                 cx,
                 y,
                 hy,
                 cy,
                 static_cast<const char*>(w),
                 static_cast<double*>(reserve)};
    return give(handle, [=] {
      std::memset(work, 0xff, kWork);
      run_forward(p);
    });
  };
  a.rnn_backward_data = [](Handle handle, RnnDesc* d, const int32_t lengths[], RnnDataDesc* yd, const void* y,
                           const void* dy, RnnDataDesc* xd, void* dx, TensorDesc* hd, const void* hx, const void* dhy,
                           void* dhx, TensorDesc* cd, const void* cx, const void* dcy, void* dcx, size_t wb,
                           const void* w, size_t bytes, void* work, size_t rb, void* reserve) {
    if (lengths || !agree(*d, *xd, *yd, hd, cd) || !roomy(*d, *xd, wb, bytes, work, rb, reserve) || !y || !dy || !dx ||
        !w)
      return Status::BadParam;
    const DataPass p{*d,
                     xd->steps,
                     xd->batch,
                     d->type,
                     y,
                     dy,
                     hx,
                     dhy,
                     cx,
                     dcy,
                     dx,
                     dhx,
                     dcx,
                     static_cast<const char*>(w),
                     static_cast<double*>(reserve)};
    return give(handle, [=] {
      std::memset(work, 0xff, kWork);
      run_backward_data(p);
    });
  };
  a.rnn_backward_weights = [](Handle handle, RnnDesc* d, RnnWeightGrad mode, const int32_t lengths[], RnnDataDesc* xd,
                              const void* x, TensorDesc* hd, const void* hx, RnnDataDesc* yd, const void* y, size_t wb,
                              void* dw, size_t bytes, void* work, size_t rb, void* reserve) {
    if (lengths || mode != RnnWeightGrad::Add || xd->width != d->features || yd->width != d->units || !hd ||
        !roomy(*d, *xd, wb, bytes, work, rb, reserve) || !x || !y || !dw)
      return Status::BadParam;
    const WeightPass p{
        *d, xd->steps, xd->batch, d->type, x, hx, y, static_cast<char*>(dw), static_cast<const double*>(reserve)};
    return give(handle, [=] { run_backward_weights(p); });
  };
}

}  // namespace tahr::cuda::cudnn
