"""Rows of the elementwise family: comparisons, logic, bits, tests for special values, casts, selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .elementwise_arithmetic import N, one, two
from .row import ALL, FLOATS, INTS, Bad, Case, In, Row

BITS = ("bool", *INTS)
_NOT_FLOAT2 = [
    Bad([np.ones(3, "float32"), np.ones(3, "float32")], {}, TypeError, "expected integers or bool, received float32")
]
_NOT_FLOAT1 = [Bad([np.ones(3, "float32")], {}, TypeError, "expected integers or bool, received float32")]
_FEW = In(make=lambda rng, shape: rng.integers(0, 3, size=shape))
_SPECIAL = In(make=lambda rng, shape: rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.0], size=shape))


def _truth(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *a: f(*(x != 0 for x in a))


def _shift(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: f(np.int32(a), np.int32(b)) if a.dtype == bool else f(a, b)


def _cast(x: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "bool":
        return x != 0
    return np.trunc(x).astype(dtype) if "int" in dtype else x.astype(np.float64)


def _glu(x: np.ndarray, axis: int = -1) -> np.ndarray:
    a, b = np.split(x, 2, axis)
    return a / (1 + np.exp(-b))


def _identity(x: np.ndarray) -> np.ndarray:
    return x


ROWS = [
    *(two(op, getattr(np, op), _FEW, dtypes=ALL, grad=()) for op in ("equal", "not_equal", "less", "less_equal")),
    *(two(op, getattr(np, op), _FEW, dtypes=ALL, grad=()) for op in ("greater", "greater_equal")),
    *(
        two(op, _truth(getattr(np, op)), _FEW, dtypes=ALL, grad=())
        for op in ("logical_and", "logical_or", "logical_xor")
    ),
    one("logical_not", _truth(np.logical_not), 0, 1, dtypes=ALL, grad=()),
    *(
        Row(op, getattr(np, op), [_SPECIAL], [Case([(2, 3)])], dtypes=FLOATS, grad=(), bench=Case([(N,)]))
        for op in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "signbit")
    ),
    *(
        two(op, getattr(np, op), In(-100, 100), dtypes=BITS, grad=(), errors=_NOT_FLOAT2)
        for op in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    *(
        one(op, np.bitwise_not, -100, 100, dtypes=BITS, grad=(), errors=_NOT_FLOAT1)
        for op in ("bitwise_not", "bitwise_invert")
    ),
    *(
        two(op, _shift(np.left_shift), In(-100, 100), In(0, 7), dtypes=BITS, grad=(), errors=_NOT_FLOAT2)
        for op in ("bitwise_left_shift", "left_shift")
    ),
    *(
        two(op, _shift(np.right_shift), In(-100, 100), In(0, 7), dtypes=BITS, grad=(), errors=_NOT_FLOAT2)
        for op in ("bitwise_right_shift", "right_shift")
    ),
    Row(
        *("where", np.where, [In(dtype="bool"), In(), In()]),
        cases=[
            Case([s, t, r])
            for s, t, r in (((2, 3), (2, 3), (2, 3)), ((3,), (2, 1), ()), ((5, 1), (7,), (5, 7)), ((0,), (1,), ()))
        ],
        dtypes=ALL,
        grad=(1, 2),
        errors=[
            Bad(
                [np.ones(3, bool), np.ones(3, "float32")],
                {},
                ValueError,
                "expected both x1 and x2 or neither, received only x1",
            )
        ],
        bench=Case([(N,), (N,), (N,)]),
    ),
    Row(
        *("clip", np.clip, [In(-3, 3, avoid=(-1.0, 1.0, 2.0), gap=0.05), In(-1, -1), In(1, 1)]),
        cases=[Case([(4, 5), (), ()]), Case([(4, 5), (5,), (4, 1)]), Case([(1025,), (1025,), ()])],
        dtypes=FLOATS,
        grad=(0, 1, 2),
        bench=Case([(N,), (), ()]),
    ),
    Row(
        *("isclose", lambda a, b, **kw: np.isclose(a, b, **kw), [_SPECIAL, _SPECIAL]),
        cases=[
            Case([(9, 1), (7,)]),
            Case([(40,), (40,)], {"equal_nan": True}),
            Case([(40,), ()], {"rtol": 3.0, "atol": 0.1}),
        ],
        dtypes=("float32", "float64"),
        grad=(),
    ),
    Row(
        *("cast", _cast, [In(0, 3)]),
        cases=[Case([(5,)], {"dtype": d}) for d in ("float32", *ALL)],
        dtypes=ALL,
        grad=(),
        bench=Case([(N,)], {"dtype": "float32"}),
    ),
    *(one(op, _identity, dtypes=ALL) for op in ("copy", "positive", "real", "conj", "conjugate")),
    one("stop_gradient", _identity, dtypes=ALL, grad=()),
    Row(
        *("glu", _glu, [In()], [Case([(2, 6)]), Case([(4, 3)], {"axis": 0})]),
        ulp=4,
        errors=[Bad([np.ones(3, "float32")], {}, ValueError, "expected an even size along axis 0")],
        bench=Case([(N + 1,)]),
    ),
]
