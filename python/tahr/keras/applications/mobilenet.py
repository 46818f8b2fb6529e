"""MobileNet: depthwise and 1 x 1 convolutions by turns."""

from __future__ import annotations

import warnings
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import URL, Frame, WeightFile, document
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.backend import KerasTensor, image_data_format
from tahr.keras.models import Model

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
_SIDES = (128, 160, 192, 224)
_ALPHAS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}


def trained_side(given: tuple[int | None, ...] | None, sides: tuple[int, ...]) -> int:
    """The side that pictures of a shape are square with, if weights for it exist; else 224."""
    if given is not None and len(given) == 3:
        rows, columns = given[:2] if image_data_format() == "channels_last" else given[1:]
        if rows == columns and rows in sides:
            return rows
    return 224


def weights_side(frame: Frame, sides: tuple[int, ...]) -> int | None:
    """The side of the pictures that weights are named after, with a warning where none fit exactly."""
    side = frame.rows
    if frame.imagenet and (side not in sides or None in frame.shape or len(set(frame.shape)) > 2):
        warnings.warn(
            f"[{frame.title}] has no weights trained on pictures of {frame.shape}, only for sides of "
            f"{', '.join(map(str, sides))}. Loading those for 224 x 224.",
            stacklevel=3,
        )
        return 224
    return side


def MobileNet(
    input_shape: tuple[int | None, ...] | None = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 0.001,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: KerasTensor | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    size = trained_side(input_shape, _SIDES)
    common = (include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name)
    frame = Frame("MobileNet", *common, size=size)
    if frame.imagenet and depth_multiplier != 1:
        raise frame.error("depth_multiplier=1 for weights='imagenet'", repr(depth_multiplier))
    if frame.imagenet and alpha not in _ALPHAS:
        raise frame.error(f"alpha one of {list(_ALPHAS)} for weights='imagenet'", repr(alpha))
    side = weights_side(frame, _SIDES)

    x = frame.conv(frame.image, int(32 * alpha), 3, "conv1", strides=2, padding="same")
    x = layers.ReLU(6.0, name="conv1_relu")(frame.norm(x, "conv1_bn"))
    for i, (filters, stride) in enumerate(_BLOCKS, 1):
        if stride == 2:
            x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{i}")(x)
        x = layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding="same" if stride == 1 else "valid",
            depth_multiplier=depth_multiplier,
            use_bias=False,
            name=f"conv_dw_{i}",
        )(x)
        x = layers.ReLU(6.0, name=f"conv_dw_{i}_relu")(frame.norm(x, f"conv_dw_{i}_bn"))
        x = frame.conv(x, int(filters * alpha), 1, f"conv_pw_{i}", padding="same")
        x = layers.ReLU(6.0, name=f"conv_pw_{i}_relu")(frame.norm(x, f"conv_pw_{i}_bn"))
    if include_top:
        x = layers.Dropout(dropout, name="dropout")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        x = frame.conv(x, classes, 1, "conv_preds", use_bias=True, padding="same")
        x = layers.Reshape((classes,), name="reshape_2")(x)
        x = layers.Activation(classifier_activation, name="predictions")(x)
    else:
        x = frame.pool(x)
    if name is None:
        frame.name = f"mobilenet_{alpha:0.2f}_{side}"
    stem = f"{URL}mobilenet/mobilenet_{_ALPHAS.get(alpha)}_{side}_tf"
    return frame.finish(x, (WeightFile(f"{stem}.h5", None), WeightFile(f"{stem}_no_top.h5", None)))


document(
    MobileNet,
    "MobileNet",
    __name__,
    "MobileNet: 13 pairs of a depthwise and a 1 x 1 convolution. Its weights have no published hash.",
    'A. G. Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017',
)
preprocess_input = preprocessing("tf")
