"""A straight line by gradient descent, the same line by Keras, and 100 sigmoid units on Fashion-MNIST.

The network learns 48,000 pictures for 40 epochs; about 86 of 100 of the 12,000 others are named correctly.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import common
import numpy as np
import tahr as tf
from tahr.keras import Sequential
from tahr.keras.layers import Dense


def line_with_a_tape(x_train: np.ndarray, y_train: np.ndarray) -> tuple[float, float]:
    """y = w * x + b, the gradient taken and applied by hand."""
    w = tf.Variable(tf.zeros(shape=(1)))
    b = tf.Variable(tf.zeros(shape=(1)))
    optimizer = tf.optimizers.SGD(lr=0.01)
    num_epochs = 10
    for step in range(num_epochs):
        with tf.GradientTape() as tape:
            z_net = w * x_train + b
            z_net = tf.reshape(z_net, [-1])
            sqr_errors = tf.square(y_train - z_net)
            mean_cost = tf.reduce_mean(sqr_errors)
        grads = tape.gradient(mean_cost, [w, b])
        optimizer.apply_gradients(zip(grads, [w, b]))
        print(f"step {step}: mean squared error {float(mean_cost):.4f}")
    return float(w[0]), float(b[0])


def line_with_keras(x_train: np.ndarray, y_train: np.ndarray) -> Any:
    """The same model as one Dense layer."""
    model = tf.keras.models.Sequential()
    model.add(tf.keras.layers.Dense(1))
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x_train, y_train, epochs=10, verbose=0)
    return model


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    given = common.options(__doc__, arguments)
    tf.keras.utils.set_random_seed(42)
    rng = np.random.default_rng(1)
    x_line = rng.normal(size=100).astype("float32")
    y_line = 3 * x_line + 1 + 0.1 * rng.normal(size=100).astype("float32")
    w, b = line_with_a_tape(x_line, y_line)
    print(f"by hand: y = {w:.2f} x + {b:.2f} after 10 steps, on the way to y = 3 x + 1")
    line = line_with_keras(x_line[:, np.newaxis], y_line)
    print(f"by Keras: mean squared error {line.evaluate(x_line[:, np.newaxis], y_line, verbose=0):.4f}")

    # Two ways to stack layers, and what Dense takes.
    model = Sequential([Dense(units=100, activation="sigmoid"), Dense(10)])
    dense = Dense(10)
    model = Sequential()
    model.add(dense)

    (x_all, y_all), _ = tf.keras.datasets.fashion_mnist.load_data()
    x_all = x_all.reshape(-1, 784) / 255
    if given.samples:
        x_all, y_all = x_all[: given.samples], y_all[: given.samples]
    cut = len(x_all) * 4 // 5
    x_train, x_val = x_all[:cut], x_all[cut:]
    y_encoded = tf.keras.utils.to_categorical(y_all)
    y_train_encoded, y_val_encoded = y_encoded[:cut], y_encoded[cut:]

    model = Sequential()
    model.add(Dense(100, activation="sigmoid", input_shape=(784,)))
    model.add(Dense(10, activation="softmax"))
    model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x_train,
        y_train_encoded,
        epochs=common.at_most(40, given.epochs),
        validation_data=(x_val, y_val_encoded),
        verbose=2,
    )
    print(history.history.keys())
    common.curves(history.history, ["loss", "val_loss"], os.path.join(given.output, "seeds_dense_loss.png"), "loss")
    accuracy_path = os.path.join(given.output, "seeds_dense_accuracy.png")
    common.curves(history.history, ["accuracy", "val_accuracy"], accuracy_path, "accuracy")

    loss, accuracy = model.evaluate(x_val, y_val_encoded, verbose=0)
    print(accuracy)
    answers = model.predict(x_val[:5], verbose=0)
    print(np.argmax(answers, axis=1), y_all[cut : cut + 5])
    return {"accuracy": accuracy, "loss": loss, "history": history.history, "line": (w, b)}


if __name__ == "__main__":
    main()
