// Normalisation on the CPU: rows (layer, RMS) and columns (batch, group). Work is cut into blocks that stay in cache;
// their partial sums are added in double, block after block.
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "cpu/norm_table.h"
#include "cpu/scratch.h"
#include "ops/functions.h"
#include "ops/norm_attrs.h"

namespace tahr {
namespace {

template <class T>
const NormKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) return norm_table().f32;
  else return norm_table().f64;
}

template <class T>
const T* data_of(const KernelArgs& a, size_t i) {
  return a.in.size() > i && a.in[i].defined() ? a.in[i].data<T>() : nullptr;
}

template <class T>
double cost_of(int64_t elements, double passes) {
  return static_cast<double>(elements) * sizeof(T) * passes / 8;
}

int64_t row_length(const Shape& x, const StandardizeAttrs& at) {
  int64_t n = 1;
  for (int i = x.rank() - static_cast<int>(at.rows); i < x.rank(); ++i) n *= x[i];
  return n;
}

// ---- rows ----

int64_t rows_in_block(int64_t n) { return std::clamp<int64_t>(16384 / n, 8, 64); }

template <class T>
void rows_forward(const KernelArgs& a, const StandardizeAttrs& at) {
  const Tensor& x = a.in[0];
  const int64_t n = row_length(x.shape(), at), rows = x.size() / n;
  const T *scale = data_of<T>(a, 1), *offset = data_of<T>(a, 2);
  parallel_for(rows, rows_in_block(n), cost_of<T>(x.size(), 4), [&](int64_t begin, int64_t end) {
    kernels<T>().rows(x.data<T>() + begin * n, scale, offset, a.out[0].mutable_data<T>() + begin * n,
                      a.out[1].mutable_data<T>() + begin, a.out[2].mutable_data<T>() + begin, end - begin, n,
                      at.epsilon, at.centre);
  });
}

// to[j] = the sum over blocks of parts[block * stride + j], for j < n.
template <class T>
void add_blocks(const T* parts, int64_t blocks, int64_t stride, int64_t n, T* to) {
  constexpr int64_t kRun = 256;
  parallel_for(n, kRun, cost_of<T>(blocks * n, 1), [&](int64_t begin, int64_t end) {
    double sum[kRun]{};
    for (int64_t b = 0; b < blocks; ++b)
      for (int64_t j = begin; j < end; ++j) sum[j - begin] += static_cast<double>(parts[b * stride + j]);
    for (int64_t j = begin; j < end; ++j) to[j] = static_cast<T>(sum[j - begin]);
  });
}

template <class T>
void rows_backward(const KernelArgs& a, const StandardizeAttrs& at) {
  const Tensor& x = a.in[1];
  const int64_t n = row_length(x.shape(), at), rows = x.size() / n, block = rows_in_block(n);
  const int64_t blocks = (rows + block - 1) / block;
  const T* scale = data_of<T>(a, 4);
  const Scratch scratch((at.dscale || at.doffset ? 2 : 0) * static_cast<size_t>(blocks * n) * sizeof(T));
  T* parts = scratch.as<T>();
  parallel_for(rows, block, cost_of<T>(x.size(), 6), [&](int64_t begin, int64_t end) {
    T* part = parts + begin / block * 2 * n;
    if (at.dscale) std::fill(part, part + n, T(0));
    if (at.doffset) std::fill(part + n, part + 2 * n, T(0));
    kernels<T>().rows_grad(a.in[0].data<T>() + begin * n, x.data<T>() + begin * n, a.in[2].data<T>() + begin,
                           a.in[3].data<T>() + begin, scale, a.out[0].mutable_data<T>() + begin * n,
                           at.dscale ? part : nullptr, at.doffset ? part + n : nullptr, end - begin, n, at.epsilon,
                           at.centre);
  });
  if (at.dscale) add_blocks(parts, blocks, 2 * n, n, a.out[1].mutable_data<T>());
  if (at.doffset) add_blocks(parts + n, blocks, 2 * n, n, a.out[2].mutable_data<T>());
}

// ---- columns ----

