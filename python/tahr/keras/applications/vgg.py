"""What VGG16 and VGG19 share: five blocks of 3 x 3 convolutions, two wide layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, kernels, standard
from tahr.keras.models import Model

_FILTERS = (64, 128, 256, 512, 512)


def vgg(title: str, depths: tuple[int, ...], hashes: tuple[str, str]) -> Callable[..., Model]:
    """The function of a model with that many convolutions per block."""
    name = title.lower()

    def body(frame: Frame) -> Any:
        x = frame.image
        for block, (depth, filters) in enumerate(zip(depths, _FILTERS, strict=True), 1):
            for i in range(1, depth + 1):
                conv = f"block{block}_conv{i}"
                x = frame.conv(x, filters, 3, conv, use_bias=True, activation="relu", padding="same")
            x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        if not frame.include_top:
            return frame.pool(x)
        x = layers.Flatten(name="flatten")(x)
        for dense in ("fc1", "fc2"):
            x = layers.Dense(4096, activation="relu", name=dense)(x)
        return frame.dense(x)

    about = f"{title}: {sum(depths)} convolutions and 3 wide layers. The classifier wants pictures of one size."
    source = 'K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014'
    return standard(
        title, name, f"tahr.keras.applications.{name}", about, source, body, kernels(f"{name}/{name}", hashes)
    )
