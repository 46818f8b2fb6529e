"""Rows of the pools. The reference walks over the windows one by one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .conv import axis_values
from .row import Bad, Case, In, Row

SPREAD = In(make=lambda rng, shape: rng.permutation(int(np.prod(shape))).reshape(shape) / 8.0 - 4.0)  # no two are near


def windows(shape: tuple[int, ...], window: Any, strides: Any, low: Any, high: Any, adaptive: bool) -> Iterator[Any]:
    """(output place, slices of the input) of each window."""
    axes = len(shape) - 2
    spans = []
    for i in range(axes):
        n = shape[i + 1]
        if adaptive:
            spans.append([(k * n // window[i], -(-(k + 1) * n // window[i])) for k in range(window[i])])
        else:
            count = max(0, (n + low[i] + high[i] - window[i]) // strides[i] + 1)
            starts = [k * strides[i] - low[i] for k in range(count)]
            spans.append([(max(0, s), min(n, s + window[i])) for s in starts])
    for at in itertools.product(*(range(len(s)) for s in spans)):
        yield at, tuple(slice(*spans[i][at[i]]) for i in range(axes))


def out_shape(x: np.ndarray, at: dict[str, Any]) -> tuple[int, ...]:
    places = [p for p, _ in windows(x.shape, **at)]
    return (x.shape[0], *(np.max(places, 0) + 1 if places else [0] * (x.ndim - 2)), x.shape[-1])


def core(f: Any, x: np.ndarray, **at: Any) -> np.ndarray:
    y = np.zeros(out_shape(x, at))
    for place, part in windows(x.shape, **at):
        y[(slice(None), *place)] = f(x[(slice(None), *part)], tuple(range(1, x.ndim - 1)))
    return y


def positions(x: np.ndarray, **at: Any) -> Iterator[Any]:
    """(index of an output, index of the first maximum of its window)."""
    for place, part in windows(x.shape, **at):
        for n, c in itertools.product(range(x.shape[0]), range(x.shape[-1])):
            window = x[(n, *part, c)]
            inner = np.unravel_index(np.argmax(window), window.shape)
            yield (n, *place, c), (n, *(s.start + i for s, i in zip(part, inner)), c)


def gather(x: np.ndarray, v: np.ndarray, **at: Any) -> np.ndarray:
    y = np.zeros(out_shape(x, at))
    for out, source in positions(x, **at):
        y[out] = v[source]
    return y


def scatter(x: np.ndarray, dy: np.ndarray, **at: Any) -> np.ndarray:
    dx = np.zeros(x.shape)
    for out, source in positions(x, **at):
        dx[source] += dy[out]
    return dx


def average_grad(dy: np.ndarray, size: Any, **at: Any) -> np.ndarray:
    dx = np.zeros((dy.shape[0], *size, dy.shape[-1]))
    for place, part in windows(dx.shape, **at):
        shape = dx[(slice(None), *part)].shape
        share = dy[(slice(None), *place)].reshape(shape[0], *[1] * len(part), shape[-1])
        dx[(slice(None), *part)] += share / np.prod(shape[1:-1])
    return dx


def public(f: Any) -> Any:
    def pool(
        x: np.ndarray, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
    ) -> np.ndarray:
        if data_format == "channels_first":
            return np.moveaxis(pool(np.moveaxis(x, 1, -1), pool_size, strides, padding), -1, 1)
        axes = x.ndim - 2
        k = axis_values(pool_size, axes)
        s = k if strides is None else axis_values(strides, axes)
        low, high = [0] * axes, [0] * axes
        if padding == "same":
            for i in range(axes):
                total = max(0, (-(-x.shape[i + 1] // s[i]) - 1) * s[i] + k[i] - x.shape[i + 1])
                low[i], high[i] = total // 2, total - total // 2
        return core(f, x, window=k, strides=s, low=low, high=high, adaptive=False)

    return pool


def adaptive(f: Any) -> Any:
    def pool(x: np.ndarray, output_size: Any, data_format: str | None = None) -> np.ndarray:
        if data_format == "channels_first":
            return np.moveaxis(pool(np.moveaxis(x, 1, -1), output_size), -1, 1)
        zeros = [0] * (x.ndim - 2)
        return core(
            f, x, window=axis_values(output_size, len(zeros)), strides=zeros, low=zeros, high=zeros, adaptive=True
        )

    return pool


def at(window: Any, strides: Any, low: Any, high: Any, adaptive: bool = False) -> dict[str, Any]:
    return {"window": window, "strides": strides, "low": low, "high": high, "adaptive": adaptive}


CORE = [
    ((1, 6, 2), at([2], [2], [0], [0])),
    ((2, 4, 3, 2), at([3, 2], [1, 1], [1, 0], [1, 1])),
    ((1, 5, 4, 2), at([3, 3], [2, 1], [1, 1], [1, 1])),
    ((1, 2, 3, 3, 2), at([2, 2, 3], [1, 1, 2], [0, 0, 1], [0, 1, 1])),
    ((1, 5, 7, 1), at([2, 3], [0, 0], [0, 0], [0, 0], True)),
    ((3, 7, 6, 53), at([2, 2], [2, 2], [0, 0], [1, 0])),
    ((0, 3, 2), at([2], [2], [0], [0])),
]


def _y_shape(shape: tuple[int, ...], attrs: dict[str, Any]) -> tuple[int, ...]:
    return out_shape(np.zeros(shape), attrs)


POOLS = [
    Case([(2, 4, 4, 2)], {"pool_size": 2}),
    Case([(1, 5, 4, 3)], {"pool_size": (3, 2), "strides": 1, "padding": "same"}),
    Case([(1, 2, 4, 5)], {"pool_size": 2, "data_format": "channels_first"}),
    Case([(2, 7, 2)], {"pool_size": 3, "strides": 2, "padding": "same"}),
    Case([(1, 2, 4, 3, 2)], {"pool_size": (1, 2, 2)}),
]
ADAPTIVE = [
    Case([(2, 5, 4, 2)], {"output_size": (2, 3)}),
    Case([(1, 2, 4, 5)], {"output_size": 3, "data_format": "channels_first"}),
    Case([(2, 7, 2)], {"output_size": 3}),
    Case([(1, 2, 4, 3, 2)], {"output_size": (1, 2, 3)}),
]
BENCH = at([2, 2], [2, 2], [0, 0], [0, 0])


def window_terms(case: Case) -> int:
    return 32


ROWS = [
    Row(
        "pool_max",
        lambda x, **a: core(np.max, x, **a),
        (SPREAD,),
        [Case([s], a) for s, a in CORE],
        bench=Case([(16, 28, 28, 32)], BENCH),
    ),
    Row(
        "pool_average",
        lambda x, **a: core(np.mean, x, **a),
        (In(),),
        [Case([s], a) for s, a in CORE],
        terms=window_terms,
        bench=Case([(16, 28, 28, 32)], BENCH),
    ),
    Row(
        "pool_max_gather",
        gather,
        (SPREAD, In()),
        [Case([s, s], a) for s, a in CORE],
        grad=(1,),
        bench=Case([(16, 28, 28, 32), (16, 28, 28, 32)], BENCH),
    ),
    Row(
        "pool_max_scatter",
        scatter,
        (SPREAD, In()),
        [Case([s, _y_shape(s, a)], a) for s, a in CORE],
        terms=window_terms,
        grad=(1,),
        bench=Case([(16, 28, 28, 32), (16, 14, 14, 32)], BENCH),
    ),
    Row(
        "pool_average_grad",
        average_grad,
        (In(),),
        [Case([_y_shape(s, a)], {**a, "size": list(s[1:-1])}) for s, a in CORE],
        terms=window_terms,
        bench=Case([(16, 14, 14, 32)], {**BENCH, "size": [28, 28]}),
    ),
    Row(
        "max_pool",
        public(np.max),
        (SPREAD,),
        POOLS,
        errors=[
            Bad([np.ones((2, 4, 4, 3)), 0], {}, ValueError, r"\[max_pool\] expected pool_size as a positive int"),
            Bad(
                [np.ones((2, 4, 4, 3)), 5],
                {},
                ValueError,
                r"\[max_pool\] expected inputs at least as large as the window",
            ),
            Bad([np.ones((2, 4)), 2], {}, ValueError, r"\[max_pool\] expected inputs of rank 3, 4 or 5"),
            Bad([np.ones((2, 4, 3)), 2], {"padding": "causal"}, ValueError, r"\[max_pool\] expected padding"),
        ],
        bench=Case([(16, 28, 28, 32)], {"pool_size": 2}),
    ),
    Row(
        "average_pool",
        public(np.mean),
        (In(),),
        POOLS,
        terms=window_terms,
        errors=[
            Bad([np.ones((2, 4, 4, 3)), (2, 2, 2)], {}, ValueError, r"\[average_pool\] expected pool_size .* 2 of them")
        ],
        bench=Case([(16, 28, 28, 32)], {"pool_size": 2}),
    ),
    Row("adaptive_max_pool", adaptive(np.max), (SPREAD,), ADAPTIVE, bench=Case([(16, 14, 14, 32)], {"output_size": 4})),
    Row(
        "adaptive_average_pool",
        adaptive(np.mean),
        (In(),),
        ADAPTIVE,
        terms=window_terms,
        bench=Case([(16, 14, 14, 32)], {"output_size": 4}),
    ),
]
