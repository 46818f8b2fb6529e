"""Which ops run on the CPU though their inputs lie on a GPU: those that op_rows/fallbacks.py and docs/gpu.md state, with the
CPU's values, counted. That no other op does so is checked by test_op_table.py with `--device gpu`, op by op."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tahr
from op_rows.fallbacks import FALLBACKS, HOST_FUNCTIONS
from op_rows.support import TABLE
from tahr import _C
from tahr.keras.quantizers import float8  # noqa: F401 (defines a function)
from tahr.ops import host

DOCS = (Path(__file__).parents[2] / "docs/gpu.md").read_text(encoding="utf-8")


def test_documentation_and_list_agree():
    section = re.search(r"^## What runs on the CPU$(.*?)^## ", DOCS, re.M | re.S)
    assert section, "docs/gpu.md lacks the section"
    named = set(re.findall(r"`(\w+)`", "".join(line for line in section[1].splitlines() if line.startswith("|"))))
    assert named == FALLBACKS.keys() | HOST_FUNCTIONS.keys()
    assert set(host._functions) == HOST_FUNCTIONS.keys()
    assert FALLBACKS.keys() <= TABLE.keys()


def test_every_other_op_has_a_kernel(gpu):
    assert {op for op, has in _C.gpu_kernels().items() if not has} == FALLBACKS.keys()


def _positive(n: int) -> np.ndarray:
    x = np.random.default_rng(n).normal(size=(n, n)).astype("float32")
    return x @ x.T + n * np.eye(n, dtype="float32")


CALLS = {
    "bincount": lambda: [tahr.ops.bincount(tahr.constant([3, 1, 1], "int32"), minlength=6)],
    "histogram": lambda: list(tahr.ops.histogram(tahr.constant([0.0, 0.25, 1.0]), bins=4)),
    "cholesky": lambda: [tahr.ops.cholesky(tahr.constant(_positive(4)))],
    "eigh": lambda: [tahr.ops.eigh(tahr.constant(_positive(3)))[0]],
    "solve": lambda: [tahr.ops.solve(tahr.constant(_positive(5)), tahr.constant(np.ones((5, 2), "float32")))],
    "det": lambda: [tahr.ops.det(tahr.constant(_positive(3)))],
    "dft": lambda: list(tahr.ops.fft((tahr.constant([1.0, 2.0, 3.0]), tahr.constant([0.0, 0.0, 1.0])))),
}


@pytest.mark.parametrize("name", CALLS)
def test_fallbacks_are_counted_and_right(gpu, name):
    op = name if name in FALLBACKS else "host_call"
    _C.reset_device_fallbacks()
    on_gpu = CALLS[name]()
    assert set(tahr.config.device_fallbacks()) == {op}
    with tahr.device("cpu"):
        expected = CALLS[name]()
    for a, b in zip(on_gpu, expected, strict=True):
        assert a.device == "/gpu:0" and b.device == "/cpu:0"
        np.testing.assert_array_equal(a.numpy(), b.numpy())  # the same kernel on the same bytes


def test_a_gradient_goes_through_a_fallback(gpu):
    x = tahr.Variable(_positive(4))
    with tahr.GradientTape() as tape:
        y = tahr.reduce_sum(tahr.ops.inv(x))
    g = tape.gradient(y, x)
    inverse = np.linalg.inv(x.numpy().astype("float64"))
    expected = -inverse.T @ np.ones((4, 4)) @ inverse.T
    # A float32 inverse is off by about its condition number (below 100 here) in roundings.
    np.testing.assert_allclose(g.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert g.device == "/gpu:0"


def test_a_step_with_a_fallback_says_that_it_is_not_recorded(gpu):
    @tahr.function
    def step(x):
        for _ in range(4):
            x = tahr.tanh(tahr.ops.cumsum(x, axis=0)) + tahr.ops.inv(x)
        return x

    x = tahr.constant(_positive(3))
    outs = [step(x).numpy() for _ in range(4)]
    np.testing.assert_array_equal(outs[0], outs[-1])
    with tahr.device("cpu"):
        expected = step.python_function(tahr.constant(_positive(3))).numpy()
    np.testing.assert_allclose(outs[0], expected, rtol=1e-4, atol=1e-4)
