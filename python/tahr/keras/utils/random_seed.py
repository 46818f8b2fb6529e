"""One seed for everything that draws random numbers."""

from __future__ import annotations

import random as python_random

import numpy as np

import tahr


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, NumPy's global generator, tahr's random ops, and the shuffling of `fit` and Datasets.

    With the same seed, the same program on the same kind of machine gives the same model, at any number of threads.

    Args:
        seed: integer from 0 to 2**32 - 1.

    Raises:
        ValueError: `seed` is no such integer.

    Example:
        >>> from tahr import keras
        >>> keras.utils.set_random_seed(42)
    """
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(
            f"[set_random_seed] expected an integer from 0 to 4294967295, received {seed!r}. Pass such a seed."
        )
    seed = int(seed)
    python_random.seed(seed)
    np.random.seed(seed)
    tahr.random.set_seed(seed)
