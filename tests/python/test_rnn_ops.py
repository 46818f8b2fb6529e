"""Recurrent ops at the sizes of real layers: against their plain ops, at any thread count, through fading gradients."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from tahr import _C

OPS = {"simple_rnn": (1, 1), "lstm": (4, 2), "gru": (3, 1)}  # gates, states
CASES = [
    ("simple_rnn", {}),
    ("lstm", {}),
    ("lstm", {"go_backwards": True}),
    ("gru", {}),
    ("gru", {"reset_after": False, "go_backwards": True}),
]


def arguments(op, attrs, batch, steps, features, units, dtype, masked=True):
    rng = np.random.default_rng(0)
    gates, states = OPS[op]
    bias = (2, gates * units) if op == "gru" and attrs.get("reset_after", True) else (gates * units,)
    shapes = [(batch, steps, features), (features, gates * units), (units, gates * units), bias]
    scales = [1.0, features**-0.5, units**-0.5, 0.1] + [0.5] * states
    shapes += [(batch, units)] * states
    inputs = [tahr.constant((rng.normal(size=s) * k).astype(dtype)) for s, k in zip(shapes, scales)]
    mask = rng.uniform(size=(batch, steps)) < 0.8
    return inputs, tahr.constant(mask) if masked else None


def outputs_and_gradients(fn, op, inputs, mask, attrs):
    public = 3 if op == "lstm" else 2
    with tahr.GradientTape() as tape:
        for x in inputs:
            tape.watch(x)
        outs = fn(*inputs, mask, **attrs)[:public]
        rng = np.random.default_rng(1)
        loss = sum(tahr.reduce_sum(o * rng.normal(size=o.shape).astype(o.numpy().dtype)) for o in outs)
    return [o.numpy() for o in (*outs, *tape.gradient(loss, inputs))]


@pytest.mark.parametrize("op, attrs", CASES)
@pytest.mark.parametrize("batch, steps, features, units", [(70, 40, 9, 33), (2, 1100, 3, 8), (1, 5, 4, 70)])
def test_against_plain_ops(op, attrs, batch, steps, features, units):
    if batch == 2 and op != "gru":
        steps = 300
    inputs, mask = arguments(op, attrs, batch, steps, features, units, "float64")
    got = outputs_and_gradients(getattr(_C.ops, op), op, inputs, mask, attrs)

    def plain(*values, **keywords):
        return _C.decompose(op, list(values), keywords)

    for g, e in zip(got, outputs_and_gradients(plain, op, inputs, mask, attrs)):
        scale = max(1.0, float(np.abs(e).max()))
        np.testing.assert_allclose(g, e, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("op, attrs", CASES)
@pytest.mark.parametrize("batch, steps, units", [(37, 80, 24), (2, 9, 264), (4, 7, 300)])
def test_same_bits_at_any_thread_count(op, attrs, batch, steps, units):
    inputs, mask = arguments(op, attrs, batch, steps, 20, units, "float32")
    before = tahr.config.num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            tahr.config.set_num_threads(threads)
            results.append(outputs_and_gradients(getattr(_C.ops, op), op, inputs, mask, attrs))
    finally:
        tahr.config.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("op", OPS)
def test_rows_do_not_depend_on_their_batch(op):
    inputs, mask = arguments(op, {}, 21, 6, 5, 18, "float32")
    whole = getattr(_C.ops, op)(*inputs, mask)
    states = [x[3:8] for x in inputs[4:]]
    part = getattr(_C.ops, op)(inputs[0][3:8], *inputs[1:4], *states, mask[3:8])
    for w, p in zip(whole, part):
        np.testing.assert_array_equal(w[3:8].numpy(), p.numpy())


def test_gradients_that_fade_into_nothing():
    """A gradient that halves at each of 400 steps ends as zero, and no step on its way is slow or wrong."""
    x = tahr.constant(np.ones((4, 400, 1), "float32"))
    kernel, recurrent = tahr.constant([[0.0]]), tahr.constant([[0.5]])
    with tahr.GradientTape() as tape:
        tape.watch(kernel)
        tape.watch(recurrent)
        _, last, _ = _C.ops.simple_rnn(x, kernel, recurrent, activation="linear")
    dw, du = tape.gradient(last, [kernel, recurrent])
    assert dw.numpy().item() == pytest.approx(8.0, rel=1e-6)  # four rows, each 1 + 1/2 + 1/4 + ...
    assert du.numpy().item() == 0.0
    tiny = np.float32(1e-40) * np.ones(3, "float32")
    assert (tahr.constant(tiny) * 1.0).numpy()[0] > 0  # elsewhere subnormal numbers stay what they are


def test_no_steps_and_no_rows():
    for op in OPS:
        inputs, _ = arguments(op, {}, 3, 0, 4, 5, "float32", masked=False)
        outs = getattr(_C.ops, op)(*inputs)
        assert outs[0].shape == (3, 0, 5)
        np.testing.assert_array_equal(outs[1].numpy(), inputs[4].numpy())
        inputs, _ = arguments(op, {}, 0, 3, 4, 5, "float32", masked=False)
        outs = outputs_and_gradients(getattr(_C.ops, op), op, inputs, None, {})
        assert outs[0].shape == (0, 3, 5)
        assert all(np.all(o == 0) for o in outs)
