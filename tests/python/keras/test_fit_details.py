"""Corners of fit, evaluate and predict: what Keras 3.15 on JAX does there, written down as numbers; and messages."""

import numpy as np
import pytest
from tahr import keras

X = np.ones((8, 3), "float32")
Y = np.ones((8, 1), "float32")


def model(**arguments):
    made = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
    made.compile(keras.optimizers.SGD(0.01), "mse", **arguments)
    return made


class Hooks(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(f"begin {batch}")

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(f"end {batch}")
        assert sorted(logs) == ["loss", "mae"]

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(f"test {batch}")

    def on_predict_batch_end(self, batch, logs=None):
        self.seen.append(f"predict {batch}")
        assert sorted(logs) == ["outputs"]


STEPS = {  # steps_per_execution, further arguments: what Keras's callbacks see, and the optimizer's iterations
    (1, 4, ()): ("begin 0, end 0, begin 1, end 1, test 0, test 1, predict 0, predict 1", 2),
    (2, 2, ()): ("begin 0, end 1, begin 2, end 3, test 1, test 3, predict 1, predict 3", 4),
    (3, 2, ()): ("begin 0, end 2, begin 3, end 5, test 2, predict 2, predict 5", 4),
    (10, 2, ()): ("begin 0, end 9, test 9, predict 9", 4),
    (2, 2, (("steps_per_epoch", 3), ("epochs", 2))): (
        "begin 0, end 1, begin 2, end 3, test 1, test 3, begin 0, end 1, begin 2, end 3, test 1, test 3, "
        "predict 1, predict 3",
        8,
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_steps_per_execution_calls_hooks_as_keras_does(case):
    group, batch_size, more = case
    expected, iterations = STEPS[case]
    net, hooks = model(steps_per_execution=group, metrics=["mae"]), Hooks()
    arguments = {"batch_size": batch_size, "callbacks": [hooks], "verbose": 0}
    net.fit(X, Y, validation_data=(X[:6], Y[:6]), **arguments, **dict(more))
    net.predict(X, **arguments)
    assert ", ".join(hooks.seen) == expected
    assert int(net.optimizer.iterations) == iterations


@pytest.fixture
def policy():
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def test_loss_scale_follows_overflows_as_in_keras(policy):
    policy("mixed_float16")
    net = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)])
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(1e-3), initial_scale=2.0**15, dynamic_growth_steps=3
    )
    net.compile(optimizer, "mse")
    seen = []
    for size in (1, 1, 1, 1, 1e4, 1, 1, 1, 1):
        net.train_on_batch(X * size, Y)
        seen.append((float(optimizer.dynamic_scale), int(optimizer.iterations), float(net.get_weights()[0][0, 0])))
    scales, iterations, weights = zip(*seen)
    assert scales == (16384, 8192, 8192, 8192, 4096, 4096, 4096, 8192, 8192)
    assert iterations == (0, 0, 1, 2, 2, 3, 4, 5, 6)
    expected = [1, 1, 0.996, 0.99202, 0.99202, 0.98807, 0.98414, 0.98023, 0.97635]
    np.testing.assert_allclose(weights, expected, atol=1e-5 / 2 + 1e-5)  # Keras's, rounded to 5 digits


@pytest.mark.parametrize(("name", "compute"), [("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16")])
def test_mixed_policies_end_to_end(policy, name, compute):
    policy(name)
    net = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    net.compile("adam", "mse", metrics=["mae"])
    history = net.fit(X, Y, epochs=2, verbose=0).history
    assert all(variable.dtype == "float32" for variable in net.weights)
    assert net.predict(X, verbose=0).dtype.name == compute and str(net(X).dtype) == compute
    assert all(isinstance(value, float) for values in history.values() for value in values)
    assert isinstance(net.optimizer, keras.optimizers.LossScaleOptimizer) == (name == "mixed_float16")


def test_no_epochs_empty_validation_and_batches_of_0():
    assert model().fit(X, Y, epochs=-1, verbose=0).history == {}
    assert len(model().fit(X, Y, epochs=1, initial_epoch=-1, verbose=0).history["loss"]) == 2
    assert model().fit(X, Y, batch_size=0, verbose=0).history == model().fit(X, Y, verbose=0).history
    assert model().evaluate(X, Y, batch_size=0, verbose=0) == 4.0
    assert model().predict(X, batch_size=0, verbose=0).shape == (8, 1)
    with pytest.warns(UserWarning, match="validation_data holds no samples"):
        assert list(model().fit(X, Y, validation_data=(X[:0], Y[:0]), verbose=0).history) == ["loss"]
    assert model().fit(X, Y, verbose=None).history


