"""Rows of the resamplings. A resize is a product with a matrix per axis; a sample looks at each place's neighbours."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .row import Bad, Case, In, Row

WIDE = ("float32", "float64")


def weight(method: str, x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    if method == "bilinear":
        return np.maximum(0, 1 - x)
    if method == "bicubic":  # Keys's cubic with a = -1/2
        a = -0.5
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0))
    n = int(method[-1])
    return np.where(x < n, np.sinc(x) * np.sinc(x / n), 0)


def matrix(size: int, out: int, method: str, antialias: bool) -> np.ndarray:
    """(out, size): how each new place is made of the old ones."""
    centres = (np.arange(out) + 0.5) * size / out - 0.5
    if method == "nearest":
        return np.eye(size)[np.minimum(np.floor(centres + 0.5).astype(int), size - 1)]
    stretch = max(size / out, 1.0) if antialias else 1.0
    w = weight(method, (centres[:, None] - np.arange(size)) / stretch)
    return w / w.sum(axis=1, keepdims=True)


def resize(
    x: np.ndarray, size: Any, method: str = "bilinear", antialias: bool = False, channels_first: bool = False
) -> np.ndarray:
    rows, columns = (2, 3) if channels_first else (1, 2)
    x = np.moveaxis(np.tensordot(matrix(x.shape[rows], size[0], method, antialias), x, (1, rows)), 0, rows)
    return np.moveaxis(np.tensordot(matrix(x.shape[columns], size[1], method, antialias), x, (1, columns)), 0, columns)


def resize_grad(
    dy: np.ndarray, size: Any, method: str = "bilinear", antialias: bool = False, channels_first: bool = False
) -> np.ndarray:
    rows, columns = (2, 3) if channels_first else (1, 2)
    down = matrix(size[0], dy.shape[rows], method, antialias).T
    right = matrix(size[1], dy.shape[columns], method, antialias).T
    return np.moveaxis(
        np.tensordot(right, np.moveaxis(np.tensordot(down, dy, (1, rows)), 0, rows), (1, columns)), 0, columns
    )


def place(i: int, n: int, fill_mode: str) -> int | None:
    """The index that an index outside stands for, found by walking."""
    if 0 <= i < n or fill_mode == "constant":
        return i if 0 <= i < n else None
    if fill_mode == "nearest":
        return 0 if i < 0 else n - 1
    line = list(range(n))
    period = {"wrap": line, "reflect": line + line[::-1], "mirror": line + line[-2:0:-1]}[fill_mode]
    return period[i % len(period)]


def neighbours(coords: np.ndarray, sizes: Any, order: int, fill_mode: str, slope: int) -> Any:
    """(index of a neighbour or None, weight) for each corner around one place."""
    axes = []
    for j, c in enumerate(coords):
        if order == 0:
            index = int(np.floor(abs(c) + 0.5) * np.sign(c))
            axes.append([(place(index, sizes[j], fill_mode), 0.0 if slope >> j & 1 else 1.0)])
            continue
        low = int(np.floor(c))
        weights = (-1.0, 1.0) if slope >> j & 1 else (1 - (c - low), c - low)
        axes.append([(place(low + k, sizes[j], fill_mode), weights[k]) for k in (0, 1)])
    for corner in itertools.product(*axes):
        index = tuple(i for i, _ in corner)
        yield None if None in index else index, np.prod([w for _, w in corner])


def sample(
    x: np.ndarray,
    coords: np.ndarray,
    order: int = 1,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    slope: int = 0,
    size: Any = (),
) -> np.ndarray:
    y = np.zeros((x.shape[0], *coords.shape[1:-1], x.shape[-1]))
    for n in range(x.shape[0]):
        for at in np.ndindex(coords.shape[1:-1]):
            for index, w in neighbours(coords[(n % coords.shape[0], *at)], x.shape[1:-1], order, fill_mode, slope):
                y[(n, *at)] += w * (fill_value if index is None else x[(n, *index)])
    return y


def sample_grad(
    dy: np.ndarray,
    coords: np.ndarray,
    order: int = 1,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    slope: int = 0,
    size: Any = (),
) -> np.ndarray:
    dx = np.zeros((dy.shape[0], *size, dy.shape[-1]))
    for n in range(dy.shape[0]):
        for at in np.ndindex(coords.shape[1:-1]):
            for index, w in neighbours(coords[(n % coords.shape[0], *at)], size, order, fill_mode, slope):
                if index is not None:
                    dx[(n, *index)] += w * dy[(n, *at)]
    return dx


# Away from integers, where linear interpolation has a kink, and from halves, where the nearest element changes.
PLACES = In(make=lambda rng, shape: rng.integers(-4, 8, shape) + rng.choice([0.25, 0.375, 0.75], shape))

RESIZES = [
    ((2, 5, 4, 3), {"size": (3, 7)}),
    ((1, 6, 5, 2), {"size": (3, 2), "antialias": True}),
    ((1, 3, 4, 19), {"size": (5, 3), "method": "bicubic"}),
    ((1, 7, 3, 1), {"size": (3, 8), "method": "bicubic", "antialias": True}),
    ((2, 3, 5, 6), {"size": (4, 3), "method": "nearest", "channels_first": True}),
    ((1, 7, 8, 4), {"size": (3, 9), "method": "lanczos3", "antialias": True}),
    ((1, 2, 9, 7), {"size": (12, 4), "method": "lanczos5", "channels_first": True}),
    ((0, 4, 4, 2), {"size": (2, 2)}),
    ((1, 1, 1, 1), {"size": (3, 2), "method": "lanczos3"}),
]
SAMPLES = [
    ((2, 4, 3, 2), (2, 3, 2, 2), {"fill_value": 0.5}),
    ((1, 5, 1), (1, 4, 1), {"fill_mode": "wrap"}),
    ((2, 3, 4, 1), (1, 5, 2), {"fill_mode": "mirror"}),
    ((1, 3, 2, 3, 2), (1, 4, 3), {"fill_mode": "reflect"}),
    ((1, 4, 4, 3), (1, 6, 2), {"fill_mode": "nearest", "slope": 2}),
    ((1, 4, 4, 3), (1, 6, 2), {"fill_mode": "reflect", "slope": 3}),
    ((2, 4, 3, 5), (2, 7, 2), {"order": 0, "fill_mode": "wrap"}),
    ((0, 4, 3, 5), (1, 7, 2), {}),
]


def transposed(shape: Any, size: Any, **attrs: Any) -> Case:
    spatial = (*shape[:2], *size) if attrs.get("channels_first") else (shape[0], *size, shape[3])
    return Case([spatial], {**attrs, "size": tuple(shape[2:] if attrs.get("channels_first") else shape[1:3])})


ROWS = [
    Row(
        "resize_core",
        resize,
        cases=[Case([s], a) for s, a in RESIZES],
        dtypes=WIDE,
        terms=lambda case: 40,
        errors=[
            Bad([np.zeros((2, 3, 3))], {"size": (2, 2)}, ValueError, "rank 4"),
            Bad([np.zeros((1, 2, 3, 3))], {"size": (2, 2), "method": "area"}, ValueError, "expected method"),
        ],
        bench=Case([(64, 224, 224, 3)], {"size": (112, 112)}),
    ),
    Row(
        "resize_core_grad",
        resize_grad,
        cases=[transposed(s, **a) for s, a in RESIZES],
        dtypes=WIDE,
        terms=lambda case: 60,
        bench=Case([(64, 112, 112, 3)], {"size": (224, 224)}),
    ),
    Row(
        "sample",
        sample,
        inputs=(In(), PLACES),
        cases=[Case([x, c], a) for x, c, a in SAMPLES],
        dtypes=WIDE,
        terms=lambda case: 16,
        grad=(0, 1),
        errors=[
            Bad([np.zeros((1, 3, 1)), np.zeros((1, 3, 2))], {}, ValueError, "number of sizes"),
            Bad([np.zeros((1, 3, 1)), np.zeros((1, 3, 1))], {"fill_mode": "zero"}, ValueError, "fill_mode"),
            Bad([np.zeros((1, 3, 1)), np.zeros((1, 3, 1))], {"order": 3}, ValueError, "order"),
        ],
        bench=Case([(16, 224, 224, 3), (16, 224, 224, 2)]),
    ),
    Row(
        "sample_grad",
        sample_grad,
        inputs=(In(), PLACES),
        cases=[Case([(x[0], *c[1:-1], x[-1]), c], {**a, "size": x[1:-1]}) for x, c, a in SAMPLES],
        dtypes=WIDE,
        terms=lambda case: 40,
        grad=(0, 1),
        bench=Case([(16, 224, 224, 3), (16, 224, 224, 2)], {"size": (224, 224)}),
    ),
]
