"""Rows of the normalisations. The reference works on a view (n, s, g, k): moments over s and k."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Bad, Case, In, Row


def view(shape: tuple[int, ...], rows: int = 0, groups: int = 0) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape of x as (n, s, g, k), and that of scale and offset."""
    if rows:
        lead = len(shape) - rows
        n = int(np.prod(shape[lead:]))
        return (int(np.prod(shape[:lead])), 1, 1, n), (1, 1, 1, n)
    c = shape[-1]
    if groups:
        return (shape[0], int(np.prod(shape[1:-1])), groups, c // groups), (1, 1, groups, c // groups)
    return (1, int(np.prod(shape[:-1])), c, 1), (1, 1, c, 1)


def statistics_shape(shape: tuple[int, ...], rows: int, groups: int) -> tuple[int, ...]:
    return shape[: len(shape) - rows] if rows else (shape[0], groups) if groups else shape[-1:]


def standardize(
    x: np.ndarray,
    scale: Any,
    offset: Any,
    rows: int = 0,
    groups: int = 0,
    epsilon: float = 1e-7,
    centre: bool = True,
) -> tuple[np.ndarray, ...]:
    wide, parameters = view(x.shape, rows, groups)
    v = x.reshape(wide)
    mean = v.mean((1, 3), keepdims=True) * centre
    variance = ((v - mean) ** 2).mean((1, 3), keepdims=True)
    y = (v - mean) / np.sqrt(variance + epsilon)
    if scale is not None:
        y = y * scale.reshape(parameters)
    if offset is not None:
        y = y + offset.reshape(parameters)
    shape = statistics_shape(x.shape, rows, groups)
    return y.reshape(x.shape), mean.reshape(shape), variance.reshape(shape)


def standardize_relu(x: np.ndarray, scale: Any, offset: Any, skip: Any, **attrs: Any) -> tuple[np.ndarray, ...]:
    y, mean, variance = standardize(x, scale, offset, **attrs)
    return np.maximum(y if skip is None else y + skip, 0), mean, variance


def standardize_grad(
    dy: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    scale: Any,
    rows: int = 0,
    groups: int = 0,
    epsilon: float = 1e-7,
    centre: bool = True,
    dscale: bool = False,
    doffset: bool = False,
) -> tuple[np.ndarray, ...]:
    wide, parameters = view(x.shape, rows, groups)
    stats = (wide[0], 1, wide[2], 1)
    rstd = 1 / np.sqrt(variance.reshape(stats) + epsilon)
    d = dy.reshape(wide)
    h = (x.reshape(wide) - mean.reshape(stats)) * rstd
    g = d if scale is None else d * scale.reshape(parameters)
    dx = g - h * (g * h).mean((1, 3), keepdims=True)
    if centre:
        dx = dx - g.mean((1, 3), keepdims=True)
    axes = (0, 1, 2) if rows else (0, 1) if groups else (0, 1, 3)
    shape = x.shape[len(x.shape) - rows :] if rows else x.shape[-1:]
    return (
        (dx * rstd).reshape(x.shape),
        (d * h).sum(axes).reshape(shape) if dscale else np.zeros(0),
        d.sum(axes).reshape(shape) if doffset else np.zeros(0),
    )


def over_axes(centre: bool) -> Any:
    def normalize(x: np.ndarray, *parameters: Any, axis: Any = -1, epsilon: float | None = None, **more: Any) -> Any:
        axes = tuple(a % max(x.ndim, 1) for a in ((axis,) if isinstance(axis, int) else axis))
        x = np.atleast_1d(x)
        mean = x.mean(axes, keepdims=True)
        epsilon = 1e-7 if epsilon is None else epsilon
        if more.get("rms_scaling"):
            y, parameters = x / np.sqrt(x.var(axes, keepdims=True) + epsilon), parameters[:1]
        else:
            d = x - mean if centre else x
            y = d / np.sqrt((d * d).mean(axes, keepdims=True) + epsilon)
        wide = [n if i in axes else 1 for i, n in enumerate(x.shape)]
        for i, p in enumerate(parameters):
            if p is not None:
                p = p.reshape(wide) if p.ndim == len(axes) and p.ndim < x.ndim else p
                y = y + p if i else y * p
        return y

    return normalize


def channels(f: Any) -> Any:
    def normalize(x: np.ndarray, gamma: Any, beta: Any, axis: int = -1, epsilon: float = 1e-3, **more: Any) -> Any:
        y, mean, variance = f(np.moveaxis(x, axis, -1), gamma, beta, epsilon=epsilon, **more)
        return np.moveaxis(y, -1, axis), mean, variance

    return normalize


def group_normalization(x: np.ndarray, gamma: Any, beta: Any, groups: int = 32, axis: int = -1, **more: Any) -> Any:
    groups = x.shape[axis] if groups == -1 else groups
    return channels(standardize)(x, gamma, beta, axis, groups=groups, **more)[0]


def by_moments(
    x: np.ndarray, mean: Any, variance: Any, offset: Any, scale: Any, axis: int = -1, epsilon: float = 1e-3
) -> np.ndarray:
    y = (np.moveaxis(x, axis, -1) - mean) / np.sqrt(variance + epsilon)
    y = y if scale is None else y * scale
    y = y if offset is None else y + offset
    return np.moveaxis(y, -1, axis)


def terms(case: Case) -> int:
    # x - mean loses a few roundings of the largest x, and division by a standard deviation of about 1 keeps them.
    return 32


def statistics(shape: tuple[int, ...], attrs: dict[str, Any]) -> tuple[int, ...]:
    return statistics_shape(shape, attrs.get("rows", 0), attrs.get("groups", 0))


CORE = [
    ((3, 5), {"rows": 1, "epsilon": 0.1}),
    ((2, 3, 4), {"rows": 2}),
    ((4, 6), {"rows": 1, "centre": False}),
    ((9, 3), {}),
    ((2, 3, 4), {"groups": 2, "epsilon": 0.01}),
    ((2, 5, 2), {"groups": 2}),
    ((70, 137), {"rows": 1}),
    ((3, 4211), {"rows": 1}),
    ((2, 70, 7), {}),
    ((700, 137), {}),
    ((2, 9, 5, 48), {"groups": 8}),
]
F = ("float32", "float64")
POSITIVE = In(0.5, 2.0)
ROW_AXES = [
    Case([(3, 6), (6,), (6,)]),
    Case([(3, 6), None, None], {"axis": 0, "epsilon": 0.1}),
    Case([(2, 4, 3), (4, 3), (4, 3)], {"axis": (1, 2)}),
    Case([(4, 2, 3), (4, 3), None], {"axis": (0, -1)}),
    Case([(3, 6), (1, 6), (3, 6)]),
    Case([(2, 40, 61), (61,), (61,)]),
]
CHANNELS = [
    Case([(4, 3), (3,), (3,)]),
    Case([(2, 3, 4), (3,), (3,)], {"axis": 1, "epsilon": 0.1}),
    Case([(3, 2, 4), None, (4,)]),
    Case([(30, 5, 35), (35,), (35,)]),
]


def _scale(shape: tuple[int, ...], attrs: dict[str, Any]) -> tuple[int, ...]:
    rows = attrs.get("rows", 0)
    return shape[len(shape) - rows :] if rows else shape[-1:]


ROWS = [
    Row(
        "standardize",
        standardize,
        (In(), POSITIVE, In()),
        [Case([s, _scale(s, a), _scale(s, a)], a) for s, a in CORE] + [Case([CORE[0][0], None, None], CORE[0][1])],
        F,
        terms=terms,
        grad=(0, 1, 2),
        errors=[
            Bad([np.ones((2, 3)), np.ones(2)], {"rows": 1}, ValueError, r"\[standardize\] expected scale and offset"),
            Bad([np.ones((2, 3), "int32")], {"rows": 1}, TypeError, r"\[standardize\] expected float32 or float64"),
            Bad([np.ones((2, 3))], {"groups": 2}, ValueError, r"\[standardize\] expected a number of channels"),
        ],
        bench=Case([(4096, 512), (512,), (512,)], {"rows": 1}),
    ),
    Row(
        "standardize_relu",
        standardize_relu,
        (In(), POSITIVE, In(), In()),
        [
            Case([s, _scale(s, a), _scale(s, a), s if i % 2 else None], a)
            for i, (s, a) in enumerate(c for c in CORE if "rows" not in c[1])
        ],
        F,
        terms=terms,
        grad=(0, 1, 2, 3),
        errors=[
            Bad([np.ones((2, 3))], {"rows": 1}, ValueError, r"\[standardize_relu\] expected columns"),
            Bad([np.ones((2, 3)), None, None, np.ones(3)], {}, ValueError, r"\[standardize_relu\] expected a skip"),
        ],
        bench=Case([(64, 32, 32, 64), (64,), (64,), (64, 32, 32, 64)]),
    ),
    Row(
        "standardize_grad",
        standardize_grad,
        (In(), In(), In(-0.1, 0.1), POSITIVE, POSITIVE),
        [
            Case([s, s, statistics(s, a), statistics(s, a), _scale(s, a)], {**a, "dscale": True, "doffset": True})
            for s, a in CORE
        ],
        F,
        terms=lambda case: 4 * int(np.prod(case.shapes[0])) // 16 + 64,
        grad=(0, 4),  # x counts its mean and variance too, which a row draws apart from it
        bench=Case([(4096, 512), (4096, 512), (4096,), (4096,), (512,)], {"rows": 1, "dscale": True, "doffset": True}),
    ),
    Row(
        "affine_columns",
        lambda x, mean, factor, offset: (x - mean) * factor + offset,
        (In(), In(), In(), In()),
        [Case([s, s[-1:], s[-1:], s[-1:]]) for s in ((4, 3), (2, 3, 2), (100, 7), (0, 3), (30, 70), (5,))],
        F,
        terms=lambda case: 8,
        grad=(0, 1, 2, 3),
        errors=[
            Bad(
                [np.ones((2, 3)), np.ones(2), np.ones(3), np.ones(3)],
                {},
                ValueError,
                r"\[affine_columns\] expected vectors with one element per channel",
            )
        ],
        bench=Case([(64, 32, 32, 64), (64,), (64,), (64,)]),
    ),
    Row(
        "layer_normalization",
        over_axes(True),
        (In(), POSITIVE, In()),
        [*ROW_AXES, Case([(3, 6), (6,), None], {"rms_scaling": True})],
        terms=terms,
        grad=(0, 1, 2),
        errors=[
            Bad([np.ones((2, 3))], {"axis": 2}, ValueError, r"\[layer_normalization\] expected an axis in"),
            Bad([np.ones((2, 3))], {"axis": ()}, ValueError, r"\[layer_normalization\] expected at least one axis"),
        ],
        bench=Case([(10000, 1000), (1000,), (1000,)]),
    ),
    Row(
        "rms_normalization",
        over_axes(False),
        (In(), POSITIVE),
        [Case(c.shapes[:2], c.attrs) for c in ROW_AXES],
        terms=terms,
        grad=(0, 1),
        bench=Case([(4096, 512), (512,)]),
    ),
    Row(
        "group_normalization",
        group_normalization,
        (In(), POSITIVE, In()),
        [
            Case([(2, 3, 4), (4,), (4,)], {"groups": 2}),
            Case([(2, 4, 3), (4,), None], {"groups": 2, "axis": 1, "epsilon": 0.1}),
            Case([(2, 5, 2), None, None], {"groups": -1}),
            Case([(3, 6, 5, 64), (64,), (64,)]),
        ],
        terms=terms,
        grad=(0, 1, 2),
        errors=[
            Bad([np.ones((2, 5))], {"groups": 2}, ValueError, r"\[group_normalization\] expected groups that divide")
        ],
        bench=Case([(16, 28, 28, 64), (64,), (64,)], {"groups": 8}),
    ),
    Row(
        "fused_batch_norm",
        channels(standardize),
        (In(), POSITIVE, In()),
        CHANNELS,
        terms=terms,
        grad=(0, 1, 2),
        bench=Case([(64, 32, 32, 64), (64,), (64,)]),
    ),
    Row(
        "normalize_by_moments",
        by_moments,
        (In(), In(), POSITIVE, In(), POSITIVE),
        [
            Case([(4, 3), (3,), (3,), (3,), (3,)]),
            Case([(2, 3, 4), (3,), (3,), None, (3,)], {"axis": 1}),
            Case([(3, 2), (2,), (2,), None, None], {"epsilon": 0.1}),
        ],
        terms=lambda case: 16,
        grad=(0, 1, 2, 3, 4),
        bench=Case([(64, 32, 32, 64), (64,), (64,), (64,), (64,)]),
    ),
]
