"""Module paths of older versions of Keras: `keras.layers.embeddings`, `keras.utils.np_utils`, `keras.engine.topology`, ...

Each is a module that hands on the names of today's namespace. Paths that are folders here as well (`keras.layers.core`)
take `names_of` as their `__getattr__`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

_ROOT = "tahr.keras."
_LAYERS = "engine engine.base_layer engine.input_layer engine.topology layers.advanced_activations".split()
_LAYERS += "layers.convolutional_recurrent layers.embeddings layers.experimental layers.local layers.merge".split()
_LAYERS += "layers.experimental.preprocessing layers.noise layers.recurrent layers.wrappers".split()
_UTILS = "utils.all_utils utils.data_utils utils.generic_utils utils.io_utils utils.layer_utils utils.np_utils".split()
_UTILS += ["utils.vis_utils"]

# Old path -> the namespaces that its names are looked up in.
PATHS: dict[str, tuple[str, ...]] = {
    **{path: ("layers", "models") for path in _LAYERS},
    **{path: ("utils",) for path in _UTILS},
    "engine.network": ("models",),
    "engine.sequential": ("models",),
    "engine.training": ("models",),
    "initializations": ("initializers",),
    "objectives": ("losses",),
    "optimizers.adam_v2": ("optimizers",),
    "optimizers.gradient_descent_v2": ("optimizers",),
    "optimizers.optimizer_v2": ("optimizers",),
}


class _OldModule(types.ModuleType):
    """A module that has the names of other modules."""

    _namespaces: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.__name__.removeprefix(_ROOT) + f".{name}" in PATHS:
            return importlib.import_module(f"{self.__name__}.{name}")
        for namespace in self._namespaces:
            module = importlib.import_module(_ROOT + namespace)
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(
            f"module {self.__name__!r} has no attribute {name!r}: it hands on the names of "
            f"{' and '.join(_ROOT + n for n in self._namespaces)}."
        )

    def __dir__(self) -> list[str]:
        return sorted({n for space in self._namespaces for n in dir(importlib.import_module(_ROOT + space))})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.startswith(_ROOT) and fullname[len(_ROOT) :] in PATHS:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = _OldModule(spec.name, f"The names of an older version of Keras: {spec.name}.")
        module._namespaces = PATHS[spec.name[len(_ROOT) :]]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def install() -> None:
    """Makes the old paths importable; the package does so when it is imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def names_of(namespace: str, module: str) -> Callable[[str], Any]:
    """A module's `__getattr__` that looks names up in `tahr.keras.<namespace>`."""

    def get(name: str) -> Any:
        if not name.startswith("_"):
            found = importlib.import_module(_ROOT + namespace)
            if name in dir(found):
                return getattr(found, name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return get


def submodule(parent: str, name: str) -> Any:
    """`parent.name` for an old path or a folder inside `parent`, so that it is found without an import of its own.

    Raises:
        AttributeError: if there is no such module.
    """
    full = f"{parent}.{name}"
    if not name.startswith("_") and importlib.util.find_spec(full) is not None:
        return importlib.import_module(full)
    raise AttributeError(f"module {parent!r} has no attribute {name!r}")
