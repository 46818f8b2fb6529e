// Matrix products in GFLOP/s and as a share of the peak of fused multiply-adds, which is measured right beside each:
// squares, a dense layer's forward, dW and dX, and all products of a training step of a multi-layer perceptron, run one
// after the other. Each figure is the best of many short runs, between which the other products have theirs.
//
//   bench_gemm [threads=1,2] [filter=TEXT] [rounds=N]
#include "cpu/gemm.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "graph/rows.h"
#include "peak.h"

namespace {

double seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Memory as tensors have it.
class Buffer {
 public:
  explicit Buffer(int64_t n) : bytes_(static_cast<size_t>(n) * 4), data_(static_cast<float*>(tahr::allocate(bytes_))) {
    std::fill_n(data_, n, 0.01f);
  }
  Buffer(Buffer&& o) noexcept : bytes_(o.bytes_), data_(std::exchange(o.data_, nullptr)) {}
  ~Buffer() {
    if (data_) tahr::deallocate(data_, bytes_);
  }
  float* data() const { return data_; }

 private:
  size_t bytes_;
  float* data_;
};

struct Work {
  std::string name;
  double flops;
  std::function<void()> run;
  double best = 1e9, best_peak = 0;
};

Work product(const std::string& name, int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
  auto a = std::make_shared<Buffer>(m * k), b = std::make_shared<Buffer>(k * n), c = std::make_shared<Buffer>(m * n);
  return {name, 2.0 * static_cast<double>(m * n * k), [=] {
            tahr::gemm(tahr::DType::Float32, ta, tb, m, n, k, a->data(), ta ? m : k, b->data(), tb ? k : n, c->data(),
                       n);
          }};
}

void layer(std::vector<Work>& works, int64_t batch, int64_t in, int64_t out) {
  const std::string size = std::to_string(batch) + "x" + std::to_string(in) + "x" + std::to_string(out);
  works.push_back(product(size + " forward", batch, out, in, false, false));
  works.push_back(product(size + " dW", in, out, batch, true, false));
  works.push_back(product(size + " dX", batch, in, out, false, true));
}

// All layers forward, then from the last to the first dX, but for the first layer, and dW: to a place of its own, or as
// gradient descent in place.
Work step(int64_t batch, const std::vector<int64_t>& widths, bool in_place) {
  const size_t layers = widths.size() - 1;
  auto x = std::make_shared<std::vector<Buffer>>(), dx = std::make_shared<std::vector<Buffer>>(),
       w = std::make_shared<std::vector<Buffer>>(), dw = std::make_shared<std::vector<Buffer>>();
  std::string name = std::string(in_place ? "sgd " : "") + "step " + std::to_string(batch) + ":";
  double flops = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    name += (i ? "-" : "") + std::to_string(widths[i]);
    x->emplace_back(batch * widths[i]);
    dx->emplace_back(batch * widths[i]);
    if (i == layers) break;
    w->emplace_back(widths[i] * widths[i + 1]);
    dw->emplace_back(widths[i] * widths[i + 1]);
    flops += (i ? 6.0 : 4.0) * static_cast<double>(batch * widths[i] * widths[i + 1]);
  }
  return {name, flops, [=] {
            const auto multiply = [](bool ta, bool tb, int64_t m, int64_t n, int64_t k, const Buffer& a,
                                     const Buffer& b, const Buffer& c, const tahr::GemmEpilogue& end = {}) {
              tahr::gemm(tahr::DType::Float32, ta, tb, m, n, k, a.data(), ta ? m : k, b.data(), tb ? k : n, c.data(), n,
                         end);
            };
            for (size_t i = 0; i < layers; ++i) {
              multiply(false, false, batch, widths[i + 1], widths[i], (*x)[i], (*w)[i], (*x)[i + 1]);
            }
            for (size_t i = layers; i-- > 0;) {
              if (i) multiply(false, true, batch, widths[i], widths[i + 1], (*dx)[i + 1], (*w)[i], (*dx)[i]);
              const tahr::GemmEpilogue descent{.factor = -1e-9, .accumulate = true};
              multiply(true, false, widths[i], widths[i + 1], batch, (*x)[i], (*dx)[i + 1],
                       in_place ? (*w)[i] : (*dw)[i], in_place ? descent : tahr::GemmEpilogue{});
            }
          }};
}

