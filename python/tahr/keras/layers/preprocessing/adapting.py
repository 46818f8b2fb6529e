"""The data that `adapt` reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tahr.keras.backend.engine import is_tensor


def batches_of(data: Any, steps: int | None, name: str, lists_are_data: bool = True) -> Iterator[Any]:
    """The batches in `data`: itself if it is an array, a tensor or (`lists_are_data`) a list, else what it yields.

    Args:
        data: array, tensor, string, list, or an iterable of batches such as a Dataset.
        steps: most batches to take, None for all.
        name: the layer that asks, for messages.
        lists_are_data: whether a list or tuple is data itself, or a list of batches.

    Raises:
        TypeError: if it is nothing to iterate over.
    """
    arrays: tuple[type, ...] = (np.ndarray, str, bytes, *((list, tuple) if lists_are_data else ()))
    if isinstance(data, arrays) or is_tensor(data) or (hasattr(data, "__array__") and hasattr(data, "shape")):
        yield data
        return
    if not hasattr(data, "__iter__"):
        raise TypeError(
            f"[{name}] expected an array, a list or an iterable of batches in adapt(), received {type(data)}."
        )
    for i, batch in enumerate(data):
        if steps is not None and i >= steps:
            return
        if isinstance(batch, tuple) and len(batch) in (2, 3) and all(hasattr(part, "shape") for part in batch):
            raise ValueError(
                f"[{name}] expected batches of inputs alone in adapt(), received tuples of {len(batch)} arrays. Drop the "
                "targets first: dataset.map(lambda x, y: x)."
            )
        yield batch
