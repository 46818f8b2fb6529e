"""Arrays in memory: NumPy arrays, tensors, DataFrames, lists of numbers, and nested structures of these."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np

import tahr
from tahr.data import seeding
from tahr.data.structure import flatten, is_nested, map_structure, named_leaves
from tahr.keras.backend.config import floatx
from tahr.keras.trainers import checks
from tahr.keras.trainers.data.class_weights import class_weight_to_sample_weight
from tahr.tracing import BatchLoop

_DEFAULT_BATCH_SIZE = 32


def is_arrays(value: Any) -> bool:
    """True where every leaf of `value` can become an array (None included)."""
    return all(leaf is None or _is_array_leaf(leaf) for leaf in flatten(value))


def _is_array_leaf(leaf: Any) -> bool:
    return (
        hasattr(leaf, "__array__")
        and hasattr(leaf, "shape")
        or isinstance(leaf, (numbers.Number, str, bytes, np.generic))
    )


def _is_list_of_scalars(value: Any) -> bool:
    """A plain Python list (of lists ...) of numbers or strings, meant as one array."""
    leaves = flatten(value)
    return bool(leaves) and not _has_dict(value) and all(isinstance(v, (numbers.Number, str, bytes)) for v in leaves)


def _has_dict(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, (list, tuple)) and any(_has_dict(item) for item in value))


def to_array(value: Any, name: str, where: str, text: bool = False) -> np.ndarray:
    """One leaf as a NumPy array of numbers (or `text`): floats of 64 bits become `floatx`, other dtypes stay."""
    if type(value).__module__.startswith("pandas") and hasattr(value, "to_numpy"):
        array = value.to_numpy()
        if array.dtype == object and not text and not any(isinstance(item, str) for item in array.flat):
            array = array.astype("float64")  # columns of several numeric dtypes
        array = array[:, None] if array.ndim == 1 else array
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(
                f"[{where}] expected rows of equal length in argument {name}, received a ragged list. "
                "Pad it first, for example with keras.utils.pad_sequences."
            ) from error
    if not text:
        checks.check_numeric(array, name, where)
        checks.check_real(array, name, where)
    if array.ndim == 0:
        raise ValueError(
            f"[{where}] expected an array with a first axis of samples in argument {name}, received the scalar "
            f"{value!r}."
        )
    if array.dtype == np.float64:
        array = array.astype(floatx(), copy=False)
    return array


def to_arrays(value: Any, name: str, where: str, text: bool = False) -> Any:
    """`value` with each leaf an array, the structure kept; a list of numbers is one array."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and _is_list_of_scalars(value):
        return to_array(value, name, where, text)
    if isinstance(value, dict):
        return {key: to_arrays(item, f"{name}[{key!r}]", where, text) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if not value:
            raise ValueError(f"[{where}] expected at least one array in argument {name}, received {value!r}.")
        items = [to_arrays(item, f"{name}[{i}]", where, text) for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return to_array(value, name, where, text)


class ArraySource:
    """Batches of rows of arrays, in order or in a new permutation each epoch."""

    batch_size: int
    num_batches: int
    shuffle: bool | str
    _where: str

    def __init__(
        self,
        where: str,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        shuffle: bool | str = False,
        class_weight: dict[int, float] | None = None,
        steps: int | None = None,
        text: bool = False,
    ):
        if not isinstance(shuffle, (bool, np.bool_)) and shuffle != "batch":
            raise ValueError(f"[{where}] expected shuffle to be True, False or 'batch', received {shuffle!r}.")
        x = to_arrays(x, "x", where, text)
        y = to_arrays(y, "y", where)
        sample_weight = to_arrays(sample_weight, "sample_weight", where)
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    f"[{where}] expected at most one of class_weight and sample_weight, received both. "
                    "Multiply the weights of the classes into sample_weight."
                )
            sample_weight = class_weight_to_sample_weight(y, class_weight, where)
        if y is not None and sample_weight is not None and not is_nested(y) and is_nested(sample_weight):
            sample_weight = _only(sample_weight, where)
        self.x, self.y, self.sample_weight = x, y, sample_weight
        named = [
            (name, leaf)
            for argument, label in ((x, "x"), (y, "y"), (sample_weight, "sample_weight"))
            for name, leaf in named_leaves(argument, label)
        ]
        checks.check_lengths([(name, len(leaf)) for name, leaf in named], where)
        for name, leaf in named_leaves(y, "y"):
            checks.check_numeric(leaf, name, where)
        self.num_samples = len(named[0][1])
        if self.num_samples == 0:
            raise ValueError(f"[{where}] expected at least one sample in argument x, received {named[0][1].shape}.")
        if batch_size is None or batch_size is not False and batch_size == 0:
            batch_size = math.ceil(self.num_samples / steps) if steps else _DEFAULT_BATCH_SIZE
        if not isinstance(batch_size, numbers.Integral) or batch_size < 1:
            raise ValueError(
                f"[{where}] expected batch_size to be a positive integer or None, received {batch_size!r}."
            )
        self.batch_size = size = int(batch_size)
        self.num_batches = math.ceil(self.num_samples / size)
        self.shuffle = shuffle
        self._where = where
        self._loop: BatchLoop | None = None
        if sample_weight is not None:
            self._columns: Any = (x, y, sample_weight)
        elif y is not None:
            self._columns = (x, y)
        else:
            self._columns = (x,)

    def check_targets(self) -> None:
        """Raises where the targets hold NaN."""
        for name, leaf in named_leaves(self.y, "y"):
            checks.check_no_nan(leaf, name, self._where)

    def start_loop(self, steps: int | None) -> BatchLoop | None:
        """A loop over the batches of the next epoch that runs without Python; None where an epoch is so many `steps`."""
        if steps is not None:
            return None
        if self._loop is None:
            leaves: list[Any] = []
            with tahr.device("cpu"):  # the loop decides whether they fit on a GPU
                map_structure(lambda a: leaves.append(tahr.from_numpy(np.ascontiguousarray(a))), self._columns)
            self._loop = BatchLoop(leaves)
        rows = self._order() if self.shuffle else None  # outside of the scope: seeds lie where they are first used
        with tahr.device("cpu"):
            order = None if rows is None else tahr.from_numpy(rows)
        self._loop.start(order, self.num_samples, self.batch_size)
        return self._loop

    def structure(self) -> Any:
        """The structure of a batch, with any leaves."""
        return self._columns

    def on_epoch_begin(self) -> None:
        pass

    def on_epoch_end(self) -> None:
        pass

    def __iter__(self) -> Iterator[tuple]:
        size, total, columns = self.batch_size, self.num_samples, self._columns
        if not self.shuffle:
            for start in range(0, total, size):
                yield map_structure(lambda a: a[start : start + size], columns)  # noqa: B023 (used at once)
            return
        order = self._order()
        for start in range(0, total, size):
            rows = order[start : start + size]
            yield map_structure(lambda a: a.take(rows, axis=0), columns)  # noqa: B023 (used at once)

    def _order(self) -> np.ndarray:
        if self.shuffle != "batch":
            return seeding.next_permutation(self.num_samples)
        batches = [
            np.arange(i * self.batch_size, min((i + 1) * self.batch_size, self.num_samples))
            for i in seeding.next_permutation(self.num_samples // self.batch_size)
        ]
        tail = np.arange(self.num_samples // self.batch_size * self.batch_size, self.num_samples)
        return np.concatenate([*batches, tail])


def _only(weights: Any, where: str) -> Any:
    leaves = flatten(weights)
    if len(leaves) != 1:
        raise ValueError(
            f"[{where}] expected one sample_weight array for the one target array, received {len(leaves)}."
        )
    return leaves[0]


def split_validation(
    where: str, arrays: tuple[Any, Any, Any], fraction: float, host: Any = None
) -> tuple[tuple, tuple]:
    """Splits `(x, y, sample_weight)` into all but the last `fraction` of the samples, and these, without shuffling."""
    if not 0 < fraction < 1:
        raise ValueError(f"[{where}] expected validation_split between 0 and 1, received {fraction!r}.")
    if not is_arrays(arrays[0]):
        raise ValueError(
            f"[{where}] expected arrays in argument x together with validation_split, received "
            f"{type(arrays[0]).__name__}. Pass validation_data instead."
        )
    columns = [
        to_arrays(a, name, where, text=host is not None and name == "x")
        for a, name in zip(arrays, ("x", "y", "sample_weight"))
    ]
    named = [pair for c, name in zip(columns, ("x", "y", "sample_weight")) for pair in named_leaves(c, name)]
    checks.check_lengths([(name, len(leaf)) for name, leaf in named], where)
    total = len(named[0][1])
    cut = math.floor(total * (1.0 - fraction))
    if cut in (0, total):
        raise ValueError(
            f"[{where}] expected samples on both sides of validation_split={fraction}, received {total} sample(s), "
            f"which "
            f"splits into {cut} and {total - cut}."
        )
    head = tuple(map_structure(lambda a: a[:cut], c) for c in columns)
    tail = tuple(map_structure(lambda a: a[cut:], c) for c in columns)
    return head, tail
