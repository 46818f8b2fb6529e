"""The optimizer updates of the op table: one op per rule updates all parameters and their slots in place.

They are not names of `keras.ops`, so they live apart from `tahr.ops`. Their arguments are described in
`csrc/ops/README.md`; `tahr.keras.optimizers` calls them.
"""

from __future__ import annotations

from typing import Any

from tahr import _C

_RULES = ("adadelta", "adagrad", "adam", "adamax", "ftrl", "lamb", "lion", "nadam", "rmsprop", "sgd")
TABLE: dict[str, Any] = {f"{rule}_update": getattr(_C.ops, f"{rule}_update") for rule in _RULES}
globals().update(TABLE)

__all__ = sorted(TABLE)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'tahr.ops.updates' has no function {name!r}.")
