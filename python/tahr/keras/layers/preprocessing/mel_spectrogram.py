"""MelSpectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.layers.preprocessing.data_layer import DataLayer


class MelSpectrogram(DataLayer):
    """Mel spectrograms of signals: magnitudes of short-time Fourier transforms, gathered in bands as wide as ears hear them.

    Args:
        fft_length: length of the transforms.
        sequence_stride: samples from one transform to the next.
        sequence_length: length of the window; `fft_length` if None.
        window: as in `ops.stft`.
        sampling_rate: samples per second.
        num_mel_bins: how many bands.
        min_freq, max_freq: where the bands begin and end, in Hertz; half of `sampling_rate` if None.
        power_to_db: whether to give decibels.
        top_db: decibels below the loudest place of all inputs at which the rest is cut off.
        mag_exp: power of the magnitudes: 1 for energy, 2 for power.
        min_power: the least value that decibels are taken of.
        ref_power: what is 0 decibels.

    Input: (samples,) or (batch, samples). Output: (num_mel_bins, frames) or (batch, num_mel_bins, frames).

    Raises:
        ValueError: if `sequence_length` exceeds `fft_length`.

    Source: Young et al., "The HTK Book", section 5.4, for the scale.

    >>> from tahr import keras
    >>> layer = keras.layers.MelSpectrogram(fft_length=64, sequence_stride=16, num_mel_bins=8)
    >>> layer(keras.ops.ones((2, 128))).shape
    (2, 8, 9)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fft_length = fft_length
        self.sequence_stride = sequence_stride
        self.sequence_length = sequence_length or fft_length
        if self.fft_length < self.sequence_length:
            raise ValueError(
                f"[{self.name}] `fft_length` must be greater than or equal to `sequence_length`, received {fft_length} and "
                f"{sequence_length}."
            )
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = num_mel_bins
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power
        self._allow_non_tensor_positional_args = True

    def call(self, inputs: Any) -> Any:
        """The spectrogram of `inputs`."""
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        x = ops.cast(ops.convert_to_tensor(inputs), dtype)
        real, imag = ops.stft(
            x, self.sequence_length, self.sequence_stride, self.fft_length, window=self.window, center=True
        )
        power = ops.power(ops.sqrt(ops.square(real) + ops.square(imag)), self.mag_exp)
        bands = ops.matmul(power, ops.cast(self._bands(), dtype))
        if self.power_to_db:
            bands = self._decibels(bands)
        return ops.cast(ops.swapaxes(bands, -1, -2), self.compute_dtype)

    def _bands(self) -> Any:
        return self.linear_to_mel_weight_matrix(
            self.num_mel_bins, self.fft_length // 2 + 1, self.sampling_rate, self.min_freq, self.max_freq, "float64"
        )

    def _decibels(self, x: Any) -> Any:
        reference = 10.0 * np.log10(max(abs(self.ref_power), self.min_power))
        level = 10.0 * ops.log10(ops.maximum(x, self.min_power)) - float(reference)
        return ops.maximum(level, ops.max(level) - self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: Any = "float32",
    ) -> Any:
        """Weights (num_spectrogram_bins, num_mel_bins) from frequencies to bands.

        The bands are triangles of height 1 over the scale ``mel = 1127 log(1 + hertz / 700)``, each from the middle of the
        band before to that of the next. Frequency 0 counts in none.
        """

        def mel(hertz: Any) -> Any:
            return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

        at = mel(np.linspace(0.0, sampling_rate / 2.0, num_spectrogram_bins))[:, None]
        edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), num_mel_bins + 2)
        lower, middle, upper = edges[:-2], edges[1:-1], edges[2:]
        weights = np.minimum((at - lower) / (middle - lower), (upper - at) / (upper - middle))
        weights = np.maximum(weights, 0.0)
        weights[0] = 0.0
        return ops.convert_to_tensor(weights, dtype=dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the spectrogram."""
        n = input_shape[-1]
        padded = None if n is None else n + 2 * (self.fft_length // 2)
        frames = None if padded is None else (padded - self.fft_length) // self.sequence_stride + 1
        return (*input_shape[:-1], self.num_mel_bins, frames)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        names = (
            "fft_length",
            "sequence_stride",
            "sequence_length",
            "window",
            "sampling_rate",
            "num_mel_bins",
            "min_freq",
        )
        more = ("max_freq", "power_to_db", "top_db", "mag_exp", "min_power", "ref_power")
        return {**super().get_config(), **{n: getattr(self, n) for n in (*names, *more)}}
