"""Normalisations, attention and EinsumDense beside real Keras on JAX, in traces, with masks, in half precision."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tahr
from tahr import keras

sys.path.insert(0, str(Path(__file__).parent))
from mixing_cases import CASES  # noqa: E402

EPS = np.finfo("float32").eps
cases = pytest.mark.parametrize("i", range(len(CASES)), ids=[f"{i}-{c.name}" for i, c in enumerate(CASES)])


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    if not all(importlib.util.find_spec(name) for name in ("jax", "keras")):
        pytest.skip("needs Keras and JAX")
    here = Path(__file__).parent
    path = tmp_path_factory.mktemp("mixing") / "reference.npz"
    paths = os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, str(here / "mixing_reference.py"), str(path)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return dict(np.load(path))


def plain(config):
    config = json.loads(json.dumps(config), parse_float=lambda s: float(f"{float(s):.6g}"))
    config.pop("name")
    return config


def several(of, prefix):
    return [of[f"{prefix}{j}"] for j in range(sum(k.startswith(prefix) and k[len(prefix) :].isdigit() for k in of))]


def assert_near(actual, expected, what):
    """Chains of a few sums of up to 40 terms, scaled by reciprocals of deviations of about 1."""
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=256 * EPS * scale, err_msg=what)


def built(case, weights):
    layer = getattr(keras.layers, case.name)(**case.arguments)
    if case.as_list:
        layer.build(list(case.shapes))
    else:
        layer.build(*case.shapes)
    layer.set_weights(weights)
    return layer


def called(layer, case, inputs):
    y = layer(inputs, **case.call) if case.as_list else layer(*inputs, **case.call)
    return y if isinstance(y, tuple) else (y,)


@cases
def test_layer_beside_keras(reference, i):
    case = CASES[i]
    of = {k.split("/", 1)[1]: reference[k] for k in reference if k.startswith(f"{i}/")}
    layer = built(case, several(of, "w"))
    assert plain(layer.get_config()) == plain(json.loads(str(of["config"])))
    assert [w.path.split("/", 1)[1] for w in layer.weights] == json.loads(str(of["names"]))

    inputs = [tahr.constant(x) for x in several(of, "x")]
    with tahr.GradientTape() as tape:
        for x in inputs:
            tape.watch(x)
        ys = called(layer, case, inputs)
        total = sum(tahr.reduce_sum(y * c) for y, c in zip(ys, several(of, "c")))
    trained = [w.value for w in layer.trainable_weights]
    grads = tape.gradient(total, [*inputs, *layer.trainable_weights], unconnected_gradients="zero")
    np.testing.assert_allclose([float(v) for v in layer.losses], of["losses"], rtol=1e-5)
    for y, expected in zip(ys, several(of, "y")):
        assert_near(y, expected, "outputs")
    for g, expected in zip(grads, several(of, "dx")):
        assert_near(g, expected, "gradient of an input")
    for g, expected, w in zip(grads[len(inputs) :], several(of, "g"), layer.trainable_weights):
        assert_near(g, expected, f"gradient of {w.path}")
    assert len(trained) == len(several(of, "g"))

    for _ in range(case.steps):
        called(layer, case, inputs)
    for w, expected in zip(layer.weights, several(of, "after")):
        assert_near(w.numpy(), expected, w.path)


@cases
def test_traced_and_symbolic(reference, i):
    """The same bits in a `tahr.function`, moving averages included; shapes as KerasTensors say; config and back."""
    case = CASES[i]
    of = {k.split("/", 1)[1]: reference[k] for k in reference if k.startswith(f"{i}/")}
    inputs = [tahr.constant(x) for x in several(of, "x")]
    eager, traced = built(case, several(of, "w")), built(case, several(of, "w"))
    step = tahr.function(lambda *xs: called(traced, case, list(xs)))
    for _ in range(2):
        for y, z in zip(called(eager, case, inputs), step(*inputs)):
            assert_near(z, y.numpy(), "traced outputs")
    for v, w in zip(eager.weights, traced.weights):
        assert_near(w.numpy(), v.numpy(), v.path)

    again = type(eager).from_config(eager.get_config())
    assert plain(again.get_config()) == plain(eager.get_config())
    if any(isinstance(v, (np.ndarray, list)) for v in case.call.values()):
        return  # masks of the right size only
    symbolic = [keras.Input(s[1:]) for s in case.shapes]
    outs = called(again, case, symbolic)
    for out, y in zip(outs, called(eager, case, inputs)):
        assert len(out.shape) == len(y.shape) and all(m in (None, n) for m, n in zip(out.shape, y.shape))


def test_serialized_names():
    layer = keras.layers.GroupQueryAttention(2, 4, 2)
    config = keras.saving.serialize_keras_object(layer)
    assert (config["module"], config["class_name"]) == ("keras.layers", "GroupQueryAttention")
    assert isinstance(keras.saving.deserialize_keras_object(config), keras.layers.GroupQueryAttention)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("i", [1, 9, 13, 16, 19, 20, 40, 55, 60], ids=lambda i: CASES[i].name)
def test_other_dtypes(i, policy):
    """Close to float32 with the same weights; statistics and norms' weights stay float32 under a mixed policy."""
    case = CASES[i]
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=s).astype("float32") for s in case.shapes]
    layer = getattr(keras.layers, case.name)(**case.arguments)
    first = called(layer, case, inputs)[0].numpy()
    other = getattr(keras.layers, case.name)(**{**case.arguments, "dtype": policy})
    called(other, case, inputs)
    other.set_weights(layer.get_weights() if case.name != "BatchNormalization" else other.get_weights())
    got = called(other, case, inputs)[0]
    compute = policy.replace("mixed_", "")
    assert got.dtype == compute
    tolerance = {"float16": 2e-2, "bfloat16": 1e-1, "float64": 1e-5}[compute]
    assert np.abs(got.numpy().astype("float64") - first).max() < tolerance * max(1, np.abs(first).max())
    assert all(w.dtype == ("float64" if policy == "float64" else "float32") for w in other.trainable_weights)


