"""Rows of the array family: tensors from nothing."""

import numpy as np

from .row import ALL, Bad, Case, In, Row

X = np.zeros((2, 3), np.float32)
SHAPES = [Case([], {"shape": (2, 3), "dtype": d}) for d in ALL if d != "bfloat16"] + [
    Case([], {"shape": ()}),
    Case([], {"shape": (0, 2)}),
    Case([], {"shape": 3}),
]


def _filled(value):
    return lambda shape, dtype="float32": np.full(shape, value, dtype)


def _like(value):
    return lambda x, dtype=None: np.full(x.shape, value, dtype or x.dtype)


def _arange(start, stop=None, step=None, dtype="float32"):
    start, stop = (0, start) if stop is None else (start, stop)
    return np.arange(start, stop, 1 if step is None else step).astype(dtype)


ROWS = [
    *(
        Row(
            name,
            _filled(value),
            cases=SHAPES,
            dtypes=("float32",),
            ulp=0,
            grad=(),
            errors=[
                Bad([(2, -3)], {}, ValueError, rf"\[{name}\] expected sizes of at least 0, received shape \(2, -3\)")
            ],
            bench=Case([], {"shape": (512, 512)}),
        )
        for name, value in (("zeros", 0), ("empty", 0), ("ones", 1))
    ),
    Row(
        "full",
        lambda shape, fill_value, dtype="float32": np.full(shape, fill_value, dtype),
        cases=[Case([], {"shape": (2, 3), "fill_value": 7, "dtype": d}) for d in ALL if d not in ("bfloat16", "bool")]
        + [Case([], {"shape": (), "fill_value": 0.1, "dtype": "float64"})],
        dtypes=("float32",),
        ulp=0,
        grad=(),
        bench=Case([], {"shape": (512, 512), "fill_value": 7}),
    ),
    *(
        Row(
            name,
            _like(value),
            cases=[Case([(2, 3)]), Case([()], {"dtype": "int32"}), Case([(0, 2)])],
            dtypes=ALL,
            ulp=0,
            grad=(),
            bench=Case([(512, 512)]),
        )
        for name, value in (("zeros_like", 0), ("empty_like", 0), ("ones_like", 1))
    ),
    Row(
        "full_like",
        lambda x, fill_value, dtype=None: np.full(x.shape, fill_value, dtype or x.dtype),
        cases=[Case([(2, 3)], {"fill_value": 1}), Case([()], {"fill_value": 3, "dtype": "int32"})],
        dtypes=ALL,
        ulp=0,
        grad=(),
        bench=Case([(512, 512)], {"fill_value": 7}),
    ),
    Row(
        "arange",
        _arange,
        cases=[
            Case([], {"start": 5}),
            Case([], {"start": 2, "stop": 9, "step": 3, "dtype": "int32"}),
            Case([], {"start": 5, "stop": 0, "step": -2, "dtype": "int64"}),
            Case([], {"start": 3, "stop": 1}),
            Case([], {"start": 0, "stop": 1, "step": 0.1, "dtype": "float64"}),
        ],
        dtypes=("float32",),
        ulp=1,
        grad=(),
        errors=[Bad([0, 5, 0], {}, ValueError, r"\[arange\] expected finite bounds and a step other than 0")],
        bench=Case([], {"start": 100000}),
    ),
    Row(
        "linspace",
        lambda start, stop, num=50, endpoint=True, axis=0: np.linspace(start, stop, num, endpoint, axis=axis),
        inputs=(In(low=0, high=1), In(low=2, high=3)),
        cases=[
            Case([(), ()], {"num": 5}),
            Case([(3,), ()], {"num": 4, "axis": -1}),
            Case([(3,), (2, 1)], {"num": 4, "endpoint": False}),
            Case([(), ()], {"num": 1}),
            Case([(), ()], {"num": 0}),
        ],
        terms=lambda case: 2,
        grad=(0, 1),
        errors=[Bad([0.0, 1.0, -1], {}, ValueError, r"\[linspace\] expected num of at least 0, received -1")],
        bench=Case([(64,), (64,)], {"num": 1000}),
    ),
    Row(
        "eye",
        lambda N, M=None, k=0, dtype="float32": np.eye(N, M, k, dtype),
        cases=[
            Case([], {"N": 3}),
            Case([], {"N": 3, "M": 5, "k": 1, "dtype": "int32"}),
            Case([], {"N": 3, "M": 2, "k": -1}),
            Case([], {"N": 0}),
            Case([], {"N": 2, "k": 7}),
        ],
        dtypes=("float32",),
        ulp=0,
        grad=(),
        bench=Case([], {"N": 512}),
    ),
    Row(
        "identity",
        lambda n, dtype="float32": np.identity(n, dtype),
        cases=[Case([], {"n": 3}), Case([], {"n": 2, "dtype": "bool"})],
        dtypes=("float32",),
        ulp=0,
        grad=(),
        bench=Case([], {"n": 512}),
    ),
    Row(
        "tri",
        lambda N, M=None, k=0, dtype="float32": np.tri(N, M, k, dtype),
        cases=[
            Case([], {"N": 3}),
            Case([], {"N": 3, "M": 5, "k": 1, "dtype": "int32"}),
            Case([], {"N": 3, "M": 2, "k": -5}),
        ],
        dtypes=("float32",),
        ulp=0,
        grad=(),
        bench=Case([], {"N": 512}),
    ),
]
