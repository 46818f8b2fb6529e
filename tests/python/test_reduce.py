"""Reductions, softmax and losses beyond their rows: NaN, infinities, ties, accuracy in the large, thread counts."""

import numpy as np
import pytest
import tahr
from tahr import _C, ops

NAN, INF = np.nan, np.inf


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "sum", "mean"])
@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("shape", [(3, 5), (200, 300), (2, 40000)])
def test_nan_propagates_as_in_numpy(name, axis, shape, rng):
    x = rng.uniform(1, 2, shape).astype(np.float32)
    x[0, 2] = x[1, 4] = x[1, 1] = NAN
    got, expected = getattr(ops, name)(x, axis=axis).numpy(), getattr(np, name)(x.astype(np.float64), axis=axis)
    np.testing.assert_allclose(got, expected, rtol=20 * 2**-24)  # the roundings of a blocked sum


@pytest.mark.parametrize("n", [5, 70, 30000])
def test_arg_extremes_take_the_first_of_equals(n):
    x = np.zeros((3, n), np.float32)
    x[1, n // 2 :] = 1
    x[2, n - 1] = -1
    assert ops.argmax(x, axis=1).numpy().tolist() == [0, n // 2, 0]
    assert ops.argmin(x, axis=1).numpy().tolist() == [0, 0, n - 1]
    assert ops.argmax(x.T.copy(), axis=0).numpy().tolist() == [0, n // 2, 0]


@pytest.mark.parametrize("values", [[-INF, -INF], [INF, 1.0], [-INF, 1.0], [INF, INF, -INF], [INF, NAN]])
@pytest.mark.parametrize("repeat", [1, 20000])  # one block, and blocks that are merged
def test_logsumexp_of_infinities(values, repeat):
    x = np.array(values * repeat, np.float32)
    with np.errstate(invalid="ignore"):
        expected = np.logaddexp.reduce(x.astype(np.float64))
    got = float(ops.logsumexp(x))
    assert got == pytest.approx(expected, rel=1e-6, nan_ok=True)
    columns = ops.logsumexp(np.stack([x, x], 1), axis=0).numpy()
    assert columns[0] == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_logsumexp_of_a_masked_block_beside_a_low_one():
    x = np.full(40000, -1000.0, np.float32)
    x[:20000] = -INF
    assert float(ops.logsumexp(x)) == pytest.approx(-1000 + np.log(20000), rel=1e-6)


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (30, 0), (1, 1000), (1, -1000), (1e-3, 0), (0, 3e38)])
@pytest.mark.parametrize("n", [40, 3000, 100000])
@pytest.mark.parametrize("ascending", [False, True])  # in ascending order each part raises the maximum
def test_logsumexp_of_a_long_row(n, scale, shift, ascending, rng):
    x = (rng.standard_normal(n) * scale + shift).astype(np.float32)
    x[n // 2] = -INF
    x = np.sort(x) if ascending else x
    wide = x.astype(np.float64)
    expected = wide.max() + np.log(np.exp(wide - wide.max()).sum())
    # Each term is off by a few 2^-24 at most, so the logarithm of their sum is too; then the result is rounded.
    assert abs(float(ops.logsumexp(x)) - expected) <= 4 * 2.0**-24 * max(1, abs(expected))


@pytest.mark.parametrize("n", [*range(1, 20), 31, 32, 33])
@pytest.mark.parametrize("rows", [1, 3, 16, 17, 50])
def test_narrow_rows_keep_to_themselves(n, rows, rng):
    """Rows are transposed in quads, which reach beyond their ends: neighbours must neither be read nor written."""
    room = np.full(rows * n + 40, NAN, np.float32)
    room[20 : 20 + rows * n] = rng.standard_normal(rows * n)
    x = room[20 : 20 + rows * n].reshape(rows, n)
    e = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    rounding = 2.0**-24 * (8 + n / 4)  # of the exponents, which reach 8, of the exponentials and of their sum
    np.testing.assert_allclose(ops.softmax(x).numpy(), e / e.sum(1, keepdims=True), rtol=rounding)
    np.testing.assert_allclose(ops.sum(x, axis=1).numpy(), x.astype(np.float64).sum(1), atol=2e-6)
    np.testing.assert_array_equal(ops.max(x, axis=1).numpy(), x.max(1))
    np.testing.assert_array_equal(ops.argmin(x, axis=1).numpy(), x.argmin(1))
    np.testing.assert_allclose(ops.var(x, axis=1).numpy(), x.astype(np.float64).var(1), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_sums_of_many_float32_keep_their_digits(axis):
    """A running sum of 4e6 tenths in float32 is off by parts per thousand; blocks keep it to 20 roundings."""
    shape = {None: (4_000_000,), 0: (1_000_000, 4), 1: (4, 1_000_000)}[axis]
    x = np.full(shape, 0.1, np.float32)
    expected = x.astype(np.float64).sum(axis)
    np.testing.assert_allclose(ops.sum(x, axis=axis).numpy(), expected, rtol=20 * 2**-24)
    np.testing.assert_allclose(ops.mean(x, axis=axis).numpy(), np.float32(0.1), rtol=20 * 2**-24)


def test_variance_far_from_zero(rng):
    """sum(x²)/n - mean² would lose every digit here."""
    x = (rng.standard_normal(100_000) + 3000).astype(np.float32)
    for y, axis in ((x, None), (x.reshape(1000, 100), 0), (x.reshape(100, 1000), 1)):
        np.testing.assert_allclose(ops.var(y, axis=axis).numpy(), y.astype(np.float64).var(axis=axis), rtol=1e-5)


@pytest.mark.parametrize("name", ["sum", "norm", "max", "var", "logsumexp", "argmax", "softmax", "prod"])
@pytest.mark.parametrize(
    "shape,axis", [((3_000_001,), None), ((2000, 1500), 0), ((1500, 2000), 1), ((50, 40, 600), (0, 2))]
)
def test_large_results_have_the_same_bits_at_any_thread_count(name, shape, axis, rng):
    if name == "argmax" and isinstance(axis, tuple):
        axis = 1
    x = tahr.constant(rng.uniform(0.9, 1.1, shape).astype(np.float32))
    before = tahr.config.num_threads()
    try:
        seen = set()
        for n in (1, 2, 3, 7):
            tahr.config.set_num_threads(n)
            seen.add(np.asarray(getattr(ops, name)(x, axis=axis)).tobytes())
    finally:
        tahr.config.set_num_threads(before)
    assert len(seen) == 1


@pytest.mark.parametrize("n", [2, 3, 5, 7, 16, 17, 33, 64, 100, 300, 1000, 1025])
@pytest.mark.parametrize("rows", [1, 15, 16, 100])
def test_rows_in_groups_as_by_themselves(n, rows, rng):
    """Rows are reduced a vector at a time, or in larger groups: any length, and what is left over."""
    x = (rng.standard_normal((rows, n)) * 3).astype(np.float32)
    x[rows // 2, n // 2] = x[rows // 2].max()  # a tie
    wide = x.astype(np.float64)
    peak = wide.max(1)
    np.testing.assert_array_equal(ops.max(x, axis=1).numpy(), x.max(1))
    np.testing.assert_array_equal(ops.argmax(x, axis=1).numpy(), x.argmax(1))
    np.testing.assert_array_equal(ops.argmin(x, axis=1).numpy(), x.argmin(1))
    np.testing.assert_allclose(ops.sum(x, axis=1).numpy(), wide.sum(1), atol=2.0**-24 * 30 * np.sqrt(n))
    np.testing.assert_allclose(ops.var(x, axis=1).numpy(), wide.var(1), rtol=2.0**-24 * (8 + n**0.5))
    np.testing.assert_allclose(ops.norm(x, axis=1).numpy(), np.linalg.norm(wide, axis=1), rtol=2.0**-24 * (4 + n**0.5))
    ones = np.abs(wide).sum(1)
    np.testing.assert_allclose(ops.norm(x, axis=1, ord=1).numpy(), ones, rtol=2.0**-24 * (4 + n**0.5))
    expected = peak + np.log(np.exp(wide - peak[:, None]).sum(1))
    error = np.abs(ops.logsumexp(x, axis=1).numpy() - expected)
    assert np.all(error <= 4 * 2.0**-24 * np.maximum(1, np.abs(expected)))
    zeros = np.where(x > 0, x, 0)
    np.testing.assert_array_equal(ops.count_nonzero(zeros, axis=1).numpy(), np.count_nonzero(zeros, axis=1))
    np.testing.assert_array_equal(ops.any(zeros, axis=1).numpy(), zeros.any(1))
    np.testing.assert_array_equal(ops.all(zeros, axis=1).numpy(), zeros.all(1))


@pytest.mark.parametrize("shift", [0, 1e3, 1e5, 3e6, 1e20, -1e3, -3e6, -1e20, 3e38])
@pytest.mark.parametrize("shape,axis", [((40, 10), 1), ((40, 70), 1), ((70, 40), 0), ((300, 40), 0), ((9, 40), 0)])
def test_logsumexp_far_from_zero(shape, axis, shift, rng):
    """The reference of the exponentials is rounded: what that leaves out must be put back, or be small."""
    x = (rng.standard_normal(shape) + shift).astype(np.float32)
    wide = x.astype(np.float64)
    peak = wide.max(axis, keepdims=True)
    expected = peak.squeeze(axis) + np.log(np.exp(wide - peak).sum(axis))
    error = np.abs(ops.logsumexp(x, axis=axis).numpy() - expected)
    assert np.all(error <= 4 * 2.0**-24 * np.maximum(1, np.abs(expected)))


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("shape,axis", [((40, 10), 1), ((40, 70), 1), ((40, 300), 1), ((70, 40), 0), ((9, 40), 0)])
def test_one_special_value_stays_in_its_row(value, shape, axis, rng):
    x = rng.standard_normal(shape).astype(np.float32)
    x[4, 7] = value
    for name in ("argmax", "argmin"):
        np.testing.assert_array_equal(getattr(ops, name)(x, axis=axis).numpy(), getattr(np, name)(x, axis=axis))
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(ops.var(x, axis=axis).numpy(), x.astype(np.float64).var(axis), rtol=2e-6)
        expected = np.logaddexp.reduce(x.astype(np.float64), axis=axis)
    np.testing.assert_allclose(ops.logsumexp(x, axis=axis).numpy(), expected, rtol=1e-6, atol=1e-6)


def check_logsumexp(x, axis):
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        peak = np.clip(wide.max(axis, keepdims=True), -1e300, 1e300)
        expected = np.log(np.exp(wide - peak).sum(axis)) + peak.squeeze(axis)
    got = ops.logsumexp(x, axis=axis).numpy()
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    error = np.abs(got[finite] - expected[finite])
    # A few roundings of each term, hence of their sum; that of the result; of log2(e), which is as large relative to x.
    assert np.all(error <= 4 * 2.0**-24 * np.maximum(1, np.abs(expected[finite])))


ROW_LENGTHS = [*range(1, 9), 10, 11, 12, 13, 16, 20, 22, 24, 25, 30, 32, 33, 47, 48, 63, 64, 65, 100, 300, 1025, 5000]


@pytest.mark.parametrize("n", ROW_LENGTHS)
@pytest.mark.parametrize("level", [-1000, -100, -88, -87, -61.5, -60.5, 0, 60, 80, 86, 88, 88.7, 100, 1000])
def test_logsumexp_where_exponentials_leave_the_floats(n, level, rng):
    """Sums are formed without a look for the maximum; where they are too large or too small, from the maximum."""
    x = rng.standard_normal((40, n)).astype(np.float32)
    x[7] += level
    check_logsumexp(x, 1)
    check_logsumexp(x.T.copy(), 0)
    check_logsumexp(x + np.float32(level), 1)
    check_logsumexp(np.full((17, n), level, np.float32), 1)


@pytest.mark.parametrize("n", ROW_LENGTHS)
def test_logsumexp_of_masked_and_special_rows(n, rng):
    x = rng.standard_normal((50, n)).astype(np.float32)
    x[rng.random((50, n)) < 0.8] = -INF
    x[3], x[17], x[18, -1], x[19, 0], x[49] = -INF, INF, NAN, INF, -INF
    x[20, :] = -INF
    x[20, n // 2] = -3e38
    check_logsumexp(x, 1)
    check_logsumexp(x.T.copy(), 0)
    check_logsumexp(np.stack([x[:16], x[4:20]]), 1)


@pytest.mark.parametrize("axis", [(0, 2), (0, 1), 0, 1, 2])
def test_logsumexp_over_outer_axes(axis, rng):
    """Partial sums of some steps are relative to zero, those of others to a maximum."""
    x = rng.standard_normal((30, 40, 70)).astype(np.float32)
    x[3, :, :] += 200
    x[4, 10:20, :] = -INF
    x[5, 5, 5] = -500
    wide = x.astype(np.float64)
    with np.errstate(divide="ignore"):
        expected = np.log(np.exp(wide - 200).sum(axis)) + 200
    both = np.isfinite(expected)
    got = ops.logsumexp(x, axis=axis).numpy()
    assert np.all(got[~both] == -INF)
    error = np.abs(got - np.where(both, expected, 0))
    assert np.all(error[both] <= 4 * 2.0**-24 * np.maximum(1, np.abs(expected[both])))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [*ROW_LENGTHS[16:], 1024, 1040, 255, 256, 257])
def test_positions_along_rows_with_ties_and_specials(n, dtype, rng):
    for rows in (1, 16, 37):
        x = rng.integers(-3, 4, (rows, n)).astype(dtype)  # many equals
        if rows > 30:
            x[2], x[5], x[9, n // 3 :] = -INF, INF, INF
            x[12, 0], x[12, -1] = INF, -INF
            x[20, n - 1], x[21, 0], x[22, n // 2] = NAN, NAN, -NAN
            x[22, -1] = NAN
            x[24] = NAN
            x[26] = -0.0
            x[26, n // 2] = 0
        np.testing.assert_array_equal(ops.argmax(x, axis=1).numpy(), x.argmax(1))
        np.testing.assert_array_equal(ops.argmin(x, axis=1).numpy(), x.argmin(1))
        flat = x.reshape(-1)
        assert int(ops.argmax(flat)) == flat.argmax() and int(ops.argmin(flat)) == flat.argmin()
    for k in {0, 1, 15, 16, 17, n // 2, n - 17, n - 16, n - 1}:  # each place, alone
        x = np.zeros((3, n), dtype)
        x[1, k] = 1
        assert ops.argmax(x, axis=1).numpy().tolist() == [0, k, 0]
        assert ops.argmin(-x, axis=1).numpy().tolist() == [0, k, 0]
        x[1, k] = NAN
        assert ops.argmin(x, axis=1).numpy().tolist() == [0, k, 0]


@pytest.mark.parametrize("name", ["var", "logsumexp", "sum", "argmax", "norm"])
@pytest.mark.parametrize("n", [4095, 4097, 5000, 8200, 16383, 16385])
def test_rows_in_parts_beside_each_other(name, n, rng):
    """Rows of more than a part are taken one at a time: the next part of a row does not begin where the next row does."""
    x = rng.standard_normal((5, n)).astype(np.float32)
    function = {"norm": np.linalg.norm, "logsumexp": np.logaddexp.reduce}.get(name) or getattr(np, name)
    np.testing.assert_allclose(getattr(ops, name)(x, axis=1).numpy(), function(x.astype(np.float64), axis=1), rtol=1e-4)
    if name != "argmax":
        stack = np.stack([x, x[::-1]])
        expected = getattr(ops, name)(np.concatenate(list(stack), 1), axis=1).numpy()
        np.testing.assert_allclose(getattr(ops, name)(stack, axis=(0, 2)).numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("n", [33, 47, 48, 49, 64, 65, 80, 81, 96, 112, 113, 127, 128, 129, 300])
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33, 100])
def test_variance_of_rows_in_groups(n, rows, rng):
    """Groups of rows overlap, each a pass late: none may take the mean of another."""
    x = (rng.standard_normal((rows, n)) + 1000 * rng.standard_normal((rows, 1))).astype(np.float32)
    expected = x.astype(np.float64).var(1)
    np.testing.assert_allclose(ops.var(x, axis=1).numpy(), expected, rtol=2.0**-24 * (8 + n**0.5))
    np.testing.assert_allclose(ops.std(x, axis=1).numpy(), expected**0.5, rtol=2.0**-24 * (8 + n**0.5))
    stack = np.broadcast_to(x, (3, rows, n)).copy()
    np.testing.assert_allclose(ops.var(stack, axis=(0, 2)).numpy(), expected, rtol=2.0**-24 * (8 + n**0.5))


@pytest.mark.parametrize("n", [1, 3, 10, 16, 40])
def test_norm_of_the_small_the_large_and_the_special(n):
    values = np.array([0, 1, 1e-15, 3e-19, 1e18, 5e18, INF, -INF, NAN, -2, 0, 7, 1e-22, 1e20, 0.5, 3, 0, 1], np.float32)
    x = np.zeros((len(values), n), np.float32)
    x[:, -1] = values
    with np.errstate(over="ignore", under="ignore"):
        squares = np.square(values, dtype=np.float32)
    got = ops.norm(x, axis=1).numpy()
    # Of the square as float32: 0 and infinity where it underflows or overflows, fewer digits where it is subnormal.
    np.testing.assert_allclose(got, np.sqrt(squares.astype(np.float64)), rtol=2.0**-23)
    columns = ops.norm(x.T.copy(), axis=0).numpy()
    np.testing.assert_array_equal(columns, got)


@pytest.mark.parametrize("columns", [1, 3, 10, 100])
def test_positions_down_columns(columns, rng):
    """Narrow columns are read several rows at a time, in which equals come out of order."""
    x = rng.integers(0, 3, (5000, columns)).astype(np.float32)
    np.testing.assert_array_equal(ops.argmax(x, axis=0).numpy(), x.argmax(0))
    np.testing.assert_array_equal(ops.argmin(x, axis=0).numpy(), x.argmin(0))
    x[1234, columns // 2] = x[4321, columns // 2] = NAN
    np.testing.assert_array_equal(ops.argmax(x, axis=0).numpy(), x.argmax(0))
    wide = tahr.constant(x.astype(np.float64))
    np.testing.assert_array_equal(ops.argmin(wide, axis=0).numpy(), x.argmin(0))


def test_variance_down_columns_whose_first_rows_are_far_off(rng):
    """Distances are taken from the mean of the first 16 rows: the error of the sums grows eightfold by that, not more.

    Each is of 64 terms of one sign one after another, with 64 roundings of up to half a unit.
    """
    x = rng.standard_normal((128, 50)).astype(np.float32)
    x[:16] += 1000
    np.testing.assert_allclose(ops.var(x, axis=0).numpy(), x.astype(np.float64).var(0), rtol=8 * 64 * 2.0**-25)


def gradient(f, x):
    x = tahr.constant(x)
    with tahr.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    return tape.gradient(y, x).numpy()


def test_elements_that_tie_share_the_gradient():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    np.testing.assert_allclose(gradient(lambda t: ops.max(t, axis=1), x), [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(gradient(lambda t: ops.min(t), x), [[1, 0, 0], [0, 0, 0]])
    assert np.all(gradient(lambda t: ops.max(t, axis=1, initial=9.0), x) == 0)


def test_gradient_of_a_product_with_zeros():
    np.testing.assert_allclose(gradient(ops.prod, np.array([2.0, 0.0, 3.0])), [0, 6, 0])
    np.testing.assert_allclose(gradient(ops.prod, np.array([2.0, 0.0, 0.0])), [0, 0, 0])


def test_sums_promote_as_in_keras():
    for dtype, expected in {
        **{"bool": "int32", "int8": "int32", "int16": "int32", "int32": "int32", "int64": "int64"},
        **{"uint8": "uint32", "uint16": "uint32", "uint32": "uint32", "uint64": "uint64"},
        **{"float16": "float16", "bfloat16": "bfloat16", "float32": "float32", "float64": "float64"},
    }.items():
        x = ops.cast([[1, 0], [1, 1]], dtype)
        assert str(ops.sum(x).dtype) == expected
        assert str(ops.prod(x).dtype) == expected
        floating = expected if "float" in expected else "float32"
        for name in ("mean", "var", "logsumexp", "softmax"):
            assert str(getattr(ops, name)(x).dtype) == floating
        assert str(ops.max(x).dtype) == dtype
        assert str(ops.argmax(x).dtype) == str(ops.count_nonzero(x).dtype) == "int32"


def test_halves_accumulate_in_float32():
    assert float(ops.sum(ops.cast(np.ones(10000), "float16"))) == 10000  # a float16 sum sticks at 2048
    assert float(ops.mean(ops.cast(np.full(100000, 8.0), "float16"))) == 8  # and overflows at 65504


def test_nan_reductions_of_only_nan():
    x = np.array([[NAN, NAN], [1.0, NAN]], np.float32)
    assert ops.nansum(x, axis=1).numpy().tolist() == [0, 1]
    assert ops.nanprod(x, axis=1).numpy().tolist() == [1, 1]
    for name in ("nanmean", "nanmax", "nanmin", "nanmedian"):
        np.testing.assert_array_equal(getattr(ops, name)(x, axis=1).numpy(), [NAN, 1])
    assert ops.nanargmax(x, axis=1).numpy().tolist() == ops.nanargmin(x, axis=1).numpy().tolist() == [-1, 0]
    np.testing.assert_array_equal(ops.median(x, axis=1).numpy(), [NAN, NAN])


def test_unknown_dimensions():
    x = _C.symbolic((None, 3, 4), "float32")
    assert tuple(ops.sum(x, axis=1).shape) == (None, 4)
    assert tuple(ops.mean(x, axis=(0, 2), keepdims=True).shape) == (1, 3, 1)
    assert tuple(ops.argmax(x, axis=-1).shape) == (None, 3)
    assert tuple(ops.softmax(x).shape) == (None, 3, 4)
    assert tuple(ops.cumsum(x, axis=1).shape) == (None, 3, 4)
    labels = _C.symbolic((None, 3), "int32")
    for from_logits in (True, False):
        assert tuple(ops.sparse_categorical_crossentropy(labels, x, from_logits=from_logits).shape) == (None, 3)
        assert tuple(ops.categorical_crossentropy(x, x, from_logits=from_logits).shape) == (None, 3)
        assert tuple(ops.binary_crossentropy(x, x, from_logits=from_logits).shape) == (None, 3, 4)


def test_a_norm_has_the_same_bits_beside_tiny_ones(rng):
    x = rng.standard_normal((20_000, 3)).astype(np.float32)
    beside = x.copy()
    beside[::5] = 1e-18  # whose squares are below 2^-100
    others = np.arange(len(x)) % 5 != 0
    got = ops.norm(beside, axis=1).numpy()
    np.testing.assert_array_equal(got[others], ops.norm(x, axis=1).numpy()[others])
    np.testing.assert_allclose(got[::5], np.sqrt(3) * 1e-18, rtol=1e-6)


def test_losses_stay_finite_where_probabilities_saturate():
    logits = np.array([[1e4, -1e4, 0.0]], np.float32)
    assert float(ops.sparse_softmax_cross_entropy(logits, [1])[0]) == 2e4
    assert float(ops.sigmoid_cross_entropy([-1e4], [1.0])[0]) == 1e4
    assert float(ops.sigmoid_cross_entropy([1e4], [1.0])[0]) == 0
    certain = np.array([[0.0, 1.0]], np.float32)
    assert float(ops.sparse_categorical_crossentropy([0], certain)[0]) == pytest.approx(-np.log(1e-7), rel=1e-6)


def test_empty_losses():
    assert ops.sparse_categorical_crossentropy(np.zeros((0,), np.int32), np.zeros((0, 3), np.float32)).shape == (0,)
    assert ops.softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)
