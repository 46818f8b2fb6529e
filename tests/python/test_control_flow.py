"""Control flow in traces: values and gradients of every order against the same Python code run eagerly."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import tahr
from tahr import _C, nest, ops

rng = np.random.default_rng(7)


def _traced(f, *args):
    """`f` as a graph, traced for arguments like these."""
    tracer = _C.Tracer()
    with tracer:
        inputs = [tracer.input(a.shape, a.dtype) for a in args]
        result = f(*inputs)
        leaves = nest.flatten(result)
        graph = tracer.finish([_C.to_tensor(leaf, None, "result") for leaf in leaves if leaf is not None])

    def run(*values):
        tensors = iter(graph(list(values)))
        return nest.pack_sequence_as(result, [None if leaf is None else next(tensors) for leaf in leaves])

    return run


def _tensor(*shape, dtype="float64"):
    return tahr.constant(rng.normal(size=shape).astype(dtype))


def _gradients(f, args, weights=None):
    """The gradient of f, weighted and summed, and that gradient's own, for each floating-point argument."""
    args = list(args)
    floats = [a for a in args if a.dtype.is_floating]
    with tahr.GradientTape() as outer:
        for a in floats:
            outer.watch(a)
        with tahr.GradientTape() as inner:
            for a in floats:
                inner.watch(a)
            out = nest.flatten(f(*args))
            total = sum(ops.sum(ops.sin(y) * (i + 1.0)) for i, y in enumerate(out) if y.dtype.is_floating)
        first = inner.gradient(total, floats, unconnected_gradients="zero")
        mixed = sum(ops.sum(ops.cos(g)) for g in first)
    return first, outer.gradient(mixed, floats, unconnected_gradients="zero")


def _close(a, b, tolerance):
    for x, y in zip(nest.flatten(a), nest.flatten(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape == y.shape and x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def _check(f, *args, tolerance=1e-12):
    """Values, first and second gradients: traced with tapes around, with tapes inside, and eager."""
    g = _traced(f, *args)
    # The same kernels in the same order; only where a sum of gradients is taken in another order bits differ.
    for x, y in zip(nest.flatten(g(*args)), nest.flatten(f(*args)), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(_C.to_tensor(y, None, "result")))
    want = _gradients(f, args)
    _close(_gradients(g, args), want, tolerance)
    inside = _traced(lambda *a: _gradients(f, a), *args)
    _close(inside(*args), want, tolerance)
    return g


def _check_finite_differences(f, x):
    """The traced gradient of a function of one float64 tensor: central differences, error h^2 and rounding / h."""
    g = _traced(f, x)
    with tahr.GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(g(x))
    grad = np.asarray(tape.gradient(y, x))
    base, h = np.array(x.numpy()), 1e-5
    for i in np.ndindex(*base.shape):
        ends = []
        for sign in (1, -1):
            moved = base.copy()
            moved[i] += sign * h
            ends.append(float(ops.sum(g(tahr.constant(moved)))))
        assert abs((ends[0] - ends[1]) / (2 * h) - grad[i]) < 1e-6 * max(1.0, abs(grad[i]))


def _then(result, effect):
    return result


# ---------------------------------------------------------------- cond and switch


def _branchy(p, x, y):
    return tahr.cond(p, lambda: (ops.exp(x) * y, x), lambda: (ops.sin(x * y), y * y * y))


@pytest.mark.parametrize("p", [True, False])
def test_cond(p):
    g = _check(_branchy, tahr.constant(p), _tensor(3), _tensor(3))
    x, y = _tensor(3), _tensor(3)
    for q in (True, False):  # one trace for both
        _close(g(tahr.constant(q), x, y), _branchy(q, x, y), 0)


def test_cond_gives_nothing_for_what_the_branch_does_not_use():
    f = _traced(lambda p, x, y: tahr.cond(p, lambda: x * 2, lambda: y * 3), tahr.constant(True), _tensor(2), _tensor(2))
    x, y = _tensor(2), _tensor(2)
    with tahr.GradientTape() as tape:
        tape.watch(x)
        tape.watch(y)
        z = ops.sum(f(tahr.constant(True), x, y))
    dx, dy = tape.gradient(z, [x, y])
    assert dx.tolist() == [2.0, 2.0] and dy.tolist() == [0.0, 0.0]


def test_cond_of_a_predicate_that_is_no_bool_and_of_none():
    v = tahr.Variable(1.0)
    f = _traced(lambda n: ops.cond(n, lambda: _then(None, v.assign(v * 10)), lambda: None), tahr.constant(2))
    f(tahr.constant(0))
    assert float(v) == 1.0
    f(tahr.constant(2))
    assert float(v) == 10.0


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 9])
def test_switch(index):
    branches = [lambda x: x * x, ops.exp, lambda x: ops.sin(x) * 3.0]
    _check(lambda i, x: ops.switch(i, branches, x), tahr.constant(index), _tensor(4))


