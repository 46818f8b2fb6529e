"""The Keras API on tahr: `from tahr import keras`.

Nothing heavy is imported here. Every public name is looked up on first use (PEP 562), so that `import tahr` stays
quick and a script pays only for the parts it touches. To publish a new top-level name, add it to `_NAMES`; a new
namespace is a folder beside this file, listed in `_MODULES`.
"""

from __future__ import annotations

import importlib
from typing import Any

from tahr.keras.old_paths import install, submodule

install()

# Namespaces: `keras.layers`, ... one folder each.
_MODULES = (
    "activations",
    "applications",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distillation",
    "distribution",
    "dtype_policies",
    "export",
    "initializers",
    "layers",
    "legacy",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "quantizers",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "visualization",
    "wrappers",
)

# Names that Keras also publishes at the top: where they live here.
_NAMES = {
    "DTypePolicy": "dtype_policies",
    "FloatDTypePolicy": "dtype_policies",
    "Function": "symbolic",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "backend",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Operation": "symbolic",
    "Optimizer": "optimizers",
    "Quantizer": "quantizers",
    "Regularizer": "regularizers",
    "RematScope": "backend.remat",
    "Sequential": "models",
    "StatelessScope": "backend",
    "SymbolicScope": "backend",
    "Variable": "backend",
    "device": "backend",
    "name_scope": "backend",
    "remat": "backend.remat",
    "version": "backend",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    if name == "__version__":
        import tahr

        return tahr.__version__
    return submodule(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})
