"""PyDataset: batches by index, for data that does not fit in memory or needs work per batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any


class PyDataset:
    """Base class of a data set whose batches are computed one by one, ahead of the training by threads or processes.

    Subclasses define `__getitem__(index)`, which returns batch `index` as `(x, y)` or `(x, y, sample_weight)`, and
    `__len__`, the number of batches (or the property `num_batches`, None for an endless stream).

    Args:
        workers: threads or processes that fetch batches ahead; 1 or less fetches in the training loop itself.
        use_multiprocessing: fetch in processes in place of threads; the data set must pickle.
        max_queue_size: batches fetched ahead at most.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> class Squares(keras.utils.PyDataset):
        ...     def __len__(self):
        ...         return 3
        ...     def __getitem__(self, index):
        ...         x = np.arange(4, dtype="float32") + 4 * index
        ...         return x[:, None], x[:, None] ** 2
        >>> Squares().num_batches
        3
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    # Subclasses often forget super().__init__(); the defaults then stand on the class.
    workers: int = 1
    use_multiprocessing: bool = False
    max_queue_size: int = 10

    def __getitem__(self, index: int) -> Any:
        """Batch number `index`."""
        raise NotImplementedError(f"[{type(self).__name__}] expected a method __getitem__(index) that returns a batch.")

    @property
    def num_batches(self) -> int | None:
        """Number of batches, `len(self)` unless overridden; None for an endless stream."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            f"[{type(self).__name__}] expected a method __len__ or a property num_batches that gives the number of "
            f"batches."
        )

    def __iter__(self) -> Iterator[Any]:
        """The batches from the first on; without end where their number is unknown."""
        try:
            count = self.num_batches
        except NotImplementedError:
            count = None
        for index in itertools.count() if count is None else range(count):
            yield self[index]

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch, for example to shuffle."""


Sequence = PyDataset
