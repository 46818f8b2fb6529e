"""RematScope and remat: the same bits, and memory for the inputs of layers in place of all that gradients read."""

import contextlib
import gc
import re

import numpy as np
import pytest
import tahr
from tahr import keras

KB = 1024
ROWS, WIDTH, DEPTH = 512, 128, 12
ACTIVATION = ROWS * WIDTH * 4  # bytes
KERNEL = WIDTH * WIDTH * 4


class Block(keras.layers.Layer):
    """Six things that a gradient wants to read, noise, and statistics that are written."""

    def __init__(self):
        super().__init__()
        self.norm = keras.layers.LayerNormalization()
        self.dense = keras.layers.Dense(WIDTH, activation="gelu")
        self.dropout = keras.layers.Dropout(0.2, seed=3)
        self.batch = keras.layers.BatchNormalization()

    def build(self, shape):
        for layer in (self.norm, self.dense, self.batch):
            layer.build(shape)

    def call(self, x, training=None):
        h = self.dropout(self.dense(self.norm(x)), training=training)
        return x + self.batch(h, training=training)


def scope(mode):
    return contextlib.nullcontext() if mode is None else keras.RematScope(mode)


def blocks(mode):
    keras.utils.set_random_seed(1)
    with scope(mode):
        layers = [Block() for _ in range(DEPTH)]
    for layer in layers:
        layer.build((None, WIDTH))
    return layers


def data():
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype("float32")


def gradients(layers, x):
    weights = [w for layer in layers for w in layer.trainable_variables]
    with tahr.GradientTape() as tape:
        h = tahr.constant(x)
        for layer in layers:
            h = layer(h, training=True)
        loss = tahr.reduce_sum(h * h)
    return tape.gradient(loss, weights)


def test_same_bits_and_less_memory_op_by_op():
    results, peaks = {}, {}
    for mode in (None, "full"):
        layers = blocks(mode)
        gc.collect()
        tahr.config.reset_peak_memory()
        before = tahr.config.memory_stats()["live"]
        grads = gradients(layers, data())
        peaks[mode] = tahr.config.memory_stats()["peak"] - before
        statistics = [w.numpy() for layer in layers for w in layer.non_trainable_variables]
        results[mode] = [g.numpy() for g in grads] + statistics
    for a, b in zip(results[None], results["full"]):
        np.testing.assert_array_equal(a, b)
    # Kept: an input per block. Besides: gradients of the kernels, and what one block needs to run forward and backward.
    bound = DEPTH * (ACTIVATION + KERNEL) + 14 * ACTIVATION
    assert peaks["full"] <= bound < 4 * DEPTH * ACTIVATION <= peaks[None]


def arena(layers, x):
    traced = tahr.function(lambda v: gradients(layers, v))
    grads = traced(tahr.constant(x))
    text = traced.get_concrete_function(tahr.constant(x)).text()
    return [g.numpy() for g in grads], int(re.search(r"memory: (\d+) bytes in one arena", text)[1])


def test_same_bits_and_less_memory_in_a_graph():
    (plain, all_kept), (again, little_kept) = (arena(blocks(mode), data()) for mode in (None, "full"))
    for a, b in zip(plain, again):
        np.testing.assert_array_equal(a, b)
    assert little_kept <= (DEPTH + 10) * ACTIVATION < 3 * DEPTH * ACTIVATION <= all_kept


