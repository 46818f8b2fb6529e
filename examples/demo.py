"""Trains a network with two hidden layers on pictures and draws what it learned. This is what `make demo` runs.

The pictures are Fashion-MNIST where it can be had, otherwise the handwritten digits that scikit-learn ships.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import tahr as tf
from tahr import keras

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of how to draw)

CLOTHES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def load_pictures() -> tuple[str, Any, Any, list[str]]:
    """Name of the data, `(x, y)` for training, `(x, y)` for testing, names of the classes; pixels from 0 to 1."""
    try:
        train, test = keras.datasets.fashion_mnist.load_data()
        return "Fashion-MNIST", (train[0] / 255.0, train[1]), (test[0] / 255.0, test[1]), CLOTHES
    except OSError as error:
        print(f"Fashion-MNIST is not to be had:\n{error}\nUsing the digits of scikit-learn in its place.\n")
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = digits.images / 16.0, digits.target
    cut = len(x) * 4 // 5
    return "digits of scikit-learn", (x[:cut], y[:cut]), (x[cut:], y[cut:]), [str(i) for i in range(10)]


def draw(history: dict[str, list[float]], x: Any, y: Any, proba: Any, names: list[str], path: str) -> None:
    """Draws the curves of the training and some pictures with what the network takes them for."""
    figure = plt.figure(figsize=(12, 6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.2])
    for axis, key in zip(left.subplots(2, 1, sharex=True), ("loss", "accuracy")):
        epochs = range(1, len(history[key]) + 1)
        axis.plot(epochs, history[key], marker="o", label="training")
        axis.plot(epochs, history[f"val_{key}"], marker="o", label="validation")
        axis.set_ylabel(key)
        axis.grid(True)
        axis.legend()
    axis.set_xlabel("epoch")
    for axis, picture, label, chances in zip(right.subplots(3, 5).flat, x, y, proba):
        guess = int(np.argmax(chances))
        axis.imshow(picture, cmap="gray_r")
        axis.set_title(f"{names[guess]} {chances[guess]:.0%}", color="green" if guess == label else "red", fontsize=9)
        axis.axis("off")
    right.suptitle("predictions (red: wrong)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--epochs", type=int, help="passes over the data (default: 5 for Fashion-MNIST, 30 for the digits)"
    )
    parser.add_argument("--samples", type=int, help="train on so many pictures only")
    parser.add_argument("--output", default="demo-output", help="directory for the picture")
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(42)
    source, (x, y), (x_test, y_test), names = load_pictures()
    x, y = x[: options.samples], y[: options.samples]
    held_out = len(x) // 12
    print(
        f"tahr {tf.__version__} learns {source}: {len(x) - held_out} pictures of {x.shape[1]} x {x.shape[2]} pixels.\n"
    )

    model = keras.models.Sequential(
        [
            keras.layers.Flatten(input_shape=x.shape[1:]),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    epochs = options.epochs or (5 if source == "Fashion-MNIST" else 30)
    history = model.fit(x[held_out:], y[held_out:], epochs=epochs, validation_data=(x[:held_out], y[:held_out]))
    seconds = time.perf_counter() - start
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"\nTest accuracy {accuracy:.4f} (loss {loss:.4f}) after {epochs} epochs in {seconds:.1f} s.")

    os.makedirs(options.output, exist_ok=True)
    path = os.path.join(options.output, "demo.png")
    proba = model.predict(x_test[:15], verbose=0)
    draw(history.history, x_test, y_test, proba, names, path)
    print(f"The curves and some predictions are in {path}.")
    return {"source": source, "accuracy": accuracy, "history": history.history, "picture": path}


if __name__ == "__main__":
    main()
