"""The array family beyond its rows: NumPy indexing, NaN order, dtype rules, unknown sizes, value-dependent shapes."""

import numpy as np
import pytest
import tahr
from tahr import _C, ops

X = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
MASK = X[:, :, 0] % 20 == 0
KEYS = [
    (0,),
    (-1, 2),
    (slice(1, None), slice(None, None, -2)),
    (..., 1),
    (None, ..., None, 0),
    (slice(3, 0, -1), slice(-2, None)),
    (slice(2, 2),),
    ([2, 0, -1],),
    (slice(None), [2, 0, -1]),
    ([[0, 1], [2, 3]],),
    ([0, 1], slice(None), [2, 3]),
    (0, slice(None), [2, 3]),
    ([0, 1], [2, 3]),
    (slice(None), [0, 1], [2, 3]),
    (slice(None), 1, [2, 3]),
    ([[0], [1]], None, [2, 3]),
    (MASK,),
    (slice(None), [True, False, True, False, False]),
    (MASK, [1]),
    (slice(None), slice(1, 3), X[0, 0] > 2),
    (True,),
    (False,),
    ([],),
]


def _arrays(key):
    return tuple(np.array(k, dtype=np.int64 if k == [] else None) if isinstance(k, list) else k for k in key)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indexing_is_numpys(key):
    expected = X[_arrays(key)]
    got = tahr.constant(X)[key].numpy()
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indexed_updates_are_numpys(key):
    key = _arrays(key)
    values = np.linspace(1, 2, X[key].size, dtype=np.float32).reshape(X[key].shape)
    for kind, update in (("assign", None), ("add", np.add), ("sub", np.subtract)):
        for value in (values, np.float32(0.5)):
            expected = X.copy()
            if update is None:
                expected[key] = value
            else:
                update.at(expected, key, value)
            got = _C.index_update(tahr.constant(X), key, tahr.constant(value), kind)
            np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_gradient_of_indexing_counts_how_often_an_element_is_taken(key):
    counts = np.zeros(X.shape)
    np.add.at(counts, _arrays(key), 1)
    x = tahr.constant(X)
    with tahr.GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(x[key])
    g = tape.gradient(y, x, unconnected_gradients="zero")
    np.testing.assert_array_equal(g.numpy(), counts)


def test_gradient_of_indexed_assignment():
    x, v = tahr.constant(X), tahr.constant(np.ones((2, 5), np.float32))
    for key in ((slice(0, 2), slice(None), 3), ([0, 3], slice(None), 1)):
        with tahr.GradientTape() as tape:
            tape.watch([x, v])
            y = ops.sum(_C.index_update(x, key, v, "assign") * X)
        dx, dv = tape.gradient(y, [x, v])
        kept = X.copy()
        kept[_arrays(key)] = 0
        np.testing.assert_array_equal(dx.numpy(), kept)
        np.testing.assert_array_equal(dv.numpy(), X[_arrays(key)])


@pytest.mark.parametrize(
    ("key", "error", "match"),
    [
        (
            (4,),
            IndexError,
            r"\[index\] expected an index in \[-4, 4\) on axis 0 of a tensor of shape \(4, 5, 6\), received 4",
        ),
        ((0, 0, 0, 0), IndexError, r"\[index\] expected at most 3 indices .*received 4"),
        ((..., ...), IndexError, r"at most one ellipsis"),
        (([0, 9],), IndexError, r"expected indices in \[-4, 4\), received 9"),
        (([0.5],), TypeError, r"expected ints, slices, None"),
        (([True, False],), IndexError, r"expected a mask that matches"),
        (([0, 1], [0, 1, 2]), IndexError, r"index arrays that broadcast together, received shapes \(2,\) and \(3,\)"),
        ((slice(None, None, 0),), ValueError, r"slice step other than 0"),
    ],
)
def test_index_errors(key, error, match):
    with pytest.raises(error, match=match):
        tahr.constant(X)[key].numpy()  # a GPU tells when the host reads


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("n", [9, 700])
def test_nan_sorts_last_and_zeros_are_equal(dtype, n):
    values = np.resize(np.array([3.0, np.nan, -0.0, 0.0, -np.inf, np.inf, -2.0, -np.nan, 0.0]), n)
    x = ops.cast(tahr.constant(values), dtype)
    wide = values.astype(np.float64)
    np.testing.assert_array_equal(ops.cast(ops.sort(x), "float64").numpy(), np.sort(wide))
    np.testing.assert_array_equal(ops.argsort(x).numpy(), np.argsort(wide, kind="stable"))
    nans = int(np.isnan(wide).sum())
    top = ops.cast(ops.top_k(x, nans + 1)[0], "float64").numpy()
    assert np.isnan(top[:nans]).all() and top[nans] == np.inf


