// Kernels of sorting, searching and counting.
//
// All orders are taken on unsigned keys: a monotone map of the dtype's bits, in which every NaN is the largest key.
// Lines of more than kRadixFrom elements are sorted by least-significant-digit radix passes, which are stable.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/parallel.h"
#include "cpu/array_index.h"
#include "ops/array_attrs.h"

namespace tahr {
namespace {

constexpr int64_t kRadixFrom = 512;

template <size_t kBytes>
using UInt =
    std::conditional_t<kBytes == 1, uint8_t,
                       std::conditional_t<kBytes == 2, uint16_t, std::conditional_t<kBytes == 4, uint32_t, uint64_t>>>;

template <class T>
struct KeyOf {
  using Key = UInt<sizeof(T)>;
  static constexpr Key kSign = static_cast<Key>(Key{1} << (8 * sizeof(T) - 1));
  static constexpr bool kFloat = !std::is_integral_v<T>;
  static constexpr bool kSigned = std::is_integral_v<T> && std::is_signed_v<T>;

  // kExact tells -0 from 0, which sorting values needs and comparing must not do.
  template <bool kExact>
  static Key key(T v) {
    Key k;
    std::memcpy(&k, &v, sizeof k);
    if constexpr (kFloat) {
      const auto f = load_as(v);
      if (f != f) return static_cast<Key>(~Key{0});
      if (!kExact && k == kSign) k = 0;
      return static_cast<Key>(k & kSign ? ~k : k | kSign);
    } else if constexpr (kSigned) {
      return static_cast<Key>(k ^ kSign);
    } else {
      return k;
    }
  }
  static T value(Key k) {
    if constexpr (kFloat) k = static_cast<Key>(k & kSign ? k ^ kSign : ~k);
    if constexpr (kSigned) k = static_cast<Key>(k ^ kSign);
    T v;
    std::memcpy(&v, &k, sizeof v);
    return v;
  }
};

template <class K>
struct Item {
  K key;
  int32_t index;
};

template <class K>
K key_of(K k) {
  return k;
}
template <class K>
K key_of(const Item<K>& i) {
  return i.key;
}

// Sorts items by key, stably; `spare` has the same size.
template <class E>
void sort_items(std::vector<E>& items, std::vector<E>& spare) {
  using K = decltype(key_of(items[0]));
  const auto n = static_cast<int64_t>(items.size());
  if (n <= kRadixFrom) {
    if constexpr (std::is_same_v<E, K>) {
      std::sort(items.begin(), items.end());
    } else {
      std::sort(items.begin(), items.end(),
                [](const E& a, const E& b) { return a.key != b.key ? a.key < b.key : a.index < b.index; });
    }
    return;
  }
  for (size_t shift = 0; shift < 8 * sizeof(K); shift += 8) {
    int64_t counts[257] = {};
    for (const E& e : items) ++counts[(key_of(e) >> shift & 0xff) + 1];
    if (std::find(counts, counts + 257, n) != counts + 257) continue;  // one digit for all
    for (int d = 0; d < 256; ++d) counts[d + 1] += counts[d];
    for (const E& e : items) spare[counts[key_of(e) >> shift & 0xff]++] = e;
    items.swap(spare);
  }
}

AxisView sort_view(const Tensor& x, const std::optional<int64_t>& axis) {
  if (!axis || x.rank() == 0) return {1, x.size(), 1};
  return view_axis(x.shape(), normalize_axis(*axis, x.rank(), "sort"));
}

// Runs body(first element, spare) for every line of x; `E` is the kind of item that the body sorts.
template <class E, class F>
void for_lines(const AxisView& v, double ns_per_element, F&& body) {
  const int64_t lines = v.outer * v.inner;
  if (v.n == 0) return;
  const double cost = static_cast<double>(lines * v.n) * ns_per_element;
  parallel_for(lines, std::max<int64_t>(1, 4096 / v.n), cost, [&](int64_t begin, int64_t end) {
    std::vector<E> items(static_cast<size_t>(v.n)), spare(static_cast<size_t>(v.n > kRadixFrom ? v.n : 0));
    for (int64_t line = begin; line < end; ++line) {
      body(line, line / v.inner * v.n * v.inner + line % v.inner, items, spare);
    }
  });
}

void sort(const KernelArgs& a) {
  const AxisView v = sort_view(a.in[0], a.as<LastAxisAttrs>().axis);
  visit_dtype(a.in[0].dtype(), [&]<class T>() {
    using Key = typename KeyOf<T>::Key;
    const T* x = a.in[0].data<T>();
    T* y = a.out[0].mutable_data<T>();
    for_lines<Key>(v, 20, [&](int64_t, int64_t base, std::vector<Key>& keys, std::vector<Key>& spare) {
      for (int64_t i = 0; i < v.n; ++i) keys[i] = KeyOf<T>::template key<true>(x[base + i * v.inner]);
      sort_items(keys, spare);
      for (int64_t i = 0; i < v.n; ++i) y[base + i * v.inner] = KeyOf<T>::value(keys[i]);
    });
  });
}

void argsort(const KernelArgs& a) {
  const AxisView v = sort_view(a.in[0], a.as<LastAxisAttrs>().axis);
  if (v.n > std::numeric_limits<int32_t>::max()) {
    throw_value("[argsort] expected fewer than 2**31 elements on the axis, received ", v.n, ".");
  }
  visit_dtype(a.in[0].dtype(), [&]<class T>() {
    using E = Item<typename KeyOf<T>::Key>;
    const T* x = a.in[0].data<T>();
    auto* y = a.out[0].mutable_data<int32_t>();
    for_lines<E>(v, 30, [&](int64_t, int64_t base, std::vector<E>& items, std::vector<E>& spare) {
      for (int64_t i = 0; i < v.n; ++i) {
        items[i] = {KeyOf<T>::template key<false>(x[base + i * v.inner]), static_cast<int32_t>(i)};
      }
      sort_items(items, spare);
      for (int64_t i = 0; i < v.n; ++i) y[base + i * v.inner] = items[i].index;
    });
  });
}

void top_k(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const int64_t n = x.dim(-1), k = a.as<TopKAttrs>().k;
  if (x.size() == 0 || k == 0) return;
  visit_dtype(x.dtype(), [&]<class T>() {
    using E = Item<typename KeyOf<T>::Key>;
    const T* from = x.data<T>();
    T* values = a.out[0].mutable_data<T>();
    auto* indices = a.out[1].mutable_data<int32_t>();
    const auto before = [](const E& p, const E& q) { return p.key != q.key ? p.key > q.key : p.index < q.index; };
    for_lines<E>({x.size() / n, n, 1}, 5, [&](int64_t line, int64_t base, std::vector<E>& items, std::vector<E>&) {
      for (int64_t i = 0; i < n; ++i)
        items[i] = {KeyOf<T>::template key<false>(from[base + i]), static_cast<int32_t>(i)};
      if (k < n && k > n / 16) std::nth_element(items.begin(), items.begin() + k, items.end(), before);
      if (k > n / 16) {
        std::sort(items.begin(), items.begin() + k, before);
      } else {
        std::partial_sort(items.begin(), items.begin() + k, items.end(), before);
      }
      for (int64_t i = 0; i < k; ++i) {
        values[line * k + i] = from[base + items[i].index];
        indices[line * k + i] = items[i].index;
      }
    });
  });
}

void in_top_k(const KernelArgs& a) {
  const Tensor& p = a.in[1];
  const int64_t classes = p.dim(1), k = a.as<InTopKAttrs>().k;
  const cpu::Indices targets = cpu::checked_indices(a.in[0], classes, "in_top_k");
  bool* y = a.out[0].mutable_data<bool>();
  visit_dtype(p.dtype(), [&]<class T>() {
    for (int64_t r = 0; r < p.dim(0); ++r) {
      const T* row = p.data<T>() + r * classes;
      const auto own = KeyOf<T>::template key<false>(row[targets[r]]);
      int64_t larger = 0;
      for (int64_t c = 0; c < classes; ++c) larger += KeyOf<T>::template key<false>(row[c]) > own;
      const auto value = load_as(row[targets[r]]);
      y[r] = larger < k && value == value;  // NaN is never among them
    }
  });
}

void searchsorted(const KernelArgs& a) {
  const Tensor &sequence = a.in[0], &values = a.in[1];
  const bool right = a.as<SearchsortedAttrs>().side == "right";
  auto* y = a.out[0].mutable_data<int32_t>();
  visit_dtype(values.dtype(), [&]<class T>() {
    using Key = typename KeyOf<T>::Key;
    std::vector<Key> keys(static_cast<size_t>(sequence.size()));
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = KeyOf<T>::template key<false>(sequence.data<T>()[i]);
    parallel_for(values.size(), 4096, static_cast<double>(values.size()) * 20, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Key k = KeyOf<T>::template key<false>(values.data<T>()[i]);
        const auto at =
            right ? std::upper_bound(keys.begin(), keys.end(), k) : std::lower_bound(keys.begin(), keys.end(), k);
        y[i] = static_cast<int32_t>(at - keys.begin());
      }
    });
  });
}

