"""A network on Fashion-MNIST in 32, 8 and 4 bits: accuracy, size of the file, time of a prediction.

The network learns in float32 and is saved. Loaded again and quantized, its kernels take a quarter or an eighth of the
space; accuracy changes by a few pictures in a thousand. Mode "int8" rounds the inputs of each layer to integers, too, so
that products are those of integers; "int4" leaves them as they are, with a scale for every 128 weights of an output.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from tahr import keras


def build() -> keras.Sequential:
    """784 pixels, 300 and 100 units, 10 classes."""
    return keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def measure(model: Any, x: np.ndarray, y: np.ndarray, path: str) -> dict[str, float]:
    """Accuracy, bytes of the saved file, and seconds of the quickest of ten predictions for all of `x`."""
    model.save(path)
    guesses = model.predict(x, batch_size=500, verbose=0).argmax(axis=1)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        model.predict(x, batch_size=500, verbose=0)
        times.append(time.perf_counter() - start)
    return {"accuracy": float((guesses == y).mean()), "bytes": os.path.getsize(path), "seconds": min(times)}


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--samples", type=int, help="train on so many pictures only")
    parser.add_argument("--output", default="demo-output", help="directory for the files of the models")
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(7)
    (x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    x_train = (x_train[: options.samples].reshape(-1, 784) / 255.0).astype("float32")
    x_test = (x_test.reshape(-1, 784) / 255.0).astype("float32")

    model = build()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train[: options.samples], batch_size=128, epochs=options.epochs, verbose=2)

    os.makedirs(options.output, exist_ok=True)
    plain = os.path.join(options.output, "mlp_float32.keras")
    model.save(plain)
    rows = {}
    for mode in ("float32", "int8", "int4"):
        model = keras.models.load_model(plain, compile=False)
        if mode != "float32":
            model.quantize(mode)
        rows[mode] = measure(model, x_test, y_test, os.path.join(options.output, f"mlp_{mode}.keras"))

    print(f"{'':8} {'accuracy':>9} {'file':>10} {'10,000 predictions':>19}")
    for mode, row in rows.items():
        print(f"{mode:8} {row['accuracy']:9.4f} {row['bytes'] / 1000:7.0f} kB {1000 * row['seconds']:16.1f} ms")
    return rows


if __name__ == "__main__":
    main()
