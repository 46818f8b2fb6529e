"""Rows of the linear-algebra family."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import ALL, FLOATS, Bad, Case, In, Row

UNIT = In(-1.0, 1.0)  # products then have magnitude 1 at most, so that a sum of k has k roundings of at most k
NUMBERS = tuple(d for d in ALL if d != "bool")


def wide(x: np.ndarray) -> np.ndarray:
    """Integers in 64 bits, where NumPy does not wrap around; the test wraps the result."""
    return x.astype(np.int64) if x.dtype.kind in "iu" else x


def wide_reference(f: Any) -> Any:
    return lambda *xs, **attrs: f(*map(wide, xs), **attrs)


def matmul(x1: np.ndarray, x2: np.ndarray, transpose_a: bool = False, transpose_b: bool = False) -> np.ndarray:
    x1, x2 = wide(x1), wide(x2)
    return np.matmul(np.swapaxes(x1, -1, -2) if transpose_a else x1, np.swapaxes(x2, -1, -2) if transpose_b else x2)


def matmul_terms(case: Case) -> int:
    shape = case.shapes[0]
    return shape[-2] if case.attrs.get("transpose_a") else shape[-1]


def tensordot(x1: np.ndarray, x2: np.ndarray, axes: Any = 2) -> np.ndarray:
    return np.tensordot(wide(x1), wide(x2), axes)


def einsum(*operands: np.ndarray, subscripts: str) -> np.ndarray:
    return np.einsum(subscripts, *map(wide, operands))


def cross(
    x1: np.ndarray, x2: np.ndarray, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(x1, axisa, -1), np.moveaxis(x2, axisb, -1)
    flat = a.shape[-1] == b.shape[-1] == 2
    a, b = (np.concatenate([v, np.zeros((*v.shape[:-1], 3 - v.shape[-1]), v.dtype)], -1) for v in (a, b))
    rolled = [np.roll(v, -s, -1) for v in (a, b) for s in (1, 2)]
    out = rolled[0] * rolled[3] - rolled[1] * rolled[2]
    return out[..., 2] if flat else np.moveaxis(out, -1, axisc)


def norm(x: np.ndarray, ord: Any = None, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return np.linalg.norm(x, ord, axis, keepdims)


BATCHES = [
    Case([(2, 3), (3, 4)]),
    Case([(3,), (3,)]),
    Case([(3,), (3, 4)]),
    Case([(2, 3), (3,)]),
    Case([(2, 1, 2, 3), (3, 3, 2)]),
    Case([(2, 2, 3), (3, 4)]),
    Case([(2, 3), (4, 3, 2)]),
    Case([(0, 3), (3, 2)]),
    Case([(2, 0), (0, 2)]),
    Case([(3, 2), (3, 4)], {"transpose_a": True}),
    Case([(2, 3), (4, 3)], {"transpose_b": True}),
    Case([(3, 2), (4, 3)], {"transpose_a": True, "transpose_b": True}),
    Case([(2, 3, 2), (1, 4, 3)], {"transpose_a": True, "transpose_b": True}),
    Case([(2, 2, 3), (4, 3)], {"transpose_b": True}),
    Case([(2, 3), (2, 3, 4)], {}),
    Case([(3,), (2, 4, 3)], {"transpose_b": True}),
    Case([(33, 47), (47, 65)]),
    Case([(47, 33), (65, 47)], {"transpose_a": True, "transpose_b": True}),
]

ROWS = [
    Row(
        "matmul",
        matmul,
        (UNIT, UNIT),
        BATCHES,
        ALL,
        terms=matmul_terms,
        grad=(0, 1),
        errors=[
            Bad(
                [np.ones((2, 3)), np.ones((4, 2))],
                {},
                ValueError,
                r"\[matmul\] expected x1 and x2 to agree .* 3 is not 4",
            ),
            Bad(
                [np.ones((2, 2, 3)), np.ones((5, 3, 2))],
                {},
                ValueError,
                r"\[matmul\] expected leading dimensions that broadcast",
            ),
            Bad(
                [np.ones(()), np.ones(3)],
                {},
                ValueError,
                r"\[matmul\] expected tensors of rank 1 or more.*Use multiply",
            ),
            Bad(
                [np.ones(3), np.ones(3)],
                {"transpose_a": True},
                ValueError,
                r"\[matmul\] expected a matrix to transpose",
            ),
        ],
        bench=Case([(256, 256), (256, 256)]),
    ),
    Row(
        "dot",
        wide_reference(np.dot),
        (UNIT, UNIT),
        [Case(s) for s in [((), (3,)), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((2, 2, 3), (2, 3, 2))]],
        NUMBERS,
        terms=lambda case: (*case.shapes[0], 1)[max(0, len(case.shapes[0]) - 1)],
        grad=(0, 1),
        errors=[
            Bad([np.ones((2, 3)), np.ones((2, 3))], {}, ValueError, r"\[dot\] expected the last axis of x1 to match")
        ],
    ),
    Row(
        "tensordot",
        tensordot,
        (UNIT, UNIT),
        [
            Case([(2, 3, 2), (3, 2, 2)]),
            Case([(2, 3), (3, 2)], {"axes": 1}),
            Case([(2,), (3,)], {"axes": 0}),
            Case([(2, 3, 4), (4, 2, 2)], {"axes": [[0, 2], [1, 0]]}),
            Case([(2, 3), (4, 3)], {"axes": [[-1], [-1]]}),
            Case([(2, 3), (2, 3)], {"axes": (1, 1)}),
        ],
        NUMBERS,
        terms=lambda case: 8,
        grad=(0, 1),
        errors=[
            Bad(
                [np.ones((2, 3)), np.ones((2, 3))],
                {"axes": 1},
                ValueError,
                r"\[tensordot\] expected contracted axes of equal size",
            ),
            Bad(
                [np.ones(2), np.ones(2)],
                {"axes": 2},
                ValueError,
                r"\[tensordot\] expected axes between 0 and the smaller rank",
            ),
            Bad(
                [np.ones((2, 2)), np.ones((2, 2))],
                {"axes": [[0, 1], [0]]},
                ValueError,
                r"\[tensordot\] expected as many axes",
            ),
            Bad(
                [np.ones((2, 2)), np.ones((2, 2))],
                {"axes": [[0, 0], [0, 1]]},
                ValueError,
                r"\[tensordot\] expected distinct",
            ),
        ],
    ),
    Row(
        "outer", wide_reference(np.outer), (UNIT, UNIT), [Case([(3,), (4,)]), Case([(2, 2), ()])], NUMBERS, grad=(0, 1)
    ),
    Row(
        "inner",
        wide_reference(np.inner),
        (UNIT, UNIT),
        [Case(s) for s in [((3,), (3,)), ((), (2,)), ((2, 3), (4, 3)), ((2, 2, 3), (3,))]],
        NUMBERS,
        terms=lambda case: 3,
        grad=(0, 1),
        errors=[Bad([np.ones((2, 3)), np.ones((2, 4))], {}, ValueError, r"\[inner\] expected last axes of equal size")],
    ),
    Row(
        "vdot",
        wide_reference(np.vdot),
        (UNIT, UNIT),
        [Case([(4,), (4,)]), Case([(2, 3), (3, 2)]), Case([(), ()])],
        NUMBERS,
        terms=lambda case: 6,
        grad=(0, 1),
        errors=[Bad([np.ones(3), np.ones(4)], {}, ValueError, r"\[vdot\] expected tensors of equal size")],
    ),
    Row(
        "vecdot",
        lambda x1, x2, axis=-1: (wide(x1) * wide(x2)).sum(axis),
        (UNIT, UNIT),
        [Case([(2, 3), (2, 3)]), Case([(4, 1, 3), (2, 3)]), Case([(3, 2), (3, 2)], {"axis": 0})],
        NUMBERS,
        terms=lambda case: 8,
        grad=(0, 1),
        errors=[
            Bad([np.ones((2, 3)), np.ones((2, 1))], {}, ValueError, r"\[vecdot\] expected vectors of equal length")
        ],
    ),
    Row(
        "cross",
        wide_reference(cross),
        (UNIT, UNIT),
        [
            Case([(3,), (3,)]),
            Case([(2,), (2,)]),
            Case([(4, 3), (2,)]),
            Case([(2, 2), (2, 3)]),
            Case([(3, 4), (4, 3)], {"axisa": 0}),
            Case([(3, 2), (3, 2)], {"axis": 0}),
        ],
        NUMBERS,
        terms=lambda case: 2,
        grad=(0, 1),
        errors=[Bad([np.ones(4), np.ones(3)], {}, ValueError, r"\[cross\] expected vectors of 2 or 3 components")],
    ),
    Row(
        "kron",
        wide_reference(np.kron),
        (UNIT, UNIT),
        [Case([(2, 3), (2, 2)]), Case([(3,), (2,)]), Case([(2, 2), (3,)]), Case([(), (2,)])],
        NUMBERS,
        grad=(0, 1),
        errors=[Bad([np.ones((1,) * 5), np.ones(2)], {}, ValueError, r"\[kron\] expected tensors of rank at most 4")],
    ),
    Row(
        "einsum",
        einsum,
        (UNIT,),
        [
            Case(shapes, {"subscripts": subscripts})
            for subscripts, shapes in [
                ("ij,jk->ik", [(2, 3), (3, 2)]),
                ("ij,jk", [(2, 3), (3, 2)]),
                ("ij,kj->ki", [(2, 3), (4, 3)]),
                ("ji,jk->ik", [(3, 2), (3, 4)]),
                ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
                ("abij,abkj->abik", [(1, 2, 2, 3), (1, 2, 2, 3)]),
                ("bqhd,bkhd->bhqk", [(2, 3, 2, 2), (2, 2, 2, 2)]),
                ("i,j->ij", [(2,), (3,)]),
                ("i,i", [(3,), (3,)]),
                ("i,i->i", [(3,), (3,)]),
                ("ij->ji", [(2, 3)]),
                ("ba", [(2, 3)]),
                ("ij->", [(2, 3)]),
                ("ii->i", [(3, 3)]),
                ("ii", [(3, 3)]),
                ("iij,jk->ik", [(2, 2, 3), (3, 2)]),
                ("...ij,...jk->...ik", [(2, 2, 3), (1, 3, 2)]),
                ("...i,i...->...", [(2, 3), (3, 2)]),
                ("i...->...", [(2, 3, 2)]),
                ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 2)]),
                ("ijk,ilm,njm,nlk->", [(2, 2, 2)] * 4),
                ("ijk,j->ki", [(2, 3, 2), (3,)]),
                ("ij,jk->k", [(2, 3), (3, 2)]),
                ("abc,cd->abd", [(2, 2, 3), (3, 2)]),
                ("ij,ij->ij", [(2, 3), (1, 3)]),
                (" i j , j -> i ", [(2, 3), (3,)]),
                ("ij,j->i", [(0, 3), (3,)]),
            ]
        ],
        NUMBERS,
        terms=lambda case: 32,
        errors=[
            Bad(
                [[np.ones((2, 3)), np.ones((4, 2))], "ij,jk->ik"],
                {},
                ValueError,
                r"\[einsum\] .* agree in axis 'j', .* 3 and 4",
            ),
            Bad([[np.ones((2, 3))], "ijk->i"], {}, ValueError, r"\[einsum\] expected operand 0 to have 3 axes"),
            Bad([[np.ones((2, 3))], "ij,jk->ik"], {}, ValueError, r"\[einsum\] expected 1 comma-separated inputs"),
            Bad(
                [[np.ones((2, 3))], "ij->ik"],
                {},
                ValueError,
                r"\[einsum\] expected output letters that some input has \('k'\)",
            ),
            Bad([[np.ones((2, 3))], "ij->ii"], {}, ValueError, r"\[einsum\] expected each letter once in the output"),
            Bad([[np.ones((2, 3))], "i1->i"], {}, ValueError, r"\[einsum\] expected letters, commas"),
            Bad([[np.ones((2, 3))], "...i->i"], {}, ValueError, r"\[einsum\] expected '...' in the output"),
            Bad(
                [[np.ones((2, 3))], "ii->i"],
                {},
                ValueError,
                r"\[einsum\] expected the repeated axis 'i' to have one size",
            ),
        ],
    ),
    Row(
        "norm",
        norm,
        (In(-3.0, 3.0, avoid=(0.0,), gap=0.3),),
        [
            Case([(2, 3)]),
            Case([(2, 2, 2)]),
            Case([()]),
            Case([(2, 3)], {"axis": 1}),
            Case([(2, 3)], {"axis": 0, "keepdims": True}),
            *(Case([(2, 3)], {"axis": -1, "ord": o}) for o in (1, 2, 3, 2.5, 0, -1, -2, np.inf, -np.inf)),
            *(Case([(2, 3)], {"ord": o}) for o in (None, "fro", 1, -1, np.inf, -np.inf)),
            *(Case([(2, 3, 2)], {"axis": (2, 0), "ord": o, "keepdims": True}) for o in ("fro", 1, -1, np.inf, -np.inf)),
            Case([(5,)], {"ord": 3}),
        ],
        FLOATS,
        ulp=8,
        terms=lambda case: 12,
        errors=[
            Bad(
                [np.ones((2, 3))],
                {"ord": 3},
                ValueError,
                r"\[norm\] expected ord to be None, 'fro'.* received ord=3\.0",
            ),
            Bad([np.ones(3)], {"ord": "fro"}, ValueError, r"\[norm\] expected ord as a number for vectors"),
            Bad([np.ones((2, 2, 2))], {"ord": 1}, ValueError, r"\[norm\] expected one axis \(vectors\) or two"),
            Bad([np.ones((2, 3))], {"axis": (0, 0)}, ValueError, r"\[norm\] expected two distinct axes"),
        ],
    ),
]
