"""tahr.function: when it traces, what it keeps, what it gives back, what it says."""

from __future__ import annotations

import collections
import copy
import functools
import gc
import threading
import warnings
import weakref

import numpy as np
import pytest
import tahr
from tahr import keras, ops

Pair = collections.namedtuple("Pair", "first second")


def c(value, dtype="float32"):
    return tahr.constant(value, dtype=dtype)


def counting(f, **options):
    """A traced function, and the list of its traces' arguments."""
    seen = []

    @functools.wraps(f)
    def counted(*args, **kwargs):
        seen.append(args)
        return f(*args, **kwargs)

    return tahr.function(counted, **options), seen


# ---------------------------------------------------------------- when it traces


def test_one_trace_per_shape_and_dtype():
    f, traces = counting(lambda x: x + x)
    for value in (c([1.0]), c([2.0]), c([1.0, 2.0]), c([1], "int32"), c([5.0]), c(1.0), c(np.zeros((0,)))):
        np.testing.assert_array_equal(f(value), value.numpy() * 2)
    assert len(traces) == f.experimental_get_tracing_count() == 5


def test_arrays_are_inputs_and_python_values_are_fixed():
    f, traces = counting(lambda x, k: x * k)
    a = np.array([1.0, 2.0], "float32")
    assert f(a, 2.0).tolist() == f(c(a), 2.0).tolist() == [2.0, 4.0]
    assert len(traces) == 1
    assert f(a, 3.0).tolist() == [3.0, 6.0]
    assert f(a, 2).tolist() == [2.0, 4.0]  # 2 is no 2.0, and True is no 1
    assert f(a, 1).tolist() == f(a, True).tolist()
    assert len(traces) == 5


def test_floats_are_told_apart_as_numbers_are():
    f, traces = counting(lambda x, k: k / x)
    assert not np.signbit(f(c(2.0), 0.0)) and np.signbit(f(c(2.0), -0.0))
    f(c(2.0), float("nan")), f(c(2.0), float("nan"))
    assert len(traces) == 3


def test_structures_of_tensors():
    f, traces = counting(lambda data: data["a"] - sum(data["b"], c(0.0)))
    assert float(f({"a": c(1.0), "b": [c(2.0), c(3.0)]})) == -4.0
    assert float(f({"a": c(1.0), "b": [np.float32(2.0), np.array(3.0, "float32")]})) == -4.0
    assert float(f({"a": c(1.0), "b": (c(2.0), c(3.0))})) == -4.0
    assert float(f({"a": c(1.0), "b": []})) == 1.0
    assert len(traces) == 3


def test_the_order_of_keys_is_the_callers():
    f = tahr.function(lambda d: list(d.values()))
    assert [float(v) for v in f({"a": c(1.0), "b": c(2.0)})] == [1.0, 2.0]
    assert [float(v) for v in f({"b": c(2.0), "a": c(1.0)})] == [2.0, 1.0]


def test_input_signature():
    f, traces = counting(lambda x, y: x - y, input_signature=[tahr.TensorSpec((None,)), tahr.TensorSpec(())])
    assert f(c([5.0]), c(1.0)).tolist() == [4.0]
    assert f(y=c(1.0), x=c([5.0])).tolist() == [4.0]  # keywords find their places
    assert f([5.0], 1).tolist() == [4.0]  # lists and numbers are what the signature says
    assert f([5.0], 2).tolist() == [3.0]
    assert len(traces) == 1
    with pytest.raises(
        ValueError, match=r"\[function\] expected argument 0 of '<lambda>' to fit .*received float32 of"
    ):
        f(c([[5.0]]), c(1.0))
    with pytest.raises(ValueError, match=r"\[function\] expected the 2 tensors of input_signature"):
        f(c([5.0]))
    with pytest.raises(ValueError, match=r"received int32 of shape"):
        f(c([5], "int32"), c(1.0))
    assert f(c([1.0, 2.0]), c(1.0)).tolist() == [0.0, 1.0]


