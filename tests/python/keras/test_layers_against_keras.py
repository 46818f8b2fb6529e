"""Layers beside real Keras: same outputs from the same weights, same configs, same shapes."""

from __future__ import annotations

import json
import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras as real  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tahr  # noqa: E402
from tahr import keras  # noqa: E402

EPS = np.finfo("float32").eps

# (class, arguments, shape of the input or list of shapes)
LAYERS = [
    ("Dense", dict(units=5), (3, 4)),
    ("Dense", dict(units=5, activation="tanh", use_bias=False), (2, 3, 4)),
    (
        "Dense",
        dict(units=2, kernel_regularizer="l2", bias_constraint="non_neg", kernel_initializer="he_normal"),
        (3, 4),
    ),
    ("Dense", dict(units=2, activation="softmax", activity_regularizer="l1"), (3, 4)),
    ("Flatten", dict(), (2, 3, 4)),
    ("Flatten", dict(data_format="channels_first"), (2, 3, 4, 5)),
    ("Flatten", dict(), (4,)),
    ("Reshape", dict(target_shape=(2, -1)), (3, 8)),
    ("Reshape", dict(target_shape=(4, 2)), (3, 8)),
    ("Permute", dict(dims=(2, 1)), (2, 3, 4)),
    ("RepeatVector", dict(n=3), (2, 4)),
    ("Identity", dict(), (2, 4)),
    ("Masking", dict(mask_value=0.0), (2, 3, 4)),
    ("Activation", dict(activation="relu"), (2, 4)),
    ("ReLU", dict(), (3, 4)),
    ("ReLU", dict(max_value=0.5, negative_slope=0.1, threshold=0.2), (3, 4)),
    ("ReLU", dict(max_value=0.5, negative_slope=0.1), (3, 4)),
    ("LeakyReLU", dict(), (3, 4)),
    ("ELU", dict(alpha=0.7), (3, 4)),
    ("PReLU", dict(alpha_initializer="ones"), (3, 4)),
    ("PReLU", dict(alpha_initializer="glorot_uniform", shared_axes=[1]), (3, 4, 5)),
    ("Softmax", dict(), (3, 4)),
    ("Softmax", dict(axis=(1, 2)), (3, 4, 2)),
    ("Dropout", dict(rate=0.3, seed=1), (3, 4)),
    ("Dropout", dict(rate=0.3, noise_shape=(None, 1)), (3, 4)),
    ("AlphaDropout", dict(rate=0.3), (3, 4)),
    ("GaussianDropout", dict(rate=0.3), (3, 4)),
    ("GaussianNoise", dict(stddev=0.3), (3, 4)),
    ("SpatialDropout1D", dict(rate=0.3), (3, 4, 2)),
    ("SpatialDropout2D", dict(rate=0.3), (3, 4, 2, 2)),
    ("SpatialDropout3D", dict(rate=0.3), (3, 4, 2, 2, 2)),
    ("ActivityRegularization", dict(l1=0.1, l2=0.2), (3, 4)),
    ("Rescaling", dict(scale=0.5, offset=1.0), (3, 4)),
    ("Normalization", dict(mean=[1.0, 2.0], variance=[1.0, 4.0]), (3, 2)),
    ("Normalization", dict(axis=None, mean=1.0, variance=4.0, invert=True), (3, 2)),
    ("Normalization", dict(axis=(1, 2)), (3, 2, 4)),
    ("Add", dict(), [(2, 3), (2, 3), (2, 3)]),
    ("Subtract", dict(), [(2, 3), (2, 3)]),
    ("Multiply", dict(), [(2, 3), (2, 1)]),
    ("Average", dict(), [(2, 3), (2, 3)]),
    ("Maximum", dict(), [(2, 3), (2, 4, 3)]),
    ("Minimum", dict(), [(2, 3), (2, 3)]),
    ("Concatenate", dict(), [(2, 3), (2, 4)]),
    ("Concatenate", dict(axis=1), [(2, 3, 2), (2, 4, 2)]),
    ("Dot", dict(axes=1), [(2, 3), (2, 3)]),
    ("Dot", dict(axes=(2, 1)), [(2, 4, 3), (2, 3, 5)]),
    ("Dot", dict(axes=-1, normalize=True), [(2, 4, 3), (2, 5, 3)]),
]


