"""Dataset: a source of samples, and what can be done to it before training."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tahr.data import batching, numbers, parallel, seeding
from tahr.data.conversion import as_arrays, conformed, dtype_name, flat_shapes
from tahr.data.maps import call_with, is_numbers
from tahr.data.rows import Batches, Rows, rows_of, zipped
from tahr.data.structure import flatten, is_nested, map_structure

AUTOTUNE = -1
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2


class Dataset:
    """A sequence of samples (a tensor, or a tuple or dict of tensors), computed anew at each iteration.

    Make one with `from_tensor_slices`, `from_tensors`, `from_generator`, `range` or `zip`, then chain transformations,
    of which each returns a new Dataset. Iterating yields tensors, `as_numpy_iterator()` NumPy arrays. `model.fit` takes
    a Dataset of batches `(x, y)`.

    Example:
        >>> import tahr
        >>> data = tahr.data.Dataset.range(5).map(lambda x: x * x).batch(2)
        >>> [batch.tolist() for batch in data.as_numpy_iterator()]
        [[0, 1], [4, 9], [16]]
    """

    def __init__(
        self,
        make_iterator: Callable[[], Iterator[Any]],
        cardinality: int = UNKNOWN_CARDINALITY,
        plan: Rows | Batches | None = None,
    ):
        self._make_iterator = make_iterator  # yields samples whose leaves are arrays or tensors
        self._cardinality = cardinality
        self._plan = plan  # the same samples as rows of arrays, where they are such

    @staticmethod
    def _planned(plan: Rows | Batches, cardinality: int) -> Dataset:
        return Dataset(plan.samples, cardinality, plan)

    def _reordered(
        self, of_samples: Callable, of_numbers: Callable, cardinality: int, *arguments: Any, drops: bool = True
    ) -> Dataset:
        """The samples as a pair of functions of `numbers.py` reorders them. `drops`: also those that it leaves out are to
        go through maps that draw random numbers."""
        plan = self._plan
        if isinstance(plan, Rows):
            rows = plan
            return self._planned(plan.reordered(lambda: of_numbers(rows.chunks, *arguments)), cardinality)
        if isinstance(plan, Batches) and (plan.pure or not drops):
            groups = plan.groups
            return self._planned(plan.reordered(lambda: of_samples(groups, *arguments)), cardinality)
        return Dataset(lambda: of_samples(self._make_iterator, *arguments), cardinality)

    # ---------------------------------------------------------------- sources

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """The rows of arrays: sample i is row i of each.

        Args:
            tensors: array, or a tuple or dict of arrays with the same first axis; a list counts as one array.

        Raises:
            ValueError: the arrays differ in length.
        """
        arrays = as_arrays(tensors)
        lengths = {len(leaf) if leaf.ndim else -1 for leaf in flatten(arrays)}
        if len(lengths) != 1 or -1 in lengths:
            shapes = ", ".join(str(leaf.shape) for leaf in flatten(arrays))
            raise ValueError(
                f"[Dataset.from_tensor_slices] expected arrays with the same first axis, received shapes {shapes}. "
                "Row i of each must belong to the same sample."
            )
        (length,) = lengths
        if all(is_numbers(leaf) for leaf in flatten(arrays)):
            return Dataset._planned(rows_of(arrays, length), length)
        if not is_nested(arrays):
            return Dataset(lambda: iter(arrays), length)
        if isinstance(arrays, tuple) and not any(is_nested(item) for item in arrays):
            return Dataset(lambda: zip(*arrays), length)
        return Dataset(lambda: (map_structure(lambda a: a[i], arrays) for i in range(length)), length)  # noqa: B023

    @staticmethod
    def from_tensors(tensors: Any) -> Dataset:
        """A single sample: `tensors` as a whole."""
        arrays = as_arrays(tensors)
        return Dataset(lambda: iter((arrays,)), 1)

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: tuple = (),
        output_signature: Any = None,
    ) -> Dataset:
        """The samples of `generator(*args)`, called anew at each iteration.

        Args:
            generator: function that returns an iterable of samples (numbers, arrays, tuples or dicts of these).
            output_types: dtype, or structure of dtypes, to which the samples are cast.
            output_shapes: shape, or structure of shapes with None for any size, that the samples must have.
            args: arguments of the function.
            output_signature: structure of objects with `dtype` and `shape`, in place of the two above.

        Raises:
            TypeError: `generator` is not callable.
            ValueError: a sample of another shape (while iterating).
        """
        if not callable(generator):
            raise TypeError(
                f"[Dataset.from_generator] expected a function that returns an iterable, received "
                f"{type(generator).__name__}. "
                "Write `lambda: items`."
            )
        if output_signature is not None:
            specs = flatten(output_signature)
            types: list[Any] | None = [spec.dtype for spec in specs]
            shapes: list[Any] | None = [spec.shape for spec in specs]
        else:
            types = flatten(output_types) if output_types is not None else None
            shapes = flat_shapes(output_shapes)

        def iterate() -> Iterator[Any]:
            for sample in generator(*args):
                yield conformed(sample, types, shapes)

        return Dataset(iterate)

    @staticmethod
    def range(*args: int, output_type: Any = "int64") -> Dataset:
        """The integers of Python's `range(*args)`."""
        whole = range(*(int(a) for a in args))
        kind = np.dtype(dtype_name(output_type)).type
        if len(whole) <= numbers.CHUNK:
            return Dataset._planned(rows_of(np.asarray(whole, dtype=kind), len(whole)), len(whole))
        return Dataset(lambda: (kind(i) for i in whole), len(whole))

    @staticmethod
    def zip(*datasets: Any) -> Dataset:
        """Tuples of one sample from each dataset, ending with the shortest. Takes the datasets or one tuple of them."""
        if len(datasets) == 1 and isinstance(datasets[0], (tuple, list)):
            datasets = tuple(datasets[0])
        for dataset in datasets:
            _require_dataset(dataset, "zip")
        known = [d._cardinality for d in datasets if d._cardinality != INFINITE_CARDINALITY]
        if not known:
            cardinality = INFINITE_CARDINALITY
        else:
            cardinality = UNKNOWN_CARDINALITY if UNKNOWN_CARDINALITY in known else min(known)
        plans = [d._plan for d in datasets]
        if plans and all(isinstance(p, Rows) and p.in_order and not p.maps for p in plans):
            return Dataset._planned(zipped(plans, cardinality), cardinality)  # type: ignore[arg-type]
        return Dataset(lambda: zip(*(d._make_iterator() for d in datasets)), cardinality)

    # ---------------------------------------------------------------- transformations of samples

    def map(
        self, map_func: Callable, num_parallel_calls: int | None = None, deterministic: bool | None = None
    ) -> Dataset:
        """Applies `map_func` to each sample; a tuple is passed as several arguments.

        Where samples are rows of arrays, or batches of these, the function is traced: it runs once on symbolic tensors,
        and what it did is applied to the samples. A function that cannot be traced is called for each.

        Args:
            map_func: function of tensors that returns a sample.
            num_parallel_calls: threads that compute samples ahead, if the function is not traced; AUTOTUNE takes one
                per CPU.
            deterministic: False would permit another order; samples keep theirs either way.
        """
        _check_calls(num_parallel_calls, "map")
        if self._plan is not None:
            plan = self._plan.mapped(map_func)
            if plan is not None:
                return Dataset._planned(plan, self._cardinality)
        call = _caller(map_func)
        make = self._make_iterator
        workers = _workers(num_parallel_calls)
        if workers <= 1:
            return Dataset(lambda: map(call, make()), self._cardinality)

        def iterate() -> Iterator[Any]:
            executor = parallel.thread_pool(workers)
            return parallel.ordered_map(call, make(), executor, 2 * workers)

        return Dataset(iterate, self._cardinality)

    def filter(self, predicate: Callable) -> Dataset:
        """Keeps the samples for which `predicate` is true."""
        if isinstance(self._plan, Rows):
            plan = self._plan.filtered(predicate)
            if plan is not None:
                return Dataset._planned(plan, UNKNOWN_CARDINALITY)
        call = _caller(predicate)
        return Dataset(lambda: (sample for sample in self._make_iterator() if bool(call(sample))))

    def flat_map(self, map_func: Callable) -> Dataset:
        """Applies `map_func`, which returns a Dataset, to each sample and chains the results."""
        call = _caller(map_func)

        def iterate() -> Iterator[Any]:
            for sample in self._make_iterator():
                inner = call(sample)
                _require_dataset(inner, "flat_map")
                yield from inner._make_iterator()

        return Dataset(iterate)

    def unbatch(self) -> Dataset:
        """Splits each batch into its samples: the inverse of `batch`."""
        plan = self._plan
        if isinstance(plan, Batches) and not plan.maps:
            size = plan.specs[0][0][0] if plan.full and self._cardinality >= 0 else None
            total = UNKNOWN_CARDINALITY if size is None else size * self._cardinality
            return Dataset._planned(plan.rows.reordered(plan.groups), total)

        def iterate() -> Iterator[Any]:
            for batch in self._make_iterator():
                arrays = map_structure(np.asarray, batch)
                for i in range(len(flatten(arrays)[0])):
                    yield map_structure(lambda a: a[i], arrays)  # noqa: B023 (used at once)

        return Dataset(iterate)

    def enumerate(self, start: int = 0) -> Dataset:
        """Pairs (number, sample)."""
        return Dataset(
            lambda: ((np.int64(i), s) for i, s in enumerate(self._make_iterator(), start)), self._cardinality
        )

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """`transformation_func(self)`, for chains."""
        result = transformation_func(self)
        _require_dataset(result, "apply")
        return result

    # ---------------------------------------------------------------- batches and windows

    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Joins each `batch_size` samples along a new first axis.

        Args:
            batch_size: samples per batch.
            drop_remainder: leave out a last batch that is smaller.
            num_parallel_calls: threads that join ahead; AUTOTUNE takes one per CPU.
            deterministic: False would permit another order; batches keep theirs either way.
        """
        _check_calls(num_parallel_calls, "batch")
        groups = self._grouped(batch_size, drop_remainder, "batch")
        if isinstance(self._plan, Rows):
            return Dataset._planned(self._plan.batched(int(batch_size), drop_remainder), groups._cardinality)
        return groups._join(batching.stack, num_parallel_calls)

    def padded_batch(
        self, batch_size: int, padded_shapes: Any = None, padding_values: Any = None, drop_remainder: bool = False
    ) -> Dataset:
        """Joins each `batch_size` samples, padded at their ends to one shape.

        Args:
            batch_size: samples per batch.
            padded_shapes: shape, or structure of shapes; None, -1 and a None in a shape mean the largest of the batch.
            padding_values: scalar or structure of scalars, 0 by default.
            drop_remainder: leave out a last batch that is smaller.
        """
        groups = self._grouped(batch_size, drop_remainder, "padded_batch")
        return groups._join(lambda samples: batching.pad_and_stack(samples, padded_shapes, padding_values), None)

    def _join(self, join: Callable[[list[Any]], Any], num_parallel_calls: int | None) -> Dataset:
        make, workers = self._make_iterator, _workers(num_parallel_calls)
        if workers <= 1:
            return Dataset(lambda: map(join, make()), self._cardinality)

        def iterate() -> Iterator[Any]:
            return parallel.ordered_map(join, make(), parallel.thread_pool(workers), 2 * workers)

        return Dataset(iterate, self._cardinality)

    def _grouped(self, size: int, drop_remainder: bool, method: str) -> Dataset:
        size = int(size)
        if size < 1:
            raise ValueError(f"[Dataset.{method}] expected batch_size of at least 1, received {size}.")

        count = self._cardinality
        if count > 0:
            count = count // size if drop_remainder else -(-count // size)
        return Dataset(lambda: numbers.groups(self._make_iterator, size, drop_remainder), count)

    def window(self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False) -> Dataset:
        """Datasets of `size` neighbouring samples each; a structure of samples becomes a structure of Datasets.

        Args:
            size: samples per window.
            shift: samples between the starts of two windows, `size` by default.
            stride: samples between two neighbours within a window.
            drop_remainder: leave out windows at the end that are smaller.
        """
        shift = size if shift is None else shift
        if min(size, shift, stride) < 1:
            raise ValueError(
                f"[Dataset.window] expected size, shift and stride of at least 1, received {size}, {shift}, {stride}."
            )
        span = (size - 1) * stride + 1

        def iterate() -> Iterator[Any]:
            samples = self._make_iterator()
            kept: list[Any] = []
            while True:
                kept.extend(itertools.islice(samples, span - len(kept)))
                chosen = kept[::stride]
                if not chosen or (drop_remainder and len(chosen) < size):
                    return
                yield _window_of(chosen)
                skipped = max(0, shift - len(kept))
                kept = kept[shift:]
                for _ in itertools.islice(samples, skipped):
                    pass

        count = self._cardinality
        if count >= 0:
            count = max(0, (count - span) // shift + 1) if drop_remainder else -(-count // shift)
        return Dataset(iterate, count)

    # ---------------------------------------------------------------- order and number of samples

    def shuffle(
        self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool | None = None
    ) -> Dataset:
        """Yields the samples in random order, drawn from a buffer of `buffer_size` samples.

        Args:
            buffer_size: the larger, the better mixed; the number of samples or more mixes completely.
            seed: makes the order reproducible; otherwise it follows `keras.utils.set_random_seed`.
            reshuffle_each_iteration: a new order at each iteration; True unless given.
        """
        buffer_size = int(buffer_size)
        if buffer_size < 1:
            raise ValueError(f"[Dataset.shuffle] expected buffer_size of at least 1, received {buffer_size}.")
        sequence = np.random.SeedSequence(seed) if seed is not None else None
        fixed: list[int] = []

        def next_seed() -> int:
            if reshuffle_each_iteration is None or reshuffle_each_iteration:
                return seeding.next_seed() if sequence is None else _seed_of(sequence.spawn(1)[0])
            if not fixed:
                fixed.append(seeding.next_seed() if sequence is None else _seed_of(sequence))
            return fixed[0]

        return self._reordered(
            lambda make: numbers.shuffle(make, buffer_size, next_seed()),
            lambda make: numbers.shuffle_numbers(make, buffer_size, next_seed()),
            self._cardinality,
        )

    def repeat(self, count: int | None = None) -> Dataset:
        """The samples `count` times over, without end for None or -1."""
        known = self._cardinality
        if count is None or count < 0:
            count, total = None, 0 if known == 0 else INFINITE_CARDINALITY
        else:
            total = 0 if count == 0 else known * count if known >= 0 else known
        return self._reordered(numbers.repeat, numbers.repeat, total, count, drops=False)

    def take(self, count: int) -> Dataset:
        """The first `count` samples, all for -1."""
        if count < 0:
            return self
        known = self._cardinality
        total = count if known == INFINITE_CARDINALITY else min(count, known) if known >= 0 else known
        return self._reordered(numbers.take, numbers.take_numbers, total, count, drops=False)

    def skip(self, count: int) -> Dataset:
        """All but the first `count` samples, none for -1."""
        if count < 0:
            return Dataset(lambda: iter(()), 0)
        known = self._cardinality
        total = max(known - count, 0) if known >= 0 else known
        return self._reordered(numbers.skip, numbers.skip_numbers, total, count)

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Every `num_shards`-th sample, from number `index` on."""
        if not 0 <= index < num_shards:
            raise ValueError(f"[Dataset.shard] expected 0 <= index < num_shards, received {index} and {num_shards}.")
        known = self._cardinality
        total = len(range(index, known, num_shards)) if known >= 0 else known
        return self._reordered(numbers.shard, numbers.shard_numbers, total, num_shards, index)

    def concatenate(self, dataset: Dataset) -> Dataset:
        """These samples, then those of `dataset`."""
        _require_dataset(dataset, "concatenate")
        a, b = self._cardinality, dataset._cardinality
        total = a + b if a >= 0 and b >= 0 else INFINITE_CARDINALITY if -1 in (a, b) else UNKNOWN_CARDINALITY
        return Dataset(lambda: itertools.chain(self._make_iterator(), dataset._make_iterator()), total)

    def cache(self, filename: str = "") -> Dataset:
        """Keeps the samples in memory after the first complete iteration.

        Raises:
            ValueError: `filename` is given; only memory is supported.
        """
        if filename:
            raise ValueError(f"[Dataset.cache] expected no filename (the cache is in memory), received {filename!r}.")
        if isinstance(self._plan, Rows) and self._cardinality >= 0:
            return Dataset._planned(self._plan.cached(), self._cardinality)
        kept: list[Any] = []
        complete = False

        def iterate() -> Iterator[Any]:
            nonlocal complete
            if complete:
                yield from kept
                return
            fresh = []
            for sample in self._make_iterator():
                fresh.append(sample)
                yield sample
            if not complete:
                kept[:] = fresh
                complete = True

        return Dataset(iterate, self._cardinality)

    def prefetch(self, buffer_size: int) -> Dataset:
        """Computes up to `buffer_size` samples (AUTOTUNE, 0: 2) ahead in a thread."""
        if buffer_size < AUTOTUNE:
            raise ValueError(
                f"[Dataset.prefetch] expected buffer_size of at least 0, or AUTOTUNE, received {buffer_size}."
            )
        size = 2 if buffer_size <= 0 else int(buffer_size)
        return Dataset(lambda: parallel.ahead(self._make_iterator, size), self._cardinality, self._plan)

    # ---------------------------------------------------------------- results

    def reduce(self, initial_state: Any, reduce_func: Callable[[Any, Any], Any]) -> Any:
        """Folds the samples: `state = reduce_func(state, sample)`."""
        state = initial_state
        for sample in self:
            state = reduce_func(state, sample)
        return state

    def __iter__(self) -> Iterator[Any]:
        for sample in self._make_iterator():
            yield _to_tensors(sample)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The samples with NumPy arrays (and NumPy scalars) as leaves."""
        for sample in self._make_iterator():
            yield map_structure(_to_numpy, sample)

    def cardinality(self) -> int:
        """The number of samples, INFINITE_CARDINALITY or UNKNOWN_CARDINALITY."""
        return self._cardinality

    def plan_of_batches(self) -> Batches | None:
        """The samples as batches of rows of arrays in memory; None where they are something else."""
        return self._plan if isinstance(self._plan, Batches) else None

    def __len__(self) -> int:
        if self._cardinality < 0:
            raise TypeError(
                "[Dataset] the length is " + ("infinite." if self._cardinality == INFINITE_CARDINALITY else "unknown.")
            )
        return self._cardinality

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        size = {INFINITE_CARDINALITY: "endless", UNKNOWN_CARDINALITY: "of unknown length"}
        return f"<Dataset {size.get(self._cardinality, f'of {self._cardinality} samples')}>"


def _window_of(samples: list[Any]) -> Any:
    first = samples[0]
    if isinstance(first, dict):
        return {key: _window_of([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        return tuple(_window_of([sample[i] for sample in samples]) for i in range(len(first)))
    return Dataset(lambda: iter(samples), len(samples))


def _require_dataset(value: Any, method: str) -> None:
    if not isinstance(value, Dataset):
        raise TypeError(f"[Dataset.{method}] expected a tahr.data.Dataset, received {type(value).__name__}.")


def _workers(num_parallel_calls: int | None) -> int:
    if num_parallel_calls == AUTOTUNE:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return num_parallel_calls or 1


def _check_calls(num_parallel_calls: int | None, method: str) -> None:
    if num_parallel_calls is not None and num_parallel_calls < 1 and num_parallel_calls != AUTOTUNE:
        raise ValueError(
            f"[Dataset.{method}] expected num_parallel_calls of at least 1, or AUTOTUNE, received {num_parallel_calls}."
        )


def _seed_of(sequence: np.random.SeedSequence) -> int:
    return int(sequence.generate_state(1, np.uint64)[0])


def _caller(function: Callable) -> Callable[[Any], Any]:
    def call(sample: Any) -> Any:
        return call_with(function, _to_tensors(sample))

    return call


def _to_tensors(sample: Any) -> Any:
    from tahr import ops

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, Dataset) or (isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "USO"):
            return leaf  # windows, and text, which no tensor can hold
        return leaf if isinstance(leaf, (str, bytes)) else ops.convert_to_tensor(leaf)

    return map_structure(convert, sample)


def _to_numpy(leaf: Any) -> Any:
    if isinstance(leaf, (Dataset, str, bytes, np.generic)):
        return leaf
    array = np.asarray(leaf)
    return array[()] if array.ndim == 0 else array
