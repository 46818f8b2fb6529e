"""EfficientNet: one network, scaled in width, depth and resolution together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, round_to_eight, standard, weight_files
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.models import Model

__all__ = [*(f"EfficientNetB{i}" for i in range(8)), "decode_predictions", "preprocess_input"]

_STAGES = (  # kernel, blocks, filters, expansion, stride
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
CONV_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
}
DENSE_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0 / 3.0, "mode": "fan_out", "distribution": "uniform"},
}


def conv(frame: Frame, x: Any, filters: int, size: int, name: str, **kwargs: Any) -> Any:
    """A convolution, padded unless told otherwise, begun with the variance of EfficientNet."""
    return frame.conv(x, filters, size, name, kernel_initializer=CONV_INITIALIZER, **{"padding": "same", **kwargs})


def depthwise(x: Any, size: int, stride: int, name: str, padding: str = "same") -> Any:
    """A depthwise convolution without a bias, begun likewise."""
    start = {"use_bias": False, "depthwise_initializer": CONV_INITIALIZER}
    return layers.DepthwiseConv2D(size, strides=stride, padding=padding, name=name, **start)(x)


def swish(frame: Frame, x: Any, name: str, prefix: str = "", **kwargs: Any) -> Any:
    """Batch normalisation and swish: `<name><prefix>bn` and `<name><prefix>activation`."""
    x = frame.norm(x, f"{name}{prefix}bn", **kwargs)
    return layers.Activation("swish", name=f"{name}{prefix}activation")(x)


def squeeze_excite(frame: Frame, x: Any, filters: int, name: str) -> Any:
    """Each channel times a number in (0, 1) that two small layers make of all channels' means."""
    channels = frame.channels(x)
    scale = layers.GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    shape = (1, 1, channels) if frame.axis == -1 else (channels, 1, 1)
    scale = layers.Reshape(shape, name=f"{name}se_reshape")(scale)
    scale = conv(frame, scale, max(1, filters), 1, f"{name}se_reduce", use_bias=True, activation="swish")
    scale = conv(frame, scale, channels, 1, f"{name}se_expand", use_bias=True, activation="sigmoid")
    return layers.multiply([x, scale], name=f"{name}se_excite")


def add(x: Any, shortcut: Any, drop: float, name: str) -> Any:
    """The sum, in training with whole pictures of `x` dropped at random."""
    if drop > 0:
        x = layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return layers.add([x, shortcut], name=f"{name}add")


def _block(frame: Frame, x: Any, row: tuple[int, ...], filters: int, stride: int, drop: float, name: str) -> Any:
    kernel, _, _, expansion, _ = row
    shortcut, channels = x, frame.channels(x)
    if expansion != 1:
        x = swish(frame, conv(frame, x, channels * expansion, 1, f"{name}expand_conv"), name, "expand_")
    if stride == 2:
        x = frame.pad(x, kernel, f"{name}dwconv_pad")
    x = swish(frame, depthwise(x, kernel, stride, f"{name}dwconv", "valid" if stride == 2 else "same"), name)
    x = squeeze_excite(frame, x, channels // 4, name)
    x = frame.norm(conv(frame, x, filters, 1, f"{name}project_conv"), f"{name}project_bn")
    return add(x, shortcut, drop, name) if stride == 1 and channels == filters else x


def _efficientnet(
    i: int, width: float, depth: float, size: int, dropout: float, hashes: tuple[str, str]
) -> Callable[..., Model]:
    title = f"EfficientNetB{i}"
    counts = [math.ceil(depth * row[1]) for row in _STAGES]

    def body(frame: Frame) -> Any:
        x = layers.Normalization(axis=frame.axis)(layers.Rescaling(1.0 / 255.0)(frame.image))
        if frame.imagenet:  # the published weights were trained with this in front, the root taken once too often
            x = layers.Rescaling([1.0 / math.sqrt(std) for std in (0.229, 0.224, 0.225)])(x)
        x = conv(
            frame,
            frame.pad(x, 3, "stem_conv_pad"),
            round_to_eight(32 * width),
            3,
            "stem_conv",
            strides=2,
            padding="valid",
        )
        x = swish(frame, x, "stem_")
        done = 0
        for stage, (row, count) in enumerate(zip(_STAGES, counts, strict=True), 1):
            for j in range(count):
                stride = row[4] if j == 0 else 1
                drop = 0.2 * done / sum(counts)
                x = _block(frame, x, row, round_to_eight(row[2] * width), stride, drop, f"block{stage}{chr(97 + j)}_")
                done += 1
        x = swish(frame, conv(frame, x, round_to_eight(1280 * width), 1, "top_conv"), "top_")
        return frame.head(x, dropout=dropout, kernel_initializer=DENSE_INITIALIZER)

    about = f"{title}: {sum(counts)} inverted bottlenecks. Takes pictures in [0, 255]."
    source = 'M. Tan, Q. V. Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019'
    published = weight_files(title.lower(), hashes, base="https://storage.googleapis.com/keras-applications/")
    return standard(title, title.lower(), __name__, about, source, body, published, size)


_SCALES = (  # width, depth, side of pictures, dropout, hashes
    (1.0, 1.0, 224, 0.2, ("902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d")),
    (1.0, 1.1, 240, 0.2, ("1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432")),
    (1.1, 1.2, 260, 0.3, ("b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39")),
    (1.2, 1.4, 300, 0.3, ("ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226")),
    (1.4, 1.8, 380, 0.4, ("18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba")),
    (1.6, 2.2, 456, 0.4, ("ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f")),
    (1.8, 2.6, 528, 0.5, ("165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743")),
    (2.0, 3.1, 600, 0.5, ("8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a")),
)
(
    EfficientNetB0,
    EfficientNetB1,
    EfficientNetB2,
    EfficientNetB3,
    EfficientNetB4,
    EfficientNetB5,
    EfficientNetB6,
    EfficientNetB7,
) = (_efficientnet(i, *scale) for i, scale in enumerate(_SCALES))
preprocess_input = preprocessing(None)
