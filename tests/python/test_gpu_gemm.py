"""Matrix products on a GPU, with `--device gpu`: by cuBLASLt, or its emulated twin, and by our own kernel, against NumPy in
float64. A product of k terms has k roundings, each of at most the sum of the terms' magnitudes."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import tahr
from tahr import _C

FLOATS = ("float32", "float64", "float16", "bfloat16")
ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-53, "float16": 2.0**-11, "bfloat16": 2.0**-8}
TRANSPOSED = [(False, False), (True, False), (False, True), (True, True)]


@pytest.fixture(autouse=True)
def on_the_gpu(gpu):
    _C.reset_device_fallbacks()
    yield
    fallen = tahr.config.device_fallbacks().keys() & {"matmul", "linear", "linear_grad", "linear_sgd"}
    assert not fallen


def draw(rng, shape, dtype):
    """A tensor, and its values in float64."""
    x = tahr.cast(tahr.convert_to_tensor(rng.uniform(-1, 1, shape).astype("float32")), dtype)
    return x, tahr.cast(x, "float64").numpy()


def values(x):
    return tahr.cast(x, "float64").numpy()


def swap(x, transpose):
    return np.swapaxes(x, -1, -2) if transpose else x


def erf(x):
    return np.vectorize(math.erf, otypes=[float])(x)


ACTIVATIONS = {
    "": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def bound(a, b, dtype, extra=0.0):
    """Of the error of a @ b, summed in float32 or wider, rounded to `dtype`; `extra`: magnitudes added to it."""
    k, sizes = a.shape[-1], np.abs(a) @ np.abs(b) + extra
    inner = ROUNDING["float64" if dtype == "float64" else "float32"]
    return (k + 2) * inner * sizes + ROUNDING[dtype] * (np.abs(a @ b) + extra)


def check(got, expected, limit):
    got = values(got)
    assert got.shape == expected.shape
    assert (np.abs(got - expected) <= limit).all(), np.max(np.abs(got - expected) / np.maximum(limit, 1e-300))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ta, tb", TRANSPOSED)
def test_product(dtype, ta, tb):
    rng = np.random.default_rng(1)
    for m, n, k in [
        (1, 1, 1),
        (5, 3, 7),
        (64, 64, 16),
        (65, 130, 33),
        (1, 40, 50),
        (40, 1, 50),
        (3, 4, 0),
        (2, 3, 300),
    ]:
        a, a64 = draw(rng, (k, m) if ta else (m, k), dtype)
        b, b64 = draw(rng, (n, k) if tb else (k, n), dtype)
        y = _C.ops.matmul(a, b, ta, tb)
        assert y.device == "/gpu:0"
        a64, b64 = swap(a64, ta), swap(b64, tb)
        check(y, a64 @ b64, bound(a64, b64, dtype))


@pytest.mark.parametrize(
    "shape1, shape2",
    [
        ((4, 5, 7), (4, 7, 3)),
        ((4, 5, 7), (7, 3)),
        ((5, 7), (4, 7, 3)),
        ((4, 1, 5, 7), (1, 6, 7, 3)),
        ((2, 3, 5, 7), (3, 7, 4)),
        ((2, 3, 5, 7), (2, 1, 7, 4)),
        ((2, 1, 3, 5, 7), (4, 1, 7, 2)),
        ((0, 5, 7), (7, 3)),
        ((4, 0, 7), (4, 7, 3)),
        ((3, 2, 0), (3, 0, 4)),
        ((7,), (4, 7, 3)),
        ((4, 5, 7), (7,)),
        ((7,), (7,)),
    ],
)
def test_product_of_batches(shape1, shape2):
    rng = np.random.default_rng(2)
    for ta, tb in TRANSPOSED:
        if (ta and len(shape1) == 1) or (tb and len(shape2) == 1):
            continue
        s1 = (*shape1[:-2], shape1[-1], shape1[-2]) if ta else shape1
        s2 = (*shape2[:-2], shape2[-1], shape2[-2]) if tb else shape2
        (a, a64), (b, b64) = draw(rng, s1, "float32"), draw(rng, s2, "float32")
        a64, b64 = swap(a64, ta), swap(b64, tb)
        check(_C.ops.matmul(a, b, ta, tb), a64 @ b64, bound(a64, b64, "float32"))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_product_of_integers_wraps_around(dtype):
    rng = np.random.default_rng(3)
    info = np.iinfo(dtype)
    for m, n, k in [(5, 3, 7), (8, 12, 16), (70, 68, 45), (33, 40, 64), (2, 2, 0)]:
        for ta, tb in TRANSPOSED:
            a, b = (rng.integers(info.min, info.max, s, dtype, endpoint=True) for s in [(m, k), (k, n)])
            got = _C.ops.matmul(swap(a, ta).copy(), swap(b, tb).copy(), ta, tb)
            result = "int32" if dtype == "int8" else dtype
            assert got.dtype == result
            np.testing.assert_array_equal(got.numpy(), (a.astype("uint64") @ b.astype("uint64")).astype(result))


def test_product_of_int8_in_batches():
    rng = np.random.default_rng(13)
    for shape1, shape2, ta, tb in [
        ((3, 40, 50), (50, 44), False, False),
        ((3, 50, 40), (50, 44), True, False),
        ((3, 40, 50), (3, 44, 50), False, True),
        ((40, 50), (3, 50, 44), False, False),
    ]:
        a, b = (rng.integers(-128, 127, s, "int8", endpoint=True) for s in (shape1, shape2))
        expected = swap(a, ta).astype("int64") @ swap(b, tb).astype("int64")
        np.testing.assert_array_equal(_C.ops.matmul(a, b, ta, tb).numpy(), expected)


def test_product_of_bools_is_any_of_both():
    a, b = np.random.default_rng(4).integers(0, 5, (2, 9, 9)) == 0
    np.testing.assert_array_equal(tahr.matmul(a, b).numpy(), (a.astype(int) @ b.astype(int)) > 0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_product_with_bias_and_activation(dtype, name):
    rng = np.random.default_rng(5)
    for shape1, shape2, ta, tb in [
        ((33, 20), (20, 70), False, False),
        ((20, 6), (20, 9), True, False),
        ((6, 20), (9, 20), False, True),
        ((20, 6), (9, 20), True, True),
        ((3, 6, 20), (20, 9), False, False),
        ((3, 6, 20), (3, 20, 9), False, False),
        ((4, 0), (0, 5), False, False),
        ((0, 4), (4, 5), False, False),
    ]:
        (a, a64), (b, b64) = draw(rng, shape1, dtype), draw(rng, shape2, dtype)
        a64, b64 = swap(a64, ta), swap(b64, tb)
        bias, bias64 = draw(rng, b64.shape[-1:], dtype)
        for with_bias in (False, True):
            before = a64 @ b64 + (bias64 if with_bias else 0)
            expected = ACTIVATIONS[name](before)
            # Slopes are at most 1.13; the activation rounds what it gets and what it gives.
            limit = 1.2 * bound(a64, b64, dtype, np.abs(bias64) if with_bias else 0.0)
            limit = limit + 4 * ROUNDING[dtype] * (np.abs(expected) + np.abs(before)) * (name != "")
            limit = limit + 2 * ROUNDING[dtype]
            check(_C.ops.linear(a, b, bias if with_bias else None, ta, tb, name), expected, limit)


def test_product_keeps_nan_through_relu():
    a = np.ones((4, 8), "float32")
    a[1, 3] = np.nan
    for dtype in FLOATS:
        x, w, b = (tahr.cast(tahr.constant(v), dtype) for v in (a, np.ones((8, 5)), np.zeros(5)))
        assert np.isnan(values(_C.ops.linear(x, w, b, activation="relu"))).any(1).tolist() == [
            False,
            True,
            False,
            False,
        ]


@pytest.mark.parametrize("dtype", FLOATS)
def test_product_with_slope(dtype):
    rng = np.random.default_rng(6)
    for ta, tb in TRANSPOSED:
        (a, a64), (b, b64) = draw(rng, (20, 6) if ta else (6, 20), dtype), draw(rng, (9, 20) if tb else (20, 9), dtype)
        x, x64 = draw(rng, (6, 9), dtype)
        a64, b64 = swap(a64, ta), swap(b64, tb)
        got = _C.ops.linear_grad(a, b, x, ta, tb, low=-0.5, high=0.5, scale=0.25)
        slope = np.where((x64 > -0.5) & (x64 < 0.5), 0.25, 0.0)
        check(got, slope * (a64 @ b64), 2 * bound(a64, b64, dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rate_dtype", ["float32", "float64"])
def test_product_as_a_step_of_a_variable(dtype, rate_dtype):
    rng = np.random.default_rng(7)
    for m, n, k in [(6, 9, 20), (4, 5, 0), (70, 3, 100)]:
        for ta, tb in TRANSPOSED:
            (a, a64), (b, b64) = draw(rng, (k, m) if ta else (m, k), dtype), draw(rng, (n, k) if tb else (k, n), dtype)
            start, start64 = draw(rng, (m, n), dtype)
            v, rate = _C.Variable(start, "v", True), tahr.constant(0.125, rate_dtype)
            _C.ops.linear_sgd(v._handle, a, b, rate, ta, tb)
            a64, b64 = swap(a64, ta), swap(b64, tb)
            got = _C.variable_value(v)
            assert got.device == "/gpu:0"
            check(got, start64 - 0.125 * (a64 @ b64), bound(a64, b64, dtype, np.abs(start64)))
            np.testing.assert_array_equal(values(start), start64)  # somebody else's value


def test_product_of_parts_that_begin_anywhere():
    rng = np.random.default_rng(8)
    for dtype in FLOATS:
        whole, whole64 = draw(rng, (9, 5), dtype)
        w, w64 = draw(rng, (5, 3), dtype)
        for i in range(4):
            part, part64 = whole[i : i + 4], whole64[i : i + 4]
            check(tahr.matmul(part, w), part64 @ w64, bound(part64, w64, dtype))


def test_product_has_the_same_bits_each_time():
    rng = np.random.default_rng(9)
    a, b = (tahr.constant(rng.standard_normal(s).astype("float32")) for s in [(40, 1000), (1000, 30)])
    first = tahr.matmul(a, b).numpy()
    for _ in range(3):
        np.testing.assert_array_equal(tahr.matmul(a, b).numpy(), first)


def test_product_names_what_contraction_ops_compute():
    rng = np.random.default_rng(10)
    a, b = rng.standard_normal((2, 3, 4)).astype("float32"), rng.standard_normal((4, 3, 5)).astype("float32")
    np.testing.assert_allclose(tahr.ops.einsum("bij,jik->bk", a, b).numpy(), np.einsum("bij,jik->bk", a, b), 1e-4, 1e-5)
    np.testing.assert_allclose(tahr.ops.tensordot(a, b, 1).numpy(), np.tensordot(a, b, 1), 1e-4, 1e-5)
    np.testing.assert_allclose(tahr.ops.dot(a, b[:, 0]).numpy(), a @ b[:, 0], 1e-4, 1e-5)


def test_product_trains():
    rng = np.random.default_rng(11)
    x, y = rng.standard_normal((64, 5)).astype("float32"), rng.standard_normal((64, 2)).astype("float32")

    def fit():
        tahr.keras.utils.set_random_seed(1)
        model = tahr.keras.Sequential(
            [tahr.keras.layers.Dense(8, activation="relu"), tahr.keras.layers.Dense(2, activation="gelu")]
        )
        model.compile(tahr.keras.optimizers.SGD(0.1), "mse")
        return model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]

    with tahr.device("cpu"):
        expected = fit()
    np.testing.assert_allclose(fit(), expected, 1e-5)


def test_tensor_float_32_is_off_until_asked_for(request):
    rng = np.random.default_rng(12)
    (a, a64), (b, b64) = draw(rng, (16, 64), "float32"), draw(rng, (64, 16), "float32")
    assert not tahr.config.tensor_float_32_execution_enabled()
    check(tahr.matmul(a, b), a64 @ b64, bound(a64, b64, "float32"))
    tahr.config.enable_tensor_float_32_execution(True)
    try:
        rounded = values(tahr.matmul(a, b))
    finally:
        tahr.config.enable_tensor_float_32_execution(False)
    error = np.abs(rounded - a64 @ b64)
    assert (error <= 3 * 2.0**-11 * (np.abs(a64) @ np.abs(b64))).all()
    if os.environ.get("TAHR_EMULATED_LIBRARIES") != "none":
        assert error.max() > 2.0**-13
    check(tahr.matmul(a, b), a64 @ b64, bound(a64, b64, "float32"))


def test_the_report_says_where_libraries_lie():
    from tahr.__main__ import report

    lines = "\n".join(report())
    for title, found, text in _C.gpu_libraries():
        assert f"{title}: {text}" in lines if found else f"{title} is missing: expected NVIDIA's {title}" in lines
    if _C.gpu_is_emulated():
        assert [t for t, _, _ in _C.gpu_libraries()].count("cuBLASLt") == 1
        code = "from tahr.__main__ import report\nprint('\\n'.join(report()))"
        environment = {**os.environ, "TAHR_EMULATED_LIBRARIES": "none", "TAHR_NVIDIA_PATH": ""}
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
        assert "pip install nvidia-cublas" in out.stdout


def test_without_cublaslt_our_own_kernel_multiplies():
    if not _C.gpu_is_emulated() or os.environ.get("TAHR_EMULATED_LIBRARIES") == "none":
        pytest.skip("for the emulated GPU, once")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-o",
        "addopts=",
        __file__,
        "--device",
        "gpu",
        "-k",
        "product",
    ]
    environment = {**os.environ, "TAHR_EMULATED_LIBRARIES": "none", "TAHR_NVIDIA_PATH": ""}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert run.stderr.count("pip install nvidia-cublas") == 1