def test_masks_reach_attention():
    """A mask that rides on a tensor counts as one that is given, and goes on with the query."""
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    x[0, 2:] = 0
    layer = keras.layers.MultiHeadAttention(2, 3)
    masked = keras.layers.Masking()(x)
    mask = np.abs(x).sum(-1) > 0
    out = layer(masked, masked)
    expected = layer(x, x, attention_mask=mask[:, :, None] & mask[:, None, :])
    np.testing.assert_array_equal(out.numpy(), expected.numpy())
    np.testing.assert_array_equal(np.asarray(out._keras_mask), mask)
    given = layer(x, x, query_mask=mask, value_mask=mask)
    np.testing.assert_array_equal(out.numpy(), given.numpy())

    out = keras.layers.Attention()([masked, masked])
    assert not out.numpy()[0, 2:].any()  # masked queries give zeros
    np.testing.assert_array_equal(np.asarray(out._keras_mask), mask)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1),
        lambda: keras.layers.GroupQueryAttention(3, 4, 2, dropout=0.5, seed=1),
    ],
)
def test_dropout_of_weights(layer):
    x = np.random.default_rng(0).normal(size=(2, 16, 8)).astype("float32")
    layer = layer()
    still, again = layer(x, x).numpy(), layer(x, x).numpy()
    np.testing.assert_array_equal(still, again)
    a, b = layer(x, x, training=True).numpy(), layer(x, x, training=True).numpy()
    assert not np.array_equal(a, b)
    mean = np.mean([layer(x, x, training=True).numpy() for _ in range(300)], axis=0)
    assert np.abs(mean - still).max() < 0.3 * np.abs(a - still).max()


def test_training_by_fit_and_by_hand_agree():
    """Three epochs of batch normalisation and attention: traced `fit` against op by op."""
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, size=(64, 5, 8)).astype("float32")
    y = rng.integers(0, 3, size=(64,))
    weights = []
    for eagerly in (False, True):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((5, 8))
        h = keras.layers.BatchNormalization()(inputs)
        h = keras.layers.LayerNormalization()(h + keras.layers.MultiHeadAttention(2, 4, dropout=0.2)(h, h))
        h = keras.layers.GroupNormalization(2)(keras.layers.RMSNormalization()(h))
        h = keras.layers.EinsumDense("abc,cd->ad", 3, bias_axes="d")(h)
        model = keras.Model(inputs, keras.layers.Softmax()(h))
        model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=eagerly)
        model.fit(x, y, batch_size=16, epochs=3, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for a, b in zip(*weights):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)
    assert np.abs(weights[0][2] - x.mean((0, 1)) * (1 - 0.99**12)).max() < 0.1  # the moving mean


def test_frozen_batch_normalization_is_still():
    layer = keras.layers.BatchNormalization()
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    layer.build(x.shape)
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True).numpy(), x / np.sqrt(1.001), rtol=1e-6)
    assert not layer.moving_mean.numpy().any()


def test_spectral_normalization():
    rng = np.random.default_rng(0)
    dense = keras.layers.Dense(4)
    layer = keras.layers.SpectralNormalization(dense, power_iterations=30)
    x = rng.normal(size=(2, 6)).astype("float32")
    layer.build((2, 6))
    before = dense.kernel.numpy()
    np.testing.assert_allclose(layer(x).numpy(), x @ before, rtol=1e-5, atol=1e-6)
    layer(x, training=True)
    np.testing.assert_allclose(dense.kernel.numpy(), before / np.linalg.norm(before, 2), rtol=1e-4)
    dense.kernel.assign(np.zeros((6, 4)))
    assert not layer(x, training=True).numpy().any()
    step = tahr.function(lambda x: layer(x, training=True))
    dense.kernel.assign(before)
    step(x)
    np.testing.assert_allclose(dense.kernel.numpy(), before / np.linalg.norm(before, 2), rtol=1e-4)


