// The gradient of a convolution's kernel: outer products of inputs and dy, summed over all places.
//
// The bands of all images are cut into groups and the kernel's rows into blocks, by the shapes alone. Each group of
// bands has a partial sum of its own; these are added in order.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/parallel.h"
#include "cpu/conv.h"
#include "cpu/scratch.h"

namespace tahr {
namespace {

constexpr int64_t kPartialBytes = 3 << 20;  // of all partial sums, beyond the first
constexpr int64_t kSums = 16;               // partial sums, at most
constexpr int64_t kChunks = 8;              // with fewer sums, the kernel's rows are shared out as well
constexpr int64_t kBandSteps = 256;         // places whose products are summed in registers
constexpr int64_t kBandBytes = 192 << 10;
constexpr int64_t kBlockRows = 96;  // rows of the kernel's gradient that a chunk has at least

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
const ConvKernels<T>& kernels_of(const ConvTable& table) {
  if constexpr (std::is_same_v<T, float>) return table.f32;
  else return table.f64;
}

// A block of rows of the kernel's gradient that read one source row: `count` rows from `row`, whose inputs begin at
// (slice, height tap, place offset, channel).
struct Block {
  int64_t row, count, depth, height, element;
};

template <class S, class T>
class Outer {
 public:
  Outer(const ConvTable& table, const ConvShape& s, const S* x, const S* dy, S* dw)
      : kernels_(kernels_of<T>(table)),
        s_(s),
        x_(x),
        dy_(dy),
        dw_(dw),
        way_{forward_way(s, 0), forward_way(s, 1), forward_way(s, 2)} {}

  void run() {
    const int64_t all = s_.cout * s_.groups, taps = s_.taps(), size = taps * s_.cin * all;
    if (size == 0) return;
    const int64_t merged = way_[2].contiguous() ? s_.window[2] * s_.cin : s_.cin;
    scattered_ = merged * 2 <= kernels_.mr && taps > 1;
    plan_ = plan_band(way_, s_.groups, s_.cin, std::is_same_v<S, T>, scattered_);
    pad_dy_ = !std::is_same_v<S, T> || s_.groups > 1 || s_.cout % kernels_.lanes != 0;
    dy_pitch_ = pad_dy_ ? ceil_div(s_.cout, kernels_.lanes) * kernels_.lanes : all;

    rows_ = std::clamp<int64_t>(kBandSteps / std::max<int64_t>(s_.y[2], 1), 1, std::max<int64_t>(s_.y[1], 1));
    while (rows_ > 1 && plan_.elements(rows_) * static_cast<int64_t>(sizeof(T)) > kBandBytes)
      rows_ = ceil_div(rows_, 2);
    bands_ = ceil_div(s_.y[1], rows_);

    const int64_t bytes = size * static_cast<int64_t>(sizeof(T));
    const int64_t units = s_.n * s_.y[0] * bands_;
    int64_t groups = std::clamp<int64_t>(kPartialBytes / bytes, 1, std::clamp<int64_t>(units, 1, kSums));
    if (groups > 4) groups -= groups % 4;  // so that two or four threads end together
    make_blocks(groups >= kChunks ? 1 : ceil_div(2 * kChunks, groups));
    const int64_t parts = static_cast<int64_t>(parts_.size()) - 1;

    const bool direct = groups == 1 && std::is_same_v<S, T>;
    const Scratch partial(direct ? 0 : groups * bytes);
    T* sums_at = partial.as<T>();
    if constexpr (std::is_same_v<S, T>) {
      if (direct) sums_at = dw_;
    }
    const double fmas = static_cast<double>(s_.n) * s_.y[0] * s_.y[1] * s_.y[2] * taps * s_.cin * all;
    const auto body = [&](int64_t chunk) {
      const int64_t part = chunk % parts, g = chunk / parts;
      run_chunk(part, g * units / groups, (g + 1) * units / groups, sums_at + g * size);
    };
    parallel_chunks(groups * parts, fmas / (kernels_.nr * 3.0) + 1000.0, body);
    if (direct) return;
    parallel_for(size, 4096, static_cast<double>(size) * groups * 0.2, [&](int64_t begin, int64_t end) {
      T* first = sums_at;
      for (int64_t g = 1; g < groups; ++g) {
        const T* other = sums_at + g * size;
        for (int64_t i = begin; i < end; ++i) first[i] += other[i];
      }
      for (int64_t i = begin; i < end; ++i) dw_[i] = store_as<S>(first[i]);
    });
  }

