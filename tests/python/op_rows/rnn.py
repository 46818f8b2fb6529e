"""Rows of the recurrent ops over whole sequences. The references step through time as the papers write it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Bad, Case, In, Row

SMALL = In(-0.8, 0.8)
MASK = In(dtype="bool", make=lambda rng, shape: rng.uniform(size=shape) < 0.6)

FUNCTIONS = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
}


def _start(state: np.ndarray | None, x: np.ndarray, units: int) -> np.ndarray:
    return np.zeros((x.shape[0], units)) if state is None else state


def _times(x: np.ndarray, go_backwards: bool) -> range:
    return range(x.shape[1] - 1, -1, -1) if go_backwards else range(x.shape[1])


def _kept(mask: np.ndarray | None, t: int) -> Any:
    return True if mask is None else mask[:, t : t + 1]


def simple_rnn(x, w, u, b=None, h=None, mask=None, activation="tanh", go_backwards=False):
    f = FUNCTIONS[activation]
    h = _start(h, x, u.shape[0])
    ys = []
    for t in _times(x, go_backwards):
        h = np.where(_kept(mask, t), f(x[:, t] @ w + h @ u + (0 if b is None else b)), h)
        ys.append(h)
    return np.stack(ys, 1), h


def lstm(
    x,
    w,
    u,
    b=None,
    h=None,
    c=None,
    mask=None,
    activation="tanh",
    recurrent_activation="sigmoid",
    go_backwards=False,
):
    f, s = FUNCTIONS[activation], FUNCTIONS[recurrent_activation]
    h, c = _start(h, x, u.shape[0]), _start(c, x, u.shape[0])
    ys = []
    for t in _times(x, go_backwards):
        zx = x[:, t] @ w + (0 if b is None else b)
        zi, zf, zg, zo = np.split(zx + h @ u, 4, axis=1)
        i, forget, g, o = s(zi), s(zf), f(zg), s(zo)
        cell = forget * c + i * g
        h, c = np.where(_kept(mask, t), o * f(cell), h), np.where(_kept(mask, t), cell, c)
        ys.append(h)
    return np.stack(ys, 1), h, c


def gru(
    x,
    w,
    u,
    b=None,
    h=None,
    mask=None,
    activation="tanh",
    recurrent_activation="sigmoid",
    reset_after=True,
    go_backwards=False,
):
    f, s = FUNCTIONS[activation], FUNCTIONS[recurrent_activation]
    n = u.shape[0]
    h = _start(h, x, n)
    bx, bh = (0, 0) if b is None else b if reset_after else (b, 0)
    ys = []
    for t in _times(x, go_backwards):
        zx = x[:, t] @ w + bx
        zh = h @ u + bh
        z, r = s(zx[:, :n] + zh[:, :n]), s(zx[:, n : 2 * n] + zh[:, n : 2 * n])
        if reset_after:
            fresh = f(zx[:, 2 * n :] + r * zh[:, 2 * n :])
        else:
            fresh = f(zx[:, 2 * n :] + (r * h) @ u[:, 2 * n :])
        h = np.where(_kept(mask, t), z * h + (1 - z) * fresh, h)
        ys.append(h)
    return np.stack(ys, 1), h


def _terms(case: Case) -> int:
    batch, steps, features = case.shapes[0]
    return 4 * steps * (features + case.shapes[2][0] + 4)


def _shapes(gates: int, states: int, bias: tuple[int, ...], b: int, t: int, f: int, h: int, mask: bool) -> list[Any]:
    return [(b, t, f), (f, gates * h), (h, gates * h), bias, *[(b, h)] * states, (b, t) if mask else None]


def _errors(op: str, gates: int) -> tuple[Bad, ...]:
    x, w, u = np.zeros((2, 3, 4)), np.zeros((4, 5 * gates)), np.zeros((5, 5 * gates))
    return (
        Bad((x[0], w, u), {}, ValueError, rf"\[{op}\] expected x of shape \(batch, steps, features\)"),
        Bad((x, w[:3], u), {}, ValueError, rf"\[{op}\] expected kernel of shape"),
        Bad((x, w, u[:, :1]), {}, ValueError, rf"\[{op}\] expected"),
        Bad((x, w, u), {"activation": "swish"}, ValueError, rf"\[{op}\] expected activation to be one of"),
        Bad((x, w.astype("float32"), u), {}, TypeError, rf"\[{op}\] expected inputs of one floating-point dtype"),
    )


def _bench(gates: int, bias: tuple[int, ...]) -> Case:
    return Case([(32, 200, 32), (32, gates * 32), (32, gates * 32), bias])


ROWS = [
    Row(
        "simple_rnn",
        simple_rnn,
        [SMALL, SMALL, SMALL, SMALL, SMALL, MASK],
        cases=(
            Case([(2, 3, 2), (2, 3), (3, 3), (3,), None, None]),
            Case([(2, 3, 2), (2, 3), (3, 3), None, None, None], {"go_backwards": True}),
            Case(_shapes(1, 1, (3,), 2, 3, 2, 3, True), {"activation": "sigmoid"}),
            Case(_shapes(1, 1, (20,), 5, 3, 3, 20, True), {"activation": "linear", "go_backwards": True}),
            Case(_shapes(1, 1, (2,), 2, 2, 2, 2, False), {"activation": "hard_sigmoid"}),
        ),
        ulp=8,
        terms=_terms,
        kept=1,
        grad=(0, 1, 2, 3, 4),
        errors=_errors("simple_rnn", 1),
        bench=_bench(1, (32,)),
    ),
    Row(
        "lstm",
        lstm,
        [SMALL, SMALL, SMALL, SMALL, SMALL, SMALL, MASK],
        cases=(
            Case([(2, 3, 2), (2, 8), (2, 8), (8,), None, None, None]),
            Case([(2, 2, 2), (2, 8), (2, 8), None, None, None, None], {"go_backwards": True}),
            Case(_shapes(4, 2, (8,), 2, 3, 2, 2, True)),
            Case(_shapes(4, 2, (68,), 5, 3, 3, 17, True), {"go_backwards": True}),
            Case(_shapes(4, 2, (8,), 2, 2, 1, 2, False), {"activation": "sigmoid", "recurrent_activation": "tanh"}),
        ),
        ulp=8,
        terms=_terms,
        kept=3,
        grad=(0, 1, 2, 3, 4, 5),
        errors=_errors("lstm", 4),
        bench=_bench(4, (128,)),
    ),
    Row(
        "gru",
        gru,
        [SMALL, SMALL, SMALL, SMALL, SMALL, MASK],
        cases=(
            Case([(2, 3, 2), (2, 6), (2, 6), (2, 6), None, None]),
            Case([(2, 2, 2), (2, 6), (2, 6), None, None, None], {"go_backwards": True}),
            Case(_shapes(3, 1, (2, 6), 2, 3, 2, 2, True)),
            Case(_shapes(3, 1, (6,), 2, 3, 2, 2, True), {"reset_after": False}),
            Case(_shapes(3, 1, (2, 51), 5, 3, 3, 17, True), {"go_backwards": True}),
            Case(_shapes(3, 1, (51,), 5, 3, 3, 17, True), {"go_backwards": True, "reset_after": False}),
        ),
        ulp=8,
        terms=_terms,
        kept=3,
        grad=(0, 1, 2, 3, 4),
        errors=_errors("gru", 3),
        bench=_bench(3, (2, 96)),
    ),
]
