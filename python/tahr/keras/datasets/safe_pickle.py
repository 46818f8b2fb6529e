"""Reads pickles that hold nothing but built-in values and NumPy arrays, as some older data files do.

Unpickling may call any function that a file names. Here only those that rebuild NumPy arrays may be named: anything
else is refused before it runs.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np

_multiarray: Any = getattr(np, "_core" if hasattr(np, "_core") else "core").multiarray


def _encode(text: str, encoding: str) -> bytes:
    """How bytes are written in pickles that Python 2 can read: as text of the same code points."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"[datasets] expected bytes as latin1, received {encoding!r}.")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _multiarray._reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _multiarray._reconstruct,
    ("numpy.core.multiarray", "scalar"): _multiarray.scalar,
    ("numpy._core.multiarray", "scalar"): _multiarray.scalar,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"[datasets] expected a file of numbers, received one that names {module}.{name}. It was not read: "
                "it may be an attack."
            )
        return _ALLOWED[module, name]


def load(data: bytes, encoding: str = "ASCII") -> Any:
    """The value in a pickle. `encoding` is that of strings in pickles of Python 2; "bytes" keeps them as bytes."""
    return _ArrayUnpickler(io.BytesIO(data), encoding=encoding).load()


def load_npz(path: str) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file, those of lists of numbers (dtype object) included."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if not member.endswith(".npy"):
                continue
            data = archive.read(member)
            stream = io.BytesIO(data)
            version = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            _, _, dtype = read_header(stream)
            name = member[: -len(".npy")]
            if dtype.hasobject:
                arrays[name] = load(data[stream.tell() :])
            else:
                arrays[name] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return arrays
