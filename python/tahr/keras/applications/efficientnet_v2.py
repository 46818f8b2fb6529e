"""EfficientNet V2: EfficientNet with plain convolutions in its first stages."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, document, weight_files
from tahr.keras.applications.efficientnet import DENSE_INITIALIZER, add, conv, depthwise, squeeze_excite, swish
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.backend import KerasTensor
from tahr.keras.models import Model

__all__ = [
    *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "decode_predictions",
    "preprocess_input",
]

# Stages: blocks, filters, expansion, stride, whether its blocks are plain ("fused"); the stem has `first` filters.
_B = (
    (1, 16, 1, 1, True),
    (2, 32, 4, 2, True),
    (2, 48, 4, 2, True),
    (3, 96, 4, 2, False),
    (5, 112, 6, 1, False),
    (8, 192, 6, 2, False),
)
_S = (
    (2, 24, 1, 1, True),
    (4, 48, 4, 2, True),
    (4, 64, 4, 2, True),
    (6, 128, 4, 2, False),
    (9, 160, 6, 1, False),
    (15, 256, 6, 2, False),
)
_M = (
    (3, 24, 1, 1, True),
    (5, 48, 4, 2, True),
    (5, 80, 4, 2, True),
    (7, 160, 4, 2, False),
    (14, 176, 6, 1, False),
    (18, 304, 6, 2, False),
    (5, 512, 6, 1, False),
)
_L = (
    (4, 32, 1, 1, True),
    (7, 64, 4, 2, True),
    (7, 96, 4, 2, True),
    (10, 192, 4, 2, False),
    (19, 224, 6, 1, False),
    (25, 384, 6, 2, False),
    (7, 640, 6, 1, False),
)
_DROP = 0.2  # of the last block; that of the blocks before rises to it evenly
_MOMENTUM = 0.9


def _block(frame: Frame, x: Any, row: tuple[Any, ...], filters: int, stride: int, drop: float, name: str) -> Any:
    _, _, expansion, _, fused = row
    shortcut, channels = x, frame.channels(x)
    wide = channels * expansion
    if fused and expansion == 1:  # one convolution
        x = swish(
            frame,
            conv(frame, x, filters, 3, f"{name}project_conv", strides=stride),
            name,
            "project_",
            momentum=_MOMENTUM,
        )
    else:
        size, strides = (3, stride) if fused else (1, 1)
        if expansion != 1:
            x = conv(frame, x, wide, size, f"{name}expand_conv", strides=strides)
            x = swish(frame, x, name, "expand_", momentum=_MOMENTUM)
        if not fused:
            x = swish(frame, depthwise(x, 3, stride, f"{name}dwconv2"), name, momentum=_MOMENTUM)
            x = squeeze_excite(frame, x, channels // 4, name)
        x = frame.norm(conv(frame, x, filters, 1, f"{name}project_conv"), f"{name}project_bn", momentum=_MOMENTUM)
    return add(x, shortcut, drop, name) if stride == 1 and channels == filters else x


def _efficientnet_v2(
    kind: str,
    stages: tuple[tuple[Any, ...], ...],
    first: int,
    size: int,
    hashes: tuple[str, str],
    width: float = 1.0,
    depth: float = 1.0,
) -> Callable[..., Model]:
    title, default_name = f"EfficientNetV2{kind}", f"efficientnetv2-{kind.lower()}"
    counts = [math.ceil(depth * row[0]) for row in stages]
    unscaled = sum(row[0] for row in stages)  # what Keras divides the rates of dropout by

    def scaled(filters: int) -> int:
        return max(8, int(filters * width + 4) // 8 * 8)

    def rescale(frame: Frame) -> Any:
        if kind.startswith("B") and frame.channels(frame.image) == 3:
            variance = [std**2 for std in (0.229, 0.224, 0.225)]
            x = layers.Rescaling(1.0 / 255)(frame.image)
            return layers.Normalization(mean=[0.485, 0.456, 0.406], variance=variance, axis=frame.axis)(x)
        return layers.Rescaling(1.0 / 128.0, -1)(frame.image)

    def application(
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: KerasTensor | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str | None = default_name,
    ) -> Model:
        common = (include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name)
        frame = Frame(title, *common, size=size)
        x = rescale(frame) if include_preprocessing else frame.image
        x = swish(frame, conv(frame, x, scaled(first), 3, "stem_conv", strides=2), "stem_", momentum=_MOMENTUM)
        done = 0
        for stage, (row, count) in enumerate(zip(stages, counts, strict=True), 1):
            for j in range(count):
                drop = _DROP * done / unscaled
                x = _block(frame, x, row, scaled(row[1]), row[3] if j == 0 else 1, drop, f"block{stage}{chr(97 + j)}_")
                done += 1
        x = swish(frame, conv(frame, x, scaled(1280), 1, "top_conv"), "top_", momentum=_MOMENTUM)
        x = frame.head(x, dropout=0.2, kernel_initializer=DENSE_INITIALIZER)
        return frame.finish(x, weight_files(f"efficientnet_v2/{default_name}", hashes))

    about = f"{title}: {sum(counts)} inverted bottlenecks, the first of them plain. Takes pictures in [0, 255]."
    source = 'M. Tan, Q. V. Le, "EfficientNetV2: smaller models and faster training", 2021'
    return document(application, title, __name__, about, source, size)


EfficientNetV2B0 = _efficientnet_v2(
    "B0", _B, 32, 224, ("21ecbf6da12460d5c40bb2f29ceb2188", "893217f2bb855e2983157299931e43ff")
)
EfficientNetV2B1 = _efficientnet_v2(
    "B1", _B, 32, 240, ("069f0534ff22adf035c89e2d9547a9dc", "0e80663031ca32d657f9caa404b6ec37"), 1.0, 1.1
)
EfficientNetV2B2 = _efficientnet_v2(
    "B2", _B, 32, 260, ("424e49f28180edbde1e94797771950a7", "1dfe2e7a5d45b6632553a8961ea609eb"), 1.1, 1.2
)
EfficientNetV2B3 = _efficientnet_v2(
    "B3", _B, 32, 300, ("1f1fc43bd98a6e4fd8fdfd551e02c7a0", "f6abf7b5849ac99a89b50dd3fd532856"), 1.2, 1.4
)
EfficientNetV2S = _efficientnet_v2(
    "S", _S, 24, 384, ("e1d88a8495beba45748fedd0cecbe016", "af0682fb74e8c54910f2d4393339c070")
)
EfficientNetV2M = _efficientnet_v2(
    "M", _M, 24, 480, ("a3bf6aa3276309f4fc6a34aa114c95cd", "1b8dc055df72dde80d614482840fe342")
)
EfficientNetV2L = _efficientnet_v2(
    "L", _L, 32, 480, ("27e6d408b53c7ebc868fefa357689935", "b0b66b5c863aef5b46e8608fe1711615")
)
preprocess_input = preprocessing(None)