def test_fit_takes_the_same_path():
    def losses(mode, **how):
        keras.utils.set_random_seed(2)
        with scope(mode):
            model = keras.Sequential(
                [
                    keras.Input((8, 8, 3)),
                    keras.layers.Conv2D(8, 3, activation="relu"),
                    keras.layers.BatchNormalization(),
                    keras.layers.Conv2D(8, 3, activation="gelu"),
                    keras.layers.Dropout(0.3),
                    keras.layers.Flatten(),
                    keras.layers.Dense(4),
                ]
            )
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **how)
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(64, 8, 8, 3)).astype("float32"), rng.integers(0, 4, 64)
        return model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]

    expected = losses(None)
    for mode in ("full", "activations"):
        # A recomputed product may be fused with other neighbours: last bits, which twelve steps of Adam carry along.
        np.testing.assert_allclose(losses(mode), expected, rtol=1e-4)
    np.testing.assert_allclose(losses("full", run_eagerly=True), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "arguments, kept",
    [
        ({"mode": "full"}, {"small": 3, "large": 3}),
        ({"mode": "larger_than", "output_size_threshold": 6}, {"small": 0, "large": 3}),
        ({"mode": "list_of_layers", "layer_names": ["small"]}, {"small": 3, "large": 0}),
        ({"mode": "activations"}, {"small": 1, "large": 1}),
        ({"mode": None}, {"small": 0, "large": 0}),
    ],
)
def test_modes_choose_layers(arguments, kept):
    with keras.RematScope(mode="full"), keras.RematScope(**arguments):
        layers = {n: keras.layers.Dense(u, activation="exponential", name=n) for n, u in (("small", 3), ("large", 4))}
    layers["outside"] = keras.layers.Dense(3, activation="exponential")
    x = tahr.Variable(np.ones((2, 3), "float32"))
    for name, layer in layers.items():
        layer.build((2, 3))

        def step(layer=layer):
            with tahr.GradientTape() as tape:
                y = layer(x)
            return y, tape.gradient(y, x)

        text = tahr.function(step).get_concrete_function().text()
        # What a segment keeps: input, kernel and bias of the layer, or the input of its activation.
        assert text.count("= remat_barrier(") == kept.get(name, 0), text
        assert text.count("= exp(") + text.count("activation='exp") == (2 if kept.get(name) else 1), text


def test_results_that_leave_by_a_side_door_keep_their_gradients():
    aside = []

    def f(x):
        h = keras.ops.sin(x)
        aside.append(h)
        return h * h

    values = np.array([0.3, 0.5], "float32")
    found = []
    for g in (f, keras.remat(f)):
        x = tahr.Variable(values)
        with tahr.GradientTape() as tape:
            y = g(x) + aside[-1]
        found.append(tape.gradient(y, x).numpy())
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0], np.cos(values) * (2 * np.sin(values) + 1), rtol=1e-6)


def test_second_and_third_derivatives_nested_and_persistent():
    f = keras.remat(lambda x: keras.ops.exp(keras.remat(keras.ops.sin)(x)))
    v = 0.4
    s, c, e = np.sin(v), np.cos(v), np.exp(np.sin(v))
    x = tahr.Variable(v)
    with tahr.GradientTape(persistent=True) as first:
        with tahr.GradientTape(persistent=True) as second:
            with tahr.GradientTape() as third:
                y = f(x)
            dy = third.gradient(y, x)
        ddy = second.gradient(dy, x)
    expected = [e * c, e * (c**2 - s), e * (c**3 - 3 * s * c - c)]
    np.testing.assert_allclose([dy, ddy, first.gradient(ddy, x)], expected, rtol=2e-6)
    np.testing.assert_allclose(first.gradient(y, x), expected[0], rtol=2e-6)


def test_tape_inside_custom_gradients_and_arguments_by_name():
    @tahr.custom_gradient
    def doubled(x):
        return x * x, lambda dy: 10.0 * dy

    def penalty(x, scale=1.0):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            y = keras.ops.exp(x)
        return scale * tape.gradient(y, x) + doubled(x)

    x = tahr.Variable([0.1, 0.7])
    with tahr.GradientTape() as tape:
        y = keras.remat(penalty)(x * 1.0, scale=3.0)
    np.testing.assert_allclose(tape.gradient(y, x), 3 * np.exp([0.1, 0.7]) + 10, rtol=1e-6)


def test_an_error_inside_leaves_the_tape_usable():
    def broken(x):
        keras.ops.exp(x)
        raise RuntimeError("broken")

    x = tahr.Variable(2.0)
    with tahr.GradientTape() as tape:
        with pytest.raises(RuntimeError, match="broken"):
            keras.remat(broken)(x)
        y = x * x
    assert float(tape.gradient(y, x)) == 4.0


def test_refusals():
    with pytest.raises(ValueError, match="expected mode to be one of"):
        keras.RematScope(mode="some")
    with pytest.raises(TypeError, match="expected a function"):
        keras.remat(3)
