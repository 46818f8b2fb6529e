"""The networks of the documents, trained step by step beside a float64 NumPy implementation of the same mathematics.

Same initial weights, same batches: the losses of the first 100 steps agree to 1e-4 relative. float32 loses about
sqrt(784) * 2^-24 per activation and the differences grow with the steps; 1e-4 is the project's promise.
"""

import numpy as np
import pytest
from tahr import keras


class Reference:
    """A multilayer perceptron with softmax cross-entropy and plain SGD, in float64."""

    def __init__(self, weights, activation):
        self.weights = [w.astype(np.float64) for w in weights]
        self.activation = activation

    def step(self, x, labels, rate=0.01):
        inputs, h = [], x.astype(np.float64)
        for i in range(0, len(self.weights), 2):
            inputs.append(h)
            z = h @ self.weights[i] + self.weights[i + 1]
            last = i + 2 == len(self.weights)
            h = z if last else 1 / (1 + np.exp(-z)) if self.activation == "sigmoid" else np.maximum(z, 0)
        shifted = h - h.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        loss = -log_p[rows, labels].mean()
        d = np.exp(log_p)
        d[rows, labels] -= 1
        d /= len(labels)
        for i in range(len(self.weights) - 2, -1, -2):
            a = inputs[i // 2]
            dw, db, da = a.T @ d, d.sum(axis=0), d @ self.weights[i].T
            self.weights[i] = self.weights[i] - rate * dw
            self.weights[i + 1] = self.weights[i + 1] - rate * db
            d = da * (a * (1 - a) if self.activation == "sigmoid" else a > 0) if i else None
        return loss


@pytest.mark.parametrize(
    ("widths", "activation", "loss"),
    [
        ((100,), "sigmoid", "categorical_crossentropy"),
        ((300, 100), "relu", "sparse_categorical_crossentropy"),
    ],
)
def test_losses_of_the_first_100_steps(widths, activation, loss):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Dense(widths[0], activation=activation, input_shape=(784,))])
    for w in widths[1:]:
        model.add(keras.layers.Dense(w, activation=activation))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(optimizer="sgd", loss=loss, metrics=["accuracy"])
    reference = Reference(model.get_weights(), activation)

    rng = np.random.default_rng(0)
    prototypes = rng.uniform(0, 1, (10, 784))
    for step in range(100):
        labels = rng.integers(0, 10, 32)
        x = np.clip(prototypes[labels] + rng.normal(0, 0.3, (32, 784)), 0, 1).astype("float32")
        y = keras.utils.to_categorical(labels, 10) if loss.startswith("categorical") else labels
        model.reset_metrics()
        ours = model.train_on_batch(x, y)[0]
        expected = reference.step(x, labels)
        assert ours == pytest.approx(expected, rel=1e-4), f"step {step}"
    for ours, expected in zip(model.get_weights(), reference.weights):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)
