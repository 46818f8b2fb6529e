"""enable_lora: what is added, what trains, what is stored. And small checks of Input, Lambda and attention."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from tahr import keras

EPS = np.finfo("float32").eps
LAYERS = [
    (lambda **k: keras.layers.Dense(6, **k), (3, 5), "float32"),
    (
        lambda **k: keras.layers.EinsumDense("abc,cd->abd", output_shape=(None, 6), bias_axes="d", **k),
        (3, 4, 5),
        "float32",
    ),
    (lambda **k: keras.layers.Conv1D(6, 2, **k), (3, 4, 5), "float32"),
    (lambda **k: keras.layers.Embedding(7, 6, **k), (3, 4), "int32"),
    (lambda **k: keras.layers.ReversibleEmbedding(7, 6, tie_weights=False, **k), (3, 4), "int32"),
]
NAMES = ["Dense", "EinsumDense", "Conv1D", "Embedding", "ReversibleEmbedding"]


def data(shape, dtype):
    rng = np.random.default_rng(0)
    return rng.integers(0, 7, shape).astype(dtype) if dtype == "int32" else rng.uniform(-1, 1, shape).astype(dtype)


def parts(layer):
    """The frozen weight, the two matrices, and the name of their sum."""
    if isinstance(layer, keras.layers.Embedding):
        return layer._embeddings, layer.lora_embeddings_a, layer.lora_embeddings_b, "embeddings"
    return layer._kernel, layer.lora_kernel_a, layer.lora_kernel_b, "kernel"


@pytest.mark.parametrize("make, shape, dtype", LAYERS, ids=NAMES)
def test_adaptation(make, shape, dtype, tmp_path):
    layer, plain = make(lora_rank=2, lora_alpha=3), make()
    layer.build(shape), plain.build(shape)
    weight, a, b, name = parts(layer)
    assert not weight.trainable and a.trainable and b.trainable
    assert a.shape == (*weight.shape[:-1], 2) and b.shape == (2, weight.shape[-1])
    np.testing.assert_array_equal(b.numpy(), 0)

    rng = np.random.default_rng(1)
    a.assign(rng.uniform(-1, 1, a.shape)), b.assign(rng.uniform(-1, 1, b.shape))
    whole = weight.numpy().astype("float64") + 1.5 * a.numpy().astype("float64") @ b.numpy().astype("float64")
    found = np.asarray(getattr(layer, name))
    np.testing.assert_allclose(found, whole, rtol=0, atol=16 * EPS * np.abs(whole).max())

    x = data(shape, dtype)
    with tahr.GradientTape() as tape:
        y = layer(x)
        total = tahr.reduce_sum(y * y)
    for gradient in tape.gradient(total, [a, b]):
        assert np.abs(np.asarray(gradient)).max() > 0

    store, again = {}, {}
    layer.save_own_variables(store)
    plain.load_own_variables(store)  # an ordinary layer gets the sum
    np.testing.assert_allclose(np.asarray(plain(x)), np.asarray(y), rtol=0, atol=64 * EPS)
    layer.load_own_variables(store)  # and an adapted one starts again from it
    np.testing.assert_array_equal(b.numpy(), 0)
    np.testing.assert_allclose(np.asarray(layer(x)), np.asarray(y), rtol=0, atol=64 * EPS)
    layer.save_own_variables(again)
    assert store.keys() == again.keys() and all(np.array_equal(store[k], again[k]) for k in store)

    config = layer.get_config()
    assert (config["lora_rank"], config["lora_alpha"]) == (2, 3)
    assert type(layer).from_config(config).lora_alpha == 3 and "lora_rank" not in plain.get_config()
    with pytest.raises(ValueError):
        layer.enable_lora(2)


def test_training_moves_only_the_adaptation():
    layer = keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.enable_lora(2)
    kernel, b = layer._kernel.numpy(), layer.lora_kernel_b.numpy()
    model.compile("sgd", "mse")
    model.fit(data((8, 4), "float32"), np.ones((8, 3)), verbose=0)
    np.testing.assert_array_equal(layer._kernel.numpy(), kernel)
    assert np.abs(layer.lora_kernel_b.numpy() - b).max() > 0


def test_lora_mistakes():
    with pytest.raises(ValueError, match="isn't yet built"):
        keras.layers.Dense(2).enable_lora(1)
    layer = keras.layers.Dense(2, kernel_constraint="non_neg")
    layer.build((None, 3))
    with pytest.raises(ValueError, match="constraint"):
        layer.enable_lora(1)


@pytest.mark.parametrize(
    "given", [{"shape": (4,)}, {"batch_shape": (2, 4)}, {"batch_size": 5}, {"dtype": "float16"}], ids=str
)
def test_an_input_tensor_is_not_contradicted(given):
    tensor = keras.KerasTensor((2, 3), dtype="float32")
    with pytest.raises(ValueError, match=f"{next(iter(given))} .* of the input_tensor"):
        keras.layers.InputLayer(input_tensor=tensor, **given)
    keras.layers.InputLayer(input_tensor=tensor, shape=(3,), batch_size=2, dtype="float32")


def test_batch_size_and_batch_shape():
    with pytest.raises(ValueError, match="either batch_size or batch_shape"):
        keras.layers.InputLayer(batch_size=4, batch_shape=(2, 3))


def test_lambda_of_an_op():
    x = np.array([[1.0, -3.0]], "float32")
    np.testing.assert_array_equal(np.asarray(keras.layers.Lambda(keras.ops.square)(x)), x * x)


def test_sliding_window_is_public():
    assert keras.layers.MultiHeadAttention(2, 3, sliding_window=4).sliding_window == 4
