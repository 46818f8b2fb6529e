// Normalisation: layer, RMS, group and batch. One op with a kernel, `standardize`, and its gradient do the work on
// channels-last tensors of float32 or float64; the public functions bring their arguments into that form.
//
// Higher derivatives are written in plain ops on a view of four axes, (n, s, g, k): mean and variance are taken over s
// and k.
#include <algorithm>

#include "ops/norm_attrs.h"
#include "ops/reduce.h"

namespace tahr {
namespace {

using Args = std::span<const Tensor>;

int64_t times(int64_t a, int64_t b) { return a == kUnknown || b == kUnknown ? kUnknown : a * b; }

int64_t product(const Shape& s, int from, int to) {
  int64_t n = 1;
  for (int i = from; i < to; ++i) n = times(n, s[i]);
  return n;
}

Shape part(const Shape& s, int from, int to) {
  Shape out;
  for (int i = from; i < to; ++i) out.push_back(s[i]);
  return out;
}

Shape statistics_shape(const Shape& x, const StandardizeAttrs& at) {
  if (at.rows > 0) return part(x, 0, x.rank() - static_cast<int>(at.rows));
  return at.groups > 0 ? Shape{x[0], at.groups} : Shape{x.back()};
}

Shape parameters_shape(const Shape& x, const StandardizeAttrs& at) {
  return at.rows > 0 ? part(x, x.rank() - static_cast<int>(at.rows), x.rank()) : Shape{x.back()};
}

bool may_be(const Shape& a, const Shape& b) {
  if (a.rank() != b.rank()) return false;
  for (int i = 0; i < a.rank(); ++i)
    if (a[i] != b[i] && a[i] != kUnknown && b[i] != kUnknown) return false;
  return true;
}

void check(const InferArgs& a, const Spec& x, std::initializer_list<size_t> parameters) {
  const auto& at = a.as<StandardizeAttrs>();
  const int rank = x.shape.rank();
  if (x.dtype != DType::Float32 && x.dtype != DType::Float64)
    throw_type("[", a.op, "] expected float32 or float64, received ", name_of(x.dtype), ". Cast it first.");
  if (rank < 1 || at.rows > rank || (at.groups > 0 && rank < 2))
    throw_value("[", a.op, "] expected a tensor with the axes to normalise, received shape ", x.shape.str(), ".");
  if (at.rows == 0 && at.groups > 0 && x.shape.back() != kUnknown && x.shape.back() % at.groups != 0)
    throw_value("[", a.op, "] expected a number of channels that ", at.groups, " groups divide, received shape ",
                x.shape.str(), ".");
  for (size_t i : parameters)
    if (a.has(i) && !may_be(a.in[i].shape, parameters_shape(x.shape, at)))
      throw_value("[", a.op, "] expected scale and offset of shape ", parameters_shape(x.shape, at).str(),
                  ", received ", a.in[i].shape.str(), ".");
}

Specs infer_standardize(const InferArgs& a) {
  const Spec& x = a.in[0];
  check(a, x, {1, 2});
  const Spec statistics{statistics_shape(x.shape, a.as<StandardizeAttrs>()), x.dtype};
  return {x, statistics, statistics};
}

Specs infer_standardize_relu(const InferArgs& a) {
  const Specs out = infer_standardize(a);
  if (a.as<StandardizeAttrs>().rows > 0)
    throw_value("[", a.op, "] expected columns, received rows=", a.as<StandardizeAttrs>().rows, ".");
  if (a.has(3) && !(may_be(a.in[3].shape, a.in[0].shape) && a.in[3].dtype == a.in[0].dtype))
    throw_value("[", a.op, "] expected a skip of the shape and dtype of x, ", a.in[0].shape.str(), ", received ",
                a.in[3].shape.str(), ".");
  return out;
}

Specs infer_standardize_grad(const InferArgs& a) {
  const auto& at = a.as<StandardizeAttrs>();
  const Spec& x = a.in[1];
  check(a, x, {4});
  const Spec parameters{parameters_shape(x.shape, at), x.dtype}, none{{0}, x.dtype};
  return {x, at.dscale ? parameters : none, at.doffset ? parameters : none};
}

// ---- the same in plain ops ----

struct View {
  Shape x, statistics, parameters;
  Axes over{Ints{1, 3}}, parameter_axes;

