"""keras.activations: the functions, and finding them by name.

The functions live in `functions.py`, one definition each; `get` turns a name, a config or a callable into a function.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from tahr import ops as _engine_ops
from tahr.keras.activations import functions as _functions
from tahr.keras.activations.functions import (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    swish,
    tanh,
    tanh_shrink,
    threshold,
)

_BY_NAME: dict[str, Callable[..., Any]] = {name: getattr(_functions, name) for name in _functions.__all__}

__all__ = [*_functions.__all__, "deserialize", "get", "serialize"]


def serialize(activation: Any) -> Any:
    """The name of a Keras activation, or the config of any other callable.

    >>> from tahr import keras
    >>> keras.activations.serialize(keras.activations.relu)
    'relu'
    """
    from tahr.keras.saving import get_registered_name, serialize_keras_object

    name = getattr(activation, "__name__", "")
    if name in _BY_NAME and activation in (_BY_NAME[name], getattr(_engine_ops, name, None)):
        return name
    config = serialize_keras_object(activation)
    if not isinstance(config, dict) or "config" not in config:
        raise ValueError(
            f"[activations] expected a function with a name, received {activation!r}. Register it with "
            "@keras.saving.register_keras_serializable()."
        )
    if isinstance(activation, types.FunctionType) and isinstance(config["config"], str):
        config["config"] = get_registered_name(activation)
    return config


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The activation that `serialize` described."""
    from tahr.keras.saving import deserialize_keras_object

    if isinstance(config, str) and config in _BY_NAME:
        return _BY_NAME[config]
    return deserialize_keras_object(config, module_objects=_BY_NAME, custom_objects=custom_objects)


def get(identifier: Any) -> Callable[..., Any]:
    """An activation from None (`linear`), a name, a config or a callable.

    Raises:
        ValueError: if there is no such activation.

    >>> from tahr import keras
    >>> keras.activations.get("relu").__name__
    'relu'
    """
    from tahr.keras.saving import deserialize_keras_object, get_registered_object

    if identifier is None:
        return linear
    found = identifier
    if isinstance(identifier, dict):
        found = deserialize_keras_object(identifier)
    elif isinstance(identifier, str):
        found = _BY_NAME.get(identifier) or get_registered_object(identifier)
    if callable(found):
        return found
    raise ValueError(
        f"[activations] expected the name of an activation or a callable, received {identifier!r}. "
        f"The names are {', '.join(sorted(_BY_NAME))}."
    )