def test_unique_keeps_every_nan_apart():
    values, counts = ops.unique(tahr.constant([np.nan, 1.0, np.nan, 1.0]), return_counts=True)
    np.testing.assert_array_equal(values.numpy(), [1.0, np.nan, np.nan])
    np.testing.assert_array_equal(counts.numpy(), [2, 1, 1])


def test_last_of_several_updates_stays_and_alone_gets_a_gradient():
    x, u = tahr.constant(np.zeros(3, np.float32)), tahr.constant(np.array([5.0, 6.0, 7.0], np.float32))
    indices = np.array([[1], [0], [1]])
    with tahr.GradientTape() as tape:
        tape.watch(u)
        y = ops.scatter_update(x, indices, u)
        loss = ops.sum(y)
    np.testing.assert_array_equal(y.numpy(), [6, 7, 0])
    np.testing.assert_array_equal(tape.gradient(loss, u).numpy(), [0, 1, 1])


@pytest.mark.parametrize("op", ["segment_prod", "scatter_update"])
def test_gradients_of_products_with_zeros_among_their_factors(op):
    ids = np.array([0, 1, 1, 2, 2, 2, 3, 3, -1])
    x = np.array([2, 3, 0, 0, -0.0, 4, np.inf, 0, 0], np.float32)[:, None] * np.array([1, 2], np.float32)
    dy = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
    if op == "scatter_update":
        ids, x = ids[:-1], x[:-1]
    factors = tahr.constant(x)
    with tahr.GradientTape() as tape:
        tape.watch(factors)
        if op == "segment_prod":
            y = ops.segment_prod(factors, ids, 4)
        else:
            y = ops.scatter_update(tahr.constant(np.full((4, 2), 3.0, "f")), ids[:, None], factors, reduction="mul")
            dy = dy / 3
        loss = ops.sum(y * dy)
    expected = np.zeros_like(x)
    for i, segment in enumerate(ids):
        others = [k for k in range(len(ids)) if ids[k] == segment != -1 and k != i]
        if segment >= 0:
            expected[i] = np.prod(x[others], axis=0) * dy[segment] * (3 if op == "scatter_update" else 1)
    np.testing.assert_allclose(tape.gradient(loss, factors), expected, rtol=1e-6)


def test_empty_segments_hold_the_neutral_element():
    data, ids = np.array([1.0, 2.0], np.float32), np.array([0, 2])
    assert ops.segment_max(data, ids).numpy()[1] == -np.inf
    assert ops.segment_min(data, ids).numpy()[1] == np.inf
    assert ops.segment_max(data.astype("int8"), ids).numpy()[1] == -128
    with tahr.GradientTape() as tape:
        x = tahr.constant(np.array([3.0, 3.0, 1.0], np.float32))
        tape.watch(x)
        y = ops.segment_max(x, np.array([0, 0, 1]))
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [0.5, 0.5, 1.0])


@pytest.mark.usefixtures("cpu")
def test_reshape_shares_memory():
    x = tahr.constant(X)
    for y in (ops.reshape(x, (-1,)), ops.ravel(x), ops.expand_dims(x, 0), ops.squeeze(ops.expand_dims(x, 1))):
        assert np.shares_memory(np.asarray(y), np.asarray(x))


def test_many_inputs_and_large_planes():
    parts = [tahr.constant(np.full((2, 1), i, np.float32)) for i in range(70)]
    with tahr.GradientTape() as tape:
        tape.watch(parts)
        y = ops.sum(ops.concatenate(parts, 1) * np.arange(70, dtype=np.float32))
    assert [float(g.numpy()[0, 0]) for g in tape.gradient(y, parts)] == list(range(70))
    for shape in ((2049, 1031), (1536, 2048), (3, 700001)):
        plane = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        np.testing.assert_array_equal(ops.transpose(plane).numpy(), plane.T)
        wide = plane.astype(np.float64)
        np.testing.assert_array_equal(ops.transpose(wide).numpy(), wide.T)


@pytest.mark.parametrize(
    ("args", "dtype", "values"),
    [
        ((5,), "int32", [0, 1, 2, 3, 4]),
        ((1.0, 2.0, 0.25), "float32", [1.0, 1.25, 1.5, 1.75]),
        ((np.int64(3),), "int64", [0, 1, 2]),
        ((3, 0, -1), "int32", [3, 2, 1]),
    ],
)
def test_arange_takes_its_dtype_from_the_numbers(args, dtype, values):
    got = ops.arange(*args)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.numpy(), values)