def test_many_traces_warn_once_and_are_bounded():
    f = tahr.function(lambda x, n: x * n)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(100):
            assert float(f(c(2.0), n)) == 2.0 * n
    assert len(caught) == 1 and "traced 16 times" in str(caught[0].message)
    assert len(f._traces) <= 64
    assert float(f(c(2.0), 0)) == 0.0  # dropped, and traced again


def test_side_effects_happen_once():
    log = []

    @tahr.function
    def f(x):
        log.append("traced")
        return x + 1

    for _ in range(3):
        f(c(1.0))
    assert log == ["traced"]
    tahr.config.run_functions_eagerly(True)
    try:
        f(c(1.0)), f(c(1.0))
    finally:
        tahr.config.run_functions_eagerly(False)
    assert len(log) == 3


def test_concrete_function_from_a_spec():
    f = tahr.function(lambda x, y: x @ y)
    concrete = f.get_concrete_function(tahr.TensorSpec((2, 3)), tahr.TensorSpec((3, 1)))
    assert concrete([c(np.ones((2, 3))), c(np.ones((3, 1)))]).tolist() == [[3.0], [3.0]]
    f(c(np.ones((2, 3))), c(np.ones((3, 1))))
    assert f.experimental_get_tracing_count() == 1
    with pytest.raises(ValueError, match="expected known shapes"):
        f.get_concrete_function(tahr.TensorSpec((None, 3)), tahr.TensorSpec((3, 1)))


# ---------------------------------------------------------------- what it gives back


def test_structures_of_results():
    v = tahr.Variable([7.0])

    @tahr.function
    def f(x):
        return {
            "pair": Pair(x, x + 1),
            "none": None,
            "text": "as it is",
            "number": 3,
            "array": np.arange(2),
            "variable": v,
            "list": [x, (x * 2,)],
            "default": collections.defaultdict(list, {"k": x}),
        }

    for value in (1.0, 5.0):
        out = f(c(value))
        assert isinstance(out["pair"], Pair) and float(out["pair"].second) == value + 1
        assert out["none"] is None and out["text"] == "as it is"
        assert int(out["number"]) == 3 and out["array"].tolist() == [0, 1]
        assert out["variable"].tolist() == [7.0]
        assert isinstance(out["list"][1], tuple) and float(out["list"][1][0]) == 2 * value
        assert float(out["default"]["k"]) == value and out["default"]["new"] == []


def test_same_result_twice_inputs_and_their_views_as_results():
    f = tahr.function(lambda x: (x, x, ops.reshape(x, (2, 1)), x + 0.0))
    a = np.array([1.0, 2.0], "float32")
    out = f(a)
    a[:] = 9.0  # the caller's array is the caller's
    for result in out:
        assert result.numpy().ravel().tolist() == [1.0, 2.0]
    y = out[3].numpy()
    y[:] = 0.0
    assert out[3].tolist() == [1.0, 2.0]


def test_an_array_is_never_written_to():
    v = tahr.Variable(np.zeros(1000, "float32"))
    a = np.random.default_rng(0).normal(size=1000).astype("float32")
    before = a.copy()

    @tahr.function
    def f(x):
        v.assign(x)
        v.assign_add(x)
        y = ops.exp(x) * 2.0 + x
        v.assign_sub(y)
        return y

    for _ in range(3):
        f(a)
        v.assign(a)
        f(a)
        np.testing.assert_array_equal(a, before)


def test_captured_constants():
    big = np.random.default_rng(0).normal(size=(500, 200)).astype("float32")
    f = tahr.function(lambda x: x @ big)
    x = np.eye(500, dtype="float32")
    np.testing.assert_array_equal(f(x), big)
    big[:] = 0.0  # what was traced stays
    assert abs(f(x).numpy()).sum() > 0


