"""Windows, correlation, distances, complex pairs, rearranging: beside NumPy and real references."""

import numpy as np
import pytest
import tahr
from tahr import keras, ops
from test_linalg_host import check_gradients, matrices


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hanning"])
def test_windows(name):
    for n in (1, 2, 7):
        np.testing.assert_allclose(getattr(ops, name)(n).numpy(), getattr(np, name)(n), atol=1e-7)
        np.testing.assert_allclose(ops.kaiser(n, 3.5).numpy(), np.kaiser(n, 3.5), atol=1e-7)
    with pytest.raises(ValueError, match=rf"\[{name}\] expected one known number"):
        getattr(ops, name)([3, 4])


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@pytest.mark.parametrize("n, m", [(7, 3), (7, 4), (8, 4), (3, 7), (4, 7), (4, 8), (5, 5), (6, 6), (1, 4), (4, 1)])
def test_correlate(n, m, mode):
    a, b = matrices(n), matrices(m, seed=1)
    np.testing.assert_allclose(ops.correlate(a, b, mode).numpy(), np.correlate(a, b, mode), atol=1e-14)


def test_cumulative_without_nans():
    x = np.where(matrices(3, 4) > 0.8, np.nan, matrices(3, 4))
    for axis in (None, 0, -1):
        np.testing.assert_allclose(ops.nancumsum(x, axis).numpy(), np.nancumsum(x, axis), rtol=1e-14)
        np.testing.assert_allclose(ops.nancumprod(x, axis).numpy(), np.nancumprod(x, axis), rtol=1e-14)
    assert ops.nancumsum(np.array([1, 2])).dtype == "int64"


def test_statistics_and_gradients():
    x = matrices(3, 6)
    np.testing.assert_allclose(ops.corrcoef(x).numpy(), np.corrcoef(x), rtol=1e-13)
    assert float(ops.corrcoef(x[0])) == pytest.approx(1.0)
    y = matrices(4, 6, seed=2)
    expected = np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))
    np.testing.assert_allclose(ops.cdist(x, y).numpy(), expected, rtol=1e-13)
    check_gradients(ops.cdist, x, y)
    check_gradients(lambda t: ops.corrcoef(t)[0, 1:], x)
    check_gradients(lambda a, b: ops.psnr(a, b, 2.0), x, x + 1)
    t = tahr.constant(x)
    with tahr.GradientTape() as tape:
        tape.watch(t)
        d = ops.cdist(t, t)
    assert np.isfinite(tape.gradient(d, t).numpy()).all()


def test_complex_pairs():
    z = matrices(3, 2)
    real, imag = ops.view_as_complex(z)
    np.testing.assert_array_equal(ops.view_as_real((real, imag)).numpy(), z)
    re, im = ops.polar(np.array([2.0, 3.0]), np.array([0.5, -1.0]))
    np.testing.assert_allclose(re.numpy() + 1j * im.numpy(), [2, 3] * np.exp(1j * np.array([0.5, -1.0])), rtol=1e-15)
    with pytest.raises(ValueError, match="expected a last axis of size 2"):
        ops.view_as_complex(np.ones(3))
    with pytest.raises(ValueError, match="expected a pair"):
        ops.view_as_real(np.ones(3))


def test_gammainc():
    special = pytest.importorskip("scipy.special")
    a = np.array([0.01, 0.5, 1.0, 3.0, 10.0, 100.0, 1000.0])[:, None]
    x = np.array([0.0, 1e-3, 0.5, 1.0, 2.9, 9.0, 12.0, 90.0, 130.0, 1000.0, np.inf])[None]
    np.testing.assert_allclose(ops.gammainc(a, x).numpy(), special.gammainc(a, x), rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(np.isnan(ops.gammainc([-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]).numpy()), [True] * 3)
    check_gradients(lambda t: ops.gammainc(np.array([0.5, 2.0, 5.0]), t), np.array([0.5, 1.5, 7.0]))
    t = tahr.constant(2.0)
    with tahr.GradientTape() as tape:
        tape.watch(t)
        y = ops.gammainc(t, 1.0)
    with pytest.raises(NotImplementedError, match=r"\[gammainc_order\] has no derivative"):
        tape.gradient(y, t)


BLOCKS = [
    dict(kernel_size=2),
    dict(kernel_size=(2, 3), stride=(2, 1), padding=(1, 0)),
    dict(kernel_size=3, dilation=2, padding=2, stride=3),
]


@pytest.mark.parametrize("arguments", BLOCKS)
def test_fold_and_unfold(arguments):
    torch = pytest.importorskip("torch")
    x = matrices(2, 3, 7, 6)
    columns = torch.nn.functional.unfold(torch.tensor(x), **arguments)
    np.testing.assert_array_equal(ops.unfold(x, **arguments).numpy(), columns.numpy())
    images = torch.nn.functional.fold(columns, (7, 6), **arguments)
    np.testing.assert_allclose(ops.fold(columns.numpy(), (7, 6), **arguments).numpy(), images.numpy(), rtol=1e-14)
    check_gradients(lambda t: ops.fold(ops.unfold(t, **arguments), (7, 6), **arguments), x)
    k = keras.Input((3, 7, 6))
    assert keras.ops.unfold(k, **arguments).shape == (None, *columns.shape[1:])
    assert keras.ops.fold(keras.ops.unfold(k, **arguments), (7, 6), **arguments).shape == (None, 3, 7, 6)


def test_rearrange():
    x = matrices(2, 4, 6, 3)
    out = ops.rearrange(x, "b (h p) (w q) c -> b (h w) (p q c)", p=2, q=3).numpy()
    expected = x.reshape(2, 2, 2, 2, 3, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 4, 18)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(
        ops.rearrange(x, "a b c d->(d a) c b").numpy(), x.transpose(3, 0, 2, 1).reshape(6, 6, 4)
    )
    k = keras.Input((4, 6))
    assert keras.ops.rearrange(k, "b h w -> b (w h)").shape == (None, 24)
    for pattern, sizes, message in [
        ("a b c d", {}, "one '->'"),
        ("a b c -> a b c", {}, "3 axes"),
        ("a b c d -> a b c", {}, "same names"),
        ("a (b e) c d -> a b e c d", {"b": 3}, "with product 4"),
        ("a (b e) c d -> a b e c d", {}, "all but one"),
        ("a b c d -> a b d c", {"z": 3}, "sizes of names"),
    ]:
        with pytest.raises(ValueError, match=message):
            ops.rearrange(x, pattern, **sizes)