def test_branches_that_disagree():
    x = _tensor(2)
    with pytest.raises(ValueError, match=r"\[cond\] expected results of one structure"):
        _traced(lambda p: tahr.cond(p, lambda: (x, x), lambda: x), tahr.constant(True))
    with pytest.raises(ValueError, match=r"\[cond\] expected result 0 .* float64 of shape \(2,\) .* int32"):
        _traced(lambda p: tahr.cond(p, lambda: x, lambda: ops.cast(x, "int32")), tahr.constant(True))
    with pytest.raises(ValueError, match=r"\[cond\] expected a condition with one element"):
        _traced(lambda p: tahr.cond(p, lambda: x, lambda: x), tahr.constant([True, False]))


def test_python_numbers_take_the_dtype_beside_them():
    f = _traced(lambda p, x: tahr.cond(p, lambda: 1, lambda: x), tahr.constant(True), _tensor())
    assert f(tahr.constant(True), _tensor()).dtype == "float64"


def test_branches_of_different_length():
    x = _tensor(4)
    f = _traced(lambda p, x: tahr.cond(p, lambda: x[:2], lambda: x) * 2.0, tahr.constant(True), x)
    for p, n in ((True, 2), (False, 4)):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            y = f(tahr.constant(p), x)
            z = ops.sum(y * y)
        assert y.shape == (n,)
        want = np.where(np.arange(4) < n, 8 * np.asarray(x), 0)
        np.testing.assert_allclose(np.asarray(tape.gradient(z, x)), want)


# ---------------------------------------------------------------- loops


def test_while_loop():
    def f(x, n):
        return ops.while_loop(lambda i, s, c: i < n, lambda i, s, c: (i + 1, ops.sin(s) * x, c + s), (0, x, x))

    g = _check(f, _tensor(3), tahr.constant(4))
    x = _tensor(3)
    for n in (0, 1, 30):  # 30: results grow past their first room
        _close(g(x, tahr.constant(n)), f(x, tahr.constant(n)), 0)
        _close(_gradients(g, (x, tahr.constant(n))), _gradients(f, (x, tahr.constant(n))), 1e-12)


def test_while_loop_of_one_tensor_with_a_bound():
    f = _traced(
        lambda x: ops.while_loop(lambda v: v < 100, lambda v: v * 2, x, maximum_iterations=3), tahr.constant(1.0)
    )
    assert float(f(tahr.constant(1.0))) == 8.0 and float(f(tahr.constant(60.0))) == 120.0


def test_while_loop_whose_variables_swap_places():
    f = _traced(
        lambda n: ops.while_loop(lambda i, a, b: i < n, lambda i, a, b: (i + 1, b, a + b), (0, 0, 1))[1],
        tahr.constant(1),
    )
    assert [int(f(tahr.constant(n))) for n in range(10)] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]


@pytest.mark.parametrize("bounds", [(0, 5), (2, 5), (3, 3), (4, 1)])
def test_fori_loop_with_known_bounds(bounds):
    def f(x, w):
        return ops.fori_loop(*bounds, lambda i, v: ops.tanh(v @ w) + ops.cast(i, "float64"), x)

    _check(f, _tensor(2, 3), _tensor(3, 3))


def test_fori_loop_with_bounds_that_come_later():
    def f(x, n):
        return ops.fori_loop(1, n, lambda i, v: {"a": v["a"] * x, "b": v["b"] + v["a"]}, {"a": x, "b": x})

    _check(f, _tensor(2), tahr.constant(5))
    _check(f, _tensor(2), tahr.constant(-5))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("rounds", [0, 1, 5])
def test_scan(rounds, reverse):
    def f(h, xs, w):
        def step(h, x):
            h = ops.tanh(h @ w + x)
            return h, (h * h, x)

        return ops.scan(step, h, xs, reverse=reverse)

    args = _tensor(2, 3), _tensor(rounds, 2, 3), _tensor(3, 3)
    if rounds == 0:
        carry, ys = _traced(f, *args)(*args)
        _close(carry, args[0], 0)
        assert [y.shape for y in ys] == [(0, 2, 3), (0, 2, 3)]
    else:
        _check(f, *args)