def plain(config):
    """A config as JSON gives it back, without the counted name; Keras rounds some numbers to float32."""
    config = json.loads(json.dumps(config), parse_float=lambda s: float(f"{float(s):.6g}"))
    config.pop("name")
    return config


def inputs_for(shape, seed=0):
    rng = np.random.default_rng(seed)
    if isinstance(shape, list):
        return [rng.standard_normal(s).astype("float32") for s in shape]
    return rng.standard_normal(shape).astype("float32")


def batched(shape):
    return [(None, *s[1:]) for s in shape] if isinstance(shape, list) else (None, *shape[1:])


@pytest.mark.parametrize("name, arguments, shape", LAYERS, ids=[f"{i}-{r[0]}" for i, r in enumerate(LAYERS)])
def test_layer(name, arguments, shape):
    x = inputs_for(shape)
    ours = getattr(keras.layers, name)(**arguments)
    theirs = getattr(real.layers, name)(**arguments)
    assert plain(ours.get_config()) == plain(theirs.get_config())

    expected = theirs(x)
    ours.build([s for s in shape] if isinstance(shape, list) else shape)
    ours.set_weights(theirs.get_weights())
    y = ours(x)
    terms = max(np.shape(v)[0] if np.ndim(v) else 1 for v in theirs.get_weights()) if theirs.weights else 8
    np.testing.assert_allclose(y.numpy(), np.asarray(expected), rtol=8 * EPS * terms, atol=8 * EPS * terms)
    assert y.dtype == "float32"
    assert [w.path.split("/")[-1] for w in ours.weights] == [w.path.split("/")[-1] for w in theirs.weights]
    np.testing.assert_allclose(
        [float(v.numpy()) for v in ours.losses], [float(v) for v in theirs.losses], rtol=64 * EPS, atol=1e-7
    )

    # shapes, symbolically
    assert ours.supports_masking == theirs.supports_masking
    known = shape[0] if not isinstance(shape, list) else shape[0][0]
    symbolic = [keras.Input(s[1:]) for s in shape] if isinstance(shape, list) else keras.Input(shape[1:])
    fresh = getattr(keras.layers, name)(**arguments)
    out = fresh(symbolic)
    assert out.shape == (None, *y.shape[1:]) or name == "Flatten"
    assert tuple(fresh.compute_output_shape(shape))[1:] == y.shape[1:]
    assert known == y.shape[0]

    # configs bring back the same layer
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(ours))))
    assert type(again) is type(ours) and again.name == ours.name
    if not name.startswith("Spatial"):  # a dtype as a plain string, there and here
        assert plain(again.get_config()) == plain(ours.get_config())
    # and real Keras takes them
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(ours)))
    assert plain(real.saving.deserialize_keras_object(config).get_config()) == plain(theirs.get_config())


# sparsemax of Keras's numpy backend gives zeros; ours is tested below.
OTHER = ("get", "serialize", "deserialize", "sparsemax")
ACTIVATIONS = sorted(n for n in dir(real.activations) if n not in OTHER and n[0] != "_")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    x = (np.random.default_rng(1).standard_normal((4, 6)) * 3).astype("float32")
    arguments = dict(threshold=0.5, default_value=-1.0) if name == "threshold" else {}
    ours = getattr(keras.activations, name)(x, **arguments).numpy() if name != "linear" else x
    theirs = np.asarray(getattr(real.activations, name)(x, **arguments))
    np.testing.assert_allclose(ours, theirs, rtol=32 * EPS, atol=32 * EPS)
    if name != "threshold":
        assert keras.activations.get(name) is getattr(keras.activations, name)
    assert keras.activations.serialize(getattr(keras.activations, name)) == real.activations.serialize(
        getattr(real.activations, name)
    )


