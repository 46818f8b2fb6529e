"""How each op of an inference graph is written in ONNX. To add one: a rule, in RULES by the op's name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.keras.exporting import onnx_proto as proto
from tahr.keras.exporting.onnx import Node, Unsupported

_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1  # in slices: an end left out


def _ints(values: Any) -> np.ndarray:
    return np.asarray(values, "int64")


def _like(n: Node, x: float, i: int = 0) -> np.ndarray:
    return np.asarray(x, n.dtype(i))


def _plain(op: str, **attributes: Any) -> Callable[[Node], None]:
    return lambda n: n.give(n.add(op, *n.all_inputs(), **attributes))


def _with(op: str, **renamed: str) -> Callable[[Node], None]:
    """An op with attributes of another name."""
    return lambda n: n.give(n.add(op, n.input(0), **{theirs: n.attrs[ours] for theirs, ours in renamed.items()}))


def _silu(n: Node) -> None:
    n.give(n.add("Mul", n.input(0), n.add("Sigmoid", n.input(0))))


def _gelu(n: Node) -> None:
    x = n.input(0)
    if n.attrs.get("approximate"):
        cube = n.add("Mul", n.add("Mul", x, x), x)
        inner = n.add("Add", x, n.add("Mul", cube, _like(n, 0.044715)))
        t = n.add("Tanh", n.add("Mul", inner, _like(n, math.sqrt(2 / math.pi))))
    else:
        t = n.add("Erf", n.add("Mul", x, _like(n, math.sqrt(0.5))))
    n.give(n.add("Mul", n.add("Mul", x, n.add("Add", t, _like(n, 1.0))), _like(n, 0.5)))


def _relu6(n: Node) -> None:
    n.give(n.add("Clip", n.input(0), _like(n, 0.0), _like(n, 6.0)))


def _rsqrt(n: Node) -> None:
    n.give(n.add("Reciprocal", n.add("Sqrt", n.input(0))))


def _square(n: Node) -> None:
    n.give(n.add("Mul", n.input(0), n.input(0)))


def _softmax(op: str) -> Callable[[Node], None]:
    def rule(n: Node) -> None:
        axis = n.attrs["axis"]
        if not isinstance(axis, int):
            raise Unsupported("over several axes")
        n.give(n.add(op, n.input(0), axis=axis))

    return rule


def _matmul(n: Node) -> None:
    a, b = (_swapped(n, i, n.attrs.get(flag, False)) for i, flag in enumerate(("transpose_a", "transpose_b")))
    n.give(n.add("MatMul", a, b))


def _swapped(n: Node, i: int, flag: bool) -> str:
    if not flag:
        return n.input(i)
    rank = len(n.shape(i))
    return n.add("Transpose", n.input(i), perm=[*range(rank - 2), rank - 1, rank - 2])


def _reshape(n: Node) -> None:
    n.give(n.add("Reshape", n.input(0), _ints(n.attrs["newshape"]), allowzero=1))


def _cast(n: Node) -> None:
    n.give(n.add("Cast", n.input(0), to=proto.element_type(n.output_dtype())))


def _take(n: Node) -> None:
    if n.attrs.get("axis") is None:
        raise Unsupported("without an axis")
    n.give(n.add("Gather", n.input(0), n.input(1), axis=n.attrs["axis"]))


def _transpose(n: Node) -> None:
    axes = n.attrs.get("axes")
    n.give(n.add("Transpose", n.input(0), perm=list(axes if axes is not None else reversed(range(len(n.shape(0)))))))


def _axes(axis: Any) -> list[int]:
    return [axis] if isinstance(axis, int) else list(axis)


def _expand_dims(n: Node) -> None:
    n.give(n.add("Unsqueeze", n.input(0), _ints(_axes(n.attrs["axis"]))))


def _squeeze(n: Node) -> None:
    axis = n.attrs.get("axis")
    n.give(n.add("Squeeze", n.input(0), *([] if axis is None else [_ints(_axes(axis))])))


def _concatenate(n: Node) -> None:
    n.give(n.add("Concat", *n.all_inputs(), axis=n.attrs["axis"]))


def _reduce(op: str) -> Callable[[Node], None]:
    def rule(n: Node) -> None:
        if n.attrs.get("initial") is not None:
            raise Unsupported("with a first value")
        axis = n.attrs["axis"]
        axes = range(len(n.shape(0))) if axis is None else _axes(axis)
        n.give(n.add(op, n.input(0), _ints(list(axes)), keepdims=int(n.attrs["keepdims"])))

    return rule


def _slice(n: Node) -> None:
    steps = n.attrs["strides"]
    begin = [b if b != _LOWEST else (0 if s > 0 else _HIGHEST) for b, s in zip(n.attrs["begin"], steps)]
    end = [e if e != _LOWEST else (_HIGHEST if s > 0 else _LOWEST) for e, s in zip(n.attrs["end"], steps)]
    n.give(n.add("Slice", n.input(0), _ints(begin), _ints(end), _ints(range(len(steps))), _ints(steps)))


def _pad(n: Node) -> None:
    pads = _ints([*n.attrs["low"], *n.attrs["high"]])
    n.give(n.add("Pad", n.input(0), pads, _like(n, n.attrs["value"])))


def _repeat(n: Node) -> None:
    axis, repeats = n.attrs["axis"], n.attrs["repeats"]
    size = None if axis is None else n.shape(0)[axis]
    if size is None:
        raise Unsupported("along an axis of unknown size")
    rows = np.repeat(np.arange(size), repeats if len(repeats) > 1 else repeats[0])
    n.give(n.add("Gather", n.input(0), _ints(rows), axis=axis))


def _first(n: Node, x: str) -> str:  # channels first
    rank = len(n.shape(0))
    return n.add("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)])


def _last(n: Node, x: str) -> str:
    rank = len(n.shape(0))
    return n.add("Transpose", x, perm=[0, *range(2, rank), 1])


def _kernel(n: Node) -> Any:
    rank = len(n.shape(1))
    perm = [rank - 1, rank - 2, *range(rank - 2)]
    return n.array(1).transpose(perm) if n.constant(1) else n.add("Transpose", n.input(1), perm=perm)


def _conv(n: Node) -> None:
    at = n.attrs
    y = n.add(
        "Conv",
        _first(n, n.input(0)),
        _kernel(n),
        strides=at["strides"],
        dilations=at["dilation"],
        pads=[*at["low"], *at["high"]],
        group=at["groups"],
        kernel_shape=[d or 0 for d in n.shape(1)[:-2]],
    )
    n.give(_last(n, y))


def _conv_transpose(n: Node) -> None:
    at = n.attrs
    extra, high = [], []
    for i, size in enumerate(at["size"]):
        given, window = n.shape(0)[i + 1], n.shape(1)[i]
        if given is None or window is None or size < 0:
            raise Unsupported("over axes of unknown size")
        reach = at["strides"][i] * (given - 1) + (window - 1) * at["dilation"][i] + 1
        more = size - (reach - at["low"][i] - at["high"][i])
        extra.append(max(more, 0))
        high.append(at["high"][i] - min(more, 0))
    y = n.add(
        "ConvTranspose",
        _first(n, n.input(0)),
        _kernel(n),
        strides=at["strides"],
        dilations=at["dilation"],
        pads=[*at["low"], *high],
        output_padding=extra,
        group=at["groups"],
    )
    n.give(_last(n, y))


def _pool(op: str) -> Callable[[Node], None]:
    def rule(n: Node) -> None:
        at = n.attrs
        if at["adaptive"]:
            raise Unsupported("with windows of several sizes")
        pads = [*at["low"], *at["high"]]
        y = n.add(op, _first(n, n.input(0)), kernel_shape=at["window"], strides=at["strides"], pads=pads)
        n.give(_last(n, y))

    return rule


def _affine_columns(n: Node) -> None:
    if all(n.constant(i) for i in (1, 2, 3)):
        factor = n.array(2).astype("float64")
        offset = n.array(3) - n.array(1) * factor
        x = n.add("Mul", n.input(0), factor.astype(n.dtype(0)))
        n.give(n.add("Add", x, offset.astype(n.dtype(0))))
        return
    x = n.add("Mul", n.add("Sub", n.input(0), n.input(1)), n.input(2))
    n.give(n.add("Add", x, n.input(3)))


def _standardize(n: Node) -> None:
    at, rank = n.attrs, len(n.shape(0))
    if n.read(1) or n.read(2):
        raise Unsupported("whose mean or variance is used")
    x, groups = n.input(0), at["groups"] if at["rows"] == 0 else 0
    if groups:  # the channels of a group on an axis of their own, behind the others
        if any(d is None for d in n.shape(0)[1:]):
            raise Unsupported("over axes of unknown size")
        channels = n.shape(0)[-1] or 0
        x = n.add("Reshape", x, _ints([-1, *n.shape(0)[1:-1], groups, channels // groups]))
        axes = [*range(1, rank - 1), rank]
    else:
        axes = list(range(rank - at["rows"], rank)) if at["rows"] else list(range(rank - 1))
    if at["centre"]:
        x = n.add("Sub", x, n.add("ReduceMean", x, _ints(axes), keepdims=1))
    variance = n.add("ReduceMean", n.add("Mul", x, x), _ints(axes), keepdims=1)
    x = n.add("Div", x, n.add("Sqrt", n.add("Add", variance, _like(n, at["epsilon"]))))
    if groups:
        x = n.add("Reshape", x, _ints([-1, *n.shape(0)[1:]]))
    if n.has(1):
        x = n.add("Mul", x, n.input(1))
    if n.has(2):
        x = n.add("Add", x, n.input(2))
    n.give(x)


def _attention(n: Node) -> None:
    """Query (b, t, heads, size), key and value (b, s, heads or fewer, size)."""
    if n.read(1):
        raise Unsupported("whose statistics are used")
    heads, fewer = n.shape(0)[2], n.shape(1)[2]
    if heads is None or fewer is None:
        raise Unsupported("with an unknown number of heads")
    key, value = n.input(1), n.input(2)
    if fewer != heads:
        rows = _ints(np.repeat(np.arange(fewer), heads // fewer))
        key, value = n.add("Gather", key, rows, axis=2), n.add("Gather", value, rows, axis=2)
    query = n.add("Mul", n.add("Transpose", n.input(0), perm=[0, 2, 1, 3]), _like(n, n.attrs["scale"]))
    scores = n.add("MatMul", query, n.add("Transpose", key, perm=[0, 2, 3, 1]))
    if n.has(3):
        scores = n.add("Add", scores, n.input(3))
    lowest = _like(n, float(np.finfo(n.dtype(0)).min))
    if n.has(4):
        scores = n.add("Where", n.input(4), scores, lowest)
    if n.attrs["causal"]:
        rows_, columns = n.shape(0)[1], n.shape(1)[1]
        if rows_ is None or columns is None:
            raise Unsupported("that is causal, over an unknown length")
        scores = n.add("Where", np.tril(np.ones((rows_, columns), bool)), scores, lowest)
    y = n.add("MatMul", n.add("Softmax", scores, axis=-1), n.add("Transpose", value, perm=[0, 2, 1, 3]))
    n.give(n.add("Transpose", y, perm=[0, 2, 1, 3]))


_RECURRENT = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "softsign": "Softsign", "softplus": "Softplus"}


def _recurrent(op: str, order: list[int], states: int, results: int, activations: list[str]) -> Callable[[Node], None]:
    """x, kernel, recurrent_kernel, bias?, states?, mask? -> the sequence, the last states; `order`: ONNX's gates in ours.

    ONNX's sequences are (time, directions, batch, units).
    """

    def rule(n: Node) -> None:
        if n.has(4 + states):
            raise Unsupported("with a mask")
        if any(n.read(i) for i in range(1 + states, results)):
            raise Unsupported("whose gates are used")
        names = [n.attrs[a] for a in activations]
        if any(a not in _RECURRENT for a in names):
            raise Unsupported(f"with the activations {names}")
        units = n.array(2).shape[0]

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
            x = n.add("Slice", x, _ints([_HIGHEST]), _ints([_LOWEST]), _ints([0]), _ints([-1]))
        first = [n.add("Unsqueeze", n.input(4 + i), _ints([0])) if n.has(4 + i) else "" for i in range(states)]
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
            activations=[_RECURRENT[a] for a in names],
            **more,
        )
        sequence = n.add("Transpose", n.add("Squeeze", y[0], _ints([1])), perm=[1, 0, 2])
        n.give(sequence)
        for i in range(states):
            n.give(n.add("Squeeze", y[1 + i], _ints([0])), 1 + i)

    return rule


def _where(n: Node) -> None:
    n.give(n.add("Where", *n.all_inputs()))


def _same(n: Node) -> None:
    n.give(n.input(0))


_ALIKE = {
    **{"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "true_divide": "Div", "power": "Pow"},
    **{"negative": "Neg", "absolute": "Abs", "abs": "Abs", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "erf": "Erf"},
    **{"reciprocal": "Reciprocal", "floor": "Floor", "ceil": "Ceil", "sin": "Sin", "cos": "Cos", "sign": "Sign"},
    **{"maximum": "Max", "minimum": "Min", "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "isnan": "IsNaN"},
    **{"softplus": "Softplus", "softsign": "Softsign", "hard_silu": "HardSwish", "equal": "Equal", "less": "Less"},
    **{"greater": "Greater", "less_equal": "LessOrEqual", "greater_equal": "GreaterOrEqual", "logical_not": "Not"},
    **{"logical_and": "And", "logical_or": "Or"},
}

RULES: dict[str, Callable[[Node], None]] = {
    **{ours: _plain(theirs) for ours, theirs in _ALIKE.items()},
    "elu": _with("Elu", alpha="alpha"),
    "leaky_relu": _with("LeakyRelu", alpha="negative_slope"),
    "selu": _plain("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    "hard_sigmoid": _plain("HardSigmoid", alpha=1.0 / 6.0, beta=0.5),
    "silu": _silu,
    "gelu": _gelu,
    "relu6": _relu6,
    "rsqrt": _rsqrt,
    "square": _square,
    "softmax": _softmax("Softmax"),
    "log_softmax": _softmax("LogSoftmax"),
    "matmul": _matmul,
    "reshape": _reshape,
    "cast": _cast,
    "take": _take,
    "transpose": _transpose,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "concatenate": _concatenate,
    "mean": _reduce("ReduceMean"),
    "sum": _reduce("ReduceSum"),
    "max": _reduce("ReduceMax"),
    "min": _reduce("ReduceMin"),
    "strided_slice": _slice,
    "pad_constant": _pad,
    "repeat": _repeat,
    "conv_forward": _conv,
    "conv_dx": _conv_transpose,
    "pool_max": _pool("MaxPool"),
    "pool_average": _pool("AveragePool"),
    "affine_columns": _affine_columns,
    "standardize": _standardize,
    "attention": _attention,
    "where": _where,
    "where_select": _where,
    "stop_gradient": _same,
    "simple_rnn": _recurrent("RNN", [0], 1, 2, ["activation"]),
    "lstm": _recurrent("LSTM", [0, 3, 1, 2], 2, 5, ["recurrent_activation", "activation", "activation"]),
    "gru": _recurrent("GRU", [0, 1, 2], 1, 4, ["recurrent_activation", "activation"]),
}