def test_lora_trains_the_product_alone():
    x = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
    layer = keras.layers.EinsumDense("ab,bc->ac", 3, bias_axes="c")
    model = keras.Sequential([keras.Input((5,)), layer])
    layer.enable_lora(2, lora_alpha=4)
    before = layer._kernel.numpy()
    assert [w.path.split("/")[-1] for w in layer.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    model.compile("adam", "mse")
    model.fit(x, x[:, :3], epochs=2, verbose=0)
    np.testing.assert_array_equal(layer._kernel.numpy(), before)
    assert layer.lora_kernel_b.numpy().any()
    store: dict = {}
    layer.save_own_variables(store)
    np.testing.assert_allclose(
        store["0"], before + 2 * layer.lora_kernel_a.numpy() @ layer.lora_kernel_b.numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("arguments", [{}, {"tie_weights": False, "logit_soft_cap": 0.5}, {"mask_zero": True}])
def test_reversible_embedding(arguments):
    layer = keras.layers.ReversibleEmbedding(6, 4, **arguments)
    tokens = np.array([[1, 2, 0], [5, 1, 4]])
    vectors = layer(tokens)
    table = layer.embeddings.numpy()
    np.testing.assert_array_equal(vectors.numpy(), table[tokens])
    mask = getattr(vectors, "_keras_mask", None)
    assert (mask is None) == ("mask_zero" not in arguments)
    assert mask is None or np.array_equal(mask.numpy(), tokens != 0)
    h = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    expected = h @ (layer.reverse_embeddings.numpy() if layer.weights[1:] else table.T)
    cap = arguments.get("logit_soft_cap")
    expected = expected if cap is None else cap * np.tanh(expected / cap)
    np.testing.assert_allclose(layer(h, reverse=True).numpy(), expected, rtol=1e-5, atol=1e-7)
    inputs = keras.Input((3,), dtype="int32")
    model = keras.Model(inputs, layer(keras.layers.Dense(4)(layer(inputs)), reverse=True))
    assert model.output_shape == (None, 3, 6)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(tokens, tokens, epochs=1, verbose=0)
    assert not np.array_equal(layer.embeddings.numpy(), table)
    assert plain(type(layer).from_config(layer.get_config()).get_config()) == plain(layer.get_config())


@pytest.mark.parametrize(
    "make, error, match",
    [
        (lambda: keras.layers.BatchNormalization(synchronized=True), ValueError, "expected synchronized=False"),
        (lambda: keras.layers.BatchNormalization(renorm=True, renorm_clipping={"a": 1}), ValueError, "invalid keys"),
        (lambda: keras.layers.BatchNormalization()(np.ones((2, 3)), mask=np.ones((2, 3))), ValueError, "one dimension"),
        (lambda: keras.layers.BatchNormalization(axis=3)(np.ones((2, 3))), ValueError, "out of bounds"),
        (lambda: keras.layers.BatchNormalization()(keras.Input((None,))), ValueError, "known size of axis -1"),
        (lambda: keras.layers.LayerNormalization(axis="a"), TypeError, "Expected an int or a list/tuple of ints"),
        (lambda: keras.layers.GroupNormalization(groups=0), ValueError, "invalid value for argument `groups`"),
        (lambda: keras.layers.GroupNormalization(groups=4)(np.ones((2, 6))), ValueError, "must be a multiple"),
        (lambda: keras.layers.SpectralNormalization(keras.layers.Dense(2), 0), ValueError, "greater than zero"),
        (lambda: keras.layers.SpectralNormalization(keras.layers.ReLU())(np.ones((2, 2))), ValueError, "no attribute"),
        (lambda: keras.layers.Attention(score_mode="x"), ValueError, "Invalid value for argument score_mode"),
        (lambda: keras.layers.Attention()(np.ones((2, 3, 4))), ValueError, "must be called on a list"),
        (lambda: keras.layers.MultiHeadAttention(0, 2), ValueError, "expected num_heads to be a positive integer"),
        (lambda: keras.layers.MultiHeadAttention(2, 2, sliding_window=0), ValueError, "sliding_window"),
        (
            lambda: keras.layers.MultiHeadAttention(2, 2, dropout=0.1, flash_attention=True),
            ValueError,
            "Dropout is not supported",
        ),
        (
            lambda: keras.layers.MultiHeadAttention(2, 2, flash_attention=True)(
                np.ones((1, 2, 3)), np.ones((1, 2, 3)), return_attention_scores=True
            ),
            ValueError,
            "Returning attention scores is not supported",
        ),
        (lambda: keras.layers.GroupQueryAttention(2, 3, 2), ValueError, "must be divisible"),
        (lambda: keras.layers.EinsumDense("ab->b", 2)(np.ones((2, 3))), ValueError, "Invalid einsum equation"),
        (lambda: keras.layers.EinsumDense("ab,bc->ac", 2, bias_axes="x")(np.ones((2, 3))), ValueError, "bias_axes"),
        (
            lambda: keras.layers.EinsumDense("abc,cd->abd", (4, 2))(np.ones((2, 3, 5))),
            ValueError,
            "do not match at shared dimension",
        ),
    ],
)
def test_mistakes(make, error, match):
    with pytest.raises(error, match=match):
        make()
