"""Every op of the table as a function, and the functions composed of them: the names of `keras.ops`.

The functions of the table (arguments, defaults, documentation) come from `csrc/ops`; `tahr.ops.add` is generated.
What lives here: functions that are compositions in Python, one module per family (`core` conversion, `control`
control flow, `arrays` creation and arrays, `neural` normalisation and attention, `decompositions`, `solving` and
`fourier` what NumPy computes through `host`, `signals`, `rearranging`, `ctc`, `image` the namespace of that name,
`composite` the rest). What may not: kernels or gradients. To add a function: to the table if it can be an op, else to
the module of its family.
"""

from __future__ import annotations

from typing import Any

from tahr import _C

TABLE: dict[str, Any] = {d["name"]: getattr(_C.ops, d["name"]) for d in _C.op_table() if not d["hidden"]}
globals().update(TABLE)

from tahr.ops import arrays as _arrays  # noqa: E402
from tahr.ops import composite as _composite  # noqa: E402
from tahr.ops import control as _control  # noqa: E402
from tahr.ops import core as _core  # noqa: E402
from tahr.ops import ctc as _ctc  # noqa: E402
from tahr.ops import decompositions as _decompositions  # noqa: E402
from tahr.ops import fourier as _fourier  # noqa: E402
from tahr.ops import image as image  # noqa: E402
from tahr.ops import neural as _neural  # noqa: E402
from tahr.ops import rearranging as _rearranging  # noqa: E402
from tahr.ops import signals as _signals  # noqa: E402
from tahr.ops import solving as _solving  # noqa: E402

_MODULES = (
    _arrays,
    _composite,
    _control,
    _core,
    _ctc,
    _decompositions,
    _fourier,
    _neural,
    _rearranging,
    _signals,
    _solving,
)
for _module in _MODULES:
    globals().update({_name: getattr(_module, _name) for _name in _module.__all__})

__all__ = sorted({*TABLE, *(_name for _module in _MODULES for _name in _module.__all__)})


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'tahr.ops' has no function {name!r}.")
