// Weighted sums of image rows, and of places within a row. Sums run in the order of the taps.
#include "cpu/image_table.h"
#include "cpu/isa/vec.h"

namespace tahr::TAHR_ISA {
namespace {

template <class T>
void rows(const T* x, int64_t pitch, const T* w, int64_t count, T* y, int64_t n) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    Vec<T> a{}, b{};
    for (int64_t k = 0; k < count; ++k) {
      const T* p = x + k * pitch + i;
      const Vec<T> v = splat<Vec<T>>(w[k]);
      a += v * load<Vec<T>>(p);
      b += v * load<Vec<T>>(p + L);
    }
    store(y + i, a);
    store(y + i + L, b);
  }
  while (i < n) {
    const int lanes = n - i < L ? static_cast<int>(n - i) : L;
    Vec<T> a{};
    for (int64_t k = 0; k < count; ++k) a += splat<Vec<T>>(w[k]) * load_part<Vec<T>>(x + k * pitch + i, lanes);
    store_part(y + i, a, lanes);
    i += lanes;
  }
}

template <class T, int C>
TAHR_INLINE void few_channels(const T* x, const AxisTaps<T>& t, T* y) {
  for (int64_t o = 0; o < t.size; ++o, y += C) {
    const T *p = x + t.begin[o] * C, *w = t.weights + o * t.width;
    T sum[C] = {};
    for (int64_t k = 0; k < t.count[o]; ++k, p += C) {
      for (int c = 0; c < C; ++c) sum[c] += w[k] * p[c];
    }
    for (int c = 0; c < C; ++c) y[c] = sum[c];
  }
}

template <class T>
void places(const T* x, const AxisTaps<T>& t, int64_t channels, T* y) {
  if (channels == 1) return few_channels<T, 1>(x, t, y);
  if (channels == 2) return few_channels<T, 2>(x, t, y);
  if (channels == 3) return few_channels<T, 3>(x, t, y);
  if (channels == 4) return few_channels<T, 4>(x, t, y);
  for (int64_t o = 0; o < t.size; ++o) {
    rows(x + t.begin[o] * channels, channels, t.weights + o * t.width, t.count[o], y + o * channels, channels);
  }
}

}  // namespace

const ImageTable& image_table() {
  static constexpr ImageTable t{{rows<float>, places<float>}, {rows<double>, places<double>}};
  return t;
}

}  // namespace tahr::TAHR_ISA
