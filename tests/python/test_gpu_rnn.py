"""Recurrent layers on the GPU beside the CPU's kernels: by cuDNN (the emulated one: what the descriptors say), and by our
own kernels where cuDNN is missing, refuses or cannot. Run with `--device gpu`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tahr
from tahr import _C

EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
EMULATED = not Path("/dev/nvidia0").exists()
HAS_LIBRARIES = os.environ.get("TAHR_EMULATED_LIBRARIES") != "none"
OPS = {"simple_rnn": (1, 1), "lstm": (4, 2), "gru": (3, 1)}  # gates, states

pytestmark = pytest.mark.usefixtures("gpu")


def drawn(op: str, sizes: tuple[int, ...], attrs: dict[str, Any], has: str) -> tuple[list[Any], Any]:
    """x, kernels, bias, states; and a mask. `has`: b for a bias, s for states, m for a mask."""
    rng = np.random.default_rng(5)
    batch, steps, features, units = sizes
    gates, states = OPS[op]
    wide = gates * units
    bias = (2, wide) if op == "gru" and attrs.get("reset_after", True) else (wide,)
    shapes: list[Any] = [(batch, steps, features), (features, wide), (units, wide), bias if "b" in has else None]
    shapes += [(batch, units) if "s" in has else None] * states
    scales = [1.0, features**-0.5, units**-0.5, 0.5, 0.5, 0.5]
    arrays = [None if s is None else rng.normal(size=s) * k for s, k in zip(shapes, scales)]
    return arrays, rng.uniform(size=(batch, steps)) < 0.7 if "m" in has else None


def results(device: str, op: str, inputs: tuple[list[Any], Any], dtype: str, attrs: dict[str, Any]) -> list[np.ndarray]:
    """Public outputs, the gradients of all inputs, and whether the device keeps a reserve."""
    arrays, mask = inputs
    with tahr.device(device):
        tensors = [None if a is None else tahr.cast(tahr.constant(a), dtype) for a in arrays]
        given = [t for t in tensors if t is not None]
        with tahr.GradientTape(persistent=True) as tape:
            for t in given:
                tape.watch(t)
            out = getattr(_C.ops, op)(*tensors, None if mask is None else tahr.constant(mask), **attrs)
            rng = np.random.default_rng(6)
            public = 1 + OPS[op][1]
            weights = [tahr.cast(tahr.constant(rng.normal(size=o.shape)), dtype) for o in out[:public]]
            loss = tahr.add_n([tahr.reduce_sum(tahr.cast(o * w, "float32")) for o, w in zip(out[:public], weights)])
        first, again = tape.gradient(loss, given), tape.gradient(loss, given)
    for a, b in zip(first, again):  # what the forward pass kept is still there
        np.testing.assert_array_equal(tahr.cast(a, "float32").numpy(), tahr.cast(b, "float32").numpy())
    found = [tahr.cast(t, "float64").numpy() for t in (*out[:public], *first)]
    return [*found, np.asarray(out[-1].shape[0] > 0)]


def compare(op: str, sizes: tuple[int, ...], attrs: dict[str, Any], has: str, dtype: str) -> bool:
    inputs = drawn(op, sizes, attrs, has)
    *got, by_library = results("gpu:0", op, inputs, dtype, attrs)
    *want, _ = results("cpu:0", op, inputs, dtype, attrs)
    # Each step rounds the state once; gradients are sums over steps and rows of numbers near 1.
    bound = EPSILON[dtype] * (4 * sizes[1] + 16)
    for i, (g, w) in enumerate(zip(got, want)):
        assert np.abs(g - w).max() <= bound * max(1.0, np.abs(w).max()), (i, np.abs(g - w).max(), bound)
    return bool(by_library)


CASES = [
    ("simple_rnn", {}, "b"),
    ("simple_rnn", {"activation": "relu", "go_backwards": True}, "s"),
    ("lstm", {}, "b"),
    ("lstm", {}, ""),
    ("lstm", {"go_backwards": True}, "bs"),
    ("gru", {}, "b"),
    ("gru", {"go_backwards": True}, "s"),
    ("gru", {}, "bs"),
]


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("op, attrs, has", CASES)
def test_by_the_library(op: str, attrs: dict[str, Any], has: str, dtype: str):
    assert compare(op, (3, 5, 4, 7), attrs, has, dtype) == HAS_LIBRARIES
    compare(op, (2, 1, 33, 1), attrs, has, dtype)


@pytest.mark.parametrize(
    "op, attrs, has",
    [
        ("lstm", {}, "bm"),
        ("lstm", {"activation": "relu"}, "b"),
        ("lstm", {"recurrent_activation": "hard_sigmoid"}, "b"),
        ("gru", {"reset_after": False}, "b"),
        ("simple_rnn", {"activation": "sigmoid"}, "b"),
        ("simple_rnn", {}, "bm"),
    ],
)
def test_by_own_kernels(op: str, attrs: dict[str, Any], has: str):
    assert not compare(op, (3, 5, 4, 7), attrs, has, "float32")


def test_a_persistent_algorithm_that_is_refused_as_it_runs():
    """The emulated library has none; the layer is of those for which one is asked first."""
    assert compare("lstm", (16, 10, 128, 128), {}, "b", "float16") == HAS_LIBRARIES


def test_a_traced_step_is_recorded():
    arrays, _ = drawn("lstm", (4, 6, 5, 8), {}, "b")
    x, kernel, recurrent, bias = (tahr.constant(a.astype("float32")) for a in arrays[:4])
    weight = tahr.Variable(kernel)

    @tahr.function
    def step(x):
        with tahr.GradientTape() as tape:
            loss = tahr.reduce_sum(_C.ops.lstm(x, weight, recurrent, bias)[0])
        gradient = tape.gradient(loss, weight)
        weight.assign_sub(0.01 * gradient)
        return loss

    losses = [float(step(x)) for _ in range(6)]
    weight.assign(kernel)
    with tahr.device("cpu"):
        expected = []
        w = tahr.Variable(arrays[1].astype("float32"))
        host = [tahr.constant(a.astype("float32")) for a in (arrays[0], *arrays[2:4])]
        for _ in range(6):
            with tahr.GradientTape() as tape:
                loss = tahr.reduce_sum(_C.ops.lstm(host[0], w, *host[1:])[0])
            w.assign_sub(0.01 * tape.gradient(loss, w))
            expected.append(float(loss))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("layer", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_layers_learn_alike(layer: str, policy: str):
    def trained(device: str) -> list[float]:
        with tahr.device(device):
            tahr.keras.utils.set_random_seed(1)
            model = tahr.keras.Sequential(
                [
                    tahr.keras.Input((6, 3)),
                    getattr(tahr.keras.layers, layer)(8, dtype=policy),
                    tahr.keras.layers.Dense(1),
                ]
            )
            model.compile("sgd", "mse")
            rng = np.random.default_rng(0)
            x = rng.normal(size=(32, 6, 3)).astype("float32")
            history = model.fit(x, x.sum((1, 2)), batch_size=8, epochs=3, verbose=0, shuffle=False)
        return history.history["loss"]

    np.testing.assert_allclose(trained("gpu:0"), trained("cpu:0"), rtol=1e-4 if policy == "float32" else 0.03)


@pytest.mark.skipif(not EMULATED or not HAS_LIBRARIES, reason="a test of the emulator, and in its child not again")
def test_without_the_library():
    env = {**os.environ, "TAHR_EMULATED_LIBRARIES": "none"}
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "--device", "gpu", __file__, "-k"]
    run = subprocess.run(
        [*command, "test_by or recorded"], env=env, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert run.returncode == 0, run.stdout[-3000:]
