"""Nested structures of arrays as data has them: like `tahr.nest`, but None is an absent part and stays None."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tahr.nest import flatten as flatten


def is_nested(value: Any) -> bool:
    """True for a tuple, list or dict, False for a leaf."""
    return isinstance(value, (tuple, list, dict))


def map_structure(function: Callable[[Any], Any], value: Any) -> Any:
    """`value` with each leaf replaced by `function(leaf)`; None stays None."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {key: map_structure(function, item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        items = [map_structure(function, item) for item in value]
        if hasattr(value, "_fields"):  # a named tuple takes its fields one by one
            return type(value)(*items)
        return tuple(items) if isinstance(value, tuple) else items
    return function(value)


def lists_as_tuples(value: Any) -> Any:
    """`value` with each list a tuple."""
    if isinstance(value, dict):
        return {key: lists_as_tuples(item) for key, item in value.items()}
    if isinstance(value, list) or value.__class__ is tuple:
        return tuple(lists_as_tuples(item) for item in value)
    return value


def named_leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Pairs (path, leaf), the path written as a user would index the argument: `x`, `x[1]`, `y['main']`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from named_leaves(item, f"{name}[{key!r}]")
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from named_leaves(item, f"{name}[{index}]")
    elif value is not None:
        yield name, value
