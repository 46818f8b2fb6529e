"""Layers along spatial axes: (class, arguments, shape of the input), for the tests beside real Keras."""

from __future__ import annotations

import itertools
from typing import Any

Case = tuple[str, dict[str, Any], tuple[int, ...]]


def _shape(rank: int, channels: int, data_format: str, size: int = 7) -> tuple[int, ...]:
    sizes = tuple(size - i for i in range(rank))
    return (2, channels, *sizes) if data_format == "channels_first" else (2, *sizes, channels)


FORMATS = ("channels_last", "channels_first")
CASES: list[Case] = []

# Everything against everything for two axes; a selection for the others.
for fmt, padding, (strides, dilation), groups in itertools.product(
    FORMATS, ("valid", "same"), ((1, 1), (2, 1), ((2, 1), 1), (1, 2)), (1, 2)
):
    CASES.append(
        (
            "Conv2D",
            dict(
                filters=4,
                kernel_size=(3, 2),
                strides=strides,
                dilation_rate=dilation,
                padding=padding,
                data_format=fmt,
                groups=groups,
                bias_initializer="ones",
            ),
            _shape(2, 4, fmt),
        )
    )
for rank, fmt in itertools.product((1, 3), FORMATS):
    CASES.append((f"Conv{rank}D", dict(filters=3, kernel_size=2, strides=2, data_format=fmt), _shape(rank, 2, fmt)))
    CASES.append(
        (
            f"Conv{rank}D",
            dict(filters=3, kernel_size=3, padding="same", activation="relu", data_format=fmt),
            _shape(rank, 2, fmt),
        )
    )
CASES += [
    ("Conv1D", dict(filters=3, kernel_size=3, padding="causal"), (2, 7, 2)),
    ("Conv1D", dict(filters=3, kernel_size=2, padding="causal", dilation_rate=3, use_bias=False), (2, 7, 2)),
    ("Conv1D", dict(filters=3, kernel_size=2, padding="causal", strides=2, data_format="channels_first"), (2, 2, 7)),
    ("Conv2D", dict(filters=5, kernel_size=1, activation="tanh"), (2, 4, 3, 3)),
    ("Conv2D", dict(filters=2, kernel_size=3, kernel_regularizer="l2", bias_constraint="non_neg"), (2, 5, 5, 3)),
    ("Conv2D", dict(filters=3, kernel_size=3, lora_rank=2, lora_alpha=3.0), (2, 5, 5, 2)),
    ("Conv2D", dict(filters=17, kernel_size=3, padding="same"), (3, 9, 20, 19)),
]
for padding, strides, extra, fmt in itertools.product(("valid", "same"), (1, 2, 3), (None, 0, 1), FORMATS):
    if extra is not None and extra >= strides:
        continue
    arguments = dict(filters=3, kernel_size=3, strides=strides, padding=padding, output_padding=extra, data_format=fmt)
    CASES.append(("Conv2DTranspose", arguments, _shape(2, 2, fmt, 4)))
for rank in (1, 3):
    CASES.append(
        (f"Conv{rank}DTranspose", dict(filters=2, kernel_size=2, strides=2), _shape(rank, 3, "channels_last", 5))
    )
    CASES.append(
        (
            f"Conv{rank}DTranspose",
            dict(filters=2, kernel_size=4, strides=2, padding="same"),
            _shape(rank, 3, "channels_last", 5),
        )
    )
CASES += [
    ("Conv2DTranspose", dict(filters=2, kernel_size=(2, 3), dilation_rate=2, padding="same"), (2, 4, 5, 3)),
    ("Conv2DTranspose", dict(filters=2, kernel_size=2, strides=3, activation="relu", use_bias=False), (2, 4, 5, 3)),
]
for padding, multiplier, fmt, strides in itertools.product(("valid", "same"), (1, 2), FORMATS, (1, 2)):
    arguments = dict(kernel_size=3, strides=strides, padding=padding, depth_multiplier=multiplier, data_format=fmt)
    CASES.append(("DepthwiseConv2D", arguments, _shape(2, 3, fmt)))
    CASES.append(("SeparableConv2D", dict(filters=4, **arguments), _shape(2, 3, fmt)))
