"""Pipelines over arrays in memory: a sample is a number, that of a row, until a batch is gathered.

`Rows` stands for single samples, `Batches` for batches of them. Both hold the source's columns, the order of the rows
as an iterator of numbers, and functions to be applied to what is gathered: to samples only pure ones, so that they
commute with any change of the order and go through a whole batch at once; to batches any. What a Dataset cannot say in
these terms it does sample by sample. `fit` runs `Batches` without Python: see `GroupLoop`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tahr import _C
from tahr.data import numbers
from tahr.data.maps import Spec, TracedMap, specs_of, traced_map
from tahr.data.structure import map_structure
from tahr.nest import flatten, pack_sequence_as

_MOST_AT_ONCE = 256  # samples gathered ahead for someone who takes them one by one


class Columns:
    """The arrays of a source as tensors, made when they are first asked for."""

    def __init__(self, make: Callable[[], list[Any]]) -> None:
        self._make = make
        self._found: list[Any] | None = None

    def __call__(self) -> list[Any]:
        if self._found is None:
            self._found = self._make()
        return self._found


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Samples by row number. `specs` and `structure` describe a sample as it comes out of the maps."""

    columns: Columns
    chunks: numbers.Make
    structure: Any
    specs: list[Spec]
    in_order: bool = False  # all rows, from the first to the last
    maps: tuple[TracedMap, ...] = ()

    def reordered(self, chunks: numbers.Make) -> Rows:
        return dataclasses.replace(self, chunks=chunks, in_order=False)

    def mapped(self, function: Callable) -> Rows | None:
        found = traced_map(function, self.structure, self.specs)
        if found is None or not found.pure:
            return None
        return dataclasses.replace(self, structure=found.structure, specs=found.specs, maps=(*self.maps, found))

    def filtered(self, predicate: Callable) -> Rows | None:
        found = traced_map(predicate, self.structure, self.specs)
        if found is None or not found.pure or [shape for shape, _ in found.specs] != [()]:
            return None

        def chunks() -> Iterator[np.ndarray]:
            for chunk in self.chunks():
                for block in _blocks(chunk):
                    (keep,) = found.of_batch(self.gathered(block))
                    yield block[np.asarray(keep) != 0]

        return self.reordered(chunks)

    def cached(self) -> Rows:
        """Maps and order done once, when someone asks for the first sample."""

        def make() -> list[Any]:
            blocks = [self.gathered(block) for chunk in self.chunks() for block in _blocks(chunk)]
            if not blocks:
                return [_C.from_numpy(np.zeros((0, *shape), dtype=dtype.name)) for shape, dtype in self.specs]
            return [_C.ops.concatenate(list(parts), axis=0) for parts in zip(*blocks)]

        columns = Columns(make)
        return Rows(columns, lambda: numbers.all_numbers(columns()[0].shape[0]), self.structure, self.specs, True)

    def gathered(self, order: np.ndarray) -> list[Any]:
        """The leaves of a batch of these rows."""
        leaves = _C.take_rows(self.columns(), _C.from_numpy(np.ascontiguousarray(order)))
        for function in self.maps:
            leaves = function.of_batch(leaves)
        return leaves

    def samples(self) -> Iterator[Any]:
        pack = _packer(self.structure)
        if not self.maps:
            arrays = [np.asarray(column) for column in self.columns()]
            for chunk in self.chunks():
                for i in chunk.tolist():
                    yield pack([array[i] for array in arrays])
            return
        for chunk in self.chunks():
            for block in _blocks(chunk):
                try:
                    leaves = self.gathered(block)
                except Exception:  # of some sample: those before it are all right
                    yield from self._one_by_one(block)
                    continue
                for row in zip(*[np.asarray(leaf) for leaf in leaves]):
                    yield pack(row)

    def _one_by_one(self, block: np.ndarray) -> Iterator[Any]:
        for i in range(len(block)):
            leaves = [leaf[0] for leaf in _C.take_rows(self.columns(), _C.from_numpy(block[i : i + 1]))]
            for function in self.maps:
                leaves = function(leaves)
            yield pack_sequence_as(self.structure, leaves)

    def batched(self, size: int, drop_remainder: bool) -> Batches:
        specs = [((size, *shape), dtype) for shape, dtype in self.specs]
        groups = lambda: numbers.groups_of_numbers(self.chunks, size, drop_remainder)  # noqa: E731
        return Batches(self, groups, self.structure, specs, drop_remainder)


