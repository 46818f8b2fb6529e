// Products of matrices and vectors. `matmul` is the one with a kernel; the others are reshapes around it.
// linalg_linear.cpp, linalg_einsum.cpp and linalg_norm.cpp belong to the family too.
#include <algorithm>

#include "ops/functions.h"
#include "ops/linalg_attrs.h"

namespace tahr {
namespace {

// ---- matmul ----

Specs infer_matmul(const InferArgs& a) {
  const auto& at = a.as<MatmulAttrs>();
  return {infer_product(a.in[0], a.in[1], at.transpose_a, at.transpose_b, a.op)};
}

Tensor with_dim(const Tensor& x, int at) {
  Shape s = x.shape();
  s.insert(at, 1);
  return ops::reshape(x, s);
}

// All leading axes as one: (..., n) -> (-1, n).
Tensor as_rows(const Tensor& x) { return ops::reshape(x, {kUnknown, x.shape().back()}); }

void vjp_matmul(const VjpArgs& v, std::span<Tensor> dx) {
  const auto& at = v.as<MatmulAttrs>();
  const bool ta = at.transpose_a, tb = at.transpose_b;
  Tensor a = v.in[0], b = v.in[1], dy = v.dy[0];
  const int r1 = v.in_specs[0].shape.rank(), r2 = v.in_specs[1].shape.rank();
  if (r2 == 1) {
    b = with_dim(b, 1);
    dy = with_dim(dy, dy.rank());
  }
  if (r1 == 1) {
    a = with_dim(a, 0);
    dy = with_dim(dy, dy.rank() - 1);
  }
  // One matrix for a whole batch: the sum over the batch is part of the product.
  const bool shared =
      b.rank() == 2 && a.rank() > 2 && !ta && a.shape().back() != kUnknown && dy.shape().back() != kUnknown;
  if (v.need(0)) {
    const Tensor da = ta ? ops::matmul(b, dy, tb, true) : ops::matmul(dy, b, false, !tb);
    dx[0] = ops::reshape(ops::unbroadcast(da, a.shape()), v.in_specs[0].shape);
  }
  if (v.need(1)) {
    Tensor db;
    if (shared) {
      const Tensor rows = as_rows(a), dys = as_rows(dy);
      db = tb ? ops::matmul(dys, rows, true, false) : ops::matmul(rows, dys, true, false);
    } else {
      db = tb ? ops::matmul(dy, a, true, ta) : ops::matmul(a, dy, !ta, false);
    }
    dx[1] = ops::reshape(ops::unbroadcast(db, b.shape()), v.in_specs[1].shape);
  }
}

// ---- composites ----

// matmul that keeps the inputs' dtype where matmul itself widens (int8).
Tensor product(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false) {
  return ops::cast(ops::matmul(a, b, transpose_a, transpose_b), a.dtype());
}

// The product of the dimensions; unknown if one is.
int64_t extent(const Shape& s, const std::vector<int>& axes) {
  int64_t n = 1;
  for (int a : axes) {
    if (s[a] == kUnknown) return kUnknown;
    n *= s[a];
  }
  return n;
}

bool is_identity(const Ints& perm) {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

Tensor contract(const Tensor& x1, const Tensor& x2, const std::vector<int>& axes1, const std::vector<int>& axes2) {
  const auto others = [](const Tensor& x, const std::vector<int>& axes) {
    std::vector<int> rest;
    for (int i = 0; i < x.rank(); ++i) {
      if (std::find(axes.begin(), axes.end(), i) == axes.end()) rest.push_back(i);
    }
    return rest;
  };
  const std::vector<int> free1 = others(x1, axes1), free2 = others(x2, axes2);
  const auto ordered = [](const Tensor& x, const std::vector<int>& front, const std::vector<int>& back,
                          const Shape& matrix) {
    Ints perm(front.begin(), front.end());
    perm.insert(perm.end(), back.begin(), back.end());
    return ops::reshape(is_identity(perm) ? x : ops::transpose(x, perm), matrix);
  };
  const int64_t k = extent(x1.shape(), axes1);
  const Tensor a = ordered(x1, free1, axes1, {extent(x1.shape(), free1), k});
  const Tensor b = ordered(x2, axes2, free2, {k, extent(x2.shape(), free2)});
  Shape out;
  for (int i : free1) out.push_back(x1.shape()[i]);
  for (int i : free2) out.push_back(x2.shape()[i]);
  return ops::reshape(product(a, b), out);
}

Tensors tensordot(std::span<const Tensor> in, const void* attrs) {
  const Ints& axes = static_cast<const TensordotAttrs*>(attrs)->axes;
  const Tensor &x1 = in[0], &x2 = in[1];
  std::vector<int> axes1, axes2;
  if (axes.size() == 1) {
    const int64_t n = axes[0];
    if (n < 0 || n > x1.rank() || n > x2.rank()) {
      throw_value("[tensordot] expected axes between 0 and the smaller rank, received axes=", n, " for shapes ",
                  x1.shape().str(), " and ", x2.shape().str(), ".");
    }
    for (int i = 0; i < n; ++i) {
      axes1.push_back(x1.rank() - static_cast<int>(n) + i);
      axes2.push_back(i);
    }
  } else {
    if (axes.size() % 2) {
      throw_value("[tensordot] expected as many axes of x1 as of x2, received axes=",
                  attr_value_str(AttrKind::IntList, &axes), ". Give an int, or a pair of lists of equal length.");
    }
    const size_t half = axes.size() / 2;
    for (size_t i = 0; i < half; ++i) {
      axes1.push_back(normalize_axis(axes[i], x1.rank(), "tensordot"));
      axes2.push_back(normalize_axis(axes[half + i], x2.rank(), "tensordot"));
      const auto repeated = [](const std::vector<int>& v) {
        return std::find(v.begin(), v.end() - 1, v.back()) != v.end() - 1;
      };
      if (repeated(axes1) || repeated(axes2)) {
        throw_value("[tensordot] expected distinct axes, received axes=", attr_value_str(AttrKind::IntList, &axes),
                    ".");
      }
    }
  }
  for (size_t i = 0; i < axes1.size(); ++i) {
    const int64_t d1 = x1.shape()[axes1[i]], d2 = x2.shape()[axes2[i]];
    if (d1 != d2 && d1 != kUnknown && d2 != kUnknown) {
      throw_value("[tensordot] expected contracted axes of equal size, received ", d1, " (axis ", axes1[i],
                  " of shape ", x1.shape().str(), ") and ", d2, " (axis ", axes2[i], " of shape ", x2.shape().str(),
                  ").");
    }
  }
  return {contract(x1, x2, axes1, axes2)};
}

Tensors dot(std::span<const Tensor> in, const void*) {
  const Tensor &x1 = in[0], &x2 = in[1];
  if (x1.rank() == 0 || x2.rank() == 0) return {ops::multiply(x1, x2)};
  const int64_t k1 = x1.shape().back(), k2 = x2.dim(std::max(0, x2.rank() - 2));
  if (k1 != k2 && k1 != kUnknown && k2 != kUnknown) {
    throw_value("[dot] expected the last axis of x1 to match the ", x2.rank() == 1 ? "only" : "last but one",
                " axis of x2, received shapes ", x1.shape().str(), " and ", x2.shape().str(), ".");
  }
  if (x2.rank() <= 2) return {product(x1, x2)};
  return {contract(x1, x2, {x1.rank() - 1}, {x2.rank() - 2})};
}

Tensors inner(std::span<const Tensor> in, const void*) {
  const Tensor &x1 = in[0], &x2 = in[1];
  if (x1.rank() == 0 || x2.rank() == 0) return {ops::multiply(x1, x2)};
  const int64_t k1 = x1.shape().back(), k2 = x2.shape().back();
  if (k1 != k2 && k1 != kUnknown && k2 != kUnknown) {
    throw_value("[inner] expected last axes of equal size, received shapes ", x1.shape().str(), " and ",
                x2.shape().str(), ".");
  }
  return {contract(x1, x2, {x1.rank() - 1}, {x2.rank() - 1})};
}

Tensors outer(std::span<const Tensor> in, const void*) {
  return {ops::multiply(ops::reshape(in[0], {kUnknown, 1}), ops::reshape(in[1], {1, kUnknown}))};
}

Tensors vdot(std::span<const Tensor> in, const void*) {
  const int64_t n1 = in[0].size(), n2 = in[1].size();
  if (n1 != n2 && n1 != kUnknown && n2 != kUnknown) {
    throw_value("[vdot] expected tensors of equal size, received shapes ", in[0].shape().str(), " and ",
                in[1].shape().str(), ".");
  }
  return {product(ops::reshape(in[0], {n1}), ops::reshape(in[1], {n2}))};
}

Tensors vecdot(std::span<const Tensor> in, const void* attrs) {
  const int64_t axis = static_cast<const VecdotAttrs*>(attrs)->axis;
  const int a1 = normalize_axis(axis, in[0].rank(), "vecdot"), a2 = normalize_axis(axis, in[1].rank(), "vecdot");
  const int64_t d1 = in[0].shape()[a1], d2 = in[1].shape()[a2];
  if (d1 != d2 && d1 != kUnknown && d2 != kUnknown) {
    throw_value("[vecdot] expected vectors of equal length along axis ", axis, ", received shapes ",
                in[0].shape().str(), " and ", in[1].shape().str(), ".");
  }
  const Tensor both = ops::multiply(in[0], in[1]);
  const int from_end = axis < 0 ? static_cast<int>(axis) : a1 - in[0].rank();
  return {ops::cast(ops::sum(both, Ints{both.rank() + from_end}, false), in[0].dtype())};
}

Tensors kron(std::span<const Tensor> in, const void*) {
  const int rank = std::max(in[0].rank(), in[1].rank());
  if (2 * rank > kMaxRank) {
    throw_value("[kron] expected tensors of rank at most ", kMaxRank / 2, ", received shapes ", in[0].shape().str(),
                " and ", in[1].shape().str(), ".");
  }
  Shape spread1, spread2, out;
  for (int i = 0; i < rank; ++i) {
    const auto dim = [&](const Tensor& x) { return i < rank - x.rank() ? 1 : x.shape()[i - (rank - x.rank())]; };
    const int64_t d1 = dim(in[0]), d2 = dim(in[1]);
    spread1.push_back(d1);
    spread1.push_back(1);
    spread2.push_back(1);
    spread2.push_back(d2);
    out.push_back(d1 == kUnknown || d2 == kUnknown ? kUnknown : d1 * d2);
  }
  return {ops::reshape(ops::multiply(ops::reshape(in[0], spread1), ops::reshape(in[1], spread2)), out)};
}

Tensors cross(std::span<const Tensor> in, const void* attrs) {
  const auto& at = *static_cast<const CrossAttrs*>(attrs);
  const auto last = [](const Tensor& x, int64_t axis) {
    return ops::moveaxis(x, normalize_axis(axis, x.rank(), "cross"), -1);
  };
  const Tensor a = last(in[0], at.axis.value_or(at.axisa)), b = last(in[1], at.axis.value_or(at.axisb));
  const int64_t na = a.shape().back(), nb = b.shape().back();
  if ((na != 2 && na != 3) || (nb != 2 && nb != 3)) {
    throw_value("[cross] expected vectors of 2 or 3 components, received shapes ", in[0].shape().str(), " and ",
                in[1].shape().str(), ". Name their axes with axisa, axisb or axis.");
  }
  const auto part = [](const Tensor& x, int64_t i) { return ops::slice_axis(x, x.rank() - 1, i, i + 1); };
  const auto det = [&](int i, int j) {  // a_i b_j - a_j b_i
    return ops::subtract(ops::multiply(part(a, i), part(b, j)), ops::multiply(part(a, j), part(b, i)));
  };
  const Tensor z = det(0, 1);
  if (na == 2 && nb == 2) return {ops::squeeze(z, Ints{-1})};
  Tensor x, y;
  if (na == 3 && nb == 3) {
    x = det(1, 2);
    y = det(2, 0);
  } else if (na == 3) {  // b_2 = 0
    x = ops::negative(ops::multiply(part(a, 2), part(b, 1)));
    y = ops::multiply(part(a, 2), part(b, 0));
  } else {
    x = ops::multiply(part(a, 1), part(b, 2));
    y = ops::negative(ops::multiply(part(a, 0), part(b, 2)));
  }
  return {ops::moveaxis(ops::concatenate({x, y, z}, -1), -1, at.axis.value_or(at.axisc))};
}

}  // namespace

Spec infer_product(const Spec& s1, const Spec& s2, bool transpose_a, bool transpose_b, const char* op) {
  const Shape &x1 = s1.shape, &x2 = s2.shape;
  if (x1.rank() == 0 || x2.rank() == 0) {
    throw_value("[", op, "] expected tensors of rank 1 or more, received shapes ", x1.str(), " and ", x2.str(),
                ". Use multiply to scale by a scalar.");
  }
  if ((transpose_a && x1.rank() == 1) || (transpose_b && x2.rank() == 1)) {
    throw_value("[", op, "] expected a matrix to transpose, received shapes ", x1.str(), " and ", x2.str(),
                ". A vector has no transpose: leave the flag off.");
  }
  const int r1 = x1.rank(), r2 = x2.rank();
  const int64_t k1 = transpose_a ? x1[r1 - 2] : x1[r1 - 1];
  const int64_t k2 = r2 == 1 ? x2[0] : transpose_b ? x2[r2 - 1] : x2[r2 - 2];
  if (k1 != k2 && k1 != kUnknown && k2 != kUnknown) {
    throw_value("[", op, "] expected x1 and x2 to agree in the dimension that is summed over, received shapes ",
                x1.str(), transpose_a ? " transposed" : "", " and ", x2.str(), transpose_b ? " transposed" : "", ": ",
                k1, " is not ", k2, ".");
  }
  Shape out;
  const Shape batch1(x1.dims().first(static_cast<size_t>(std::max(r1 - 2, 0))));
  const Shape batch2(x2.dims().first(static_cast<size_t>(std::max(r2 - 2, 0))));
  if (!broadcast_shapes(batch1, batch2, &out)) {
    throw_value("[", op, "] expected leading dimensions that broadcast together, received shapes ", x1.str(), " and ",
                x2.str(), ".");
  }
  if (r1 > 1) out.push_back(transpose_a ? x1[r1 - 1] : x1[r1 - 2]);
  if (r2 > 1) out.push_back(transpose_b ? x2[r2 - 2] : x2[r2 - 1]);
  return {out, s1.dtype == DType::Int8 ? DType::Int32 : s1.dtype};
}

namespace ops {

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  static const OpDef& op = get_op("matmul");
  return call1(op, {a, b}, MatmulAttrs{transpose_a, transpose_b});
}

}  // namespace ops

void define_linalg_ops() {
  define_op({.name = "matmul",
             .inputs = "x1, x2",
             .doc = R"(Matrix product of x1 (..., m, k) and x2 (..., k, n), batched over leading axes, which broadcast.

A vector x1 (k,) counts as a row, a vector x2 (k,) as a column, and that axis is absent from the result. transpose_a and
transpose_b swap the last two axes of x1 and x2 without copying. int8 inputs give int32.
Returns a tensor (..., m, n). Raises ValueError if k or the leading axes do not match.

Example:
>>> import tahr
>>> tahr.ops.matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]).numpy().tolist()
[21.0, 43.0])",
             .promote = Promote::Common,
             .attrs = attr_type<MatmulAttrs>(),
             .infer = infer_matmul,
             .vjp = vjp_matmul,
             .saves = save_in(0) | save_in(1)});
  define_op({.name = "dot",
             .inputs = "x1, x2",
             .doc = R"(Dot product: the sum over the last axis of x1 and the last but one (or only) axis of x2.

Scalars multiply; vectors give their inner product; matrices their matrix product. The result has the axes of x1 without
its last, then those of x2 without the one summed over.

Example:
>>> import tahr
>>> float(tahr.ops.dot([1.0, 2.0], [3.0, 4.0]))
11.0)",
             .promote = Promote::Common,
             .decompose = dot});
  define_op({.name = "tensordot",
             .inputs = "x1, x2",
             .doc = R"(The sum of products over pairs of axes.

axes: an int n (the last n axes of x1 against the first n of x2), or a pair of lists of equal length (axes of x1, axes of
x2). Returns a tensor with the other axes of x1, then the other axes of x2.

Example:
>>> import tahr
>>> float(tahr.ops.tensordot([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]))
5.0)",
             .promote = Promote::Common,
             .attrs = attr_type<TensordotAttrs>(),
             .decompose = tensordot});
  define_op({.name = "outer",
             .inputs = "x1, x2",
             .doc = R"(Outer product of two tensors, flattened first: result (i, j) is x1[i] * x2[j].

Example:
>>> import tahr
>>> tahr.ops.outer([1, 2], [10, 20]).numpy().tolist()
[[10, 20], [20, 40]])",
             .promote = Promote::Common,
             .decompose = outer});
  define_op({.name = "inner",
             .inputs = "x1, x2",
             .doc = R"(Inner product over the last axes of x1 (..., k) and x2 (..., k).

Returns a tensor with the other axes of x1, then the other axes of x2. Scalars multiply.

Example:
>>> import tahr
>>> float(tahr.ops.inner([1.0, 2.0], [3.0, 4.0]))
11.0)",
             .promote = Promote::Common,
             .decompose = inner});
  define_op({.name = "vdot",
             .inputs = "x1, x2",
             .doc = R"(Dot product of two tensors of equal size, flattened first. Returns a scalar.

Example:
>>> import tahr
>>> float(tahr.ops.vdot([[1.0, 2.0]], [[3.0], [4.0]]))
11.0)",
             .promote = Promote::Common,
             .decompose = vdot});
  define_op({.name = "vecdot",
             .inputs = "x1, x2",
             .doc = R"(Dot products of the vectors along one axis of x1 and x2, whose other axes broadcast.

Example:
>>> import tahr
>>> tahr.ops.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]).numpy().tolist()
[3.0, 7.0])",
             .promote = Promote::Common,
             .attrs = attr_type<VecdotAttrs>(),
             .decompose = vecdot});
  define_op({.name = "cross",
             .inputs = "x1, x2",
             .doc = R"(Cross product of vectors of 2 or 3 components.

axisa, axisb: the axes of x1 and x2 that hold the components; axisc: their axis in the result; axis: all three at once.
A missing third component is 0; of two vectors with 2 components only the third component of the result is returned, and
the axis is absent. The other axes broadcast.

Example:
>>> import tahr
>>> tahr.ops.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]).numpy().tolist()
[0.0, 0.0, 1.0])",
             .promote = Promote::Common,
             .attrs = attr_type<CrossAttrs>(),
             .decompose = cross});
  define_op({.name = "kron",
             .inputs = "x1, x2",
             .doc = R"(Kronecker product: x2 scaled by each element of x1, laid out as blocks. Ranks up to 4.

Example:
>>> import tahr
>>> tahr.ops.kron([1, 10], [1, 2]).numpy().tolist()
[1, 2, 10, 20])",
             .promote = Promote::Common,
             .decompose = kron});
  define_linear_ops();
  define_einsum_op();
  define_norm_op();
}

}  // namespace tahr
