"""Flattening, mapping and comparing nested containers."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_SEQUENCES = (list, tuple, deque)
_CONTAINERS = (list, tuple, deque, dict)


class MAP_TO_NONE:
    """Returned by the function of `traverse` to put None in place of a subtree."""


def is_nested(structure: Any) -> bool:
    """Whether `structure` is a container (list, tuple, deque, dict) and not a leaf.

    >>> from tahr import keras
    >>> keras.tree.is_nested((1,)), keras.tree.is_nested("ab")
    (True, False)
    """
    return isinstance(structure, _CONTAINERS)


def _is_namedtuple(x: Any) -> bool:
    return isinstance(x, tuple) and hasattr(x, "_fields")


def _sorted_keys(d: Mapping) -> list[Any]:
    if isinstance(d, OrderedDict):
        return list(d)
    try:
        return sorted(d)
    except TypeError:
        return list(d)


def _children(x: Any) -> list[tuple[Any, Any]]:
    """(key, child) pairs in walking order."""
    if isinstance(x, dict):
        return [(k, x[k]) for k in _sorted_keys(x)]
    if _is_namedtuple(x):
        return list(zip(x._fields, x))
    return list(enumerate(x))


def _rebuild(like: Any, values: list[Any]) -> Any:
    """A container of the kind of `like` holding `values`, which are in walking order."""
    if isinstance(like, dict):
        new = dict(zip(_sorted_keys(like), values))
        ordered = [(k, new[k]) for k in like]
        if isinstance(like, defaultdict):
            return defaultdict(like.default_factory, ordered)
        return type(like)(ordered)
    if _is_namedtuple(like):
        return type(like)(*values)
    return deque(values, like.maxlen) if isinstance(like, deque) else type(like)(values)


def flatten(structure: Any) -> list[Any]:
    """The leaves of `structure`, from left to right.

    >>> from tahr import keras
    >>> keras.tree.flatten({"b": [1, 2], "a": 3})
    [3, 1, 2]
    """
    if not isinstance(structure, _CONTAINERS):
        return [structure]
    out: list[Any] = []
    stack = [structure]
    while stack:
        x = stack.pop()
        if isinstance(x, _SEQUENCES):
            stack.extend(reversed(x))
        elif isinstance(x, dict):
            stack.extend(x[k] for k in reversed(_sorted_keys(x)))
        else:
            out.append(x)
    return out


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """Pairs (path, leaf), where the path is the tuple of keys and indices that leads to the leaf.

    >>> from tahr import keras
    >>> keras.tree.flatten_with_path({"a": [1, 2]})
    [(('a', 0), 1), (('a', 1), 2)]
    """
    return list(_walk((), structure))


def _walk(path: tuple[Any, ...], x: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if not is_nested(x):
        yield path, x
        return
    for i, (key, child) in enumerate(_children(x)):
        yield from _walk((*path, key if isinstance(x, dict) else i), child)


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """`func` applied to the leaves of one or more structures of the same shape.

    Args:
        func: function of one leaf per structure.
        structures: nested containers.
        none_is_leaf: if False, a None stays as it is wherever all structures hold one.

    Returns:
        A structure like the first one, holding the results.

    Raises:
        TypeError: if `func` is not callable.
        ValueError: if the structures differ, or none is given.

    >>> from tahr import keras
    >>> keras.tree.map_structure(lambda a, b: a + b, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    if not callable(func):
        raise TypeError(f"[map_structure] expected a callable, received {func!r}.")
    if not structures:
        raise ValueError("[map_structure] expected at least one structure, received none.")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    return _map(func, structures, none_is_leaf)


def _map(func: Callable[..., Any], structures: tuple[Any, ...], none_is_leaf: bool) -> Any:
    first = structures[0]
    if isinstance(first, _SEQUENCES):
        return _rebuild(first, [_map(func, children, none_is_leaf) for children in zip(*structures)])
    if isinstance(first, dict):
        keys = _sorted_keys(first)
        return _rebuild(first, [_map(func, tuple(s[k] for s in structures), none_is_leaf) for k in keys])
    if not none_is_leaf and all(s is None for s in structures):
        return None
    return func(*structures)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """As `map_structure`, but only as deep as `shallow_structure` goes; what lies deeper is handed to `func` whole.

    Raises:
        ValueError: if a structure is not at least as deep.

    >>> from tahr import keras
    >>> keras.tree.map_structure_up_to([0, 0], len, [[1, 2], [3]])
    [2, 1]
    """
    if not structures:
        raise ValueError("[map_structure_up_to] expected at least one structure, received none.")
    if not is_nested(shallow_structure):
        return func(*structures)
    shallow = _children(shallow_structure)
    per_structure = []
    for s in structures:
        if not is_nested(s):
            raise ValueError(f"[map_structure_up_to] expected a structure like {shallow_structure!r}, received {s!r}.")
        if isinstance(shallow_structure, dict) != isinstance(s, dict):
            raise ValueError(
                f"[map_structure_up_to] expected a {type(shallow_structure).__name__}, received {type(s).__name__}."
            )
        if len(s) != len(shallow_structure):
            raise ValueError(
                f"[map_structure_up_to] expected {len(shallow_structure)} entries, received {len(s)}: {s!r}."
            )
        if isinstance(shallow_structure, dict):
            missing = [k for k, _ in shallow if k not in s]
            if missing:
                raise ValueError(f"[map_structure_up_to] expected the keys {missing}, received {list(s)}.")
            per_structure.append([s[k] for k, _ in shallow])
        else:
            per_structure.append(list(s))
    results = [map_structure_up_to(child, func, *parts) for (_, child), *parts in zip(shallow, *per_structure)]
    return _rebuild(shallow_structure, results)


def assert_same_structure(a: Any, b: Any, check_types: Any = None) -> None:
    """Raises unless `a` and `b` nest in the same way.

    Args:
        a: a structure.
        b: another.
        check_types: no longer used by Keras; only None.

    Raises:
        ValueError: if they differ in nesting, lengths, kinds of containers or keys.
    """
    if check_types is not None:
        raise ValueError("[assert_same_structure] expected check_types=None: container types are always compared.")
    stack: list[tuple[Any, Any, tuple[Any, ...]]] = [(a, b, ())]
    while stack:
        x, y, path = stack.pop()
        where = f" at {path}" if path else ""
        if not is_nested(x) and not is_nested(y):
            continue
        if is_nested(x) != is_nested(y):
            raise ValueError(
                f"[tree] expected structures that nest alike, received {type(x).__name__} and "
                f"{type(y).__name__}{where}: {x!r} and {y!r}."
            )
        same_kind = (
            (isinstance(x, dict) and isinstance(y, dict))
            or (_is_namedtuple(x) and type(x) is type(y))
            or (isinstance(x, list) and isinstance(y, list))
            or (isinstance(x, deque) and isinstance(y, deque))
            or (isinstance(x, tuple) and isinstance(y, tuple) and not _is_namedtuple(x) and not _is_namedtuple(y))
        )
        if not same_kind:
            raise ValueError(
                f"[tree] expected containers of one kind, received {type(x).__name__} and {type(y).__name__}{where}."
            )
        if len(x) != len(y):
            raise ValueError(f"[tree] expected equal lengths, received {len(x)} and {len(y)}{where}.")
        if isinstance(x, dict):
            if set(x) != set(y):
                raise ValueError(f"[tree] expected equal keys, received {list(x)} and {list(y)}{where}.")
            stack.extend((x[k], y[k], (*path, k)) for k in x)
        else:
            stack.extend((c, d, (*path, i)) for i, (c, d) in enumerate(zip(x, y)))


def assert_same_paths(a: Any, b: Any) -> None:
    """Raises ValueError unless the leaves of `a` and `b` have the same paths, whatever the kinds of containers."""
    paths_a = {p for p, _ in flatten_with_path(a)}
    paths_b = {p for p, _ in flatten_with_path(b)}
    if paths_a != paths_b:
        only_a, only_b = sorted(map(str, paths_a - paths_b)), sorted(map(str, paths_b - paths_a))
        raise ValueError(f"[tree] expected equal paths, received {only_a} only in one, {only_b} in the other.")


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """The leaves of `flat_sequence` arranged like `structure`.

    Raises:
        TypeError: if `flat_sequence` is not a list or tuple.
        ValueError: if the number of leaves differs.

    >>> from tahr import keras
    >>> keras.tree.pack_sequence_as([0, (0, 0)], [1, 2, 3])
    [1, (2, 3)]
    """
    if not isinstance(flat_sequence, (list, tuple)):
        raise TypeError(f"[pack_sequence_as] expected a flat list of leaves, received {flat_sequence!r}.")
    count = len(flatten(structure))
    if count != len(flat_sequence):
        raise ValueError(f"[pack_sequence_as] expected {count} leaves, received {len(flat_sequence)}.")
    leaves = iter(flat_sequence)
    return _map(lambda _: next(leaves), (structure,), True)


def lists_to_tuples(structure: Any) -> Any:
    """`structure` with each list turned into a tuple."""

    def convert(x: Any) -> Any:
        return tuple(x) if isinstance(x, list) else None

    return traverse(convert, structure, top_down=False)


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Visits every container and leaf, replacing those for which `func` returns something.

    Args:
        func: returns None to keep what it was given, `MAP_TO_NONE` to replace it by None, else the replacement.
        structure: a nested structure.
        top_down: containers before their children (a replaced one is not entered), or after them.

    Returns:
        The new structure.

    Raises:
        TypeError: if `func` is not callable.
    """
    if not callable(func):
        raise TypeError(f"[traverse] expected a callable, received {func!r}.")

    def settle(result: Any) -> Any:
        return None if result is MAP_TO_NONE or isinstance(result, MAP_TO_NONE) else result

    def visit(x: Any) -> Any:
        if top_down or not is_nested(x):
            result = func(x)
            if result is not None:
                return settle(result)
            if not is_nested(x):
                return x
        x = _rebuild(x, [visit(child) for _, child in _children(x)])
        if not top_down:
            result = func(x)
            if result is not None:
                return settle(result)
        return x

    return visit(structure)


def is_shape(x: Any) -> bool:
    """Whether `x` is a shape: a list or tuple of ints and None, with no nesting."""
    return isinstance(x, (list, tuple)) and all(d is None or isinstance(d, int) for d in x)


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """`func` applied to each shape (a tuple of ints and None) in `structure`.

    >>> from tahr import keras
    >>> keras.tree.map_shape_structure(len, {"a": (None, 3), "b": (2,)})
    {'a': 2, 'b': 1}
    """
    if not callable(func):
        raise TypeError(f"[map_shape_structure] expected a callable, received {func!r}.")
    if is_shape(structure):
        return func(tuple(structure))
    if is_nested(structure):
        return _rebuild(structure, [map_shape_structure(func, child) for _, child in _children(structure)])
    raise ValueError(f"[map_shape_structure] expected shapes, received {structure!r}.")