def test_sparsemax_is_the_projection_on_the_simplex():
    x = np.random.default_rng(1).standard_normal((5, 7)).astype("float32") * 2
    y = keras.activations.sparsemax(x).numpy()
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-6)
    assert (y >= 0).all()
    for row, p in zip(x.astype("float64"), y):
        # the projection is max(x - t, 0) for the t that makes it add up to 1: found here by bisection
        low, high = row.min() - 1, row.max()
        for _ in range(60):
            t = (low + high) / 2
            low, high = (t, high) if np.maximum(row - t, 0).sum() > 1 else (low, t)
        np.testing.assert_allclose(p, np.maximum(row - low, 0), atol=1e-6)


def test_engine_functions_as_activations():
    layer = keras.layers.Dense(2, activation=tahr.nn.relu)
    assert layer.get_config()["activation"] == "relu"
    assert keras.layers.Dense.from_config(layer.get_config()).activation is keras.activations.relu


def test_activation_of_unknown_name():
    with pytest.raises(ValueError, match=r"\[activations\] expected the name of an activation.*'nothing'"):
        keras.activations.get("nothing")


def test_normalization_adapts_like_keras():
    data = np.random.default_rng(2).standard_normal((50, 3, 4)).astype("float32") * 2 + 1
    for axis in (-1, None, (1, 2)):
        ours, theirs = keras.layers.Normalization(axis=axis), real.layers.Normalization(axis=axis)
        ours.adapt(data)
        theirs.adapt(data)
        for a, b in zip(ours.get_weights(), theirs.get_weights()):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ours(data).numpy(), np.asarray(theirs(data)), rtol=1e-5, atol=1e-5)
        batches = keras.layers.Normalization(axis=axis)
        batches.adapt([data[:20], data[20:23], data[23:]])
        for a, b in zip(batches.get_weights(), ours.get_weights()):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_dropout_drops_and_keeps_the_mean():
    x = np.ones((200, 500), "float32")
    layer = keras.layers.Dropout(0.4, seed=3)
    y = layer(x, training=True).numpy()
    # binomial: standard error of the dropped part of n values is sqrt(p (1 - p) / n)
    assert abs((y == 0).mean() - 0.4) < 5 * np.sqrt(0.4 * 0.6 / y.size)
    np.testing.assert_allclose(y[y != 0], 1 / 0.6, rtol=1e-6)
    assert not np.array_equal(y, layer(x, training=True).numpy())
    again = keras.layers.Dropout(0.4, seed=3)
    np.testing.assert_array_equal(y, again(x, training=True).numpy())
    rows = keras.layers.Dropout(0.5, noise_shape=(None, 1), seed=1)(x, training=True).numpy()
    assert set(np.unique(rows.std(axis=1))) == {0.0}
    maps = keras.layers.SpatialDropout1D(0.5, seed=1)(np.ones((4, 5, 6), "float32"), training=True).numpy()
    assert np.array_equal(maps, np.broadcast_to(maps[:, :1], maps.shape)) and 0 < (maps == 0).mean() < 1


def test_noise_layers_have_the_right_moments():
    x = np.ones((400, 500), "float32")
    n = x.size
    noise = keras.layers.GaussianNoise(0.5, seed=1)(x, training=True).numpy() - 1
    assert abs(noise.mean()) < 5 * 0.5 / np.sqrt(n) and abs(noise.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * n)
    drop = keras.layers.GaussianDropout(0.2, seed=1)(x, training=True).numpy()
    assert abs(drop.mean() - 1) < 5 * 0.5 / np.sqrt(n) and abs(drop.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * n)
    z = np.random.default_rng(0).standard_normal(x.shape).astype("float32")
    alpha = keras.layers.AlphaDropout(0.3, seed=1)(z, training=True).numpy()
    assert abs(alpha.mean()) < 0.02 and abs(alpha.std() - 1) < 0.02