  View(const Shape& shape, const StandardizeAttrs& at) {
    const int rank = shape.rank();
    if (at.rows > 0) {
      const int lead = rank - static_cast<int>(at.rows);
      const int64_t n = product(shape, lead, rank), rows = product(shape, 0, lead);
      x = {rows, 1, 1, n};
      statistics = {rows, 1, 1, 1};
      parameters = {1, 1, 1, n};
      parameter_axes = Axes(Ints{0, 1, 2});
    } else if (at.groups > 0) {
      const int64_t c = shape.back(), k = c == kUnknown ? c : c / at.groups;
      x = {shape[0], product(shape, 1, rank - 1), at.groups, k};
      statistics = {shape[0], 1, at.groups, 1};
      parameters = {1, 1, at.groups, k};
      parameter_axes = Axes(Ints{0, 1});
    } else {
      x = {1, product(shape, 0, rank - 1), shape.back(), 1};
      statistics = parameters = {1, 1, shape.back(), 1};
      parameter_axes = Axes(Ints{0, 1, 3});
    }
  }
  Tensor mean(const Tensor& t) const { return ops::reduce("mean", t, over, true); }
};

Tensor inverse_root(const Tensor& variance, double epsilon) { return ops::unary("rsqrt", ops::add(variance, epsilon)); }

Tensors decompose_standardize(Args in, const void* attrs) {
  const auto& at = *static_cast<const StandardizeAttrs*>(attrs);
  const Shape& shape = in[0].shape();
  const View v(shape, at);
  const Tensor x = ops::reshape(in[0], v.x);
  const Tensor mean = at.centre ? v.mean(x) : Tensor::zeros(v.statistics, x.dtype());
  const Tensor d = at.centre ? ops::subtract(x, mean) : x;
  const Tensor variance = v.mean(ops::multiply(d, d));
  Tensor y = ops::multiply(d, inverse_root(variance, at.epsilon));
  if (in.size() > 1 && in[1].defined()) y = ops::multiply(y, ops::reshape(in[1], v.parameters));
  if (in.size() > 2 && in[2].defined()) y = ops::add(y, ops::reshape(in[2], v.parameters));
  const Shape statistics = statistics_shape(shape, at);
  return {ops::reshape(y, shape), ops::reshape(mean, statistics), ops::reshape(variance, statistics)};
}

Tensors standardize(const Tensor& x, const Tensor& scale, const Tensor& offset, const StandardizeAttrs& at) {
  static const OpDef& op = get_op("standardize");
  const Tensor in[] = {x, scale, offset};
  return call(op, in, &at);
}

Tensors decompose_standardize_relu(Args in, const void* attrs) {
  const auto input = [&](size_t i) { return in.size() > i ? in[i] : Tensor(); };
  Tensors y = standardize(in[0], input(1), input(2), *static_cast<const StandardizeAttrs*>(attrs));
  if (input(3).defined()) y[0] = ops::add(y[0], in[3]);
  y[0] = ops::unary("relu", y[0]);
  return y;
}

Tensors standardize_grad(Args in, const StandardizeAttrs& at) {
  static const OpDef& op = get_op("standardize_grad");
  return call(op, in, &at);
}

void standardize_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  StandardizeAttrs at = a.as<StandardizeAttrs>();
  const Tensor &x = a.in[0], &mean = a.out[1], &variance = a.out[2];
  if (a.dy[0].defined()) {
    at.dscale = a.need(1);
    at.doffset = a.need(2);
    const Tensor in[] = {a.dy[0], x, mean, variance, a.in[1]};
    const Tensors g = standardize_grad(in, at);
    dx[0] = g[0];
    if (at.dscale) dx[1] = g[1];
    if (at.doffset) dx[2] = g[2];
  }
  if (!a.need(0) || !(a.dy[1].defined() || a.dy[2].defined())) return;
  // What the statistics themselves were used for.
  const View v(x.shape(), at);
  const int64_t size = x.size(), statistics = mean.size();
  const double share = size == 0 ? 0 : static_cast<double>(statistics) / static_cast<double>(size);
  Tensor more;
  if (a.dy[1].defined() && at.centre) more = ops::multiply(ops::reshape(a.dy[1], v.statistics), share);
  if (a.dy[2].defined()) {
    const Tensor d = ops::subtract(ops::reshape(x, v.x), ops::reshape(mean, v.statistics));
    const Tensor own = ops::multiply(d, ops::multiply(ops::reshape(a.dy[2], v.statistics), 2 * share));
    more = more.defined() ? ops::add(own, more) : own;
  }
  if (!more.defined()) return;
  more = ops::reshape(ops::broadcast_to(more, v.x), x.shape());
  dx[0] = dx[0].defined() ? ops::add(dx[0], more) : more;
}

// g = dy scale, h = (x - mean) rstd:  dx = rstd (g - mean(g) - h mean(g h)),  dscale = sum(dy h),  doffset = sum(dy)
Tensors decompose_standardize_grad(Args in, const void* attrs) {
  const auto& at = *static_cast<const StandardizeAttrs*>(attrs);
  const Shape& shape = in[1].shape();
  const View v(shape, at);
  const Tensor dy = ops::reshape(in[0], v.x);
  const Tensor rstd = inverse_root(ops::reshape(in[3], v.statistics), at.epsilon);
  const Tensor h = ops::multiply(ops::subtract(ops::reshape(in[1], v.x), ops::reshape(in[2], v.statistics)), rstd);
  const Tensor g = in.size() > 4 && in[4].defined() ? ops::multiply(dy, ops::reshape(in[4], v.parameters)) : dy;
  Tensor d = ops::subtract(g, ops::multiply(h, v.mean(ops::multiply(g, h))));
  if (at.centre) d = ops::subtract(d, v.mean(g));
  const Shape parameters = parameters_shape(shape, at);
  const auto summed = [&](bool wanted, const Tensor& t) {
    return wanted ? ops::reshape(ops::sum(t, v.parameter_axes, true), parameters) : Tensor::zeros({0}, dy.dtype());
  };
  return {ops::reshape(ops::multiply(d, rstd), shape), summed(at.dscale, ops::multiply(dy, h)), summed(at.doffset, dy)};
}

// The mean and the variance are those of x, and the cotangent of x counts what it does through them; they get none.
// With p(t) = rstd (t - mean(t) - h mean(t h)), a symmetric map, and u, us, uo the cotangents of dx, dscale, doffset:
//   of dy     p(u) scale + us h + uo
//   of scale  sum(p(u) dy)
//   of x      p(us dy - rstd (u mean(g h) + g mean(u h)))
//             - rstd² h (mean(u g) - mean(u) mean(g) - mean(u h) mean(g h))
void standardize_grad_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& at = a.as<StandardizeAttrs>();
  const Shape& shape = a.in_specs[1].shape;
  const View v(shape, at);
  const bool scaled = a.in.size() > 4 && a.in[4].defined();
  const Tensor dy = ops::reshape(a.in[0], v.x);
  const Tensor rstd = inverse_root(ops::reshape(a.in[3], v.statistics), at.epsilon);
  const Tensor h = ops::multiply(ops::subtract(ops::reshape(a.in[1], v.x), ops::reshape(a.in[2], v.statistics)), rstd);
  const Tensor scale = scaled ? ops::reshape(a.in[4], v.parameters) : Tensor();
  const auto with_scale = [&](const Tensor& t) { return scaled ? ops::multiply(t, scale) : t; };
  const auto p = [&](const Tensor& t) {
    Tensor d = ops::subtract(t, ops::multiply(h, v.mean(ops::multiply(t, h))));
    if (at.centre) d = ops::subtract(d, v.mean(t));
    return ops::multiply(d, rstd);
  };
  const auto viewed = [&](int i, const Shape& s) { return a.dy[i].defined() ? ops::reshape(a.dy[i], s) : Tensor(); };
  const auto plus = [](const Tensor& l, const Tensor& r) {
    return !l.defined() ? r : !r.defined() ? l : ops::add(l, r);
  };
  const Tensor u = viewed(0, v.x), us = at.dscale ? viewed(1, v.parameters) : Tensor(),
               uo = at.doffset ? viewed(2, v.parameters) : Tensor();
  const Tensor pu = u.defined() && (a.need(0) || (a.need(4) && scaled)) ? p(u) : Tensor();