def two_outputs(widths):
    inputs = keras.Input((3,))
    net = keras.Model(inputs, [keras.layers.Dense(3, name="left")(inputs), keras.layers.Dense(4, name="right")(inputs)])
    net.compile("sgd", ["mse", "mae"])
    return net.fit(X, [np.ones((8, width)) for width in widths], verbose=0)


def wide(loss):
    net = keras.Sequential([keras.layers.Dense(3)])
    net.compile("sgd", loss)
    return net.fit(X, np.ones((8, 2), "float32"), verbose=0)


def attend():
    layer = keras.layers.MultiHeadAttention(2, 4, name="attend")
    return layer(np.ones((2, 3, 8), "float32"), np.ones((3, 3, 8), "float32"))


@pytest.mark.parametrize(
    ("call", "pieces"),
    [
        (lambda: model().fit(X, Y, verbose="x"), ["[fit]", "verbose", "'x'", "progress bar"]),
        (lambda: model().evaluate(X, Y, verbose="x"), ["[evaluate]", "verbose", "'x'"]),
        (lambda: model().predict(X, verbose=1.5), ["[predict]", "verbose", "1.5"]),
        (lambda: model().predict(X.astype("complex64")), ["[predict]", "real numbers", "x", "complex64", "np.abs"]),
        (lambda: model().fit(X, Y.astype("complex64")), ["[fit]", "real numbers", "y", "complex64"]),
        (lambda: model().fit(X, Y, validation_data=(X, Y), validation_freq=0, verbose=0), ["validation_freq", "0"]),
        (lambda: wide("mse"), ["[mse]", "the output", "(8, 3)", "(8, 2)", "units"]),
        (lambda: wide("binary_crossentropy"), ["[binary_crossentropy]", "(8, 3)", "(8, 2)"]),
        (lambda: two_outputs((3, 2)), ["[mae]", "output 'right'", "(8, 4)", "(8, 2)"]),
        (lambda: two_outputs((5, 4)), ["[mse]", "output 'left'", "(8, 3)", "(8, 5)"]),
        (attend, ["[attend]", "one batch size", "(2, 3, 8)", "(3, 3, 8)"]),
    ],
)
def test_messages(call, pieces):
    with pytest.raises(ValueError) as error:
        call()
    assert all(piece in str(error.value) for piece in pieces), error.value


def test_logs_are_made_only_for_who_wants_them(monkeypatch, tmp_path):
    made = []
    net = model()
    original = type(net)._logs
    monkeypatch.setattr(type(net), "_logs", lambda self, logs: made.append(1) or original(self, logs))

    def count(*callbacks):
        made.clear()
        net.fit(X, Y, batch_size=1, verbose=0, callbacks=list(callbacks))
        return len(made) - 1  # that of the epoch

    board = keras.callbacks.TensorBoard(tmp_path, update_freq=4)
    assert count(board) == 2
    assert count(keras.callbacks.ModelCheckpoint(tmp_path / "w.weights.h5", save_weights_only=True, save_freq=8)) == 1
    assert count(keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)) == 8
    assert count(keras.callbacks.TensorBoard(tmp_path / "b", update_freq=4), Plain()) == 8


class Plain(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        assert logs["loss"] >= 0


def test_pads_images_of_unknown_size():
    inputs = keras.Input((None, None, 3))
    padded = keras.ops.image.pad_images(inputs, 1, 2, target_height=10, target_width=12)
    assert padded.shape == (None, 10, 12, 3)
    images = np.random.default_rng(0).normal(size=(2, 6, 7, 3)).astype("float32")
    expected = np.pad(images, ((0, 0), (1, 3), (2, 3), (0, 0)))
    np.testing.assert_array_equal(keras.Model(inputs, padded).predict(images, verbose=0), expected)
    part = keras.ops.image.pad_images(keras.Input((None, 7, 3)), 1, 2, bottom_padding=1, target_width=12)
    assert part.shape == (None, None, 12, 3)
    with pytest.raises(ValueError, match="exactly two of top_padding"):
        keras.ops.image.pad_images(inputs, 1, 2, target_width=12)
