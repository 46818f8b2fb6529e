"""Every op, and its gradient, traced and compiled: the bits that it gives when it runs by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tahr
from op_rows.row import Row
from op_rows.support import ROWS, call, cases_of, inputs_of
from tahr import ops, tracing


def _run(row: Row, tensors: list[Any], attrs: dict[str, Any], gradient: bool) -> list[Any]:
    if not gradient:
        return list(call(row, tensors, attrs))
    watched = [t for t in tensors if t is not None and t.dtype.is_floating]
    with tahr.GradientTape() as tape:
        tape.watch(watched)
        outs = list(call(row, tensors, attrs))
        floats = [ops.sum(ops.cast(o, "float32") * 1.5) for o in outs if o.dtype.is_floating]
        total = sum(floats, tahr.constant(0.0))
    return outs + list(tape.gradient(total, watched, unconnected_gradients="zero"))


def _traced(row: Row, tensors: list[Any], attrs: dict[str, Any], gradient: bool) -> tracing.Traced:
    def f(*symbols: Any) -> list[Any]:
        left = iter(symbols)
        return _run(row, [None if t is None else next(left) for t in tensors], attrs, gradient)

    return tracing.trace(f, [(t.shape, t.dtype) for t in tensors if t is not None])


def _bits(t: Any) -> tuple[str, tuple[int, ...], bytes]:
    x = (ops.cast(t, "float32") if t.dtype == "bfloat16" else t).numpy()
    if x.dtype.kind == "f":
        nan = np.isnan(x)  # of NaNs only where they are
        return str(t.dtype), x.shape, np.where(nan, np.zeros((), x.dtype), x).tobytes() + nan.tobytes()
    return str(t.dtype), x.shape, x.tobytes()


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.op)
def test_traced_as_run(row: Row):
    for dtype in row.dtypes[:2]:
        for case in cases_of(row):
            values = inputs_of(row, case, dtype)
            tensors = [None if v is None else tahr.convert_to_tensor(v) for v in values]
            given = [t for t in tensors if t is not None]
            for gradient in (False, True) if row.grad else (False,):
                traced = _traced(row, tensors, case.attrs, gradient)
                got, expected = traced.graph(given), _run(row, tensors, case.attrs, gradient)
                assert [_bits(t) for t in got] == [_bits(t) for t in expected], traced.text()
