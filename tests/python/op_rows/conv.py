"""Rows of the convolutions. The reference takes one output at a time, from its definition."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .row import Bad, Case, In, Row

UNIT = In(-1.0, 1.0)


def axis_values(v: Any, axes: int) -> list[int]:
    return [v] * axes if isinstance(v, int) else list(v) * (axes if len(v) == 1 else 1)


def core(
    x: np.ndarray, w: np.ndarray, strides: Any, dilation: Any, low: Any, high: Any, size: Any = None, groups: int = 1
) -> np.ndarray:
    axes = x.ndim - 2
    window = w.shape[:axes]
    out = [
        max(0, (x.shape[i + 1] + low[i] + high[i] - (window[i] - 1) * dilation[i] - 1) // strides[i] + 1)
        for i in range(axes)
    ]
    y = np.zeros((x.shape[0], *out, w.shape[-1]))
    cin, cout = w.shape[-2], w.shape[-1] // groups
    for at in itertools.product(*map(range, out)):
        for tap in itertools.product(*map(range, window)):
            place = [at[i] * strides[i] + tap[i] * dilation[i] - low[i] for i in range(axes)]
            if not all(0 <= place[i] < x.shape[i + 1] for i in range(axes)):
                continue
            for g in range(groups):
                filters = slice(g * cout, (g + 1) * cout)
                source = x[(slice(None), *place, slice(g * cin, (g + 1) * cin))]
                y[(slice(None), *at, filters)] += source @ w[(*tap, slice(None), filters)]
    return y


def linear_adjoint(f: Any, dy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The transpose of the linear map f from arrays of `shape`, applied to dy."""
    out = np.zeros(shape)
    for at in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[at] = 1.0
        out[at] = (f(unit) * dy).sum()
    return out


def conv_dx(dy: np.ndarray, w: np.ndarray, size: Any, groups: int = 1, **at: Any) -> np.ndarray:
    shape = (dy.shape[0], *size, w.shape[-2] * groups)
    return linear_adjoint(lambda x: core(x, w, groups=groups, **at), dy, shape)


