"""Joins samples of one structure into a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import _C
from tahr.nest import flatten, pack_sequence_as


def stack(samples: list[Any]) -> Any:
    """A new first axis over samples of equal shapes."""
    first = samples[0]
    if not isinstance(first, (tuple, list, dict)):
        return _stack_leaf(samples)
    leaves = [flatten(sample) for sample in samples]
    return pack_sequence_as(first, [_stack_leaf(column) for column in zip(*leaves)])


def _stack_leaf(column: Any) -> np.ndarray:
    arrays = [np.asarray(value) for value in column]
    first = arrays[0]
    if first.dtype.kind in "iufb" and all(array.shape == first.shape for array in arrays):
        stacked = _C.pad_and_stack(arrays, first.shape, np.zeros((), first.dtype))
        if stacked is not None:
            return stacked
    try:
        return np.stack(arrays)
    except ValueError as error:
        shapes = sorted({array.shape for array in arrays})
        raise ValueError(
            f"[Dataset.batch] expected samples of one shape, received {', '.join(map(str, shapes[:4]))}. "
            "Use padded_batch() for samples of differing lengths."
        ) from error


def pad_and_stack(samples: list[Any], padded_shapes: Any, padding_values: Any) -> Any:
    """A new first axis over samples padded at the end to one shape: the given one, else that of the largest sample."""
    leaves = [flatten(sample) for sample in samples]
    count = len(leaves[0])
    shapes = _per_leaf(padded_shapes, count, is_leaf=_is_shape)
    values = _per_leaf(padding_values, count, is_leaf=lambda value: not isinstance(value, (tuple, list, dict)))
    columns = [_pad_leaf(list(column), shape, value) for column, shape, value in zip(zip(*leaves), shapes, values)]
    return pack_sequence_as(samples[0], columns)


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(v is None or isinstance(v, (int, np.integer)) for v in value)


def _per_leaf(setting: Any, count: int, is_leaf: Any) -> list[Any]:
    if setting is None or is_leaf(setting):
        return [setting] * count
    items = [setting[key] for key in sorted(setting)] if isinstance(setting, dict) else list(setting)
    flat: list[Any] = []
    for item in items:
        flat.extend([item] if item is None or is_leaf(item) else _per_leaf(item, len(item), is_leaf))
    if len(flat) != count:
        raise ValueError(
            f"[Dataset.padded_batch] expected one entry for each of the {count} components, received {len(flat)}."
        )
    return flat


def _pad_leaf(column: list[Any], shape: Any, value: Any) -> np.ndarray:
    arrays = [np.asarray(item) for item in column]
    rank = arrays[0].ndim
    if any(array.ndim != rank for array in arrays):
        raise ValueError(
            f"[Dataset.padded_batch] expected samples of one rank, received shapes {arrays[0].shape} and "
            f"{next(array.shape for array in arrays if array.ndim != rank)}. Bring them to one rank in map()."
        )
    largest = tuple(map(max, zip(*[array.shape for array in arrays])))
    if shape is None:
        target = largest
    else:
        if len(shape) != rank:
            raise ValueError(f"[Dataset.padded_batch] expected padded_shapes of rank {rank}, received {tuple(shape)}.")
        target = tuple(large if size is None or size == -1 else int(size) for size, large in zip(shape, largest))
        if any(size < large for size, large in zip(target, largest)):
            raise ValueError(
                f"[Dataset.padded_batch] expected padded_shapes of at least {largest}, received {tuple(shape)}. "
                "Cut the samples first, or use None to pad to the longest."
            )
    if value is None:
        value = "" if arrays[0].dtype.kind in "US" else 0
    dtype = arrays[0].dtype
    if dtype.kind in "iufb":
        padded = _C.pad_and_stack(arrays, target, np.asarray(value, dtype=dtype))
        if padded is not None:
            return padded
    if dtype.kind in "US":
        dtype = np.result_type(*arrays, np.asarray(value))
    result = np.full((len(arrays), *target), value, dtype=dtype)
    for i, array in enumerate(arrays):
        place: tuple = (i, *(slice(0, size) for size in array.shape))
        result[place] = array
    return result
