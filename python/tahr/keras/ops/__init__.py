"""keras.ops: the ops of the engine, which here also take KerasTensors.

Each name of `tahr.ops` is published as it is, wrapped so that a call on a KerasTensor becomes a recorded operation of
the graph. Nothing is defined here: a new op belongs in the engine; `forms` has those few that take other arguments.
"""

from __future__ import annotations

from typing import Any

from tahr import ops as _engine_ops
from tahr.keras.ops import dispatch as _dispatch
from tahr.keras.ops.dispatch import OpCall as OpCall
from tahr.keras.ops.namespaces import NAMESPACES as _NAMESPACES


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NAMESPACES:
        fn: Any = _dispatch.Group(__name__, name, _NAMESPACES[name])
    else:
        fn = _dispatch.find(_engine_ops, name)
    globals()[name] = fn
    return fn


def __dir__() -> list[str]:
    return sorted({n for n in (*globals(), *dir(_engine_ops), *_NAMESPACES) if not n.startswith("_")})
