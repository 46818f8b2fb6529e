"""Random programs with variables, assignments and escaping results: traced and eager runs give the same bits."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from random_programs import Cells, make_program, values

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
