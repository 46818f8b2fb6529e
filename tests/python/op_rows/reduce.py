"""Rows of the reductions, scans, softmax and statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .row import ALL, FLOATS, INTS, Bad, Case, In, Row

NUMBERS = (*INTS, *FLOATS)
SMALL = (np.zeros((2, 3), np.float32),)
EMPTY = (np.zeros((2, 0), np.float32),)

AXIS_ERRORS = (
    Bad(SMALL, {"axis": 2}, ValueError, r"expected an axis in \[-2, 2\) for a tensor of rank 2, received 2"),
    Bad(SMALL, {"axis": (0, -2)}, ValueError, r"expected distinct axes, received an axis twice in \(0, -2\)"),
)
RANGE_ERROR = AXIS_ERRORS[0]

# Every collapsed form: rows, columns, both, runs of several axes, axes of size 1, nothing to reduce, chunk boundaries.
FORMS = (
    Case([()]),
    Case([(1,)]),
    Case([(7,)]),
    Case([(2, 3)]),
    Case([(2, 3)], {"axis": 0}),
    Case([(2, 3)], {"axis": -1, "keepdims": True}),
    Case([(2, 3)], {"axis": ()}),
    Case([(2, 3, 4)], {"axis": 1}),
    Case([(2, 3, 4)], {"axis": (0, 2)}),
    Case([(3, 1, 2)], {"axis": 1, "keepdims": True}),
    Case([(2, 1, 2, 1, 2, 1, 2, 2)], {"axis": (0, 4, 7)}),
    Case([(70, 33)], {"axis": 0}),
    Case([(33, 130)], {"axis": 1}),
    Case([(2, 20000)], {"axis": 1}),
    Case([(5000, 3)], {"axis": 0}),
    Case([(300, 2500)], {"axis": 0}),
    Case([(40, 30, 20)], {"axis": (0, 2)}),
)
NO_ELEMENTS = (Case([(0,)]), Case([(0, 3)], {"axis": 1}), Case([(0, 3)], {"axis": 0}), Case([(3, 0)], {"axis": 1}))
ONE_AXIS = tuple(c for c in FORMS if not isinstance(c.attrs.get("axis"), tuple))
KEPT = tuple(Case(c.shapes, {k: v for k, v in c.attrs.items() if k != "keepdims"}) for c in FORMS)
FEW = (
    Case([(5,)]),
    Case([(2, 3)], {"axis": 0}),
    Case([(2, 3, 4)], {"axis": (0, 2)}),
    Case([(2, 9)], {"axis": 1, "keepdims": True}),
)
ROWS_OF_1000 = Case([(1000, 1000)], {"axis": 1})


def count(case: Case) -> int:
    """How many elements meet in one result."""
    shape, axis = case.shapes[0], case.attrs.get("axis")
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    return math.prod(shape[a] for a in axes)


def roundings(case: Case) -> int:
    """The roundings of a sum of n terms of either sign: independent, so that they add up to the root of n, 4 sigma."""
    return math.ceil(4 * math.sqrt(count(case)))


def roundings_of_all(case: Case) -> int:
    return math.ceil(4 * math.sqrt(math.prod(case.shapes[0])))


def block_roundings(case: Case) -> int:
    """At most 128 terms are added one after another before blocks are merged in double: 4 sigma of theirs."""
    return math.ceil(4 * 0.29 * math.sqrt(min(count(case), 128))) + 2


def f64(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64)


def on_floats(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, **attrs: f(f64(x), **attrs)


def logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    x = f64(x)
    if x.size == 0:
        return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))
    m = np.max(x, axis=axis, keepdims=True)
    y = np.log(np.sum(np.exp(x - m), axis=axis, keepdims=True)) + m
    return y if keepdims else y.reshape(np.sum(x, axis=axis).shape)


def softmax(x: np.ndarray, axis: Any = -1) -> np.ndarray:
    e = np.exp(f64(x) - np.max(f64(x), axis=axis, keepdims=True, initial=-np.inf))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x: np.ndarray, axis: Any = -1) -> np.ndarray:
    return f64(x) - logsumexp(x, axis, True)


def with_nan(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A quarter NaN, but nowhere only NaN (that is tested apart)."""
    x = rng.uniform(-3, 3, size=shape)
    x.reshape(-1)[1::4] = np.nan
    return x


