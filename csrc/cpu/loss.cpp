// Cross-entropies on the CPU. The row kernels are in isa/softmax.cpp; here labels are read and checked, and halves are
// widened a tile at a time.
#include "ops/loss.h"

#include <cstring>

#include "core/parallel.h"
#include "cpu/reduce_layout.h"
#include "cpu/softmax_table.h"

namespace tahr {
namespace {

constexpr int64_t kTileElements = 8192;

// The labels as int64, each in [0, classes).
const int64_t* read_labels(const Tensor& labels, int64_t classes, std::byte* room, const char* op) {
  int64_t* out = reinterpret_cast<int64_t*>(room);
  visit_dtype(labels.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      const T* p = labels.data<T>();
      for (int64_t i = 0; i < labels.size(); ++i) {
        const int64_t v = static_cast<int64_t>(p[i]);
        if (v < 0 || v >= classes) {
          throw_value("[", op, "] expected labels in [0, ", classes, "), received ", v, " at position ", i,
                      " of the flattened labels. Number the classes from 0, or give the scores one column per class.");
        }
        out[i] = v;
      }
    }
  });
  return out;
}

template <class C>
const SoftmaxKernels<C>& kernels() {
  if constexpr (std::is_same_v<C, float>) return softmax_table().f32;
  else return softmax_table().f64;
}

// Float tiles of a tensor: the tensor's own memory, or a widened copy in `room`.
template <class T>
const Compute<T>* widened(const T* p, int64_t n, Compute<T>* room) {
  if constexpr (std::is_same_v<T, Compute<T>>) return p;
  for (int64_t i = 0; i < n; ++i) room[i] = load_as(p[i]);
  return room;
}
template <class T>
void narrowed(const Compute<T>* p, T* out, int64_t n) {
  if constexpr (!std::is_same_v<T, Compute<T>>) {
    for (int64_t i = 0; i < n; ++i) out[i] = store_as<T>(p[i]);
  }
}
// Where a kernel writes: the output itself, or `room`, to be narrowed.
template <class T>
Compute<T>* target(T* out, Compute<T>* room) {
  if constexpr (std::is_same_v<T, Compute<T>>) return out;
  else return room;
}

template <class F>
void visit_float(DType d, F&& f) {
  switch (d) {
    case DType::Float16: return f.template operator()<float16>();
    case DType::BFloat16: return f.template operator()<bfloat16>();
    case DType::Float32: return f.template operator()<float>();
    default: return f.template operator()<double>();
  }
}

// Calls body(first row, rows, scratch of `arrays` tiles) on tiles of rows of n elements.
template <class C, class F>
void each_tile(int64_t rows, int64_t n, int arrays, F body) {
  if (n == 0) return;
  parallel_for(rows, std::max<int64_t>(1, kTileElements / n), static_cast<double>(rows * n) * sizeof(C) / 4,
               [&](int64_t begin, int64_t end) {
                 const Scratch scratch(arrays * (end - begin) * n * sizeof(C));
                 body(begin, end - begin, reinterpret_cast<C*>(scratch.get()));
               });
}

void sparse_kernel(const KernelArgs& a) {
  const Tensor &x = a.in[0], &labels = a.in[1], &loss = a.out[0];
  const int64_t n = x.shape().back(), rows = labels.size();
  const Scratch room(rows * sizeof(int64_t));
  const int64_t* label = read_labels(labels, n, room.get(), "sparse_softmax_cross_entropy");
  visit_float(x.dtype(), [&]<class T>() {
    using C = Compute<T>;
    constexpr bool half = !std::is_same_v<T, C>;
    each_tile<C>(rows, n, half ? 2 : 0, [&](int64_t r, int64_t count, C* scratch) {
      C* to = target(loss.mutable_data<T>() + r, scratch + (half ? count * n : 0));
      kernels<C>().sparse_loss(widened(x.data<T>() + r * n, count * n, scratch), label + r, to, count, n);
      narrowed(to, loss.mutable_data<T>() + r, count);
    });
  });
}

void sparse_grad_kernel(const KernelArgs& a) {
  const Tensor &x = a.in[0], &labels = a.in[1], &dy = a.in[2], &dx = a.out[0];
  const int64_t n = x.shape().back(), rows = labels.size();
  const Scratch room(rows * sizeof(int64_t));
  const int64_t* label = read_labels(labels, n, room.get(), "sparse_softmax_cross_entropy");
  visit_float(x.dtype(), [&]<class T>() {
    using C = Compute<T>;
    each_tile<C>(rows, n, std::is_same_v<T, C> ? 0 : 3, [&](int64_t r, int64_t count, C* scratch) {
      T* out = dx.mutable_data<T>() + r * n;
      const int64_t size = count * n;
      C* to = target(out, scratch + size);
      kernels<C>().sparse_loss_grad(widened(x.data<T>() + r * n, size, scratch), label + r,
                                    widened(dy.data<T>() + r, count, scratch + 2 * size), to, count, n);
      narrowed(to, out, size);
    });
  });
}

