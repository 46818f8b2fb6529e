"""What users get wrong: the message says what was expected, what came and what to do, and the model stays usable."""

import numpy as np
import pytest
import tahr as tf
from tahr import keras
from tahr.keras import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
Y = RNG.normal(size=(64, 1)).astype("float32")
CLASSES = np.arange(64) % 3
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]


def model(units=1, activation=None, loss="mse"):
    net = keras.Sequential([layers.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(units, activation)])
    net.compile("sgd", loss)
    return net


def softmax(loss="sparse_categorical_crossentropy"):
    return model(3, "softmax", loss)


TRAINING = [  # (model, x, y, exception, pieces of the message)
    (model, X[:, None], Y, ValueError, ["(None, 4)", "(32, 1, 4)", "build the model for this shape"]),
    (model, X[:, :3], Y, ValueError, ["[dense", "last axis 4", "(32, 3)"]),
    (model, X[:, 0], Y, ValueError, ["(None, 4)", "(32,)"]),
    (model, X, Y[:30], ValueError, ["x: 64, y: 30", "same number of samples"]),
    (model, "data.csv", Y, ValueError, ["argument x", "text", "'data.csv'"]),
    (model, X, np.where(Y > 1, np.nan, Y), ValueError, ["argument y", "NaN", "drop those samples"]),
    (softmax, X, CLASSES + 1, ValueError, ["from 0 to 2", "from 1 to 3", "`y - 1`"]),
    (softmax, X, CLASSES - 1, ValueError, ["from 0 to 2", "from -1 to 1"]),
    (softmax, X, CLASSES + 0.5, ValueError, ["whole numbers", "0.5", "categorical_crossentropy"]),
    (softmax, X, ONE_HOT, ValueError, ["shape (32,)", "(32, 3)", "categorical_crossentropy for one-hot"]),
    (lambda: softmax("categorical_crossentropy"), X, CLASSES, ValueError, ["(32,)", "(32, 3)", "to_categorical(y, 3)"]),
    (
        lambda: softmax("categorical_crossentropy"),
        X,
        np.eye(4)[CLASSES],
        ValueError,
        ["(32, 4)", "(32, 3)", "one unit per class"],
    ),
]


@pytest.mark.parametrize("make, x, y, exception, pieces", TRAINING)
def test_wrong_data_is_explained_and_changes_nothing(make, x, y, exception, pieces):
    net = make()
    before = net.get_weights()
    with pytest.raises(exception) as error:
        net.fit(x, y, verbose=0)
    for piece in pieces:
        assert piece in str(error.value)
    for old, new in zip(before, net.get_weights()):
        np.testing.assert_array_equal(old, new)
    units = net.layers[-1].units
    target = np.abs(Y).clip(0, 1) if units == 1 else ONE_HOT if net.loss == "categorical_crossentropy" else CLASSES
    assert np.isfinite(net.fit(X, target, verbose=0).history["loss"][0])


CALLS = [  # (call, exception, pieces)
    (lambda: model()(None), ValueError, ["[sequential", "(None, 4)", "None"]),
    (lambda: model()({"a": X}), ValueError, ["one tensor", "dict of 1", "keras.Model"]),
    (lambda: model().fit(X, Y, epochs=1.5), ValueError, ["epochs", "integer", "1.5"]),
    (lambda: model().fit(X, Y, epochs="3"), ValueError, ["epochs", "'3'"]),
    (lambda: model().fit(), ValueError, ["argument x", "None"]),
    (lambda: model().fit(X), ValueError, ["targets y", "none"]),
    (lambda: model().fit(X, Y, callbacks=[keras.callbacks.EarlyStopping]), TypeError, ["class EarlyStopping", "(...)"]),
    (lambda: keras.Sequential(layers.Dense(1)), TypeError, ["list of layers", "Dense"]),
    (lambda: keras.Sequential([layers.Dense(1)]).fit(X, Y), ValueError, ["compile"]),
    (lambda: model(loss="mean_square_error"), ValueError, ["'mean_square_error'", "'mean_squared_error'"]),
    (lambda: layers.Dense(3, activation="rellu"), ValueError, ["'rellu'", "relu"]),
    (lambda: layers.Dense(-1), ValueError, ["[Dense]", "positive integer", "units=-1"]),
    (lambda: layers.Dropout(1.5), ValueError, ["rate", "between 0 and 1", "1.5"]),
    (lambda: layers.Dense(3)("text"), ValueError, ["[dense", "tensors", "'text'"]),
    (lambda: model().to_yaml(), RuntimeError, ["to_yaml", "to_json()"]),
]


@pytest.mark.parametrize("call, exception, pieces", CALLS)
def test_wrong_calls_are_explained(call, exception, pieces):
    with pytest.raises(exception) as error:
        call()
    for piece in pieces:
        assert piece in str(error.value)
    assert "\n" not in str(error.value)


def test_an_op_that_fails_in_a_layer_names_the_layer_once():
    class Broken(layers.Layer):
        def call(self, inputs):
            return tf.matmul(inputs, tf.ones((7, 2)))

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Broken(name="inner_part")

        def call(self, inputs):
            return self.inner(inputs)

    with pytest.raises(
        ValueError, match=r"^\[inner_part\] Broken.call\(\) failed on an input of shape \(2, 3\): \[mat"
    ):
        Outer()(np.zeros((2, 3), "float32"))


def test_add_weight_by_position_as_in_keras():
    class Own(layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight((input_shape[-1], 2), "ones")

    layer = Own()
    layer.build((None, 3))
    np.testing.assert_array_equal(layer.kernel.numpy(), np.ones((3, 2)))
    with pytest.raises(ValueError, match="shape of the weight first.*name=.kernel."):
        layer.add_weight("kernel", shape=(3, 2))
    with pytest.raises(TypeError, match="received also"):
        layer.add_weight((3, 2), shape=(3, 2))


def test_inputs_of_sequential_fit_its_rank():
    net = model()
    assert net([X]).shape == (64, 1) and net(X[..., None]).shape == (64, 1)
    one = keras.Sequential([layers.Input((1,)), layers.Dense(2)])
    assert one(X[:, 0]).shape == (64, 2)


@pytest.mark.parametrize(
    "y, pieces",
    [
        (CLASSES, ["from 0 to 1", "from 0 to 2", "sparse_categorical_crossentropy"]),
        (np.sign(Y), ["from 0 to 1", "from -1 to 1", r"\(y \+ 1\) / 2"]),
    ],
)
def test_binary_labels_beyond_their_range_give_a_warning(y, pieces):
    with pytest.warns(UserWarning, match=".*".join(pieces)):
        model(1, "sigmoid", "binary_crossentropy").fit(X, y, verbose=0)


def test_fractions_of_binary_labels_are_allowed():
    model(1, "sigmoid", "binary_crossentropy").fit(X, np.abs(Y).clip(0, 1), verbose=0)
    model(1, "sigmoid", "binary_crossentropy").fit(X, CLASSES > 0, verbose=0)


def test_metrics_as_the_third_argument_of_compile_are_explained():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    for wrong in (["accuracy"], ["mae", "mse"], [keras.metrics.MeanSquaredError()]):
        with pytest.raises(ValueError, match=r"metrics=\["):
            model.compile("adam", "mse", wrong)


@pytest.mark.usefixtures("cpu")
def test_an_index_out_of_range_names_the_layer():
    with pytest.raises(IndexError, match=r"\[words\] Embedding.call\(\) failed .*\[take\] expected indices"):
        keras.layers.Embedding(4, 2, name="words")(np.array([[9]]))
