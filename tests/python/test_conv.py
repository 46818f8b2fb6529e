"""Convolutions in traced functions, beside PyTorch on larger problems, and at any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from tahr import _C

CORE = {"strides": [1, 1], "dilation": [1, 1], "low": [1, 1], "high": [1, 1]}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("activation", ["relu", "tanh", None])
@pytest.mark.parametrize(
    "kernel, groups", [((3, 3, 4, 20), 1), ((1, 1, 4, 20), 1), ((3, 2, 2, 6), 2), ((3, 3, 1, 4), 4)]
)
def test_bias_and_activation_of_a_traced_convolution_keep_its_bits(dtype, activation, kernel, groups):
    rng = np.random.default_rng(0)
    x, w, b = (tahr.cast(rng.uniform(-1, 1, s), dtype) for s in ((2, 7, 9, 4), kernel, kernel[-1:]))
    steps = {"relu": tahr.ops.relu, "tanh": tahr.ops.tanh, None: lambda v: v}[activation]

    def layer(x):
        return steps(tahr.ops.add(tahr.ops.conv(x, w, padding="same"), b))

    plain, traced = layer(x), tahr.function(layer)(x)
    assert plain.numpy().tobytes() == traced.numpy().tobytes()


@pytest.mark.parametrize(
    "shape, kernel, strides, dilation, groups",
    [
        ((2, 17, 23, 5), (3, 4, 5, 33), (1, 2), (1, 1), 1),
        ((1, 31, 30, 1), (5, 5, 1, 7), (1, 1), (2, 2), 1),
        ((3, 12, 40, 48), (3, 3, 16, 36), (2, 1), (1, 1), 3),
        ((2, 19, 14, 70), (3, 3, 1, 70), (2, 2), (1, 1), 70),
        ((2, 9, 9, 128), (3, 3, 128, 130), (1, 1), (1, 1), 1),
    ],
)
def test_beside_pytorch(shape, kernel, strides, dilation, groups):
    """Each output is a sum of `terms` products of magnitude 1 at most; both libraries round as often."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x, w = rng.uniform(-1, 1, shape).astype("float32"), rng.uniform(-1, 1, kernel).astype("float32")
    p = torch.tensor(np.moveaxis(x, -1, 1).astype("float64"), requires_grad=True)
    q = torch.tensor(np.transpose(w, (3, 2, 0, 1)).astype("float64"), requires_grad=True)
    expected = torch.nn.functional.conv2d(p, q, stride=strides, dilation=dilation, padding=1, groups=groups)
    dy = rng.uniform(-1, 1, expected.shape).astype("float32")
    expected.backward(torch.tensor(dy.astype("float64")))
    at = {**CORE, "strides": list(strides), "dilation": list(dilation), "groups": groups}
    dy = np.moveaxis(dy, 1, -1).copy()
    results = (
        (_C.ops.conv_forward(x, w, **at), np.moveaxis(expected.detach().numpy(), 1, -1), np.prod(kernel[:-1])),
        (
            _C.ops.conv_dx(dy, w, size=list(shape[1:-1]), **at),
            np.moveaxis(p.grad.numpy(), 1, -1),
            np.prod(kernel) / kernel[2],
        ),
        (
            _C.ops.conv_dw(x, dy, size=list(kernel[:2]), **at),
            np.transpose(q.grad.numpy(), (2, 3, 1, 0)),
            dy.size / dy.shape[-1],
        ),
    )
    for y, reference, terms in results:
        # A random walk of roundings: the root of the number of terms, with room for the largest of many elements.
        np.testing.assert_allclose(
            y.numpy(), reference, rtol=0, atol=2.0**-23 * 8 * terms**0.5 * max(1, terms**0.5 / 8)
        )


