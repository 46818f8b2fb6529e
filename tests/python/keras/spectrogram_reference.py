"""What real Keras makes of the spectrogram layers of CASES (layer, arguments, shape): a program, given the file to write."""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np

CASES = [
    ("STFTSpectrogram", dict(frame_length=16), (2, 64, 1)),
    ("STFTSpectrogram", dict(mode="magnitude", frame_length=16, frame_step=5, scaling=None), (2, 64, 3)),
    (
        "STFTSpectrogram",
        dict(mode="psd", frame_length=12, window="hamming", periodic=True, expand_dims=True),
        (2, 64, 2),
    ),
    ("STFTSpectrogram", dict(mode="real", frame_length=16, padding="same", scaling="spectrum"), (2, 50, 2)),
    ("STFTSpectrogram", dict(mode="imag", frame_length=16, fft_length=64, window=None), (2, 64, 1)),
    ("STFTSpectrogram", dict(mode="stft", frame_length=16, data_format="channels_first"), (2, 3, 64)),
    ("STFTSpectrogram", dict(mode="stft", frame_length=16, data_format="channels_first", expand_dims=True), (2, 3, 64)),
    ("STFTSpectrogram", dict(mode="stft", frame_length=16, expand_dims=True), (2, 64, 1)),
    ("MelSpectrogram", dict(fft_length=64, sequence_stride=16, num_mel_bins=10), (3, 200)),
    (
        "MelSpectrogram",
        dict(fft_length=64, sequence_length=48, sequence_stride=20, num_mel_bins=6, power_to_db=False, mag_exp=1.0),
        (3, 200),
    ),
    (
        "MelSpectrogram",
        dict(
            fft_length=32,
            sequence_stride=8,
            num_mel_bins=5,
            sampling_rate=8000,
            top_db=10.0,
            ref_power=2.0,
            window="hamming",
        ),
        (200,),
    ),
]


def signal(i: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(i).uniform(-1, 1, shape).astype("float32")


def main(path: str) -> None:
    import keras

    warnings.simplefilter("ignore")
    found = {}
    for i, (name, arguments, shape) in enumerate(CASES):
        layer = getattr(keras.layers, name)(**arguments)
        found[f"{i}/y"] = np.asarray(layer(signal(i, shape)))
        found[f"{i}/config"] = np.array(json.dumps(layer.get_config()))
        for j, w in enumerate(layer.weights):
            found[f"{i}/w{j}"] = np.asarray(w)
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