void dense_kernel(const KernelArgs& a) {
  const Tensor &x = a.in[0], &t = a.in[1], &loss = a.out[0];
  const int64_t n = x.shape().back(), rows = loss.size();
  if (n == 0) std::memset(loss.mutable_raw(), 0, loss.nbytes());
  visit_float(x.dtype(), [&]<class T>() {
    using C = Compute<T>;
    each_tile<C>(rows, n, std::is_same_v<T, C> ? 0 : 3, [&](int64_t r, int64_t count, C* scratch) {
      const int64_t size = count * n;
      C* to = target(loss.mutable_data<T>() + r, scratch + 2 * size);
      kernels<C>().dense_loss(widened(x.data<T>() + r * n, size, scratch),
                              widened(t.data<T>() + r * n, size, scratch + size), to, count, n);
      narrowed(to, loss.mutable_data<T>() + r, count);
    });
  });
}

void dense_grad_kernel(const KernelArgs& a) {
  const Tensor &x = a.in[0], &t = a.in[1], &dy = a.in[2], &dx = a.out[0];
  const int64_t n = x.shape().back(), rows = dy.size();
  visit_float(x.dtype(), [&]<class T>() {
    using C = Compute<T>;
    each_tile<C>(rows, n, std::is_same_v<T, C> ? 0 : 4, [&](int64_t r, int64_t count, C* scratch) {
      const int64_t size = count * n;
      T* out = dx.mutable_data<T>() + r * n;
      C* to = target(out, scratch + 2 * size);
      kernels<C>().dense_loss_grad(widened(x.data<T>() + r * n, size, scratch),
                                   widened(t.data<T>() + r * n, size, scratch + size),
                                   widened(dy.data<T>() + r, count, scratch + 3 * size), to, count, n);
      narrowed(to, out, size);
    });
  });
}

void sigmoid_kernel(const KernelArgs& a) {
  const Tensor &x = a.in[0], &t = a.in[1], &loss = a.out[0];
  visit_float(x.dtype(), [&]<class T>() {
    using C = Compute<T>;
    each_tile<C>(x.size(), 1, std::is_same_v<T, C> ? 0 : 3, [&](int64_t i, int64_t n, C* scratch) {
      T* out = loss.mutable_data<T>() + i;
      C* to = target(out, scratch + 2 * n);
      kernels<C>().sigmoid_loss(widened(x.data<T>() + i, n, scratch), widened(t.data<T>() + i, n, scratch + n), to, n);
      narrowed(to, out, n);
    });
  });
}

void sigmoid_grad_kernel(const KernelArgs& a) {
  const Tensor &x = a.in[0], &t = a.in[1], &dy = a.in[2], &dx = a.out[0];
  visit_float(x.dtype(), [&]<class T>() {
    using C = Compute<T>;
    each_tile<C>(x.size(), 1, std::is_same_v<T, C> ? 0 : 4, [&](int64_t i, int64_t n, C* scratch) {
      T* out = dx.mutable_data<T>() + i;
      C* to = target(out, scratch + 3 * n);
      kernels<C>().sigmoid_loss_grad(widened(x.data<T>() + i, n, scratch), widened(t.data<T>() + i, n, scratch + n),
                                     widened(dy.data<T>() + i, n, scratch + 2 * n), to, n);
      narrowed(to, out, n);
    });
  });
}

template <class F>
void with_bytes(DType d, F&& f) {  // values are only moved: their size is what matters
  switch (size_of(d)) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    default: return f.template operator()<uint64_t>();
  }
}

void pick_kernel(const KernelArgs& a) {
  const Tensor &x = a.in[0], &labels = a.in[1], &out = a.out[0];
  const int64_t n = x.shape().back();
  const Scratch room(labels.size() * sizeof(int64_t));
  const int64_t* label = read_labels(labels, n, room.get(), "sparse_categorical_crossentropy");
  with_bytes(x.dtype(), [&]<class T>() {
    const T* p = x.data<T>();
    T* y = out.mutable_data<T>();
    for (int64_t i = 0; i < labels.size(); ++i) y[i] = p[i * n + label[i]];
  });
}

void spread_kernel(const KernelArgs& a) {
  const Tensor &dy = a.in[0], &labels = a.in[1], &out = a.out[0];
  const int64_t n = a.as<SpreadLabelsAttrs>().classes;
  const Scratch room(labels.size() * sizeof(int64_t));
  const int64_t* label = read_labels(labels, n, room.get(), "sparse_categorical_crossentropy");
  std::memset(out.mutable_raw(), 0, out.nbytes());
  with_bytes(dy.dtype(), [&]<class T>() {
    const T* p = dy.data<T>();
    T* y = out.mutable_data<T>();
    for (int64_t i = 0; i < labels.size(); ++i) y[i * n + label[i]] = p[i];
  });
}

}  // namespace

void register_loss_kernels() {
  const auto cpu = [](const char* op, KernelFn fn) { define_kernel(op, DeviceType::CPU, fn); };
  cpu("sparse_softmax_cross_entropy", sparse_kernel);
  cpu("sparse_softmax_cross_entropy_grad", sparse_grad_kernel);
  cpu("softmax_cross_entropy", dense_kernel);
  cpu("softmax_cross_entropy_grad", dense_grad_kernel);
  cpu("sigmoid_cross_entropy", sigmoid_kernel);
  cpu("sigmoid_cross_entropy_grad", sigmoid_grad_kernel);
  cpu("pick_labels", pick_kernel);
  cpu("spread_labels", spread_kernel);
}

}  // namespace tahr
