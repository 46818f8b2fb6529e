"""What the rest of tahr.keras stands on; the public part is `keras.backend`.

- config: settings; state: session counters; dtypes: names and promotion
- engine: the only file that knows the tensor level; variables, keras_tensor: the two things layers are made of
- scopes: names, casts, stateless calls; masking: masks on tensors

- functions: what `keras.backend` offered before Keras 3 (`K.sum`, ...), loaded when asked for

Nothing else here may import layers, models or losses.
"""

import importlib
from typing import Any

from tahr.keras.backend.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    standardize_data_format,
)
from tahr.keras.backend.dtypes import is_float_dtype, is_int_dtype, result_type, standardize_dtype
from tahr.keras.backend.engine import convert_to_numpy, convert_to_tensor, is_tensor
from tahr.keras.backend.keras_tensor import KerasTensor, any_symbolic, is_keras_tensor
from tahr.keras.backend.masking import get_keras_mask, set_keras_mask
from tahr.keras.backend.scopes import (
    AutocastScope,
    StatelessScope,
    SymbolicScope,
    current_path,
    get_autocast_scope,
    get_stateless_scope,
    in_stateless_scope,
    in_symbolic_scope,
    name_scope,
)
from tahr.keras.backend.state import auto_name, clear_session, get_uid, reset_uids, to_snake_case
from tahr.keras.backend.variables import Variable, standardize_shape

KERAS_VERSION = "3.15.1"  # the version of Keras whose interface and file formats this package follows


def version() -> str:
    """The version of Keras whose interface this package follows."""
    return KERAS_VERSION


def device(device_name: str):
    """A scope that places new tensors on `device_name`, such as "cpu:0"."""
    import tahr

    return tahr.device(device_name)


__all__ = [
    "AutocastScope",
    "KERAS_VERSION",
    "KerasTensor",
    "StatelessScope",
    "SymbolicScope",
    "Variable",
    "any_symbolic",
    "auto_name",
    "backend",
    "clear_session",
    "convert_to_numpy",
    "convert_to_tensor",
    "current_path",
    "device",
    "epsilon",
    "floatx",
    "get_autocast_scope",
    "get_keras_mask",
    "get_stateless_scope",
    "get_uid",
    "image_data_format",
    "in_stateless_scope",
    "in_symbolic_scope",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "is_tensor",
    "name_scope",
    "reset_uids",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_keras_mask",
    "standardize_data_format",
    "standardize_dtype",
    "standardize_shape",
    "to_snake_case",
    "version",
]


def __getattr__(name: str) -> Any:
    return importlib.import_module("tahr.keras.backend.functions").find(name)
