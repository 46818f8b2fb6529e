"""Rows of attention. The reference stores the scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Bad, Case, In, Row


def heads_first(x: np.ndarray, n: int) -> np.ndarray:
    return np.repeat(x.transpose(0, 2, 1, 3), n // x.shape[2], axis=1)


def heads_back(y: np.ndarray, k: int) -> np.ndarray:
    b, n, length, w = y.shape
    return y.reshape(b, k, n // k, length, w).sum(2).transpose(0, 2, 1, 3)


def probabilities(query: Any, key: Any, bias: Any, mask: Any, scale: float, causal: bool) -> Any:
    """(p, which pairs count, the largest score and the sum of exponentials of each row)"""
    n = query.shape[2]
    s = heads_first(query, n) @ heads_first(key, n).swapaxes(-1, -2) * scale
    if bias is not None:
        s = s + bias
    counts = np.ones(s.shape, bool)
    if causal:
        counts &= np.tril(np.ones(s.shape[-2:], bool))
    if mask is not None:
        counts &= mask
    # The same for every dtype of the test: rows that see nothing are told apart by `counts`.
    peak = np.where(counts, s, -np.inf).max(-1, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0)
    e = np.where(counts, np.exp(s - peak), 0)
    nothing = ~counts.any(-1, keepdims=True)
    e = np.where(nothing, 1, e)
    total = e.sum(-1, keepdims=True)
    return e / total, counts, nothing, peak, total


def attention(
    query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, scale: float = 1, causal: bool = False
) -> Any:
    p, _, nothing, peak, total = probabilities(query, key, bias, mask, scale, causal)
    out = (p @ heads_first(value, query.shape[2])).transpose(0, 2, 1, 3)
    assert not nothing.any() or mask is not None
    return out, np.concatenate([peak, total], -1)


def attention_grad(
    dy: Any,
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    statistics: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float = 1,
    causal: bool = False,
) -> Any:
    p, counts, *_ = probabilities(query, key, bias, mask, scale, causal)
    n, k = query.shape[2], key.shape[2]
    d = heads_first(dy, n)
    dp = d @ heads_first(value, n).swapaxes(-1, -2)
    ds = np.where(counts, p * (dp - (p * dp).sum(-1, keepdims=True)), 0) * scale
    return (
        heads_back(ds @ heads_first(key, n), n),
        heads_back(ds.swapaxes(-1, -2) @ heads_first(query, n), k),
        heads_back(p.swapaxes(-1, -2) @ d, k),
    )


MASK = In(dtype="bool", make=lambda rng, shape: rng.uniform(size=shape) < 0.7)
SHAPES: list[Any] = [
    # query, key, value, bias, mask
    (((1, 3, 2, 2), (1, 2, 2, 2), (1, 2, 2, 3), None, None), {"scale": 0.5}),
    (((2, 3, 2, 2), (2, 3, 1, 2), (2, 3, 1, 2), (1, 2, 3, 3), None), {"scale": 0.7, "causal": True}),
    (((1, 3, 4, 2), (1, 4, 2, 2), (1, 4, 2, 2), None, (1, 1, 3, 4)), {"scale": 0.5, "causal": True}),
    (((2, 2, 1, 3), (2, 4, 1, 3), (2, 4, 1, 2), (2, 1, 1, 4), (2, 1, 1, 4)), {}),
    (((2, 70, 4, 8), (2, 70, 2, 8), (2, 70, 2, 8), None, None), {"scale": 0.35, "causal": True}),
    (((1, 67, 2, 8), (1, 300, 2, 8), (1, 300, 2, 5), (1, 1, 67, 300), (1, 2, 1, 300)), {"scale": 0.35}),
    (((1, 300, 1, 4), (1, 600, 1, 4), (1, 600, 1, 4), None, None), {"scale": 0.5, "causal": True}),
]
F = ("float32", "float64")
ROWS = [
    Row(
        "attention",
        attention,
        (In(-1, 1), In(-1, 1), In(), In(), MASK),
        # Rows that see nothing have statistics of their own; test_attention.py looks at those.
        [Case(s, a) for s, a in SHAPES if s[4] is None or s[4][2:] != (3, 4)],
        F,
        terms=lambda case: 64,
        grad=(),  # the statistics carry no cotangent: test_attention.py has the gradients of the first result
        errors=[
            Bad([np.ones((1, 2, 3))] * 3, {}, ValueError, r"\[attention\] expected query, key and value of shape"),
            Bad(
                [np.ones((1, 2, 3, 4)), np.ones((1, 2, 2, 4)), np.ones((1, 2, 2, 4))],
                {},
                ValueError,
                r"\[attention\] expected query \(b, t, n, h\)",
            ),
            Bad(
                [*[np.ones((1, 2, 3, 4))] * 3, np.ones((1, 2, 2, 2))],
                {},
                ValueError,
                r"\[attention\] expected bias and mask that broadcast",
            ),
            Bad(
                [*[np.ones((1, 2, 3, 4))] * 3, None, np.ones((1, 1, 2, 2))],
                {},
                TypeError,
                r"\[attention\] expected a boolean mask",
            ),
        ],
        bench=Case([(8, 128, 4, 32), (8, 128, 4, 32), (8, 128, 4, 32), None, None], {"scale": 0.2, "causal": True}),
    ),
]
