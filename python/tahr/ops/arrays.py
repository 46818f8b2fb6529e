"""Creation and array functions whose arguments a table row cannot describe: numbers of either kind, `*x`, tuples."""

from __future__ import annotations

import math
from typing import Any

from tahr import _C, config
from tahr.tensor import Tensor

__all__ = [
    *("arange", "diff", "full", "full_like", "geomspace", "histogram", "linspace", "logspace", "meshgrid"),
    *("nonzero", "trapezoid", "unique", "unravel_index", "vander"),
]


def _dtype_of_numbers(*numbers: Any) -> str:
    """The dtype that the numbers promote to; Python's own are weak."""
    dtype, weak = "int32", True
    for n in numbers:
        if n is None:
            continue
        own = getattr(n, "dtype", None)
        name = str(own) if own is not None else config.floatx() if isinstance(n, float) else "int32"
        dtype, weak = _C.promote(dtype, weak, name, own is None), weak and own is None
    return dtype


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """Evenly spaced numbers from `start` up to, but without, `stop`; from 0 if only one number is given.

    Args:
        start, stop, step: numbers or tensors of rank 0.
        dtype: of the result; by default what the numbers promote to (int32 for Python integers).

    Raises:
        ValueError: if `step` is 0 or a bound is not finite.

    Example:
        >>> import tahr
        >>> tahr.ops.arange(0, 6, 2).numpy()
        array([0, 2, 4], dtype=int32)
    """
    dtype = dtype if dtype is not None else _dtype_of_numbers(start, stop, step)
    last, stride = (None if n is None else float(n) for n in (stop, step))
    return _C.ops.arange(float(start), last, stride, dtype=dtype)


