"""From indices of categories to vectors: one-hot, multi-hot and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tahr import ops


def check_output_mode(mode: Any, allowed: Sequence[str], name: str) -> str:
    """`mode` under its present name.

    Raises:
        ValueError: if it is none of `allowed`.
    """
    mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode)
    if mode not in allowed:
        raise ValueError(
            f"[{name}] Invalid value for argument `output_mode`. Expected one of {tuple(allowed)}, received {mode!r}. "
            f"Unknown arg for output_mode: {mode}."
        )
    return mode


def refuse_sparse(sparse: Any, name: str) -> None:
    """Raises where sparse outputs are asked for."""
    if sparse:
        raise ValueError(f"[{name}] expected sparse=False, received {sparse!r}. Tensors are dense: leave `sparse` out.")


def encoded_shape(shape: Any, mode: str, depth: int | None) -> tuple[int | None, ...]:
    """Shape of the encoded form of indices of this shape."""
    shape = tuple(shape)
    if mode == "int":
        return shape
    if mode == "one_hot":
        if not shape:
            return (1, depth)
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    return (*shape[:-1], depth)


def encode(indices: Any, mode: str, depth: int, dtype: str, weights: Any = None) -> Any:
    """The encoded form of a tensor of indices; those outside of 0 .. depth - 1 leave zeros.

    Args:
        indices: integer tensor (..., length), or () for a single index.
        mode: "int", "one_hot", "multi_hot" or "count".
        depth: number of categories.
        dtype: dtype of the result.
        weights: for "count": what each index adds, of the shape of `indices`; 1 if None.

    Returns:
        Tensor of `encoded_shape(indices.shape, mode, depth)`.
    """
    if mode == "int":
        return ops.cast(indices, dtype)
    if len(indices.shape) == 0:
        indices = ops.reshape(indices, (1,))
    if mode == "one_hot":
        if len(indices.shape) > 1 and indices.shape[-1] == 1:
            indices = ops.squeeze(indices, axis=-1)
        return ops.one_hot(indices, depth, dtype=dtype)
    hot = ops.one_hot(indices, depth, dtype=dtype)
    if mode == "multi_hot":
        return ops.max(hot, axis=-2)
    if weights is not None:
        hot = ops.multiply(hot, ops.expand_dims(ops.cast(weights, dtype), -1))
    return ops.cast(ops.sum(hot, axis=-2), dtype)


def encode_array(indices: np.ndarray, mode: str, depth: int, dtype: str) -> np.ndarray:
    """`encode` on an array, without the one-hot form of every index."""
    if mode == "int":
        return indices.astype(dtype, copy=False)
    if mode == "one_hot":
        shape: Any = encoded_shape(indices.shape, mode, depth)
        flat = indices.reshape(-1)
        rows = np.arange(flat.size)
    else:
        shape = (*indices.shape[:-1], depth)
        flat = indices.reshape(-1)
        rows = np.arange(flat.size) // (indices.shape[-1] if indices.ndim and indices.shape[-1] else 1)
    return encode_rows(flat, rows, mode, int(np.prod(shape[:-1])), depth, dtype).reshape(shape)


def encode_rows(flat: np.ndarray, rows: np.ndarray, mode: str, count: int, depth: int, dtype: str) -> np.ndarray:
    """Rows (count, depth) in which index `flat[i]` stands in row `rows[i]`."""
    inside = (flat >= 0) & (flat < depth)
    flat, rows = flat[inside], rows[inside]
    out = np.zeros((count, depth), dtype)
    if mode == "count":
        places, times = np.unique(rows * depth + flat, return_counts=True)
        out.reshape(-1)[places] = times
    else:
        out[rows, flat] = 1
    return out
