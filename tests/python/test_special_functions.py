"""Special functions, slopes and powers of float32 against float64: dense grids, zeros and poles, any place in a vector."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.special as special
import tahr
from instruction_sets import run_file_on
from tahr import _C, ops

pytestmark = pytest.mark.usefixtures("cpu")
Function = Callable[[np.ndarray], np.ndarray]


def _lgamma(x: np.ndarray) -> np.ndarray:
    return np.array([math.lgamma(v) for v in x.tolist()])


def _trigamma(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # positive integers, not taken from here
        reflected = (np.pi / np.sin(np.pi * (x - np.rint(x)))) ** 2 - special.zeta(2, 1 + np.abs(x))
    return np.where(x > 0, special.zeta(2, np.abs(x)), reflected)


def _gelu_slope(x: np.ndarray) -> np.ndarray:
    return special.ndtr(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _gelu_tanh_slope(x: np.ndarray) -> np.ndarray:
    v = 2 * math.sqrt(2 / math.pi)
    w = 0.044715 * v
    z = v * x + w * x**3
    return special.expit(z) + x * special.expit(z) * special.expit(-z) * (v + 3 * w * x * x)


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


OPS: dict[str, Callable[..., tahr.Tensor]] = {
    **{n: getattr(_C.ops, n) for n in ("lgamma", "digamma", "trigamma", "i0", "i1", "erfc", "softplus", "log_sigmoid")},
    "gelu_slope": lambda x: _C.ops.gelu_grad(tahr.constant(np.ones_like(x)), x, approximate=False),
    "gelu_tanh_slope": lambda x: _C.ops.gelu_grad(tahr.constant(np.ones_like(x)), x, approximate=True),
}
# What it is, in which range, how far off in units in the last place (of at least a given size).
GRIDS: list[tuple[str, Function, float, float, float, float]] = [
    ("lgamma", _lgamma, 1e-38, 2.0**-12, 1.5, 0),
    ("lgamma", _lgamma, 2.0**-12, 1, 1.6, 0),
    ("lgamma", _lgamma, 1, 3, 2.7, 0),
    ("lgamma", _lgamma, 0.999, 1.001, 1.6, 0),
    ("lgamma", _lgamma, 1.999, 2.001, 1.6, 0),
    ("lgamma", _lgamma, 3, 16, 1.5, 0),
    ("lgamma", _lgamma, 16, 4e36, 2.3, 0),
    ("lgamma", _lgamma, -4, -1e-30, 0.6, 0),
    ("lgamma", _lgamma, -1e7, -4, 0.6, 0),
    ("digamma", special.digamma, 1e-38, 2.0**-12, 1.2, 0),
    ("digamma", special.digamma, 2.0**-12, 2, 2.2, 0),
    ("digamma", special.digamma, 1.4615, 1.4618, 2.2, 0),
    ("digamma", special.digamma, 2, 16, 1.3, 0),
    ("digamma", special.digamma, 16, 1e38, 1.6, 0),
    ("digamma", special.digamma, -1e4, -1e-30, 0.6, 0),
    ("trigamma", _trigamma, 1e-19, 2.0**-12, 2.2, 0),
    ("trigamma", _trigamma, 2.0**-12, 16, 1.5, 0),
    ("trigamma", _trigamma, 16, 1e37, 1.2, 0),
    ("trigamma", _trigamma, -1e4, -1e-15, 0.6, 0),
    ("i0", special.i0, 1e-30, 7.8, 0.7, 0),
    ("i0", special.i0, 7.8, 91.9, 3.5, 0),
    ("i0", special.i0, -9, -1e-3, 3.5, 0),
    ("i1", special.i1, 1e-30, 7.8, 1.6, 0),
    ("i1", special.i1, 7.8, 91.9, 3.5, 0),
    ("i1", special.i1, -9, -1e-3, 3.5, 0),
    ("erfc", special.erfc, 1e-30, 9, 8, 0),
    ("erfc", special.erfc, -6, -1e-30, 2, 0),
    ("softplus", _softplus, 1e-30, 100, 2, 0),
    ("softplus", _softplus, -80, -1e-30, 2, 0),
    ("log_sigmoid", lambda x: -_softplus(-x), 1e-30, 80, 2, 0),
    ("log_sigmoid", lambda x: -_softplus(-x), -100, -1e-30, 2, 0),
    ("gelu_slope", _gelu_slope, 1e-30, 9, 4, 0.25),
    ("gelu_slope", _gelu_slope, -9, -1e-30, 4, 0.25),
    ("gelu_tanh_slope", _gelu_tanh_slope, 1e-30, 9, 4, 0.25),
    ("gelu_tanh_slope", _gelu_tanh_slope, -9, -1e-30, 4, 0.25),
]


def _grid(low: float, high: float, n: int = 40_000) -> np.ndarray:
    """Floats evenly spaced by their bits, and by their values."""
    if low < 0:
        return -_grid(-high, -low, n)
    ends = np.array([low, high], np.float32).view(np.int32)
    by_bits = np.linspace(ends[0], ends[1], n).astype(np.int32).view(np.float32)
    return np.concatenate([by_bits, np.random.default_rng(0).uniform(low, high, n).astype(np.float32)])


@pytest.mark.parametrize(("name", "exact", "low", "high", "bound", "least"), GRIDS)
def test_error_in_float32(name: str, exact: Function, low: float, high: float, bound: float, least: float) -> None:
    x = _grid(low, high)
    x = x[(x > 0) | (x != np.floor(x))] if name in ("lgamma", "digamma", "trigamma") else x
    got = OPS[name](x).numpy().astype(np.float64)
    expected = exact(x.astype(np.float64))
    unit = np.spacing(np.maximum(np.abs(expected), least).astype(np.float32)).astype(np.float64)
    error = np.abs(got - expected) / unit
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}) = {got[worst]!r}, off by {error[worst]:.2f} ulp"


POLES = [0.0, -0.0, -1.0, -2.0, -7.0, -(2.0**23), -(2.0**25), -3e38, -np.inf]


def test_poles_and_infinities() -> None:
    inf, nan = np.inf, np.nan
    x = np.array([*POLES, inf, nan], np.float32)
    for name, at_pole, at_infinity in (("lgamma", inf, inf), ("digamma", nan, inf), ("trigamma", inf, 0.0)):
        expected = np.array([at_pole] * len(POLES) + [at_infinity, nan], np.float32)
        np.testing.assert_array_equal(OPS[name](x).numpy(), expected, err_msg=name)
    edges = np.array([0.0, -0.0, inf, -inf, nan, 93, -93, 3e38, 1e-45], np.float32)
    np.testing.assert_array_equal(ops.i0(edges).numpy(), np.float32([1, 1, inf, inf, nan, inf, inf, inf, 1]))
    i1 = OPS["i1"](edges).numpy()
    np.testing.assert_array_equal(i1[:-1], np.float32([0, -0.0, inf, -inf, nan, inf, -inf, inf]))
    assert np.signbit(i1[1])
    np.testing.assert_array_equal(ops.erfc(edges).numpy(), np.float32([1, 1, 0, 2, nan, 0, 2, 0, 1]))
    half = np.float32(math.log(2))
    np.testing.assert_array_equal(ops.softplus(edges[:5]).numpy(), np.array([half, half, inf, 0, nan], np.float32))
    np.testing.assert_array_equal(
        ops.log_sigmoid(edges[:5]).numpy(), np.array([-half, -half, 0, -inf, nan], np.float32)
    )
    np.testing.assert_array_equal(OPS["gelu_tanh_slope"](np.float32([50, -50])).numpy(), [1, 0])


def test_sums_of_exponentials() -> None:
    rng = np.random.default_rng(1)
    for scale in (1, 5, 40):
        a, b = (rng.normal(0, scale, 50_000).astype(np.float32) for _ in "ab")
        for name in ("logaddexp", "logaddexp2"):
            expected = getattr(np, name)(a.astype(np.float64), b.astype(np.float64))
            unit = np.spacing(np.maximum.reduce([np.abs(a), np.abs(b), np.abs(expected).astype(np.float32)]))
            error = np.abs(getattr(ops, name)(a, b).numpy() - expected) / unit
            assert error.max() <= 3, (name, scale, error.max())

    whole = np.arange(-50, 50, dtype=np.float32)
    np.testing.assert_array_equal(ops.logaddexp2(whole, whole).numpy(), whole + 1)


def test_powers_of_one_base() -> None:
    """Eager and traced alike, to 1.4 units in the last place, and C's answers for exceptional bases and exponents."""
    rng = np.random.default_rng(0)
    edges = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 3e38, -3e38, 1e-45, 150, -150])
    for base in (
        2.5,
        2.0,
        10.0,
        0.1,
        1e-30,
        1e30,
        1.0000001,
        3e-45,
        3.4e38,
        1.0,
        0.0,
        -0.0,
        -2.0,
        np.inf,
        -np.inf,
        np.nan,
    ):
        base = float(np.float32(base))
        with np.errstate(all="ignore"):
            reach = 150 / max(abs(np.log2(abs(base))), 0.1) if np.isfinite(base) and base else 150
            y = np.concatenate([edges, rng.uniform(-reach, reach, 20_000), rng.normal(0, 1, 5_000)]).astype(np.float32)
            expected = np.power(np.float64(base), y.astype(np.float64))
            rounded = expected.astype(np.float32)
        got = (base ** tahr.constant(y)).numpy()
        plain = np.isfinite(rounded) & (np.abs(rounded) > 1e-44)
        np.testing.assert_allclose(got[~plain], rounded[~plain], rtol=0, atol=1.5e-45)
        error = np.abs(got[plain] - expected[plain]) / np.spacing(np.abs(rounded[plain]))
        assert error.max(initial=0) <= 1.4, base
        traced = tahr.function(lambda t, b=base: b ** (t + 0.0) * 1.5)(tahr.constant(y))
        assert traced.numpy().tobytes() == (base ** (tahr.constant(y) + 0.0) * 1.5).numpy().tobytes(), base


