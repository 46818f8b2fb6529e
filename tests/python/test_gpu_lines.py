"""Reductions, scans, softmax, losses, normalisation and sorting on the GPU beside the CPU: sizes at which kernels take
another path (a lane, a warp, a block, several blocks per line; packs or single elements), and what falls back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tahr
from tahr import _C

pytestmark = pytest.mark.usefixtures("gpu")


def on_both(op: str, *inputs: Any, falls_back: bool = False, **attrs: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """The op's outputs on the GPU and on the CPU; that the GPU gives the same bits twice; that it has a kernel."""
    run = getattr(_C.ops, op)
    with tahr.device("cpu"):
        expected = run(*[x if x is None else tahr.convert_to_tensor(x) for x in inputs], **attrs)
    with tahr.device("gpu:0"):
        there = [x if x is None else tahr.convert_to_tensor(x) for x in inputs]
    before = tahr.config.device_fallbacks().get(op, 0)
    got, again = run(*there, **attrs), run(*there, **attrs)
    assert (tahr.config.device_fallbacks().get(op, 0) > before) == falls_back
    if not isinstance(expected, (list, tuple)):
        expected, got, again = [expected], [got], [again]
    pairs = []
    for e, g, a in zip(expected, got, again):
        assert g.device == "/gpu:0" and e.device == "/cpu:0"
        assert g.dtype == e.dtype and g.shape == e.shape
        assert g.numpy().tobytes() == a.numpy().tobytes()
        pairs.append((g.numpy(), e.numpy()))
    return pairs


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    x = np.random.default_rng([seed, *shape]).normal(size=shape)
    return x.astype(tahr.as_dtype(dtype).as_numpy_dtype)


# Shapes and axes: rows of one lane to several blocks, with and without packs; columns; mixed axes.
REDUCED = [
    ((5, 3), -1),
    ((70, 17), -1),
    ((9, 100), -1),
    ((3, 2500), -1),
    ((2, 40001), -1),
    ((32768,), None),
    ((3, 700), 0),
    ((700, 3), 0),
    ((20, 300), 0),
    ((5000, 40), 0),
    ((6, 5, 7, 12), (0, 2)),
    ((6, 5, 7, 12), (1, 3)),
    ((4, 300, 3, 33), (1, 3)),
    ((3, 90, 50), 1),
]


@pytest.mark.parametrize(("shape", "axis"), REDUCED)
def test_reductions(shape, axis):
    x = normal(*shape)
    n = x.size // np.asarray(x.sum(axis=axis)).size
    eps = 2.0**-23
    for op, bound in [
        ("sum", n * np.abs(x).max()),  # a bound on any order of summation, far above what both orders lose
        ("mean", np.abs(x).max()),
        ("var", 64.0),
        ("std", 16.0),
        ("logsumexp", 16 + np.log(n)),
        ("sum_squares", n * np.square(x).max()),
        ("root_sum_squares", np.sqrt(n) * np.abs(x).max()),
        ("sum_magnitudes", n * np.abs(x).max()),
    ]:
        ((got, expected),) = on_both(op, x, axis=axis)
        np.testing.assert_allclose(got, expected, rtol=0, atol=8 * eps * bound, err_msg=op)
    for op in ("max", "min"):
        ((got, expected),) = on_both(op, x, axis=axis)
        np.testing.assert_array_equal(got, expected, err_msg=op)
    if not isinstance(axis, tuple):
        for op in ("argmax", "argmin"):
            for values in (x, np.round(x), (3 * x).astype("int8")):  # ties: the first position
                ((got, expected),) = on_both(op, values, axis=axis)
                np.testing.assert_array_equal(got, expected, err_msg=op)
    for values in (x > 1, np.round(x), (x > 3.5).astype("int16")):
        for op in ("any", "all", "count_nonzero"):
            ((got, expected),) = on_both(op, values, axis=axis)
            np.testing.assert_array_equal(got, expected, err_msg=op)
    for dtype in ("int8", "uint16", "int32", "uint64", "bool"):
        values = (np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 100, shape)).astype(dtype)
        for op in ("sum", "reduce_prod", "max"):
            ((got, expected),) = on_both(op, values, axis=axis)
            np.testing.assert_array_equal(got, expected, err_msg=f"{op} {dtype}")


