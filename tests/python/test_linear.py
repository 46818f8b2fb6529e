"""The fused products `linear` and `linear_sgd` against the plain ops they stand for: the same bits."""

import numpy as np
import pytest
import tahr
from tahr import _C

DTYPES = ("float32", "float64", "float16", "bfloat16")
ACTIVATIONS = {
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "leaky_relu": ("leaky_relu", {}),
    "elu": ("elu", {}),
    "selu": ("selu", {}),
    "sigmoid": ("sigmoid", {}),
    "tanh": ("tanh", {}),
    "softplus": ("softplus", {}),
    "softsign": ("softsign", {}),
    "silu": ("silu", {}),
    "mish": ("mish", {}),
    "gelu": ("gelu", {"approximate": False}),
    "gelu_tanh": ("gelu", {"approximate": True}),
    "hard_tanh": ("hard_tanh", {}),
    "hard_silu": ("hard_silu", {}),
    "hard_sigmoid": ("hard_sigmoid", {}),
    "log_sigmoid": ("log_sigmoid", {}),
}
# (m, n, k): tails in every direction, each way of gemm.cpp, sums cut into blocks of k, a k of zero.
SIZES = [(5, 3, 7), (32, 300, 784), (32, 10, 100), (17, 96, 500), (100, 33, 130), (130, 120, 1100), (700, 101, 600)]


def draw(rng, shape, dtype):
    return tahr.cast(tahr.convert_to_tensor(rng.uniform(-1, 1, shape).astype("float32")), dtype)


def variable(x):
    return _C.Variable(tahr.convert_to_tensor(x), "v", True)


def value(v):
    return _C.variable_value(v)


def bits(x):
    return np.ascontiguousarray(x.numpy()).view(np.uint8)


def operands(rng, m, n, k, ta, tb, dtype):
    return draw(rng, (k, m) if ta else (m, k), dtype), draw(rng, (n, k) if tb else (k, n), dtype)


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["", *ACTIVATIONS])
def test_linear_has_the_bits_of_plain_ops(name, dtype):
    rng = np.random.default_rng(3)
    full = name in ("", "relu", "tanh") and dtype in ("float32", "float64")
    for m, n, k in [*SIZES, (3, 4, 0), (0, 3, 2)] if full else [SIZES[0], (40, 130, 100)]:
        for ta, tb in [(False, False), (True, False), (False, True), (True, True)]:
            x1, x2 = operands(rng, m, n, k, ta, tb, dtype)
            bias = draw(rng, (n,), dtype)
            product = _C.ops.matmul(x1, x2, ta, tb)
            for b in (None, bias):
                expected = product if b is None else _C.ops.add(product, b)
                if name:
                    op, attrs = ACTIVATIONS[name]
                    expected = getattr(_C.ops, op)(expected, **attrs)
                got = _C.ops.linear(x1, x2, b, ta, tb, name)
                assert got.dtype == expected.dtype and got.shape == expected.shape
                assert np.array_equal(bits(got), bits(expected)), (m, n, k, ta, tb, b is not None)
                plain = _C.decompose("linear", [x1, x2, b], {"transpose_a": ta, "transpose_b": tb, "activation": name})
                assert np.array_equal(bits(plain[0]), bits(expected))


def test_linear_takes_batches_and_any_number_of_threads():
    rng = np.random.default_rng(4)
    before = _C.num_threads()
    for shape1, shape2, ta in [((2, 3, 5), (5, 4), False), ((2, 5, 3), (5, 4), True), ((3, 2, 5), (3, 5, 4), False)]:
        x1, x2, bias = draw(rng, shape1, "float32"), draw(rng, shape2, "float32"), draw(rng, (4,), "float32")
        expected = _C.ops.relu(_C.ops.add(_C.ops.matmul(x1, x2, ta), bias))
        assert np.array_equal(bits(_C.ops.linear(x1, x2, bias, ta, activation="relu")), bits(expected))
    for rows, steps in [(200, 784), (32, 784), (60, 1030)]:
        x1, x2, bias = (draw(rng, s, "float32") for s in [(rows, steps), (steps, 300), (300,)])
        for name in ("", "relu", "sigmoid"):
            results = []
            try:
                for threads in (1, 2, 3, 7):
                    _C.set_num_threads(threads)
                    results.append(bits(_C.ops.linear(x1, x2, bias, activation=name)))
            finally:
                _C.set_num_threads(before)
            assert all(np.array_equal(results[0], r) for r in results[1:])


def test_linear_keeps_nan():
    x1 = tahr.convert_to_tensor(np.full((20, 100), np.nan, "float32"))
    x2 = tahr.convert_to_tensor(np.ones((100, 40), "float32"))
    assert np.isnan(_C.ops.linear(x1, x2, activation="relu").numpy()).all()


