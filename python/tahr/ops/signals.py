"""Windows, correlation, distances, complex pairs and what else NumPy users look for around signals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import _C, config
from tahr.ops import host
from tahr.tensor import Tensor

__all__ = [
    *("bartlett", "blackman", "cdist", "corrcoef", "correlate", "gammainc", "hamming", "hanning", "kaiser"),
    *("nancumprod", "nancumsum", "polar", "psnr", "view_as_complex", "view_as_real"),
]


# ---- windows ----


def _window(op: str, x: Any, f: Callable[[int], np.ndarray]) -> Tensor:
    t = _C.to_tensor(x, None, f"[{op}]")
    if t.is_symbolic or t.size != 1:
        raise ValueError(
            f"[{op}] expected one known number, the length of the window, received shape {tuple(t.shape)}."
        )
    return _C.to_tensor(f(int(t)), config.floatx(), f"[{op}]")


def bartlett(x: Any) -> Tensor:
    """The triangular window of x points, which begins and ends at 0.

    Example:
        >>> import tahr
        >>> tahr.ops.bartlett(5).numpy()
        array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    return _window("bartlett", x, np.bartlett)


def blackman(x: Any) -> Tensor:
    """The Blackman window of x points: ``0.42 - 0.5 cos(2 pi i / (x - 1)) + 0.08 cos(4 pi i / (x - 1))``.

    Example:
        >>> import tahr
        >>> tahr.ops.blackman(3).numpy().round(4) + 0.0
        array([0., 1., 0.], dtype=float32)
    """
    return _window("blackman", x, np.blackman)


def hamming(x: Any) -> Tensor:
    """The Hamming window of x points: ``0.54 - 0.46 cos(2 pi i / (x - 1))``.

    Example:
        >>> import tahr
        >>> tahr.ops.hamming(3).numpy()
        array([0.08, 1.  , 0.08], dtype=float32)
    """
    return _window("hamming", x, np.hamming)


def hanning(x: Any) -> Tensor:
    """The Hann window of x points: ``0.5 - 0.5 cos(2 pi i / (x - 1))``.

    Example:
        >>> import tahr
        >>> tahr.ops.hanning(3).numpy()
        array([0., 1., 0.], dtype=float32)
    """
    return _window("hanning", x, np.hanning)


def kaiser(x: Any, beta: Any) -> Tensor:
    """The Kaiser window of x points; beta, a number, trades the width of its peak for low sides.

    Example:
        >>> import tahr
        >>> tahr.ops.kaiser(3, 0.0).numpy()
        array([1., 1., 1.], dtype=float32)
    """
    b = float(_C.to_tensor(beta, None, "[kaiser]"))
    return _window("kaiser", x, lambda n: np.kaiser(n, b))


# ---- sums, correlation, distances ----


def _without_nans(op: str, x: Any, neutral: float, axis: int | None, dtype: Any, f: Callable[..., Tensor]) -> Tensor:
    t = _C.to_tensor(x, None, f"[{op}]")
    if t.dtype.is_floating:
        t = _C.ops.where(_C.ops.isnan(t), _C.ops.zeros_like(t) + neutral, t)
    return f(t, axis=axis, dtype=dtype)


def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """Running sums along an axis (of the flattened tensor if None), in which NaN counts as 0.

    Example:
        >>> import tahr
        >>> tahr.ops.nancumsum([1.0, float("nan"), 2.0]).numpy()
        array([1., 1., 3.], dtype=float32)
    """
    return _without_nans("nancumsum", x, 0.0, axis, dtype, _C.ops.cumsum)


def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """Running products along an axis (of the flattened tensor if None), in which NaN counts as 1.

    Example:
        >>> import tahr
        >>> tahr.ops.nancumprod([2.0, float("nan"), 3.0]).numpy()
        array([2., 2., 6.], dtype=float32)
    """
    return _without_nans("nancumprod", x, 1.0, axis, dtype, _C.ops.cumprod)