 private:
  // Cuts the rows of the gradient into blocks, and these into parts of about equal size.
  void make_blocks(int64_t parts) {
    const int64_t taps = s_.taps();
    if (scattered_) {
      blocks_.push_back({0, taps * s_.cin, 0, 0, 0});
      parts_ = {0, 1};
      return;
    }
    const bool merged = way_[2].contiguous() && (!plan_.in_place || s_.groups == 1);
    const int64_t length = merged ? s_.window[2] * s_.cin : s_.cin, runs = taps * s_.cin / length;
    const int64_t split = std::clamp<int64_t>(ceil_div(parts, runs), 1, std::max<int64_t>(1, length / kBlockRows));
    const int64_t count = ceil_div(ceil_div(length, split), kernels_.mr) * kernels_.mr;
    int64_t row = 0;
    for (size_t d = 0; d < way_[0].taps.size(); ++d) {
      for (size_t h = 0; h < way_[1].taps.size(); ++h) {
        for (int64_t w = 0; w < (merged ? 1 : s_.window[2]); ++w) {
          for (int64_t i = 0; i < length; i += count) {
            blocks_.push_back({row + i, std::min(count, length - i), static_cast<int64_t>(d), static_cast<int64_t>(h),
                               w * s_.dilation[2] * (plan_.in_place ? s_.cin * s_.groups : s_.cin) + i});
          }
          row += length;
        }
      }
    }
    const auto all = static_cast<int64_t>(blocks_.size());
    const int64_t own = ceil_div(all, std::clamp<int64_t>(parts, 1, all));
    for (int64_t b = 0; b < all; b += own) parts_.push_back(b);
    parts_.push_back(all);
  }

