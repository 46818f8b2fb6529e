"""Rows of the array family: reading and writing by index, segments, one-hot."""

import numpy as np

from .row import ALL, FLOATS, Bad, Case, In, Row

X = np.zeros((5, 2), np.float32)


def _ints(low, high, dtype="int32"):
    return In(low=low, high=high, dtype=dtype)


def _distinct(*rows):
    return In(dtype="int64", make=lambda rng, shape: np.array(rows).reshape(shape))


def _take(x, indices, axis=None):
    return np.take(x, indices, axis)


def _take_grad(dy, indices, shape, axis=None):
    out = np.zeros(shape, dy.dtype)
    flat = out.reshape(-1) if axis is None else np.moveaxis(out, axis, 0)
    k = 0 if axis is None else axis
    rows = dy.reshape(-1) if axis is None else np.moveaxis(dy, range(k, k + indices.ndim), range(indices.ndim))
    np.add.at(
        flat, indices.reshape(-1), rows.reshape(indices.size, *rows.shape[indices.ndim :] if axis is not None else ())
    )
    return out


def _gather_axis_grad(dy, indices, size, axis):
    out = np.zeros(dy.shape[:axis] + (size,) + dy.shape[axis + 1 :], dy.dtype)
    where = list(np.indices(indices.shape))
    where[axis] = indices
    np.add.at(out, tuple(where), dy)
    return out


def _gather_nd(x, indices):
    return x[tuple(np.moveaxis(indices, -1, 0))]


def _scatter(indices, values, shape):
    out = np.zeros(shape, values.dtype)
    np.add.at(out, tuple(np.moveaxis(indices, -1, 0)), values)
    return out


def _scatter_update(x, indices, updates, reduction=None):
    out = x.copy()
    key = tuple(np.moveaxis(indices, -1, 0))
    if reduction is None:
        out[key] = updates
        return out
    {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction].at(out, key, updates)
    return out


def _scatter_last(indices, shape):
    rows = [tuple(r) for r in indices.reshape(-1, indices.shape[-1])]
    return np.array([r not in rows[i + 1 :] for i, r in enumerate(rows)]).reshape(indices.shape[:-1])


def _one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    return np.moveaxis((x[..., None] == np.arange(num_classes)).astype(dtype or "float32"), -1, axis)


def _multi_hot(x, num_classes, axis=-1, dtype=None):
    return _one_hot(x, num_classes, axis, dtype).max(axis=1 if x.ndim > 1 else 0)


def _segment(ufunc, initial):
    def reference(data, ids, num_segments=None, sorted=False):
        n = ids.max() + 1 if num_segments is None else num_segments
        start = initial
        if np.isinf(initial) and data.dtype.kind in "iu":
            start = np.iinfo(data.dtype).min if initial < 0 else np.iinfo(data.dtype).max
        out = np.full((n, *data.shape[1:]), start, data.dtype)
        ufunc.at(out, ids[ids >= 0], data[ids >= 0])
        return out

    return reference


def _spread(x, ids):
    return np.where((ids >= 0)[:, None], x[ids], 0)


def _counting(*numbers):
    return In(dtype="int32", make=lambda rng, shape: np.array(numbers))


REPEATED = In(dtype="int32", make=lambda rng, shape: np.resize([[0, 1], [2, 0], [-1, -1], [0, 1]], shape))
SEGMENTS = [
    Case([(6, 2), (6,)], {"num_segments": 4}),
    Case([(6,), (6,)]),
    Case([(6, 2), (6,)], {"num_segments": 3, "sorted": False}),
    Case([(6, 0), (6,)]),
]
IDS = _counting(0, 2, 2, 0, -1, 1)
NUMBERS = tuple(t for t in ALL if t != "bool")

