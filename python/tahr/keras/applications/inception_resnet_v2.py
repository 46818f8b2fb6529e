"""Inception-ResNet V2: Inception modules whose scaled result is added to their input."""

from __future__ import annotations

from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, kernels, standard
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.applications.inception_v3 import branch, stem

__all__ = ["InceptionResNetV2", "decode_predictions", "preprocess_input"]

_FIRST = ((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3))
_SHRINK_6 = ((384, 3, 2),), ((256, 1), (256, 3), (384, 3, 2))
_SHRINK_7 = ((256, 1), (384, 3, 2)), ((256, 1), (288, 3, 2)), ((256, 1), (288, 3), (320, 3, 2))
# Kind of block -> how many, scale, branches.
_BLOCKS: dict[str, Any] = {
    "block35": (10, 0.17, (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3)))),
    "block17": (20, 0.1, (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1))))),
    "block8": (10, 0.2, (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1))))),
}


class CustomScaleLayer(layers.Layer):
    """`x + scale * y` of a pair `[x, y]` of equal shapes; called as in the files of Keras.

    Args:
        scale: the factor.
        kwargs: arguments of `keras.layers.Layer`.
    """

    _keras_module = "keras.src.applications.inception_resnet_v2"

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: list[Any]) -> Any:
        return inputs[0] + inputs[1] * self.scale

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


def _blocks(frame: Frame, x: Any, kind: str) -> Any:
    count, scale, branches = _BLOCKS[kind]
    for i in range(1, count + 1):
        name = f"{kind}_{i}"
        ends = [branch(frame, x, b) for b in branches]
        mixed = layers.Concatenate(axis=frame.axis, name=f"{name}_mixed")(ends)
        up = frame.conv(mixed, frame.channels(x), 1, f"{name}_conv", use_bias=True, padding="same")
        last = (kind, i) == ("block8", 10)  # is added whole, and not cut at zero
        x = CustomScaleLayer(1.0 if last else scale)([x, up])
        if not last:
            x = layers.Activation("relu", name=f"{name}_ac")(x)
    return x


def _body(frame: Frame) -> Any:
    def join(x: Any, branches: Any, pooled: Any, name: str) -> Any:
        ends = [branch(frame, x, b) for b in branches]
        return layers.Concatenate(axis=frame.axis, name=name)([*ends, pooled(x)])

    x = stem(frame)
    average = layers.AveragePooling2D(3, strides=1, padding="same")
    x = join(x, _FIRST, lambda x: branch(frame, average(x), ((64, 1),)), "mixed_5b")
    x = _blocks(frame, x, "block35")
    x = join(x, _SHRINK_6, layers.MaxPooling2D(3, strides=2), "mixed_6a")
    x = _blocks(frame, x, "block17")
    x = join(x, _SHRINK_7, layers.MaxPooling2D(3, strides=2), "mixed_7a")
    x = _blocks(frame, x, "block8")
    x = frame.norm(frame.conv(x, 1536, 1, "conv_7b", padding="same"), "conv_7b_bn", scale=False)
    return frame.head(layers.Activation("relu", name="conv_7b_ac")(x), named=False)


_NAME = "inception_resnet_v2"
InceptionResNetV2 = standard(
    "InceptionResNetV2",
    _NAME,
    __name__,
    "Inception-ResNet V2: 40 residual Inception blocks.",
    'C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi, "Inception-v4, Inception-ResNet and the impact of residual '
    'connections on learning", 2016',
    _body,
    kernels(f"{_NAME}/{_NAME}", ("e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4")),
    size=299,
    least=75,
)
preprocess_input = preprocessing("tf")
