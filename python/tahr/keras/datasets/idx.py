"""Reads IDX files, the format of MNIST and Fashion-MNIST: dtype, shape, then the bytes in row-major order.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math

import numpy as np

_UNSIGNED_BYTES = 8


def read(path: str) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, gzip-compressed if its name ends in `.gz`.

    Raises:
        ValueError: the file is no such file or is cut short.
    """
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTES:
        raise ValueError(f"[datasets] expected an IDX file of unsigned bytes, received {path} with other contents.")
    rank = data[3]
    start = 4 + 4 * rank
    shape = tuple(int(n) for n in np.frombuffer(data[4:start], dtype=">u4"))
    if len(shape) != rank or len(data) - start != math.prod(shape):
        raise ValueError(
            f"[datasets] expected {math.prod(shape)} bytes for shape {shape}, received {len(data) - start}: {path}."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()
