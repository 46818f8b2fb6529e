"""Functions composed of table ops whose arguments a table row cannot describe (callables, lists of conditions, ...)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tahr import _C
from tahr.tensor import Tensor

__all__ = ["allclose", "average", "einsum", "saturate_cast", "select", "vectorize"]


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Tensor:
    """Elementwise, the choice that belongs to the first true condition, or `default` where none is.

    Example:
        >>> import tahr
        >>> x = tahr.constant([0, 1, 2, 3])
        >>> tahr.ops.select([x < 1, x > 2], [x - 10, x + 10], 5).numpy()
        array([-10,   5,   5,  13], dtype=int32)
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"[select] expected as many conditions as choices, received {len(condlist)} and {len(choicelist)}."
        )
    out: Any = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        out = _C.ops.where(condition, choice, out)
    return out


def average(x: Any, axis: int | Sequence[int] | None = None, weights: Any = None) -> Tensor:
    """Weighted mean over axes.

    Args:
        x: a tensor of any shape.
        axis: an axis, a tuple of axes, or None for all of them.
        weights: of the shape of `x`, or a vector with one weight per element of a single axis; None for equal weights.

    Returns:
        ``sum(x * weights) / sum(weights)`` over the axes, which are dropped.

    Raises:
        ValueError: if the weights do not fit `x`.

    Example:
        >>> import tahr
        >>> float(tahr.ops.average([1.0, 4.0], weights=[2.0, 1.0]))
        2.0
    """
    return _C.ops.average(x, weights, axis)


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Einstein summation: products of the operands, summed over the letters that the result lacks.

    Args:
        subscripts: a letter per axis of each operand, operands separated by commas, then ``->`` and the letters of the
            result, as in ``"bij,bjk->bik"``. A letter twice in one operand takes its diagonal; ``...`` stands for further
            axes, which broadcast. Without ``->`` the result has the letters that occur once, in alphabetical order.
        *operands: tensors with as many axes as letters.

    Returns:
        A tensor with one axis per letter of the result. int8 operands give int32.

    Raises:
        ValueError: if the subscripts do not fit the operands.

    Example:
        >>> import tahr
        >>> tahr.ops.einsum("ij,j->i", [[2.0, 1.0], [0.5, 3.0]], [4.0, 6.0]).numpy()
        array([14., 20.], dtype=float32)
    """
    return _C.ops.einsum(operands, subscripts)


def allclose(x1: Any, x2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether all elements agree within ``atol + rtol * |x2|``: a boolean of rank 0."""
    return _C.ops.all(_C.ops.isclose(x1, x2, rtol, atol, equal_nan))


def saturate_cast(x: Any, dtype: Any) -> Tensor:
    """A cast in which values beyond the target's range become its nearest bound.

    Example:
        >>> import tahr
        >>> tahr.ops.saturate_cast([-5.0, 300.0], "uint8").numpy()
        array([  0, 255], dtype=uint8)
    """
    from tahr.config import floatx
    from tahr.dtypes import as_dtype

    x, to = _C.to_tensor(x, None, "[saturate_cast]"), as_dtype(floatx() if dtype is None else dtype)
    if to.is_bool or x.dtype.is_bool or (to.is_floating and x.dtype.is_integer):
        return _C.ops.cast(x, to)
    info: Any = np.iinfo if to.is_integer else np.finfo
    if to == "bfloat16":
        import ml_dtypes

        info = ml_dtypes.finfo
    low, high = info(to.as_numpy_dtype).min, info(to.as_numpy_dtype).max
    if x.dtype.is_integer:
        own = np.iinfo(x.dtype.as_numpy_dtype)
        low, high = max(int(low), int(own.min)), min(int(high), int(own.max))
        return _C.ops.cast(_C.ops.clip(x, low, high), to)
    if to.is_integer:
        # The largest value of the source type that the target still holds.
        bound = np.float32 if x.dtype.size < 8 else np.float64
        top = bound(high)
        if int(top) > int(high):
            top = np.nextafter(top, bound(0))
        return _C.ops.where(
            x >= float(top),
            _C.ops.full(x.shape, int(high), to),
            _C.ops.cast(_C.ops.clip(x, float(low), float(top)), to),
        )
    return _C.ops.cast(_C.ops.clip(x, float(low), float(high)), to) if to.size < x.dtype.size else _C.ops.cast(x, to)


def vectorize(pyfunc: Any, *, excluded: Any = None, signature: str | None = None) -> Any:
    """A function of tensors that applies `pyfunc` to each element (or, with a signature, to each core slice)."""
    f = np.vectorize(
        lambda *a, **k: np.asarray(pyfunc(*a, **k)), excluded=excluded or set(), signature=signature or None
    )

    def wrapped(*args: Any, **kwargs: Any) -> Tensor:
        arrays = [np.asarray(a) if isinstance(a, (_C.Tensor, _C.Variable)) else a for a in args]
        result = f(*arrays, **kwargs)
        return _C.to_tensor(result, None, "[vectorize]")

    return wrapped
