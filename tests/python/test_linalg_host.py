"""Linear algebra through NumPy: values, first and second derivatives, traces, symbolic shapes, errors."""

import numpy as np
import pytest
import tahr
from tahr import keras, ops


def matrices(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def spd(*batch, n=3, seed=0):
    a = matrices(*batch, n, n, seed=seed)
    return a @ a.swapaxes(-1, -2) + np.eye(n)


def invertible(*batch, n=3, seed=0):
    return matrices(*batch, n, n, seed=seed) + 3 * np.eye(n)


def symmetric(f):
    """`f` of the symmetric part, for functions that read one triangle."""
    return lambda x: f(0.5 * (x + ops.swapaxes(x, -1, -2)))


def flat(result):
    return [t for t in tahr.nest.flatten(result) if t.dtype.is_floating]


def scalar(f, seed=7):
    """A number made of all results, each element with a weight and through a square, so that cotangents vary."""

    def g(*xs):
        total = 0.0
        for i, t in enumerate(flat(f(*xs))):
            w = matrices(*t.shape, seed=seed + i)
            total = total + ops.sum(t * w) + 0.5 * ops.sum(t * t * matrices(*t.shape, seed=seed + 10 + i))
        return total

    return g


def gradients(g, xs):
    ts = [tahr.constant(x) for x in xs]
    with tahr.GradientTape() as tape:
        tape.watch(ts)
        y = g(*ts)
    return tape.gradient(y, ts)


def slope(g, xs, along, h=1e-5):
    """Central difference of the number g along a direction: error h^2 g''' / 6 and rounding 2^-53 |g| / h."""
    up = float(g(*[tahr.constant(x + h * d) for x, d in zip(xs, along)]))
    down = float(g(*[tahr.constant(x - h * d) for x, d in zip(xs, along)]))
    return (up - down) / (2 * h)


def check_gradients(f, *xs, seed=3, rtol=2e-6):
    g = scalar(f)
    along = [matrices(*x.shape, seed=seed + i) for i, x in enumerate(xs)]
    grads = gradients(g, xs)
    found = sum(float(ops.sum(d * a)) for d, a in zip(grads, along))
    assert found == pytest.approx(slope(g, xs, along), rel=rtol, abs=1e-7)

    weights = [matrices(*x.shape, seed=seed + 20 + i) for i, x in enumerate(xs)]

    def first(*ts):  # a number made of the first derivative
        with tahr.GradientTape() as tape:
            tape.watch(ts)
            y = g(*ts)
        return sum(ops.sum(d * w) for d, w in zip(tape.gradient(y, list(ts)), weights))

    found = sum(float(ops.sum(d * a)) for d, a in zip(gradients(first, xs), along))
    assert found == pytest.approx(slope(first, xs, along), rel=5 * rtol, abs=1e-6)


# name -> function, inputs, NumPy's own
def gauge_free_svd(x):
    u, s, vh = ops.svd(x, full_matrices=False)
    return s, ops.matmul(u * ops.expand_dims(ops.sin(s), -2), vh)


CASES = {
    "cholesky": (symmetric(ops.cholesky), [spd(2)]),
    "cholesky_upper": (symmetric(lambda x: ops.cholesky(x, upper=True)), [spd()]),
    "cholesky_inverse": (ops.cholesky_inverse, [np.linalg.cholesky(spd(2))]),
    "cholesky_inverse_upper": (lambda x: ops.cholesky_inverse(x, upper=True), [np.linalg.cholesky(spd()).T]),
    "det": (ops.det, [invertible(2)]),
    "slogdet": (lambda x: ops.slogdet(x)[1], [invertible(2)]),
    "logdet": (ops.logdet, [spd()]),
    "inv": (ops.inv, [invertible(2, 2)]),
    "eigh": (symmetric(ops.eigh), [spd(2)]),
    "qr_square": (ops.qr, [invertible(2)]),
    "qr_tall": (ops.qr, [matrices(2, 5, 3)]),
    "qr_wide": (ops.qr, [matrices(2, 3, 5)]),
    "svd_square": (lambda x: ops.svd(x), [invertible()]),
    "svd_tall": (lambda x: ops.svd(x, full_matrices=False), [matrices(2, 5, 3)]),
    "svd_wide": (lambda x: ops.svd(x, full_matrices=False), [matrices(2, 3, 5)]),
    "svd_values": (lambda x: ops.svd(x, compute_uv=False), [matrices(4, 3)]),
    "svd_function": (gauge_free_svd, [matrices(4, 3)]),
    "lu_factor": (lambda x: ops.lu_factor(x)[0], [matrices(3, 4, 4)]),
    "solve": (ops.solve, [invertible(2), matrices(2, 3, 2)]),
    "solve_vector": (ops.solve, [invertible(2), matrices(2, 3)]),
    "solve_broadcast": (ops.solve, [invertible(), matrices(2, 3, 2)]),
    "solve_triangular": (ops.solve_triangular, [invertible(2), matrices(2, 3, 2)]),
    "solve_triangular_lower": (lambda a, b: ops.solve_triangular(a, b, lower=True), [invertible(), matrices(3)]),
    "lstsq": (ops.lstsq, [matrices(5, 3), matrices(5, 2)]),
    "pinv_tall": (ops.pinv, [matrices(2, 5, 3)]),
    "pinv_wide": (ops.pinv, [matrices(3, 5)]),
    "matrix_power": (lambda x: ops.matrix_power(x, 5), [invertible(2) / 3]),
    "matrix_power_negative": (lambda x: ops.matrix_power(x, -2), [invertible()]),
    "norm_2": (lambda x: ops.norm(x, 2, axis=(0, 2)), [matrices(3, 2, 4)]),
    "norm_-2": (lambda x: ops.norm(x, -2), [matrices(3, 4)]),
    "norm_nuc": (lambda x: ops.norm(x, "nuc", axis=(-2, -1), keepdims=True), [matrices(2, 3, 4)]),
}


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_derivatives(name):
    f, xs = CASES[name]
    check_gradients(f, *xs)


@pytest.mark.parametrize("name", CASES)
def test_traced_is_eager(name):
    """The same bits, and gradients traced with the rest. Also with sizes of the batch unknown to the trace."""
    f, xs = CASES[name]
    g = scalar(f)
    ts = [tahr.constant(x) for x in xs]
    for a, b in zip(flat(f(*ts)), flat(tahr.function(f)(*ts))):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for a, b in zip(gradients(g, xs), tahr.function(lambda *ts: gradients_of(g, ts))(*ts)):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)