def test_scan_with_length_and_without_results():
    seen = []
    f = _traced(lambda x: _then(x, seen.append(ops.scan(lambda c, _: (c * 2, None), x, length=4)[1])), _tensor())
    assert seen == [None]
    f = _traced(lambda x: ops.scan(lambda c, _: (c * 2, c), x, length=4), tahr.constant(1))
    last, ys = f(tahr.constant(1))
    assert int(last) == 16 and ys.tolist() == [1, 2, 4, 8]


def test_map():
    _check(
        lambda xs, w: ops.map(lambda x: {"y": ops.exp(x[0]) @ w, "z": x[1]}, (xs, xs * 2)), _tensor(4, 3), _tensor(3, 2)
    )
    _check(lambda xs: ops.vectorized_map(lambda x: x * x, xs), _tensor(4))
    _check(lambda xs: ops.associative_scan(lambda a, b: a * b, xs), _tensor(1, 4))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(reverse, axis):
    _check(lambda xs: ops.associative_scan(lambda a, b: a * b, xs, reverse=reverse, axis=axis), _tensor(3, 4))


def test_gradients_by_finite_differences():
    w = _tensor(3, 3)

    def f(x):
        def step(h, r):
            h = tahr.cond(ops.sum(r) > 0, lambda: ops.tanh(h @ w) + r, lambda: ops.sin(h) * r)
            return h, ops.sum(h * h)

        h, ys = ops.scan(step, x[0], x)
        halved = ops.while_loop(lambda v: ops.sum(ops.abs(v)) > 0.7, lambda v: ops.sin(v) * 0.5, h)
        return ops.sum(halved) + ops.sum(ys)

    _check_finite_differences(f, _tensor(4, 3))


# ---------------------------------------------------------------- nesting


def _nested(x, n):
    def inner(h, t):
        h = tahr.cond(ops.sum(h) > t, lambda: ops.sin(h) * x, lambda: h * x + 0.3)
        return h, h * t

    def outer(i, h, s):
        h, ys = ops.scan(inner, h, ops.cast(ops.arange(3), "float64") + ops.sum(x))
        return i + 1, h, s + ops.sum(ys)

    return ops.while_loop(lambda i, h, s: i < n, outer, (0, x, ops.sum(x)))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_cond_in_scan_in_while(n):
    _check(_nested, _tensor(2), tahr.constant(n))


@pytest.mark.parametrize("reverse", [False, True])
def test_while_in_scan(reverse):
    """Inner loops of different lengths, one of none: what they keep for the gradient is of no common shape."""

    def f(x, rounds):
        def step(h, n):
            h = ops.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, ops.sin(v) * x), (0, h))[1]
            return h, h

        return ops.scan(step, x, rounds, reverse=reverse)

    _check(f, _tensor(2), tahr.constant([2, 0, 5, 1]))


def test_loops_in_branches():
    def f(p, x):
        return tahr.cond(
            p,
            lambda: ops.fori_loop(0, 3, lambda i, v: ops.sin(v) * x, x),
            lambda: ops.while_loop(lambda v: ops.sum(ops.abs(v)) > 0.1, lambda v: v * ops.sin(x) * 0.5, x),
        )

    for p in (True, False):
        _check(f, tahr.constant(p), _tensor(2))


def test_third_derivative():
    def f(x):
        return ops.fori_loop(0, 3, lambda i, v: v * x, ops.ones_like(x))  # x^3

    g = _traced(f, _tensor())
    x = tahr.constant(np.array(1.7))
    with tahr.GradientTape() as t3:
        t3.watch(x)
        with tahr.GradientTape() as t2:
            t2.watch(x)
            with tahr.GradientTape() as t1:
                t1.watch(x)
                y = g(x)
            d1 = t1.gradient(y, x)
        d2 = t2.gradient(d1, x)
    d3 = t3.gradient(d2, x)
    np.testing.assert_allclose(
        [float(y), float(d1), float(d2), float(d3)], [1.7**3, 3 * 1.7**2, 6 * 1.7, 6], rtol=1e-14
    )


