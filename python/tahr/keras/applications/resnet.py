"""ResNet: bottlenecks added to their input. `resnet_v2` builds on this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, kernels, standard
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.models import Model

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}  # blocks per stage
FILTERS = (64, 128, 256, 512)


def norm(frame: Frame, x: Any, name: str, activate: bool = True) -> Any:
    """Batch normalisation and relu, `<name>_bn` and `<name>_relu`."""
    x = frame.norm(x, f"{name}_bn", epsilon=1.001e-5)
    return layers.Activation("relu", name=f"{name}_relu")(x) if activate else x


def stem(frame: Frame, normalize: bool) -> Any:
    """A quarter of the size, 64 channels."""
    x = layers.ZeroPadding2D(3, name="conv1_pad")(frame.image)
    x = frame.conv(x, 64, 7, "conv1_conv", use_bias=True, strides=2)
    if normalize:
        x = norm(frame, x, "conv1")
    return layers.MaxPooling2D(3, strides=2, name="pool1_pool")(layers.ZeroPadding2D(1, name="pool1_pad")(x))


def _bottleneck(frame: Frame, x: Any, filters: int, stride: int, project: bool, name: str) -> Any:
    shortcut = x
    if project:
        shortcut = frame.conv(x, 4 * filters, 1, f"{name}_0_conv", use_bias=True, strides=stride)
        shortcut = norm(frame, shortcut, f"{name}_0", activate=False)
    x = frame.conv(x, filters, 1, f"{name}_1_conv", use_bias=True, strides=stride)
    x = norm(frame, x, f"{name}_1")
    x = norm(frame, frame.conv(x, filters, 3, f"{name}_2_conv", use_bias=True, padding="same"), f"{name}_2")
    x = norm(frame, frame.conv(x, 4 * filters, 1, f"{name}_3_conv", use_bias=True), f"{name}_3", activate=False)
    return layers.Activation("relu", name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, x]))


def _resnet(depth: int, hashes: tuple[str, str]) -> Callable[..., Model]:
    def body(frame: Frame) -> Any:
        x = stem(frame, normalize=True)
        for stage, (blocks, filters) in enumerate(zip(DEPTHS[depth], FILTERS, strict=True), 2):
            for i in range(1, blocks + 1):
                stride = 2 if i == 1 and stage > 2 else 1
                x = _bottleneck(frame, x, filters, stride, project=i == 1, name=f"conv{stage}_block{i}")
        return frame.head(x)

    title = f"ResNet{depth}"
    about = f"{title}: {sum(DEPTHS[depth])} blocks of three convolutions."
    source = 'K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2015'
    return standard(title, title.lower(), __name__, about, source, body, kernels(f"resnet/{title.lower()}", hashes))


ResNet50 = _resnet(50, ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"))
ResNet101 = _resnet(101, ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"))
ResNet152 = _resnet(152, ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"))
preprocess_input = preprocessing("caffe")