def conv_dw(x: np.ndarray, dy: np.ndarray, size: Any, groups: int = 1, **at: Any) -> np.ndarray:
    shape = (*size, x.shape[-1] // groups, dy.shape[-1])
    return linear_adjoint(lambda w: core(x, w, groups=groups, **at), dy, shape)


def conv_linear(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, activation: str = "", **at: Any) -> np.ndarray:
    y = core(x, w, **at) + (0 if bias is None else bias)
    functions = {
        "relu": lambda v: np.maximum(v, 0),
        "tanh": np.tanh,
        "leaky_relu": lambda v: np.where(v < 0, 0.2 * v, v),
    }
    return functions[activation](y) if activation else y


def resolved(x: np.ndarray, window: Any, strides: Any, dilation_rate: Any, padding: str) -> dict[str, Any]:
    axes = x.ndim - 2
    s, d = axis_values(strides, axes), axis_values(dilation_rate, axes)
    low, high = [0] * axes, [0] * axes
    for i in range(axes):
        reach = (window[i] - 1) * d[i] + 1
        if padding == "causal":
            low[i] = reach - 1
        elif padding == "same":
            n = x.shape[i + 1]
            total = max(0, (-(-n // s[i]) - 1) * s[i] + reach - n)
            low[i], high[i] = total // 2, total - total // 2
    return {"strides": s, "dilation": d, "low": low, "high": high}


def conv(
    x: np.ndarray,
    w: np.ndarray,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    if data_format == "channels_first":
        return np.moveaxis(conv(np.moveaxis(x, 1, -1), w, strides, padding, None, dilation_rate), -1, 1)
    at = resolved(x, w.shape[:-2], strides, dilation_rate, padding)
    return core(x, w, groups=x.shape[-1] // w.shape[-2], **at)


def depthwise_conv(x: np.ndarray, w: np.ndarray, *args: Any, data_format: str | None = None, **at: Any) -> np.ndarray:
    if data_format == "channels_first":
        return np.moveaxis(depthwise_conv(np.moveaxis(x, 1, -1), w, *args, **at), -1, 1)
    flat = w.reshape(*w.shape[:-2], 1, -1)
    return conv(x, flat, *args, **at)


def separable_conv(x: np.ndarray, w: np.ndarray, point: np.ndarray, **at: Any) -> np.ndarray:
    first = at.get("data_format") == "channels_first"
    deep = depthwise_conv(x, w, **at)
    return conv(deep, point, data_format="channels_first" if first else None)


def conv_transpose(
    x: np.ndarray,
    w: np.ndarray,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """Zeros between the inputs, then a plain convolution with the flipped kernel."""
    if data_format == "channels_first":
        moved = np.moveaxis(x, 1, -1)
        return np.moveaxis(conv_transpose(moved, w, strides, padding, output_padding, None, dilation_rate), -1, 1)
    axes = x.ndim - 2
    s, d = axis_values(strides, axes), axis_values(dilation_rate, axes)
    low, high = [], []
    for i in range(axes):
        reach = (w.shape[i] - 1) * d[i] + 1
        extra = None if output_padding is None else axis_values(output_padding, axes)[i]
        if padding == "valid":
            low.append(reach - 1)
            high.append(reach - 1 + (max(reach, s[i]) - reach if extra is None else extra))
        else:
            total = s[i] + reach - 2 if extra is None else reach + reach % 2 - 2 + extra
            low.append(min(-(-total // 2), reach - 1))
            high.append(total - low[-1])
    spread = np.zeros((x.shape[0], *((x.shape[i + 1] - 1) * s[i] + 1 for i in range(axes)), x.shape[-1]))
    spread[(slice(None), *(slice(None, None, k) for k in s))] = x
    flipped = np.swapaxes(w[tuple(slice(None, None, -1) for _ in range(axes))], -1, -2)
    return core(spread, flipped, [1] * axes, d, low, high)


def kernel_terms(case: Case) -> int:
    return int(np.prod(case.shapes[1][:-1]))


CORE = [
    Case([(1, 5, 1), (3, 1, 2)], {"strides": [1], "dilation": [1], "low": [1], "high": [1]}),
    Case([(2, 4, 3, 2), (2, 3, 2, 2)], {"strides": [1, 1], "dilation": [1, 1], "low": [0, 2], "high": [1, 0]}),
    Case(
        [(1, 4, 4, 2), (2, 2, 1, 4)],
        {"strides": [2, 1], "dilation": [1, 2], "low": [1, 1], "high": [0, 1], "groups": 2},
    ),
    Case(
        [(1, 2, 3, 2, 2), (2, 2, 1, 2, 2)],
        {"strides": [1, 2, 1], "dilation": [1] * 3, "low": [1, 0, 0], "high": [0] * 3},
    ),
    Case([(1, 6, 4), (2, 1, 4)], {"strides": [3], "dilation": [2], "low": [2], "high": [0], "groups": 4}),
    Case([(1, 3, 3, 2), (3, 3, 2, 2)], {"strides": [4, 5], "dilation": [1, 1], "low": [0, 0], "high": [0, 0]}),
    Case([(3, 9, 27, 17), (3, 3, 17, 37)], {"strides": [1, 1], "dilation": [1, 1], "low": [1, 1], "high": [1, 1]}),
    Case(
        [(2, 9, 14, 40), (3, 2, 1, 40)],
        {"strides": [1, 2], "dilation": [2, 1], "low": [1, 0], "high": [1, 1], "groups": 40},
    ),
    Case([(0, 3, 2), (2, 2, 3)], {"strides": [1], "dilation": [1], "low": [0], "high": [0]}),
]
CORE_BENCH = {"strides": [1, 1], "dilation": [1, 1], "low": [1, 1], "high": [1, 1]}


def _of_output(case: Case, which: int) -> Case:
    """The case with `which` of its shapes replaced by that of the output, and `size` that of what it replaces."""
    x, w = case.shapes
    at = case.attrs
    out = [
        max(0, (x[i + 1] + at["low"][i] + at["high"][i] - (w[i] - 1) * at["dilation"][i] - 1) // at["strides"][i] + 1)
        for i in range(len(x) - 2)
    ]
    y = (x[0], *out, w[-1])
    size = list(x[1:-1]) if which == 0 else list(w[:-2])
    return Case([y, w] if which == 0 else [x, y], {**at, "size": size})


SMALL_CORE = [c for c in CORE if np.prod(c.shapes[0]) < 200]
IMAGES = [
    Case([(2, 4, 4, 2), (3, 3, 2, 3)]),
    Case([(1, 5, 4, 3), (2, 3, 3, 1)], {"strides": 2, "padding": "same"}),
    Case([(1, 4, 5, 4), (2, 2, 2, 4)], {"dilation_rate": (2, 1), "padding": "same"}),
    Case([(1, 2, 4, 5), (3, 3, 2, 2)], {"data_format": "channels_first"}),
    Case([(2, 6, 2), (3, 2, 2)], {"padding": "causal", "dilation_rate": 2}),
    Case([(1, 2, 3, 3, 2), (2, 1, 2, 2, 2)], {"padding": "same", "strides": (1, 2, 1)}),
    Case([(2, 3, 3, 5), (1, 1, 5, 4)]),
]

ROWS = [
    Row(
        "conv_forward",
        core,
        (UNIT, UNIT),
        CORE,
        terms=kernel_terms,
        grad=(0, 1),
        bench=Case([(8, 32, 32, 64), (3, 3, 64, 64)], CORE_BENCH),
    ),
    Row(
        "conv_linear",
        conv_linear,
        (UNIT, UNIT, UNIT),
        [
            Case([*c.shapes, c.shapes[1][-1:] if i % 2 == 0 else None], {**c.attrs, "activation": f})
            for i, (c, f) in enumerate(zip(CORE, ("relu", "tanh", "", "relu", "leaky_relu", "", "tanh", "", "relu")))
        ],
        terms=kernel_terms,
        grad=(0, 1, 2),
        errors=[
            Bad(
                [np.ones((1, 4, 2)), np.ones((2, 2, 3)), np.ones(2)],
                CORE[-1].attrs,
                ValueError,
                r"\[conv_linear\] expected a bias of shape \(3,\)",
            ),
            Bad(
                [np.ones((1, 4, 2)), np.ones((2, 2, 3))],
                {**CORE[-1].attrs, "activation": "prelu"},
                ValueError,
                r"\[conv_linear\] expected the name of an activation",
            ),
        ],
        bench=Case([(8, 32, 32, 64), (3, 3, 64, 64), (64,)], {**CORE_BENCH, "activation": "relu"}),
    ),
    Row(
        "conv_dx",
        conv_dx,
        (UNIT, UNIT),
        [_of_output(c, 0) for c in SMALL_CORE],
        terms=lambda case: int(np.prod(case.shapes[1][:-2])) * case.shapes[1][-1],
        grad=(0, 1),
        bench=Case([(8, 32, 32, 64), (3, 3, 64, 64)], {**CORE_BENCH, "size": [32, 32]}),
    ),
    Row(
        "conv_dw",
        conv_dw,
        (UNIT, UNIT),
        [_of_output(c, 1) for c in SMALL_CORE],
        terms=lambda case: int(np.prod(case.shapes[1][:-1])),
        grad=(0, 1),
        bench=Case([(8, 32, 32, 64), (8, 32, 32, 64)], {**CORE_BENCH, "size": [3, 3]}),
    ),
    Row(
        "conv",
        conv,
        (UNIT, UNIT),
        IMAGES,
        terms=kernel_terms,
        grad=(0, 1),
        errors=[
            Bad(
                [np.ones((2, 4, 4, 3)), np.ones((3, 3, 2, 4))],
                {},
                ValueError,
                r"\[conv\] expected inputs whose channels",
            ),
            Bad(
                [np.ones((2, 2, 4, 2)), np.ones((3, 3, 2, 4))],
                {},
                ValueError,
                r"\[conv\] expected inputs at least as large",
            ),
            Bad([np.ones((2, 4)), np.ones((3, 2))], {}, ValueError, r"\[conv\] expected inputs of rank 3, 4 or 5"),
            Bad([np.ones((2, 4, 4, 2)), np.ones((3, 2, 4))], {}, ValueError, r"\[conv\] expected a kernel of rank 4"),
            Bad(
                [np.ones((2, 4, 4, 2)), np.ones((3, 3, 2, 4))],
                {"padding": "causal"},
                ValueError,
                r"\[conv\] expected padding 'valid' or 'same', received 'causal'. Causal padding is for",
            ),
            Bad(
                [np.ones((2, 4, 4, 2)), np.ones((3, 3, 2, 4))],
                {"strides": (1, 2, 3)},
                ValueError,
                r"\[conv\] expected strides as a positive int or 2 of them",
            ),
            Bad(
                [np.ones((2, 4, 4, 2)), np.ones((3, 3, 2, 4))],
                {"data_format": "last"},
                ValueError,
                r"\[conv\] expected data_format 'channels_last' or 'channels_first', received 'last'",
            ),
        ],
        bench=Case([(16, 28, 28, 1), (3, 3, 1, 32)]),
    ),
    Row(
        "depthwise_conv",
        depthwise_conv,
        (UNIT, UNIT),
        [
            Case([(1, 4, 4, 2), (3, 3, 2, 1)]),
            Case([(1, 5, 4, 3), (2, 3, 3, 2)], {"strides": 2, "padding": "same"}),
            Case([(1, 2, 4, 5), (3, 3, 2, 2)], {"data_format": "channels_first"}),
            Case([(2, 6, 2), (3, 2, 1)], {"dilation_rate": 2}),
            Case([(2, 9, 13, 45), (3, 3, 45, 1)], {"padding": "same"}),
        ],
        terms=lambda case: int(np.prod(case.shapes[1][:-2])),
        grad=(0, 1),
        errors=[
            Bad(
                [np.ones((2, 4, 4, 3)), np.ones((3, 3, 2, 1))],
                {},
                ValueError,
                r"\[depthwise_conv\] expected inputs with 2 channels",
            )
        ],
        bench=Case([(8, 32, 32, 64), (3, 3, 64, 1)]),
    ),
    Row(
        "separable_conv",
        separable_conv,
        (UNIT, UNIT, UNIT),
        [
            Case([(1, 4, 4, 2), (3, 3, 2, 2), (1, 1, 4, 3)]),
            Case([(1, 5, 3), (3, 3, 1), (1, 3, 2)], {"strides": 2, "padding": "same"}),
            Case([(1, 2, 4, 3), (2, 2, 2, 1), (1, 1, 2, 2)], {"data_format": "channels_first"}),
        ],
        terms=lambda case: int(np.prod(case.shapes[1][:-2])) * (case.shapes[2][-2] + 1) * 2,
        grad=(0, 1, 2),
        errors=[
            Bad(
                [np.ones((2, 4, 4, 2)), np.ones((3, 3, 2, 1)), np.ones((1, 1, 3, 2))],
                {},
                ValueError,
                r"\[separable_conv\] expected a pointwise kernel of shape \(1, ..., 2, filters\)",
            )
        ],
        bench=Case([(8, 16, 16, 32), (3, 3, 32, 1), (1, 1, 32, 64)]),
    ),
    Row(
        "conv_transpose",
        conv_transpose,
        (UNIT, UNIT),
        [
            Case([(1, 3, 3, 2), (3, 3, 2, 2)]),
            Case([(1, 3, 2, 2), (3, 2, 3, 2)], {"strides": 2, "padding": "same"}),
            Case([(1, 3, 2, 2), (2, 2, 2, 2)], {"strides": (3, 2)}),
            Case([(1, 4, 2), (3, 2, 2)], {"strides": 2, "output_padding": 1, "padding": "same"}),
            Case([(1, 4, 2), (4, 2, 2)], {"strides": 2, "output_padding": 0}),
            Case([(1, 2, 3, 3), (3, 3, 3, 2)], {"data_format": "channels_first", "strides": 2, "padding": "same"}),
            Case([(1, 5, 2), (3, 1, 2)], {"dilation_rate": 2, "padding": "same"}),
            Case([(1, 2, 2, 2, 1), (2, 2, 2, 2, 1)], {"strides": 2}),
        ],
        terms=lambda case: int(np.prod(case.shapes[1][:-2])) * case.shapes[1][-1],
        grad=(0, 1),
        errors=[
            Bad(
                [np.ones((2, 4, 4, 3)), np.ones((3, 3, 3, 2))],
                {},
                ValueError,
                r"\[conv_transpose\] expected a kernel of shape \(..., filters, channels\)",
            )
        ],
        bench=Case([(8, 16, 16, 64), (3, 3, 32, 64)], {"strides": 2, "padding": "same"}),
    ),
]
