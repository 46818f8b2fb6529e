"""Fourier transforms by NumPy, batched over leading axes. Complex tensors are pairs: real part, imaginary part.

One host function, `dft`, is all of them: it does not scale, and the transform with the other sign is its derivative.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tahr import _C
from tahr.ops import host
from tahr.tensor import Tensor

__all__ = ["fft", "fft2", "ifft2", "irfft", "istft", "rfft", "stft"]

Complex = tuple[Tensor, Tensor]


def _dft_run(*parts: np.ndarray, axes: list[int], inverse: bool) -> list[np.ndarray]:
    x = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
    if x.size == 0:
        return [np.zeros_like(parts[0])] * 2
    y = np.fft.ifftn(x, axes=axes, norm="forward") if inverse else np.fft.fftn(x, axes=axes)
    return [y.real, y.imag]


def _dft_vjp(inputs: Any, outputs: Any, dy: Any, axes: list[int], inverse: bool) -> list[Any]:
    parts = [host.known(d, o) for d, o in zip(dy, outputs)]
    return host.call("dft", parts, axes=axes, inverse=not inverse)[: len(inputs)]


host.define("dft", lambda *parts, axes, inverse: [parts[0], parts[0]], _dft_run, _dft_vjp)


def _dft(parts: list[Tensor], axes: list[int], inverse: bool) -> Complex:
    dtype = parts[0].dtype
    real, imag = host.call("dft", [host.widened(p) for p in parts], axes=axes, inverse=inverse)
    return host.as_dtype(real, dtype), host.as_dtype(imag, dtype)


def _pair(op: str, x: Any, rank: int = 1) -> list[Tensor]:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(
            f"[{op}] expected x as a pair of tensors, the real and the imaginary part, received {type(x).__name__}."
        )
    real, imag = host.together(op, *x)
    if real.shape != imag.shape or len(real.shape) < rank:
        raise ValueError(
            f"[{op}] expected real and imaginary parts of one shape with at least {rank} axes, received {tuple(real.shape)} "
            f"and {tuple(imag.shape)}."
        )
    return [real, imag]


def _size(op: str, t: Tensor, axis: int) -> int:
    n = t.shape[axis]
    if n is None:
        raise ValueError(f"[{op}] expected a known size of axis {axis}, received shape {tuple(t.shape)}.")
    return n


def fft(x: Any) -> Complex:
    """The discrete Fourier transform over the last axis: ``y[k] = sum_j x[j] exp(-2 pi i j k / n)``.

    Args:
        x: pair of the real and the imaginary part, (..., n).

    Returns:
        The pair of the same shape.

    Raises:
        ValueError: if x is no pair of equal shapes.

    Example:
        >>> import tahr
        >>> [p.numpy().tolist() for p in tahr.ops.fft(([1.0, -1.0], [0.0, 0.0]))]
        [[0.0, 2.0], [0.0, 0.0]]
    """
    return _dft(_pair("fft", x), [-1], False)


def fft2(x: Any) -> Complex:
    """The discrete Fourier transform over the last two axes of a pair (..., m, n).

    Raises:
        ValueError: if x is no pair of equal shapes of rank 2 or more.

    Example:
        >>> import tahr
        >>> tahr.ops.fft2(([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]))[0].numpy()
        array([[10., -2.],
               [-4.,  0.]], dtype=float32)
    """
    return _dft(_pair("fft2", x, 2), [-2, -1], False)


def ifft2(x: Any) -> Complex:
    """The inverse of `fft2`.

    Example:
        >>> import tahr
        >>> tahr.ops.ifft2(([[10.0, -2.0], [-4.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]))[0].numpy()
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    parts = _pair("ifft2", x, 2)
    scale = 1.0 / max(_size("ifft2", parts[0], -1) * _size("ifft2", parts[0], -2), 1)
    real, imag = _dft(parts, [-2, -1], True)
    return real * scale, imag * scale


def _fitted(t: Tensor, n: int) -> Tensor:
    """The last axis cut, or filled up with zeros, to n."""
    have = t.shape[-1]
    if have == n:
        return t
    return t[..., :n] if have > n else _C.ops.pad(t, [(0, 0)] * (len(t.shape) - 1) + [(0, n - have)])


def _length(op: str, n: Any, default: int) -> int:
    n = default if n is None else int(n)
    if n < 1:
        raise ValueError(f"[{op}] expected fft_length of at least 1, received {n}.")
    return n


def rfft(x: Any, fft_length: int | None = None) -> Complex:
    """The first half of the transform of real values; the rest is its mirror image.

    Args:
        x: (..., n), real.
        fft_length: cut or fill up with zeros to this length first.

    Returns:
        Real and imaginary part, (..., fft_length // 2 + 1).

    Raises:
        ValueError: for a length below 1.

    Example:
        >>> import tahr
        >>> [p.numpy().tolist() for p in tahr.ops.rfft([1.0, 0.0, -1.0, 0.0])]
        [[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]
    """
    t = host.floating(x, "rfft", 1)
    n = _length("rfft", fft_length, _size("rfft", t, -1))
    real, imag = _dft([_fitted(t, n)], [-1], False)
    return real[..., : n // 2 + 1], imag[..., : n // 2 + 1]


def irfft(x: Any, fft_length: int | None = None) -> Tensor:
    """The inverse of `rfft`.

    Args:
        x: pair (..., k) of real and imaginary part.
        fft_length: of the result; ``2 * (k - 1)`` by default.

    Returns:
        (..., fft_length), real.

    Raises:
        ValueError: if x is no pair of equal shapes, or for a length below 1.

    Example:
        >>> import tahr
        >>> tahr.ops.irfft(([0.0, 2.0, 0.0], [0.0, 0.0, 0.0])).numpy()
        array([ 1.,  0., -1.,  0.], dtype=float32)
    """
    parts = _pair("irfft", x)
    n = _length("irfft", fft_length, 2 * (_size("irfft", parts[0], -1) - 1))
    weights = np.full(n // 2 + 1, 2.0 / n)  # a coefficient and its mirror image
    weights[0] = 1.0 / n
    if n % 2 == 0:
        weights[-1] = 1.0 / n
    w = _C.to_tensor(weights, parts[0].dtype, "[irfft]")
    return _dft([_fitted(_fitted(p, n // 2 + 1) * w, n) for p in parts], [-1], True)[0]


# ---- short-time transforms ----


def window_of(op: str, window: Any, length: int) -> np.ndarray:
    """A window by its name (periodic), or given values; ones for None."""
    if window is None:
        return np.ones(length)
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(f"[{op}] expected window 'hann', 'hamming', a vector or None, received {window!r}.")
        a = 0.5 if window == "hann" else 0.54
        return a - (1 - a) * np.cos(2 * math.pi * np.arange(length) / length)
    values = np.asarray(window, np.float64)
    if values.shape != (length,):
        raise ValueError(f"[{op}] expected a window of shape ({length},), received shape {values.shape}.")
    return values


def _framing(op: str, sequence_length: int, sequence_stride: int, fft_length: int, window: Any) -> np.ndarray:
    if sequence_length < 1 or sequence_stride < 1 or fft_length < sequence_length:
        raise ValueError(
            f"[{op}] expected 1 <= sequence_length <= fft_length and a positive stride, received "
            f"sequence_length={sequence_length}, sequence_stride={sequence_stride} and fft_length={fft_length}."
        )
    left = (fft_length - sequence_length) // 2
    right = fft_length - sequence_length - left
    if window is None:
        return np.ones(fft_length)
    return np.pad(window_of(op, window, sequence_length), (left, right))


def stft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Complex:
    """The transforms of overlapping pieces of a signal.

    Args:
        x: (..., n), floating point.
        sequence_length: length of the window, at most `fft_length`, in whose middle it lies.
        sequence_stride: steps from one piece to the next.
        fft_length: length of a piece.
        window: ``"hann"``, ``"hamming"``, values (sequence_length,), or None for ones over the whole piece.
        center: whether piece t is centred at ``t * sequence_stride``, with the ends of the signal mirrored.

    Returns:
        Real and imaginary part, (..., pieces, fft_length // 2 + 1).

    Raises:
        TypeError: for integers.
        ValueError: for lengths that do not fit.

    Example:
        >>> import tahr
        >>> real, imag = tahr.ops.stft(tahr.ops.ones((16,)), 4, 2, 4)
        >>> real.shape, real.numpy()[0].round(5).tolist()
        ((9, 3), [2.0, -1.0, 0.0])
    """
    t = _C.to_tensor(x, None, "[stft]")
    if not t.dtype.is_floating:
        raise TypeError(f"[stft] expected a floating-point signal, received dtype {t.dtype}. Cast it first.")
    if len(t.shape) < 1:
        raise ValueError("[stft] expected a signal of at least 1 axis, received shape ().")
    values = _framing("stft", sequence_length, sequence_stride, fft_length, window)
    if center:
        half = fft_length // 2
        t = _C.ops.pad(t, [(0, 0)] * (len(t.shape) - 1) + [(half, half)], mode="reflect")
    pieces = _C.ops.extract_sequences(t, fft_length, sequence_stride)
    return rfft(pieces * _C.to_tensor(values, t.dtype, "[stft]"))


def _overlapped(pieces: Tensor, stride: int) -> Tensor:
    """The sum of pieces (..., t, n), each `stride` further on than the one before."""
    *batch, count, n = pieces.shape
    rows = -(-n // stride)
    blocks = _C.ops.reshape(_fitted(pieces, rows * stride), (*_free(batch), count, rows, stride))
    no = [(0, 0)] * len(batch)
    total = None
    for i in range(rows):
        part = _C.ops.pad(blocks[..., i, :], [*no, (i, rows - 1 - i), (0, 0)])
        total = part if total is None else total + part
    signal = _C.ops.reshape(total, (*_free(batch), (count + rows - 1) * stride))
    return signal[..., : n + (count - 1) * stride]


def _free(batch: list[int | None]) -> list[int]:
    """Sizes as `reshape` takes them."""
    if batch.count(None) > 1:
        raise ValueError(f"[istft] expected at most one unknown leading size, received {tuple(batch)}.")
    return [-1 if d is None else d for d in batch]


def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Tensor:
    """The signal whose pieces have the given transforms: the inverse of `stft` where the windows cover it.

    Args:
        x: pair (..., pieces, fft_length // 2 + 1).
        sequence_length, sequence_stride, fft_length, window, center: as given to `stft`.
        length: of the signal; what the pieces cover by default.

    Returns:
        (..., length): the pieces, windowed once more and added up, over the sum of the squared windows. Without a window
        the pieces are added up only, which makes the signal ``fft_length / sequence_stride`` times as large.

    Raises:
        ValueError: for lengths that do not fit.

    Example:
        >>> import tahr
        >>> x = tahr.ops.arange(8.0)
        >>> tahr.ops.istft(tahr.ops.stft(x, 4, 2, 4), 4, 2, 4).numpy().round(4)
        array([0., 1., 2., 3., 4., 5., 6., 7.], dtype=float32)

    Source: Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984.
    """
    parts = _pair("istft", x, 2)
    values = _framing("istft", sequence_length, sequence_stride, fft_length, window)
    count = _size("istft", parts[0], -2)
    dtype = parts[0].dtype
    pieces = irfft(parts, fft_length) * _C.to_tensor(values, dtype, "[istft]")
    signal = _overlapped(pieces, sequence_stride)
    covered = fft_length + (count - 1) * sequence_stride
    if window is not None:
        weight = np.zeros(covered)
        for i in range(count):
            weight[i * sequence_stride : i * sequence_stride + fft_length] += values * values
        signal = signal * _C.to_tensor(1.0 / np.where(weight > 1e-10, weight, 1.0), dtype, "[istft]")
    start = fft_length // 2 if center else 0
    end = start + length if length is not None else (covered - fft_length // 2 if center else covered)
    return _fitted(signal[..., start:end], length if length is not None else max(end - start, 0))
