"""The order of shuffled data: NumPy generators drawn from tahr's process-wide seed."""

from __future__ import annotations

import numpy as np

from tahr import _C, random


def next_generator() -> np.random.Generator:
    """A generator that follows from the process-wide seed and what was drawn before: each epoch takes its own."""
    return np.random.default_rng(np.asarray(random.next_seed()).astype(np.uint64))


def next_seed() -> int:
    """A seed of 63 bits that follows from the process-wide seed and what was drawn before."""
    return int(next_generator().integers(2**63))


def next_permutation(n: int) -> np.ndarray:
    """The numbers 0 to n - 1 in a random order (int64) that follows from the seed in the same way."""
    return _C.tensor_to_numpy(_C.ops.random_permutation(random.next_seed(), n=n, dtype="int64"), False)