def gradients_of(g, ts):
    with tahr.GradientTape() as tape:
        tape.watch(ts)
        y = g(*ts)
    return tape.gradient(y, list(ts))


VALUES = {
    "cholesky": (ops.cholesky, np.linalg.cholesky, spd(2, 2)),
    "det": (ops.det, np.linalg.det, matrices(4, 3, 3)),
    "slogdet": (ops.slogdet, np.linalg.slogdet, matrices(4, 3, 3)),
    "inv": (ops.inv, np.linalg.inv, invertible(4)),
    "eigh": (ops.eigh, np.linalg.eigh, spd(4)),
    "qr": (ops.qr, np.linalg.qr, matrices(2, 5, 3)),
    "qr_complete": (lambda x: ops.qr(x, mode="complete"), lambda x: np.linalg.qr(x, mode="complete"), matrices(5, 3)),
    "svd": (ops.svd, np.linalg.svd, matrices(2, 5, 3)),
    "pinv": (ops.pinv, np.linalg.pinv, matrices(2, 5, 3)),
    "matrix_power": (lambda x: ops.matrix_power(x, 3), lambda x: np.linalg.matrix_power(x, 3), matrices(2, 3, 3)),
    "matrix_power_0": (lambda x: ops.matrix_power(x, 0), lambda x: np.linalg.matrix_power(x, 0), matrices(2, 3, 3)),
    "matrix_rank": (ops.matrix_rank, np.linalg.matrix_rank, np.stack([np.ones((3, 3)), np.eye(3)])),
    "norm_2": (lambda x: ops.norm(x, 2), lambda x: np.linalg.norm(x, 2), matrices(4, 3)),
    "norm_-2": (
        lambda x: ops.norm(x, -2, axis=(2, 0), keepdims=True),
        lambda x: np.linalg.norm(x, -2, axis=(2, 0), keepdims=True),
        matrices(4, 2, 3),
    ),
    "norm_nuc": (
        lambda x: ops.norm(x, "nuc", axis=(0, 1)),
        lambda x: np.linalg.norm(x, "nuc", axis=(0, 1)),
        matrices(4, 3, 2),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", VALUES)
def test_values(name, dtype):
    """float32 LAPACK errs by some eps * n * cond; the inputs' condition numbers are below 40."""
    f, reference, x = VALUES[name]
    out = tahr.nest.flatten(f(x.astype(dtype)))
    expected = reference(x)
    expected = list(expected) if isinstance(expected, tuple) else [expected]
    eps = np.finfo(dtype).eps
    assert len(out) == len(expected)
    for o, e in zip(out, expected):
        assert o.dtype.name in (dtype, "int32")
        assert o.shape == np.shape(e)
        np.testing.assert_allclose(o.numpy(), e, rtol=500 * eps, atol=500 * eps * max(np.abs(e).max(), 1))


def test_lu_factor_against_scipy():
    lu_factor = pytest.importorskip("scipy.linalg").lu_factor
    for shape in [(4, 4), (5, 3), (3, 5)]:
        x = matrices(*shape)
        lu, pivots = ops.lu_factor(x)
        expected, expected_pivots = lu_factor(x)
        np.testing.assert_allclose(lu.numpy(), expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(pivots.numpy(), expected_pivots)
    both = np.stack([matrices(4, 4), matrices(4, 4, seed=5)])
    np.testing.assert_array_equal(ops.lu_factor(both)[1].numpy()[1], lu_factor(both[1])[1])


def test_lu_factor_of_a_singular_matrix_is_finite():
    lu, _ = ops.lu_factor(np.zeros((3, 3)))
    np.testing.assert_array_equal(lu.numpy(), np.zeros((3, 3)))


def test_eig_gives_pairs():
    x = matrices(2, 4, 4)
    (wr, wi), (vr, vi) = ops.eig(x)
    w, v = wr.numpy() + 1j * wi.numpy(), vr.numpy() + 1j * vi.numpy()
    np.testing.assert_allclose(x @ v, v * w[:, None, :], atol=1e-12)
    t = tahr.constant(x)
    with tahr.GradientTape() as tape:
        tape.watch(t)
        y = ops.eig(t)[0][0]
    with pytest.raises(NotImplementedError, match=r"\[eig\] has no derivative"):
        tape.gradient(y, t)


def test_lstsq_and_solves_against_numpy():
    a, b = matrices(6, 3), matrices(6, 2)
    np.testing.assert_allclose(ops.lstsq(a, b).numpy(), np.linalg.lstsq(a, b, rcond=None)[0], rtol=1e-11)
    np.testing.assert_allclose(ops.lstsq(a, b[:, 0]).numpy(), np.linalg.lstsq(a, b[:, 0], rcond=None)[0], rtol=1e-11)
    low = a @ np.diag([1.0, 1.0, 0.0])  # of rank 2
    np.testing.assert_allclose(ops.lstsq(low, b).numpy(), np.linalg.lstsq(low, b, rcond=None)[0], atol=1e-12)
    c, d = invertible(2), matrices(2, 3)
    np.testing.assert_allclose(ops.solve(c, d).numpy(), np.linalg.solve(c, d[..., None])[..., 0], rtol=1e-12)
    upper, lower = np.triu(c), np.tril(c)
    np.testing.assert_allclose(upper @ ops.solve_triangular(c, d[..., None]).numpy(), d[..., None], atol=1e-13)
    np.testing.assert_allclose(
        lower @ ops.solve_triangular(c, d[..., None], lower=True).numpy(), d[..., None], atol=1e-13
    )


def test_halves_and_integers():
    x = invertible().astype("float32")
    half = ops.inv(ops.cast(x, "bfloat16"))
    assert half.dtype == "bfloat16"
    assert ops.det(np.array([[2, 0], [0, 3]])).dtype == "float32"
    assert ops.solve(ops.cast(x, "float16"), ops.ones((3,), dtype="float16")).dtype == "float16"


def test_zero_sized_batch():
    assert ops.inv(np.zeros((0, 3, 3))).shape == (0, 3, 3)
    assert ops.svd(np.zeros((0, 4, 3)), full_matrices=False)[0].shape == (0, 4, 3)


def test_equal_eigenvalues_have_finite_gradients():
    (grad,) = gradients(lambda x: ops.sum(ops.eigh(x)[0] ** 2), [np.eye(3)])
    np.testing.assert_allclose(grad.numpy(), 2 * np.eye(3), atol=1e-14)


def test_symbolic_shapes():
    x = keras.Input((5, 3))
    u, s, vh = keras.ops.svd(x, full_matrices=False)
    assert (u.shape, s.shape, vh.shape) == ((None, 5, 3), (None, 3), (None, 3, 3))
    assert keras.ops.svd(x)[0].shape == (None, 5, 5)
    assert keras.ops.pinv(x).shape == (None, 3, 5)
    assert [t.shape for t in keras.ops.qr(x, mode="complete")] == [(None, 5, 5), (None, 5, 3)]
    a = keras.Input((3, 3))
    assert keras.ops.det(a).shape == (None,)
    assert keras.ops.linalg.inv(a).shape == (None, 3, 3)
    assert keras.ops.matrix_rank(a).dtype == "int32"
    assert keras.ops.lu_factor(a)[1].shape == (None, 3)
    (wr, _), (vr, _) = keras.ops.eig(a)
    assert (wr.shape, vr.shape) == ((None, 3), (None, 3, 3))
    assert keras.ops.solve(a, keras.Input((3, 2))).shape == (None, 3, 2)
    model = keras.Model(a, keras.ops.inv(a))
    m = invertible(4).astype("float32")
    np.testing.assert_allclose(model.predict(m, verbose=0), np.linalg.inv(m), rtol=1e-4, atol=1e-5)


def test_fit_through_a_host_op():
    """A layer whiten(x) = L^-1 x with a learned covariance; the epochs run without the GIL."""

    class Whiten(keras.layers.Layer):
        def build(self, shape):
            self.a = self.add_weight(shape=(shape[-1], shape[-1]), initializer="identity")

        def call(self, x):
            covariance = keras.ops.matmul(self.a, keras.ops.transpose(self.a)) + 0.1 * keras.ops.eye(3)
            factor = keras.ops.cholesky(covariance)
            return keras.ops.transpose(keras.ops.solve_triangular(factor, keras.ops.transpose(x), lower=True))

    x = matrices(256, 3).astype("float32")
    y = x @ np.array([[2.0, 0, 0], [0.5, 1, 0], [0, 0, 0.5]], "float32").T
    model = keras.Sequential([keras.Input((3,)), Whiten()])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    history = model.fit(x, y, epochs=10, batch_size=64, verbose=0).history["loss"]
    assert history[-1] < 0.3 * history[0]


def test_an_error_inside_fit_comes_through():
    class Invert(keras.layers.Layer):
        def call(self, x):
            return keras.ops.inv(x)

    model = keras.Sequential([keras.Input((2, 2)), Invert()])
    with pytest.raises(ValueError, match=r"\[inv\] expected matrices that can be inverted"):
        model.predict(np.zeros((4, 2, 2), "float32"), verbose=0)
    np.testing.assert_allclose(model.predict(np.stack([np.eye(2)] * 4), verbose=0)[0], np.eye(2))


def test_jvp():
    y, dy = ops.jvp(lambda a, b: {"p": a * b, "s": ops.sin(a)}, (2.0, 3.0), (1.0, 0.5))
    assert (float(y["p"]), float(dy["p"])) == (6.0, 4.0)
    assert float(dy["s"]) == pytest.approx(np.cos(2.0), rel=1e-6)
    y, dy, aux = ops.jvp(lambda x: (x * x, "aux"), [3.0], [2.0], has_aux=True)
    assert (float(y), float(dy), aux) == (9.0, 12.0, "aux")
    x, v = invertible(), matrices(3, 3, seed=4)
    _, d = ops.jvp(ops.inv, (x,), (v,))
    np.testing.assert_allclose(d.numpy(), -np.linalg.inv(x) @ v @ np.linalg.inv(x), rtol=1e-11)
    _, d = ops.jvp(lambda x: ops.ones_like(x), (1.0,), (1.0,))
    assert float(d) == 0.0
    with pytest.raises(ValueError, match="tangents of the shapes"):
        ops.jvp(ops.sin, (1.0,), (np.ones(2),))


@pytest.mark.parametrize(
    "f, message",
    [
        (lambda: ops.inv(np.zeros((2, 2))), r"\[inv\] expected matrices that can be inverted"),
        (lambda: ops.solve(np.zeros((2, 2)), np.ones(2)), r"\[solve\] expected matrices that can be inverted"),
        (lambda: ops.cholesky(-np.eye(2)), r"\[cholesky\] expected symmetric positive definite"),
        (lambda: ops.cholesky(np.ones((2, 3))), r"\[cholesky\] expected square matrices"),
        (lambda: ops.det(np.ones(3)), r"\[det\] expected a matrix"),
        (lambda: ops.qr(np.eye(2), mode="raw"), r"\[qr\] expected mode"),
        (lambda: ops.solve(np.eye(2), np.ones((3, 1))), r"\[solve\] expected b with 2 rows"),
        (lambda: ops.lstsq(np.eye(2), np.ones(3)), r"\[lstsq\] expected a"),
    ],
)
def test_errors(f, message):
    with pytest.raises(ValueError, match=message):
        f()


def test_wrong_types():
    with pytest.raises(TypeError, match=r"\[inv\] expected numbers, received dtype bool"):
        ops.inv(np.ones((2, 2), bool))
    with pytest.raises(TypeError, match=r"\[matrix_power\] expected n as an integer"):
        ops.matrix_power(np.eye(2), 1.5)


def test_gradients_that_do_not_exist_say_so():
    for f, x in [(lambda x: ops.svd(x)[0], matrices(4, 3)), (lambda x: ops.qr(x, mode="complete")[0], matrices(4, 3))]:
        with pytest.raises(NotImplementedError, match="has no derivative for"):
            gradients(lambda t, f=f: ops.sum(f(t)), [x])
