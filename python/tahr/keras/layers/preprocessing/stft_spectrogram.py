"""STFTSpectrogram."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tahr import ops
from tahr.keras import initializers
from tahr.keras.backend.config import epsilon, standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.spatial import padding_name, windows

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """Short-time Fourier transforms of signals, by convolution with kernels that can be trained.

    Args:
        mode: "log" (logarithm of the magnitude), "magnitude", "psd" (power, both halves of the spectrum), "real", "imag",
            "angle", or "stft" (real parts, then imaginary ones).
        frame_length: length of the window.
        frame_step: steps from one window to the next; half of `frame_length` if None.
        fft_length: length of the transform; the next power of two from `frame_length` on if None.
        window: name of a window, values of it, or None.
        periodic: whether a window by name is periodic, not symmetric.
        scaling: "density", "spectrum" or None, as in `initializers.STFT`.
        padding: "valid" or "same".
        expand_dims: whether frequencies get an axis of their own.
        data_format: "channels_last" for inputs (batch, time, channels), "channels_first" for (batch, channels, time).

    Output: (batch, frames, channels * frequencies) or (batch, channels * frequencies, frames); with `expand_dims`
    (batch, frames, frequencies, channels) or (batch, channels, frames, frequencies).

    Raises:
        ValueError: for arguments that do not fit.

    >>> from tahr import keras
    >>> keras.layers.STFTSpectrogram(frame_length=8)(keras.ops.ones((1, 32, 1))).shape
    (1, 7, 5)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                f"[{self.name}] expected 1 <= frame_step <= frame_length={frame_length}, received frame_step={frame_step}."
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                f"[{self.name}] expected fft_length of at least frame_length={frame_length}, received {fft_length}."
            )
        if fft_length is not None and fft_length & -fft_length != fft_length:
            warnings.warn(f"[{self.name}] fft_length={fft_length} is no power of two; one is faster.", stacklevel=2)
        if mode not in _MODES:
            raise ValueError(f"[{self.name}] expected mode to be one of {', '.join(_MODES)}, received mode={mode!r}.")
        self.mode = mode
        self.frame_length = frame_length
        self.frame_step = frame_step
        self.fft_length = fft_length
        self.window = window
        self.periodic = periodic
        self.scaling = scaling
        self.padding = padding_name(padding, self.name)
        self.expand_dims = expand_dims
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=3)
        self.real_kernel: Any = None
        self.imag_kernel: Any = None
        self._step = frame_step or frame_length // 2
        self._bins = (fft_length or 2 ** math.ceil(math.log2(frame_length))) // 2 + 1
        # Also checks the window and the scaling.
        self._kernels = {side: initializers.STFT(side, window, scaling, periodic) for side in ("real", "imag")}

    def build(self, input_shape: Any) -> None:
        """Creates the kernels that the mode needs."""
        for side, unused in (("real", "imag"), ("imag", "real")):
            if self.mode != unused:
                kernel = self.add_weight(
                    name=f"{side}_kernel", shape=(self.frame_length, 1, self._bins), initializer=self._kernels[side]
                )
                setattr(self, f"{side}_kernel", kernel)

    def call(self, inputs: Any) -> Any:
        """The spectrogram of `inputs`."""
        if "float" not in str(inputs.dtype):
            raise TypeError(f"[{self.name}] expected a floating-point signal, received dtype {inputs.dtype}.")
        if self.data_format == "channels_last":
            inputs = ops.transpose(inputs, (0, 2, 1))
        channels, time = inputs.shape[1:]
        if time is None and channels != 1:
            raise ValueError(
                f"[{self.name}] expected signals of known length or a single channel, received shape {tuple(inputs.shape)}."
            )
        signals = ops.transpose(inputs, (0, 2, 1)) if channels == 1 else ops.reshape(inputs, (-1, time, 1))

        def transform(kernel: Any) -> Any:
            y = ops.conv(
                signals, ops.cast(kernel, signals.dtype), self._step, self.padding, data_format="channels_last"
            )
            # (batch, channels, frames, frequencies)
            return ops.expand_dims(y, 1) if channels == 1 else ops.reshape(y, (-1, channels, *y.shape[1:]))

        real = transform(self.real_kernel) if self.mode != "imag" else None
        imag = transform(self.imag_kernel) if self.mode != "real" else None
        return self._arranged(self._measured(real, imag))

    def _measured(self, real: Any, imag: Any) -> Any:
        if self.mode in ("real", "imag"):
            return real if imag is None else imag
        if self.mode == "angle":
            return ops.arctan2(imag, real)
        if self.mode == "stft":
            return ops.concatenate([real, imag], axis=-1)
        power = real * real + imag * imag
        if self.mode == "psd":  # what the other half of the spectrum holds
            return power + ops.pad(power[..., 1:-1], [(0, 0), (0, 0), (0, 0), (1, 1)])
        magnitude = ops.sqrt(ops.maximum(power, epsilon()))
        return magnitude if self.mode == "magnitude" else ops.log(ops.maximum(magnitude, epsilon()))

    def _arranged(self, x: Any) -> Any:
        _, channels, frames, bins = x.shape
        if self.data_format == "channels_last":
            if self.expand_dims:
                return ops.transpose(x, (0, 2, 3, 1))
            return (
                x[:, 0] if channels == 1 else ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, frames, channels * bins))
            )
        if self.expand_dims:
            return x
        x = ops.transpose(x, (0, 1, 3, 2))
        return x[:, 0] if channels == 1 else ops.reshape(x, (-1, channels * bins, frames))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the spectrogram."""
        last = self.data_format == "channels_last"
        batch, time, channels = input_shape if last else (input_shape[0], input_shape[2], input_shape[1])
        frames = windows(time, self.frame_length, self._step, self.padding, layer=self.name)
        bins = self._bins * (2 if self.mode == "stft" else 1)
        if self.expand_dims:
            return (batch, frames, bins, channels) if last else (batch, channels, frames, bins)
        return (batch, frames, bins * channels) if last else (batch, bins * channels, frames)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        names = ("mode", "frame_length", "frame_step", "fft_length", "window", "periodic", "scaling", "padding")
        own = {n: getattr(self, n) for n in (*names, "data_format", "expand_dims")}
        return {**super().get_config(), **own}