def correlate(x1: Any, x2: Any, mode: str = "valid") -> Tensor:
    """The cross-correlation of two vectors: ``c[k] = sum_i x1[i + k] x2[i]``.

    Args:
        x1: (n,).
        x2: (m,).
        mode: ``"full"``: all n + m - 1 shifts in which the two meet; ``"same"``: the middle max(n, m) of them; ``"valid"``:
            those in which the shorter lies within the longer.

    Raises:
        ValueError: for another mode, other ranks, or empty vectors.

    Example:
        >>> import tahr
        >>> tahr.ops.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5], mode="same").numpy()
        array([2. , 3.5, 3. ], dtype=float32)
    """
    a, b = host.together("correlate", x1, x2)
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"[correlate] expected mode 'valid', 'same' or 'full', received {mode!r}.")
    if len(a.shape) != 1 or len(b.shape) != 1 or not a.shape[0] or not b.shape[0]:
        raise ValueError(
            f"[correlate] expected two vectors of known size, received shapes {tuple(a.shape)} and {tuple(b.shape)}."
        )
    n, m = a.shape[0], b.shape[0]
    pieces = _C.ops.extract_sequences(_C.ops.pad(a, [(m - 1, m - 1)]), m, 1)
    full = _C.ops.matmul(pieces, b)
    short, long = min(n, m), max(n, m)
    if mode == "full":
        return full
    if mode == "valid":
        return full[short - 1 : long]
    start = (m - 1) // 2 if n >= m else n // 2
    return full[start : start + long]


def corrcoef(x: Any) -> Tensor:
    """The correlation coefficients between rows.

    Args:
        x: (variables, observations), or (observations,).

    Returns:
        (variables, variables), or a scalar; in [-1, 1].

    Raises:
        ValueError: for other ranks.

    Example:
        >>> import tahr
        >>> tahr.ops.corrcoef([[1.0, 2.0], [4.0, 2.0]]).numpy().round(5)
        array([[ 1., -1.],
               [-1.,  1.]], dtype=float32)
    """
    t = host.floating(x, "corrcoef", 1)
    if len(t.shape) > 2:
        raise ValueError(f"[corrcoef] expected 1 or 2 axes, received shape {tuple(t.shape)}.")
    rows = t if len(t.shape) == 2 else _C.ops.expand_dims(t, 0)
    centred = rows - _C.ops.mean(rows, axis=-1, keepdims=True)
    products = host.matmul(centred, centred, tb=True)
    size = _C.ops.sqrt(_C.ops.diagonal(products))
    c = products / _C.ops.expand_dims(size, 0) / _C.ops.expand_dims(size, 1)
    c = _C.ops.clip(c, -1.0, 1.0)
    return c if len(t.shape) == 2 else _C.ops.reshape(c, ())


def cdist(x: Any, y: Any) -> Tensor:
    """The Euclidean distances between all rows of x and all rows of y.

    Args:
        x: (..., m, d).
        y: (..., n, d).

    Returns:
        (..., m, n). The gradient between equal rows is 0.

    Raises:
        ValueError: for ranks below 2 or rows of different length.

    Example:
        >>> import tahr
        >>> tahr.ops.cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 0.0]]).numpy()
        array([[5., 0.]], dtype=float32)
    """
    a, b = host.together("cdist", x, y)
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"[cdist] expected (..., m, d) and (..., n, d), received shapes {tuple(a.shape)} and {tuple(b.shape)}."
        )
    gap = _C.ops.expand_dims(a, -2) - _C.ops.expand_dims(b, -3)
    squares = _C.ops.sum(gap * gap, axis=-1)
    same = _C.ops.equal(squares, 0)
    root = _C.ops.sqrt(_C.ops.where(same, _C.ops.ones_like(squares), squares))
    return _C.ops.where(same, _C.ops.zeros_like(squares), root)


def psnr(x1: Any, x2: Any, max_val: Any) -> Tensor:
    """The peak signal-to-noise ratio of two images in decibels: ``20 log10(max_val) - 10 log10(mean((x1 - x2)**2))``.

    Args:
        x1, x2: tensors of one shape.
        max_val: the largest value an element can have.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> import tahr
        >>> float(tahr.ops.psnr([0.0, 0.0], [1.0, 1.0], 10.0))
        20.0
    """
    a, b = host.together("psnr", x1, x2)
    if a.shape != b.shape:
        raise ValueError(f"[psnr] expected two tensors of one shape, received {tuple(a.shape)} and {tuple(b.shape)}.")
    noise = _C.ops.mean((a - b) * (a - b))
    peak = _C.ops.log10(_C.to_tensor(max_val, a.dtype, "[psnr]"))
    return 20.0 * peak - 10.0 * _C.ops.log10(noise)


# ---- complex numbers as pairs ----