def test_results_of_reads_stay_when_the_variable_changes():
    v = tahr.Variable([1.0, 2.0])

    @tahr.function
    def f():
        before, view = v.value(), ops.reshape(v, (2, 1))
        v.assign_add([10.0, 10.0])
        return before, view, v.value(), ops.reshape(v, (1, 2))

    first = f()
    second = f()
    v.assign([0.0, 0.0])
    assert [r.numpy().ravel().tolist() for r in first] == [[1, 2], [1, 2], [11, 12], [11, 12]]
    assert [r.numpy().ravel().tolist() for r in second] == [[11, 12], [11, 12], [21, 22], [21, 22]]


def test_a_result_that_is_also_stored():
    v, w = tahr.Variable([0.0]), tahr.Variable([0.0])

    @tahr.function
    def f(x):
        y = ops.exp(x)
        v.assign(y)
        w.assign(y)
        v.assign_add([1.0])
        return y

    y = f(c([0.0]))
    assert (y.tolist(), v.numpy().tolist(), w.numpy().tolist()) == ([1.0], [2.0], [1.0])
    f(c([1.0]))
    assert y.tolist() == [1.0]


def test_sizes_that_depend_on_values():
    f = tahr.function(lambda x: (ops.nonzero(x > 0)[0], tahr.boolean_mask(x, x > 0), ops.sum(x[x > 0])))
    for value in ([1.0, -1.0, 2.0], [-1.0, -2.0, -3.0], [1.0, 2.0, 3.0]):
        a = np.array(value, "float32")
        where, masked, total = f(a)
        np.testing.assert_array_equal(where, np.nonzero(a > 0)[0])
        np.testing.assert_array_equal(masked, a[a > 0])
        assert float(total) == a[a > 0].sum()
    assert f.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("reduce", [ops.sum, ops.mean, ops.max, ops.logsumexp])