def test_gradient_inside_a_loop():
    """Newton's method on x^3 = a, the derivatives by tapes in the body."""

    def f(a):
        def newton(i, x):
            with tahr.GradientTape() as tape:
                tape.watch(x)
                y = ops.fori_loop(0, 2, lambda j, v: v * x, x) - a
            return x - y / tape.gradient(y, x)

        return ops.fori_loop(0, 20, newton, ops.ones_like(a))

    a = tahr.constant(np.array([2.0, 10.0]))
    g = _traced(f, a)
    np.testing.assert_allclose(np.asarray(g(a)), np.cbrt([2.0, 10.0]), rtol=1e-14)
    with tahr.GradientTape() as tape:
        tape.watch(a)
        y = g(a)
    np.testing.assert_allclose(np.asarray(tape.gradient(y, a)), np.array([2.0, 10.0]) ** (-2 / 3) / 3, rtol=1e-10)


def test_gradient_asked_for_in_a_branch():
    def f(p, x):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(ops.fori_loop(0, 3, lambda i, v: v * x, x))
        return tahr.cond(p, lambda: tape.gradient(y, x), lambda: x)

    x = _tensor(2)
    g = _traced(f, tahr.constant(True), x)
    np.testing.assert_allclose(np.asarray(g(tahr.constant(True), x)), 4 * np.asarray(x) ** 3, rtol=1e-14)
    _close(g(tahr.constant(False), x), x, 0)


# ---------------------------------------------------------------- variables and effects


def test_variables_read_in_bodies_have_gradients():
    w, b = tahr.Variable(np.full((2, 2), 0.3)), tahr.Variable(np.array(0.1), trainable=False)

    def f(x, xs):
        def step(h, r):
            h = ops.tanh(h @ w + r * b)
            return h, tahr.cond(ops.sum(h) > 0, lambda: h @ w, lambda: h)

        return ops.scan(step, x, xs)

    g = _traced(f, _tensor(1, 2), _tensor(3, 1, 2))
    args = _tensor(1, 2), _tensor(3, 1, 2)

    def gradients(fn):
        with tahr.GradientTape() as outer:
            with tahr.GradientTape() as tape:
                total = sum(ops.sum(y * y) for y in nest.flatten(fn(*args)))
                assert tape.watched_variables() == (w,)
            first = tape.gradient(total, w)
            square = ops.sum(first * first)
        return first, outer.gradient(square, w)

    _close(gradients(g), gradients(f), 1e-12)
    w.assign(np.full((2, 2), -0.2))  # read at every call
    _close(gradients(g), gradients(f), 1e-12)


def test_effects_keep_their_order():
    v, log = tahr.Variable(1.0), tahr.Variable(np.zeros(4, "float32"))

    def f(n):
        before = v * 1.0

        def body(i, s):
            v.assign(v * 2)
            log.assign(ops.slice_update(log.value(), [i], ops.reshape(v, (1,))))
            return i + 1, s + v

        _, s = ops.while_loop(lambda i, s: i < n, body, (0, 0.0))
        during = v * 1.0
        tahr.cond(n > 2, lambda: _then(None, v.assign_add(100.0)), lambda: _then(None, v.assign(-v)))
        return before, s, during, v * 1.0

    g = _traced(f, tahr.constant(3))
    assert [float(y) for y in g(tahr.constant(3))] == [1.0, 14.0, 8.0, 108.0]
    assert log.numpy().tolist() == [2.0, 4.0, 8.0, 0.0]
    assert [float(y) for y in g(tahr.constant(1))] == [108.0, 216.0, 216.0, -216.0]


def test_a_gradient_does_not_repeat_effects():
    count, x = tahr.Variable(0), tahr.Variable(np.array(2.0))

    def f():
        def body(i, v):
            count.assign_add(1)
            return v * x

        return ops.fori_loop(0, 3, body, x.value())

    g = _traced(f)
    with tahr.GradientTape() as outer:
        with tahr.GradientTape() as tape:
            y = g()
        d = tape.gradient(y, x)
    assert float(d) == 32.0 and float(outer.gradient(d, x)) == 48.0 and int(count) == 3


def test_loop_with_nothing_but_effects():
    v = tahr.Variable(0)
    g = _traced(lambda: ops.fori_loop(0, 5, lambda i, s: _then(s, v.assign_add(i)), 0))
    g()
    assert int(v) == 10