@pytest.mark.parametrize("groups, kernel", [(1, (3, 3, 24, 40)), (2, (3, 3, 12, 40)), (24, (3, 3, 1, 24))])
def test_same_bits_at_any_thread_count(groups, kernel):
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, (9, 21, 18, 24)).astype("float32")
    w = rng.uniform(-1, 1, kernel).astype("float32")
    before = tahr.config.num_threads()
    seen = set()
    try:
        for threads in (1, 2, 3, 7):
            tahr.config.set_num_threads(threads)
            y = _C.ops.conv_forward(x, w, groups=groups, **CORE)
            dx = _C.ops.conv_dx(y, w, size=[21, 18], groups=groups, **CORE)
            dw = _C.ops.conv_dw(x, y, size=[3, 3], groups=groups, **CORE)
            seen.add(tuple(t.numpy().tobytes() for t in (y, dx, dw)))
    finally:
        tahr.config.set_num_threads(before)
    assert len(seen) == 1


def test_a_penalty_on_the_gradient_trains():
    """A critic's step with gradient penalty: second derivatives through convolutions and pools (arXiv:1704.00028)."""
    rng = np.random.default_rng(3)
    x = tahr.constant(rng.standard_normal((4, 8, 8, 2)), "float64")
    w = tahr.Variable(rng.standard_normal((3, 3, 2, 3)) * 0.3)

    def penalty(w):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            y = tahr.reduce_sum(tahr.ops.max_pool(tahr.ops.tanh(tahr.ops.conv(x, w, padding="same")), 2))
        g = tape.gradient(y, x)
        return tahr.reduce_mean((tahr.sqrt(tahr.reduce_sum(g * g, axis=(1, 2, 3))) - 1.0) ** 2)

    with tahr.GradientTape() as outer:
        loss = penalty(w)
    gradient = outer.gradient(loss, w).numpy()
    step, at = 1e-5, (1, 2, 0, 1)
    ends = []
    for sign in (1, -1):
        moved = w.numpy().copy()
        moved[at] += sign * step
        ends.append(float(penalty(tahr.constant(moved))))
    np.testing.assert_allclose(gradient[at], (ends[0] - ends[1]) / (2 * step), rtol=1e-5)
    w.assign_sub(0.01 * gradient)
    assert float(penalty(w)) < float(loss)


@pytest.mark.parametrize("channels, size, batch", [(32, 32, 16), (64, 32, 64), (48, 16, 17)])
def test_scratch_is_small_whatever_the_batch(channels, size, batch, request):
    """No buffer of patches: beside inputs and outputs there are the packed kernel and a band of rows per thread; for the
    kernel's gradient, partial sums. The bounds are those of csrc/cpu/conv_rows.cpp and conv_outer.cpp."""
    if request.config.getoption("--device") == "gpu":
        pytest.skip("counts the CPU's memory")
    rng = np.random.default_rng(4)
    x = tahr.constant(rng.standard_normal((batch, size, size, channels)), "float32")
    w = tahr.constant(rng.standard_normal((3, 3, channels, channels)), "float32")
    threads, before = 2, tahr.config.num_threads()
    kernel = 4 * 9 * channels * (channels + 31 & ~31)  # whole tiles of columns
    rows = kernel + threads * (160 << 10)
    sums = min(16, (3 << 20) // (4 * 9 * channels**2)) * 4 * 9 * channels**2 + threads * (256 << 10)
    y = _C.ops.conv_forward(x, w, **CORE)
    ways = [
        (lambda: _C.ops.conv_forward(x, w, **CORE), rows),
        (lambda: _C.ops.conv_dx(y, w, size=[size, size], **CORE), rows),
        (lambda: _C.ops.conv_dw(x, y, size=[3, 3], **CORE), sums),
    ]
    try:
        tahr.config.set_num_threads(threads)
        for way, bound in ways:
            live = tahr.config.memory_stats()["live"]
            tahr.config.reset_peak_memory()
            out = way()
            scratch = tahr.config.memory_stats()["peak"] - live - out.numpy().nbytes
            assert 0 < scratch <= bound
    finally:
        tahr.config.set_num_threads(before)
