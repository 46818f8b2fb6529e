"""Recurrent layers in ONNX: its own LSTM, GRU and RNN where they compute the same, else a Scan over the steps.

ONNX's recurrent ops know lengths of sequences, not masks with gaps, and few activations; a Scan computes what we do for any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tahr.keras.exporting.onnx import Node, Unsupported

Rule = Callable[[Node], None]
_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1
_NATIVE = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}


def _ints(*values: int) -> np.ndarray:
    return np.asarray(values, "int64")


def _activation(n: Node, name: str, x: str) -> str:
    if name == "linear":
        return x
    if name == "hard_sigmoid":
        return n.add("HardSigmoid", x, alpha=1.0 / 6.0, beta=0.5)
    return n.add(_NATIVE[name], x)


def _one_step(n: Node, op: str, units: int, z: str, states: Sequence[str]) -> list[str]:
    """The new states from those before and `z`, this step's x W + b: (batch, gates units)."""
    at, u = n.attrs, n.input(2)
    act = lambda x, which="activation": _activation(n, at[which], x)  # noqa: E731
    h = states[0]
    if op == "RNN":
        return [act(n.add("Add", z, n.add("MatMul", h, u)))]
    if op == "LSTM":
        gates = n.add("Split", n.add("Add", z, n.add("MatMul", h, u)), outputs=4, axis=-1, num_outputs=4)
        enter, forget, out = (act(gates[i], "recurrent_activation") for i in (0, 1, 3))
        c = n.add("Add", n.add("Mul", forget, states[1]), n.add("Mul", enter, act(gates[2])))
        return [n.add("Mul", out, act(c)), c]
    zu, zr, zc = n.add("Split", z, outputs=3, axis=-1, num_outputs=3)
    weights = n.array(2)
    if at["reset_after"]:
        inner = n.add("MatMul", h, u)
        if n.has(3):
            inner = n.add("Add", inner, n.array(3)[1])
        hu, hr, hc = n.add("Split", inner, outputs=3, axis=-1, num_outputs=3)
        reset = act(n.add("Add", zr, hr), "recurrent_activation")
        candidate = act(n.add("Add", zc, n.add("Mul", reset, hc)))
    else:
        hu, hr = (n.add("MatMul", h, weights[:, i * units : (i + 1) * units]) for i in (0, 1))
        reset = act(n.add("Add", zr, hr), "recurrent_activation")
        candidate = act(n.add("Add", zc, n.add("MatMul", n.add("Mul", reset, h), weights[:, 2 * units :])))
    update = act(n.add("Add", zu, hu), "recurrent_activation")
    keep = n.add("Sub", np.asarray(1.0, n.dtype(0)), update)
    return [n.add("Add", n.add("Mul", update, h), n.add("Mul", keep, candidate))]


def _scan(n: Node, op: str, units: int, states: int) -> None:
    dtype, mask = n.dtype(0), 4 + states
    z = n.add("MatMul", n.input(0), n.input(1))
    if n.has(3):
        bias = n.array(3)
        z = n.add("Add", z, bias if bias.ndim == 1 else bias[0])
    z = n.add("Transpose", z, perm=[1, 0, 2])
    first = []
    for i in range(states):
        if n.has(4 + i):
            first.append(n.input(4 + i))
        else:
            rows = n.add("Shape", n.input(0), start=0, end=1)
            first.append(n.add("Expand", np.zeros((1, units), dtype), n.add("Concat", rows, _ints(units), axis=0)))
    steps = [z]
    if n.has(mask):
        steps.append(n.add("Unsqueeze", n.add("Transpose", n.input(mask), perm=[1, 0]), _ints(2)))

    def body(*names: str) -> list[str]:
        old = names[:states]
        new = _one_step(n, op, units, names[states], old)
        if n.has(mask):
            new = [n.add("Where", names[states + 1], a, b) for a, b in zip(new, old, strict=True)]
        return [*new, new[0]]

    kinds = [dtype] * (states + 1) + ["bool"] * n.has(mask)
    graph = n.builder.subgraph("step", kinds, [dtype] * (states + 1), body)
    results = n.add(
        "Scan",
        *first,
        *steps,
        outputs=states + 1,
        body=graph,
        num_scan_inputs=len(steps),
        scan_input_directions=[int(n.attrs["go_backwards"])] * len(steps),
    )
    n.give(n.add("Transpose", results[states], perm=[1, 0, 2]))
    for i in range(states):
        n.give(results[i], 1 + i)


def _native(n: Node, op: str, order: list[int], states: int, names: list[str], units: int) -> None:
    def gates(columns: np.ndarray) -> np.ndarray:  # (..., gates units) -> the same, in ONNX's order
        parts = columns.reshape(*columns.shape[:-1], len(order), units)[..., order, :]
        return parts.reshape(columns.shape)

    rows = [gates(n.array(i)).T[None] for i in (1, 2)]
    bias: Any = ""
    if n.has(3):
        given = gates(n.array(3))
        both = given if given.ndim == 2 else np.stack([given, np.zeros_like(given)])
        bias = both.reshape(1, -1)
    x = n.add("Transpose", n.input(0), perm=[1, 0, 2])
    if n.attrs["go_backwards"]:  # our sequence is in the order of computation
        x = n.add("Slice", x, _ints(_HIGHEST), _ints(_LOWEST), _ints(0), _ints(-1))
    first = [n.add("Unsqueeze", n.input(4 + i), _ints(0)) if n.has(4 + i) else "" for i in range(states)]
    more: dict[str, Any] = {"linear_before_reset": int(n.attrs["reset_after"])} if op == "GRU" else {}
    y = n.add(
        op,
        x,
        *rows,
        bias,
        "",
        *first,
        outputs=1 + states,
        hidden_size=units,
        activations=[_NATIVE[a] for a in names],
        **more,
    )
    n.give(n.add("Transpose", n.add("Squeeze", y[0], _ints(1)), perm=[1, 0, 2]))
    for i in range(states):
        n.give(n.add("Squeeze", y[1 + i], _ints(0)), 1 + i)


def recurrent(op: str, order: list[int], states: int, results: int, activations: list[str]) -> Rule:
    """x, kernel, recurrent_kernel, bias?, states?, mask? -> the sequence, the last states; `order`: ONNX's gates in ours.

    ONNX's sequences are (time, directions, batch, units).
    """

    def rule(n: Node) -> None:
        if any(n.read(i) for i in range(1 + states, results)):
            raise Unsupported("whose gates are used")
        names = [n.attrs[a] for a in activations]
        units = n.array(2).shape[0]
        if n.has(4 + states) or any(a not in _NATIVE for a in names):
            _scan(n, op, units, states)
        else:
            _native(n, op, order, states, names, units)

    return rule