@pytest.mark.parametrize("size", [5, 40, 3000, 30000])
def test_reductions_of_nan_and_infinity(size):
    for special in ([np.nan], [np.inf], [-np.inf], [np.inf, np.nan], [np.inf, -np.inf], [-0.0]):
        x = normal(2, size)
        x[0, size // 2 : size // 2 + len(special)] = special
        x[1] = special[0]
        for op in ("max", "min", "logsumexp", "argmax", "argmin", "any", "mean", "count_nonzero"):
            ((got, expected),) = on_both(op, x, axis=1)
            np.testing.assert_allclose(got, expected, rtol=1e-5, err_msg=f"{op} {special}")


FLOATS = ["float32", "float64", "float16", "bfloat16"]
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


def assert_near(pairs, dtype: str, ulp: float, scale: float = 1.0, message: str = "") -> None:
    """Both round sums and products of float32 or wider to `dtype`: they differ by few units of the largest number."""
    for got, expected in pairs:
        atol = ulp * EPS[dtype] * scale
        np.testing.assert_allclose(
            got.astype("float64"), expected.astype("float64"), rtol=0, atol=atol, err_msg=message
        )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("classes", [1, 3, 10, 128, 1500, 13000])
def test_softmax_and_losses(classes, dtype):
    rows = 2 if classes > 1000 else 37
    x, dy = 3 * normal(rows, classes, dtype=dtype), normal(rows, classes, dtype=dtype, seed=1)
    labels = np.random.default_rng(2).integers(0, classes, rows).astype("int32")
    targets = np.abs(dy) / max(1, classes // 8)
    per_row = normal(rows, dtype=dtype, seed=3)
    for op in ("softmax", "log_softmax"):
        pairs = on_both(op, x)
        assert_near(pairs, dtype, 8, 1 if op == "softmax" else 40, op)
        y = pairs[0][1]
        assert_near(on_both(op + "_grad", y, dy), dtype, 8, 4 * np.sqrt(classes), op + "_grad")
    assert_near(on_both("sparse_softmax_cross_entropy", x, labels), dtype, 8, 40)
    assert_near(on_both("sparse_softmax_cross_entropy_grad", x, labels, per_row), dtype, 8, 4)
    assert_near(on_both("softmax_cross_entropy", x, targets), dtype, 16, 40 * 8)
    assert_near(on_both("softmax_cross_entropy_grad", x, targets, per_row), dtype, 16, 4 * 8)
    assert_near(on_both("sigmoid_cross_entropy", x, targets), dtype, 8, 40)
    assert_near(on_both("sigmoid_cross_entropy_grad", x, targets, dy), dtype, 8, 10)
    for got, expected in on_both("pick_labels", x, labels) + on_both("spread_labels", per_row, labels, classes=classes):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((4, 6, 5), 1),
        ((300, 70), 0),
        ((5, 30, 4, 3), (1, 3)),
        ((3, 50, 300), 1),
        ((2, 40, 5), (0, 1)),
        ((7, 3000, 2), 1),
    ],
)
def test_softmax_along_other_axes(shape, axis):
    x, dy = normal(*shape), normal(*shape, seed=1)
    n = int(np.prod([shape[i] for i in np.atleast_1d(axis)]))
    for op in ("softmax", "log_softmax"):
        pairs = on_both(op, x, axis=axis)
        assert_near(pairs, "float32", 8, 1 if op == "softmax" else 16, op)
        assert_near(on_both(op + "_grad", pairs[0][1], dy, axis=axis), "float32", 8, 4 * np.sqrt(n), op + "_grad")


