"""A training loop of one's own on Fashion-MNIST: a step with GradientTape, first op by op, then as a traced function.

The step is the same Python function. `tahr.function` runs it once to record a graph and from then on runs the graph; the
script trains with both, compares the losses, and prints how long a step took each way and what the graph holds.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tahr as tf
from tahr import keras


def make_step(model: Any, optimizer: Any, loss: Any, metric: Any) -> Callable[[Any, Any], Any]:
    """One step of training: from pictures and labels to the loss of the batch."""

    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            predictions = model(images, training=True)
            value = loss(labels, predictions)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        metric.update_state(labels, predictions)
        return value

    return step


def train(images: Any, labels: Any, epochs: int, traced: bool) -> dict[str, Any]:
    """Trains a network with two hidden layers; returns the losses of all steps, the accuracy and the time of a step."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(10),
        ]
    )
    metric = keras.metrics.SparseCategoricalAccuracy()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    step = make_step(model, keras.optimizers.Adam(0.001), loss, metric)
    if traced:
        step = tf.function(step)
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(4096, seed=1).batch(64, drop_remainder=True)
    losses: list[Any] = []
    seconds = 0.0
    for _ in range(epochs):
        metric.reset_state()
        for batch in batches:
            begin = time.perf_counter()
            losses.append(step(*batch))
            seconds += time.perf_counter() - begin
    result = {
        "losses": np.array([float(v) for v in losses]),
        "accuracy": float(metric.result()),
        "microseconds": seconds / len(losses) * 1e6,
    }
    if traced:
        result["graph"] = step.get_concrete_function(*batch).graph.text()
    return result


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=60_000, help="use so many pictures")
    parser.add_argument("--output", default="demo-output", help="directory for the graph")
    options = parser.parse_args(arguments)

    (images, labels), _ = keras.datasets.fashion_mnist.load_data()
    images = (images[: options.samples] / 255).astype("float32")
    labels = labels[: options.samples].astype("int32")
    eager = train(images, labels, options.epochs, traced=False)
    traced = train(images, labels, options.epochs, traced=True)
    for name, result in (("op by op", eager), ("traced", traced)):
        print(f"{name}: {result['microseconds']:.0f} us a step, accuracy {result['accuracy']:.4f}")
    difference = float(np.max(np.abs(eager["losses"] - traced["losses"])))
    print(f"largest difference between the losses of a step: {difference:.2e}")
    os.makedirs(options.output, exist_ok=True)
    path = os.path.join(options.output, "custom_training_loop_graph.txt")
    with open(path, "w") as file:
        file.write(traced["graph"])
    print(f"graph: {path}")
    return {"difference": difference, "accuracy": traced["accuracy"], "graph": path}


if __name__ == "__main__":
    main()
