"""How each op of an inference graph is written in ONNX. To add one: a rule, in RULES by the op's name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.keras.exporting import onnx_proto as proto
from tahr.keras.exporting.onnx import Node, Unsupported
from tahr.keras.exporting.onnx_images import adaptive, resize
from tahr.keras.exporting.onnx_recurrent import recurrent

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
    integers = n.dtype(0) == "int8" and n.dtype(1) == "int8"
    a, b = (_swapped(n, i, n.attrs.get(flag, False)) for i, flag in enumerate(("transpose_a", "transpose_b")))
    n.give(n.add("MatMulInteger" if integers else "MatMul", a, b))


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
            return adaptive(op == "AveragePool")(n)
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
    dtype = n.dtype(0) if n.dtype(0) == "float64" else "float32"  # that of the scores

    def wide(i: int) -> Any:
        return n.input(i) if n.dtype(i) == dtype else n.add("Cast", n.input(i), to=proto.element_type(dtype))

    key, value = wide(1), wide(2)
    if fewer != heads:
        rows = _ints(np.repeat(np.arange(fewer), heads // fewer))
        key, value = n.add("Gather", key, rows, axis=2), n.add("Gather", value, rows, axis=2)
    scale = np.asarray(n.attrs["scale"], dtype)
    query = n.add("Mul", n.add("Transpose", wide(0), perm=[0, 2, 1, 3]), scale)
    scores = n.add("MatMul", query, n.add("Transpose", key, perm=[0, 2, 3, 1]))
    if n.has(3):
        scores = n.add("Add", scores, wide(3))
    lowest = np.asarray(np.finfo(dtype).min, dtype)
    if n.has(4):
        scores = n.add("Where", n.input(4), scores, lowest)
    if n.attrs["causal"]:
        rows_, columns = n.shape(0)[1], n.shape(1)[1]
        if rows_ is None or columns is None:
            raise Unsupported("that is causal, over an unknown length")
        scores = n.add("Where", np.tril(np.ones((rows_, columns), bool)), scores, lowest)
    y = n.add("MatMul", n.add("Softmax", scores, axis=-1), n.add("Transpose", value, perm=[0, 2, 1, 3]))
    y = n.add("Transpose", y, perm=[0, 2, 1, 3])
    n.give(y if n.output_dtype() == dtype else n.add("Cast", y, to=proto.element_type(n.output_dtype())))


def _not_equal(n: Node) -> None:
    n.give(n.add("Not", n.add("Equal", *n.all_inputs())))


def _clip(n: Node) -> None:
    n.give(n.add("Min", n.add("Max", n.input(0), n.input(1)), n.input(2)))


def _round(n: Node) -> None:
    if n.attrs["decimals"]:
        raise Unsupported("to decimals")
    n.give(n.add("Round", n.input(0)))


def _shrink(soft: bool) -> Callable[[Node], None]:
    def rule(n: Node) -> None:
        x, most = n.input(0), n.attrs["threshold"]
        inside = n.add("LessOrEqual", n.add("Abs", x), _like(n, most))
        outside = n.add("Sub", x, n.add("Mul", n.add("Sign", x), _like(n, most))) if soft else x
        n.give(n.add("Where", inside, _like(n, 0.0), outside))

    return rule


def _threshold(n: Node) -> None:
    x = n.input(0)
    above = n.add("Greater", x, _like(n, n.attrs["threshold"]))
    n.give(n.add("Where", above, x, _like(n, n.attrs["default_value"])))


def _between(low: float, high: float) -> Callable[[Node], None]:
    return lambda n: n.give(n.add("Clip", n.input(0), _like(n, low), _like(n, high)))


def _log_sigmoid(n: Node) -> None:
    n.give(n.add("Neg", n.add("Softplus", n.add("Neg", n.input(0)))))


def _tanh_shrink(n: Node) -> None:
    n.give(n.add("Sub", n.input(0), n.add("Tanh", n.input(0))))


def _squareplus(n: Node) -> None:
    x = n.input(0)
    root = n.add("Sqrt", n.add("Add", n.add("Mul", x, x), _like(n, n.attrs["b"])))
    n.give(n.add("Mul", n.add("Add", x, root), _like(n, 0.5)))


def _half_step(n: Node) -> str:  # (x + 1) / 2 between 0 and 1
    moved = n.add("Mul", n.add("Add", n.input(0), _like(n, 1.0)), _like(n, 0.5))
    return n.add("Clip", moved, _like(n, 0.0), _like(n, 1.0))


def _sparse_sigmoid(n: Node) -> None:
    n.give(_half_step(n))


def _sparse_plus(n: Node) -> None:
    step = _half_step(n)
    n.give(n.add("Max", n.add("Mul", step, step), n.add("Where", _above_one(n), n.input(0), _like(n, 0.0))))


def _above_one(n: Node) -> str:
    return n.add("Greater", n.input(0), _like(n, 1.0))


def _log1p(n: Node) -> None:
    n.give(n.add("Log", n.add("Add", n.input(0), _like(n, 1.0))))


def _expm1(n: Node) -> None:
    n.give(n.add("Sub", n.add("Exp", n.input(0)), _like(n, 1.0)))


def _floor_divide(n: Node) -> None:
    if not n.dtype(0).startswith("float"):
        raise Unsupported("of integers")  # ONNX rounds them towards zero
    n.give(n.add("Floor", n.add("Div", *n.all_inputs())))


def _split(n: Node) -> None:
    axis, cuts = n.attrs["axis"], n.attrs["indices_or_sections"]
    size = n.shape(0)[axis]
    if size is None:
        raise Unsupported("along an axis of unknown size")
    edges = [i * size // cuts for i in range(cuts + 1)] if isinstance(cuts, int) else [0, *cuts, size]
    for i, (begin, end) in enumerate(zip(edges, edges[1:])):
        n.give(n.add("Slice", n.input(0), _ints([begin]), _ints([end]), _ints([axis])), i)


def _corner(n: Node) -> None:  # slice: a box from a corner on
    begin = n.array(1)
    sizes = n.attrs["shape"]
    end = [_HIGHEST if s < 0 else int(b) + s for b, s in zip(begin, sizes)]
    n.give(n.add("Slice", n.input(0), _ints(begin), _ints(end), _ints(range(len(end)))))


def _one_hot(n: Node) -> None:  # classes outside of the range have no one, unlike in ONNX's OneHot
    at, axis = n.attrs, n.attrs["axis"]
    rank = len(n.shape(0)) + 1
    shape = [1] * rank
    shape[axis] = at["num_classes"]
    classes = np.arange(at["num_classes"]).astype(n.dtype(0)).reshape(shape)
    same = n.add("Equal", n.add("Unsqueeze", n.input(0), _ints([axis])), classes)
    n.give(n.add("Cast", same, to=proto.element_type(n.output_dtype())))


def _searchsorted(n: Node) -> None:
    compare = "Less" if n.attrs["side"] == "left" else "LessOrEqual"
    before = n.add(compare, n.input(0), n.add("Unsqueeze", n.input(1), _ints([-1])))
    n.give(n.add("ReduceSum", n.add("Cast", before, to=proto.element_type("int32")), _ints([-1]), keepdims=0))


def _cumsum(n: Node) -> None:
    n.give(n.add("CumSum", n.input(0), _ints([n.attrs["axis"]])[0], reverse=int(n.attrs["reverse"])))


def _sort(n: Node) -> None:
    axis = n.attrs["axis"]
    if axis is None or n.shape(0)[axis] is None:
        raise Unsupported("along an axis of unknown size")
    n.give(n.add("TopK", n.input(0), _ints([n.shape(0)[axis]]), outputs=2, axis=axis, largest=0)[0])


def _reduce_truth(op: str) -> Callable[[Node], None]:
    def rule(n: Node) -> None:
        axis = n.attrs["axis"]
        axes = range(len(n.shape(0))) if axis is None else _axes(axis)
        x = n.add("Cast", n.add("Cast", n.input(0), to=proto.element_type("bool")), to=proto.element_type("int32"))
        y = n.add(op, x, _ints(list(axes)), keepdims=int(n.attrs["keepdims"]))
        n.give(n.add("Cast", y, to=proto.element_type("bool")))

    return rule


def _constant_like(value: float) -> Callable[[Node], None]:
    def rule(n: Node) -> None:
        number = np.asarray(value).astype(n.output_dtype())
        n.give(n.add("Expand", number, n.add("Shape", n.input(0))))

    return rule


def _broadcast_to(n: Node) -> None:
    wanted = n.attrs["shape"]
    n.give(n.add("Expand", n.input(0), _ints([1 if w < 0 else w for w in wanted])))


def _arg(op: str) -> Callable[[Node], None]:
    def rule(n: Node) -> None:
        axis = n.attrs["axis"]
        x = n.input(0) if axis is not None else n.add("Reshape", n.input(0), _ints([-1]))
        y = n.add(op, x, axis=axis or 0, keepdims=int(n.attrs["keepdims"]))
        if axis is None and n.attrs["keepdims"]:
            raise Unsupported("over all axes, which it keeps")
        n.give(n.add("Cast", y, to=proto.element_type(n.output_dtype())))

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
    **{"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "tan": "Tan", "sinh": "Sinh", "cosh": "Cosh"},
    **{
        "arcsin": "Asin",
        "arccos": "Acos",
        "arctan": "Atan",
        "arcsinh": "Asinh",
        "arccosh": "Acosh",
        "arctanh": "Atanh",
    },
    **{"isinf": "IsInf"},
}

RULES: dict[str, Callable[[Node], None]] = {
    **{ours: _plain(theirs) for ours, theirs in _ALIKE.items()},
    "elu": _with("Elu", alpha="alpha"),
    "leaky_relu": _with("LeakyRelu", alpha="negative_slope"),
    "selu": _plain("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    "hard_sigmoid": _plain("HardSigmoid", alpha=1.0 / 6.0, beta=0.5),
    "silu": _silu,
    "celu": _with("Celu", alpha="alpha"),
    "hard_tanh": _between(-1.0, 1.0),
    "hard_shrink": _shrink(soft=False),
    "soft_shrink": _shrink(soft=True),
    "tanh_shrink": _tanh_shrink,
    "threshold": _threshold,
    "log_sigmoid": _log_sigmoid,
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "clip": _clip,
    "round": _round,
    "not_equal": _not_equal,
    "log1p": _log1p,
    "expm1": _expm1,
    "floor_divide": _floor_divide,
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
    "sum_squares": _reduce("ReduceSumSquare"),
    "sum_magnitudes": _reduce("ReduceL1"),
    "root_sum_squares": _reduce("ReduceL2"),
    "max": _reduce("ReduceMax"),
    "min": _reduce("ReduceMin"),
    "prod": _reduce("ReduceProd"),
    "logsumexp": _reduce("ReduceLogSumExp"),
    "any": _reduce_truth("ReduceMax"),
    "all": _reduce_truth("ReduceMin"),
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "cumsum_along": _cumsum,
    "sort": _sort,
    "searchsorted": _searchsorted,
    "one_hot": _one_hot,
    "split": _split,
    "slice": _corner,
    "broadcast_to": _broadcast_to,
    "zeros_like": _constant_like(0.0),
    "ones_like": _constant_like(1.0),
    "resize_core": resize,
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
    "simple_rnn": recurrent("RNN", [0], 1, 3, ["activation"]),
    "lstm": recurrent("LSTM", [0, 3, 1, 2], 2, 6, ["recurrent_activation", "activation", "activation"]),
    "gru": recurrent("GRU", [0, 1, 2], 1, 5, ["recurrent_activation", "activation"]),
}
