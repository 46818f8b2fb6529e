"""Orders of samples: `take`, `shuffle` and the like, on iterators of samples and on iterators of row numbers.

Each comes twice. The plain form takes a function that begins an iteration over samples (of any kind, whole batches
included). The form for numbers takes one that yields vectors of row numbers (int64) of any lengths, one after the other,
and works on whole vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tahr import _C

CHUNK = 1 << 16
Make = Callable[[], Iterator[Any]]


def all_numbers(count: int) -> Iterator[np.ndarray]:
    """0 to count - 1."""
    for start in range(0, count, CHUNK):
        yield np.arange(start, min(start + CHUNK, count))


def take(make: Make, count: int) -> Iterator[Any]:
    return itertools.islice(make(), count)


def take_numbers(make: Make, count: int) -> Iterator[np.ndarray]:
    if count == 0:
        return
    for chunk in make():
        yield chunk[:count]
        count -= len(chunk)
        if count <= 0:
            return


def skip(make: Make, count: int) -> Iterator[Any]:
    return itertools.islice(make(), count, None)


def skip_numbers(make: Make, count: int) -> Iterator[np.ndarray]:
    for chunk in make():
        if count < len(chunk):
            yield chunk[count:]
        count = max(0, count - len(chunk))


def shard(make: Make, step: int, index: int) -> Iterator[Any]:
    return itertools.islice(make(), index, None, step)


def shard_numbers(make: Make, step: int, index: int) -> Iterator[np.ndarray]:
    for chunk in make():
        yield chunk[index::step]
        index = (index - len(chunk)) % step


def repeat(make: Make, count: int | None) -> Iterator[Any]:
    """Samples or vectors of numbers `count` times over; without end for None, unless there are none."""
    for _ in itertools.count() if count is None else range(count):
        empty = True
        for item in make():
            empty = False
            yield item
        if empty:
            return


def shuffle(make: Make, size: int, seed: int) -> Iterator[Any]:
    draw = np.random.default_rng(seed)
    samples = make()
    buffer = list(itertools.islice(samples, size))
    places = itertools.chain.from_iterable(draw.integers(size, size=1024).tolist() for _ in itertools.count())
    for sample in samples:
        place = next(places)
        yield buffer[place]
        buffer[place] = sample
    for place in draw.permutation(len(buffer)):
        yield buffer[place]


def shuffle_numbers(make: Make, size: int, seed: int) -> Iterator[np.ndarray]:
    buffer = _C.ShuffleBuffer(size, seed)
    for chunk in make():
        moved = buffer.pass_on(_C.from_numpy(np.ascontiguousarray(chunk)))
        if len(moved):
            yield moved
    yield buffer.drain()


def groups(make: Make, size: int, drop_remainder: bool) -> Iterator[list[Any]]:
    samples = make()
    while group := list(itertools.islice(samples, size)):
        if len(group) == size or not drop_remainder:
            yield group


def groups_of_numbers(make: Make, size: int, drop_remainder: bool) -> Iterator[np.ndarray]:
    """Vectors of `size` numbers each, the last of them perhaps shorter."""
    waiting: list[np.ndarray] = []
    count = 0
    for chunk in make():
        waiting.append(chunk)
        count += len(chunk)
        if count < size:
            continue
        whole = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
        end = count - count % size
        for start in range(0, end, size):
            yield whole[start : start + size]
        waiting = [whole[end:]]
        count -= end
    if count and not drop_remainder:
        yield np.concatenate(waiting)
