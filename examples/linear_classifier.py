"""From tensors to a trained model: variables, gradients, a linear classifier, a layer of one's own, `fit`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import tahr as tf
from tahr import keras

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of how to draw)


def tensors_and_variables() -> None:
    """Tensors never change; variables do."""
    print(tf.ones(shape=(2, 1)))
    print(tf.zeros(shape=(2, 1)))
    print(tf.random.normal(shape=(3, 1), mean=0.0, stddev=1.0))
    v = tf.Variable(initial_value=tf.random.normal(shape=(3, 1)))
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


def derivatives() -> tuple[float, float, float]:
    """d(x^2)/dx at 3 of a variable and of a watched constant; the acceleration of a falling body."""
    input_var = tf.Variable(initial_value=3.0)
    with tf.GradientTape() as tape:
        result = tf.square(input_var)
    of_variable = tape.gradient(result, input_var)

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
    return float(of_variable), float(of_constant), float(acceleration)


class SimpleDense(keras.layers.Layer):
    """A dense layer, written out."""

    def __init__(self, units: int, activation: Any = None):
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


def two_clouds(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (2 * samples, 2) of two classes, and their labels (2 * samples, 1)."""
    rng = np.random.default_rng(42)
    cov = [[1, 0.5], [0.5, 1]]
    negative = rng.multivariate_normal(mean=[0, 3], cov=cov, size=samples)
    positive = rng.multivariate_normal(mean=[3, 0], cov=cov, size=samples)
    inputs = np.vstack((negative, positive)).astype(np.float32)
    targets = np.vstack((np.zeros((samples, 1), dtype="float32"), np.ones((samples, 1), dtype="float32")))
    return inputs, targets


def train_linear_classifier(inputs: np.ndarray, targets: np.ndarray, steps: int) -> tuple[Any, Any, list[float]]:
    """Weights, bias, and the loss of each step of a linear classifier trained on all points at once."""
    weights = tf.Variable(initial_value=tf.random.uniform(shape=(2, 1)))
    bias = tf.Variable(initial_value=tf.zeros(shape=(1,)))
    learning_rate = 0.1

    def model(points: Any) -> Any:
        return tf.matmul(points, weights) + bias

    def square_loss(labels: Any, predictions: Any) -> Any:
        return tf.reduce_mean(tf.square(labels - predictions))

    def training_step(points: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = square_loss(labels, model(points))
        grad_weights, grad_bias = tape.gradient(loss, [weights, bias])
        weights.assign_sub(grad_weights * learning_rate)
        bias.assign_sub(grad_bias * learning_rate)
        return loss

    losses = []
    for step in range(steps):
        losses.append(float(training_step(inputs, targets)))
        print(f"loss of step {step}: {losses[-1]:.4f}")
    return weights, bias, losses


def draw(inputs: np.ndarray, predictions: np.ndarray, weights: Any, bias: Any, path: str) -> None:
    """Draws the points, coloured by their predicted class, and the line that separates the classes."""
    w, b = weights.numpy(), float(bias.numpy()[0])
    x = np.linspace(-1, 4, 100)
    plt.figure()
    plt.plot(x, -w[0] / w[1] * x + (0.5 - b) / w[1], "-r")
    plt.scatter(inputs[:, 0], inputs[:, 1], c=predictions[:, 0] > 0.5)
    plt.savefig(path)
    plt.close()


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--output", default="demo-output", help="directory for the picture")
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(42)
    tensors_and_variables()
    gradients = derivatives()
    print("derivatives:", gradients)

    inputs, targets = two_clouds(1000)
    weights, bias, losses = train_linear_classifier(inputs, targets, options.steps)
    predictions = (tf.matmul(inputs, weights) + bias).numpy()
    accuracy = float(((predictions > 0.5) == (targets > 0.5)).mean())
    print(f"accuracy {accuracy:.4f}")
    os.makedirs(options.output, exist_ok=True)
    draw(inputs, predictions, weights, bias, os.path.join(options.output, "linear_classifier.png"))

    my_dense = SimpleDense(units=32, activation=tf.nn.relu)
    output_tensor = my_dense(tf.ones(shape=(2, 784)))
    print(output_tensor.shape)

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=0.1),
        loss=keras.losses.MeanSquaredError(),
        metrics=[keras.metrics.BinaryAccuracy()],
    )
    order = np.random.permutation(len(inputs))
    held_out = int(0.3 * len(inputs))
    val, train = order[:held_out], order[held_out:]
    history = model.fit(
        inputs[train], targets[train], epochs=5, batch_size=16, validation_data=(inputs[val], targets[val])
    )
    print(model.evaluate(inputs[val], targets[val], batch_size=128))
    print(model.predict(inputs[val], batch_size=128)[:10])
    return {
        "gradients": gradients,
        "losses": losses,
        "accuracy": accuracy,
        "shape": tuple(output_tensor.shape),
        "history": history.history,
    }


if __name__ == "__main__":
    main()