  if (a.need(0)) {
    Tensor d = pu.defined() ? with_scale(pu) : Tensor();
    if (us.defined()) d = plus(d, ops::multiply(us, h));
    if (uo.defined()) d = plus(d, ops::broadcast_to(uo, v.x));
    if (d.defined()) dx[0] = ops::reshape(d, shape);
  }
  if (scaled && a.need(4) && pu.defined())
    dx[4] = ops::reshape(ops::sum(ops::multiply(pu, dy), v.parameter_axes, true), parameters_shape(shape, at));
  if (a.need(1)) {
    Tensor through = us.defined() ? ops::multiply(us, dy) : Tensor(), direct;
    if (u.defined()) {
      const Tensor g = with_scale(dy);
      const Tensor uh = v.mean(ops::multiply(u, h)), gh = v.mean(ops::multiply(g, h));
      const Tensor w = ops::multiply(ops::add(ops::multiply(u, gh), ops::multiply(g, uh)), rstd);
      through = plus(through, ops::negative(w));
      Tensor rest = ops::subtract(v.mean(ops::multiply(u, g)), ops::multiply(uh, gh));
      if (at.centre) rest = ops::subtract(rest, ops::multiply(v.mean(u), v.mean(g)));
      direct = ops::negative(ops::multiply(h, ops::multiply(rest, ops::multiply(rstd, rstd))));
    }
    const Tensor d = plus(through.defined() ? p(through) : Tensor(), direct);
    if (d.defined()) dx[1] = ops::reshape(d, shape);
  }
}

