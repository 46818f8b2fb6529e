// Outputs of a convolution, and the gradient of its input: rows of outputs, a band at a time.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/parallel.h"
#include "cpu/conv.h"
#include "cpu/scratch.h"

namespace tahr {
namespace {

constexpr double kChunkFmas = 6e6;         // a chunk of work: some 50 microseconds
constexpr int64_t kFarBytes = 128 << 10;   // a panel of the packed kernel from here on is fetched ahead
constexpr int64_t kBandBytes = 128 << 10;  // of source rows in scratch, where one output row does not need more

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
const ConvKernels<T>& kernels_of(const ConvTable& table) {
  if constexpr (std::is_same_v<T, float>) return table.f32;
  else return table.f64;
}

// The kernel as the tiles read it, for one group and one way: panels of nr outputs, each [tap, channel][nr].
template <class S, class T>
void pack_kernel(const ConvShape& s, bool backward, const AxisWay* way, int64_t group, const S* kernel, int nr, T* to) {
  const int64_t sources = backward ? s.cout : s.cin, outputs = backward ? s.cin : s.cout;
  const int64_t width = s.cout * s.groups;  // of a row of the kernel
  const int64_t source_step = backward ? 1 : width, output_step = backward ? width : 1;
  const int64_t steps = static_cast<int64_t>(way[0].taps.size() * way[1].taps.size() * way[2].taps.size()) * sources;
  parallel_for(ceil_div(outputs, nr), 1, static_cast<double>(outputs) * steps, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t cols = std::min<int64_t>(nr, outputs - panel * nr);
      T* out = to + panel * steps * nr;
      if (cols < nr) std::memset(out, 0, steps * nr * sizeof(T));
      for (const ConvTap& d : way[0].taps) {
        for (const ConvTap& h : way[1].taps) {
          for (const ConvTap& w : way[2].taps) {
            const int64_t tap = (d.index * s.window[1] + h.index) * s.window[2] + w.index;
            const S* in = kernel + tap * s.cin * width + group * s.cout + panel * nr * output_step;
            if (backward) {
              for (int64_t j = 0; j < cols; ++j) {
                for (int64_t i = 0; i < sources; ++i) out[i * nr + j] = load_as(in[i * source_step + j * output_step]);
              }
            } else {
              for (int64_t i = 0; i < sources; ++i) {
                for (int64_t j = 0; j < cols; ++j) out[i * nr + j] = load_as(in[i * source_step + j]);
              }
            }
            out += sources * nr;
          }
        }
      }
    }
  });
}

template <class S, class T>
class Rows {
 public:
  Rows(const ConvTable& table, const ConvShape& s, bool backward, const S* source, const S* kernel, S* out,
       const ConvEpilogue& end)
      : kernels_(kernels_of<T>(table)),
        s_(s),
        backward_(backward),
        source_(source),
        kernel_(kernel),
        out_(out),
        end_(end) {
    sources_ = backward ? s.cout : s.cin;
    outputs_ = backward ? s.cin : s.cout;
    for (int a = 0; a < kAxes; ++a) {
      source_size_ *= backward ? s.y[a] : s.x[a];
      out_size_[a] = backward ? s.x[a] : s.y[a];
    }
  }

  void run() {
    if (!backward_) {
      const AxisWay way[kAxes] = {forward_way(s_, 0), forward_way(s_, 1), forward_way(s_, 2)};
      return run_way(way);
    }
    const auto depth = backward_ways(s_, 0), height = backward_ways(s_, 1), width = backward_ways(s_, 2);
    for (const AxisWay& d : depth) {
      for (const AxisWay& h : height) {
        for (const AxisWay& w : width) {
          const AxisWay way[kAxes] = {d, h, w};
          run_way(way);
        }
      }
    }
  }

