"""Names of dtypes, and which dtype results from several."""

from __future__ import annotations

from typing import Any

from tahr.keras.backend import config

FLOAT_TYPES = ("bfloat16", "float16", "float32", "float64")
INT_TYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
ALLOWED = frozenset(
    FLOAT_TYPES + INT_TYPES + ("bool", "string", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128")
)
_ALIASES = {"float": None, "half": "float16", "double": "float64", "int": "int32", "str": "string", "bool_": "bool"}
_PYTHON = {bool: "bool", int: "int32", float: None, str: "string"}


def standardize_dtype(dtype: Any) -> str:
    """The name of `dtype`: a string, a NumPy or tahr dtype, a Python type; None is `floatx()`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.backend.standardize_dtype(np.float64)
    'float64'
    """
    if dtype is None:
        return config.floatx()
    if type(dtype) is str and dtype in ALLOWED:
        return dtype
    if isinstance(dtype, type) and dtype in _PYTHON:
        return _PYTHON[dtype] or config.floatx()
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    name = str(name)
    if name in _ALIASES:
        name = _ALIASES[name] or config.floatx()
    elif name.startswith("torch."):
        name = name[len("torch.") :]
    elif name.startswith(("str", "<U", "|S", "bytes")):
        name = "string"
    if name not in ALLOWED:
        raise ValueError(f"[dtype] expected the name of a data type, such as 'float32', received {dtype!r}.")
    return name


def is_float_dtype(dtype: Any) -> bool:
    """Whether `dtype` is a floating-point type."""
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype: Any) -> bool:
    """Whether `dtype` is a signed or unsigned integer type (bool is not)."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


# Promotion: the least type above both in this lattice, where a weak type (a Python scalar's) lies below every
# sized type of its kind. An edge leads from a type to the next wider ones.
_ABOVE = {
    "bool": ("weak_int",),
    "weak_int": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("weak_float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("weak_float",),
    "weak_float": ("bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "complex64": ("complex128",),  # known as names: no tensor holds them
    "complex128": (),
}


def _upward(name: str) -> set[str]:
    seen: set[str] = set()
    stack = [name]
    while stack:
        n = stack.pop()
        if n not in seen:
            seen.add(n)
            stack.extend(_ABOVE[n])
    return seen


_UP = {name: _upward(name) for name in _ABOVE}
_join_cache: dict[frozenset[str], str] = {}


def _join(names: frozenset[str]) -> str:
    found = _join_cache.get(names)
    if found is None:
        common = set.intersection(*(_UP[n] for n in names))
        found = next(n for n in common if all(m in _UP[n] for m in common))
        _join_cache[names] = found
    return found


def result_type(*dtypes: Any) -> str:
    """The dtype that Keras's promotion gives for operands of these dtypes.

    Args:
        dtypes: dtypes, or Python's `int` and `float` for scalars, which never widen a sized type of their kind.

    Returns:
        Its name: the narrowest type that holds both kinds; `floatx()` where no integer type would do.

    >>> from tahr import keras
    >>> keras.backend.result_type("int32", "float16"), keras.backend.result_type("int32", float)
    ('float16', 'float32')
    """
    if not dtypes:
        return config.floatx()
    names = set()
    for d in dtypes:
        if d is int:
            names.add("weak_int")
        elif d is float:
            names.add("weak_float")
        else:
            names.add(standardize_dtype(d))
    if names == {"uint8", "weak_int"}:
        return "uint8"
    for n in names:
        if n not in _UP:
            if len(names) == 1:
                return n
            raise ValueError(f"[result_type] expected numeric data types, received {n!r} among {sorted(names)}.")
    result = _join(frozenset(names))
    if result == "weak_int":
        return "int32"
    if result == "weak_float":
        return config.floatx()
    return result
