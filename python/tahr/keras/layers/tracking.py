"""Which variables, layers, metrics and seed generators an object holds, in the order it got them.

A layer files every attribute it is given. Lists, dicts and sets are replaced by versions that file what is put into
them later.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import tahr
from tahr import tracing

_PLAIN = (bool, int, float, str, bytes, type(None))
_LOCKED = (
    "[{name}] cannot add new elements of state (variables or layers) after build(), received {value!r}. "
    "Create all of them in __init__() or build()."
)


def no_automatic_dependency_tracking(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of methods whose attribute assignments are not to be filed."""

    @functools.wraps(fn)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        tracker = self._tracker
        former, tracker.active = tracker.active, False
        try:
            return fn(self, *args, **kwargs)
        finally:
            tracker.active = former

    return wrapped


class Tracker:
    """The lists in which an object files its state."""

    active = False  # while a copy is being filled
    _owner: Any = None

    def __init__(self, owner: Any) -> None:
        self.trainable_variables: list[Any] = []
        self.non_trainable_variables: list[Any] = []
        self.layers: list[Any] = []
        self.metrics: list[Any] = []
        self.seed_generators: list[Any] = []
        self.active = True
        self.locked = False
        self._owner = owner

    def list_for(self, value: Any) -> list[Any] | None:
        """The list that `value` belongs in, or None."""
        if isinstance(value, tahr.Variable):
            if any(v is value for v in self.trainable_variables):  # frozen since it was filed
                return self.trainable_variables
            return self.trainable_variables if value.trainable else self.non_trainable_variables
        modules = sys.modules
        metric = getattr(modules.get("tahr.keras.metrics"), "Metric", None)
        if metric is not None and isinstance(value, metric):
            return self.metrics
        layer = getattr(modules.get("tahr.keras.layers.layer"), "Layer", None)
        if layer is not None and isinstance(value, layer):
            return self.layers
        generator = getattr(modules.get("tahr.keras.random.seed_generator"), "SeedGenerator", None)
        if generator is not None and isinstance(value, generator):
            return self.seed_generators
        return None

    def track(self, value: Any) -> Any:
        """Files `value` and what it holds; returns it, containers replaced by ones that go on filing."""
        if not self.active or value.__class__ in _PLAIN or isinstance(value, (TrackedList, TrackedDict, TrackedSet)):
            return value
        if isinstance(value, tuple):
            items = [self.track(v) for v in value]
            if all(a is b for a, b in zip(items, value)):
                return value
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        if value.__class__ is list:
            return TrackedList(value, self)
        if value.__class__ is dict:
            return TrackedDict(value, self)
        if value.__class__ is set:
            return TrackedSet(value, self)
        if isinstance(value, (list, dict, set)):
            for v in list(value.values()) if isinstance(value, dict) else list(value):
                self.track(v)
            return value
        store = self.list_for(value)
        if store is not None:
            self.file(value, store)
        return value

    def count_edit(self) -> None:
        """Traces of the owner, and of models around it, are of what its containers held before."""
        if (
            self._owner is not None and not tracing.is_tracing()
        ):  # what a trace itself leaves behind makes no trace stale
            edits = self._owner.__dict__
            edits["_edits"] = edits.get("_edits", 0) + 1
            tracing.count_change()

    def lock(self) -> None:
        """From now on a new variable or layer is an error."""
        self.locked = True

    def unlock(self) -> None:
        """Takes new variables and layers again."""
        self.locked = False

    def file(self, value: Any, store: list[Any]) -> None:
        """Adds `value` to `store` unless it is there."""
        if any(v is value for v in store):
            return
        if self.locked and store is not self.metrics:
            name = getattr(self._owner, "name", type(self._owner).__name__)
            raise ValueError(_LOCKED.format(name=name, value=value))
        store.append(value)

    def untrack(self, value: Any) -> None:
        """Takes `value` off its list."""
        for store in (
            self.trainable_variables,
            self.non_trainable_variables,
            self.layers,
            self.metrics,
            self.seed_generators,
        ):
            store[:] = [v for v in store if v is not value]