  // Adds the products of bands [unit, end) of all images to the rows of a part.
  void run_chunk(int64_t part, int64_t unit, int64_t end, T* sums) const {
    const int64_t all = s_.cout * s_.groups;
    const auto first = static_cast<size_t>(parts_[static_cast<size_t>(part)]),
               last = static_cast<size_t>(parts_[static_cast<size_t>(part) + 1]);
    const int64_t row0 = blocks_[first].row, row1 = blocks_[last - 1].row + blocks_[last - 1].count;
    std::memset(sums + row0 * all, 0, (row1 - row0) * all * sizeof(T));
    const Scratch room((plan_.elements(rows_) + kernels_.nr) * sizeof(T));
    const Scratch dy_room(pad_dy_ ? rows_ * s_.y[2] * dy_pitch_ * sizeof(T) : 0);
    const Scratch offsets(scattered_ ? s_.taps() * s_.cin * sizeof(int64_t) : 0);
    const int64_t x_image = s_.x[0] * s_.x[1] * s_.x[2] * s_.cin * s_.groups, line = s_.y[2] * all;
    for (; unit < end; ++unit) {
      const int64_t image = unit / bands_ / s_.y[0], q0 = unit / bands_ % s_.y[0], q1 = unit % bands_ * rows_;
      const int64_t rows = std::min(rows_, s_.y[1] - q1);
      for (int64_t g = 0; g < s_.groups; ++g) {
        const auto band = make_band<S, T>(plan_, x_ + image * x_image + g * s_.cin, q0, q1, q1 + rows, room.as<T>());
        const S* dy = dy_ + ((image * s_.y[0] + q0) * s_.y[1] + q1) * line + g * s_.cout;
        ConvOuter<T> t{};
        t.a_step = s_.stride[2] * band.place_pitch;
        t.a_pitch = s_.stride[1] * band.row_pitch;
        t.b_step = dy_pitch_;
        t.b_pitch = s_.y[2] * dy_pitch_;
        t.steps = s_.y[2];
        t.ldc = all;
        t.n = s_.cout;
        t.accumulate = true;
        const T* b = lay_out(dy, rows * s_.y[2], dy_room.as<T>());
        T* to = sums + g * s_.cout;
        if (scattered_) {
          fill_offsets(band, offsets.as<int64_t>());
          t.offsets = offsets.as<int64_t>();
          t.a = band.data;
          t.b = b;
          t.rows = rows;
          t.c = to;
          t.m = s_.taps() * s_.cin;
          t.height = static_cast<int>(ceil_div(t.m, ceil_div(t.m, kernels_.mr)));
          kernels_.outer(t);
          continue;
        }
        for (size_t i = first; i < last; ++i) {
          const Block& block = blocks_[i];
          const int64_t slice = q0 * way_[0].stride + way_[0].taps[static_cast<size_t>(block.depth)].offset;
          if (slice < 0 || slice >= s_.x[0]) continue;
          // Output rows whose source row is one of x.
          const int64_t offset = way_[1].taps[static_cast<size_t>(block.height)].offset, stride = s_.stride[1];
          const int64_t from = std::max(q1, ceil_div(std::max<int64_t>(0, -offset), stride));
          const int64_t room_up = s_.x[1] - 1 - offset;
          const int64_t to_row = room_up < 0 ? from : std::min(q1 + rows, room_up / stride + 1);
          if (from >= to_row) continue;
          t.a = band.data + block.depth * band.slice_pitch +
                (from * stride + offset - band.first_row) * band.row_pitch + block.element;
          t.b = b + (from - q1) * t.b_pitch;
          t.rows = to_row - from;
          t.c = to + block.row * all;
          t.m = block.count;
          t.height = static_cast<int>(ceil_div(t.m, ceil_div(t.m, kernels_.mr)));
          kernels_.outer(t);
        }
      }
    }
  }

  void fill_offsets(const ConvBand<T>& band, int64_t* offsets) const {
    for (int64_t d = 0; d < s_.window[0]; ++d) {
      for (int64_t h = 0; h < s_.window[1]; ++h) {
        for (int64_t w = 0; w < s_.window[2]; ++w) {
          for (int64_t c = 0; c < s_.cin; ++c) {
            *offsets++ =
                d * band.slice_pitch + h * s_.dilation[1] * band.row_pitch + w * s_.dilation[2] * band.place_pitch + c;
          }
        }
      }
    }
  }

  // dy of a band with each place's channels padded to whole vectors, where it is not so already.
  const T* lay_out(const S* dy, int64_t places, T* room) const {
    if constexpr (std::is_same_v<S, T>) {
      if (!pad_dy_) return dy;
    }
    const int64_t all = s_.cout * s_.groups;
    for (int64_t i = 0; i < places; ++i) {
      for (int64_t j = 0; j < s_.cout; ++j) room[i * dy_pitch_ + j] = load_as(dy[i * all + j]);
      for (int64_t j = s_.cout; j < dy_pitch_; ++j) room[i * dy_pitch_ + j] = 0;
    }
    return room;
  }

  const ConvKernels<T>& kernels_;
  const ConvShape& s_;
  const S* x_;
  const S* dy_;
  S* dw_;
  AxisWay way_[kAxes];
  BandPlan plan_{};
  bool scattered_ = false, pad_dy_ = false;
  int64_t dy_pitch_ = 0, rows_ = 1, bands_ = 1;  // bands of an image's slice
  std::vector<Block> blocks_;
  std::vector<int64_t> parts_;  // bounds in blocks_
};

}  // namespace

void conv_outer(const ConvTable& table, DType dtype, const ConvShape& s, const void* x, const void* dy, void* dw) {
  visit_dtype(dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      Outer<S, Compute<S>>(table, s, static_cast<const S*>(x), static_cast<const S*>(dy), static_cast<S*>(dw)).run();
    }
  });
}

}  // namespace tahr
