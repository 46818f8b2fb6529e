"""A straight line through noisy points: gradients by hand with GradientTape, then the same as a model of one unit."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import tahr as tf


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args(arguments)

    tf.keras.utils.set_random_seed(42)
    rng = np.random.default_rng(42)
    x_train = rng.uniform(-1, 1, 200).astype("float32")
    y_train = (3 * x_train + 2 + rng.normal(0, 0.1, 200)).astype("float32")  # slope 3, intercept 2

    # The variables to be trained.
    w = tf.Variable(tf.zeros(shape=(1)))
    b = tf.Variable(tf.zeros(shape=(1)))
    optimizer = tf.optimizers.SGD(lr=0.1)
    for step in range(options.epochs):
        # The tape records what is computed, so that it can be differentiated.
        with tf.GradientTape() as tape:
            z_net = w * x_train + b
            z_net = tf.reshape(z_net, [-1])
            sqr_errors = tf.square(y_train - z_net)
            mean_cost = tf.reduce_mean(sqr_errors)
        grads = tape.gradient(mean_cost, [w, b])
        optimizer.apply_gradients(zip(grads, [w, b]))
        if step % 20 == 0:
            print(f"step {step}: mean squared error {float(mean_cost):.4f}")
    slope, intercept = float(w.numpy()[0]), float(b.numpy()[0])
    print(f"with GradientTape: y = {slope:.3f} x + {intercept:.3f}")

    # The same with Keras.
    model = tf.keras.models.Sequential()
    model.add(tf.keras.layers.Dense(1))
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x_train.reshape(-1, 1), y_train, epochs=options.epochs // 2, verbose=0)
    kernel, bias = model.get_weights()
    print(f"with Keras:        y = {kernel[0, 0]:.3f} x + {bias[0]:.3f}")
    return {"w": slope, "b": intercept, "kernel": float(kernel[0, 0]), "bias": float(bias[0])}


if __name__ == "__main__":
    main()