@dataclasses.dataclass(frozen=True, eq=False)
class Batches:
    """Batches of rows: `groups` yields the numbers of each. `specs` are those of a full batch."""

    rows: Rows
    groups: numbers.Make
    structure: Any
    specs: list[Spec]
    full: bool = False  # every batch
    maps: tuple[TracedMap, ...] = ()

    @property
    def pure(self) -> bool:
        return all(function.pure for function in self.maps)

    def reordered(self, groups: numbers.Make) -> Batches:
        return dataclasses.replace(self, groups=groups)

    def mapped(self, function: Callable) -> Batches | None:
        found = traced_map(function, self.structure, self.specs)
        if found is None:
            return None
        return dataclasses.replace(self, structure=found.structure, specs=found.specs, maps=(*self.maps, found))

    def prepared(self, leaves: list[Any]) -> Any:
        """The batch that becomes of gathered leaves of the columns; also within a trace."""
        for function in self.rows.maps:
            leaves = function.of_batch(leaves)
        for function in self.maps:
            leaves = function(leaves)
        return pack_sequence_as(self.structure, leaves)

    def samples(self) -> Iterator[Any]:
        for group in self.groups():
            leaves = self.rows.gathered(group)
            for function in self.maps:
                leaves = function(leaves)
            yield pack_sequence_as(self.structure, leaves)


class GroupLoop:
    """An epoch over `Batches` as a `tahr.tracing.BatchLoop` has it, one after the other of runs of batches of one size."""

    def __init__(self, plan: Batches, groups: Iterator[np.ndarray]) -> None:
        self._inner = _C.BatchLoop(plan.rows.columns())
        self._groups = groups
        self._waiting: np.ndarray | None = next(groups, None)
        self.empty = self._waiting is None
        self._begin()

    def _begin(self) -> None:
        """Starts the inner loop on the groups up to the next that is larger than those before or follows a smaller one."""
        found: list[np.ndarray] = []
        count = 0
        while self._waiting is not None and count < numbers.CHUNK:
            if found and (len(found[-1]) < len(found[0]) or len(self._waiting) > len(found[0])):
                break
            found.append(self._waiting)
            count += len(self._waiting)
            self._waiting = next(self._groups, None)
        if found:
            self._inner.start(_C.from_numpy(np.concatenate(found)), count, len(found[0]))

    def done(self) -> bool:
        if self.empty:
            return True
        if self._inner.done() and self._waiting is not None:
            self._begin()
        return self._inner.done()

    def next_batch_size(self) -> int:
        return self._inner.next_batch_size()

    def take(self) -> list[Any]:
        return self._inner.take()

    def run(self, graph: Any, seconds: float, most: int, collect: bool = False) -> int:
        return self._inner.run(graph, seconds, most, collect)

    def last(self) -> list[Any]:
        return self._inner.last()


def rows_of(arrays: Any, length: int) -> Rows:
    """The rows of a structure of NumPy arrays of numbers, all of `length`."""
    leaves = [_C.from_numpy(np.ascontiguousarray(leaf)) for leaf in flatten(arrays)]
    specs = [(tuple(leaf.shape[1:]), leaf.dtype) for leaf in leaves]
    structure = map_structure(lambda _: 0, arrays)
    return Rows(Columns(lambda: leaves), lambda: numbers.all_numbers(length), structure, specs, True)


def zipped(parts: list[Rows], length: int) -> Rows:
    """Tuples of the rows of each part, all of which are `in_order` and without maps."""
    leaves = [column[:length] for part in parts for column in part.columns()]
    structure = tuple(part.structure for part in parts)
    specs = [(tuple(shape[1:]), dtype) for shape, dtype in specs_of(leaves)]
    return Rows(Columns(lambda: leaves), lambda: numbers.all_numbers(length), structure, specs, True)


def _blocks(chunk: np.ndarray) -> Iterator[np.ndarray]:
    start, size = 0, 1
    while start < len(chunk):
        yield chunk[start : start + size]
        start += size
        size = min(2 * size, _MOST_AT_ONCE)


def _packer(structure: Any) -> Callable[[Any], Any]:
    if structure == 0:
        return lambda leaves: leaves[0]
    if isinstance(structure, tuple) and not hasattr(structure, "_fields") and all(part == 0 for part in structure):
        return tuple
    return lambda leaves: pack_sequence_as(structure, list(leaves))
