"""Passes over graphs: what each rewrites, and that results keep their bits and effects their order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tahr
from tahr import _C, graph_view, ops, profiler, tracing

F32 = "float32"


def _trace(f: Callable[..., Any], *shapes: tuple[int, ...], dtypes: Sequence[str] | None = None) -> Any:
    dtypes = dtypes or [F32] * len(shapes)
    return tracing.trace(f, list(zip(shapes, dtypes))).graph


def _nodes(graph: Any) -> list[str]:
    """The ops of a graph that was traced or rewritten, in order; reads of variables left out."""
    found = []
    for line in graph.traced_text().splitlines():
        if line.startswith(("inputs:", "outputs:", "constant ", "variable ")):
            continue
        found.append(line.split(" = ", 1)[-1].split("(")[0])
    return [op for op in found if op != "read_variable"]


def _draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str = F32) -> tahr.Tensor:
    x = rng.normal(0, 2, shape)
    special = rng.random(shape)
    x = np.where(special < 0.1, -0.0, np.where(special < 0.15, 0.0, np.where(special > 0.97, np.inf, x)))
    return ops.cast(tahr.convert_to_tensor(x if "float" in dtype else rng.integers(-5, 6, shape)), dtype)


def _same(a: Sequence[Any], b: Sequence[Any]) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b):
        x, y = x.numpy(), y.numpy()
        assert x.dtype == y.dtype and x.shape == y.shape
        nan = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
        assert x.dtype.kind != "f" or np.array_equal(nan, np.isnan(y))
        # Bits, signs of zeros included; of NaNs only that they are.
        assert np.where(nan, 0, x).tobytes() == np.where(nan, 0, y).tobytes()


def _check(
    f: Callable[..., Any],
    *shapes: tuple[int, ...],
    passes: Sequence[str],
    expect: Sequence[str],
    dtypes: Sequence[str] | None = None,
) -> Any:
    """Traces `f`, applies the passes, compares the ops that are left, and results over several inputs with those of the
    graph as traced and of the compiled one. Returns the rewritten graph."""
    graph = _trace(f, *shapes, dtypes=dtypes)
    after = graph.after(list(passes))
    assert _nodes(after) == list(expect), after.traced_text()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        inputs = [_draw(rng, s, d) for s, d in zip(shapes, dtypes or [F32] * len(shapes))]
        expected = f(*inputs)
        expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
        _same(graph.after([])(inputs), expected)
        _same(after(inputs), expected)
        _same(graph(inputs), expected)
    return after


# ---------------------------------------------------------------- common subexpressions


def test_equal_nodes_become_one():
    def f(x, y):
        return ops.exp(x) + ops.exp(x), ops.sum(y, axis=0) * ops.sum(y, axis=0), ops.sum(y, axis=1)

    _check(f, (3, 4), (4, 4), passes=["merge_common"], expect=["exp", "add", "sum", "multiply", "sum"])


def test_equal_constants_become_one():
    after = _check(
        lambda x: (x * 3.0 + 1.0) * 3.0,
        (5,),
        passes=["merge_common", "remove_dead_code"],
        expect=["multiply", "add", "multiply"],
    )
    assert after.traced_text().count("constant") == 2


def test_zeros_of_either_sign_are_two_constants():
    def f(x):
        return x / tahr.constant(0.0), x / tahr.constant(-0.0)

    _check(f, (5,), passes=["merge_common"], expect=["divide", "divide"])


def test_random_ops_are_never_merged_nor_folded():
    seed = tahr.constant([1, 2], "uint32")

    def f(x):
        kept = [_C.ops.random_dropout(seed, x, rate=0.5) for _ in range(2)]
        return kept[0] + kept[1]

    graph = _trace(f, (8,))
    everything = graph.after(["merge_common", "simplify", "fold_constants"])
    assert _nodes(everything).count("random_dropout") == 2


def test_reads_of_a_variable_merge_between_writes_only():
    v = tahr.Variable([1.0, 2.0])

    def f(x):
        before = v.read_value() * v.read_value()
        v.assign(x)
        return before, v.read_value() + v.read_value()

    graph = _trace(f, (2,))
    after = graph.after(["merge_common"])
    text = after.traced_text()
    assert text.count("read_variable") == 1  # what was stored need not be read
    assert _nodes(after) == ["multiply", "store", "add"]
    before, now = after([tahr.constant([5.0, 6.0])])
    assert before.tolist() == [1.0, 4.0] and now.tolist() == [10.0, 12.0] and v.numpy().tolist() == [5.0, 6.0]


def test_updates_end_what_is_known_of_a_variable():
    v = tahr.Variable([1.0])
    rate = tahr.constant(0.5)

    def f(g):
        a = v.read_value() + 0.0
        _C.ops.sgd_update([v, g, rate], count=1)
        return a, v.read_value() + 0.0

    after = _trace(f, (1,)).after(["merge_common"])
    assert after.traced_text().count("read_variable") == 2
    a, b = after([tahr.constant([1.0])])
    assert a.tolist() == [1.0] and b.tolist() == [0.5]


def test_states_exchange_what_they_hold():
    v, w = tahr.Variable([1.0, 2.0]), tahr.Variable([3.0, 4.0])

    def f(x):
        kept, other = v * 1.0, w / 1.0
        v.assign(ops.negative(ops.negative(other)))
        w.assign(kept)
        return kept, other, x * 1.0, x - 0.0, v * 1.0

    graph = _trace(f, (2,))
    for _ in range(2):
        old = [v.numpy(), w.numpy()]
        x = tahr.constant([5.0, 6.0])
        kept, other, *same, now = graph([x])
        assert [v.numpy().tolist(), w.numpy().tolist()] == [old[1].tolist(), old[0].tolist()]
        assert [kept.tolist(), other.tolist(), now.tolist()] == [old[0].tolist(), old[1].tolist(), old[1].tolist()]
        assert [t.tolist() for t in same] == [[5.0, 6.0]] * 2


# ---------------------------------------------------------------- constants


def test_constants_fold():
    c = tahr.constant(np.arange(6.0).reshape(2, 3), F32)

    def f(x):
        # What depends on a zero of x's shape alone is known only after a rule has removed x.
        return x + ops.sum(ops.where(ops.ones((3,), "bool"), c, c * x), axis=0)

    passes = ["simplify", "fold_constants"]
    _check(f, (3,), passes=passes, expect=["add"])


def test_large_results_are_not_folded():
    def f(x):
        return ops.where(ops.ones((1,), "bool"), tahr.constant([[1.0]]), x[:1, :1]) + ops.zeros((1, 1))

    def big(x):
        one = ops.where(ops.ones((1, 1), "bool"), tahr.constant([[1.0]]), x[:1, :1])
        return ops.cumsum(ops.broadcast_to(one, (200, 200)), axis=0) + x

    assert _nodes(_trace(f, (4, 4)).after(["simplify", "fold_constants"])) == []
    left = _nodes(_trace(big, (200, 200)).after(["simplify", "fold_constants"]))
    assert "broadcast_to" in left or any("cumsum" in op for op in left)


# ---------------------------------------------------------------- local rules

IDENTITIES = {
    "times one": lambda x: x * 1.0,
    "one times": lambda x: 1.0 * x,
    "by one": lambda x: x / 1.0,
    "minus zero": lambda x: x - 0.0,
    "plus minus zero": lambda x: x + tahr.constant(-0.0),
    "times ones": lambda x: x * ops.ones((3, 4)),
    "same dtype": lambda x: _C.ops.cast(x, dtype="float32"),
    "same shape": lambda x: ops.reshape(ops.reshape(x, (4, 3)), (3, 4)),
    "squeezed again": lambda x: ops.squeeze(ops.expand_dims(x, 1), 1),
    "broadcast to itself": lambda x: ops.broadcast_to(x, (3, 4)),
    "transposed twice": lambda x: ops.transpose(ops.transpose(x)),
    "negated twice": lambda x: ops.negative(ops.negative(x)),
    "copies": lambda x: ops.stop_gradient(ops.copy(x)),
    "whole slice": lambda x: x[0:3, :],
    "select": lambda x: ops.where(ops.ones((3, 4), "bool"), x, ops.exp(x)),
    "one part": lambda x: ops.concatenate([x], axis=0),
    "tiled once": lambda x: ops.tile(x, (1, 1)),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_what_computes_nothing_goes(name):
    _check(IDENTITIES[name], (3, 4), passes=["simplify"], expect=[])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int32"])
def test_neutral_elements_of_other_dtypes(dtype):
    def f(x):
        one, zero = ops.ones((), dtype), ops.zeros((), dtype)
        return ops.exp(ops.cast((x * one) - zero, F32))

    _check(f, (7,), passes=["simplify"], expect=["cast", "exp"], dtypes=[dtype])


def test_adding_zero_stays_where_signs_of_zero_would_change():
    _check(lambda x: x + 0.0, (16,), passes=["simplify"], expect=["add"])
    _check(lambda x: x - tahr.constant(-0.0), (16,), passes=["simplify"], expect=["subtract"])
    _check(lambda x: 0.0 - x, (16,), passes=["simplify"], expect=["subtract"])
    _check(lambda x: x + 0, (16,), passes=["simplify"], expect=[], dtypes=["int32"])


def test_adding_zero_goes_where_no_zero_is_negative():
    _check(lambda x: ops.square(x) + 0.0, (16,), passes=["simplify"], expect=["square"])
    _check(lambda x: ops.cast(x, F32) + 0.0, (16,), passes=["simplify"], expect=["cast"], dtypes=["int32"])
    _check(
        lambda x: ops.cast(x, F32) * 0.5 + 0.0, (9,), passes=["simplify"], expect=["cast", "multiply"], dtypes=["uint8"]
    )
    _check(
        lambda x: ops.cast(x, F32) * -0.5 + 0.0,
        (9,),
        passes=["simplify"],
        expect=["cast", "multiply", "add"],
        dtypes=["uint8"],
    )


def test_division_by_a_power_of_two_is_a_product():
    _check(lambda x: x / 32.0, (16,), passes=["simplify"], expect=["multiply"])
    _check(lambda x: x / -0.25, (16,), passes=["simplify"], expect=["multiply"])
    _check(lambda x: x / 3.0, (16,), passes=["simplify"], expect=["divide"])


def test_views_of_views():
    def f(x):
        return ops.exp(ops.reshape(ops.squeeze(ops.reshape(x, (6, 1, 2)), 1), (3, 4)))

    _check(f, (12,), passes=["simplify"], expect=["reshape", "exp"])
    _check(lambda x: ops.transpose(x, (1, 0, 2)), (3, 1, 4), passes=["simplify"], expect=["reshape"])
    both = lambda x: ops.transpose(ops.transpose(x, (1, 2, 0)), (0, 2, 1))  # noqa: E731
    _check(both, (2, 3, 4), passes=["simplify"], expect=["transpose"])


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod"])
def test_reductions_over_axes_of_size_one(name):
    def f(x):
        reduce = getattr(ops, name)
        return (
            reduce(ops.square(x), axis=1),
            reduce(ops.square(x), axis=1, keepdims=True),
            reduce(ops.square(x), axis=()),
        )

    _check(f, (5, 1), passes=["simplify"], expect=["square", "reshape", "square", "square"])


@pytest.mark.parametrize("name", ["sum", "mean"])
def test_sums_of_what_may_be_minus_zero_stay(name):
    _check(lambda x: getattr(ops, name)(x, axis=1), (50, 1), passes=["simplify"], expect=[name])


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("shape", [(33, 1), (64, 1), (700, 1)])
def test_sums_over_everything_skip_what_only_reshapes(name, shape):
    def f(x):
        return getattr(ops, name)(ops.mean(ops.expand_dims(ops.tanh(x), 0), axis=-1))

    _check(f, shape, passes=["simplify"], expect=["tanh", name])


def test_elementwise_ops_broadcast_for_themselves():
    def f(x, y):
        return x + ops.broadcast_to(y, (3, 4)), x * tahr.constant(np.full((3, 4), 2.0), F32)

    after = _check(f, (3, 4), (3, 1), passes=["simplify"], expect=["add", "multiply"])
    assert "float32(3, 4)" not in "".join(line for line in after.traced_text().splitlines() if "constant" in line)
    # A single exponent is computed in another way than many equal ones.
    _check(
        lambda x: ops.power(x, tahr.constant(np.full((3, 4), 0.5), F32)), (3, 4), passes=["simplify"], expect=["power"]
    )


# ---------------------------------------------------------------- products


@pytest.mark.parametrize("flags", [(False, False), (True, False), (False, True), (True, True)])
def test_transposes_become_flags(flags):
    def f(a, b):
        a = ops.transpose(a) if flags[0] else a
        return _C.ops.matmul(a, ops.transpose(b) if flags[1] else b)

    a, b = ((5, 3) if flags[0] else (3, 5)), ((4, 5) if flags[1] else (5, 4))
    after = _check(f, a, b, passes=["fold_transposes"], expect=["matmul"])
    assert f"transpose_a={flags[0]}, transpose_b={flags[1]}" in after.traced_text()


def test_only_the_last_two_axes_fold():
    def f(a, b):
        return ops.matmul(ops.transpose(a, (0, 2, 1)), ops.transpose(b, (1, 0, 2)))

    _check(f, (2, 5, 3), (5, 2, 4), passes=["fold_transposes"], expect=["transpose", "matmul"])


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "silu", "softplus"])
def test_bias_and_activation_ride_on_a_product(activation):
    def f(x, w, b):
        return getattr(ops, activation)(ops.matmul(x, w) + b)

    after = _check(f, (6, 5), (5, 7), (7,), passes=["fuse_matmul"], expect=["linear"])
    assert "activation='" in after.traced_text()


def test_the_slope_of_the_activation_before_rides_on_a_product():
    def f(dy, w, y):
        return _C.ops.range_grad(_C.ops.matmul(dy, w, transpose_b=True), y, 0.0, float("inf"))

    _check(f, (6, 5), (7, 5), (6, 7), passes=["fuse_matmul"], expect=["linear_grad"])

    def shared(dy, w, y):
        dx = _C.ops.matmul(dy, w, transpose_b=True)
        return _C.ops.range_grad(dx, y, 0.0, 6.0), dx

    _check(shared, (6, 5), (7, 5), (6, 7), passes=["fuse_matmul"], expect=["matmul", "range_grad"])

    def turned(dy, w, y):  # the product says where, not what
        return _C.ops.range_grad(y, _C.ops.matmul(dy, w), 0.0, 1.0)

    _check(turned, (6, 5), (5, 7), (6, 7), passes=["fuse_matmul"], expect=["matmul", "range_grad"])


def test_products_that_somebody_else_reads_stay():
    def f(x, w, b):
        y = ops.matmul(x, w)
        z = y + b
        return ops.relu(z), y

    _check(f, (6, 5), (5, 7), (7,), passes=["fuse_matmul"], expect=["matmul", "add", "relu"])

    def pre(x, w, b):
        z = ops.matmul(x, w) + b
        return ops.gelu(z) * z

    _check(pre, (6, 5), (5, 7), (7,), passes=["fuse_matmul"], expect=["linear", "gelu", "multiply"])
    # Not biases: another shape, another rank.
    _check(
        lambda x, w, b: ops.matmul(x, w) + b, (6, 5), (5, 7), (6, 1), passes=["fuse_matmul"], expect=["matmul", "add"]
    )


def test_batch_normalisation_takes_the_sum_and_the_relu_after_it():
    def block(x, skip):
        y, mean, variance = ops.fused_batch_norm(x, ops.mean(x, axis=(0, 1)), ops.max(x, axis=(0, 1)))
        return ops.relu(y), mean, ops.relu(skip + ops.fused_batch_norm(x)[0]), variance * 2.0

    shapes = (4, 6, 5), (4, 6, 5)
    expect = ["mean", "max", "standardize_relu", "standardize_relu", "multiply"]
    _check(block, *shapes, passes=["fuse_matmul"], expect=expect)

    def kept(x, skip):  # what others read, and what is not yet there
        y, late = ops.fused_batch_norm(x)[0], ops.fused_batch_norm(skip)[0]
        z = ops.fused_batch_norm(x - 1.0)[0]
        return ops.relu(y) + y, ops.relu(z + ops.exp(skip)), ops.relu(ops.layer_normalization(late))

    expect = ["standardize", "standardize", "subtract", "standardize", "relu", "add", "exp", "add", "relu"]
    _check(kept, *shapes, passes=["fuse_matmul"], expect=[*expect, "standardize", "relu"])


def _descent(momentum: float = 0.0, decay: float = 0.0) -> tuple[Callable[..., Any], list[Any]]:
    rng = np.random.default_rng(0)
    values = [rng.normal(size=s).astype(F32) for s in ((4, 3), (3,), (3, 2))]
    variables = [tahr.Variable(v) for v in values]
    slots = [tahr.Variable(np.zeros_like(v)) for v in values] if momentum else []
    rate = tahr.Variable(0.1)

    def step(x, g):
        w, b, u = variables
        h = ops.relu(ops.matmul(x, w.read_value()) + b.read_value())
        du = _C.ops.matmul(h, g, transpose_a=True)
        dh = _C.ops.matmul(g, u.read_value(), transpose_b=True)
        dw = _C.ops.matmul(x, dh, transpose_a=True)
        grads = [dw, ops.sum(dh, axis=0), du]
        _C.ops.sgd_update(
            [*variables, *slots, *grads, rate], count=3, momentum=momentum, weight_decay=decay, no_decay=[2]
        )
        return ops.sum(u.read_value())

    return step, [*variables, *slots]


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize(
    ("momentum", "decay", "fused"), [(0.0, 0.0, 2), (0.0, 0.1, 1), (0.9, 0.0, 0)], ids=["plain", "decay", "momentum"]
)
def test_descent_along_products(momentum, decay, fused):
    step, variables = _descent(momentum, decay)
    graph = _trace(step, (8, 4), (8, 2))
    after = graph.after(["fuse_matmul"])
    assert _nodes(after).count("linear_sgd") == fused
    start = [v.numpy() for v in variables]
    rng = np.random.default_rng(1)
    batches = [[_draw(rng, s) for s in ((8, 4), (8, 2))] for _ in range(3)]
    batches = [[ops.where(ops.isfinite(t), t, ops.ones_like(t)) for t in batch] for batch in batches]
    expected = [step(*batch) for batch in batches]
    end = [v.numpy() for v in variables]
    for run in (after, graph):
        for v, value in zip(variables, start):
            v.assign(value)
        got = [run(batch)[0] for batch in batches]
        _same(got, expected)  # what is read after the update is the updated variable
        for v, value in zip(variables, end):
            assert v.numpy().tobytes() == value.tobytes()


def test_gradients_that_are_also_read_elsewhere_are_stored():
    v = tahr.Variable(np.ones((4, 2)), dtype=F32)
    rate = tahr.constant(0.1)

    def f(x, g):
        dv = _C.ops.matmul(x, g, transpose_a=True)
        _C.ops.sgd_update([v, dv, rate], count=1)
        return ops.sum(ops.square(dv))

    assert _nodes(_trace(f, (8, 4), (8, 2)).after(["fuse_matmul"]))[:2] == ["matmul", "sgd_update"]


def test_a_variable_given_twice_keeps_one_update():
    v = tahr.Variable(np.ones((4, 2)), dtype=F32)

    def f(x, g):
        first, second = _C.ops.matmul(x, g, transpose_a=True), _C.ops.matmul(x, g * 2.0, transpose_a=True)
        _C.ops.sgd_update([v, v, first, second, tahr.constant(0.1)], count=2)

    assert "linear_sgd" not in _nodes(_trace(f, (8, 4), (8, 2)).after(["fuse_matmul"]))


# ---------------------------------------------------------------- all of them


def test_random_graphs_keep_their_bits():
    unary = [ops.exp, ops.negative, ops.tanh, ops.relu, ops.stop_gradient, lambda x: x * 1.0, lambda x: x / 4.0]
    unary += [lambda x: ops.transpose(ops.transpose(x)), lambda x: ops.reshape(ops.reshape(x, (-1,)), (4, 4))]
    unary += [lambda x: ops.broadcast_to(ops.sum(x, axis=0, keepdims=True), (4, 4)), lambda x: x + 0.0, ops.transpose]
    binary = [ops.add, ops.multiply, ops.subtract, ops.maximum, ops.matmul, lambda a, b: ops.where(a > b, a, b)]
    for seed in range(25):
        rng = np.random.default_rng(seed)
        v = tahr.Variable(np.zeros((4, 4)), dtype=F32)
        plan = [(rng.random(), int(rng.integers(99)), rng.integers(1 << 30, size=2)) for _ in range(20)]

        def f(x, y, plan=plan, v=v):
            values = [x, y, ops.ones((4, 4))]
            for kind, op, picks in plan:
                a, b = (values[int(p) % len(values)] for p in picks)
                if kind < 0.45:
                    values.append(unary[op % len(unary)](a))
                elif kind < 0.85:
                    values.append(binary[op % len(binary)](a, b))
                elif kind < 0.93:
                    v.assign(a)
                else:
                    values.append(v.read_value() + b)
            return values[-1], values[-2], values[len(values) // 2]

        inputs = [_draw(rng, (4, 4)), _draw(rng, (4, 4))]
        graph = _trace(f, (4, 4), (4, 4))
        v.assign(np.zeros((4, 4)))
        expected = [*f(*inputs), tahr.convert_to_tensor(v.numpy())]
        for passes in (["merge_common"], ["simplify"], ["merge_common", "simplify", "fold_constants", "fuse_matmul"]):
            v.assign(np.zeros((4, 4)))
            _same([*graph.after(passes)(inputs), tahr.convert_to_tensor(v.numpy())], expected)


def test_a_training_step_has_no_needless_nodes():
    from tahr import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(30, activation="relu"), keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.01))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 8)).astype(F32), rng.normal(size=(64, 1)).astype(F32)
    with profiler.profile() as p:
        model.fit(x, y, epochs=2, verbose=0)
    (report,) = p.functions
    kernels = [n["op"] for n in report["nodes"] if n["step"] == "kernel"]
    assert [n["step"] for n in report["nodes"] if n["step"] not in ("", "kernel")] == []
    assert sorted(set(kernels)) == [
        "fused",
        "linear",
        "linear_grad",
        "linear_sgd",
        "mean",
        "sgd_update",
        "sum",
    ]
    assert len(kernels) <= 12
    assert {n["runs"] for n in report["nodes"] if n["step"]} == {4}


# ---------------------------------------------------------------- looking at graphs


def _example() -> Any:
    w = tahr.Variable(np.ones((8, 4)), dtype=F32, name="weights")

    def f(x):
        return ops.sum(ops.exp(ops.matmul(x, w.read_value())) * 2.0)

    return tracing.trace(f, [((16, 8), F32)])


def test_text_shows_shapes_and_memory():
    text = _example().text()
    assert (
        "@weights" in text and "float32(16, 4)" in text and "# arena+" in text and "# free, in variable weights" in text
    )
    assert "memory: " in text and "kernels" in text


def test_pictures_hold_every_kernel():
    traced = _example()
    picture = traced.svg()
    report = traced.graph.report()
    assert picture.startswith("<svg") and picture.endswith("</svg>")
    for node in report["nodes"]:
        if node["step"]:
            assert graph_view.op_label(node).split()[0] in picture
    import xml.etree.ElementTree as ElementTree

    ElementTree.fromstring(picture)  # well-formed


def test_profile_counts_work():
    traced = _example()
    x = ops.ones((16, 8))
    traced([x])
    with profiler.profile() as outer:
        traced([x])
        with profiler.profile() as inner:
            for _ in range(4):
                traced([x])
    traced([x])
    (row,) = [r for r in inner.rows() if r.op.startswith(("matmul", "linear"))]
    assert row.runs == 4 and row.flops == 4 * 2 * 16 * 8 * 4 and row.bytes == 4 * 4 * (16 * 8 + 8 * 4 + 16 * 4)
    assert row.seconds > 0
    assert [r.runs for r in outer.rows() if r.op == row.op] == [5]
    assert "x floor" in inner.table() and "matmul" in inner.table()
    assert "<svg" in inner.svg()


def test_flops_of_convolutions():
    def f(x, k):
        with tahr.GradientTape() as tape:
            tape.watch([x, k])
            y = ops.conv(x, k, strides=2, padding="same")
        return tape.gradient(y, [x, k], output_gradients=y)

    traced = tracing.trace(f, [((2, 8, 8, 3), F32), ((3, 3, 3, 5), F32)])
    costs = {n["op"]: n["flops"] for n in traced.graph.report()["nodes"] if n["op"].startswith("conv_")}
    assert costs == dict.fromkeys(["conv_forward", "conv_dx", "conv_dw"], 2 * (2 * 4 * 4 * 5) * (3 * 3 * 3))


def test_profile_without_functions():
    with profiler.profile() as p:
        ops.ones((3,)) + 1.0
    assert p.rows() == [] and p.table() == "no traced function ran"


def test_verbose_tells_of_compilations_and_times():
    code = "import tahr; f = tahr.function(lambda x: x * 2.0 + 1.0); f(tahr.ops.ones((4,)))"
    environment = {**os.environ, "TAHR_VERBOSE": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "[function] compiled in" in run.stderr and "fused[2] multiply add" in run.stderr
    quiet = {k: v for k, v in os.environ.items() if k != "TAHR_VERBOSE"}
    run = subprocess.run([sys.executable, "-c", code], env=quiet, capture_output=True, text=True, check=True)
    assert run.stderr == ""