def test_creation_from_python_values():
    assert ops.full((2,), 2**63 - 1, "int64").tolist() == [2**63 - 1] * 2
    assert ops.full((2, 2), [1, 2]).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    points, step = ops.linspace(0.0, 1.0, 5, retstep=True)
    assert float(step) == 0.25 and points.dtype == "float32"
    assert ops.linspace(0, 10, 3, dtype="int32").tolist() == [0, 5, 10]
    np.testing.assert_allclose(ops.logspace(0, 3, 4).numpy(), [1, 10, 100, 1000], rtol=1e-6)
    np.testing.assert_allclose(ops.geomspace(-1.0, -8.0, 4).numpy(), [-1, -2, -4, -8], rtol=1e-6)
    assert ops.vander([1, 2, 3], 3, increasing=True).tolist() == [[1, 1, 1], [1, 2, 4], [1, 3, 9]]
    assert ops.diff([[1, 4, 9], [0, 0, 5]], n=2).tolist() == [[2], [5]]
    assert float(ops.trapezoid([1.0, 2.0, 3.0], x=[0.0, 1.0, 3.0])) == 6.5
    assert isinstance(ops.nonzero([0, 1]), tuple)


@pytest.mark.parametrize(
    ("name", "shape", "attrs", "expected"),
    [
        ("reshape", (None, 6), {"newshape": (-1, 2, 3)}, (None, 2, 3)),
        ("expand_dims", (None, None), {"axis": 1}, (None, 1, None)),
        ("squeeze", (None, 1, 3), {"axis": 1}, (None, 3)),
        ("transpose", (None, 4, None), {"axes": (0, 2, 1)}, (None, None, 4)),
        ("moveaxis", (None, 4, None), {"source": 0, "destination": -1}, (4, None, None)),
        ("broadcast_to", (None, 1), {"shape": (-1, 3)}, (None, 3)),
        ("tile", (None, None, 2), {"repeats": (1, 2, 3)}, (None, None, 6)),
        ("repeat", (None, None, 2), {"repeats": 2, "axis": 1}, (None, None, 2)),
        ("flip", (None, None, 2), {"axis": 1}, (None, None, 2)),
        ("roll", (None, 4), {"shift": 1, "axis": 1}, (None, 4)),
        ("roll", (None, None), {"shift": 1, "axis": 1}, (None, None)),
        ("pad", (None, None, 3), {"pad_width": ((0, 0), (1, 1), (1, 2))}, (None, None, 6)),
        ("pad", (None, None, 3), {"pad_width": ((0, 0), (1, 1), (1, 2)), "mode": "reflect"}, (None, None, 6)),
        ("diagonal", (None, 3, 4), {"axis1": 1, "axis2": 2}, (None, 3)),
        ("tril", (None, 3, 4), {}, (None, 3, 4)),
        ("sort", (None, 4), {}, (None, 4)),
    ],
)
def test_unknown_sizes_pass_through(name, shape, attrs, expected):
    assert getattr(_C.ops, name)(tahr.symbolic(shape, "float32"), **attrs).shape == expected


def test_unknown_sizes_of_several_inputs_and_outputs():
    x, i = tahr.symbolic((None, 4), "float32"), tahr.symbolic((None, None), "int32")
    assert ops.concatenate([x, x], 0).shape == (None, 4)
    assert ops.concatenate([x, tahr.symbolic((3, None), "float32")], 1).shape == (3, None)
    assert ops.stack([x, x], 1).shape == (None, 2, 4)
    assert [p.shape for p in ops.split(x, 2, axis=1)] == [(None, 2), (None, 2)]
    assert [p.shape for p in ops.split(x, 3)] == [(None, 4)] * 3
    assert [p.shape for p in ops.unstack(x, axis=1)] == [(None,)] * 4
    assert ops.take(tahr.constant(X), i, axis=1).shape == (4, None, None, 6)
    assert ops.one_hot(i, 7).shape == (None, None, 7)
    assert ops.take_along_axis(x, tahr.symbolic((None, 2), "int32"), axis=1).shape == (None, 2)
    assert [t.shape for t in ops.top_k(x, 2)] == [(None, 2), (None, 2)]
    assert [t.shape for t in ops.nonzero(x)] == [(None,), (None,)]
    assert ops.bincount(i).shape == (None, None)
    assert x[0].shape == (4,) and x[-1].shape == (4,) and x[:, 1:3].shape == (None, 2) and x[1:].shape == (None, 4)
    assert x[:, None, ..., 0].shape == (None, 1) and x[::-1].shape == (None, 4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_nan_is_never_in_the_top_k(dtype):
    predictions = ops.cast(np.array([[0.1, np.nan, 0.5], [0.3, 0.2, 0.5]]), dtype)
    assert ops.in_top_k(np.array([1, 0], "int32"), predictions, k=2).numpy().tolist() == [False, True]
