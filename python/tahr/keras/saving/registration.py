"""The table of custom classes and functions, by which a config finds them again."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tahr.keras.backend import state

_global: dict[str, Any] = {}  # registered name -> object
_names: dict[Any, str] = {}  # object -> registered name


class CustomObjectScope:
    """Makes custom objects known by name inside a `with` block.

    Args:
        custom_objects: from names to classes or functions.

    >>> from tahr import keras
    >>> def double(x):
    ...     return 2 * x
    >>> with keras.saving.custom_object_scope({"double": double}):
    ...     layer = keras.layers.Activation("double")
    """

    def __init__(self, custom_objects: dict[str, Any]) -> None:
        self.custom_objects = custom_objects or {}

    def __enter__(self) -> CustomObjectScope:
        self._former = state.get_scope("custom_objects")
        state.set_scope("custom_objects", {**(self._former or {}), **self.custom_objects})
        return self

    def __exit__(self, *exc: Any) -> None:
        state.set_scope("custom_objects", self._former)


custom_object_scope = CustomObjectScope


def scoped_custom_objects() -> dict[str, Any]:
    """What the open scopes know."""
    return state.get_scope("custom_objects") or {}


def get_custom_objects() -> dict[str, Any]:
    """The global table of custom objects; it may be changed in place."""
    return _global


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Decorator that makes a class or function known to configs as `package>name`.

    Args:
        package: name of the project it belongs to.
        name: name in configs; by default that of the class or function.

    Raises:
        ValueError: if a class has no `get_config`, or something that is no class or function is decorated.

    >>> from tahr import keras
    >>> @keras.saving.register_keras_serializable(package="my_project")
    ... class Twice(keras.layers.Layer):
    ...     def call(self, x):
    ...         return x * 2
    >>> keras.saving.get_registered_name(Twice)
    'my_project>Twice'
    """

    def register(arg: Any) -> Any:
        registered = f"{package}>{name if name is not None else arg.__name__}"
        if inspect.isclass(arg) and not hasattr(arg, "get_config"):
            raise ValueError(
                f"[register_keras_serializable] expected a class with a get_config() method, received {arg!r}."
            )
        _global[registered] = arg
        _names[arg] = registered
        return arg

    return register


def get_registered_name(obj: Any) -> Any:
    """The name under which `obj` was registered, else its `__name__`."""
    try:
        return _names.get(obj) or obj.__name__
    except TypeError:
        return obj.__name__


def is_registered(obj: Any) -> bool:
    try:
        return obj in _names
    except TypeError:
        return False


def get_registered_object(
    name: str, custom_objects: dict[str, Any] | None = None, module_objects: dict[str, Any] | None = None
) -> Any:
    """The object registered as `name`: in the open scopes, the global table, `custom_objects`, `module_objects`.

    Returns:
        The class or function, or None if nobody knows the name.
    """
    for table in (scoped_custom_objects(), _global, custom_objects or {}, module_objects or {}):
        if name in table:
            return table[name]
    return None
