"""`keras.applications`: image models with the weights that Keras publishes for them.

`common.py` holds what the models share: arguments and their checks, input, classifier, published files. Each other file
is one family: a table of its sizes, the blocks, and a function per model. `resnet50` and `imagenet_utils` are namespaces
of Keras. Layers are named, and made in an order, as in Keras: its files are matched by both. To add a family: write
its file, and name its models in `_MODELS`.

Nothing is built, imported or downloaded before a model is asked for. Files go to `$TAHR_HOME/models`; with
`TAHR_HOME=~/.keras` the files that Keras has downloaded are used.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODELS = {
    "convnext": "ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge",
    "densenet": "DenseNet121 DenseNet169 DenseNet201",
    "efficientnet": " ".join(f"EfficientNetB{i}" for i in range(8)),
    "efficientnet_v2": " ".join(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "inception_resnet_v2": "InceptionResNetV2",
    "inception_v3": "InceptionV3",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3": "MobileNetV3Small MobileNetV3Large",
    "nasnet": "NASNetMobile NASNetLarge",
    "resnet": "ResNet50 ResNet101 ResNet152",
    "resnet_v2": "ResNet50V2 ResNet101V2 ResNet152V2",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "xception": "Xception",
}
_MODULE_OF = {model: module for module, models in _MODELS.items() for model in models.split()}
_MODULES = (*_MODELS, "imagenet_utils", "resnet50")

__all__ = [*_MODULES, *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