def with_zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    x = np.asarray(rng.uniform(0.5, 1.5, size=shape))
    x.reshape(-1)[1::4] = 0
    return x


def factors(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Factors whose products stay of magnitude 1, of any length."""
    return 1 + rng.uniform(-1, 1, size=shape) / math.sqrt(max(1, math.prod(shape)))


def shift(x: np.ndarray, axis: int = 0, reverse: bool = False, fill: float = 0.0) -> np.ndarray:
    y = np.moveaxis(np.full_like(x, fill), axis, 0)
    x = np.moveaxis(x, axis, 0)
    if reverse:
        y[:-1] = x[1:]
    else:
        y[1:] = x[:-1]
    return np.moveaxis(y, 0, axis)


def along(f: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: np.ndarray, axis: int = 0, reverse: bool = False) -> np.ndarray:
        return np.flip(f(np.flip(x, axis), axis=axis), axis) if reverse else f(x, axis=axis)

    return run


def linear_recurrence(a: np.ndarray, b: np.ndarray, axis: int = 0, reverse: bool = False) -> np.ndarray:
    if reverse:
        return np.flip(linear_recurrence(np.flip(a, axis), np.flip(b, axis), axis), axis)
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    y = np.zeros_like(b)
    for i in range(len(b)):
        y[i] = (a[i] * y[i - 1] if i else 0) + b[i]
    return np.moveaxis(y, 0, axis)


def softmax_grad(y: np.ndarray, dy: np.ndarray, axis: Any = -1) -> np.ndarray:
    return y * (dy - np.sum(y * dy, axis=axis, keepdims=True))


def log_softmax_grad(y: np.ndarray, dy: np.ndarray, axis: Any = -1) -> np.ndarray:
    return dy - np.exp(y) * np.sum(dy, axis=axis, keepdims=True)


def sparsemax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """The Euclidean projection on the simplex, by bisection on the threshold."""
    low, high = np.min(x, axis=axis, keepdims=True) - 1, np.max(x, axis=axis, keepdims=True)
    for _ in range(200):
        middle = (low + high) / 2
        more = np.sum(np.maximum(x - middle, 0), axis=axis, keepdims=True) > 1
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.maximum(x - low, 0)


def average(x: np.ndarray, weights: np.ndarray | None = None, axis: Any = None) -> Any:
    return np.average(f64(x), axis=axis, weights=weights)


def normalize(x: np.ndarray, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> np.ndarray:
    x = np.atleast_1d(x)
    norm = np.sum(np.abs(x) ** order, axis=axis, keepdims=True) ** (1 / order)
    return x / np.maximum(norm, epsilon or 1e-7)


def moments(x: np.ndarray, axes: Any, keepdims: bool = False) -> tuple[Any, Any]:
    return np.mean(x, axis=axes, keepdims=keepdims), np.var(x, axis=axes, keepdims=keepdims)


FRACTIONS = In(dtype="float64", make=lambda rng, shape: rng.uniform(0, 1, size=shape))
PERCENTS = In(dtype="float64", make=lambda rng, shape: rng.uniform(0, 100, size=shape))
QUANTILES = (
    Case([(7,), ()]),
    Case([(2, 3, 4), (3,)], {"axis": (0, 2)}),
    Case([(3, 5), (2,)], {"axis": 1, "keepdims": True}),
    *(Case([(3, 6), (2,)], {"axis": 1, "method": m}) for m in ("lower", "higher", "midpoint", "nearest")),
)
SOFTMAX = (
    Case([(7,)]),
    Case([(2, 3)], {"axis": 0}),
    Case([(3, 2, 4)], {"axis": (1, 2)}),
    Case([(2, 3, 4)], {"axis": (0, 2)}),
    Case([(2, 3)], {"axis": None}),
    Case([(5, 33)]),
    Case([(3, 1030)]),
    Case([(2, 50, 70)], {"axis": 1}),
    Case([(0, 3)]),
)


def pairs(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    return tuple(Case([c.shapes[0], c.shapes[0]], c.attrs) for c in cases)


def extreme(name: str, f: Callable[..., Any]) -> Row:
    return Row(
        name,
        f,
        cases=(
            *FORMS,
            Case([(2, 3)], {"axis": 1, "initial": 1.0}),
            Case([(3, 0)], {"axis": 1, "initial": 2.0}),
            Case([(0, 3)], {"axis": 1}),
        ),
        dtypes=NUMBERS,
        ulp=0,
        errors=(
            *AXIS_ERRORS,
            Bad(
                EMPTY, {"axis": 1}, ValueError, rf"\[{name}\] expected at least one element .* received shape \(2, 0\)"
            ),
        ),
        bench=ROWS_OF_1000,
    )


def arg(name: str, f: Callable[..., Any]) -> Row:
    return Row(
        name,
        f,
        cases=tuple(c for c in ONE_AXIS),
        dtypes=ALL,
        grad=(),
        errors=(RANGE_ERROR, Bad(EMPTY, {"axis": 1}, ValueError, rf"\[{name}\] expected at least one element")),
        bench=ROWS_OF_1000,
    )


def statistic(name: str, f: Callable[..., Any], spec: In = In(), **more: Any) -> Row:
    return Row(name, f, [spec], cases=more.pop("cases", FEW), errors=more.pop("errors", AXIS_ERRORS), **more)


NAN = In(make=with_nan)

ROWS = [
    Row(
        "sum",
        np.sum,
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        terms=roundings,
        errors=AXIS_ERRORS,
        bench=Case([(1_000_000,)]),
    ),
    Row(
        "mean",
        on_floats(np.mean),
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        terms=lambda c: 4,
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    Row(
        "sum_squares",
        on_floats(lambda x, **attrs: np.sum(x * x, **attrs)),
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        terms=roundings,
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    Row(
        "root_sum_squares",
        on_floats(lambda x, **attrs: np.sqrt(np.sum(x * x, **attrs))),
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        terms=roundings,
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    Row(
        "sum_magnitudes",
        on_floats(lambda x, **attrs: np.sum(np.abs(x), **attrs)),
        [In(avoid=(0.0,))],
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        terms=roundings,
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    Row(
        "reduce_prod", np.prod, [In(make=factors)], cases=FORMS, terms=roundings, errors=AXIS_ERRORS, bench=ROWS_OF_1000
    ),
    Row(
        "prod",
        np.prod,
        [In(make=with_zeros)],
        cases=(*FEW, *NO_ELEMENTS),
        dtypes=ALL,
        terms=roundings,
        errors=AXIS_ERRORS,
    ),
    extreme("max", np.max),
    extreme("min", np.min),
    Row("amax", np.max, cases=FEW, dtypes=ALL, ulp=0, errors=AXIS_ERRORS),
    Row("amin", np.min, cases=FEW, dtypes=ALL, ulp=0, errors=AXIS_ERRORS),
    Row(
        "any",
        np.any,
        [In(-1, 1)],
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        grad=(),
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    Row(
        "all",
        np.all,
        [In(-1, 1)],
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        grad=(),
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    arg("argmax", np.argmax),
    arg("argmin", np.argmin),
    Row(
        "var",
        on_floats(np.var),
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        ulp=4,
        terms=block_roundings,
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    Row(
        "std",
        on_floats(np.std),
        cases=tuple(c for c in FORMS if count(c) > 1),  # no gradient where the deviation is zero
        dtypes=ALL,
        ulp=4,
        terms=block_roundings,
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    Row(
        "logsumexp",
        logsumexp,
        cases=(*FORMS, *NO_ELEMENTS),
        dtypes=ALL,
        ulp=2,
        terms=lambda c: 2,
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    Row(
        "count_nonzero",
        np.count_nonzero,
        [In(-1, 1)],
        cases=(*KEPT, *NO_ELEMENTS),
        dtypes=ALL,
        grad=(),
        errors=AXIS_ERRORS,
        bench=ROWS_OF_1000,
    ),
    # scans
    Row(
        "cumsum",
        np.cumsum,
        cases=(
            Case([(2, 3)]),
            Case([(2, 3)], {"axis": 0}),
            Case([(2, 3)], {"axis": -1}),
            Case([(3, 300)], {"axis": 1}),
            Case([(0,)]),
        ),
        dtypes=NUMBERS,
        terms=lambda c: 4,
        errors=(RANGE_ERROR,),
        bench=Case([(1000, 1000)], {"axis": 1}),
    ),
    Row(
        "cumprod",
        np.cumprod,
        [In(make=with_zeros)],
        cases=(Case([(2, 3)]), Case([(6,)]), Case([(3, 2)], {"axis": 0}), Case([(2, 1)], {"axis": -1})),
        dtypes=NUMBERS,
        terms=lambda c: 4,
        errors=(RANGE_ERROR,),
        bench=Case([(1000, 1000)], {"axis": 1}),
    ),
    Row(
        "cumsum_along",
        along(np.cumsum),
        cases=(Case([(2, 3)], {"axis": 1, "reverse": True}), Case([(3, 600)])),
        terms=lambda c: 4,
    ),
    Row(
        "cumprod_along",
        along(np.cumprod),
        [In(make=with_zeros)],
        cases=(Case([(2, 4)], {"axis": 1, "reverse": True}), Case([(3, 2)])),
        terms=lambda c: 4,
    ),
    Row(
        "linear_recurrence",
        linear_recurrence,
        [In(-1, 1), In(-1, 1)],
        cases=(Case([(4,), (4,)]), Case([(2, 3), (2, 3)], {"axis": 1, "reverse": True}), Case([(3, 2), (3, 2)])),
        terms=lambda c: 4,
        grad=(0, 1),
        errors=(
            Bad(
                (np.ones(3), np.ones(4)),
                {},
                ValueError,
                r"expected factors and terms of one shape, received \(3,\) and \(4,\)",
            ),
        ),
    ),
    Row(
        "shift",
        shift,
        cases=(Case([(4,)]), Case([(2, 3)], {"axis": 1, "reverse": True, "fill": 1.0}), Case([(3, 2)])),
        ulp=0,
    ),
    # softmax
    # x - max is rounded at magnitude 6: 3 ulp of the exponential, which has 1 of its own; sum and scaling add the rest.
    Row("softmax", softmax, cases=SOFTMAX, dtypes=NUMBERS, ulp=8, errors=AXIS_ERRORS, bench=Case([(1000, 1000)])),
    Row(
        "log_softmax",
        log_softmax,
        cases=SOFTMAX,
        dtypes=NUMBERS,
        ulp=3,
        terms=lambda c: 4,
        errors=AXIS_ERRORS,
        bench=Case([(1000, 1000)]),
    ),
    Row(
        "softmax_grad",
        softmax_grad,
        [In(0, 1), In(-1, 1)],
        cases=pairs(SOFTMAX),
        terms=roundings_of_all,
        grad=(0, 1),
        bench=Case([(1000, 1000), (1000, 1000)]),
    ),
    Row(
        "log_softmax_grad",
        log_softmax_grad,
        [In(-3, 0), In(-1, 1)],
        cases=pairs(SOFTMAX),
        terms=roundings_of_all,
        grad=(0, 1),
        bench=Case([(1000, 1000), (1000, 1000)]),
    ),
    Row(
        "sparsemax",
        sparsemax,
        cases=(Case([(7,)]), Case([(3, 4)], {"axis": 0})),
        terms=lambda c: 8,
        errors=(RANGE_ERROR,),
        bench=Case([(1000, 100)]),
    ),
    # statistics
    statistic("nansum", np.nansum, NAN, terms=roundings),
    statistic("nanprod", np.nanprod, NAN, terms=roundings, ulp=4),
    statistic("nanmean", np.nanmean, NAN, terms=lambda c: 4),
    statistic("nanmax", np.nanmax, NAN, ulp=0),
    statistic("nanmin", np.nanmin, NAN, ulp=0),
    statistic("nanvar", np.nanvar, NAN, ulp=4, terms=lambda c: 8, cases=(FEW[0], FEW[2])),
    statistic("nanstd", np.nanstd, NAN, ulp=4, terms=lambda c: 8, cases=(FEW[0], FEW[2])),
    statistic(
        "nanargmax",
        np.nanargmax,
        NAN,
        cases=(Case([(5,)]), Case([(2, 9)], {"axis": 1, "keepdims": True})),
        grad=(),
        errors=(RANGE_ERROR,),
    ),
    statistic(
        "nanargmin",
        np.nanargmin,
        NAN,
        cases=(Case([(5,)]), Case([(2, 9)], {"axis": 1, "keepdims": True})),
        grad=(),
        errors=(RANGE_ERROR,),
    ),
    statistic("ptp", np.ptp, dtypes=NUMBERS),
    statistic(
        "median",
        np.median,
        errors=(*AXIS_ERRORS, Bad(EMPTY, {"axis": 1}, ValueError, r"\[median\] expected at least one element")),
    ),
    statistic("nanmedian", np.nanmedian, NAN),
    *(
        Row(
            name,
            f,
            [spec, q],
            cases=QUANTILES,
            terms=lambda c: 8,
            errors=(
                Bad(
                    (SMALL[0], 0.5),
                    {"method": "cubic"},
                    ValueError,
                    rf"\[{name}\] expected `method` to be one of 'linear', .* received 'cubic'",
                ),
                Bad(
                    (SMALL[0], np.zeros((1, 1))),
                    {},
                    ValueError,
                    r"expected `q` to be a scalar or a vector, received shape \(1, 1\)",
                ),
            ),
        )
        for name, f, spec, q in (
            ("quantile", np.quantile, In(), FRACTIONS),
            ("nanquantile", np.nanquantile, NAN, FRACTIONS),
            ("percentile", np.percentile, In(), PERCENTS),
            ("nanpercentile", np.nanpercentile, NAN, PERCENTS),
        )
    ),
    Row(
        "average",
        average,
        [In(), In(0.5, 1.5)],
        cases=(
            Case([(2, 3), None]),
            Case([(2, 3), (2, 3)], {"axis": 1}),
            Case([(2, 3), (3,)], {"axis": 1}),
            Case([(2, 3), (2, 3)]),
        ),
        terms=lambda c: 8,
        grad=(0, 1),
        errors=(
            Bad(
                (SMALL[0], np.ones(2)),
                {},
                ValueError,
                r"\[average\] expected weights of the shape of `x`, or one weight per element",
            ),
            Bad(
                (SMALL[0], np.ones(2)),
                {"axis": 1},
                ValueError,
                r"\[average\] expected 3 weights for axis 1 of shape \(2, 3\), received 2",
            ),
        ),
    ),
    Row(
        "moments",
        moments,
        cases=(Case([(5,)], {"axes": 0}), Case([(2, 3, 4)], {"axes": (0, 2), "keepdims": True})),
        ulp=4,
        terms=lambda c: 4,
        errors=(
            Bad(
                SMALL,
                {"axes": 0, "synchronized": True},
                NotImplementedError,
                r"\[moments\] expected synchronized=False",
            ),
        ),
    ),
    Row(
        "normalize",
        normalize,
        cases=(
            Case([(5,)]),
            Case([(2, 3)], {"axis": 0, "order": 1}),
            Case([(2, 3)], {"axis": (0, 1), "order": 3}),
            Case([(2, 3)], {"epsilon": 100.0}),
        ),
        ulp=8,
        terms=lambda c: 4,
        errors=(Bad(SMALL, {"order": 0}, ValueError, r"\[normalize\] expected an order of at least 1, received 0"),),
        bench=Case([(1000, 1000)]),
    ),
]