@pytest.mark.parametrize("name", [*OPS, "power", "logaddexp", "logaddexp2"])
def test_a_value_does_not_depend_on_its_neighbours(name: str) -> None:
    """Near and far arguments in one vector, at every place of it."""
    rng = np.random.default_rng(2)
    x = (4 * rng.standard_normal(1000)).astype(np.float32)
    x[::7] *= 10
    x[5::97] = np.nan
    y = (4 * rng.standard_normal(1000)).astype(np.float32)
    two = name not in OPS
    f = getattr(ops, name) if two else OPS[name]
    whole = (f(x, y) if two else f(x)).numpy()
    for start in (1, 2, 5, 11, 16, 983, 999):
        part = (f(x[start:].copy(), y[start:].copy()) if two else f(x[start:].copy())).numpy()
        assert part.tobytes() == whole[start:].tobytes(), start


def test_gradients() -> None:
    x = np.float32([-3.3, -0.7, 1e-3, 0.4, 1.0, 1.5, 2.0, 6.0, 30.0])
    wide = x.astype(np.float64)
    i0, i1 = special.i0, special.i1
    for name, slope in (
        ("lgamma", special.digamma(wide)),
        ("digamma", _trigamma(wide)),
        ("i0", i1(wide)),
        ("i1", i0(wide) - i1(wide) / wide),
        ("erfc", -2 / math.sqrt(math.pi) * np.exp(-wide * wide)),
    ):
        v = tahr.Variable(x)
        with tahr.GradientTape() as tape:
            y = OPS[name](v)
        np.testing.assert_allclose(tape.gradient(y, v).numpy(), slope, rtol=2e-6, atol=1e-37, err_msg=name)


@pytest.mark.parametrize("isa", ["v2", "v3", "v4"])
def test_on_other_instruction_sets(isa: str) -> None:
    run_file_on(isa, __file__)
