"""Random programs with variables, assignments and escaping results: traced and eager runs give the same bits."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from random_programs import Cells, make_program, values
from tahr import ops, tracing

_CALLS = 3


def _bits(a: np.ndarray) -> np.ndarray:
    """The bits of an array, all NaN made one."""
    if a.dtype != np.float32:
        return a
    a = np.where(np.isnan(a), np.float32("nan"), a)
    return a.view("uint32")


def _run(program, traced: bool):
    """All that can be seen of some calls in a row: results, variables after each, results as they are at the end."""
    variables = Cells(values(program.seed + 1, program.variable_shapes))
    call = tahr.function(lambda *x: program(x, variables)) if traced else lambda *x: program(x, variables)
    seen, kept = [], []
    for i in range(_CALLS):
        inputs = [tahr.constant(x) for x in values(program.seed + 2 + i, program.input_shapes)]
        kept.append((call(*inputs), inputs))
        seen.append([r.numpy() for r in kept[-1][0]])
        seen.append([v.numpy() for v in variables.all()])
    for results, inputs in kept:  # nothing that a caller holds was written to by later calls
        seen.append([r.numpy() for r in results])
        seen.append([x.numpy() for x in inputs])
    return [a for group in seen for a in group]


@pytest.mark.parametrize("block", range(10))
def test_traced_programs_give_the_bits_of_eager_ones(block):
    for seed in range(block * 25, block * 25 + 25):
        program = make_program(seed * 1000, length=10 + seed % 40)
        eager = _run(program, traced=False)
        traced = _run(program, traced=True)
        assert len(eager) == len(traced)
        for i, (a, b) in enumerate(zip(eager, traced)):
            assert a.shape == b.shape, f"seed {seed}, result {i}"
            different = _bits(a) != _bits(b)
            assert not different.any(), f"seed {seed}, result {i}: {a[different][:3]} and {b[different][:3]}"


def _gradients(program, traced: bool, order: int):
    """Gradients of a sum over what escapes, in two calls in a row."""
    variables = Cells(values(program.seed + 1, program.variable_shapes))
    call = tahr.function(lambda *x: program(x, variables)) if traced else lambda *x: program(x, variables)
    found = []
    for i in range(2):
        inputs = [tahr.constant(x) for x in values(program.seed + 2 + i, program.input_shapes)]
        sources = [*inputs, *variables]
        with tahr.GradientTape() as outer:
            outer.watch(inputs)
            with tahr.GradientTape() as inner:
                inner.watch(inputs)
                loss = sum((ops.sum(ops.sin(y)) for y in call(*inputs)), tahr.constant(0.0))
            if order == 2:
                first = inner.gradient(loss, sources)
                steepness = sum((ops.sum(ops.tanh(g)) for g in first if g is not None), tahr.constant(0.0))
        found += inner.gradient(loss, sources) if order == 1 else outer.gradient(steepness, sources)
    return [None if g is None else g.numpy() for g in found]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("block", range(4))
def test_gradients_through_traced_programs(block, order):
    """Sums of cotangents may be taken in another order: a few units in the last place of the largest, per addend."""
    for seed in range(block * 25, block * 25 + 25):
        # Variables that a branch or loop reads and writes have no gradients in traces.
        program = make_program(seed * 1000 + 1, length=10 if order == 2 else 15, control=False)
        eager, traced = (_gradients(program, way, order) for way in (False, True))
        for i, (a, b) in enumerate(zip(eager, traced)):
            assert (a is None) == (b is None), f"seed {seed}, gradient {i}"
            if a is None:
                continue
            finite = np.isfinite(a)
            assert (finite == np.isfinite(b)).all(), f"seed {seed}, gradient {i}"
            bound = 50 * np.finfo("float32").eps * np.abs(a[finite]).max(initial=1.0)
            assert (np.abs(a - b)[finite] <= bound).all(), f"seed {seed}, gradient {i}"


def test_programs_as_steps_of_the_batch_loop():
    """Bound once and run batch after batch, as `fit` does, a program leaves what calls of it leave."""
    found = 0
    for seed in range(400):
        program = make_program(seed * 1000 + 2, length=10 + seed % 30)
        rows = {shape[0] if shape else 0 for shape in program.input_shapes}
        if len(rows) != 1 or 0 in rows:
            continue
        found += 1
        batches = [values(program.seed + 2 + i, program.input_shapes) for i in range(_CALLS)]
        called = Cells(values(program.seed + 1, program.variable_shapes))
        for batch in batches:
            expected = program([tahr.constant(x) for x in batch], called)
        looped = Cells(values(program.seed + 1, program.variable_shapes))
        specs = [(shape, "float32") for shape in program.input_shapes]
        traced = tracing.trace(lambda *x: program(x, looped), specs)  # noqa: B023 (called at once)
        loop = tracing.BatchLoop([tahr.constant(np.concatenate(column)) for column in zip(*batches)])
        (size,) = rows
        loop.start(None, _CALLS * size, size)
        assert loop.run(traced.graph, 60.0, 2**40) == _CALLS
        for a, b in zip(called.all(), looped.all()):
            assert (_bits(a.numpy()) == _bits(b.numpy())).all(), f"seed {seed}"
        for a, b in zip(expected, loop.last()):
            assert a.shape == b.shape and (_bits(a.numpy()) == _bits(b.numpy())).all(), f"seed {seed}"
    assert found > 20
