"""`keras.utils.PyDataset`: batches by index, fetched ahead by threads or processes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from tahr.data import seeding
from tahr.data.parallel import ordered_map
from tahr.keras.trainers.data.iterables import standard_batch
from tahr.keras.utils.py_dataset import PyDataset

_worker_dataset: PyDataset | None = None  # in a worker process: the dataset it serves


def _set_worker_dataset(dataset: PyDataset) -> None:
    global _worker_dataset
    _worker_dataset = dataset


def _fetch_in_worker(index: int) -> Any:
    return _worker_dataset[index]  # type: ignore[index]


class PyDatasetSource:
    """The batches of a PyDataset, in order or in a new permutation of the batches each epoch."""

    def __init__(self, where: str, dataset: PyDataset, shuffle: bool, class_weight: dict[int, float] | None):
        self.batch_size = None
        self._dataset = dataset
        self._where = where
        self._shuffle = shuffle
        self._class_weight = class_weight

    @property
    def num_batches(self) -> int | None:
        return self._dataset.num_batches

    def on_epoch_begin(self) -> None:
        self._dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._dataset.on_epoch_end()

    def _indices(self) -> Iterator[int]:
        count = self.num_batches
        if count is None:
            return itertools.count()
        if self._shuffle:
            return iter(seeding.next_permutation(count).tolist())
        return iter(range(count))

    def __iter__(self) -> Iterator[tuple]:
        dataset = self._dataset
        if dataset.workers <= 1 and not dataset.use_multiprocessing:
            fetched: Iterator[Any] = (dataset[index] for index in self._indices())
        else:
            fetched = self._fetch_ahead()
        for batch in fetched:
            yield standard_batch(batch, self._class_weight, self._where)

    def _fetch_ahead(self) -> Iterator[Any]:
        dataset = self._dataset
        workers = max(1, dataset.workers)
        import concurrent.futures
        import multiprocessing

        executor: concurrent.futures.Executor
        if dataset.use_multiprocessing:
            executor = concurrent.futures.ProcessPoolExecutor(
                workers, multiprocessing.get_context(), initializer=_set_worker_dataset, initargs=(dataset,)
            )
            fetch: Any = _fetch_in_worker
        else:
            executor = concurrent.futures.ThreadPoolExecutor(workers)
            fetch = dataset.__getitem__
        return ordered_map(fetch, self._indices(), executor, max(1, dataset.max_queue_size))