// The first layer's forward product and its dW with descent, on batches of rows drawn from 55,000: copied to a buffer
// first, or read where they lie.
Work drawn(int64_t batch, int64_t in, int64_t out, bool in_place, bool descends) {
  constexpr int64_t kRows = 55000;
  static auto all = std::make_shared<Buffer>(kRows * 1000);
  auto x = std::make_shared<Buffer>(batch * in), w = std::make_shared<Buffer>(in * out),
       z = std::make_shared<Buffer>(batch * out), dw = std::make_shared<Buffer>(in * out);
  auto order = std::make_shared<std::vector<int64_t>>();
  for (int64_t i = 0; i < kRows; ++i) order->push_back(i * 17393 % kRows);
  auto next = std::make_shared<int64_t>(0);
  auto list = std::make_shared<std::vector<const float*>>(batch);
  return {std::string(in_place ? "listed " : "copied ") + (descends ? "sgd " : "") + std::to_string(batch) + "x" +
              std::to_string(in) + "x" + std::to_string(out),
          4.0 * static_cast<double>(batch * in * out), [=, rows = all.get()] {
            if (*next + batch > kRows) *next = 0;
            const int64_t* o = order->data() + *next;
            *next += batch;
            const tahr::GemmEpilogue descent{.factor = -1e-9, .accumulate = true};
            float* to = descends ? w->data() : dw->data();
            if (in_place) {
              for (int64_t i = 0; i < batch; ++i) (*list)[i] = rows->data() + o[i] * in;
              tahr::gemm_listed(false, false, batch, out, in, list->data(), w->data(), out, z->data(), out);
              tahr::gemm_listed(true, false, in, out, batch, list->data(), z->data(), out, to, out,
                                descends ? descent : tahr::GemmEpilogue{});
            } else {
              tahr::graph::gather_rows(reinterpret_cast<const std::byte*>(rows->data()), o, batch, in * 4,
                                       reinterpret_cast<std::byte*>(x->data()));
              tahr::gemm(tahr::DType::Float32, false, false, batch, out, in, x->data(), in, w->data(), out, z->data(),
                         out);
              tahr::gemm(tahr::DType::Float32, true, false, in, out, batch, x->data(), in, z->data(), out, to, out,
                         descends ? descent : tahr::GemmEpilogue{});
            }
          }};
}

// One run of the probe on each of the pool's threads; FLOP/s.
double peak(int threads) {
  constexpr int64_t kRounds = 2000;  // 10 us
  auto chunk = [](int64_t) { tahr::bench::fma_chains(kRounds); };
  const double s = seconds([&] { tahr::parallel_chunks(threads, 1e9, chunk); });
  return tahr::bench::kFlopsPerRound * kRounds * threads / s;
}

void measure(Work& w, int threads) {
  w.best_peak = std::max(w.best_peak, peak(threads));
  const double once = seconds(w.run);
  const int calls = std::clamp(static_cast<int>(60e-6 / once), 1, 50);
  w.best = std::min(w.best, seconds([&] {
                              for (int i = 0; i < calls; ++i) w.run();
                            }) / calls);
  w.best_peak = std::max(w.best_peak, peak(threads));
}

}  // namespace

int main(int argc, char** argv) {
  std::string threads = "1,2", filter;
  int rounds = 300;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    const size_t eq = a.find('=');
    const std::string key = a.substr(0, eq), value = eq == std::string::npos ? "" : a.substr(eq + 1);
    if (key == "threads") threads = value;
    else if (key == "filter") filter = value;
    else if (key == "rounds") rounds = std::max(1, std::atoi(value.c_str()));
    else {
      std::fprintf(stderr, "usage: %s [threads=1,2] [filter=TEXT] [rounds=N]\n", argv[0]);
      return 2;
    }
  }
  for (size_t at = 0; at < threads.size(); at = std::min(threads.find(',', at), threads.size() - 1) + 1) {
    const int count = std::max(1, std::atoi(threads.c_str() + at));
    tahr::set_num_threads(count);
    std::vector<Work> works;
    for (int64_t n : {64, 128, 192, 256, 384, 512, 768, 1024, 2048}) {
      works.push_back(product(std::to_string(n) + "^3", n, n, n, false, false));
    }
    layer(works, 32, 784, 300);
    layer(works, 32, 300, 100);
    layer(works, 32, 100, 10);
    layer(works, 256, 784, 300);
    layer(works, 17, 500, 96);
    layer(works, 100, 1000, 500);
    for (bool in_place : {false, true}) {
      for (int64_t batch : {17, 32, 50, 100, 256}) works.push_back(step(batch, {784, 300, 100, 10}, in_place));
      works.push_back(step(32, {784, 500, 96, 10}, in_place));
      works.push_back(step(50, {1000, 500, 96, 10}, in_place));
    }
    for (bool in_place : {false, true}) {
      for (int64_t batch : {17, 32, 50, 100}) works.push_back(drawn(batch, 784, 300, in_place, true));
      works.push_back(drawn(32, 1000, 96, in_place, true));
      works.push_back(drawn(32, 784, 10, in_place, true));
      works.push_back(drawn(256, 784, 300, in_place, false));
    }
    std::erase_if(works, [&](const Work& w) { return w.name.find(filter) == std::string::npos; });
    for (int r = 0; r < rounds; ++r) {
      for (Work& w : works) {
        if (w.flops < 1e9 || r % 8 == 0) measure(w, count);
      }
    }
    std::printf("%d thread%s%32s %9s %9s %6s\n", count, count == 1 ? " " : "s", "us", "GFLOP/s", "peak", "share");
    for (const Work& w : works) {
      std::printf("%-32s %9.2f %9.1f %9.1f %5.1f%%\n", w.name.c_str(), w.best * 1e6, w.flops / w.best * 1e-9,
                  w.best_peak * 1e-9, 100 * w.flops / w.best / w.best_peak);
    }
  }
  return 0;
}
