"""Rows of the elementwise family: arithmetic, powers and roots, extremes, signs, rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .row import ALL, FLOATS, INTS, Bad, Case, In, Row

N = 200_003  # several chunks, and a last one that is no multiple of anything
NUMBERS = (*INTS, *FLOATS)
SIGNED = ("int8", "int16", "int32", "int64", *FLOATS)
INEXACT = (*FLOATS, "int32", "uint8", "bool")
SHAPES = Bad(
    [np.ones((2, 3), "float32"), np.ones(4, "float32")], {}, ValueError, "expected shapes that broadcast together"
)


def _as_float(f: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy would take the narrowest float for narrow integers."""
    return lambda x, **kw: f(np.float64(x), **kw)


def one(op: str, reference: Callable[..., Any], low: float = -3.0, high: float = 3.0, **kw: Any) -> Row:
    """A row of one input, drawn from [low, high] off the points `avoid`."""
    if kw.get("dtypes") is INEXACT:
        reference = _as_float(reference)
    spec = In(low, high, avoid=kw.pop("avoid", ()), gap=kw.pop("gap", 0.1))
    return Row(
        op, reference, [spec], kw.pop("cases", [Case([(2, 3)])]), bench=Case([(N,)], kw.pop("bench_attrs", {})), **kw
    )


def two(op: str, reference: Callable[..., Any], first: In = In(), second: In | None = None, **kw: Any) -> Row:
    """A row of two inputs; the second drawn as the first unless given."""
    kw.setdefault("grad", (0, 1))
    return Row(op, reference, [first, second or first], [Case([(2, 3), (2, 3)])], bench=Case([(N,), (N,)]), **kw)


def apart(gap: float = 0.2) -> tuple[In, In]:
    """Two inputs that never come close to one another: multiples of 2 gap, and those shifted by gap."""

    def make(shift: float) -> Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]:
        return lambda rng, shape: 2 * gap * rng.integers(-5, 6, size=shape) + shift

    return In(make=make(0.0)), In(make=make(gap))