def test_random_numbers_are_fresh_in_each_round():
    seed = tahr.Variable(np.array([3, 0], "int64"), trainable=False)

    def f(x):
        def step(c, _):
            now = seed * 1
            seed.assign(now + np.array([0, 1]))
            kept = tahr.random.dropout(x, 0.5, seed=now)
            return c, kept

        return ops.scan(step, 0, length=6)[1]

    x = ops.ones((50,), dtype="float64")
    g = _traced(f, x)
    a, b = np.asarray(g(x)), np.asarray(g(x))
    assert len({row.tobytes() for row in np.concatenate([a, b])}) == 12
    seed.assign([3, 0])
    np.testing.assert_array_equal(np.asarray(g(x)), a)
    with tahr.GradientTape() as tape:  # the gradient goes through the numbers that were drawn
        tape.watch(x)
        y = g(x)
    np.testing.assert_allclose(np.asarray(tape.gradient(y, x)), np.asarray(y).sum(0))


# ---------------------------------------------------------------- messages


def test_loop_variables_keep_dtype_and_shape():
    x = _tensor(2)
    with pytest.raises(
        ValueError,
        match=r"\[while_loop\] expected loop variable 1 \('s'\) to stay float64 of shape \(2,\), received float32",
    ):
        _traced(lambda x: ops.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, ops.cast(s, "float32")), (0, x)), x)
    with pytest.raises(
        ValueError,
        match=r"\[scan\] expected the carry to stay float64 of shape \(2,\), received float64 of shape \(4,\)",
    ):
        _traced(lambda x: ops.scan(lambda c, _: (ops.concatenate([c, c]), None), x, length=2), x)
    with pytest.raises(ValueError, match=r"\[fori_loop\] expected part 1 of loop variable 0 \('v'\) to stay int32"):
        _traced(lambda x: ops.fori_loop(0, 2, lambda i, v: (v[0], x), (x, tahr.constant(1))), x)
    with pytest.raises(ValueError, match=r"\[while_loop\] expected 2 values from body, received 1"):
        _traced(lambda x: ops.while_loop(lambda i, s: i < 3, lambda i, s: i, (0, x)), x)
    with pytest.raises(ValueError, match="belongs to another trace"):
        kept = []
        _traced(lambda x: ops.fori_loop(0, 2, lambda i, v: kept.append(v) or v, x) + kept[0], x)


def test_python_numbers_to_start_with_become_what_the_body_gives():
    f = _traced(lambda x: ops.fori_loop(0, 3, lambda i, s: s + x[i], 0), _tensor(3))
    x = _tensor(3)
    y = f(x)
    assert y.dtype == "float64"
    np.testing.assert_allclose(float(y), np.asarray(x).sum(), rtol=1e-15)


# ---------------------------------------------------------------- custom gradients


@tahr.custom_gradient
def _tripled(x, y):
    e = ops.exp(x)  # the rule is a wrong one on purpose: three times the derivative by x, none by y
    return e * y, lambda dy: (3.0 * dy * e * y, None)


def test_custom_gradient_holds_around_and_inside_a_trace():
    x, y = _tensor(3), _tensor(3)

    def f(x, y):
        return ops.sin(_tripled(x * 2.0, y))

    g = _traced(f, x, y)
    e = np.exp(2 * np.asarray(x)) * np.asarray(y)
    for fn in (g, _traced(lambda x, y: ops.fori_loop(0, 1, lambda i, v: f(v, y), x), x, y)):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            tape.watch(y)
            z = ops.sum(fn(x, y))
        dx, dy = tape.gradient(z, [x, y])
        np.testing.assert_allclose(np.asarray(dx), np.cos(e) * 6 * e, rtol=1e-12)
        assert dy is None or not np.asarray(dy).any()

    def inside(x, y):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            z = f(x, y)
        return tape.gradient(z, x)

    np.testing.assert_allclose(np.asarray(_traced(inside, x, y)(x, y)), np.cos(e) * 6 * e, rtol=1e-12)


def test_second_gradient_through_a_custom_one():
    x = _tensor(3)

    @tahr.custom_gradient
    def exp(x):
        e = ops.exp(x)
        return e * 1.0, lambda dy: dy * e

    def second(fn, x):
        with tahr.GradientTape() as outer:
            outer.watch(x)
            with tahr.GradientTape() as inner:
                inner.watch(x)
                z = fn(x)
            d = inner.gradient(z, x)
        return outer.gradient(d, x)

    for fn in (exp, _traced(exp, x)):
        np.testing.assert_allclose(np.asarray(second(fn, x)), np.exp(np.asarray(x)), rtol=1e-14)
    inside = _traced(lambda x: second(exp, x), x)
    np.testing.assert_allclose(np.asarray(inside(x)), np.exp(np.asarray(x)), rtol=1e-14)


