"""The spectrogram layers beside real Keras: outputs, weights, configs, shapes, training."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tahr import keras

sys.path.insert(0, str(Path(__file__).parent))
from spectrogram_reference import CASES, signal  # noqa: E402


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    if not all(importlib.util.find_spec(name) for name in ("keras", "jax", "scipy")):
        pytest.skip("needs Keras, JAX and SciPy")
    path = tmp_path_factory.mktemp("spectrograms") / "jax.npz"
    program = Path(__file__).parent / "spectrogram_reference.py"
    run = subprocess.run(
        [sys.executable, str(program), str(path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return dict(np.load(path))


@pytest.mark.parametrize("i", range(len(CASES)), ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_beside_keras(reference, i):
    name, arguments, shape = CASES[i]
    x = signal(i, shape)
    layer = getattr(keras.layers, name)(**arguments)
    y = layer(x)
    expected = reference[f"{i}/y"]
    assert y.shape == expected.shape
    # Sums of up to 64 products below 1 in float32; logarithms of values near 0 magnify their error.
    magnified = 50 if arguments.get("mode", "log") == "log" else 1
    eps = np.finfo("float32").eps
    np.testing.assert_allclose(y.numpy(), expected, rtol=64 * eps, atol=64 * eps * magnified)
    theirs = json.loads(str(reference[f"{i}/config"]))
    ours = json.loads(json.dumps(layer.get_config()))
    for config in (ours, theirs):
        config.pop("name")
    assert ours == theirs
    # Keras takes sines and cosines of angles up to pi * frame_length rounded to float32.
    for j, w in enumerate(layer.weights):
        np.testing.assert_allclose(w.numpy(), reference[f"{i}/w{j}"], atol=np.pi * layer.frame_length * eps)
    assert layer.compute_output_shape(shape) == expected.shape
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(x).numpy(), y.numpy())


def test_in_models():
    x = keras.Input((64, 2))
    h = keras.layers.STFTSpectrogram("magnitude", frame_length=16, expand_dims=True)(x)
    assert h.shape == (None, 7, 9, 2)
    model = keras.Model(x, keras.layers.Dense(1)(keras.layers.Flatten()(h)))
    model.compile("adam", "mse")
    loss = model.fit(signal(0, (32, 64, 2)), np.ones((32, 1)), epochs=3, verbose=0).history["loss"]
    assert loss[-1] < loss[0]

    s = keras.Input((128,))
    h = keras.layers.MelSpectrogram(fft_length=32, sequence_stride=16, num_mel_bins=4)(s)
    assert h.shape == (None, 4, 9)
    assert keras.Model(s, h).predict(signal(1, (5, 128)), verbose=0).shape == (5, 4, 9)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: keras.layers.STFTSpectrogram("power"), "expected mode to be one of"),
        (lambda: keras.layers.STFTSpectrogram(frame_length=8, frame_step=9), "frame_step"),
        (lambda: keras.layers.STFTSpectrogram(frame_length=8, fft_length=4), "fft_length"),
        (lambda: keras.layers.STFTSpectrogram(scaling="unit"), "scaling"),
        (lambda: keras.layers.MelSpectrogram(fft_length=8, sequence_length=9), "sequence_length"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
