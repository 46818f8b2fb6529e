"""State of the session: counters for automatic names, and one place for thread-local scopes."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from typing import Any

_uids: defaultdict[str, int] = defaultdict(int)
_session: dict[str, Any] = {}  # what clear_session() forgets: default dtype policy, global seed generator
_threads = threading.local()


def get_session(key: str, default: Any = None) -> Any:
    return _session.get(key, default)


def set_session(key: str, value: Any) -> None:
    _session[key] = value


def get_scope(key: str, default: Any = None) -> Any:
    """The current value of a thread-local scope."""
    return getattr(_threads, key, default)


def any_scope(first: str, second: str) -> bool:
    """Whether one of two thread-local scopes is open: `get_scope` of both in one call."""
    threads = _threads
    return getattr(threads, first, None) is not None or getattr(threads, second, None) is not None


def set_scope(key: str, value: Any) -> None:
    setattr(_threads, key, value)


def get_uid(prefix: str = "") -> int:
    """The next number for `prefix`: 1, 2, 3, ...

    >>> from tahr import keras
    >>> keras.backend.get_uid("example"), keras.backend.get_uid("example")
    (1, 2)
    """
    _uids[prefix] += 1
    return _uids[prefix]


def reset_uids() -> None:
    _uids.clear()


def to_snake_case(name: str) -> str:
    """`MultiHeadAttention` -> `multi_head_attention`; `Conv2D` -> `conv2d`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """A name not given before in this session: `dense`, `dense_1`, ..."""
    prefix = to_snake_case(prefix)
    number = get_uid(prefix) - 1
    return prefix if number == 0 else f"{prefix}_{number}"


def unique_name(name: str) -> str:
    """`name`, numbered from its second use on, without changing its spelling."""
    number = get_uid(name) - 1
    return name if number == 0 else f"{name}_{number}"


def clear_session(free_memory: bool = True) -> None:
    """Forgets what the session holds: name counters, the default dtype policy, the global seed generator.

    Args:
        free_memory: run the garbage collector as well, so that dropped models release their weights now.
    """
    _uids.clear()
    _session.clear()
    _threads.__dict__.clear()
    if free_memory:
        import gc

        gc.collect()
