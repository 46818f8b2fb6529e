"""Rows of the array family: slices, padding, flips, diagonals and triangles."""

import numpy as np

from .row import ALL, Bad, Case, In, Row

X = np.zeros((2, 3), np.float32)
OPEN = -(2**63)


def _key(begin, end, strides):
    def bound(v):
        return None if v == OPEN else v

    return tuple(slice(bound(b), bound(e), s) for b, e, s in zip(begin, end, strides))


def _strided_slice(x, begin, end, strides):
    return x[_key(begin, end, strides)]


def _strided_slice_grad(dy, shape, begin, end, strides):
    out = np.zeros(shape, dy.dtype)
    out[_key(begin, end, strides)] = dy
    return out


def _strided_slice_update(x, updates, begin, end, strides):
    out = x.copy()
    out[_key(begin, end, strides)] = updates
    return out


def _slice(x, start, shape):
    return x[tuple(slice(s, s + n if n >= 0 else None) for s, n in zip(start, shape))]


def _slice_update(x, start, updates):
    out = x.copy()
    out[tuple(slice(s, s + n) for s, n in zip(start, updates.shape))] = updates
    return out


def _starts(*values):
    return In(dtype="int32", make=lambda rng, shape: np.array(values))


def _pad(x, pad_width, mode="constant", constant_values=None):
    extra = {"constant_values": constant_values} if constant_values is not None else {}
    return np.pad(x, np.asarray(pad_width).tolist(), mode, **extra)


def _pad_constant(x, low, high, value=0):
    return np.pad(x, list(zip(low, high)), constant_values=value)


def _trace(x, offset=0, axis1=0, axis2=1):
    return np.trace(x, offset, axis1, axis2)


SLICE = {"begin": (1, OPEN), "end": (OPEN, OPEN), "strides": (2, -1)}

