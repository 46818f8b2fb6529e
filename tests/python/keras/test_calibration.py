"""GPTQ and AWQ: formulas by hand on small kernels, errors of models below those of plain rounding, files."""

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "numpy")
from tahr import keras  # noqa: E402
from tahr.keras.models import calibration  # noqa: E402

quantizers = keras.quantizers


class Letters:
    def tokenize(self, text):
        return np.array([ord(c) - ord("a") for c in text])


def text(size=4000):
    numbers = np.random.default_rng(0).zipf(1.5, size) % 26  # few letters are frequent, as in a language
    return "".join(chr(ord("a") + n) for n in numbers)


def model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(26, 48), keras.layers.Dense(192, activation="relu"), keras.layers.Dense(48)]
    return keras.Sequential([keras.Input((32,)), *layers, keras.layers.Dense(26)])


def quantized(mode, **kwargs):
    m = model()
    cls = quantizers.GPTQConfig if mode == "gptq" else quantizers.AWQConfig
    structure = {"pre_block_layers": [m.layers[0]], "sequential_blocks": m.layers[1:]}
    given = {"num_samples": 32, "sequence_length": 32, "quantization_layer_structure": structure, **kwargs}
    m.quantize(mode, config=cls(dataset=[text()], tokenizer=Letters(), **given))
    return m


def inputs():
    return Letters().tokenize(text())[: 32 * 20].reshape(20, 32)


def error(m):
    expected = model().predict(inputs(), verbose=0)
    return np.sqrt(np.mean((m.predict(inputs(), verbose=0) - expected) ** 2) / np.mean(expected**2))


def plain_rounding(group):
    m = model()
    config = quantizers.Int4QuantizationConfig(block_size=group)
    m.quantize("int4", config=config, filters="dense")
    return error(m)


@pytest.mark.parametrize("group", [-1, 16])
@pytest.mark.parametrize(
    "mode, kwargs, share",
    [
        ("gptq", {}, 0.5),
        ("gptq", {"activation_order": True}, 0.5),
        ("gptq", {"symmetric": True}, 0.5),
        ("gptq", {"calibration_batch_size": 1}, 0.5),
        ("gptq", {"weight_bits": 8}, 0.05),
        ("awq", {}, 1.15),  # no input stands out here: AWQ weighs them by their maxima, and may lose a little
    ],
)
def test_less_error_than_rounding_and_the_same_from_a_file(mode, kwargs, share, group, tmp_path):
    m = quantized(mode, group_size=group, **kwargs)
    assert error(m) < share * plain_rounding(group)
    assert m.layers[1].quantized_kernel.shape == ((192 if kwargs.get("weight_bits") == 8 else 96), 48)
    m.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(inputs(), verbose=0), m.predict(inputs(), verbose=0))


def one_layer(mode, kernel, x, **kwargs):
    """The kernel of a Dense layer after calibration on the rows of `x`, which an embedding makes of tokens 0, 1, ..."""
    embedding, dense = keras.layers.Embedding(*x.shape), keras.layers.Dense(kernel.shape[1], use_bias=False)
    m = keras.Sequential([keras.Input((len(x),)), embedding, dense])
    m.set_weights([x, kernel])
    cls = quantizers.GPTQConfig if mode == "gptq" else quantizers.AWQConfig
    structure = {"pre_block_layers": [embedding], "sequential_blocks": [dense]}
    given = {"num_samples": 1, "sequence_length": len(x), "quantization_layer_structure": structure, **kwargs}
    m.quantize(mode, config=cls(dataset=[np.arange(len(x))], tokenizer=Letters(), **given))
    return dense, np.asarray(dense._calibrated_floats())


def test_independent_inputs_are_rounded_one_by_one():
    """X'X diagonal: no input can make good for another, so GPTQ is rounding to the nearest of 16 numbers."""
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(6, 4)).astype("float32")
    dense, floats = one_layer("gptq", kernel, np.diag(rng.uniform(1, 2, 6)).astype("float32"), group_size=3)
    for group in (slice(0, 3), slice(3, 6)):
        part = kernel[group].astype("float64")
        low, high = np.minimum(part.min(axis=0), 0), np.maximum(part.max(axis=0), 0)
        scale = (high - low) / 15
        zero = np.round(-low / scale)
        expected = (np.clip(np.round(part / scale + zero), 0, 15) - zero) * scale
        np.testing.assert_allclose(floats[group], expected, atol=1e-6)
    np.testing.assert_array_equal(dense.g_idx, [0, 0, 0, 1, 1, 1])


