"""Every op, from its one row in op_rows: values, gradients, second gradients, threads, instruction sets, errors."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import tahr
from op_rows.fallbacks import FALLBACKS
from op_rows.row import Case, Row
from op_rows.support import ROWS, TABLE, assert_close, call, cases_of, inputs_of, reference, rng_for
from tahr import _C

BY_OP = {row.op: row for row in ROWS}
rows = pytest.mark.parametrize("row", ROWS, ids=[r.op for r in ROWS])
DIFFERENTIABLE = [r for r in ROWS if r.grad]


@pytest.fixture(autouse=True)
def no_silent_fallbacks(request):
    """With `--device gpu`: what ran on the CPU all the same is stated."""
    _C.reset_device_fallbacks()
    yield
    if request.config.getoption("--device") == "gpu":
        silent = tahr.config.device_fallbacks().keys() - FALLBACKS.keys()
        assert not silent, f"ran on the CPU, and op_rows/fallbacks.py does not say so: {sorted(silent)}"


def test_every_op_has_one_row():
    stateful = {name for name, d in TABLE.items() if d["stateful"] and not d["inputs"][0]["variadic"]}
    missing = [n for n, d in TABLE.items() if not d["hidden"] and n not in BY_OP and n not in stateful]
    assert not missing, f"ops without a row in tests/python/op_rows: {missing}"
    assert len(BY_OP) == len(ROWS), "an op has two rows"
    assert not [n for n in BY_OP if n not in TABLE], "rows of ops that the table lacks"


@rows
def test_values(row: Row):
    for dtype in row.dtypes:
        for case in cases_of(row):
            values = inputs_of(row, case, dtype)
            got = call(row, values, case.attrs)
            expected = reference(row, values, case.attrs)
            assert len(got) == len(expected)
            for g, e in zip(got, expected):
                assert_close(row, case, g, e, values)


def _weighted(row: Row, case: Case, values: list, weights: list | None) -> tuple[tahr.Tensor, list]:
    """A scalar that depends on every floating-point output."""
    outs = [o for o in call(row, values, case.attrs) if o.dtype.is_floating]
    if weights is None:
        rng = rng_for("weights", row.op)
        weights = [rng.uniform(0.5, 1.5, size=o.shape) for o in outs]
    total = sum((tahr.reduce_sum(o * w) for o, w in zip(outs, weights)), tahr.constant(0.0, "float64"))
    return total, weights


def _gradient(row: Row, case: Case, values: list, which: list[int], weights: list | None) -> tuple[list, list]:
    tensors = [None if v is None else tahr.convert_to_tensor(v) for v in values]
    with tahr.GradientTape() as tape:
        for i in which:
            tape.watch(tensors[i])
        y, weights = _weighted(row, case, tensors, weights)
    grads = tape.gradient(y, [tensors[i] for i in which], unconnected_gradients="zero")
    return grads, weights


def _numeric(f, values: list, i: int, step: float) -> np.ndarray:
    """Central differences of a scalar or vector function of values[i], one element at a time."""
    out = []
    for j in np.ndindex(values[i].shape):
        ends = []
        for sign in (1, -1):
            moved = list(values)
            moved[i] = values[i].copy()
            moved[i][j] += sign * step
            ends.append(f(moved))
        out.append((ends[0] - ends[1]) / (2 * step))
    return np.array(out)


def _indices(row: Row, case: Case, values: list) -> list[int]:
    every = list(row.grad)
    if TABLE[row.op]["inputs"] and TABLE[row.op]["inputs"][-1]["variadic"] and every == [0]:
        every = list(range(len(case.shapes)))
    return [i for i in every if values[i] is not None and values[i].dtype.kind == "f" and values[i].size <= 64]


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=[r.op for r in DIFFERENTIABLE])
def test_gradients(row: Row):
    """First derivatives against central differences in float64: error h²/6·f''' + ε/h, about 1e-8 of the scale."""
    for case in row.cases:
        values = inputs_of(row, case, "float64")
        which = _indices(row, case, values)
        if not which:
            continue
        grads, weights = _gradient(row, case, values, which, None)

        def f(moved, case=case, weights=weights):
            return float(_weighted(row, case, moved, weights)[0])

        for i, g in zip(which, grads):
            expected = _numeric(f, values, i, 1e-5).reshape(values[i].shape)
            scale = max(1.0, float(np.abs(expected).max(initial=0)))
            np.testing.assert_allclose(
                g.numpy(), expected, rtol=2e-6, atol=2e-6 * scale, err_msg=f"[{row.op}] input {i}, {case}"
            )


@pytest.mark.parametrize("row", [r for r in DIFFERENTIABLE if r.grad2], ids=[r.op for r in DIFFERENTIABLE if r.grad2])
def test_second_gradients(row: Row):
    """Derivatives of a weighted sum of the gradient, against central differences of the gradient itself."""
    for case in row.cases:
        values = inputs_of(row, case, "float64")
        which = [i for i in _indices(row, case, values) if values[i].size <= 24]
        if not which:
            continue
        _, weights = _gradient(row, case, values, which, None)
        rng = rng_for("directions", row.op)
        directions = [rng.uniform(0.5, 1.5, size=values[i].shape) for i in which]

        def along(moved, case=case, which=which, weights=weights, directions=directions):
            grads, _ = _gradient(row, case, moved, which, weights)
            return sum(float((g.numpy() * d).sum()) for g, d in zip(grads, directions))

        tensors = [None if v is None else tahr.convert_to_tensor(v) for v in values]
        with tahr.GradientTape() as outer:
            for i in which:
                outer.watch(tensors[i])
            with tahr.GradientTape() as inner:
                for i in which:
                    inner.watch(tensors[i])
                y, _ = _weighted(row, case, tensors, weights)
            grads = inner.gradient(y, [tensors[i] for i in which], unconnected_gradients="zero")
            s = sum((tahr.reduce_sum(g * d) for g, d in zip(grads, directions)), tahr.constant(0.0, "float64"))
        second = outer.gradient(s, [tensors[i] for i in which], unconnected_gradients="zero")
        for i, g in zip(which, second):
            expected = _numeric(along, values, i, 1e-5).reshape(values[i].shape)
            scale = max(1.0, float(np.abs(expected).max(initial=0)))
            np.testing.assert_allclose(
                g.numpy(), expected, rtol=1e-5, atol=1e-5 * scale, err_msg=f"[{row.op}] input {i}, {case}"
            )


@rows
def test_same_bits_at_any_thread_count(row: Row, request):
    """On a GPU, where threads have nothing to say: the same bits in every run."""
    case = row.bench or row.cases[-1]
    dtype = "float32" if "float32" in row.dtypes else row.dtypes[0]
    counts = [1, 2, 3, 7]
    if request.config.getoption("--device") == "gpu":
        counts = [1, 1, 1]
        if _C.gpu_is_emulated():  # millions of emulated threads take minutes
            case = max(row.cases, key=lambda c: sum(np.prod(s) for s in c.shapes if s is not None))
    values = inputs_of(row, case, dtype)
    before = tahr.config.num_threads()
    results = []
    try:
        for n in counts:
            tahr.config.set_num_threads(n)
            results.append([np.asarray(o).tobytes() for o in call(row, values, case.attrs)])
    finally:
        tahr.config.set_num_threads(before)
    assert all(r == results[0] for r in results), f"[{row.op}] bits depend on the number of threads, {case}"


@pytest.mark.parametrize("row", [r for r in ROWS if r.errors], ids=[r.op for r in ROWS if r.errors])
def test_errors(row: Row):
    for bad in row.errors:
        with pytest.raises(bad.error, match=bad.match):
            out = getattr(_C.ops, row.op)(*bad.args, **bad.attrs)
            for o in out if isinstance(out, (list, tuple)) else [out]:
                np.asarray(o)  # a GPU tells of values that it refuses when the host reads


@pytest.mark.parametrize("isa", ["v2", "v3", "v4"])
def test_values_on_other_instruction_sets(isa: str):
    """The value tests once more, in a process that is held to another instruction set."""
    env = {**os.environ, "TAHR_ISA": isa}
    probe = subprocess.run(
        [sys.executable, "-c", "import tahr.config as c; print(c.instruction_set())"],
        env=env,
        capture_output=True,
        text=True,
    )
    if probe.returncode != 0:
        assert "TAHR_ISA" in probe.stderr, probe.stderr
        pytest.skip(f"this CPU has no {isa}")
    if probe.stdout.strip() == tahr.config.instruction_set() and "TAHR_ISA" not in os.environ:
        return  # what test_values just ran
    if os.environ.get("TAHR_ISA"):
        return  # already inside such a process
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", __file__, "-k", "test_values and not instruction"],
        env=env,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:]


def test_decompositions_agree_with_their_kernels():
    """A fused op and the plain ops it stands for give the same values to within a few roundings."""
    for row in ROWS:
        if not TABLE[row.op]["fused"]:
            continue
        case = row.cases[0]
        values = inputs_of(row, case, "float64")
        tensors = [None if v is None else tahr.convert_to_tensor(v) for v in values]
        fused = call(row, tensors, case.attrs)
        plain = _C.decompose(row.op, tensors, case.attrs)
        for a, b in zip(fused, plain):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12, err_msg=row.op)