// images x rows x channels, cut into blocks of rows. Rows of few channels are taken several (`fold`) at a time, as one
// row of `width` columns; the last few of an image, if they do not fill one, are a block of one shorter row.
struct Columns {
  int64_t images, rows, channels, groups, fold, width, folded, rest, block, blocks;

  Columns(const Shape& x, const StandardizeAttrs& at) {
    channels = x.back();
    images = at.groups > 0 ? x[0] : 1;
    groups = at.groups > 0 ? at.groups : channels;
    rows = 1;
    for (int i = at.groups > 0 ? 1 : 0; i + 1 < x.rank(); ++i) rows *= x[i];
    fold = std::clamp<int64_t>(64 / channels, 1, std::max<int64_t>(rows, 1));
    width = fold * channels;
    folded = rows / fold;
    rest = rows % fold;
    block = std::clamp<int64_t>(32768 / width, 8, 256);
    blocks = (folded + block - 1) / block + (rest > 0 ? 1 : 0);
  }
  int64_t rows_of(int64_t b) const { return is_rest(b) ? 1 : std::min(block, folded - b * block); }
  int64_t width_of(int64_t b) const { return is_rest(b) ? rest * channels : width; }
  bool is_rest(int64_t b) const { return rest > 0 && b == blocks - 1; }
  int64_t start(int64_t image, int64_t b) const {
    return image * rows * channels + (is_rest(b) ? folded : b * block) * width;
  }
  int64_t per_group() const { return channels / groups; }

  // Calls body(image, block, first element).
  template <class F>
  void each_block(double cost_ns, F&& body) const {
    parallel_for(images * blocks, 1, cost_ns, [&](int64_t item, int64_t) {
      body(item / blocks, item % blocks, start(item / blocks, item % blocks));
    });
  }
  // Calls body(image, first group, last group) for runs of groups.
  template <class F>
  void each_group_run(double cost_ns, F&& body) const {
    const int64_t run = std::max<int64_t>(1, 64 / per_group()), runs = (groups + run - 1) / run;
    parallel_for(images * runs, 1, cost_ns, [&](int64_t item, int64_t) {
      const int64_t begin = item % runs * run;
      body(item / runs, begin, std::min(groups, begin + run));
    });
  }
};

// The per-column values of every block, and what is made of them: one piece of scratch memory.
template <class T, int kParts, int kVectors>
struct ColumnScratch {
  const Columns& c;
  Scratch memory;
  explicit ColumnScratch(const Columns& columns)
      : c(columns), memory(static_cast<size_t>(c.images * c.width * (kParts * c.blocks + kVectors)) * sizeof(T)) {}
  T* part(int i, int64_t image, int64_t block) const {
    return memory.as<T>() + ((i * c.images + image) * c.blocks + block) * c.width;
  }
  T* vector(int i, int64_t image) const {
    return memory.as<T>() + (kParts * c.images * c.blocks + i * c.images + image) * c.width;
  }
  // Sets vector i of the image at a channel, in all the rows that are folded together.
  void set(int i, int64_t image, int64_t channel, double value) const {
    for (int64_t f = 0; f < c.fold; ++f) vector(i, image)[f * c.channels + channel] = static_cast<T>(value);
  }
  // Calls body(block, column, rows) for every value of a channel.
  template <class F>
  void each_part(int64_t channel, F&& body) const {
    for (int64_t b = 0; b < c.blocks; ++b) {
      const int64_t width = c.width_of(b);
      const auto rows = static_cast<double>(c.rows_of(b));
      for (int64_t j = channel; j < width; j += c.channels) body(b, j, rows);
    }
  }
};

