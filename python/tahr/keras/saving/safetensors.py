"""Weights as safetensors: eight bytes with the length of a header, the header in JSON, the raw arrays.

The format: https://huggingface.co/docs/safetensors. The header maps names to "dtype", "shape" and "data_offsets", which
count from its end; arrays are little-endian and row-major. A tensor's name is the path of its weight in the model.
"""

from __future__ import annotations

import json
import math
import os
import struct
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from tahr.keras.saving import h5, safety
from tahr.keras.saving.atomic import replacing

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8",
    "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "BF16": "<u2",
}  # fmt: skip
_NAMES = {np.dtype(v).name: k for k, v in _DTYPES.items() if k != "BF16"}
_MAX_HEADER = 100_000_000


def save_file(tensors: Mapping[str, Any], path: str | os.PathLike[str], metadata: dict[str, str] | None = None) -> None:
    """Writes arrays by name, in one step.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file({"a": np.arange(3.0)}, f"{folder}/a.safetensors")
    ...     load_file(f"{folder}/a.safetensors")
    {'a': array([0., 1., 2.])}
    """
    arrays = {name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in tensors.items()}
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    # Wide types first: each array is aligned then.
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    offset = 0
    for name in order:
        a = arrays[name]
        kind = "BF16" if a.dtype.name == "bfloat16" else _NAMES.get(a.dtype.newbyteorder("=").name)
        if kind is None:
            raise ValueError(f"[safetensors] expected numbers, received {name!r} of dtype {a.dtype}.")
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [offset, offset + a.nbytes]}
        offset += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            a = arrays[name]
            if a.dtype.byteorder == ">":
                a = a.astype(a.dtype.newbyteorder("<"))
            file.write(a.view(np.uint8).data if a.size and a.ndim else a.tobytes())


def load_file(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays in a file by name; bfloat16 comes back as float32.

    Raises:
        ValueError: if it is no such file, or an array does not lie inside it.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _MAX_HEADER):
            raise ValueError(f"[safetensors] expected a header inside the file, received {path!s}, which is none.")
        header = safety.parse_json(file.read(length), f"the header of {path!s}")
        if not isinstance(header, dict):
            raise ValueError(f"[safetensors] expected a header that maps names to arrays in {path!s}.")
        header.pop("__metadata__", None)
        places = {name: _place(name, entry, size - 8 - length) for name, entry in header.items()}
        end = 0
        for name, (_, _, first, last) in sorted(places.items(), key=lambda item: item[1][2:]):
            if first < end:
                raise safety.UnsafeFileError(f"[safetensors] expected arrays side by side, {name!r} overlaps another.")
            end = last
        found = {}
        for name, (kind, shape, first, last) in places.items():
            file.seek(8 + length + first)
            data = np.frombuffer(bytearray(file.read(last - first)), dtype=_DTYPES[kind]).reshape(shape)
            found[name] = h5.bfloat16_to_float32(data) if kind == "BF16" else data
    return found


def _place(name: str, entry: Any, size: int) -> tuple[str, tuple[int, ...], int, int]:
    """(dtype, shape, first byte, end) of an array, checked."""
    try:
        kind, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise ValueError(
            f"[safetensors] expected dtype, shape and data_offsets of {name!r}, received {entry}."
        ) from None
    numbers = [*shape, first, last]
    if (
        not isinstance(kind, str)
        or kind not in _DTYPES
        or not all(type(n) is int and n >= 0 for n in numbers)
        or len(shape) > 32
    ):
        raise ValueError(f"[safetensors] expected a known dtype and sizes of 0 or more for {name!r}, received {entry}.")
    needed = math.prod(shape) * np.dtype(_DTYPES[kind]).itemsize
    if not first <= last <= size or last - first != needed:
        raise safety.UnsafeFileError(f"[safetensors] expected {needed} bytes inside the file for {name!r}: {entry}.")
    return kind, shape, first, last


def named_weights(model: Any) -> dict[str, Any]:
    """The weights of a model by names that another model of the same making has too.

    They are the places in the tree of objects (`layers/dense/vars/0` of a `.weights.h5` file, say), with the weight's
    own name in place of its number: `layers/dense/kernel`.
    """
    from tahr.keras.saving.tree import Writer

    found: dict[str, Any] = {}

    class Names(Writer):
        """Notes which variables an object holds in place of filing them."""

        def visit(self, obj: Any, path: str) -> None:
            for v in (*getattr(obj, "_trainable_variables", ()), *getattr(obj, "_non_trainable_variables", ())):
                key = base = f"{path}/{v.name}" if path else v.name
                number = 0
                while key in found and found[key] is not v:
                    number += 1
                    key = f"{base}_{number}"
                found[key] = v

    optimizer = getattr(model, "optimizer", None)
    Names(None, skip=[optimizer]).write(model)
    return found


def save_weights(model: Any, path: str) -> None:
    """Writes the weights of `model`."""
    arrays = {name: v.numpy() for name, v in named_weights(model).items()}
    save_file(arrays, path, {"format": "keras"})


def load_weights(model: Any, path: str, skip_mismatch: bool = False) -> None:
    """Fills `model` from the file at `path`; nothing is changed unless all fits (or `skip_mismatch`)."""
    found = load_file(path)
    own = named_weights(model)
    missing, extra = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
    wrong = [n for n in own.keys() & found.keys() if tuple(own[n].shape) != found[n].shape]
    if missing or extra or wrong:
        shapes = [f"{n}: {found[n].shape} for {tuple(own[n].shape)}" for n in sorted(wrong)]
        message = (
            f"[load_weights] expected the weights of the model, received a file without {missing}, with {extra} besides, "
            f"with other shapes for {shapes}."
        )
        if not skip_mismatch:
            raise ValueError(message)
        warnings.warn(message + " These are skipped.", stacklevel=4)
    for name in own.keys() & found.keys():
        if name not in wrong:
            own[name].assign(found[name])
