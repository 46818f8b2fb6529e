"""keras.preprocessing: preparing data outside of a model, with the names that older scripts know.

- text: `Tokenizer` and its relatives; sequence: windows and pairs out of sequences
- image: files to arrays and back, `ImageDataGenerator` (image_generator, with image_iterators and image_tables; what
  it changes in image_transforms over image_sampling)

Layers that do such work inside a model are in `keras.layers`.
"""

from __future__ import annotations

import importlib
from typing import Any

_FROM_UTILS = ("image_dataset_from_directory", "text_dataset_from_directory", "timeseries_dataset_from_array")
_MODULES = ("image", "sequence", "text")

__all__ = [*_FROM_UTILS, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FROM_UTILS:
        return getattr(importlib.import_module("tahr.keras.utils"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
