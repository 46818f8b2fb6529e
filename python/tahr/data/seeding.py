"""The order of shuffled data: NumPy generators drawn from tahr's process-wide seed."""

from __future__ import annotations

import numpy as np

from tahr import random


def next_generator() -> np.random.Generator:
    """A generator that follows from the process-wide seed and what was drawn before: each epoch takes its own."""
    return np.random.default_rng(np.asarray(random.next_seed()).astype(np.uint64))
