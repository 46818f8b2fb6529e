"""Boston housing: prices of houses in suburbs of Boston, 1978."""

from __future__ import annotations

import numpy as np

from tahr.keras.datasets import sources, tables

_Pair = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> tuple[_Pair, _Pair]:
    """Loads 506 rows of 13 features; the target is the median price in 1,000 dollars.

    One feature is built on the assumption that people prefer to live apart by race: for new work prefer
    `california_housing`.

    Args:
        path: name of the file in TAHR_DATA_DIR or in the cache.
        test_split: fraction of the rows that is returned as test data.
        seed: of the order of the rows.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: float64 arrays of shapes (404, 13), (404,), (102, 13), (102,).

    Source: D. Harrison, D. L. Rubinfeld, "Hedonic prices and the demand for clean air", 1978.
    """
    found = sources.find(
        "boston_housing",
        path,
        sources.KERAS_FILES + "boston_housing.npz",
        "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
    )
    with np.load(found, allow_pickle=False) as file:
        x, y = file["x"], file["y"]
    return tables.shuffle_and_split(x, y, test_split, seed)
