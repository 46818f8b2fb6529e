"""MobileNet V2: bottlenecks the other way around, wide in the middle."""

from __future__ import annotations

from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import URL, Frame, WeightFile, document, round_to_eight
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.applications.mobilenet import trained_side, weights_side
from tahr.keras.backend import KerasTensor
from tahr.keras.models import Model

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

_STAGES = (
    (16, 1, 1),
    (24, 2, 2),
    (32, 2, 3),
    (64, 2, 4),
    (96, 1, 3),
    (160, 2, 3),
    (320, 1, 1),
)  # filters, stride, blocks
_SIDES = (96, 128, 160, 192, 224)
_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


def _norm(frame: Frame, x: Any, name: str, relu: str | None = None) -> Any:
    x = frame.norm(x, name, epsilon=1e-3, momentum=0.999)
    return layers.ReLU(6.0, name=relu)(x) if relu else x


def _block(frame: Frame, x: Any, filters: int, stride: int, number: int) -> Any:
    shortcut, channels = x, frame.channels(x)
    prefix = f"block_{number}_" if number else "expanded_conv_"
    if number:
        x = frame.conv(x, 6 * channels, 1, f"{prefix}expand", padding="same")
        x = _norm(frame, x, f"{prefix}expand_BN", f"{prefix}expand_relu")
    if stride == 2:
        x = frame.pad(x, 3, f"{prefix}pad")
    padding = "same" if stride == 1 else "valid"
    x = layers.DepthwiseConv2D(3, strides=stride, padding=padding, use_bias=False, name=f"{prefix}depthwise")(x)
    x = _norm(frame, x, f"{prefix}depthwise_BN", f"{prefix}depthwise_relu")
    x = _norm(frame, frame.conv(x, filters, 1, f"{prefix}project", padding="same"), f"{prefix}project_BN")
    return layers.Add(name=f"{prefix}add")([shortcut, x]) if stride == 1 and channels == filters else x


def MobileNetV2(
    input_shape: tuple[int | None, ...] | None = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: KerasTensor | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    known = input_shape if input_shape is not None or input_tensor is None else input_tensor.shape[1:]
    common = (include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name)
    frame = Frame("MobileNetV2", *common, size=trained_side(known, _SIDES))
    if frame.imagenet and alpha not in _ALPHAS:
        raise frame.error(f"alpha one of {list(_ALPHAS)} for weights='imagenet'", repr(alpha))
    side = weights_side(frame, _SIDES)

    x = frame.conv(frame.image, round_to_eight(32 * alpha), 3, "Conv1", strides=2, padding="same")
    x = _norm(frame, x, "bn_Conv1", "Conv1_relu")
    number = 0
    for filters, first_stride, blocks in _STAGES:
        for i in range(blocks):
            x = _block(frame, x, round_to_eight(int(filters * alpha)), first_stride if i == 0 else 1, number)
            number += 1
    x = frame.conv(x, round_to_eight(1280 * alpha) if alpha > 1.0 else 1280, 1, "Conv_1")
    x = frame.head(_norm(frame, x, "Conv_1_bn", "out_relu"), average=None, named=False)
    if name is None:
        frame.name = f"mobilenetv2_{alpha:0.2f}_{side}"
    stem = f"{URL}mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{side}"
    return frame.finish(x, (WeightFile(f"{stem}.h5", None), WeightFile(f"{stem}_no_top.h5", None)))


document(
    MobileNetV2,
    "MobileNetV2",
    __name__,
    "MobileNet V2: 17 inverted bottlenecks. Its weights have no published hash.",
    'M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018',
)
preprocess_input = preprocessing("tf")
