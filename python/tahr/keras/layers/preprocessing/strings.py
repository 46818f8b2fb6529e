"""What layers that read text take: a string, lists of strings, NumPy arrays of str, bytes or objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr.keras.backend.engine import is_tensor


def is_text(x: Any) -> bool:
    """Whether `x` is a string, an array of strings, or a list that begins with one."""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    if isinstance(x, (str, bytes)):
        return True
    dtype = getattr(x, "dtype", None)
    if isinstance(dtype, np.dtype):
        kind: str = dtype.kind
    else:  # columns of data frames have dtypes of their own for text
        kind = "O" if str(dtype) in ("object", "string", "str") and hasattr(x, "__array__") else ""
    if kind == "O":
        array = np.asarray(x, dtype=object)
        return array.size == 0 or isinstance(array.flat[0], (str, bytes))
    return kind in ("U", "S", "T")


def as_array(x: Any, name: str) -> np.ndarray:
    """`x` as an array of strings.

    Args:
        x: string, nested list or array of strings.
        name: the layer that asks, for messages.

    Raises:
        TypeError: if it holds something else than text.
    """
    if is_tensor(x) or getattr(x, "is_symbolic", False):
        raise TypeError(
            f"[{name}] expected strings, received a tensor of dtype {x.dtype}. Strings are not tensors: pass a list or a "
            "NumPy array of str."
        )
    array = x if isinstance(x, np.ndarray) else _from_sequence(x, name)
    if array.dtype.kind not in "USOT":
        raise TypeError(
            f"[{name}] expected strings, received values of dtype {array.dtype}. Use IntegerLookup or Discretization for "
            "numbers, or `.astype(str)`."
        )
    return array


def _from_sequence(x: Any, name: str) -> np.ndarray:
    if isinstance(x, (list, tuple)):
        items: list[Any] = [item.tolist() if isinstance(item, np.ndarray) else item for item in x]
        if items and all(isinstance(item, (list, tuple)) for item in items) and len({len(i) for i in items}) > 1:
            raise ValueError(
                f"[{name}] expected rows of equal length, received rows of {len(items[0])}, ... strings. Ragged rows are "
                "not supported: join each row's tokens with spaces and pass the strings, or pad with ''."
            )
        x = items
    array = np.asarray(x)
    # A list of bytes and str mixed, or with trailing NULs, keeps its items as they are.
    return array if array.dtype.kind in "biufc" else np.asarray(x, dtype=object)


def encode_all(array: np.ndarray, encoding: str, name: str) -> list[bytes]:
    """The strings of `array`, flat, as bytes; what is bytes already stays."""
    items = array.ravel().tolist()
    try:
        return [item.encode(encoding) if item.__class__ is str else _bytes(item, encoding) for item in items]
    except (TypeError, AttributeError):
        odd = next(item for item in items if not isinstance(item, (str, bytes)))
        raise TypeError(
            f"[{name}] expected strings, received {odd!r} of type {type(odd).__name__} among them. Replace missing values "
            "by '' first."
        ) from None


def _bytes(item: Any, encoding: str) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode(encoding)
    raise TypeError
