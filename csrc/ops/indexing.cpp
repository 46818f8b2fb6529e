#include "ops/indexing.h"

#include <algorithm>
#include <numeric>

#include "ops/array_attrs.h"
#include "ops/functions.h"

// x[items] is taken in two steps, as NumPy defines it. The basic step handles ints, slices and new axes:
//   part = strided_slice(x), view = part without the axes of ints, with the new axes.
// The advanced step handles arrays: the axes that they index move to the front, gather_nd picks along them, and the
// axes of the result move to where the arrays stood, or stay in front if something stood between them. Beside arrays an
// int counts as an array of rank 0 when "between" is decided.
namespace tahr {
namespace {

struct Plan {
  // The basic step.
  Ints begin, end, strides;
  bool slices = false;  // some axis is not taken whole
  Ints dropped;         // axes of x that ints remove
  Ints added;           // axes of the view that are new
  Shape view;
  // The advanced step.
  Tensors arrays;   // of integers, one per indexed axis
  Ints array_axes;  // those axes of the view
  int place = 0;    // where the axes of the arrays' shape go, among the axes that stay
};

std::string axes_text(const Shape& s) { return concat("a tensor of shape ", s.str()); }

// What one item covers: the number of axes of x.
int axes_of(const IndexItem& item) {
  if (std::holds_alternative<IndexEllipsis>(item) || std::holds_alternative<IndexNewAxis>(item)) return 0;
  const Tensor* t = std::get_if<Tensor>(&item);
  return t && t->dtype() == DType::Bool ? t->rank() : 1;
}

class Planner {
 public:
  explicit Planner(const Tensor& x) : x_(x) {}

  Plan run(std::span<const IndexItem> items) {
    int covered = 0, ellipses = 0;
    for (const IndexItem& item : items) {
      covered += axes_of(item);
      ellipses += std::holds_alternative<IndexEllipsis>(item);
      arrays_ = arrays_ || std::holds_alternative<Tensor>(item);
    }
    if (covered > x_.rank()) {
      throw_index("[index] expected at most ", x_.rank(), " indices for ", axes_text(x_.shape()), ", received ",
                  covered, ".");
    }
    if (ellipses > 1) throw_index("[index] expected at most one ellipsis (...), received ", ellipses, ".");
    for (const IndexItem& item : items) std::visit([&](const auto& v) { add(v, x_.rank() - covered); }, item);
    if (ellipses == 0) add(IndexEllipsis{}, x_.rank() - covered);
    if (groups_ > 1) plan_.place = 0;
    return std::move(plan_);
  }

 private:
  void add(int64_t i, int) {
    const int64_t n = x_.dim(axis_);
    if (n != kUnknown && (i < -n || i >= n)) {
      throw_index("[index] expected an index in [", -n, ", ", n, ") on axis ", axis_, " of ", axes_text(x_.shape()),
                  ", received ", i, ".");
    }
    slice(i, i == -1 ? kOpen : i + 1, 1);
    plan_.dropped.push_back(axis_++);
    plan_.slices = plan_.slices || n != 1;
    if (arrays_) in_group();
  }

  void add(const IndexSlice& s, int) {
    const int64_t n = x_.dim(axis_), step = s.step.value_or(1);
    const int64_t begin = s.begin.value_or(kOpen), end = s.end.value_or(kOpen);
    if (step == 0) throw_value("[index] expected a slice step other than 0, received 0.");
    slice(begin, end, step);
    int64_t count = kUnknown;
    if (n != kUnknown) {
      count = resolve_slice(begin, end, step, n).count;
      plan_.slices = plan_.slices || step < 0 || count != n;
    } else {
      plan_.slices = plan_.slices || begin != kOpen || end != kOpen || step != 1;
      if (begin == kOpen && end == kOpen && (step == 1 || step == -1)) count = n;
    }
    ++axis_;
    keep(count);
  }

  void add(IndexEllipsis, int missing) {
    for (int i = 0; i < missing; ++i) add(IndexSlice{}, 0);
    if (missing == 0) gap();
  }

  void add(IndexNewAxis, int) {
    plan_.added.push_back(plan_.view.rank());
    keep(1);
  }

  void add(const Tensor& t, int) {
    if (t.dtype() != DType::Bool) {
      if (!is_int(t.dtype())) {
        throw_type("[index] expected ints, slices, None, ... or arrays of ints or bools, received an array of ",
                   name_of(t.dtype()), ".");
      }
      return array(t);
    }
    if (t.rank() == 0) {  // a new axis of size 1, kept or emptied
      if (t.is_symbolic()) throw_type("[index] expected a mask with a known value, received a symbolic bool.");
      plan_.added.push_back(plan_.view.rank());
      array_on_view_axis(index_tensor_of(t.item_int() ? Ints{0} : Ints{}), 1);
      return;
    }
    for (int i = 0; i < t.rank(); ++i) {
      const int64_t n = x_.dim(axis_ + i);
      if (n != t.dim(i) && n != kUnknown && t.dim(i) != kUnknown) {
        throw_index("[index] expected a mask that matches the axes it covers of ", axes_text(x_.shape()),
                    ", received a mask of shape ", t.shape().str(), ".");
      }
    }
    for (const Tensor& coordinates : ops::nonzero(t)) array(coordinates);
  }

  void array(const Tensor& t) {
    slice(kOpen, kOpen, 1);
    array_on_view_axis(t, x_.dim(axis_++));
  }

  void array_on_view_axis(const Tensor& t, int64_t size) {
    in_group();
    plan_.arrays.push_back(t);
    plan_.array_axes.push_back(plan_.view.rank());
    plan_.view.push_back(size);
  }