// ---- affine_columns: y = (x - mean) factor + offset, one of each per element of the last axis ----

Specs infer_affine(const InferArgs& a) {
  if (is_half(a.in[0].dtype)) throw_type("[", a.op, "] expected float32 or float64. Cast halves first.");
  const Shape channels{a.in[0].shape.rank() > 0 ? a.in[0].shape.back() : 1};
  for (size_t i = 1; i < 4; ++i)
    if (a.in[0].shape.rank() == 0 || !may_be(a.in[i].shape, channels))
      throw_value("[", a.op, "] expected vectors with one element per channel, received shape ", a.in[i].shape.str(),
                  " for x of shape ", a.in[0].shape.str(), ".");
  return {a.in[0]};
}

Tensors decompose_affine(Args in, const void*) {
  return {ops::add(ops::multiply(ops::subtract(in[0], in[1]), in[2]), in[3])};
}

void affine_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const Tensor &x = a.in[0], &mean = a.in[1], &factor = a.in[2], &dy = a.dy[0];
  Ints lead;
  for (int i = 0; i + 1 < x.rank(); ++i) lead.push_back(i);
  const auto over = [&](const Tensor& t) { return ops::sum(t, Axes(lead), false); };
  if (a.need(0)) dx[0] = ops::multiply(dy, factor);
  if (a.need(2)) dx[2] = over(ops::multiply(dy, ops::subtract(x, mean)));
  if (!a.need(1) && !a.need(3)) return;
  const Tensor sum = over(dy);
  if (a.need(1)) dx[1] = ops::negative(ops::multiply(sum, factor));
  if (a.need(3)) dx[3] = sum;
}

// ---- what the public functions share ----

DType computed(DType d) { return d == DType::Float64 ? d : DType::Float32; }

// x with `axes` (sorted) last, and the permutation that brings them back; empty if they are last already.
struct Moved {
  Tensor x;
  Ints back;
  Tensor restore(const Tensor& y) const { return back.empty() ? y : ops::transpose(y, back); }
};

Moved axes_last(const Tensor& x, const std::vector<int>& axes) {
  const int rank = x.rank(), count = static_cast<int>(axes.size());
  if (axes[0] == rank - count) return {x, {}};  // sorted and distinct: the last ones
  Ints perm, back(static_cast<size_t>(rank));
  for (int i = 0; i < rank; ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) perm.push_back(i);
  perm.insert(perm.end(), axes.begin(), axes.end());
  for (int i = 0; i < rank; ++i) back[static_cast<size_t>(perm[static_cast<size_t>(i)])] = i;
  return {ops::transpose(x, perm), back};
}