def test_two_equal_inputs_share_the_error():
    """x0 = x1 always: only w0 + w1 matters. The rounding of w0 is made good by w1, up to half a step in all."""
    rng = np.random.default_rng(2)
    x = np.repeat(rng.normal(size=(50, 1)), 2, axis=1).astype("float32")
    kernel = rng.uniform(-1, 1, size=(2, 200)).astype("float32")
    dense, floats = one_layer("gptq", kernel, x, group_size=-1, hessian_damping=1e-6)
    scale = np.asarray(dense.kernel_scale)[:, 0]
    missed = np.abs(floats.sum(axis=0) - kernel.sum(axis=0)) / scale
    inside = missed < 0.5001  # w1 may not reach far enough, at the end of the range
    assert inside.mean() > 0.8
    rounded = np.abs((np.round(kernel / scale) - kernel / scale).sum(axis=0))
    assert np.mean(missed[inside] ** 2) < 0.7 * np.mean(rounded**2)  # 1 / 12 and 2 / 12 of a step


def test_factors_of_awq_follow_the_inputs():
    rng = np.random.default_rng(3)
    sizes = np.array([100.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    x = (rng.normal(size=(64, 8)) * sizes).astype("float32")
    kernel = rng.normal(size=(8, 5)).astype("float32")
    dense, floats = one_layer("awq", kernel, x, group_size=-1)
    factors = np.asarray(dense.awq_scales)
    assert factors[0] > 2 * factors[1:].max()
    plain = one_layer("awq", kernel, np.ones_like(x), group_size=-1)[1]
    assert np.square(x @ (floats - kernel)).mean() < 0.5 * np.square(x @ (plain - kernel)).mean()


def test_attention_is_calibrated_and_filters_hold():
    keras.utils.set_random_seed(1)
    x = keras.Input((8, 16))
    block = keras.Model(x, x + keras.layers.MultiHeadAttention(2, 8, name="attention")(x, x))
    m = keras.Sequential(
        [keras.Input((8,)), keras.layers.Embedding(26, 16), block, keras.layers.Dense(26, name="head")]
    )
    tokens = inputs()[:, :8]
    before = m.predict(tokens, verbose=0)
    structure = {"pre_block_layers": [m.layers[0]], "sequential_blocks": m.layers[1:]}
    config = quantizers.GPTQConfig(
        [text()], Letters(), num_samples=16, sequence_length=8, group_size=8, quantization_layer_structure=structure
    )
    m.quantize("gptq", config=config, filters="query|key|value|attention_output")
    modes = {layer.name: layer.quantization_mode for layer in calibration.kernels_of(m)}
    assert modes == {"query": "gptq", "key": "gptq", "value": "gptq", "attention_output": "gptq", "head": None}
    assert all(layer.is_gptq_calibrated for layer in calibration.kernels_of(m) if layer.name != "head")
    after = m.predict(tokens, verbose=0)
    assert 0 < np.sqrt(np.mean((after - before) ** 2) / np.mean(before**2)) < 0.05


def test_windows_cover_the_data():
    windows = calibration.token_windows(["abcd", "efgh"], Letters(), 2, 3)
    np.testing.assert_array_equal(windows, [[0, 1, 2], [5, 6, 7]])
    np.testing.assert_array_equal(calibration.token_windows([np.array([[7, 8]])], None, 2, 2), [[7, 8], [7, 8]])
    with pytest.raises(TypeError, match="iterable of texts"):
        calibration.token_windows("abcd", Letters(), 1, 2)
    with pytest.raises(ValueError, match="empty dataset"):
        calibration.token_windows([], Letters(), 1, 2)


def test_refusals():
    m = model()
    with pytest.raises(ValueError, match="a valid quantization structure must be provided"):
        m.quantize("gptq", config=quantizers.GPTQConfig(["a"], Letters()))
    with pytest.raises(ValueError, match="No sequential blocks"):
        m.quantize("awq", config=quantizers.AWQConfig(["a"], Letters(), quantization_layer_structure={"a": 1}))
    structure = {"sequential_blocks": m.layers[1:]}
    with pytest.raises(ValueError, match="requires a dataset and a tokenizer"):
        m.quantize("gptq", config=quantizers.GPTQConfig(None, None, quantization_layer_structure=structure))