template <class T>
void columns_forward(const KernelArgs& a, const StandardizeAttrs& at, bool relu) {
  const Tensor& x = a.in[0];
  const T* skip = relu ? data_of<T>(a, 3) : nullptr;
  const Columns c(x.shape(), at);
  const T *scale = data_of<T>(a, 1), *offset = data_of<T>(a, 2);
  const ColumnScratch<T, 2, 3> s(c);
  c.each_block(cost_of<T>(x.size(), 2), [&](int64_t image, int64_t b, int64_t at_element) {
    kernels<T>().moments(x.data<T>() + at_element, c.rows_of(b), c.width_of(b), s.part(0, image, b),
                         s.part(1, image, b));
  });
  const auto count = static_cast<double>(c.rows * c.per_group());
  c.each_group_run(cost_of<T>(c.images * c.blocks * c.width, 8), [&](int64_t image, int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      const int64_t first = g * c.per_group(), last = first + c.per_group();
      double sum = 0, squares = 0;
      for (int64_t ch = first; at.centre && ch < last; ++ch)
        s.each_part(
            ch, [&](int64_t b, int64_t j, double rows) { sum += rows * static_cast<double>(s.part(0, image, b)[j]); });
      const double mean = sum / count;
      for (int64_t ch = first; ch < last; ++ch)
        s.each_part(ch, [&](int64_t b, int64_t j, double rows) {
          const double d = static_cast<double>(s.part(0, image, b)[j]) - mean;
          squares += static_cast<double>(s.part(1, image, b)[j]) + rows * d * d;
        });
      const double variance = squares / count, f = 1 / std::sqrt(variance + at.epsilon);
      a.out[1].mutable_data<T>()[image * c.groups + g] = static_cast<T>(mean);
      a.out[2].mutable_data<T>()[image * c.groups + g] = static_cast<T>(variance);
      for (int64_t ch = first; ch < last; ++ch) {
        s.set(0, image, ch, mean);
        s.set(1, image, ch, scale ? f * static_cast<double>(scale[ch]) : f);
        s.set(2, image, ch, offset ? static_cast<double>(offset[ch]) : 0);
      }
    }
  });
  c.each_block(cost_of<T>(x.size(), 2), [&](int64_t image, int64_t b, int64_t at_element) {
    const T *from = x.data<T>() + at_element, *mean = s.vector(0, image), *factor = s.vector(1, image);
    T* to = a.out[0].mutable_data<T>() + at_element;
    const int64_t rows = c.rows_of(b), width = c.width_of(b);
    if (relu) {
      kernels<T>().affine_relu(from, mean, factor, s.vector(2, image), skip ? skip + at_element : nullptr, to, rows,
                               width);
    } else {
      kernels<T>().affine(from, mean, factor, s.vector(2, image), to, rows, width);
    }
  });
}

template <class T>
void columns_backward(const KernelArgs& a, const StandardizeAttrs& at) {
  const Tensor &dy = a.in[0], &x = a.in[1];
  const Columns c(x.shape(), at);
  const T *mean = data_of<T>(a, 2), *variance = data_of<T>(a, 3), *scale = data_of<T>(a, 4);
  const ColumnScratch<T, 2, 4> s(c);
  for (int64_t image = 0; image < c.images; ++image)
    for (int64_t ch = 0; ch < c.channels; ++ch)
      s.set(0, image, ch, static_cast<double>(mean[image * c.groups + ch / c.per_group()]));
  c.each_block(cost_of<T>(x.size(), 3), [&](int64_t image, int64_t b, int64_t at_element) {
    kernels<T>().sums(dy.data<T>() + at_element, x.data<T>() + at_element, s.vector(0, image), c.rows_of(b),
                      c.width_of(b), s.part(0, image, b), s.part(1, image, b));
  });
  const auto count = static_cast<double>(c.rows * c.per_group());
  const Scratch totals(static_cast<size_t>(2 * c.images * c.channels) * sizeof(double));
  double* sums = totals.as<double>();
  double* products = sums + c.images * c.channels;
  c.each_group_run(cost_of<T>(c.images * c.blocks * c.width, 8), [&](int64_t image, int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      const int64_t first = g * c.per_group(), last = first + c.per_group();
      const double f = 1 / std::sqrt(static_cast<double>(variance[image * c.groups + g]) + at.epsilon);
      double sum = 0, product = 0;  // of dy scale, and of that times the normalised x
      for (int64_t ch = first; ch < last; ++ch) {
        double own = 0, own_product = 0;
        s.each_part(ch, [&](int64_t b, int64_t j, double) {
          own += static_cast<double>(s.part(0, image, b)[j]);
          own_product += static_cast<double>(s.part(1, image, b)[j]);
        });
        own_product *= f;
        sums[image * c.channels + ch] = own;
        products[image * c.channels + ch] = own_product;
        const double weight = scale ? static_cast<double>(scale[ch]) : 1;
        sum += own * weight;
        product += own_product * weight;
      }
      for (int64_t ch = first; ch < last; ++ch) {
        s.set(1, image, ch, scale ? f * static_cast<double>(scale[ch]) : f);
        s.set(2, image, ch, -f * f * product / count);
        s.set(3, image, ch, at.centre ? -f * sum / count : 0);
      }
    }
  });
  c.each_block(cost_of<T>(x.size(), 3), [&](int64_t image, int64_t b, int64_t at_element) {
    kernels<T>().affine_grad(dy.data<T>() + at_element, x.data<T>() + at_element, s.vector(0, image),
                             s.vector(1, image), s.vector(2, image), s.vector(3, image),
                             a.out[0].mutable_data<T>() + at_element, c.rows_of(b), c.width_of(b));
  });
  const auto over_images = [&](const double* from, const Tensor& to) {
    for (int64_t ch = 0; ch < c.channels; ++ch) {
      double total = 0;
      for (int64_t image = 0; image < c.images; ++image) total += from[image * c.channels + ch];
      to.mutable_data<T>()[ch] = static_cast<T>(total);
    }
  };
  if (at.dscale) over_images(products, a.out[1]);
  if (at.doffset) over_images(sums, a.out[2]);
}

