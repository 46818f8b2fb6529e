"""Convolutions and pools on the GPU beside the CPU's kernels: by cuDNN (the emulated one: what the descriptors say), and by
our own kernels where cuDNN is missing or refuses. Run with `--device gpu`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tahr
from tahr import _C

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
DTYPES = [*EPSILON]
EMULATED = not Path("/dev/nvidia0").exists()
HAS_LIBRARIES = os.environ.get("TAHR_EMULATED_LIBRARIES") != "none"


def convolutions_on_the_cpu() -> dict[str, int]:
    return {op: n for op, n in tahr.config.device_fallbacks().items() if op.startswith(("conv", "pool"))}


@pytest.fixture(autouse=True)
def on_the_gpu(gpu):
    before = convolutions_on_the_cpu()
    yield
    assert convolutions_on_the_cpu() == before, "an op ran on the CPU for want of a kernel"


def on(device: str, op: str, arrays: list, dtype: str, **attrs) -> np.ndarray:
    with tahr.device(device):
        result = getattr(_C.ops, op)(
            *(None if a is None else tahr.cast(tahr.constant(a), dtype) for a in arrays), **attrs
        )
    assert result.device == f"/{device}:0"
    return np.asarray(tahr.cast(result, "float64").numpy())


# Of x: (n, spatial..., channels); of the kernel; the rest as in conv_forward. What cuDNN cannot be told as it stands is
# among these: unequal and negative padding, more of it than the window, padding that is never reached.
PROBLEMS = {
    "1d, causal": ((2, 13, 4), (3, 4, 6), [1], [2], [4], [0], 1),
    "1d, strided, long": ((1, 301, 3), (7, 3, 5), [2], [1], [2], [3], 1),
    "2d, same": ((2, 9, 7, 8), (3, 3, 8, 12), [1, 1], [1, 1], [1, 1], [1, 1], 1),
    "2d, same, even sizes, strides": ((2, 8, 10, 4), (3, 3, 4, 8), [2, 2], [1, 1], [0, 0], [1, 1], 1),
    "2d, unequal strides and dilation": ((2, 11, 12, 3), (2, 3, 3, 5), [3, 2], [2, 1], [1, 2], [2, 0], 1),
    "2d, strides and dilation share factors": ((1, 13, 17, 4), (3, 4, 4, 4), [4, 2], [2, 2], [3, 1], [1, 4], 1),
    "2d, padding never reached": ((1, 6, 6, 2), (2, 2, 2, 3), [3, 3], [1, 1], [0, 0], [1, 1], 1),
    "2d, cut off": ((1, 9, 9, 2), (3, 3, 2, 4), [1, 2], [1, 1], [-2, 1], [1, -3], 1),
    "2d, groups": ((2, 7, 6, 8), (3, 3, 4, 12), [1, 2], [1, 1], [1, 1], [1, 1], 2),
    "2d, 3 channels to 70": ((1, 12, 12, 3), (5, 5, 3, 70), [2, 2], [1, 1], [2, 2], [2, 2], 1),
    "1d, pointwise, one channel": ((3, 9, 1), (1, 1, 5), [1], [1], [0], [0], 1),
    "2d, pointwise": ((2, 5, 6, 20), (1, 1, 20, 68), [1, 1], [1, 1], [0, 0], [0, 0], 1),
    "2d, pointwise, strided": ((2, 5, 6, 8), (1, 1, 8, 16), [2, 2], [1, 1], [0, 0], [0, 0], 1),
    "2d, window of all places": ((3, 4, 4, 6), (4, 4, 6, 7), [1, 1], [1, 1], [0, 0], [0, 0], 1),
    "2d, depthwise": ((2, 9, 8, 24), (3, 3, 1, 24), [2, 1], [1, 2], [1, 2], [0, 2], 24),
    "2d, depthwise, odd channels": ((1, 19, 18, 37), (4, 5, 1, 37), [1, 3], [1, 1], [1, 1], [2, 2], 37),
    "3d": ((1, 5, 6, 7, 4), (2, 3, 2, 4, 8), [1, 2, 1], [2, 1, 1], [1, 1, 0], [0, 1, 1], 1),
    "many places": ((3, 20, 22, 4), (3, 3, 4, 4), [1, 1], [1, 1], [1, 1], [1, 1], 1),
}


def data(problem: str) -> tuple:
    x_shape, w_shape, strides, dilation, low, high, groups = PROBLEMS[problem]
    rng = np.random.default_rng(0)
    x, w = (rng.uniform(-1, 1, s).astype("float32") for s in (x_shape, w_shape))
    at = {"strides": strides, "dilation": dilation, "low": low, "high": high, "groups": groups}
    return x, w, at


def compare(got: np.ndarray, expected: np.ndarray, terms: float, dtype: str):
    """Of `terms` products of at most 1 each, added in float32 (float64) in two orders and rounded to dtype."""
    summed = EPSILON["float64" if dtype == "float64" else "float32"]
    np.testing.assert_allclose(got, expected, rtol=2 * EPSILON[dtype], atol=4 * summed * terms)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_convolutions_beside_the_cpu(problem, dtype):
    x, w, at = data(problem)
    y = on("cpu", "conv_forward", [x, w], dtype, **at)
    dy = np.random.default_rng(1).uniform(-1, 1, y.shape).astype("float32")
    compare(on("gpu", "conv_forward", [x, w], dtype, **at), y, np.prod(w.shape[:-1]), dtype)
    for op, inputs, size, terms in (
        ("conv_dx", [dy, w], x.shape[1:-1], w.size / w.shape[-2] / at["groups"]),
        ("conv_dw", [x, dy], w.shape[:-2], y.size / y.shape[-1]),
    ):
        expected = on("cpu", op, inputs, dtype, size=list(size), **at)
        first = on("gpu", op, inputs, dtype, size=list(size), **at)
        compare(first, expected, terms, dtype)
        assert first.tobytes() == on("gpu", op, inputs, dtype, size=list(size), **at).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["", "relu", "tanh", "leaky_relu"])
@pytest.mark.parametrize("problem", ["2d, same", "2d, groups", "2d, depthwise, odd channels", "3d"])
def test_bias_and_activation_give_the_bits_of_the_plain_ops(problem, activation, dtype):
    x, w, at = data(problem)
    b = np.linspace(-1, 1, w.shape[-1])
    tx, tw, tb = (tahr.cast(tahr.constant(v), dtype) for v in (x, w, b))
    plain = tahr.ops.add(_C.ops.conv_forward(tx, tw, **at), tb)
    if activation:
        plain = getattr(tahr.ops, activation)(plain)
    assert _C.ops.conv_linear(tx, tw, tb, activation=activation, **at).numpy().tobytes() == plain.numpy().tobytes()


def test_tensor_float_32_is_a_switch():
    """On, factors have 10 bits: results differ, by 2^-10 of the sum of magnitudes at most. Off again, they are as before."""
    if not EMULATED or not HAS_LIBRARIES:
        pytest.skip("is cuDNN's choice")
    x, w, at = data("2d, same")
    exact = on("gpu", "conv_forward", [x, w], "float32", **at)
    tahr.config.enable_tensor_float_32_execution(True)
    try:
        rounded = on("gpu", "conv_forward", [x, w], "float32", **at)
        halves = on("gpu", "conv_forward", [x, w], "bfloat16", **at)
    finally:
        tahr.config.enable_tensor_float_32_execution(False)
    assert 2.0**-20 < np.abs(rounded - exact).max() < 2.0**-10 * np.prod(w.shape[:-1])
    assert exact.tobytes() == on("gpu", "conv_forward", [x, w], "float32", **at).tobytes()
    assert halves.tobytes() == on("gpu", "conv_forward", [x, w], "bfloat16", **at).tobytes()


def test_no_images_and_no_outputs():
    w = np.ones((3, 3, 2, 4), "float32")
    at = {"strides": [1, 1], "dilation": [1, 1], "low": [0, 0], "high": [0, 0]}
    assert on("gpu", "conv_forward", [np.ones((0, 5, 5, 2)), w], "float32", **at).shape == (0, 3, 3, 4)
    assert on("gpu", "conv_forward", [np.ones((1, 2, 5, 2)), w], "float32", **at).shape == (1, 0, 3, 4)
    dx = on("gpu", "conv_dx", [np.ones((1, 0, 3, 4)), w], "float32", size=[2, 5], **at)
    dw = on("gpu", "conv_dw", [np.ones((0, 5, 5, 2)), np.ones((0, 3, 3, 4))], "float32", size=[3, 3], **at)
    assert dx.shape == (1, 2, 5, 2) and dw.shape == w.shape and not dx.any() and not dw.any()


POOLS = {  # of x; window, strides, low, high
    "1d": ((3, 11, 4), [3], [2], [1], [0]),
    "2d": ((2, 8, 8, 8), [2, 2], [2, 2], [0, 0], [0, 0]),
    "2d, overlapping": ((2, 9, 10, 5), [3, 3], [2, 1], [1, 0], [1, 2]),
    "2d, gaps": ((1, 11, 10, 16), [2, 1], [4, 3], [0, 0], [0, 0]),
    "2d, all places": ((2, 17, 18, 4), [17, 18], [17, 18], [0, 0], [0, 0]),
    "3d": ((1, 5, 6, 7, 3), [2, 3, 2], [1, 2, 2], [0, 1, 0], [1, 1, 0]),
    "adaptive": ((2, 7, 9, 4), [3, 4], [0, 0], [0, 0], [0, 0]),
    "adaptive, more windows than places": ((1, 3, 5, 2), [5, 5], [0, 0], [0, 0], [0, 0]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", POOLS)
def test_pools_have_the_bits_of_the_cpu(problem, dtype):
    """Maxima and where they are exactly; sums in the same order. Ties and NaN are among the inputs."""
    shape, window, strides, low, high = POOLS[problem]
    at = {"window": window, "strides": strides, "low": low, "high": high, "adaptive": problem.startswith("adaptive")}
    rng = np.random.default_rng(2)
    x = np.round(rng.uniform(-4, 4, shape)) / 2
    holes = np.where(rng.uniform(size=shape) < 0.05, np.nan, x)
    v = rng.uniform(-1, 1, shape)
    y = on("cpu", "pool_max", [x], dtype, **at)
    dy = rng.uniform(-1, 1, y.shape)
    for op, inputs in (
        ("pool_max", [x]),
        ("pool_max", [holes]),
        ("pool_max_scatter", [x, dy]),
        ("pool_max_scatter", [holes, dy]),
        ("pool_max_gather", [x, v]),
        ("pool_max_gather", [holes, v]),
        ("pool_average", [v]),
    ):
        np.testing.assert_array_equal(
            on("gpu", op, inputs, dtype, **at), on("cpu", op, inputs, dtype, **at), err_msg=op
        )
    sizes = {"size": list(shape[1:-1])}
    np.testing.assert_array_equal(
        on("gpu", "pool_average_grad", [dy], dtype, **at, **sizes),
        on("cpu", "pool_average_grad", [dy], dtype, **at, **sizes),
    )


def test_what_goes_to_cudnn():
    """All but float64, depthwise, pointwise, empty, and for float32 three axes: also where the input is padded first."""
    if not EMULATED or not HAS_LIBRARIES:
        pytest.skip("is cuDNN's choice")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-o", "addopts=", __file__, "--device", "gpu"]
        + ["-k", "beside_the_cpu and (float32 or bfloat16)"],
        env={**os.environ, "TAHR_VERBOSE": "dispatch"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    chosen = [line for line in run.stderr.splitlines() if line.startswith("[dispatch] conv")]
    refused = [line for line in chosen if "tahr's kernel" in line]
    problems = [p for p in PROBLEMS if "depthwise" not in p and not p.endswith(("pointwise", "one channel"))]
    assert len(chosen) == len(problems) * 2 * 3
    assert len(refused) == 3 and all("float32" in line and "window=2x3x2" in line for line in refused)
    assert all("cuDNN's algorithm 1," in line for line in chosen if line not in refused)


@pytest.mark.parametrize("layer", ["Conv2D", "DepthwiseConv2D"])
def test_a_replayed_training_step_is_that_of_the_cpu(layer):
    """Whole steps are recorded once and replayed: convolutions must go to the recording, and keep to its memory."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(64, 8, 8, 3)).astype("float32"), rng.integers(0, 5, 64)
    losses = []
    for device in ("cpu", "gpu"):
        tahr.keras.utils.set_random_seed(1)
        with tahr.device(device):
            layers = tahr.keras.layers
            kernel = layers.Conv2D(4, 3, strides=2) if layer == "Conv2D" else layers.DepthwiseConv2D(3)
            model = tahr.keras.Sequential([tahr.keras.Input((8, 8, 3)), kernel, layers.Flatten(), layers.Dense(5)])
            model.compile("sgd", tahr.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            losses.append(model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_the_same_without_nvidias_libraries(request):
    if not EMULATED or not HAS_LIBRARIES:
        pytest.skip("runs those tests without cuDNN itself")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", __file__, "--device", "gpu"],
        env={**os.environ, "TAHR_EMULATED_LIBRARIES": "none"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert "passed" in run.stdout
