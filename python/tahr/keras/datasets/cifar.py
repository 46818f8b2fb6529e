"""Reads the archives of CIFAR-10 and CIFAR-100."""

from __future__ import annotations

import tarfile

import numpy as np

from tahr.keras.backend.config import image_data_format
from tahr.keras.datasets import safe_pickle

_Pair = tuple[np.ndarray, np.ndarray]


def read(path: str, members: list[str], label_key: str) -> _Pair:
    """Pictures (samples, 32, 32, 3), or (samples, 3, 32, 32) for "channels_first", and labels (samples, 1), both uint8.

    Args:
        path: the archive.
        members: files in it to be joined.
        label_key: name under which these files hold the labels.
    """
    pictures, labels = [], []
    with tarfile.open(path) as archive:
        for member in members:
            file = archive.extractfile(member)
            if file is None:
                raise ValueError(f"[datasets] expected the file {member} in {path}, found a directory.")
            content = safe_pickle.load(file.read(), encoding="bytes")
            pictures.append(np.asarray(content[b"data"], dtype=np.uint8).reshape(-1, 3, 32, 32))
            labels.append(np.asarray(content[label_key.encode()], dtype=np.uint8))
    x = np.concatenate(pictures)
    if image_data_format() == "channels_last":
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    return x, np.concatenate(labels).reshape(-1, 1)