 private:
  void run_way(const AxisWay* way) {
    const int64_t steps = static_cast<int64_t>(way[0].taps.size() * way[1].taps.size() * way[2].taps.size()) * sources_;
    const int nr = kernels_.nr;
    const int64_t packed = ceil_div(outputs_, nr) * nr * std::max<int64_t>(steps, 1);
    const Scratch weights(packed * s_.groups * sizeof(T));
    for (int64_t g = 0; g < s_.groups && steps; ++g) {
      pack_kernel<S, T>(s_, backward_, way, g, kernel_, nr, weights.as<T>() + g * packed);
    }
    const BandPlan plan = plan_band(way, s_.groups, sources_, std::is_same_v<S, T>, false);
    // A band: as many rows as make a chunk of work, or as scratch has room for.
    const double row_fmas = static_cast<double>(way[2].count) * std::max<int64_t>(steps, 1) * outputs_;
    int64_t rows = std::clamp<int64_t>(static_cast<int64_t>(kChunkFmas / row_fmas), 1, way[1].count);
    while (rows > 1 && plan.elements(rows) * static_cast<int64_t>(sizeof(T)) > kBandBytes) rows = ceil_div(rows, 2);
    rows = ceil_div(way[1].count, ceil_div(way[1].count, rows));
    const int64_t bands = ceil_div(way[1].count, rows);
    const int64_t units = s_.n * s_.groups * way[0].count * bands;
    const double unit_fmas = row_fmas * rows;
    const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kChunkFmas / unit_fmas));
    const double cost = unit_fmas * units / (nr * 3.0) + units * 200.0 +
                        static_cast<double>(out_size_[0] * out_size_[1] * out_size_[2]) * s_.n * outputs_ * s_.groups *
                            (end_.map_ns + 0.1);
    parallel_for(units, grain, cost, [&](int64_t begin, int64_t stop) {
      const Scratch room((plan.elements(rows) + kernels_.nr) * sizeof(T));
      const Scratch line(std::is_same_v<S, T> ? 0 : way[2].count * outputs_ * sizeof(T));
      std::vector<ConvRun> runs;
      for (int64_t u = begin; u < stop; ++u) {
        const int64_t band = u % bands, q0 = u / bands % way[0].count;
        const int64_t g = u / bands / way[0].count % s_.groups, image = u / bands / way[0].count / s_.groups;
        const int64_t q1 = band * rows, q1_end = std::min(q1 + rows, way[1].count);
        run_band(way, plan, weights.as<T>() + g * packed, steps, image, g, q0, q1, q1_end, room.as<T>(), line.as<T>(),
                 &runs);
      }
    });
  }

  void run_band(const AxisWay* way, const BandPlan& plan, const T* weights, int64_t steps, int64_t image, int64_t g,
                int64_t q0, int64_t q1, int64_t q1_end, T* room, T* line, std::vector<ConvRun>* runs) const {
    const int nr = kernels_.nr;
    const S* from = source_ + image * source_size_ * sources_ * s_.groups + g * sources_;
    const ConvBand<T> band = make_band<S, T>(plan, from, q0, q1, q1_end, room);
    const int64_t all = outputs_ * s_.groups;
    const bool merged = way[2].contiguous() && band.place_pitch == sources_;
    ConvRow<T> row{};
    row.a_row = way[2].stride * band.place_pitch;
    row.run_length = merged ? sources_ * static_cast<int64_t>(way[2].taps.size()) : sources_;
    row.count = way[2].count;
    row.far_b = steps * nr * static_cast<int64_t>(sizeof(T)) > kFarBytes;
    row.height = static_cast<int>(ceil_div(row.count, ceil_div(row.count, kernels_.mr)));
    for (int64_t q = q1; q < q1_end; ++q) {
      runs->clear();
      int64_t step = 0;
      for (size_t d = 0; d < way[0].taps.size(); ++d) {
        const int64_t slice = q0 * way[0].stride + way[0].taps[d].offset;
        for (const ConvTap& h : way[1].taps) {
          const int64_t source_row = q * way[1].stride + h.offset;
          const bool inside = slice >= 0 && slice < way[0].source && source_row >= 0 && source_row < way[1].source;
          const int64_t start =
              static_cast<int64_t>(d) * band.slice_pitch + (source_row - band.first_row) * band.row_pitch;
          for (size_t w = 0; w < (merged ? std::min<size_t>(1, way[2].taps.size()) : way[2].taps.size()); ++w) {
            if (inside) runs->push_back({start + (way[2].taps[w].offset - way[2].low()) * band.place_pitch, step});
            step += row.run_length;
          }
        }
      }
      S* to =
          out_ +
          (((image * out_size_[0] + way[0].first + way[0].step * q0) * out_size_[1] + way[1].first + way[1].step * q) *
               out_size_[2] +
           way[2].first) *
              all +
          g * outputs_;
      const int64_t ldc = way[2].step * all;
      row.a = band.data;
      row.runs = runs->data();
      row.run_count = static_cast<int64_t>(runs->size());
      for (int64_t j = 0; j < outputs_; j += nr) {
        row.b = weights + j * steps;
        row.cols = static_cast<int>(std::min<int64_t>(nr, outputs_ - j));
        if constexpr (std::is_same_v<S, T>) {
          row.c = to + j;
          row.ldc = ldc;
          row.bias = end_.bias ? static_cast<const T*>(end_.bias) + g * outputs_ + j : nullptr;
          row.relu = end_.relu;
        } else {
          row.c = line + j;
          row.ldc = outputs_;
        }
        kernels_.row(row);
      }
      if constexpr (std::is_same_v<S, T>) map_line(end_, to, ldc, row.count, outputs_);
      else
        finish_line(line, end_, end_.bias ? static_cast<const S*>(end_.bias) + g * outputs_ : nullptr, to, ldc,
                    row.count, outputs_);
    }
  }

  const ConvKernels<T>& kernels_;
  const ConvShape& s_;
  bool backward_;
  const S* source_;
  const S* kernel_;
  S* out_;
  const ConvEpilogue& end_;
  int64_t sources_, outputs_, source_size_ = 1, out_size_[kAxes];  // channels of a group; places
};

}  // namespace

void conv_rows(const ConvTable& table, DType dtype, const ConvShape& s, bool backward, const void* source,
               const void* kernel, void* out, const ConvEpilogue& end) {
  visit_dtype(dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      Rows<S, Compute<S>>(table, s, backward, static_cast<const S*>(source), static_cast<const S*>(kernel),
                          static_cast<S*>(out), end)
          .run();
    }
  });
}

}  // namespace tahr
