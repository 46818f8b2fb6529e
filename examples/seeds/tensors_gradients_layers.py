"""Tensors and variables, graphs in place of sessions, gradients, a linear classifier, a layer of one's own, compile and fit.

The classifier separates two clouds of points; the picture shows them and the line it found.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import common
import matplotlib.pyplot as plt
import numpy as np
import tahr as tf
from tahr import keras
from tahr.keras import layers, models


def tensors() -> None:
    """Constants cannot be changed, variables can."""
    x = tf.ones(shape=(2, 1))
    print(x)
    x = tf.zeros(shape=(2, 1))
    print(x)
    x = tf.random.normal(shape=(3, 1), mean=0.0, stddev=1.0)
    print(x)

    x = np.ones(shape=(2, 2))
    x[0, 0] = 0.0
    constant = tf.ones(shape=(2, 2))
    try:
        constant[0, 0] = 0.0  # type: ignore[index]
    except TypeError as error:
        print("a tensor is constant:", error)

    v = tf.Variable(initial_value=tf.random.normal(shape=(3, 1)))
    print(v)
    v.assign(tf.ones((3, 1)))
    v[0, 0].assign(3.0)
    v.assign_add(tf.ones((3, 1)))
    v.assign_sub(tf.ones((3, 1)))
    print(v)

    a = tf.ones((2, 2))
    b = tf.square(a)
    c = tf.sqrt(a)
    d = b + c
    e = tf.matmul(a, b)
    e *= d
    print(e)


def graphs() -> float:
    """At once, as usual; and as a graph, which `tf.Session` ran once and `tf.function` runs today.

    In the graph mode of TensorFlow 1 a program first described a computation, then had a session run it. A function
    under `tf.function` is described once, when it is first called, by running it on symbolic tensors; calling it again
    runs the graph, without Python. Variables have their values as soon as they exist: nothing needs initializing.
    """
    x = tf.Variable(3.0)
    x.assign(4.0)

    x = tf.Variable(3.0)

    @tf.function
    def assign_and_read() -> Any:
        x.assign(4.0)
        return x + 0.0

    value = float(assign_and_read())
    print("the graph gives", value)
    print(assign_and_read.get_concrete_function().text())
    for name in ("Session", "global_variables_initializer"):
        try:
            getattr(tf, name)
        except AttributeError as error:
            print(error)
    return value


def gradients() -> tuple[float, float, float]:
    """Of a variable, of a constant that is watched, and of a gradient."""
    input_var = tf.Variable(initial_value=3.0)
    with tf.GradientTape() as tape:
        result = tf.square(input_var)
    gradient = tape.gradient(result, input_var)

    input_const = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(input_const)
        result = tf.square(input_const)
    of_constant = tape.gradient(result, input_const)

    time = tf.Variable(0.0)
    with tf.GradientTape() as outer_tape:
        with tf.GradientTape() as inner_tape:
            position = 4.9 * time**2
        speed = inner_tape.gradient(position, time)
    acceleration = outer_tape.gradient(speed, time)
    print("gradients:", float(gradient), float(of_constant), "acceleration:", float(acceleration))
    return float(gradient), float(of_constant), float(acceleration)


def two_clouds() -> tuple[np.ndarray, np.ndarray]:
    """2,000 points around two centres, and 0 or 1 for each."""
    num_samples_per_class = 1000
    negative_samples = np.random.multivariate_normal(mean=[0, 3], cov=[[1, 0.5], [0.5, 1]], size=num_samples_per_class)
    positive_samples = np.random.multivariate_normal(mean=[3, 0], cov=[[1, 0.5], [0.5, 1]], size=num_samples_per_class)
    inputs = np.vstack((negative_samples, positive_samples)).astype(np.float32)
    targets = np.vstack(
        (
            np.zeros((num_samples_per_class, 1), dtype="float32"),
            np.ones((num_samples_per_class, 1), dtype="float32"),
        )
    )
    return inputs, targets


def linear_classifier(inputs: np.ndarray, targets: np.ndarray, path: str) -> tuple[float, float]:
    """Weights and a bias, moved against their gradients 40 times; the final loss and accuracy."""
    input_dim = 2
    output_dim = 1
    W = tf.Variable(initial_value=tf.random.uniform(shape=(input_dim, output_dim)))
    b = tf.Variable(initial_value=tf.zeros(shape=(output_dim,)))

    def model(inputs: Any) -> Any:
        return tf.matmul(inputs, W) + b

    def square_loss(targets: Any, predictions: Any) -> Any:
        per_sample_losses = tf.square(targets - predictions)
        return tf.reduce_mean(per_sample_losses)

    learning_rate = 0.1

    def training_step(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            predictions = model(inputs)
            loss = square_loss(targets, predictions)
        grad_loss_wrt_W, grad_loss_wrt_b = tape.gradient(loss, [W, b])
        W.assign_sub(grad_loss_wrt_W * learning_rate)
        b.assign_sub(grad_loss_wrt_b * learning_rate)
        return loss

    for step in range(40):
        loss = training_step(inputs, targets)
        print(f"loss after step {step}: {loss:.4f}")

    predictions = model(inputs).numpy()
    x = np.linspace(-1, 4, 100)
    y = -W[0] / W[1] * x + (0.5 - b) / W[1]
    plt.plot(x, y, "-r")
    plt.scatter(inputs[:, 0], inputs[:, 1], c=predictions[:, 0] > 0.5)
    plt.savefig(path)
    plt.close()
    return float(loss), float(np.mean((predictions > 0.5) == targets))


class SimpleDense(keras.layers.Layer):
    """A dense layer written out: weights in `build`, computation in `call`."""

    def __init__(self, units: int, activation: Any = None) -> None:
        super().__init__()
        self.units = units
        self.activation = activation

    def build(self, input_shape: Any) -> None:
        input_dim = input_shape[-1]
        self.W = self.add_weight(shape=(input_dim, self.units), initializer="random_normal")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        y = tf.matmul(inputs, self.W) + self.b
        if self.activation is not None:
            y = self.activation(y)
        return y


def layers_and_models() -> tuple[int, ...]:
    """The layer on its own, in a model, and the ways to configure training."""
    my_dense = SimpleDense(units=32, activation=tf.nn.relu)
    input_tensor = tf.ones(shape=(2, 784))
    output_tensor = my_dense(input_tensor)
    print(output_tensor.shape)

    model = models.Sequential([layers.Dense(32, activation="relu"), layers.Dense(32)])
    print(model(tf.ones((1, 5))).shape)
    model = keras.Sequential([SimpleDense(512, activation=tf.nn.relu), SimpleDense(10, activation=tf.nn.softmax)])
    print(model(input_tensor).shape)

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="rmsprop", loss="mean_squared_error", metrics=["accuracy"])
    model.compile(
        optimizer=keras.optimizers.RMSprop(),
        loss=keras.losses.MeanSquaredError(),
        metrics=[keras.metrics.BinaryAccuracy()],
    )
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=1e-4),
        loss=keras.losses.MeanSquaredError(),
        metrics=[keras.metrics.BinaryAccuracy()],
    )
    return tuple(output_tensor.shape)


def fit(inputs: np.ndarray, targets: np.ndarray, epochs: int) -> tuple[float, float]:
    """Training with validation, evaluation, and predictions."""
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=0.1),
        loss=keras.losses.MeanSquaredError(),
        metrics=[keras.metrics.BinaryAccuracy()],
    )
    history = model.fit(inputs, targets, epochs=epochs, batch_size=128, verbose=0)
    print(history.history)

    indices_permutation = np.random.permutation(len(inputs))
    shuffled_inputs = inputs[indices_permutation]
    shuffled_targets = targets[indices_permutation]
    num_validation_samples = int(0.3 * len(inputs))
    val_inputs = shuffled_inputs[:num_validation_samples]
    val_targets = shuffled_targets[:num_validation_samples]
    training_inputs = shuffled_inputs[num_validation_samples:]
    training_targets = shuffled_targets[num_validation_samples:]
    model.fit(
        training_inputs, training_targets, epochs=epochs, batch_size=16, validation_data=(val_inputs, val_targets)
    )
    loss_and_metrics = model.evaluate(val_inputs, val_targets, batch_size=128)
    predictions = model.predict(val_inputs, batch_size=128)
    print(predictions[:10])
    return tuple(loss_and_metrics)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    given = common.options(__doc__, arguments)
    keras.utils.set_random_seed(3)
    tensors()
    results: dict[str, Any] = {"graph": graphs(), "gradients": gradients()}
    inputs, targets = two_clouds()
    results["classifier"] = linear_classifier(inputs, targets, os.path.join(given.output, "seeds_clouds.png"))
    results["layer"] = layers_and_models()
    results["fit"] = fit(inputs, targets, common.at_most(5, given.epochs))
    return results


if __name__ == "__main__":
    main()