ROWS = [
    Row(
        "take",
        _take,
        inputs=(In(), _ints(-5, 4)),
        cases=[
            Case([(5, 2), (3,)], {"axis": 0}),
            Case([(5, 2), (2, 2)], {"axis": 0}),
            Case([(2, 5), (3,)], {"axis": -1}),
            Case([(2, 5, 3), (2, 1)], {"axis": 1}),
            Case([(5, 2), ()], {"axis": 0}),
            Case([(5, 2), (4,)]),
            Case([(5, 2), (0,)], {"axis": 0}),
            Case([(5, 0), (3,)], {"axis": 0}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad([X, np.array([0, 7])], {"axis": 0}, IndexError, r"\[take\] expected indices in \[-5, 5\), received 7"),
            Bad([X, np.array([-11])], {}, IndexError, r"\[take\] expected indices in \[-10, 10\), received -11"),
            Bad(
                [X, np.array([0.5])],
                {"axis": 0},
                TypeError,
                r"\[take\] expected indices of an integer dtype, received float64",
            ),
        ],
        bench=Case([(10000, 64), (4096,)], {"axis": 0}),
    ),
    Row(
        "take_grad",
        _take_grad,
        inputs=(In(), _ints(-5, 4)),
        cases=[
            Case([(7, 2), (7,)], {"shape": (5, 2), "axis": 0}),
            Case([(7,), (7,)], {"shape": (5, 2)}),
            Case([(2, 7, 3), (7,)], {"shape": (2, 5, 3), "axis": 1}),
        ],
        terms=lambda case: 7,
        bench=Case([(4096, 64), (4096,)], {"shape": (10000, 64), "axis": 0}),
    ),
    Row(
        "take_along_axis",
        lambda x, indices, axis=None: np.take_along_axis(x, indices, axis) if axis is not None else x.ravel()[indices],
        inputs=(In(), _ints(-3, 2, "int64")),
        cases=[
            Case([(4, 3), (4, 2)], {"axis": 1}),
            Case([(3, 4), (2, 4)], {"axis": 0}),
            Case([(3, 4), (2, 1)], {"axis": 0}),
            Case([(2, 3, 4), (2, 5, 4)], {"axis": -2}),
            Case([(1, 3), (4, 2)], {"axis": 1}),
            Case([(4, 3), (5,)]),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad(
                [X, np.zeros((5, 1), np.int32) + 2],
                {"axis": 1},
                IndexError,
                r"\[take_along_axis\] expected indices in \[-2, 2\), received 2",
            ),
            Bad(
                [X, np.zeros(5, np.int32)],
                {"axis": 1},
                ValueError,
                r"\[take_along_axis\] expected indices of the input's rank 2",
            ),
            Bad(
                [X, np.zeros((4, 2), np.int32)],
                {"axis": 1},
                ValueError,
                r"\[take_along_axis\] expected shapes that broadcast except on axis 1",
            ),
        ],
        bench=Case([(256, 512), (256, 128)], {"axis": 1}),
    ),
    Row(
        "gather_axis",
        lambda x, i, axis: np.take_along_axis(x, i, axis),
        inputs=(In(), _ints(-3, 2, "int64")),
        cases=[Case([(4, 3), (4, 2)], {"axis": 1})],
        dtypes=ALL,
        ulp=0,
        bench=Case([(256, 512), (256, 128)], {"axis": 1}),
    ),
    Row(
        "gather_axis_grad",
        _gather_axis_grad,
        inputs=(In(), _ints(-3, 2, "int64")),
        cases=[Case([(4, 6), (4, 6)], {"size": 3, "axis": 1}), Case([(6, 4), (6, 4)], {"size": 3, "axis": 0})],
        terms=lambda case: 6,
        bench=Case([(256, 128), (256, 128)], {"size": 512, "axis": 1}),
    ),
    Row(
        "gather_nd",
        _gather_nd,
        inputs=(In(), REPEATED),
        cases=[Case([(3, 2), (4, 2)]), Case([(3, 2, 3), (4, 2)]), Case([(3, 2), (2, 2, 2)])],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad([X, np.array([[0, 2]])], {}, IndexError, r"\[gather_nd\] expected indices in \[-2, 2\), received 2"),
            Bad(
                [X, np.zeros((1, 3), np.int32)],
                {},
                ValueError,
                r"\[gather_nd\] expected indices whose last axis holds coordinates \(at most 2",
            ),
        ],
        bench=Case([(512, 512), (4096, 2)]),
    ),
    Row(
        "scatter",
        _scatter,
        inputs=(REPEATED, In()),
        cases=[
            Case([(4, 2), (4,)], {"shape": (3, 2)}),
            Case([(4, 2), (4, 3)], {"shape": (3, 2, 3)}),
            Case([(2, 2, 2), (2, 2)], {"shape": (3, 2)}),
            Case([(0, 2), (0,)], {"shape": (3, 2)}),
        ],
        dtypes=NUMBERS,
        terms=lambda case: 2,
        grad=(1,),
        errors=[
            Bad(
                [np.array([[0]]), X],
                {"shape": (3,)},
                ValueError,
                r"\[scatter\] expected values of shape \(1,\), received",
            )
        ],
        bench=Case([(4096, 2), (4096,)], {"shape": (512, 512)}),
    ),
    Row(
        "scatter_update",
        _scatter_update,
        inputs=(In(), REPEATED, In(low=1, high=3)),
        cases=[
            Case([(3, 2), (4, 2), (4,)]),
            Case([(3, 2, 2), (4, 2), (4, 2)]),
            *(Case([(3, 2), (4, 2), (4,)], {"reduction": r}) for r in ("add", "mul", "max", "min")),
        ],
        dtypes=NUMBERS,
        terms=lambda case: 3,
        grad=(0, 2),
        errors=[
            Bad(
                [X, np.array([[0, 0]]), np.zeros(1, np.float32)],
                {"reduction": "div"},
                ValueError,
                r"\[scatter_update\] expected reduction None, 'add'.*received 'div'",
            ),
            Bad(
                [X, np.array([[0, 0]]), np.zeros(1, np.int32)],
                {},
                TypeError,
                r"\[scatter_update\] expected updates of dtype float32, received int32",
            ),
        ],
        bench=Case([(512, 512), (4096, 2), (4096,)], {"reduction": "add"}),
    ),
    Row(
        "scatter_last",
        _scatter_last,
        inputs=(REPEATED,),
        cases=[Case([(4, 2)], {"shape": (3, 2)})],
        dtypes=("int32",),
        grad=(),
        bench=Case([(4, 2)], {"shape": (3, 2)}),
    ),
    Row(
        "one_hot",
        _one_hot,
        inputs=(_ints(-1, 4),),
        cases=[
            Case([(5,)], {"num_classes": 4}),
            Case([(2, 3)], {"num_classes": 4, "axis": 1, "dtype": "int8"}),
            Case([(2, 3)], {"num_classes": 4, "axis": 0, "dtype": "float16"}),
            Case([()], {"num_classes": 2, "dtype": "bool"}),
            Case([(0,)], {"num_classes": 2}),
        ],
        dtypes=("int32",),
        ulp=0,
        grad=(),
        errors=[
            Bad([np.array([0]), 0], {}, ValueError, r"\[one_hot\] expected num_classes of at least 1, received 0"),
            Bad([X, 3], {}, TypeError, r"\[one_hot\] expected x of an integer dtype, received float32"),
        ],
        bench=Case([(4096,)], {"num_classes": 100}),
    ),
    Row(
        "multi_hot",
        _multi_hot,
        inputs=(_ints(0, 3),),
        cases=[Case([(2, 5)], {"num_classes": 4}), Case([(5,)], {"num_classes": 4, "dtype": "int32"})],
        dtypes=("int32",),
        ulp=0,
        grad=(),
        bench=Case([(256, 16)], {"num_classes": 100}),
    ),
    Row(
        "segment_sum",
        _segment(np.add, 0),
        inputs=(In(), IDS),
        cases=SEGMENTS,
        dtypes=NUMBERS,
        terms=lambda case: 3,
        errors=[
            Bad(
                [X, np.array([0, 1, 2, 3, 9])],
                {"num_segments": 4},
                IndexError,
                r"\[segment_sum\] expected segment_ids below num_segments=4, received 9",
            ),
            Bad([X, np.array([0, 1])], {}, ValueError, r"\[segment_sum\] expected one segment id per row of data"),
        ],
        bench=Case([(6, 1000), (6,)]),
    ),
    Row(
        "segment_prod",
        _segment(np.multiply, 1),
        inputs=(In(low=1, high=3), IDS),
        cases=SEGMENTS,
        terms=lambda case: 27,
        bench=Case([(6, 1000), (6,)]),
    ),
    Row(
        "segment_max",
        _segment(np.maximum, -np.inf),
        inputs=(In(), IDS),
        cases=[SEGMENTS[2], SEGMENTS[1]],
        dtypes=NUMBERS,
        ulp=0,
        bench=Case([(6, 1000), (6,)], {"num_segments": 3}),
    ),
    Row(
        "segment_min",
        _segment(np.minimum, np.inf),
        inputs=(In(), IDS),
        cases=[SEGMENTS[2], SEGMENTS[1]],
        dtypes=NUMBERS,
        ulp=0,
        bench=Case([(6, 1000), (6,)], {"num_segments": 3}),
    ),
    Row(
        "segment_spread",
        _spread,
        inputs=(In(), _counting(0, 2, -1, 2, 1)),
        cases=[Case([(3, 2), (5,)])],
        dtypes=FLOATS,
        ulp=0,
        bench=Case([(3, 100), (5,)]),
    ),
    Row(
        "nonzero",
        np.nonzero,
        inputs=(In(low=-1, high=1, make=lambda rng, shape: rng.integers(-1, 2, size=shape).clip(0)),),
        cases=[Case([(3, 4)]), Case([(7,)]), Case([(0, 2)])],
        dtypes=ALL,
        grad=(),
        bench=Case([(256, 256)]),
    ),
    Row(
        "argwhere",
        np.argwhere,
        inputs=(In(make=lambda rng, shape: rng.integers(0, 2, size=shape)),),
        cases=[Case([(3, 4)]), Case([(7,)])],
        dtypes=ALL,
        grad=(),
        errors=[Bad([1.0], {}, ValueError, r"\[argwhere\] expected a tensor of rank 1 or more")],
        bench=Case([(256, 256)]),
    ),
    Row(
        "unravel_index",
        lambda i, shape: np.unravel_index(i, shape),
        inputs=(_ints(0, 23),),
        cases=[Case([(5,)], {"shape": (2, 3, 4)}), Case([()], {"shape": (24,)})],
        dtypes=("int32",),
        grad=(),
        errors=[
            Bad([np.array([6]), (2, 3)], {}, IndexError, r"\[unravel_index\] expected indices in \[-6, 6\), received 6")
        ],
        bench=Case([(1000,)], {"shape": (2, 3, 4)}),
    ),
]
