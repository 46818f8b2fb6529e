"""Files between this package and real Keras, in both directions, for every family of layers.

Keras runs once, in a process of its own (`saving_reference.py`); the models are those of `saving_cases.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from saving_cases import CASES, flat, inputs_of, losses_of, make
from tahr import keras

HERE = Path(__file__).parent
# What Keras 3.15 itself cannot do: with `.h5` files of Adafactor (two arrays of one name) and Lamb (not in its list), and
# of models without a graph; and train on after opening any `.h5`: it builds the optimizer for no variables.
NOT_IN_KERAS = {"optimizer_adafactor.h5", "optimizer_lamb.h5", "subclassed.h5"}
TOLERANCE = 1e-5
# Losses of steps after loading: sums in another order, amplified by the steps.
LOSS_TOLERANCE = 1e-4
LOW = {"half_precision": 2e-2}  # eight bits of mantissa


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None:
        pytest.skip("needs keras and jax")
    folder = tmp_path_factory.mktemp("exchange")
    for sub in ("ours", "real"):
        (folder / sub).mkdir()
    ours = {}
    for name in CASES:
        keras.utils.set_random_seed(2)
        model = make(keras, name)
        losses_of(model, name, 2)
        for ending in ("keras", "h5"):
            model.save(folder / "ours" / f"{name}.{ending}")
        model.save_weights(folder / "ours" / f"{name}.weights.h5")
        weights = [np.asarray(w, "float32") for w in model.get_weights()]
        out = flat(model.predict_on_batch(inputs_of(name)))
        ours[name] = out, losses_of(model, name) if CASES[name][2] else [], weights
    # What takes long is compiling: without optimisation, and the same thing once.
    env = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(HERE),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    subprocess.run([sys.executable, str(HERE / "saving_reference.py"), str(folder)], check=True, env=env, timeout=1800)
    with np.load(folder / "real.npz") as found:
        real = dict(found)
    return folder, ours, real, json.loads((folder / "errors.json").read_text())


def close(a, b, name, tolerance=TOLERANCE):
    tolerance = max(tolerance, LOW.get(name, 0.0))
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(b).max(initial=0.0))))


@pytest.mark.parametrize("ending", ["keras", "h5", "weights.h5"])
@pytest.mark.parametrize("name", CASES)
def test_keras_opens_our_file(exchange, name, ending):
    if f"{name}.{ending}" in NOT_IN_KERAS:
        pytest.skip("nor does Keras open its own")
    _, ours, real, errors = exchange
    key = f"opened/{name}.{ending}"
    assert key not in errors, errors[key]
    out, losses, weights = ours[name]
    for i, w in enumerate(weights):
        np.testing.assert_array_equal(real[f"{key}/weights/{i}"], w)
    if ending == "keras":
        for i, a in enumerate(out):
            close(real[f"{key}/out/{i}"], a, name)
        if CASES[name][2]:
            close(real[f"{key}/losses"], losses, name, LOSS_TOLERANCE)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("name", CASES)
def test_we_open_a_file_of_keras(exchange, name, ending):
    folder, _, real, errors = exchange
    if f"{name}.{ending}" == "subclassed.h5":
        pytest.skip("the format does not say how to build it")
    if f"saved/{name}.{ending}" in errors:
        pytest.skip("Keras cannot write it")
    key = f"made/{name}"
    assert key not in errors, errors[key]
    model = keras.models.load_model(folder / "real" / f"{name}.{ending}")
    for i, a in enumerate(flat(model.predict_on_batch(inputs_of(name)))):
        close(a, real[f"{key}/out/{i}"], name)
    if CASES[name][2]:
        close(losses_of(model, name), real[f"{key}/losses"], name, LOSS_TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_we_load_weights_of_keras(exchange, name):
    folder, _, real, _ = exchange
    model = make(keras, name)
    model.load_weights(folder / "real" / f"{name}.weights.h5")
    for i, a in enumerate(flat(model.predict_on_batch(inputs_of(name)))):
        close(a, real[f"made/{name}/out/{i}"], name)