def test_gradients_over_sizes_that_depend_on_values(reduce):
    def f(x):
        return reduce(ops.take(x, ops.nonzero(x > 0)[0]))

    x = c([1.0, -1.0, 2.0, 5.0])
    found = []
    for g in (f, tahr.function(f)):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            y = g(x)
        found.append(tape.gradient(y, x).numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_empty_and_rank_0():
    f = tahr.function(lambda x, s: (ops.sum(x), ops.concatenate([x, x], axis=0), s * 2, ops.reshape(s, (1, 1))))
    total, twice, double, square = f(np.zeros((0, 3), "float32"), c(4.0))
    assert (float(total), twice.shape, float(double), square.shape) == (0.0, (0, 3), 8.0, (1, 1))


# ---------------------------------------------------------------- variables


def test_assignments_keep_their_order():
    v = tahr.Variable(1.0)

    @tahr.function
    def f(x):
        seen = [v + 0.0]
        v.assign(v + 1.0)
        seen.append(v * 1.0)
        v.assign(x)
        v.assign_sub(2.0)
        seen.append(v.value())
        v.assign(v * v)
        return seen

    assert [float(s) for s in f(c(5.0))] == [1.0, 2.0, 3.0] and float(v) == 9.0
    assert [float(s) for s in f(c(0.0))] == [9.0, 10.0, -2.0] and float(v) == 4.0


def test_swap_and_slices():
    v, w = tahr.Variable([1.0, 2.0, 3.0]), tahr.Variable([4.0, 5.0, 6.0])

    @tahr.function
    def f():
        a, b = v.value(), w.value()
        v.assign(b)
        w.assign(a)
        v[0].assign(-1.0)
        v[1:].assign_add([10.0, 20.0])
        w[-1].assign_sub(v[0])

    f()
    assert (v.numpy().tolist(), w.numpy().tolist()) == ([-1.0, 15.0, 26.0], [1.0, 2.0, 4.0])
    f()
    assert (v.numpy().tolist(), w.numpy().tolist()) == ([-1.0, 12.0, 24.0], [-1.0, 15.0, 27.0])


def test_two_stores_whose_values_live_at_once():
    v = tahr.Variable(np.zeros((3, 3), "float32"))
    a, b = (np.random.default_rng(i).normal(size=(3, 3)).astype("float32") for i in range(2))

    def f(x):
        first, second = x @ a, x @ b
        v.assign(first)
        used = first @ a
        v.assign(second)
        return used

    x = c(np.eye(3))
    expected = f(x).numpy()
    np.testing.assert_array_equal(tahr.function(f)(x), expected)
    np.testing.assert_array_equal(v, b)


def test_variables_are_made_in_the_first_call_only():
    class Counter:
        def __init__(self):
            self.count = None

        @tahr.function
        def __call__(self, x, tag):
            if self.count is None:
                self.count = tahr.Variable(lambda: tahr.ones(()) * 10.0)
            self.count.assign_add(x)
            return self.count * 1.0

    counter = Counter()
    assert [float(counter(c(1.0), "a")) for _ in range(3)] == [11.0, 12.0, 13.0]
    assert float(counter(c(1.0), "b")) == 14.0

    made = []

    @tahr.function
    def later(x, n):
        if len(made) < n:
            made.append(tahr.Variable(1.0, name="late"))
        return x * made[-1]

    later(c(1.0), 1)
    with pytest.raises(ValueError, match=r"\[function\] the variable 'late' was created in a later trace"):
        later(c(1.0), 2)
    with pytest.raises(ValueError, match=r"\[function\] the variable 'gone' was created inside a function and dropped"):
        tahr.function(lambda x: tahr.Variable(1.0, name="gone") * x)(c(1.0))
    assert not tahr.tracing.is_tracing()


def test_variables_and_objects_as_arguments_go_with_their_traces():
    f = tahr.function(lambda v, x: v * x)
    for i in range(12):
        assert float(f(tahr.Variable(float(i)), c(2.0))) == 2.0 * i
    gc.collect()
    assert len(f._traces) <= 1

    v = tahr.Variable(np.ones(1000, "float32"))
    gone = weakref.ref(v)
    g = tahr.function(lambda x: x + v)  # noqa: F821 (a closure, which holds it)
    g(c(1.0))
    del v, g
    gc.collect()
    assert gone() is None


def test_a_deleted_model_frees_what_its_functions_held():
    def build():
        model = keras.Sequential([keras.Input((256,)), keras.layers.Dense(256), keras.layers.Dense(256)])
        optimizer = keras.optimizers.Adam()

        @tahr.function
        def step(x):
            with tahr.GradientTape() as tape:
                loss = ops.mean(ops.square(model(x)))
            optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
            return loss

        for _ in range(2):
            step(np.ones((8, 256), "float32"))
        return weakref.ref(model)

    build()
    gc.collect()
    before = tahr.config.memory_stats()["live"]
    references = [build() for _ in range(5)]
    gc.collect()
    assert all(r() is None for r in references)
    assert tahr.config.memory_stats()["live"] - before < 100_000  # of about 1.5 MB each


def test_methods_have_traces_of_their_own():
    class Scale:
        def __init__(self, by):
            self.by = by

        @tahr.function
        def __call__(self, x):
            return x * self.by

    class Slotted:
        __slots__ = ("by",)
        call = Scale.__call__

    a, b = Scale(2.0), Scale(3.0)
    assert (float(a(c(1.0))), float(b(c(1.0))), float(a(c(5.0)))) == (2.0, 3.0, 10.0)
    slotted = Slotted()
    slotted.by = 4.0
    assert float(slotted.call(c(1.0))) == 4.0
    gone = weakref.ref(a)
    del a
    gc.collect()
    assert gone() is None


def test_copies_of_objects_with_functions():
    class Scale:
        def __init__(self, by):
            self.by = by
            self.shared = tahr.function(ops.square)

        @tahr.function
        def __call__(self, x):
            return self.shared(x) * self.by

    scale = Scale(2.0)
    assert float(scale(c(3.0))) == 18.0
    other = copy.deepcopy(scale)
    other.by = 5.0
    assert (float(other(c(3.0))), float(scale(c(3.0)))) == (45.0, 18.0)


# ---------------------------------------------------------------- random numbers


@pytest.mark.parametrize(
    "draw",
    [
        lambda: tahr.random.uniform((4,)),
        lambda: keras.random.normal((4,)),
        lambda: tahr.random.shuffle(tahr.range(20)),
        lambda: tahr.nn.dropout(tahr.ones((40,)), 0.5),
    ],
)
def test_random_numbers_are_new_at_each_call_and_those_of_the_seed(draw):
    f = tahr.function(draw)
    tahr.random.set_seed(5)
    eager = [draw().numpy() for _ in range(3)]
    tahr.random.set_seed(5)
    mixed = [f().numpy(), draw().numpy(), f().numpy()]  # one stream, however it is drawn from
    np.testing.assert_array_equal(eager, mixed)
    assert not (eager[0] == eager[1]).all()


def test_seed_generators_and_dropout_layers():
    results = []
    for traced in (False, True):
        generator, layer = keras.random.SeedGenerator(3), keras.layers.Dropout(0.5, seed=4)

        def f(x):
            return layer(x, training=True) + keras.random.uniform((6,), seed=generator)  # noqa: B023

        g = tahr.function(f) if traced else f
        results.append([g(tahr.ones((6,))).numpy() for _ in range(3)])
    np.testing.assert_array_equal(*results)
    assert not (results[0][0] == results[0][1]).all()


# ---------------------------------------------------------------- gradients


def _second(f, x):
    with tahr.GradientTape() as outer:
        outer.watch(x)
        with tahr.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        first = tape.gradient(y, x)
    return y, first, outer.gradient(first, x)


def test_gradients_around_inside_and_of_gradients():
    x = c([0.5, -1.0, 2.0])
    traced = tahr.function(lambda t: ops.sum(ops.sin(t) * t))
    expected = [r.numpy() for r in _second(traced.python_function, x)]
    for way in (lambda t: _second(traced, t), tahr.function(lambda t: _second(traced, t))):
        for a, b in zip(expected, way(x)):
            np.testing.assert_array_equal(a, b)


def test_a_gradient_too_deep_says_so():
    f = tahr.function(lambda t: t * t * t)
    x = c(2.0)
    with tahr.GradientTape(persistent=True) as tape:
        tape.watch(x)
        first = tape.gradient(f(x), x)
        second = tape.gradient(first, x)
    assert (float(first), float(second)) == (12.0, 12.0)


def test_persistent_tape_jacobian_integers_and_unconnected():
    f = tahr.function(lambda x, i: (ops.take(x, i) ** 2, x * 0 + 1.0, ops.cast(i, "float32"), x))
    x, i = c([1.0, 2.0, 3.0]), c([2, 2], "int32")
    with tahr.GradientTape(persistent=True) as tape:
        tape.watch(x)
        taken, _, whole, same = f(x, i)
        more = taken * 2.0
    assert tape.gradient(taken, x).tolist() == [0.0, 0.0, 12.0]
    assert tape.gradient(more, x).tolist() == [0.0, 0.0, 24.0]
    assert tape.gradient(whole, x) is None
    assert tape.gradient(same, x).tolist() == [1.0, 1.0, 1.0]
    np.testing.assert_array_equal(tape.jacobian(taken, x), [[0, 0, 6.0], [0, 0, 6.0]])


def test_what_an_output_does_not_depend_on_has_no_gradient():
    v, w = tahr.Variable(2.0), tahr.Variable(3.0)
    f = tahr.function(lambda x: (x * v, w * w))
    x = c(5.0)
    with tahr.GradientTape(persistent=True) as tape:
        tape.watch(x)
        a, b = f(x)
    assert [None if g is None else float(g) for g in tape.gradient(a, [x, v, w])] == [2.0, 5.0, None]
    assert [None if g is None else float(g) for g in tape.gradient(b, [x, v, w])] == [None, None, 6.0]
    assert [float(g) for g in tape.gradient([a, b], [x, v, w])] == [2.0, 5.0, 6.0]


def test_gradients_of_variables_that_are_assigned_in_between():
    v = tahr.Variable(2.0)

    def f():
        with tahr.GradientTape(persistent=True) as tape:
            before = v * v
            v.assign(5.0)
            after = v * v * v
        return tape.gradient(before, v), tape.gradient(after, v)

    expected = [float(g) for g in f()]
    v.assign(2.0)
    assert [float(g) for g in tahr.function(f)()] == expected == [4.0, 75.0]


def test_custom_gradient():
    @tahr.custom_gradient
    def clipped(x):
        return x * 2.0, lambda dy: dy * 100.0

    x = c(1.0)
    for f in (lambda t: clipped(t) * 3.0, tahr.function(lambda t: clipped(t) * 3.0)):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        assert (float(y), float(tape.gradient(y, x))) == (6.0, 300.0)


def test_tapes_do_not_hold_variables_that_are_no_longer_used():
    v = tahr.Variable(np.ones(10, "float32"), trainable=False)
    f = tahr.function(lambda x: x * v)
    with tahr.GradientTape() as tape:
        y = f(c(np.ones(10)))
    assert tape.gradient(y, v) is None
    v.trainable = True
    with tahr.GradientTape() as tape:
        y = ops.sum(f.python_function(c(np.ones(10))))
    assert tape.gradient(y, v).tolist() == [1.0] * 10


# ---------------------------------------------------------------- what goes wrong


def _asks_numpy(x):
    return x.numpy()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda x: x if x > 0 else -x, r"\[bool\] a symbolic tensor has no value.*tahr\.cond.*run_eagerly=True"),
        (lambda x: float(x), r"\[float\] a symbolic tensor has no value.*run_eagerly=True"),
        (lambda x: int(x), r"a symbolic tensor has no value.*run_eagerly=True"),
        (lambda x: [0, 1][ops.cast(x, "int32")], r"a symbolic tensor has no value.*run_eagerly=True"),
        (_asks_numpy, r"\[numpy\] a symbolic tensor has no value.*run_eagerly=True"),
        (lambda x: np.sin(x), r"\[numpy\] a symbolic tensor has no value.*run_eagerly=True"),
    ],
)
def test_asking_for_a_value_in_a_trace(body, message):
    f = tahr.function(body)
    for _ in range(2):
        with pytest.raises(TypeError, match=message):
            f(c(1.0))
    assert len(f._traces) == f.experimental_get_tracing_count() == 0
    assert not tahr.tracing.is_tracing()


