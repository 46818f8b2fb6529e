"""tahr: a small deep-learning framework.

`import tahr as tf` gives the tensor level: tensors, variables, gradient tapes and functions of them under TensorFlow's
names. `from tahr import keras` gives layers, models, losses, optimizers and training under Keras's. `tahr.ops` holds every
function of the op table under the names of `keras.ops`.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from tahr import _C
from tahr._C import __version__ as __version__
from tahr.dtypes import ALL as _dtypes
from tahr.dtypes import DType as DType
from tahr.dtypes import as_dtype as as_dtype
from tahr.tensor import Tensor as Tensor
from tahr.tensor import constant as constant
from tahr.tensor import convert_to_tensor as convert_to_tensor
from tahr.tensor import from_dlpack as from_dlpack
from tahr.tensor import from_numpy as from_numpy
from tahr.tensor import is_tensor as is_tensor
from tahr.tensor import symbolic as symbolic
from tahr.variable import Variable as Variable
from tahr.variable import set_variable_read_hook as set_variable_read_hook

globals().update({name: dtype for name, dtype in _dtypes.items() if name != "bool"})
half, double = _dtypes["float16"], _dtypes["float64"]
newaxis = None

from tahr import config, math, nest, nn, ops, random  # noqa: E402
from tahr.config import device  # noqa: E402
from tahr.function import TensorSpec, function  # noqa: E402
from tahr.linalg import matmul, norm  # noqa: E402
from tahr.math import (  # noqa: E402
    add_n,
    argmax,
    argmin,
    cumsum,
    reduce_all,
    reduce_any,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
)
from tahr.tape import (  # noqa: E402
    GradientTape,
    UnconnectedGradients,
    custom_gradient,
    no_gradient,
    stop_gradient,
)
from tahr.tracing import init_scope  # noqa: E402
from tahr.tf_names import *  # noqa: E402,F403
from tahr.tf_names import __all__ as _tf_names  # noqa: E402

_LAZY = {
    **{name: f"tahr.{name}" for name in ("data", "image", "io", "keras", "linalg", "profiler", "recurrent", "test")},
    **{name: f"tahr.keras.{name}" for name in ("initializers", "losses", "metrics", "optimizers")},
}

# Names that are looked up where they live, when asked for: older names, and what few scripts need.
_ELSEWHERE = {
    **{name: ("tf_objects", name) for name in ("Module", "TensorShape", "print", "py_function")},
    "random_normal": ("random", "normal"),
    "random_uniform": ("random", "uniform"),
    "set_random_seed": ("random", "set_seed"),
}
string = DType("string")  # of layers that read text; tensors hold numbers


def enable_eager_execution() -> None:
    """As in TensorFlow 1: computation runs at once. It always does."""


__all__ = [
    *("DType", "GradientTape", "Tensor", "TensorSpec", "UnconnectedGradients", "Variable", "add_n", "argmax", "argmin"),
    *(
        "as_dtype",
        "config",
        "constant",
        "convert_to_tensor",
        "cumsum",
        "custom_gradient",
        "from_dlpack",
        "from_numpy",
        "function",
    ),
    *("init_scope", "is_tensor"),
    *("math", "matmul", "nest", "newaxis", "nn", "no_gradient", "norm", "ops", "random", "reduce_all", "reduce_any"),
    *("reduce_logsumexp", "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum"),
    *("set_variable_read_hook", "stop_gradient", "symbolic"),
    *_tf_names,
    *_LAZY,
    *(name for name in _ELSEWHERE if name != "print"),  # a star import keeps Python's
    *("enable_eager_execution", "string"),
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module = importlib.import_module(_LAZY[name])
        globals()[name] = module
        return module
    if name in _ELSEWHERE:
        home, attribute = _ELSEWHERE[name]
        globals()[name] = getattr(importlib.import_module(f"tahr.{home}"), attribute)
        return globals()[name]
    if name == "bool":  # not in globals(), where it would hide Python's
        return _dtypes["bool"]
    from tahr.gone import advice

    raise AttributeError(advice(name) or f"module 'tahr' has no attribute {name!r}.")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if os.environ.get("TAHR_VERBOSE") == "1":
    from tahr.profiler import profile_process

    profile_process()
