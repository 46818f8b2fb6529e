"""Two integers of 4 bits, or four of 2, in a byte."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.backend.dtypes import standardize_dtype

_BYTES = ("int8", "uint8")


def pack_int4(arr: Any, axis: int = 0, dtype: str = "int8") -> tuple[Any, tuple[int, ...], int]:
    """Puts neighbours along `axis` into one byte: the first of two in its low half, the second in its high half.

    Args:
        arr: integers that fit into 4 bits, as `dtype`.
        axis: the axis that shrinks; an odd size is filled up with a zero.
        dtype: "int8" or "uint8", of `arr` and of the result.

    Returns:
        (bytes, their shape, the size of `axis` before).

    Raises:
        ValueError: for another `dtype`.
        TypeError: if `arr` has another dtype.

    >>> import numpy as np
    >>> from tahr import keras
    >>> packed, shape, size = keras.quantizers.pack_int4(np.array([1, 2, -1], "int8"))
    >>> packed.numpy().tolist(), shape, size
    ([33, 15], (2,), 3)
    >>> keras.quantizers.unpack_int4(packed, size).numpy().tolist()
    [1, 2, -1]
    """
    return _pack("pack_int4", arr, axis, dtype, 4)


def unpack_int4(packed: Any, orig_len: int, axis: int = 0, dtype: str = "int8") -> Any:
    """The integers that `pack_int4` put into bytes.

    Args:
        packed: bytes, int8 or uint8.
        orig_len: the size of `axis` before packing.
        axis: the axis that was packed.
        dtype: "int8" for -8..7, "uint8" for 0..15.

    Raises:
        ValueError: for another `dtype`.
        TypeError: if `packed` has another dtype.
    """
    return _unpack("unpack_int4", packed, orig_len, axis, dtype, 4)


def pack_int2(arr: Any, axis: int = 0, dtype: str = "int8") -> tuple[Any, tuple[int, ...], int]:
    """Puts four neighbours along `axis` into one byte, the first into its lowest two bits.

    Args:
        arr: integers that fit into 2 bits, as `dtype`.
        axis: the axis that shrinks; zeros fill up the last byte.
        dtype: "int8" or "uint8", of `arr` and of the result.

    Returns:
        (bytes, their shape, the size of `axis` before).

    Raises:
        ValueError: for another `dtype`.
        TypeError: if `arr` has another dtype.

    >>> import numpy as np
    >>> from tahr import keras
    >>> packed, shape, size = keras.quantizers.pack_int2(np.array([1, 0, -1, 1, -2], "int8"))
    >>> packed.numpy().tolist(), shape, size
    ([113, 2], (2,), 5)
    >>> keras.quantizers.unpack_int2(packed, size).numpy().tolist()
    [1, 0, -1, 1, -2]
    """
    return _pack("pack_int2", arr, axis, dtype, 2)


def unpack_int2(packed: Any, orig_len: int, axis: int = 0, dtype: str = "int8") -> Any:
    """The integers that `pack_int2` put into bytes.

    Args:
        packed: bytes, int8 or uint8.
        orig_len: the size of `axis` before packing.
        axis: the axis that was packed.
        dtype: "int8" for -2..1, "uint8" for 0..3.

    Raises:
        ValueError: for another `dtype`.
        TypeError: if `packed` has another dtype.
    """
    return _unpack("unpack_int2", packed, orig_len, axis, dtype, 2)


def _pack(op: str, arr: Any, axis: int, dtype: str, bits: int) -> tuple[Any, tuple[int, ...], int]:
    _check_dtype(op, dtype)
    if standardize_dtype(arr.dtype) != dtype:
        raise TypeError(f"[{op}] expected {dtype} values, received dtype {standardize_dtype(arr.dtype)}. Cast them.")
    values = np.moveaxis(np.asarray(ops.convert_to_numpy(arr)), axis, 0)
    size, count = values.shape[0], 8 // bits
    values = np.concatenate([values, np.zeros((-size % count, *values.shape[1:]), dtype)]).view("uint8")
    packed = np.zeros((len(values) // count, *values.shape[1:]), "uint8")
    for i in range(count):
        packed |= (values[i::count] & (2**bits - 1)) << (bits * i)
    packed = np.ascontiguousarray(np.moveaxis(packed.view(dtype), 0, axis))
    return ops.convert_to_tensor(packed), packed.shape, size


def _unpack(op: str, packed: Any, orig_len: int, axis: int, dtype: str, bits: int) -> Any:
    _check_dtype(op, dtype)
    source = standardize_dtype(packed.dtype)
    if source not in _BYTES:
        raise TypeError(f"[{op}] expected int8 or uint8 bytes, received dtype {source}.")
    packed = ops.convert_to_tensor(packed)
    axis = axis % len(packed.shape)
    sign = 2 ** (bits - 1)
    parts = []
    for i in range(8 // bits):
        part = ops.right_shift(packed, bits * i) if i else packed
        part = ops.cast(ops.bitwise_and(part, ops.cast(2**bits - 1, source)), dtype)
        if dtype == "int8":
            part = ops.subtract(ops.bitwise_xor(part, ops.cast(sign, dtype)), ops.cast(sign, dtype))
        parts.append(part)
    shape = list(packed.shape)
    shape[axis] *= len(parts)
    values = ops.reshape(ops.stack(parts, axis=axis + 1), shape)
    return values[(slice(None),) * axis + (slice(0, orig_len),)]


def _check_dtype(op: str, dtype: str) -> None:
    if dtype not in _BYTES:
        raise ValueError(f"[{op}] expected dtype 'int8' or 'uint8', received {dtype!r}.")
