"""Layers along spatial axes beside real Keras on JAX: outputs, gradients, configs, mistakes."""

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
from spatial_cases import CASES  # noqa: E402

EPS = np.finfo("float32").eps


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    if not all(importlib.util.find_spec(name) for name in ("jax", "keras")):
        pytest.skip("needs Keras and JAX")
    here = Path(__file__).parent
    path = tmp_path_factory.mktemp("spatial") / "reference.npz"
    paths = os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, str(here / "spatial_reference.py"), str(path)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return dict(np.load(path))


def plain(config):
    config = json.loads(json.dumps(config))
    config.pop("name")
    return config


def assert_near(actual, expected, terms, what):
    """Two sums of `terms` products of magnitude 1 at most, each rounded as often."""
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=4 * EPS * max(terms, 8), err_msg=what)


@pytest.mark.parametrize("i", range(len(CASES)), ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_layer_beside_keras(reference, i):
    name, arguments, shape = CASES[i]
    of = {k.split("/", 1)[1]: reference[k] for k in reference if k.startswith(f"{i}/")}
    layer = getattr(keras.layers, name)(**arguments)
    assert plain(layer.get_config()) == plain(json.loads(str(of["config"])))
    layer.build(shape)
    assert [w.path.split("/")[-1] for w in layer.weights] == json.loads(str(of["names"]))
    weights = [of[f"w{j}"] for j in range(len(layer.weights))]
    layer.set_weights(weights)
    x = tahr.constant(of["x"])
    with tahr.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        total = tahr.reduce_sum(y * of["c"])
    grads = tape.gradient(total, [x, *layer.trainable_weights])
    assert y.shape == of["y"].shape
    assert tuple(layer.compute_output_shape(shape)) == tuple(of["shape"]) == y.shape
    taps = max([int(np.prod(w.shape[:-1])) for w in weights], default=27) * 3
    assert_near(y, of["y"], taps, "outputs")
    places = int(np.prod(of["y"].shape))
    assert_near(grads[0], of["dx"], taps * max(1, y.shape[-1]), "gradient of the input")
    for j, g in enumerate(grads[1:]):
        assert_near(g, of[f"g{j}"], places, f"gradient of weight {j}")


@pytest.mark.parametrize(
    "name, arguments, shape", CASES[::5], ids=[f"{5 * i}-{c[0]}" for i, c in enumerate(CASES[::5])]
)
def test_symbolic_shapes_and_configs(name, arguments, shape):
    layer = getattr(keras.layers, name)(**arguments)
    out = layer(keras.Input(shape[1:]))
    assert out.shape == (None, *layer(np.zeros(shape, "float32")).shape[1:])
    axes = [
        i
        for i in range(1, len(shape))
        if i != (1 if arguments.get("data_format") == "channels_first" else len(shape) - 1)
    ]
    open_shape = tuple(None if i in axes else d for i, d in enumerate(shape))[1:]
    again = type(layer).from_config(layer.get_config())
    assert len(again(keras.Input(open_shape)).shape) == len(out.shape)
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: keras.layers.Conv2D(0, 3), r"\[Conv2D\] expected filters to be positive"),
        (lambda: keras.layers.Conv2D(4, 3, groups=3), r"\[Conv2D\] expected groups to divide filters"),
        (lambda: keras.layers.Conv2D(4, (3, 3, 3)), r"\[Conv2D\] expected kernel_size to be an integer of at least 1"),
        (
            lambda: keras.layers.Conv2D(4, 3, strides=2, dilation_rate=2),
            r"\[Conv2D\] `strides > 1` is not compatible",
        ),
        (lambda: keras.layers.Conv2D(4, 3, padding="causal"), r"\[Conv2D\] expected padding to be one of valid, same"),
        (lambda: keras.layers.Conv2DTranspose(4, 3, output_padding=1), r"expected output_padding smaller than strides"),
        (lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=0), r"expected depth_multiplier to be positive"),
        (lambda: keras.layers.MaxPooling2D(0), r"\[MaxPooling2D\] expected pool_size"),
        (lambda: keras.layers.Cropping2D((1, 2, 3)), r"\[Cropping2D\] expected cropping"),
        (lambda: keras.layers.UpSampling2D(interpolation="area"), r"\[UpSampling2D\] expected interpolation"),
        (
            lambda: keras.layers.Conv2D(4, 3, name="c")(np.ones((1, 2, 2, 3))),
            r"\[c\] expected inputs at least as large",
        ),
        (
            lambda: keras.layers.Conv2D(4, 3, name="c", groups=2)(np.ones((1, 4, 4, 3))),
            r"\[c\] expected groups to divide",
        ),
        (
            lambda: keras.layers.Cropping1D(3, name="c")(np.ones((1, 5, 3))),
            r"\[c\] the `cropping` parameter of `Cropping1D` layer",
        ),
    ],
)
def test_mistakes_are_explained(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_masked_steps_do_not_count_in_a_global_average():
    x = np.arange(12, dtype="float32").reshape(2, 3, 2)
    mask = np.array([[True, False, True], [True, True, False]])
    y = keras.layers.GlobalAveragePooling1D()(x, mask=mask)
    np.testing.assert_allclose(y.numpy(), [x[0, [0, 2]].mean(0), x[1, :2].mean(0)], rtol=4 * EPS)


def test_lora_trains_the_thin_matrices_only():
    layer = keras.layers.Conv2D(3, 3)
    layer.build((None, 5, 5, 2))
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 2)).astype("float32")
    before = layer(x).numpy()
    layer.enable_lora(2)
    np.testing.assert_array_equal(layer(x).numpy(), before)
    assert [w.name for w in layer.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    with pytest.raises(ValueError, match="once"):
        layer.enable_lora(2)


def test_layers_have_their_other_names():
    assert keras.layers.Convolution2D is keras.layers.Conv2D
    assert keras.layers.MaxPool3D is keras.layers.MaxPooling3D
    assert keras.layers.GlobalAvgPool1D is keras.layers.GlobalAveragePooling1D
    assert keras.layers.SeparableConvolution1D is keras.layers.SeparableConv1D


def test_data_format_of_the_configuration():
    keras.config.set_image_data_format("channels_first")
    try:
        assert keras.layers.Conv2D(4, 3)(np.ones((1, 2, 5, 6))).shape == (1, 4, 3, 4)
        assert keras.layers.MaxPooling2D()(np.ones((1, 2, 5, 6))).shape == (1, 2, 2, 3)
        assert tahr.ops.average_pool(np.ones((1, 2, 5, 6)), 2).shape == (1, 2, 2, 3)
    finally:
        keras.config.set_image_data_format("channels_last")
