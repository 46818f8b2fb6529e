"""From what the user passes to `fit`, `evaluate` or `predict` to batches.

Each kind of data has one class with the same four things: `num_batches` (int or None where unknown), `batch_size` (int
or None), iteration over one epoch, `on_epoch_begin()`/`on_epoch_end()`. An epoch yields tuples `(x,)`, `(x, y)` or `(x,
y, sample_weight)` of NumPy arrays or tensors. `make_source` picks the class: a new kind of data is a new file with such
a class and a line there. Nothing here knows models, callbacks or losses.
"""

from __future__ import annotations

from typing import Any

from tahr.data import Dataset
from tahr.keras.trainers.data.arrays import ArraySource, is_arrays, split_validation
from tahr.keras.trainers.data.epochs import EpochIterator
from tahr.keras.trainers.data.iterables import DatasetSource, IterableSource
from tahr.keras.trainers.data.py_dataset import PyDatasetSource
from tahr.keras.utils.py_dataset import PyDataset

__all__ = [
    "ArraySource",
    "DatasetSource",
    "EpochIterator",
    "IterableSource",
    "PyDatasetSource",
    "make_source",
    "split_validation",
]


def make_source(
    where: str,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict[int, float] | None = None,
    steps: int | None = None,
    host: Any = None,
) -> Any:
    """The batch source for data `x` (with `y`, `sample_weight`); `where` names the calling method in messages, `host` is
    the part of the model that is to encode the inputs of each batch, if any."""
    if host is not None:
        if is_arrays(x) and x is not None:
            inner: Any = ArraySource(where, x, y, sample_weight, batch_size, shuffle, class_weight, steps, text=True)
        else:
            inner = make_source(where, x, y, sample_weight, batch_size, shuffle, class_weight, steps)
        return host.source(inner)
    if isinstance(x, (ArraySource, IterableSource, PyDatasetSource)):
        return x
    if is_arrays(x):
        if x is None:
            raise ValueError(
                f"[{where}] expected data in argument x, received None. Pass arrays, a Dataset or a generator."
            )
        return ArraySource(where, x, y, sample_weight, batch_size, shuffle, class_weight, steps)
    kind = type(x).__name__
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"[{where}] expected no argument {name} when x is a {kind}, received one. "
                "The data source itself must yield tuples (x, y) or (x, y, sample_weight)."
            )
    if isinstance(x, PyDataset):
        _no_batch_size(where, batch_size, kind)
        return PyDatasetSource(where, x, bool(shuffle), class_weight)
    if isinstance(x, Dataset):
        _no_batch_size(where, batch_size, kind)
        return DatasetSource(where, x, class_weight)
    if hasattr(x, "__iter__") or hasattr(x, "__next__"):
        _no_batch_size(where, batch_size, kind)
        return IterableSource(where, x, class_weight)
    raise TypeError(
        f"[{where}] expected arrays, tensors, a list or dict of arrays, a DataFrame, a generator, a PyDataset or a "
        f"Dataset "
        f"in argument x, received {kind}."
    )


def _no_batch_size(where: str, batch_size: int | None, kind: str) -> None:
    if batch_size is not None:
        raise ValueError(
            f"[{where}] expected no argument batch_size when x is a {kind}, received {batch_size}. "
            "The data source decides the size of its batches."
        )
