"""Elementwise ops beyond their rows: whole ranges of inputs, special values, dtypes, kinks, halves, broadcasting."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import tahr
from instruction_sets import run_file_on
from tahr import _C, ops

# The bounds stated in csrc/cpu/isa/vmath*.h, in units in the last place of float32.
BOUNDS = {
    **{"exp": 1, "exp2": 1.5, "expm1": 2, "log": 1, "log2": 2.5, "log10": 2, "log1p": 1.5, "sin": 1.6, "cos": 1.6},
    **{"tan": 3.5, "arcsin": 2.5, "arccos": 1.5, "arctan": 2, "sinh": 2.7, "cosh": 2.7, "tanh": 2.5, "arcsinh": 2.5},
    **{"arccosh": 2.5, "arctanh": 2.5, "cbrt": 1},
}


def _points() -> np.ndarray:
    rng = np.random.default_rng(0)
    wide = (10.0 ** rng.uniform(-44, 38, 60_000)).astype(np.float32)
    near = np.concatenate([rng.uniform(-110, 110, 60_000), rng.uniform(-2, 2, 60_000)]).astype(np.float32)
    return np.concatenate([wide, -wide, near])


@pytest.mark.parametrize("name", BOUNDS)
def test_error_in_float32(name: str) -> None:
    x = _points()
    got = getattr(ops, name)(x).numpy().astype(np.float64)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.float64))
        rounded = exact.astype(np.float32)
        error = np.abs(got - exact) / np.spacing(np.abs(rounded)).astype(np.float64)
    plain = np.isfinite(rounded)
    worst = int(np.argmax(np.where(plain, error, 0)))
    assert error[worst] <= BOUNDS[name], f"{name}({x[worst]!r}) = {got[worst]!r}, off by {error[worst]:.2f} ulp"
    np.testing.assert_array_equal(got[~plain], rounded[~plain].astype(np.float64))


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize("isa", ["v2", "v3", "v4"])
def test_errors_on_other_instruction_sets(isa: str) -> None:
    run_file_on(isa, __file__)


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-45, 3.4e38, -3.4e38, 0.5], np.float32)


@pytest.mark.parametrize("name", [*BOUNDS, "sqrt", "floor", "rint", "absolute", "sign", "reciprocal", "sinc"])
def test_special_values_as_numpy(name: str) -> None:
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(SPECIAL.astype(np.float64)).astype(np.float32)
    got = getattr(ops, name)(SPECIAL).numpy()
    special = ~np.isfinite(expected) | (expected == 0)
    np.testing.assert_array_equal(got[special], expected[special])
    np.testing.assert_array_equal(np.signbit(got[expected == 0]), np.signbit(expected[expected == 0]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", ["power", "arctan2", "hypot", "logaddexp", "maximum", "fmax", "mod", "fmod", "floor_divide", "copysign"]
)
def test_pairs_of_special_values_as_numpy(name: str, dtype: str) -> None:
    v = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 2.0**25], dtype)
    a, b = np.repeat(v, v.size), np.tile(v, v.size)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a, b)
    np.testing.assert_allclose(getattr(ops, name)(a, b).numpy(), expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("exponent", [2.0, 1.0, 0.5, -1.0, 3.0, 0.0])
def test_powers_by_a_single_exponent(dtype: str, exponent: float) -> None:
    """Exact for 2, 1, 1/2 and -1, special values included; eager, traced and by many equal exponents alike."""
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, -2.0]
    x = ops.cast(np.concatenate([special, rng.uniform(0, 9, 3000)]), dtype)
    values = ops.cast(x, "float64").numpy()
    with np.errstate(all="ignore"):
        expected = ops.cast(np.float_power(values, exponent), dtype)
    y = x**exponent
    exact = exponent in (2.0, 1.0, 0.5, -1.0) and dtype != "float64" or exponent in (1.0, 0.0)
    atol = 0 if exact else 2 * np.finfo(np.float32 if dtype == "float32" else np.float64).eps
    got, wanted = (ops.cast(t, "float64").numpy() for t in (y, expected))
    np.testing.assert_allclose(got, wanted, rtol=atol if dtype != "bfloat16" else 2.0**-8 * (not exact))
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(wanted)]), np.signbit(wanted[~np.isnan(wanted)]))
    traced = tahr.function(lambda t: (t + 0.0) ** exponent * 1.5)(x)
    assert traced.numpy().tobytes() == ((x + 0.0) ** exponent * 1.5).numpy().tobytes()


def _ulps(got: np.ndarray, exact: np.ndarray) -> float:
    """The largest error in units of float32, where the result is neither 0 nor infinite; there it must be `exact`."""
    rounded = exact.astype(np.float32)
    plain = np.isfinite(rounded) & (rounded != 0)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(exact))
    error = np.abs(got[plain].astype(np.float64) - exact[plain]) / np.spacing(np.abs(rounded[plain])).astype(np.float64)
    edge = ~plain & ~np.isnan(exact)
    far = np.isinf(rounded[edge])  # within a unit of where the results end
    assert np.all(np.where(far, np.abs(got[edge]) >= 3.4028e38, np.abs(got[edge]) <= 1.5e-45))
    return float(error.max(initial=0))


def _any_floats(rng: np.random.Generator, dtype: str, n: int) -> np.ndarray:
    """Random bits, and numbers of everyday size."""
    word = np.dtype(f"uint{8 * np.dtype(dtype).itemsize}")
    every = rng.integers(0, np.iinfo(word).max, n, dtype=word).view(dtype)
    near = (10 * rng.standard_normal(n)).astype(dtype)
    return np.concatenate([every, near, np.round(near)])


@pytest.mark.usefixtures("cpu")
def test_error_of_powers_in_float32() -> None:
    rng = np.random.default_rng(0)
    x = np.exp2(rng.uniform(-149, 128, 60_000)).astype(np.float32)
    near = (1 + rng.uniform(-0.06, 0.06, 60_000)).astype(np.float32)
    base = np.concatenate([x, near, _any_floats(rng, "float32", 20_000)])
    with np.errstate(all="ignore"):
        wide = base.astype(np.float64)
        reach = rng.uniform(-150, 150, base.size) / np.maximum(np.abs(np.log2(np.abs(wide))), 1e-7)
        exponent = np.where(np.isfinite(reach), reach, 0.5).astype(np.float32)
        exponent[::3] = np.round(exponent[::3])
        assert _ulps(ops.power(base, exponent).numpy(), np.power(wide, exponent.astype(np.float64))) <= 1.4
        for one in (3.0, -3.0, 4.0, 2.4, -1.5, -0.5, 1 / 3, 3.7, 0.001, 7.0, -11.25, 100.0):
            one = float(np.float32(one))
            assert _ulps((tahr.constant(base) ** one).numpy(), np.power(wide, one)) <= 1.4, one
    whole = np.arange(100, dtype=np.float32)
    np.testing.assert_array_equal((tahr.constant(whole) ** 3.0).numpy(), whole**3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_remainders_and_neighbours_of_any_floats_as_numpy(dtype: str) -> None:
    rng = np.random.default_rng(0)
    a = _any_floats(rng, dtype, 20_000)
    b = rng.permutation(a)
    with np.errstate(all="ignore"):
        for name in ("fmod", "mod", "floor_divide", "nextafter"):
            expected, got = getattr(np, name)(a, b), getattr(ops, name)(a, b).numpy()
            np.testing.assert_array_equal(got, expected, name)
            number = ~np.isnan(expected)
            np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]), name)
        e = rng.integers(-400, 400, a.size).astype(np.int32)
        np.testing.assert_array_equal(ops.ldexp(a, e).numpy(), np.ldexp(a, e))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_division_and_shifts_of_any_integers_as_numpy(dtype: str) -> None:
    rng, limits = np.random.default_rng(0), np.iinfo(dtype)
    every = rng.integers(limits.min, limits.max, 20_000, dtype=dtype, endpoint=True)
    small = rng.integers(max(limits.min, -50), 50, 20_000).astype(dtype)
    a, b = np.concatenate([every, small, every]), np.concatenate([small, every, every[::-1]])
    with np.errstate(all="ignore"):
        for name in ("floor_divide", "mod", "fmod"):
            expected = np.where(b == 0, 0, getattr(np, name)(a, b))
            np.testing.assert_array_equal(getattr(ops, name)(a, b).numpy(), expected, name)
    by = rng.integers(-3 if limits.min else 0, limits.bits + 4, a.size).astype(dtype)
    fits = (by >= 0) & (by < limits.bits)
    inside = np.where(fits, by, 0).astype(dtype)
    np.testing.assert_array_equal(ops.left_shift(a, by).numpy(), np.where(fits, np.left_shift(a, inside), 0))
    gone = np.where(a < 0, -1, 0).astype(dtype)
    np.testing.assert_array_equal(ops.right_shift(a, by).numpy(), np.where(fits, np.right_shift(a, inside), gone))


def test_integers_divided_by_zero_and_lowest_by_minus_one() -> None:
    for dtype in ("int8", "int16", "int32", "int64"):
        low = np.iinfo(dtype).min
        a, b = np.array([7, -7, low, low], dtype), np.array([0, 0, -1, 1], dtype)
        assert ops.floor_divide(a, b).numpy().tolist() == [0, 0, low, low]
        assert ops.mod(a, b).numpy().tolist() == [0, 0, 0, 0]


def test_cast_of_floats_beyond_the_range_of_integers() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, -1.9, 2.9], np.float32)
    for source in ("float32", "float64", "bfloat16", "float16"):
        values = ops.cast(x, source)
        for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
            i = np.iinfo(dtype)
            expected = [0, i.max, i.min, i.max, i.min, max(i.min, -1), 2]
            assert ops.cast(values, dtype).numpy().tolist() == expected, (source, dtype)


def test_halves_round_to_nearest_even_everywhere() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    wide = ops.cast(every, "float32").numpy()
    np.testing.assert_array_equal(wide, every.astype(np.float32))
    rng = np.random.default_rng(1)
    x = np.concatenate([wide, rng.standard_normal(9999) * 10.0 ** rng.uniform(-9, 5, 9999)]).astype(np.float32)
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16)
    np.testing.assert_array_equal(ops.cast(x, "float16").numpy(), expected)


def test_nextafter_steps_in_the_dtype_given() -> None:
    for dtype in ("float16", "float32"):
        a = np.array([1.0, -1.0, 0.0, 1.0, 65504.0], dtype)
        b = np.array([2.0, -2.0, -1.0, 1.0, np.inf], dtype)
        np.testing.assert_array_equal(ops.nextafter(a, b).numpy(), np.nextafter(a, b))


@pytest.mark.parametrize(
    ("name", "at", "slope"),
    [
        ("relu", 0, 0),
        ("relu6", 0, 0),
        ("relu6", 6, 0),
        ("abs", 0, 0),
        ("hard_tanh", 1, 0),
        ("leaky_relu", 0, 0.2),
        ("elu", 0, 1),
    ],
)
def test_gradients_at_kinks(name: str, at: float, slope: float) -> None:
    x = tahr.constant([at], "float32")
    with tahr.GradientTape() as tape:
        tape.watch(x)
        y = getattr(ops, name)(x)
    assert tape.gradient(y, x).numpy()[0] == pytest.approx(slope)


def test_ties_share_the_gradient() -> None:
    a, b = tahr.constant([1.0, 2.0]), tahr.constant([1.0, 1.0])
    with tahr.GradientTape() as tape:
        tape.watch([a, b])
        y = ops.maximum(a, b)
    da, db = tape.gradient(y, [a, b])
    assert da.numpy().tolist() == [0.5, 1.0] and db.numpy().tolist() == [0.5, 0.0]


def test_dtypes_of_results() -> None:
    i, h, f, t = (np.ones(2, d) for d in ("int32", "float16", "float32", "bool"))
    expected = {
        **{
            "int32": [ops.add(i, i), ops.square(t), ops.power(i, i), ops.floor_divide(t, t), ops.relu(t), ops.add(t, 1)]
        },
        **{
            "float32": [ops.divide(i, i), ops.sqrt(i), ops.add(i, 1.5), ops.floor(i), ops.exp(t), ops.clip(i, 0.5, 1.5)]
        },
        **{
            "float16": [ops.add(i, h), ops.add(h, 2.5), ops.exp(h), ops.where(t, i, h)],
            "bool": [ops.add(t, t), ops.less(i, f)],
        },
    }
    for name, results in expected.items():
        assert [r.dtype.name for r in results] == [name] * len(results)


def test_broadcasting_patterns_over_many_chunks() -> None:
    rng = np.random.default_rng(2)
    shapes = [
        ((70_001, 3), (3,)),
        ((70_001, 3), (70_001, 1)),
        ((300, 1, 500), (1, 7, 500)),
        ((3, 70_001), (1, 70_001)),
        ((9, 9, 4001), (9, 1)),
    ]
    for sa, sb in shapes:
        for dtype in ("float32", "float16"):
            a, b = rng.standard_normal(sa).astype(dtype), rng.standard_normal(sb).astype(dtype)
            expected = (a.astype(np.float32) - b.astype(np.float32)).astype(dtype)
            np.testing.assert_array_equal(ops.subtract(a, b).numpy(), expected)


def test_examples_in_the_docs() -> None:
    """Every example of an elementwise op prints what it says."""
    import doctest

    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    for d in _C.op_table():
        if d["elementwise"] and ".numpy()" in d["doc"] and not d["hidden"]:
            test = doctest.DocTestParser().get_doctest(d["doc"], {}, d["name"], None, 0)
            assert runner.run(test).failed == 0, d["name"]


STREAMED = """
import numpy as np, tahr as tf
a = np.random.default_rng(0).standard_normal(5_000_003, dtype=np.float32)
x = tf.constant(a)
np.testing.assert_array_equal((x + x).numpy(), a + a)
h = tf.cast(x, "bfloat16")
np.testing.assert_array_equal(tf.ops.negative(h).numpy().astype("float32"), -h.numpy().astype("float32"))
np.testing.assert_array_equal(tf.ops.maximum(x, 0.5).numpy(), np.maximum(a, np.float32(0.5)))
for f in (tf.ops.power, tf.ops.logaddexp, tf.ops.mod, lambda x, y: tf.ops.exp(x)):
    whole = f(tf.ops.abs(x), x).numpy()
    for at in (0, 65_536 - 16, 3_333_333, 5_000_003 - 4096):  # too short to be streamed
        b = a[at : at + 4096]
        np.testing.assert_array_equal(whole[at : at + 4096], f(np.abs(b), b).numpy())
rows, row = a[:5_000_000].reshape(2500, 2000), a[:2000]
np.testing.assert_array_equal((tf.constant(rows) * tf.constant(row)).numpy(), rows * row)
tf.config.set_num_threads(3)
np.testing.assert_array_equal((x * 3.0).numpy(), a * np.float32(3))
print("same")
"""


def test_results_streamed_past_the_cache_are_the_same():
    """In a process that takes its last-level cache to be tiny, large results go the other way."""
    env = {**os.environ, "TAHR_CACHE_BYTES": "1000000"}
    run = subprocess.run([sys.executable, "-c", STREAMED], env=env, capture_output=True, text=True)
    assert run.stdout.strip() == "same", run.stderr