ROWS = [
    Row(
        "strided_slice",
        _strided_slice,
        cases=[
            Case([(5, 4)], SLICE),
            Case([(5, 4)], {"begin": (-3,), "end": (-1,), "strides": (1,)}),
            Case([(5, 4)], {"begin": (10,), "end": (OPEN,), "strides": (1,)}),
            Case([(5, 4)], {"begin": (10,), "end": (-10,), "strides": (-3,)}),
            Case([(0, 4)], SLICE),
            Case([()], {"begin": (), "end": (), "strides": ()}),
            Case([(2, 1, 2, 1, 2, 1, 2, 3)], {"begin": (OPEN,) * 8, "end": (OPEN,) * 8, "strides": (-1,) * 8}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X, (0,), (1,), (0,)], {}, ValueError, r"\[strided_slice\] expected slice steps other than 0")],
        bench=Case([(512, 512)], {"begin": (0, 1), "end": (OPEN, OPEN), "strides": (1, 2)}),
    ),
    Row(
        "strided_slice_grad",
        _strided_slice_grad,
        cases=[Case([(2, 4)], {"shape": (5, 4), **SLICE}), Case([(0, 4)], {"shape": (0, 4), **SLICE})],
        dtypes=ALL,
        ulp=0,
        bench=Case([(512, 256)], {"shape": (512, 512), "begin": (0, 1), "end": (OPEN, OPEN), "strides": (1, 2)}),
    ),
    Row(
        "strided_slice_update",
        _strided_slice_update,
        inputs=(In(), In()),
        cases=[Case([(5, 4), (2, 4)], SLICE)],
        dtypes=ALL,
        ulp=0,
        grad=(0, 1),
        errors=[
            Bad(
                [X, X],
                {"begin": (0,), "end": (1,), "strides": (1,)},
                ValueError,
                r"\[strided_slice_update\] expected values of the slice's shape \(1, 3\)",
            )
        ],
        bench=Case([(512, 512), (512, 256)], {"begin": (0, 1), "end": (OPEN, OPEN), "strides": (1, 2)}),
    ),
    Row(
        "slice",
        _slice,
        inputs=(In(), _starts(1, 2)),
        cases=[Case([(4, 5), (2,)], {"shape": (2, 3)}), Case([(4, 5), (2,)], {"shape": (-1, 0)})],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad(
                [X, np.array([1, 1])],
                {"shape": (2, 1)},
                ValueError,
                r"\[slice\] expected a part inside the input of shape \(2, 3\), received on axis 0 start 1 and size 2",
            ),
            Bad([X, np.array([1])], {"shape": (2, 1)}, ValueError, r"\[slice\] expected one start index per axis"),
        ],
        bench=Case([(512, 512), (2,)], {"shape": (500, 500)}),
    ),
    Row(
        "slice_update",
        _slice_update,
        inputs=(In(), _starts(1, 2), In()),
        cases=[Case([(4, 5), (2,), (2, 3)])],
        dtypes=ALL,
        ulp=0,
        grad=(0, 2),
        errors=[Bad([X, np.array([1, 1]), X], {}, ValueError, r"\[slice_update\] expected a part inside")],
        bench=Case([(512, 512), (2,), (100, 100)]),
    ),
    Row(
        "pad",
        _pad,
        cases=[
            Case([(2, 3)], {"pad_width": 1}),
            Case([(2, 3)], {"pad_width": (1, 2)}),
            Case([(2, 3)], {"pad_width": ((0, 0), (1, 2)), "constant_values": 2.0}),
            Case([(0, 2)], {"pad_width": ((1, 1), (0, 0))}),
            *(
                Case([(3, 4)], {"pad_width": ((2, 1), (0, 3)), "mode": mode})
                for mode in ("reflect", "symmetric", "edge", "wrap")
            ),
            *(
                Case([(3,)], {"pad_width": ((7, 8),), "mode": mode})
                for mode in ("reflect", "symmetric", "edge", "wrap")
            ),
            Case([(1, 2)], {"pad_width": ((2, 2), (0, 0)), "mode": "reflect"}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad([X, (1, 2, 3)], {}, ValueError, r"\[pad\] expected pad_width to be an int, a pair"),
            Bad([X, 1], {"mode": "mean"}, ValueError, r"\[pad\] expected mode 'constant', .*received 'mean'"),
            Bad(
                [X, 1],
                {"mode": "edge", "constant_values": 1},
                ValueError,
                r"\[pad\] expected constant_values only with mode 'constant'",
            ),
            Bad([X, -1], {}, ValueError, r"\[pad\] expected widths of at least 0"),
        ],
        bench=Case([(512, 512)], {"pad_width": 1}),
    ),
    Row(
        "pad_constant",
        _pad_constant,
        cases=[Case([(2, 3)], {"low": (1, 0), "high": (0, 2), "value": 3.0})],
        dtypes=ALL,
        ulp=0,
        bench=Case([(512, 512)], {"low": (1, 1), "high": (1, 1)}),
    ),
    Row(
        "flip",
        lambda x, axis=None: np.flip(x, axis),
        cases=[
            Case([(2, 3)]),
            Case([(2, 3)], {"axis": 1}),
            Case([(2, 3, 4)], {"axis": (0, -1)}),
            Case([()]),
            Case([(0,)]),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X], {"axis": 2}, ValueError, r"\[flip\] expected an axis in \[-2, 2\)")],
        bench=Case([(512, 512)], {"axis": 1}),
    ),
    Row("flipud", np.flipud, cases=[Case([(2, 3)])], dtypes=ALL, ulp=0, bench=Case([(512, 512)])),
    Row("fliplr", np.fliplr, cases=[Case([(2, 3)])], dtypes=ALL, ulp=0, bench=Case([(512, 512)])),
    Row(
        "roll",
        lambda x, shift, axis=None: np.roll(x, shift, axis),
        cases=[
            Case([(2, 3)], {"shift": 1}),
            Case([(2, 3)], {"shift": -4, "axis": 1}),
            Case([(2, 3)], {"shift": (1, 2), "axis": (0, 1)}),
            Case([(2, 3)], {"shift": 2, "axis": (1, 1)}),
            Case([(0, 3)], {"shift": 1, "axis": 0}),
            Case([(2, 3)], {"shift": 3, "axis": 1}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X, (1, 2, 3)], {"axis": (0, 1)}, ValueError, r"\[roll\] expected one shift per axis")],
        bench=Case([(512, 512)], {"shift": 7, "axis": 1}),
    ),
    Row(
        "rot90",
        lambda x, k=1, axes=(0, 1): np.rot90(x, k, axes),
        cases=[*(Case([(2, 3)], {"k": k}) for k in (-1, 0, 1, 2, 3, 4)), Case([(2, 3, 4)], {"axes": (2, 0)})],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X], {"axes": (1, 1)}, ValueError, r"\[rot90\] expected two different axes")],
        bench=Case([(512, 512)]),
    ),
    Row(
        "diagonal",
        lambda x, offset=0, axis1=0, axis2=1: np.diagonal(x, offset, axis1, axis2),
        cases=[
            *(Case([(3, 4)], {"offset": k}) for k in (-5, -2, 0, 1, 4)),
            Case([(2, 3, 4)], {"axis1": 1, "axis2": -1}),
            Case([(2, 3, 4)], {"axis1": 2, "axis2": 0, "offset": -1}),
            Case([(0, 3)]),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X[0]], {}, ValueError, r"\[diagonal\] expected a tensor of rank 2 or more")],
        bench=Case([(512, 512)]),
    ),
    Row(
        "trace",
        _trace,
        cases=[Case([(3, 4)]), Case([(3, 4)], {"offset": 1}), Case([(2, 3, 4)], {"axis1": 1, "axis2": 2})],
        dtypes=ALL,
        terms=lambda case: 4,
        bench=Case([(512, 512)]),
    ),
    Row(
        "diag",
        lambda x, k=0: np.diag(x, k),
        cases=[
            *(Case([(3,)], {"k": k}) for k in (-2, 0, 1)),
            *(Case([(3, 4)], {"k": k}) for k in (-1, 0, 2)),
            Case([(0,)]),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X[None]], {}, ValueError, r"\[diag\] expected a tensor of rank 1 or 2")],
        bench=Case([(512,)]),
    ),
    Row(
        "diagflat",
        lambda x, k=0: np.diagflat(x, k),
        cases=[Case([(2, 2)], {"k": 1}), Case([(3,)])],
        dtypes=ALL,
        ulp=0,
        bench=Case([(16, 32)]),
    ),
    *(
        Row(
            name,
            reference,
            cases=[*(Case([(3, 4)], {"k": k}) for k in (-4, -1, 0, 2, 5)), Case([(2, 3, 3)]), Case([(2, 0, 3)])],
            dtypes=ALL,
            ulp=0,
            errors=[Bad([X[0]], {}, ValueError, rf"\[{name}\] expected a tensor of rank 2 or more")],
            bench=Case([(512, 512)]),
        )
        for name, reference in (("tril", lambda x, k=0: np.tril(x, k)), ("triu", lambda x, k=0: np.triu(x, k)))
    ),
]
