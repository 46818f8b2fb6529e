"""Files as bytes, under TensorFlow's names: `tf.io.read_file`."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["read_file", "write_file"]


def read_file(filename: Any, name: str | None = None) -> bytes:
    """The bytes of a file; `tf.image.decode_image` and `decode_jpeg` take them.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    with open(os.fspath(filename), "rb") as f:
        return f.read()


def write_file(filename: Any, contents: bytes | str, name: str | None = None) -> None:
    """Writes bytes (or a string, as UTF-8), making the folder if it is missing."""
    path = os.fspath(filename)
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(contents.encode() if isinstance(contents, str) else contents)
