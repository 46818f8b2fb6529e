"""Config: settings of a script as attributes."""

from __future__ import annotations

import copy
import json
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any


class Config:
    """A dict whose entries are attributes, and which can be frozen against changes.

    Args:
        kwargs: the entries.

    Raises:
        ValueError: for a change while it is frozen.
        AttributeError: for an attribute that there is not.

    Example:
        >>> from tahr import keras
        >>> config = keras.utils.Config(rate=0.1, epochs=3)
        >>> config.rate = 0.2
        >>> config.freeze()
        >>> config.rate, config["epochs"], config.frozen
        (0.2, 3, True)
    """

    _entries: dict[str, Any]
    _is_frozen: bool

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_entries", dict(kwargs))
        object.__setattr__(self, "_is_frozen", False)

    @property
    def frozen(self) -> bool:
        """Whether the entries cannot be changed."""
        return self._is_frozen

    def freeze(self) -> None:
        """Refuses changes from now on."""
        object.__setattr__(self, "_is_frozen", True)

    def unfreeze(self) -> None:
        """Allows changes again."""
        object.__setattr__(self, "_is_frozen", False)

    def _changing(self) -> dict[str, Any]:
        if self._is_frozen:
            raise ValueError("[Config] expected no changes: it is frozen. Call `config.unfreeze()` first.")
        return self._entries

    def as_dict(self) -> dict[str, Any]:
        """The entries in a dict."""
        return copy.copy(self._entries)

    def to_json(self) -> str:
        """The entries as JSON."""
        return json.dumps(self._entries)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._entries.keys()

    def values(self) -> ValuesView[Any]:
        """The values."""
        return self._entries.values()

    def items(self) -> ItemsView[str, Any]:
        """Pairs of name and value."""
        return self._entries.items()

    def get(self, keyname: str, value: Any = None) -> Any:
        """The entry `keyname`, or `value` if there is none."""
        return self._entries.get(keyname, value)

    def pop(self, *args: Any) -> Any:
        """Takes an entry out, as `dict.pop` does."""
        return self._changing().pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Sets entries, as `dict.update` does."""
        self._changing().update(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._entries[name]
        except KeyError:
            raise AttributeError(f"[Config] has no entry {name!r}; there are {sorted(self._entries)}.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._changing()[name] = value

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __setitem__(self, key: str, item: Any) -> None:
        self._changing()[key] = item

    def __delitem__(self, key: str) -> None:
        del self._changing()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, item: Any) -> bool:
        return item in self._entries

    def __repr__(self) -> str:
        return f"<Config {self._entries}>"