@pytest.mark.parametrize("body", [lambda v: v.numpy(), np.asarray, lambda v: f"{v:.3f}"])
def test_asking_for_the_value_of_a_variable_in_a_trace(body):
    v = tahr.Variable(1.0, name="rate")
    with pytest.raises(TypeError, match=r"\[Variable\] the value of 'rate' was asked for as a number.*run_eagerly"):
        tahr.function(lambda: body(v))()
    assert tahr.function(lambda: (repr(v), v + 1.0)[1])().numpy() == 2.0  # looking at it is no error


def test_a_failed_trace_leaves_nothing():
    v = tahr.Variable(1.0)
    fail = [True]

    @tahr.function
    def f(x):
        v.assign(x)
        if fail[0]:
            raise KeyError("mine")
        return v * 2.0

    with pytest.raises(KeyError, match="mine"):
        f(c(5.0))
    assert float(v) == 1.0 and not f._traces and not tahr.tracing.is_tracing()
    fail[0] = False
    assert float(f(c(5.0))) == 10.0


def test_a_tensor_of_another_trace():
    kept = []

    @tahr.function
    def leak(x):
        kept.append(x * 2.0)
        return x

    leak(c(1.0))
    with pytest.raises(ValueError, match=r"\[function\] met a symbolic tensor .* belongs to another trace"):
        tahr.function(lambda x: x + kept[0])(c(1.0))
    with pytest.raises(TypeError, match="symbolic tensor has no value"):
        float(kept[0])


