"""Nested structures (lists, tuples, named tuples, dicts) and their leaves, in the order that Keras gives them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["flatten", "map_structure", "pack_sequence_as"]


_kinds: dict[type, bool] = {}  # by class: isinstance with an abstract class is slow, and leaves are of few classes


def _is_structure(x: Any) -> bool:
    kind = _kinds.get(x.__class__)
    if kind is None:
        kind = _kinds[x.__class__] = isinstance(x, (list, tuple, Mapping))
    return kind


def flatten(structure: Any) -> list[Any]:
    """The leaves from left to right; dicts in the order of their sorted keys.

    Example:
        >>> import tahr
        >>> tahr.nest.flatten({"b": 1, "a": [2, (3,)]})
        [2, 3, 1]
    """
    if not _is_structure(structure):
        return [structure]
    items = [structure[k] for k in sorted(structure)] if isinstance(structure, Mapping) else structure
    leaves = []
    for item in items:
        if _is_structure(item):
            leaves.extend(flatten(item))
        else:
            leaves.append(item)
    return leaves


def pack_sequence_as(structure: Any, flat: Any) -> Any:
    """The leaves `flat` arranged like `structure`."""
    return _pack(structure, iter(flat))


# Not a function inside the one above: one that calls itself would hold the leaves in a reference cycle.
def _pack(s: Any, leaves: Iterator[Any]) -> Any:
    if not _is_structure(s):
        return next(leaves)
    if isinstance(s, Mapping):
        packed = {k: _pack(s[k], leaves) for k in sorted(s)}
        items = [(k, packed[k]) for k in s]
        if isinstance(s, defaultdict):
            return type(s)(s.default_factory, items)
        return type(s)(items)  # type: ignore[call-arg]
    if isinstance(s, tuple) and hasattr(s, "_fields"):
        return type(s)(*[_pack(i, leaves) for i in s])
    return type(s)([_pack(i, leaves) for i in s])  # type: ignore[call-arg]


def map_structure(fn: Callable[..., Any], *structures: Any) -> Any:
    """`fn` applied to the corresponding leaves of structures of one form."""
    flats = [flatten(s) for s in structures]
    if len({len(f) for f in flats}) > 1:
        raise ValueError(f"[map_structure] expected structures of one form, received {[len(f) for f in flats]} leaves.")
    return pack_sequence_as(structures[0], [fn(*leaves) for leaves in zip(*flats)])
