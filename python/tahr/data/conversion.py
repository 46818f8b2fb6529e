"""What users pass as samples, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr.data.structure import flatten
from tahr.nest import pack_sequence_as


def as_arrays(tensors: Any) -> Any:
    if isinstance(tensors, dict):
        return {key: as_arrays(value) for key, value in tensors.items()}
    if isinstance(tensors, tuple):
        return tuple(as_arrays(item) for item in tensors)
    if type(tensors).__module__.startswith("pandas"):
        if hasattr(tensors, "columns"):
            return np.asarray(tensors)
        return tensors.to_numpy()
    array = np.asarray(tensors)
    if isinstance(tensors, (list, float)) and array.dtype == np.float64:
        array = array.astype("float32")  # Python numbers have no width of their own
    elif isinstance(tensors, (list, int)) and array.dtype == np.int64:
        array = array.astype("int32")
    if array.dtype == object:
        raise ValueError(
            "[Dataset.from_tensor_slices] expected arrays, received a ragged list. Pad it with "
            "keras.utils.pad_sequences, or use "
            "from_generator with padded_batch."
        )
    return array


def dtype_name(dtype: Any) -> str:
    return getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)


def flat_shapes(shapes: Any) -> list[Any] | None:
    if shapes is None:
        return None
    if isinstance(shapes, (tuple, list)) and all(s is None or isinstance(s, int) for s in shapes):
        return [shapes]
    items = [shapes[key] for key in sorted(shapes)] if isinstance(shapes, dict) else list(shapes)
    return [shape for item in items for shape in (flat_shapes(item) or [None])]


def _listsas_arrays(sample: Any) -> Any:
    if isinstance(sample, dict):
        return {key: _listsas_arrays(value) for key, value in sample.items()}
    if isinstance(sample, tuple):
        return tuple(_listsas_arrays(item) for item in sample)
    if not isinstance(sample, list):
        return sample
    array = np.asarray(sample)
    return array.astype("float32") if array.dtype == np.float64 else array


def conformed(sample: Any, types: list[Any] | None, shapes: list[Any] | None) -> Any:
    sample = _listsas_arrays(sample)
    leaves = [np.asarray(leaf) for leaf in flatten(sample)]
    if types is None:
        leaves = [
            leaf.astype("float32") if isinstance(raw, float) else leaf for raw, leaf in zip(flatten(sample), leaves)
        ]
    else:
        if len(types) != len(leaves):
            raise ValueError(
                f"[Dataset.from_generator] expected samples of {len(types)} component(s) as declared, received "
                f"{len(leaves)}."
            )
        leaves = [
            leaf if dtype_name(t) in ("string", "str") else leaf.astype(dtype_name(t)) for leaf, t in zip(leaves, types)
        ]
    for leaf, shape in zip(leaves, shapes or ()):
        if shape is not None and (
            len(shape) != leaf.ndim or any(s is not None and s != n for s, n in zip(shape, leaf.shape))
        ):
            raise ValueError(
                f"[Dataset.from_generator] expected a component of shape {tuple(shape)} as declared, received "
                f"{leaf.shape}."
            )
    return pack_sequence_as(sample, leaves)
