"""keras.legacy.saving: configs of objects as Keras 2 wrote them, names without modules."""

from __future__ import annotations

import inspect
from typing import Any

from tahr.keras.saving.registration import CustomObjectScope, get_custom_objects, get_registered_name
from tahr.keras.saving.registration import get_registered_object as _registered

_PASSIVE = "__passive_serialization__"  # marks what became a dict because it was an object


def serialize_keras_object(instance: Any) -> Any:
    """The config of an object in the form of Keras 2.

    Args:
        instance: an object with a `get_config`, a function or class, or None.

    Returns:
        `{"class_name", "config"}`, the name of a function, or None.

    Raises:
        ValueError: for an object of another kind.

    >>> from tahr import keras
    >>> keras.legacy.saving.serialize_keras_object(keras.losses.mse)
    'mean_squared_error'
    """
    instance = inspect.unwrap(instance) if callable(instance) else instance
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        config = {key: _serialize_item(item) for key, item in instance.get_config().items()}
        return {"class_name": get_registered_name(type(instance)), "config": config}
    if hasattr(instance, "__name__"):
        return get_registered_name(instance)
    raise ValueError(
        f"[serialize_keras_object] expected an object with a get_config() or a function, received {instance!r}. "
        "Implement get_config()."
    )


def _serialize_item(item: Any) -> Any:
    if isinstance(item, str):
        return item
    try:
        config = serialize_keras_object(item)
    except ValueError:
        return item
    return {**config, _PASSIVE: True} if isinstance(config, dict) and not isinstance(item, dict) else config


def deserialize_keras_object(
    identifier: Any,
    module_objects: dict[str, Any] | None = None,
    custom_objects: dict[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that a config in the form of Keras 2 describes. Nothing is imported: names stand for what is given.

    Args:
        identifier: `{"class_name", "config"}`, the name of a function or class, a function, or None.
        module_objects: dict from names to the objects they stand for.
        custom_objects: the same, known inside of the object, too.
        printable_module_name: what messages call the object.

    Returns:
        The object; an instance where a name is that of a class.

    Raises:
        ValueError: for an unknown name, or a config of another form.

    >>> from tahr import keras
    >>> config = {"class_name": "Dense", "config": {"units": 3, "activation": "relu"}}
    >>> keras.legacy.saving.deserialize_keras_object(config, {"Dense": keras.layers.Dense}).units
    3
    """
    if identifier is None or inspect.isfunction(identifier):
        return identifier
    if isinstance(identifier, str):
        found = _registered(identifier, custom_objects, module_objects)
        if found is None:
            raise _unknown(printable_module_name, identifier)
        return found() if inspect.isclass(found) else found
    if not isinstance(identifier, dict):
        raise ValueError(
            f"[deserialize_keras_object] expected a config or a name for the {printable_module_name}, received "
            f"{identifier!r}. Could not interpret serialized {printable_module_name}."
        )
    if "class_name" not in identifier or "config" not in identifier:
        raise ValueError(
            "[deserialize_keras_object] Improper config format: expected a dict with the keys 'class_name' and 'config', "
            f"received {identifier!r}."
        )
    cls = _registered(identifier["class_name"], custom_objects, module_objects)
    if cls is None:
        raise _unknown(printable_module_name, identifier["class_name"])
    config = identifier["config"]
    if isinstance(config, dict):
        config = {k: _deserialize_item(k, v, module_objects, custom_objects) for k, v in config.items()}
    custom_objects = custom_objects or {}
    if not hasattr(cls, "from_config"):  # a function that makes the object
        with CustomObjectScope(custom_objects):
            return cls(**config)
    if "custom_objects" in inspect.signature(cls.from_config).parameters:
        return cls.from_config(config, custom_objects={**get_custom_objects(), **custom_objects})
    with CustomObjectScope(custom_objects):
        return cls.from_config(config)


def _deserialize_item(key: str, item: Any, module_objects: Any, custom_objects: Any) -> Any:
    if key == "name":  # never a function, even where one has this name
        return item
    if isinstance(item, dict) and _PASSIVE in item:
        item = {k: v for k, v in item.items() if k != _PASSIVE}
        return deserialize_keras_object(item, module_objects, custom_objects, "config_item")
    if isinstance(item, str):
        found = _registered(item, custom_objects, module_objects)
        return found if inspect.isfunction(found) else item
    return item


def _unknown(what: str, name: str) -> ValueError:
    return ValueError(
        f"[deserialize_keras_object] Unknown {what}: {name!r}. Pass it in custom_objects or module_objects, or register it "
        "with keras.saving.register_keras_serializable()."
    )
