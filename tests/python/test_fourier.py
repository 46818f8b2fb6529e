"""Fourier transforms: values, first and second derivatives, round trips, short-time transforms."""

import numpy as np
import pytest
import tahr
from tahr import keras, ops
from test_linalg_host import check_gradients, matrices


def pair(*shape):
    return matrices(*shape, seed=1), matrices(*shape, seed=2)


def as_complex(p):
    return p[0].numpy() + 1j * p[1].numpy()


CASES = {
    "fft": (lambda a, b: ops.fft((a, b)), pair(2, 5), np.fft.fft),
    "fft2": (lambda a, b: ops.fft2((a, b)), pair(2, 3, 4), np.fft.fft2),
    "ifft2": (lambda a, b: ops.ifft2((a, b)), pair(2, 3, 4), np.fft.ifft2),
    "irfft": (lambda a, b: ops.irfft((a, b)), pair(2, 5), lambda x: np.fft.irfft(x)),
    "irfft_odd": (lambda a, b: ops.irfft((a, b), 7), pair(2, 5), lambda x: np.fft.irfft(x, 7)),
    "irfft_long": (lambda a, b: ops.irfft((a, b), 16), pair(5), lambda x: np.fft.irfft(x, 16)),
}


@pytest.mark.parametrize("name", CASES)
def test_complex_input(name):
    f, (a, b), reference = CASES[name]
    expected = reference(a + 1j * b)
    for dtype in ("float32", "float64"):
        out = f(a.astype(dtype), b.astype(dtype))
        out = as_complex(out) if isinstance(out, tuple) else out.numpy()
        assert out.real.dtype == dtype
        np.testing.assert_allclose(out, expected, atol=16 * np.finfo(dtype).eps * max(np.abs(expected).max(), 1))
    check_gradients(f, a, b)
    traced = tahr.function(f)(tahr.constant(a), tahr.constant(b))
    for t, e in zip(tahr.nest.flatten(traced), tahr.nest.flatten(f(a, b))):
        np.testing.assert_array_equal(t.numpy(), e.numpy())


@pytest.mark.parametrize("length", [None, 5, 6, 9, 12])
def test_rfft(length):
    x = matrices(2, 9)
    np.testing.assert_allclose(as_complex(ops.rfft(x, length)), np.fft.rfft(x, length), atol=1e-13)
    np.testing.assert_allclose(ops.irfft(ops.rfft(x), 9).numpy(), x, atol=1e-14)
    check_gradients(lambda t: ops.rfft(t, length), x)


STFT = [
    dict(sequence_length=8, sequence_stride=3, fft_length=16),
    dict(sequence_length=7, sequence_stride=4, fft_length=7, center=False, window="hamming"),
    dict(sequence_length=5, sequence_stride=2, fft_length=8, window=None),
    dict(sequence_length=4, sequence_stride=2, fft_length=8, window=np.array([0.5, 1.0, 1.0, 0.5])),
]


@pytest.mark.parametrize("arguments", STFT)
def test_stft(arguments):
    """Beside scipy's, which scales by the sum of the window."""
    signal = pytest.importorskip("scipy.signal")
    x = matrices(2, 50)
    n, stride = arguments["fft_length"], arguments["sequence_stride"]
    length, window = arguments["sequence_length"], arguments.get("window", "hann")
    w = np.ones(n)
    if window is not None:
        w = signal.get_window(window, length) if isinstance(window, str) else window
        left = (n - length) // 2
        w = np.pad(w, (left, n - length - left))
    padded = np.pad(x, [(0, 0), (n // 2, n // 2)], mode="reflect") if arguments.get("center", True) else x
    expected = signal.stft(padded, window=w, nperseg=n, noverlap=n - stride, boundary=None, padded=False)[-1]
    expected = np.swapaxes(expected, -1, -2) * w.sum()
    np.testing.assert_allclose(as_complex(ops.stft(x, **arguments)), expected, atol=1e-13)
    check_gradients(lambda t: ops.stft(t, **arguments), x)


@pytest.mark.parametrize("arguments", [a for a in STFT if a.get("center", True)])
def test_istft_inverts_stft(arguments):
    x = matrices(2, 50)
    f = lambda t: ops.istft(ops.stft(t, **arguments), length=50, **arguments)  # noqa: E731
    covered = slice(None) if arguments["sequence_stride"] <= 3 else slice(4, 45)
    gain = 1.0
    if "window" in arguments and arguments["window"] is None:  # the pieces are added up, no more
        gain, covered = arguments["fft_length"] / arguments["sequence_stride"], slice(4, 45)
    np.testing.assert_allclose(f(x).numpy()[:, covered], gain * x[:, covered], atol=1e-12)
    parts = [p.numpy() for p in ops.stft(x, **arguments)]
    check_gradients(lambda a, b: ops.istft((a, b), **arguments), *parts)


def test_symbolic_shapes():
    x = keras.Input((32,))
    real, imag = keras.ops.rfft(x)
    assert real.shape == imag.shape == (None, 17)
    assert keras.ops.irfft((real, imag)).shape == (None, 32)
    real, _ = keras.ops.stft(x, 8, 4, 8)
    assert real.shape == (None, 9, 5)
    model = keras.Model(x, keras.ops.istft(keras.ops.stft(x, 8, 4, 8), 8, 4, 8))
    v = matrices(3, 32).astype("float32")
    np.testing.assert_allclose(model.predict(v, verbose=0), v, atol=1e-6)


@pytest.mark.parametrize(
    "f, error, message",
    [
        (lambda: ops.fft(np.ones(3)), ValueError, r"\[fft\] expected x as a pair"),
        (lambda: ops.fft2((np.ones(3), np.ones(3))), ValueError, r"\[fft2\] expected real and imaginary"),
        (lambda: ops.fft((np.ones(3), np.ones(4))), ValueError, r"\[fft\] expected real and imaginary"),
        (lambda: ops.rfft(np.ones(3), 0), ValueError, r"\[rfft\] expected fft_length"),
        (lambda: ops.stft(np.arange(9), 4, 2, 4), TypeError, r"\[stft\] expected a floating-point"),
        (lambda: ops.stft(np.ones(9), 8, 2, 4), ValueError, r"\[stft\] expected 1 <= sequence_length"),
        (lambda: ops.stft(np.ones(9), 4, 2, 4, window="box"), ValueError, r"\[stft\] expected window"),
        (
            lambda: ops.istft((np.ones((3, 3)),) * 2, 4, 2, 4, window=np.ones(3)),
            ValueError,
            r"\[istft\] expected a win",
        ),
    ],
)
def test_errors(f, error, message):
    with pytest.raises(error, match=message):
        f()