template <class T>
void affine_columns(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  if (x.size() == 0) return;
  const Columns c(x.shape(), StandardizeAttrs{});
  const ColumnScratch<T, 0, 3> s(c);
  for (size_t i = 0; i < 3; ++i)
    for (int64_t ch = 0; ch < c.channels; ++ch)
      s.set(static_cast<int>(i), 0, ch, static_cast<double>(a.in[i + 1].data<T>()[ch]));
  c.each_block(cost_of<T>(x.size(), 2), [&](int64_t, int64_t b, int64_t at_element) {
    kernels<T>().affine(x.data<T>() + at_element, s.vector(0, 0), s.vector(1, 0), s.vector(2, 0),
                        a.out[0].mutable_data<T>() + at_element, c.rows_of(b), c.width_of(b));
  });
}

// ---- the ops ----

template <class T>
void fill(const Tensor& t, T value) {
  std::fill(t.mutable_data<T>(), t.mutable_data<T>() + t.size(), value);
}

template <class T>
void forward(const KernelArgs& a, bool relu) {
  const auto& at = a.as<StandardizeAttrs>();
  if (a.in[0].size() == 0) {  // statistics of nothing
    fill<T>(a.out[1], at.centre ? static_cast<T>(NAN) : T(0));
    fill<T>(a.out[2], static_cast<T>(NAN));
  } else if (at.rows > 0) {
    rows_forward<T>(a, at);
  } else {
    columns_forward<T>(a, at, relu);
  }
}

template <class T>
void backward(const KernelArgs& a) {
  const auto& at = a.as<StandardizeAttrs>();
  if (a.in[1].size() == 0) {
    fill<T>(a.out[1], T(0));
    fill<T>(a.out[2], T(0));
  } else if (at.rows > 0) {
    rows_backward<T>(a, at);
  } else {
    columns_backward<T>(a, at);
  }
}

}  // namespace

void register_norm_kernels() {
  define_kernel("standardize", DeviceType::CPU, [](const KernelArgs& a) {
    return a.in[0].dtype() == DType::Float64 ? forward<double>(a, false) : forward<float>(a, false);
  });
  define_kernel("standardize_relu", DeviceType::CPU, [](const KernelArgs& a) {
    return a.in[0].dtype() == DType::Float64 ? forward<double>(a, true) : forward<float>(a, true);
  });
  define_kernel("affine_columns", DeviceType::CPU, [](const KernelArgs& a) {
    return a.in[0].dtype() == DType::Float64 ? affine_columns<double>(a) : affine_columns<float>(a);
  });
  define_kernel("standardize_grad", DeviceType::CPU, [](const KernelArgs& a) {
    return a.in[0].dtype() == DType::Float64 ? backward<double>(a) : backward<float>(a);
  });
}

}  // namespace tahr
