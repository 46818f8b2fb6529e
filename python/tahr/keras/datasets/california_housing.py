"""California housing: prices of houses in districts of California, census of 1990."""

from __future__ import annotations

import numpy as np

from tahr.keras.datasets import sources, tables

_Pair = tuple[np.ndarray, np.ndarray]
_SMALL = 600


def load_data(
    version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[_Pair, _Pair]:
    """Loads districts with 8 features; the target is the median price in dollars.

    The features: longitude, latitude, median age of the houses, rooms, bedrooms, population, households, median income
    (in 10,000 dollars).

    Args:
        version: "large" for all districts, "small" for 600 of them.
        path: name of the file in TAHR_DATA_DIR or in the cache. A file there with scikit-learn's features (`data`,
            `target`, `feature_names`) is converted to the above.
        test_split: fraction of the rows that is returned as test data.
        seed: of the order of the rows.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: float32 arrays of shapes (rows, 8) and (rows,).

    Raises:
        ValueError: another `version`.

    Source: R. K. Pace, R. Barry, "Sparse spatial autoregressions", 1997.
    """
    if version not in ("large", "small"):
        raise ValueError(f"[california_housing.load_data] expected version 'small' or 'large', received {version!r}.")
    found = sources.find(
        "california_housing",
        path,
        sources.KERAS_FILES + "california_housing.npz",
        "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
    )
    with np.load(found, allow_pickle=False) as file:
        x, y = (file["x"], file["y"]) if "x" in file.files else _from_averages(file["data"], file["target"])
    if version == "small":
        x, y = x[:_SMALL], y[:_SMALL]
    return tables.shuffle_and_split(x, y, test_split, seed)


def _from_averages(data: np.ndarray, target: np.ndarray) -> _Pair:
    """Counts per district out of scikit-learn's averages per household, dollars out of 100,000 dollars."""
    income, age, rooms, bedrooms, population, occupation, latitude, longitude = data.astype("float64").T
    households = np.rint(population / occupation)
    columns = [longitude, latitude, age, rooms * households, bedrooms * households, population, households, income]
    columns[3:6] = [np.rint(column) for column in columns[3:6]]
    return np.stack(columns, axis=1).astype("float32"), (target.astype("float64") * 100_000).astype("float32")