void isin(const KernelArgs& a) {
  const Tensor &x = a.in[0], &set = a.in[1];
  const bool invert = a.as<IsinAttrs>().invert;
  bool* y = a.out[0].mutable_data<bool>();
  visit_dtype(x.dtype(), [&]<class T>() {
    using Key = typename KeyOf<T>::Key;
    std::vector<Key> keys(static_cast<size_t>(set.size())), spare(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = KeyOf<T>::template key<false>(set.data<T>()[i]);
    sort_items(keys, spare);
    for (int64_t i = 0; i < x.size(); ++i) {
      const T v = x.data<T>()[i];
      const bool nan = KeyOf<T>::kFloat && load_as(v) != load_as(v);
      y[i] = invert != (!nan && std::binary_search(keys.begin(), keys.end(), KeyOf<T>::template key<false>(v)));
    }
  });
}

void bincount(const KernelArgs& a) {
  const Tensor &x = a.in[0], &y = a.out[0];
  const bool weighted = a.in.size() > 1 && a.in[1].defined();
  const int64_t n = y.dim(-1), per_row = x.dim(-1);
  const Ints values = ints_of(x);
  for (int64_t v : values) {
    if (v < 0) throw_value("[bincount] expected integers of at least 0, received ", v, ".");
  }
  visit_dtype(y.dtype(), [&]<class T>() {
    using A = std::conditional_t<std::is_same_v<T, bool>, int32_t, Compute<T>>;
    std::vector<A> sums(static_cast<size_t>(y.size()));
    const auto add_all = [&](auto weight) {
      for (size_t i = 0; i < values.size(); ++i) {
        A& sum = sums[static_cast<int64_t>(i) / per_row * n + values[i]];
        sum = static_cast<A>(sum + weight(i));
      }
    };
    if (weighted) {
      visit_dtype(a.in[1].dtype(), [&]<class W>() {
        add_all([w = a.in[1].data<W>()](size_t i) { return static_cast<A>(load_as(w[i])); });
      });
    } else {
      add_all([](size_t) { return static_cast<A>(1); });
    }
    for (int64_t i = 0; i < y.size(); ++i) y.mutable_data<T>()[i] = store_as<T>(sums[i]);
  });
}

// Equal bins over [low, high]; the last one is closed above. Elements outside, and NaN, are not counted.
void histogram(const KernelArgs& a) {
  const Tensor& x = a.in[0];
  const int64_t bins = a.as<HistogramAttrs>().bins;
  double low = 0, high = 1;
  const auto at = [&](const Tensor& t, int64_t i) {
    return visit_dtype(t.dtype(), [&]<class T>() { return static_cast<double>(load_as(t.data<T>()[i])); });
  };
  if (a.in.size() > 1 && a.in[1].defined()) {
    if (a.in[1].size() != 2 || at(a.in[1], 0) > at(a.in[1], 1)) {
      throw_value("[histogram] expected range to be two ascending numbers, received a tensor of shape ",
                  a.in[1].shape().str(), ".");
    }
    low = at(a.in[1], 0);
    high = at(a.in[1], 1);
  } else if (x.size() > 0) {
    low = std::numeric_limits<double>::infinity();
    high = -low;
    for (int64_t i = 0; i < x.size(); ++i) {
      low = std::min(low, at(x, i));
      high = std::max(high, at(x, i));
    }
  }
  if (!std::isfinite(low) || !std::isfinite(high)) {
    throw_value("[histogram] expected a finite range, received [", low, ", ", high, "].");
  }
  if (low == high) {
    low -= 0.5;
    high += 0.5;
  }
  std::vector<double> edges(static_cast<size_t>(bins) + 1);
  for (int64_t i = 0; i <= bins; ++i)
    edges[i] = i == bins ? high : low + static_cast<double>(i) * ((high - low) / static_cast<double>(bins));
  std::vector<int64_t> counts(static_cast<size_t>(bins));
  for (int64_t i = 0; i < x.size(); ++i) {
    const double v = at(x, i);
    if (!(v >= low && v <= high)) continue;
    auto bin = std::min<int64_t>(bins - 1, static_cast<int64_t>((v - low) / (high - low) * static_cast<double>(bins)));
    if (v < edges[bin]) --bin;
    if (bin + 1 < bins && v >= edges[bin + 1]) ++bin;
    ++counts[bin];
  }
  visit_dtype(a.out[0].dtype(), [&]<class T>() {
    for (int64_t i = 0; i < bins; ++i) a.out[0].mutable_data<T>()[i] = store_as<T>(counts[i]);
  });
  visit_dtype(a.out[1].dtype(), [&]<class T>() {
    for (int64_t i = 0; i <= bins; ++i) a.out[1].mutable_data<T>()[i] = store_as<T>(edges[i]);
  });
}

}  // namespace

void register_array_sort_kernels() {
  define_kernel("sort", DeviceType::CPU, sort);
  define_kernel("argsort", DeviceType::CPU, argsort);
  define_kernel("top_k", DeviceType::CPU, top_k);
  define_kernel("in_top_k", DeviceType::CPU, in_top_k);
  define_kernel("searchsorted", DeviceType::CPU, searchsorted);
  define_kernel("isin", DeviceType::CPU, isin);
  define_kernel("bincount", DeviceType::CPU, bincount);
  define_kernel("histogram", DeviceType::CPU, histogram);
}

}  // namespace tahr