def test_linear_refuses_what_it_cannot_do():
    x1, x2 = np.ones((2, 3), "float32"), np.ones((3, 4), "float32")
    with pytest.raises(ValueError, match=r"^\[linear\] expected x1 and x2 to agree"):
        _C.ops.linear(x2, x2)
    with pytest.raises(ValueError, match=r"^\[linear\] expected a bias of shape \(4,\)"):
        _C.ops.linear(x1, x2, np.ones((1, 4), "float32"))
    with pytest.raises(ValueError, match=r"^\[linear\] expected the name of an activation.*'softmax'"):
        _C.ops.linear(x1, x2, activation="softmax")
    with pytest.raises(ValueError, match=r"^\[linear\] expected x1 and x2 of rank 2"):
        _C.ops.linear(x1[0], x2)
    with pytest.raises(TypeError, match=r"^\[linear\] expected x1 and x2 of one floating-point dtype"):
        _C.ops.linear(x1.astype("int32"), x2.astype("int32"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_grad_has_the_bits_of_matmul_and_range_grad(dtype):
    rng = np.random.default_rng(6)
    for m, n, k in [*SIZES, (32, 300, 100), (256, 100, 10), (3, 4, 0), (0, 3, 2)]:
        for ta, tb in [(False, True), (True, False), (False, False), (True, True)]:
            x1, x2 = operands(rng, m, n, k, ta, tb, dtype)
            x = draw(rng, (m, n), dtype)
            product = _C.ops.matmul(x1, x2, ta, tb)
            for low, high, scale in [(0.0, np.inf, 1.0), (-0.5, 0.5, 1 / 6)]:
                expected = _C.ops.range_grad(product, x, low, high, scale)
                got = _C.ops.linear_grad(x1, x2, x, ta, tb, low=low, high=high, scale=scale)
                assert got.dtype == expected.dtype and got.shape == expected.shape
                assert np.array_equal(bits(got), bits(expected)), (m, n, k, ta, tb, low)
                attrs = {"transpose_a": ta, "transpose_b": tb, "low": low, "high": high, "scale": scale}
                plain = _C.decompose("linear_grad", [x1, x2, x], attrs)
                assert np.array_equal(bits(plain[0]), bits(expected))
    x1, x2, x = (draw(rng, s, dtype) for s in [(3, 5, 4), (3, 6, 4), (3, 5, 6)])
    expected = _C.ops.range_grad(_C.ops.matmul(x1, x2, False, True), x, 0.0, np.inf)
    assert np.array_equal(
        bits(_C.ops.linear_grad(x1, x2, x, False, True, low=0.0, high=np.inf)),
        bits(expected),
    )


def test_a_layer_has_the_same_bits_at_any_number_of_threads():
    rng = np.random.default_rng(7)
    before = _C.num_threads()
    for batch, inputs, units in [(32, 300, 100), (17, 500, 96), (100, 257, 500), (256, 784, 300), (1, 784, 300)]:
        x, w, b = (draw(rng, s, "float32") for s in [(batch, inputs), (inputs, units), (units,)])
        dy, rate = draw(rng, (batch, units), "float32"), tahr.convert_to_tensor(np.float32(0.01))
        results = []
        try:
            for threads in (1, 2, 3, 7):
                _C.set_num_threads(threads)
                for _ in range(3):  # the workers are awake from the second time on
                    v = variable(w)
                    y = _C.ops.linear(x, w, b, activation="relu")
                    dx = _C.ops.linear_grad(dy, w, x, False, True, low=0.0, high=np.inf)
                    _C.ops.linear_sgd(v._handle, x, dy, rate, True)
                    results.append([bits(t) for t in (y, dx, value(v))])
        finally:
            _C.set_num_threads(before)
        for other in results[1:]:
            assert all(np.array_equal(p, q) for p, q in zip(results[0], other, strict=True)), (batch, inputs, units)


def test_linear_grad_refuses_what_it_cannot_do():
    x1, x2 = np.ones((2, 3), "float32"), np.ones((3, 4), "float32")
    with pytest.raises(ValueError, match=r"^\[linear_grad\] expected x of the product's shape \(2, 4\)"):
        _C.ops.linear_grad(x1, x2, x1, low=0.0, high=1.0)


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_sgd_has_the_bits_of_matmul_and_sgd_update(dtype):
    rng = np.random.default_rng(5)
    for m, n, k in [(784, 300, 32), (100, 10, 32), (300, 100, 17), *SIZES, (3, 4, 0)]:
        for ta, tb in [(True, False), (False, False), (False, True), (True, True)]:
            x1, x2 = operands(rng, m, n, k, ta, tb, dtype)
            start = draw(rng, (m, n), dtype)
            rate = variable(tahr.convert_to_tensor(np.float32(0.013)))
            expected, got = variable(start), variable(start)
            _C.ops.sgd_update([expected, _C.ops.matmul(x1, x2, ta, tb), rate], count=1)
            assert _C.ops.linear_sgd(got._handle, x1, x2, rate._handle, ta, tb) is None
            assert np.array_equal(bits(value(got)), bits(value(expected))), (m, n, k, ta, tb)
            _C.ops.linear_sgd(got._handle, x1, x2, tahr.convert_to_tensor(np.float32(0.0)), ta, tb)
            assert np.array_equal(bits(value(got)), bits(value(expected)))


def test_linear_sgd_leaves_earlier_reads_alone():
    v = variable(np.ones((2, 2), "float32"))
    before = value(v)
    _C.ops.linear_sgd(v._handle, np.eye(2, dtype="float32"), np.ones((2, 2), "float32"), np.float32(0.5))
    np.testing.assert_array_equal(before.numpy(), 1.0)
    np.testing.assert_array_equal(value(v).numpy(), 0.5)


def test_linear_sgd_refuses_what_does_not_fit():
    v, x = variable(np.ones((2, 3), "float32")), np.ones((2, 2), "float32")
    with pytest.raises(TypeError, match=r"^\[linear_sgd\] expected a variable"):
        _C.ops.linear_sgd(x, x, x, np.float32(1))
    with pytest.raises(ValueError, match=r"^\[linear_sgd\] expected a product of variable .* shape \(2, 3\)"):
        _C.ops.linear_sgd(v._handle, x, x, np.float32(1))
    with pytest.raises(ValueError, match=r"^\[linear_sgd\] expected a floating-point scalar"):
        _C.ops.linear_sgd(v._handle, x, np.ones((2, 3), "float32"), np.ones(2, "float32"))
