"""Generators, `tahr.data.Dataset`s and any other iterable of batches (a PyTorch DataLoader, a list-like loader ...)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tahr.data import INFINITE_CARDINALITY, Dataset
from tahr.data.rows import GroupLoop
from tahr.data.structure import map_structure
from tahr.keras.trainers.data.class_weights import class_weight_to_sample_weight


class IterableSource:
    """Batches as an iterable yields them: inputs alone or a tuple of inputs, then targets, then weights."""

    def __init__(self, where: str, iterable: Any, class_weight: dict[int, float] | None = None):
        self._iterable = iterable
        self._where = where
        self._class_weight = class_weight
        self.batch_size = None
        self.num_batches = _length(iterable)

    def on_epoch_begin(self) -> None:
        pass

    def on_epoch_end(self) -> None:
        pass

    def __iter__(self) -> Iterator[tuple]:
        for batch in self._iterable:
            yield standard_batch(batch, self._class_weight, self._where)


class DatasetSource(IterableSource):
    """Batches of a `tahr.data.Dataset`. Where these are rows of arrays (`plan`), the engine gathers them, and what the
    Dataset's maps make of them belongs to the step."""

    def __init__(self, where: str, dataset: Dataset, class_weight: dict[int, float] | None = None):
        super().__init__(where, dataset, class_weight)
        plan = dataset.plan_of_batches()
        self.plan = plan if class_weight is None else None
        self.endless = dataset.cardinality() == INFINITE_CARDINALITY
        self._groups: Iterator[Any] | None = None

    def start_loop(self, steps: int | None) -> GroupLoop | None:
        """A loop over the batches of the next epoch that runs without Python; with `steps`, over so many of a source
        without end, on from where the last one stopped."""
        if self.plan is None or (steps is None) == self.endless:
            return None
        if steps is None:
            loop = GroupLoop(self.plan, self.plan.groups())
        else:
            if self._groups is None:
                self._groups = self.plan.groups()
            loop = GroupLoop(self.plan, itertools.islice(self._groups, steps))
        return None if loop.empty else loop

    def structure(self) -> Any:
        """What the loop gathers: the columns."""
        return tuple(self.plan.rows.columns())  # type: ignore[union-attr]

    def prepared(self, columns: tuple) -> tuple:
        """The batch that becomes of gathered rows."""
        return standard_batch(self.plan.prepared(list(columns)), None, self._where)  # type: ignore[union-attr]


def _length(iterable: Any) -> int | None:
    cardinality = getattr(iterable, "cardinality", None)
    if callable(cardinality):  # Datasets: negative where infinite or unknown
        count = int(cardinality())
        return count if count >= 0 else None
    try:
        return len(iterable)
    except TypeError:
        return None


def standard_batch(batch: Any, class_weight: dict[int, float] | None, where: str) -> tuple:
    """One batch as a tuple `(x,)`, `(x, y)` or `(x, y, sample_weight)` of arrays or tensors."""
    if isinstance(batch, list) and len(batch) in (2, 3):
        batch = tuple(batch)  # loaders that collate into lists
    if not isinstance(batch, tuple):
        batch = (batch,)
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"[{where}] expected the data source to yield (x, y) or (x, y, sample_weight), received a tuple of "
            f"{len(batch)}. "
            "Wrap several inputs or targets in one tuple, list or dict: ((x1, x2), y)."
        )
    while len(batch) > 1 and batch[-1] is None:
        batch = batch[:-1]
    batch = tuple(map_structure(_leaf, part) for part in batch)
    if class_weight is not None:
        if len(batch) == 3:
            raise ValueError(
                f"[{where}] expected at most one of class_weight and sample_weight, received class_weight and "
                f"batches of "
                "(x, y, sample_weight)."
            )
        batch = (*batch, class_weight_to_sample_weight(batch[1] if len(batch) > 1 else None, class_weight, where))
    return batch


def _leaf(value: Any) -> Any:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        if type(value).__module__.startswith(("torch", "pandas")):
            value = np.asarray(value)
    else:
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return value.astype("float32")
    return value