Tensor optional(Args in, size_t i, DType dtype) {
  return in.size() > i && in[i].defined() ? ops::cast(in[i], dtype) : Tensor();
}

// Layer and RMS normalisation: scale and offset ride on the kernel if they have one element per element of a row, else
// they are broadcast to x.
Tensor normalize_rows(const char* name, Args in, const Axes& axis, double epsilon, bool centre) {
  const DType out = to_inexact(in[0].dtype()), dtype = computed(out);
  Tensor x = ops::cast(in[0], dtype);
  const Shape original = x.shape();
  if (x.rank() == 0) x = ops::reshape(x, {1});
  const std::vector<int> axes = normalize_axes(axis, x.rank(), name);
  if (axes.empty()) throw_value("[", name, "] expected at least one axis, received none.");
  const Moved moved = axes_last(x, axes);
  StandardizeAttrs at;
  at.rows = static_cast<int64_t>(axes.size());
  at.epsilon = epsilon;
  at.centre = centre;
  const Shape row = parameters_shape(moved.x.shape(), at);
  const Tensor scale = optional(in, 1, dtype), offset = optional(in, 2, dtype);
  Shape wide;  // of x, 1 where it is not normalised
  for (int i = 0; i < x.rank(); ++i)
    wide.push_back(std::find(axes.begin(), axes.end(), i) == axes.end() ? 1 : x.dim(i));
  const auto fits = [&](const Tensor& t) { return !t.defined() || may_be(t.shape(), row) || may_be(t.shape(), wide); };
  const auto as_row = [&](const Tensor& t) {
    return t.defined() && !may_be(t.shape(), row) ? ops::reshape(t, row) : t;
  };
  Tensor y;
  if (fits(scale) && fits(offset)) {
    y = moved.restore(standardize(moved.x, as_row(scale), as_row(offset), at)[0]);
  } else {
    y = moved.restore(standardize(moved.x, Tensor(), Tensor(), at)[0]);
    if (scale.defined()) y = ops::multiply(y, scale);
    if (offset.defined()) y = ops::add(y, offset);
  }
  return ops::cast(original.rank() == 0 ? ops::reshape(y, original) : y, out);
}

struct LayerNormAttrs {
  Axes axis = Axes::of(-1);
  std::optional<double> epsilon;
  bool rms_scaling = false;
  TAHR_ATTRS(LayerNormAttrs, TAHR_FIELD(axis), TAHR_FIELD(epsilon), TAHR_FIELD(rms_scaling))
};
struct RmsNormAttrs {
  Axes axis = Axes::of(-1);
  std::optional<double> epsilon;
  TAHR_ATTRS(RmsNormAttrs, TAHR_FIELD(axis), TAHR_FIELD(epsilon))
};
struct GroupNormAttrs {
  int64_t groups = 32, axis = -1;
  double epsilon = 1e-3;
  TAHR_ATTRS(GroupNormAttrs, TAHR_FIELD(groups), TAHR_FIELD(axis), TAHR_FIELD(epsilon))
};
struct BatchNormAttrs {
  int64_t axis = -1;
  double epsilon = 1e-3;
  TAHR_ATTRS(BatchNormAttrs, TAHR_FIELD(axis), TAHR_FIELD(epsilon))
};

constexpr double kEpsilon = 1e-7;  // keras.config.epsilon() as it is by default

Tensors layer_normalization(Args in, const void* attrs) {
  const auto& at = *static_cast<const LayerNormAttrs*>(attrs);
  const double epsilon = at.epsilon.value_or(kEpsilon);
  if (!at.rms_scaling) return {normalize_rows("layer_normalization", in, at.axis, epsilon, true)};
  const DType out = to_inexact(in[0].dtype()), dtype = computed(out);
  const Tensor x = ops::cast(in[0], dtype);
  Tensor y = ops::multiply(x, inverse_root(ops::reduce("var", x, at.axis, true), epsilon));
  if (const Tensor scale = optional(in, 1, dtype); scale.defined()) y = ops::multiply(y, scale);
  return {ops::cast(y, out)};
}

