"""Conversion and inspection."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import _C
from tahr.dtypes import as_dtype
from tahr.tape import custom_gradient as custom_gradient
from tahr.tape import stop_gradient as stop_gradient
from tahr.tensor import Tensor
from tahr.tensor import is_tensor as is_tensor

__all__ = [
    *("array", "convert_to_numpy", "convert_to_tensor", "custom_gradient", "dtype", "get_item", "is_tensor", "ndim"),
    *("shape", "size", "stop_gradient"),
]


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Tensor:
    """A tensor holding `x`.

    Raises:
        TypeError: if `x` holds no numbers.
        ValueError: if a sparse or ragged tensor is asked for; there is none.

    Example:
        >>> import tahr
        >>> tahr.ops.convert_to_tensor([1, 2]).dtype
        tahr.int32
    """
    if sparse or ragged:
        raise ValueError("[convert_to_tensor] sparse and ragged tensors are not available: pass a dense one.")
    return _C.to_tensor(x, dtype, "[convert_to_tensor]")


def array(x: Any, dtype: Any = None) -> Tensor:
    """A tensor holding `x`, as `convert_to_tensor`."""
    return _C.to_tensor(x, dtype, "[array]")


def convert_to_numpy(x: Any) -> np.ndarray:
    """The values of `x` as a NumPy array of its own."""
    return x.numpy() if hasattr(x, "numpy") else np.array(x)


def shape(x: Any) -> tuple[int | None, ...]:
    """The dimensions of `x`; unknown ones of a symbolic tensor are None."""
    return tuple(x.shape) if hasattr(x, "shape") else _C.to_tensor(x, None, "[shape]").shape


def ndim(x: Any) -> int:
    """The number of dimensions of `x`."""
    return len(shape(x))


def size(x: Any) -> int | None:
    """The number of elements of `x`; None if a dimension is unknown."""
    n = 1
    for d in shape(x):
        if d is None:
            return None
        n *= d
    return n


def dtype(x: Any) -> str:
    """The name of the element type of `x`."""
    return as_dtype(x.dtype if hasattr(x, "dtype") else _C.to_tensor(x, None, "[dtype]").dtype)


def get_item(x: Any, key: Any) -> Any:
    """``x[key]``, by NumPy's rules of indexing."""
    return x[key] if hasattr(x, "__tahr_function__") else _C.to_tensor(x, None, "[get_item]")[key]
