"""DenseNet: every block of two convolutions sees the channels of all blocks before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, kernels, standard
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.models import Model

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

_GROWTH = 32  # channels that a block adds


def _norm(frame: Frame, x: Any, prefix: str) -> Any:
    x = frame.norm(x, f"{prefix}bn", epsilon=1.001e-5)
    return layers.Activation("relu", name=f"{prefix}relu")(x)


def _dense_block(frame: Frame, x: Any, name: str) -> Any:
    new = frame.conv(_norm(frame, x, f"{name}_0_"), 4 * _GROWTH, 1, f"{name}_1_conv")
    new = frame.conv(_norm(frame, new, f"{name}_1_"), _GROWTH, 3, f"{name}_2_conv", padding="same")
    return layers.Concatenate(axis=frame.axis, name=f"{name}_concat")([x, new])


def _transition(frame: Frame, x: Any, name: str) -> Any:
    """Half the channels, half the size."""
    x = frame.conv(_norm(frame, x, f"{name}_"), frame.channels(x) // 2, 1, f"{name}_conv")
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def _densenet(depth: int, blocks: tuple[int, ...], hashes: tuple[str, str]) -> Callable[..., Model]:
    def body(frame: Frame) -> Any:
        x = frame.conv(layers.ZeroPadding2D(3)(frame.image), 64, 7, "conv1_conv", strides=2)
        x = layers.ZeroPadding2D(1)(_norm(frame, x, "conv1_"))
        x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
        for stage, count in enumerate(blocks, 2):
            for i in range(1, count + 1):
                x = _dense_block(frame, x, f"conv{stage}_block{i}")
            if stage < 5:
                x = _transition(frame, x, f"pool{stage}")
        return frame.head(_norm(frame, x, ""))

    title = f"DenseNet{depth}"
    about = f"{title}: {sum(blocks)} blocks of two convolutions. Pictures have their channels last."
    source = 'G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger, "Densely connected convolutional networks", 2016'
    published = kernels(f"densenet/{title.lower()}", hashes)
    return standard(title, title.lower(), __name__, about, source, body, published, channels_first=False)


DenseNet121 = _densenet(121, (6, 12, 24, 16), ("9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"))
DenseNet169 = _densenet(169, (6, 12, 32, 32), ("d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"))
DenseNet201 = _densenet(201, (6, 12, 48, 32), ("1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"))
preprocess_input = preprocessing("torch")
