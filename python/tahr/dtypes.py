"""Element types: strings that also answer the questions TensorFlow's dtypes answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import _C

__all__ = ["DType", "as_dtype"]


class DType(str):
    """The type of a tensor's elements: a string such as ``"float32"``, equal to it and usable wherever it is.

    Example:
        >>> import tahr
        >>> tahr.float32 == "float32", tahr.float32.is_floating, tahr.float32.size
        (True, True, 4)
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        return str(self)

    @property
    def as_numpy_dtype(self) -> Any:
        if self == "bfloat16":
            import ml_dtypes

            return ml_dtypes.bfloat16
        return np.dtype(str(self)).type

    @property
    def is_floating(self) -> bool:
        return "float" in self

    @property
    def is_integer(self) -> bool:
        return "int" in self

    @property
    def is_bool(self) -> bool:
        return self == "bool"

    @property
    def is_complex(self) -> bool:
        return False

    @property
    def size(self) -> int:
        """Bytes per element."""
        return {"bool": 1, "bfloat16": 2}.get(self) or int(self.lstrip("uintfloa")) // 8

    def __repr__(self) -> str:
        return f"tahr.{self.name}"

    def __str__(self) -> str:
        return str.__str__(self)

    def __reduce__(self) -> Any:
        return as_dtype, (self.name,)


NAMES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
)
ALL = {name: DType(name) for name in NAMES}
_C.set_dtype_objects([ALL[name] for name in NAMES])


def as_dtype(value: Any) -> DType:
    """The DType that a name, a NumPy dtype, another library's dtype or a Python type stands for.

    Raises:
        ValueError, TypeError: if it stands for none.

    Example:
        >>> import numpy, tahr
        >>> tahr.as_dtype(numpy.int64)
        tahr.int64
    """
    return ALL[_C.dtype_name(value)]