Tensors rms_normalization(Args in, const void* attrs) {
  const auto& at = *static_cast<const RmsNormAttrs*>(attrs);
  return {normalize_rows("rms_normalization", in, at.axis, at.epsilon.value_or(kEpsilon), false)};
}

// x with its channels last, in the dtype of computation, and its parameters.
struct Channels {
  Moved moved;
  DType out;
  Tensor scale, offset;
  Channels(const char* name, Args in, int64_t axis) : out(to_inexact(in[0].dtype())) {
    const DType dtype = computed(out);
    moved = axes_last(ops::cast(in[0], dtype), {normalize_axis(axis, in[0].rank(), name)});
    scale = optional(in, 1, dtype);
    offset = optional(in, 2, dtype);
  }
};

Tensors group_normalization(Args in, const void* attrs) {
  const auto& a = *static_cast<const GroupNormAttrs*>(attrs);
  const Channels c("group_normalization", in, a.axis);
  const int64_t channels = c.moved.x.shape().back();
  StandardizeAttrs at;
  at.groups = a.groups == -1 ? channels : a.groups;
  at.epsilon = a.epsilon;
  if (at.groups < 1 || in[0].rank() < 2 || (channels != kUnknown && channels % at.groups != 0))
    throw_value("[group_normalization] expected groups that divide the ", channels,
                " channels, received groups=", a.groups, " for shape ", in[0].shape().str(), ".");
  return {ops::cast(c.moved.restore(standardize(c.moved.x, c.scale, c.offset, at)[0]), c.out)};
}

Tensors fused_batch_norm(Args in, const void* attrs) {
  const auto& a = *static_cast<const BatchNormAttrs*>(attrs);
  const Channels c("fused_batch_norm", in, a.axis);
  StandardizeAttrs at;
  at.epsilon = a.epsilon;
  const Tensors y = standardize(c.moved.x, c.scale, c.offset, at);
  return {ops::cast(c.moved.restore(y[0]), c.out), y[1], y[2]};
}

Tensors normalize_by_moments(Args in, const void* attrs) {
  const auto& a = *static_cast<const BatchNormAttrs*>(attrs);
  const Tensor of_x[] = {in[0]};
  const Channels c("batch_normalization", of_x, a.axis);
  const DType dtype = c.moved.x.dtype();
  const Tensor mean = ops::cast(in[1], dtype), offset = optional(in, 3, dtype), scale = optional(in, 4, dtype);
  Tensor factor = inverse_root(ops::cast(in[2], dtype), a.epsilon);
  if (scale.defined()) factor = ops::multiply(factor, scale);
  const Tensor zero = offset.defined() ? offset : ops::zeros_like(mean);
  return {ops::cast(c.moved.restore(call1(get_op("affine_columns"), {c.moved.x, mean, factor, zero})), c.out)};
}

}  // namespace

