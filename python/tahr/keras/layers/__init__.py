"""keras.layers: the layers, one folder per family.

- layer.py: `Layer`; state.py, tracking.py, call_spec.py, input_spec.py: its parts
- core, activation, regularization, reshaping, merging, preprocessing, ...: the layers

A new layer: a file in its family's folder, and its name in `_NAMES` below (modules load on first use).
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Layer": "layer",
    "InputSpec": "input_spec",
    # core
    "Dense": "core.dense",
    "Identity": "core.identity",
    "Input": "core.input_layer",
    "InputLayer": "core.input_layer",
    "Lambda": "core.lambda_layer",
    "Masking": "core.masking",
    "Wrapper": "core.wrapper",
    # activation
    "Activation": "activation.activation",
    "ELU": "activation.elementwise",
    "LeakyReLU": "activation.elementwise",
    "PReLU": "activation.prelu",
    "ReLU": "activation.elementwise",
    "Softmax": "activation.softmax",
    # regularization
    "ActivityRegularization": "regularization.activity_regularization",
    "AlphaDropout": "regularization.alpha_dropout",
    "Dropout": "regularization.dropout",
    "GaussianDropout": "regularization.gaussian",
    "GaussianNoise": "regularization.gaussian",
    "SpatialDropout1D": "regularization.spatial_dropout",
    "SpatialDropout2D": "regularization.spatial_dropout",
    "SpatialDropout3D": "regularization.spatial_dropout",
    # reshaping
    "Flatten": "reshaping.flatten",
    "Permute": "reshaping.permute",
    "RepeatVector": "reshaping.repeat_vector",
    "Reshape": "reshaping.reshape",
    # merging
    "Add": "merging.elementwise",
    "Average": "merging.elementwise",
    "Concatenate": "merging.concatenate",
    "Dot": "merging.dot",
    "Maximum": "merging.elementwise",
    "Minimum": "merging.elementwise",
    "Multiply": "merging.elementwise",
    "Subtract": "merging.elementwise",
    "add": "merging.functions",
    "average": "merging.functions",
    "concatenate": "merging.functions",
    "dot": "merging.functions",
    "maximum": "merging.functions",
    "minimum": "merging.functions",
    "multiply": "merging.functions",
    "subtract": "merging.functions",
    # preprocessing
    "Normalization": "preprocessing.normalization",
    "Rescaling": "preprocessing.rescaling",
}

__all__ = [*_NAMES, "deserialize", "serialize"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})


def serialize(layer: Any) -> dict[str, Any]:
    """The config of a layer.

    >>> from tahr import keras
    >>> keras.layers.serialize(keras.layers.Flatten())["class_name"]
    'Flatten'
    """
    from tahr.keras.saving import serialize_keras_object

    return serialize_keras_object(layer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The layer that `serialize` described.

    Raises:
        ValueError: if the config is not that of a layer.
    """
    from tahr.keras.layers.layer import Layer
    from tahr.keras.saving import deserialize_keras_object

    found = deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(found, Layer):
        raise ValueError(f"[layers.deserialize] expected the config of a layer, received {config!r}.")
    return found