def _counts(*names: str) -> Callable[[type], type]:
    """Decorator of containers: after each of these methods, traces of the owner are of what was inside before."""

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def change(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = method(self, *args, **kwargs)
            if self._tracker is not None:
                self._tracker.count_edit()
            return result

        return change

    def decorate(cls: type) -> type:
        for name in names:
            setattr(cls, name, counted(getattr(cls, name)))
        return cls

    return decorate


class _Tracked:
    """What the containers have in common."""

    _tracker: Tracker | None = None  # also while a copy is being filled

    def _track(self, value: Any) -> Any:
        return self._tracker.track(value) if self._tracker is not None else value

    def _untrack(self, value: Any) -> None:
        if self._tracker is not None:
            self._tracker.untrack(value)


@_counts("append", "insert", "extend", "__setitem__", "__delitem__", "__imul__", "remove", "pop", "clear")
@_counts("reverse", "sort")
class TrackedList(_Tracked, list):
    """A list that files what is put into it."""

    def __init__(self, values: Iterable[Any] = (), tracker: Tracker | None = None) -> None:
        self._tracker = tracker
        super().__init__(self._track(v) for v in values)

    def append(self, value: Any) -> None:
        super().append(self._track(value))

    def insert(self, index: Any, value: Any) -> None:
        super().insert(index, self._track(value))

    def extend(self, values: Iterable[Any]) -> None:
        super().extend([self._track(v) for v in values])

    def __iadd__(self, values: Iterable[Any]) -> TrackedList:  # type: ignore[override, misc]
        self.extend(values)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, [self._track(v) for v in value] if isinstance(index, slice) else self._track(value))

    def remove(self, value: Any) -> None:
        self._untrack(value)
        super().remove(value)

    def pop(self, index: Any = -1) -> Any:
        value = super().pop(index)
        self._untrack(value)
        return value

    def clear(self) -> None:
        for value in self:
            self._untrack(value)
        super().clear()

    def __delitem__(self, index: Any) -> None:
        removed = self[index]
        for value in removed if isinstance(index, slice) else [removed]:
            self._untrack(value)
        super().__delitem__(index)


@_counts("__setitem__", "update", "pop", "popitem")  # the others end there
class TrackedDict(_Tracked, dict):
    """A dict that files what is put into it."""

    def __init__(self, values: Any = (), tracker: Tracker | None = None) -> None:
        self._tracker = tracker
        super().__init__({k: self._track(v) for k, v in dict(values).items()})

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, self._track(value))

    def update(self, *args: Any, **kwargs: Any) -> None:
        super().update({k: self._track(v) for k, v in dict(*args, **kwargs).items()})

    def __ior__(self, other: Any) -> TrackedDict:  # type: ignore[override, misc]
        self.update(other)
        return self

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: Any, *default: Any) -> Any:
        present = key in self
        value = super().pop(key, *default)
        if present and self._tracker is not None:
            self._tracker.untrack(value)
        return value

    def popitem(self) -> Any:
        key, value = super().popitem()
        if self._tracker is not None:
            self._tracker.untrack(value)
        return key, value

    def clear(self) -> None:
        for key in list(self):
            self.pop(key)

    def __delitem__(self, key: Any) -> None:
        self.pop(key)


@_counts("add", "update", "remove", "pop", "__ior__", "__iand__", "__isub__", "__ixor__")
@_counts("difference_update", "intersection_update", "symmetric_difference_update")
class TrackedSet(_Tracked, set):
    """A set that files what is put into it."""

    def __init__(self, values: Iterable[Any] = (), tracker: Tracker | None = None) -> None:
        self._tracker = tracker
        super().__init__(self._track(v) for v in values)

    def add(self, value: Any) -> None:
        super().add(self._track(value))

    def update(self, *values: Iterable[Any]) -> None:
        for group in values:
            super().update(self._track(v) for v in group)

    def remove(self, value: Any) -> None:
        super().remove(value)
        if self._tracker is not None:
            self._tracker.untrack(value)

    def discard(self, value: Any) -> None:
        if value in self:
            self.remove(value)

    def pop(self) -> Any:
        value = super().pop()
        if self._tracker is not None:
            self._tracker.untrack(value)
        return value

    def clear(self) -> None:
        for value in list(self):
            self.remove(value)
