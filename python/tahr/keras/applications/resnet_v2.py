"""ResNet V2: normalisation and relu before each convolution, and nothing after the addition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, kernels, standard
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.applications.resnet import DEPTHS, FILTERS, norm, stem
from tahr.keras.models import Model

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]


def _bottleneck(frame: Frame, x: Any, filters: int, stride: int, project: bool, name: str) -> Any:
    active = norm(frame, x, f"{name}_preact")
    if project:
        shortcut = frame.conv(active, 4 * filters, 1, f"{name}_0_conv", use_bias=True, strides=stride)
    else:
        shortcut = layers.MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    x = norm(frame, frame.conv(active, filters, 1, f"{name}_1_conv"), f"{name}_1")
    x = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = norm(frame, frame.conv(x, filters, 3, f"{name}_2_conv", strides=stride), f"{name}_2")
    x = frame.conv(x, 4 * filters, 1, f"{name}_3_conv", use_bias=True)
    return layers.Add(name=f"{name}_out")([shortcut, x])


def _resnet_v2(depth: int, hashes: tuple[str, str]) -> Callable[..., Model]:
    def body(frame: Frame) -> Any:
        x = stem(frame, normalize=False)
        for stage, (blocks, filters) in enumerate(zip(DEPTHS[depth], FILTERS, strict=True), 2):
            for i in range(1, blocks + 1):
                stride = 2 if i == blocks and stage < 5 else 1
                x = _bottleneck(frame, x, filters, stride, project=i == 1, name=f"conv{stage}_block{i}")
        return frame.head(norm(frame, x, "post"))

    title = f"ResNet{depth}V2"
    about = f"{title}: {sum(DEPTHS[depth])} blocks of three convolutions, normalisation first."
    source = 'K. He, X. Zhang, S. Ren, J. Sun, "Identity mappings in deep residual networks", 2016'
    return standard(title, title.lower(), __name__, about, source, body, kernels(f"resnet/{title.lower()}", hashes))


ResNet50V2 = _resnet_v2(50, ("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"))
ResNet101V2 = _resnet_v2(101, ("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"))
ResNet152V2 = _resnet_v2(152, ("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"))
preprocess_input = preprocessing("tf")
