"""The rule by which `losses.get("mse")`, `initializers.get({...})` and their siblings turn an identifier into an object.

Each module that accepts identifiers builds one `Identifiers` table from its public objects and its aliases, and
exposes `get`, `serialize` and `deserialize` as thin functions over it. Add an alias in the module's table, not here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tahr.keras.backend.state import to_snake_case
from tahr.keras.saving import deserialize_keras_object


class Identifiers:
    """The names of one module: class names, their snake_case forms, functions, and aliases."""

    def __init__(
        self,
        kind: str,
        objects: Iterable[Callable],
        aliases: Mapping[str, Callable] | None = None,
        snake_case: bool = True,
    ):
        self.kind = kind
        self.table: dict[str, Any] = {}
        for obj in objects:
            self.table[obj.__name__] = obj
            if snake_case and inspect.isclass(obj):
                self.table.setdefault(to_snake_case(obj.__name__), obj)
        self.table.update(aliases or {})

    def deserialize(self, config: Any, custom_objects: dict | None = None) -> Any:
        """Rebuilds an object from the config that `serialize` gave, or from a bare name."""
        if isinstance(config, dict) and config.get("class_name") in self.table:
            config = {**config, "class_name": self.table[config["class_name"]].__name__}
        return deserialize_keras_object(config, custom_objects=custom_objects, module_objects=self.table)

    def lookup(self, name: str) -> Any:
        """The object called `name`: one of the module's own, else one registered by the user."""
        if name in self.table:
            return self.table[name]
        from tahr.keras.saving import get_registered_object

        registered = get_registered_object(name)
        if registered is not None:
            return registered
        import difflib  # only for the hint of an error

        close = difflib.get_close_matches(name, list(self.table), n=3)
        hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
        raise ValueError(
            f"[{self.kind}] expected the name of a known {self.kind}, received {name!r}.{hint} A class or function of "
            "your own can be passed directly, or registered with `keras.saving.register_keras_serializable`."
        )

    def get(self, identifier: Any) -> Any:
        """`None`, a name, a config dict, a class (instantiated without arguments) or a callable (returned as it is)."""
        if identifier is None:
            return None
        if isinstance(identifier, str):
            identifier = self.lookup(identifier)
        elif isinstance(identifier, dict):
            identifier = self.deserialize(identifier)
        if inspect.isclass(identifier):
            identifier = identifier()
        if not callable(identifier):
            raise ValueError(
                f"[{self.kind}] expected a name, a config dict, a class or a callable, received {identifier!r} of type "
                f"{type(identifier).__name__}."
            )
        return identifier
