"""Prices of Californian districts from raw columns, read by a FeatureSpace.

Income, age of the houses and number of people are normalized; rooms and bedrooms per household fall into bins; so do
latitude and longitude, and the cross of their bins tells one region from another. The model takes the raw columns: the
FeatureSpace is part of it, and of its file.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from tahr import keras

COLUMNS = ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude")


def load(path: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The columns by name, and the prices in units of 100,000 $."""
    with np.load(path) as file:
        data, target = file["data"], file["target"]
    return dict(zip(COLUMNS, data.T.copy())), target.astype("float32")


def columns_of(table: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Some rows of the table."""
    return {name: values[rows] for name, values in table.items()}


def feature_space() -> keras.utils.FeatureSpace:
    """How each column is read."""
    features = {name: "float_normalized" for name in ("MedInc", "HouseAge", "Population", "AveOccup")}
    features |= {name: keras.utils.FeatureSpace.float_discretized(8) for name in ("AveRooms", "AveBedrms")}
    features |= {name: keras.utils.FeatureSpace.float_discretized(16) for name in ("Latitude", "Longitude")}
    return keras.utils.FeatureSpace(features, crosses=[("Latitude", "Longitude")], crossing_dim=256)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--output", default="demo-output", help="directory for the model's file")
    folder = os.environ.get("TAHR_DATA_DIR", "data")
    parser.add_argument("--data", default=os.path.join(folder, "california_housing.npz"))
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(3)
    table, price = load(options.data)
    order = np.random.default_rng(3).permutation(len(price))
    train, test = order[4000:], order[:4000]
    table_test = columns_of(table, test)

    space = feature_space()
    space.adapt(columns_of(table, train), verbose=0)
    x = keras.layers.Dense(64, activation="relu")(space.get_encoded_features())
    x = keras.layers.Dense(32, activation="relu")(x)
    model = keras.Model(space.get_inputs(), keras.layers.Dense(1)(x))
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(columns_of(table, train), price[train], batch_size=128, epochs=options.epochs, verbose=2)

    mse, mae = model.evaluate(table_test, price[test], verbose=0)
    mean = float(np.abs(price[test] - np.median(price[train])).mean())
    print(f"mean absolute error {mae:.3f} (always the median price: {mean:.3f})")
    os.makedirs(options.output, exist_ok=True)
    path = os.path.join(options.output, "housing.keras")
    model.save(path)
    again = keras.models.load_model(path).predict(table_test, verbose=0)
    return {"mse": mse, "mae": mae, "median_mae": mean, "predictions": again[:, 0], "prices": price[test]}


if __name__ == "__main__":
    main()
