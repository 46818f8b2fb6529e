"""Xception: depthwise separable convolutions around shortcuts."""

from __future__ import annotations

from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, kernels, standard
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing

__all__ = ["Xception", "decode_predictions", "preprocess_input"]


def _relu(x: Any, name: str) -> Any:
    return layers.Activation("relu", name=f"{name}_act")(x)


def _separable(frame: Frame, x: Any, filters: int, name: str) -> Any:
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return frame.norm(x, f"{name}_bn")


def _shrinking(frame: Frame, x: Any, filters: tuple[int, int], block: int) -> Any:
    """Half the size; the shortcut is a 1 x 1 convolution."""
    shortcut = frame.norm(frame.conv(x, filters[1], 1, strides=2, padding="same"))
    for i, n in enumerate(filters, 1):
        if (block, i) != (2, 1):  # what comes into block 2 is active already
            x = _relu(x, f"block{block}_sepconv{i}")
        x = _separable(frame, x, n, f"block{block}_sepconv{i}")
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x)
    return layers.add([x, shortcut])


def _body(frame: Frame) -> Any:
    x = frame.image
    for i, (filters, stride) in enumerate(((32, 2), (64, 1)), 1):
        x = frame.norm(frame.conv(x, filters, 3, f"block1_conv{i}", strides=stride), f"block1_conv{i}_bn")
        x = _relu(x, f"block1_conv{i}")
    for block, filters in enumerate((128, 256, 728), 2):
        x = _shrinking(frame, x, (filters, filters), block)
    for block in range(5, 13):
        shortcut = x
        for i in (1, 2, 3):
            x = _separable(frame, _relu(x, f"block{block}_sepconv{i}"), 728, f"block{block}_sepconv{i}")
        x = layers.add([x, shortcut])
    x = _shrinking(frame, x, (728, 1024), 13)
    for i, filters in enumerate((1536, 2048), 1):
        x = _relu(_separable(frame, x, filters, f"block14_sepconv{i}"), f"block14_sepconv{i}")
    return frame.head(x, named=False)


Xception = standard(
    "Xception",
    "xception",
    __name__,
    "Xception: Inception with each module a separable convolution.",
    'F. Chollet, "Xception: deep learning with depthwise separable convolutions", 2016',
    _body,
    kernels("xception/xception", ("0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97")),
    size=299,
    least=71,
)
preprocess_input = preprocessing("tf")
