"""Rows of the array family: views, transposes, repetition, joining and splitting."""

import numpy as np

from .row import ALL, Bad, Case, Row

X = np.zeros((2, 3), np.float32)


def _expand(x, axis):
    return np.expand_dims(x, axis)


def _array_split(x, indices_or_sections, axis=0):
    return np.array_split(x, indices_or_sections, axis)


def _unstack(x, num=None, axis=0):
    return [np.take(x, i, axis) for i in range(x.shape[axis])]


def _joined(f):
    return lambda *xs, **attrs: f(xs, **attrs)


def _depth_to_space(x, block_size, data_format="channels_last"):
    b = block_size
    y = np.moveaxis(x, 1, -1) if data_format == "channels_first" else x
    n, h, w, c = y.shape
    out = np.zeros((n, h * b, w * b, c // b**2), x.dtype)
    for i in range(b):
        for j in range(b):
            if data_format == "channels_first":
                out[:, i::b, j::b] = y[..., i * b + j :: b * b]
            else:
                out[:, i::b, j::b] = y[..., (i * b + j) * (c // b**2) : (i * b + j + 1) * (c // b**2)]
    return np.moveaxis(out, -1, 1) if data_format == "channels_first" else out


def _space_to_depth(x, block_size, data_format="channels_last"):
    # The rearrangement is a permutation: find where depth_to_space takes each element from.
    b, first = block_size, data_format == "channels_first"
    n, h, w, c = (x.shape[0], *x.shape[2:], x.shape[1]) if first else x.shape
    shape = (n, c * b * b, h // b, w // b) if first else (n, h // b, w // b, c * b * b)
    source = _depth_to_space(np.arange(x.size).reshape(shape), b, data_format)
    out = np.zeros(x.size, x.dtype)
    out[source.ravel()] = x.ravel()
    return out.reshape(shape)


def _windows(x, sequence_length, sequence_stride):
    return np.lib.stride_tricks.sliding_window_view(x, sequence_length, -1)[..., ::sequence_stride, :]


ROWS = [
    *(
        Row(
            name,
            reference,
            cases=[
                Case([shape], {"block_size": 2, "data_format": data_format})
                for shape, data_format in (((2, 4, 6, 8), "channels_last"), ((2, 8, 4, 6), "channels_first"))
            ],
            dtypes=ALL,
            ulp=0,
            errors=[
                Bad([X, 2], {}, ValueError, rf"\[{name}\] expected a tensor of rank 4"),
                Bad([X[:, :, None, None], 2], {}, ValueError, rf"\[{name}\] expected .* divisible by"),
                Bad([X, 2, "NHWC"], {}, ValueError, rf"\[{name}\] expected data_format 'channels_last'"),
            ],
            bench=Case([(8, 56, 56, 64)], {"block_size": 2}),
        )
        for name, reference in (("depth_to_space", _depth_to_space), ("space_to_depth", _space_to_depth))
    ),
    Row(
        "extract_sequences",
        _windows,
        cases=[
            Case([(7,)], {"sequence_length": 3, "sequence_stride": 2}),
            Case([(2, 6)], {"sequence_length": 2, "sequence_stride": 5}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X, 4, 1], {}, ValueError, r"\[extract_sequences\] expected at least 4 elements on the last axis")],
        bench=Case([(16000,)], {"sequence_length": 400, "sequence_stride": 160}),
    ),
    Row(
        "view",
        lambda x, dtype=None: x.astype("float32").view(dtype),
        cases=[
            Case([(2, 4)], {"dtype": "int32"}),
            Case([(2, 4)], {"dtype": "int64"}),
            Case([(3,)], {"dtype": "uint8"}),
            Case([()], {"dtype": "uint32"}),
        ],
        dtypes=("float32",),
        grad=(),
        errors=[
            Bad(
                [X, "int64"], {}, ValueError, r"\[view\] expected a last axis whose bytes divide into elements of int64"
            ),
            Bad([np.float32(1), "int8"], {}, ValueError, r"\[view\] expected a last axis"),
        ],
        bench=Case([(512, 512)], {"dtype": "int32"}),
    ),
    Row(
        "reshape",
        lambda x, newshape: x.reshape(newshape),
        cases=[
            Case([(2, 6)], {"newshape": (3, -1)}),
            Case([(2, 6)], {"newshape": 12}),
            Case([()], {"newshape": (1, 1, 1, 1, 1, 1, 1, 1)}),
            Case([(0, 3)], {"newshape": (3, -1)}),
            Case([(5,)], {"newshape": (5, -1)}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad(
                [X, (4, 2)],
                {},
                ValueError,
                r"\[reshape\] expected a newshape with 6 elements .*\(2, 3\), received \(4, 2\)",
            ),
            Bad([X, (-1, -1)], {}, ValueError, r"\[reshape\] expected at most one -1"),
            Bad([X, (4, -1)], {}, ValueError, r"\[reshape\] expected a newshape with 6 elements"),
        ],
        bench=Case([(64, 64)], {"newshape": (4096,)}),
    ),
    Row(
        "expand_dims",
        _expand,
        cases=[
            Case([(2, 3)], {"axis": 0}),
            Case([(2, 3)], {"axis": -1}),
            Case([()], {"axis": 0}),
            Case([(2, 3)], {"axis": (0, 2)}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X, 4], {}, ValueError, r"\[expand_dims\] expected an axis in \[-3, 3\)")],
        bench=Case([(64, 64)], {"axis": 0}),
    ),
    Row(
        "squeeze",
        lambda x, axis=None: np.squeeze(x, axis),
        cases=[
            Case([(1, 3, 1)]),
            Case([(1, 3, 1)], {"axis": 0}),
            Case([(1, 3, 1)], {"axis": (0, -1)}),
            Case([()]),
            Case([(1, 0)], {"axis": 0}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad([X], {"axis": 1}, ValueError, r"\[squeeze\] expected size 1 on the axes to drop, received 3 on axis 1")
        ],
        bench=Case([(1, 64, 64)]),
    ),
    Row(
        "ravel",
        lambda x: x.ravel(),
        cases=[Case([(2, 3)]), Case([()]), Case([(0, 2)])],
        dtypes=ALL,
        ulp=0,
        bench=Case([(64, 64)]),
    ),
    Row(
        "transpose",
        lambda x, axes=None: np.transpose(x, axes),
        cases=[
            Case([(2, 3)]),
            Case([()]),
            Case([(3, 0, 2)]),
            Case([(2, 3, 4)], {"axes": (1, 2, 0)}),
            Case([(2, 3, 4)], {"axes": (0, -1, 1)}),
            Case([(33, 49)]),
            Case([(3, 50, 37)], {"axes": (2, 1, 0)}),
            Case([(2, 17, 19, 3)], {"axes": (0, 3, 1, 2)}),
            Case([(2, 3, 17, 19)], {"axes": (0, 2, 3, 1)}),
            Case([(2, 1, 3, 1, 2, 2, 1, 2)], {"axes": (7, 0, 6, 1, 5, 2, 4, 3)}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad([X, (0, 0)], {}, ValueError, r"\[transpose\] expected axes to name each of the 2 axes .*\(0, 0\)"),
            Bad([X, (0, 1, 2)], {}, ValueError, r"\[transpose\] expected axes to name each"),
        ],
        bench=Case([(2048, 2048)]),
    ),
    Row(
        "swapaxes",
        np.swapaxes,
        cases=[Case([(2, 3, 4)], {"axis1": 0, "axis2": -1}), Case([(2, 3)], {"axis1": 1, "axis2": 1})],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X, 0, 2], {}, ValueError, r"\[swapaxes\] expected an axis")],
        bench=Case([(64, 32, 64)], {"axis1": 1, "axis2": 2}),
    ),
    Row(
        "moveaxis",
        np.moveaxis,
        cases=[
            Case([(2, 3, 4)], {"source": 0, "destination": -1}),
            Case([(2, 3, 4, 5)], {"source": (0, 1), "destination": (-1, 0)}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad([X, (0, 1), (0,)], {}, ValueError, r"\[moveaxis\] expected as many destinations"),
            Bad([X, (0, 0), (0, 1)], {}, ValueError, r"\[moveaxis\] expected distinct axes"),
        ],
        bench=Case([(64, 32, 64)], {"source": 0, "destination": 2}),
    ),
    Row(
        "broadcast_to",
        lambda x, shape: np.broadcast_to(x, shape),
        cases=[
            Case([(3, 1)], {"shape": (2, 3, 4)}),
            Case([()], {"shape": (2, 2)}),
            Case([()], {"shape": ()}),
            Case([(1, 3)], {"shape": (0, 3)}),
            Case([(4,)], {"shape": (3, 4)}),
            Case([(1, 2, 1, 2)], {"shape": (3, 1, 3, 1, 2, 2, 2, 2)}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad(
                [X, (2, 4)],
                {},
                ValueError,
                r"\[broadcast_to\] expected a shape that \(2, 3\) broadcasts to, received \(2, 4\)",
            ),
            Bad([X, (3,)], {}, ValueError, r"\[broadcast_to\] expected a shape"),
        ],
        bench=Case([(1024,)], {"shape": (1024, 1024)}),
    ),
    Row(
        "tile",
        lambda x, repeats: np.tile(x, repeats),
        cases=[
            Case([(2, 3)], {"repeats": (2, 1)}),
            Case([(2, 3)], {"repeats": 2}),
            Case([(3,)], {"repeats": (2, 2)}),
            Case([()], {"repeats": (2,)}),
            Case([(2, 3)], {"repeats": (0, 2)}),
            Case([(2, 1, 1, 1, 1, 1, 2, 1)], {"repeats": (1, 1, 2, 1, 1, 1, 2, 3)}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X, -1], {}, ValueError, r"\[tile\] expected repeats of at least 0, received -1")],
        bench=Case([(128, 128)], {"repeats": (4, 4)}),
    ),
    Row(
        "repeat",
        lambda x, repeats, axis=None: np.repeat(x, repeats, axis),
        cases=[
            Case([(2, 3)], {"repeats": 2}),
            Case([(2, 3)], {"repeats": 3, "axis": 1}),
            Case([(2, 3)], {"repeats": (2, 0, 1), "axis": -1}),
            Case([()], {"repeats": 3}),
            Case([(2, 3)], {"repeats": 0, "axis": 0}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X, (1, 2)], {"axis": 1}, ValueError, r"\[repeat\] expected one number of repeats, or 3")],
        bench=Case([(256, 256)], {"repeats": 4, "axis": 1}),
    ),
    Row(
        "concatenate",
        _joined(np.concatenate),
        cases=[
            Case([(2, 3), (2, 1)], {"axis": 1}),
            Case([(2, 3), (0, 3), (1, 3)]),
            Case([(4,)]),
            Case([(2, 3, 2), (2, 2, 2)], {"axis": -2}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad(
                [[X, np.zeros((2, 4), np.float32)]],
                {},
                ValueError,
                r"\[concatenate\] expected shapes that agree except on axis 0.*\(2, 3\) and \(2, 4\)",
            ),
            Bad(
                [[np.float32(1), np.float32(2)]], {}, ValueError, r"\[concatenate\] expected tensors of rank 1 or more"
            ),
        ],
        bench=Case([(512, 512), (512, 512)], {"axis": 1}),
    ),
    Row(
        "stack",
        _joined(np.stack),
        cases=[
            Case([(2, 3), (2, 3)]),
            Case([(2, 3), (2, 3), (2, 3)], {"axis": -1}),
            Case([(), ()]),
            Case([(0,), (0,)], {"axis": 1}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad(
                [[X, np.zeros((3, 2), np.float32)]],
                {},
                ValueError,
                r"\[stack\] expected tensors of one shape, received \(2, 3\) and \(3, 2\)",
            )
        ],
        bench=Case([(256, 256), (256, 256)], {"axis": 1}),
    ),
    Row(
        "vstack",
        _joined(np.vstack),
        cases=[Case([(3,), (3,)]), Case([(2, 3), (1, 3)])],
        dtypes=ALL,
        ulp=0,
        bench=Case([(256, 256), (256, 256)]),
    ),
    Row(
        "hstack",
        _joined(np.hstack),
        cases=[Case([(3,), (2,)]), Case([(2, 3), (2, 1)]), Case([(), ()])],
        dtypes=ALL,
        ulp=0,
        bench=Case([(256, 256), (256, 256)]),
    ),
    Row(
        "dstack",
        _joined(np.dstack),
        cases=[Case([(3,), (3,)]), Case([(2, 3), (2, 3)]), Case([(2, 3, 1), (2, 3, 2)])],
        dtypes=ALL,
        ulp=0,
        bench=Case([(64, 64), (64, 64)]),
    ),
    Row(
        "column_stack",
        _joined(np.column_stack),
        cases=[Case([(3,), (3, 2)]), Case([(3,), (3,)])],
        dtypes=ALL,
        ulp=0,
        bench=Case([(256, 64), (256, 64)]),
    ),
    Row(
        "append",
        np.append,
        cases=[Case([(2, 3), (1, 3)]), Case([(2, 3), (1, 3)], {"axis": 0})],
        dtypes=ALL,
        ulp=0,
        grad=(0, 1),
        bench=Case([(256, 64), (256, 64)]),
    ),
    Row(
        "meshgrid",
        lambda *x, indexing="xy": np.meshgrid(*x, indexing=indexing),
        cases=[
            Case([(3,), (2,)]),
            Case([(3,), (2,)], {"indexing": "ij"}),
            Case([(3,), (2,), (4,)]),
            Case([(3,)]),
            Case([(3,), ()]),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad([[X[0]]], {"indexing": "yx"}, ValueError, r"\[meshgrid\] expected indexing 'xy' or 'ij'"),
            Bad([[X]], {}, ValueError, r"\[meshgrid\] expected tensors of rank 1"),
        ],
        bench=Case([(256,), (256,)]),
    ),
    Row(
        "split",
        lambda x, indices_or_sections, axis=0: np.split(x, indices_or_sections, axis),
        cases=[
            Case([(4, 3)], {"indices_or_sections": 2}),
            Case([(5, 2)], {"indices_or_sections": [1, 3]}),
            Case([(2, 5)], {"indices_or_sections": [3, 1], "axis": 1}),
            Case([(2, 5)], {"indices_or_sections": [-2, 7], "axis": 1}),
            Case([(2, 5)], {"indices_or_sections": [2], "axis": -1}),
            Case([(0, 2)], {"indices_or_sections": 3}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad(
                [X, 4],
                {"axis": 1},
                ValueError,
                r"\[split\] expected a number of parts that divides 3, .*received 4. Use array_split",
            )
        ],
        bench=Case([(512, 512)], {"indices_or_sections": 4, "axis": 1}),
    ),
    Row(
        "array_split",
        _array_split,
        cases=[
            Case([(5, 2)], {"indices_or_sections": 3}),
            Case([(2, 5)], {"indices_or_sections": [1], "axis": 1}),
            Case([(1,)], {"indices_or_sections": 3}),
        ],
        dtypes=ALL,
        ulp=0,
        bench=Case([(511, 512)], {"indices_or_sections": 4}),
    ),
    Row(
        "unstack",
        _unstack,
        cases=[Case([(2, 3)]), Case([(2, 3)], {"axis": -1}), Case([(2, 3)], {"num": 2})],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X], {"num": 3}, ValueError, r"\[unstack\] expected num to be the size 2 of axis 0, received 3")],
        bench=Case([(16, 4096)]),
    ),
    Row(
        "vsplit",
        np.vsplit,
        cases=[Case([(4, 2)], {"indices_or_sections": 2})],
        dtypes=ALL,
        ulp=0,
        bench=Case([(256, 64)], {"indices_or_sections": 4}),
    ),
    Row(
        "hsplit",
        np.hsplit,
        cases=[Case([(4, 2)], {"indices_or_sections": 2}), Case([(4,)], {"indices_or_sections": [1]})],
        dtypes=ALL,
        ulp=0,
        bench=Case([(256, 64)], {"indices_or_sections": 4}),
    ),
    Row(
        "dsplit",
        np.dsplit,
        cases=[Case([(1, 2, 4)], {"indices_or_sections": 2})],
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X, 1], {}, ValueError, r"\[dsplit\] expected a tensor of rank 3 or more")],
        bench=Case([(64, 64, 8)], {"indices_or_sections": 4}),
    ),
]