def test_softmax_of_infinities():
    x = normal(6, 40)
    x[0, 3], x[1, :], x[2, 5], x[3, :20] = np.inf, -np.inf, np.nan, -np.inf
    for op in ("softmax", "log_softmax"):
        ((got, expected),) = on_both(op, x)
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_labels_beyond_the_classes_are_errors_of_the_next_read():
    x, dy = normal(4, 3), np.ones(4, "float32")
    with tahr.device("gpu:0"):
        x, dy = tahr.convert_to_tensor(x), tahr.convert_to_tensor(dy)
        labels = tahr.convert_to_tensor(np.array([0, 3, 3, 2]))
    bad = np.array([False, True, True, False])
    for op, inputs, attrs in [
        ("sparse_softmax_cross_entropy", [x, labels], {}),
        ("sparse_softmax_cross_entropy_grad", [x, labels, dy], {}),
        ("pick_labels", [x, labels], {}),
        ("spread_labels", [dy, labels], {"classes": 3}),
    ]:
        y = getattr(_C.ops, op)(*inputs, **attrs)
        with pytest.raises(ValueError, match=r"expected labels in \[0, 3\), received 3 at position [12] "):
            y.numpy()
        np.testing.assert_array_equal(np.isnan(y.numpy()).reshape(4, -1).all(axis=1), bad)  # reported once
    y = _C.ops.in_top_k(labels, x, k=1)
    with pytest.raises(IndexError, match=r"in_top_k\] expected indices in \[-3, 3\), received 3"):
        y.numpy()


NORMALISED = [
    ((40, 7), {"rows": 1}),
    ((9, 768), {"rows": 1, "centre": False}),
    ((5, 6, 300), {"rows": 2}),
    ((2, 13000), {"rows": 1}),
    ((2000, 64), {"rows": 1}),
    ((300, 3), {}),
    ((8, 9, 10, 48), {}),
    ((5000, 33), {}),
    ((3, 700, 12), {"groups": 4}),
    ((3, 5, 7, 64), {"groups": 1}),
    ((4, 50, 6), {"groups": 6, "centre": False}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "attrs"), NORMALISED)
def test_normalisation(shape, attrs, dtype):
    x, dy = 5 + 2 * normal(*shape, dtype=dtype), normal(*shape, dtype=dtype, seed=1)
    rows = attrs.get("rows", 0)
    parameters = shape[-rows:] if rows else shape[-1:]
    scale, offset = normal(*parameters, dtype=dtype, seed=2), normal(*parameters, dtype=dtype, seed=3)
    # y is a few units of x / deviation and of the parameters; a mean square of uncentred rows is about 29.
    pairs = on_both("standardize", x, scale, offset, **attrs)
    assert_near(pairs, dtype, 16, 60)
    mean, variance = pairs[1][1], pairs[2][1]
    length = int(np.prod(shape)) // int(np.prod(parameters))  # terms in a dscale
    wanted = {**attrs, "dscale": True, "doffset": True}
    dx, dscale, doffset = on_both("standardize_grad", dy, x, mean, variance, scale, **wanted)
    assert_near([dx], dtype, 16, 60)
    assert_near([dscale, doffset], dtype, 16, 8 * np.sqrt(length) * 10)
    assert_near(on_both("standardize_grad", dy, x, mean, variance, None, **attrs)[:1], dtype, 16, 60)
    if not rows:
        assert_near(on_both("standardize_relu", x, scale, None, dy, **attrs), dtype, 16, 60)


