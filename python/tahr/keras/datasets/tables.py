"""What the housing data sets share: a table split into training and test rows."""

from __future__ import annotations

import numpy as np

_Pair = tuple[np.ndarray, np.ndarray]


def shuffle_and_split(x: np.ndarray, y: np.ndarray, test_split: float, seed: int) -> tuple[_Pair, _Pair]:
    """Rows in random order, the last `test_split` of them as test data."""
    if not 0 <= test_split < 1:
        raise ValueError(f"[load_data] expected test_split from 0 up to but not including 1, received {test_split}.")
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
