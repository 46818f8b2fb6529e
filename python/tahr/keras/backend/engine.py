"""The tensor level as this package sees it. The rest of `tahr.keras` takes tensors, tapes and variables from here."""

from __future__ import annotations

from typing import Any

import tahr

Tensor = tahr.Tensor


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor of the engine (variables and symbolic Keras tensors are not)."""
    return isinstance(x, Tensor)


def convert_to_tensor(x: Any, dtype: Any = None) -> Any:
    """`x` (array, scalar, nested list, variable) as a tensor, cast to `dtype` if given."""
    from tahr.keras.backend.dtypes import standardize_dtype

    return tahr.convert_to_tensor(x, dtype=None if dtype is None else standardize_dtype(dtype))


def convert_to_numpy(x: Any) -> Any:
    """`x` as a NumPy array."""
    import numpy as np

    return x.numpy() if hasattr(x, "numpy") else np.asarray(x)


def symbolic_tensor(shape: Any, dtype: str) -> Any:
    """A tensor without a value: ops on it give shapes and dtypes. None in `shape` is an unknown dimension."""
    return tahr.symbolic(tuple(shape), dtype)


def set_variable_read_hook(active: bool) -> None:
    """Tells the engine whether variables are to be read through `keras.Variable.value` (casts, stateless scopes)."""
    from tahr.keras.backend.variables import read_in_scope

    tahr.set_variable_read_hook(read_in_scope if active else None)
