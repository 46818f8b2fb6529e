"""The mathematical functions under TensorFlow's names: argument names as in `tf`, the work done by `tahr.ops`."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.tensor import Tensor

_SAME = (
    *("abs", "add", "argmax", "argmin", "ceil", "cos", "cosh", "cumprod", "cumsum", "divide", "divide_no_nan", "equal"),
    *("erf", "erfinv", "exp", "expm1", "floor", "greater", "greater_equal", "in_top_k", "is_tensor", "less"),
    *("less_equal", "log", "log1p", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum"),
    *(
        "mod",
        "multiply",
        "negative",
        "not_equal",
        "reciprocal",
        "round",
        "rsqrt",
        "segment_max",
        "segment_sum",
        "sigmoid",
    ),
    *("sign", "sin", "sinh", "softplus", "softsign", "sqrt", "square", "subtract", "tan", "tanh", "top_k", "bincount"),
)
globals().update({_name: getattr(ops, _name) for _name in _SAME})

acos, asin, atan, atan2 = ops.arccos, ops.arcsin, ops.arctan, ops.arctan2
acosh, asinh, atanh = ops.arccosh, ops.arcsinh, ops.arctanh
floordiv, floormod, pow = ops.floor_divide, ops.mod, ops.power
is_finite, is_inf, is_nan = ops.isfinite, ops.isinf, ops.isnan
log_sigmoid, log_softmax, softmax = ops.log_sigmoid, ops.log_softmax, ops.softmax
truediv = ops.divide


def reduce_sum(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The sum over `axis` (all axes if None)."""
    return ops.sum(input_tensor, axis=axis, keepdims=keepdims)


def reduce_mean(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The mean over `axis` (all axes if None)."""
    return ops.mean(input_tensor, axis=axis, keepdims=keepdims)


def reduce_prod(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The product over `axis` (all axes if None)."""
    return ops.prod(input_tensor, axis=axis, keepdims=keepdims)


def reduce_max(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The largest element along `axis` (of all if None)."""
    return ops.max(input_tensor, axis=axis, keepdims=keepdims)


def reduce_min(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The smallest element along `axis` (of all if None)."""
    return ops.min(input_tensor, axis=axis, keepdims=keepdims)


def reduce_any(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """Whether any element along `axis` is true."""
    return ops.any(input_tensor, axis=axis, keepdims=keepdims)


def reduce_all(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """Whether all elements along `axis` are true."""
    return ops.all(input_tensor, axis=axis, keepdims=keepdims)


def reduce_std(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The standard deviation over `axis` (all axes if None)."""
    return ops.std(input_tensor, axis=axis, keepdims=keepdims)


def reduce_variance(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The variance over `axis` (all axes if None)."""
    return ops.var(input_tensor, axis=axis, keepdims=keepdims)


def reduce_logsumexp(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """log(sum(exp(x))) over `axis` (all axes if None), computed without overflow."""
    return ops.logsumexp(input_tensor, axis=axis, keepdims=keepdims)


def squared_difference(x: Any, y: Any, name: str | None = None) -> Tensor:
    """(x - y)²."""
    return ops.square(ops.subtract(x, y))


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The elementwise sum of a list of tensors."""
    total = inputs[0]
    for x in inputs[1:]:
        total = ops.add(total, x)
    return total


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None) -> Tensor:
    """x divided by its Euclidean norm along `axis` (of all elements if None)."""
    x = ops.convert_to_tensor(x)
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), epsilon))


def argmax(input: Any, axis: int | None = None, output_type: Any = "int64", name: str | None = None) -> Tensor:
    """The index of the largest element along `axis`; along the first axis if None, as in TensorFlow."""
    return ops.cast(ops.argmax(input, axis=0 if axis is None else axis), output_type)


def argmin(input: Any, axis: int | None = None, output_type: Any = "int64", name: str | None = None) -> Tensor:
    """The index of the smallest element along `axis`; along the first axis if None, as in TensorFlow."""
    return ops.cast(ops.argmin(input, axis=0 if axis is None else axis), output_type)


def cumsum(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """Running sums along `axis`: without the element itself if `exclusive`, from the end if `reverse`."""
    x = ops.convert_to_tensor(x)
    if reverse:
        x = ops.flip(x, axis=axis)
    y = ops.cumsum(x, axis=axis)
    if exclusive:
        y = y - x
    return ops.flip(y, axis=axis) if reverse else y


def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: int | None = None,
    weights: Any = None,
    dtype: Any = "int32",
    name: str | None = None,
) -> Tensor:
    """How often each true class (row) was predicted as each class (column): shape (num_classes, num_classes)."""
    labels, predictions = ops.convert_to_tensor(labels), ops.convert_to_tensor(predictions)
    if num_classes is None:
        num_classes = int(max(int(ops.max(labels)), int(ops.max(predictions)))) + 1
    cells = ops.cast(labels, "int64") * num_classes + ops.cast(predictions, "int64")
    values = ops.ones(cells.shape, dtype) if weights is None else ops.cast(weights, dtype)
    counts = ops.segment_sum(ops.ravel(values), ops.ravel(cells), num_segments=num_classes * num_classes)
    return ops.reshape(counts, (num_classes, num_classes))
