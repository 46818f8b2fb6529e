"""What a Tensor can do beyond its operators: conversion, printing, NumPy and DLPack interchange."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import _C

__all__ = ["Tensor", "constant", "convert_to_tensor", "from_dlpack", "from_numpy", "is_tensor", "symbolic"]

Tensor = _C.Tensor


def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A tensor holding `value`: a number, a nested list, an array (copied), a variable or a tensor.

    Python numbers become float32 (`floatx`), int32 or bool; arrays keep their dtype.

    Raises:
        TypeError: if `value` is no number, array or list of numbers.

    Example:
        >>> import tahr
        >>> tahr.convert_to_tensor([1.0, 2.0]).dtype
        tahr.float32
    """
    return _C.to_tensor(value, dtype, "[convert_to_tensor]")


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor holding `value`; with `shape`, reshaped to it, or filled with a single number.

    Example:
        >>> import tahr
        >>> tahr.constant(3.0, shape=(2,)).numpy()
        array([3., 3.], dtype=float32)
    """
    t = _C.to_tensor(value, dtype, "[constant]")
    if shape is None:
        return t
    shape = tuple(shape) if not isinstance(shape, int) else (shape,)
    return _C.ops.broadcast_to(t, shape) if t.size == 1 else _C.ops.reshape(t, shape)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor over the memory of a C-contiguous array: nothing is copied, so the array must not change afterwards."""
    return _C.from_numpy(array)


def from_dlpack(other: Any) -> Tensor:
    """A tensor over the memory of another library's tensor, on the CPU or a GPU, exchanged by DLPack without a copy."""
    if not hasattr(other, "__dlpack__"):
        return _C.from_dlpack(other)
    kind, number = other.__dlpack_device__()
    if kind == 2:  # on a GPU: what the other library still computes comes first on our stream
        return _C.from_dlpack(other.__dlpack__(stream=_C.device_stream(number)))
    return _C.from_dlpack(other.__dlpack__())


def symbolic(shape: Any, dtype: Any = "float32") -> Tensor:
    """A tensor without a value: ops on it find shapes and dtypes. None in `shape` is an unknown dimension.

    Example:
        >>> import tahr
        >>> tahr.ops.matmul(tahr.symbolic((None, 3)), tahr.symbolic((3, 2))).shape
        (None, 2)
    """
    return _C.symbolic(tuple(shape), dtype)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor or a variable."""
    return isinstance(x, (_C.Tensor, _C.Variable))


def _numpy(self: Tensor) -> np.ndarray:
    """The values as a NumPy array of its own, free to be changed. `np.asarray(t)` gives a read-only view instead."""
    return _C.tensor_to_numpy(self, True)


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    a = _C.tensor_to_numpy(self, bool(copy))
    return a if dtype is None or a.dtype == dtype else a.astype(dtype)


def _repr(self: Tensor) -> str:
    if self.is_symbolic:
        return f"<tahr.Tensor: shape={self.shape}, dtype={self.dtype}, symbolic>"
    return f"<tahr.Tensor: shape={self.shape}, dtype={self.dtype}, numpy={np.asarray(self)!r}>".replace(
        "numpy=array(", "numpy=\narray(" if self.ndim else "numpy=array("
    )


def _str(self: Tensor) -> str:
    if self.is_symbolic:
        return f"tahr.Tensor(symbolic, shape={self.shape}, dtype={self.dtype})"
    newline = "\n" if self.ndim else ""
    return f"tahr.Tensor({newline}{np.asarray(self)}, shape={self.shape}, dtype={self.dtype})"


def _iter(self: Tensor) -> Any:
    if self.ndim == 0:
        raise TypeError("[iter] a tensor of rank 0 has nothing to iterate over.")
    return (self[i] for i in range(len(self)))


def _item(self: Tensor) -> Any:
    """The only element, as a Python number."""
    if self.dtype == "bool":
        return bool(self)
    return float(self) if self.dtype.is_floating else int(self)


def _setitem(self: Tensor, key: Any, value: Any) -> None:
    raise TypeError(
        "[Tensor] tensors are immutable: 'x[...] = value' is not possible. Use tahr.Variable and v[...].assign(value), "
        "or tahr.ops.slice_update / tahr.ops.scatter_update for a changed copy."
    )


def _format(self: Tensor, spec: str) -> str:
    return format(_item(self), spec) if spec and self.ndim == 0 else format(str(self), spec)


def _dlpack(
    self: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
) -> Any:
    own = _C.dlpack_device(self)
    if own[0] == 1 and stream is not None:
        raise BufferError(f"[dlpack] expected stream None for memory of the CPU, received {stream!r}.")
    if stream is not None and (isinstance(stream, bool) or not isinstance(stream, int) or stream == 0 or stream < -1):
        raise BufferError(
            f"[dlpack] expected stream None, -1 (do not wait), 1, 2 or a stream's address, received {stream!r}."
        )
    if dl_device is not None and tuple(dl_device) != own:
        if tuple(dl_device) != (1, 0) or copy is False:
            raise BufferError(f"[dlpack] expected dl_device {own}, received {dl_device!r}.")
        return _C.to_dlpack(_C.from_numpy(_numpy(self)))
    # The device is waited for, so any stream may read on.
    return _C.to_dlpack(self, copy=bool(copy), wait=stream != -1)


for _name, _f in {
    "numpy": _numpy,
    "item": _item,
    "tolist": lambda self: np.asarray(self).tolist(),
    "__array__": _array,
    "__array_priority__": 100,
    "__repr__": _repr,
    "__str__": _str,
    "__iter__": _iter,
    "__format__": _format,
    "__setitem__": _setitem,
    "__copy__": lambda self: self,
    "__deepcopy__": lambda self, memo: self,
    "__reduce__": lambda self: (convert_to_tensor, (_numpy(self), self.dtype)),
    "__dlpack__": _dlpack,
    "__dlpack_device__": lambda self: _C.dlpack_device(self),
    "T": property(lambda self: _C.ops.transpose(self)),
    "get_shape": lambda self: self.shape,
    "set_shape": lambda self, shape: None if _compatible(self.shape, shape) else _bad_shape(self, shape),
    "__tahr_tensor__": lambda self: self,
}.items():
    setattr(Tensor, _name, _f)


def _compatible(shape: tuple, other: Any) -> bool:
    return len(shape) == len(other) and all(a == b or a is None or b is None for a, b in zip(shape, other))


def _bad_shape(t: Tensor, shape: Any) -> None:
    raise ValueError(f"[set_shape] expected a shape compatible with {t.shape}, received {tuple(shape)}.")
