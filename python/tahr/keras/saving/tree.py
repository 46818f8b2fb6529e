"""Which objects inside a model have state, and the path under which a file keeps it.

Keras 3's rule: an object's state is filed under the names of the attributes that lead to it, public ones first, in
alphabetical order; the layers of a Sequential or Functional model before all of them, under "layers". In a list or
dict an object is named after its class, and numbered. What can be reached in several ways is kept once, at the first.

Keras does not keep the states of seed generators; here they are kept as one more group, which Keras passes over, so
that random numbers go on after loading.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from typing import Any

from tahr.keras.backend.state import to_snake_case

# Attributes of this package's own that hold objects which are filed elsewhere, or none.
_INTERNAL = frozenset(
    ("_compile_arguments", "_inference_step", "_nodes", "_nodes_by_depth", "_step_variables", "_traced_steps")
)


def kind_of(obj: Any) -> str | None:
    """ "Layer", "Optimizer", ... for objects that may have state in a file, None for others."""
    if isinstance(obj, (str, int, float, bool, type, type(None))):
        return None
    for kind, cls in _kinds():
        if isinstance(obj, cls):
            return kind
    return None


@functools.cache
def _kinds() -> tuple[tuple[str, type], ...]:
    from tahr.keras import layers, losses, metrics, models, optimizers, random, symbolic

    return (
        ("Sequential", models.Sequential),
        ("Functional", models.Functional),
        ("Layer", layers.Layer),
        ("SeedGenerator", random.SeedGenerator),
        ("Operation", symbolic.Operation),
        ("Metric", metrics.Metric),
        ("Optimizer", optimizers.Optimizer),
        ("Loss", losses.Loss),
    )


@functools.cache
def _skipped(kind: str) -> frozenset[str]:
    """Attributes that every object of the kind has: they are not looked into."""
    from tahr.keras import losses, metrics, optimizers, symbolic
    from tahr.keras.layers.layer import Layer

    if kind in ("Layer", "Sequential", "Functional"):
        names = set(dir(Layer(name="reference")))
        if kind == "Functional":
            names |= {"operations", "_operations"}
        return frozenset(names | _INTERNAL)
    if kind == "Optimizer":
        return frozenset(dir(optimizers.Optimizer(1.0, name="reference"))) - {"variables"}
    classes: dict[str, Any] = {"Operation": symbolic.Operation, "Metric": metrics.Metric, "Loss": losses.Loss}
    return frozenset(dir(classes[kind](name="reference")))


def children(obj: Any, kind: str) -> Iterator[tuple[str, Any]]:
    """(name, value) of the attributes that may lead to state, in the order of filing."""
    if kind == "SeedGenerator":
        return
    if kind in ("Sequential", "Functional"):
        yield "layers", obj.layers
    skipped = _skipped(kind)
    for name in sorted(dir(obj), key=lambda n: f"~{n}" if n.startswith("_") else n):
        if name.startswith("__") or name in skipped:
            continue
        try:
            value = getattr(obj, name)
        except Exception:  # a property that has no value now
            continue
        yield name, value


def _named(container: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of the members of a container that may lead to state."""
    used: dict[str, int] = {}
    for value in list(container.values()) if isinstance(container, dict) else container:
        if kind_of(value) is not None:
            name = to_snake_case(type(value).__name__)
        elif isinstance(value, (list, dict, tuple)):
            name = "container"
        else:
            continue
        used[name] = used.get(name, -1) + 1
        yield (f"{name}_{used[name]}" if used[name] else name), value