def _guard_zero(f: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's integer division, 0 by 0 and bool as int32 included."""
    return lambda a, b: f(np.int32(a), np.int32(b)) if a.dtype == bool else f(a, b)


def _fmod(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.fmod(a, b)


def _square(x: np.ndarray) -> np.ndarray:
    return np.square(np.int32(x) if x.dtype == bool else x)


def _power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.power(np.int32(a), np.int32(b)) if a.dtype == bool else np.power(a, b)


_POSITIVE, _NONZERO = In(0.3, 3.0), In(-3.0, 3.0, avoid=(0.0,), gap=0.3)
_GRID = In(make=lambda rng, shape: rng.integers(-40, 40, size=shape) / 7 + 0.05)
_INT_ONLY = [Bad([np.ones(3, "float32"), np.ones(3, "float32")], {}, TypeError, "expected integers")]
_NO_BOOL2 = [Bad([np.ones(3, bool), np.ones(3, bool)], {}, TypeError, "expected numbers, received bool")]
_NO_BOOL1 = [Bad([np.ones(3, bool)], {}, TypeError, "expected numbers, received bool")]


def _cases(*attrs: dict[str, Any]) -> Sequence[Case]:
    return [Case([(2, 3)], a) for a in attrs]


def _round(x: np.ndarray, decimals: int = 0) -> np.ndarray:
    return np.round(np.int32(x) if x.dtype == bool else x, decimals)


_a, _b = apart()
ROWS = [
    two("add", np.add, dtypes=ALL, errors=[SHAPES]),
    two("subtract", np.subtract, dtypes=NUMBERS, errors=[SHAPES, *_NO_BOOL2]),
    two("multiply", np.multiply, dtypes=ALL),
    two("divide", np.true_divide, In(), _NONZERO, dtypes=(*FLOATS, "int32")),
    two("true_divide", np.true_divide, In(), _NONZERO, dtypes=(*FLOATS, "int32")),
    two("divide_no_nan", lambda a, b: np.where(b == 0, 0, a / np.where(b == 0, 1, b)), In(), _NONZERO, dtypes=FLOATS),
    two(
        "floor_divide", _guard_zero(np.floor_divide), In(-40, 40), In(-7, 7, avoid=(0.0,), gap=0.5), dtypes=ALL, grad=()
    ),
    two("mod", _guard_zero(np.mod), _GRID, In(2.3, 2.9), dtypes=FLOATS),
    two("fmod", _fmod, _GRID, In(2.3, 2.9), dtypes=FLOATS),
    two("power", _power, _POSITIVE, In(0.0, 3.0), dtypes=ALL, ulp=2),
    two("maximum", np.maximum, _a, _b, dtypes=FLOATS),
    two("minimum", np.minimum, _a, _b, dtypes=FLOATS),
    two("fmax", np.fmax, _a, _b, dtypes=FLOATS),
    two("fmin", np.fmin, _a, _b, dtypes=FLOATS),
    two("hypot", np.hypot, _NONZERO),
    two("copysign", np.copysign, _NONZERO),
    two("heaviside", np.heaviside, In(make=lambda rng, shape: rng.integers(-1, 2, size=shape)), grad=()),
    two("nextafter", np.nextafter, dtypes=("float64",), ulp=0, grad=()),
    two("gcd", np.gcd, In(-60, 60), dtypes=INTS, grad=(), errors=_INT_ONLY),
    two("lcm", np.lcm, In(-10, 10), dtypes=INTS, grad=(), errors=_INT_ONLY),
    two(
        *("ldexp", lambda x, e: x * 2.0**e, In(), In(-5, 5, dtype="int32")),
        grad=(0,),
        errors=[Bad([np.ones(3, "float32"), np.ones(3, "float32")], {}, TypeError, "expected an integer exponent")],
    ),
    one("negative", np.negative, dtypes=NUMBERS, errors=_NO_BOOL1),
    one("absolute", np.absolute, avoid=(0.0,), dtypes=ALL),
    one("abs", np.absolute, avoid=(0.0,), dtypes=ALL),
    one("fabs", lambda x: np.abs(np.float64(x)), avoid=(0.0,), dtypes=INEXACT),
    one("sign", np.sign, dtypes=NUMBERS, grad=(), errors=_NO_BOOL1),
    one("square", _square, dtypes=ALL),
    one("sqrt", np.sqrt, 0.1, 9.0, dtypes=INEXACT),
    one("rsqrt", lambda x: 1 / np.sqrt(x), 0.1, 9.0),
    one("cbrt", np.cbrt, avoid=(0.0,), gap=0.3, ulp=3),
    one("reciprocal", lambda x: 1 / x, avoid=(0.0,), gap=0.3),
    one("deg2rad", np.deg2rad, -400, 400),
    one("rad2deg", np.rad2deg, ulp=3),
    one("floor", np.floor, -9, 9, dtypes=INEXACT, grad=()),
    one("ceil", np.ceil, -9, 9, dtypes=INEXACT, grad=()),
    one("trunc", np.trunc, -9, 9, dtypes=ALL, grad=()),
    one("rint", np.rint, -9, 9, dtypes=INEXACT, grad=()),
    one(
        "round", _round, -9, 9, dtypes=("bool", *INTS, "float32", "float64"), grad=(), cases=_cases({}, {"decimals": 0})
    ),
    one("angle", np.angle, dtypes=INEXACT, grad=()),
    one("imag", np.imag, dtypes=ALL, grad=()),
    one(
        *(
            "nan_to_num",
            lambda x, nan=0.0, posinf=None, neginf=None: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
        ),
        cases=_cases({}, {"nan": 2.5, "posinf": 7.0, "neginf": -7.0}),
    ),
]
