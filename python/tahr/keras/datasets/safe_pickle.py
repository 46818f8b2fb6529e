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

_ALLOWED = {
    ("_reconstruct", "numpy.core.multiarray"),
    ("_reconstruct", "numpy._core.multiarray"),
    ("scalar", "numpy.core.multiarray"),
    ("scalar", "numpy._core.multiarray"),
    ("ndarray", "numpy"),
    ("dtype", "numpy"),
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (name, module) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"[datasets] expected a file of numbers, received one that names {module}.{name}. It was not read: "
                f"it may be an attack."
            )
        multiarray = np.core.multiarray if not hasattr(np, "_core") else np._core.multiarray
        return {
            "_reconstruct": multiarray._reconstruct,
            "scalar": multiarray.scalar,
            "ndarray": np.ndarray,
            "dtype": np.dtype,
        }[name]


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