def test_errors_at_run_time_leave_everything_usable():
    v = tahr.Variable([1.0, 2.0])

    @tahr.function
    def f(i):
        v.assign_add([1.0, 1.0])
        return ops.take(v, i), ops.take(ops.exp(v), i)

    assert f(c([1], "int32"))[0].tolist() == [3.0]
    for _ in range(3):
        with pytest.raises(IndexError, match=r"\[take\] expected indices in \[-2, 2\), received 9"):
            f(c([9], "int32"))[0].numpy()  # a GPU tells when the host reads
    value = v.numpy()
    assert np.isfinite(value).all()
    v.assign(v * 1.0)  # not held any more
    before = v.value()
    v.assign_add([1.0, 1.0])
    np.testing.assert_array_equal(before, value)
    np.testing.assert_array_equal(f(c([0], "int32"))[0], value[:1] + 2.0)


def test_recursion_and_calls_inside_calls():
    inner = tahr.function(lambda x: x * 2.0)

    def power(x, n):
        return x if n == 0 else recursive(inner(x), n - 1)

    recursive = tahr.function(power)
    assert float(recursive(c(1.0), 5)) == 32.0
    assert inner.experimental_get_tracing_count() == 0  # inlined

    endless = tahr.function(lambda x: endless(x))
    with pytest.raises(RecursionError):
        endless(c(1.0))
    assert not tahr.tracing.is_tracing() and float(inner(c(1.0))) == 2.0