def test_columns_without_statistics():
    for shape in ((50, 3), (6, 7, 64)):
        vectors = [normal(shape[-1], seed=i) for i in range(3)]
        assert_near(on_both("affine_columns", normal(*shape), *vectors), "float32", 8, 30)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((3000, 9), 1), ((5, 100), 1), ((1, 4500), 1), ((300, 3), 0), ((3, 300, 2), 1)]
)
def test_scans(shape, axis, reverse):
    x = normal(*shape) / 4 + 1
    attrs = {"axis": axis, "reverse": reverse}
    # Both run in float64 and round once: at most one unit apart.
    for op, inputs in (("cumsum_along", [x]), ("cumprod_along", [x]), ("linear_recurrence", [x / 2, x])):
        for got, expected in on_both(op, *inputs, **attrs):
            np.testing.assert_allclose(got, expected, rtol=2.0**-22, err_msg=op)
    for dtype in ("int8", "uint16", "int32", "int64"):
        values = np.random.default_rng(4).integers(0, 100, shape).astype(dtype)
        for op, inputs in (
            ("cumsum_along", [values]),
            ("cumprod_along", [values]),
            ("linear_recurrence", [values] * 2),
        ):
            for got, expected in on_both(op, *inputs, **attrs):
                np.testing.assert_array_equal(got, expected, err_msg=f"{op} {dtype}")
        for got, expected in on_both("shift", values, fill=3, **attrs):
            np.testing.assert_array_equal(got, expected)


def test_products_do_not_overflow_where_the_result_does_not():
    x = np.full((1, 500), 1e300)
    x[0, 0] = 0
    for op, inputs in (("cumprod_along", [x]), ("linear_recurrence", [x, np.zeros_like(x)])):
        for got, _ in on_both(op, *inputs, axis=1):
            np.testing.assert_array_equal(got, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int8", "bool"])
@pytest.mark.parametrize(("shape", "axis"), [((40, 5), 1), ((3, 300), 1), ((1, 4500), 1), ((2100, 2), 0)])
def test_sorting(shape, axis, dtype):
    rng = np.random.default_rng(5)
    if dtype in ("float32", "float64", "bfloat16"):
        x = np.round(4 * normal(*shape, dtype="float32"), 1)
        x.ravel()[::7] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], x.ravel()[::7].size)
    else:
        x = rng.integers(0, 2 if dtype == "bool" else 120, shape) * (1 if dtype in ("bool", "uint16") else -1)
    x = x.astype(tahr.as_dtype(dtype).as_numpy_dtype)
    n = x.shape[-1]
    ks = [min(5, n), n // 2]
    calls = [("sort", [x], {"axis": axis}), ("argsort", [x], {"axis": axis})]
    calls += [("top_k", [x], {"k": k}) for k in ks]
    for op, inputs, attrs in calls:
        for got, expected in on_both(op, *inputs, **attrs):
            assert got.tobytes() == expected.tobytes(), f"{op} {attrs}"


def test_searching():
    x, y = np.sort(np.round(normal(3000), 2)), np.round(normal(50, 40, seed=1), 2)
    y[0, 0], y[1, 1] = np.nan, np.inf
    for side in ("left", "right"):
        for got, expected in on_both("searchsorted", x, y, side=side):
            np.testing.assert_array_equal(got, expected)
    for invert in (False, True):
        for set_ in (x[:2500], y[:2], np.zeros(0, "float32")):
            for got, expected in on_both("isin", y, set_, invert=invert):
                np.testing.assert_array_equal(got, expected)
    targets = np.arange(50, dtype="int32") % 40
    for got, expected in on_both("in_top_k", targets, y, k=7):
        np.testing.assert_array_equal(got, expected)


# What the CPU computes, for a reason: the size of the output, the range of the bins or an error depend on the values, which
# the host must read in any case.
ON_PURPOSE = {
    "bincount": ([np.array([1, 2, 2, 5])], {}),
    "histogram": ([normal(100)], {"bins": 5}),
}


@pytest.mark.parametrize("op", ON_PURPOSE)
def test_what_falls_back_on_purpose(op):
    inputs, attrs = ON_PURPOSE[op]
    for got, expected in on_both(op, *inputs, falls_back=True, **attrs):
        np.testing.assert_array_equal(got, expected)
