"""Functions that `import tahr as tf` offers at the top level under TensorFlow's names and argument names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import _C, ops
from tahr.dtypes import as_dtype
from tahr.tensor import Tensor

_SAME = (
    *(
        "abs",
        "add",
        "cos",
        "cosh",
        "cond",
        "divide",
        "einsum",
        "equal",
        "exp",
        "expand_dims",
        "eye",
        "floor",
        "greater",
    ),
    *("greater_equal", "less", "less_equal", "linspace", "logical_and", "logical_not", "logical_or", "maximum"),
    *("meshgrid", "minimum", "multiply", "negative", "not_equal", "ones", "ones_like", "repeat", "roll", "round"),
    *("scatter", "searchsorted", "sigmoid", "sign", "sin", "sinh", "split", "sqrt", "square", "squeeze", "subtract"),
    *("tan", "tanh", "tensordot", "unique", "unstack", "where", "while_loop", "zeros", "zeros_like", "sort", "argsort"),
)
globals().update({_name: getattr(ops, _name) for _name in _SAME})

acos, asin, atan, atan2 = ops.arccos, ops.arcsin, ops.arctan, ops.arctan2
_RENAMED = ("acos", "asin", "atan", "atan2")


def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """The values of `x` in another dtype."""
    return ops.cast(x, dtype)


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The elements in a new shape, in which one dimension may be -1.

    Example:
        >>> import tahr
        >>> tahr.reshape(tahr.zeros((2, 3)), [-1]).shape
        (6,)
    """
    return ops.reshape(tensor, shape)


def transpose(a: Any, perm: Any = None, conjugate: bool = False, name: str | None = None) -> Tensor:
    """The axes in the order `perm`; reversed if None. Real values have no conjugate."""
    return ops.transpose(a, perm)


def concat(values: Any, axis: int, name: str | None = None) -> Tensor:
    """Tensors joined along an existing axis."""
    return ops.concatenate(values, axis=axis)


def stack(values: Any, axis: int = 0, name: str | None = None) -> Tensor:
    """Tensors joined along a new axis."""
    return ops.stack(values, axis=axis)


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of shape `dims` with every element `value`."""
    return ops.broadcast_to(_C.to_tensor(value, None, "[fill]"), dims)


def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = None) -> Tensor:
    """Evenly spaced numbers from `start` up to, not including, `limit`; from 0 to `start` if that is None."""
    if limit is None:
        start, limit = 0, start
    return ops.arange(start, limit, delta, dtype=dtype)


def identity(input: Any, name: str | None = None) -> Tensor:
    """The same values as a tensor; for a variable, its current value."""
    return ops.copy(input)


def shape(input: Any, out_type: Any = "int32", name: str | None = None) -> Tensor:
    """The dimensions as an integer tensor."""
    return _C.to_tensor(np.array(ops.shape(input)), out_type, "[shape]")


def size(input: Any, out_type: Any = "int32", name: str | None = None) -> Tensor:
    """The number of elements as an integer tensor."""
    return _C.to_tensor(ops.size(input), out_type, "[size]")


def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of dimensions as an integer tensor."""
    return _C.to_tensor(ops.ndim(input), "int32", "[rank]")


def pow(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x to the power y."""
    return ops.power(x, y)


def gather(params: Any, indices: Any, axis: int = 0, batch_dims: int = 0, name: str | None = None) -> Tensor:
    """The slices of `params` at `indices` along `axis`. Raises ValueError for batch_dims other than 0."""
    if batch_dims:
        raise ValueError("[gather] expected batch_dims=0. Use tahr.ops.take_along_axis for batched indices.")
    return ops.take(params, indices, axis=axis)


def one_hot(
    indices: Any,
    depth: int,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Vectors with `on_value` (1) at the index and `off_value` (0) elsewhere, along a new axis (the last)."""
    hot = ops.one_hot(indices, depth, axis=-1 if axis is None else axis, dtype=dtype)
    if on_value is None and off_value is None:
        return hot
    on, off = 1 if on_value is None else on_value, 0 if off_value is None else off_value
    return ops.where(ops.not_equal(hot, 0), ops.cast(on, hot.dtype), ops.cast(off, hot.dtype))


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """Values limited to [clip_value_min, clip_value_max]."""
    return ops.clip(t, clip_value_min, clip_value_max)


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """The tensor scaled down so that its Euclidean norm over `axes` is at most `clip_norm`."""
    t = ops.convert_to_tensor(t)
    length = ops.sqrt(ops.sum(ops.square(t), axis=axes, keepdims=True))
    return t * (clip_norm / ops.maximum(length, clip_norm))


def clip_by_global_norm(t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None) -> Any:
    """Tensors scaled together so that their common norm is at most `clip_norm`; and that norm."""
    total = global_norm(t_list) if use_norm is None else use_norm
    scale = clip_norm / ops.maximum(total, clip_norm)
    return [None if t is None else t * scale for t in t_list], total


def global_norm(t_list: Any, name: str | None = None) -> Tensor:
    """The Euclidean norm of all elements of all tensors."""
    squares = [ops.sum(ops.square(t)) for t in t_list if t is not None]
    return ops.sqrt(ops.sum(ops.stack(squares)))


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """The tensor repeated `multiples[i]` times along axis i."""
    return ops.tile(input, multiples)


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0, name: str | None = None
) -> Tensor:
    """The tensor with `paddings[i] = (before, after)` elements added along axis i."""
    mode = mode.lower()
    return ops.pad(tensor, paddings, mode=mode, constant_values=constant_values if mode == "constant" else None)


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """The tensor stretched to a shape by NumPy's rules."""
    return ops.broadcast_to(input, shape)


def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """The order of elements reversed along the given axes."""
    return ops.flip(tensor, axis=axis)


def boolean_mask(tensor: Any, mask: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """The elements or slices where `mask` is true; `axis` is where the mask's axes begin."""
    key = (slice(None),) * (axis or 0) + (ops.cast(mask, "bool"),)
    return ops.convert_to_tensor(tensor)[key]


def map_fn(fn: Callable[[Any], Any], elems: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`fn` applied to each slice along the first axis; the results stacked, cast to `dtype` if given."""
    out = ops.map(fn, elems)
    return out if dtype is None else ops.cast(out, as_dtype(dtype))


__all__ = [
    *_SAME,
    *_RENAMED,
    *("boolean_mask", "broadcast_to", "cast", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "concat", "fill"),
    *("gather", "global_norm", "identity", "map_fn", "one_hot", "pad", "pow", "range", "rank", "reshape", "reverse"),
    *("shape", "size", "stack", "tile", "transpose"),
]
