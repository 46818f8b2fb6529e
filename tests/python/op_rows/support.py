"""Drawing inputs from rows, calling ops and comparing with references: shared by the tests and the microbenchmarks."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tahr
from tahr import _C

from . import __path__ as _path
from .row import Case, In, Row

TABLE: dict[str, dict[str, Any]] = {d["name"]: d for d in _C.op_table()}


def all_rows() -> list[Row]:
    rows: list[Row] = []
    for info in pkgutil.iter_modules(_path):
        rows += getattr(importlib.import_module(f"{__package__}.{info.name}"), "ROWS", [])
    return rows


ROWS = all_rows()


def rng_for(*key: Any) -> np.random.Generator:
    """A generator that depends on the test alone, not on the order of tests."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def numpy_dtype(name: str) -> Any:
    return tahr.as_dtype(name).as_numpy_dtype


def eps(dtype: str) -> float:
    return {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}.get(dtype, 2.0**-52)


def tiny(dtype: str) -> float:
    """Below this, results may lose relative accuracy: the smallest normal number."""
    return {"float16": 2.0**-14, "float64": 2.0**-1022}.get(dtype, 2.0**-126)


def draw(spec: In, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    to = numpy_dtype(spec.dtype or dtype)
    if spec.make is not None:
        return np.asarray(spec.make(rng, shape)).astype(to)
    kind = np.dtype(to).kind if (spec.dtype or dtype) != "bfloat16" else "f"
    if kind == "b":
        return rng.integers(0, 2, size=shape).astype(bool)
    if kind in "iu":
        info = np.iinfo(to)
        low, high = max(int(np.ceil(spec.low)), info.min), min(int(np.floor(spec.high)), info.max)
        x = rng.integers(low, max(high, low) + 1, size=shape)
        for point in spec.avoid:
            x = np.where(x == point, x + 1 if point + 1 <= high else x - 1, x)
        return x.astype(to)
    x = rng.uniform(spec.low, spec.high, size=shape)
    for point in spec.avoid:
        near = np.abs(x - point) < spec.gap
        x = np.where(near, point + np.where(x >= point, spec.gap, -spec.gap), x)
    return x.astype(to)


def inputs_of(row: Row, case: Case, dtype: str) -> list[np.ndarray | None]:
    rng = rng_for(row.op, case.shapes, sorted(case.attrs.items(), key=str), dtype)
    specs = list(row.inputs)
    specs += [specs[-1]] * (len(case.shapes) - len(specs))  # variadic ops repeat the last description
    return [None if s is None else draw(spec, rng, tuple(s), dtype) for spec, s in zip(specs, case.shapes)]


def call(row: Row, values: list[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    """The op's outputs; variadic inputs are gathered into a list."""
    op = getattr(_C.ops, row.op)
    described = TABLE[row.op]["inputs"]
    if described and described[-1]["variadic"]:
        fixed = len(described) - 1
        result = op(*values[:fixed], list(values[fixed:]), **attrs)
    else:
        result = op(*values, **attrs)
    outputs = tuple(result) if isinstance(result, (list, tuple)) else (result,)
    return outputs[: len(outputs) - row.kept]


def reference(row: Row, values: list[np.ndarray | None], attrs: dict[str, Any]) -> tuple[np.ndarray, ...]:
    wide = [v.astype(np.float64) if v is not None and tahr.as_dtype(v.dtype).is_floating else v for v in values]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy on empty slices
        result = row.reference(*wide, **attrs)
    return tuple(map(np.asarray, result)) if isinstance(result, (tuple, list)) else (np.asarray(result),)


def assert_close(row: Row, case: Case, got: Any, expected: np.ndarray, values: list[Any]) -> None:
    dtype = str(got.dtype)
    actual = got.numpy()
    assert actual.shape == expected.shape, f"[{row.op}] shape {actual.shape}, expected {expected.shape} for {case}"
    if not tahr.as_dtype(dtype).is_floating:
        np.testing.assert_array_equal(actual, expected.astype(actual.dtype), err_msg=f"[{row.op}] {case}")
        return
    wide = actual.astype(np.float64)
    expected = expected.astype(np.float64)
    limit = (
        float(np.finfo(np.float16).max)
        if dtype == "float16"
        else 3.3895e38
        if dtype == "bfloat16"
        else np.finfo(dtype).max
    )
    with np.errstate(all="ignore"):
        expected = np.where(np.abs(expected) > limit, np.sign(expected) * np.inf, expected)
    same = (np.isnan(wide) & np.isnan(expected)) | (wide == expected)
    bound = eps(dtype) * row.ulp * np.maximum(np.abs(expected), tiny(dtype))
    if row.terms is not None:
        finite = [
            np.abs(v[np.isfinite(v)]).max() for v in map(np.float64, filter(_is_float, values)) if np.isfinite(v).any()
        ]
        magnitude = max(
            [1.0, *finite, np.abs(expected[np.isfinite(expected)]).max() if np.isfinite(expected).any() else 0.0]
        )
        bound = bound + max(eps(dtype), 2.0**-23 if dtype != "float64" else 0.0) * row.terms(case) * magnitude
    with np.errstate(invalid="ignore"):
        bad = ~same & ~(np.abs(wide - expected) <= bound)
    if bad.any():
        i = tuple(int(j[0]) for j in np.nonzero(bad)) if bad.ndim else ()
        raise AssertionError(
            f"[{row.op}] {dtype} {case}: {bad.sum()} of {bad.size} differ, first at {i}: "
            f"{wide[i]!r}, expected {expected[i]!r}, allowed difference {np.broadcast_to(bound, bad.shape)[i]:.3g}"
        )


def _is_float(v: Any) -> bool:
    return v is not None and v.size > 0 and tahr.as_dtype(v.dtype).is_floating


UNARY_SHAPES = [(), (0,), (1,), (7,), (33,), (1025,), (3, 1, 5), (2, 1, 2, 1, 2, 1, 2, 1)]
BINARY_SHAPES = [
    *(((), ()), ((5,), ()), ((), (5,)), ((0,), (1,)), ((3, 1), (1, 4)), ((2, 3, 17), (17,)), ((17, 1), (17, 33))),
    *(((1025,), (1025,)), ((2, 1, 3, 1, 2), (4, 1, 5, 1)), ((1, 1, 1, 1, 1, 1, 2, 2), (2, 1, 1, 1, 1, 1, 1, 2))),
]


def cases_of(row: Row) -> Iterator[Case]:
    """The row's own cases; for elementwise ops also odd sizes, rank 0 and 8, empty tensors and broadcasting."""
    yield from row.cases
    if not TABLE[row.op]["elementwise"]:
        return
    attrs = row.cases[0].attrs
    n = len(row.cases[0].shapes)
    if n == 1:
        for s in UNARY_SHAPES:
            yield Case([s], attrs)
    elif n == 2:
        for a, b in BINARY_SHAPES:
            yield Case([a, b], attrs)
