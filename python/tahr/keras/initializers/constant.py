"""Initializers whose values are fixed: constants, the identity matrix, Fourier kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.initializers.base import Initializer, checked_dtype
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object


class Constant(Initializer):
    """Fills with one value, or with an array that broadcasts to the shape.

    Arguments:
        value: a Python scalar, or an array or tensor that broadcasts to the variable's shape.

    Example:

    >>> from tahr.keras import initializers
    >>> float(initializers.Constant(3.0)((2, 2))[0, 1])
    3.0
    """

    def __init__(self, value: Any = 0.0):
        self.value = value

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        dtype = checked_dtype(dtype)
        return ops.broadcast_to(ops.convert_to_tensor(self.value, dtype=dtype), tuple(shape))

    def get_config(self) -> dict[str, Any]:
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        return cls(deserialize_keras_object(config["value"]))


class Zeros(Initializer):
    """Fills with zeros.

    Example:

    >>> from tahr.keras import initializers
    >>> float(initializers.Zeros()((2, 2))[0, 0])
    0.0
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        return ops.zeros(tuple(shape), dtype=checked_dtype(dtype))


class Ones(Initializer):
    """Fills with ones.

    Example:

    >>> from tahr.keras import initializers
    >>> float(initializers.Ones()((2, 2))[0, 0])
    1.0
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        return ops.ones(tuple(shape), dtype=checked_dtype(dtype))


class Identity(Initializer):
    """The identity matrix times `gain`, for rank-2 shapes (rectangular ones too).

    Arguments:
        gain: factor on the diagonal.

    Example:

    >>> from tahr.keras import initializers
    >>> float(initializers.Identity(2.0)((3, 3))[1, 1])
    2.0
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        if len(shape) != 2:
            raise ValueError(
                f"[Identity] expected the shape of a matrix, received {tuple(shape)} of rank {len(shape)}: only "
                "matrices have an identity."
            )
        eye = ops.eye(shape[0], shape[1], dtype=checked_dtype(dtype))
        return eye if self.gain == 1.0 else self.gain * eye

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class STFT(Initializer):
    """Kernel of a 1-D convolution that computes a short-time Fourier transform.

    The shape is `(frame_length, 1, fft_bins)` with `fft_length = 2 (fft_bins - 1)`; entry `(t, 0, k)` is the window at
    `t` times the cosine (`side="real"`) or sine (`side="imag"`) of `-2 pi t k / fft_length`.

    Arguments:
        side: `"real"` or `"imag"`.
        window: name of a `scipy.signal` window (`"hann"` and `"hamming"` need no SciPy), an array of length
            `frame_length`, or `None`.
        scaling: `"density"` divides by the window's L2 norm, `"spectrum"` by its sum, `None` by nothing.
        periodic: whether a window given by name is periodic rather than symmetric.
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ):
        if side not in ("real", "imag"):
            raise ValueError(f"[STFT] expected `side` to be 'real' or 'imag', received {side!r}.")
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(f"[STFT] expected `scaling` to be None, 'density' or 'spectrum', received {scaling!r}.")
        if isinstance(window, str):
            _named_window(window, 4, periodic)
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        frame_length, _, fft_bins = shape
        angle = -2.0 * math.pi * np.arange(frame_length)[:, None, None] * np.arange(fft_bins) / (2 * (fft_bins - 1))
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            named = isinstance(self.window, str)
            window = _named_window(self.window, frame_length, self.periodic) if named else np.asarray(self.window)
            if window.shape != (frame_length,):
                raise ValueError(
                    f"[STFT] expected a window of shape ({frame_length},), received {window.shape}. "
                    "Its length is the first dimension of the kernel."
                )
            scale = {"density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window)), None: 1.0}
            kernel = kernel * window[:, None, None] / scale[self.scaling]
        return ops.convert_to_tensor(np.broadcast_to(kernel, shape).astype("float64"), dtype=checked_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}


def _named_window(name: str, length: int, fftbins: bool) -> np.ndarray:
    if name in ("hann", "hamming"):
        offset = 0.5 if name == "hann" else 0.54
        period = length if fftbins else max(length - 1, 1)
        return offset - (1.0 - offset) * np.cos(2.0 * np.pi * np.arange(length) / period)
    try:
        from scipy.signal import get_window
    except ImportError:
        raise ImportError(
            f"[STFT] expected SciPy for the window {name!r}, found none. Install `scipy`, or pass the window as an array."
        ) from None
    return get_window(name, length, fftbins)
