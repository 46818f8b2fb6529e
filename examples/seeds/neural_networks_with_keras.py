"""From logistic regression to networks: Sequential and functional models, callbacks, and the special layers.

Without a hidden layer a network is a logistic regression; one hidden layer makes it a network. Both learn Fashion-MNIST
here, with one-hot targets, first as Sequential, then the same as a functional model, watched by callbacks. At the end each
special layer of the notes is applied to a few numbers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import common
import numpy as np
from tahr import keras
from tahr.keras import layers


def logistic_regression() -> keras.Sequential:
    """No hidden layer: a linear map and a softmax."""
    model = keras.Sequential()
    model.add(keras.Input((784,)))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def sequential() -> keras.Sequential:
    """Layers put one on the other by `add`."""
    model = keras.Sequential()
    model.add(layers.Dense(128, activation="relu", input_shape=(784,)))
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(64, activation="tanh"))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def functional() -> keras.Model:
    """The same network, each layer called on what goes into it."""
    inputs = keras.Input(shape=(784,))
    x = layers.Dense(128, activation="relu")(inputs)
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(64, activation="tanh")(x)
    outputs = layers.Dense(10, activation="softmax")(x)
    return keras.Model(inputs=inputs, outputs=outputs)


def callbacks(folder: str) -> list[keras.callbacks.Callback]:
    """The callbacks of the notes."""
    found = [
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_lr=1e-5),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.95),
        keras.callbacks.ModelCheckpoint(os.path.join(folder, "seeds_best.keras"), save_best_only=True),
    ]
    try:
        import tensorboard  # noqa: F401 (asked for, to know whether it is there)
    except ImportError:
        print("TensorBoard is not installed: this run writes no event files.")
    else:
        found.append(keras.callbacks.TensorBoard(log_dir=os.path.join(folder, "seeds_logs")))
    return found


def special_layers() -> dict[str, tuple[int, ...]]:
    """Each special layer of the notes on a small input; the shapes that come out."""
    rng = np.random.default_rng(0)
    table, series = rng.normal(size=(4, 6)).astype("float32"), rng.normal(size=(2, 8, 3)).astype("float32")
    pictures = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    cases = {
        "Dropout": (layers.Dropout(0.5), table),
        "BatchNormalization": (layers.BatchNormalization(), table),
        "LayerNormalization": (layers.LayerNormalization(), table),
        "MaxPooling2D": (layers.MaxPooling2D(2), pictures),
        "AveragePooling2D": (layers.AveragePooling2D(2), pictures),
        "Embedding": (layers.Embedding(10, 4), np.array([[1, 2, 3]])),
        "Conv1D": (layers.Conv1D(5, 3), series),
        "Conv2D": (layers.Conv2D(5, 3, padding="same"), pictures),
        "LSTM": (layers.LSTM(5), series),
        "GRU": (layers.GRU(5, return_sequences=True), series),
    }
    shapes = {}
    for name, (layer, x) in cases.items():
        shapes[name] = tuple(layer(x).shape)
        print(f"{name:20} {x.shape!s:14} -> {shapes[name]}")
    return shapes


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    given = common.options(__doc__, arguments)
    keras.utils.set_random_seed(0)
    (x_train, labels), (x_test, test_labels) = keras.datasets.fashion_mnist.load_data()
    x_train, x_test = x_train.reshape(-1, 784) / 255, x_test.reshape(-1, 784) / 255
    x_train, labels = x_train[: given.samples], labels[: given.samples]
    y_train, y_test = keras.utils.to_categorical(labels, 10), keras.utils.to_categorical(test_labels, 10)

    accuracies = {}
    for name, model in (
        ("logistic regression", logistic_regression()),
        ("sequential", sequential()),
        ("functional", functional()),
    ):
        print(f"\n{name}")
        model.summary()
        model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(
            x_train,
            y_train,
            batch_size=128,
            epochs=common.at_most(15, given.epochs),
            validation_split=0.2,
            callbacks=callbacks(given.output),
            verbose=2,
        )
        accuracies[name] = model.evaluate(x_test, y_test, batch_size=256, verbose=0)[1]
        print(f"{name}: test accuracy {accuracies[name]:.4f} after {len(history.epoch)} epochs")
        path = os.path.join(given.output, f"seeds_{name.replace(' ', '_')}.png")
        common.curves(history.history, ["accuracy", "val_accuracy"], path, "accuracy")

    best = keras.models.load_model(os.path.join(given.output, "seeds_best.keras"))
    print(f"the best functional model, loaded: {best.evaluate(x_test, y_test, batch_size=256, verbose=0)[1]:.4f}")
    print()
    return {"accuracies": accuracies, "shapes": special_layers()}


if __name__ == "__main__":
    main()
