"""Rows of the array family: sorting, searching and counting."""

import numpy as np

from .row import ALL, FLOATS, INTS, Bad, Case, In, Row

X = np.zeros((2, 3), np.float32)


def _sort(x, axis=-1):
    return np.sort(x, axis if x.ndim else None) if x.ndim else x


def _argsort(x, axis=-1):
    return np.argsort(x, axis, kind="stable") if x.ndim else np.zeros((), int)


def _top_k(x, k, sorted=True, is_stable=True):
    order = np.argsort(-x.astype(np.float64), axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order


def _in_top_k(targets, predictions, k):
    own = np.take_along_axis(predictions, targets[:, None], 1)
    return ((predictions > own).sum(1) < k) & ~np.isnan(own[:, 0])


def _bincount(x, weights=None, minlength=0, sparse=False):
    if x.ndim == 1:
        return np.bincount(x, weights, minlength)
    n = max(x.max() + 1, minlength)
    return np.stack([np.bincount(r, None if weights is None else weights[i], n) for i, r in enumerate(x)])


def _histogram(x, range=None, bins=10):
    return np.histogram(x, bins, None if range is None else tuple(range))


def _unique(x, return_index=False, return_inverse=False, return_counts=False, axis=None, size=None, fill_value=None):
    out = np.unique(x, True, True, True, axis=axis, equal_nan=False)
    values, index, inverse, counts = out
    inverse = inverse.reshape(x.shape if axis is None else -1)
    if size is not None:
        n = min(size, len(counts))

        def fit(a, fill, dim=0):
            a = np.take(a, np.arange(n), dim)
            pads = [(0, 0)] * a.ndim
            pads[dim] = (0, size - n)
            return np.pad(a, pads, constant_values=fill)

        values, index, counts = fit(values, fill_value or 0, axis or 0), fit(index, 1), fit(counts, 0)
    return [values, *([index] * return_index), *([inverse] * return_inverse), *([counts] * return_counts)]


EXTRAS = {"return_index": True, "return_inverse": True, "return_counts": True}
LINES = [
    Case([(5,)]),
    Case([(3, 7)]),
    Case([(3, 7)], {"axis": 0}),
    Case([(2, 3, 4)], {"axis": 1}),
    Case([(2, 3)], {"axis": None}),
    Case([(2, 1500)]),
    Case([(0,)]),
    Case([(3, 0)]),
    Case([()]),
]
ASCENDING = In(make=lambda rng, shape: np.sort(rng.integers(0, 4, size=shape)))

ROWS = [
    Row(
        "sort",
        _sort,
        cases=LINES,
        dtypes=ALL,
        ulp=0,
        errors=[Bad([X], {"axis": 2}, ValueError, r"\[sort\] expected an axis in \[-2, 2\)")],
        bench=Case([(64, 4096)]),
    ),
    Row("argsort", _argsort, cases=LINES, dtypes=ALL, grad=(), bench=Case([(64, 4096)])),
    Row(
        "argpartition",
        lambda x, kth, axis=-1: np.argsort(x, axis, kind="stable"),
        cases=[Case([(3, 5)], {"kth": 2}), Case([(3, 5)], {"kth": -1, "axis": 0})],
        dtypes=ALL,
        grad=(),
        errors=[Bad([X, 3], {}, ValueError, r"\[argpartition\] expected kth in \[-3, 3\), received 3")],
        bench=Case([(64, 1024)], {"kth": 10}),
    ),
    Row(
        "top_k",
        _top_k,
        cases=[
            Case([(5,)], {"k": 2}),
            Case([(3, 7)], {"k": 7}),
            Case([(3, 40)], {"k": 2}),
            Case([(3, 40)], {"k": 9, "sorted": False}),
            Case([(3, 4)], {"k": 0}),
            Case([(0, 4)], {"k": 2}),
        ],
        dtypes=ALL,
        ulp=0,
        errors=[
            Bad([X, 4], {}, ValueError, r"\[top_k\] expected k in \[0, 3\], the size of the last axis, received 4"),
            Bad([1.0, 1], {}, ValueError, r"\[top_k\] expected a tensor of rank 1 or more"),
        ],
        bench=Case([(64, 4096)], {"k": 10}),
    ),
    Row(
        "in_top_k",
        _in_top_k,
        inputs=(In(low=0, high=4, dtype="int32"), In()),
        cases=[Case([(6,), (6, 5)], {"k": k}) for k in (1, 3, 5)],
        dtypes=FLOATS,
        grad=(),
        errors=[
            Bad([np.array([5, 0]), X], {"k": 1}, IndexError, r"\[in_top_k\] expected indices in \[-3, 3\), received 5"),
            Bad(
                [np.array([0]), X],
                {"k": 1},
                ValueError,
                r"\[in_top_k\] expected targets \(batch,\) and predictions \(batch, classes\)",
            ),
        ],
        bench=Case([(64,), (64, 1000)], {"k": 5}),
    ),
    Row(
        "searchsorted",
        lambda s, v, side="left": np.searchsorted(s, v, side),
        inputs=(ASCENDING, In(low=-1, high=5)),
        cases=[Case([(6,), (5,)]), Case([(6,), (2, 3)], {"side": "right"}), Case([(0,), (2,)]), Case([(3,), ()])],
        dtypes=ALL,
        grad=(),
        errors=[
            Bad([X, X], {}, ValueError, r"\[searchsorted\] expected a sorted_sequence of rank 1"),
            Bad(
                [X[0], X],
                {"side": "middle"},
                ValueError,
                r"\[searchsorted\] expected side 'left' or 'right', received 'middle'",
            ),
        ],
        bench=Case([(1000,), (4096,)]),
    ),
    Row(
        "digitize",
        lambda x, bins: np.searchsorted(bins, x, "right"),
        inputs=(In(low=-1, high=5), ASCENDING),
        cases=[Case([(2, 3), (4,)])],
        dtypes=INTS + FLOATS,
        grad=(),
        errors=[Bad([X, X], {}, ValueError, r"\[digitize\] expected bins of rank 1")],
        bench=Case([(4096,), (100,)]),
    ),
    Row(
        "isin",
        lambda x1, x2, assume_unique=False, invert=False: np.isin(x1, x2, invert=invert),
        inputs=(In(low=-3, high=3, make=lambda rng, shape: rng.integers(0, 6, size=shape)),) * 2,
        cases=[Case([(3, 4), (5,)]), Case([(3,), (2, 2)], {"invert": True}), Case([(3,), (0,)]), Case([(), (3,)])],
        dtypes=ALL,
        grad=(),
        bench=Case([(4096,), (100,)]),
    ),
    Row(
        "bincount",
        _bincount,
        inputs=(In(low=0, high=4, dtype="int32"), In()),
        cases=[
            Case([(7,), (7,)]),
            Case([(7,), None]),
            Case([(2, 5), (2, 5)], {"minlength": 8}),
            Case([(0,), None], {"minlength": 2}),
        ],
        terms=lambda case: 7,
        grad=(1,),
        errors=[
            Bad([np.array([-1])], {}, ValueError, r"\[bincount\] expected integers of at least 0, received -1"),
            Bad([np.array([0.5])], {}, TypeError, r"\[bincount\] expected x of an integer dtype"),
            Bad([np.array([1]), X], {}, ValueError, r"\[bincount\] expected weights of x's shape \(1,\)"),
        ],
        bench=Case([(4096,), (4096,)]),
    ),
    Row(
        "histogram",
        _histogram,
        inputs=(In(), In(dtype="float64", make=lambda rng, shape: np.array([-1.0, 2.0]))),
        cases=[Case([(50,), None]), Case([(50,), (2,)], {"bins": 4}), Case([(0,), None], {"bins": 3})],
        dtypes=("float64", "float32"),
        terms=lambda case: 2,
        grad=(),
        errors=[Bad([X[0]], {"bins": 0}, ValueError, r"\[histogram\] expected bins of at least 1, received 0")],
        bench=Case([(4096,), None]),
    ),
    Row(
        "unique",
        _unique,
        cases=[
            Case([(9,)]),
            Case([(3, 5)], EXTRAS),
            Case([(9,)], {"return_counts": True, "size": 3}),
            Case([(4,)], {**EXTRAS, "size": 9, "fill_value": 2}),
            Case([(6, 2)], {**EXTRAS, "axis": 0}),
            Case([(2, 6)], {**EXTRAS, "axis": 1, "size": 7}),
            Case([(0,)], EXTRAS),
        ],
        dtypes=tuple(t for t in ALL if t != "bfloat16"),
        ulp=0,
        bench=Case([(4096,)], EXTRAS),
    ),
]