def view_as_complex(x: Any) -> tuple[Tensor, Tensor]:
    """The pair of real and imaginary parts that lie side by side in the last axis of x: (..., 2).

    Raises:
        ValueError: if the last axis has another size.

    Example:
        >>> import tahr
        >>> real, imag = tahr.ops.view_as_complex([[1.0, 2.0], [3.0, 4.0]])
        >>> imag.numpy()
        array([2., 4.], dtype=float32)
    """
    t = _C.to_tensor(x, None, "[view_as_complex]")
    if len(t.shape) < 1 or t.shape[-1] != 2:
        raise ValueError(f"[view_as_complex] expected a last axis of size 2, received shape {tuple(t.shape)}.")
    return t[..., 0], t[..., 1]


def view_as_real(x: Any) -> Tensor:
    """A pair of real and imaginary part side by side in a new last axis of size 2.

    Raises:
        ValueError: if x is no pair.

    Example:
        >>> import tahr
        >>> tahr.ops.view_as_real(([1.0, 3.0], [2.0, 4.0])).numpy()
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(
            f"[view_as_real] expected a pair of tensors, the real and the imaginary part, received {type(x).__name__}."
        )
    return _C.ops.stack(list(x), axis=-1)


def polar(abs_: Any, angle: Any) -> tuple[Tensor, Tensor]:
    """The pair of real and imaginary part of complex numbers of the given magnitudes and angles (in radians).

    Example:
        >>> import tahr
        >>> [round(float(p), 4) for p in tahr.ops.polar(2.0, 0.0)]
        [2.0, 0.0]
    """
    r, phi = host.together("polar", abs_, angle)
    return r * _C.ops.cos(phi), r * _C.ops.sin(phi)


# ---- the incomplete gamma function ----

_lgamma = np.vectorize(math.lgamma, otypes=[np.float64])


def _gammainc_run(a: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    """A power series below a + 1, Lentz's continued fraction above; DLMF 8.11.4 and 8.9.2."""
    dtype = a.dtype
    a, x = (p.astype(np.float64) for p in np.broadcast_arrays(a, x))
    good = (a > 0) & (x > 0) & np.isfinite(x) & np.isfinite(a)
    aa, xx = np.where(good, a, 1.0), np.where(good, x, 1.0)
    scale = np.exp(aa * np.log(xx) - xx - _lgamma(aa))
    term = 1.0 / aa
    series = term.copy()
    rounds = 200 + int(10 * math.sqrt(float(aa.max(initial=0.0))))
    for k in range(1, rounds):
        term = term * np.minimum(xx, aa + 1) / (aa + k)
        series = series + term
    tiny = 1e-300
    b = np.maximum(xx, aa + 1) + 1 - aa
    c, d = np.full_like(b, 1 / tiny), 1 / b
    fraction = d.copy()
    for k in range(1, rounds):
        b = b + 2
        an = -k * (k - aa)
        d = an * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + an / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        fraction = fraction * d * c
    p = np.where(xx < aa + 1, scale * series, 1 - scale * fraction)
    p = np.where(x == 0, 0.0, np.where(np.isposinf(x), 1.0, p))
    p = np.where((a == 0) & (x > 0), 1.0, p)
    return [np.where((a < 0) | (x < 0) | np.isnan(a) | np.isnan(x) | ((a == 0) & (x == 0)), np.nan, p).astype(dtype)]


def _gammainc_vjp(inputs: Any, outputs: Any, dy: Any) -> list[Any]:
    a, x = inputs
    density = _C.ops.exp((a - 1.0) * _C.ops.log(x) - x - _C.ops.lgamma(a))
    return [_C.ops.zeros_like(a), dy[0] * density]  # that of the order ends in gammainc_order


host.define("gammainc", lambda a, x: [a], _gammainc_run, _gammainc_vjp)
host.define("gammainc_order", lambda a: [a], lambda a: [a])


def gammainc(x1: Any, x2: Any) -> Tensor:
    """The regularised lower incomplete gamma function: the integral of ``t**(x1-1) exp(-t)`` from 0 to x2, over Gamma(x1).

    Args:
        x1: the order, positive; (...).
        x2: the upper end, not negative; broadcast with x1.

    Returns:
        Values in [0, 1]; NaN outside of the domain.

    Raises:
        NotImplementedError: for the gradient with respect to the order.

    Example:
        >>> import tahr
        >>> round(float(tahr.ops.gammainc(1.0, 2.0)), 4)
        0.8647

    Source: DLMF, sections 8.9 and 8.11.
    """
    a, x = host.together("gammainc", x1, x2)
    dtype = a.dtype
    zero = _C.ops.zeros_like(a) * _C.ops.zeros_like(x)
    (order,) = host.call("gammainc_order", [host.widened(a + zero)])
    return host.as_dtype(host.call("gammainc", [order, host.widened(x + zero)])[0], dtype)