CASES += [
    ("DepthwiseConv1D", dict(kernel_size=3, dilation_rate=2, activation="relu"), (2, 9, 3)),
    ("DepthwiseConv1D", dict(kernel_size=2, depth_multiplier=3, padding="same", use_bias=False), (2, 9, 3)),
    ("DepthwiseConv2D", dict(kernel_size=3, padding="same"), (2, 6, 6, 37)),
    ("SeparableConv1D", dict(filters=4, kernel_size=3, strides=2, padding="same"), (2, 9, 3)),
    (
        "SeparableConv1D",
        dict(filters=4, kernel_size=2, dilation_rate=2, depth_multiplier=2, activation="tanh"),
        (2, 9, 3),
    ),
]
for kind, rank, padding, fmt in itertools.product(("Max", "Average"), (1, 2, 3), ("valid", "same"), FORMATS):
    CASES.append((f"{kind}Pooling{rank}D", dict(pool_size=2, padding=padding, data_format=fmt), _shape(rank, 3, fmt)))
    CASES.append(
        (f"{kind}Pooling{rank}D", dict(pool_size=3, strides=2, padding=padding, data_format=fmt), _shape(rank, 2, fmt))
    )
CASES += [
    ("MaxPooling2D", dict(), (2, 6, 6, 3)),
    ("MaxPooling2D", dict(pool_size=(3, 2), strides=(1, 2), padding="same"), (2, 6, 7, 35)),
    ("AveragePooling2D", dict(pool_size=(3, 2), strides=1, padding="same"), (2, 6, 7, 35)),
]
for kind, rank, fmt, keep in itertools.product(("Max", "Average"), (1, 2, 3), FORMATS, (False, True)):
    CASES.append((f"Global{kind}Pooling{rank}D", dict(data_format=fmt, keepdims=keep), _shape(rank, 3, fmt)))
for kind, rank, fmt in itertools.product(("Max", "Average"), (1, 2, 3), FORMATS):
    CASES.append((f"Adaptive{kind}Pooling{rank}D", dict(output_size=3, data_format=fmt), _shape(rank, 3, fmt)))
CASES += [
    ("AdaptiveAveragePooling2D", dict(output_size=(1, 4)), (2, 6, 7, 3)),
    ("Cropping1D", dict(), (2, 5, 3)),
    ("Cropping1D", dict(cropping=(2, 0)), (2, 5, 3)),
    ("Cropping2D", dict(cropping=1), (2, 5, 4, 3)),
    ("Cropping2D", dict(cropping=((1, 0), (0, 2)), data_format="channels_first"), (2, 3, 5, 4)),
    ("Cropping3D", dict(cropping=(1, 0, 1)), (2, 5, 4, 3, 2)),
    ("UpSampling1D", dict(), (2, 5, 3)),
    ("UpSampling1D", dict(size=3), (2, 5, 3)),
    ("UpSampling2D", dict(), (2, 5, 4, 3)),
    ("UpSampling2D", dict(size=(1, 3), data_format="channels_first"), (2, 5, 4, 3)),
    ("UpSampling3D", dict(size=(1, 2, 3)), (2, 3, 4, 3, 2)),
    ("ZeroPadding1D", dict(), (2, 5, 3)),
    ("ZeroPadding1D", dict(padding=(0, 2), data_format="channels_first"), (2, 5, 3)),
    ("ZeroPadding2D", dict(padding=2), (2, 5, 4, 3)),
    ("ZeroPadding2D", dict(padding=((1, 0), (0, 2)), data_format="channels_first"), (2, 3, 5, 4)),
    ("ZeroPadding3D", dict(padding=(1, 0, 2)), (2, 5, 4, 3, 2)),
]
