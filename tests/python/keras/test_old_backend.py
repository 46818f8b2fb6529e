"""`keras.backend` as it was before Keras 3 (K.sum, ...), and the module paths of older versions."""

import importlib

import numpy as np
import pytest
from tahr import keras
from tahr.keras import backend as K
from tahr.keras.backend import functions
from tahr.keras.old_paths import PATHS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype("float32")
Y = RNG.normal(size=(4, 5)).astype("float32")
P = RNG.uniform(0.1, 0.9, size=(3, 4))
IMAGE = RNG.normal(size=(2, 5, 6, 3)).astype("float32")
E = np.exp(X.astype("float64"))

# Call, and what NumPy makes of it in float64.
VALUES = {
    "abs": (lambda: K.abs(X), np.abs(X)),
    "all": (lambda: K.all(X > -9, axis=1), np.all(X > -9, axis=1)),
    "any": (lambda: K.any(X > 0, axis=0, keepdims=True), np.any(X > 0, axis=0, keepdims=True)),
    "arange": (lambda: K.arange(1, 7, 2), np.arange(1, 7, 2)),
    "argmax": (lambda: K.argmax(X), X.argmax(-1)),
    "argmin": (lambda: K.argmin(X, axis=0), X.argmin(0)),
    "batch_dot": (lambda: K.batch_dot(X, X, axes=1), np.sum(X.astype("f8") ** 2, 1, keepdims=True)),
    "batch_dot_3": (lambda: K.batch_dot(IMAGE[0], IMAGE[1, :, :3]), IMAGE[0].astype("f8") @ IMAGE[1, :, :3]),
    "batch_flatten": (lambda: K.batch_flatten(IMAGE), IMAGE.reshape(2, -1)),
    "bias_add": (lambda: K.bias_add(X, np.arange(4.0)), X + np.arange(4.0)),
    "cast": (lambda: K.cast(X, "int32"), X.astype("int32")),
    "cast_to_floatx": (lambda: K.cast_to_floatx(np.arange(3)), np.arange(3.0)),
    "clip": (lambda: K.clip(X, -0.5, None), np.maximum(X, -0.5)),
    "concatenate": (lambda: K.concatenate([X, X]), np.concatenate([X, X], -1)),
    "constant": (lambda: K.constant(2, shape=(2, 2)), np.full((2, 2), 2.0)),
    "cos": (lambda: K.cos(X), np.cos(X)),
    "cumprod": (lambda: K.cumprod(X, axis=1), np.cumprod(X.astype("f8"), 1)),
    "cumsum": (lambda: K.cumsum(X), np.cumsum(X.astype("f8"), 0)),
    "dot": (lambda: K.dot(X, Y), X.astype("f8") @ Y),
    "elu": (lambda: K.elu(X, 2.0), np.where(X > 0, X, 2 * (E - 1))),
    "equal": (lambda: K.equal(X, X), np.ones_like(X, bool)),
    "exp": (lambda: K.exp(X), E),
    "expand_dims": (lambda: K.expand_dims(X), X[..., None]),
    "eye": (lambda: K.eye((2, 3)), np.eye(2, 3)),
    "flatten": (lambda: K.flatten(X), X.ravel()),
    "foldl": (lambda: K.foldl(lambda a, b: a - b, X), X[0] - X[1] - X[2]),
    "foldr": (lambda: K.foldr(lambda a, b: a - b, X), X[2] - X[1] - X[0]),
    "gather": (lambda: K.gather(X, [2, 0]), X[[2, 0]]),
    "greater": (lambda: K.greater(X, 0), X > 0),
    "greater_equal": (lambda: K.greater_equal(X, X), X >= X),
    "hard_sigmoid": (lambda: K.hard_sigmoid(X * 3), np.clip(0.6 * X + 0.5, 0, 1)),
    "in_top_k": (lambda: K.in_top_k(X, X.argmax(1), 1), np.ones(3, bool)),
    "l2_normalize": (lambda: K.l2_normalize(X, 1), X / np.linalg.norm(X.astype("f8"), axis=1, keepdims=True)),
    "less": (lambda: K.less(X, 0), X < 0),
    "less_equal": (lambda: K.less_equal(X, X), X <= X),
    "log": (lambda: K.log(P), np.log(P)),
    "logsumexp": (lambda: K.logsumexp(X, axis=1), np.log(E.sum(1))),
    "map_fn": (lambda: K.map_fn(lambda x: x * 2, X), X * 2),
    "max": (lambda: K.max(X, axis=0), X.max(0)),
    "maximum": (lambda: K.maximum(X, 0.0), np.maximum(X, 0)),
    "mean": (lambda: K.mean(X > 0), np.mean(X > 0)),
    "min": (lambda: K.min(X, axis=0, keepdims=True), X.min(0, keepdims=True)),
    "minimum": (lambda: K.minimum(X, 0.0), np.minimum(X, 0)),
    "not_equal": (lambda: K.not_equal(X, X), X != X),
    "one_hot": (lambda: K.one_hot([0, 2], 3), np.eye(3)[[0, 2]]),
    "ones": (lambda: K.ones((2, 3)), np.ones((2, 3))),
    "ones_like": (lambda: K.ones_like(X), np.ones_like(X)),
    "permute_dimensions": (lambda: K.permute_dimensions(IMAGE, (0, 3, 1, 2)), IMAGE.transpose(0, 3, 1, 2)),
    "pow": (lambda: K.pow(X, 2), X.astype("f8") ** 2),
    "prod": (lambda: K.prod(X, axis=1), np.prod(X.astype("f8"), 1)),
    "relu": (lambda: K.relu(X, alpha=0.1, max_value=1.0), np.where(X > 0, np.minimum(X, 1), 0.1 * X)),
    "repeat": (lambda: K.repeat(X, 2), np.repeat(X[:, None], 2, 1)),
    "repeat_elements": (lambda: K.repeat_elements(X, 2, 1), np.repeat(X, 2, 1)),
    "reshape": (lambda: K.reshape(X, (4, 3)), X.reshape(4, 3)),
    "resize_images": (
        lambda: K.resize_images(IMAGE, 2, 3, "channels_last"),
        IMAGE.repeat(2, 1).repeat(3, 2),
    ),
    "reverse": (lambda: K.reverse(X, 1), X[:, ::-1]),
    "round": (lambda: K.round([0.5, 1.5, -0.6]), np.array([0.0, 2.0, -1.0])),
    "sigmoid": (lambda: K.sigmoid(X), 1 / (1 + 1 / E)),
    "sign": (lambda: K.sign(X), np.sign(X)),
    "sin": (lambda: K.sin(X), np.sin(X)),
    "softmax": (lambda: K.softmax(X), E / E.sum(-1, keepdims=True)),
    "softplus": (lambda: K.softplus(X), np.log1p(E)),
    "softsign": (lambda: K.softsign(X), X / (1 + np.abs(X.astype("f8")))),
    "spatial_2d_padding": (
        lambda: K.spatial_2d_padding(IMAGE, ((1, 0), (2, 1))),
        np.pad(IMAGE, ((0, 0), (1, 0), (2, 1), (0, 0))),
    ),
    "sqrt": (lambda: K.sqrt([4.0, -1.0]), np.array([2.0, 0.0])),
    "square": (lambda: K.square(X), X.astype("f8") ** 2),
    "squeeze": (lambda: K.squeeze(X[None], 0), X),
    "stack": (lambda: K.stack([X, X], axis=1), np.stack([X, X], 1)),
    "std": (lambda: K.std(X, axis=0), X.astype("f8").std(0)),
    "sum": (lambda: K.sum(X, axis=(0, 1)), X.astype("f8").sum()),
    "switch": (lambda: K.switch(X[:, 0] > 0, X, -X), np.where(X[:, :1] > 0, X, -X)),
    "tanh": (lambda: K.tanh(X), np.tanh(X.astype("f8"))),
    "temporal_padding": (lambda: K.temporal_padding(X[None], (1, 2)), np.pad(X[None], ((0, 0), (1, 2), (0, 0)))),
    "tile": (lambda: K.tile(X, (2, 1)), np.tile(X, (2, 1))),
    "transpose": (lambda: K.transpose(X), X.T),
    "var": (lambda: K.var(X, axis=1), X.astype("f8").var(1)),
    "zeros": (lambda: K.zeros((2, 3)), np.zeros((2, 3))),
    "zeros_like": (lambda: K.zeros_like(X), np.zeros_like(X)),
    "binary_crossentropy": (
        lambda: K.binary_crossentropy(np.ones_like(P), P),
        -np.log(P),
    ),
    "categorical_crossentropy": (
        lambda: K.categorical_crossentropy(np.eye(4)[[0, 1, 2]], X, from_logits=True),
        np.log(E.sum(1)) - X[[0, 1, 2], [0, 1, 2]],
    ),
    "sparse_categorical_crossentropy": (
        lambda: K.sparse_categorical_crossentropy(np.array([0, 1, -1]), X, from_logits=True, ignore_class=-1),
        np.array([np.log(E[0].sum()) - X[0, 0], np.log(E[1].sum()) - X[1, 1], 0.0]),
    ),
    "batch_normalization": (
        lambda: K.batch_normalization(X, X.mean(0), X.var(0), np.zeros(4), np.full(4, 2.0)),
        2 * (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-3),
    ),
    "pool2d": (
        lambda: K.pool2d(IMAGE, (2, 2), strides=(2, 2), pool_mode="avg"),
        IMAGE[:, :4].reshape(2, 2, 2, 3, 2, 3).astype("f8").mean((2, 4)),
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_values(case):
    call, want = VALUES[case]
    got = np.asarray(call())
    assert got.shape == np.shape(want)
    # A few float32 roundings on values of size 10 at most; integers and truth values exactly.
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_convolutions_with_shapes_of_older_scripts():
    kernel = RNG.normal(size=(3, 3, 3, 4)).astype("float32")
    assert K.conv2d(IMAGE, kernel, padding="same").shape == (2, 5, 6, 4)
    up = K.conv2d_transpose(IMAGE, RNG.normal(size=(3, 3, 7, 3)), (2, 10, 12, 7), strides=(2, 2), padding="same")
    assert up.shape == (2, 10, 12, 7)
    causal = K.conv1d(IMAGE[0], RNG.normal(size=(2, 3, 1)), padding="causal")
    assert causal.shape == (5, 6, 1)


def test_variables():
    v = K.variable([1.0, 2.0], name="v")
    K.update_add(v, [1.0, 1.0])
    K.update(v, v * 2)
    K.update_sub(v, 1.0)
    np.testing.assert_array_equal(K.get_value(v), [3, 5])
    K.moving_average_update(v, [0.0, 0.0], 0.5)
    np.testing.assert_array_equal(K.eval(v), [1.5, 2.5])
    K.batch_set_value([(v, [7, 8])])
    assert K.batch_get_value([v])[0].tolist() == [7, 8]
    assert K.int_shape(v) == (2,) and K.ndim(v) == 1 and K.dtype(v) == "float32" and K.count_params(v) == 2


def test_random_numbers():
    keras.utils.set_random_seed(1)
    assert np.asarray(K.random_normal((1000,), 5.0, 0.1)).mean() == pytest.approx(5, abs=0.02)  # 6 standard errors
    u = np.asarray(K.random_uniform((1000,), -1, 1))
    assert u.min() >= -1 and u.max() < 1
    assert np.asarray(K.random_bernoulli((1000,), 0.25)).mean() == pytest.approx(0.25, abs=0.09)


def test_function_runs_layers_on_arrays():
    x = keras.Input((4,))
    layer = keras.layers.Dense(2)
    hidden = layer(x)
    f = K.function([x], [hidden, K.sum(hidden, axis=1)])
    first, second = f([X])
    want = X.astype("f8") @ layer.kernel.numpy()
    np.testing.assert_allclose(first, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second, want.sum(1), rtol=1e-5, atol=1e-6)
    assert isinstance(first, np.ndarray)


def test_symbolic_tensors_pass_through():
    x = K.placeholder((None, 3))
    assert K.int_shape(K.mean(x, axis=1)) == (None,)
    assert keras.Model(x, K.l2_normalize(x, axis=1))(np.ones((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("name", functions.GONE)
def test_what_is_gone_names_its_replacement(name):
    with pytest.raises(AttributeError, match=f"{name} is not offered any more: ") as caught:
        getattr(K, name)
    assert "\n" not in str(caught.value)


def test_every_name_is_reachable():
    for name in functions.NAMES:
        assert callable(getattr(K, name)), name
    assert not hasattr(K, "Callable") and not hasattr(K, "GONE") and not hasattr(K, "np")


@pytest.mark.parametrize("path", PATHS)
def test_old_module_paths(path):
    module = importlib.import_module(f"tahr.keras.{path}")
    name = {
        "layers": "Dense",
        "utils": "to_categorical",
        "models": "Model",
        "initializers": "Zeros",
        "losses": "MeanSquaredError",
        "optimizers": "Adam",
    }[PATHS[path][0]]
    assert getattr(module, name) is getattr(getattr(keras, PATHS[path][0]), name)
    assert name in dir(module)
    with pytest.raises(AttributeError, match="hands on the names of"):
        getattr(module, "Nothing")  # noqa: B009


@pytest.mark.parametrize("family", ["core", "convolutional", "normalization", "pooling", "preprocessing"])
def test_folders_that_were_modules(family):
    module = importlib.import_module(f"tahr.keras.layers.{family}")
    assert module.Dense is keras.layers.Dense
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        getattr(module, "Nothing")  # noqa: B009
