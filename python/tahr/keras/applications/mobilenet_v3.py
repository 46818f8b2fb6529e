"""MobileNet V3: inverted bottlenecks with squeeze-and-excite and hard swish, as a search found them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, document, round_to_eight, weight_files
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.backend import KerasTensor
from tahr.keras.models import Model

__all__ = ["MobileNetV3Large", "MobileNetV3Small", "decode_predictions", "preprocess_input"]

# Rows of expansion, filters, kernel, stride, squeeze-and-excite, hard swish; widths of the hidden layer at the end.
_SMALL = (
    (1, 16, 3, 2, True, False),
    (72 / 16, 24, 3, 2, False, False),
    (88 / 24, 24, 3, 1, False, False),
    (4, 40, 5, 2, True, True),
    *[(6, 40, 5, 1, True, True)] * 2,
    *[(3, 48, 5, 1, True, True)] * 2,
    (6, 96, 5, 2, True, True),
    *[(6, 96, 5, 1, True, True)] * 2,
)
_LARGE = (
    (1, 16, 3, 1, False, False),
    (4, 24, 3, 2, False, False),
    (3, 24, 3, 1, False, False),
    (3, 40, 5, 2, True, False),
    *[(3, 40, 5, 1, True, False)] * 2,
    (6, 80, 3, 2, False, True),
    (2.5, 80, 3, 1, False, True),
    *[(2.3, 80, 3, 1, False, True)] * 2,
    *[(6, 112, 3, 1, True, True)] * 2,
    (6, 160, 5, 2, True, True),
    *[(6, 160, 5, 1, True, True)] * 2,
)
_HASHES = {
    "large_224_0.75": ("765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    "large_224_1.0": ("59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    "large_minimalistic_224_1.0": ("675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    "small_224_0.75": ("cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    "small_224_1.0": ("8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    "small_minimalistic_224_1.0": ("99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
}


def _norm(frame: Frame, x: Any, name: str) -> Any:
    return frame.norm(x, name, epsilon=1e-3, momentum=0.999)


def _activate(x: Any, hard_swish: bool) -> Any:
    return layers.Activation("hard_swish")(x) if hard_swish else layers.ReLU()(x)


def _squeeze_excite(frame: Frame, x: Any, prefix: str) -> Any:
    prefix, channels = f"{prefix}squeeze_excite_", frame.channels(x)
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{prefix}avg_pool")(x)
    scale = frame.conv(scale, round_to_eight(channels * 0.25), 1, f"{prefix}conv", use_bias=True, padding="same")
    scale = layers.ReLU(name=f"{prefix}relu")(scale)
    scale = frame.conv(scale, channels, 1, f"{prefix}conv_1", use_bias=True, padding="same")
    scale = layers.ReLU(6.0)(scale + 3.0) * (1.0 / 6.0)  # the hard sigmoid
    return layers.Multiply(name=f"{prefix}mul")([x, scale])


def _block(frame: Frame, x: Any, row: tuple[Any, ...], alpha: float, minimalistic: bool, number: int) -> Any:
    expansion, filters, kernel, stride, excite, hard_swish = row
    if minimalistic:
        kernel, excite, hard_swish = 3, False, False
    filters = round_to_eight(filters * alpha)
    shortcut, channels = x, frame.channels(x)
    prefix = f"expanded_conv_{number}_" if number else "expanded_conv_"
    if number:
        x = frame.conv(x, round_to_eight(channels * expansion), 1, f"{prefix}expand", padding="same")
        x = _activate(_norm(frame, x, f"{prefix}expand_bn"), hard_swish)
    if stride == 2:
        x = frame.pad(x, kernel, f"{prefix}depthwise_pad")
    padding = "same" if stride == 1 else "valid"
    x = layers.DepthwiseConv2D(kernel, strides=stride, padding=padding, use_bias=False, name=f"{prefix}depthwise")(x)
    x = _activate(_norm(frame, x, f"{prefix}depthwise_bn"), hard_swish)
    if excite:
        x = _squeeze_excite(frame, x, prefix)
    x = _norm(frame, frame.conv(x, filters, 1, f"{prefix}project", padding="same"), f"{prefix}project_bn")
    return layers.Add(name=f"{prefix}add")([shortcut, x]) if stride == 1 and channels == filters else x


def _mobilenet_v3(kind: str, rows: tuple[tuple[Any, ...], ...], hidden: int) -> Callable[..., Model]:
    title = f"MobileNetV3{kind}"

    def application(
        input_shape: tuple[int | None, ...] | None = None,
        alpha: float = 1.0,
        minimalistic: bool = False,
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: KerasTensor | None = None,
        classes: int = 1000,
        pooling: str | None = None,
        dropout_rate: float = 0.2,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str | None = title,
    ) -> Model:
        common = (include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name)
        frame = Frame(title, *common, size=None)
        variant = f"{kind.lower()}{'_minimalistic' if minimalistic else ''}_224_{float(alpha)}"
        if frame.imagenet and variant not in _HASHES:
            raise frame.error("alpha 0.75 or 1.0, or 1.0 if minimalistic, for weights='imagenet'", repr(alpha))
        if frame.imagenet and frame.shape not in ((224, 224, 3), (3, 224, 224)):
            warnings.warn(f"[{title}] loads weights trained on 224 x 224, for pictures of {frame.shape}.", stacklevel=2)

        swish = not minimalistic
        x = layers.Rescaling(1.0 / 127.5, -1.0)(frame.image) if include_preprocessing else frame.image
        x = _norm(frame, frame.conv(x, 16, 3, "conv", strides=2, padding="same"), "conv_bn")
        x = _activate(x, swish)
        for number, row in enumerate(rows):
            x = _block(frame, x, row, alpha, minimalistic, number)
        x = frame.conv(x, round_to_eight(6 * frame.channels(x)), 1, "conv_1", padding="same")
        x = _activate(_norm(frame, x, "conv_1_bn"), swish)
        if include_top:
            x = layers.GlobalAveragePooling2D(keepdims=True)(x)
            width = round_to_eight(hidden * alpha) if alpha > 1.0 else hidden
            x = _activate(frame.conv(x, width, 1, "conv_2", use_bias=True, padding="same"), swish)
            if dropout_rate > 0:
                x = layers.Dropout(dropout_rate)(x)
            x = layers.Flatten()(frame.conv(x, classes, 1, "logits", use_bias=True, padding="same"))
            x = layers.Activation(classifier_activation, name="predictions")(x)
        else:
            x = frame.pool(x, named=True)
        stem = f"mobilenet_v3/weights_mobilenet_v3_{variant}_float"
        return frame.finish(x, weight_files(stem, _HASHES.get(variant, ("", "")), "_no_top_v2"))

    about = f"{title}: {len(rows)} inverted bottlenecks."
    source = 'A. Howard et al., "Searching for MobileNetV3", 2019'
    return document(application, title, __name__, about, source)


MobileNetV3Small = _mobilenet_v3("Small", _SMALL, 1024)
MobileNetV3Large = _mobilenet_v3("Large", _LARGE, 1280)
preprocess_input = preprocessing(None)