def _filled(shape: Any, fill_value: Any, dtype: Any) -> Tensor:
    # A double holds small numbers exactly; other values go through a tensor of the target's dtype.
    if isinstance(fill_value, (bool, float)) or (isinstance(fill_value, int) and abs(fill_value) < 2**53):
        return _C.ops.full(shape, float(fill_value), dtype)
    return _C.ops.broadcast_to(_C.to_tensor(fill_value, dtype, "[full]"), shape)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor of the given shape that holds `fill_value`: a number, or anything that broadcasts to the shape.

    Example:
        >>> import tahr
        >>> tahr.ops.full((2, 3), [[7], [9]], dtype="int32").numpy()
        array([[7, 7, 7],
               [9, 9, 9]], dtype=int32)
    """
    return _filled(shape, fill_value, dtype if dtype is not None else config.floatx())


def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor with the shape and (unless given) dtype of `x` that holds `fill_value`.

    Example:
        >>> import tahr
        >>> tahr.ops.full_like([1, 2], 7).numpy()
        array([7, 7], dtype=int32)
    """
    if isinstance(fill_value, (bool, float)) or (isinstance(fill_value, int) and abs(fill_value) < 2**53):
        return _C.ops.full_like(x, float(fill_value), dtype)
    zeros = _C.ops.zeros_like(x, dtype)
    return _C.ops.where(_C.ops.ones_like(zeros, "bool"), _C.to_tensor(fill_value, zeros.dtype, "[full_like]"), zeros)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`, along a new axis.

    Args:
        start, stop: numbers, or tensors that broadcast together.
        endpoint: whether `stop` is the last number.
        retstep: also return the distance between neighbours.
        dtype: of the result; by default the floating-point dtype of the ends.
        axis: where the new axis goes.

    Example:
        >>> import tahr
        >>> tahr.ops.linspace(3, 5, num=5).numpy()
        array([3. , 3.5, 4. , 4.5, 5. ], dtype=float32)
    """
    points = _C.ops.linspace(start, stop, num, endpoint, axis)
    result = points if dtype is None else _C.ops.cast(points, dtype)
    if not retstep:
        return result
    parts = num - 1 if endpoint else num
    step = _C.ops.divide(_C.ops.subtract(stop, start), parts) if parts > 0 else math.nan
    return result, step if isinstance(step, Tensor) else _C.to_tensor(step, None, "[linspace]")


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10, dtype: Any = None, axis: int = 0
) -> Tensor:
    """`num` numbers from `base**start` to `base**stop`, with a constant ratio between neighbours.

    Example:
        >>> import tahr
        >>> tahr.ops.logspace(1, 4, num=4, base=2).numpy()
        array([ 2.,  4.,  8., 16.], dtype=float32)
    """
    points = _C.ops.power(base, _C.ops.linspace(start, stop, num, endpoint, axis))
    return points if dtype is None else _C.ops.cast(points, dtype)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Tensor:
    """`num` numbers from `start` to `stop` (not 0, of one sign), with a constant ratio between neighbours.

    Example:
        >>> import tahr
        >>> tahr.ops.geomspace(2, 54, num=4).numpy().round(3)
        array([ 2.,  6., 18., 54.], dtype=float32)
    """
    kind = _C.ops.linspace(start, stop, 0).dtype
    low, high = (_C.ops.log(_C.ops.abs(_C.ops.cast(e, kind))) for e in (start, stop))
    points = _C.ops.multiply(_C.ops.exp(_C.ops.linspace(low, high, num, endpoint, axis)), _C.ops.sign(start))
    return points if dtype is None else _C.ops.cast(points, dtype)


def histogram(x: Any, bins: int = 10, range: tuple[float, float] | None = None) -> tuple[Tensor, Tensor]:
    """Counts of the elements of `x` in equal bins, and the edges of the bins.

    Args:
        x: tensor; all its elements are counted.
        bins: number of bins.
        range: the lower and upper edge; by default the extremes of `x`. Elements outside are not counted.

    Returns:
        counts, of shape (bins,) and x's dtype, and edges, of shape (bins + 1,).

    Example:
        >>> import tahr
        >>> counts, edges = tahr.ops.histogram([1.0, 2.0, 2.5], bins=2, range=(0.0, 4.0))
        >>> counts.numpy(), edges.numpy()
        (array([1., 2.], dtype=float32), array([0., 2., 4.], dtype=float32))
    """
    ends = None if range is None else _C.to_tensor([float(r) for r in range], "float64", "[histogram]")
    counts, edges = _C.ops.histogram(x, ends, bins)
    return counts, edges


def meshgrid(*x: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate grids from coordinate vectors.

    Args:
        x: tensors of rank 1, of sizes n0, n1, ...
        indexing: "ij" gives grids of shape (n0, n1, ...), "xy" of shape (n1, n0, ...).

    Example:
        >>> import tahr
        >>> [g.shape for g in tahr.ops.meshgrid([1, 2, 3], [1, 2])]
        [(2, 3), (2, 3)]
    """
    return _C.ops.meshgrid(list(x), indexing)


def nonzero(x: Any) -> tuple[Tensor, ...]:
    """The coordinates of the elements that are not zero: one int32 tensor per axis, in row-major order.

    Example:
        >>> import tahr
        >>> [t.tolist() for t in tahr.ops.nonzero([[0, 2], [3, 0]])]
        [[0, 1], [1, 0]]
    """
    return tuple(_C.ops.nonzero(x))


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: float | None = None,
) -> Any:
    """The distinct elements of `x` in ascending order, or its distinct slices along an axis. Every NaN is distinct.

    Args:
        sorted: the result is sorted either way.
        return_index: also return where each first occurs.
        return_inverse: also return, for each element of `x`, the position of its value.
        return_counts: also return how often each occurs.
        axis: None to compare elements.
        size: cut or pad the result to this many, with `fill_value` (0 by default).

    Returns:
        The values, or a tuple of them and the int32 tensors asked for.

    Example:
        >>> import tahr
        >>> values, counts = tahr.ops.unique([3, 1, 3], return_counts=True)
        >>> values.tolist(), counts.tolist()
        ([1, 3], [1, 2])
    """
    out = _C.ops.unique(x, sorted, return_index, return_inverse, return_counts, axis, size, fill_value)
    return out[0] if len(out) == 1 else tuple(out)


def unravel_index(indices: Any, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates, one tensor per axis, of flat indices into a tensor of the given shape.

    Raises:
        IndexError: if an index lies outside the shape.

    Example:
        >>> import tahr
        >>> [t.tolist() for t in tahr.ops.unravel_index([1, 5], (2, 3))]
        [[0, 1], [1, 2]]
    """
    return tuple(_C.ops.unravel_index(indices, shape))


def _between(x: Any, axis: int, start: int | None, stop: int | None) -> Tensor:
    key: list[Any] = [slice(None)] * len(x.shape)
    key[axis] = slice(start, stop)
    return x[tuple(key)]


def diff(a: Any, n: int = 1, axis: int = -1) -> Tensor:
    """The differences of neighbours along an axis, taken `n` times; each time the axis loses one element.

    Example:
        >>> import tahr
        >>> tahr.ops.diff([1, 4, 9]).numpy()
        array([3, 5], dtype=int32)
    """
    if n < 0:
        raise ValueError(f"[diff] expected n of at least 0, received {n}.")
    x = a if hasattr(a, "shape") else _C.to_tensor(a, None, "[diff]")
    minus = _C.ops.not_equal if str(x.dtype) == "bool" else _C.ops.subtract
    for _ in range(n):
        x = minus(_between(x, axis, 1, None), _between(x, axis, None, -1))
    return x


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The integral of samples by the trapezoidal rule.

    Args:
        y: the samples along `axis`.
        x: the points at which they were taken, of y's shape or (n,); None if they lie `dx` apart.

    Example:
        >>> import tahr
        >>> float(tahr.ops.trapezoid([0.0, 2.0, 6.0, 2.0], dx=0.5))
        4.5
    """
    y = y if hasattr(y, "shape") else _C.to_tensor(y, None, "[trapezoid]")
    width: Any = dx
    if x is not None:
        width = diff(x, axis=axis if len(getattr(x, "shape", (0,))) > 1 else -1)
        if len(width.shape) == 1:
            shape = [1] * len(y.shape)
            shape[axis] = -1
            width = _C.ops.reshape(width, shape)
    middle = _C.ops.multiply(_C.ops.add(_between(y, axis, 1, None), _between(y, axis, None, -1)), 0.5)
    return _C.ops.sum(_C.ops.multiply(middle, width), axis=axis)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:  # noqa: N803
    """The matrix of powers of the elements of `x` (n,): N columns (n by default), highest power first.

    Example:
        >>> import tahr
        >>> tahr.ops.vander([1, 2, 3], 2).numpy()
        array([[1, 1],
               [2, 1],
               [3, 1]], dtype=int32)
    """
    x = x if hasattr(x, "shape") else _C.to_tensor(x, None, "[vander]")
    if len(x.shape) != 1:
        raise ValueError(f"[vander] expected x of rank 1, received shape {tuple(x.shape)}.")
    columns = x.shape[0] if N is None else N
    powers = arange(columns, dtype=x.dtype)
    return _C.ops.power(_C.ops.expand_dims(x, 1), powers if increasing else _C.ops.flip(powers))