  void slice(int64_t begin, int64_t end, int64_t step) {
    plan_.begin.push_back(begin);
    plan_.end.push_back(end);
    plan_.strides.push_back(step);
  }

  void keep(int64_t size) {
    plan_.view.push_back(size);
    gap();
    if (groups_ == 0) ++plan_.place;
  }

  void gap() { open_ = false; }
  void in_group() {
    if (!open_) ++groups_;
    open_ = true;
  }

  const Tensor& x_;
  Plan plan_;
  int axis_ = 0;
  bool arrays_ = false;  // some item is an array: then ints belong to its group
  bool open_ = false;
  int groups_ = 0;
};

Tensor view_of(const Tensor& x, const Plan& p) {
  Tensor y = p.slices ? ops::strided_slice(x, p.begin, p.end, p.strides) : x;
  if (!p.dropped.empty()) y = ops::squeeze(y, Axes(p.dropped));
  if (!p.added.empty()) y = ops::expand_dims(y, p.added);
  return y;
}

// The permutation of the view that puts the indexed axes first.
Ints indexed_first(const Plan& p) {
  Ints perm = p.array_axes;
  for (int i = 0; i < p.view.rank(); ++i) {
    if (std::find(perm.begin(), perm.end(), i) == perm.end()) perm.push_back(i);
  }
  return perm;
}

bool is_identity(const Ints& perm) {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

Ints inverse(const Ints& perm) {
  Ints out(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) out[perm[i]] = static_cast<int64_t>(i);
  return out;
}

Tensor permute(const Tensor& x, const Ints& perm) { return is_identity(perm) ? x : ops::transpose(x, perm); }

// The permutation from (shape of the arrays, axes that stay) to the result's order of axes.
Ints result_order(const Plan& p, int arrays_rank, int rank) {
  Ints perm;
  for (int i = 0; i < p.place; ++i) perm.push_back(arrays_rank + i);
  for (int i = 0; i < arrays_rank; ++i) perm.push_back(i);
  for (int i = arrays_rank + p.place; i < rank; ++i) perm.push_back(i);
  return perm;
}

Shape arrays_shape(const Plan& p) {
  Shape s = p.arrays[0].shape();
  for (const Tensor& t : p.arrays) {
    const Shape before = s;
    if (!broadcast_shapes(before, t.shape(), &s)) {
      throw_index("[index] expected index arrays that broadcast together, received shapes ", before.str(), " and ",
                  t.shape().str(), ".");
    }
  }
  return s;
}

// The arrays as coordinates (shape of the arrays, number of arrays).
Tensor coordinates(const Plan& p, const Shape& shape) {
  Tensors columns;
  for (const Tensor& t : p.arrays) columns.push_back(ops::broadcast_to(ops::cast(t, DType::Int64), shape));
  return ops::stack(columns, -1);
}

}  // namespace

Tensor index_tensor(const Tensor& x, std::span<const IndexItem> items) {
  const Plan p = Planner(x).run(items);
  const Tensor view = view_of(x, p);
  if (p.arrays.empty()) return view;
  if (p.arrays.size() == 1 && p.array_axes[0] == p.place) return ops::take(view, p.arrays[0], p.place);
  const Shape shape = arrays_shape(p);
  const Tensor picked = p.arrays.size() == 1 ? ops::take(permute(view, indexed_first(p)), p.arrays[0], 0)
                                             : ops::gather_nd(permute(view, indexed_first(p)), coordinates(p, shape));
  return permute(picked, result_order(p, shape.rank(), picked.rank()));
}

Tensor index_update(const Tensor& x, std::span<const IndexItem> items, const Tensor& value, IndexUpdate kind) {
  const Plan p = Planner(x).run(items);
  Tensor v = ops::cast(value, x.dtype());
  // Leading axes of size 1 of the value beyond the rank of the target are ignored, as NumPy does.
  const auto fit = [&](const Shape& to) {
    while (v.rank() > to.rank() && v.dim(0) == 1) v = ops::squeeze(v, Axes(Ints{0}));
    v = ops::broadcast_to(v, to);
  };
  Shape part = x.shape();
  for (size_t i = 0; i < p.begin.size(); ++i) {
    int64_t& d = part[static_cast<int>(i)];
    d = resolve_slice(p.begin[i], p.end[i], p.strides[i], d).count;
  }
  const auto put_back = [&](const Tensor& updates) {
    return p.slices ? ops::strided_slice_update(x, updates, p.begin, p.end, p.strides) : updates;
  };
  if (p.arrays.empty()) {
    fit(p.view);
    v = ops::reshape(v, part);
    if (kind == IndexUpdate::Assign) return put_back(v);
    const Tensor old = p.slices ? ops::strided_slice(x, p.begin, p.end, p.strides) : x;
    return put_back(kind == IndexUpdate::Add ? ops::add(old, v) : ops::subtract(old, v));
  }
  const Shape shape = arrays_shape(p);
  const Ints first = indexed_first(p);
  const Tensor front = permute(view_of(x, p), first);
  Shape values = shape;
  for (int i = static_cast<int>(p.arrays.size()); i < front.rank(); ++i) values.push_back(front.dim(i));
  const Ints order = result_order(p, shape.rank(), values.rank());
  Shape result = values;
  for (int i = 0; i < values.rank(); ++i) result[i] = values[static_cast<int>(order[i])];
  fit(result);
  v = permute(v, inverse(order));
  if (kind == IndexUpdate::Sub) v = ops::negative(v);
  const Tensor updated = ops::scatter_update(front, coordinates(p, shape), v, kind == IndexUpdate::Assign ? "" : "add");
  return put_back(ops::reshape(permute(updated, inverse(first)), part));
}

}  // namespace tahr