void define_norm_ops() {
  define_op({.name = "standardize",
             .inputs = "x, scale?, offset?",
             .doc = "(x - mean) / sqrt(variance + epsilon) * scale + offset, the mean and the variance.",
             .traits = kHidden,
             .attrs = attr_type<StandardizeAttrs>(),
             .infer = infer_standardize,
             .vjp = standardize_vjp,
             .saves = save_in(0) | save_in(1) | save_out(1) | save_out(2),
             .decompose = decompose_standardize,
             .outputs = 3});
  define_op(
      {.name = "standardize_relu",
       .inputs = "x, scale?, offset?, skip?",
       .doc = "relu(standardize(x, scale, offset) + skip) of columns with the same bits, the mean and the variance.",
       .traits = kHidden,
       .attrs = attr_type<StandardizeAttrs>(),
       .infer = infer_standardize_relu,
       .vjp =
           [](const VjpArgs& a, std::span<Tensor> dx) {
             static const OpDef& op = get_op("standardize_relu");
             const Tensors found = decomposed_vjp(op, a.in, a.attrs, a.dy, a.needs);
             std::copy(found.begin(), found.end(), dx.begin());
           },
       .saves = kSaveAllInputs,
       .decompose = decompose_standardize_relu,
       .outputs = 3});
  define_op({.name = "standardize_grad",
             .inputs = "dy, x, mean, variance, scale?",
             .doc = "The cotangents of standardize's x, scale and offset; those not wanted are empty.",
             .traits = kHidden,
             .attrs = attr_type<StandardizeAttrs>(),
             .infer = infer_standardize_grad,
             .vjp = standardize_grad_vjp,
             .saves = kSaveAllInputs,
             .decompose = decompose_standardize_grad,
             .outputs = 3});
  define_op({.name = "affine_columns",
             .inputs = "x, mean, factor, offset",
             .doc = "(x - mean) factor + offset, with one of each per element of the last axis.",
             .traits = kHidden,
             .promote = Promote::Inexact,
             .infer = infer_affine,
             .vjp = affine_vjp,
             .saves = save_in(0) | save_in(1) | save_in(2),
             .decompose = decompose_affine});
  define_op({.name = "layer_normalization",
             .inputs = "x, gamma?, beta?",
             .doc = R"((x - mean) / sqrt(variance + epsilon) * gamma + beta, over axes of each example.

x: a tensor. gamma, beta: of the shape of the normalised axes, or broadcast to x. axis: an axis or several. epsilon:
1e-7 if None. rms_scaling: leave the mean in, and beta out; `rms_normalization` is what this is often meant to be.

Returns a tensor of the shape and dtype of x. Halves are computed in float32.

Example:
>>> import tahr
>>> tahr.ops.layer_normalization([1.0, 3.0]).numpy().round(3).tolist()
[-1.0, 1.0]

Source: Ba, Kiros and Hinton, "Layer normalization", 2016.)",
             .attrs = attr_type<LayerNormAttrs>(),
             .decompose = layer_normalization});
  define_op({.name = "rms_normalization",
             .inputs = "x, scale?",
             .doc = R"(x / sqrt(mean(x²) + epsilon) * scale, over axes of each example.

x: a tensor. scale: of the shape of the normalised axes, or broadcast to x. axis: an axis or several. epsilon: 1e-7 if
None.

Example:
>>> import tahr
>>> tahr.ops.rms_normalization([1.0, 7.0]).numpy().round(3)
array([0.2, 1.4], dtype=float32)

Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.)",
             .attrs = attr_type<RmsNormAttrs>(),
             .decompose = rms_normalization});
  define_op({.name = "group_normalization",
             .inputs = "x, gamma?, beta?",
             .doc = R"(Normalisation of each group of channels of each example by its own mean and variance.

x: (n, ..., channels), the channels at `axis`. gamma, beta: (channels,). groups: a divisor of the channels, or -1 for a
group per channel.

Raises ValueError if the groups do not divide the channels.

Example:
>>> import tahr
>>> tahr.ops.group_normalization([[1.0, 3.0, 5.0, 9.0]], groups=2).numpy().round(2).tolist()
[[-1.0, 1.0, -1.0, 1.0]]

Source: Wu and He, "Group normalization", 2018.)",
             .attrs = attr_type<GroupNormAttrs>(),
             .decompose = group_normalization});
  define_op(
      {.name = "fused_batch_norm",
       .inputs = "x, gamma?, beta?",
       .doc = R"(Batch normalisation in training: by the mean and the variance of the batch, which are returned too.

x: a tensor with channels at `axis`. gamma, beta: (channels,).

Returns (y, mean, variance): y of the shape of x; the statistics of shape (channels,), float32 for halves.

Example:
>>> import tahr
>>> y, mean, variance = tahr.ops.fused_batch_norm([[1.0], [3.0]])
>>> mean.numpy().tolist(), variance.numpy().tolist()
([2.0], [1.0])

Source: Ioffe and Szegedy, "Batch normalization", 2015.)",
       .attrs = attr_type<BatchNormAttrs>(),
       .decompose = fused_batch_norm,
       .outputs = 3});
  define_op({.name = "normalize_by_moments",
             .inputs = "x, mean, variance, offset?, scale?",
             .doc = "(x - mean) / sqrt(variance + epsilon) * scale + offset, one of each per channel.",
             .traits = kHidden,
             .attrs = attr_type<BatchNormAttrs>(),
             .decompose = normalize_by_moments});
}

}  // namespace tahr
