"""Recurrent layers and Embedding beside real Keras: outputs, states and gradients from the same weights."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras as real  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import rnn_cases  # noqa: E402
import tahr  # noqa: E402
from tahr import keras  # noqa: E402

EPS = np.finfo("float32").eps
STEPS = rnn_cases.SHAPE[1]
# A state is a sum of about 20 products in each of the steps, of numbers below 1, through functions that do not amplify.
TOLERANCE = 40 * STEPS * EPS
CASES = rnn_cases.CASES
IDS = [f"{i}-{c[0]}" for i, c in enumerate(CASES)]


def arrays(outputs):
    return [np.asarray(o) for o in keras.tree.flatten(outputs)]


def name_of(weight):
    """Its path below the layer, without the numbers that depend on what was made before."""
    return re.sub(r"_\d+", "", weight.path.split("/", 1)[1])


def pair(case):
    """The layer here and in Keras, built, with the same weights."""
    ours, theirs = rnn_cases.build(keras, case), rnn_cases.build(real, case)
    x = rnn_cases.inputs(case)
    ours(x), theirs(x)
    weights = rnn_cases.weights_for(theirs)
    theirs.set_weights(weights)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in weights]
    assert [name_of(w) for w in ours.weights] == [name_of(w) for w in theirs.weights]
    ours.set_weights(weights)
    return ours, theirs


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Outputs and gradients by real Keras on JAX, in a process of its own."""
    path = tmp_path_factory.mktemp("rnn") / "gradients.npz"
    run = subprocess.run([sys.executable, rnn_cases.__file__, str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return np.load(path)


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
@pytest.mark.parametrize("masked", [False, True])
def test_outputs(references, index, masked):
    case = CASES[index]
    ours, theirs = pair(case)
    if getattr(ours, "stateful", False):
        ours.reset_state(), theirs.reset_state()
    kwargs = {"mask": rnn_cases.mask()} if masked else {}
    for _ in range(2 if getattr(ours, "stateful", False) else 1):
        got = arrays(ours(rnn_cases.inputs(case), **kwargs))
        if masked and case[0].startswith("ConvLSTM"):  # Keras's NumPy backend lays masks along the wrong axis of these
            expected = [references[f"outputs-{index}-{int(masked)}-{i}"] for i in range(len(got))]
        else:
            expected = arrays(theirs(rnn_cases.inputs(case), **kwargs))
        assert len(got) == len(expected)
        for g, e in zip(got, expected):
            assert g.dtype == e.dtype
            np.testing.assert_allclose(g, e, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_shapes_and_configs(case):
    ours, theirs = pair(case)

    def shapes(spec):
        return [tuple(s.shape) for s in keras.tree.flatten(spec)]

    symbolic = ours(keras.Input(batch_shape=rnn_cases.shape(case)))
    assert shapes(symbolic) == [a.shape for a in arrays(theirs(rnn_cases.inputs(case)))]
    config = json.loads(json.dumps(ours.get_config()))
    assert set(config) - {"seed"} == set(theirs.get_config()) - {"seed"}  # Keras forgets SimpleRNN's
    again = type(ours).from_config(config)
    again(rnn_cases.inputs(case))
    again.set_weights(ours.get_weights())
    if getattr(ours, "stateful", False):
        ours.reset_state()
        again.reset_state()
    for g, e in zip(arrays(again(rnn_cases.inputs(case))), arrays(ours(rnn_cases.inputs(case)))):
        np.testing.assert_array_equal(g, e)


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("traced", [False, True])
def test_gradients(references, index, masked, traced):
    case = CASES[index]
    layer, _ = pair(case)
    if getattr(layer, "stateful", False):
        layer.reset_state()
    x = tahr.convert_to_tensor(rnn_cases.inputs(case))
    mask = tahr.convert_to_tensor(rnn_cases.mask()) if masked else None

    def gradients(x):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            loss = rnn_cases.loss(tahr.ops, keras.tree.flatten(layer(x, mask=mask)))
        return tape.gradient(loss, [x, *layer.trainable_variables])

    got = (tahr.function(gradients) if traced else gradients)(x)
    for i, g in enumerate(got):
        e = references[f"{index}-{int(masked)}-{i}"]
        scale = max(1.0, float(np.abs(e).max()))
        np.testing.assert_allclose(np.asarray(g), e, rtol=0, atol=4 * TOLERANCE * scale, err_msg=f"{case}, {i}")


# Behaviour that one comparison does not show.


def tokens(rows=64, steps=12, words=20):
    """Sequences with padding at their ends; the label says whether words above the middle are more frequent."""
    rng = np.random.default_rng(0)
    x = rng.integers(1, words, (rows, steps))
    y = (x.mean(axis=1) > words / 2).astype("float32")[:, np.newaxis]
    x[np.arange(steps)[np.newaxis] >= rng.integers(4, steps + 1, (rows, 1))] = 0
    return x.astype("int32"), y


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("arguments", [{}, {"dropout": 0.2, "recurrent_dropout": 0.2}, {"activation": "softsign"}])
def test_fit_learns_from_masked_sequences(kind, arguments):
    keras.utils.set_random_seed(3)
    x, y = tokens()
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            keras.layers.Embedding(20, 8, mask_zero=True),
            getattr(keras.layers, kind)(8, **arguments),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="binary_crossentropy")
    losses = model.fit(x, y, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.75 * losses[0]
    padded = np.concatenate([x, np.zeros((64, 5), "int32")], axis=1)  # more padding changes nothing
    longer = keras.Sequential([keras.Input((17,), dtype="int32"), *model.layers])
    np.testing.assert_allclose(longer.predict(padded, verbose=0), model.predict(x, verbose=0), atol=20 * EPS)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_dropout(kind):
    x = np.ones((4, 3, 200), "float32")
    layer = getattr(keras.layers, kind)(3, dropout=0.5, seed=1, activation="linear", recurrent_initializer="zeros")
    quiet = layer(x).numpy()
    np.testing.assert_array_equal(layer(x, training=False).numpy(), quiet)
    first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    assert np.abs(first - quiet).max() > 1e-3 and np.abs(first - second).max() > 1e-3
    assert layer.cell._dropout_mask is None  # nothing is kept from one batch to the next


def test_all_steps_share_their_dropout_mask():
    layer = keras.layers.SimpleRNN(
        6,
        dropout=0.5,
        kernel_initializer="identity",
        recurrent_initializer="zeros",
        activation="linear",
        return_sequences=True,
    )
    y = layer(np.ones((5, 4, 6), "float32"), training=True).numpy()
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert set(np.unique(y)) == {0.0, 2.0}


def test_initial_state_of_a_functional_model():
    source, target = keras.Input((5, 3)), keras.Input((4, 2))
    _, h, c = keras.layers.LSTM(6, return_state=True)(source)
    decoder = keras.layers.LSTM(6, return_sequences=True)
    model = keras.Model([source, target], decoder(target, initial_state=[h, c]))
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3)), np.random.default_rng(1).normal(size=(2, 4, 2))
    y = model.predict([a.astype("float32"), b.astype("float32")], verbose=0)
    alone = decoder(b.astype("float32")).numpy()
    assert y.shape == (2, 4, 6) and np.abs(y - alone).max() > 1e-3


def test_stateful_layers_go_on_where_they_stopped():
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    whole = keras.layers.GRU(4, return_sequences=True)
    expected = whole(x).numpy()
    parts = keras.layers.GRU(4, return_sequences=True, stateful=True)
    parts(x[:, :3])
    parts.set_weights(whole.get_weights())
    parts.reset_state()
    got = np.concatenate([parts(x[:, :3]).numpy(), parts(x[:, 3:]).numpy()], axis=1)
    np.testing.assert_allclose(got, expected, atol=8 * EPS)
    with pytest.raises(ValueError, match="stateful with batch size 2"):
        parts(np.ones((3, 3, 3), "float32"))
    parts.reset_state()
    model = keras.Sequential([keras.Input(batch_shape=(2, 3, 3)), parts])
    model.compile("sgd", "mse")
    model.fit(x[:, :3], np.zeros((2, 3, 4), "float32"), batch_size=2, epochs=1, verbose=0, shuffle=False)
    assert np.abs(parts.states[0].numpy()).max() > 0


def test_a_mask_that_ends_is_named():
    class Plain(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    y = keras.layers.Embedding(5, 2, mask_zero=True)(np.array([[1, 0]]))
    with pytest.warns(UserWarning, match=r"\[ends_here\] Plain does not support masking"):
        Plain(name="ends_here")(y)


def test_half_precision():
    x = np.random.default_rng(0).uniform(-1, 1, (4, 7, 5)).astype("float32")
    for dtype, eps in (("mixed_bfloat16", 2.0**-8), ("mixed_float16", 2.0**-11)):
        layer = keras.layers.LSTM(6, dtype=dtype, return_sequences=True)
        y = layer(x)
        full = keras.layers.LSTM(6, return_sequences=True)
        full.build(x.shape)
        full.set_weights(layer.get_weights())
        assert layer.compute_dtype in str(y.dtype)
        # Inputs and weights are rounded once: about 11 products per gate and 7 steps.
        np.testing.assert_allclose(np.asarray(y.numpy(), "float32"), full(x).numpy(), atol=20 * eps)


def test_saved_and_loaded(tmp_path):
    x, _ = tokens(4)
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            keras.layers.Embedding(20, 4, mask_zero=True),
            keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True)),
            keras.layers.RNN([keras.layers.LSTMCell(4), keras.layers.SimpleRNNCell(2)]),
        ]
    )
    again = keras.Sequential.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: keras.layers.LSTM(0), "expected units to be a positive integer"),
        (lambda: keras.layers.LSTM(3, use_cudnn="maybe"), "expected use_cudnn"),
        (lambda: keras.layers.LSTM(3, use_cudnn=True)(np.ones((1, 2, 3))), "cuDNN needs a GPU"),
        (lambda: keras.layers.RNN(object()), "expected a cell"),
        (lambda: keras.layers.StackedRNNCells([3]), "expected cells"),
        (lambda: keras.layers.Bidirectional(keras.layers.LSTM(3), merge_mode="max"), "expected merge_mode"),
        (lambda: keras.layers.TimeDistributed(3), "expected a layer"),
        (lambda: keras.layers.Embedding(0, 3), "`input_dim` must be"),
        (lambda: keras.layers.GRU(3, stateful=True)(keras.Input((4, 2))), "expected a known batch size"),
        (lambda: keras.layers.GRU(3)(np.ones((2, 3))), "ndim=3"),
    ],
)
def test_mistakes(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_embedding_beside_keras():
    x = np.random.default_rng(0).integers(0, 7, (3, 4))
    ours, theirs = keras.layers.Embedding(7, 3, mask_zero=True), real.layers.Embedding(7, 3, mask_zero=True)
    ours(x), theirs(x)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_array_equal(ours(x).numpy(), np.asarray(theirs(x)))
    np.testing.assert_array_equal(ours.compute_mask(tahr.constant(x)).numpy(), x != 0)
    assert set(ours.get_config()) == set(theirs.get_config())
    with tahr.GradientTape() as tape:
        loss = tahr.reduce_sum(ours(x) * tahr.reshape(tahr.range(36.0), (3, 4, 3)))
    expected = np.zeros((7, 3), "float32")
    np.add.at(expected, x.ravel(), np.arange(36.0).reshape(12, 3))
    np.testing.assert_allclose(tape.gradient(loss, ours.trainable_variables)[0].numpy(), expected, rtol=8 * EPS)


def test_embedding_lora():
    layer = keras.layers.Embedding(6, 4, lora_rank=2, lora_alpha=3)
    x = np.array([[1, 5]])
    before = layer(x).numpy()
    assert [w.name for w in layer.trainable_weights] == ["lora_embeddings_a", "lora_embeddings_b"]
    np.testing.assert_array_equal(before, layer._embeddings.numpy()[x])  # the right matrix starts as zeros
    layer.lora_embeddings_b.assign(np.ones((2, 4), "float32"))
    delta = layer.lora_embeddings_a.numpy() @ np.ones((2, 4), "float32") * 1.5
    np.testing.assert_allclose(layer(x).numpy(), before + delta[x], rtol=16 * EPS)
