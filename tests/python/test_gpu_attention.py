"""Attention of halves on the GPU: on tensor cores (emulated tiles where there is no GPU), by cuDNN (the emulated one: what
the descriptors say) and, where neither takes a problem, in float32. Run with `--device gpu`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tahr
from op_rows.attention import attention, attention_grad
from tahr import _C

EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
EMULATED = not Path("/dev/nvidia0").exists()
HAS_LIBRARIES = os.environ.get("TAHR_EMULATED_LIBRARIES") != "none"


@pytest.fixture(autouse=True)
def on_the_gpu(gpu):
    before = tahr.config.device_fallbacks()
    yield
    assert tahr.config.device_fallbacks() == before, "an op ran on the CPU for want of a kernel"


# query, key, value, bias, mask; attributes
PROBLEMS: dict[str, Any] = {
    "one tile": (((2, 5, 2, 8), (2, 9, 2, 8), (2, 9, 2, 16), None, None), {"scale": 0.4}),
    "heads share keys": (((1, 70, 4, 16), (1, 66, 2, 16), (1, 66, 2, 8), None, None), {"scale": 0.25}),
    "causal": (((1, 70, 2, 16), (1, 70, 1, 16), (1, 70, 1, 16), None, None), {"scale": 0.25, "causal": True}),
    "causal, few keys": (((1, 80, 1, 8), (1, 40, 1, 8), (1, 40, 1, 8), None, None), {"scale": 0.4, "causal": True}),
    "bias and mask": (((2, 20, 2, 24), (2, 70, 2, 24), (2, 70, 2, 8), (1, 2, 20, 70), (2, 1, 1, 70)), {"scale": 0.2}),
    "mask, causal": (((1, 9, 2, 8), (1, 9, 2, 8), (1, 9, 2, 8), None, (1, 1, 9, 9)), {"scale": 0.4, "causal": True}),
    "odd heads": (((1, 19, 3, 5), (1, 21, 1, 5), (1, 21, 1, 3), None, None), {"scale": 0.5}),
    "heads of 80 and 100": (((1, 18, 1, 80), (1, 17, 1, 80), (1, 17, 1, 100), None, None), {"scale": 0.1}),
    "heads of 130": (((1, 4, 2, 130), (1, 6, 2, 130), (1, 6, 2, 130), None, None), {"scale": 0.1}),
}


def rounded(x: np.ndarray, dtype: str) -> np.ndarray:
    return tahr.cast(tahr.cast(tahr.constant(x.astype("float32")), dtype), "float64").numpy()


def check(shapes: Any, at: dict[str, Any], dtype: str, wide_bias: bool = False) -> None:
    rng = np.random.default_rng(3)
    values = [None if s is None else rounded(rng.uniform(-1, 1, s), dtype) for s in shapes[:4]]
    mask = None if shapes[4] is None else rng.uniform(size=shapes[4]) < 0.7
    dy = rounded(rng.uniform(-1, 1, (*shapes[0][:3], shapes[2][3])), dtype)
    tensors = [None if v is None else tahr.cast(tahr.constant(v), dtype) for v in values]
    if wide_bias:
        tensors[3] = tahr.cast(tensors[3], "float32")
    with tahr.GradientTape() as tape:
        for t in tensors[:3]:
            tape.watch(t)
        out = _C.ops.attention(*tensors, None if mask is None else tahr.constant(mask), **at)[0]
        loss = tahr.reduce_sum(tahr.cast(out * tahr.cast(tahr.constant(dy), dtype), "float32"))
    got = [out, *tape.gradient(loss, tensors[:3])]
    assert all(g.dtype.name == dtype and g.device == "/gpu:0" for g in got)
    expected = [attention(*values, mask, **at)[0]]
    expected += attention_grad(dy, *values[:3], None, None, values[3], mask, **at)
    for name, g, e in zip(("out", "dq", "dk", "dv"), got, expected):
        # A weight is rounded once, and so is the result; weights of a row add up to 1, of a column to their number.
        terms = 4 if name in ("out", "dq") else 4 * shapes[0][2] / shapes[1][2] * max(1.0, shapes[0][1] / shapes[1][1])
        error = np.abs(tahr.cast(g, "float64").numpy() - e).max()
        assert error <= EPSILON[dtype] * terms * max(0.25, np.abs(e).max()), (name, error)


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_beside_the_formula(problem: str, dtype: str):
    check(*PROBLEMS[problem], dtype)


def test_a_bias_may_be_float32():
    check(*PROBLEMS["bias and mask"], "bfloat16", wide_bias=True)


def test_a_query_that_sees_nothing_takes_the_mean():
    rng = np.random.default_rng(0)
    q, k, v = (tahr.cast(tahr.constant(rng.uniform(-1, 1, (1, 70, 1, 8))), "float16") for _ in range(3))
    mask = np.ones((1, 1, 70, 70), bool)
    mask[..., 66, :] = False
    with tahr.GradientTape() as tape:
        tape.watch(q)
        out = _C.ops.attention(q, k, v, None, tahr.constant(mask), scale=0.5, causal=False)[0]
        loss = tahr.reduce_sum(out)
    mean = tahr.cast(v, "float64").numpy()[0].mean(0)
    assert np.abs(tahr.cast(out, "float64").numpy()[0, 66] - mean).max() < 2.0**-9
    assert not tahr.cast(tape.gradient(loss, q), "float32").numpy()[0, 66].any()


@pytest.mark.parametrize("causal", [False, True])
def test_a_layer_under_mixed_precision_learns_as_on_the_cpu(causal: bool):
    def losses(device: str) -> list[float]:
        with tahr.device(device):
            tahr.keras.utils.set_random_seed(2)
            layers = tahr.keras.layers
            x = tahr.keras.Input((6, 8))
            attended = layers.MultiHeadAttention(2, 8, dtype="mixed_bfloat16")(x, x, use_causal_mask=causal)
            model = tahr.keras.Model(x, layers.Dense(1)(layers.Flatten()(attended)))
            model.compile("sgd", "mse")
            data = np.random.default_rng(0).normal(size=(16, 6, 8)).astype("float32")
            fitted = model.fit(data, data.sum((1, 2)), batch_size=8, epochs=3, verbose=0, shuffle=False)
        return fitted.history["loss"]

    np.testing.assert_allclose(losses("gpu:0"), losses("cpu:0"), rtol=0.02)


def child(env: dict[str, str], which: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-o", "addopts=", "--device", "gpu", __file__, "-k", which],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-2000:]
    return run


@pytest.mark.skipif(not EMULATED or not HAS_LIBRARIES, reason="a test of the emulator, and in its child not again")
def test_what_goes_to_cudnn():
    """Problems without mask, bias and causal order whose heads are multiples of 8, there and back."""
    run = child({"TAHR_VERBOSE": "dispatch"}, "beside_the_formula and float16 and not bfloat16")
    chosen = [line for line in run.stderr.splitlines() if line.startswith("[dispatch] attention")]
    assert len(chosen) == 4 and all("cuDNN, workspace" in line for line in chosen), chosen


@pytest.mark.skipif(not EMULATED or not HAS_LIBRARIES, reason="a test of the emulator, and in its child not again")
def test_without_the_library():
    child({"TAHR_EMULATED_LIBRARIES": "none"}, "beside_the_formula and bfloat16 and (tile or share)")
