"""split_dataset: two data sets out of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import data
from tahr.keras.utils.py_dataset import PyDataset
from tahr.nest import flatten, map_structure


def split_dataset(
    dataset: Any,
    left_size: int | float | None = None,
    right_size: int | float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Splits a data set that fits into memory.

    Args:
        dataset: an array, a tuple or list of arrays with the same first axis, a `tahr.data.Dataset`, a `PyDataset` or
            another iterable of samples.
        left_size: samples of the left one: a number, or a fraction between 0 and 1; None for what is left over.
        right_size: likewise.
        shuffle: whether to mix the samples first.
        seed: of the mixing.
        preferred_backend: None or "tensorflow" for a `tahr.data.Dataset`, which has the methods of TensorFlow's; "torch"
            for what `torch.utils.data.DataLoader` takes: an object `d` with `len(d)` and `d[i]`, a sample of arrays.

    Returns:
        Two `tahr.data.Dataset` objects, or two sequences of samples.

    Raises:
        TypeError: for sizes that are no numbers, or something else than a data set.
        ValueError: for sizes that do not fit the number of samples.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> left, right = keras.utils.split_dataset(np.arange(10), left_size=0.8)
        >>> len(left), [int(x) for x in right]
        (8, [8, 9])
    """
    if preferred_backend not in (None, "tensorflow", "tahr", "torch"):
        raise ValueError(
            f"[split_dataset] expected preferred_backend None, 'tensorflow' or 'torch', received {preferred_backend!r}."
        )
    arrays = _stacked(dataset)
    total = len(flatten(arrays)[0])
    left, right = _sizes(left_size, right_size, total)
    order = np.arange(total)
    if shuffle:
        np.random.RandomState(np.random.randint(10**6) if seed is None else seed).shuffle(order)
    parts = (order[:left], order[total - right :])
    if preferred_backend == "torch":
        return _Rows(arrays, parts[0]), _Rows(arrays, parts[1])
    first, second = (data.Dataset.from_tensor_slices(map_structure(lambda a: a[p], arrays)) for p in parts)  # noqa: B023
    return first, second


def _stacked(dataset: Any) -> Any:
    """All samples in arrays, nested as a sample is."""
    if isinstance(dataset, np.ndarray):
        return dataset
    if isinstance(dataset, (list, tuple)):
        arrays = tuple(np.asarray(a) for a in dataset)
        lengths = {len(a) if a.ndim else -1 for a in arrays}
        if len(lengths) != 1 or -1 in lengths:
            raise ValueError(
                f"[split_dataset] expected arrays of one length, received shapes {[a.shape for a in arrays]}."
            )
        return arrays
    if not isinstance(dataset, (data.Dataset, PyDataset)) and not hasattr(dataset, "__iter__"):
        raise TypeError(
            "[split_dataset] The `dataset` argument must be an array, a tuple or list of arrays, a tahr.data.Dataset or "
            f"another iterable of samples; received {type(dataset).__name__}."
        )
    samples = [map_structure(np.asarray, sample) for sample in dataset]
    if not samples:
        raise ValueError("[split_dataset] expected samples, received an empty data set.")
    if isinstance(dataset, PyDataset):  # batches
        return map_structure(lambda *leaves: np.concatenate(leaves), *samples)
    return map_structure(lambda *leaves: np.stack(leaves), *samples)


def _sizes(left: Any, right: Any, total: int) -> tuple[int, int]:
    given = {"left_size": left, "right_size": right}
    if left is None and right is None:
        raise ValueError("[split_dataset] At least one of `left_size` or `right_size` must be specified.")
    for name, size in given.items():
        if size is not None and (isinstance(size, bool) or not isinstance(size, (int, float))):
            raise TypeError(
                f"[split_dataset] Invalid `{name}` Type. Expected: int or float or None, received: {size!r}."
            )
    if left == 0 and right == 0:
        raise ValueError("[split_dataset] Both `left_size` and `right_size` are zero. One must be larger.")
    for name, size in given.items():
        if size is not None and not 0 < size < (1 if isinstance(size, float) else total):
            raise ValueError(
                f"[split_dataset] `{name}` should be either a positive integer smaller than {total}, or a float within "
                f"the range `[0, 1]`. Received: {name}={size}."
            )
    if isinstance(left, float) and isinstance(right, float) and left + right > 1:
        raise ValueError("[split_dataset] The sum of `left_size` and `right_size` is greater than 1.")
    counts = {name: round(size * total) if isinstance(size, float) else size for name, size in given.items()}
    n_left = counts["left_size"] if left is not None else total - counts["right_size"]
    n_right = counts["right_size"] if right is not None else total - n_left
    if n_left + n_right > total:
        raise ValueError(
            f"[split_dataset] The sum of `left_size` and `right_size` should be smaller than the {total} samples. "
            f"Received: {n_left} + {n_right}."
        )
    if not n_left or not n_right:
        raise ValueError(
            f"[split_dataset] With `dataset` of length={total}, left_size={left} and right_size={right}, one side will be "
            "empty. Change one of the sizes."
        )
    return n_left, n_right


class _Rows:
    """Some rows of arrays, one by one: the protocol of PyTorch's map-style data sets."""

    def __init__(self, arrays: Any, order: np.ndarray):
        self._arrays, self._order = arrays, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> Any:
        row = self._order[index]  # raises IndexError past the end, which ends a loop
        return map_structure(lambda a: a[row], self._arrays)
