"""Functions of float64 against mpmath: grids over whole ranges, special values, any place in a vector."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import tahr
from instruction_sets import run_file_on
from tahr import _C, ops

pytestmark = pytest.mark.usefixtures("cpu")
mp.mp.dps = 40
# Without fused multiply-add other code runs, partly the C library's and one by one.
PLAIN = os.environ.get("TAHR_ISA") == "v2"
MAX, TINY, INF, NAN = np.finfo(np.float64).max, 2.0**-1074, np.inf, np.nan


def _softplus(x: Any) -> Any:
    return mp.log1p(mp.exp(x)) if x < 0 else x + mp.log1p(mp.exp(-x))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _gate(x: Any) -> Any:
    return _sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))


def _lgamma(x: Any) -> Any:
    return mp.log(abs(mp.gamma(x))) if x < 0 else mp.loggamma(x)


def _slope(x: Any) -> Any:
    return mp.ncdf(x) + x * mp.npdf(x)


EXACT: dict[str, Callable[[Any], Any]] = {
    "exp": mp.exp,
    "exp2": lambda x: mp.power(2, x),
    "expm1": mp.expm1,
    "log": mp.log,
    "log2": lambda x: mp.log(x, 2),
    "log10": mp.log10,
    "log1p": mp.log1p,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "arcsin": mp.asin,
    "arccos": mp.acos,
    "arctan": mp.atan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "arcsinh": mp.asinh,
    "arccosh": mp.acosh,
    "arctanh": mp.atanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "log_sigmoid": lambda x: -_softplus(-x),
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * mp.tanh(_softplus(x)),
    "gelu": lambda x: x * mp.ncdf(x),
    "gelu_tanh": lambda x: x * _gate(x),
    "gelu_slope": _slope,
    "rsqrt": lambda x: 1 / mp.sqrt(x),
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "sinc": mp.sincpi,
    "erf": mp.erf,
    "erfc": mp.erfc,
    "erfinv": mp.erfinv,
    "lgamma": _lgamma,
    "digamma": mp.digamma,
    "trigamma": lambda x: mp.polygamma(1, x),
    "i0": lambda x: mp.besseli(0, x),
    "i1": lambda x: mp.besseli(1, x),
}
OPS: dict[str, Callable[..., tahr.Tensor]] = {
    **{n: getattr(_C.ops, n) for n in EXACT if not n.startswith("gelu")},
    "gelu": lambda x: _C.ops.gelu(x, approximate=False),
    "gelu_tanh": lambda x: _C.ops.gelu(x, approximate=True),
    "gelu_slope": lambda x: _C.ops.gelu_grad(np.ones_like(x), x, approximate=False),
}
# In which range, how far off in units in the last place, of at least a given size.
GRIDS: list[tuple[str, float, float, float, float]] = [
    ("exp", -745, 709.7, 1.1, 0),
    ("exp2", -1074, 1023.9, 1.5, 0),
    ("expm1", -40, 709.7, 2, 0),
    ("expm1", 1e-300, 2, 2, 0),
    *((name, TINY, MAX, bound, 0) for name, bound in (("log", 0.8), ("log2", 0.8), ("log10", 0.8), ("log1p", 0.8))),
    *((name, 0.5, 2, bound, 0) for name, bound in (("log", 0.8), ("log2", 0.8), ("log10", 0.8), ("log1p", 0.9))),
    ("log1p", -0.999999, -1e-300, 0.9, 0),
    *((name, low, high, 2.1, 0) for name in ("sin", "cos", "tan") for low, high in ((1e-300, 8), (8, 1e6), (1e6, MAX))),
    ("arcsin", 1e-300, 1, 2.5, 0),
    ("arccos", -1, 1, 1.5, 0),
    ("arctan", 1e-300, MAX, 1.1, 0),
    ("arctan", -10, -0.01, 1.1, 0),
    ("sinh", 1e-300, 710.4, 1.4, 0),
    ("sinh", -3, -0.1, 1.4, 0),
    ("cosh", -710.4, 710.4, 1.4, 0),
    ("tanh", 1e-300, 30, 2.6, 0),
    ("tanh", -3, -0.01, 2.6, 0),
    ("arcsinh", 1e-300, MAX, 2.2, 0),
    ("arcsinh", -3, -0.01, 2.2, 0),
    ("arccosh", 1, 3, 2.2, 0),
    ("arccosh", 1, MAX, 2.2, 0),
    ("arctanh", 1e-300, 1 - 2.0**-53, 1.6, 0),
    ("arctanh", -0.9, -0.01, 1.6, 0),
    *((name, -700, 700, 2.5, 0) for name in ("sigmoid", "softplus", "silu")),
    *((name, -5, 5, 2.5, 0) for name in ("sigmoid", "softplus", "log_sigmoid", "silu")),
    ("log_sigmoid", -700, 700, 2.5, 0),
    ("mish", -700, 700, 3.5, 0),
    ("mish", -5, 5, 3.5, 0),
    ("gelu", -37, 37, 3.5, 0),
    ("gelu", -4, 4, 3.5, 0),
    ("gelu_tanh", -3, 8, 4, 0.25),
    ("gelu_slope", -37, 37, 2, 0.5),
    ("gelu_slope", -4, 4, 2, 0.5),
    ("rsqrt", TINY, MAX, 1.6, 0),
    ("cbrt", TINY, MAX, 0.9, 0),
    ("cbrt", -8, -0.1, 0.9, 0),
    ("sinc", 1e-300, 50.3, 2.2, 0),
    ("sinc", -6.7, -0.3, 2.2, 0),
    ("erf", 1e-300, 7, 1.1, 0),
    ("erf", -6, -0.1, 1.1, 0),
    ("erfc", 1e-300, 26.5, 3, 0),
    ("erfc", -6, -0.1, 1.1, 0),
    ("erfinv", 1e-300, 1 - 2.0**-53, 2.1, 0),
    ("erfinv", -0.99, -0.1, 2.1, 0),
    ("lgamma", 1e-300, 2.5e305, 3.6, 0),
    ("lgamma", 0.01, 20, 3.6, 0),
    ("lgamma", 0.5, 3, 3.6, 0),
    ("lgamma", 0.999, 1.001, 3.6, 0),
    ("lgamma", 1.999, 2.001, 3.6, 0),
    ("digamma", 1e-300, 1e300, 2.6, 0),
    ("digamma", 0.01, 20, 2.6, 0),
    ("digamma", 1.46, 1.463, 2.6, 0),
    ("trigamma", 1e-150, 1e300, 2.1, 0),
    ("trigamma", 0.01, 20, 2.1, 0),
    *((name, low, high, 3, 0) for name in ("i0", "i1") for low, high in ((1e-300, 713), (25, 35), (-9, -0.1))),
]


def _grid(low: float, high: float, n: int = 500) -> np.ndarray:
    """Doubles evenly spaced by their bits, and by their values."""
    if low < 0 <= high:
        return np.random.default_rng(0).uniform(low, high, 2 * n)
    if low < 0:
        return -_grid(-high, -low, n)
    ends = np.array([low, high], np.float64).view(np.int64)
    steps = (np.arange(n, dtype=object) * int(ends[1] - ends[0])) // (n - 1)
    by_bits = (steps.astype(np.int64) + ends[0]).view(np.float64)
    return np.concatenate([by_bits, np.random.default_rng(0).uniform(low, min(high, 1e307), n)])


def _error(got: float, expected: Any, least: float) -> float:
    rounded = float(expected)
    if np.isinf(rounded):
        return 0.0 if got == rounded else INF
    unit = np.spacing(max(abs(rounded), least, 2.0**-1022))
    return float(abs(mp.mpf(float(got)) - expected) / mp.mpf(float(unit)))


@pytest.mark.parametrize(("name", "low", "high", "bound", "least"), GRIDS)
def test_error(name: str, low: float, high: float, bound: float, least: float) -> None:
    if PLAIN:
        if name in ("gelu", "digamma"):
            pytest.skip("in the tail and next to the root exact to the size of the terms only")
        bound = max(bound, 8)
    x = _grid(low, high)
    got = OPS[name](x).numpy()
    with mp.workdps(360 if name in ("sin", "cos", "tan") and high > 1e9 else 40):
        errors = [_error(g, EXACT[name](mp.mpf(float(v))), least) for g, v in zip(got, x, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, f"{name}({x[worst]!r}) = {got[worst]!r}, off by {errors[worst]:.2f} ulp"


def test_angles_next_to_multiples_of_a_right_angle() -> None:
    x = np.array([*range(1, 400), 10**5, 10**6, 2**40]) * (np.pi / 2)
    for name in ("sin", "cos", "tan"):
        got = OPS[name](x).numpy()
        errors = [_error(g, EXACT[name](mp.mpf(float(v))), 0) for g, v in zip(got, x, strict=True)]
        assert max(errors) <= 1.6, (name, x[int(np.argmax(errors))])


def _pairs() -> tuple[np.ndarray, np.ndarray]:
    """Bases and exponents whose power is of every size; bases next to 1 too."""
    rng = np.random.default_rng(1)
    near = 1 + rng.choice([-1, 1], 500) * np.exp2(rng.uniform(-52, -3, 500))
    base = np.concatenate([np.exp2(rng.uniform(-1074, 1023.9, 500)), near, rng.uniform(0.1, 4, 500)])
    with np.errstate(divide="ignore"):
        reach = np.minimum(708 / np.abs(np.log(base)), 1e300)
    return base, rng.uniform(-1, 1, base.size) * reach


def test_powers() -> None:
    base, exponent = _pairs()
    got = ops.power(base, exponent).numpy()
    exact = [mp.power(mp.mpf(float(b)), mp.mpf(float(e))) for b, e in zip(base, exponent, strict=True)]
    errors = [_error(g, e, 0) for g, e in zip(got, exact, strict=True)]
    assert max(errors) <= 2, (base[int(np.argmax(errors))], exponent[int(np.argmax(errors))])


@pytest.mark.parametrize("exponent", [3.0, 4.0, -2.0, 0.5, -0.5, 1.5, 2.0, -1.0, 5.0, -3.0, 2.4, 1 / 3, 100.0])
def test_powers_by_one_number(exponent: float) -> None:
    rng = np.random.default_rng(2)
    x = np.exp2(rng.uniform(-1020, 1020, 1000) / max(1, abs(exponent)))
    got = (tahr.constant(x) ** exponent).numpy()
    errors = [_error(g, mp.power(mp.mpf(float(v)), mp.mpf(exponent)), 0) for g, v in zip(got, x, strict=True)]
    assert max(errors) <= 2, x[int(np.argmax(errors))]
    if exponent == int(exponent):
        odd = -1 if exponent % 2 else 1
        np.testing.assert_array_equal((tahr.constant(-x) ** exponent).numpy(), odd * got)


EDGES = np.array(
    [0.0, TINY, 1e-310, 2.0**-1022, 1e-160, 0.5, 1 - 2.0**-53, 1.0, 1 + 2.0**-52, 1.5, 2.0, 3.0, 4.0, 100.25, 1e160]
    + [2.0**51 + 0.5, 2.0**52 + 1, 2.0**53, 2.0**53 + 2, 1e300, MAX, INF, NAN]
)
EDGES = np.concatenate([EDGES, -EDGES])


@pytest.mark.parametrize("name", ["power", "hypot", "logaddexp", "logaddexp2", "arctan2"])
def test_pairs_of_edges_as_numpy(name: str) -> None:
    a, b = (v.ravel().copy() for v in np.meshgrid(EDGES, EDGES))
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a, b)
    got = getattr(ops, name)(a, b).numpy()
    # Sums that nearly cancel are as exact as their terms.
    np.testing.assert_allclose(got, expected, rtol=5e-16, atol=2e-16 if name.startswith("log") else 0)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("exponent", [3.0, 4.0, -2.0, 0.5, -0.5, 1.5, 2.5, -3.0, 0.0, INF, -INF, NAN])
def test_edges_to_the_power_of_one_number(exponent: float) -> None:
    with np.errstate(all="ignore"):
        expected = np.power(EDGES, np.full_like(EDGES, exponent))
    got = (tahr.constant(EDGES) ** exponent).numpy()
    np.testing.assert_allclose(got, expected, rtol=6e-16, atol=0)
    np.testing.assert_array_equal(np.signbit(got[expected == 0]), np.signbit(expected[expected == 0]))


_NUMPY = (
    "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh cbrt"
)


@pytest.mark.parametrize("name", _NUMPY.split())
def test_edges_as_numpy(name: str) -> None:
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(EDGES)
    got = OPS[name](EDGES).numpy()
    np.testing.assert_allclose(got, expected, rtol=6e-16, atol=0)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))


def test_poles_and_infinities() -> None:
    x = np.array([INF, -INF, 0.0, -0.0, NAN])
    poles = np.array([0.0, -0.0, -1.0, -2.0, -33.0, -(2.0**52), -1e300, -INF, INF, NAN])
    for name, at_pole, at_infinity in (("lgamma", INF, INF), ("digamma", NAN, INF), ("trigamma", INF, 0.0)):
        expected = [at_pole] * 8 + [at_infinity, NAN]
        np.testing.assert_array_equal(OPS[name](poles).numpy(), expected, err_msg=name)
    for name, expected in {
        "erf": [1, -1, 0, -0.0, NAN],
        "erfc": [0, 2, 1, 1, NAN],
        "erfinv": [NAN, NAN, 0, -0.0, NAN],
        "i0": [INF, INF, 1, 1, NAN],
        "i1": [INF, -INF, 0, -0.0, NAN],
        "sinc": [NAN, NAN, 1, 1, NAN],
        "sigmoid": [1, 0, 0.5, 0.5, NAN],
        "softplus": [INF, 0, np.log(2), np.log(2), NAN],
        "log_sigmoid": [0, -INF, -np.log(2), -np.log(2), NAN],
        "rsqrt": [0, NAN, INF, -INF, NAN],
    }.items():
        got = OPS[name](x).numpy()
        np.testing.assert_array_equal(got, expected, err_msg=name)
        np.testing.assert_array_equal(np.signbit(got[2:4]), np.signbit(expected[2:4]), err_msg=name)
    np.testing.assert_array_equal(OPS["erfinv"](np.array([1.0, -1.0, 1.5, -2.0])).numpy(), [INF, -INF, NAN, NAN])
    np.testing.assert_array_equal(OPS["sinc"](np.array([1.0, -2.0, 1e9, 2.0**52 + 1, MAX])).numpy(), [0] * 5)


def test_gamma_functions_below_zero() -> None:
    x = -np.random.default_rng(3).uniform(0.01, 40, 300)
    x = x[np.abs(x - np.rint(x)) > 1e-3]
    for name in ("lgamma", "digamma", "trigamma"):
        expected = np.array([float(EXACT[name](mp.mpf(v))) for v in x])
        np.testing.assert_allclose(OPS[name](x).numpy(), expected, rtol=1e-10, atol=1e-11, err_msg=name)


def test_comparisons_tests_and_casts_of_any_length() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([EDGES, rng.uniform(-400, 400, 1000), rng.integers(-3, 3, 300), np.float64([127.5, 255.9])])
    for n in (1, 7, 8, 9, 63, 64, 65, 200, 1345):
        x, y = rng.choice(values, n), rng.choice(values, n)
        for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit"):
            np.testing.assert_array_equal(getattr(ops, name)(x).numpy(), getattr(np, name)(x), err_msg=name)
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
            np.testing.assert_array_equal(getattr(ops, name)(x, y).numpy(), getattr(np, name)(x, y), err_msg=name)
        for dtype in ("int8", "uint8", "int16", "uint16", "int32"):
            limits = np.iinfo(dtype)
            expected = np.trunc(np.clip(np.nan_to_num(x, nan=0), limits.min, limits.max)).astype(dtype)
            np.testing.assert_array_equal(ops.cast(x, dtype).numpy(), expected, err_msg=dtype)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(ops.cast(x, "float32").numpy(), x.astype(np.float32))
            halves = x.astype(np.float32).astype(np.float16)
        np.testing.assert_array_equal(ops.cast(x, "float16").numpy(), halves)


@pytest.mark.parametrize("name", [*OPS, "power", "hypot", "logaddexp", "x**3", "x**2.4"])
def test_a_value_does_not_depend_on_its_neighbours(name: str) -> None:
    """Near and far arguments in one vector, at every place of it."""
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((2, 1000)) * 4
    x[::7] *= 10
    x[5::97] = NAN
    x[8::111] = 1e7
    by_number: dict[str, Callable[[np.ndarray], Any]] = {
        "x**3": lambda v: tahr.constant(v) ** 3.0,
        "x**2.4": lambda v: tahr.constant(v) ** 2.4,
    }
    one = {**OPS, **by_number}.get(name)

    def compute(begin: int) -> bytes:
        a, b = x[begin:].copy(), y[begin:].copy()
        return bytes((one(a) if one else getattr(ops, name)(a, b)).numpy().tobytes())

    whole = compute(0)
    for begin in (1, 2, 5, 11, 16, 983, 999):
        assert compute(begin) == whole[8 * begin :], begin


@pytest.mark.parametrize("isa", ["v2", "v3", "v4"])
def test_on_other_instruction_sets(isa: str) -> None:
    run_file_on(isa, __file__)