class Writer:
    """Files the state of `model` in a store of weights and, if given, one of assets."""

    def __init__(self, weights: Any, assets: Any = None, skip: Any = ()) -> None:
        self.weights, self.assets = weights, assets
        self.visited = {id(o) for o in skip}
        self.containers: set[int] = set()
        self.alive: list[Any] = []  # objects whose ids are taken, among them ones that properties make

    def write(self, obj: Any, path: str = "") -> None:
        kind = kind_of(obj)
        if kind is None or id(obj) in self.visited:
            return
        self.visited.add(id(obj))
        self.alive.append(obj)
        self.visit(obj, path)
        for name, value in children(obj, kind):
            self.write_value(value, f"{path}/{name}" if path else name)

    def visit(self, obj: Any, path: str) -> None:
        """Files what `obj` itself holds."""
        if kind_of(obj) == "SeedGenerator":
            self.weights.create(path, None)["0"] = obj.state.numpy()
            return
        if hasattr(obj, "save_own_variables") and self.weights is not None:
            name = getattr(obj, "name", None)
            obj.save_own_variables(self.weights.create(path, name if isinstance(name, str) else None))
        if hasattr(obj, "save_assets") and self.assets is not None:
            obj.save_assets(self.assets.create(path))

    def write_value(self, value: Any, path: str) -> None:
        if isinstance(value, (list, dict, tuple)):
            if id(value) in self.containers:
                return
            self.containers.add(id(value))
            self.alive.append(value)
            for name, member in _named(value):
                self.write_value(member, f"{path}/{name}")
        else:
            self.write(value, path)


class Reader:
    """Fills a model from the stores; `errors` tells afterwards what could not be filled."""

    def __init__(self, weights: Any, assets: Any = None, skip: Any = ()) -> None:
        self.weights, self.assets = weights, assets
        self.visited = {id(o) for o in skip}
        self.containers: set[int] = set()
        self.errors: dict[int, tuple[Any, str, Exception]] = {}  # by id of the object

    def read(self, obj: Any, path: str = "") -> None:
        kind = kind_of(obj)
        if kind is None or id(obj) in self.visited:
            return
        if kind == "SeedGenerator":
            entry = self.weights.find(path)
            if len(entry.keys()) == 1:
                obj.state.assign(entry["0"])
                self.visited.add(id(obj))
            return
        failure = self._fill(obj, path)
        before = len(self.errors)
        for name, value in children(obj, kind):
            self.read_value(value, f"{path}/{name}" if path else name)
        if failure is None:
            if len(self.errors) <= before:
                self.visited.add(id(obj))
            self.errors.pop(id(obj), None)

    def _fill(self, obj: Any, path: str) -> Exception | None:
        try:
            if hasattr(obj, "load_own_variables") and self.weights is not None:
                obj.load_own_variables(self.weights.find(path))
            if hasattr(obj, "load_assets") and self.assets is not None:
                folder = self.assets.find(path)
                if folder is not None:
                    obj.load_assets(folder)
        except MemoryError:
            raise
        except Exception as error:
            self.errors[id(obj)] = (obj, path, error)
            return error
        return None

    def read_value(self, value: Any, path: str) -> None:
        if not isinstance(value, (list, dict, tuple)):
            self.read(value, path)
            return
        if id(value) in self.containers:
            return
        self.containers.add(id(value))
        for name, member in _named(value):
            where = f"{path}/{name}"
            nested = isinstance(member, (list, dict, tuple))
            if nested and not self.weights.has(where) and not (self.assets is not None and self.assets.has(where)):
                self._read_absent(member, where)
            else:
                self.read_value(member, where)

    def _read_absent(self, container: Any, path: str) -> None:
        """A list within a list of which the file has nothing: earlier versions of Keras did not write these."""
        former, self.errors = self.errors, {}
        self.read_value(container, path)
        if self.errors:
            names = sorted({getattr(obj, "name", type(obj).__name__) for obj, _, _ in self.errors.values()})
            warnings.warn(
                f"[load_model] the file has nothing for {path!r}: {names} keep their initial weights. Older versions of "
                "Keras did not save layers in lists within lists.",
                stacklevel=2,
            )
        self.errors = former

    def finish(self, where: str, warn_only: bool = False) -> None:
        """Raises ValueError (or warns) if something could not be filled."""
        if not self.errors:
            return
        obj, path, error = next(iter(self.errors.values()))
        names = [getattr(o, "name", type(o).__name__) for o, _, _ in self.errors.values()]
        message = (
            f"[{where}] expected state for all objects of the model, but {len(names)} could not be "
            f"loaded: {names}. The first, {type(obj).__name__} {names[0]!r} at {path!r}: {error}"
        )
        if warn_only:
            warnings.warn(message, stacklevel=3)
        else:
            raise ValueError(message) from error