def test_a_call_with_plain_tensors_during_another_trace():
    f = tahr.function(lambda x: x * 3.0)

    @tahr.function
    def g(x):
        with tahr.init_scope():
            now = float(f(c(2.0)))
        return x * f(c(2.0)) + now

    assert float(g(c(1.0))) == 12.0


def test_options_that_are_not_supported_say_so():
    with pytest.raises(ValueError, match="autograph=False"):
        tahr.function(lambda x: x, autograph=True)
    with pytest.raises(ValueError, match="reduce_retracing=False"):
        tahr.function(lambda x: x, reduce_retracing=True)
    with pytest.raises(TypeError, match=r"\[function\] an argument of '<lambda>' expected numbers"):
        tahr.function(lambda x: x)(np.array(["text"]))


# ---------------------------------------------------------------- threads


def test_threads_that_call_one_function():
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    f, traces = counting(lambda x: ops.tanh(x @ weights) @ weights)
    inputs = [np.full((n % 3 + 1, 64), n, "float32") for n in range(8)]
    expected = [f.python_function(c(x)).numpy() for x in inputs]
    traces.clear()
    problems = []

    def work(n):
        try:
            for _ in range(50):
                if not (f(inputs[n]).numpy() == expected[n]).all():
                    problems.append(n)
        except Exception as error:  # noqa: BLE001 (shown below)
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems
    assert f.experimental_get_tracing_count() == 3


def test_a_reader_beside_a_function_that_writes():
    """What a thread has read never changes, and is a value that the variable had at some time, element by element."""
    v = tahr.Variable(np.zeros(4096, "float32"))
    step = tahr.function(lambda: [None, v.assign_add(tahr.ones((4096,)))][0])
    stop, problems = threading.Event(), []

    def read():
        last = 0.0
        while not stop.is_set():
            value = v.value()
            now = value.numpy()
            copy = now.copy()
            again = value.numpy()
            if not (again == copy).all() or now.min() < last - 1 or now.max() > 3000 or now.max() - now.min() > 1:
                problems.append((now.min(), now.max(), last))
            last = now.max()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        for _ in range(3000):
            step()
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not problems, problems[:3]
    assert (v.numpy() == 3000).all()