def test_custom_gradient_of_variables_and_captures():
    v = tahr.Variable(np.array(2.0))

    def f(x):
        scale = ops.exp(x)  # captured: no argument, so no gradient

        @tahr.custom_gradient
        def g(v):
            return v * v * scale, lambda dy: dy * 5.0 * scale

        return g(v)

    x = _tensor()
    g = _traced(f, x)
    assert float(g(x)) == 4 * float(ops.exp(x))
    with tahr.GradientTape() as tape:
        tape.watch(x)
        y = g(x)
    dv, dx = tape.gradient(y, [v, x])
    assert float(dv) == 5 * float(ops.exp(x)) and dx is None


# ---------------------------------------------------------------- the graph


def test_what_stays_the_same_is_computed_before_the_loop():
    tracer, w = _C.Tracer(), tahr.Variable(np.eye(3))
    with tracer:
        x = tracer.input((3, 3), "float64")
        y = ops.fori_loop(0, 5, lambda i, v: v * ops.exp(ops.transpose(x) @ w), x)
        lines = tracer.finish([y]).traced_text().splitlines()
    assert sum(" loop(" in line for line in lines) == 1
    body = " ".join(line for line in lines if line.startswith("    "))
    assert "multiply" in body and all(name not in body for name in ("exp", "transpose", "matmul", "read_variable"))


# ---------------------------------------------------------------- long loops


def test_long_loops_neither_grow_nor_overflow():
    f = _traced(
        lambda x, n: ops.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 0.999 + x), (0, x)),
        _tensor(8),
        tahr.constant(1),
    )
    x, n = _tensor(8), tahr.constant(10_000)

    def step():
        with tahr.GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(f(x, n)[1])
        return tape.gradient(y, x)

    want = 0.999**10_000 + (1 - 0.999**10_000) / 0.001
    np.testing.assert_allclose(np.asarray(step()), want, rtol=1e-11)
    step()
    live = _C.memory_stats()["live"]
    for _ in range(3):
        step()
    assert _C.memory_stats()["live"] <= live + 1024


def test_endless_loops_can_be_interrupted():
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    f = tahr.function(lambda x: ops.while_loop(lambda v: v >= 0, lambda v: v + 0.0, x))
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Stop):
            f(tahr.constant(1.0))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert float(f(tahr.constant(-1.0))) == -1.0  # the function is as good as before


def test_functions_of_loops_leave_nothing_behind():
    def build():
        x, xs = _tensor(4, 4), _tensor(6, 4, 4)

        def step(h, r):
            h = tahr.cond(ops.sum(h) > 0, lambda: h @ r, lambda: ops.sin(h))
            return h, ops.fori_loop(0, 3, lambda i, v: v * h, r)

        f = _traced(lambda x, xs: ops.scan(step, x, xs), x, xs)
        _gradients(f, (x, xs))

    build()
    live = _C.memory_stats()["live"]
    for _ in range(5):
        build()
    assert _C.memory_stats()["live"] <= live


# ---------------------------------------------------------------- optimizers


@pytest.mark.parametrize(
    "make",
    [
        lambda o: o.Adam(0.01, gradient_accumulation_steps=3),
        lambda o: o.SGD(0.01, momentum=0.9, gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=5),
        lambda o: o.LossScaleOptimizer(o.Adam(0.01), dynamic_growth_steps=4),
    ],
    ids=["accumulation", "accumulation and averages", "loss scale"],
)
def test_optimizers_that_branch_train_alike_traced_and_eager(make):
    from tahr import keras

    x = rng.normal(size=(64, 4)).astype("float32")

    def weights(eager):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
        model.compile(make(keras.optimizers), "mse", run_eagerly=eager)
        model.fit(x, x.sum(1, keepdims=True), batch_size=8, epochs=2, verbose=0)
        return model.get_weights()

    for a, b in zip(weights(False), weights(True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- describing layers


def test_symbolic_tensors_outside_of_a_trace_only_tell_shapes():
    x = tahr.symbolic((None, 3))
    assert tahr.cond(ops.sum(x) > 0, lambda: x * 2, lambda: x).shape == (None, 3)
    assert ops.while_loop(lambda v: ops.sum(v) > 0, lambda v: v - 1, [x])[0].shape == (None, 3)
